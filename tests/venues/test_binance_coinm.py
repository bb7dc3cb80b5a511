"""Binance COIN-M: documented answers in, published numbers out."""

from __future__ import annotations

import math

import pytest

from exporter.api import Client
from exporter.demo import Market, Server
from exporter.demo.binance_coinm import BinanceCoinmSimulator
from exporter.model import RiskSettings
from exporter.risk import computed_liquidation_prices
from tests.venues.harness import (
    QuietObserver,
    make_venue,
    payload,
)
from tests.venues.payloads.binance_coinm.bench import (
    NAME,
    account,
    account_row,
    assessed,
    asset,
    plain_brackets,
    position_of,
    real_row_snapshot,
    row,
    snapshot_of,
)

FILES = {
    "account_hedge.json": "account",
    "account_as_printed.json": "account",
    "account_one_way.json": "account",
    "position_risk_hedge.json": "position_risk",
    "position_risk_one_way.json": "position_risk",
    "leverage_bracket.json": "leverage_bracket",
    "adl_quantile.json": "adl_quantile",
    "exchange_info.json": "exchange_info",
    "premium_index.json": "premium_index",
}


class TestFormulas:
    """Identities of inverse contracts on documented numbers."""

    async def test_the_real_row_explains_itself(self) -> None:
        """PnL and collateral of the real row follow from its size, prices and margin."""
        (position,) = (await real_row_snapshot()).positions
        entry, mark = position.entry_price, position.mark_price
        assert (entry, mark, position.contract.size) == (37643.10000021, 38103.05510455, 100.0)
        assert entry is not None
        assert mark is not None
        pnl = 2 * 100 * (1 / entry - 1 / mark)
        # The venue cuts the ninth digit off: 0.0000641357 is printed as 0.00006413.
        assert math.floor(pnl * 1e8) == 6413
        assert position.unrealized_pnl == 0.00006413
        assert position.margin == 0.00268058
        assert position.margin + position.unrealized_pnl == pytest.approx(0.00274471, abs=1e-12)
        assert position.leverage == 2.0

    async def test_distance_of_the_real_row(self) -> None:
        risk = assessed(await real_row_snapshot())
        (position,) = risk.positions
        assert position.liquidation_price == 25119.97445760
        assert position.liquidation_source == "venue"
        expected = (38103.05510455 - 25119.97445760) / 38103.05510455
        assert position.liquidation_distance_ratio == pytest.approx(expected, rel=1e-12)
        assert position.liquidation_distance_ratio == pytest.approx(0.3407359, abs=1e-7)
        assert position.notional_usd == 200.0
        assert position.maintenance_margin_rate == pytest.approx(0.000021 / 0.00274471, rel=1e-3)

    async def test_the_engine_finds_the_liquidation_price_of_the_real_row(self) -> None:
        """25119.97445761 from the brackets' 0.4 %; the venue printed 25119.97445760."""
        snapshot = await snapshot_of(
            account=account(), position_risk=[row()], leverage_bracket=plain_brackets()
        )
        ((position, price),) = computed_liquidation_prices(snapshot, RiskSettings())
        assert position.maintenance_margin is None
        assert price == pytest.approx(25119.97445761, abs=1e-6)

    async def test_documented_hedge_row(self) -> None:
        """One contract of 100 USD: the printed PnL is right, the printed notional is the mark price."""
        risk = assessed(await snapshot_of())
        (position,) = risk.positions
        assert (position.position.side, position.position.quantity) == ("long", 1.0)
        assert position.unrealized_pnl == 0.00005866
        assert pytest.approx(0.00005866, abs=5e-9) == 100 * (1 / 11707.70000003 - 1 / 11788.66626667)
        assert position.notional_usd == 100.0
        (pool,) = risk.pools
        assert pool.gross_notional_usd == 100.0
        # 100 USD at the mark are 0.00848272 BTC.
        assert pool.leverage_ratio == pytest.approx(0.00848272 / 0.00241969, rel=1e-6)
        expected = (11788.66626667 - 11667.63509587) / 11788.66626667
        assert position.liquidation_distance_ratio == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("wrong", ["11788.66626667", "0.00084827", "99999999", "", None, "-1"])
    async def test_the_printed_notional_is_not_used(self, wrong: object) -> None:
        assert await position_of(notionalValue=wrong) == await position_of()


