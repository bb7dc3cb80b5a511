"""What a venue's adapter is: one module that says how to sign, what to ask, and what the answers mean.

An adapter is a subclass of `Venue` in a module of this package, or in somebody else's package under the
entry-point group ``risk_exporter.venues``. Its ``fetch`` asks through `exporter.api.Api` and hands the
decoded messages to pure parse functions beside it; it never opens a connection of its own. Below the class
stands what most adapters need. ``docs/new-venue.md`` writes one step by step.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import ClassVar, Generic, Protocol, TypeVar
from urllib.parse import urlencode

import msgspec

from exporter.account import AccountConfig, Member
from exporter.alike import Tables
from exporter.answers import A_DAY, RARELY
from exporter.api import Api
from exporter.errors import VenueError
from exporter.limits import RequestBudget
from exporter.model import RIGHTS, AccountSnapshot, KeyRights, MaintenanceTier, MarginPool, Marks, Position
from exporter.refusals import Envelope, Refusal, Refusals, http_error, retry_after
from exporter.request import Endpoint, Request, Response, SignedRequest
from exporter.session import Session
from exporter.tasks import Ready, then
from exporter.wire import Wire

__all__ = [
    "Answer",
    "CoinRow",
    "Envelope",
    "Refusal",
    "Refusals",
    "Venue",
    "any_of",
    "ascending_tiers",
    "contracts_by_symbol",
    "funding_by_symbol",
    "http_error",
    "less",
    "nothing_less",
    "pools_by_coin",
    "position_ids",
    "retry_after",
    "said_of_key",
    "schema_error",
    "sum_of",
    "told",
]

ConfigT = TypeVar("ConfigT", bound=AccountConfig)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


# A rate of funding is an average over hours.
_FUNDING_MAX_AGE = 900.0
_FUNDING_MAX_AGE_WHEN_DUE = 60.0
# A contract may be listed within the hour; a symbol that is not listed must not cost a request each time.
_NEW_CONTRACTS_AFTER = 60.0


class Answer(Wire, Generic[T]):
    """The envelope of a success, where its content stands under ``data``."""

    data: T


class Venue(ABC, Generic[ConfigT]):
    """One account at one venue."""

    name: ClassVar[str]
    """The `exchange` value in the configuration and in every label."""
    title: ClassVar[str]
    """For people."""
    documentation: ClassVar[str]
    """URL of the venue's API documentation."""
    config_class: ClassVar[type[AccountConfig]]
    base_url: ClassVar[str | None]
    """The venue's own host; None where the configuration must name one."""
    endpoints: ClassVar[tuple[Endpoint, ...]]
    """Every call `fetch`, `server_time` and `open_session` may make."""
    refusals: ClassVar[Refusals] = Refusals()
    """What the venue's failures mean."""
    unread: ClassVar[Mapping[Endpoint, Mapping[str, str]]] = {}
    """The numbers of documented answers that feed no metric: for each endpoint, reason to field names.

    Names are separated by spaces; each is the end of a path such as ``assets[].walletBalance``. A test
    moves every number of every documented answer and holds what it sees against this.
    """
    budgets: ClassVar[tuple[RequestBudget, ...]] = ()
    """The venue's request limits. A ban shuts out whoever shares the first."""
    each_collection: ClassVar[tuple[Endpoint, ...]] = ()
    """The calls of every collection, not kept from one to the next: a first guess of what accounts take.

    What they really take is measured.
    """
    marks_endpoint: ClassVar[Endpoint | None] = None
    """The public call whose one answer has the mark prices of all symbols; None where there is none.

    One of `endpoints`. A venue that declares it has `marks`.
    """
    listing_endpoint: ClassVar[Endpoint | None] = None
    """The call that lists the sub-accounts of an account; None where there is none. One of `endpoints`.

    A venue that declares it has `sub_accounts`, and a `config_class` that is a `SubAccounts`.
    """
    key_endpoint: ClassVar[Endpoint | None] = None
    """The call that says what the account's key may do; None where there is none.

    One of `endpoints`. A venue that declares it has `key_rights`. `Endpoint.apart` where it is asked for
    nothing else: then a limit that it meets costs the account no data.
    """
    note: ClassVar[str] = ""
    """For the documentation, Markdown: first a sentence for who configures the venue, such as that it is
    discontinued; then what its rate contains, by what it liquidates, what is assumed and not told."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must not be in the words of a failure; looked up with every answer."""
        return self.config.secrets()

    @classmethod
    def check(cls, config: ConfigT) -> str | None:  # noqa: ARG003 (for subclasses)
        """Why this configuration cannot work here, in one sentence, or None. Called at start; no I/O."""
        return None

    @classmethod
    def calls_of(cls, config: ConfigT) -> tuple[Endpoint, ...]:  # noqa: ARG003 (for subclasses)
        """The `each_collection` of one account, where it is not that of all: of a sub-account, say."""
        return cls.each_collection or cls.endpoints

    @abstractmethod
    async def fetch(self, api: Api) -> AccountSnapshot:
        """Ask the venue and return what it said.

        Raises:
            VenueError: with the reason.
        """

    async def marks(self, api: Api) -> Marks:
        """What `marks_endpoint` says: every mark price that there is, and what collateral is valued at.

        Raises:
            VenueError: with the reason.
        """
        raise NotImplementedError(f"{self.name} declares no call for mark prices")

    async def sub_accounts(self, api: Api) -> Sequence[Member]:
        """The accounts below this one; asked for if its configuration, a `SubAccounts`, wants them.

        Each is then an account with the configuration of this one and a `handle`, by which `fetch` asks for
        it. What the venue tells of all in one answer is asked for by `Api.family_cached`.

        Raises:
            VenueError: with the reason.
        """
        raise NotImplementedError(f"{self.name} lists no sub-accounts")

    async def key_rights(self, api: Api) -> KeyRights:
        """What `key_endpoint` says: what the key of the account may do. Asked at start and once a day.

        What the venue does not say in so many words is None. A failure costs the account nothing.

        Raises:
            VenueError: with the reason.
        """
        raise NotImplementedError(f"{self.name} declares no call for what a key may do")

    def sign(self, request: Request) -> SignedRequest:
        """What to send. The default is unsigned. Pure: time and token come in with the request."""
        return SignedRequest(query=urlencode(request.params), body=request.body)

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:
        """The failure this answer reports, or None if it is a success: what `refusals` say.

        The HTTP client puts venue and endpoint in front of the text.
        """
        return self.refusals.read(response, self.secrets, signed=endpoint.signed)

    async def server_time(self, api: Api) -> float | None:  # noqa: ARG002
        """The venue's clock in Unix seconds; None if it cannot be asked."""
        return None

    async def open_session(self, api: Api) -> Session | None:  # noqa: ARG002
        """A session, at a venue that gives a token for the credentials; None where there are none.

        Called before the first signed request, again when `renew_at` has come, and once when a request is
        refused for its key. The token is in every `Request` that `sign` gets. What is asked here must be an
        endpoint that is not signed.
        """
        return None

    async def table(self, api: Api, endpoint: Endpoint, tables: Tables[T]) -> Mapping[str, T]:
        """A large answer that is alike for many accounts: its rows by name, each kept once for all of them.

        Raises:
            VenueError: see `exporter.errors.Reason`.
        """
        return tables.read((await api.request(endpoint)).body, self.place(endpoint))

    def place(self, endpoint: Endpoint) -> str:
        """How a call is named in errors."""
        return f"{self.name} {endpoint.method} {endpoint.label}"

    def weight_used(self, response: Response) -> float | None:  # noqa: ARG002
        """What everybody used in the present window of the first budget, if this answer tells it."""
        return None


