"""Hyperliquid's messages of an account, and what they say: its pools, positions and coins, in each mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Raw, Struct

from exporter.answers import A_DAY
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Asset, Contract, MarginPool, Position, Side
from exporter.request import Response
from exporter.venues._hyperliquid import (
    BALANCES,
    NO_SCHEDULE,
    STATE,
    USDC,
    Context,
    Exchange,
    Tokens,
)
from exporter.venues.base import less, nothing_less, schema_error, sum_of, told
from exporter.wire import Millis, Number, Positive, Required, Rows, Wire, decode, listed, number, one_of

LIQUIDATED_AT = 0.95
"""The venue's ratio in portfolio margin mode at which it liquidates."""
LEAST_REQUIRED = 20.0
"""USDC that the venue adds to what positions require in portfolio margin mode, or requires at least.

Source: https://hyperliquid.gitbook.io/hyperliquid-docs/trading/portfolio-margin ("min_borrow_offset").
"""


class Leverage(Wire):
    type: str
    value: Positive = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("type", self.type, "CROSS", "ISOLATED")


class PositionRow(Wire):
    coin: str
    szi: Required  # signed, in units of the coin
    positionValue: Required  # unsigned, at the mark price
    leverage: Leverage
    entryPx: Positive = None
    unrealizedPnl: Number = None
    liquidationPx: Number = None
    marginUsed: Number = None  # of an isolated position its collateral and PnL, else its initial margin

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.positionValue < 0.0 or (self.szi and not self.positionValue):
            raise ValueError("`positionValue` of a position is not above 0")

    @property
    def isolated(self) -> bool:
        return self.leverage.type.upper() == "ISOLATED"

    @property
    def side(self) -> Side:
        return "long" if self.szi > 0.0 else "short"


class AssetPosition(Wire):
    position: PositionRow


class Summary(Wire):
    accountValue: Number = None
    totalMarginUsed: Number = None


class State(Wire):
    """An account at one exchange; in units of what that takes as collateral.

    The summaries are of the positions alone in unified and portfolio margin mode, where the money is among
    the balances.
    """

    marginSummary: Summary
    crossMarginSummary: Summary
    assetPositions: Rows[AssetPosition]
    crossMaintenanceMarginUsed: Number = None
    withdrawable: Number = None
    time: Millis = None

    @property
    def rows(self) -> list[PositionRow]:
        """The open positions."""
        return [one.position for one in listed(self.assetPositions) if one.position.szi]

    @property
    def holds(self) -> bool:
        return bool(self.rows or self.marginSummary.accountValue or self.crossMaintenanceMarginUsed)


class Balance(Wire):
    """A token that is held; the same row for what it is as collateral, and lent."""

    coin: str
    token: Number = None
    total: Number = None  # with what positions are worth, less what is borrowed, where these live on balances
    hold: Number = None  # what they and orders bind
    ltv: Number = None  # portfolio margin: what may be borrowed of its value; absent of what is no collateral
    borrowed: Number = None


class Balances(Wire):
    balances: Rows[Balance]
    tokenToAvailableAfterMaintenance: list[tuple[int, float | str | None]] | None = None
    portfolioMarginRatio: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        name = "tokenToAvailableAfterMaintenance"
        if self.tokenToAvailableAfterMaintenance is not None:
            self.tokenToAvailableAfterMaintenance = [
                (token, number(amount, name)) for token, amount in self.tokenToAvailableAfterMaintenance
            ]

    @property
    def mode(self) -> str:
        """The account's, by what is told: what is left beside positions only where they live on these."""
        if self.portfolioMarginRatio is not None:
            return "portfolioMargin"
        return "disabled" if self.tokenToAvailableAfterMaintenance is None else "unifiedAccount"

    @property
    def holds(self) -> bool:
        return any(row.total or row.borrowed for row in listed(self.balances))

    def row(self, token: float | None) -> Balance | None:
        return next((row for row in listed(self.balances) if row.token == token), None)

    def left(self, token: float | None) -> float | None:
        """What is left of a token beside isolated positions and maintenance margins, while anything is."""
        told = self.tokenToAvailableAfterMaintenance or ()
        found = next((amount for number, amount in told if number == token), None)
        return found if isinstance(found, float) and found > 0.0 else None


