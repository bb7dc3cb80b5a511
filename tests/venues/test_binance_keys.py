"""What a Binance key may do, as the venue tells it in one way or another, and where it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import KeyRights
from exporter.venues import discover
from tests.venues.harness import (
    NOW,
    Answer,
    MemoryTransport,
    QuietObserver,
    decoded,
    make_venue,
    payload,
    rights_of,
)
from tests.venues.payloads.binance_usdm.bench import CONFIG, check

PATH = "/sapi/v1/account/apiRestrictions"
DOCUMENTED = decoded(payload("binance_usdm", "api_restrictions.json"))
NOTHING = {name: False for name, value in DOCUMENTED.items() if isinstance(value, bool)}
READ_ONLY = KeyRights(read=True, trade=False, transfer=False, withdraw=False, ip_restricted=False)


async def told(changed: Mapping[str, Any] = MappingProxyType({}), venue: str = "binance_usdm") -> KeyRights:
    """The rights that a read-only key has with some fields changed; `...` takes one away."""
    fields = {**NOTHING, "enableReading": True, **changed}
    document = {name: value for name, value in fields.items() if value is not ...}
    return await rights_of(venue, PATH, document, config=CONFIG, check=check)


@pytest.mark.parametrize("venue", ["binance_usdm", "binance_coinm", "binance_pm"])
async def test_the_documented_answer(venue: str) -> None:
    """Its right to trade has an end, the key has none."""
    assert await told(DOCUMENTED, venue) == KeyRights(
        read=True, trade=True, transfer=True, withdraw=False, ip_restricted=False
    )
    assert await told(venue=venue) == READ_ONLY


@pytest.mark.parametrize(
    ("field", "right"),
    [
        ("enableSpotAndMarginTrading", "trade"),
        ("enableFutures", "trade"),
        ("enableMargin", "trade"),
        ("enableVanillaOptions", "trade"),
        ("enablePortfolioMarginTrading", "trade"),
        ("enableFixApiTrade", "trade"),
        ("enableInternalTransfer", "transfer"),
        ("permitsUniversalTransfer", "transfer"),
        ("enableWithdrawals", "withdraw"),
    ],
)
async def test_each_right_is_seen_however_it_is_written(field: str, right: str) -> None:
    for yes in (True, "true", "TRUE", 1, "1"):
        rights = await told({field: yes})
        assert [name for name in ("trade", "transfer", "withdraw") if getattr(rights, name)] == [right]
    for no in (False, "false", 0, "0"):
        assert await told({field: no}) == READ_ONLY


async def test_what_is_not_told_is_not_known() -> None:
    assert (await told({"enableWithdrawals": ...})).withdraw is None
    assert (await told({"enableWithdrawals": None})).withdraw is None
    assert (await told({"enableWithdrawals": ""})).withdraw is None
    assert (await told({"enableFutures": ...})).trade is None
    assert (await told({"enableFutures": ..., "enableSpotAndMarginTrading": True})).trade is True
    assert (await told({"enableFixApiTrade": ..., "enablePortfolioMarginTrading": ...})).trade is False
    assert (await told({"permitsUniversalTransfer": ...})).transfer is None
    with pytest.raises(VenueError, match="says nothing of what the key may do"):
        await told(dict.fromkeys([*NOTHING, "enableReading"], ...))


@pytest.mark.parametrize("odd", ["maybe", 2, -1, [], {}, 0.5])
async def test_what_is_no_truth_value_is_a_schema_error(odd: object) -> None:
    with pytest.raises(VenueError) as caught:
        await told({"enableWithdrawals": odd})
    assert caught.value.reason == "schema"
    assert "enableWithdrawals" in caught.value.message or "$.enableWithdrawals" in caught.value.message


async def test_it_is_asked_at_the_spot_host_unless_another_host_stands_for_all() -> None:
    for venue in ("binance_usdm", "binance_coinm"):
        own = discover()[venue].base_url
        assert own is not None
        hosts = {own: "https://api.binance.com", f"{own}/": "https://api.binance.com"}
        for base_url, host in {**hosts, "https://demo.example.com": "https://demo.example.com"}.items():
            urls: list[str] = []

            class Noted(MemoryTransport):
                async def send(self, method: str, url: str, **given: Any) -> Any:
                    urls.append(url)  # noqa: B023 (called inside the loop)
                    return await super().send(method, url, **given)

            transport = Noted({PATH: payload("binance_usdm", "api_restrictions.json")}, check)
            adapter = make_venue(venue, base_url, CONFIG)
            async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
                await adapter.key_rights(client.account(adapter))
            assert [url.partition("/sapi/")[0] for url in urls] == [host]


@pytest.mark.parametrize("status", [418, 429, 403])
async def test_a_limit_there_closes_no_other_call(status: int) -> None:
    """Nor is it asked again before the limit has ended."""
    answers: dict[str, Answer] = {
        PATH: web.Response(status=status, body=b"<html>"),
        "/fapi/v1/time": b'{"serverTime": 1}',
    }
    transport = MemoryTransport(answers)
    adapter = make_venue("binance_usdm", "https://fapi.binance.com", CONFIG)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        api = client.account(adapter)
        for _ in range(2):
            with pytest.raises(VenueError):
                await adapter.key_rights(api)
        assert await adapter.server_time(api) is not None
    assert [asked.path for asked in transport.asked] == [PATH, "/fapi/v1/time"]


async def test_it_counts_in_a_limit_of_its_own() -> None:
    transport = MemoryTransport({PATH: payload("binance_usdm", "api_restrictions.json")}, check)
    adapter = make_venue("binance_usdm", "https://fapi.binance.com", CONFIG)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        await adapter.key_rights(client.account(adapter))
        used = {
            state.budget: state.used
            for state in client.pacing.states()
            if state.used or "/" not in state.budget
        }
    assert used == {"binance": 0.0, f"binance_sapi {PATH}": 1.0}
