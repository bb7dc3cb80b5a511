"""Configurations of a venue that is not there, for the tests of what their files may hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import ClassVar

import pytest
from pydantic import SecretStr, field_validator

from exporter.account import AccountConfig, ApiKeyConfig
from exporter.api import Api
from exporter.config import Config, ConfigError, load
from exporter.model import AccountSnapshot
from exporter.request import Endpoint
from exporter.venues import AnyVenue
from exporter.venues.base import Venue

SECRET = "S3cretS3cretS3cret"


class ToyConfig(ApiKeyConfig):
    passphrase: SecretStr | None = None
    collateral: str = "USD"

    @field_validator("collateral")
    @classmethod
    def _collateral(cls, value: str) -> str:
        if value.startswith("bad"):
            raise ValueError(f"no such collateral as {value}")
        return value


class Toy(Venue[ToyConfig]):
    name = "toy"
    title = "Toy"
    documentation = "https://example.com"
    config_class: ClassVar[type[AccountConfig]] = ToyConfig
    base_url: ClassVar[str | None] = "https://api.example.com"
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()

    @classmethod
    def check(cls, config: ToyConfig) -> str | None:
        if config.api_secret.get_secret_value() == "unusable":
            return f"the secret {config.api_secret.get_secret_value()!r} is not a key"
        return None

    async def fetch(self, api: Api) -> AccountSnapshot:
        raise NotImplementedError


class Hostless(Toy):
    name = "hostless"
    title = "Hostless"
    base_url = None


VENUES: dict[str, type[AnyVenue]] = {"toy": Toy, "hostless": Hostless}
ACCOUNT = "{name: a, exchange: toy, api_key: k, api_secret: s}"


Read = Callable[..., Config]


def toy(config: Config, index: int = 0) -> ToyConfig:
    account = config.accounts[index]
    assert isinstance(account, ToyConfig)
    return account


def reader(folder: Path) -> Read:
    """Reads texts as the file ``exporter.yml`` in `folder`."""

    def read(text: str, **environment: str) -> Config:
        path = folder / "exporter.yml"
        path.write_text(dedent(text))
        return load(path, environment=environment, venues=VENUES)

    return read


def warnings(config: Config) -> list[str]:
    """Every warning as ``line: field: warning: message``."""
    found = [str(warning).split("exporter.yml:", 1)[1] for warning in config.warnings]
    assert SECRET not in str(found)
    return found


def problems(read: Read, text: str, **environment: str) -> list[str]:
    """Every mistake as ``line: field: message``."""
    with pytest.raises(ConfigError) as caught:
        read(text, **environment)
    assert str(caught.value).count("\n") == len(caught.value.problems) - 1
    assert SECRET not in str(caught.value)
    return [str(problem).split("exporter.yml:", 1)[1].strip() for problem in caught.value.problems]
