"""Log lines: their form, and that the last line of defence holds for texts this program did not write."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter import logs
from exporter.defaults import LOG_FORMATS, LogFormat, LogLevel
from exporter.errors import VenueError
from exporter.seldom import Seldom

SECRET = "S3cretS3cretS3cret"


pytestmark = pytest.mark.usefixtures("restored_logging")


def configured(level: LogLevel = "info", format_: LogFormat = "logfmt") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(level, format_, stream)
    return stream


def test_a_logfmt_line_has_time_level_logger_and_message_first() -> None:
    stream = configured()
    structlog.get_logger("exporter.test").info("account collected", account="desk-a", seconds=0.25)
    line = stream.getvalue()
    assert line.startswith("ts=2")
    assert line.split(" ", 1)[1] == (
        'level=info logger=exporter.test msg="account collected" account=desk-a seconds=0.25\n'
    )


def test_a_json_line_is_one_object() -> None:
    stream = configured(format_="json")
    structlog.get_logger("exporter.test").warning("two\nlines", flags={"a": [1, True, None]})
    (line,) = stream.getvalue().splitlines()
    event = json.loads(line)
    assert event.pop("ts").endswith("Z")
    assert event == {
        "level": "warning",
        "logger": "exporter.test",
        "msg": "two\nlines",
        "flags": {"a": [1, True, None]},
    }


@pytest.mark.parametrize("format_", LOG_FORMATS)
def test_lines_of_libraries_take_the_same_way(format_: LogFormat) -> None:
    stream = configured(format_=format_)
    logging.getLogger("some.library").warning("it took %d s", 3)
    assert "it took 3 s" in stream.getvalue()
    assert "some.library" in stream.getvalue()


def test_a_level_holds_for_everybody() -> None:
    stream = configured("warning")
    structlog.get_logger("exporter.test").info("quiet")
    logging.getLogger("some.library").info("quiet")
    logging.getLogger("aiohttp.access").info("quiet")
    assert stream.getvalue() == ""


def test_libraries_are_not_asked_for_their_debug_lines() -> None:
    stream = configured("debug")
    structlog.get_logger("exporter.test").debug("ours")
    logging.getLogger("asyncio").debug("theirs")
    assert "ours" in stream.getvalue()
    assert "theirs" not in stream.getvalue()


@pytest.mark.parametrize("format_", LOG_FORMATS)
def test_a_hidden_text_is_in_no_part_of_a_line(format_: LogFormat) -> None:
    stream = configured(format_=format_)
    logs.hide([SECRET, f"longer-{SECRET}", "abc"])
    log = structlog.get_logger("exporter.test")
    log.info(f"a {SECRET}", value=SECRET, deep={SECRET: [SECRET, (SECRET,)]}, path=Path(f"/run/{SECRET}"))  # noqa: G004 (on purpose)
    log.info("abc", error=ValueError(f"longer-{SECRET}-rest"))
    logging.getLogger("some.library").warning("x %s", SECRET)
    assert SECRET not in stream.getvalue()
    assert "longer-" not in stream.getvalue()
    # Texts that are too short to be secrets stay.
    assert "abc" in stream.getvalue()


def test_the_longest_of_two_secrets_is_taken_out_whole() -> None:
    redaction = logs.Redaction()
    redaction.hide(["word", "wordless", "ordinary", "less-of-it"])
    assert redaction.clean("wordless-of-it wor word! extraordinary") == (
        "[redacted]-of-it wor [redacted]! extra[redacted]"
    )


def test_a_secret_at_either_end_of_a_text_and_next_to_another_is_hidden() -> None:
    redaction = logs.Redaction()
    redaction.hide(["abcd", "bcde"])
    assert redaction.clean("abcdabcd") == "[redacted][redacted]"
    assert redaction.clean("xbcde") == "x[redacted]"
    assert redaction.clean("abcde") == "[redacted]e"
    assert redaction.clean("abc") == "abc"


def test_a_forgotten_text_is_shown_again() -> None:
    stream = configured()
    logs.hide([SECRET, "other-token"])
    logs.forget([SECRET])
    structlog.get_logger("exporter.test").info(f"{SECRET} other-token")
    assert SECRET in stream.getvalue()
    assert "other-token" not in stream.getvalue()


def test_a_text_that_was_hidden_for_two_reasons_is_forgotten_when_both_end() -> None:
    redaction = logs.Redaction()
    redaction.hide([SECRET, "other-token"])
    redaction.hide([SECRET, SECRET])  # one reason, however often it names the text
    redaction.forget([SECRET, SECRET])
    assert redaction.clean(SECRET) == "[redacted]"
    redaction.forget([SECRET])
    assert redaction.clean(SECRET) == SECRET
    assert redaction.clean("other-token") == "[redacted]"


def test_forgetting_what_was_never_hidden_changes_nothing() -> None:
    redaction = logs.Redaction()
    redaction.forget([SECRET, "abc"])
    redaction.hide([SECRET])
    redaction.forget(["S3cret"])
    assert redaction.clean(SECRET) == "[redacted]"


@given(
    st.lists(st.tuples(st.booleans(), st.text("ab", min_size=4, max_size=7)), max_size=12),
    st.text("ab", max_size=30),
)
def test_at_each_place_the_longest_secret_that_is_hidden_now_is_taken_out(
    changes: list[tuple[bool, str]], text: str
) -> None:
    redaction, hidden = logs.Redaction(), Counter[str]()
    for hide, secret in changes:
        if hide:
            redaction.hide([secret])
            hidden[secret] += 1
        else:
            redaction.forget([secret])
            hidden[secret] = max(0, hidden[secret] - 1)
    longest_first = sorted(hidden.elements(), key=len, reverse=True)
    pattern = "|".join(longest_first) or "(?!)"
    assert redaction.clean(text) == re.sub(pattern, "[redacted]", text)


def test_a_large_fleet_whose_tokens_change_is_no_burden() -> None:
    """A pattern made anew for each change took minutes for this."""
    redaction = logs.Redaction()
    began = time.process_time()
    for number in range(20_000):
        redaction.hide([f"token-{number}", f"{number}-key"])
        assert redaction.clean(f"session token-{number} began") == "session [redacted] began"
        redaction.forget([f"token-{number - 1}"])
    assert redaction.clean("token-77 token-19999 17777-key") == "token-77 [redacted] [redacted]"
    assert time.process_time() - began < 10


def test_secrets_are_hidden_while_other_threads_hide_and_forget() -> None:
    redaction = logs.Redaction()
    redaction.hide([SECRET])
    shown: list[str] = []

    def renew(name: str) -> None:
        for number in range(2_000):
            token = f"{SECRET[:6]}-{name}-{number}"
            redaction.hide([token, SECRET])
            if "[redacted]" not in redaction.clean(token) or SECRET in redaction.clean(f"x {SECRET}"):
                shown.append(token)
            redaction.forget([token, SECRET])

    threads = [threading.Thread(target=renew, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == []
    assert redaction.clean(SECRET) == "[redacted]"


def test_a_library_line_loses_queries_credentials_addresses_and_tokens() -> None:
    stream = configured()
    logging.getLogger("some.library").error(
        "GET https://me:wo@rd@api.example.com/v1?timestamp=1&signature=ab from 203.0.113.9 as 4242424242"
    )
    for part in ("me:wo", "rd@", "signature", "203.0.113.9", "4242424242"):
        assert part not in stream.getvalue()
    assert "api.example.com/v1" in stream.getvalue()


def test_a_traceback_keeps_its_frames_and_loses_what_exceptions_say() -> None:
    stream = configured()
    logs.hide([SECRET])

    # Not literals of the raising lines: a traceback shows those, and they are code, not data.
    first = KeyError(f"account 987654321 key {SECRET}")
    second = VenueError("network", "GET https://x/y?signature=1 from 203.0.113.9")

    def fail() -> None:
        raise second from first

    try:
        fail()
    except VenueError:
        structlog.get_logger("exporter.test").exception("internal error")
    line = stream.getvalue()
    assert line.count("\n") == 1
    for part in (SECRET, "987654321", "signature=1", "203.0.113.9"):
        assert part not in line
    assert "in fail" in line
    assert "builtins.KeyError" in line
    assert "which led to:" in line
    assert "exporter.errors.VenueError" in line


def test_groups_of_exceptions_are_written_whole() -> None:
    group = ExceptionGroup("two", [ValueError("a"), ExceptionGroup("inner", [TypeError("b")])])
    text = logs.format_exception(group)
    assert "ValueError: a" in text
    assert "TypeError: b" in text


def test_an_exception_without_a_text_does_not_cost_the_line() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert logs.format_exception(MuteError()).endswith("MuteError: (no text)")


def test_a_circle_of_exceptions_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert logs.format_exception(first).count("ValueError") == 2


def test_what_nobody_caught_is_logged() -> None:
    stream = configured()
    logs.hide([SECRET])
    error = RuntimeError(f"lost {SECRET}")
    sys.excepthook(RuntimeError, error, None)
    thread = threading.Thread(target=lambda: 1 // 0)
    thread.start()
    thread.join()
    assert stream.getvalue().count('msg="uncaught error"') == 2
    assert "ZeroDivisionError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_an_interrupt_is_not_an_error() -> None:
    stream = configured()
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert stream.getvalue() == ""


def test_warnings_are_log_lines() -> None:
    stream = configured()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("soon to go", DeprecationWarning, stacklevel=1)
    assert "soon to go" in stream.getvalue()


def test_a_line_that_cannot_be_written_prints_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    logging.getLogger("some.library").warning("%d", SECRET)
    assert SECRET not in capsys.readouterr().err


@pytest.mark.parametrize("format_", LOG_FORMATS)
def test_what_cannot_be_seen_is_shown_as_an_escape_whoever_wrote_it(format_: LogFormat) -> None:
    stream = configured(format_=format_)
    unseen = "\x1b[31m\u202e\x9b"
    structlog.get_logger("exporter.test").info(
        f"said {unseen}", deep=[{unseen: unseen}], error=ValueError(unseen)
    )
    logging.getLogger("some.library").warning("said %s", unseen)
    shown = stream.getvalue()
    assert shown.replace("\n", "").isprintable()
    assert shown.count("u202e") == 5


def test_two_hundred_tracebacks_of_a_library_are_one_line_and_a_count() -> None:
    stream = configured()
    library = logging.getLogger("some.library")
    for caller in range(200):
        error = OSError(24, f"Too many open files {caller}")
        library.error("Error handling request\nfrom %d", caller, exc_info=error)
    library.error("another line")
    library.warning("another line")
    assert [line.count("OSError") for line in stream.getvalue().splitlines()] == [1, 0, 0]


def test_a_line_that_was_kept_back_is_counted_by_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(logs, "Seldom", lambda: Seldom(elapsed=lambda: now))
    stream = configured()
    for _ in range(3):
        logging.getLogger("some.library").warning("again")
    now = 60.0
    logging.getLogger("some.library").warning("again")
    first, second = stream.getvalue().splitlines()
    assert "left_out" not in first
    assert second.endswith("left_out=2")
