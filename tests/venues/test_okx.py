"""OKX: what its figures mean at each level of account."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import Contract, PublicPrice, RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._okx import (
    BALANCE,
    CONFIG,
    INSTRUMENTS,
    MARKS,
    POSITIONS,
    TIERS,
    Charge,
    Instrument,
    charge_of,
    contract_of,
)
from tests.venues.bench import as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue
from tests.venues.payloads.okx.bench import (
    CHZ_TIERS,
    CREDENTIALS,
    CROSS_COIN,
    OPTION,
    balance,
    check,
    coin,
    config,
    document,
    inverse,
    isolated,
    linear,
    snapshot_of,
    success,
)

SETTINGS = RiskSettings()


# What is required


async def test_the_ratio_of_the_documented_account_is_explained_to_all_digits() -> None:
    """Its equity over maintenance margin and 0.05 % of the notional is 143682.59776662575."""
    (pool,) = assess(await snapshot_of({}), SETTINGS).pools
    assert pool.closing_fees == pytest.approx(85.7068529 * 0.0005, rel=1e-9)
    assert pool.maintenance_margin_rate == pytest.approx(1 / 143682.59776662575, rel=1e-12)


@pytest.mark.parametrize("known", [True, False])
async def test_what_is_not_told_of_contracts_leaves_the_venue_s_rate_as_it_is(known: bool) -> None:
    """Without the size of a contract nobody knows the fee: it stays in the requirement."""
    answers: dict[Any, Any] = {} if known else {INSTRUMENTS: success()}
    (pool,) = assess(await snapshot_of(answers), SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(1 / 143682.59776662575, rel=1e-12)
    for row in (isolated(), inverse()):
        (one,) = assess(await snapshot_of({**answers, POSITIONS: success(row)}), SETTINGS).positions
        assert one.maintenance_margin_rate == pytest.approx(1 / float(row["mgnRatio"]), rel=1e-9)


@pytest.mark.parametrize(
    ("ratio", "exact", "unlisted", "expected"),
    [
        (100 / 6.5, True, False, Charge(6.0, 100.0, 0.0005)),  # the fee that everybody pays
        (100 / 6.3, True, False, Charge(6.0, 100.0, 0.0003)),  # an account with a discount
        (100 / 8.0, True, False, Charge(7.5, 100.0, 0.0005)),  # a loan, an order
        (90 / 6.5, False, False, Charge(6.0, 90.0, 0.0005)),  # orders take 10 of what backs it
        (100 / 8.0, False, True, Charge(7.5, 100.0, 0.0005)),  # an option
        (100 / 6.1, False, True, Charge(6.0, 100.0, 0.0001)),
        (100 / 5.0, True, False, Charge(6.0, 130.0, 0.0005)),  # figures of two moments: the ratio decides
        (None, True, False, Charge(6.0, 100.0, 0.0005)),
        (-0.5, True, False, Charge(6.0, 100.0, 0.0005)),
    ],
)
def test_what_a_ratio_says_of_its_parts(
    ratio: float | None, exact: bool, unlisted: bool, expected: Charge
) -> None:
    found = charge_of(100.0, ratio, 6.0, 1000.0, exact=exact, unlisted=unlisted)
    assert found.maintenance_margin == pytest.approx(expected.maintenance_margin)
    assert found.margin_equity == pytest.approx(expected.margin_equity)
    assert found.fee_rate == pytest.approx(expected.fee_rate)
    if ratio is not None and ratio > 0.0:
        assert found.margin_equity is not None
        requirement = (found.maintenance_margin or 0.0) + found.fee_rate * 1000.0
        assert found.margin_equity / requirement == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("rows", "rates"),
    [
        ([("5000", "long", "cross")], [0.01]),
        ([("7500", "long", "cross")], [0.015]),
        ([("7501", "short", "cross")], [0.02]),
        ([("99000", "long", "cross")], [0.02]),
        ([("4000", "long", "cross"), ("3000", "short", "cross")], [0.015, 0.015]),
        ([("4000", "long", "isolated"), ("3000", "short", "isolated")], [0.01, 0.01]),
        ([("4000", "long", "cross"), ("3000", "short", "isolated")], [0.01, 0.01]),
    ],
)
async def test_all_of_a_position_is_at_the_rate_of_its_tier_at_any_price(
    rows: list[tuple[str, str, str]], rates: list[float]
) -> None:
    """As announced for CHZ-USDT-SWAP; longs and shorts that one pool backs reach a tier together."""
    given = [
        linear(pos=size, posSide=side, mgnMode=mode, mmr="", margin="100", mgnRatio="")
        for size, side, mode in rows
    ]
    answers = {TIERS: CHZ_TIERS, POSITIONS: success(*given), BALANCE: balance(mmr="", mgnRatio="")}
    risk = assess(await snapshot_of(answers), SETTINGS)
    for one, rate, (size, _, _) in zip(risk.positions, rates, rows, strict=True):
        assert one.maintenance_margin == pytest.approx(float(size) * 0.01 * 42865 * rate)
        assert one.position.largest_notional == pytest.approx(15_000 * 0.01 * 42865)


# Liquidation prices


async def test_the_captured_liquidation_price_is_one_tick_from_the_computed_one() -> None:
    snapshot = await snapshot_of({}, scenario="isolated inverse")
    ((_, price),) = computed_liquidation_prices(snapshot, SETTINGS)
    assert price == pytest.approx(100 * 1.0045 / (0.0003611412062116 + 100 / 92300), rel=1e-9)
    assert price == pytest.approx(69536.6125 - 0.1, abs=1e-3)


@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("kind", ["linear", "inverse"])
async def test_isolated_liquidation_prices(kind: str, side: str) -> None:
    """As the venue's help page has them, the fee of closing beside the maintenance margin."""
    sign, entry, margin, required = (1 if side == "long" else -1), 60_000.0, 0.004, 0.0045
    if kind == "linear":
        margin *= 60_000.0
        expected = (0.02 * entry - sign * margin) / (0.02 * (1 - sign * required))
        pnl, row = sign * 0.02 * (60_500 - entry), isolated(pos="2")
    else:
        expected = 1200 * (1 + sign * required) / (1200 / entry + sign * margin)
        pnl, row = sign * 1200 * (1 / entry - 1 / 60_500), inverse(pos="12")
    told = {"avgPx": str(entry), "markPx": "60500", "margin": str(margin), "upl": f"{pnl:.15f}"}
    told |= {"liqPx": "", "mmr": "", "mgnRatio": "", "posSide": side}
    snapshot = await snapshot_of({CONFIG: config(2), POSITIONS: success({**row, **told})})
    ((_, price),) = computed_liquidation_prices(snapshot, SETTINGS)
    assert price == pytest.approx(expected, rel=1e-9)


