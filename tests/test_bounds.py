"""One account cannot take the page from all the others."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.bounds import MOST_CHARACTERS, MOST_ROWS, bounded
from exporter.errors import VenueError
from exporter.exposition import Format
from exporter.model import AccountSnapshot, Asset, Contract, MarginPool
from tests.accounts import position, snapshot
from tests.desk import Desk

LONG = "A" * (MOST_CHARACTERS + 1)
FITS = "A" * MOST_CHARACTERS


def contract(base: str = "BTC", quote: str = "USDT", settle: str = "USDT") -> Contract:
    return Contract("linear", 1.0, base, quote, settle)


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        ("symbol", lambda name: snapshot(position(name))),
        ("coin", lambda name: snapshot(position(contract=contract(base=name)))),
        ("coin", lambda name: snapshot(position(contract=contract(quote=name)))),
        ("coin", lambda name: snapshot(position(contract=contract(settle=name)))),
        ("coin", lambda name: snapshot(position(pool_currency=name))),
        ("id of a position", lambda name: snapshot(position(position_id=name))),
        ("coin", lambda name: snapshot(pools=(MarginPool(currency=name),))),
        ("coin", lambda name: snapshot(assets=(Asset(asset=name),))),
        ("coin", lambda name: snapshot(assets=(Asset(asset="BTC", pool_currency=name),))),
        ("mode", lambda name: snapshot(modes={"position_mode": name})),
        ("mode", lambda name: snapshot(modes={name: "hedge"})),
    ],
)
def test_a_name_that_is_none_is_a_schema_error_that_shows_its_beginning(kind: str, build: Any) -> None:
    assert bounded(build(FITS)) == build(FITS)
    text = f"the {kind} that begins with '{'A' * 16}' has 65 characters"
    with pytest.raises(VenueError, match=text) as caught:
        bounded(build(LONG))
    assert caught.value.reason == "schema"


@pytest.mark.parametrize(
    ("kind", "build"),
    [
        ("positions", lambda count: snapshot(*(position(str(number)) for number in range(count)))),
        ("pools", lambda count: snapshot(pools=tuple(MarginPool(currency=str(n)) for n in range(count)))),
        ("coins", lambda count: snapshot(assets=tuple(Asset(asset=str(n)) for n in range(count)))),
    ],
)
def test_more_rows_than_anybody_holds_are_a_schema_error(kind: str, build: Any) -> None:
    bounded(build(MOST_ROWS))
    with pytest.raises(VenueError, match=f"the venue gives 2001 {kind}; more than 2000") as caught:
        bounded(build(MOST_ROWS + 1))
    assert caught.value.reason == "schema"


async def test_two_thousand_positions_with_symbols_of_ten_kilobytes_make_no_page_of_257_megabytes() -> None:
    desk = Desk()
    before = len(desk.store.page(Format.TEXT_0_0_4))
    said: AccountSnapshot = snapshot(*(position(f"{number:010000}") for number in range(2000)))
    desk.venue.says(said)
    await desk.collect()
    assert desk.errors("schema") == 1.0
    assert desk.meta("risk_up") == 0.0
    assert len(desk.store.page(Format.TEXT_0_0_4)) < 2 * before
    assert "10000 characters" in desk.collector_.status().message
