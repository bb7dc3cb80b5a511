"""Asks the stand-in of binance_usdm as a client of its own, and reads what it prints."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
)
from yarl import URL

from exporter.demo.binance import (
    Credential,
    SignedEndpoint,
)
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.book import Book

NOW = 1_700_000_030.0


STAMP = int(NOW * 1000)


OFFICIAL = Credential(
    "official",
    "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83",
    "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
)


OFFICIAL_PAYLOAD = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC&recvWindow=5000"
    "&timestamp=1591702613943"
)


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, int, str]:
        return self.status, self.body["code"], self.body["msg"]


@dataclass
class Client:
    """Sends exactly the bytes it is told to."""

    session: ClientSession
    base_url: str
    simulator: BinanceUsdmSimulator
    clock: Clock

    def credential(self, account: str = "usdm-directional") -> Credential:
        return next(key for key in self.simulator.credentials.values() if key.account == account)

    async def raw(
        self, path: str, *, key: str | None = None, method: str = "GET", data: str | None = None
    ) -> Answer:
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        url = URL(self.base_url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=data) as response:
            return Answer(response.status, json.loads(await response.text()), dict(response.headers))

    async def signed(
        self, path: str, query: str | None = None, *, account: str = "usdm-directional"
    ) -> Answer:
        credential = self.credential(account)
        payload = f"timestamp={STAMP}" if query is None else query
        signature = quote(sign(credential.api_secret, payload), safe="")
        return await self.raw(f"{path}?{payload}&signature={signature}", key=credential.api_key)


def sign(secret: str, payload: str) -> str:
    """Signs as a client would, with nothing of the simulator."""
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    key = load_pem_private_key(secret.encode(), password=None)
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.sign(payload.encode())).decode()
    assert isinstance(key, rsa.RSAPrivateKey)
    return base64.b64encode(key.sign(payload.encode(), PKCS1v15(), SHA256())).decode()


def read(simulator: BinanceUsdmSimulator, path: str, book: Book, **parameters: str) -> Any:
    """What a signed endpoint answers, without HTTP."""
    endpoint = next(
        found for found in simulator.endpoints() if found.path == path and isinstance(found, SignedEndpoint)
    )
    return json.loads(json.dumps(endpoint.answer(parameters, book)))


TOO_MANY = (
    "Too many requests; current limit of IP(127.0.0.1) is 2400 requests per minute. Please use the "
    "websocket for live updates to avoid polling the API."
)


BANNED = (
    f"Way too many requests; IP(127.0.0.1) banned until {STAMP + 120_000}. Please use the websocket "
    "for live updates to avoid bans."
)


ACCOUNT_TOTALS = [
    "totalInitialMargin",
    "totalMaintMargin",
    "totalWalletBalance",
    "totalUnrealizedProfit",
    "totalMarginBalance",
    "totalPositionInitialMargin",
    "totalOpenOrderInitialMargin",
    "totalCrossWalletBalance",
    "totalCrossUnPnl",
    "availableBalance",
    "maxWithdrawAmount",
]


ASSET_FIELDS = [
    "asset",
    "walletBalance",
    "unrealizedProfit",
    "marginBalance",
    "maintMargin",
    "initialMargin",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "crossWalletBalance",
    "crossUnPnl",
    "availableBalance",
    "maxWithdrawAmount",
    "updateTime",
]


ACCOUNT_POSITION_FIELDS = [
    "symbol",
    "positionSide",
    "positionAmt",
    "unrealizedProfit",
    "isolatedMargin",
    "notional",
    "isolatedWallet",
    "initialMargin",
    "maintMargin",
    "updateTime",
]


POSITION_RISK_FIELDS = [
    "symbol",
    "positionSide",
    "positionAmt",
    "entryPrice",
    "breakEvenPrice",
    "markPrice",
    "unRealizedProfit",
    "liquidationPrice",
    "isolatedMargin",
    "notional",
    "marginAsset",
    "isolatedWallet",
    "initialMargin",
    "maintMargin",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "adl",
    "bidNotional",
    "askNotional",
    "updateTime",
]


def eight_decimals(text: object) -> bool:
    return isinstance(text, str) and len(text.partition(".")[2]) == 8


def total(rows: list[dict[str, str]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))
