"""OKX's trading accounts as a local server.

Answers: the pages below https://www.okx.com/docs-v5/en/ . How it is asked is in `exporter.demo._okx`, what it
tells everybody in `exporter.demo._okx_figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from exporter.demo._okx import Credential, Endpoint, OkxError, OkxServer, Parameters, Rows
from exporter.demo._okx_figures import (
    DIGITS,
    DISCOUNTS,
    EXPIRY,
    STRESS,
    SYMBOLS,
    TAKER_RATE,
    contract,
    instruments,
    kind_of,
    position_tiers,
    text,
)
from exporter.demo.book import Book, CollateralRate, Position
from exporter.demo.contracts import ZERO, rounded
from exporter.demo.market import Market
from exporter.demo.orders import Order

FUNDING_INTERVAL_MS = 8 * 3600 * 1000
SPOT, FUTURES, MULTI, PORTFOLIO = 1, 2, 3, 4
"""The levels of accounts."""


class OkxSimulator(OkxServer):
    """OKX with an account of each level.

    ``okx-futures``: a pool for each currency, and isolated positions. ``okx-multi``: one pool of all coins,
    hedge mode, a main account with a sub-account ``hedging``. ``okx-portfolio``: portfolio margin.
    ``okx-spot``: coins alone.

    Attributes:
        levels: What accounts are, by name; one that is not in it is in futures mode.
        others: Rows of options and the like by account: they count in no figure here.
    """

    name: ClassVar[str] = "okx"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.levels: dict[str, int] = {}
        self.others: dict[str, Rows] = {}
        for book in self._demo_books():
            self.add_account(book)

    def new_book(self, name: str, level: int = FUTURES, *, hedge_mode: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        self.levels[name] = level
        shared = level != FUTURES
        return Book(
            name,
            self.market,
            digits=DIGITS,
            hedge_mode=hedge_mode,
            multi_asset=shared,
            collateral=CollateralRate.by_shares(DISCOUNTS) if shared else {},
        )

    def open(self, book: Book, *orders: Order) -> None:
        """Opens positions; all cross ones of a family and kind count for the tier of each."""
        for order in orders:
            alike = [
                one
                for one in orders
                if order.mode == one.mode == "cross"
                and (SYMBOLS[one.symbol], kind_of(one.symbol))
                == (SYMBOLS[order.symbol], kind_of(order.symbol))
            ]
            contracts = sum((Decimal(one.size) for one in alike or [order]), ZERO)
            rate = STRESS if self.levels[book.name] == PORTFOLIO else None
            order.fill(book, contract(order.symbol, contracts, rate=rate), self.now())

    def _demo_books(self) -> Iterable[Book]:
        book = self.new_book("okx-futures", hedge_mode=True)
        for coin, amount in (("USDT", "18250.4471"), ("BTC", "0.62"), ("ETH", "0.9")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTC-USDT-SWAP", "long", "62.5", "64210.5"),
            Order("ETH-USDT-SWAP", "short", "41", "3461.2"),
            Order("SOL-USDT-SWAP", "long", "60", "149.21", 3, "isolated"),
            Order("BTC-USD-SWAP", "long", "145", "64770.5"),
            Order("ETH-USD-SWAP", "short", "220", "3390.2", 2, "isolated"),
        )
        yield book

        book = self.new_book("okx-multi", MULTI, hedge_mode=True)
        for coin, amount in (("USDT", "14180.4471"), ("USDC", "6100"), ("BTC", "0.31"), ("ETH", "2.4")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTC-USDT-SWAP", "long", "92", "64210.5"),
            Order("BTC-USDT-SWAP", "short", "25", "65480.1"),
            Order("SOL-USDT-SWAP", "short", "140.5", "151.218"),
            Order(EXPIRY, "long", "18", "65120.7"),
            Order("ETH-USD-SWAP", "short", "520", "3421.35"),
        )
        below = self.new_book("hedging", MULTI)
        below.deposit("USDC", "21500")
        self.open(below, Order("ETH-USDT-SWAP", "short", "20", "3421.35"))
        self.below[book.name] = {below.name: below}
        yield book

        book = self.new_book("okx-portfolio", PORTFOLIO)
        book.deposit("USDT", "31250.18")
        self.open(book, Order("ETH-USDT-SWAP", "long", "125", "3377.8"))
        yield book

        book = self.new_book("okx-spot", SPOT)
        for coin, amount in (("USDT", "5120.3"), ("BTC", "0.18"), ("SOL", "44")):
            book.deposit(coin, amount)
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        kind, family = frozenset({"instType"}), frozenset({"instFamily", "uly", "instId"})
        return {
            "/api/v5/public/time": Endpoint(answer=self._time),
            "/api/v5/public/instruments": Endpoint(family, kind, instruments, limit=20),
            "/api/v5/public/position-tiers": Endpoint(
                frozenset({"uly", "instId", "ccy", "tier"}), kind | {"tdMode", "instFamily"}, position_tiers
            ),
            "/api/v5/public/mark-price": Endpoint(family, kind, self._marks),
            "/api/v5/public/funding-rate": Endpoint(needed=frozenset({"instId"}), answer=self._funding),
            "/api/v5/account/config": Endpoint(private_answer=self._config, limit=5),
            "/api/v5/account/balance": Endpoint(frozenset({"ccy"}), private_answer=self._balance),
            "/api/v5/account/positions": Endpoint(
                frozenset({"instType", "instId", "posId"}), private_answer=self._positions
            ),
            "/api/v5/users/subaccount/list": Endpoint(
                frozenset({"enable", "subAcct", "after", "before", "limit"}),
                private_answer=self._members,
                limit=2,
            ),
            "/api/v5/account/subaccount/balances": Endpoint(
                needed=frozenset({"subAcct"}), private_answer=self._member_balance, limit=6
            ),
        }

    def _time(self, _: Parameters) -> Rows:
        return [{"ts": str(self.server_time())}]

    def _marks(self, parameters: Parameters) -> Rows:
        kind, book = parameters["instType"], Book("", self.market)
        prices = {symbol: book.mark(contract(symbol, 1)) for symbol in SYMBOLS if kind_of(symbol) == kind}
        if kind == "MARGIN":
            prices = {
                f"{coin}-USDT": self.market.exact_index(coin, "USDT", 8)
                for coin in DISCOUNTS
                if coin != "USDT"
            }
        return [
            {"instType": kind, "instId": name, "markPx": f"{price:f}", "ts": str(self.server_time())}
            for name, price in prices.items()
        ]

    def _funding(self, parameters: Parameters) -> Rows:
        asked = parameters["instId"]
        found = [symbol for symbol in SYMBOLS if kind_of(symbol) == "SWAP" and asked in {"ANY", symbol}]
        if not found:
            raise OkxError(51001, "Instrument ID does not exist")
        now = self.server_time()
        due = (now // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS
        return [
            {
                "instType": "SWAP",
                "instId": symbol,
                "method": "current_period",
                "formulaType": "withRate",
                "fundingRate": "0.0001",
                "nextFundingRate": "",
                "fundingTime": str(due),
                "nextFundingTime": str(due + FUNDING_INTERVAL_MS),
                "minFundingRate": "-0.00375",
                "maxFundingRate": "0.00375",
                "interestRate": "0.0001",
                "impactValue": "20000",
                "settState": "settled",
                "settFundingRate": "0.0001",
                "premium": "0.00002",
                "ts": str(now),
            }
            for symbol in found
        ]

    def _config(self, _: Parameters, credential: Credential) -> Rows:
        book = self.accounts[credential.account]
        return [
            {
                "uid": "1000000000001",
                "mainUid": "1000000000001",
                "acctLv": str(self.levels.get(book.name, FUTURES)),
                "posMode": "long_short_mode" if book.hedge_mode else "net_mode",
                "perm": ",".join(credential.permissions),
                "ip": ",".join(credential.addresses),
                "label": book.name,
                "type": "0",
                "level": "Lv1",
                "liquidationGear": "3",
            }
        ]

    def _balance(self, _: Parameters, credential: Credential) -> Rows:
        return [self._account(self.accounts[credential.account])]

    def _members(self, parameters: Parameters, credential: Credential) -> Rows:
        limit = parameters.get("limit", "100")
        if not limit.isdigit() or not 1 <= int(limit) <= 100:
            raise OkxError(51000, "Parameter limit error")
        made = 1_700_000_000_000
        rows: Rows = [
            {
                "type": "1",
                "enable": True,
                "subAcct": name,
                "label": "",
                "mobile": "",
                "gAuth": True,
                "canTransOut": False,
                "ts": str(made - number),
            }
            for number, name in enumerate(self.below.get(credential.account, {}))
        ]
        after = int(parameters.get("after", made + 1))
        return [row for row in rows if int(str(row["ts"])) < after][: int(limit)]

    def _member_balance(self, parameters: Parameters, credential: Credential) -> Rows:
        book = self.below.get(credential.account, {}).get(parameters["subAcct"])
        if book is None:
            raise OkxError(59510, "Sub-account does not exist")
        return [self._account(book)]

    def _usd(self, coin: str) -> Decimal:
        return self.market.exact_index(coin, "USD", 8)

    def _fee(self, book: Book, held: Position) -> Decimal:
        return rounded(book.notional(held) * TAKER_RATE, DIGITS)

    def _account(self, book: Book) -> dict[str, object]:
        level = self.levels.get(book.name, FUTURES)
        rows = [self._coin(book, coin, level) for coin in book.coins()]
        names = ("adjEq", "ordFroz", "imr", "mmr", "mgnRatio", "notionalUsd", "upl", "availEq", "borrowFroz")
        figures = dict.fromkeys(names, "")
        isolated = sum((Decimal(str(row["isoEq"])) * self._usd(str(row["ccy"])) for row in rows), ZERO)
        if level in {MULTI, PORTFOLIO}:
            pool, worth = book.pool("USD"), {held: self._usd(held.contract.settle) for held in book.positions}
            fees = sum((self._fee(book, held) * usd for held, usd in worth.items()), ZERO)
            figures |= {
                "adjEq": text(pool.margin_equity),
                "ordFroz": "0",
                "imr": text(pool.cross_initial_margin),
                "mmr": text(pool.cross_maintenance_margin - fees),
                "mgnRatio": _ratio(pool.margin_equity, pool.cross_maintenance_margin),
                "notionalUsd": text(sum((book.notional(one) * usd for one, usd in worth.items()), ZERO)),
                "upl": text(sum((book.unrealized_pnl(one) * usd for one, usd in worth.items()), ZERO)),
                "availEq": text(pool.available),
                "borrowFroz": "0",
            }
        return {
            "uTime": str(self.server_time()),
            "totalEq": text(sum((Decimal(str(row["eqUsd"])) for row in rows), ZERO)),
            "isoEq": text(isolated),
            **figures,
            "details": rows,
        }

    def _coin(self, book: Book, coin: str, level: int) -> dict[str, object]:
        pool = book.coin_pool(coin)
        settled = [one for one in book.positions if one.contract.settle == coin]
        isolated = [one for one in settled if one.margin_mode == "isolated"]
        margins = dict.fromkeys(("imr", "mmr", "mgnRatio"), "")
        if level == FUTURES:
            fees = sum((self._fee(book, one) for one in settled if one.margin_mode == "cross"), ZERO)
            margins = {
                "imr": text(pool.cross_initial_margin),
                "mmr": text(pool.cross_maintenance_margin - fees),
                "mgnRatio": _ratio(pool.margin_equity, pool.cross_maintenance_margin),
            }
        own_pnl = sum((book.unrealized_pnl(one) for one in isolated), ZERO)
        own = sum((one.isolated_wallet for one in isolated), ZERO)
        counted = book.collateral_price(coin, debt=pool.equity < 0) if book.multi_asset else self._usd(coin)
        return {
            "ccy": coin,
            "eq": text(pool.equity),
            "cashBal": text(pool.cross_wallet),
            "availBal": text(pool.available),
            "availEq": text(pool.available),
            "frozenBal": text(pool.equity - pool.available),
            "ordFrozen": "0",
            "eqUsd": text(pool.equity * self._usd(coin)),
            "disEq": text(pool.equity * counted),
            "coinUsdPrice": text(self._usd(coin)),
            "collateralEnabled": level == MULTI,  # the others do not know it
            "upl": text(pool.unrealized_pnl),
            "isoEq": text(own + own_pnl),
            "isoUpl": text(own_pnl),
            **margins,
            "liab": text(max(ZERO, -pool.cross_wallet)),
            "interest": "0",
            "uTime": str(self.server_time()),
        }

    def _positions(self, parameters: Parameters, credential: Credential) -> Rows:
        book = self.accounts[credential.account]
        level = self.levels.get(book.name, FUTURES)
        rows = [self._position(book, held, level) for held in book.positions]
        rows += self.others.get(book.name, [])
        return [
            row
            for row in rows
            if all(row.get(name) in value.split(",") for name, value in parameters.items())
        ]

    def _margins(self, book: Book, held: Position, level: int) -> tuple[Decimal, Decimal]:
        """Initial and maintenance margin; in portfolio margin those of all cross positions on one base."""
        alike = [held]
        if level == PORTFOLIO and held.margin_mode == "cross":
            cross = [one for one in book.positions if one.margin_mode == "cross"]
            alike = [one for one in cross if one.contract.base == held.contract.base]
        return (
            sum((book.initial_margin(one) for one in alike), ZERO),
            sum((book.maintenance_margin(one) - self._fee(book, one) for one in alike), ZERO),
        )

    def _position(self, book: Book, held: Position, level: int) -> dict[str, object]:
        one, isolated = held.contract, held.margin_mode == "isolated"
        pool = book.pool(book.currency_of(held))
        equity, required = pool.margin_equity, pool.cross_maintenance_margin
        if isolated:
            equity, required = book.isolated_equity(held), book.maintenance_margin(held)
        price = None if level == PORTFOLIO else book.liquidation_price(held)
        usd = self._usd(one.settle)
        initial, maintenance = self._margins(book, held, level)
        stamp = str(int(held.updated_at * 1000))
        signed = held.quantity if book.hedge_mode else held.sign * held.quantity
        return {
            "instType": kind_of(one.symbol),
            "instId": one.symbol,
            "mgnMode": held.margin_mode,
            "posId": str(3_234_559_463_547_297_792 + held.identity),
            "posSide": held.side if book.hedge_mode else "net",
            "pos": f"{signed:f}",
            "availPos": f"{held.quantity:f}",
            "ccy": one.settle,
            "avgPx": f"{held.entry_price:f}",
            "markPx": f"{book.mark(one):f}",
            "liqPx": "" if price is None else text(price),
            "lever": "" if level == PORTFOLIO else str(held.leverage),
            "margin": text(held.isolated_wallet) if isolated else "",
            "imr": "" if isolated else text(initial),
            "mmr": text(maintenance),
            "mgnRatio": _ratio(equity, required),
            "notionalUsd": text(book.notional(held) * usd),
            "upl": text(book.unrealized_pnl(held)),
            "uplRatio": text(book.return_on_margin(held)),
            "realizedPnl": text(held.realized_pnl),
            "fundingFee": "0",
            "adl": str(min(5, max(1, int(book.return_on_margin(held) * 2) + 1))),
            "usdPx": text(usd),
            "cTime": stamp,
            "uTime": stamp,
        }


def _ratio(equity: Decimal, required: Decimal) -> str:
    return text(equity / required) if required else ""
