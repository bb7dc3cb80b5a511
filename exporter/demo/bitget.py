"""Bitget's futures accounts as a local server.

Answers: the pages below https://www.bitget.com/api-doc/contract and .../uta . How it is asked is in
`exporter.demo._bitget`, what it tells everybody in `exporter.demo._bitget_figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from exporter.demo._bitget import (
    CLASSIC,
    BitgetServer,
    Credential,
    Endpoint,
    Kind,
    Parameters,
    Rows,
    classic_key,
    key,
)
from exporter.demo._bitget_figures import (
    DIGITS,
    HAIRCUTS,
    PRODUCTS,
    SYMBOLS,
    TAKER_RATE,
    classic_discounts,
    classic_places,
    classic_tiers,
    funding_rates,
    in_coins,
    in_usd,
    linear,
    places,
    prices,
    product,
    product_of,
    rate_of,
    symbol_of,
    text,
    unified_discounts,
    unified_tiers,
)
from exporter.demo.book import Book, CollateralRate, Position
from exporter.demo.contracts import ZERO, Contract
from exporter.demo.market import Market
from exporter.demo.orders import Order as PlainOrder

OLD, NEW = "1759309200000", "1764579600000"
"""When positions were opened: before and after 2025-11-10."""
_RATIO_DIGITS = 16


@dataclass(frozen=True)
class Order(PlainOrder):
    """A position to open; of one margined in a coin the size is in it, in a unified account in USD."""

    opened: str = NEW


class BitgetSimulator(BitgetServer):
    """Bitget with accounts of both kinds.

    ``bitget-classic``: a pool for each margin coin, hedge mode, old and new positions, isolated ones.
    ``bitget-union``: classic, several coins back positions in USDT. ``bitget-unified``: all coins back all
    contracts. ``bitget-unified-isolated``: a unified account in which each position stands alone.

    Attributes:
        opened: When positions were opened, by account and identity.
    """

    name: ClassVar[str] = "bitget"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.opened: dict[tuple[str, int], str] = {}
        for book in self._demo_books():
            self.add_account(book)

    def new_book(self, name: str, kind: Kind = "single", *, hedge_mode: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        self.kinds[name] = kind
        shared = kind not in {"single", "isolated"}
        return Book(
            name,
            self.market,
            digits=DIGITS,
            hedge_mode=hedge_mode,
            multi_asset=shared,
            collateral=CollateralRate.by_shares(HAIRCUTS) if shared else {},
        )

    def open(self, book: Book, *orders: Order) -> None:
        """Opens positions; long and short of a symbol that are cross reach a tier together."""
        for order in orders:
            together = [
                one for one in orders if one.symbol == order.symbol and one.mode == order.mode == "cross"
            ]
            size = Decimal(order.size)
            share = size / sum((Decimal(one.size) for one in together or [order]), ZERO)
            held = order.fill(book, self._contract(book, order, share), self.now())
            self.opened[book.name, held.identity] = order.opened

    def _contract(self, book: Book, order: Order, share: Decimal) -> Contract:
        classic = self.kind(book.name) in CLASSIC
        if product_of(order.symbol) == "COIN-FUTURES":
            size = Decimal(order.size)
            return in_coins(order.symbol, size, Decimal(order.price)) if classic else in_usd(order.symbol)
        return linear(order.symbol, progressive=classic and order.opened == NEW, share=share)

    def _demo_books(self) -> Iterable[Book]:
        book = self.new_book("bitget-classic", hedge_mode=True)
        for coin, amount in (("USDT", "41250.4471"), ("USDC", "6400.25"), ("BTC", "0.31")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTCUSDT", "long", "2.2", "64210.5", 20, opened=OLD),
            Order("BTCUSDT", "short", "0.6", "65480.1", 20),
            Order("ETHUSDT", "short", "33", "3461.2", 15),
            Order("SOLUSDT", "long", "60", "149.21", 3, "isolated", opened=OLD),
            Order("SOLUSDT", "short", "45", "151.3", 3, "isolated"),
            Order("ETHPERP", "long", "4.1", "3377.8"),
            Order("BTCUSD", "long", "0.42", "64770.5"),
        )
        yield book

        book = self.new_book("bitget-union", "union")
        for coin, amount in (("USDT", "9180.4471"), ("BTC", "0.35"), ("ETH", "2.4")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTCUSDT", "long", "1.1", "64950.5"),
            Order("SOLUSDT", "short", "310", "151.218", opened=OLD),
        )
        yield book

        book = self.new_book("bitget-unified", "advanced")
        for coin, amount in (("USDT", "21180.4471"), ("USDC", "3100"), ("BTC", "0.12"), ("ETH", "5")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTCUSDT", "long", "1.6", "64210.5"),
            Order("SOLUSDT", "short", "240", "151.218"),
            Order("ETHPERP", "long", "3", "3377.8"),
            Order("ETHUSD", "short", "21000", "3421.35"),
        )
        yield book

        book = self.new_book("bitget-unified-isolated", "isolated")
        book.deposit("USDT", "15120.3")
        self.open(
            book,
            Order("ETHUSDT", "long", "5", "3377.8", 2, "isolated"),
            Order("SOLUSDT", "short", "80", "151.218", 3, "isolated"),
        )
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        kind, symbol, category = (frozenset({name}) for name in ("productType", "symbol", "category"))
        reads = frozenset({"coor", "cpor", "coow", "cpow"})
        manages, trades = frozenset({"uta_mgt"}), frozenset({"uta_trade"})
        return {
            "/api/v2/public/time": Endpoint(answer=lambda _: {"serverTime": str(self.server_time())}),
            "/api/v2/mix/market/tickers": Endpoint(needed=kind, answer=self._tickers),
            "/api/v2/mix/market/current-fund-rate": Endpoint(symbol, kind, answer=self._funding),
            "/api/v2/mix/market/symbol-price": Endpoint(needed=kind | symbol, answer=self._price),
            "/api/v2/mix/market/query-position-lever": Endpoint(
                needed=kind | symbol, answer=classic_tiers, limit=10
            ),
            "/api/v2/mix/market/discount-rate": Endpoint(answer=classic_discounts, limit=5),
            "/api/v3/market/position-tier": Endpoint(symbol, category, answer=unified_tiers),
            "/api/v3/market/discount-rate": Endpoint(answer=unified_discounts),
            "/api/v2/mix/account/accounts": Endpoint(
                needed=kind, private_answer=self._classic_accounts, rights=reads, limit=10
            ),
            "/api/v2/mix/position/all-position": Endpoint(
                frozenset({"marginCoin"}), kind, private_answer=self._positions, rights=reads, limit=5
            ),
            "/api/v2/mix/position/adlRank": Endpoint(
                needed=kind, private_answer=self._classic_places, rights=reads, limit=5
            ),
            "/api/v3/position/adlRank": Endpoint(private_answer=self._places, rights=trades, limit=1),
            "/api/v2/spot/account/info": Endpoint(private_answer=classic_key, limit=1),
            "/api/v3/account/settings": Endpoint(private_answer=self._settings, rights=manages),
            "/api/v3/account/assets": Endpoint(private_answer=self._assets, rights=manages),
            "/api/v3/account/collateral-type": Endpoint(
                private_answer=lambda _, __: {"collateralType": "all", "collateralCoins": ""},
                rights=manages,
            ),
            "/api/v3/position/current-position": Endpoint(
                frozenset({"symbol", "posSide"}),
                category,
                private_answer=self._unified_positions,
                rights=trades,
            ),
            "/api/v3/account/info": Endpoint(private_answer=key, limit=5),
        }

    def _tickers(self, parameters: Parameters) -> Rows:
        symbols = SYMBOLS[product(parameters, "productType")]
        return [prices(self.market, symbol, str(self.server_time())) for symbol in symbols]

    def _funding(self, parameters: Parameters) -> Rows:
        return funding_rates(parameters, self.server_time())

    def _price(self, parameters: Parameters) -> Rows:
        symbol = symbol_of(parameters, product(parameters, "productType"))
        return [prices(self.market, symbol, str(self.server_time()))]

    def _usd(self, coin: str) -> Decimal:
        return self.market.exact_index(coin, "USD", 8)

    # --- Classic accounts ----------------------------------------------------------------------------

    def _classic_accounts(self, parameters: Parameters, credential: Credential) -> Rows:
        book = self.accounts[credential.account]
        coins = PRODUCTS[product(parameters, "productType")]
        if self.kind(book.name) == "union":
            if coins == ("USDT",):
                return [self._union(book)]
            empty = Book("", self.market, digits=DIGITS)
            return [self._coin(empty, coin) for coin in coins]
        return [self._coin(book, coin) for coin in coins]

    def _coin(self, book: Book, coin: str) -> dict[str, object]:
        pool = book.coin_pool(coin)
        isolated = [
            one for one in book.positions if one.margin_mode == "isolated" and one.contract.settle == coin
        ]
        own = sum((book.unrealized_pnl(one) for one in isolated), ZERO)
        value = pool.equity * self.market.exact_index(coin, "USDT", 8)
        return {
            "marginCoin": coin,
            "locked": "0",
            "available": text(pool.available),
            "crossedMaxAvailable": text(pool.available),
            "isolatedMaxAvailable": text(pool.available),
            "maxTransferOut": text(pool.available),
            "accountEquity": text(pool.equity),
            "usdtEquity": text(value),
            "btcEquity": text(value / self.market.exact_index("BTC", "USDT", 8)),
            "crossedRiskRate": _ratio(pool.cross_maintenance_margin, pool.margin_equity, 4),
            "unrealizedPL": text(pool.unrealized_pnl),
            "coupon": "0",
            "crossedUnrealizedPL": text(pool.cross_pnl),
            "isolatedUnrealizedPL": text(own),
            "crossedMargin": text(pool.cross_initial_margin),
            "isolatedMargin": text(sum((one.isolated_wallet for one in isolated), ZERO)),
            "grant": "",
            "assetMode": "single",
        }

    def _union(self, book: Book) -> dict[str, object]:
        """In USDT; its own equity is that of USDT alone."""
        pool, usdt = book.pool("USD"), self._usd("USDT")
        beside = [coin for coin in book.coins() if coin != "USDT"]
        return {
            **self._coin(book, "USDT"),
            "available": text(pool.available / usdt),
            "maxTransferOut": text(min(pool.available / usdt, max(ZERO, book.cross_wallet("USDT")))),
            "crossedRiskRate": _ratio(pool.cross_maintenance_margin, pool.margin_equity, 4),
            "unionTotalMargin": text(pool.margin_equity / usdt),
            "unionAvailable": text(pool.available / usdt),
            "unionMm": text(pool.cross_maintenance_margin / usdt),
            "assetList": [
                {
                    "coin": coin,
                    "balance": text(book.cross_wallet(coin)),
                    "available": text(book.cross_wallet(coin)),
                }
                for coin in beside
            ],
            "assetMode": "union",
        }

    def _positions(self, parameters: Parameters, credential: Credential) -> Rows:
        book, asked = self.accounts[credential.account], product(parameters, "productType")
        return [
            self._position(book, held)
            for held in book.positions
            if product_of(held.contract.symbol) == asked
            and parameters.get("marginCoin", held.contract.settle) == held.contract.settle
        ]

    def _position(self, book: Book, held: Position) -> dict[str, object]:
        isolated, price = held.margin_mode == "isolated", book.liquidation_price(held)
        pool = book.pool(book.currency_of(held))
        required, backing = pool.cross_maintenance_margin, pool.margin_equity
        if isolated:
            required, backing = book.maintenance_margin(held), book.isolated_equity(held)
        return {
            "marginCoin": held.contract.settle,
            "symbol": held.contract.symbol,
            "holdSide": held.side,
            "openDelegateSize": "0",
            "marginSize": text(held.isolated_wallet if isolated else book.initial_margin(held)),
            "available": f"{held.quantity:f}",
            "locked": "0",
            "total": f"{held.quantity:f}",
            "leverage": str(held.leverage),
            "achievedProfits": text(held.realized_pnl),
            "openPriceAvg": f"{held.entry_price:f}",
            "marginMode": "isolated" if isolated else "crossed",
            "posMode": _position_mode(book),
            "unrealizedPL": text(book.unrealized_pnl(held)),
            "liquidationPrice": "0" if price is None else text(price, _RATIO_DIGITS),
            "keepMarginRate": rate_of(book, held),
            "markPrice": f"{book.mark(held.contract):f}",
            "marginRatio": _ratio(required, backing, _RATIO_DIGITS),
            "breakEvenPrice": f"{held.entry_price:f}",
            "totalFee": "",
            "deductedFee": "0",
            "grant": "",
            "assetMode": "union" if book.multi_asset else "single",
            "autoMargin": "off",
            **dict.fromkeys(("takeProfit", "stopLoss", "takeProfitId", "stopLossId"), ""),
            "cTime": self.opened.get((book.name, held.identity), NEW),
            "uTime": str(int(held.updated_at * 1000)),
        }

    def _classic_places(self, parameters: Parameters, credential: Credential) -> Rows:
        return classic_places(self.accounts[credential.account], parameters)

    # --- Unified accounts ----------------------------------------------------------------------------

    def _settings(self, _: Parameters, credential: Credential) -> object:
        book = self.accounts[credential.account]
        return {
            "uid": "1000000001",
            "accountMode": "unified",
            "assetMode": "multi_assets",
            "accountLevel": self.kind(book.name),
            "holdMode": _position_mode(book),
            "stpMode": "none",
            "symbolConfigList": [],
            "coinConfigList": [],
        }

    def _assets(self, _: Parameters, credential: Credential) -> object:
        book = self.accounts[credential.account]
        pools = {coin: book.coin_pool(coin) for coin in book.coins()}
        worth = sum((pool.equity * self._usd(coin) for coin, pool in pools.items()), ZERO)
        pnl = sum((pool.unrealized_pnl * self._usd(coin) for coin, pool in pools.items()), ZERO)
        shared = book.pool("USD") if book.multi_asset else None
        backing = ZERO if shared is None else shared.margin_equity
        required = ZERO if shared is None else shared.cross_maintenance_margin
        return {
            "accountEquity": text(worth),
            "usdtEquity": text(worth / self._usd("USDT")),
            "btcEquity": text(worth / self._usd("BTC")),
            "unrealisedPnl": text(pnl),
            "usdtUnrealisedPnl": text(pnl / self._usd("USDT")),
            "btcUnrealizedPnl": text(pnl / self._usd("BTC")),
            "effEquity": text(backing),
            "mmr": text(required),
            "imr": text(ZERO if shared is None else shared.cross_initial_margin),
            "mgnRatio": _ratio(required, backing, 4),
            "positionMgnRatio": _ratio(required, backing, 4),
            "assets": [
                {
                    "coin": coin,
                    "equity": text(pool.equity),
                    "usdValue": text(pool.equity * self._usd(coin)),
                    "balance": text(pool.wallet),
                    "available": text(pool.available),
                    "debt": text(max(ZERO, -pool.wallet)),
                    "locked": "0",
                }
                for coin, pool in pools.items()
            ],
        }

    def _places(self, _: Parameters, credential: Credential) -> Rows:
        return places(self.accounts[credential.account])

    def _unified_positions(self, parameters: Parameters, credential: Credential) -> object:
        book, asked = self.accounts[credential.account], product(parameters, "category")
        rows = [
            self._unified_position(book, held)
            for held in book.positions
            if product_of(held.contract.symbol) == asked
            and parameters.get("symbol", held.contract.symbol) == held.contract.symbol
            and parameters.get("posSide", held.side) == held.side
        ]
        return {"list": rows or None}

    def _unified_position(self, book: Book, held: Position) -> dict[str, object]:
        isolated, price = held.margin_mode == "isolated", book.liquidation_price(held)
        initial = book.initial_margin(held) + book.notional(held) * TAKER_RATE
        stamp = self.opened.get((book.name, held.identity), NEW)
        return {
            "category": product_of(held.contract.symbol),
            "symbol": held.contract.symbol,
            "marginCoin": held.contract.settle,
            "holdMode": _position_mode(book),
            "posSide": held.side,
            "marginMode": "isolated" if isolated else "crossed",
            "positionBalance": text(held.isolated_wallet if isolated else initial),
            "available": f"{held.quantity:f}",
            "frozen": "0",
            "total": f"{held.quantity:f}",
            "leverage": str(held.leverage),
            "curRealisedPnl": text(held.realized_pnl),
            "avgPrice": f"{held.entry_price:f}",
            "positionStatus": "normal",
            "unrealisedPnl": text(book.unrealized_pnl(held)),
            "liquidationPrice": "0" if price is None else text(price, _RATIO_DIGITS),
            "mmr": rate_of(book, held),
            "profitRate": text(book.return_on_margin(held)),
            "markPrice": f"{book.mark(held.contract):f}",
            "breakEvenPrice": f"{held.entry_price:f}",
            "totalFunding": "0",
            "openFeeTotal": "0",
            "closeFeeTotal": "0",
            "createdTime": stamp,
            "updatedTime": str(int(held.updated_at * 1000)),
        }


def _position_mode(book: Book) -> str:
    return "hedge_mode" if book.hedge_mode else "one_way_mode"


def _ratio(required: Decimal, backing: Decimal, digits: int) -> str:
    """What is required of what backs it; 0 where there is nothing, as the venue prints it."""
    return text(required / backing, digits) if required and backing > 0 else "0"