# Levels and kinds


@pytest.mark.parametrize(
    ("symbol", "fields", "expected"),
    [
        ("BTC-USDT-SWAP", ("linear", 0.01, 1.0, "BTC", "USDT"), ("linear", 0.01, "BTC", "USDT", "USDT")),
        ("BTC-USD-SWAP", ("inverse", 100.0, 1.0, "USD", "BTC"), ("inverse", 100.0, "BTC", "USD", "BTC")),
        ("BTC-USD-261225", ("inverse", 100.0, 0.01, "USD", "BTC"), ("inverse", 1.0, "BTC", "USD", "BTC")),
        ("BTC-USD_UM-SWAP", ("linear", 0.01, 2.0, "BTC", "USDC"), ("linear", 0.02, "BTC", "USD", "USDC")),
        ("BTC-USDT-SWAP", ("linear", 10.0, 1.0, "USDT", "USDT"), ("linear", None, "BTC", "USDT", "USDT")),
        ("BTC-USD-SWAP", None, ("inverse", None, "BTC", "USD", "BTC")),
        ("ETH-USDC-SWAP", None, ("linear", None, "ETH", "USDC", "USDC")),
    ],
)
def test_what_a_contract_is_worth(symbol: str, fields: Any, expected: Any) -> None:
    """Value times multiplier; base and quote are those of the family."""
    instrument = None
    if fields is not None:
        kind, value, multiplier, unit, settle = fields
        instrument = Instrument(symbol, kind, value, multiplier, unit, settle)
    settle = expected[4] if fields is None else fields[4]
    assert contract_of(symbol, settle, instrument) == Contract(*expected)


