"""Exporters, their accounts and positions over time, and what Prometheus scrapes of them.

The figures follow from few: a price path, a wallet, the size of positions. Equity, margin rates, distances
and shocks are computed from them by the formulas of the exporter's documentation, so that they move together
as those of a real account do. Times are seconds from the moment at which it happens; before it is calm.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from exporter.desk import AccountLimits

Path = Callable[[float], float]
"""A value over time."""
Labels = Mapping[str, str]
Sample = tuple[str, Labels, float]
"""Metric, labels without those of the target, value."""
EVER: Final = math.inf
ABSENT: Final = math.nan
"""For series that are not always there."""


def line(*points: tuple[float, float]) -> Path:
    """Straight lines from point to point; before the first and behind the last one it stands still."""

    def value(time: float) -> float:
        if time <= points[0][0]:
            return points[0][1]
        for (start, low), (end, high) in pairwise(points):
            if time < end:
                return low + (high - low) * (time - start) / (end - start)
        return points[-1][1]

    return value


def step(*points: tuple[float, float]) -> Path:
    """Each value holds until the next; the first one does before it, too."""

    def value(time: float) -> float:
        found = points[0][1]
        for start, one in points:
            if start <= time:
                found = one
        return found

    return value


def swinging(between: float, others: float, every: float, start: float = -EVER) -> Path:
    """Now one value, then the other, each for some seconds; the first one until it starts."""

    def value(time: float) -> float:
        return others if time >= start and int(time // every) % 2 else between

    return value


def counting(start: float, end: float, every: float) -> Path:
    """A counter that grows by one every so many seconds, from a moment to another."""

    def value(time: float) -> float:
        return float(max(0, math.floor((min(time, end) - start) / every) + 1)) if time >= start else 0.0

    return value


def _at(value: Path | float, time: float) -> float:
    return value(time) if callable(value) else float(value)


@dataclass(frozen=True, kw_only=True)
class Position:
    """One position. Its price is 1 where it was opened."""

    symbol: str = "BTCUSDT"
    notional: float
    """In USD where it was opened."""
    price: Path | float = 1.0
    side: str = "long"
    margin: Path | float | None = None
    """Own collateral in USD of an isolated position; None: cross."""
    maintenance: float = 0.005
    leverage: float = 10.0
    opened: float = -EVER
    closed: float = EVER
    lost: float | None = None
    """What closing it takes from the wallet in USD; None: its PnL at that moment."""
    adl: Path | float | None = None
    marks: bool = False
    """Whether its mark price is told. Of an hour without a yesterday the rules would compute a volatility
    that is all crash."""

    @property
    def mode(self) -> str:
        return "cross" if self.margin is None else "isolated"

    @property
    def sign(self) -> float:
        return 1.0 if self.side == "long" else -1.0

    def is_open(self, time: float) -> bool:
        return self.opened <= time < self.closed

    def size(self, time: float) -> float:
        return self.notional * _at(self.price, time)

    def pnl(self, time: float) -> float:
        return self.sign * self.notional * (_at(self.price, time) - 1)

    def realized(self, time: float) -> float:
        if time < self.closed:
            return 0.0
        return self.pnl(self.closed) if self.lost is None else -self.lost

    def own_margin(self, time: float) -> float:
        return 0.0 if self.margin is None else _at(self.margin, time)

    def labels(self, currency: str) -> dict[str, str]:
        return {
            "symbol": self.symbol,
            "side": self.side,
            "margin_mode": self.mode,
            "currency": currency,
        }


Failing = tuple[float, float, str]
"""From when, until when, and why."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account with one pool, as an exporter collects it."""

    name: str = "main"
    exchange: str = "binance_usdm"
    desk: str = "basis"
    owner: str = "anna"
    wallet: Path | float = 10_000.0
    """In USD, before what closed positions earned."""
    positions: tuple[Position, ...] = ()
    limits: AccountLimits | None = None
    failing: tuple[Failing, ...] = ()
    configured: tuple[float, float] = (-EVER, EVER)
    missing: tuple[Failing, ...] = ()
    """From when, until when, and which family its collections lack."""
    more: tuple[tuple[str, Labels, Path | float], ...] = ()
    """Other series of its collections: family, labels besides exchange and account, value."""
    optional_errors: Path | float = 0.0
    interval: float = 15.0
    max_age: float = 45.0
    currency: str = "USDT"

    @property
    def key(self) -> dict[str, str]:
        return {"exchange": self.exchange, "account": self.name}

    def failure(self, time: float) -> str | None:
        return next((reason for start, end, reason in self.failing if start <= time < end), None)

    def data(self, time: float) -> Iterator[Sample]:
        """What a collection at this time finds."""
        absent = {family for start, end, family in self.missing if start <= time < end}
        for family, labels, value in self._all(time):
            if family not in absent:
                yield family, {**self.key, **labels}, value

    def _all(self, time: float) -> Iterator[Sample]:
        positions = [one for one in self.positions if one.is_open(time)]
        wallet = _at(self.wallet, time) + sum(one.realized(time) for one in self.positions)
        pnl = sum(one.pnl(time) for one in positions)
        cross = [one for one in positions if one.margin is None]
        backing = (
            wallet - sum(one.own_margin(time) for one in positions) + sum(one.pnl(time) for one in cross)
        )
        required = sum(one.maintenance * one.size(time) for one in cross)
        gross = sum(one.size(time) for one in positions)
        net: dict[str, float] = {}
        for one in cross:
            net[one.symbol] = net.get(one.symbol, 0.0) + one.sign * one.size(time)
        for family, value in (
            ("risk_account_equity", wallet + pnl),
            ("risk_account_equity_usd", wallet + pnl),
            ("risk_account_margin_equity", wallet + pnl),
            ("risk_account_wallet_balance", wallet),
            ("risk_account_unrealized_pnl", pnl),
            ("risk_account_maintenance_margin", required),
            ("risk_account_maintenance_margin_rate", _share(required, backing)),
            ("risk_account_gross_notional_usd", gross),
            ("risk_account_leverage_ratio", _share(gross, wallet + pnl)),
        ):
            yield family, {"currency": self.currency}, value
        shocks: dict[str, float] = {}
        for one in positions:
            distance = _distance(one, time, backing - required, net)
            if distance is not None and one.margin is not None:
                _least(shocks, _against(one.sign), distance)
            yield from self._position(one, time, distance)
        joint = sum(net.values())
        if joint:
            _least(shocks, _against(joint), max((backing - required) / abs(joint), 0.0))
        for direction, shock in shocks.items():
            if shock < (1.0 if direction == "down" else 10.0):
                labels = {"currency": self.currency, "direction": direction}
                yield "risk_account_liquidation_shock_ratio", labels, shock
        yield "risk_positions", {}, float(len(positions))
        for family, own, path in self.more:
            yield family, own, _at(path, time)

    def _position(self, one: Position, time: float, distance: float | None) -> Iterator[Sample]:
        labels = one.labels(self.currency)
        base = one.symbol.removesuffix("USDT").removesuffix("-")
        info = {"base": base, "quote": "USDT", "contract_kind": "linear"}
        source = "none" if distance is None else "venue"
        yield "risk_position_info", {**labels, **info, "liquidation_source": source}, 1.0
        yield "risk_position_notional_usd", labels, one.size(time)
        yield "risk_position_unrealized_pnl", labels, one.pnl(time)
        if one.marks:
            yield "risk_position_mark_price", labels, 100 * _at(one.price, time)
        yield "risk_position_leverage_ratio", labels, one.leverage
        if distance is not None:
            yield "risk_position_liquidation_distance_ratio", labels, distance
        if one.margin is not None:
            required = one.maintenance * one.size(time)
            rate = _share(required, one.own_margin(time) + one.pnl(time))
            yield "risk_position_maintenance_margin_rate", labels, rate
        if one.adl is not None:
            yield "risk_position_adl_ratio", labels, _at(one.adl, time)


