"""Bitget: accounts of several coins and unified ones, and contracts that are margined in coins."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.errors import VenueError
from exporter.model import Contract, RiskSettings
from exporter.risk import assess
from exporter.venues._bitget import (
    CLASSIC_ACCOUNTS,
    CLASSIC_TIERS,
    COLLATERAL,
    INDEX,
    SETTINGS,
    TIERS,
    ClassicRow,
    UnifiedRow,
)
from exporter.venues._bitget_contract import (
    DiscountRow,
    DiscountTier,
    Held,
    contract_of,
    index_coin,
)
from exporter.venues._schedule import Schedule
from tests.venues.harness import QuietObserver
from tests.venues.payloads.bitget.bench import (
    COIN,
    IN_COINS,
    IN_UNION,
    UNION,
    account,
    in_classic,
    in_unified,
    index,
    settings,
    snapshot_of,
    success,
    tiers,
    unified,
)

RISK = RiskSettings()


# Union mode


async def test_a_captured_account_in_union_mode_is_explained_by_its_debt() -> None:
    """It owes 4767.74 USDT, of which 5 % was required then: 0.00285 of what its coins counted."""
    (pool,) = assess(await snapshot_of({}, scenario="union"), RISK).pools
    assert pool.maintenance_margin == pytest.approx(4767.74182959 * 0.05, rel=1e-5)
    assert pool.maintenance_margin_rate == pytest.approx(0.00285, rel=1e-6)
    assert pool.equity == pytest.approx(1.2 * 34867 - 4767.74182959)
    untold = in_classic(success([{**UNION, "unionTotalMargin": ""}]), success([IN_UNION]))
    (pool,) = assess(await snapshot_of(untold, scenario="union"), RISK).pools
    assert pool.margin_equity == pytest.approx(238.387 / 0.00285)


@pytest.mark.parametrize("told", [None, "0"])
async def test_what_debts_require_is_not_lost_where_the_amount_is_not_told(told: str | None) -> None:
    """The position alone requires 6.65 of 238.39 USDT: its tiers would make the rate 36 times too small."""
    answers = in_classic(success([{**UNION, "unionMm": told}]), success([IN_UNION]))
    (pool,) = assess(await snapshot_of(answers, scenario="union"), RISK).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.00285)
    assert pool.maintenance_margin == pytest.approx(0.00285 * 83644.59)


async def test_collateral_that_another_product_repeats_counts_once() -> None:
    answers = in_classic(success([UNION]), success([IN_UNION]))
    alone = assess(await snapshot_of(answers, scenario="union"), RISK).pools
    repeated = {**UNION, "marginCoin": "USDC", "accountEquity": "0", "usdtEquity": "0"}
    answers[CLASSIC_ACCOUNTS, "productType=USDC-FUTURES"] = success([repeated])
    assert assess(await snapshot_of(answers, scenario="union"), RISK).pools == alone


async def test_without_a_price_of_a_coin_nobody_says_what_all_are_worth() -> None:
    observer = QuietObserver()
    snapshot = await snapshot_of({INDEX: None}, scenario="union", observer=observer)
    (pool,) = assess(snapshot, RISK).pools
    assert pool.equity is None
    assert pool.maintenance_margin_rate == pytest.approx(0.00285, rel=1e-6)
    assert len(observer.optional_failures) == 2


async def test_when_usdt_is_off_its_peg_nothing_else_is() -> None:
    """The venue values coins in USDT; bitcoin in USD beside it tells what that is worth."""
    dollars = account(marginCoin="USDC", accountEquity="100", usdtEquity="104.1666666667")
    answers = in_classic(success([account()]), None, success([COIN, dollars]))
    answers |= {
        (INDEX, "symbol=BTCUSD"): index("BTCUSD", "60000"),
        (INDEX, "symbol=BTCUSDT"): index("BTCUSDT", "62500"),
    }
    prices = (await snapshot_of(answers, scenario="classic")).prices
    assert prices["USDT"] == pytest.approx(0.96)
    assert prices["USDC"] == pytest.approx(1.0)
    assert prices["BTC"] == pytest.approx(24804.96 / 0.4 * 0.96)
    answers[INDEX, "symbol=BTCUSD"] = success([])
    assert (await snapshot_of(answers, scenario="classic")).prices == {}


def test_what_a_coin_counts_is_the_venue_s_example() -> None:
    """10 BTC at 60,000: 582,000 of 600,000 USDT."""
    steps = [DiscountTier(0.0, 0.975), DiscountTier(100_000.0, 0.97), DiscountTier(500_000.0, 0.965)]
    share = DiscountRow("BTC", steps).share(600_000.0)
    assert share is not None
    assert share * 600_000 == pytest.approx(97_500 + 388_000 + 96_500)
    assert DiscountRow("BTC", steps).share(-5.0) == 0.975
    assert DiscountRow("BTC", []).share(1.0) is None
    assert DiscountRow("BTC", [DiscountTier(0.0, 97.5)]).share(1.0) is None


# Unified accounts


async def test_the_requirement_of_a_unified_account_is_an_amount_and_that_of_a_position_a_rate() -> None:
    risk = assess(await snapshot_of({}), RISK)
    (pool,), (one,) = risk.pools, risk.positions
    assert pool.maintenance_margin_rate == pytest.approx(0.4941 / 6.19299777)
    assert one.maintenance_margin == pytest.approx(107.4153 * (0.004 + 0.0006))
    assert pool.equity == 11.13919278


@pytest.mark.parametrize(
    ("level", "choice", "expected"),
    [
        ("basic", None, [1.0, 0.0]),
        ("advanced", {"collateralType": "all"}, [1.0, 0.8]),
        ("advanced", {"collateralType": "mainstream"}, [1.0, 0.0]),
        ("advanced", {"collateralType": "custom", "collateralCoins": ["BGB"]}, [0.0, 0.8]),
        ("isolated", None, [None, None]),
    ],
)
async def test_which_coins_count_as_margin(level: str, choice: Any, expected: list[float | None]) -> None:
    answers = in_unified(level=level) | ({COLLATERAL: success(choice)} if choice else {})
    found = (await snapshot_of(answers)).assets
    shares = [
        None if one.collateral_price_usd is None else one.collateral_price_usd / (one.debt_price_usd or 0.0)
        for one in found
    ]
    assert [one.asset for one in found] == ["USDT", "BGB"]
    assert shares == [pytest.approx(share) for share in expected]


async def test_in_delta_neutral_mode_nobody_says_what_a_position_requires() -> None:
    rows = success({"list": [unified(), unified(symbol="ETHUSDT")]})
    snapshot = await snapshot_of(in_unified(rows, level="delta", mmr="0.5"))
    assert snapshot.modes["margin_mode"] == "delta"
    assert [one.maintenance_tiers for one in snapshot.positions] == [(), ()]


async def test_an_account_between_two_kinds_is_not_read() -> None:
    for level in ("advanced", "", None):
        with pytest.raises(VenueError, match="being switched between classic and unified") as caught:
            await snapshot_of({SETTINGS: settings(accountLevel=level, accountMode="upgrading")})
        assert caught.value.reason == "exchange"
    with pytest.raises(VenueError, match="`accountLevel` is none of BASIC"):
        await snapshot_of({SETTINGS: settings("portfolio")})


# Contracts


@pytest.mark.parametrize(
    ("symbol", "coin", "product", "expected"),
    [
        ("BTCUSDT", "USDT", "USDT-FUTURES", Contract("linear", 1.0, "BTC", "USDT", "USDT")),
        ("1000SATSUSDT", "USDT", "USDT-FUTURES", Contract("linear", 1.0, "1000SATS", "USDT", "USDT")),
        ("BTCPERP", "USDC", "USDC-FUTURES", Contract("linear", 1.0, "BTC", "USDC", "USDC")),
        ("ETHUSDC", "", "USDC-FUTURES", Contract("linear", 1.0, "ETH", "USDC", "USDC")),
        ("BTCUSD", "BTC", "COIN-FUTURES", Contract("inverse", 60_000.0, "BTC", "USD", "BTC")),
        ("ETHUSD_231229", "BTC", "COIN-FUTURES", Contract("inverse", None, "ETH", "USD", "BTC")),
        ("BTCUSDH25", "BTC", "COIN-FUTURES", Contract("inverse", 60_000.0, "BTC", "USD", "BTC")),
    ],
)
def test_contracts(symbol: str, coin: str, product: str, expected: Contract) -> None:
    row = ClassicRow(symbol, 0.5, coin, "crossed", 62_000.0, side_word="long", entry=60_000.0, upl=0.0161290)
    assert contract_of(row, product) == expected


@pytest.mark.parametrize(
    ("size", "upl", "margin", "expected"),
    [
        (0.5, 0.016129, None, 60_000.0),  # 0.5 BTC
        (30_000.0, 0.016129, None, 1.0),  # 30,000 USD
        (0.5, None, 0.05, 60_000.0),
        (31_000.0, None, 0.05, 1.0),
        (0.5, None, None, None),
        (7.0, 0.016129, None, None),
    ],
)
def test_whether_a_size_is_in_coins_or_in_usd_is_told_by_the_position(
    size: float, upl: float | None, margin: float | None, expected: float | None
) -> None:
    row = UnifiedRow("BTCUSD_CM", size, "BTC", "crossed", 62_000.0, leverage=10.0, side_word="long")
    row.entry, row.upl, row.margin = 60_000.0, upl, margin
    contract = contract_of(row, "COIN-FUTURES")
    assert (contract.base, contract.size) == ("BTC", expected)


async def test_a_size_in_coins_requires_a_fixed_amount_of_them_and_one_in_usd_a_share_of_its_value() -> None:
    snapshot = await snapshot_of({}, scenario="hedged and in coins")
    (one,) = (one for one in snapshot.positions if one.symbol == "BTCUSD")
    (tier,) = one.maintenance_tiers
    assert tier.rate == 0.0
    assert tier.deduction == pytest.approx(-0.5 * 0.0046)
    row = ClassicRow(
        "BTCUSD", 30_000.0, "BTC", "crossed", 62_000.0, side_word="long", entry=60_000.0, rate=0.004
    )
    held = Held(row, Contract("inverse", 1.0, "BTC", "USD", "BTC"), Schedule(), 30_000.0)
    (tier,) = held.tiers
    assert tier.rate == pytest.approx(0.0046)
    assert tier.deduction == 0.0


async def test_a_rate_of_a_position_that_would_be_an_amount_is_none() -> None:
    answers = in_unified(success({"list": [unified(mmr="161.2")]}), mmr="") | {TIERS: success([])}
    (one,) = assess(await snapshot_of(answers), RISK).positions
    assert one.maintenance_margin is None


@pytest.mark.parametrize(
    "steps",
    [
        [("0", "5", "10", "1.5")],
        [("7", "9", "10", "0.01")],
        [("0", "5", "10", "0.01"), ("5", "9", "5", "1.5")],
        [("0", "5", "10", "0.01"), ("0", "9", "5", "0.02")],
    ],
    ids=["rate", "floor", "one of two rates", "two of one floor"],
)
async def test_tiers_that_make_no_sense_are_none_and_the_rate_of_the_position_counts(steps: Any) -> None:
    snapshot = await snapshot_of({CLASSIC_TIERS: tiers(*steps)}, scenario="classic")
    assert [one.rate for one in snapshot.positions[0].maintenance_tiers] == [pytest.approx(0.0046)]


async def test_a_coin_that_two_products_have_is_told() -> None:
    answers = in_classic(success([COIN]), success([]), success([COIN]), success([IN_COINS]))
    with pytest.raises(VenueError, match="one `marginCoin` is held in several products") as caught:
        await snapshot_of(answers, scenario="classic")
    assert (caught.value.reason, CLASSIC_ACCOUNTS.label in str(caught.value)) == ("schema", True)


def test_index_prices_are_those_of_perpetual_contracts() -> None:
    cases = [("BTCUSDT", "USDT-FUTURES"), ("BTCUSD", "COIN-FUTURES"), ("ETHUSD_231229", "COIN-FUTURES")]
    assert [index_coin(*case) for case in cases] == [("BTC", "USDT"), ("BTC", "USD"), None]
