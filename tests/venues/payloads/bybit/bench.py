"""Documented and captured accounts in each mode, and the rules of their requests."""

from __future__ import annotations

import copy
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._bybit import (
    COLLATERAL,
    INFO,
    POSITIONS,
    RISK_LIMIT,
    TICKERS,
    TIME,
    WALLET,
)
from exporter.venues._bybit import (
    KEY as KEY_CALL,
)
from tests.venues.bench import Bench, Call, Rows, Scenario, row_with
from tests.venues.harness import VENUE_MS, QuietObserver, decoded, payload

NAME = "bybit"
KEY = "TESTKEY"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
CONFIG = {"api_key": KEY, "api_secret": SECRET}

UNIFIED: Call = (WALLET, "accountType=UNIFIED")
CONTRACT: Call = (WALLET, "accountType=CONTRACT")
IN_USDT: Call = (POSITIONS, "settleCoin=USDT")
IN_USDC: Call = (POSITIONS, "settleCoin=USDC")
INVERSE: Call = (POSITIONS, "category=inverse")
OPTIONS: Call = (POSITIONS, "category=option")
OPTION_TICKERS: Call = (TICKERS, "category=option")

PUBLIC = {
    "/v5/market/time",
    "/v5/market/tickers",
    "/v5/market/risk-limit",
    "/v5/spot-margin-trade/collateral",
}
ASKED: dict[str, list[dict[str, str]]] = {
    "/v5/account/info": [{}],
    "/v5/account/wallet-balance": [{"accountType": "UNIFIED"}, {"accountType": "CONTRACT"}],
    "/v5/position/list": [
        {"category": "linear", "settleCoin": "USDT", "limit": "200"},
        {"category": "linear", "settleCoin": "USDC", "limit": "200"},
        {"category": "inverse", "limit": "200"},
        {"category": "option", "limit": "200"},
    ],
    "/v5/market/tickers": [
        {"category": "linear"},
        {"category": "inverse"},
        {"category": "option", "baseCoin": "BTC"},
    ],
    "/v5/spot-margin-trade/collateral": [{}],
    "/v5/market/time": [{}],
    "/v5/user/query-api": [{}],
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, strict_parsing=bool(query)))
    if request.path == "/v5/market/risk-limit":
        assert set(parameters) == {"category", "symbol"}
    else:
        cursor = parameters.pop("cursor", "")
        assert "%" not in cursor
        assert parameters in ASKED[request.path]
    if request.path in PUBLIC:
        assert not any(name.upper().startswith("X-BAPI-") for name in request.headers)
        return
    stamp, window = request.headers["X-BAPI-TIMESTAMP"], request.headers["X-BAPI-RECV-WINDOW"]
    assert request.headers["X-BAPI-API-KEY"] == KEY
    assert len(stamp) == 13
    assert window == "5000"
    expected = hmac.new(SECRET.encode(), f"{stamp}{KEY}{window}{query}".encode(), hashlib.sha256).hexdigest()
    assert request.headers["X-BAPI-SIGN"] == expected


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(**result: Any) -> dict[str, Any]:
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": VENUE_MS}


def info(mode: str = "REGULAR_MARGIN", status: int = 5) -> dict[str, Any]:
    answer = document("account_info.json")
    answer["result"] |= {"marginMode": mode, "unifiedMarginStatus": status}
    return dict(answer)


def row(**changed: Any) -> dict[str, Any]:
    """The captured linear row with some fields changed; `...` takes one away."""
    return row_with(document("positions_linear.json")["result"]["list"][0], **changed)


def inverse_row(**changed: Any) -> dict[str, Any]:
    """The documented inverse row, likewise."""
    return row_with(document("positions_inverse.json")["result"]["list"][0], **changed)


def positions(*rows: Any, cursor: str = "") -> dict[str, Any]:
    return success(list=list(rows), nextPageCursor=cursor, category="linear")


def coin(**changed: Any) -> dict[str, Any]:
    return {**document("wallet_balance.json")["result"]["list"][0]["coin"][0], **changed}


def wallet(*coins: Any, file: str = "wallet_balance.json", **changed: Any) -> dict[str, Any]:
    """The documented wallet with other coins and figures."""
    answer = copy.deepcopy(document(file))
    found = answer["result"]["list"][0]
    found |= changed
    if coins:
        found["coin"] = list(coins)
    return dict(answer)


