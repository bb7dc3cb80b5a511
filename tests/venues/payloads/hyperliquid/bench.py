"""Captured and documented accounts in each mode, and the rules of their requests."""

from __future__ import annotations

import copy
import json
from typing import Any

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._hyperliquid import (
    BALANCES,
    CONTEXTS,
    METAS,
    MODE,
    NAMES,
    ROLE,
    STATE,
    SUB_ACCOUNTS,
    TIME,
    TOKENS,
)
from tests.venues.bench import Bench, Call, Rows, Scenario
from tests.venues.harness import VENUE_MS, QuietObserver, decoded, payload

NAME = "hyperliquid"
ADDRESS = "0x8c967e73e6b15087c42a10d344cff4c96d877f1d"
CONFIG = {"address": ADDRESS}


def _asked(endpoint: Any, *more: str) -> Call:
    return endpoint, ",".join((f'"{endpoint.name.split()[1]}"', *more))


AT_MAIN, AT_XYZ, AT_KM = (_asked(STATE, f'"dex":"{name}"') for name in ("", "xyz", "km"))
ON_BALANCES = _asked(BALANCES)
IN_MODE = _asked(MODE)
OF_ROLE = _asked(ROLE)
SUBS = _asked(SUB_ACCOUNTS)
EXCHANGES = _asked(NAMES)
OF_ALL = _asked(METAS)
OF_MAIN, OF_XYZ, OF_KM = (_asked(CONTEXTS, f'"dex":"{name}"') for name in ("", "xyz", "km"))
SPOT = _asked(TOKENS)
CLOCK = _asked(TIME)

OF_A_USER = {"clearinghouseState", "spotClearinghouseState", "userAbstraction", "userRole", "subAccounts2"}
OF_AN_EXCHANGE = {"clearinghouseState", "metaAndAssetCtxs"}
PUBLIC = {"perpDexs", "allPerpMetas", "spotMetaAndAssetCtxs", "exchangeStatus", "metaAndAssetCtxs"}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert (request.method, request.raw_path) == ("POST", "/info")
    assert request.headers["Content-Type"] == "application/json"
    asked = json.loads(body)
    kind = asked.pop("type")
    assert kind in OF_A_USER | PUBLIC
    if kind in OF_A_USER:
        assert asked.pop("user") == ADDRESS
    if kind in OF_AN_EXCHANGE:
        assert isinstance(asked.pop("dex"), str)  # as the list of exchanges has it, damaged or not
    assert asked == {}


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def state(file: str = "state_cross.json", **position: Any) -> dict[str, Any]:
    """A captured state, its first position with some fields changed; `...` takes one away."""
    answer: dict[str, Any] = copy.deepcopy(document(file))
    row = answer["assetPositions"][0]["position"]
    row |= position
    for name in [name for name, value in row.items() if value is ...]:
        del row[name]
    return answer


def isolated(coin: str, size: str, raw: str, *, value: str, price: str, leverage: int) -> dict[str, Any]:
    """An isolated position as the venue prints it: its margin is what it owes and what it is worth."""
    margin = f"{float(raw) + (1 if float(size) > 0 else -1) * float(value):.6f}"
    answer = state(
        coin=coin,
        szi=size,
        positionValue=value,
        liquidationPx=price,
        marginUsed=margin,
        maxLeverage=leverage,
        leverage={"type": "isolated", "value": leverage, "rawUsd": raw},
        entryPx=f"{float(value) / abs(float(size)):.6g}",
        unrealizedPnl="0.0",
    )
    for name in ("marginSummary", "crossMarginSummary"):
        answer[name] = dict.fromkeys(answer[name], "0.0")
    answer["marginSummary"]["accountValue"] = margin
    return {**answer, "crossMaintenanceMarginUsed": "0.0", "withdrawable": "0.0"}


# Quoted with their liquidation prices: a HYPE long, a HYPE short, one at a builder's exchange.
HYPE_LONG = isolated("HYPE", "2.0", "-68.126246", value="75.652", price="35.8559189474", leverage=10)
HYPE_SHORT = isolated("HYPE", "-4.0", "211.144417", value="178.0", price="50.2724802381", leverage=10)
XYZ_LONG = isolated("xyz:XYZ100", "0.13", "-6.955118", value="10.4", price="64.20109", leverage=3)

