"""What of many accounts is shown: the most endangered, those that are not seen, and what is searched for."""

from __future__ import annotations

import time

import pytest

from exporter.board.overview import MOST_ACCOUNTS, MOST_UNSEEN, Filters, Overview, overview
from exporter.board.page import Shown, risk_page
from exporter.board.standing import Standing
from tests.board.accounts import AT, MAX_AGE, NOW, figures, leg, near, pool, standing


def names(found: Overview) -> list[str]:
    return [row.standing.account for row in found.accounts]


def asked(*standings: Standing, **fields: str) -> list[str]:
    return names(overview(standings, NOW, Filters(**fields)))


def test_the_most_endangered_come_first_and_those_that_are_not_seen_before_them() -> None:
    found = overview(
        [
            standing("safe", near(0.5)),
            standing("new"),
            standing("close", near(0.06)),
            standing("was-safe", near(0.4), age=60.0),
            standing("rate", near(0.5, rate=0.9)),
            standing("was-close", near(0.01), age=60.0),
            standing("never", failed=("auth", "the key is refused")),
            standing("idle", figures(pools=(pool(equity_usd=1.0),))),
        ],
        NOW,
    )
    assert names(found) == ["never", "was-close", "was-safe", "new", "rate", "close", "safe", "idle"]
    assert [row.state for row in found.accounts[:4]] == ["unseen", "stale", "stale", "starting"]
    assert [row.figures is None for row in found.accounts] == [True] * 4 + [False] * 4


def test_figures_are_gone_at_the_moment_they_are_too_old() -> None:
    one = standing(found=near(0.1), age=0.0)
    for late, state in ((MAX_AGE - 0.001, "up"), (MAX_AGE, "stale")):
        found = overview([one], NOW + late)
        assert [row.state for row in found.accounts] == [state]
        assert (found.summary.nearest is None) == (found.positions == []) == (state == "stale")


def test_an_account_that_fails_keeps_its_place_while_its_figures_are_shown() -> None:
    found = overview(
        [standing("far", near(0.5)), standing("close", near(0.1), failed=("timeout", "no answer"))], NOW
    )
    assert [(row.standing.account, row.state) for row in found.accounts] == [
        ("close", "failing"),
        ("far", "up"),
    ]
    assert (found.summary.failing, found.summary.not_seen) == (1, 0)


def test_the_summary_names_whose_the_figures_are() -> None:
    summary = overview(
        [
            standing("a", near(0.3, equity=100.0, rate=0.7)),
            standing("b", near(0.2, "ETHUSDT", equity=50.0)),
            standing(
                "c",
                figures(
                    leg(distance=0.9),
                    pools=(pool("USDC", liquidation_shock_up=0.04), pool("BTC", liquidation_shock_down=0.06)),
                ),
            ),
            standing("d", failed=("auth", "no")),
        ],
        NOW,
    ).summary
    assert summary.nearest is not None
    assert summary.highest_rate is not None
    assert summary.smallest_move is not None
    one = summary.nearest
    assert (one.account, one.value, one.of, one.detail, one.level) == ("b", 0.2, "ETHUSDT", "long", "ok")
    one = summary.highest_rate
    assert (one.account, one.value, one.of, one.level) == ("a", 0.7, "USDT", "warning")
    one = summary.smallest_move
    assert (one.account, one.value, one.of, one.detail, one.level) == ("c", 0.04, "USDC", "up", "critical")
    assert (summary.accounts, summary.positions, summary.not_seen, summary.first_names) == (4, 3, 1, ("d",))
    # The third account's equity is not known: it is not counted as 0 without a word.
    assert (summary.equity_usd, summary.equity_accounts) == (150.0, 2)


def test_nothing_known_is_nothing_shown() -> None:
    summary = overview([standing()], NOW).summary
    assert (summary.nearest, summary.highest_rate, summary.smallest_move, summary.equity_usd) == (None,) * 4
    assert (summary.not_seen, summary.starting) == (1, 1)
    assert overview([], NOW).known == 0


