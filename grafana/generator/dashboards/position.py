"""The Position dashboard: how near is the position to its liquidation?"""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, SYMBOL, Panel, build
from grafana.generator.dashboards.panels import Column, Query
from grafana.generator.dashboards.shared import (
    ADL_STEPS,
    CAPPED,
    DISTANCE_STEPS,
    POSITION_LEGEND,
    PROJECTED_STEPS,
    RATE_STEPS,
    SIGMA_STEPS,
    capped,
    of_positions,
    of_symbols,
)
from grafana.generator.promql import POSITION


def position() -> Dashboard:
    return build(
        "Risk / Position",
        links.POSITION_UID,
        "How near is this position to its liquidation, and how fast does it get there?",
        [EXCHANGE, ACCOUNT, SYMBOL],
        {"Distance": _distance(), "Size, profit and margin": _size()},
    )


def _distance() -> list[Panel]:
    return [
        p.graph(
            "Price against liquidation price",
            "Mark price, liquidation price and entry price in the contract's quote currency. Select "
            "one symbol: prices of several do not fit one axis.",
            [
                Query(of_positions("risk_position_mark_price"), POSITION_LEGEND + " mark"),
                Query(of_positions("risk_position_liquidation_price"), POSITION_LEGEND + " liquidation"),
                Query(of_positions("risk_position_entry_price"), POSITION_LEGEND + " entry"),
            ],
            p.PLAIN,
            width=24,
            height=11,
        ),
        p.graph(
            "Liquidation distance",
            "Relative move of the mark, against the position, that reaches the liquidation price; 0 "
            "is there, negative is past it.",
            [Query(of_positions("risk_position_liquidation_distance_ratio"), POSITION_LEGEND)],
            p.RATIO,
            steps=DISTANCE_STEPS,
        ),
        p.graph(
            "Liquidation distance in sigmas",
            "The same in standard deviations of a day's move. Absent until half an hour of marks was seen.",
            [Query(of_positions("risk:position:liquidation_distance_sigmas:day"), POSITION_LEGEND)],
            p.PLAIN,
            steps=SIGMA_STEPS,
            minimum=0,
        ),
        p.graph(
            "Projected time to liquidation",
            "At the slower of the speeds over 5 and 15 minutes. A gap: the position does not approach, "
            f"or is farther than {t.LIQUIDATION_PROJECTED_WITHIN.value * 100:g} % away.",
            [
                Query(
                    f"{of_positions('risk:position:liquidation_time_seconds:projected')} < 7 * 86400",
                    POSITION_LEGEND,
                )
            ],
            p.SECONDS,
            steps=PROJECTED_STEPS,
            minimum=0,
        ),
        p.graph(
            "Speed of approach",
            "Change of the liquidation distance per hour, over 15 minutes; negative is approaching.",
            [
                Query(
                    f"3600 * {of_positions('risk:position:liquidation_distance_ratio:deriv15m')}",
                    POSITION_LEGEND,
                )
            ],
            p.RATIO,
        ),
        p.graph(
            "Volatility",
            "Standard deviation of 5-minute returns of the scraped marks, scaled to an hour and to a day.",
            [
                Query(
                    of_symbols("risk:symbol:mark_price_volatility:hour"),
                    "{{exchange}} {{symbol}} hour",
                ),
                Query(
                    of_symbols("risk:symbol:mark_price_volatility:day"),
                    "{{exchange}} {{symbol}} day",
                ),
            ],
            p.RATIO,
            minimum=0,
        ),
        p.graph(
            "Computed against the venue's liquidation price",
            "Relative difference of the exporter's own liquidation price from the venue's. Far from 0: one "
            "of them knows something that the other does not. Only with risk.cross_check.",
            [Query(of_positions("risk_position_liquidation_cross_check_ratio"), POSITION_LEGEND)],
            p.RATIO,
        ),
        p.graph(
            "Funding rate",
            "Of the next funding, as a share of the notional; positive is paid by longs to shorts.",
            [Query(of_positions("risk_position_funding_rate"), POSITION_LEGEND)],
            p.RATIO,
            width=12,
        ),
        p.graph(
            "Auto-deleveraging queue",
            "Place in the venue's queue from 0 (last) to 100 % (first).",
            [Query(of_positions("risk_position_adl_ratio"), POSITION_LEGEND)],
            p.RATIO,
            steps=ADL_STEPS,
            minimum=0,
            soft_maximum=1,
            width=12,
        ),
    ]


