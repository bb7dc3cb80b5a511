"""What Bybit's messages say of an account: its pools, positions and coins, its key, and why it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from msgspec import Struct, field

from exporter.model import (
    AccountSnapshot,
    Asset,
    Contract,
    Greeks,
    KeyRights,
    MarginPool,
    OptionMargin,
    OptionTerms,
    Position,
)
from exporter.venues._bybit import (
    CoinRow,
    CollateralRow,
    Info,
    PositionRow,
    TickerRow,
    Wallet,
    isolated_margin,
    summed_usd,
)
from exporter.venues._expiry import expiry_of
from exporter.venues._schedule import Schedule
from exporter.venues.base import Envelope, Refusal, Refusals, pools_by_coin, told
from exporter.wire import Required, Wire, listed


class Status(Envelope):
    """Around every answer, success or failure."""

    code: str | int | None = field(default=None, name="retCode")
    msg: str | None = field(default=None, name="retMsg")


# Failures come inside HTTP 200; an address that asks too often is refused with HTTP 403 for 10 minutes.
# Source: https://bybit-exchange.github.io/docs/v5/error and .../rate-limit
_SHUT_OUT = "the address asked too often, or its country is barred"
NOT_UNIFIED = "no unified trading account: upgrade it"
REFUSALS = Refusals(
    Refusal("clock", codes=("10002", "-1")),
    Refusal("auth", "the API key is not known here: it may be of the test network", codes=("10003",)),
    Refusal("auth", "the signature is not valid: check the API secret", codes=("10004",)),
    Refusal("auth", "the API key is not accepted", codes=("10007",)),
    Refusal("auth", "the API key has expired", codes=("33004", "-2015")),
    Refusal("permission", "the key lacks the permission to read this", codes=("10005",)),
    Refusal("permission", "the venue has shut this user out", codes=("10008",)),
    Refusal("permission", "this address is not on the key's list of addresses", codes=("10010",)),
    Refusal("permission", "the venue's compliance rules forbid it", codes=("10024",)),
    Refusal("unsupported", f"the account is {NOT_UNIFIED}", codes=("10028",)),
    Refusal("rate_limited", codes=("10006",), pause=1.0, scope="account"),
    Refusal("exchange", "the venue timed out", codes=("10000",)),
    Refusal("banned", _SHUT_OUT, codes=("10009", "10018"), statuses=(403,), pause=600.0),
    envelope=Status,
    success=frozenset({"0"}),
)


_PLACES = 5.0
"""In the queue of auto-deleveraging."""


class Held(Struct, frozen=True):
    """A position with what else is known of its symbol."""

    row: PositionRow
    contract: Contract
    schedule: Schedule = Schedule()
    ticker: TickerRow | None = None
    option: OptionTerms | None = None

    @property
    def name(self) -> str:
        """Category and symbol: what its risk limits are asked by."""
        return f"{self.contract.kind} {self.row.symbol}"


# BTC-29DEC23-80000-C in USDC, BTC-29DEC23-80000-C-USDT
_OPTION = re.compile(
    r"(?P<base>[A-Z0-9]+)-(?P<day>\d{1,2}[A-Z]{3}\d\d)-(?P<strike>\d+(\.\d+)?)-(?P<right>[CP])"
    r"(-(?P<settle>USDT|USDC))?",
    re.ASCII,
)


def option_of(row: PositionRow) -> Held | None:
    """An option as its symbol says it; None where that is not understood.

    Sizes are in base units; strikes and prices in the coin that it is settled in.
    """
    found = _OPTION.fullmatch(row.symbol)
    expires_at = None if found is None else expiry_of(found["day"])
    if found is None or expires_at is None:
        return None
    settle, strike = found["settle"] or "USDC", float(found["strike"])
    if strike <= 0.0:
        return None
    terms = OptionTerms(
        strike=strike, expires_at=expires_at, right="call" if found["right"] == "C" else "put"
    )
    return Held(row, Contract("option", 1.0, found["base"], settle, settle), option=terms)


def parse(
    info: Info,
    wallet: Wallet,
    apart: Wallet | None,
    held: Sequence[Held],
    collateral: Mapping[str, CollateralRow],
    *,
    unlisted: bool,
) -> AccountSnapshot:
    """The account from its messages.

    Args:
        info: Its kind and mode.
        wallet: Of the account.
        apart: Of its inverse contracts, where they have wallets of their own.
        held: Its positions.
        collateral: The ratios at which coins count as margin, where they do.
        unlisted: Whether it has options that are not among these.
    """
    pairs = [(one, apart is not None and one.contract.kind == "inverse") for one in held]
    positions = [_position(one, info, apart=own) for one, own in pairs]
    unified = [one for one, (_, own) in zip(positions, pairs, strict=True) if not own]
    inverse = [one for one, (_, own) in zip(positions, pairs, strict=True) if own]
    coins = [row for row in listed(wallet.coin) if row.holds]
    own_coins = [] if apart is None else listed(apart.coin)
    # Of a contract in a form that is not known, nobody knows which coin backs it: it may be any.
    strange = any(one.contract.size is None for one in inverse)
    modes = {
        "margin_mode": info.mode,
        "asset_mode": "single" if info.isolated else "multi",
    }
    if held:
        modes["position_mode"] = "hedge" if any(one.row.positionIdx for one in held) else "one_way"
    pool = _isolated_pool(coins) if info.isolated else _pool(wallet, info, coins, unified, unlisted=unlisted)
    return AccountSnapshot(
        pools=(pool, *pools_by_coin(own_coins, inverse, partial(_coin_pool, unlisted=strange))),
        positions=tuple(positions),
        assets=tuple(_asset(row, None if info.isolated else collateral.get(row.coin)) for row in coins),
        modes=modes,
        prices=_prices([*coins, *own_coins], held),
    )


def _prices(coins: Iterable[CoinRow], held: Iterable[Held]) -> Mapping[str, float]:
    """What the wallets say; of a coin that nobody has, what options or an inverse contract on it say."""
    marks = {
        one.contract.settle: one.row.markPrice
        for one in held
        if one.contract.kind == "inverse" and one.contract.size and one.row.markPrice is not None
    }
    indices = {
        one.contract.base: one.ticker.indexPrice
        for one in held
        if one.option is not None and one.ticker is not None and one.ticker.indexPrice is not None
    }
    return {**indices, **marks, **{row.coin: row.price for row in coins if row.price is not None}}


def _pool(
    wallet: Wallet, info: Info, coins: Sequence[CoinRow], positions: Sequence[Position], *, unlisted: bool
) -> MarginPool:
    portfolio = info.mode == "portfolio"
    # 0 is what bought options require; beside anything else it is a placeholder.
    requiring = [one for one in positions if one.option is None or one.side == "short"]
    options = any(one.option is not None for one in positions)
    backing = wallet.backing(portfolio=portfolio)
    return MarginPool(
        currency="USD",
        equity=wallet.totalEquity,
        adjusted_equity=backing if portfolio else wallet.totalMarginBalance,
        margin_equity=backing,
        maintenance_margin=told(wallet.totalMaintenanceMargin, requiring),
        wallet_balance=wallet.totalWalletBalance,
        available_balance=wallet.totalAvailableBalance,
        unrealized_pnl=wallet.totalPerpUPL,
        initial_margin=wallet.totalInitialMargin,
        open_order_margin=summed_usd(coins, lambda row: row.totalOrderIM),
        venue_margin_rate=told(wallet.accountMMRate, requiring),
        unlisted=unlisted,
        # The margin balance has the value of options in it in portfolio margin alone:
        # https://www.bytick.com/en/help-center/article/Glossary-Unified-Trading-Account
        options_apart=not portfolio,
        scenario_margin=portfolio and options,
    )


def _isolated_pool(coins: Sequence[CoinRow]) -> MarginPool:
    """Of an account whose positions each stand alone: what its coins are worth together."""
    return MarginPool(
        currency="USD",
        equity=None
        if any(row.usdValue is None for row in coins)
        else sum(row.usdValue or 0.0 for row in coins),
        wallet_balance=summed_usd(coins, lambda row: row.walletBalance),
        unrealized_pnl=summed_usd(coins, lambda row: row.unrealisedPnl),
        initial_margin=summed_usd(coins, lambda row: row.initial_margin),
        open_order_margin=summed_usd(coins, lambda row: row.totalOrderIM),
    )


def _coin_pool(row: CoinRow, _: Sequence[Position], *, unlisted: bool) -> MarginPool:
    """Of inverse contracts that one coin backs; what they require is told of all together, and not used."""
    return MarginPool(
        currency=row.coin,
        equity=row.equity,
        wallet_balance=row.walletBalance,
        unrealized_pnl=row.unrealisedPnl,
        initial_margin=row.initial_margin,
        open_order_margin=row.totalOrderIM,
        unlisted=unlisted,
    )


def _asset(row: CoinRow, collateral: CollateralRow | None) -> Asset:
    ratio = None if collateral is None else collateral.ratio(row.equity or 0.0)
    counted = None if ratio is None or row.price is None else ratio * row.price
    return Asset(
        asset=row.coin,
        wallet_balance=row.walletBalance,
        equity=row.equity,
        collateral_price_usd=counted if row.counts else 0.0,
        debt_price_usd=row.price,
    )


def _position(held: Held, info: Info, *, apart: bool) -> Position:
    row, contract, schedule, ticker = held.row, held.contract, held.schedule, held.ticker
    isolated = row.tradeMode == 1.0 if apart else info.isolated
    option = held.option
    return Position(
        symbol=row.symbol,
        side=row.direction,
        margin_mode="isolated" if isolated else "cross",
        quantity=row.size,
        contract=contract,
        entry_price=row.avgPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liqPrice,
        unrealized_pnl=row.unrealisedPnl,
        realized_pnl=row.curRealisedPnl,
        leverage=row.leverage,
        # Where contracts have wallets of their own, the venue says that these are to be ignored.
        initial_margin=None if apart else row.positionIM,
        maintenance_margin=None if apart else row.positionMM,
        margin=isolated_margin(row, contract, schedule) if isolated else None,
        largest_notional=schedule.largest(row.leverage),
        funding_rate=None if ticker is None else ticker.fundingRate,
        next_funding_at=None if ticker is None else ticker.nextFundingTime,
        adl_ratio=None if row.adlRankIndicator is None else min(row.adlRankIndicator / _PLACES, 1.0),
        maintenance_tiers=schedule.tiers,
        pool_currency=None if apart else "USD",
        option=option,
        greeks=None
        if option is None or ticker is None
        else Greeks(implied_volatility=ticker.markIv, underlying_price=ticker.underlyingPrice),
        option_margin=None if option is None or info.mode == "portfolio" else _option_margin(held, option),
    )


def _option_margin(held: Held, option: OptionTerms) -> OptionMargin | None:
    """What a short option requires beside its mark is taken for a share of its underlying, fees included."""
    row, ticker = held.row, held.ticker
    return OptionMargin.fitted(
        row.positionMM,
        size=row.size,
        long=row.long,
        mark=row.markPrice,
        underlying=None if ticker is None else ticker.underlyingPrice,
        right=option.right,
    )


_NOT_TRADING = frozenset({"Wallet", "Affiliate"})
"""Groups of permissions that place no order: to move money, and to see one's clients."""


