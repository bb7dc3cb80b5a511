"""How much of a venue's answer is believed: beyond it, one account would take the page from the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.errors import VenueError
from exporter.model import AccountSnapshot

MOST_CHARACTERS = 64
"""Of a name: a symbol, a coin, the id of a position. The longest that any venue uses, options included, have
about 36."""
MOST_ROWS = 2000
"""Positions of an account, and as many pools and coins: some 15,000 series, and half a second of work."""

_SHOWN = 16


def bounded(snapshot: AccountSnapshot) -> AccountSnapshot:
    """The snapshot, if it is within bounds.

    Raises:
        VenueError: reason ``schema``; the text says what there is too much of, and how much.
    """
    rows = {"positions": snapshot.positions, "pools": snapshot.pools, "coins": snapshot.assets}
    for kind, found in rows.items():
        if len(found) > MOST_ROWS:
            text = f"the venue gives {len(found)} {kind}; more than {MOST_ROWS} are not read"
            raise VenueError("schema", text)
    for kind, names in _names(snapshot):
        for name in names:
            if len(name) > MOST_CHARACTERS:
                raise VenueError(
                    "schema",
                    f"the {kind} that begins with {name[:_SHOWN]!r} has {len(name)} characters; "
                    f"more than {MOST_CHARACTERS} are no name",
                )
    return snapshot


def _names(snapshot: AccountSnapshot) -> Iterator[tuple[str, Iterable[str]]]:
    for position in snapshot.positions:
        contract = position.contract
        yield "symbol", (position.symbol,)
        yield "coin", (contract.base, contract.quote, contract.settle, position.pool_currency or "")
        yield "id of a position", (position.position_id,)
    for pool in snapshot.pools:
        yield "coin", (pool.currency, pool.name)
    for asset in snapshot.assets:
        yield "coin", (asset.asset, asset.pool_currency)
    for mode, value in snapshot.modes.items():
        yield "mode", (mode, value)
