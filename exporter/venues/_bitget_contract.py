"""What Bitget's symbols are, what positions in them require, and what coins count as margin.

Sources: the venue's help pages 12560603841952 (tiers before and since 2025-11-10), 360052911052 (tiers of
long and short), 12560603808759 (liquidation prices) and 12560603817261 (haircuts) below
https://www.bitget.com/support/articles .
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from msgspec import Struct, field

from exporter.model import Contract, MaintenanceTier
from exporter.venues._bitget import COIN_PRODUCT, TAKER_RATE, FundingRow, PositionRow, TierRow
from exporter.venues._haircut import counted_share, tiers_from
from exporter.venues._schedule import Schedule, Step, at_one_rate, progressive
from exporter.venues.base import ascending_tiers
from exporter.wire import Required, Rows, Wire, listed

# A perpetual contract, or one that ends: ETHUSD_231229, BTCUSDH25; BTCUSD_CM of unified accounts does not.
_INVERSE = re.compile(r"(\w+?)USD(?:[FGHJKMNQUVXZ]\d\d|_\w+)?", re.ASCII)


def index_coin(symbol: str, product: str) -> tuple[str, str] | None:
    """The coin whose index price a perpetual contract shows, and what that is in; None of others."""
    if product == COIN_PRODUCT:
        coin = symbol.removesuffix("USD")
        return (coin, "USD") if coin and coin != symbol else None
    coin = symbol.removesuffix("USDT")
    return (coin, "USDT") if coin and coin != symbol else None


def contract_of(row: PositionRow, product: str) -> Contract:
    """The contract of a position.

    Linear ones are in base units: ``BTCUSDT``, ``BTCPERP`` and ``BTCUSDC`` in USDC. Of one that is margined
    in coins it is not documented whether a size is base units or USD: its own figures tell, and where they do
    not, or where another coin than the base is its margin, the size of a contract is not known. Its PnL is
    that of an inverse contract of the value at which it was opened.
    """
    name = row.symbol.partition("_")[0]
    if product != COIN_PRODUCT:
        settle = row.coin or product.partition("-")[0]
        base = name.removesuffix("PERP").removesuffix(settle) or name
        return Contract("linear", 1.0, base, settle, settle)
    found = _INVERSE.fullmatch(row.symbol)
    base = name if found is None else found[1]
    return Contract(
        "inverse", _quote_value(row) if row.coin in {base, ""} else None, base, "USD", row.coin or base
    )


def in_base_units(contract: Contract) -> bool:
    """Whether a position margined in a coin is counted in that coin."""
    return contract.size is not None and contract.size != 1.0


def _quote_value(row: PositionRow) -> float | None:
    """USD at which a unit of a coin-margined position was opened: 1, or its entry price where it is a coin.

    The PnL decides, else the initial margin: both differ by the price of the coin. None where neither tells.
    """
    entry, mark = row.entry, row.markPrice
    if entry is None or mark is None:
        return None
    size = abs(row.size)
    sign = 1.0 if row.side == "long" else -1.0
    each_usd = sign * size * (1.0 / entry - 1.0 / mark)
    value = None if row.margin is None or row.leverage is None else row.margin * row.leverage
    shown: list[tuple[float | None, float]] = []
    if abs(mark / entry - 1.0) > _LEAST_MOVE:
        shown.append((row.upl, each_usd))
    if not row.isolated:
        shown.append((value, size / mark))
    for told, expected in shown:
        fitting = [each for each in (entry, 1.0) if told and _near(told, expected * each)]
        if len(fitting) == 1:
            return fitting[0]
    return None


def _near(told: float, expected: float) -> bool:
    return expected != 0.0 and abs(told / expected - 1.0) < _NEAR


# Below this move of the mark a PnL has too few digits.
_LEAST_MOVE = 1e-5
_NEAR = 0.25


class Tiers(Struct, frozen=True):
    """The tiers of a symbol by value in its quote coin, without the fee; nothing where they are not known."""

    sliced: Schedule = Schedule()
    """Each slice of a position at its own rate."""
    whole: Schedule = Schedule()
    """All of it at the rate of its tier."""

    def of(self, row: PositionRow) -> Schedule:
        return self.sliced if row.progressive else self.whole


def tiers_of(rows: Iterable[TierRow]) -> Tiers:
    """The tiers of one symbol; none where one of them makes no sense."""
    found: list[tuple[float, float, TierRow]] = []
    for row in rows:
        if row.floor is None or row.rate is None or row.rate >= 1.0:
            return Tiers()
        found.append((row.floor, row.rate, row))
    found.sort(key=lambda one: one[0])
    floors = [floor for floor, _, _ in found]
    if floors[:1] != [0.0]:
        return Tiers()
    ends = [*floors[1:], found[-1][2].cap or math.inf]
    if any(end <= floor for floor, end in zip(floors, ends, strict=True)):
        return Tiers()
    steps = [Step(end, rate, leverage=row.leverage) for (_, rate, row), end in zip(found, ends, strict=True)]
    return Tiers(progressive(steps), at_one_rate(steps))


class Held(Struct, frozen=True):
    """A position with what else is known of its symbol."""

    row: PositionRow
    contract: Contract
    schedule: Schedule = Schedule()
    """Of its age, by value in the quote coin, without the fee of closing."""
    joint: float = 0.0
    """The size by which its tier is found: its own, or long and short together where one pool backs both."""
    tiered: bool = True
    """Whether it requires what its tier says, as far as is known."""
    funding: FundingRow | None = None
    """Of a perpetual contract, where it is told when it is paid."""
    adl: float | None = None
    """Its place in the queue of auto-deleveraging: 1 is the first."""

    @property
    def size(self) -> float:
        return abs(self.row.size)

    def value(self, size: float) -> float | None:
        """What a size is worth at the mark, in the quote coin."""
        if self.row.markPrice is None or self.contract.size is None:
            return None
        if self.contract.kind == "inverse" and not in_base_units(self.contract):
            return size
        return size * self.row.markPrice

    @property
    def settled(self) -> float | None:
        """What it is worth at the mark, in the coin of its margin."""
        value = self.value(self.size)
        if value is None or self.contract.kind == "linear":
            return value
        return value / self.row.markPrice if self.row.markPrice else None

    @property
    def mean_rate(self) -> float | None:
        """Maintenance margin without the fee, as a share of the value."""
        value = self.value(self.joint)
        required = self.schedule.required(value) if value else None
        if value and required is not None:
            return required / value
        return self.row.rate if self.row.rate is not None and self.row.rate < 1.0 else None

    @property
    def required(self) -> float | None:
        """Maintenance margin with the closing fee of a classic isolated position, as its ratio tells it."""
        row = self.row
        if not row.isolated or row.ratio is None or row.own is None or row.own <= 0.0:
            return None
        return row.ratio * row.own

    @property
    def fee(self) -> float:
        """The closing fee that is in the requirement: accounts pay their own, at most that of everybody."""
        required, value, rate = self.required, self.settled, self.mean_rate
        if required is None or not value or rate is None:
            return TAKER_RATE
        fee = required / value - rate
        return fee if 0.0 <= fee < TAKER_RATE * (1.0 - _SLACK) else TAKER_RATE

    @property
    def tiers(self) -> tuple[MaintenanceTier, ...]:
        """What it requires at any price, with the closing fee.

        What is margined in a coin requires a fixed amount of it where its size is in the coin, and a fixed
        share of its value where its size is in USD.
        """
        fee, rate, settled = self.fee, self.mean_rate, self.settled
        if not self.tiered:
            return ()
        if self.contract.kind == "linear" and self.schedule.tiers and self.joint > 0.0:
            share = self.size / self.joint
            return self.schedule.part(share).with_fee(fee).tiers
        if rate is None:
            return ()
        if in_base_units(self.contract) and self.contract.kind == "inverse":
            return (
                ()
                if settled is None
                else ascending_tiers([MaintenanceTier(0.0, 0.0, 0.0, -settled * (rate + fee))])
            )
        return ascending_tiers([MaintenanceTier(0.0, 0.0, rate + fee, 0.0)])

    @property
    def largest(self) -> float | None:
        """The largest value that its leverage allows, in the coin of its margin."""
        most, mark = self.schedule.largest(self.row.leverage), self.row.markPrice
        if most is None or self.contract.kind == "linear":
            return most
        return most / mark if mark else None


# Figures that are rounded make a fee that is a little smaller.
_SLACK = 0.01


class DiscountTier(Wire):
    start: Required = field(name="tierStartValue")  # USDT
    rate: Required = field(name="discountRate")


class DiscountRow(Wire):
    """The part of a coin's value that counts as margin."""

    coin: str
    tiers: Rows[DiscountTier] = field(name="list", default=None)

    def share(self, value: float) -> float | None:
        """The part of a value in USDT that counts; None where it is not known."""
        return _share(listed(self.tiers), value)


class ClassicDiscountTier(DiscountTier):
    start: Required = field(name="minAmount")


class ClassicDiscountRow(Wire):
    coin: str
    tiers: Rows[ClassicDiscountTier] = field(name="discountRateList", default=None)

    def share(self, value: float) -> float | None:
        tiers = listed(self.tiers)
        return _share(tiers, value)


def _share(tiers: Iterable[DiscountTier], value: float) -> float | None:
    """The mean share of a value in tiers that end where the next begins.

    Source: "Glossary for Bitget USDT-M Futures in Multi-Asset Mode": of 600,000 USDT in BTC the first 100,000
    count 0.975, the next 400,000 0.97, the rest 0.965: 582,000.
    """
    return counted_share(tiers_from((tier.start, tier.rate) for tier in tiers), value)
