"""What Prometheus would have scraped from an exporter while something happens to it and to its accounts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

AccountState = Literal["ok", "failing", "blind", "removed"]
"""Collected; failing with its data kept; failing with its data gone; not configured any longer."""
ExporterState = Literal["up", "down", "gone"]
"""Answers; is scraped in vain; is no target any longer."""

Values = Sequence[float | None]
"""One a minute; None: the series is not there."""
Series = tuple[str, dict[str, str], Values]
"""A metric, its labels without those of the exporter, and its values."""
T = TypeVar("T")


EXPORTER: Final = {"job": "risk", "instance": "exporter:10217"}
MAIN: Final = {"exchange": "binance_usdm", "account": "main"}
POOL: Final = {**MAIN, "currency": "USDT"}
POSITION: Final = {
    **MAIN,
    "symbol": "BTCUSDT",
    "side": "long",
    "margin_mode": "cross",
    "currency": "USDT",
}
MAX_AGE: Final = 90
KEY: Final = ("binance_usdm", "main")
SOURCE: Final = {**MAIN, **EXPORTER}
TWIN: Final = {"job": "risk", "instance": "exporter-2:10217"}


def selector(name: str, labels: Mapping[str, str]) -> str:
    """``name{label="value",…}``."""
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def _runs(values: Values) -> str:
    """Promtool's notation, one value a minute; the first missing one becomes a staleness marker."""
    words: list[str] = []
    index = 0
    while index < len(values):
        value = values[index]
        end = index
        while end < len(values) and values[end] == value:
            end += 1
        count = end - index
        if value is None:
            if index > 0:
                words.append("stale")
                count -= 1
            words += [f"_x{count}"] if count > 1 else ["_"] * count
        else:
            text = "Inf" if math.isinf(value) else repr(value)
            words.append(f"{text}+0x{count - 1}" if count > 1 else text)
        index = end
    return " ".join(words)


def span(*parts: tuple[T, int]) -> list[T]:
    """Values or states that hold for some minutes each."""
    return [value for value, minutes in parts for _ in range(minutes)]


@dataclass
class World:
    """What one exporter shows of its accounts, minute by minute."""

    minutes: int
    exporter: list[ExporterState] = field(default_factory=list)
    accounts: dict[tuple[str, str], list[AccountState]] = field(default_factory=dict)
    data: list[Series] = field(default_factory=list)
    error_reason: str = "network"
    extra: list[tuple[str, Values]] = field(default_factory=list)

    def input_series(self) -> list[dict[str, str]]:
        """Everything Prometheus would have scraped, in promtool's form."""
        exporter = self._padded(self.exporter, "up")
        answers = [state == "up" for state in exporter]
        rows: list[tuple[str, Values]] = [
            (selector("up", EXPORTER), [{"up": 1.0, "down": 0.0, "gone": None}[state] for state in exporter]),
            (
                selector("risk_exporter_build_info", {"version": "1.0.0", **EXPORTER}),
                [1.0 if answer else None for answer in answers],
            ),
        ]
        accounts = {key: self._padded(states, "ok") for key, states in self.accounts.items()}
        for (exchange, account), states in accounts.items():
            labels = {"exchange": exchange, "account": account, **EXPORTER}
            seen = [answer and state != "removed" for answer, state in zip(answers, states, strict=True)]
            success: list[float | None] = []
            errors: list[float] = []
            for minute, state in enumerate(states):
                last = success[-1] if success else None
                success.append(minute * 60.0 if state == "ok" else last)
                errors.append(
                    (errors[-1] if errors else 0.0) + (state in {"failing", "blind"} and minute > 0)
                )
            meta: tuple[Series, ...] = (
                ("risk_up", labels, [float(state == "ok") for state in states]),
                ("risk_collector_last_success_timestamp_seconds", labels, success),
                ("risk_collector_max_age_seconds", labels, [float(MAX_AGE)] * self.minutes),
                ("risk_collector_errors_total", {**labels, "reason": self.error_reason}, errors),
            )
            rows += [
                (selector(name, row), [v if s else None for v, s in zip(values, seen, strict=True)])
                for name, row, values in meta
            ]
        for name, labels, values in self.data:
            states = accounts[labels["exchange"], labels["account"]]
            shown = [a and s in {"ok", "failing"} for a, s in zip(answers, states, strict=True)]
            rows.append(
                (
                    selector(name, {**labels, **EXPORTER}),
                    [v if s else None for v, s in zip(self._padded(values, values[-1]), shown, strict=True)],
                )
            )
        rows += [(name, self._padded(values, values[-1])) for name, values in self.extra]
        return [
            {"series": name, "values": _runs(values)}
            for name, values in rows
            if any(value is not None for value in values)
        ]

    def _padded(self, values: Sequence[T], last: T) -> list[T]:
        return [*values, *[last] * (self.minutes - len(values))][: self.minutes]


def ok_then(*parts: tuple[AccountState, int]) -> dict[tuple[str, str], list[AccountState]]:
    """The main account, collected for 5 minutes, and what happens to it then."""
    return {KEY: span(("ok", 5), *parts)}


def twin(minutes: int) -> list[tuple[str, Values]]:
    """A second exporter that collects the main account all the time."""
    source = {**MAIN, **TWIN}
    return [
        (selector("up", TWIN), [1.0]),
        (selector("risk_exporter_build_info", {"version": "1.0.0", **TWIN}), [1.0]),
        (selector("risk_up", source), [1.0]),
        (
            selector("risk_collector_last_success_timestamp_seconds", source),
            [60.0 * minute for minute in range(minutes)],
        ),
        (selector("risk_collector_max_age_seconds", source), [float(MAX_AGE)]),
    ]
