"""Which format and which encoding a client gets."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition import Format
from exporter.negotiation import MOST_RANGES, accepts_gzip, negotiate

TEXT = Format.TEXT_0_0_4
TEXT_1 = Format.TEXT_1_0_0
OPENMETRICS = Format.OPENMETRICS_1_0_0

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

ACCEPT = [
    ("", TEXT),
    ("*/*", TEXT),
    ("text/*", TEXT),
    ("text/plain", TEXT),
    ("text/plain;version=0.0.4", TEXT),
    ("text/plain; version=0.0.4; charset=utf-8", TEXT),
    ('text/plain;version="0.0.4"', TEXT),
    ("text/plain;version=1.0.0", TEXT_1),
    ("application/openmetrics-text", OPENMETRICS),
    ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
    ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", OPENMETRICS),
    ("application/*", OPENMETRICS),
    (PROMETHEUS_2, OPENMETRICS),
    (PROMETHEUS_3, OPENMETRICS),
    (PROMETHEUS_3_TEXT, TEXT_1),
    (BROWSER, TEXT),
    # The q-values decide, not the order.
    ("text/plain;version=0.0.4;q=0.9,application/openmetrics-text;version=1.0.0;q=0.5", TEXT),
    ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.9", TEXT),
    ("text/plain;version=0.0.4;q=0.5,text/plain;version=1.0.0;q=0.501", TEXT_1),
    # Equal q-values: the closer description, then the earlier one.
    ("*/*,application/openmetrics-text;version=1.0.0", OPENMETRICS),
    ("text/plain,application/openmetrics-text;version=1.0.0", OPENMETRICS),
    ("text/plain;version=1.0.0,application/openmetrics-text;version=1.0.0", TEXT_1),
    ("application/openmetrics-text;version=1.0.0,text/plain;version=1.0.0", OPENMETRICS),
    # q=0 is a refusal.
    ("text/plain;q=0,*/*", OPENMETRICS),
    ("text/plain;version=0.0.4;q=0,*/*;q=0.1", OPENMETRICS),
    ("text/plain;version=0.0.4;q=0,application/openmetrics-text;q=0,*/*;q=0.1", TEXT_1),
    ("application/openmetrics-text;version=1.0.0;q=0.000,*/*", TEXT),
    # Versions it does not speak are never the answer.
    ("application/openmetrics-text;version=0.0.1", TEXT),
    ("application/openmetrics-text;version=2.0.0", TEXT),
    ("application/openmetrics-text;version=1.0.1,text/plain;version=0.0.4;q=0.1", TEXT),
    ("application/openmetrics-text;version=2.0.0,text/plain;version=1.0.0;q=0.1", TEXT_1),
    ("text/plain;version=2.0.0,application/openmetrics-text;version=1.0.0;q=0.1", OPENMETRICS),
    # Neither are formats it does not speak, and where nothing fits there is text all the same.
    ("application/json", TEXT),
    ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", TEXT),
    ("text/plain;q=0,application/openmetrics-text;q=0", TEXT),
    # Malformed entries are passed over.
    ("application/openmetrics-text;q=2,text/plain;version=1.0.0;q=0.1", TEXT_1),
    ("application/openmetrics-text;q=abc", TEXT),
    (";;,,;q=1,text/plain;version=1.0.0", TEXT_1),
    ('text/plain;version="1.0.0,', TEXT),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPT)
def test_the_format_follows_the_accept_header(accept: str, expected: Format) -> None:
    assert negotiate(accept)[0] is expected


@given(st.text(max_size=60) | st.text(st.sampled_from('*/;,=q01.v" textplain'), max_size=80))
def test_any_accept_header_has_an_answer(accept: str) -> None:
    format_, content_type = negotiate(accept)
    assert content_type.startswith(format_.value)
    accepts_gzip(accept)


@pytest.mark.parametrize(
    "grown",
    [
        lambda size: "a" * size + '"',
        lambda size: '"' + '\\"' * (size // 2),
        lambda size: '"' + '\\"' * (size // 2) + "\\",
        lambda size: '"a' * (size // 2),
        lambda size: "," * size,
        lambda size: ";" * size,
        lambda size: "a," * (size // 2),
        lambda size: "a;q=" * (size // 4),
        lambda size: " " * size + '"',
    ],
)
def test_a_long_header_takes_as_long_as_it_is_long(grown: Callable[[int], str]) -> None:
    """8,000 letters and a quote once held the event loop for 1.9 s; it was the square of the length."""

    def seconds(size: int) -> float:
        header = grown(size)
        times = []
        for _ in range(5):
            began = time.process_time()
            negotiate(header)
            accepts_gzip(header)
            times.append(time.process_time() - began)
        return min(times)

    # 16 times as long, 256 times in the square.
    assert seconds(32_000) < 64 * max(seconds(2_000), 2e-5)


def test_of_an_endless_list_only_the_beginning_counts() -> None:
    late = "a/b," * MOST_RANGES + PROMETHEUS_3_TEXT
    assert negotiate(late)[0] is TEXT
    assert negotiate(late.removeprefix("a/b," * 60))[0] is TEXT_1


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ('text/plain;x="a,b;c";version=1.0.0', TEXT_1),
        (r'text/plain;x="a\",b";version=1.0.0', TEXT_1),
        (r'text/plain;q=0.5;x="a\\",application/openmetrics-text;q=0.9', OPENMETRICS),
        ('text/plain;version=1.0.0,x="', TEXT_1),
        ('text/plain;x="\\', TEXT),
    ],
)
def test_separators_in_quotes_separate_nothing(accept: str, expected: Format) -> None:
    assert negotiate(accept)[0] is expected


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4; charset=utf-8"),
        (PROMETHEUS_2, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (
            PROMETHEUS_3,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        ),
        (PROMETHEUS_3_TEXT, "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8"),
        # Under `dots` the names would have to be others.
        (
            "text/plain;version=1.0.0;escaping=dots",
            "text/plain; version=1.0.0; charset=utf-8; escaping=underscores",
        ),
    ],
)
def test_the_content_type_names_the_version_and_what_was_asked_of_names(
    accept: str, content_type: str
) -> None:
    assert negotiate(accept)[1] == content_type


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.1, identity;q=0.5", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("identity", False),
        ("br, zstd", False),
        ("gzip;q=nonsense", False),
    ],
)
def test_gzip_follows_the_accept_encoding_header(accept_encoding: str, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected
