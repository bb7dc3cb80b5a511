"""OKX's calls and messages, and what they mean by themselves: contracts, tiers, and the fee in its ratios.

Source: the pages below https://www.okx.com/docs-v5/en/ ; of what a ratio contains: the venue's help page
"Tiered maintenance margin ratio rules".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from msgspec import Struct, field

from exporter.model import Asset, Contract, KeyRights, MaintenanceTier, Position, Side
from exporter.request import Endpoint, Params
from exporter.venues.base import Answer, ascending_tiers
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, listed, one_of

T = TypeVar("T")

# Weights: most calls may be made ten times in two seconds; these others as often as they may.
CONFIG = Endpoint("/api/v5/account/config", weight=2)
BALANCE = Endpoint("/api/v5/account/balance")
POSITIONS = Endpoint("/api/v5/account/positions")
MEMBERS = Endpoint("/api/v5/users/subaccount/list", weight=5)
MEMBER_BALANCE = Endpoint("/api/v5/account/subaccount/balances", weight=10 / 6)
INSTRUMENTS = Endpoint("/api/v5/public/instruments", weight=0.5, signed=False)
TIERS = Endpoint("/api/v5/public/position-tiers", signed=False)
MARKS = Endpoint("/api/v5/public/mark-price", signed=False)
FUNDING = Endpoint("/api/v5/public/funding-rate", signed=False)
TIME = Endpoint("/api/v5/public/time", signed=False)
PUBLIC = (INSTRUMENTS, TIERS, FUNDING, MARKS, TIME)

TAKER_RATE = 0.0005
"""What a taker of the lowest tier pays of a value: the venue liquidates where the equity no longer covers
the maintenance margin and the fee of closing. Others pay less; the venue's own ratio tells how much."""

READ = ("SWAP", "FUTURES")
"""The kinds of contracts whose positions are shown."""
MOST_ROWS = 100
"""Positions in one answer, as far as is known; sub-accounts in one page."""

_LAST_CHANGE = {"time of the last change, not of the figures": "uTime"}
_PARTS = "frozenBal liab interest"
UNREAD = {
    CONFIG: {
        "names the account": "uid mainUid",
        "settings of other features": "type roleType spotRoleType opAuth kycLv stgyType feeType",
        "the ratio at which the venue warns": "liquidationGear",
    },
    BALANCE: {
        **_LAST_CHANGE,
        "part of the equity, which is published": f"{_PARTS} fixedBal availBal stgyEq rewardBal smtSyncEq "
        "spotIsoBal spotCopyTradingEq",
        "follows from notional and equity": "notionalLever",
        "how near the venue is to converting coins by itself": "twap",
        "the positions have their own": "notionalUsd details[].isoEq",
    },
    MEMBER_BALANCE: {
        **_LAST_CHANGE,
        "part of the equity, which is published": _PARTS,
        "follows from equity and ratio": "data[].mmr",
        "of positions, which are not told": "notionalUsd",
        "what coins count at other prices is not computed where positions are not told": "disEq",
    },
    POSITIONS: {
        **_LAST_CHANGE,
        "quantity × mark price; computed from them for every venue alike": "notionalUsd",
        "shown only where symbol, side and margin mode do not tell positions apart": "posId",
        "of options, which count in the account's figures": "optVal deltaBS",
    },
    MEMBERS: {"when it was made": "ts", "names its kind": "type"},
    INSTRUMENTS: {"rules of orders": "lotSz minSz tickSz lever", "names it": "instIdCode"},
    TIERS: {
        "names a tier": "tier",
        "the highest leverage has it": "imr",
        "a tier begins where the one before ends": "minSz",
        "of options": "optMgnFactor",
        "what can be borrowed": "quoteMaxLoan baseMaxLoan",
    },
    MARKS: {"of live marks": "markPx ts code"},
    FUNDING: {
        "when the funding after the next one takes place": "nextFundingTime",
        "bounds of the rate, and what it is made of": "maxFundingRate minFundingRate premium",
        "of a funding that has taken place": "settFundingRate",
        "when it was told; a rate is an average over hours": "ts",
    },
}


