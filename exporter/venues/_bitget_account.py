"""What Bitget's messages say of an account: its pools, positions and coins, and its key.

Sources besides the documentation of the calls: the venue's help pages 12560603808759 (liquidation prices),
12560603812664 (union mode) and 12560603839176 (unified accounts) below
https://www.bitget.com/support/articles .
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from exporter.model import AccountSnapshot, Asset, KeyRights, MarginPool, Position
from exporter.venues._bitget import (
    CLASSIC_ACCOUNTS,
    AccountRow,
    AssetRow,
    Choice,
    Settings,
    Totals,
)
from exporter.venues._bitget_contract import ClassicDiscountRow, DiscountRow, Held
from exporter.venues.base import less, pools_by_coin, schema_error, sum_of, told
from exporter.wire import Wire, listed

Haircuts = Mapping[str, DiscountRow | ClassicDiscountRow]
"""By coin."""


def margin_coins(rows: Iterable[AccountRow]) -> list[AccountRow]:
    """The margin coins of all products, each once.

    Raises:
        VenueError: reason ``schema``, if two products hold the same one: it would be one pool.
    """
    found: dict[str, AccountRow] = {}
    for row in rows:
        before = found.get(row.coin)
        if before is not None and before.holds and row.holds:
            raise schema_error(CLASSIC_ACCOUNTS, "one `marginCoin` is held in several products")
        if before is None or row.holds:
            found[row.coin] = row
    return list(found.values())


def parse_classic(
    accounts: Sequence[AccountRow],
    held: Sequence[Held],
    haircuts: Haircuts,
    index: Mapping[str, float],
    tether: float | None,
) -> AccountSnapshot:
    """A classic account.

    Args:
        accounts: Its margin coins.
        held: Its positions.
        haircuts: What coins count in union mode.
        index: Their prices in USDT.
        tether: USD a USDT, where other coins are held; None where it is not known: then none has a price.
    """
    positions = [_position(one) for one in held]
    ratios: dict[str, float] = {}
    for one in held:
        coin = one.contract.settle
        if not one.row.isolated and one.row.ratio is not None:
            ratios[coin] = max(ratios.get(coin, 0.0), one.row.ratio)
    union = any(row.union for row in accounts)

    def pool(row: AccountRow, of_coin: Sequence[Position]) -> MarginPool:
        ratio = ratios.get(row.coin) or row.crossedRiskRate
        return _union_pool(row, of_coin, ratio) if row.union else _coin_pool(row, of_coin, ratio)

    modes = {"asset_mode": "multi" if union else "single"}
    if hedge := [one.row.hedge for one in held if one.row.hedge is not None]:
        modes["position_mode"] = "hedge" if any(hedge) else "one_way"
    return AccountSnapshot(
        pools=pools_by_coin(accounts, positions, pool, home="USDT") or (MarginPool(currency="USDT"),),
        positions=tuple(positions),
        assets=tuple(
            asset for row in accounts if row.union for asset in _union_assets(row, haircuts, index, tether)
        ),
        modes=modes,
        prices={**_marks(held), **_in_usd(accounts, index, tether)},
    )


def parse_unified(
    settings: Settings, totals: Totals, held: Sequence[Held], haircuts: Haircuts, choice: Choice | None
) -> AccountSnapshot:
    """A unified account: one pool in USD, unless all positions stand alone.

    Args:
        settings: Its level and modes.
        totals: Its figures.
        held: Its positions.
        haircuts: What coins count.
        choice: Which of them its owner lets count; None where it is not known.
    """
    positions = [_position(one, pool="USD") for one in held]
    coins = [row for row in listed(totals.assets) if not row.dust]
    prices = {**_marks(held), **{row.coin: row.price for row in coins if row.price is not None}}
    alone = _apart(positions, prices)
    whole = totals.effEquity
    pool = MarginPool(
        currency="USD",
        equity=totals.accountEquity,
        adjusted_equity=None if whole is None or alone is None else whole + alone,
        margin_equity=whole,
        maintenance_margin=told(totals.mmr, positions),
        unrealized_pnl=totals.unrealisedPnl,
        initial_margin=totals.imr,
        venue_margin_rate=totals.mgnRatio or None,
    )
    if settings.isolated:
        pool = MarginPool(
            currency="USD",
            equity=totals.accountEquity,
            unrealized_pnl=totals.unrealisedPnl,
            initial_margin=totals.imr,
        )

    def counted(row: AssetRow) -> float | None:
        if settings.isolated or row.price is None:
            return None
        if settings.accountLevel == "BASIC":
            counts = row.coin in _DOLLARS
        else:
            counts = choice is None or choice.counts(row.coin)
        return _collateral_price(row.coin, row.price, row.usdValue or 0.0, haircuts) if counts else 0.0

    return AccountSnapshot(
        pools=(pool,),
        positions=tuple(positions),
        assets=tuple(
            Asset(
                asset=row.coin,
                wallet_balance=row.balance,
                equity=row.equity,
                collateral_price_usd=counted(row),
                debt_price_usd=row.price,
            )
            for row in coins
        ),
        modes=settings.modes,
        prices=prices,
    )


_DOLLARS = frozenset({"USDT", "USDC"})
"""The coins that share a pool in the basic mode of unified accounts."""


def _marks(held: Iterable[Held]) -> dict[str, float]:
    """Of coins that contracts are settled in, what these say."""
    return {
        one.contract.settle: one.row.markPrice
        for one in held
        if one.contract.kind == "inverse" and one.contract.size and one.row.markPrice is not None
    }


def _own(position: Position) -> float | None:
    """What an isolated position has of its own, in the coin of its margin."""
    return sum_of(position.margin, position.unrealized_pnl)


def _apart(positions: Iterable[Position], prices: Mapping[str, float]) -> float | None:
    """USD that isolated positions have of their own; None where it is not known."""
    total = 0.0
    for one in positions:
        if one.margin_mode == "isolated":
            price = prices.get(one.contract.settle, 1.0 if one.contract.settle in _DOLLARS else None)
            own = _own(one)
            if own is None or price is None:
                return None
            total += own * price
    return total


def _collateral_price(coin: str, price: float, value: float, haircuts: Haircuts) -> float | None:
    """What a unit counts as margin; None where the haircuts are not known."""
    row = haircuts.get(coin)
    if row is not None:
        share = row.share(value)
        return None if share is None else share * price
    if coin in _DOLLARS:
        return price
    return 0.0 if haircuts else None


def _in_usd(
    accounts: Iterable[AccountRow], index: Mapping[str, float], tether: float | None
) -> dict[str, float]:
    """What the venue values in USDT."""
    if tether is None:
        return {}
    in_usdt = {**index, **{row.coin: row.price for row in accounts if row.price is not None}}
    return {"USDT": tether, **{coin: price * tether for coin, price in in_usdt.items()}}


def _union_assets(
    row: AccountRow, haircuts: Haircuts, index: Mapping[str, float], tether: float | None
) -> Iterable[Asset]:
    """USDT, in which PnL and debts are, and the coins beside it."""
    yield Asset(
        asset="USDT",
        wallet_balance=less(row.accountEquity, row.pnl),
        equity=row.accountEquity,
        pool_currency="USDT",
    )
    for coin in listed(row.assetList):
        price = index.get(coin.coin)
        if coin.coin != "USDT" and coin.balance:
            usd = counted = None
            if price is not None and tether is not None:
                usd = price * tether
                counted = _collateral_price(coin.coin, usd, coin.balance * price, haircuts)
            yield Asset(
                asset=coin.coin,
                wallet_balance=coin.balance,
                equity=coin.balance,
                collateral_price_usd=counted,
                debt_price_usd=usd,
                pool_currency="USDT",
            )


def _union_pool(row: AccountRow, positions: Sequence[Position], ratio: float | None) -> MarginPool:
    # What is missing of these follows from the others: nothing else tells what debts require.
    required = told(row.unionMm, positions)
    backing = row.unionTotalMargin
    if backing is None and required and ratio:
        backing = required / ratio
    if required is None and backing and ratio:
        required = ratio * backing
    return MarginPool(
        currency=row.coin,
        adjusted_equity=backing,
        margin_equity=backing,
        maintenance_margin=required,
        available_balance=row.unionAvailable,
        withdrawable_balance=row.maxTransferOut,
        unrealized_pnl=row.pnl,
        initial_margin=row.initial_margin,
        venue_margin_rate=told(ratio, positions),
    )


def _coin_pool(row: AccountRow, positions: Sequence[Position], ratio: float | None) -> MarginPool:
    """A coin that backs what is settled in it. What is required is the venue's ratio of what backs it."""
    backing = row.accountEquity
    drawing = 0.0
    for one in positions:
        if one.margin_mode == "isolated":
            backing = less(backing, _own(one))
            if one.auto_add_margin:
                drawing = math.nan if one.maintenance_margin is None else drawing + one.maintenance_margin
    required = None if ratio is None or backing is None or backing < 0.0 else ratio * backing + drawing
    return MarginPool(
        currency=row.coin,
        equity=row.accountEquity,
        maintenance_margin=None if required is None or math.isnan(required) else told(required, positions),
        wallet_balance=less(row.accountEquity, row.pnl),
        available_balance=row.available,
        unrealized_pnl=row.pnl,
        initial_margin=row.initial_margin,
        withdrawable_balance=row.maxTransferOut,
        venue_margin_rate=told(ratio, positions),
    )


