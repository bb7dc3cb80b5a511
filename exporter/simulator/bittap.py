"""BitTap futures as a local server.

Requests and answers: https://developers.bittap.com/en/futures/authentication and
https://developers.bittap.com/en/futures/api-reference . What the pages leave open is decided here: errors
come with the HTTP status of their kind, a request may be 60 s old and 5 minutes ahead, a nonce is good
once, and the public calls are on the same host.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.simulator.base import VenueSimulator
from exporter.simulator.book import Book, Contract, Pool, Position, Tier, decimal, rounded
from exporter.simulator.market import Market

DIGITS = 8
"""Decimal places of every amount."""
AHEAD_SECONDS = 300.0
BEHIND_SECONDS = 60.0
LIMITS = ((1.0, 10), (60.0, 600))
"""Seconds and requests of one address within them."""
CLOSING_FEE = Decimal("0.0005")
"""Share of the notional that the venue's own margin rate takes off the equity."""

# As documented; the last tier is the largest position.
TIERS = (
    Tier(decimal(0), decimal(20_000), Decimal("0.01"), decimal(0), 25),
    Tier(decimal(20_000), decimal(50_000), Decimal("0.025"), decimal(0), 10),
    Tier(decimal(50_000), decimal(500_000), Decimal("0.05"), decimal(0), 5),
)

CONTRACTS: dict[str, Contract] = {
    f"{base}-USDT-M": Contract(f"{base}-USDT-M", "linear", base, "USDT", "USDT", TIERS)
    for base in ("BTC", "ETH", "XRP", "SOL", "DOGE")
}

Answer = object


class BittapError(Exception):
    """An error answer: an HTTP status and ``{"code": code, "msg": message, "success": false}``."""

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
    def fake(cls, account: str) -> Credential:
        """Always the same for the same account."""
        key, secret = (
            hashlib.sha256(f"simulated bittap {account} {purpose}".encode()).hexdigest()
            for purpose in ("key", "secret")
        )
        return cls(account, key[:32], secret)


