"""One collection of every account, for a person who wants to know whether a configuration works.

What it finds is `Checked`, one for each account; `exporter.screen` shows it to people, `report` as JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Annotated, Any

import msgspec
import structlog
from msgspec import Meta, Struct

from exporter import __version__, clock, deadline
from exporter.account import AccountConfig, Member, SubAccounts, secret_forms
from exporter.api import Api, Client
from exporter.board.figures import Figures, PositionFigures, figures_of
from exporter.bounds import bounded
from exporter.clock import Elapsed, Wall
from exporter.config import Config
from exporter.deadline import DeadlineError
from exporter.errors import Reason, VenueError
from exporter.exposition import render
from exporter.fit import Fit, fits
from exporter.keys import NOT_TOLD, KeyState, refusal, state_of
from exporter.logs import Redaction, format_exception
from exporter.members import LISTED_EVERY, entries, expanded
from exporter.model import AccountRisk
from exporter.pegs import unseen
from exporter.risk import assess
from exporter.venues import AnyVenue, discover

PATIENCE = 3600.0
"""Seconds that an account waits for its part of a request limit; it takes that long for a large fleet."""

log = structlog.get_logger(__name__)


class Budget(Struct, frozen=True, kw_only=True):
    """The request limit that is tightest for an account; weights are those of a minute."""

    budget: str
    address: str
    accounts: Annotated[int, Meta(description="How many of the configuration share it.")]
    needed: Annotated[float, Meta(description="What they take at their configured intervals.")]
    allowed: Annotated[float, Meta(description="What of it is the exporter's.")]
    interval_seconds: Annotated[
        float, Meta(description="At which the account is collected: longer than configured if it must be.")
    ]


class Checked(Struct, frozen=True, kw_only=True):
    """What was found of one account. Null is not known."""

    exchange: str
    account: str
    ok: bool
    seconds: Annotated[float, Meta(description="What its collection took.")]
    reachable: Annotated[bool | None, Meta(description="Whether the venue, or something before it, answers.")]
    key_accepted: Annotated[bool | None, Meta(description="Whether the venue takes the key.")]
    key: KeyState
    clock_offset_seconds: Annotated[float | None, Meta(description="The venue's clock minus this machine's.")]
    budget: Budget | None
    reason: Annotated[
        Reason | None, Meta(description="Why it cannot be collected, or its sub-accounts cannot be listed.")
    ]
    message: Annotated[str, Meta(description="The same in words; empty if it can.")]
    missed: Annotated[tuple[str, ...], Meta(description="What the collection did without.")]
    figures: Annotated[Figures | None, Meta(description="As in /api/v1/accounts.")]


class Nearest(Struct, frozen=True, kw_only=True):
    """The position that is nearest to liquidation, of all accounts."""

    exchange: str
    account: str
    position: PositionFigures


class Report(Struct, frozen=True, kw_only=True):
    """What `risk-exporter check --output=json` prints."""

    version: str
    ok: Annotated[bool, Meta(description="Whether every account can be collected.")]
    accounts: Annotated[
        tuple[Checked, ...],
        Meta(description="In the order of the configuration, sub-accounts behind their entry."),
    ]
    nearest: Nearest | None
    remarks: Annotated[tuple[str, ...], Meta(description="What else is doubtful, for people.")]


class _Notes:
    """The client's observer: keeps what went wrong beside the answers that a collection needs."""

    def __init__(self) -> None:
        self.by_account: dict[str, list[str]] = {}
        self.offsets: dict[str, float] = {}

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        log.debug("request finished", exchange=exchange, endpoint=endpoint, status=status, seconds=seconds)

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        pass

    def clock_offset(self, exchange: str, seconds: float) -> None:
        self.offsets[exchange] = seconds

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        pass

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:  # noqa: ARG002
        self.by_account.setdefault(account, []).append(error.message)


OnChecked = Callable[[Checked], None]
OnListed = Callable[[Sequence[str]], None]


