"""The configuration file: read whole, checked whole, and every mistake reported with its line.

Secrets come inline, as ``${ENVIRONMENT_VARIABLE}`` or from a file named by ``<field>_file``. No text made
here repeats a value from the file: a secret in the wrong place must not end up in a log.
"""

from __future__ import annotations

import base64
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from urllib.parse import quote, unquote, urlsplit

import yaml
from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from exporter.account import AccountConfig, Duration
from exporter.logs import Redaction
from exporter.model import RiskSettings
from exporter.venues import AnyVenue, discover

DEFAULT_INTERVAL = 15.0
DEFAULT_TIMEOUT = 10.0
# Venues count requests by the minute; a shorter schedule only earns a ban.
MIN_INTERVAL = 1.0
MAX_SECRET_BYTES = 64 * 1024

_DEFAULT_RISK = RiskSettings()
_MERGE_TAG = "tag:yaml.org,2002:merge"
_STRING_TAG = "tag:yaml.org,2002:str"
_SCALAR_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null"))
_REFERENCE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]*)\}|(\{))")
# Names worth repeating in a message. A misplaced key or secret has digits in it or is longer.
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z_.-]{0,39}")

Place = tuple[str | int, ...]
"""Where a value stands: ``("accounts", 0, "api_key")``."""


class Problem(Struct, frozen=True):
    """One mistake: the file, the line (counted from 1) and the field it is in, and what is wrong with it."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"


class ConfigError(Exception):
    """The file cannot be used. `problems` lists every mistake in it; none repeats a value."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Config(Struct, frozen=True, kw_only=True):
    """A usable configuration."""

    accounts: tuple[AccountConfig, ...]
    risk: RiskSettings = _DEFAULT_RISK

    def secrets(self) -> frozenset[str]:
        """Every form in which a secret of this configuration could turn up in a text, for redaction."""
        return frozenset(form for account in self.accounts for form in secret_forms(account))


def secret_forms(account: AccountConfig) -> Iterator[str]:
    """An account's secrets as they are, percent-encoded, and in the parts that could appear alone."""
    for secret in account.secrets():
        yield secret
        yield quote(secret, safe="")
        if "\n" in secret:  # a PEM key: one line of it is already too much
            yield from (line for line in secret.split("\n") if line and not line.startswith("-----"))
    if account.proxy is not None:
        proxy = urlsplit(account.proxy.get_secret_value())
        if proxy.password:
            user, password = unquote(proxy.username or ""), unquote(proxy.password)
            yield from (password, proxy.password, f"{proxy.username}:{proxy.password}")
            yield base64.b64encode(f"{user}:{password}".encode()).decode()
        elif proxy.username:  # a token in its place
            yield from (unquote(proxy.username), proxy.username)
            yield base64.b64encode(f"{unquote(proxy.username)}:".encode()).decode()


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a number")
    return value


def _shock(value: float) -> float:
    if not -1.0 < value <= 10.0 or value == 0.0:
        raise ValueError(
            "a shock is a relative move above -1 and up to 10, and not 0, such as -0.1 for -10 %"
        )
    return value


def _distinct(values: tuple[float, ...]) -> tuple[float, ...]:
    if len(set(values)) != len(values):
        raise ValueError("the same shock stands twice")
    return tuple(sorted(values))


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")  # noqa: TRY004 (pydantic wants it)
    return value


Number = Annotated[float, BeforeValidator(_number), AfterValidator(_finite)]
Coin = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CollectSection(_Section):
    """``collect``: what holds for every account that does not say otherwise."""

    interval: Duration = DEFAULT_INTERVAL
    timeout: Duration | None = None
    max_age: Duration | None = None


class RiskSection(_Section):
    """``risk``: what is computed beside what the venues say."""

    shocks: Annotated[tuple[Annotated[Number, AfterValidator(_shock)], ...], AfterValidator(_distinct)] = (
        Field(default=_DEFAULT_RISK.shocks, max_length=20)
    )
    cross_check: bool = _DEFAULT_RISK.cross_check


class PegsSection(_Section):
    """``usd_pegs``: coin to its fixed USD value."""

    usd_pegs: dict[Coin, Annotated[Number, Field(gt=0)]]


