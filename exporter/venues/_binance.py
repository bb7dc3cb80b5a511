"""What Binance's USD-M and COIN-M futures have in common: signing, failures, clock, request budget, rows.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info and
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code (COIN-M: the same rules).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, ClassVar, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import Contract, ContractKind, MaintenanceTier, MarginPool, Position, Side
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.signing import signer
from exporter.venues.base import Refusal, Refusals, Venue, ascending_tiers, told
from exporter.wire import Millis, Number, Positive, Required, Wire

BUDGET = RequestBudget("binance", (Limit(2400.0, 60.0),))
"""Of one address, for USD-M and COIN-M together since 2026-06-30."""

_ADL_MAX = 4.0

_INSIDE = ("-1000", "-1001", "-1006", "-1007", "-1008", "-1016")

# Pauses where the venue does not say when to come back: the limit's window, the shortest ban it documents,
# and a time that lets a web firewall forget us. Limits are counted by address.
REFUSALS = Refusals(
    Refusal("clock", codes=("-1021",)),
    Refusal("banned", statuses=(418,), pause=120.0),
    Refusal("banned", words=r"banned until \d{13}", pause=120.0),
    Refusal("rate_limited", codes=("-1003", "-1015"), statuses=(429,), pause=60.0),
    Refusal("auth", "the key may not make this request", codes=("-1002",)),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("-1022",)),
    Refusal("auth", "the API key has the wrong format", codes=("-2014",)),
    Refusal(
        "auth",
        "the key, this address or the key's permissions are refused (the venue does not say which)",
        codes=("-2015",),
    ),
    Refusal("auth", "the API key is locked", codes=("-2017",)),
    Refusal("banned", "the venue's firewall refused the request", statuses=(403,), pause=300.0),
    Refusal("exchange", "the venue is overloaded, shutting down or failing inside", codes=_INSIDE),
)

# Why documented numbers are not read, at both APIs.
OF_PARTS = "the sum of position and open-order margin is published as initial margin"
WITHDRAWAL = "says what may be moved out, not how safe the account is"
FROM_POSITION_RISK = "the position call has the same figure"
LAST_CHANGE = "time of the last change, not of the figures"
WITH_FEES = "entry price with fees; liquidation does not depend on it"
LARGEST = "what the leverage allows, or the number of a bracket"
TRADING_RULE = "rule for orders or trading, not part of the account"
UNREAD_RULES = {
    TRADING_RULE: "rateLimits[].* serverTime deliveryDate onboardDate liquidationFee marketTakeBound "
    "triggerProtect pricePrecision quantityPrecision baseAssetPrecision quotePrecision filters[].*",
    "documented as not in use": "maintMarginPercent requiredMarginPercent",
}


class BinanceConfig(ApiKeyConfig):
    """A Binance account. `api_secret` is the HMAC secret, or a PEM private key (RSA or Ed25519)."""

    recv_window: Annotated[Duration, Field(le=60)] = Field(
        default=5.0, description="How old a request may be when it reaches the venue; at most 60s."
    )


class ServerTime(Wire):
    serverTime: Millis


class AccountAsset(Wire):
    """Amounts in the coin, isolated positions included where a name does not say ``cross``."""

    coin: str = msgspec.field(name="asset")
    walletBalance: Required
    unrealizedProfit: Required
    marginBalance: Required
    maintMargin: Required
    initialMargin: Required
    crossWalletBalance: Required
    crossUnPnl: Required
    availableBalance: Number = None

    @property
    def holds(self) -> bool:
        """True if there is anything in the coin."""
        return any((self.walletBalance, self.marginBalance, self.maintMargin, self.initialMargin))


class Symbol(Wire):
    symbol: str
    baseAsset: str
    quoteAsset: str
    marginAsset: str
    contractSize: Number = None  # COIN-M: value of a contract in the quote coin


class ExchangeInformation(Wire):
    symbols: list[Symbol]

    def contracts(self, kind: ContractKind) -> Mapping[str, Contract]:
        """The contract of every symbol; a linear one is one base unit."""
        return {
            item.symbol: Contract(
                kind,
                1.0 if kind == "linear" else item.contractSize,
                item.baseAsset,
                item.quoteAsset,
                item.marginAsset,
            )
            for item in self.symbols
        }


class Bracket(Wire):
    """One maintenance tier of USD-M (amounts in the quote coin) or COIN-M (amounts in the base coin)."""

    maintMarginRatio: Required
    cum: Required
    notionalFloor: Number = None
    notionalCap: Number = None
    qtyCap: Number = None
    # Spelled `qtylFloor` on the documentation page; other clients read `qtyFloor`.
    qtylFloor: Number = None
    qtyFloor: Number = None

    def tier(self, scale: float) -> MaintenanceTier | None:
        """The tier with its amounts times `scale`; None where its borders are missing."""
        floor = _first(self.notionalFloor, self.qtylFloor, self.qtyFloor)
        cap = _first(self.notionalCap, self.qtyCap)
        if floor is None or cap is None:
            return None
        return MaintenanceTier(floor * scale, cap * scale, self.maintMarginRatio, self.cum * scale)


class Brackets(Wire):
    """The tiers of one symbol. `notionalCoef` appears where the user's limits were scaled."""

    symbol: str
    brackets: list[Bracket]
    notionalCoef: Positive = None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def maintenance_tiers(
    brackets: Brackets | None, notional: float | None, maintenance_margin: float | None
) -> tuple[MaintenanceTier, ...]:
    """The schedule of a position, in ascending order; empty where it cannot be trusted.

    The documentation leaves open whether brackets of a user with a `notionalCoef` are printed before or
    after it is applied. The position itself decides: the reading that reproduces its own maintenance
    margin (settle currency, like `notional`) is taken; with none that does, there is no schedule.
    """
    if brackets is None:
        return ()
    coefficient = brackets.notionalCoef or 1.0
    for scale in (1.0,) if coefficient == 1.0 else (1.0, coefficient):
        known = (bracket.tier(scale) for bracket in brackets.brackets)
        tiers = ascending_tiers(tier for tier in known if tier is not None)
        if coefficient == 1.0 or _reproduces(tiers, notional, maintenance_margin):
            return tiers
    return ()


