"""The Account dashboard: how did the account get where it is, and what brings it back?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, Panel, Row, build
from grafana.generator.dashboards.options import options
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.shared import (
    BLIND,
    CAPPED,
    DATA_AGE,
    DISTANCE_KNOWN,
    DISTANCE_SCALE,
    DRAWDOWN_SCALE,
    EQUITY_KNOWN,
    KNOWN,
    LEVERAGE_SCALE,
    NOTHING_TO_DO,
    ONE,
    RATE_KNOWN,
    RATE_SCALE,
    SCARCE,
    SHOCK_KNOWN,
    SHOCK_SCALE,
    capped,
    drawdown,
    near,
    positions_table,
    stress_grid,
)
from grafana.generator.dashboards.tables import Column, table
from grafana.generator.promql import POOL, POSITION

_ASSET: Final = "exchange, account, asset"


def account() -> Dashboard:
    return build(
        "Risk / Account",
        links.ACCOUNT_UID,
        "How did this account get where it is, and what brings it back?",
        [EXCHANGE, ACCOUNT],
        first=[*_figures(), _positions(), _way_back(), stress_grid(ONE, width=12, height=6)],
        rows=[
            Row("Margin", _margin()),
            Row("Equity", _equity()),
            Row("Options", options(), folded=True),
            Row("Collateral and modes", _collateral(), folded=True),
        ],
    )


def _positions() -> Panel:
    return positions_table(
        ONE,
        "Positions, nearest to liquidation first",
        "Those of a hedged pair have the distance of its net. Notional and PnL are in US dollars.",
        hidden=["exchange", "account"],
        height=7,
    )


def _figures() -> list[Panel]:
    return [
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
            "Age of the data",
            "Time since the account was last collected.",
            Query(f"min({ONE.of(DATA_AGE)})"),
            p.AGE,
            p.NEUTRAL,
            width=3,
        ),
        p.single(
            "Nearest liquidation",
            "Smallest relative move of a mark, against its position, that liquidates it." + KNOWN,
            Query(f"bottomk(1, min by (symbol, side) ({ONE.of(DISTANCE_KNOWN)}))", "{{symbol}} {{side}}"),
            p.RATIO,
            DISTANCE_SCALE,
        ),
        p.single(
            "Margin rate",
            "Requirement / equity of the worst pool or isolated position; 100 % is liquidation."
            + CAPPED
            + KNOWN,
            Query(
                f"topk(1, {capped(f'max by (currency, symbol) ({ONE.margin_rate()})')})",
                "{{symbol}} {{currency}}",
            ),
            p.RATIO,
            RATE_SCALE,
            width=3,
        ),
        p.single(
            "Smallest joint move",
            "Smallest move of all coins together that liquidates anything. No data: none does." + KNOWN,
            Query(f"bottomk(1, min by (direction) ({ONE.of(SHOCK_KNOWN)}))", "{{direction}}"),
            p.RATIO,
            SHOCK_SCALE,
            width=3,
        ),
        p.single(
            "To add",
            "What takes every maintenance margin rate down to the target (risk.target_rate, 50 % unless "
            "configured), in US dollars." + KNOWN,
            Query(f"sum({ONE.margin_to_target()})"),
            p.USD,
            SCARCE,
            width=3,
            mappings=[p.named({0: ("none", None)})],
        ),
        p.single(
            "Equity",
            "Equity in US dollars." + KNOWN,
            Query(f"max({ONE.of(EQUITY_KNOWN)})"),
            p.USD,
            p.NEUTRAL,
            width=3,
        ),
        p.single(
            "Leverage",
            "Gross notional / equity of the highest leveraged pool.",
            Query(f"max({ONE.of('risk_account_leverage_ratio')})"),
            p.TIMES,
            LEVERAGE_SCALE,
            width=3,
        ),
    ]


def _way_back() -> Panel:
    """Pools, and isolated positions.

    Grafana puts rows together that do not differ in a label that both have. A pool without a symbol would
    lend its figures to a position: it gets one.
    """
    keys = f"{POOL}, symbol, side"

    def rows(of_pools: str, of_positions: str) -> str:
        pools = f'label_replace({of_pools}, "symbol", "all cross positions", "", "")'
        return f"max by ({keys}) ({pools} or {of_positions})"

    def both(of_pools: str, of_positions: str) -> str:
        return rows(ONE.remembered(of_pools, POOL), ONE.remembered(of_positions, POSITION))

    rate = rows(ONE.once(RATE_KNOWN), ONE.remembered("risk_position_maintenance_margin_rate", POSITION))
    to_add = both("risk_account_margin_to_target", "risk_position_margin_to_target")
    return table(
        "The way back to the target",
        "What takes the maintenance margin rate down to the target (risk.target_rate, 50 % unless "
        "configured): money to add, in the currency of the row, or the share to close of every cross "
        "position, or of the isolated one that is named. No share: closing all is not enough, or it is not "
        "known." + CAPPED + KNOWN,
        {"symbol": "Of", "side": "Side", "currency": "Currency"},
        [
            Column(
                "Rate",
                f"sort_desc({capped(rate)})",
                p.RATIO,
                RATE_SCALE,
                text_colored=True,
            ),
            Column("To add", to_add, p.AMOUNT, names=NOTHING_TO_DO),
            Column(
                "To close",
                both("risk_account_reduction_to_target_ratio", "risk_position_reduction_to_target_ratio"),
                p.RATIO,
                names=NOTHING_TO_DO,
            ),
        ],
        sort_by=None,
        hidden=["exchange", "account"],
        width=12,
        height=6,
    )


def _margin() -> list[Panel]:
    return [
        p.graph(
            "Maintenance margin rate",
            "What the cross positions require / margin equity, and the venue's own figure turned in the same "
            "direction; 100 % is liquidation." + CAPPED,
            [
                Query(capped(ONE.once("risk_account_maintenance_margin_rate", "currency")), "{{currency}}"),
                Query(
                    capped(ONE.once("risk_position_maintenance_margin_rate", "symbol, side, position_id")),
                    "{{symbol}} {{side}} {{position_id}} isolated",
                ),
                Query(
                    capped(ONE.once("risk_account_venue_margin_rate", "currency")),
                    "{{currency}}, the venue's",
                ),
            ],
            p.RATIO,
            scale=RATE_SCALE,
            minimum=0,
        ),
        p.graph(
            "Liquidation distance",
            "Of each position; those above 100 % are drawn as 100 %.",
            [
                Query(
                    near(
                        ONE.once(
                            "risk_position_liquidation_distance_ratio",
                            "symbol, side, margin_mode, position_id",
                            "min",
                        )
                    ),
                    "{{symbol}} {{side}} {{margin_mode}} {{position_id}}",
                )
            ],
            p.RATIO,
            scale=DISTANCE_SCALE,
            minimum=0,
        ),
        p.graph(
            "Joint move to liquidation",
            "Smallest move of all coins, in each direction, that liquidates anything in the currency, and "
            "the cross positions alone. A missing line: no such move does. Moves above 100 % are drawn as "
            "100 %.",
            [
                Query(
                    near(ONE.once("risk_account_liquidation_shock_ratio", "currency, direction", "min")),
                    "{{currency}} {{direction}}",
                ),
                Query(
                    near(
                        ONE.once("risk_account_cross_liquidation_shock_ratio", "currency, direction", "min")
                    ),
                    "{{currency}} {{direction}}, cross",
                ),
            ],
            p.RATIO,
            scale=SHOCK_SCALE,
            minimum=0,
        ),
        p.graph(
            "Margins and balance",
            "Margin and fees required to keep and to open positions, and what is left, in the pool's "
            "currency.",
            [
                Query(ONE.once(f"risk_account_{name}", "currency"), "{{currency}} " + words)
                for name, words in (
                    ("maintenance_margin", "maintenance"),
                    ("closing_fees", "closing fees"),
                    ("initial_margin", "initial"),
                    ("open_order_margin", "open orders"),
                    ("available_balance", "available"),
                    ("withdrawable_balance", "withdrawable"),
                )
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Exposure",
            "Long plus short, and long minus short notional, in US dollars.",
            [
                Query(ONE.once("risk_account_gross_notional_usd", "currency"), "{{currency}} gross"),
                Query(ONE.once("risk_account_net_notional_usd", "currency"), "{{currency}} net"),
            ],
            p.USD,
        ),
        p.graph(
            "Leverage",
            "Gross notional / equity.",
            [Query(ONE.once("risk_account_leverage_ratio", "currency"), "{{currency}}")],
            p.TIMES,
            scale=LEVERAGE_SCALE,
            minimum=0,
        ),
    ]


def _equity() -> list[Panel]:
    return [
        p.graph(
            "Equity",
            "All collateral and unrealized PnL at market prices and as the venue counts it, the part that "
            "backs the cross positions, and the wallet, in the pool's currency.",
            [
                Query(ONE.once(f"risk_account_{name}", "currency"), "{{currency}} " + words)
                for name, words in (
                    ("equity", "equity"),
                    ("adjusted_equity", "adjusted equity"),
                    ("margin_equity", "margin equity"),
                    ("wallet_balance", "wallet"),
                )
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Unrealized PnL",
            "Unrealized profit and loss of each pool in US dollars.",
            [
                Query(
                    f"max by (currency) ({ONE.in_usd(ONE.once('risk_account_unrealized_pnl'))})",
                    "{{currency}}",
                )
            ],
            p.USD,
        ),
        p.graph(
            "Drawdown",
            "Loss of equity in US dollars since the peak of the last day and of the last 7 days. "
            "Withdrawals count as well.",
            [Query(drawdown(ONE, "1d"), "1 day"), Query(drawdown(ONE, "7d"), "7 days")],
            p.RATIO,
            scale=DRAWDOWN_SCALE,
            minimum=0,
        ),
    ]


def _collateral() -> list[Panel]:
    return [
        p.graph(
            "Collateral by coin",
            "Value in US dollars of each coin that backs positions. Only multi-asset accounts have such "
            "coins.",
            [
                Query(
                    f"{ONE.once('risk_asset_equity', _ASSET)} * on ({_ASSET}) "
                    f"{ONE.once('risk_asset_price_usd', _ASSET)}",
                    "{{asset}}",
                )
            ],
            p.USD,
            stacked=True,
            width=12,
        ),
        table(
            "Modes",
            "Position mode, asset mode and margin mode of the account, and the state that the venue tells, "
            "where it has them.",
            {
                "position_mode": "Position mode",
                "asset_mode": "Asset mode",
                "margin_mode": "Margin mode",
                "account_status": "State",
            },
            [Column("Known", ONE.of("risk_account_info"), p.COUNT, hidden=True)],
            sort_by=None,
            hidden=["exchange", "account", "Value"],
            width=12,
            height=8,
        ),
    ]
