"""Trials of one alert side by side in one Prometheus: what costs is each evaluation, not each account.

Each trial gets exchanges, jobs and configurations of its own: the values of these labels end with its number.
Rules that look at all accounts together would see the trials of others; those stay alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from tests.grafana.rule_tests.trials import Test

OWN: Final = ("exchange", "job", "hash")
"""Labels of which each trial has values of its own; the first that an alert has tells whose it is."""
OF_ALL: Final = frozenset({"RiskEquityOutflow", "RiskExchangeConcentration", "RiskCoinConcentration"})
"""Alerts about all accounts of a Prometheus."""

_OWN = re.compile(rf'\b({"|".join(OWN)})="([^"]*)"')


def together(alert: str, tests: Sequence[Test]) -> list[Test]:
    """The same checks in fewer worlds. What a message says is asked where the trial is alone."""
    label = None if alert in OF_ALL else _label(tests)
    if label is None:
        return list(tests)
    alone = [test for test in tests if _without(label, test)]
    merged = [test for test in tests if test not in alone]
    texts = [
        {key: value for key, value in test.items() if key != "promql_expr_test"}
        for test in merged
        if "alert_rule_test" in test
    ]
    return [*alone, *texts, *(_world(label, group) for group in _alike(merged))]


def _minutes(test: Test) -> int:
    return max((int(check["eval_time"].removesuffix("m")) for check in test["promql_expr_test"]), default=0)


def _alike(tests: Sequence[Test]) -> list[list[Test]]:
    """Groups of trials that last about as long: one of hours would keep those of minutes waiting."""
    groups: list[list[Test]] = []
    for test in sorted(tests, key=_minutes):
        if not groups or _minutes(test) > 2 * _minutes(groups[-1][0]):
            groups.append([])
        groups[-1].append(test)
    return groups


def _world(label: str, tests: Sequence[Test]) -> Test:
    checks: list[dict[str, Any]] = []
    series: list[dict[str, str]] = []
    for number, test in enumerate(tests):
        series += ({**one, "series": _numbered(one["series"], number)} for one in test["input_series"])
        for check in test["promql_expr_test"]:
            expr = check["expr"].removesuffix("}") + f', {label}=~".*/{number}"}}'
            expected = [
                {**sample, "labels": _numbered(sample["labels"], number)} for sample in check["exp_samples"]
            ]
            checks.append({**check, "expr": expr, "exp_samples": expected})
    return {
        "interval": tests[0]["interval"],
        "name": "; ".join(f"/{number}: {test['name']}" for number, test in enumerate(tests)),
        "input_series": series,
        "promql_expr_test": checks,
    }


def _label(tests: Sequence[Test]) -> str | None:
    """What tells the alerts of one trial from those of another."""
    labels = [
        sample["labels"]
        for test in tests
        for check in test["promql_expr_test"]
        for sample in check["exp_samples"]
    ]
    return next((own for own in OWN if any(f' {own}="' in text for text in labels)), None)


def _without(label: str, test: Test) -> bool:
    """Whether the trial expects an alert that would not say whose it is."""
    samples = (sample for check in test["promql_expr_test"] for sample in check["exp_samples"])
    return any(f' {label}="' not in sample["labels"] for sample in samples)


def _numbered(text: str, number: int) -> str:
    return _OWN.sub(rf'\1="\2/{number}"', text)
