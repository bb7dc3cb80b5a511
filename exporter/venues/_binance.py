"""Binance, every adapter: signing, failures, clock, request budget, and rows that products have alike.

Which module is which: `_binance_<product>` has the calls and messages of `usdm`, `coinm` or `pm`, `…_account`
what they say of an account, `…_members` what a master's key is told of its sub-accounts. `_binance_keys` and
`_binance_brackets` are every adapter's; `_binance_futures` and `_binance_members` those of USD-M and COIN-M.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info and
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code (COIN-M: the same rules).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, ClassVar, Protocol, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.api import Api
from exporter.limits import Limit, RequestBudget
from exporter.model import (
    Contract,
    ContractKind,
    KeyRights,
    MarginPool,
    Marks,
    Position,
    PublicPrice,
    Side,
)
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.signing import signer
from exporter.venues._binance_keys import KEY_RESTRICTIONS, KeyRestrictions
from exporter.venues.base import Refusal, Refusals, Venue, nothing_less, said_of_key, sum_of, told
from exporter.wire import Millis, Number, Positive, Wire

BUDGET = RequestBudget("binance", (Limit(2400.0, 60.0),), paths=("/fapi/", "/dapi/"))
"""Of one address, for USD-M and COIN-M together since 2026-06-30."""

_ADL_MAX = 4.0

PORTFOLIO_MARGIN = "the account is in Portfolio Margin mode: configure it as `binance_pm`"
NOT_PORTFOLIO_MARGIN = (
    "Accounts in Portfolio Margin mode are read by `binance_pm`. Here such an account fails as `unsupported` "
    "where the venue gives it away: in words, or by telling what may be moved out of that mode, to an "
    "account that it otherwise refuses or shows without collateral. It fails as `auth` where only the key is "
    "refused. One that shows nothing here and may move nothing out cannot be told from an empty account."
)
"""For the documentation; the first sentence stands alone in the example configuration."""
_INSIDE = ("-1000", "-1001", "-1006", "-1007", "-1008", "-1016")
_NO_KEY = ("-1099", "-2008", "-4056", "-4057")

# Pauses where the venue does not say when to come back: the limit's window, the shortest ban it documents,
# and a time that lets a web firewall forget us. Limits are counted by address.
FAILURES = (
    Refusal("clock", codes=("-1021",)),
    Refusal("banned", statuses=(418,), pause=120.0),
    Refusal("banned", words=r"banned until \d{13}", pause=120.0),
    Refusal("rate_limited", codes=("-1003", "-1015"), statuses=(429,), pause=60.0),
    Refusal("auth", "the key may not make this request", codes=("-1002",)),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("-1022",)),
    Refusal("auth", "this address may not call the venue here", codes=("-1011",)),
    Refusal("auth", "the venue does not know the API key, or knows it as another kind", codes=_NO_KEY),
    Refusal("auth", "the API key has the wrong format", codes=("-2014",)),
    Refusal(
        "auth",
        "the key, this address or the key's permissions are refused (the venue does not say which; keys of "
        "an account in Portfolio Margin mode are refused so, too)",
        codes=("-2015",),
    ),
    Refusal("auth", "the API key is locked", codes=("-2017",)),
    Refusal("banned", "the venue's firewall refused the request", statuses=(403,), pause=300.0),
    Refusal("exchange", "the venue is overloaded, shutting down or failing inside", codes=_INSIDE),
)
REFUSALS = Refusals(
    *FAILURES,
    Refusal("unsupported", PORTFOLIO_MARGIN, words="portfolio[ -]?margin|unified account"),
    Refusal(
        "unsupported",
        "the futures account is inactive: never used, out of use for long, or in Portfolio Margin mode",
        codes=("-4109",),
    ),
)

# Why documented numbers are not read, at both APIs.
OF_PARTS = "initial margin less the part of open orders, which are both published"
OF_FEES = "what trading costs, not how safe the account is"
OF_ORDERS = "the open-order margin is published of the whole pool"
VALUE_OF_ORDERS = "value of open orders, not of a position"
LAST_CHANGE = "time of the last change, not of the figures"
WITH_FEES = "entry price with fees; liquidation does not depend on it"
TIME_OF_PRICES = "only tells how old the answer is: one that a cache kept too long is a failure"
OF_A_BRACKET = "the number of a bracket, and the leverage that may be set in it"
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
    walletBalance: Number = None
    unrealizedProfit: Number = None
    marginBalance: Number = None  # wallet + PnL
    maintMargin: Number = None
    initialMargin: Number = None
    openOrderInitialMargin: Number = None
    crossWalletBalance: Number = None
    crossUnPnl: Number = None
    availableBalance: Number = None
    maxWithdrawAmount: Number = None
    marginAvailable: bool | None = None  # whether it counts as margin in multi-assets mode

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.marginBalance is None:
            self.marginBalance = sum_of(self.walletBalance, self.unrealizedProfit)
        if self.marginBalance is None:
            raise ValueError("`marginBalance` is missing or empty, and does not follow from other fields")

    @property
    def holds(self) -> bool:
        """True if there is anything in the coin."""
        return any((self.walletBalance, self.marginBalance, self.maintMargin, self.initialMargin))


class Symbol(Wire):
    symbol: str
    baseAsset: str | None = None
    quoteAsset: str | None = None
    marginAsset: str | None = None
    contractSize: Number = None  # COIN-M: value of a contract in the quote coin


class ExchangeInformation(Wire):
    symbols: list[Symbol]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.symbols:  # an answer that is kept for an hour
            raise ValueError("`symbols` is empty")

    def contracts(self, kind: ContractKind) -> Mapping[str, Contract]:
        """The contract of every symbol that is listed with its coins; a linear one is one base unit."""
        return {
            item.symbol: _contract(
                kind,
                1.0 if kind == "linear" else item.contractSize,
                item.baseAsset,
                item.quoteAsset,
                item.marginAsset,
            )
            for item in self.symbols
            if item.baseAsset and item.quoteAsset and item.marginAsset
        }


@lru_cache(maxsize=4096)  # the same object behind each of the addresses that a fleet is spread over
def _contract(kind: ContractKind, size: float | None, base: str, quote: str, settle: str) -> Contract:
    return Contract(kind, size, base, quote, settle)


class _Timed(Protocol):
    @property
    def time(self) -> float | None: ...


TimedT = TypeVar("TimedT", bound=_Timed)


async def timed_rows(api: Api, endpoint: Endpoint, type_: type[TimedT]) -> list[TimedT]:
    """The rows of a public answer, which is as old as its newest: that of a closed market stays behind."""
    rows = await api.get_rows(endpoint, type_)
    api.made_at(endpoint, max((row.time for row in rows if row.time is not None), default=None))
    return rows


def pool_of(asset: AccountAsset, positions: Sequence[Position]) -> MarginPool:
    """The pool of one coin with the positions that settle in it.

    An isolated position to which margin is added by itself draws on the cross wallet: it stands and falls
    with the cross positions, and so do its collateral, its PnL and what it requires.
    """
    drawing = [one for one in positions if one.auto_add_margin]
    return MarginPool(
        currency=asset.coin,
        equity=asset.marginBalance,
        margin_equity=sum_of(
            asset.crossWalletBalance,
            asset.crossUnPnl,
            *(amount for one in drawing for amount in (one.margin, one.unrealized_pnl)),
        ),
        maintenance_margin=_maintenance_margin(asset, positions),
        wallet_balance=asset.walletBalance,
        available_balance=asset.availableBalance,
        unrealized_pnl=asset.unrealizedProfit,
        initial_margin=asset.initialMargin,
        open_order_margin=asset.openOrderInitialMargin,
        withdrawable_balance=nothing_less(asset.maxWithdrawAmount),
    )


def _maintenance_margin(asset: AccountAsset, positions: Sequence[Position]) -> float | None:
    """What threatens the cross wallet; the asset's figure includes isolated positions, which do not."""
    threats = [one for one in positions if one.margin_mode == "cross" or one.auto_add_margin]
    if len(threats) == len(positions):
        return told(asset.maintMargin, threats)
    return sum_of(*(one.maintenance_margin for one in threats))


