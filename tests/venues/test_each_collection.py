"""What every collection asks for is what the venue declares; what is expected of it is a sum of that."""

from __future__ import annotations

import pytest

from exporter import demo
from exporter.api import Client
from exporter.demo import Market, Server
from exporter.venues import discover
from tests.accounts import FakeClock
from tests.venues.harness import QuietObserver


class Asked(QuietObserver):
    """Keeps which calls were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: set[str] = set()

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:  # noqa: ARG002
        self.labels.add(endpoint)


@pytest.mark.parametrize("name", sorted(demo.discover()))
async def test_what_is_declared_is_asked_each_time_of_every_account(name: str) -> None:
    clock, asked, venue_class = FakeClock(), Asked(), discover()[name]
    async with (
        Server(demo.discover()[name](Market(seed=3), clock=clock)) as server,
        Client(asked, wall=clock) as client,
    ):
        entries = server.simulator.demo_accounts(server.base_url)
        venues = [venue_class(venue_class.config_class.model_validate(entry)) for entry in entries]
        apis = [client.account(venue) for venue in venues]
        for _ in range(4):
            clock.advance(15.0)
            found = []
            for venue, api in zip(venues, apis, strict=True):
                asked.labels.clear()
                await venue.fetch(api)
                found.append(set(asked.labels))
    # Some is asked once for all accounts; modes such as multi-assets mode may need more.
    declared = {endpoint.label for endpoint in venue_class.each_collection}
    assert set.intersection(*found) <= declared <= set.union(*found)


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_call_counts_in_a_request_limit(name: str) -> None:
    venue = discover()[name]
    for endpoint in venue.endpoints:
        assert any(budget.counts(endpoint) for budget in venue.budgets), endpoint.label
    assert set(venue.each_collection) <= set(venue.endpoints)
    names = [budget.name for budget in venue.budgets]
    assert len(set(names)) == len(names)


def test_venues_that_share_a_budget_declare_the_same_one() -> None:
    declared: dict[str, object] = {}
    for venue in discover().values():
        for budget in venue.budgets:
            assert declared.setdefault(budget.name, budget) == budget


def test_what_a_key_may_do_is_asked_by_a_declared_call() -> None:
    asking = {name: venue for name, venue in discover().items() if venue.key_endpoint is not None}
    assert asking.keys() >= {"binance_coinm", "binance_usdm", "bingx"}
    for venue in asking.values():
        assert venue.key_endpoint in venue.endpoints
