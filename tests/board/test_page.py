"""The HTML: every state in plain words, nothing of others unescaped, nothing inline."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from exporter.board.overview import Filters, overview
from exporter.board.page import Shown, account_page, risk_page
from exporter.board.standing import MOST_ERRORS, MOST_TEXT, Standing
from exporter.errors import VenueError
from exporter.keys import state_of
from exporter.model import KeyRights
from exporter.trail import MOST_MISSED, MOST_REQUESTS, Trail
from tests.accounts import complete_risk
from tests.board.accounts import AT, NOW, figures, leg, near, pool, standing

SHOWN = Shown(telemetry_path="/metrics", shard="", at=AT, renew=10)
NASTY = "<script>alert(1)</script>\u202e\x1b&\"'"


class Texts(HTMLParser):
    """The text of a page, on one line."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.attributes: set[str] = set()
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.found).split())


def all_of(*standings: Standing, shown: Shown = SHOWN, **filters: str) -> str:
    return risk_page(overview(standings, NOW, Filters(**filters)), shown).decode()


def text_of(*standings: Standing, **filters: str) -> str:
    return Texts(all_of(*standings, shown=SHOWN, **filters)).text


def one_of(one: Standing) -> str:
    return Texts(account_page(one, NOW, SHOWN).decode()).text


def test_an_account_is_shown_with_the_figures_that_matter() -> None:
    text = text_of(standing("desk-a", near(0.04, equity=89_830.0, rate=0.37), labels={"owner": "Mia"}))
    for shown in (
        "desk-a",
        "critical",
        "binance_usdm · Mia",
        "4.00%",
        "BTCUSDT long",
        "37.0%",
        "$89,830",
        "4 s",
    ):
        assert shown in text
    assert "1 of 1 accounts" in text
    assert text.startswith("4.00% · risk-exporter")  # the title: what a tab shows


def test_states_are_said_in_plain_words_and_nothing_old_is_shown() -> None:
    stale = standing("stale", near(0.0777, equity=777.0), age=60.0, failed=("auth", "the key was refused"))
    late = standing("late", near(0.0777, equity=777.0), age=60.0)
    never = standing("never", failed=("network", "no connection"))
    text = text_of(stale, late, never, standing("new"), standing("up", near(0.3)))
    assert "stale auth: the key was refused failing for 2 s" in text
    assert "stale no collection has finished in time" in text
    assert "never seen network: no connection" in text
    assert "starting no collection has finished yet" in text
    assert "3 of 5 accounts are not seen: never, stale, late." in text
    assert "Starting: 1 of 5 accounts have been collected." in text
    assert text.startswith("3 not seen · 30.0% · risk-exporter")
    assert "7.77" not in text
    assert "777" not in text
    for one in (stale, late):
        assert "7.77" not in one_of(one)
        assert "777" not in one_of(one)
    assert "The last figures are too old to show." in one_of(stale)


def test_an_account_that_fails_says_so_beside_its_last_figures() -> None:
    one = standing(found=near(0.3), failed=("timeout", "no answer"))
    assert "failing: timeout" in text_of(one)
    assert "timeout: no answer" in one_of(one)
    assert "30.0%" in one_of(one)


def test_when_it_is_tried_again_is_said() -> None:
    one = standing(failed=("auth", "no"))
    one.next_attempt = AT + 40.0
    assert "next try in 40 s" in text_of(one)


def test_without_accounts_and_without_matches_the_page_says_so() -> None:
    assert "No account is configured." in text_of()
    text = text_of(standing(found=near(0.1)), text="nobody")
    assert "0 of 1 accounts match; everything below is of these alone." in text
    assert "No account matches." in text


def test_one_of_several_exporters_says_that_it_has_a_part_of_the_accounts() -> None:
    part = Shown(telemetry_path="/metrics", shard="0/3", at=AT, renew=0)
    assert "Shard 0/3: the accounts of the other shards" in all_of(standing(), shown=part)
    assert "hard" not in text_of(standing())


def test_unknown_is_a_dash_or_a_word_and_never_a_zero() -> None:
    text = text_of(standing(found=figures(leg(), pools=(pool(),))))
    row = text[text.index("Add to target") :]
    assert "unknown" in row
    assert "0.00" not in text
    assert "$0" not in text
    assert "no price liquidates" in text_of(standing(found=figures(leg(liquidation_source="none"))))


def test_an_option_says_what_it_is_and_has_no_distance() -> None:
    option = complete_risk().positions[1]
    figures_found = figures(option, pools=(pool(liquidation_shock_up=0.21),))
    text = text_of(standing(found=figures_found))
    assert "BTC-PUT long put 402, expires 1970-01-01, cross" in text
    assert "see joint move" in text
    assert "$404 value" in text
    assert "no price liquidates" not in text
    assert '<svg class="ladder"' not in all_of(standing(found=figures_found))
    # It is the joint move that says how dangerous the account is.
    assert (figures_found.level, figures_found.room, figures_found.without_distance) == ("ok", 0.21, 0)


def test_past_its_liquidation_price_a_position_is_called_so() -> None:
    assert "−2.00% past it" in text_of(standing(found=near(-0.02)))


