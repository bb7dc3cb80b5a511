"""Damaged answers through the whole of an account's collection: adapter, engine, page.

A case is a number: from it and the seed follow the account, the answers that are damaged and the damage.
``python -m tests.fuzz`` runs any number of cases, or one of them to look at it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from random import Random
from typing import Any
from urllib.parse import urlencode

import msgspec
from aiohttp import web
from multidict import CIMultiDict

from exporter.api import Client
from exporter.bounds import bounded
from exporter.errors import REASONS, VenueError
from exporter.exposition import render
from exporter.model import AccountSnapshot, RiskSettings
from exporter.request import Request, SignedRequest
from exporter.risk import assess
from exporter.transport import Answer
from exporter.venues.base import Venue
from tests.fuzz.mutations import Path, bytewise, damaged, encoded, paths
from tests.fuzz.pages import Pages
from tests.fuzz.reading import ReadingApi
from tests.venues.bench import Bench, key_of
from tests.venues.harness import HERE, NOW, Asked, QuietObserver, key_for, make_venue, unpaced

SEED = 20_250_101

STATUSES = (
    200,
    201,
    204,
    301,
    302,
    400,
    400,
    401,
    403,
    404,
    408,
    418,
    429,
    451,
    500,
    502,
    503,
    504,
    520,
    599,
)
HEADERS: Mapping[str, tuple[str, ...]] = {
    "Retry-After": (
        "", "0", "-1", "30", "1.5", "999999999999", "9" * 400, "soon", "٣",
        formatdate(NOW + 90.0, usegmt=True),
        "Fri, 31 Dec 9999 23:59:59 GMT", "Wed, 21 Oct 0000 07:28:00 GMT",
    ),
    "Date": (
        "", "yesterday", formatdate(NOW - 5.0, usegmt=True), formatdate(NOW + 1e6, usegmt=True),
        "Fri, 31 Dec 9999 23:59:59 GMT", "Wed, 99 Foo 2023 99:99:99 +9999", "\udcff",
    ),
    "Age": ("", "0", "3600", "-5", "9" * 400, "1e3", "²"),
    "X-MBX-USED-WEIGHT-1M": ("", "2401", "-1", "9" * 400, "many"),
    "X-RateLimit-Requests-Remain": ("0", "9" * 400, "-3"),
    "X-RateLimit-Requests-Expire": ("0", "9" * 400, "-3"),
    "Content-Type": ("text/html", "application/json; charset=utf-7"),
}  # fmt: skip
"""What headers of answers are made of."""


@dataclass
class _Document:
    """A documented answer and its places."""

    content: Any
    body: bytes
    places: list[Path]
    status: int = 200

    @classmethod
    def of(cls, content: Any) -> _Document:
        status = 200
        if isinstance(content, web.Response):  # a refusal that is a part of the scenario
            assert isinstance(content.body, bytes)
            status, content = content.status, msgspec.json.decode(content.body)
        return cls(content, encoded(content), paths(content), status)


@dataclass
class Tally:
    """What came of the cases."""

    cases: int = 0
    answers: int = 0
    """Damaged ones that an adapter asked for and got."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Pages, and failures by reason."""
    complaints: list[str] = field(default_factory=list)
    pages: Pages = field(default_factory=Pages)


class _Transport:
    """Gives each call its answer; counts those that are damaged."""

    def __init__(self, answers: Mapping[str, Answer], broken: frozenset[str]) -> None:
        self._answers = answers
        self._broken = broken
        several = {key.partition(" ")[0] for key in answers if " " in key}
        self._plain = answers.keys() - several
        self.asked: set[str] = set()
        self.given = 0

    async def send(self, method: str, url: str, *, body: bytes | None, **_: Any) -> Answer:
        path = url.removeprefix("http://venue.test").partition("?")[0]
        key = path
        if path not in self._plain:  # most calls are known by their paths alone
            key = key_for(self._answers, Asked(method, url, {}), body or b"") or ""
        if not key:
            return _NOT_FOUND
        self.asked.add(key)
        self.given += key in self._broken
        return self._answers[key]


_NOT_FOUND = Answer(404, CIMultiDict(), b"no such path in this test")


