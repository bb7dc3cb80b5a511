"""What Binance's USD-M and COIN-M futures have in common: signing, errors, clock, request budget.

Sources: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info and
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code (COIN-M: the same rules).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, ClassVar, Protocol
from urllib.parse import quote, urlencode

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from pydantic import Field

from exporter.account import ApiKeyConfig, Duration
from exporter.api import Api
from exporter.errors import VenueError, redact
from exporter.model import MaintenanceTier, MarginPool, Position
from exporter.venues.base import (
    Endpoint,
    Params,
    Response,
    SignedRequest,
    Venue,
    http_error,
    retry_after,
)
from exporter.wire import Number, Required, Wire

WEIGHT_PER_MINUTE = 2400
"""Of one address, for USD-M and COIN-M together since 2026-06-30."""

# Where the venue does not say when to come back: the limit's window, the shortest ban it documents, and a
# pause that lets a web firewall forget us.
_RATE_LIMIT_WINDOW = 60.0
_SHORTEST_BAN = 120.0
_FIREWALL_PAUSE = 300.0

# How long answers are kept that hardly ever change, and how long they serve if the venue gives no new one.
RARELY = 3600.0
A_DAY = 86400.0

_ADL_MAX = 4.0

_BANNED_UNTIL = re.compile(r"banned until (\d{13})")


class BinanceConfig(ApiKeyConfig):
    """A Binance account. `api_secret` is the HMAC secret, or a PEM private key (RSA or Ed25519)."""

    recv_window: Annotated[Duration, Field(le=60)] = Field(
        default=5.0, description="How old a request may be when it reaches the venue; at most 60s."
    )


class ServerTime(Wire):
    serverTime: Required  # milliseconds


class AccountAsset(Wire):
    """Amounts in the coin, isolated positions included where a name does not say ``cross``."""

    asset: str
    walletBalance: Required
    unrealizedProfit: Required
    marginBalance: Required
    maintMargin: Required
    initialMargin: Required
    crossWalletBalance: Required
    crossUnPnl: Required
    availableBalance: Number = None

    @property
    def holds(self) -> bool:
        """True if there is anything in the coin."""
        return any((self.walletBalance, self.marginBalance, self.maintMargin, self.initialMargin))


class _ErrorBody(msgspec.Struct):
    code: int
    msg: str = ""


class Bracket(Wire):
    """One maintenance tier of USD-M (amounts in the quote coin) or COIN-M (amounts in the base coin)."""

    maintMarginRatio: Required
    cum: Required
    notionalFloor: Number = None
    notionalCap: Number = None
    qtyCap: Number = None
    # Spelled `qtylFloor` on the documentation page; other clients read `qtyFloor`.
    qtylFloor: Number = None
    qtyFloor: Number = None

    def tier(self, scale: float) -> MaintenanceTier | None:
        floor = _first(self.notionalFloor, self.qtylFloor, self.qtyFloor)
        cap = _first(self.notionalCap, self.qtyCap)
        if floor is None or cap is None:
            return None
        return MaintenanceTier(
            floor=floor * scale,
            cap=cap * scale,
            rate=self.maintMarginRatio,
            deduction=self.cum * scale,
        )


class Brackets(Wire):
    """The tiers of one symbol. `notionalCoef` appears where the user's limits were scaled."""

    symbol: str
    brackets: list[Bracket]
    notionalCoef: Number = None


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def maintenance_tiers(
    brackets: Brackets | None, notional: float | None, maintenance_margin: float | None
) -> tuple[MaintenanceTier, ...]:
    """The schedule of a position, in ascending order; empty where it cannot be trusted.

    The documentation leaves open whether brackets of a user with a `notionalCoef` are printed before or
    after it is applied. The position itself decides: the reading that reproduces its own maintenance
    margin (settle currency, like `notional`) is taken; with none that does, there is no schedule.
    """
    if brackets is None:
        return ()
    coefficient = brackets.notionalCoef or 1.0
    for scale in (1.0,) if coefficient == 1.0 else (1.0, coefficient):
        tiers = tuple(
            sorted(
                (tier for bracket in brackets.brackets if (tier := bracket.tier(scale)) is not None),
                key=lambda tier: tier.floor,
            )
        )
        if coefficient == 1.0 or _reproduces(tiers, notional, maintenance_margin):
            return tiers
    return ()


