"""Deribit's accounts as a local server.

Answers: the pages below https://docs.deribit.com/api-reference . How it is asked is in
`exporter.demo._deribit`, the books with options in `exporter.demo._deribit_figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from exporter.demo._deribit import Credential, DeribitError, DeribitServer, Endpoint, Parameters
from exporter.demo._deribit_figures import (
    DIGITS,
    FORWARD,
    DeribitBook,
    Leg,
    Option,
    Right,
    expiry,
    future,
)
from exporter.demo.book import CollateralRate, Position, Side
from exporter.demo.contracts import ZERO, rounded
from exporter.demo.market import Market

COLLATERAL = ("BTC", "ETH", "USDC", "USDT")
"""Coins that back everything together in the cross models."""
CURRENCIES = ("BTC", "ETH", "XRP", "USDC", "USDT", "EURR")
FUTURES = {"BTC": ("USD", "USDC"), "ETH": ("USD", "USDC"), "SOL": ("USDC",), "XRP": ("USDC",)}
"""The quotes of perpetual contracts, by their base."""


class DeribitSimulator(DeribitServer):
    """Deribit with an account of each margin model.

    ``deribit-segregated``: a pool for each currency, one with a short strangle. ``deribit-cross``: one pool
    of all coins; a main account with a sub-account ``hedging``. ``deribit-portfolio`` and
    ``deribit-cross-portfolio``: what scenarios require.

    Attributes:
        models: The margin model of an account, by name.
    """

    name: ClassVar[str] = "deribit"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.models: dict[str, str] = {}
        self._books: dict[str, DeribitBook] = {}
        self.expires_at = expiry(self.now(), 45)
        for book in self._demo_books():
            self._books[book.name] = book
            self.add_account(book)

    def new_book(self, name: str, model: str) -> DeribitBook:
        """An empty account with this venue's rules; `add_account` makes it known."""
        self.models[name] = model
        shared = model.startswith("cross")
        return DeribitBook(
            name,
            self.market,
            digits=DIGITS,
            multi_asset=shared,
            collateral={coin: CollateralRate(ZERO, ZERO) for coin in COLLATERAL} if shared else {},
            portfolio=model.endswith("pm"),
            clock=self.now,
        )

    def open(self, book: DeribitBook, pair: str, side: Side, size: str, price: str) -> None:
        """Opens a perpetual contract of a pair: so many USD of a reversed one, else so much of its base."""
        base, _, quote = pair.partition("_")
        book.open(future(base, quote, size, self.market), side, size, price=price, now=self.now())

    def option(self, pair: str, strike: int, right: Right, volatility: float) -> Option:
        """One that expires with the others."""
        base, _, quote = pair.partition("_")
        return Option(base, quote, strike, self.expires_at, right, volatility)

    def _demo_books(self) -> Iterable[DeribitBook]:
        book = self.new_book("deribit-segregated", "segregated_sm")
        for coin, amount in (("BTC", "2.9"), ("ETH", "7.5"), ("USDC", "12000"), ("XRP", "850")):
            book.deposit(coin, amount)
        self.open(book, "BTC_USD", "long", "21000", "64770.5")
        self.open(book, "ETH_USD", "short", "61000", "3391.2")
        self.open(book, "SOL_USDC", "long", "160", "151.2")
        book.trade(self.option("BTC_USD", 74000, "call", 0.52), "short", "4", "0.0251")
        book.trade(self.option("BTC_USD", 56000, "put", 0.58), "short", "4", "0.0242")
        yield book

        book = self.new_book("deribit-cross", "cross_sm")
        for coin, amount in (("BTC", "0.21"), ("ETH", "2.2"), ("USDC", "9400"), ("USDT", "900")):
            book.deposit(coin, amount)
        self.open(book, "BTC_USDC", "long", "0.9", "64210.5")
        self.open(book, "ETH_USD", "short", "26000", "3421.35")
        self.open(book, "SOL_USDC", "short", "140", "150.1")
        below = self.new_book("hedging", "segregated_sm")
        below.deposit("ETH", "14")
        below.trade(self.option("ETH_USD", 3800, "call", 0.61), "short", "20", "0.0512")
        self.below[book.name] = {below.name: below}
        yield book

        book = self.new_book("deribit-portfolio", "segregated_pm")
        book.deposit("BTC", "3.4")
        self.open(book, "BTC_USD", "short", "52000", "65410.5")
        book.trade(self.option("BTC_USD", 70000, "call", 0.5), "short", "6", "0.0402")
        book.trade(self.option("BTC_USD", 76000, "call", 0.53), "long", "6", "0.0211")
        yield book

        book = self.new_book("deribit-cross-portfolio", "cross_pm")
        for coin, amount in (("USDC", "15250"), ("ETH", "3")):
            book.deposit(coin, amount)
        self.open(book, "ETH_USDC", "long", "12", "3377.8")
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        proof = frozenset({"client_secret", "timestamp", "nonce", "signature", "data", "state", "scope"})
        whose = frozenset({"subaccount_id"})
        return {
            "/api/v2/public/get_time": Endpoint(answer=lambda _: self.server_time()),
            "/api/v2/public/get_index_price": Endpoint(
                needed=frozenset({"index_name"}), answer=self._index_price
            ),
            "/api/v2/public/get_book_summary_by_currency": Endpoint(
                frozenset({"kind"}), frozenset({"currency"}), self._summary_of_books
            ),
            "/api/v2/public/auth": Endpoint(proof, frozenset({"grant_type", "client_id"}), self.token),
            "/api/v2/private/get_account_summaries": Endpoint(
                whose | {"extended"}, private_answer=self._account, scope="account:read"
            ),
            "/api/v2/private/get_positions": Endpoint(
                whose | {"currency", "kind"}, private_answer=self._positions, scope="trade:read"
            ),
            "/api/v2/private/get_subaccounts": Endpoint(
                frozenset({"with_portfolio"}), private_answer=self._members, scope="account:read"
            ),
        }

    def _index_price(self, parameters: Parameters) -> object:
        base, _, quote = parameters["index_name"].upper().partition("_")
        allowed = {"BTC_USD", "ETH_USD", *(f"{coin}_USDC" for coin in ("BTC", "ETH", "SOL", "XRP"))}
        if f"{base}_{quote}" not in allowed:
            raise DeribitError(-32602, "Invalid params", "index_name")
        price = float(self.market.exact_index(base, quote, DIGITS))
        return {"index_price": price, "estimated_delivery_price": price}

    def _summary_of_books(self, parameters: Parameters) -> object:
        currency, kind = parameters["currency"], parameters.get("kind", "")
        if currency not in CURRENCIES or kind not in {"", "future", "option", "spot"}:
            raise DeribitError(-32602, "Invalid params", "currency or kind")
        rows: list[object] = []
        book = self.new_book("", "segregated_sm")
        if kind in {"", "future"}:
            rows += [
                self._book_of_future(book, base, quote)
                for base, quotes in FUTURES.items()
                for quote in quotes
                if currency == (base if quote == "USD" else quote)
            ]
        if kind in {"", "option"}:
            options = {leg.option.symbol: leg.option for held in self.all_books() for leg in held.options}
            rows += [self._book_of_option(book, one) for one in options.values() if one.settle == currency]
        return rows

    def all_books(self) -> Iterable[DeribitBook]:
        """Those of all accounts and sub-accounts."""
        yield from self._books.values()
        for books in self.below.values():
            yield from books.values()

    def _book_of_future(self, book: DeribitBook, base: str, quote: str) -> object:
        contract = future(base, quote, "1", self.market)
        mark = float(book.mark(contract))
        return {
            "instrument_name": contract.symbol,
            "mark_price": mark,
            "mid_price": mark,
            "estimated_delivery_price": float(book.index(base, quote)),
            "base_currency": base,
            "quote_currency": quote,
            "funding_8h": 0.00001,
            "current_funding": 0.0,
            "volume": 1841.2,
            "creation_timestamp": self.server_time(),
        }

    def _book_of_option(self, book: DeribitBook, option: Option) -> object:
        quote = book.quote_of(option)
        return {
            "instrument_name": option.symbol,
            "mark_price": float(quote.mark),
            "mark_iv": round(option.volatility * 100, 2),
            "underlying_price": float(quote.underlying),
            "underlying_index": "SYN",
            "estimated_delivery_price": float(rounded(quote.underlying / FORWARD, DIGITS)),
            "interest_rate": 0.0,
            "base_currency": option.base,
            "quote_currency": option.settle,
            "creation_timestamp": self.server_time(),
        }

    def _of(self, parameters: Parameters, credential: Credential) -> DeribitBook:
        number = parameters.get("subaccount_id")
        below: Mapping[str, DeribitBook] = self.below.get(credential.account, {})
        if number is None or number == str(_number(credential.account)):
            return self._books[credential.account]
        for name, book in below.items():
            if number == str(_number(name)):
                return book
        raise DeribitError(-32602, "Invalid params", "subaccount_id")

    def _members(self, _: Parameters, credential: Credential) -> object:
        rows = [("main", credential.account), *(("subaccount", name) for name in self._below(credential))]
        return [
            {
                "id": _number(name),
                "type": kind,
                "username": name,
                "system_name": f"{credential.account}_{place}",
                "email": f"{name}@example.com",
                "margin_model": self.models[name],
                "login_enabled": kind == "main",
                "is_password": kind == "main",
                "receive_notifications": False,
                "security_keys_enabled": False,
                "security_keys_assignments": [],
                "proof_id": "not-to-be-shown",
                "proof_id_signature": "not-to-be-shown",
            }
            for place, (kind, name) in enumerate(rows)
        ]

    def _below(self, credential: Credential) -> Iterable[str]:
        return self.below.get(credential.account, {})

    def _account(self, parameters: Parameters, credential: Credential) -> object:
        book = self._of(parameters, credential)
        extended = {
            "id": _number(book.name),
            "email": f"{book.name}@example.com",
            "username": book.name,
            "system_name": book.name,
            "type": "main" if book.name in self._books else "subaccount",
            "creation_timestamp": 1_687_352_432_143,
        }
        rows = [self.summary(book, coin) for coin in CURRENCIES if coin != "EURR"]
        return {**(extended if parameters.get("extended") == "true" else {}), "summaries": rows}

    def summary(self, book: DeribitBook, coin: str) -> dict[str, object]:
        """One currency of an account."""
        model, pool, legs = self.models[book.name], book.coin_pool(coin), book.legs(coin)
        held = [one for one in book.positions if one.contract.settle == coin]
        upl = sum((book.unrealized_pnl(one) for one in held), ZERO)
        value = sum((book.value(leg) for leg in legs), ZERO)
        profit = sum((book.profit(leg) for leg in legs), ZERO)
        backing, opening, keeping = pool.margin_equity, pool.initial_margin, pool.maintenance_margin
        totals: dict[str, object] = {}
        if book.multi_asset:
            shared, price = book.pool("USD"), book.index(coin)
            worth = sum((book.value(leg) * book.index(leg.option.settle) for leg in book.options), ZERO)
            backing, opening, keeping = (
                rounded(amount / price, DIGITS)
                for amount in (
                    shared.margin_equity,
                    shared.cross_initial_margin,
                    shared.cross_maintenance_margin,
                )
            )
            totals = {
                "total_equity_usd": float(shared.margin_equity + (ZERO if book.portfolio else worth)),
                "total_margin_balance_usd": float(shared.margin_equity),
                "total_initial_margin_usd": float(shared.cross_initial_margin),
                "total_maintenance_margin_usd": float(shared.cross_maintenance_margin),
            }
        free = float(max(backing - opening, ZERO))
        return {
            "currency": coin,
            "margin_model": model,
            "cross_collateral_enabled": book.multi_asset,
            "portfolio_margining_enabled": book.portfolio,
            "balance": float(pool.cross_wallet),
            "equity": float(pool.cross_wallet + upl + value),
            "margin_balance": float(backing),
            "initial_margin": float(opening),
            "maintenance_margin": float(keeping),
            "available_funds": free,
            "available_withdrawal_funds": min(free, float(max(pool.cross_wallet, ZERO))),
            "futures_pl": float(upl),
            "options_pl": float(profit),
            "total_pl": float(upl + profit),
            "session_upl": float(upl + profit),
            "session_rpl": 0.0,
            "options_value": float(value),
            "delta_total_map": {},
            **totals,
        }

    def _positions(self, parameters: Parameters, credential: Credential) -> object:
        book, currency = self._of(parameters, credential), parameters.get("currency", "any")
        if currency not in {"any", *CURRENCIES} or parameters.get("kind", "future") not in {
            "future",
            "option",
        }:
            raise DeribitError(-32602, "Invalid params", "currency or kind")
        rows = [(one.contract.settle, self.position(book, one)) for one in book.positions]
        rows += [(leg.option.settle, self.option_position(book, leg)) for leg in book.options]
        return [
            row
            for settle, row in rows
            if currency in {"any", settle} and parameters.get("kind", row["kind"]) == row["kind"]
        ]

    def position(self, book: DeribitBook, held: Position) -> dict[str, object]:
        """A future."""
        one, mark = held.contract, book.mark(held.contract)
        linear = one.kind == "linear"
        base = held.quantity if linear else rounded(held.quantity / mark, DIGITS)
        price = book.liquidation_price(held) if self.models[book.name] == "segregated_sm" else None
        pnl = float(book.unrealized_pnl(held))
        return {
            "instrument_name": one.symbol,
            "kind": "future",
            "direction": "buy" if held.side == "long" else "sell",
            "size": float(held.sign * held.quantity),
            "size_currency": float(held.sign * base),
            "delta": float(held.sign * base),
            "average_price": float(held.entry_price),
            "mark_price": float(mark),
            "index_price": float(book.index(one.base, one.quote)),
            "settlement_price": float(held.entry_price),
            "estimated_liquidation_price": None if price is None else float(rounded(price, DIGITS)),
            "initial_margin": float(book.initial_margin(held)),
            "maintenance_margin": float(book.maintenance_margin(held)),
            "open_orders_margin": 0.0,
            "floating_profit_loss": pnl,
            "total_profit_loss": pnl,
            "realized_profit_loss": 0.0,
            "realized_funding": 0.0,
            "leverage": 50,
        }

    def option_position(self, book: DeribitBook, leg: Leg) -> dict[str, object]:
        """An option."""
        quote, option = book.quote_of(leg.option), leg.option
        amount = leg.sign * float(leg.quantity)
        opening, keeping = book.margins(leg)
        profit, index = book.profit(leg), book.index(option.base, option.quote)
        in_usd = index if option.quote == "USD" else Decimal(1)
        return {
            "instrument_name": option.symbol,
            "kind": "option",
            "direction": "buy" if leg.side == "long" else "sell",
            "size": amount,
            "average_price": float(leg.entry_price),
            "average_price_usd": float(leg.entry_price * in_usd),
            "mark_price": float(quote.mark),
            "index_price": float(index),
            "settlement_price": float(leg.entry_price),
            "delta": amount * quote.delta,
            "gamma": amount * quote.gamma,
            "vega": amount * quote.vega,
            "theta": amount * quote.theta,
            "initial_margin": float(opening),
            "maintenance_margin": float(keeping),
            "floating_profit_loss": float(profit),
            "floating_profit_loss_usd": float(profit * in_usd),
            "total_profit_loss": float(profit),
            "realized_profit_loss": 0.0,
        }


def _number(name: str) -> int:
    """What the venue calls an account by."""
    return 100_000 + int.from_bytes(name.encode()[-4:], "big") % 900_000
