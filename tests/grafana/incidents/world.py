"""Incidents in promtool: one Prometheus for many of them, each with names of its own, and what fires when.

Prometheus evaluates the shipped rules, while each exporter is scraped at its own interval and phase. So that
incidents do not meet, the labels `exchange`, `job` and `hash` of each end with its name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from tests.grafana.incidents.catalogue import Incident
from tests.grafana.incidents.story import Exporter, Process, Sample
from tests.grafana.incidents.table import INCIDENTS
from tests.grafana.programs import Release, output, run
from tests.grafana.rule_tests import rules
from tests.grafana.rule_tests.world import selector

FAST: Final = 15
SLOW: Final = 60
"""Seconds between evaluations. The shipped rules record once a minute what they add up over all accounts."""
TEXTS_EVERY: Final = 300
OWN: Final = frozenset({"exchange", "job", "hash"})
"""Labels of which each run of an incident has values of its own."""

_STALE: Final = "stale"
_SERIES = re.compile(r'\{((?:[^{}"]|"(?:[^"\\]|\\.)*")*)\} ([0-9.E+-]+|\+Inf)')
_LABEL = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')
_ASKED = re.compile(r"(?m)^    (?:expr: (\".*\"), time: |alertname: (\w+), time: )([\dhms]+), ?$")

Points = dict[int, str]
"""By tick: a value or the end of the series, as promtool writes them."""


@dataclass(frozen=True)
class Run:
    """An incident at one interval and phase of scrapes."""

    incident: Incident
    scrape: int
    phase: int

    @property
    def name(self) -> str:
        return f"{self.incident.name}@{self.scrape}+{self.phase}"


@dataclass
class Seen:
    """An alert that fired: its labels, when, and what it said. Times are seconds from the beginning."""

    labels: dict[str, str]
    first: float
    last: float
    samples: int
    every: int
    texts: list[tuple[float, str]] = field(default_factory=list)
    """When it was asked, and the summary."""

    @property
    def again(self) -> bool:
        """Whether it ended and began anew."""
        return self.samples != round((self.last - self.first) / self.every) + 1

    def __str__(self) -> str:
        return f"{self.labels['severity']} {self.labels['alertname']} {self.labels}"


@dataclass(frozen=True)
class World:
    """One Prometheus."""

    runs: tuple[Run, ...]
    evaluation: int
    lasts: int
    tick: int = 15


def runs_of(incident: Incident) -> Iterator[Run]:
    for scrape, phase in incident.scrapes:
        yield Run(incident, scrape, phase)


def worlds() -> tuple[World, ...]:
    """One where seconds count, one where they do not, and one for each that concerns all accounts.

    Less than an hour each: then the concentration of all these accounts together is told of.
    """
    together = [one for incident in INCIDENTS if not incident.alone for one in runs_of(incident)]
    alone = (
        World(
            tuple(runs_of(incident)),
            evaluation=FAST if incident.fast else SLOW,
            lasts=round(incident.calm + incident.lasts),
            tick=incident.tick,
        )
        for incident in INCIDENTS
        if incident.alone
    )
    return (
        World(tuple(one for one in together if one.incident.fast), evaluation=FAST, lasts=30 * 60, tick=5),
        World(tuple(one for one in together if not one.incident.fast), evaluation=SLOW, lasts=59 * 60),
        *alone,
    )


class _Scraped:
    """What one target gives, scrape by scrape: what is not on a page any longer ends."""

    def __init__(self, world: World, one: Run, source: Mapping[str, str]) -> None:
        self._suffix = f"/{one.name}"
        self._source = source
        self._tick = world.tick
        self._names: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        self._there: set[str] = set()
        self.series: dict[str, Points] = {}

    def take(self, second: int, page: Iterable[Sample]) -> None:
        tick = second // self._tick
        there = set()
        for family, labels, value in page:
            name = self._name(family, labels)
            there.add(name)
            self.series.setdefault(name, {})[tick] = "Inf" if value == float("inf") else f"{value:.7g}"
        for name in self._there - there:
            self.series[name][tick] = _STALE
        self._there = there

    def _name(self, family: str, labels: Mapping[str, str]) -> str:
        key = (family, tuple(labels.items()))
        found = self._names.get(key)
        if found is None:
            own = {
                name: text + self._suffix if name in OWN else text
                for name, text in {**labels, **self._source}.items()
            }
            found = self._names[key] = selector(family, own)
        return found


def scraped(world: World, one: Run) -> dict[str, Points]:
    """Every series of a run of an incident."""
    found: dict[str, Points] = {}
    begins = -one.incident.calm
    for exporter in one.incident.exporters:
        found |= _of_exporter(world, one, exporter, begins)
    for program in one.incident.programs:
        target = _Scraped(world, one, {"job": program.job, "instance": program.instance})
        for second in range(0, world.lasts, 15):
            time = second + begins
            page = [
                (family, labels, value(time) if callable(value) else value)
                for family, labels, value in program.series
            ]
            target.take(second, page)
        found |= target.series
    return found


def _of_exporter(world: World, one: Run, exporter: Exporter, begins: float) -> dict[str, Points]:
    target = _Scraped(world, one, exporter.source)
    processes = [(run, Process(exporter, run[0], begins)) for run in exporter.runs]
    scrape = one.scrape if exporter.scrape is None else int(exporter.scrape)
    phase = one.phase if exporter.phase is None else int(exporter.phase)
    for second in range(phase % scrape, world.lasts, scrape):
        time = second + begins
        if exporter.unscraped[0] <= time < exporter.unscraped[1]:
            continue
        if not exporter.target[0] <= time < exporter.target[1]:
            target.take(second, ())
            continue
        answers = next((process for (start, end), process in processes if start <= time < end), None)
        page: list[Sample] = [("up", {}, 0.0)]
        if answers is not None:
            page = [("up", {}, 1.0), *answers.page(time)]
        target.take(second, page)
    return target.series


def notation(points: Points, ticks: int) -> str:
    """Promtool's notation of a series."""
    words: list[str] = []
    tick = 0
    while tick < ticks:
        value, end = points.get(tick), tick + 1
        while end < ticks and points.get(end) == value:
            end += 1
        count = end - tick
        if value is None:
            words.append(f"_x{count}" if count > 1 else "_")
        else:
            words.append(f"{value}+0x{count - 1}" if count > 1 and value != _STALE else value)
        tick = end
    return " ".join(words)


