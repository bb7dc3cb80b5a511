"""BitTap: what is asked when, and what stops the asking."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from tests.venues.bench import as_answer
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue
from tests.venues.payloads.bittap.bench import (
    CONFIG,
    NAME,
    account_of,
    account_row,
    answers,
    asset,
    document,
    success,
)

OPEN_POSITION = "/ftapi/v1/openPosition"
AT_REST = account_of(assets=[asset(profitUnreal="0", crossedMaintainMargin="0", equities="5", balance="5")])


class Asking:
    """The documented account with some answers changed."""

    def __init__(self, **changed: Any) -> None:
        self.now = NOW
        self.transport = MemoryTransport({})
        self.answer(**changed)
        self.venue = make_venue(NAME, "http://venue.test", CONFIG)
        client = Client(QuietObserver(), wall=lambda: self.now, transport=self.transport)
        self.api = client.account(self.venue)

    def answer(self, **changed: Any) -> None:
        """What is answered from now on; undated, since a test's clock moves on."""
        self.transport.answers = {
            path: web.Response(body=answer) if isinstance(answer, bytes) else answer
            for path, answer in answers(**changed).items()
        }

    async def collect(self) -> list[str]:
        """The paths that one collection asks."""
        self.transport.asked.clear()
        await self.venue.fetch(self.api)
        return [request.path for request in self.transport.asked]


async def test_the_position_call_is_left_out_while_the_account_shows_none() -> None:
    asking = Asking(account=AT_REST, opened=success([]))
    assert OPEN_POSITION in await asking.collect()
    assert await asking.collect() == ["/ftapi/v1/account/info"]
    asking.answer()
    assert OPEN_POSITION in await asking.collect()


@pytest.mark.parametrize(
    "account",
    [
        account_of(account_row()),
        account_of(assets=[asset(profitUnreal="0")]),
        account_of(assets=[asset(crossedMaintainMargin="0")]),
    ],
    ids=["a position", "a requirement", "a PnL"],
)
async def test_it_is_asked_where_the_account_shows_that_there_is_something(account: Any) -> None:
    asking = Asking(account=AT_REST, opened=success([]))
    await asking.collect()
    asking.answer(account=account)
    assert OPEN_POSITION in await asking.collect()


async def test_it_is_asked_where_the_account_does_not_list_positions_at_all() -> None:
    without = document("account_info.json")
    del without["data"]["positions"]
    asking = Asking(account=AT_REST, opened=success([]))
    await asking.collect()
    asking.answer(account=without)
    assert OPEN_POSITION in await asking.collect()
    refused = as_answer(web.json_response({"code": "410006", "msg": "no", "success": False}, status=403))
    asking.answer(account=without, opened=refused)
    with pytest.raises(VenueError, match="`positions` is missing") as caught:
        await asking.collect()
    assert caught.value.reason == "schema"


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (web.Response(status=418), 300.0),
        (web.Response(status=403, body=b"<html>Access denied</html>"), 300.0),
        (web.Response(status=403), 300.0),
        (web.Response(status=429), 10.0),
    ],
    ids=["banned", "a firewall's page", "a firewall's silence", "too many"],
)
async def test_what_shuts_the_address_out_stops_the_asking_though_no_header_says_for_how_long(
    answer: web.Response, pause: float
) -> None:
    asking = Asking(account=answer)
    with pytest.raises(VenueError):
        await asking.collect()
    for later in (1.0, pause - 1.1):
        asking.now = NOW + later
        asking.transport.asked.clear()
        with pytest.raises(VenueError, match="no request is sent for another"):
            await asking.collect()
        assert asking.transport.asked == []
    asking.now = NOW + pause + 0.1
    asking.answer()
    assert len(await asking.collect()) >= 2
