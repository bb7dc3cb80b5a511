"""What OKX's messages say of an account: its pools, positions and coins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Contract, MarginPool, Position
from exporter.venues._okx import (
    POSITIONS,
    TAKER_RATE,
    Charge,
    CoinRow,
    Config,
    FundingRow,
    PositionRow,
    Schedule,
    Totals,
    charge_of,
    in_usd,
    value_of,
)
from exporter.venues.base import pools_by_coin, position_ids, told
from exporter.wire import listed

_ADL_PLACES = 5.0


class Held(Struct, frozen=True):
    """A position with what else is known of its symbol."""

    row: PositionRow
    contract: Contract
    schedule: Schedule = Schedule()
    alike: float = 0.0
    """Contracts by which its tier is found: its own, or all cross ones of its family."""
    funding: FundingRow | None = None

    @property
    def value(self) -> float | None:
        """At the mark, in the settle currency."""
        return value_of(abs(self.row.pos), self.row.markPx, self.contract)


def parse(
    config: Config, totals: Totals, held: Sequence[Held], unlisted: Sequence[PositionRow]
) -> AccountSnapshot:
    """The account from its messages.

    Args:
        config: Its level and modes.
        totals: Its figures.
        held: Its positions.
        unlisted: Those that only count in its figures.
    """
    single = config.acctLv == 2.0
    coins = listed(totals.details)
    ids = position_ids(
        [(one.row.instId, one.row.side, one.row.mgnMode) for one in held],
        "posId",
        (one.row.posId for one in held),
        POSITIONS,
    )
    positions = [_position(one, name, config) for one, name in zip(held, ids, strict=True)]
    prices = _prices(coins, held)
    charges: dict[str, Charge] = {}
    pools: tuple[MarginPool, ...]
    if single:

        def coin_pool(row: CoinRow, of_coin: Sequence[Position]) -> MarginPool:
            more = any(one.ccy in {row.coin, ""} for one in unlisted)
            charges[row.coin] = charge = _coin_charge(row, of_coin, unlisted=more)
            return _coin_pool(row, charge, unlisted=more)

        pools = pools_by_coin(coins, positions, coin_pool, home="USDT")
    else:
        charges["USD"] = charge = _charge(totals, positions, prices, unlisted=bool(unlisted))
        pools = (_pool(totals, charge, positions, prices, unlisted=bool(unlisted)),)
    return AccountSnapshot(
        pools=pools,
        positions=tuple(
            one if one.margin_mode == "isolated" else _charged(one, charges.get(_pool_of(one)))
            for one in positions
        ),
        assets=() if single else totals.assets,
        modes=config.modes,
        prices=prices,
    )


def member(totals: Totals) -> AccountSnapshot:
    """A sub-account, of which the main account's key is told the figures and no positions.

    Raises:
        VenueError: reason ``unsupported``, if it has isolated positions: their risk is in no figure.
    """
    coins = listed(totals.details)
    if totals.isoEq or any(row.isoEq for row in coins):
        text = "it has isolated positions, which only a key of its own shows: give it an entry of its own"
        raise VenueError("unsupported", f"okx sub-account: {text}")
    if totals.by_coin:
        pools = pools_by_coin(
            coins,
            (),
            lambda row, _: _coin_pool(row, _coin_charge(row, (), unlisted=True), unlisted=True),
            home="USDT",
        )
    else:
        pools = (_pool(totals, _charge(totals, (), {}, unlisted=True), (), {}, unlisted=True),)
    return AccountSnapshot(
        pools=pools,
        assets=() if totals.by_coin else totals.assets,
        modes={"asset_mode": "single" if totals.by_coin else "multi"},
        prices=_prices(coins, ()),
    )


def _prices(coins: Iterable[CoinRow], held: Iterable[Held]) -> Mapping[str, float]:
    """What the coins are worth; of one that nobody has, what a position says that is settled in it."""
    settled = {one.contract.settle: one.row.usdPx for one in held if one.row.usdPx is not None}
    return {**settled, **{row.coin: row.price for row in coins if row.price is not None}}


def _pool_of(position: Position) -> str:
    return position.pool_currency or position.contract.settle


def _charged(position: Position, charge: Charge | None) -> Position:
    return replace(position, closing_fee_rate=TAKER_RATE if charge is None else charge.fee_rate)


def _cross(positions: Iterable[Position]) -> list[Position]:
    return [one for one in positions if one.margin_mode == "cross"]


def _value(position: Position) -> float | None:
    return value_of(position.quantity, position.mark_price, position.contract)


def _turned(ratio: float | None) -> float | None:
    """The venue's ratio with 0 safe and 1 liquidation."""
    return 1.0 / ratio if ratio is not None and ratio > 0.0 else None


