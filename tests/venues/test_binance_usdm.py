"""Binance USD-M: documented answers in, published numbers out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Position, RiskSettings
from exporter.risk import assess
from exporter.venues import _binance as binance
from exporter.venues.base import Response
from exporter.venues.binance_usdm import BinanceUsdm
from tests.venues.harness import (
    DAMAGE,
    Answer,
    QuietObserver,
    VenueServer,
    answers_of,
    assert_golden,
    damaged,
    decoded,
    exposition,
    fetch,
    make_venue,
    numeric_fields,
    payload,
)

NAME = "binance_usdm"
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"api_key": KEY, "api_secret": SECRET}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a signed request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    signed = request.path in {
        "/fapi/v3/account",
        "/fapi/v3/positionRisk",
        "/fapi/v1/accountConfig",
        "/fapi/v1/symbolConfig",
        "/fapi/v1/leverageBracket",
    }
    query = request.raw_path.partition("?")[2]
    if not signed:
        assert "signature" not in query
        assert "X-MBX-APIKEY" not in request.headers
        return
    assert request.headers["X-MBX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), total.encode(), hashlib.sha256).hexdigest() == signature
    parameters = parse_qs(total, strict_parsing=True)
    assert set(parameters) == {"timestamp", "recvWindow"}
    assert parameters["recvWindow"] == ["5000"]


PATHS = {
    "account": ("/fapi/v3/account", "account_single_asset.json"),
    "position_risk": ("/fapi/v3/positionRisk", "position_risk.json"),
    "account_config": ("/fapi/v1/accountConfig", "account_config.json"),
    "symbol_config": ("/fapi/v1/symbolConfig", "symbol_config.json"),
    "leverage_bracket": ("/fapi/v1/leverageBracket", "leverage_bracket.json"),
    "exchange_info": ("/fapi/v1/exchangeInfo", "exchange_info.json"),
    "asset_index": ("/fapi/v1/assetIndex", "asset_index.json"),
    "time": ("/fapi/v1/time", "time.json"),
}


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(**changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check)


def row(**changed: Any) -> dict[str, Any]:
    return {**document("position_risk.json")[0], **changed}


async def position_of(**changed: Any) -> Position:
    """The position made of the documented row with some fields changed."""
    account = document("account_single_asset.json")
    account["positions"] = []
    return (await snapshot_of(account=account, position_risk=[row(**changed)])).positions[0]


MULTI = {
    **decoded(payload(NAME, "account_config.json")),
    "multiAssetsMargin": True,
    "dualSidePosition": False,
}
ONE_WAY = {**MULTI, "multiAssetsMargin": False}


async def test_documented_answers_become_the_golden_exposition() -> None:
    single = await snapshot_of(position_risk=[], account_config=ONE_WAY)
    multi = await snapshot_of(
        account=payload(NAME, "account_multi_assets.json"), position_risk=[], account_config=MULTI
    )
    real = await snapshot_of(
        account=payload(NAME, "account_real_rows.json"),
        account_config=ONE_WAY,
        leverage_bracket=None,
    )
    assert_golden(
        NAME,
        {
            "documented single-asset mode": exposition(NAME, "single", single),
            "documented multi-assets mode": exposition(NAME, "multi", multi),
            "real position rows": exposition(NAME, "real", real),
        },
    )


class TestSigning:
    def test_official_vector(self) -> None:
        body = (
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            b"&recvWindow=5000&timestamp=1591702613943"
        )
        expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
        assert binance.signer(SECRET)(body) == expected

    def test_get_vector(self) -> None:
        expected = "b944ea46b707ca97ae6956c3e381b0ceaf517dac418a6d64af1fb3b0e878d11d"
        assert binance.signer(SECRET)(b"timestamp=1591702613943&recvWindow=5000") == expected

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_private_keys_sign_so_that_openssl_verifies(self, kind: str, tmp_path: Any) -> None:
        """Base64 of Ed25519, or of RSA PKCS#1 v1.5 with SHA-256, checked by another implementation."""
        private, public = tmp_path / "private.pem", tmp_path / "public.pem"
        algorithm = ["-algorithm", kind.upper()] if kind == "ed25519" else ["-algorithm", "RSA"]
        subprocess.run(["openssl", "genpkey", *algorithm, "-out", private], check=True, capture_output=True)  # noqa: S607 (fixed arguments)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)  # noqa: S607
        venue = make_venue(NAME, "http://localhost", {**CONFIG, "api_secret": private.read_text()})
        signed = venue.sign(venue.endpoints[0], (), 1591702613943)
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

    @pytest.mark.parametrize("none", [None, "", "0", 0, "0.00", "-1.5", -3, 99999999, "99999999"])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidationPrice=none)).liquidation_price is None

    @pytest.mark.parametrize("value", ["0.21", 0.21])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        assert (await position_of(liquidationPrice=value)).liquidation_price == 0.21

    async def test_rows_without_size_are_dropped(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        rows = [row(positionAmt="0", symbol="BTCUSDT"), row(positionAmt=0.0, positionSide="LONG"), row()]
        snapshot = await snapshot_of(account=account, position_risk=rows)
        assert [position.symbol for position in snapshot.positions] == ["ADAUSDT"]

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

    async def test_an_object_where_an_array_is_usual(self) -> None:
        account = document("account_single_asset.json")
        account["positions"] = []
        snapshot = await snapshot_of(account=account, position_risk=row())
        assert len(snapshot.positions) == 1

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 30

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
            (10000.0, 50000.0, 50.0),
        ]

    def test_a_coefficient_is_applied_where_the_position_says_so(self) -> None:
        # 20,000 at 1 % less 75 (= 15,000 × 0.5 %): the brackets scaled by 1.5.
        tiers = binance.maintenance_tiers(self.BRACKETS, -20000.0, 125.0)
        assert [(tier.floor, tier.cap, tier.deduction) for tier in tiers] == [
            (0.0, 15000.0, 0.0),
            (15000.0, 75000.0, 75.0),
        ]

    def test_a_schedule_that_does_not_explain_the_position_is_not_used(self) -> None:
        assert binance.maintenance_tiers(self.BRACKETS, 20000.0, 999.0) == ()