def test_of_many_accounts_the_hundred_in_most_danger_are_shown_and_an_outage_does_not_hide_them() -> None:
    everyone = [standing(f"up-{number}", near(0.001 * ((number * 7) % 500 + 1))) for number in range(500)]
    everyone += [standing(f"down-{number}", failed=("network", "no")) for number in range(300)]
    found = overview(everyone, NOW)
    assert len(found.accounts) == MOST_ACCOUNTS
    shown = [row for row in found.accounts if row.collected is not None]
    assert len(shown) == MOST_ACCOUNTS - MOST_UNSEEN
    rooms = [row.figures.room for row in shown if row.figures is not None]
    assert rooms == pytest.approx([0.001 * (number + 1) for number in range(80)])
    assert len(overview(everyone, NOW, accounts=None).accounts) == 800
    # Where there is room, all that are not seen are shown.
    assert len([one for one in overview(everyone[490:], NOW).accounts if one.collected is None]) == 90


def test_positions_are_the_nearest_of_all_accounts() -> None:
    many = figures(*(leg(f"A{number}", 0.1 + number / 1000) for number in range(150)))
    one = standing("one", figures(leg("B", 0.15), leg("NONE", liquidation_source="none")))
    found = overview([standing("many", many), one, standing("gone", near(0.01), age=60.0)], NOW)
    distances = [row.position.liquidation_distance_ratio for row in found.positions]
    assert len(distances) == 100
    assert distances == sorted(distance for distance in distances if distance is not None)
    assert [row.position.symbol for row in found.positions].index("B") in (50, 51)
    assert {row.row.standing.account for row in found.positions} == {"many", "one"}


def test_accounts_are_found_by_name_symbol_label_venue_owner_and_state() -> None:
    one = standing("Alpha", near(0.1, "ETHUSDT"), labels={"owner": "Mia", "team": "Macro"})
    other = standing("beta", near(0.2, "BTCUSDT"), exchange="bingx", failed=("timeout", "no"))
    third = standing("gamma", near(0.2), age=60.0)
    everyone = (one, other, third)
    assert asked(*everyone, text="alpha") == ["Alpha"]
    assert asked(*everyone, text="eth") == ["Alpha"]
    assert asked(*everyone, text="macro") == ["Alpha"]
    assert asked(*everyone, text="bingx") == ["beta"]
    assert asked(*everyone, text="btc") == ["beta"]  # what gamma holds is too old to know
    assert asked(*everyone, exchange="bingx") == ["beta"]
    assert asked(*everyone, owner="Mia") == ["Alpha"]
    assert asked(*everyone, state="failing") == ["beta"]
    assert asked(*everyone, state="stale") == ["gamma"]
    assert asked(*everyone, text="nobody") == []
    found = overview(everyone, NOW)
    assert (found.exchanges, found.owners) == (["binance_usdm", "bingx"], ["Mia"])


def test_of_a_symbol_that_is_searched_for_only_its_positions_are_shown() -> None:
    one = standing("desk", figures(leg("ETHUSDT", 0.2), leg("BTCUSDT", 0.1)))
    assert [row.position.symbol for row in overview([one], NOW, Filters(text="eth")).positions] == ["ETHUSDT"]
    assert len(overview([one], NOW, Filters(text="desk")).positions) == 2


def test_the_page_of_ten_thousand_accounts_takes_little_of_the_processor() -> None:
    """50 ms, of which a machine with nothing else to do needs a quarter."""
    five = figures(
        *(leg(f"A{number}", 0.3 + number, liquidation_price=70.0, mark_price=100.0) for number in range(5)),
        pools=(pool(equity_usd=1.0, maintenance_margin_rate=0.2, stress=((-0.1, 0.3), (0.1, 0.1))),),
    )
    everyone = [standing(f"desk-{number}", five) for number in range(10_000)]
    shown = Shown(telemetry_path="/metrics", shard="", at=AT, renew=10)
    seconds = []
    for _ in range(4):
        began = time.thread_time()
        page = risk_page(overview(everyone, NOW), shown)
        seconds.append(time.thread_time() - began)
    assert page.count(b"<tr data-key=") == MOST_ACCOUNTS + 100
    assert min(seconds) <= 0.050
