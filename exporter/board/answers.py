"""What `/api/v1/accounts` answers: the figures of the risk page as JSON, and its schema.

Times are Unix seconds, durations seconds, ratios fractions; null is unknown and never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from exporter import __version__
from exporter.board.figures import AssetFigures, Figures, OptionFigures, PoolFigures, PositionFigures
from exporter.board.history import MINUTES, STEP
from exporter.board.overview import Overview, Summary
from exporter.board.standing import Failed, Standing, State
from exporter.catalogue import FAMILIES
from exporter.keys import KeyState
from exporter.trail import Asked

_Line = Annotated[tuple[float | None, ...], Meta(min_length=MINUTES, max_length=MINUTES)]


class Account(Struct, frozen=True, kw_only=True):
    """How one account stands."""

    exchange: str
    account: str
    labels: Annotated[Mapping[str, str], Meta(description="What the desk calls it by.")]
    state: Annotated[
        State,
        Meta(
            description="up; failing: the last collection failed and the figures before it are still shown; "
            "stale: there were figures, and they are too old; unseen: there never were any; starting: "
            "nothing was tried yet."
        ),
    ]
    last_success_timestamp_seconds: Annotated[
        float | None, Meta(description="When the last collection that succeeded began.")
    ]
    age_seconds: Annotated[float | None, Meta(description="Since then.")]
    interval_seconds: Annotated[
        float, Meta(description="From one collection to the next, as it is kept now.")
    ]
    max_age_seconds: Annotated[float, Meta(description="Figures as old as that are not shown.")]
    failure: Annotated[Failed | None, Meta(description="Of the last collection, if it failed.")]
    missed: Annotated[tuple[str, ...], Meta(description="What the last collection did without.")]
    key: Annotated[KeyState, Meta(description="What its API key may do; null is not known.")]
    figures: Annotated[Figures | None, Meta(description="Null where there are none that are current.")]


class History(Struct, frozen=True, kw_only=True):
    """The last hour, the oldest minute first."""

    step_seconds: float
    equity_usd: _Line
    nearest_distance: Annotated[_Line, Meta(description="The lowest of each minute.")]
    highest_rate: Annotated[_Line, Meta(description="The highest of each minute; 10 where it was more.")]


class OneAccount(Account, frozen=True, kw_only=True):
    """The answer of `/api/v1/accounts/EXCHANGE/ACCOUNT`."""

    version: str
    generated_timestamp_seconds: float
    history: History
    errors: Annotated[tuple[Failed, ...], Meta(description="The last failures, the newest first.")]
    requests: Annotated[tuple[Asked, ...], Meta(description="The last requests, the newest first.")]


class Accounts(Struct, frozen=True, kw_only=True):
    """The answer of `/api/v1/accounts`."""

    version: str
    generated_timestamp_seconds: float
    shard: Annotated[
        str,
        Meta(
            description="Which of several exporters this one is; the others have other accounts. Often empty."
        ),
    ]
    known: Annotated[int, Meta(description="All accounts, asked for or not.")]
    summary: Annotated[Summary, Meta(description="Over the accounts that are asked for.")]
    accounts: Annotated[
        tuple[Account, ...],
        Meta(
            description="Those that are asked for: not seen ones, then the others, the most endangered first."
        ),
    ]


def _account(standing: Standing, now: float) -> dict[str, Any]:
    collected, fresh = standing.collected, standing.fresh(now)
    return {
        "exchange": standing.exchange,
        "account": standing.account,
        "labels": dict(standing.labels),
        "state": standing.state(now),
        "last_success_timestamp_seconds": None if collected is None else collected.began_at,
        "age_seconds": None if collected is None else now - collected.began,
        "interval_seconds": standing.interval,
        "max_age_seconds": standing.max_age,
        "failure": standing.failure,
        "missed": standing.missed,
        "key": standing.key,
        "figures": None if fresh is None else fresh.figures,
    }


def accounts(overview: Overview, at: float, shard: str) -> bytes:
    """The accounts that an overview chose; `at` is Unix seconds."""
    # One by one: the encoder holds up every other thread while it works.
    rows: Sequence[msgspec.Raw] = [
        msgspec.Raw(msgspec.json.encode(Account(**_account(row.standing, overview.now))))
        for row in overview.accounts
    ]
    return msgspec.json.encode(
        {
            "version": __version__,
            "generated_timestamp_seconds": at,
            "shard": shard,
            "known": overview.known,
            "summary": overview.summary,
            "accounts": rows,
        }
    )


def one_account(standing: Standing, now: float, at: float) -> bytes:
    """One account; `now` is elapsed seconds, `at` Unix seconds."""
    equity, distance, rate = standing.history.lines(now)
    return msgspec.json.encode(
        OneAccount(
            **_account(standing, now),
            version=__version__,
            generated_timestamp_seconds=at,
            history=History(
                step_seconds=STEP,
                equity_usd=tuple(equity),
                nearest_distance=tuple(distance),
                highest_rate=tuple(rate),
            ),
            errors=standing.errors,
            requests=standing.trail.requests,
        )
    )


_PREFIXES: Mapping[type[Struct], str] = {
    PositionFigures: "risk_position_",
    PoolFigures: "risk_account_",
    AssetFigures: "risk_asset_",
    OptionFigures: "risk_position_",
}
_HELP = {family.name: family.help for family in FAMILIES}


def schema() -> dict[str, Any]:
    """The JSON schema of both answers. What is named like a metric family is described by it."""
    (several, one), parts = msgspec.json.schema_components(
        (Accounts, OneAccount), ref_template="#/$defs/{name}"
    )
    for type_, prefix in _PREFIXES.items():
        for name, field in parts[type_.__name__]["properties"].items():
            if f"{prefix}{name}" in _HELP:
                field.setdefault("description", _HELP[f"{prefix}{name}"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "risk-exporter: /api/v1/accounts and /api/v1/accounts/EXCHANGE/ACCOUNT",
        "anyOf": [several, one],
        "$defs": dict(sorted(parts.items())),
    }


@cache
def schema_text() -> bytes:
    """The same, as it is served and documented."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"
