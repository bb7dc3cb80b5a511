"""Passwords of callers: checked by bcrypt once, and remembered without being kept.

bcrypt takes a tenth of a second of a processor, on purpose. A scrape must not cost that each time, a flood of
wrong passwords must not take it from the collections, and how long an answer takes must not tell which users
there are.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from hashlib import blake2b

import bcrypt
from msgspec import Struct

from exporter.tasks import in_thread

COST = 10
"""Of new hashes: 2 to the power of it rounds, about 0.1 s."""
MOST_REMEMBERED = 100
"""Outcomes of each kind, right and wrong."""
MOST_WAITING = 16
"""Checks under way and waiting, of all callers."""
MOST_WAITING_EACH = 4
"""Of one address: a flood from there leaves room for others."""
LONGEST_REST = 1.0
"""Seconds. Between checks there is a rest as long as the check: they take half a processor at most."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_MOST_BYTES = 72
"""What bcrypt looks at; what is beyond has never counted."""


class BusyError(Exception):
    """Too many passwords are being checked already."""


class Credentials(Struct, frozen=True):
    """What a caller says of himself."""

    name: bytes
    password: bytes


def hashed(password: str) -> str:
    """The hash that stands for `password` in a file.

    Raises:
        ValueError: if bcrypt would look at a part of it only, or there is none.
    """
    text = password.encode()
    if not text:
        raise ValueError("the password is empty")
    if len(text) > _MOST_BYTES:
        raise ValueError(f"the password has more than {_MOST_BYTES} bytes, of which bcrypt counts no more")
    return bcrypt.hashpw(text, bcrypt.gensalt(COST)).decode()


@lru_cache(maxsize=1 << 10)  # the file is looked at every second, and bcrypt takes a millisecond for each
def cost(text: str) -> int | None:
    """Two to the power of which are the rounds of a hash; None if it is none."""
    match = _HASH.fullmatch(text)
    if match is None:
        return None
    try:
        bcrypt.hashpw(b"", f"$2b$04${text[7:29]}".encode())
    except ValueError:  # the last letter of the salt stands for fewer bits than the others
        return None
    return int(match["cost"])


def credentials(header: str | None) -> Credentials | None:
    """What an Authorization header says; None if it is not one of Basic authentication."""
    scheme, _, text = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return Credentials(name, password) if colon else None


class Users:
    """Who may come in, and for everybody else a hash that fits nothing.

    A name that is not here is checked against the hash of nobody, made as expensive as that of one of those
    who are here, and for one name always the same: it takes as long as a wrong password does.

    Args:
        hashes: Name to bcrypt hash.
    """

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): text.encode() for name, text in hashes.items()}
        self._nobodies = [bcrypt.gensalt(cost(text) or COST) + b"." * 31 for text in hashes.values()]
        self._salt = os.urandom(32)

    def hash_of(self, name: bytes) -> tuple[bytes, bool]:
        """What a password is compared with, and whether there is such a user."""
        number = int.from_bytes(blake2b(name, key=self._salt, digest_size=8).digest(), "big")
        nobody = self._nobodies[number % len(self._nobodies)]
        return self._hashes.get(name, nobody), name in self._hashes


class Checker:
    """Checks passwords in another thread, one at a time, and remembers how it went.

    What is remembered is a hash with a key that is made at start and kept nowhere: neither a password nor
    anything to guess it by, beyond what the process has in memory anyway while it answers.

    Args:
        compare: Whether a password fits a hash; called in another thread.
        rest: How long nothing is checked after something was, in seconds, by how long that took.
    """

    def __init__(
        self,
        compare: Callable[[bytes, bytes], bool] = bcrypt.checkpw,
        *,
        rest: Callable[[float], float] = lambda seconds: min(seconds, LONGEST_REST),
    ) -> None:
        self._compare = compare
        self._rest = rest
        self._key = os.urandom(32)
        self._right: dict[bytes, None] = {}
        self._wrong: dict[bytes, None] = {}
        self._under_way: dict[bytes, asyncio.Task[bool]] = {}
        self._callers: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    async def admits(self, users: Users, said: Credentials, caller: str) -> bool:
        """Whether these are the credentials of one of the users.

        `caller` is where they come from: the checks of each are counted.

        Raises:
            BusyError: if too much is being checked already.
        """
        against, known = users.hash_of(said.name)
        outcome = self._mark(said, against)
        if outcome in self._right:
            return known
        if outcome in self._wrong:
            return False
        task = self._under_way.get(outcome)
        if task is None:
            if len(self._under_way) >= MOST_WAITING or self._callers[caller] >= MOST_WAITING_EACH:
                raise BusyError
            self._callers[caller] += 1
            task = asyncio.ensure_future(self._check(outcome, said.password, against))
            self._under_way[outcome] = task
            task.add_done_callback(partial(self._done, outcome, caller))
        # Shielded: one who gives up must not take the outcome away from those who ask for the same.
        return await asyncio.shield(task) and known

    async def close(self) -> None:
        """Checks nothing more."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _mark(self, said: Credentials, against: bytes) -> bytes:
        mark = blake2b(key=self._key, digest_size=32)
        for part in (said.name, against, said.password):
            mark.update(len(part).to_bytes(8, "big"))
            mark.update(part)
        return mark.digest()

    async def _check(self, outcome: bytes, password: bytes, against: bytes) -> bool:
        await self._turn.acquire()
        began = time.monotonic()
        try:
            right = await in_thread(lambda: self._fits(password, against))
        finally:
            rest = self._rest(time.monotonic() - began)
            asyncio.get_running_loop().call_later(rest, self._turn.release)
        remembered = self._right if right else self._wrong
        if len(remembered) >= MOST_REMEMBERED:
            del remembered[next(iter(remembered))]
        remembered[outcome] = None
        return right

    def _fits(self, password: bytes, against: bytes) -> bool:
        try:
            return self._compare(password[:_MOST_BYTES], against)
        except ValueError:
            return False

    def _done(self, outcome: bytes, caller: str, task: asyncio.Task[bool]) -> None:
        del self._under_way[outcome]
        self._callers[caller] -= 1
        if not self._callers[caller]:
            del self._callers[caller]
        if not task.cancelled():
            task.exception()  # marks it as seen: those who waited may all have gone
