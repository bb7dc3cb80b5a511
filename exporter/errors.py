"""What can go wrong between the exporter and a venue, in the classes a desk acts on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, get_args

from exporter.printable import visible

Reason = Literal[
    "auth",  # the key or its signature is refused: a person must act
    "permission",  # the key is known but may not read this, or not from this address
    "refused",  # the key can do what the configuration does not allow, and is not used
    "unsupported",  # the account is of a kind that this adapter does not read, or the location is not served
    "rate_limited",  # too many requests; the venue says when to come back
    "banned",  # the address is shut out for longer
    "clock",  # the request's timestamp is outside the venue's window, even after a resync
    "timeout",  # no complete answer in time
    "network",  # no connection, or it broke
    "schema",  # the answer is not what the venue documents
    "exchange",  # the venue reports a failure of its own
    "internal",  # a defect of this program
]
REASONS: tuple[Reason, ...] = get_args(Reason)

Scope = Literal["address", "account"]
"""Whom a request limit is for: every account behind one address, or the one account that asked."""

# The second form may end in the first: ::ffff:203.0.113.7.
_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}(?!\.?\w)"
_IP_ADDRESS = re.compile(
    rf"(?<![\w:])(?:[0-9a-fA-F]{{0,4}}:){{2,7}}(?:{_IPV4}|[0-9a-fA-F]{{0,4}}(?![\w:]))|(?<![\d.]){_IPV4}"
)
_LONG_TOKEN = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z?"  # a moment
    r"|(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{40,}={0,2}"  # a signature in Base64, of which parts may be short
    r"|(?<![\w-])(?=[\w-]*\d)[\w-]{16,}|\d{6,}"
)
_MAX_VENUE_TEXT = 200


class VenueError(Exception):
    """One failed request or collection. Its text is safe for logs and pages: see `redact`.

    `blocked_until` (Unix seconds) is set where the venue says when it will answer again, and `scope` says
    whom: the address or only this account.
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        blocked_until: float | None = None,
        scope: Scope = "address",
    ) -> None:
        # It may repeat what a venue said: a terminal obeys control characters.
        message = visible(message)
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
        self.blocked_until = blocked_until
        self.scope: Scope = scope

    def within(self, place: str) -> VenueError:
        """The same failure, its text with `place` (venue, endpoint) in front."""
        return VenueError(
            self.reason, f"{place}: {self.message}", blocked_until=self.blocked_until, scope=self.scope
        )


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """A venue's own words without what must not leave the process.

    Takes out the given secrets, IP addresses, and anything that looks like a key, a signature, an
    account id or a timestamp (16 or more word characters with a digit among them, 40 or more of Base64, 6 or
    more digits, a date with its time).
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    text = _IP_ADDRESS.sub("[address]", text)
    text = _LONG_TOKEN.sub("[redacted]", text)
    text = " ".join(text.split())
    return text if len(text) <= _MAX_VENUE_TEXT else text[:_MAX_VENUE_TEXT] + "…"
