"""Generates everything in ``grafana/`` that is derived from one table: dashboards and rules."""