def response(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1000.0)


class TestErrors:
    @pytest.mark.parametrize(
        ("index", "reason", "blocked_until"),
        [
            (0, "auth", None),
            (1, "clock", None),
            (2, "auth", None),
            (3, "banned", 1774784983.833),
            (4, "rate_limited", 1034.0),
            (5, "permission", None),
        ],
    )
    def test_documented_errors(self, index: int, reason: str, blocked_until: float | None) -> None:
        error = document("errors.json")[index]
        found = binance.binance_error(response(error["http"], error["body"], error.get("headers")), [SECRET])
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
        found = binance.binance_error(response(status, body))
        assert (found.reason if found else None) == reason
        if reason in {"banned", "rate_limited"}:
            assert found is not None
            assert found.blocked_until is not None
            assert found.blocked_until > 1000.0

    @pytest.mark.parametrize(("headers", "until"), [({}, 1120.0), ({"Retry-After": "7200"}, 8200.0)])
    def test_a_ban_that_is_over_by_our_clock_is_kept_to(self, headers: dict[str, str], until: float) -> None:
        body = {"code": -1003, "msg": "Way too many requests; IP(1.2.3.4) banned until 0000000999000."}
        found = binance.binance_error(response(418, body, headers))
        assert found is not None
        assert (found.reason, found.blocked_until) == ("banned", until)

    async def test_a_clock_error_is_retried_once_after_a_resync(self) -> None:
        asked: list[str] = []

        def account(request: web.Request) -> web.Response:
            asked.append(request.query["timestamp"])
            if len(asked) == 1:
                error = document("errors.json")[1]
                return web.json_response(error["body"], status=error["http"])
            return web.Response(body=payload(NAME, "account_single_asset.json"))

        await snapshot_of(account=account)
        # The documented time of the example lies in 2017: the second request follows it.
        assert len(asked) == 2
        assert asked[1].startswith("14998273")

    async def test_a_second_clock_error_is_the_answer(self) -> None:
        error = document("errors.json")[1]

        def account(_: web.Request) -> web.Response:
            return web.json_response(error["body"], status=error["http"])

        with pytest.raises(VenueError) as caught:
            await snapshot_of(account=account)
        assert caught.value.reason == "clock"

    async def test_a_ban_closes_the_address_for_every_account(self) -> None:
        error = document("errors.json")[4]
        refusal = web.json_response(error["body"], status=error["http"], headers=error["headers"])
        async with VenueServer(answers(account=refusal), check) as server:
            from exporter.api import Client  # noqa: PLC0415 (next to its only use)

            async with Client(QuietObserver()) as client:
                first = make_venue(NAME, server.base_url, CONFIG)
                with pytest.raises(VenueError, match="request limit of this address"):
                    await first.fetch(client.account(first))
                sent = len(server.requests)
                second = make_venue(NAME, server.base_url, {**CONFIG, "name": "other"})
                with pytest.raises(VenueError, match="no request is sent for another") as caught:
                    await second.fetch(client.account(second))
                assert caught.value.reason == "rate_limited"
                assert len(server.requests) == sent

    @pytest.mark.parametrize(
        ("endpoint", "file", "path", "field"),
        [
            ("account", "account_single_asset.json", [], "totalMarginBalance"),
            ("account", "account_single_asset.json", ["assets", 1], "crossUnPnl"),
            ("position_risk", "position_risk.json", [0], "positionAmt"),
            ("account_config", "account_config.json", [], "multiAssetsMargin"),
        ],
    )
    async def test_a_missing_required_field_is_named(
        self, endpoint: str, file: str, path: list[Any], field: str
    ) -> None:
        body = document(file)
        target = body
        for step in path:
            target = target[step]
        del target[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(**{endpoint: body})
        assert caught.value.reason == "schema"
        assert NAME in str(caught.value)
        assert "/fapi/" in str(caught.value)
        assert field in str(caught.value)

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "-inf", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(markPrice=bad)
        assert caught.value.reason == "schema"
        assert "markPrice" in str(caught.value)

    @pytest.mark.parametrize("path", ["symbol_config", "leverage_bracket", "exchange_info", "asset_index"])
    async def test_an_answer_that_can_be_missed_costs_nothing_else(self, path: str) -> None:
        observer = QuietObserver()
        snapshot = await fetch(NAME, answers(**{path: None}), config=CONFIG, check=check, observer=observer)
        assert len(snapshot.pools) == 2
        assert len(observer.optional_failures) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(["account_single_asset.json", "account_real_rows.json", "position_risk.json"]),
    choice=st.integers(0, 10_000),
    value=DAMAGE,
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(file: str, choice: int, value: Any) -> None:
    body, _ = damaged(document(file), choice, value)
    try:
        snapshot = await snapshot_of(**{"position_risk" if "risk" in file else "account": body})
        exposition(NAME, "desk", snapshot)
    except VenueError as error:
        assert error.reason == "schema"  # noqa: PT017 (either outcome is right)


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field) for use in BinanceUsdm.fields}
    for file, path in (
        ("account_single_asset.json", "/fapi/v3/account"),
        ("account_multi_assets.json", "/fapi/v3/account"),
        ("position_risk.json", "/fapi/v3/positionRisk"),
    ):
        for field in numeric_fields(document(file)):
            assert (path, field.removeprefix("[].").removeprefix(".")) in stated, field
