"""Alerts about the exporter itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test, named
from tests.grafana.rule_tests.world import EXPORTER, KEY, POSITION, ExporterState, World, selector, span, twin

_DASHBOARD: Final = "/d/risk-exporter"


def down() -> list[Test]:
    def expected(labels: Mapping[str, str], near: str = "") -> Expected:
        return Expected(
            alert="RiskExporterDown",
            labels={"severity": "critical", "category": "exporter", **labels},
            summary=f"risk-exporter {labels['instance']} does not answer Prometheus"
            if labels
            else "No risk-exporter answers Prometheus",
            description="No scrape of the exporter succeeds, and accounts of it are seen by no other. Risk "
            f"alerts that fired keep firing with their last known values; new dangers are not seen.{near}",
            dashboard=_DASHBOARD,
        )

    spare = Expected(
        alert="RiskExporterDown",
        labels={"severity": "warning", "category": "exporter", **EXPORTER},
        summary=f"risk-exporter {EXPORTER['instance']} does not answer Prometheus; another one sees its "
        "accounts",
        description="No scrape of this exporter succeeds. All its accounts are seen by another one, and by "
        "no "
        "third: if that one fails too, nobody sees them.",
        dashboard=_DASHBOARD,
    )

    second = {"job": "risk", "instance": "exporter-2:10217"}
    info = {"version": "1.0.0", **second}
    tests = [
        make_test(
            "fires after its for, not a minute earlier, and ends after the next scrape",
            World(20, exporter=span(("up", 5), ("down", 5), ("up", 10))),
            expected(EXPORTER),
            firing=[6, 9, 11],
            silent=[4, 5, 12, 15],
            annotated=6,
        ),
        make_test(
            "names those of its accounts that were nearest to their liquidation",
            World(
                20,
                exporter=span(("up", 5), ("down", 15)),
                accounts={KEY: []},
                data=[("risk_position_liquidation_distance_ratio", POSITION, [0.042])],
            ),
            expected(EXPORTER, " main on binance_usdm: 4.2% from liquidation when last seen."),
            firing=[6],
            annotated=6,
        ),
        make_test(
            "does not fire for one lost scrape",
            World(20, exporter=span(("up", 5), ("down", 1), ("up", 4), ("down", 1), ("up", 9))),
            expected(EXPORTER),
            silent=range(20),
        ),
        make_test(
            "fires for an exporter that never answered",
            World(20, exporter=span(("down", 20))),
            expected({}),
            firing=[1, 19],
            silent=[0],
            annotated=1,
        ),
        make_test(
            "keeps firing when the target vanishes from the scrape configuration",
            World(200, exporter=span(("up", 5), ("down", 60), ("gone", 135))),
            expected(EXPORTER),
            firing=[6, 64, 65, 120, 199],
        ),
        make_test(
            "fires for one of two exporters",
            World(
                20,
                exporter=span(("up", 5), ("down", 15)),
                extra=[(selector("up", second), [1.0]), (selector("risk_exporter_build_info", info), [1.0])],
            ),
            expected(EXPORTER),
            firing=[6, 19],
            silent=[5],
        ),
        make_test(
            "ends when another target of the job takes the place of a vanished one",
            World(
                20,
                exporter=span(("up", 5), ("gone", 15)),
                extra=[
                    (selector("up", second), span((None, 10), (1.0, 10))),
                    (selector("risk_exporter_build_info", info), span((None, 10), (1.0, 10))),
                ],
            ),
            expected(EXPORTER),
            firing=[6, 9, 11],
            silent=[5, 12, 19],
        ),
        make_test(
            "does not fire while another exporter sees all its accounts",
            World(30, accounts={KEY: []}, exporter=span(("up", 5), ("down", 25)), extra=twin(minutes=30)),
            expected(EXPORTER),
            silent=range(30),
        ),
        make_test(
            "fires if only some of its accounts are seen by another one",
            World(
                20,
                accounts={KEY: [], ("bingx", "spare"): []},
                exporter=span(("up", 5), ("down", 15)),
                extra=twin(minutes=20),
            ),
            expected(EXPORTER),
            firing=[6, 19],
            silent=[5],
        ),
    ]
    spares = [
        make_test(
            "fires after its for, not a minute earlier, and ends after the next scrape",
            World(
                20,
                accounts={KEY: []},
                exporter=span(("up", 5), ("down", 5), ("up", 10)),
                extra=twin(minutes=20),
            ),
            spare,
            firing=[7, 9, 11],
            silent=[4, 6, 12, 15],
            annotated=7,
        ),
        make_test(
            "does not fire if nobody else sees an account",
            World(20, accounts={KEY: []}, exporter=span(("up", 5), ("down", 15))),
            spare,
            silent=range(20),
        ),
    ]
    return [*named("critical", tests), *named("warning", spares)]


def flapping() -> list[Test]:
    expected = Expected(
        alert="RiskExporterFlapping",
        labels={"severity": "critical", "category": "exporter", **EXPORTER},
        summary=f"risk-exporter {EXPORTER['instance']} comes and goes",
        description="The exporter restarts, or answers only now and then: no outage is long enough for an "
        "alert "
        "of its own, and half of the time nobody sees its accounts.",
        dashboard=_DASHBOARD,
    )
    starts = selector("process_start_time_seconds", EXPORTER)
    lost: tuple[tuple[ExporterState, int], ...] = (("down", 1), ("up", 1))
    return [
        make_test(
            "fires for an exporter that is lost three times within ten minutes",
            World(40, exporter=span(("up", 5), *lost * 3, ("up", 30))),
            expected,
            firing=[11, 13],
            silent=[4, 10, 30],
            annotated=12,
        ),
        make_test(
            "does not fire for one that is lost three times, but the last time for good",
            World(40, exporter=span(("up", 5), *lost * 2, ("down", 30))),
            expected,
            silent=range(40),
        ),
        make_test(
            "fires for an exporter that starts again and again",
            World(30, extra=[(starts, span((0.0, 5), (300.0, 1), (360.0, 1), (420.0, 23)))]),
            expected,
            firing=[8, 12],
            silent=[6, 7, 25],
        ),
        make_test(
            "does not fire for an update that starts it twice",
            World(30, extra=[(starts, span((0.0, 5), (300.0, 1), (360.0, 24)))]),
            expected,
            silent=range(30),
        ),
        make_test(
            "does not fire for another program that starts again and again",
            World(
                30,
                extra=[
                    (
                        selector("process_start_time_seconds", {"job": "other", "instance": "other:1"}),
                        span((0.0, 5), (300.0, 1), (360.0, 1), (420.0, 1), (480.0, 22)),
                    )
                ],
            ),
            expected,
            silent=range(30),
        ),
    ]


def config_not_reloaded() -> list[Test]:
    expected = Expected(
        alert="RiskConfigNotReloaded",
        labels={"severity": "warning", "category": "exporter", **EXPORTER},
        summary=f"risk-exporter {EXPORTER['instance']} goes on with an old configuration",
        description="The configuration that was read last has a mistake, so that the one before goes on: "
        "accounts that were added to the file are unseen.",
        dashboard=_DASHBOARD,
    )

    def read(*outcomes: tuple[float, int]) -> World:
        series = selector("risk_exporter_config_last_reload_successful", EXPORTER)
        return World(20, extra=[(series, span(*outcomes))])

    return [
        make_test(
            "fires after its for and ends with the next good reload",
            read((1.0, 5), (0.0, 5), (1.0, 10)),
            expected,
            firing=[6, 9],
            silent=[0, 4, 5, 10, 19],
            annotated=6,
        ),
        make_test(
            "does not fire for a mistake that is mended within a minute",
            read((1.0, 5), (0.0, 1), (1.0, 14)),
            expected,
            silent=range(20),
        ),
    ]


def lock_not_reloaded() -> list[Test]:
    expected = Expected(
        alert="RiskLockNotReloaded",
        labels={"severity": "warning", "category": "exporter", **EXPORTER},
        summary=f"risk-exporter {EXPORTER['instance']} goes on with an old lock",
        description="The file of its web server, or one that it names, has a mistake, so that the lock "
        "before goes on: a password that was changed still counts, and a certificate is not renewed.",
        dashboard=_DASHBOARD,
    )

    def read(*outcomes: tuple[float, int]) -> World:
        series = selector("risk_exporter_web_config_last_reload_successful", EXPORTER)
        return World(20, extra=[(series, span(*outcomes))])

    return [
        make_test(
            "fires after its for and ends with the next good file",
            read((1.0, 5), (0.0, 8), (1.0, 7)),
            expected,
            firing=[10, 12],
            silent=[0, 5, 9, 13, 19],
            annotated=10,
        ),
        make_test(
            "does not fire while certificate and key are being renewed",
            read((1.0, 5), (0.0, 4), (1.0, 11)),
            expected,
            silent=range(20),
        ),
    ]


def saturated() -> list[Test]:
    expected = Expected(
        alert="RiskExporterSaturated",
        labels={"severity": "warning", "category": "exporter", **EXPORTER},
        summary=f"risk-exporter {EXPORTER['instance']} can do no more",
        description="The exporter has no time left: all its accounts are collected less often than "
        "configured, and evenly so. What is shown is that much older.",
        dashboard=_DASHBOARD,
    )

    def seen(*ratios: tuple[float, int]) -> World:
        return World(30, extra=[(selector("risk_exporter_saturation_ratio", EXPORTER), span(*ratios))])

    return [
        make_test(
            "fires after ten minutes without time left and ends once there is some",
            seen((0.5, 5), (0.91, 15), (0.5, 10)),
            expected,
            firing=[15, 19],
            silent=[*range(15), 20, 29],
            annotated=15,
        ),
        make_test(
            "does not fire while it starts, nor for one that is only busy",
            seen((1.0, 9), (0.9, 21)),
            expected,
            silent=range(30),
        ),
    ]
