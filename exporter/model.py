"""What a venue said about an account, in one vocabulary for every venue.

Every value is in the unit its field names; ``None`` means "the venue did not say" and is never replaced
by 0. The structs are frozen: a snapshot is made once by a venue's adapter and only read afterwards.

Vocabulary used everywhere (code, metrics, documentation):

* *settle currency*: the coin in which a position's PnL and margins are paid.
* *notional*: value of a position at the mark price, unsigned, in the settle currency unless a name says
  ``_usd``.
* *requirement*: maintenance margin, and the fees for closing the positions where the venue counts them in.
* *rate*: requirement / equity; 0 is safe, 1 is liquidation.
* *shock*: the USD price of every coin moves by the same share; stable coins, pegged ones and currencies stand
  still. The mark of a contract is the price of its base in its quote, and follows.
* *stands alone*: an isolated position that nothing but its own margin backs.
* *reversed option*: one that settles in its base coin. Prices of options are amounts of their settle coin for
  one unit of base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, get_args

from msgspec import Struct

from exporter.coins import PLAY_MONEY, STABLE_COINS
from exporter.terms import CoinGreeks as CoinGreeks  # noqa: PLC0414 (others have them from here)
from exporter.terms import Greeks as Greeks  # noqa: PLC0414
from exporter.terms import OptionMargin as OptionMargin  # noqa: PLC0414
from exporter.terms import OptionTerms as OptionTerms  # noqa: PLC0414

Side = Literal["long", "short"]
MarginMode = Literal["cross", "isolated"]
ContractKind = Literal["linear", "inverse", "option"]
LiquidationSource = Literal["venue", "computed", "none", "unknown"]
Right = Literal["read", "trade", "transfer", "withdraw"]
RIGHTS: tuple[Right, ...] = get_args(Right)

NO_ITEMS: Mapping[str, str] = MappingProxyType({})
NO_PRICES: Mapping[str, float] = MappingProxyType({})


class Contract(Struct, frozen=True):
    """What one contract of a symbol is worth.

    ``size`` is base units a contract for ``linear`` contracts and options, and quote value a contract (for
    example 100 USD) for ``inverse`` ones; None where the venue has not said. ``base``, ``quote`` and
    ``settle`` are coin codes such as ``BTC``; the quote of an option is the currency of its strike.
    """

    kind: ContractKind
    size: float | None
    base: str
    quote: str
    settle: str


class MaintenanceTier(Struct, frozen=True, cache_hash=True):
    """One step of a venue's maintenance margin schedule.

    Applies while ``floor <= notional < cap`` (``cap`` is infinite in the last tier); the maintenance
    margin of a position is then ``notional * rate - deduction``. All amounts are in the settle currency:
    the quote coin of a linear contract, the base coin of an inverse one.
    """

    floor: float
    cap: float
    rate: float
    deduction: float


HIGHEST_MULTIPLE = 1e4
LOWEST_MULTIPLE = 1e-9
"""A liquidation price above 10,000 times the mark, or below a billionth of it, is none, whoever says it: no
market gets there, and venues print 99999999 and the like for "cannot be liquidated"."""

_ABSURD_PRICE = 99_999_999.0


def liquidation_price(value: float | None, reference: float | None) -> float | None:
    """A venue's liquidation price, None where it says "none": 0, negative, null or absurd.

    `reference` is the mark or entry price, against which `HIGHEST_MULTIPLE` and `LOWEST_MULTIPLE` count.
    """
    if value is None or value <= 0.0 or not math.isfinite(value):
        return None
    if reference is not None and reference > 0.0:
        absurd = not LOWEST_MULTIPLE * reference <= value <= HIGHEST_MULTIPLE * reference
        return None if absurd or _is_nines(value) else value
    return None if value >= _ABSURD_PRICE else value


def _is_nines(value: float) -> bool:
    return value >= _ABSURD_PRICE and value % 1 == 0 and set(str(int(value))) == {"9"}


class Position(Struct, frozen=True, kw_only=True):
    """One open position. Zero-size rows never become a ``Position``."""

    symbol: str
    """As the venue spells it."""
    side: Side
    margin_mode: MarginMode
    quantity: float
    """Venue units (base units or contracts), unsigned, > 0."""
    contract: Contract
    entry_price: float | None = None
    """In the contract's quote currency, like every price here; > 0. Those of an option are in its settle coin
    for one unit of base."""
    mark_price: float | None = None
    liquidation_price: float | None = None
    """The venue's own figure; None where it gives none. Always > 0."""
    unrealized_pnl: float | None = None
    """Settle currency; negative is a loss."""
    realized_pnl: float | None = None
    leverage: float | None = None
    """The leverage set for the position, for example 20."""
    initial_margin: float | None = None
    maintenance_margin: float | None = None
    """Settle currency, at the mark price."""
    margin: float | None = None
    """Collateral of an isolated position in the settle currency, its unrealized PnL *not* included. Negative
    where funding or a withdrawn profit took more than was put in, and unrealized profit is what backs it."""
    closing_fee_rate: float = 0.0
    """Share of the notional that the venue requires besides the maintenance margin, for closing the position.
    0 where it requires none, and where its own maintenance margin contains the fee already."""
    auto_add_margin: bool = False
    """True of an isolated position that draws on the cross wallet before it is liquidated. It stands and
    falls with the cross positions of its pool: the pool's `margin_equity` must include its margin and PnL,
    and the pool's `maintenance_margin`, where the venue gives one, what it requires. Where the adapter
    leaves either to the engine, the engine counts so. `margin_mode` stays ``isolated``."""
    largest_notional: float | None = None
    """The largest notional that the set leverage allows, in the settle currency."""
    funding_rate: float | None = None
    """Of the next funding, as a share of the notional; positive: longs pay shorts."""
    next_funding_at: float | None = None
    """Unix seconds."""
    accrued_funding: float | None = None
    """Settle currency; positive was or will be received."""
    adl_ratio: float | None = None
    """Place in the venue's auto-deleveraging queue, from 0 (last) to 1 (first)."""
    position_id: str = ""
    """Only where symbol, side and margin mode do not identify the position."""
    maintenance_tiers: tuple[MaintenanceTier, ...] = ()
    """The symbol's schedule in ascending order; empty where the venue does not publish one."""
    pool_currency: str | None = None
    """The `MarginPool.key` of what backs a cross position; None means the settle currency."""
    option: OptionTerms | None = None
    """Of a contract of kind ``option``, and of no other."""
    greeks: Greeks | None = None
    """Of an option, as the venue says."""
    option_margin: OptionMargin | None = None
    """The venue's rule for an option, also of a long one, which requires nothing by it; None where none is
    known: then nothing is computed of what other prices would require of its pool."""


