"""What several dashboards show in the same way: selections, legends, colours of limits, the positions."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import Panel
from grafana.generator.dashboards.panels import Column
from grafana.generator.promql import POOL, POSITION, selector

_EXCHANGE: Final = 'exchange=~"$exchange"'
_ACCOUNT: Final = 'account=~"$account"'
_SYMBOL: Final = 'symbol=~"$symbol"'

POOL_LEGEND: Final = "{{exchange}} {{account}} {{currency}}"
ACCOUNT_LEGEND: Final = "{{exchange}} {{account}}"
POSITION_LEGEND: Final = "{{exchange}} {{account}} {{symbol}} {{side}} {{margin_mode}} {{position_id}}"

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


def of_exchanges(metric: str, *matchers: str) -> str:
    """Series of the exchanges that were chosen at the top of the dashboard."""
    return selector(metric, _EXCHANGE, *matchers)


def of_accounts(metric: str, *matchers: str) -> str:
    """Series of the chosen accounts."""
    return selector(metric, _EXCHANGE, _ACCOUNT, *matchers)


def of_symbols(metric: str) -> str:
    """Series of the chosen symbols, whoever holds them."""
    return selector(metric, _EXCHANGE, _SYMBOL)


def of_positions(metric: str) -> str:
    """Series of the chosen accounts' positions in the chosen symbols."""
    return selector(metric, _EXCHANGE, _ACCOUNT, _SYMBOL)


def capped(expr: str) -> str:
    """A rate that can be drawn: +Inf has no place on an axis."""
    return f"clamp_max({expr}, 2)"


def once(metric: str, by: str = POOL) -> str:
    """Each value once, before it is summed: several exporters may collect the same account."""
    return f"max by ({by}) ({of_accounts(metric)})"


def drawdown(window: str) -> str:
    """Loss since the highest equity of the window, as a ratio of that."""
    equity = of_accounts("risk:account:equity_usd:sum")
    return f"1 - {equity} / (max_over_time({equity}[{window}]) > 0)"


def positions_table(title: str, description: str) -> Panel:
    """The chosen accounts' positions, the nearest to liquidation first."""

    def of(metric: str, operation: str = "max") -> str:
        # Without the metric's name, or Grafana would not join the rows.
        return f"{operation} by ({POSITION}) ({of_accounts(metric)})"

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
                of("risk:position:liquidation_distance_sigmas:day", "min"),
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
