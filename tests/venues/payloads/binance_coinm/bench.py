"""Documented accounts, and the rules of its requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from exporter.model import AccountRisk, AccountSnapshot, Position, RiskSettings
from exporter.risk import assess
from exporter.venues import _binance_members as subs
from exporter.venues._binance_coinm import (
    ACCOUNT,
    ADL_QUANTILE,
    EXCHANGE_INFO,
    LEVERAGE_BRACKET,
    PORTFOLIO_MARGIN,
    POSITION_RISK,
    PREMIUM_INDEX,
    TIME,
)
from exporter.venues._binance_keys import KEY_RESTRICTIONS
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

NAME = "binance_coinm"
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"api_key": KEY, "api_secret": SECRET}
PATHS = {
    "account": ("/dapi/v1/account", "account_hedge.json"),
    "position_risk": ("/dapi/v1/positionRisk", "position_risk_hedge.json"),
    "leverage_bracket": ("/dapi/v2/leverageBracket", "leverage_bracket.json"),
    "adl_quantile": ("/dapi/v1/adlQuantile", "adl_quantile.json"),
    "exchange_info": ("/dapi/v1/exchangeInfo", "exchange_info.json"),
    "premium_index": ("/dapi/v1/premiumIndex", "premium_index.json"),
    "portfolio_margin": ("/dapi/v1/pmAccountInfo", "pm_account_info.json"),
    "time": ("/dapi/v1/time", "time.json"),
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a signed request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    signed = request.path in {
        "/dapi/v1/account",
        "/dapi/v1/positionRisk",
        "/dapi/v2/leverageBracket",
        "/dapi/v1/adlQuantile",
        "/dapi/v1/pmAccountInfo",
        "/sapi/v1/account/apiRestrictions",
        *members.PARAMETERS,
    }
    query = request.raw_path.partition("?")[2]
    if not signed:
        assert query == ""
        assert "X-MBX-APIKEY" not in request.headers
        return
    assert request.headers["X-MBX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), total.encode(), hashlib.sha256).hexdigest() == signature
    parameters = parse_qs(total, strict_parsing=True)
    own = {"asset"} if request.path == "/dapi/v1/pmAccountInfo" else members.PARAMETERS.get(request.path, ())
    assert set(parameters) - {"page"} == {"timestamp", "recvWindow", *own}
    assert parameters["recvWindow"] == ["5000"]


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def listed(*symbols: str) -> Any:
    """The documented exchange information with its one row repeated for the symbols of other examples."""
    information = document("exchange_info.json")
    (example,) = information["symbols"]
    information["symbols"] = [{**example, "symbol": symbol} for symbol in symbols]
    return information


LISTED = listed("BTCUSD_200925", "BTCUSD_201225", "BTCUSD_PERP")


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, {"exchange_info": LISTED, "portfolio_margin": None, **changed})


async def snapshot_of(**changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check)


def row(**changed: Any) -> dict[str, Any]:
    """The real one-way row: two contracts of BTCUSD_PERP, isolated."""
    return {**document("position_risk_one_way.json")[0], **changed}


def account_row(**changed: Any) -> dict[str, Any]:
    """The row of the account call that belongs to it."""
    return {**document("account_one_way.json")["positions"][1], **changed}


def asset(**changed: Any) -> dict[str, Any]:
    return {**document("account_hedge.json")["assets"][0], **changed}


def account(*positions: dict[str, Any], assets: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        **document("account_hedge.json"),
        "assets": [asset()] if assets is None else assets,
        "positions": list(positions),
    }


def plain_brackets() -> Any:
    """The documented brackets of a user whose limits are not adjusted: without a coefficient."""
    brackets = document("leverage_bracket.json")
    del brackets[0]["notionalCoef"]
    return brackets


async def real_row_snapshot() -> AccountSnapshot:
    return await snapshot_of(
        account=payload(NAME, "account_one_way.json"),
        position_risk=payload(NAME, "position_risk_one_way.json"),
        leverage_bracket=plain_brackets(),
    )


async def position_of(**changed: Any) -> Position:
    """The position made of the real row with some fields changed."""
    snapshot = await snapshot_of(account=account(account_row()), position_risk=[row(**changed)])
    (position,) = snapshot.positions
    return position


def assessed(snapshot: AccountSnapshot) -> AccountRisk:
    return assess(snapshot, RiskSettings(cross_check=True))


ONE_WAY = {
    ACCOUNT: "account_one_way.json",
    POSITION_RISK: "position_risk_one_way.json",
    LEVERAGE_BRACKET: plain_brackets(),
    ADL_QUANTILE: "adl_quantile.json",
    EXCHANGE_INFO: LISTED,
    PREMIUM_INDEX: "premium_index.json",
    TIME: {**document("time.json"), "serverTime": VENUE_MS},
}
HEDGE = {
    **ONE_WAY,
    ACCOUNT: "account_as_printed.json",
    POSITION_RISK: "position_risk_hedge.json",
    LEVERAGE_BRACKET: "leverage_bracket.json",
}
ZEROS = [item for item in document("position_risk_hedge.json") if item["positionAmt"] == "0"]
# A cross position, in a hedge by its row, whose margins the account call has.
CROSS_ROW = row(marginType="cross", isolatedWallet="0", isolatedMargin="0")
CROSS_ACCOUNT = account(
    account_row(isolated=False),
    assets=[{**document("account_one_way.json")["assets"][0], "crossUnPnl": "0.00006413"}],
)
# The documented time is years away, and so no clock that is believed.
NEARLY_NOW = {"serverTime": int(NOW * 1000) + 250}
QUEUE = [{"symbol": "BTCUSD_PERP", "adlQuantile": {"LONG": 1, "SHORT": 2, "BOTH": 3, "HEDGE": 0}}]
# The position's own margin is that of the first tier once the borders are scaled.
SCALED_BRACKETS = [
    {
        "symbol": "BTCUSD_PERP",
        "notionalCoef": 1.5,
        "brackets": [
            {"qtyCap": 0.004, "qtylFloor": 0, "maintMarginRatio": 0.004, "cum": 0.0},
            {"qtyCap": 50, "qtylFloor": 0.004, "maintMarginRatio": 0.005, "cum": 0.000004},
        ],
    }
]
PAIR = [
    {**CROSS_ROW, "positionSide": "LONG", "positionAmt": "3"},
    {**CROSS_ROW, "positionSide": "SHORT", "positionAmt": "-1"},
]
OLDER_ROW = row(isolatedWallet=None)
EMPTY = account(
    assets=[{name: value if name == "asset" else "0.00000000" for name, value in asset().items()}]
)


def sub_row(**changed: Any) -> dict[str, Any]:
    """The documented row of a sub-account's position."""
    return {**document("sub_account_positions.json")["deliveryPositionRiskVos"][0], **changed}


