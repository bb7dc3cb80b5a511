"""The alerts about one position."""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

import math
from typing import Final

from tests.grafana.rule_tests.dangers import volatile_mark, while_it_lasts
from tests.grafana.rule_tests.trials import LAST_KNOWN, Danger, Expected, RiskCase
from tests.grafana.rule_tests.world import POOL, POSITION, Series, span

_DASHBOARD: Final = "/d/risk-position?var-exchange=binance_usdm&var-account=main&var-symbol=BTCUSDT"


def _near_case(
    severity: str, value: float, calm: float, hold: int, keep: int, percent: str, limit: str
) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationNear",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {percent} from liquidation",
            description=f"A move of the mark price by {percent} against the position liquidates it "
            f"(limit {limit})." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=hold,
        keep=keep,
        series=while_it_lasts("risk_position_liquidation_distance_ratio", POSITION),
        danger=value,
        calm=calm,
    )


def _sigma_case(
    severity: str, value: float, calm: float, short: str, limit: str, also: tuple[Expected, ...] = ()
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskLiquidationNearSigmas",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {short} daily sigmas from liquidation",
            description=f"The liquidation price is {value:.2f} standard deviations of a day's move away "
            f"(limit {limit}): in this market the percentage alone looks safer than it is." + LAST_KNOWN,
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=15,
        series=volatile_mark,
        danger=value,
        calm=calm,
        prelude=105,
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
            description=description + LAST_KNOWN,
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
    "The liquidation price or the mark price of this cross position is not known, so its distance "
    "to liquidation is not known either. The account's margin rate is watched.",
    _unknown_price_with_rate,
)

CASES: Final = (
    _near_case("info", 0.1995, 0.2005, 10, 30, "19.95%", "20%"),
    _near_case("warning", 0.0995, 0.1005, 2, 15, "9.95%", "10%"),
    _near_case("critical", 0.0497, 0.0503, 1, 15, "4.97%", "5%"),
    _sigma_case("warning", 2.97, 3.03, "3.0", "3"),
    _sigma_case(
        "critical", 1.98, 2.02, "2.0", "2", also=(_sigma_case("warning", 1.98, 0, "2.0", "3").expected,)
    ),
    RiskCase(
        expected=Expected(
            alert="RiskLiquidationProjected",
            labels={"severity": "critical", "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm reaches liquidation in 53m 30s",
            description="At the slower of its speeds over 5 and 15 minutes the position reaches its "
            "liquidation price in 53m 30s (limit 1h)." + LAST_KNOWN,
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
            "winning position; what it hedges is then not hedged any more." + LAST_KNOWN,
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
        ", and its account has no known margin rate",
        "Neither the distance of this cross position to its liquidation nor the maintenance margin rate of "
        "its account is known: no other alert would page anybody before a liquidation.",
        _unknown_price_without_rate,
        also=(_UNKNOWN_INFO.expected,),
    ),
)
