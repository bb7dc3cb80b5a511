"""A contract that is listed while the list of contracts is kept: asked for again, not unknown for an hour."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.api import Client
from tests.venues.bench import Call, as_answers, benches, endpoint_of
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue, unpaced

LISTS = {
    "binance_coinm": ("cross position", "/dapi/v1/exchangeInfo"),
    "binance_pm": ("worked example", "/dapi/v1/exchangeInfo"),
    "okx": ("isolated inverse", "/api/v5/public/instruments"),
}
"""By venue, an account with contracts whose size is not in their names, and the call that lists them."""


def renamed(document: Any) -> Any:
    """The same list of others."""
    match document:
        case dict():
            names = {"symbol", "instId", "name"}
            return {key: f"X{one}" if key in names else renamed(one) for key, one in document.items()}
        case list():
            return [renamed(one) for one in document]
        case _:
            return document


@pytest.mark.parametrize("venue", sorted(LISTS))
async def test_a_contract_that_is_new_is_known_within_minutes(venue: str) -> None:
    bench = benches()[venue]
    scenario, path = LISTS[venue]
    documents = bench.documents(scenario)
    of_contracts = [call for call in documents if endpoint_of(call).path == path]
    without: dict[Call, Any] = {call: renamed(documents[call]) for call in of_contracts}
    transport = MemoryTransport(as_answers({**documents, **without}))
    adapter = make_venue(venue, "http://venue.test", bench.config)
    now = NOW

    async with Client(
        QuietObserver(), wall=lambda: now, transport=transport, budgets=unpaced(adapter)
    ) as client:
        api = client.account(adapter)
        before = {one.contract.size for one in (await adapter.fetch(api)).positions}
        assert None in before
        transport.answers = as_answers(documents)
        now += 61.0
        transport.wall = lambda: now
        after = {one.contract.size for one in (await adapter.fetch(api)).positions}
        assert None not in after
