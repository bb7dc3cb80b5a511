"""What several dashboards show in the same way: selections, legends, colours of limits, the positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exporter import catalogue
from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import Panel
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.tables import Column, link_to, matrix, table
from grafana.generator.promql import POOL, POSITION, selector

BLIND: Final = "risk:account:blind:bool"
DATA_AGE: Final = "risk:account:data_age_seconds:known"
EQUITY_KNOWN: Final = "risk:account:equity_usd:known"
EQUITY: Final = "risk:account:equity_usd:sum"
RATE_KNOWN: Final = "risk:account:maintenance_margin_rate:known"
SHOCK_KNOWN: Final = "risk:account:liquidation_shock_ratio:known"
DISTANCE_KNOWN: Final = "risk:position:liquidation_distance_ratio:known"
SIGMAS_KNOWN: Final = "risk:position:liquidation_distance_sigmas:known"


OWNERS: Final = catalogue.OWNER_INFO.name
"""The metric whose labels say whose an account is."""


@dataclass(frozen=True)
class Chosen:
    """Series of what was chosen at the top of a dashboard."""

    matchers: tuple[str, ...]

    def of(self, metric: str, *more: str) -> str:
        return selector(metric, *self.matchers, *more)

    def blind(self) -> str:
        """1 for each chosen account that nobody sees."""
        return f"max by (exchange, account) ({self.of(BLIND)}) == 1"

    def once(self, metric: str, by: str = POOL, operation: str = "max", *more: str) -> str:
        """Each value once, without the metric's name: several exporters may collect the same account."""
        return f"{operation} by ({by}) ({self.of(metric, *more)})"

    def remembered(self, metric: str, by: str, operation: str = "max") -> str:
        """The same, and for the accounts that nobody sees what was last seen within an hour.

        Of their positions only those that the rules remember: others were closed before.
        """
        there = f" and on ({POSITION}) {self.of(DISTANCE_KNOWN)}" if by == POSITION else ""
        return (
            f"({self.once(metric, by, operation)} or ({operation} by ({by}) "
            f"(last_over_time({self.of(metric)}[1h])) and on (exchange, account) {self.blind()}{there}))"
        )

    def price(self) -> str:
        """US dollars for one unit of each currency: the venue's price, else that in the account's equity."""
        quoted = f'label_replace({self.of("risk_asset_price_usd")}, "currency", "$1", "asset", "(.+)")'
        equity, in_usd = self.of("risk_account_equity"), self.of("risk_account_equity_usd")
        made = " / ".join(
            f"max by ({POOL}) (last_over_time({one}[1h])){test}"
            for one, test in ((in_usd, ""), (equity, " != 0"))
        )
        return f"(max by ({POOL}) ({quoted}) or {made})"

    def in_usd(self, expr: str) -> str:
        """Amounts in the currency of a label, in US dollars."""
        return f"({expr}) * on ({POOL}) group_left () {self.price()}"

    def margin_to_target(self) -> str:
        """US dollars to add, of each pool and each isolated position."""
        pools = self.remembered("risk_account_margin_to_target", POOL)
        positions = self.remembered("risk_position_margin_to_target", POSITION)
        return self.in_usd(f"{pools} or {positions}")

    def margin_rate(self) -> str:
        """Of each pool, and of each isolated position."""
        isolated = self.remembered("risk_position_maintenance_margin_rate", POSITION)
        return f"{self.once(RATE_KNOWN)} or {isolated}"


CHOSEN: Final = Chosen(('exchange=~"$exchange"', 'account=~"$account"'))
"""Of dashboards that show several accounts."""
ONE: Final = Chosen(('exchange="$exchange"', 'account="$account"'))
"""Of dashboards about one account."""
ONE_SYMBOL: Final = Chosen((*ONE.matchers, 'symbol="$symbol"'))
"""Of dashboards about the positions in one symbol."""

