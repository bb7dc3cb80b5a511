"""How Deribit's stand-in is asked: keys and signatures, scopes, parameters, credits, failures.

Source: https://docs.deribit.com/articles/authentication , .../access-scope , .../rate-limits and .../errors .
As what a timestamp that is too old and a nonce that was used before are refused, no page says: as not
authorized, with a reason that is made up.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo.asking import Nonces
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book
from exporter.demo.market import Market

TOLERANCE = 60.0
"""Seconds for which a request's time is valid."""
CREDITS, REFILL, COST = 50_000.0, 10_000.0, 500.0
"""What there is to spend at most, what comes back a second, and what a call takes."""

Parameters = Mapping[str, str]

_SIGNED = re.compile(r"deri-hmac-sha256 id=([^,\s]+),ts=(\d{13}),sig=([0-9a-f]{64}),nonce=(\S+)", re.ASCII)


class DeribitError(Exception):
    """A failure in the venue's form."""

    def __init__(self, code: int, message: str, reason: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.status = status

    @property
    def document(self) -> dict[str, object]:
        data = {"data": {"reason": self.reason}} if self.reason else {}
        return {"code": self.code, "message": self.message, **data}


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account. ``scope`` is the most that it may do."""

    account: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = "account:read trade:read wallet:none"

    @classmethod
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        name, secret = (fake_secret("deribit", account, purpose) for purpose in ("id", "secret"))
        return cls(account, name[:10], secret[:43])

    def may(self, scope: str) -> bool:
        """Whether it has a scope such as ``account:read``, or one that contains it."""
        return any(word in {scope, f"{scope}_write"} for word in self.scope.split())

    def signature(self, text: str) -> str:
        return hmac.new(self.client_secret.encode(), text.encode(), hashlib.sha256).hexdigest()


class Purse:
    """The credits of one account, or of one address."""

    def __init__(self) -> None:
        self.left = CREDITS
        self.at = 0.0

    def spend(self, now: float) -> bool:
        """Takes what a call costs; whether there was enough."""
        if self.at:
            self.left = min(CREDITS, self.left + max(now - self.at, 0.0) * REFILL)
        self.at = now
        if self.left < COST:
            return False
        self.left -= COST
        return True


@dataclass(frozen=True)
class Endpoint:
    """A path: what anybody is answered, or what the owner of a key with a scope is."""

    known: frozenset[str] = frozenset()
    needed: frozenset[str] = frozenset()
    answer: Callable[[Parameters], object] | None = None
    private_answer: Callable[[Parameters, Credential], object] | None = None
    scope: str = ""


class DeribitServer(VenueSimulator):
    """How Deribit is asked; a subclass says what it answers.

    ``credentials`` holds the accepted keys by client id; tests add and remove entries.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.purses: dict[str, Purse] = {}
        self.nonces = Nonces(2 * TOLERANCE)

    @abstractmethod
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Everything the venue answers, by path."""

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(book.name)
        return self.know(book, credential.client_id, credential)

    def settings(self, credential: Credential) -> dict[str, object]:
        return {"api_key": credential.client_id, "api_secret": credential.client_secret}

    def account_of(self, request: web.Request) -> str | None:
        found = _SIGNED.fullmatch(request.headers.get("Authorization", ""))
        name = request.query.get("client_id", "") if found is None else found[1]
        credential = self.credentials.get(name)
        return None if credential is None else credential.account

    def application(self) -> web.Application:
        table = self.endpoints()

        async def handle(request: web.Request) -> web.Response:
            began = int(self.now() * 1_000_000)
            try:
                body, status = {"result": self._answer(table, request)}, 200
            except DeribitError as error:
                body, status = {"error": error.document}, error.status
            written = {"jsonrpc": "2.0", **body, "usIn": began, "usOut": began + 112, "usDiff": 112}
            text = json.dumps({**written, "testnet": False})
            return web.Response(text=text, status=status, content_type="application/json")

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, Endpoint], request: web.Request) -> object:
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise DeribitError(-32601, "Method not found")
        credential = None if endpoint.private_answer is None else self._authenticate(request)
        who = (request.remote or "") if credential is None else credential.account
        if not self.purses.setdefault(who, Purse()).spend(self.now()):
            raise DeribitError(10028, "too_many_requests", status=429)
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        if len(pairs) != len(parameters) or parameters.keys() - endpoint.known - endpoint.needed:
            raise DeribitError(-32602, "Invalid params", "unknown parameter")
        if not all(parameters.get(name) for name in endpoint.needed):
            raise DeribitError(-32602, "Invalid params", "missing parameter")
        if endpoint.answer is not None:
            return endpoint.answer(parameters)
        assert endpoint.private_answer is not None  # noqa: S101 (one of the two is set)
        assert credential is not None  # noqa: S101 (the same)
        if not credential.may(endpoint.scope):
            raise DeribitError(13021, "forbidden", f"insufficient scope: {endpoint.scope}", 403)
        return endpoint.private_answer(parameters, credential)

    def _authenticate(self, request: web.Request) -> Credential:
        found = _SIGNED.fullmatch(request.headers.get("Authorization", ""))
        if found is None:
            raise DeribitError(13009, "unauthorized", "no valid credentials", 401)
        name, stamp, signature, nonce = found.groups()
        text = f"{stamp}\n{nonce}\n{request.method}\n{request.raw_path}\n\n"
        return self._proved(name, stamp, nonce, signature, text)

    def token(self, parameters: Parameters) -> object:
        """A token, and what may be done with it: all that its key may."""
        kind, name = parameters["grant_type"], parameters["client_id"]
        if kind == "client_signature":
            stamp, nonce = parameters.get("timestamp", ""), parameters.get("nonce", "")
            text = f"{stamp}\n{nonce}\n{parameters.get('data', '')}"
            credential = self._proved(name, stamp, nonce, parameters.get("signature", ""), text)
        elif kind == "client_credentials":
            known = self.credentials.get(name)
            given = parameters.get("client_secret", "").encode()
            if known is None or not hmac.compare_digest(known.client_secret.encode(), given):
                raise DeribitError(13004, "invalid_credentials")
            credential = known
        else:
            raise DeribitError(-32602, "Invalid params", "grant_type")
        made = hashlib.sha256(f"{name} {self.server_time()}".encode()).hexdigest()
        scope = " ".join(sorted(["connection", "mainaccount", *credential.scope.split()]))
        return {
            "access_token": f"{self.server_time()}.{made[:32]}",
            "refresh_token": f"{self.server_time()}.{made[32:]}",
            "expires_in": 31_536_000,
            "scope": scope,
            "enabled_features": [],
            "token_type": "bearer",
        }

    def _proved(self, name: str, stamp: str, nonce: str, signature: str, text: str) -> Credential:
        credential = self.credentials.get(name)
        if credential is None:
            raise DeribitError(13004, "invalid_credentials")
        if not nonce or not hmac.compare_digest(credential.signature(text), signature):
            raise DeribitError(13009, "unauthorized", "invalid signature", 401)
        if not re.fullmatch(r"[0-9]{13}", stamp) or abs(int(stamp) - self.server_time()) > TOLERANCE * 1000:
            raise DeribitError(13009, "unauthorized", "timestamp is not valid any more", 401)
        if not self.nonces.use(name, nonce, self.now()):
            raise DeribitError(13009, "unauthorized", "this was asked before", 401)
        return credential