def _position(held: Held, *, pool: str | None = None) -> Position:
    row = held.row
    return Position(
        symbol=row.symbol,
        side=row.side,
        margin_mode="isolated" if row.isolated else "cross",
        quantity=held.size,
        contract=held.contract,
        entry_price=row.entry,
        mark_price=row.markPrice,
        liquidation_price=row.liquidationPrice,
        unrealized_pnl=row.upl,
        realized_pnl=row.realized,
        leverage=row.leverage,
        initial_margin=None if row.isolated else row.margin,
        maintenance_margin=held.required,
        margin=row.margin if row.isolated else None,
        auto_add_margin=row.isolated and row.autoMargin == "on",
        largest_notional=held.largest,
        accrued_funding=row.funding,
        funding_rate=None if held.funding is None else held.funding.fundingRate,
        next_funding_at=None if held.funding is None else held.funding.nextUpdate,
        adl_ratio=held.adl,
        maintenance_tiers=held.tiers,
        pool_currency=pool,
    )


class Key(Wire):
    """What the key of a unified account may do."""

    permType: str | None = None
    permissions: Sequence[str] = ()
    ips: str | None = None  # addresses with commas

    @property
    def rights(self) -> KeyRights:
        words = frozenset(self.permissions)
        writes = {"read-only": False, "read-and-write": True}.get(self.permType or "")
        unknown = bool(words - {"uta_mgt", "uta_trade", "withdraw", *_COPY})

        def may(*needed: str) -> bool | None:
            if writes is None or (writes and unknown and words.isdisjoint(needed)):
                return None
            return writes and not words.isdisjoint(needed)

        return KeyRights(
            read={"uta_mgt", "uta_trade"} <= words if words else None,
            trade=may("uta_trade", *_COPY),
            transfer=may("uta_mgt"),
            withdraw=may("withdraw"),
            ip_restricted=_restricted(self.ips),
        )


