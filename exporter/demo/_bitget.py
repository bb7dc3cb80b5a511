"""How Bitget's stand-in is asked: keys and signatures, time, parameters, limits, kinds of accounts, failures.

Source: https://www.bitget.com/api-doc/common/signature and .../contract/error-code/restapi ; the limit of a
call stands beside its description.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo.asking import Limits
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

TOLERANCE = 30.0
"""Seconds by which a request's time may differ from the venue's."""

Kind = Literal["single", "union", "basic", "advanced", "isolated", "delta"]
"""Classic accounts with one coin as margin or several; unified ones by their level."""
CLASSIC = frozenset({"single", "union"})

Parameters = Mapping[str, str]
Rows = list[dict[str, object]]


class BitgetError(Exception):
    """A failure in the venue's form."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``permissions`` are the venue's words or codes. ``addresses`` is the key's whitelist; empty means any.
    ``simulated`` keys are of demo trading.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    passphrase: str = field(repr=False)
    permissions: tuple[str, ...]
    writes: bool = False
    addresses: tuple[str, ...] = ()
    simulated: bool = False

    @classmethod
    def fake(cls, account: str, permissions: tuple[str, ...]) -> Credential:
        """Always the same for the same account."""
        key, secret, phrase = (
            fake_secret("bitget", account, purpose) for purpose in ("key", "secret", "passphrase")
        )
        return cls(account, f"bg_{key[:32]}", secret, f"phrase{phrase[:12]}", permissions)


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or whose key it is; the parameters it may and must have."""

    known: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    answer: Callable[[Parameters], object] | None = None
    private_answer: Callable[[Parameters, Credential], object] | None = None
    rights: frozenset[str] = frozenset()
    """Of which a key must have one."""
    limit: int = 20
    """Requests in a second, of one address or of one account."""


class BitgetServer(VenueSimulator):
    """How Bitget is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries. ``kinds`` says what
    accounts are; one that is not in it is a classic one.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.kinds: dict[str, Kind] = {}
        self.limits = Limits()

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path."""

    def kind(self, account: str) -> Kind:
        """What an account is."""
        return self.kinds.get(account, "single")

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one that reads."""
        rights = ("coor", "cpor") if self.kind(book.name) in CLASSIC else ("uta_mgt", "uta_trade")
        credential = credential or Credential.fake(book.name, rights)
        return self.know(book, credential.api_key, credential)

    def settings(self, credential: Credential) -> dict[str, object]:
        return {**super().settings(credential), "passphrase": credential.passphrase}

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            try:
                code, message, data, status = "00000", "success", self._answer(table, request), 200
            except BitgetError as error:
                code, message, data, status = error.code, error.message, None, error.status
            body = {"code": code, "msg": message, "requestTime": self.server_time(), "data": data}
            return web.Response(text=json.dumps(body), status=status, content_type="application/json")

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, Endpoint], request: web.Request) -> object:
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise BitgetError("40404", "Request URL NOT FOUND", 404)
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        credential = None if endpoint.private_answer is None else self._authenticate(request)
        who = (request.remote or "") if credential is None else credential.account
        if self.limits.spend(who, request.path, self.now(), limit=endpoint.limit, window=1.0) < 0:
            raise BitgetError("429", "Too Many Requests", 429)
        if credential is not None:
            self._judge(request.path, endpoint, credential)
        unknown = parameters.keys() - endpoint.known - endpoint.needed
        if len(pairs) != len(parameters) or unknown:
            raise BitgetError("400172", "Parameter verification failed")
        for name in sorted(endpoint.needed):
            if not parameters.get(name):
                raise BitgetError("40019", f"Parameter {name} cannot be empty")
        if endpoint.answer is not None:
            return endpoint.answer(parameters)
        assert endpoint.private_answer is not None  # noqa: S101 (one of the two is set)
        assert credential is not None  # noqa: S101 (the same)
        return endpoint.private_answer(parameters, credential)

    def _judge(self, path: str, endpoint: Endpoint, credential: Credential) -> None:
        """Calls of the one version are refused to accounts of the other kind."""
        classic = self.kind(credential.account) in CLASSIC
        if classic and path.startswith("/api/v3/"):
            raise BitgetError(
                "40084",
                "You are in Classic Account mode, and the Unified Account API is not supported at this time",
            )
        if not classic and path.startswith("/api/v2/"):
            raise BitgetError(
                "40085",
                "You are in Unified Account mode, and the Classic Account API is not supported at this time",
            )
        if endpoint.rights and endpoint.rights.isdisjoint(credential.permissions):
            raise BitgetError("40014", "Incorrect permissions, need permissions")

    def _authenticate(self, request: web.Request) -> Credential:
        key, sign, stamp, phrase = (
            request.headers.get(f"ACCESS-{name}", "") for name in ("KEY", "SIGN", "TIMESTAMP", "PASSPHRASE")
        )
        for code, name, value in (
            ("40001", "ACCESS_KEY", key),
            ("40002", "ACCESS_SIGN", sign),
            ("40003", "ACCESS_TIMESTAMP", stamp),
            ("40011", "ACCESS_PASSPHRASE", phrase),
        ):
            if not value:
                raise BitgetError(code, f"Request header {name} cannot be empty")
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) == 13):
            raise BitgetError("40005", "Invalid ACCESS_TIMESTAMP")
        if abs(self.now() - int(stamp) / 1000.0) > TOLERANCE:
            raise BitgetError("40008", "Request timestamp expired")
        credential = self.credentials.get(key)
        if credential is None:
            raise BitgetError("40037", "Apikey does not exist")
        if credential.simulated != (request.headers.get("paptrading") == "1"):
            raise BitgetError("40099", "exchange environment is incorrect")
        if not hmac.compare_digest(credential.passphrase.encode(), phrase.encode()):
            raise BitgetError("40012", "apikey/password is incorrect")
        text = f"{stamp}{request.method}{request.raw_path}"
        expected = base64.b64encode(
            hmac.new(credential.api_secret.encode(), text.encode(), hashlib.sha256).digest()
        )
        if not hmac.compare_digest(expected, sign.encode()):
            raise BitgetError("40009", "sign signature error")
        if credential.addresses and (request.remote or "") not in credential.addresses:
            raise BitgetError("40018", "Invalid IP")
        return credential


def classic_key(_: Parameters, credential: Credential) -> object:
    """What a classic account is told of its key."""
    return {
        "userId": "1000000001",
        "inviterId": "",
        "ips": ",".join(credential.addresses),
        "authorities": list(credential.permissions),
        "parentId": 0,
        "traderType": "not_trader",
        "channelCode": "",
        "channel": "",
        "regisTime": "1700000000000",
    }


def key(_: Parameters, credential: Credential) -> object:
    """What a unified account is told of its key."""
    return {
        "userId": "1000000001",
        "inviterId": "",
        "parentId": "",
        "channelCode": "",
        "channel": "",
        "ips": ",".join(credential.addresses),
        "permType": "read-and-write" if credential.writes else "read-only",
        "permissions": list(credential.permissions),
        "regisTime": "1700000000000",
    }
