"""Documented accounts, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from exporter.model import AccountSnapshot, Position
from exporter.venues import _binance_members as subs
from exporter.venues._binance_keys import KEY_RESTRICTIONS
from exporter.venues._binance_usdm import (
    ACCOUNT,
    ACCOUNT_CONFIG,
    ASSET_INDEX,
    EXCHANGE_INFO,
    LEVERAGE_BRACKET,
    PORTFOLIO_MARGIN,
    POSITION_RISK,
    PREMIUM_INDEX,
    SYMBOL_CONFIG,
    TIME,
)
from tests.venues.bench import Bench, Rows, Scenario
from tests.venues.harness import (
    NOW,
    VENUE_MS,
    Answer,
    answers_of,
    decoded,
    fetch,
    payload,
)
from tests.venues.payloads.binance_usdm import members

NAME = "binance_usdm"
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"api_key": KEY, "api_secret": SECRET}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a signed request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    signed = request.path in {
        "/fapi/v3/account",
        "/fapi/v3/positionRisk",
        "/fapi/v1/accountConfig",
        "/fapi/v1/symbolConfig",
        "/fapi/v1/leverageBracket",
        "/fapi/v1/pmAccountInfo",
        "/sapi/v1/account/apiRestrictions",
        *members.PARAMETERS,
    }
    query = request.raw_path.partition("?")[2]
    if not signed:
        assert "signature" not in query
        assert "X-MBX-APIKEY" not in request.headers
        return
    assert request.headers["X-MBX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), total.encode(), hashlib.sha256).hexdigest() == signature
    parameters = parse_qs(total, strict_parsing=True)
    own = {"asset"} if request.path == "/fapi/v1/pmAccountInfo" else members.PARAMETERS.get(request.path, ())
    assert set(parameters) - {"page"} == {"timestamp", "recvWindow", *own}
    assert parameters["recvWindow"] == ["5000"]


PATHS = {
    "account": ("/fapi/v3/account", "account_single_asset.json"),
    "position_risk": ("/fapi/v3/positionRisk", "position_risk.json"),
    "account_config": ("/fapi/v1/accountConfig", "account_config.json"),
    "symbol_config": ("/fapi/v1/symbolConfig", "symbol_config.json"),
    "leverage_bracket": ("/fapi/v1/leverageBracket", "leverage_bracket.json"),
    "exchange_info": ("/fapi/v1/exchangeInfo", "exchange_info.json"),
    "asset_index": ("/fapi/v1/assetIndex", "asset_index.json"),
    "premium_index": ("/fapi/v1/premiumIndex", "premium_index.json"),
    "portfolio_margin": ("/fapi/v1/pmAccountInfo", "pm_account_info.json"),
    "time": ("/fapi/v1/time", "time.json"),
}


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, {"portfolio_margin": None, **changed})


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


async def snapshot_of(**changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check)


def row(**changed: Any) -> dict[str, Any]:
    return {**document("position_risk.json")[0], **changed}


async def position_of(**changed: Any) -> Position:
    """The position made of the documented row with some fields changed."""
    account = document("account_single_asset.json")
    account["positions"] = []
    return (await snapshot_of(account=account, position_risk=[row(**changed)])).positions[0]


MULTI = {
    **decoded(payload(NAME, "account_config.json")),
    "multiAssetsMargin": True,
    "dualSidePosition": False,
}
ONE_WAY = {**MULTI, "multiAssetsMargin": False}


def edited(file: str, **changed: Any) -> Any:
    return {**document(file), **changed}


# The documented position with what an isolated one has besides.
ISOLATED_ROW = row(isolatedMargin="5.76427700", isolatedWallet="5", liquidationPrice="0.35", adl=3)
HEDGED_PAIR = [
    row(positionSide="LONG", liquidationPrice="0.3"),
    row(positionSide="SHORT", positionAmt="-10", notional="-4.10475900", unRealizedProfit="-0.25475900"),
]
SCHEDULE = [{**document("leverage_bracket.json")[0], "symbol": "ADAUSDT"}]
PLAIN_SCHEDULE = [
    {
        "symbol": "ADAUSDT",
        "brackets": [
            {"notionalCap": 10, "notionalFloor": 0, "maintMarginRatio": 0.005, "cum": 0.0},
            {"notionalCap": 10000, "notionalFloor": 10, "maintMarginRatio": 0.0065, "cum": 0.015},
        ],
    }
]
# The position's own margin is 0.5 % of its notional: that of the first tier once the borders are scaled.
SCALED_SCHEDULE = [
    {
        "symbol": "ADAUSDT",
        "notionalCoef": 1.5,
        "brackets": [
            {"notionalCap": 9, "notionalFloor": 0, "maintMarginRatio": 0.005, "cum": 0.0},
            {"notionalCap": 10000, "notionalFloor": 9, "maintMarginRatio": 0.0065, "cum": 0.0135},
        ],
    }
]
FLAT = edited("account_single_asset.json", positions=[])
HOLDING = edited(
    "account_single_asset.json",
    positions=[],
    assets=[{**document("account_real_rows.json")["assets"][0], "availableBalance": "1"}],
)
MULTI_ASSET = edited(
    "account_multi_assets.json",
    positions=[],
    totalMaintMargin="0.08004280",
    totalInitialMargin="0.61571385",
    assets=[
        {**asset, "asset": coin}
        for asset, coin in zip(document("account_multi_assets.json")["assets"], ("USDT", "ADA"), strict=True)
    ],
)
# That of Tether is from the example of the venue's page "How to Calculate Margin in Multi-Assets Mode".
INDICES = [
    *document("asset_index.json"),
    {"symbol": "USDTUSD", "index": "0.99", "bidRate": "0.9801", "askRate": "0.99495"},
]
# The documented time is years away, and so no clock that is believed.
NEARLY_NOW = {"serverTime": int(NOW * 1000) + 250}
CONFIGURED = [{**document("symbol_config.json")[0], "symbol": "ADAUSDT"}]
DRAWING = [{**CONFIGURED[0], "marginType": "ISOLATED", "isAutoAddMargin": "true"}]
FUNDING = [{**document("premium_index.json")[0], "symbol": "ADAUSDT"}]
EMPTY = edited(
    "account_single_asset.json",
    positions=[],
    assets=[
        {name: value if name == "asset" else "0.00000000" for name, value in asset.items()}
        for asset in document("account_single_asset.json")["assets"]
    ],
)

# Of another account it is not documented: a refusal, or nothing that may be moved out.
NOT_IN_THAT_MODE = {"maxWithdrawAmountUSD": "0.00000000", "asset": "BTC", "maxWithdrawAmount": "0.00000000"}

DEFAULT = {
    POSITION_RISK: "position_risk.json",
    ACCOUNT_CONFIG: "account_config.json",
    SYMBOL_CONFIG: "symbol_config.json",
    LEVERAGE_BRACKET: "leverage_bracket.json",
    EXCHANGE_INFO: "exchange_info.json",
    ASSET_INDEX: "asset_index.json",
    PREMIUM_INDEX: "premium_index.json",
    TIME: {**document("time.json"), "serverTime": VENUE_MS},
}
ONLY_A_MASTER = {**DEFAULT, ACCOUNT: HOLDING, POSITION_RISK: [], ACCOUNT_CONFIG: ONE_WAY}

BENCH = Bench(
    venue=NAME,
    config={**CONFIG, "sub_accounts": True},
    check=check,
    scenarios={
        "documented single-asset mode": Scenario(
            {**DEFAULT, ACCOUNT: "account_single_asset.json", POSITION_RISK: [], ACCOUNT_CONFIG: ONE_WAY},
            account="single",
        ),
        "documented multi-assets mode": Scenario(
            {**DEFAULT, ACCOUNT: "account_multi_assets.json", POSITION_RISK: [], ACCOUNT_CONFIG: MULTI},
            account="multi",
        ),
        "real position rows": Scenario(
            {**DEFAULT, ACCOUNT: "account_real_rows.json", ACCOUNT_CONFIG: ONE_WAY, LEVERAGE_BRACKET: None},
            account="real",
        ),
        "cross position": Scenario(
            {
                **DEFAULT,
                ACCOUNT: HOLDING,
                LEVERAGE_BRACKET: SCHEDULE,
                SYMBOL_CONFIG: CONFIGURED,
                PREMIUM_INDEX: FUNDING,
                TIME: NEARLY_NOW,
            },
            golden=False,
        ),
        "cross position without its margin": Scenario(
            {
                **DEFAULT,
                ACCOUNT: HOLDING,
                POSITION_RISK: [row(maintMargin="0")],
                LEVERAGE_BRACKET: PLAIN_SCHEDULE,
            },
            golden=False,
        ),
        "limits scaled for the user": Scenario(
            {
                **DEFAULT,
                ACCOUNT: HOLDING,
                POSITION_RISK: [row(maintMargin="0.06157139")],
                LEVERAGE_BRACKET: SCALED_SCHEDULE,
            },
            golden=False,
        ),
        "hedged pair": Scenario(
            {**DEFAULT, ACCOUNT: HOLDING, POSITION_RISK: HEDGED_PAIR, LEVERAGE_BRACKET: SCHEDULE},
            golden=False,
        ),
        "isolated position": Scenario(
            {**DEFAULT, ACCOUNT: HOLDING, POSITION_RISK: [ISOLATED_ROW], LEVERAGE_BRACKET: SCHEDULE},
            golden=False,
        ),
        "isolated position that draws on the cross wallet": Scenario(
            {
                **DEFAULT,
                ACCOUNT: HOLDING,
                POSITION_RISK: [ISOLATED_ROW],
                LEVERAGE_BRACKET: SCHEDULE,
                SYMBOL_CONFIG: DRAWING,
            },
            golden=False,
        ),
        "empty account": Scenario(
            {
                **DEFAULT,
                ACCOUNT: EMPTY,
                POSITION_RISK: [],
                PORTFOLIO_MARGIN: NOT_IN_THAT_MODE,
                KEY_RESTRICTIONS: "api_restrictions.json",
            },
            golden=False,
        ),
        "multi-assets mode with a position": Scenario(
            {
                **DEFAULT,
                ACCOUNT: MULTI_ASSET,
                ACCOUNT_CONFIG: MULTI,
                LEVERAGE_BRACKET: SCHEDULE,
                ASSET_INDEX: INDICES,
            },
            golden=False,
        ),
        "a master account with the documented sub-account": Scenario(
            {
                **ONLY_A_MASTER,
                subs.LIST: "sub_accounts.json",
                subs.STATUS: "sub_account_status.json",
                subs.ACCOUNT: "sub_account_futures.json",
                subs.POSITIONS: "sub_account_positions.json",
            },
            golden=False,
        ),
        "a master account with a sub-account in single-asset mode": Scenario(
            {
                **ONLY_A_MASTER,
                **members.LISTING,
                subs.ACCOUNT: members.FITTING,
                subs.POSITIONS: members.positions(members.row()),
                LEVERAGE_BRACKET: members.SCHEDULE,
            },
            golden=False,
        ),
        "a master account with a sub-account in multi-assets mode": Scenario(
            {
                **ONLY_A_MASTER,
                **members.LISTING,
                subs.ACCOUNT: members.SHARED,
                subs.POSITIONS: members.positions(members.row()),
                LEVERAGE_BRACKET: members.SCHEDULE,
                ASSET_INDEX: INDICES,
            },
            golden=False,
        ),
    },
    rows=Rows(
        scenario="cross position",
        endpoint=POSITION_RISK,
        path=(0,),
        size="positionAmt",
        liquidation_price="liquidationPrice",
        price="markPrice",
    ),
    refused_time=(400, document("errors.json")[1]["body"]),
    failure=(400, {"code": -1102, "msg": "WORDS"}),
    needed={
        ACCOUNT: frozenset({"assets", "assets[].asset", "positions[].symbol"}),
        POSITION_RISK: frozenset({"[].symbol", "[].positionAmt"}),
        # Where the account's totals do not tell the mode.
        ACCOUNT_CONFIG: frozenset({"multiAssetsMargin"}),
        SYMBOL_CONFIG: frozenset({"[].symbol"}),
        LEVERAGE_BRACKET: frozenset({"[].symbol", "[].brackets"}),
        EXCHANGE_INFO: frozenset({"symbols", "symbols[].symbol"}),
        ASSET_INDEX: frozenset({"[].symbol"}),
        PREMIUM_INDEX: frozenset({"[].symbol"}),
    },
    optional=frozenset(
        {SYMBOL_CONFIG, LEVERAGE_BRACKET, KEY_RESTRICTIONS, EXCHANGE_INFO, ASSET_INDEX, PREMIUM_INDEX}
    ),
)
