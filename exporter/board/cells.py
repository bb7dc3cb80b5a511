"""Pieces of HTML made of figures alone: bars, lines of the last hour, price ladders, ages, levels.

They are put together here and not in templates because a page has thousands of them. No text of others comes
into them, so that nothing has to be escaped; what does, is written by the templates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from markupsafe import Markup

from exporter.board import texts
from exporter.board.figures import PositionFigures, Rate, Stress, number_of
from exporter.board.history import Line
from exporter.board.levels import (
    RATE_CRITICAL,
    RATE_WARNING,
    Level,
    level_of_distance,
    level_of_rate,
)

LINE_HEIGHT = 20
_LEAST_SPAN = 0.01
"""Of the values: less than that is drawn flat, so that noise does not look like a crash."""
_LIMITS = f'<path class="limit" d="M{100 * RATE_WARNING:g} 0v10M{100 * RATE_CRITICAL:g} 0v10"/>'
_STRETCHED = 'preserveAspectRatio="none"'
_UNKNOWN = Markup(texts.UNKNOWN)

# Built with % and f-strings: every argument below is a number, or a word of this program.
# ruff: noqa: S704


def level(name: Level) -> Markup:
    """The word for a level."""
    return Markup(f'<b class="level {name}">{name}</b>')


def figure(ratio: Rate | None, of: Level, text: Callable[[Rate | None], str] = texts.percent) -> Markup:
    """A figure in the colour of its level."""
    return _UNKNOWN if ratio is None else Markup(f'<b class="figure {of}">{text(ratio)}</b>')


def rate(value: Rate | None) -> Markup:
    """A maintenance margin rate: a bar with marks at the limits, and the figure."""
    if value is None:
        return _UNKNOWN
    its_level, number = level_of_rate(number_of(value)), number_of(value) or 0.0
    full = min(max(100.0 * number, 0.0), 100.0)
    return Markup(
        f'<span class="pair"><svg class="bar" viewBox="0 0 100 10" {_STRETCHED} aria-hidden="true">'
        '<rect class="ground" width="100" height="10"/>'
        f'<rect class="{its_level}" width="{full:.1f}" height="10"/>{_LIMITS}</svg>'
        f'<b class="figure {its_level}">{texts.rate(value)}</b></span>'
    )


def rate_figure(value: Rate | None) -> Markup:
    """A maintenance margin rate."""
    return figure(value, level_of_rate(number_of(value)), texts.rate)


def distance(position: PositionFigures) -> Markup:
    """How far a position is from its liquidation."""
    ratio = position.liquidation_distance_ratio
    if ratio is not None:
        past = " <small>past it</small>" if ratio < 0.0 else ""
        return Markup(f'<b class="figure {position.level}">{texts.percent(ratio)}</b>{past}')
    if position.option is not None:
        return Markup('<span class="none">see joint move</span>')
    if position.liquidation_source == "none":
        return Markup('<span class="none">no price liquidates</span>')
    return Markup('<b class="figure unknown">unknown</b>')


def moves(down: float | None, up: float | None) -> Markup:
    """The joint moves that liquidate."""
    return Markup("").join(_move(*one) for one in (("▼", "down", down), ("▲", "up", up)))


def _move(sign: str, word: str, ratio: float | None) -> Markup:
    shown = texts.UNKNOWN if ratio is None else figure(ratio, level_of_distance(ratio))
    return Markup(
        f'<span class="direction"><span aria-hidden="true">{sign}</span><span class="hidden">{word}</span> '
        f"{shown}</span> "
    )


def chips(stress: Iterable[Stress]) -> Markup:
    """What the rate is after each joint move."""
    found = []
    for one in stress:
        number = number_of(one.maintenance_margin_rate) or 0.0
        its_level = "dead" if number >= 1.0 else level_of_rate(number)
        shock, words = texts.shock(one.shock), texts.rate(one.maintenance_margin_rate)
        found.append(
            f'<li class="{its_level}" title="all coins {shock}%: rate {words}">{shock}'
            f'<span class="hidden">%: rate {words}</span></li>'
        )
    return Markup(f'<ul class="chips">{"".join(found)}</ul>') if found else _UNKNOWN


def ago(seconds: float, at: float) -> Markup:
    """How long ago something was; `at` is Unix seconds. The script lets it grow."""
    return Markup(f'<time datetime="{texts.moment(at)}" data-age="{seconds:.1f}">{texts.age(seconds)}</time>')


def ends(seconds: float) -> Markup:
    """The attribute of an element whose figures are too old in so many seconds."""
    return Markup(f'data-ends="{seconds:.1f}"')


def percent_line(line: Line, what: str) -> Markup:
    """The last hour of a ratio."""
    return _line(line, what, texts.percent)


def dollar_line(line: Line, what: str) -> Markup:
    """The last hour of an amount in US dollars."""
    return _line(line, what, texts.dollars)


def _line(line: Line, what: str, text: Callable[[float], str]) -> Markup:
    """One unit a minute wide, with a gap where nothing was known; nothing before there are two minutes."""
    known = [value for value in line if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    label = f"{what}, last hour: {text(low)} to {text(high)}"
    return Markup(
        f'<svg class="line" viewBox="0 0 60 {LINE_HEIGHT}" {_STRETCHED} role="img" '
        f'aria-label="{label}"><title>{label}</title><path class="hour" d="M0 19.5h59"/>'
        f'<path d="{curve(line, low, high)}"/></svg>'
    )


def curve(line: Line, low: float, high: float) -> str:
    """The path of a line whose known values are between `low` and `high`."""
    span = max(high - low, _LEAST_SPAN * max(abs(high), abs(low)), 1e-12)
    scale = (LINE_HEIGHT - 4) / span
    top = LINE_HEIGHT / 2 + (low + high) / 2.0 * scale
    parts: list[str] = []
    length = 0  # of the piece that is drawn; one point alone is a dot
    for minute, value in enumerate([*line, None]):
        if value is not None:
            parts.append(f"{'L' if length else 'M'}{minute} {top - value * scale:.1f}")
            length += 1
        else:
            if length == 1:
                parts.append("h.01")
            length = 0
    return "".join(parts)


def ladder(position: PositionFigures) -> Markup:
    """Where liquidation, mark and entry stand on a scale of prices; nothing without a mark."""
    mark = position.mark_price
    # The price of an option says nothing about what liquidates, and is in another unit than its strike.
    if position.option is not None or mark is None or not mark > 0.0:
        return Markup("")
    liquidation, entry = (_part(price, mark) for price in (position.liquidation_price, position.entry_price))
    parts = [1.0, *(part for part in (liquidation, entry) if part is not None)]
    low, high = min(parts), max(parts)
    middle, scale = (low + high) / 2.0, 90.0 / max(high - low, 0.02)
    begin = 50.0 - middle * scale
    mark_at = begin + scale
    rungs = ['<path class="rail" d="M0 8h100"/>']
    if liquidation is not None:
        at = begin + liquidation * scale
        rungs.append(
            f'<rect class="{position.level}" x="{min(at, mark_at):.1f}" width="{abs(at - mark_at):.1f}" '
            f'y="6" height="4"/><path class="liquidation" d="M{at:.1f} 1v14"/>'
        )
    if entry is not None:
        rungs.append(f'<path class="entry" d="M{begin + entry * scale:.1f} 3v10"/>')
    rungs.append(f'<path class="mark" d="M{mark_at:.1f} 2v12"/>')
    return Markup(
        f'<svg class="ladder" viewBox="0 0 100 16" {_STRETCHED} aria-hidden="true">{"".join(rungs)}</svg>'
    )


def _part(price: float | None, mark: float) -> float | None:
    """A price as a part of the mark. Beyond twice the mark nothing can be told apart if all shall fit."""
    return min(price / mark, 2.0) if price is not None and price > 0.0 else None
