"""The page ``docs/lead-time.md``, written from what the replays gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from tests.crashes.accounts import BOOK, REQUIRED
from tests.crashes.paths import CALM_DAY, NOISE, Crash
from tests.crashes.replay import SCRAPE, Alarm, Fate

LEAD = 15
"""Minutes that a person wants between the page and the liquidation."""
HOLD = 60
"""Seconds of the ``for`` of a critical alert."""
MARKET = frozenset(
    {
        "RiskLiquidationNear",
        "RiskLiquidationProjected",
        "RiskLiquidationShockSmall",
        "RiskMaintenanceMarginRateHigh",
        "RiskIsolatedMarginRateHigh",
    }
)
"""Alerts about how near liquidation is; others say that much was lost, or that nobody sees the account."""

_HEAD = """\
# Lead time

<!-- Written by `make lead-time`; a change here is lost. -->

How many minutes lie between the first page and the liquidation? Four crashes that everybody remembers are
played against accounts of 3, 5, 10 and 20 times their equity, with the exporter's formulas and the real
rules. What follows from it for the default limits: [decisions/lead-time.md](decisions/lead-time.md).

## How it is made

- **Prices** follow the key points below, which stand in `tests/crashes/crashes.yml`: between them in
  logarithms, with noise of {noise:g} times the speed of the leg ({calm:.1%} a day at least), the same in
  each run. An hour of calm comes before.
- **Accounts** are long 100,000 USD, opened at the price of the first point: isolated (as much again lies
  beside the position and does not back it), cross, and a book of {book}. Maintenance margin is {required}.
  Nobody adds money or closes anything: that is the reader's part.
- **The venue** of these accounts liquidates by formulas of its own, looked at every 5 s.
- **The exporter** assesses and renders each account every {scrape} s; promtool has the pages as Prometheus
  would, and evaluates the rules every {scrape} s. By default it is every 15 s, which is {late:g} s earlier
  on the average. What Alertmanager waits before it sends (nothing or 10 s for what is critical) comes on
  top.

## What it can say, and what not

The key points are few, and some are from memory or assumed (the tables say which). What happened between
two of them is noise that somebody chose: another run of the same noise moves a figure by some minutes.
Other coins fall and rise with bitcoin here, which is worse than a hedge and better than their own crashes
were. Spreads, funding, fees, orders that do not fill and venues that hang are not played but for the
variants. So: an order of magnitude for a decision about limits, no promise for the next crash. Whoever has
minute candles plays them instead: `make lead-time CANDLES=folder`, with `2025-10-10.csv` and so on
(`time,btc,eth,alt`).

## How to read the tables

