"""Runs an adapter against documented answers, with the signature checked by code that is not the adapter's.

A test names the venue, the answers by path, and a function that checks each request as the venue's
documentation says. It gets back the snapshot, or the exposition text. Answers are handed over in memory
unless a test wants a real server (`VenueServer`).
"""

from __future__ import annotations

import copy
import difflib
import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import yarl
from aiohttp import web
from hypothesis import strategies as st
from multidict import CIMultiDict, MultiMapping

from exporter.api import Client
from exporter.errors import VenueError
from exporter.exposition import render
from exporter.limits import BudgetSettings
from exporter.model import AccountRisk, AccountSnapshot, KeyRights, RiskSettings
from exporter.request import Endpoint, Params, Request, Response
from exporter.risk import assess
from exporter.transport import Answer as Bytes
from exporter.venues import discover
from exporter.venues.base import Venue
from tests.venues.guide import toy

HERE = Path(__file__).parent
NOW = 1_700_000_000.0
VENUE_MS = 1_700_000_000_500
"""What venues say when they are asked for the time, Unix milliseconds: what they document is years ago."""


class Asked:
    """A request as a test's check sees it; has the names that aiohttp's requests have."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self.method = method
        self.path = parts.path
        self.raw_path = parts.path + (f"?{parts.query}" if parts.query else "")
        self.query: MultiMapping[str] = yarl.URL(url, encoded=True).query
        self.headers: CIMultiDict[str] = CIMultiDict(headers)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in re.split(r"{\w+}", path)))


def key_for(answers: Iterable[str], asked: Any, body: bytes) -> str | None:
    """The key of the answer to a request.

    A key is a path or the template of one. Where one path has several answers, a part of the query or of the
    body that tells them apart stands behind it: ``/positions category=inverse``. Of the keys that are about a
    request, the longest.
    """

    def about_it(key: str) -> bool:
        path, _, part = key.partition(" ")
        return bool(_pattern(path).fullmatch(asked.path)) and (
            part in asked.raw_path or part.encode() in body
        )

    return max(filter(about_it, answers), key=len, default=None)


Answer = bytes | web.Response | Callable[[Any], web.Response | Awaitable[web.Response]]
"""What a path answers: a body, a response, or a function of the request."""
Check = Callable[[Any, bytes], None]
"""Given an `Asked` (or an aiohttp request) and its body; raises if the venue would refuse it."""


class QuietObserver:
    """Counts nothing; keeps what optional requests failed with, and the clock's offset."""

    def __init__(self) -> None:
        self.optional_failures: list[VenueError] = []
        self.offset: float | None = None

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        pass

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        pass

    def clock_offset(self, exchange: str, seconds: float) -> None:  # noqa: ARG002 (the observer's form)
        self.offset = seconds

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        pass

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:  # noqa: ARG002
        self.optional_failures.append(error)


