"""Each incident reaches the people it concerns, in time, and nobody else: rules, owners and routes."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from grafana.generator.alerts import ALERTS
from tests.e2e.programs import running
from tests.grafana import promql, rule_tests
from tests.grafana.incidents import world
from tests.grafana.incidents.judge import complaints, fits, loose
from tests.grafana.incidents.page import incidents_page
from tests.grafana.incidents.table import INCIDENTS
from tests.grafana.incidents.world import Run, Seen
from tests.grafana.programs import GRAFANA, RELEASES, Release, program

ORDER = ("info", "warning", "critical")


async def judged(url: str, alerts: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What Alertmanager does with alerts that fire at one moment, in their order; then they are over.

    It hears of alerts in the order in which they come, but some time after it shows them: when the first of
    two more is silent, those before are judged by all that there is.
    """
    last = [
        {"alertname": f"After {alerts[-1]['run']}", "severity": severity}
        for severity in ("warning", "critical")
    ]
    async with aiohttp.ClientSession() as session:
        await post(session, url, [*alerts, *last], timedelta(hours=1))
        async with asyncio.timeout(60):
            while True:
                found = await shown(session, url)
                if len(found) == len(alerts) + len(last) and found[key(last[0])]["status"]["inhibitedBy"]:
                    break
                await asyncio.sleep(0.05)
        # The others may have been looked at before it was silent.
        found = await shown(session, url)
        await post(session, url, [*alerts, *last], timedelta(0))
    return [found[key(labels)] for labels in alerts]


async def shown(session: aiohttp.ClientSession, url: str) -> dict[object, dict[str, Any]]:
    async with session.get(f"{url}/api/v2/alerts") as answer:
        return {key(one["labels"]): one for one in await answer.json()}


def key(labels: dict[str, str]) -> object:
    return tuple(sorted(labels.items()))


async def post(
    session: aiohttp.ClientSession, url: str, alerts: list[dict[str, str]], lasts: timedelta
) -> None:
    end = (datetime.now(UTC) + lasts).isoformat()
    posted = [{"labels": labels, "endsAt": end} for labels in alerts]
    async with session.post(f"{url}/api/v2/alerts", json=posted) as answer:
        assert answer.status == 200, await answer.text()


def expected_receiver(severity: str, alert: str) -> str:
    if severity == "none":
        return "watchdog" if alert == "RiskWatchdog" else "nobody"
    return severity


def as_sent(run: Run, seen: Seen) -> dict[str, str]:
    """Its labels in Alertmanager, where incidents must not meet either."""
    own = {name: f"{text}/{run.name}" for name, text in seen.labels.items() if name in world.OWN}
    return {**seen.labels, **own, "run": run.name}


def is_silent(run: Run, one: Seen, beside: list[Seen]) -> bool:
    """Whether another alert of the incident speaks for it."""
    if any(told.instead is not None for told in run.incident.told if fits(told, one)):
        return True
    other = {name: text for name, text in one.labels.items() if name != "severity"}
    return any(
        {name: text for name, text in higher.labels.items() if name != "severity"} == other
        and one.labels["severity"] in ORDER
        and ORDER.index(higher.labels["severity"]) > ORDER.index(one.labels["severity"])
        for higher in beside
    )


async def routed(history: list[tuple[Run, list[Seen]]], folder: Path, release: Release) -> list[str]:
    """What the shipped routes and inhibitions do otherwise than the catalogue says."""
    shutil.copytree(GRAFANA / "alertmanager", folder)
    wrong: list[str] = []
    async with running(
        folder / "log",
        program("prometheus-alertmanager", "alertmanager", release=release),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ) as address:
        # What concerns all accounts may speak for anything: those incidents are not there with the others.
        for alone in (False, True):
            sent = [(run, one, seen) for run, seen in history if run.incident.alone == alone for one in seen]
            answers = await judged(f"http://{address}", [as_sent(run, one) for run, one, _ in sent])
            for (run, one, seen), answer in zip(sent, answers, strict=True):
                receivers = [receiver["name"] for receiver in answer["receivers"]]
                silent = bool(answer["status"]["inhibitedBy"])
                if receivers != [expected_receiver(one.labels["severity"], one.labels["alertname"])]:
                    wrong.append(f"{run.name}: {one} goes to {receivers}")
                if silent != is_silent(run, one, seen):
                    wrong.append(f"{run.name}: {one} is {'silent' if silent else 'not silent'}")
    return wrong


@pytest.mark.parametrize("release", RELEASES)
async def test_each_incident_reaches_whom_it_concerns_in_time_and_nobody_else(
    release: Release, tmp_path: Path
) -> None:
    history: list[tuple[Run, list[Seen]]] = []
    wrong: list[str] = []
    for number, one in enumerate(world.worlds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = world.played(folder, one, release)
        (watchdog,) = found[""]
        assert watchdog.labels["alertname"] == "RiskWatchdog"
        assert (watchdog.first, watchdog.last, watchdog.again) == (0.0, one.lasts, False)
        for run in one.runs:
            all_the_time = [watchdog] if run.incident.name == "quiet" else []
            history.append((run, [*found[run.name], *all_the_time]))
    for run, seen in history:
        wrong += complaints(run, seen)
    for incident in INCIDENTS:
        wrong += loose(incident, [seen for run, seen in history if run.incident is incident])
    wrong += await routed(history, tmp_path / "alertmanager", release)
    assert wrong == []


def test_there_are_incidents_of_each_kind_and_each_has_a_name_of_its_own() -> None:
    assert len(INCIDENTS) >= 40
    assert Counter(incident.name for incident in INCIDENTS).most_common(1)[0][1] == 1
    assert Counter(incident.title for incident in INCIDENTS).most_common(1)[0][1] == 1


def test_where_nobody_is_woken_nothing_is_critical() -> None:
    calm = [one for one in INCIDENTS if one.nobody.partition(":")[0] in {"at night", "anything"}]
    assert len(calm) > 15
    for incident in calm:
        assert [told for told in incident.told if told.severity == "critical" and not told.instead] == []
        assert not incident.told or incident.nobody != "anything", incident.name


def test_no_alert_is_without_an_incident_and_no_incident_without_an_alert_that_exists() -> None:
    """Besides a runbook entry and tests of its own, which other tests ask for."""
    told = {(one.alert, one.severity) for incident in INCIDENTS for one in incident.told}
    assert told == {(alert.name, alert.severity) for alert in ALERTS}
    assert {alert for alert, _ in told} <= rule_tests.tests().keys()
    page, runbooks = incidents_page(), (GRAFANA / "runbooks.md").read_text()
    assert [name for name, _ in told if name not in page or f"\n## {name}\n" not in runbooks] == []


def test_incidents_are_made_of_series_as_the_exporter_publishes_them() -> None:
    for run in {run.incident.name: run for one in world.worlds() for run in one.runs}.values():
        for series in world.scraped(world.World((run,), evaluation=60, lasts=1800), run):
            ((metric, labels),) = promql.selectors(series)
            if metric.startswith("risk_"):
                family = promql.family_of(metric)
                assert family is not None, f"{run.name}: the exporter has no {metric}"
                required = set[str]() if metric == "risk_exporter_build_info" else set(family.labels)
                assert required <= labels.keys() <= promql.labels_of(metric), f"{run.name}: {series}"
