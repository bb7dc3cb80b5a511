"""How Bybit's stand-in is asked: keys and signatures, time, parameters, limits, failures, pages.

Source: https://bybit-exchange.github.io/docs/v5/guide , .../rate-limit and .../error .
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, quote, unquote

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from exporter.demo.asking import Limits
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

ADDRESS_LIMIT, ADDRESS_WINDOW = 600, 5.0
SHUT_OUT = 600.0
"""Seconds for which an address is refused that has asked too often."""
AHEAD_MS = 1000
"""How far a timestamp may be in front of the venue's clock; behind it, the request says."""

Parameters = Mapping[str, str]


class BybitError(Exception):
    """A failure in the venue's form, inside HTTP 200."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ShutOutError(Exception):
    """HTTP 403, which is not in the venue's form."""


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``api_secret`` is the secret of HMAC, or the PEM private key of an RSA key pair. ``wallet`` are the rights
    to move money. ``addresses`` is the key's whitelist; empty means any.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    read_only: bool = True
    wallet: tuple[str, ...] = ()
    addresses: frozenset[str] = frozenset()
    positions: bool = True
    """Whether it may read positions."""

    @classmethod
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        key, secret = (fake_secret("bybit", account, purpose) for purpose in ("key", "secret"))
        return cls(account, key[:18], secret[:36])

    @cached_property
    def _public_key(self) -> RSAPublicKey | None:
        if "PRIVATE KEY" not in self.api_secret:
            return None
        key = load_pem_private_key(self.api_secret.encode(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("the venue knows HMAC and RSA keys only")
        return key.public_key()

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether a signature is this key's over exactly these bytes."""
        if self._public_key is None:
            expected = hmac.new(self.api_secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.encode())
        try:
            raw = base64.b64decode(signature, validate=True)
            self._public_key.verify(raw, payload, PKCS1v15(), SHA256())
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or whose key it is; and the parameters it may have."""

    known: frozenset[str] = frozenset()
    answer: Callable[[Parameters], object] | None = None
    private_answer: Callable[[Parameters, Credential], object] | None = None
    a_second: int = 50
    """Requests of one account a second."""


def page(rows: Sequence[Mapping[str, object]], parameters: Parameters) -> tuple[list[object], str]:
    """A part of the rows, and the cursor behind it: percent-encoded, and the last page has one as well."""
    limit = parameters.get("limit", "20")
    if not re.fullmatch(r"\d{1,3}", limit) or not 1 <= int(limit) <= 200:
        raise BybitError(10001, "limit is out of [1, 200]")
    cursor = unquote(parameters.get("cursor", "")).split(",")
    first = int(cursor[1]) if len(cursor) == 3 and cursor[1].isdigit() else 0
    found = list(rows[first : first + int(limit)])
    following = f"{found[-1]['symbol']},{first + len(found)},0" if found else ""
    return list(found), quote(following, safe="")


class BybitServer(VenueSimulator):
    """How Bybit is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = Limits()
        self._shut_out: dict[str, float] = {}

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path."""

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(book.name)
        return self.know(book, credential.api_key, credential)

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            headers: dict[str, str] = {}
            code, message, result = 0, "OK", object()
            try:
                result = self._answer(table, request, headers)
            except BybitError as error:
                code, message, result = error.code, error.message, {}
            except ShutOutError:
                return web.Response(status=403, text="403, access too frequent. Please try again later.")
            body = {
                "retCode": code,
                "retMsg": message,
                "result": result,
                "retExtInfo": {},
                "time": self.server_time(),
            }
            return web.Response(text=json.dumps(body), headers=headers, content_type="application/json")

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, Endpoint], request: web.Request, headers: dict[str, str]) -> object:
        self._count_address(request.remote or "")
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise BybitError(10017, "Route not found.")
        query = request.raw_path.partition("?")[2]
        pairs = parse_qsl(query, keep_blank_values=True)
        parameters = dict(pairs)
        if len(pairs) != len(parameters) or not parameters.keys() <= endpoint.known:
            raise BybitError(10001, "Request parameter error.")
        if endpoint.answer is not None:
            return endpoint.answer(parameters)
        credential = self._authenticate(request, query)
        left = self.limits.spend(
            credential.account, request.path, self.now(), limit=endpoint.a_second, window=1.0
        )
        headers["X-Bapi-Limit"] = str(endpoint.a_second)
        headers["X-Bapi-Limit-Status"] = str(max(left, 0))
        headers["X-Bapi-Limit-Reset-Timestamp"] = str(self.server_time() + (1000 if left < 0 else 0))
        if left < 0:
            raise BybitError(10006, "Too many visits!")
        assert endpoint.private_answer is not None  # noqa: S101 (one of the two is set)
        return endpoint.private_answer(parameters, credential)

    def _count_address(self, address: str) -> None:
        now = self.now()
        if now < self._shut_out.get(address, 0.0):
            raise ShutOutError
        if self.limits.spend(address, "", now, limit=ADDRESS_LIMIT, window=ADDRESS_WINDOW) < 0:
            self._shut_out[address] = now + SHUT_OUT
            raise ShutOutError

    def _authenticate(self, request: web.Request, query: str) -> Credential:
        key, stamp, window, signature = (
            request.headers.get(f"X-BAPI-{name}", "")
            for name in ("API-KEY", "TIMESTAMP", "RECV-WINDOW", "SIGN")
        )
        credential = self.credentials.get(key)
        if credential is None:
            raise BybitError(10003, "API key is invalid.")
        window = window or "5000"
        if not re.fullmatch(r"\d{13}", stamp) or not re.fullmatch(r"\d{1,6}", window):
            raise BybitError(10001, "Request parameter error.")
        now = self.server_time()
        if not now - int(window) <= int(stamp) < now + AHEAD_MS:
            raise BybitError(
                10002,
                f"invalid request, please check your server timestamp or recv_window param. "
                f"req_timestamp[{stamp}],server_timestamp[{now}],recv_window[{window}]",
            )
        if not credential.verify(f"{stamp}{key}{window}{query}".encode(), signature):
            raise BybitError(10004, "Error sign, please check your signature generation algorithm.")
        if credential.addresses and (request.remote or "") not in credential.addresses:
            raise BybitError(10010, "Unmatched IP, please check your API key's bound IP addresses.")
        return credential
