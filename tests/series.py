"""How many series an account costs, counted on the pages of documented answers; a part of `docs/scale.md`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from exporter import catalogue
from exporter.desk import AccountLabels, AccountLimits
from exporter.series import Series
from grafana.generator import recording
from grafana.generator.rules import Recording

GOLDEN: Final = Path(__file__).parent / "venues" / "golden"
PAGE: Final = Path("docs/scale.md")
MARKS: Final = ("<!-- Written by `make generate` from here -->\n", "<!-- to here -->\n")
_KINDS: Final = {"position": "symbol", "coin": "asset", "pool": "currency"}
"""The label that tells one of them from another; what has none of these is of the account."""
ACCOUNTS: Final = (100, 1_000, 10_000)
POSITIONS: Final = 5

SCRAPES_A_DAY: Final = 24 * 60 * 4
BYTES_A_SAMPLE: Final = 1.5
"""On disk: between 1 and 2, as Prometheus' documentation of its storage has it."""
BYTES_A_SERIES: Final = 8_000
"""In memory, per series that is scraped or recorded; see `docs/scale.md`."""

_LINE: Final = re.compile(r"(\w+)\{(.*)\} \S+")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OPTIONAL: Final = frozenset(
    family.name for family in catalogue.FAMILIES if family.option == "risk.cross_check"
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """How many different series of each kind there are on the pages of a venue: what one has at most."""

    account: int
    """Without pools, coins and positions."""
    pool: int
    coin: int
    position: int


def counted(page: str) -> Cost:
    """What stands on one venue's golden pages.

    Documented answers are of accounts that do not hold together, so that no position has all that a real one
    has: all that any of them has is counted.
    """
    kinds: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for line in page.splitlines():
        found = _LINE.fullmatch(line)
        if found is not None and found[1] not in _OPTIONAL:
            labels = dict(_LABEL.findall(found[2]))
            kind = next((kind for kind, name in _KINDS.items() if name in labels), "account")
            # The stress of cross positions and of isolated ones are two series of one pool.
            several = ("direction", "shock") + (("margin_mode",) if kind == "pool" else ())
            kinds[kind].add((found[1], *(labels.get(name, "") for name in several)))
    return Cost(**{kind: len(kinds[kind]) for kind in ("account", "pool", "coin", "position")})


def own() -> int:
    """Those that every account has of the exporter itself, while it is collected without failures."""
    series = Series("venue", "account")
    series.desk(AccountLabels(), AccountLimits())
    for family in (
        catalogue.LAST_SUCCESS,
        catalogue.INTERVAL,
        catalogue.MAX_AGE,
        catalogue.EFFECTIVE_INTERVAL,
    ):
        series.set(family, 1.0)
    return sum(chunk.count(b"\n") for chunk in series.chunks)


def recorded(about: str) -> int:
    """How many recording rules are about each `position`, or each `account` (its pools counted once)."""
    rules = (rule for group in recording.GROUPS for rule in group.rules if isinstance(rule, Recording))
    return sum(rule.record.startswith(f"risk:{about}:") for rule in rules)


def costs() -> dict[str, Cost]:
    """By venue."""
    return {
        path.stem: counted(path.read_text()) for path in sorted(GOLDEN.glob("*.prom")) if path.stem != "toy"
    }


def of_account(cost: Cost, positions: int) -> int:
    """All series of an account with one pool, as they are scraped."""
    return own() + cost.account + cost.pool + positions * cost.position


def of_rules(positions: int) -> int:
    """What the rules add for it, if each has a value."""
    return recorded("account") + positions * recorded("position")


def section() -> str:
    """The part of the page."""
    rows = [
        f"| `{venue}` | {cost.account} | {cost.pool} | {cost.coin or '–'} | {cost.position} |"
        f" {of_account(cost, POSITIONS)} |\n"
        for venue, cost in costs().items()
    ]
    sizes = _sizes(of_account(costs()["binance_usdm"], POSITIONS), of_rules(POSITIONS))
    return f"""\
Each account has {own()} series of the exporter's own (up, limits, ages, counters, errors by
reason), and of what its venue says about as many as these, counted on the pages of documented
answers with default settings. With `risk.cross_check` a position has one more; `risk.shocks` are
six of each pool, and six of one with isolated positions. A pool with options has 35 more of `risk.shocks`
and `risk.volatility_shifts`, a position in options up to ten, and each coin of an account that has some
four.

| exchange | Account | Pool | Coin held | Position | One account, one pool, {POSITIONS} positions |
| --- | --- | --- | --- | --- | --- |
{"".join(rows)}
The rules record up to {recorded("account")} more for an account and {recorded("position")} for a
position. For `binance_usdm` accounts of {POSITIONS} positions, scraped every 15 s and kept for 15 days,
at {BYTES_A_SAMPLE:g} bytes a sample on disk and {BYTES_A_SERIES / 1000:g} kB a series in memory
(Prometheus 2.42 took 4 kB for each of 36,000 series of such pages just after its start; two hours of
samples and what its garbage collector leaves come on top):

| Accounts | Scraped | With what rules record | Memory | Disk |
| --- | --- | --- | --- | --- |
{"".join(f"{line}{chr(10)}" for line in sizes)}"""


def _sizes(scraped: int, rules: int) -> Iterable[str]:
    for accounts in ACCOUNTS:
        series = accounts * (scraped + rules)
        memory = series * BYTES_A_SERIES / 1e9
        disk = series * SCRAPES_A_DAY * 15 * BYTES_A_SAMPLE / 1e9
        yield f"| {accounts:,} | {accounts * scraped:,} | {series:,} | {memory:.1f} GB | {disk:.1f} GB |"


def page(text: str) -> str:
    """The page with its part as it must be."""
    begin, end = MARKS
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    if not after:
        raise ValueError(f"{PAGE} lacks the lines {begin.strip()} and {end.strip()}")
    return f"{before}{begin}\n{section()}\n{end}{after}"