def schema_error(endpoint: Endpoint, text: str) -> VenueError:
    """The failure of an answer that contradicts the venue's documentation; `text` names the field."""
    return VenueError("schema", f"{endpoint.method} {endpoint.label}: {text}")


class CoinRow(Protocol):
    """A venue's row about one coin of collateral."""

    @property
    def coin(self) -> str: ...
    @property
    def holds(self) -> bool: ...


RowT = TypeVar("RowT", bound=CoinRow)


def pools_by_coin(
    rows: Iterable[RowT],
    positions: Sequence[Position],
    pool: Callable[[RowT, list[Position]], MarginPool],
    *,
    home: str = "",
) -> tuple[MarginPool, ...]:
    """The pools of a venue at which every coin backs its own positions.

    One for each coin that is held or traded in; for an empty account that of the coin `home` (else its
    first row), with its 0. A coin that positions are settled in and no row is about becomes a pool of which
    nothing is known, so that its positions are shown.
    """
    rows = list(rows)
    of_coin: dict[str, list[Position]] = {}
    for position in positions:
        of_coin.setdefault(position.contract.settle, []).append(position)
    kept = [row for row in rows if row.holds or row.coin in of_coin]
    if not kept:
        kept = [row for row in rows if row.coin == home][:1] or rows[:1]
    listed = {row.coin for row in rows}
    return (
        *(pool(row, of_coin.get(row.coin, [])) for row in kept),
        *(MarginPool(currency=coin) for coin in of_coin if coin not in listed),
    )


def told(amount: float | None, positions: Iterable[Position]) -> float | None:
    """A pool's requirement; 0 beside positions it backs is a placeholder, or older than they are: unknown."""
    drawn_on = any(one.margin_mode == "cross" or one.auto_add_margin for one in positions)
    return None if amount == 0.0 and drawn_on else amount


