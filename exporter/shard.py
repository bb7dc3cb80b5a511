"""Several exporters share the accounts of one file: which of them each one takes.

Rendezvous hashing: every shard draws a number for an account's name, and the highest draw takes it. The draws
of the others do not change when one is added, so that only the accounts move that it wins: one in N.
"""

from __future__ import annotations

import re
from hashlib import blake2b

from msgspec import Struct
from msgspec.structs import replace

from exporter.config import Config

MOST = 1000
"""Shards: for every account a draw is made for each."""

_WRITTEN = re.compile(r"(\d{1,5})/(\d{1,5})")
_ORDINAL = re.compile(r"(?:^|-)(\d{1,5})$")


class ShardError(ValueError):
    """What was given names no shard; the text says why."""


class Shard(Struct, frozen=True):
    """One of several exporters."""

    index: int
    """From 0."""
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def takes(self, account: str) -> bool:
        """Whether the account with this name is this one's."""
        return max(range(self.count), key=lambda index: _draw(index, account)) == self.index


def _draw(index: int, account: str) -> bytes:
    return blake2b(f"{index}:{account}".encode(), digest_size=8).digest()


def part_of(config: Config, shard: Shard) -> Config:
    """The configuration with the accounts of one shard alone."""
    own = tuple(account for account in config.accounts if shard.takes(account.name))
    return replace(config, accounts=own, whole=config.fingerprint())


def shard_of(text: str, *, shards: int | None, host: str) -> Shard:
    """The shard that ``I/N`` or ``auto`` means.

    Args:
        text: ``0/3`` is the first of three; ``auto`` takes the number at the end of `host`.
        shards: How many there are, for ``auto``.
        host: The name of this machine or pod, such as ``risk-exporter-0``.

    Raises:
        ShardError: if it means none.
    """
    if text == "auto":
        ordinal = _ORDINAL.search(host)
        if ordinal is None:
            raise ShardError(
                f"the name {host!r} does not end in a number, as that of a pod of a StatefulSet does"
            )
        if shards is None:
            raise ShardError("`auto` needs the number of shards: --shards, or RISK_EXPORTER_SHARDS")
        return _checked(int(ordinal[1]), shards)
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise ShardError("expected I/N, such as 0/3 for the first of three, or auto")
    found = _checked(int(written[1]), int(written[2]))
    if shards not in {None, found.count}:
        raise ShardError(f"{text} contradicts the number of shards, {shards}")
    return found


def _checked(index: int, count: int) -> Shard:
    if not 1 <= count <= MOST:
        raise ShardError(f"there can be 1 to {MOST} shards, not {count}")
    if index >= count:
        raise ShardError(f"of {count} shards the last is {count - 1}/{count}: they are counted from 0")
    return Shard(index, count)