async def check(
    config: Config,
    on_checked: OnChecked = lambda _: None,
    on_listed: OnListed = lambda _: None,
    *,
    wall: Wall = clock.wall,
    elapsed: Elapsed = clock.elapsed,
) -> Report:
    """Collects every account once, all at the same time; failures are findings, never raised.

    Sub-accounts that an entry asks for are listed first: `on_listed` is then told the names of all accounts.
    `on_checked` is called for each of them as it comes in.
    """
    notes = _Notes()
    async with Client(notes, wall=wall, elapsed=elapsed, budgets=config.budgets) as client:
        checks = {account.name: _Check(client, notes, account, config) for account in config.accounts}
        wanted = [entry.name for entry in entries(config)]
        lists = await asyncio.gather(*(checks[name].listed() for name in wanted))
        config = expanded(config, dict(zip(wanted, lists, strict=True)))
        if wanted:
            on_listed([account.name for account in config.accounts])
        # The tightest one last.
        shared = sorted(fits(config, discover()), key=lambda fit: fit.needed / fit.allowed)
        budgets = {account.name: budget for fit in shared for account, budget in _shares(fit)}

        async def one(account: AccountConfig) -> tuple[Checked, AccountRisk | None]:
            check_ = checks.get(account.name) or _Check(client, notes, account, config)
            if account.name not in checks and isinstance(account, SubAccounts):
                check_.goes_by(checks[account.entry.name])
            found, risk = await check_.run(budgets.get(account.name))
            on_checked(found)
            return found, risk

        outcomes = await asyncio.gather(*map(one, config.accounts))
    return report([found for found, _ in outcomes], unseen_pegs(config, [risk for _, risk in outcomes]))


def _shares(fit: Fit) -> Iterable[tuple[AccountConfig, Budget]]:
    for account in fit.accounts:
        yield (
            account,
            Budget(
                budget=fit.budget,
                address=fit.address,
                accounts=len(fit.accounts),
                needed=fit.needed,
                allowed=fit.allowed,
                interval_seconds=fit.stretch * account.interval,
            ),
        )


