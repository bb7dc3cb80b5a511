"""Bybit: how it is asked, and what its failures mean."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec import ValidationError, convert
from msgspec.structs import replace

from exporter.errors import VenueError
from exporter.model import Contract, KeyRights, RiskSettings
from exporter.request import Params
from exporter.venues._bybit import INFO, POSITIONS, WALLET, contract_of
from exporter.venues._bybit_account import ApiKey
from tests.venues.harness import NOW, make_venue, response, unsigned
from tests.venues.payloads.bybit.bench import (
    CONFIG,
    IN_USDT,
    KEY,
    document,
    info,
    positions,
    row,
    snapshot_of,
)

SETTINGS = RiskSettings()
ISOLATED = {INFO: info("ISOLATED_MARGIN")}


@pytest.mark.parametrize(
    ("endpoint", "params", "expected"),
    [
        (
            WALLET,
            (("accountType", "UNIFIED"),),
            "c5aac4a630fac7b543e1b12c03421e18c373486d8608ecca56636a2b6f5cdcc7",
        ),
        (
            POSITIONS,
            (("category", "linear"), ("settleCoin", "USDT"), ("limit", "200")),
            "5cd4bbfdb766d8e6c4e56d4540165f4cae27a6d1f8219a824015d321f0dc3038",
        ),
        (INFO, (), "71a82f3aa7ee9cd708728ebfcc9504af74c8ec5339e9a7e5e3ef4b3ad6615cba"),
    ],
)
def test_signatures_are_those_of_an_independent_program(endpoint: Any, params: Params, expected: str) -> None:
    venue = make_venue("bybit", "http://venue.test", CONFIG)
    signed = venue.sign(unsigned(endpoint, params, at=1_700_000_000_000))
    assert signed.headers["X-BAPI-SIGN"] == expected


def _pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_an_rsa_key_signs_in_base64_and_other_kinds_are_told_at_start() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    venue = make_venue("bybit", "http://venue.test", {**CONFIG, "api_secret": _pem(key)})
    signed = venue.sign(unsigned(INFO, at=1_700_000_000_000))
    raw = base64.b64decode(signed.headers["X-BAPI-SIGN"])
    text = f"1700000000000{KEY}5000".encode()
    key.public_key().verify(raw, text, padding.PKCS1v15(), SHA256())
    assert type(venue).check(venue.config) is None
    other = {**CONFIG, "api_secret": _pem(ed25519.Ed25519PrivateKey.generate())}
    config = type(venue).config_class.model_validate({"name": "desk", "exchange": "bybit", **other})
    assert type(venue).check(config) == "`api_secret` is a private key of another kind; Bybit takes RSA"


def test_what_its_failures_mean() -> None:
    venue = make_venue("bybit", "http://venue.test", CONFIG)
    for case in document("errors.json"):
        error = venue.error(INFO, response(200, case["body"]))
        assert error is not None
        assert error.reason == case["reason"], case
    reset = {"X-Bapi-Limit-Reset-Timestamp": str(int(NOW * 1000) + 800)}
    visits = venue.error(INFO, response(200, {"retCode": 10006, "retMsg": "Too many visits!"}, reset))
    assert visits is not None
    assert visits.scope == "account"
    assert visits.blocked_until == pytest.approx(NOW + 0.8)
    for answer in (
        response(403, b"403, access too frequent", reset),
        response(200, {"retCode": 10009, "retMsg": "IP has been banned."}, reset),
    ):
        shut_out = venue.error(INFO, answer)
        assert shut_out is not None
        assert (shut_out.reason, shut_out.scope, shut_out.blocked_until) == ("banned", "address", NOW + 600.0)


async def test_a_full_page_is_followed_by_its_cursor_and_no_position_is_counted_twice() -> None:
    """The last page has a cursor, too, percent-encoded: a full one may be the last and come again."""
    rows = [row(symbol=f"C{number}USDT", size="1") for number in range(210)]
    asked: list[str] = []

    def page(request: Any) -> Any:
        cursor = request.query.get("cursor", "")
        asked.append(cursor)
        first, following = (
            (rows[:200], "C199USDT%2C1%2C0") if not cursor else (rows[199:], "C209USDT%2C1%2C0")
        )
        return web.json_response(positions(*first, cursor=following))

    assert len((await snapshot_of({IN_USDT: page})).positions) == 210
    assert asked == ["", "C199USDT,1,0"]
    again = positions(*rows[:200], cursor="C199USDT%2C1%2C0")
    assert len((await snapshot_of({IN_USDT: again})).positions) == 200


@pytest.mark.parametrize("mode", ["REGULAR_MARGIN", ""])
@pytest.mark.parametrize("status", [1, 2, 7])
async def test_an_account_that_is_not_unified_is_unsupported(status: int, mode: str) -> None:
    with pytest.raises(VenueError, match="unified") as caught:
        await snapshot_of({INFO: info(mode, status)})
    assert caught.value.reason == "unsupported"


@pytest.mark.parametrize(
    ("symbol", "settle", "expected"),
    [
        ("BTCUSDT", "USDT", Contract("linear", 1.0, "BTC", "USDT", "USDT")),
        ("1000PEPEUSDT", "USDT", Contract("linear", 1.0, "1000PEPE", "USDT", "USDT")),
        ("BTCUSDT-27DEC24", "USDT", Contract("linear", 1.0, "BTC", "USDT", "USDT")),
        ("USDCUSDT", "USDT", Contract("linear", 1.0, "USDC", "USDT", "USDT")),
        ("BTCPERP", "USDC", Contract("linear", 1.0, "BTC", "USDC", "USDC")),
        ("ETH-27DEC24", "USDC", Contract("linear", 1.0, "ETH", "USDC", "USDC")),
        ("BTCUSD", "", Contract("inverse", 1.0, "BTC", "USD", "BTC")),
        ("ETHUSDH25", "", Contract("inverse", 1.0, "ETH", "USD", "ETH")),
        ("NEW", "", Contract("inverse", None, "NEW", "USD", "NEW")),
    ],
)
def test_contracts_of_symbols(symbol: str, settle: str, expected: Contract) -> None:
    assert contract_of(symbol, settle) == expected


def api_key(**changed: Any) -> ApiKey:
    return convert({**document("api_key.json")["result"], **changed}, ApiKey)


def test_what_a_key_may_do() -> None:
    """A key that only reads is shown the same permissions: one number says so."""
    whole = KeyRights(read=True, trade=True, transfer=True, withdraw=False, ip_restricted=False)
    whole = replace(whole, expires_at=1_703_229_625.0)
    assert api_key().rights == whole
    assert api_key(readOnly=1).rights == replace(whole, trade=False, transfer=False)
    other = {"Wallet": ["Withdraw"], "Affiliate": ["Affiliate"], "Spot": []}
    assert api_key(permissions=other).rights == replace(whole, trade=False, transfer=False, withdraw=True)
    bound = api_key(ips=["203.0.113.7"], expiredAt="1970-01-01T00:00:00Z").rights
    assert bound == replace(whole, ip_restricted=True, expires_at=None)
    with pytest.raises(ValidationError, match="readOnly"):
        api_key(readOnly=2)
