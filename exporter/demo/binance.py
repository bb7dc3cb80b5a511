"""What the Binance futures simulators (USD-M, COIN-M) share: signed requests, errors and weights.

Rules: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info and
https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code. Both products count
into one weight pool per address
(https://developers.binance.com/docs/derivatives/coin-margined-futures/Important-CM-UM-Integration-Notice).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from exporter.demo._binance_keys import SAPI_LIMIT, KeyEndpoint, restrictions
from exporter.demo._binance_weights import BinanceError, WeightPool
from exporter.demo.base import VenueSimulator, fake_secret
from exporter.demo.book import Book, Position
from exporter.demo.contracts import decimal, rounded
from exporter.demo.market import Market

Parameters = Mapping[str, str]


@dataclass(frozen=True)
class Credential:
    """An API key of a simulated account.

    ``api_secret`` is the HMAC secret, or the PKCS#8 PEM private key of an RSA or Ed25519 key pair. ``may``
    has what it can do besides reading, as `RIGHTS` spells it; ``bound``, whether it has a list of addresses.
    """

    account: str
    api_key: str
    api_secret: str = field(repr=False)
    may: frozenset[str] = frozenset()
    bound: bool = True

    @classmethod
    def hmac_sha256(cls, venue: str, account: str) -> Credential:
        """A fake HMAC key, always the same for the same venue and account."""
        return cls(account, fake_secret(venue, account, "key"), fake_secret(venue, account, "secret"))

    @classmethod
    def ed25519(cls, venue: str, account: str) -> Credential:
        """A fake Ed25519 key, always the same for the same venue and account."""
        seed = bytes.fromhex(fake_secret(venue, account, "seed"))
        pem = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        return cls(account, fake_secret(venue, account, "key"), pem.decode())

    @cached_property
    def _private_key(self) -> RSAPrivateKey | Ed25519PrivateKey | None:
        if "PRIVATE KEY" not in self.api_secret:
            return None
        key = load_pem_private_key(self.api_secret.encode(), password=None)
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            raise TypeError("the venue knows RSA and Ed25519 keys only")
        return key

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether ``signature`` (percent-decoded) is this key's over exactly ``payload``."""
        key = self._private_key
        if key is None:
            expected = hmac.new(self.api_secret.encode(), payload, hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected.encode(), signature.lower().encode())
        try:
            raw = base64.b64decode(signature, validate=True)
            if isinstance(key, RSAPrivateKey):
                key.public_key().verify(raw, payload, PKCS1v15(), SHA256())
            else:
                key.public_key().verify(raw, payload)
        except (binascii.Error, ValueError, InvalidSignature):
            return False
        return True


@dataclass(frozen=True)
class PublicEndpoint:
    """A path anybody may read. ``weight`` is what a request costs, given its parameters."""

    path: str
    answer: Callable[[Parameters], object]
    weight: Callable[[Parameters], int]
    parameters: frozenset[str] = frozenset()
    keyed: bool = False
    """Whether it wants an API key all the same, without a signature."""


@dataclass(frozen=True)
class SignedEndpoint:
    """A path that needs a key and a signature; ``parameters`` without the three every one has."""

    path: str
    answer: Callable[[Parameters, Book], object]
    weight: Callable[[Parameters], int]
    parameters: frozenset[str] = frozenset()


Endpoint = PublicEndpoint | SignedEndpoint


def fixed_weight(weight: int) -> Callable[[Parameters], int]:
    """The same weight for every request."""
    return lambda _: weight


def weight_by_symbol(with_symbol: int, without: int) -> Callable[[Parameters], int]:
    """One weight for a request of one symbol, another for all."""
    return lambda parameters: with_symbol if "symbol" in parameters else without


