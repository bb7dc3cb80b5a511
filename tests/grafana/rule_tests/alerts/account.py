"""The alerts about one account."""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

import math
from typing import Final

from tests.grafana.rule_tests.dangers import while_it_lasts
from tests.grafana.rule_tests.trials import LAST_KNOWN, Expected, RiskCase
from tests.grafana.rule_tests.world import MAIN, POOL, Series, span

_DASHBOARD: Final = "/d/risk-account?var-exchange=binance_usdm&var-account=main"


def _lost_equity(value: float, prelude: int, lasts: int) -> list[Series]:
    values = span((1000.0, prelude), (round(1000 * (1 - value), 3), lasts), (1000.0, 1))
    return [("risk_account_equity", POOL, values), ("risk_account_equity_usd", POOL, values)]


def _rate_case(severity: str, value: float, calm: float, hold: int, percent: str, limit: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskMaintenanceMarginRateHigh",
            labels={"severity": severity, "category": "risk", **POOL},
            summary=f"Maintenance margin rate of main on binance_usdm, pool USDT, is {percent}",
            description=f"What the cross positions require / the equity that backs them is {percent} (limit "
            f"{limit}; 100% is liquidation; +Inf% means that no equity is left)." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=10,
        series=while_it_lasts("risk_account_maintenance_margin_rate", POOL),
        danger=value,
        calm=calm,
    )


def _shock_case(severity: str, value: float, calm: float, hold: int, percent: str, limit: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationShockSmall",
            labels={"severity": severity, "category": "risk", **POOL, "direction": "down"},
            summary=f"A joint move down of {percent} liquidates main on binance_usdm",
            description=f"If all coins moved down by {percent} at once, cross positions or an isolated one "
            f"of pool USDT would be liquidated (limit {limit}). Single positions may look safe." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=10,
        series=while_it_lasts("risk_account_liquidation_shock_ratio", {**POOL, "direction": "down"}),
        danger=value,
        calm=calm,
    )


def _drawdown_case(
    severity: str,
    window: str,
    value: float,
    calm: float,
    percent: str,
    limit: str,
    also: tuple[Expected, ...] = (),
) -> RiskCase:
    days = {"1d": "day", "7d": "7 days"}[window]
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskEquityDrawdown",
            labels={"severity": severity, "category": "risk", "window": window, **MAIN},
            summary=f"Equity of main on binance_usdm is {percent} below the peak of the last {days}",
            description=f"The account's equity in USD fell by {percent} from its peak of the last {days} "
            f"(limit {limit}). Withdrawals count as well." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=30,
        series=_lost_equity,
        danger=value,
        calm=calm,
        prelude=5,
    )


CASES: Final = (
    _rate_case("warning", 0.505, 0.495, 2, "50.5%", "50%"),
    _rate_case("critical", 0.805, 0.795, 1, "80.5%", "80%"),
    _rate_case("critical", math.inf, 0.795, 1, "+Inf%", "80%"),
    _shock_case("warning", 0.0995, 0.1005, 2, "9.95%", "10%"),
    _shock_case("critical", 0.0497, 0.0503, 1, "4.97%", "5%"),
    _drawdown_case("warning", "1d", 0.101, 0.099, "10.1%", "10%"),
    _drawdown_case(
        "critical",
        "1d",
        0.252,
        0.248,
        "25.2%",
        "25%",
        also=(
            _drawdown_case("warning", "1d", 0, 0, "25.2%", "10%").expected,
            _drawdown_case("warning", "7d", 0, 0, "25.2%", "20%").expected,
        ),
    ),
    _drawdown_case(
        "warning",
        "7d",
        0.202,
        0.198,
        "20.2%",
        "20%",
        also=(_drawdown_case("warning", "1d", 0, 0, "20.2%", "10%").expected,),
    ),
    RiskCase(
        expected=Expected(
            alert="RiskLeverageHigh",
            labels={"severity": "warning", "category": "risk", **POOL},
            summary="main on binance_usdm, pool USDT, is leveraged 10.1 times",
            description="Gross notional is 10.10 times the equity (limit 10)." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=10,
        keep=30,
        series=while_it_lasts("risk_account_leverage_ratio", POOL),
        danger=10.1,
        calm=9.9,
    ),
    RiskCase(
        expected=Expected(
            alert="RiskStressBreach",
            labels={"severity": "warning", "category": "risk", **POOL, "shock": "-0.1"},
            summary="main on binance_usdm, pool USDT, does not survive the configured shock -0.1",
            description="If all coins moved by -0.1 (-0.1 is a fall of 10 %) the maintenance margin rate "
            "of the cross positions, or of an isolated one, would be 101%; 100% is liquidation." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=15,
        series=while_it_lasts(
            "risk_account_stress_maintenance_margin_rate",
            {**POOL, "margin_mode": "isolated", "shock": "-0.1"},
        ),
        danger=1.01,
        calm=0.99,
    ),
)
