"""Gate: answers that contradict themselves, and accounts whose figures are close to what misleads."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._gate import (
    ACCOUNT,
    DISCOUNTS,
    MODE,
    OPTIONS,
    POSITIONS,
    TAKER_RATE,
    TICKERS,
    TIERS,
    UNIFIED,
    ContractRow,
)
from tests.venues.bench import row_with
from tests.venues.payloads.gate.bench import (
    BITCOIN,
    EVOLVED,
    IN_MULTI,
    IN_SINGLE,
    INVERSE,
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
ROWS, FUTURES = (POSITIONS, USDT), (ACCOUNT, USDT)


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ("0.02", 830 + 45.0),  # that of its tier, by which its tiers are the right ones: 60000 x 2 % - 370
        ("0.03", 60000 * (0.03 + 0.00075)),  # of other tiers
        ("0", 830 + 45.0),
    ],
)
async def test_by_tiers_the_rate_of_the_last_one_is_not_that_of_all(rate: str, expected: float) -> None:
    row = row_with(ZTX, average_maintenance_rate=..., maintenance_rate=rate)
    answers = {ROWS: [row], (TIERS, USDT): "risk_limit_tiers.json"}
    (one,) = (await snapshot_of(answers)).positions
    assert one.maintenance_margin == pytest.approx(expected)


async def test_a_position_whose_value_is_said_to_be_nothing_is_not_a_safe_one() -> None:
    """7.443 x (1 % + 0.075 %) of 1.49257625 + 0.008."""
    (one,) = assess(await snapshot_of({ROWS: [classic(value="0")]}), SETTINGS).positions
    assert one.maintenance_margin_rate == pytest.approx(7.443 * 0.01075 / 1.50057625)


async def test_positions_of_one_side_without_a_pid_are_told_apart_by_their_id() -> None:
    rows = [classic(id=1), classic(id=2, size="3", value="22.329", pid=0)]
    positions = (await snapshot_of({ROWS: rows})).positions
    assert [(one.position_id, one.quantity) for one in positions] == [("1", 1.0), ("2", 3.0)]


async def test_a_small_side_of_a_hedge_in_a_large_account_requires_nothing() -> None:
    """What it would require is less than a thousandth of the total, which has the larger sides alone."""
    large = {"contract": "BTC_USDT", "value": "400000", "risk_limit_table": ..., "maintenance_margin": "4000"}
    total = 4000 + 3.1154453842
    rows = [short(**large, mark_price="61012.2", size=-65560), short(), *EVOLVED[ROWS][1:]]
    evolved = {
        **EVOLVED,
        FUTURES: row_with(EVOLVED[FUTURES], cross_maintenance_margin=str(total)),
        ROWS: rows,
    }
    positions = (await snapshot_of(evolved)).positions
    assert [one.maintenance_margin for one in positions] == [4000.0, 3.1154453842, 0.0]


@pytest.mark.parametrize("mode", ["classic", "evolved", "single", "multi"])
async def test_an_empty_list_of_positions_beside_their_pnl_is_no_account_without_positions(mode: str) -> None:
    answers: dict[Any, Any] = {"classic": {}, "evolved": EVOLVED, "single": IN_SINGLE, "multi": IN_MULTI}[
        mode
    ]
    with pytest.raises(VenueError, match="no position is listed, but") as caught:
        await snapshot_of({**answers, ROWS: []})
    assert caught.value.reason == "schema"


async def test_a_classic_account_that_is_part_of_a_unified_one_is_none() -> None:
    """As while its mode changes: its own total is then 0, and no equity."""
    with pytest.raises(VenueError, match="`mode` is classic, but a futures account") as caught:
        await snapshot_of({FUTURES: account(total="0", margin_mode=1)})
    assert caught.value.reason == "schema"


async def test_the_figures_of_another_mode_are_no_liquidation() -> None:
    """They are 0 there; what loans require would be missing from anything that is computed instead."""
    none = {"total_margin_balance": "0", "total_maintenance_margin": "0"}
    with pytest.raises(VenueError, match="are 0 beside positions, as in another mode"):
        await snapshot_of({**IN_MULTI, UNIFIED: {**document("unified.json"), **none}})
    lost = {**document("unified.json"), "total_margin_balance": "0"}
    (pool, *_) = assess(await snapshot_of({**IN_MULTI, UNIFIED: lost}), SETTINGS).pools
    assert pool.maintenance_margin_rate == float("inf")


async def test_without_figures_of_cross_positions_what_isolated_ones_leave_backs_them() -> None:
    row = {**SINGLE["balances"]["USDT"], "margin_balance": "0", "mm": "0"}
    answers = {**IN_SINGLE, UNIFIED: {**SINGLE, "balances": {"USDT": row}}}
    (pool,) = assess(await snapshot_of(answers), SETTINGS).pools
    assert pool.margin_equity == pytest.approx(227.7701 - 1.50057625)
    none = row_with(EVOLVED[FUTURES], cross_margin_balance="0", cross_maintenance_margin="0")
    (pool,) = assess(await snapshot_of({**EVOLVED, FUTURES: none}), SETTINGS).pools
    assert pool.margin_equity == pytest.approx(116.454)


@pytest.mark.parametrize("mode", ["multi_currency", "portfolio"])
async def test_what_portfolio_margin_would_require_at_other_prices_is_absent(mode: str) -> None:
    """It is what the book would lose in scenarios: no rate of a position follows from it."""
    snapshot = await snapshot_of({**IN_MULTI, MODE: {"mode": mode}, OPTIONS: []})
    risk, portfolio = assess(snapshot, SETTINGS), mode == "portfolio"
    assert (not risk.pools[0].stress) == portfolio
    assert [price is None for _, price in computed_liquidation_prices(snapshot, SETTINGS)] == [portfolio]
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(205.01049330176 / 3382495.944473949)


async def test_positions_in_bitcoin_inside_of_a_unified_account_count_in_dollars() -> None:
    """What isolated ones have: 0.002 + 0.000273224043716 BTC at 61010 USD each."""
    answers = {
        **IN_MULTI,
        (ACCOUNT, BITCOIN): account(total="0", margin_mode=1),
        (POSITIONS, BITCOIN): [INVERSE],
    }
    (pool,) = (await snapshot_of(answers)).pools
    own = 0.002273224043716 * 61010
    assert pool.equity == pytest.approx(100016.1 + own, rel=1e-9)
    assert pool.adjusted_equity == pytest.approx(3382495.944473949183 + own, rel=1e-9)
    assert pool.unrealized_pnl == pytest.approx(
        0.000273224043716 * 61010 - 0.000507486844 * 61010 / 61016.101
    )
    answers[POSITIONS, BITCOIN] = [row_with(INVERSE, unrealised_pnl="")]
    (pool,) = (await snapshot_of(answers)).pools
    assert (pool.equity, pool.unrealized_pnl) == (None, None)
    answers |= {(POSITIONS, BITCOIN): [INVERSE], (TICKERS, USDT): [], (TICKERS, BITCOIN): []}
    (pool,) = (await snapshot_of(answers)).pools
    assert (pool.equity, pool.adjusted_equity, pool.unrealized_pnl) == (None, None, None)


async def test_by_an_empty_list_of_haircuts_nothing_is_known_and_not_that_no_coin_counts() -> None:
    """As no margin, losses in USDT would move nothing: no price would liquidate."""
    ether, tether = (await snapshot_of({**IN_MULTI, DISCOUNTS: []})).assets
    assert (ether.collateral_price_usd, tether.collateral_price_usd) == (None, None)


async def test_what_isolated_positions_have_takes_no_place_in_the_tiers_of_a_coin() -> None:
    """1000 of 1016.1 BTC count 98 %, the rest 95 %, whatever isolated positions have beside."""
    balances = {**document("unified.json")["balances"], "BTC": {"equity": "1016.1"}}
    answers = {
        **IN_MULTI,
        UNIFIED: {**document("unified.json"), "balances": balances},
        (ACCOUNT, BITCOIN): account(total="0", margin_mode=1),
        (POSITIONS, BITCOIN): [row_with(INVERSE, margin="500")],
    }
    (coin,) = [one for one in (await snapshot_of(answers)).assets if one.asset == "BTC"]
    assert coin.equity == pytest.approx(1516.1 + 0.000273224043716)
    assert coin.collateral_price_usd == pytest.approx(61010 * (1000 * 0.98 + 16.1 * 0.95) / 1016.1)


async def test_in_single_currency_mode_options_count_in_the_pool_in_usdt_alone() -> None:
    answers = {**IN_SINGLE, MODE: {"mode": "single_currency"}, OPTIONS: [{"size": -2}]}
    found = {pool.currency: pool.unlisted for pool in (await snapshot_of(answers)).pools}
    assert found == {"USDT": True, "ETH": False}


async def test_an_empty_futures_account_beside_a_unified_one_is_no_pool() -> None:
    empty = account(currency="BTC", total="0", unrealised_pnl="0", margin_mode=0, cross_margin_balance="0")
    pools = (await snapshot_of({**IN_MULTI, (ACCOUNT, BITCOIN): empty})).pools
    assert [pool.key for pool in pools] == ["USD"]


@pytest.mark.parametrize(
    ("told", "expected"),
    [(0.0005, 0.0005), (0.0, 0.0), (None, TAKER_RATE), (-0.0001, TAKER_RATE), (0.05, TAKER_RATE)],
)
def test_a_fee_of_closing_that_nobody_pays_is_none(told: float | None, expected: float) -> None:
    assert ContractRow("BTC_USDT", taker_fee_rate=told).fee_rate == expected
