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
from exporter.venues import _binance as binance
from exporter.venues.binance_usdm import ACCOUNT, BinanceUsdm
from tests.venues.harness import (
    QuietObserver,
    VenueServer,
    make_venue,
    payload,
    response,
    unsigned,
)
from tests.venues.payloads.binance_usdm.bench import (
    CONFIG,
    KEY,
    MULTI,
    NAME,
    ONE_WAY,
    SECRET,
    answers,
    check,
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
        assert (pool.currency, pool.equity, pool.margin_equity) == ("USD", 126.72469206, 126.72469206)
        assert [asset.asset for asset in snapshot.assets] == ["USDT", "BUSD"]

    async def test_collateral_counts_at_the_bid_rate(self) -> None:
        account = document("account_multi_assets.json")
        account["assets"][1]["asset"] = "ADA"
        snapshot = await snapshot_of(account=account, position_risk=[], account_config=MULTI)
        assert snapshot.assets[1].collateral_price_usd == 1.73661633
        assert snapshot.prices == {"ADA": 1.9295737}

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

    async def test_leverage_comes_from_the_symbol_configuration(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        configured = [{"symbol": "ADAUSDT", "marginType": "CROSSED", "leverage": 20}]
        snapshot = await snapshot_of(account=account, symbol_config=configured)
        assert snapshot.positions[0].leverage == 20.0

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
    BRACKETS = binance.Brackets(
        symbol="ADAUSDT",
        notionalCoef=1.5,
        brackets=[
            binance.Bracket(maintMarginRatio=0.01, cum=50, notionalFloor=10000, notionalCap=50000),
            binance.Bracket(maintMarginRatio=0.005, cum=0, notionalFloor=0, notionalCap=10000),
        ],
    )

    def test_tiers_are_ascending(self) -> None:
        tiers = binance.maintenance_tiers(self.BRACKETS, 5000.0, 25.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 10000.0, 0.0),
            (10000.0, math.inf, 50.0),
        ]

    def test_a_coefficient_is_applied_where_the_position_says_so(self) -> None:
        # 20,000 at 1 % less 75 (= 15,000 × 0.5 %): the brackets scaled by 1.5.
        tiers = binance.maintenance_tiers(self.BRACKETS, -20000.0, 125.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 15000.0, 0.0),
            (15000.0, math.inf, 75.0),
        ]

    def test_a_schedule_that_does_not_explain_the_position_is_not_used(self) -> None:
        assert binance.maintenance_tiers(self.BRACKETS, 20000.0, 999.0) == ()


def refused(status: int, body: Any = None, headers: dict[str, str] | None = None) -> VenueError | None:
    venue = make_venue(NAME, "http://localhost", CONFIG)
    return venue.error(ACCOUNT, response(status, body, headers, received_at=1000.0))


class TestErrors:
    @pytest.mark.parametrize(
        ("index", "reason", "blocked_until"),
        [
            (0, "auth", None),
            (1, "clock", None),
            (2, "auth", None),
            (3, "banned", 1774784983.833),
            (4, "rate_limited", 1034.0),
            (5, "unsupported", None),
        ],
    )
    def test_documented_errors(self, index: int, reason: str, blocked_until: float | None) -> None:
        error = document("errors.json")[index]
        found = refused(error["http"], error["body"], error.get("headers"))
        assert found is not None
        assert (found.reason, found.blocked_until) == (reason, blocked_until)
        assert "203.0.113.7" not in found.message

    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (200, {"code": 200}, None),
            (400, {"code": -1000, "msg": ""}, "exchange"),
            (400, {"code": -1102, "msg": "Mandatory parameter 'timestamp' was not sent."}, "exchange"),
            (401, {"code": -2014, "msg": "API-key format invalid."}, "auth"),
            (403, b"<html>forbidden</html>", "banned"),
            (
                403,
                {"code": -1003, "msg": "Way too many requests; IP(1.2.3.4) banned until 1774784983833."},
                "banned",
            ),
            (408, b"", "timeout"),
            (418, b"", "banned"),
            (429, b"", "rate_limited"),
            (500, b"oops", "exchange"),
            (503, {"code": -1008, "msg": "Server is currently overloaded"}, "exchange"),
        ],
    )
    def test_other_errors(self, status: int, body: Any, reason: str | None) -> None:
        found = refused(status, body)
        assert (found.reason if found else None) == reason
        if reason in {"banned", "rate_limited"}:
            assert found is not None
            assert found.blocked_until is not None
            assert found.blocked_until > 1000.0

    @pytest.mark.parametrize(("headers", "until"), [({}, 1120.0), ({"Retry-After": "7200"}, 8200.0)])
    def test_a_ban_that_is_over_by_our_clock_is_kept_to(self, headers: dict[str, str], until: float) -> None:
        body = {"code": -1003, "msg": "Way too many requests; IP(1.2.3.4) banned until 0000000999000."}
        found = refused(418, body, headers)
        assert found is not None
        assert (found.reason, found.blocked_until) == ("banned", until)

    async def test_a_ban_closes_the_address_for_every_account(self) -> None:
        error = document("errors.json")[4]
        refusal = web.json_response(error["body"], status=error["http"], headers=error["headers"])
        async with VenueServer(answers(account=refusal), check) as server:
            from exporter.api import Client  # noqa: PLC0415 (next to its only use)

            async with Client(QuietObserver()) as client:
                first = make_venue(NAME, server.base_url, CONFIG)
                with pytest.raises(VenueError, match="request limit is used up"):
                    await first.fetch(client.account(first))
                sent = len(server.requests)
                second = make_venue(NAME, server.base_url, {**CONFIG, "name": "other"})
                with pytest.raises(VenueError, match="no request is sent for another") as caught:
                    await second.fetch(client.account(second))
                assert caught.value.reason == "rate_limited"
                assert len(server.requests) == sent
