"""What all accounts hold together."""

from __future__ import annotations

from tests.grafana.rule_tests.recording.expected import INFO, OTHER, recorded
from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import KEY, POSITION, Series, World, selector, span

_PUT = {**POSITION, "symbol": "BTC-PUT"}


def tests() -> list[Test]:
    second = {"exchange": "bingx", "account": "spare"}
    positions: list[Series] = [
        ("risk_position_notional_usd", POSITION, [700.0]),
        ("risk_position_info", {**POSITION, "base": "BTC", **INFO}, [1.0]),
        ("risk_position_notional_usd", {**OTHER, **second}, [200.0]),
        ("risk_position_info", {**OTHER, **second, "base": "BTC", **INFO}, [1.0]),
        ("risk_position_notional_usd", {**POSITION, **second, "symbol": "SOLUSDT"}, [100.0]),
        ("risk_position_info", {**POSITION, **second, "symbol": "SOLUSDT", "base": "SOL", **INFO}, [1.0]),
    ]
    return [
        recorded(
            "exposure sums long and short positions of a coin over accounts, and leaves out what is not seen",
            World(
                60, accounts={KEY: span(("ok", 20), ("blind", 40)), ("bingx", "spare"): []}, data=positions
            ),
            (
                "risk:base:gross_notional_usd:sum",
                10,
                [
                    ('risk:base:gross_notional_usd:sum{base="BTC"}', 900),
                    ('risk:base:gross_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "risk:base:net_notional_usd:sum",
                10,
                [
                    ('risk:base:net_notional_usd:sum{base="BTC"}', 500),
                    ('risk:base:net_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "risk:base:net_notional_usd:sum",
                30,
                [
                    ('risk:base:net_notional_usd:sum{base="BTC"}', -200),
                    ('risk:base:net_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "risk:base:gross_notional_usd_share:known",
                30,
                [
                    ('risk:base:gross_notional_usd_share:known{base="BTC"}', 0.9),
                    ('risk:base:gross_notional_usd_share:known{base="SOL"}', 0.1),
                ],
            ),
        ),
        recorded(
            "options count with their delta: a put that was bought hedges a long future",
            World(
                60,
                accounts={KEY: span(("ok", 20), ("blind", 40))},
                data=[
                    ("risk_position_notional_usd", POSITION, [700.0]),
                    ("risk_position_info", {**POSITION, "base": "BTC", **INFO}, [1.0]),
                    ("risk_position_delta_usd", _PUT, [-300.0]),
                    ("risk_position_info", {**_PUT, "base": "BTC", **INFO}, [1.0]),
                ],
            ),
            (
                "risk:base:gross_notional_usd:sum",
                10,
                [('risk:base:gross_notional_usd:sum{base="BTC"}', 1000)],
            ),
            ("risk:base:net_notional_usd:sum", 10, [('risk:base:net_notional_usd:sum{base="BTC"}', 400)]),
            (
                "risk:position:option_delta_usd:known",
                50,
                [(selector("risk:position:option_delta_usd:known", {**_PUT, "base": "BTC"}), -300)],
            ),
            (
                "risk:base:gross_notional_usd_share:known",
                50,
                [('risk:base:gross_notional_usd_share:known{base="BTC"}', 1)],
            ),
        ),
    ]
