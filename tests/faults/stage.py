"""Plays faults: stand-ins, the exporter in front of them, a look at its page every few seconds.

Every fault has a stand-in at an address of its own, with one or two accounts that it strikes; where it is one
account's, another account of the same stand-in must be left alone. Beside all of them are two that nothing
strikes, one of the same venue at another address and one of another venue. Several faults are played at once:
they know nothing of each other, and each must cost nobody else anything. Everything runs in jumping time with
the default settings.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import aiohttp
import structlog

from exporter import demo
from exporter.account import DEFAULT_INTERVAL, DEFAULT_TIMEOUT
from exporter.config import Config
from exporter.demo import Market, Server
from exporter.demo.switch import Condition, Injected
from exporter.venues import discover
from tests.e2e.programs import exporter
from tests.faults.jumping import START, JumpingTime
from tests.faults.table import MAX_AGE, Row
from tests.venues.bench import Bench, benches

LOOK_EVERY = 5.0
"""Seconds between two looks at the page."""
FIRST_WITHIN = 5.0 + 2.0
"""Seconds within which every account has been collected for the first time."""
LATE = 1.0
"""Seconds by which a collection may come late."""
MOST_LINES = 4
"""Log lines about one account in a minute."""
VENUES, STAND_INS = discover(), demo.discover()
BENCHES = {name: bench for name, bench in benches().items() if name in STAND_INS}
"""The venues that faults are played at: those with a stand-in and documented answers."""
NEIGHBOURS = ("bittap", "bingx_v1")
"""Other venues: those whose stand-ins take the least time."""
PATIENT = {"interval": 45.0, "timeout": 31.0}
HASTY = {"interval": DEFAULT_INTERVAL, "timeout": 2.0}


@dataclass(frozen=True)
class Look:
    """One account on one page."""

    at: float
    """Seconds since the beginning."""
    up: bool
    families: frozenset[str]
    """Those of its data."""
    last_success: float | None
    """Seconds since the beginning."""
    errors: Mapping[str, float]
    """Failed collections by reason."""
    optional_errors: float
    skipped: float

    @property
    def age(self) -> float | None:
        return None if self.last_success is None else self.at - self.last_success


@dataclass(frozen=True)
class Cell:
    """One fault at one venue, at one of its endpoints if one is given."""

    bench: Bench
    row: Row
    endpoint: str | None = None
    first: str = ""
    """How the names of the accounts begin that are struck; by default they are the first of the stand-in."""

    def __str__(self) -> str:
        return f"{self.bench.venue}, {self.row.name}" + (f", {self.endpoint}" if self.endpoint else "")


@dataclass
class Scene:
    """What becomes of one fault."""

    cell: Cell
    server: Server
    struck: list[str] = field(default_factory=list)
    spared: list[str] = field(default_factory=list)
    victim: str | None = None
    """The account that it happens to, by the name that the stand-in knows; None for all."""
    injected: Injected | None = None
    began_at: float = 0.0
    ended_at: float = 0.0
    """Of the fault, seconds since the beginning."""

    @property
    def met(self) -> int:
        """Requests it happened to."""
        return 0 if self.injected is None else self.injected.met

    def strike(self, clock: JumpingTime) -> None:
        """Begins it."""
        self.began_at = clock.elapsed()
        row = self.cell.row
        self.injected = self.server.simulator.faults.set(
            row.make(self.cell.bench), at=self.cell.endpoint, account=self.victim, requests=row.requests
        )
        self.injected.on_end.append(lambda: setattr(self, "ended_at", clock.elapsed()))


@dataclass
class Play:
    """What was seen: of each account every look, in their order."""

    scenes: list[Scene] = field(default_factory=list)
    bystanders: list[str] = field(default_factory=list)
    """Accounts that no fault strikes."""
    intervals: Mapping[str, float] = field(default_factory=dict)
    looks: dict[str, list[Look]] = field(default_factory=dict)
    lines: list[Mapping[str, Any]] = field(default_factory=list)
    """Of the log."""
    shown: set[str] = field(default_factory=set)
    """What is on pages and must not be."""
    secrets: tuple[str, ...] = ()

    def of(self, account: str, since: float = 0.0, until: float = float("inf")) -> list[Look]:
        """The looks at an account within some time."""
        return [look for look in self.looks[account] if since <= look.at < until]


_OWN = re.compile(r"^(risk_up|risk_collector_\w+)\{(.*)\} (\S+)$", re.MULTILINE)
_DATA = re.compile(r'^(risk_(?:account|position|asset)\w*)\{exchange="\w+",account="([^"]+)"', re.MULTILINE)
_LABEL = re.compile(r'(account|reason)="([^"]+)"')


def looks_at(page: str, accounts: Sequence[str], at: float) -> dict[str, Look]:
    """What a page says of each account."""
    families: dict[str, set[str]] = {account: set() for account in accounts}
    for family, account in set(_DATA.findall(page)):
        families[account].add(family)
    own: dict[tuple[str, str], float] = {}
    errors: dict[str, dict[str, float]] = {account: {} for account in accounts}
    for name, labels, value in _OWN.findall(page):
        said = dict(_LABEL.findall(labels))
        if name == "risk_collector_errors_total":
            if float(value):
                errors[said["account"]][said["reason"]] = float(value)
        elif "account" in said:
            own[said["account"], name] = float(value)
    return {
        account: Look(
            at=at,
            up=own.get((account, "risk_up")) == 1.0,
            families=frozenset(families[account]),
            last_success=_since_start(own.get((account, "risk_collector_last_success_timestamp_seconds"))),
            errors=errors[account],
            optional_errors=own.get((account, "risk_collector_optional_errors_total"), 0.0),
            skipped=own.get((account, "risk_collector_skipped_runs_total"), 0.0),
        )
        for account in accounts
    }


def _since_start(moment: float | None) -> float | None:
    return None if moment is None else moment - START


class _Stage:
    """The servers and the accounts of a play."""

    def __init__(self, clock: JumpingTime, stack: AsyncExitStack) -> None:
        self._clock, self._stack = clock, stack
        self._entries: list[dict[str, Any]] = []
        self._places = 0
        self.play = Play()

    async def build(self, cells: Sequence[Cell]) -> Config:
        """Starts the stand-ins of all scenes and of those beside; gives what the exporter is told."""
        for cell in cells:
            await self._scene(cell)
        venue = cells[0].bench.venue
        beside = {"elsewhere": venue, "neighbour": next(name for name in NEIGHBOURS if name != venue)}
        for name, of_venue in beside.items():
            server = await self._serve(of_venue)
            self._cast({**_accounts(server)[0], "name": name}, self.play.bystanders)
        accounts = tuple(
            VENUES[entry["exchange"]].config_class.model_validate(entry) for entry in self._entries
        )
        config = Config(accounts=accounts)
        self.play.intervals = {account.name: account.interval for account in accounts}
        self.play.secrets = tuple(secret for secret in config.secrets() if len(secret) > 8)
        self.play.looks = {account.name: [] for account in accounts}
        return config

    async def _scene(self, cell: Cell) -> None:
        server = await self._serve(cell.bench.venue)
        scene = Scene(cell, server)
        self.play.scenes.append(scene)
        of_one = cell.row.where == "account"
        # Where nobody fails one account shows as much as two.
        timings = (PATIENT, HASTY) if cell.row.patient else ({}, {}) if of_one or cell.row.reason else ({},)
        for entry, timing in zip(_accounts(server, cell.first)[:2], timings, strict=False):
            name = f"{entry['name']}-{len(self.play.scenes)}"
            role = scene.spared if of_one and scene.struck else scene.struck
            self._cast({**entry, "name": name, **timing}, role)
            if of_one and scene.victim is None:
                scene.victim = entry["name"]

    async def _serve(self, venue: str) -> Server:
        # Each at an address of its own: a venue that shuts out an address shuts out all that share it. With a
        # market of its own: what shares one may share the venue's request limit.
        market = Market(seed=3)
        simulator = STAND_INS[venue](market, clock=self._clock.wall)
        # Faults are all that happens: prices stand still, and nothing has to be settled with each request.
        market.freeze()
        simulator.tick = _nothing  # type: ignore[method-assign]  # of this one alone
        self._places += 1
        return await self._stack.enter_async_context(Server(simulator, host=f"127.0.0.{self._places}"))

    def _cast(self, entry: dict[str, Any], role: list[str]) -> None:
        self._entries.append(entry)
        role.append(entry["name"])


def _nothing() -> None:
    pass


def _accounts(server: Server, first: str = "") -> list[dict[str, Any]]:
    """Each for itself: what becomes of sub-accounts is not looked at here."""
    entries = server.simulator.demo_accounts(server.base_url)
    for entry in entries:
        entry.pop("sub_accounts", None)
    return sorted(entries, key=lambda entry: not str(entry["name"]).startswith(first))


async def play(cells: Sequence[Cell], clock: JumpingTime) -> Play:
    """Plays faults of one venue, all at the same time."""
    async with AsyncExitStack() as stack:
        stage = _Stage(clock, stack)
        config = await stage.build(cells)
        seen = stage.play
        log = stack.enter_context(structlog.testing.capture_logs())
        stack.enter_context(_library_lines(log))
        for scene in seen.scenes:
            if scene.cell.endpoint is not None:
                scene.strike(clock)
        async with exporter(config) as url, aiohttp.ClientSession() as session:
            watching = asyncio.create_task(_watch(seen, session, url, clock))
            async with asyncio.TaskGroup() as scenes:
                for scene in seen.scenes:
                    scenes.create_task(_act(scene, seen, clock))
            # A look more than whatever came last.
            await asyncio.sleep(LOOK_EVERY)
            watching.cancel()
            await asyncio.wait([watching])
            if not watching.cancelled():
                watching.result()
        seen.lines = list(log)
    return seen


async def _act(scene: Scene, seen: Play, clock: JumpingTime) -> None:
    """The fault begins, lasts and ends, and time goes on until its accounts are up again, and longer."""
    row = scene.cell.row
    await asyncio.sleep(FIRST_WITHIN)
    if scene.injected is None:
        scene.strike(clock)
    await asyncio.sleep(row.seconds)
    assert scene.injected is not None
    scene.injected.end()
    end = clock.elapsed() + row.recovers_within + LATE
    while clock.elapsed() < end:
        await asyncio.sleep(LOOK_EVERY)
        if all(seen.looks[account][-1].up for account in scene.struck):
            break


async def _watch(seen: Play, session: aiohttp.ClientSession, url: str, clock: JumpingTime) -> None:
    """Looks at the page while time passes."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        at = clock.elapsed()
        async with session.get(url) as answer:
            page = await answer.text()
        for account, look in looks_at(page, list(seen.looks), at).items():
            seen.looks[account].append(look)
        seen.shown |= {f"a secret: {secret[:4]}…" for secret in seen.secrets if secret in page}
        if not page.replace("\n", "").isprintable():
            seen.shown |= {f"unprintable: {one!r}" for one in set(page) if not one.isprintable()} - {
                r"unprintable: '\n'"
            }