POOL_LEGEND: Final = "{{exchange}} {{account}} {{currency}}"
ACCOUNT_LEGEND: Final = "{{exchange}} {{account}}"

RATE_SCALE: Final = p.rising(
    (t.MAINTENANCE_MARGIN_RATE_WARNING, p.ORANGE), (t.MAINTENANCE_MARGIN_RATE_CRITICAL, p.RED)
)
DISTANCE_SCALE: Final = p.falling(
    (t.LIQUIDATION_DISTANCE_INFO, p.YELLOW),
    (t.LIQUIDATION_DISTANCE_WARNING, p.ORANGE),
    (t.LIQUIDATION_DISTANCE_CRITICAL, p.RED),
)
SIGMA_SCALE: Final = p.falling((t.LIQUIDATION_SIGMAS_INFO, p.ORANGE), (t.LIQUIDATION_SIGMAS_WARNING, p.RED))
SHOCK_SCALE: Final = p.falling((t.LIQUIDATION_SHOCK_WARNING, p.ORANGE), (t.LIQUIDATION_SHOCK_CRITICAL, p.RED))
LEVERAGE_SCALE: Final = p.rising((t.LEVERAGE_INFO, p.ORANGE))
DRAWDOWN_SCALE: Final = p.rising(
    (t.EQUITY_DRAWDOWN_1D_WARNING, p.ORANGE), (t.EQUITY_DRAWDOWN_1D_CRITICAL, p.RED)
)
PROJECTED_SCALE: Final = p.falling((t.LIQUIDATION_PROJECTED, p.RED))
ADL_SCALE: Final = p.rising((t.ADL_FRONT, p.ORANGE))
STRESS_SCALE: Final = p.rising((t.MAINTENANCE_MARGIN_RATE_CRITICAL, p.ORANGE), (t.STRESS_BREACH, p.RED))
SCARCE: Final = p.rising((t.Threshold(0.01, "any amount is one to find"), p.ORANGE))
"""Of money that is missing."""

CAPPED: Final = " Values above 200 %, such as +Inf where no equity is left, are drawn as 200 %."
KNOWN: Final = " Accounts that nobody sees stay, with what was known last, and are called blind."

STATE: Final[dict[float | str, tuple[str, str | None]]] = {0: ("live", p.GREEN), 1: ("BLIND", p.RED)}
NOTHING_TO_DO: Final[dict[float | str, tuple[str, str | None]]] = {0: ("none", "text")}


def capped(expr: str) -> str:
    """A rate that can be drawn: +Inf has no place on an axis."""
    return f"clamp_max({expr}, 2)"


def near(expr: str) -> str:
    """A distance that can be drawn: a hedged pair may be thousands of percent away, and then it is safe."""
    return f"clamp_max({expr}, 1)"


def drawdown(chosen: Chosen, window: str) -> str:
    """Loss since the highest equity of the window, as a ratio of that."""
    equity = chosen.of(EQUITY)
    return f"1 - {equity} / (max_over_time({equity}[{window}]) > 0)"


def hedged(chosen: Chosen) -> str:
    """1 for each leg of a cross hedge: both have the distance of the net; 0 for every other position."""
    pair = "exchange, account, symbol, margin_mode, currency"
    legs = chosen.of("risk_position_info", 'margin_mode="cross"')
    both = f"count by ({pair}) (count by ({pair}, side) ({legs})) == 2"
    every = chosen.once("risk_position_info", POSITION)
    return f"({every} and on ({pair}) ({both})) or 0 * {every}"


NET: Final = "net"
"""How both legs of a hedged pair are called: what is told of them is told of what is left of the two."""


