"""Binance Portfolio Margin: what is its own."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Contract, RiskSettings
from exporter.risk import assess
from exporter.risk.assess import computed_liquidation_prices
from exporter.venues._binance_brackets import Bracket, Brackets, maintenance_tiers
from exporter.venues._binance_pm import ACCOUNT, BALANCE, CM, COLLATERAL_RATE, INDEX_PRICE, UM
from exporter.venues.binance_pm import BinancePm
from tests.venues.harness import QuietObserver
from tests.venues.payloads.binance_pm.bench import (
    BENCH,
    EXAMPLE,
    EXAMPLE_CM,
    EXAMPLE_UM,
    PRICES,
    RATES,
)

SETTINGS = RiskSettings()
EQUITY, MARGIN = 21_720.5, 3_983.65


async def example(**changed: Any) -> AccountSnapshot:
    """The worked example with some fields of the account call changed."""
    return await BENCH.snapshot("worked example", {ACCOUNT: {**EXAMPLE[ACCOUNT], **changed}})


@pytest.mark.parametrize(
    ("symbol", "side", "margin"),
    [("BTCUSDT", "short", 10.0), ("BTCUSDT_210326", "long", 8.4), ("BTCUSD_PERP", "long", 0.00125)],
)
async def test_margins_of_the_worked_example_follow_from_mark_and_brackets(
    symbol: str, side: str, margin: float
) -> None:
    found = assess(await example(), SETTINGS).positions
    (row,) = [one for one in found if one.position.symbol == symbol]
    assert row.position.side == side
    assert row.maintenance_margin == pytest.approx(margin, rel=1e-12)


@pytest.mark.parametrize(("coin", "net"), [("USDT", 6186.0), ("BTC", 0.11), ("ETH", 5.0)])
async def test_net_amounts_of_the_worked_example_follow_from_wallets_loans_and_pnl(
    coin: str, net: float
) -> None:
    (asset,) = [one for one in (await example()).assets if one.asset == coin]
    assert asset.equity == pytest.approx(net, rel=1e-12)
    assert asset.collateral_price_usd == pytest.approx(PRICES[coin] * RATES[coin])


async def test_equity_of_the_worked_example_is_the_sum_of_its_coins_at_their_collateral_rates() -> None:
    snapshot = await example()
    counted = sum((one.equity or 0.0) * (one.collateral_price_usd or 0.0) for one in snapshot.assets)
    assert counted == pytest.approx(EQUITY, rel=1e-12)
    required = 18.4 + 0.00525 * PRICES["BTC"] + 1.5 * PRICES["ETH"]
    assert required == pytest.approx(MARGIN, rel=1e-12)
    (pool,) = assess(snapshot, SETTINGS).pools
    assert pool.maintenance_margin == MARGIN
    assert pool.maintenance_margin_rate == pytest.approx(1.05 * MARGIN / EQUITY, rel=1e-12)
    assert pool.pool.venue_margin_rate == pytest.approx(pool.maintenance_margin_rate, rel=1e-8)
    assert pool.equity == 23_196.0
    # Written with a comma.
    assert pool.pool.available_balance == 17_736.85


async def test_the_liquidation_price_is_where_the_rate_of_the_venue_is_1_05() -> None:
    prices = {one.symbol: price for one, price in computed_liquidation_prices(await example(), SETTINGS)}
    price = prices["BTCUSDT"]
    assert price is not None
    equity = EQUITY - 0.05 * (price - 40_000)
    assert equity / (MARGIN + 0.005 * 0.05 * (price - 40_000)) == pytest.approx(1.05, rel=1e-9)


@pytest.mark.parametrize(
    ("uni_mmr", "rate"), [("1.05", 1.0), ("2.1", 0.5), ("1.5", 0.7), ("1.2", 0.875), ("1.0", 1.05)]
)
async def test_the_thresholds_of_the_venue_in_the_direction_of_all_venues(uni_mmr: str, rate: float) -> None:
    equity = str(float(uni_mmr) * MARGIN)
    snapshot = await example(uniMMR=uni_mmr, accountEquity=equity)
    (pool,) = assess(snapshot, SETTINGS).pools
    assert pool.maintenance_margin_rate == pytest.approx(rate)
    assert pool.pool.venue_margin_rate == pytest.approx(rate)


async def test_losses_of_open_orders_that_the_rate_tells_of_count() -> None:
    (pool,) = assess(await example(uniMMR="5.2"), SETTINGS).pools
    assert pool.margin_equity == pytest.approx(5.2 * MARGIN)
    assert pool.maintenance_margin_rate == pytest.approx(1.05 / 5.2)
    assert pool.adjusted_equity == EQUITY


@pytest.mark.parametrize("rate", ["", "0", "-1", "99999999.99999999"])
async def test_a_rate_that_says_nothing_leaves_the_equity_to_decide(rate: str) -> None:
    (pool,) = assess(await example(uniMMR=rate), SETTINGS).pools
    assert pool.margin_equity == EQUITY
    (pool,) = assess(await example(uniMMR=rate, accountEquity="-1"), SETTINGS).pools
    assert pool.maintenance_margin_rate == float("inf")


async def test_a_requirement_of_nothing_beside_positions_is_not_believed() -> None:
    (pool,) = assess(await example(accountMaintMargin="0"), SETTINGS).pools
    assert pool.pool.maintenance_margin is None
    assert pool.maintenance_margin == pytest.approx(18.4 + 0.00125 * PRICES["BTC"])


async def test_the_state_of_the_account_is_one_of_its_modes_where_it_is_known() -> None:
    for word, shown in (("REDUCE_ONLY", "reduce_only"), ("SOMETHING_ELSE", None), (None, None)):
        snapshot = await example(accountStatus=word)
        assert snapshot.modes.get("account_status") == shown
        assert snapshot.modes["margin_mode"] == "portfolio"


async def test_a_coin_that_is_no_collateral_counts_nothing_and_one_of_unknown_rate_is_not_judged() -> None:
    rates = [{"asset": "USDT", "collateralRate": "1"}]
    snapshot = await BENCH.snapshot("worked example", {COLLATERAL_RATE: rates})
    assert {one.asset: one.collateral_price_usd for one in snapshot.assets} == {"USDT": 1, "BTC": 0, "ETH": 0}
    snapshot = await BENCH.snapshot("worked example", {COLLATERAL_RATE: None})
    assert {one.collateral_price_usd for one in snapshot.assets} == {None}
    assert snapshot.pools[0].adjusted_equity == EQUITY


@pytest.mark.parametrize("call", [COLLATERAL_RATE, INDEX_PRICE], ids=["rates", "prices"])
async def test_a_list_of_no_coins_is_a_failure_and_none_that_makes_all_of_them_worthless(call: Any) -> None:
    observer = QuietObserver()
    empty = await BENCH.snapshot("worked example", {call: []}, observer)
    absent = await BENCH.snapshot("worked example", {call: None})
    assert (empty.assets, empty.prices) == (absent.assets, absent.prices)
    assert [(one.reason, "no coin" in one.message) for one in observer.optional_failures] == [
        ("schema", True)
    ]


async def test_pnl_that_is_not_told_is_nothing_only_where_no_position_pays_it() -> None:
    balances = [{**one, "cmUnrealizedPNL": ""} for one in EXAMPLE[BALANCE]]
    assets = {
        one.asset: one.equity for one in (await BENCH.snapshot("worked example", {BALANCE: balances})).assets
    }
    assert assets["USDT"] == pytest.approx(6186.0)
    assert assets["BTC"] is None


async def test_a_debt_or_a_wallet_that_is_not_told_is_not_taken_for_nothing() -> None:
    for field in ("crossMarginBorrowed", "crossMarginInterest", "cmWalletBalance", "umWalletBalance"):
        rows = [{**row, **({field: None} if row["asset"] == "BTC" else {})} for row in EXAMPLE[BALANCE]]
        snapshot = await BENCH.snapshot("worked example", {BALANCE: rows})
        assert [one.asset for one in snapshot.assets if one.equity is None] == ["BTC"]


async def test_margins_of_another_size_are_not_those_of_the_position() -> None:
    found = await BENCH.snapshot("positions with their own margins")
    own = {one.symbol: (one.maintenance_margin, one.initial_margin) for one in found.positions}
    assert own == {"BTCUSDT": (10, 100), "BTCUSDT_210326": (None, None), "BTCUSD_PERP": (0.00125, 0.0125)}
    other = [{**EXAMPLE_UM[0], "positionAmt": "-0.06"}]
    found = await BENCH.snapshot("positions with their own margins", {UM.positions: other})
    assert found.positions[0].maintenance_margin is None


@pytest.mark.parametrize(("coefficient", "limit"), [(1.5, 10_000.0), (0.5, 5_000.0)])
def test_of_two_readings_of_brackets_that_fit_the_one_with_the_lower_limits_is_taken(
    coefficient: float, limit: float
) -> None:
    """A position in the first bracket says nothing of where that ends."""
    rows = [
        Bracket(maintMarginRatio=0.005, cum=0, notionalFloor=0, notionalCap=10_000),
        Bracket(maintMarginRatio=0.01, cum=50, notionalFloor=10_000, notionalCap=50_000),
    ]
    brackets = Brackets(symbol="ADAUSDT", brackets=rows, notionalCoef=coefficient)
    assert maintenance_tiers(brackets, 1_000.0, 5.0)[0].cap == limit


async def test_contracts_that_are_not_listed_are_shown_with_what_their_symbols_tell() -> None:
    changed = {UM.exchange_info: None, CM.exchange_info: None}
    found = (await BENCH.snapshot("worked example", changed)).positions
    assert [one.contract for one in found] == [
        Contract("linear", 1.0, "BTC", "USDT", "USDT"),
        Contract("linear", 1.0, "BTC", "USDT", "USDT"),
        Contract("inverse", None, "BTC", "USD", "BTC"),
    ]


async def test_both_spellings_of_the_profit_are_read() -> None:
    row = {**EXAMPLE_CM[0]}
    row["unrealizedProfit"] = row.pop("unRealizedProfit")
    snapshot = await BENCH.snapshot("worked example", {UM.positions: [], CM.positions: [row]})
    assert [one.unrealized_pnl for one in snapshot.positions] == [-0.05]


@pytest.mark.parametrize(
    ("status", "code", "reason", "words"),
    [
        (400, -21001, "unsupported", "binance_usdm"),
        (401, -2015, "auth", "before Portfolio Margin mode"),
        (403, -1011, "auth", "this address"),
        (400, -2008, "auth", "does not know the API key"),
        (400, -4056, "auth", "another kind"),
        (400, -1021, "clock", ""),
        (429, -1003, "rate_limited", ""),
        (418, -1003, "banned", ""),
    ],
)
async def test_what_refusals_mean(status: int, code: int, reason: str, words: str) -> None:
    answer = web.json_response({"code": code, "msg": "no"}, status=status)
    with pytest.raises(VenueError) as caught:
        await BENCH.snapshot("worked example", {ACCOUNT: answer})
    assert caught.value.reason == reason
    assert words in caught.value.message


def test_every_call_counts_in_the_limit_of_its_host_alone() -> None:
    """The futures' limit is that of the classic accounts, too."""
    budgets = {one.name: one for one in BinancePm.budgets}
    assert list(budgets) == ["binance_papi", "binance", "binance_sapi"]
    for endpoint in BinancePm.endpoints:
        counted = [name for name, budget in budgets.items() if budget.counts(endpoint)]
        host = endpoint.path.split("/")[1]
        assert counted == [{"papi": "binance_papi", "sapi": "binance_sapi"}.get(host, "binance")]
        # A public call that meets its limit does not silence the account.
        assert endpoint.apart == (host != "papi")
        assert bool(endpoint.host) == (host != "papi")
    assert INDEX_PRICE.host == "https://api.binance.com"
    assert CM.premium_index.host == "https://dapi.binance.com"
