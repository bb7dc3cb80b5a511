"""Characters that cannot be seen are shown escaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.printable import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("BTC-USDT 永续 Ω €", "BTC-USDT 永续 Ω €"),
        ("a\x00b\x1b[31mc\x7f\x9b", r"a\x00b\x1b[31mc\x7f\x9b"),
        ("two\nlines\r\n\tand a tab", r"two\x0alines\x0d\x0a\x09and a tab"),
        ("BTC\u202eTDSU\u2066\u200b\ufeff", r"BTC\u202eTDSU\u2066\u200b\ufeff"),
        ("line\u2028separator\u00a0", r"line\u2028separator\xa0"),
        ("half\ud800", r"half\ud800"),
        ("tag\U000e0001", r"tag\U000e0001"),
        ("", ""),
    ],
)
def test_what_cannot_be_seen_is_an_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_traceback_keeps_its_lines() -> None:
    assert visible("one\ntwo\x07", keep="\n") == "one\ntwo\\x07"


@given(st.text(st.characters()))
def test_nothing_unseen_is_left_and_what_is_seen_stays(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert visible(shown) == shown
