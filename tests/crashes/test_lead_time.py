"""Who is paged how long before a crash liquidates him: a part of ``docs/lead-time.md`` played again."""

from __future__ import annotations

import pytest

from tests.crashes import paths, report
from tests.crashes.accounts import Account, plans
from tests.crashes.replay import Fate, replay
from tests.grafana.programs import ROOT

_, CRASHES = paths.read()
BLACK_THURSDAY = CRASHES[0]
PLAYED = ("cross-5", "isolated-10", "book-5", "silent-10")


@pytest.fixture(scope="module")
def fates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fate]:
    """The first fall of 12 March 2020, in which all of these are gone within 30 minutes."""
    folder = tmp_path_factory.mktemp("crash")
    found = replay(BLACK_THURSDAY, 1, folder, only=frozenset(PLAYED), calm=1200)
    return {fate.plan.name: fate for fate in found}


def lead(fate: Fate) -> float:
    """Minutes from the first page to the liquidation."""
    alarm = report.first(fate, only=None)
    assert alarm is not None
    assert fate.liquidated_at is not None
    return (fate.liquidated_at - alarm.at) / 60.0


@pytest.mark.parametrize(("name", "minutes"), [("cross-5", 10.0), ("book-5", 10.0), ("isolated-10", 2.5)])
def test_a_page_comes_before_the_liquidation(fates: dict[str, Fate], name: str, minutes: float) -> None:
    assert lead(fates[name]) >= minutes


def test_a_venue_that_falls_silent_costs_no_page(fates: dict[str, Fate]) -> None:
    assert lead(fates["silent-10"]) >= 2.5


def test_accounts_up_to_ten_times_their_equity_are_neither_paged_nor_warned_at_rest(
    fates: dict[str, Fate],
) -> None:
    for name, fate in fates.items():
        assert {severity for _, severity in fate.at_rest} <= {"info"}, name


def test_the_page_tells_of_the_same_accounts(fates: dict[str, Fate]) -> None:
    """The table was made with a longer calm before, so that only what does not depend on it is compared."""
    _, _, section = (ROOT / "docs" / "lead-time.md").read_text().partition(f"## {BLACK_THURSDAY.name}\n")
    rows = {
        line.split(" | ")[0].removeprefix("| "): line.split(" | ")
        for line in section.split("\n## ")[0].splitlines()
    }
    for fate in fates.values():
        row = rows[f"{fate.plan.kind}, {fate.plan.leverage}×"]
        assert fate.liquidated_at is not None
        assert row[1] == f"{fate.liquidated_at / 60.0:.0f}"
        assert float(row[5].split()[0]) == pytest.approx(_by_market(fate), abs=1.0)


def _by_market(fate: Fate) -> float:
    alarm = report.first(fate, only=report.MARKET)
    assert alarm is not None
    assert fate.liquidated_at is not None
    return (fate.liquidated_at - alarm.at) / 60.0


def test_the_exporter_sees_the_liquidation_where_the_simulated_venue_has_it(fates: dict[str, Fate]) -> None:
    """Two sets of formulas: just before the end the last distance is next to nothing."""
    for name in ("cross-5", "isolated-10"):
        last = fates[name].watched[-1].distance
        assert last is not None
        assert 0.0 <= last < 0.02


def test_every_kind_of_account_is_liquidated_by_its_own_money_alone() -> None:
    first = {"BTC": 100.0, "ETH": 100.0, "ALT": 100.0, "USDE": 1.0}
    by_name = {plan.name: plan for plan in plans(CRASHES[-1])}
    for name, alive, dead in (
        ("isolated-10", 90.5, 90.4),  # 0.1 - 0.0955 against 0.005 × 0.9045
        ("cross-10", 90.5, 90.4),
        ("book-10", 90.7, 90.5),
        ("depeg-5", 80.5, 80.3),
    ):
        account = Account(by_name[name], first)
        assert not account.tick({**dict.fromkeys(first, alive), "USDE": 1.0}), name
        assert account.tick({**dict.fromkeys(first, dead), "USDE": 1.0}), name
    hedge = Account(by_name["hedge-15"], first)
    halved = {**dict.fromkeys(first, 50.0), "USDE": 1.0}
    assert not hedge.tick(halved)
    hedge.close_short(halved)
    assert not hedge.tick(halved)
    assert hedge.tick({**halved, "ETH": 40.0})
