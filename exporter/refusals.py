"""What failures of a venue mean: by its own table, else by what every HTTP status says.

Status and headers are read first: whatever the bytes of an answer are, it is classified, and a ban is kept
to. An adapter finds all this in `exporter.venues.base`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from exporter.errors import Reason, Scope, VenueError, redact
from exporter.request import Response, http_date

_PAUSES: Mapping[Reason, float] = {"rate_limited": 60.0, "banned": 300.0}
"""Seconds in which nothing is asked where neither the venue nor its table says for how long: the window by
which most venues count, and a time that lets a firewall forget us."""

_TEXTS: Mapping[Reason, str] = {
    "clock": "the timestamp is outside the receive window",
    "rate_limited": "the request limit is used up",
    "banned": "the venue has shut this address out for too many requests",
}
"""What failures of these kinds mean at every venue, where its table has no words of its own."""

_MOST_WORDS = 2000
"""Characters of a venue's words that are read: patterns over megabytes would hold up everybody."""


class Envelope(Struct):
    """Where the code and the words of a failure stand in an answer. A subclass renames or adds fields."""

    code: str | int | None = None
    msg: str | None = None

    @property
    def words(self) -> str:
        """What the venue says to people."""
        return self.msg or ""

    @property
    def failed(self) -> bool:
        """Whether the answer says that it is a failure in another way than by its code."""
        return False


class Refusal(Struct, frozen=True):
    """One row of a venue's table of failures: what it is recognised by, and what it means.

    A row matches if the answer has one of `codes` (regular expressions of a whole code) or of `statuses`
    (any, if both are empty), and its words contain the regular expression `words` and not `unless`, whatever
    their case.
    """

    reason: Reason
    text: str = ""
    """What the desk should know; empty: what is usual for the reason, else the venue's words, redacted."""
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    words: str = ""
    unless: str = ""
    pause: float | None = None
    """Seconds in which nothing is asked, where the venue does not say for how long; None: what is usual."""
    scope: Scope = "address"
    """Whom that pause is for."""

    def matches(self, status: int, code: str, words: str) -> bool:
        """Whether this row is about an answer."""
        named = status in self.statuses or any(re.fullmatch(pattern, code) for pattern in self.codes)
        if (self.codes or self.statuses) and not named:
            return False
        if self.words and not re.search(self.words, words, re.IGNORECASE):
            return False
        return not (self.unless and re.search(self.unless, words, re.IGNORECASE))


class Refusals:
    """A venue's table of failures; the first row that matches decides.

    Args:
        rows: The table.
        envelope: Where code and words stand.
        success: The codes that mean success inside a successful HTTP status; None where the venue reports
            failures by status alone.
    """

    def __init__(
        self,
        *rows: Refusal,
        envelope: type[Envelope] = Envelope,
        success: frozenset[str] | None = None,
    ) -> None:
        self._rows = rows
        self._envelope = envelope
        self._success = success

    def read(
        self,
        response: Response,
        secrets: Iterable[str] = (),
        *,
        signed: bool = True,
        until: float | None = None,
    ) -> VenueError | None:
        """The failure an answer reports, or None if it is a success.

        An answer that is not in the venue's form, such as the page of a firewall, is judged by its status;
        a success that is not in its form is none of this table's business: decoding says so.

        Args:
            response: The answer.
            secrets: What is taken out of the venue's words.
            signed: Whether the request was; one that names no user is counted by address alone.
            until: When the venue says that it answers again, Unix seconds, where a header of its own does.
        """
        if response.succeeded and self._success is None:
            return None
        code, words, failed = self._code(response.body)
        if response.succeeded and not failed:
            return None
        read = words[:_MOST_WORDS]
        row = next((row for row in self._rows if row.matches(response.status, code, read)), None)
        if row is None:
            told = bool(code or words)
            common = http_error(response, told=told)
            if common is not None and (common.reason != "exchange" or not told):
                return common
            row = Refusal("exchange")
        text = row.text or _TEXTS.get(row.reason)
        if not text:
            # Secrets whole and first: a cut could leave the beginning of one.
            for secret in filter(None, secrets):
                words = words.replace(secret, "[redacted]")
            text = redact(words[:_MOST_WORDS]) or "the venue reports a failure"
        pause = row.pause if row.pause is not None else _PAUSES.get(row.reason)
        return VenueError(
            row.reason,
            _place(response, code) + text,
            blocked_until=None if pause is None else _end_of_pause(response, read, until, pause),
            scope=row.scope if signed else "address",
        )

    def _code(self, body: bytes) -> tuple[str, str, bool]:
        """Code (empty where there is none), words, and whether they mean a failure."""
        found = self._envelope_of(body)
        if found is None:
            return "", "", False
        code = "" if found.code is None else str(found.code)
        success = self._success or frozenset()
        return code, found.words, found.failed or (code != "" and code not in success)

    def _envelope_of(self, body: bytes) -> Envelope | None:
        """What stands around an answer; None where it is not in the venue's form."""
        if body[:1] == b"[":
            return None  # rows, which can be many; they stand in no envelope
        # One byte that is no UTF-8 must not hide the code beside it.
        for text in (body, body.decode("utf-8", "replace")):
            try:
                return msgspec.json.decode(text, type=self._envelope)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue
        return None


