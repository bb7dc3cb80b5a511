"""The account of the guide's venue, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

from tests.venues.bench import Bench, Rows, Scenario
from tests.venues.guide import toy
from tests.venues.harness import VENUE_MS

KEY = "toy-key"
SECRET = "toy-secret"


def check(request: Any, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    parameters = dict(parse_qsl(request.raw_path.partition("?")[2], strict_parsing=True))
    assert len(parameters.pop("timestamp")) == 13
    assert set(parameters) <= {"cursor"}
    assert request.headers["X-KEY"] == KEY
    signature = hmac.new(SECRET.encode(), request.raw_path.encode(), hashlib.sha256).hexdigest()
    assert request.headers["X-SIGN"] == signature


def answer(data: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


LONG = {"symbol": "BTCUSDT", "size": "0.2", "markPrice": "60000", "liquidationPrice": "48000"}
SHORT = {"symbol": "ETHUSDT", "size": "-3", "markPrice": 2500, "liquidationPrice": "0"}

BENCH = Bench(
    venue="toy",
    config={"api_key": KEY, "api_secret": SECRET},
    check=check,
    scenarios={
        "two pages of positions": Scenario(
            {
                toy.BALANCE: answer({"equity": "3000.5", "printedAt": 1700000000000}),
                toy.POSITIONS: answer({"rows": [LONG], "cursor": "next"}),
                (toy.POSITIONS, "cursor=next"): answer({"rows": [SHORT], "cursor": ""}),
                toy.KEY: answer({"scopes": ["read", "trade"], "expiresAt": 1760000000000}),
                toy.TIME: answer({"time": VENUE_MS}),
            },
        ),
    },
    rows=Rows(
        scenario="two pages of positions",
        endpoint=toy.POSITIONS,
        path=("data", "rows", 0),
        size="size",
        liquidation_price="liquidationPrice",
        price="markPrice",
    ),
    refused_time=(200, {"code": "1001", "msg": "timestamp"}),
    failure=(200, {"code": "9999", "msg": "WORDS"}),
    optional=frozenset({toy.KEY}),
)
