"""Bybit's unified accounts as a local server.

Answers: the pages below https://bybit-exchange.github.io/docs/v5 . How it is asked is in
`exporter.demo._bybit`, what it tells everybody in `exporter.demo._bybit_figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from exporter.demo._bybit import BybitError, BybitServer, Credential, Endpoint, Parameters, page
from exporter.demo._bybit_figures import (
    CONTRACTS,
    DIGITS,
    IN_PORTFOLIO_MARGIN,
    PUBLISHED_TIERS,
    RATIOS,
    TAKER_RATE,
    adl_rank,
    collateral_ratios,
    isolated_margin,
    risk_limits,
    text,
    tickers,
)
from exporter.demo.book import Book, CollateralRate, Position, Side
from exporter.demo.contracts import ZERO, rounded
from exporter.demo.market import Market

MarginMode = Literal["REGULAR_MARGIN", "ISOLATED_MARGIN", "PORTFOLIO_MARGIN"]


@dataclass(frozen=True)
class Kind:
    """What an account is: the status is 5 or 6 of version 2, 3 or 4 of version 1."""

    mode: MarginMode = "REGULAR_MARGIN"
    status: int = 5


class BybitSimulator(BybitServer):
    """Bybit with four demo accounts.

    ``bybit-cross``: hedge mode, and coins that back positions settled in others. ``bybit-isolated``:
    positions with margins of their own. ``bybit-portfolio``: portfolio margin. ``bybit-older``: version 1,
    with inverse contracts apart.

    Attributes:
        kinds: What accounts are, by name; one that is not in it is in cross mode.
        apart: The books of inverse contracts of accounts of version 1.
        options: Rows of options by account: they count in no figure here.
    """

    name: ClassVar[str] = "bybit"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.kinds: dict[str, Kind] = {}
        self.apart: dict[str, Book] = {}
        self.options: dict[str, list[dict[str, object]]] = {}
        for book in self._demo_books():
            self.add_account(book)

    def new_book(self, name: str, kind: Kind = Kind(), *, hedge_mode: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        self.kinds[name] = kind
        shared = kind.mode != "ISOLATED_MARGIN"
        return Book(
            name,
            self.market,
            digits=DIGITS,
            hedge_mode=hedge_mode,
            multi_asset=shared,
            collateral=CollateralRate.by_shares(RATIOS) if shared else {},
        )

    def tick(self) -> None:
        super().tick()
        for book in self.apart.values():
            book.settle(self.now())

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()

        book = self.new_book("bybit-cross", hedge_mode=True)
        for coin, amount in (("USDT", "14180.4471"), ("USDC", "6100"), ("BTC", "0.31"), ("ETH", "2.4")):
            book.deposit(coin, amount)
        book.open(CONTRACTS["BTCUSDT"], "long", "1.62", price="64210.5", now=now, realized_pnl="-31.2046")
        book.open(CONTRACTS["BTCUSDT"], "short", "0.25", price="65480.1", now=now)
        book.open(CONTRACTS["SOLUSDT"], "short", "140.5", price="151.218", leverage=10, now=now)
        book.open(CONTRACTS["ETHPERP"], "long", "3.2", price="3361.4", leverage=10, now=now)
        book.open(CONTRACTS["ETHUSD"], "short", "5200", price="3421.35", leverage=10, now=now)
        yield book

        book = self.new_book("bybit-isolated", Kind("ISOLATED_MARGIN"))
        book.deposit("USDT", "9420.55")
        book.deposit("ETH", "3.1")
        self.open_isolated(book, "BTCUSDT", "short", "0.14", price="65120.7", leverage=3)
        self.open_isolated(book, "ETHUSD", "long", "4100", price="3390.2", leverage=2)
        yield book

        book = self.new_book("bybit-portfolio", Kind("PORTFOLIO_MARGIN", 6))
        book.deposit("USDT", "31250.18")
        book.open(IN_PORTFOLIO_MARGIN["ETHUSDT"], "long", "12.5", price="3377.8", now=now)
        yield book

        book = self.new_book("bybit-older", Kind(status=3))
        book.deposit("USDT", "8120.3")
        book.deposit("BTC", "0.05")
        book.open(CONTRACTS["SOLUSDT"], "long", "141.2", price="149.21", leverage=10, now=now)
        apart = Book(book.name, self.market, digits=DIGITS)
        apart.deposit("BTC", "0.42")
        apart.open(CONTRACTS["BTCUSD"], "long", "14500", price="64770.5", leverage=10, now=now)
        self.apart[book.name] = apart
        yield book

    def open_isolated(
        self, book: Book, symbol: str, side: Side, quantity: str, *, price: str, leverage: int
    ) -> None:
        """Opens a position with what the venue takes as its margin."""
        one = CONTRACTS[symbol]
        margin = isolated_margin(one, quantity, price, leverage)
        book.open(
            one,
            side,
            quantity,
            price=price,
            leverage=leverage,
            margin_mode="isolated",
            isolated_margin=margin,
            now=self.now(),
        )

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        category, names = frozenset({"category"}), frozenset({"symbol", "cursor"})
        return {
            "/v5/market/time": Endpoint(answer=self._time),
            "/v5/market/tickers": Endpoint(category | names, self._tickers),
            "/v5/market/risk-limit": Endpoint(category | names, risk_limits),
            "/v5/spot-margin-trade/collateral": Endpoint(frozenset({"currency"}), collateral_ratios),
            "/v5/account/info": Endpoint(private_answer=self._info),
            "/v5/account/wallet-balance": Endpoint(
                frozenset({"accountType", "coin"}), private_answer=self._wallet
            ),
            "/v5/position/list": Endpoint(
                category | names | {"baseCoin", "settleCoin", "limit"}, private_answer=self._positions
            ),
            "/v5/user/query-api": Endpoint(private_answer=self._key, a_second=10),
        }

    def _time(self, _: Parameters) -> object:
        now = self.server_time()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    def _tickers(self, parameters: Parameters) -> object:
        return tickers(self.market, parameters, self.server_time())

    def _info(self, _: Parameters, credential: Credential) -> object:
        kind = self.kinds[credential.account]
        return {
            "marginMode": kind.mode,
            "updatedTime": str(self.server_time() - 86_400_000),
            "unifiedMarginStatus": kind.status,
            "dcpStatus": "OFF",
            "timeWindow": 0,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _wallet(self, parameters: Parameters, credential: Credential) -> object:
        kind, account_type = self.kinds[credential.account], parameters.get("accountType")
        if account_type == "CONTRACT" and kind.status in {3, 4}:
            book = self.apart.get(credential.account)
            coins = [] if book is None else [self._coin(book, coin, kind) for coin in book.coins()]
            return {"list": [{"accountType": "CONTRACT", **dict.fromkeys(_TOTALS, ""), "coin": coins}]}
        if account_type != "UNIFIED":
            raise BybitError(10001, "accountType only support UNIFIED.")
        book = self.accounts[credential.account]
        coins = [self._coin(book, coin, kind) for coin in book.coins()]
        totals = dict.fromkeys(_TOTALS, "")
        if kind.mode != "ISOLATED_MARGIN":
            totals = self._totals(book, coins)
        return {"list": [{"accountType": "UNIFIED", **totals, "coin": coins}]}

    def _totals(self, book: Book, coins: Iterable[Mapping[str, object]]) -> dict[str, str]:
        pool = book.pool("USD")
        initial = sum(
            (self._initial(book, held) * self._usd(held.contract.settle) for held in book.positions), ZERO
        )
        initial = rounded(initial, DIGITS)
        backing, required = pool.margin_equity, pool.cross_maintenance_margin

        def rate(amount: Decimal) -> str:
            return f"{rounded(amount / backing, 4):f}" if backing > 0 else "0"

        return {
            "accountIMRate": rate(initial),
            "accountIMRateByMp": rate(initial),
            "accountMMRate": rate(required),
            "accountMMRateByMp": rate(required),
            "accountLTV": "0",
            "totalEquity": text(sum((Decimal(str(row["usdValue"])) for row in coins), ZERO)),
            "totalWalletBalance": text(pool.wallet),
            "totalMarginBalance": text(backing),
            "totalAvailableBalance": text(max(ZERO, backing - initial)),
            "totalPerpUPL": text(pool.unrealized_pnl),
            "totalInitialMargin": text(initial),
            "totalInitialMarginByMp": text(initial),
            "totalMaintenanceMargin": text(required),
            "totalMaintenanceMarginByMp": text(required),
        }

    def _usd(self, coin: str) -> Decimal:
        return self.market.exact_index(coin, "USD", DIGITS)

    def _initial(self, book: Book, held: Position) -> Decimal:
        """With the fee of closing."""
        return book.initial_margin(held) + rounded(book.notional(held) * TAKER_RATE, DIGITS)

    def _coin(self, book: Book, coin: str, kind: Kind) -> dict[str, object]:
        pool = book.coin_pool(coin)
        held = [one for one in book.positions if one.contract.settle == coin]
        margins = {
            "totalOrderIM": "0",
            "totalPositionIM": text(sum((self._initial(book, one) for one in held), ZERO)),
            "totalPositionMM": text(pool.maintenance_margin),
        }
        if kind.mode == "PORTFOLIO_MARGIN":
            margins = dict.fromkeys(margins, "")
        return {
            "coin": coin,
            "equity": text(pool.equity),
            "usdValue": text(pool.equity * self._usd(coin)),
            "walletBalance": text(pool.wallet),
            "unrealisedPnl": text(pool.unrealized_pnl),
            "cumRealisedPnl": text(sum((one.realized_pnl for one in held), ZERO)),
            **margins,
            **dict.fromkeys(("locked", "bonus", "accruedInterest", "spotBorrow", "spotHedgingQty"), "0"),
            "borrowAmount": text(max(ZERO, -pool.wallet)),
            "availableToBorrow": "",
            "availableToWithdraw": "",
            "marginCollateral": coin in RATIOS,
            "collateralSwitch": True,
        }

    def _positions(self, parameters: Parameters, credential: Credential) -> object:
        category, settle = parameters.get("category"), parameters.get("settleCoin")
        if not credential.positions:
            raise BybitError(10005, "Permission denied, please check your API key permissions.")
        if category not in {"linear", "inverse", "option"}:
            raise BybitError(10001, "params error: Category is invalid")
        if category == "linear" and settle is None and "symbol" not in parameters:
            raise BybitError(10001, "Missing some parameters that must be filled in, symbol or settleCoin")
        if category == "option":
            rows = self.options.get(credential.account, [])
        else:
            books = [self.accounts[credential.account], self.apart.get(credential.account)]
            rows = [
                self._position(book, held, self.kinds[credential.account])
                for book in books
                if book is not None
                for held in book.positions
                if held.contract.kind == category
                and settle in {None, held.contract.settle}
                and parameters.get("symbol") in {None, held.contract.symbol}
            ]
        found, cursor = page(rows, parameters)
        return {"list": found, "nextPageCursor": cursor, "category": category}

    def _position(self, book: Book, held: Position, kind: Kind) -> dict[str, object]:
        portfolio = kind.mode == "PORTFOLIO_MARGIN"
        tiers = PUBLISHED_TIERS[held.contract.symbol]
        place = next((at for at, tier in enumerate(tiers) if book.notional(held) < tier.cap), len(tiers) - 1)
        price = None if portfolio else book.liquidation_price(held)
        isolated = held.margin_mode == "isolated"
        initial = self._initial(book, held)
        margins = {
            "positionIM": text(initial),
            "positionIMByMp": text(initial),
            "positionMM": text(book.maintenance_margin(held)),
            "positionMMByMp": text(book.maintenance_margin(held)),
            "positionBalance": text(held.isolated_wallet if isolated else initial),
            "leverage": str(held.leverage),
        }
        stamp = str(int(held.updated_at * 1000))
        return {
            "positionIdx": 0 if not book.hedge_mode else 1 if held.side == "long" else 2,
            "riskId": 0 if portfolio else place + 1,
            "riskLimitValue": "0" if portfolio else f"{tiers[place].cap:f}",
            "symbol": held.contract.symbol,
            "side": "Buy" if held.side == "long" else "Sell",
            "size": f"{held.quantity:f}",
            "avgPrice": f"{held.entry_price:f}",
            "positionValue": text(book.notional(held)),
            "tradeMode": int(isolated and book is self.apart.get(book.name)),
            "positionStatus": "Normal",
            "autoAddMargin": 0,
            "adlRankIndicator": adl_rank(book, held),
            **(dict.fromkeys(margins, "") if portfolio else margins),
            "markPrice": text(book.mark(held.contract)),
            "liqPrice": "" if price is None else text(price),
            "bustPrice": "",
            "tpslMode": "Full",
            "takeProfit": "",
            "stopLoss": "",
            "trailingStop": "0",
            "unrealisedPnl": text(book.unrealized_pnl(held)),
            "curRealisedPnl": text(held.realized_pnl),
            "cumRealisedPnl": text(held.realized_pnl),
            "seq": 5_723_621_632 + held.identity,
            "isReduceOnly": False,
            "mmrSysUpdatedTime": "",
            "leverageSysUpdatedTime": "",
            "sessionAvgPrice": "",
            "createdTime": stamp,
            "updatedTime": stamp,
        }

    def _key(self, _: Parameters, credential: Credential) -> object:
        return {
            "id": "13770661",
            "note": credential.account,
            "apiKey": credential.api_key,
            "readOnly": int(credential.read_only),
            "secret": "",
            "permissions": {
                "ContractTrade": ["Order", "Position"],
                "Spot": [],
                "Wallet": list(credential.wallet),
                "Options": [],
                "Derivatives": ["DerivativesTrade"],
                "Exchange": [],
                "Earn": [],
            },
            "ips": sorted(credential.addresses) or ["*"],
            "type": 1,
            "deadlineDay": -2 if credential.addresses else 66,
            "expiredAt": "1970-01-01T00:00:00Z" if credential.addresses else "2033-05-18T03:33:20Z",
            "createdAt": "2023-05-18T03:33:20Z",
            "uta": 1,
            "isMaster": True,
            "parentUid": "0",
        }


_TOTALS = (
    *(
        "accountIMRate",
        "accountIMRateByMp",
        "accountMMRate",
        "accountMMRateByMp",
        "accountLTV",
        "totalEquity",
    ),
    *("totalWalletBalance", "totalMarginBalance", "totalAvailableBalance", "totalPerpUPL"),
    *("totalInitialMargin", "totalInitialMarginByMp", "totalMaintenanceMargin", "totalMaintenanceMarginByMp"),
)
"""The figures of an account: empty where they do not apply."""
