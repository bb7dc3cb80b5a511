"""ZKX: documented answers in, published numbers out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import fast_stark_crypto
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter import demo
from exporter.config import ConfigError, load
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Contract, Position, RiskSettings
from exporter.risk import assess
from exporter.simulator import _stark as judge
from exporter.venues import _stark, zkx
from exporter.venues.base import Response
from exporter.venues.zkx import Zkx
from tests.venues.harness import (
    DAMAGE,
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

NAME = "zkx"
PATH = "/v1/private/account-info"
PATHS = {"account": (PATH, "account_info.json")}
KEY = "0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcde"
ACCOUNT_ID = "0x9a54f206f020d3b98b9b71e219d96b9c66fdc32645fb09c9c1e89e0b444fe87b"
CONFIG = {"private_key": KEY, "account_id": ACCOUNT_ID}
HEADERS = {"x-public-key", "x-account-id", "x-timestamp", "x-signature-1", "x-signature-2", "x-request-id"}

# Made with starknet-py and, independently, with @scure/starknet.
PUBLIC_KEY = "0x0302a8249e10df5670294c078c3a04f32ed60087e5ee8a3457fa29ed0c0e366bfc"
TIMESTAMP = 1718000000000
HASH = 0x65723606F238D37E68099709491F9DA68A2FAE75818E39921E98C1D80C7D57
SIGNATURES = {
    "starknet-py": (
        0x4616FB066FE3A79EBBB2CBF74AE4B09BB2BB7E945F1AC15387D8E1BFB0E19E6,
        0x36F8D11F9D1CE66E0B7C54DB29213EF68FC980E9BB64D5824D4B08A87C63BED,
    ),
    "scure": (
        0x4641374A803BCB04DBC0DE2E795DE0AF7F5660F9C30C1AE82319690AA2D075E,
        0x1F0C5E568CA86C615DC93E9350EE7B509AF3007070E92AB149A951B64DB2F20,
    ),
}


def point_of(private_key: int) -> tuple[int, int]:
    """The public key as a point, by arithmetic that is not the adapter's."""
    return judge.affine(judge.times(private_key, judge.GENERATOR))


def expected_key(private_key: int) -> str:
    x, y = point_of(private_key)
    return f"0x{'03' if y % 2 else '02'}{x:064x}"


def public_key_of(private_key: int) -> str:
    return _stark.compressed(_stark.public_key(private_key))


POINT = point_of(int(KEY, 16))


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, with hash and signature judged by other code than made them."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert parameters == [("collateralId", "USDC")]
    assert {name.lower() for name in request.headers} >= HEADERS
    assert request.headers["x-public-key"] == PUBLIC_KEY
    assert request.headers["x-account-id"] == ACCOUNT_ID
    UUID(request.headers["x-request-id"])
    timestamp = request.headers["x-timestamp"]
    assert len(timestamp) == 13
    signed = judge.message_hash(f"collateralId=USDC&timestamp={timestamp}")
    r, s = (int(request.headers[name], 16) for name in ("x-signature-1", "x-signature-2"))
    assert judge.verified(POINT, signed, r, s)


def document() -> dict[str, Any]:
    found: dict[str, Any] = decoded(payload(NAME, "account_info.json"))
    return found


async def snapshot_of(answer: Any = None, **changed: Any) -> AccountSnapshot:
    """What becomes of the documented answer with some fields changed; `...` takes one away."""
    if answer is None:
        fields = {**document(), **changed}
        answer = {name: value for name, value in fields.items() if value is not ...}
    return await fetch(NAME, answers_of(NAME, PATHS, {"account": answer}), config=CONFIG, check=check)


def row(**changed: Any) -> dict[str, Any]:
    """The first documented row with some fields changed; `...` takes one away."""
    fields = {**document()["positions"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=[row(**changed)])).positions[0]


async def test_documented_answer_becomes_the_golden_exposition() -> None:
    snapshot = await snapshot_of(payload(NAME, "account_info.json"))
    assert_golden(NAME, {"documented account": exposition(NAME, "desk", snapshot)})


class TestSigning:
    def test_the_signed_string_is_sorted(self) -> None:
        text = zkx.canonical((("timestamp", str(TIMESTAMP)), ("collateralId", "USDC")))
        assert text == "collateralId=USDC&timestamp=1718000000000"
        pairs = (("zone", "1"), ("at", "2"), ("timezone", "3"), ("timestamp", "4"))
        assert zkx.canonical(pairs) == "at=2&timestamp=4&timezone=3&zone=1"

    def test_special_characters_are_written_as_browsers_do(self) -> None:
        text = zkx.canonical((("a", "b,c d*-._~%é&="),))
        assert text == "a=b,c+d*-._%7E%25%C3%A9%26%3D"

    def test_hash_of_the_vector(self) -> None:
        assert _stark.starknet_keccak(b"collateralId=USDC&timestamp=1718000000000") == HASH

    @given(data=st.binary(max_size=300))
    @settings(max_examples=50, deadline=None)
    def test_the_hash_fits_250_bits(self, data: bytes) -> None:
        assert 0 <= _stark.starknet_keccak(data) < 2**250

    def test_public_key_of_the_vector(self) -> None:
        assert public_key_of(int(KEY, 16)) == PUBLIC_KEY

    @given(private_key=st.integers(1, _stark.N - 1))
    @settings(max_examples=50, deadline=None)
    def test_the_public_key_is_that_of_two_other_programs(self, private_key: int) -> None:
        found = public_key_of(private_key)
        assert int(found[4:], 16) == fast_stark_crypto.get_public_key(private_key)
        assert found == expected_key(private_key)

    @pytest.mark.parametrize("private_key", [1, 2, 3, 4, _stark.N - 1, _stark.N - 2])
    def test_public_keys_at_the_ends_of_the_range(self, private_key: int) -> None:
        found = public_key_of(private_key)
        assert found == expected_key(private_key)
        assert int(found[4:], 16) == fast_stark_crypto.get_public_key(private_key)

    def test_opposite_keys_differ_in_the_prefix_alone(self) -> None:
        key = int(KEY, 16)
        one, other = public_key_of(key), public_key_of(_stark.N - key)
        assert one[4:] == other[4:]
        assert {one[:4], other[:4]} == {"0x02", "0x03"}

    def test_the_request_of_the_vector(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        signed = venue.sign(zkx.ACCOUNT_INFO, (("collateralId", "USDC"),), TIMESTAMP)
        assert (signed.query, signed.body) == ("collateralId=USDC", None)
        assert set(signed.headers) == HEADERS
        assert signed.headers["x-public-key"] == PUBLIC_KEY
        assert signed.headers["x-account-id"] == ACCOUNT_ID
        assert signed.headers["x-timestamp"] == str(TIMESTAMP)
        # The nonce is the library's business: the signature is judged, not compared.
        r, s = int(signed.headers["x-signature-1"], 16), int(signed.headers["x-signature-2"], 16)
        assert judge.verified(POINT, HASH, r, s)
        assert fast_stark_crypto.verify(POINT[0], HASH, r, s)
        assert not judge.verified(POINT, HASH ^ 1, r, s)

    def test_only_the_request_id_differs_between_two_equal_requests(self) -> None:
        venue = make_venue(NAME, "http://localhost", CONFIG)
        one, two = (dict(venue.sign(zkx.ACCOUNT_INFO, (), TIMESTAMP).headers) for _ in range(2))
        assert one.pop("x-request-id") != two.pop("x-request-id")
        assert one == two

    @pytest.mark.parametrize("library", SIGNATURES)
    def test_the_judge_of_this_test_accepts_what_other_libraries_signed(self, library: str) -> None:
        assert judge.verified(POINT, HASH, *SIGNATURES[library])

    def test_the_judge_of_this_test_refuses_what_is_out_of_range(self) -> None:
        r, s = SIGNATURES["scure"]
        order = _stark.N
        assert not any(
            judge.verified(POINT, HASH, *pair) for pair in ((0, s), (r, 0), (r + order, s), (r, s + order))
        )
        assert not judge.verified((POINT[0], judge.FIELD - POINT[1]), HASH ^ 1, r, s)


class TestConfiguration:
    @pytest.mark.parametrize(
        "private_key",
        [
            "",
            "0x",
            "0x0",
            "not hexadecimal",
            "0x" + "1" * 65,
            hex(_stark.N),
            "0x12 34",
            "-0x12",
            "0x1_2",
            "١٢٣",
        ],
    )
    def test_a_malformed_key_is_refused_without_being_quoted(self, private_key: str) -> None:
        venue = make_venue(NAME, "http://localhost", {**CONFIG, "private_key": private_key})
        reason = Zkx.check(venue.config)
        assert reason is not None
        assert "`private_key`" in reason
        assert len(private_key) < 4 or private_key not in reason

    @pytest.mark.parametrize("private_key", [KEY, KEY[2:], "0x" + KEY[2:].upper(), "0x1", hex(_stark.N - 1)])
    def test_a_key_is_hexadecimal_with_or_without_its_mark(self, private_key: str) -> None:
        venue = make_venue(NAME, "http://localhost", {**CONFIG, "private_key": private_key})
        assert Zkx.check(venue.config) is None
        headers = venue.sign(zkx.ACCOUNT_INFO, (), TIMESTAMP).headers
        assert headers["x-public-key"] == public_key_of(int(private_key, 16))

    @pytest.mark.parametrize("account_id", ["", "two words", "line\nbreak", "é"])
    def test_an_account_id_that_is_no_header_is_refused_without_being_quoted(self, account_id: str) -> None:
        with pytest.raises(ValidationError) as caught:
            make_venue(NAME, "http://localhost", {**CONFIG, "account_id": account_id})
        assert "account_id" in str(caught.value)
        assert not account_id or account_id not in str(caught.value)

    @pytest.mark.parametrize("collateral_id", ["", "US DC", "USDC&x=1", "a" * 33])
    def test_a_collateral_id_is_a_plain_word(self, collateral_id: str) -> None:
        with pytest.raises(ValidationError, match="collateral_id"):
            make_venue(NAME, "http://localhost", {**CONFIG, "collateral_id": collateral_id})

    def write(self, folder: Path, *lines: str) -> Path:
        fields = "".join(f"\n    {line}" for line in lines)
        path = folder / "risk-exporter.yml"
        path.write_text(f"accounts:\n  - name: desk\n    exchange: zkx{fields}\n")
        return path

    def test_keys_can_be_written_without_quotes(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path, f"private_key: {KEY}", f"account_id: {ACCOUNT_ID}", "base_url: https://zkx.example"
        )
        (account,) = load(path).accounts
        assert account.secrets() == (KEY, ACCOUNT_ID)

    def test_the_host_is_required(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"base_url.*is required"):
            load(self.write(tmp_path, f"private_key: {KEY}", f"account_id: {ACCOUNT_ID}"))

    def test_a_wrong_key_in_a_file_is_one_clear_problem(self, tmp_path: Path) -> None:
        path = self.write(
            tmp_path,
            f"private_key: {KEY}0123456789",
            f"account_id: {ACCOUNT_ID}",
            "base_url: https://zkx.example",
        )
        with pytest.raises(ConfigError, match="`private_key` must be a Stark private key") as caught:
            load(path)
        assert len(caught.value.problems) == 1
        assert KEY not in str(caught.value)


@pytest.fixture(params=["fast_stark_crypto", "Crypto.Hash.keccak"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of the extra that cannot be imported."""
    module: str = request.param
    monkeypatch.setitem(sys.modules, module, None)
    return {"fast_stark_crypto": "fast-stark-crypto", "Crypto.Hash.keccak": "pycryptodome"}[module]


class TestWithoutTheExtra:
    def test_with_it_there_is_nothing_to_say(self) -> None:
        assert Zkx.check(make_venue(NAME, "http://localhost", CONFIG).config) is None

    def test_the_configuration_names_package_and_remedy(self, missing: str, tmp_path: Path) -> None:
        lines = (f"private_key: {KEY}", f"account_id: {ACCOUNT_ID}", "base_url: https://zkx.example")
        with pytest.raises(ConfigError, match=r"pip install 'risk-exporter\[zkx\]'") as caught:
            load(TestConfiguration().write(tmp_path, *lines))
        assert missing in str(caught.value)
        assert KEY not in str(caught.value)

    @pytest.mark.usefixtures("missing")
    async def test_the_demo_leaves_the_venue_out(self) -> None:
        async with demo.running(seed=1, interval=5.0) as config:
            exchanges = {account.exchange for account in config.accounts}
        assert NAME not in exchanges
        assert "binance_usdm" in exchanges

    def test_a_process_without_the_packages_starts(self) -> None:
        program = (
            "import sys; sys.modules |= {'fast_stark_crypto': None, 'Crypto': None}\n"
            "from exporter import venues, simulator\n"
            "simulator.discover()['zkx'](simulator.Market()).demo_accounts('http://localhost')\n"
            "cls = venues.discover()['zkx']\n"
            "print(cls.check(None))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "fast-stark-crypto and pycryptodome" in done.stdout
        assert done.stderr == ""


class TestAccount:
    async def test_documented_totals(self) -> None:
        (pool,) = (await snapshot_of()).pools
        assert pool.currency == "USDC"
        assert pool.equity == pool.margin_equity == 3634.378226
        assert (pool.wallet_balance, pool.available_balance) == (3627.894177, 3049.205067)
        assert pool.unrealized_pnl == 6.662591
        assert pool.initial_margin == pytest.approx(438.726714 + 146.446445, rel=1e-14)

    async def test_identities_of_the_documented_example(self) -> None:
        """Available and invested margin follow from the rows; margin and PnL are not of one moment."""
        snapshot = await snapshot_of()
        (pool,) = snapshot.pools
        assert pool.equity is not None
        assert pool.initial_margin is not None
        assert pool.equity - pool.initial_margin == pytest.approx(3049.205067, rel=1e-12)
        invested = sum(held.quantity * (held.entry_price or 0.0) for held in snapshot.positions)
        assert invested == pytest.approx(float(document()["totalInvested"]), rel=1e-12)
        for held in snapshot.positions:
            assert held.maintenance_margin == pytest.approx(
                0.03 * held.quantity * (held.entry_price or 0.0), rel=1e-9
            )

    async def test_documented_rate(self) -> None:
        (pool,) = assess(await snapshot_of(), RiskSettings()).pools
        assert pool.maintenance_margin == pytest.approx(105.331182, rel=1e-14)
        assert pool.maintenance_margin_rate == pytest.approx(105.331182 / 3634.378226, rel=1e-12)
        assert pool.maintenance_margin_rate == pytest.approx(0.02898, abs=5e-6)

    async def test_without_positions_no_margin_is_in_use(self) -> None:
        snapshot = await snapshot_of(positions=[], totalInvested="0", totalUnrealizedPnl="0")
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert snapshot.positions == ()
        assert (pool.pool.initial_margin, pool.pool.unrealized_pnl) == (0.0, 0.0)
        assert (pool.maintenance_margin, pool.maintenance_margin_rate) == (0.0, 0.0)

    @pytest.mark.parametrize("empty", [None, ""])
    async def test_an_empty_amount_is_not_zero(self, empty: object) -> None:
        snapshot = await snapshot_of(collateralBalance=empty, availableMargin=empty, totalUnrealizedPnl=empty)
        (pool,) = snapshot.pools
        assert (pool.wallet_balance, pool.available_balance, pool.unrealized_pnl) == (None, None, None)
        assert pool.equity == 3634.378226

    @pytest.mark.parametrize("unknown", [None, "", "0", 0, -1])
    async def test_a_maintenance_margin_that_is_not_told_leaves_the_total_and_the_rate_unknown(
        self, unknown: object
    ) -> None:
        snapshot = await snapshot_of(positions=[row(maintenanceMargin=unknown), document()["positions"][1]])
        assert [held.maintenance_margin for held in snapshot.positions] == [None, 26.360334]
        assert snapshot.pools[0].maintenance_margin is None
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert (pool.maintenance_margin, pool.maintenance_margin_rate) == (None, None)

    async def test_a_position_the_venue_cannot_price_hides_the_pnl_that_lacks_it(self) -> None:
        snapshot = await snapshot_of(positions=[row(maintenanceMargin="0")], totalUnrealizedPnl="-3.1")
        assert snapshot.pools[0].unrealized_pnl is None
        (position,) = assess(snapshot, RiskSettings()).positions
        assert position.mark_price is None

    @pytest.mark.parametrize("zero", ["0", 0, "0.000000"])
    async def test_a_pnl_of_exactly_0_beside_a_position_is_no_pnl(self, zero: object) -> None:
        """Without a mark price the venue says 0, which would put the mark at the entry price."""
        snapshot = await snapshot_of(positions=[row()], totalUnrealizedPnl=zero)
        assert snapshot.pools[0].unrealized_pnl is None
        (position,) = assess(snapshot, RiskSettings()).positions
        assert (position.mark_price, position.liquidation_distance_ratio) == (None, None)

    @pytest.mark.parametrize("unknown", [None, ""])
    async def test_a_margin_that_is_not_told_leaves_the_sum_unknown(self, unknown: object) -> None:
        snapshot = await snapshot_of(positions=[row(marginAmount=unknown), document()["positions"][1]])
        assert snapshot.pools[0].initial_margin is None
        assert snapshot.positions[0].initial_margin is None

    async def test_another_collateral(self) -> None:
        answer = document()
        answer |= {"collateralId": "DAI", "positions": [row(marketId="SOLDAI")]}
        asked: list[str] = []

        def account(request: web.Request) -> web.Response:
            asked.append(request.query["collateralId"])
            return web.json_response(answer)

        snapshot = await fetch(NAME, {PATH: account}, config={**CONFIG, "collateral_id": "DAI"})
        assert asked == ["DAI"]
        assert snapshot.pools[0].currency == "DAI"
        assert snapshot.positions[0].contract == Contract("linear", 1.0, "SOL", "DAI", "DAI")

    async def test_the_account_of_another_collateral_is_not_taken(self) -> None:
        assert (await snapshot_of(collateralId="usdc")).pools[0].currency == "USDC"
        with pytest.raises(VenueError, match=r"zkx GET /v1/private/account-info: `collateralId`") as caught:
            await snapshot_of(collateralId="USDT")
        assert caught.value.reason == "schema"


class TestPositionsThatAreNoList:
    """The schema's sample has a number where the documented example has a list."""

    async def test_the_generated_sample_is_a_clear_schema_error(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(payload(NAME, "account_info_schema.json"))
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith("zkx GET /v1/private/account-info: `positions`")

    @pytest.mark.parametrize("none", [0, "0", 0.0, None, ""])
    async def test_no_positions_in_any_spelling(self, none: object) -> None:
        answer = {**decoded(payload(NAME, "account_info_schema.json")), "positions": none}
        snapshot = await snapshot_of({**answer, "totalInvested": 0, "totalUnrealizedPnl": 0})
        assert snapshot.positions == ()
        # Numbers as numbers.
        assert (snapshot.pools[0].equity, snapshot.pools[0].wallet_balance) == (100.0, 200.0)

    @pytest.mark.parametrize("none", [0, None, ()])
    @pytest.mark.parametrize("total", ["totalInvested", "totalUnrealizedPnl"])
    async def test_none_is_not_believed_beside_totals_of_positions(self, none: object, total: str) -> None:
        answer = {**document(), "positions": none, "totalInvested": "0", "totalUnrealizedPnl": "0"}
        with pytest.raises(VenueError, match="`positions` is empty although") as caught:
            await snapshot_of({**answer, total: "12.5"})
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("wrong", [10, "10", -1, 0.5, "many", True])
    async def test_anything_else_is_a_schema_error(self, wrong: object) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(positions=wrong, totalInvested="0", totalUnrealizedPnl="0")
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith("zkx GET /v1/private/account-info")
        assert "positions" in str(caught.value)

    async def test_an_object_where_an_array_is_usual(self) -> None:
        (position,) = (await snapshot_of(positions=row())).positions
        assert position.symbol == "SOLUSDC"


class TestPosition:
    async def test_documented_rows(self) -> None:
        sol, eth = (await snapshot_of()).positions
        assert (sol.symbol, sol.side, sol.margin_mode, sol.position_id) == ("SOLUSDC", "short", "cross", "")
        assert (sol.quantity, sol.entry_price, sol.leverage) == (17.6, 149.566, 6.0)
        assert (sol.liquidation_price, sol.realized_pnl) == (372.988834, 1.931)
        assert (sol.initial_margin, sol.maintenance_margin) == (438.726714, 78.970848)
        assert (sol.mark_price, sol.unrealized_pnl) == (None, None)
        assert sol.contract == Contract("linear", 1.0, "SOL", "USDC", "USDC")
        assert (eth.symbol, eth.side, eth.liquidation_price) == ("ETHUSDC", "short", 21204.717038)
        assert eth.contract.base == "ETH"

    async def test_the_only_position_gets_pnl_and_mark_from_the_account(self) -> None:
        snapshot = await snapshot_of(positions=[row()])
        (position,) = assess(snapshot, RiskSettings()).positions
        mark = 149.566 - 6.662591 / 17.6
        assert position.mark_price == pytest.approx(mark, rel=1e-12)
        assert position.liquidation_distance_ratio == pytest.approx((372.988834 - mark) / mark, rel=1e-12)

    async def test_several_positions_without_marks_have_no_distance(self) -> None:
        for position in assess(await snapshot_of(), RiskSettings(cross_check=True)).positions:
            assert position.liquidation_source == "venue"
            assert (position.mark_price, position.liquidation_distance_ratio) == (None, None)
            assert (position.notional_usd, position.liquidation_cross_check_ratio) == (None, None)

    async def test_long_and_short_of_one_market_are_two_positions_with_their_own_prices(self) -> None:
        pair = [row(), row(direction="LONG", size="3", liquidationPrice="21.5")]
        snapshot = await snapshot_of(positions=pair)
        short, long = snapshot.positions
        assert (short.side, short.liquidation_price) == ("short", 372.988834)
        assert (long.side, long.liquidation_price) == ("long", 21.5)
        assert 'side="long"' in exposition(NAME, "desk", snapshot)

    async def test_two_rows_of_one_market_and_direction_are_a_schema_error(self) -> None:
        with pytest.raises(VenueError, match="two rows of one `marketId` and `direction`") as caught:
            await snapshot_of(positions=[row(), row(direction="short")])
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("none", [None, "", "0", 0, 0.0, -3, "-0.1", 99999999, "99999999"])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidationPrice=none)).liquidation_price is None

    @pytest.mark.parametrize("value", ["2.5", 2.5])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        fields = ("avgExecutionPrice", "size", "marginAmount", "liquidationPrice", "maintenanceMargin")
        position = await position_of(**dict.fromkeys(fields, value), leverage=value, realizedPnl=value)
        assert position.quantity == position.entry_price == position.liquidation_price == 2.5
        assert position.initial_margin == position.maintenance_margin == 2.5
        assert position.leverage == position.realized_pnl == 2.5

    @pytest.mark.parametrize("zero", ["0", 0, "0.000", -0.0])
    async def test_rows_without_size_are_dropped(self, zero: object) -> None:
        dropped = row(size=zero, maintenanceMargin="0", marginAmount=None)
        snapshot = await snapshot_of(positions=[dropped, row()])
        assert len(snapshot.positions) == 1
        assert assess(snapshot, RiskSettings()).pools[0].maintenance_margin == 78.970848

    @pytest.mark.parametrize("unknown", [None, "", "0"])
    async def test_entry_and_leverage_of_nothing_are_unknown(self, unknown: object) -> None:
        position = await position_of(avgExecutionPrice=unknown, leverage=unknown)
        assert (position.entry_price, position.leverage) == (None, None)

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 17.6
        assert (await snapshot_of(somethingNew=[{}])).pools[0].equity == 3634.378226

    @pytest.mark.parametrize(
        ("market", "base"),
        [("BTCUSDC", "BTC"), ("BTC-USDC", "BTC"), ("USDC", "USDC"), ("BTCUSDT", "BTCUSDT")],
    )
    async def test_the_base_is_what_the_market_s_name_leaves(self, market: str, base: str) -> None:
        position = await position_of(marketId=market)
        assert position.symbol == market
        assert position.contract == Contract("linear", 1.0, base, "USDC", "USDC")

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("direction", "BOTH"),
            ("direction", ""),
            ("direction", None),
            ("size", "-1"),
            ("size", None),
            ("marketId", " "),
            ("marketId", None),
        ],
    )
    async def test_a_row_that_contradicts_the_documentation_is_a_schema_error(
        self, field: str, value: object
    ) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(**{field: value})
        assert caught.value.reason == "schema"
        assert field in str(caught.value)


