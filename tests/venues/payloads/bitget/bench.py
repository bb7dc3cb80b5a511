"""Documented and captured accounts, classic and unified, and the rules of their requests."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._bitget import (
    ASSETS,
    CLASSIC_ACCOUNTS,
    CLASSIC_DISCOUNTS,
    CLASSIC_KEY,
    CLASSIC_PLACES,
    CLASSIC_POSITIONS,
    CLASSIC_TIERS,
    COLLATERAL,
    DISCOUNTS,
    FUNDING,
    INDEX,
    KEY,
    MARKS,
    PLACES,
    POSITIONS,
    SETTINGS,
    TIERS,
    TIME,
)
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import VENUE_MS, QuietObserver, decoded, payload

NAME = "bitget"
KEY_ID = "TESTKEY"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
PASSPHRASE = "PASS-PHRASE"
CREDENTIALS = {"api_key": KEY_ID, "api_secret": SECRET, "passphrase": PASSPHRASE}

PRODUCTS = ("USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES")
ASKED: dict[str, set[str]] = {
    "/api/v2/mix/account/accounts": {"productType"},
    "/api/v2/mix/position/all-position": {"productType"},
    "/api/v2/mix/market/tickers": {"productType"},
    "/api/v2/mix/market/current-fund-rate": {"productType"},
    "/api/v2/mix/position/adlRank": {"productType"},
    "/api/v2/mix/market/query-position-lever": {"productType", "symbol"},
    "/api/v2/mix/market/symbol-price": {"productType", "symbol"},
    "/api/v3/position/current-position": {"category"},
    "/api/v3/market/position-tier": {"category", "symbol"},
}
PUBLIC = ("/api/v2/mix/market/", "/api/v3/market/", "/api/v2/public/")


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, strict_parsing=bool(query)))
    assert parameters.keys() == ASKED.get(request.path, set())
    assert {parameters.get("productType"), parameters.get("category")} <= {*PRODUCTS, None}
    assert "paptrading" not in request.headers
    if request.path.startswith(PUBLIC):
        assert not any(name.upper().startswith("ACCESS-") for name in request.headers)
        return
    stamp = request.headers["ACCESS-TIMESTAMP"]
    assert stamp.startswith("170000000")
    assert len(stamp) == 13
    assert request.headers["ACCESS-KEY"] == KEY_ID
    assert request.headers["ACCESS-PASSPHRASE"] == PASSPHRASE
    digest = hmac.new(SECRET.encode(), f"{stamp}GET{request.raw_path}".encode(), hashlib.sha256).digest()
    assert request.headers["ACCESS-SIGN"] == base64.b64encode(digest).decode()


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(data: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "data": data}


def printed(data: Any) -> dict[str, Any]:
    return {**success(data), "requestTime": 1754035547922}


READ = (
    *("marginCoin", "symbol", "holdSide", "marginSize", "total", "leverage", "achievedProfits"),
    *("openPriceAvg", "marginMode", "posMode", "unrealizedPL", "liquidationPrice", "keepMarginRate"),
    *("markPrice", "totalFee", "marginRatio", "cTime"),
)


def classic(**changed: Any) -> dict[str, Any]:
    """What is read of the documented isolated position, with some fields changed; `...` takes one away."""
    row = document("positions_classic.json")["data"][0]
    return row_with({name: row[name] for name in READ}, **changed)


def account(**changed: Any) -> dict[str, Any]:
    """The captured coin of a classic account with some fields changed."""
    return row_with(document("accounts.json")["data"][0], **changed)


def unified(**changed: Any) -> dict[str, Any]:
    """What is read of the captured position of a unified account, with some fields changed."""
    row = document("positions.json")["data"]["list"][0]
    read = (
        *(
            "symbol",
            "marginCoin",
            "holdMode",
            "posSide",
            "marginMode",
            "positionBalance",
            "total",
            "leverage",
        ),
        *("curRealisedPnl", "avgPrice", "unrealisedPnl", "liquidationPrice", "mmr", "markPrice"),
        "totalFunding",
    )
    return row_with({name: row[name] for name in read}, **changed)


def assets(**changed: Any) -> dict[str, Any]:
    """The documented unified account with other figures."""
    answer = copy.deepcopy(document("assets.json"))
    answer["data"] |= changed
    return dict(answer)


def settings(level: str = "advanced", **changed: Any) -> dict[str, Any]:
    return success({"accountMode": "unified", "accountLevel": level, "holdMode": "one_way_mode", **changed})


def tiers(*steps: tuple[str, str, str, str]) -> dict[str, Any]:
    """What is read of classic tiers: where each begins and ends, highest leverage, rate."""
    names = ("startUnit", "endUnit", "leverage", "keepMarginRate")
    return success([dict(zip(names, step, strict=True)) for step in steps])


PLACE = {"symbol": "BTCUSDT", "marginCoin": "USDT", "adlRank": "0.4872", "holdSide": "long"}
"""Documented figures of a place in the queue of auto-deleveraging; of classic accounts it is `rank`."""
ANNOUNCED = tiers(("0", "200000", "150", "0.004"), ("200000", "1000000", "100", "0.005"))
"""The tiers of the venue's example of 2025-11-10."""
BEFORE, AFTER = "1762761599000", "1762761600000"
"""When the way in which tiers count was changed."""
NOT_UNIFIED = {"code": "40084", "msg": "You are in Classic Account mode", "data": None}
NOT_CLASSIC = {"code": "40085", "msg": "You are in Unified Account mode", "data": None}


