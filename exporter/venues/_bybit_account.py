"""What Bybit's messages say of an account: its pools, positions and coins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType

from msgspec import Struct

from exporter.model import AccountSnapshot, Asset, Contract, KeyRights, MarginPool, Position
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
from exporter.venues._schedule import Schedule
from exporter.venues.base import pools_by_coin, told
from exporter.wire import Required, Wire, listed

_PLACES = 5.0
"""In the queue of auto-deleveraging."""


class Held(Struct, frozen=True):
    """A position with what else is known of its symbol."""

    row: PositionRow
    contract: Contract
    schedule: Schedule = Schedule()
    ticker: TickerRow | None = None

    @property
    def name(self) -> str:
        """Category and symbol: what its risk limits are asked by."""
        return f"{self.contract.kind} {self.row.symbol}"


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
        unlisted: Whether it has options.
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
    """What the wallets say; of a coin that an inverse contract is settled in and nobody has, its mark."""
    marks = {
        one.contract.settle: one.row.markPrice
        for one in held
        if one.contract.kind == "inverse" and one.contract.size and one.row.markPrice is not None
    }
    return {**marks, **{row.coin: row.price for row in coins if row.price is not None}}


def _pool(
    wallet: Wallet, info: Info, coins: Sequence[CoinRow], positions: Iterable[Position], *, unlisted: bool
) -> MarginPool:
    portfolio = info.mode == "portfolio"
    backing = wallet.backing(portfolio=portfolio)
    return MarginPool(
        currency="USD",
        equity=wallet.totalEquity,
        adjusted_equity=backing if portfolio else wallet.totalMarginBalance,
        margin_equity=backing,
        maintenance_margin=told(wallet.totalMaintenanceMargin, positions),
        wallet_balance=wallet.totalWalletBalance,
        available_balance=wallet.totalAvailableBalance,
        unrealized_pnl=wallet.totalPerpUPL,
        initial_margin=wallet.totalInitialMargin,
        open_order_margin=summed_usd(coins, lambda row: row.totalOrderIM),
        venue_margin_rate=told(wallet.accountMMRate, positions),
        unlisted=unlisted,
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
