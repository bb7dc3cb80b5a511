"""Binance USD-M: what rows say of positions."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from exporter.model import RiskSettings
from exporter.risk import assess
from tests.venues.harness import (
    NOW,
)
from tests.venues.payloads.binance_usdm.bench import (
    MULTI,
    ONE_WAY,
    document,
    position_of,
    row,
    snapshot_of,
)


class TestPosition:
    async def test_documented_row(self) -> None:
        position = await position_of()
        assert position.side == "long"
        assert position.margin_mode == "cross"
        assert position.maintenance_margin == 0.0800428
        assert position.adl_ratio == 0.5
        assert position.unrealized_pnl == pytest.approx(30 * (0.4104759 - 0.385))
        assert position.maintenance_margin / 12.314277 == pytest.approx(0.0065, rel=1e-6)

    async def test_both_long_and_short_rows_are_told_apart_by_the_sign(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        rows = [
            row(positionSide="LONG", positionAmt="3"),
            row(positionSide="SHORT", positionAmt="-2"),
            row(positionSide="BOTH", positionAmt="-1", symbol="ETCUSDT"),
        ]
        snapshot = await snapshot_of(account=account, position_risk=rows)
        assert [(item.side, item.quantity) for item in snapshot.positions] == [
            ("long", 3.0),
            ("short", 2.0),
            ("short", 1.0),
        ]

    async def test_a_row_without_mark_price_has_none(self) -> None:
        assert (await position_of(markPrice="")).mark_price is None
        assert (await position_of(markPrice="0.00000000")).mark_price is None

    async def test_isolated_margin_excludes_unrealized_pnl(self) -> None:
        position = await position_of(isolatedWallet="5", isolatedMargin="5.764277")
        assert (position.margin_mode, position.margin) == ("isolated", 5.0)

    async def test_a_coin_that_is_no_margin_does_not_hide_the_shocks(self) -> None:
        account = document("account_multi_assets.json")
        kept = {**account["assets"][0], "walletBalance": "60000", "marginBalance": "60000"}
        junk = {**kept, "asset": "JUNK", "walletBalance": "1", "marginBalance": "1", "marginAvailable": False}
        account |= {"assets": [kept, junk], "positions": [], "totalMarginBalance": "60000"}
        account |= {"totalCrossWalletBalance": "60000", "totalMaintMargin": "0.0800428"}
        snapshot = await snapshot_of(account=account, account_config=MULTI)
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert len(pool.stress) == 6
        assert pool.equity is None

    @pytest.mark.parametrize("wallet", ["0", "", None])
    async def test_isolated_margin_follows_from_its_sum_with_the_pnl(self, wallet: str | None) -> None:
        position = await position_of(isolatedWallet=wallet, isolatedMargin="5.764277")
        assert position.margin_mode == "isolated"
        assert position.margin == pytest.approx(5.0)

    async def test_leverage_comes_from_the_symbol_configuration(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        configured = [{"symbol": "ADAUSDT", "marginType": "CROSSED", "leverage": 20}]
        snapshot = await snapshot_of(account=account, symbol_config=configured)
        assert snapshot.positions[0].leverage == 20.0

    async def test_the_symbol_s_configuration_tells_the_largest_notional(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        configured = [{"symbol": "ADAUSDT", "marginType": "CROSSED", "maxNotionalValue": "1000000"}]
        snapshot = await snapshot_of(account=account, symbol_config=configured)
        assert snapshot.positions[0].largest_notional == 1e6

    async def test_funding_of_the_next_time(self) -> None:
        funding = [{**document("premium_index.json")[0], "symbol": "ADAUSDT"}]
        account = document("account_single_asset.json")
        account["positions"] = []
        (position,) = (await snapshot_of(account=account, premium_index=funding)).positions
        assert (position.funding_rate, position.next_funding_at) == (0.00038246, 1597392000.0)

    @pytest.mark.parametrize(("age", "old"), [(3600, True), (10, False)])
    async def test_prices_and_funding_that_a_cache_kept_are_absent(self, age: int, *, old: bool) -> None:
        """No header tells it, and the newest row does."""
        when = [{"time": (NOW - extra) * 1000} for extra in (age, 80000)]
        funding = [{**document("premium_index.json")[0], "symbol": "ADAUSDT", **time} for time in when]
        index = [{**document("asset_index.json")[0], **time} for time in when]
        account = document("account_single_asset.json")
        account["positions"] = []
        snapshot = await snapshot_of(account=account, premium_index=funding, asset_index=index)
        assert (snapshot.positions[0].funding_rate is None) == old
        assert (snapshot.prices == {}) == old

    async def test_a_delivery_contract_has_no_funding(self) -> None:
        funding = [{"symbol": "ADAUSDT", "lastFundingRate": "", "nextFundingTime": 0}]
        account = document("account_single_asset.json")
        account["positions"] = []
        (position,) = (await snapshot_of(account=account, premium_index=funding)).positions
        assert (position.funding_rate, position.next_funding_at) == (None, None)

    async def test_a_row_without_its_margin_coin_settles_in_that_of_its_contract_or_symbol(self) -> None:
        without = row()
        del without["marginAsset"]
        account = document("account_single_asset.json")
        account["positions"] = []
        unlisted: dict[str, Any] = {"symbols": []}
        for information in (None, unlisted):
            snapshot = await snapshot_of(account=account, position_risk=[without], exchange_info=information)
            contract = snapshot.positions[0].contract
            assert (contract.base, contract.settle) == ("ADA", "USDT")

    async def test_rows_without_position_side_are_joined_by_the_side_of_the_market(self) -> None:
        account = document("account_real_rows.json")
        long = {**account["positions"][0], "positionAmt": "3", "notional": "60.5", "positionSide": "LONG"}
        account["positions"].append(long)
        risk = row(symbol="ETCUSDT", positionAmt="-2.92")
        del risk["positionSide"]
        snapshot = await snapshot_of(account=account, position_risk=[risk], account_config=ONE_WAY)
        assert [(item.symbol, item.side, item.quantity) for item in snapshot.positions] == [
            ("ETCUSDT", "short", 2.92),
            ("ETCUSDT", "long", 3.0),
        ]

    async def test_a_kept_symbol_configuration_that_contradicts_a_position_is_asked_again(self) -> None:
        """Leverage is kept for a minute; a position that turned isolated shows that it is outdated."""
        account = document("account_single_asset.json")
        account["positions"] = []
        calls = []

        def symbol_config(request: web.Request) -> web.Response:
            calls.append(request)
            mode, leverage = ("CROSSED", 20) if len(calls) == 1 else ("ISOLATED", 5)
            return web.json_response([{"symbol": "ADAUSDT", "marginType": mode, "leverage": leverage}])

        snapshot = await snapshot_of(
            account=account,
            symbol_config=symbol_config,
            position_risk=[row(isolatedWallet="5", isolatedMargin="5.76")],
        )
        assert len(calls) == 2
        assert snapshot.positions[0].leverage == 5.0
