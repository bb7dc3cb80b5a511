"""The lock on the web server: who is let in, that every page has it, and what a crowd can hold."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import product
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from structlog.testing import capture_logs

from exporter import connection, server
from exporter.addresses import Address
from exporter.locks import tls
from exporter.locks.door import Door, Rate, WebConfig
from exporter.locks.file import load
from exporter.locks.passwords import Checker
from tests.accounts import FakeClock
from tests.locks.certificates import (
    SERVER,
    Pair,
    authority,
    client_pair,
    prepared,
    server_pair,
    strange_pair,
    trusting,
)
from tests.site import Caller, Site, calling, ended, opened, request

ALICE = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
USERS = WebConfig(users={"alice": ALICE})
METRICS = "GET /metrics HTTP/1.1"


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test sees its own first line of each kind."""
    for module in (server, connection, tls):
        monkeypatch.setattr(module, "_seldom", type(module._seldom)())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("door"))


def config(folder: Path, text: str = SERVER) -> WebConfig:
    path = folder / "web.yml"
    path.write_text(text)
    return load(path)


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@asynccontextmanager
async def calling_by_tls(address: Address, side: ssl.SSLContext) -> AsyncIterator[Caller]:
    reader, writer = await asyncio.open_connection(
        address.host, address.port, ssl=side, server_hostname="localhost"
    )
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


async def let_in(address: Address, side: ssl.SSLContext) -> bool:
    """Whether a request is answered; a client finds out about TLS 1.3 when it reads."""
    try:
        async with calling_by_tls(address, side) as caller:
            caller.send(request(METRICS))
            return (await caller.head()).split()[1] == "200"
    except (OSError, asyncio.IncompleteReadError):
        return False


# Passwords


PATHS = [
    *("/", "/metrics", "/-/healthy", "/-/ready", "/api/v1/accounts", "/api/v1/schema", "/accounts/x/desk-a"),
    *("/static/board.js", "/no/such/page"),
]


async def test_every_page_is_locked() -> None:
    site = Site()
    site.standings = []
    async with site.listening(door=Door(USERS)) as address, calling(address) as caller:
        for method, path in product(("GET", "HEAD", "POST", "DELETE"), PATHS):
            caller.send(request(f"{method} {path} HTTP/1.1"))
            head = await caller.head()
            assert head.split()[1] == "401", (method, path)
            assert 'WWW-Authenticate: Basic realm="risk-exporter"' in head
            caller.send(request("GET /-/healthy HTTP/1.1", Authorization=basic("alice:correct horse")))
            await caller.reader.readuntil(b"HTTP/1.1 200 ")  # on the same connection
            await caller.reader.readuntil(b"healthy.\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": basic("alice:correct horse")}, 200),
        ({"Authorization": basic("alice:wrong")}, 401),
        ({"Authorization": basic("mallory:correct horse")}, 401),
        ({"Authorization": basic("alice")}, 401),
        ({"Authorization": "Bearer abc"}, 401),
        ({"Authorization": f"{basic('alice:x')}\r\nAuthorization: {basic('alice:correct horse')}"}, 401),
        ({"Authorization": basic("alice:correct horse"), "host": "evil.example"}, 403),
    ],
)
async def test_only_a_known_name_with_its_password_is_let_in(headers: dict[str, str], status: int) -> None:
    async with Site().listening(door=Door(USERS)) as address, calling(address) as caller:
        with capture_logs() as lines:
            caller.send(request(METRICS, **headers))
            head, body = await caller.answer()
    assert head.split()[1] == str(status)
    assert (b"desk-a" in body) is (status == 200)
    assert "horse" not in f"{lines}{body!r}{head}"


