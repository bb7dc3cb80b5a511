"""How marks move, and how fast positions approach their liquidation price."""

from __future__ import annotations

from tests.grafana.rule_tests.dangers import volatile_mark
from tests.grafana.rule_tests.recording.expected import DISTANCE, OTHER, recorded
from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import KEY, POSITION, World, selector, span


def tests() -> list[Test]:
    return [
        recorded(
            "a distance that falls from far away because the liquidation price moves is no projection",
            World(
                40,
                accounts={KEY: []},
                # 1 / distance grows steadily: 10 after 10 minutes, 0.51 after 35.
                data=[
                    (
                        DISTANCE,
                        POSITION,
                        [round(1 / (0.0745 * max(minute - 8.66, 0.001)), 6) for minute in range(40)],
                    ),
                ],
            ),
            ("risk:position:liquidation_time_seconds:projected", 15, []),
            ("risk:position:liquidation_time_seconds:projected", 34, []),
            ("count(risk:position:liquidation_time_seconds:projected)", 38, [("{}", 1)]),
        ),
        recorded(
            "what moves between the first collections of a position is no speed",
            World(
                20,
                accounts={KEY: []},
                data=[(DISTANCE, POSITION, [*[None] * 10, *(0.2 - 0.002 * minute for minute in range(10))])],
            ),
            ("risk:position:liquidation_time_seconds:projected", 13, []),
            ("count(risk:position:liquidation_time_seconds:projected)", 14, [("{}", 1)]),
        ),
        recorded(
            "volatility is the deviation of 5-minute returns scaled by the square root of time, and waits "
            "for history",
            World(200, accounts={KEY: []}, data=volatile_mark(3, 0, 200)),
            ("risk:symbol:mark_price_volatility:day", 30, []),
            (
                "round(risk:symbol:mark_price_volatility:day, 0.0001)",
                194,
                [('{exchange="binance_usdm", symbol="BTCUSDT"}', 0.04)],
            ),
            (
                "round(risk:symbol:mark_price_volatility:hour, 0.0001)",
                194,
                [('{exchange="binance_usdm", symbol="BTCUSDT"}', 0.0082)],
            ),
        ),
        recorded(
            "the speed of approach is per second, and one step of the distance is no trend",
            World(
                60,
                accounts={KEY: []},
                data=[
                    (DISTANCE, POSITION, [round(0.6 - 0.006 * minute, 6) for minute in range(60)]),
                    (DISTANCE, OTHER, span((0.3, 30), (0.2, 30))),
                ],
            ),
            (
                "round(risk:position:liquidation_distance_ratio:deriv5m{symbol='BTCUSDT'}, 0.000001)",
                20,
                [(selector("", POSITION), -0.0001)],
            ),
            (
                "round(risk:position:liquidation_distance_ratio:deriv15m{symbol='BTCUSDT'}, 0.000001)",
                20,
                [(selector("", POSITION), -0.0001)],
            ),
            ("risk:position:liquidation_time_seconds:projected{symbol='ETHUSDT'}", 36, []),
            (
                "round(risk:position:liquidation_time_seconds:projected{symbol='BTCUSDT'})",
                20,
                [(selector("", POSITION), 4800)],
            ),
        ),
        recorded(
            "the projected time does not take data that failing collections leave unchanged for a standstill",
            World(
                40,
                accounts={KEY: span(("ok", 20), ("failing", 20))},
                data=[(DISTANCE, POSITION, [round(0.6 - 0.006 * minute, 6) for minute in range(20)])],
            ),
            (
                "round(risk:position:liquidation_time_seconds:known)",
                19,
                [(selector("", POSITION), 4860)],
            ),
            (
                "round(risk:position:liquidation_time_seconds:known)",
                39,
                [(selector("", POSITION), 4860)],
            ),
        ),
    ]
