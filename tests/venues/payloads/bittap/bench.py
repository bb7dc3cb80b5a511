"""BitTap's documented account in its modes, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from aiohttp import web

from exporter.model import AccountRisk, AccountSnapshot, Position, RiskSettings
from exporter.risk import assess
from exporter.venues._bittap import ACCOUNT_INFO, EXCHANGE_INFO, OPEN_POSITION
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import Answer, QuietObserver, answers_of, decoded, fetch, payload

NAME = "bittap"
KEY = "simulated-key-5d4f1c"
SECRET = "test-secret"
CONFIG = {"api_key": KEY, "api_secret": SECRET}

PATHS = {
    "account": ("/ftapi/v1/account/info", "account_info.json"),
    "opened": ("/ftapi/v1/openPosition", "open_position.json"),
    "contracts": ("/fmapi/v1/exchangeInfo", "exchange_info.json"),
}
EQUITY = 11765.70795680674743639045


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    assert query == ""
    if not request.path.startswith("/ftapi/"):
        assert not any(name.upper().startswith("X-BT-") for name in request.headers)
        return
    assert request.headers["X-BT-APIKEY"] == KEY
    timestamp, nonce = request.headers["X-BT-TS"], request.headers["X-BT-NONCE"]
    assert len(timestamp) == 13
    assert len(nonce) == 36
    text = f"&timestamp={timestamp}&nonce={nonce}"
    expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert request.headers["X-BT-SIGN"] == expected


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(data: Any) -> dict[str, Any]:
    return {"code": "0", "data": data, "msg": "Request successful", "success": True}


def failure(status: int, code: str, words: str) -> web.Response:
    return web.json_response({"code": code, "msg": words, "success": False}, status=status)


REFUSED = failure(403, "410006", "Insufficient permissions")


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def risk_of(snapshot: AccountSnapshot) -> AccountRisk:
    return assess(snapshot, RiskSettings())


def asset(**changed: Any) -> dict[str, Any]:
    return row_with(document("account_info.json")["data"]["assets"][0], **changed)


def account_row(**changed: Any) -> dict[str, Any]:
    """The account's documented row with some fields changed; `...` takes one away."""
    return row_with(document("account_info.json")["data"]["positions"][0], **changed)


def open_row(**changed: Any) -> dict[str, Any]:
    """The position call's row with some fields changed; `...` takes one away."""
    return row_with(document("open_position.json")["data"][0], **changed)


def account_of(*rows: Any, assets: Any = None) -> dict[str, Any]:
    body: dict[str, Any] = document("account_info.json")
    body["data"]["positions"] = list(rows)
    if assets is not None:
        body["data"]["assets"] = assets
    return body


async def position_of(**changed: Any) -> Position:
    """The position whose row in the position call has some fields changed."""
    (position,) = (await snapshot_of(opened=success([open_row(**changed)]))).positions
    return position


NEAR_TIERS: dict[str, Any] = document("exchange_info.json")
for _symbol in NEAR_TIERS["data"]["symbols"]:
    _symbol["riskLimitConfigs"] = [
        {"level": 1, "maintainMarginRate": "0.01", "minPositionValue": "0", "maxPositionValue": "2300"},
        {"level": 2, "maintainMarginRate": "0.02", "minPositionValue": "2300", "maxPositionValue": "9999999"},
    ]
ISOLATED = open_row(marginMode="ISOLATED", liquidPrice="1.2")
DOCUMENTED = {
    ACCOUNT_INFO: "account_info.json",
    OPEN_POSITION: "open_position.json",
    EXCHANGE_INFO: "exchange_info.json",
}

BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        "documented account, positions not valued": Scenario(
            {**DOCUMENTED, OPEN_POSITION: success([]), EXCHANGE_INFO: None}, account="documented"
        ),
        "the same with the position call": Scenario(DOCUMENTED, account="valued"),
        "position of the account call alone": Scenario(
            {**DOCUMENTED, OPEN_POSITION: success([])}, golden=False
        ),
        "no requirement told": Scenario(
            {**DOCUMENTED, OPEN_POSITION: success([open_row(maintainMargin="0", liquidPrice="1.2")])},
            golden=False,
        ),
        "tiers with a border nearby": Scenario({**DOCUMENTED, EXCHANGE_INFO: NEAR_TIERS}, golden=False),
        "isolated position": Scenario(
            {
                **DOCUMENTED,
                ACCOUNT_INFO: account_of(account_row(marginMode="ISOLATED")),
                OPEN_POSITION: success([ISOLATED]),
            },
            golden=False,
        ),
        "no position": Scenario(
            {
                **DOCUMENTED,
                ACCOUNT_INFO: account_of(assets=[asset(profitUnreal="0", crossedMaintainMargin="0")]),
                OPEN_POSITION: success([]),
            },
            golden=False,
        ),
    },
    rows=Rows(
        scenario="the same with the position call",
        endpoint=OPEN_POSITION,
        path=("data", 0),
        size="quantity",
        liquidation_price="liquidPrice",
        identity="positionId",
        price="markPrice",
    ),
    refused_time=(400, {"code": "410003", "msg": "timestamp expired", "success": False}),
    failure=(400, {"code": "500001", "msg": "WORDS", "success": False}),
    needed={
        ACCOUNT_INFO: frozenset(
            {"data", "data.assets", "data.assets[].coin", "data.positions"}
            # Where the position call does not have the position.
            | {f"data.positions[].{name}" for name in ("symbolId", "quantity", "side", "marginMode")}
        ),
        OPEN_POSITION: frozenset({"data", "data[].symbolId", "data[].quantity"}),
        EXCHANGE_INFO: frozenset({"data", "data.symbols", "data.symbols[].symbolId"}),
    },
    optional=frozenset({EXCHANGE_INFO}),
)
