"""One collection of every account, for a person who wants to know whether a configuration works."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog
from msgspec import Struct

from exporter import clock, deadline
from exporter.account import AccountConfig, secret_forms
from exporter.api import Client
from exporter.bounds import bounded
from exporter.clock import Elapsed, Wall
from exporter.config import Config
from exporter.deadline import DeadlineError
from exporter.errors import VenueError
from exporter.exposition import render
from exporter.logs import Redaction
from exporter.model import AccountRisk, RiskSettings
from exporter.pegs import unseen
from exporter.risk import assess
from exporter.venues import discover

PATIENCE = 3600.0
"""Seconds that an account waits for its part of a request limit; it takes that long for a large fleet."""

log = structlog.get_logger(__name__)


class Outcome(Struct, frozen=True, kw_only=True):
    """What the collection of one account gave: `risk`, or the reason why there is none."""

    account: AccountConfig
    seconds: float
    risk: AccountRisk | None = None
    reason: str = ""
    message: str = ""
    notes: tuple[str, ...] = ()
    """What the collection did without."""


class _Notes:
    """The client's observer: keeps what went wrong beside the answers that a collection needs."""

    def __init__(self) -> None:
        self.by_account: dict[str, list[str]] = {}

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        log.debug("request finished", exchange=exchange, endpoint=endpoint, status=status, seconds=seconds)

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        pass

    def clock_offset(self, exchange: str, seconds: float) -> None:
        log.debug("clock measured", exchange=exchange, offset=round(seconds, 3))

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        pass

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:  # noqa: ARG002
        self.by_account.setdefault(account, []).append(error.message)


async def check(
    config: Config, *, wall: Wall = clock.wall, elapsed: Elapsed = clock.elapsed
) -> list[Outcome]:
    """Collects every account once, all at the same time; failures are outcomes, never raised."""
    notes = _Notes()
    async with Client(notes, wall=wall, budgets=config.budgets) as client:
        outcomes = await asyncio.gather(
            *(_collect(client, notes, account, config.risk, elapsed) for account in config.accounts)
        )
    return list(outcomes)


async def _collect(
    client: Client, notes: _Notes, account: AccountConfig, settings: RiskSettings, elapsed: Elapsed
) -> Outcome:
    started = elapsed()
    risk, reason, message = None, "", ""
    try:
        venue = discover()[account.exchange](account)
        api = client.account(venue)
        try:
            await api.meter.admitted(PATIENCE)
            await client.admission.admitted()
            started = elapsed()
            async with deadline.within(account.timeout) as api.meter.deadline:
                assessed = assess(bounded(await venue.fetch(api)), settings)
                render(account.exchange, account.name, assessed)  # what cannot be published is a failure
                risk = assessed
        finally:
            api.meter.settle(complete=risk is not None)
    except VenueError as error:
        reason, message = error.reason, error.message
    except DeadlineError:
        reason, message = "timeout", f"not complete within {account.timeout:g} s"
    except Exception as error:
        log.exception("internal error", account=account.name, exchange=account.exchange)
        reason, message = "internal", f"{type(error).__name__}; the log has the traceback"
    # Adapters word their errors without secrets; this is for the day one of them does not.
    redaction = Redaction()
    redaction.hide(secret_forms(account))
    return Outcome(
        account=account,
        seconds=elapsed() - started,
        risk=risk,
        reason=reason,
        message=redaction.clean(message),
        notes=tuple(map(redaction.clean, notes.by_account.get(account.name, ()))),
    )


def unseen_pegs(config: Config, outcomes: Iterable[Outcome]) -> str:
    """A remark on pegged coins that no account has, if all could be collected; else nothing."""
    risks = [outcome.risk for outcome in outcomes]
    known = [risk for risk in risks if risk is not None]
    coins = unseen(config.risk.usd_pegs, known) if len(known) == len(risks) else ()
    return f"usd_pegs: no account has {', '.join(coins)}; is it spelled as the venue does?" if coins else ""


def table(outcomes: Iterable[Outcome]) -> str:
    """The outcomes for a terminal; an unknown figure is a dash."""
    header = ("account", "exchange", "result", "seconds", "equity USD", "positions", "rate", "distance")
    rows, remarks = [header], []
    for outcome in outcomes:
        name = outcome.account.name
        rows.append(
            (
                name,
                outcome.account.exchange,
                outcome.reason or "ok",
                f"{outcome.seconds:.1f}",
                *_figures(outcome.risk),
            )
        )
        remarks += [f"{name}: {text}" for text in (outcome.message, *outcome.notes) if text]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, *(["", *remarks] if remarks else [])])


def _figures(risk: AccountRisk | None) -> tuple[str, str, str, str]:
    """Equity in USD of all pools, positions, the highest rate and the shortest liquidation distance."""
    if risk is None:
        return "-", "-", "-", "-"
    equities = [pool.equity_usd for pool in risk.pools]
    known = [equity for equity in equities if equity is not None]
    # A sum that leaves out a pool would be a wrong number.
    equity = f"{sum(known):,.2f}" if known and len(known) == len(equities) else "-"
    rates = [
        *(pool.maintenance_margin_rate for pool in risk.pools),
        *(position.maintenance_margin_rate for position in risk.positions),
    ]
    distances = [position.liquidation_distance_ratio for position in risk.positions]
    return (
        equity,
        str(len(risk.positions)),
        _percent(max((rate for rate in rates if rate is not None), default=None)),
        _percent(min((distance for distance in distances if distance is not None), default=None)),
    )


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2%}"
