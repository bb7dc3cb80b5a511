"""The four dashboards, from the general to the specific; each answers one question."""

from __future__ import annotations

import json
from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.generator import links
from grafana.generator import panels as p
from grafana.generator import thresholds as t
from grafana.generator.panels import Column, Query
from grafana.generator.rules import POSITION

WHERE: Final = 'exchange=~"$exchange", account=~"$account"'
AT: Final = 'exchange=~"$exchange"'
WHAT: Final = f'{WHERE}, symbol=~"$symbol"'
POOL_LEGEND: Final = "{{exchange}} {{account}} {{currency}} {{pool}}"
ACCOUNT_LEGEND: Final = "{{exchange}} {{account}}"
POSITION_LEGEND: Final = "{{exchange}} {{account}} {{symbol}} {{side}} {{margin_mode}} {{position_id}}"
EXPORTER: Final = "and on (job, instance) risk_exporter_build_info"

RATE_STEPS: Final = p.rising(
    (t.MAINTENANCE_MARGIN_RATE_WARNING, p.ORANGE), (t.MAINTENANCE_MARGIN_RATE_CRITICAL, p.RED)
)
DISTANCE_STEPS: Final = p.falling(
    (t.LIQUIDATION_DISTANCE_INFO, p.YELLOW),
    (t.LIQUIDATION_DISTANCE_WARNING, p.ORANGE),
    (t.LIQUIDATION_DISTANCE_CRITICAL, p.RED),
)
SIGMA_STEPS: Final = p.falling(
    (t.LIQUIDATION_SIGMAS_WARNING, p.ORANGE), (t.LIQUIDATION_SIGMAS_CRITICAL, p.RED)
)
SHOCK_STEPS: Final = p.falling((t.LIQUIDATION_SHOCK_WARNING, p.ORANGE), (t.LIQUIDATION_SHOCK_CRITICAL, p.RED))
LEVERAGE_STEPS: Final = p.rising((t.LEVERAGE_WARNING, p.ORANGE))
DRAWDOWN_STEPS: Final = p.rising(
    (t.EQUITY_DRAWDOWN_1D_WARNING, p.ORANGE), (t.EQUITY_DRAWDOWN_1D_CRITICAL, p.RED)
)
PROJECTED_STEPS: Final = p.falling((t.LIQUIDATION_PROJECTED, p.RED))
ADL_STEPS: Final = p.rising((t.ADL_FRONT, p.ORANGE))
STRESS_STEPS: Final = p.rising((t.MAINTENANCE_MARGIN_RATE_CRITICAL, p.ORANGE), (t.STRESS_BREACH, p.RED))

CAPPED: Final = " Values above 200 %, such as +Inf where no equity is left, are drawn as 200 %."


def capped(expr: str) -> str:
    """A rate that can be drawn: +Inf has no place on an axis."""
    return f"clamp_max({expr}, 2)"


def once(metric: str, by: str = "exchange, account, currency, pool") -> str:
    """Each value once, before it is summed: several exporters may collect the same account."""
    return f"max by ({by}) ({metric}{{{WHERE}}})"


def _drawdown(window: str) -> str:
    equity = f"account:equity_usd:sum{{{WHERE}}}"
    return f"1 - {equity} / (max_over_time({equity}[{window}]) > 0)"


def _positions_table(where: str, title: str, description: str) -> Any:
    def of(metric: str, operation: str = "max") -> str:
        # Without the metric's name, or Grafana would not join the rows.
        return f"{operation} by ({POSITION}) ({metric}{{{where}}})"

    return p.table(
        title,
        description,
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
                "Distance",
                f"sort({of('risk_position_liquidation_distance_ratio', 'min')})",
                p.RATIO,
                DISTANCE_STEPS,
                bar_maximum=0.5,
            ),
            Column(
                "Sigmas",
                of("position:liquidation_distance_sigmas:day", "min"),
                p.PLAIN,
                SIGMA_STEPS,
                colored=True,
            ),
            Column("Mark", of("risk_position_mark_price"), p.PLAIN),
            Column("Liquidation", of("risk_position_liquidation_price"), p.PLAIN),
            Column("Notional", of("risk_position_notional_usd"), p.USD),
            Column("PnL", of("risk_position_unrealized_pnl"), p.AMOUNT),
            Column("Leverage", of("risk_position_leverage_ratio"), p.PLAIN),
            Column("ADL", of("risk_position_adl_ratio"), p.RATIO, ADL_STEPS, colored=True),
        ],
        # The table itself would put positions that no price liquidates, without a distance, first. The rows
        # keep the order of the first query, and those it does not have follow.
        sort_by=None,
        link=(
            "Open the position",
            p.link_to(links.POSITION_UID, exchange="Exchange", account="Account", symbol="Symbol"),
        ),
    )


