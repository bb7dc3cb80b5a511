"""Margin arithmetic of the simulated accounts, against published numbers and against itself."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.demo.binance_usdm import COLLATERAL, MAJOR_TIERS, MINOR_TIERS
from exporter.demo.book import Book, MarginMode, Position, Side
from exporter.demo.contracts import UNLIMITED, Contract, Tier, progressive_tiers, rounded, tier_of
from exporter.demo.market import Market

BTCUSDT = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", MAJOR_TIERS)
ETHUSDT = Contract("ETHUSDT", "linear", "ETH", "USDT", "USDT", MINOR_TIERS)
COIN_TIERS = progressive_tiers([(5, "0.004", 125), (20, "0.005", 100), (100, "0.02", 20), (500, "0.1", 5)])
BTCUSD = Contract("BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", COIN_TIERS, Decimal(100))
CENT = Decimal("0.00000001")


def one_tier(rate: str, deduction: str = "0") -> tuple[Tier, ...]:
    return (Tier(Decimal(0), UNLIMITED, Decimal(rate), Decimal(deduction), 125),)


def still_market(btc: str = "50000", eth: str = "3000") -> Market:
    market = Market()
    market.freeze()
    market.set_price("USDT", 1)
    market.set_price("BTC", btc)
    market.set_price("ETH", eth)
    return market


def excess(book: Book, position: Position) -> Decimal:
    """Equity over maintenance margin of what liquidates the position; 0 is a rate of 1."""
    if position.margin_mode == "isolated":
        return book.isolated_equity(position) - book.maintenance_margin(position)
    pool = book.pool(book.currency_of(position))
    return pool.margin_equity - pool.cross_maintenance_margin


# --- Published numbers ---------------------------------------------------------------------------------


def test_a_linear_position_has_the_figures_of_the_documented_row() -> None:
    """https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api/Position-Information-V3."""
    market = still_market()
    market.set_price("ADA", "0.41047590", "USDT")
    contract = Contract("ADAUSDT", "linear", "ADA", "USDT", "USDT", one_tier("0.0065"))
    book = Book("account", market)
    book.deposit("USDT", 100)
    position = book.open(contract, "long", 30, price="0.385", leverage=20)
    assert book.notional(position) == Decimal("12.31427700")
    assert book.unrealized_pnl(position) == Decimal("0.76427700")
    assert book.initial_margin(position) == Decimal("0.61571385")
    assert book.maintenance_margin(position) == Decimal("0.08004280")


def test_a_short_has_the_margins_of_a_real_row_cut_not_rounded() -> None:
    """Real ETCUSDT short: https://github.com/ccxt/ccxt/issues/15833."""
    market = still_market()
    market.set_price("LTC", "20.189380359589042", "USDT")
    contract = Contract("ETCUSDT", "linear", "LTC", "USDT", "USDT", one_tier("0.0065"))
    book = Book("account", market, price_digits=15)
    book.deposit("USDT", 100)
    position = book.open(contract, "short", "2.92", price="20.176", leverage=2)
    assert book.notional(position) == Decimal("58.95299065")
    assert book.initial_margin(position) == Decimal("29.47649532")
    assert book.maintenance_margin(position) == Decimal("0.38319443")
    assert book.unrealized_pnl(position) == Decimal("-0.03907065")


def test_an_inverse_isolated_position_has_the_figures_of_a_real_row() -> None:
    """A real BTCUSD_PERP row: https://github.com/ccxt/ccxt, comment in ``binance.parsePositionRisk``."""
    market = still_market(btc="38103.05510455")
    contract = Contract("BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", one_tier("0.004"), Decimal(100))
    book = Book("account", market)
    book.deposit("BTC", 1)
    position = book.open(
        contract,
        "long",
        2,
        price="37643.10000021",
        leverage=2,
        margin_mode="isolated",
        isolated_margin="0.00268058",
    )
    assert book.unrealized_pnl(position) == Decimal("0.00006413")
    assert book.notional(position) == Decimal("0.00524892")
    assert book.isolated_equity(position) == Decimal("0.00274471")
    price = book.liquidation_price(position)
    assert price is not None
    assert rounded(price, 8) == Decimal("25119.97445760")
    assert book.cross_wallet("BTC") == Decimal("0.99731942")


