"""What is known about single positions."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.recording.expected import DISTANCE, INFO, KNOWN, OF_POSITION, recorded
from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import KEY, POOL, POSITION, World, selector, span

_MISSING = "risk:position:margin_to_warning_usd:estimate"
_PUT: Final = {**POSITION, "symbol": "BTC-PUT", "side": "short", "currency": "BTC"}
_OPTION_INFO: Final = {
    "base": "BTC",
    "quote": "USD",
    "contract_kind": "option",
    "liquidation_source": "none",
    "right": "put",
}


def tests() -> list[Test]:
    return [
        recorded(
            "a position that was closed is not brought back when the account fails later",
            World(
                60,
                accounts={KEY: span(("ok", 20), ("blind", 40))},
                data=[(DISTANCE, POSITION, span((0.04, 10), (None, 1)))],
            ),
            (KNOWN, 9, [(OF_POSITION, 0.04)]),
            (KNOWN, 10, []),
            (KNOWN, 25, []),
            (KNOWN, 59, []),
        ),
        recorded(
            "the last known value ends with the first successful collection that lacks the position",
            World(
                60,
                accounts={KEY: span(("ok", 10), ("blind", 20), ("ok", 30))},
                data=[(DISTANCE, POSITION, span((0.04, 20), (None, 1)))],
            ),
            (KNOWN, 29, [(OF_POSITION, 0.04)]),
            (KNOWN, 30, []),
        ),
        recorded(
            "a new value replaces the last known one as soon as the account is collected",
            World(
                60,
                accounts={KEY: span(("ok", 10), ("blind", 20), ("ok", 30))},
                data=[(DISTANCE, POSITION, span((0.04, 20), (0.3, 1)))],
            ),
            (KNOWN, 29, [(OF_POSITION, 0.04)]),
            (KNOWN, 30, [(OF_POSITION, 0.3)]),
        ),
        recorded(
            "an open position whose price becomes unknown keeps its distance; one that no price "
            "liquidates does not",
            World(
                40,
                accounts={KEY: []},
                data=[
                    (DISTANCE, POSITION, span((0.04, 10), (None, 1))),
                    ("risk_position_info", {**POSITION, "base": "BTC", **INFO}, span((1.0, 10), (None, 1))),
                    (
                        "risk_position_info",
                        {**POSITION, "base": "BTC", **INFO, "liquidation_source": "unknown"},
                        span((None, 10), (1.0, 10), (None, 1)),
                    ),
                    (
                        "risk_position_info",
                        {**POSITION, "base": "BTC", **INFO, "liquidation_source": "none"},
                        span((None, 20), (1.0, 1)),
                    ),
                ],
            ),
            (KNOWN, 19, [(OF_POSITION, 0.04)]),
            (KNOWN, 20, []),
        ),
        recorded(
            "the way back to the limit of the warning follows the net of cross legs, and each isolated one",
            World(
                20,
                accounts={KEY: []},
                data=[
                    series
                    for labels, notional in (
                        (POSITION, 100_000.0),
                        ({**POSITION, "side": "short"}, 90_000.0),
                        ({**POSITION, "margin_mode": "isolated"}, 1_000.0),
                    )
                    for series in (
                        (DISTANCE, labels, [0.03]),
                        ("risk_position_notional_usd", labels, [notional]),
                        ("risk_position_info", {**labels, "base": "BTC", **INFO}, [1.0]),
                    )
                ],
            ),
            (
                f"round({_MISSING}, 0.01)",
                10,
                [
                    (selector("", POSITION), 500),
                    (selector("", {**POSITION, "side": "short"}), 500),
                    (selector("", {**POSITION, "margin_mode": "isolated"}), 50),
                ],
            ),
        ),
        recorded(
            "an open position whose mark is missing keeps what was known and is called unknown",
            World(
                60,
                accounts={KEY: []},
                data=[
                    (
                        DISTANCE,
                        POSITION,
                        [*[round(0.48 - 0.006 * minute, 6) for minute in range(20)], *span((None, 41))],
                    ),
                    ("risk_position_adl_ratio", POSITION, span((0.97, 20), (None, 1))),
                    ("risk_position_notional_usd", POSITION, span((700.0, 20), (None, 1))),
                    ("risk_position_info", {**POSITION, "base": "BTC", **INFO}, span((1.0, 50), (None, 1))),
                    ("risk_account_maintenance_margin_rate", POOL, span((0.2, 30), (None, 1))),
                ],
            ),
            ("risk:position:liquidation_price_unknown:known", 19, []),
            (KNOWN, 49, [(OF_POSITION, 0.366)]),
            (
                "risk:position:adl_ratio:known",
                49,
                [(selector("risk:position:adl_ratio:known", POSITION), 0.97)],
            ),
            (
                "risk:position:notional_usd:known",
                49,
                [(selector("risk:position:notional_usd:known", {**POSITION, "base": "BTC"}), 700)],
            ),
            (
                "round(risk:position:liquidation_time_seconds:known)",
                49,
                [(selector("", POSITION), 3660)],
            ),
            (
                "risk:position:liquidation_price_unknown:known",
                20,
                [(selector("risk:position:liquidation_price_unknown:known", POSITION), 1)],
            ),
            ("risk:position:liquidation_unwatched:known", 29, []),
            (
                "risk:position:liquidation_unwatched:known",
                30,
                [(selector("risk:position:liquidation_unwatched:known", POSITION), 1)],
            ),
            *(
                (f"risk:position:{name}:known", 50, [])
                for name in (
                    "liquidation_distance_ratio",
                    "liquidation_distance_sigmas",
                    "liquidation_time_seconds",
                    "liquidation_price_unknown",
                    "liquidation_unwatched",
                    "adl_ratio",
                    "notional_usd",
                )
            ),
        ),
        recorded(
            "an option has no liquidation price that could be unknown; one that was sold is unwatched if "
            "nothing tells the rate of its account",
            World(
                60,
                accounts={KEY: []},
                data=[
                    ("risk_position_info", {**_PUT, **_OPTION_INFO}, [1.0]),
                    ("risk_position_info", {**_PUT, "side": "long", **_OPTION_INFO}, [1.0]),
                    ("risk_account_maintenance_margin_rate", POOL, span((0.2, 30), (None, 1))),
                ],
            ),
            ("risk:position:liquidation_price_unknown:known", 40, []),
            ("risk:position:liquidation_unwatched:known", 29, []),
            (
                "risk:position:liquidation_unwatched:known",
                30,
                [(selector("risk:position:liquidation_unwatched:known", _PUT), 1)],
            ),
        ),
    ]