def fleet() -> dashboard.Dashboard:
    """Which account is in danger now?"""
    rate = f"max by (exchange, account, currency, pool) (risk_account_maintenance_margin_rate{{{WHERE}}})"
    distance = f"risk_position_liquidation_distance_ratio{{{WHERE}}}"
    return (
        p.frame(
            "Risk / Fleet",
            links.FLEET_UID,
            "Which account is in danger now, and which one nobody sees?",
            [p.EXCHANGE, p.ACCOUNT],
        )
        .with_row(dashboard.Row("Now"))
        .with_panel(
            p.single(
                "Blind accounts",
                "Accounts without data that are both successfully collected and young enough. Everything "
                "else on this dashboard is without them.",
                Query(f"sum(account:blind:bool{{{WHERE}}}) or vector(0)"),
                p.PLAIN,
                p.one_is_red(),
                width=3,
            )
        )
        .with_panel(
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
            )
        )
        .with_panel(
            p.single(
                "Nearest liquidation",
                "Smallest relative move of a mark, against its position, that liquidates it.",
                Query(f"min({distance})"),
                p.RATIO,
                DISTANCE_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Highest margin rate",
                "Highest maintenance margin / margin equity; 100 % is liquidation." + CAPPED,
                Query(capped(f"max({rate})")),
                p.RATIO,
                RATE_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Smallest shock",
                "Smallest joint move of all marks, in either direction, that liquidates a pool.",
                Query(f"min(risk_account_liquidation_shock_ratio{{{WHERE}}})"),
                p.RATIO,
                SHOCK_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Equity that is seen",
                "Equity in US dollars of all accounts that are seen; blind accounts, and pools without a "
                "known price, are left out.",
                Query(f"sum({once('risk_account_equity_usd')})"),
                p.USD,
                p.neutral(),
                width=6,
            )
        )
        .with_panel(
            p.bars(
                "Accounts by maintenance margin rate",
                "Maintenance margin / margin equity of the cross positions; 100 % is liquidation." + CAPPED,
                [Query(f"sort_desc({capped(rate)})", POOL_LEGEND)],
                p.RATIO,
                RATE_STEPS,
                maximum=1,
            )
        )
        .with_panel(
            p.bars(
                "Accounts by nearest liquidation",
                "Liquidation distance of the nearest position of each account.",
                [Query(f"sort(min by (exchange, account) ({distance}))", ACCOUNT_LEGEND)],
                p.RATIO,
                DISTANCE_STEPS,
                maximum=0.5,
            )
        )
        .with_panel(
            p.table(
                "Accounts that cannot be collected",
                "Accounts whose last collection failed or whose exporter does not answer, and the age of "
                "their newest data. Empty is good.",
                {"account": "Account", "exchange": "Exchange"},
                [
                    Column(
                        "Age",
                        f"max by (exchange, account) (account:data_age_seconds:known{{{WHERE}}} and "
                        f"account:up:known{{{WHERE}}} == 0)",
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
            )
        )
        .with_panel(
            _positions_table(
                WHERE,
                "Positions by liquidation distance",
                "All positions that are seen, the nearest to liquidation first. Distances are relative "
                "moves of the mark against the position; sigmas are standard deviations of a day's move.",
            )
        )
        .with_panel(
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
                        f"position:liquidation_distance_ratio:known{{{WHERE}}} and on (exchange, account) "
                        "account:blind:bool == 1",
                        p.RATIO,
                        DISTANCE_STEPS,
                        bar_maximum=0.5,
                    )
                ],
                sort_by="Last known distance",
                height=7,
            )
        )
        .with_row(dashboard.Row("Over time"))
        .with_panel(
            p.graph(
                "Maintenance margin rate",
                "Maintenance margin / margin equity; 100 % is liquidation." + CAPPED,
                [Query(capped(rate), POOL_LEGEND)],
                p.RATIO,
                steps=RATE_STEPS,
                minimum=0,
                width=12,
            )
        )
        .with_panel(
            p.graph(
                "Nearest liquidation",
                "Liquidation distance of the nearest position of each account.",
                [Query(f"min by (exchange, account) ({distance})", ACCOUNT_LEGEND)],
                p.RATIO,
                steps=DISTANCE_STEPS,
                width=12,
            )
        )
        .with_panel(
            p.graph(
                "Equity by exchange",
                "Equity in US dollars, stacked. What is called unseen is the last known equity of accounts "
                "of which there are no data: without it their blindness would look like a loss.",
                [
                    Query(f"sum by (exchange) ({once('risk_account_equity_usd')})", "{{exchange}}"),
                    Query(
                        f"sum by (exchange) (account:equity_usd:known{{{WHERE}}} "
                        f"unless on (exchange, account) risk_account_equity_usd{{{WHERE}}})",
                        "{{exchange}} unseen",
                    ),
                ],
                p.USD,
                stacked=True,
            )
        )
        .with_panel(
            p.graph(
                "Unrealized PnL",
                "Unrealized profit and loss of each pool, in its currency.",
                [Query(f"risk_account_unrealized_pnl{{{WHERE}}}", POOL_LEGEND)],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Drawdown from the day's peak",
                "Loss of equity in US dollars since the peak of the last 24 hours. Withdrawals count as "
                "well.",
                [Query(_drawdown("1d"), ACCOUNT_LEGEND)],
                p.RATIO,
                steps=DRAWDOWN_STEPS,
                minimum=0,
            )
        )
        .with_row(dashboard.Row("Concentration and exposure of all accounts"))
        .with_panel(
            p.bars(
                "Equity by exchange",
                "Share of each exchange in the positive equity of all accounts, whatever is selected "
                "above. Failing accounts count with their last known equity, for the others' sake.",
                [Query("sort_desc(exchange:equity_usd_share:known)", "{{exchange}}")],
                p.RATIO,
                p.rising((t.EXCHANGE_CONCENTRATION, p.ORANGE)),
                maximum=1,
                width=6,
            )
        )
        .with_panel(
            p.bars(
                "Gross notional by coin",
                "Share of each base coin in the gross notional of all accounts, whatever is selected "
                "above. Failing accounts count with their last known positions, for the others' sake.",
                [Query("sort_desc(base:gross_notional_usd_share:known)", "{{base}}")],
                p.RATIO,
                p.rising((t.COIN_CONCENTRATION, p.ORANGE)),
                maximum=1,
                width=6,
            )
        )
        .with_panel(
            p.graph(
                "Net exposure by coin",
                "Long minus short notional in US dollars over all accounts that are seen, whatever is "
                "selected above. A blind account's legs are missing.",
                [Query("base:net_notional_usd:sum", "{{base}}")],
                p.USD,
                width=6,
            )
        )
        .with_panel(
            p.graph(
                "Gross exposure by coin",
                "Long plus short notional in US dollars over all accounts that are seen, whatever is "
                "selected above.",
                [Query("base:gross_notional_usd:sum", "{{base}}")],
                p.USD,
                stacked=True,
                width=6,
            )
        )
    )


