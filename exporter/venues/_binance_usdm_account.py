"""Binance USD-M: what the messages say of an account, its pools, positions and collateral."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec import Struct

from exporter.model import AccountSnapshot, Asset, Contract, MarginPool, Position
from exporter.request import Endpoint
from exporter.venues._binance import AccountAsset, adl_ratio, joined, pool_of, side_of, true
from exporter.venues._binance_brackets import Brackets, maintenance_tiers
from exporter.venues._binance_usdm import (
    ACCOUNT,
    POSITION_RISK,
    Account,
    AccountConfiguration,
    AccountPosition,
    AssetIndex,
    PositionRow,
    PremiumIndex,
    SymbolConfiguration,
)
from exporter.venues.base import nothing_less, pools_by_coin, schema_error, sum_of, told

# How near the totals must be to the sum of the wallets, whose prices are of another moment.
_SAME_WORTH = 0.01


class Known(Struct, frozen=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    symbols: Mapping[str, SymbolConfiguration] = {}
    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    funding: Mapping[str, PremiumIndex] = {}
    indices: Mapping[str, AssetIndex] = {}


def parse(
    account: Account, rows: Iterable[PositionRow], modes: Mapping[str, str], known: Known
) -> AccountSnapshot:
    """The account from its messages.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    multi_assets = modes["asset_mode"] == "multi"
    positions = tuple(
        _position(row, known, "USD" if multi_assets else None)
        for row in joined(rows, account.positions or (), lambda item: _bare_row(item, known.contracts))
    )
    held = [asset for asset in account.assets if asset.holds]
    return AccountSnapshot(
        pools=(_usd_pool(account, positions),)
        if multi_assets
        else pools_by_coin(account.assets, positions, pool_of, home="USDT"),
        positions=positions,
        assets=tuple(_asset(asset, known.indices.get(asset.coin)) for asset in held) if multi_assets else (),
        modes=modes,
        prices={coin: item.index for coin, item in known.indices.items() if item.index},
    )


def hedged_of(sides: Iterable[str]) -> bool | None:
    """Whether open positions are those of hedge mode; None without any that tells it."""
    found = set(sides)
    return True if found & {"LONG", "SHORT"} else False if "BOTH" in found else None


def multi_assets_of(
    configuration: AccountConfiguration, account: Account, indices: Mapping[str, AssetIndex]
) -> bool | None:
    """Whether the account is in multi-assets mode: as the venue says, else as its totals say."""
    if configuration.multiAssetsMargin is not None:
        return configuration.multiAssetsMargin
    if account.of_usdt:
        return False
    return True if is_worth(account, indices) else None


def is_worth(account: Account, indices: Mapping[str, AssetIndex]) -> bool:
    """Whether the totals are what the wallets are worth together, as multi-assets mode counts them."""
    amounts = []
    for asset in account.assets:
        if asset.walletBalance:
            index = indices.get(asset.coin)
            rate = None if index is None else index.bidRate if asset.walletBalance > 0.0 else index.askRate
            amounts.append(None if rate is None else asset.walletBalance * rate)
    worth, total = sum_of(*amounts), account.totalWalletBalance
    return bool(worth and total) and math.isclose(worth or 0.0, total or 0.0, rel_tol=_SAME_WORTH)


def _usd_pool(account: Account, positions: Iterable[Position]) -> MarginPool:
    """The totals, which count collateral at the bid rate; what it is worth at market the assets tell."""
    return MarginPool(
        currency="USD",
        adjusted_equity=account.totalMarginBalance,
        margin_equity=sum_of(account.totalCrossWalletBalance, account.totalCrossUnPnl),
        maintenance_margin=told(account.totalMaintMargin, positions),
        wallet_balance=account.totalWalletBalance,
        available_balance=account.availableBalance,
        unrealized_pnl=account.totalUnrealizedProfit,
        initial_margin=account.totalInitialMargin,
        open_order_margin=account.totalOpenOrderInitialMargin,
        withdrawable_balance=nothing_less(account.maxWithdrawAmount),
    )


