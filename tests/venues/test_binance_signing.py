"""How Binance signs: HMAC, RSA and Ed25519, against vectors and other implementations."""

from __future__ import annotations

import base64
import subprocess
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import SecretStr

from exporter.demo.binance import Credential
from exporter.signing import signer
from exporter.venues._binance_usdm import ACCOUNT
from exporter.venues.binance_usdm import BinanceUsdm
from tests.venues.harness import (
    make_venue,
    unsigned,
)
from tests.venues.payloads.binance_usdm.bench import (
    CONFIG,
    KEY,
    NAME,
    SECRET,
)


class TestSigning:
    def test_official_vector(self) -> None:
        body = (
            b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
            b"&recvWindow=5000&timestamp=1591702613943"
        )
        expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
        assert signer(SecretStr(SECRET), "Binance")(body) == expected

    def test_get_vector(self) -> None:
        expected = "b944ea46b707ca97ae6956c3e381b0ceaf517dac418a6d64af1fb3b0e878d11d"
        assert signer(SecretStr(SECRET), "Binance")(b"timestamp=1591702613943&recvWindow=5000") == expected

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_private_keys_sign_so_that_openssl_verifies(self, kind: str, tmp_path: Any) -> None:
        """Base64 of Ed25519, or of RSA PKCS#1 v1.5 with SHA-256, checked by another implementation."""
        private, public = tmp_path / "private.pem", tmp_path / "public.pem"
        algorithm = ["-algorithm", kind.upper()] if kind == "ed25519" else ["-algorithm", "RSA"]
        subprocess.run(["openssl", "genpkey", *algorithm, "-out", private], check=True, capture_output=True)  # noqa: S607 (fixed arguments)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)  # noqa: S607
        venue = make_venue(NAME, "http://localhost", {**CONFIG, "api_secret": private.read_text()})
        signed = venue.sign(unsigned(ACCOUNT, at=1591702613943))
        text, _, signature = signed.query.rpartition("&signature=")
        (tmp_path / "text").write_text(text)
        (tmp_path / "signature").write_bytes(base64.b64decode(unquote(signature), validate=True))
        verify = {
            "ed25519": ["pkeyutl", "-verify", "-rawin", "-in", tmp_path / "text", "-sigfile"],
            "rsa": ["dgst", "-sha256", "-verify", public, "-signature"],
        }[kind]
        tail = ["-pubin", "-inkey", public] if kind == "ed25519" else [tmp_path / "text"]
        subprocess.run(["openssl", *verify, tmp_path / "signature", *tail], check=True, capture_output=True)  # noqa: S607

    def test_an_unreadable_private_key_is_named_without_quoting_it(self) -> None:
        secret = "-----BEGIN PRIVATE KEY-----\nTUlTU0lORw==\n-----END PRIVATE KEY-----"
        config = BinanceUsdm.config_class.model_validate(
            {"name": "desk", "exchange": NAME, "api_key": KEY, "api_secret": secret}
        )
        problem = BinanceUsdm.check(config)
        assert problem is not None
        assert "PEM private key" in problem
        assert "TUlTU0lORw" not in problem


def test_the_signature_is_that_of_an_independent_program_and_the_stand_in_takes_it() -> None:
    secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
    signature = "7de943b192614592f06f20fcba138a37cd0ee02ad1af86f43c274833f946c710"
    query = b"timestamp=1700000000000&recvWindow=10000"
    assert signer(SecretStr(secret), "Binance")(query) == signature
    assert Credential("desk", "TESTKEY", secret).verify(query, signature)
