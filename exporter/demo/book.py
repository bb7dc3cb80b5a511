"""Margin arithmetic of one simulated account, in decimals.

Every component (a position's PnL, its margins, a wallet) is rounded to the venue's digits first and sums
are sums of rounded components, so that printed equity equals printed wallet + printed PnL to the last
digit. Independent of the exporter on purpose: agreement between the two is evidence, not an echo.

Formulas: Binance, "How to calculate liquidation price"
(https://www.binance.com/en/support/faq/detail/b3c689c1f50a44cabb3a84e663b81d93 for linear,
https://www.binance.com/en/support/faq/detail/ceccfcfb4e3a45e3b48b0b1bb1a8ae46 for inverse contracts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from exporter.demo._book import (
    Basis,
    ClosedLeg,
    CollateralRate,
    Liquidation,
    MarginMode,
    Pool,
    Position,
    Side,
)
from exporter.demo.contracts import (
    ONE,
    ZERO,
    Contract,
    Tier,
    decimal,
    first_crossing,
    rounded,
    tier_of,
    weighted,
)
from exporter.demo.market import Market

__all__ = [
    "Basis",
    "Book",
    "ClosedLeg",
    "CollateralRate",
    "Liquidation",
    "MarginMode",
    "Pool",
    "Position",
    "Side",
]


@dataclass
class Book:
    """One account: wallets, positions and the margin rules of its venue.

    Attributes:
        name: Account name.
        market: Where marks come from.
        digits: Decimal places of every amount.
        price_digits: Decimal places of mark prices.
        hedge_mode: Long and short positions of one symbol exist side by side; else one per symbol.
        multi_asset: One pool in USD backed by all coins; else one pool for each settle coin.
        collateral: Coins accepted in a multi-asset pool and their haircuts.
        liquidation_multiple: How many times the maintenance margin the margin equity is at liquidation.
        initial_margin_basis: Price the initial margin is taken at.
        maintenance_margin_basis: Price the maintenance margin is taken at.
    """

    name: str
    market: Market
    digits: int = 8
    price_digits: int = 8
    hedge_mode: bool = False
    multi_asset: bool = False
    collateral: Mapping[str, CollateralRate] = field(default_factory=dict)
    liquidation_multiple: Decimal = ONE
    initial_margin_basis: Basis = "mark"
    maintenance_margin_basis: Basis = "mark"
    positions: list[Position] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    _cross_wallets: dict[str, Decimal] = field(default_factory=dict)
    _sequence: int = 0

    # --- Moving money and positions ------------------------------------------------------------------

    def deposit(self, coin: str, amount: Decimal | float | str) -> None:
        """Adds ``amount`` (negative: takes it away) to the cross wallet of ``coin``."""
        self._cross_wallets[coin] = self.cross_wallet(coin) + rounded(decimal(amount), self.digits)

    def open(
        self,
        contract: Contract,
        side: Side,
        quantity: Decimal | float | str,
        *,
        price: Decimal | float | str | None = None,
        leverage: int = 20,
        margin_mode: MarginMode = "cross",
        isolated_margin: Decimal | float | str | None = None,
        realized_pnl: Decimal | float | str = 0,
        now: float = 0.0,
    ) -> Position:
        """Opens a position at ``price`` (default: the mark).

        An isolated position takes ``isolated_margin`` (default: entry notional / leverage) out of the
        cross wallet of its settle coin. ``realized_pnl`` is only remembered, not booked.

        Raises:
            ValueError: The slot is taken, the quantity is not positive, or the mode does not allow it.
        """
        amount = decimal(quantity)
        if amount <= 0:
            raise ValueError(f"quantity of {contract.symbol} must be positive")
        if margin_mode == "isolated" and self.multi_asset:
            raise ValueError("a multi-asset account has no isolated positions")
        for held in self.positions:
            if held.contract.symbol == contract.symbol and (not self.hedge_mode or held.side == side):
                raise ValueError(f"there is already a position in {contract.symbol}")
        self._sequence += 1
        position = Position(
            contract=contract,
            side=side,
            quantity=amount,
            entry_price=self.mark(contract) if price is None else decimal(price),
            leverage=leverage,
            margin_mode=margin_mode,
            identity=self._sequence,
            realized_pnl=rounded(decimal(realized_pnl), self.digits),
            updated_at=now,
        )
        if margin_mode == "isolated":
            entry = self._notional_at(position, position.entry_price)
            margin = entry / leverage if isolated_margin is None else decimal(isolated_margin)
            position.isolated_wallet = rounded(margin, self.digits)
            self.deposit(contract.settle, -position.isolated_wallet)
        self.positions.append(position)
        return position

    def close(self, position: Position) -> Decimal:
        """Closes a position at the mark, books its PnL into the cross wallet and returns the PnL.

        Collateral of an isolated position flows back; more than it cannot be lost.
        """
        pnl = self.unrealized_pnl(position)
        self.positions.remove(position)
        back = position.isolated_wallet + pnl
        if position.margin_mode == "isolated":
            back = max(ZERO, back)
        self.deposit(position.contract.settle, back)
        return pnl

    def reduce(self, position: Position, quantity: Decimal) -> Decimal:
        """Closes a part of a cross position at the mark, books the PnL of the part and returns it.

        Raises:
            ValueError: The position is isolated, or has no more than this.
        """
        if position.margin_mode == "isolated" or not 0 < quantity < position.quantity:
            raise ValueError(f"cannot take {quantity} of {position.contract.symbol}")
        pnl = self.unrealized_pnl(position)
        position.quantity -= quantity
        pnl -= self.unrealized_pnl(position)
        self.deposit(position.contract.settle, pnl)
        return pnl

    def settle(self, now: float) -> list[Liquidation]:
        """Liquidates what has reached its maintenance margin, at the marks; returns what happened.

        A pool is liquidated when its margin equity is not above its maintenance margin, an isolated
        position when its own collateral + PnL is not above its own. Wallets do not go below zero: the
        venue's insurance fund pays the rest.
        """
        happened: list[Liquidation] = []
        for position in [held for held in self.positions if held.margin_mode == "isolated"]:
            required = self.maintenance_margin(position)
            equity = self.isolated_equity(position)
            if required and equity <= required:
                legs = (self._closed_leg(position),)
                happened.append(Liquidation(now, position.contract.settle, legs, equity, required))
                self.close(position)
        for currency in self.pool_currencies():
            pool = self.pool(currency)
            required = pool.cross_maintenance_margin * self.liquidation_multiple
            if not required or pool.margin_equity > required:
                continue
            closing = self._cross_positions(currency)
            closed = tuple(self._closed_leg(position) for position in closing)
            for position in closing:
                self.close(position)
            self._stop_at_zero(currency)
            happened.append(
                Liquidation(now, currency, closed, pool.margin_equity, pool.cross_maintenance_margin)
            )
        self.liquidations += happened
        return happened

    def _closed_leg(self, position: Position) -> ClosedLeg:
        contract = position.contract
        return ClosedLeg(
            contract.symbol,
            position.side,
            position.margin_mode,
            position.quantity,
            self.mark(contract),
            self.unrealized_pnl(position),
        )

    def _stop_at_zero(self, currency: str) -> None:
        if self.multi_asset:
            if self.pool(currency).cross_wallet < 0:
                self._cross_wallets = dict.fromkeys(self._cross_wallets, rounded(ZERO, self.digits))
        elif self.cross_wallet(currency) < 0:
            self._cross_wallets[currency] = rounded(ZERO, self.digits)

    # --- One position --------------------------------------------------------------------------------

    def mark(self, contract: Contract) -> Decimal:
        """Mark price in the contract's quote coin, rounded to ``price_digits``."""
        price = self.market.exact_mark(contract.base, contract.quote, self.price_digits)
        return rounded(price * (1 + contract.premium), self.price_digits) if contract.premium else price

    def notional(self, position: Position) -> Decimal:
        """Unsigned value at the mark in the settle coin."""
        return rounded(self._notional_at(position, self.mark(position.contract)), self.digits)

    def entry_notional(self, position: Position) -> Decimal:
        """Unsigned value at the entry price in the settle coin."""
        return rounded(self._notional_at(position, position.entry_price), self.digits)

    def unrealized_pnl(self, position: Position) -> Decimal:
        """In the settle coin: q (M - E) for linear, q C (1/E - 1/M) for inverse contracts."""
        mark, entry = self.mark(position.contract), position.entry_price
        amount = position.sign * position.quantity * position.contract.size
        move = mark - entry if position.contract.kind == "linear" else 1 / entry - 1 / mark
        return rounded(amount * move, self.digits)

    def initial_margin(self, position: Position) -> Decimal:
        """Notional / leverage in the settle coin."""
        return rounded(
            self._basis_notional(position, self.initial_margin_basis) / position.leverage, self.digits
        )

    def maintenance_margin(self, position: Position) -> Decimal:
        """Notional x rate - deduction of its tier, in the settle coin."""
        notional = self._basis_notional(position, self.maintenance_margin_basis)
        tier = tier_of(position.contract.tiers, notional)
        return rounded(notional * tier.rate - tier.deduction, self.digits)

    def isolated_equity(self, position: Position) -> Decimal:
        """Collateral + PnL of an isolated position, in the settle coin."""
        return position.isolated_wallet + self.unrealized_pnl(position)

    def liquidation_price(self, position: Position) -> Decimal | None:
        """Mark at which the position's pool (or itself, if isolated) reaches its maintenance margin.

        Everything else in the pool is held still, as in the venue's formula; both legs of a cross hedge
        move together and so share one price. The tier used is the one that holds at that price. None
        where no positive price does it. Not rounded.
        """
        contract = position.contract
        if position.margin_mode == "isolated":
            legs = [position]
            rest, weight = position.isolated_wallet, ONE
        else:
            currency = self.currency_of(position)
            legs = [
                held for held in self._cross_positions(currency) if held.contract.symbol == contract.symbol
            ]
            pool = self.pool(currency)
            value = self._collateral_value(contract.settle) if self.multi_asset else ONE
            weight = self.collateral_price(contract.settle, debt=True) / value if self.multi_asset else ONE
            weight *= self.liquidation_multiple
            own = sum(
                (self.unrealized_pnl(leg) - self.maintenance_margin(leg) * weight for leg in legs), ZERO
            )
            required = pool.cross_maintenance_margin * self.liquidation_multiple
            rest = (pool.margin_equity - required) / value - own
        # Excess of equity over maintenance margin is piecewise linear in x, which is the price of a
        # linear and the reciprocal price of an inverse contract.
        mark = self.mark(contract)
        if contract.kind == "linear":
            intercept = rest - sum(leg.sign * self._units(leg) * leg.entry_price for leg in legs)
            slope = sum((leg.sign * self._units(leg) for leg in legs), ZERO)
            x = mark
        else:
            intercept = rest + sum(leg.sign * self._units(leg) / leg.entry_price for leg in legs)
            slope = -sum((leg.sign * self._units(leg) for leg in legs), ZERO)
            x = 1 / mark
        sizes: list[tuple[Decimal, Sequence[Tier]]] = []
        for leg in legs:
            if self.maintenance_margin_basis == "entry":
                intercept -= self.maintenance_margin(leg) * weight
            else:
                sizes.append((self._units(leg), weighted(leg.contract.tiers, weight)))
        crossing = first_crossing(intercept, slope, sizes, x)
        if crossing is None or crossing <= 0:
            return None
        return crossing if contract.kind == "linear" else 1 / crossing

    def return_on_margin(self, position: Position) -> Decimal:
        """Unrealized PnL / initial margin: what venues order the auto-deleveraging queue by."""
        margin = self.initial_margin(position)
        return self.unrealized_pnl(position) / margin if margin else ZERO

    def _units(self, position: Position) -> Decimal:
        return position.quantity * position.contract.size

    def _notional_at(self, position: Position, price: Decimal) -> Decimal:
        units = self._units(position)
        return units * price if position.contract.kind == "linear" else units / price

    def _basis_notional(self, position: Position, basis: Basis) -> Decimal:
        return self.notional(position) if basis == "mark" else self.entry_notional(position)

    # --- Wallets and pools ---------------------------------------------------------------------------

    def coins(self) -> list[str]:
        """Coins with a wallet or a position settled in them."""
        settled = [position.contract.settle for position in self.positions]
        return list(dict.fromkeys([*self._cross_wallets, *settled]))

    def cross_wallet(self, coin: str) -> Decimal:
        """Balance of ``coin``, collateral of isolated positions not included."""
        return self._cross_wallets.get(coin, rounded(ZERO, self.digits))

    def coin_pool(self, coin: str) -> Pool:
        """Wallet and positions settled in ``coin``, in units of ``coin`` (also in multi-asset mode)."""
        settled = [held for held in self.positions if held.contract.settle == coin]
        cross = [held for held in settled if held.margin_mode == "cross"]
        zero = rounded(ZERO, self.digits)
        cross_wallet = self.cross_wallet(coin)
        return Pool(
            currency=coin,
            cross_wallet=cross_wallet,
            cross_pnl=sum((self.unrealized_pnl(held) for held in cross), zero),
            cross_initial_margin=sum((self.initial_margin(held) for held in cross), zero),
            cross_maintenance_margin=sum((self.maintenance_margin(held) for held in cross), zero),
            wallet=cross_wallet + sum((held.isolated_wallet for held in settled), zero),
            unrealized_pnl=sum((self.unrealized_pnl(held) for held in settled), zero),
            initial_margin=sum((self.initial_margin(held) for held in settled), zero),
            maintenance_margin=sum((self.maintenance_margin(held) for held in settled), zero),
        )

    def pool(self, currency: str) -> Pool:
        """What is liquidated together: a coin's pool, or the USD pool of a multi-asset account."""
        if not self.multi_asset:
            return self.coin_pool(currency)
        if currency != "USD":
            raise ValueError(f"a multi-asset account has one pool, in USD, not in {currency}")
        zero = rounded(ZERO, self.digits)
        totals = {name: zero for name in Pool.__dataclass_fields__ if name != "currency"}
        for coin in self.coins():
            value, part = self._collateral_value(coin), self.coin_pool(coin)
            required = self.collateral_price(coin, debt=True) if coin in self.collateral else ZERO
            for name in totals:
                price = required if name.endswith(("initial_margin", "maintenance_margin")) else value
                totals[name] += rounded(getattr(part, name) * price, self.digits)
        return Pool(currency="USD", **totals)

    def pool_currencies(self) -> list[str]:
        """Currencies of the account's pools."""
        return ["USD"] if self.multi_asset else self.coins()

    def currency_of(self, position: Position) -> str:
        """Currency of the pool that backs a cross position."""
        return "USD" if self.multi_asset else position.contract.settle

    def collateral_price(self, coin: str, *, debt: bool = False) -> Decimal:
        """USD a multi-asset pool counts for a unit of ``coin``: index less (debt: plus) its buffer."""
        rate = self.collateral[coin]
        index = self.market.exact_index(coin, "USD", self.price_digits)
        return rounded(index * (1 + rate.ask_buffer if debt else 1 - rate.bid_buffer), self.price_digits)

    def _collateral_value(self, coin: str) -> Decimal:
        if coin not in self.collateral:
            return ZERO
        part = self.coin_pool(coin)
        return self.collateral_price(coin, debt=part.margin_equity < 0)

    def _cross_positions(self, currency: str) -> list[Position]:
        return [
            held
            for held in self.positions
            if held.margin_mode == "cross" and self.currency_of(held) == currency
        ]
