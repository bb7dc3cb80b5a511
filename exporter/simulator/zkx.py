"""ZKX perpetual futures as a local server.

Answer: https://docs.zkx.fi/api/rest-api/account/get-account-info ; signing, headers and limit:
https://docs.zkx.fi/api/rest-api and https://docs.zkx.fi/api/signing . The venue liquidates when the
margin is not above the maintenance margin at the *mark*, and prints that at the *entry*
(https://github.com/udayj/zkxsubstrate). Not documented and made up here: every failure except HTTP 429, and
how old a timestamp may be.

Hash and curve are written out below, slowly and from their definitions, so that a signature is judged by
other code than the one that made it.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl, quote_plus

from aiohttp import web

from exporter.simulator.base import VenueSimulator
from exporter.simulator.book import UNLIMITED, ZERO, Book, Contract, Position, Tier, rounded
from exporter.simulator.market import Market

DIGITS = 6
"""Decimal places of every amount."""
COLLATERAL = "USDC"
WINDOW_MS = 30_000
"""Assumed: the venue does not document one."""
LIMIT = 120
"""Requests of an address in any `LIMIT_SECONDS`."""
LIMIT_SECONDS = 10.0
BLOCK_SECONDS = 10.0
MAINTENANCE_RATE = Decimal("0.03")
TIERS = (Tier(ZERO, UNLIMITED, MAINTENANCE_RATE, ZERO, 20),)

CONTRACTS: dict[str, Contract] = {
    f"{base}{COLLATERAL}": Contract(f"{base}{COLLATERAL}", "linear", base, COLLATERAL, COLLATERAL, TIERS)
    for base in ("BTC", "ETH", "SOL", "DOGE")
}

# --- The Stark curve: https://docs.starknet.io/learn/protocol/cryptography ---------------------------

FIELD = 3618502788666131213697322783095070105623107215331596699973092056135872020481
ORDER = 3618502788666131213697322783095070105526743751716087489154079457884512865583
GENERATOR = (
    874739451078007766457464989774322083649278607533249481151382481072868806602,
    152666792071518830868575557812948353041420400780739481342941381225525861407,
)

Point = tuple[int, int] | None
"""None is the point at infinity."""


def add(left: Point, right: Point) -> Point:
    """The sum of two points of y² = x³ + x + b."""
    if left is None or right is None:
        return right if left is None else left
    (x1, y1), (x2, y2) = left, right
    if x1 != x2:
        slope = (y2 - y1) * pow(x2 - x1, -1, FIELD) % FIELD
    elif y1 == y2 != 0:
        slope = (3 * x1 * x1 + 1) * pow(2 * y1, -1, FIELD) % FIELD
    else:
        return None
    x3 = (slope * slope - x1 - x2) % FIELD
    return x3, (slope * (x1 - x3) - y1) % FIELD


def weighted_sum(first: int, left: Point, second: int, right: Point) -> Point:
    """The points times the two factors, added; every doubling serves both."""
    both = add(left, right)
    total: Point = None
    for bit in range(max(first.bit_length(), second.bit_length()) - 1, -1, -1):
        total = add(total, total)
        match first >> bit & 1, second >> bit & 1:
            case 1, 1:
                total = add(total, both)
            case 1, 0:
                total = add(total, left)
            case 0, 1:
                total = add(total, right)
    return total


def verify(public_key: Point, message_hash: int, r: int, s: int) -> bool:
    """Whether (r, s) is an ECDSA signature of the hash by the owner of the public key."""
    if not (0 < r < ORDER and 0 < s < ORDER):
        return False
    inverse = pow(s, -1, ORDER)
    point = weighted_sum(message_hash * inverse % ORDER, GENERATOR, r * inverse % ORDER, public_key)
    return point is not None and point[0] % ORDER == r


def compressed(point: Point) -> str:
    """0x02 or 0x03 by the parity of Y, then X: https://docs.zkx.fi/api/signing ."""
    if point is None:
        raise ValueError("the point at infinity is no public key")
    return f"0x{'03' if point[1] & 1 else '02'}{point[0]:064x}"


# --- Keccak-256: https://keccak.team/keccak_specs_summary.html -----------------------------------------

_RATE = 136
_LANE = 2**64 - 1


def _rotated(lane: int, by: int) -> int:
    return (lane << by | lane >> 64 - by) & _LANE if by else lane


