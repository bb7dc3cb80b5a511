"""Real Prometheus servers and curl at the locked door: who has the key comes in, nobody else does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from exporter import app, logs
from exporter.config import Config
from exporter.locks import watch
from exporter.locks.door import Door
from exporter.locks.file import load
from tests.accounts import ScriptedVenue, scripted
from tests.e2e.programs import eventually, exporter, prometheus
from tests.grafana.programs import RELEASES, Release, program
from tests.locks.certificates import SERVER, authority, client_pair, prepared, strange_pair
from tests.site import Site

PASSWORD, OTHER = "correct horse battery", "staple of another day"
HASH, OTHER_HASH = (bcrypt.hashpw(one.encode(), bcrypt.gensalt(4)).decode() for one in (PASSWORD, OTHER))
USERS = f"basic_auth_users:\n  alice: {HASH}\n"
VERIFIED = SERVER + "  client_ca_file: authority.crt\n  client_auth_type: RequireAndVerifyClientCert\n"

# What the file says after its certificate and key; the certificates with which one comes in; the password.
LOCKS = {
    "NoClientCert": ("  client_auth_type: NoClientCert\n", "no known strange", ""),
    "RequestClientCert": ("  client_auth_type: RequestClientCert\n", "no known strange", ""),
    "VerifyClientCertIfGiven": (
        "  client_ca_file: authority.crt\n  client_auth_type: VerifyClientCertIfGiven\n",
        "no known",
        "",
    ),
    "RequireAndVerifyClientCert": (VERIFIED.removeprefix(SERVER), "known", ""),
    "passwords": (USERS, "no", PASSWORD),
    "both": (VERIFIED.removeprefix(SERVER) + USERS, "known", PASSWORD),
}


def folder_of_all(folder: Path) -> Path:
    prepared(folder)
    strange_pair().files(folder, "strange")
    client_pair().files(folder, "known")
    return folder


def job(
    name: str, target: str, *, certificate: str = "no", password: str = "", scheme: str = "https"
) -> dict[str, Any]:
    tls = {"ca_file": "authority.crt", "server_name": "localhost"}
    if certificate != "no":
        tls |= {"cert_file": f"{certificate}.crt", "key_file": f"{certificate}.key"}
    return {
        "job_name": name,
        "scheme": scheme,
        "scrape_interval": "1s",
        "tls_config": tls,
        **({"basic_auth": {"username": "alice", "password": password}} if password else {}),
        "static_configs": [{"targets": [target]}],
    }


@pytest.mark.parametrize("release", RELEASES)
async def test_prometheus_comes_in_with_the_key_and_not_without(release: Release, tmp_path: Path) -> None:
    """Every way of client certificates and passwords, with every certificate and password."""
    folder_of_all(tmp_path)
    jobs, expected = [], {}
    async with AsyncExitStack() as stack:
        for lock, (text, let_in, right) in LOCKS.items():
            (tmp_path / "web.yml").write_text(SERVER + text)
            address = await stack.enter_async_context(Site().listening(door=Door(load(tmp_path / "web.yml"))))
            for certificate in ("no", "known", "strange"):
                for password in {right, "", "wrong"} if right else {""}:
                    name = f"{lock}, {certificate} certificate, {password or 'no password'}"
                    came = certificate in let_in.split() or (lock == "passwords" and certificate != "no")
                    expected[name] = "1" if came and password == right else "0"
                    jobs.append(job(name, str(address), certificate=certificate, password=password))
            jobs.append(job(f"{lock}, plain", str(address), password=right, scheme="http"))
            expected[f"{lock}, plain"] = "0"
        async with prometheus(tmp_path, {"scrape_configs": jobs}, release=release) as server:
            await server.until("count_over_time(up[1m]) >= 2", len(jobs))
            # On a busy machine a scrape may take too long; nobody comes in by that.
            await server.until("max_over_time(up[1m]) == 1", list(expected.values()).count("1"))
            rows = await server.query("max_over_time(up[1m])")
            assert {row["metric"]["job"]: row["value"][1] for row in rows} == expected
    assert set(expected.values()) == {"0", "1"}


async def curl(url: str, *arguments: str, folder: Path) -> tuple[int, str]:
    """Its exit status, and what it wrote: the answer's status, or what is wrong."""
    child = await asyncio.create_subprocess_exec(
        *(program("curl"), "--silent", "--show-error", "--max-time", "20", "--cacert", "authority.crt"),
        *("--output", "answer", "--write-out", "%{http_code}", *arguments, url),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await child.communicate()
    assert child.returncode is not None
    return child.returncode, output.decode()


KNOWN = ("--cert", "known.crt", "--key", "known.key")
STRANGE = ("--cert", "strange.crt", "--key", "strange.key")
ALICE = ("--user", f"alice:{PASSWORD}")
OLD_TLS = ("--tlsv1.0", "--ciphers", "ALL:@SECLEVEL=0")


@pytest.mark.usefixtures("restored_logging")
async def test_curl_comes_in_with_the_key_and_not_without_also_after_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And neither password nor hash nor key is in the log, at its most talkative, or on a page."""
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.05)
    monkeypatch.setattr(app, "discover", lambda: {"scripted": ScriptedVenue})
    folder, lock, log = folder_of_all(tmp_path), tmp_path / "web.yml", io.StringIO()
    logs.configure("debug", "logfmt", log)
    lock.write_text(VERIFIED + USERS)
    pages = ""

    async def answer(*arguments: str, scheme: str = "https") -> str:
        nonlocal pages
        status, said = await curl(url.replace("https", scheme), *arguments, folder=folder)
        if status == 0:
            pages += (folder / "answer").read_text()
        return said if status == 0 else f"refused: {said}"

    async with exporter(Config(accounts=(scripted("desk").config,)), lock) as url:
        assert url.startswith("https://127.0.0.1:")
        assert await answer(*KNOWN, *ALICE) == "200"
        assert "risk_up" in pages
        assert await answer(*KNOWN) == "401"
        assert await answer(*KNOWN, "--user", "alice:wrong") == "401"
        assert await answer(*KNOWN, "--user", f"bob:{PASSWORD}") == "401"
        assert "certificate required" in await answer(*ALICE)
        assert "unknown ca" in (await answer(*ALICE, *STRANGE)).lower()
        assert "protocol version" in await answer(*KNOWN, *ALICE, *OLD_TLS, "--tls-max", "1.1")
        assert await answer(*KNOWN, *ALICE, *OLD_TLS, "--tls-max", "1.2") == "200"
        assert (await answer(*ALICE, scheme="http")).startswith("refused")

        lock.write_text((VERIFIED + USERS).replace(HASH, OTHER_HASH))
        authority().signed("127.0.0.1", server=True).files(folder, "server")
        other = ("--user", f"alice:{OTHER}")
        await eventually(_is(answer, "200", *KNOWN, *other), log.getvalue)
        assert await answer(*KNOWN, *ALICE) == "401"
        lock.write_text("")
        await eventually(_said(log, "has no TLS"), log.getvalue)
        assert "certificate required" in await answer(*other)
        assert await answer(*KNOWN, *ALICE) == "401"
        assert await answer(*KNOWN, *other) == "200"
        assert "risk_exporter_web_config_last_reload_successful 0.0" in (folder / "answer").read_text()
    key = (folder / "server.key").read_text().splitlines()[1]
    for secret in (PASSWORD, OTHER, HASH, OTHER_HASH, key):
        assert secret not in log.getvalue()
        assert secret not in pages


def _is(answer: Callable[..., Any], status: str, *arguments: str) -> Callable[[], Any]:
    async def holds() -> bool:
        return bool(await answer(*arguments) == status)

    return holds


def _said(log: io.StringIO, words: str) -> Callable[[], Any]:
    async def holds() -> bool:
        return words in log.getvalue()

    return holds
