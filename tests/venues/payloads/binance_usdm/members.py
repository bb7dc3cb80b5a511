"""What a master account is told of sub-accounts: documented answers, and those made to fit together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from exporter.account import Member
from exporter.api import Client
from exporter.model import AccountSnapshot
from exporter.venues._binance_members import ACCOUNT, LIST, POSITIONS, STATUS
from tests.venues.bench import as_answers, benches
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, decoded, make_venue, payload

EMAIL = "testsub@gmail.com"
_ONE = frozenset({"email", "futuresType"})
PARAMETERS: Mapping[str, Collection[str]] = {
    LIST.path: frozenset({"limit"}),
    STATUS.path: frozenset(),
    ACCOUNT.path: _ONE,
    POSITIONS.path: _ONE,
}
"""What the calls take, by path, besides what each signed one does and the page."""


def document(file: str) -> Any:
    return decoded(payload("binance_usdm", file))


def account(*assets: Mapping[str, str], **totals: str) -> dict[str, Any]:
    """The documented answer with other assets and totals."""
    told = document("sub_account_futures.json")["futureAccountResp"]
    rows = [{**told["assets"][0], **asset} for asset in assets or told["assets"]]
    return {"futureAccountResp": {**told, **totals, "assets": rows}}


def of_usdt(wallet: float, profit: float, required: float) -> dict[str, Any]:
    """An account in single-asset mode with nothing but USDT."""
    balance, pnl, whole = f"{wallet:.8f}", f"{profit:.8f}", f"{wallet + profit:.8f}"
    initial = {"initialMargin": "1.99470154", "positionInitialMargin": "1.99470154"}
    return account(
        {
            **initial,
            "walletBalance": balance,
            "unrealizedProfit": pnl,
            "marginBalance": whole,
            "maintenanceMargin": f"{required:.8f}",
        },
        totalWalletBalance=balance,
        totalUnrealizedProfit=pnl,
        totalMarginBalance=whole,
        totalMaintenanceMargin=f"{required:.8f}",
    )


def row(**changed: Any) -> dict[str, Any]:
    return {**document("sub_account_positions.json")["futurePositionRiskVos"][0], **changed}


def positions(*rows: Mapping[str, Any]) -> dict[str, Any]:
    return {"futurePositionRiskVos": list(rows)}


# The wallet at which the documented position is liquidated at the documented price, all of it cross:
# W + 0.01 × (7963.54 - 9975.12) = 0.004 × 0.01 × 7963.54
WALLET = 20.4343416
FITTING = of_usdt(WALLET, -0.01612295, 0.39894031)
SCHEDULE = [
    {
        "symbol": "BTCUSDT",
        "brackets": [
            {"notionalCap": 50000, "notionalFloor": 0, "maintMarginRatio": 0.004, "cum": 0.0},
            {"notionalCap": 10**9, "notionalFloor": 50000, "maintMarginRatio": 0.005, "cum": 50.0},
        ],
    }
]
# 10 USDT at a bid rate of 0.9801, and 20 ADA at 1.73661633.
SHARED = account(
    {"walletBalance": "10", "unrealizedProfit": "-0.01612295", "marginBalance": "9.98387705"},
    {"asset": "ADA", "walletBalance": "20", "marginBalance": "20"},
    totalWalletBalance="44.53332660",
    totalUnrealizedProfit="-0.01580210",
    totalMarginBalance="44.51752450",
    totalMaintenanceMargin="0.40093502",
    totalInitialMargin="1.99470154",
    totalOpenOrderInitialMargin="0.5",
    maxWithdrawAmount="40",
)
LISTING = {
    LIST: "sub_accounts.json",
    STATUS: [
        {**document("sub_account_status.json")[0], "email": EMAIL},
        {**document("sub_account_status.json")[0], "email": "Nothing@there.com", "isFutureEnabled": False},
    ],
}


async def of_member(
    venue: str, answers: Mapping[Any, Any], asked: list[Any] | None = None
) -> AccountSnapshot:
    bench = benches()[venue]
    master = make_venue(venue, "http://venue.test", {**bench.config, "sub_accounts": True})
    below = type(master)(master.config.member("desk.testsub", Member("testsub", EMAIL)))
    public = bench.documents(bench.rows.scenario)
    transport = MemoryTransport(as_answers({**public, **answers}), bench.check)
    async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
        try:
            return await below.fetch(client.account(below))
        finally:
            if asked is not None:
                asked += transport.asked
