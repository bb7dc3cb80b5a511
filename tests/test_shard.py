"""Which accounts are whose: every one exactly once, evenly, and few move when a shard is added."""

from __future__ import annotations

from collections import Counter

import pytest
from click.testing import CliRunner

from exporter.account import ApiKeyConfig
from exporter.cli import main
from exporter.config import Config
from exporter.shard import Shard, ShardError, part_of, shard_of

NAMES = [f"desk-{number}" for number in range(2000)]


def owner(name: str, count: int) -> int:
    (index,) = (index for index in range(count) if Shard(index, count).takes(name))
    return index


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_account_has_one_owner_and_all_have_about_as_many(count: int) -> None:
    found = Counter(owner(name, count) for name in NAMES)
    assert found.total() == len(NAMES)
    assert all(0.85 < found[index] * count / len(NAMES) < 1.15 for index in range(count)), found


def test_another_shard_takes_its_part_and_moves_nothing_else() -> None:
    before, after = ({name: owner(name, count) for name in NAMES} for count in (3, 4))
    moved = [name for name in NAMES if before[name] != after[name]]
    assert {after[name] for name in moved} == {3}
    assert len(moved) / len(NAMES) == pytest.approx(1 / 4, abs=0.03)


def test_who_owns_an_account_is_the_same_on_every_machine() -> None:
    """Two versions that disagree would collect accounts twice, and others not at all."""
    names = ("main", "spare", "bingx-directional", "a", "b", "c")
    assert [owner(name, 3) for name in names] == EXPECTED


EXPECTED = [2, 0, 0, 0, 1, 2]


def account(name: str, **fields: object) -> ApiKeyConfig:
    entry = {"name": name, "exchange": "binance_usdm", "api_key": "k", "api_secret": "s"}
    return ApiKeyConfig.model_validate({**entry, **fields})


def test_shards_of_one_file_show_one_fingerprint_and_of_another_another() -> None:
    whole = Config(accounts=tuple(account(name) for name in NAMES[:20]))
    parts = [part_of(whole, Shard(index, 3)) for index in range(3)]
    assert sorted(one.name for part in parts for one in part.accounts) == sorted(NAMES[:20])
    assert {part.fingerprint() for part in parts} == {whole.fingerprint()}
    other = Config(accounts=(*whole.accounts[1:], account(NAMES[0], interval="20s")))
    assert part_of(other, Shard(0, 3)).fingerprint() != whole.fingerprint()


@pytest.mark.parametrize(
    ("text", "shards", "host", "expected"),
    [
        ("0/3", None, "anything", Shard(0, 3)),
        ("2/3", 3, "anything", Shard(2, 3)),
        ("auto", 3, "risk-exporter-0", Shard(0, 3)),
        ("auto", 12, "risk-exporter-11", Shard(11, 12)),
    ],
)
def test_what_names_a_shard(text: str, shards: int | None, host: str, expected: Shard) -> None:
    assert shard_of(text, shards=shards, host=host) == expected


@pytest.mark.parametrize(
    ("text", "shards", "host", "complaint"),
    [
        ("3/3", None, "", "of 3 shards the last is 2/3: they are counted from 0"),
        ("1", None, "", "expected I/N, such as 0/3 for the first of three, or auto"),
        ("-1/3", None, "", "expected I/N, such as 0/3 for the first of three, or auto"),
        ("0/0", None, "", "there can be 1 to 1000 shards, not 0"),
        ("0/3", 4, "", "0/3 contradicts the number of shards, 4"),
        ("auto", None, "pod-1", "`auto` needs the number of shards: --shards, or RISK_EXPORTER_SHARDS"),
        ("auto", 3, "pod-3", "of 3 shards the last is 2/3: they are counted from 0"),
        ("auto", 3, "ip-10-0-0-x", "the name 'ip-10-0-0-x' does not end in a number"),
    ],
)
def test_what_names_none_says_why(text: str, shards: int | None, host: str, complaint: str) -> None:
    with pytest.raises(ShardError, match=f"^{complaint}"):
        shard_of(text, shards=shards, host=host)


def test_a_shard_that_is_none_ends_the_program_with_one_sentence() -> None:
    result = CliRunner().invoke(main, ["run", "--shard=3/3"])
    assert result.exit_code == 2
    assert "Invalid value for --shard: of 3 shards the last is 2/3" in result.stderr
    result = CliRunner().invoke(main, ["run", "--shards=3"])
    assert "--shards needs --shard=I/N or --shard=auto" in result.stderr