def by_leg(chosen: Chosen, metric: str, words: str = "", *, capped_at: float | None = None) -> list[Query]:
    """The smallest value of each leg of one symbol; both legs of a hedged pair are one line."""
    legs = "side, margin_mode, position_id"
    of_pair = f"on ({POSITION}) ({hedged(chosen)} == 1)"

    def drawn(expr: str) -> str:
        return expr if capped_at is None else f"clamp_max({expr}, {capped_at:g})"

    return [
        Query(
            drawn(f"min by ({legs}) ({chosen.of(metric)} unless {of_pair})"),
            f"{words} {{{{side}}}} {{{{margin_mode}}}} {{{{position_id}}}}".strip(),
        ),
        Query(drawn(f"min({chosen.of(metric)} and {of_pair})"), f"{words} {NET}".strip()),
    ]


def stress_grid(chosen: Chosen, *, width: int = 24, height: int = 10) -> Panel:
    """A row for each pool, and one for the worst of its isolated positions; a column for each shock."""
    rate = chosen.once("risk_account_stress_maintenance_margin_rate", f"{POOL}, margin_mode, shock")
    named = f'label_join({capped(rate)}, "pool", " ", "account", "currency", "margin_mode", "exchange")'
    return matrix(
        "Stress: margin rate if all coins moved by",
        "The maintenance margin rate of the cross positions, and of the worst isolated one, if all coins but "
        "stable ones moved by what stands above the column (-0.1 is a fall by 10 %); 100 % is liquidation. "
        "The moves are those of risk.shocks." + CAPPED,
        named,
        p.RATIO,
        STRESS_SCALE,
        row=("pool", "Pool"),
        column="shock",
        mappings=[p.at_least(2, "≥ 200 %")],
        width=width,
        height=height,
    )


def positions_table(
    chosen: Chosen, title: str, description: str, *, hidden: Sequence[str] = (), height: int = 10
) -> Panel:
    """The chosen accounts' positions, the nearest to liquidation first."""
    there = f"({chosen.once('risk_position_info', POSITION)} or {chosen.once(DISTANCE_KNOWN, POSITION)})"
    return table(
        title,
        description + KNOWN,
        {
            "symbol": "Symbol",
            "account": "Account",
            "exchange": "Exchange",
            "side": "Side",
            "margin_mode": "Margin",
            "position_id": "Position",
        },
        [
            Column(
                "Distance",
                f"sort({chosen.once(DISTANCE_KNOWN, POSITION, 'min')})",
                p.RATIO,
                DISTANCE_SCALE,
                bar_maximum=0.5,
            ),
            Column("Of the", hedged(chosen), p.COUNT, names={0: ("leg", "text"), 1: ("net", "text")}),
            Column(
                "State",
                f"0 * {there} + on (exchange, account) group_left () "
                f"{chosen.once(BLIND, 'exchange, account')}",
                p.COUNT,
                text_colored=True,
                names=STATE,
            ),
            Column(
                "Sigmas", chosen.once(SIGMAS_KNOWN, POSITION, "min"), p.TIMES, SIGMA_SCALE, text_colored=True
            ),
            Column("Mark", chosen.remembered("risk_position_mark_price", POSITION), p.PRICE),
            Column("Liquidation", chosen.remembered("risk_position_liquidation_price", POSITION), p.PRICE),
            Column("Notional", chosen.remembered("risk_position_notional_usd", POSITION), p.USD),
            Column(
                "PnL",
                chosen.in_usd(chosen.remembered("risk_position_unrealized_pnl", POSITION)),
                p.USD,
            ),
            Column("Leverage", chosen.remembered("risk_position_leverage_ratio", POSITION), p.COUNT),
            Column(
                "ADL", chosen.once("risk_position_adl_ratio", POSITION), p.RATIO, ADL_SCALE, text_colored=True
            ),
        ],
        # The table itself would put positions that no price liquidates, without a distance, first. The rows
        # keep the order of the first query, and those it does not have follow.
        sort_by=None,
        hidden=["currency", *hidden],
        link=(
            "Open the position",
            link_to(links.POSITION_UID, exchange="Exchange", account="Account", symbol="Symbol"),
        ),
        height=height,
    )
