"""The configuration: what the fields of the file mean. Checked whole; every mistake has its line.

Secrets come inline, as ``${ENVIRONMENT_VARIABLE}`` or from a file named by ``<field>_file``. No text made
here repeats a value from the file: a secret in the wrong place must not end up in a log.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict, replace
from pydantic import BaseModel, SecretStr, ValidationError

from exporter import credentials, garbage, mistakes
from exporter.account import DEFAULT_TIMEOUT, AccountConfig, secret_forms
from exporter.coins import MARKET_STABLE_COINS, STABLE_COINS
from exporter.credentials import SecretError
from exporter.defaults import MIN_INTERVAL
from exporter.desk import AccountLabels, AccountLimits
from exporter.keys import KeyRules
from exporter.limits import NO_SETTINGS, BudgetSettings
from exporter.logs import Redaction
from exporter.model import RiskSettings
from exporter.sections import BudgetSection, CollectSection, MarksSection, RiskSection, Sections
from exporter.venues import AnyVenue, budgets_of, discover
from exporter.yamlfile import Place, Problem, YamlFile

__all__ = ["Config", "ConfigError", "Problem", "load"]


class ConfigError(Exception):
    """The file cannot be used. `problems` lists every mistake in it; none repeats a value."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Config(Struct, frozen=True, kw_only=True):
    """A usable configuration."""

    accounts: tuple[AccountConfig, ...]
    risk: RiskSettings = RiskSettings()
    marks_interval: float = 0.0
    """Seconds from one call for the marks of a venue to the next; 0 is never."""
    budgets: Mapping[str, BudgetSettings] = NO_SETTINGS
    secret_files: Mapping[str, Mapping[str, Path]] = MappingProxyType({})
    """Account to field to the file that its secret was read from."""
    warnings: tuple[Problem, ...] = ()
    """What works and is hardly meant so."""
    whole: str = ""
    """The fingerprint of all, where these are the accounts of one shard."""

    def fingerprint(self) -> str:
        """16 hex digits that are others whenever something else is configured, but for secrets.

        A hash of these would let whoever sees it try passwords. All shards of a file have the same.
        """
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "warnings"}
        text = json.dumps(fields, default=_plain, sort_keys=True)
        return self.whole or hashlib.sha256(text.encode()).hexdigest()[:16]

    def secrets(self) -> frozenset[str]:
        """Every form in which a secret of this configuration could turn up in a text, for redaction."""
        return frozenset(form for account in self.accounts for form in secret_forms(account))


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
    file = YamlFile(Path(path), os.environ if environment is None else environment)
    reader = _Reader(file, discover() if venues is None else venues)
    with garbage.kept():
        config = reader.read()
    if config is None or file.problem_count:
        raise ConfigError(reader.problems())
    return config


