"""Documented answers, the worked example of the venue's page on its rules, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from exporter.venues import _binance_pm_pro as pro
from exporter.venues._binance_keys import KEY_RESTRICTIONS
from exporter.venues._binance_pm import ACCOUNT, BALANCE, CM, COLLATERAL_RATE, INDEX_PRICE, TIME, UM
from tests.venues.bench import Bench, Rows, Scenario
from tests.venues.harness import NOW, VENUE_MS, decoded, payload

NAME = "binance_pm"
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"api_key": KEY, "api_secret": SECRET}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    signed = {endpoint.path for endpoint in pro.ENDPOINTS} | {KEY_RESTRICTIONS.path}
    if request.path.startswith("/papi/") or request.path in signed:
        assert request.headers["X-MBX-APIKEY"] == KEY
        total, _, signature = query.rpartition("&signature=")
        assert hmac.new(SECRET.encode(), total.encode(), hashlib.sha256).hexdigest() == signature
        parameters = parse_qs(total, strict_parsing=True)
        assert set(parameters) == {"timestamp", "recvWindow"}
        assert parameters["recvWindow"] == ["5000"]
        return
    assert query == ""
    # Market data of the spot host wants the key alone.
    keyed = request.path == "/sapi/v1/portfolio/collateralRate"
    assert request.headers.get("X-MBX-APIKEY") == (KEY if keyed else None)


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def listed(file: str, *symbols: tuple[str, str, str, str]) -> Any:
    """The documented exchange information with its one row repeated for other symbols."""
    information = document(file)
    (example,) = information["symbols"]
    names = ("symbol", "baseAsset", "quoteAsset", "marginAsset")
    information["symbols"] = [{**example, **dict(zip(names, one, strict=True))} for one in symbols]
    return information


UM_LISTED = listed(
    "um_exchange_info.json", *((symbol, "BTC", "USDT", "USDT") for symbol in ("BTCUSDT", "BTCUSDT_210326"))
)
CM_LISTED = listed(
    "cm_exchange_info.json", *((symbol, "BTC", "USD", "BTC") for symbol in ("BTCUSD_PERP", "BTCUSD_201225"))
)

DOCUMENTED = {
    ACCOUNT: "account.json",
    BALANCE: "balance.json",
    UM.positions: "um_position_risk.json",
    CM.positions: "cm_position_risk.json",
    UM.account: "um_account.json",
    CM.account: "cm_account.json",
    UM.brackets: "um_leverage_bracket.json",
    CM.brackets: "cm_leverage_bracket.json",
    COLLATERAL_RATE: "collateral_rate.json",
    INDEX_PRICE: "asset_index_price.json",
    UM.exchange_info: UM_LISTED,
    CM.exchange_info: CM_LISTED,
    UM.premium_index: "um_premium_index.json",
    CM.premium_index: "cm_premium_index.json",
    TIME: {**document("time.json"), "serverTime": VENUE_MS},
}

# The example of https://www.binance.com/en/support/faq/4868b2f1aa6c4d08af973328462bb0bd . It gives neither
# index prices nor collateral rates: these are made for it, and the totals with them.
PRICES = {"USDT": 1.0, "BTC": 41_000.0, "ETH": 2_500.0}
RATES = {"USDT": 1.0, "BTC": 0.95, "ETH": 0.9}


def row(file: str, **changed: Any) -> dict[str, Any]:
    """The documented row of a position with some fields changed."""
    return {**document(file)[0], "liquidationPrice": "0", **changed}


def coin(asset: str, **amounts: str) -> dict[str, Any]:
    """The documented balance of a coin with these amounts, and no others."""
    zero = {name: "0.00000000" for name in document("balance.json")[0] if name not in ("asset", "updateTime")}
    return {**zero, "asset": asset, "updateTime": 1617939110373, **amounts}


def bracket(symbol: str, **limits: float) -> dict[str, Any]:
    return {"symbol": symbol, "brackets": [{"maintMarginRatio": 0.005, "cum": 0.0, **limits}]}


EXAMPLE_UM = [
    row(
        "um_position_risk.json",
        positionAmt="-0.05",
        entryPrice="52000",
        markPrice="40000",
        positionSide="BOTH",
    )
    | {"unRealizedProfit": "600", "notional": "-2000"},
    row(
        "um_position_risk.json",
        positionAmt="0.04",
        entryPrice="52350",
        markPrice="42000",
        positionSide="BOTH",
    )
    | {"symbol": "BTCUSDT_210326", "unRealizedProfit": "-414", "notional": "1680"},
]
EXAMPLE_CM = [
    row(
        "cm_position_risk.json", positionAmt="100", entryPrice="50000", markPrice="40000", positionSide="BOTH"
    )
    | {"symbol": "BTCUSD_PERP", "unRealizedProfit": "-0.05"}
]
EXAMPLE = {
    **DOCUMENTED,
    ACCOUNT: {
        **document("account.json"),
        "uniMMR": "5.45241173",
        "accountEquity": "21720.5",
        "actualEquity": "23196",
        "accountMaintMargin": "3983.65",
        "totalAvailableBalance": "17,736.85",
    },
    BALANCE: [
        coin("USDT", crossMarginFree="1000", umWalletBalance="5000", umUnrealizedPNL="186"),
        coin("BTC", crossMarginFree="0.1", crossMarginBorrowed="0.04", cmWalletBalance="0.1")
        | {"cmUnrealizedPNL": "-0.05"},
        coin("ETH", crossMarginFree="20", crossMarginBorrowed="15"),
        coin("BNB"),
    ],
    UM.positions: EXAMPLE_UM,
    CM.positions: EXAMPLE_CM,
    UM.brackets: [
        bracket(symbol, notionalFloor=0.0, notionalCap=50_000.0) for symbol in ("BTCUSDT", "BTCUSDT_210326")
    ],
    CM.brackets: [bracket("BTCUSD_PERP", qtyFloor=0.0, qtyCap=50.0)],
    COLLATERAL_RATE: [{"asset": name, "collateralRate": str(rate)} for name, rate in RATES.items()],
    INDEX_PRICE: [
        {"asset": name, "assetIndexPrice": str(price), "time": int(NOW * 1000)}
        for name, price in PRICES.items()
    ],
}
WITH_MARGINS = {
    **EXAMPLE,
    UM.account: {
        "positions": [
            {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-0.05"}
            | {"maintMargin": "10", "initialMargin": "100"},
        ]
    },
    CM.account: {
        "positions": [
            {"symbol": "BTCUSD_PERP", "positionSide": "BOTH", "positionAmt": "100"}
            | {"maintMargin": "0.00125", "initialMargin": "0.0125"},
        ]
    },
    # The position's own margin says which reading of the brackets is right: the one with scaled limits.
    UM.brackets: [
        {
            "symbol": "BTCUSDT",
            "notionalCoef": 1.5,
            "brackets": [
                {"notionalFloor": 0, "notionalCap": 1_500, "maintMarginRatio": 0.005, "cum": 0},
                {"notionalFloor": 1_500, "notionalCap": 90_000, "maintMarginRatio": 0.01, "cum": 7.5},
            ],
        }
    ],
}
EMPTY = {
    **DOCUMENTED,
    ACCOUNT: {
        **dict.fromkeys(document("account.json"), "0.00000000"),
        "accountStatus": "NORMAL",
        "uniMMR": "99999999.99999999",
    },
    BALANCE: [],
    UM.positions: [],
    CM.positions: [],
}
NOT_IN_THAT_MODE = web.json_response(
    {"code": -21001, "msg": "Request ID is not a Portfolio Margin Account."}, status=400
)


def _of(venue: str, file: str) -> Any:
    return decoded(payload(venue, file))


# At the futures' own calls, in their documented answers.
UM_ROW = {**_of("binance_usdm", "position_risk.json")[0], "symbol": "BTCUSDT"}
CM_ROW = _of("binance_coinm", "position_risk_one_way.json")[0]
IN_PRO = {
    **DOCUMENTED,
    ACCOUNT: NOT_IN_THAT_MODE,
    pro.PRO.account: "pro_account.json",
    pro.BALANCE: "pro_balance.json",
    pro.UM.positions: [UM_ROW],
    pro.UM.account: {
        **_of("binance_usdm", "account_single_asset.json"),
        "positions": [
            {
                **_of("binance_usdm", "account_real_rows.json")["positions"][0],
                **{name: UM_ROW[name] for name in ("symbol", "positionSide", "positionAmt", "maintMargin")},
            }
        ],
    },
    pro.UM.brackets: [{**_of("binance_usdm", "leverage_bracket.json")[0], "symbol": "BTCUSDT"}],
    pro.CM.positions: [CM_ROW],
    pro.CM.account: _of("binance_coinm", "account_one_way.json"),
    pro.CM.brackets: [{**_of("binance_coinm", "leverage_bracket.json")[0], "notionalCoef": 1}],
}


def _like(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A row of one call with what another call says of the same."""
    return {**row, **{name: value for name, value in other.items() if name in row}}


