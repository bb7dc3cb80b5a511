"""Documented accounts, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Self
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from exporter.api import Client
from exporter.limits import BudgetSettings
from exporter.model import AccountSnapshot, Position
from exporter.venues._bingx import (
    ASSET_MODE,
    BALANCE,
    BALANCE_V2,
    COMMISSION,
    CONTRACTS,
    LEVERAGE,
    MARGIN_ASSETS,
    MARK_PRICES,
    POSITION_MODE,
    POSITIONS,
    RULES,
    TIERS,
    TIME,
)
from exporter.venues._bingx_keys import KEY_PERMISSIONS
from tests.venues.bench import Bench, Rows, Scenario
from tests.venues.harness import (
    NOW,
    VENUE_MS,
    Answer,
    MemoryTransport,
    QuietObserver,
    answers_of,
    decoded,
    fetch,
    make_venue,
    payload,
)

NAME = "bingx"
KEY = "hO6oQotzTE0S5FRYze2Jx2wGx7eVnJGMolpA1nZyehsoMgCcgKNWQHd4QgTFZuwl4Zt4xMe2PqGBegWXO4A"
SECRET = "mheO6dR8ovSsxZQCOYEFCtelpuxcWGTfHw7te326y6jOwq5WpvFQ9JNljoTwBXZGv5It07m9RXSPpDQEK2w"
CONFIG = {"api_key": KEY, "api_secret": SECRET}
NO_LIMIT = dict.fromkeys(("bingx", "bingx_market"), BudgetSettings(per_second=1e6))
"""For collections in a row on a clock that a test moves."""

PATHS = {
    "balance": ("/openApi/swap/v3/user/balance", "balance_v3.json"),
    "balance_v2": ("/openApi/swap/v2/user/balance", "balance_v2.json"),
    "positions": ("/openApi/swap/v2/user/positions", "positions.json"),
    "tiers": ("/openApi/swap/v1/maintMarginRatio", "maint_margin_ratio.json"),
    "leverage": ("/openApi/swap/v2/trade/leverage", "leverage.json"),
    "position_mode": ("/openApi/swap/v1/positionSide/dual", "position_mode.json"),
    "asset_mode": ("/openApi/swap/v1/trade/assetMode", "asset_mode.json"),
    "premium_index": ("/openApi/swap/v2/quote/premiumIndex", "premium_index.json"),
    "commission": ("/openApi/swap/v2/user/commissionRate", "commission_rate.json"),
    "contracts": ("/openApi/swap/v2/quote/contracts", "contracts.json"),
    "rules": ("/openApi/swap/v1/trade/multiAssetsRules", "multi_assets_rules.json"),
    "margin_assets": ("/openApi/swap/v1/user/marginAssets", "margin_assets.json"),
    "time": ("/openApi/swap/v2/server/time", "server_time.json"),
}
PUBLIC = {
    "/openApi/swap/v2/quote/premiumIndex",
    "/openApi/swap/v2/quote/contracts",
    "/openApi/swap/v1/trade/multiAssetsRules",
    "/openApi/swap/v2/server/time",
}
BY_SYMBOL = {"/openApi/swap/v1/maintMarginRatio", "/openApi/swap/v2/trade/leverage"}
UNKNOWN_PATH = {
    "code": 100400,
    "msg": "this api is not exist, please refer to the API docs https://bingx-api.github.io/docs",
}
DENIED = {"code": 100004, "msg": "Permission denied as the API key was created without the permission"}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    if request.path in PUBLIC:
        assert "X-BX-APIKEY" not in request.headers
        assert [name for name, _ in parse_qsl(query)] == ["timestamp"]
        return
    assert request.headers["X-BX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), unquote(total).encode(), hashlib.sha256).hexdigest() == signature
    parameters = dict(parse_qsl(total, strict_parsing=True))
    symbol = {"symbol"} if request.path in BY_SYMBOL else set()
    assert set(parameters) == {"recvWindow", "timestamp"} | symbol
    assert list(parameters) == sorted(parameters)
    assert parameters["recvWindow"] == "5000"
    assert len(parameters["timestamp"]) == 13


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, changed)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(*, observer: QuietObserver | None = None, **changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check, observer=observer)


def row(**changed: Any) -> dict[str, Any]:
    """The documented cross row with some fields changed; `...` takes one away."""
    fields = {**document("positions.json")["data"][0], **changed}
    return {name: value for name, value in fields.items() if value is not ...}


def rows(*given_rows: Any) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": list(given_rows)}


async def position_of(**changed: Any) -> Position:
    return (await snapshot_of(positions=rows(row(**changed)))).positions[0]


HEDGED: dict[str, Any] = {
    "balance": payload(NAME, "hedged_balance.json"),
    "positions": payload(NAME, "hedged_positions.json"),
}
MULTI_MODE = {"code": 0, "msg": "", "data": {"assetMode": "multiAssetsMode"}}
MULTI_ASSETS: dict[str, Any] = {
    "asset_mode": MULTI_MODE,
    "balance": payload(NAME, "multi_assets_balance.json"),
    "positions": payload(NAME, "multi_assets_positions.json"),
}
READ_ONLY: dict[str, Any] = dict.fromkeys(
    ("position_mode", "asset_mode", "margin_assets", "commission"), DENIED
)


OLDER = "positions_older.json"
TIERS_OF_LTC = [{**tier, "symbol": "LTC-USDT"} for tier in document("maint_margin_ratio.json")["data"]]
ISOLATED = row(isolated=True, margin="1.5", riskRate="0.02", positionId="7")
SEPARATE = [row(isolated=True, margin="1.5", riskRate="0.02", positionId=name) for name in ("1001", "1002")]
MARKS = [{**document("premium_index.json")["data"], "symbol": symbol} for symbol in ("LTC-USDT", "BTC-USDT")]
IN_BITCOIN = [{**document("balance_v3.json")["data"][0], "asset": "BTC", "unrealizedProfit": "0"}]
DOCUMENTED = {
    BALANCE: "balance_v3.json",
    BALANCE_V2: "balance_v2.json",
    POSITIONS: "positions.json",
    TIERS: "maint_margin_ratio.json",
    LEVERAGE: "leverage.json",
    POSITION_MODE: "position_mode.json",
    ASSET_MODE: "asset_mode.json",
    MARK_PRICES: "premium_index.json",
    COMMISSION: "commission_rate.json",
    CONTRACTS: "contracts.json",
    RULES: "multi_assets_rules.json",
    MARGIN_ASSETS: "margin_assets.json",
    TIME: {**document("server_time.json"), "data": {"serverTime": VENUE_MS}},
}

BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        "documented balance and cross position": Scenario(DOCUMENTED, account="cross"),
        "balance of version 2 and an older isolated row": Scenario(
            {**DOCUMENTED, BALANCE: UNKNOWN_PATH, POSITIONS: OLDER}, account="older"
        ),
        "empty strings in a currency that was never used": Scenario(
            {
                **DOCUMENTED,
                BALANCE: "balance_v3_empty_usdc.json",
                POSITIONS: rows(),
                KEY_PERMISSIONS: "api_permissions.json",
            },
            account="empty",
        ),
        "hedged pair in documented tiers and an isolated position": Scenario(
            {**DOCUMENTED, BALANCE: "hedged_balance.json", POSITIONS: "hedged_positions.json"},
            account="hedged",
        ),
        "multi-assets mode: bitcoin backs a position that is settled in USDT": Scenario(
            {
                **DOCUMENTED,
                ASSET_MODE: MULTI_MODE,
                BALANCE: "multi_assets_balance.json",
                POSITIONS: "multi_assets_positions.json",
            },
            account="multi",
        ),
        "a short position with its largest size": Scenario(
            {
                **DOCUMENTED,
                POSITIONS: rows(row(positionSide="SHORT")),
                KEY_PERMISSIONS: "api_permissions_flags.json",
            },
            golden=False,
        ),
        "the fee of the list of contracts": Scenario(
            {
                **DOCUMENTED,
                COMMISSION: DENIED,
                BALANCE: "hedged_balance.json",
                POSITIONS: "hedged_positions.json",
            },
            golden=False,
        ),
        "cross position with its tiers": Scenario(
            {**DOCUMENTED, TIERS: {"code": 0, "data": TIERS_OF_LTC, "timestamp": 0}}, golden=False
        ),
        "isolated position": Scenario({**DOCUMENTED, POSITIONS: rows(ISOLATED)}, golden=False),
        "separate isolated positions": Scenario({**DOCUMENTED, POSITIONS: rows(*SEPARATE)}, golden=False),
        "marks of the price call": Scenario(
            {
                **DOCUMENTED,
                POSITIONS: rows(row(markPrice="")),
                MARK_PRICES: {"code": 0, "msg": "", "data": MARKS},
            },
            golden=False,
        ),
        "collateral that is no money": Scenario(
            {
                **DOCUMENTED,
                BALANCE: {"code": 0, "msg": "", "data": IN_BITCOIN},
                POSITIONS: rows(),
                MARK_PRICES: {"code": 0, "msg": "", "data": MARKS},
            },
            golden=False,
        ),
    },
    rows=Rows(
        scenario="cross position with its tiers",
        endpoint=POSITIONS,
        path=("data", 0),
        size="positionAmt",
        liquidation_price="liquidationPrice",
        price="markPrice",
    ),
    refused_time=(200, {"code": 100421, "msg": "Null timestamp or timestamp mismatch"}),
    failure=(200, {"code": 80012, "msg": "WORDS"}),
    optional=frozenset(
        {
            TIERS,
            LEVERAGE,
            POSITION_MODE,
            ASSET_MODE,
            MARK_PRICES,
            COMMISSION,
            CONTRACTS,
            RULES,
            MARGIN_ASSETS,
            KEY_PERMISSIONS,
        }
    ),
)


class Collections:
    """One account collected again and again from answers that change, at moments of a clock of its own."""

    def __init__(self, **changed: Any) -> None:
        self.moment = 0.0
        self.transport = MemoryTransport(answers(**changed), check, wall=self.wall)
        self.client = Client(QuietObserver(), wall=self.wall, elapsed=self.wall, transport=self.transport)
        self.venue = make_venue(NAME, "http://venue.test", CONFIG)
        self.api = self.client.account(self.venue)

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.client.__aexit__(*exc)

    def wall(self) -> float:
        return NOW + self.moment

    def answer(self, name: str, answer: Answer) -> None:
        self.transport.answers = {**self.transport.answers, PATHS[name][0]: answer}

    async def coins(self, moment: float) -> list[str]:
        self.moment = moment
        return [pool.currency for pool in (await self.venue.fetch(self.api)).pools]

    async def at(self, moment: float) -> list[str]:
        """The paths that a collection asks."""
        before = len(self.transport.asked)
        await self.coins(moment)
        return [one.path for one in self.transport.asked[before:]]
