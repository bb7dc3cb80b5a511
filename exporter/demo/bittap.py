"""BitTap futures as a local server.

Answers: https://developers.bittap.com/en/futures/trading/account-info, .../trading/open-position and
.../market/exchange-info. How it is asked is in `exporter.demo._bittap`. Tiers are like the documented ones,
not the venue's current ones.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import ClassVar

from exporter.demo._bittap import BittapError, BittapServer, Endpoint, Parameters
from exporter.demo.book import Book, Position
from exporter.demo.contracts import Contract, Tier, decimal, rounded
from exporter.demo.market import Market

DIGITS = 8
"""Decimal places of every amount."""
FEE_RATE = Decimal("0.0005")
"""Of the notional, for opening and for closing."""


def _tiers(*steps: tuple[str, str, int]) -> tuple[Tier, ...]:
    """From (upper limit, rate, largest leverage); the venue publishes no deductions."""
    floors = ["0", *(cap for cap, _, _ in steps)]
    return tuple(
        Tier(decimal(floor), decimal(cap), decimal(rate), Decimal(0), leverage)
        for floor, (cap, rate, leverage) in zip(floors, steps, strict=False)
    )


MAJOR_TIERS = _tiers(("100000", "0.005", 100), ("500000", "0.01", 50), ("5000000", "0.025", 20))
MINOR_TIERS = _tiers(("20000", "0.01", 25), ("50000", "0.025", 10), ("500000", "0.05", 5))

CONTRACTS: dict[str, Contract] = {
    f"{base}-USDT-M": Contract(f"{base}-USDT-M", "linear", base, "USDT", "USDT", tiers)
    for base, tiers in (
        ("BTC", MAJOR_TIERS),
        ("ETH", MAJOR_TIERS),
        ("SOL", MINOR_TIERS),
        ("XRP", MINOR_TIERS),
        ("DOGE", MINOR_TIERS),
    )
}
_INVERSE = ("BTC-USD-M", "ETH-USD-M")
"""Listed and not traded here: the venue does not document their units."""


class BittapSimulator(BittapServer):
    """BitTap with two demo accounts.

    ``bittap-hedge``: hedge mode, cross, both sides of one symbol. ``bittap-oneway``: a cross and an
    isolated position. A pool is liquidated when its margin equity reaches its maintenance margin; the rate
    the venue prints also counts the cost of closing and so reaches 1 a little earlier.
    """

    name: ClassVar[str] = "bittap"

    def __init__(self, market: Market, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(market, clock=clock)
        for book in self._demo_books():
            self.add_account(book)

    def new_book(self, name: str, *, hedge_mode: bool = False) -> Book:
        """An empty account with this venue's rules; `add_account` makes it known."""
        return Book(name, self.market, digits=DIGITS, hedge_mode=hedge_mode, initial_margin_basis="entry")

    def _demo_books(self) -> Iterable[Book]:
        now = self.now()
        book = self.new_book("bittap-hedge", hedge_mode=True)
        book.deposit("USDT", "6282.88002681")
        book.open(CONTRACTS["ETH-USDT-M"], "long", "6.2", price="3381.14", leverage=20, now=now)
        book.open(CONTRACTS["ETH-USDT-M"], "short", "2.4", price="3404.9", leverage=20, now=now)
        book.open(CONTRACTS["XRP-USDT-M"], "long", "14871.1", price="0.6137", leverage=10, now=now)
        yield book

        book = self.new_book("bittap-oneway")
        book.deposit("USDT", "7204.41")
        book.open(CONTRACTS["BTC-USDT-M"], "short", "0.41", price="64871.3", leverage=25, now=now)
        book.open(
            CONTRACTS["SOL-USDT-M"],
            "long",
            "60.5",
            price="149.21",
            leverage=5,
            margin_mode="isolated",
            now=now,
        )
        yield book

    # --- What the venue answers ----------------------------------------------------------------------

    def endpoints(self) -> Mapping[str, Endpoint]:
        return {
            "/ftapi/v1/account/info": Endpoint(private_answer=self._account_info),
            "/ftapi/v1/openPosition": Endpoint(frozenset({"symbolId"}), private_answer=self._open_position),
            "/fmapi/v1/exchangeInfo": Endpoint(answer=self._exchange_info),
        }

    def _account_info(self, _: Parameters, book: Book) -> object:
        assets = [asset_row(book, coin) for coin in book.coins()]
        names = {
            name: f"total{name.capitalize()}" if name in {"equities", "locked"} else name
            for name in (assets[0] if assets else {})
            if name != "coin"
        }
        return {
            "assets": assets,
            "positions": [self._account_position(book, held) for held in book.positions],
            # Over all coins, whatever they are: the documentation does not say how they are added.
            **{
                total: amount(sum((Decimal(row[name]) for row in assets), Decimal(0)))
                for name, total in names.items()
            },
        }

    def _account_position(self, book: Book, position: Position) -> dict[str, object]:
        """A row as the account call gives it: nothing in it depends on the mark price."""
        isolated = position.margin_mode == "isolated"
        fee = rounded(book.entry_notional(position) * FEE_RATE, DIGITS)
        return {
            "avgEntryPrice": amount(position.entry_price),
            "bkrFee": None,
            "closedFee": None,
            "ctime": int(position.updated_at * 1000),
            "deductFeeAmount": "0",
            "deductFundingAmount": "0",
            "deductLossAmount": "0",
            "entryValue": amount(book.entry_notional(position)),
            "feeAmount": amount(fee),
            "feeAssetId": position.contract.settle,
            "frozenFee": "0",
            "fundAmount": "0",
            "lastPrice": None,
            "lastUpdateTime": int(position.updated_at * 1000) + 143,
            "leverage": position.leverage,
            "liquidPrice": "0",
            "maintainMargin": "0",
            "margin": amount(margin_of(book, position)),
            "marginMode": "ISOLATED" if isolated else "CROSSED",
            "marginRate": None,
            "markPrice": None,
            "otherClosedFee": None,
            "otherMaintainMargin": None,
            "pnl": "0",
            "posTpSlSize": 0,
            "positionId": _position_id(book, position),
            "positionMode": "HEDGE" if book.hedge_mode else "ONEWAY",
            "profitUnreal": None,
            "profitUnrealRate": None,
            "quantity": amount(position.quantity),
            "realizedPnl": amount(position.realized_pnl - fee),
            "side": "BUY" if position.side == "long" else "SELL",
            "symbolId": position.contract.symbol,
            "tpSl": None,
            "tpSlOrders": [],
            "tpSlSize": 0,
            "uid": _user_id(book.name),
        }

    def _open_position(self, parameters: Parameters, book: Book) -> object:
        asked = parameters.get("symbolId")
        if asked is not None and asked not in CONTRACTS:
            raise BittapError(400, "100011", "Parameter error")
        return [
            self._position_row(book, position)
            for position in book.positions
            if asked is None or position.contract.symbol == asked
        ]

    def _position_row(self, book: Book, position: Position) -> dict[str, object]:
        """The same row with everything that depends on the mark price."""
        pnl, margin = book.unrealized_pnl(position), margin_of(book, position)
        maintenance = book.maintenance_margin(position)
        pool = book.pool(position.contract.settle)
        isolated = position.margin_mode == "isolated"
        others = [held for held in book.positions if held is not position and held.margin_mode == "cross"]
        price = book.liquidation_price(position)
        fee = closing_fee(book, position)
        bankrupt = position.entry_price * (1 - Decimal(position.sign) / position.leverage)
        rate = (
            rate_text(maintenance, book.isolated_equity(position) - fee)
            if isolated
            else rate_text(pool.cross_maintenance_margin, pool.margin_equity - cross_closing_fees(book))
        )
        return {
            **self._account_position(book, position),
            "bkrFee": amount(rounded(position.quantity * bankrupt * FEE_RATE, 19)),
            "closedFee": amount(fee),
            "lastPrice": amount(book.mark(position.contract)),
            "liquidPrice": amount(rounded(price, DIGITS)) if price is not None else "0",
            "maintainMargin": amount(maintenance),
            "marginRate": rate,
            "markPrice": amount(book.mark(position.contract)),
            "otherClosedFee": amount(sum((closing_fee(book, held) for held in others), Decimal(0))),
            "otherMaintainMargin": amount(
                sum((book.maintenance_margin(held) for held in others), Decimal(0))
            ),
            "profitUnreal": amount(pnl),
            "profitUnrealRate": amount(rounded(pnl / margin, 16)) if margin else "0",
        }

    def _exchange_info(self) -> object:
        linear = [symbol_row(contract.symbol, "FORWARD", contract.tiers) for contract in CONTRACTS.values()]
        return {
            "coins": [{"coinSymbol": coin, "preciousShow": 8} for coin in ("USDT", "BTC", "ETH")],
            "orderTypes": ["LIMIT", "MARKET"],
            "symbols": linear + [symbol_row(symbol, "REVERSE", MAJOR_TIERS) for symbol in _INVERSE],
            "timeInForces": ["GTC", "IOC", "FOK"],
        }


