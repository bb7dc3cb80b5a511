"""The simulated market: deterministic, bounded, and where tests want it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.demo.market import DEFAULT_COINS, Coin, Market


def prices(market: Market) -> list[Decimal]:
    return [market.exact_mark(coin, "USDT", 8) for coin in market.coins]


def test_same_seed_and_time_give_the_same_prices() -> None:
    one, other = Market(seed=7), Market(seed=7)
    one.advance(90)
    for _ in range(9):
        other.advance(10)
    assert prices(one) == prices(other)
    assert one.steps == 90


def test_another_seed_gives_other_prices() -> None:
    one, other = Market(seed=7), Market(seed=8)
    one.advance(30)
    other.advance(30)
    assert one.mark("BTC") != other.mark("BTC")


def test_a_new_coin_does_not_change_the_prices_of_the_others() -> None:
    one, other = Market(), Market(coins=[*DEFAULT_COINS, Coin("NEW", 5.0, 0.1, 4)])
    one.advance(60)
    other.advance(60)
    assert one.mark("BTC", "USDT") == other.mark("BTC", "USDT")


def test_the_clock_moves_prices_in_whole_steps_from_the_first_reading_on() -> None:
    market, manual = Market(), Market()
    market.advance_to(1_700_000_000.0)
    assert market.steps == 0
    market.advance_to(1_700_000_000.7)
    assert market.steps == 0
    market.advance_to(1_700_000_014.2)
    market.advance_to(1_700_000_015.1)
    manual.advance(15)
    assert prices(market) == prices(manual)


def test_a_clock_going_back_leaves_prices_alone() -> None:
    market = Market()
    market.advance_to(100.0)
    market.advance_to(110.0)
    before = prices(market)
    market.advance_to(50.0)
    assert prices(market) == before
    market.advance_to(111.0)
    assert market.steps == 11


def test_a_long_pause_is_not_replayed_second_by_second() -> None:
    market = Market()
    market.advance_to(0.0)
    market.advance_to(30 * 86400.0)
    assert market.steps == 7200
    market.advance_to(30 * 86400.0 + 1)
    assert market.steps == 7201


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), rounds=st.integers(1, 40))
def test_prices_stay_within_their_bands_and_stablecoins_near_one(seed: int, rounds: int) -> None:
    market = Market(seed=seed)
    for _ in range(rounds):
        market.advance(20)
        for coin in DEFAULT_COINS:
            # The lower wall is the mirror image of the upper one in log prices.
            assert coin.price / (1 + coin.band) <= market.index(coin.name, digits=12) * (1 + 1e-9)
            assert market.index(coin.name, digits=12) <= coin.price * (1 + coin.band) * (1 + 1e-9)
        assert abs(market.mark("USDT") - 1) < 0.002
        assert market.mark("USD") == 1


def test_mark_and_index_differ_a_little() -> None:
    market = Market()
    market.advance(60)
    mark, index = market.mark("BTC", "USDT"), market.index("BTC", "USDT")
    assert mark != index
    assert mark == pytest.approx(index, rel=0.002)


def test_prices_are_rounded_to_the_coins_digits_or_those_asked_for() -> None:
    market = Market()
    market.advance(60)
    assert market.exact_mark("BTC", "USDT").as_tuple().exponent == -2
    assert market.exact_mark("BTC", "USDT", 8).as_tuple().exponent == -8
    assert market.mark("BTC", "USDT", 0).is_integer()


@given(price=st.decimals("0.00001", "200000", places=5))
def test_a_set_price_is_exact_in_its_quote_and_stays(price: Decimal) -> None:
    market = Market()
    market.advance(10)
    market.set_price("BTC", price, "USDT")
    assert market.exact_mark("BTC", "USDT", 8) == price
    assert market.exact_index("BTC", "USDT", 8) == price
    market.set_price("ETH", price)
    market.advance(10)
    assert market.exact_mark("ETH", "USD", 8) == price


def test_a_released_coin_walks_as_if_it_had_never_been_pinned() -> None:
    market, other = Market(), Market()
    market.set_price("BTC", 1)
    market.advance(30)
    other.advance(30)
    market.release("BTC")
    assert prices(market) == prices(other)


def test_a_moved_coin_walks_on_at_another_price() -> None:
    market, other = Market(), Market()
    market.move("BTC", 0.75)
    market.advance(30)
    other.advance(30)
    assert market.mark("BTC", digits=6) == pytest.approx(0.75 * other.mark("BTC", digits=6), rel=1e-9)
    assert market.index("BTC", digits=6) == pytest.approx(0.75 * other.index("BTC", digits=6), rel=1e-9)
    assert market.mark("ETH") == other.mark("ETH")
    market.move("BTC", 1)
    assert prices(market) == prices(other)


def test_a_frozen_market_stands_still_until_unfrozen() -> None:
    market = Market()
    market.advance(5)
    market.freeze()
    before = prices(market)
    market.advance(500)
    assert prices(market) == before
    market.unfreeze()
    market.advance(1)
    assert prices(market) != before


def test_a_coin_in_itself_costs_one_and_an_unknown_coin_does_not_exist() -> None:
    market = Market()
    assert market.mark("BTC", "BTC") == 1
    with pytest.raises(KeyError):
        market.mark("NOPE")
