"""What is expected of an alert, and the trials that every alert about risk passes.

It fires after its ``for`` and not a minute earlier; it does not fire just below its limit; it neither
resolves nor starts anew while scrapes are lost; it keeps firing while the account or its exporter is gone; it
ends, after ``keep_firing_for``, with the danger, with the position, and with the account's removal from the
configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana.generator import links
from tests.grafana.rule_tests.world import AccountState, Series, World, selector, span

Test = dict[str, Any]
"""One test as promtool reads it."""
Danger = Callable[[float, int, int], list[Series]]
"""Series for a value, the minutes of calm before it, and the minutes it lasts."""
LAST_KNOWN: Final = " Nobody can see this figure now: it is the last known one."


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An alert as it reaches Alertmanager."""

    alert: str
    labels: Mapping[str, str]
    summary: str
    description: str
    dashboard: str

    @property
    def annotations(self) -> dict[str, str]:
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{links.RUNBOOK_URL}#{self.alert.lower()}",
            "dashboard_url": links.GRAFANA_URL + self.dashboard,
        }


def make_test(
    name: str,
    world: World,
    expected: Expected,
    *,
    firing: Sequence[int] = (),
    silent: Sequence[int] = (),
    annotated: int | None = None,
    also: Sequence[Expected] = (),
) -> Test:
    """One promtool test: minutes at which the alert fires, and at which it does not.

    At the minute ``annotated`` exactly this alert and the ones in ``also`` fire under its name.
    """
    matchers = {"alertname": expected.alert, "alertstate": "firing"}
    matchers |= {k: v for k, v in expected.labels.items() if k in {"severity", "window"}}
    expr = selector("ALERTS", matchers)
    full = selector("ALERTS", {"alertname": expected.alert, "alertstate": "firing", **expected.labels})
    checks = [(minute, True) for minute in firing] + [(minute, False) for minute in silent]
    test: Test = {"interval": "1m", "name": name, "input_series": world.input_series()}
    if annotated is not None:
        wanted = [
            {"exp_labels": dict(alert.labels), "exp_annotations": alert.annotations}
            for alert in (expected, *also)
        ]
        test["alert_rule_test"] = [
            {"eval_time": f"{annotated}m", "alertname": expected.alert, "exp_alerts": wanted}
        ]
    test["promql_expr_test"] = [
        {
            "expr": expr,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": full, "value": 1}] if fires else [],
        }
        for minute, fires in sorted(checks)
    ]
    return test


def named(severity: str, tests: Sequence[Test], window: str = "") -> list[Test]:
    """The tests of one of an alert's rules: their names begin with what tells it from the others."""
    prefix = f"{severity}, window {window}" if window else severity
    return [{**test, "name": f"{prefix}: {test['name']}"} for test in tests]


@dataclass(frozen=True, kw_only=True)
class RiskCase:
    """An alert about risk, with data that raise it and data that just do not."""

    expected: Expected
    hold: int
    """Minutes from the first danger to the alert."""
    keep: int
    """Minutes the alert outlives the danger."""
    series: Danger
    """Series for a value, the minutes of calm before it, and the minutes it lasts."""
    danger: float
    calm: float
    """Just below the limit."""
    prelude: int = 0
    """Minutes of history the alert needs."""
    also: tuple[Expected, ...] = ()
    """Alerts of the same name that fire at the same time: the lower severities."""
    others: tuple[tuple[str, str], ...] = ()
    """Accounts besides the main one; they are always collected."""

    def tests(self) -> list[Test]:
        """All trials of the alert; their names say which of its severities and windows is tried."""
        labels = self.expected.labels
        return named(labels["severity"], self._trials(), labels.get("window", ""))

    def _trials(self) -> list[Test]:
        start, first = self.prelude, self.prelude + self.hold
        quiet = first + 5
        long = quiet + self.keep + 12  # later than keep_firing_for alone would hold it

        def world(value: float, minutes: int, lasts: int | None = None, **changes: Any) -> World:
            accounts: dict[tuple[str, str], list[AccountState]] = {key: [] for key in self.others}
            accounts["binance_usdm", "main"] = changes.pop("main", [])
            data = self.series(value, self.prelude, (minutes - self.prelude) if lasts is None else lasts)
            return World(minutes, accounts=accounts, data=data, **changes)

        ended = quiet + 1
        return [
            make_test(
                "fires after its for, not a minute earlier",
                world(self.danger, first + 3),
                self.expected,
                firing=[first, first + 2],
                silent=[first - 1],
                annotated=first,
                also=self.also,
            ),
            make_test(
                "does not fire just below its limit",
                world(self.calm, first + 40),
                self.expected,
                silent=[first, first + 20, first + 39],
            ),
            make_test(
                "neither resolves nor starts anew while scrapes are lost",
                world(
                    self.danger,
                    quiet + 12,
                    exporter=span(("up", start + 1), ("down", max(self.hold - 1, 0)), ("up", 3), ("down", 4)),
                ),
                self.expected,
                firing=[first, first + 3, first + 6, first + 10],
                silent=[first - 1],
            ),
            make_test(
                "keeps firing while the account cannot be collected and its data are gone",
                world(
                    self.danger,
                    long + 5,
                    main=span(("ok", quiet), ("failing", 2), ("blind", self.keep + 20)),
                ),
                self.expected,
                firing=[quiet, quiet + 1, quiet + 2, quiet + 3, long],
            ),
            make_test(
                "keeps firing while the exporter does not answer, and after it restarted blind",
                world(
                    self.danger,
                    long + 5,
                    exporter=span(("up", quiet), ("down", self.keep + 5), ("up", 20)),
                    main=span(("ok", quiet), ("blind", self.keep + 20)),
                ),
                self.expected,
                firing=[quiet, quiet + 1, quiet + self.keep + 4, quiet + self.keep + 6, long],
            ),
            make_test(
                "keeps firing while the exporter is no target any longer",
                world(self.danger, long + 5, exporter=span(("up", quiet), ("gone", self.keep + 20))),
                self.expected,
                firing=[quiet, quiet + 1, long],
            ),
            make_test(
                "ends with the danger, after keep_firing_for",
                world(self.danger, ended + self.keep + 5, lasts=ended - self.prelude),
                self.expected,
                firing=[ended, ended + self.keep - 1],
                silent=[ended + self.keep],
            ),
            make_test(
                "ends with the account's removal from the configuration, after keep_firing_for",
                world(
                    self.danger,
                    ended + self.keep + 5,
                    main=span(("ok", ended), ("removed", self.keep + 10)),
                ),
                self.expected,
                firing=[ended, ended + self.keep - 1],
                silent=[ended + self.keep],
            ),
        ]
