"""ZKX: keys, signatures, and the packages they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fast_stark_crypto
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.config import ConfigError, load
from exporter.demo import _stark as judge
from exporter.demo import running as simulated
from exporter.request import Params, Request
from exporter.venues import _stark, zkx
from exporter.venues.zkx import ACCOUNT_INFO, Zkx
from tests.venues.harness import make_venue
from tests.venues.payloads.zkx.bench import ACCOUNT_ID, BENCH, HEADERS, KEY, POINT, PUBLIC_KEY

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


def asked(params: Params = ()) -> Request:
    return Request(ACCOUNT_INFO, params, ACCOUNT_INFO.path, timestamp_ms=TIMESTAMP)


def expected_key(private_key: int) -> str:
    x, y = judge.affine(judge.times(private_key, judge.GENERATOR))
    return f"0x{'03' if y % 2 else '02'}{x:064x}"


def public_key_of(private_key: int) -> str:
    return _stark.compressed(_stark.public_key(private_key))


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
        venue = make_venue(BENCH.venue, "http://localhost", BENCH.config)
        signed = venue.sign(asked((("collateralId", "USDC"),)))
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
        venue = make_venue(BENCH.venue, "http://localhost", BENCH.config)
        one, two = (dict(venue.sign(asked()).headers) for _ in range(2))
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
        venue = make_venue(BENCH.venue, "http://localhost", {**BENCH.config, "private_key": private_key})
        reason = Zkx.check(venue.config)
        assert reason is not None
        assert "`private_key`" in reason
        assert len(private_key) < 4 or private_key not in reason

    @pytest.mark.parametrize("private_key", [KEY, KEY[2:], "0x" + KEY[2:].upper(), "0x1", hex(_stark.N - 1)])
    def test_a_key_is_hexadecimal_with_or_without_its_mark(self, private_key: str) -> None:
        venue = make_venue(BENCH.venue, "http://localhost", {**BENCH.config, "private_key": private_key})
        assert Zkx.check(venue.config) is None
        headers = venue.sign(asked()).headers
        assert headers["x-public-key"] == public_key_of(int(private_key, 16))

    @pytest.mark.parametrize("account_id", ["", "two words", "line\nbreak", "é"])
    def test_an_account_id_that_is_no_header_is_refused_without_being_quoted(self, account_id: str) -> None:
        with pytest.raises(ValidationError) as caught:
            make_venue(BENCH.venue, "http://localhost", {**BENCH.config, "account_id": account_id})
        assert "account_id" in str(caught.value)
        assert not account_id or account_id not in str(caught.value)

    @pytest.mark.parametrize("collateral_id", ["", "US DC", "USDC&x=1", "a" * 33])
    def test_a_collateral_id_is_a_plain_word(self, collateral_id: str) -> None:
        with pytest.raises(ValidationError, match="collateral_id"):
            make_venue(BENCH.venue, "http://localhost", {**BENCH.config, "collateral_id": collateral_id})

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
        assert Zkx.check(make_venue(BENCH.venue, "http://localhost", BENCH.config).config) is None

    def test_the_configuration_names_package_and_remedy(self, missing: str, tmp_path: Path) -> None:
        lines = (f"private_key: {KEY}", f"account_id: {ACCOUNT_ID}", "base_url: https://zkx.example")
        with pytest.raises(ConfigError, match=r"pip install 'risk-exporter\[zkx\]'") as caught:
            load(TestConfiguration().write(tmp_path, *lines))
        assert missing in str(caught.value)
        assert KEY not in str(caught.value)

    @pytest.mark.usefixtures("missing")
    async def test_the_demo_leaves_the_venue_out(self) -> None:
        async with simulated.running(seed=1, interval=5.0) as config:
            exchanges = {account.exchange for account in config.accounts}
        assert BENCH.venue not in exchanges
        assert "binance_usdm" in exchanges

    def test_a_process_without_the_packages_starts(self) -> None:
        program = (
            "import sys; sys.modules |= {'fast_stark_crypto': None, 'Crypto': None}\n"
            "from exporter import venues, demo\n"
            "demo.discover()['zkx'](demo.Market()).demo_accounts('http://localhost')\n"
            "cls = venues.discover()['zkx']\n"
            "print(cls.check(None))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert "fast-stark-crypto and pycryptodome" in done.stdout
        assert done.stderr == ""