def tiers(symbol: str, *steps: tuple[str, str, str, str]) -> dict[str, Any]:
    """Risk limits from (limit, maintenance, highest leverage, deduction), in fractions."""
    return success(
        category="linear",
        list=[
            {
                "id": number,
                "symbol": symbol,
                "riskLimitValue": limit,
                "maintenanceMargin": rate,
                "initialMargin": str(1 / float(leverage)),
                "isLowestRisk": int(number == 1),
                "maxLeverage": leverage,
                "mmDeduction": deduction,
            }
            for number, (limit, rate, leverage, deduction) in enumerate(steps, 1)
        ],
    )


LTC_TIERS = tiers("LTCUSDT", ("200000", "0.01", "50", ""), ("400000", "0.02", "25", "2000"))
NEAR_TIERS = tiers("LTCUSDT", ("80", "0.01", "50", ""), ("400000", "0.02", "25", "0.8"))
OPTION = row(
    symbol="BTC-25SEP26-80000-C-USDT",
    size="0.02",
    avgPrice="10000",
    markPrice="10295.04",
    leverage="",
    adlRankIndicator=0,
    unrealisedPnl="5.9008",
    delta="0.01",
    gamma="0.00000123",
    vega="1.3",
    theta="-0.9",
    positionIM="",
    positionMM="",
)
CALL, PUT = "BTC-29DEC23-40000-C-USDT", "BTC-29DEC23-33000-P"


def option_ticker(symbol: str, **changed: Any) -> dict[str, Any]:
    """The documented ticker of an option with another symbol and other figures."""
    return {**document("tickers_option.json")["result"]["list"][0], "symbol": symbol, **changed}