def _reproduces(
    tiers: Iterable[MaintenanceTier], notional: float | None, maintenance_margin: float | None
) -> bool:
    if notional is None or maintenance_margin is None:
        return False
    size = abs(notional)
    tier = next((tier for tier in tiers if tier.floor <= size < tier.cap), None)
    if tier is None:
        return False
    # Printed with 8 decimals; half a per mill covers rounding and a mark that moved between two answers.
    return abs(size * tier.rate - tier.deduction - maintenance_margin) <= 5e-4 * maintenance_margin + 1e-8


def coin_pools(
    assets: Iterable[AccountAsset], positions: Sequence[Position], *, home: str
) -> tuple[MarginPool, ...]:
    """One pool for every coin that is held or traded in; for an empty account that of `home`, with its 0."""
    by_coin = {asset.asset: asset for asset in assets}
    settled = {position.contract.settle for position in positions}
    kept = [asset for asset in by_coin.values() if asset.holds or asset.asset in settled]
    if not kept and by_coin:
        kept = [by_coin.get(home, next(iter(by_coin.values())))]
    return tuple(
        MarginPool(
            currency=asset.asset,
            equity=asset.marginBalance,
            margin_equity=asset.crossWalletBalance + asset.crossUnPnl,
            maintenance_margin=_cross_maintenance_margin(asset, positions),
            wallet_balance=asset.walletBalance,
            available_balance=asset.availableBalance,
            unrealized_pnl=asset.unrealizedProfit,
            initial_margin=asset.initialMargin,
        )
        for asset in kept
    )


def _cross_maintenance_margin(asset: AccountAsset, positions: Iterable[Position]) -> float | None:
    """The asset's figure includes isolated positions, which do not threaten the cross wallet."""
    own = [position for position in positions if position.contract.settle == asset.asset]
    cross = [position for position in own if position.margin_mode == "cross"]
    if len(cross) == len(own):
        return required_margin(asset.maintMargin, cross_positions=bool(cross))
    known = [position.maintenance_margin for position in cross if position.maintenance_margin is not None]
    return math.fsum(known) if len(known) == len(cross) else None


def required_margin(total: float, *, cross_positions: bool) -> float | None:
    """A total maintenance margin; 0 beside cross positions is a placeholder, or older than they are."""
    return None if total == 0.0 and cross_positions else total


def adl_ratio(quantile: float | None) -> float | None:
    """Place in the auto-deleveraging queue, 0 to 1, from the venue's 0 to 4."""
    return quantile / _ADL_MAX if quantile is not None and 0.0 <= quantile <= _ADL_MAX else None


class _Sign(Protocol):
    def __call__(self, payload: bytes) -> str: ...


def _hmac_signer(secret: str) -> _Sign:
    key = secret.encode()
    return lambda payload: hmac.new(key, payload, hashlib.sha256).hexdigest()


def _ed25519_signer(key: ed25519.Ed25519PrivateKey) -> _Sign:
    return lambda payload: base64.b64encode(key.sign(payload)).decode()


def _rsa_signer(key: rsa.RSAPrivateKey) -> _Sign:
    return lambda payload: base64.b64encode(key.sign(payload, padding.PKCS1v15(), hashes.SHA256())).decode()