class Config(Wire):
    """An account's settings, and what the key may do that asks."""

    acctLv: Required  # 1 spot, 2 futures, 3 several currencies, 4 portfolio margin
    posMode: str | None = None  # long_short_mode or net_mode
    perm: str | None = None  # read_only, trade and withdraw, with commas
    ip: str | None = None  # addresses with commas; empty where any will do

    @property
    def modes(self) -> dict[str, str]:
        modes = {
            "asset_mode": "single" if self.acctLv == 2.0 else "multi",
            "margin_mode": {1.0: "spot", 4.0: "portfolio"}.get(self.acctLv, "cross"),
        }
        if self.posMode:
            modes["position_mode"] = "hedge" if self.posMode.startswith("long_short") else "one_way"
        return modes

    @property
    def rights(self) -> KeyRights:
        """What the key may do; the right to trade has transfers between the account's wallets in it."""
        words = {word.strip() for word in self.perm.split(",")} if self.perm else None
        trades = None if words is None else "trade" in words
        return KeyRights(
            read=None if words is None else "read_only" in words,
            trade=trades,
            transfer=trades,
            withdraw=None if words is None else "withdraw" in words,
            ip_restricted=None if self.ip is None else bool(self.ip.strip()),
        )


class CoinRow(Wire):
    """A coin of an account, in units of the coin."""

    coin: str = field(name="ccy")
    eq: Number = None  # with unrealized PnL and isolated margins
    cashBal: Number = None
    eqUsd: Number = None
    disEq: Number = None  # the same, as it counts as margin, in USD
    coinUsdPrice: Positive = None
    availEq: Number = None
    upl: Number = None  # of all positions that are settled in it
    isoEq: Number = None
    isoUpl: Number = None
    imr: Number = None  # these three of cross positions, of accounts in which each coin is a pool of its own
    mmr: Number = None
    mgnRatio: Number = None
    ordFrozen: Number = None
    collateralEnabled: bool | None = None

    @property
    def holds(self) -> bool:
        return bool(self.eq or self.cashBal)

    @property
    def price(self) -> float | None:
        """USD a unit; None of an amount too small to tell."""
        if self.coinUsdPrice is not None:
            return self.coinUsdPrice
        if not self.eq or not self.eqUsd or abs(self.eqUsd) < _LEAST_USD:
            return None
        price = self.eqUsd / self.eq
        return price if price > 0.0 else None

    @property
    def backing(self) -> float | None:
        """What backs the cross positions that are settled in it, and orders, whose part no field has."""
        if self.cashBal is None:
            return None
        return self.cashBal + (self.upl or 0.0) - (self.isoUpl or 0.0)

    def asset(self, *, counts: bool) -> Asset:
        """As a part of what all coins back together; `counts` says whether any counts as margin.

        What it counts decides, not its switch: only accounts of several currencies know that, and a coin of
        a documented one counts and is not enabled. One that is switched off counts 0.
        """
        counted = None if self.disEq is None or not self.eq else max(self.disEq / self.eq, 0.0)
        off = self.collateralEnabled is False and not self.disEq
        return Asset(
            asset=self.coin,
            wallet_balance=self.cashBal,
            equity=self.eq,
            collateral_price_usd=(0.0 if off else counted) if counts else None,
            debt_price_usd=self.price if counts else None,
        )


# A price made of a smaller value would be off by its last digits.
_LEAST_USD = 0.01


class Totals(Wire):
    """An account's figures in USD; empty of one in which each coin is a pool of its own."""

    details: Rows[CoinRow] = None
    totalEq: Number = None  # at market prices; always there
    adjEq: Number = None  # after haircuts, without isolated positions and what orders take
    isoEq: Number = None
    ordFroz: Number = None
    imr: Number = None  # of cross positions and open orders
    mmr: Number = None
    mgnRatio: Number = None
    upl: Number = None  # of cross positions
    availEq: Number = None

    @property
    def by_coin(self) -> bool:
        """Whether each coin is a pool of its own, as far as the figures tell: only then it has margins."""
        return self.mmr is None and any(
            row.mmr is not None or row.mgnRatio is not None for row in listed(self.details)
        )

    @property
    def assets(self) -> tuple[Asset, ...]:
        """The coins that back all positions together."""
        return tuple(row.asset(counts=self.adjEq is not None) for row in listed(self.details) if row.holds)


