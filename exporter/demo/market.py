"""A simulated market: seeded, bounded random walks of coin prices in USD.

Prices are a function of the seed and of the number of steps taken, nothing else: the same seed and the
same elapsed time give the same prices on every machine. Nothing runs in the background; whoever reads a
price first brings the market up to the clock with `Market.advance_to`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

_CONTEXT = Context(prec=50)
_DAY = 86400.0
_BASIS_REVERSION_SECONDS = 900.0
_MARKET_SHARE = 0.7
"""Part of a coin's variance that it shares with the whole market: coins mostly fall together."""
_LARGEST_CATCH_UP_STEPS = 7200
"""After a long pause (a suspended laptop) the walk resumes instead of replaying every missed second."""


@dataclass(frozen=True)
class Coin:
    """How one coin moves.

    Attributes:
        name: Coin code, for example ``BTC``.
        price: USD price the walk returns to.
        band: Largest relative move away from ``price``; the walk never leaves it.
        digits: Decimal places of a price unless the caller asks for others.
        volatility: Standard deviation of its relative moves, scaled to a day.
    """

    name: str
    price: float
    band: float
    digits: int
    volatility: float = 0.035


DEFAULT_COINS: tuple[Coin, ...] = (
    Coin("BTC", 65000.0, 0.06, 2, 0.03),
    Coin("ETH", 3400.0, 0.07, 2),
    Coin("BNB", 580.0, 0.07, 3),
    Coin("SOL", 150.0, 0.08, 4, 0.04),
    Coin("XRP", 0.62, 0.08, 6, 0.04),
    Coin("ADA", 0.60, 0.08, 6, 0.04),
    Coin("DOGE", 0.16, 0.08, 7, 0.04),
    Coin("LTC", 84.0, 0.08, 4, 0.04),
    Coin("USDT", 0.9998, 0.0008, 6, 0.001),
    Coin("USDC", 1.0, 0.0004, 6, 0.0005),
    Coin("USDH", 1.0, 0.0, 6, 0.0),
    Coin("USD", 1.0, 0.0, 8, 0.0),
)


def _decimal(value: float | Decimal | str) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


class _Walk:
    """One coin's mean-reverting walk of the log price, and of the basis between mark and index."""

    def __init__(self, coin: Coin, seed: int, step: float) -> None:
        self.coin = coin
        self._random = random.Random(f"{seed}:{coin.name}")  # noqa: S311 - prices, not secrets
        self._sigma = coin.volatility * math.sqrt(step / _DAY)
        # The stationary deviation of such a walk is sigma / sqrt(2 pull); a third of the band keeps the
        # walk off its walls most of the time.
        self._pull = 0.5 * (3 * self._sigma / coin.band) ** 2 if coin.band else 1.0
        self._basis_pull = step / _BASIS_REVERSION_SECONDS
        self._basis_sigma = min(coin.band, 0.02) / 200 * math.sqrt(2 * self._basis_pull)
        self.deviation = 0.0
        self.basis = 0.0
        self.moved = 1.0
        """What a story makes of the walk's price."""
        self.pinned: Decimal | None = None

    def step(self, common: float) -> None:
        # Drawn even when pinned, so that pinning one coin does not change a later price of it.
        own = self._random.gauss(0.0, 1.0)
        basis = self._random.gauss(0.0, 1.0)
        move = math.sqrt(_MARKET_SHARE) * common + math.sqrt(1 - _MARKET_SHARE) * own
        self.deviation += self._sigma * move - self._pull * self.deviation
        wall = math.log1p(self.coin.band)
        self.deviation = max(-wall, min(wall, self.deviation))
        self.basis += self._basis_sigma * basis - self._basis_pull * self.basis

    def index(self) -> Decimal:
        if self.pinned is not None:
            return self.pinned
        return Decimal(repr(self.coin.price * self.moved * math.exp(self.deviation)))

    def mark(self) -> Decimal:
        if self.pinned is not None:
            return self.pinned
        return Decimal(repr(self.coin.price * self.moved * math.exp(self.deviation + self.basis)))


