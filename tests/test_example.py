"""The example configuration: it is what the code says, it works, and a new venue needs no hand in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import pytest
from click.testing import CliRunner
from pydantic import Field, SecretStr

from exporter.account import AccountConfig, ApiKeyConfig, Duration
from exporter.api import Api
from exporter.cli import main
from exporter.config import load
from exporter.demo.running import running
from exporter.example import example_configuration, secret_file, variable
from exporter.model import AccountSnapshot, KeyRights, RiskSettings
from exporter.request import Endpoint
from exporter.venues import AnyVenue, discover
from exporter.venues.base import Venue

FILE = Path(__file__).resolve().parent.parent / "risk-exporter.example.yml"


class NewConfig(ApiKeyConfig):
    recv_window: Duration = Field(default=3.0, description="At most a minute.")
    passphrase: SecretStr | None = Field(default=None, description="Of the key, if it has one.")
    wallet: str = Field(description="The address.")
    price: str = Field(default="$ mark", description="Which one.")
    ratio: float = 0.5


class New(Venue[NewConfig]):
    name = "a-new.venue"
    title = "A new venue"
    documentation = "https://example.com"
    config_class: ClassVar[type[AccountConfig]] = NewConfig
    base_url: ClassVar[str | None] = None
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()
    note = "Only for the brave. And there is more to say."

    async def fetch(self, api: Api) -> AccountSnapshot:
        raise NotImplementedError


async def test_the_file_is_right(tmp_path: Path) -> None:
    """With keys of the right kind: those of the demo's accounts, where the demo has the venue."""
    text = FILE.read_text()
    environment = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "0x123")
    (tmp_path / "secrets").mkdir()
    for name in re.findall(r"_file: (secrets/\w+)", text):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text("0x123\n")
    async with running(seed=1, interval=60.0) as simulated:
        for account in simulated.accounts:
            for field in account.secret_fields():
                if (secret := getattr(account, field)) is not None:
                    environment[variable(account.exchange, field)] = secret.get_secret_value()
                    (tmp_path / secret_file(account.exchange, field)).write_text(secret.get_secret_value())
    path = tmp_path / "risk-exporter.yml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["check-config", str(path)], env=environment)
    assert result.output == f"{path}: {len(discover())} accounts, no mistakes\n"


def test_every_option_of_every_venue_stands_in_the_file() -> None:
    entries = re.split(r"\n\n", FILE.read_text().partition("\naccounts:\n")[2])
    assert len(entries) == len(discover())
    # The first account has what all accounts can have.
    assert all(
        re.search(rf"^ +(- )?{name}: ", entries[0], re.MULTILINE) for name in AccountConfig.model_fields
    )
    for entry, (name, venue) in zip(entries, discover().items(), strict=True):
        assert f"    exchange: {name}\n" in entry
        for field in venue.config_class.own_fields():
            assert re.search(rf"^ +{field}(_file)?: ", entry, re.MULTILINE), (name, field)


def test_every_option_says_what_it_means() -> None:
    assert [
        f"{name}.{field_name}"
        for name, venue in discover().items()
        for field_name, field in venue.config_class.model_fields.items()
        if not field.description
    ] == []


def test_a_new_venue_needs_no_hand_in_the_example(tmp_path: Path) -> None:
    venues: dict[str, type[AnyVenue]] = {"a-new.venue": New}
    text = example_configuration(venues)
    entry = text.partition("\naccounts:\n")[2]
    assert (
        entry
        == """\
  # A new venue. Only for the brave.
  - # Label value `account` of every series; unique in the file.
    name: desk-1
    # The venue.
    exchange: a-new.venue
    # Of the API, where it is not the venue's own: for example a test network.
    base_url: https://a-new.venue.example.com
    # API key; read permission is all it needs.
    api_key: ${A_NEW_VENUE_API_KEY}
    # Secret of the API key.
    api_secret_file: secrets/a-new.venue_api_secret
    # The address.
    wallet: ${A_NEW_VENUE_WALLET}
    # At most a minute. Default: 3s.
    recv_window: 3s
    # Of the key, if it has one.
    passphrase_file: secrets/a-new.venue_passphrase
    # Which one. Default: $$ mark.
    price: $$ mark
    # Default: 0.5.
    ratio: 0.5
    # As in `collect`, for this account alone.
    interval: 10s
    timeout: 8s
    max_age: 30s
    # HTTP proxy for this account alone, `http://[user:password@]host:port`. As it may hold a password,
    # it is a secret as a whole.
    proxy: http://${PROXY_USER}:${PROXY_PASSWORD}@proxy.example.com:3128
    # Whose it is: labels of risk_account_owner_info and of every alert about it.
    labels: {desk: basis, owner: anna}
    # When somebody is told; what is not given here is as in the section `limits`.
    limits: {liquidation_distance: 0.08, min_notional_usd: 1000}
    # What its key must not be able to do; what is not given is as in the section `keys`.
    keys: {refuse: [withdraw, transfer]}
"""
    )
    path = tmp_path / "risk-exporter.yml"
    path.write_text(text)
    (tmp_path / "secrets").mkdir()
    for field in ("api_secret", "passphrase"):
        (tmp_path / secret_file("a-new.venue", field)).write_text(f"the-{field}")
    names = ("A_NEW_VENUE_API_KEY", "A_NEW_VENUE_WALLET", "PROXY_USER", "PROXY_PASSWORD")
    config = load(path, environment={name: name.lower() for name in names}, venues=venues)
    (account,) = config.accounts
    assert isinstance(account, NewConfig)
    assert account.secrets()[1:] == ("a_new_venue_api_key", "the-api_secret", "the-passphrase")
    assert (account.wallet, account.price, account.ratio, account.recv_window) == (
        "a_new_venue_wallet",
        "$ mark",
        0.5,
        3.0,
    )


@pytest.mark.parametrize("section", ["collect", "usd_pegs", "risk", "limits", "keys"])
def test_what_the_file_shows_of_a_section_is_its_default(tmp_path: Path, section: str) -> None:
    shown = example_configuration({})
    block = next(part for part in shown.split("\n\n") if f"\n{section}:\n" in part)
    entry = "{name: a, exchange: a, api_key: k, api_secret: s, wallet: w, base_url: 'http://h'}"
    path = tmp_path / "risk-exporter.yml"
    path.write_text(f"{block}\naccounts: [{entry}]\n")
    config = load(path, environment={}, venues={"a": New})
    (account,) = config.accounts
    assert config.risk == RiskSettings()
    plain = AccountConfig(name="a", exchange="a")
    assert list(account.limits.values()) == list(plain.limits.values())
    all_rights = KeyRights(trade=True, transfer=True, withdraw=True)
    assert account.keys.refused(all_rights) == plain.keys.refused(all_rights)
    assert (account.interval, account.timeout, account.age_limit) == (
        plain.interval,
        plain.timeout,
        plain.age_limit,
    )