def test_an_inverse_cross_position_has_the_liquidation_price_of_the_venues_calculator() -> None:
    """100,000 contracts of 100 USD at 45,000 with 101 BTC: https://dev.binance.vision/t/6292."""
    contract = Contract(
        "BTCUSD_PERP", "inverse", "BTC", "USD", "BTC", one_tier("0.125", "11.605"), Decimal(100)
    )
    book = Book("account", still_market(btc="45000"))
    book.deposit("BTC", 101)
    price = book.liquidation_price(book.open(contract, "long", 100_000, price=45_000))
    assert price is not None
    assert rounded(price, 4) == Decimal("33599.4186")


def test_a_cross_hedge_and_another_contract_follow_the_venues_formula() -> None:
    """LP = (WB - TMM1 + UPNL1 + cumL + cumS - L EP_L + S EP_S) / (L MMR + S MMR - L + S)."""
    market = still_market(btc="50000", eth="3000")
    book = Book("account", market, hedge_mode=True)
    book.deposit("USDT", 20_000)
    long = book.open(BTCUSDT, "long", 3, price=49_000)
    short = book.open(BTCUSDT, "short", 1, price=51_000)
    book.open(ETHUSDT, "short", 2, price=3_100)
    # Both legs stay in the first bracket (0.4 %), ETH 6000 in the first of its own (0.5 %).
    expected = (Decimal(20_000) - 30 + 200 - 3 * 49_000 + 51_000) / (4 * Decimal("0.004") - 2)
    for leg in (long, short):
        price = book.liquidation_price(leg)
        assert price is not None
        assert rounded(price, 8) == rounded(expected, 8)


@pytest.mark.parametrize(
    ("wallet", "entry", "expected"), [("1000", "50000", "49196.78714859"), ("1e6", "50000", None)]
)
def test_an_isolated_long_is_liquidated_by_its_own_margin_only(
    wallet: str, entry: str, expected: str | None
) -> None:
    book = Book("account", still_market())
    book.deposit("USDT", 2_000_000)
    contract = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", one_tier("0.004"))
    position = book.open(contract, "long", 1, price=entry, margin_mode="isolated", isolated_margin=wallet)
    price = book.liquidation_price(position)
    assert (None if price is None else f"{rounded(price, 8)}") == expected


# --- Tiers ---------------------------------------------------------------------------------------------


def test_deductions_are_the_venues_cum() -> None:
    """A second bracket from 50,000 at 0.5 % after 0.4 % deducts 50; BingX prints 30 for 150,000 x 0.02 %."""
    tiers = progressive_tiers([(50_000, "0.004", 125), (500_000, "0.005", 100), (10**7, "0.01", 50)])
    assert [tier.deduction for tier in tiers] == [0, 50, 2550]
    assert progressive_tiers([(150_000, "0.0038", 1), (900_000, "0.004", 1)])[1].deduction == 30
    assert tiers[1].floor == tiers[0].cap == 50_000


@given(
    steps=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 500)), min_size=1, max_size=8),
    notional=st.decimals(0, 10**7, places=4),
)
def test_tiered_margin_is_the_sum_over_the_slices_of_the_notional(
    steps: list[tuple[int, int]], notional: Decimal
) -> None:
    caps: list[int] = []
    rates: list[Decimal] = []
    cap = 0
    for width, rate in steps:
        cap += width
        caps.append(cap)
        rates.append(Decimal(rate) / 1000)
    tiers = progressive_tiers(zip(caps, map(str, rates), [1] * len(caps), strict=True))
    floors = [0, *caps[:-1]]
    uppers = [*map(Decimal, caps[:-1]), Decimal(10**9)]
    slices = sum(
        max(Decimal(0), min(notional, upper) - floor) * rate
        for floor, upper, rate in zip(floors, uppers, rates, strict=True)
    )
    tier = tier_of(tiers, notional)
    assert notional * tier.rate - tier.deduction == slices


# --- Identities and liquidation over random accounts -----------------------------------------------------

SIDES: st.SearchStrategy[Side] = st.sampled_from(["long", "short"])
MODES: st.SearchStrategy[MarginMode] = st.sampled_from(["cross", "isolated"])


