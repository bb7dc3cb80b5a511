"""A BingX account from its messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from exporter.model import AccountSnapshot, MaintenanceTier, MarginPool, Position
from exporter.venues._bingx import (
    DEFAULT_TAKER_RATE,
    POSITIONS,
    AssetRow,
    Leverage,
    PositionRow,
    Quote,
    contract_of,
    side_of,
)
from exporter.venues._bingx_margin import Coin, MultiAssets, fitted, with_isolated_margin
from exporter.venues.base import pools_by_coin, position_ids, schema_error
from exporter.wire import Rows, listed


def open_rows(given: Rows[PositionRow], balances: Iterable[AssetRow]) -> list[PositionRow]:
    """The rows with a size.

    Raises:
        VenueError: reason ``schema``, if the venue lists nothing although margin is in use. The requirement
            is the sum over the positions, and would look like 0.
    """
    if given is None and any(row.usedMargin or row.unrealizedProfit for row in balances):
        raise schema_error(POSITIONS, "`data` is null although margin is in use")
    rows = [row for row in listed(given) if row.positionAmt != 0.0]
    if not rows and any(row.unrealizedProfit for row in balances):
        raise schema_error(POSITIONS, "`data` has no position although there is unrealized PnL")
    return rows


def snapshot_of(
    coins: Iterable[Coin],
    positions: tuple[Position, ...],
    quotes: Mapping[str, Quote],
    *,
    multi_assets: MultiAssets | None,
    modes: Mapping[str, str],
) -> AccountSnapshot:
    """The account from its messages; `multi_assets` in multi-assets mode.

    Where the venue does not tell the mode, and says that more backs a coin's positions than that coin, its
    equity is not what backs them, and is left out.
    """
    if multi_assets is not None:
        return AccountSnapshot(
            pools=(multi_assets.pool,),
            positions=tuple(structs.replace(one, pool_currency="USD") for one in positions),
            assets=multi_assets.assets,
            modes=modes,
            prices=multi_assets.prices,
        )
    of_coin = {coin.row.coin: coin for coin in coins}
    balances = [coin.row for coin in of_coin.values()]
    marks = {row.coin: quotes.get(f"{row.coin}-USDT", Quote()).mark for row in balances if row.needs_price}
    return AccountSnapshot(
        pools=pools_by_coin(
            balances, positions, lambda row, _: _pool(of_coin[row.coin], alone="asset_mode" in modes)
        ),
        positions=positions,
        modes=modes,
        prices={coin: mark for coin, mark in marks.items() if mark is not None},
    )


def modes_of(hedge: bool | None, multi_assets: bool | None) -> Mapping[str, str]:
    """The modes as labels; what the venue does not tell is left out."""
    modes = {}
    if hedge is not None:
        modes["position_mode"] = "hedge" if hedge else "one_way"
    if multi_assets is not None:
        modes["asset_mode"] = "multi" if multi_assets else "single"
    return modes


def _pool(coin: Coin, *, alone: bool) -> MarginPool:
    """The pool of a coin; `alone` if it is certain that nothing else backs its positions."""
    row, known = coin.row, alone or not coin.backed_by_more
    fit = fitted(coin.required, coin.backing, coin.risk) if known and coin.backing is not None else None
    return MarginPool(
        currency=row.coin,
        equity=row.equity if known else None,
        margin_equity=None if fit is None else fit.margin_equity,
        maintenance_margin=None if fit is None else fit.maintenance_margin,
        wallet_balance=row.balance,
        available_balance=row.availableMargin,
        unrealized_pnl=row.unrealizedProfit,
        initial_margin=row.initial_margin,
        open_order_margin=row.frozen,
        venue_margin_rate=coin.risk,
    )


class Symbols(Struct, frozen=True):
    """What the venue says of symbols."""

    tiers: Mapping[str, tuple[MaintenanceTier, ...]]
    leverages: Mapping[str, Leverage]
    quotes: Mapping[str, Quote]
    taker_rates: Mapping[str, float]


def positions_of(rows: Sequence[PositionRow], symbols: Symbols, *, now: float) -> tuple[Position, ...]:
    """The positions, each with what the venue says of its symbol. `now` is in Unix seconds."""
    quotes = [symbols.quotes.get(row.symbol, Quote()) for row in rows]
    marks = [row.markPrice or quote.mark for row, quote in zip(rows, quotes, strict=True)]
    sides = [side_of(row, mark) for row, mark in zip(rows, marks, strict=True)]
    ids = position_ids(
        [(row.symbol, side, row.isolated, row.currency) for row, side in zip(rows, sides, strict=True)],
        "positionId",
        [row.positionId for row in rows],
        POSITIONS,
    )
    return tuple(
        with_isolated_margin(
            row,
            Position(
                symbol=row.symbol,
                side=side,
                margin_mode="isolated" if row.isolated else "cross",
                quantity=abs(row.positionAmt),
                contract=contract_of(row.symbol, row.currency),
                entry_price=row.avgPrice,
                mark_price=mark,
                liquidation_price=row.liquidationPrice,
                unrealized_pnl=row.unrealizedProfit,
                realized_pnl=row.realisedProfit if row.realisedProfit is not None else row.realizedProfit,
                leverage=row.leverage,
                initial_margin=row.initialMargin,
                closing_fee_rate=symbols.taker_rates.get(row.symbol, DEFAULT_TAKER_RATE),
                largest_notional=symbols.leverages.get(row.symbol, Leverage()).largest(side, row.leverage),
                funding_rate=quote.funding_rate,
                next_funding_at=quote.next_funding_at if (quote.next_funding_at or 0.0) > now else None,
                position_id=name,
                maintenance_tiers=symbols.tiers.get(row.symbol, ()),
            ),
        )
        for row, side, mark, quote, name in zip(rows, sides, marks, quotes, ids, strict=True)
    )