def load(
    path: Path | str,
    *,
    environment: Mapping[str, str] | None = None,
    venues: Mapping[str, type[AnyVenue]] | None = None,
) -> Config:
    """The configuration in `path`.

    `environment` (the process's own by default) answers ``${NAME}``; `venues` are the installed ones by
    default. Secret files with a relative path are looked up beside the configuration file.

    Raises:
        ConfigError: with every mistake found.
    """
    path = Path(path)
    reader = _Reader(
        path,
        os.environ if environment is None else environment,
        discover() if venues is None else venues,
    )
    config = reader.read()
    if reader.problems or config is None:
        # By line, as a person goes through the file.
        raise ConfigError(sorted(reader.problems, key=lambda problem: (problem.line or 0, problem.field)))
    return config


class _Reader:
    """One pass through one file, collecting problems instead of stopping at the first."""

    def __init__(
        self, path: Path, environment: Mapping[str, str], venues: Mapping[str, type[AnyVenue]]
    ) -> None:
        self.path = path
        self.environment = environment
        self.venues = venues
        self.problems: list[Problem] = []
        self._lines: dict[Place, int] = {}
        self._texts: dict[Place, str] = {}
        self._bad: set[Place] = set()
        self._redaction = Redaction()

    # Problems

    def problem(self, place: Place, message: str, *, line: int | None = None) -> None:
        """Notes one mistake, at the nearest line known for `place`."""
        # Venues, their validators and third parties word messages too.
        message = self._redaction.clean(message)
        problem = Problem(str(self.path), line or self._line(place), _field(place), message)
        if problem not in self.problems:
            self.problems.append(problem)
        self._bad.add(place)

    def _line(self, place: Place) -> int | None:
        for length in range(len(place), -1, -1):
            if place[:length] in self._lines:
                return self._lines[place[:length]]
        return None

    # The file

    def read(self) -> Config | None:
        root = self._compose()
        if root is None:
            return None
        self._lines[()] = root.start_mark.line + 1
        content = self._value(root, (), ())
        if content is None:
            self.problem((), "the file is empty; it needs at least `accounts`")
            return None
        if not isinstance(content, dict):
            self.problem((), "expected `accounts:` and other sections, not a single value or a list")
            return None
        self._unknown_fields(content, ("accounts", "collect", "risk", "usd_pegs"), ())
        collect = self._collect(content.get("collect"))
        risk = self._risk(content.get("risk"), content.get("usd_pegs"))
        accounts = self._accounts(content.get("accounts"), collect)
        return Config(accounts=accounts, risk=risk)

    def _compose(self) -> yaml.Node | None:
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            self.problem((), f"cannot be read: {error.strerror or type(error).__name__}")
            return None
        except UnicodeDecodeError:
            self.problem((), "is not UTF-8 text")
            return None
        try:
            node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problem((), _yaml_message(error), line=None if mark is None else mark.line + 1)
            return None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            self.problem((), "not valid YAML: a control character", line=line)
            return None
        except RecursionError:
            self.problem((), "not valid YAML: nested too deeply")
            return None
        if node is None:
            self.problem((), "the file is empty; it needs at least `accounts`", line=1)
        return node

    def _value(self, node: yaml.Node, place: Place, above: tuple[yaml.Node, ...]) -> Any:
        """The Python value of a YAML node; notes the line of everything in it."""
        if any(node is one for one in above):
            self.problem(place, "an alias to itself")
            return None
        above = (*above, node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, above)
        if isinstance(node, yaml.SequenceNode):
            values = []
            for index, item in enumerate(node.value):
                inner = (*place, index)
                self._lines[inner] = item.start_mark.line + 1
                values.append(self._value(item, inner, above))
            return values
        return self._scalar(node, place)

    def _mapping(self, node: yaml.MappingNode, place: Place, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE_TAG:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            if not isinstance(key, yaml.ScalarNode):
                self.problem(place, "the name of a field is a word", line=line)
                continue
            inner = (*place, key.value)
            if key.value in first_lines:
                self.problem(inner, f"stands twice; the first is in line {first_lines[key.value]}", line=line)
                continue
            first_lines[key.value] = line
            self._lines[inner] = line
            values[key.value] = self._value(value, inner, above)
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                self.problem(place, "`<<` takes fields from a mapping", line=source.start_mark.line + 1)
                continue
            if any(source is one for one in above):
                self.problem(place, "an alias to itself")
                continue
            lines, texts = dict(self._lines), dict(self._texts)
            inherited = self._mapping(source, place, (*above, source))
            # What stands in the mapping itself wins, with its lines.
            self._lines.update(lines)
            self._texts.update(texts)
            values = {**inherited, **values}
        return values

    def _scalar(self, node: yaml.Node, place: Place) -> Any:
        if node.tag not in _SCALAR_TAGS and not node.tag.startswith("tag:yaml.org,2002:timestamp"):
            self.problem(place, "a YAML tag that this file does not use; put the value in quotes")
            return None
        text = str(node.value)
        expanded = self._expand(text, place)
        self._texts[place] = expanded
        if node.tag == _STRING_TAG or expanded != text or node.tag not in _SCALAR_TAGS:
            return expanded
        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError):  # such as !!int on a word
            self.problem(place, "the value does not fit its YAML tag")
            return None

    def _expand(self, text: str, place: Place) -> str:
        """`text` with ``${NAME}`` taken from the environment and ``$$`` turned into ``$``."""

        def replace(match: re.Match[str]) -> str:
            dollar, name, brace = match.groups()
            if dollar:
                return "$"
            if brace:
                self.problem(
                    place, "`${` starts the name of an environment variable; write `$${` for the text"
                )
                return ""
            value = self.environment.get(name)
            if value is None:
                self.problem(place, f"environment variable {name} is not set")
                return ""
            if not value.strip():
                self.problem(place, f"environment variable {name} is empty")
            return value.rstrip("\r\n")

        return _REFERENCE.sub(replace, text)

    # The sections

    def _unknown_fields(self, content: Mapping[str, Any], known: Iterable[str], place: Place) -> None:
        known = tuple(known)
        for name in content:
            if name in known:
                continue
            close = get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(sorted(known))}"
            self.problem((*place, name), f"unknown field{hint}")

    def _section(self, type_: type[_Section], content: Any, name: str) -> Any:
        """The section as `type_`, or its defaults if it is absent or wrong (then a problem is noted)."""
        if content is None:
            return type_()
        if not isinstance(content, dict):
            self.problem((name,), "expected fields, such as " + ", ".join(type_.model_fields))
            return type_()
        self._unknown_fields(content, type_.model_fields, (name,))
        return self._validate(type_, content, (name,)) or type_()

    def _validate(self, type_: type[BaseModel], content: Mapping[str, Any], place: Place) -> Any:
        """`content` as `type_`, or None with the problems noted. Unknown fields are not its business."""
        given = {
            name: value
            for name, value in content.items()
            if name in type_.model_fields and value is not None and (*place, name) not in self._bad
        }
        try:
            return type_.model_validate(given)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                # pydantic appends "[key]" where the name itself is wrong.
                where = (*place, *(part for part in one["loc"] if part != "[key]"))
                if one["type"] == "missing" and where in self._bad:
                    continue  # what is wrong with it is said already
                self.problem(where, _message(one))
            return None

    def _collect(self, content: Any) -> CollectSection:
        collect: CollectSection = self._section(CollectSection, content, "collect")
        if content is not None:
            self._durations(
                ("collect",), collect.interval, collect.timeout, collect.max_age, inherited=frozenset()
            )
        return collect

    def _durations(
        self,
        place: Place,
        interval: float,
        timeout: float | None,
        max_age: float | None,
        *,
        inherited: frozenset[str],
    ) -> None:
        """Notes durations that cannot work together; what is `inherited` is reported at the interval."""

        def at(name: str) -> Place:
            return (*place, "interval" if name in inherited else name)

        if {"interval", "max_age"} <= inherited:
            max_age = None  # said about `collect` already
        if interval < MIN_INTERVAL and "interval" not in inherited:
            self.problem((*place, "interval"), f"must be at least {MIN_INTERVAL:g}s")
        if timeout is not None and timeout > interval:
            self.problem(
                at("timeout"),
                f"timeout ({timeout:g}s) is longer than the interval ({interval:g}s): "
                "a collection would still run when the next one is due",
            )
        if max_age is not None and max_age <= interval:
            self.problem(
                at("max_age"),
                f"max_age ({max_age:g}s) is not longer than the interval ({interval:g}s): "
                "the data would vanish between two collections",
            )

    def _risk(self, content: Any, pegs: Any) -> RiskSettings:
        section: RiskSection = self._section(RiskSection, content, "risk")
        usd_pegs = dict(_DEFAULT_RISK.usd_pegs)
        if pegs is not None:
            if not isinstance(pegs, dict):
                self.problem(("usd_pegs",), "expected coins and their USD value, such as {USDT: 1}")
            else:
                checked = self._validate(PegsSection, {"usd_pegs": pegs}, ())
                # The list in the file is the whole list: a desk can take a coin off its peg.
                usd_pegs = {"USD": 1.0, **checked.usd_pegs} if checked is not None else usd_pegs
                if usd_pegs["USD"] != 1.0:
                    self.problem(("usd_pegs", "USD"), "one USD is 1 USD")
        return RiskSettings(
            usd_pegs=MappingProxyType(usd_pegs), shocks=section.shocks, cross_check=section.cross_check
        )

    # The accounts

    def _accounts(self, content: Any, collect: CollectSection) -> tuple[AccountConfig, ...]:
        if content is None or content == []:
            self.problem(("accounts",), "at least one account is needed")
            return ()
        if not isinstance(content, list):
            self.problem(("accounts",), "expected a list: each account starts with `- name:`")
            return ()
        accounts = []
        first_lines: dict[str, int | None] = {}
        for index, entry in enumerate(content):
            place: Place = ("accounts", index)
            if not isinstance(entry, dict):
                self.problem(place, "expected the fields of an account, such as name and exchange")
                continue
            name = entry.get("name")
            if isinstance(name, str) and (*place, "name") not in self._bad:
                if name in first_lines:
                    self.problem(
                        (*place, "name"), f"the name is taken by the account in line {first_lines[name]}"
                    )
                else:
                    first_lines[name] = self._line((*place, "name"))
            account = self._account(entry, place, collect)
            if account is not None:
                accounts.append(account)
        return tuple(accounts)

    def _account(self, entry: dict[str, Any], place: Place, collect: CollectSection) -> AccountConfig | None:
        known_problems = len(self.problems)
        venue = self._venue(entry.get("exchange"), (*place, "exchange"))
        # Without its venue the shared fields are checked all the same.
        type_ = AccountConfig if venue is None else venue.config_class
        secret_fields = tuple(
            name for name, field in type_.model_fields.items() if is_secret(field.annotation)
        )
        if venue is not None:
            files = tuple(f"{name}_file" for name in secret_fields)
            self._unknown_fields(entry, (*type_.model_fields, *files), place)
        values = dict(entry)
        for name in secret_fields:
            given = entry.get(name) is not None or entry.get(f"{name}_file") is not None
            secret = self._secret(values, name, place)
            if secret is None and given:
                self._bad.add((*place, name))
            if secret is not None:
                values[name] = SecretStr(secret)
                self._redaction.hide((secret,))
            else:
                values.pop(name, None)
        durations = {
            "interval": _or(values.get("interval"), collect.interval),
            # The default gives way to a shorter interval; a timeout that somebody wrote does not exceed it.
            "timeout": values.get("timeout"),
            "max_age": _or(values.get("max_age"), collect.max_age),
        }
        # On their own first, so that they are checked together whatever else is wrong with the account.
        checked: CollectSection | None = self._validate(CollectSection, durations, place)
        if checked is not None:
            inherited = frozenset(name for name in durations if values.get(name) is None)
            self._durations(place, checked.interval, checked.timeout, checked.max_age, inherited=inherited)
            if checked.timeout is None:
                durations["timeout"] = min(collect.timeout or DEFAULT_TIMEOUT, checked.interval)
        account: AccountConfig | None = self._validate(type_, {**values, **durations}, place)
        if account is None or venue is None or len(self.problems) > known_problems:
            return None
        if account.base_url is None and venue.base_url is None:
            self.problem((*place, "base_url"), f"is required: {venue.title} has no public host")
            return None
        reason = venue.check(account)
        if reason is not None:
            self.problem(place, reason)
            return None
        return account

    def _venue(self, exchange: Any, place: Place) -> type[AnyVenue] | None:
        if exchange is None or place in self._bad:
            return None  # said by the model or already
        venue = self.venues.get(exchange) if isinstance(exchange, str) else None
        if venue is None:
            known = ", ".join(self.venues)
            close = get_close_matches(str(exchange).lower(), self.venues, n=1, cutoff=0.6)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            self.problem(place, f"unknown exchange{hint} (known: {known})")
        return venue

    def _secret(self, values: dict[str, Any], name: str, place: Place) -> str | None:
        """The secret `name` of one account; takes ``<name>_file`` out of `values`."""
        file = values.pop(f"{name}_file", None)
        inline = values.get(name)
        file_place, inline_place = (*place, f"{name}_file"), (*place, name)
        if file is not None and inline is not None:
            self.problem(file_place, f"`{name}` is given too; one of the two is enough")
            return None
        if file is not None:
            text = None if file_place in self._bad else self._secret_file(file, file_place)
            if text is None:
                return None
            where = file_place
        elif inline is not None:
            if inline_place in self._bad:
                return None
            if isinstance(inline, dict | list):
                self.problem(inline_place, "expected text")
                return None
            # The text as written: a key of digits only is not a number.
            text, where = self._texts[inline_place].rstrip("\r\n"), inline_place
        else:
            return None
        fault = _secret_fault(text) or (_proxy_fault(text) if name == "proxy" else None)
        if fault is not None:
            self.problem(where, fault)
            return None
        return text

    def _secret_file(self, file: Any, place: Place) -> str | None:
        """The content without the line break at its end. The path is not repeated: it may be the secret."""
        if not isinstance(file, str) or not file or "\0" in file:
            self.problem(place, "expected the path of a file")
            return None
        try:
            with (self.path.parent / file).open("rb") as stream:
                content = stream.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            self.problem(place, f"the file cannot be read: {error.strerror or type(error).__name__}")
            return None
        if len(content) > MAX_SECRET_BYTES:
            self.problem(place, f"the file is larger than {MAX_SECRET_BYTES // 1024} KiB")
            return None
        try:
            return content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            self.problem(place, "the file is not UTF-8 text")
            return None


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _field(place: Place) -> str:
    """``accounts[0].api_key``; a name that could be a misplaced secret is left out."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if _PLAIN_NAME.fullmatch(part) else "…"
            text += f".{shown}" if text else shown
    return text


def is_secret(annotation: Any) -> bool:
    """Whether a field of this type is a secret: `SecretStr`, also as one of several."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(is_secret(argument) for argument in get_args(annotation))
    return annotation is SecretStr


