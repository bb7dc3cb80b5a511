"""Deribit: what its figures mean in each margin model."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import PublicPrice, RiskSettings
from exporter.risk import assess
from exporter.venues._deribit import BOOKS, INDEX, POSITIONS, SUMMARIES
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue
from tests.venues.payloads.deribit.bench import (
    CAPTURED,
    CREDENTIALS,
    FLAT,
    check,
    cross_rows,
    document,
    documented,
    future,
    linear,
    option,
    row,
    snapshot_of,
    strangle,
    success,
    summaries,
)

SETTINGS = RiskSettings()


async def test_a_position_that_is_not_understood_is_told_as_not_listed() -> None:
    rows = [future(), future(instrument_name="BTC-FS-19MAY26_PERP", kind="future_combo")]
    snapshot = await snapshot_of({POSITIONS: success(rows)})
    assert [one.symbol for one in snapshot.positions] == ["BTC-PERPETUAL"]
    assert all(pool.unlisted for pool in snapshot.pools)


async def test_coins_that_were_bought_are_in_the_balance_and_no_position() -> None:
    snapshot = await snapshot_of(
        {POSITIONS: success([future(), future(instrument_name="BTC_USDC", kind="Spot")])}
    )
    assert [one.symbol for one in snapshot.positions] == ["BTC-PERPETUAL"]
    assert not any(pool.unlisted for pool in snapshot.pools)


# Futures


async def test_the_documented_position_is_an_amount_of_dollars_and_no_number_of_contracts() -> None:
    """2.15 % of 0.006687487 BTC, and 0.005 % more for each BTC: the rate that the venue took then."""
    snapshot = await snapshot_of({})
    (risk,) = assess(snapshot, SETTINGS).positions
    assert risk.position.quantity == 50.0
    assert risk.notional_usd == pytest.approx(50.0)
    size = 50.0 / 7476.65
    assert risk.maintenance_margin == pytest.approx(0.0215 * size + 0.00005 * size**2, abs=1e-9)
    assert risk.unrealized_pnl == pytest.approx(50.0 * (1 / 7440.18 - 1 / 7476.65), abs=1e-9)


def test_what_the_documented_account_requires_of_its_futures_follows_the_same_rate() -> None:
    """After the next expiry its futures are 32.613978 BTC, and no option is left."""
    told = document("account_summaries.json")["result"]["summaries"][0]
    size = told["projected_delta_total"]
    assert told["projected_maintenance_margin"] == pytest.approx(0.0215 * size + 0.00005 * size**2, abs=1e-7)


async def test_a_linear_future_has_a_size_in_its_base_in_whatever_unit_it_is_printed() -> None:
    for size in (-20.0, -40_010.0):
        snapshot = await snapshot_of({POSITIONS: success([linear(size=size)])}, scenario="segregated")
        (risk,) = assess(snapshot, SETTINGS).positions
        assert (risk.position.side, risk.position.quantity) == ("short", 20.0)
        assert risk.notional_usd == pytest.approx(40_010.0)
    bare = await snapshot_of({POSITIONS: success([linear(size_currency=...)])}, scenario="segregated")
    assert bare.positions[0].quantity == 20.0


async def test_the_venue_s_liquidation_price_counts_in_segregated_standard_margin_alone() -> None:
    prices = {}
    for model in ("segregated_sm", "segregated_pm", "cross_sm", "cross_pm"):
        rows = cross_rows(model) if model.startswith("cross") else [strangle(model)]
        answers = {SUMMARIES: summaries(*rows), POSITIONS: success([future()])}
        prices[model] = (await snapshot_of(answers)).positions[0].liquidation_price
    assert prices == {"segregated_sm": 1.74, "segregated_pm": None, "cross_sm": None, "cross_pm": None}


# Pools


async def test_each_currency_is_a_pool_in_the_segregated_models() -> None:
    pools = {pool.currency: pool for pool in (await snapshot_of({})).pools}
    assert list(pools) == ["BTC", "ETH"]
    assert pools["BTC"].margin_equity == 302.62729214
    assert pools["BTC"].equity == 302.61869214
    rates = [one.maintenance_margin_rate for one in assess(await snapshot_of({}), SETTINGS).pools]
    assert rates == [pytest.approx(0.8857841 / 302.62729214), 0.0]


async def test_rows_of_the_cross_models_are_never_added_up() -> None:
    snapshot = await snapshot_of({}, scenario="cross portfolio")
    (pool,) = assess(snapshot, SETTINGS).pools
    assert pool.equity == pool.margin_equity == 25.710502678
    assert pool.maintenance_margin_rate == pytest.approx(0.2671726792 / 25.710502678)
    # Each row is the same account: 3.29e-06 of 3.1639e-04 BTC.
    assert pool.maintenance_margin_rate == pytest.approx(3.29e-06 / 3.1639e-04, rel=1e-3)
    assert {one.asset: one.equity for one in snapshot.assets} == {
        "BTC": 2.288e-05,
        "USDT": 23.61869,
        "ETH": 8.6e-05,
    }
    assert sum(one.equity * snapshot.prices[one.asset] for one in snapshot.assets if one.equity) == (
        pytest.approx(25.710502678, rel=2e-3)
    )


async def test_the_captured_account_s_dollars_are_what_the_venue_counts() -> None:
    """55.00055 USDT are 54.924283065 USD: at 0.9992, and after what the venue takes off."""
    snapshot = await snapshot_of({SUMMARIES: summaries(CAPTURED), POSITIONS: FLAT})
    (pool,) = snapshot.pools
    assert snapshot.prices["USDT"] == pytest.approx(0.9992, rel=1e-7)
    assert (pool.equity, pool.margin_equity) == (54.924283065, 54.924283065)
    assert pool.available_balance == pytest.approx(53.868247 * 0.9992, rel=1e-7)


@pytest.mark.parametrize(
    ("total", "own", "price"),
    [(2.0, 4.0, 0.5), (0.9, 1.8, None), (-2.0, 4.0, None), (-2.0, -4.0, 0.5), (2.0, 0.0, None)],
)
async def test_a_price_is_made_of_totals_that_are_large_enough_and_of_one_sign(
    total: float, own: float, price: float | None
) -> None:
    held = CAPTURED | {"margin_balance": own, "total_margin_balance_usd": total}
    snapshot = await snapshot_of({SUMMARIES: summaries(held), POSITIONS: FLAT})
    assert snapshot.prices.get("USDT") == price


async def test_where_more_is_required_than_there_is_nothing_is_available() -> None:
    held = CAPTURED | {"total_initial_margin_usd": 60.0}
    (pool,) = (await snapshot_of({SUMMARIES: summaries(held), POSITIONS: FLAT})).pools
    assert pool.available_balance == 0.0


async def test_a_position_without_a_kind_is_no_answer() -> None:
    with pytest.raises(VenueError, match="`kind` is empty"):
        await snapshot_of({POSITIONS: success([future(kind="")])})


@pytest.mark.parametrize("field", ["total_margin_balance_usd", "total_maintenance_margin_usd"])
async def test_totals_that_are_missing_are_told_and_not_made_of_rows(field: str) -> None:
    rows = [{**one, field: None} for one in cross_rows("cross_sm")]
    with pytest.raises(VenueError, match=field) as caught:
        await snapshot_of({SUMMARIES: summaries(*rows)})
    assert caught.value.reason == "schema"


@pytest.mark.parametrize(
    ("rows", "reason", "text"),
    [
        ([row("BTC", "cross_um")], "unsupported", "none of those that are known here"),
        ([row("BTC", "cross_sm"), row("ETH", "segregated_sm")], "schema", "2 values in one account"),
        ([], "schema", "0 values in one account"),
    ],
)
async def test_a_margin_model_that_is_not_plain_is_told(rows: list[Any], reason: str, text: str) -> None:
    with pytest.raises(VenueError, match=text) as caught:
        await snapshot_of({SUMMARIES: summaries(*rows)})
    assert caught.value.reason == reason
    assert SUMMARIES.label in str(caught.value)


async def test_a_requirement_of_nothing_beside_positions_that_require_something_is_unknown() -> None:
    for rows, expected in (([option()], None), ([option(direction="buy", size=10.0)], 0.0), ([], 0.0)):
        answers = {
            SUMMARIES: summaries(strangle("segregated_sm") | {"maintenance_margin": 0.0}),
            POSITIONS: success(rows),
        }
        assert (await snapshot_of(answers)).pools[0].maintenance_margin == expected


async def test_prices_are_those_of_positions_of_totals_and_else_of_an_index() -> None:
    held = summaries(row("SOL", "segregated_sm", equity=3.0), row("USDC", "segregated_sm", equity=1.0))
    answers = {
        SUMMARIES: held,
        POSITIONS: FLAT,
        (INDEX, "sol_usdc"): success({"index_price": 150.5}),
    }
    assert (await snapshot_of(answers)).prices == {"SOL": 150.5}
    prices = (await snapshot_of({SUMMARIES: documented(equity=1.0)})).prices
    assert prices == {"BTC": 7466.79, "ETH": 2001.0}
    assert (await snapshot_of({}, scenario="cross")).prices == {
        "BTC": 36_950.0,
        "USDC": 1.0,
        "ETH": 2001.0,
    }
    held = summaries(CAPTURED)
    in_tether = linear(instrument_name="ETH_USDT-PERPETUAL", index_price=2000.0)
    prices = (await snapshot_of({SUMMARIES: held, POSITIONS: success([in_tether])})).prices
    assert prices["ETH"] == pytest.approx(2000.0 * 0.9992, rel=1e-7)
    in_euro = linear(instrument_name="ETH_EURR-PERPETUAL", index_price=1800.0)
    assert "ETH" not in (await snapshot_of({SUMMARIES: held, POSITIONS: success([in_euro])})).prices
    observer = QuietObserver()
    snapshot = await snapshot_of({**answers, (INDEX, "sol_usdc"): success({})}, observer=observer)
    assert snapshot.prices == {}
    assert "`index_price` is missing" in observer.optional_failures[0].message


async def test_marks_are_those_of_futures_and_coins_those_of_the_indices_of_perpetuals() -> None:
    answers: dict[Any, Any] = {
        (BOOKS, f"currency={coin}"): success([]) for coin in ("BTC", "ETH", "USDC", "USDT")
    }
    answers[BOOKS, "currency=BTC"] = document("book_summary_futures.json")
    answers[BOOKS, "currency=USDC"] = success(
        [
            {"instrument_name": "ETH_USDC-29DEC23", "mark_price": 2020.5, "estimated_delivery_price": 2019.0},
            {
                "instrument_name": "ETH_USDC-PERPETUAL",
                "mark_price": 2000.5,
                "estimated_delivery_price": 2001.0,
            },
            {"instrument_name": "BTC_USDC-PERPETUAL", "estimated_delivery_price": 36_990.0},
        ]
    )
    venue = make_venue("deribit", "http://venue.test", CREDENTIALS)
    async with Client(
        QuietObserver(), wall=lambda: NOW, transport=MemoryTransport(as_answers(answers), check)
    ) as client:
        marks = await venue.marks(client.account(venue, only=venue.marks_endpoint))
    assert marks.symbols == {
        "BTC-PERPETUAL": PublicPrice(37_003.5, NOW),
        "ETH_USDC-29DEC23": PublicPrice(2020.5, NOW),
        "ETH_USDC-PERPETUAL": PublicPrice(2000.5, NOW),
    }
    assert marks.coins == {
        "BTC": PublicPrice(37_000.0, NOW),
        "ETH": PublicPrice(2001.0, NOW, "USDC"),
    }