EMPTY = "state_empty.json"
PUBLIC_ANSWERS: dict[Any, Any] = {
    EXCHANGES: "perp_dexs.json",
    OF_ALL: "all_perp_metas.json",
    OF_MAIN: "meta_and_asset_ctxs.json",
    OF_XYZ: [document("all_perp_metas.json")[1], [{"funding": "0.00000625", "markPx": "80.0"}]],
    SPOT: "spot_meta_and_asset_ctxs.json",
}
OF_THAT_TIME = copy.deepcopy(document("all_perp_metas.json"))
"""When the cross account was captured: a table that is not listed has one tier."""
OF_THAT_TIME[0]["universe"][1] |= {"maxLeverage": 50, "marginTableId": 50}
DOCUMENTED: dict[Any, Any] = {
    **PUBLIC_ANSWERS,
    OF_ALL: OF_THAT_TIME,
    IN_MODE: "disabled",
    ON_BALANCES: {"balances": []},
    AT_MAIN: "state_cross.json",
    AT_XYZ: XYZ_LONG,
    AT_KM: EMPTY,
    OF_ROLE: {"role": "user"},
    SUBS: "sub_accounts.json",
    CLOCK: {"time": VENUE_MS, "specialStatuses": None},
}
UNIFIED: dict[Any, Any] = {
    **PUBLIC_ANSWERS,
    IN_MODE: "unifiedAccount",
    ON_BALANCES: "balances_unified.json",
    AT_MAIN: "state_unified.json",
    AT_XYZ: EMPTY,
    AT_KM: EMPTY,
}
US500: dict[str, Any] = {
    **state(
        coin="km:US500",
        szi="-10.0",
        positionValue="6100.0",
        entryPx="612.0",
        unrealizedPnl="20.0",
        marginUsed="610.0",
        leverage={"type": "cross", "value": 10},
    ),
    "crossMaintenanceMarginUsed": "152.5",
}
US500["marginSummary"] |= {"totalMarginUsed": "610.0"}


def in_usdh(total: str = "1020.0", left: str = "867.5") -> dict[str, Any]:
    """The captured balances with another collateral."""
    answer: dict[str, Any] = copy.deepcopy(document("balances_unified.json"))
    answer["balances"].append(
        {"coin": "USDH", "token": 360, "total": total, "hold": "610.0", "entryNtl": "0.0"}
    )
    answer["tokenToAvailableAfterMaintenance"].append([360, left])
    return answer


PORTFOLIO: dict[Any, Any] = {
    **UNIFIED,
    IN_MODE: "portfolioMargin",
    ON_BALANCES: "balances_portfolio.json",
    AT_MAIN: "state_portfolio.json",
}


def with_loan() -> dict[str, Any]:
    """The captured balances with bitcoin, of which money was borrowed."""
    answer: dict[str, Any] = copy.deepcopy(document("balances_portfolio.json"))
    answer["balances"][3] |= {"total": "60.0"}
    answer["balances"][0] |= {"borrowed": "1000.0"}
    return answer


async def snapshot_of(
    changed: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "separate"
) -> AccountSnapshot:
    return await BENCH.snapshot(scenario, changed, observer)


BENCH = Bench(
    venue=NAME,
    config=CONFIG,
    check=check,
    scenarios={
        "separate": Scenario(DOCUMENTED, account="separate"),
        "unified": Scenario(
            {
                **UNIFIED,
                ON_BALANCES: in_usdh(),
                AT_KM: US500,
                OF_KM: [document("all_perp_metas.json")[2], [None]],
            },
            account="unified",
        ),
        "portfolio": Scenario(PORTFOLIO, account="portfolio"),
        "a cross position in unified mode, as captured without what is left": Scenario(
            {**UNIFIED, ON_BALANCES: {"balances": in_usdh()["balances"]}, AT_MAIN: "state_cross.json"},
            golden=False,
        ),
        "tiers with a border nearby": Scenario(
            {**DOCUMENTED, AT_MAIN: state(coin="BTC", szi="2500.0", positionValue="162500000.0")},
            golden=False,
        ),
        "a loan in portfolio margin mode": Scenario({**PORTFOLIO, ON_BALANCES: with_loan()}, golden=False),
    },
    rows=Rows(
        scenario="separate",
        endpoint=AT_MAIN,
        path=("assetPositions", 0),
        inside="position",
        size="szi",
        liquidation_price="liquidationPx",
        identity="coin",
        price="positionValue",
    ),
    refused_time=None,
    failure=(200, {"status": "err", "response": "WORDS"}),
    optional=frozenset({CONTEXTS}),
)