def test_what_others_say_is_escaped_wherever_it_stands() -> None:
    found = figures(
        leg(NASTY, 0.1, position_id=NASTY),
        pools=(pool(NASTY, maintenance_margin_rate=0.1),),
        modes={"mode": NASTY},
    )
    one = standing(found=found, labels={"owner": NASTY}, failed=("exchange", NASTY))
    one.missed = (NASTY,)
    one.trail.asked(AT, NASTY, NASTY, 0.1)
    for page in (
        all_of(one),
        all_of(one, text=NASTY, owner=NASTY),
        all_of(standing(failed=("exchange", NASTY))),
        account_page(one, NOW, SHOWN).decode(),
    ):
        assert "<script>alert" not in page
        assert not {"\u202e", "\x1b"} & set(page)
        assert Texts(page).tags.count("script") == 1  # ours


def test_nothing_is_inline_so_that_the_policy_can_be_strict() -> None:
    one = standing(found=near(0.1), failed=("timeout", "no"))
    for page in (all_of(one, standing("b")), account_page(one, NOW, SHOWN).decode()):
        parsed = Texts(page)
        assert "style" not in parsed.attributes | set(parsed.tags)
        assert not [name for name in parsed.attributes if name.startswith("on")]
        assert re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL) == [""]
        assert re.findall(r'(?:src|href|action)="(?!/|\?|#)', page) == []


def test_without_javascript_it_is_loaded_again_unless_somebody_stops_that() -> None:
    refresh = '<noscript><meta http-equiv="refresh" content="10"></noscript>'
    assert refresh in all_of(standing())
    page = all_of(standing(), shown=Shown(telemetry_path="/m", shard="", at=AT, renew=0), text="a")
    assert "refresh" not in page
    assert 'href="?q=a"' in page
    assert 'href="?q=a&amp;renew=0"' in all_of(standing(), text="a")


def test_the_page_of_an_account_has_what_is_looked_for_in_a_fault() -> None:
    one = standing(found=near(0.1), labels={"owner": "Mia", "team": "Macro"})
    one.trail.asked(AT - 3.0, "/fapi/v3/account", "200", 0.041)
    one.trail.asked(AT - 2.0, "/fapi/v3/positionRisk", "timeout", 5.0)
    one.missed = ("binance_usdm GET /fapi/v1/adlQuantile: no answer",)
    for second in range(3):
        one.failed("timeout", "no answer", AT - 10.0 + second)
    text = one_of(one)
    assert "22:13:18 /fapi/v3/positionRisk timeout 5000 ms 22:13:17 /fapi/v3/account 200 41 ms" in text
    assert "8 s ago timeout no answer 3" in text
    assert "The last collection did without: binance_usdm GET /fapi/v1/adlQuantile: no answer" in text
    for fact in ("owner Mia", "team Macro", "Collected every 15 s", "Shown for 45 s", "Last seen 4 s"):
        assert fact in text


def test_what_is_remembered_of_an_account_is_bounded() -> None:
    one = standing()
    for number in range(100):
        one.trail.asked(AT, f"/{number}", "200", 0.1)
        one.trail.missed(VenueError("timeout", "no"))
        one.failed("exchange", f"{number} {'x' * number} " + "x" * 1000, AT)
    assert [asked.endpoint for asked in one.trail.requests] == [f"/{99 - n}" for n in range(MOST_REQUESTS)]
    assert len(one.trail.misses) == MOST_MISSED
    assert [failed.message.split()[0] for failed in one.errors] == [str(99 - n) for n in range(MOST_ERRORS)]
    assert max(len(failed.message) for failed in one.errors) == MOST_TEXT


def test_a_failure_that_repeats_is_one_line_with_a_count_until_something_else_comes() -> None:
    one = Standing("x", "desk")
    for at, message in enumerate(("a in 4.75 s", "a in 4.7 s", "b", "a in 4 s")):
        one.failed("network", message, float(at))
    assert [(one.message, one.first, one.last, one.count) for one in one.errors] == [
        ("a in 4 s", 3.0, 3.0, 1),
        ("b", 2.0, 2.0, 1),
        ("a in 4.7 s", 0.0, 1.0, 2),
    ]
    one.found(near(0.1), began=1.0, began_at=1.0, now=1.0, max_age=9.0)
    one.succeeded(("x" * 1000,))
    assert (one.failure, one.failing_since, one.missed) == (None, None, ("x" * MOST_TEXT,))
    one.failed("network", "a", 9.0)
    assert (one.errors[0].count, len(one.errors)) == (1, 4)


def test_the_trail_of_another_configuration_begins_anew() -> None:
    one = standing()
    one.trail.asked(AT, "/old", "200", 0.1)
    one.configured({}, Trail())
    assert one.trail.requests == ()


@pytest.mark.parametrize(
    ("rights", "failure", "words"),
    [
        (None, "", "Key not known yet"),
        (None, "no answer", "Key not known: no answer"),
        (
            KeyRights(read=True, trade=False, transfer=False, withdraw=False, ip_restricted=True),
            "",
            "Key read only; from some addresses alone",
        ),
        (
            KeyRights(read=True, withdraw=True, transfer=False, ip_restricted=False, expires_at=AT),
            "no answer",
            "Key can read, withdraw; cannot transfer; not told: trade; from any address "  # noqa: ISC004
            "Key expires 2023-11-14T22:13:20Z Key, asked again no answer",
        ),
    ],
)
def test_what_a_key_may_do_is_said_in_words(rights: KeyRights | None, failure: str, words: str) -> None:
    one = standing()
    assert "Key the venue does not tell" in one_of(one)
    one.key = state_of(rights, (), answered_at=None if rights is None else AT, failure=failure)
    assert words in one_of(one)
