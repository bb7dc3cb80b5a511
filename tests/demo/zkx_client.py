"""Asks the stand-in of zkx as a client of its own, and reads what it prints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import fast_stark_crypto
from aiohttp import ClientSession
from Crypto.Hash import keccak
from yarl import URL

from exporter.api import Client as ExporterClient
from exporter.demo import Market, Server
from exporter.demo.zkx import CONTRACTS, Credential, ZkxSimulator
from exporter.model import AccountRisk, RiskSettings
from exporter.risk import assess
from exporter.venues import discover
from tests.venues.harness import QuietObserver

NOW = 1_700_000_030.0


STAMP = int(NOW * 1000)


ACCOUNT_INFO = "/v1/private/account-info"


POSITIONS = "/v1/private/positions"


USDC = {"collateralId": "USDC"}


CENT = Decimal("0.000001")


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def digest(data: bytes) -> int:
    return int.from_bytes(keccak.new(digest_bits=256, data=data).digest(), "big") % 2**250


def headers(credential: Credential, text: str, timestamp: int) -> dict[str, str]:
    """What the documentation asks for, with a signature of `text`."""
    r, s = fast_stark_crypto.sign(credential.private_key, digest(text.encode()))
    return {
        "x-public-key": credential.public_key,
        "x-account-id": credential.account_id,
        "x-timestamp": str(timestamp),
        "x-signature-1": hex(r),
        "x-signature-2": hex(s),
        "x-request-id": str(uuid4()),
    }


@dataclass
class Client:
    """Sends exactly what it is told to."""

    session: ClientSession
    base_url: str
    simulator: ZkxSimulator
    clock: Clock

    @property
    def credential(self) -> Credential:
        return next(iter(self.simulator.credentials.values()))

    async def raw(
        self, target: str, given_headers: Mapping[str, str], *, method: str = "GET", data: str | None = None
    ) -> tuple[int, Any]:
        url = URL(self.base_url + target, encoded=True)
        async with self.session.request(method, url, headers=given_headers, data=data) as response:
            return response.status, json.loads(await response.text())

    def headers(self, parameters: Mapping[str, str], timestamp: int | None = None) -> dict[str, str]:
        stamp = int(self.clock.now * 1000) if timestamp is None else timestamp
        signed = {**parameters, "timestamp": str(stamp)}
        text = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        return headers(self.credential, text, stamp)

    async def signed(
        self, path: str, parameters: Mapping[str, str], timestamp: int | None = None, **changed: str | None
    ) -> tuple[int, Any]:
        """A signed request; a keyword (`_` for `-`) replaces a header, None takes it away."""
        found: dict[str, str | None] = {**self.headers(parameters, timestamp)}
        found |= {name.replace("_", "-"): value for name, value in changed.items()}
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        sent = {name: value for name, value in found.items() if value is not None}
        return await self.raw(f"{path}?{query}", sent)


def simulated(seed: int, seconds: int) -> ZkxSimulator:
    """The demo accounts after a while, with a hedged pair among them, the market standing still."""
    clock = Clock()
    market = Market(seed=seed)
    simulator = ZkxSimulator(market, clock=clock)
    pair = simulator.new_book("pair")
    pair.deposit("USDC", "2000")
    pair.open(CONTRACTS["BTCUSDC"], "long", "0.21", leverage=10)
    pair.open(CONTRACTS["BTCUSDC"], "short", "0.08", leverage=10)
    simulator.add_account(pair)
    clock.now += seconds
    simulator.tick()
    market.freeze()
    return simulator


def printed(simulator: ZkxSimulator, account: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        json.dumps(simulator._account_info(USDC, simulator.accounts[account]))
    )
    for row in answer["positions"]:
        row |= {name: Decimal(value) for name, value in row.items() if name not in {"marketId", "direction"}}
    return {
        name: value if name in {"collateralId", "positions"} else Decimal(value)
        for name, value in answer.items()
    }


async def risk_of(simulator: ZkxSimulator, account: str, **changed: Any) -> AccountRisk:
    """What the exporter makes of one account, asked for over HTTP."""
    cls = discover()["zkx"]
    async with (
        Server(simulator) as server,
        ExporterClient(QuietObserver(), wall=simulator._clock) as client,
    ):
        (entry,) = (one for one in simulator.demo_accounts(server.base_url) if one["name"] == account)
        venue = cls(cls.config_class.model_validate({**entry, **changed}))
        return assess(await venue.fetch(client.account(venue)), RiskSettings(cross_check=True))
