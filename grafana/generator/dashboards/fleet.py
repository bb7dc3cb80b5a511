"""The Fleet dashboard: which account is in danger now?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, Panel, build
from grafana.generator.dashboards.panels import Column, Query
from grafana.generator.dashboards.shared import (
    ACCOUNT_LEGEND,
    CAPPED,
    DISTANCE_STEPS,
    DRAWDOWN_STEPS,
    POOL_LEGEND,
    RATE_STEPS,
    SHOCK_STEPS,
    capped,
    drawdown,
    of_accounts,
    once,
    positions_table,
)

_RATE: Final = once("risk_account_maintenance_margin_rate")
_ISOLATED_RATE: Final = of_accounts("risk_position_maintenance_margin_rate")
_DISTANCE: Final = of_accounts("risk_position_liquidation_distance_ratio")


def fleet() -> Dashboard:
    return build(
        "Risk / Fleet",
        links.FLEET_UID,
        "Which account is in danger now, and which one nobody sees?",
        [EXCHANGE, ACCOUNT],
        {
            "Now": _now(),
            "Over time": _over_time(),
            "Concentration and exposure of all accounts": _concentration(),
        },
    )


def _now() -> list[Panel]:
    return [
        p.single(
            "Blind accounts",
            "Accounts without data that are both successfully collected and young enough. Everything "
            "else on this dashboard is without them.",
            Query(f"sum({of_accounts('risk:account:blind:bool')}) or vector(0)"),
            p.PLAIN,
            p.one_is_red(),
            width=3,
        ),
        p.single(
            "Critical alerts",
            "Firing alerts that wake somebody.",
            Query(
                'count(ALERTS{alertstate="firing", alertname=~"Risk.*", severity="critical", '
                'exchange=~"|$exchange", account=~"|$account"}) or vector(0)'
            ),
            p.PLAIN,
            p.one_is_red(),
            width=3,
        ),
        p.single(
            "Nearest liquidation",
            "Smallest relative move of a mark, against its position, that liquidates it.",
            Query(f"min({_DISTANCE})"),
            p.RATIO,
            DISTANCE_STEPS,
            decimals=1,
        ),
        p.single(
            "Highest margin rate",
            "Highest requirement / equity of a pool or an isolated position; 100 % is liquidation." + CAPPED,
            Query(capped(f"max({_RATE} or {_ISOLATED_RATE})")),
            p.RATIO,
            RATE_STEPS,
            decimals=1,
        ),
        p.single(
            "Smallest shock",
            "Smallest joint move of all coins, in either direction, that liquidates anything.",
            Query(f"min({of_accounts('risk_account_liquidation_shock_ratio')})"),
            p.RATIO,
            SHOCK_STEPS,
            decimals=1,
        ),
        p.single(
            "Equity that is seen",
            "Equity in US dollars of all accounts that are seen; blind accounts, and pools without a "
            "known price, are left out.",
            Query(f"sum({once('risk_account_equity_usd')})"),
            p.USD,
            p.neutral(),
            width=6,
        ),
        p.bars(
            "Accounts by maintenance margin rate",
            "Maintenance margin / margin equity of the cross positions; 100 % is liquidation." + CAPPED,
            [Query(f"sort_desc({capped(_RATE)})", POOL_LEGEND)],
            p.RATIO,
            RATE_STEPS,
            maximum=1,
        ),
        p.bars(
            "Accounts by nearest liquidation",
            "Liquidation distance of the nearest position of each account.",
            [Query(f"sort(min by (exchange, account) ({_DISTANCE}))", ACCOUNT_LEGEND)],
            p.RATIO,
            DISTANCE_STEPS,
            maximum=0.5,
        ),
        p.table(
            "Accounts that cannot be collected",
            "Accounts whose last collection failed or whose exporter does not answer, and the age of "
            "their newest data. Empty is good.",
            {"account": "Account", "exchange": "Exchange"},
            [
                Column(
                    "Age",
                    f"max by (exchange, account) ({of_accounts('risk:account:data_age_seconds:known')} and "
                    f"{of_accounts('risk:account:up:known')} == 0)",
                    p.SECONDS,
                )
            ],
            sort_by="Age",
            descending=True,
            link=(
                "Why",
                p.link_to(links.EXPORTER_UID, exchange="Exchange", account="Account"),
            ),
            width=8,
            height=9,
        ),
        positions_table(
            "Positions by liquidation distance",
            "All positions that are seen, the nearest to liquidation first. Distances are relative "
            "moves of the mark against the position; sigmas are standard deviations of a day's move.",
        ),
        p.table(
            "Last known distances of blind accounts",
            "What was known when the account was last seen. Old by definition: alerts go on with "
            "these values. Empty is good.",
            {
                "symbol": "Symbol",
                "exchange": "Exchange",
                "account": "Account",
                "side": "Side",
                "margin_mode": "Margin",
                "currency": "Currency",
                "position_id": "Position",
            },
            [
                Column(
                    "Last known distance",
                    f"{of_accounts('risk:position:liquidation_distance_ratio:known')} "
                    "and on (exchange, account) risk:account:blind:bool == 1",
                    p.RATIO,
                    DISTANCE_STEPS,
                    bar_maximum=0.5,
                )
            ],
            sort_by="Last known distance",
            height=7,
        ),
    ]


def _over_time() -> list[Panel]:
    return [
        p.graph(
            "Maintenance margin rate",
            "Maintenance margin / margin equity; 100 % is liquidation." + CAPPED,
            [Query(capped(_RATE), POOL_LEGEND)],
            p.RATIO,
            steps=RATE_STEPS,
            minimum=0,
            width=12,
        ),
        p.graph(
            "Nearest liquidation",
            "Liquidation distance of the nearest position of each account.",
            [Query(f"min by (exchange, account) ({_DISTANCE})", ACCOUNT_LEGEND)],
            p.RATIO,
            steps=DISTANCE_STEPS,
            width=12,
        ),
        p.graph(
            "Equity by exchange",
            "Equity in US dollars, stacked. What is called unseen is the last known equity of accounts "
            "of which there are no data: without it their blindness would look like a loss.",
            [
                Query(f"sum by (exchange) ({once('risk_account_equity_usd')})", "{{exchange}}"),
                Query(
                    f"sum by (exchange) ({of_accounts('risk:account:equity_usd:known')} "
                    f"unless on (exchange, account) {of_accounts('risk_account_equity_usd')})",
                    "{{exchange}} unseen",
                ),
            ],
            p.USD,
            stacked=True,
        ),
        p.graph(
            "Unrealized PnL",
            "Unrealized profit and loss of each pool, in its currency.",
            [Query(of_accounts("risk_account_unrealized_pnl"), POOL_LEGEND)],
            p.AMOUNT,
        ),
        p.graph(
            "Drawdown from the day's peak",
            "Loss of equity in US dollars since the peak of the last 24 hours. Withdrawals count as well.",
            [Query(drawdown("1d"), ACCOUNT_LEGEND)],
            p.RATIO,
            steps=DRAWDOWN_STEPS,
            minimum=0,
        ),
    ]


def _concentration() -> list[Panel]:
    return [
        p.bars(
            "Equity by exchange",
            "Share of each exchange in the positive equity of all accounts, whatever is selected "
            "above. Failing accounts count with their last known equity, for the others' sake.",
            [Query("sort_desc(risk:exchange:equity_usd_share:known)", "{{exchange}}")],
            p.RATIO,
            p.rising((t.EXCHANGE_CONCENTRATION, p.ORANGE)),
            maximum=1,
            width=6,
        ),
        p.bars(
            "Gross notional by coin",
            "Share of each base coin in the gross notional of all accounts, whatever is selected "
            "above. Failing accounts count with their last known positions, for the others' sake.",
            [Query("sort_desc(risk:base:gross_notional_usd_share:known)", "{{base}}")],
            p.RATIO,
            p.rising((t.COIN_CONCENTRATION, p.ORANGE)),
            maximum=1,
            width=6,
        ),
        p.graph(
            "Net exposure by coin",
            "Long minus short notional in US dollars over all accounts that are seen, whatever is "
            "selected above. A blind account's legs are missing.",
            [Query("risk:base:net_notional_usd:sum", "{{base}}")],
            p.USD,
            width=6,
        ),
        p.graph(
            "Gross exposure by coin",
            "Long plus short notional in US dollars over all accounts that are seen, whatever is "
            "selected above.",
            [Query("risk:base:gross_notional_usd:sum", "{{base}}")],
            p.USD,
            stacked=True,
            width=6,
        ),
    ]
