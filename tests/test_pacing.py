"""Collections begin when their part of the request limit is there; what they take is learned."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from multidict import CIMultiDict

from exporter import deadline
from exporter.account import ApiKeyConfig
from exporter.api import Api
from exporter.errors import VenueError
from exporter.limits import BudgetSettings, Limit, RequestBudget
from exporter.model import AccountSnapshot
from exporter.pacing import Meter, Pacing
from exporter.request import Endpoint, Response
from exporter.venues.base import Venue
from tests.timers import Time
from tests.toy import Recorder

pytestmark = pytest.mark.paced

ACCOUNT = Endpoint("/account", weight=5.0)
POSITIONS = Endpoint("/positions", weight=5.0)
TIERS = Endpoint("/tiers", weight=20.0)
MARKS = Endpoint("/marks", weight=10.0, signed=False)

PROXY = "http://user:password@{}:3128"


class Mall(Venue[ApiKeyConfig]):
    """A venue with 100 a minute for an address; asks nobody."""

    name = "mall"
    title = "Mall"
    documentation = "https://example.com"
    config_class = ApiKeyConfig
    base_url = "https://api.example.com"
    endpoints = (ACCOUNT, POSITIONS, TIERS, MARKS)
    budgets = (RequestBudget("mall", (Limit(2400.0, 60.0),)),)
    each_collection = (ACCOUNT, POSITIONS, MARKS)

    async def fetch(self, api: Api) -> AccountSnapshot:
        raise NotImplementedError


def mall(name: str = "desk", *budgets: RequestBudget, **config: Any) -> Mall:
    entry = {"name": name, "exchange": "mall", "api_key": "k", "api_secret": "s", **config}
    type_: type[Mall] = type("Other", (Mall,), {"budgets": budgets}) if budgets else Mall
    return type_(ApiKeyConfig.model_validate(entry))


class Listener(Recorder):
    """Keeps what venues tell of their limits."""

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        assert exchange == "mall"
        self.used.append(ratio)


class Street:
    """The pacing of several accounts on a clock of its own."""

    def __init__(self, **settings: BudgetSettings) -> None:
        self.time = Time()
        self.heard = Listener()
        self.pacing = Pacing(settings, observer=self.heard, elapsed=self.time, later=self.time.later)

    def meter(self, name: str = "desk", *budgets: RequestBudget, **config: Any) -> Meter:
        return self.pacing.meter(mall(name, *budgets, **config))

    async def collect(self, meter: Meter, *endpoints: Endpoint, complete: bool = True) -> float:
        waited = await meter.admitted(1e6)
        for endpoint in endpoints:
            await send(meter, endpoint)
        meter.settle(complete=complete)
        return waited

    def state(self, budget: str = "mall", address: str = "direct") -> Any:
        (found,) = (
            state for state in self.pacing.states() if (state.budget, state.address) == (budget, address)
        )
        return found


async def send(meter: Meter, endpoint: Endpoint, *, used: float | None = None, **headers: str) -> None:
    """One call whose answer tells what is `used`."""
    async with meter.call(endpoint) as call:
        call.sent()
        call.heard(used, Response(200, CIMultiDict(headers), b"", 0.0))


async def test_a_collection_takes_what_it_sends_and_no_more() -> None:
    street = Street()
    meter = street.meter()
    await meter.admitted(10.0)
    assert street.state().free == 300.0 - 40.0  # the first may ask for everything there is
    await send(meter, ACCOUNT)
    await send(meter, POSITIONS)
    meter.settle(complete=True)
    assert street.state().free == 290.0
    assert street.state().used == 10.0


async def test_the_next_collection_is_expected_to_take_what_the_last_ones_took() -> None:
    street = Street()
    meter = street.meter(interval="10s")
    assert street.state().needed == 60.0  # 10 each time is declared; public calls are found out
    await street.collect(meter, ACCOUNT, POSITIONS, TIERS, MARKS)  # the first is like no other
    assert street.state().needed == 60.0
    for _ in range(60):
        await street.collect(meter, ACCOUNT, POSITIONS, MARKS)
        await street.time.advance(10.0)
    assert street.state().needed == pytest.approx(120.0, rel=0.01)
    await meter.admitted(10.0)
    assert street.state().free == 280.0


async def test_one_call_of_nobody_keeps_its_pace_and_the_accounts_share_the_rest() -> None:
    """1,200 a minute are ours, 120 are for marks: 108 accounts that want 20 each have half of that."""
    street = Street()
    marks = street.pacing.meter(mall(interval="5s"), only=MARKS)
    meters = [street.meter(f"desk-{number}", interval="30s") for number in range(108)]
    assert street.state().needed == pytest.approx(2160.0 + 120.0)
    assert meters[0].stretch == pytest.approx(2.0)
    assert marks.stretch == 1.0
    await send(marks, MARKS)
    assert street.state().used == 10.0
    marks.close()
    assert street.state().needed == pytest.approx(2160.0)


async def test_a_call_of_nobody_is_made_less_often_where_it_would_take_more_than_half() -> None:
    street = Street(mall=BudgetSettings(per_minute=200.0))
    marks, meter = street.pacing.meter(mall(interval="5s"), only=MARKS), street.meter(interval="60s")
    assert marks.stretch == pytest.approx(2.4)
    assert meter.stretch == 1.0


async def test_a_collection_that_failed_teaches_nothing() -> None:
    street = Street()
    meter = street.meter(interval="10s")
    for _ in range(10):
        await street.collect(meter, ACCOUNT, complete=False)
        await street.time.advance(10.0)
    assert street.state().needed == 60.0


async def test_accounts_that_do_not_fit_are_stretched_evenly() -> None:
    street = Street()
    slow, quick = street.meter("slow", interval="60s"), street.meter("quick", interval="1s")
    more = [street.meter(str(number), interval="1s") for number in range(3)]
    assert street.state().needed == 2410.0
    assert {meter.stretch for meter in (slow, quick, *more)} == {2410.0 / 1200.0}
    assert street.state().stretch == 2410.0 / 1200.0
    for meter in more:
        meter.close()
    assert slow.stretch == 1.0
    assert street.state().needed == pytest.approx(610.0)


async def test_a_collection_begins_when_its_weight_is_there_and_then_waits_for_nothing() -> None:
    street = Street()
    meters = [street.meter(str(number)) for number in range(10)]
    waits = [asyncio.create_task(street.collect(meter, ACCOUNT, POSITIONS)) for meter in meters]
    await street.time.advance(0.0)
    # 40 each are taken, 10 are sent, 30 go back at once: nobody waits longer than for what is really sent.
    assert [task.result() for task in waits] == [0.0] * 10
    await street.meter("hog").admitted(10.0)
    tasks = [asyncio.create_task(street.collect(street.meter(f"x{number}"), TIERS)) for number in range(12)]
    await street.time.advance(0.0)
    assert street.state().waiting == sum(not task.done() for task in tasks) > 0
    await street.time.advance(30.0)
    assert all(task.done() for task in tasks)
    assert street.state().waited == pytest.approx(sum(task.result() for task in tasks), rel=1e-6)


async def test_what_is_waited_for_in_a_collection_is_not_its_time() -> None:
    """Ten seconds for a collection are ten seconds for the venue, not for the request limit."""
    street = Street()
    meter = street.meter()
    await street.collect(meter, ACCOUNT)
    hog = street.meter("hog")
    await meter.admitted(100.0)
    for _ in range(14):
        await send(hog, TIERS)
    async with deadline.within(30.0) as limit:
        meter.deadline = limit
        task = asyncio.create_task(send(meter, TIERS))
        await street.time.advance(0.0)
        assert limit.stopped
        await street.time.advance(5.0)
        assert task.done()
        assert not limit.stopped
    meter.settle(complete=True)


async def test_whoever_finds_no_room_for_too_long_says_so() -> None:
    street = Street()
    hog, meter = street.meter("hog"), street.meter()
    for _ in range(15):
        await send(hog, TIERS)
    with pytest.raises(VenueError, match=r"no room in the request budget `mall` for 0\.01 s") as caught:
        await meter.admitted(0.01)
    assert caught.value.reason == "rate_limited"
    meter.settle(complete=False)
    await street.time.advance(60.0)
    assert street.state().free == 300.0
    assert street.state().waiting == 0


async def test_a_call_that_a_closed_limit_forbids_takes_nothing() -> None:
    street = Street()
    meter = street.meter()

    await meter.admitted(10.0)
    with pytest.raises(VenueError, match="out"):
        async with meter.call(ACCOUNT):
            raise VenueError("banned", "out")
    meter.settle(complete=False)
    assert street.state().used == 0.0
    assert street.state().free == 300.0


async def test_a_call_that_is_cancelled_while_it_waits_takes_nothing() -> None:
    street = Street()
    meter = street.meter()
    for _ in range(14):
        await send(meter, TIERS)
    task = asyncio.create_task(send(meter, TIERS))
    await street.time.advance(0.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await street.time.advance(61.0)
    assert street.state().free == 300.0
    assert street.state().used == 0.0


async def test_what_the_venue_tells_corrects_and_is_published() -> None:
    street = Street()
    meter = street.meter()
    await meter.admitted(10.0)
    await send(meter, ACCOUNT, used=2150.0, Date="Tue, 14 Nov 2023 22:13:20 GMT")
    meter.settle(complete=True)
    assert street.heard.used == [2150 / 2400]
    assert street.state().free == 10.0


async def test_settings_replace_limit_and_share_and_divide_it_among_shards() -> None:
    street = Street(mall=BudgetSettings(per_minute=6000.0, share=0.6, shards_per_address=3))
    street.meter()
    assert (street.state().limit, street.state().allowed) == (6000.0, 1200.0)


async def test_settings_can_change_while_it_runs() -> None:
    street = Street()
    meter = street.meter()
    await street.collect(meter, ACCOUNT, POSITIONS)
    street.pacing.configure({"mall": BudgetSettings(share=0.25)})
    assert (street.state().limit, street.state().allowed) == (2400.0, 600.0)
    assert street.state().used == 10.0
    street.pacing.configure({"mall": BudgetSettings(per_second=1000.0)})
    assert (street.state().limit, street.state().allowed) == (60000.0, 30000.0)
    await street.collect(meter, ACCOUNT, POSITIONS)


async def test_whoever_waits_goes_on_when_the_settings_give_more_room() -> None:
    street = Street()
    meter = street.meter()
    for _ in range(15):
        await send(meter, TIERS)
    task = asyncio.create_task(send(meter, TIERS))
    await street.time.advance(0.0)
    assert not task.done()
    street.pacing.configure({"mall": BudgetSettings(per_minute=1e9)})
    await street.time.advance(0.0)
    assert task.done()


async def test_each_address_has_a_budget_of_its_own_and_none_is_named() -> None:
    street = Street()
    for name, config in {
        "a": {},
        "b": {"base_url": "https://api.example.com/"},
        "c": {"proxy": PROXY.format("proxy.example.net")},
        "d": {"proxy": PROXY.format("proxy.example.net").replace("user", "other")},
        "e": {"proxy": PROXY.format("203.0.113.7")},
        "f": {"proxy": PROXY.format("[2001:db8::1]")},
        "g": {"base_url": "https://testnet.example.com"},
        "h": {"base_url": "http://192.0.2.1:8080", "proxy": PROXY.format("proxy.example.net")},
    }.items():
        await street.collect(street.meter(name, **config), ACCOUNT)
    used = {state.address: state.used for state in street.pacing.states()}
    assert used == {
        "direct": 10.0,
        "proxy proxy.example.net": 5.0,
        "proxy proxy.example.net (2)": 5.0,
        "proxy": 5.0,
        "proxy (2)": 5.0,
        "direct to testnet.example.com": 5.0,
        "proxy proxy.example.net to another host": 5.0,
    }


async def test_a_budget_goes_with_the_last_account_that_used_it() -> None:
    street = Street()
    first, second = street.meter("a"), street.meter("b")
    first.close()
    assert len(street.pacing.states()) == 1
    second.close()
    assert street.pacing.states() == []


async def test_budgets_of_signed_and_public_calls_and_of_each_call() -> None:
    each = RequestBudget("calls", (Limit(3.0, 1.0),), signed=True, each_endpoint=True)
    market = RequestBudget("market", (Limit(100.0, 1.0),), signed=False)
    street = Street()
    await street.collect(street.meter("a", each, market), ACCOUNT, MARKS)
    used = {state.budget: state.used / 60.0 for state in street.pacing.states()}
    assert used == {
        "calls /account": pytest.approx(3.0 / 2.0),  # one call of 5, where 3 a second are allowed
        "calls /positions": 0.0,
        "calls /tiers": 0.0,
        "market": 10.0,
    }


async def test_a_budget_of_an_account_is_not_shared_and_not_published() -> None:
    own = RequestBudget("own", (Limit(60.0, 60.0),), scope="account")
    street = Street()
    first, second = (street.meter(name, own, interval="10s") for name in "ab")
    assert first.stretch == second.stretch == 2.0
    assert street.pacing.states() == []
    await street.collect(first, TIERS)
    assert await street.collect(second, TIERS) == 0.0
