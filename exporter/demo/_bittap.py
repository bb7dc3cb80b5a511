"""How the BitTap stand-in is asked: keys, signatures, timestamps, nonces, limits, errors.

Source: https://developers.bittap.com/en/futures/authentication and .../api-reference. The window of a
timestamp is that of the venue's WebSocket login; the code for one outside it, and for a nonce used twice,
are not documented and made up.
"""

from __future__ import annotations

import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo.asking import Nonces
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

LATEST_MS = 5 * 60_000
EARLIEST_MS = 60_000
"""A timestamp is at most 5 minutes ahead of the venue's clock and 1 minute behind it."""
LIMITS = ((1.0, 10), (60.0, 600))
"""Seconds, and the requests of a key (or address) in them."""

Parameters = Mapping[str, str]


class BittapError(Exception):
    """An error answer of the venue: an HTTP status and ``{"code": code, "msg": …, "success": false}``."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account. ``futures`` is the permission that a new key does not have."""

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    futures: bool = True

    @classmethod
    def fake(cls, venue: str, account: str, *, futures: bool = True) -> Credential:
        """Always the same for the same venue and account."""
        key, secret = (fake_secret(venue, account, purpose) for purpose in ("key", "secret"))
        return cls(account, key, secret, futures)

    def signature(self, parameters: Parameters, timestamp: str, nonce: str) -> str:
        """Of a GET: sorted parameters, then ``&``, also where there are none, then timestamp and nonce."""
        query = "&".join(f"{name}={parameters[name]}" for name in sorted(parameters) if parameters[name])
        text = (query + "&" if query else "&") + f"timestamp={timestamp}&nonce={nonce}"
        return hmac.digest(self.api_secret.encode(), text.encode(), "sha256").hex()


class Limiter:
    """Requests in fixed windows of time."""

    def __init__(self, limits: tuple[tuple[float, int], ...] = LIMITS) -> None:
        self.limits = limits
        self._counts: dict[tuple[str, float], tuple[int, int]] = {}

    def spend(self, who: str, now: float) -> None:
        """Counts a request.

        Raises:
            BittapError: 429.
        """
        for window, limit in self.limits:
            number = int(now // window)
            seen, count = self._counts.get((who, window), (number, 0))
            count = count + 1 if seen == number else 1
            self._counts[who, window] = (number, count)
            if count > limit:
                raise BittapError(429, "429", "Request rate limit exceeded")


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or whose key it is; and the parameters it may have."""

    optional: frozenset[str] = frozenset()
    answer: Callable[[], object] | None = None
    private_answer: Callable[[Parameters, Book], object] | None = None


class BittapServer(VenueSimulator):
    """How BitTap is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limiter = Limiter()
        self.nonces = Nonces((LATEST_MS + EARLIEST_MS) / 1000)

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path."""

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            status = 200
            try:
                data = self._answer(table, request, await request.read())
                body: dict[str, object] = {
                    "code": "0",
                    "data": data,
                    "msg": "Request successful",
                    "success": True,
                }
            except BittapError as error:
                status = error.status
                body = {"code": error.code, "msg": error.message, "success": False}
            return web.Response(
                status=status,
                text=json.dumps(body),
                content_type="application/json",
                # The only clock the venue has.
                headers={"Date": formatdate(self.now(), usegmt=True)},
            )

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, Endpoint], request: web.Request, body: bytes) -> object:
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise BittapError(404, "404", "Resource not found")
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        if body or len(parameters) != len(pairs):
            raise BittapError(400, "100011", "Parameter error")
        if endpoint.answer is not None:
            self.limiter.spend(request.remote or "", self.now())
            _check_names(parameters, endpoint.optional)
            return endpoint.answer()
        credential = self._authenticate(request.headers, parameters)
        self.limiter.spend(credential.api_key, self.now())
        _check_names(parameters, endpoint.optional)
        assert endpoint.private_answer is not None  # noqa: S101 - one of the two is set
        return endpoint.private_answer(parameters, self.accounts[credential.account])

    def _authenticate(self, headers: Mapping[str, str], parameters: Parameters) -> Credential:
        credential = self.credentials.get(headers.get("X-BT-APIKEY", ""))
        if credential is None:
            raise BittapError(401, "410001", "Invalid API Key")
        timestamp, nonce = headers.get("X-BT-TS", ""), headers.get("X-BT-NONCE", "")
        expected = credential.signature(parameters, timestamp, nonce)
        if not nonce or not hmac.compare_digest(expected.encode(), headers.get("X-BT-SIGN", "").encode()):
            raise BittapError(401, "410002", "Signature verification failed")
        now = self.server_time()
        if not re.fullmatch(r"[0-9]{13}", timestamp) or not (
            now - EARLIEST_MS <= int(timestamp) <= now + LATEST_MS
        ):
            raise BittapError(401, "410003", "The timestamp is outside the allowed time")
        if not self.nonces.use(credential.api_key, nonce, self.now()):
            raise BittapError(401, "410004", "The nonce was used before")
        if not credential.futures:
            raise BittapError(403, "410006", "Insufficient permissions")
        return credential


def _check_names(parameters: Parameters, optional: frozenset[str]) -> None:
    if not parameters.keys() <= optional or not all(parameters.values()):
        raise BittapError(400, "100011", "Parameter error")
