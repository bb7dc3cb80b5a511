"""The alerts about one account."""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

import math
from typing import Final

from tests.grafana.rule_tests.dangers import while_it_lasts
from tests.grafana.rule_tests.trials import Danger, Expected, RiskCase
from tests.grafana.rule_tests.world import MAIN, POOL, Series, span

_DASHBOARD: Final = "/d/risk-account?var-exchange=binance_usdm&var-account=main"


def _lost_equity(value: float, prelude: int, lasts: int) -> list[Series]:
    values = span((1000.0, prelude), (round(1000 * (1 - value), 3), lasts), (1000.0, 1))
    return [("risk_account_equity", POOL, values), ("risk_account_equity_usd", POOL, values)]


def _rate_case(severity: str, value: float, calm: float, hold: int, percent: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskMaintenanceMarginRateHigh",
            labels={"severity": severity, "category": "risk", **POOL},
            summary=f"Maintenance margin rate of main on binance_usdm, pool USDT, is {percent}",
            description=f"What the cross positions require / the equity that backs them is {percent} ("
            "100% is liquidation; +Inf% means that no equity is left).",
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=10,
        series=while_it_lasts("risk_account_maintenance_margin_rate", POOL),
        danger=value,
        calm=calm,
    )


def _shock_case(severity: str, value: float, calm: float, hold: int, percent: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationShockSmall",
            labels={"severity": severity, "category": "risk", **POOL, "direction": "down"},
            summary=f"A joint move down of {percent} liquidates main on binance_usdm",
            description=f"If all coins moved down by {percent} at once, cross positions or an isolated one "
            "of pool USDT would be liquidated. Single positions may look safe.",
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
    also: tuple[Expected, ...] = (),
) -> RiskCase:
    days = {"1d": "day", "7d": "7 days"}[window]
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskEquityDrawdown",
            labels={"severity": severity, "category": "risk", "window": window, **MAIN},
            summary=f"Equity of main on binance_usdm is {percent} below the peak of the last {days}",
            description=f"The account lost {percent} of the highest equity in USD that it had within the "
            "last "
            f"{days}. What was moved out is not counted.",
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=30,
        series=_lost_equity,
        danger=value,
        calm=calm,
        prelude=5,
    )


def _leverage_case(severity: str, series: Danger, value: float, calm: float) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLeverageHigh",
            labels={"severity": severity, "category": "risk", **POOL},
            summary=f"main on binance_usdm, pool USDT, is leveraged {value} times",
            description=f"Gross notional is {value} times the equity, whether it is hedged or not.",
            dashboard=_DASHBOARD,
        ),
        hold=10,
        keep=30,
        series=series,
        danger=value,
        calm=calm,
    )


def _leverage_with_limit(value: float, prelude: int, lasts: int) -> list[Series]:
    """Nobody is warned unless the account has a limit of its own."""
    return [
        *while_it_lasts("risk_account_leverage_ratio", POOL)(value, prelude, lasts),
        ("risk_account_limit", {**MAIN, "limit": "leverage", "severity": "warning"}, [4.0]),
    ]


CASES: Final = (
    _rate_case("warning", 0.505, 0.495, 2, "50.5%"),
    _rate_case("critical", 0.805, 0.795, 1, "80.5%"),
    _rate_case("critical", math.inf, 0.795, 1, "+Inf%"),
    _shock_case("warning", 0.0795, 0.0805, 2, "7.95%"),
    _shock_case("critical", 0.0497, 0.0503, 1, "4.97%"),
    _drawdown_case("warning", "1d", 0.101, 0.099, "10.1%"),
    _drawdown_case(
        "critical",
        "1d",
        0.252,
        0.248,
        "25.2%",
        also=(
            _drawdown_case("warning", "1d", 0, 0, "25.2%").expected,
            _drawdown_case("warning", "7d", 0, 0, "25.2%").expected,
        ),
    ),
    _drawdown_case(
        "warning",
        "7d",
        0.202,
        0.198,
        "20.2%",
        also=(_drawdown_case("warning", "1d", 0, 0, "20.2%").expected,),
    ),
    _leverage_case("info", while_it_lasts("risk_account_leverage_ratio", POOL), 10.1, 9.9),
    _leverage_case("warning", _leverage_with_limit, 4.1, 3.9),
)