class BinanceSimulator(VenueSimulator):
    """A Binance futures product: `endpoints` says what it answers, this class how it is asked.

    ``credentials`` holds the accepted keys by API key; tests add and remove entries. ``weights`` is
    shared with the other Binance products on the same market. ``portfolio_margin`` names the accounts in
    Portfolio Margin mode, whose collateral and positions are elsewhere.
    """

    def __init__(self, market: Market, *, clock: Callable[[], float]) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.weights = WeightPool.of(market)
        self._sapi: dict[str, WeightPool] = {}
        self.portfolio_margin: set[str] = set()

    @abstractmethod
    def endpoints(self) -> Sequence[Endpoint]:
        """Everything the product answers."""

    def application(self) -> web.Application:
        table = {endpoint.path: endpoint for endpoint in (KeyEndpoint(), *self.endpoints())}

        async def handle(request: web.Request) -> web.Response:
            return await self._handle(table, request)

        return self.new_application(handle)

    def portfolio_margin_info(self, parameters: Parameters, book: Book) -> object:
        """What an account in Portfolio Margin mode may move out.

        The answer to any other account is not documented, and made up.
        """
        asset = parameters.get("asset")
        if not asset:
            raise BinanceError(
                400, -1102, "Mandatory parameter 'asset' was not sent, was empty/null, or malformed."
            )
        if book.name not in self.portfolio_margin:
            raise BinanceError(400, -1109, "Invalid account.")
        return {"maxWithdrawAmountUSD": amount(25_347), "asset": asset, "maxWithdrawAmount": "1.33663654"}

    def limit_of(self, path: str) -> tuple[str, WeightPool]:
        """The header that tells of the limit which a path counts in, and the limit."""
        if path.startswith("/sapi/"):
            return "X-SAPI-USED-IP-WEIGHT-1M", self._sapi.setdefault(path, WeightPool(limit=SAPI_LIMIT))
        return "X-MBX-USED-WEIGHT-1M", self.weights

    def settings(self, credential: Credential) -> dict[str, object]:
        below = {"sub_accounts": True} if credential.account in self.below else {}
        return {**super().settings(credential), **below}

    async def _handle(
        self, table: Mapping[str, Endpoint | KeyEndpoint], request: web.Request
    ) -> web.Response:
        address = request.remote or "0.0.0.0"  # noqa: S104 - printed where the peer is unknown
        headers: dict[str, str] = {}
        status = 200
        try:
            body = self._answer(table, request, await request.text(), address)
        except BinanceError as error:
            body = {"code": error.code, "msg": error.message}
            status, headers = error.status, error.headers
        header, weights = self.limit_of(request.path)
        headers[header] = str(weights.used(address, self.now()))
        return web.Response(
            status=status, headers=headers, text=json.dumps(body), content_type="application/json"
        )

    def _answer(
        self, table: Mapping[str, Endpoint | KeyEndpoint], request: web.Request, body: str, address: str
    ) -> object:
        # The bytes as they were sent: parsing and printing a query again may change them, and with
        # them the signature.
        query = request.raw_path.partition("?")[2]
        # The venue signs query and body joined without a separator.
        payload = query + body
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
        parameters = dict(pairs)
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            self.limit_of(request.path)[1].spend(address, 1, self.now())
            raise BinanceError(
                404 if endpoint is None else 405,
                -5000,
                f"Path {request.path}, Method {request.method} is invalid",
            )
        weight = 1 if isinstance(endpoint, KeyEndpoint) else endpoint.weight(parameters)
        self.limit_of(request.path)[1].spend(address, weight, self.now())
        if len(parameters) != len(pairs):
            raise BinanceError(400, -1101, "Duplicate values for a parameter detected.")
        if isinstance(endpoint, PublicEndpoint):
            if endpoint.keyed:
                self._known_key(request.headers.get("X-MBX-APIKEY"), address)
            _check_names(parameters, endpoint.parameters)
            return endpoint.answer(parameters)
        credential = self._authenticate(request.headers.get("X-MBX-APIKEY"), payload, parameters, address)
        _check_names(parameters, endpoint.parameters | {"timestamp", "recvWindow", "signature"})
        if isinstance(endpoint, KeyEndpoint):
            return restrictions(credential.may, bound=credential.bound)
        return endpoint.answer(parameters, self.accounts[credential.account])

    def _authenticate(
        self, api_key: str | None, payload: str, parameters: Parameters, address: str
    ) -> Credential:
        """The key that the request is made with."""
        _check_key(api_key)
        for name in ("timestamp", "signature"):
            if not parameters.get(name):
                raise BinanceError(
                    400,
                    -1102,
                    f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
                )
        timestamp = _whole_number(parameters, "timestamp", "")
        receive_window = _whole_number(parameters, "recvWindow", "5000")
        if receive_window > 60000:
            raise BinanceError(400, -1131, "recvWindow must be less than 60000.")
        server_time = self.server_time()
        if timestamp >= server_time + 1000:
            raise BinanceError(
                400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."
            )
        if server_time - timestamp > receive_window:
            raise BinanceError(400, -1021, "Timestamp for this request is outside of the recvWindow.")
        credential = self._known_key(api_key, address)
        signed, _, signature = payload.rpartition("signature=")
        # The signature covers everything before it, so it has to be the last parameter.
        if not signed.endswith("&") or not credential.verify(signed[:-1].encode(), unquote_plus(signature)):
            raise BinanceError(400, -1022, "Signature for this request is not valid.")
        return credential

    def _known_key(self, api_key: str | None, address: str) -> Credential:
        credential = self.credentials.get(_check_key(api_key))
        if credential is None:
            raise BinanceError(
                401, -2015, f"Invalid API-key, IP, or permissions for action, request ip: {address}"
            )
        return credential


