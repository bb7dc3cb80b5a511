"""Binance USD-M: documented answers in, published numbers out."""

from __future__ import annotations

import base64
import math
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from pydantic import SecretStr

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.signing import signer
from exporter.venues import _binance_brackets
from exporter.venues._binance_usdm import ACCOUNT
from exporter.venues.binance_usdm import BinanceUsdm
from tests.venues.harness import (
    NOW,
    make_venue,
    payload,
    unsigned,
)
from tests.venues.payloads.binance_usdm.bench import (
    CONFIG,
    KEY,
    MULTI,
    NAME,
    ONE_WAY,
    SECRET,
    document,
    position_of,
    row,
    snapshot_of,
)


class TestSigning:
    def test_official_vector(self) -> None:
        body = (
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            b"&recvWindow=5000&timestamp=1591702613943"
        )
        expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
        assert signer(SecretStr(SECRET), "Binance")(body) == expected

    def test_get_vector(self) -> None:
        expected = "b944ea46b707ca97ae6956c3e381b0ceaf517dac418a6d64af1fb3b0e878d11d"
        assert signer(SecretStr(SECRET), "Binance")(b"timestamp=1591702613943&recvWindow=5000") == expected

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_private_keys_sign_so_that_openssl_verifies(self, kind: str, tmp_path: Any) -> None:
        """Base64 of Ed25519, or of RSA PKCS#1 v1.5 with SHA-256, checked by another implementation."""
        private, public = tmp_path / "private.pem", tmp_path / "public.pem"
        algorithm = ["-algorithm", kind.upper()] if kind == "ed25519" else ["-algorithm", "RSA"]
        subprocess.run(["openssl", "genpkey", *algorithm, "-out", private], check=True, capture_output=True)  # noqa: S607 (fixed arguments)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)  # noqa: S607
        venue = make_venue(NAME, "http://localhost", {**CONFIG, "api_secret": private.read_text()})
        signed = venue.sign(unsigned(ACCOUNT, at=1591702613943))
        text, _, signature = signed.query.rpartition("&signature=")
        (tmp_path / "text").write_text(text)
        (tmp_path / "signature").write_bytes(base64.b64decode(unquote(signature), validate=True))
        verify = {
            "ed25519": ["pkeyutl", "-verify", "-rawin", "-in", tmp_path / "text", "-sigfile"],
            "rsa": ["dgst", "-sha256", "-verify", public, "-signature"],
        }[kind]
        tail = ["-pubin", "-inkey", public] if kind == "ed25519" else [tmp_path / "text"]
        subprocess.run(["openssl", *verify, tmp_path / "signature", *tail], check=True, capture_output=True)  # noqa: S607

    def test_an_unreadable_private_key_is_named_without_quoting_it(self) -> None:
        secret = "-----BEGIN PRIVATE KEY-----\nTUlTU0lORw==\n-----END PRIVATE KEY-----"
        config = BinanceUsdm.config_class.model_validate(
            {"name": "desk", "exchange": NAME, "api_key": KEY, "api_secret": secret}
        )
        problem = BinanceUsdm.check(config)
        assert problem is not None
        assert "PEM private key" in problem
        assert "TUlTU0lORw" not in problem


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


class TestBrackets:
    BRACKETS = _binance_brackets.Brackets(
        symbol="ADAUSDT",
        notionalCoef=1.5,
        brackets=[
            _binance_brackets.Bracket(maintMarginRatio=0.01, cum=50, notionalFloor=10000, notionalCap=50000),
            _binance_brackets.Bracket(maintMarginRatio=0.005, cum=0, notionalFloor=0, notionalCap=10000),
        ],
    )

    def test_tiers_are_ascending(self) -> None:
        tiers = _binance_brackets.maintenance_tiers(self.BRACKETS, 5000.0, 25.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 10000.0, 0.0),
            (10000.0, math.inf, 50.0),
        ]

    def test_a_coefficient_is_applied_where_the_position_says_so(self) -> None:
        # 20,000 at 1 % less 75 (= 15,000 × 0.5 %): the brackets scaled by 1.5.
        tiers = _binance_brackets.maintenance_tiers(self.BRACKETS, -20000.0, 125.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 15000.0, 0.0),
            (15000.0, math.inf, 75.0),
        ]

    @pytest.mark.parametrize("field", ["maintMarginRatio", "cum", "notionalFloor", "notionalCap"])
    def test_a_schedule_with_a_gap_is_none(self, field: str) -> None:
        complete: list[dict[str, Any]] = [
            {"maintMarginRatio": 0.005, "cum": 0, "notionalFloor": 0, "notionalCap": 10000},
            {"maintMarginRatio": 0.01, "cum": 50, "notionalFloor": 10000, "notionalCap": 50000},
        ]
        for rows, tiers in ((complete, 2), ([complete[0], {**complete[1], field: None}], 0)):
            brackets = _binance_brackets.Brackets(
                symbol="A", brackets=[_binance_brackets.Bracket(**item) for item in rows]
            )
            assert len(_binance_brackets.maintenance_tiers(brackets, None, None)) == tiers

    def test_a_schedule_that_does_not_explain_the_position_is_not_used(self) -> None:
        assert _binance_brackets.maintenance_tiers(self.BRACKETS, 20000.0, 999.0) == ()
