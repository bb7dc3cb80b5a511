"""What of all accounts is shown: the figures that matter with whose they are, and those in most danger.

Of 10,000 accounts it looks at each once and sorts none but the hundred that it shows.
"""

from __future__ import annotations

import heapq
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Annotated

from msgspec import Meta, Struct

from exporter.board.figures import Figures, PositionFigures, Rate, number_of
from exporter.board.levels import Level, level_of_distance, level_of_rate
from exporter.board.standing import Collected, Standing, State

MOST_ACCOUNTS = 100
MOST_POSITIONS = 100
MOST_UNSEEN = 20
"""Of the accounts that are shown, where others wait for the room: an outage must not hide a danger."""
MOST_NAMES = 5
"""Accounts that are not seen, named beside their number."""


class Filters(Struct, frozen=True):
    """Which accounts; empty is any."""

    text: str = ""
    """A part of the account's name, a label, or a symbol it holds; in lower case."""
    exchange: str = ""
    owner: str = ""
    state: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.exchange or self.owner or self.state)


class Culprit(Struct, frozen=True, kw_only=True):
    """The account that a figure of the summary is of."""

    exchange: str
    account: str
    value: Rate
    level: Level
    of: Annotated[str, Meta(description="The symbol, or the currency.")]
    detail: Annotated[str, Meta(description="The side of the position, or the direction of the move.")] = ""


class Summary(Struct, frozen=True, kw_only=True):
    """The figures that matter, over all accounts that are asked for."""

    accounts: int
    positions: int
    nearest: Annotated[Culprit | None, Meta(description="The position nearest to its liquidation.")]
    highest_rate: Annotated[Culprit | None, Meta(description="The highest maintenance margin rate.")]
    smallest_move: Annotated[
        Culprit | None, Meta(description="The smallest joint move of all coins that liquidates anything.")
    ]
    not_seen: Annotated[int, Meta(description="Accounts without figures that are current.")]
    starting: Annotated[int, Meta(description="Those of them that were not tried yet.")]
    failing: Annotated[
        int, Meta(description="Accounts whose last figures are shown although it failed since.")
    ]
    equity_usd: Annotated[
        float | None, Meta(description="Sum of the accounts whose equity is known; null where none is.")
    ]
    equity_accounts: Annotated[int, Meta(description="How many these are.")]
    first_names: Annotated[tuple[str, ...], Meta(description="Some of the accounts that are not seen.")]


class AccountRow(Struct, frozen=True):
    """An account that is shown."""

    standing: Standing
    state: State
    collected: Collected | None
    """None where it is not seen."""

    @property
    def figures(self) -> Figures | None:
        return None if self.collected is None else self.collected.figures


class PositionRow(Struct, frozen=True):
    """A position that is shown."""

    row: AccountRow
    position: PositionFigures


class Overview(Struct, frozen=True, kw_only=True):
    """What is shown at a moment."""

    now: float
    """Elapsed seconds."""
    filters: Filters
    known: int
    """All accounts, asked for or not."""
    summary: Summary
    accounts: Sequence[AccountRow]
    """The most endangered first, those that are not seen before them."""
    positions: Sequence[PositionRow]
    exchanges: Sequence[str]
    owners: Sequence[str]
    first_end: float | None
    """When the first of the figures in the summary is too old, elapsed seconds."""


