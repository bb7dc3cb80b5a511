"""Hyperliquid as a local server.

Answers: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint . How it is asked,
and what it tells everybody, is in `exporter.demo._hyperliquid`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Literal

from aiohttp import web

from exporter.demo._hyperliquid import (
    CONTRACTS,
    DIGITS,
    EXCHANGES,
    MARKET_COINS,
    TOKENS,
    WEIGHTS,
    Credential,
    Limits,
    QuestionError,
    contexts,
    exchange_of,
    exchanges,
    meta,
    question,
    spot,
    text,
)
from exporter.demo.base import VenueSimulator
from exporter.demo.book import Book, CollateralRate, Liquidation, Position
from exporter.demo.contracts import ZERO, rounded
from exporter.demo.market import Market

Mode = Literal["disabled", "default", "unifiedAccount", "portfolioMargin", "dexAbstraction"]
_user: ContextVar[str] = ContextVar("user", default="")
"""The address in the question that is being answered."""
LIQUIDATED_AT = Decimal("0.95")
"""Ratio of what is required to what backs it, in portfolio margin mode."""
LTV = {"BTC": Decimal("0.5")}
"""What may be borrowed of a coin's value there."""


@dataclass
class Account(Book):
    """An account; with separate balances, those at other exchanges are books of their own."""

    mode: Mode = "disabled"
    others: dict[str, Book] = field(default_factory=dict)

    def settle(self, now: float) -> list[Liquidation]:
        happened = super().settle(now)
        for other in self.others.values():
            happened += other.settle(now)
        return happened

    @property
    def separate(self) -> bool:
        return self.mode in {"disabled", "default"}

    def at(self, exchange: str) -> tuple[Book | None, list[Position]]:
        """The book of an exchange and the positions there."""
        book = self.others.get(exchange) if exchange and self.separate else self
        if book is None:
            return None, []
        return book, [one for one in book.positions if exchange_of(one.contract.symbol) == exchange]