class TestAccount:
    async def test_documented_account(self) -> None:
        snapshot = await snapshot_of(position_risk=[])
        (pool,) = snapshot.pools
        assert (pool.currency, pool.equity, pool.margin_equity) == ("BTC", 0.00241969, 0.00241969)
        assert pool.maintenance_margin == 0.0
        assert snapshot.positions == ()
        assert snapshot.prices == {"BTC": 10979.144375}

    async def test_the_account_as_printed_is_read(self) -> None:
        """Two of its rows have no size and one no time."""
        snapshot = await snapshot_of(account=payload(NAME, "account_as_printed.json"), position_risk=[])
        assert snapshot.positions == ()
        assert snapshot.modes == {"position_mode": "hedge"}

    async def test_coins_with_nothing_in_them_are_dropped(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        empty = [asset(asset=f"COIN{n}", **dict.fromkeys(names, "0.00000000")) for n in range(200)]
        snapshot = await snapshot_of(
            account=account(assets=[*empty, asset(asset="ETH", walletBalance="3")]), position_risk=[]
        )
        assert [pool.currency for pool in snapshot.pools] == ["ETH"]

    async def test_an_empty_account_shows_its_zero(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        rows = [asset(asset=coin, **dict.fromkeys(names, "0.00000000")) for coin in ("ADA", "BTC", "ETH")]
        snapshot = await snapshot_of(account=account(assets=rows), position_risk=[])
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("BTC", 0.0)]

    async def test_each_coin_is_a_pool_of_its_own(self) -> None:
        snapshot = await snapshot_of(
            account=account(assets=[asset(), asset(asset="ETH", marginBalance="2.5")]),
            position_risk=[row(marginType="cross")],
        )
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [
            ("BTC", 0.00241969),
            ("ETH", 2.5),
        ]
        assert [position.contract.settle for position in snapshot.positions] == ["BTC"]

    async def test_a_coin_that_only_backs_a_position_is_a_pool(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        rows = [asset(asset=coin, **dict.fromkeys(names, "0.00000000")) for coin in ("BTC", "ETH")]
        snapshot = await snapshot_of(account=account(assets=rows), position_risk=[row(symbol="ETHUSD_PERP")])
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("ETH", 0.0)]

    async def test_isolated_margin_is_not_part_of_what_backs_cross_positions(self) -> None:
        backing = asset(
            walletBalance="1.00268058",
            crossWalletBalance="1",
            crossUnPnl="-0.25",
            unrealizedProfit="-0.24993587",
            marginBalance="0.75274471",
            maintMargin="0.003021",
        )
        snapshot = await snapshot_of(
            account=account(
                account_row(),
                account_row(symbol="BTCUSD_201225", positionAmt="500", maintMargin="0.003", isolated=False),
                assets=[backing],
            ),
            position_risk=[row(), row(symbol="BTCUSD_201225", positionAmt="500", marginType="cross")],
        )
        (pool,) = snapshot.pools
        assert (pool.equity, pool.margin_equity, pool.maintenance_margin) == (0.75274471, 0.75, 0.003)
        assert pool.initial_margin == 0.0

    async def test_a_pool_total_of_zero_beside_a_cross_position_is_unknown(self) -> None:
        """The documented hedge example: a rate of 0 would call a position of 0.85 % distance safe."""
        risk = assessed(await snapshot_of())
        assert risk.snapshot.pools[0].maintenance_margin is None
        assert risk.pools[0].maintenance_margin_rate is None

    @pytest.mark.parametrize(
        ("file", "rows", "modes"),
        [
            ("account_hedge.json", "position_risk_hedge.json", {"position_mode": "hedge"}),
            ("account_one_way.json", "position_risk_one_way.json", {"position_mode": "one_way"}),
        ],
    )
    async def test_the_position_mode_is_told_by_the_rows(
        self, file: str, rows: str, modes: dict[str, str]
    ) -> None:
        snapshot = await snapshot_of(account=payload(NAME, file), position_risk=payload(NAME, rows))
        assert snapshot.modes == modes

    async def test_without_any_row_the_mode_is_unknown(self) -> None:
        assert (await snapshot_of(account=account(), position_risk=[])).modes == {}


async def test_the_stand_in_and_the_adapter_agree() -> None:
    """Two independent implementations: the engine's liquidation prices are those the venue prints."""
    market = Market(seed=3)
    simulator = BinanceCoinmSimulator(market)
    market.advance(900)
    market.freeze()
    async with Server(simulator) as server, Client(QuietObserver()) as client:
        for entry in simulator.demo_accounts(server.base_url):
            venue = make_venue(NAME, server.base_url, entry)
            snapshot = await venue.fetch(client.account(venue))
            book = simulator.accounts[str(entry["name"])]
            risk = assessed(snapshot)
            pools = {pool.pool.currency: pool for pool in risk.pools}
            assert set(pools) == set(book.pool_currencies())
            for currency, pool in pools.items():
                expected = book.pool(currency)
                assert pool.pool.equity == pytest.approx(float(expected.equity), abs=1e-12)
                assert pool.pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-12)
                assert pool.maintenance_margin == pytest.approx(
                    float(expected.cross_maintenance_margin), abs=1e-12
                )
                assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate or 0))
            assert len(risk.positions) == len(book.positions)
            for position, price in computed_liquidation_prices(snapshot, RiskSettings()):
                held = next(
                    item
                    for item in book.positions
                    if (item.contract.symbol, item.side) == (position.symbol, position.side)
                )
                exact = book.liquidation_price(held)
                if exact is None or exact <= 0:
                    assert price is None
                    assert not position.liquidation_price, "the venue prints 0"
                else:
                    assert price == pytest.approx(float(exact), rel=1e-5)
                    assert position.liquidation_price == pytest.approx(float(exact), abs=1e-8)
                assert position.contract.size == float(held.contract.size)
                assert position.maintenance_tiers
                assert position.adl_ratio is not None
