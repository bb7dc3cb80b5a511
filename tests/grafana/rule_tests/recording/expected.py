"""How a test of recording rules is written, and what several of them speak of."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import POSITION, World, selector

DISTANCE: Final = "risk_position_liquidation_distance_ratio"
KNOWN: Final = "risk:position:liquidation_distance_ratio:known"
OF_POSITION: Final = selector(KNOWN, POSITION)
OTHER: Final = {**POSITION, "symbol": "ETHUSDT", "side": "short"}
INFO: Final = {"quote": "USDT", "contract_kind": "linear", "liquidation_source": "venue"}


def recorded(name: str, world: World, *checks: tuple[str, int, list[tuple[str, float]]]) -> Test:
    """A test of recording rules: expressions, minutes, and the series they give."""
    return {
        "interval": "1m",
        "name": name,
        "input_series": world.input_series(),
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for expr, minute, samples in checks
        ],
    }