def symbol_row(symbol: str, side: str, tiers: Iterable[Tier]) -> dict[str, object]:
    """One entry of the list of contracts; its numbers are JSON numbers."""
    limits = [
        {
            "level": level,
            "maintainMarginRate": float(tier.rate),
            "maxLeverage": tier.max_leverage,
            "maxPositionValue": int(tier.cap),
            "minPositionValue": int(tier.floor),
        }
        for level, tier in enumerate(tiers, 1)
    ]
    return {
        "contractSide": side,
        "contractType": "PERPETUAL",
        "defaultLeverage": 20,
        "defaultMarginMode": "ISOLATION",
        "riskLimitConfigs": limits,
        "symbolId": symbol,
    }


def asset_row(book: Book, coin: str) -> dict[str, str]:
    """One coin of the account. The split of locked margin is 0, as in the documented answer."""
    pool = book.coin_pool(coin)
    locked = sum(
        (margin_of(book, held) for held in book.positions if held.contract.settle == coin), Decimal(0)
    )
    return {
        "available": amount(pool.equity - locked),
        "balance": amount(pool.wallet),
        "canTransfer": amount(pool.wallet - locked),
        "coin": coin,
        "crossLocked": "0",
        "crossMargin": "0",
        "crossProfitUnreal": amount(pool.cross_pnl),
        "crossedMaintainMargin": amount(pool.cross_maintenance_margin),
        "crossedMaintainMarginRate": rate_text(
            pool.cross_maintenance_margin, pool.margin_equity - cross_closing_fees(book, coin)
        ),
        "equities": amount(pool.equity),
        "isolatedLocked": "0",
        "isolatedMargin": "0",
        "locked": amount(locked),
        "profitUnreal": amount(pool.unrealized_pnl),
        "totalTrialFundBalance": "0",
        "trialFundBalance": "0",
    }