class Named(Wire):
    """Which sub-account a row is about."""

    subAccountUser: str
    name: str | None = None


class SubAccount(Wire):
    dexToClearinghouseState: list[tuple[str, State]]
    spotState: Balances | None = None
    abstraction: str | None = None


class Family(Struct, frozen=True):
    """All sub-accounts, each read by itself: one that cannot be read costs the others nothing."""

    response: Response
    rows: Sequence[tuple[Named, Raw]]
    nameless: VenueError | None
    """Why it cannot be told which sub-account a row is about, where that is so."""

    def row(self, handle: str, where: str) -> SubAccount | None:
        """The one with this address.

        Raises:
            VenueError: reason ``schema``; the text names `where` (venue and endpoint) and the field.
        """
        found = (row for named, row in self.rows if named.subAccountUser.lower() == handle)
        row = next(found, None)
        return None if row is None else decode(bytes(row), SubAccount, where)


def family_of(response: Response, where: str) -> Family:
    """The answer about all sub-accounts."""
    form: Any = list[Raw] | None
    rows: list[tuple[Named, Raw]] = []
    nameless = None
    for row in decode(response.body, form, where) or []:
        try:
            rows.append((decode(bytes(row), Named, where), row))
        except VenueError as error:
            nameless = error
    return Family(response, rows, nameless)


class Held(Struct, frozen=True):
    """An account at one exchange, with what else is known of that."""

    exchange: Exchange
    state: State
    contexts: Mapping[str, Context]

    def total(self, amount: str) -> float | None:
        """The sum of an amount of all positions; None where one has none."""
        return sum_of(*(getattr(row, amount) for row in self.state.rows))

    @property
    def isolated_margin(self) -> float | None:
        """What isolated positions have of their own, their PnL included; None where that is not told."""
        return sum_of(*(row.marginUsed for row in self.state.rows if row.isolated))

    def positions(self, coin: str, pool: str, *, priced: bool = True) -> list[Position]:
        """Its positions; without the venue's liquidation prices unless they are `priced`."""
        return [self._position(row, coin, pool, priced=priced) for row in self.state.rows]

    def _position(self, row: PositionRow, coin: str, pool: str, *, priced: bool) -> Position:
        schedule = self.exchange.schedules.get(row.coin, NO_SCHEDULE)
        context = self.contexts.get(row.coin)
        leverage = row.leverage.value
        mark = row.positionValue / abs(row.szi)
        # As the engine does it: the venue's PnL has been rounded.
        profit = row.unrealizedPnl if row.entryPx is None else row.szi * (mark - row.entryPx)
        return Position(
            symbol=row.coin,
            side=row.side,
            margin_mode="isolated" if row.isolated else "cross",
            quantity=abs(row.szi),
            contract=Contract("linear", 1.0, row.coin.rpartition(":")[2] or row.coin, coin, coin),
            entry_price=row.entryPx,
            mark_price=mark,
            liquidation_price=row.liquidationPx if priced or row.isolated else None,
            unrealized_pnl=row.unrealizedPnl,
            leverage=leverage,
            initial_margin=None if row.isolated else row.marginUsed,
            margin=less(row.marginUsed, profit) if row.isolated else None,
            largest_notional=schedule.largest(leverage),
            funding_rate=None if context is None else context.funding,
            maintenance_tiers=schedule.tiers,
            pool_currency=pool,
        )


def _product(amount: float | None, price: float | None) -> float | None:
    """What an amount is worth: none of it is worth nothing, whatever it costs."""
    if amount == 0.0:
        return 0.0
    return None if amount is None or price is None else amount * price