@st.composite
def accounts(draw: st.DrawFn) -> tuple[Book, Position]:
    """An account that is not due for liquidation, and one of its positions."""
    contract, coin, money = draw(st.sampled_from([(BTCUSDT, "USDT", 10**6), (BTCUSD, "BTC", 20)]))
    mark = draw(st.decimals(1_000, 100_000, places=8))
    market = still_market(btc=str(mark))
    book = Book("account", market, hedge_mode=draw(st.booleans()))
    book.deposit(coin, draw(st.decimals(Decimal(money) / 1000, 5 * money, places=8)))
    legs: Sequence[Side] = draw(st.permutations(["long", "short"])) if book.hedge_mode else [draw(SIDES)]
    mode = draw(MODES)
    for side in legs:
        quantity = draw(st.decimals("0.001", 200, places=3))
        book.open(
            contract,
            side,
            quantity if contract.kind == "linear" else int(quantity * 1000) + 1,
            price=rounded(mark * draw(st.decimals("0.8", "1.2", places=4)), 4),
            leverage=draw(st.integers(1, 50)),
            margin_mode=mode,
        )
    if contract is BTCUSDT and draw(st.booleans()):
        book.open(ETHUSDT, draw(SIDES), draw(st.decimals("0.1", 300, places=1)), price=3_050)
    position = draw(st.sampled_from([held for held in book.positions if held.contract is contract]))
    assume(excess(book, position) > CENT * 100)
    return book, position


@settings(max_examples=1000, deadline=None)
@given(account=accounts())
def test_the_mark_at_the_liquidation_price_brings_the_rate_to_one(account: tuple[Book, Position]) -> None:
    book, position = account
    price = book.liquidation_price(position)
    assume(price is not None)
    assert price is not None
    assume(rounded(price, 8) > 0)
    assume(price < 10**9)
    market, units = book.market, sum(held.quantity * held.contract.size for held in book.positions)
    market.set_price("BTC", rounded(price, 8))
    # The price is right to half a unit of its eighth digit, each component to half of its own.
    slope = units if position.contract.kind == "linear" else units / price**2
    assert abs(excess(book, position)) <= CENT * (slope + 10)


@settings(max_examples=1000, deadline=None)
@given(account=accounts())
def test_liquidation_happens_past_the_liquidation_price_and_not_before(
    account: tuple[Book, Position],
) -> None:
    book, position = account
    market, mark = book.market, book.mark(position.contract)
    # Only what shares the position's fate stays.
    for held in [held for held in book.positions if held is not position]:
        if "isolated" in (held.margin_mode, position.margin_mode):
            book.close(held)
    price = book.liquidation_price(position)
    if price is None or price > 10**9:
        return
    step = (price - mark) / 10**6
    assume(abs(step) > Decimal("0.0001"))
    before, past = rounded(price - step, 8), rounded(price + step, 8)
    assume(past > 0)
    market.set_price("BTC", before)
    if abs(excess(book, position)) > CENT * 10:
        assert excess(book, position) > 0
        assert book.settle(1.0) == []
        assert position in book.positions
    market.set_price("BTC", past)
    assume(abs(excess(book, position)) > CENT * 10)
    required = (
        book.maintenance_margin(position)
        if position.margin_mode == "isolated"
        else book.pool(book.currency_of(position)).cross_maintenance_margin
    )
    assume(required > 0)
    (event,) = book.settle(2.0)
    assert event.time == 2.0
    assert event.margin_equity <= event.maintenance_margin
    assert position.contract.symbol in {leg.symbol for leg in event.legs}
    assert {leg.mark for leg in event.legs if leg.symbol == position.contract.symbol} == {past}
    assert position not in book.positions
    assert book.settle(3.0) == []
    assert book.liquidations == [event]


@settings(max_examples=1000, deadline=None)
@given(account=accounts())
def test_no_liquidation_price_means_that_the_adverse_move_never_liquidates(
    account: tuple[Book, Position],
) -> None:
    book, position = account
    if book.liquidation_price(position) is not None:
        return
    mark = book.mark(position.contract)
    nearer = [excess_at(book, position, mark * factor) for factor in map(Decimal, ("0.999", "1.001"))]
    falling = nearer[0] < nearer[1]
    for exponent in (0.5, 1, 2, 4):
        factor = Decimal(10) ** Decimal(-exponent if falling else exponent)
        assert excess_at(book, position, mark * factor) > -CENT * 10


def excess_at(book: Book, position: Position, price: Decimal) -> Decimal:
    book.market.set_price("BTC", max(CENT, rounded(price, 8)))
    return excess(book, position)