# A code is any text: only one that looks like one is repeated.
_CODE = re.compile(r"-?\d{1,8}|[A-Za-z_]{1,40}", re.ASCII)
# A moment in the venue's words, Unix milliseconds: "banned until 1719999999999".
_MOMENT = re.compile(r"(?<!\d)(\d{13})(?!\d)", re.ASCII)
# Some venues write fractions of a second, which the standard does not know.
_SECONDS = re.compile(r"\d+(\.\d*)?", re.ASCII)


def _place(response: Response, code: str) -> str:
    shown = f"code {code}" if _CODE.fullmatch(code) else "a failure" if code else ""
    status = "" if response.succeeded else f"HTTP {response.status}"
    text = ", ".join(part for part in (status, shown) if part)
    return f"{text}: " if text else ""


def _end_of_pause(response: Response, words: str, until: float | None, pause: float) -> float:
    """When to ask again, Unix seconds: as the venue says, unless that has passed already.

    A moment is one of the venue's clock: how far away it is, is told by the clock that the answer shows.
    """
    said = _MOMENT.search(words)
    moment = max(until or 0.0, int(said[1]) / 1000 if said else 0.0)
    wait = max(moment - _venue_now(response), _told_wait(response))
    return response.received_at + (wait if wait > 0.0 else pause)


def _venue_now(response: Response) -> float:
    return response.received_at if response.sent_at is None else response.sent_at


def _told_wait(response: Response) -> float:
    """Seconds that the ``Retry-After`` header of an answer says to wait; 0 where it says none."""
    text = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    moment = http_date(text)
    return 0.0 if moment is None else moment - _venue_now(response)


def retry_after(response: Response) -> float | None:
    """When the ``Retry-After`` header of an answer says to come back, in Unix seconds; None if it does not.

    It has seconds or an HTTP date. What is beyond all reason is cut by `exporter.pause`, whoever says it.
    """
    wait = _told_wait(response)
    return response.received_at + wait if wait > 0.0 else None


def http_error(response: Response, *, told: bool = False) -> VenueError | None:
    """The failure an HTTP status alone reports: what is common to all venues.

    Args:
        response: The answer.
        told: Whether it is in the venue's form.
    """
    status = response.status
    if response.succeeded:
        return None
    if status == 401:
        return VenueError("auth", "HTTP 401: the key was refused")
    if status == 403 and (told or _is_document(response.body)):
        return VenueError("permission", "HTTP 403: access was refused")
    if status == 403:
        # What no venue says is said by a firewall before it. A page is shown to an address; of anything else
        # it cannot be told whom it is for, and one account's key must not silence the others.
        return _pausing(
            response,
            "banned",
            "HTTP 403: a firewall in front of the venue refused the request",
            scope="address" if response.body.lstrip()[:1] == b"<" else "account",
        )
    if status == 407:
        return VenueError("network", "HTTP 407: the proxy wants a password")
    if status == 408:
        return VenueError("timeout", "HTTP 408: the venue timed out")
    if status == 418:
        return _pausing(response, "banned", "HTTP 418: this address is banned for a while")
    if status == 429:
        return _pausing(response, "rate_limited", "HTTP 429: too many requests")
    if status == 451:
        return VenueError("unsupported", "HTTP 451: the venue does not serve this location")
    return VenueError("exchange", f"HTTP {status}")


def _is_document(body: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(body), dict | list)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


def _pausing(response: Response, reason: Reason, text: str, *, scope: Scope = "address") -> VenueError:
    until = _end_of_pause(response, "", None, _PAUSES[reason])
    return VenueError(reason, text, blocked_until=until, scope=scope)