def response(status: int, body: Any = b"", headers: dict[str, str] | None = None) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status=status, headers=headers or {}, body=content, received_at=1000.0)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (200, {}, None),
            (400, b"", "exchange"),
            (400, {"message": "collateralId is unknown"}, "exchange"),
            (400, {"message": ["x-timestamp: timestamp is too old"]}, "clock"),
            (400, {"message": "invalid signature"}, "auth"),
            (401, b"", "auth"),
            (401, {"message": "Unauthorized"}, "auth"),
            (401, {"message": "timestamp expired", "error": "Unauthorized"}, "clock"),
            (401, {"message": "signature or timestamp is wrong"}, "auth"),
            (403, b"<html>a firewall</html>", "permission"),
            (403, {"message": "wrong public key"}, "auth"),
            (404, {"message": "Cannot GET /v1/private/account-info"}, "exchange"),
            (408, b"", "timeout"),
            (301, b"", "exchange"),
            (429, b"", "rate_limited"),
            (451, b"", "permission"),
            (500, {"message": {"deep": 1}}, "exchange"),
            (502, b"\xff", "exchange"),
            (503, b"[" * 100_000, "exchange"),
        ],
    )
    def test_what_statuses_and_words_mean(self, status: int, body: Any, reason: str | None) -> None:
        found = zkx.zkx_error(response(status, body))
        assert (found.reason if found else None) == reason

    def test_too_many_requests_block_for_ten_seconds_or_as_long_as_the_venue_says(self) -> None:
        found = [zkx.zkx_error(response(429, headers=one)) for one in ({}, {"Retry-After": "25"})]
        assert [error.blocked_until if error else None for error in found] == [1010.0, 1025.0]

    def test_the_venue_s_words_come_without_secrets(self) -> None:
        body = {"message": f"trouble with {ACCOUNT_ID} and {PUBLIC_KEY} at 203.0.113.7"}
        found = zkx.zkx_error(response(500, body), [KEY, ACCOUNT_ID])
        assert found is not None
        assert found.message.startswith("HTTP 500: trouble with")
        for secret in (ACCOUNT_ID, PUBLIC_KEY[4:], "203.0.113.7"):
            assert secret not in found.message

    async def test_a_refused_timestamp_is_not_tried_again(self) -> None:
        """The venue's clock cannot be asked, so a second request would fail as the first."""
        asked: list[str] = []

        def account(request: web.Request) -> web.Response:
            asked.append(request.headers["x-timestamp"])
            return web.json_response({"message": "timestamp expired"}, status=401)

        with pytest.raises(VenueError, match=r"zkx GET /v1/private/account-info: .*clock") as caught:
            await snapshot_of(account)
        assert caught.value.reason == "clock"
        assert len(asked) == 1

    async def test_no_error_holds_key_or_account(self) -> None:
        with pytest.raises(VenueError) as caught:
            await snapshot_of(web.Response(status=404))
        assert str(caught.value) == "zkx GET /v1/private/account-info: HTTP 404"

    @pytest.mark.parametrize(
        ("path", "field"),
        [
            *(
                ([], field)
                for field in (
                    "totalMargin",
                    "collateralBalance",
                    "availableMargin",
                    "totalUnrealizedPnl",
                    "positions",
                )
            ),
            *(
                (["positions", 1], field)
                for field in (
                    "marketId",
                    "direction",
                    "size",
                    "avgExecutionPrice",
                    "marginAmount",
                    "liquidationPrice",
                    "maintenanceMargin",
                )
            ),
        ],
    )
    async def test_a_missing_required_field_is_named(self, path: list[Any], field: str) -> None:
        body: Any = document()
        target = body
        for step in path:
            target = target[step]
        del target[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(body)
        assert caught.value.reason == "schema"
        assert str(caught.value).startswith("zkx GET /v1/private/account-info")
        assert f"`{field}`" in str(caught.value)

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError) as caught:
            await position_of(avgExecutionPrice=bad)
        assert caught.value.reason == "schema"
        assert "avgExecutionPrice" in str(caught.value)

    @pytest.mark.parametrize("empty", [None, ""])
    async def test_an_account_without_equity_is_a_schema_error(self, empty: object) -> None:
        with pytest.raises(VenueError, match="totalMargin") as caught:
            await snapshot_of(totalMargin=empty)
        assert caught.value.reason == "schema"


@settings(max_examples=200, deadline=None)
@given(choice=st.integers(0, 10_000), value=DAMAGE)
async def test_a_damaged_answer_raises_nothing_but_a_schema_error(choice: int, value: Any) -> None:
    body, _ = damaged(document(), choice, value)
    try:
        snapshot = await snapshot_of(body)
        exposition(NAME, "desk", snapshot)
    except VenueError as error:
        assert error.reason == "schema"  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize("file", ["account_info.json", "account_info_schema.json"])
def test_every_number_of_the_documented_answers_is_used_or_explained(file: str) -> None:
    stated = {use.field: use for use in Zkx.fields}
    assert {use.endpoint for use in Zkx.fields} == {PATH}
    assert numeric_fields(decoded(payload(NAME, file))) <= stated.keys()
    for use in stated.values():
        assert bool(use.metrics) != bool(use.reason), use.field
