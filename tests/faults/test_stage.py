"""The stage of the matrix would notice: where something else happens than a row expects, it complains."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web

from exporter.demo.faults import Hang, Latency, Status
from tests.faults.jumping import FIRST_JUMP, START, JumpingTime, run
from tests.faults.stage import Cell, Play, complaints, looks_at, play
from tests.faults.table import Row
from tests.venues.bench import benches


def played(row: Row, endpoint: str | None = None) -> Play:
    async def main(clock: JumpingTime) -> Play:
        return await play([Cell(benches()["bittap"], row, endpoint)], clock)

    return run(main)


def test_a_failure_where_none_is_expected_is_told_with_its_reason() -> None:
    found = complaints(played(Row(name="", make=lambda _: Status(500), where="account")))
    assert any("bittap-hedge-1 is not up" in complaint and "exchange" in complaint for complaint in found)
    assert not any("bittap-oneway" in complaint or "neighbour" in complaint for complaint in found)


def test_another_reason_is_told() -> None:
    row = Row(name="", make=lambda _: Status(500), where="account", reason="schema", recovers_within=200.0)
    assert any("expected schema" in complaint for complaint in complaints(played(row)))


def test_no_failure_where_one_is_expected_is_told() -> None:
    row = Row(name="", make=lambda _: Latency(0.1), where="account", reason="timeout")
    assert any("is up at" in complaint for complaint in complaints(played(row)))


def test_accounts_that_others_cost_something_are_told() -> None:
    """What is spared by the row is struck here: the fault is everybody's."""
    row = Row(name="", make=lambda _: Hang(), where="venue", reason="timeout", recovers_within=200.0)
    seen = played(row)
    scene = seen.scenes[0]
    scene.struck, seen.bystanders = seen.bystanders, scene.struck
    found = complaints(seen)
    assert any("bittap-hedge-1 is not up" in complaint for complaint in found)
    assert any("neighbour fails for {}" in complaint for complaint in found)


def test_a_recovery_that_takes_too_long_is_told() -> None:
    row = Row(name="", make=lambda _: Status(500), where="account", reason="exchange", recovers_within=-10.0)
    assert any(
        "to recover" in complaint or "not recovered" in complaint for complaint in complaints(played(row))
    )


def test_what_nobody_meets_is_told() -> None:
    found = complaints(played(Row(name="a", make=lambda _: Hang(), where="side"), "/nowhere"))
    cell = "bittap, a, /nowhere"
    assert found == [f"{cell}: no request met it", f"{cell}: the failure at the side is not counted"]


def test_a_look_reads_what_a_page_says_of_an_account() -> None:
    page = """\
# HELP risk_up 1 if
risk_up{account="a",exchange="x"} 1.0
risk_up{account="b",exchange="x"} 0.0
risk_collector_last_success_timestamp_seconds{account="a",exchange="x"} 1.70000009e+09
risk_collector_errors_total{account="a",exchange="x",reason="auth"} 2.0
risk_collector_errors_total{account="a",exchange="x",reason="clock"} 0.0
risk_account_equity{exchange="x",account="a",currency="USDT"} 5.0
"""
    looks = looks_at(page, ["a", "b"], 100.0)
    assert (looks["a"].up, looks["b"].up) == (True, False)
    assert looks["a"].age == 10.0
    assert looks["b"].age is None
    assert looks["a"].errors == {"auth": 2.0}
    assert looks["a"].families == frozenset({"risk_account_equity"})
    assert not looks["b"].families


# The time


def test_time_jumps_over_waits_and_goes_on_with_work() -> None:
    async def main(clock: JumpingTime) -> tuple[float, float]:
        await asyncio.sleep(3600.0)
        return clock.elapsed(), clock.wall()

    began = time.monotonic()
    elapsed, wall = run(main)
    assert 3600.0 <= elapsed < 3700.0
    assert wall == pytest.approx(START + elapsed, abs=1.0)
    assert time.monotonic() - began < 3600.0 / 10


def test_an_answer_on_its_way_is_waited_for() -> None:
    """A timeout of jumped seconds does not end a request that is answered at once."""

    async def main(clock: JumpingTime) -> list[float]:
        async def handle(_: web.Request) -> web.Response:
            await asyncio.sleep(5.0)
            return web.Response(text="late")

        app = web.Application()
        app.router.add_get("/", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        taken = []
        timeout = aiohttp.ClientTimeout(total=5.0 + 2 * FIRST_JUMP)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            for _ in range(50):
                began = clock.elapsed()
                async with session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as answer:
                    assert await answer.text() == "late"
                taken.append(clock.elapsed() - began)
        await runner.cleanup()
        return taken

    assert all(5.0 <= seconds < 5.5 for seconds in run(main))


def test_what_a_thread_does_is_waited_for() -> None:
    async def main(clock: JumpingTime) -> float:
        began = clock.elapsed()
        async with asyncio.timeout(5.0):
            await asyncio.to_thread(time.sleep, 0.1)
        return clock.elapsed() - began

    assert run(main) < 1.0
