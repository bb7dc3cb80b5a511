"""BitTap: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from typing import Any

import pytest
import structlog
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.account import ApiKeyConfig
from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountRisk, AccountSnapshot, MaintenanceTier, Position, RiskSettings
from exporter.risk import assess
from exporter.venues import bittap
from exporter.venues.base import Response
from exporter.venues.bittap import Bittap
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

NAME = "bittap"
KEY = "simulated-key-5d4f1c"
SECRET = "test-secret"
CONFIG = {"api_key": KEY, "api_secret": SECRET}

PATHS = {
    "account": ("/ftapi/v1/account/info", "account_info.json"),
    "opened": ("/ftapi/v1/openPosition", "open_position.json"),
    "contracts": ("/fmapi/v1/exchangeInfo", "exchange_info.json"),
}
EQUITY = 11765.70795680674743639045


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    assert query == ""
    if not request.path.startswith("/ftapi/"):
        assert not any(name.upper().startswith("X-BT-") for name in request.headers)
        return
    assert request.headers["X-BT-APIKEY"] == KEY
    timestamp, nonce = request.headers["X-BT-TS"], request.headers["X-BT-NONCE"]
    assert len(timestamp) == 13
    assert len(nonce) == 36
    text = f"&timestamp={timestamp}&nonce={nonce}"
    expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert request.headers["X-BT-SIGN"] == expected


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(data: Any) -> dict[str, Any]:
    return {"code": "0", "data": data, "msg": "Request successful", "success": True}


def failure(status: int, code: str, words: str) -> web.Response:
    return web.json_response({"code": code, "msg": words, "success": False}, status=status)


REFUSED = failure(403, "410006", "Insufficient permissions")


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def risk_of(snapshot: AccountSnapshot) -> AccountRisk:
    return assess(snapshot, RiskSettings())


def asset(**changed: Any) -> dict[str, Any]:
    fields = {**document("account_info.json")["data"]["assets"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def account_row(**changed: Any) -> dict[str, Any]:
    """The account's documented row with some fields changed; `...` takes one away."""
    fields = {**document("account_info.json")["data"]["positions"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def open_row(**changed: Any) -> dict[str, Any]:
    """The position call's row with some fields changed; `...` takes one away."""
    fields = {**document("open_position.json")["data"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def account_of(*rows: Any, assets: Any = None) -> dict[str, Any]:
    body: dict[str, Any] = document("account_info.json")
    body["data"]["positions"] = list(rows)
    if assets is not None:
        body["data"]["assets"] = assets
    return body


async def position_of(**changed: Any) -> Position:
    """The position whose row in the position call has some fields changed."""
    (position,) = (await snapshot_of(opened=success([open_row(**changed)]))).positions
    return position


async def test_documented_answers_become_the_golden_exposition() -> None:
    documented = await snapshot_of(opened=success([]), contracts=None)
    valued = await snapshot_of()
    assert_golden(
        NAME,
        {
            "documented account, positions not valued": exposition(NAME, "documented", documented),
            "the same with the position call": exposition(NAME, "valued", valued),
        },
    )


class TestSigning:
    def venue(self) -> Bittap:
        config = ApiKeyConfig.model_validate({"name": "desk", "exchange": NAME, **CONFIG})
        return Bittap(config, nonce=lambda: "abcdef0123456789")

    def test_a_request_without_parameters_signs_a_text_that_begins_with_an_ampersand(self) -> None:
        signed = self.venue().sign(bittap.ACCOUNT_INFO, (), 1758179319000)
        assert signed.query == ""
        assert signed.headers == {
            "X-BT-APIKEY": KEY,
            "X-BT-TS": "1758179319000",
            "X-BT-NONCE": "abcdef0123456789",
            "X-BT-SIGN": "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459",
        }

    def test_a_request_with_parameters_signs_them_first(self) -> None:
        signed = self.venue().sign(bittap.OPEN_POSITION, (("symbolId", "BTC-USDT-M"),), 1758179319000)
        assert signed.query == "symbolId=BTC-USDT-M"
        assert signed.headers["X-BT-SIGN"] == (
            "e59f75e58694322045cc57136a4aff687b3b0d6e89b519918037f759cedddcd1"
        )

    def test_parameters_are_sorted(self) -> None:
        signed = self.venue().sign(bittap.OPEN_POSITION, (("b", "2"), ("a", "1")), 1758179319000)
        assert signed.query == "a=1&b=2"

    def test_public_calls_are_not_signed(self) -> None:
        assert dict(self.venue().sign(bittap.EXCHANGE_INFO, (), 1758179319000).headers) == {}

    async def test_every_request_has_a_nonce_of_its_own(self) -> None:
        nonces: list[str] = []

        def keep(request: web.Request, _: bytes) -> None:
            nonces.extend(request.headers.getall("X-BT-NONCE", []))

        await fetch(NAME, answers(), config=CONFIG, check=keep)
        assert len(nonces) == len(set(nonces)) == 2


class TestIdentities:
    """The documented account adds up, and to what is published of it."""

    async def test_equity_is_balance_plus_pnl(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert pool.wallet_balance == 12282.88002680674743639045
        assert pool.unrealized_pnl == -517.17207
        assert pool.equity == pool.margin_equity == EQUITY
        assert pool.equity == pytest.approx(pool.wallet_balance + pool.unrealized_pnl, rel=1e-15)

    async def test_available_is_equity_less_what_is_locked(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert pool.initial_margin == 133.8053155
        assert pool.available_balance == pytest.approx(EQUITY - 133.8053155, rel=1e-15)

    async def test_the_locked_margin_is_the_entry_value_over_the_leverage(self) -> None:
        (position,) = (await snapshot_of()).positions
        assert position.entry_price is not None
        assert position.leverage == 20.0
        assert position.initial_margin == pytest.approx(position.quantity * position.entry_price / 20.0)
        assert position.initial_margin == 133.8053155

    @pytest.mark.parametrize("opened", [..., REFUSED])
    async def test_the_mark_follows_from_the_entry_value_and_the_pnl(self, opened: Any) -> None:
        snapshot = await snapshot_of(**({} if opened is ... else {"opened": opened}))
        (position,) = risk_of(snapshot).positions
        assert position.mark_price == pytest.approx(2.4784, rel=1e-12)
        assert position.mark_price == pytest.approx((2676.10631 - 517.17207) / 871.1, rel=1e-12)
        assert position.notional_usd == pytest.approx(2158.93424, rel=1e-12)
        assert position.unrealized_pnl == -517.17207

    async def test_the_maintenance_margin_is_one_percent_of_the_notional_at_the_mark(self) -> None:
        (position,) = risk_of(await snapshot_of()).positions
        assert position.maintenance_margin == pytest.approx(0.01 * 871.1 * 2.4784, rel=1e-12)
        assert position.maintenance_margin == 21.5893424

    async def test_the_computed_rate_and_the_venue_s_own_stand_side_by_side(self) -> None:
        (pool,) = risk_of(await snapshot_of()).pools
        assert pool.maintenance_margin == 21.5893424
        assert pool.maintenance_margin_rate == pytest.approx(0.00183493781073412, rel=1e-13)
        assert pool.pool.venue_margin_rate == 0.0018351061760195
        closing = 0.0005 * 2158.93424
        assert 21.5893424 / (EQUITY - closing) == pytest.approx(0.0018351061760195, rel=1e-12)

    async def test_the_realized_pnl_is_net_of_fees(self) -> None:
        (position,) = (await snapshot_of()).positions
        assert position.realized_pnl == -0.267610631


class TestJoin:
    async def test_what_the_position_call_says_wins(self) -> None:
        position = await position_of(quantity="870", liquidPrice="1.25", maintainMargin="21.5")
        assert (position.quantity, position.liquidation_price, position.maintenance_margin) == (
            870.0,
            1.25,
            21.5,
        )

    async def test_what_the_position_call_leaves_out_the_account_tells(self) -> None:
        position = await position_of(leverage=None, margin=..., avgEntryPrice="")
        assert (position.leverage, position.initial_margin, position.entry_price) == (
            20.0,
            133.8053155,
            3.0721,
        )

    async def test_a_position_that_only_one_call_has_is_shown(self) -> None:
        other = open_row(positionId="7", symbolId="BTC-USDT-M", entryValue=None)
        only_opened = await snapshot_of(opened=success([open_row(), other]))
        assert [row.symbol for row in only_opened.positions] == ["XRP-USDT-M", "BTC-USDT-M"]
        (only_account,) = (await snapshot_of(opened=success([]))).positions
        assert only_account.mark_price is None

    async def test_a_position_that_the_position_call_says_is_closed_is_gone(self) -> None:
        assert (await snapshot_of(opened=success([open_row(quantity="0")]))).positions == ()

    async def test_a_refused_position_call_is_counted_and_the_totals_stay(self) -> None:
        observer = QuietObserver()
        snapshot = await snapshot_of(observer=observer, opened=REFUSED)
        assert snapshot.pools[0].equity == EQUITY
        assert [error.reason for error in observer.optional_failures] == ["permission"]

    async def test_two_positions_without_marks_get_no_invented_ones(self) -> None:
        rows = account_of(account_row(), account_row(positionId="7", symbolId="SOL-USDT-M"))
        risk = risk_of(await snapshot_of(account=rows, opened=REFUSED))
        for position in risk.positions:
            assert (position.mark_price, position.notional_usd, position.unrealized_pnl) == (None, None, None)
            assert position.liquidation_distance_ratio is None
        assert risk.pools[0].maintenance_margin_rate == pytest.approx(0.00183493781073412, rel=1e-13)
        assert risk.pools[0].gross_notional_usd is None

    @pytest.mark.parametrize(
        "answer", [failure(500, "500", "Server Error"), failure(429, "429", "slow down"), None]
    )
    async def test_a_position_call_that_fails_otherwise_fails_the_collection(self, answer: Any) -> None:
        with pytest.raises(VenueError, match="/ftapi/v1/openPosition"):
            await snapshot_of(opened=answer)

    @pytest.mark.parametrize("empty", [[], None])
    async def test_an_account_without_positions(self, empty: Any) -> None:
        body = account_of(
            assets=[
                asset(
                    equities="5",
                    balance="5",
                    profitUnreal="0",
                    crossedMaintainMargin="0",
                    crossedMaintainMarginRate="0",
                    locked="0",
                )
            ]
        )
        body["data"]["positions"] = empty
        snapshot = await snapshot_of(account=body, opened=success(empty))
        (pool,) = risk_of(snapshot).pools
        assert snapshot.positions == ()
        assert (pool.pool.equity, pool.maintenance_margin, pool.maintenance_margin_rate) == (5.0, 0.0, 0.0)
        assert pool.pool.venue_margin_rate == 0.0

    @pytest.mark.parametrize("empty", [None, []])
    async def test_no_position_beside_a_required_margin_is_a_schema_error(self, empty: object) -> None:
        body = account_of()
        body["data"]["positions"] = empty
        with pytest.raises(VenueError, match="`positions` has none although margin") as caught:
            await snapshot_of(account=body, opened=success(empty))
        assert caught.value.reason == "schema"


class TestPools:
    async def test_a_requirement_of_0_beside_a_cross_position_is_not_told(self) -> None:
        body = account_of(
            account_row(), assets=[asset(crossedMaintainMargin="0", crossedMaintainMarginRate="0")]
        )
        snapshot = await snapshot_of(account=body)
        assert snapshot.pools[0].maintenance_margin is None
        assert snapshot.pools[0].venue_margin_rate is None
        # The position's own figure stands in.
        assert risk_of(snapshot).pools[0].maintenance_margin == 21.5893424

    @pytest.mark.parametrize("word", ["ISOLATED", "ISOLATION", "isolated"])
    async def test_isolated_margin_and_pnl_do_not_back_cross_positions(self, word: str) -> None:
        isolated = {"positionId": "7", "symbolId": "SOL-USDT-M", "marginMode": word, "margin": "500"}
        snapshot = await snapshot_of(
            account=account_of(account_row(), account_row(**isolated)),
            opened=success([open_row(), open_row(**isolated, profitUnreal="-20", liquidPrice="1")]),
        )
        (pool,) = snapshot.pools
        assert pool.equity == EQUITY
        assert pool.margin_equity == pytest.approx(EQUITY - 480.0, rel=1e-15)
        position = snapshot.positions[1]
        assert (position.margin_mode, position.margin, position.initial_margin) == ("isolated", 500.0, None)
        (rate,) = (row.maintenance_margin_rate for row in risk_of(snapshot).positions[1:])
        assert rate == pytest.approx(21.5893424 / 480.0)

    async def test_what_backs_cross_positions_is_unknown_where_an_isolated_pnl_is(self) -> None:
        isolated = account_row(positionId="7", symbolId="SOL-USDT-M", marginMode="ISOLATED")
        snapshot = await snapshot_of(account=account_of(account_row(), isolated), opened=REFUSED)
        assert snapshot.pools[0].margin_equity is None
        assert risk_of(snapshot).pools[0].maintenance_margin_rate is None

    async def test_each_coin_is_a_pool_and_the_top_level_totals_are_not_used(self) -> None:
        usdc = asset(coin="USDC", balance="7", equities="7", profitUnreal="0", crossedMaintainMargin="0")
        unused = asset(coin="ETH", balance="0", equities="0", locked="0")
        body = account_of(account_row(), assets=[asset(), usdc, unused])
        body["data"]["totalEquities"] = "999999"
        pools = (await snapshot_of(account=body)).pools
        assert [(pool.currency, pool.equity) for pool in pools] == [("USDT", EQUITY), ("USDC", 7.0)]

    async def test_an_object_where_arrays_are_usual(self) -> None:
        body = document("account_info.json")
        body["data"] |= {"assets": body["data"]["assets"][0], "positions": body["data"]["positions"][0]}
        snapshot = await snapshot_of(account=body, opened=success(open_row()))
        assert (len(snapshot.pools), len(snapshot.positions)) == (1, 1)

    async def test_a_position_in_a_coin_without_a_row_keeps_its_own_figures(self) -> None:
        row = open_row(symbolId="XRP-USDC-M", positionId="7")
        snapshot = await snapshot_of(account=account_of(assets=[asset()]), opened=success([row]))
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("USDT", EQUITY), ("USDC", None)]

    async def test_one_coin_twice_is_a_schema_error_and_not_the_one_or_the_other(self) -> None:
        snapshot = await snapshot_of(account=account_of(account_row(), assets=[asset(), asset()]))
        with pytest.raises(VenueError) as caught:
            exposition(NAME, "desk", snapshot)
        assert caught.value.reason == "schema"


class TestContracts:
    async def test_kind_and_tiers_come_from_the_list_of_contracts(self) -> None:
        (position,) = (await snapshot_of()).positions
        assert position.contract.kind == "linear"
        assert (position.contract.size, position.contract.base, position.contract.settle) == (
            1.0,
            "XRP",
            "USDT",
        )
        assert position.maintenance_tiers == (
            MaintenanceTier(0.0, 20000.0, 0.01, 0.0),
            MaintenanceTier(20000.0, 50000.0, 0.025, 0.0),
            MaintenanceTier(50000.0, float("inf"), 0.05, 0.0),
        )

    def test_tiers_are_ascending_and_a_side_that_is_not_known_tells_no_kind(self) -> None:
        limits = [
            bittap.RiskLimit(maintainMarginRate=0.025, minPositionValue=20000, maxPositionValue=50000),
            bittap.RiskLimit(maintainMarginRate=0.01, minPositionValue=0, maxPositionValue=20000),
        ]
        listings = bittap.listings_of(
            [
                bittap.SymbolRow(symbolId="A-USDT-M", contractSide="FORWARD", riskLimitConfigs=limits),
                bittap.SymbolRow(symbolId="A-USD-M", contractSide="REVERSE", riskLimitConfigs=limits),
                bittap.SymbolRow(symbolId="B-USDT-M", contractSide="SIDEWAYS"),
            ]
        )
        assert [(tier.floor, tier.rate) for tier in listings["A-USDT-M"].tiers] == [
            (0.0, 0.01),
            (20000.0, 0.025),
        ]
        assert (listings["A-USD-M"].kind, listings["A-USD-M"].tiers) == ("inverse", ())
        assert (listings["B-USDT-M"].kind, listings["B-USDT-M"].tiers) == (None, ())

    @pytest.mark.parametrize("field", ["minPositionValue", "maintainMarginRate"])
    @pytest.mark.parametrize("missing", [None, "", ...])
    async def test_a_symbol_listed_incompletely_does_not_cost_the_others_their_tiers(
        self, field: str, missing: Any
    ) -> None:
        contracts = document("exchange_info.json")
        limit: dict[str, Any] = {"maintainMarginRate": "0.1", "minPositionValue": "0", field: missing}
        odd = {name: value for name, value in limit.items() if value is not ...}
        contracts["data"]["symbols"].append(
            {"symbolId": "ODD-USDT-M", "contractSide": "FORWARD", "riskLimitConfigs": [odd]}
        )
        observer = QuietObserver()
        found = [account_row(), account_row(positionId="2", symbolId="ODD-USDT-M")]
        snapshot = await snapshot_of(account=account_of(*found), contracts=contracts, observer=observer)
        listed, incomplete = snapshot.positions
        assert len(listed.maintenance_tiers) == 3
        assert incomplete.maintenance_tiers == ()
        assert observer.optional_failures == []

    async def test_without_the_list_what_is_quoted_in_dollars_is_linear(self) -> None:
        observer = QuietObserver()
        (position,) = (await snapshot_of(contracts=None, observer=observer)).positions
        assert (position.contract.kind, position.contract.size) == ("linear", 1.0)
        assert position.maintenance_tiers == ()
        assert len(observer.optional_failures) == 1

    @pytest.mark.parametrize("contracts", [..., None])
    async def test_an_inverse_position_is_shown_without_anything_its_units_would_decide(
        self, contracts: Any
    ) -> None:
        row = {"symbolId": "BTC-USD-M", "feeAssetId": "BTC", "quantity": "3", "avgEntryPrice": "60000"}
        btc = asset(coin="BTC", balance="1", equities="1.1", profitUnreal="0.1", crossedMaintainMargin="0.01")
        with structlog.testing.capture_logs() as logs:
            snapshot = await snapshot_of(
                account=account_of(account_row(**row), assets=[btc]),
                opened=success([open_row(**row, markPrice="61000", profitUnreal="0.1", liquidPrice="40000")]),
                **({} if contracts is ... else {"contracts": contracts}),
            )
        (position,) = risk_of(snapshot).positions
        contract = position.position.contract
        assert (contract.kind, contract.size, contract.settle) == ("inverse", None, "BTC")
        assert (position.mark_price, position.liquidation_price) == (61000.0, 40000.0)
        assert position.liquidation_distance_ratio == pytest.approx(21 / 61)
        assert position.notional_usd is None
        assert snapshot.pools[0].currency == "BTC"
        assert [entry["symbol"] for entry in logs if "contract size" in entry["event"]] == ["BTC-USD-M"]

    async def test_an_entry_value_that_contradicts_one_base_unit_a_contract_leaves_the_size_unknown(
        self,
    ) -> None:
        position = await position_of(entryValue="26.7610631")
        assert position.contract.size is None
        assert position.maintenance_tiers == ()

    async def test_a_symbol_without_a_quote_takes_it_from_its_fees(self) -> None:
        row = account_row(symbolId="XRPUSDT")
        (position,) = (await snapshot_of(account=account_of(row), opened=success([]))).positions
        assert (position.contract.quote, position.contract.kind) == ("USDT", "linear")
        with pytest.raises(VenueError, match="symbolId") as caught:
            await snapshot_of(
                account=account_of(account_row(symbolId="XRPUSDT", feeAssetId=None)), opened=success([])
            )
        assert caught.value.reason == "schema"

    async def test_the_list_is_asked_for_once_for_all_accounts(self) -> None:
        async with VenueServer(answers(), check) as server, Client(QuietObserver()) as client:
            for name in ("desk-a", "desk-b"):
                adapter = make_venue(NAME, server.base_url, {**CONFIG, "name": name})
                await adapter.fetch(client.account(adapter))
            paths = [request.path for request in server.requests]
        assert paths.count("/fmapi/v1/exchangeInfo") == 1


class TestPosition:
    async def test_documented_row(self) -> None:
        position = await position_of()
        assert (position.symbol, position.side, position.margin_mode) == ("XRP-USDT-M", "long", "cross")
        assert (position.quantity, position.entry_price, position.mark_price) == (871.1, 3.0721, 2.4784)
        assert position.margin is None
        assert position.position_id == ""

    @pytest.mark.parametrize(
        ("word", "mode"), [("HEDGE", "hedge"), ("ONEWAY", "one_way"), ("ONE_WAY", "one_way")]
    )
    async def test_position_modes_in_both_spellings(self, word: str, mode: str) -> None:
        snapshot = await snapshot_of(opened=success([open_row(positionMode=word)]))
        assert snapshot.modes == {"position_mode": mode}

    async def test_a_mode_that_is_not_known_is_not_shown(self) -> None:
        assert (await snapshot_of(opened=success([open_row(positionMode="NETTED")]))).modes == {}
        rows = success([open_row(), open_row(positionId="7", side="SELL", positionMode="ONEWAY")])
        assert (await snapshot_of(opened=rows)).modes == {}

    async def test_sell_is_short_and_both_sides_of_a_symbol_are_a_pair(self) -> None:
        short = {"positionId": "7", "side": "SELL", "quantity": "100", "entryValue": "307.21"}
        snapshot = await snapshot_of(
            opened=success([open_row(liquidPrice="1.2"), open_row(**short, liquidPrice="1.2")])
        )
        assert [position.side for position in snapshot.positions] == ["long", "short"]
        for row in risk_of(snapshot).positions:
            assert row.liquidation_distance_ratio == pytest.approx((2.4784 - 1.2) / 2.4784)

    async def test_positions_that_labels_do_not_identify_carry_their_id(self) -> None:
        rows = success([open_row(), open_row(positionId="7"), open_row(positionId=8, side="SELL")])
        snapshot = await snapshot_of(opened=rows)
        assert [position.position_id for position in snapshot.positions] == ["8039784359178546030", "7", ""]

    @pytest.mark.parametrize("none", [None, "", "0", 0, -3, "99999999", 99999999])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidPrice=none)).liquidation_price is None

    @pytest.mark.parametrize("none", [None, "", "0", 0])
    async def test_a_maintenance_margin_of_0_is_not_told(self, none: object) -> None:
        assert (await position_of(maintainMargin=none)).maintenance_margin is None

    @pytest.mark.parametrize("value", ["2.5", 2.5])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        position = await position_of(markPrice=value, liquidPrice=value, profitUnreal=value)
        assert position.mark_price == position.liquidation_price == position.unrealized_pnl == 2.5

    async def test_rows_without_size_are_dropped(self) -> None:
        rows = [
            open_row(positionId=str(number), quantity=size) for number, size in enumerate(["0", 0, "0.0"])
        ]
        assert len((await snapshot_of(opened=success([*rows, open_row()]))).positions) == 1

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 871.1

    @pytest.mark.parametrize(
        ("field", "value"),
        [("side", "LONG"), ("side", ""), ("marginMode", "CROSS"), ("marginMode", ""), ("quantity", "-1")],
    )
    async def test_a_word_that_is_not_documented_is_a_schema_error(self, field: str, value: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert f"`{field}`" in str(caught.value)


def response(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1000.0)


def failed(code: Any, words: str | None = "words") -> dict[str, Any]:
    return {"code": code, "msg": words, "success": False}


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason", "blocked_until"),
        [
            (200, {"code": "0", "msg": "Request successful", "success": True}, None, None),
            (200, {"code": 0, "msg": "Request successful"}, None, None),
            (200, failed("0"), "exchange", None),
            (200, failed("10001", "Parameter error"), "exchange", None),
            (400, failed("100011", "Parameter error"), "exchange", None),
            (200, failed("410001"), "auth", None),
            (401, failed("410001"), "auth", None),
            (401, failed("410002"), "auth", None),
            (200, failed(410002), "auth", None),
            (403, failed("410006"), "permission", None),
            (200, failed("410006"), "permission", None),
            (401, failed("410009", "API key expired"), "clock", None),
            (401, failed("410003", "request time is invalid"), "clock", None),
            (400, failed("100011", "timestamp error"), "clock", None),
            (401, failed("410005", "IP not in whitelist"), "permission", None),
            (200, failed("410005", "no"), "auth", None),
            (200, failed("500", "Server Error"), "exchange", None),
            (500, failed("500", "Request timed out"), "exchange", None),
            (401, failed("410003", "Request timed out"), "auth", None),
            (429, failed("429", "too many"), "rate_limited", 1010.0),
            (429, b"", "rate_limited", 1010.0),
            (400, b"", "exchange", None),
            (401, b"", "auth", None),
            (403, b"<html></html>", "permission", None),
            (404, b"", "exchange", None),
            (500, b"oops", "exchange", None),
            (502, b"", "exchange", None),
            (503, failed("503", None), "exchange", None),
            (504, b"", "exchange", None),
        ],
    )
    def test_documented_codes_and_statuses(
        self, status: int, body: Any, reason: str | None, blocked_until: float | None
    ) -> None:
        found = bittap.bittap_error(response(status, body))
        assert (found.reason if found else None) == reason
        assert (found.blocked_until if found else None) == blocked_until

    def test_the_venue_s_own_time_to_come_back_is_kept_to(self) -> None:
        found = bittap.bittap_error(response(429, b"", {"Retry-After": "42"}))
        assert found is not None
        assert found.blocked_until == 1042.0

    def test_an_unknown_error_carries_the_venue_s_words_without_secrets(self) -> None:
        body = failed("7", f"trouble with {KEY} at 203.0.113.7")
        found = bittap.bittap_error(response(200, body), [KEY, SECRET])
        assert found is not None
        assert found.reason == "exchange"
        assert "trouble" in found.message
        assert KEY not in found.message
        assert "203.0.113.7" not in found.message

    def test_a_code_that_is_none_is_not_repeated(self) -> None:
        found = bittap.bittap_error(response(200, failed(KEY)), [KEY])
        assert found is not None
        assert KEY not in found.message

    @pytest.mark.parametrize(
        ("headers", "moment"),
        [
            ({"Date": "Thu, 18 Sep 2025 07:08:39 GMT"}, 1758179319.5),
            ({"Date": "Thu, 18 Sep 2025 07:08:39 GMT", "Age": "7"}, 1758179326.5),
            ({}, None),
            ({"Date": "yesterday"}, None),
        ],
    )
    def test_the_clock_is_the_date_of_an_answer(self, headers: dict[str, str], moment: float | None) -> None:
        assert bittap.date_of(headers) == moment

    async def test_a_clock_error_is_retried_once_after_a_resync(self) -> None:
        asked: list[int] = []

        def account(request: web.Request) -> web.Response:
            asked.append(int(request.headers["X-BT-TS"]))
            if len(asked) == 1:
                return failure(401, "410003", "timestamp out of range")
            return web.Response(body=payload(NAME, "account_info.json"))

        contracts = web.Response(
            body=payload(NAME, "exchange_info.json"),
            headers={"Date": "Thu, 18 Sep 2025 07:08:39 GMT"},
        )
        await snapshot_of(account=account, contracts=contracts)
        assert len(asked) == 2
        # The second request follows the venue's clock.
        assert abs(asked[1] / 1000 - 1758179319.5) < 60.0

    @pytest.mark.parametrize(
        ("endpoint", "file", "path", "field"),
        [
            ("account", "account_info.json", [], "data"),
            ("account", "account_info.json", ["data"], "assets"),
            ("account", "account_info.json", ["data"], "positions"),
            ("account", "account_info.json", ["data", "assets", 0], "coin"),
            ("account", "account_info.json", ["data", "assets", 0], "equities"),
            ("account", "account_info.json", ["data", "assets", 0], "balance"),
            ("account", "account_info.json", ["data", "assets", 0], "crossedMaintainMargin"),
            ("account", "account_info.json", ["data", "positions", 0], "quantity"),
            ("account", "account_info.json", ["data", "positions", 0], "positionId"),
            ("opened", "open_position.json", [], "data"),
            ("opened", "open_position.json", ["data", 0], "side"),
            ("opened", "open_position.json", ["data", 0], "marginMode"),
            ("opened", "open_position.json", ["data", 0], "avgEntryPrice"),
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
        assert str(caught.value).startswith(f"bittap GET {PATHS[endpoint][0]}")
        assert f"`{field}`" in str(caught.value)

    @pytest.mark.parametrize("empty", [None, ""])
    @pytest.mark.parametrize("field", ["equities", "balance"])
    async def test_a_balance_that_is_empty_is_not_zero(self, field: str, empty: object) -> None:
        with pytest.raises(VenueError, match=f"`{field}` is empty") as caught:
            await snapshot_of(account=account_of(account_row(), assets=[asset(**{field: empty})]))
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(markPrice=bad)
        assert caught.value.reason == "schema"
        assert "markPrice" in str(caught.value)

    async def test_a_damaged_list_of_contracts_does_not_cost_the_account(self) -> None:
        observer = QuietObserver()
        body = document("exchange_info.json")
        del body["data"]["symbols"][0]["contractSide"]
        snapshot = await snapshot_of(contracts=body, observer=observer)
        assert len(snapshot.positions) == 1
        assert [error.reason for error in observer.optional_failures] == ["schema"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(PATHS)),
    choice=st.integers(0, 10_000),
    value=st.one_of(DAMAGE, st.sampled_from(["BTC-USD-M", "ISOLATED", "REVERSE"])),
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(name: str, choice: int, value: Any) -> None:
    body, key = damaged(document(PATHS[name][1]), choice, value)
    try:
        exposition(NAME, "desk", await snapshot_of(**{name: body}))
    except VenueError as error:
        # A code that is no longer "0" is a failure of the venue.
        assert error.reason == "schema" or key in {"code", "success", "msg"}  # noqa: PT017 (either is right)


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field) for use in Bittap.fields}
    for path, file in PATHS.values():
        for field in numeric_fields(document(file)):
            assert (path, field) in stated, (path, field)
    for use in Bittap.fields:
        assert bool(use.metrics) != bool(use.reason), use


def test_no_field_is_explained_twice_or_of_no_answer() -> None:
    documented = {
        (path, field)
        for path, file in PATHS.values()
        for field in itertools.chain(numeric_fields(document(file)), _nulls(document(file)))
    }
    stated = [(use.endpoint, use.field) for use in Bittap.fields]
    assert len(stated) == len(set(stated))
    assert set(stated) <= documented


def _nulls(node: Any, prefix: str = "") -> set[str]:
    """Paths of nulls: numbers that the documented account does not tell."""
    if isinstance(node, dict):
        return set().union(*(_nulls(child, f"{prefix}.{key}".lstrip(".")) for key, child in node.items()))
    if isinstance(node, list):
        return set().union(*(_nulls(child, f"{prefix}[]") for child in node))
    return {prefix} if node is None else set()