def _check_key(api_key: str | None) -> str:
    if api_key is None or not re.fullmatch(r"[A-Za-z0-9]{64}", api_key):
        raise BinanceError(401, -2014, "API-key format invalid.")
    return api_key


def _whole_number(parameters: Parameters, name: str, default: str) -> int:
    text = parameters.get(name, default)
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise BinanceError(
            400,
            -1100,
            f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.",
        )
    return int(text)


def _check_names(parameters: Parameters, known: frozenset[str]) -> None:
    read = len(parameters.keys() & known)
    if read == len(parameters):
        return
    if not known:
        raise BinanceError(400, -1101, "Too many parameters sent for this endpoint.")
    raise BinanceError(
        400,
        -1104,
        f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(parameters)}'.",
    )


def invalid_symbol() -> BinanceError:
    """The answer to a symbol the product does not have."""
    return BinanceError(400, -1121, "Invalid symbol.")


def amount(value: Decimal | int) -> str:
    """An amount as the venue prints it: eight decimals."""
    return f"{rounded(Decimal(value), 8):f}"


def plain(value: Decimal | float | str) -> str:
    """A number without trailing zeros and without an exponent: quantities and entry prices."""
    return f"{decimal(value).normalize():f}"


def liquidation_price(book: Book, position: Position) -> str:
    """The venue's figure; "0" where there is none."""
    price = book.liquidation_price(position)
    return "0" if price is None or rounded(price, 8) <= 0 else amount(price)


def adl_quantile(book: Book, position: Position) -> int:
    """Place in the auto-deleveraging queue: 0 (last) to 4 (first), by return on margin.

    The legs of a cross hedge share one quantile, as documented; the venue does not publish its steps.
    """
    if position.queue_place is not None:
        return round(4 * position.queue_place)
    legs = [
        held
        for held in book.positions
        if held.contract.symbol == position.contract.symbol and held.margin_mode == "cross"
    ]
    best = max(
        book.return_on_margin(held) for held in (legs if position.margin_mode == "cross" else [position])
    )
    return sum(best > step for step in (Decimal(0), Decimal("0.5"), Decimal(2), Decimal(5)))
