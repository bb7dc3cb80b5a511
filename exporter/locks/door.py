"""The lock of the web server as it is now, and what it makes of a request."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType

from msgspec import Struct

from exporter import clock
from exporter.clock import Elapsed
from exporter.locks import tls
from exporter.locks.passwords import BusyError, Checker, Users, credentials
from exporter.locks.tls import Tls

_ASKS = {"WWW-Authenticate": 'Basic realm="risk-exporter", charset="UTF-8"'}


class Rate(Struct, frozen=True):
    """How many requests are answered: `burst` at once, and one more every `interval` seconds."""

    interval: float
    burst: int


class WebConfig(Struct, frozen=True, kw_only=True):
    """What the file of the web server says. The one without a word has no lock."""

    tls: Tls | None = None
    users: Mapping[str, str] = MappingProxyType({})
    """Name to bcrypt hash."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Of every answer, in place of the usual ones of the same name."""
    rate: Rate | None = None
    warnings: tuple[str, ...] = ()
    """What works and is hardly meant so, with file and line."""

    def secrets(self) -> frozenset[str]:
        """What no line of a log may show."""
        key = () if self.tls is None else (self.tls.key, *self.tls.key.splitlines()[1:-1])
        return frozenset((*self.users.values(), *key))

    @property
    def kinds(self) -> frozenset[str]:
        """What has to be overcome to come in, in words."""
        found = {
            "TLS": self.tls is not None,
            "client certificates": self.tls is not None and self.tls.client_auth == "required",
            "passwords": bool(self.users),
        }
        return frozenset(kind for kind, there in found.items() if there)


class Refusal(Struct, frozen=True):
    """The answer to a request that is not let in."""

    status: HTTPStatus
    text: str
    headers: Mapping[str, str] = MappingProxyType({})


_UNKNOWN = Refusal(HTTPStatus.UNAUTHORIZED, "a name and its password are needed", _ASKS)
_BUSY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords are being checked; try again", {"Retry-After": "5"}
)
_TOO_MANY = Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many requests; see rate_limit", {"Retry-After": "1"})


class _Bucket:
    """Requests that may be answered now; full at first."""

    def __init__(self, rate: Rate, elapsed: Elapsed) -> None:
        self._rate = rate
        self._elapsed = elapsed
        self._left = float(rate.burst)
        self._at = elapsed()

    def take(self) -> bool:
        """Whether one more is answered."""
        now = self._elapsed()
        self._left = min(float(self._rate.burst), self._left + (now - self._at) / self._rate.interval)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Door:
    """The way into the web server, with its lock; another one can be put in while it is open.

    Args:
        config: What the file says; without one there is no lock.
        elapsed: Seconds on a clock that nobody sets.
        checker: Who checks passwords.

    Raises:
        TlsError: if there can be no TLS as it is asked for.
    """

    def __init__(
        self,
        config: WebConfig | None = None,
        *,
        elapsed: Elapsed = clock.elapsed,
        checker: Checker | None = None,
    ) -> None:
        self._elapsed = elapsed
        self._checker = Checker() if checker is None else checker
        self._told: list[Callable[[], None]] = []
        self.config = WebConfig()
        self.tls: ssl.SSLContext | None = None
        self._users: Users | None = None
        self._bucket: _Bucket | None = None
        if config is not None:
            self.use(config)

    def use(self, config: WebConfig) -> None:
        """Puts in the lock of this file. A caller keeps his connection if TLS is asked for as before.

        Raises:
            TlsError: as for the first one; the lock stays as it is.
        """
        old = self.config
        if config.tls != old.tls:
            self.tls = None if config.tls is None else tls.context(config.tls)
        if config.users != old.users:
            self._users = Users(config.users) if config.users else None
        if config.rate != old.rate:
            self._bucket = None if config.rate is None else _Bucket(config.rate, self._elapsed)
        self.config = config
        if config.tls != old.tls:
            for tell in self._told:
                tell()

    def on_other_tls(self, tell: Callable[[], None]) -> None:
        """`tell` is called whenever TLS is no longer what it was."""
        self._told.append(tell)

    async def close(self) -> None:
        """Checks no more passwords."""
        await self._checker.close()

    def knows(self, certificate: bytes | None) -> bool:
        """Whether a client with this certificate (DER) is let in; OpenSSL has verified it."""
        allowed = None if self.config.tls is None else self.config.tls.allowed_sans
        if allowed is None:
            return True
        return certificate is not None and bool(allowed & tls.alternative_names(certificate))

    async def refusal(self, authorization: Sequence[str], caller: str) -> Refusal | None:
        """Why a request with these Authorization headers is not let in; None if it is.

        `caller` is the address it comes from.
        """
        if self._bucket is not None and not self._bucket.take():
            return _TOO_MANY
        users = self._users
        if users is None:
            return None
        said = credentials(authorization[0]) if len(authorization) == 1 else None
        if said is None:
            return _UNKNOWN
        try:
            return None if await self._checker.admits(users, said, caller) else _UNKNOWN
        except BusyError:
            return _BUSY