def index(symbol: str, price: str) -> dict[str, Any]:
    """What is read of the prices of a contract."""
    return success([{"symbol": symbol, "indexPrice": price}])


def of_products(endpoint: Any, usdt: Any = None, coin: Any = None, *, parameter: str) -> dict[Any, Any]:
    """The answers of a call that is made for each product."""
    answers = (usdt, None, coin)
    empty = success([]) if parameter == "productType" else success({"list": None})
    return {
        (endpoint, f"{parameter}={product}"): empty if answer is None else answer
        for product, answer in zip(PRODUCTS, answers, strict=True)
    }


def in_classic(
    accounts: Any, positions: Any = None, coins: Any = None, coin_positions: Any = None, **_: Any
) -> dict[Any, Any]:
    """A classic account of USDT, and one of coins beside it."""
    return {
        SETTINGS: NOT_UNIFIED,
        **of_products(CLASSIC_ACCOUNTS, accounts, coins, parameter="productType"),
        **of_products(CLASSIC_POSITIONS, positions, coin_positions, parameter="productType"),
        CLASSIC_TIERS: ANNOUNCED,
        FUNDING: document("funding.json"),
        CLASSIC_PLACES: printed([{**PLACE, "adlRank": "0.2248", "rank": "0.7752"}]),
    }


def in_unified(
    positions: Any = None, *, level: str = "advanced", coins: Any = None, **changed: Any
) -> dict[Any, Any]:
    return {
        SETTINGS: settings(level),
        ASSETS: assets(**changed),
        **of_products(POSITIONS, positions, coins, parameter="category"),
        TIERS: "tiers.json",
        FUNDING: document("funding.json"),
        PLACES: printed([PLACE]),
        DISCOUNTS: success([{"coin": "BGB", "list": [{"tierStartValue": "0", "discountRate": "0.8"}]}]),
        COLLATERAL: success({"collateralType": "custom", "collateralCoins": "USDT,USDC"}),
    }


PAIR = (
    classic(
        marginMode="crossed",
        total="0.04",
        unrealizedPL="4",
        marginSize="50.2",
        marginRatio="0.0812",
        liquidationPrice="-100.5",
        cTime=BEFORE,
    ),
    classic(
        marginMode="crossed",
        holdSide="short",
        total="0.01",
        unrealizedPL="-1",
        marginSize="12.55",
        marginRatio="0.0812",
        liquidationPrice="0",
        cTime=AFTER,
    ),
)
"""Long and short of one symbol, the one opened before the rule for tiers was changed, the other after it."""
EXAMPLE = classic(
    marginMode="crossed",
    total="3",
    openPriceAvg="110000",
    markPrice="110000",
    unrealizedPL="0",
    marginSize="16500",
    marginRatio="",
    keepMarginRate="0.005",
    liquidationPrice="",
    cTime=AFTER,
)
"""The position of the venue's example of how tiers count."""
IN_COINS = classic(
    symbol="BTCUSD",
    marginCoin="BTC",
    marginMode="crossed",
    posMode="one_way_mode",
    total="0.5",
    openPriceAvg="60000",
    markPrice="62000",
    unrealizedPL="0.016129032258",
    marginSize="0.05",
    leverage="10",
    marginRatio="0.0061",
    liquidationPrice="36000.5",
)
COIN = account(
    marginCoin="BTC",
    accountEquity="0.4",
    usdtEquity="24804.96",
    available="0.35",
    maxTransferOut="0.34",
    crossedRiskRate="0.0061",
    unrealizedPL="0.016129032258",
    crossedMargin="0.05",
)
UNION = {
    **{
        name: value
        for name, value in document("accounts_union.json")["data"][0].items()
        if name not in {"isolatedMargin", "isolatedUnrealizedPL"}
    },
    "accountEquity": "-4767.74182959",
    "usdtEquity": "-4767.74182959",
    "available": "82755.86971252",
    "crossedRiskRate": "0.0028",
    "crossedUnrealizedPL": "-72.82",
    "unionTotalMargin": "83644.59",
    "unionAvailable": "82755.86971252",
    "unionMm": "238.387",
    "assetList": [{"coin": "BTC", "balance": "1.2", "available": "1.2"}],
}
"""A captured account in union mode, which owes USDT; what the venue counts of its coins was not captured."""
IN_UNION = classic(
    holdSide="short",
    marginMode="crossed",
    marginSize="103.19",
    total="0.0155",
    leverage="14",
    achievedProfits="8.605",
    openPriceAvg="88505.23",
    unrealizedPL="-72.82",
    liquidationPrice="5737867.86",
    markPrice="93203.4",
    marginRatio="0.00285",
    totalFee="-56.83",
    cTime="1766103799183",
)


