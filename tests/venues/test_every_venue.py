"""What holds for every venue: each test runs for each of them, on the bench that the venue declares."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import deadline
from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountSnapshot
from exporter.reference import venues_page
from exporter.request import Endpoint
from exporter.venues import discover
from tests.generate import ROOT, VENUES_PAGE
from tests.venues.bench import Bench, Call, as_answer, as_answers, benches, endpoint_of, key_of
from tests.venues.harness import (
    DAMAGE,
    HERE,
    NOW,
    MemoryTransport,
    QuietObserver,
    assert_golden,
    damaged,
    exposition,
    is_number,
    make_venue,
    response,
)
from tests.venues.measure import Effects, complaints, means, measured, rows_of, unread_names

WORDS = "the words of the venue"


@pytest.fixture(params=sorted(benches()))
def bench(request: pytest.FixtureRequest) -> Bench:
    """The bench of one venue."""
    return benches()[request.param]


def test_every_venue_declares_a_bench() -> None:
    own = {name for name, venue in discover().items() if venue.__module__.startswith("exporter.")}
    assert benches().keys() == own | {"toy"}


async def test_documented_answers_become_the_golden_exposition(bench: Bench) -> None:
    sections = {
        name: exposition(bench.venue, scenario.account, await bench.snapshot(name))
        for name, scenario in bench.scenarios.items()
        if scenario.golden
    }
    assert sections
    assert_golden(bench.venue, sections)


async def test_every_number_of_the_documented_answers_feeds_something_or_is_listed_with_its_reason(
    bench: Bench,
) -> None:
    """And no lie about any of them passes. One test of both, because measuring takes seconds."""
    effects = await measured(bench)
    assert complaints(bench.cls, effects) == []
    if bench.venue in discover():
        page = venues_page({bench.venue: bench.cls}, {bench.venue: list(rows_of(bench.cls, effects))})
        section = page[page.index(f"## {bench.cls.title}") :]
        assert section + "\n## " in (ROOT / VENUES_PAGE).read_text() + "\n## ", "`make generate`"
    for endpoint, field, unread, complaint in lies(bench.cls, effects):

        class Liar(bench.cls):  # type: ignore[name-defined, misc]  # a class known at run time
            pass

        Liar.unread = {**bench.cls.unread, endpoint: {"no reason": " ".join(unread)}}
        expected = f"{endpoint.label}: {field} {complaint}"
        assert [found for found in complaints(Liar, effects) if found.startswith(expected)], expected


def lies(venue: type[Any], effects: Effects) -> Iterator[tuple[Endpoint, str, list[str], str]]:
    """For each number that feeds something that it is not read, for each other one that it is.

    A lie is the names that an endpoint lists as unread; with it comes what must be found wrong.
    """
    for endpoint, fields in effects.items():
        names = unread_names(venue, endpoint)
        for field, moved in fields.items():
            if moved:
                yield endpoint, field, [*names, field], "is listed as unread and moves"
            else:
                others = [name for name in names if not means(name, field)]
                yield endpoint, field, others, "moves nothing and is not listed as unread"


def test_every_endpoint_has_a_documented_answer(bench: Bench) -> None:
    answered = {endpoint_of(call) for scenario in bench.scenarios.values() for call in scenario.answers}
    assert answered == set(bench.cls.endpoints)


# Rows of positions


def with_row(bench: Bench, **fields: Any) -> dict[Any, Any]:
    """The documents of the bench's rows with fields of the first row changed; `...` takes one away."""
    document = copy.deepcopy(bench.documents(bench.rows.scenario)[bench.rows.endpoint])
    row = bench.rows.fields_of(_at(document, bench.rows.path))
    row.update(fields)
    for name in [name for name, value in row.items() if value is ...]:
        del row[name]
    return {bench.rows.endpoint: document}


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


async def rows_snapshot(bench: Bench, **fields: Any) -> AccountSnapshot:
    return await bench.snapshot(bench.rows.scenario, with_row(bench, **fields))


def lines(bench: Bench, snapshot: AccountSnapshot) -> str:
    return exposition(bench.venue, "desk", snapshot)


