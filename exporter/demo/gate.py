"""Gate's futures and unified accounts as a local server.

Answers: the pages below https://www.gate.com/docs/developers/apiv4/en/ . How it is asked is in
`exporter.demo._gate`, what it tells everybody in `exporter.demo._gate_figures`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from exporter.demo._gate import Credential, Endpoint, GateError, GateServer, Parameters
from exporter.demo._gate_figures import (
    DIGITS,
    DISCOUNTS,
    STEPS,
    STRESS,
    TAKER_RATE,
    GateBook,
    Rows,
    contract,
    contracts,
    discounts,
    marginal_rate,
    risk_limit_table,
    risk_limit_tiers,
    table_of,
    text,
    tickers,
)
from exporter.demo.book import Book, CollateralRate, Position
from exporter.demo.contracts import ZERO, rounded
from exporter.demo.market import Market
from exporter.demo.orders import Order

CLASSIC, SINGLE, MULTI, PORTFOLIO = "classic", "single_currency", "multi_currency", "portfolio"
_MARGIN_MODES = {CLASSIC: 0, MULTI: 1, PORTFOLIO: 2, SINGLE: 3}


class GateSimulator(GateServer):
    """Gate with an account of each mode.

    ``gate-classic``: contracts in USDT and bitcoin, hedge mode. ``gate-older``: classic by the older rules, a
    pool in USDT alone. ``gate-single``, ``gate-multi``, ``gate-portfolio``: the modes of unified accounts.

    Attributes:
        modes: Of accounts by name; one that is not in it is classic.
        older: Accounts by the older rules: one rate for all of a position, no figures of cross positions.
        options: Positions in options by account: they count in no figure here.
    """

    name: ClassVar[str] = "gate"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.modes: dict[str, str] = {}
        self.older: set[str] = set()
        self.options: dict[str, Rows] = {}
        for book in self._demo_books():
            self.add_account(book)

    def new_book(self, name: str, mode: str = CLASSIC, *, hedge_mode: bool = False) -> GateBook:
        """An empty account with this venue's rules; `add_account` makes it known."""
        self.modes[name] = mode
        shared = mode in {MULTI, PORTFOLIO}
        return GateBook(
            name,
            self.market,
            digits=DIGITS,
            hedge_mode=hedge_mode,
            multi_asset=shared,
            collateral=CollateralRate.by_shares(DISCOUNTS) if shared else {},
        )

    def open(self, book: Book, *orders: Order) -> None:
        """Opens positions, with one rate each in portfolio margin and by the older rules."""
        for order in orders:
            rate = None
            if self.modes[book.name] == PORTFOLIO:
                rate = STRESS
            elif book.name in self.older:
                rate = contract(order.symbol).tiers[0].rate - TAKER_RATE
            order.fill(book, contract(order.symbol, rate=rate), self.now())

    def _demo_books(self) -> Iterable[Book]:
        book = self.new_book("gate-multi", MULTI, hedge_mode=True)
        for coin, amount in (("USDT", "6320.4"), ("BTC", "0.12"), ("ETH", "1.9")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("SOL_USDT", "long", "210", "148.1"),
            Order("SOL_USDT", "short", "60", "151.9"),
            Order("LTC_USDT", "short", "900", "84.6"),
        )
        yield book

        book = self.new_book("gate-portfolio", PORTFOLIO)
        book.deposit("USDT", "14310.77")
        self.open(book, Order("ETH_USDT", "long", "640", "3395.1"))
        yield book

        book = self.new_book("gate-classic", hedge_mode=True)
        for coin, amount in (("USDT", "13400.4471"), ("BTC", "0.42")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("ETH_USDT", "long", "1350", "3361.4"),
            Order("ETH_USDT", "short", "420.5", "3440.2"),
            Order("SOL_USDT", "short", "130", "153.218"),
            Order("LTC_USDT", "long", "210", "83.1", 3, "isolated"),
            Order("BTC_USD", "long", "21000", "64770.5"),
        )
        yield book

        book = self.new_book("gate-older")
        self.older.add(book.name)
        book.deposit("USDT", "5210.9")
        self.open(
            book,
            Order("BTC_USDT", "long", "2100", "64870.5"),
            Order("SOL_USDT", "short", "28", "151.4", 5, "isolated"),
        )
        yield book

        book = self.new_book("gate-single", SINGLE)
        for coin, amount in (("USDT", "7150.25"), ("ETH", "1.4")):
            book.deposit(coin, amount)
        self.open(
            book,
            Order("BTC_USDT", "short", "3200", "65310.2"),
            Order("LTC_USDT", "long", "160", "83.4", 3, "isolated"),
        )
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        settle = frozenset({"settle"})
        public = Book("", self.market)
        pages = frozenset({"limit", "offset"})
        return {
            "/spot/time": Endpoint(answer=lambda _: {"server_time": self.server_time()}),
            "/futures/{settle}/contracts": Endpoint(
                pages, settle, lambda asked: contracts(public, asked, self.now())
            ),
            "/futures/{settle}/tickers": Endpoint(
                frozenset({"contract"}), settle, lambda asked: tickers(public, asked)
            ),
            "/futures/{settle}/risk_limit_tiers": Endpoint(pages, settle | {"contract"}, risk_limit_tiers),
            "/futures/{settle}/risk_limit_table": Endpoint(
                frozenset(), settle | {"table_id"}, risk_limit_table
            ),
            "/unified/currency_discount_tiers": Endpoint(answer=discounts),
            "/futures/{settle}/accounts": Endpoint(needed=settle, private_answer=self._account),
            "/futures/{settle}/positions": Endpoint(
                pages | {"holding"}, settle, private_answer=self._positions
            ),
            "/unified/unified_mode": Endpoint(private_answer=self._mode, group="unified"),
            "/unified/accounts": Endpoint(
                frozenset({"currency", "sub_uid"}), private_answer=self._unified, group="unified", limit=150
            ),
            "/options/positions": Endpoint(
                frozenset({"underlying"}), private_answer=self._options, group="options"
            ),
            "/account/main_keys": Endpoint(private_answer=self._keys, group="account"),
        }

    def _mode(self, _: Parameters, credential: Credential) -> object:
        mode = self.modes[credential.account]
        settings = {"spot_hedge": False, "usdt_futures": True, "options": True}
        return {"mode": mode, **({} if mode == CLASSIC else {"settings": settings})}

    def _options(self, _: Parameters, credential: Credential) -> object:
        return self.options.get(credential.account, [])

    def _keys(self, _: Parameters, credential: Credential) -> object:
        rights = [{"name": name, "read_only": only} for name, only in credential.permissions.items()]
        return [
            {
                "state": 1,
                "mode": 1,
                "name": credential.account,
                "user_id": 10001,
                "perms": rights,
                "ip_whitelist": list(credential.addresses),
                "currency_pairs": [],
                "key": f"{credential.api_key[:12]}*****",
                "created_at": 1753030929,
                "update_at": 1756300567,
                "last_access": 1753030929,
            }
        ]

    def _book(self, parameters: Parameters, credential: Credential) -> tuple[Book, str]:
        """The book and the settle currency that are asked for.

        Raises:
            GateError: The account never had anything in it.
        """
        book, coin = self.accounts[credential.account], parameters["settle"].upper()
        classic = self.modes[book.name] == CLASSIC
        if coin not in (book.coins() if classic else ("USDT",)):
            raise GateError("USER_NOT_FOUND", "please transfer funds first to create futures account")
        return book, coin

    def _account(self, parameters: Parameters, credential: Credential) -> object:
        book, coin = self._book(parameters, credential)
        mode, pool = self.modes[book.name], book.coin_pool(coin)
        isolated = [one for one in book.positions if one.margin_mode == "isolated"]
        isolated = [one for one in isolated if one.contract.settle == coin]
        own = sum((one.isolated_wallet for one in isolated), ZERO)
        answer: dict[str, object] = {
            "user": 10001,
            "currency": coin,
            "total": text(pool.wallet) if mode == CLASSIC else "0",
            "unrealised_pnl": text(pool.unrealized_pnl),
            "position_margin": text(own),
            "order_margin": "0",
            "available": text(pool.available),
            "point": "0",
            "bonus": "0",
            "in_dual_mode": book.hedge_mode,
            "position_mode": "dual" if book.hedge_mode else "single",
            "margin_mode": _MARGIN_MODES[mode],
            "enable_evolved_classic": mode == CLASSIC and book.name not in self.older,
            "enable_tiered_mm": book.name not in self.older,
        }
        if mode == CLASSIC and book.name not in self.older:
            answer |= {
                "cross_initial_margin": text(pool.cross_initial_margin),
                "cross_maintenance_margin": text(pool.cross_maintenance_margin),
                "cross_order_margin": "0",
                "cross_unrealised_pnl": text(pool.cross_pnl),
                "cross_available": text(pool.available),
                "cross_margin_balance": text(pool.margin_equity),
                "cross_mmr": _ratio(pool.margin_equity, pool.cross_maintenance_margin, 4),
                "isolated_position_margin": text(own),
            }
        return answer

    def _positions(self, parameters: Parameters, credential: Credential) -> object:
        book, coin = self._book(parameters, credential)
        begin, count = (_count(parameters, name, at) for name, at in (("offset", 0), ("limit", 100)))
        rows = [self._position(book, held) for held in book.positions if held.contract.settle == coin]
        return rows[begin : begin + count]

    def _position(self, book: Book, held: Position) -> dict[str, object]:
        mode, older = self.modes[book.name], book.name in self.older
        isolated = held.margin_mode == "isolated"
        value, margin = book.notional(held), book.maintenance_margin(held)
        price = None if mode == PORTFOLIO else book.liquidation_price(held)
        none = "0" if held.side == "long" else "99999999"
        average = (margin - value * TAKER_RATE) / value if margin else ZERO
        leverage = str(held.leverage)
        row: dict[str, object] = {
            "user": 10001,
            "contract": held.contract.symbol,
            "size": f"{held.sign * held.quantity:f}",
            "leverage": leverage if isolated else "0",
            "cross_leverage_limit": "0" if isolated else leverage,
            "risk_limit": STEPS[held.contract.symbol][0][0],
            "leverage_max": leverage,
            "maintenance_rate": text(marginal_rate(held, value)),
            "value": text(value),
            "margin": text(held.isolated_wallet),
            "entry_price": f"{held.entry_price:f}",
            "mark_price": f"{book.mark(held.contract):f}",
            "liq_price": none if price is None else text(price),
            "initial_margin": "0" if older else text(book.initial_margin(held)),
            "maintenance_margin": "0" if older else text(margin),
            "unrealised_pnl": text(book.unrealized_pnl(held)),
            "realised_pnl": text(held.realized_pnl),
            "pnl_fund": "0.25",
            "adl_ranking": 6 - min(5, max(1, int(book.return_on_margin(held) * 2) + 1)),
            "pending_orders": 0,
            "mode": f"dual_{held.side}" if book.hedge_mode else "single",
            "update_time": int(held.updated_at),
        }
        if not older:
            row |= {
                "risk_limit_table": table_of(held.contract.symbol),
                "average_maintenance_rate": text(rounded(average, 4)),
                "pos_margin_mode": held.margin_mode,
                "lever": leverage,
            }
        return row

    def _unified(self, _: Parameters, credential: Credential) -> object:
        book = self.accounts[credential.account]
        mode = self.modes[book.name]
        balances = {coin: self._balance(book, coin, mode) for coin in book.coins()}
        worth = sum((Decimal(str(row["equity"])) * self._usd(coin) for coin, row in balances.items()), ZERO)
        totals = dict.fromkeys(
            (
                "total_initial_margin",
                "total_margin_balance",
                "total_maintenance_margin",
                "total_initial_margin_rate",
                "total_maintenance_margin_rate",
                "total_available_margin",
            ),
            "0",
        )
        if mode in {MULTI, PORTFOLIO}:
            pool = book.pool("USD")
            totals = {
                "total_initial_margin": text(pool.cross_initial_margin),
                "total_margin_balance": text(pool.margin_equity),
                "total_maintenance_margin": text(pool.cross_maintenance_margin),
                "total_initial_margin_rate": _ratio(pool.margin_equity, pool.cross_initial_margin),
                "total_maintenance_margin_rate": _ratio(pool.margin_equity, pool.cross_maintenance_margin),
                "total_available_margin": text(pool.available),
            }
        return {
            "user_id": 10001,
            "locked": False,
            "balances": balances,
            **totals,
            "unified_account_total_equity": text(worth),
            "unified_account_total_liab": "0",
            "is_all_collateral": False,
            "spot_hedge": False,
        }

    def _usd(self, coin: str) -> Decimal:
        return self.market.exact_index(coin, "USD", 8)

    def _balance(self, book: Book, coin: str, mode: str) -> dict[str, object]:
        pool = book.coin_pool(coin)
        row: dict[str, object] = {
            "available": text(pool.available),
            "freeze": "0",
            "borrowed": text(max(ZERO, -pool.cross_wallet)),
            "equity": text(pool.margin_equity),
            "enabled_collateral": True,
        }
        if mode == SINGLE and coin == "USDT":
            row |= {
                "cross_balance": text(pool.cross_wallet),
                "iso_balance": text(pool.wallet - pool.cross_wallet),
                "im": text(pool.cross_initial_margin),
                "mm": text(pool.cross_maintenance_margin),
                "imr": _ratio(pool.margin_equity, pool.cross_initial_margin),
                "mmr": _ratio(pool.margin_equity, pool.cross_maintenance_margin),
                "margin_balance": text(pool.margin_equity),
                "available_margin": text(pool.available),
            }
        return row


def _count(parameters: Parameters, name: str, otherwise: int) -> int:
    given = parameters.get(name, str(otherwise))
    if not (given.isascii() and given.isdigit() and len(given) < 7):
        raise GateError("INVALID_PARAM_VALUE", f"Invalid parameter: {name}")
    return int(given)


def _ratio(backing: Decimal, required: Decimal, digits: int = DIGITS) -> str:
    return f"{rounded(backing / required, digits):f}" if required else "0"
