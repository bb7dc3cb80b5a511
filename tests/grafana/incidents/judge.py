"""Whether people were told of an incident as the catalogue says, and nobody else of anything."""

from __future__ import annotations

from collections.abc import Iterator

from tests.grafana.incidents.catalogue import Incident, Told
from tests.grafana.incidents.world import Run, Seen

SLACK = 150.0
"""Seconds that a bound may be looser than the slowest run: what is promised has a meaning."""


def fits(told: Told, seen: Seen) -> bool:
    """Whether this is the alert that the catalogue means."""
    wanted = {
        "severity": told.severity,
        "alertname": told.alert,
        "account": told.account,
        "symbol": told.symbol,
        "window": told.window,
    }
    return all(value is None or seen.labels.get(name) == value for name, value in wanted.items())


def complaints(run: Run, seen: list[Seen]) -> Iterator[str]:
    """What is otherwise than the catalogue says, in plain words."""
    incident = run.incident
    for one in seen:
        if not any(fits(told, one) for told in incident.told):
            yield f"{run.name}: nobody should be told of {one} ({one.first:.0f} s)"
        yield from _wrong_owner(incident, run, one)
    for told in incident.told:
        found = [one for one in seen if fits(told, one)]
        if not found:
            yield f"{run.name}: nobody is told of {told.severity} {told.alert} {told.account or ''}"
        for one in found:
            yield from _wrong_times(run, told, one)
            if told.instead is not None and not _spoken_for(told.instead, one, seen):
                yield f"{run.name}: {told.instead} does not speak for {one} all the time"


def _spoken_for(alert: str, one: Seen, seen: list[Seen]) -> bool:
    """Whether an alert of this name fires from the beginning of one to its end."""
    speakers = [other for other in seen if other.labels["alertname"] == alert]
    return any(other.first <= one.first and one.last <= other.last for other in speakers)


def _wrong_times(run: Run, told: Told, one: Seen) -> Iterator[str]:
    if one.first > told.within:
        yield f"{run.name}: {one} is told after {one.first:.0f} s, not within {told.within:.0f} s"
    if one.again:
        yield f"{run.name}: {one} ends and begins anew"
    if told.until is not None:
        assert run.incident.over is not None, run.name
        ended = one.last + one.every - run.incident.over
        if ended > told.until:
            yield f"{run.name}: {one} is over {ended:.0f} s after the end, not within {told.until:.0f} s"
        if ended < told.until - SLACK:
            yield f"{run.name}: {one} is over {ended:.0f} s after the end: say so"
    texts = [text for time, text in one.texts if one.first <= time <= one.last]
    if told.says is not None and told.says not in texts[:1]:
        yield f"{run.name}: {one} says {texts[:1]}, not {told.says!r}"
    if told.at_last is not None and told.at_last not in texts[-1:]:
        yield f"{run.name}: {one} says {texts[-1:]} at last, not {told.at_last!r}"


def _wrong_owner(incident: Incident, run: Run, one: Seen) -> Iterator[str]:
    """Whatever is about an account carries whose it is."""
    owners = {
        (account.exchange, account.name): (account.desk, account.owner)
        for exporter in incident.exporters
        for account in exporter.accounts
    }
    wanted = owners.get((one.labels.get("exchange", ""), one.labels.get("account", "")), ("", ""))
    if (one.labels.get("desk", ""), one.labels.get("owner", "")) != wanted:
        yield f"{run.name}: {one} does not carry its desk and owner {wanted}"


def loose(incident: Incident, seen: list[list[Seen]]) -> Iterator[str]:
    """Bounds that promise less than what happens in the slowest run."""
    for told in incident.told:
        slowest = max((one.first for run in seen for one in run if fits(told, one)), default=told.within)
        if told.within > 0 and told.within - slowest > SLACK:
            yield f"{incident.name}: {told.alert} is told within {slowest:.0f} s: say so"
