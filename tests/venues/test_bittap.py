"""BitTap: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.account import ApiKeyConfig
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, RiskSettings
from exporter.risk import assess
from exporter.venues.base import Response
from exporter.venues.bittap import (
    ACCOUNT_INFO,
    OPEN_POSITION,
    Bittap,
    RiskLimit,
    SymbolRow,
    bittap_error,
    date_of,
    listings_of,
    signature,
    string_to_sign,
)
from tests.venues.harness import (
    DAMAGE,
    Answer,
    QuietObserver,
    answers_of,
    assert_golden,
    damaged,
    decoded,
    exposition,
    fetch,
    numeric_fields,
    payload,
)

NAME = "bittap"
KEY = "key-of-the-desk"
SECRET = "test-secret"
CONFIG = {"api_key": KEY, "api_secret": SECRET}
PATHS = {
    "account": ("/ftapi/v1/account/info", "account_info.json"),
    "open_position": ("/ftapi/v1/openPosition", "open_position.json"),
    "exchange_info": ("/fmapi/v1/exchangeInfo", "exchange_info.json"),
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a signed request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    assert request.query_string == ""
    if request.path.startswith("/fmapi/"):
        assert not [name for name in request.headers if name.upper().startswith("X-BT")]
        return
    stamp, nonce = request.headers["X-BT-TS"], request.headers["X-BT-NONCE"]
    assert len(stamp) == 13
    assert len(nonce) == 36
    text = "&timestamp=" + stamp + "&nonce=" + nonce
    expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert request.headers["X-BT-SIGN"] == expected
    assert request.headers["X-BT-APIKEY"] == KEY


def document(name: str) -> Any:
    return decoded(payload(NAME, PATHS[name][1]))


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


async def snapshot_of(observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def positions_with(**changed: Any) -> dict[str, Any]:
    """The position call's answer with some fields of its row changed."""
    answer = document("open_position")
    answer["data"][0].update(changed)
    found: dict[str, Any] = answer
    return found


async def snapshot_with(**changed: Any) -> AccountSnapshot:
    """The account with one position, some of whose fields are changed in the position call."""
    account = document("account")
    account["data"]["positions"] = []
    return await snapshot_of(account=account, open_position=positions_with(**changed))


async def test_documented_answers_become_the_golden_exposition() -> None:
    no_positions = {**document("open_position"), "data": []}
    documented = await snapshot_of(
        account=payload(NAME, "account_info.json"), open_position=no_positions, exchange_info=None
    )
    valued = await snapshot_of()
    assert_golden(
        NAME,
        {
            "documented account, positions not valued": exposition(NAME, "documented", documented),
            "the same with the position call": exposition(NAME, "valued", valued),
        },
    )


class TestSigning:
    """Vectors computed by the documented rule; the venue publishes none."""

    def test_without_a_query_the_signed_text_begins_with_an_ampersand(self) -> None:
        expected = "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459"
        text = string_to_sign("", 1758179319000, "abcdef0123456789")
        assert text == "&timestamp=1758179319000&nonce=abcdef0123456789"
        assert signature("test-secret", text) == expected

    def test_with_a_query(self) -> None:
        expected = "e59f75e58694322045cc57136a4aff687b3b0d6e89b519918037f759cedddcd1"
        text = string_to_sign("symbolId=BTC-USDT-M", 1758179319000, "abcdef0123456789")
        assert signature("test-secret", text) == expected

    def test_a_request_carries_key_time_nonce_and_signature(self) -> None:
        config = ApiKeyConfig.model_validate(
            {"name": "desk", "exchange": NAME, "api_key": KEY, "api_secret": "test-secret"}
        )
        venue = Bittap(config, nonce=lambda: "abcdef0123456789")
        signed = venue.sign(ACCOUNT_INFO, (), 1758179319000)
        assert signed.query == ""
        assert signed.headers == {
            "X-BT-APIKEY": KEY,
            "X-BT-TS": "1758179319000",
            "X-BT-NONCE": "abcdef0123456789",
            "X-BT-SIGN": "d8bba935314a628f15e32c14324d96e33b7359b0de4feed19415a83389bbd459",
        }
        query = venue.sign(OPEN_POSITION, (("symbolId", "BTC-USDT-M"),), 1758179319000)
        assert query.query == "symbolId=BTC-USDT-M"
        assert query.headers["X-BT-SIGN"].startswith("e59f75e5")

    def test_every_request_has_a_nonce_of_its_own(self) -> None:
        config = ApiKeyConfig.model_validate(
            {"name": "desk", "exchange": NAME, "api_key": KEY, "api_secret": SECRET}
        )
        venue = Bittap(config)
        assert len({venue.sign(ACCOUNT_INFO, (), 1).headers["X-BT-NONCE"] for _ in range(50)}) == 50


