"""Coins whose value in USD stands still when markets move."""

from __future__ import annotations

MARKET_STABLE_COINS = frozenset(
    {"USDT", "USDC", "FDUSD", "TUSD", "USDE", "USD1", "DAI", "PYUSD", "USDP", "BUSD", "BFUSD"}
    | {"RLUSD", "USDS", "USDD", "USDG", "GUSD", "USDT0", "USDH"}
)
"""Coins that claim to be worth one US dollar, and whose price can prove them wrong."""

VENUE_DOLLARS = frozenset({"USD", "LDUSDT", "RWUSD", "BNFCR"})
"""The dollar, and what has no market and is one dollar because its venue says so: balances in Binance's
earning products, and the credits of its EU customers."""

PLAY_MONEY = frozenset({"VST"})
"""Of demo accounts (BingX). It stands still, and is worth nothing in USD."""

STABLE_COINS = MARKET_STABLE_COINS | VENUE_DOLLARS | PLAY_MONEY
"""Everything that is meant to be worth one US dollar where it is used."""

CURRENCIES = frozenset(
    {"EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "BRL", "MXN", "TRY", "SGD", "HKD", "KRW"}
    | {"EURI", "EURC", "AEUR", "EURR"}
    | {"USYC", "BUIDL"}
)
"""Currencies of countries that contracts are quoted in, coins that claim to be worth one euro, and shares of
money market funds. They stand still when coins move, and are not worth one dollar."""


def stands_still(code: str) -> bool:
    """Whether a coin, in upper case, keeps its value in USD when all others move."""
    return code in STABLE_COINS or code in CURRENCIES