class MarginPool(Struct, frozen=True, kw_only=True):
    """What is liquidated together: the cross positions of one margin currency and what backs them.

    One for each margin coin in single-asset modes and coin-margined accounts, one in ``USD`` for a
    multi-asset account. Isolated positions are pools of their own and are *not* listed here: their
    margins are in `Position`. Amounts are in ``currency``.
    """

    currency: str
    name: str = ""
    """What it is called where an account has several pools in one currency, such as ``xyz:USDC``: the
    `currency` label of its series. The currency is its name otherwise."""
    equity: float | None = None
    """All collateral in the pool at market prices + unrealized PnL, isolated margin and its PnL included;
    None where only the assets tell it: then it is the sum of their equities at market prices."""
    adjusted_equity: float | None = None
    """The equity as the venue counts it as margin, after haircuts. None where it makes none, or where it
    follows from the assets' collateral prices."""
    margin_equity: float | None = None
    """The part of ``adjusted_equity`` that backs the cross positions, and isolated ones that draw on it."""
    maintenance_margin: float | None = None
    """What these positions (and open orders) require, other isolated ones not included. Closing fees are not
    included; of a venue whose figure contains them every `Position.closing_fee_rate` is 0."""
    wallet_balance: float | None = None
    available_balance: float | None = None
    unrealized_pnl: float | None = None
    initial_margin: float | None = None
    """Of positions and open orders."""
    open_order_margin: float | None = None
    """The part of the initial margin that open orders bind."""
    withdrawable_balance: float | None = None
    """What may be moved out, as the venue reports it."""
    liquidation_multiple: float = 1.0
    """How many times ``maintenance_margin`` the margin equity is when the venue liquidates. The rate counts
    what is required so many times."""
    venue_margin_rate: float | None = None
    """The venue's own figure, turned so that 0 is safe and 1 is liquidation."""
    unlisted: bool = False
    """True where the venue counts positions in these figures that are not among the snapshot's, such as
    options: then nothing is computed of what other prices would do to the pool."""
    scenario_margin: bool = False
    """True where the venue requires what the whole book would lose in scenarios (portfolio margin), no sum
    over the positions: then nothing is computed of what other prices would require of the pool; what it
    would be worth is."""
    options_apart: bool = False
    """True where the value of options is no part of `margin_equity` (it is one of `equity` all the same), as
    in standard margin, where the requirement of a short option contains its price."""

    @property
    def key(self) -> str:
        """What tells the pools of an account apart."""
        return self.name or self.currency


