"""Documented and captured accounts of each margin model, and the rules of their requests."""

from __future__ import annotations

import copy
import hashlib
import hmac
import re
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from exporter.model import AccountSnapshot
from exporter.venues._deribit import BOOKS, INDEX, KEY, MEMBERS, POSITIONS, SUMMARIES, TIME
from tests.venues.bench import Bench, Rows, Scenario, row_with
from tests.venues.harness import QuietObserver, decoded, payload

NAME = "deribit"
CLIENT = "TESTKEY"
SECRET = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI="
CREDENTIALS = {"api_key": CLIENT, "api_secret": SECRET}

_HEADER = re.compile(r"deri-hmac-sha256 id=TESTKEY,ts=(\d{13}),sig=([0-9a-f]{64}),nonce=([0-9a-f]{32})")
ASKED: dict[str, list[dict[str, str]]] = {
    "/api/v2/private/get_account_summaries": [{}, {"extended": "true"}],
    "/api/v2/private/get_positions": [{"currency": "any"}],
    "/api/v2/private/get_subaccounts": [{}],
    "/api/v2/public/get_book_summary_by_currency": [
        {"currency": coin, "kind": kind}
        for coin in ("BTC", "ETH", "USDC", "USDT")
        for kind in ("future", "option")
    ],
    "/api/v2/public/get_time": [{}],
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, strict_parsing=bool(query)))
    if request.path == "/api/v2/public/auth":
        _check_token(parameters)
        return
    parameters.pop("subaccount_id", "")
    if request.path == "/api/v2/public/get_index_price":
        # Of any currency that an account has: documents are damaged in tests.
        assert parameters.keys() == {"index_name"}
        assert parameters["index_name"] in {"btc_usd", "eth_usd"} or parameters["index_name"].endswith(
            "_usdc"
        )
    else:
        assert parameters in ASKED[request.path]
    if "/public/" in request.path:
        assert "Authorization" not in request.headers
        return
    found = _HEADER.fullmatch(request.headers["Authorization"])
    assert found is not None
    stamp, signature, nonce = found.groups()
    assert stamp.startswith("17000000")
    text = f"{stamp}\n{nonce}\nGET\n{request.raw_path}\n\n"
    assert signature == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def _check_token(parameters: dict[str, str]) -> None:
    """A token is asked for by signature: the secret is in no URL."""
    assert parameters.keys() == {"grant_type", "client_id", "timestamp", "nonce", "signature"}
    assert (parameters["grant_type"], parameters["client_id"]) == ("client_signature", CLIENT)
    text = f"{parameters['timestamp']}\n{parameters['nonce']}\n"
    assert parameters["signature"] == hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def success(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "result": result}


def future(**changed: Any) -> dict[str, Any]:
    """The documented position with some fields changed; `...` takes one away."""
    return row_with(document("positions.json")["result"][0], **changed)


def option(**changed: Any) -> dict[str, Any]:
    """A short call, priced by Black-76 at 37,000 and 60 % of volatility, 3836800 s before it expires."""
    row = {
        "instrument_name": "BTC-29DEC23-40000-C",
        "kind": "option",
        "direction": "sell",
        "size": -10.0,
        "average_price": 0.0561,
        "average_price_usd": 2075.7,
        "mark_price": 0.0521,
        "index_price": 36950.0,
        "settlement_price": 0.0533,
        "delta": -3.94396852,
        "gamma": -0.00049704,
        "vega": -496.71920545,
        "theta": 335.56510126,
        "initial_margin": 1.521,
        "maintenance_margin": 1.271,
        "floating_profit_loss": 0.012,
        "floating_profit_loss_usd": 148.0,
        "realized_profit_loss": 0.0,
        "total_profit_loss": 0.04,
    }
    return row_with(row, **changed)


def put(**changed: Any) -> dict[str, Any]:
    """The other leg of a short strangle, at 65 %."""
    row = option(
        instrument_name="BTC-29DEC23-33000-P",
        average_price=0.0402,
        average_price_usd=1487.4,
        mark_price=0.041909,
        settlement_price=0.0433,
        delta=2.68291464,
        gamma=-0.0003929,
        vega=-425.3656484,
        theta=311.30805377,
        initial_margin=1.41909,
        maintenance_margin=1.16909,
        floating_profit_loss=0.01391,
        floating_profit_loss_usd=-63.23,
        total_profit_loss=-0.01709,
    )
    return row_with(row, **changed)


def linear(**changed: Any) -> dict[str, Any]:
    """A linear future, short."""
    row = future(
        instrument_name="ETH_USDC-PERPETUAL",
        direction="sell",
        size=-20.0,
        size_currency=-20.0,
        average_price=2050.0,
        mark_price=2000.5,
        index_price=2001.0,
        settlement_price=2010.0,
        estimated_liquidation_price=2950.5,
        delta=-20.0,
        initial_margin=1000.25,
        maintenance_margin=600.15,
        total_profit_loss=990.0,
        realized_profit_loss=12.5,
        realized_funding=1.25,
        floating_profit_loss=190.0,
    )
    return row_with(row, **changed)


def book(name: str, volatility: float, price: float, underlying: float = 37000.0) -> dict[str, Any]:
    """The documented row of an option, of another one."""
    return {
        **document("book_summary_options.json")["result"][0],
        "instrument_name": name,
        "mark_iv": volatility,
        "mark_price": price,
        "underlying_price": underlying,
        # The index that the positions have.
        "estimated_delivery_price": 36950.0,
    }


BOOKS_OF_OPTIONS = success(
    [book("BTC-29DEC23-40000-C", 60.0, 0.0521), book("BTC-29DEC23-33000-P", 65.0, 0.041909)]
)


