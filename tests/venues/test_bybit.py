"""Bybit: what its figures mean in each mode."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.api import Client
from exporter.model import AccountSnapshot, Position, PublicPrice, RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._bybit import COLLATERAL, INFO, RISK_LIMIT, TICKERS, Wallet
from tests.venues.bench import Call, as_answers
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, make_venue
from tests.venues.payloads.bybit.bench import (
    BENCH,
    CONFIG,
    IN_USDT,
    INVERSE,
    PORTFOLIO,
    UNIFIED,
    check,
    coin,
    document,
    info,
    inverse_row,
    positions,
    row,
    snapshot_of,
    success,
    tiers,
    wallet,
)

SETTINGS = RiskSettings()
ISOLATED = {INFO: info("ISOLATED_MARGIN")}


# What is required


async def test_tiers_are_the_same_in_percent_and_with_deductions_left_out() -> None:
    steps = (
        ("200000", "0.01", "50", ""),
        ("400000", "0.02", "25", "2000"),
        ("900000", "0.05", "10", "14000"),
    )
    given = (await position_of_tiers(tiers("LTCUSDT", *steps))).maintenance_tiers
    assert [tier.deduction for tier in given] == [0.0, 2000.0, 14000.0]
    assert [tier.rate for tier in given] == pytest.approx([0.01055, 0.02055, 0.05055])
    assert [tier.floor for tier in given] == [0.0, 200_000.0, 400_000.0]
    bare = tiers("LTCUSDT", *((*step[:3], "") for step in steps))
    for name in ("maintenanceMargin", "initialMargin"):
        for one in bare["result"]["list"]:
            one[name] = str(100 * float(one[name]))
    for one, other in zip((await position_of_tiers(bare)).maintenance_tiers, given, strict=True):
        assert (one.rate, one.deduction) == pytest.approx((other.rate, other.deduction))
    for one in bare["result"]["list"]:
        one["maxLeverage"] = ""
    assert (await position_of_tiers(bare)).maintenance_tiers == ()


async def position_of_tiers(answer: Any, **changed: Any) -> Position:
    return (await snapshot_of({RISK_LIMIT: answer, IN_USDT: positions(row(**changed))})).positions[0]


async def test_a_margin_by_the_tiers_is_within_four_per_mill_of_the_captured_one() -> None:
    """A short position of 0.01 ETH at 3641.33, 30 times leveraged, of which the venue required 0.20281586."""
    answer = {
        RISK_LIMIT: tiers("ETHUSDT", ("2000000", "0.005", "100", "")),
        IN_USDT: positions(
            row(symbol="ETHUSDT", side="Sell", size="0.01", markPrice="3641.33", positionMM="")
        ),
    }
    (position,) = assess(await snapshot_of(answer), SETTINGS).positions
    assert position.maintenance_margin == pytest.approx(0.20281586, rel=4e-3)


FEE = 0.00055


async def test_the_captured_margins_of_2023_are_those_of_its_rules() -> None:
    """1.2 LTC at 64.59947917, 6 times: 1 % of the value at entry, and a taker's fee where nothing is left."""
    value, bankrupt = 77.519375, 1.2 * 64.59947917 * (1.0 - 1.0 / 6.0)
    (position,) = (await snapshot_of({})).positions
    assert position.maintenance_margin == pytest.approx(value * 0.01 + bankrupt * FEE, abs=1e-6)
    assert position.initial_margin == pytest.approx(value / 6.0 + bankrupt * FEE, abs=1e-6)