@pytest.mark.parametrize("zero", ["0", 0, "0.000", -0.0])
async def test_rows_without_size_are_dropped(bench: Bench, zero: object) -> None:
    before = await bench.snapshot(bench.rows.scenario)
    document = copy.deepcopy(bench.documents(bench.rows.scenario)[bench.rows.endpoint])
    *above, last = bench.rows.path
    assert isinstance(last, int)
    rows = _at(document, tuple(above))
    another = {} if bench.rows.identity is None else {bench.rows.identity: "another"}
    rows.append(copy.deepcopy(rows[last]))
    bench.rows.fields_of(rows[-1]).update({bench.rows.size: zero, bench.rows.price: "1", **another})
    after = await bench.snapshot(bench.rows.scenario, {bench.rows.endpoint: document})
    assert len(after.positions) == len(before.positions)
    assert all(position.quantity > 0.0 for position in after.positions)


@pytest.mark.parametrize("none", [None, "", "0", 0, 0.0, -3, "-0.1", 99999999, "99999999"])
async def test_no_liquidation_price_in_any_spelling(bench: Bench, none: object) -> None:
    field = bench.rows.liquidation_price
    assert field is not None
    own = await bench.snapshot(bench.rows.scenario)
    symbol = own.positions[0].symbol
    text = lines(bench, await rows_snapshot(bench, **{field: none}))
    venue_s = [
        line
        for line in text.splitlines()
        if line.startswith("risk_position_info") and f'symbol="{symbol}"' in line and '="venue"' in line
    ]
    others = [position for position in own.positions[1:] if position.symbol == symbol]
    assert len(venue_s) <= len(others)
    assert "99999999" not in text


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-inf", "1_000", "abc"])
async def test_what_is_no_finite_number_is_a_schema_error(bench: Bench, bad: str) -> None:
    with pytest.raises(VenueError) as caught:
        await rows_snapshot(bench, **{bench.rows.price: bad})
    assert caught.value.reason == "schema"
    assert bench.rows.price in str(caught.value)
    assert endpoint_of(bench.rows.endpoint).label in str(caught.value)


async def test_numbers_as_text_and_as_numbers_are_the_same(bench: Bench) -> None:
    """Venues change between the two without a word."""
    row = bench.rows.fields_of(
        _at(bench.documents(bench.rows.scenario)[bench.rows.endpoint], bench.rows.path)
    )
    fields = [name for name in (bench.rows.size, bench.rows.price) if is_number(row[name])]
    assert fields
    as_text = await rows_snapshot(bench, **{name: str(row[name]) for name in fields})
    as_number = await rows_snapshot(bench, **{name: float(row[name]) for name in fields})
    assert lines(bench, as_text) == lines(bench, as_number)


async def test_a_single_row_may_come_as_an_object_in_place_of_an_array(bench: Bench) -> None:
    """Venues do that where a language of theirs has no arrays of one."""
    document = bench.documents(bench.rows.scenario)[bench.rows.endpoint]
    row = _at(document, bench.rows.path)
    in_an_array = _with(document, bench.rows.path[:-1], [row])
    as_an_object = _with(document, bench.rows.path[:-1], row)
    one, other = [
        lines(bench, await bench.snapshot(bench.rows.scenario, {bench.rows.endpoint: changed}))
        for changed in (in_an_array, as_an_object)
    ]
    assert other == one


