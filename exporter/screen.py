"""What `risk-exporter check` finds, for a terminal: each account as it comes in, then the nearest position.

Colours only where there are any; the text says everything without them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from exporter.board import texts
from exporter.board.figures import Figures, PositionFigures
from exporter.board.levels import Level
from exporter.check import Checked, OnChecked, OnListed, Report
from exporter.keys import described
from exporter.printable import visible

MOST_POSITIONS = 10
"""Of one account; the nearest ones."""
FULL_BAR = 0.5
"""The distance to liquidation at which a bar is full."""
BAR_CELLS = 10
NARROW = 80
"""Columns; where there are fewer, bars and prices are left out."""
PLAIN_WIDTH = 110
"""Columns where nobody says how many there are, as in a file."""

_COLOURS: dict[Level, str] = {
    "critical": "bold red",
    "warning": "yellow",
    "watch": "cyan",
    "ok": "green",
    "unknown": "magenta",
}


def console(stream: TextIO | None = None) -> Console:
    """Of standard output unless another stream is given; without colours if ``NO_COLOR`` says so."""
    found = Console(
        file=stream, highlight=False, markup=False, emoji=False, soft_wrap=False, color_system="auto"
    )
    plain = bool(os.environ.get("NO_COLOR")) or not found.is_terminal
    if not plain:
        return found
    width = None if found.is_terminal or os.environ.get("COLUMNS") else PLAIN_WIDTH
    return Console(file=stream, highlight=False, markup=False, emoji=False, color_system=None, width=width)


class Screen:
    """Shows the findings of a check.

    Args:
        on: What is written on.
    """

    def __init__(self, on: Console) -> None:
        self._console = on
        self._narrow = on.width < NARROW
        self._blocks = on.encoding.lower().startswith("utf")

    @contextmanager
    def progress(self, accounts: Sequence[str]) -> Iterator[tuple[OnChecked, OnListed]]:
        """While accounts are checked; a terminal says how many are, and who is waited for."""
        waiting = dict.fromkeys(accounts)
        with Progress(
            TextColumn("checked"),
            MofNCompleteColumn(),
            BarColumn(20),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as bar:
            task = bar.add_task(_waiting_for(waiting), total=len(waiting))

            def on_checked(found: Checked) -> None:
                waiting.pop(found.account, None)
                self.show(found)
                bar.update(task, advance=1, description=_waiting_for(waiting))

            def on_listed(names: Sequence[str]) -> None:
                waiting.update(dict.fromkeys(names))
                bar.update(task, total=len(waiting), description=_waiting_for(waiting))

            yield on_checked, on_listed

    def show(self, found: Checked) -> None:
        """One account."""
        title = Text(found.account, style="bold")
        title.append(f" ({found.exchange}): ", style="default")
        title.append(
            "ok" if found.ok else f"fails ({found.reason})", style="green" if found.ok else "bold red"
        )
        title.append(f", {found.seconds:.1f} s", style="dim")
        self._console.print(title)
        facts = Table.grid(padding=(0, 1))
        facts.add_column(style="dim", no_wrap=True, min_width=10)
        facts.add_column(overflow="fold")
        for name, text, style in _facts(found):
            facts.add_row(name, Text(visible(text), style=style))
        self._console.print(Padding(facts, (0, 0, 0, 2)))
        if found.figures is not None and found.figures.positions:
            self._console.print(Padding(self._positions(found.figures.positions), (0, 0, 0, 4)))

    def end(self, report: Report) -> None:
        """What all of it comes to."""
        self._console.print()
        if report.nearest is not None:
            nearest, position = report.nearest, report.nearest.position
            text = Text("nearest: ", style="bold")
            text.append(
                visible(f"{position.symbol} {position.side} of {nearest.account} ({nearest.exchange})")
            )
            text.append(", ")
            distance = f"{texts.percent(position.liquidation_distance_ratio)} from liquidation"
            text.append(distance, style=_COLOURS[position.level])
            self._console.print(text)
        failed = sum(not one.ok for one in report.accounts)
        summary = f"{count(len(report.accounts), 'account')}: {len(report.accounts) - failed} ok"
        summary += f", {failed} {'fails' if failed == 1 else 'fail'}" if failed else ""
        self._console.print(Text(summary, style="bold red" if failed else "bold green"))
        for remark in report.remarks:
            self._console.print(Text(visible(remark), style="yellow"))

    def _positions(self, positions: Sequence[PositionFigures]) -> Table:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=not self._narrow, overflow="fold")
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, justify="right")
        if not self._narrow:
            table.add_column(no_wrap=True)
            table.add_column(overflow="fold")
        for position in positions[:MOST_POSITIONS]:
            style = _COLOURS[position.level]
            distance = position.liquidation_distance_ratio
            row = [
                Text(visible(position.symbol)),
                Text(f"{position.side} {position.margin_mode}", style="dim"),
                Text(texts.percent(distance), style=style),
            ]
            if not self._narrow:
                row += [Text(self._bar(distance), style=style), Text(_price(position), style="dim")]
            table.add_row(*row)
        if len(positions) > MOST_POSITIONS:
            table.add_row(Text(f"and {len(positions) - MOST_POSITIONS} more", style="dim"))
        return table

    def _bar(self, distance: float | None) -> str:
        """What is left before liquidation; full from `FULL_BAR` on."""
        full, empty = ("█", "░") if self._blocks else ("#", ".")
        if distance is None or math.isnan(distance):
            return " " * BAR_CELLS
        cells = math.ceil(BAR_CELLS * min(max(distance / FULL_BAR, 0.0), 1.0))
        return full * cells + empty * (BAR_CELLS - cells)


def _waiting_for(names: dict[str, None]) -> str:
    some = list(names)[:3]
    more = f" and {len(names) - len(some)} more" if len(names) > len(some) else ""
    return f"waiting for {', '.join(some)}{more}" if some else ""


def _facts(found: Checked) -> Iterator[tuple[str, str, str]]:
    """Name, text and style of what was found of one account, in the order in which things can go wrong."""
    if found.message:
        yield "why", found.message, "red"
    yield "reachable", {True: "yes", False: "no", None: "not known"}[found.reachable], ""
    accepted = {True: "accepted", False: "refused by the venue", None: "not known"}[found.key_accepted]
    yield "key", accepted, ""
    if found.key_accepted is not False:
        yield "permission", described(found.key), _key_style(found)
    yield "clock", _offset(found.clock_offset_seconds), ""
    if found.budget is not None:
        yield "budget", _budget(found), ""
    if found.figures is not None:
        yield "account", _account(found.figures), ""
    for text in found.missed:
        yield "without", text, "yellow"


def _key_style(found: Checked) -> str:
    return "red" if found.key.refused else "yellow" if set(found.key.may) - {"read"} else ""


def _offset(seconds: float | None) -> str:
    if seconds is None:
        return "not asked"
    side = "ahead of" if seconds >= 0.0 else "behind"
    size = abs(seconds)
    return f"{size * 1000:.0f} ms {side} this machine" if size < 1.0 else f"{size:.1f} s {side} this machine"


def _budget(found: Checked) -> str:
    budget = found.budget
    assert budget is not None  # noqa: S101 (asked before)
    who = "" if budget.accounts == 1 else f" for {count(budget.accounts, 'account')}"
    return (
        f"{budget.budget} ({budget.address}): {budget.needed:,.0f} of {budget.allowed:,.0f} a minute{who}; "
        f"collected every {texts.age(budget.interval_seconds)}"
        + (", which is longer than configured" if budget.needed > budget.allowed else "")
    )


def _account(figures: Figures) -> str:
    return (
        f"equity {texts.dollars(figures.equity_usd)}, margin rate {texts.rate(figures.highest_rate)}, "
        f"{count(len(figures.positions), 'position')}"
    )


def _price(position: PositionFigures) -> str:
    if position.option is not None:
        one = position.option
        return texts.option(one.right, one.strike_price, one.expiry_timestamp_seconds)
    if position.liquidation_source == "none":
        return "no price liquidates it"
    if position.liquidation_price is None:
        return "liquidation price not known"
    return (
        f"liquidated at {texts.amount(position.liquidation_price)}, mark {texts.amount(position.mark_price)}"
    )


def count(number: int, what: str) -> str:
    """``1 account``, ``2 accounts``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