@pytest.mark.parametrize("extra", [0.0, 250.0])
@pytest.mark.parametrize("side", ["Buy", "Sell"])
async def test_isolated_linear_liquidation_prices(side: str, extra: float) -> None:
    """1 BTC at 20,000, 50 times leveraged, 0.5 %: by the venue's formula the long one ends at 19,698.49.

    That is the published inverse form, for linear contracts: the fee of closing is in the margin as in the
    requirement, and cancels. Until 2025 the margin was that at entry, and the price 19,700.
    """
    sign = 1.0 if side == "Buy" else -1.0
    expected = (20_000.0 - sign * (400.0 + extra)) / (1.0 - sign * 0.005)
    assert extra or side == "Sell" or expected == pytest.approx(19_698.49, abs=0.005)
    assert extra or side == "Sell" or expected == pytest.approx(19_700.0, rel=1e-4)
    margin = 400.0 + extra + FEE * expected
    fields = {"symbol": "BTCUSDT", "side": side, "size": "1", "avgPrice": "20000", "markPrice": "20100"}
    told = {"unrealisedPnl": str(sign * 100.0), "positionMM": "", "positionBalance": f"{margin:.12f}"}
    found = await isolated({IN_USDT: positions(row(**fields, **told))}, "BTCUSDT")
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("side", ["Buy", "Sell"])
async def test_isolated_inverse_liquidation_prices(side: str) -> None:
    """As published: long size (1 + MMR) / (size/entry + size/(entry × leverage) + extra); short likewise."""
    size, entry, leverage, extra, rate = 14_500.0, 64_770.5, 10.0, 0.004, 0.005
    sign = 1.0 if side == "Buy" else -1.0
    expected = size * (1.0 + sign * rate) / (size / entry + sign * (size / (entry * leverage) + extra))
    margin = size / (entry * leverage) + extra + FEE * size / expected
    fields = {"side": side, "size": str(size), "avgPrice": str(entry), "markPrice": "65000", "positionMM": ""}
    pnl = sign * size * (1.0 / entry - 1.0 / 65_000.0)
    told = {"unrealisedPnl": f"{pnl:.15f}", "positionBalance": f"{margin:.15f}"}
    answers = {IN_USDT: positions(), INVERSE: positions(inverse_row(**fields, **told))}
    assert await isolated(answers, "BTCUSD") == pytest.approx(expected, rel=1e-9)


async def isolated(answers: dict[Any, Any], symbol: str) -> float | None:
    steps = tiers(symbol, ("2000000", "0.005", "100", ""))
    snapshot = await snapshot_of({**ISOLATED, RISK_LIMIT: steps, **answers})
    ((_, price),) = computed_liquidation_prices(snapshot, SETTINGS)
    return price


@pytest.mark.parametrize("side", ["Buy", "Sell"])
async def test_an_isolated_margin_that_is_not_told_is_what_makes_the_liquidation_price(side: str) -> None:
    price, pnl = ("54.32", "7.800625") if side == "Buy" else ("88.4", "-7.800625")
    told = row(side=side, liqPrice=price, unrealisedPnl=pnl, positionMM="")
    (position,) = (await snapshot_of({**ISOLATED, IN_USDT: positions(told)})).positions
    assert (position.margin_mode, position.margin is None) == ("isolated", False)
    computed = {**told, "liqPrice": "", "positionBalance": f"{position.margin:.12f}"}
    (again,) = assess(await snapshot_of({**ISOLATED, IN_USDT: positions(computed)}), SETTINGS).positions
    assert again.liquidation_price == pytest.approx(float(price), rel=1e-9)
    (bare,) = (await snapshot_of({**ISOLATED, IN_USDT: positions(row(liqPrice=""))})).positions
    assert bare.margin == 12.95542633


# What backs it