def _by_token(held: Iterable[Held]) -> Mapping[float | None, list[Held]]:
    found: dict[float | None, list[Held]] = {}
    for one in held:
        found.setdefault(one.exchange.token, []).append(one)
    return found


def separate(held: Sequence[Held], tokens: Tokens) -> AccountSnapshot:
    """An account with a wallet at each exchange, which backs the positions there and no others."""
    pools, positions = [], []
    for one in held:
        own = not one.exchange.name
        if not own and not one.state.holds:
            continue
        coin, state = tokens.name(one.exchange.token), one.state
        name = coin if own else f"{one.exchange.name}:{coin}"
        backed = one.positions(coin, name)
        profit = one.total("unrealizedPnl")
        positions += backed
        pools.append(
            MarginPool(
                currency=coin,
                name="" if own else name,
                equity=state.marginSummary.accountValue,
                margin_equity=state.crossMarginSummary.accountValue,
                maintenance_margin=told(state.crossMaintenanceMarginUsed, backed),
                wallet_balance=less(state.marginSummary.accountValue, profit),
                unrealized_pnl=profit,
                initial_margin=state.marginSummary.totalMarginUsed,
                withdrawable_balance=nothing_less(state.withdrawable),
            )
        )
    return _snapshot(pools, positions, tokens, "separate")


def unified(held: Sequence[Held], balances: Balances, tokens: Tokens) -> AccountSnapshot:
    """An account whose balance of each coin backs all positions in it, wherever they are."""
    pools, positions = [], []
    for token, at in _by_token(held).items():
        row = balances.row(token)
        if not (any(one.state.rows for one in at) or (row is not None and row.total) or token == USDC):
            continue
        coin, left = tokens.name(token), balances.left(token)
        backed = [position for one in at for position in one.positions(coin, coin)]
        # What is not listed is not held, unless something is left of it.
        total = row.total if row is not None else 0.0 if left is None else None
        required = sum_of(*(one.state.crossMaintenanceMarginUsed for one in at))
        backing = less(total, sum_of(*(one.isolated_margin for one in at)))
        if left is not None and required is not None:
            # Said at one moment, where the other figures are of several.
            backing = left + required
        profit = sum_of(*(one.total("unrealizedPnl") for one in at))
        positions += backed
        pools.append(
            MarginPool(
                currency=coin,
                equity=total,
                margin_equity=backing,
                maintenance_margin=told(required, backed),
                wallet_balance=less(total, profit),
                available_balance=nothing_less(less(total, 0.0 if row is None else row.hold)),
                unrealized_pnl=profit,
                initial_margin=sum_of(*(one.state.marginSummary.totalMarginUsed for one in at)),
            )
        )
    return _snapshot(pools, positions, tokens, "unified")


