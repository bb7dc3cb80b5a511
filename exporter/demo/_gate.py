"""How Gate's stand-in is asked: keys and signatures, time, permissions, parameters, limits, failures.

Source: https://www.gate.com/docs/developers/apiv4/en/ (authentication, error handling, frequency limit rule).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from exporter.demo.asking import Limits
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

PREFIX = "/api/v4"
WINDOW = 10.0
"""Seconds in which requests are counted."""
TOLERANCE = 60.0
"""Seconds by which a request's time may differ from the venue's."""

Parameters = Mapping[str, str]

_SETTLE = re.compile(r"/futures/(?P<settle>[a-z]+)/")


class GateError(Exception):
    """A failure in the venue's form."""

    def __init__(self, label: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.label = label
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``permissions`` says of each group that it may use whether that is for reading alone. ``addresses`` is the
    key's whitelist; empty means any.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    permissions: Mapping[str, bool] = field(
        default_factory=lambda: dict.fromkeys(("futures", "unified", "options", "account"), True)
    )
    addresses: tuple[str, ...] = ()

    @classmethod
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        key, secret = (fake_secret("gate", account, purpose) for purpose in ("key", "secret"))
        return cls(account, key[:32], secret)


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or whose key it is; the parameters it may and must have."""

    known: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    answer: Callable[[Parameters], object] | None = None
    private_answer: Callable[[Parameters, Credential], object] | None = None
    group: str = "futures"
    """The permission that a key needs."""
    limit: int = 200
    """Requests in ten seconds, of one address or of one account."""


class GateServer(VenueSimulator):
    """How Gate is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = Limits()

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path without prefix; ``{settle}`` is a parameter."""

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(book.name)
        return self.know(book, credential.api_key, credential)

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            headers: dict[str, str] = {}
            body: object
            try:
                body, status = self._answer(table, request, await request.read(), headers), 200
            except GateError as error:
                body, status = {"label": error.label, "message": error.message}, error.status
            return web.Response(
                text=json.dumps(body), status=status, content_type="application/json", headers=headers
            )

        return self.new_application(handle)

    def _answer(
        self, table: Mapping[str, Endpoint], request: web.Request, body: bytes, headers: dict[str, str]
    ) -> object:
        path = request.path.removeprefix(PREFIX)
        settle = _SETTLE.match(path)
        template = path if settle is None else path.replace(f"/{settle['settle']}/", "/{settle}/", 1)
        endpoint = table.get(template)
        if endpoint is None or path == request.path or request.method != "GET":
            raise GateError("NOT_FOUND", "request path not found", 404)
        if settle is not None and settle["settle"] not in {"usdt", "btc"}:
            raise GateError("INVALID_PARAM_VALUE", "Invalid parameter: settle")
        query = request.raw_path.partition("?")[2]
        pairs = parse_qsl(query, keep_blank_values=True)
        parameters = {**dict(pairs), **({} if settle is None else settle.groupdict())}
        credential = None if endpoint.private_answer is None else self._authenticate(request, query, body)
        who = (request.remote or "") if credential is None else credential.account
        now = self.now()
        left = self.limits.spend(who, template, now, limit=endpoint.limit, window=WINDOW)
        free_at = now if left >= 0 else self.limits.oldest(who, template) + WINDOW
        headers |= {
            "X-Gate-RateLimit-Requests-Remain": str(max(left, 0)),
            "X-Gate-RateLimit-Limit": str(endpoint.limit),
            "X-Gate-RateLimit-Reset-Timestamp": str(int(free_at) + 1),
        }
        if left < 0:
            raise GateError("TOO_MANY_REQUESTS", "Request Rate Limit Exceeded", 429)
        if credential is not None and endpoint.group not in credential.permissions:
            text = f"Request API key does not have {endpoint.group} permission"
            raise GateError("FORBIDDEN", text, 403)
        for name in sorted(endpoint.needed - parameters.keys()):
            raise GateError("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
        if {name for name, _ in pairs} - endpoint.known - endpoint.needed or len(pairs) != len(dict(pairs)):
            raise GateError("INVALID_PARAM_VALUE", "Invalid parameter")
        if endpoint.answer is not None:
            return endpoint.answer(parameters)
        assert endpoint.private_answer is not None  # noqa: S101 (one of the two is set)
        assert credential is not None  # noqa: S101 (the same)
        return endpoint.private_answer(parameters, credential)

    def _authenticate(self, request: web.Request, query: str, body: bytes) -> Credential:
        key, sign, stamp = (request.headers.get(name, "") for name in ("KEY", "SIGN", "Timestamp"))
        for name, value in (("KEY", key), ("SIGN", sign), ("Timestamp", stamp)):
            if not value:
                raise GateError("MISSING_REQUIRED_HEADER", f"Missing required header: {name}")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            raise GateError("INVALID_PARAM_VALUE", "Invalid header: Timestamp")
        if abs(self.now() - int(stamp)) > TOLERANCE:
            text = "gap between request Timestamp and server time exceeds 60"
            raise GateError("REQUEST_EXPIRED", text, 403)
        credential = self.credentials.get(key)
        if credential is None:
            raise GateError("INVALID_KEY", "Invalid key provided", 401)
        digest = hashlib.sha512(body).hexdigest()
        text = f"{request.method}\n{request.path}\n{unquote(query)}\n{digest}\n{stamp}"
        expected = hmac.new(credential.api_secret.encode(), text.encode(), hashlib.sha512).hexdigest()
        if not hmac.compare_digest(expected, sign.lower()):
            raise GateError("INVALID_SIGNATURE", "Signature mismatch", 401)
        if credential.addresses and (request.remote or "") not in credential.addresses:
            raise GateError("IP_FORBIDDEN", "Request IP not in whitelist", 403)
        return credential
