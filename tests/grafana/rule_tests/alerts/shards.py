"""The alerts about exporters that share the accounts of one file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test
from tests.grafana.rule_tests.world import Values, World, selector, span

_DASHBOARD: Final = "/d/risk-exporter"
_MINUTES: Final = 30
_ALWAYS: Final = [1.0]

Series = list[tuple[str, Values]]


def _shard(
    index: int,
    answers: Values = _ALWAYS,
    *,
    count: int = 3,
    file: str = "abc",
    job: str = "risk",
    on: str = "",
) -> Series:
    """What one shard shows while it answers; `on` is another machine."""
    source = {"job": job, "instance": f"shard-{index}{on}:10217"}
    told = [None if answer is None else float(count) for answer in answers]
    return [
        (selector("risk_exporter_shard_info", {"index": str(index), "count": str(count), **source}), answers),
        (selector("risk_exporter_shards", source), told),
        (selector("risk_exporter_config_info", {"hash": file, **source}), answers),
    ]


def _world(*shards: Series) -> World:
    # An exporter of its own beside them, which is no shard.
    return World(_MINUTES, extra=[one for series in shards for one in series])


def _expected(
    alert: str, severity: str, labels: Mapping[str, str], summary: str, description: str
) -> Expected:
    return Expected(
        alert=alert,
        labels={"severity": severity, "category": "exporter", **labels},
        summary=summary,
        description=description,
        dashboard=_DASHBOARD,
    )


def missing() -> list[Test]:
    def there(count: int, file: str) -> Expected:
        return _expected(
            "RiskShardMissing",
            "critical",
            {"hash": file},
            f"Only {count} of the shards of the configuration {file} answer",
            "The accounts of a shard that is missing are collected by nobody: they are unseen, and new "
            "dangers to them too. The others go on.",
        )

    expected = there(2, "abc")
    gone = span((1.0, 5), (None, 10), (1.0, 15))
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends when the shard is back",
            _world(_shard(0), _shard(1, gone), _shard(2)),
            expected,
            firing=[8, 14],
            silent=[4, 7, 15, 29],
            annotated=8,
        ),
        make_test(
            "does not fire for a restart",
            _world(_shard(0), _shard(1, span((1.0, 5), (None, 3), (1.0, 22))), _shard(2)),
            expected,
            silent=range(_MINUTES),
        ),
        make_test(
            "does not fire for a second fleet with another file, nor when a shard moves to another machine",
            _world(
                *(_shard(index, job="other", file="xyz", count=2) for index in range(2)),
                _shard(0),
                _shard(1, span((1.0, 10), (None, 20))),
                _shard(1, span((None, 10), (1.0, 20)), on="b"),
                _shard(2),
            ),
            expected,
            silent=range(_MINUTES),
        ),
        make_test(
            "fires for a shard that has read another file, of both",
            _world(_shard(0), _shard(1, file="xyz"), _shard(2)),
            expected,
            annotated=3,
            also=[there(1, "xyz")],
        ),
    ]


def doubled() -> list[Test]:
    expected = _expected(
        "RiskShardDoubled",
        "warning",
        {"hash": "abc", "index": "1"},
        "2 exporters are shard 1 of the configuration abc",
        "They collect the same accounts and take twice the requests, which the venues count together if they "
        "share an address. Sums over accounts count them once; whatever sums over instances does not.",
    )
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the second one",
            _world(
                _shard(0), _shard(1), _shard(2), _shard(1, span((None, 5), (1.0, 10), (None, 15)), on="b")
            ),
            expected,
            firing=[10, 14],
            silent=[4, 9, 15, 29],
            annotated=10,
        ),
        make_test(
            "does not fire for shards of another fleet",
            _world(_shard(0), _shard(1), _shard(2), _shard(1, on="b", job="other", file="xyz")),
            expected,
            silent=range(_MINUTES),
        ),
    ]


def differ() -> list[Test]:
    expected = _expected(
        "RiskShardsDiffer",
        "warning",
        {"job": "risk"},
        "The shards of risk are configured in 2 ways",
        "They have read different files, or were told different numbers of shards: accounts may be collected "
        "twice, or by nobody.",
    )
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends when all have the same file",
            _world(
                _shard(0),
                _shard(1, span((1.0, 5), (None, 10), (1.0, 15))),
                _shard(1, span((None, 5), (1.0, 10), (None, 15)), file="xyz"),
                _shard(2),
            ),
            expected,
            firing=[10, 14],
            silent=[4, 9, 15, 29],
            annotated=10,
        ),
        make_test(
            "fires where one was told another number of shards",
            _world(_shard(0), _shard(1, count=2)),
            expected,
            firing=[5, 29],
            silent=[4],
        ),
        make_test(
            "does not fire for two fleets that have a job each",
            _world(_shard(0), _shard(1), _shard(2), _shard(0, count=1, file="xyz", job="other")),
            expected,
            silent=range(_MINUTES),
        ),
    ]
