"""Reading the lock again: a good file takes its place, a bad one or one that opens it does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import bcrypt
import pytest
from structlog.testing import capture_logs

from exporter.exposition import Format
from exporter.locks import file, watch
from exporter.locks.door import Door
from exporter.locks.watch import Watch
from exporter.telemetry import Telemetry
from tests.accounts import FakeClock
from tests.locks.certificates import SERVER, authority, prepared

ALICE, BOB = (bcrypt.hashpw(name, bcrypt.gensalt(4)).decode() for name in (b"alice", b"bob"))
USERS = f"basic_auth_users:\n  alice: {ALICE}\n"


class Watched:
    """A file, the door that has its lock, and what is told of it."""

    def __init__(self, folder: Path, text: str) -> None:
        self.path = prepared(folder) / "web.yml"
        self.path.write_text(text)
        self.clock = FakeClock(1000.0)
        self.telemetry = Telemetry(wall=self.clock)
        self.door = Door(file.load(self.path))
        self.watch = Watch(lambda: file.load(self.path), self.door, self.telemetry)

    async def look(self, text: str | None = None, times: int = 2) -> list[str]:
        """What the log says while it is looked at, after `text` has been written into the file."""
        if text is not None:
            self.path.write_text(text)
        with capture_logs() as lines:
            for _ in range(times):
                await self.watch.look()
        return [f"{line['event']}: {line.get('problem', '')}".replace(f"{self.path}:", "") for line in lines]

    def metric(self, name: str) -> float:
        page = b"".join(self.telemetry.exposition(Format.TEXT_0_0_4)).decode()
        start = f"risk_exporter_web_config_{name} "
        (line,) = (line for line in page.splitlines() if line.startswith(start))
        return float(line.removeprefix(start))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path, SERVER + USERS)


REFUSED = "web configuration not reloaded, the lock before goes on: "


async def test_a_good_file_is_used_once_it_was_seen_twice(watched: Watched) -> None:
    watched.clock.advance(60.0)
    assert await watched.look(SERVER + USERS.replace("alice", "bob"), times=1) == []
    assert set(watched.door.config.users) == {"alice"}
    assert await watched.look(times=1) == ["web configuration reloaded: "]
    assert set(watched.door.config.users) == {"bob"}
    assert watched.metric("last_reload_successful") == 1.0
    assert watched.metric("last_reload_success_timestamp_seconds") == 1060.0
    assert await watched.look() == []


async def test_a_new_certificate_is_used_and_new_users_leave_tls_as_it_is(watched: Watched) -> None:
    before = watched.door.tls
    await watched.look(SERVER + USERS.replace(ALICE, BOB))
    assert watched.door.tls is before
    told: list[str] = []
    watched.door.on_other_tls(lambda: told.append("other"))
    authority().signed("localhost", server=True).files(watched.path.parent, "server")
    await watched.look()
    assert watched.door.tls is not before
    assert told == ["other"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense", "1: expected fields such as `tls_server_config`"),
        (
            SERVER.replace("server.key", "client.key") + USERS,
            "3: tls_server_config.key_file: does not belong",
        ),
        (
            SERVER + "basic_auth_users:\n  alice: secret\n",
            "5: basic_auth_users.alice: expected a bcrypt hash",
        ),
        (SERVER + "  client_ca_file: nowhere\n" + USERS, "4: tls_server_config.client_ca_file: is of no use"),
        ("", "the file has no TLS and no passwords any more"),
        (SERVER, "the file has no passwords any more"),
        (USERS, "the file has no TLS any more"),
    ],
    # Without them a name would be a salted hash, another one in each process.
    ids=["nonsense", "key of another", "no hash", "no such file", "empty", "no passwords", "no TLS"],
)
async def test_a_bad_file_and_one_that_opens_the_lock_change_nothing(
    watched: Watched, text: str, problem: str
) -> None:
    before = watched.door.config, watched.door.tls
    said = await watched.look(text, times=4)
    assert said[0].startswith(REFUSED + problem)  # once, however often it is looked at
    assert len(said) == (2 if "client_ca" in text else 1)
    assert (watched.door.config, watched.door.tls) == before
    assert watched.metric("last_reload_successful") == 0.0
    assert watched.metric("last_reload_success_timestamp_seconds") == 1000.0
    assert await watched.look(SERVER + USERS) == ["web configuration is as before the mistake: "]
    assert watched.metric("last_reload_successful") == 1.0


async def test_who_is_still_writing_neither_opens_the_lock_nor_is_complained_of(watched: Watched) -> None:
    before = watched.door.config
    for text in ("", SERVER[:40], SERVER, SERVER + USERS[:30]):
        assert await watched.look(text, times=1) == []
    assert watched.door.config == before
    assert watched.metric("last_reload_successful") == 1.0


async def test_a_lock_can_be_added(tmp_path: Path) -> None:
    watched = Watched(tmp_path, USERS)
    await watched.look(SERVER + "  client_auth_type: VerifyClientCertIfGiven\n" + USERS)
    assert watched.door.config.kinds == {"TLS", "passwords"}


async def test_a_file_system_that_hangs_is_told_and_waited_for(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "READ_SECONDS", 0.01)
    never = asyncio.get_running_loop().create_future()

    async def hangs(_: object) -> object:
        return await never

    monkeypatch.setattr(watch, "in_thread", hangs)
    with capture_logs() as lines:
        looking = asyncio.create_task(watched.watch.look())
        await asyncio.sleep(0.05)
    assert [line["problem"] for line in lines] == ["the files were not read within 0.01 s"]
    assert watched.metric("last_reload_successful") == 0.0
    never.set_result(watched.door.config)
    await looking
    assert watched.metric("last_reload_successful") == 1.0
