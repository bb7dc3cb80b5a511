"""The alerts about the collection of one account."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test
from tests.grafana.rule_tests.world import (
    KEY,
    MAIN,
    SOURCE,
    AccountState,
    World,
    ok_then,
    selector,
    span,
    twin,
)

_DASHBOARD: Final = "/d/risk-exporter?var-exchange=binance_usdm&var-account=main"


def failing() -> list[Test]:
    expected = Expected(
        alert="RiskCollectionFailing",
        labels={"severity": "warning", "category": "collection", **SOURCE},
        summary="Collecting main on binance_usdm fails",
        description="The last collections failed. Data are kept until they reach their maximum age, then "
        "they vanish. The Exporter dashboard names the reason.",
        dashboard=_DASHBOARD,
    )
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the failures",
            World(20, accounts=ok_then(("failing", 5), ("ok", 10))),
            expected,
            firing=[7, 9],
            silent=[4, 6, 10, 15],
            annotated=7,
        ),
        make_test(
            "does not fire while collections fail for less",
            World(20, accounts=ok_then(("failing", 2), ("ok", 1), ("failing", 2), ("ok", 10))),
            expected,
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=ok_then(("failing", 15)),
                exporter=span(("up", 6), ("down", 1), ("up", 3), ("down", 3), ("up", 7)),
            ),
            expected,
            firing=[7, 9, 11, 13, 19],
            silent=[6],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=ok_then(("failing", 2), ("blind", 193)),
                exporter=span(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected,
            firing=[9, 10, 60, 100, 140, 199],
        ),
        make_test(
            "ends with the account's removal from the configuration",
            World(30, accounts=ok_then(("blind", 10), ("removed", 15))),
            expected,
            firing=[14],
            silent=[15, 25],
        ),
    ]


def data_stale() -> list[Test]:
    def expected(age: str) -> Expected:
        return Expected(
            alert="RiskDataStale",
            labels={"severity": "critical", "category": "blindness", **SOURCE},
            summary=f"Nobody sees main on binance_usdm: no data for {age}",
            description=f"The newest data are {age} old (+Inf: never collected), which is more than the "
            "configured maximum age. Risk alerts of this account show their last known values.",
            dashboard=_DASHBOARD,
        )

    every_other: list[AccountState] = ["failing", "ok"]
    # Last collected in minute 4; with a maximum age of 90 s the data are stale from minute 6 on.
    return [
        make_test(
            "fires its for after the maximum age, not a minute earlier, and ends with fresh data",
            World(20, accounts=ok_then(("failing", 1), ("blind", 6), ("ok", 8))),
            expected("4m 0s"),
            firing=[8, 11],
            silent=[5, 7, 12, 15],
            annotated=8,
        ),
        make_test(
            "does not fire while data are stale for less",
            World(20, accounts=ok_then(("failing", 1), ("blind", 2), ("ok", 12))),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "does not fire while collections fail and data are young",
            World(30, accounts={KEY: ["ok", "ok", *every_other * 14]}),
            expected(""),
            silent=range(30),
        ),
        make_test(
            "fires for an account that was never collected",
            World(20, accounts={KEY: span(("blind", 20))}),
            expected("+Inf"),
            firing=[2, 19],
            silent=[1],
            annotated=2,
        ),
        make_test(
            "fires for data that grow old although the exporter calls the account up",
            World(
                20,
                extra=[
                    (selector("risk_up", SOURCE), [1.0]),
                    (selector("risk_collector_last_success_timestamp_seconds", SOURCE), [0.0]),
                    (selector("risk_collector_max_age_seconds", SOURCE), [90.0]),
                ],
            ),
            expected("4m 0s"),
            firing=[4, 19],
            silent=[3],
            annotated=4,
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=ok_then(("failing", 1), ("blind", 14)),
                exporter=span(("up", 7), ("down", 1), ("up", 3), ("down", 3), ("up", 6)),
            ),
            expected(""),
            firing=[8, 10, 12, 14, 19],
            silent=[7],
        ),
        make_test(
            "does not fire while another exporter sees the account",
            World(20, accounts=ok_then(("blind", 15)), extra=twin(minutes=20)),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "fires, and keeps firing, while the exporter is gone and after it restarted blind",
            World(
                200,
                accounts={KEY: span(("ok", 10), ("blind", 190))},
                exporter=span(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected(""),
            firing=[12, 60, 100, 140, 199],
            silent=[11],
        ),
        make_test(
            "ends with the account's removal from the configuration",
            World(30, accounts=ok_then(("blind", 10), ("removed", 15))),
            expected(""),
            firing=[14],
            silent=[15, 25],
        ),
    ]


def key_rejected() -> list[Test]:
    def expected(count: str) -> Expected:
        return Expected(
            alert="RiskKeyRejected",
            labels={"severity": "warning", "category": "collection", **SOURCE},
            summary="The API key of main on binance_usdm is rejected",
            description=f"The venue refused the key or its permissions; about {count} refusals in 10 "
            "minutes. Retrying does not help: somebody must repair the key.",
            dashboard=_DASHBOARD,
        )

    return [
        make_test(
            f"fires after its for, not a minute earlier, and ends with the {reason} failures",
            World(20, accounts=ok_then(("failing", 5), ("ok", 10)), error_reason=reason),
            expected("2"),
            firing=[6, 9],
            silent=[4, 5, 10, 15],
            annotated=6,
        )
        for reason in ("auth", "permission")
    ] + [
        make_test(
            "does not fire for a single refusal",
            World(20, accounts=ok_then(("failing", 1), ("ok", 14)), error_reason="auth"),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "does not fire for failures of another kind",
            World(20, accounts=ok_then(("failing", 15)), error_reason="network"),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=ok_then(("failing", 15)),
                error_reason="auth",
                exporter=span(("up", 6), ("down", 3), ("up", 3), ("down", 3), ("up", 5)),
            ),
            expected(""),
            firing=[6, 8, 11, 13, 19],
            silent=[5],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=ok_then(("failing", 2), ("blind", 193)),
                error_reason="permission",
                exporter=span(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected(""),
            firing=[9, 10, 60, 100, 140, 199],
        ),
    ]


def incomplete() -> list[Test]:
    expected = Expected(
        alert="RiskCollectionIncomplete",
        labels={"severity": "info", "category": "collection", **MAIN},
        summary="Collections of main on binance_usdm are incomplete",
        description="Requests without which a collection goes on keep failing, so that some series are "
        "absent. The "
        "exporter's log names the request and the reason.",
        dashboard=_DASHBOARD,
    )

    def failures(*steps: tuple[float, int]) -> World:
        values, total = [], 0.0
        for step in span(*steps):
            total += step
            values.append(total)
        failed = selector("risk_collector_optional_errors_total", SOURCE)
        return World(60, accounts={KEY: []}, extra=[(failed, values)])

    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the failures",
            failures((0.0, 5), (1.0, 25), (0.0, 30)),
            expected,
            firing=[23, 30, 38],
            silent=[22, 50],
            annotated=30,
        ),
        make_test(
            "does not fire for a failure now and then",
            failures(*[(0.0, 6), (1.0, 1)] * 8),
            expected,
            silent=range(60),
        ),
    ]


def sub_accounts_unlisted() -> list[Test]:
    expected = Expected(
        alert="RiskSubAccountsUnlisted",
        labels={"severity": "warning", "category": "collection", **MAIN},
        summary="The sub-accounts of main on binance_usdm are not listed",
        description="The account is collected, but the exchange does not say which sub-accounts it has. "
        "Those that are known go on; new ones are unseen, and all of them after a restart of the exporter. "
        "The exporter's log names the reason.",
        dashboard=_DASHBOARD,
    )

    def world(states: list[AccountState], *listed: tuple[float, int]) -> World:
        return World(
            60,
            accounts={KEY: states},
            extra=[(selector("risk_collector_sub_accounts_up", SOURCE), span(*listed))],
        )

    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the next list",
            world([], (1.0, 5), (0.0, 20), (1.0, 1)),
            expected,
            firing=[20, 24],
            silent=[19, 25],
            annotated=20,
        ),
        make_test(
            "does not fire for an account that is not seen at all, which others tell",
            world(span(("ok", 5), ("blind", 55)), (1.0, 5), (0.0, 1)),
            expected,
            silent=range(60),
        ),
    ]
