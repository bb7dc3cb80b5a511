"""The part of an account's configuration that every venue shares, its field types, and its secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin
from urllib.parse import quote, unquote, urlsplit

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
)
from pydantic.fields import FieldInfo

from exporter.defaults import parse_duration
from exporter.desk import AccountLabels, AccountLimits
from exporter.keys import KeyRules

DEFAULT_INTERVAL = 15.0
DEFAULT_TIMEOUT = 10.0
MAX_AGE_INTERVALS = 3.0
"""How many intervals data are published for where `max_age` is not given."""
SHORTEST_HANDLE = 6
"""Characters of what a venue calls a sub-account by, from which on it is hidden in texts."""
LONGEST_STRETCHED_AGE = 300.0
"""Seconds beyond which a stretched interval does not prolong that."""


Duration = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, le=86400)]
"""Seconds, more than 0 and at most a day."""


def _with_host_and_port(url: str) -> str:
    """`url`, if its host and port can be connected to."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number up to 65535, or brackets do not match
        usable = False
    if not usable:
        raise ValueError("the host or its port is not one: expected http://host or https://host:port")
    return url


# Label values of every series: kept to what reads well in a query and in a URL.
AccountName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
BaseUrl = Annotated[
    str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$"), AfterValidator(_with_host_and_port)
]


class AccountConfig(BaseModel):
    """One entry of ``accounts``. A venue's own class adds the secrets and options it needs.

    Every field of type `SecretStr` is a secret: it can be given inline, as ``${ENVIRONMENT_VARIABLE}`` or
    as a file named by ``<field>_file``, and is never printed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: AccountName = Field(description="Label value `account` of every series; unique in the file.")
    exchange: str = Field(description="The venue.")
    interval: Duration = Field(
        default=DEFAULT_INTERVAL,
        description="From the start of one collection to the next.",
        examples=["10s"],
    )
    timeout: Duration = Field(
        default=DEFAULT_TIMEOUT, description="For one whole collection.", examples=["8s"]
    )
    max_age: Duration | None = Field(
        default=None,
        description="Data older than this are no longer published; "
        f"{MAX_AGE_INTERVALS:g} × interval by default.",
        examples=["30s"],
    )
    base_url: BaseUrl | None = Field(
        default=None,
        description="Of the API, where it is not the venue's own: for example a test network.",
    )
    proxy: SecretStr | None = Field(
        default=None,
        description="HTTP proxy for this account alone, `http://[user:password@]host:port`. "
        "As it may hold a password, it is a secret as a whole.",
        examples=["http://${PROXY_USER}:${PROXY_PASSWORD}@proxy.example.com:3128"],
    )
    recv_window: Duration | None = Field(
        default=None,
        description="How old a request may be when it reaches the venue, where it takes one.",
        examples=["5s"],
    )
    labels: AccountLabels = Field(
        default=AccountLabels(),
        description="Whose it is: labels of risk_account_owner_info and of every alert about it.",
        examples=["{desk: basis, owner: anna}"],
    )
    limits: AccountLimits = Field(
        default=AccountLimits(),
        description="When somebody is told; what is not given here is as in the section `limits`.",
        examples=["{liquidation_distance: 0.08, min_notional_usd: 1000}"],
    )
    keys: KeyRules = Field(
        default=KeyRules(),
        description="What its key must not be able to do; what is not given is as in the section `keys`.",
        examples=["{refuse: [withdraw, transfer]}"],
    )

    @property
    def market(self) -> str:
        """Which of several markets at one address it is at: each has public answers of its own."""
        return ""

    @property
    def age_limit(self) -> float:
        """Seconds after which data are no longer published."""
        return self.age_limit_at(self.interval)

    def age_limit_at(self, interval: float) -> float:
        """Seconds after which data are no longer published, if they are collected every `interval` seconds.

        By default they outlive two collections that fail. Where a request limit stretches the interval, so
        long does not get longer without end: what a desk would not call current is not shown.
        """
        if self.max_age is not None:
            return self.max_age
        return min(
            MAX_AGE_INTERVALS * interval, max(MAX_AGE_INTERVALS * self.interval, LONGEST_STRETCHED_AGE)
        )

    @classmethod
    def own_fields(cls) -> dict[str, FieldInfo]:
        """The fields that not every account has, or not in this form."""
        return {
            name: field
            for name, field in cls.model_fields.items()
            if (shared := AccountConfig.model_fields.get(name)) is None or repr(shared) != repr(field)
        }

    @classmethod
    @cache  # asked for with every answer of a venue
    def secret_fields(cls) -> tuple[str, ...]:
        """The names of the fields that are secrets."""
        return _secret_fields(cls)

    def secrets(self) -> tuple[str, ...]:
        """The values that must never be seen, for redaction."""
        values = (getattr(self, name) for name in self.secret_fields())
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> Self:
        """The same account with other secrets."""
        return self.model_copy(update=secrets)


class ApiKeyConfig(AccountConfig):
    """An account that signs with an API key and its secret."""

    api_key: SecretStr = Field(description="API key; read permission is all it needs.")
    api_secret: SecretStr = Field(description="Secret of the API key.")


class Member(Struct, frozen=True):
    """One of the accounts that an entry of the configuration stands for."""

    name: str
    """As its owner calls it."""
    handle: str
    """As the venue does: an address, a number, an e-mail address. Never shown."""


class SubAccounts(AccountConfig):
    """An account that may have others below it, which the same credentials read."""

    sub_accounts: bool = Field(
        default=False,
        description="Whether its sub-accounts are collected too: those that the venue lists, each as an "
        "account `<name>.<name of the sub-account>` with the settings of this entry.",
        examples=[True],
    )
    _member: Member | None = PrivateAttr(None)
    _entry: AccountConfig | None = PrivateAttr(None)

    @property
    def handle(self) -> str | None:
        """What the venue calls the sub-account that this is; None for the entry's own account."""
        return None if self._member is None else self._member.handle

    @property
    def entry(self) -> AccountConfig:
        """What stands in the file: the same for all accounts of one entry."""
        return self if self._entry is None else self._entry

    def asked_every(self, seconds: float) -> Self:
        """The configuration of this account for who asks for the list of its sub-accounts alone."""
        found = self.model_copy(update={"interval": seconds})
        found._entry = self  # noqa: SLF001 (of the same class; such fields cannot be given to a copy)
        return found

    def member(self, name: str, member: Member) -> Self:
        """The configuration of one of its sub-accounts, as the account `name`."""
        found = self.model_copy(update={"name": name, "sub_accounts": False})
        found._member, found._entry = member, self  # noqa: SLF001 (as above)
        return found

    def with_secrets(self, secrets: Mapping[str, SecretStr]) -> Self:
        """The same sub-account, of the same entry, with other secrets."""
        found = super().with_secrets(secrets)
        if self._entry is not None:
            found._entry = self._entry.with_secrets(secrets)  # noqa: SLF001 (as above)
        return found

    def secrets(self) -> tuple[str, ...]:
        """Also what the venue calls a sub-account by, unless that is so short that it says nothing."""
        handle = self.handle
        return (*super().secrets(), *([handle] if handle and len(handle) >= SHORTEST_HANDLE else []))


