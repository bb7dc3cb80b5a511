"""Secrets: what is doubtful about them, and what an account goes on with when they change under it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr, ValidationInfo, field_validator

from exporter.account import ApiKeyConfig
from exporter.credentials import renewed
from tests.configured import ACCOUNT, SECRET, Read, problems, reader, warnings


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return reader(tmp_path)


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o644, True), (0o604, True), (0o640, False), (0o600, False), (0o400, False)]
)
def test_a_secret_file_that_everybody_can_read_is_told(
    read: Read, tmp_path: Path, mode: int, warned: bool
) -> None:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(mode)
    config = read("accounts:\n- {name: a, exchange: toy, api_key: k, api_secret_file: secret}")
    expected = [
        (
            "2: accounts[0].api_secret_file: warning: every user of this machine can read the file; "
            "`chmod o=` ends that"
        )
    ]
    assert warnings(config) == (expected if warned else [])


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.example.com", True),
        ("http://API.example.com:8080/v1", True),
        ("http://8.8.8.8", True),
        ("http://[2001:4860:4860::8888]:80", True),
        ("https://api.example.com", False),
        ("http://127.0.0.1:8080", False),
        ("http://localhost:8080", False),
        ("http://10.0.0.7", False),
        ("http://192.168.1.1", False),
        ("http://[::1]:1", False),
        ("http://[fd00::1]", False),
        ("http://gateway:8080", False),
        ("http://gateway.desk.internal", False),
        ("http://venue.default.svc", False),
    ],
)
def test_keys_that_travel_unencrypted_are_told(read: Read, url: str, warned: bool) -> None:
    config = read(f"accounts:\n- {ACCOUNT[:-1]},\n   base_url: '{url}'}}")
    expected = ["3: accounts[0].base_url: warning: keys and figures go through the open internet unencrypted"]
    assert warnings(config) == (expected if warned else [])


def pem(key: Any, *, public: bool = False) -> str:
    if public:
        return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


@pytest.mark.parametrize(("bits", "warned"), [(1024, True), (2048, False)])
def test_a_short_rsa_key_is_told(read: Read, tmp_path: Path, bits: int, warned: bool) -> None:
    (tmp_path / "key.pem").write_text(pem(rsa.generate_private_key(65537, bits)))
    (tmp_path / "key.pem").chmod(0o600)
    config = read("accounts: [{name: a, exchange: toy, api_key: k, api_secret_file: key.pem}]")
    expected = [
        (
            f"1: accounts[0].api_secret_file: warning: an RSA key of {bits} bits can be broken: "
            "make one of 2048 or more"
        )
    ]
    assert warnings(config) == (expected if warned else [])


@pytest.mark.parametrize(
    "text",
    [
        pem(ed25519.Ed25519PrivateKey.generate(), public=True),
        pem(rsa.generate_private_key(65537, 2048), public=True),
        "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@desk",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh me@desk",
    ],
)
def test_a_public_key_is_no_secret(read: Read, tmp_path: Path, text: str) -> None:
    (tmp_path / "key.pem").write_text(text)
    found = problems(read, "accounts: [{name: a, exchange: toy, api_key: k, api_secret_file: key.pem}]")
    assert found == [
        (
            "1: accounts[0].api_secret_file: is a public key or a certificate, which is for the venue; "
            "here the private key is needed"
        )
    ]


def test_a_secret_with_a_space_in_it_is_told(read: Read) -> None:
    config = read(
        f"""
        accounts:
        - name: a
          exchange: toy
          api_key: k
          api_secret: 'secret {SECRET}'
          passphrase: correct horse
        """
    )
    assert warnings(config) == [
        "6: accounts[0].api_secret: warning: has a space in it: was more copied than the secret?"
    ]


def test_a_variable_without_braces_is_no_secret(read: Read) -> None:
    found = problems(read, "accounts:\n- {name: a, exchange: toy, api_key: k,\n   api_secret: $TOY_SECRET}")
    assert len(found) == 1
    assert found[0].startswith("3: accounts[0].api_secret: a `$` before a name: ")


def test_it_knows_which_secret_came_from_which_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    config = read(
        """
        accounts:
        - {name: a, exchange: toy, api_key: k, api_secret_file: secret}
        - {name: b, exchange: toy, api_key: k, api_secret: s}
        """
    )
    assert config.secret_files == {"a": {"api_secret": tmp_path / "secret"}, "b": {}}


class Passphrased(ApiKeyConfig):
    passphrase: SecretStr | None = None

    @field_validator("passphrase")
    @classmethod
    def _passphrase(cls, value: SecretStr | None, _info: ValidationInfo) -> SecretStr | None:
        if value is not None and value.get_secret_value() == "unusable":
            raise ValueError("no passphrase")
        return value


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name, text in (("api_key", "key"), ("api_secret", "secret"), ("passphrase", "phrase")):
        found[name] = tmp_path / name
        found[name].write_text(f"{text}\n")
    return found


@pytest.fixture
def account() -> Passphrased:
    return Passphrased.model_validate(
        {
            "name": "a",
            "exchange": "x",
            "api_key": "key",
            "api_secret": "secret",
            "passphrase": "phrase",
            "interval": "7s",
        }
    )


def test_the_same_secrets_are_no_reason_to_begin_anew(account: Passphrased, files: dict[str, Path]) -> None:
    assert renewed(account, files) is None
    assert renewed(account, {}) is None


def test_a_changed_file_is_noticed(account: Passphrased, files: dict[str, Path]) -> None:
    files["api_secret"].write_text("rotated\n")
    found = renewed(account, files)
    assert isinstance(found, Passphrased)
    assert found.api_secret.get_secret_value() == "rotated"
    assert found.model_copy(update={"api_secret": account.api_secret}) == account


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("api_secret", ""),
        ("api_secret", " rotated"),
        ("api_secret", "two\nlines"),
        ("api_secret", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        ("api_secret", None),
        ("passphrase", "unusable"),
    ],
)
def test_what_cannot_be_used_changes_nothing(
    account: Passphrased, files: dict[str, Path], name: str, text: str | None
) -> None:
    """A file is written, or one after the other is: the next try may find it whole."""
    files["api_key"].write_text("rotated")
    if text is None:
        files[name].unlink()
    else:
        files[name].write_text(text)
    assert renewed(account, files) is None
