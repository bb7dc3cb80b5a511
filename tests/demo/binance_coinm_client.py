"""Asks the stand-in of binance_coinm as a client of its own, and reads what it prints."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from aiohttp import ClientSession
from yarl import URL

from exporter.demo import Market
from exporter.demo.binance import PublicEndpoint, SignedEndpoint
from exporter.demo.binance_coinm import (
    BinanceCoinmSimulator,
)
from exporter.demo.book import Book

NOW = 1_700_000_030.0


STAMP = int(NOW * 1000)


DIRECTIONAL, HEDGED = "coinm-directional", "coinm-hedged"


DIGIT = Decimal("1e-8")


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
    """Signs as a client would, with nothing of the simulator."""

    session: ClientSession
    base_url: str
    simulator: BinanceCoinmSimulator
    clock: Clock

    async def raw(self, path: str, *, key: str | None = None) -> Answer:
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        async with self.session.get(URL(self.base_url + path, encoded=True), headers=headers) as response:
            return Answer(response.status, json.loads(await response.text()), dict(response.headers))

    async def signed(self, path: str, query: str | None = None, *, account: str = DIRECTIONAL) -> Answer:
        credential = next(item for item in self.simulator.credentials.values() if item.account == account)
        payload = f"timestamp={STAMP}" if query is None else query
        signature = hmac.new(credential.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return await self.raw(f"{path}?{payload}&signature={signature}", key=credential.api_key)


def simulated(seed: int = 1, seconds: int = 0) -> BinanceCoinmSimulator:
    """A simulator whose market has walked for so many seconds and then stands still."""
    clock = Clock()
    simulator = BinanceCoinmSimulator(Market(seed=seed), clock=clock)
    clock.now += seconds
    simulator.tick()
    simulator.market.freeze()
    return simulator


def read(simulator: BinanceCoinmSimulator, path: str, book: Book, **parameters: str) -> Any:
    """What an endpoint answers, without HTTP."""
    endpoint = next(found for found in simulator.endpoints() if found.path == path)
    if isinstance(endpoint, SignedEndpoint):
        return json.loads(json.dumps(endpoint.answer(parameters, book)))
    assert isinstance(endpoint, PublicEndpoint)
    return json.loads(json.dumps(endpoint.answer(parameters)))


def rows(simulator: BinanceCoinmSimulator, book: Book) -> list[dict[str, Any]]:
    """The printed positions that are held: both calls joined, with contract size and tiers."""
    sizes = {item["symbol"]: item for item in read(simulator, "/dapi/v1/exchangeInfo", book)["symbols"]}
    brackets = {
        item["symbol"]: item["brackets"] for item in read(simulator, "/dapi/v2/leverageBracket", book)
    }
    of_account = {
        (item["symbol"], item["positionSide"]): item
        for item in read(simulator, "/dapi/v1/account", book)["positions"]
    }
    return [
        {
            **of_account[item["symbol"], item["positionSide"]],
            **item,
            "contractSize": sizes[item["symbol"]]["contractSize"],
            "marginAsset": sizes[item["symbol"]]["marginAsset"],
            "brackets": brackets[item["symbol"]],
        }
        for item in read(simulator, "/dapi/v1/positionRisk", book)
        if item["positionAmt"] != "0"
    ]


def total(items: Iterable[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(item[name]) for item in items), Decimal(0))


def is_isolated(row: dict[str, Any]) -> bool:
    return bool(row["marginType"] == "isolated")


ASSET_FIELDS = [
    "asset",
    "walletBalance",
    "unrealizedProfit",
    "marginBalance",
    "maintMargin",
    "initialMargin",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "maxWithdrawAmount",
    "crossWalletBalance",
    "crossUnPnl",
    "availableBalance",
    "updateTime",
]


ACCOUNT_FIELDS = [
    "symbol",
    "positionAmt",
    "initialMargin",
    "maintMargin",
    "unrealizedProfit",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "leverage",
    "isolated",
    "positionSide",
    "entryPrice",
    "breakEvenPrice",
    "maxQty",
    "notionalValue",
    "updateTime",
]


RISK_FIELDS = [
    "symbol",
    "positionAmt",
    "entryPrice",
    "breakEvenPrice",
    "markPrice",
    "unRealizedProfit",
    "liquidationPrice",
    "leverage",
    "maxQty",
    "marginType",
    "isolatedMargin",
    "isAutoAddMargin",
    "positionSide",
    "notionalValue",
    "isolatedWallet",
    "updateTime",
]


def venue_formula(
    legs: list[dict[str, Any]], wallet: Decimal, other_margin: Decimal, other_pnl: Decimal, price: Decimal
) -> Decimal:
    """The venue's liquidation price, from printed figures, in the tiers that hold at `price`.

    https://www.binance.com/en/support/faq/detail/ceccfcfb4e3a45e3b48b0b1bb1a8ae46 :
    (Σ size·MMR + Σ side·size) / ((WB − TMM1 + UPNL1 + Σ cum) / C + Σ side·size / EP)
    """
    size = Decimal(legs[0]["contractSize"])
    top, bottom = Decimal(0), (wallet - other_margin + other_pnl) / size
    for leg in legs:
        amount = Decimal(leg["positionAmt"])
        notional = abs(amount) * size / price
        (bracket,) = (item for item in leg["brackets"] if item["qtylFloor"] <= notional < item["qtyCap"])
        top += abs(amount) * Decimal(str(bracket["maintMarginRatio"])) + amount
        bottom += Decimal(str(bracket["cum"])) / size + amount / Decimal(leg["entryPrice"])
    return top / bottom
