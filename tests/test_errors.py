"""Nothing a venue says carries a secret out of the process."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import VenueError, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Invalid symbol.", "Invalid symbol."),
        ("request ip: 203.0.113.7", "request ip: [address]"),
        ("IP(203.0.113.7) banned", "IP([address]) banned"),
        ("from 2001:db8::8a2e:370:7334!", "from [address]!"),
        ("from ::ffff:203.0.113.7.", "from [address]."),
        ("64:ff9b::203.0.113.7 may not", "[address] may not"),
        ("ip_203.0.113.7, IP203.0.113.7", "ip_[address], IP[address]"),
        ("banned until 1774784983833.", "banned until [redacted]."),
        ("uid 76957286 unknown", "uid [redacted] unknown"),
        ("key dbefbc809e3e83c283a984c3a1459732ea7d", "key [redacted]"),
        ("sign yNVM+9dco5HRYx3q8aJ/FfuL00byC/iE8+KuiH15PcsB= is", "sign [redacted] is"),
        ("sent at 2023-11-14T22:13:20.000Z, late", "sent at [redacted], late"),
        ("limit is 2400 requests per minute", "limit is 2400 requests per minute"),
        ("two\nlines\tof text", "two lines of text"),
    ],
)
def test_addresses_ids_and_keys_are_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected


@given(st.text(min_size=4, max_size=40).filter(lambda text: text.strip() == text), st.text(max_size=30))
def test_a_given_secret_never_remains(secret: str, around: str) -> None:
    cleaned = redact(f"{around}{secret}{around}", [secret])
    # Only where the words around it spell the replacement may the secret's letters still be there.
    assert secret not in cleaned or secret in redact(f"{around}[redacted]{around}")


def test_long_texts_are_cut() -> None:
    assert len(redact("word " * 1000)) <= 201


def test_the_text_of_a_failure_shows_what_cannot_be_seen() -> None:
    error = VenueError("exchange", "toy: \x1b]0;owned\x07 \u202etxet").within("toy")
    assert str(error) == error.message == r"toy: toy: \x1b]0;owned\x07 \u202etxet"


@pytest.mark.parametrize("part", ["1.1.1.1a", "1.", ":", "a:", "1-", "f:", "::1.1.1.1"])
def test_a_text_of_any_making_takes_as_long_as_it_is_long(part: str) -> None:
    """8 kB of "1.1.1.1a" held the event loop for 0.85 s."""
    short, long = (part * (size // len(part)) for size in (4_000, 64_000))
    redact(short)
    began = time.process_time()
    for _ in range(16):
        redact(short)
    middle = time.process_time()
    redact(long)
    assert time.process_time() - middle < 4 * (middle - began) + 0.05
