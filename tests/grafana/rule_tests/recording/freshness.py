"""Who is seen."""

from __future__ import annotations

from tests.grafana.rule_tests.recording.expected import DISTANCE, KNOWN, OF_POSITION, recorded
from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import (
    EXPORTER,
    KEY,
    MAIN,
    POSITION,
    SOURCE,
    TWIN,
    World,
    selector,
    span,
    twin,
)


def tests() -> list[Test]:
    return [
        recorded(
            "an account that two exporters collect is not blind while one of them sees it",
            World(
                60,
                accounts={KEY: span(("ok", 10), ("blind", 50))},
                data=[(DISTANCE, POSITION, [0.04])],
                extra=[
                    *twin(minutes=60),
                    (selector(DISTANCE, {**POSITION, **TWIN}), span((0.04, 20), (0.2, 40))),
                ],
            ),
            ("risk:account:blind:bool", 30, [(selector("risk:account:blind:bool", MAIN), 0)]),
            (KNOWN, 30, [(OF_POSITION, 0.2)]),
        ),
        recorded(
            "an account whose data are shown is not blind, whatever the two clocks say, until they are not",
            World(
                20,
                extra=[
                    (selector("risk_up", SOURCE), [1.0]),
                    (selector("risk_collector_last_success_timestamp_seconds", SOURCE), [0.0]),
                    (selector("risk_collector_max_age_seconds", SOURCE), [90.0]),
                    (selector("risk_positions", SOURCE), span((0.0, 10), (None, 10))),
                ],
            ),
            ("risk:account:blind:bool", 9, [(selector("risk:account:blind:bool", MAIN), 0)]),
            ("risk:account:blind:bool", 10, [(selector("risk:account:blind:bool", MAIN), 1)]),
        ),
        recorded(
            "an account whose data grew too old is blind although the exporter calls it up",
            World(
                20,
                extra=[
                    (selector("risk_up", SOURCE), [1.0]),
                    (selector("risk_collector_last_success_timestamp_seconds", SOURCE), [0.0]),
                    (selector("risk_collector_max_age_seconds", SOURCE), [90.0]),
                    (selector(DISTANCE, {**POSITION, **EXPORTER}), span((0.04, 3), (None, 17))),
                ],
            ),
            ("risk:account:failing:bool", 19, [(selector("risk:account:failing:bool", MAIN), 0)]),
            ("risk:account:blind:bool", 19, [(selector("risk:account:blind:bool", MAIN), 1)]),
            (KNOWN, 19, [(OF_POSITION, 0.04)]),
        ),
    ]