UM_MARGINS = {
    **_of("binance_usdm", "account_single_asset.json")["positions"][0],
    **WITH_MARGINS[UM.account]["positions"][0],
}
CM_MARGINS = {
    **_of("binance_coinm", "account_one_way.json")["positions"][1],
    **WITH_MARGINS[CM.account]["positions"][0],
}
PRO_EXAMPLE = {
    **WITH_MARGINS,
    ACCOUNT: NOT_IN_THAT_MODE,
    pro.PRO.account: _like(document("pro_account.json"), EXAMPLE[ACCOUNT]),
    pro.BALANCE: [{**document("pro_balance.json")[0], **one} for one in EXAMPLE[BALANCE]],
    pro.UM.positions: [_like(UM_ROW, EXAMPLE_UM[0])],
    pro.UM.account: {**_of("binance_usdm", "account_single_asset.json"), "positions": [UM_MARGINS]},
    pro.UM.brackets: WITH_MARGINS[UM.brackets],
    pro.CM.positions: [_like(CM_ROW, EXAMPLE_CM[0])],
    pro.CM.account: {**_of("binance_coinm", "account_one_way.json"), "positions": [CM_MARGINS]},
    pro.CM.brackets: [{**_of("binance_coinm", "leverage_bracket.json")[0], "notionalCoef": 1}],
}
IN_SPAN = {**IN_PRO, pro.PRO.account: NOT_IN_THAT_MODE, pro.SPAN.account: "span_account.json"}

