"""The command line: flags, environment, exit statuses, and a process that starts and stops as it should."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from exporter import __version__, app, cli, defaults, demo, logs, reference
from exporter.catalogue import ALL_FAMILIES
from exporter.config import Config
from exporter.venues import discover

ROOT = Path(__file__).parent.parent
SECRET = "S3cretS3cretS3cret"
CONFIG = f"accounts: [{{name: a, exchange: binance_usdm, api_key: k, api_secret: {SECRET}}}]\n"

pytestmark = pytest.mark.usefixtures("restored_logging")


def invoke(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli.main, arguments, env=environment)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "exporter.yml"
    path.write_text(CONFIG)
    return path


class Started(Exception):  # noqa: N818 (a signal to the test, not an error)
    """What `app.run` was called with."""

    def __init__(
        self, config: Config, addresses: Sequence[str], telemetry_path: str, options: dict[str, Any]
    ) -> None:
        super().__init__()
        self.options = options
        self.config = config
        self.addresses = list(addresses)
        self.telemetry_path = telemetry_path


@pytest.fixture
def _no_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    async def run(
        config: Config, addresses: Sequence[str], telemetry_path: str, *_: object, **options: Any
    ) -> None:
        raise Started(config, addresses, telemetry_path, options)

    monkeypatch.setattr(app, "run", run)
    handler = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, handler)


def started(result: Result) -> Started:
    assert isinstance(result.exception, Started), result.output
    return result.exception


def test_the_version_is_shown() -> None:
    for arguments in (("--version",), ("run", "--version")):
        assert invoke(*arguments).output == (
            f"risk-exporter, version {__version__} (revision: unknown, Python {platform.python_version()})\n"
        )


def test_the_version_needs_little_of_the_program() -> None:
    code = (
        "import sys, exporter.cli\n"
        "print({'aiohttp', 'asyncio', 'pydantic', 'rich', 'structlog', 'yaml'}.intersection(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_every_flag_has_its_environment_variable_in_the_help() -> None:
    help_ = " ".join(invoke("run", "--help").output.split())
    flags = re.findall(r"--((?:config|web|log)\.[a-z.-]*[a-z])", help_)
    assert flags == [
        "config.file",
        "web.listen-address",
        "web.systemd-socket",
        "web.config.file",
        "web.telemetry-path",
        "web.disable-risk-page",
        "web.allowed-host",
        "web.enable-lifecycle",
        "log.level",
        "log.format",
    ]
    for flag in flags:
        assert f"RISK_EXPORTER_{flag.replace('.', '_').replace('-', '_').upper()}" in help_


@pytest.mark.usefixtures("_no_app")
def test_without_flags_only_this_machine_is_listened_to(config_file: Path) -> None:
    call = started(invoke("run", f"--config.file={config_file}"))
    assert (call.addresses, call.telemetry_path) == (["127.0.0.1:10217"], "/metrics")
    assert [account.name for account in call.config.accounts] == ["a"]


@pytest.mark.usefixtures("_no_app")
def test_flags_reach_the_program(config_file: Path) -> None:
    call = started(
        invoke(
            "run",
            f"--config.file={config_file}",
            "--web.listen-address=:1",
            "--web.listen-address=[::1]:2",
            "--web.telemetry-path=/m",
            "--web.allowed-host=a.example",
            "--web.allowed-host=b.example",
            "--collect.first-within=7s",
        )
    )
    assert (call.addresses, call.telemetry_path) == ([":1", "[::1]:2"], "/m")
    assert call.options["allowed_hosts"] == ("a.example", "b.example")
    assert call.options["first_within"] == 7.0
    assert call.options["lifecycle"] is False
    assert call.options["read"]() == call.config
    assert started(invoke("run", f"--config.file={config_file}", "--web.enable-lifecycle")).options[
        "lifecycle"
    ]


@pytest.mark.usefixtures("_no_app")
@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_lock_reaches_the_program_and_its_mistakes_end_it(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    hidden: set[str] = set()
    monkeypatch.setattr(logs, "hide", hidden.update)
    monkeypatch.setenv("RISK_EXPORTER_CONFIG_FILE", str(config_file) if command == "run" else "")
    lock = config_file.with_name("web.yml")
    hash_ = CliRunner().invoke(cli.main, ["hash-password"], input="correct horse\n").output.strip()
    lock.write_text(f"basic_auth_users:\n  alice: {hash_}\n")
    options = started(invoke(command, f"--web.config.file={lock}", "--web.systemd-socket")).options
    assert options["web_config"].users == {"alice": hash_}
    assert options["read_web_config"]() == options["web_config"]
    assert options["systemd_socket"] is True
    assert hash_ in hidden

    lock.write_text("basic_auth_users:\n  alice: correct horse\n")
    failed = invoke(command, f"--web.config.file={lock}")
    assert failed.exit_code == 1
    assert "web.yml:2: basic_auth_users.alice: expected a bcrypt hash" in failed.output
    assert "horse" not in failed.output
    # An unset variable of a script must not open the lock; one that is empty in a container is no lock.
    assert invoke(command, "--web.config.file=").exit_code == 1
    assert started(invoke(command, RISK_EXPORTER_WEB_CONFIG_FILE="")).options["web_config"] is None


def test_a_password_that_cannot_be_hashed_is_one_clear_line() -> None:
    failed = CliRunner().invoke(cli.main, ["hash-password"], input="\n")
    assert (failed.exit_code, failed.output) == (1, "Error: the password is empty\n")


def test_an_exporter_that_is_not_there_is_not_healthy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        address = f"127.0.0.1:{one.getsockname()[1]}"
    failed = invoke("healthy", RISK_EXPORTER_WEB_LISTEN_ADDRESS=address)
    assert (failed.exit_code, failed.output) == (
        1,
        f"Error: {address} does not answer: Connection refused\n",
    )
    assert invoke("healthy", "--web.listen-address=nowhere").exit_code == 1


@pytest.mark.usefixtures("_no_app")
@pytest.mark.parametrize("addresses", [":1 [::1]:2", ":1,[::1]:2", " :1, [::1]:2 "])
def test_the_environment_reaches_the_program(config_file: Path, addresses: str) -> None:
    call = started(
        invoke(
            "run",
            RISK_EXPORTER_CONFIG_FILE=str(config_file),
            RISK_EXPORTER_WEB_LISTEN_ADDRESS=addresses,
            RISK_EXPORTER_WEB_TELEMETRY_PATH="/m",
            RISK_EXPORTER_WEB_ALLOWED_HOST="a.example, b.example",
            RISK_EXPORTER_LOG_LEVEL="error",
            RISK_EXPORTER_LOG_FORMAT="json",
        )
    )
    assert (call.addresses, call.telemetry_path) == ([":1", "[::1]:2"], "/m")
    assert call.options["allowed_hosts"] == ("a.example", "b.example")


@pytest.mark.usefixtures("_no_app")
def test_the_secrets_are_hidden_from_the_logs(config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden: set[str] = set()
    monkeypatch.setattr(logs, "hide", hidden.update)
    started(invoke("run", f"--config.file={config_file}"))
    assert SECRET in hidden


@pytest.mark.parametrize("arguments", [["--log.level=loud"], ["--log.format=xml"], ["--no-such-flag"]])
def test_a_wrong_flag_is_a_usage_error(arguments: list[str]) -> None:
    assert invoke("run", *arguments).exit_code == 2


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_configuration_ends_the_program_with_every_mistake(tmp_path: Path, command: str) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text(f"accounts:\n- name: a\n  exchange: nowhere\n  api_key: {SECRET}\n- {{}}\n")
    expected = invoke("check-config", str(path))
    assert expected.exit_code == 1
    assert expected.stdout == ""
    assert [line.split(": ")[0] for line in expected.stderr.splitlines()] == [
        f"{path}:3",
        f"{path}:5",
        f"{path}:5",
    ]
    assert SECRET not in expected.output
    result = invoke(command, f"--config.file={path}")
    assert (result.exit_code, result.stderr) == (1, expected.stderr)


def test_a_right_configuration_is_said_to_be_right(config_file: Path) -> None:
    result = invoke("check-config", str(config_file))
    assert (result.exit_code, result.output) == (0, f"{config_file}: 1 account, no mistakes\n")


def test_what_is_doubtful_is_said_beside_the_result(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text(CONFIG.replace("api_key: k", "api_key: 'k k', base_url: 'http://api.example.com'"))
    result = invoke("check-config", str(path))
    assert (result.exit_code, result.stdout) == (0, f"{path}: 1 account, no mistakes, 2 warnings\n")
    assert [line.split(": ")[:3] for line in result.stderr.splitlines()] == [
        [f"{path}:1", "accounts[0].api_key", "warning"],
        [f"{path}:1", "accounts[0].base_url", "warning"],
    ]


@pytest.mark.parametrize("interval", ["0.5s", "2h", "soon", "-1s"])
def test_the_demo_needs_a_usable_interval(interval: str) -> None:
    assert invoke("demo", f"--interval={interval}").exit_code == 2


def test_the_demo_names_its_stories_and_knows_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said = invoke("demo", "--help").output
    assert all(name in said for name in defaults.SCENARIOS)
    assert invoke("demo", "--scenario=hiccup").exit_code == 2
    monkeypatch.setenv("RISK_EXPORTER_SCENARIO", "")  # as compose.yaml has it
    assert cli.demo.make_context("demo", []).params["scenario"] is None
    monkeypatch.setenv("RISK_EXPORTER_SCENARIO", "crash")
    assert cli.demo.make_context("demo", []).params["scenario"] == "crash"


def test_metrics_lists_every_family() -> None:
    lines = invoke("metrics").output.splitlines()
    assert [line.split()[0] for line in lines] == [family.name for family in ALL_FAMILIES]


def test_metrics_lists_every_venue() -> None:
    lines = invoke("metrics", "--page=venues").output.splitlines()
    assert [line.split()[0] for line in lines] == list(discover())


def test_the_venue_page_has_every_secret() -> None:
    page = reference.venues_page(discover())
    for venue in discover().values():
        for field in venue.config_class.model_fields:
            assert f"| `{field}` |" in page
    assert "`api_secret_file`" in page


def test_the_readme_names_what_exists_and_its_page_of_commands_all_of_them() -> None:
    readme = (ROOT / "README.md").read_text()
    families = {family.name for family in ALL_FAMILIES}
    assert set(re.findall(r"`(risk_\w+)[` ]", readme)) <= families
    page = (ROOT / "docs" / "command-line.md").read_text()
    for name, command in cli.main.commands.items():
        assert f"`{name}" in page
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.envvar is not None and name == "run":
                assert f"`{parameter.opts[0]}`" in page
                assert f"`{parameter.envvar}`" in page


@pytest.mark.parametrize(("name", "extras"), [("runtime", {"zkx"}), ("dev", {"zkx", "dev"})])
def test_the_locked_packages_satisfy_the_project_and_name_no_index(name: str, extras: set[str]) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert set(re.findall(r"--[a-z-]+", lock)) == {"--hash"}
    assert "://" not in lock
    locked = {
        canonicalize_name(package): version
        for package, version in re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)(?: ;.*)? \\$", lock, re.MULTILINE)
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"]]
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


# Real processes


@contextmanager
def process(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`risk-exporter` as its own process; killed at the end if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            if child.poll() is None:
                child.kill()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (http on loopback)
        body: bytes = answer.read()
        return body.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_serves_every_simulated_venue_until_a_signal(number: signal.Signals) -> None:
    with process("demo", "--web.listen-address=127.0.0.1:0", "--log.format=json", "--interval=1s") as child:
        assert child.stdout is not None
        match = re.search(r"http://127\.0\.0\.1:\d+", child.stdout.readline())
        assert match is not None
        assert "healthy" in get(f"{match[0]}/-/healthy")
        page = get(f"{match[0]}/metrics")
        child.send_signal(number)
        _, lines = child.communicate(timeout=5)
    assert child.returncode == 0
    names = set(re.findall(r'risk_up\{account="[^"]+",exchange="([^"]+)"\}', page))
    assert names == demo.discover().keys()
    messages = [json.loads(line)["msg"] for line in lines.splitlines()]
    assert messages[-2:] == ["stopping", "stopped"]


def test_a_port_in_use_is_one_clear_line(config_file: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with process(
            "run", RISK_EXPORTER_CONFIG_FILE=str(config_file), RISK_EXPORTER_WEB_LISTEN_ADDRESS=address
        ) as child:
            output, line = child.communicate(timeout=20)
    assert child.returncode == 1
    assert output == ""
    assert line.count("\n") == 1
    assert address in line
    assert "address already in use" in line.lower()


def test_a_name_that_is_none_is_one_clear_line(config_file: Path) -> None:
    with process("run", f"--config.file={config_file}", "--web.allowed-host=http://x") as child:
        _, line = child.communicate(timeout=20)
    assert child.returncode == 1
    assert line.count("\n") == 1
    assert "'http://x' is not the name of a host" in line


def test_a_hanging_stop_is_cut_short() -> None:
    """A thread that nobody can cancel, such as a name lookup, must not keep the process."""
    code = (
        "import asyncio, os, signal, time\n"
        "from exporter import process\n"
        "process.STOP_SECONDS = 0.1\n"
        "async def work():\n"
        "    asyncio.get_running_loop().run_in_executor(None, time.sleep, 60)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(60)\n"
        "process.serve(work)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=20, check=False, capture_output=True
    )
    assert done.returncode == 0
