"""Generates everything in ``grafana/`` that is derived from one table: dashboards and rules."""

from __future__ import annotations

from grafana.generator.output import files

__all__ = ["files"]
