"""Every fault of the matrix, and what the desk sees of it: `docs/faults.md` is written from this table.

The times are those of the default settings: interval 15 s, timeout 10 s, data published for 45 s.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

from aiohttp import web

from exporter.account import DEFAULT_INTERVAL, DEFAULT_TIMEOUT, MAX_AGE_INTERVALS
from exporter.deadline import SIDE_SHARE
from exporter.demo.faults import (
    Ban,
    Cached,
    Changed,
    ClosesKept,
    Compressed,
    Drip,
    Hang,
    Headers,
    Latency,
    NotHttp,
    Outage,
    Reset,
    RevokedKey,
    Skew,
    Status,
    Truncation,
)
from exporter.demo.switch import Condition, Fault, Met
from exporter.errors import Reason
from exporter.pause import FIRST_PROBE
from tests.faults.jumping import START
from tests.venues.bench import Bench

MAX_AGE = MAX_AGE_INTERVALS * DEFAULT_INTERVAL

Where = Literal["account", "venue", "needed", "side", "clock"]
"""Whom it strikes: the signed requests of one account; the venue at one address; or, from the start of the
program on, one endpoint at a time of those that a collection needs, of those that it can do without, of
those that tell the venue's time."""


NEXT = DEFAULT_INTERVAL + 2.0
"""Seconds after the end within which the next collection has succeeded."""
BACKED_OFF = 8 * DEFAULT_INTERVAL + 2.0
"""The same for an account that is asked less often after failures that asking does not mend."""


@dataclass(frozen=True)
class Otherwise:
    """What is otherwise at one venue."""

    reason: Reason | None
    why: str
    heals: bool = False
    """Whether the account is up again while the fault lasts."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One fault."""

    name: str
    make: Callable[[Bench], Fault | Condition]
    where: Where
    reason: Reason | None = None
    """None where the account stays up."""
    recovers_within: float = NEXT
    """Seconds after its end until every account is up again."""
    recovery: str = "with the next collection"
    """The same for people."""
    note: str = ""
    requests: int | None = None
    """How many requests it happens to; any number by default."""
    seconds: float = MAX_AGE + DEFAULT_TIMEOUT
    """How long it lasts: until the data must be gone."""
    patient: bool = False
    """Whether the first account has a timeout of half a minute and the second one of 2 s."""
    late: float = 0.0
    """Seconds by which the fault makes each collection longer."""
    most_requests: Callable[[Bench], int] | None = None
    """How many requests may meet it, where more make it worse."""
    exceptions: Mapping[str, Otherwise] = field(default_factory=dict)
    """By venue, or by venue and endpoint with a space between."""

    def expected(self, venue: str, endpoint: str | None) -> Otherwise:
        """What is to be seen at this venue, at this endpoint."""
        usual = Otherwise(self.reason, "", heals=self.requests is not None)
        return self.exceptions.get(f"{venue} {endpoint}", self.exceptions.get(venue, usual))


PAGE = b"<html><head><title>Attention required</title></head><body>A firewall has stopped you.</body></html>"
NOT_UTF8 = b'{"code":-1003,"msg":"\xff\xfe\x80","success":false}'
NOT_TEXT = b'{"data":"\xff\xfe\x80"}'
DEEP = b"[" * 100_000
MANY_DIGITS = "9" * 400
CONTROLS = "\x1b[31mred\x07 \u202eevil\u202c\u2066 \x9b2J end"


def one_collection(bench: Bench) -> int:
    """Requests that may be on their way already when the first refusal comes, and one probe."""
    return len(bench.cls.endpoints) + 1


def words(bench: Bench, text: str) -> Any:
    """The venue's own form of a failure, with these words."""
    _, document = bench.failure
    return _replaced(document, "WORDS", text)


def _replaced(document: Any, old: str, new: str) -> Any:
    if isinstance(document, dict):
        return {key: _replaced(value, old, new) for key, value in document.items()}
    return new if document == old else document


def _status(
    status: int, body: Any = PAGE, headers: Mapping[str, str] | None = None
) -> Callable[[Bench], Fault]:
    return lambda _: Status(status, body, headers or {})


