"""What BingX's stand-in asks of a request: keys and signatures, the endpoints there are, and their limits."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from exporter.demo.book import Book

RESTRICTION_SECONDS = 300.0
"""For which a call is refused after too many requests ("recover after 5 minutes")."""

Parameters = Mapping[str, str]


class BingxError(Exception):
    """An error answer of the venue: ``{"code": code, "msg": message}`` inside HTTP 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``may_trade`` is the permission "Perpetual Futures Trading", without which the venue does not tell the
    account's modes. ``addresses`` is the key's whitelist; empty means any. ``more`` has the numbers of what
    it may do besides: 1 spot trading, 4 transfers, 5 withdrawal, 7 transfers between sub-accounts.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    may_trade: bool = True
    addresses: frozenset[str] = frozenset()
    more: frozenset[int] = frozenset()

    def permissions(self) -> dict[str, object]:
        """What the venue tells of it."""
        return {
            "apiKey": self.api_key,
            "permissions": sorted({2, *((3,) if self.may_trade else ()), *self.more}),
            "ipAddresses": sorted(self.addresses),
            "note": self.account,
        }

    @classmethod
    def fake(cls, venue: str, account: str) -> Credential:
        """Always the same for the same venue and account."""
        key, secret = (
            hashlib.sha512(f"simulated {venue} {account} {purpose}".encode()).hexdigest()[:86]
            for purpose in ("key", "secret")
        )
        return cls(account, key, secret)

    def signature(self, payload: str) -> str:
        """Of the parameters in the order in which they were sent, values not percent-encoded."""
        return hmac.new(self.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


class Limits:
    """Requests in fixed windows of time; a call asked too often is refused for a while."""

    def __init__(self, *, restriction: float = RESTRICTION_SECONDS) -> None:
        self.restriction = restriction
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        self._refused_until: dict[tuple[str, str], float] = {}

    def spend(self, who: str, what: str, now: float, *, limit: int, window: float) -> int:
        """Counts a request of ``what`` by ``who``; returns how many more the window has room for.

        Raises:
            BingxError: 100410 with the moment at which it ends, in milliseconds.
        """
        key = (who, what)
        until = self._refused_until.get(key, 0.0)
        if now >= until:
            number = int(now // window)
            seen, count = self._counts.get(key, (number, 0))
            count = count + 1 if seen == number else 1
            self._counts[key] = (number, count)
            if count <= limit:
                return limit - count
            until = self._refused_until[key] = now + self.restriction
        raise BingxError(
            100410,
            "code:100410:The endpoint trigger frequency limit rule is currently in the disabled period and "
            f"will be unblocked after {int(until * 1000)}",
        )


@dataclass(frozen=True)
class PublicEndpoint:
    """A path anybody may read."""

    path: str
    answer: Callable[[Parameters], object]
    optional: frozenset[str] = frozenset()
    needs_timestamp: bool = True


@dataclass(frozen=True)
class SignedEndpoint:
    """A path that needs a key and a signature; parameters without the three every one has."""

    path: str
    answer: Callable[[Parameters, Book], object]
    a_second: int
    """Requests of one account a second."""
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    trading: bool = False
    """Told only to keys that may trade."""


Endpoint = PublicEndpoint | SignedEndpoint


@dataclass(frozen=True)
class KeyEndpoint:
    """The path that tells a key about itself."""

    path: str = "/openApi/v1/account/apiPermissions"
    a_second: int = 2


def limit_headers(left: int, window: float) -> dict[str, str]:
    """What an answer tells of a limit."""
    return {
        "X-RateLimit-Requests-Remain": str(left),
        "X-RateLimit-Requests-Expire": str(int(window * 1000)),
    }


def check_names(parameters: Parameters, required: frozenset[str], optional: frozenset[str]) -> None:
    """Raises what the venue says of parameters that it misses or does not know."""
    missing = sorted(name for name in required if not parameters.get(name))
    if missing:
        raise BingxError(100400, f"miss arguments: {', '.join(missing)}")
    unknown = sorted(parameters.keys() - required - optional)
    if unknown:
        raise BingxError(100400, f"arguments invalid: {', '.join(unknown)}")


def unknown_symbol(symbol: str) -> BingxError:
    """What the venue says of a symbol that it does not trade."""
    return BingxError(
        109400,
        f"{symbol},symbol not exist, please verify it in api: /openApi/swap/v2/quote/contracts",
    )
