"""The configuration file: what it accepts, and that every mistake is found with its line and no secret."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import ConfigError, load
from exporter.model import KeyRights, RiskSettings
from tests.configured import ACCOUNT, SECRET, VENUES, Read, problems, reader, toy

EVERYTHING = KeyRights(read=True, trade=True, transfer=True, withdraw=True)

NAME_FORMAT = "expected letters, digits, `.`, `_` and `-`: at most 64, the first a letter or a digit"
URL_FORMAT = "expected http://host or https://host, with an optional path and nothing after it"
SHIFT_FORMAT = "a shift is a move of the volatility from -1 to 10, and not 0, such as 0.1 for ten points"
SHOCK_FORMAT = "a shock is a relative move above -1 and up to 10, and not 0, such as -0.1 for -10 %"
TOO_SLOW = "a collection would still run when the next one is due"
TOO_OLD = "the data would vanish between two collections"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


def test_the_documented_example_is_read(read: Read, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file\n")
    config = read(
        """
        collect: {interval: 15s, timeout: 10s, max_age: 45s}
        usd_pegs: {USDT: 1, USDC: 1.0}
        risk: {shocks: [0.1, -0.1], cross_check: true, target_rate: 0.4, volatility_shifts: [0.2, -0.05]}
        accounts:
          - name: desk-a
            exchange: toy
            api_key: ${TOY_KEY}
            api_secret_file: secret
            interval: 10s
          - name: desk-b
            exchange: toy
            api_key: inline
            api_secret: 0012
            timeout: 500ms
            max_age: 1m30s
            base_url: http://127.0.0.1:8080/prefix
            proxy: http://user:word@proxy:3128
            recv_window: 2s
        """,
        TOY_KEY="from-the-environment",
    )
    assert config.risk == RiskSettings(
        usd_pegs={"USD": 1.0, "USDT": 1.0, "USDC": 1.0},
        shocks=(-0.1, 0.1),
        cross_check=True,
        target_rate=0.4,
        volatility_shifts=(-0.05, 0.2),
    )
    first, second = toy(config, 0), toy(config, 1)
    assert first.api_key.get_secret_value() == "from-the-environment"
    assert first.api_secret.get_secret_value() == "from-a-file"
    assert (first.interval, first.timeout, first.age_limit) == (10.0, 10.0, 45.0)
    assert second.api_secret.get_secret_value() == "0012"
    assert (second.interval, second.timeout, second.age_limit) == (15.0, 0.5, 90.0)
    assert second.recv_window == 2.0


def test_everything_but_the_accounts_has_a_default(read: Read) -> None:
    config = read(f"accounts: [{ACCOUNT}]")
    assert config.risk == RiskSettings()
    account = config.accounts[0]
    assert (account.interval, account.timeout, account.age_limit) == (15.0, 10.0, 45.0)


def test_a_default_timeout_gives_way_to_a_shorter_interval(read: Read) -> None:
    config = read(
        """
        collect: {interval: 20s, timeout: 12s}
        accounts:
          - {name: a, exchange: toy, api_key: k, api_secret: s, interval: 5s}
          - {name: b, exchange: toy, api_key: k, api_secret: s}
        """
    )
    assert [account.timeout for account in config.accounts] == [5.0, 12.0]


def test_a_coin_can_be_taken_off_its_peg(read: Read) -> None:
    config = read(f"usd_pegs: {{USDC: 1}}\naccounts: [{ACCOUNT}]")
    assert config.risk.usd_pegs == {"USD": 1.0, "USDC": 1.0}


def test_a_coin_is_pegged_however_it_is_written(read: Read) -> None:
    config = read(f"usd_pegs: {{usdt: 1, UsdE: 0.99}}\naccounts: [{ACCOUNT}]")
    assert config.risk.usd_pegs == {"USD": 1.0, "USDT": 1.0, "USDE": 0.99}
    assert config.warnings == ()


def test_a_peg_of_what_is_nearly_a_stable_coin_is_doubtful(read: Read) -> None:
    config = read(f"usd_pegs:\n  USDT: 1\n  USTD: 1\n  XAUT: 2000\naccounts: [{ACCOUNT}]")
    (warning,) = config.warnings
    assert str(warning).endswith(
        "exporter.yml:3: usd_pegs.USTD: warning: no stable coin that is known; did you mean `USDT`?"
    )


def test_an_empty_list_of_shocks_switches_the_grid_off(read: Read) -> None:
    assert read(f"risk: {{shocks: []}}\naccounts: [{ACCOUNT}]").risk.shocks == ()
    assert read(f"risk: {{volatility_shifts: []}}\naccounts: [{ACCOUNT}]").risk.volatility_shifts == ()


def test_fields_can_be_inherited_from_another_account_by_a_merge_key(read: Read) -> None:
    config = read(
        """
        accounts:
          - &first {name: a, exchange: toy, api_key: k, api_secret: s, interval: 7s}
          - {<<: *first, name: b}
        """
    )
    assert [(account.name, account.interval) for account in config.accounts] == [("a", 7.0), ("b", 7.0)]


def test_a_private_key_keeps_its_lines(read: Read, tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nAAAABBBBCCCC\nDDDDEEEE\n-----END PRIVATE KEY-----"
    (tmp_path / "key.pem").write_text(key + "\n")
    config = read("accounts: [{name: a, exchange: toy, api_key: k, api_secret_file: key.pem}]")
    assert toy(config).api_secret.get_secret_value() == key
    assert {key, "AAAABBBBCCCC", "DDDDEEEE"} <= config.secrets()


def test_all_mistakes_are_listed_at_once_with_their_lines(read: Read, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "closed").mkdir()
    found = problems(
        read,
        f"""\
        colect: {{}}
        collect:
          interval: 15 parsecs
          timeut: 10s
        usd_pegs: {{USDT: zero, USD-T: 1, USDC: -1}}
        risk: {{shocks: [-1.5, x], cross_check: perhaps}}
        accounts:
          - name: desk a
            exchange: tyo
            api_key: {SECRET}
          - name: b
            exchange: toy
            api_kay: {SECRET}
            api_secret: ${{UNSET}}
          - name: c
            exchange: toy
            api_key_file: empty
            api_secret_file: closed
          - name: c
            exchange: toy
            api_key: k
            api_key_file: absent
            api_secret_file: absent
            interval: 10s
            timeout: 11s
            max_age: 9s
          - name: d
            api_key: {SECRET}
          - just text
          - name: e
            exchange: hostless
            api_key: {SECRET}
            api_secret: [{SECRET}]
          - name: f
            exchange: hostless
            api_key: {SECRET}
            api_secret: {SECRET}
            proxy: socks://proxy
            base_url: ftp://host
            collateral: bad{SECRET}
        """,
    )
    assert found == [
        "1: colect: unknown field; did you mean `collect`?",
        "3: collect.interval: expected a duration such as 15s, 500ms or 1m30s",
        "4: collect.timeut: unknown field; did you mean `timeout`?",
        "5: usd_pegs.USD-T: expected the code of a coin, such as USDT",
        "5: usd_pegs.USDC: must be more than 0",
        "5: usd_pegs.USDT: expected a number",
        "6: risk.cross_check: expected true or false",
        f"6: risk.shocks[0]: {SHOCK_FORMAT}",
        "6: risk.shocks[1]: expected a number",
        f"8: accounts[0].name: {NAME_FORMAT}",
        "9: accounts[0].exchange: unknown exchange; did you mean `toy`? (known: toy, hostless)",
        "11: accounts[1].api_key: is required",
        "13: accounts[1].api_kay: unknown field; did you mean `api_key`?",
        "14: accounts[1].api_secret: environment variable UNSET is not set",
        "17: accounts[2].api_key_file: is empty",
        "18: accounts[2].api_secret_file: the file cannot be read: Is a directory",
        "19: accounts[3].name: the name is taken by the account in line 15",
        "22: accounts[3].api_key_file: `api_key` is given too; one of the two is enough",
        "23: accounts[3].api_secret_file: the file cannot be read: No such file or directory",
        f"25: accounts[3].timeout: timeout (11s) is longer than the interval (10s): {TOO_SLOW}",
        f"26: accounts[3].max_age: max_age (9s) is not longer than the interval (10s): {TOO_OLD}",
        "27: accounts[4].exchange: is required",
        "29: accounts[5]: expected the fields of an account, such as name and exchange",
        "33: accounts[6].api_secret: expected text",
        "38: accounts[7].proxy: expected http://[user:password@]host:port",
        f"39: accounts[7].base_url: {URL_FORMAT}",
        "40: accounts[7].collateral: no such collateral as bad[redacted]",
    ]


@pytest.mark.parametrize(
    ("collect", "account", "expected"),
    [
        (
            "{interval: 10s, timeout: 11s}",
            "",
            "collect.timeout: timeout (11s) is longer than the interval (10s)",
        ),
        (
            "{interval: 10s, max_age: 10s}",
            "",
            "collect.max_age: max_age (10s) is not longer than the interval",
        ),
        (
            "{max_age: 40s}",
            "interval: 40s",
            "accounts[0].interval: max_age (40s) is not longer than the inter",
        ),
        ("{}", "interval: 500ms", "accounts[0].interval: must be at least 1s"),
        ("{}", "interval: 0s", "accounts[0].interval: must be more than 0"),
        ("{}", "interval: -3", "accounts[0].interval: must be more than 0"),
        ("{}", "interval: 2d", "accounts[0].interval: must be at most 86400"),
        ("{}", "interval: .nan", "accounts[0].interval: "),
        ("{}", "interval: true", "accounts[0].interval: expected a duration such as 15s"),
        ("{}", "timeout: 16s", "accounts[0].timeout: timeout (16s) is longer than the interval (15s)"),
    ],
)
def test_durations_that_cannot_work_are_refused(
    read: Read, collect: str, account: str, expected: str
) -> None:
    found = problems(
        read,
        f"collect: {collect}\naccounts: [{{name: a, exchange: toy, api_key: k, api_secret: s, {account}}}]",
    )
    assert any(expected in problem for problem in found), found


def test_a_mistake_in_the_defaults_is_said_once(read: Read) -> None:
    found = problems(read, f"collect: {{interval: 0.5s, max_age: 0.2s}}\naccounts: [{ACCOUNT}]")
    assert [problem.split(":")[1].strip() for problem in found] == ["collect.interval", "collect.max_age"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: the file is empty; it needs at least `accounts`"),
        ("# nothing", "1: the file is empty; it needs at least `accounts`"),
        ("null", "1: the file is empty; it needs at least `accounts`"),
        ("just text", "1: expected `accounts:` and other sections, not a single value or a list"),
        ("collect: 15s\naccounts: []", "1: collect: expected fields, such as interval, timeout, max_age"),
        ("accounts: []", "1: accounts: at least one account is needed"),
        ("collect: {}", "1: accounts: at least one account is needed"),
        ("accounts: {name: a}", "1: accounts: expected a list: each account starts with `- name:`"),
        ("accounts: [\n", "2: not valid YAML: "),
        ("accounts: []\na: 1\naccounts: []", "3: accounts: stands twice; the first is in line 1"),
        ("usd_pegs: {USD: 2}\naccounts: []", "1: usd_pegs.USD: one USD is 1 USD"),
        ("usd_pegs: {usd: 2}\naccounts: []", "1: usd_pegs.usd: one USD is 1 USD"),
        (
            "usd_pegs:\n  USDT: 1\n  usdt: 1\naccounts: []",
            "3: usd_pegs.usdt: the coin stands there already, as `USDT`",
        ),
        ("risk: {target_rate: 1}\naccounts: []", "1: risk.target_rate: must be less than 1"),
        ("risk: {target_rate: 0}\naccounts: []", "1: risk.target_rate: must be more than 0"),
        (
            "usd_pegs: [USD]\naccounts: []",
            "1: usd_pegs: expected coins and their USD value, such as {USDT: 1}",
        ),
        ("usd_pegs: {USDT: .inf}\naccounts: []", "1: usd_pegs.USDT: expected a number"),
        ("risk: {shocks: [0.1, 0.1]}\naccounts: []", "1: risk.shocks: the same shock stands twice"),
        (
            "risk: {volatility_shifts: [0.1, 0.1]}\naccounts: []",
            "1: risk.volatility_shifts: the same shift stands twice",
        ),
        ("risk: {volatility_shifts: [0]}\naccounts: []", f"1: risk.volatility_shifts[0]: {SHIFT_FORMAT}"),
        ("risk: {shocks: 0.1}\naccounts: []", "1: risk.shocks: expected a list, such as [-0.1, 0.1]"),
        ("accounts: !!python/object:os.system x", "1: accounts: a YAML tag that this file does not use"),
        ("accounts:\n- name: ${E}", "2: accounts[0].name: environment variable E is empty"),
    ],
)
def test_a_file_that_is_no_configuration_says_so(read: Read, text: str, expected: str) -> None:
    found = problems(read, text, E=" ")
    assert any(problem.startswith(expected) for problem in found), found


@pytest.mark.parametrize(
    "line",
    [
        f"api_secret: *{SECRET}",
        f"api_secret: !{SECRET} x",
        f"api_secret: &{SECRET}",
        f"api_secret: '{SECRET}",
        f'api_secret: "{SECRET}\\q"',
        f"api_secret: {{{SECRET}: 1}}",
        f"api_secret: @{SECRET}",
        f"api_secret: `{SECRET}",
        f"api_secret: %{SECRET}",
        f"api_secret: {SECRET}: x",
        f"{SECRET}: x",
        f"api_secret_file: {SECRET}",
        f"api_secret: '{SECRET} '",
        f"exchange: {SECRET}",
        f"name: {SECRET}!",
        f"proxy: http://me:{SECRET}@host:port",
        f"base_url: http://me:{SECRET}@host",
        f"interval: {SECRET}",
        f"collateral: [{SECRET}]",
        f"<<: {SECRET}",
        f"? [{SECRET}]\n  : x",
    ],
)
def test_no_mistake_makes_a_secret_visible(read: Read, line: str) -> None:
    keys = {"name": "a", "exchange": "toy", "api_key": SECRET, "api_secret": SECRET}
    rest = "".join(f"  {key}: {value}\n" for key, value in keys.items() if not line.startswith(f"{key}:"))
    assert problems(read, f"accounts:\n-\n{rest}  {line}\n")


def test_a_venue_can_refuse_an_account_and_its_words_are_redacted(read: Read) -> None:
    found = problems(read, "accounts:\n\n- {name: a, exchange: toy, api_key: k, api_secret: unusable}")
    assert found == ["3: accounts[0]: the secret '[redacted]' is not a key"]


def test_a_venue_without_a_public_host_needs_a_base_url(read: Read) -> None:
    found = problems(read, "accounts: [{name: a, exchange: hostless, api_key: k, api_secret: s}]")
    assert found == ["1: accounts[0].base_url: is required: Hostless has no public host"]


@pytest.mark.parametrize("host", ["h:99999", "h:0", "h:port", "[::1", "[::g]", ":443"])
def test_a_base_url_without_a_usable_host_and_port_is_refused(read: Read, host: str) -> None:
    found = problems(
        read,
        f"accounts: [{{name: a, exchange: toy, api_key: k, api_secret: s, base_url: 'http://{host}/v1'}}]",
    )
    assert found == [
        "1: accounts[0].base_url: the host or its port is not one: expected http://host or https://host:port"
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:8080", "[::1]", "api.example.com:443"])
def test_a_base_url_has_a_host_and_perhaps_a_port(read: Read, host: str) -> None:
    config = read(
        f"accounts: [{{name: a, exchange: toy, api_key: k, api_secret: s, base_url: 'http://{host}/v1'}}]"
    )
    assert config.accounts[0].base_url == f"http://{host}/v1"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xff\xfe", "the file is not UTF-8 text"),
        (b"x" * 70_000, "the file is larger than 64 KiB"),
        (b"two\nlines", "contains a line break or another control character"),
        (b" \n", "is empty"),
        (b" key\n", "starts or ends with white space"),
    ],
)
def test_a_secret_file_must_hold_a_secret(read: Read, tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    found = problems(read, "accounts: [{name: a, exchange: toy, api_key: k, api_secret_file: secret}]")
    assert found == [f"1: accounts[0].api_secret_file: {expected}"]


def test_an_absolute_secret_path_is_taken_as_it_is(read: Read, tmp_path: Path) -> None:
    secret = tmp_path / "elsewhere" / "secret"
    secret.parent.mkdir()
    secret.write_text("word")
    secret.chmod(stat.S_IRUSR)
    config = read(f"accounts: [{{name: a, exchange: toy, api_key: k, api_secret_file: {secret}}}]")
    assert toy(config).api_secret.get_secret_value() == "word"


def test_the_representation_of_a_configuration_hides_its_secrets(read: Read) -> None:
    config = read(f"accounts: [{{name: a, exchange: toy, api_key: {SECRET}, api_secret: {SECRET}}}]")
    assert SECRET not in repr(config)


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "exporter.yml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(ConfigError):
        load(path, environment={}, venues=VENUES)


def test_marks_are_asked_for_only_where_their_interval_stands(read: Read) -> None:
    assert read(f"accounts: [{ACCOUNT}]").marks_interval == 0.0
    assert read(f"marks: {{interval: 5s}}\naccounts: [{ACCOUNT}]").marks_interval == 5.0
    assert problems(read, f"marks: {{interval: 500ms, every: 2s}}\naccounts: [{ACCOUNT}]") == [
        "1: marks.every: unknown field; known: interval",
        "1: marks.interval: must be at least 1s, or 0s for never",
    ]


def test_what_keys_must_not_do_is_said_for_all_and_for_one(read: Read) -> None:
    plain = read(f"accounts: [{ACCOUNT}]").accounts[0].keys
    assert plain.refused(EVERYTHING) == ("withdraw",)
    config = read(
        """\
        keys: {refuse: [withdraw, transfer]}
        accounts:
          - {name: a, exchange: toy, api_key: k, api_secret: s}
          - {name: b, exchange: toy, api_key: k, api_secret: s, keys: {refuse: []}}
          - {name: c, exchange: toy, api_key: k, api_secret: s, keys: {refuse: [trade]}}
        """
    )
    refused = [account.keys.refused(EVERYTHING) for account in config.accounts]
    assert refused == [("withdraw", "transfer"), (), ("trade",)]


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ("{refuse: withdraw}", "keys.refuse"),
        ("{refuse: [read]}", "keys.refuse[0]"),
        ("{refuse: {withdraw: true}}", "keys.refuse"),
        ("{refused: [withdraw]}", "keys.refused"),
        ("[withdraw]", "keys"),
    ],
)
def test_a_mistake_in_what_keys_must_not_do_has_its_line(read: Read, keys: str, where: str) -> None:
    (problem,) = problems(read, f"keys: {keys}\naccounts: [{ACCOUNT}]")
    assert problem.startswith(f"1: {where}: ")
