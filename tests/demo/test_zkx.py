"""The stand-in of ZKX: strict about every header, and its numbers add up to the last digit.

Requests are signed here by the library, which shares no code with the stand-in's verification.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession

from exporter.demo import Market, Server
from exporter.demo.zkx import Credential, ZkxSimulator
from tests.demo.zkx_client import (
    ACCOUNT_INFO,
    POSITIONS,
    STAMP,
    USDC,
    Client,
    Clock,
    headers,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = ZkxSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


async def test_the_answer_has_the_documented_fields_as_text(client: Client) -> None:
    status, body = await client.signed(ACCOUNT_INFO, USDC)
    assert status == 200
    assert set(body) == {
        "collateralId",
        "collateralBalance",
        "availableMargin",
        "totalInvested",
        "totalMargin",
        "totalUnrealizedPnl",
        "positions",
    }
    for row in body["positions"]:
        assert list(row) == [
            "marketId",
            "direction",
            "avgExecutionPrice",
            "size",
            "marginAmount",
            "borrowedAmount",
            "leverage",
            "realizedPnl",
            "liquidationPrice",
            "maintenanceMargin",
        ]
        assert all(isinstance(value, str) for value in row.values())


async def test_the_list_of_positions_is_that_of_the_account(client: Client) -> None:
    _, account = await client.signed(ACCOUNT_INFO, USDC)
    status, rows = await client.signed(POSITIONS, USDC)
    assert (status, rows) == (200, account["positions"])
    assert (await client.signed(POSITIONS, {**USDC, "marketId": "BTCUSDC"}))[1] == []
    assert (await client.signed(POSITIONS, {**USDC, "limit": "0"}))[0] == 400
    assert (await client.signed(POSITIONS, {**USDC, "marketId": "CATUSDC"}))[0] == 400


@pytest.mark.parametrize(
    "name", ["x-public-key", "x-account-id", "x-timestamp", "x-signature-1", "x-signature-2", "x-request-id"]
)
async def test_every_header_is_required(client: Client, name: str) -> None:
    status, body = await client.signed(ACCOUNT_INFO, USDC, **{name: None})
    assert status in {400, 401}
    assert set(body) == {"message"}


async def test_keys_and_signatures_that_are_wrong_are_refused(client: Client) -> None:
    good = client.headers(USDC)
    other = Credential.fake("zkx", "somebody else")
    opposite = {"02": "03", "03": "02"}[good["x-public-key"][2:4]]
    wrong: list[dict[str, str]] = [
        {"x-signature-1": good["x-signature-2"], "x-signature-2": good["x-signature-1"]},
        {"x-signature-1": good["x-signature-1"][2:]},
        {"x-signature-2": "0x0"},
        {"x-signature-2": hex(int(good["x-signature-2"], 16) ^ 1)},
        {"x-public-key": f"0x{opposite}{good['x-public-key'][4:]}"},
        # Without the prefix of Y.
        {"x-public-key": f"0x{good['x-public-key'][4:]}"},
        {"x-public-key": other.public_key},
        {"x-account-id": other.account_id},
        # Signed for another moment, and another collateral.
        {"x-timestamp": str(STAMP + 1)},
        headers(client.credential, f"collateralId=DAI&timestamp={STAMP}", STAMP),
        headers(other, f"collateralId=USDC&timestamp={STAMP}", STAMP),
        # Not sorted.
        headers(client.credential, f"timestamp={STAMP}&collateralId=USDC", STAMP),
    ]
    for change in wrong:
        status, body = await client.raw(f"{ACCOUNT_INFO}?collateralId=USDC", {**good, **change})
        assert (status, set(body)) == (401, {"message"}), change
    assert (await client.raw(f"{ACCOUNT_INFO}?collateralId=USDC", good))[0] == 200


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [
        (STAMP - 30_000, 200),
        (STAMP + 30_000, 200),
        (STAMP - 30_001, 400),
        (STAMP + 30_001, 400),
        (STAMP // 1000, 400),
    ],
)
async def test_the_timestamp_is_within_thirty_seconds(client: Client, timestamp: int, status: int) -> None:
    found, body = await client.signed(ACCOUNT_INFO, USDC, timestamp)
    assert found == status
    assert status == 200 or "timestamp" in body["message"]


async def test_parameters_and_paths_that_are_not_documented_are_refused(client: Client) -> None:
    for parameters in ({}, {"collateralId": ""}, {"collateralId": "DAI"}, {**USDC, "limit": "5"}):
        assert (await client.signed(ACCOUNT_INFO, parameters))[0] == 400, parameters
    good = client.headers(USDC)
    query = "collateralId=USDC"
    assert (await client.raw(f"{ACCOUNT_INFO}?{query}&{query}", good))[0] == 400
    assert (await client.raw(f"{ACCOUNT_INFO}?{query}", good, data="{}"))[0] == 400
    assert (await client.raw(f"{ACCOUNT_INFO}?{query}", good, method="POST"))[0] == 404
    assert (await client.raw(f"/v1/private/account?{query}", good))[0] == 404
    assert (await client.signed(ACCOUNT_INFO, USDC, x_request_id="1"))[0] == 400


async def test_120_requests_in_any_10_seconds_and_then_10_seconds_of_silence(client: Client) -> None:
    async def status() -> int:
        # Refused without a look at a signature, and counted all the same.
        return (await client.raw("/nothing", {}))[0]

    assert [await status() for _ in range(60)] == [404] * 60
    client.clock.now += 6.0
    assert [await status() for _ in range(60)] == [404] * 60
    assert await status() == 429
    client.clock.now += 4.0
    # The first 60 are 10 seconds old by now; the block holds.
    assert await status() == 429
    assert (await client.signed(ACCOUNT_INFO, USDC))[0] == 429
    client.clock.now += 5.9
    assert await status() == 429
    client.clock.now += 0.1
    assert (await client.signed(ACCOUNT_INFO, USDC))[0] == 200


async def test_a_request_counts_for_10_seconds_and_no_longer(client: Client) -> None:
    for _ in range(3):
        statuses = [(await client.raw("/nothing", {}))[0] for _ in range(120)]
        assert statuses == [404] * 120
        client.clock.now += 10.0
