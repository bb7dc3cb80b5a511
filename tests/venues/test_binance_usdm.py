"""Binance USD-M: documented answers in, published numbers out."""

from __future__ import annotations

import pytest

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from tests.venues.harness import (
    payload,
)
from tests.venues.payloads.binance_usdm.bench import (
    MULTI,
    NAME,
    ONE_WAY,
    document,
    row,
    snapshot_of,
)


class TestAccount:
    async def test_single_asset_mode_has_one_pool_a_coin(self) -> None:
        snapshot = await snapshot_of(position_risk=[], account_config=ONE_WAY)
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [
            ("USDT", 23.72469206),
            ("USDC", 103.12345678),
        ]

    async def test_multi_assets_mode_has_one_pool_in_usd(self) -> None:
        snapshot = await snapshot_of(
            account=payload(NAME, "account_multi_assets.json"), position_risk=[], account_config=MULTI
        )
        (pool,) = snapshot.pools
        assert (pool.currency, pool.margin_equity) == ("USD", 126.72469206)
        # The total is after haircuts: what the collateral is worth, the assets tell.
        assert (pool.equity, pool.adjusted_equity) == (None, 126.72469206)
        assert [asset.asset for asset in snapshot.assets] == ["USDT", "BUSD"]

    async def test_collateral_counts_at_the_bid_rate_and_what_is_owed_or_required_at_the_ask_rate(
        self,
    ) -> None:
        account = document("account_multi_assets.json")
        account["assets"][1]["asset"] = "ADA"
        snapshot = await snapshot_of(account=account, position_risk=[], account_config=MULTI)
        tether, cardano = snapshot.assets
        assert cardano.collateral_price_usd == 1.73661633
        assert (cardano.debt_price_usd, cardano.margin_price_usd) == (2.12253107, 2.12253107)
        assert (tether.collateral_price_usd, tether.debt_price_usd) == (None, None)
        assert snapshot.prices == {"ADA": 1.9295737}

    async def test_what_orders_bind_and_what_may_be_moved_out(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        account["assets"][0] |= {"openOrderInitialMargin": "1.5", "maxWithdrawAmount": "20.25"}
        single = await snapshot_of(account=account, position_risk=[], account_config=ONE_WAY)
        assert [(pool.open_order_margin, pool.withdrawable_balance) for pool in single.pools] == [
            (1.5, 20.25),
            (0.0, 103.12345678),
        ]
        account |= {"totalOpenOrderInitialMargin": "2.5", "maxWithdrawAmount": "100"}
        (pool,) = (await snapshot_of(account=account, position_risk=[], account_config=MULTI)).pools
        assert (pool.open_order_margin, pool.withdrawable_balance) == (2.5, 100.0)

    async def test_an_empty_account_shows_its_zero(self) -> None:
        account = document("account_single_asset.json")
        for asset in account["assets"]:
            for field in asset:
                if field not in {"asset", "updateTime"}:
                    asset[field] = "0.00000000"
        account["positions"] = []
        snapshot = await snapshot_of(account=account, position_risk=[], account_config=ONE_WAY)
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("USDT", 0.0)]

    async def test_a_requirement_of_zero_beside_a_position_is_unknown(self) -> None:
        """The documented examples show a position of 1 BTC and no maintenance margin: that is not safety."""
        single = await snapshot_of(position_risk=[], account_config=ONE_WAY)
        assert [pool.maintenance_margin for pool in single.pools] == [None, 0.0]
        multi = await snapshot_of(
            account=payload(NAME, "account_multi_assets.json"), position_risk=[], account_config=MULTI
        )
        assert multi.pools[0].maintenance_margin is None

    async def test_isolated_margin_is_not_part_of_what_backs_cross_positions(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        account["assets"] = [
            {
                **account["assets"][0],
                "walletBalance": "100",
                "crossWalletBalance": "80",
                "crossUnPnl": "-5",
                "unrealizedProfit": "-4",
                "marginBalance": "96",
                "maintMargin": "3.5",
            }
        ]
        rows = [
            row(symbol="ADAUSDT", maintMargin="1.5"),
            row(symbol="ETCUSDT", isolatedWallet="20", isolatedMargin="21", maintMargin="2"),
        ]
        (pool,) = (await snapshot_of(account=account, position_risk=rows, account_config=ONE_WAY)).pools
        assert (pool.equity, pool.margin_equity, pool.maintenance_margin) == (96.0, 75.0, 1.5)

    @pytest.mark.parametrize("flag", [True, "true", "TRUE"])
    async def test_an_isolated_position_that_margin_is_added_to_draws_on_the_cross_wallet(
        self, flag: object
    ) -> None:
        """It stands and falls with the cross positions: 80 − 5 + 20 + 1 back 1.5 + 2 that are required."""
        account = document("account_single_asset.json")
        account["positions"] = []
        account["assets"] = [
            {
                **account["assets"][0],
                "walletBalance": "100",
                "crossWalletBalance": "80",
                "crossUnPnl": "-5",
                "unrealizedProfit": "-4",
                "marginBalance": "96",
                "maintMargin": "6.5",
            }
        ]
        own = {"isolatedWallet": "20", "isolatedMargin": "21", "unRealizedProfit": "1"}
        rows = [
            row(symbol="ADAUSDT", maintMargin="1.5"),
            row(symbol="ETCUSDT", maintMargin="2", **own),
            row(symbol="XRPUSDT", maintMargin="3", isolatedWallet="30", isolatedMargin="29"),
        ]
        configured = [
            {"symbol": "ADAUSDT", "marginType": "CROSSED", "isAutoAddMargin": flag},
            {"symbol": "ETCUSDT", "marginType": "ISOLATED", "isAutoAddMargin": flag},
            {"symbol": "XRPUSDT", "marginType": "ISOLATED", "isAutoAddMargin": "false"},
        ]
        snapshot = await snapshot_of(
            account=account, position_risk=rows, account_config=ONE_WAY, symbol_config=configured
        )
        assert [position.auto_add_margin for position in snapshot.positions] == [False, True, False]
        assert [position.margin for position in snapshot.positions] == [None, 20.0, 30.0]
        (pool,) = snapshot.pools
        assert (pool.equity, pool.margin_equity, pool.maintenance_margin) == (96.0, 96.0, 3.5)

    async def test_a_position_that_only_the_account_call_shows_is_published(self) -> None:
        snapshot = await snapshot_of(account=payload(NAME, "account_real_rows.json"), account_config=ONE_WAY)
        etc = next(position for position in snapshot.positions if position.symbol == "ETCUSDT")
        assert (etc.side, etc.quantity, etc.entry_price) == ("short", 2.92, 20.176)
        assert etc.mark_price == pytest.approx(20.18938035958904, rel=1e-15)
        # Unrealized PnL of the real row agrees with its own mark: the identity of a linear short.
        assert etc.mark_price is not None
        assert -2.92 * (etc.mark_price - 20.176) == pytest.approx(-0.03907065, abs=1e-8)

    async def test_without_exchange_information_base_and_quote_come_from_the_symbol(self) -> None:
        snapshot = await snapshot_of(exchange_info=None, account_config=ONE_WAY)
        ada = next(position for position in snapshot.positions if position.symbol == "ADAUSDT")
        assert (ada.contract.base, ada.contract.settle) == ("ADA", "USDT")

    async def test_a_position_whose_coin_cannot_be_told_is_an_error_and_not_hidden(self) -> None:
        account = document("account_real_rows.json")
        row = next(item for item in account["positions"] if item["symbol"] == "ETCUSDT")
        row["symbol"] = "ETCBNFCR"
        with pytest.raises(VenueError, match=r"GET /fapi/v3/account: `symbol` of a position") as caught:
            await snapshot_of(account=account, exchange_info=None, account_config=ONE_WAY)
        assert caught.value.reason == "schema"

    async def test_both_legs_of_a_hedge_pair_have_the_distance_of_the_net(self) -> None:
        both = {"markPrice": "100", "liquidationPrice": "80", "unRealizedProfit": "0", "entryPrice": "100"}
        long, short = (
            {**document("position_risk.json")[0], **both, "positionSide": side, "positionAmt": amount}
            for side, amount in (("LONG", "3"), ("SHORT", "-1"))
        )
        risk = assess(await snapshot_of(position_risk=[long, short]), RiskSettings())
        distances = [row.liquidation_distance_ratio for row in risk.positions if row.mark_price == 100.0]
        assert distances == [pytest.approx(0.2)] * 2
