"""Who is told: a real Alertmanager with the repository's routes and inhibitions."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from aiohttp import web

from tests.e2e.programs import eventually, running
from tests.grafana.programs import GRAFANA, Release, program

_OWN: Final = frozenset({"__name__", "alertstate"})
"""What the series ALERTS has and an alert has not."""
SETTLED: Final = 3
"""Answers in a row that must be the same: what inhibits what is worked out a moment after the alerts came."""

Page = tuple[str, str, str]
"""Receiver, alert, and the account, coin or exchange it is about."""


def subject(labels: dict[str, str]) -> str:
    """What an alert is about, in one word."""
    return next(labels[name] for name in ("account", "asset", "exchange", "instance") if name in labels)


@dataclass
class Receiver:
    """Where Alertmanager sends its messages."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    """Every alert of every message, with the ``receiver`` it was sent to."""

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        application = web.Application()
        application.router.add_post("/{receiver}", self._take)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        message = await request.json()
        for alert in message["alerts"]:
            self.alerts.append(
                {**alert, "receiver": request.match_info["receiver"], "group": message["groupLabels"]}
            )
        return web.Response()

    def found(self, status: str = "firing", **labels: str) -> list[dict[str, Any]]:
        return [
            alert
            for alert in self.alerts
            if alert["status"] == status and labels.items() <= alert["labels"].items()
        ]

    async def until(self, status: str = "firing", **labels: str) -> dict[str, Any]:
        """The first message about such an alert."""

        async def arrived() -> bool:
            return bool(self.found(status, **labels))

        await eventually(arrived, lambda: f"no {status} message about {labels}")
        return self.found(status, **labels)[0]


@asynccontextmanager
async def alertmanager(
    directory: Path, release: Release, *, receiver: str = "", waits: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """Alertmanager with the repository's routes and inhibitions; gives its address.

    Args:
        directory: For its files; made.
        release: Which.
        receiver: The URL to which all messages go; by default nobody takes them.
        waits: Other times of the routes.
    """
    shutil.copytree(GRAFANA / "alertmanager", directory)
    file = directory / "alertmanager.yml"
    config = yaml.safe_load(file.read_text())
    for route in (config["route"], *config["route"]["routes"]):
        route.update(waits or {})
    for target in config["receivers"]:
        if "webhook_configs" in target:
            own = {"url": f"{receiver}/{target['name']}", "send_resolved": True}
            target["webhook_configs"] = [own] if receiver else []
    file.write_text(yaml.safe_dump(config))
    async with running(
        directory / "log",
        program("prometheus-alertmanager", "alertmanager", release=release),
        f"--config.file={file}",
        f"--storage.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ) as address:
        yield address


async def pages(
    timeline: Iterable[Sequence[dict[str, str]]], folder: Path, release: Release
) -> list[set[Page]]:
    """What people are told of the alerts that fire, moment by moment: what nothing inhibits, by receiver."""
    found: list[set[Page]] = []
    before: list[dict[str, str]] = []
    async with alertmanager(folder, release) as address, aiohttp.ClientSession() as session:
        url = f"http://{address}/api/v2/alerts"
        for firing in timeline:
            alerts = [{name: v for name, v in one.items() if name not in _OWN} for one in firing]
            if alerts != before or not found:
                found.append(await _told(session, url, alerts, [one for one in before if one not in alerts]))
            else:
                found.append(found[-1])
            before = alerts
    return found


async def _told(
    session: aiohttp.ClientSession, url: str, firing: list[dict[str, str]], over: list[dict[str, str]]
) -> set[Page]:
    now = datetime.now(UTC)
    posted = [(labels, now + timedelta(hours=1)) for labels in firing] + [(labels, now) for labels in over]
    body = [
        {"labels": labels, "startsAt": now.isoformat(), "endsAt": ends.isoformat()} for labels, ends in posted
    ]
    async with session.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()
    same, last = 0, list[Any]()

    async def settled() -> bool:
        nonlocal same, last
        async with session.get(url) as answer:
            shown = [
                (one["labels"], one["status"]["state"], [receiver["name"] for receiver in one["receivers"]])
                for one in await answer.json()
            ]
        same = same + 1 if shown == last and len(shown) == len(firing) else 0
        last = shown
        return same == SETTLED

    await eventually(settled, lambda: f"Alertmanager has {last}, not {firing}", every=0.03)
    return {
        (receiver, labels["alertname"], subject(labels))
        for labels, state, receivers in last
        for receiver in receivers
        if state == "active"
    }
