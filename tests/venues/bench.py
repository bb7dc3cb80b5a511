"""What a venue brings to the tests that hold for all: its documented answers, and how they belong together.

Each venue declares a `Bench` named ``BENCH`` in ``payloads/<venue>/bench.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.request import Endpoint
from tests.venues.harness import HERE, Answer, Check, QuietObserver, adapter_of, decoded, fetch, payload

Call = Endpoint | tuple[Endpoint, str]
"""A call; where it is made several times for one account, with a part of its query or of its body that tells
one time from the others, such as ``category=inverse``."""


def endpoint_of(call: Call) -> Endpoint:
    """What is called."""
    return call[0] if isinstance(call, tuple) else call


def key_of(call: Call) -> str:
    """What its answer is found by; see `MemoryTransport`."""
    return f"{call[0].path} {call[1]}" if isinstance(call, tuple) else call.path


@dataclass(frozen=True)
class Scenario:
    """One documented account: an answer for every call that the adapter makes for it.

    An answer is the name of a payload file, ``<name>.json``, or a decoded document; None where there is none.
    """

    answers: Mapping[Any, Any]
    """By `Call`."""
    account: str = "desk"
    """Its name in the golden file."""
    golden: bool = True
    """Whether the golden file has it; one that only shows a mode in which more fields matter need not be."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Where the rows of positions stand, and which fields the common tests may change."""

    scenario: str
    endpoint: Call
    path: tuple[str | int, ...] = ()
    """From the document to the first row: keys and indices."""
    inside: str | None = None
    """What of a row has its fields, where not the row itself."""
    size: str
    liquidation_price: str | None
    identity: str | None = None
    """Joins rows of two calls, where it does."""
    price: str
    """A price that has to be a finite number wherever it is given."""

    def fields_of(self, row: Any) -> Any:
        """The object of a row that has its fields."""
        return row if self.inside is None else row[self.inside]


@dataclass(frozen=True, kw_only=True, repr=False)
class Bench:
    """See the module."""

    venue: str
    config: Mapping[str, Any]
    """The credentials of the documented account."""
    check: Check
    """The documented rules of a request, written down a second time."""
    scenarios: Mapping[str, Scenario]
    rows: Rows
    refused_time: tuple[int, Any] | None
    """Status and document with which the venue refuses a timestamp; None where requests have none, or its
    clock cannot be asked."""
    failure: tuple[int, Any]
    """Status and document of a failure whose words the desk is shown; ``WORDS`` stands for them."""
    optional: frozenset[Endpoint] = frozenset()
    """Calls that a collection can do without: their failure costs some series and nothing else."""
    needed: Mapping[Endpoint, frozenset[str]] | None = None
    """The fields without which an answer cannot be read; None where nobody has asked for each of them."""

    def __repr__(self) -> str:
        return f"Bench({self.venue})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Hypothesis prints a dataclass by its fields, here 30 kB of documents, whatever its repr is."""
        printer.text(repr(self))

    @property
    def cls(self) -> type[Any]:
        """The adapter."""
        return adapter_of(self.venue)

    def documents(self, scenario: str) -> dict[Call, Any]:
        """The answers of a scenario, decoded."""
        return {
            call: decoded(payload(self.venue, answer)) if str(answer).endswith(".json") else answer
            for call, answer in self.scenarios[scenario].answers.items()
        }

    async def snapshot(
        self,
        scenario: str,
        changed: Mapping[Any, Any] | None = None,
        observer: QuietObserver | None = None,
    ) -> AccountSnapshot:
        """What the adapter makes of a scenario with some answers replaced; None takes one away."""
        answers = as_answers({**self.documents(scenario), **(changed or {})})
        return await fetch(self.venue, answers, config=self.config, check=self.check, observer=observer)


def as_answers(documents: Mapping[Call, Any]) -> dict[str, Answer]:
    """What a `MemoryTransport` answers with these documents."""
    return {key_of(call): as_answer(found) for call, found in documents.items() if found is not None}


def as_answer(document: Any) -> Answer:
    """A decoded document as bytes; a response or a function of the request as it is."""
    if isinstance(document, bytes | web.Response) or callable(document):
        answer: Answer = document
        return answer
    return json.dumps(document).encode()


def row_with(row: Mapping[str, Any], /, **fields: Any) -> dict[str, Any]:
    """A documented row with some fields changed; `...` takes one away."""
    return {name: value for name, value in {**row, **fields}.items() if value is not ...}


@cache
def benches() -> Mapping[str, Bench]:
    """The benches that venues declare, by venue."""
    folders = sorted(path.parent.name for path in (HERE / "payloads").glob("*/bench.py"))
    return {name: import_module(f"tests.venues.payloads.{name}.bench").BENCH for name in folders}
