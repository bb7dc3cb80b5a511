"""The part of an account's configuration that every venue shares, and the field types for it."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(value: Any) -> float:
    """``"15s"``, ``"1m30s"`` or a number of seconds, as seconds.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a duration such as 15s, 500ms or 1m30s")  # noqa: TRY004 (pydantic wants it)
    if isinstance(value, int | float):
        return float(value)
    text = value.strip().replace(" ", "")
    parts = _DURATION.findall(text)
    if not parts or "".join(amount + unit for amount, unit in parts) != text:
        raise ValueError("expected a duration such as 15s, 500ms or 1m30s")
    return float(sum(float(amount) * _SECONDS[unit] for amount, unit in parts))


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
    interval: Duration = Field(default=15.0, description="From the start of one collection to the next.")
    timeout: Duration = Field(default=10.0, description="For one whole collection.")
    max_age: Duration | None = Field(
        default=None, description="Data older than this are no longer published; 3 × interval by default."
    )
    base_url: BaseUrl | None = Field(default=None, description="Of the API, where it is not the venue's own.")
    proxy: SecretStr | None = Field(
        default=None, description="HTTP proxy of this account, `http://[user:password@]host:port`."
    )
    recv_window: Duration | None = Field(
        default=None, description="How old a request may be when it reaches the venue, where it takes one."
    )

    @property
    def age_limit(self) -> float:
        """Seconds after which data are no longer published."""
        return self.max_age if self.max_age is not None else 3.0 * self.interval

    def secrets(self) -> tuple[str, ...]:
        """The values that must never be seen, for redaction."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))


class ApiKeyConfig(AccountConfig):
    """An account that signs with an API key and its secret."""

    api_key: SecretStr = Field(description="API key; read permission is all it needs.")
    api_secret: SecretStr = Field(description="Secret of the API key.")