# Of another account it is not documented: a refusal, or nothing that may be moved out.
NOT_IN_THAT_MODE = {"maxWithdrawAmountUSD": "0.00000000", "asset": "BTC", "maxWithdrawAmount": "0.00000000"}

BENCH = Bench(
    venue=NAME,
    config={**CONFIG, "sub_accounts": True},
    check=check,
    scenarios={
        # The account beside the real row is made for it: the documented one with that row's margin added.
        "documented account without a position": Scenario(
            {**HEDGE, ACCOUNT: "account_hedge.json", POSITION_RISK: ZEROS}, account="flat"
        ),
        "documented hedge mode": Scenario(HEDGE, account="hedge"),
        "real isolated row": Scenario(ONE_WAY, account="real"),
        "isolated position without its margins": Scenario(
            {**ONE_WAY, ACCOUNT: account(account_row(maintMargin="0")), ADL_QUANTILE: QUEUE}, golden=False
        ),
        "older isolated row": Scenario({**ONE_WAY, POSITION_RISK: [OLDER_ROW]}, golden=False),
        "cross position": Scenario(
            {
                **ONE_WAY,
                ACCOUNT: CROSS_ACCOUNT,
                POSITION_RISK: [CROSS_ROW],
                ADL_QUANTILE: QUEUE,
                LEVERAGE_BRACKET: SCALED_BRACKETS,
                TIME: NEARLY_NOW,
            },
            golden=False,
        ),
        "hedged pair": Scenario(
            {**ONE_WAY, ACCOUNT: account(), POSITION_RISK: PAIR, ADL_QUANTILE: QUEUE}, golden=False
        ),
        "isolated position that draws on the cross wallet": Scenario(
            {**ONE_WAY, POSITION_RISK: [row(isAutoAddMargin="true")]}, golden=False
        ),
        "empty account": Scenario(
            {
                **ONE_WAY,
                ACCOUNT: EMPTY,
                POSITION_RISK: [],
                PORTFOLIO_MARGIN: NOT_IN_THAT_MODE,
                KEY_RESTRICTIONS: "api_restrictions.json",
            },
            golden=False,
        ),
        "position of the account call alone": Scenario({**ONE_WAY, POSITION_RISK: []}, golden=False),
        "a master account with the documented sub-account": Scenario(
            {
                **ONE_WAY,
                subs.LIST: decoded(payload("binance_usdm", "sub_accounts.json")),
                subs.STATUS: decoded(payload("binance_usdm", "sub_account_status.json")),
                subs.ACCOUNT: "sub_account_futures.json",
                subs.POSITIONS: "sub_account_positions.json",
            },
            golden=False,
        ),
        "a master account with a sub-account that holds an isolated position": Scenario(
            {
                **ONE_WAY,
                subs.LIST: decoded(payload("binance_usdm", "sub_accounts.json")),
                subs.STATUS: [],
                subs.ACCOUNT: "sub_account_futures.json",
                subs.POSITIONS: {
                    "deliveryPositionRiskVos": [sub_row(isolated="true", isolatedWallet="0.002")]
                },
            },
            golden=False,
        ),
        "a master account with a sub-account of older rows": Scenario(
            {
                **ONE_WAY,
                subs.LIST: decoded(payload("binance_usdm", "sub_accounts.json")),
                subs.STATUS: [],
                subs.ACCOUNT: "sub_account_futures.json",
                subs.POSITIONS: {
                    "deliveryPositionRiskVos": [
                        sub_row(isolated=None, isolatedWallet=None, isolatedMargin="0.002")
                    ]
                },
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
    refused_time=(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}),
    failure=(400, {"code": -1102, "msg": "WORDS"}),
    needed={
        ACCOUNT: frozenset({"assets", "assets[].asset", "positions[].symbol"}),
        POSITION_RISK: frozenset({"[].symbol", "[].positionAmt"}),
        LEVERAGE_BRACKET: frozenset({"[].symbol", "[].brackets"}),
        ADL_QUANTILE: frozenset({"[].symbol", "[].adlQuantile"}),
        EXCHANGE_INFO: frozenset({"symbols", "symbols[].symbol"}),
        PREMIUM_INDEX: frozenset({"[].symbol"}),
    },
    optional=frozenset({LEVERAGE_BRACKET, ADL_QUANTILE, KEY_RESTRICTIONS, EXCHANGE_INFO, PREMIUM_INDEX}),
)