async def test_a_scrape_after_the_first_runs_no_bcrypt_and_waits_for_none() -> None:
    """Not even for those of a flood."""
    checks: list[bytes] = []

    def compare(password: bytes, against: bytes) -> bool:
        checks.append(password)
        return bcrypt.checkpw(password, against)

    right = request(METRICS, Authorization=basic("alice:correct horse"))
    door = Door(USERS, checker=Checker(compare))
    async with Site().listening(door=door) as address, AsyncExitStack() as stack, calling(address) as caller:
        caller.send(right)
        await caller.answer()
        for number, one in enumerate(await opened(stack, address, 30)):
            one.send(request(METRICS, Authorization=basic(f"alice:{number}")))
        for _ in range(3):
            caller.send(right)
            async with asyncio.timeout(1):
                assert (await caller.answer())[0].startswith("HTTP/1.1 200 ")
        assert checks.count(b"correct horse") == 1
        async with calling(address) as last:
            last.send(request(METRICS, Authorization=basic("alice:once more")))
            assert (await last.head()).split()[1] in ("503", "401")


async def test_a_password_counts_from_the_request_after_the_change() -> None:
    door = Door(USERS)
    right = request(METRICS, Authorization=basic("alice:correct horse"))
    async with Site().listening(door=door) as address, calling(address) as caller:
        caller.send(right)
        assert (await caller.answer())[0].startswith("HTTP/1.1 200 ")
        door.use(WebConfig(users={"bob": ALICE}))
        caller.send(right)
        assert (await caller.answer())[0].startswith("HTTP/1.1 401 ")


async def test_the_headers_of_the_file_are_on_every_answer() -> None:
    headers = {"X-Frame-Options": "sameorigin", "Strict-Transport-Security": "max-age=1"}
    door = Door(WebConfig(headers=headers, users={"alice": ALICE}))
    async with Site().listening(door=door) as address:
        for text in (
            request(Authorization=basic("alice:correct horse")),
            request(),
            "NONSENSE\r\n\r\n",
            request() + request(host="x" * 40_000),
        ):
            async with calling(address) as caller:
                caller.send(text)
                head = await caller.head()
                assert {f"{name}: {value}" for name, value in headers.items()} <= set(head.split("\r\n"))


async def test_more_requests_than_the_rate_are_told_so() -> None:
    clock = FakeClock(0.0)
    door = Door(WebConfig(rate=Rate(interval=2.0, burst=2)), elapsed=clock)

    async def statuses(count: int) -> list[str]:
        found = []
        async with calling(address) as caller:
            for _ in range(count):
                caller.send(request())
                found.append((await caller.answer())[0].split()[1])
        return found

    async with Site().listening(door=door) as address:
        assert await statuses(4) == ["200", "200", "429", "429"]
        clock.advance(3.0)
        assert await statuses(2) == ["200", "429"]
        clock.advance(100.0)
        assert await statuses(3) == ["200", "200", "429"]


# TLS


async def test_tls_is_spoken_and_nothing_else(folder: Path) -> None:
    door = Door(config(folder))
    async with Site().listening(door=door) as address:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            side = trusting(maximum_version=version)
            async with calling_by_tls(address, side) as caller:
                caller.send(request(METRICS) + request(METRICS))  # two in one go
                for _ in range(2):
                    head, body = await caller.answer()
                    assert head.startswith("HTTP/1.1 200 ")
                    assert b"desk-a" in body
        with capture_logs() as lines:
            async with calling(address) as plain:
                plain.send(request(METRICS))
                assert b"HTTP" not in await plain.rest()
    assert [line["event"] for line in lines] == ["TLS handshake failed"]


ONLY_1_2 = {"maximum_version": ssl.TLSVersion.TLSv1_2}
TWO_SUITES = (
    "  max_version: TLS12\n"
    "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
)
OTHER_ORDER = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"
OLD_SUITE = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]\n"
P521 = "  curve_preferences: [CurveP521]\n"


