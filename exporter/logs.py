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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, TextIO, get_args

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.errors import redact

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["logfmt", "json"]
LEVELS: tuple[Level, ...] = get_args(Level)
FORMATS: tuple[Format, ...] = get_args(Format)

MIN_SECRET_LENGTH = 4
"""Replacing shorter ones would only make lines unreadable, and show where they stood."""

_FRAMES = 30
_OWN_LOGGERS = ("exporter", "risk_exporter")
_QUERY = re.compile(r"\?[^\s'\"<>]*=[^\s'\"<>]*")
_CREDENTIALS = re.compile(r"(?<=://)[^\s/'\"]+@")  # up to the last @: a password may have one


class Redaction:
    """The secrets that no line may show. Secrets are only ever added: an old one is still one."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def hide(self, secrets: Iterable[str]) -> None:
        """From now on these texts are replaced wherever they occur."""
        self._secrets.update(secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH)
        # The longest first, so that no rest of a secret stays behind.
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def clean(self, text: str) -> str:
        """A text of our own without the secrets."""
        return text if self._pattern is None else self._pattern.sub("[redacted]", text)

    def clean_foreign(self, text: str) -> str:
        """A text that somebody else worded: also without queries, credentials, addresses and tokens."""
        text = _QUERY.sub("?[redacted]", self.clean(text))
        return redact(_CREDENTIALS.sub("[redacted]@", text))

    def value(self, value: Any) -> Any:
        """A value of a log event, without secrets at any depth; only numbers keep their type."""
        match value:
            case str():
                return self.clean(value)
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {self.clean(str(key)): self.value(one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self.value(one) for one in value]
            case BaseException():
                return self.clean_foreign(str(value))
            case _:
                return self.clean(str(value))


_redaction = Redaction()


def hide(secrets: Iterable[str]) -> None:
    """No log line shows these texts from now on, whoever writes it."""
    _redaction.hide(secrets)


def configure(level: Level, format_: Format, stream: TextIO | None = None) -> None:
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


def _renderer(format_: Format) -> Processor:
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