async def test_in_futures_mode_each_currency_is_a_pool_and_its_orders_take_from_it() -> None:
    """The account's figures are empty. What a sell order takes is told by the ratio alone."""
    rows = (CROSS_COIN, coin(ccy="BTC", eq="1", cashBal="1", eqUsd="60000", isoUpl="0", upl="0", isoEq="0"))
    answers = {
        CONFIG: config(2),
        BALANCE: balance("balance_futures.json", *({**row, "mgnRatio": "1500"} for row in rows[:1]), rows[1]),
        POSITIONS: success(linear()),
    }
    usdt, bitcoin = (await snapshot_of(answers)).pools
    assert (usdt.currency, bitcoin.currency, bitcoin.equity) == ("USDT", "BTC", 1.0)
    assert usdt.margin_equity == pytest.approx(1500 * (0.34292 + 85.73 * 0.0005))
    assert usdt.venue_margin_rate == pytest.approx(1 / 1500)


@pytest.mark.parametrize("row", [OPTION, {**OPTION, "instType": "MARGIN", "instId": "BTC-USDT", "pos": "3"}])
async def test_what_is_not_listed_counts_in_its_pool_and_apart_it_is_unsupported(row: Any) -> None:
    (pool,) = (await snapshot_of({POSITIONS: success(linear(), row)})).pools
    assert pool.unlisted
    answers = {
        CONFIG: config(2),
        BALANCE: balance("balance_futures.json", CROSS_COIN, coin(ccy="BTC")),
        POSITIONS: success(linear(), row),
    }
    assert [one.unlisted for one in (await snapshot_of(answers)).pools] == [False, True]
    with pytest.raises(VenueError) as caught:
        await snapshot_of({POSITIONS: success({**row, "mgnMode": "isolated"})})
    assert caught.value.reason == "unsupported"
    bought = {**OPTION, "mgnMode": "isolated", "pos": "1"}
    assert (await snapshot_of({POSITIONS: success(bought)})).pools[0].unlisted


async def test_a_level_that_is_not_known_is_told() -> None:
    with pytest.raises(VenueError, match="accounts of level 5 are not known here"):
        await snapshot_of({CONFIG: config(5)})


async def test_coins_that_are_no_collateral_count_nothing_and_netted_positions_have_a_sign() -> None:
    held = [
        {**document("balance_multi.json")["data"][0]["details"][0], "eq": "2", "eqUsd": "8", "disEq": "6"},
        coin(ccy="OKB", eq="3", eqUsd="150", disEq="0"),
    ]
    rows = success(linear(posSide="net", pos="-0.2", upl="7.5456"))
    snapshot = await snapshot_of({BALANCE: balance("balance_multi.json", *held), POSITIONS: rows})
    prices = [(one.collateral_price_usd, one.debt_price_usd) for one in snapshot.assets]
    assert prices == [(3.0, 4.0), (0.0, 50.0)]
    assert (snapshot.positions[0].side, snapshot.positions[0].quantity) == ("short", 0.2)


async def test_marks_are_those_of_swaps_and_futures_and_coins_those_of_spot_pairs() -> None:
    prices = {"BTC-USDT": "60000", "BTC-USD": "59990", "BTC-USDC": "1", "ETH-USDT": "3000", "SOL-USDT": ""}
    pairs = success(*({"instId": name, "markPx": price} for name, price in prices.items()))
    answers: dict[Any, Any] = {
        (MARKS, "instType=SWAP"): document("mark_price.json"),
        (MARKS, "instType=FUTURES"): success(),
        (MARKS, "instType=MARGIN"): pairs,
    }
    venue = make_venue("okx", "http://venue.test", CREDENTIALS)
    transport = MemoryTransport(as_answers(answers), check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        marks = await venue.marks(client.account(venue, only=venue.marks_endpoint))
    assert marks.symbols == {"BTC-USDT-SWAP": PublicPrice(84660.1, NOW)}
    assert marks.coins == {"BTC": PublicPrice(59990.0, NOW), "ETH": PublicPrice(3000.0, NOW, "USDT")}