def any_of(needed: Iterable[bool | None], *further: bool | None) -> bool | None:
    """Whether a key has one of several rights; None where none is told, and one that is `needed` is not."""
    needed = tuple(needed)
    if True in needed or True in further:
        return True
    return None if None in needed else False


def said_of_key(rights: KeyRights, where: str) -> KeyRights:
    """What a key may do, if an answer says anything of it: one that does not is none.

    Raises:
        VenueError: reason ``schema``; the text names `where` (venue and endpoint).
    """
    if all(rights.may(right) is None for right in RIGHTS):
        raise VenueError("schema", f"{where}: the answer says nothing of what the key may do")
    return rights


def nothing_less(amount: float | None) -> float | None:
    """What may be moved out: a venue that counts less than nothing lets nothing out."""
    return None if amount is None else max(amount, 0.0)


def sum_of(*amounts: float | None) -> float | None:
    """The sum; None where one of the amounts is not known."""
    known = [amount for amount in amounts if amount is not None]
    return math.fsum(known) if len(known) == len(amounts) else None


def less(amount: float | None, part: float | None) -> float | None:
    """An amount without a part of it; None where one of the two is not known."""
    return None if amount is None or part is None else amount - part


def funding_by_symbol(
    api: Api,
    ask: Callable[[Api], Awaitable[Mapping[str, T]]],
    symbols: Iterable[str],
    due: Callable[[T], float | None],
    *,
    name: str = "",
) -> Awaitable[Mapping[str, T]]:
    """What one public answer says of the funding of every symbol; asked anew once it has taken place.

    Args:
        api: Of the account.
        ask: Asks for it.
        symbols: Those of its positions: what is due for others is of no interest.
        due: When the next funding of a symbol takes place, Unix seconds.
        name: Tells answers of one function apart.
    """

    def unless_due(kept: Mapping[str, T]) -> Awaitable[Mapping[str, T]]:
        now = api.now()
        moments = (due(item) for symbol in symbols if (item := kept.get(symbol)) is not None)
        if any(moment is not None and moment <= now for moment in moments):
            return api.venue_cached(ask, _FUNDING_MAX_AGE_WHEN_DUE, name=name)
        return Ready(kept)

    return then(api.venue_cached(ask, _FUNDING_MAX_AGE, name=name), unless_due)


def contracts_by_symbol(
    api: Api,
    ask: Callable[[Api], Awaitable[Mapping[str, T]]],
    symbols: Iterable[str],
    *,
    name: str = "",
) -> Awaitable[Mapping[str, T]]:
    """What one public answer lists, kept for an hour; asked anew where it does not know one of `symbols`.

    Args:
        api: Of the account.
        ask: Asks for it.
        symbols: Those of its positions.
        name: Tells answers of one function apart.
    """

    def unless_new(known: Mapping[str, T]) -> Awaitable[Mapping[str, T]]:
        if all(symbol in known for symbol in symbols):
            return Ready(known)
        return api.optional(api.venue_cached(ask, _NEW_CONTRACTS_AFTER, name=name), known)

    return then(api.venue_cached(ask, RARELY, grace=A_DAY, name=name), unless_new)


def ascending_tiers(tiers: Iterable[MaintenanceTier]) -> tuple[MaintenanceTier, ...]:
    """A symbol's schedule in ascending order; the last tier is open.

    Nobody lends for nothing: with a tier that requires nothing, the schedule is one that is not told.
    Accounts behind many addresses ask for the same schedules; each is kept once.
    """
    found = sorted(tiers, key=lambda tier: tier.floor)
    # A negative deduction is a fixed amount.
    if any(tier.rate < 0.0 or (tier.rate == 0.0 and tier.deduction >= 0.0) for tier in found):
        return ()
    if found:
        found[-1] = msgspec.structs.replace(found[-1], cap=math.inf)
    return _kept_once(tuple(found))


@lru_cache(maxsize=4096)  # hundreds of symbols a venue
def _kept_once(tiers: tuple[MaintenanceTier, ...]) -> tuple[MaintenanceTier, ...]:
    return tiers


def position_ids(
    keys: Sequence[Hashable], field: str, ids: Iterable[str | int | None], endpoint: Endpoint
) -> list[str]:
    """The identity of each position, empty where its labels (`keys`) identify it.

    An id that is always given would change the labels with every position. `field` is where the venue gives
    the `ids`.

    Raises:
        VenueError: reason ``schema``, if positions cannot be told apart.
    """
    count = Counter(keys)
    found = [str(one or "") if count[key] > 1 else "" for key, one in zip(keys, ids, strict=True)]
    if len(set(zip(keys, found, strict=True))) < len(found):
        raise schema_error(
            endpoint, f"`{field}` does not tell positions of one symbol, side and margin mode apart"
        )
    return found