class _Row(Protocol):
    symbol: str
    positionSide: str | None

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
    found = [row for row in rows if row.quantity]
    listed = by_symbol(found)
    bare = [bare_row(item) for item in items if item.quantity and match(item, listed) is None]
    return (*found, *bare)


def by_symbol(rows: Iterable[RowT]) -> Mapping[str, list[RowT]]:
    """The rows of each symbol."""
    found: dict[str, list[RowT]] = {}
    for row in rows:
        found.setdefault(row.symbol, []).append(row)
    return found


def match(one: _Row, others: Mapping[str, list[RowT]]) -> RowT | None:
    """Of the rows by symbol, the one about the same position: of its symbol and position side.

    Where one of the two does not tell the position side, they must be on one side of the market.
    """
    for other in others.get(one.symbol, ()):
        if one.positionSide and other.positionSide:
            if one.positionSide == other.positionSide:
                return other
        elif one.quantity * other.quantity > 0.0:
            return other
    return None


def true(flag: bool | str | None) -> bool:
    """A flag that is documented as text at one call and as a truth value at another."""
    return flag is True or (isinstance(flag, str) and flag.lower() == "true")


def side_of(quantity: float) -> Side:
    """Long or short from the sign; in hedge mode the SHORT row is negative too."""
    return "long" if quantity > 0.0 else "short"


