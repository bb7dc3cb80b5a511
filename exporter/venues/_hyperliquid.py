"""Hyperliquid's calls, failures and public messages: addresses, exchanges, tiers, tokens.

Sources: the pages below https://hyperliquid.gitbook.io/hyperliquid-docs : for-developers/api/info-endpoint,
.../rate-limits-and-user-limits, trading/margin-tiers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field

from exporter.errors import VenueError
from exporter.request import Endpoint
from exporter.venues._schedule import Schedule, Step, progressive
from exporter.venues.base import Envelope, Refusal, Refusals, schema_error
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, listed


def _info(kind: str, weight: float) -> Endpoint:
    """One of the questions that are asked by a document at the same address."""
    return Endpoint("/info", weight, signed=False, method="POST", name=f"/info {kind}")


def question(endpoint: Endpoint, **more: str) -> Mapping[str, str]:
    """The document that asks for what an endpoint tells."""
    return {"type": endpoint.name.rpartition(" ")[2], **more}


MODE = _info("userAbstraction", 20.0)
STATE = _info("clearinghouseState", 2.0)
BALANCES = _info("spotClearinghouseState", 2.0)
ROLE = _info("userRole", 60.0)
SUB_ACCOUNTS = _info("subAccounts2", 20.0)
NAMES = _info("perpDexs", 20.0)
METAS = _info("allPerpMetas", 20.0)
CONTEXTS = _info("metaAndAssetCtxs", 20.0)
TOKENS = _info("spotMetaAndAssetCtxs", 20.0)
TIME = _info("exchangeStatus", 2.0)


class Status(Envelope):
    """Around a failure that is told inside a success."""

    code: str | int | None = field(default=None, name="status")
    msg: str | None = field(default=None, name="response")


# Source: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/rate-limits-and-user-limits
REFUSALS = Refusals(
    Refusal("rate_limited", statuses=(429,), pause=60.0),
    Refusal("exchange", "the venue cannot read the question", statuses=(422,)),
    envelope=Status,
    success=frozenset({"ok"}),
)


_OF_TRADING = "of trading"
_DISPLAY = "only how it is displayed"
_OF_A_STATE = {
    "when the answer was made; what was old then is refused": "time",
    "follows from the account value and the positions": "totalRawUsd totalNtlPos",
    "all positions' is published": "crossMarginSummary.totalMarginUsed",
    "follows from the margin, at the mark price": "rawUsd",
    "computed from the PnL for every venue alike": "returnOnEquity",
    "of funding that is in the balance already": "cumFunding.allTime cumFunding.sinceOpen "
    "cumFunding.sinceChange",
    "the margin table has it": "position.maxLeverage",
}
UNREAD = {
    STATE: _OF_A_STATE,
    BALANCES: {
        "what was paid for it": "entryNtl",
        "what of it earns interest; part of the total": "supplied",
        "the venue's ratio has all of it": "tokenToPortfolioBorrowRatio[][] tokenToPortfolioSupplyRatio[][]",
    },
    SUB_ACCOUNTS: {**_OF_A_STATE, "what was paid for it": "entryNtl"},
    NAMES: {_OF_TRADING: "assetToStreamingOiCap[][]"},
    METAS: {_DISPLAY: "szDecimals"},
    CONTEXTS: {
        "all exchanges' are read in another call": "szDecimals universe[].maxLeverage "
        "marginTableId marginTables* collateralToken",
        "positions have the mark price they were valued at; of live marks": "markPx",
        "of live marks": "oraclePx",
        _OF_TRADING: "openInterest prevDayPx dayNtlVlm premium midPx impactPxs[] dayBaseVlm",
    },
    TOKENS: {
        _DISPLAY: "szDecimals weiDecimals",
        "names a pair; prices are found by its name": "universe[].index",
        _OF_TRADING: "prevDayPx dayNtlVlm midPx circulatingSupply totalSupply dayBaseVlm",
    },
}

USDC = 0
"""The token that is money here."""

_ADDRESS = re.compile(r"0x[0-9a-f]{40}")
_KEY = re.compile(r"(0x)?[0-9a-f]{64}")
_ADDRESSES, _KEYS = 1 << 160, 1 << 256


def address_of(given: object) -> object:
    """An address as it is sent, from text or from what YAML makes of it without quotes, a number.

    Raises:
        ValueError: of what is none; the text has nothing of it.
    """
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < _KEYS:
        given = f"0x{given:0{40 if given < _ADDRESSES else 64}x}"
    if not isinstance(given, str):
        return given
    text = given.strip().lower()
    if _KEY.fullmatch(text):
        raise ValueError(
            "64 hexadecimal digits are a private key, which is never needed here: give the public address, "
            "and take it that the key is known to whoever could read this"
        )
    if not _ADDRESS.fullmatch(text):
        raise ValueError("expected an address: 0x and 40 hexadecimal digits")
    return text


def check_mode(mode: str | None) -> None:
    """Refuses what cannot be read.

    Raises:
        VenueError: reason ``unsupported``.
    """
    if mode in {None, "default", "disabled", "unifiedAccount", "portfolioMargin"}:
        return
    text = "the account is in a mode that is not known here"
    if mode == "dexAbstraction":
        text = (
            "the account is in DEX abstraction mode, in which the venue moves margin between exchanges by "
            "itself, and which it gives up: choose another account mode there"
        )
    raise VenueError("unsupported", f"{MODE.label}: {text}")


class Role(Wire):
    """What an address is: user, vault, subAccount, agent, or missing."""

    role: str


def nothing_held(role: str) -> VenueError:
    """What to tell of an address that holds nothing, by what the venue says that it is."""
    if role == "missing":
        return VenueError("auth", "the venue does not know the address: mistyped, or of another network")
    if role == "agent":
        return VenueError(
            "auth",
            "the address is that of an agent (API) wallet, which holds nothing: give the address of the "
            "account for which it acts",
        )
    return VenueError("unsupported", "the address holds nothing: no balance, no position at any exchange")


class Clock(Wire):
    time: Millis = None


class ExchangeName(Wire):
    name: str


class TierRow(Wire):
    lowerBound: Required  # notional, in the collateral
    maxLeverage: Positive = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lowerBound < 0.0:
            raise ValueError("`lowerBound` is negative")
        _check_leverage(self.maxLeverage)


# At half of it, a maintenance margin would be all that a position is worth.
_LEAST_LEVERAGE = 0.5


def _check_leverage(leverage: float | None) -> None:
    if leverage is not None and leverage < _LEAST_LEVERAGE:
        raise ValueError("`maxLeverage` is less than any")


class TableRow(Wire):
    marginTiers: Rows[TierRow]


class AssetRow(Wire):
    name: str
    maxLeverage: Positive = None
    marginTableId: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_leverage(self.maxLeverage)


class Meta(Wire):
    universe: list[AssetRow]
    marginTables: list[tuple[int, TableRow]] = []  # noqa: RUF012 (msgspec copies it)
    collateralToken: int | None = None


NO_SCHEDULE = Schedule()


class Exchange(Struct, frozen=True):
    """The venue's own exchange, or one that somebody has built upon it."""

    name: str
    """Empty of the venue's own."""
    token: int | None
    """Its collateral; None where that is not told."""
    schedules: Mapping[str, Schedule]
    """By symbol."""