class Fuzzer:
    """The cases of one venue."""

    def __init__(self, bench: Bench, seed: int = SEED) -> None:
        self.bench = bench
        self.seed = seed
        self._scenarios = [
            {
                key_of(call): _Document.of(document)
                for call, document in bench.documents(name).items()
                if document is not None
            }
            for name in bench.scenarios
        ]
        self._refusals = [_Document.of(document) for document in _refusals(bench)]
        self._asked: list[list[str]] = []
        """Of each scenario, what an adapter asks for where nothing is damaged: to damage more is in vain."""
        self._secrets = [
            secret
            for secret in make_venue(bench.venue, "http://venue.test", bench.config).config.secrets()
            if len(secret) > 8
        ]

    async def run(self, cases: Iterator[int], answers: int) -> Tally:
        """Runs cases until so many damaged answers were given."""
        tally = Tally()
        for case in cases:
            if tally.answers >= answers:
                break
            await self.case(case, tally)
        tally.complaints += tally.pages.by_library()
        return tally

    async def case(self, case: int, tally: Tally) -> None:
        """Runs one case."""
        if not self._asked:
            self._asked = [await self._asked_of(documents) for documents in self._scenarios]
        transport = self._transport(Random(f"{self.seed} {self.bench.venue} {case}"))  # noqa: S311
        observer = QuietObserver()
        try:
            outcome = await self._collected(transport, observer, tally, whole=case % WHOLE_EVERY == 0)
        except VenueError as error:
            outcome = error.reason
            self._check_failure(case, error, tally)
        except Exception as error:  # noqa: BLE001 (this is what is looked for)
            outcome = "defect"
            tally.complaints.append(f"case {case}: {type(error).__name__}: {str(error)[:300]}")
        for failure in observer.optional_failures:
            self._check_failure(case, failure, tally)
        tally.cases += 1
        tally.answers += transport.given
        tally.outcomes[outcome] += 1

    async def _asked_of(self, documents: Mapping[str, _Document]) -> list[str]:
        answers = {key: Answer(one.status, _DATED, one.body) for key, one in documents.items()}
        transport = _Transport(answers, frozenset(answers))
        with suppress(VenueError):  # some scenarios are of accounts that are not read
            await self._snapshot(transport, QuietObserver(), whole=False)
        return sorted(transport.asked)

    async def _collected(
        self, transport: _Transport, observer: QuietObserver, tally: Tally, *, whole: bool
    ) -> str:
        snapshot = await self._snapshot(transport, observer, whole=whole)
        chunks = render(self.bench.venue, "desk", assess(bounded(snapshot), _SETTINGS, NOW))
        tally.complaints += tally.pages.check(chunks)
        return "page"

    async def _snapshot(
        self, transport: _Transport, observer: QuietObserver, *, whole: bool
    ) -> AccountSnapshot:
        venue = unsigned(make_venue(self.bench.venue, "http://venue.test", self.bench.config))
        async with Client(observer, wall=lambda: NOW, transport=transport, budgets=unpaced(venue)) as client:
            return await venue.fetch(client.account(venue) if whole else ReadingApi(client, venue))

    def _check_failure(self, case: int, error: VenueError, tally: Tally) -> None:
        if error.reason not in REASONS or error.reason == "internal":
            tally.complaints.append(f"case {case}: the reason is {error.reason!r}: {error.message[:300]}")
        if len(error.message) > MOST_WORDS or not error.message.isprintable():
            tally.complaints.append(f"case {case}: {len(error.message)} characters: {error.message[:300]!r}")
        if any(secret in error.message for secret in self._secrets):
            tally.complaints.append(f"case {case}: a secret is in the text of a failure")

    def _transport(self, random: Random) -> _Transport:
        scenario = random.randrange(len(self._scenarios))
        documents, asked = self._scenarios[scenario], self._asked[scenario]
        # One damaged answer shows what it does alone; several, what they do together.
        count = min(random.choice((1, 1, 2, 4, len(asked))), len(asked))
        chosen = frozenset(random.sample(asked, count))
        answers = {}
        for path, document in documents.items():
            if path not in chosen:
                answers[path] = Answer(document.status, _DATED, document.body)
            elif random.random() < (0.25 if len(chosen) == 1 else 0.04):
                answers[path] = self._refusal(random)
            else:
                headers = self._headers(random) if random.random() < 0.1 else _DATED
                body = damaged(document.content, document.places, random)
                answers[path] = Answer(document.status, headers, body)
        return _Transport(answers, chosen)

    def _refusal(self, random: Random) -> Answer:
        document = random.choice(self._refusals)
        body = damaged(document.content, document.places, random)
        if random.random() < 0.2:
            body = bytewise(body, random)
        return Answer(random.choice(STATUSES), self._headers(random), body)

    def _headers(self, random: Random) -> CIMultiDict[str]:
        headers = CIMultiDict(_DATED)
        for _ in range(random.choice((0, 1, 1, 3))):
            name = random.choice(list(HEADERS))
            headers[name] = random.choice(HEADERS[name])
        return headers


WHOLE_EVERY = 8
"""One case in so many goes through the whole client; the others only through what reads (`ReadingApi`)."""
MOST_WORDS = 2000
"""Characters of a failure's text that somebody should have to read."""
_DATED = CIMultiDict(Date=formatdate(NOW, usegmt=True))
_SETTINGS = RiskSettings(cross_check=True)


def unsigned(venue: Venue[Any]) -> Venue[Any]:
    """An adapter that does not sign: nobody checks it here, and at some venues it takes 10 ms."""

    def sign(request: Request) -> SignedRequest:
        return SignedRequest(query=urlencode(request.params), body=request.body)

    venue.sign = sign  # type: ignore[method-assign]  # of this one adapter alone
    return venue


def _refusals(bench: Bench) -> Iterator[Any]:
    """Documented failures of a venue, in its form."""
    yield bench.failure[1]
    if bench.refused_time is not None:
        yield bench.refused_time[1]
    errors = HERE / "payloads" / bench.venue / "errors.json"
    if errors.exists():
        for row in json.loads(errors.read_bytes()):
            yield row.get("body", row)
