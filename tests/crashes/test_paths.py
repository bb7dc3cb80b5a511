"""The prices that are played are those that are known, and what lies between them is noise within bounds."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path

import pytest

from tests.crashes import paths
from tests.crashes.paths import CALM, TICK, Crash

SOURCES, CRASHES = paths.read()
BY_NAME = {crash.name: crash for crash in CRASHES}


def place(seconds: float) -> int:
    return int(CALM.total_seconds() + seconds) // TICK


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.name)
def test_every_point_is_hit_exactly_and_no_price_is_beyond_the_known_extremes(crash: Crash) -> None:
    path = paths.prices(crash, 1)
    known = [point.price for point in crash.points]
    for point in crash.points:
        at = place((point.at - crash.start).total_seconds())
        assert path["BTC"][at] == pytest.approx(point.price, rel=1e-12)
    during = path["BTC"][place(0) :]
    assert min(known) == pytest.approx(min(during), rel=1e-12)
    assert max(known) == pytest.approx(max(during), rel=1e-12)
    assert len(during) == crash.seconds // TICK + 1
    for name, coin in crash.coins.items():
        assert min(path[name]) == pytest.approx(100.0 * coin.low, rel=1e-9)


@pytest.mark.parametrize("crash", CRASHES, ids=lambda crash: crash.name)
def test_the_calm_before_is_calm_and_begins_where_the_crash_does(crash: Crash) -> None:
    path = paths.prices(crash, 1)["BTC"]
    calm = path[: place(0)]
    assert calm[0] == pytest.approx(crash.points[0].price)
    assert max(calm) / min(calm) < 1.03


def test_the_same_noise_comes_again_and_another_one_is_another() -> None:
    crash = BY_NAME["2020-03-12"]
    assert paths.prices(crash, 1) == paths.prices(crash, 1)
    assert paths.prices(crash, 1) != paths.prices(crash, 2)


def test_the_worst_minute_takes_its_part_of_the_fall_and_ends_at_the_same_low() -> None:
    even, harsh = BY_NAME["2025-10-10"], BY_NAME["2025-10-10, worst minute"]
    begin, end = (point for point in harsh.points if point.note == "the worst minute")
    assert end.at - begin.at == timedelta(minutes=1)
    assert math.log(end.price / begin.price) == pytest.approx(0.46 * math.log(101_500 / 116_000))
    assert min(point.price for point in harsh.points) == min(point.price for point in even.points) == 101_500


def test_a_coin_that_loses_its_peg_holds_it_at_first_and_ends_where_it_is_known_to_have_been() -> None:
    path = paths.prices(BY_NAME["2025-10-10"], 1)["USDE"]
    assert path[0] == 1.0
    assert min(path) == pytest.approx(0.65)


def test_every_figure_has_a_mark_and_every_numbered_one_a_source() -> None:
    for crash in CRASHES:
        for mark in (*(one.mark for one in crash.points), *(one.mark for one in crash.coins.values())):
            numbers = [part for part in mark.replace(",", " ").split() if part.isdigit()]
            assert {int(number) for number in numbers} <= SOURCES.keys(), mark
            assert numbers or mark in {"memory", "assumed"}, mark


def test_candles_take_the_place_of_points(tmp_path: Path) -> None:
    file = tmp_path / "2025-10-10.csv"
    file.write_text("time,btc,eth,alt\n2025-10-10 20:00,100,10,1\n2025-10-10 20:01,81,9,0.5\n")
    crash = paths.with_candles(BY_NAME["2025-10-10"], file)
    path = paths.prices(crash, 1)
    begin = place(0)
    assert (path["BTC"][begin], path["ETH"][begin], path["ALT"][begin]) == (100, 10, 1)
    assert (path["BTC"][-1], path["ETH"][-1], path["ALT"][-1]) == (81, 9, 0.5)
    assert path["BTC"][begin + 6] == pytest.approx(90.0)
    file.write_text("time,btc,eth,alt\n2025-10-10 20:00,100,10,1\n2025-10-10 20:02,81,9,0.5\n")
    with pytest.raises(ValueError, match="one row a minute"):
        paths.with_candles(BY_NAME["2025-10-10"], file)