PRODUCTS = (UM, CM, pro.UM, pro.CM)
BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        "documented answers": Scenario(DOCUMENTED, account="documented"),
        "worked example": Scenario(EXAMPLE, account="example"),
        "positions with their own margins": Scenario(
            {**WITH_MARGINS, TIME: {"serverTime": int(NOW * 1000) + 250}}, golden=False
        ),
        "losses of open orders": Scenario(
            {**EXAMPLE, ACCOUNT: {**EXAMPLE[ACCOUNT], "uniMMR": "5.2"}}, golden=False
        ),
        "empty account": Scenario({**EMPTY, KEY_RESTRICTIONS: "api_restrictions.json"}, golden=False),
        "Portfolio Margin Pro": Scenario(IN_PRO, account="pro"),
        "worked example in Portfolio Margin Pro": Scenario(PRO_EXAMPLE, golden=False),
        "worked example in Portfolio Margin Pro without margins of COIN-M": Scenario(
            {**PRO_EXAMPLE, pro.CM.account: {"positions": []}}, golden=False
        ),
        "Portfolio Margin Pro by scenarios": Scenario(
            {**IN_SPAN, pro.BALANCE: [{**document("pro_balance.json")[0], "optionEquity": "3"}]},
            account="span",
        ),
    },
    rows=Rows(
        scenario="documented answers",
        endpoint=UM.positions,
        path=(0,),
        size="positionAmt",
        liquidation_price="liquidationPrice",
        price="markPrice",
    ),
    refused_time=(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}),
    failure=(400, {"code": -1102, "msg": "WORDS"}),
    needed={
        **{one.account: frozenset({"accountEquity", "accountMaintMargin"}) for one in pro.PROGRAMS},
        **{one.balance: frozenset({"[].asset"}) for one in pro.PROGRAMS},
        **{one.positions: frozenset({"[].symbol", "[].positionAmt"}) for one in PRODUCTS},
        **{one.account: frozenset({"positions", "positions[].symbol"}) for one in PRODUCTS},
        **{one.brackets: frozenset({"[].symbol", "[].brackets"}) for one in PRODUCTS},
        UM.exchange_info: frozenset({"symbols", "symbols[].symbol"}),
        CM.exchange_info: frozenset({"symbols", "symbols[].symbol"}),
        UM.premium_index: frozenset({"[].symbol"}),
        CM.premium_index: frozenset({"[].symbol"}),
        COLLATERAL_RATE: frozenset({"[].asset"}),
        INDEX_PRICE: frozenset({"[].asset"}),
    },
    optional=frozenset(
        {
            *(UM.account, UM.brackets, UM.exchange_info, UM.premium_index),
            *(CM.account, CM.brackets, CM.exchange_info, CM.premium_index),
            *(pro.UM.account, pro.UM.brackets, pro.CM.account, pro.CM.brackets),
            *(COLLATERAL_RATE, INDEX_PRICE, KEY_RESTRICTIONS),
        }
    ),
)