def _asset(asset: AccountAsset, index: AssetIndex | None) -> Asset:
    """Collateral counts at the bid rate; what is owed or required, at the ask rate."""
    bid = None if index is None else index.bidRate
    return Asset(
        asset=asset.coin,
        wallet_balance=asset.walletBalance,
        equity=asset.marginBalance,
        collateral_price_usd=0.0 if asset.marginAvailable is False else bid,
        debt_price_usd=None if index is None else index.askRate,
        margin_price_usd=None if index is None else index.askRate,
    )


def _position(row: PositionRow, known: Known, pool_currency: str | None) -> Position:
    configuration = known.symbols.get(row.symbol)
    isolated = row.isolated
    if isolated is None:
        isolated = configuration is not None and configuration.isolated
    funding = known.funding.get(row.symbol)
    contract = known.contracts.get(row.symbol)
    if contract is None:
        contract = unlisted_contract(row.symbol, row.marginAsset or settle_of(row.symbol, POSITION_RISK))
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="isolated" if isolated else "cross",
        quantity=abs(row.quantity),
        contract=contract,
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unRealizedProfit,
        leverage=None if configuration is None else configuration.leverage,
        initial_margin=row.initialMargin,
        maintenance_margin=row.maintMargin,
        margin=row.margin if isolated else None,
        auto_add_margin=isolated and configuration is not None and true(configuration.isAutoAddMargin),
        largest_notional=None if configuration is None else configuration.maxNotionalValue,
        funding_rate=None if funding is None else funding.lastFundingRate,
        next_funding_at=None if funding is None else funding.nextFundingTime,
        adl_ratio=adl_ratio(row.adl),
        maintenance_tiers=maintenance_tiers(known.brackets.get(row.symbol), row.notional, row.maintMargin),
        pool_currency=pool_currency,
    )


def _bare_row(item: AccountPosition, contracts: Mapping[str, Contract]) -> PositionRow:
    """The row of a position that only the account call shows."""
    # A notional of 0 beside a size says that the row was not valued yet: its amounts are placeholders.
    valued = bool(item.notional)
    return PositionRow(
        symbol=item.symbol,
        positionSide=item.positionSide,
        positionAmt=item.quantity,
        entryPrice=item.entryPrice,
        markPrice=abs(item.notional / item.quantity) if item.notional else None,
        unRealizedProfit=item.unrealizedProfit if valued else None,
        marginAsset=coin_settled_in(item.symbol, contracts, ACCOUNT),
        isolatedMargin=item.isolatedMargin,
        isolatedWallet=item.isolatedWallet,
        notional=item.notional,
        initialMargin=item.initialMargin if valued else None,
        maintMargin=item.maintMargin if valued else None,
    )


def unlisted_contract(symbol: str, settle: str) -> Contract:
    """For a symbol that the kept exchange information does not list yet."""
    base = symbol.split("_", maxsplit=1)[0].removesuffix(settle) or symbol
    return Contract("linear", 1.0, base, settle, settle)


def coin_settled_in(symbol: str, contracts: Mapping[str, Contract], source: Endpoint) -> str:
    """The settlement coin of a symbol, listed or not, where the row of `source` does not tell it.

    Raises:
        VenueError: reason ``schema``, where the symbol is not listed and does not tell it, either.
    """
    contract = contracts.get(symbol)
    return settle_of(symbol, source) if contract is None else contract.settle


def settle_of(symbol: str, source: Endpoint) -> str:
    """The settlement coin of such a symbol, where no row tells it either."""
    pair = symbol.split("_", maxsplit=1)[0]
    coin = next((coin for coin in ("USDT", "USDC") if pair.endswith(coin)), None)
    if coin is None:
        raise schema_error(
            source, "`symbol` of a position is not listed and does not tell its settlement coin"
        )
    return coin
