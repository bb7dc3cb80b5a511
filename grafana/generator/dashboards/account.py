"""The Account dashboard: how did the account get where it is?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, Panel, build
from grafana.generator.dashboards.panels import Column, Query
from grafana.generator.dashboards.shared import (
    ACCOUNT_LEGEND,
    CAPPED,
    DRAWDOWN_STEPS,
    LEVERAGE_STEPS,
    POOL_LEGEND,
    RATE_STEPS,
    SHOCK_STEPS,
    STRESS_STEPS,
    capped,
    drawdown,
    of_accounts,
    once,
    positions_table,
)

_ASSET: Final = "exchange, account, asset"
_RATE: Final = of_accounts("risk_account_maintenance_margin_rate")
_ISOLATED_RATE: Final = of_accounts("risk_position_maintenance_margin_rate")
_SHOCK_DOWN: Final = of_accounts("risk_account_liquidation_shock_ratio", 'direction="down"')
_SHOCK_UP: Final = of_accounts("risk_account_liquidation_shock_ratio", 'direction="up"')


def account() -> Dashboard:
    return build(
        "Risk / Account",
        links.ACCOUNT_UID,
        "How did this account get where it is?",
        [EXCHANGE, ACCOUNT],
        {"Now": _now(), "Margin": _margin(), "Equity": _equity()},
    )


def _now() -> list[Panel]:
    return [
        p.single(
            "Equity",
            "Equity in US dollars; pools without a known price are left out.",
            Query(f"sum({once('risk_account_equity_usd')})"),
            p.USD,
            p.neutral(),
        ),
        p.single(
            "Margin rate",
            "Requirement / equity of the worst pool or isolated position; 100 % is liquidation." + CAPPED,
            Query(capped(f"max({_RATE} or {_ISOLATED_RATE})")),
            p.RATIO,
            RATE_STEPS,
            decimals=1,
        ),
        p.single(
            "Fall to liquidation",
            "Smallest joint fall of all coins that liquidates anything. No data: no fall does.",
            Query(f"min({_SHOCK_DOWN})"),
            p.RATIO,
            SHOCK_STEPS,
            decimals=1,
        ),
        p.single(
            "Rise to liquidation",
            "Smallest joint rise of all coins that liquidates anything. No data: no rise does.",
            Query(f"min({_SHOCK_UP})"),
            p.RATIO,
            SHOCK_STEPS,
            decimals=1,
        ),
        p.single(
            "Leverage",
            "Gross notional / equity of the highest leveraged pool.",
            Query(f"max({of_accounts('risk_account_leverage_ratio')})"),
            p.PLAIN,
            LEVERAGE_STEPS,
            decimals=1,
            width=3,
        ),
        p.single(
            "Positions",
            "Number of open positions.",
            Query(f"sum({once('risk_positions', 'exchange, account')})"),
            p.PLAIN,
            p.neutral(),
            width=2,
        ),
        p.single(
            "Without price",
            "Open positions without a liquidation price: no price liquidates them, or it is not known.",
            Query(f"sum({once('risk_positions_without_liquidation_price', 'exchange, account')})"),
            p.PLAIN,
            p.neutral(),
            width=3,
        ),
        positions_table(
            "Positions by liquidation distance",
            "The account's positions, the nearest to liquidation first. PnL is in the settlement currency.",
        ),
    ]


def _margin() -> list[Panel]:
    return [
        p.table(
            "The way back",
            "What takes the maintenance margin rate of the cross positions down to the target "
            "(risk.target_rate, 50 % unless configured): money to add, in the pool's currency, or the share "
            "of every cross position to close. Isolated positions are on their own dashboard. No share: "
            "closing all is not enough, or it is not known.",
            {"exchange": "Exchange", "account": "Account", "currency": "Currency"},
            [
                Column("Rate", capped(once("risk_account_maintenance_margin_rate")), p.RATIO, RATE_STEPS),
                Column("To add", once("risk_account_margin_to_target"), p.AMOUNT),
                Column("To close", once("risk_account_reduction_to_target_ratio"), p.RATIO),
            ],
            sort_by="Rate",
            descending=True,
            height=6,
        ),
        p.graph(
            "Maintenance margin rate",
            "What the cross positions require / margin equity, and the venue's own figure turned in the same "
            "direction; 100 % is liquidation." + CAPPED,
            [
                Query(capped(_RATE), POOL_LEGEND),
                Query(capped(of_accounts("risk_account_venue_margin_rate")), POOL_LEGEND + " (venue)"),
            ],
            p.RATIO,
            steps=RATE_STEPS,
            minimum=0,
        ),
        p.graph(
            "Shock to liquidation",
            "Smallest joint move of all coins, in each direction, that liquidates anything in the currency, "
            "and of the cross positions alone. A missing line: no such move does.",
            [
                Query(of_accounts("risk_account_liquidation_shock_ratio"), POOL_LEGEND + " {{direction}}"),
                Query(
                    of_accounts("risk_account_cross_liquidation_shock_ratio"),
                    POOL_LEGEND + " {{direction}} (cross)",
                ),
            ],
            p.RATIO,
            steps=SHOCK_STEPS,
            minimum=0,
            soft_maximum=1,
        ),
        p.bars(
            "Stress grid",
            "The maintenance margin rate of the cross positions, and of the worst isolated one, if all coins "
            "but stable ones moved by the shock; 100 % is liquidation." + CAPPED,
            [
                Query(
                    f"sort_desc({capped(of_accounts('risk_account_stress_maintenance_margin_rate'))})",
                    POOL_LEGEND + " {{margin_mode}} {{shock}}",
                )
            ],
            p.RATIO,
            STRESS_STEPS,
            maximum=1,
        ),
        p.graph(
            "Margins and balance",
            "Margin and fees required to keep and to open positions, and what is left, in the pool's "
            "currency.",
            [
                Query(of_accounts("risk_account_maintenance_margin"), POOL_LEGEND + " maintenance"),
                Query(of_accounts("risk_account_closing_fees"), POOL_LEGEND + " closing fees"),
                Query(of_accounts("risk_account_initial_margin"), POOL_LEGEND + " initial"),
                Query(of_accounts("risk_account_open_order_margin"), POOL_LEGEND + " open orders"),
                Query(of_accounts("risk_account_available_balance"), POOL_LEGEND + " available"),
                Query(of_accounts("risk_account_withdrawable_balance"), POOL_LEGEND + " withdrawable"),
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Leverage",
            "Gross notional / equity.",
            [Query(of_accounts("risk_account_leverage_ratio"), POOL_LEGEND)],
            p.PLAIN,
            steps=LEVERAGE_STEPS,
            minimum=0,
        ),
        p.graph(
            "Exposure",
            "Long plus short, and long minus short notional, in US dollars.",
            [
                Query(of_accounts("risk_account_gross_notional_usd"), POOL_LEGEND + " gross"),
                Query(of_accounts("risk_account_net_notional_usd"), POOL_LEGEND + " net"),
            ],
            p.USD,
        ),
    ]


def _equity() -> list[Panel]:
    return [
        p.graph(
            "Equity",
            "All collateral and unrealized PnL at market prices and as the venue counts it, the part that "
            "backs the cross positions, and the wallet, in the pool's currency.",
            [
                Query(of_accounts("risk_account_equity"), POOL_LEGEND + " equity"),
                Query(of_accounts("risk_account_adjusted_equity"), POOL_LEGEND + " adjusted equity"),
                Query(of_accounts("risk_account_margin_equity"), POOL_LEGEND + " margin equity"),
                Query(of_accounts("risk_account_wallet_balance"), POOL_LEGEND + " wallet"),
            ],
            p.AMOUNT,
        ),
        p.graph(
            "Drawdown",
            "Loss of equity in US dollars since the peak of the last day and of the last 7 days. "
            "Withdrawals count as well.",
            [
                Query(drawdown("1d"), ACCOUNT_LEGEND + " 1 day"),
                Query(drawdown("7d"), ACCOUNT_LEGEND + " 7 days"),
            ],
            p.RATIO,
            steps=DRAWDOWN_STEPS,
            minimum=0,
        ),
        p.graph(
            "Unrealized PnL",
            "Unrealized profit and loss in the pool's currency.",
            [Query(of_accounts("risk_account_unrealized_pnl"), POOL_LEGEND)],
            p.AMOUNT,
        ),
        p.graph(
            "Collateral by coin",
            "Value in US dollars of each coin that backs positions. Only multi-asset accounts have "
            "such coins.",
            [
                Query(
                    f"{once('risk_asset_equity', _ASSET)} * on ({_ASSET}) "
                    f"{once('risk_asset_price_usd', _ASSET)}",
                    ACCOUNT_LEGEND + " {{asset}}",
                )
            ],
            p.USD,
            stacked=True,
            width=12,
        ),
        p.table(
            "Modes",
            "Position mode, asset mode and margin mode of the account, where the venue has them.",
            {
                "account": "Account",
                "exchange": "Exchange",
                "position_mode": "Position mode",
                "asset_mode": "Asset mode",
                "margin_mode": "Margin mode",
            },
            [Column("Known", of_accounts("risk_account_info"), p.PLAIN)],
            sort_by="Account",
            width=12,
            height=9,
        ),
    ]
