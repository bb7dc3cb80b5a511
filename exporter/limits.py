"""What venues allow: request limits as adapters declare them, and how much of them the exporter takes.

Pure arithmetic; `exporter.bucket` keeps to it, `exporter.fit` says whether accounts fit into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from exporter.errors import Scope
from exporter.request import Endpoint

DEFAULT_SHARE = 0.5
"""How much of a limit the exporter takes at most; the rest is the desk's."""
RESERVE = 0.1
"""The end of a limit that stays free whoever used the rest, as far as the venue tells what is used."""


STEADY_SHARE = 0.5
"""What calls that are shared by all accounts may take at most, as a part of what is ours."""


class Limit(Struct, frozen=True):
    """So much weight in so many seconds."""

    weight: float
    seconds: float

    @property
    def per_second(self) -> float:
        """The weight a second that this allows in the long run."""
        return self.weight / self.seconds

    @property
    def per_minute(self) -> float:
        """The weight a minute that this allows in the long run."""
        return 60.0 * self.per_second


class RequestBudget(Struct, frozen=True):
    """One request limit of a venue, as its adapter declares it. Calls count by `Endpoint.weight`.

    Venues that declare the same `name` share it.
    """

    name: str
    """What configuration, metrics and documentation call it."""
    limits: tuple[Limit, ...]
    """All of them hold; what the venue tells of its use is about the first."""
    scope: Scope = "address"
    """Whether all accounts behind one address share it, or each account has one."""
    signed: bool | None = None
    """Only signed calls count (True), only public ones (False), or all (None)."""
    each_endpoint: bool = False
    """Whether the venue counts each call's path alone: then each has this limit."""
    paths: tuple[str, ...] = ()
    """Only calls whose paths begin so count; all, if there is none."""

    def counts(self, endpoint: Endpoint) -> bool:
        """Whether a call counts here."""
        named = not self.paths or endpoint.path.startswith(self.paths)
        return named and (self.signed is None or self.signed == endpoint.signed)

    def parts(self, endpoints: Iterable[Endpoint]) -> Mapping[str, tuple[Endpoint, ...]]:
        """Those of `endpoints` that count here, by the name of what they are counted in together."""
        found: dict[str, tuple[Endpoint, ...]] = {}
        for endpoint in endpoints:
            if self.counts(endpoint):
                name = f"{self.name} {endpoint.label}" if self.each_endpoint else self.name
                found[name] = (*found.get(name, ()), endpoint)
        return found


class BudgetSettings(Struct, frozen=True):
    """What the configuration says of one budget."""

    per_minute: float | None = None
    per_second: float | None = None
    """The limit; where one of the two is given, they replace all that the venue declares."""
    share: float = DEFAULT_SHARE
    shards_per_address: int = 1
    """How many exporters divide the share among them."""

    def limits(self, declared: Iterable[Limit]) -> tuple[Limit, ...]:
        """The limits that hold."""
        given = ((self.per_minute, 60.0), (self.per_second, 1.0))
        return tuple(Limit(weight, seconds) for weight, seconds in given if weight is not None) or tuple(
            declared
        )

    @property
    def own_share(self) -> float:
        """The part of the limit that is this exporter's."""
        return self.share / self.shards_per_address

    @property
    def line(self) -> float:
        """The part of the limit up to which requests are sent, whoever used it."""
        return max(1.0 - RESERVE, self.share)


DEFAULT_SETTINGS = BudgetSettings()
NO_SETTINGS: Mapping[str, BudgetSettings] = {}


def stretch(need: float, allowed: float) -> float:
    """How many times longer intervals have to be so that `need` fits into `allowed` (of the same time)."""
    return max(1.0, need / allowed)
