"""Whether the configured accounts fit into the request limits of their venues, in numbers. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from exporter.account import AccountConfig
from exporter.config import Config
from exporter.limits import DEFAULT_SETTINGS, STEADY_SHARE, RequestBudget, stretch
from exporter.pacing import Place
from exporter.request import Endpoint
from exporter.venues import AnyVenue


class Fit(Struct, frozen=True, kw_only=True):
    """What the accounts of one address need of one budget, and what of it is the exporter's."""

    budget: str
    address: str
    accounts: tuple[AccountConfig, ...]
    needed: float
    """Weight a minute at the configured intervals: a first guess, by what the venues declare."""
    allowed: float
    """Weight a minute."""

    @property
    def stretch(self) -> float:
        """How many times longer all intervals get."""
        return stretch(self.needed, self.allowed)

    @property
    def interval(self) -> float:
        """The interval of most of these accounts, in seconds."""
        return Counter(account.interval for account in self.accounts).most_common(1)[0][0]

    def __str__(self) -> str:
        count = len(self.accounts)
        who = "1 account needs" if count == 1 else f"{count:,} accounts need"
        return (
            f"{self.budget} ({self.address}): {who} {self.needed:,.0f} of {self.allowed:,.0f} a minute: "
            f"{_seconds(self.stretch * self.interval)} instead of {_seconds(self.interval)}"
        )

    @property
    def short_lived(self) -> int:
        """Accounts whose data are too old before the next ones come."""
        return sum(
            account.age_limit_at(self.stretch * account.interval) < self.stretch * account.interval
            for account in self.accounts
        )


def misfits(config: Config, venues: Mapping[str, type[AnyVenue]]) -> list[Fit]:
    """The budgets that are too small for the accounts that share them."""
    return [fit for fit in fits(config, venues) if fit.stretch > 1.0]


def remarks(found: Iterable[Fit]) -> Iterator[str]:
    """What a person should know of budgets that are too small, line by line."""
    for fit in found:
        yield str(fit)
        if fit.short_lived:
            yield (
                f"  data of {fit.short_lived:,} of them get too old between two collections (`max_age`) and "
                "are absent meanwhile"
            )
        yield "  a longer `interval`, a larger `share` of the budget or further addresses (`proxy`) help"


def fits(config: Config, venues: Mapping[str, type[AnyVenue]]) -> list[Fit]:
    """Every budget with the accounts that share it."""
    members: dict[tuple[str, Place, str], list[AccountConfig]] = {}
    declared: dict[str, tuple[RequestBudget, dict[str, tuple[Endpoint, ...]]]] = {}
    for account in config.accounts:
        venue = venues[account.exchange]
        place = Place.of(account, venue.base_url)
        for budget in venue.budgets:
            owner = account.name if budget.scope == "account" else ""
            for part, endpoints in budget.parts(venue.each_collection or venue.endpoints).items():
                members.setdefault((part, place, owner), []).append(account)
                declared.setdefault(part, (budget, {}))[1][venue.name] = endpoints
    return [
        Fit(
            budget=part,
            address=f"account {owner}" if owner else place.label,
            accounts=tuple(accounts),
            needed=60.0 * _needed(accounts, declared[part][1]),
            allowed=60.0
            * (
                _allowed(config, declared[part][0])
                - _marks(config, part, declared[part][0], {venues[one.exchange] for one in accounts})
            ),
        )
        for (part, place, owner), accounts in members.items()
    ]


def _needed(accounts: Iterable[AccountConfig], endpoints: Mapping[str, tuple[Endpoint, ...]]) -> float:
    """Weight a second: what is signed of each account, what is public once for all of a venue."""
    need, shortest = 0.0, dict[str, float]()
    for account in accounts:
        need += sum(one.weight for one in endpoints[account.exchange] if one.signed) / account.interval
        known = shortest.get(account.exchange, account.interval)
        shortest[account.exchange] = min(known, account.interval)
    return need + sum(
        sum(one.weight for one in endpoints[exchange] if not one.signed) / interval
        for exchange, interval in shortest.items()
    )


def _allowed(config: Config, budget: RequestBudget) -> float:
    """Weight a second."""
    settings = config.budgets.get(budget.name, DEFAULT_SETTINGS)
    return min(limit.per_second for limit in settings.limits(budget.limits)) * settings.own_share


def _marks(config: Config, part: str, budget: RequestBudget, venues: Iterable[type[AnyVenue]]) -> float:
    """Weight a second of the calls for marks, which are made whatever the accounts need."""
    calls = (venue.marks_endpoint for venue in venues) if config.marks_interval else ()
    weight = sum(call.weight for call in calls if call is not None and part in budget.parts((call,)))
    return min(weight / (config.marks_interval or 1.0), STEADY_SHARE * _allowed(config, budget))


def _seconds(value: float) -> str:
    return f"{value:,.0f} s" if value >= 10.0 else f"{value:.2g} s"