def signer(secret: str) -> Callable[[bytes], str]:
    """The function that signs a payload with `secret`: an HMAC secret or a PEM private key.

    Raises:
        ValueError: if a PEM key cannot be read; the text does not quote it.
    """
    if "PRIVATE KEY" not in secret:
        return _hmac_signer(secret)
    try:
        key = serialization.load_pem_private_key(secret.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError(
            "`api_secret` looks like a PEM private key but cannot be read without a password"
        ) from None
    match key:
        case ed25519.Ed25519PrivateKey():
            return _ed25519_signer(key)
        case rsa.RSAPrivateKey():
            return _rsa_signer(key)
        case _:
            raise ValueError("`api_secret` is a private key of another kind; Binance takes RSA and Ed25519")


class BinanceVenue(Venue[BinanceConfig]):
    """Signing, errors, clock and budget of both Binance futures APIs."""

    config_class = BinanceConfig
    budget = "binance"
    time_endpoint: ClassVar[Endpoint]

    def __init__(self, config: BinanceConfig) -> None:
        super().__init__(config)
        self._sign = signer(config.api_secret.get_secret_value())

    @classmethod
    def check(cls, config: BinanceConfig) -> str | None:
        try:
            signer(config.api_secret.get_secret_value())
        except ValueError as error:
            return str(error)
        return None

    async def server_time(self, api: Api) -> float | None:
        return (await api.get(self.time_endpoint, ServerTime)).serverTime / 1000

    def sign(self, endpoint: Endpoint, params: Params, timestamp_ms: int) -> SignedRequest:
        """Query with `signature` as its last parameter over everything before it, and the key's header."""
        if not endpoint.signed:
            return SignedRequest(query=urlencode(params))
        query = urlencode(
            (
                *params,
                ("recvWindow", str(int(self.config.recv_window * 1000))),
                ("timestamp", str(timestamp_ms)),
            )
        )
        signature = quote(self._sign(query.encode()), safe="")
        return SignedRequest(
            query=f"{query}&signature={signature}",
            headers={"X-MBX-APIKEY": self.config.api_key.get_secret_value()},
        )

    def error(self, endpoint: Endpoint, response: Response) -> VenueError | None:  # noqa: ARG002
        return binance_error(response, self.config.secrets())

    def rate_limit_used(self, response: Response) -> float | None:
        text = response.headers.get("X-MBX-USED-WEIGHT-1M", "")
        return int(text) / WEIGHT_PER_MINUTE if text.isascii() and text.isdigit() else None


# Code to (reason, what the desk should know). Everything else with a code is `exchange` with the venue's
# words, redacted.
_AUTH = {
    -1002: "the key may not make this request",
    -1022: "the signature is not valid: check the API secret",
    -2014: "the API key has the wrong format",
    -2015: "the key, this address or the key's permissions are refused (the venue does not say which)",
    -2017: "the API key is locked",
}
_TEMPORARY = {
    -1000: "the venue reports an unknown error",
    -1001: "the venue is disconnected inside",
    -1006: "the venue had an unexpected answer inside",
    -1007: "the venue timed out inside",
    -1008: "the venue is overloaded",
    -1016: "the venue is shutting down",
}


def binance_error(response: Response, secrets: Iterable[str] = ()) -> VenueError | None:
    """The failure an answer of Binance reports, or None.

    Source: https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code
    """
    if 200 <= response.status < 300:
        return None
    try:
        body = msgspec.json.decode(response.body, type=_ErrorBody)
    except msgspec.DecodeError:  # an HTML page of a firewall or a proxy in between
        body = _ErrorBody(code=0)
    status, code = response.status, body.code
    prefix = f"HTTP {status}, code {code}: "
    banned_until = _BANNED_UNTIL.search(body.msg)
    if code == -1021:
        return VenueError("clock", prefix + "the timestamp is outside the receive window")
    if status == 418 or banned_until is not None:
        until = int(banned_until[1]) / 1000 if banned_until else 0.0
        until = max(until, retry_after(response) or 0.0)
        return VenueError(
            "banned",
            prefix + "this address is banned for ignoring the request limit",
            # Read by our clock, the venue's moment may have passed already; asking during a ban prolongs it.
            blocked_until=until if until > response.received_at else response.received_at + _SHORTEST_BAN,
        )
    if status == 429 or code in (-1003, -1015):
        return VenueError(
            "rate_limited",
            prefix + "the request limit of this address is used up",
            blocked_until=retry_after(response) or response.received_at + _RATE_LIMIT_WINDOW,
        )
    if code in _AUTH:
        return VenueError("auth", prefix + _AUTH[code])
    if status == 403:
        return VenueError(
            "banned",
            prefix + "the venue's firewall refused the request",
            blocked_until=response.received_at + _FIREWALL_PAUSE,
        )
    if code in _TEMPORARY:
        return VenueError("exchange", prefix + _TEMPORARY[code])
    common = http_error(response)
    if common is not None and common.reason != "exchange":
        return common
    words = redact(body.msg, secrets)
    return VenueError("exchange", prefix + words if words else f"HTTP {status}")
