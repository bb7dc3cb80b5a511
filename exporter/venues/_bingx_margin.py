"""What backs BingX's cross positions and what they require, fitted to the risk rate that the venue prints.

    risk = (maintenance margins + closing fees) / (balance - isolated margins - frozen assets + cross PnL)

and 1 is liquidation. Source: "Perpetual Futures | Forced Liquidation Rules",
https://bingx.com/en/support/articles/11263299509391 . In multi-assets mode all coins are one pool; a coin
that is held counts at its index price times its collateral value ratio, one that is owed at its index price.
Source: "Multi-Assets Mode", https://bingx.com/en/support/articles/11263344675215 and 12140157478927 .
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from exporter.model import Asset, MaintenanceTier, MarginPool, Position
from exporter.venues._bingx import AssetRow, MarginAsset, PositionRow, Rule, contract_of

# The risk rate has four decimals, and was computed a moment before or after the balance.
_LAST_DECIMAL = 1e-4
_A_MOMENT = 0.02

# A rate computed from the tiers that is further away than this, as a factor, is no matter of an older
# schedule or of open orders: something else backs the positions.
_FAR = 2.0


class Required(Struct, frozen=True):
    """What cross positions require."""

    margin: float
    fees: float
    """For closing them."""

    @property
    def total(self) -> float:
        return self.margin + self.fees


class Backing(Struct, frozen=True):
    """What backs cross positions.

    The venue counts less of the open orders' margin as frozen than the balance call prints: that of cross
    orders is not. What backs the positions is somewhere between the two.
    """

    least: float
    most: float


class Fit(Struct, frozen=True):
    """Margin equity and, where the tiers do not give it, maintenance margin of a pool."""

    margin_equity: float
    maintenance_margin: float | None = None


def settle_of(row: PositionRow) -> str:
    """The coin in which a position is settled."""
    return contract_of(row.symbol, row.currency).settle


def risk_rate(rows: Iterable[PositionRow]) -> float | None:
    """The risk rate of the cross positions of one pool, where they agree.

    The venue prints it on positions and says only that 100 % liquidates. That on cross positions it is the
    pool's rate is an inference (a published row fits it); rows of one pool that differ contradict it.
    """
    rates = {row.riskRate for row in rows if not row.isolated}
    return next(iter(rates)) if len(rates) == 1 else None


def scheduled_margin(tiers: Sequence[MaintenanceTier], notional: float) -> float | None:
    """Maintenance margin by the tiers (ascending); None without any."""
    tier = next((tier for tier in reversed(tiers) if tier.floor <= notional), None)
    return None if tier is None else max(notional * tier.rate - tier.deduction, 0.0)


def required_of(positions: Iterable[Position], values: Mapping[str, float] | None = None) -> Required | None:
    """What cross positions require by their tiers; None while tiers or a mark are unknown.

    `values` turns amounts of the settle coins into one currency; without it they are in one coin.
    """
    found = Required(0.0, 0.0)
    for position in positions:
        if position.margin_mode == "isolated":
            continue
        value = 1.0 if values is None else values.get(position.contract.settle)
        notional = None if position.mark_price is None else position.quantity * position.mark_price
        margin = None if notional is None else scheduled_margin(position.maintenance_tiers, notional)
        if value is None or notional is None or margin is None:
            return None
        fees = position.closing_fee_rate * notional
        found = Required(found.margin + margin * value, found.fees + fees * value)
    return found


def with_isolated_margin(row: PositionRow, position: Position) -> Position:
    """The position with what an isolated row says of its margins.

    The row's `margin` has the unrealized PnL in it, and its risk rate is (maintenance margin + closing fee) /
    that. The rate has four decimals: where the tiers agree with it, they are more exact.
    """
    if not row.isolated or row.margin is None:
        return position
    if row.unrealizedProfit is not None:
        position = structs.replace(position, margin=row.margin - row.unrealizedProfit)
    if row.riskRate is None or row.margin <= 0.0 or position.mark_price is None:
        return position
    notional = position.quantity * position.mark_price
    fee = position.closing_fee_rate * notional
    scheduled = scheduled_margin(position.maintenance_tiers, notional)
    if scheduled is not None and _is_told((scheduled + fee) / row.margin, row.riskRate):
        return position
    said = row.riskRate * row.margin - fee
    return structs.replace(position, maintenance_margin=said) if said > 0.0 else position


def backing_of(row: AssetRow, rows: Iterable[PositionRow]) -> Backing | None:
    """What of one coin backs cross positions: without the isolated positions' margins, in which their PnL is.

    None where one of those is unknown. `rows` are those settled in the coin.
    """
    margins = [position.margin for position in rows if position.isolated]
    known = [margin for margin in margins if margin is not None]
    if row.equity is None or len(known) < len(margins):
        return None
    most = row.equity - sum(known)
    return Backing(most - (row.frozen or 0.0), most)


def _agrees(rate: float, risk: float, *, moment: float = _A_MOMENT) -> bool:
    return abs(rate - risk) <= _LAST_DECIMAL + moment * risk


def _is_told(rate: float, risk: float) -> bool:
    """Whether a computed rate is the printed one; the nearer to liquidation, the less may be between them."""
    return _agrees(rate, risk, moment=_A_MOMENT * max(0.0, 1.0 - risk))


def explains(required: Required | None, backing: Backing | None, risk: float | None) -> bool | None:
    """Whether these figures give the risk rate that the venue prints; None where that cannot be told."""
    if required is None or backing is None or risk is None:
        return None
    if backing.most <= 0.0:
        return risk >= 1.0
    lowest = required.total / backing.most
    highest = required.total / backing.least if backing.least > 0.0 else math.inf
    return lowest <= risk <= highest or _agrees(lowest, risk) or _agrees(highest, risk)


def _near(required: Required | None, backing: Backing, risk: float | None) -> bool:
    """Whether they do so up to what an older schedule or open orders may be."""
    if required is None or risk is None:
        return True
    return any(
        amount > 0.0 and required.total / _FAR <= risk * amount <= required.total * _FAR
        for amount in (backing.least, backing.most)
    )


def fitted(required: Required | None, backing: Backing, risk: float | None) -> Fit:
    """The figures of a pool, such that its rate is the risk rate that the venue prints, where it does.

    A part of the open orders' margin is given back to what backs the positions if that explains the risk
    rate. Otherwise the requirement is what the risk rate says: the venue may hold a position by an older
    schedule, and counts open orders in it.
    """
    if required is None or risk is None:
        return Fit(backing.least)
    if backing.least > 0.0 and _is_told(required.total / backing.least, risk):
        return Fit(backing.least)
    fitting = required.total / risk
    if backing.least <= fitting <= backing.most:
        return Fit(fitting)
    amount = backing.least if backing.least > 0.0 else backing.most
    return Fit(amount, max(risk * amount - required.fees, 0.0) if amount > 0.0 else None)


class Coin(Struct, frozen=True):
    """One coin, as what backs the positions that are settled in it."""

    row: AssetRow
    required: Required | None
    backing: Backing | None
    risk: float | None

    @property
    def explained(self) -> bool | None:
        """Whether the coin alone gives the risk rate of its positions; None where that cannot be told."""
        return explains(self.required, self.backing, self.risk)

    @property
    def backed_by_more(self) -> bool:
        """Whether the risk rate says that something else backs its positions, too."""
        if self.required is None or self.backing is None or self.risk is None:
            return False
        if self.backing.most <= 0.0:
            return self.risk < 1.0
        return self.required.total / self.backing.most > _FAR * (self.risk + _LAST_DECIMAL)

    @property
    def used_up(self) -> bool:
        """Whether nothing of it is left, and the venue calls its positions safe."""
        if self.backing is None or self.risk is None:
            return False
        total = 0.0 if self.required is None else self.required.total
        return _FAR * self.risk < 1.0 and self.backing.most <= total


def coin_of(row: AssetRow, rows: Iterable[PositionRow], positions: Iterable[Position]) -> Coin:
    """A coin with what is settled in it."""
    own = [one for one in rows if settle_of(one) == row.coin]
    required = required_of(one for one in positions if one.contract.settle == row.coin)
    return Coin(row, required, backing_of(row, own), risk_rate(own))


def may_be_multi_assets(coins: Sequence[Coin], positions: Iterable[Position]) -> bool:
    """Whether an account may be in multi-assets mode, judged by what a key that only reads is told."""
    return is_multi_assets(coins, positions) or any(coin.backed_by_more for coin in coins)


def is_multi_assets(coins: Sequence[Coin], positions: Iterable[Position]) -> bool:
    """Whether an account can only be in multi-assets mode.

    In single-asset mode there is no other coin than those that contracts are settled in, and each backs its
    own positions: it is not used up while the venue calls them safe, and no coin is owed beside another.
    """
    settled = {position.contract.settle for position in positions}
    other = any(coin.row.needs_price and coin.row.coin not in settled for coin in coins)
    if other and not any(coin.explained for coin in coins):
        return True
    owed = any(
        coin.risk is None and coin.backing is not None and coin.backing.most < 0.0 for coin in coins
    ) and any((coin.row.equity or 0.0) > 0.0 for coin in coins)
    return owed or any(coin.used_up for coin in coins)


class MultiAssets(Struct, frozen=True):
    """An account in multi-assets mode: one pool in USD."""

    pool: MarginPool
    assets: tuple[Asset, ...]
    prices: Mapping[str, float]
    explained: bool | None
    """Whether its figures give the venue's risk rate; None where that cannot be told."""