@pytest.mark.parametrize(
    ("text", "settings", "version", "cipher"),
    [
        ("", {}, "TLSv1.3", None),
        ("  max_version: TLS12\n", {}, "TLSv1.2", None),
        ("  min_version: TLS13\n", ONLY_1_2, None, None),
        ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", ONLY_1_2, None, None),
        (OLD_SUITE, {}, None, None),
        (OLD_SUITE, {"ciphers": "ALL"}, "TLSv1.2", "ECDHE-ECDSA-AES128-SHA"),
        (TWO_SUITES, {"ciphers": OTHER_ORDER}, "TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (
            TWO_SUITES + "  prefer_server_cipher_suites: false\n",
            {"ciphers": OTHER_ORDER},
            "TLSv1.2",
            "ECDHE-ECDSA-AES128-GCM-SHA256",
        ),
        (P521, {"curve": "secp384r1"}, None, None),
        (P521, {"curve": "secp521r1"}, "TLSv1.3", None),
        ("  curve_preferences: [X25519]\n", {"curve": "X25519"}, "TLSv1.3", None),
    ],
)
async def test_versions_suites_and_curves_are_as_the_file_says(
    folder: Path, text: str, settings: dict[str, Any], version: str | None, cipher: str | None
) -> None:
    wanted = dict(settings)
    ciphers, curve = wanted.pop("ciphers", None), wanted.pop("curve", None)
    side = trusting(**wanted)
    if ciphers:
        side.set_ciphers(ciphers)
    if curve:
        side.set_ecdh_curve(curve)
    async with Site().listening(door=Door(config(folder, SERVER + text))) as address:
        try:
            async with calling_by_tls(address, side) as caller:
                chosen = caller.writer.get_extra_info("ssl_object")
                assert chosen.version() == version
                assert cipher is None or chosen.cipher()[0] == cipher
                assert chosen.selected_alpn_protocol() is None
        except ssl.SSLError:
            assert version is None


VERIFIED = "  client_ca_file: authority.crt\n  client_auth_type: "
NONE = Pair("", "")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("text", "pair", "comes_in"),
    [
        ("  client_auth_type: NoClientCert\n", NONE, True),
        ("  client_auth_type: NoClientCert\n", strange_pair(), True),
        ("  client_auth_type: RequestClientCert\n", NONE, True),
        ("  client_auth_type: RequestClientCert\n", strange_pair(), True),
        (VERIFIED + "VerifyClientCertIfGiven\n", NONE, True),
        (VERIFIED + "VerifyClientCertIfGiven\n", client_pair(), True),
        (VERIFIED + "VerifyClientCertIfGiven\n", strange_pair(), False),
        (VERIFIED + "RequireAndVerifyClientCert\n", NONE, False),
        (VERIFIED + "RequireAndVerifyClientCert\n", client_pair(), True),
        (VERIFIED + "RequireAndVerifyClientCert\n", strange_pair(), False),
        (VERIFIED + "RequireAndVerifyClientCert\n", server_pair(), False),  # it is for servers
        # The certificate itself in place of the authority that signed it.
        (VERIFIED.replace("authority", "client") + "RequireAndVerifyClientCert\n", client_pair(), True),
        (
            VERIFIED + "RequireAndVerifyClientCert\n",
            authority().signed("prometheus.example", days=-0.5),
            False,
        ),
    ],
)
async def test_client_certificates_are_verified_as_the_file_says(
    folder: Path, tmp_path: Path, *, version: ssl.TLSVersion, text: str, pair: Pair, comes_in: bool
) -> None:
    settings = {"minimum_version": version, "maximum_version": version}
    side = pair.client(tmp_path, **settings) if pair.key else trusting(**settings)
    async with Site().listening(door=Door(config(folder, SERVER + text))) as address:
        assert await let_in(address, side) is comes_in


