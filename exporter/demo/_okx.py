"""How OKX's stand-in is asked: keys and signatures, time, parameters, limits, failures.

Source: https://www.okx.com/docs-v5/en/#overview-rest-authentication and #error-code ; the limit of a call
stands beside its description.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo.asking import Limits
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

WINDOW = 2.0
"""Seconds in which requests are counted."""
TOLERANCE = 30.0
"""Seconds by which a request's time may differ from the venue's."""

Parameters = Mapping[str, str]
Rows = list[dict[str, object]]

_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


class OkxError(Exception):
    """A failure in the venue's form."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``permissions`` are words of read_only, trade and withdraw. ``addresses`` is the key's whitelist; empty
    means any. ``simulated`` keys are of demo trading.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    permissions: tuple[str, ...] = ("read_only",)
    addresses: tuple[str, ...] = ()
    simulated: bool = False

    @classmethod
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        key, secret, phrase = (
            fake_secret("okx", account, purpose) for purpose in ("key", "secret", "passphrase")
        )
        return cls(account, key[:36], secret[:32].upper(), f"Phrase-{phrase[:12]}")


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or whose key it is; the parameters it may and must have."""

    known: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    answer: Callable[[Parameters], Rows] | None = None
    private_answer: Callable[[Parameters, Credential], Rows] | None = None
    limit: int = 10
    """Requests in two seconds, of one address or of one account."""


class OkxServer(VenueSimulator):
    """How OKX is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries. ``below`` has the books
    of sub-accounts by main account and name.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = Limits()

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path."""

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(book.name)
        return self.know(book, credential.api_key, credential)

    def settings(self, credential: Credential) -> dict[str, object]:
        below = {"sub_accounts": True} if credential.account in self.below else {}
        return {**super().settings(credential), "passphrase": credential.passphrase, **below}

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            try:
                body, status = {"code": "0", "msg": "", "data": self._answer(table, request)}, 200
            except OkxError as error:
                body, status = {"code": str(error.code), "msg": error.message, "data": []}, error.status
            return web.Response(text=json.dumps(body), status=status, content_type="application/json")

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, Endpoint], request: web.Request) -> Rows:
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise OkxError(50404, "The requested resource is not found", 404)
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        credential = None if endpoint.private_answer is None else self._authenticate(request)
        who = (request.remote or "") if credential is None else credential.account
        if self.limits.spend(who, request.path, self.now(), limit=endpoint.limit, window=WINDOW) < 0:
            raise OkxError(50011, "Too Many Requests", 429)
        unknown = parameters.keys() - endpoint.known - endpoint.needed
        if len(pairs) != len(parameters) or unknown:
            raise OkxError(50000, "Parameter error")
        for name in sorted(endpoint.needed):
            if not parameters.get(name):
                raise OkxError(50014, f"Parameter {name} can not be empty.")
        if endpoint.answer is not None:
            return endpoint.answer(parameters)
        assert endpoint.private_answer is not None  # noqa: S101 (one of the two is set)
        assert credential is not None  # noqa: S101 (the same)
        return endpoint.private_answer(parameters, credential)

    def _authenticate(self, request: web.Request) -> Credential:
        key, sign, stamp, phrase = (
            request.headers.get(f"OK-ACCESS-{name}", "")
            for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")
        )
        for code, name, value in (
            (50103, "OK_ACCESS_KEY", key),
            (50106, "OK_ACCESS_SIGN", sign),
            (50107, "OK_ACCESS_TIMESTAMP", stamp),
            (50104, "OK_ACCESS_PASSPHRASE", phrase),
        ):
            if not value:
                raise OkxError(code, f'Request header "{name}" can\'t be empty.', 401)
        if abs(self.now() - _moment(stamp)) > TOLERANCE:
            raise OkxError(50102, "Timestamp request expired", 401)
        credential = self.credentials.get(key)
        if credential is None:
            raise OkxError(50111, "Invalid OK-ACCESS-KEY", 401)
        if credential.simulated != (request.headers.get("x-simulated-trading") == "1"):
            raise OkxError(50101, "APIKey does not match current environment.", 401)
        if not hmac.compare_digest(credential.passphrase.encode(), phrase.encode()):
            raise OkxError(50105, 'Request header "OK_ACCESS_PASSPHRASE" incorrect.', 401)
        text = f"{stamp}{request.method}{request.raw_path}"
        expected = base64.b64encode(
            hmac.new(credential.api_secret.encode(), text.encode(), hashlib.sha256).digest()
        )
        if not hmac.compare_digest(expected, sign.encode()):
            raise OkxError(50113, "Invalid Sign", 401)
        if credential.addresses and (request.remote or "") not in credential.addresses:
            raise OkxError(50110, "Your IP is not included in your API key's IP whitelist.", 401)
        return credential


def _moment(stamp: str) -> float:
    if not _STAMP.fullmatch(stamp):
        raise OkxError(50112, "Invalid OK_ACCESS_TIMESTAMP", 401)
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        raise OkxError(50112, "Invalid OK_ACCESS_TIMESTAMP", 401) from None
