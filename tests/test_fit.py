"""Whether accounts fit into request limits is said in numbers, before anything is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from exporter.account import Member
from exporter.cli import main
from exporter.config import load
from exporter.fit import Fit, fits, misfits, remarks
from exporter.members import expanded
from exporter.venues import discover

KEY = {"api_key": "k" * 64, "api_secret": "s" * 64}


def accounts(count: int, exchange: str = "binance_usdm", **fields: Any) -> list[dict[str, Any]]:
    name = f"{exchange}{len(fields)}"
    return [{"name": f"{name}-{n}", "exchange": exchange, **KEY, **fields} for n in range(count)]


def found(tmp_path: Path, entries: list[dict[str, Any]], **sections: Any) -> list[Fit]:
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": entries, **sections}))
    return fits(load(path), discover())


def texts(tmp_path: Path, entries: list[dict[str, Any]], **sections: Any) -> list[str]:
    found(tmp_path, entries, **sections)
    config = load(tmp_path / "exporter.yml")
    return list(remarks(misfits(config, discover())))


def test_accounts_that_do_not_fit_are_told_with_numbers(tmp_path: Path) -> None:
    """10 for each account, four times a minute; what is kept for minutes does not count."""
    told = texts(tmp_path, accounts(47))
    assert told[0] == "binance (direct): 47 accounts need 1,880 of 1,200 a minute: 24 s instead of 15 s"
    assert (
        told[1] == "  a longer `interval`, a larger `share` of the budget or further addresses (`proxy`) help"
    )
    assert len(told) == 2


def test_live_marks_leave_less_for_the_accounts(tmp_path: Path) -> None:
    """10 of weight every 5 seconds, however many accounts there are: 1,080 of 1,200 are theirs."""
    (fit,) = found(tmp_path, accounts(47), marks={"interval": "5s"})
    assert (fit.needed, fit.allowed) == pytest.approx((1880.0, 1080.0))
    (fit,) = found(tmp_path, accounts(1), marks={"interval": "5s"}, budgets={"binance": {"per_minute": 100}})
    assert fit.allowed == pytest.approx(25.0), "marks take half at most"


def test_sub_accounts_take_from_the_limit_of_the_calls_that_read_them(tmp_path: Path) -> None:
    """Each of 47 takes one of 12,000 a minute at two calls, and nothing of the futures'."""
    found(tmp_path, accounts(1, sub_accounts=True))
    config = load(tmp_path / "exporter.yml")
    members = [Member(f"desk{number}", f"desk{number}@fund.example") for number in range(47)]
    needed = {
        fit.budget: (len(fit.accounts), fit.needed)
        for fit in fits(expanded(config, {config.accounts[0].name: members}), discover())
    }
    expected: dict[str, Any] = {
        "binance": (1, pytest.approx(40.0)),
        **{
            f"binance_sapi /sapi/v2/sub-account/futures/{call}": (47, pytest.approx(188.0))
            for call in ("account", "positionRisk")
        },
    }
    assert needed == expected


def test_accounts_that_fit_are_not_mentioned(tmp_path: Path) -> None:
    assert texts(tmp_path, accounts(19)) == []


def test_both_binance_apis_share_a_budget(tmp_path: Path) -> None:
    (fit,) = found(tmp_path, accounts(10) + accounts(10, "binance_coinm"))
    assert len(fit.accounts) == 20
    assert fit.needed == pytest.approx(10 * 40 + 10 * 24 + 40)


def test_each_address_has_its_own(tmp_path: Path) -> None:
    proxied = accounts(40, proxy="http://proxy.example.com:3128")
    tested = accounts(30, base_url="https://testnet.binancefuture.com", interval="30s")
    told = texts(tmp_path, accounts(40) + proxied + tested)
    assert [line for line in told if not line.startswith(" ")] == [
        "binance (direct): 40 accounts need 1,600 of 1,200 a minute: 20 s instead of 15 s",
        "binance (proxy proxy.example.com): 40 accounts need 1,600 of 1,200 a minute: 20 s instead of 15 s",
    ]


def test_the_settings_of_a_budget_count(tmp_path: Path) -> None:
    (fit,) = found(
        tmp_path,
        accounts(1),
        budgets={"binance": {"per_minute": 6000, "share": 0.8, "shards_per_address": 4}},
    )
    assert fit.allowed == pytest.approx(1200.0)


def test_the_tighter_of_two_limits_counts(tmp_path: Path) -> None:
    budgets = {"bittap": {"per_minute": 600, "per_second": 2}}
    (fit,) = found(tmp_path, accounts(40, "bittap"), budgets=budgets)
    assert fit.allowed == 60.0
    assert str(fit).endswith("40 accounts need 320 of 60 a minute: 80 s instead of 15 s")


def test_calls_that_are_counted_alone_are_named(tmp_path: Path) -> None:
    told = texts(tmp_path, accounts(60, "bingx"))
    assert told[0] == (
        "bingx /openApi/swap/v3/user/balance (direct): 60 accounts need 240 of 90 a minute: "
        "40 s instead of 15 s"
    )
    assert "bingx /openApi/swap/v1/maintMarginRatio" not in "".join(told)


def test_a_limit_of_one_account_names_the_account(tmp_path: Path) -> None:
    fast = accounts(1, "bingx_v1", interval="1s", timeout="1s", base_url="https://bingx.example.com")
    told = texts(tmp_path, fast, budgets={"bingx_v1_account": {"per_second": 1}})
    assert told[0] == (
        "bingx_v1_account (account bingx_v13-0): 1 account needs 120 of 30 a minute: 4 s instead of 1 s"
    )


@pytest.mark.parametrize(("fields", "count"), [({"max_age": "20s"}, 47), ({"max_age": "40s"}, 0), ({}, 0)])
def test_data_that_get_too_old_between_two_collections_are_told(
    tmp_path: Path, fields: dict[str, Any], count: int
) -> None:
    told = [line for line in texts(tmp_path, accounts(47, **fields)) if "max_age" in line]
    expected = (
        f"  data of {count} of them get too old between two collections (`max_age`) and are absent meanwhile"
    )
    assert told == ([expected] if count else [])


def test_a_fleet_so_large_that_data_get_too_old_is_told_without_a_max_age(tmp_path: Path) -> None:
    told = texts(tmp_path, accounts(1000))
    assert "  data of 1,000 of them get too old between two collections (`max_age`)" in told[1]


def test_check_config_says_it_and_finds_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": accounts(47)}))
    result = CliRunner().invoke(main, ["check-config", str(path)])
    assert result.exit_code == 0
    assert "47 accounts, no mistakes\n" in result.output
    assert "47 accounts need 1,880 of 1,200 a minute: 24 s instead of 15 s\n" in result.output
