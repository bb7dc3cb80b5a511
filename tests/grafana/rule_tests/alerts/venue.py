"""The alerts about an exchange as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test, named
from tests.grafana.rule_tests.world import (
    EXPORTER,
    KEY,
    POSITION,
    AccountState,
    Series,
    Values,
    World,
    selector,
    span,
    twin,
)

_DASHBOARD: Final = "/d/risk-exporter?var-exchange=binance_usdm"


def down() -> list[Test]:
    expected = Expected(
        alert="RiskVenueDown",
        labels={"severity": "warning", "category": "venue", "exchange": "binance_usdm", **EXPORTER},
        summary="No account on binance_usdm can be collected",
        description="All accounts of the exchange fail at exporter:10217, and not because of their keys. "
        "Reason: network.",
        dashboard=_DASHBOARD,
    )
    unseen = Expected(
        alert="RiskVenueDown",
        labels={"severity": "critical", "category": "venue", "exchange": "binance_usdm", **EXPORTER},
        summary="Nobody sees any account on binance_usdm",
        description="All accounts of the exchange fail at exporter:10217, not because of their keys, and "
        "their data are older than their maximum age. What is known to be in danger goes on with last known "
        "values. Reason: network. main: 4.2% from liquidation when last seen. second: 30% from "
        "liquidation when last seen.",
        dashboard=_DASHBOARD,
    )
    second = ("binance_usdm", "second")
    other = ("bingx", "spare")

    def accounts(main: list[Any], others: list[Any]) -> dict[tuple[str, str], list[AccountState]]:
        return {KEY: main, second: others, other: []}

    distance = "risk_position_liquidation_distance_ratio"
    distances: list[Series] = [
        (distance, {**POSITION, "account": "second"}, [0.3]),
        (distance, POSITION, [0.042]),
        (distance, {**POSITION, "symbol": "ETHUSDT"}, [0.5]),
    ]
    gone: list[AccountState] = span(("ok", 5), ("failing", 1), ("blind", 10), ("ok", 4))
    # Last collected in minute 4; with a maximum age of 90 s the data are too old from minute 6 on.
    blind = [
        make_test(
            "fires its for after the data are too old, with the accounts and how near they were",
            World(20, accounts=accounts(gone, gone), data=distances),
            unseen,
            firing=[8, 15, 17],
            silent=[7, 18],
            annotated=8,
            also=[
                replace(
                    expected,
                    description=expected.description
                    + unseen.description[unseen.description.index(" main: ") :],
                )
            ],
        ),
        make_test(
            "does not fire while data are young",
            World(30, accounts=accounts(span(*[("ok", 1), ("failing", 1)] * 15), span(("failing", 30)))),
            unseen,
            silent=range(30),
        ),
        make_test(
            "does not fire while another exporter sees the accounts",
            World(20, accounts={KEY: gone}, extra=twin(20)),
            unseen,
            silent=range(20),
        ),
        *(
            make_test(
                f"does not fire for keys ({reason})",
                World(20, accounts=accounts(gone, gone), error_reason=reason),
                unseen,
                silent=range(20),
            )
            for reason in ("auth", "permission", "refused")
        ),
    ]
    tests = [
        make_test(
            f"fires after its for, not a minute earlier, and ends after the first {reason}-free collection",
            World(
                20,
                accounts=accounts(
                    span(("ok", 5), ("failing", 10)), span(("ok", 5), ("failing", 5), ("ok", 10))
                ),
                error_reason=reason,
            ),
            replace(expected, description=expected.description.replace("network", reason)),
            firing=[6, 9, 11],
            silent=[4, 5, 12, 15],
            annotated=6,
        )
        for reason in ("network", "banned", "schema")
    ] + [
        make_test(
            "does not fire for one failed round",
            World(20, accounts=accounts(span(("ok", 5), ("failing", 1)), span(("ok", 5), ("failing", 1)))),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire while one account of the exchange is collected",
            World(20, accounts=accounts(span(("ok", 5), ("failing", 15)), [])),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire for rejected keys",
            World(
                20,
                accounts=accounts(span(("ok", 5), ("failing", 15)), span(("ok", 5), ("failing", 15))),
                error_reason="auth",
            ),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire for an exporter that is down shortly after a network error",
            World(
                20,
                accounts=accounts(span(("ok", 5), ("failing", 1), ("ok", 14)), []),
                exporter=span(("up", 8), ("down", 12)),
            ),
            expected,
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=accounts(span(("ok", 5), ("failing", 15)), span(("ok", 5), ("failing", 15))),
                exporter=span(("up", 6), ("down", 3), ("up", 3), ("down", 3), ("up", 5)),
            ),
            expected,
            firing=[6, 8, 11, 13, 19],
            silent=[5],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=accounts(
                    span(("ok", 5), ("failing", 2), ("blind", 193)),
                    span(("ok", 5), ("failing", 2), ("blind", 193)),
                ),
                exporter=span(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected,
            firing=[9, 10, 60, 100, 140, 199],
        ),
    ]
    return [*named("warning", tests), *named("critical", blind)]


def marks_old() -> list[Test]:
    expected = Expected(
        alert="RiskMarksOld",
        labels={"severity": "warning", "category": "collection", "exchange": "binance_usdm", **EXPORTER},
        summary="Mark prices of binance_usdm are not followed",
        description="The mark prices that are asked for between the collections of the accounts do not come "
        "any "
        "longer: distances are as old as the last collection.",
        dashboard=_DASHBOARD,
    )
    of_venue = {"exchange": "binance_usdm", **EXPORTER}

    def asked(*ages: float) -> World:
        """Ages in intervals of 20 seconds, one a minute."""
        came = [60.0 * minute - 20.0 * age for minute, age in enumerate(ages)]
        return World(
            len(ages),
            extra=[
                (selector("risk_marks_last_success_timestamp_seconds", of_venue), came),
                (selector("risk_marks_interval_seconds", of_venue), [20.0]),
            ],
        )

    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the next call that succeeds",
            asked(*span((0.0, 5), (3.05, 5), (0.0, 10))),
            expected,
            firing=[7, 9],
            silent=[6, 10],
            annotated=7,
        ),
        make_test("does not fire just below its limit", asked(*span((2.95, 20))), expected, silent=range(20)),
    ]


def clock_skew() -> list[Test]:
    expected = Expected(
        alert="RiskClockSkew",
        labels={"severity": "warning", "category": "collection", "exchange": "binance_usdm", **EXPORTER},
        summary="The clocks of the exporter and binance_usdm differ by 1.01s",
        description="The clocks differ by 1.01s (limit 1s). Signed requests will be refused, and ages are "
        "wrong.",
        dashboard=_DASHBOARD,
    )

    def world(minutes: int, values: Values, **changes: Any) -> World:
        offset = selector("risk_api_clock_offset_seconds", {"exchange": "binance_usdm", **EXPORTER})
        return World(minutes, extra=[(offset, values)], **changes)

    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the skew",
            world(30, span((1.01, 20), (0.0, 10))),
            expected,
            firing=[15, 19],
            silent=[14, 20, 25],
            annotated=15,
        ),
        make_test("fires for a clock that is behind", world(20, span((-1.01, 20))), expected, firing=[15]),
        make_test(
            "does not fire just below its limit", world(40, span((0.99, 40))), expected, silent=[15, 39]
        ),
        make_test(
            "does not fire for one wrong measurement, which stands until the next",
            world(30, span((1.5, 11), (0.0, 19))),
            expected,
            silent=range(30),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            world(
                30,
                span((1.01, 2), (None, 3), (1.01, 12), (None, 4), (1.01, 9)),
                exporter=span(("up", 2), ("down", 3), ("up", 12), ("down", 4), ("up", 9)),
            ),
            expected,
            firing=[15, 16, 18, 20, 29],
            silent=[14],
        ),
        make_test(
            "keeps firing while the exporter is gone",
            world(200, span((1.01, 20), (None, 180)), exporter=span(("up", 20), ("down", 80), ("gone", 100))),
            expected,
            firing=[19, 20, 60, 150, 199],
        ),
    ]