class BittapSimulator(VenueSimulator):
    """BitTap with two demo accounts: ``bittap-directional`` and ``bittap-hedged``."""

    name: ClassVar[str] = "bittap"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self._nonces: dict[str, float] = {}
        self._sent: dict[str, deque[float]] = {}
        self.add_account(self._directional())
        self.add_account(self._hedged())

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(book.name)
        self._accounts[book.name] = book
        self.credentials[credential.api_key] = credential
        return credential

    def new_book(self, name: str, *, hedge_mode: bool = True) -> Book:
        """An empty account with this venue's rules."""
        return Book(name, self.market, digits=DIGITS, hedge_mode=hedge_mode, initial_margin_basis="entry")

    def demo_accounts(self, base_url: str) -> list[dict[str, object]]:
        return [
            {
                "name": credential.account,
                "exchange": self.name,
                "base_url": base_url,
                "api_key": credential.api_key,
                "api_secret": credential.api_secret,
            }
            for credential in self.credentials.values()
        ]

    def _directional(self) -> Book:
        book = self.new_book("bittap-directional", hedge_mode=False)
        book.deposit("USDT", "9214.53817264")
        book.open(CONTRACTS["XRP-USDT-M"], "long", "24000.5", price="0.6143", leverage=20, now=self.now())
        book.open(
            CONTRACTS["SOL-USDT-M"],
            "short",
            "88.4",
            price="151.22",
            leverage=10,
            realized_pnl="-6.684",
            now=self.now(),
        )
        return book

    def _hedged(self) -> Book:
        book = self.new_book("bittap-hedged")
        book.deposit("USDT", "5831.19024471")
        book.open(CONTRACTS["BTC-USDT-M"], "long", "0.42", price="64110.5", leverage=10, now=self.now())
        book.open(CONTRACTS["BTC-USDT-M"], "short", "0.12", price="65480", leverage=10, now=self.now())
        book.open(
            CONTRACTS["ETH-USDT-M"],
            "long",
            "2.5",
            price="3412.8",
            leverage=5,
            margin_mode="isolated",
            isolated_margin="1960.25",
            now=self.now(),
        )
        return book

    # --- What the venue answers ----------------------------------------------------------------------

    def _account_info(self, book: Book) -> Answer:
        pool = book.coin_pool("USDT")
        row = _asset_row(book, pool)
        totals = {name: value for name, value in row.items() if name not in {"coin", "equities", "locked"}}
        return {
            "assets": [row],
            **totals,
            "positions": [self._position_row(book, position, valued=False) for position in book.positions],
            "totalEquities": row["equities"],
            "totalLocked": row["locked"],
        }

    def _open_positions(self, book: Book, symbol: str) -> Answer:
        return [
            self._position_row(book, position, valued=True)
            for position in book.positions
            if symbol in {"", position.contract.symbol}
        ]

    def _position_row(self, book: Book, position: Position, *, valued: bool) -> dict[str, object]:
        """The account call leaves empty what only the position call computes."""
        isolated = position.margin_mode == "isolated"
        margin = position.isolated_wallet if isolated else book.initial_margin(position)
        row: dict[str, object] = {
            "avgEntryPrice": _plain(position.entry_price),
            "bkrFee": None,
            "closedFee": None,
            "ctime": int(position.updated_at * 1000),
            "deductFeeAmount": "0",
            "deductFundingAmount": "0",
            "deductLossAmount": "0",
            "entryValue": _plain(book.entry_notional(position)),
            "feeAmount": _plain(abs(position.realized_pnl)),
            "feeAssetId": position.contract.settle,
            "frozenFee": "0",
            "fundAmount": "0",
            "lastPrice": None,
            "lastUpdateTime": int(position.updated_at * 1000),
            "leverage": position.leverage,
            "liquidPrice": "0",
            "maintainMargin": "0",
            "margin": _plain(margin),
            "marginMode": "ISOLATED" if isolated else "CROSSED",
            "marginRate": None,
            "markPrice": None,
            "otherClosedFee": None,
            "otherMaintainMargin": None,
            "pnl": "0",
            "posTpSlSize": 0,
            "positionId": str(8_039_784_359_178_546_000 + position.identity),
            "positionMode": "HEDGE" if book.hedge_mode else "ONEWAY",
            "profitUnreal": None,
            "profitUnrealRate": None,
            "quantity": _plain(position.quantity),
            "realizedPnl": _plain(position.realized_pnl),
            "side": "BUY" if position.side == "long" else "SELL",
            "symbolId": position.contract.symbol,
            "tpSl": None,
            "tpSlOrders": [],
            "tpSlSize": 0,
            "uid": str(70_000_000 + len(book.name)),
        }
        if not valued:
            return row
        pnl, mark = book.unrealized_pnl(position), book.mark(position.contract)
        liquidation = book.liquidation_price(position)
        fee = rounded(book.notional(position) * CLOSING_FEE, DIGITS)
        others = [held for held in book.positions if held is not position and held.margin_mode == "cross"]
        return {
            **row,
            "bkrFee": _plain(rounded(book.entry_notional(position) * CLOSING_FEE, DIGITS)),
            "closedFee": _plain(fee),
            "lastPrice": _plain(mark),
            "liquidPrice": "0" if liquidation is None else _plain(rounded(liquidation, DIGITS)),
            "maintainMargin": _plain(book.maintenance_margin(position)),
            "marginRate": _plain(rounded(book.maintenance_margin(position) / (margin + pnl), 16))
            if isolated and margin + pnl > 0
            else "0",
            "markPrice": _plain(mark),
            "otherClosedFee": _plain(
                sum((rounded(book.notional(held) * CLOSING_FEE, DIGITS) for held in others), Decimal(0))
            ),
            "otherMaintainMargin": _plain(
                sum((book.maintenance_margin(held) for held in others), Decimal(0))
            ),
            "profitUnreal": _plain(pnl),
            "profitUnrealRate": _plain(rounded(pnl / margin, 16)) if margin else "0",
        }

    def _exchange_info(self) -> Answer:
        return {
            "coins": [{"coin": "USDT"}],
            "orderTypes": ["LIMIT", "MARKET"],
            "symbols": [
                {
                    "symbolId": contract.symbol,
                    "contractSide": "FORWARD",
                    "contractType": "PERPETUAL",
                    "defaultLeverage": 20,
                    "defaultMarginMode": "CROSSED",
                    "riskLimitConfigs": [
                        {
                            "level": level,
                            "maintainMarginRate": _plain(tier.rate),
                            "maxLeverage": tier.max_leverage,
                            "maxPositionValue": _plain(tier.cap),
                            "minPositionValue": _plain(tier.floor),
                        }
                        for level, tier in enumerate(contract.tiers, start=1)
                    ],
                }
                for contract in CONTRACTS.values()
            ],
        }

    # --- How it is asked -----------------------------------------------------------------------------

    def application(self) -> web.Application:
        application = self.new_application()

        async def handle(request: web.Request) -> web.Response:
            status = 200
            try:
                body = {
                    "code": "0",
                    "data": self._answer(request, await request.read()),
                    "msg": "Request successful",
                    "success": True,
                }
            except BittapError as error:
                status = error.status
                body = {"code": error.code, "msg": error.message, "success": False}
            # aiohttp puts its own clock into the header; the venue's may be set differently.
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(self.now()))
            return web.Response(
                status=status, text=json.dumps(body), content_type="application/json", headers={"Date": date}
            )

        application.router.add_route("*", "/{path:.*}", handle)
        return application

    def _answer(self, request: web.Request, body: bytes) -> Answer:
        query = request.raw_path.partition("?")[2]
        pairs = parse_qsl(query, keep_blank_values=True)
        parameters = dict(pairs)
        if request.method != "GET":
            raise BittapError(404, "404", "Not Found")
        self._spend(request.remote or "")
        if body or len(parameters) != len(pairs):
            raise BittapError(400, "10001", "Parameter error")
        match request.path:
            case "/fmapi/v1/exchangeInfo":
                _allow(parameters, frozenset())
                return self._exchange_info()
            case "/ftapi/v1/account/info":
                book = self._authenticated(request, query)
                _allow(parameters, frozenset())
                return self._account_info(book)
            case "/ftapi/v1/openPosition":
                book = self._authenticated(request, query)
                _allow(parameters, frozenset({"symbolId"}))
                symbol = parameters.get("symbolId", "")
                if "symbolId" in parameters and symbol not in CONTRACTS:
                    raise BittapError(400, "10001", "Parameter error")
                return self._open_positions(book, symbol)
        raise BittapError(404, "404", "Not Found")

    def _authenticated(self, request: web.Request, query: str) -> Book:
        headers: Mapping[str, str] = request.headers
        credential = self.credentials.get(headers.get("X-BT-APIKEY", ""))
        if credential is None:
            raise BittapError(401, "410001", "Invalid API key")
        stamp, nonce = headers.get("X-BT-TS", ""), headers.get("X-BT-NONCE", "")
        # Even without a query the signed text has the ampersand that would follow it.
        text = f"{query}&timestamp={stamp}&nonce={nonce}"
        expected = hmac.digest(credential.api_secret.encode(), text.encode(), "sha256").hex()
        if not nonce or not hmac.compare_digest(expected, headers.get("X-BT-SIGN", "")):
            raise BittapError(401, "410002", "Signature verification failed")
        if not re.fullmatch(r"[0-9]{13}", stamp):
            raise BittapError(400, "10001", "Parameter error")
        now = self.now()
        if not now - BEHIND_SECONDS <= int(stamp) / 1000 <= now + AHEAD_SECONDS:
            raise BittapError(401, "410003", "The timestamp of the request has expired")
        self._nonces = {used: at for used, at in self._nonces.items() if now - at <= AHEAD_SECONDS}
        if nonce in self._nonces:
            raise BittapError(401, "410004", "The nonce was used before")
        self._nonces[nonce] = now
        if not credential.futures:
            raise BittapError(403, "410006", "Insufficient permissions")
        return self.accounts[credential.account]

    def _spend(self, address: str) -> None:
        now = self.now()
        sent = self._sent.setdefault(address, deque())
        while sent and sent[0] <= now - LIMITS[-1][0]:
            sent.popleft()
        if any(sum(at > now - seconds for at in sent) >= count for seconds, count in LIMITS):
            raise BittapError(429, "429", "Too many requests")
        sent.append(now)