class HyperliquidSimulator(VenueSimulator):
    """Hyperliquid with three demo accounts, the last of which has sub-accounts.

    ``hyper-unified``: one balance for positions at two exchanges, and one in another coin.
    ``hyper-portfolio``: portfolio margin. ``hyper-separate``: a balance at each of two exchanges.

    Attributes:
        masters: By the name of a sub-account, that of its master.
        roles: What addresses are that are no account's.
    """

    name: ClassVar[str] = "hyperliquid"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.credentials: dict[str, Credential] = {}
        self.limits = Limits()
        self.masters: dict[str, str] = {}
        self.roles: dict[str, dict[str, object]] = {}
        for book in self._demo_books():
            self.add_account(book)
        for book in self._demo_sub_accounts():
            self.add_account(book, master="hyper-separate")

    def new_book(self, name: str, mode: Mode = "disabled") -> Account:
        """An empty account with this venue's rules; `add_account` makes it known."""
        portfolio = mode == "portfolioMargin"
        shares = {"USDC": LIQUIDATED_AT, **{coin: LIQUIDATED_AT * (1 + ltv) / 2 for coin, ltv in LTV.items()}}
        collateral = CollateralRate.by_shares(shares)
        return Account(
            name,
            self.market,
            digits=DIGITS,
            multi_asset=portfolio,
            collateral=collateral if portfolio else {},
            mode=mode,
        )

    def add_account(self, book: Account, *, master: str | None = None) -> Credential:
        """Adds an account at an address of its own."""
        credential = Credential.fake(book.name)
        if master is not None:
            self.masters[book.name] = master
        return self.know(book, credential.address, credential)

    def demo_accounts(self, base_url: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for credential in self.credentials.values():
            if credential.account not in self.masters:
                entry: dict[str, object] = {
                    "name": credential.account,
                    "exchange": self.name,
                    "base_url": base_url,
                    "address": credential.address,
                }
                if credential.account in self.masters.values():
                    entry["sub_accounts"] = True
                found.append(entry)
        return found

    def _demo_books(self) -> Iterable[Account]:
        now = self.now()

        book = self.new_book("hyper-unified", "unifiedAccount")
        book.deposit("USDC", "14120.55170912")
        book.deposit("USDH", "1905.2")
        book.open(CONTRACTS["BTC"], "long", "0.4", price="64880.1", leverage=5, now=now)
        book.open(CONTRACTS["xyz:BNB"], "short", "12.5", price="583.41", leverage=5, now=now)
        book.open(CONTRACTS["SOL"], "long", "40", price="149.37", leverage=2, margin_mode="isolated", now=now)
        book.open(CONTRACTS["flx:LTC"], "long", "40", price="83.72", leverage=3, now=now)
        yield book

        book = self.new_book("hyper-portfolio", "portfolioMargin")
        book.deposit("USDC", "16310.91")
        book.deposit("BTC", "0.2")
        book.open(CONTRACTS["ETH"], "short", "11.2", price="3405.2", leverage=5, now=now)
        book.open(CONTRACTS["xyz:BNB"], "long", "8", price="578.15", leverage=5, now=now)
        yield book

        book = self.new_book("hyper-separate")
        book.deposit("USDC", "12480.402117")
        book.open(CONTRACTS["BTC"], "long", "0.35", price="64210.5", leverage=5, now=now)
        book.open(CONTRACTS["SOL"], "short", "60.5", price="151.02", leverage=5, now=now)
        book.open(
            CONTRACTS["ETH"], "short", "2.5", price="3421.3", leverage=2, margin_mode="isolated", now=now
        )
        other = self.new_book(book.name)
        other.deposit("USDC", "2210.77")
        other.open(CONTRACTS["xyz:XRP"], "long", "6200", price="0.6114", leverage=3, now=now)
        book.others["xyz"] = other
        yield book

    def _demo_sub_accounts(self) -> Iterable[Account]:
        now = self.now()

        book = self.new_book("arbitrage", "unifiedAccount")
        book.deposit("USDC", "18020.1")
        book.open(CONTRACTS["ETH"], "long", "3.1", price="3391.4", leverage=5, now=now)
        book.open(CONTRACTS["xyz:XRP"], "short", "5100", price="0.6233", leverage=5, now=now)
        yield book

        book = self.new_book("basis")
        book.deposit("USDC", "7215.6")
        book.open(CONTRACTS["BTC"], "short", "0.05", price="65310.2", leverage=3, now=now)
        yield book

    # --- How it is asked -----------------------------------------------------------------------------

    async def endpoint_of(self, request: web.Request) -> str:
        """By the type of the question: they share a path."""
        try:
            document = json.loads(await request.read())
        except ValueError:
            document = None
        if not isinstance(document, dict):
            document = {}
        _user.set(str(document.get("user")))
        return f"{request.path} {document.get('type')}"

    def account_of(self, request: web.Request) -> str | None:  # noqa: ARG002 (it is in the body)
        credential = self.credentials.get(_user.get())
        return None if credential is None else credential.account

    def application(self) -> web.Application:
        return self.new_application(self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.path != "/info":
            return web.Response(status=404)
        if request.method != "POST":
            return web.Response(status=405)
        if request.content_type != "application/json":
            return web.Response(status=415, text="Expected request with `Content-Type: application/json`")
        try:
            asked = question(json.loads(await request.read()))
        except (ValueError, QuestionError):
            return web.Response(status=422, text="Failed to deserialize the JSON body into the target type")
        if not self.limits.spend(request.remote or "", WEIGHTS.get(asked["type"], 20), self.now()):
            return web.json_response(None, status=429)
        return web.json_response(self._answer(asked))

    def _answer(self, asked: Mapping[str, str]) -> object:
        exchange = asked.get("dex", "")
        public: dict[str, Callable[[], object]] = {
            "perpDexs": exchanges,
            "allPerpMetas": lambda: [meta(name) for name in EXCHANGES],
            "metaAndAssetCtxs": lambda: contexts(self.market, exchange),
            "spotMetaAndAssetCtxs": lambda: spot(self.market),
            "exchangeStatus": lambda: {"time": self.server_time(), "specialStatuses": None},
        }
        if asked["type"] in public:
            return public[asked["type"]]()
        address = asked["user"].lower()
        credential = self.credentials.get(address)
        book = None if credential is None else self.accounts[credential.account]
        assert book is None or isinstance(book, Account)  # noqa: S101 (`add_account` takes no other)
        match asked["type"]:
            case "userAbstraction":
                return "default" if book is None else book.mode
            case "userRole":
                return self._role(address, book)
            case "clearinghouseState":
                return self._state(book, exchange)
            case "spotClearinghouseState":
                return self._balances(book)
            case _:
                return None if book is None else self._sub_accounts(book)

    # --- What it answers -----------------------------------------------------------------------------

    def _role(self, address: str, book: Account | None) -> object:
        if book is None:
            return self.roles.get(address, {"role": "missing"})
        master = self.masters.get(book.name)
        if master is None:
            return {"role": "user"}
        return {"role": "subAccount", "data": {"master": Credential.fake(master).address}}

    def _sub_accounts(self, master: Account) -> object:
        rows = []
        for name, of in self.masters.items():
            address, book = Credential.fake(name).address, self.accounts[name]
            if of == master.name and address in self.credentials and isinstance(book, Account):
                rows.append(
                    {
                        "name": name,
                        "subAccountUser": address,
                        "master": Credential.fake(of).address,
                        "dexToClearinghouseState": [
                            [exchange, self._state(book, exchange)]
                            for exchange in EXCHANGES
                            if not exchange or book.at(exchange)[1]
                        ],
                        "spotState": self._balances(book),
                        "abstraction": book.mode,
                    }
                )
        return rows or None

    def _state(self, account: Account | None, exchange: str) -> object:
        book, held = (None, []) if account is None else account.at(exchange)
        cross = [one for one in held if one.margin_mode == "cross"]
        zero = rounded(ZERO, DIGITS)
        value = cross_value = required = zero
        if account is not None and book is not None:
            required = sum((book.maintenance_margin(one) for one in cross), zero)
            apart = sum((book.isolated_equity(one) for one in held if one not in cross), zero)
            if account.separate:
                cross_value = book.coin_pool(TOKENS[EXCHANGES[exchange]]).margin_equity
            else:  # what the positions bind: the money is among the balances
                cross_value = 2 * sum((book.initial_margin(one) for one in cross), zero)
            value = cross_value + apart
        return {
            "marginSummary": self._summary(book, held, value),
            "crossMarginSummary": self._summary(book, cross, cross_value),
            "crossMaintenanceMarginUsed": text(required),
            "withdrawable": text(max(zero, cross_value - sum(self._margin(book, one) for one in cross))),
            "assetPositions": [
                {"type": "oneWay", "position": self._position(book, one)} for one in held if book is not None
            ],
            "time": self.server_time(),
        }

    def _margin(self, book: Book | None, held: Position) -> Decimal:
        if book is None:
            return ZERO
        return book.isolated_equity(held) if held.margin_mode == "isolated" else book.initial_margin(held)

    def _summary(self, book: Book | None, held: Iterable[Position], value: Decimal) -> dict[str, str]:
        held = list(held)
        notionals = [] if book is None else [(one.sign, book.notional(one)) for one in held]
        return {
            "accountValue": text(value),
            "totalNtlPos": text(sum((notional for _, notional in notionals), ZERO)),
            "totalRawUsd": text(value - sum((sign * notional for sign, notional in notionals), ZERO)),
            "totalMarginUsed": text(sum((self._margin(book, one) for one in held), ZERO)),
        }

    def _position(self, book: Book, held: Position) -> object:
        isolated = held.margin_mode == "isolated"
        price, notional = book.liquidation_price(held), book.notional(held)
        leverage: dict[str, object] = {"type": held.margin_mode, "value": held.leverage}
        if isolated:
            leverage["rawUsd"] = text(book.isolated_equity(held) - held.sign * notional)
        return {
            "coin": held.contract.symbol,
            "szi": f"{held.sign * held.quantity:f}",
            "leverage": leverage,
            "entryPx": f"{held.entry_price:f}",
            "positionValue": text(notional),
            "unrealizedPnl": text(book.unrealized_pnl(held)),
            "returnOnEquity": text(book.return_on_margin(held)),
            "liquidationPx": None if price is None else text(price),
            "marginUsed": text(self._margin(book, held)),
            "maxLeverage": held.contract.tiers[0].max_leverage,
            "cumFunding": {"allTime": "161.431624", "sinceOpen": "1.431624", "sinceChange": "0.0"},
        }

    def _balances(self, account: Account | None) -> object:
        if account is None or account.separate:
            return {"balances": []}
        rows, left = [], []
        required = {
            coin: sum(
                (
                    account.maintenance_margin(one)
                    for one in account.positions
                    if one.margin_mode == "cross" and one.contract.settle == coin
                ),
                ZERO,
            )
            for coin in account.coins()
        }
        for token, name in TOKENS.items():
            coin = MARKET_COINS[name]
            pool = account.coin_pool(coin)
            held = [one for one in account.positions if one.contract.settle == coin]
            hold = sum((self._margin(account, one) for one in held), ZERO)
            rows.append(
                {
                    "coin": name,
                    "token": token,
                    "total": text(pool.equity),
                    "hold": text(hold),
                    "entryNtl": "0.0",
                    **({"ltv": f"{LTV.get(coin, ZERO):f}"} if account.multi_asset else {}),
                }
            )
            left.append([token, text(pool.margin_equity - required.get(coin, ZERO))])
        found: dict[str, object] = {"balances": rows, "tokenToAvailableAfterMaintenance": left}
        if account.multi_asset:
            whole = account.pool("USD")
            ratio = whole.cross_maintenance_margin * LIQUIDATED_AT / whole.margin_equity
            found |= {"portfolioMarginEnabled": True, "portfolioMarginRatio": f"{rounded(ratio, 12):f}"}
        return found
