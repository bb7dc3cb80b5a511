"""Secrets as they are given: read from their files, and what is wrong or doubtful about them.

No text made here repeats a word of a secret, or the path of a file: it may be the secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct
from pydantic import SecretStr, ValidationError

from exporter.account import AccountConfig, proxy_fault, secret_fault

MAX_SECRET_BYTES = 64 * 1024
SHORT_RSA_BITS = 2048
"""Shorter keys can be broken by those who have the means, and venues do not take them."""

_NOT_PRIVATE = re.compile(
    r"\s*(?:-----BEGIN (?:[A-Z0-9 ]*PUBLIC KEY|CERTIFICATE[A-Z ]*)-----|(?:ssh|ecdsa)-[a-z0-9-]+ )"
)
_MAY_HAVE_SPACES = ("passphrase", "password", "proxy")
_PRIVATE_SUFFIXES = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "lan",
    "home",
    "home.arpa",
    "svc",
    "test",
)


class SecretError(ValueError):
    """A secret cannot be used. The text says why, in words for people."""


class SecretFile(Struct, frozen=True):
    """What a file of a secret held, without the line break at its end."""

    text: str
    open_to_all: bool
    """Whether every user of the machine can read it."""


def read_file(path: Path) -> SecretFile:
    """The secret in a file.

    Raises:
        SecretError: if it cannot be read or is not text.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise SecretError(f"the file cannot be read: {error.strerror or type(error).__name__}") from None
    except ValueError:
        raise SecretError("no file can have this name") from None
    if len(content) > MAX_SECRET_BYTES:
        raise SecretError(f"the file is larger than {MAX_SECRET_BYTES // 1024} KiB")
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise SecretError("the file is not UTF-8 text") from None
    return SecretFile(text, stat.S_ISREG(mode) and bool(mode & stat.S_IROTH))


def fault(name: str, text: str) -> str | None:
    """Why `text` cannot be the secret of the field `name`; None if it can."""
    if _NOT_PRIVATE.match(text):
        return "is a public key or a certificate, which is for the venue; here the private key is needed"
    return secret_fault(text) or (proxy_fault(text) if name == "proxy" else None)


def doubts(name: str, text: str) -> Iterator[str]:
    """What is unusual about a secret that can be one."""
    if text.startswith("-----BEGIN"):
        bits = _rsa_bits(text)
        if bits is not None and bits < SHORT_RSA_BITS:
            yield f"an RSA key of {bits} bits can be broken: make one of {SHORT_RSA_BITS} or more"
    elif not name.endswith(_MAY_HAVE_SPACES) and text.split() != [text]:
        yield "has a space in it: was more copied than the secret?"


def _rsa_bits(text: str) -> int | None:
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None  # the venue's adapter says what it makes of it
    return key.key_size if isinstance(key, rsa.RSAPrivateKey) else None


@lru_cache(maxsize=64)  # the accounts of a fleet have few
def in_the_clear(url: str) -> bool:
    """Whether requests to `url` go through the open internet without encryption, as far as the name tells."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "http":
        return False
    try:
        return ip_address(host).is_global
    except ValueError:  # a name
        return "." in host and not host.endswith(tuple(f".{suffix}" for suffix in _PRIVATE_SUFFIXES))


def renewed(account: AccountConfig, files: Mapping[str, Path]) -> AccountConfig | None:
    """The account with the secrets that its files hold now; None if they are the same, or of no use.

    Whoever changes a key under a running program may write one file after the other: what cannot be used now
    may be well at the next try.

    Args:
        account: As it is in use.
        files: Field to the file that it was read from.
    """
    changed = {}
    for name, path in files.items():
        try:
            text = read_file(path).text
        except SecretError:
            return None
        old = getattr(account, name)
        if not isinstance(old, SecretStr) or old.get_secret_value() != text:
            if fault(name, text) is not None:
                return None
            changed[name] = SecretStr(text)
    if not changed:
        return None
    fields = {name: getattr(account, name) for name in type(account).model_fields}
    try:
        type(account).model_validate({**fields, **changed})
    except ValidationError:
        return None
    return account.with_secrets(changed)