def account() -> dashboard.Dashboard:
    """How did the account get here?"""
    rate = f"risk_account_maintenance_margin_rate{{{WHERE}}}"
    return (
        p.frame(
            "Risk / Account",
            links.ACCOUNT_UID,
            "How did this account get where it is?",
            [p.EXCHANGE, p.ACCOUNT],
        )
        .with_row(dashboard.Row("Now"))
        .with_panel(
            p.single(
                "Equity",
                "Equity in US dollars; pools without a known price are left out.",
                Query(f"sum({once('risk_account_equity_usd')})"),
                p.USD,
                p.neutral(),
            )
        )
        .with_panel(
            p.single(
                "Margin rate",
                "Maintenance margin / margin equity of the worst pool; 100 % is liquidation." + CAPPED,
                Query(capped(f"max({rate})")),
                p.RATIO,
                RATE_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Fall to liquidation",
                "Smallest joint fall of all marks that liquidates a pool. No data: no fall does.",
                Query(f'min(risk_account_liquidation_shock_ratio{{{WHERE}, direction="down"}})'),
                p.RATIO,
                SHOCK_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Rise to liquidation",
                "Smallest joint rise of all marks that liquidates a pool. No data: no rise does.",
                Query(f'min(risk_account_liquidation_shock_ratio{{{WHERE}, direction="up"}})'),
                p.RATIO,
                SHOCK_STEPS,
                decimals=1,
            )
        )
        .with_panel(
            p.single(
                "Leverage",
                "Gross notional / equity of the highest leveraged pool.",
                Query(f"max(risk_account_leverage_ratio{{{WHERE}}})"),
                p.PLAIN,
                LEVERAGE_STEPS,
                decimals=1,
                width=3,
            )
        )
        .with_panel(
            p.single(
                "Positions",
                "Number of open positions.",
                Query(f"sum({once('risk_positions', 'exchange, account')})"),
                p.PLAIN,
                p.neutral(),
                width=2,
            )
        )
        .with_panel(
            p.single(
                "Without price",
                "Open positions without a liquidation price: no price liquidates them, or it is not known.",
                Query(f"sum({once('risk_positions_without_liquidation_price', 'exchange, account')})"),
                p.PLAIN,
                p.neutral(),
                width=3,
            )
        )
        .with_panel(
            _positions_table(
                WHERE,
                "Positions by liquidation distance",
                "The account's positions, the nearest to liquidation first. PnL is in the settlement "
                "currency.",
            )
        )
        .with_row(dashboard.Row("Margin"))
        .with_panel(
            p.graph(
                "Maintenance margin rate",
                "Maintenance margin / margin equity of the cross positions, and the venue's own figure "
                "turned in the same direction; 100 % is liquidation." + CAPPED,
                [
                    Query(capped(rate), POOL_LEGEND),
                    Query(capped(f"risk_account_venue_margin_rate{{{WHERE}}}"), POOL_LEGEND + " (venue)"),
                ],
                p.RATIO,
                steps=RATE_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Shock to liquidation",
                "Smallest joint move of all marks, in each direction, that liquidates the pool. A missing "
                "line: no such move does.",
                [Query(f"risk_account_liquidation_shock_ratio{{{WHERE}}}", POOL_LEGEND + " {{direction}}")],
                p.RATIO,
                steps=SHOCK_STEPS,
                minimum=0,
                soft_maximum=1,
            )
        )
        .with_panel(
            p.bars(
                "Stress grid",
                "The maintenance margin rate if every mark moved by the shock; 100 % is liquidation."
                + CAPPED,
                [
                    Query(
                        f"sort_desc({capped(f'risk_account_stress_maintenance_margin_rate{{{WHERE}}}')})",
                        POOL_LEGEND + " {{shock}}",
                    )
                ],
                p.RATIO,
                STRESS_STEPS,
                maximum=1,
            )
        )
        .with_panel(
            p.graph(
                "Margins and balance",
                "Margin required to keep and to open positions, and what is left, in the pool's currency.",
                [
                    Query(f"risk_account_maintenance_margin{{{WHERE}}}", POOL_LEGEND + " maintenance"),
                    Query(f"risk_account_initial_margin{{{WHERE}}}", POOL_LEGEND + " initial"),
                    Query(f"risk_account_available_balance{{{WHERE}}}", POOL_LEGEND + " available"),
                ],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Leverage",
                "Gross notional / equity.",
                [Query(f"risk_account_leverage_ratio{{{WHERE}}}", POOL_LEGEND)],
                p.PLAIN,
                steps=LEVERAGE_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Exposure",
                "Long plus short, and long minus short notional, in US dollars.",
                [
                    Query(f"risk_account_gross_notional_usd{{{WHERE}}}", POOL_LEGEND + " gross"),
                    Query(f"risk_account_net_notional_usd{{{WHERE}}}", POOL_LEGEND + " net"),
                ],
                p.USD,
            )
        )
        .with_row(dashboard.Row("Equity"))
        .with_panel(
            p.graph(
                "Equity",
                "All collateral and unrealized PnL, the part that backs the cross positions, and the "
                "wallet, in the pool's currency.",
                [
                    Query(f"risk_account_equity{{{WHERE}}}", POOL_LEGEND + " equity"),
                    Query(f"risk_account_margin_equity{{{WHERE}}}", POOL_LEGEND + " margin equity"),
                    Query(f"risk_account_wallet_balance{{{WHERE}}}", POOL_LEGEND + " wallet"),
                ],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Drawdown",
                "Loss of equity in US dollars since the peak of the last day and of the last 7 days. "
                "Withdrawals count as well.",
                [
                    Query(_drawdown("1d"), ACCOUNT_LEGEND + " 1 day"),
                    Query(_drawdown("7d"), ACCOUNT_LEGEND + " 7 days"),
                ],
                p.RATIO,
                steps=DRAWDOWN_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Unrealized PnL",
                "Unrealized profit and loss in the pool's currency.",
                [Query(f"risk_account_unrealized_pnl{{{WHERE}}}", POOL_LEGEND)],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Collateral by coin",
                "Value in US dollars of each coin that backs positions. Only multi-asset accounts have "
                "such coins.",
                [
                    Query(
                        "sum by (exchange, account, asset) "
                        f"({once('risk_asset_equity', 'exchange, account, asset, pool')}) "
                        "* on (exchange, account, asset) max by (exchange, account, asset) "
                        f"(risk_asset_price_usd{{{WHERE}}})",
                        ACCOUNT_LEGEND + " {{asset}}",
                    )
                ],
                p.USD,
                stacked=True,
                width=12,
            )
        )
        .with_panel(
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
                [Column("Known", f"risk_account_info{{{WHERE}}}", p.PLAIN)],
                sort_by="Account",
                width=12,
                height=9,
            )
        )
    )


