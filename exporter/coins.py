"""Coins whose value in USD stands still when markets move."""

from __future__ import annotations

MARKET_STABLE_COINS = frozenset(
    {"USDT", "USDC", "FDUSD", "TUSD", "USDE", "USD1", "DAI", "PYUSD", "USDP", "BUSD", "BFUSD"}
)
"""Coins that claim to be worth one US dollar and have a price that can prove them wrong."""

VENUE_DOLLARS = frozenset({"USD", "LDUSDT", "RWUSD", "BNFCR", "VST"})
"""The dollar, and what venues count as one: balances in Binance's earning products, the credits of its EU
customers, and BingX's demo money."""

STABLE_COINS = MARKET_STABLE_COINS | VENUE_DOLLARS
"""Everything that is meant to be worth one US dollar. Valued at the venue's own price where it gives one."""

CURRENCIES = frozenset(
    {"EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "BRL", "MXN", "TRY", "SGD", "HKD", "KRW"}
)
"""Currencies of countries that contracts are quoted in. They stand still when coins move, and are not worth
one dollar."""


def stands_still(coin: str) -> bool:
    """Whether a coin keeps its value in USD when all others move; however it is written."""
    code = coin.upper()
    return code in STABLE_COINS or code in CURRENCIES
