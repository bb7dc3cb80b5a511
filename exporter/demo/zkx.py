"""ZKX as a local server.

Requests and answers: https://docs.zkx.fi/api/signing, .../rest-api and .../rest-api/account/get-account-info.
Failures other than HTTP 429, their words, and the window of a timestamp are not documented and made up.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import ClassVar
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.demo import _stark
from exporter.demo.base import VenueSimulator
from exporter.demo.book import Book, Position
from exporter.demo.contracts import UNLIMITED, ZERO, Contract, Tier, rounded
from exporter.demo.market import Market

DIGITS = 6
"""Decimal places of every amount and price."""
WINDOW_MS = 30_000
"""Assumed: the documentation has none."""
LIMIT = 120
"""Requests of an address in 10 seconds; one more blocks it for 10 seconds."""
LIMIT_SECONDS = 10.0
MAINTENANCE_RATE = Decimal("0.03")
"""As in the documented example."""
LARGEST_LIST = 25

_TIERS = (Tier(ZERO, UNLIMITED, MAINTENANCE_RATE, ZERO, 20),)
CONTRACTS: dict[str, Contract] = {
    f"{base}USDC": Contract(f"{base}USDC", "linear", base, "USDC", "USDC", _TIERS)
    for base in ("BTC", "ETH", "SOL")
}

Parameters = Mapping[str, str]


class ZkxError(Exception):
    """An error answer: an HTTP status and ``{"message": message}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Credential:
    """The trading key of a simulated account and the address it belongs to."""

    account: str
    address: int
    private_key: int = field(repr=False)

    @classmethod
    def fake(cls, venue: str, account: str) -> Credential:
        """Always the same for the same venue and account."""
        address, key = (
            int.from_bytes(hashlib.sha256(f"simulated {venue} {account} {purpose}".encode()).digest(), "big")
            for purpose in ("address", "key")
        )
        return cls(account, address % _stark.FIELD, key % (_stark.ORDER - 1) + 1)

    @cached_property
    def account_id(self) -> str:
        """Of the address's first trading account."""
        return account_id(self.address, 0)

    @cached_property
    def point(self) -> tuple[int, int]:
        """The public key."""
        return _stark.affine(_stark.times(self.private_key, _stark.GENERATOR))

    @property
    def public_key(self) -> str:
        """As the header has it: 02 or 03, by the parity of y, and x."""
        x, y = self.point
        return f"0x{'03' if y % 2 else '02'}{x:064x}"


def account_id(address: int, index: int) -> str:
    """BLAKE2b of the address in little-endian and the index of the trading account."""
    data = address.to_bytes(32, "little") + bytes([index])
    return "0x" + hashlib.blake2b(data, digest_size=32).hexdigest()