class PositionRow(Wire):
    instId: str
    pos: Required  # contracts; negative is short where positions are netted
    instType: str = ""
    mgnMode: str = ""
    posSide: str = ""  # long, short or net
    posId: str | int | None = None
    ccy: str = ""  # what its margins are in
    avgPx: Positive = None
    markPx: Positive = None
    liqPx: Number = None
    lever: Positive = None
    margin: Number = None  # of an isolated position, without its PnL
    imr: Number = None  # of a cross position
    mmr: Positive = None
    mgnRatio: Number = None  # of a cross position that of its pool
    upl: Number = None
    realizedPnl: Number = None
    fundingFee: Number = None
    adl: Positive = None  # 1 to 5
    usdPx: Positive = None  # of the currency of its margins

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("instId", "instType") if self.pos else ():
            if not getattr(self, name):
                raise ValueError(f"`{name}` is empty")
        # Of other kinds it is enough to know that they are there: a new one costs nobody his contracts.
        if self.pos and self.instType in READ:
            self.mgnMode = one_of("mgnMode", self.mgnMode, "CROSS", "ISOLATED")
            self.posSide = one_of("posSide", self.posSide, "LONG", "SHORT", "NET")

    @property
    def side(self) -> Side:
        if self.posSide == "NET":
            return "long" if self.pos > 0.0 else "short"
        return "long" if self.posSide == "LONG" else "short"

    @property
    def isolated(self) -> bool:
        return self.mgnMode.upper() == "ISOLATED"

    @property
    def owes(self) -> bool:
        """Whether it can lose more than was paid for it: a bought option cannot, nor an event contract."""
        return self.instType != "EVENTS" and not (self.instType == "OPTION" and self.pos > 0.0)


class Instrument(Wire):
    instId: str
    ctType: str = ""  # linear or inverse
    ctVal: Positive = None
    ctMult: Positive = None
    ctValCcy: str = ""
    settleCcy: str = ""
    instFamily: str = ""


class TierRow(Wire):
    mmr: Required
    maxSz: Positive = None  # contracts
    maxLever: Positive = None


class MarkRow(Wire):
    instId: str
    markPx: Positive = None
    ts: Millis = None


class FundingRow(Wire):
    instId: str
    fundingRate: Number = None  # of the funding at `fundingTime`
    fundingTime: Millis = None


class MemberRow(Wire):
    subAcct: str
    ts: str | int = ""


class Clock(Wire):
    ts: Required


class Schedule(Struct, frozen=True):
    """The tiers of a family of contracts, by contracts."""

    steps: tuple[tuple[float, float, float], ...] = ()
    """Where each ends, its rate, and the highest leverage in it (0 where it is not told)."""

    def tiers(self, contracts: float) -> tuple[MaintenanceTier, ...]:
        """What a size requires at any price: all of it at the rate of the tier that it is in."""
        rate = next((rate for end, rate, _ in self.steps if contracts <= end), None)
        if rate is None and self.steps:
            rate = self.steps[-1][1]
        return () if rate is None else ascending_tiers([MaintenanceTier(0.0, 0.0, rate, 0.0)])

    def largest(self, leverage: float | None) -> float | None:
        """The most contracts that a leverage allows."""
        if leverage is None:
            return None
        return max((end for end, _, most in self.steps if most >= leverage), default=None)


def schedule_of(rows: Iterable[TierRow]) -> Schedule:
    """The tiers of one family."""
    steps = [(row.maxSz, row.mmr, row.maxLever or 0.0) for row in rows if row.maxSz is not None]
    return Schedule(tuple(sorted(steps)))


def following(page: Answer[Rows[MemberRow]]) -> Params | None:
    """What asks for the sub-accounts that are older than those of a page."""
    rows = listed(page.data)
    return (("after", str(rows[-1].ts)),) if len(rows) >= MOST_ROWS else None


def family_of(symbol: str, instrument: Instrument | None) -> str:
    """What tiers are asked by: ``BTC-USDT``."""
    told = "" if instrument is None else instrument.instFamily
    return told or "-".join(symbol.split("-")[:2])


