"""The Fleet dashboard: who is in danger now?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNTS, EXCHANGES, Panel, Row, build
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.shared import (
    ACCOUNT_LEGEND,
    BLIND,
    CAPPED,
    CHOSEN,
    DATA_AGE,
    DISTANCE_KNOWN,
    DISTANCE_SCALE,
    DRAWDOWN_SCALE,
    EQUITY_KNOWN,
    KNOWN,
    NOTHING_TO_DO,
    OWNERS,
    POOL_LEGEND,
    RATE_KNOWN,
    RATE_SCALE,
    SCARCE,
    SHOCK_KNOWN,
    SHOCK_SCALE,
    STATE,
    capped,
    drawdown,
    near,
    positions_table,
    stress_grid,
)
from grafana.generator.dashboards.tables import Column, link_to, table
from grafana.generator.promql import POOL, POSITION

_ACCOUNT: Final = "exchange, account"
_OWNER: Final = "desk, owner"
_FIRING: Final = 'alertstate="firing", alertname=~"Risk.*", exchange=~"|$exchange", account=~"|$account"'
_SEVERITIES: Final = {"critical": p.RED, "warning": p.ORANGE, "info": p.BLUE}


def fleet() -> Dashboard:
    """The dashboard, also grouped by owner."""
    return build(
        "Risk / Fleet",
        links.FLEET_UID,
        "Who is in danger now, and whom does nobody see?",
        [EXCHANGES, ACCOUNTS],
        first=[*_figures(), _accounts(), _alerts(), _positions()],
        rows=[
            Row("By owner", [_by_owner()]),
            Row("Over time", _over_time()),
            Row("If all coins moved", [stress_grid(CHOSEN)]),
            Row("Concentration and exposure of all accounts, whatever is chosen above", _concentration()),
        ],
    )


def _positions() -> Panel:
    return positions_table(
        CHOSEN,
        "Positions, nearest to liquidation first",
        "Distances are relative moves of the mark against the position, those of a hedged pair of its net; "
        "sigmas are standard deviations of a day's move. Notional and PnL are in US dollars.",
    )


def _figures() -> list[Panel]:
    return [
        p.single(
            "Critical alerts",
            "Firing alerts that wake somebody. No data: the rules are not evaluated.",
            # The zero is of accounts that are watched: without them there is nothing to be well.
            Query(f'count(ALERTS{{{_FIRING}, severity="critical"}}) or 0 * count({CHOSEN.of(BLIND)})'),
            p.COUNT,
            p.ONE_IS_RED,
            width=3,
        ),
        p.single(
            "Blind accounts",
            "Accounts of which there are no data that are both successfully collected and young enough.",
            Query(f"sum({CHOSEN.of(BLIND)})"),
            p.COUNT,
            p.ONE_IS_RED,
            width=3,
        ),
        p.single(
            "Nearest liquidation",
            "Smallest relative move of a mark, against its position, that liquidates it." + KNOWN,
            Query(
                f"bottomk(1, min by ({_ACCOUNT}, symbol, side) ({CHOSEN.of(DISTANCE_KNOWN)}))",
                "{{account}} {{symbol}} {{side}}",
            ),
            p.RATIO,
            DISTANCE_SCALE,
            width=5,
        ),
        p.single(
            "Highest margin rate",
            "Highest requirement / equity of a pool or an isolated position; 100 % is liquidation."
            + CAPPED
            + KNOWN,
            Query(
                f"topk(1, {capped(f'max by ({POOL}, symbol) ({CHOSEN.margin_rate()})')})",
                "{{account}} {{symbol}} {{currency}}",
            ),
            p.RATIO,
            RATE_SCALE,
            width=5,
        ),
        p.single(
            "Smallest joint move",
            "Smallest move of all coins together, in either direction, that liquidates anything." + KNOWN,
            Query(
                f"bottomk(1, min by ({_ACCOUNT}, direction) ({CHOSEN.of(SHOCK_KNOWN)}))",
                "{{account}} {{direction}}",
            ),
            p.RATIO,
            SHOCK_SCALE,
            width=4,
        ),
        p.single(
            "To add, all accounts",
            "What takes every maintenance margin rate down to the target (risk.target_rate, 50 % unless "
            "configured), in US dollars." + KNOWN,
            Query(f"sum({CHOSEN.margin_to_target()})"),
            p.USD,
            SCARCE,
            width=4,
        ),
    ]


def _accounts() -> Panel:
    nearest = f"min by ({_ACCOUNT}) ({CHOSEN.of(DISTANCE_KNOWN)} or {CHOSEN.of(SHOCK_KNOWN)})"
    position = f"min by ({_ACCOUNT}, symbol, side) ({CHOSEN.of(DISTANCE_KNOWN)})"
    to_close = " or ".join(
        (
            CHOSEN.remembered("risk_account_reduction_to_target_ratio", POOL),
            CHOSEN.remembered("risk_position_reduction_to_target_ratio", POSITION),
        )
    )
    return table(
        "Accounts, nearest to liquidation first",
        "By the smaller of two moves: of one coin to the nearest position's liquidation price (Distance), "
        "and of all coins together (Joint move). Rate: requirement / equity of the worst pool or isolated "
        "position; 100 % is liquidation. To add, or to close as a share of the positions: what takes it down "
        "to the target." + CAPPED + KNOWN,
        {
            "account": "Account",
            "exchange": "Exchange",
            "desk": "Desk",
            "owner": "Owner",
            "symbol": "Nearest",
            "side": "Side",
        },
        [
            Column("Order", f"sort({nearest})", p.RATIO, hidden=True),
            Column("State", CHOSEN.once(BLIND, _ACCOUNT), p.COUNT, text_colored=True, names=STATE),
            Column(
                "Distance",
                CHOSEN.once(DISTANCE_KNOWN, _ACCOUNT, "min"),
                p.RATIO,
                DISTANCE_SCALE,
                bar_maximum=0.5,
            ),
            Column("Of", f"bottomk by ({_ACCOUNT}) (1, {position})", p.RATIO, hidden=True),
            Column(
                "Joint move",
                CHOSEN.once(SHOCK_KNOWN, _ACCOUNT, "min"),
                p.RATIO,
                SHOCK_SCALE,
                text_colored=True,
            ),
            Column(
                "Rate",
                capped(f"max by ({_ACCOUNT}) ({CHOSEN.margin_rate()})"),
                p.RATIO,
                RATE_SCALE,
                text_colored=True,
            ),
            Column(
                "To add", f"sum by ({_ACCOUNT}) ({CHOSEN.margin_to_target()})", p.USD, names=NOTHING_TO_DO
            ),
            Column("To close", f"max by ({_ACCOUNT}) ({to_close})", p.RATIO, names=NOTHING_TO_DO),
            Column("Equity", CHOSEN.once(EQUITY_KNOWN, _ACCOUNT), p.USD),
            Column("Age", CHOSEN.once(DATA_AGE, _ACCOUNT, "min"), p.AGE),
            Column("Whose", _of_owners(), p.COUNT, hidden=True),
        ],
        sort_by=None,
        link=("Open the account", link_to(links.ACCOUNT_UID, exchange="Exchange", account="Account")),
        width=16,
        height=10,
    )


def _of_owners() -> str:
    """Grafana puts rows together that do not differ in a label that both have: nobody needs a name, too."""
    expr = CHOSEN.once(OWNERS, f"{_ACCOUNT}, {_OWNER}")
    for label in _OWNER.split(", "):
        expr = f'label_replace({expr}, "{label}", "–", "{label}", "")'
    return expr


def _by_owner() -> Panel:
    def of(operation: str, expr: str) -> str:
        whose = f"* on ({_ACCOUNT}) group_left ({_OWNER}) {_of_owners()}"
        return f"{operation} by ({_OWNER}) (({expr}) {whose})"

    distance, shock = (CHOSEN.once(known, _ACCOUNT, "min") for known in (DISTANCE_KNOWN, SHOCK_KNOWN))
    blind = CHOSEN.once(BLIND, _ACCOUNT)
    return table(
        "Owners, nearest to liquidation first",
        "The accounts of each owner together: the smallest distance and joint move, the highest rate, the "
        "sums of what to add and of equity. A row without a name: accounts of which nobody said whose they "
        "are." + CAPPED + KNOWN,
        {"desk": "Desk", "owner": "Owner"},
        [
            Column("Distance", f"sort({of('min', distance)})", p.RATIO, DISTANCE_SCALE, bar_maximum=0.5),
            Column("Joint move", of("min", shock), p.RATIO, SHOCK_SCALE, text_colored=True),
            Column(
                "Rate",
                capped(of("max", f"max by ({_ACCOUNT}) ({CHOSEN.margin_rate()})")),
                p.RATIO,
                RATE_SCALE,
                text_colored=True,
            ),
            Column(
                "To add",
                of("sum", f"sum by ({_ACCOUNT}) ({CHOSEN.margin_to_target()})"),
                p.USD,
                names=NOTHING_TO_DO,
            ),
            Column("Equity", of("sum", CHOSEN.once(EQUITY_KNOWN, _ACCOUNT)), p.USD),
            Column("Accounts", of("count", blind), p.COUNT),
            Column("Blind", of("sum", blind), p.COUNT, p.ONE_IS_RED, text_colored=True),
        ],
        sort_by=None,
        height=6,
    )


def _alerts() -> Panel:
    names = "alertname, severity, exchange, account, symbol"
    by_rank = " or ".join(
        f'{rank} * group by ({names}) (ALERTS{{{_FIRING}, severity="{severity}"}})'
        for rank, severity in enumerate(_SEVERITIES)
    )
    ranks: dict[float | str, tuple[str, str | None]] = dict(enumerate(_SEVERITIES.items()))
    return table(
        "What fires, gravest first",
        "Firing alerts, and for how long their condition has held. Critical: act within minutes; warning: "
        "decide today; info: know.",
        {"alertname": "Alert", "account": "Account", "symbol": "Symbol"},
        [
            Column("Severity", f"sort({by_rank})", p.COUNT, filled=True, names=ranks, leading=True),
            Column(
                "For",
                f"time() - min by ({names}) (ALERTS_FOR_STATE and ignoring (alertstate) ALERTS{{{_FIRING}}})",
                p.AGE,
                leading=True,
            ),
        ],
        sort_by=None,
        hidden=["severity", "exchange"],
        empty="none found",
        width=8,
        height=10,
    )


def _over_time() -> list[Panel]:
    return [
        p.graph(
            "Distance of the nearest positions",
            "Liquidation distance of the nearest position of each account, the eight nearest now. Distances "
            "above 100 % are drawn as 100 %.",
            [
                Query(
                    near(
                        f"{CHOSEN.once(DISTANCE_KNOWN, _ACCOUNT, 'min')} and on ({_ACCOUNT}) "
                        f"bottomk(8, min by ({_ACCOUNT}) ({CHOSEN.of(DISTANCE_KNOWN)} @ end()))"
                    ),
                    ACCOUNT_LEGEND,
                )
            ],
            p.RATIO,
            scale=DISTANCE_SCALE,
            minimum=0,
            width=12,
        ),
        p.graph(
            "Maintenance margin rate",
            "Requirement / margin equity of the cross positions, the eight highest now; 100 % is liquidation."
            + CAPPED,
            [
                Query(
                    f"{capped(CHOSEN.once(RATE_KNOWN))} and on ({POOL}) "
                    f"topk(8, max by ({POOL}) ({CHOSEN.of(RATE_KNOWN)} @ end()))",
                    POOL_LEGEND,
                )
            ],
            p.RATIO,
            scale=RATE_SCALE,
            minimum=0,
            width=12,
        ),
        p.graph(
            "Equity by exchange",
            "Equity in US dollars, stacked. What is called unseen is the last known equity of accounts "
            "of which there are no data: without it their blindness would look like a loss.",
            [
                Query(f"sum by (exchange) ({CHOSEN.once('risk_account_equity_usd')})", "{{exchange}}"),
                Query(
                    f"sum by (exchange) ({CHOSEN.of(EQUITY_KNOWN)} "
                    f"unless on (exchange, account) {CHOSEN.of('risk_account_equity_usd')})",
                    "{{exchange}} unseen",
                ),
            ],
            p.USD,
            stacked=True,
        ),
        p.graph(
            "Unrealized PnL",
            "Unrealized profit and loss of each account in US dollars.",
            [
                Query(
                    f"sum by ({_ACCOUNT}) ({CHOSEN.in_usd(CHOSEN.once('risk_account_unrealized_pnl'))})",
                    ACCOUNT_LEGEND,
                )
            ],
            p.USD,
        ),
        p.graph(
            "Drawdown from the day's peak",
            "Loss of equity in US dollars since the peak of the last 24 hours. Withdrawals count as well.",
            [Query(drawdown(CHOSEN, "1d"), ACCOUNT_LEGEND)],
            p.RATIO,
            scale=DRAWDOWN_SCALE,
            minimum=0,
        ),
    ]


def _concentration() -> list[Panel]:
    return [
        p.bars(
            "Share of each exchange in the equity",
            "Of the positive equity of all accounts. Failing accounts count with their last known equity, "
            "for the others' sake.",
            [Query("sort_desc(risk:exchange:equity_usd_share:known)", "{{exchange}}")],
            p.RATIO,
            p.rising((t.EXCHANGE_CONCENTRATION, p.ORANGE)),
            maximum=1,
            width=6,
        ),
        p.bars(
            "Share of each coin in the gross notional",
            "Of the gross notional of all accounts. Failing accounts count with their last known positions, "
            "for the others' sake.",
            [Query("sort_desc(risk:base:gross_notional_usd_share:known)", "{{base}}")],
            p.RATIO,
            p.rising((t.COIN_CONCENTRATION, p.ORANGE)),
            maximum=1,
            width=6,
        ),
        p.graph(
            "Net exposure by coin",
            "Long minus short notional in US dollars over all accounts that are seen, options with their "
            "delta. A blind account's legs are missing.",
            [Query("risk:base:net_notional_usd:sum", "{{base}}")],
            p.USD,
            width=6,
            height=9,
        ),
        p.graph(
            "Gross exposure by coin",
            "Long plus short notional in US dollars over all accounts that are seen, options with their "
            "delta.",
            [Query("risk:base:gross_notional_usd:sum", "{{base}}")],
            p.USD,
            stacked=True,
            width=6,
            height=9,
        ),
    ]
