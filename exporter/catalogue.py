"""Every metric family the exporter publishes, as a table: name, help, type, labels, and where the value is.

`FAMILIES` come from an assessed account and are rendered by `exporter.exposition`; `OWN_FAMILIES` are
about the exporter itself and are kept by `exporter.telemetry`. Documentation, dashboards' and rules' tests
read names and labels from here.

In every family a value that is unknown is absent. Ratios and rates are fractions (0.1 is 10 %).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from exporter.family import (
    ABOVE_ZERO,
    ANY,
    FLAG,
    NOT_NEGATIVE,
    ONE,
    RATE,
    SHARE,
    SHOCK,
    ExtraLabels,
    Family,
    FamilyType,
    Level,
    Range,
    Row,
    RowFamily,
)
from exporter.model import AccountRisk, Asset, CoinGreeks, PoolRisk, PositionRisk


def _prices(risk: AccountRisk) -> Iterable[tuple[str, float]]:
    # The venue's list may hold every coin it trades; of interest are those the account touches.
    quoted = risk.snapshot.prices
    return ((coin, quoted[coin]) for coin in risk.prices_usd if quoted.get(coin, 0.0) > 0.0)


ACCOUNT = Level[AccountRisk]("accounts", lambda risk: (risk,))
POOL = Level[PoolRisk](
    "pools",
    lambda risk: risk.pools,
    {"currency": lambda row: row.pool.key},
)
ASSET = Level[Asset](
    "collateral rows",
    lambda risk: risk.snapshot.assets,
    {"asset": lambda row: row.asset},
)
PRICE = Level[tuple[str, float]]("prices", _prices, {"asset": lambda row: row[0]})
POSITION = Level[PositionRisk](
    "positions",
    lambda risk: risk.positions,
    {
        "symbol": lambda row: row.position.symbol,
        "side": lambda row: row.position.side,
        "margin_mode": lambda row: row.position.margin_mode,
        "currency": lambda row: row.position.contract.settle,
    },
    {"position_id": lambda row: row.position.position_id},
)
# Apart from the positions, so that accounts without options spend no time on families that they do not have.
OPTION = Level[PositionRisk](
    "options",
    lambda risk: [row for row in risk.positions if row.position.option is not None],
    POSITION.labels,
    POSITION.optional,
)
COIN = Level[CoinGreeks]("sums of a coin", lambda risk: risk.greeks, {"base": lambda row: row.base})
LEVELS: tuple[Level[Any], ...] = (ACCOUNT, POOL, ASSET, PRICE, POSITION, OPTION, COIN)

MODE_LABELS = ("position_mode", "asset_mode", "margin_mode", "account_status")
"""Labels of `risk_account_info` besides exchange and account; each where the venue has such a mode."""


def _family(
    level: Level[Row],
    name: str,
    range_: Range,
    help_: str,
    value: Callable[[Row], float | None] | None = None,
    *,
    samples: Callable[[Row], Iterable[tuple[ExtraLabels, float | None]]] | None = None,
    said: Callable[[Row], float | None] | None = None,
    labels: tuple[str, ...] = (),
    optional_labels: tuple[str, ...] = (),
    option: str = "",
) -> RowFamily[Row]:
    return RowFamily(
        name=f"risk_{name}",
        help=help_,
        range=range_,
        level=level,
        labels=("exchange", "account", *level.labels, *labels),
        optional_labels=(*level.optional, *optional_labels),
        value=value,
        samples=samples,
        said=said,
        option=option,
    )


def _by_direction(down: float | None, up: float | None) -> Iterable[tuple[ExtraLabels, float | None]]:
    yield (("direction", "down"),), down
    yield (("direction", "up"),), up


def _stress(row: PoolRisk) -> Iterable[tuple[ExtraLabels, float | None]]:
    for margin_mode, rates in (("cross", row.stress), ("isolated", row.isolated_stress)):
        for shock, rate in rates:
            yield (("margin_mode", margin_mode), ("shock", _shock(shock))), rate


@lru_cache(maxsize=256)  # those of the configuration, for each account
def _shock(shock: float) -> str:
    return f"{shock:.12g}"


def _shifted(grid: Iterable[tuple[float, float, float]]) -> Iterable[tuple[ExtraLabels, float | None]]:
    for shock, shift, value in grid:
        yield (("shock", _shock(shock)), ("volatility_shift", _shock(shift))), value


def _worth(price: float | None, row: PositionRisk) -> float | None:
    # Only an option can be worth nothing.
    return None if price == 0.0 and row.position.option is not None else price


def _strike(row: PositionRisk) -> float | None:
    return None if row.position.option is None else row.position.option.strike


def _expiry(row: PositionRisk) -> float | None:
    return None if row.position.option is None else row.position.option.expires_at


def _greek(name: str) -> Callable[[PositionRisk], float | None]:
    def read(row: PositionRisk) -> float | None:
        found: float | None = None if row.greeks is None else getattr(row.greeks, name)
        return found

    return read


def _margin(row: PositionRisk) -> float | None:
    # A position in profit lives on with less than nothing of its own: funding took it, or its owner did.
    margin = row.position.margin
    return None if margin is not None and margin < 0.0 else margin


def _account_info(row: AccountRisk) -> Iterable[tuple[ExtraLabels, float | None]]:
    yield tuple(sorted(row.snapshot.modes.items())), 1.0


def _position_info(row: PositionRisk) -> Iterable[tuple[ExtraLabels, float | None]]:
    contract = row.position.contract
    labels = (
        ("base", contract.base),
        ("quote", contract.quote),
        ("contract_kind", contract.kind),
        ("liquidation_source", row.liquidation_source),
    )
    option = row.position.option
    yield (labels if option is None else (*labels, ("right", option.right))), 1.0


def _positions(row: AccountRisk) -> float:
    return float(len(row.positions))


def _positions_without_liquidation_price(row: AccountRisk) -> float:
    return float(
        sum(one.liquidation_price is None and one.position.contract.kind != "option" for one in row.positions)
    )


FAMILIES: tuple[RowFamily[Any], ...] = (
    _family(
        POOL,
        "account_equity",
        ANY,
        "Collateral at market prices plus unrealized PnL in units of the currency label, isolated margin "
        "included; negative where losses exceed the collateral; absent where a coin that is held has no "
        "known price.",
        lambda row: row.equity,
    ),
    _family(
        POOL,
        "account_adjusted_equity",
        ANY,
        "The equity as the venue counts it as margin, after its haircuts on collateral, in units of the "
        "currency label; the same as the equity where it makes none; negative where losses exceed it.",
        lambda row: row.adjusted_equity,
    ),
    _family(
        POOL,
        "account_margin_equity",
        ANY,
        "The part of the adjusted equity that backs the cross positions, in units of the currency label; "
        "negative where losses exceed it.",
        lambda row: row.margin_equity,
    ),
    _family(
        POOL,
        "account_equity_usd",
        ANY,
        "Collateral at market prices plus unrealized PnL in US dollars, isolated margin included; negative "
        "where losses exceed the collateral; absent where a coin has no known price.",
        lambda row: row.equity_usd,
    ),
    _family(
        POOL,
        "account_wallet_balance",
        ANY,
        "Collateral without unrealized PnL in units of the currency label; negative is a debt.",
        lambda row: row.pool.wallet_balance,
    ),
    _family(
        POOL,
        "account_available_balance",
        ANY,
        "What can be used for new positions or withdrawn, in units of the currency label, as the venue "
        "reports it; negative only where the venue says so.",
        lambda row: row.pool.available_balance,
    ),
    _family(
        POOL,
        "account_withdrawable_balance",
        NOT_NEGATIVE,
        "What may be moved out of the account, in units of the currency label, as the venue reports it; not "
        "negative.",
        lambda row: row.pool.withdrawable_balance,
    ),
    _family(
        POOL,
        "account_unrealized_pnl",
        ANY,
        "Unrealized profit (positive) or loss (negative) in units of the currency label.",
        lambda row: row.pool.unrealized_pnl,
    ),
    _family(
        POOL,
        "account_initial_margin",
        NOT_NEGATIVE,
        "Margin required to open and hold the positions and orders, in units of the currency label; not "
        "negative.",
        lambda row: row.pool.initial_margin,
    ),
    _family(
        POOL,
        "account_open_order_margin",
        NOT_NEGATIVE,
        "The part of the initial margin that open orders bind, in units of the currency label; not negative.",
        lambda row: row.pool.open_order_margin,
    ),
    _family(
        POOL,
        "account_maintenance_margin",
        NOT_NEGATIVE,
        "Margin the cross positions require to escape liquidation, closing fees not included, in units of "
        "the currency label; not negative.",
        lambda row: row.maintenance_margin,
        said=lambda row: row.pool.maintenance_margin,
    ),
    _family(
        POOL,
        "account_closing_fees",
        NOT_NEGATIVE,
        "Fees for closing the cross positions that the venue requires besides the maintenance margin, in "
        "units of the currency label; not negative; absent where it requires none, or counts them in the "
        "maintenance margin.",
        lambda row: row.closing_fees,
    ),
    _family(
        POOL,
        "account_maintenance_margin_rate",
        RATE,
        "Maintenance margin plus closing fees, divided by margin equity, of the cross positions, as a ratio: "
        "0 is safe, 1 is liquidation, +Inf is no equity left with margin required (of a venue that "
        "liquidates earlier the margin counts more: 1.05 times in Binance Portfolio Margin); not negative; 0 "
        "where all positions are isolated, which have rates of their own.",
        lambda row: row.maintenance_margin_rate,
    ),
    _family(
        POOL,
        "account_venue_margin_rate",
        RATE,
        "The venue's own margin rate as a ratio, turned so that 0 is safe and 1 is liquidation; not "
        "negative; +Inf is no equity left.",
        lambda row: row.pool.venue_margin_rate,
    ),
    _family(
        POOL,
        "account_margin_to_target",
        NOT_NEGATIVE,
        "How much to add, in units of the currency label, until the maintenance margin rate of the cross "
        "positions is at the target (risk.target_rate); 0 if it is not above it; not negative.",
        lambda row: row.margin_to_target,
    ),
    _family(
        POOL,
        "account_reduction_to_target_ratio",
        SHARE,
        "Share of every cross position to close at its mark price until the maintenance margin rate is at "
        "the target (risk.target_rate), as a ratio from 0 (it is not above it) to 1; absent where closing "
        "all of them is not enough.",
        lambda row: row.reduction_to_target,
    ),
    _family(
        POOL,
        "account_gross_notional_usd",
        NOT_NEGATIVE,
        "Sum of the unsigned notionals of all positions at the mark price in US dollars; an option counts "
        "with its unsigned delta times the price of its underlying; not negative.",
        lambda row: row.gross_notional_usd,
    ),
    _family(
        POOL,
        "account_net_notional_usd",
        ANY,
        "Notional of the long positions minus that of the short ones at the mark price in US dollars; an "
        "option counts with its delta times the price of its underlying; negative is net short.",
        lambda row: row.net_notional_usd,
    ),
    _family(
        POOL,
        "account_leverage_ratio",
        NOT_NEGATIVE,
        "Gross notional divided by equity at market prices as a ratio; not negative; absent without positive "
        "equity.",
        lambda row: row.leverage_ratio,
    ),
    _family(
        POOL,
        "account_liquidation_shock_ratio",
        SHOCK,
        "Smallest relative move of all coins' prices in US dollars in the given direction, stable and pegged "
        "coins standing still, that is known to liquidate anything in the currency: the cross positions or "
        "an isolated one; as a ratio; not negative; 0 is liquidation; absent if no fall up to 100 % or rise "
        "up to 1000 % does.",
        samples=lambda row: _by_direction(row.liquidation_shock_down, row.liquidation_shock_up),
        labels=("direction",),
    ),
    _family(
        POOL,
        "account_cross_liquidation_shock_ratio",
        SHOCK,
        "The same move for the cross positions alone: the one that takes their maintenance margin rate to 1, "
        "as a ratio; not negative; 0 is liquidation; absent if no fall up to 100 % or rise up to 1000 % "
        "does, or that is not known.",
        samples=lambda row: _by_direction(row.cross_liquidation_shock_down, row.cross_liquidation_shock_up),
        labels=("direction",),
    ),
    _family(
        POOL,
        "account_stress_maintenance_margin_rate",
        RATE,
        "Maintenance margin rate as a ratio if all coins' prices in US dollars moved by the relative amount "
        "in the shock label, stable and pegged coins standing still: of the cross positions (margin_mode "
        "cross, absent where the currency has isolated ones only), and of the worst isolated position "
        "(margin_mode isolated); 1 and more is liquidation; +Inf is no equity left; not negative.",
        samples=_stress,
        labels=("margin_mode", "shock"),
        option="risk.shocks",
    ),
    _family(
        POOL,
        "account_volatility_stress_maintenance_margin_rate",
        RATE,
        "Maintenance margin rate of the cross positions of a currency with options, as a ratio, after such a "
        "shock (0 is today's prices) and a move of the implied volatility of all options by the fraction in "
        "the volatility_shift label (0.1 is ten percentage points); absent in portfolio margin, where the "
        "venue alone knows what it would require; +Inf is no equity left; not negative.",
        samples=lambda row: _shifted(row.volatility_stress),
        labels=("shock", "volatility_shift"),
        option="risk.volatility_shifts",
    ),
    _family(
        POOL,
        "account_stress_equity_usd",
        ANY,
        "Equity in US dollars of a currency with options, if all coins' prices in US dollars moved by the "
        "relative amount in the shock label, stable and pegged coins standing still, and the implied "
        "volatility of all options by the fraction in the volatility_shift label; options are valued by "
        "Black's formula of 1976; negative where losses exceed the collateral.",
        samples=lambda row: _shifted(row.stress_equity),
        labels=("shock", "volatility_shift"),
        option="risk.shocks",
    ),
    _family(
        COIN,
        "account_delta_usd",
        ANY,
        "Value in US dollars of the coins that would win and lose as much as the account's positions in the "
        "base coin, futures and options; collateral is not counted; negative is short; only of accounts that "
        "have options; absent where the delta or a price of one of the positions is not known.",
        lambda row: row.delta_usd,
    ),
    _family(
        COIN,
        "account_gamma_usd",
        ANY,
        "US dollars by which that delta changes if the base coin rises by one percent, at its price of "
        "today; negative where a rise makes the account shorter.",
        lambda row: row.gamma_usd,
    ),
    _family(
        COIN,
        "account_vega_usd",
        ANY,
        "US dollars that the options on the base coin win if their implied volatility rises by one "
        "percentage point; negative where they lose.",
        lambda row: row.vega_usd,
    ),
    _family(
        COIN,
        "account_theta_usd",
        ANY,
        "US dollars that the options on the base coin win in one day that passes; negative where they lose.",
        lambda row: row.theta_usd,
    ),
    _family(
        ACCOUNT,
        "account_info",
        ONE,
        "Modes of the account, and what state the venue says it is in, as labels; the value is always 1.",
        samples=_account_info,
        optional_labels=MODE_LABELS,
    ),
    _family(
        ASSET,
        "asset_wallet_balance",
        ANY,
        "Collateral held in one coin, without unrealized PnL, in units of the asset label; negative is a "
        "debt.",
        lambda row: row.wallet_balance,
    ),
    _family(
        ASSET,
        "asset_equity",
        ANY,
        "Collateral held in one coin plus unrealized PnL, in units of the asset label; negative is a debt.",
        lambda row: row.equity,
    ),
    _family(
        PRICE,
        "asset_price_usd",
        ABOVE_ZERO,
        "Price of one coin in US dollars as the venue quotes it, above 0; absent where it quotes none, also "
        "for a coin with a configured peg.",
        lambda row: row[1],
    ),
    _family(
        POSITION,
        "position_quantity",
        ABOVE_ZERO,
        "Size in the venue's units (base units or contracts), unsigned and above 0; the side is a label.",
        lambda row: row.position.quantity,
    ),
    _family(
        POSITION,
        "position_notional_usd",
        NOT_NEGATIVE,
        "Value at the mark price in US dollars, unsigned; absent of options, which have a value and a delta.",
        lambda row: row.notional_usd,
    ),
    _family(
        POSITION,
        "position_largest_notional",
        NOT_NEGATIVE,
        "The largest notional that the leverage set allows, unsigned, in units of the currency label.",
        lambda row: row.position.largest_notional,
    ),
    _family(
        POSITION,
        "position_entry_price",
        ABOVE_ZERO,
        "Average entry price in the contract's quote currency, of an option in units of the currency label "
        "for one unit of base; above 0.",
        lambda row: row.position.entry_price,
    ),
    _family(
        POSITION,
        "position_mark_price",
        ABOVE_ZERO,
        "Mark price in the contract's quote currency, of an option in units of the currency label for one "
        "unit of base; above 0; absent of an option that is worth nothing.",
        lambda row: _worth(row.mark_price, row),
        said=lambda row: _worth(row.position.mark_price, row),
    ),
    _family(
        POSITION,
        "position_liquidation_price",
        ABOVE_ZERO,
        "Mark price at which the position is liquidated, in the contract's quote currency; above 0; absent "
        "where no price liquidates or it is not known, and of options. One above 10,000 times the mark "
        "price, or below a billionth of it, is none, whoever says it.",
        lambda row: row.liquidation_price,
    ),
    _family(
        POSITION,
        "position_liquidation_distance_ratio",
        ANY,
        "Relative move of the mark price, against the position, that reaches the liquidation price: 0 is "
        "there, negative is past it. Both legs of a hedged pair have the distance of the net.",
        lambda row: row.liquidation_distance_ratio,
    ),
    _family(
        POSITION,
        "position_liquidation_cross_check_ratio",
        ANY,
        "Computed liquidation price minus the venue's, divided by the venue's, as a ratio; negative where "
        "the computed one is lower.",
        lambda row: row.liquidation_cross_check_ratio,
        option="risk.cross_check",
    ),
    _family(
        POSITION,
        "position_unrealized_pnl",
        ANY,
        "Unrealized profit (positive) or loss (negative) in units of the currency label.",
        lambda row: row.unrealized_pnl,
    ),
    _family(
        POSITION,
        "position_realized_pnl",
        ANY,
        "Realized profit (positive) or loss (negative) of the position in units of the currency label, as "
        "the venue reports it.",
        lambda row: row.position.realized_pnl,
    ),
    _family(
        POSITION,
        "position_funding_rate",
        ANY,
        "Rate of the next funding as a ratio of the notional: positive is paid by longs to shorts, negative "
        "by shorts to longs.",
        lambda row: row.position.funding_rate,
    ),
    _family(
        POSITION,
        "position_next_funding_timestamp_seconds",
        ABOVE_ZERO,
        "When the next funding is due, in Unix seconds; above 0.",
        lambda row: row.position.next_funding_at,
    ),
    _family(
        POSITION,
        "position_accrued_funding",
        ANY,
        "Funding received (positive) or paid (negative), or due at the next funding, in units of the "
        "currency label, as the venue reports it.",
        lambda row: row.position.accrued_funding,
    ),
    _family(
        POSITION,
        "position_leverage_ratio",
        ABOVE_ZERO,
        "Leverage set for the position as a ratio (20 is 20x); above 0.",
        lambda row: row.position.leverage,
    ),
    _family(
        POSITION,
        "position_initial_margin",
        NOT_NEGATIVE,
        "Margin required to open the position, in units of the currency label; not negative.",
        lambda row: row.position.initial_margin,
    ),
    _family(
        POSITION,
        "position_maintenance_margin",
        NOT_NEGATIVE,
        "Margin required to escape liquidation, the closing fee not included, in units of the currency "
        "label; not negative.",
        lambda row: row.maintenance_margin,
        said=lambda row: row.position.maintenance_margin,
    ),
    _family(
        POSITION,
        "position_closing_fee",
        NOT_NEGATIVE,
        "Fee for closing the position at the mark price that the venue requires besides the maintenance "
        "margin, in units of the currency label; not negative; absent where it requires none, or counts it "
        "in the maintenance margin.",
        lambda row: row.closing_fee,
    ),
    _family(
        POSITION,
        "position_maintenance_margin_rate",
        RATE,
        "Maintenance margin plus closing fee of an isolated position, divided by its own collateral plus "
        "unrealized PnL, as a ratio: 0 is safe, 1 is liquidation, +Inf is no collateral left; not negative; "
        "absent for positions that the cross wallet backs.",
        lambda row: row.maintenance_margin_rate,
    ),
    _family(
        POSITION,
        "position_margin",
        NOT_NEGATIVE,
        "Collateral of an isolated position in units of the currency label, unrealized PnL not included; not "
        "negative; absent where funding or a withdrawn profit took more than was put in: the rate counts it.",
        _margin,
    ),
    _family(
        POSITION,
        "position_margin_to_target",
        NOT_NEGATIVE,
        "How much to add to an isolated position, in units of the currency label, until its maintenance "
        "margin rate is at the target (risk.target_rate); 0 if it is not above it; not negative.",
        lambda row: row.margin_to_target,
    ),
    _family(
        POSITION,
        "position_reduction_to_target_ratio",
        SHARE,
        "Share of an isolated position to close at the mark price, as much of its collateral going with it, "
        "until its maintenance margin rate is at the target (risk.target_rate), as a ratio from 0 (it is not "
        "above it) to 1 (a smaller position would have no lower rate: add margin, or close all of it).",
        lambda row: row.reduction_to_target,
    ),
    _family(
        POSITION,
        "position_adl_ratio",
        SHARE,
        "Place in the venue's auto-deleveraging queue as a ratio from 0 (last) to 1 (first).",
        lambda row: row.position.adl_ratio,
    ),
    _family(
        POSITION,
        "position_info",
        ONE,
        "Contract of the position (contract_kind linear, inverse or option, and call or put as right of an "
        "option) and where its liquidation price comes from (venue or computed; none if no price liquidates, "
        "and of options; unknown if that cannot be told), as labels; the value is always 1.",
        samples=_position_info,
        labels=("base", "quote", "contract_kind", "liquidation_source"),
        optional_labels=("right",),
    ),
    _family(
        OPTION,
        "position_option_value_usd",
        ANY,
        "Value of a position in options at the mark price in US dollars; negative of a short one.",
        lambda row: row.option_value_usd,
    ),
    _family(
        OPTION,
        "position_strike_price",
        ABOVE_ZERO,
        "Strike of an option in the contract's quote currency; above 0.",
        _strike,
    ),
    _family(
        OPTION,
        "position_expiry_timestamp_seconds",
        ABOVE_ZERO,
        "When an option expires, in Unix seconds; above 0.",
        _expiry,
    ),
    _family(
        OPTION,
        "position_underlying_price",
        ABOVE_ZERO,
        "Price that an option is valued against, in the contract's quote currency: that of a future of the "
        "same expiry, as the venue tells, else of the coin; above 0.",
        _greek("underlying_price"),
    ),
    _family(
        OPTION,
        "position_implied_volatility",
        ABOVE_ZERO,
        "Implied volatility of an option at its mark price, a year's, as a ratio (0.6 is 60 %); above 0.",
        _greek("implied_volatility"),
    ),
    _family(
        OPTION,
        "position_delta",
        ANY,
        "Delta of a position in options, in units of the base coin: what it wins if the price of its "
        "underlying rises by one; negative where it loses. The venue's, else by Black's formula of 1976.",
        _greek("delta"),
    ),
    _family(
        OPTION,
        "position_delta_usd",
        ANY,
        "Delta of a position in options times the price of its underlying in US dollars: the value of the "
        "coins that win and lose as much; negative is short the coin.",
        lambda row: row.delta_usd,
    ),
    _family(
        OPTION,
        "position_gamma",
        ANY,
        "Change of the delta of a position in options, in units of the base coin, if the price of its "
        "underlying rises by one; negative of a short one.",
        _greek("gamma"),
    ),
    _family(
        OPTION,
        "position_vega",
        ANY,
        "What a position in options wins if the implied volatility rises by one percentage point, in the "
        "contract's quote currency; negative of a short one.",
        _greek("vega"),
    ),
    _family(
        OPTION,
        "position_theta",
        ANY,
        "What a position in options wins in one day that passes, in the contract's quote currency; negative "
        "of a long one.",
        _greek("theta"),
    ),
    _family(
        ACCOUNT,
        "positions",
        NOT_NEGATIVE,
        "Number of open positions that the venue lists; not negative.",
        _positions,
    ),
    _family(
        ACCOUNT,
        "positions_without_liquidation_price",
        NOT_NEGATIVE,
        "Number of open positions, options not counted, for which neither the venue nor the exporter has a "
        "liquidation price; not negative.",
        _positions_without_liquidation_price,
    ),
)


def _own(
    type_: FamilyType,
    name: str,
    help_: str,
    labels: tuple[str, ...] = (),
    *,
    optional_labels: tuple[str, ...] = (),
    range_: Range = NOT_NEGATIVE,
) -> Family:
    return Family(
        name=f"risk_{name}",
        help=help_,
        range=range_,
        type=type_,
        labels=labels,
        optional_labels=optional_labels,
    )


_ACCOUNT = ("exchange", "account")

UP = _own(
    "gauge",
    "up",
    "1 if the last collection of the account succeeded, 0 if it failed or none has finished yet.",
    _ACCOUNT,
    range_=FLAG,
)
LAST_SUCCESS = _own(
    "gauge",
    "collector_last_success_timestamp_seconds",
    "When the last successful collection of the account began, in Unix seconds; absent before the first.",
    _ACCOUNT,
    range_=ABOVE_ZERO,
)
OWNER_INFO = _own(
    "gauge",
    "account_owner_info",
    "Whose the account is, as configured, as labels; the value is always 1.",
    _ACCOUNT,
    optional_labels=("desk", "owner"),
    range_=ONE,
)
LIMIT = _own(
    "gauge",
    "account_limit",
    "When somebody is told about the account, as configured or by default: the limit of that name, of this "
    "severity where it has several; above 0 but for min_notional_usd.",
    (*_ACCOUNT, "limit"),
    optional_labels=("severity",),
)
KEY_PERMISSION = _own(
    "gauge",
    "api_key_permission",
    "1 if the account's API key may do that (read, trade, transfer inside the venue, withdraw), 0 if not, as "
    "the venue tells; absent where it does not, or cannot be asked.",
    (*_ACCOUNT, "permission"),
    range_=FLAG,
)
KEY_IP_RESTRICTED = _own(
    "gauge",
    "api_key_ip_restricted",
    "1 if the account's API key is of use from some addresses alone, 0 if from everywhere; absent where the "
    "venue does not tell.",
    _ACCOUNT,
    range_=FLAG,
)
KEY_EXPIRY = _own(
    "gauge",
    "api_key_expiry_timestamp_seconds",
    "When the account's API key expires, in Unix seconds; absent where it does not, or the venue does not "
    "tell.",
    _ACCOUNT,
    range_=ABOVE_ZERO,
)
INTERVAL = _own(
    "gauge",
    "collector_interval_seconds",
    "Configured time from the start of one collection of the account to the next, in seconds.",
    _ACCOUNT,
    range_=ABOVE_ZERO,
)
MAX_AGE = _own(
    "gauge",
    "collector_max_age_seconds",
    "Age in seconds from which the account's data are no longer published: as configured, or by default "
    "three times the interval at which the account is really collected.",
    _ACCOUNT,
    range_=ABOVE_ZERO,
)
RUNS = _own("counter", "collector_runs_total", "Finished collections of the account.", _ACCOUNT)
ERRORS = _own(
    "counter", "collector_errors_total", "Failed collections of the account by reason.", (*_ACCOUNT, "reason")
)
OPTIONAL_ERRORS = _own(
    "counter",
    "collector_optional_errors_total",
    "Failed requests without which a collection of the account went on; some of its series are absent.",
    _ACCOUNT,
)
SKIPPED_RUNS = _own(
    "counter",
    "collector_skipped_runs_total",
    "Collections of the account that were due and not started because the one before still ran.",
    _ACCOUNT,
)
DURATION = _own(
    "histogram",
    "collector_duration_seconds",
    "Duration of finished collections, failed ones included, in seconds.",
    ("exchange",),
)
API_REQUESTS = _own(
    "counter",
    "api_requests_total",
    "Requests to the venue by HTTP status, or by what happened where there is none.",
    ("exchange", "endpoint", "status"),
)
API_REQUEST_DURATION = _own(
    "histogram",
    "api_request_duration_seconds",
    "Duration of requests to the venue, failed ones included, in seconds.",
    ("exchange",),
)
API_RATE_LIMIT_USED = _own(
    "gauge",
    "api_rate_limit_used_ratio",
    "Used share of the venue's request budget as a ratio, as its last answer told; above 1 is beyond it.",
    ("exchange",),
)
API_CLOCK_OFFSET = _own(
    "gauge",
    "api_clock_offset_seconds",
    "The venue's clock minus the exporter's when last measured, in seconds; negative is behind.",
    ("exchange",),
    range_=ANY,
)
API_BLOCKED_UNTIL = _own(
    "gauge",
    "api_blocked_until_timestamp_seconds",
    "Time until which the venue refuses requests, in Unix seconds; in the past once it is over. No more than "
    "3 days are believed, and one request finds out after 5 minutes and at growing intervals if it is over.",
    ("exchange",),
    range_=ABOVE_ZERO,
)
MARKS_LAST_SUCCESS = _own(
    "gauge",
    "marks_last_success_timestamp_seconds",
    "When the mark prices of the venue were last asked for with success, in Unix seconds, by the way to it "
    "that is oldest; absent before the first time, and where they are not asked for between collections.",
    ("exchange",),
    range_=ABOVE_ZERO,
)
MARKS_INTERVAL = _own(
    "gauge",
    "marks_interval_seconds",
    "Configured time from one call for the mark prices of the venue to the next, in seconds; absent where "
    "they are not asked for between collections.",
    ("exchange",),
    range_=ABOVE_ZERO,
)
SUB_ACCOUNTS = _own(
    "gauge",
    "collector_sub_accounts",
    "Sub-accounts that the venue listed last below the account, each of which is an account of its own here; "
    "absent before the first list, and where they are not asked for.",
    _ACCOUNT,
)
SUB_ACCOUNTS_UP = _own(
    "gauge",
    "collector_sub_accounts_up",
    "1 if the venue answered with the sub-accounts of the account when last asked, 0 if not, so that those "
    "listed before stay and new ones are unseen; absent where they are not asked for.",
    _ACCOUNT,
    range_=FLAG,
)
EFFECTIVE_INTERVAL = _own(
    "gauge",
    "collector_effective_interval_seconds",
    "Time from the start of one collection of the account to the next, in seconds: the configured one, "
    "stretched where the accounts behind an address do not fit into a request limit.",
    _ACCOUNT,
)
NEXT_ATTEMPT = _own(
    "gauge",
    "collector_next_attempt_timestamp_seconds",
    "When the next collection of an account is tried that failed several times for this reason and is tried "
    "less often, in Unix seconds; absent for all others.",
    (*_ACCOUNT, "reason"),
)
_BUDGET = ("budget", "address")
BUDGET_LIMIT = _own(
    "gauge", "budget_limit_per_minute", "Weight a minute that the venue allows an address.", _BUDGET
)
BUDGET_ALLOWED = _own(
    "gauge",
    "budget_allowed_per_minute",
    "Weight a minute that the exporter plans with: its share of the limit, and less while others behind the "
    "address use more than the rest.",
    _BUDGET,
)
BUDGET_NEEDED = _own(
    "gauge",
    "budget_needed_per_minute",
    "Weight a minute that the accounts of this address would take at their configured intervals.",
    _BUDGET,
)
BUDGET_USED = _own(
    "gauge", "budget_used_per_minute", "Weight a minute that the exporter sent in the last minute.", _BUDGET
)
BUDGET_OTHERS = _own(
    "gauge",
    "budget_others_per_minute",
    "Weight a minute that others behind the address use, by what the venue tells; 0 where it tells nothing.",
    _BUDGET,
)
BUDGET_FREE = _own(
    "gauge", "budget_free_weight", "Weight that the exporter could send at this moment.", _BUDGET
)
BUDGET_WAITING = _own(
    "gauge", "budget_waiting", "Collections and calls that wait for their part of the request limit.", _BUDGET
)
BUDGET_WAITED = _own(
    "counter",
    "budget_wait_seconds_total",
    "Seconds that collections and calls waited for their part of the request limit.",
    _BUDGET,
)
BUDGET_STRETCH = _own(
    "gauge",
    "budget_stretch_ratio",
    "Interval at which the accounts of this address are collected / the configured one, as a ratio; 1 where "
    "they fit.",
    _BUDGET,
)
SATURATION = _own(
    "gauge",
    "exporter_saturation_ratio",
    "Part of the last seconds in which the event loop was at work or held up, as a ratio from 0: near 1 one "
    "process can do no more here, and all accounts are collected less often.",
    range_=SHARE,
)
EVENT_LOOP_DELAY = _own(
    "histogram",
    "exporter_event_loop_delay_seconds",
    "How much later than asked the event loop did something, in seconds, looked at ten times a second.",
)
COLLECTIONS_WAITING = _own(
    "gauge",
    "exporter_collections_waiting",
    "Collections that are due and wait for the process to get to them.",
)
COLLECTIONS_WAITED = _own(
    "counter",
    "exporter_collections_wait_seconds_total",
    "Seconds that collections waited for the process to get to them.",
)
REQUESTS_WAITING = _own(
    "gauge",
    "exporter_requests_waiting",
    "Requests that wait for a connection: more are on their way to the host than it may have at once.",
)
CONFIG_RELOAD_SUCCESSFUL = _own(
    "gauge",
    "exporter_config_last_reload_successful",
    "1 if the configuration that was read last is in use, 0 if it could not be and the one before goes on.",
)
CONFIG_RELOAD_SUCCESS = _own(
    "gauge",
    "exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in use was read, in Unix seconds.",
)
CONFIG_INFO = _own(
    "gauge",
    "exporter_config_info",
    "Hash of the configuration in use, without its secrets, as a label; the value is always 1.",
    ("hash",),
)
WEB_CONFIG_RELOAD_SUCCESSFUL = _own(
    "gauge",
    "exporter_web_config_last_reload_successful",
    "1 if the file of --web.config.file that was read last is in use, 0 if it could not be and the lock "
    "before goes on. Absent without such a file.",
)
WEB_CONFIG_RELOAD_SUCCESS = _own(
    "gauge",
    "exporter_web_config_last_reload_success_timestamp_seconds",
    "When the lock in use was read, in Unix seconds. Absent without one.",
)
SHARD_INFO = _own(
    "gauge",
    "exporter_shard_info",
    "Which shard of how many this exporter is, counted from 0, as labels; the value is always 1. Absent "
    "without shards.",
    ("index", "count"),
    range_=ONE,
)
SHARDS = _own(
    "gauge",
    "exporter_shards",
    "How many exporters share the accounts of the configuration, as this one was told; absent without "
    "shards.",
)
BUILD_INFO = _own(
    "gauge",
    "exporter_build_info",
    "Version of the exporter, the revision that it was built from (unknown in a clone) and the version of "
    "Python as labels; the value is always 1.",
    ("version", "revision", "python_version"),
    range_=ONE,
)

OWN_FAMILIES: tuple[Family, ...] = (
    UP,
    OWNER_INFO,
    LIMIT,
    KEY_PERMISSION,
    KEY_IP_RESTRICTED,
    KEY_EXPIRY,
    LAST_SUCCESS,
    INTERVAL,
    MAX_AGE,
    RUNS,
    ERRORS,
    OPTIONAL_ERRORS,
    SKIPPED_RUNS,
    DURATION,
    API_REQUESTS,
    API_REQUEST_DURATION,
    API_RATE_LIMIT_USED,
    API_CLOCK_OFFSET,
    API_BLOCKED_UNTIL,
    MARKS_LAST_SUCCESS,
    MARKS_INTERVAL,
    SUB_ACCOUNTS,
    SUB_ACCOUNTS_UP,
    SATURATION,
    EVENT_LOOP_DELAY,
    COLLECTIONS_WAITING,
    COLLECTIONS_WAITED,
    REQUESTS_WAITING,
    CONFIG_RELOAD_SUCCESSFUL,
    CONFIG_RELOAD_SUCCESS,
    CONFIG_INFO,
    WEB_CONFIG_RELOAD_SUCCESSFUL,
    WEB_CONFIG_RELOAD_SUCCESS,
    SHARD_INFO,
    SHARDS,
    BUILD_INFO,
    EFFECTIVE_INTERVAL,
    NEXT_ATTEMPT,
    BUDGET_LIMIT,
    BUDGET_ALLOWED,
    BUDGET_NEEDED,
    BUDGET_USED,
    BUDGET_OTHERS,
    BUDGET_FREE,
    BUDGET_WAITING,
    BUDGET_WAITED,
    BUDGET_STRETCH,
)

ALL_FAMILIES: tuple[Family, ...] = FAMILIES + OWN_FAMILIES
