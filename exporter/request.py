"""What a call to a venue is: the endpoint, what is asked of it, what goes over the wire, what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from string import Formatter
from typing import Literal
from urllib.parse import quote

from msgspec import Struct

Params = tuple[tuple[str, str], ...]

NO_VALUES: Mapping[str, str] = {}


class Endpoint(Struct, frozen=True):
    """One read-only call of a venue. The HTTP client refuses whatever a venue did not declare.

    `path` may be a template such as ``/futures/{settle}/accounts``: metrics, logs and errors show the
    template, so that what is filled in can never become a label.
    """

    path: str
    weight: float = 1.0
    """What it takes from the venue's request budget."""
    signed: bool = True
    method: Literal["GET", "POST"] = "GET"
    """POST only where the venue reads by POST."""
    name: str = ""
    """What metrics call it, where several calls share one path; the path otherwise."""
    host: str = ""
    """Where it is asked, if that is another of the venue's own hosts: ``https://api.example.com``. A
    `base_url` in the configuration stands for all of them."""
    apart: bool = False
    """Whether a request limit that it meets says nothing about the other calls, and closes none of them."""

    @property
    def label(self) -> str:
        """How it is called in metrics, logs and errors."""
        return self.name or self.path

    def filled(self, values: Mapping[str, str]) -> str:
        """The path with every field of the template filled in, percent-encoded.

        Raises:
            ValueError: if `values` are not those that the template has; the text shows no value.
        """
        fields = {field for _, field, _, _ in Formatter().parse(self.path) if field is not None}
        if fields != values.keys():
            raise ValueError(f"{self.path} takes {sorted(fields)}, not {sorted(values)}")
        return self.path.format_map({name: quote(value, safe="") for name, value in values.items()})


class Request(Struct, frozen=True):
    """One call before it is signed."""

    endpoint: Endpoint
    params: Params = ()
    path: str = ""
    """The endpoint's path, filled in."""
    body: bytes | None = None
    """JSON, of an endpoint that is asked by a document."""
    timestamp_ms: int = 0
    """Now on the venue's clock, Unix milliseconds."""
    token: str = ""
    """Of the session, at a venue that has sessions; see `exporter.venues.base.Venue.open_session`."""


class SignedRequest(Struct, frozen=True):
    """What goes over the wire: the query string and body exactly as they were signed."""

    query: str = ""
    headers: Mapping[str, str] = NO_VALUES
    body: bytes | None = None


class Response(Struct, frozen=True):
    """A venue's answer. `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    """Unix seconds, the exporter's clock."""

    @property
    def succeeded(self) -> bool:
        """Whether the HTTP status says so; many venues report failures inside it."""
        return 200 <= self.status < 300

    @property
    def made_at(self) -> float | None:
        """When the answer was made, Unix seconds on the venue's clock, from its ``Date``; None without one.

        The header has whole seconds, of which the middle is off by half a second at most.
        """
        made_at = http_date(self.headers.get("Date", ""))
        return None if made_at is None else made_at + 0.5

    @property
    def age(self) -> float:
        """Seconds that the answer lay in a cache on the way, as that says in ``Age``."""
        return self.header_number("Age") or 0

    @property
    def sent_at(self) -> float | None:
        """What the venue's clock showed when the answer came, Unix seconds; None where nothing tells."""
        return None if self.made_at is None else self.made_at + self.age

    def header_number(self, name: str) -> int | None:
        """A header that holds a whole number that is not negative; None where it holds none."""
        text = self.headers.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


# Python refuses to read numbers of thousands of digits; no honest header comes near.
_MOST_DIGITS = 18


def http_date(text: str) -> float | None:
    """The moment of a header that holds a date, Unix seconds; None where it holds none."""
    try:
        moment = parsedate_to_datetime(text)
        # One without a time zone is not of this machine's.
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