@settings(max_examples=1000, deadline=None)
@given(account=accounts())
def test_equity_is_wallet_plus_pnl_and_available_is_what_margins_leave(
    account: tuple[Book, Position],
) -> None:
    book, position = account
    pool = book.pool(position.contract.settle)
    settled = [held for held in book.positions if held.contract.settle == pool.currency]
    isolated = [held for held in settled if held.margin_mode == "isolated"]
    assert pool.unrealized_pnl == sum(book.unrealized_pnl(held) for held in settled)
    assert pool.equity == pool.wallet + pool.unrealized_pnl
    assert pool.wallet == pool.cross_wallet + sum(held.isolated_wallet for held in isolated)
    assert pool.equity == pool.margin_equity + sum(book.isolated_equity(held) for held in isolated)
    assert pool.available == max(0, pool.margin_equity - pool.cross_initial_margin)
    for value in (pool.equity, pool.maintenance_margin, pool.initial_margin):
        assert value.as_tuple().exponent == -8


# --- Single rules --------------------------------------------------------------------------------------


def test_an_isolated_position_is_liquidated_without_the_cross_pool() -> None:
    market = still_market()
    book = Book("account", market, hedge_mode=True)
    book.deposit("USDT", 10_000)
    cross = book.open(BTCUSDT, "long", "0.1", leverage=10)
    isolated = book.open(BTCUSDT, "short", "0.1", leverage=10, margin_mode="isolated")
    assert isolated.isolated_wallet == 500
    market.set_price("BTC", 60_000)
    (event,) = book.settle(5.0)
    assert [leg.side for leg in event.legs] == ["short"]
    assert event.legs[0].pnl == -1000
    assert book.positions == [cross]
    # The loss beyond its collateral is the insurance fund's, not the cross wallet's.
    assert book.cross_wallet("USDT") == 9_500


def test_a_cross_liquidation_leaves_isolated_positions_and_other_coins_alone() -> None:
    market = still_market()
    market.set_price("USDC", 1)
    in_usdc = Contract("ETHUSDC", "linear", "ETH", "USDC", "USDC", MAJOR_TIERS)
    book = Book("account", market)
    book.deposit("USDT", 3_000)
    book.deposit("USDC", 3_000)
    book.open(BTCUSDT, "long", "0.5")
    isolated = book.open(ETHUSDT, "long", "0.1", leverage=5, margin_mode="isolated")
    other = book.open(in_usdc, "long", "0.1")
    market.set_price("BTC", 40_000)
    (event,) = book.settle(1.0)
    assert event.currency == "USDT"
    assert event.margin_equity == 3_000 - 60 - 5_000
    assert book.positions == [isolated, other]
    assert book.cross_wallet("USDT") == 0
    assert book.cross_wallet("USDC") == 3_000


@pytest.mark.parametrize("mode", ["cross", "isolated"])
def test_liquidation_comes_at_exactly_the_maintenance_margin(mode: MarginMode) -> None:
    market = still_market()
    contract = Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", one_tier("0.01"))
    book = Book("account", market)
    book.deposit("USDT", 500)
    book.open(contract, "long", 1, price=50_000, margin_mode=mode, isolated_margin=500)
    market.set_price("BTC", "50000.00000002")
    assert book.settle(1.0) == []
    market.set_price("BTC", 50_000)
    if mode == "cross":
        assert book.pool("USDT").rate == 1
    (event,) = book.settle(2.0)
    assert event.margin_equity == event.maintenance_margin == 500


def test_a_multi_asset_pool_counts_collateral_after_its_haircut_and_debt_above_its_price() -> None:
    market = still_market(btc="50000")
    book = Book("account", market, multi_asset=True, collateral=COLLATERAL)
    book.deposit("BTC", 1)
    book.deposit("USDT", 1_000)
    book.deposit("DOGE", 1_000)
    assert book.pool("USD").wallet == Decimal(47500) + Decimal("999.9")
    book.open(BTCUSDT, "long", "0.1", price=70_000)
    pool = book.pool("USD")
    assert pool.unrealized_pnl == Decimal("-2000.2")
    assert pool.equity == Decimal(47500) + Decimal("1000.1") - Decimal("2000.2")
    assert book.pool_currencies() == ["USD"]
    with pytest.raises(ValueError, match="one pool, in USD"):
        book.pool("USDT")
    with pytest.raises(ValueError, match="no isolated positions"):
        book.open(ETHUSDT, "long", 1, margin_mode="isolated")