def _permuted(a: list[list[int]]) -> list[list[int]]:
    """Keccak-f[1600] of the state of 5 x 5 lanes."""
    register = 1
    for _ in range(24):
        # theta
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[x - 1] ^ _rotated(c[(x + 1) % 5], 1) for x in range(5)]
        a = [[lane ^ d[x] for lane in a[x]] for x in range(5)]
        # rho and pi
        x, y, lane = 1, 0, a[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            lane, a[x][y] = a[x][y], _rotated(lane, (step + 1) * (step + 2) // 2 % 64)
        # chi
        a = [[a[x][y] ^ (~a[(x + 1) % 5][y] & a[(x + 2) % 5][y]) for y in range(5)] for x in range(5)]
        # iota: the constants come from a shift register
        for j in range(7):
            if register & 1:
                a[0][0] ^= 1 << (1 << j) - 1
            register = register << 1 ^ (register >> 7) * 0x171
    return a


def keccak_256(data: bytes) -> bytes:
    """The original Keccak, as Ethereum and Starknet use it: not SHA-3, which pads differently."""
    padded = bytearray(data) + bytes(_RATE - len(data) % _RATE)
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    state = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE):
        for index in range(_RATE // 8):
            place = start + 8 * index
            state[index % 5][index // 5] ^= int.from_bytes(padded[place : place + 8], "little")
        state = _permuted(state)
    return b"".join(state[x][0].to_bytes(8, "little") for x in range(4))


def message_hash(parameters: list[tuple[str, str]]) -> int:
    """The lower 250 bits of the hash of the sorted parameters in a form's encoding, commas as they are."""
    # The URL standard leaves * and encodes ~, quote_plus does not.
    texts = [[quote_plus(text, safe="*,").replace("~", "%7E") for text in pair] for pair in parameters]
    text = "&".join(f"{name}={value}" for name, value in sorted(map(tuple, texts)))
    return int.from_bytes(keccak_256(text.encode()), "big") % 2**250


# --- The venue -----------------------------------------------------------------------------------------


class ZkxError(Exception):
    """An error answer of the venue: an HTTP status and ``{"message": message}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Credential:
    """A trading account and the key that signs for it."""

    account: str
    account_id: str
    private_key: int = field(repr=False)
    public_key: Point

    @classmethod
    def fake(cls, venue: str, account: str) -> Credential:
        """Always the same for the same venue and account."""
        text = f"simulated {venue} {account}".encode()
        identity = "0x" + hashlib.blake2b(text, digest_size=32).hexdigest()
        private_key = int(hashlib.sha256(text).hexdigest(), 16) % (ORDER - 1) + 1
        return cls.of(account, identity, private_key)

    @classmethod
    def of(cls, account: str, account_id: str, private_key: int) -> Credential:
        """With the public key that belongs to the private one."""
        return cls(account, account_id, private_key, weighted_sum(private_key, GENERATOR, 0, None))


class ZkxSimulator(VenueSimulator):
    """ZKX with one demo account, ``zkx``: three cross positions."""

    name: ClassVar[str] = "zkx"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        """By account id."""
        self._recent: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}
        self.add_account(self._demo_book())

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(self.name, book.name)
        self._accounts[book.name] = book
        self.credentials[credential.account_id] = credential
        return credential

    def new_book(self, name: str) -> Book:
        """An empty account with this venue's rules, where both sides of a market can be held."""
        return Book(name, self.market, digits=DIGITS, hedge_mode=True, initial_margin_basis="entry")

    def demo_accounts(self, base_url: str) -> list[dict[str, object]]:
        return [
            {
                "name": credential.account,
                "exchange": self.name,
                "base_url": base_url,
                "private_key": hex(credential.private_key),
                "account_id": credential.account_id,
            }
            for credential in self.credentials.values()
        ]

    def _demo_book(self) -> Book:
        book = self.new_book("zkx")
        book.deposit(COLLATERAL, "5214.730218")
        for symbol, side, quantity, price, leverage, realized in (
            ("SOLUSDC", "short", "61.5", "148.273", 6, "-3.417"),
            ("ETHUSDC", "long", "2.75", "3418.06", 5, "12.2094"),
            ("DOGEUSDC", "short", "21500", "0.16213", 4, "0"),
        ):
            book.open(
                CONTRACTS[symbol],
                "long" if side == "long" else "short",
                quantity,
                price=price,
                leverage=leverage,
                realized_pnl=realized,
                now=self.now(),
            )
        return book

    # --- What the venue answers ----------------------------------------------------------------------

    def account_info(self, book: Book) -> dict[str, object]:
        """The answer of ``/v1/private/account-info``."""
        pool = book.coin_pool(COLLATERAL)
        invested = sum((book.entry_notional(held) for held in book.positions), ZERO)
        return {
            "collateralBalance": _text(pool.wallet),
            "availableMargin": _text(pool.equity - pool.initial_margin),
            "totalInvested": _text(invested),
            "totalMargin": _text(pool.equity),
            "totalUnrealizedPnl": _text(pool.unrealized_pnl),
            "positions": [_position_row(book, held) for held in book.positions],
        }

    # --- How it is asked -----------------------------------------------------------------------------

    def application(self) -> web.Application:
        application = self.new_application()

        async def handle(request: web.Request) -> web.Response:
            status = 200
            try:
                body = self._answer(request, await request.read())
            except ZkxError as error:
                status, body = error.status, {"message": error.message}
            return web.Response(status=status, text=json.dumps(body), content_type="application/json")

        application.router.add_route("*", "/{path:.*}", handle)
        return application

    def server_time(self) -> int:
        """Milliseconds since 1970 by the venue's clock."""
        return int(self.now() * 1000)

    def _answer(self, request: web.Request, body: bytes) -> dict[str, object]:
        self._spend(request.remote or "")
        if request.path != "/v1/private/account-info" or request.method != "GET":
            raise ZkxError(404, "Not Found")
        pairs = parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=True)
        if body or [name for name, _ in pairs] != ["collateralId"]:
            raise ZkxError(400, "the only parameter is collateralId")
        credential = self._authenticate(request, pairs)
        if pairs[0][1] != COLLATERAL:
            raise ZkxError(400, "unknown collateral")
        return self.account_info(self.accounts[credential.account])

    def _authenticate(self, request: web.Request, pairs: list[tuple[str, str]]) -> Credential:
        headers = request.headers
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.get("x-request-id", "")):
            raise ZkxError(400, "x-request-id must be a UUID")
        timestamp = headers.get("x-timestamp", "")
        if not re.fullmatch(r"[0-9]{13}", timestamp):
            raise ZkxError(400, "x-timestamp must be in milliseconds")
        credential = self.credentials.get(headers.get("x-account-id", ""))
        if credential is None:
            raise ZkxError(401, "unknown trading account")
        if headers.get("x-public-key", "") != compressed(credential.public_key):
            raise ZkxError(401, "the public key is not that of the trading account")
        signature = [_felt(headers.get(name, "")) for name in ("x-signature-1", "x-signature-2")]
        signed = message_hash([*pairs, ("timestamp", timestamp)])
        if not verify(credential.public_key, signed, *signature):
            raise ZkxError(401, "the signature is not valid")
        if abs(self.server_time() - int(timestamp)) > WINDOW_MS:
            raise ZkxError(401, "the timestamp is not within 30 seconds of the server's")
        return credential

    def _spend(self, who: str) -> None:
        now = self.now()
        recent = self._recent.setdefault(who, deque())
        while recent and recent[0] <= now - LIMIT_SECONDS:
            recent.popleft()
        if now < self._blocked_until.get(who, 0.0):
            raise ZkxError(429, "Too Many Requests")
        recent.append(now)
        if len(recent) > LIMIT:
            self._blocked_until[who] = now + BLOCK_SECONDS
            raise ZkxError(429, "Too Many Requests")


def _felt(text: str) -> int:
    """A field element in hexadecimal; 0, which no signature contains, for anything else."""
    return int(text, 16) if re.fullmatch(r"0x[0-9a-f]{1,64}", text) else 0


def _position_row(book: Book, position: Position) -> dict[str, object]:
    entry_notional = book.entry_notional(position)
    margin = book.initial_margin(position)
    liquidation = book.liquidation_price(position)
    return {
        "marketId": position.contract.symbol,
        "direction": position.side.upper(),
        "avgExecutionPrice": _text(position.entry_price),
        "size": _text(position.quantity),
        "marginAmount": _text(margin),
        "borrowedAmount": _text(entry_notional - margin),
        "leverage": str(position.leverage),
        "realizedPnl": _text(position.realized_pnl),
        "liquidationPrice": "0" if liquidation is None else _text(rounded(liquidation, DIGITS)),
        "maintenanceMargin": _text(rounded(entry_notional * MAINTENANCE_RATE, DIGITS)),
    }


def _text(value: Decimal) -> str:
    """Without zeros at the end, as the documented example: 3511.0394 and 17.6."""
    return f"{value.normalize():f}"