def _secret_fault(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if text.startswith("-----BEGIN"):
        return None
    if text != text.strip():
        return "starts or ends with white space"
    if not text.isprintable():
        return "contains a line break or another control character"
    return None


def _proxy_fault(text: str) -> str | None:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number, or brackets do not match
        usable = False
    return None if usable else "expected http://[user:password@]host:port"


_FIELD_FORMATS = {
    "name": "expected letters, digits, `.`, `_` and `-`: at most 64, the first a letter or a digit",
    "base_url": "expected http://host or https://host, with an optional path and nothing after it",
    "usd_pegs": "expected the code of a coin, such as USDT",
}


def _message(error: Any) -> str:
    """What pydantic found, in the words of this file; never with the value."""
    match error["type"]:
        case "missing":
            return "is required"
        case "string_type":
            return "expected text; put it in quotes"
        case "string_pattern_mismatch":
            names = [part for part in error["loc"] if part in _FIELD_FORMATS]
            return _FIELD_FORMATS[names[-1]] if names else "is not in the expected form"
        case "float_type" | "float_parsing":
            return "expected a number"
        case "int_type" | "int_parsing" | "int_from_float":
            return "expected a whole number"
        case "bool_type" | "bool_parsing":
            return "expected true or false"
        case "tuple_type" | "list_type":
            return "expected a list, such as [-0.1, 0.1]"
        case "greater_than":
            return f"must be more than {error['ctx']['gt']:g}"
        case "less_than_equal":
            return f"must be at most {error['ctx']['le']:g}"
        case _:
            return str(error["msg"]).removeprefix("Value error, ")


_YAML_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
# The names that PyYAML has for parts of a file.
_YAML_PART = re.compile(r"<[a-z ]+>")


def _yaml_message(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or ""
    if problem.startswith("found character '\\t'"):
        return "not valid YAML: a tab; indent with spaces"
    # A quote or bracket that is never closed is found at the end; the mistake is where it was opened.
    context = error.context or ""
    if context and error.context_mark is not None and error.problem_mark is not None:
        opened = error.context_mark.line
        if opened != error.problem_mark.line:
            context += f" that starts in line {opened + 1}"
    # PyYAML quotes aliases and tags, and a secret that starts with * or ! is one to it.
    text = _YAML_QUOTED.sub(_without_words, ", ".join(part for part in (context, problem) if part))
    return f"not valid YAML: {text} (a value with special characters needs quotes)"


def _without_words(match: re.Match[str]) -> str:
    inner = match[1] if match[1] is not None else match[2]
    return match[0] if len(inner) <= 1 or _YAML_PART.fullmatch(inner) else "…"
