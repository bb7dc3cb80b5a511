"""What Prometheus fills into the text of an alert, by name: its braces are those of Python's f-strings."""

from __future__ import annotations

from typing import Final


def _filled_in(*steps: str) -> str:
    return "{{ " + " | ".join(steps) + " }}"


def label(name: str, *functions: str) -> str:
    """The value of one of the alert's labels, passed through template functions from left to right."""
    return _filled_in(f"$labels.{name}", *functions)


def either(name: str, text: str, otherwise: str) -> str:
    """The text where the alert has a label of this name, else the other one."""
    return f"{{{{ if $labels.{name} }}}}{text}{{{{ else }}}}{otherwise}{{{{ end }}}}"


def value(*functions: str) -> str:
    """The value of the alert's expression, passed through template functions from left to right."""
    return _filled_in("$value", *functions)


PERCENT: Final = value("humanizePercentage")
"""The value, a ratio, as ``12.3%``."""
DURATION: Final = value("humanizeDuration")
"""The value, in seconds, as ``1h 2m 3s``."""
ONE_DECIMAL: Final = value('printf "%.1f"')
TWO_DECIMALS: Final = value('printf "%.2f"')


def query(expr: str, *names: str) -> str:
    """Asks for the series of ``expr`` whose labels ``names`` are those of the alert.

    ``%s`` in the expression is where their matchers go, once.
    """
    matchers = ",".join(f"{name}=%q" for name in names)
    values = " ".join(f"$labels.{name}" for name in names)
    text = expr.replace("%s", matchers)
    return f"printf `{text}` {values} | query" if names else f"query `{text}`"


def unless_any(asked: str, text: str) -> str:
    """The text if the query gives nothing."""
    return "{{ if not (" + asked + ") }}" + text + "{{ end }}"


def for_each(asked: str, text: str) -> str:
    """The text for each series that the query gives; see `of_each`."""
    return "{{ range " + asked + " }}" + text + "{{ end }}"


def of_each(*functions: str) -> str:
    """The value of a series within `for_each`."""
    return _filled_in(".Value", *functions)


def label_of_each(name: str) -> str:
    """A label of a series within `for_each`."""
    return _filled_in(f".Labels.{name}")
