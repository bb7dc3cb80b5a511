"""What an incident is: what happens, and who is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.grafana.incidents.story import Exporter, Program

Severity = Literal["none", "info", "warning", "critical"]


@dataclass(frozen=True, kw_only=True)
class Told:
    """An alert that people get, or that another one speaks for."""

    severity: Severity
    alert: str
    within: float
    """Seconds from the beginning until it is sent, at the latest, whatever the scrapes."""
    account: str | None = None
    """None: the only one of the incident that is told of, or none at all."""
    symbol: str | None = None
    window: str | None = None
    until: float | None = None
    """Seconds from the end of it all until people are told that it is over, at the latest; None: not said."""
    instead: str | None = None
    """The alert that speaks for this one, which nobody gets while that one fires."""
    says: str | None = None
    """What the message says; where `until` is given, that it is over says the same after [RESOLVED]."""
    at_last: str | None = None
    """What the message that it is over says, where it says something else."""


@dataclass(frozen=True, kw_only=True)
class Incident:
    """Something that happens to an account, a venue, an exporter or the programs around it."""

    name: str
    """In a word or two; unique."""
    title: str
    happens: str
    exporters: tuple[Exporter, ...] = ()
    programs: tuple[Program, ...] = ()
    told: tuple[Told, ...] = ()
    """All of them: whatever else fires fails the test."""
    nobody: str = ""
    """What nobody is told, in words: the tests know it from `told`. "at night": nobody is woken."""
    over: float | None = None
    """Seconds after the beginning at which the cause is gone."""
    fast: bool = False
    """Whether seconds count: then rules are evaluated every 15 seconds, as shipped, else once a minute."""
    scrapes: tuple[tuple[int, int], ...] = ((15, 0),)
    """Seconds between scrapes and their phase: it is played with each."""
    calm: float = 300.0
    """Seconds before it happens."""
    alone: bool = False
    """Whether it concerns all accounts of a Prometheus, so that it has one for itself."""
    lasts: float = 3300.0
    """Seconds it is watched, if it is alone."""
    tick: int = 15
    """Seconds of which scrapes are multiples, if it is alone."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """Incidents of one kind."""

    title: str
    about: str
    incidents: tuple[Incident, ...]
