"""The file of the web server, with the fields of the exporter toolkit of Prometheus, and the files it names.

Every mistake has its line; no text made here repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from exporter.credentials import SecretError, read_file
from exporter.locks import passwords, tls
from exporter.locks.door import Rate, WebConfig
from exporter.locks.tls import CIPHERS, CLIENT_AUTH, CURVES, VERSIONS, Tls, TlsError
from exporter.yamlfile import Place, Problem, YamlFile

T = TypeVar("T")

SLOW_COST = 14
"""A hash of this cost takes more than a second."""

_SECTIONS = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
_TLS_FIELDS = (
    *("cert", "key", "client_ca", "cert_file", "key_file", "client_auth_type", "client_ca_file"),
    *("client_allowed_sans", "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites"),
    "curve_preferences",
)
_TLS_ON = ("cert_file", "cert", "key_file", "key", "client_ca_file", "client_ca", "client_auth_type")
"""Without any of these there is no TLS."""
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""Those that can be set, and to what; none is whatever one likes."""
_PARTS: Mapping[str, tuple[str, ...]] = {
    "certificate": ("cert_file", "cert"),
    "key": ("key_file", "key"),
    "authorities": ("client_ca_file", "client_ca"),
    "ciphers": ("cipher_suites",),
}
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)")
_GO_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


