"""The switch for faults: each does what it says, to whom it should, for as long as it should."""

from __future__ import annotations

import asyncio
import errno
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from random import Random

import aiohttp
import pytest
from aiohttp import ClientSession

from exporter.demo import Market, Server
from exporter.demo._damage import MISSING
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.bittap import BittapSimulator
from exporter.demo.faults import (
    Ban,
    Cached,
    Changed,
    ClosesKept,
    Compressed,
    Drip,
    Garbled,
    Hang,
    Headers,
    Latency,
    NotHttp,
    Outage,
    Reset,
    RevokedKey,
    Skew,
    Status,
    Truncation,
)
from exporter.demo.switch import Condition, Fault

NOW = 1_700_000_030.0
PING, TIME = "/fapi/v1/ping", "/fapi/v1/time"


class Asked:
    """A stand-in, and a client that speaks to it over kept connections."""

    def __init__(self, server: Server, session: ClientSession) -> None:
        self.server = server
        self.simulator = server.simulator
        self.faults = server.simulator.faults
        self._session = session

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        status, _, body = await self.full(path, **headers)
        return status, body

    async def full(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self._session.get(self.server.base_url + path, headers=names) as response:
            return response.status, dict(response.headers), await response.read()

    async def answers_again(self, path: str) -> None:
        async with asyncio.timeout(10):
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    assert (await self.get(path))[0] == 200
                    return
                await asyncio.sleep(0.005)

    async def fails(self, path: str, error: type[BaseException]) -> BaseException:
        with pytest.raises(error) as caught:
            await self.get(path)
        return caught.value


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    simulator = BinanceUsdmSimulator(Market(), clock=lambda: NOW)
    async with Server(simulator) as server, ClientSession() as session:
        yield Asked(server, session)


async def test_nothing_goes_wrong_unless_it_is_told_to(asked: Asked) -> None:
    assert await asked.get(PING) == (200, b"{}")
    assert asked.simulator.requests == [f"GET {PING}"]


async def until(condition: Callable[[], bool]) -> None:
    """Returns when something holds that the other side of a connection brings about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.005)


# To whom, and for how long


async def test_a_fault_happens_to_as_many_requests_as_it_is_told_and_only_at_its_endpoint(
    asked: Asked,
) -> None:
    first = asked.faults.set(Status(503, "Service Unavailable.", {"Retry-After": "3"}), at=TIME, requests=2)
    asked.faults.set(Status(404, b"<html>"), at=TIME, requests=1)
    seen = [await asked.full(path) for path in (TIME, PING, TIME, TIME, TIME)]
    assert [(status, body[:6], headers.get("Retry-After")) for status, headers, body in seen] == [
        (503, b"Servic", "3"),
        (200, b"{}", None),
        (503, b"Servic", "3"),
        (404, b"<html>", None),
        (200, b'{"serv', None),
    ]
    assert first.met == 2
    assert first.over


async def test_a_fault_ends_when_it_is_ended_cleared_or_its_time_is_over(asked: Asked) -> None:
    fault = asked.faults.set(Status(500))
    assert (await asked.get(PING))[0] == 500
    fault.end()
    fault.end()
    assert (await asked.get(PING))[0] == 200

    asked.faults.set(Status(500))
    asked.faults.set(Skew(7.0))
    asked.faults.clear()
    assert (await asked.get(PING))[0] == 200
    assert asked.simulator.now() == NOW

    over = asyncio.Event()
    short = asked.faults.set(Status(500), seconds=0.1)
    short.on_end.append(over.set)
    assert (await asked.get(PING))[0] == 500
    await over.wait()
    assert (await asked.get(PING))[0] == 200


async def test_a_field_of_a_path_stands_for_anything(asked: Asked) -> None:
    asked.faults.set(Status(500), at="/fapi/{version}/time")
    assert (await asked.get(TIME))[0] == 500
    assert (await asked.get(PING))[0] == 200
    assert (await asked.get("/fapi/v1/more/time"))[0] == 404


async def test_a_fault_of_one_account_happens_to_its_signed_requests_alone() -> None:
    simulator = BittapSimulator(Market(), clock=lambda: NOW)
    simulator.faults.set(Status(500), account="bittap-hedge")
    async with Server(simulator) as server, ClientSession() as session:
        asked = Asked(server, session)
        account = "/ftapi/v1/account/info"
        statuses = {
            credential.account: (await asked.get(account, X_BT_APIKEY=credential.api_key))[0]
            for credential in simulator.credentials.values()
        }
        assert statuses == {"bittap-hedge": 500, "bittap-oneway": 401}  # the second: not signed
        assert (await asked.get("/fmapi/v1/exchangeInfo"))[0] == 200


async def test_a_condition_is_of_no_endpoint_and_not_of_some_requests(asked: Asked) -> None:
    with pytest.raises(ValueError, match="state of the venue"):
        asked.faults.set(Skew(1.0), at=PING)
    with pytest.raises(ValueError, match="state of the venue"):
        asked.faults.set(RevokedKey(), requests=1)
    for whole in (Skew(1.0), Outage()):
        with pytest.raises(ValueError, match=r"one clock|about to connect"):
            asked.faults.set(whole, account="usdm-hedged")
    with pytest.raises(RuntimeError, match="no server"):
        BinanceUsdmSimulator(Market()).faults.set(Outage())
    assert await asked.get(PING) == (200, b"{}")


# What happens


async def test_an_answer_can_be_late(asked: Asked) -> None:
    asked.faults.set(Latency(0.05))
    began = time.monotonic()
    assert await asked.get(PING) == (200, b"{}")
    assert time.monotonic() - began >= 0.05


async def test_a_request_that_hangs_ends_with_its_caller(asked: Asked) -> None:
    before = asyncio.all_tasks()
    asked.faults.set(Hang())
    request = asyncio.create_task(asked.get(PING))
    await until(lambda: bool(asked.simulator.requests))
    request.cancel()
    await until(lambda: not asyncio.all_tasks() - before)


async def test_a_body_can_come_in_drops(asked: Asked) -> None:
    asked.faults.set(Drip(0.1, drops=4))
    began = time.monotonic()
    status, body = await asked.get(TIME)
    assert (status, json.loads(body)) == (200, {"serverTime": NOW * 1000})
    assert time.monotonic() - began >= 0.1


async def test_an_answer_can_break_off(asked: Asked) -> None:
    asked.faults.set(Truncation())
    await asked.fails(TIME, aiohttp.ClientPayloadError)


async def test_a_connection_can_be_reset(asked: Asked) -> None:
    asked.faults.set(Reset())
    error = await asked.fails(PING, aiohttp.ClientOSError)
    assert isinstance(error, OSError)
    assert error.errno == errno.ECONNRESET


async def test_a_kept_connection_can_end_when_it_is_used_again(asked: Asked) -> None:
    asked.faults.set(ClosesKept())
    assert await asked.get(PING) == (200, b"{}")
    # aiohttp repeats a read over a fresh connection by itself; the venue sees both.
    assert await asked.get(PING) == (200, b"{}")
    assert len(asked.simulator.requests) == 3


async def test_an_answer_can_be_something_else_than_http(asked: Asked) -> None:
    asked.faults.set(NotHttp())
    await asked.fails(PING, aiohttp.ClientResponseError)


async def test_a_ban_says_how_long_it_lasts(asked: Asked) -> None:
    ban = asked.faults.set(Ban(), seconds=100.0)
    status, headers, _ = await asked.full(PING)
    assert (status, headers["Retry-After"]) == (418, "100")
    ban.end()
    asked.faults.set(Ban(403, b"<html>"))
    status, headers, body = await asked.full(PING)
    assert (status, body, headers.get("Retry-After")) == (403, b"<html>", None)


async def test_an_answer_can_have_more_headers_and_come_from_a_cache(asked: Asked) -> None:
    asked.faults.set(Headers({"X-MBX-USED-WEIGHT-1M": "9" * 400}), requests=1)
    assert (await asked.full(PING))[1]["X-MBX-USED-WEIGHT-1M"] == "9" * 400
    _, now, _ = await asked.full(PING)
    assert parsedate_to_datetime(now["Date"]).timestamp() == NOW
    asked.faults.set(Cached(3600))
    _, old, body = await asked.full(PING)
    assert (old["Age"], body) == ("3600", b"{}")
    assert parsedate_to_datetime(old["Date"]).timestamp() == NOW - 3600
    asked.faults.clear()
    asked.faults.set(Cached(3600, told=False))
    assert "Age" not in (await asked.full(PING))[1]


async def test_an_answer_can_be_a_bomb(asked: Asked) -> None:
    asked.faults.set(Compressed(8 * 1024 * 1024))
    _, headers, body = await asked.full(PING)
    assert len(body) == 8 * 1024 * 1024
    assert int(headers["Content-Length"]) < 100_000


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Changed("serverTime"), b"{}"),
        (Changed("serverTime", None), b'{"serverTime": null}'),
        (Changed("serverTime", MISSING), b"{}"),
        (Changed("serverTime", "9e999", raw=True), b'{"serverTime": 9e999}'),
        (Changed("other", 1), b'{"serverTime": 1700000030000}'),
    ],
)
async def test_a_field_can_change(asked: Asked, fault: Fault, expected: bytes) -> None:
    asked.faults.set(fault)
    assert (await asked.get(TIME))[1] == expected


async def test_fields_change_in_rows_too(asked: Asked) -> None:
    asked.faults.set(Changed("index", "0"))
    rows = json.loads((await asked.get("/fapi/v1/assetIndex"))[1])
    assert len(rows) > 1
    assert {row["index"] for row in rows} == {"0"}


async def test_a_value_can_become_nonsense_another_one_each_time(asked: Asked) -> None:
    asked.faults.set(Garbled(Random(1)))  # noqa: S311 (no secret)
    bodies = {(await asked.get("/fapi/v1/assetIndex"))[1] for _ in range(5)}
    asked.faults.clear()
    own = json.loads((await asked.get("/fapi/v1/assetIndex"))[1])
    assert len(bodies) == 5
    for body in bodies:
        pairs = zip(own, json.loads(body), strict=True)
        assert sum(before != after for before, after in pairs) == 1


# States of the venue


async def test_a_clock_can_be_wrong(asked: Asked) -> None:
    skew = asked.faults.set(Skew(-90.0))
    assert json.loads((await asked.get(TIME))[1]) == {"serverTime": (NOW - 90.0) * 1000}
    skew.end()
    assert json.loads((await asked.get(TIME))[1]) == {"serverTime": NOW * 1000}


async def test_a_key_can_be_revoked_and_given_back(asked: Asked) -> None:
    keys = dict(asked.simulator.credentials)
    (of_one,) = (key for key, credential in keys.items() if credential.account == "usdm-hedged")
    asked.faults.set(RevokedKey(), account="usdm-hedged")
    assert asked.simulator.credentials.keys() == keys.keys() - {of_one}
    asked.faults.clear()
    assert asked.simulator.credentials == keys
    asked.faults.set(RevokedKey())
    assert asked.simulator.credentials == {}


async def test_an_outage_refuses_connections_breaks_those_there_are_and_ends_on_the_same_port(
    asked: Asked,
) -> None:
    assert await asked.get(PING) == (200, b"{}")
    outage = asked.faults.set(Outage())
    error = await asked.fails(PING, aiohttp.ClientConnectorError)
    assert isinstance(error, OSError)
    assert error.errno == errno.ECONNREFUSED
    outage.end()
    await asked.answers_again(PING)
    asked.faults.set(Outage())
    await asked.server.restart()
    assert await asked.get(PING) == (200, b"{}")


def test_every_fault_and_condition_is_tried_here() -> None:
    used = {name for name, value in globals().items() if isinstance(value, type)}
    kinds = [kind for base in (Fault, Condition) for kind in base.__subclasses__()]
    assert {kind.__name__ for kind in kinds if kind.__module__.startswith("exporter.")} <= used
