"""Binance Portfolio Margin (papi) as a local server, with what its other hosts answer.

Endpoints and fields: https://developers.binance.com/docs/derivatives/portfolio-margin . Rules:
https://www.binance.com/en/support/faq/4868b2f1aa6c4d08af973328462bb0bd (equity, `uniMMR`, thresholds).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import ClassVar

from exporter.demo import _binance_coinm as coinm
from exporter.demo import _binance_usdm as usdm
from exporter.demo._binance_pm_pro import Program, pro_endpoints
from exporter.demo._binance_weights import BinanceError, WeightPool
from exporter.demo.binance import (
    BinanceSimulator,
    Credential,
    Endpoint,
    Parameters,
    PublicEndpoint,
    SignedEndpoint,
    amount,
    fixed_weight,
    liquidation_price,
    plain,
    weight_by_symbol,
)
from exporter.demo.binance_coinm import BinanceCoinmSimulator
from exporter.demo.binance_usdm import BinanceUsdmSimulator
from exporter.demo.book import Book, CollateralRate, Pool, Position
from exporter.demo.contracts import Contract, rounded
from exporter.demo.market import Market

LIMIT = 6000
"""Request weight an address may use in a minute."""
"""The same of each path of the spot host."""
LOAN_MARGIN = Decimal("0.10")
"""Maintenance margin of a loan that is taken at three times leverage."""
COLLATERAL = {
    coin: CollateralRate(1 - Decimal(rate), Decimal(0))
    for coin, rate in {"USDT": "1", "USDC": "1", "BTC": "0.95", "ETH": "0.95", "BNB": "0.9"}.items()
}
STATES = (
    ("1.5", "NORMAL"),
    ("1.2", "MARGIN_CALL"),
    ("1.05", "REDUCE_ONLY"),
    ("1", "ACTIVE_LIQUIDATION"),
)
"""What an account is called above a `uniMMR`."""
_NO_REQUIREMENT = Decimal("99999999.99999999")


@dataclass(eq=False)
class PortfolioBook(Book):
    """All coins, loans and positions in one pool in USD, which is liquidated at a `uniMMR` of 1.05."""

    multi_asset: bool = True
    collateral: Mapping[str, CollateralRate] = field(default_factory=lambda: COLLATERAL)
    liquidation_multiple: Decimal = Decimal("1.05")
    loans: dict[str, Decimal] = field(default_factory=dict)

    def borrow(self, coin: str, borrowed: Decimal | int | str) -> None:
        """A loan, spent at once on what is no part of the account."""
        self.loans[coin] = self.loans.get(coin, Decimal(0)) + Decimal(borrowed)
        self.deposit(coin, -Decimal(borrowed))

    def pool(self, currency: str) -> Pool:
        found = super().pool(currency)
        loans = rounded(
            sum(
                (
                    loan * LOAN_MARGIN * self.collateral_price(coin, debt=True)
                    for coin, loan in self.loans.items()
                ),
                Decimal(0),
            ),
            self.digits,
        )
        return replace(
            found,
            cross_maintenance_margin=found.cross_maintenance_margin + loans,
            maintenance_margin=found.maintenance_margin + loans,
        )

    @property
    def rate_of_equity(self) -> Decimal:
        """The `uniMMR`."""
        pool = self.pool("USD")
        return pool.equity / pool.maintenance_margin if pool.maintenance_margin else _NO_REQUIREMENT

    @property
    def worth(self) -> Decimal:
        """The equity without haircuts."""
        return sum((self.coin_pool(coin).equity * self.index(coin) for coin in self.coins()), Decimal(0))

    def index(self, coin: str) -> Decimal:
        """USD a unit."""
        return self.market.exact_index(coin, "USD", self.price_digits)

    def profit(self, coin: str, kind: str) -> Decimal:
        """Unrealized PnL in a coin of the positions of one product."""
        held = (one for one in self.positions if one.contract.kind == kind and one.contract.settle == coin)
        return sum((self.unrealized_pnl(one) for one in held), Decimal(0))


class BinancePmSimulator(BinanceSimulator):
    """Binance Portfolio Margin with two demo accounts.

    ``pm-basis``: coins and dollars; long BTC and short ETH in USD-M, short BTC in COIN-M.
    ``pm-hedged``: hedge mode, both legs of BTCUSDT, short ETH in COIN-M, and a loan in USDT.
    """

    name: ClassVar[str] = "binance_pm"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        self.futures_weights = self.weights
        self.weights = WeightPool(limit=LIMIT)
        self.classic: set[str] = set()
        """The accounts that are not in Portfolio Margin mode."""
        self.programs: dict[str, Program] = {}
        """Those in Portfolio Margin Pro."""
        self._products = (
            BinanceUsdmSimulator(market, clock=self.now),
            BinanceCoinmSimulator(market, clock=self.now),
        )
        for book in self._demo_books():
            self.add_account(book)

    def add_account(self, book: PortfolioBook, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake HMAC one."""
        if credential is None:
            credential = Credential.hmac_sha256(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def new_book(self, name: str, *, hedge_mode: bool = False) -> PortfolioBook:
        """An empty account with this venue's rules; `add_account` makes it known."""
        return PortfolioBook(name, self.market, hedge_mode=hedge_mode)

    def _demo_books(self) -> Iterable[PortfolioBook]:
        now = self.now()

        book = self.new_book("pm-basis")
        book.deposit("USDT", "52000")
        book.deposit("BTC", "1.6")
        book.deposit("ETH", "12.5")
        book.open(usdm.CONTRACTS["BTCUSDT"], "long", "2.4", price="64410.2", leverage=20, now=now)
        book.open(usdm.CONTRACTS["ETHUSDT"], "short", "21.5", price="3409.35", leverage=20, now=now)
        book.open(coinm.CONTRACTS["BTCUSD_PERP"], "short", 900, price="65204.5", leverage=20, now=now)
        yield book

        book = self.new_book("pm-hedged", hedge_mode=True)
        book.deposit("BTC", "4")
        book.deposit("ETH", "6")
        book.borrow("USDT", "40000")
        book.open(usdm.CONTRACTS["BTCUSDT"], "long", "12", price="64931.6", leverage=50, now=now)
        book.open(coinm.CONTRACTS["ETHUSD_PERP"], "short", 1200, price="3388.41", leverage=25, now=now)
        book.open(usdm.CONTRACTS["BTCUSDT"], "short", "8", price="64880.1", leverage=50, now=now)
        yield book

    # --- How it is asked -----------------------------------------------------------------------------

    def limit_of(self, path: str) -> tuple[str, WeightPool]:
        if path.startswith(("/fapi/", "/dapi/")):
            return "X-MBX-USED-WEIGHT-1M", self.futures_weights
        return super().limit_of(path)

    def endpoints(self) -> Sequence[Endpoint]:
        symbol = frozenset({"symbol"})
        futures = [one for product in self._products for one in product.endpoints()]
        return (
            *(one for one in futures if isinstance(one, PublicEndpoint)),
            *pro_endpoints(
                self.programs,
                futures,
                account=_of_portfolio(self._account),
                balance=_of_portfolio(self._balance),
                um_account=_of_portfolio(self._um_account),
            ),
            PublicEndpoint(
                "/sapi/v1/portfolio/collateralRate", self._collateral_rate, fixed_weight(50), keyed=True
            ),
            PublicEndpoint(
                "/sapi/v1/portfolio/asset-index-price",
                self._index_price,
                lambda parameters: 1 if "asset" in parameters else 50,
                frozenset({"asset"}),
            ),
            PublicEndpoint("/papi/v1/ping", lambda _: {}, fixed_weight(1)),
            self._signed("/papi/v1/account", self._account, 20),
            self._signed("/papi/v1/balance", self._balance, 20, frozenset({"asset"})),
            self._signed("/papi/v1/um/positionRisk", self._um_positions, 5, symbol),
            self._signed(
                "/papi/v1/cm/positionRisk", self._cm_positions, 1, frozenset({"marginAsset", "pair"})
            ),
            self._signed("/papi/v2/um/account", self._um_account, 5),
            self._signed("/papi/v1/cm/account", self._cm_account, 5),
            self._signed("/papi/v1/um/leverageBracket", _um_brackets, 1, symbol),
            self._signed("/papi/v1/cm/leverageBracket", _cm_brackets, 1, symbol),
        )

    def _signed(
        self,
        path: str,
        answer: Callable[[Parameters, PortfolioBook], object],
        weight: int,
        parameters: frozenset[str] = frozenset(),
    ) -> SignedEndpoint:
        answered = _of_portfolio(answer)

        def of_portfolio(asked: Parameters, book: Book) -> object:
            if book.name in self.classic or book.name in self.programs:
                raise BinanceError(400, -21001, "Request ID is not a Portfolio Margin Account.")
            return answered(asked, book)

        return SignedEndpoint(path, of_portfolio, weight_by_symbol(weight, weight), parameters)

    # --- What it answers -----------------------------------------------------------------------------

    def _account(self, _: Parameters, book: PortfolioBook) -> object:
        pool, rate = book.pool("USD"), book.rate_of_equity
        state = next((name for least, name in STATES if rate > Decimal(least)), "FORCE_LIQUIDATION")
        return {
            "uniMMR": amount(rate),
            "accountEquity": amount(pool.equity),
            "actualEquity": amount(book.worth),
            "accountInitialMargin": amount(pool.initial_margin),
            "accountMaintMargin": amount(pool.maintenance_margin),
            "accountStatus": state,
            "virtualMaxWithdrawAmount": amount(pool.available),
            "totalAvailableBalance": "",
            "totalMarginOpenLoss": "",
            "updateTime": self.server_time(),
        }

    def _balance(self, parameters: Parameters, book: PortfolioBook) -> object:
        asked = parameters.get("asset")
        return [_balance_row(book, coin) for coin in book.coins() if asked in (None, coin)]

    def _um_positions(self, parameters: Parameters, book: PortfolioBook) -> object:
        return [
            {
                **_position_row(book, position),
                "maxNotionalValue": _largest(position),
                "notional": amount(position.sign * book.notional(position)),
            }
            for position in _held(book, usdm.asked_contracts(parameters))
        ]

    def _cm_positions(self, parameters: Parameters, book: PortfolioBook) -> object:
        asset, pair = parameters.get("marginAsset"), parameters.get("pair")
        asked = [
            contract
            for contract in coinm.CONTRACTS.values()
            if asset in (None, contract.settle) and pair in (None, coinm.pair_of(contract))
        ]
        return [
            {
                **_position_row(book, position),
                "maxQty": _largest(position),
                "notionalValue": amount(position.sign * book.notional(position)),
            }
            for position in _held(book, asked)
        ]

    def _um_account(self, _: Parameters, book: PortfolioBook) -> object:
        held = _held(book, usdm.CONTRACTS.values())
        return {
            "assets": [_asset_row(book, coin, "linear") for coin in usdm.QUOTE_ASSETS],
            "positions": [
                {**_margins(book, one), "notional": amount(one.sign * book.notional(one))} for one in held
            ],
        }

    def _cm_account(self, _: Parameters, book: PortfolioBook) -> object:
        held = {one.contract.symbol: one for one in _held(book, coinm.CONTRACTS.values())}
        empty = {"positionAmt": "0", "initialMargin": "0", "maintMargin": "0", "positionSide": "BOTH"}
        return {
            "assets": [_asset_row(book, coin, "inverse") for coin in coinm.COINS],
            "positions": [
                _margins(book, held[symbol]) if symbol in held else {"symbol": symbol, **empty}
                for symbol in coinm.CONTRACTS
            ],
        }

    def _collateral_rate(self, _: Parameters) -> object:
        return [
            {"asset": coin, "collateralRate": f"{1 - rate.bid_buffer:.4f}"}
            for coin, rate in COLLATERAL.items()
        ]

    def _index_price(self, parameters: Parameters) -> object:
        asked = parameters.get("asset")
        return [
            {
                "asset": coin,
                "assetIndexPrice": amount(self.market.exact_index(coin, "USD", 8)),
                "time": self.server_time(),
            }
            for coin in self.market.coins
            if coin != "USD" and asked in (None, coin)
        ]


def _of_portfolio(
    answer: Callable[[Parameters, PortfolioBook], object],
) -> Callable[[Parameters, Book], object]:
    def answered(asked: Parameters, book: Book) -> object:
        assert isinstance(book, PortfolioBook)  # noqa: S101 (no other is made known here)
        return answer(asked, book)

    return answered


def _held(book: Book, contracts: Iterable[Contract]) -> list[Position]:
    asked = {contract.symbol for contract in contracts}
    found = [position for position in book.positions if position.contract.symbol in asked]
    return sorted(found, key=lambda position: (position.contract.symbol, position.side))


def _side(book: Book, position: Position) -> str:
    return position.side.upper() if book.hedge_mode else "BOTH"


def _position_row(book: Book, position: Position) -> dict[str, object]:
    return {
        "symbol": position.contract.symbol,
        "positionAmt": plain(position.sign * position.quantity),
        "entryPrice": plain(position.entry_price),
        "markPrice": amount(book.mark(position.contract)),
        "unRealizedProfit": amount(book.unrealized_pnl(position)),
        "liquidationPrice": liquidation_price(book, position),
        "leverage": str(position.leverage),
        "positionSide": _side(book, position),
        "updateTime": int(position.updated_at * 1000),
    }


def _margins(book: Book, position: Position) -> dict[str, object]:
    return {
        "symbol": position.contract.symbol,
        "positionSide": _side(book, position),
        "positionAmt": plain(position.sign * position.quantity),
        "initialMargin": amount(book.initial_margin(position)),
        "maintMargin": amount(book.maintenance_margin(position)),
        "unrealizedProfit": amount(book.unrealized_pnl(position)),
        "updateTime": int(position.updated_at * 1000),
    }


def _balance_row(book: PortfolioBook, coin: str) -> dict[str, object]:
    """What positions are settled in lies in the wallet of their product; the rest is cross margin."""
    loan = book.loans.get(coin, Decimal(0))
    own = book.cross_wallet(coin) + loan
    kinds = {one.contract.kind for one in book.positions if one.contract.settle == coin}
    um, cm = own if "linear" in kinds else Decimal(0), Decimal(0)
    if kinds == {"inverse"}:
        cm = own
    free = own - um - cm
    return {
        "asset": coin,
        "totalWalletBalance": amount(own),
        "crossMarginAsset": amount(free - loan),
        "crossMarginBorrowed": amount(loan),
        "crossMarginFree": amount(free),
        "crossMarginInterest": amount(0),
        "crossMarginLocked": amount(0),
        "umWalletBalance": amount(um),
        "umUnrealizedPNL": amount(book.profit(coin, "linear")),
        "cmWalletBalance": amount(cm),
        "cmUnrealizedPNL": amount(book.profit(coin, "inverse")) if coin in coinm.COINS else "",
        "updateTime": 0,
        "negativeBalance": "0",
    }


def _asset_row(book: PortfolioBook, coin: str, kind: str) -> dict[str, object]:
    held = [one for one in book.positions if one.contract.settle == coin and one.contract.kind == kind]
    initial = amount(sum((book.initial_margin(one) for one in held), Decimal(0)))
    return {
        "asset": coin,
        "crossWalletBalance": amount(book.cross_wallet(coin) if held else 0),
        "crossUnPnl": amount(book.profit(coin, kind)),
        "maintMargin": amount(sum((book.maintenance_margin(one) for one in held), Decimal(0))),
        "initialMargin": initial,
        "positionInitialMargin": initial,
        "openOrderInitialMargin": amount(0),
        "updateTime": 0,
    }


def _largest(position: Position) -> str:
    """The largest notional that may be held at the leverage."""
    tiers = position.contract.tiers
    return plain(max(tier.cap for tier in tiers if tier.max_leverage >= position.leverage))


def _um_brackets(parameters: Parameters, _: Book) -> object:
    return [
        _brackets(contract, "notionalCap", "notionalFloor") for contract in usdm.asked_contracts(parameters)
    ]


def _cm_brackets(parameters: Parameters, _: Book) -> object:
    return [_brackets(contract, "qtyCap", "qtyFloor") for contract in coinm.asked_contracts(parameters)]


def _brackets(contract: Contract, cap: str, floor: str) -> dict[str, object]:
    return {
        "symbol": contract.symbol,
        "brackets": [
            {
                "bracket": number,
                "initialLeverage": tier.max_leverage,
                cap: int(tier.cap),
                floor: int(tier.floor),
                "maintMarginRatio": float(tier.rate),
                "cum": float(tier.deduction),
            }
            for number, tier in enumerate(contract.tiers, 1)
        ],
    }
