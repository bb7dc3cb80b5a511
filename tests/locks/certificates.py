"""Certificates of an authority of the tests' own, made when they are needed."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC)


class Pair(NamedTuple):
    """A certificate and its key; PEM."""

    certificate: str
    key: str

    def files(self, folder: Path, name: str) -> tuple[Path, Path]:
        """``NAME.crt`` and ``NAME.key`` in a folder."""
        paths = folder / f"{name}.crt", folder / f"{name}.key"
        for path, text in zip(paths, self, strict=True):
            path.write_text(text)
            path.chmod(0o600)
        return paths

    def client(self, folder: Path, **settings: object) -> ssl.SSLContext:
        """The client's side of TLS that shows this certificate and trusts the authority of the tests."""
        made = trusting(**settings)
        made.load_cert_chain(*self.files(folder, "own"))
        return made


class Authority:
    """Signs certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = _pem(
            _builder(self._name, self._key)
            .issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def signed(
        self,
        *names: str,
        server: bool = False,
        days: float = 1.0,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Pair:
        """A certificate for these names, addresses, mail addresses and URIs, valid for some days from now."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(subject, own, days)
            .issuer_name(self._name)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
        private = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), private.decode())


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float = 1.0
) -> x509.CertificateBuilder:
    ends = NOW + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOW, ends) - timedelta(days=1))
        .not_valid_after(ends)
    )


def _names(names: Iterable[str]) -> Iterable[x509.GeneralName]:
    for name in names:
        if "://" in name:
            yield x509.UniformResourceIdentifier(name)
        elif "@" in name:
            yield x509.RFC822Name(name)
        elif name.replace(".", "").isdigit() or ":" in name:
            yield x509.IPAddress(ip_address(name))
        else:
            yield x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


@cache
def authority() -> Authority:
    """The one of the tests."""
    return Authority("authority of the tests")


@cache
def strange_authority() -> Authority:
    """One that nobody here trusts."""
    return Authority("somebody else")


@cache
def server_pair() -> Pair:
    """The server's."""
    return authority().signed("localhost", "127.0.0.1", server=True)


@cache
def client_pair() -> Pair:
    """That of a client who is known."""
    return authority().signed("prometheus.example", "10.0.0.1", "fd00::1", "desk@example.com", "spiffe://a/b")


@cache
def strange_pair() -> Pair:
    """That of a client whom nobody knows."""
    return strange_authority().signed("prometheus.example")


def trusting(**settings: object) -> ssl.SSLContext:
    """The client's side of TLS, which trusts the authority of the tests."""
    made = ssl.create_default_context(cadata=authority().certificate)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


SERVER = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"


def prepared(folder: Path) -> Path:
    """A folder with the files that web configurations of the tests name."""
    server_pair().files(folder, "server")
    client_pair().files(folder, "client")
    (folder / "authority.crt").write_text(authority().certificate)
    return folder