def multi_assets_of(
    balances: Sequence[AssetRow],
    rows: Sequence[PositionRow],
    positions: Sequence[Position],
    rules: Mapping[str, Rule],
    held: Iterable[MarginAsset] | None,
) -> MultiAssets:
    """The account as one pool.

    `held` is what only a key that may trade is told: all coins. Without it the balances may not list them
    all: unless they list coins that only this mode has, amounts are given only where they explain the
    venue's risk rate. A part of the coins would look like the account.
    """
    coins = [row for row in balances if row.holds]
    listed = {row.coin for row in balances}
    complete = held is not None or any(row.needs_price for row in coins)
    coins += [
        AssetRow(coin=one.currency, balance=one.totalAmount, equity=one.totalAmount)
        for one in held or ()
        if one.totalAmount and one.currency not in listed
    ]
    prices = {coin: rule.indexPrice for coin, rule in rules.items() if rule.indexPrice is not None}
    required = required_of(positions, prices)
    backing = _multi_assets_backing(coins, rows, rules)
    risk = risk_rate(rows)
    explained = explains(required, backing, risk)
    if backing is None or not (explained or (complete and _near(required, backing, risk))):
        return MultiAssets(MarginPool(currency="USD", venue_margin_rate=risk), (), {}, explained)
    return MultiAssets(
        pool=_multi_assets_pool(coins, rules, prices, fitted(required, backing, risk), risk),
        assets=tuple(_asset(row, rules.get(row.coin)) for row in coins),
        prices={row.coin: prices[row.coin] for row in coins if row.coin in prices},
        explained=explained,
    )


