"""One crash, told by the exporter's formulas and judged by the real rules.

At every scrape each account's snapshot is assessed and rendered as in the program; what rules read of these
pages goes through promtool with all rules of the repository. promtool says nothing but whether expectations
hold, so that it is asked to expect nothing, and the answer is read from its complaint.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from exporter import catalogue
from exporter.desk import AccountLabels, AccountLimits
from exporter.exposition import render
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.series import FAMILIES, Series
from tests.crashes.accounts import Account, Plan, Prices, opened
from tests.crashes.paths import CALM, TICK, Crash, prices
from tests.grafana.programs import output, run
from tests.grafana.rule_tests import rules, world

SCRAPE: Final = 30
"""Seconds between scrapes, collections and evaluations: twice the defaults, for half of the work."""
MAX_AGE: Final = 90
AFTER: Final = 180
"""Seconds that are played after the last liquidation."""
FIRST: Final = "replay:alert:first"
ALERTS: Final = frozenset(
    f"Risk{name}"
    for name in (
        "LiquidationNear",
        "LiquidationNearSigmas",
        "LiquidationProjected",
        "MaintenanceMarginRateHigh",
        "IsolatedMarginRateHigh",
        "LiquidationShockSmall",
        "PositionGone",
        "PoolEmptied",
        "EquityDrawdown",
        "StablecoinOffPeg",
        "DataStale",
        "VenueDown",
    )
)
"""Those that tell of the danger in which an account is, or that nobody sees it."""
SETTINGS: Final = RiskSettings(shocks=())
INSTANCE: Final = 'instance="exporter:10217",job="risk-exporter",'
_DUMPER: Final = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_OWN: Final = tuple(family.name for family in FAMILIES)
_GOT: Final = re.compile(r"\{([^{}]*)\} ([-+.\dE]+)")
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')

Values = list[float | None]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What alerts compare with their limits, at one scrape; None: nothing to compare."""

    distance: float | None
    """The smallest of the account."""
    rate: float | None
    """The highest: of the pool, or of an isolated position."""
    shock: float | None


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """An alert about an account, as the rules raised it."""

    name: str
    severity: str
    at: float
    """Seconds after the first point; negative is in the calm before it."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of an account."""

    plan: Plan
    liquidated_at: float | None
    """Seconds after the first point."""
    at_rest: frozenset[tuple[str, str]]
    """Name and severity of what fires although nothing happens."""
    alarms: tuple[Alarm, ...]
    """The first of each name and severity after the first point, but for those that fire at rest."""
    watched: Sequence[Watched]
    """At every scrape from the first point on, until it is liquidated."""

    def first(self, severity: str) -> Alarm | None:
        """The first one of this severity."""
        found = [one for one in self.alarms if one.severity == severity]
        return min(found, key=lambda one: one.at, default=None)


class Tape:
    """Series as Prometheus would have stored them, one value a scrape."""

    def __init__(self) -> None:
        self._rows: dict[str, Values] = {}
        self.scrapes = 0
        texts = [rules.recorded()[name] for name in rules.read_by(rule["expr"] for rule in _alerts())]
        self._read = frozenset(name for text in texts for name in re.findall(r"\brisk_\w+", text))

    def scrape(self, chunks: Mapping[str, bytes]) -> None:
        """One page, or a part of one: the sample lines by family."""
        for name, chunk in chunks.items():
            if name in self._read:
                for line in chunk.decode().splitlines():
                    series, _, value = line.rpartition(" ")
                    self.put(series.replace("{", "{" + INSTANCE, 1), float(value))

    def put(self, series: str, value: float) -> None:
        """One sample of this scrape."""
        row = self._rows.setdefault(series, [])
        row += [None] * (self.scrapes - len(row))
        row.append(value)

    def end_scrape(self) -> None:
        """The exporter's own, which is always there; what follows is of the next scrape."""
        self.put(f"up{{{INSTANCE}}}", 1.0)
        self.put(f'risk_exporter_build_info{{{INSTANCE}version="1"}}', 1.0)
        self.scrapes += 1

    def input_series(self) -> list[dict[str, str]]:
        """All of it in promtool's form."""
        return [
            {"series": name, "values": world._runs([*row, *[None] * (self.scrapes - len(row))])}
            for name, row in self._rows.items()
        ]


def _alerts() -> list[rules.Rule]:
    """The rules of `ALERTS`, without their texts, which ask queries and change nothing."""
    wanted = [rule for rule in rules.alerts() if rule["alert"] in ALERTS]
    return [{key: value for key, value in rule.items() if key != "annotations"} for rule in wanted]


class _Life:
    """One account on its way: what is shown of it, and what becomes of it."""

    def __init__(self, account: Account, crash: Crash) -> None:
        self.account = account
        self.plan = account.plan
        self.ended: int | None = None
        self.watched: list[Watched] = []
        self._own = Series(self.plan.exchange, self.plan.name)
        self._own.desk(AccountLabels(), AccountLimits())
        self._own.set(catalogue.MAX_AGE, MAX_AGE)
        self._data: Mapping[str, bytes] = {}
        self._silent = [int((one - crash.start).total_seconds()) for one in crash.silent]
        self._deleveraged = int((crash.deleveraged - crash.start).total_seconds())

    def tick(self, now: int, at: Prices) -> None:
        """The market moves; the venue does what it does."""
        if now == self._deleveraged and self.plan.deleveraged:
            self.account.close_short(at)
        if self.account.tick(at):
            self.ended = now

    def scrape(self, now: int, clock: int, at: Prices, tape: Tape) -> None:
        """A collection and a scrape; `clock` is the time as Prometheus has it."""
        begin, end = self._silent
        risk = assess(self.account.snapshot(at), SETTINGS)
        if self.plan.silent and begin <= now < end:
            self._own.failed("timeout")
            self._own.set(catalogue.UP, 0.0)
            if now >= begin + MAX_AGE - SCRAPE:
                self._data = {}
        else:
            self._data = render(self.plan.exchange, self.plan.name, risk)
            self._own.set(catalogue.LAST_SUCCESS, clock)
            self._own.set(catalogue.UP, 1.0)
        tape.scrape(self._data)
        tape.scrape(dict(zip(_OWN, self._own.chunks, strict=True)))
        if now >= 0 and self.ended is None:
            self.watched.append(_watched(risk))


