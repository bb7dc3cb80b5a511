"""Binance USD-M futures (fapi) as a local server.

Endpoints and fields: https://developers.binance.com/docs/derivatives/usds-margined-futures (account, trade
and market data REST pages). What is traded, and by which rules, is in `exporter.demo._binance_usdm`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import ClassVar

from exporter.demo._binance_members import member_asset, member_endpoints
from exporter.demo._binance_usdm import (
    COLLATERAL,
    CONTRACTS,
    PRECISION,
    QUOTE_ASSETS,
    asked_contracts,
    symbol_row,
)
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
from exporter.demo.book import Book, Pool, Position
from exporter.demo.contracts import Contract
from exporter.demo.market import Market

DEFAULT_LEVERAGE = 20
FUNDING_INTERVAL_MS = 8 * 3600 * 1000
TAKER_FEE = Decimal("0.0002")
"""Part of the entry price by which the printed break-even price differs."""


class BinanceUsdmSimulator(BinanceSimulator):
    """Binance USD-M with four demo accounts, one of which has sub-accounts.

    ``usdm-directional``: single-asset, one-way, several symbols in USDT and USDC, moderate leverage.
    ``usdm-hedged``: hedge mode, both legs of BTCUSDT (rate about a third) and an isolated ETHUSDT.
    ``usdm-multi-asset``: multi-assets mode with BTC collateral; its key is an Ed25519 key. Below it are
    ``arbitrage``, single-asset with an isolated position, and ``carry`` in multi-assets mode.
    ``usdm-concentrated``: one large position in high brackets, about a fifth away from liquidation.
    """

    name: ClassVar[str] = "binance_usdm"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        for book in self._demo_books():
            self.add_account(book)
        self.below["usdm-multi-asset"] = {
            f"{book.name}_virtual@k3d8noemail.com": book for book in self._demo_members()
        }

    def add_account(self, book: Book, credential: Credential | None = None) -> Credential:
        """Adds an account and its key: ``credential``, or a fake HMAC one (Ed25519 if multi-asset)."""
        if credential is None:
            make = Credential.ed25519 if book.multi_asset else Credential.hmac_sha256
            credential = make(self.name, book.name)
        return self.know(book, credential.api_key, credential)

    def new_book(self, name: str, *, hedge_mode: bool = False, multi_asset: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        return Book(name, self.market, hedge_mode=hedge_mode, multi_asset=multi_asset, collateral=COLLATERAL)

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()

        book = self.new_book("usdm-directional")
        book.deposit("USDT", "25000.12345678")
        book.deposit("USDC", "3000")
        book.open(CONTRACTS["BTCUSDT"], "long", "0.512", price="64120.5", leverage=20, now=now)
        book.open(CONTRACTS["ETHUSDT"], "short", "6.204", price="3421.77", leverage=10, now=now)
        book.open(CONTRACTS["SOLUSDT"], "long", "100", price="147.31", leverage=10, now=now)
        book.open(CONTRACTS["BTCUSDC"], "short", "0.06", price="65210.4", leverage=5, now=now)
        yield book

        book = self.new_book("usdm-hedged", hedge_mode=True)
        book.deposit("USDT", "98500")
        book.open(CONTRACTS["BTCUSDT"], "long", "44", price="64980.1", leverage=75, now=now)
        book.open(CONTRACTS["BTCUSDT"], "short", "38.6", price="64931.6", leverage=75, now=now)
        book.open(
            CONTRACTS["ETHUSDT"],
            "long",
            "10.5",
            price="3398.2",
            leverage=5,
            margin_mode="isolated",
            now=now,
        )
        yield book

        book = self.new_book("usdm-multi-asset", multi_asset=True)
        book.deposit("USDT", "20000")
        book.deposit("BTC", "2")
        book.deposit("ETH", "3.5")
        book.open(CONTRACTS["SOLUSDT"], "long", "2600", price="149.2", leverage=10, now=now)
        book.open(CONTRACTS["DOGEUSDT"], "short", "420000", price="0.16113", leverage=10, now=now)
        book.open(CONTRACTS["ETHUSDC"], "long", "4.2", price="3377.4", leverage=5, now=now)
        yield book

        book = self.new_book("usdm-concentrated")
        book.deposit("USDT", "990000")
        book.open(CONTRACTS["ADAUSDT"], "long", "6900000", price="0.6003", leverage=5, now=now)
        yield book

    def _demo_members(self) -> Iterable[Book]:
        now = self.now()
        book = self.new_book("arbitrage", hedge_mode=True)
        book.deposit("USDT", "19000")
        book.open(CONTRACTS["BTCUSDT"], "short", "0.9", price="65120.4", leverage=10, now=now)
        book.open(CONTRACTS["ETHUSDT"], "long", "9.4", price="3391.5", leverage=10, now=now)
        book.open(CONTRACTS["ETHUSDT"], "short", "2.1", price="3402.1", leverage=10, now=now)
        book.open(
            CONTRACTS["SOLUSDT"], "long", "60", price="149.2", leverage=3, margin_mode="isolated", now=now
        )
        yield book

        book = self.new_book("carry", multi_asset=True)
        book.deposit("USDT", "9000")
        book.deposit("BTC", "0.4")
        book.open(CONTRACTS["SOLUSDT"], "short", "310", price="150.2", leverage=5, now=now)
        yield book

    # --- What the product answers --------------------------------------------------------------------

    def endpoints(self) -> Sequence[Endpoint]:
        symbol = frozenset({"symbol"})
        return (
            *member_endpoints(self.below, "1", _member_account, _member_positions),
            PublicEndpoint("/fapi/v1/ping", lambda _: {}, fixed_weight(1)),
            PublicEndpoint("/fapi/v1/time", lambda _: {"serverTime": self.server_time()}, fixed_weight(1)),
            PublicEndpoint("/fapi/v1/exchangeInfo", self._exchange_info, fixed_weight(1)),
            PublicEndpoint("/fapi/v1/premiumIndex", self._premium_index, weight_by_symbol(1, 10), symbol),
            PublicEndpoint("/fapi/v1/assetIndex", self._asset_index, weight_by_symbol(1, 10), symbol),
            SignedEndpoint("/fapi/v3/account", self._account, fixed_weight(5)),
            SignedEndpoint("/fapi/v3/positionRisk", self._position_risk, fixed_weight(5), symbol),
            SignedEndpoint("/fapi/v1/symbolConfig", self._symbol_config, fixed_weight(5), symbol),
            SignedEndpoint("/fapi/v1/accountConfig", self._account_config, fixed_weight(5)),
            SignedEndpoint("/fapi/v1/leverageBracket", self._leverage_bracket, fixed_weight(1), symbol),
            SignedEndpoint(
                "/fapi/v1/pmAccountInfo", self.portfolio_margin_info, fixed_weight(5), frozenset({"asset"})
            ),
        )

    def _account(self, _: Parameters, book: Book) -> object:
        total = book.pool("USD" if book.multi_asset else "USDT")
        shown = COLLATERAL if book.multi_asset else QUOTE_ASSETS
        return {
            "totalInitialMargin": amount(total.initial_margin),
            "totalMaintMargin": amount(total.maintenance_margin),
            "totalWalletBalance": amount(total.wallet),
            "totalUnrealizedProfit": amount(total.unrealized_pnl),
            "totalMarginBalance": amount(total.equity),
            "totalPositionInitialMargin": amount(total.initial_margin),
            "totalOpenOrderInitialMargin": amount(0),
            "totalCrossWalletBalance": amount(total.cross_wallet),
            "totalCrossUnPnl": amount(total.cross_pnl),
            "availableBalance": amount(total.available),
            "maxWithdrawAmount": amount(_withdrawable(total)),
            "assets": [self._asset_row(book, coin, total) for coin in dict.fromkeys([*shown, *book.coins()])],
            "positions": [
                {
                    "symbol": position.contract.symbol,
                    "positionSide": _position_side(book, position),
                    "positionAmt": _signed_quantity(position),
                    "unrealizedProfit": amount(book.unrealized_pnl(position)),
                    "isolatedMargin": _isolated(position, book.isolated_equity(position)),
                    "notional": amount(position.sign * book.notional(position)),
                    "isolatedWallet": _isolated(position, position.isolated_wallet),
                    "initialMargin": amount(book.initial_margin(position)),
                    "maintMargin": amount(book.maintenance_margin(position)),
                    "updateTime": int(position.updated_at * 1000),
                }
                for position in _listed(book)
            ],
        }

    def _asset_row(self, book: Book, coin: str, total: Pool) -> dict[str, object]:
        pool = book.coin_pool(coin)
        # In multi-assets mode every asset shows the whole account's available balance, converted.
        available = total.available / book.collateral_price(coin) if book.multi_asset else pool.available
        row: dict[str, object] = {
            "asset": coin,
            "walletBalance": amount(pool.wallet),
            "unrealizedProfit": amount(pool.unrealized_pnl),
            "marginBalance": amount(pool.equity),
            "maintMargin": amount(pool.maintenance_margin),
            "initialMargin": amount(pool.initial_margin),
            "positionInitialMargin": amount(pool.initial_margin),
            "openOrderInitialMargin": amount(0),
            "crossWalletBalance": amount(pool.cross_wallet),
            "crossUnPnl": amount(pool.cross_pnl),
            "availableBalance": amount(available),
            "maxWithdrawAmount": amount(max(Decimal(0), min(available, pool.cross_wallet))),
        }
        if book.multi_asset:
            row["marginAvailable"] = coin in COLLATERAL
        row["updateTime"] = max(
            (int(held.updated_at * 1000) for held in book.positions if held.contract.settle == coin),
            default=0,
        )
        return row

    def _position_risk(self, parameters: Parameters, book: Book) -> object:
        asked = asked_contracts(parameters)
        return [
            {
                "symbol": position.contract.symbol,
                "positionSide": _position_side(book, position),
                "positionAmt": _signed_quantity(position),
                "entryPrice": plain(position.entry_price),
                "breakEvenPrice": plain(position.entry_price * (1 + position.sign * TAKER_FEE)),
                "markPrice": amount(book.mark(position.contract)),
                "unRealizedProfit": amount(book.unrealized_pnl(position)),
                "liquidationPrice": liquidation_price(book, position),
                "isolatedMargin": _isolated(position, book.isolated_equity(position)),
                "notional": amount(position.sign * book.notional(position)),
                "marginAsset": position.contract.settle,
                "isolatedWallet": _isolated(position, position.isolated_wallet),
                "initialMargin": amount(book.initial_margin(position)),
                "maintMargin": amount(book.maintenance_margin(position)),
                "positionInitialMargin": amount(book.initial_margin(position)),
                "openOrderInitialMargin": "0",
                "adl": adl_quantile(book, position),
                "bidNotional": "0",
                "askNotional": "0",
                "updateTime": int(position.updated_at * 1000),
            }
            for position in _listed(book)
            if position.contract in asked
        ]

    def _symbol_config(self, parameters: Parameters, book: Book) -> object:
        rows = []
        for contract in asked_contracts(parameters):
            held = next((p for p in book.positions if p.contract.symbol == contract.symbol), None)
            leverage = held.leverage if held is not None else DEFAULT_LEVERAGE
            rows.append(
                {
                    "symbol": contract.symbol,
                    "marginType": "ISOLATED" if held and held.margin_mode == "isolated" else "CROSSED",
                    "isAutoAddMargin": False,
                    "leverage": leverage,
                    "maxNotionalValue": plain(_largest(contract, leverage)),
                }
            )
        return rows

    def _account_config(self, _: Parameters, book: Book) -> object:
        return {
            "feeTier": 0,
            "canTrade": True,
            "canDeposit": True,
            "canWithdraw": True,
            "dualSidePosition": book.hedge_mode,
            "updateTime": 0,
            "multiAssetsMargin": book.multi_asset,
            "tradeGroupId": -1,
        }

    def _leverage_bracket(self, parameters: Parameters, _: Book) -> object:
        rows = [
            {
                "symbol": contract.symbol,
                "brackets": [
                    {
                        "bracket": number,
                        "initialLeverage": tier.max_leverage,
                        "notionalCap": int(tier.cap),
                        "notionalFloor": int(tier.floor),
                        "maintMarginRatio": float(tier.rate),
                        "cum": float(tier.deduction),
                    }
                    for number, tier in enumerate(contract.tiers, 1)
                ],
            }
            for contract in asked_contracts(parameters)
        ]
        return rows[0] if "symbol" in parameters else rows

    def _premium_index(self, parameters: Parameters) -> object:
        now = self.server_time()
        rows = [
            {
                "symbol": contract.symbol,
                "markPrice": amount(self.market.exact_mark(contract.base, contract.quote, 8)),
                "indexPrice": amount(self.market.exact_index(contract.base, contract.quote, 8)),
                "estimatedSettlePrice": amount(self.market.exact_index(contract.base, contract.quote, 8)),
                "lastFundingRate": "0.00010000",
                "interestRate": "0.00010000",
                "nextFundingTime": (now // FUNDING_INTERVAL_MS + 1) * FUNDING_INTERVAL_MS,
                "time": now,
            }
            for contract in asked_contracts(parameters)
        ]
        return rows[0] if "symbol" in parameters else rows

    def _asset_index(self, parameters: Parameters) -> object:
        now = self.server_time()
        symbol = parameters.get("symbol")
        rows = []
        for coin, rate in COLLATERAL.items():
            index = self.market.exact_index(coin, "USD", 8)
            # Coins other than stablecoins are exchanged automatically at half the haircut.
            narrow = 1 if coin.startswith("USD") else 2
            rows.append(
                {
                    "symbol": f"{coin}USD",
                    "time": now,
                    "index": amount(index),
                    "bidBuffer": amount(rate.bid_buffer),
                    "askBuffer": amount(rate.ask_buffer),
                    "bidRate": amount(index * (1 - rate.bid_buffer)),
                    "askRate": amount(index * (1 + rate.ask_buffer)),
                    "autoExchangeBidBuffer": amount(rate.bid_buffer / narrow),
                    "autoExchangeAskBuffer": amount(rate.ask_buffer / narrow),
                    "autoExchangeBidRate": amount(index * (1 - rate.bid_buffer / narrow)),
                    "autoExchangeAskRate": amount(index * (1 + rate.ask_buffer / narrow)),
                }
            )
        if symbol is None:
            return rows
        for row in rows:
            if row["symbol"] == symbol:
                return row
        raise invalid_symbol()

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
            "assets": [
                {"asset": coin, "marginAvailable": True, "autoAssetExchange": "-10000"} for coin in COLLATERAL
            ],
            "symbols": [symbol_row(contract) for contract in CONTRACTS.values()],
            "timezone": "UTC",
        }


def _member_account(book: Book) -> object:
    """What the master is told: the figures under other names, less those of the cross wallet."""
    total = book.pool("USD" if book.multi_asset else "USDT")
    coins = dict.fromkeys([*(COLLATERAL if book.multi_asset else QUOTE_ASSETS), *book.coins()])
    return {
        "futureAccountResp": {
            "email": "",
            "assets": [member_asset(coin, book.coin_pool(coin)) for coin in coins],
            "canDeposit": True,
            "canTrade": True,
            "canWithdraw": True,
            "feeTier": 0,
            "maxWithdrawAmount": amount(_withdrawable(total)),
            "totalInitialMargin": amount(total.initial_margin),
            "totalMaintenanceMargin": amount(total.maintenance_margin),
            "totalMarginBalance": amount(total.equity),
            "totalOpenOrderInitialMargin": amount(0),
            "totalPositionInitialMargin": amount(total.initial_margin),
            "totalUnrealizedProfit": amount(total.unrealized_pnl),
            "totalWalletBalance": amount(total.wallet),
            "updateTime": 0,
        }
    }


def _member_positions(book: Book) -> object:
    return {
        "futurePositionRiskVos": [
            {
                "entryPrice": plain(position.entry_price),
                "leverage": str(position.leverage),
                "maxNotional": plain(_largest(position.contract, position.leverage)),
                "liquidationPrice": liquidation_price(book, position),
                "markPrice": amount(book.mark(position.contract)),
                "positionAmount": _signed_quantity(position),
                "symbol": position.contract.symbol,
                "unrealizedProfit": amount(book.unrealized_pnl(position)),
            }
            for position in _listed(book)
        ]
    }


def _largest(contract: Contract, leverage: int) -> Decimal:
    """The largest notional that may be held at a leverage."""
    return max(tier.cap for tier in contract.tiers if tier.max_leverage >= leverage)


def _listed(book: Book) -> list[Position]:
    return sorted(book.positions, key=lambda position: (position.contract.symbol, position.side))


def _position_side(book: Book, position: Position) -> str:
    return position.side.upper() if book.hedge_mode else "BOTH"


def _signed_quantity(position: Position) -> str:
    digits = PRECISION[position.contract.base][1]
    return f"{position.sign * position.quantity:.{digits}f}"


def _isolated(position: Position, value: Decimal) -> str:
    return amount(value) if position.margin_mode == "isolated" else "0"


def _withdrawable(pool: Pool) -> Decimal:
    return max(Decimal(0), min(pool.available, pool.cross_wallet))
