"""Gate: what its figures mean in each mode."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.errors import VenueError
from exporter.model import Contract, RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._gate import (
    ACCOUNT,
    DISCOUNTS,
    POSITIONS,
    TIERS,
    UNIFIED,
    ContractRow,
    PositionRow,
    contract_of,
    turned,
)
from tests.venues.bench import row_with
from tests.venues.payloads.gate.bench import (
    BITCOIN,
    EVOLVED,
    IN_MULTI,
    IN_SINGLE,
    INVERSE,
    NONE_YET,
    SINGLE,
    USDT,
    ZTX,
    account,
    classic,
    document,
    short,
    snapshot_of,
)

SETTINGS = RiskSettings()


# What is required


async def test_the_captured_margin_has_the_fee_of_closing_in_it() -> None:
    """342.9974 x (0.8333 % + 0.075 %) = 3.1154453842, to all digits."""
    assert float(short()["maintenance_margin"]) == pytest.approx(342.9974 * (0.008333 + 0.00075), rel=1e-12)
    bare = short(maintenance_margin="0")
    snapshot = await snapshot_of({**EVOLVED, (POSITIONS, USDT): [bare]})
    assert snapshot.positions[0].maintenance_margin == pytest.approx(3.1154453842, rel=1e-12)


@pytest.mark.parametrize(
    ("row", "flag", "expected"),
    [
        (ZTX, True, 830 + 45.0),  # by its tiers: 60000 x 2 % - 370
        (ZTX, None, 830 + 45.0),
        (ZTX, False, 60000 * (0.02 + 0.00075)),  # the older rule: all of it at the rate of its tier
        (row_with(ZTX, average_maintenance_rate="0.03"), True, 60000 * (0.03 + 0.00075)),  # not its tiers
        (row_with(ZTX, average_maintenance_rate=...), None, 60000 * (0.02 + 0.00075)),
        (row_with(ZTX, maintenance_margin="900"), True, 900.0),
    ],
)
async def test_what_is_required_where_the_venue_prints_it_and_where_it_does_not(
    row: Any, flag: bool | None, expected: float
) -> None:
    answers = {
        (ACCOUNT, USDT): account(enable_tiered_mm=flag),
        (POSITIONS, USDT): [row],
        (TIERS, USDT): "risk_limit_tiers.json",
    }
    (one,) = (await snapshot_of(answers)).positions
    assert one.maintenance_margin == pytest.approx(expected)
    assert one.contract.size == pytest.approx(100.0)  # by its value: it is not in the list of contracts


@pytest.mark.parametrize("printed", ["1.5577226921", "0"])
async def test_of_a_hedge_only_the_larger_side_requires_margin(printed: str) -> None:
    rows = [short(), row_with(EVOLVED[POSITIONS, USDT][1], maintenance_margin=printed)]
    risk = assess(await snapshot_of({**EVOLVED, (POSITIONS, USDT): rows}), SETTINGS)
    assert [one.maintenance_margin for one in risk.positions] == [3.1154453842, 0.0]
    assert risk.pools[0].maintenance_margin == 3.1154453842


async def test_both_sides_of_a_hedge_require_margin_where_the_venue_s_total_has_both() -> None:
    both = 3.1154453842 + 1.5577226921
    evolved = row_with(EVOLVED[ACCOUNT, USDT], cross_maintenance_margin=str(both))
    snapshot = await snapshot_of({**EVOLVED, (ACCOUNT, USDT): evolved})
    assert [one.maintenance_margin for one in snapshot.positions] == [3.1154453842, 1.5577226921]


# Liquidation prices


async def test_the_captured_liquidation_prices_are_the_computed_ones() -> None:
    """LTC to 0.005; both sides of a hedge have one."""
    ((_, price),) = computed_liquidation_prices(await snapshot_of({}), SETTINGS)
    assert price == pytest.approx(60.07, abs=0.005)
    assert price == pytest.approx((7.435 - 1.49257625) / (0.1 * (1 - 0.01 - 0.00075)), rel=1e-9)
    found = computed_liquidation_prices(await snapshot_of(EVOLVED), SETTINGS)
    assert [price for _, price in found] == [pytest.approx(152.873, abs=0.0005)] * 2


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("kind", ["linear", "inverse"])
async def test_isolated_liquidation_prices(kind: str, side: int) -> None:
    """As the venue's support has them: (E -+ margin / size) / (1 -+ (rate + fee)), and its inverse twin."""
    entry, mark, required = 60_000.0, 60_500.0, 0.005 + 0.00075
    bare = {"liq_price": "0", "entry_price": str(entry), "mark_price": str(mark), "maintenance_rate": "0.005"}
    bare |= {"average_maintenance_rate": "0.005", "leverage": "10"}
    if kind == "linear":
        size, margin = 0.02, 120.0
        expected = (entry - side * margin / size) / (1 - side * required)
        row = classic(contract="BTC_USDT", size=str(side * 200), value=str(size * mark), margin="120", **bare)
        row["unrealised_pnl"] = str(side * size * (mark - entry))
        answers: dict[Any, Any] = {(POSITIONS, USDT): [row]}
    else:
        size, margin = 1200.0, 0.002
        expected = size * entry * (1 + side * required) / (size + side * margin * entry)
        row = row_with(INVERSE, size=str(side * 1200), value=str(size / mark), margin="0.002", **bare)
        row["unrealised_pnl"] = f"{side * size * (1 / entry - 1 / mark):.15f}"
        answers = {
            (ACCOUNT, BITCOIN): account(total="1"),
            (POSITIONS, BITCOIN): [row],
            (ACCOUNT, USDT): NONE_YET,
        }
    ((_, price),) = computed_liquidation_prices(await snapshot_of(answers), SETTINGS)
    assert price == pytest.approx(expected, rel=1e-9)