def portfolio(held: Sequence[Held], balances: Balances, tokens: Tokens) -> AccountSnapshot:
    """An account whose coins back all positions, and loans, as one.

    The venue tells one ratio, with its haircuts, caps and loans in it, and liquidates at `LIQUIDATED_AT`.
    What backs the positions is what makes that ratio of what they require, and of `LEAST_REQUIRED` where the
    coins tell that this is in it. With loans, or without positions, it is the other way round: coins are
    counted as they are without caps, and what is required makes the ratio.
    """
    ratio = balances.portfolioMarginRatio
    if ratio is None or ratio < 0.0:
        raise schema_error(BALANCES, "`portfolioMarginRatio` is not told in portfolio margin mode")
    by_token = _by_token(held)
    rows = [row for row in listed(balances.balances) if _counts(row, by_token)]
    lent = any(row.borrowed for row in listed(balances.balances))

    def together(amount: Callable[[Held], float | None]) -> float | None:
        """Of all exchanges, in USDC."""
        return sum_of(*(_product(amount(one), _price(one.exchange.token, tokens)) for one in held))

    required = together(lambda one: one.state.crossMaintenanceMarginUsed)
    coins = sum_of(*(_product(row.total, _counted(row, tokens)) for row in rows))
    backing = less(coins, _product(together(lambda one: one.isolated_margin), LIQUIDATED_AT))
    implied = 0.0 if backing is None else ratio * backing / LIQUIDATED_AT
    if required and ratio and not (lent and implied > 0.0):
        # Figures of two moments differ by a little more than that.
        required = implied if required < implied < required + 1.05 * LEAST_REQUIRED else required
        backing = LIQUIDATED_AT * required / ratio
    elif backing is not None:
        required = max(implied, 0.0)
    positions = [
        position
        for one in held
        for position in one.positions(tokens.name(one.exchange.token), "USD", priced=lent)
    ]
    pool = MarginPool(
        currency="USD",
        margin_equity=backing,
        maintenance_margin=told(required, positions),
        unrealized_pnl=together(lambda one: one.total("unrealizedPnl")),
        initial_margin=together(lambda one: one.state.marginSummary.totalMarginUsed),
        venue_margin_rate=ratio / LIQUIDATED_AT,
        unlisted=lent,
    )
    assets = [_asset(row, by_token.get(row.token, []), tokens) for row in rows]
    return _snapshot([pool], positions, tokens, "multi", assets)


def _counts(row: Balance, by_token: Mapping[float | None, Sequence[Held]]) -> bool:
    """Whether a coin that is held or owed, as far as is told, is collateral."""
    return (row.total is None or bool(row.total or row.borrowed)) and (
        row.ltv is not None or row.token in by_token
    )


def _price(token: float | None, tokens: Tokens) -> float | None:
    """In USDC."""
    return 1.0 if token == USDC else tokens.prices.get(token)


def _counted(row: Balance, tokens: Tokens) -> float | None:
    """What a unit of a coin counts against what is required, where liquidation is at 1.

    What may be borrowed of its value, and half of the rest; all of a coin that nothing is borrowed of, for
    that is money.
    """
    ltv = min(row.ltv or 0.0, 1.0)
    share = 0.5 + 0.5 * ltv if ltv > 0.0 else 1.0
    return _product(_price(row.token, tokens), LIQUIDATED_AT * share)


def _asset(row: Balance, at: Iterable[Held], tokens: Tokens) -> Asset:
    profit = sum_of(*(one.total("unrealizedPnl") for one in at))
    return Asset(
        asset=row.coin,
        wallet_balance=less(row.total, profit),
        equity=row.total,
        collateral_price_usd=_counted(row, tokens),
        debt_price_usd=_price(row.token, tokens),
    )


def check_age(response: Response, states: Iterable[State], age_limit: float) -> None:
    """Refuses figures that were old when they were given: of a server of the venue that lags behind.

    Raises:
        VenueError: reason ``exchange``.
    """
    for state in states:
        if state.time is None or response.made_at is None:
            continue
        age = response.made_at - state.time
        if age_limit < age < _NO_AGE:
            text = f"the figures were {age:.0f} s old when they were given: the venue lags behind"
            raise VenueError("exchange", f"{STATE.label}: {text}")


# A field that is no longer filled is not the age of the others.
_NO_AGE = 7 * A_DAY


def _snapshot(
    pools: Sequence[MarginPool],
    positions: Sequence[Position],
    tokens: Tokens,
    mode: str,
    assets: Sequence[Asset] = (),
) -> AccountSnapshot:
    coins = {pool.currency for pool in pools} | {asset.asset for asset in assets}
    prices = {tokens.name(token): price for token, price in tokens.prices.items()}
    modes = {"position_mode": "one_way", "asset_mode": mode}
    return AccountSnapshot(
        pools=tuple(pools),
        positions=tuple(positions),
        assets=tuple(assets),
        modes=modes if mode != "multi" else {**modes, "margin_mode": "portfolio"},
        prices={coin: price for coin, price in prices.items() if coin in coins},
    )