def lives(
    crash: Crash, seed: int, *, only: Container[str] | None = None, calm: int = int(CALM.total_seconds())
) -> tuple[list[_Life], Tape]:
    """Every account's way through a crash, and the pages of it.

    `calm` has the seconds that are told before the first point.
    """
    path = prices(crash, seed)
    columns = list(path)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*path.values(), strict=True)]
    before = int(CALM.total_seconds()) // TICK

    def fresh() -> list[_Life]:
        found = [_Life(one, crash) for one in opened(crash, rows[0])]
        return [one for one in found if only is None or one.plan.name in only]

    end = _last_liquidation(fresh(), rows, before)
    accounts, tape = fresh(), Tape()
    for place, at in enumerate(rows):
        now = (place - before) * TICK
        for life in accounts:
            life.tick(now, at)
        if now % SCRAPE == 0 and now >= -calm:
            for life in accounts:
                life.scrape(now, now + calm, at, tape)
            tape.end_scrape()
        if end is not None and now >= end + AFTER:
            break
    return accounts, tape


def _last_liquidation(accounts: Sequence[_Life], rows: Sequence[Prices], before: int) -> int | None:
    for place, at in enumerate(rows):
        for life in accounts:
            life.tick((place - before) * TICK, at)
    return max((one.ended for one in accounts if one.ended is not None), default=None)


def replay(
    crash: Crash,
    seed: int,
    folder: Path,
    *,
    only: Container[str] | None = None,
    calm: int = int(CALM.total_seconds()),
) -> list[Fate]:
    """Play one crash; `only` has the names of the accounts that take part, None: all. See `lives`."""
    accounts, tape = lives(crash, seed, only=only, calm=calm)
    fired = list(_ask(tape, calm, folder))
    return [_fate(one.plan, one.ended, fired, one.watched) for one in accounts]


def _watched(risk: AccountRisk) -> Watched:
    distances = [one.liquidation_distance_ratio for one in risk.positions]
    rates = [one.maintenance_margin_rate for one in risk.pools]
    rates += [one.maintenance_margin_rate for one in risk.positions]
    shocks = [shock for one in risk.pools for shock in (one.liquidation_shock_up, one.liquidation_shock_down)]
    return Watched(
        distance=min((one for one in distances if one is not None), default=None),
        rate=max((one for one in rates if one is not None), default=None),
        shock=min((one for one in shocks if one is not None), default=None),
    )


@dataclass(frozen=True, kw_only=True)
class Fired:
    """One alert that fired: at rest, or for the first time at this moment after the first point."""

    labels: Mapping[str, str]
    at: float | None
    """None: at rest."""


def _ask(tape: Tape, calm: int, folder: Path) -> Iterator[Fired]:
    """What fires in the last minute of the calm, and when what fires later does so first."""
    own = _alerts()
    groups = rules.file_of(rules.read_by(rule["expr"] for rule in own), own)
    alerts = 'ALERTS{alertstate="firing", exchange!=""}'
    # A rule that remembers: a query over the whole path would be too much for promtool.
    first = {"record": FIRST, "expr": f"{FIRST} or timestamp({alerts}) >= {calm}"}
    groups["groups"].append({"name": "replay", "rules": [first]})
    questions = ((f"count_over_time({alerts}[1m])", calm), (f"{FIRST} + 0", (tape.scrapes - 1) * SCRAPE))
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{SCRAPE}s",
        "group_eval_order": [group["name"] for group in groups["groups"]],
        "tests": [
            {
                "interval": f"{SCRAPE}s",
                "input_series": tape.input_series(),
                "promql_expr_test": [
                    {"expr": expr, "eval_time": f"{at}s", "exp_samples": []} for expr, at in questions
                ],
            }
        ],
    }
    file = folder / "replay.yml"
    (folder / "rules.yml").write_text(yaml.dump(groups, Dumper=_DUMPER))
    file.write_text(yaml.dump(content, Dumper=_DUMPER, width=1 << 30))
    said = output(run("promtool", "test", "rules", file))
    answers = re.findall(r'expr: "([\w:]+).*\n\s+exp: nil\n\s+got: (.*)', said)
    assert answers or "SUCCESS" in said, said[:2000]
    for function, got in answers:
        for labels, value in _GOT.findall(got):
            at = float(value) - calm if function == FIRST else None
            yield Fired(labels=dict(_LABEL.findall(labels)), at=at)


def _fate(plan: Plan, ended: float | None, fired: Iterable[Fired], watched: Sequence[Watched]) -> Fate:
    own = [
        one
        for one in fired
        if one.labels["exchange"] == plan.exchange and one.labels.get("account", plan.name) == plan.name
    ]
    at_rest = frozenset((one.labels["alertname"], one.labels["severity"]) for one in own if one.at is None)
    alarms = (
        Alarm(name=one.labels["alertname"], severity=one.labels["severity"], at=one.at)
        for one in own
        if one.at is not None
    )
    return Fate(
        plan=plan,
        liquidated_at=ended,
        at_rest=at_rest,
        alarms=tuple(
            sorted((one for one in alarms if (one.name, one.severity) not in at_rest), key=lambda one: one.at)
        ),
        watched=watched,
    )
