"""How the Binance USD-M stand-in is asked: keys, signatures, times and weights, as strict as documented."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from urllib.parse import quote

import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from exporter.demo import Market, Server
from exporter.demo._binance_weights import REFUSALS_BEFORE_BAN
from exporter.demo.binance import Credential
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from tests.demo.binance_usdm_client import (
    BANNED,
    NOW,
    OFFICIAL,
    STAMP,
    TOO_MANY,
    Client,
    Clock,
    sign,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BinanceUsdmSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


async def test_a_request_signed_like_the_official_vector_passes(client: Client) -> None:
    book = client.simulator.new_book("official")
    client.simulator.add_account(book, OFFICIAL)
    client.clock.now = 1591702613.943
    signature = "b944ea46b707ca97ae6956c3e381b0ceaf517dac418a6d64af1fb3b0e878d11d"
    answer = await client.raw(
        f"/fapi/v3/account?timestamp=1591702613943&recvWindow=5000&signature={signature}",
        key=OFFICIAL.api_key,
    )
    assert answer.status == 200
    assert answer.body["positions"] == []


@pytest.mark.parametrize(
    "account", ["usdm-directional", "usdm-hedged", "usdm-multi-asset", "usdm-concentrated"]
)
async def test_every_demo_account_reads_its_own_account(client: Client, account: str) -> None:
    answer = await client.signed("/fapi/v3/positionRisk", account=account)
    assert answer.status == 200
    book = client.simulator.accounts[account]
    assert {row["symbol"] for row in answer.body} == {held.contract.symbol for held in book.positions}


async def test_rsa_and_ed25519_signatures_pass_and_foreign_ones_do_not(client: Client) -> None:
    keys: list[rsa.RSAPrivateKey | Ed25519PrivateKey] = [
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        Ed25519PrivateKey.generate(),
    ]
    for number, key in enumerate(keys):
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        name = f"asymmetric-{number}"
        client.simulator.add_account(client.simulator.new_book(name), Credential(name, f"{number}" * 64, pem))
        assert (await client.signed("/fapi/v3/account", account=name)).status == 200
        payload = f"timestamp={STAMP}"
        for wrong in (
            sign(client.credential("usdm-multi-asset").api_secret, payload),
            sign(OFFICIAL.api_secret, payload),
            "not base64!",
        ):
            answer = await client.raw(
                f"/fapi/v3/account?{payload}&signature={quote(wrong, safe='')}", key=f"{number}" * 64
            )
            assert answer.error == (400, -1022, "Signature for this request is not valid.")


async def test_a_base64_signature_must_be_percent_encoded(client: Client) -> None:
    credential = client.credential("usdm-multi-asset")
    number = next(
        n for n in range(STAMP, STAMP + 900) if "+" in sign(credential.api_secret, f"timestamp={n}")
    )
    payload = f"timestamp={number}"
    signature = sign(credential.api_secret, payload)
    good = await client.raw(
        f"/fapi/v3/account?{payload}&signature={quote(signature, safe='')}", key=credential.api_key
    )
    bad = await client.raw(f"/fapi/v3/account?{payload}&signature={signature}", key=credential.api_key)
    assert good.status == 200
    assert bad.error[:2] == (400, -1022)


@pytest.mark.parametrize(
    "change",
    [
        lambda payload, signature: f"{payload}&signature={'0' * len(signature)}",
        lambda payload, signature: f"recvWindow=6000&{payload}&signature={signature}",
        lambda payload, signature: f"signature={signature}&{payload}",
        lambda payload, signature: f"{payload}&signature={signature[:-1]}",
        lambda payload, signature: f"{payload.replace('timestamp', 't%69mestamp')}&signature={signature}",
    ],
    ids=["wrong", "parameter added", "signature first", "cut", "same meaning, other bytes"],
)
async def test_a_signature_not_over_exactly_the_sent_bytes_is_refused(
    client: Client, change: Callable[[str, str], str]
) -> None:
    credential = client.credential()
    payload = f"timestamp={STAMP}"
    query = change(payload, sign(credential.api_secret, payload))
    answer = await client.raw(f"/fapi/v3/account?{query}", key=credential.api_key)
    assert answer.error == (400, -1022, "Signature for this request is not valid.")


async def test_bytes_are_verified_as_sent_even_if_oddly_encoded(client: Client) -> None:
    assert (await client.signed("/fapi/v3/account", f"t%69mestamp={STAMP}")).status == 200


async def test_query_and_body_are_signed_joined_without_a_separator(client: Client) -> None:
    credential = client.credential()
    query, body = f"timestamp={STAMP}", "recvWindow=6000"
    signature = sign(credential.api_secret, query + body)
    answer = await client.raw(
        f"/fapi/v3/account?{query}", key=credential.api_key, data=f"{body}&signature={signature}"
    )
    assert answer.status == 200


@pytest.mark.parametrize("key", [None, "", "short", "!" * 64, "a" * 65])
async def test_a_malformed_key_is_refused(client: Client, key: str | None) -> None:
    answer = await client.raw(f"/fapi/v3/account?timestamp={STAMP}&signature=00", key=key)
    assert answer.error == (401, -2014, "API-key format invalid.")


async def test_an_unknown_key_is_refused_with_the_callers_address(client: Client) -> None:
    answer = await client.raw(f"/fapi/v3/account?timestamp={STAMP}&signature=00", key="a" * 64)
    assert answer.error == (
        401,
        -2015,
        "Invalid API-key, IP, or permissions for action, request ip: 127.0.0.1",
    )
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "5"


async def test_the_key_of_a_removed_account_stops_working(client: Client) -> None:
    credential = client.credential()
    assert (await client.signed("/fapi/v3/account")).status == 200
    del client.simulator.credentials[credential.api_key]
    payload = f"timestamp={STAMP}"
    signature = sign(credential.api_secret, payload)
    answer = await client.raw(f"/fapi/v3/account?{payload}&signature={signature}", key=credential.api_key)
    assert answer.error[:2] == (401, -2015)


@pytest.mark.parametrize(
    ("offset", "window", "code"),
    [
        (0, None, None),
        (-5000, None, None),
        (-5001, None, -1021),
        (999, None, None),
        (1000, None, -1021),
        (-60000, 60000, None),
        (-200, 100, -1021),
        (0, 60001, -1131),
        (0, "abc", -1100),
        (0, "", -1100),
    ],
)
async def test_timestamps_are_accepted_inside_the_window_only(
    client: Client, offset: int, window: int | str | None, code: int | None
) -> None:
    query = f"timestamp={STAMP + offset}" + ("" if window is None else f"&recvWindow={window}")
    answer = await client.signed("/fapi/v3/account", query)
    assert (answer.status, answer.body.get("code")) == ((200, None) if code is None else (400, code))


async def test_a_venue_with_a_skewed_clock_judges_by_its_own(client: Client) -> None:
    client.simulator.faults.clock_skew = 6.0
    assert (await client.signed("/fapi/v3/account")).body["code"] == -1021
    assert (await client.signed("/fapi/v3/account", f"timestamp={STAMP + 6000}")).status == 200


@pytest.mark.parametrize(
    ("query", "code", "named"),
    [
        ("", -1102, "timestamp"),
        ("timestamp=", -1102, "timestamp"),
        (f"timestamp={STAMP}", -1102, "signature"),
        (f"timestamp={STAMP}&signature=", -1102, "signature"),
        ("timestamp=12x&signature=00", -1100, "timestamp"),
        (f"timestamp={STAMP}&timestamp={STAMP}&signature=00", -1101, "Duplicate"),
    ],
)
async def test_mandatory_parameters_are_named_when_missing(
    client: Client, query: str, code: int, named: str
) -> None:
    answer = await client.raw(f"/fapi/v3/account?{query}", key=client.credential().api_key)
    assert answer.error[:2] == (400, code)
    assert named in answer.body["msg"]


async def test_parameters_nobody_reads_are_refused(client: Client) -> None:
    answer = await client.signed("/fapi/v3/account", f"symbol=BTCUSDT&timestamp={STAMP}")
    assert answer.error == (
        400,
        -1104,
        "Not all sent parameters were read; read '2' parameter(s) but was sent '3'.",
    )
    assert (await client.raw("/fapi/v1/premiumIndex?pair=BTCUSDT")).error[:2] == (400, -1104)
    assert (await client.raw("/fapi/v1/time?x=1")).error[:2] == (400, -1101)


async def test_only_known_paths_and_only_reading(client: Client) -> None:
    assert (await client.raw("/fapi/v9/account")).error[:2] == (404, -5000)
    for method in ("POST", "PUT", "DELETE"):
        assert (await client.raw("/fapi/v1/time", method=method)).error[:2] == (405, -5000)


@pytest.mark.parametrize("path", ["premiumIndex?symbol=NOPE", "assetIndex?symbol=NOPE"])
async def test_an_unknown_symbol_is_refused(client: Client, path: str) -> None:
    assert (await client.raw(f"/fapi/v1/{path}")).error == (400, -1121, "Invalid symbol.")
    query = f"symbol=NOPE&timestamp={STAMP}"
    for signed in ("v3/positionRisk", "v1/symbolConfig", "v1/leverageBracket"):
        assert (await client.signed(f"/fapi/{signed}", query)).error == (400, -1121, "Invalid symbol.")


async def test_weights_add_up_over_a_minute_and_are_shown(client: Client) -> None:
    shown = [
        (await client.raw(path)).headers["X-MBX-USED-WEIGHT-1M"]
        for path in (
            "/fapi/v1/time",
            "/fapi/v1/premiumIndex",
            "/fapi/v1/premiumIndex?symbol=BTCUSDT",
            "/fapi/v1/exchangeInfo",
            "/fapi/v1/assetIndex",
            "/fapi/nothing",
        )
    ]
    assert shown == ["1", "11", "12", "13", "23", "24"]
    assert (await client.signed("/fapi/v3/account")).headers["X-MBX-USED-WEIGHT-1M"] == "29"
    client.clock.now += 30
    assert (await client.raw("/fapi/v1/ping")).headers["X-MBX-USED-WEIGHT-1M"] == "1"


async def test_over_the_limit_comes_429_until_the_minute_ends(client: Client) -> None:
    client.simulator.weights.spend("127.0.0.1", 2398, NOW)
    assert (await client.raw("/fapi/v1/ping")).status == 200
    assert (await client.raw("/fapi/v1/ping")).status == 200
    answer = await client.raw("/fapi/v1/ping")
    assert answer.error == (
        429,
        -1003,
        TOO_MANY,
    )
    # 1,700,000,030 is 50 seconds into its minute.
    assert answer.headers["Retry-After"] == "10"
    assert answer.headers["X-MBX-USED-WEIGHT-1M"] == "2401"
    client.clock.now += 10
    assert (await client.raw("/fapi/v1/ping")).status == 200


async def test_ignoring_429_brings_418_with_the_end_of_the_ban(client: Client) -> None:
    client.simulator.weights.spend("127.0.0.1", 2400, NOW)
    for _ in range(REFUSALS_BEFORE_BAN):
        assert (await client.raw("/fapi/v1/ping")).status == 429
    answer = await client.raw("/fapi/v1/ping")
    assert answer.error == (
        418,
        -1003,
        BANNED,
    )
    assert answer.headers["Retry-After"] == "120"
    client.clock.now += 119
    answer = await client.raw("/fapi/v1/ping")
    assert (answer.status, answer.headers["Retry-After"]) == (418, "1")
    client.clock.now += 1
    assert (await client.raw("/fapi/v1/ping")).status == 200


async def test_a_key_is_told_about_itself_in_a_limit_of_its_own(client: Client) -> None:
    path = "/sapi/v1/account/apiRestrictions"
    answer = await client.signed(path)
    assert answer.status == 200
    assert [name for name, value in answer.body.items() if value is True] == [
        "ipRestrict",
        "enableReading",
        "enableFixReadOnly",
    ]
    assert answer.headers["X-SAPI-USED-IP-WEIGHT-1M"] == "1"
    assert "X-MBX-USED-WEIGHT-1M" not in answer.headers
    credential = client.credential()
    client.simulator.credentials[credential.api_key] = replace(
        credential, may=frozenset({"enableWithdrawals"}), bound=False
    )
    answer = await client.signed(path)
    assert (answer.body["enableWithdrawals"], answer.body["ipRestrict"]) == (True, False)
    assert (await client.signed("/fapi/v3/account")).headers["X-MBX-USED-WEIGHT-1M"] == "5"
    assert (await client.signed(path, f"timestamp={STAMP}&symbol=BTCUSDT")).error[1] == -1104
    assert (await client.raw(f"{path}?timestamp={STAMP}&signature=00", key=credential.api_key)).error[
        1
    ] == -1022
    assert (await client.raw(path, key=credential.api_key)).error[1] == -1102
    assert (await client.raw(path)).error[1] == -2014
