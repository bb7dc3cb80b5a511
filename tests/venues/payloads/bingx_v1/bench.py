"""Documented accounts, and the rules of its requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from exporter.model import AccountSnapshot, Position
from exporter.venues.bingx_v1 import BALANCE, POSITIONS, PRICE, TIME
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import (
    VENUE_MS,
    Answer,
    QuietObserver,
    answers_of,
    decoded,
    fetch,
    payload,
)

NAME = "bingx_v1"
KEY = "Zsm4DcrHBTewmVaElrdwA67PmivPv6VDK6JAkiECZ9QfcUnmn67qjCOgvRuZVOzU"
SECRET = "UuGuyEGt6ZEkpUObCYCmIfh0elYsZVh80jlYwpJuRZEw70t6vomMH7Sjmf94ztSI"
CONFIG = {"api_key": KEY, "api_secret": SECRET}

PATHS = {
    "balance": ("/api/v1/user/getBalance", "balance.json"),
    "positions": ("/api/v1/user/getPositions", "positions.json"),
    "price": ("/api/v1/market/getLatestPrice", "latest_price.json"),
    "time": ("/api/v1/common/server/time", "server_time.json"),
}
REQUIRED = {
    "/api/v1/user/getBalance": {"currency": "USDT"},
    "/api/v1/user/getPositions": {"symbol": ""},
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    if request.path not in REQUIRED:
        assert request.method == "GET"
        assert set(parameters) <= {"symbol"}
        return
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json"
    text, _, sign = query.rpartition("&sign=")
    assert "/" not in sign
    assert "+" not in sign
    origin = f"POST{request.path}{unquote(text)}"
    expected = hmac.new(SECRET.encode(), origin.encode(), hashlib.sha256).digest()
    assert base64.b64decode(unquote(sign), validate=True) == expected
    assert parameters.pop("apiKey") == KEY
    assert len(parameters.pop("timestamp")) == 13
    del parameters["sign"]
    assert parameters == REQUIRED[request.path]
    names = [pair.partition("=")[0] for pair in text.split("&")]
    assert names == sorted(names)


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def row(**changed: Any) -> dict[str, Any]:
    """The first documented row with some fields changed; `...` takes one away."""
    return row_with(document("positions.json")["data"]["positions"][0], **changed)


def rows(*given_rows: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": {"positions": list(given_rows)}}


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=rows(row(**changed)))).positions[0]


DOCUMENTED = {
    BALANCE: "balance.json",
    POSITIONS: "positions.json",
    PRICE: None,
    TIME: {**document("server_time.json"), "currentTime": VENUE_MS},
}

BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        # Without the documented fair price: it belongs to a market at 50,000, the positions to one at 2.2.
        "documented account, mark prices derived": Scenario(DOCUMENTED),
        "one cross position and its price": Scenario(
            {**DOCUMENTED, PRICE: "latest_price.json", POSITIONS: rows(row(marginMode="Cross"))}, golden=False
        ),
        "one isolated position": Scenario(
            {**DOCUMENTED, POSITIONS: rows(row(marginMode="Isolated"))}, golden=False
        ),
        "two positions of one symbol and side": Scenario(
            {**DOCUMENTED, POSITIONS: rows(row(positionId="1001"), row(positionId="1002"))}, golden=False
        ),
    },
    rows=Rows(
        scenario="one cross position and its price",
        endpoint=POSITIONS,
        path=("data", "positions", 0),
        size="volume",
        liquidation_price="liquidatedPrice",
        price="avgPrice",
    ),
    refused_time=(200, {"code": 100500, "msg": "timestamp is too old"}),
    failure=(200, {"code": 80012, "msg": "WORDS"}),
    optional=frozenset({PRICE}),
)