class TestDocumentedIdentities:
    """They hold on the documented example to the last digit that a float keeps."""

    def asset(self) -> dict[str, float]:
        row = document("account")["data"]["assets"][0]
        return {name: float(value) for name, value in row.items() if name != "coin"}

    def test_equity_is_balance_and_unrealized_pnl(self) -> None:
        asset = self.asset()
        assert asset["equities"] == pytest.approx(asset["balance"] + asset["profitUnreal"], rel=1e-15)

    def test_available_is_equity_less_locked(self) -> None:
        asset = self.asset()
        assert asset["available"] == pytest.approx(asset["equities"] - asset["locked"], rel=1e-15)

    def test_the_venues_rate_takes_the_closing_fee_off_the_equity(self) -> None:
        asset = self.asset()
        fee = 0.0005 * 871.1 * 2.4784
        assert asset["crossedMaintainMarginRate"] == pytest.approx(
            asset["crossedMaintainMargin"] / (asset["equities"] - fee), rel=1e-12
        )

    def test_locked_is_the_entry_value_over_leverage(self) -> None:
        row = document("account")["data"]["positions"][0]
        assert float(row["entryValue"]) / row["leverage"] == pytest.approx(self.asset()["locked"], rel=1e-15)

    async def test_rate_mark_and_maintenance_margin_follow(self) -> None:
        """The only position of the pool: its figures follow from the pool's."""
        no_positions = {**document("open_position"), "data": []}
        risk = assess(await snapshot_of(open_position=no_positions, exchange_info=None), RiskSettings())
        (pool,), (position,) = risk.pools, risk.positions
        assert pool.maintenance_margin_rate == pytest.approx(0.00183493781073412, rel=1e-13)
        assert pool.pool.venue_margin_rate == 0.0018351061760195
        assert position.mark_price == pytest.approx(2.4784, rel=1e-9)
        assert position.maintenance_margin == pytest.approx(21.5893424)


