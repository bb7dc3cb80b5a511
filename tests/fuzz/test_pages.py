"""The check of pages finds what is wrong with one: it would be worth nothing otherwise."""

from __future__ import annotations

import pytest

from tests.fuzz.pages import Pages, in_range

GOOD = 'risk_account_equity{exchange="toy",account="desk",currency="USDT"} 12.5\n'


def checked(name: str, text: str) -> list[str]:
    pages = Pages()
    return pages.check({name: text.encode()}) + pages.by_library()


def test_a_good_page_is_good() -> None:
    assert checked("risk_account_equity", GOOD) == []
    assert checked("risk_account_equity", GOOD.replace("12.5", "-1e-07").replace("USDT", r"U\"S\\D")) == []


@pytest.mark.parametrize(
    "bad",
    [
        GOOD.rstrip("\n"),
        GOOD + GOOD,
        GOOD.replace("12.5", "NaN"),
        GOOD.replace("12.5", "1,5"),
        GOOD.replace("USDT", 'U"'),
        GOOD.replace("USDT", "U\\"),
        GOOD.replace("USDT", "U\x07"),
        GOOD.replace("USDT", "U\u202e"),
        GOOD.replace("account_equity", "account_debt"),
        GOOD.replace("{", "{Ä="),
    ],
)
def test_a_bad_line_is_found(bad: str) -> None:
    assert checked("risk_account_equity", bad)


def test_the_library_reads_every_series_that_is_new() -> None:
    pages = Pages()
    for currency in ("A", "B", "A"):
        pages.check({"risk_account_equity": GOOD.replace("USDT", currency).encode()})
    assert pages.by_library() == []
    assert (pages.read, pages.series) == (3, 2)


@pytest.mark.parametrize(
    ("family", "inside", "outside"),
    [
        ("risk_account_equity", -5.0, None),
        ("risk_account_maintenance_margin_rate", float("inf"), -0.1),
        ("risk_position_leverage_ratio", 0.1, 0.0),
        ("risk_position_adl_ratio", 1.0, 1.1),
    ],
)
def test_values_have_ranges(family: str, inside: float, outside: float | None) -> None:
    assert in_range(family, inside)
    assert outside is None or not in_range(family, outside)