class _Check:
    """The check of one account."""

    def __init__(self, client: Client, notes: _Notes, account: AccountConfig, config: Config) -> None:
        self._client, self._notes = client, notes
        self._account, self._settings = account, config.risk
        self._key = NOT_TOLD
        self._key_known = False
        self._unlisted: VenueError | None = None
        # Adapters word their errors without secrets; this is for the day one of them does not.
        self._redaction = Redaction()
        self._redaction.hide(secret_forms(account))
        self._started = client.pacing.elapsed()

    @cached_property
    def _venue(self) -> AnyVenue:
        return discover()[self._account.exchange](self._account)

    @cached_property
    def _api(self) -> Api:
        return self._client.account(self._venue)

    async def listed(self) -> tuple[Member, ...]:
        """The sub-accounts of this entry; none without a list, and with a key that must not be used."""
        entry = self._account
        assert isinstance(entry, SubAccounts)  # noqa: S101 (the others have none)
        try:
            await self._ask_key()
            venue = discover()[entry.exchange](entry.asked_every(LISTED_EVERY))
            api = self._client.account(venue, only=venue.listing_endpoint)
            try:
                async with deadline.within(entry.timeout) as api.meter.deadline:
                    return tuple(await venue.sub_accounts(api))
            finally:
                api.meter.close()
        except DeadlineError:
            self._unlisted = VenueError("timeout", f"no answer within {entry.timeout:g} s")
        except VenueError as error:
            self._unlisted = error
        except Exception as error:  # noqa: BLE001 (the entry's own account can still be collected)
            self._unlisted = self._defect("sub-accounts cannot be listed", error)
        return ()

    def goes_by(self, entry: _Check) -> None:
        """What the key of the entry may do was asked there."""
        self._key, self._key_known = entry._key, True

    def _defect(self, event: str, error: Exception) -> VenueError:
        log.error(event, exception=self._redaction.clean(format_exception(error)))
        return VenueError("internal", f"defect in the exporter: {type(error).__qualname__}")

    async def run(self, budget: Budget | None) -> tuple[Checked, AccountRisk | None]:
        account, risk = self._account, None
        reason: Reason | None = None
        message = ""
        try:
            risk = await self._collect()
        except VenueError as error:
            reason, message = error.reason, error.message
        except DeadlineError:
            reason, message = "timeout", f"not complete within {account.timeout:g} s"
        except Exception as error:
            log.exception("internal error", account=account.name, exchange=account.exchange)
            reason, message = "internal", f"{type(error).__name__}; the log has the traceback"
        reachable = None if reason == "internal" else reason not in ("timeout", "network")
        accepted = _accepted(reason)
        if reason is None and self._unlisted is not None:
            reason, message = self._unlisted.reason, f"sub-accounts not listed: {self._unlisted.message}"
        found = Checked(
            exchange=account.exchange,
            account=account.name,
            ok=reason is None,
            seconds=self._client.pacing.elapsed() - self._started,
            reachable=reachable,
            key_accepted=accepted,
            key=self._key,
            clock_offset_seconds=self._notes.offsets.get(account.exchange),
            budget=budget,
            reason=reason,
            message=self._redaction.clean(message),
            missed=tuple(map(self._redaction.clean, self._notes.by_account.get(account.name, ()))),
            figures=None if risk is None else figures_of(risk),
        )
        return found, risk

    async def _collect(self) -> AccountRisk:
        venue, api, risk = self._venue, self._api, None
        try:
            await self._ask_key()
            await api.meter.admitted(PATIENCE)
            await self._client.admission.admitted()
            self._started = self._client.pacing.elapsed()
            async with deadline.within(self._account.timeout) as api.meter.deadline:
                snapshot = bounded(await venue.fetch(api))
                assessed = assess(snapshot, self._settings, self._client.wall())
                render(venue.name, self._account.name, assessed)  # what cannot be published is a failure
                risk = assessed
        finally:
            api.meter.settle(complete=risk is not None)
        await api.optional(api.synchronise_clock(self._account.interval))
        return risk

    async def _ask_key(self) -> None:
        """What the key may do; without an answer the check goes on.

        Raises:
            VenueError: reason ``refused``, if it may do what it must not.
        """
        if self._key_known or self._venue.key_endpoint is None:
            if self._key.refused:
                raise VenueError("refused", refusal(self._key.refused))
            return
        self._key_known = True
        rights, failure, at = None, "", None
        try:
            async with deadline.share(self._account.timeout):
                rights = await self._venue.key_rights(self._api)
            at = self._client.wall()
        except DeadlineError:
            failure = "no answer in its share of the time"
        except VenueError as error:
            failure = error.message
        except Exception as error:  # noqa: BLE001 (a defect there is no reason to show nothing)
            failure = self._defect("the key cannot be judged", error).message
        refused = self._account.keys.refused(rights)
        self._key = state_of(rights, refused, answered_at=at, failure=self._redaction.clean(failure))
        if self._key.refused:
            raise VenueError("refused", refusal(self._key.refused))


def _accepted(reason: Reason | None) -> bool | None:
    if reason in (None, "refused"):
        return True
    return False if reason in ("auth", "permission") else None


def unseen_pegs(config: Config, risks: Iterable[AccountRisk | None]) -> str:
    """A remark on pegged coins that no account has, if all could be collected; else nothing."""
    risks = list(risks)
    known = [risk for risk in risks if risk is not None]
    coins = unseen(config.risk.usd_pegs, known) if len(known) == len(risks) else ()
    return f"usd_pegs: no account has {', '.join(coins)}; is it spelled as the venue does?" if coins else ""


def report(found: Sequence[Checked], *remarks: str) -> Report:
    """All findings as one."""
    return Report(
        version=__version__,
        ok=all(one.ok for one in found),
        accounts=tuple(found),
        nearest=_nearest(found),
        remarks=tuple(filter(None, remarks)),
    )


def _nearest(found: Iterable[Checked]) -> Nearest | None:
    positions = [
        (
            position.liquidation_distance_ratio,
            Nearest(exchange=one.exchange, account=one.account, position=position),
        )
        for one in found
        if one.figures is not None
        for position in one.figures.positions[:1]
        if position.liquidation_distance_ratio is not None
    ]
    return min(positions, key=lambda pair: pair[0], default=(None, None))[1]


def text_of(found: Report) -> str:
    """The findings as JSON."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def schema() -> dict[str, Any]:
    """The JSON schema of that."""
    (whole,), parts = msgspec.json.schema_components((Report,), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "risk-exporter check --output=json",
        **whole,
        "$defs": dict(sorted(parts.items())),
    }


@cache
def schema_text() -> bytes:
    """The same, as it is documented."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"