def contract_of(symbol: str, currency: str, instrument: Instrument | None) -> Contract:
    """The contract of a symbol such as ``BTC-USDT-SWAP``, ``BTC-USD-261225`` or ``BTC-USD_UM-SWAP``.

    Base and quote are those of the family, which the venue leaves empty elsewhere. What one contract is
    worth is its value times its multiplier, in base units of a linear and in the quote of an inverse one;
    without the list of contracts, or in another unit, that is unknown.

    Args:
        symbol: As the venue spells it.
        currency: What its margins are in.
        instrument: What the list of contracts says of it.
    """
    base, _, quote = family_of(symbol, instrument).partition("-")
    quote = quote.partition("_")[0] or "USD"
    settle = currency or ("" if instrument is None else instrument.settleCcy)
    if instrument is None or instrument.ctType not in {"linear", "inverse"}:
        kind, size = ("inverse" if settle == base or (not settle and quote == "USD") else "linear"), None
    else:
        kind = instrument.ctType
        unit = base if kind == "linear" else quote
        known = instrument.ctVal is not None and instrument.ctValCcy.upper() == unit.upper()
        size = (instrument.ctVal or 0.0) * (instrument.ctMult or 1.0) if known else None
    settle = settle or (base if kind == "inverse" else quote)
    return Contract("inverse" if kind == "inverse" else "linear", size, base, quote, settle)


def value_of(contracts: float, price: float | None, contract: Contract) -> float | None:
    """What contracts are worth at a price, in the settle currency."""
    if contract.size is None or not price:
        return None
    amount = contracts * contract.size
    return amount * price if contract.kind == "linear" else amount / price


class Charge(Struct, frozen=True):
    """What a pool requires and what backs it, so that both together are the venue's own ratio."""

    maintenance_margin: float | None
    margin_equity: float | None
    fee_rate: float = TAKER_RATE


def charge_of(
    backing: float | None,
    ratio: float | None,
    required: float | None,
    value: float | None,
    *,
    exact: bool,
    unlisted: bool = False,
) -> Charge:
    """What the venue's ratio, which is equity / (maintenance margin + fees of closing), says of its parts.

    An account pays a fee of its own, which is what the ratio has in it besides the maintenance margin. Where
    that would be more than anybody pays, something else is in it: then it is the requirement that is larger
    (of open orders, loans, options), or what backs it smaller where the venue does not tell it. Where the
    value is not known, the fee is left in the requirement.

    Args:
        backing: What backs the positions, as far as it is known.
        ratio: The venue's.
        required: Maintenance margin as the venue tells it.
        value: Of the positions that are listed, in the same currency.
        exact: Whether `backing` is the venue's own figure.
        unlisted: Whether the pool has others.
    """
    if backing is None and ratio is not None and ratio > 0.0 and required is not None and value is not None:
        return Charge(required, ratio * (required + TAKER_RATE * value))
    if backing is None or ratio is None or ratio <= 0.0 or backing <= 0.0:
        return Charge(required, backing)
    total = backing / ratio
    if value is None:
        return Charge(total, backing, 0.0)
    if required is None:
        return Charge(max(total - TAKER_RATE * value, 0.0), backing)
    charged = total - required
    rate = charged / value if value > 0.0 else None
    if rate is not None and 0.0 <= rate <= TAKER_RATE * (1.0 + _SLACK) and not unlisted:
        return Charge(required, backing, rate)
    if charged < 0.0 or not (exact or unlisted):
        return Charge(required, ratio * (required + TAKER_RATE * value))
    rate = TAKER_RATE if rate is None else min(rate, TAKER_RATE)
    return Charge(total - rate * value, backing, rate)


# Prices of coins that differ in their last digits make a fee that is a little larger.
_SLACK = 0.01


def in_usd(
    positions: Iterable[Position], prices: Mapping[str, float], amount: Callable[[Position], float | None]
) -> float | None:
    """The sum of an amount of positions, each in its settle currency; None where one is not known."""
    total = 0.0
    for position in positions:
        found, price = amount(position), prices.get(position.contract.settle)
        if found is None or price is None:
            return None
        total += found * price
    return total