class TestPosition:
    @pytest.mark.parametrize("none", [None, "", "0", 0, "-1", 99999999, "99999999"])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await snapshot_with(liquidPrice=none)).positions[0].liquidation_price is None

    @pytest.mark.parametrize("value", ["1.25", 1.25])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        assert (await snapshot_with(liquidPrice=value)).positions[0].liquidation_price == 1.25

    @pytest.mark.parametrize(("side", "expected"), [("BUY", "long"), ("SELL", "short")])
    async def test_sides(self, side: str, expected: str) -> None:
        assert (await snapshot_with(side=side)).positions[0].side == expected

    async def test_another_side_is_a_schema_error(self) -> None:
        account = document("account")
        account["data"]["positions"][0]["side"] = "BOTH"
        with pytest.raises(VenueError, match=r"account/info: `side` is neither BUY nor SELL") as caught:
            await snapshot_of(account=account)
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [("CROSSED", "cross"), ("crossed", "cross"), ("ISOLATED", "isolated"), ("ISOLATION", "isolated")],
    )
    async def test_margin_modes(self, mode: str, expected: str) -> None:
        position = (await snapshot_with(marginMode=mode)).positions[0]
        assert position.margin_mode == expected
        assert position.margin == (133.8053155 if expected == "isolated" else None)

    @pytest.mark.parametrize(
        ("mode", "expected"),
        [
            ("HEDGE", {"position_mode": "hedge"}),
            ("ONEWAY", {"position_mode": "one_way"}),
            ("ONE_WAY", {"position_mode": "one_way"}),
            (None, {}),
        ],
    )
    async def test_position_modes(self, mode: str | None, expected: dict[str, str]) -> None:
        assert (await snapshot_with(positionMode=mode)).modes == expected

    async def test_rows_without_size_are_dropped(self) -> None:
        assert (await snapshot_with(quantity="0.0")).positions == ()

    async def test_a_placeholder_of_zero_is_no_maintenance_margin(self) -> None:
        assert (await snapshot_with(maintainMargin="0")).positions[0].maintenance_margin is None

    async def test_an_object_where_an_array_is_usual(self) -> None:
        answer = document("open_position")
        answer["data"] = answer["data"][0]
        account = document("account")
        account["data"]["positions"] = None
        account["data"]["assets"] = account["data"]["assets"][0]
        snapshot = await snapshot_of(account=account, open_position=answer)
        assert (len(snapshot.pools), len(snapshot.positions)) == (1, 1)

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await snapshot_with(somethingNew={"deep": [1]})).positions[0].quantity == 871.1

    async def test_the_valued_row_wins_and_takes_what_it_lacks_from_the_other(self) -> None:
        snapshot = await snapshot_of(open_position=positions_with(leverage=None, margin=None))
        (position,) = snapshot.positions
        assert (position.mark_price, position.leverage, position.initial_margin) == (
            2.4784,
            20.0,
            133.8053155,
        )

    async def test_a_position_that_one_call_shows_closed_is_closed(self) -> None:
        assert (await snapshot_of(open_position=positions_with(quantity="0"))).positions == ()

    async def test_a_position_of_the_account_call_alone_is_published(self) -> None:
        snapshot = await snapshot_of(open_position={**document("open_position"), "data": None})
        (position,) = snapshot.positions
        assert (position.quantity, position.mark_price, position.maintenance_margin) == (871.1, None, None)

    async def test_an_entry_value_that_contradicts_one_base_unit_makes_the_size_unknown(self) -> None:
        assert (await snapshot_with()).positions[0].contract.size == 1.0
        changed = await snapshot_with(entryValue="26761.0631")
        assert changed.positions[0].contract.size is None
        assert assess(changed, RiskSettings()).positions[0].notional_usd is None

    async def test_an_inverse_contract_has_no_known_size(self) -> None:
        """The account's other figures stay; notional and computed prices are absent instead of wrong."""
        information = document("exchange_info")
        information["data"]["symbols"][0].update(symbolId="BTC-USD-M", contractSide="REVERSE")
        account = document("account")
        account["data"]["positions"] = []
        snapshot = await snapshot_of(
            account=account,
            open_position=positions_with(symbolId="BTC-USD-M", feeAssetId="BTC", maintainMargin="0"),
            exchange_info=information,
        )
        (position,) = snapshot.positions
        assert (position.contract.kind, position.contract.size) == ("inverse", None)
        assert (position.contract.base, position.contract.settle) == ("BTC", "BTC")
        risk = assess(snapshot, RiskSettings())
        assert risk.positions[0].notional_usd is None
        assert risk.pools[0].equity_usd == 11765.707956806747

    async def test_positions_with_equal_labels_get_their_ids(self) -> None:
        answer = document("open_position")
        answer["data"].append({**answer["data"][0], "positionId": "2"})
        account = document("account")
        account["data"]["positions"] = []
        snapshot = await snapshot_of(account=account, open_position=answer)
        assert [position.position_id for position in snapshot.positions] == ["8039784359178546030", "2"]

    async def test_an_isolated_position_does_not_back_the_cross_positions(self) -> None:
        """The venue's own split is 0 even where margin is in use; it is computed from the position."""
        snapshot = await snapshot_with(marginMode="ISOLATED", profitUnreal="-17.5")
        (pool,) = snapshot.pools
        assert pool.equity == 11765.707956806747
        assert pool.margin_equity == pytest.approx(11765.707956806747 - 133.8053155 + 17.5)

    async def test_without_the_pnl_of_an_isolated_position_the_rest_is_unknown(self) -> None:
        snapshot = await snapshot_with(marginMode="ISOLATED", profitUnreal=None)
        assert snapshot.pools[0].margin_equity is None

    async def test_no_requirement_beside_a_cross_position_is_unknown(self) -> None:
        account = document("account")
        account["data"]["assets"][0].update(crossedMaintainMargin="0", crossedMaintainMarginRate="0")
        (pool,) = (await snapshot_of(account=account)).pools
        assert (pool.maintenance_margin, pool.venue_margin_rate) == (None, None)

    async def test_an_empty_account_shows_its_zero(self) -> None:
        account = document("account")
        row = account["data"]["assets"][0]
        account["data"]["assets"] = [{**dict.fromkeys(row, "0"), "coin": "USDT"}]
        account["data"]["positions"] = []
        snapshot = await snapshot_of(account=account, open_position={**document("open_position"), "data": []})
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("USDT", 0.0)]