async def snapshot_of(
    changed: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "unified"
) -> AccountSnapshot:
    return await BENCH.snapshot(scenario, changed, observer)


BENCH = Bench(
    venue=NAME,
    config=CREDENTIALS,
    check=check,
    scenarios={
        "classic": Scenario(
            {
                **in_classic("accounts.json", "positions_classic.json"),
                CLASSIC_TIERS: "tiers_classic.json",
                TIME: success({"serverTime": str(VENUE_MS)}),
                MARKS: "tickers.json",
                KEY: NOT_UNIFIED,
                CLASSIC_KEY: "key_classic.json",
            },
            account="classic",
        ),
        "as announced": Scenario(
            in_classic(success([account(crossedRiskRate="", accountEquity="9000")]), success([EXAMPLE])),
            account="announced",
        ),
        "without tiers": Scenario(
            {
                **in_classic(
                    success([account(crossedRiskRate="", accountEquity="9000")]), success([EXAMPLE])
                ),
                CLASSIC_TIERS: success([]),
            },
            golden=False,
        ),
        "hedged and in coins": Scenario(
            {
                **in_classic(
                    success([account(accountEquity="70.1", unrealizedPL="", crossedUnrealizedPL="3")]),
                    success(list(PAIR)),
                    success([COIN, account(marginCoin="ETH", accountEquity="0", usdtEquity="0")]),
                    success([IN_COINS]),
                ),
                (INDEX, "symbol=BTCUSD"): index("BTCUSD", "62000"),
                (INDEX, "symbol=BTCUSDT"): index("BTCUSDT", "62012.4"),
            },
            account="coins",
        ),
        "union": Scenario(
            {
                **in_classic(success([UNION]), success([IN_UNION])),
                CLASSIC_DISCOUNTS: "discounts_classic.json",
                INDEX: "symbol_price.json",
            },
            account="union",
        ),
        "unified": Scenario(
            {
                **in_unified("positions.json", mmr="0.4941", imr="5.4352", mgnRatio="0.0798"),
                SETTINGS: "settings.json",
                KEY: "key.json",
            },
            account="unified",
        ),
        "unified with several coins": Scenario(
            {
                **in_unified(
                    success({"list": [unified()]}),
                    assets=[
                        *document("assets.json")["data"]["assets"],
                        {"coin": "ETH", "equity": "20", "usdValue": "60000", "balance": "20"},
                    ],
                ),
                DISCOUNTS: "discounts.json",
                COLLATERAL: success({"collateralType": "all", "collateralCoins": ""}),
            },
            golden=False,
        ),
        "unified without tiers": Scenario(
            {**in_unified(success({"list": [unified()]})), TIERS: success([])}, golden=False
        ),
        "unified, isolated": Scenario(
            in_unified(
                success({"list": [unified(marginMode="isolated", liquidationPrice="102410.5")]}),
                level="isolated",
                effEquity="0",
            ),
            account="isolated",
        ),
    },
    rows=Rows(
        scenario="classic",
        endpoint=(CLASSIC_POSITIONS, "productType=USDT-FUTURES"),
        path=("data", 0),
        size="total",
        liquidation_price="liquidationPrice",
        identity="symbol",
        price="markPrice",
    ),
    refused_time=(400, document("errors.json")[0]["body"]),
    failure=(200, {"code": "45001", "msg": "WORDS", "data": None}),
    optional=frozenset(
        {
            *(TIERS, DISCOUNTS, COLLATERAL, CLASSIC_TIERS, CLASSIC_DISCOUNTS, INDEX, KEY, CLASSIC_KEY),
            *(FUNDING, PLACES, CLASSIC_PLACES),
        }
    ),
)
