"""Signatures that more than one venue asks for."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from pydantic import SecretStr

Signer = Callable[[bytes], str]


def hmac_sha256(secret: SecretStr, text: str) -> bytes:
    """The 32 bytes of HMAC-SHA256 over `text` as UTF-8."""
    return hmac.digest(secret.get_secret_value().encode(), text.encode(), hashlib.sha256)


def hmac_hex(secret: SecretStr, text: str) -> str:
    """HMAC-SHA256 in lowercase hex."""
    return hmac_sha256(secret, text).hex()


def hmac_base64(secret: SecretStr, text: str) -> str:
    """HMAC-SHA256 in Base64."""
    return base64.b64encode(hmac_sha256(secret, text)).decode()


def signer(secret: SecretStr, venue: str, *, elliptic: bool = True) -> Signer:
    """The function that signs with what a desk gave as its secret.

    A PEM private key signs with RSA (PKCS #1 v1.5, SHA-256) or, where the venue takes them (`elliptic`),
    Ed25519, in Base64; any other text is the secret of HMAC-SHA256, in hex.

    Raises:
        ValueError: if a PEM key cannot be read; the text does not quote it.
    """
    text = secret.get_secret_value()
    if "PRIVATE KEY" not in text:
        return lambda payload: hmac_hex(secret, payload.decode())
    try:
        key = serialization.load_pem_private_key(text.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "`api_secret` looks like a PEM private key but cannot be read without a password"
        ) from None
    match key:
        case ed25519.Ed25519PrivateKey() if elliptic:
            return lambda payload: base64.b64encode(key.sign(payload)).decode()
        case rsa.RSAPrivateKey():
            padded = padding.PKCS1v15()
            return lambda payload: base64.b64encode(key.sign(payload, padded, hashes.SHA256())).decode()
        case _:
            kinds = "RSA and Ed25519" if elliptic else "RSA"
            raise ValueError(f"`api_secret` is a private key of another kind; {venue} takes {kinds}")
