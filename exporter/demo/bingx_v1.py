"""BingX perpetual swaps, version 1 of the API, as a local server.

Requests and answers: https://bingx-api.github.io/docs/swap/account-api.html and
https://bingx-api.github.io/docs/swap/authentication.html (withdrawn by the operator). The documentation
lists HTTP statuses and no codes; the codes and words of failures here are made up.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo._bingx_figures import (
    CONTRACTS,
    DIGITS,
    PRECISION,
    available_margin,
    price_text,
    used_margin,
)
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book, Position
from exporter.demo.contracts import rounded
from exporter.demo.market import Market

WINDOW_MS = 30_000
PUBLIC_LIMIT = 20
"""Requests of an address a second."""
PRIVATE_LIMIT = 10
"""Requests of an account a second."""
DEFAULT_LEVERAGE = 10

Parameters = Mapping[str, str]


class BingxV1Error(Exception):
    """An error answer of the venue: an HTTP status and ``{"code": code, "msg": message}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account."""

    account: str
    api_key: str
    api_secret: str = field(repr=False)

    @classmethod
    def fake(cls, venue: str, account: str) -> Credential:
        """Always the same for the same venue and account."""
        key, secret = (fake_secret(venue, account, purpose) for purpose in ("key", "secret"))
        return cls(account, key, secret)

    def sign(self, method: str, path: str, parameters: Parameters) -> str:
        """Base64 of the HMAC over method, path and the sorted parameters, nothing in between."""
        origin = method + path + "&".join(f"{name}={parameters[name]}" for name in sorted(parameters))
        digest = hmac.digest(self.api_secret.encode(), origin.encode(), "sha256")
        return base64.b64encode(digest).decode("ascii")


@dataclass(frozen=True)
class _Endpoint:
    methods: frozenset[str]
    parameters: frozenset[str]
    """All required; an empty value stands for "all"."""
    answer: Callable[[Parameters], dict[str, object]] | None = None
    private_answer: Callable[[Parameters, Book], dict[str, object]] | None = None


class BingxV1Simulator(VenueSimulator):
    """Version 1 of BingX with one demo account, ``bingx-v1``: cross and isolated positions."""

    name: ClassVar[str] = "bingx_v1"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = {"public": PUBLIC_LIMIT, "private": PRIVATE_LIMIT}
        self._spent: dict[str, tuple[int, int]] = {}
        self.add_account(self._demo_book())

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def new_book(self, name: str) -> Book:
        """An empty account with this venue's rules, where both sides of a symbol can be held."""
        return Book(name, self.market, digits=DIGITS, hedge_mode=True, initial_margin_basis="entry")

    def _demo_book(self) -> Book:
        book = self.new_book("bingx-v1")
        book.deposit("USDT", "7311.8204")
        book.open(CONTRACTS["BTC-USDT"], "long", "0.31", price="64720.5", leverage=10, now=self.now())
        book.open(
            CONTRACTS["LTC-USDT"],
            "short",
            "95.5",
            price="84.61",
            leverage=5,
            margin_mode="isolated",
            realized_pnl="-2.3141",
            now=self.now(),
        )
        return book

    # --- What the venue answers ----------------------------------------------------------------------

    def _table(self) -> dict[str, _Endpoint]:
        read, post = frozenset({"GET"}), frozenset({"POST"})
        symbol, currency = frozenset({"symbol"}), frozenset({"currency"})
        return {
            "/api/v1/common/server/time": _Endpoint(read | post, frozenset(), answer=self._time),
            "/api/v1/market/getLatestPrice": _Endpoint(read, symbol, answer=self._latest_price),
            "/api/v1/user/getBalance": _Endpoint(post, currency, private_answer=self._balance),
            "/api/v1/user/getPositions": _Endpoint(post, symbol, private_answer=self._positions),
        }

    def _time(self, _: Parameters) -> dict[str, object]:
        return {"currentTime": self.server_time()}

    def _latest_price(self, parameters: Parameters) -> dict[str, object]:
        contract = CONTRACTS.get(parameters["symbol"])
        if contract is None:
            raise BingxV1Error(400, "symbol does not exist")
        mark = self.market.exact_mark(contract.base, contract.quote, 8)
        index = self.market.exact_index(contract.base, contract.quote, 8)
        return {
            "data": {
                "tradePrice": price_text(mark, contract.base),
                "indexPrice": price_text(index, contract.base),
                "fairPrice": price_text(mark, contract.base),
            }
        }

    def _balance(self, parameters: Parameters, book: Book) -> dict[str, object]:
        if parameters["currency"] != "USDT":
            raise BingxV1Error(400, "currency is not supported")
        pool = book.coin_pool("USDT")
        used = used_margin(book, "USDT")
        return {
            "data": {
                "userId": str(int(hashlib.sha256(book.name.encode()).hexdigest()[:8], 16)),
                "currency": "USDT",
                "balance": _number(pool.wallet),
                "equity": _number(pool.equity),
                "unrealisedPNL": _number(pool.unrealized_pnl),
                "realisedPNL": _number(sum((held.realized_pnl for held in book.positions), Decimal(0))),
                "availableMargin": _number(available_margin(pool, used)),
                "usedMargin": _number(used),
                "freezedMargin": 0,
                "longLeverage": DEFAULT_LEVERAGE,
                "shortLeverage": DEFAULT_LEVERAGE,
            }
        }

    def _positions(self, parameters: Parameters, book: Book) -> dict[str, object]:
        asked = parameters["symbol"]
        if asked and asked not in CONTRACTS:
            raise BingxV1Error(400, "symbol does not exist")
        rows = [
            _position_row(book, position)
            for position in book.positions
            if not asked or position.contract.symbol == asked
        ]
        return {"data": {"positions": rows}}

    # --- How it is asked -----------------------------------------------------------------------------

    def application(self) -> web.Application:
        table = self._table()

        async def handle(request: web.Request) -> web.Response:
            status = 200
            try:
                body = {"code": 0, "msg": "", **self._answer(table, request, await request.read())}
            except BingxV1Error as error:
                status, body = error.status, {"code": error.status, "msg": error.message}
            return web.Response(status=status, text=json.dumps(body), content_type="application/json")

        return self.new_application(handle)

    def _answer(self, table: Mapping[str, _Endpoint], request: web.Request, body: bytes) -> dict[str, object]:
        endpoint = table.get(request.path)
        if endpoint is None or request.method not in endpoint.methods:
            raise BingxV1Error(404, "Not Found")
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        if body or len(parameters) != len(pairs):
            raise BingxV1Error(400, "Invalid request format")
        if endpoint.answer is not None:
            self._spend("public", request.remote or "")
            _check_names(parameters, endpoint.parameters)
            return endpoint.answer(parameters)
        if request.content_type != "application/json":
            raise BingxV1Error(400, "Invalid request format: Content-Type must be application/json")
        credential = self._authenticate(request, parameters)
        self._spend("private", credential.account)
        _check_names(parameters, endpoint.parameters | {"apiKey", "timestamp", "sign"})
        assert endpoint.private_answer is not None  # noqa: S101 - one of the two is set
        return endpoint.private_answer(parameters, self.accounts[credential.account])

    def _authenticate(self, request: web.Request, parameters: dict[str, str]) -> Credential:
        credential = self.credentials.get(parameters.get("apiKey", ""))
        if credential is None:
            raise BingxV1Error(401, "Invalid API Key")
        signed = {name: value for name, value in parameters.items() if name != "sign"}
        expected = credential.sign(request.method, request.path, signed)
        if not hmac.compare_digest(expected.encode(), parameters.get("sign", "").encode()):
            raise BingxV1Error(401, "the sign is not valid")
        timestamp = parameters.get("timestamp", "")
        if not re.fullmatch(r"[0-9]{13}", timestamp) or abs(self.server_time() - int(timestamp)) > WINDOW_MS:
            raise BingxV1Error(400, "the timestamp is not within 30 seconds of the server's")
        return credential

    def _spend(self, kind: str, who: str) -> None:
        second = int(self.now())
        key = f"{kind} {who}"
        seen, count = self._spent.get(key, (second, 0))
        count = count + 1 if seen == second else 1
        self._spent[key] = (second, count)
        if count > self.limits[kind]:
            raise BingxV1Error(429, "Too Many Requests")


def _check_names(parameters: Parameters, required: frozenset[str]) -> None:
    if parameters.keys() != required:
        raise BingxV1Error(400, f"Invalid request format: the parameters are {', '.join(sorted(required))}")


def _position_row(book: Book, position: Position) -> dict[str, object]:
    contract = position.contract
    price_digits = PRECISION[contract.base][0]
    liquidation = book.liquidation_price(position)
    initial = book.initial_margin(position)
    return {
        "symbol": contract.symbol,
        "positionId": str(12_345_678 + position.identity),
        "currency": contract.settle,
        "positionSide": position.side.capitalize(),
        "marginMode": position.margin_mode.capitalize(),
        "volume": float(position.quantity),
        "availableVolume": float(position.quantity),
        "unrealisedPNL": _number(book.unrealized_pnl(position)),
        "realisedPNL": _number(position.realized_pnl),
        "margin": _number(position.isolated_wallet if position.margin_mode == "isolated" else initial),
        "avgPrice": float(position.entry_price),
        "liquidatedPrice": 0 if liquidation is None else float(rounded(liquidation, price_digits)),
        "leverage": position.leverage,
    }


def _number(value: Decimal) -> float:
    """A JSON number with the venue's four decimals."""
    return float(rounded(value, DIGITS))
