"""Series that bring an account into danger, for more than one alert."""

from __future__ import annotations

import math

from tests.grafana.rule_tests.trials import Danger
from tests.grafana.rule_tests.world import POSITION, Series, span


def while_it_lasts(name: str, labels: dict[str, str]) -> Danger:
    """One series that vanishes when the danger is over, while the account is collected all the time."""

    def series(value: float, prelude: int, lasts: int) -> list[Series]:
        return [(name, labels, span((None, prelude), (value, lasts), (None, 1)))]

    return series


def volatile_mark(value: float, prelude: int, lasts: int) -> list[Series]:
    """A mark that moves by 0.04 / sqrt(288) every 5 minutes, up and down: 4 % a day."""
    step = math.exp(0.04 / math.sqrt(288))
    total = prelude + lasts
    mark = [round(100 * (step if minute % 10 >= 5 else 1.0), 6) for minute in range(total)]
    return [
        ("risk_position_mark_price", POSITION, [*mark, mark[-1]]),
        (
            "risk_position_liquidation_distance_ratio",
            POSITION,
            span((0.5, prelude), (value * 0.04, lasts), (0.5, 1)),
        ),
    ]