class ApiKey(Wire):
    """What an API key may do. A key that only reads has the same permissions: of what it is shown."""

    readOnly: Required  # 1, or 0
    permissions: Mapping[str, list[str] | None] = MappingProxyType({})
    ips: list[str] | None = None  # an asterisk alone is any
    expiredAt: str | None = None  # in 1970 of a key that is bound to addresses, which does not expire

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.readOnly not in {0.0, 1.0}:
            raise ValueError("`readOnly` is neither 0 nor 1")

    @property
    def rights(self) -> KeyRights:
        wallet = self.permissions.get("Wallet") or ()
        writes = self.readOnly == 0.0
        return KeyRights(
            read=any(self.permissions.values()),
            trade=writes
            and any(rights for group, rights in self.permissions.items() if group not in _NOT_TRADING),
            transfer=writes and any("Transfer" in right for right in wallet),
            withdraw=writes and any("Withdraw" in right for right in wallet),
            ip_restricted=any(address != "*" for address in self.ips or ()),
            expires_at=self.expires_at,
        )

    @property
    def expires_at(self) -> float | None:
        """Unix seconds; None of a key that does not expire."""
        try:
            moment = datetime.fromisoformat(self.expiredAt or "")
        except ValueError:
            return None
        found = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        return found if found > 0.0 else None