class Market:
    """Prices of a set of coins. Shared by all simulators of one process.

    Args:
        seed: Same seed, same prices.
        coins: Coins that exist; any other name raises `KeyError`.
        step: Seconds of one step of the walks.
    """

    def __init__(self, *, seed: int = 1, coins: Iterable[Coin] = DEFAULT_COINS, step: float = 1.0) -> None:
        self._step = step
        self._walks = {coin.name: _Walk(coin, seed, step) for coin in coins}
        self._common = random.Random(f"{seed}:market")  # noqa: S311 - prices, not secrets
        self._origin: float | None = None
        self._steps = 0
        self._frozen = False
        # The prices of this moment: accounts ask for the same ones again and again.
        self._known: dict[tuple[str, str, int | None, bool], Decimal] = {}

    @property
    def coins(self) -> tuple[str, ...]:
        return tuple(self._walks)

    @property
    def steps(self) -> int:
        """Steps taken since the seed."""
        return self._steps

    def advance(self, seconds: float) -> None:
        """Moves the market by ``seconds`` (whole steps), whatever the clock says."""
        self._take(int(seconds / self._step))

    def advance_to(self, now: float) -> None:
        """Brings the market up to ``now`` (seconds); the first call only sets where time starts.

        A clock that goes back leaves the prices where they are.
        """
        if self._origin is None:
            self._origin = now
            return
        due = int((now - self._origin) / self._step)
        if due <= 0:
            return
        self._origin += due * self._step
        self._take(min(due, _LARGEST_CATCH_UP_STEPS))

    def freeze(self) -> None:
        """Stops every price where it is; `set_price` still works."""
        self._frozen = True

    def unfreeze(self) -> None:
        """Lets prices move again, except those set by `set_price`."""
        self._frozen = False

    def set_price(self, coin: str, price: float | Decimal | str, quote: str = "USD") -> None:
        """Pins ``coin`` so that mark and index in ``quote`` are exactly ``price``, until `release`.

        The coin stays pinned in USD: later moves of ``quote`` change the price in ``quote``.
        """
        usd = _CONTEXT.multiply(_decimal(price), self._usd_mark(quote))
        self._walks[coin].pinned = usd
        self._known.clear()

    def release(self, coin: str) -> None:
        """Lets a pinned coin walk again, from where its walk is."""
        self._walks[coin].pinned = None
        self._known.clear()

    def move(self, coin: str, factor: float) -> None:
        """From now on the walk of ``coin`` goes on at so many times its price; 1 is as if nothing happened.

        Of a pinned coin nothing is seen until its `release`.
        """
        self._walks[coin].moved = factor
        self._known.clear()

    def mark(self, coin: str, quote: str = "USD", digits: int | None = None) -> float:
        """Mark price of ``coin`` in ``quote``, rounded to ``digits`` (default: the coin's)."""
        return float(self.exact_mark(coin, quote, digits))

    def index(self, coin: str, quote: str = "USD", digits: int | None = None) -> float:
        """Index price of ``coin`` in ``quote``, rounded to ``digits`` (default: the coin's)."""
        return float(self.exact_index(coin, quote, digits))

    def exact_mark(self, coin: str, quote: str = "USD", digits: int | None = None) -> Decimal:
        """`mark` as a decimal."""
        return self._price(coin, quote, digits, index=False)

    def exact_index(self, coin: str, quote: str = "USD", digits: int | None = None) -> Decimal:
        """`index` as a decimal."""
        return self._price(coin, quote, digits, index=True)

    def _price(self, coin: str, quote: str, digits: int | None, *, index: bool) -> Decimal:
        asked = (coin, quote, digits, index)
        if asked not in self._known:
            places = self._walks[coin].coin.digits if digits is None else digits
            usd = self._walks[coin].index() if index else self._usd_mark(coin)
            price = Decimal(1) if coin == quote else _CONTEXT.divide(usd, self._usd_mark(quote))
            self._known[asked] = price.quantize(Decimal(1).scaleb(-places), context=_CONTEXT)
        return self._known[asked]

    def _usd_mark(self, coin: str) -> Decimal:
        walk = self._walks[coin]
        # A coin that serves as money has one price: no basis between its mark and its index.
        return walk.index() if coin.startswith("USD") else walk.mark()

    def _take(self, steps: int) -> None:
        if self._frozen:
            return
        for _ in range(steps):
            common = self._common.gauss(0.0, 1.0)
            for walk in self._walks.values():
                walk.step(common)
        self._steps += steps
        self._known.clear()