def _joined(metric: str) -> str:
    # Without the metric's name, or Grafana would not join the rows.
    return f"max by ({POSITION}) ({of_positions(metric)})"


def _size() -> list[Panel]:
    return [
        p.graph(
            "Profit and loss",
            "Unrealized and realized profit and loss in the settlement currency.",
            [
                Query(
                    of_positions("risk_position_unrealized_pnl"),
                    POSITION_LEGEND + " {{currency}} unrealized",
                ),
                Query(of_positions("risk_position_realized_pnl"), POSITION_LEGEND + " {{currency}} realized"),
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Margin",
            "Margin and fees required to keep and to open the position, and the collateral of an isolated "
            "one, in the settlement currency.",
            [
                Query(of_positions("risk_position_maintenance_margin"), POSITION_LEGEND + " maintenance"),
                Query(of_positions("risk_position_closing_fee"), POSITION_LEGEND + " closing fee"),
                Query(of_positions("risk_position_initial_margin"), POSITION_LEGEND + " initial"),
                Query(of_positions("risk_position_margin"), POSITION_LEGEND + " collateral"),
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Maintenance margin rate of isolated positions",
            "Requirement / own collateral; 100 % is liquidation. Cross positions share the pool's rate."
            + CAPPED,
            [Query(capped(of_positions("risk_position_maintenance_margin_rate")), POSITION_LEGEND)],
            p.RATIO,
            steps=RATE_STEPS,
            minimum=0,
        ),
        p.table(
            "The way back of isolated positions",
            "What takes the maintenance margin rate down to the target (risk.target_rate, 50 % unless "
            "configured): money to add, in the settlement currency, or the share to close if the collateral "
            "that becomes free stays in the position. No share: closing all is not enough, or it is not "
            "known.",
            {
                "symbol": "Symbol",
                "exchange": "Exchange",
                "account": "Account",
                "side": "Side",
                "currency": "Currency",
                "position_id": "Position",
            },
            [
                Column("Rate", capped(_joined("risk_position_maintenance_margin_rate")), p.RATIO, RATE_STEPS),
                Column("To add", _joined("risk_position_margin_to_target"), p.AMOUNT),
                Column("To close", _joined("risk_position_reduction_to_target_ratio"), p.RATIO),
            ],
            sort_by="Rate",
            descending=True,
            height=6,
        ),
        p.graph(
            "Notional",
            "Value of the position at the mark price in US dollars, unsigned.",
            [Query(of_positions("risk_position_notional_usd"), POSITION_LEGEND)],
            p.USD,
        ),
        p.graph(
            "Largest notional",
            "The largest notional that the leverage set allows, in the settlement currency.",
            [Query(of_positions("risk_position_largest_notional"), POSITION_LEGEND)],
            p.AMOUNT,
        ),
        p.graph(
            "Accrued funding",
            "Funding received (positive) or paid, in the settlement currency, where the venue tells it.",
            [Query(of_positions("risk_position_accrued_funding"), POSITION_LEGEND)],
            p.AMOUNT,
        ),
        p.graph(
            "Quantity",
            "Size in the venue's units: base units or contracts.",
            [Query(of_positions("risk_position_quantity"), POSITION_LEGEND)],
            p.AMOUNT,
            width=12,
        ),
        p.graph(
            "Leverage set",
            "The leverage set for the position.",
            [Query(of_positions("risk_position_leverage_ratio"), POSITION_LEGEND)],
            p.PLAIN,
            minimum=0,
            width=12,
        ),
        p.table(
            "Contracts",
            "What the position is, and where its liquidation price comes from: the venue, a "
            "computation from the whole pool, or nowhere.",
            {
                "symbol": "Symbol",
                "exchange": "Exchange",
                "account": "Account",
                "side": "Side",
                "margin_mode": "Margin",
                "currency": "Currency",
                "base": "Base",
                "quote": "Quote",
                "contract_kind": "Kind",
                "liquidation_source": "Liquidation price from",
                "position_id": "Position",
            },
            [Column("Open", of_positions("risk_position_info"), p.PLAIN)],
            sort_by="Symbol",
            height=7,
        ),
    ]
