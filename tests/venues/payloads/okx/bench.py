"""Documented and captured accounts of each level, and the rules of their requests."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._okx import (
    BALANCE,
    CONFIG,
    FUNDING,
    INSTRUMENTS,
    MARKS,
    MEMBER_BALANCE,
    MEMBERS,
    POSITIONS,
    TIERS,
    TIME,
)
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import VENUE_MS, QuietObserver, decoded, payload

NAME = "okx"
KEY = "TESTKEY"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
PASSPHRASE = "PASS-PHRASE"
CREDENTIALS = {"api_key": KEY, "api_secret": SECRET, "passphrase": PASSPHRASE}

KINDS = ({"instType": kind} for kind in ("SWAP", "FUTURES", "MARGIN"))
ASKED: dict[str, list[dict[str, str]]] = {
    "/api/v5/account/config": [{}],
    "/api/v5/account/balance": [{}],
    "/api/v5/account/positions": [
        {},
        *({"instType": kind} for kind in ("SWAP", "FUTURES", "MARGIN", "OPTION")),
    ],
    "/api/v5/public/instruments": [{"instType": "SWAP"}, {"instType": "FUTURES"}],
    "/api/v5/public/mark-price": list(KINDS),
    "/api/v5/public/funding-rate": [{"instId": "ANY"}],
    "/api/v5/public/time": [{}],
}
SETS = {
    "/api/v5/public/position-tiers": {"instType", "tdMode", "instFamily"},
    "/api/v5/users/subaccount/list": {"limit"},
    "/api/v5/account/subaccount/balances": {"subAcct"},
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, strict_parsing=bool(query)))
    if request.path in SETS:
        assert set(parameters) - {"after"} == SETS[request.path]
    else:
        assert parameters in ASKED[request.path]
    assert "x-simulated-trading" not in request.headers
    if "/public/" in request.path:
        assert not any(name.upper().startswith("OK-ACCESS-") for name in request.headers)
        return
    stamp = request.headers["OK-ACCESS-TIMESTAMP"]
    assert stamp.startswith("2023-11-14T22:13:2")
    assert request.headers["OK-ACCESS-KEY"] == KEY
    assert request.headers["OK-ACCESS-PASSPHRASE"] == PASSPHRASE
    digest = hmac.new(SECRET.encode(), f"{stamp}GET{request.raw_path}".encode(), hashlib.sha256).digest()
    assert request.headers["OK-ACCESS-SIGN"] == base64.b64encode(digest).decode()


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(*rows: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": list(rows)}


def config(level: int, **changed: Any) -> dict[str, Any]:
    """What is read of the settings."""
    return success({"acctLv": str(level), "posMode": "long_short_mode", **changed})


def inverse(**changed: Any) -> dict[str, Any]:
    """The captured inverse row with some fields changed; `...` takes one away."""
    return row_with(document("positions_inverse.json")["data"][0], **changed)


def linear(**changed: Any) -> dict[str, Any]:
    """A cross position in the documented account with several currencies.

    Not printed with it, and the only one that its figures allow: worth 85.73 USDT with a loss of 7.5456.
    """
    row = {
        **document("positions_inverse.json")["data"][0],
        "instId": "BTC-USDT-SWAP",
        "mgnMode": "cross",
        "pos": "0.2",
        "ccy": "USDT",
        "avgPx": "46637.8",
        "markPx": "42865",
        "liqPx": "",
        "lever": "10",
        "margin": "",
        "imr": "8.573",
        "mmr": "0.34292",
        "mgnRatio": "143682.59776662575",
        "notionalUsd": "85.7068529",
        "upl": "-7.5456",
        "usdPx": "0.99973",
    }
    return row_with(row, **changed)


def isolated(**changed: Any) -> dict[str, Any]:
    """The isolated position of the captured account in futures mode, likewise."""
    row = {
        "mgnMode": "isolated",
        "pos": "0.1",
        "avgPx": "82438",
        "markPx": "82410.7",
        "lever": "15",
        "margin": "5.495866666666667",
        "imr": "",
        "mmr": "0.3296428",
        "mgnRatio": "14.74613711",
        "upl": "-0.0273000000000002",
        "usdPx": "0.99994",
        "fundingFee": "-0.002",
        "realizedPnl": "-0.043",
    }
    return linear(**{**row, **changed})


def balance(file: str = "balance_multi.json", *coins: Any, **changed: Any) -> dict[str, Any]:
    """A documented balance with other coins and figures."""
    answer = copy.deepcopy(document(file))
    found = answer["data"][0]
    found |= changed
    if coins:
        found["details"] = list(coins)
    return dict(answer)


READ = (
    "ccy",
    "eq",
    "cashBal",
    "eqUsd",
    "disEq",
    "availEq",
    "upl",
    "imr",
    "mmr",
    "mgnRatio",
    "isoEq",
    "isoUpl",
)


def coin(**changed: Any) -> dict[str, Any]:
    """The captured coin, only what is read of it, with some fields changed."""
    row = document("balance_futures.json")["data"][0]["details"][0]
    return {**{name: row[name] for name in READ}, **changed}


def tiers(*steps: tuple[str, str, str]) -> dict[str, Any]:
    """What is read of tiers: the last contract of each, rate, highest leverage."""
    return success(*({"maxSz": last, "mmr": rate, "maxLever": most} for last, rate, most in steps))


def instruments() -> dict[str, Any]:
    """What is read of the contracts."""
    read = ("instId", "ctType", "ctVal", "ctMult", "ctValCcy", "settleCcy", "instFamily")
    return success(*({name: row[name] for name in read} for row in document("instruments.json")["data"]))


CHZ_TIERS = tiers(("5000", "0.01", "50"), ("7500", "0.015", "33"), ("15000", "0.02", "20"))
"""As announced for CHZ-USDT-SWAP."""
BTC_TIERS = tiers(("1000", "0.004", "100"), ("5000", "0.006", "10"))
BITCOIN = coin(
    ccy="BTC",
    eq="0.0123620407684556",
    cashBal="0.012",
    eqUsd="1123.6363",
    isoEq="0.0003620407684556",
    isoUpl="0.000000899562244",
    upl="0.000000899562244",
    availEq="0.012",
)
OPTION = {
    **dict.fromkeys(("liqPx", "lever", "margin", "mgnRatio", "avgPx"), ""),
    "instId": "BTC-USD-260925-80000-C",
    "instType": "OPTION",
    "mgnMode": "cross",
    "posSide": "net",
    "pos": "-2",
    "ccy": "BTC",
    "markPx": "0.041",
    "optVal": "-0.00082",
    "upl": "-0.0001",
    "deltaBS": "-0.011",
    "posId": "77",
}
IN_BITCOIN = inverse(
    mgnMode="cross",
    posSide="net",
    pos="-1",
    upl="-0.000000899562244",
    margin="",
    mmr="",
    mgnRatio="40000",
    lever="",
    liqPx="",
)
"""Backed by dollars alone."""
FLAT = success()
BARE: dict[Any, Any] = {
    CONFIG: config(3),
    BALANCE: "balance_multi.json",
    POSITIONS: success(linear()),
    INSTRUMENTS: instruments(),
    TIERS: BTC_TIERS,
    FUNDING: "funding_rate.json",
}
IN_FUTURES_MODE: dict[Any, Any] = {**BARE, CONFIG: config(2)}
CROSS_COIN = coin(
    eq="1000",
    eqUsd="999.94",
    cashBal="1007.5456",
    upl="-7.5456",
    isoEq="0",
    isoUpl="0",
    imr="8.573",
    mmr="0.34292",
    mgnRatio="2592.1978",
    ordFrozen="3",
)


async def snapshot_of(
    changed: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "multi"
) -> AccountSnapshot:
    return await BENCH.snapshot(scenario, changed, observer)


BENCH = Bench(
    venue=NAME,
    config=CREDENTIALS,
    check=check,
    scenarios={
        "multi": Scenario(
            {
                **BARE,
                MARKS: "mark_price.json",
                MEMBERS: "sub_accounts.json",
                MEMBER_BALANCE: "balance_multi.json",
            },
            account="multi",
        ),
        "isolated inverse": Scenario(
            {
                **BARE,
                CONFIG: "config.json",
                INSTRUMENTS: "instruments.json",
                BALANCE: balance("balance_futures.json", BITCOIN, totalEq="1123.6363", isoEq="32.9074"),
                POSITIONS: "positions_inverse.json",
                TIME: success({"ts": str(VENUE_MS)}),
                TIERS: "position_tiers.json",
            },
            account="inverse",
        ),
        "isolated linear": Scenario(
            {**IN_FUTURES_MODE, BALANCE: "balance_futures.json", POSITIONS: success(isolated())},
            account="linear",
        ),
        "futures mode": Scenario(
            {
                **IN_FUTURES_MODE,
                BALANCE: balance("balance_futures.json", CROSS_COIN),
                POSITIONS: success(linear(mmr="", mgnRatio="2592.1978")),
            },
            account="futures",
        ),
        "portfolio": Scenario(
            {
                **BARE,
                CONFIG: config(4, posMode="net_mode"),
                BALANCE: balance(availEq="55000", mgnRatio="40000"),
                POSITIONS: success(IN_BITCOIN, OPTION),
            },
            account="portfolio",
        ),
        "spot": Scenario(
            {
                **BARE,
                CONFIG: config(1),
                BALANCE: balance(
                    "balance_futures.json", coin(isoEq="0", isoUpl="0", upl="", mmr="", imr=""), isoEq="0"
                ),
                POSITIONS: FLAT,
            },
            account="spot",
        ),
        "a main account with a sub-account in futures mode": Scenario(
            {
                **BARE,
                BALANCE: balance(details=[]),
                POSITIONS: FLAT,
                MEMBERS: "sub_accounts.json",
                MEMBER_BALANCE: balance(
                    "balance_futures.json",
                    CROSS_COIN,
                    {**CROSS_COIN, "ccy": "USDC", "mgnRatio": ""},
                    isoEq="0",
                ),
            },
            golden=False,
        ),
    },
    rows=Rows(
        scenario="isolated inverse",
        endpoint=POSITIONS,
        path=("data", 0),
        size="pos",
        liquidation_price="liqPx",
        identity="instId",
        price="markPx",
    ),
    refused_time=(401, document("errors.json")[0]["body"]),
    failure=(200, {"code": "50026", "msg": "WORDS", "data": []}),
    optional=frozenset({INSTRUMENTS, TIERS, FUNDING}),
)
