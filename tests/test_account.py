"""An account's own settings: its secrets, in every form in which they could appear."""

from __future__ import annotations

import base64
from typing import Annotated

import pytest
from pydantic import AfterValidator, SecretStr

from exporter.account import (
    AccountConfig,
    ApiKeyConfig,
    forms_of,
    is_secret,
    proxy_fault,
    secret_fault,
    secret_forms,
)


class Passphrase(ApiKeyConfig):
    passphrase: SecretStr | None = None
    collateral: str = "USD"


def account(**fields: str) -> Passphrase:
    keys = {"name": "a", "exchange": "toy", "api_key": "key/key", "api_secret": "word"}
    return Passphrase.model_validate({**keys, **fields})


def test_a_venues_secrets_are_found_by_their_type() -> None:
    assert Passphrase.secret_fields() == ("proxy", "api_key", "api_secret", "passphrase")
    assert account().secrets() == ("key/key", "word")
    assert account(passphrase="open").secrets() == ("key/key", "word", "open")


@pytest.mark.parametrize(
    ("annotation", "secret"),
    [
        (SecretStr, True),
        (SecretStr | None, True),
        (Annotated[SecretStr, AfterValidator(lambda value: value)], True),
        (Annotated[SecretStr | None, "a note"] | None, True),
        (str, False),
        (str | None, False),
    ],
)
def test_a_secret_can_be_optional_or_annotated(annotation: object, secret: bool) -> None:
    assert is_secret(annotation) is secret


def test_the_forms_of_a_proxy_password_are_secrets() -> None:
    basic = base64.b64encode(b"me:p@ss").decode()
    forms = set(secret_forms(account(proxy="http://me:p%40ss@proxy:1")))
    assert {"p@ss", "p%40ss", "me:p%40ss", basic, "key/key", "key%2Fkey"} <= forms
    assert "me" not in forms


def test_a_proxy_token_in_place_of_user_and_password_is_a_secret() -> None:
    basic = base64.b64encode(b"t@ken:").decode()
    assert {"t@ken", "t%40ken", basic} <= set(secret_forms(account(proxy="http://t%40ken@proxy:1")))


def test_every_line_of_a_private_key_is_a_secret() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nAAAABBBB\nCCCC\n-----END PRIVATE KEY-----"
    assert {key, "AAAABBBB", "CCCC"} <= set(forms_of(key))
    assert "-----BEGIN PRIVATE KEY-----" not in set(forms_of(key))


def test_a_text_that_cannot_be_a_secret_is_told_without_a_word_of_it() -> None:
    assert secret_fault("word") is None
    assert secret_fault("-----BEGIN PRIVATE KEY-----\nAAAA\n") is None
    assert secret_fault("\n") == "is empty"
    assert secret_fault("word ") == "starts or ends with white space"
    assert secret_fault("two\nlines") == "contains a line break or another control character"


@pytest.mark.parametrize("url", ["proxy:3128", "socks5://proxy", "http://", "http://h:port", "http://h:0"])
def test_a_proxy_needs_a_scheme_a_host_and_a_port_that_exists(url: str) -> None:
    assert proxy_fault(url) == "expected http://[user:password@]host:port"
    assert proxy_fault("http://me:word@proxy:3128") is None


def test_what_only_one_venue_has_is_told_from_what_all_have() -> None:
    class Narrow(AccountConfig):
        max_age: float = 5.0
        side: str = "both"

    assert list(Narrow.own_fields()) == ["max_age", "side"]
    assert list(ApiKeyConfig.own_fields()) == ["api_key", "api_secret"]


def test_data_last_for_three_intervals_unless_told_otherwise() -> None:
    assert account(interval="20s").age_limit == 60.0
    assert account(interval="20s", max_age="30s").age_limit == 30.0