def _allow(parameters: Mapping[str, str], names: frozenset[str]) -> None:
    if parameters.keys() - names:
        raise BittapError(400, "10001", "Parameter error")


def _asset_row(book: Book, pool: Pool) -> dict[str, str]:
    locked = pool.initial_margin
    isolated = [held for held in book.positions if held.margin_mode == "isolated"]
    # The initial margin of an isolated position is what was moved to it.
    for held in isolated:
        locked += held.isolated_wallet - book.initial_margin(held)
    cross = [held for held in book.positions if held.margin_mode == "cross"]
    fees = sum((book.notional(held) for held in cross), Decimal(0)) * CLOSING_FEE
    backing = pool.margin_equity - fees
    rate = rounded(pool.cross_maintenance_margin / backing, 16) if backing > 0 else Decimal(1)
    return {
        "available": _plain(pool.equity - locked),
        "balance": _plain(pool.wallet),
        "canTransfer": _plain(pool.wallet - locked),
        "coin": pool.currency,
        "crossLocked": "0",
        "crossMargin": "0",
        "crossProfitUnreal": _plain(pool.cross_pnl),
        "crossedMaintainMargin": _plain(pool.cross_maintenance_margin),
        "crossedMaintainMarginRate": _plain(rate),
        "equities": _plain(pool.equity),
        "isolatedLocked": "0",
        "isolatedMargin": "0",
        "locked": _plain(locked),
        "profitUnreal": _plain(pool.unrealized_pnl),
        "totalTrialFundBalance": "0",
        "trialFundBalance": "0",
    }


def _plain(value: Decimal) -> str:
    """Without exponent and trailing zeros, as the venue prints numbers."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