def _share(part: float, whole: float) -> float:
    if part == 0:
        return 0.0
    return part / whole if whole > 0 else math.inf


def _against(sign: float) -> str:
    return "down" if sign > 0 else "up"


def _least(shocks: dict[str, float], direction: str, shock: float) -> None:
    shocks[direction] = min(shock, shocks.get(direction, shock))


def _distance(one: Position, time: float, room: float, net: Mapping[str, float]) -> float | None:
    """Of an isolated position from its own margin; of cross ones from the pool and the net of the symbol."""
    if one.margin is not None:
        left = one.own_margin(time) + one.pnl(time) - one.maintenance * one.size(time)
        return max(left / one.size(time), 0.0)
    exposed = net[one.symbol]
    if abs(exposed) < 1e-9:
        return None
    distance = max(room / abs(exposed), 0.0)
    return distance if distance < 1 or exposed < 0 else None


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """A process that collects accounts, and how Prometheus scrapes it."""

    accounts: tuple[Account, ...] = ()
    instance: str = "exporter:10217"
    job: str = "risk"
    runs: tuple[tuple[float, float], ...] = ((-EVER, EVER),)
    """When the process answers: each time it is a new one, which knows nothing of the one before."""
    target: tuple[float, float] = (-EVER, EVER)
    """While it is in the scrape configuration."""
    unscraped: tuple[float, float] = (EVER, EVER)
    """While Prometheus takes no samples, as when it starts again: it does not know that any are missing."""
    more: tuple[tuple[str, Labels, Path | float], ...] = ()
    """Its own series, besides those of its accounts."""
    clock: float = 0.0
    """Seconds that its clock is ahead of Prometheus'."""
    scrape: float | None = None
    phase: float | None = None
    """Seconds between scrapes, and those from a round moment to a scrape; None: those of the run."""

    @property
    def source(self) -> dict[str, str]:
        return {"job": self.job, "instance": self.instance}