class Limiter:
    """Requests of an address in a rolling window."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}

    def spend(self, address: str, now: float) -> None:
        """Counts a request.

        Raises:
            ZkxError: 429.
        """
        seen = self._seen.setdefault(address, deque())
        while seen and seen[0] <= now - LIMIT_SECONDS:
            seen.popleft()
        if now >= self._blocked_until.get(address, 0.0):
            if len(seen) < LIMIT:
                seen.append(now)
                return
            self._blocked_until[address] = now + LIMIT_SECONDS
        raise ZkxError(429, "Too Many Requests")


class ZkxSimulator(VenueSimulator):
    """ZKX with two demo accounts: ``zkx-single`` with one position, ``zkx-cross`` with three.

    An account is liquidated when its total margin is not above 3 % of its positions at the mark price. The
    maintenance margins it prints are at the entry prices, as in the documented example.
    """

    name: ClassVar[str] = "zkx"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limiter = Limiter()
        for book in self._demo_books():
            self.add_account(book)

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(self.name, book.name)
        return self.know(book, credential.account_id, credential)

    def new_book(self, name: str) -> Book:
        """An empty account with this venue's rules, where both sides of a market can be held."""
        return Book(
            name,
            self.market,
            digits=DIGITS,
            price_digits=DIGITS,
            hedge_mode=True,
            initial_margin_basis="entry",
        )

    def settings(self, credential: Credential) -> dict[str, object]:
        return {"private_key": hex(credential.private_key), "account_id": credential.account_id}

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()
        book = self.new_book("zkx-single")
        book.deposit("USDC", "3627.894177")
        book.open(
            CONTRACTS["ETHUSDC"], "short", "3.22", price="3389.99", leverage=6, realized_pnl="1.4279", now=now
        )
        yield book

        book = self.new_book("zkx-cross")
        book.deposit("USDC", "4105.3802")
        book.open(CONTRACTS["SOLUSDC"], "short", "47.6", price="149.566", leverage=6, now=now)
        book.open(CONTRACTS["ETHUSDC"], "long", "1.22", price="3393.99", leverage=5, now=now)
        book.open(CONTRACTS["BTCUSDC"], "long", "0.11", price="64980.5", leverage=10, now=now)
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def _account_info(self, parameters: Parameters, book: Book) -> object:
        pool = book.coin_pool(_collateral(parameters))
        zero = rounded(ZERO, DIGITS)
        margins = sum((book.initial_margin(held) for held in book.positions), zero)
        return {
            "collateralId": "USDC",
            "collateralBalance": text(pool.wallet),
            "availableMargin": text(pool.equity - margins),
            "totalInvested": text(sum((book.entry_notional(held) for held in book.positions), zero)),
            "totalMargin": text(pool.equity),
            "totalUnrealizedPnl": text(pool.unrealized_pnl),
            "positions": [position_row(book, held) for held in book.positions],
        }

    def _positions(self, parameters: Parameters, book: Book) -> object:
        _collateral(parameters)
        market, limit = parameters.get("marketId"), parameters.get("limit", str(LARGEST_LIST))
        if market is not None and market not in CONTRACTS:
            raise ZkxError(400, "marketId is not known")
        if not re.fullmatch(r"[0-9]{1,2}", limit) or not 0 < int(limit) <= LARGEST_LIST:
            raise ZkxError(400, "limit is not valid")
        rows = [
            position_row(book, held)
            for held in book.positions
            if market is None or held.contract.symbol == market
        ]
        return rows[: int(limit)]

    # --- How it is asked -----------------------------------------------------------------------------

    def application(self) -> web.Application:

        async def handle(request: web.Request) -> web.Response:
            status = 200
            try:
                body = self._answer(request, await request.read())
            except ZkxError as error:
                status, body = error.status, {"message": error.message}
            return web.Response(status=status, text=json.dumps(body), content_type="application/json")

        return self.new_application(handle)

    def _answer(self, request: web.Request, body: bytes) -> object:
        self.limiter.spend(request.remote or "", self.now())
        table = {
            "/v1/private/account-info": (self._account_info, frozenset({"collateralId"})),
            "/v1/private/positions": (self._positions, frozenset({"collateralId", "marketId", "limit"})),
        }
        if request.path not in table or request.method != "GET":
            raise ZkxError(404, "Not Found")
        answer, names = table[request.path]
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        parameters = dict(pairs)
        if body or len(parameters) != len(pairs) or not parameters.keys() <= names:
            raise ZkxError(400, "parameters are not valid")
        if not parameters.get("collateralId"):
            raise ZkxError(400, "collateralId is required")
        credential = self._authenticate(request.headers, parameters)
        return answer(parameters, self.accounts[credential.account])

    def _authenticate(self, headers: Mapping[str, str], parameters: Parameters) -> Credential:
        credential = self.credentials.get(headers.get("x-account-id", ""))
        if credential is None or headers.get("x-public-key", "") != credential.public_key:
            raise ZkxError(401, "the trading key is not one of this account")
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.get("x-request-id", "")):
            raise ZkxError(400, "x-request-id is not a UUID")
        timestamp = headers.get("x-timestamp", "")
        r, s = _integer(headers.get("x-signature-1", "")), _integer(headers.get("x-signature-2", ""))
        signed = {**parameters, "timestamp": timestamp}
        # No value that is valid here needs percent-encoding.
        origin = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        if not _stark.verified(credential.point, _stark.message_hash(origin), r, s):
            raise ZkxError(401, "the signature is not valid")
        if not re.fullmatch(r"[0-9]{13}", timestamp) or abs(self.server_time() - int(timestamp)) > WINDOW_MS:
            raise ZkxError(400, "the timestamp is too far from the server's")
        return credential


def _integer(digits: str) -> int:
    """A hexadecimal number; 0, which is no part of a signature, where it is none."""
    return int(digits, 16) if re.fullmatch(r"0x[0-9a-f]{1,64}", digits) else 0


def _collateral(parameters: Parameters) -> str:
    if parameters["collateralId"] != "USDC":
        raise ZkxError(400, "collateralId is not known")
    return "USDC"


def position_row(book: Book, position: Position) -> dict[str, str]:
    """One position: everything at the entry price except the liquidation price."""
    entry, margin = book.entry_notional(position), book.initial_margin(position)
    price = book.liquidation_price(position)
    return {
        "marketId": position.contract.symbol,
        "direction": position.side.upper(),
        "avgExecutionPrice": text(position.entry_price),
        "size": text(position.quantity),
        "marginAmount": text(margin),
        "borrowedAmount": text(entry - margin),
        "leverage": str(position.leverage),
        "realizedPnl": text(position.realized_pnl),
        "liquidationPrice": text(rounded(price, DIGITS)) if price is not None else "0",
        "maintenanceMargin": text(rounded(entry * MAINTENANCE_RATE, DIGITS)),
    }


def text(value: Decimal) -> str:
    """A number as the venue prints it: without trailing zeros."""
    return f"{value.normalize():f}" if value else "0"