def _always(fault: Fault | Condition) -> Callable[[Bench], Fault | Condition]:
    return lambda _: fault


_Fields = Mapping[str, Any]

_BANS: _Fields = {
    "where": "venue",
    "reason": "banned",
    "recovery": "when the pause is over",
    "recovers_within": 300.0 + NEXT,
    "most_requests": one_collection,
}
_LIMITS: _Fields = {
    "where": "venue",
    "reason": "rate_limited",
    "recovery": "when the pause is over",
    "recovers_within": 60.0 + NEXT,
}
_ABSURD_LIMITS: _Fields = {
    **_LIMITS,
    "recovers_within": FIRST_PROBE + NEXT,
    "recovery": "when a first request that tries succeeds, 5 minutes later",
}
_ABSURD_BANS: _Fields = {
    **_BANS,
    "recovers_within": FIRST_PROBE + NEXT,
    "recovery": "when a first request that tries succeeds, 5 minutes later",
}
_FAILURES: _Fields = {
    "where": "account",
    "reason": "exchange",
    "recovery": "with the next try, at most 8 intervals later",
    "recovers_within": BACKED_OFF,
}
_SILENCES: _Fields = {**_FAILURES, "reason": "timeout"}
_BREAKS: _Fields = {**_FAILURES, "reason": "network"}
_CACHES: _Fields = {
    **_BREAKS,
    "note": "nobody has asked the venue: something on the way has answered",
}
_SCHEMAS: _Fields = {"where": "account", "reason": "schema"}
_KEYS: _Fields = {
    "where": "account",
    "reason": "auth",
    "recovery": "with the next try, a minute later: more tries could lock the key",
    "recovers_within": 60.0 + NEXT,
}
_NO_CLOCK = {"zkx": Otherwise("clock", "the venue cannot be asked for its time")}
_CLOCKS: _Fields = {
    "where": "venue",
    "note": "the clock is measured again and followed",
    "late": 1.0,
    "exceptions": {
        **_NO_CLOCK,
        **dict.fromkeys(
            ("bittap", "hyperliquid"),
            Otherwise(
                "network",
                "at first it looks like an old answer: the venue tells its time in no other way",
                heals=True,
            ),
        ),
    },
}
_OLDER = {"bingx /openApi/swap/v3/user/balance": Otherwise(None, "an older call says the same")}
_TOLD = {"binance_usdm /fapi/v1/accountConfig": Otherwise(None, "other figures tell the mode as well")}
_SIDE = "what it feeds is absent, or as old as it may be"


def _of(fields: _Fields) -> _Fields:
    return {name: value for name, value in fields.items() if name != "where"}


@dataclass(frozen=True)
class AbsurdTime(Fault):
    """Every number of the answer, and its date, are those of a clock that has gone mad."""

    async def meet(self, met: Met) -> web.StreamResponse:
        response = await met.answer()
        assert isinstance(response.body, bytes)
        response.body = re.sub(rb"(?<=[:,\[ ])\d+(?=[,}\]])", b"1e30", response.body)
        response.headers["Date"] = "Fri, 31 Dec 9999 23:59:59 GMT"
        return response


CONNECTION = (
    Row(name="answers 1 s late", make=_always(Latency(1.0)), where="account", late=6.0),
    Row(name="answers 30 s late", make=_always(Latency(30.0)), **_SILENCES),
    Row(name="no answer ever", make=lambda _: Hang(), **_SILENCES),
    Row(name="bodies that take 1 s", make=_always(Drip(1.0)), where="account", late=6.0),
    Row(name="bodies that take a minute", make=_always(Drip(60.0)), **_SILENCES),
    Row(name="connections reset", make=lambda _: Reset(), **_BREAKS),
    Row(name="answers that break off", make=lambda _: Truncation(), **_BREAKS),
    Row(name="something else than HTTP", make=lambda _: NotHttp(), **_BREAKS),
    Row(
        name="kept connections closed",
        make=lambda _: ClosesKept(),
        where="account",
        note="the request is repeated once on a fresh connection",
    ),
    Row(name="connections refused", make=lambda _: Outage(), **{**_BREAKS, "where": "venue"}),
)