class MemoryTransport:
    """Answers by key (see `key_for`), checks each request, and remembers what was asked."""

    def __init__(
        self,
        answers: Mapping[str, Answer],
        check: Check | None = None,
        *,
        wall: Callable[[], float] = lambda: NOW,
    ) -> None:
        self.answers = answers
        self.check = check
        self.wall = wall
        self.asked: list[Asked] = []
        self.answered: set[str] = set()
        """The keys of the answers that were asked for."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None,  # noqa: ARG002 (the transport's form)
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 (the same)
    ) -> Bytes:
        asked = Asked(method, url, headers)
        self.asked.append(asked)
        if self.check is not None:
            self.check(asked, body or b"")
        key = key_for(self.answers, asked, body or b"")
        if key is None:
            return Bytes(404, CIMultiDict(), b"no such path in this test")
        self.answered.add(key)
        answer = self.answers[key]
        if callable(answer):
            result = answer(asked)
            answer = result if isinstance(result, web.Response) else await result
        if isinstance(answer, bytes):
            return Bytes(200, CIMultiDict(Date=formatdate(self.wall(), usegmt=True)), answer)
        content = answer.body
        assert content is None or isinstance(content, bytes)
        return Bytes(answer.status, answer.headers, content or b"")


def payload(venue: str, name: str) -> bytes:
    """The documented answer `name` of a venue, byte for byte as it is kept here."""
    return (HERE / "payloads" / venue / name).read_bytes()


def answers_of(
    venue: str, paths: Mapping[str, tuple[str, str]], changed: Mapping[str, Any]
) -> dict[str, Answer]:
    """The documented answers by path; `paths` has path and payload file by name.

    `changed` replaces one by name (a document, or an `Answer` as it is), None takes it away.
    """
    unknown = set(changed) - set(paths)
    assert not unknown, unknown
    found: dict[str, Answer] = {}
    for name, (path, file) in paths.items():
        value = changed.get(name, payload(venue, file))
        if value is not None:
            is_answer = isinstance(value, bytes | web.Response) or callable(value)
            found[path] = value if is_answer else json.dumps(value).encode()
    return found


def response(
    status: int = 200, body: Any = b"", headers: Mapping[str, str] | None = None, *, received_at: float = NOW
) -> Response:
    """An answer as an adapter's `error` sees it; a `body` that is not bytes is written as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, CIMultiDict(headers or {}), content, received_at)


def unsigned(endpoint: Endpoint, params: Params = (), *, at: int) -> Request:
    """A request as an adapter's `sign` sees it, at a time of the venue's clock in Unix milliseconds."""
    return Request(endpoint, params, endpoint.path, timestamp_ms=at)


# What takes the place of something in a damaged document.
DAMAGE = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.integers(),
    st.floats(allow_nan=False),
    st.sampled_from(["", "0", "-0", "-1", "1e308", "-1e308", "5e-324", "BOTH", "true"]),
    st.just([]),
    st.just({}),
)


def damaged(document: Any, choice: int, value: Any) -> tuple[Any, Any]:
    """A copy of a JSON document with `value` in one of its places, and the key of that place."""
    document = copy.deepcopy(document)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        children = (
            node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        )
        for key, child in children:
            places.append((node, key))
            walk(child)

    walk(document)
    node, key = places[choice % len(places)]
    node[key] = value
    return document, key


def adapter_of(name: str) -> type[Venue[Any]]:
    """The adapter of a venue; that of the guide is in no package that is installed here."""
    found: type[Venue[Any]] = toy.Toy if name == "toy" else discover()[name]
    return found


def unpaced(venue: Venue[Any]) -> Mapping[str, BudgetSettings]:
    """Request limits of a venue that hold up nobody: tests do not wait in real time."""
    return {budget.name: BudgetSettings(per_minute=1e9) for budget in venue.budgets}


def make_venue(name: str, base_url: str, config: Mapping[str, Any]) -> Venue[Any]:
    cls = adapter_of(name)
    entry = {"name": "desk", "exchange": name, "base_url": base_url, **config}
    return cls(cls.config_class.model_validate(entry))


class VenueServer:
    """A server on loopback that answers by key (see `key_for`) and remembers what was asked."""

    def __init__(self, answers: Mapping[str, Answer], check: Check | None = None) -> None:
        self.answers = dict(answers)
        self.check = check
        self.requests: list[web.Request] = []
        self.complaints: list[Exception] = []
        self._runner: web.AppRunner | None = None
        self.base_url = ""

    async def __aenter__(self) -> VenueServer:  # noqa: PYI034 (never subclassed)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A handler that never answers is part of some tests; nobody waits for it.
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.base_url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.read()
        if self.check is not None:
            try:
                self.check(request, body)
            except Exception as complaint:  # noqa: BLE001 (raised again in the test)
                self.complaints.append(complaint)
                return web.Response(status=500, text="the test's check failed")
        key = key_for(self.answers, request, body)
        if key is None:
            return web.Response(status=404, text="no such path in this test")
        answer = self.answers[key]
        if isinstance(answer, bytes):
            return web.Response(body=answer, content_type="application/json")
        if isinstance(answer, web.Response):
            # A response object can be sent once only.
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        result = answer(request)
        return result if isinstance(result, web.Response) else await result