def margin_of(book: Book, position: Position) -> Decimal:
    """Entry notional / leverage, or the collateral of an isolated position."""
    if position.margin_mode == "isolated":
        return position.isolated_wallet
    return book.initial_margin(position)


def closing_fee(book: Book, position: Position) -> Decimal:
    return rounded(book.notional(position) * FEE_RATE, DIGITS)


def cross_closing_fees(book: Book, coin: str = "USDT") -> Decimal:
    """What closing all cross positions settled in ``coin`` would cost."""
    return sum(
        (
            closing_fee(book, held)
            for held in book.positions
            if held.margin_mode == "cross" and held.contract.settle == coin
        ),
        Decimal(0),
    )


def rate_text(margin: Decimal, equity: Decimal) -> str:
    """Maintenance margin / equity with 16 decimals; 1 where nothing is left."""
    if not margin:
        return "0"
    return amount(rounded(margin / equity, 16)) if equity > 0 else "1"


def amount(value: Decimal) -> str:
    """A number as the venue prints it: text without trailing zeros."""
    return f"{value.normalize():f}" if value else "0"


def _user_id(name: str) -> str:
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:6], 16) + 60_000_000)


def _position_id(book: Book, position: Position) -> str:
    # Beyond 2^53, as the venue's are.
    return str(8_039_784_000_000_000_000 + int(_user_id(book.name)) * 1000 + position.identity)