STATUSES = (
    Row(name="HTTP 302 to a login page", make=_status(302, PAGE, {"Location": "/login"}), **_FAILURES),
    Row(name="HTTP 400", make=_status(400, b"Bad Request"), **_FAILURES),
    Row(name="HTTP 401", make=_status(401, b""), **_KEYS),
    Row(name="HTTP 404", make=_status(404, PAGE), **_FAILURES),
    Row(name="HTTP 408", make=_status(408, b""), **_SILENCES),
    Row(
        name="HTTP 451",
        make=_status(451, PAGE),
        note="the venue does not serve this location",
        **{**_KEYS, "reason": "unsupported", "recovery": "with the next try, a minute later"},
    ),
    *(Row(name=f"HTTP {status}", make=_status(status, PAGE), **_FAILURES) for status in (500, 502, 503, 504)),
    Row(
        name="a failure in the venue's words, with control characters",
        make=lambda bench: Status(bench.failure[0], words(bench, CONTROLS)),
        note="characters that cannot be seen are shown escaped",
        **_FAILURES,
    ),
)

LIMITS = (
    Row(
        name="HTTP 429 with Retry-After: 30",
        make=_status(429, b"", {"Retry-After": "30"}),
        **{**_LIMITS, "recovers_within": 30.0 + NEXT},
    ),
    Row(name="HTTP 429 without Retry-After", make=_status(429, b""), **_LIMITS),
    Row(name="HTTP 429 with Retry-After: 0", make=_status(429, b"", {"Retry-After": "0"}), **_LIMITS),
    Row(
        name="HTTP 429 with a date in Retry-After",
        make=_status(429, b"", {"Retry-After": formatdate(START + 150.0, usegmt=True)}),
        **{**_LIMITS, "recovers_within": 150.0 + NEXT},
    ),
    Row(
        name="HTTP 429 with Retry-After: 999999999999, once",
        make=_status(429, b"", {"Retry-After": "999999999999"}),
        requests=1,
        **_ABSURD_LIMITS,
    ),
    Row(
        name="HTTP 429 with 400 digits in Retry-After, once",
        make=_status(429, b"", {"Retry-After": MANY_DIGITS}),
        requests=1,
        **_ABSURD_LIMITS,
    ),
    Row(name="HTTP 403, a firewall's page", make=_status(403, PAGE), **_BANS),
    Row(name="HTTP 418 that says for how long", make=lambda _: Ban(), **_BANS),
    Row(name="HTTP 418 without a header", make=_status(418, b""), **_BANS),
    Row(name="HTTP 418, its body not UTF-8", make=_status(418, NOT_UTF8), **_BANS),
    Row(name="HTTP 418, its body nested 100,000 deep", make=_status(418, DEEP), **_BANS),
    Row(
        name="HTTP 418 with 400 digits in Retry-After, once",
        make=_status(418, b"", {"Retry-After": MANY_DIGITS}),
        requests=1,
        **_ABSURD_BANS,
    ),
    Row(
        name="HTTP 418 until the year 2286, once",
        make=lambda bench: Status(418, words(bench, "IP banned until 9999999999999")),
        requests=1,
        **_ABSURD_BANS,
    ),
)

KEY_AND_CLOCK = (
    Row(name="a revoked key", make=lambda _: RevokedKey(), **_KEYS),
    Row(name="a clock that is 90 s fast", make=_always(Skew(90.0)), **{**_CLOCKS, "exceptions": _NO_CLOCK}),
    Row(
        name="a clock that is 90 s slow",
        make=_always(Skew(-90.0)),
        # Where dates alone tell it, each call has to show twice that its dates go on: one a collection.
        **{**_CLOCKS, "recovers_within": DEFAULT_INTERVAL + NEXT},
    ),
    Row(name="no answer ever to the question for the time", make=lambda _: Hang(), where="clock"),
    Row(name="HTTP 500 to the question for the time", make=_status(500, PAGE), where="clock"),
    Row(
        name="a time in the year 3·10²², once",
        make=lambda _: AbsurdTime(),
        where="clock",
        requests=1,
        note="such a time is not believed",
    ),
)

