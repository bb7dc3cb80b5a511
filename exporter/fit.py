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

Asking = tuple[AccountConfig, tuple[Endpoint, ...]]
"""An account, and the calls of each of its collections that count in a budget."""


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
    members: dict[tuple[str, Place, str], list[Asking]] = {}
    declared: dict[str, RequestBudget] = {}
    for account in config.accounts:
        venue = venues[account.exchange]
        place = Place.of(account, venue.base_url)
        for budget in venue.budgets:
            owner = account.name if budget.scope == "account" else ""
            for part, endpoints in budget.parts(venue.calls_of(account)).items():
                members.setdefault((part, place, owner), []).append((account, endpoints))
                declared[part] = budget
    return [
        Fit(
            budget=part,
            address=f"account {owner}" if owner else place.label,
            accounts=tuple(account for account, _ in asking),
            needed=60.0 * _needed(asking),
            allowed=60.0
            * (
                _allowed(config, declared[part])
                - _marks(config, part, declared[part], {venues[one.exchange] for one, _ in asking})
            ),
        )
        for (part, place, owner), asking in members.items()
    ]


def _needed(asking: Iterable[Asking]) -> float:
    """Weight a second: what is signed of each account, what is public once for all of a venue."""
    need, shortest = 0.0, dict[tuple[str, Endpoint], float]()
    for account, endpoints in asking:
        need += sum(one.weight for one in endpoints if one.signed) / account.interval
        for call in ((account.exchange, one) for one in endpoints if not one.signed):
            shortest[call] = min(shortest.get(call, account.interval), account.interval)
    return need + sum(one.weight / interval for (_, one), interval in shortest.items())


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