class _library_lines(logging.Handler):  # noqa: N801 (a context)
    """What libraries warn of, such as a task whose failure nobody has seen, beside the exporter's lines."""

    def __init__(self, lines: list[Any]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(
            {"event": record.getMessage(), "log_level": "library", "exception": record.exc_info is not None}
        )


# What must hold


def complaints(seen: Play) -> list[str]:
    """What was otherwise than the table says; empty if nothing."""
    found = [f"{scene.cell}: {what}" for scene in seen.scenes for what in _scene(seen, scene)]
    for account in seen.bystanders:
        found += _untouched(seen, account)
    return [*found, *_lines(seen)]


def _scene(seen: Play, scene: Scene) -> list[str]:
    found = []
    row, bench = scene.cell.row, scene.cell.bench
    expected = row.expected(bench.venue, scene.cell.endpoint)
    failing = scene.struck if expected.reason is not None else []
    if expected.heals:
        # It strikes whoever comes first, and all who are told of it.
        failing = [account for account in failing if seen.looks[account][-1].errors] or failing[:1]
    for account in (*scene.struck, *scene.spared):
        if account not in failing:
            late = row.late if account in scene.struck else 0.0
            found += _untouched(seen, account, late, whole=row.where != "side")
        elif expected.reason is not None:
            found += _struck(seen, scene, account, expected.reason, heals=expected.heals)
    if not scene.met and not isinstance(row.make(bench), Condition):
        found.append("no request met it")
    if row.where == "side" and not any(seen.looks[account][-1].optional_errors for account in scene.struck):
        found.append("the failure at the side is not counted")
    if row.most_requests is not None and scene.met > row.most_requests(bench):
        found.append(f"{scene.met} requests met it, at most {row.most_requests(bench)} may")
    return found


def _untouched(seen: Play, account: str, late: float = 0.0, *, whole: bool = True) -> list[str]:
    """An account that goes on as if nothing had happened; if not `whole`, with a part of its data."""
    found: list[str] = []
    interval = seen.intervals[account]
    begun = 31.0 if interval > DEFAULT_INTERVAL else FIRST_WITHIN + late
    for look in seen.of(account, since=begun + LATE):
        # The second collection comes up to half an interval after its time: accounts are spread then.
        oldest = interval * (1.0 if look.at > begun + 2 * interval else 1.5) + LATE + late
        if not look.up:
            found.append(f"{account} is not up at {look.at:.1f}: {dict(look.errors)}")
        elif look.age is None or look.age > oldest:
            found.append(f"{account} was last collected {look.age} s ago at {look.at:.1f}")
        elif not look.families or (whole and "risk_account_equity" not in look.families):
            found.append(f"{account} has no data at {look.at:.1f}")
        else:
            continue
        break
    began = sorted({look.last_success for look in seen.looks[account] if look.last_success is not None})
    for number, (one, following) in enumerate(pairwise(began)):
        most = interval * (1.5 if number == 0 else 1.0) + LATE + late
        if following - one > most:
            found.append(f"{account} was collected at {one:.1f} and then at {following:.1f}")
    last = seen.looks[account][-1]
    if last.errors or last.skipped:
        found.append(f"{account} has failures {dict(last.errors)} and {last.skipped:.0f} runs left out")
    return found


def _struck(seen: Play, scene: Scene, account: str, reason: str, *, heals: bool) -> list[str]:
    """An account that fails for one reason, keeps to the contract, and comes back."""
    found: list[str] = []
    last = seen.looks[account][-1]
    if last.errors.keys() != {reason}:
        found.append(f"{account} fails for {dict(last.errors)}, expected {reason}")
    told_by = scene.began_at + FIRST_WITHIN + DEFAULT_INTERVAL + DEFAULT_TIMEOUT + LATE
    lasting = () if heals else seen.of(account, since=told_by, until=scene.ended_at)
    up = next((look.at for look in lasting if look.up), None)
    if up is not None:
        found.append(f"{account} is up at {up:.1f}, {up - scene.began_at:.1f} s after the fault")
    found += _contract(seen, account)
    since = scene.ended_at
    if heals:  # by then every account has met the fault, if it was not over with the first request
        since = scene.ended_at + LATE if scene.cell.row.requests else scene.began_at + DEFAULT_INTERVAL + LATE
    back = [look.at for look in seen.of(account, since=since) if look.up]
    if not back:
        found.append(f"{account} has not recovered {last.at - since:.0f} s after the end")
    elif back[0] - since > scene.cell.row.recovers_within + LOOK_EVERY:
        found.append(f"{account} has taken {back[0] - since:.0f} s to recover")
    if not last.up:
        found.append(f"{account} is not up at the end")
    return found


def _contract(seen: Play, account: str) -> list[str]:
    """Data are shown as long as they are young, all of them or none."""
    looks = seen.looks[account]
    for look, following in pairwise([*looks, looks[-1]]):
        shown = "risk_account_equity" in look.families
        if look.families and not shown:
            return [f"{account} shows a part of its data at {look.at:.1f}"]
        # A page may have the data of a collection that the rest of it does not know yet, never the reverse.
        newest = following.last_success
        newer = newest is not None and look.at - MAX_AGE < newest <= look.at
        if shown != (look.age is not None and look.age < MAX_AGE) and not (shown and newer):
            return [f"{account} shows data: {shown}, at an age of {look.age} s, at {look.at:.1f}"]
    return []


def _lines(seen: Play) -> list[str]:
    """A log that people can read, with nothing in it or on the page that they must not."""
    found = sorted(seen.shown)
    for line in seen.lines:
        if line.get("exception") or line["log_level"] == "library":
            found.append(f"in the log: {line}")
            break
    minutes = max(1.0, seen.looks[seen.bystanders[0]][-1].at / 60.0)
    if len(seen.lines) > MOST_LINES * len(seen.looks) * minutes:
        found.append(f"{len(seen.lines)} log lines in {minutes:.1f} minutes")
    text = repr(seen.lines)
    found += [f"a secret is logged: {secret[:4]}…" for secret in seen.secrets if secret in text]
    shown = set().union(*(str(value) for line in seen.lines for value in line.values()))
    hidden = {character for character in shown if not (character.isprintable() or character == "\n")}
    return found + ([f"unprintable characters in the log: {hidden!r}"] if hidden else [])
