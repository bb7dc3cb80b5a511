"""What Gate says of API keys.

Source: https://www.gate.com/docs/developers/apiv4/en/#query-all-main-account-key-information
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exporter.model import KeyRights
from exporter.wire import MaybeFlag, Wire


class Permission(Wire):
    name: str = ""
    read_only: MaybeFlag = None


class KeyRow(Wire):
    """A key of the main account."""

    key: str | dict[str, Any] | None = None  # its beginning; an object in newer answers, about the asking key
    perms: list[Permission] | None = None
    ip_whitelist: list[str] | None = None

    def belongs_to(self, api_key: str) -> bool:
        beginning = self.key.rstrip("*") if isinstance(self.key, str) else ""
        return bool(beginning) and api_key.startswith(beginning)

    @property
    def rights(self) -> KeyRights:
        """What the key may do. Nothing is said of withdrawals where no permission is named so."""
        if self.perms is None:
            return KeyRights()
        writes = {one.name.lower() for one in self.perms if one.name and not one.read_only}
        named = {one.name.lower() for one in self.perms if one.name}
        withdrawing = {name for name in named if name.startswith("withdraw")}
        return KeyRights(
            read=bool(named),
            trade=bool(writes - _NOT_TRADING - withdrawing),
            transfer="wallet" in writes,
            withdraw=bool(withdrawing & writes) if withdrawing else None,
            ip_restricted=None if self.ip_whitelist is None else bool(self.ip_whitelist),
        )


_NOT_TRADING = frozenset({"wallet", "account"})


def own_key(found: Sequence[KeyRow], api_key: str) -> KeyRow | None:
    """The row about a key; the only one is, where keys are not told apart."""
    named = [row for row in found if row.belongs_to(api_key)]
    if named:
        return max(named, key=lambda row: len(str(row.key)))
    return found[0] if len(found) == 1 and not isinstance(found[0].key, str) else None