ANSWERS = (
    Row(name="a needed field is missing", make=lambda bench: Changed(bench.rows.size), **_SCHEMAS),
    Row(name="a needed field is null", make=lambda bench: Changed(bench.rows.size, None), **_SCHEMAS),
    Row(name="a field is an array", make=lambda bench: Changed(bench.rows.size, [1]), **_SCHEMAS),
    Row(name="a number is a word", make=lambda bench: Changed(bench.rows.price, "many"), **_SCHEMAS),
    Row(name="a number is NaN", make=lambda bench: Changed(bench.rows.price, "NaN"), **_SCHEMAS),
    Row(
        name="a number is 1e999",
        make=lambda bench: Changed(bench.rows.price, "1e999", raw=True),
        **_SCHEMAS,
    ),
    Row(
        name="a number has 400 digits",
        make=lambda bench: Changed(bench.rows.price, MANY_DIGITS, raw=True),
        **_SCHEMAS,
    ),
    Row(name="an empty body", make=_status(200, b""), **_SCHEMAS),
    Row(name="null", make=_status(200, b"null"), **_SCHEMAS),
    Row(name="a page for people", make=_status(200, PAGE), **_SCHEMAS),
    Row(name="bytes that are not UTF-8", make=_status(200, NOT_TEXT), **_SCHEMAS),
    Row(name="arrays nested 100,000 deep", make=_status(200, DEEP), **_SCHEMAS),
    Row(name="a bomb: 64 MiB in 64 kB of gzip", make=lambda _: Compressed(), **_SCHEMAS),
    Row(name="from a cache, Age: 3600", make=lambda _: Cached(3600), **_CACHES),
    Row(
        name="from a cache that tells no age, an hour old", make=lambda _: Cached(3600, told=False), **_CACHES
    ),
    Row(
        name="headers with 400 digits",
        make=_always(
            Headers(
                dict.fromkeys(("Retry-After", "X-MBX-USED-WEIGHT-1M", "X-RateLimit-Remaining"), MANY_DIGITS)
            )
        ),
        where="account",
    ),
    Row(name="a date that is none", make=_always(Headers({"Date": "yesterday"})), where="account"),
)

ENDPOINTS = (
    Row(
        name="no answer ever at one endpoint",
        make=lambda _: Hang(),
        where="needed",
        exceptions=_TOLD,
        **_of(_SILENCES),
    ),
    Row(
        name="HTTP 404 at one endpoint",
        make=_status(404, PAGE),
        where="needed",
        exceptions={**_OLDER, **_TOLD},
        **_of(_FAILURES),
    ),
    Row(
        name="HTTP 404 at one endpoint, once",
        make=_status(404, PAGE),
        where="needed",
        requests=1,
        exceptions={**_OLDER, **_TOLD},
        **_of(_FAILURES),
    ),
    Row(
        name="no answer ever at a side endpoint",
        make=lambda _: Hang(),
        where="side",
        note=_SIDE,
        late=SIDE_SHARE * DEFAULT_TIMEOUT,
    ),
    Row(name="HTTP 500 at a side endpoint", make=_status(500, PAGE), where="side", note=_SIDE),
    Row(name="a page for people at a side endpoint", make=_status(200, PAGE), where="side", note=_SIDE),
    Row(
        name="arrays nested 100,000 deep at a side endpoint",
        make=_status(200, DEEP),
        where="side",
        note=_SIDE,
    ),
    Row(
        name="no answer ever at a side endpoint that a patient account asked first",
        make=lambda _: Hang(),
        where="side",
        note="each account waits as long as its own timeout lets it",
        patient=True,
    ),
)

SECTIONS: Mapping[str, tuple[Row, ...]] = {
    "The connection": CONNECTION,
    "HTTP statuses": STATUSES,
    "Limits and bans": LIMITS,
    "The key and the clock": KEY_AND_CLOCK,
    "What the answers say": ANSWERS,
    "One endpoint": ENDPOINTS,
}
