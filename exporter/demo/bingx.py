"""BingX perpetual swaps (current API) as a local server.

Endpoints, permissions and limits: https://bingx-api.github.io/docs/#/en-us/swapV2/account-api.html,
.../trade-api.html and .../base-info.html. Failures come inside HTTP 200.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from exporter.demo._bingx import (
    BingxError,
    Credential,
    Endpoint,
    KeyEndpoint,
    Limits,
    Parameters,
    PublicEndpoint,
    SignedEndpoint,
    check_names,
    limit_headers,
    unknown_symbol,
)
from exporter.demo._bingx_figures import (
    COLLATERAL,
    CONTRACTS,
    DIGITS,
    MAKER_RATE,
    PRECISION,
    TAKER_RATE,
    amount,
    available_margin,
    contract_rows,
    leverage_row,
    margin_asset_rows,
    price_text,
    risk_rate,
    rule_rows,
    tier_rows,
    used_margin,
)
from exporter.demo.base import VenueSimulator
from exporter.demo.book import Book, Position
from exporter.demo.contracts import rounded
from exporter.demo.market import Market

RECEIVE_WINDOW_MS = 5000
"""Default and largest."""
FUNDING_INTERVAL_MS = 8 * 3600 * 1000
FUNDING_RATES = {"SOL": "-0.00042000", "LTC": "0.00005300"}
API_LIST = "https://bingx-api.github.io/docs"

MARGIN_COINS = ("USDT", "USDC")
"""Rows of the balance call; of a coin that was never used every amount is an empty string."""

_COMMON = frozenset({"timestamp", "recvWindow"})
_MARKET_LIMIT = 500
_INTERFACE_LIMIT = 300
_ADDRESS_WINDOW = 10.0


class BingxSimulator(VenueSimulator):
    """BingX with three demo accounts.

    ``bingx-directional``: one-way, cross; the venue prints no liquidation price on its cross rows, and open
    orders freeze a part of the balance.
    ``bingx-hedged``: hedge mode, both legs of BTC-USDT in cross mode and an isolated ETH-USDT with added
    margin.
    ``bingx-multi-assets``: multi-assets mode; bitcoin backs positions settled in USDT, of which some is owed.

    Attributes:
        credentials: The accepted keys by API key.
        unpriced: The accounts whose cross rows show the liquidation price 0, as the venue's do at times.
        taker_rates: What closing costs, by account; `TAKER_RATE` where an account is not in it. The positions
            of such an account are opened in a `_bingx_figures.contract` with that rate.
        all_coins: The balance call lists every coin of an account, and not only those that contracts are
            settled in. The documentation says the latter.
    """

    name: ClassVar[str] = "bingx"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = Limits()
        self.unpriced: set[str] = {"bingx-directional"}
        self.taker_rates: dict[str, Decimal] = {}
        self.all_coins = False
        self._frozen: dict[tuple[str, str], Decimal] = {}
        for book in self._demo_books():
            self.add_account(book)
        self.freeze("bingx-directional", "USDT", "402.17")

    def freeze(self, account: str, coin: str, amount: Decimal | float | str) -> None:
        """Open orders take an amount out of what backs the positions, and leave it in the balance."""
        self._accounts[account].deposit(coin, -Decimal(amount))
        self._frozen[account, coin] = self.frozen(account, coin) + Decimal(amount)

    def frozen(self, account: str, coin: str) -> Decimal:
        """What open orders have taken out."""
        return self._frozen.get((account, coin), Decimal(0))

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake one."""
        credential = credential or Credential.fake(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def new_book(self, name: str, *, hedge_mode: bool = False, multi_asset: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        return Book(
            name,
            self.market,
            digits=DIGITS,
            hedge_mode=hedge_mode,
            multi_asset=multi_asset,
            collateral=dict(COLLATERAL) if multi_asset else {},
            initial_margin_basis="entry",
        )

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()

        book = self.new_book("bingx-directional")
        book.deposit("USDT", "14820.3517")
        book.open(
            CONTRACTS["BTC-USDT"],
            "long",
            "0.62",
            price="64210.5",
            leverage=10,
            realized_pnl="-31.2046",
            now=now,
        )
        book.open(
            CONTRACTS["SOL-USDT"],
            "short",
            "120.5",
            price="151.218",
            leverage=5,
            realized_pnl="4.1182",
            now=now,
        )
        yield book

        book = self.new_book("bingx-hedged", hedge_mode=True)
        book.deposit("USDT", "11640")
        book.open(CONTRACTS["BTC-USDT"], "long", "2.4", price="64980.1", leverage=50, now=now)
        book.open(CONTRACTS["BTC-USDT"], "short", "1.9", price="64931.6", leverage=50, now=now)
        book.open(
            CONTRACTS["ETH-USDT"],
            "long",
            "6.2",
            price="3398.2",
            leverage=10,
            margin_mode="isolated",
            isolated_margin="4150",
            now=now,
        )
        yield book

        book = self.new_book("bingx-multi-assets", hedge_mode=True, multi_asset=True)
        book.deposit("BTC", "0.6")
        book.deposit("USDT", "-1250")
        book.open(CONTRACTS["ETH-USDT"], "short", "58", price="3420.4", leverage=20, now=now)
        book.open(CONTRACTS["BTC-USDC"], "short", "0.9", price="65105.3", leverage=20, now=now)
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Sequence[Endpoint]:
        """Everything the venue answers."""
        symbol = frozenset({"symbol"})
        return (
            PublicEndpoint("/openApi/swap/v2/server/time", self._server_time, needs_timestamp=False),
            PublicEndpoint("/openApi/swap/v2/quote/premiumIndex", self._premium_index, symbol),
            SignedEndpoint("/openApi/swap/v3/user/balance", self._balance, 5),
            SignedEndpoint("/openApi/swap/v2/user/balance", self._balance_v2, 5),
            SignedEndpoint("/openApi/swap/v2/user/positions", self._positions, 5, optional=symbol),
            SignedEndpoint("/openApi/swap/v1/maintMarginRatio", self._tiers, 5, required=symbol),
            SignedEndpoint("/openApi/swap/v2/trade/leverage", self._leverage, 5, required=symbol),
            SignedEndpoint("/openApi/swap/v1/positionSide/dual", self._position_mode, 2, trading=True),
            SignedEndpoint("/openApi/swap/v1/trade/assetMode", self._asset_mode, 2, trading=True),
            SignedEndpoint("/openApi/swap/v1/user/marginAssets", self._margin_assets, 2, trading=True),
            SignedEndpoint("/openApi/swap/v2/user/commissionRate", self._commission_rate, 5, trading=True),
            PublicEndpoint("/openApi/swap/v1/trade/multiAssetsRules", lambda _: rule_rows(self.market)),
            PublicEndpoint("/openApi/swap/v2/quote/contracts", lambda _: contract_rows(), symbol),
        )

    def _server_time(self, _: Parameters) -> object:
        return {"serverTime": self.server_time()}

    def _balance(self, _: Parameters, book: Book) -> object:
        coins = [*MARGIN_COINS, *(coin for coin in book.coins() if self.all_coins or coin == "VST")]
        return [self._balance_row(book, coin) for coin in dict.fromkeys(coins)]

    def _balance_v2(self, _: Parameters, book: Book) -> object:
        row = self._balance_row(book, "USDT")
        return {"balance": {name: value for name, value in row.items() if name not in {"userId", "shortUid"}}}

    def _balance_row(self, book: Book, coin: str) -> dict[str, object]:
        number = _account_number(book.name)
        if coin not in book.coins():
            empty = dict.fromkeys(("balance", "equity", "unrealizedProfit"), "")
            margins = dict.fromkeys(("availableMargin", "usedMargin", "freezedMargin"), "")
            return {
                "userId": "",
                "asset": coin,
                **empty,
                "realisedProfit": "0",
                **margins,
                "shortUid": number,
            }
        pool = book.coin_pool(coin)
        settled = [held for held in book.positions if held.contract.settle == coin]
        used, frozen = used_margin(book, coin), self.frozen(book.name, coin)
        return {
            "userId": f"10{number}",
            "asset": coin,
            "balance": amount(pool.wallet + frozen),
            "equity": amount(pool.equity + frozen),
            "unrealizedProfit": amount(pool.unrealized_pnl),
            "realisedProfit": amount(sum((held.realized_pnl for held in settled), Decimal(0))),
            "availableMargin": amount(available_margin(pool, used)),
            "usedMargin": amount(used),
            "freezedMargin": amount(frozen),
            "shortUid": number,
        }

    def _positions(self, parameters: Parameters, book: Book) -> object:
        asked = parameters.get("symbol")
        if asked is not None and asked not in CONTRACTS:
            raise unknown_symbol(asked)
        return [
            self._position_row(book, position)
            for position in book.positions
            if asked is None or position.contract.symbol == asked
        ]

    def _position_row(self, book: Book, position: Position) -> dict[str, object]:
        contract = position.contract
        price_digits, quantity_digits = PRECISION[contract.base]
        isolated = position.margin_mode == "isolated"
        pnl = book.unrealized_pnl(position)
        initial = book.initial_margin(position)
        quantity = f"{position.quantity:.{quantity_digits}f}"
        return {
            "positionId": _position_id(book, position),
            "symbol": contract.symbol,
            "currency": contract.settle,
            "positionAmt": quantity,
            "availableAmt": quantity,
            "positionSide": position.side.upper(),
            "isolated": isolated,
            "avgPrice": f"{position.entry_price:.{price_digits}f}",
            "initialMargin": amount(initial),
            "margin": amount((position.isolated_wallet if isolated else initial) + pnl),
            "leverage": position.leverage,
            "unrealizedProfit": amount(pnl),
            "realisedProfit": amount(position.realized_pnl),
            "liquidationPrice": self._liquidation_price(book, position),
            "pnlRatio": amount(pnl / initial if initial else Decimal(0)),
            "maxMarginReduction": amount(
                max(Decimal(0), position.isolated_wallet - initial) if isolated else Decimal(0)
            ),
            "riskRate": amount(risk_rate(book, position)),
            "markPrice": f"{rounded(book.mark(contract), price_digits):f}",
            "positionValue": amount(book.notional(position)),
            "onlyOnePosition": not book.hedge_mode,
            "updateTime": int(position.updated_at * 1000),
        }

    def _liquidation_price(self, book: Book, position: Position) -> float:
        """A JSON number; 0 where there is none."""
        if position.margin_mode == "cross" and book.name in self.unpriced:
            return 0
        price = book.liquidation_price(position)
        return 0 if price is None else float(price)

    def _tiers(self, parameters: Parameters, _: Book) -> object:
        if parameters["symbol"] not in CONTRACTS:
            raise unknown_symbol(parameters["symbol"])
        return tier_rows(parameters["symbol"])

    def _leverage(self, parameters: Parameters, book: Book) -> object:
        if parameters["symbol"] not in CONTRACTS:
            raise unknown_symbol(parameters["symbol"])
        return leverage_row(book, parameters["symbol"])

    def _position_mode(self, _: Parameters, book: Book) -> object:
        return {"dualSidePosition": "true" if book.hedge_mode else "false"}

    def _asset_mode(self, _: Parameters, book: Book) -> object:
        return {"assetMode": "multiAssetsMode" if book.multi_asset else "singleAssetMode"}

    def _margin_assets(self, _: Parameters, book: Book) -> object:
        return margin_asset_rows(book) if book.multi_asset else []

    def _commission_rate(self, _: Parameters, book: Book) -> object:
        taker = self.taker_rates.get(book.name, TAKER_RATE)
        return {"commission": {"takerCommissionRate": float(taker), "makerCommissionRate": float(MAKER_RATE)}}

    def _premium_index(self, parameters: Parameters) -> object:
        now = self.server_time()
        rows = [
            {
                "symbol": contract.symbol,
                "markPrice": price_text(
                    self.market.exact_mark(contract.base, contract.quote, 8), contract.base
                ),
                "indexPrice": price_text(
                    self.market.exact_index(contract.base, contract.quote, 8), contract.base
                ),
                "lastFundingRate": FUNDING_RATES.get(contract.base, "0.00010000"),
                "nextFundingTime": (now // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS,
            }
            for contract in CONTRACTS.values()
        ]
        if "symbol" not in parameters:
            return rows
        for row in rows:
            if row["symbol"] == parameters["symbol"]:
                return row
        raise unknown_symbol(parameters["symbol"])

    # --- How it is asked -----------------------------------------------------------------------------

    def application(self) -> web.Application:
        table = {endpoint.path: endpoint for endpoint in (KeyEndpoint(), *self.endpoints())}

        async def handle(request: web.Request) -> web.Response:
            headers: dict[str, str] = {}
            try:
                data = self._answer(table, request, await request.text(), headers)
                body: dict[str, object] = {"code": 0, "msg": "", "data": data}
            except BingxError as error:
                body = {
                    "code": error.code,
                    "msg": error.message,
                    "success": False,
                    "timestamp": self.server_time(),
                }
            return web.Response(text=json.dumps(body), headers=headers, content_type="application/json")

        return self.new_application(handle)

    def _answer(
        self,
        table: Mapping[str, Endpoint | KeyEndpoint],
        request: web.Request,
        body: str,
        headers: dict[str, str],
    ) -> object:
        address = request.remote or ""
        now = self.now()
        query = request.raw_path.partition("?")[2]
        pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
        parameters = dict(pairs)
        endpoint = table.get(request.path)
        if endpoint is None or request.method != "GET":
            raise BingxError(100400, f"this api is not exist, please refer to the API docs {API_LIST}")
        if len(parameters) != len(pairs):
            raise BingxError(100400, "arguments invalid")
        if isinstance(endpoint, PublicEndpoint):
            left = self.limits.spend(address, "market", now, limit=_MARKET_LIMIT, window=_ADDRESS_WINDOW)
            headers.update(limit_headers(left, _ADDRESS_WINDOW))
            if endpoint.needs_timestamp:
                self._check_timestamp(parameters)
            check_names(parameters, frozenset(), endpoint.optional | _COMMON)
            return endpoint.answer(parameters)
        self.limits.spend(address, endpoint.path, now, limit=_INTERFACE_LIMIT, window=_ADDRESS_WINDOW)
        credential = self._authenticate(request.headers.get("X-BX-APIKEY"), query + body, parameters, address)
        left = self.limits.spend(credential.account, endpoint.path, now, limit=endpoint.a_second, window=1.0)
        headers.update(limit_headers(left, 1.0))
        if isinstance(endpoint, KeyEndpoint):
            check_names(parameters, frozenset(), _COMMON | {"signature"})
            return credential.permissions()
        if endpoint.trading and not credential.may_trade:
            raise BingxError(100004, "Permission denied as the API key was created without the permission")
        check_names(parameters, endpoint.required, endpoint.optional | _COMMON | {"signature"})
        return endpoint.answer(parameters, self.accounts[credential.account])

    def _authenticate(
        self, api_key: str | None, sent: str, parameters: Parameters, address: str
    ) -> Credential:
        credential = self.credentials.get(api_key or "")
        if credential is None:
            raise BingxError(100413, "Incorrect apiKey, please check your valid api key")
        if not parameters.get("signature"):
            raise BingxError(100412, "Null signature")
        payload, _, given = sent.rpartition("&signature=")
        # Whatever comes after the signature is not signed.
        if not re.fullmatch(r"[0-9a-f]{64}", given) or not hmac.compare_digest(
            credential.signature(unquote(payload)), given
        ):
            raise BingxError(100001, "Signature verification failed due to signature mismatch")
        self._check_timestamp(parameters)
        if credential.addresses and address not in credential.addresses:
            raise BingxError(100419, f"your current request IP {address} does not match IP whitelist")
        return credential

    def _check_timestamp(self, parameters: Parameters) -> None:
        timestamp = parameters.get("timestamp", "")
        window = parameters.get("recvWindow", str(RECEIVE_WINDOW_MS))
        if not re.fullmatch(r"[0-9]{1,4}", window) or int(window) > RECEIVE_WINDOW_MS:
            raise BingxError(100400, f"arguments invalid: recvWindow is at most {RECEIVE_WINDOW_MS}")
        if not re.fullmatch(r"[0-9]{13}", timestamp) or abs(self.server_time() - int(timestamp)) > int(
            window
        ):
            raise BingxError(100421, "Null timestamp or timestamp mismatch")


def _account_number(name: str) -> str:
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:6], 16) + 10_000_000)


def _position_id(book: Book, position: Position) -> str:
    # Beyond 2^53, as the venue's are.
    return str(1_792_480_725_958_000_000 + int(_account_number(book.name)) * 1000 + position.identity)