class LockError(Exception):
    """The file cannot be used. `problems` lists every mistake in it; none repeats a value."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load(path: Path) -> WebConfig:
    """What `path` says, with the content of the files that it names; these are looked up beside it.

    Raises:
        LockError: with every mistake found.
    """
    reader = _Reader(YamlFile(path, None))
    config = reader.read()
    if reader.file.problem_count:
        raise LockError(reader.file.problems())
    return config


class _Reader:
    """One pass through one file, collecting problems instead of stopping at the first."""

    def __init__(self, file: YamlFile) -> None:
        self.file = file

    def read(self) -> WebConfig:
        content = self.file.read()
        if self.file.problem_count:
            return WebConfig()
        sections = self._fields(content, (), _SECTIONS)
        found = WebConfig(
            tls=self._tls(sections.get("tls_server_config")),
            users=self._users(sections.get("basic_auth_users")),
            headers=self._http(sections.get("http_server_config")),
            rate=self._rate(sections.get("rate_limit")),
        )
        if not found.kinds and not self.file.problem_count:
            self.file.warn((), "has neither TLS nor users: it locks nothing")
        return WebConfig(
            tls=found.tls,
            users=found.users,
            headers=found.headers,
            rate=found.rate,
            warnings=tuple(map(str, self.file.warnings())),
        )

    # Values

    def _fields(self, content: Any, place: Place, known: Iterable[str]) -> dict[str, Any]:
        """The fields of a section, of which all are known."""
        if content is None:
            return {}
        if not isinstance(content, dict):
            names = ", ".join(f"`{name}`" for name in list(known)[:3])
            self.file.problem(place, f"expected fields such as {names}")
            return {}
        for name in content:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                hint = f"; did you mean `{close[0]}`?" if close else ""
                self.file.problem((*place, name), f"no such field{hint}")
        return {name: value for name, value in content.items() if name in known}

    def _text(self, value: Any, place: Place) -> str:
        """A single value, as it is written."""
        if value is None:
            return ""
        if isinstance(value, dict | list):
            self.file.problem(place, "expected a text")
            return ""
        return self.file.text(place)

    def _texts(self, value: Any, place: Place) -> list[str]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.file.problem(place, "expected a list")
            return []
        return [self._text(one, (*place, index)) for index, one in enumerate(value)]

    def _true(self, value: Any, place: Place, *, default: bool) -> bool:
        if value is None:
            return default
        if not isinstance(value, bool):
            self.file.problem(place, "expected true or false")
            return default
        return value

    def _word(self, text: str, place: Place, words: Mapping[str, T], default: T) -> T:
        """What one of several words means."""
        if text in words:
            return words[text]
        self.file.problem(place, f"expected one of {', '.join(word for word in words if word)}")
        return default

    # Sections

    def _tls(self, content: Any) -> Tls | None:
        place: Place = ("tls_server_config",)
        fields = self._fields(content, place, _TLS_FIELDS)
        lists = ("client_allowed_sans", "cipher_suites", "curve_preferences")
        texts = {
            name: self._text(value, (*place, name))
            for name, value in fields.items()
            if name not in (*lists, "prefer_server_cipher_suites")
        }
        many = {name: self._texts(fields.get(name), (*place, name)) for name in lists}
        min_version, max_version = self._versions(texts, place)
        curve = self._curve(many["curve_preferences"], (*place, "curve_preferences"))
        ciphers = self._ciphers(many["cipher_suites"], (*place, "cipher_suites"))
        if many["cipher_suites"] and not ciphers:  # those of TLS 1.3 alone
            min_version = tls.VERSIONS["TLS13"] or min_version
        chooses = self._true(
            fields.get("prefer_server_cipher_suites"), (*place, "prefer_server_cipher_suites"), default=True
        )
        if not any(texts.get(name) for name in _TLS_ON):
            if fields:
                self.file.warn(place, "has no certificate: there is no TLS")
            return None
        if min_version > max_version:
            self.file.problem(place, "no version of TLS is from min_version to max_version")
        client_auth = self._client_auth(texts, fields, place)
        certificate = self._content(texts, place, "cert_file", "cert")
        key = self._content(texts, place, "key_file", "key", secret=True)
        authorities = self._content(texts, place, "client_ca_file", "client_ca", needed=False)
        if self.file.problem_count:
            return None
        found = Tls(
            certificate=certificate,
            key=key,
            authorities=authorities,
            client_auth=client_auth,
            allowed_sans=frozenset(many["client_allowed_sans"])
            if fields.get("client_allowed_sans") is not None
            else None,
            min_version=min_version,
            max_version=max_version,
            ciphers=ciphers,
            server_chooses=chooses,
            curve=curve,
        )
        return self._tried(found, texts, place)

    def _tried(self, found: Tls, texts: Mapping[str, str], place: Place) -> Tls:
        """The settings, after OpenSSL has had a look at them."""

        def where(part: str) -> Place:
            names = _PARTS[part]
            return (*place, next((name for name in names if texts.get(name)), names[0]))

        try:
            tls.context(found)
        except TlsError as error:
            self.file.problem(where(error.part), str(error))
        else:
            doubt = tls.not_valid(found.certificate)
            if doubt:
                self.file.warn(where("certificate"), doubt)
        return found

    def _client_auth(
        self, texts: Mapping[str, str], fields: Mapping[str, Any], place: Place
    ) -> tls.ClientAuth:
        word, here = texts.get("client_auth_type", ""), (*place, "client_auth_type")
        found = self._word(word, here, CLIENT_AUTH, "none")
        if found is None:
            self.file.problem(
                here,
                "Python cannot take a client's certificate without verifying it; use "
                "RequireAndVerifyClientCert, with the authority that signs your clients' certificates, or "
                "these certificates, in client_ca_file",
            )
            return "required"
        authorities = "client_ca_file" if texts.get("client_ca_file") else "client_ca"
        if word in ("", "NoClientCert") and texts.get(authorities):
            self.file.problem((*place, authorities), "is of no use without a client_auth_type")
        if fields.get("client_allowed_sans") is not None:
            if found != "required":
                self.file.problem(
                    (*place, "client_allowed_sans"),
                    "needs client_auth_type: RequireAndVerifyClientCert; else a client comes in without a "
                    "certificate",
                )
            elif not fields["client_allowed_sans"]:
                self.file.warn((*place, "client_allowed_sans"), "is empty: nobody is let in")
        if word == "RequestClientCert":
            self.file.warn(
                here, "lets in whoever comes, as NoClientCert does: nothing looks at a certificate"
            )
        if found != "none" and not texts.get(authorities):
            self.file.warn(
                here,
                "without client_ca_file it lets in every certificate of an authority that the system knows",
            )
        return found

    def _versions(self, texts: Mapping[str, str], place: Place) -> tuple[Any, Any]:
        found = []
        for name, usual in (("min_version", "TLS12"), ("max_version", "TLS13")):
            version = self._word(texts.get(name) or usual, (*place, name), VERSIONS, VERSIONS[usual])
            if version is None and name == "max_version":
                self.file.problem((*place, name), "TLS before 1.2 is broken and not spoken here")
            elif version is None:
                self.file.warn(
                    (*place, name), "TLS before 1.2 is broken and not spoken here: it begins with 1.2"
                )
            found.append(version or VERSIONS[usual])
        return found[0], found[1]

    def _ciphers(self, names: list[str], place: Place) -> tuple[str, ...]:
        """OpenSSL's names of those for TLS 1.2."""
        found = []
        for index, name in enumerate(names):
            if name not in CIPHERS:
                self.file.problem(
                    (*place, index), "no such cipher suite; docs/locks.md lists them by Go's names"
                )
            elif CIPHERS[name]:
                found.append(CIPHERS[name])
        return tuple(found)

    def _curve(self, names: list[str], place: Place) -> str:
        """The only one, by OpenSSL's name; empty if it may be any."""
        chosen = {self._word(name, (*place, index), CURVES, "") for index, name in enumerate(names)}
        if len(chosen) == 1:
            return chosen.pop()
        if chosen and chosen != set(CURVES.values()):
            self.file.problem(
                place, "Python takes one curve, or all of them in its own order: name one, or leave this out"
            )
        elif chosen:
            self.file.warn(place, "all of them is the usual; their order is OpenSSL's")
        return ""

    def _content(
        self,
        texts: Mapping[str, str],
        place: Place,
        file_field: str,
        field: str,
        *,
        needed: bool = True,
        secret: bool = False,
    ) -> str:
        """What a file holds, or what stands in its place."""
        name = texts.get(file_field, "")
        if not name:
            if needed and not texts.get(field):
                self.file.problem(place, f"needs `{file_field}` or `{field}` for TLS")
            return texts.get(field, "")
        try:
            found = read_file(self.file.path.parent / name)
        except SecretError as error:
            self.file.problem((*place, file_field), str(error))
            return ""
        if secret and found.open_to_all:
            self.file.warn((*place, file_field), "every user of this machine can read the file")
        if file_field == "client_ca_file" and not found.text:
            self.file.problem((*place, file_field), "the file is empty")
        return found.text

    def _users(self, content: Any) -> dict[str, str]:
        place: Place = ("basic_auth_users",)
        if content is None:
            return {}
        if not isinstance(content, dict):
            self.file.problem(place, "expected names, each with the bcrypt hash of its password")
            return {}
        found = {}
        for name, value in content.items():
            inner = (*place, name)
            text = self._text(value, inner)
            cost = passwords.cost(text)
            if cost is None:
                self.file.problem(
                    inner,
                    "expected a bcrypt hash, 60 characters that begin with $2y$, $2b$ or $2a$; "
                    "`risk-exporter hash-password` makes one",
                )
            elif cost >= SLOW_COST:
                self.file.warn(
                    inner,
                    f"a hash of cost {cost} takes long: the first answer waits for it, and 30 s is the most",
                )
            if ":" in name:
                self.file.warn(inner, "a name with a colon can never come in")
            found[name] = text
        return found

    def _http(self, content: Any) -> dict[str, str]:
        place: Place = ("http_server_config",)
        fields = self._fields(content, place, ("http2", "headers"))
        self._true(fields.get("http2"), (*place, "http2"), default=False)  # there is none here
        headers = fields.get("headers")
        inner: Place = (*place, "headers")
        found = {}
        for name, value in self._fields(headers, inner, tuple(_HEADERS)).items():
            text = self._text(value, (*inner, name))
            allowed = _HEADERS[name]
            if allowed and text not in allowed:
                self.file.problem((*inner, name), f"expected {' or '.join(allowed)}")
            elif not (text.isascii() and (text.isprintable())):
                self.file.problem((*inner, name), "expected ASCII characters that can be seen, in one line")
            elif text:
                found[name] = text
        return found

    def _rate(self, content: Any) -> Rate | None:
        place: Place = ("rate_limit",)
        fields = self._fields(content, place, ("interval", "burst"))
        interval = self._number(
            fields.get("interval"), (*place, "interval"), _seconds, "a duration as in 500ms"
        )
        burst = self._number(fields.get("burst"), (*place, "burst"), _count, "a whole number")
        if interval <= 0.0:
            return None
        if burst < 1:
            self.file.warn((*place, "burst"), "below 1 nothing is ever answered")
        return Rate(interval, max(0, int(burst)))

    def _number(self, value: Any, place: Place, read: Callable[[Any], float | None], expected: str) -> float:
        found = 0.0 if value is None else read(value)
        if found is None:
            self.file.problem(place, f"expected {expected}")
        return found or 0.0


def _count(value: Any) -> float | None:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(value: Any) -> float | None:
    """A duration as Go reads it, in seconds: a number without a unit counts nanoseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value / 1e9
    if not isinstance(value, str):
        return None
    text = value[1:] if value.startswith(("+", "-")) else value
    parts: list[str] = _GO_DURATION.findall(text)
    if not parts or "".join(parts) != text:
        return 0.0 if text == "0" else None
    seconds = sum(
        float(part.rstrip("nuµμmsh")) * _GO_SECONDS[part[len(part.rstrip("nuµμmsh")) :]] for part in parts
    )
    return -seconds if value.startswith("-") else seconds
