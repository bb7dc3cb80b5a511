"""Binance Portfolio Margin Pro: found by itself, and read by its own calls."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.venues._binance_pm import ACCOUNT
from exporter.venues._binance_pm_pro import BALANCE, PRO, SPAN, UM
from tests.accounts import FakeClock
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue, unpaced
from tests.venues.payloads.binance_pm.bench import BENCH, NOT_IN_THAT_MODE
from tests.venues.test_binance_pm import EQUITY, MARGIN

REFUSED = web.json_response(
    {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}, status=401
)


class Asking:
    """One account whose answers a test changes, and what was asked for it."""

    def __init__(self, scenario: str) -> None:
        self.answers = as_answers(BENCH.documents(scenario))
        self.clock = FakeClock(NOW)
        self._venue = make_venue(BENCH.venue, "http://venue.test", BENCH.config)
        self._transport = MemoryTransport(self.answers, BENCH.check, wall=self.clock)
        self.observer = QuietObserver()
        self._client = Client(
            self.observer, wall=self.clock, transport=self._transport, budgets=unpaced(self._venue)
        )
        self._api = self._client.account(self._venue)

    async def collect(self) -> Any:
        return await self._venue.fetch(self._api)

    def asked(self) -> list[str]:
        """The account calls since the last time."""
        accounts = {ACCOUNT.path, PRO.account.path, SPAN.account.path}
        found = [one.path for one in self._transport.asked if one.path in accounts]
        self._transport.asked.clear()
        return found


@pytest.mark.parametrize("refusal", [NOT_IN_THAT_MODE, REFUSED], ids=["another mode", "its key"])
async def test_it_is_found_where_portfolio_margin_refuses_the_account_and_asked_alone_from_then_on(
    refusal: web.Response,
) -> None:
    asking = Asking("worked example in Portfolio Margin Pro")
    asking.answers[ACCOUNT.path] = refusal
    snapshot = await asking.collect()
    (pool,) = assess(snapshot, RiskSettings()).pools
    assert pool.maintenance_margin_rate == pytest.approx(1.05 * MARGIN / EQUITY, rel=1e-12)
    assert [one.symbol for one in snapshot.positions] == ["BTCUSDT", "BTCUSD_PERP"]
    assert snapshot.positions[0].maintenance_margin == 10.0
    assert asking.asked() == [ACCOUNT.path, ACCOUNT.path, PRO.account.path, PRO.account.path]
    await asking.collect()
    assert asking.asked() == [PRO.account.path]


async def test_where_scenarios_find_the_requirement_nothing_is_computed_of_other_prices() -> None:
    asking = Asking("Portfolio Margin Pro by scenarios")
    snapshot = await asking.collect()
    (pool,) = assess(snapshot, RiskSettings()).pools
    assert pool.maintenance_margin_rate == pytest.approx(1.05 * 23.72469206 / 122607.35137903)
    assert (pool.stress, pool.liquidation_shock_down, pool.gross_notional_usd) == ((), None, None)
    assert {one.maintenance_margin for one in snapshot.positions} == {None}
    assert {one.maintenance_tiers for one in snapshot.positions} == {()}
    # What options add to the coin is not told.
    assert [one.equity for one in snapshot.assets] == [None]
    assert asking.asked()[-1] == SPAN.account.path


async def test_an_account_of_that_type_is_never_counted_without_its_options() -> None:
    """Whichever call answers it."""
    typed = {**BENCH.documents("Portfolio Margin Pro")[PRO.account], "accountType": "PM_3"}
    snapshot = await BENCH.snapshot("Portfolio Margin Pro", {PRO.account: typed})
    assert snapshot.pools[0].unlisted


@pytest.mark.parametrize(("refusal", "reason"), [(NOT_IN_THAT_MODE, "unsupported"), (REFUSED, "auth")])
async def test_an_account_that_is_neither_keeps_its_failure_and_is_looked_at_again_in_ten_minutes(
    refusal: web.Response, reason: str
) -> None:
    asking = Asking("Portfolio Margin Pro")
    for endpoint in (ACCOUNT, PRO.account, SPAN.account, BALANCE, UM.positions):
        asking.answers[endpoint.path] = refusal
    expected = [ACCOUNT.path, *(one.path for one in (ACCOUNT, PRO.account, SPAN.account))]
    for moment, paths in ((0.0, expected), (60.0, [ACCOUNT.path]), (601.0, expected)):
        asking.clock.now = NOW + moment
        with pytest.raises(VenueError) as caught:
            await asking.collect()
        assert caught.value.reason == reason
        assert ACCOUNT.path in str(caught.value)
        assert asking.asked() == paths


async def test_an_account_whose_own_calls_fail_for_a_moment_is_found_in_the_next_collection() -> None:
    """A restart while the venue has trouble must not cost ten minutes."""
    asking = Asking("Portfolio Margin Pro")
    answer = asking.answers[PRO.account.path]
    asking.answers[PRO.account.path] = web.Response(status=502)
    asking.answers[SPAN.account.path] = NOT_IN_THAT_MODE
    with pytest.raises(VenueError, match="not in Portfolio Margin mode"):
        await asking.collect()
    assert [error.reason for error in asking.observer.optional_failures] == ["exchange"]
    asking.answers[PRO.account.path] = answer
    asking.clock.now += 15.0
    assert (await asking.collect()).positions


async def test_a_request_limit_is_no_reason_to_ask_elsewhere() -> None:
    asking = Asking("Portfolio Margin Pro")
    asking.answers[ACCOUNT.path] = web.Response(status=429, headers={"Retry-After": "7"})
    with pytest.raises(VenueError) as caught:
        await asking.collect()
    assert caught.value.reason == "rate_limited"
    assert asking.asked() == [ACCOUNT.path]
