"""Passwords: what is checked, how often bcrypt runs for it, and that nothing tells which users there are."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator

import bcrypt
import pytest

from exporter.locks import passwords
from exporter.locks.passwords import (
    MOST_REMEMBERED,
    MOST_WAITING,
    MOST_WAITING_EACH,
    BusyError,
    Checker,
    Credentials,
    Users,
    cost,
    credentials,
    hashed,
)

CHEAP = {4: bcrypt.hashpw(b"right", bcrypt.gensalt(4)), 5: bcrypt.hashpw(b"right", bcrypt.gensalt(5))}


def users(**costs: int) -> Users:
    """Each with the password `right`, whose hash has that cost."""
    return Users({name: CHEAP[number].decode() for name, number in costs.items()})


class Counted:
    """A bcrypt that counts, and can be held up."""

    def __init__(self) -> None:
        self.costs: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.under_way = self.most = 0
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self, password: bytes, against: bytes) -> bool:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.costs.append(int(against[4:6]))
        self.threads.add(threading.current_thread())
        assert self.may_end.wait(10)
        self.under_way -= 1
        return bcrypt.checkpw(password, against)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
async def checker(counted: Counted) -> AsyncIterator[Checker]:
    made = Checker(counted, rest=lambda _: 0.0)
    yield made
    counted.may_end.set()
    await made.close()


def said(name: str, password: str = "right") -> Credentials:
    return Credentials(name.encode(), password.encode())


async def test_bcrypt_runs_once_for_the_same_credentials_right_or_wrong(
    checker: Checker, counted: Counted
) -> None:
    known = users(alice=4)
    for _ in range(3):
        assert await checker.admits(known, said("alice"), "a")
        assert not await checker.admits(known, said("alice", "wrong"), "a")
        assert not await checker.admits(known, said("mallory"), "a")
    assert counted.costs == [4, 4, 4]
    assert threading.main_thread() not in counted.threads


async def test_a_changed_password_is_checked_anew(checker: Checker, counted: Counted) -> None:
    assert await checker.admits(users(alice=4), said("alice"), "a")
    changed = Users({"alice": bcrypt.hashpw(b"other", bcrypt.gensalt(4)).decode()})
    assert not await checker.admits(changed, said("alice"), "a")
    assert await checker.admits(changed, said("alice", "other"), "a")
    assert len(counted.costs) == 3


async def test_an_unknown_name_costs_what_a_wrong_password_costs(checker: Checker, counted: Counted) -> None:
    """As often and as expensively; names that nobody has are as expensive as those of the users, mixed."""
    known = users(alice=4, bob=5)
    assert not await checker.admits(known, said("alice", "wrong"), "a")
    assert not await checker.admits(known, said("bob", "wrong"), "a")
    assert counted.costs == [4, 5]
    counted.costs.clear()
    names = [f"nobody-{number}" for number in range(60)]
    for name in names:
        assert not await checker.admits(known, said(name), "a")
    assert len(counted.costs) == 60  # and each has the cost of one of the users
    assert set(counted.costs) == {4, 5}
    before = dict(zip(names, counted.costs, strict=True))
    counted.costs.clear()
    for name in names:
        await checker.admits(known, said(name, "once more"), "a")
    assert dict(zip(names, counted.costs, strict=True)) == before  # asked twice, it tells nothing either


async def test_a_flood_of_wrong_passwords_forgets_no_right_one(checker: Checker, counted: Counted) -> None:
    known = users(alice=4)
    assert await checker.admits(known, said("alice"), "a")
    for number in range(MOST_REMEMBERED + 20):
        await checker.admits(known, said("alice", str(number)), "a")
    counted.costs.clear()
    assert await checker.admits(known, said("alice"), "a")
    assert counted.costs == []
    assert not await checker.admits(known, said("alice", "0"), "a")  # forgotten: what is kept has an end
    assert counted.costs == [4]


async def test_a_flood_runs_one_check_at_a_time_and_most_of_it_is_sent_away(
    checker: Checker, counted: Counted
) -> None:
    known = users(alice=4)
    counted.may_end.clear()
    tried = [
        asyncio.ensure_future(checker.admits(known, said("alice", str(number)), f"10.0.0.{number % 8}"))
        for number in range(400)
    ]
    await asyncio.sleep(0.05)
    busy = [task for task in tried if task.done() and isinstance(task.exception(), BusyError)]
    assert len(busy) == 400 - MOST_WAITING
    counted.may_end.set()
    assert not any(await asyncio.gather(*(task for task in tried if task not in busy)))
    assert (len(counted.costs), counted.most) == (MOST_WAITING, 1)


async def test_one_address_leaves_room_for_others(checker: Checker, counted: Counted) -> None:
    known = users(alice=4)
    counted.may_end.clear()
    flood = [
        asyncio.ensure_future(checker.admits(known, said("alice", str(number)), "10.0.0.1"))
        for number in range(9)
    ]
    right = asyncio.ensure_future(checker.admits(known, said("alice"), "10.0.0.2"))
    await asyncio.sleep(0.05)
    assert sum(task.done() for task in flood) == 9 - MOST_WAITING_EACH
    counted.may_end.set()
    assert await right
    assert (
        sum(isinstance(one, BusyError) for one in await asyncio.gather(*flood, return_exceptions=True)) == 5
    )


async def test_who_gives_up_takes_the_outcome_from_nobody(checker: Checker, counted: Counted) -> None:
    known = users(alice=4)
    counted.may_end.clear()
    first, second = (asyncio.ensure_future(checker.admits(known, said("alice"), "a")) for _ in range(2))
    await asyncio.sleep(0.02)
    first.cancel()
    counted.may_end.set()
    assert await second
    assert counted.costs == [4]


async def test_between_two_checks_there_is_a_rest_as_long_as_a_check() -> None:
    rests: list[float] = []

    def rest(seconds: float) -> float:
        rests.append(seconds)
        return 0.05

    checker = Checker(lambda *_: False, rest=rest)
    began = asyncio.get_running_loop().time()
    for number in range(3):
        await checker.admits(users(alice=4), said("alice", str(number)), "a")
    assert asyncio.get_running_loop().time() - began >= 0.1
    assert len(rests) == 3
    await checker.close()


@pytest.mark.parametrize(
    ("password", "right"),
    [
        ("x" * 72, True),
        ("x" * 72 + "beyond what counts", True),
        ("x" * 71, False),
        ("\0", False),
        ("", False),
    ],
)
async def test_long_and_odd_passwords_are_checked_as_everywhere(
    checker: Checker, password: str, right: bool
) -> None:
    known = Users({"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
    assert await checker.admits(known, said("alice", password), "a") is right


async def test_what_is_remembered_holds_no_password(checker: Checker) -> None:
    await checker.admits(users(alice=4), said("alice"), "a")
    assert b"right" not in b"".join((*checker._right, *checker._wrong))
    assert all(len(mark) == 32 for mark in checker._right)


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (basic("alice:right"), ("alice", "right")),
        (basic("alice:a:b").replace("Basic", "bAsIc"), ("alice", "a:b")),
        (basic(":"), ("", "")),
        (basic("ä:ö"), ("ä", "ö")),
        (basic("alice"), None),
        ("Basic !!!", None),
        ("Basic", None),
        ("Bearer abc", None),
        ("", None),
        (None, None),
    ],
)
def test_the_header_is_read_as_rfc_7617_has_it(header: str | None, found: tuple[str, str] | None) -> None:
    assert credentials(header) == (None if found is None else said(*found))


def test_a_made_hash_fits_its_password_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "COST", 4)
    made = hashed("correct horse")
    assert cost(made) == 4
    assert bcrypt.checkpw(b"correct horse", made.encode())
    assert not bcrypt.checkpw(b"correct", made.encode())
    for password, said_ in (("", "is empty"), ("ä" * 37, "more than 72 bytes")):
        with pytest.raises(ValueError, match=said_):
            hashed(password)


def test_a_hash_of_which_bcrypt_makes_nothing_is_none() -> None:
    good = CHEAP[4].decode()
    assert cost(good) == 4
    assert cost(good.replace("$2b$", "$2x$")) is None
    assert cost(good[:28] + "z" + good[29:]) is None  # a last letter of the salt that no salt has
