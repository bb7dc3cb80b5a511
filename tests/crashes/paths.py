"""The prices of a crash, every few seconds, from its key points or from candles.

Between two points prices move in logarithms, with noise as strong as the leg: a quarter of the speed that
the leg as a whole would need, and never less than a calm day's. The noise is a bridge, so that every point
is hit exactly, and it never leaves the range of the points, so that the extremes are those that are known.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

FILE: Final = Path(__file__).with_name("crashes.yml")
TICK: Final = 5
"""Seconds between two prices."""
CALM: Final = timedelta(hours=1)
"""What is played before the first point, at its price: an account at rest, and history for rules."""
CALM_DAY: Final = 0.035
"""Standard deviation of a calm day of a large coin."""
NOISE: Final = 0.25
BITCOIN: Final = "BTC"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A price of bitcoin that somebody has seen."""

    at: datetime
    price: float
    mark: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Coin:
    """How another coin fared."""

    low: float
    """Its lowest price as a share of the one at the first point."""
    mark: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Crash:
    """What is known of one crash."""

    name: str
    points: tuple[Point, ...]
    coins: Mapping[str, Coin]
    silent: tuple[datetime, datetime]
    """When the venue gives no answer, in the variant that plays it."""
    deleveraged: datetime
    """When it closes the winning leg of a hedge, in the variant that plays it."""
    depegged: tuple[str, Coin] | None = None
    candles: Mapping[str, Sequence[float]] | None = None
    """Prices of each coin once a minute from the first point on, where somebody has them."""

    @property
    def start(self) -> datetime:
        return self.points[0].at

    @property
    def seconds(self) -> int:
        """From the first point to the last one."""
        return int((self.points[-1].at - self.start).total_seconds())


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)


def read(file: Path = FILE) -> tuple[dict[int, str], tuple[Crash, ...]]:
    """The sources by number, and all crashes; one that has a worst minute stands twice."""
    content = yaml.safe_load(file.read_text())
    found: list[Crash] = []
    for entry in content["crashes"]:
        depegged = dict(entry.get("depegged", {}))
        coin = depegged.pop("coin", None)
        crash = Crash(
            name=entry["day"],
            points=tuple(Point(**{**one, "at": _time(one["at"])}) for one in entry["points"]),
            coins={name: Coin(**one) for name, one in entry["coins"].items()},
            silent=(_time(entry["silent"]["from"]), _time(entry["silent"]["to"])),
            deleveraged=_time(entry["deleveraged"]["at"]),
            depegged=(coin, Coin(**depegged)) if coin else None,
        )
        found.append(crash)
        if "worst_minute" in entry:
            found.append(_with_worst_minute(crash, **entry["worst_minute"]))
    return content["sources"], tuple(found)


def _with_worst_minute(crash: Crash, *, at: Any, share: float, mark: str) -> Crash:
    """The same crash with a share of one leg's move within a minute, the rest evenly before and after."""
    begin = _time(at)
    place = next(i for i, (a, b) in enumerate(pairwise(crash.points)) if a.at <= begin < b.at)
    first, last = crash.points[place : place + 2]
    end = begin + timedelta(minutes=1)
    before, after = begin - first.at, last.at - end
    move = math.log(last.price / first.price)
    calmly = move * (1.0 - share) * (before / (before + after))
    above = first.price * math.exp(calmly)
    note = "the worst minute"
    inner = (
        Point(at=begin, price=above, mark=mark, note=note),
        Point(at=end, price=above * math.exp(move * share), mark=mark, note=note),
    )
    points = (*crash.points[: place + 1], *inner, *crash.points[place + 1 :])
    return replace(crash, name=f"{crash.name}, worst minute", points=points)


def with_candles(crash: Crash, file: Path) -> Crash:
    """The same crash with the closing prices of real candles: ``time,btc,eth,alt``, one a minute."""
    rows = list(csv.DictReader(file.read_text().splitlines()))
    times = [_time(row["time"]) for row in rows]
    if any(b - a != timedelta(minutes=1) for a, b in pairwise(times)):
        raise ValueError(f"{file}: expected one row a minute, without gaps")
    points = tuple(
        Point(at=at, price=float(row["btc"]), mark="candles") for at, row in zip(times, rows, strict=True)
    )
    candles = {coin.upper(): [float(row[coin]) for row in rows] for coin in ("btc", "eth", "alt")}
    return replace(crash, points=points, candles=candles)


def prices(crash: Crash, seed: int) -> dict[str, list[float]]:
    """The price of each coin at every tick, from `CALM` before the first point to the last one.

    Bitcoin's are dollars; other coins begin at 100, and the coin that lost its peg at 1.
    """
    first = crash.points[0]
    if crash.candles is not None:
        relative = {coin: _between_minutes(row) for coin, row in crash.candles.items()}
        calm = _leg(f"{seed} calm", 0.0, 0.0, CALM)
        found = {
            coin: [row[0] * math.exp(one) for one in calm] + row[: crash.seconds // TICK + 1]
            for coin, row in relative.items()
        }
        bitcoin = found[BITCOIN]
    else:
        low, high = (math.log(pick(one.price for one in crash.points) / first.price) for pick in (min, max))
        moves: list[float] = _leg(f"{seed} calm", 0.0, 0.0, CALM)
        for a, b in pairwise(crash.points):
            ends = math.log(a.price / first.price), math.log(b.price / first.price)
            moves += [min(max(one, low), high) for one in _leg(f"{seed} {a.at}", *ends, b.at - a.at)]
        moves.append(math.log(crash.points[-1].price / first.price))
        bitcoin = [first.price * math.exp(move) for move in moves]
        found = {BITCOIN: bitcoin}
        for name, coin in crash.coins.items():
            beta = math.log(coin.low) / low
            found[name] = [100.0 * math.exp(beta * move) for move in moves]
    if crash.depegged is not None:
        name, coin = crash.depegged
        lowest = min(bitcoin)
        depth = [max(0.0, 1.0 - price / first.price) / (1.0 - lowest / first.price) for price in bitcoin]
        # A peg holds until the market is in panic: the last half of the fall takes it.
        found[name] = [1.0 - (1.0 - coin.low) * max(0.0, 2.0 * one - 1.0) for one in depth]
    return found


def _leg(noise: str, begin: float, end: float, lasts: timedelta) -> list[float]:
    """Logarithms from `begin` (included) to `end` (not included), one a tick."""
    steps = int(lasts.total_seconds()) // TICK
    minutes = lasts.total_seconds() / 60.0
    a_minute = max(CALM_DAY / math.sqrt(1440.0), NOISE * abs(end - begin) / math.sqrt(minutes))
    chance = random.Random(noise)  # noqa: S311 (noise, not a secret)
    walk = [0.0]
    for _ in range(steps):
        walk.append(walk[-1] + chance.gauss(0.0, a_minute * math.sqrt(TICK / 60.0)))
    return [begin + walk[i] + (end - begin - walk[-1]) * i / steps for i in range(steps)]


def _between_minutes(row: Sequence[float]) -> list[float]:
    """Prices once a minute as prices once a tick."""
    ticks = 60 // TICK
    found = [a * (b / a) ** (tick / ticks) for a, b in pairwise(row) for tick in range(ticks)]
    return [*found, row[-1]]