*Mark* is the number of the source at the end of the page, "memory" (general knowledge that nobody looked
up) or "assumed" (no figure was at hand). *At rest* is what an account is told in the calm before, but for
infos: a page that is always there is none. *First page* is the first critical alert that is not, of any
kind; *by market* the first of those that measure how near liquidation is (distance, speed, shock, margin
rate). Both in minutes before the liquidation; a negative one came after it. *Limit for {lead}* is the
`liquidation_distance` (critical) that would have paged {lead} minutes before: "rest" if that is where the
account lives anyway, "–" if it did not live that long.
"""


def page(sources: Mapping[int, str], played: Sequence[tuple[Crash, Sequence[Fate]]]) -> str:
    """The whole page."""
    book = ", ".join(f"{share:.0%} {coin}" for coin, share in BOOK.items())
    required = ", ".join(f"{rate:.2%} of {coin}" for coin, rate in REQUIRED.items())
    parts = [
        _HEAD.format(
            noise=NOISE,
            calm=CALM_DAY,
            book=book,
            required=required,
            scrape=SCRAPE,
            late=(SCRAPE - 15) / 2,
            lead=LEAD,
        ),
        _summary(played),
    ]
    parts += [_of_crash(crash, fates) for crash, fates in played]
    parts.append("## Sources\n\n" + "\n".join(f"{number}. {text}" for number, text in sources.items()) + "\n")
    return "\n".join(parts)


def _summary(played: Iterable[tuple[Crash, Sequence[Fate]]]) -> str:
    worst: dict[str, list[float | None]] = {}
    for _, fates in played:
        for fate in fates:
            if fate.liquidated_at is not None:
                found = first(fate, only=None)
                lead = None if found is None else _before(fate, found)
                worst.setdefault(f"{fate.plan.kind}, {fate.plan.leverage}×", []).append(lead)
    lines = [
        "## In one table\n",
        "Minutes from the first page to the liquidation, over the crashes that liquidated the account.\n",
        "| Account | Liquidated in | Shortest | Longest |\n| --- | --- | --- | --- |",
    ]
    for name, leads in worst.items():
        known = [lead for lead in leads if lead is not None]
        shortest = "none" if len(known) < len(leads) else f"{min(known):.1f}"
        longest = f"{max(known):.1f}" if known else "none"
        lines.append(f"| {name} | {len(leads)} | {shortest} | {longest} |")
    return "\n".join(lines) + "\n"


def first(fate: Fate, *, only: frozenset[str] | None) -> Alarm | None:
    """The first critical alert that does not fire at rest; of these names, None: of any."""
    return next(
        (one for one in fate.alarms if one.severity == "critical" and (only is None or one.name in only)),
        None,
    )


def _before(fate: Fate, alarm: Alarm) -> float:
    """Minutes from an alert to the liquidation."""
    assert fate.liquidated_at is not None
    return (fate.liquidated_at - alarm.at) / 60.0


def _of_crash(crash: Crash, fates: Sequence[Fate]) -> str:
    lines = [f"## {crash.name}\n", _points(crash)]
    lines.append(
        "| Account | Lives (min) | At rest | First warning | First page | By market |"
        f" Limit for {LEAD} |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    lines += [_row(fate) for fate in fates]
    return "\n".join(lines) + "\n"


def _points(crash: Crash) -> str:
    if crash.candles is not None:
        return f"Minute candles from {crash.start:%Y-%m-%d %H:%M} UTC on.\n"
    lines = ["| UTC | BTC | Mark | |\n| --- | --- | --- | --- |"]
    lines += [f"| {one.at:%d %H:%M} | {one.price:,.0f} | {one.mark} | {one.note} |" for one in crash.points]
    coins = [
        f"{name} falls to {coin.low:.0%} (mark: {coin.mark}{f'; {coin.note}' if coin.note else ''})"
        for name, coin in crash.coins.items()
    ]
    fall = [f"{b.price / a.price - 1.0:.1%} in {_span(b.at - a.at)}" for a, b in pairwise(crash.points)]
    return "\n".join(lines) + f"\n\nBTC: {', '.join(fall)}. {'. '.join(coins)}.\n"


def _span(lasts: timedelta) -> str:
    hours, minutes = divmod(int(lasts.total_seconds()) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def _row(fate: Fate) -> str:
    plan = fate.plan
    rest = ", ".join(
        severity
        for severity in ("critical", "warning")
        if any(level == severity for _, level in fate.at_rest)
    )
    lives = "survives" if fate.liquidated_at is None else f"{fate.liquidated_at / 60.0:.0f}"
    cells = (
        f"{plan.kind}, {plan.leverage}×",
        lives,
        rest or "nothing",
        _told(fate, fate.first("warning")),
        _told(fate, first(fate, only=None)),
        _told(fate, first(fate, only=MARKET)),
        needed(fate),
    )
    return "| " + " | ".join(cells) + " |"


def _told(fate: Fate, alarm: Alarm | None) -> str:
    if alarm is None:
        return "never"
    name = alarm.name.removeprefix("Risk")
    return name if fate.liquidated_at is None else f"{_before(fate, alarm):.1f} {name}"


def needed(fate: Fate) -> str:
    """The limit of the distance that would have paged in time."""
    if fate.liquidated_at is None:
        return ""
    until = fate.liquidated_at - LEAD * 60 - HOLD
    seen = [
        one.distance for one in fate.watched[: max(0, int(until // SCRAPE) + 1)] if one.distance is not None
    ]
    if until < 0 or not seen:
        return "–"
    rest = seen[0]
    limit = min(seen)
    return "rest" if limit > 0.95 * rest else f"{limit:.1%}"
