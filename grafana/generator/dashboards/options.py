"""The options of an account: what they would be worth at other prices, and how their value changes."""

from __future__ import annotations

from typing import Final

from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import Panel
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.shared import CAPPED, ONE, STRESS_SCALE, capped
from grafana.generator.dashboards.tables import Column, matrix, table
from grafana.generator.promql import POOL, POSITION

_OPTIONS_ALONE: Final = " Only of currencies in which there are options."


def options() -> list[Panel]:
    """What the account would be worth, its greeks, and each position."""
    return [
        _stress_equity(),
        p.graph(
            "Delta",
            "Value in US dollars of the coins that would win and lose as much as the positions, futures and "
            "options together, by base coin; negative is short. Collateral is not counted.",
            [Query(ONE.once("risk_account_delta_usd", "base"), "{{base}}")],
            p.USD,
        ),
        p.graph(
            "Gamma",
            "US dollars by which the delta changes if the coin rises by one percent.",
            [Query(ONE.once("risk_account_gamma_usd", "base"), "{{base}}")],
            p.USD,
        ),
        p.graph(
            "Vega and theta",
            "US dollars won by one more percentage point of implied volatility, and by one day that passes.",
            [
                Query(ONE.once("risk_account_vega_usd", "base"), "{{base}} vega"),
                Query(ONE.once("risk_account_theta_usd", "base"), "{{base}} theta"),
            ],
            p.USD,
        ),
        _volatility_stress(),
        _options_table(),
    ]


def _stress_equity() -> Panel:
    equity = ONE.once("risk_account_stress_equity_usd", f"{POOL}, volatility_shift, shock")
    named = f'label_join({equity}, "pool", " ", "currency", "volatility_shift", "account", "exchange")'
    return matrix(
        "Value over shocks: equity in US dollars if all coins moved by",
        "Equity of the currency, options valued anew, if all coins but stable ones moved by what stands "
        "above the column (-0.1 is a fall by 10 %, 0 is now) and the implied volatility of all options by "
        "what stands behind the currency (0.1 is ten percentage points up, 0 is held). The moves are those "
        "of risk.shocks and risk.volatility_shifts." + _OPTIONS_ALONE,
        named,
        p.USD,
        p.falling((t.STRESS_NO_EQUITY, p.RED)),
        row=("pool", "Currency and volatility"),
        column="shock",
        height=7,
    )


def _volatility_stress() -> Panel:
    rate = ONE.once(
        "risk_account_volatility_stress_maintenance_margin_rate", f"{POOL}, volatility_shift, shock"
    )
    named = f'label_join({capped(rate)}, "pool", " ", "currency", "volatility_shift", "account", "exchange")'
    return matrix(
        "Stress with volatility: margin rate if all coins moved by",
        "The maintenance margin rate of the cross positions after a move of all coins and of the implied "
        "volatility, as above; 100 % is liquidation. Not known in portfolio margin."
        + _OPTIONS_ALONE
        + CAPPED,
        named,
        p.RATIO,
        STRESS_SCALE,
        row=("pool", "Currency and volatility"),
        column="shock",
        mappings=[p.at_least(2, "≥ 200 %")],
        height=7,
    )


def _options_table() -> Panel:
    def of(metric: str) -> str:
        return ONE.once(metric, POSITION)

    return table(
        "Options",
        "Positions in options, the largest value first. Value is in US dollars, delta in coins; vega is for "
        "one percentage point of implied volatility, theta for one day, both in the currency of the strike.",
        {"symbol": "Symbol", "side": "Side", "margin_mode": "Margin", "position_id": "Position"},
        [
            Column("Value", f"sort_desc({of('risk_position_option_value_usd')})", p.USD),
            Column("Strike", of("risk_position_strike_price"), p.PRICE),
            Column("Expires", f"1000 * {of('risk_position_expiry_timestamp_seconds')}", p.WHEN),
            Column("Underlying", of("risk_position_underlying_price"), p.PRICE),
            Column("Volatility", of("risk_position_implied_volatility"), p.RATIO),
            Column("Delta", of("risk_position_delta"), p.AMOUNT),
            Column("Gamma", of("risk_position_gamma"), p.PRICE),
            Column("Vega", of("risk_position_vega"), p.AMOUNT),
            Column("Theta", of("risk_position_theta"), p.AMOUNT),
        ],
        sort_by=None,
        hidden=["exchange", "account", "currency"],
        height=8,
    )
