"""The section `budgets`: names from the venues, limits that replace theirs, mistakes with their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.config import ConfigError, load
from exporter.limits import BudgetSettings

ACCOUNTS = """
accounts:
  - {name: desk, exchange: binance_usdm, api_key: k, api_secret: s}
"""


def loaded(tmp_path: Path, text: str) -> object:
    path = tmp_path / "exporter.yml"
    path.write_text(text + ACCOUNTS)
    return load(path).budgets


def complaints(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_without_the_section_nothing_is_set(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == {}
    assert loaded(tmp_path, "budgets:\n") == {}


def test_limit_share_and_shards_can_be_set_for_each_budget(tmp_path: Path) -> None:
    text = (
        "budgets: {binance: {per_minute: 6000, share: 0.25, shards_per_address: 3}, bingx: {per_second: 5}}"
    )
    assert loaded(tmp_path, text) == {
        "binance": BudgetSettings(per_minute=6000.0, share=0.25, shards_per_address=3),
        "bingx": BudgetSettings(per_second=5.0),
    }


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = """budgets:
  binanse: {share: 0.5}
  bittap: 0.5
  zkx:
    share: 0
    per_minute: -5
    per_second: many
    shards_per_address: 0
    shards: 2
  bingx:
    share: 1.1
    shards_per_address: 1.5
"""
    assert complaints(tmp_path, text) == [
        "exporter.yml:2: budgets.binanse: unknown field; did you mean `binance`?",
        "exporter.yml:3: budgets.bittap: expected fields, such as share",
        "exporter.yml:5: budgets.zkx.share: must be more than 0",
        "exporter.yml:6: budgets.zkx.per_minute: must be more than 0",
        "exporter.yml:7: budgets.zkx.per_second: expected a number",
        "exporter.yml:8: budgets.zkx.shards_per_address: must be at least 1",
        "exporter.yml:9: budgets.zkx.shards: unknown field; did you mean `share`?",
        "exporter.yml:11: budgets.bingx.share: must be at most 1",
        "exporter.yml:12: budgets.bingx.shards_per_address: expected a whole number",
    ]
    assert complaints(tmp_path, "budgets: [binance]\n") == [
        "exporter.yml:1: budgets: expected budgets by name, such as {binance: {share: 0.5}}"
    ]
