"""Bitget: what classic positions require, and where they are liquidated."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.venues._bitget import CLASSIC_TIERS, INDEX
from tests.venues.payloads.bitget.bench import (
    AFTER,
    BEFORE,
    COIN,
    EXAMPLE,
    IN_COINS,
    PAIR,
    account,
    classic,
    document,
    in_classic,
    index,
    snapshot_of,
    success,
)

RISK = RiskSettings()


async def computed(answers: dict[Any, Any], scenario: str = "classic") -> list[float | None]:
    snapshot = await snapshot_of(answers, scenario=scenario)
    return [price for _, price in computed_liquidation_prices(snapshot, RISK)]


# Liquidation prices


@pytest.mark.parametrize(
    ("row", "printed", "fee"),
    [
        ({}, 24144.1124161806977798, 0.0006),  # documented
        (
            # An account that pays less; captured in January 2025.
            {
                "marginSize": "161.56128",
                "total": "0.016",
                "leverage": "10",
                "openPriceAvg": "100975.8",
                "unrealizedPL": "5.3536",
                "liquidationPrice": "91279.851345922058",
                "markPrice": "101310.4",
                "marginRatio": "0.04272987621",
                "cTime": "1737339040134",
            },
            91279.851345922058,
            0.0004,
        ),
    ],
    ids=["documented", "captured"],
)
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_printed_isolated_prices_are_the_computed_ones_to_all_digits(
    row: dict[str, str], printed: float, fee: float, told: bool
) -> None:
    changed = row if told else {**row, "liquidationPrice": ""}
    answers = in_classic(document("accounts.json"), success([classic(**changed)]))
    (price,) = await computed(answers)
    assert price == pytest.approx(printed, rel=1e-11)
    (one,) = (await snapshot_of(answers, scenario="classic")).positions
    assert one.maintenance_tiers[0].rate == pytest.approx(0.004 + fee, rel=1e-6)


async def test_a_captured_position_that_nothing_liquidates_has_no_price_and_its_rate() -> None:
    """At leverage 1 the printed price is 0; the ratio has four decimals."""
    row = classic(
        symbol="ETHUSDT",
        marginSize="48.4478",
        total="0.02",
        leverage="1",
        openPriceAvg="2422.39",
        unrealizedPL="0.1872",
        liquidationPrice="0",
        keepMarginRate="0.005",
        markPrice="2431.75",
        marginRatio="0.0056",
    )
    answers = in_classic(document("accounts.json"), success([row])) | {CLASSIC_TIERS: success([])}
    (one,) = assess(await snapshot_of(answers, scenario="classic"), RISK).positions
    assert (one.liquidation_price, one.liquidation_source) == (None, "none")
    assert one.maintenance_margin_rate == pytest.approx(0.0056)


@pytest.mark.parametrize("side", ["long", "short"])
async def test_the_venue_s_formula_for_isolated_positions(side: str) -> None:
    """(margin - size x entry x direction) / (size x (rate + fee - direction))."""
    direction, size, entry, margin = (1 if side == "long" else -1), 0.5, 60_000.0, 3000.0
    expected = (margin - size * entry * direction) / (size * (0.004 + 0.0006 - direction))
    row = classic(
        holdSide=side,
        total=str(size),
        openPriceAvg=str(entry),
        marginSize=str(margin),
        markPrice="60100",
        unrealizedPL=str(direction * 50),
        marginRatio="",
        liquidationPrice="",
    )
    assert await computed(in_classic(document("accounts.json"), success([row]))) == [pytest.approx(expected)]


# What is required


@pytest.mark.parametrize(
    ("opened", "expected"),
    [(BEFORE, 1848.0), (AFTER, 1648.0), ("", 1848.0)],
    ids=["before", "after", "unknown"],
)
async def test_the_venue_s_example_of_how_tiers_count(opened: str, expected: float) -> None:
    """3 BTC at 110,000: 330,000 x 0.56 % before 2025-11-10, 200,000 x 0.46 % + 130,000 x 0.56 % since."""
    rows = success([{**EXAMPLE, "cTime": opened}])
    (one,) = assess(
        await snapshot_of(in_classic(success([account(crossedRiskRate="")]), rows), scenario="classic"),
        RISK,
    ).positions
    assert one.maintenance_margin == pytest.approx(expected)


async def test_long_and_short_of_a_symbol_share_a_tier_in_cross_and_not_in_isolated_mode() -> None:
    """Worth 150,000 and 100,000: together in the second tier, each by itself in the first."""
    legs = [
        classic(total="1.5", markPrice="100000", marginMode="MODE", marginRatio="", cTime=BEFORE),
        classic(
            total="1", markPrice="100000", marginMode="MODE", marginRatio="", cTime=AFTER, holdSide="short"
        ),
    ]
    found = {}
    for mode in ("crossed", "isolated"):
        rows = success([{**leg, "marginMode": mode} for leg in legs])
        snapshot = await snapshot_of(
            in_classic(success([account(crossedRiskRate="")]), rows), scenario="classic"
        )
        found[mode] = [one.maintenance_margin for one in assess(snapshot, RISK).positions]
    whole = 250_000 * 0.0056
    sliced = 200_000 * 0.0046 + 50_000 * 0.0056
    assert found["crossed"] == [pytest.approx(whole * 0.6), pytest.approx(sliced * 0.4)]
    assert found["isolated"] == [pytest.approx(150_000 * 0.0046), pytest.approx(100_000 * 0.0046)]


async def test_what_a_coin_requires_is_the_venue_s_ratio_of_what_backs_its_cross_positions() -> None:
    """The ratio of positions has more digits than that of the coin, and the highest of a moment counts.

    Isolated margins back nothing else.
    """
    rows = success([PAIR[0], {**PAIR[1], "marginRatio": "0.0811"}, classic(symbol="ETHUSDT")])
    coin = account(accountEquity="100", crossedRiskRate="0.08", unrealizedPL="4")
    (pool,) = assess(await snapshot_of(in_classic(success([coin]), rows), scenario="classic"), RISK).pools
    backing = 100 - 9.6695050093373343 - 1
    assert pool.margin_equity == pytest.approx(backing)
    assert pool.maintenance_margin == pytest.approx(0.0812 * backing)
    assert pool.maintenance_margin_rate == pytest.approx(0.0812)
    assert pool.closing_fees is None
    bare = [{**leg, "marginRatio": ""} for leg in PAIR]
    answers = in_classic(success([coin]), success(bare))
    (pool,) = assess(await snapshot_of(answers, scenario="classic"), RISK).pools
    assert pool.maintenance_margin_rate == pytest.approx(0.08)


async def test_an_isolated_position_that_adds_margin_by_itself_stands_with_its_coin() -> None:
    rows = success([classic(autoMargin="on")])
    (pool,) = assess(
        await snapshot_of(
            in_classic(success([account(accountEquity="100", crossedRiskRate="0.01")]), rows),
            scenario="classic",
        ),
        RISK,
    ).pools
    assert pool.margin_equity == pytest.approx(100.0)
    own = 9.6695050093373343 + 1
    assert pool.maintenance_margin == pytest.approx(0.01 * (100 - own) + 0.1082149545822005 * own)


async def test_a_coin_that_owes_requires_nothing_that_its_ratio_could_tell() -> None:
    coin = account(accountEquity="-5", crossedRiskRate="0.08", unrealizedPL="4")
    (pool,) = (await snapshot_of(in_classic(success([coin]), success(list(PAIR))), scenario="classic")).pools
    assert pool.maintenance_margin is None


async def test_a_fee_of_closing_above_that_of_everybody_is_not_believed() -> None:
    rows = success([classic(marginRatio="0.2")])
    (one,) = (await snapshot_of(in_classic(document("accounts.json"), rows), scenario="classic")).positions
    assert one.maintenance_tiers[0].rate == pytest.approx(0.004 + 0.0006)


async def test_the_margin_of_an_isolated_position_in_coins_does_not_tell_its_size() -> None:
    """It may have been added to: what was opened does not follow from it."""
    for mode, expected in (("crossed", 60_000.0), ("isolated", None)):
        row = {**IN_COINS, "unrealizedPL": "", "marginMode": mode}
        answers = in_classic(success([account()]), None, success([COIN]), success([row]))
        (one,) = (await snapshot_of(answers, scenario="classic")).positions
        assert one.contract.size == expected


async def test_an_amount_too_small_to_tell_makes_no_price() -> None:
    dust = account(marginCoin="ETH", accountEquity="0.000001")
    for value, priced in (("0.01", True), ("0.009", False)):
        answers = in_classic(success([account()]), None, success([COIN, {**dust, "usdtEquity": value}]))
        answers |= {(INDEX, "symbol=BTCUSD"): index("BTCUSD", "1"), (INDEX, "symbol=BTCUSDT"): index("", "1")}
        assert ("ETH" in (await snapshot_of(answers, scenario="classic")).prices) == priced