class Asset(Struct, frozen=True, kw_only=True):
    """Collateral in one coin, where a pool holds several (multi-asset accounts)."""

    asset: str
    wallet_balance: float | None = None
    equity: float | None = None
    """Wallet balance + unrealized PnL, in units of the asset, isolated margin and its PnL included."""
    collateral_price_usd: float | None = None
    """USD the venue credits as collateral per unit (after its haircut); 0 of a coin that it does not take as
    margin; None means the market price."""
    debt_price_usd: float | None = None
    """USD the venue counts per unit that is owed: of a negative `equity`. None means
    `collateral_price_usd`, the market price where that is 0."""
    margin_price_usd: float | None = None
    """USD the venue counts per unit of required margin (maintenance margin and closing fee of positions that
    settle in the asset); None means the market price."""
    pool_currency: str = "USD"
    """The `MarginPool.key` of the pool that it is in."""


class AccountSnapshot(Struct, frozen=True, kw_only=True):
    """Everything one collection of one account returned."""

    pools: tuple[MarginPool, ...]
    positions: tuple[Position, ...] = ()
    assets: tuple[Asset, ...] = ()
    modes: Mapping[str, str] = NO_ITEMS
    """Account modes as label values, for example ``{"position_mode": "hedge", "asset_mode": "single"}``."""
    prices: Mapping[str, float] = NO_PRICES
    """Coin to USD as the venue quotes it (index or mark price)."""


class PublicPrice(Struct, frozen=True):
    """One price that a venue told to everybody, and when it held."""

    price: float
    at: float
    """Unix seconds on the exporter's clock."""
    currency: str = "USD"
    """What the price of a coin is in; of a mark, the contract says it."""


NO_PUBLIC_PRICES: Mapping[str, PublicPrice] = MappingProxyType({})


class Marks(Struct, frozen=True):
    """What one public call says of all contracts of a venue."""

    symbols: Mapping[str, PublicPrice]
    """Symbol to its mark price."""
    coins: Mapping[str, PublicPrice] = NO_PUBLIC_PRICES
    """Coin to its index price: what collateral is valued at."""


class KeyRights(Struct, frozen=True, kw_only=True):
    """What an API key may do, as its venue tells. None: it does not."""

    read: bool | None = None
    trade: bool | None = None
    """Place orders or borrow, on any market."""
    transfer: bool | None = None
    """Move money inside the venue, to other wallets or other accounts."""
    withdraw: bool | None = None
    """Move money out of the venue."""
    ip_restricted: bool | None = None
    """Whether it is of use from some addresses alone."""
    expires_at: float | None = None
    """Unix seconds; None also where it does not expire."""

    def may(self, right: Right) -> bool | None:
        """Whether it has a right."""
        found: bool | None = getattr(self, right)
        return found


class RiskSettings(Struct, frozen=True, kw_only=True):
    """What a desk configures about the assessment."""

    usd_pegs: Mapping[str, float] = MappingProxyType(dict.fromkeys(sorted(STABLE_COINS - PLAY_MONEY), 1.0))
    """Coin, in upper case, to its USD value where the venue quotes no price. A pegged coin does not move with
    a market shock, nor does one that `exporter.coins` knows to stand still."""
    target_rate: float = 0.5
    """Maintenance margin rate to which the money or the cut is computed that brings an account back; above 0
    and below 1."""
    shocks: tuple[float, ...] = (-0.2, -0.1, -0.05, 0.05, 0.1, 0.2)
    """Relative moves of all coins for the stress grid; empty switches it off."""
    volatility_shifts: tuple[float, ...] = (-0.1, 0.1)
    """Moves of the implied volatility of all options for the stress grid, as fractions: 0.1 is ten percentage
    points; empty switches them off."""
    cross_check: bool = False
    """Also compute liquidation prices where the venue gives one, and publish the relative difference."""


