"""Logs: one line an event, as logfmt or JSON, from this program and from its libraries alike.

What must stay secret is kept out of log events where they are made. The redaction here is the last line
of defence, for texts that this program did not write: exceptions of libraries and their own log lines.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.defaults import LogFormat, LogLevel
from exporter.errors import redact
from exporter.printable import visible
from exporter.seldom import Seldom

MIN_SECRET_LENGTH = 4
"""Replacing shorter ones would only make lines unreadable, and show where they stood."""

_FRAMES = 30
_OWN_LOGGERS = ("exporter", "risk_exporter")
_QUERY = re.compile(r"\?[^\s'\"<>?=]*=[^\s'\"<>]*")  # no second ? before the =: linear in any text
_CREDENTIALS = re.compile(r"(?<=://)[^\s/'\"]+@")  # up to the last @: a password may have one


class Redaction:
    """The secrets that no line may show.

    They are looked up by their first characters and their length: adding or taking out one costs the same,
    and cleaning a text takes as long, whether there are ten or a hundred thousand. Safe to use from several
    threads.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a finaliser may log, in whatever its thread does at the time
        self._uses: Counter[str] = Counter()
        self._sharing: Counter[tuple[str, int]] = Counter()
        """How many secrets have these first characters and this length."""
        self._lengths: dict[str, tuple[int, ...]] = {}
        """First characters to the lengths, the longest first, so that no rest of a secret stays behind."""

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on these texts are replaced wherever they occur."""
        for secret in _hideable(secrets):
            with self._lock:
                self._uses[secret] += 1
                if self._uses[secret] == 1:
                    self._count(secret, 1)

    def forget(self, secrets: Iterable[str]) -> None:
        """Takes one `hide` of these texts back. What was hidden once more stays hidden.

        For secrets that end, such as the token of a session, once nobody has them any more.
        """
        for secret in _hideable(secrets):
            with self._lock:
                if self._uses[secret] > 1:
                    self._uses[secret] -= 1
                elif self._uses.pop(secret, 0):
                    self._count(secret, -1)

    def _count(self, secret: str, change: int) -> None:
        start, length = secret[:MIN_SECRET_LENGTH], len(secret)
        lengths = {*self._lengths.get(start, ()), length}
        self._sharing[start, length] += change
        if not self._sharing[start, length]:
            del self._sharing[start, length]
            lengths.remove(length)
        if lengths:
            self._lengths[start] = tuple(sorted(lengths, reverse=True))
        else:
            del self._lengths[start]

    def clean(self, text: str) -> str:
        """A text of our own without the secrets."""
        kept: list[str] = []
        done = position = 0
        last = len(text) - MIN_SECRET_LENGTH if self._uses else -1
        lengths_after = self._lengths.get
        while position <= last:
            for length in lengths_after(text[position : position + MIN_SECRET_LENGTH], ()):
                part = text[position : position + length]
                if part in self._uses:
                    kept += text[done:position], "[redacted]"
                    done = position = position + len(part)
                    break
            else:
                position += 1
        return "".join((*kept, text[done:]))

    def clean_foreign(self, text: str) -> str:
        """A text that somebody else worded: also without queries, credentials, addresses and tokens."""
        text = _QUERY.sub("?[redacted]", self.clean(text))
        return redact(_CREDENTIALS.sub("[redacted]@", text))

    def value(self, value: Any) -> Any:
        """A value of a log event, without secrets at any depth; only numbers keep their type.

        What cannot be seen in a text is shown as an escape; the formats write line breaks as one.
        """
        match value:
            case str():
                return visible(self.clean(value), keep="\n")
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self.value(str(key)): self.value(one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(one) for one in value]
            case BaseException():
                return visible(self.clean_foreign(str(value)))
            case _:
                return self.value(str(value))


def _hideable(secrets: Iterable[str]) -> set[str]:
    """Each once: the forms of a secret are often the same text."""
    return {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}


_redaction = Redaction()


def hide(secrets: Iterable[str]) -> None:
    """No log line shows these texts from now on, whoever writes it."""
    _redaction.hide(secrets)


def forget(secrets: Iterable[str]) -> None:
    """Takes one `hide` of these texts back: for secrets that end; see `Redaction.forget`."""
    _redaction.forget(secrets)


def configure(level: LogLevel, format_: LogFormat, stream: TextIO | None = None) -> None:
    """Sends every log line of the process to `stream` (standard error by default)."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.addFilter(_Flood())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                _clean_foreign_event,
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _format_exception,
                _clean,
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
                structlog.processors.EventRenamer("msg"),
                _renderer(format_),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # At debug level the libraries' lines drown ours, and name every URL they meet.
    for library in ("aiohttp", "asyncio", "apscheduler", "urllib3"):
        logging.getLogger(library).setLevel("WARNING")
    # A line that cannot be written must not be printed with its arguments instead.
    logging.raiseExceptions = False
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    sys.unraisablehook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)
    threading.excepthook = lambda hook: _log_uncaught(hook.exc_type, hook.exc_value, hook.exc_traceback)


class _Flood(logging.Filter):
    """Of the same line of a library, one a minute: what makes it write one may come as often as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self._seldom = Seldom()

    def filter(self, record: logging.LogRecord) -> bool:
        # Python itself shows each warning once; and who writes ours has thought of it.
        if record.name.startswith((*_OWN_LOGGERS, "py.warnings")):
            return True
        # The first line as the library wrote it: what differs from one time to the next comes in later.
        words = str(record.msg).partition("\n")[0]
        kind = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
        left_out = self._seldom.due((record.name, record.levelno, words, kind))
        record.left_out = left_out
        return left_out is not None


def _renderer(format_: LogFormat) -> Processor:
    if format_ == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.processors.LogfmtRenderer(
        key_order=["ts", "level", "logger", "msg"], drop_missing=True, bool_as_flag=False
    )


def _log_uncaught(kind: type[BaseException], error: BaseException | None, _trace: Any) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        structlog.get_logger(__name__).critical("uncaught error", exc_info=error)


def _clean_foreign_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if not str(event.get("logger", "")).startswith(_OWN_LOGGERS):
        event["event"] = _redaction.clean_foreign(str(event["event"]))
        left_out = getattr(event.get("_record"), "left_out", 0)
        if left_out:
            event["left_out"] = left_out
    return event


def _clean(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _redaction.value(value) for key, value in event.items()}


def _format_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    given = event.pop("exc_info", None)
    if isinstance(given, tuple):
        given = given[1]
    elif given is True:
        given = sys.exc_info()[1]
    if isinstance(given, BaseException):
        event["exception"] = format_exception(given)
    return event


def format_exception(error: BaseException) -> str:
    """The traceback as Python prints it, with the texts of the exceptions redacted."""
    return "\n".join(_exception_lines(error, set()))


def _exception_lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _exception_lines(before, seen)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield from (line.rstrip("\n") for line in traceback.format_tb(error.__traceback__, limit=-_FRAMES))
    try:
        text = _redaction.clean_foreign(str(error))
    except Exception:  # noqa: BLE001 (a broken __str__ must not cost the line)
        text = "(no text)"
    yield f"{type(error).__module__}.{type(error).__qualname__}: {text}"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            if id(one) not in seen:
                yield from (f"  {line}" for line in _exception_lines(one, seen))