async def fetch(
    venue: str,
    answers: Mapping[str, Answer],
    *,
    config: Mapping[str, Any],
    check: Check | None = None,
    observer: QuietObserver | None = None,
) -> AccountSnapshot:
    """The snapshot an adapter makes of `answers` (path to answer).

    Raises:
        VenueError: as the adapter does.
        AssertionError: what `check` found wrong with a request.
    """
    transport = MemoryTransport(answers, check)
    adapter = make_venue(venue, "http://venue.test", config)
    async with Client(
        observer or QuietObserver(), wall=lambda: NOW, transport=transport, budgets=unpaced(adapter)
    ) as client:
        return await adapter.fetch(client.account(adapter))


async def rights_of(
    venue: str, path: str, document: Any, *, config: Mapping[str, Any], check: Check
) -> KeyRights:
    """What an adapter makes of an answer about its key."""
    transport = MemoryTransport({path: json.dumps(document).encode()}, check)
    adapter = make_venue(venue, "http://venue.test", config)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        return await adapter.key_rights(client.account(adapter))


def exposition(
    venue: str, account: str, snapshot: AccountSnapshot, settings: RiskSettings | None = None
) -> str:
    """The sample lines of one account, as /metrics shows them, without HELP and TYPE."""
    risk: AccountRisk = assess(snapshot, settings or RiskSettings(cross_check=True), NOW)
    return b"".join(render(venue, account, risk).values()).decode()


def assert_golden(venue: str, sections: Mapping[str, str]) -> None:
    """Compares the exposition of each scenario with the venue's golden file.

    The file is written by a person who checked the numbers against the venue's documentation. There is no
    switch that rewrites it: on a difference, ``<venue>.prom.actual`` is written beside it; read both and
    decide which side is wrong. Values may differ in the last bits, which depend on the order of additions.
    """
    path = HERE / "golden" / f"{venue}.prom"
    beside = path.with_name(f"{path.name}.actual")
    text = "\n".join(f"# scenario: {name}\n{lines}" for name, lines in sections.items())
    actual = text.splitlines(keepends=True)
    expected = path.read_text().splitlines(keepends=True) if path.exists() else []
    if len(actual) == len(expected) and all(map(_same_sample, actual, expected)):
        beside.unlink(missing_ok=True)
        return
    beside.write_text(text)
    raise AssertionError("".join(difflib.unified_diff(expected, actual, str(path), str(beside))))


def _same_sample(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    series, _, value = actual.rpartition(" ")
    expected_series, _, expected_value = expected.rpartition(" ")
    return series == expected_series and math.isclose(float(value), float(expected_value), rel_tol=1e-12)


def numeric_fields(document: Any, prefix: str = "") -> set[str]:
    """The paths of all numbers in a decoded JSON document, such as ``assets[].walletBalance``.

    A string that reads as a number is one.
    """
    return {path for path, value in _leaves(document, prefix) if is_number(value)}


def _leaves(document: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    match document:
        case dict():
            for key, value in document.items():
                yield from _leaves(value, f"{prefix}.{key}" if prefix else key)
        case list():
            for value in document:
                yield from _leaves(value, f"{prefix}[]")
        case _:
            yield prefix, document


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number, or text that reads as one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def with_each(document: Any, field: str, change: Callable[[Any], Any], prefix: str = "") -> Any:
    """A copy of a document in which every number under the path `field` is changed."""
    match document:
        case dict():
            return {
                key: with_each(value, field, change, f"{prefix}.{key}" if prefix else key)
                for key, value in document.items()
            }
        case list():
            return [with_each(value, field, change, f"{prefix}[]") for value in document]
        case _ if prefix == field and is_number(document):
            return change(document)
        case _:
            return document


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)