def schedule_of(rows: Iterable[TierRow]) -> Schedule:
    """Half of the margin at the highest leverage of each tier, with no jump from one to the next."""
    tiers: list[tuple[float, float]] = []
    for row in rows:
        if row.maxLeverage is None:
            return NO_SCHEDULE
        tiers.append((row.lowerBound, row.maxLeverage))
    tiers.sort()
    ends = [*(floor for floor, _ in tiers[1:]), math.inf]
    return progressive(
        Step(end, 0.5 / leverage, leverage=leverage)
        for (_, leverage), end in zip(tiers, ends, strict=False)  # of no tiers, there is no last one
    )


def exchanges_of(names: Sequence[ExchangeName | None], metas: Sequence[Meta | None]) -> tuple[Exchange, ...]:
    """All exchanges, the venue's own first.

    The two lists belong together by place: the first name is null, and what is gone is null.

    Raises:
        VenueError: reason ``schema``, if they do not belong together.
    """
    if len(names) != len(metas) or not metas or metas[0] is None or not metas[0].universe:
        raise schema_error(METAS, f"{len(metas)} exchanges, and {len(names)} in {NAMES.label}")
    called = [name.name for name in names if name is not None]
    if len({"", *called}) <= len(called):
        raise schema_error(NAMES, "two exchanges of one name, or one without")
    return tuple(
        Exchange("" if name is None else name.name, _token(name, meta), _schedules(meta))
        for name, meta in zip(names, metas, strict=True)
        if meta is not None and (name is not None or meta is metas[0])
    )