def test_tiers_are_ascending_and_the_last_is_open() -> None:
    limits = [
        RiskLimit(maintainMarginRate=0.025, minPositionValue=20000, maxPositionValue=50000),
        RiskLimit(maintainMarginRate=0.01, minPositionValue=0, maxPositionValue=20000),
    ]
    listings = listings_of(
        [
            SymbolRow(symbolId="A-USDT-M", contractSide="FORWARD", riskLimitConfigs=limits),
            SymbolRow(symbolId="A-USD-M", contractSide="REVERSE", riskLimitConfigs=limits),
            SymbolRow(symbolId="B-USDT-M", contractSide="SIDEWAYS"),
        ]
    )
    assert [(tier.floor, tier.cap, tier.rate, tier.deduction) for tier in listings["A-USDT-M"].tiers] == [
        (0.0, 20000.0, 0.01, 0.0),
        (20000.0, float("inf"), 0.025, 0.0),
    ]
    assert (listings["A-USD-M"].kind, listings["A-USD-M"].tiers) == ("inverse", ())
    assert (listings["B-USDT-M"].kind, listings["B-USDT-M"].tiers) == (None, ())


def response(status: int, body: Any, headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1000.0)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "code", "words", "reason"),
        [
            (200, "0", "Request successful", None),
            (200, "10001", "Parameter error", "exchange"),
            (200, "100011", "Parameter error", "exchange"),
            (200, "410001", "Invalid API key", "auth"),
            (401, "410001", "Invalid API key", "auth"),
            (401, "410002", "Signature failed", "auth"),
            (200, 410002, "Signature failed", "auth"),
            (403, "410006", "Insufficient permissions", "permission"),
            (401, "410009", "IP 203.0.113.7 is not in the whitelist", "permission"),
            (401, "410003", "timestamp expired", "clock"),
            (200, "500", "Server Error", "exchange"),
            (500, "500", "Server Error", "exchange"),
            (429, "429", "slow down", "rate_limited"),
        ],
    )
    def test_by_status_code_and_words(
        self, status: int, code: str | int, words: str, reason: str | None
    ) -> None:
        body = {"code": code, "msg": words, "success": code == "0"}
        found = bittap_error(response(status, body), [SECRET])
        assert (found.reason if found else None) == reason
        assert found is None or "203.0.113.7" not in found.message

    def test_a_failure_is_one_whatever_its_code_says(self) -> None:
        assert bittap_error(response(200, {"code": "0", "success": False})) is not None

    @pytest.mark.parametrize(("status", "reason"), [(401, "auth"), (502, "exchange"), (429, "rate_limited")])
    def test_a_page_that_is_no_json(self, status: int, reason: str) -> None:
        found = bittap_error(response(status, b"<html>"))
        assert found is not None
        assert found.reason == reason

    def test_a_limit_without_a_time_pauses(self) -> None:
        found = bittap_error(response(429, b""))
        assert found is not None
        assert found.blocked_until == 1010.0
        told = bittap_error(response(429, b"", {"Retry-After": "3"}))
        assert told is not None
        assert told.blocked_until == 1003.0

    async def test_the_clock_is_read_from_the_date_header(self) -> None:
        stamps: list[int] = []

        def account(request: web.Request) -> web.Response:
            stamps.append(int(request.headers["X-BT-TS"]))
            if len(stamps) == 1:
                body = {"code": "410003", "msg": "timestamp expired", "success": False}
                return web.json_response(body, status=401)
            return web.Response(body=payload(NAME, "account_info.json"))

        def information(_: web.Request) -> web.Response:
            date = "Thu, 18 Sep 2025 07:08:39 GMT"
            return web.Response(body=payload(NAME, "exchange_info.json"), headers={"Date": date})

        await snapshot_of(account=account, exchange_info=information)
        # The example's time, 1758179319, and half a second; the request follows within two.
        assert len(stamps) == 2
        assert 1758179319_500 - 500 <= stamps[1] <= 1758179319_500 + 2000

    @pytest.mark.parametrize(
        ("name", "path", "field"),
        [
            ("account", ["data"], "assets"),
            ("account", ["data", "assets", 0], "equities"),
            ("account", ["data", "positions", 0], "quantity"),
        ],
    )
    async def test_a_missing_required_field_is_named(self, name: str, path: list[Any], field: str) -> None:
        body = document(name)
        target = body
        for step in path:
            target = target[step]
        del target[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(**{name: body})
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith(f"{NAME} GET {PATHS[name][0]}")
        assert field in str(caught.value)

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        account = document("account")
        account["data"]["assets"][0]["equities"] = bad
        with pytest.raises(VenueError, match="`equities` is not a") as caught:
            await snapshot_of(account=account)
        assert caught.value.reason == "schema"

    async def test_the_list_of_contracts_can_be_missed(self) -> None:
        observer = QuietObserver()
        snapshot = await snapshot_of(observer, exchange_info=None)
        assert (len(snapshot.pools), snapshot.positions[0].contract.kind) == (1, "linear")
        assert snapshot.positions[0].maintenance_tiers == ()
        assert len(observer.optional_failures) == 1

    async def test_a_key_that_may_not_read_positions_still_shows_the_account(self) -> None:
        refusal = {"code": "410006", "msg": "Insufficient permissions", "success": False}
        observer = QuietObserver()
        snapshot = await snapshot_of(observer, open_position=refusal)
        assert snapshot.positions[0].mark_price is None
        assert [error.reason for error in observer.optional_failures] == ["permission"]

    async def test_a_position_call_that_fails_fails_the_collection(self) -> None:
        """Positions without prices for one interval would silence alerts; old data are kept instead."""
        with pytest.raises(VenueError, match="openPosition: HTTP 404"):
            await snapshot_of(open_position=None)

    async def test_no_list_of_positions_although_margin_is_required(self) -> None:
        account = document("account")
        account["data"]["positions"] = None
        with pytest.raises(VenueError, match="`positions` is null although margin is required") as caught:
            await snapshot_of(account=account, open_position={**document("open_position"), "data": None})
        assert caught.value.reason == "schema"

    def test_a_date_from_a_cache_is_as_old_as_it_says(self) -> None:
        assert date_of({"Date": "Thu, 18 Sep 2025 07:08:39 GMT", "Age": "7"}) == 1758179326.5
        assert date_of({"Date": "yesterday"}) is None
        assert date_of({}) is None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(PATHS)),
    choice=st.integers(0, 10_000),
    value=DAMAGE,
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(name: str, choice: int, value: Any) -> None:
    body, _ = damaged(document(name), choice, value)
    try:
        exposition(NAME, "desk", await snapshot_of(**{name: body}))
    except VenueError as error:
        assert error.reason in {"schema", "exchange", "rate_limited"}  # noqa: PT017 (either outcome is right)


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field): use for use in Bittap.fields}
    for name, (path, _) in PATHS.items():
        for field in numeric_fields(document(name)):
            use = stated[path, field]
            assert bool(use.metrics) != bool(use.reason), use