@cache
def _rules(evaluation: int) -> str:
    """All shipped rules, as one file.

    Promtool evaluates every group at the same moments. What Prometheus records once a minute and adds up,
    each time of the minute before, counts for its share of a minute where it is recorded more often.
    """
    groups = [json.loads(json.dumps(group)) for group in rules.groups()]
    changed = 0
    for rule in (rule for group in groups for rule in group["rules"]):
        expr = re.sub(r"(sum_over_time\([\w:]+\[\w+\]\))", rf"({evaluation / SLOW:g} * \1)", rule["expr"])
        changed += expr != rule["expr"]
        rule["expr"] = expr
    assert changed == 3, "rules that add up are others than these tests know"
    return yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper, sort_keys=False, width=1000)


def write(folder: Path, world: World) -> Path:
    """Promtool's input: the series, and questions for everything that fired, to which no answer is right."""
    (folder / "rules.yml").write_text(_rules(world.evaluation))
    at_end = f"{world.lasts}s"
    window = f"{world.lasts + 60}s"
    step = f"{world.evaluation}s"
    questions = (
        question.format(f'ALERTS{{alertname="{alert}", alertstate="firing"}}')
        for alert in sorted({rule["alert"] for rule in rules.alerts()})
        for question in (
            f"min_over_time(timestamp({{}})[{window}:{step}])",
            f"max_over_time(timestamp({{}})[{window}:{step}])",
            f"count_over_time({{}}[{window}])",
        )
    )
    says = sorted({told.alert for one in world.runs for told in one.incident.told if told.says})
    test = {
        "interval": f"{world.tick}s",
        "input_series": [
            {"series": name, "values": notation(points, world.lasts // world.tick)}
            for one in world.runs
            for name, points in scraped(world, one).items()
        ],
        "promql_expr_test": [{"expr": expr, "eval_time": at_end} for expr in questions],
        "alert_rule_test": [
            {"eval_time": f"{second}s", "alertname": name}
            for name in says
            for second in range(TEXTS_EVERY, world.lasts, TEXTS_EVERY)
        ],
    }
    content = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": step,
        "group_eval_order": [group["name"] for group in rules.groups()],
        "tests": [test],
    }
    path = folder / "world.yml"
    path.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, width=10**9))
    return path


def _seconds(text: str) -> int:
    units = {"h": 3600, "m": 60, "s": 1}
    return sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([hms])", text))


def _labels(text: str) -> dict[str, str]:
    return {name: json.loads(value) for name, value in _LABEL.findall(text)}


def _run_and_labels(labels: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Whose an alert is, and its labels as they are without that."""
    names = {labels[name].rpartition("/")[2] for name in OWN if "/" in labels.get(name, "")}
    assert len(names) <= 1, labels
    own = {name: text.rpartition("/")[0] if name in OWN else text for name, text in labels.items()}
    return "".join(names), {name: text for name, text in own.items() if name != "alertstate"}


History = dict[str, list[Seen]]
"""What fired, by run; under no name: what concerns none of them."""


def played(folder: Path, world: World, release: Release) -> History:
    """What fires in this world."""
    said = output(run("promtool", "test", "rules", write(folder, world), release=release))
    assert "FAILED" in said, said
    assert "err: " not in said, re.findall(r".*err: .*", said)[:3]
    answers: dict[str, dict[str, float]] = {"min": {}, "max": {}, "count": {}}
    texts: dict[str, list[tuple[float, str]]] = {}
    for asked, following in _parts(said):
        expr, _, time = asked.groups()
        got = following.partition("got:")[2]
        if expr is not None:
            answers[json.loads(expr).partition("_")[0]] |= {
                json.dumps(_labels(labels), sort_keys=True): float(value)
                for labels, value in _SERIES.findall(got)
            }
        else:
            for labels, annotations in re.findall(r"Labels:\{(.*)\}\n\s+Annotations:\{(.*)\}", got):
                key = json.dumps({**_labels(labels), "alertstate": "firing"}, sort_keys=True)
                texts.setdefault(key, []).append((float(_seconds(time)), _labels(annotations)["summary"]))
    first, last, samples = answers.values()
    history: History = {name: [] for name in ("", *(one.name for one in world.runs))}
    calm = {one.name: one.incident.calm for one in world.runs} | {"": 0.0}
    for key, value in first.items():
        name, labels = _run_and_labels(json.loads(key))
        if not name and len(world.runs) == 1 and labels["severity"] != "none":
            name = world.runs[0].name
        history[name].append(
            Seen(
                labels,
                value - calm[name],
                last[key] - calm[name],
                round(samples[key]),
                world.evaluation,
                [(t - calm[name], re.sub(r"/[\w-]+@\d+\+\d+", "", text)) for t, text in texts.get(key, [])],
            )
        )
    return history


def _parts(said: str) -> Iterator[tuple[re.Match[str], str]]:
    found = list(_ASKED.finditer(said))
    ends = [*(one.start() for one in found[1:]), len(said)][: len(found)]
    for one, end in zip(found, ends, strict=True):
        yield one, said[one.end() : end]
