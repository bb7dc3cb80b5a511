"""What the stand-in of zkx prints adds up, and the adapter reads it."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import fast_stark_crypto
import pytest
from Crypto.Hash import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo import Market, _stark
from exporter.demo.faults import Status
from exporter.demo.market import DEFAULT_COINS
from exporter.demo.zkx import Credential, ZkxSimulator, account_id
from exporter.errors import VenueError
from tests.demo.zkx_client import (
    CENT,
    NOW,
    Clock,
    printed,
    risk_of,
    simulated,
)


@given(data=st.binary(max_size=600))
@settings(max_examples=100, deadline=None)
def test_keccak_is_that_of_the_library(data: bytes) -> None:
    assert _stark.keccak_256(data) == keccak.new(digest_bits=256, data=data).digest()


@pytest.mark.parametrize("size", [0, 1, 135, 136, 137, 271, 272, 273])
def test_keccak_at_the_ends_of_a_block(size: int) -> None:
    assert _stark.keccak_256(b"x" * size) == keccak.new(digest_bits=256, data=b"x" * size).digest()


def test_hash_and_key_of_a_vector_made_with_other_libraries() -> None:
    """By starknet-py and @scure/starknet, whose signatures differ because their nonces do."""
    private_key = 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF1234567890ABCDE
    credential = Credential("vector", 0x1AB, private_key)
    assert credential.public_key == "0x0302a8249e10df5670294c078c3a04f32ed60087e5ee8a3457fa29ed0c0e366bfc"
    hashed = _stark.message_hash("collateralId=USDC&timestamp=1718000000000")
    assert hashed == 0x65723606F238D37E68099709491F9DA68A2FAE75818E39921E98C1D80C7D57
    starknet_py = (
        0x4616FB066FE3A79EBBB2CBF74AE4B09BB2BB7E945F1AC15387D8E1BFB0E19E6,
        0x36F8D11F9D1CE66E0B7C54DB29213EF68FC980E9BB64D5824D4B08A87C63BED,
    )
    scure = (
        0x4641374A803BCB04DBC0DE2E795DE0AF7F5660F9C30C1AE82319690AA2D075E,
        0x1F0C5E568CA86C615DC93E9350EE7B509AF3007070E92AB149A951B64DB2F20,
    )
    for r, s in (starknet_py, scure):
        assert _stark.verified(credential.point, hashed, r, s)
        assert not _stark.verified(credential.point, hashed ^ 1, r, s)
        assert not _stark.verified(credential.point, hashed, s, r)
        assert not _stark.verified(credential.point, hashed, r + _stark.ORDER, s)
        assert not _stark.verified(credential.point, hashed, r, s + _stark.ORDER)
        assert not _stark.verified(credential.point, hashed, 0, s)
        assert not _stark.verified(credential.point, hashed, r, 0)
        assert not _stark.verified((credential.point[0], 1), hashed, r, s)


@given(private_key=st.integers(1, _stark.ORDER - 1), hashed=st.integers(0, 2**250 - 1))
@settings(max_examples=25, deadline=None)
def test_what_the_library_signs_is_verified_and_nothing_else(private_key: int, hashed: int) -> None:
    credential = Credential("any", 0, private_key)
    assert credential.point[0] == fast_stark_crypto.get_public_key(private_key)
    r, s = fast_stark_crypto.sign(private_key, hashed)
    assert _stark.verified(credential.point, hashed, r, s)
    assert not _stark.verified(credential.point, hashed, r, s ^ 1)


def test_the_group_law_meets_infinity_and_itself() -> None:
    generator = _stark.GENERATOR
    assert _stark.affine(_stark.times(1, generator)) == generator[:2]
    two = _stark.affine(_stark.times(2, generator))
    assert two == _stark.affine(_stark._sum(generator, generator))
    assert _stark.on_curve(*two)
    assert _stark.times(_stark.ORDER, generator)[2] == 0
    last = _stark.affine(_stark.times(_stark.ORDER - 1, generator))
    assert last == (generator[0], _stark.FIELD - generator[1])


def test_an_account_id_is_the_blake2b_of_address_and_index() -> None:
    """The digest of the documented construction for address 0x1ab."""
    expected = "0x9a54f206f020d3b98b9b71e219d96b9c66fdc32645fb09c9c1e89e0b444fe87b"
    assert account_id(0x1AB, 0) == expected
    assert account_id(0x1AB, 1) != expected


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_add_up(seed: int, seconds: int) -> None:
    simulator = simulated(seed, seconds)
    for name, book in simulator.accounts.items():
        account = printed(simulator, name)
        rows = account["positions"]
        assert account["totalMargin"] == account["collateralBalance"] + account["totalUnrealizedPnl"]
        margins = sum(row["marginAmount"] for row in rows)
        assert account["availableMargin"] == account["totalMargin"] - margins
        invested = sum(row["size"] * row["avgExecutionPrice"] for row in rows)
        assert abs(account["totalInvested"] - invested) <= CENT * len(rows)
        pnl = Decimal(0)
        for row, held in zip(rows, book.positions, strict=True):
            entry = row["size"] * row["avgExecutionPrice"]
            assert abs(row["marginAmount"] + row["borrowedAmount"] - entry) <= CENT
            assert abs(row["marginAmount"] - entry / row["leverage"]) <= CENT
            # At the entry price, whatever the mark is.
            assert abs(row["maintenanceMargin"] - Decimal("0.03") * entry) <= CENT
            assert row["direction"] == held.side.upper()
            sign = 1 if row["direction"] == "LONG" else -1
            pnl += sign * row["size"] * (book.mark(held.contract) - row["avgExecutionPrice"])
        assert abs(account["totalUnrealizedPnl"] - pnl) <= CENT * len(rows)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_the_mark_at_a_printed_liquidation_price_liquidates_and_a_tick_before_does_not(
    seed: int, seconds: int
) -> None:
    """Where the total margin is not above 3 % of all positions at the mark, not at the entry."""
    count = sum(len(book.positions) for book in simulated(seed, seconds).accounts.values())
    simulator = simulated(seed, seconds)
    market = simulator.market
    tested = 0
    for name, book in simulator.accounts.items():
        for row, held in zip(printed(simulator, name)["positions"], list(book.positions), strict=True):
            price, contract = row["liquidationPrice"], held.contract
            assert price > 0
            tick = CENT * 1000
            net = sum(leg.sign * leg.quantity for leg in book.positions if leg.contract is contract)
            away = tick if net > 0 else -tick
            market.set_price(contract.base, price + away, "USDC")
            excess = book.coin_pool("USDC").equity - sum(
                Decimal("0.03") * leg.quantity * book.mark(leg.contract) for leg in book.positions
            )
            assert 0 < excess < 1
            market.set_price(contract.base, price - away, "USDC")
            pool = book.coin_pool("USDC")
            assert pool.margin_equity <= pool.cross_maintenance_margin
            market.release(contract.base)
            tested += 1
    assert tested == count > 0


def test_the_venue_liquidates_past_its_price_and_says_so_no_more() -> None:
    simulator = simulated(3, 60)
    book = simulator.accounts["zkx-single"]
    (row,) = printed(simulator, "zkx-single")["positions"]
    simulator.market.set_price("ETH", row["liquidationPrice"] - 1, "USDC")
    assert book.settle(NOW) == []
    simulator.market.set_price("ETH", row["liquidationPrice"] + 1, "USDC")
    (event,) = book.settle(NOW)
    assert [leg.symbol for leg in event.legs] == ["ETHUSDC"]
    account = printed(simulator, "zkx-single")
    assert account["positions"] == []
    assert account["totalUnrealizedPnl"] == account["totalInvested"] == 0


@pytest.mark.parametrize("corner", list(product((False, True), repeat=3)))
def test_the_demo_accounts_are_not_liquidated_anywhere_the_market_can_go(
    corner: tuple[bool, bool, bool],
) -> None:
    market = Market()
    simulator = ZkxSimulator(market, clock=Clock())
    high = dict(zip(("BTC", "ETH", "SOL"), corner, strict=True))
    for coin in DEFAULT_COINS:
        if coin.name in high:
            factor = (1 + coin.band + 0.003) ** (1 if high[coin.name] else -1)
            market.set_price(coin.name, coin.price * factor)
    simulator.tick()
    assert all(book.positions for book in simulator.accounts.values())
    assert all(book.liquidations == [] for book in simulator.accounts.values())


def test_demo_accounts_are_configuration_entries_with_fake_keys_that_do_not_change() -> None:
    simulator = ZkxSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert entries == ZkxSimulator(Market()).demo_accounts("http://127.0.0.1:1")
    for entry in entries:
        assert set(entry) == {"name", "exchange", "base_url", "private_key", "account_id"}
        assert entry["exchange"] == "zkx"
        assert str(int(str(entry["private_key"]), 16)) not in repr(simulator.credentials)
    assert len({entry["private_key"] for entry in entries}) == len(entries)


@pytest.mark.parametrize("seed", range(1, 5))
async def test_adapter_and_stand_in_agree_about_every_account(seed: int) -> None:
    simulator = simulated(seed, seed * 97)
    for name, book in simulator.accounts.items():
        risk = await risk_of(simulator, name)
        (pool,) = risk.pools
        expected = book.coin_pool("USDC")
        assert pool.pool.equity == pool.pool.margin_equity == float(expected.equity)
        assert pool.pool.wallet_balance == float(expected.wallet)
        assert pool.pool.unrealized_pnl == float(expected.unrealized_pnl)
        assert pool.pool.initial_margin == pytest.approx(float(expected.initial_margin), rel=1e-12)
        at_entry = sum(float(book.entry_notional(held)) * 0.03 for held in book.positions)
        assert pool.maintenance_margin == pytest.approx(at_entry, rel=1e-6)
        assert pool.maintenance_margin_rate == pytest.approx(at_entry / float(expected.equity), rel=1e-6)
        for position, held in zip(risk.positions, book.positions, strict=True):
            price = book.liquidation_price(held)
            assert price is not None
            assert (position.position.symbol, position.position.side) == (held.contract.symbol, held.side)
            assert position.liquidation_price == pytest.approx(float(price), rel=1e-6)
            assert position.liquidation_source == "venue"


@pytest.mark.parametrize("seed", range(1, 5))
async def test_the_distance_of_an_only_position_is_found_without_a_mark_from_the_venue(seed: int) -> None:
    simulator = simulated(seed, seed * 97)
    (held,) = simulator.accounts["zkx-single"].positions
    (position,) = (await risk_of(simulator, "zkx-single")).positions
    mark = float(simulator.accounts["zkx-single"].mark(held.contract))
    assert position.mark_price == pytest.approx(mark, rel=1e-8)
    assert position.liquidation_price is not None
    assert position.liquidation_distance_ratio == pytest.approx(
        position.liquidation_price / mark - 1, abs=1e-7
    )
    assert position.position.quantity == float(held.quantity)


async def test_a_wrong_key_is_an_auth_error_that_names_neither_key_nor_account() -> None:
    simulator = simulated(1, 0)
    credential = next(iter(simulator.credentials.values()))
    other = Credential.fake("zkx", "somebody else")
    for changed in ({"private_key": hex(other.private_key)}, {"account_id": other.account_id}):
        with pytest.raises(VenueError) as caught:
            await risk_of(simulator, credential.account, **changed)
        assert caught.value.reason == "auth"
        for secret in (credential.account_id, other.account_id, other.public_key, credential.public_key):
            assert secret not in str(caught.value)


async def test_a_clock_that_is_wrong_is_told_as_such() -> None:
    """The venue cannot be asked for its time, so nothing follows it."""
    simulator = simulated(1, 0)
    simulator.faults.clock_skew = -90.0
    with pytest.raises(VenueError, match="timestamp") as caught:
        await risk_of(simulator, "zkx-single")
    assert caught.value.reason == "clock"


async def test_a_used_up_limit_stops_requests_for_as_long_as_the_venue_blocks() -> None:
    simulator = simulated(1, 0)
    simulator.faults.set(Status(429, '{"message":"Too Many Requests"}'), requests=1)
    with pytest.raises(VenueError) as caught:
        await risk_of(simulator, "zkx-single")
    assert caught.value.reason == "rate_limited"
    assert caught.value.blocked_until == NOW + 10.0
