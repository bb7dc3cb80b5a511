"""TLS as the file of the web server asks for it, in Go's words, and as OpenSSL can do it."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal

import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from exporter.seldom import Seldom

ClientAuth = Literal["none", "if given", "required"]
"""Whether a client shows a certificate; one that is shown is verified."""

CLIENT_AUTH: Mapping[str, ClientAuth | None] = MappingProxyType(
    {
        "": "none",
        "NoClientCert": "none",
        # Any certificate, not verified, is let in as none is, and nothing here looks at it.
        "RequestClientCert": "none",
        "VerifyClientCertIfGiven": "if given",
        "RequireAndVerifyClientCert": "required",
        # Python verifies each certificate that it asks for.
        "RequireAnyClientCert": None,
        "RequireClientCert": None,
    }
)
"""Go's words; None is what Python cannot do."""

_VERIFY = {"none": ssl.CERT_NONE, "if given": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}

VERSIONS: Mapping[str, ssl.TLSVersion | None] = MappingProxyType(
    {
        "TLS10": None,
        "TLS11": None,
        "TLS12": ssl.TLSVersion.TLSv1_2,
        "TLS13": ssl.TLSVersion.TLSv1_3,
    }
)
"""Go's words; None is what today's OpenSSL refuses to speak."""

CIPHERS: Mapping[str, str] = MappingProxyType(
    {
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
        # Of TLS 1.3, whose suites cannot be chosen, in Go neither.
        "TLS_AES_128_GCM_SHA256": "",
        "TLS_AES_256_GCM_SHA384": "",
        "TLS_CHACHA20_POLY1305_SHA256": "",
    }
)
"""Go's names, those of RFC 8446 and its forerunners, and OpenSSL's for the same."""

DEFAULT_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: those with forward secrecy and authenticated encryption."""

CURVES: Mapping[str, str] = MappingProxyType(
    {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
)
"""Go's names, and OpenSSL's."""


log = structlog.get_logger(__name__)
_seldom = Seldom(every=3600.0)  # whoever cannot come in tries again and again


on_failure: ContextVar[Callable[[], object]] = ContextVar("on_failure", default=lambda: None)
"""Called when a handshake has failed; the words that tell the client leave in the next moment."""


class TlsError(ValueError):
    """TLS cannot be had with these settings. The text says why; `part` is the setting it is about."""

    def __init__(self, part: Literal["certificate", "key", "authorities", "ciphers"], text: str) -> None:
        super().__init__(text)
        self.part = part


class Tls(Struct, frozen=True, kw_only=True):
    """What the file asks for, with the content of the files that it names."""

    certificate: str
    """The server's, and those that lead from it to a known authority; PEM."""
    key: str
    authorities: str = ""
    """Whose clients are let in; PEM. Empty is those that the system knows."""
    client_auth: ClientAuth = "none"
    allowed_sans: frozenset[str] | None = None
    """Of these alternative names a client's certificate has one; None is any."""
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()
    """OpenSSL's names, for TLS 1.2; none are the usual ones."""
    server_chooses: bool = True
    """Whether the order of `ciphers` counts, not that of the client."""
    curve: str = ""
    """The only one; empty is OpenSSL's usual ones."""


def context(tls: Tls) -> ssl.SSLContext:
    """The server's side of TLS.

    Raises:
        TlsError: what it cannot be made of.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.sslobject_class = _Explaining
    made.minimum_version, made.maximum_version = tls.min_version, tls.max_version
    made.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if tls.server_chooses:
        made.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        made.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    made.set_alpn_protocols(["http/1.1"])
    try:
        made.set_ciphers(":".join(tls.ciphers) or DEFAULT_CIPHERS)
    except ssl.SSLError:
        raise TlsError("ciphers", "this OpenSSL has none of them") from None
    if tls.curve:
        made.set_ecdh_curve(tls.curve)
    made.verify_mode = _VERIFY[tls.client_auth]
    if tls.authorities:
        try:
            made.load_verify_locations(cadata=tls.authorities)
        except (ssl.SSLError, ValueError):
            raise TlsError("authorities", "has no certificate in PEM form") from None
        # As in Go: who is named is trusted, whether or not somebody else has signed for him.
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    elif tls.client_auth != "none":
        made.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    _load(made, tls)
    return made


class _Explaining(ssl.SSLObject):
    """The server's side of a handshake. If it fails, the client is told why before the connection ends.

    asyncio would end it first. So it is made to believe that the handshake waits for more, and `on_failure`
    ends it.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        """One step of it."""
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as failure:
            self._failure = failure
            # OpenSSL's word for it, of which there are so many: nothing of it is the caller's.
            reason = failure.reason or type(failure).__name__
            _seldom.tell(log.info, "TLS handshake failed", key=reason, reason=reason)
            on_failure.get()()
            raise ssl.SSLWantReadError from None


def _load(made: ssl.SSLContext, tls: Tls) -> None:
    """Puts certificate and key into the context."""
    try:
        with _as_file(tls.certificate) as certificate, _as_file(tls.key) as key:
            # Asked for a passphrase, OpenSSL would ask at the terminal.
            made.load_cert_chain(certificate, key, password=lambda: "")
    except (ssl.SSLError, ValueError) as error:
        raise _fault(tls, error) from None
    except OSError as error:  # there is no descriptor left
        raise TlsError("certificate", f"cannot be loaded: {error.strerror}") from None


def _fault(tls: Tls, error: Exception) -> TlsError:
    """What is wrong with certificate or key, which OpenSSL's own words leave open."""
    try:
        x509.load_pem_x509_certificates(tls.certificate.encode())
    except ValueError:
        return TlsError("certificate", "has no certificate in PEM form")
    if "ENCRYPTED" in tls.key:
        return TlsError("key", "has a passphrase, which nobody can be asked for here; take it off")
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return TlsError("key", "does not belong to the certificate")
    try:
        load_pem_private_key(tls.key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return TlsError("key", "has no private key in PEM form")
    reason = str(getattr(error, "reason", None) or type(error).__name__)
    return TlsError("certificate", f"is refused by OpenSSL: {reason.lower().replace('_', ' ')}")


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """The path of a file that holds `text`: Python's TLS takes a key from nowhere else.

    Where the system can, it is one in memory: a key is not written to a disk.
    """
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("pem"), "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            yield f"/proc/self/fd/{stream.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as stream:  # readable for its owner alone
            stream.write(text.encode())
            stream.flush()
            yield stream.name


def not_valid(certificate: str, now: datetime | None = None) -> str:
    """Why clients will not take a certificate at this time; empty if they will, as far as its dates go."""
    try:
        first = x509.load_pem_x509_certificates(certificate.encode())[0]
    except ValueError:
        return ""
    moment = datetime.now(UTC) if now is None else now
    if moment >= first.not_valid_after_utc:
        return f"is not valid since {first.not_valid_after_utc:%Y-%m-%d %H:%M} UTC: clients refuse it"
    if moment < first.not_valid_before_utc:
        return f"is not valid before {first.not_valid_before_utc:%Y-%m-%d %H:%M} UTC: clients refuse it"
    return ""


def alternative_names(certificate: bytes) -> frozenset[str]:
    """The names, addresses and URIs that a certificate (DER) is for; none if it cannot be read."""
    try:
        extension = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        names = extension.value
        return frozenset(
            (
                *names.get_values_for_type(x509.DNSName),
                *names.get_values_for_type(x509.RFC822Name),
                *names.get_values_for_type(x509.UniformResourceIdentifier),
                *map(str, names.get_values_for_type(x509.IPAddress)),
            )
        )
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return frozenset()