def _multi_assets_backing(
    coins: Iterable[AssetRow], rows: Sequence[PositionRow], rules: Mapping[str, Rule]
) -> Backing | None:
    found = Backing(0.0, 0.0)
    for row in coins:
        own = backing_of(row, [one for one in rows if settle_of(one) == row.coin])
        rule = rules.get(row.coin)
        least, most = (None, None) if own is None else (_counted(own.least, rule), _counted(own.most, rule))
        if least is None or most is None:
            return None
        found = Backing(found.least + least, found.most + most)
    return found


def _counted(amount: float | None, rule: Rule | None) -> float | None:
    """USD that an amount of a coin counts as collateral, or as a debt."""
    if amount is None or rule is None:
        return None
    value = rule.value if amount > 0.0 else rule.indexPrice
    return None if value is None else amount * value


def _multi_assets_pool(
    coins: Sequence[AssetRow],
    rules: Mapping[str, Rule],
    prices: Mapping[str, float],
    fit: Fit,
    risk: float | None,
) -> MarginPool:
    def summed(amounts: Iterable[float | None]) -> float | None:
        """In USD, of the coins that have such an amount; None without any."""
        values = [
            amount * prices[row.coin]
            for row, amount in zip(coins, amounts, strict=True)
            if amount is not None
        ]
        return sum(values) if values else None

    counted = [_counted(row.equity, rules.get(row.coin)) for row in coins]
    return MarginPool(
        currency="USD",
        equity=summed(row.equity for row in coins) or 0.0,
        adjusted_equity=sum(amount for amount in counted if amount is not None),
        margin_equity=fit.margin_equity,
        maintenance_margin=fit.maintenance_margin,
        wallet_balance=summed(row.balance for row in coins),
        unrealized_pnl=summed(row.unrealizedProfit for row in coins),
        initial_margin=summed(row.initial_margin for row in coins),
        open_order_margin=summed(row.frozen for row in coins),
        venue_margin_rate=risk,
    )


def _asset(row: AssetRow, rule: Rule | None) -> Asset:
    return Asset(
        asset=row.coin,
        wallet_balance=row.balance,
        equity=row.equity,
        collateral_price_usd=None if rule is None else rule.value,
        debt_price_usd=None if rule is None else rule.indexPrice,
        margin_price_usd=None if rule is None else rule.indexPrice,
    )
