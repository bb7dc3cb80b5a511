"""Binance COIN-M: contracts, brackets, and what is asked when."""

from __future__ import annotations

import math
from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from tests.venues.harness import (
    QuietObserver,
    VenueServer,
    make_venue,
)
from tests.venues.payloads.binance_coinm.bench import (
    CONFIG,
    LISTED,
    NAME,
    PATHS,
    account,
    account_row,
    answers,
    assessed,
    asset,
    document,
    listed,
    plain_brackets,
    row,
    snapshot_of,
)


class TestBrackets:
    async def test_brackets_are_in_the_base_coin(self) -> None:
        brackets = plain_brackets()
        brackets[0]["brackets"].append(
            {"bracket": 2, "qtyCap": 100, "qtyFloor": 50, "maintMarginRatio": 0.01, "cum": 0.3}
        )
        snapshot = await snapshot_of(
            account=account(account_row()), position_risk=[row()], leverage_bracket=brackets
        )
        tiers = snapshot.positions[0].maintenance_tiers
        assert [(tier.floor, tier.cap, tier.rate, tier.deduction) for tier in tiers] == [
            (0.0, 50.0, 0.004, 0.0),
            (50.0, math.inf, 0.01, 0.3),
        ]

    async def test_the_position_decides_how_a_coefficient_is_meant(self) -> None:
        """200 USD at the mark are 0.00524892 BTC, at 0.4 % 0.000021 BTC: the documented bracket fits."""
        snapshot = await snapshot_of(account=account(account_row()), position_risk=[row()])
        assert [tier.rate for tier in snapshot.positions[0].maintenance_tiers] == [0.004]
        unknown = await snapshot_of(account=account(), position_risk=[row()])
        assert unknown.positions[0].maintenance_tiers == ()


class TestContracts:
    async def test_size_and_coins_come_from_the_exchange_information(self) -> None:
        information = listed("BTCUSD_PERP", "ETHUSD_PERP")
        information["symbols"][1] |= {"contractSize": 10, "baseAsset": "ETH", "marginAsset": "ETH"}
        snapshot = await snapshot_of(
            account=account(), position_risk=[row(), row(symbol="ETHUSD_PERP")], exchange_info=information
        )
        found = [(item.contract.size, item.contract.base, item.contract.quote) for item in snapshot.positions]
        assert found == [(100.0, "BTC", "USD"), (10.0, "ETH", "USD")]
        assert {item.contract.kind for item in snapshot.positions} == {"inverse"}

    async def test_a_symbol_that_is_not_listed_is_looked_up_again_later(self) -> None:
        """A new contract is found after a minute, not after the hour for which contracts are kept."""
        now = 1_000_000.0
        asked = 0

        def exchange_info(_: web.Request) -> web.Response:
            nonlocal asked
            asked += 1
            return web.json_response(listed("BTCUSD_200925") if asked == 1 else LISTED)

        served = answers(
            account=account(), position_risk=[row()], exchange_info=exchange_info, leverage_bracket=None
        )
        async with VenueServer(served) as server, Client(QuietObserver(), wall=lambda: now) as client:
            venue = make_venue(NAME, server.base_url, CONFIG)
            api = client.account(venue)
            sizes = []
            for seconds in (0.0, 30.0, 31.0, 30.0, 3600.0):
                now += seconds
                sizes.append((await venue.fetch(api)).positions[0].contract.size)
        assert [size is None for size in sizes] == [True, True, False, False, False]
        assert asked == 3

    @pytest.mark.parametrize("information", [None, listed("BTCUSD_200925"), {"symbols": []}])
    async def test_an_unknown_contract_size_is_not_guessed(self, information: object) -> None:
        """Everything that does not need the size is published all the same."""
        snapshot = await snapshot_of(
            account=account(account_row()), position_risk=[row()], exchange_info=information
        )
        risk = assessed(snapshot)
        (position,) = risk.positions
        assert (position.notional_usd, risk.pools[0].gross_notional_usd) == (None, None)
        assert risk.pools[0].leverage_ratio is None
        assert (position.position.contract.base, position.position.contract.settle) == ("BTC", "BTC")
        assert position.liquidation_distance_ratio == pytest.approx(0.3407359, abs=1e-7)
        assert position.unrealized_pnl == 0.00006413
        assert position.maintenance_margin == 0.000021
        assert risk.pools[0].equity_usd == pytest.approx(0.00241969 * 10979.144375)

    @pytest.mark.parametrize("size", [None, "", "0", 0, -100])
    async def test_a_contract_size_that_is_none_is_unknown(self, size: object) -> None:
        information = listed("BTCUSD_PERP")
        information["symbols"][0]["contractSize"] = size
        snapshot = await snapshot_of(account=account(), position_risk=[row()], exchange_info=information)
        assert assessed(snapshot).positions[0].notional_usd is None

    async def test_a_symbol_of_no_known_form_is_a_schema_error(self) -> None:
        """Without a coin the position cannot be put beside the collateral it endangers."""
        with pytest.raises(VenueError, match="symbol") as caught:
            await snapshot_of(account=account(), position_risk=[row(symbol="SOMETHING")])
        assert caught.value.reason == "schema"
        assert "GET /dapi/v1/positionRisk" in str(caught.value)