def overview(
    standings: Iterable[Standing],
    now: float,
    filters: Filters = Filters(),  # noqa: B008 (frozen)
    *,
    accounts: int | None = MOST_ACCOUNTS,
    positions: int = MOST_POSITIONS,
) -> Overview:
    """Chooses what is shown at `now`, elapsed seconds; at most so many accounts (None: all) and positions."""
    everyone = list(standings)
    asked = [one for one in everyone if _matches(one, filters, now)] if filters else everyone
    seen, unseen = _Seen(), []
    for one in asked:
        collected = one.collected  # once: the collector may replace it at any time
        if collected is not None and now < collected.expires:
            seen.standings.append(one)
            seen.collected.append(collected)
        else:
            unseen.append(one)
    most = len(asked) if accounts is None else accounts
    without = min(len(unseen), max(MOST_UNSEEN * most // MOST_ACCOUNTS, most - len(seen.standings)))
    first_unseen = heapq.nsmallest(max(without, MOST_NAMES), unseen, key=_order_unseen)
    return Overview(
        now=now,
        filters=filters,
        known=len(everyone),
        summary=_summary(seen, unseen, first_unseen),
        accounts=[
            *(AccountRow(one, one.state(now), None) for one in first_unseen[:without]),
            *map(seen.row, seen.first(most - without, _ORDER)),
        ],
        positions=_positions(seen, filters, positions),
        exchanges=sorted({one.exchange for one in everyone}),
        owners=sorted({one.owner for one in everyone if one.labels} - {""}),
        first_end=min(map(_EXPIRES, seen.collected), default=None),
    )


_ORDER, _EXPIRES = attrgetter("order"), attrgetter("expires")
_DISTANCE, _SAFETY, _MOVE = attrgetter("distance"), attrgetter("safety"), attrgetter("move")


class _Seen:
    """Accounts with figures that are current, in two lists of one order: pairs would take more time."""

    def __init__(self) -> None:
        self.standings: list[Standing] = []
        self.collected: list[Collected] = []

    def first(self, most: int, value: Callable[[Collected], float]) -> list[int]:
        """The places of those with the lowest values."""
        values = list(map(value, self.collected))
        if most >= len(values):
            return sorted(range(len(values)), key=values.__getitem__)
        return heapq.nsmallest(most, range(len(values)), key=values.__getitem__)

    def lowest(self, value: Callable[[Collected], float]) -> tuple[Standing, Figures] | None:
        """Whose value is the lowest."""
        values = list(map(value, self.collected))
        if not values:
            return None
        place = values.index(min(values))
        return self.standings[place], self.collected[place].figures

    def row(self, place: int) -> AccountRow:
        one = self.standings[place]
        return AccountRow(one, "up" if one.failure is None else "failing", self.collected[place])


def _order_unseen(one: Standing) -> float:
    """Those that fail first, by how they stood when they were seen last; then those that were not tried."""
    if one.collected is None:
        return math.inf if one.failure is None else -math.inf
    return min(one.collected.order, sys.float_info.max)


def _matches(one: Standing, filters: Filters, now: float) -> bool:
    if filters.exchange and one.exchange != filters.exchange:
        return False
    if filters.owner and one.owner != filters.owner:
        return False
    if filters.state and one.state(now) != filters.state:
        return False
    return not filters.text or _named(one, filters.text) or _holds(one, filters.text, now)


def _named(one: Standing, text: str) -> bool:
    return (
        text in one.account.lower()
        or text in one.exchange
        or any(text in value.lower() for value in one.labels.values())
    )


def _holds(one: Standing, text: str, now: float) -> bool:
    collected = one.fresh(now)
    return collected is not None and any(
        text in position.symbol.lower() for position in collected.figures.positions
    )


def _positions(seen: _Seen, filters: Filters, most: int) -> list[PositionRow]:
    """The nearest of all. Each account has its own in this order: the others need not be looked into."""
    found = (
        PositionRow(row, position)
        for row in map(seen.row, seen.first(most, _DISTANCE))
        for position in _asked(row, filters)[:most]
    )
    return heapq.nsmallest(most, found, key=_distance_of)


def _distance_of(row: PositionRow) -> float:
    distance = row.position.liquidation_distance_ratio
    return math.inf if distance is None else distance


def _asked(row: AccountRow, filters: Filters) -> Sequence[PositionFigures]:
    positions = () if row.figures is None else row.figures.positions
    if not filters.text or _named(row.standing, filters.text):
        return positions
    return [position for position in positions if filters.text in position.symbol.lower()]


def _summary(seen: _Seen, unseen: Sequence[Standing], first_unseen: Sequence[Standing]) -> Summary:
    equities = [equity for one in seen.collected if (equity := one.equity) is not None]
    return Summary(
        accounts=len(seen.standings) + len(unseen),
        positions=sum([one.positions for one in seen.collected]),
        nearest=_nearest(seen),
        highest_rate=_highest(seen),
        smallest_move=_smallest(seen),
        not_seen=len(unseen),
        starting=sum([one.collected is None and one.failure is None for one in unseen]),
        failing=sum([one.failure is not None for one in seen.standings]),
        equity_usd=math.fsum(equities) if equities else None,
        equity_accounts=len(equities),
        first_names=tuple(one.account for one in first_unseen[:MOST_NAMES]),
    )


def _nearest(seen: _Seen) -> Culprit | None:
    one, figures = seen.lowest(_DISTANCE) or (None, None)
    if one is None or figures is None or figures.nearest_distance is None:
        return None
    return Culprit(
        exchange=one.exchange,
        account=one.account,
        value=figures.nearest_distance,
        level=level_of_distance(figures.nearest_distance),
        of=figures.positions[0].symbol,
        detail=figures.positions[0].side,
    )


def _highest(seen: _Seen) -> Culprit | None:
    one, figures = seen.lowest(_SAFETY) or (None, None)
    if one is None or figures is None or figures.highest_rate is None:
        return None
    return Culprit(
        exchange=one.exchange,
        account=one.account,
        value=figures.highest_rate,
        level=level_of_rate(number_of(figures.highest_rate)),
        of=figures.highest_rate_of,
    )


def _smallest(seen: _Seen) -> Culprit | None:
    one, figures = seen.lowest(_MOVE) or (None, None)
    if one is None or figures is None:
        return None
    moves = [
        (move, pool.currency, direction)
        for pool in figures.pools
        for direction, move in (("down", pool.liquidation_shock_down), ("up", pool.liquidation_shock_up))
        if move is not None
    ]
    if not moves:
        return None
    move, currency, direction = min(moves)
    return Culprit(
        exchange=one.exchange,
        account=one.account,
        value=move,
        level=level_of_distance(move),
        of=currency,
        detail=direction,
    )