@pytest.mark.parametrize(
    ("name", "comes_in"),
    [
        ("prometheus.example", True),
        ("10.0.0.1", True),
        ("fd00::1", True),
        ("desk@example.com", True),
        ("spiffe://a/b", True),
        ("a test", False),  # the common name
        ("example", False),
        ("PROMETHEUS.example", False),
    ],
)
async def test_a_client_has_one_of_the_allowed_names(
    folder: Path, tmp_path: Path, name: str, comes_in: bool
) -> None:
    text = f"{SERVER}{VERIFIED}RequireAndVerifyClientCert\n  client_allowed_sans: [other, '{name}']\n"
    async with Site().listening(door=Door(config(folder, text))) as address:
        assert await let_in(address, client_pair().client(tmp_path)) is comes_in
        assert not await let_in(address, authority().signed().client(tmp_path))  # with no name at all


async def test_a_session_that_is_taken_up_again_is_verified_too(folder: Path, tmp_path: Path) -> None:
    text = f"{SERVER}{VERIFIED}RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.example]\n"
    side = client_pair().client(tmp_path, maximum_version=ssl.TLSVersion.TLSv1_2)
    async with Site().listening(door=Door(config(folder, text))) as address:

        def twice() -> tuple[bool, bytes]:
            place = (str(address.host), address.port)
            with side.wrap_socket(socket.create_connection(place), server_hostname="localhost") as first:
                session = first.session
            with side.wrap_socket(
                socket.create_connection(place), server_hostname="localhost", session=session
            ) as second:
                second.sendall(request().encode())
                return bool(second.session_reused), second.recv(12)

        reused, answer = await asyncio.to_thread(twice)
        assert answer == b"HTTP/1.1 200"
        assert reused


async def test_other_tls_ends_those_who_came_by_the_old_one(folder: Path, tmp_path: Path) -> None:
    """A client whose authority is no longer trusted does not live on in a connection that is kept."""
    text = SERVER + VERIFIED + "RequireAndVerifyClientCert\n"
    door = Door(config(folder, text))
    async with (
        Site().listening(door=door) as address,
        calling_by_tls(address, client_pair().client(tmp_path)) as caller,
    ):
        caller.send(request())
        await caller.answer()
        door.use(config(folder, text.replace("authority.crt", "server.crt")))
        assert await caller.rest() == b""
        assert not await let_in(address, client_pair().client(tmp_path))


# A crowd


async def test_a_handshake_has_an_end(folder: Path) -> None:
    door = Door(config(folder))
    async with Site().listening(door=door, head_seconds=0.2) as address, AsyncExitStack() as stack:
        silent = await opened(stack, address, 3)
        slow = await opened(stack, address, 3)
        for caller in slow:
            caller.send(b"\x16\x03\x01\x02\x00\x01")
        await asyncio.sleep(0.6)
        assert await ended(silent + slow) == 6


async def test_half_open_handshakes_make_room_for_others(folder: Path) -> None:
    door = Door(config(folder))
    async with (
        Site().listening(door=door, connections=10, settle_seconds=0.05) as address,
        AsyncExitStack() as stack,
    ):
        first = await opened(stack, address, 10)
        await asyncio.sleep(0.1)
        more = await opened(stack, address, 25)
        for caller in more[::2]:
            caller.send(b"\x16\x03\x01\x02\x00\x01")
        async with asyncio.timeout(5):
            assert await let_in(address, trusting())
        assert await ended(first) == 10


async def test_no_descriptor_stays_behind(folder: Path) -> None:
    def sockets() -> int:
        return len([one for one in Path("/proc/self/fd").iterdir() if _target(one).startswith("socket:")])

    door = Door(config(folder, SERVER + VERIFIED + "RequireAndVerifyClientCert\n"))
    async with Site().listening(door=door, head_seconds=0.3, settle_seconds=0.05, connections=8) as address:
        before = sockets()
        for _ in range(2):
            async with AsyncExitStack() as stack:
                for caller in await opened(stack, address, 12):
                    caller.send(b"\x16\x03\x01\x02\x00\x01")
                assert not await let_in(address, trusting())
        await asyncio.sleep(0.5)
        assert sockets() == before


def _target(path: Path) -> str:
    try:
        return str(path.readlink())
    except FileNotFoundError:
        return ""