class TestRequests:
    @staticmethod
    async def collect(times: int, *, seconds: float, **changed: Any) -> list[str]:
        """The paths asked for by so many collections, so many seconds apart."""
        now = 1_000_000.0
        async with VenueServer(answers(**changed)) as server:
            async with Client(QuietObserver(), wall=lambda: now) as client:
                venue = make_venue(NAME, server.base_url, CONFIG)
                for _ in range(times):
                    await venue.fetch(client.account(venue))
                    now += seconds
            return [request.path for request in server.requests]

    async def test_what_rarely_changes_is_kept(self) -> None:
        asked = await self.collect(4, seconds=15.0)
        counts = {path: asked.count(path) for path in asked}
        assert counts == {
            "/dapi/v1/account": 4,
            "/dapi/v1/positionRisk": 4,
            "/dapi/v1/premiumIndex": 4,
            "/dapi/v1/adlQuantile": 2,
            "/dapi/v1/exchangeInfo": 1,
            "/dapi/v2/leverageBracket": 1,
        }

    async def test_an_account_without_positions_asks_only_for_what_it_needs(self) -> None:
        asked = await self.collect(1, seconds=15.0, position_risk=[])
        assert sorted(asked) == ["/dapi/v1/account", "/dapi/v1/positionRisk", "/dapi/v1/premiumIndex"]

    async def test_accounts_of_one_venue_share_prices_and_contracts(self) -> None:
        async with VenueServer(answers()) as server, Client(QuietObserver()) as client:
            for name in ("one", "two", "three"):
                venue = make_venue(NAME, server.base_url, {**CONFIG, "name": name, "interval": 3600})
                await venue.fetch(client.account(venue))
            asked = [request.path for request in server.requests]
        assert asked.count("/dapi/v1/premiumIndex") == 1
        assert asked.count("/dapi/v1/exchangeInfo") == 1
        assert asked.count("/dapi/v1/adlQuantile") == 3

    async def test_a_refusal_of_usdm_closes_coinm_for_the_same_address(self) -> None:
        """Both count into one request budget; asking on would turn the refusal into a ban."""
        error = {"code": -1003, "msg": "Too many requests"}
        refusal = web.json_response(error, status=429, headers={"Retry-After": "30"})
        fapi = dict.fromkeys(("/fapi/v3/account", "/fapi/v3/positionRisk", "/fapi/v1/accountConfig"), refusal)
        async with (
            VenueServer(fapi) as usdm_server,
            VenueServer(answers()) as coinm_server,
            Client(QuietObserver()) as client,
        ):
            usdm = make_venue("binance_usdm", usdm_server.base_url, CONFIG)
            with pytest.raises(VenueError):
                await usdm.fetch(client.account(usdm))
            coinm = make_venue(NAME, coinm_server.base_url, CONFIG)
            with pytest.raises(VenueError, match="no request is sent for another") as caught:
                await coinm.fetch(client.account(coinm))
            assert caught.value.reason == "rate_limited"
            assert coinm_server.requests == []

    @pytest.mark.parametrize("name", ["account", "position_risk"])
    async def test_without_account_or_positions_the_collection_fails(self, name: str) -> None:
        with pytest.raises(VenueError, match=PATHS[name][0]):
            await snapshot_of(**{name: None})

    async def test_delivery_contracts_without_funding_do_not_hide_the_prices(self) -> None:
        (perpetual,) = document("premium_index.json")
        delivery = {
            **perpetual,
            "symbol": "BTCUSD_201225",
            "indexPrice": "1",
            "lastFundingRate": "",
            "interestRate": "",
            "nextFundingTime": 0,
        }
        snapshot = await snapshot_of(
            premium_index=[delivery, perpetual, {**perpetual, "symbol": "ETHUSD_PERP", "indexPrice": "0"}]
        )
        assert snapshot.prices == {"BTC": 10979.144375}


class TestSchema:
    @pytest.mark.parametrize("empty", ["", None])
    async def test_an_empty_balance_is_not_zero(self, empty: object) -> None:
        (pool,) = (await snapshot_of(account=account(assets=[asset(walletBalance=empty)]))).pools
        assert (pool.wallet_balance, pool.equity) == (None, 0.00241969)
        (pool,) = (await snapshot_of(account=account(assets=[asset(crossUnPnl=empty)]))).pools
        assert (pool.margin_equity, pool.equity) == (None, 0.00241969)

    @pytest.mark.parametrize("empty", ["", None])
    async def test_an_empty_equity_follows_from_wallet_and_pnl_or_is_an_error(self, empty: object) -> None:
        (pool,) = (await snapshot_of(account=account(assets=[asset(marginBalance=empty)]))).pools
        assert pool.equity == 0.00241969
        nothing = asset(marginBalance=empty, unrealizedProfit=empty)
        with pytest.raises(VenueError, match="marginBalance") as caught:
            await snapshot_of(account=account(assets=[nothing]))
        assert caught.value.reason == "schema"
