"""The HTML of the risk page, and of one account's page. Escaping is in one place: the templates'."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import jinja2
from msgspec import Struct

from exporter import __version__
from exporter.board import cells, rows, texts
from exporter.board.figures import number_of
from exporter.board.levels import level_of_distance, level_of_rate
from exporter.board.overview import MOST_POSITIONS, AccountRow, Filters, Overview, PositionRow
from exporter.board.standing import Standing
from exporter.keys import described
from exporter.printable import visible

RENEW_SECONDS = 10
"""How often a browser without JavaScript loads the page again, unless it is told another time."""
LIVE_SECONDS = 2
"""How often the script does."""

STATES: Mapping[str, str] = MappingProxyType(
    {
        "up": "seen",
        "failing": "failing, last figures still shown",
        "stale": "stale: figures too old to show",
        "unseen": "never seen",
        "starting": "starting",
    }
)
_CELLS = (
    *("ago", "chips", "distance", "dollar_line", "ends", "ladder", "level", "moves", "percent_line"),
    *("rate", "rate_figure"),
)


class Asset(Struct, frozen=True):
    """A file that the pages load from here."""

    body: bytes
    content_type: str
    url: str


_TYPES = MappingProxyType(
    {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
)


@cache
def assets() -> Mapping[str, Asset]:
    """The files of this package by name. Their URLs change with what is in them."""
    found = {}
    for file in files(__package__).joinpath("static").iterdir():
        body = file.read_bytes()
        kind = _TYPES[file.name[file.name.rindex(".") :]]
        mark = hashlib.sha256(body).hexdigest()[:12]
        found[file.name] = Asset(body, kind, f"/static/{file.name}?{mark}")
    return MappingProxyType(found)


@cache
def templates() -> jinja2.Environment:
    """Templates of this package; what cannot be seen in a text is shown as an escape."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("exporter.board"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {
        name: getattr(texts, name) for name in ("amount", "age", "clock", "dollars", "moment")
    }
    environment.filters |= {name: getattr(texts, name) for name in ("percent", "rate", "times")}
    environment.globals |= {name: getattr(cells, name) for name in _CELLS}
    environment.globals |= {
        "version": __version__,
        "asset": lambda name: assets()[name].url,
        "states": STATES,
        "account_row": rows.account,
        "position_row": rows.position,
        "trouble": rows.trouble,
        "last_seen": rows.last_seen,
        "distance_level": level_of_distance,
        "rate_level": level_of_rate,
        "number": number_of,
        "described": described,
    }
    return environment


class Shown(Struct, frozen=True):
    """What every page says of itself."""

    telemetry_path: str
    shard: str
    """Which of several exporters this one is; empty if it is the only one."""
    at: float
    """Unix seconds."""
    renew: int
    """Seconds until a browser without JavaScript loads the page again; 0 is never."""

    def title(self, overview: Overview) -> str:
        """Of the browser's tab: what somebody must know who looks at another one."""
        summary = overview.summary
        parts = []
        if summary.not_seen > summary.starting:
            parts.append(f"{summary.not_seen - summary.starting} not seen")
        if summary.nearest is not None:
            parts.append(texts.percent(summary.nearest.value))
        return " · ".join([*parts, "risk-exporter"])


def query(filters: Filters, **changed: str) -> str:
    """The query of the page with these filters."""
    asked = {
        "q": filters.text,
        "exchange": filters.exchange,
        "owner": filters.owner,
        "state": filters.state,
        **changed,
    }
    text = urlencode({name: value for name, value in asked.items() if value})
    return f"?{text}" if text else ""


def risk_page(overview: Overview, shown: Shown) -> bytes:
    """The page of all accounts."""
    return _render(
        "risk.html",
        overview=overview,
        summary=overview.summary,
        shown=shown,
        title=shown.title(overview),
        now=overview.now,
        query=query(overview.filters),
        query_of=lambda **changed: query(overview.filters, **changed),
        live=LIVE_SECONDS,
        most_positions=MOST_POSITIONS,
    )


def account_page(standing: Standing, now: float, shown: Shown) -> bytes:
    """The page of one account; `now` is elapsed seconds."""
    collected = standing.fresh(now)
    row = AccountRow(standing, standing.state(now), collected)
    distance = None if row.figures is None else row.figures.nearest_distance
    state = STATES[row.state] if row.collected is None else texts.percent(distance)
    return _render(
        "account.html",
        row=row,
        position_rows=[] if row.figures is None else [PositionRow(row, one) for one in row.figures.positions],
        standing=standing,
        shown=shown,
        title=f"{standing.account} · {state} · risk-exporter",
        now=now,
        query="",
        live=LIVE_SECONDS,
    )


def landing_page(accounts: Any, *, ready: bool, telemetry_path: str) -> bytes:
    """Links, and how the accounts stand, without a figure of theirs."""
    return _render("index.html", accounts=accounts, ready=ready, telemetry_path=telemetry_path)


def _render(name: str, **context: object) -> bytes:
    return templates().get_template(name).render(context).encode()
