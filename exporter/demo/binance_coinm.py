"""Binance COIN-M futures (dapi) as a local server.

Endpoints and fields: https://developers.binance.com/docs/derivatives/coin-margined-futures (account, trade
and market data REST pages). What is traded, and by which rules, is in `exporter.demo._binance_coinm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import ClassVar

from exporter.demo._binance_coinm import (
    COINS,
    CONTRACTS,
    DELIVERY,
    asked_contracts,
    pair_of,
    symbol_row,
)
from exporter.demo._binance_members import member_asset, member_endpoints
from exporter.demo._binance_weights import BinanceError
from exporter.demo.binance import (
    BinanceSimulator,
    Credential,
    Endpoint,
    Parameters,
    PublicEndpoint,
    SignedEndpoint,
    adl_quantile,
    amount,
    fixed_weight,
    invalid_symbol,
    liquidation_price,
    plain,
    weight_by_symbol,
)
from exporter.demo.book import Book, Position
from exporter.demo.contracts import Contract
from exporter.demo.market import Market

DEFAULT_LEVERAGE = 20
FUNDING_INTERVAL_MS = 8 * 3600 * 1000
TAKER_FEE = Decimal("0.0005")
"""Part of the entry price by which the printed break-even price differs."""


class BinanceCoinmSimulator(BinanceSimulator):
    """Binance COIN-M with two demo accounts, the second of which has a sub-account, ``carry-coin``.

    ``coinm-directional``: one-way, long a BTC perpetual and short less of the delivery contract, both
    backed by BTC.
    ``coinm-hedged``: hedge mode, both legs of the ETH perpetual and an isolated short of the delivery
    contract, backed by ETH, and an isolated long backed by BTC.
    """

    name: ClassVar[str] = "binance_coinm"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        for book in self._demo_books():
            self.add_account(book)
        book = self.new_book("carry-coin", hedge_mode=True)
        book.deposit("BTC", "0.9")
        perpetual, delivery = CONTRACTS["BTCUSD_PERP"], CONTRACTS[f"BTCUSD_{DELIVERY}"]
        book.open(perpetual, "short", 480, price="64120.4", leverage=10, now=self.now())
        book.open(delivery, "long", 20, price="66012.5", leverage=2, margin_mode="isolated", now=self.now())
        self.below["coinm-hedged"] = {f"{book.name}_virtual@k3d8noemail.com": book}

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake HMAC one."""
        if credential is None:
            credential = Credential.hmac_sha256(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def new_book(self, name: str, *, hedge_mode: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        return Book(name, self.market, hedge_mode=hedge_mode)

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()
        perpetual, delivery = CONTRACTS["BTCUSD_PERP"], CONTRACTS[f"BTCUSD_{DELIVERY}"]

        book = self.new_book("coinm-directional")
        book.deposit("BTC", "2.80241969")
        book.open(perpetual, "long", 9000, price="64120.5", leverage=20, now=now)
        book.open(delivery, "short", 1500, price="66104.2", leverage=10, now=now)
        yield book

        book = self.new_book("coinm-hedged", hedge_mode=True)
        book.deposit("ETH", "15.5")
        book.deposit("BTC", "0.05")
        book.open(CONTRACTS["ETHUSD_PERP"], "long", 30000, price="3388.41", leverage=25, now=now)
        book.open(CONTRACTS["ETHUSD_PERP"], "short", 12000, price="3402.17", leverage=25, now=now)
        book.open(
            CONTRACTS[f"ETHUSD_{DELIVERY}"],
            "short",
            2000,
            price="3471.55",
            leverage=5,
            margin_mode="isolated",
            now=now,
        )
        book.open(perpetual, "long", 25, price="64877.1", leverage=4, margin_mode="isolated", now=now)
        yield book

    # --- What the product answers --------------------------------------------------------------------

    def endpoints(self) -> Sequence[Endpoint]:
        symbol = frozenset({"symbol"})
        return (
            *member_endpoints(self.below, "2", _member_account, _member_positions),
            PublicEndpoint("/dapi/v1/ping", lambda _: {}, fixed_weight(1)),
            PublicEndpoint("/dapi/v1/time", lambda _: {"serverTime": self.server_time()}, fixed_weight(1)),
            PublicEndpoint("/dapi/v1/exchangeInfo", self._exchange_info, fixed_weight(1)),
            PublicEndpoint(
                "/dapi/v1/premiumIndex", self._premium_index, fixed_weight(10), frozenset({"symbol", "pair"})
            ),
            SignedEndpoint("/dapi/v1/account", self._account, fixed_weight(5)),
            SignedEndpoint(
                "/dapi/v1/positionRisk",
                self._position_risk,
                fixed_weight(1),
                frozenset({"marginAsset", "pair"}),
            ),
            SignedEndpoint(
                "/dapi/v2/leverageBracket", self._leverage_bracket, weight_by_symbol(1, 2), symbol
            ),
            SignedEndpoint("/dapi/v1/adlQuantile", self._adl_quantile, fixed_weight(5), symbol),
            SignedEndpoint(
                "/dapi/v1/pmAccountInfo", self.portfolio_margin_info, fixed_weight(5), frozenset({"asset"})
            ),
        )

    def _account(self, _: Parameters, book: Book) -> object:
        return {
            "assets": [_asset_row(book, coin) for coin in dict.fromkeys([*COINS, *book.coins()])],
            "positions": [
                _account_row(book, contract, side)
                for contract in CONTRACTS.values()
                for side in _position_sides(book)
            ],
            "canDeposit": True,
            "canTrade": True,
            "canWithdraw": True,
            "feeTier": 2,
            "updateTime": 0,
        }

    def _position_risk(self, parameters: Parameters, book: Book) -> object:
        asset, pair = parameters.get("marginAsset"), parameters.get("pair")
        if asset is not None and pair is not None:
            raise BinanceError(400, -1128, "Combination of optional parameters invalid.")
        asked = [
            contract
            for contract in CONTRACTS.values()
            if asset in (None, contract.settle) and pair in (None, pair_of(contract))
        ]
        if not asked:
            raise invalid_symbol()
        return [_risk_row(book, contract, side) for contract in asked for side in _position_sides(book)]

    def _leverage_bracket(self, parameters: Parameters, _: Book) -> object:
        return [
            {
                "symbol": contract.symbol,
                "brackets": [
                    {
                        "bracket": number,
                        "initialLeverage": tier.max_leverage,
                        "qtyCap": int(tier.cap),
                        # Spelled like this on the venue's page.
                        "qtylFloor": int(tier.floor),
                        "maintMarginRatio": float(tier.rate),
                        "cum": float(tier.deduction),
                    }
                    for number, tier in enumerate(contract.tiers, 1)
                ],
            }
            for contract in asked_contracts(parameters)
        ]

    def _adl_quantile(self, parameters: Parameters, book: Book) -> object:
        rows = []
        for contract in asked_contracts(parameters):
            held = [position for position in book.positions if position.contract is contract]
            if not held:
                continue
            shared = book.hedge_mode and held[0].margin_mode == "cross"
            quantiles = dict.fromkeys(("LONG", "SHORT", "HEDGE" if shared else "BOTH"), 0)
            for position in held:
                quantiles[_position_side(book, position)] = adl_quantile(book, position)
            rows.append({"symbol": contract.symbol, "adlQuantile": quantiles})
        return rows

    def _premium_index(self, parameters: Parameters) -> object:
        now = self.server_time()
        pair = parameters.get("pair")
        asked = [contract for contract in asked_contracts(parameters) if pair in (None, pair_of(contract))]
        if not asked:
            raise invalid_symbol()
        rows = []
        for contract in asked:
            perpetual = contract.symbol.endswith("_PERP")
            index = self.market.exact_index(contract.base, contract.quote, 8)
            # `Book.mark` of an account without positions: the same price that positions are valued at.
            mark = Book("", self.market).mark(contract)
            rows.append(
                {
                    "symbol": contract.symbol,
                    "pair": pair_of(contract),
                    "markPrice": amount(mark),
                    "indexPrice": amount(index),
                    "estimatedSettlePrice": amount(index),
                    # Delivery contracts have no funding.
                    "lastFundingRate": "0.00010000" if perpetual else "",
                    "interestRate": "0.00010000" if perpetual else "",
                    "nextFundingTime": (
                        (now // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS if perpetual else 0
                    ),
                    "time": now,
                }
            )
        return rows

    def _exchange_info(self, _: Parameters) -> object:
        return {
            "exchangeFilters": [],
            "rateLimits": [
                {
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": self.weights.limit,
                    "rateLimitType": "REQUEST_WEIGHT",
                }
            ],
            "serverTime": self.server_time(),
            "symbols": [symbol_row(contract) for contract in CONTRACTS.values()],
            "timezone": "UTC",
        }


def _member_account(book: Book) -> object:
    """What the master is told: the figures under other names, less those of the cross wallet."""
    return {
        "deliveryAccountResp": {
            "email": "",
            "assets": [
                member_asset(coin, book.coin_pool(coin)) for coin in dict.fromkeys([*COINS, *book.coins()])
            ],
            "canDeposit": True,
            "canTrade": True,
            "canWithdraw": True,
            "feeTier": 2,
            "updateTime": 0,
        }
    }


def _member_positions(book: Book) -> object:
    return {
        "deliveryPositionRiskVos": [
            {
                "entryPrice": plain(held.entry_price),
                "markPrice": amount(book.mark(held.contract)),
                "leverage": str(held.leverage),
                "isolated": "true" if held.margin_mode == "isolated" else "false",
                "isolatedWallet": amount(held.isolated_wallet),
                "isolatedMargin": amount(book.isolated_equity(held) if held.margin_mode == "isolated" else 0),
                "isAutoAddMargin": "false",
                "positionSide": _position_side(book, held),
                "positionAmount": _signed_quantity(held),
                "symbol": held.contract.symbol,
                "unrealizedProfit": amount(book.unrealized_pnl(held)),
            }
            for held in book.positions
        ]
    }


def _asset_row(book: Book, coin: str) -> dict[str, object]:
    pool = book.coin_pool(coin)
    return {
        "asset": coin,
        "walletBalance": amount(pool.wallet),
        "unrealizedProfit": amount(pool.unrealized_pnl),
        "marginBalance": amount(pool.equity),
        "maintMargin": amount(pool.maintenance_margin),
        "initialMargin": amount(pool.initial_margin),
        "positionInitialMargin": amount(pool.initial_margin),
        "openOrderInitialMargin": amount(0),
        "maxWithdrawAmount": amount(max(Decimal(0), min(pool.available, pool.cross_wallet))),
        "crossWalletBalance": amount(pool.cross_wallet),
        "crossUnPnl": amount(pool.cross_pnl),
        "availableBalance": amount(pool.available),
        "updateTime": max(
            (int(held.updated_at * 1000) for held in book.positions if held.contract.settle == coin),
            default=0,
        ),
    }


def _account_row(book: Book, contract: Contract, side: str) -> dict[str, object]:
    """A row without a position is shown too, with short zeros as documented."""
    position = _find(book, contract, side)
    leverage, isolated = _settings(book, contract)
    initial = "0" if position is None else amount(book.initial_margin(position))
    return {
        "symbol": contract.symbol,
        "positionAmt": _signed_quantity(position),
        "initialMargin": initial,
        "maintMargin": "0" if position is None else amount(book.maintenance_margin(position)),
        "unrealizedProfit": amount(0 if position is None else book.unrealized_pnl(position)),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "leverage": str(leverage),
        "isolated": isolated,
        "positionSide": side,
        "entryPrice": _entry_price(position),
        "breakEvenPrice": _break_even_price(position),
        "maxQty": _largest(contract, leverage),
        "notionalValue": _notional(book, position),
        "updateTime": 0 if position is None else int(position.updated_at * 1000),
    }


def _risk_row(book: Book, contract: Contract, side: str) -> dict[str, object]:
    position = _find(book, contract, side)
    leverage, isolated = _settings(book, contract)
    own = position if position is not None and position.margin_mode == "isolated" else None
    return {
        "symbol": contract.symbol,
        "positionAmt": _signed_quantity(position),
        "entryPrice": _entry_price(position),
        "breakEvenPrice": _break_even_price(position),
        "markPrice": amount(0 if position is None else book.mark(contract)),
        "unRealizedProfit": amount(0 if position is None else book.unrealized_pnl(position)),
        "liquidationPrice": "0" if position is None else liquidation_price(book, position),
        "leverage": str(leverage),
        "maxQty": _largest(contract, leverage),
        "marginType": "isolated" if isolated else "cross",
        "isolatedMargin": amount(0 if own is None else book.isolated_equity(own)),
        "isAutoAddMargin": "false",
        "positionSide": side,
        "notionalValue": _notional(book, position),
        "isolatedWallet": "0" if own is None else amount(own.isolated_wallet),
        "updateTime": 0 if position is None else int(position.updated_at * 1000),
    }


def _position_sides(book: Book) -> tuple[str, ...]:
    """Hedge mode keeps the empty BOTH row."""
    return ("BOTH", "LONG", "SHORT") if book.hedge_mode else ("BOTH",)


def _position_side(book: Book, position: Position) -> str:
    return position.side.upper() if book.hedge_mode else "BOTH"


def _find(book: Book, contract: Contract, side: str) -> Position | None:
    return next(
        (
            position
            for position in book.positions
            if position.contract is contract and _position_side(book, position) == side
        ),
        None,
    )


def _settings(book: Book, contract: Contract) -> tuple[int, bool]:
    """Leverage of the symbol, and whether it is isolated; both sides share them."""
    held = next((position for position in book.positions if position.contract is contract), None)
    return (DEFAULT_LEVERAGE, False) if held is None else (held.leverage, held.margin_mode == "isolated")


def _signed_quantity(position: Position | None) -> str:
    return "0" if position is None else plain(position.sign * position.quantity)


def _entry_price(position: Position | None) -> str:
    return "0.0" if position is None else plain(position.entry_price)


def _break_even_price(position: Position | None) -> str:
    if position is None:
        return "0.0"
    return amount(position.entry_price * (1 + position.sign * TAKER_FEE))


def _notional(book: Book, position: Position | None) -> str:
    """Signed, in the coin. Prints the value that some of the venue's documented examples have wrong."""
    return "0" if position is None else amount(position.sign * book.notional(position))


def _largest(contract: Contract, leverage: int) -> str:
    """The largest notional in the base coin that may be held at this leverage."""
    return plain(max(tier.cap for tier in contract.tiers if tier.max_leverage >= leverage))