def position() -> dashboard.Dashboard:
    """How near is the position?"""
    distance = f"risk_position_liquidation_distance_ratio{{{WHAT}}}"
    return (
        p.frame(
            "Risk / Position",
            links.POSITION_UID,
            "How near is this position to its liquidation, and how fast does it get there?",
            [p.EXCHANGE, p.ACCOUNT, p.SYMBOL],
        )
        .with_row(dashboard.Row("Distance"))
        .with_panel(
            p.graph(
                "Price against liquidation price",
                "Mark price, liquidation price and entry price in the contract's quote currency. Select "
                "one symbol: prices of several do not fit one axis.",
                [
                    Query(f"risk_position_mark_price{{{WHAT}}}", POSITION_LEGEND + " mark"),
                    Query(f"risk_position_liquidation_price{{{WHAT}}}", POSITION_LEGEND + " liquidation"),
                    Query(f"risk_position_entry_price{{{WHAT}}}", POSITION_LEGEND + " entry"),
                ],
                p.PLAIN,
                width=24,
                height=11,
            )
        )
        .with_panel(
            p.graph(
                "Liquidation distance",
                "Relative move of the mark, against the position, that reaches the liquidation price; 0 "
                "is there, negative is past it.",
                [Query(distance, POSITION_LEGEND)],
                p.RATIO,
                steps=DISTANCE_STEPS,
            )
        )
        .with_panel(
            p.graph(
                "Liquidation distance in sigmas",
                "The same in standard deviations of a day's move. Absent until half an hour of marks was "
                "seen.",
                [Query(f"position:liquidation_distance_sigmas:day{{{WHAT}}}", POSITION_LEGEND)],
                p.PLAIN,
                steps=SIGMA_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Projected time to liquidation",
                "At the slower of the speeds over 5 and 15 minutes. A gap: the position does not approach, "
                f"or is farther than {t.LIQUIDATION_PROJECTED_WITHIN.value * 100:g} % away.",
                [
                    Query(
                        f"position:liquidation_time_seconds:projected{{{WHAT}}} < 7 * 86400", POSITION_LEGEND
                    )
                ],
                p.SECONDS,
                steps=PROJECTED_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Speed of approach",
                "Change of the liquidation distance per hour, over 15 minutes; negative is approaching.",
                [
                    Query(
                        f"3600 * position:liquidation_distance_ratio:deriv15m{{{WHAT}}}",
                        POSITION_LEGEND,
                    )
                ],
                p.RATIO,
            )
        )
        .with_panel(
            p.graph(
                "Volatility",
                "Standard deviation of 5-minute returns of the scraped marks, scaled to an hour and to a "
                "day.",
                [
                    Query(
                        f'symbol:mark_price_volatility:hour{{{AT}, symbol=~"$symbol"}}',
                        "{{exchange}} {{symbol}} hour",
                    ),
                    Query(
                        f'symbol:mark_price_volatility:day{{{AT}, symbol=~"$symbol"}}',
                        "{{exchange}} {{symbol}} day",
                    ),
                ],
                p.RATIO,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Auto-deleveraging queue",
                "Place in the venue's queue from 0 (last) to 100 % (first).",
                [Query(f"risk_position_adl_ratio{{{WHAT}}}", POSITION_LEGEND)],
                p.RATIO,
                steps=ADL_STEPS,
                minimum=0,
                soft_maximum=1,
            )
        )
        .with_row(dashboard.Row("Size, profit and margin"))
        .with_panel(
            p.graph(
                "Profit and loss",
                "Unrealized and realized profit and loss in the settlement currency.",
                [
                    Query(
                        f"risk_position_unrealized_pnl{{{WHAT}}}",
                        POSITION_LEGEND + " {{currency}} unrealized",
                    ),
                    Query(
                        f"risk_position_realized_pnl{{{WHAT}}}", POSITION_LEGEND + " {{currency}} realized"
                    ),
                ],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Margin",
                "Margin required to keep and to open the position, and the collateral of an isolated one, "
                "in the settlement currency.",
                [
                    Query(f"risk_position_maintenance_margin{{{WHAT}}}", POSITION_LEGEND + " maintenance"),
                    Query(f"risk_position_initial_margin{{{WHAT}}}", POSITION_LEGEND + " initial"),
                    Query(f"risk_position_margin{{{WHAT}}}", POSITION_LEGEND + " collateral"),
                ],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Maintenance margin rate of isolated positions",
                "Maintenance margin / own collateral; 100 % is liquidation. Cross positions share the "
                "pool's rate." + CAPPED,
                [Query(capped(f"risk_position_maintenance_margin_rate{{{WHAT}}}"), POSITION_LEGEND)],
                p.RATIO,
                steps=RATE_STEPS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Notional",
                "Value of the position at the mark price in US dollars, unsigned.",
                [Query(f"risk_position_notional_usd{{{WHAT}}}", POSITION_LEGEND)],
                p.USD,
            )
        )
        .with_panel(
            p.graph(
                "Quantity",
                "Size in the venue's units: base units or contracts.",
                [Query(f"risk_position_quantity{{{WHAT}}}", POSITION_LEGEND)],
                p.AMOUNT,
            )
        )
        .with_panel(
            p.graph(
                "Leverage set",
                "The leverage set for the position.",
                [Query(f"risk_position_leverage_ratio{{{WHAT}}}", POSITION_LEGEND)],
                p.PLAIN,
                minimum=0,
            )
        )
        .with_panel(
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
                [Column("Open", f"risk_position_info{{{WHAT}}}", p.PLAIN)],
                sort_by="Symbol",
                height=7,
            )
        )
    )