def _with(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of a document with `value` in one place."""
    if not path:
        return value
    copied = copy.deepcopy(document)
    _at(copied, path[:-1])[path[-1]] = value
    return copied


async def test_an_unknown_field_is_ignored(bench: Bench) -> None:
    before = lines(bench, await bench.snapshot(bench.rows.scenario))
    assert lines(bench, await rows_snapshot(bench, somethingNew={"deep": [1]})) == before


async def test_a_row_without_its_size_is_a_schema_error_that_names_it(bench: Bench) -> None:
    with pytest.raises(VenueError) as caught:
        await rows_snapshot(bench, **{bench.rows.size: ...})
    assert caught.value.reason == "schema"
    assert bench.rows.size in str(caught.value)
    assert endpoint_of(bench.rows.endpoint).label in str(caught.value)


# Answers that are damaged or missing


def _documents(bench: Bench) -> Iterator[tuple[str, Any, Any]]:
    for name in bench.scenarios:
        for call, document in bench.documents(name).items():
            if isinstance(document, dict | list) and document:  # else there is nothing in it to damage
                yield name, call, document


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 10_000), choice=st.integers(0, 10_000), value=DAMAGE)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(
    bench: Bench, which: int, choice: int, value: Any
) -> None:
    documents = list(_documents(bench))
    scenario, call, document = documents[which % len(documents)]
    body, _ = damaged(document, choice, value)
    try:
        lines(bench, await bench.snapshot(scenario, {call: body}))
    except VenueError as error:
        # A damaged code may be any failure that the venue reports, a damaged time makes an old answer.
        assert error.reason not in {"timeout", "internal"}  # noqa: PT017 (either outcome is right)


async def test_an_answer_that_can_be_missed_costs_nothing_else(bench: Bench) -> None:
    complete = await bench.snapshot(bench.rows.scenario)
    for call in await _asked(bench):
        if endpoint_of(call) in bench.optional:
            observer = QuietObserver()
            changed = {call: web.Response(status=500)}
            snapshot = await bench.snapshot(bench.rows.scenario, changed, observer)
            assert len(snapshot.pools) == len(complete.pools), call
            assert len(snapshot.positions) == len(complete.positions), call
            assert observer.optional_failures, call


async def test_an_answer_that_can_be_missed_and_hangs_costs_nothing_else(bench: Bench) -> None:
    """All of the account's time is 3 s, and the call never answers."""

    async def hang(_: Any) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    complete = await bench.snapshot(bench.rows.scenario)
    for call in await _asked(bench):
        if endpoint_of(call) in bench.optional:
            observer = QuietObserver()
            transport = MemoryTransport(as_answers({**bench.documents(bench.rows.scenario), call: hang}))
            venue = make_venue(bench.venue, "http://venue.test", {**bench.config, "timeout": "3s"})
            async with (
                Client(observer, wall=lambda: NOW, transport=transport) as client,
                deadline.within(3.0),
            ):
                snapshot = await venue.fetch(client.account(venue))
            assert len(snapshot.pools) == len(complete.pools), call
            assert len(snapshot.positions) == len(complete.positions), call
            assert {error.reason for error in observer.optional_failures} == {"timeout"}, call


async def test_an_answer_that_is_needed_fails_the_collection(bench: Bench) -> None:
    for call in await _asked(bench):
        if endpoint_of(call) not in bench.optional:
            with pytest.raises(VenueError):
                await bench.snapshot(bench.rows.scenario, {call: web.Response(status=500)})


async def _asked(bench: Bench) -> list[Call]:
    """What one collection asks for."""
    documents = bench.documents(bench.rows.scenario)
    transport = MemoryTransport(as_answers(documents))
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        await venue.fetch(client.account(venue))
    asked = [call for call in documents if key_of(call) in transport.answered]
    assert asked
    return asked


# Refusals


async def test_a_refused_timestamp_is_sent_again_once_after_the_clock_was_measured(bench: Bench) -> None:
    if bench.refused_time is None:
        if any(endpoint.signed for endpoint in bench.cls.endpoints):
            assert await _server_time(bench) is None
        return
    status, body = bench.refused_time
    refusals = 1
    asked = 0

    def once(_: Any) -> web.Response:
        nonlocal refusals, asked
        asked += 1
        if refusals:
            refusals -= 1
            return web.json_response(body, status=status)
        answer = as_answer(bench.documents(bench.rows.scenario)[call])
        assert isinstance(answer, bytes)
        return web.Response(body=answer)

    call = bench.rows.endpoint
    await bench.snapshot(bench.rows.scenario, {call: once})
    assert asked == 2
    refusals = 2
    with pytest.raises(VenueError) as caught:
        await bench.snapshot(bench.rows.scenario, {call: once})
    assert caught.value.reason == "clock"


async def _server_time(bench: Bench) -> float | None:
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=MemoryTransport({})) as client:
        return await venue.server_time(client.account(venue))


