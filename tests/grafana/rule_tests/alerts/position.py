"""The alerts about one position."""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

import math
from typing import Final

from tests.grafana.rule_tests.dangers import volatile_mark, while_it_lasts
from tests.grafana.rule_tests.trials import Danger, Expected, RiskCase, Test, make_test, named
from tests.grafana.rule_tests.world import KEY, POOL, POSITION, Series, World, span

_DASHBOARD: Final = "/d/risk-position?var-exchange=binance_usdm&var-account=main&var-symbol=BTCUSDT"


def _near_case(severity: str, value: float, calm: float, hold: int, keep: int, percent: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationNear",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {percent} from liquidation",
            description=f"A move of the mark price by {percent} against the position liquidates it.",
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=keep,
        series=while_it_lasts("risk_position_liquidation_distance_ratio", POSITION),
        danger=value,
        calm=calm,
    )


def _sigma_case(
    severity: str, value: float, calm: float, short: str, also: tuple[Expected, ...] = ()
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskLiquidationNearSigmas",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {short} daily sigmas from liquidation",
            description=f"The liquidation price is {value:.2f} standard deviations of a day's move away: in "
            "this market the percentage alone looks safer than it is.",
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=15,
        series=volatile_mark,
        danger=value,
        calm=calm,
        prelude=105,
    )


def _isolated_case(severity: str, value: float, calm: float, hold: int, percent: str) -> RiskCase:
    labels = {**POSITION, "margin_mode": "isolated"}
    return RiskCase(
        expected=Expected(
            alert="RiskIsolatedMarginRateHigh",
            labels={"severity": severity, "category": "risk", **labels},
            summary="Maintenance margin rate of BTCUSDT long (isolated) of main on binance_usdm is "
            f"{percent}",
            description=f"What the isolated position requires / its own collateral is {percent} (100% is "
            "liquidation; +Inf% means that no collateral is left).",
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=10,
        series=while_it_lasts("risk_position_maintenance_margin_rate", labels),
        danger=value,
        calm=calm,
    )


def _approaching(value: float, prelude: int, lasts: int) -> list[Series]:
    """A distance that is used up in ``value`` minutes: at constant speed in danger, else ever slower.

    In danger the 60 minutes are passed half a minute before the end of the prelude.
    """
    if value <= 60:
        falling = [round(0.006 * (60 + prelude - minute - 0.5), 6) for minute in range(prelude + lasts)]
    else:
        falling = [round(0.4 * math.exp(-minute / value), 9) for minute in range(prelude + lasts)]
    return [("risk_position_liquidation_distance_ratio", POSITION, [*falling, None])]


def _unknown_price(value: float, _: int, lasts: int) -> list[Series]:
    """``value`` 1: nobody can tell the price; 0: no price liquidates."""
    info = {**POSITION, "base": "BTC", "quote": "USDT", "contract_kind": "linear"}
    source = "unknown" if value else "none"
    return [("risk_position_info", {**info, "liquidation_source": source}, span((1.0, lasts), (None, 1)))]


def _unknown_price_with_rate(value: float, _: int, lasts: int) -> list[Series]:
    return [
        *_unknown_price(value, 0, lasts),
        ("risk_account_maintenance_margin_rate", POOL, [0.1]),
    ]


def _unknown_price_without_rate(value: float, _: int, lasts: int) -> list[Series]:
    """``value`` 1: neither price nor rate are known; 0: the rate is."""
    if value:
        return _unknown_price(1, 0, lasts)
    return _unknown_price_with_rate(1, 0, lasts)


def _unknown_case(
    severity: str,
    summary: str,
    description: str,
    series: Danger,
    also: tuple[Expected, ...] = (),
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskLiquidationPriceUnknown",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm has no known distance to liquidation"
            + summary,
            description=description,
            dashboard=_DASHBOARD,
        ),
        hold=15,
        keep=15,
        series=series,
        danger=1,
        calm=0,
    )


_UNKNOWN_INFO: Final = _unknown_case(
    "info",
    "",
    "The liquidation price or the mark price of this position is not known, so its distance to liquidation "
    "is "
    "not known either. The margin rate is watched: the account's, or its own if it is isolated.",
    _unknown_price_with_rate,
)

CASES: Final = (
    _isolated_case("warning", 0.505, 0.495, 2, "50.5%"),
    _isolated_case("critical", 0.805, 0.795, 1, "80.5%"),
    _near_case("info", 0.1995, 0.2005, 10, 30, "19.95%"),
    _near_case("warning", 0.0795, 0.0805, 2, 15, "7.95%"),
    _near_case("critical", 0.0497, 0.0503, 1, 15, "4.97%"),
    _sigma_case("info", 2.97, 3.03, "3.0"),
    _sigma_case("warning", 1.98, 2.02, "2.0", also=(_sigma_case("info", 1.98, 0, "2.0").expected,)),
    RiskCase(
        expected=Expected(
            alert="RiskLiquidationProjected",
            labels={"severity": "critical", "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm reaches liquidation in 53m 30s",
            description="At the slower of its speeds over 5 and 15 minutes the position reaches its "
            "liquidation price in 53m 30s.",
            dashboard=_DASHBOARD,
        ),
        hold=6,
        keep=10,
        series=_approaching,
        danger=60,
        calm=63.1,
        prelude=20,
    ),
    RiskCase(
        expected=Expected(
            alert="RiskAdlQueueFront",
            labels={"severity": "warning", "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm is near the front of the auto-deleveraging "
            "queue",
            description="Place 96% in the queue (100% is first). In a crash the exchange may close this "
            "winning position; what it hedges is then not hedged any more.",
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=15,
        series=while_it_lasts("risk_position_adl_ratio", POSITION),
        danger=0.96,
        calm=0.94,
    ),
    _UNKNOWN_INFO,
    _unknown_case(
        "warning",
        ", nor a margin rate",
        "Neither the distance of this position to its liquidation nor a margin rate is known, of its "
        "account or, "
        "if it is isolated, its own: no other alert would page anybody before a liquidation.",
        _unknown_price_without_rate,
        also=(_UNKNOWN_INFO.expected,),
    ),
)


def flapping() -> list[Test]:
    """A distance that swings around its limit is a danger for as long as it does not grow by half."""
    name = "risk_position_liquidation_distance_ratio"
    found: list[Test] = []
    for severity, limit, hold, keep in (
        ("info", 0.2, 10, 30),
        ("warning", 0.08, 2, 15),
        ("critical", 0.05, 1, 15),
    ):
        expected = _near_case(severity, 0, 0, hold, keep, "").expected

        def world(high: float, limit: float = limit) -> World:
            swings = span(*[(limit * 0.95, 1), (round(limit * high, 6), 1)] * 30)
            return World(60, accounts={KEY: []}, data=[(name, POSITION, swings)])

        found += named(
            severity,
            [
                make_test(
                    "fires while the distance swings around it", world(1.48), expected, firing=[hold, 20, 59]
                ),
                make_test(
                    "does not fire while the distance swings beyond it",
                    world(1.52),
                    expected,
                    silent=range(60),
                ),
            ],
        )
    return found
