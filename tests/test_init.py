"""`risk-exporter init`: a first configuration, asked for on a terminal or made from options."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import stat
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from exporter import cli, starter
from exporter.config import load
from exporter.demo import Market, Server
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.venues import discover

ROOT = Path(__file__).parent.parent
KEY, SECRET = "K3yK3yK3yK3yK3yK3y", "S3cretS3cretS3cretS3cret"
USDM = discover()["binance_usdm"]

pytestmark = pytest.mark.usefixtures("restored_logging")


def init(folder: Path, *arguments: str, lines: str = f"{KEY}\n{SECRET}\n") -> Result:
    given = [f"--config.file={folder / 'risk-exporter.yml'}", *arguments]
    return CliRunner().invoke(cli.main, ["init", "--no-check", *given], input=lines)


def modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in sorted(folder.rglob("*"))
    }


def test_a_configuration_has_five_lines_and_no_secret(tmp_path: Path) -> None:
    result = init(tmp_path, "--exchange=binance_usdm", "--name=desk-a")
    assert result.exit_code == 0, result.output
    path = tmp_path / "risk-exporter.yml"
    assert path.read_text() == (
        "accounts:\n"
        "  - name: desk-a\n"
        "    exchange: binance_usdm\n"
        "    api_key_file: secrets/desk-a_api_key\n"
        "    api_secret_file: secrets/desk-a_api_secret\n"
    )
    assert modes(tmp_path) == {
        "risk-exporter.yml": "0o644",
        "secrets": "0o700",
        "secrets/desk-a_api_key": "0o600",
        "secrets/desk-a_api_secret": "0o600",
    }
    config = load(path)
    (account,) = config.accounts
    assert (account.name, account.secrets()) == ("desk-a", (KEY, SECRET))
    assert config.warnings == ()
    assert f"Next: risk-exporter run --config.file={path}" in result.output
    assert KEY not in result.output
    assert SECRET not in result.output


def test_of_a_venue_without_secrets_no_word_is_said_of_them(tmp_path: Path) -> None:
    result = init(tmp_path, "--exchange=hyperliquid", f"--set=address=0x{7:040x}", lines="")
    assert result.output.splitlines()[0] == f"{tmp_path / 'risk-exporter.yml'}: written"
    assert list(modes(tmp_path)) == ["risk-exporter.yml"]


def test_secrets_come_from_files_too_and_other_fields_from_options(tmp_path: Path) -> None:
    file = tmp_path / "given"
    file.write_text(f"{SECRET}\n")
    url = "https://demo.example.com/$x"
    result = init(
        tmp_path,
        "--exchange=binance_usdm",
        f"--secret-file=api_secret={file}",
        f"--set=base_url={url}",
        lines=f"{KEY}\n",
    )
    assert result.exit_code == 0, result.output
    (account,) = load(tmp_path / "risk-exporter.yml").accounts
    assert (account.name, account.base_url, account.secrets()) == ("main", url, (KEY, SECRET))


@pytest.mark.parametrize("name", sorted(discover()))
def test_every_venue_can_be_begun_with(name: str, tmp_path: Path) -> None:
    venue = discover()[name]
    fields = starter.fields_of(venue)
    assert any(field.secret for field in fields) or [field.name for field in fields] == ["address"]
    plain = {"base_url": "http://127.0.0.1:1", "address": f"0x{'1' * 40}"}
    values = {field.name: plain.get(field.name, "0x1234567890abcdef") for field in fields}
    assert starter.fault(venue, "main", values) is None
    path = tmp_path / "new" / "risk-exporter.yml"
    starter.write(path, venue, "main", values, force=False)
    (account,) = load(path).accounts
    assert (account.name, account.exchange) == ("main", name)


def test_what_is_there_is_left_alone_unless_it_is_forced(tmp_path: Path) -> None:
    path = tmp_path / "risk-exporter.yml"
    path.write_text("mine\n")
    refused = init(tmp_path, "--exchange=binance_usdm")
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"{path} is there already; --force puts another in its place\n",
    )
    assert modes(tmp_path).keys() == {"risk-exporter.yml"}
    assert path.read_text() == "mine\n"
    assert init(tmp_path, "--exchange=binance_usdm", "--force").exit_code == 0
    path.unlink()
    secret = tmp_path / "secrets" / "main_api_key"
    assert init(tmp_path, "--exchange=binance_usdm", lines="other\nother\n").exit_code == 1
    assert secret.read_text() == f"{KEY}\n"
    assert init(tmp_path, "--exchange=binance_usdm", "--force", lines="other\nother\n").exit_code == 0
    assert secret.read_text() == "other\n"


def test_a_file_that_comes_in_between_is_not_overwritten_and_nothing_is_left(tmp_path: Path) -> None:
    values = {"api_key": KEY, "api_secret": SECRET}
    path = tmp_path / "risk-exporter.yml"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(starter.StarterError, match=r"risk-exporter\.yml cannot be written: File exists"):
        starter.write(path, USDM, "main", values, force=False)
    assert {one.name for one in tmp_path.rglob("*")} == {"risk-exporter.yml", "secrets"}
    starter.write(path, USDM, "main", values, force=True)
    assert not path.is_symlink()


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("a file\n")
    result = init(tmp_path, "--exchange=binance_usdm")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "cannot be written: File exists" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "lines", "status", "complaint"),
    [
        ((), "", 2, "--exchange is needed"),
        (("--exchange=nowhere",), "", 2, "known are binance_coinm"),
        (("--exchange=binance_usdm", "--name=a b"), "", 2, "letters, digits"),
        (("--exchange=binance_usdm",), f"{KEY}\n", 2, "nothing came on standard input for api_secret"),
        (("--exchange=binance_usdm",), f"{KEY} \n{SECRET}\n", 2, "starts or ends with white space"),
        (("--exchange=binance_usdm",), f"{KEY}\n-----BEGIN PRIVATE KEY-----\n", 2, "--secret-file"),
        (("--exchange=binance_usdm", f"--set=api_secret={SECRET}"), "", 2, "on a command line others see it"),
        (("--exchange=binance_usdm", f"--secret-file={SECRET}"), "", 2, "expected FIELD=FILE"),
        (("--exchange=binance_usdm", f"--secret-file=api_secret={SECRET}"), "", 1, "the file cannot be read"),
        (("--exchange=binance_usdm", f"--secret-file=base_url={SECRET}"), "", 2, "base_url is no secret"),
        (("--exchange=binance_usdm", "--set=colour=red"), "", 2, "has no field colour"),
        (
            ("--exchange=binance_usdm", "--secret-file=api_secret=/dev/null"),
            f"{KEY}\n",
            1,
            "api_secret is empty",
        ),
        (("--exchange=binance_usdm", "--set=base_url=ftp://x"), f"{KEY}\n{SECRET}\n", 1, "base_url: "),
        (("--exchange=zkx", "--set=base_url=http://127.0.0.1:1"), "0xzz\n0xzz\n", 1, ""),
    ],
)
def test_mistakes_are_for_people_and_cost_nothing(
    arguments: tuple[str, ...], lines: str, status: int, complaint: str, tmp_path: Path
) -> None:
    result = init(tmp_path, *arguments, lines=lines)
    assert result.exit_code == status, result.output
    assert complaint in result.stderr
    assert SECRET not in result.output
    assert KEY not in result.output
    assert "Traceback" not in result.output
    assert modes(tmp_path) == {}


async def test_on_a_terminal_it_asks_checks_and_says_what_comes_next(tmp_path: Path) -> None:
    """A narrow one without colours; the first answers cannot be right."""
    simulator = BinanceUsdmSimulator(Market(seed=3))
    credential = next(one for one in simulator.credentials.values() if one.account == "usdm-hedged")
    number = str([*discover()].index("binance_usdm") + 1)
    path = tmp_path / "risk-exporter.yml"
    async with Server(simulator) as server:
        status, seen = await on_a_terminal(
            ["init", f"--config.file={path}", f"--set=base_url={server.base_url}"],
            {
                "Venue, by number or name": ["nowhere", number],
                "Name of the account [main]": ["my desk", "my-desk"],
                "api_key (not shown while you type or paste it)": [credential.api_key],
                "api_secret (not shown while you type or paste it)": [credential.api_secret],
            },
            columns=60,
        )
    assert status == 0, seen
    assert credential.api_key not in seen
    assert credential.api_secret not in seen
    assert "a number or a name of the list" in seen
    assert "letters, digits" in seen
    assert "my-desk (binance_usdm): ok" in seen
    assert "read only; from some addresses alone" in " ".join(seen.split())
    assert "nearest: " in seen
    assert "Next: risk-exporter run" in seen
    assert not re.search(r"\x1b\[[0-9;]*m", seen)
    assert yaml.safe_load(path.read_text())["accounts"][0]["name"] == "my-desk"


async def on_a_terminal(
    arguments: list[str], answers: dict[str, list[str]], *, columns: int
) -> tuple[int, str]:
    """Runs `risk-exporter` with a terminal of its own, answers its prompts; its status and what it wrote."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": str(columns), "TERM": "xterm-256color"}
        os.execve(sys.executable, [sys.executable, "-m", "exporter", *arguments], environment)  # noqa: S606
    waiting = {prompt: [*texts] for prompt, texts in answers.items()}
    loop = asyncio.get_running_loop()
    seen, answered = "", 0

    def read() -> bytes:
        try:
            return os.read(terminal, 65536)
        except OSError:  # the other end is closed
            return b""

    async with asyncio.timeout(30):
        while chunk := await loop.run_in_executor(None, read):
            seen += chunk.decode().replace("\r\n", "\n")
            prompt = next((one for one in waiting if seen[answered:].endswith(f"{one}: ")), None)
            if prompt is not None:
                answered = len(seen)
                await asyncio.sleep(0.05)  # what is typed before a secret is asked for is thrown away
                os.write(terminal, f"{waiting[prompt].pop(0)}\n".encode())
    _, status = await loop.run_in_executor(None, os.waitpid, child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), seen