def test_the_words_of_an_unknown_failure_are_shown_without_secrets(bench: Bench) -> None:
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    secrets = [secret for secret in venue.config.secrets() if len(secret) > 3]
    assert secrets
    status, body = bench.failure
    words = f"{WORDS} {secrets[0][:200]} at 203.0.113.7"
    text = json.dumps(body).replace("WORDS", json.dumps(words)[1:-1])
    error = venue.error(endpoint_of(bench.rows.endpoint), response(status, text.encode()))
    assert error is not None
    assert error.reason == "exchange"
    assert WORDS in error.message
    assert secrets[0] not in error.message
    assert "203.0.113.7" not in error.message


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "auth"),
        (403, "banned"),
        (408, "timeout"),
        (418, "banned"),
        (429, "rate_limited"),
        (451, "unsupported"),
        (500, "exchange"),
        (503, "exchange"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>a firewall</html>", b"\xff\x00", b"[" * 100_000, b'{"code":'])
def test_what_http_statuses_mean_whatever_the_body(
    bench: Bench, status: int, reason: str, body: bytes
) -> None:
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    error = venue.error(endpoint_of(bench.rows.endpoint), response(status, body))
    assert error is not None
    assert error.reason == reason
    if reason in {"banned", "rate_limited"}:
        assert error.blocked_until is not None
        assert error.blocked_until > NOW


# What headers may hold: numbers beyond reason, dates, other scripts' digits, bytes that are no text.
HEADER = st.one_of(
    st.text(st.characters(exclude_characters="\r\n"), max_size=20),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "9" * 400,
            "0",
            "-1",
            "\udcff",
            "٣",
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Sat, 31 Dec 9999 23:59:59 GMT",
        ]
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["Retry-After", "Date", "Age", "X-MBX-USED-WEIGHT-1M", "Content-Type", "X-RateLimit-Reset"]
    ),
    HEADER,
)
BODY = st.one_of(
    st.binary(max_size=50),
    st.dictionaries(
        st.sampled_from(["code", "msg", "message", "error", "success", "data", "retCode"]),
        DAMAGE | st.text() | st.lists(st.text(), max_size=2),
    ).map(lambda document: json.dumps(document).encode()),
    st.sampled_from(
        [b"[" * 100_000, b'{"code":' + b"9" * 5000 + b"}", b'{"code":0,"msg":"\xff"}', b"\xef\xbb\xbf{}"]
    ),
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.integers(200, 599), headers=HEADERS, body=BODY)
def test_whatever_the_bytes_of_an_answer_it_is_judged_and_a_ban_is_kept_to(
    bench: Bench, status: int, headers: dict[str, str], body: bytes
) -> None:
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    for endpoint in venue.endpoints:
        answer = response(status, body, headers)
        error = venue.error(endpoint, answer)
        venue.weight_used(answer)
        assert error is not None or status < 300
        if error is not None and (status in {418, 429} or error.reason in {"banned", "rate_limited"}):
            assert error.blocked_until is not None
            assert error.blocked_until > NOW


def test_the_venue_s_own_time_to_come_back_is_kept_to(bench: Bench) -> None:
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    for status in (418, 429):
        error = venue.error(endpoint_of(bench.rows.endpoint), response(status, b"", {"Retry-After": "2500"}))
        assert error is not None
        assert error.blocked_until == NOW + 2500.0


async def test_no_request_and_no_error_shows_a_secret_in_its_text(bench: Bench) -> None:
    """Keys travel in headers and signed queries; what an error says is read by many."""
    with pytest.raises(VenueError) as caught:
        await bench.snapshot(bench.rows.scenario, {bench.rows.endpoint: web.Response(status=404)})
    text = str(caught.value)
    assert endpoint_of(bench.rows.endpoint).label in text
    venue = make_venue(bench.venue, "http://venue.test", bench.config)
    assert not [secret for secret in venue.config.secrets() if secret in text]
    assert "signature" not in text


def test_payloads_are_only_what_a_test_reads(bench: Bench) -> None:
    """An answer that nothing names is one that nobody checked."""
    tests = "".join(path.read_text() for path in HERE.parent.rglob("*.py"))
    files = (HERE / "payloads" / bench.venue).glob("*.json")
    assert [file.name for file in files if f'"{file.name}"' not in tests] == []