# Contracts


@pytest.mark.parametrize(
    ("symbol", "settle", "told", "value", "expected"),
    [
        ("BTC_USDT", "USDT", "0.0001", "6.1", ("linear", 0.0001, "BTC", "USDT", "USDT")),
        ("BTC_USDT", "USDT", "0.0001", "", ("linear", 0.0001, "BTC", "USDT", "USDT")),
        ("BTC_USDT", "USDT", None, "6.1", ("linear", 0.0001, "BTC", "USDT", "USDT")),
        ("BTC_USDT", "USDT", "0.001", "6.1", ("linear", None, "BTC", "USDT", "USDT")),  # they contradict
        ("BTC_USD", "BTC", "0", str(1 / 61000), ("inverse", 1.0, "BTC", "USD", "BTC")),
        ("BTC_USD", "BTC", None, str(100 / 61000), ("inverse", None, "BTC", "USD", "BTC")),
        ("ETH_USD", "BTC", "0.000001", "0.061", ("linear", None, "ETH", "USD", "BTC")),  # a quanto
    ],
)
def test_what_a_contract_is_worth(
    symbol: str, settle: str, told: str | None, value: str, expected: Any
) -> None:
    row = PositionRow(symbol, 1.0, leverage=0.0, mark_price=61000.0, value=float(value) if value else None)
    listing = None if told is None else ContractRow(symbol, quanto_multiplier=float(told) or None)
    kind, size, base, quote, coin = expected
    found = contract_of(row, settle, listing)
    assert found.size is None if size is None else found.size == pytest.approx(size)
    assert found == Contract(kind, found.size, base, quote, coin)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": "0.5"}, ("long", 0.5, "isolated", 5.0, 0.2)),
        ({"size": -3, "adl_ranking": 1}, ("short", 3.0, "isolated", 5.0, 1.0)),
        ({"leverage": "0", "adl_ranking": 6}, ("long", 1.0, "cross", 1.0, None)),
        (
            {"leverage": "0", "pos_margin_mode": "isolated", "lever": "30"},
            ("long", 1.0, "isolated", 30.0, 0.2),
        ),
        (
            {"mode": "dual_short", "pos_margin_mode": "cross", "adl_ranking": 0},
            ("short", 1.0, "cross", 5.0, None),
        ),
    ],
)
async def test_sides_sizes_modes_and_places_in_the_queue(fields: Any, expected: Any) -> None:
    (one,) = (await snapshot_of({(POSITIONS, USDT): [classic(**fields)]})).positions
    assert (one.side, one.quantity, one.margin_mode, one.leverage, one.adl_ratio) == expected