def _token(name: ExchangeName | None, meta: Meta) -> int | None:
    return USDC if name is None and meta.collateralToken is None else meta.collateralToken


_PLAIN_TABLES = 50
"""The highest number of a table of one tier."""


def _schedules(meta: Meta) -> Mapping[str, Schedule]:
    """By symbol; a table of one tier is not listed, and has the symbol's highest leverage for its number."""
    tables: dict[object, Schedule] = {
        float(number): schedule_of(listed(table.marginTiers)) for number, table in meta.marginTables
    }
    found = {}
    for row in meta.universe:
        known = tables.get(row.marginTableId)
        if known is None and row.marginTableId is not None and row.marginTableId > _PLAIN_TABLES:
            known = NO_SCHEDULE
        if known is None:
            plain = f"up to {row.maxLeverage}"
            known = tables.setdefault(
                plain, schedule_of([TierRow(lowerBound=0.0, maxLeverage=row.maxLeverage)])
            )
        found[row.name] = known
    return MappingProxyType(found)


class Symbol(Wire):
    name: str


class Symbols(Wire):
    universe: list[Symbol]


class Context(Wire):
    markPx: Positive = None
    oraclePx: Positive = None
    funding: Number = None  # of an hour


def contexts_of(symbols: Symbols, contexts: Sequence[Context | None]) -> Mapping[str, Context]:
    """The contexts by symbol: they have no names, and stand in the places of the symbols.

    Raises:
        VenueError: reason ``schema``, if one of them is no symbol's.
    """
    if len(contexts) != len(symbols.universe):
        raise schema_error(CONTEXTS, f"{len(contexts)} contexts of {len(symbols.universe)} symbols")
    pairs = zip(symbols.universe, contexts, strict=True)
    return {row.name: context for row, context in pairs if context is not None}


# Spot


class TokenRow(Wire):
    name: str
    index: Required


class PairRow(Wire):
    name: str
    tokens: list[int]


class SpotMeta(Wire):
    tokens: list[TokenRow]
    universe: list[PairRow]


class PairContext(Wire):
    coin: str | None = None  # the name of the pair
    markPx: Positive = None


class Tokens(Struct, frozen=True):
    names: Mapping[float | None, str]
    prices: Mapping[float | None, float]
    """In USDC, of those that are traded for it."""

    def name(self, token: float | None) -> str:
        return self.names.get(token, f"TOKEN{token:g}")


def tokens_of(meta: SpotMeta, contexts: Sequence[PairContext | None]) -> Tokens:
    """What tokens are called and cost.

    Raises:
        VenueError: reason ``schema``, if there are none.
    """
    if not meta.tokens or not meta.universe:
        raise schema_error(TOKENS, "no token, or no pair of them, is listed")
    in_place = len(contexts) == len(meta.universe)
    marks: dict[Any, float] = {}
    for place, context in enumerate(contexts):
        if context is not None and context.markPx is not None:
            if context.coin is not None:
                marks[context.coin] = context.markPx
            elif in_place:
                marks[meta.universe[place].name] = context.markPx
    prices: dict[float | None, float] = {
        pair.tokens[0]: marks[pair.name]
        for pair in meta.universe
        if pair.tokens[1:] == [USDC] and pair.name in marks
    }
    return Tokens({row.index: row.name for row in meta.tokens}, prices)