@settings(max_examples=1000, deadline=None)
@given(quantity=st.decimals(1, 200, places=1), side=SIDES, bitcoin=st.decimals(1, 10, places=3))
def test_a_multi_asset_liquidation_price_brings_the_pool_to_one_with_collateral_still(
    quantity: Decimal, side: Side, bitcoin: Decimal
) -> None:
    market = still_market()
    book = Book("account", market, multi_asset=True, collateral=COLLATERAL)
    book.deposit("BTC", bitcoin)
    # In debt from the start: the formula does not know that a haircut changes sides on the way.
    book.deposit("USDT", -1_000)
    position = book.open(ETHUSDT, side, quantity)
    price = book.liquidation_price(position)
    if price is None:
        assert side == "long"
        assert excess_of_all(book, "ETH", "0.00001") > 0
        return
    market.set_price("ETH", rounded(price, 8))
    pool = book.pool("USD")
    assert abs(pool.margin_equity - pool.cross_maintenance_margin) <= CENT * (quantity * 2 + 10)


def excess_of_all(book: Book, coin: str, price: str) -> Decimal:
    book.market.set_price(coin, price)
    pool = book.pool("USD")
    return pool.margin_equity - pool.cross_maintenance_margin


def test_a_multi_asset_account_loses_everything_at_most() -> None:
    market = still_market()
    book = Book("account", market, multi_asset=True, collateral=COLLATERAL)
    book.deposit("BTC", "0.1")
    book.open(ETHUSDT, "long", 30, price=3_000, leverage=20)
    market.set_price("ETH", 1_500)
    (event,) = book.settle(1.0)
    assert event.currency == "USD"
    assert book.pool("USD").equity == 0
    assert book.positions == []


def test_one_way_mode_has_one_position_a_symbol_and_hedge_mode_one_a_side() -> None:
    one_way = Book("account", still_market())
    one_way.open(BTCUSDT, "long", 1)
    with pytest.raises(ValueError, match="already a position in BTCUSDT"):
        one_way.open(BTCUSDT, "short", 1)
    hedge = Book("account", still_market(), hedge_mode=True)
    hedge.open(BTCUSDT, "long", 1)
    hedge.open(BTCUSDT, "short", 1)
    with pytest.raises(ValueError, match="already a position in BTCUSDT"):
        hedge.open(BTCUSDT, "short", 1)
    with pytest.raises(ValueError, match="must be positive"):
        hedge.open(ETHUSDT, "long", 0)


def test_closing_books_the_pnl_and_returns_isolated_collateral() -> None:
    market = still_market()
    book = Book("account", market)
    book.deposit("USDT", 1_000)
    position = book.open(BTCUSDT, "long", "0.1", leverage=10, margin_mode="isolated")
    market.set_price("BTC", 51_000)
    assert book.close(position) == 100
    assert book.cross_wallet("USDT") == 1_100
    assert book.positions == []


def test_margins_at_entry_do_not_move_with_the_mark() -> None:
    market = still_market()
    book = Book("account", market, initial_margin_basis="entry", maintenance_margin_basis="entry", digits=10)
    book.deposit("USDT", 6_000)
    position = book.open(BTCUSDT, "long", 1, price=50_000, leverage=10)
    market.set_price("BTC", 48_000)
    assert book.initial_margin(position) == 5_000
    assert book.maintenance_margin(position) == 200
    assert book.liquidation_price(position) == 44_200
    assert book.unrealized_pnl(position).as_tuple().exponent == -10


def test_a_schedule_without_deductions_can_liquidate_at_the_edge_of_a_tier() -> None:
    """A short of 1 BTC jumps from 1 % to 10 % at 60,000, which its wallet cannot bear."""
    tiers = (
        Tier(Decimal(0), Decimal(60_000), Decimal("0.01"), Decimal(0), 20),
        Tier(Decimal(60_000), UNLIMITED, Decimal("0.1"), Decimal(0), 5),
    )
    book = Book("account", still_market())
    book.deposit("USDT", 12_000)
    position = book.open(Contract("BTCUSDT", "linear", "BTC", "USDT", "USDT", tiers), "short", 1)
    assert book.liquidation_price(position) == 60_000


def test_a_delivery_contract_has_its_own_mark() -> None:
    contract = Contract(
        "BTCUSD_261225", "inverse", "BTC", "USD", "BTC", COIN_TIERS, Decimal(100), Decimal("0.01")
    )
    book = Book("account", still_market())
    assert book.mark(contract) == 50_500
