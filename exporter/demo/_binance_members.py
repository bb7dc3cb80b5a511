"""What a Binance master account is told of its sub-accounts, at the spot host's paths.

https://developers.binance.com/docs/sub_account (account management, asset management).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from exporter.demo._binance_weights import BinanceError
from exporter.demo.binance import Endpoint, Parameters, SignedEndpoint, amount, fixed_weight
from exporter.demo.book import Book, Pool

Below = Mapping[str, Mapping[str, Book]]
_MADE = 1_570_791_523_523
_MOST = 200


def member_endpoints(
    below: Below, kind: str, account: Callable[[Book], object], positions: Callable[[Book], object]
) -> Sequence[Endpoint]:
    """The four paths.

    Args:
        below: By account, e-mail address to book of each sub-account.
        kind: What the product's accounts are asked by: 1 or 2.
        account: The answer about one of them.
        positions: The same about its positions.
    """

    def of_one(answer: Callable[[Book], object]) -> Callable[[Parameters, Book], object]:
        def answered(parameters: Parameters, master: Book) -> object:
            return answer(_one(below, kind, parameters, master))

        return answered

    one = frozenset({"email", "futuresType"})
    return (
        SignedEndpoint(
            "/sapi/v1/sub-account/list",
            lambda parameters, master: _list(below, parameters, master),
            fixed_weight(1),
            frozenset({"email", "isFreeze", "page", "limit"}),
        ),
        SignedEndpoint(
            "/sapi/v1/sub-account/status",
            lambda parameters, master: _status(below, parameters, master),
            fixed_weight(10),
            frozenset({"email"}),
        ),
        SignedEndpoint("/sapi/v2/sub-account/futures/account", of_one(account), fixed_weight(1), one),
        SignedEndpoint("/sapi/v2/sub-account/futures/positionRisk", of_one(positions), fixed_weight(1), one),
    )


def member_asset(coin: str, pool: Pool) -> dict[str, object]:
    """A coin of a sub-account."""
    return {
        "asset": coin,
        "initialMargin": amount(pool.initial_margin),
        "maintenanceMargin": amount(pool.maintenance_margin),
        "marginBalance": amount(pool.equity),
        "maxWithdrawAmount": amount(max(Decimal(0), min(pool.available, pool.cross_wallet))),
        "openOrderInitialMargin": amount(0),
        "positionInitialMargin": amount(pool.initial_margin),
        "unrealizedProfit": amount(pool.unrealized_pnl),
        "walletBalance": amount(pool.wallet),
    }


def _whole(parameters: Parameters, name: str, most: int) -> int:
    """A number of at least 1; 1 where it is not given."""
    text = parameters.get(name, "1")
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise BinanceError(400, -1100, f"Illegal characters found in parameter '{name}'.")
    return int(text)


def _list(below: Below, parameters: Parameters, master: Book) -> object:
    page, limit = _whole(parameters, "page", 10**6), _whole(parameters, "limit", _MOST)
    found = [
        {
            "subUserId": 123_456 + number,
            "email": email,
            "remark": "",
            "isFreeze": False,
            "createTime": _MADE,
            "isManagedSubAccount": False,
            "isAssetManagementSubAccount": False,
        }
        for number, email in enumerate(below.get(master.name, {}))
        if parameters.get("email", email) == email and parameters.get("isFreeze", "false") == "false"
    ]
    return {"subAccounts": found[(page - 1) * limit : page * limit]}


def _status(below: Below, parameters: Parameters, master: Book) -> object:
    return [
        {
            "email": email,
            "isSubUserEnabled": True,
            "isUserActive": True,
            "insertTime": _MADE,
            "isMarginEnabled": False,
            "isFutureEnabled": True,
            "mobile": 0,
        }
        for email in below.get(master.name, {})
        if parameters.get("email", email) == email
    ]


def _one(below: Below, kind: str, parameters: Parameters, master: Book) -> Book:
    """The sub-account that is asked about. How one that is none is refused is not documented, and made up."""
    for name in ("email", "futuresType"):
        if not parameters.get(name):
            raise BinanceError(
                400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
            )
    book = below.get(master.name, {}).get(parameters["email"])
    if book is None or parameters["futuresType"] != kind:
        raise BinanceError(400, -1109, "Invalid account.")
    return book
