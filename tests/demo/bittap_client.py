"""Asks the stand-in of bittap as a client of its own, and reads what it prints."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

from aiohttp import ClientSession
from hypothesis import strategies as st
from yarl import URL

from exporter.api import Client as ExporterClient
from exporter.demo import Market, Server
from exporter.demo._bittap import Credential
from exporter.demo.bittap import BittapSimulator
from exporter.demo.book import Book
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.venues import discover
from tests.venues.harness import QuietObserver

NOW = 1_700_000_030.0


STAMP = int(NOW * 1000)


ACCOUNT_INFO = "/ftapi/v1/account/info"


OPEN_POSITION = "/ftapi/v1/openPosition"


EXCHANGE_INFO = "/fmapi/v1/exchangeInfo"


HEDGE, ONEWAY = "bittap-hedge", "bittap-oneway"


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Sends exactly the bytes it is told to."""

    session: ClientSession
    base_url: str
    simulator: BittapSimulator
    clock: Clock
    nonces: count[int]

    def credential(self, account: str = HEDGE) -> Credential:
        return next(key for key in self.simulator.credentials.values() if key.account == account)

    async def raw(
        self,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        method: str = "GET",
        data: str | None = None,
    ) -> tuple[int, Any]:
        url = URL(self.base_url + path, encoded=True)
        async with self.session.request(method, url, headers=headers, data=data) as response:
            assert response.content_type == "application/json"
            return response.status, json.loads(await response.text())

    def headers(self, query: str = "", *, account: str = HEDGE, **changed: str) -> dict[str, str]:
        """Signed headers, with nothing of the simulator; `changed` is signed too."""
        credential = self.credential(account)
        values = {"ts": str(int(self.clock.now * 1000)), "nonce": f"nonce-{next(self.nonces)}", **changed}
        text = f"{query}&timestamp={values['ts']}&nonce={values['nonce']}"
        return {
            "X-BT-APIKEY": credential.api_key,
            "X-BT-TS": values["ts"],
            "X-BT-NONCE": values["nonce"],
            "X-BT-SIGN": hmac.new(credential.api_secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
        }

    async def data(self, path: str, *, account: str = HEDGE) -> Any:
        status, body = await self.raw(path, self.headers(path.partition("?")[2], account=account))
        assert (status, body["code"], body["success"]) == (200, "0", True)
        return body["data"]


def error_of(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    assert body["success"] is False
    assert body["msg"]
    assert "data" not in body
    return status, body["code"]


def _decimals(body: object) -> Any:
    """The document with all text that is a number, and every number, as a decimal."""

    def convert(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: convert(value) for name, value in node.items()}
        if isinstance(node, list):
            return [convert(value) for value in node]
        try:
            return Decimal(node)
        except (ArithmeticError, TypeError, ValueError):
            return node

    return convert(json.loads(json.dumps(body)))


def _rate(symbol: str, notional: Decimal) -> Decimal:
    """From the schedules as they are published."""
    major = symbol.startswith(("BTC", "ETH"))
    steps = [("100000", "0.005"), ("500000", "0.01")] if major else [("20000", "0.01"), ("50000", "0.025")]
    last = Decimal("0.025") if major else Decimal("0.05")
    return next((Decimal(rate) for cap, rate in steps if notional < Decimal(cap)), last)


@st.composite
def moved(draw: st.DrawFn) -> tuple[BittapSimulator, Clock]:
    """The venue some time later in some market."""
    clock = Clock()
    simulator = BittapSimulator(Market(seed=draw(st.integers(0, 10**6))), clock=clock)
    clock.now += draw(st.integers(0, 600))
    simulator.tick()
    return simulator, clock


async def risks_of(
    simulator: BittapSimulator, **changed: Any
) -> list[tuple[AccountRisk, Book, QuietObserver]]:
    """The demo accounts as the exporter sees them."""
    cls = discover()["bittap"]
    found = []
    async with Server(simulator) as server:
        for entry in simulator.demo_accounts(server.base_url):
            observer = QuietObserver()
            async with ExporterClient(observer, wall=lambda: NOW) as client:
                venue = cls(cls.config_class.model_validate({**entry, **changed}))
                risk = assess(await venue.fetch(client.account(venue)), RiskSettings(cross_check=True))
            found.append((risk, simulator.accounts[str(entry["name"])], observer))
    return found


def later(seed: int) -> BittapSimulator:
    market = Market(seed=seed)
    simulator = BittapSimulator(market, clock=Clock())
    market.advance(seed * 97)
    market.freeze()
    return simulator
