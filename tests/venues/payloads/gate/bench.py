"""Documented and captured accounts of each mode, and the rules of their requests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._gate import (
    ACCOUNT,
    CONTRACTS,
    DISCOUNTS,
    KEYS,
    MODE,
    OPTIONS,
    POSITIONS,
    TABLE,
    TICKERS,
    TIERS,
    TIME,
    UNIFIED,
)
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import VENUE_MS, QuietObserver, decoded, payload

NAME = "gate"
KEY = "c5dcfbf1f3a7TESTKEY"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
CREDENTIALS = {"api_key": KEY, "api_secret": SECRET}

ASKED: dict[str, set[str]] = {
    "/unified/unified_mode": set(),
    "/unified/accounts": set(),
    "/unified/currency_discount_tiers": set(),
    "/options/positions": set(),
    "/account/main_keys": set(),
    "/spot/time": set(),
    **{f"/futures/{settle}/accounts": set() for settle in ("usdt", "btc")},
    **{f"/futures/{settle}/positions": {"holding", "limit"} for settle in ("usdt", "btc")},
    **{f"/futures/{settle}/contracts": set() for settle in ("usdt", "btc")},
    **{f"/futures/{settle}/tickers": set() for settle in ("usdt", "btc")},
    **{f"/futures/{settle}/risk_limit_tiers": {"contract"} for settle in ("usdt", "btc")},
    **{f"/futures/{settle}/risk_limit_table": {"table_id"} for settle in ("usdt", "btc")},
}
PUBLIC = (
    "/currency_discount_tiers",
    "/time",
    "/contracts",
    "/tickers",
    "/risk_limit_tiers",
    "/risk_limit_table",
)


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, strict_parsing=bool(query)))
    assert request.path.startswith("/api/v4/")
    assert set(parameters) - {"offset"} == ASKED[request.path.removeprefix("/api/v4")]
    assert ("X-Gate-Size-Decimal" in request.headers) == ("/futures/" in request.path)
    if request.path.endswith(PUBLIC):
        assert not {"KEY", "SIGN", "Timestamp"} & set(request.headers)
        return
    stamp = request.headers["Timestamp"]
    assert stamp.startswith("170000000")
    assert request.headers["KEY"] == KEY
    empty = hashlib.sha512(b"").hexdigest()
    text = f"GET\n{request.path}\n{query}\n{empty}\n{stamp}"
    assert request.headers["SIGN"] == hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def account(**fields: Any) -> dict[str, Any]:
    """The documented futures account, likewise."""
    return row_with(document("account.json"), **fields)


def classic(**fields: Any) -> dict[str, Any]:
    """The captured isolated position, likewise."""
    return row_with(document("positions_classic.json")[0], **fields)


def short(**fields: Any) -> dict[str, Any]:
    """The captured cross position in hedge mode, likewise."""
    return row_with(document("positions_hedge.json")[1], **fields)


def listed(name: str, **fields: Any) -> dict[str, Any]:
    """A row of the list of contracts as the documented one is."""
    return row_with(document("contracts.json")[0], name=name, **fields)


def ticker(name: str, mark: str, index: str) -> dict[str, Any]:
    """A ticker as the documented one is."""
    return row_with(document("tickers.json")[0], contract=name, mark_price=mark, index_price=index)


# In a scenario as a document alone: its status is in `none_yet`, for the tests that are about it.
NONE_YET = {"label": "USER_NOT_FOUND", "message": "please transfer funds first to create futures account"}


def none_yet(_: Any) -> web.Response:
    """The failure as it comes."""
    return web.json_response(NONE_YET, status=400)


CLASSIC = {"mode": "classic"}
USDT, BITCOIN = "/futures/usdt/", "/futures/btc/"
LTC_TIERS = [
    {
        "tier": 1,
        "risk_limit": "500000",
        "initial_rate": "0.02",
        "maintenance_rate": "0.01",
        "leverage_max": "50",
    },
    {
        "tier": 2,
        "risk_limit": "1000000",
        "initial_rate": "0.03",
        "maintenance_rate": "0.02",
        "leverage_max": "33.33",
    },
]
HYPE_TABLE = [
    {
        "tier": 1,
        "risk_limit": "10000",
        "initial_rate": "0.01333",
        "maintenance_rate": "0.008333",
        "leverage_max": "75",
        "deduction": "0",
    },
    {
        "tier": 2,
        "risk_limit": "50000",
        "initial_rate": "0.02",
        "maintenance_rate": "0.0125",
        "leverage_max": "50",
        "deduction": "41.67",
    },
]
LTC = listed("LTC_USDT", quanto_multiplier="0.1")
HYPE = listed("HYPE_USDT", quanto_multiplier="0.1")
IN_BITCOIN = listed("BTC_USD", type="inverse", quanto_multiplier="0")
OF_BITCOIN = [ticker("BTC_USD", "61000", "61010")]
OF_USDT = [
    ticker("BTC_USDT", "61012.2", "61016.101"),
    ticker("LTC_USDT", "74.43", "74.42"),
    ticker("HYPE_USDT", "92.702", "92.69"),
    ticker("ETH_USDT", "3000.5", "3000"),
]

BARE: dict[Any, Any] = {
    MODE: CLASSIC,
    (ACCOUNT, USDT): account(unrealised_pnl="0.008", position_margin="1.49257625", position_mode="single"),
    (ACCOUNT, BITCOIN): NONE_YET,
    (POSITIONS, USDT): "positions_classic.json",
    (CONTRACTS, USDT): [LTC, HYPE, document("contracts.json")[0]],
    (TICKERS, USDT): OF_USDT,
    (TICKERS, BITCOIN): OF_BITCOIN,
    (TIERS, USDT): LTC_TIERS,
}
"""A classic account by the older rules: one isolated position."""
EVOLVED: dict[Any, Any] = {
    **BARE,
    # What makes the captured liquidation price right beside a long, half as large, that requires nothing.
    (ACCOUNT, USDT): account(
        total="128.3352",
        unrealised_pnl="-11.8812",
        enable_evolved_classic=True,
        margin_mode=0,
        available="110.06",
        cross_margin_balance="116.4540",
        cross_maintenance_margin="3.1154453842",
        cross_initial_margin="4.833976690667",
        cross_available="111.620023309333",
        cross_order_margin="0",
        cross_unrealised_pnl="-11.8812",
        cross_mmr="37.3796",
        position_mode="dual",
    ),
    (POSITIONS, USDT): [
        short(),
        short(
            mode="dual_long",
            size="18.5",
            value="171.4987",
            entry_price="89.874864864865",
            unrealised_pnl="5.23",
            adl_ranking=1,
            liq_price="0",
            initial_margin="2.41",
            maintenance_margin="1.5577226921",
        ),
    ],
    (TABLE, USDT): HYPE_TABLE,
}
"""A classic account by the newer rules, both sides of one contract."""
INVERSE = row_with(
    document("positions.json")[0],
    contract="BTC_USD",
    size="1000",
    leverage="10",
    entry_price="60000",
    mark_price="61000",
    value="0.01639344262295082",
    unrealised_pnl="0.000273224043716",
    margin="0.002",
    liq_price="53879.5",
    risk_limit_table=...,
    adl_ranking=2,
)
ZTX = classic(
    contract="ZTX_USDT",
    leverage="0",
    size="6000",
    value="60000",
    entry_price="0.0999",
    mark_price="0.1",
    unrealised_pnl="60",
    liq_price="0",
    maintenance_rate="0.02",
    average_maintenance_rate="0.0138",
)
"""In the fourth of the documented tiers: 60000 x 2 % - 370 = 830."""
SINGLE: dict[str, Any] = {
    "user_id": 10001,
    "balances": {
        "USDT": {
            "equity": "227.7701",
            "cross_balance": "244.8813",
            "iso_balance": "1.50057625",
            "im": "4.833976690667",
            "mm": "3.1154453842",
            "imr": "4711.86",
            "mmr": "7311.00",
            "margin_balance": "227.7701",
            "available_margin": "222.936123309333",
            "enabled_collateral": True,
        },
        "ETH": {"equity": "0.5"},
    },
    "total_margin_balance": "0",
    "total_maintenance_margin": "0",
    "unified_account_total_equity": "1703.17",
}
IN_SINGLE: dict[Any, Any] = {
    **EVOLVED,
    MODE: {"mode": "single_currency", "settings": {"options": False}},
    UNIFIED: SINGLE,
    (ACCOUNT, USDT): account(total="0", unrealised_pnl="-17.1032", margin_mode=3),
    (POSITIONS, USDT): [short(), classic(pos_margin_mode="isolated")],
}
IN_MULTI: dict[Any, Any] = {
    **BARE,
    MODE: {"mode": "multi_currency", "settings": {"options": True}},
    (ACCOUNT, USDT): account(total="0", margin_mode=1),
    (ACCOUNT, BITCOIN): account(
        currency="BTC",
        total="0.2",
        unrealised_pnl="0",
        position_margin="0",
        available="0.2",
        margin_mode=0,
    ),
    (POSITIONS, BITCOIN): [],
    UNIFIED: "unified.json",
    (POSITIONS, USDT): "positions.json",
    (TABLE, USDT): "risk_limit_table.json",
    OPTIONS: [],
    DISCOUNTS: "discounts.json",
}
"""The documented unified account, with the documented cross position."""


async def snapshot_of(
    answers: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "classic"
) -> AccountSnapshot:
    found = {call: document(one) if isinstance(one, str) else one for call, one in answers.items()}
    return await BENCH.snapshot(scenario, found, observer)


BENCH = Bench(
    venue=NAME,
    config=CREDENTIALS,
    check=check,
    scenarios={
        "classic": Scenario(
            {**BARE, KEYS: "main_keys.json", TIME: {"server_time": VENUE_MS}}, account="classic"
        ),
        "evolved classic": Scenario(EVOLVED, account="evolved"),
        "contracts in bitcoin": Scenario(
            {
                **BARE,
                (ACCOUNT, USDT): NONE_YET,
                (ACCOUNT, BITCOIN): account(
                    currency="BTC",
                    total="0.51",
                    unrealised_pnl="0.000273224043716",
                    position_margin="0.002",
                    available="0.508",
                    bonus="0.001",
                    in_dual_mode=False,
                    position_mode=...,
                ),
                (POSITIONS, BITCOIN): [INVERSE],
                (CONTRACTS, BITCOIN): [IN_BITCOIN],
                (TIERS, BITCOIN): "risk_limit_tiers.json",
            },
            account="inverse",
        ),
        "single-currency": Scenario(IN_SINGLE, account="single"),
        "multi-currency": Scenario(IN_MULTI, account="multi"),
        "portfolio": Scenario(
            {**IN_MULTI, MODE: "mode.json", OPTIONS: [{"contract": "BTC_USDT-20261225-60000-C", "size": -2}]},
            account="portfolio",
        ),
        "documented": Scenario(
            {
                **BARE,
                (ACCOUNT, USDT): "account.json",
                (POSITIONS, USDT): [*document("positions_hedge.json"), ZTX],
                (TABLE, USDT): HYPE_TABLE,
                (TIERS, USDT): "risk_limit_tiers.json",
            },
            golden=False,
        ),
        "no account for futures": Scenario(
            {MODE: CLASSIC, (ACCOUNT, USDT): NONE_YET, (ACCOUNT, BITCOIN): NONE_YET}, account="empty"
        ),
    },
    rows=Rows(
        scenario="classic",
        endpoint=(POSITIONS, USDT),
        path=(0,),
        size="size",
        liquidation_price="liq_price",
        identity="contract",
        price="mark_price",
    ),
    refused_time=(403, document("errors.json")[4]["body"]),
    failure=(500, {"label": "SERVER_ERROR", "message": "WORDS"}),
    optional=frozenset({CONTRACTS, TIERS, TABLE, TICKERS, DISCOUNTS, KEYS}),
)
