"""Margin arithmetic of the simulated accounts, against itself over random accounts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.demo._binance_usdm import COLLATERAL
from exporter.demo.book import Book, MarginMode, Position, Side
from exporter.demo.contracts import rounded
from tests.demo.books import BTCUSD, BTCUSDT, CENT, ETHUSDT, excess, still_market

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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=200, deadline=None)
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