class _Reader:
    """One pass through one file, collecting problems instead of stopping at the first."""

    def __init__(self, file: YamlFile, venues: Mapping[str, type[AnyVenue]]) -> None:
        self.file = file
        self.venues = venues
        self._secrets: list[str] = []
        self._secret_files: dict[str, Mapping[str, Path]] = {}

    def problems(self) -> list[Problem]:
        return self._clean(self.file.problems())

    def _clean(self, problems: Sequence[Problem]) -> list[Problem]:
        """Without secrets: venues, their validators and third parties word messages too."""
        redaction = Redaction()
        redaction.hide(self._secrets if problems else ())
        return [replace(one, message=redaction.clean(one.message)) for one in problems]

    def read(self) -> Config | None:
        content = self.file.read()
        if content is None:
            if not self.file.problem_count:
                self.file.problem((), "the file is empty; it needs at least `accounts`")
            return None
        if not isinstance(content, dict):
            self.file.problem((), "expected `accounts:` and other sections, not a single value or a list")
            return None
        self._unknown_fields(content, Sections.model_fields, ())
        collect = self._collect(content.get("collect"))
        risk = self._risk(content.get("risk"), content.get("usd_pegs"))
        budgets = self._budgets(content.get("budgets"))
        marks: MarksSection = self._section(MarksSection, content.get("marks"), ("marks",))
        limits = self._section(AccountLimits, content.get("limits"), ("limits",))
        keys = self._section(KeyRules, content.get("keys"), ("keys",))
        accounts = self._accounts(content.get("accounts"), collect, limits, keys)
        return Config(
            accounts=accounts,
            risk=risk,
            marks_interval=marks.interval,
            budgets=budgets,
            secret_files=MappingProxyType(self._secret_files),
            warnings=tuple(self._clean(self.file.warnings())),
        )

    # The sections

    def _unknown_fields(self, content: Mapping[str, Any], known: Iterable[str], place: Place) -> None:
        known = tuple(known)
        for name in content:
            if name in known:
                continue
            close = get_close_matches(name, known, n=1, cutoff=0.6)
            hint = f"; did you mean `{close[0]}`?" if close else f"; known: {', '.join(sorted(known))}"
            self.file.problem((*place, name), f"unknown field{hint}")

    def _section(self, type_: type[BaseModel], content: Any, place: Place) -> Any:
        """The section as `type_`, or its defaults if it is absent or wrong (then a problem is noted)."""
        if content is None or self.file.faulty(place):
            return _nothing_said(type_)
        if not isinstance(content, dict):
            self.file.problem(place, "expected fields, such as " + ", ".join(type_.model_fields))
            return _nothing_said(type_)
        self._unknown_fields(content, type_.model_fields, place)
        return self._validate(type_, content, place) or _nothing_said(type_)

    def _validate(self, type_: type[BaseModel], content: Mapping[str, Any], place: Place) -> Any:
        """`content` as `type_`, or None with the problems noted. Unknown fields are not its business."""
        known = type_.model_fields
        given = {
            name: value
            for name, value in content.items()
            if name in known and value is not None and not self.file.faulty((*place, name))
        }
        try:
            return type_.model_validate(given)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                # pydantic appends "[key]" where the name itself is wrong.
                where = (*place, *(part for part in one["loc"] if part != "[key]"))
                if one["type"] == "missing" and self.file.faulty(where):
                    continue  # what is wrong with it is said already
                self.file.problem(where, mistakes.message(one))
            return None

    def _collect(self, content: Any) -> CollectSection:
        collect: CollectSection = self._section(CollectSection, content, ("collect",))
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
            self.file.problem((*place, "interval"), f"must be at least {MIN_INTERVAL:g}s")
        if timeout is not None and timeout > interval:
            self.file.problem(
                at("timeout"),
                f"timeout ({timeout:g}s) is longer than the interval ({interval:g}s): "
                "a collection would still run when the next one is due",
            )
        if max_age is not None and max_age <= interval:
            self.file.problem(
                at("max_age"),
                f"max_age ({max_age:g}s) is not longer than the interval ({interval:g}s): "
                "the data would vanish between two collections",
            )

    def _risk(self, content: Any, pegs: Any) -> RiskSettings:
        section: RiskSection = self._section(RiskSection, content, ("risk",))
        usd_pegs = RiskSettings().usd_pegs
        if pegs is not None and not isinstance(pegs, dict):
            self.file.problem(("usd_pegs",), "expected coins and their USD value, such as {USDT: 1}")
        elif pegs is not None:
            checked: Sections | None = self._validate(Sections, {"usd_pegs": pegs}, ())
            if checked is not None:
                usd_pegs = self._pegs(checked.usd_pegs)
        return RiskSettings(usd_pegs=MappingProxyType(usd_pegs), **section.model_dump())

    def _pegs(self, given: Mapping[str, float]) -> Mapping[str, float]:
        """The pegs by the codes of their coins. The list in the file is the whole list."""
        pegs = {"USD": 1.0}
        names: dict[str, str] = {}
        for name, value in given.items():
            code = name.upper()
            if code in names:
                self.file.problem(("usd_pegs", name), f"the coin stands there already, as `{names[code]}`")
            if code == "USD" and value != 1.0:
                self.file.problem(("usd_pegs", name), "one USD is 1 USD")
            close = get_close_matches(code, MARKET_STABLE_COINS, n=1, cutoff=0.75)
            if close and code not in STABLE_COINS:
                hint = f"did you mean `{close[0]}`?"
                self.file.warn(("usd_pegs", name), f"no stable coin that is known; {hint}")
            names[code], pegs[code] = name, value
        return pegs

    def _budgets(self, content: Any) -> Mapping[str, BudgetSettings]:
        if content is None:
            return NO_SETTINGS
        if not isinstance(content, dict):
            self.file.problem(("budgets",), "expected budgets by name, such as {binance: {share: 0.5}}")
            return NO_SETTINGS
        self._unknown_fields(content, budgets_of(self.venues), ("budgets",))
        found = {}
        for name, fields in content.items():
            place: Place = ("budgets", name)
            if not isinstance(fields, dict):
                self.file.problem(place, "expected fields, such as share")
                continue
            self._unknown_fields(fields, BudgetSection.model_fields, place)
            checked: BudgetSection | None = self._validate(BudgetSection, fields, place)
            if checked is not None:
                found[name] = BudgetSettings(**checked.model_dump())
        return MappingProxyType(found)

    # The accounts

    def _accounts(
        self, content: Any, collect: CollectSection, limits: AccountLimits, keys: KeyRules
    ) -> tuple[AccountConfig, ...]:
        if content is None or content == []:
            self.file.problem(("accounts",), "at least one account is needed")
            return ()
        if not isinstance(content, list):
            self.file.problem(("accounts",), "expected a list: each account starts with `- name:`")
            return ()
        accounts = []
        first_lines: dict[str, int | None] = {}
        for index, entry in enumerate(content):
            place: Place = ("accounts", index)
            if not isinstance(entry, dict):
                self.file.problem(place, "expected the fields of an account, such as name and exchange")
                continue
            name = entry.get("name")
            if isinstance(name, str) and not self.file.faulty((*place, "name")):
                if name in first_lines:
                    self.file.problem(
                        (*place, "name"), f"the name is taken by the account in line {first_lines[name]}"
                    )
                else:
                    first_lines[name] = self.file.line((*place, "name"))
            account = self._account(entry, place, collect, limits, keys)
            if account is not None:
                accounts.append(account)
        return tuple(accounts)

    def _account(
        self,
        entry: dict[str, Any],
        place: Place,
        collect: CollectSection,
        limits: AccountLimits,
        keys: KeyRules,
    ) -> AccountConfig | None:
        known_problems = self.file.problem_count
        venue = self._venue(entry.get("exchange"), (*place, "exchange"))
        # Without its venue the shared fields are checked all the same.
        type_ = AccountConfig if venue is None else venue.config_class
        secret_fields = type_.secret_fields()
        if venue is not None:
            self._unknown_fields(entry, _fields_of(type_), place)
        values = dict(entry)
        files: dict[str, Path] = {}
        for name in secret_fields:
            given = entry.get(name) is not None or entry.get(f"{name}_file") is not None
            secret = self._secret(values, name, place, files)
            if secret is None and given:
                self.file.reject((*place, name))
            if secret is not None:
                values[name] = SecretStr(secret)
                self._secrets.append(secret)
            else:
                values.pop(name, None)
        # The default timeout gives way to a shorter interval; one that somebody wrote does not exceed it.
        own = {name: values.get(name) for name in ("interval", "timeout", "max_age")}
        inherited = {"interval": collect.interval, "timeout": None, "max_age": collect.max_age}
        durations = {name: inherited[name] if value is None else value for name, value in own.items()}
        unset = frozenset(name for name, value in own.items() if value is None)
        # On their own first, so that they are checked together whatever else is wrong with the account.
        # Those of `collect` are checked already.
        checked: CollectSection | None = collect
        if unset != own.keys():
            checked = self._validate(CollectSection, durations, place)
        if checked is not None:
            own_timeout = None if "timeout" in unset else checked.timeout
            self._durations(place, checked.interval, own_timeout, checked.max_age, inherited=unset)
            if own_timeout is None:
                durations["timeout"] = min(collect.timeout or DEFAULT_TIMEOUT, checked.interval)
        desk = {
            "labels": self._section(AccountLabels, entry.get("labels"), (*place, "labels")),
            "limits": self._section(AccountLimits, entry.get("limits"), (*place, "limits")).over(limits),
            "keys": self._section(KeyRules, entry.get("keys"), (*place, "keys")).over(keys),
        }
        account: AccountConfig | None = self._validate(type_, {**values, **durations, **desk}, place)
        if account is None or venue is None or self.file.problem_count > known_problems:
            return None
        if account.base_url is None and venue.base_url is None:
            self.file.problem((*place, "base_url"), f"is required: {venue.title} has no public host")
            return None
        reason = venue.check(account)
        if reason is not None:
            self.file.problem(place, reason)
            return None
        if account.base_url is not None and credentials.in_the_clear(account.base_url):
            self.file.warn((*place, "base_url"), "keys and figures go through the open internet unencrypted")
        self._secret_files[account.name] = MappingProxyType(files)
        return account

    def _venue(self, exchange: Any, place: Place) -> type[AnyVenue] | None:
        if exchange is None or self.file.faulty(place):
            return None  # said by the model or already
        venue = self.venues.get(exchange) if isinstance(exchange, str) else None
        if venue is None:
            known = ", ".join(self.venues)
            close = get_close_matches(str(exchange).lower(), self.venues, n=1, cutoff=0.6)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            self.file.problem(place, f"unknown exchange{hint} (known: {known})")
        return venue

    def _secret(self, values: dict[str, Any], name: str, place: Place, files: dict[str, Path]) -> str | None:
        """The secret `name` of one account; moves ``<name>_file`` from `values` to `files`."""
        file = values.pop(f"{name}_file", None)
        inline = values.get(name)
        file_place, inline_place = (*place, f"{name}_file"), (*place, name)
        if file is not None and inline is not None:
            self.file.problem(file_place, f"`{name}` is given too; one of the two is enough")
            return None
        if file is not None:
            found = None if self.file.faulty(file_place) else self._secret_file(file, file_place)
            if found is None:
                return None
            text, where = found[0], file_place
            files[name] = found[1]
        elif inline is not None:
            if self.file.faulty(inline_place):
                return None
            if isinstance(inline, dict | list):
                self.file.problem(inline_place, "expected text")
                return None
            # The text as written: a key of digits only is not a number.
            text, where = self.file.text(inline_place).rstrip("\r\n"), inline_place
        else:
            return None
        fault = credentials.fault(name, text)
        if fault is not None:
            self.file.problem(where, fault)
            return None
        for doubt in credentials.doubts(name, text):
            self.file.warn(where, doubt)
        return text

    def _secret_file(self, file: Any, place: Place) -> tuple[str, Path] | None:
        """The content and where it is."""
        if not isinstance(file, str) or not file or "\0" in file:
            self.file.problem(place, "expected the path of a file")
            return None
        path = self.file.path.parent / file
        try:
            found = credentials.read_file(path)
        except SecretError as error:
            self.file.problem(place, str(error))
            return None
        if found.open_to_all:
            self.file.warn(place, "every user of this machine can read the file; `chmod o=` ends that")
        return found.text, path


@cache
def _nothing_said(type_: type[BaseModel]) -> BaseModel:
    """A section without fields. Nobody can change it: one is enough for all accounts."""
    return type_()


@cache
def _fields_of(type_: type[AccountConfig]) -> tuple[str, ...]:
    """What an account may have, with the names by which secrets come from files."""
    return (*type_.model_fields, *(f"{name}_file" for name in type_.secret_fields()))


def _plain(value: Any) -> Any:
    """A part of a configuration as JSON has it; secrets as asterisks."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Struct():
            return asdict(value)
        case Mapping():
            return dict(value)
        case _:
            return str(value)