async def test_a_row_that_does_not_say_whether_it_is_cross_is_no_answer() -> None:
    with pytest.raises(VenueError, match="is it cross or isolated"):
        await snapshot_of({(POSITIONS, USDT): [classic(leverage="")]})


# Modes


async def test_what_backs_a_position_by_the_older_rules_is_all_but_what_isolated_ones_have() -> None:
    (pool,) = assess(await snapshot_of({}), SETTINGS).pools
    assert pool.equity == pytest.approx(9707.803567115145 + 0.008)
    assert pool.margin_equity == pytest.approx(9707.803567115145 - 1.49257625)


@pytest.mark.parametrize("balance", ["227.7701", "229.27067625"])
async def test_in_single_currency_mode_an_equity_with_or_without_isolated_positions_is_the_same(
    balance: str,
) -> None:
    row = {**SINGLE["balances"]["USDT"], "equity": balance}
    snapshot = await snapshot_of({**IN_SINGLE, UNIFIED: {**SINGLE, "balances": {"USDT": row}}})
    assert [one.equity for one in snapshot.pools] == [pytest.approx(229.27067625)]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(20.0, 0.05), (2000.0, 0.05), (20.1, 1 / 20.1), (30.0, None), (0.0, None), (None, None)],
)
def test_a_margin_rate_in_times_or_percent_is_turned_round(
    rate: float | None, expected: float | None
) -> None:
    assert turned(rate, 100.0, 5.0) == (None if expected is None else pytest.approx(expected))


async def test_what_coins_count_as_margin() -> None:
    """1000 of the documented 1016.1 ETH count 98 %, the rest 95 %; a coin that is switched off nothing."""
    expected = (1000 * 0.98 + 16.1 * 0.95) / 1016.1
    price = 3000 * 61010 / 61016.101
    ether, tether = (await snapshot_of(IN_MULTI)).assets
    assert ether.collateral_price_usd == pytest.approx(price * expected)
    assert ether.debt_price_usd == pytest.approx(price)
    assert tether.collateral_price_usd == pytest.approx(61010 / 61016.101)
    off = document("unified.json")
    off["balances"]["ETH"]["enabled_collateral"] = False
    assert (await snapshot_of({**IN_MULTI, UNIFIED: off})).assets[0].collateral_price_usd == 0.0
    (unknown, _) = (await snapshot_of({**IN_MULTI, DISCOUNTS: web.Response(status=500)})).assets
    assert unknown.collateral_price_usd is None


async def test_contracts_in_bitcoin_are_apart_unless_their_account_is_a_part_of_the_unified_one() -> None:
    answers = {**IN_MULTI, (POSITIONS, BITCOIN): [INVERSE]}
    snapshot = await snapshot_of(answers)
    assert [pool.key for pool in snapshot.pools] == ["USD", "futures:BTC"]
    assert [one.pool_currency for one in snapshot.positions] == ["USD", "futures:BTC"]
    answers[ACCOUNT, BITCOIN] = account(total="0", margin_mode=1)
    snapshot = await snapshot_of(answers)
    assert [pool.key for pool in snapshot.pools] == ["USD"]
    assert [one.pool_currency for one in snapshot.positions] == ["USD", "USD"]


async def test_a_locked_account_says_so_and_only_its_own_coins_are_priced() -> None:
    locked = {**document("unified.json"), "locked": True}
    snapshot = await snapshot_of({**IN_MULTI, UNIFIED: locked})
    assert snapshot.modes["account_status"] == "locked"
    assert sorted(snapshot.prices) == ["BTC", "ETH", "USDT"]


async def test_without_the_margin_of_an_isolated_position_no_equity_is_made_up() -> None:
    rows = [short(), classic(pos_margin_mode="isolated", margin="")]
    snapshot = await snapshot_of({**IN_SINGLE, (POSITIONS, USDT): rows})
    assert [pool.equity for pool in snapshot.pools if pool.currency == "USDT"] == [None]