# A call that was sold, which requires 0.032 of its underlying beside its mark, and a put that was bought.
SOLD = row(
    symbol=CALL, side="Sell", size="0.5", avgPrice="1700", markPrice="1533.84", unrealisedPnl="83.08",
    curRealisedPnl="0", leverage="", liqPrice="", adlRankIndicator=0, positionIM="2000", positionMM="1352.52",
)  # fmt: skip
BOUGHT = row(
    symbol=PUT, side="Buy", size="0.2", avgPrice="1400", markPrice="1446.43", unrealisedPnl="9.286",
    curRealisedPnl="0", leverage="", liqPrice="", adlRankIndicator=0, positionIM="0", positionMM="0",
)  # fmt: skip
TICKERS_OF_OPTIONS = success(
    category="option",
    list=[
        option_ticker(CALL, markIv="0.55", underlyingPrice="36600", indexPrice="36500"),
        option_ticker(PUT, markIv="0.6", underlyingPrice="36600", indexPrice="36500"),
    ],
)
WITH_OPTIONS = {
    "totalEquity": "20522.366",
    "totalMarginBalance": "21000",
    "totalAvailableBalance": "19000",
    "totalInitialMargin": "2000",
    "totalMaintenanceMargin": "1352.52",
    "accountIMRate": "0.0952",
    "accountMMRate": "0.0644",
    "totalWalletBalance": "21000",
    "totalPerpUPL": "0",
}
# An account in portfolio margin, as captured with its stress tests: an option and a perpetual contract.
PORTFOLIO = {
    "totalEquity": "52197.86892104",
    "totalMarginBalance": "52145.70917115",
    "totalAvailableBalance": "50893.36062347",
    "totalInitialMargin": "1304.50829757",
    "totalMaintenanceMargin": "1069.93399838",
    "accountIMRate": "0.0249",
    "accountMMRate": "0.0204",
    "totalWalletBalance": "45391.74423708",
    "totalPerpUPL": "6753.96493407",
}
USDT = {"coin": "USDT", "equity": "9417.2", "walletBalance": "9409.399375", "usdValue": "9415.31656"}
HELD_APART = coin(
    equity="0.05010587",
    walletBalance="0.0504",
    usdValue="1414.21312815",
    unrealisedPnl="-0.00029413",
    totalPositionIM="0.00139186",
)
NO_POSITIONS = positions()
TICKER = document("tickers.json")["result"]["list"][0]
BARE: dict[Any, Any] = {
    INFO: info(),
    UNIFIED: "wallet_balance_captured.json",
    IN_USDT: "positions_linear.json",
    IN_USDC: NO_POSITIONS,
    INVERSE: NO_POSITIONS,
    OPTIONS: NO_POSITIONS,
    RISK_LIMIT: LTC_TIERS,
    COLLATERAL: success(list=[]),
    TICKERS: success(list=[]),
    OPTION_TICKERS: success(list=[]),
}
"""Without prices and ratios: each number of an answer is measured in each account that has it."""
DOCUMENTED: dict[Any, Any] = {
    **BARE,
    COLLATERAL: "collateral.json",
    TICKERS: success(list=[{**TICKER, "symbol": "LTCUSDT", "nextFundingTime": "1700006400000"}]),
    KEY_CALL: "api_key.json",
    TIME: success(timeSecond=str(VENUE_MS // 1000), timeNano=str(VENUE_MS * 1_000_000)),
}
ON_INVERSE: dict[Any, Any] = {
    **BARE,
    UNIFIED: "wallet_balance.json",
    IN_USDT: NO_POSITIONS,
    INVERSE: "positions_inverse.json",
    RISK_LIMIT: "risk_limit.json",
}
OLDER = {
    **ON_INVERSE,
    INFO: "account_info.json",
    UNIFIED: wallet(
        USDT,
        totalMaintenanceMargin="0",
        accountIMRate="0",
        totalInitialMargin="0",
        totalAvailableBalance="18070.32797922",
    ),
    CONTRACT: wallet(HELD_APART, **dict.fromkeys(("totalEquity", "totalMarginBalance", "accountMMRate"), "")),
}


async def snapshot_of(
    changed: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "cross"
) -> AccountSnapshot:
    return await BENCH.snapshot(scenario, changed, observer)


BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        "cross": Scenario(DOCUMENTED, account="cross"),
        "inverse": Scenario(
            {**ON_INVERSE, COLLATERAL: "collateral.json", TICKERS: "tickers.json"}, account="inverse"
        ),
        "isolated": Scenario(
            {
                **BARE,
                INFO: info("ISOLATED_MARGIN"),
                UNIFIED: wallet(
                    {
                        **USDT,
                        "unrealisedPnl": "7.800625",
                        "totalPositionIM": "12.95542633",
                        "totalOrderIM": "0",
                    },
                    **dict.fromkeys(("totalEquity", "totalMarginBalance", "accountMMRate"), ""),
                ),
                IN_USDT: positions(row(positionBalance="12.95542633", liqPrice="54.32")),
            },
            account="isolated",
        ),
        "portfolio": Scenario(
            {
                **BARE,
                INFO: info("PORTFOLIO_MARGIN", 6),
                UNIFIED: wallet(file="wallet_balance_captured.json", **PORTFOLIO),
                IN_USDT: positions(row(positionIM="", positionMM="", leverage="")),
                OPTIONS: positions(OPTION),
                OPTION_TICKERS: success(
                    list=[option_ticker(OPTION["symbol"], underlyingPrice="36600", indexPrice="36500")]
                ),
            },
            account="portfolio",
        ),
        "options": Scenario(
            {
                **BARE,
                UNIFIED: wallet(
                    {**USDT, "equity": "19233.08", "walletBalance": "20000", "usdValue": "19233.08"},
                    {
                        **USDT,
                        "coin": "USDC",
                        "equity": "1289.286",
                        "walletBalance": "1000",
                        "usdValue": "1289.286",
                    },
                    file="wallet_balance_captured.json",
                    **WITH_OPTIONS,
                ),
                IN_USDT: NO_POSITIONS,
                OPTIONS: positions(SOLD, BOUGHT),
                OPTION_TICKERS: TICKERS_OF_OPTIONS,
            },
            account="options",
        ),
        "older": Scenario(OLDER, account="older"),
        "hedge mode, tiers with a border nearby": Scenario(
            {
                **BARE,
                RISK_LIMIT: NEAR_TIERS,
                IN_USDT: positions(
                    row(positionIdx=1, positionMM="", liqPrice="40.5"),
                    row(positionIdx=2, positionMM="", side="Sell", size="0.2"),
                ),
            },
            golden=False,
        ),
        "inverse contracts that are apart and isolated": Scenario(
            {**OLDER, INVERSE: positions(inverse_row(tradeMode=1))}, golden=False
        ),
        "more of a coin than counts in full": Scenario(
            {
                **ON_INVERSE,
                COLLATERAL: success(
                    list=[
                        {
                            "currency": "BTC",
                            "collateralRatioList": [
                                {"minQty": "0", "maxQty": "0.5", "collateralRatio": "0.85"},
                                {"minQty": "0.5", "maxQty": "", "collateralRatio": "0.4"},
                            ],
                        }
                    ]
                ),
            },
            golden=False,
        ),
    },
    rows=Rows(
        scenario="cross",
        endpoint=IN_USDT,
        path=("result", "list", 0),
        size="size",
        liquidation_price="liqPrice",
        identity="symbol",
        price="markPrice",
    ),
    refused_time=(200, document("errors.json")[0]["body"]),
    failure=(200, {"retCode": 10016, "retMsg": "WORDS", "result": {}}),
    optional=frozenset({RISK_LIMIT, COLLATERAL, TICKERS, KEY_CALL}),
)
