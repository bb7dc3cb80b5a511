"""BitTap: documented answers in, published numbers out."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from aiohttp import web

from exporter.account import ApiKeyConfig
from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import MaintenanceTier
from exporter.venues import _bittap as bittap
from exporter.venues.bittap import Bittap
from tests.venues.harness import (
    QuietObserver,
    VenueServer,
    exposition,
    fetch,
    make_venue,
    unsigned,
)
from tests.venues.payloads.bittap.bench import (
    CONFIG,
    EQUITY,
    KEY,
    NAME,
    REFUSED,
    account_of,
    account_row,
    answers,
    asset,
    check,
    document,
    failure,
    open_row,
    position_of,
    risk_of,
    snapshot_of,
    success,
)


class TestSigning:
    def venue(self) -> Bittap:
        config = ApiKeyConfig.model_validate({"name": "desk", "exchange": NAME, **CONFIG})
        return Bittap(config, nonce=lambda: "abcdef0123456789")

    def test_a_request_without_parameters_signs_a_text_that_begins_with_an_ampersand(self) -> None:
        signed = self.venue().sign(unsigned(bittap.ACCOUNT_INFO, at=1758179319000))
        assert signed.query == ""
        assert signed.headers == {
            "X-BT-APIKEY": KEY,
            "X-BT-TS": "1758179319000",
            "X-BT-NONCE": "abcdef0123456789",
            "X-BT-SIGN": "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459",
        }

    def test_a_request_with_parameters_signs_them_first(self) -> None:
        signed = self.venue().sign(
            unsigned(bittap.OPEN_POSITION, (("symbolId", "BTC-USDT-M"),), at=1758179319000)
        )
        assert signed.query == "symbolId=BTC-USDT-M"
        assert signed.headers["X-BT-SIGN"] == (
            "e59f75e58694322045cc57136a4aff687b3b0d6e89b519918037f759cedddcd1"
        )

    def test_parameters_are_sorted(self) -> None:
        signed = self.venue().sign(unsigned(bittap.OPEN_POSITION, (("b", "2"), ("a", "1")), at=1758179319000))
        assert signed.query == "a=1&b=2"

    def test_public_calls_are_not_signed(self) -> None:
        assert dict(self.venue().sign(unsigned(bittap.EXCHANGE_INFO, at=1758179319000)).headers) == {}

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
        assert pool.equity == risk_of(await snapshot_of()).pools[0].margin_equity == EQUITY
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
        assert risk_of(snapshot).pools[0].margin_equity == pytest.approx(EQUITY - 480.0, rel=1e-15)
        position = snapshot.positions[1]
        assert (position.margin_mode, position.margin, position.initial_margin) == ("isolated", 500.0, None)
        (rate,) = (row.maintenance_margin_rate for row in risk_of(snapshot).positions[1:])
        assert rate == pytest.approx(21.5893424 / 480.0)

    async def test_what_backs_cross_positions_is_unknown_where_an_isolated_pnl_is(self) -> None:
        isolated = account_row(positionId="7", symbolId="SOL-USDT-M", marginMode="ISOLATED")
        snapshot = await snapshot_of(account=account_of(account_row(), isolated), opened=REFUSED)
        assert risk_of(snapshot).pools[0].margin_equity is None
        assert risk_of(snapshot).pools[0].maintenance_margin_rate is None

    @pytest.mark.parametrize(("equity", "rate"), [("-17.17207", "+Inf"), ("0.5", "43.1786848")])
    async def test_beyond_its_equity_the_venues_rate_is_infinite_and_nothing_may_be_moved(
        self, equity: str, rate: str
    ) -> None:
        """The venue divides by equity less the cost of closing, here 1.08: below it its rate is negative."""
        lost = asset(equities=equity, canTransfer="-1", crossedMaintainMarginRate="-1.18")
        text = exposition(NAME, "a", await snapshot_of(account=account_of(account_row(), assets=[lost])))
        labels = 'exchange="bittap",account="a",currency="USDT"'
        assert f"risk_account_venue_margin_rate{{{labels}}} +Inf\n" in text
        assert f"risk_account_maintenance_margin_rate{{{labels}}} {rate}\n" in text
        assert f"risk_account_withdrawable_balance{{{labels}}} 0.0\n" in text

    async def test_a_negative_rate_beside_equity_is_a_schema_error(self) -> None:
        odd = asset(crossedMaintainMarginRate="-0.1")
        with pytest.raises(VenueError, match="risk_account_venue_margin_rate"):
            exposition(NAME, "a", await snapshot_of(account=account_of(account_row(), assets=[odd])))

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
        linear, inverse, unknown = (
            bittap.listing_of(bittap.SymbolRow(symbolId="A", contractSide=side, riskLimitConfigs=limits))
            for side in ("FORWARD", "REVERSE", "SIDEWAYS")
        )
        assert [(tier.floor, tier.rate) for tier in linear.tiers] == [(0.0, 0.01), (20000.0, 0.025)]
        assert (linear.kind, unknown.kind) == ("linear", None)
        assert (inverse.kind, inverse.tiers) == ("inverse", ())

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

    @pytest.mark.parametrize("none", [None, "", "0", 0])
    async def test_a_maintenance_margin_of_0_is_not_told(self, none: object) -> None:
        assert (await position_of(maintainMargin=none)).maintenance_margin is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [("side", "LONG"), ("side", ""), ("marginMode", "CROSS"), ("marginMode", ""), ("quantity", "-1")],
    )
    async def test_a_word_that_is_not_documented_is_a_schema_error(self, field: str, value: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert f"`{field}`" in str(caught.value)
