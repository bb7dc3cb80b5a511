"""The Position dashboard: how near is the position to its liquidation?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, SYMBOL, Panel, Row, build
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.shared import (
    ADL_SCALE,
    BLIND,
    CAPPED,
    DISTANCE_KNOWN,
    DISTANCE_SCALE,
    KNOWN,
    NET,
    NOTHING_TO_DO,
    ONE,
    ONE_SYMBOL,
    PROJECTED_SCALE,
    RATE_SCALE,
    SIGMA_SCALE,
    SIGMAS_KNOWN,
    by_leg,
    capped,
    hedged,
)
from grafana.generator.dashboards.tables import Column, table
from grafana.generator.promql import POSITION, selector

_LEG: Final = "side, margin_mode, position_id"
_LEGEND: Final = "{{side}} {{margin_mode}} {{position_id}}"
_NOTIONAL_KNOWN: Final = "risk:position:notional_usd:known"
_TIME_KNOWN: Final = "risk:position:liquidation_time_seconds:known"
_DAY: Final = 86400
_AT, _OF = 'exchange="$exchange"', 'symbol="$symbol"'
_TIME: Final = "risk:position:liquidation_time_seconds:projected"
_SPEED: Final = "risk:position:liquidation_distance_ratio:deriv15m"
_SIGMAS: Final = "risk:position:liquidation_distance_sigmas:day"


def position() -> Dashboard:
    return build(
        "Risk / Position",
        links.POSITION_UID,
        "How near is this position to its liquidation, and how fast does it get there?",
        [EXCHANGE, ACCOUNT, SYMBOL],
        first=[*_figures(), _prices(), *_approach(), _legs()],
        rows=[
            Row("Profit, size and margin", _size()),
            Row("What only some venues tell, or the configuration turns on", _seldom(), folded=True),
        ],
    )


def _lines(metric: str, operation: str = "max") -> str:
    return ONE_SYMBOL.once(metric, _LEG, operation)


def _pnl() -> str:
    """Of each leg, in US dollars."""
    return ONE.in_usd(ONE_SYMBOL.remembered("risk_position_unrealized_pnl", POSITION))


def _nearest() -> str:
    """The distance of each leg; both legs of a hedged pair are called net."""
    legs, pair = (query.expr for query in by_leg(ONE_SYMBOL, DISTANCE_KNOWN))
    return f'({legs} or label_replace({pair}, "side", "{NET}", "", ""))'


def _figures() -> list[Panel]:
    return [
        p.single(
            "Liquidation distance",
            "Relative move of the mark, against the position, that reaches the liquidation price." + KNOWN,
            Query(f"bottomk(1, {_nearest()})", "{{side}} {{margin_mode}}"),
            p.RATIO,
            DISTANCE_SCALE,
        ),
        p.single(
            "In sigmas",
            "The same in standard deviations of a day's move. No data until half an hour of marks was seen.",
            Query(f"min({ONE_SYMBOL.of(SIGMAS_KNOWN)})"),
            p.TIMES,
            SIGMA_SCALE,
            width=3,
        ),
        p.single(
            "There in",
            "Projected time to liquidation, at the slower of the speeds over 5 and 15 minutes. No data: the "
            "position does not approach it.",
            Query(f"min({ONE_SYMBOL.of(_TIME_KNOWN)})"),
            p.SECONDS,
            PROJECTED_SCALE,
        ),
        p.single(
            "Net notional",
            "Value at the mark price in US dollars, of the long minus the short legs." + KNOWN,
            Query(f"sum({ONE_SYMBOL.of(_NOTIONAL_KNOWN)})"),
            p.USD,
            p.NEUTRAL,
        ),
        p.single(
            "Unrealized PnL",
            "Unrealized profit and loss in US dollars.",
            Query(f"sum({_pnl()})"),
            p.USD,
            p.NEUTRAL,
        ),
        p.single(
            "Seen",
            "Whether the account's data are both successfully collected and young enough.",
            Query(f"max({ONE.of(BLIND)})"),
            p.COUNT,
            p.ONE_IS_RED,
            width=2,
            mappings=[p.named({0: ("live", p.GREEN), 1: ("BLIND", p.RED)})],
        ),
        p.single(
            "Leverage set",
            "The leverage set for the position.",
            Query(f"max({ONE_SYMBOL.of('risk_position_leverage_ratio')})"),
            p.COUNT,
            p.NEUTRAL,
            width=3,
        ),
    ]


def _prices() -> Panel:
    return p.graph(
        "Price against liquidation price",
        "Mark price, liquidation price and entry price in the contract's quote currency. Both legs of a "
        "hedged pair have one liquidation price, that of the net.",
        [
            Query(f"max({ONE_SYMBOL.of('risk_position_mark_price')})", "mark"),
            *by_leg(ONE_SYMBOL, "risk_position_liquidation_price", "liquidation"),
            Query(_lines("risk_position_entry_price"), "entry " + _LEGEND),
        ],
        p.PRICE,
        width=16,
        height=12,
    )


def _approach() -> list[Panel]:
    return [
        p.graph(
            "Liquidation distance",
            "Relative move of the mark, against the position, that reaches the liquidation price; 0 is "
            "there, negative is past it. Distances above 100 % are drawn as 100 %.",
            by_leg(ONE_SYMBOL, "risk_position_liquidation_distance_ratio", capped_at=1),
            p.RATIO,
            scale=DISTANCE_SCALE,
            height=12,
        ),
        p.graph(
            "Liquidation distance in sigmas",
            "The same in standard deviations of a day's move. Absent until half an hour of marks was seen.",
            by_leg(ONE_SYMBOL, _SIGMAS),
            p.TIMES,
            scale=SIGMA_SCALE,
            minimum=0,
        ),
        p.graph(
            "Projected time to liquidation",
            "At the slower of the speeds over 5 and 15 minutes. A gap: the position does not approach, or is "
            f"farther than {t.LIQUIDATION_PROJECTED_WITHIN.value * 100:g} % away. More than a day is drawn "
            f"as one.",
            by_leg(ONE_SYMBOL, _TIME, capped_at=_DAY),
            p.SECONDS,
            scale=PROJECTED_SCALE,
            minimum=0,
        ),
        p.graph(
            "Speed of approach",
            "Change of the liquidation distance per hour, over 15 minutes; negative is approaching.",
            [
                Query(f"clamp(3600 * ({query.expr}), -1, 1)", query.legend)
                for query in by_leg(ONE_SYMBOL, _SPEED)
            ],
            p.RATIO,
        ),
    ]


def _legs() -> Panel:
    def of(metric: str) -> str:
        return ONE_SYMBOL.remembered(metric, POSITION)

    return table(
        "Legs",
        "Both legs of a hedged pair have the distance of their net. Notional and PnL are in US dollars. The "
        "way back to the target rate is told of isolated positions: money to add, in the settlement "
        "currency, or the share to close; that of cross positions is the pool's, on the account's dashboard."
        + CAPPED
        + KNOWN,
        {"side": "Side", "margin_mode": "Margin", "currency": "Currency", "position_id": "Position"},
        [
            Column(
                "Distance",
                f"sort({ONE_SYMBOL.once(DISTANCE_KNOWN, POSITION, 'min')})",
                p.RATIO,
                DISTANCE_SCALE,
                bar_maximum=0.5,
            ),
            Column("Of the", hedged(ONE_SYMBOL), p.COUNT, names={0: ("leg", "text"), 1: ("net", "text")}),
            Column("Liquidation", of("risk_position_liquidation_price"), p.PRICE),
            Column("Mark", of("risk_position_mark_price"), p.PRICE),
            Column("Entry", of("risk_position_entry_price"), p.PRICE),
            Column("Quantity", of("risk_position_quantity"), p.AMOUNT),
            Column("Notional", of("risk_position_notional_usd"), p.USD),
            Column("PnL", _pnl(), p.USD),
            Column(
                "Rate",
                capped(of("risk_position_maintenance_margin_rate")),
                p.RATIO,
                RATE_SCALE,
                text_colored=True,
            ),
            Column("To add", of("risk_position_margin_to_target"), p.AMOUNT, names=NOTHING_TO_DO),
            Column("To close", of("risk_position_reduction_to_target_ratio"), p.RATIO, names=NOTHING_TO_DO),
        ],
        sort_by=None,
        hidden=["exchange", "account", "symbol"],
        height=5,
    )


def _size() -> list[Panel]:
    return [
        p.graph(
            "Unrealized PnL",
            "Unrealized profit and loss of each leg in US dollars.",
            [
                Query(
                    f"max by ({_LEG}) ("
                    f"{ONE.in_usd(ONE_SYMBOL.once('risk_position_unrealized_pnl', POSITION))})",
                    _LEGEND,
                )
            ],
            p.USD,
        ),
        p.graph(
            "Notional",
            "Value of each leg at the mark price in US dollars, unsigned.",
            [Query(_lines("risk_position_notional_usd"), _LEGEND)],
            p.USD,
            minimum=0,
        ),
        p.graph(
            "Margin",
            "Margin and fees required to keep and to open the position, and the collateral of an isolated "
            "one, in the settlement currency.",
            [
                Query(_lines(f"risk_position_{name}"), f"{_LEGEND} {words}")
                for name, words in (
                    ("maintenance_margin", "maintenance"),
                    ("closing_fee", "closing fee"),
                    ("initial_margin", "initial"),
                    ("margin", "collateral"),
                )
            ],
            p.AMOUNT,
            minimum=0,
        ),
        p.graph(
            "Volatility",
            "Standard deviation of 5-minute returns of the scraped marks, scaled to an hour and to a day.",
            [
                Query(
                    f"max({selector(f'risk:symbol:mark_price_volatility:{time}', _AT, _OF)})",
                    f"a {time}",
                )
                for time in ("hour", "day")
            ],
            p.RATIO,
            minimum=0,
        ),
        p.graph(
            "Auto-deleveraging queue",
            "Place in the venue's queue from 0 (last) to 100 % (first).",
            [Query(_lines("risk_position_adl_ratio"), _LEGEND)],
            p.RATIO,
            scale=ADL_SCALE,
            minimum=0,
            maximum=1,
        ),
        p.graph(
            "Funding rate",
            "Of the next funding, as a share of the notional; positive is paid by longs to shorts.",
            [Query(f"max({ONE_SYMBOL.of('risk_position_funding_rate')})", "next funding")],
            p.FINE_RATIO,
        ),
    ]


def _seldom() -> list[Panel]:
    return [
        p.graph(
            "Maintenance margin rate of isolated positions",
            "Requirement / own collateral; 100 % is liquidation. Cross positions share the pool's rate."
            + CAPPED,
            [Query(capped(_lines("risk_position_maintenance_margin_rate")), _LEGEND)],
            p.RATIO,
            scale=RATE_SCALE,
            minimum=0,
        ),
        p.graph(
            "Computed against the venue's liquidation price",
            "Relative difference of the exporter's own liquidation price from the venue's. Far from 0: one "
            "of them knows something that the other does not. Only with risk.cross_check.",
            [Query(_lines("risk_position_liquidation_cross_check_ratio"), _LEGEND)],
            p.FINE_RATIO,
        ),
        p.graph(
            "Realized PnL and accrued funding",
            "Realized profit and loss, and funding received (positive) or paid, in the settlement currency, "
            "where the venue tells them.",
            [
                Query(_lines("risk_position_realized_pnl"), _LEGEND + " realized"),
                Query(_lines("risk_position_accrued_funding"), _LEGEND + " funding"),
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Largest notional",
            "The largest notional that the leverage set allows, in the settlement currency.",
            [Query(_lines("risk_position_largest_notional"), _LEGEND)],
            p.AMOUNT,
            width=12,
        ),
        table(
            "Contracts",
            "What the position is, and where its liquidation price comes from: the venue, a computation from "
            "the whole pool, or nowhere.",
            {
                "side": "Side",
                "margin_mode": "Margin",
                "currency": "Currency",
                "base": "Base",
                "quote": "Quote",
                "contract_kind": "Kind",
                "liquidation_source": "Liquidation price from",
                "position_id": "Position",
            },
            [Column("Open", ONE_SYMBOL.of("risk_position_info"), p.COUNT, hidden=True)],
            sort_by=None,
            hidden=["exchange", "account", "symbol", "Value"],
            width=12,
            height=8,
        ),
    ]
