"""Binance COIN-M: what the messages say of an account, its pools and positions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from exporter.model import AccountSnapshot, Contract, Position
from exporter.request import Endpoint
from exporter.venues._binance import by_symbol, joined, match, pool_of, side_of, true
from exporter.venues._binance_brackets import Brackets, maintenance_tiers
from exporter.venues._binance_coinm import (
    ACCOUNT,
    POSITION_RISK,
    Account,
    AccountPosition,
    PositionRow,
    PremiumIndex,
    Quantile,
    coin_of,
)
from exporter.venues.base import pools_by_coin, schema_error


class Known(Struct, frozen=True, kw_only=True):
    """What besides the account's own answers says something about its positions, by symbol or coin."""

    contracts: Mapping[str, Contract] = {}
    brackets: Mapping[str, Brackets] = {}
    quantiles: Mapping[str, Quantile] = {}
    premiums: Mapping[str, PremiumIndex] = {}

    @property
    def indices(self) -> Mapping[str, float]:
        """Coin to USD from the perpetual of each coin."""
        return {
            coin: item.indexPrice
            for symbol, item in self.premiums.items()
            if item.indexPrice and (coin := coin_of(symbol))
        }


def parse(
    account: Account, rows: Iterable[PositionRow], known: Known, source: Endpoint = POSITION_RISK
) -> AccountSnapshot:
    """The account from its messages; `source` is the call that has the rows.

    Raises:
        VenueError: reason ``schema``, where the coin of a position cannot be told from its symbol.
    """
    rows, items = tuple(rows), account.positions or []
    of_account = by_symbol(items)
    positions = tuple(
        _position(row, match(row, of_account), known, source)
        for row in joined(rows, items, lambda item: _bare_row(item, known.contracts))
    )
    return AccountSnapshot(
        pools=pools_by_coin(account.assets, positions, pool_of, home="BTC"),
        positions=positions,
        modes=_modes({row.positionSide for row in rows} | {item.positionSide for item in items}),
        prices=known.indices,
    )


def _modes(sides: set[str | None]) -> Mapping[str, str]:
    """Hedge mode lists LONG and SHORT rows of every symbol, held or not; one-way mode BOTH rows alone.

    Asking for the mode itself costs three times as much as all the rest of a collection.
    """
    if sides & {"LONG", "SHORT"}:
        return {"position_mode": "hedge"}
    return {"position_mode": "one_way"} if "BOTH" in sides else {}


def _position(row: PositionRow, item: AccountPosition | None, known: Known, source: Endpoint) -> Position:
    # A row of another size was answered before or after a trade: its margins are not this position's.
    if item is not None and item.positionAmt is not None and item.positionAmt != row.positionAmt:
        item = None
    maintenance_margin = item.maintMargin if item is not None else None
    contract = known.contracts.get(row.symbol) or unlisted_contract(row.symbol, source)
    # Brackets are in the base coin, as is the notional of an inverse contract: contracts × size / mark.
    notional = None
    if row.markPrice is not None and contract.size is not None:
        notional = abs(row.quantity) * contract.size / row.markPrice
    quantile, premium = known.quantiles.get(row.symbol), known.premiums.get(row.symbol)
    return Position(
        symbol=row.symbol,
        side=side_of(row.quantity),
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.quantity),
        contract=contract,
        entry_price=row.entryPrice,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.unRealizedProfit,
        leverage=row.leverage,
        initial_margin=item.initialMargin if item is not None and maintenance_margin is not None else None,
        maintenance_margin=maintenance_margin,
        margin=row.margin if row.isolated else None,
        auto_add_margin=row.isolated and true(row.isAutoAddMargin),
        largest_notional=row.maxQty,
        funding_rate=None if premium is None else premium.lastFundingRate,
        next_funding_at=None if premium is None else premium.nextFundingTime,
        adl_ratio=quantile.of(row.positionSide or "BOTH") if quantile is not None else None,
        maintenance_tiers=maintenance_tiers(known.brackets.get(row.symbol), notional, maintenance_margin),
    )


def _bare_row(item: AccountPosition, contracts: Mapping[str, Contract]) -> PositionRow:
    """The row of a position that only the account call shows."""
    if item.symbol not in contracts:
        unlisted_contract(item.symbol, ACCOUNT)  # fails here, where the call is known, if it has to
    isolated = true(item.isolated) or bool(item.isolatedWallet)
    return PositionRow(
        symbol=item.symbol,
        positionSide=item.positionSide,
        positionAmt=item.quantity,
        entryPrice=item.entryPrice,
        unRealizedProfit=item.unrealizedProfit if item.maintMargin is not None else None,
        marginType="isolated" if isolated else "cross",
        leverage=item.leverage,
        isolatedWallet=item.isolatedWallet,
    )


def unlisted_contract(symbol: str, source: Endpoint) -> Contract:
    """For a symbol that the exchange information does not list, or while there is none.

    The coins are in the symbol (``BTCUSD_PERP``, ``BTCUSD_270625``); the size is not, and 100 or 10 USD
    a contract would be a guess that is wrong by a factor of ten.
    """
    base, separator, _ = symbol.partition("USD_")
    if not base or not separator:
        raise schema_error(
            source,
            "`symbol` of a position is not listed and is not named like a contract margined in a coin",
        )
    return Contract("inverse", None, base, "USD", base)
