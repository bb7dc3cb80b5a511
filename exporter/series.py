"""What the exporter says of one account, as text that is made anew where it changes.

prometheus-client makes the text of every sample at every scrape; with thousands of accounts that costs more
than all their positions.
"""

from __future__ import annotations

from collections.abc import Iterable

from exporter import catalogue
from exporter.desk import AccountLabels, AccountLimits
from exporter.errors import REASONS, Reason
from exporter.exposition import labelled, number
from exporter.family import Family
from exporter.model import RIGHTS, KeyRights

FAMILIES: tuple[Family, ...] = (
    catalogue.UP,
    catalogue.OWNER_INFO,
    catalogue.LIMIT,
    catalogue.KEY_PERMISSION,
    catalogue.KEY_IP_RESTRICTED,
    catalogue.KEY_EXPIRY,
    catalogue.LAST_SUCCESS,
    catalogue.INTERVAL,
    catalogue.MAX_AGE,
    catalogue.EFFECTIVE_INTERVAL,
    catalogue.NEXT_ATTEMPT,
    catalogue.RUNS,
    catalogue.ERRORS,
    catalogue.OPTIONAL_ERRORS,
    catalogue.SKIPPED_RUNS,
)
_PLACES = {family.name: place for place, family in enumerate(FAMILIES)}


class Series:
    """The samples of one account, family by family: not up at first, every counter at 0."""

    __slots__ = ("_counts", "_errors", "_labels", "chunks")

    def __init__(self, exchange: str, account: str) -> None:
        self.chunks = [b""] * len(FAMILIES)
        """In the order of `FAMILIES`. Each is replaced as a whole, so that a page in another thread can be
        made of them."""
        self._labels = labelled((("account", account), ("exchange", exchange)))
        self._counts = [0] * len(FAMILIES)
        self._errors = dict.fromkeys(REASONS, 0)
        self.set(catalogue.UP, 0.0)
        for counter in (catalogue.RUNS, catalogue.OPTIONAL_ERRORS, catalogue.SKIPPED_RUNS):
            self.set(counter, 0.0)
        self._show_errors()

    def desk(self, labels: AccountLabels, limits: AccountLimits) -> None:
        """Whose the account is, and when somebody is told."""
        owner = self._line(catalogue.OWNER_INFO, 1.0, labelled(labels))
        self.chunks[_PLACES[catalogue.OWNER_INFO.name]] = owner.encode()
        told = (
            self._line(catalogue.LIMIT, value, labelled((("limit", name), ("severity", severity))))
            for name, severity, value in limits.values()
        )
        self.chunks[_PLACES[catalogue.LIMIT.name]] = "".join(told).encode()

    def key(self, rights: KeyRights | None) -> None:
        """What the account's key may do; no sample of what is not known."""
        known = KeyRights() if rights is None else rights
        may = [(right, known.may(right)) for right in RIGHTS]
        self._show(catalogue.KEY_PERMISSION, [(f'permission="{right}"', value) for right, value in may])
        self._show(catalogue.KEY_IP_RESTRICTED, [("", known.ip_restricted)])
        self._show(catalogue.KEY_EXPIRY, [("", known.expires_at)])

    def _show(self, family: Family, samples: Iterable[tuple[str, float | None]]) -> None:
        lines = (self._line(family, float(value), more) for more, value in samples if value is not None)
        self.chunks[_PLACES[family.name]] = "".join(lines).encode()

    def set(self, family: Family, value: float, reason: Reason | None = None) -> None:
        """The only sample of a family, in place of what was there."""
        more = "" if reason is None else f'reason="{reason}"'
        self.chunks[_PLACES[family.name]] = self._line(family, value, more).encode()

    def clear(self, family: Family) -> None:
        """No sample of a family."""
        self.chunks[_PLACES[family.name]] = b""

    def count(self, family: Family) -> None:
        """One more."""
        place = _PLACES[family.name]
        self._counts[place] += 1
        self.set(family, self._counts[place])

    def failed(self, reason: Reason) -> None:
        """One more failed collection."""
        self._errors[reason] += 1
        self._show_errors()

    def _show_errors(self) -> None:
        lines = [
            self._line(catalogue.ERRORS, count, f'reason="{reason}"')
            for reason, count in self._errors.items()
        ]
        self.chunks[_PLACES[catalogue.ERRORS.name]] = "".join(lines).encode()

    def _line(self, family: Family, value: float, more: str = "") -> str:
        labels = f"{self._labels},{more}" if more else self._labels
        return f"{family.name}{{{labels}}} {number(value)}\n"
