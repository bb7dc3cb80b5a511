"""Runs an adapter against documented answers: over real HTTP, with the signature checked by other code.

A test names the venue, the answers by path, and a function that checks each request as the venue's
documentation says (independent of the adapter). It gets back the snapshot, or the exposition text.
"""

from __future__ import annotations

import copy
import difflib
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from hypothesis import strategies as st

from exporter.api import Client
from exporter.errors import VenueError
from exporter.exposition import render
from exporter.model import AccountRisk, AccountSnapshot, RiskSettings
from exporter.risk import assess
from exporter.venues import discover
from exporter.venues.base import Venue

HERE = Path(__file__).parent

Answer = bytes | web.Response | Callable[[web.Request], web.Response | Awaitable[web.Response]]
Check = Callable[[web.Request, bytes], None]


class QuietObserver:
    """Counts nothing; keeps what optional requests failed with."""

    def __init__(self) -> None:
        self.optional_failures: list[VenueError] = []

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        pass

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        pass

    def clock_offset(self, exchange: str, seconds: float) -> None:
        pass

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        pass

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:  # noqa: ARG002
        self.optional_failures.append(error)


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


def make_venue(name: str, base_url: str, config: Mapping[str, Any]) -> Venue[Any]:
    cls = discover()[name]
    entry = {"name": "desk", "exchange": name, "base_url": base_url, **config}
    return cls(cls.config_class.model_validate(entry))


class VenueServer:
    """A server on loopback that gives one answer a path and remembers what was asked."""

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
        answer = self.answers.get(request.path)
        if answer is None:
            return web.Response(status=404, text="no such path in this test")
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
    async with VenueServer(answers, check) as server, Client(observer or QuietObserver()) as client:
        adapter = make_venue(venue, server.base_url, config)
        try:
            snapshot = await adapter.fetch(client.account(adapter))
        finally:
            if server.complaints:
                raise AssertionError(f"the request was wrong: {server.complaints[0]}") from server.complaints[
                    0
                ]
    return snapshot


def exposition(
    venue: str, account: str, snapshot: AccountSnapshot, settings: RiskSettings | None = None
) -> str:
    """The sample lines of one account, as /metrics shows them, without HELP and TYPE."""
    risk: AccountRisk = assess(snapshot, settings or RiskSettings(cross_check=True))
    return b"".join(render(venue, account, risk).values()).decode()


def assert_golden(venue: str, sections: Mapping[str, str]) -> None:
    """Compares the exposition of each scenario with the venue's golden file.

    The file is written by a person who checked the numbers against the venue's documentation. There is no
    switch that rewrites it: on a difference, read the diff this prints and decide which side is wrong.
    Values may differ in the last bits, which depend on the order of additions.
    """
    path = HERE / "golden" / f"{venue}.prom"
    actual = "\n".join(f"# scenario: {name}\n{text}" for name, text in sections.items()).splitlines(
        keepends=True
    )
    expected = path.read_text().splitlines(keepends=True) if path.exists() else []
    if len(actual) != len(expected) or not all(map(_same_sample, actual, expected)):
        raise AssertionError("".join(difflib.unified_diff(expected, actual, str(path), "actual")))


def _same_sample(actual: str, expected: str) -> bool:
    if actual == expected:
        return True
    series, _, value = actual.rpartition(" ")
    expected_series, _, expected_value = expected.rpartition(" ")
    return series == expected_series and math.isclose(float(value), float(expected_value), rel_tol=1e-12)


def numeric_fields(document: Any, prefix: str = "") -> set[str]:
    """The paths of all numbers in a decoded JSON document, as `FieldUse.field` spells them.

    A string that reads as a number is one; identifiers are excluded by the caller.
    """
    found: set[str] = set()
    match document:
        case dict():
            for key, value in document.items():
                found |= numeric_fields(value, f"{prefix}.{key}" if prefix else key)
        case list():
            for value in document:
                found |= numeric_fields(value, f"{prefix}[]" if prefix else "")
        case bool() | None:
            pass
        case int() | float():
            found.add(prefix)
        case str() if _reads_as_number(document):
            found.add(prefix)
    return found


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)