def exporter() -> dashboard.Dashboard:
    """Can I trust these numbers?"""
    by_source = "by (exchange, account)"

    def increase(metric: str, by: str, where: str = WHERE) -> str:
        return f"sum by ({by}) (increase({metric}{{{where}}}[$__rate_interval]))"

    def quantile(metric: str) -> str:
        return f"histogram_quantile(0.95, sum by (le, exchange) (rate({metric}{{{AT}}}[$__rate_interval])))"

    return (
        p.frame("Risk / Exporter", links.EXPORTER_UID, "Can I trust these numbers?", [p.EXCHANGE, p.ACCOUNT])
        .with_row(dashboard.Row("Accounts"))
        .with_panel(
            p.single(
                "Exporters answering",
                "Exporters whose last scrape succeeded.",
                Query("count(risk_exporter_build_info) or vector(0)"),
                p.PLAIN,
                p.one_is_green(),
                width=6,
            )
        )
        .with_panel(
            p.single(
                "Accounts collected",
                "Accounts whose last collection succeeded.",
                Query(f"sum({once('risk_up', 'exchange, account')}) or vector(0)"),
                p.PLAIN,
                p.one_is_green(),
                width=6,
            )
        )
        .with_panel(
            p.single(
                "Accounts failing",
                "Accounts whose last collection failed, or that were never collected, or whose exporter "
                "is silent.",
                Query(f"sum(account:failing:bool{{{WHERE}}}) or vector(0)"),
                p.PLAIN,
                p.one_is_red(),
                width=6,
            )
        )
        .with_panel(
            p.single(
                "Oldest data",
                "Age of the newest data of the account that was collected longest ago.",
                Query(f"max(time() - risk_collector_last_success_timestamp_seconds{{{WHERE}}})"),
                p.SECONDS,
                p.neutral(),
                width=6,
                decimals=0,
            )
        )
        .with_panel(
            p.states(
                "Collections",
                "Whether the last collection of each account succeeded.",
                Query(f"max {by_source} (risk_up{{{WHERE}}})", ACCOUNT_LEGEND),
                {"0": ("failed", p.RED), "1": ("succeeded", p.GREEN)},
                width=12,
            )
        )
        .with_panel(
            p.graph(
                "Age of the data",
                "Time since the last successful collection began, as a part of the maximum age. From 100 "
                "% on the account's data are no longer published.",
                [
                    Query(
                        f"max {by_source} ((time() - "
                        f"risk_collector_last_success_timestamp_seconds{{{WHERE}}}) / "
                        f"risk_collector_max_age_seconds{{{WHERE}}})",
                        ACCOUNT_LEGEND,
                    )
                ],
                p.RATIO,
                steps=p.rising((t.Threshold(1.0, "the maximum age"), p.RED)),
                minimum=0,
                width=12,
            )
        )
        .with_panel(
            p.graph(
                "Failed collections by reason",
                "Failed collections per interval. auth and permission: the key; rate_limited and banned: "
                "the request budget; clock: this machine's time; the rest: the venue or the way to it.",
                [
                    Query(
                        increase("risk_collector_errors_total", "exchange, account, reason") + " > 0",
                        ACCOUNT_LEGEND + " {{reason}}",
                    )
                ],
                p.AMOUNT,
                minimum=0,
                width=12,
            )
        )
        .with_panel(
            p.graph(
                "Incomplete or skipped collections",
                "Requests that failed without failing the collection (some series are absent then), and "
                "collections that were due while the one before still ran, per interval.",
                [
                    Query(
                        increase("risk_collector_optional_errors_total", "exchange, account"),
                        ACCOUNT_LEGEND + " optional request failed",
                    ),
                    Query(
                        increase("risk_collector_skipped_runs_total", "exchange, account"),
                        ACCOUNT_LEGEND + " skipped",
                    ),
                ],
                p.AMOUNT,
                minimum=0,
                width=12,
            )
        )
        .with_panel(
            p.table(
                "Schedule",
                "Configured interval between collections, and the age from which data are no longer "
                "published.",
                {"account": "Account", "exchange": "Exchange"},
                [
                    Column(
                        "Interval", f"max {by_source} (risk_collector_interval_seconds{{{WHERE}}})", p.SECONDS
                    ),
                    Column(
                        "Maximum age",
                        f"max {by_source} (risk_collector_max_age_seconds{{{WHERE}}})",
                        p.SECONDS,
                    ),
                    Column(
                        "Collections", f"sum {by_source} (risk_collector_runs_total{{{WHERE}}})", p.AMOUNT
                    ),
                    Column(
                        "Last success",
                        f"1000 * max {by_source} (risk_collector_last_success_timestamp_seconds{{{WHERE}}})",
                        p.WHEN,
                    ),
                ],
                sort_by="Account",
                width=24,
                height=8,
            )
        )
        .with_row(dashboard.Row("Venues"))
        .with_panel(
            p.graph(
                "Collection duration, 95th percentile",
                "Duration of whole collections, failed ones included.",
                [Query(quantile("risk_collector_duration_seconds_bucket"), "{{exchange}}")],
                p.SECONDS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Request duration, 95th percentile",
                "Duration of single requests to the venue, failed ones included.",
                [Query(quantile("risk_api_request_duration_seconds_bucket"), "{{exchange}}")],
                p.SECONDS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Requests by status",
                "Requests per second by HTTP status, or by what happened where there is none.",
                [
                    Query(
                        "sum by (exchange, status) "
                        f"(rate(risk_api_requests_total{{{AT}}}[$__rate_interval]))",
                        "{{exchange}} {{status}}",
                    )
                ],
                "reqps",
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Request budget used",
                "Used share of the venue's request budget, as its last answer told; the desk's own bots "
                "share it. A gap: nothing was asked for longer than the budget's minute, or the venue does "
                "not tell.",
                [Query(f"max by (exchange) (risk_api_rate_limit_used_ratio{{{AT}}})", "{{exchange}}")],
                p.RATIO,
                steps=p.rising((t.RATE_LIMIT_USED_WARNING, p.ORANGE)),
                minimum=0,
                soft_maximum=1,
            )
        )
        .with_panel(
            p.graph(
                "Clock",
                "The venue's clock minus the exporter's, measured every 10 minutes and after a refusal. A "
                "missing venue: it cannot be asked.",
                [Query(f"risk_api_clock_offset_seconds{{{AT}}}", "{{exchange}} {{instance}}")],
                p.SECONDS,
                steps=p.within(t.CLOCK_SKEW, p.ORANGE),
            )
        )
        .with_panel(
            p.graph(
                "Blocked by the venue for",
                "How much longer the venue refuses requests. Empty is good.",
                [
                    Query(
                        f"max by (exchange) (risk_api_blocked_until_timestamp_seconds{{{AT}}} - time()) > 0",
                        "{{exchange}}",
                    )
                ],
                p.SECONDS,
                minimum=0,
            )
        )
        .with_row(dashboard.Row("The exporter itself"))
        .with_panel(
            p.graph(
                "Scrape duration",
                "How long Prometheus waits for the page.",
                [Query(f"scrape_duration_seconds {EXPORTER}", "{{job}} {{instance}}")],
                p.SECONDS,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "CPU",
                "Processor cores in use by the exporter.",
                [
                    Query(
                        f"rate(process_cpu_seconds_total[$__rate_interval]) {EXPORTER}",
                        "{{job}} {{instance}}",
                    )
                ],
                p.PLAIN,
                minimum=0,
            )
        )
        .with_panel(
            p.graph(
                "Memory",
                "Resident memory of the exporter.",
                [Query(f"process_resident_memory_bytes {EXPORTER}", "{{job}} {{instance}}")],
                "bytes",
                minimum=0,
            )
        )
        .with_panel(
            p.table(
                "Versions",
                "Version of each exporter and of its Python.",
                {"version": "Version", "python_version": "Python", "instance": "Instance"},
                [Column("Answering", "risk_exporter_build_info", p.PLAIN)],
                sort_by="Version",
                height=6,
            )
        )
    )


def _finished(board: dashboard.Dashboard) -> dict[str, Any]:
    """The dashboard as JSON values, with what the builders cannot say."""
    content: dict[str, Any] = json.loads(JSONEncoder().encode(board.build()))
    for number, panel in enumerate(content["panels"], start=1):
        panel["id"] = number
    for annotation in content["annotations"]["list"]:
        annotation["titleFormat"] = "{{alertname}} ({{severity}})"
        annotation["textFormat"] = "{{exchange}} {{account}} {{symbol}}"
        annotation["step"] = "30s"
    return content


def render() -> dict[str, str]:
    """JSON by file name."""
    boards = {"fleet": fleet(), "account": account(), "position": position(), "exporter": exporter()}
    return {
        name: json.dumps(_finished(board), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in boards.items()
    }