class PositionRisk(Struct, frozen=True, kw_only=True):
    """One position with everything computed about it; None means unknown."""

    position: Position
    mark_price: float | None = None
    """The venue's, else derived from its other figures."""
    notional_usd: float | None = None
    """Unsigned."""
    unrealized_pnl: float | None = None
    maintenance_margin: float | None = None
    """The venue's, else from the maintenance tiers, else what the pool's total leaves for the only
    position without one; settle currency, the closing fee not included."""
    closing_fee: float | None = None
    """What the venue requires besides for closing the position at the mark, settle currency; None also where
    it requires nothing."""
    maintenance_margin_rate: float | None = None
    """Of a position that stands alone (isolated, and the cross wallet does not back it): maintenance margin
    + closing fee, of its own collateral."""
    margin_to_target: float | None = None
    """Of such a position: settle currency to add until the rate is at the target; 0 if it is not above it."""
    reduction_to_target: float | None = None
    """Of such a position: share to close at the mark, 0 to 1, as much of its collateral going with it."""
    liquidation_price: float | None = None
    liquidation_source: LiquidationSource = "unknown"
    """Who gives the liquidation price; ``none`` if no price liquidates, ``unknown`` if it cannot be told. Of
    an option always ``none``: what liquidates is the price of its underlying."""
    liquidation_distance_ratio: float | None = None
    """Relative move of the mark, against the (net) position, that reaches the liquidation price."""
    liquidation_cross_check_ratio: float | None = None
    """(computed - venue) / venue liquidation price, where both are known and the check is on."""
    option_value_usd: float | None = None
    """Of an option at its mark, in USD; negative of a short one."""
    delta_usd: float | None = None
    """Of an option: its delta times the price of its underlying, in USD; negative is short the coin."""
    greeks: Greeks | None = None
    """Of an option: the venue's, else by Black's formula; the volatility is the one that it is valued at."""


class PoolRisk(Struct, frozen=True, kw_only=True):
    """One margin pool with everything computed about it; None means unknown."""

    pool: MarginPool
    equity: float | None = None
    """At market prices: the venue's, else the sum over the assets; in the pool's currency."""
    adjusted_equity: float | None = None
    """After the venue's haircuts; the equity where it makes none."""
    equity_usd: float | None = None
    margin_equity: float | None = None
    """The venue's, else the adjusted equity less the isolated positions' margins and PnL; in the pool's
    currency."""
    maintenance_margin: float | None = None
    """The venue's, else the sum over the pool's positions; in the pool's currency, closing fees not
    included."""
    closing_fees: float | None = None
    """Of the cross positions, in the pool's currency; None also where the venue requires none."""
    maintenance_margin_rate: float | None = None
    """Maintenance margin + closing fees, of the margin equity."""
    margin_to_target: float | None = None
    """How much to add, in the pool's currency, until the rate is at the target; 0 if it is not above it."""
    reduction_to_target: float | None = None
    """Share of every cross position to close at the mark, from 0 to 1; None if closing all is not enough."""
    gross_notional_usd: float | None = None
    net_notional_usd: float | None = None
    """Long minus short."""
    leverage_ratio: float | None = None
    """Gross notional / equity, isolated positions included."""
    liquidation_shock_up: float | None = None
    """Smallest relative rise of all coins that is known to liquidate anything in the currency, >= 0; None if
    none up to +1000 % does."""
    liquidation_shock_down: float | None = None
    """The same for a fall, as a positive number."""
    cross_liquidation_shock_up: float | None = None
    """Smallest relative rise of all coins that brings the rate to 1."""
    cross_liquidation_shock_down: float | None = None
    stress: tuple[tuple[float, float], ...] = ()
    """(shock, rate of the cross positions after it) for every configured shock whose rate is known."""
    isolated_stress: tuple[tuple[float, float], ...] = ()
    """(shock, highest known rate of an isolated position after it)."""
    volatility_stress: tuple[tuple[float, float, float], ...] = ()
    """(shock, shift of the volatility, rate of the cross positions after both), of a pool with options."""
    stress_equity: tuple[tuple[float, float, float], ...] = ()
    """(shock, shift of the volatility, equity in USD after both), of a pool with options."""


class AccountRisk(Struct, frozen=True, kw_only=True):
    """What one collection of one account publishes."""

    snapshot: AccountSnapshot
    pools: tuple[PoolRisk, ...]
    """Those of the snapshot in its order, and one for each currency in which positions have none."""
    positions: tuple[PositionRisk, ...]
    prices_usd: Mapping[str, float] = NO_PRICES
    """Coin to USD for every coin the account touches: the venue's price, else the desk's peg."""
    greeks: tuple[CoinGreeks, ...] = ()
    """By base coin, of an account that has options."""