def _reproduces(
    tiers: Iterable[MaintenanceTier], notional: float | None, maintenance_margin: float | None
) -> bool:
    if notional is None or maintenance_margin is None:
        return False
    size = abs(notional)
    tier = next((tier for tier in tiers if tier.floor <= size < tier.cap), None)
    if tier is None:
        return False
    # Printed with 8 decimals; half a per mill covers rounding and a mark that moved between two answers.
    return abs(size * tier.rate - tier.deduction - maintenance_margin) <= 5e-4 * maintenance_margin + 1e-8


def pool_of(asset: AccountAsset, positions: Sequence[Position]) -> MarginPool:
    """The pool of one coin with the positions that settle in it."""
    return MarginPool(
        currency=asset.coin,
        equity=asset.marginBalance,
        margin_equity=asset.crossWalletBalance + asset.crossUnPnl,
        maintenance_margin=_cross_maintenance_margin(asset, positions),
        wallet_balance=asset.walletBalance,
        available_balance=asset.availableBalance,
        unrealized_pnl=asset.unrealizedProfit,
        initial_margin=asset.initialMargin,
    )


def _cross_maintenance_margin(asset: AccountAsset, positions: Sequence[Position]) -> float | None:
    """The asset's figure includes isolated positions, which do not threaten the cross wallet."""
    cross = [position for position in positions if position.margin_mode == "cross"]
    if len(cross) == len(positions):
        return told(asset.maintMargin, cross)
    known = [position.maintenance_margin for position in cross if position.maintenance_margin is not None]
    return math.fsum(known) if len(known) == len(cross) else None


class _Row(Protocol):
    symbol: str
    positionSide: str

    @property
    def quantity(self) -> float: ...


RowT = TypeVar("RowT", bound=_Row)
ItemT = TypeVar("ItemT", bound=_Row)


def joined(
    rows: Iterable[RowT], items: Iterable[ItemT], bare_row: Callable[[ItemT], RowT]
) -> tuple[RowT, ...]:
    """The open rows of the position call, and those that only the account call shows.

    The two calls are answered at different moments: such a position was opened in between. It is published
    with what is known of it rather than not at all.
    """
    found = {(row.symbol, row.positionSide): row for row in rows if row.quantity}
    for item in items:
        if item.quantity and (item.symbol, item.positionSide) not in found:
            found[item.symbol, item.positionSide] = bare_row(item)
    return tuple(found.values())


def side_of(quantity: float) -> Side:
    """Long or short from the sign; in hedge mode the SHORT row is negative too."""
    return "long" if quantity > 0.0 else "short"


def adl_ratio(quantile: float | None) -> float | None:
    """Place in the auto-deleveraging queue, 0 to 1, from the venue's 0 to 4."""
    return quantile / _ADL_MAX if quantile is not None and 0.0 <= quantile <= _ADL_MAX else None


class BinanceVenue(Venue[BinanceConfig]):
    """Signing, clock, brackets and budget of both Binance futures APIs."""

    config_class = BinanceConfig
    budgets = (BUDGET,)
    refusals = REFUSALS
    time_endpoint: ClassVar[Endpoint]
    bracket_endpoint: ClassVar[Endpoint]

    def __init__(self, config: BinanceConfig) -> None:
        super().__init__(config)
        self._sign = signer(config.api_secret, "Binance")

    @classmethod
    def check(cls, config: BinanceConfig) -> str | None:
        try:
            signer(config.api_secret, "Binance")
        except ValueError as error:
            return str(error)
        return None

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(self.time_endpoint, ServerTime)).serverTime

    async def brackets(self, api: Api) -> Mapping[str, Brackets]:
        """The brackets of every symbol, as they are for this user."""
        return {item.symbol: item for item in await api.get_rows(self.bracket_endpoint, Brackets)}

    def sign(self, request: Request) -> SignedRequest:
        """Query with `signature` as its last parameter over everything before it, and the key's header."""
        if not request.endpoint.signed:
            return SignedRequest(query=urlencode(request.params))
        window = str(int(self.config.recv_window * 1000))
        query = urlencode((*request.params, ("recvWindow", window), ("timestamp", str(request.timestamp_ms))))
        signature = quote(self._sign(query.encode()), safe="")
        return SignedRequest(
            query=f"{query}&signature={signature}",
            headers={"X-MBX-APIKEY": self.config.api_key.get_secret_value()},
        )

    def weight_used(self, response: Response) -> float | None:
        return response.header_number("X-MBX-USED-WEIGHT-1M")