def _charge(
    totals: Totals, positions: Sequence[Position], prices: Mapping[str, float], *, unlisted: bool
) -> Charge:
    cross = _cross(positions)
    value = in_usd(cross, prices, _value)
    required = told(totals.mmr, cross)
    return charge_of(totals.adjEq, totals.mgnRatio, required, value, exact=True, unlisted=unlisted)


def _pool(
    totals: Totals,
    charge: Charge,
    positions: Sequence[Position],
    prices: Mapping[str, float],
    *,
    unlisted: bool,
) -> MarginPool:
    isolated = in_usd(
        (one for one in positions if one.margin_mode == "isolated"), prices, lambda one: one.unrealized_pnl
    )
    cross = totals.upl
    if cross is None and not unlisted:
        cross = in_usd(_cross(positions), prices, lambda one: one.unrealized_pnl)
    adjusted = totals.adjEq
    return MarginPool(
        currency="USD",
        equity=totals.totalEq,
        adjusted_equity=None if adjusted is None else adjusted + (totals.isoEq or 0.0),
        margin_equity=charge.margin_equity,
        maintenance_margin=charge.maintenance_margin,
        wallet_balance=_wallet(listed(totals.details)),
        available_balance=totals.availEq,
        unrealized_pnl=None if cross is None or isolated is None else cross + isolated,
        initial_margin=totals.imr,
        open_order_margin=totals.ordFroz,
        venue_margin_rate=_turned(totals.mgnRatio),
        unlisted=unlisted,
    )


def _wallet(coins: Iterable[CoinRow]) -> float | None:
    """What the balances are worth in USD; None where one cannot be valued."""
    total = 0.0
    for row in coins:
        if row.cashBal and row.price is None:
            return None
        total += (row.cashBal or 0.0) * (row.price or 0.0)
    return total


def _coin_charge(row: CoinRow, positions: Sequence[Position], *, unlisted: bool) -> Charge:
    cross = _cross(positions)
    values = [_value(one) for one in cross]
    value = None if None in values else sum(one or 0.0 for one in values)
    return charge_of(row.backing, row.mgnRatio, told(row.mmr, cross), value, exact=False, unlisted=unlisted)


def _coin_pool(row: CoinRow, charge: Charge, *, unlisted: bool) -> MarginPool:
    return MarginPool(
        currency=row.coin,
        equity=row.eq,
        margin_equity=charge.margin_equity,
        maintenance_margin=charge.maintenance_margin,
        wallet_balance=row.cashBal,
        available_balance=row.availEq,
        unrealized_pnl=row.upl,
        initial_margin=row.imr,
        open_order_margin=row.ordFrozen,
        venue_margin_rate=_turned(row.mgnRatio),
        unlisted=unlisted,
    )


def _position(held: Held, name: str, config: Config) -> Position:
    row, contract, schedule = held.row, held.contract, held.schedule
    own = None if not row.isolated or row.margin is None or row.upl is None else row.margin + row.upl
    # In portfolio margin every cross position has the margins of its whole risk unit.
    shared = config.acctLv == 4.0 and not row.isolated
    charge = charge_of(own, row.mgnRatio, None if shared else row.mmr, held.value, exact=True)
    most = schedule.largest(row.lever)
    return Position(
        symbol=row.instId,
        side=row.side,
        margin_mode="isolated" if row.isolated else "cross",
        quantity=abs(row.pos),
        contract=contract,
        entry_price=row.avgPx,
        mark_price=row.markPx,
        liquidation_price=row.liqPx,
        unrealized_pnl=row.upl,
        realized_pnl=row.realizedPnl,
        leverage=row.lever,
        initial_margin=None if shared else row.imr,
        maintenance_margin=charge.maintenance_margin,
        margin=row.margin if row.isolated else None,
        # Of a cross position it is its pool's.
        closing_fee_rate=charge.fee_rate,
        largest_notional=None if most is None else value_of(most, row.markPx, contract),
        funding_rate=None if held.funding is None else held.funding.fundingRate,
        next_funding_at=None if held.funding is None else held.funding.fundingTime,
        accrued_funding=row.fundingFee,
        adl_ratio=None if row.adl is None else min(row.adl / _ADL_PLACES, 1.0),
        position_id=name,
        maintenance_tiers=schedule.tiers(held.alike),
        pool_currency=None if config.acctLv == 2.0 else "USD",
    )
