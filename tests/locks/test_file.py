"""The file of the web server: what Prometheus takes is taken here, and what it refuses is refused."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from exporter.locks.door import Rate, WebConfig
from exporter.locks.file import LockError, load
from tests.grafana.programs import RELEASES, Release, output, run
from tests.locks.certificates import SERVER, authority, prepared, server_pair

HASH = "$2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu"
NO_HASH = (
    "expected a bcrypt hash, 60 characters that begin with $2y$, $2b$ or $2a$; `risk-exporter hash-password` "
    "makes one"
)
VERIFIED = SERVER + "  client_auth_type: RequireAndVerifyClientCert\n"


def inline(field: str, text: str) -> str:
    return f"  {field}: |\n" + "".join(f"    {line}\n" for line in text.splitlines())


def cipher_suites(*names: str) -> str:
    return SERVER + f"  cipher_suites: [{', '.join(names)}]\n"


def curves(*names: str) -> str:
    return SERVER + f"  curve_preferences: [{', '.join(names)}]\n"


def headers(*lines: str) -> str:
    return "http_server_config:\n  headers:\n" + "".join(f"    {line}\n" for line in lines)


# The cases of the tests and of the documentation of the exporter toolkit, and what lies beside them.
SAME = {
    "nothing": "",
    "no such section": "tls_config:\n  cert_file: server.crt\n",
    "no such field": "tls_server_config:\n  cert_filse: server.crt\n",
    "no mapping": "just a word\n",
    "a list": "- a\n",
    "a section without a word": "tls_server_config:\nbasic_auth_users:\nhttp_server_config:\n",
    "TLS": SERVER,
    "TLS without a certificate": "tls_server_config:\n  key_file: server.key\n",
    "TLS without a key": "tls_server_config:\n  cert_file: server.crt\n",
    "TLS of clients alone": "tls_server_config:\n  client_auth_type: RequireAndVerifyClientCert\n",
    "TLS of versions alone": "tls_server_config:\n  min_version: TLS13\n",
    "empty names of files": 'tls_server_config:\n  cert_file: ""\n  key_file: ""\n  client_auth_type: x\n',
    "an empty certificate": 'tls_server_config:\n  cert: ""\n  key_file: server.key\n',
    "an empty key": 'tls_server_config:\n  cert_file: server.crt\n  key: ""\n',
    "no such certificate": "tls_server_config:\n  cert_file: nowhere\n  key_file: server.key\n",
    "no such key": "tls_server_config:\n  cert_file: server.crt\n  key_file: nowhere\n",
    "the key of another": "tls_server_config:\n  cert_file: server.crt\n  key_file: client.key\n",
    "certificate and key swapped": "tls_server_config:\n  cert_file: server.key\n  key_file: server.crt\n",
    "no client certificates": SERVER + "  client_auth_type: NoClientCert\n",
    "client certificates asked for": SERVER + "  client_auth_type: RequestClientCert\n",
    "client certificates if given": SERVER + "  client_auth_type: VerifyClientCertIfGiven\n",
    "client certificates of the system's authorities": VERIFIED,
    "client certificates of an authority": VERIFIED + "  client_ca_file: authority.crt\n",
    "no such way of client certificates": SERVER + "  client_auth_type: requireAndVerifyClientCert\n",
    "no such authority": VERIFIED + "  client_ca_file: nowhere\n",
    "an authority for nothing": SERVER + "  client_ca_file: authority.crt\n",
    "every suite of today": cipher_suites(
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    ),
    "suites in the client's order": cipher_suites(
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
    )
    + "  prefer_server_cipher_suites: false\n  min_version: TLS12\n  max_version: TLS12\n",
    "no such suite": cipher_suites("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA2048"),
    "a suite that is broken": cipher_suites("TLS_RSA_WITH_3DES_EDE_CBC_SHA"),
    "suites that are no list": SERVER + "  cipher_suites: TLS_AES_128_GCM_SHA256\n",
    "an order in quotes": SERVER + '  prefer_server_cipher_suites: "true"\n',
    "suites without HTTP/2": cipher_suites("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
    + "  max_version: TLS12\nhttp_server_config:\n  http2: false\n",
    "every curve": curves("CurveP256", "CurveP384", "CurveP521", "X25519"),
    "one curve": curves("CurveP521") + "  min_version: TLS13\n",
    "no such curve": curves("CurveP257"),
    "TLS 1.3 alone": SERVER + "  min_version: TLS13\n  max_version: TLS13\n",
    "TLS 1.0 and newer": SERVER + "  min_version: TLS10\n",
    "no such version": SERVER + "  min_version: TLS111\n",
    "a version as a number": SERVER + "  min_version: 1.2\n",
    "HTTP/2": "http_server_config:\n  http2: true\n",
    "HTTP/2 as a number": "http_server_config:\n  http2: 1\n",
    "headers": headers(
        "X-Frame-Options: deny",
        "Strict-Transport-Security: max-age=31536000; includeSubDomains",
        "X-Content-Type-Options: nosniff",
        "X-XSS-Protection: 1",
        "Content-Security-Policy: \"default-src 'self' *.test.example.net\"",
    ),
    "a header without a word": headers('Content-Security-Policy: ""'),
    "another header": headers("Content-Type: foo"),
    "a header in small letters": headers("x-frame-options: deny"),
    "frames from somewhere": headers("X-Frame-Options: foo"),
    "no frames without a word": headers('X-Frame-Options: ""'),
    "types sniffed": headers("X-Content-Type-Options: sniff"),
    "users": f"basic_auth_users:\n  alice: {HASH}\n  bob: {HASH.replace('y$10', 'a$04')}\n",
    "users and TLS": f"{SERVER}basic_auth_users:\n  alice: {HASH.replace('y', 'b')}\n",
    "a user whose password is not hashed": "basic_auth_users:\n  john: doe\n",
    "a hash too cheap": f"basic_auth_users:\n  alice: {HASH.replace('$10$', '$03$')}\n",
    "users in a list": "basic_auth_users:\n  - alice\n",
    "a user who stands twice": f"basic_auth_users:\n  alice: {HASH}\n  alice: {HASH}\n",
    "a user who is a number": f"basic_auth_users:\n  12: {HASH}\n",
}
# Fields that came after Prometheus 2.42.
NEWER = {
    "TLS inline": "tls_server_config:\n"
    + inline("cert", server_pair().certificate)
    + inline("key", server_pair().key),
    "a key inline": "tls_server_config:\n  cert_file: server.crt\n" + inline("key", server_pair().key),
    "an authority inline": VERIFIED + inline("client_ca", authority().certificate),
    "names of clients": VERIFIED + "  client_ca_file: authority.crt\n  client_allowed_sans: [one, two]\n",
    "names of clients that are no list": VERIFIED + "  client_allowed_sans: one\n",
    "a rate of nothing": "rate_limit:\n  interval: 0\n  burst: 0\n",
    "a rate": "rate_limit:\n  interval: 1m1.5s\n  burst: 3\n",
    "a rate of two signs": "rate_limit:\n  interval: --1s\n",
    "a rate with a sign inside": "rate_limit:\n  interval: 3s-1s\n  burst: 3\n",
    "a rate in words": "rate_limit:\n  interval: soon\n",
}
# Verdict of Prometheus 2.42 and of Prometheus 3.5, ours, and why it is another one.
OTHERS = {
    "any client certificate": (
        SERVER + "  client_auth_type: RequireAnyClientCert\n",
        (True, True, False),
        "Python verifies each certificate that it asks for",
    ),
    "a suite without forward secrecy": (
        cipher_suites("TLS_RSA_WITH_AES_128_CBC_SHA"),
        (True, False, False),
        "Go 1.22 counts it among the insecure ones",
    ),
    "some curves": (
        curves("CurveP256", "X25519"),
        (True, True, False),
        "Python takes one",
    ),
    "TLS up to 1.1": (
        SERVER + "  min_version: TLS10\n  max_version: TLS11\n",
        (True, True, False),
        "OpenSSL does not speak it, so that nobody could come in",
    ),
    "no version at all": (
        SERVER + "  min_version: TLS13\n  max_version: TLS12\n",
        (True, True, False),
        "nobody could come in: in Go each handshake fails",
    ),
    "an authority without a certificate": (
        VERIFIED + "  client_ca_file: server.key\n",
        (True, True, False),
        "nobody could come in; later releases of the toolkit refuse it, too",
    ),
    "names of clients who need no certificate": (
        SERVER + "  client_auth_type: VerifyClientCertIfGiven\n  client_allowed_sans: [one]\n",
        (False, True, False),
        "whoever shows none comes in; later releases of the toolkit refuse it, too",
    ),
    "a hash cut short": (
        f"basic_auth_users:\n  alice: {HASH[:-1]}\n",
        (True, True, False),
        "no password fits it",
    ),
    "a hash of another kind": (
        f"basic_auth_users:\n  alice: {HASH.replace('2y', '1')}\n",
        (True, True, False),
        "no password fits it",
    ),
    "a header of two lines": (
        headers('Content-Security-Policy: "one\\ntwo"'),
        (True, True, False),
        "the second would be a header of its own",
    ),
    "two documents": (
        "basic_auth_users:\n---\nanything: at all\n",
        (True, True, False),
        "the second would be passed over in silence",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("web"))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{re.sub('[^A-Za-z0-9]', '-', name)}.yml"
    path.write_text(text)
    return path


def taken(path: Path) -> bool:
    try:
        load(path)
    except LockError:
        return False
    return True


def taken_by_prometheus(paths: list[Path], release: Release) -> list[bool]:
    """What promtool says of each; it goes through all of them."""
    said = output(run("promtool", "check", "web-config", *paths, release=release))
    return [f"{path} SUCCESS" in said for path in paths]


@pytest.mark.parametrize("release", RELEASES)
def test_what_prometheus_takes_is_taken_here_and_nothing_else(folder: Path, release: Release) -> None:
    texts = SAME if release == "installed" else SAME | NEWER
    paths = [written(folder, name, text) for name, text in texts.items()]
    verdicts = taken_by_prometheus(paths, release)
    assert 20 < sum(verdicts) < len(verdicts) - 20  # it looks at each
    ours = [taken(path) for path in paths]
    assert dict(zip(texts, ours, strict=True)) == dict(zip(texts, verdicts, strict=True))


def test_where_the_verdict_is_another_one_there_is_a_reason(folder: Path) -> None:
    paths = [written(folder, name, text) for name, (text, _, _) in OTHERS.items()]
    verdicts = zip(
        *(taken_by_prometheus(paths, release) for release in RELEASES), map(taken, paths), strict=True
    )
    assert dict(zip(OTHERS, verdicts, strict=True)) == {name: found for name, (_, found, _) in OTHERS.items()}


def loaded(folder: Path, text: str) -> WebConfig:
    return load(written(folder, "web", text))


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(LockError) as refused:
        loaded(folder, text)
    return [str(one).removeprefix(f"{folder}/") for one in refused.value.problems]


def test_a_mistake_has_its_line_and_what_was_expected(folder: Path) -> None:
    text = (
        "tls_server_config:\n  cert_file: nowhere\n  key: word\n  min_version: TLS14\n"
        "basic_auth_users:\n  alice: correct-horse\nbasic_auth_user: {}\n"
    )
    odd = SERVER.replace("server.key", '"server\\0key"')
    assert problems(folder, odd) == ["web.yml:3: tls_server_config.key_file: no file can have this name"]
    assert problems(folder, text) == [
        "web.yml:2: tls_server_config.cert_file: the file cannot be read: No such file or directory",
        "web.yml:4: tls_server_config.min_version: expected one of TLS10, TLS11, TLS12, TLS13",
        f"web.yml:6: basic_auth_users.alice: {NO_HASH}",
        "web.yml:7: basic_auth_user: no such field; did you mean `basic_auth_users`?",
    ]
    assert "correct-horse" not in "".join(problems(folder, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SERVER.replace("server.key", "client.key"), "3: tls_server_config.key_file: does not belong to the"),
        (SERVER.replace("server.key", "locked.key"), "3: tls_server_config.key_file: has a passphrase"),
        (SERVER.replace("server.key", "server.crt"), "3: tls_server_config.key_file: has no private key"),
        (SERVER.replace("server.crt", "server.key"), "2: tls_server_config.cert_file: has no certificate"),
        (
            SERVER + "  client_auth_type: RequireAnyClientCert\n",
            "4: tls_server_config.client_auth_type: Python",
        ),
        (VERIFIED + "  client_ca: words\n", "5: tls_server_config.client_ca: has no certificate"),
        (
            "tls_server_config:\n  cert: x\n  key: x\n",
            "2: tls_server_config.cert: has no certificate in PEM form",
        ),
    ],
)
def test_what_openssl_does_not_take_is_named(folder: Path, text: str, said: str) -> None:
    locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"
    (folder / "locked.key").write_text(locked)
    (found,) = problems(folder, text)
    assert found.startswith(f"web.yml:{said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has neither TLS nor users: it locks nothing"),
        ("tls_server_config:\n  min_version: TLS13\n", "has no certificate: there is no TLS"),
        (SERVER + "  min_version: TLS11\n", "it begins with 1.2"),
        (SERVER + "  client_auth_type: RequestClientCert\n", "lets in whoever comes"),
        (VERIFIED, "every certificate of an authority that the system knows"),
        (VERIFIED + "  client_allowed_sans: []\n", "nobody is let in"),
        (SERVER.replace("server.", "old."), "is not valid since"),
        (SERVER.replace("server.key", "open.key"), "every user of this machine can read the file"),
        (f"basic_auth_users:\n  alice: {HASH.replace('$10$', '$18$')}\n", "the first answer waits for it"),
        (f"basic_auth_users:\n  'a:b': {HASH}\n", "a name with a colon can never come in"),
        ("rate_limit:\n  interval: 1s\n", "below 1 nothing is ever answered"),
    ],
)
def test_what_is_hardly_meant_so_is_told(folder: Path, text: str, said: str) -> None:
    authority().signed("localhost", server=True, days=-2).files(folder, "old")
    (folder / "open.key").write_text(server_pair().key)
    (folder / "open.key").chmod(0o644)
    assert said in " ".join(loaded(folder, text).warnings)


def test_everything_is_understood(folder: Path) -> None:
    text = (
        VERIFIED
        + "  client_ca_file: authority.crt\n  client_allowed_sans: [one]\n  min_version: TLS12\n"
        + "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
        + "  prefer_server_cipher_suites: no\n  curve_preferences: [CurveP384]\n"
        + headers("X-XSS-Protection: 1", 'Content-Security-Policy: "$$ ${HOME} $X_Y"')
        + f"basic_auth_users:\n  a$$b: {HASH}\nrate_limit: {{interval: 1m500ms, burst: 7}}\n"
    )
    found = loaded(folder, text)
    assert found.tls is not None
    assert (found.tls.certificate.strip(), found.tls.key.strip()) == tuple(map(str.strip, server_pair()))
    assert found.tls.authorities.strip() == authority().certificate.strip()
    assert found.tls.client_auth == "required"
    assert found.tls.allowed_sans == frozenset({"one"})
    assert found.tls.min_version is found.tls.max_version is ssl.TLSVersion.TLSv1_2
    assert found.tls.ciphers == ("ECDHE-ECDSA-AES128-GCM-SHA256",)
    assert (found.tls.server_chooses, found.tls.curve) == (False, "secp384r1")
    assert found.headers == {"X-XSS-Protection": "1", "Content-Security-Policy": "$$ ${HOME} $X_Y"}
    assert found.users == {"a$$b": HASH}  # nothing is taken from the environment
    assert found.rate == Rate(60.5, 7)
    assert found.kinds == {"TLS", "client certificates", "passwords"}
    assert found.warnings == ()


def test_suites_of_tls_1_3_alone_leave_nothing_of_1_2(folder: Path) -> None:
    found = loaded(folder, cipher_suites("TLS_AES_128_GCM_SHA256")).tls
    assert found is not None
    assert found.min_version is ssl.TLSVersion.TLSv1_3


def test_a_key_with_the_parameters_of_its_curve_is_taken(folder: Path) -> None:
    """As `openssl ecparam -genkey` writes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    pair = authority().signed("localhost", server=True, key=key)
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
    text = "tls_server_config:\n" + inline("cert", pair.certificate) + inline("key", parameters + pair.key)
    assert loaded(folder, text).tls is not None