@pytest.mark.parametrize(
    ("figures", "portfolio", "expected"),
    [
        (PORTFOLIO, True, 52197.86892104),
        ({**PORTFOLIO, "totalAvailableBalance": "0"}, True, 52197.86892104),
        (document("wallet_balance_captured.json")["result"]["list"][0], False, 90042.2788482),
        # 3 USD of haircut: what is left beside the initial margin knows it, the margin balance does not.
        (
            {"totalMarginBalance": "103", "totalAvailableBalance": "60", "totalInitialMargin": "40"}
            | {"totalMaintenanceMargin": "20", "accountMMRate": "0.2"},
            False,
            100.0,
        ),
        # Nothing is left: the venue's rate decides.
        (
            {"totalMarginBalance": "103", "totalAvailableBalance": "0", "totalInitialMargin": "140"}
            | {"totalMaintenanceMargin": "90", "accountMMRate": "0.9"},
            False,
            90.0 / 0.90005,
        ),
        ({"totalMarginBalance": "103", "totalMaintenanceMargin": "90"}, False, 103.0),
        ({"totalAvailableBalance": "5"}, False, None),
    ],
)
def test_what_backs_the_positions(figures: dict[str, str], portfolio: bool, expected: float | None) -> None:
    known = {name: value for name, value in figures.items() if name in Wallet.__struct_fields__}
    found = Wallet(**{name: value for name, value in known.items() if name != "coin"})  # type: ignore[arg-type]
    assert found.backing(portfolio=portfolio) == pytest.approx(expected)


async def test_coins_count_at_their_ratio_by_tier_and_not_at_all_where_they_are_switched_off() -> None:
    ratios = [
        {"minQty": "0", "maxQty": "0.5", "collateralRatio": "0.9"},
        {"minQty": "0.5", "maxQty": "", "collateralRatio": "0.4"},
    ]
    answers = {
        COLLATERAL: success(list=[{"currency": "BTC", "collateralRatioList": ratios}]),
        UNIFIED: wallet(
            coin(equity="2", usdValue="100000"),
            coin(coin="ETH", equity="3", usdValue="9000", collateralSwitch=False),
            coin(coin="DUST", equity="0.00000001", usdValue="0.00000002"),
        ),
    }
    bitcoin, ether, dust = (await snapshot_of(answers)).assets
    assert bitcoin.collateral_price_usd == pytest.approx(50_000.0 * (0.5 * 0.9 + 1.5 * 0.4) / 2.0)
    assert bitcoin.debt_price_usd == 50_000.0
    assert ether.collateral_price_usd == 0.0
    assert (dust.collateral_price_usd, dust.debt_price_usd) == (None, None)


async def test_inverse_contracts_of_older_accounts_have_pools_of_their_own() -> None:
    (dollars, bitcoin), position = await older(inverse_row())
    assert (dollars.currency, bitcoin.currency, bitcoin.equity) == ("USD", "BTC", 0.05010587)
    assert (position.margin_mode, position.pool_currency, position.margin) == ("cross", None, None)
    # The venue says that these are to be ignored here.
    assert (position.maintenance_margin, position.initial_margin) == (None, None)
    _, position = await older(inverse_row(tradeMode=1))
    assert (position.margin_mode, position.margin) == ("isolated", 0.00139186)


async def older(found: Any) -> tuple[Any, Position]:
    snapshot: AccountSnapshot = await snapshot_of({INVERSE: positions(found)}, scenario="older")
    return snapshot.pools, snapshot.positions[0]


async def test_marks_are_those_of_all_contracts_and_coins_are_in_dollars_where_they_can_be() -> None:
    venue = make_venue("bybit", "http://venue.test", CONFIG)
    answers: dict[Call, Any] = {
        TICKERS: BENCH.documents("cross")[TICKERS],
        (TICKERS, "category=inverse"): document("tickers.json"),
    }
    async with Client(
        QuietObserver(), wall=lambda: NOW, transport=MemoryTransport(as_answers(answers), check)
    ) as client:
        marks = await venue.marks(client.account(venue, only=venue.marks_endpoint))
    assert marks.symbols == {name: PublicPrice(114898.43, NOW) for name in ("LTCUSDT", "BTCUSD")}
    assert marks.coins == {"LTC": PublicPrice(114890.92, NOW, "USDT"), "BTC": PublicPrice(114890.92, NOW)}
