"""What coins are worth in USD, and which of them move with the market.

* The venue's own price comes first, the desk's peg second: a peg is for venues that quote no price. What is
  a dollar because the venue says so (`exporter.coins.VENUE_DOLLARS`) is one.
* Another dollar coin (`exporter.coins.STABLE_COINS`) without either counts as 1 USD in ratios, where being
  wrong by a few per mill is better than seeing nothing. Amounts that are published in USD do without the
  assumption.
* A shock moves the USD price of every coin by the same share. Pegged coins, dollar coins and currencies stand
  still. A contract's mark is the price of its base in its quote and follows from both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.coins import STABLE_COINS, VENUE_DOLLARS, stands_still
from exporter.model import AccountSnapshot, Contract, RiskSettings
from exporter.risk.notional import positive


@dataclass(slots=True, frozen=True)
class Prices:
    """The coins of one account."""

    known: Mapping[str, float]
    """Coin to USD, where venue or desk say what it is worth."""
    assumed: Mapping[str, float]
    """The same, and 1 for dollar coins of which nobody says it."""
    moving: Mapping[str, int]
    """1 for a coin whose USD price moves in a shock, 0 for one that stands still."""

    def convert(self, coin: str, currency: str) -> float | None:
        """Units of ``currency`` for one ``coin``, for ratios; None where a price is missing."""
        return self._ratio(self.assumed, coin, currency)

    def convert_known(self, coin: str, currency: str) -> float | None:
        """The same, for amounts that are published."""
        return self._ratio(self.known, coin, currency)

    @staticmethod
    def _ratio(prices: Mapping[str, float], coin: str, currency: str) -> float | None:
        if coin == currency:
            return 1.0
        price, unit = prices.get(coin), prices.get(currency)
        return None if price is None or unit is None else positive(price / unit)

    def coin_power(self, coin: str, currency: str) -> int:
        """Power of the shock's factor in the value of ``coin`` measured in ``currency``."""
        return self.moving[coin] - self.moving[currency]

    def mark_power(self, contract: Contract) -> int:
        """Power of the shock's factor in the contract's mark: the price of the base in the quote."""
        return self.moving[contract.base] - self.moving[contract.quote]


def prices_of(snapshot: AccountSnapshot, settings: RiskSettings) -> Prices:
    """The prices of every coin the account touches."""
    coins: dict[str, None] = {pool.currency: None for pool in snapshot.pools}
    named = {pool.name for pool in snapshot.pools}
    for position in snapshot.positions:
        contract = position.contract
        coins[contract.settle] = coins[contract.quote] = coins[contract.base] = None
        if position.pool_currency is not None and position.pool_currency not in named:
            coins[position.pool_currency] = None
    for asset in snapshot.assets:
        coins[asset.asset] = None
        if asset.pool_currency not in named:
            coins[asset.pool_currency] = None
    known: dict[str, float] = {}
    assumed: dict[str, float] = {}
    moving: dict[str, int] = {}
    for coin in coins:
        code = coin.upper()
        moving[coin] = 0 if code in settings.usd_pegs or stands_still(code) else 1
        quoted = None if code == "USD" else positive(snapshot.prices.get(coin))
        price = quoted if quoted is not None else positive(settings.usd_pegs.get(code))
        if price is None and code in VENUE_DOLLARS:
            price = 1.0
        if price is not None:
            known[coin] = assumed[coin] = price
        elif code in STABLE_COINS:
            assumed[coin] = 1.0
    return Prices(known, assumed, moving)