def row(currency: str, model: str, **changed: Any) -> dict[str, Any]:
    """What is read of a currency, with nothing in it but what is given."""
    zero = dict.fromkeys(
        ("equity", "balance", "total_pl", "options_value", "margin_balance", "initial_margin"), 0.0
    )
    zero |= dict.fromkeys(("maintenance_margin", "available_funds", "available_withdrawal_funds"), 0.0)
    return row_with({"currency": currency, "margin_model": model, **zero}, **changed)


def summaries(*rows: Any, **changed: Any) -> dict[str, Any]:
    return success({"summaries": list(rows), **changed})


def strangle(model: str, **changed: Any) -> dict[str, Any]:
    """The currency that a short strangle is in: 6 BTC were paid in, 0.973 taken in for the options."""
    return row(
        "BTC",
        model,
        balance=6.973,
        total_pl=0.02291,
        options_value=-0.94009,
        equity=6.03291,
        margin_balance=6.973,
        initial_margin=2.94009,
        maintenance_margin=2.44009,
        available_funds=4.03291,
        available_withdrawal_funds=4.03291,
        **changed,
    )


TOTALS = {
    "total_equity_usd": 54.924283065,
    "total_margin_balance_usd": 54.924283065,
    "total_initial_margin_usd": 1.099130991,
    "total_maintenance_margin_usd": 0.0,
}
CAPTURED = row(
    "USDT",
    "cross_sm",
    balance=55.00055,
    equity=55.00055,
    margin_balance=54.968258,
    initial_margin=1.100011,
    available_funds=53.868247,
    available_withdrawal_funds=54.968257,
    **TOTALS,
)
"""In cross standard margin, as a client was told it: an order, and no position."""
SHARED = {
    "total_equity_usd": 228_070.0245,
    "total_margin_balance_usd": 262_806.35,
    "total_initial_margin_usd": 109_636.5755,
    "total_maintenance_margin_usd": 90_761.4755,
}
FLAT = success([])
BARE: dict[Any, Any] = {
    SUMMARIES: "account_summaries.json",
    POSITIONS: "positions.json",
    (INDEX, "btc_usd"): "index_price.json",
    (INDEX, "eth_usd"): success({"index_price": 2001.0, "estimated_delivery_price": 2001.0}),
    (BOOKS, "kind=option"): BOOKS_OF_OPTIONS,
}


def cross_rows(model: str) -> list[dict[str, Any]]:
    """Coins that back a short strangle and a short future together."""
    dollars = {"balance": 4164.0, "equity": 5154.0, "total_pl": 990.0, "margin_balance": 262_806.35}
    return [
        strangle(model, **SHARED) | {"margin_balance": 7.11248579, "maintenance_margin": 2.45633222},
        row("USDC", model, **dollars, **SHARED),
    ]


async def snapshot_of(
    changed: dict[Any, Any], *, observer: QuietObserver | None = None, scenario: str = "documented"
) -> AccountSnapshot:
    return await BENCH.snapshot(scenario, changed, observer)


def documented(**changed: Any) -> dict[str, Any]:
    """The documented summaries with fields of the first row changed."""
    answer = copy.deepcopy(document("account_summaries.json"))
    answer["result"]["summaries"][0] |= changed
    return dict(answer)


BENCH = Bench(
    venue=NAME,
    config=CREDENTIALS,
    check=check,
    scenarios={
        "documented": Scenario(
            {
                **BARE,
                KEY: "auth.json",
                MEMBERS: "subaccounts.json",
                (BOOKS, "kind=future"): "book_summary_futures.json",
                TIME: "time.json",
            },
            account="documented",
        ),
        "segregated": Scenario(
            {
                **BARE,
                SUMMARIES: summaries(
                    strangle("segregated_sm"),
                    row(
                        "USDC",
                        "segregated_sm",
                        balance=9000.0,
                        equity=9190.0,
                        margin_balance=9190.0,
                        total_pl=990.0,
                        initial_margin=1000.25,
                        maintenance_margin=600.15,
                        available_funds=8189.75,
                        available_withdrawal_funds=7999.75,
                    ),
                    row("XRP", "segregated_sm"),
                ),
                POSITIONS: success([option(), put(), linear()]),
            },
            account="segregated",
        ),
        "segregated portfolio": Scenario(
            {
                **BARE,
                SUMMARIES: summaries(strangle("segregated_pm")),
                POSITIONS: success([option(), put()]),
            },
            account="segregated-portfolio",
        ),
        "cross": Scenario(
            {
                **BARE,
                SUMMARIES: summaries(*cross_rows("cross_sm")),
                POSITIONS: success([option(), put(), linear()]),
            },
            account="cross",
        ),
        "cross without positions": Scenario(
            {**BARE, SUMMARIES: summaries(CAPTURED), POSITIONS: FLAT}, account="captured"
        ),
        "cross portfolio": Scenario(
            {
                **BARE,
                SUMMARIES: "account_summaries_cross_pm.json",
                POSITIONS: success(
                    [
                        linear(
                            size=-0.002,
                            size_currency=-0.002,
                            total_profit_loss=0.099,
                            estimated_liquidation_price=None,
                        )
                    ]
                ),
            },
            account="cross-portfolio",
        ),
    },
    rows=Rows(
        scenario="documented",
        endpoint=POSITIONS,
        path=("result", 0),
        size="size",
        liquidation_price="estimated_liquidation_price",
        identity="instrument_name",
        price="mark_price",
    ),
    refused_time=(400, document("errors.json")[4]["body"]),
    failure=(400, {"jsonrpc": "2.0", "error": {"code": 11050, "message": "WORDS"}}),
    optional=frozenset({BOOKS, INDEX, KEY}),
)