_COPY = ("copy_futures_position", "copy_futures_order")


class ClassicKey(Wire):
    """What the key of a classic account may do: codes, or words of an older sample."""

    authorities: Sequence[str] | None = None
    ips: str | None = None

    @property
    def rights(self) -> KeyRights:
        words = frozenset(self.authorities or ())
        told = bool(words) and not words - _KNOWN

        def may(codes: frozenset[str]) -> bool | None:
            return True if words & codes else (False if told else None)

        # The older word for trading does not say whether it moves money.
        transfer = None if "trade" in words and not words & _TRANSFERS else may(_TRANSFERS)
        return KeyRights(
            read=may(_READS),
            trade=may(_TRADES),
            transfer=transfer,
            withdraw=may(_WITHDRAWS),
            ip_restricted=_restricted(self.ips),
        )


_READS = frozenset({"coor", "cpor", "coow", "cpow", "readonly"})
_TRADES = frozenset({"coow", "cpow", "stow", "smow", "ttow", "p2p", "pllw", "trade"})
_TRANSFERS = frozenset({"wtow", "chow", "transfer"})
_WITHDRAWS = frozenset({"wwow", "withdraw"})
_OTHERS = frozenset({"stor", "smor", "ttor", "wtor", "taxr", "taxw", "chor", "p2pr", "pllr"})
_KNOWN = _READS | _TRADES | _TRANSFERS | _WITHDRAWS | _OTHERS


def _restricted(addresses: str | None) -> bool | None:
    return None if addresses is None else bool(addresses.strip())