@cache
def _secret_fields(type_: type[AccountConfig]) -> tuple[str, ...]:
    return tuple(name for name, field in type_.model_fields.items() if is_secret(field.annotation))


def labels_of(account: AccountConfig) -> Mapping[str, str]:
    """What the desk calls an account by, beside its name; without what it left empty."""
    return {name: value for name, value in account.labels if value}


def is_secret(annotation: Any) -> bool:
    """Whether a field of this type is a secret: `SecretStr`, also as one of several."""
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return any(is_secret(argument) for argument in get_args(annotation))
    return annotation is SecretStr


def secret_fault(text: str) -> str | None:
    """Why `text` cannot be a secret, without a word of it; None if it can."""
    if not text.strip():
        return "is empty"
    if text.startswith("-----BEGIN"):
        return None
    if text != text.strip():
        return "starts or ends with white space"
    if not text.isprintable():
        return "contains a line break or another control character"
    return None


def proxy_fault(text: str) -> str | None:
    """Why `text` cannot be the URL of a proxy, without a word of it; None if it can."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # the port is not a number, or brackets do not match
        usable = False
    return None if usable else "expected http://[user:password@]host:port"


def forms_of(secret: str) -> Iterator[str]:
    """A secret as it is, percent-encoded, and in the parts that could appear alone."""
    yield secret
    yield quote(secret, safe="")
    if "\n" in secret:  # a PEM key: one line of it is already too much
        yield from (line for line in secret.split("\n") if line and not line.startswith("-----"))


def secret_forms(account: AccountConfig) -> Iterator[str]:
    """Every form in which a secret of this account could turn up in a text, for redaction."""
    for secret in account.secrets():
        yield from forms_of(secret)
    if account.proxy is not None:
        proxy = urlsplit(account.proxy.get_secret_value())
        if proxy.password:
            user, password = unquote(proxy.username or ""), unquote(proxy.password)
            yield from (password, proxy.password, f"{proxy.username}:{proxy.password}")
            yield base64.b64encode(f"{user}:{password}".encode()).decode()
        elif proxy.username:  # a token in its place
            yield from (unquote(proxy.username), proxy.username)
            yield base64.b64encode(f"{unquote(proxy.username)}:".encode()).decode()