def adl_ratio(quantile: float | None) -> float | None:
    """Place in the auto-deleveraging queue, 0 to 1, from the venue's 0 to 4."""
    return quantile / _ADL_MAX if quantile is not None and 0.0 <= quantile <= _ADL_MAX else None


class MarkRow(Wire):
    """What the premium index says of the prices of a contract."""

    symbol: str
    markPrice: Positive = None
    indexPrice: Positive = None
    time: Millis = None


def marks_of(
    rows: Iterable[MarkRow],
    coin_of: Callable[[str], str],
    currency: str,
    at: Callable[[float | None], float],
) -> Marks:
    """Mark prices by symbol, and index prices of the coins that a symbol is named after.

    Args:
        rows: The premium index.
        coin_of: The coin whose index price in `currency` a symbol's row has; empty for the others.
        currency: Of the coins' prices.
        at: A moment of the venue's clock on ours; of None, when the call was made.
    """
    symbols, coins = {}, {}
    for row in rows:
        if row.markPrice is not None:
            symbols[row.symbol] = PublicPrice(row.markPrice, at(row.time))
        coin = coin_of(row.symbol)
        if coin and row.indexPrice is not None:
            coins[coin] = PublicPrice(row.indexPrice, at(row.time), currency)
    return Marks(symbols, coins)


ConfigT = TypeVar("ConfigT", bound=BinanceConfig)


class BinanceVenue(Venue[ConfigT]):
    """Signing, clock and keys of Binance's derivatives APIs."""

    config_class = BinanceConfig
    key_endpoint = KEY_RESTRICTIONS
    refusals = REFUSALS
    time_endpoint: ClassVar[Endpoint]

    def __init__(self, config: ConfigT) -> None:
        super().__init__(config)
        self._sign = signer(config.api_secret, "Binance")
        self._window = int(config.recv_window * 1000)

    @classmethod
    def check(cls, config: ConfigT) -> str | None:
        try:
            signer(config.api_secret, "Binance")
        except ValueError as error:
            return str(error)
        return None

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(self.time_endpoint, ServerTime)).serverTime

    async def key_rights(self, api: Api) -> KeyRights:
        rights = (await api.get(KEY_RESTRICTIONS, KeyRestrictions)).rights
        return said_of_key(rights, self.place(KEY_RESTRICTIONS))

    def sign(self, request: Request) -> SignedRequest:
        """Query with `signature` as its last parameter over everything before it, and the key's header."""
        if not request.endpoint.signed:
            return SignedRequest(query=urlencode(request.params))
        # Digits need no encoding; most calls have no other parameters.
        query = f"recvWindow={self._window}&timestamp={request.timestamp_ms}"
        if request.params:
            query = f"{urlencode(request.params)}&{query}"
        signature = quote(self._sign(query.encode()), safe="")
        return SignedRequest(
            query=f"{query}&signature={signature}",
            headers={"X-MBX-APIKEY": self.config.api_key.get_secret_value()},
        )

    def weight_used(self, response: Response) -> float | None:
        return response.header_number("X-MBX-USED-WEIGHT-1M")
