"""Asks the stand-in of bingx as a client of its own, and reads what it prints."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession
from yarl import URL

from exporter.demo import Market
from exporter.demo._bingx import Credential, PublicEndpoint
from exporter.demo.bingx import BingxSimulator
from exporter.demo.book import Book

NOW = 1_700_000_030.0


STAMP = int(NOW * 1000)


BALANCE = "/openApi/swap/v3/user/balance"


POSITIONS = "/openApi/swap/v2/user/positions"


TIERS = "/openApi/swap/v1/maintMarginRatio"


LEVERAGE = "/openApi/swap/v2/trade/leverage"


POSITION_MODE = "/openApi/swap/v1/positionSide/dual"


ASSET_MODE = "/openApi/swap/v1/trade/assetMode"


MARGIN_ASSETS = "/openApi/swap/v1/user/marginAssets"


COMMISSION = "/openApi/swap/v2/user/commissionRate"


PRICES = "/openApi/swap/v2/quote/premiumIndex"


RULES = "/openApi/swap/v1/trade/multiAssetsRules"


CONTRACT_LIST = "/openApi/swap/v2/quote/contracts"


ACCOUNT = "bingx-directional"


MULTI = "bingx-multi-assets"


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends exactly the bytes it is told to; every answer of the venue is HTTP 200."""

    session: ClientSession
    base_url: str
    simulator: BingxSimulator
    clock: Clock

    def credential(self, account: str = ACCOUNT) -> Credential:
        return next(key for key in self.simulator.credentials.values() if key.account == account)

    async def raw(
        self, path: str, *, key: str | None = None, method: str = "GET", data: str | None = None
    ) -> Any:
        headers = {} if key is None else {"X-BX-APIKEY": key}
        url = URL(self.base_url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=data) as response:
            assert response.status == 200
            assert response.content_type == "application/json"
            return json.loads(await response.text())

    async def signed(self, path: str, query: str | None = None, *, account: str = ACCOUNT) -> Any:
        credential = self.credential(account)
        text = f"timestamp={int(self.clock.now * 1000)}" if query is None else query
        sent = quote(text, safe="=&-")
        return await self.raw(
            f"{path}?{sent}&signature={sign(credential.api_secret, text)}", key=credential.api_key
        )


def sign(secret: str, text: str) -> str:
    """Signs as a client would, with nothing of the simulator."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def read(simulator: BingxSimulator, path: str, book: Book, **parameters: str) -> Any:
    """What an endpoint answers, without HTTP."""
    endpoint = next(found for found in simulator.endpoints() if found.path == path)
    answer = (
        endpoint.answer(parameters)
        if isinstance(endpoint, PublicEndpoint)
        else endpoint.answer(parameters, book)
    )
    return json.loads(json.dumps(answer))


def code(body: Any) -> int:
    assert body["success"] is False
    assert body["msg"]
    assert "data" not in body
    return int(body["code"])


OFFICIAL_SECRET = "mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w"


BALANCE_FIELDS = [
    "userId",
    "asset",
    "balance",
    "equity",
    "unrealizedProfit",
    "realisedProfit",
    "availableMargin",
    "usedMargin",
    "freezedMargin",
    "shortUid",
]


POSITION_FIELDS = [
    "positionId",
    "symbol",
    "currency",
    "positionAmt",
    "availableAmt",
    "positionSide",
    "isolated",
    "avgPrice",
    "initialMargin",
    "margin",
    "leverage",
    "unrealizedProfit",
    "realisedProfit",
    "liquidationPrice",
    "pnlRatio",
    "maxMarginReduction",
    "riskRate",
    "markPrice",
    "positionValue",
    "onlyOnePosition",
    "updateTime",
]


def moved(seed: int, seconds: int) -> BingxSimulator:
    clock = Clock()
    simulator = BingxSimulator(Market(seed=seed), clock=clock)
    simulator.unpriced.clear()
    clock.now += seconds
    simulator.tick()
    simulator.market.freeze()
    return simulator


def maintenance(tiers: list[dict[str, str]], notional: Decimal) -> Decimal:
    (tier,) = (
        row for row in tiers if Decimal(row["minPositionVal"]) <= notional < Decimal(row["maxPositionVal"])
    )
    return notional * Decimal(tier["maintMarginRatio"]) - Decimal(tier["maintAmount"])


def total(rows: list[dict[str, str]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))