FIRST_COLLECTION: Final = 2.0
"""Seconds after the start of a process."""


class Process:
    """One run of an exporter: what its page says at a moment, asked in the order of time."""

    def __init__(self, exporter: Exporter, start: float, begins: float) -> None:
        self.exporter = exporter
        self.start = max(start, begins)
        self.epoch = exporter.clock - begins
        # The first one runs for long when it is first looked at; a new one has nothing at first.
        first = begins if math.isinf(start) else start + FIRST_COLLECTION
        self.accounts = [
            _Collected(one, first + place % 5, self.epoch) for place, one in enumerate(exporter.accounts)
        ]

    def page(self, time: float) -> Iterator[Sample]:
        yield "risk_exporter_build_info", {"version": "1.0.0"}, 1.0
        yield "process_start_time_seconds", {}, self.start + self.epoch
        for family, labels, value in self.exporter.more:
            moment = self.epoch if family.endswith("_timestamp_seconds") else 0.0
            found = _at(value, time) + moment
            if not math.isnan(found):
                yield family, labels, found
        for one in self.accounts:
            yield from one.page(time)


class _Collected:
    """One account in one process."""

    def __init__(self, account: Account, first: float, epoch: float) -> None:
        self.account = account
        self.epoch = epoch
        self.due = max(first, account.configured[0])
        self.up = False
        self.success: float | None = None
        self.data: tuple[Sample, ...] = ()
        self.errors = {reason: 0 for _, _, reason in account.failing}

    def page(self, time: float) -> Iterator[Sample]:
        account = self.account
        while self.due <= time:
            self._collect(self.due)
            self.due += account.interval
        if not account.configured[0] <= time < account.configured[1]:
            return
        key = account.key
        yield "risk_up", key, float(self.up)
        yield "risk_collector_max_age_seconds", key, account.max_age
        yield "risk_collector_optional_errors_total", key, _at(account.optional_errors, time)
        for reason, count in self.errors.items():
            yield "risk_collector_errors_total", {**key, "reason": reason}, float(count)
        who = {"desk": account.desk, "owner": account.owner}
        yield "risk_account_owner_info", {**key, **{name: text for name, text in who.items() if text}}, 1.0
        if account.limits is not None:
            for name, severity, value in account.limits.values():
                more = {"limit": name, **({"severity": severity} if severity else {})}
                yield "risk_account_limit", {**key, **more}, value
        if self.success is not None:
            yield "risk_collector_last_success_timestamp_seconds", key, self.success + self.epoch
            if time - self.success < account.max_age:
                yield from self.data

    def _collect(self, time: float) -> None:
        reason = self.account.failure(time)
        self.up = reason is None
        if reason is None:
            self.success = time
            self.data = tuple(self.account.data(time))
        else:
            self.errors[reason] += 1


@dataclass(frozen=True, kw_only=True)
class Program:
    """Another target of Prometheus: itself, or Alertmanager."""

    job: str
    instance: str
    series: tuple[tuple[str, Labels, Path | float], ...]
