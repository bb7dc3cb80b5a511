"""Coins whose value in USD stands still when markets move."""

from __future__ import annotations

STABLE_COINS = frozenset(
    {
        "USD",
        "USDT",
        "USDC",
        "FDUSD",
        "TUSD",
        "USDE",
        "USD1",
        "DAI",
        "PYUSD",
        "USDP",
        "BUSD",
        "BFUSD",
        "LDUSDT",
        "RWUSD",
        "BNFCR",
        "VST",
    }
)
"""Dollar coins, what venues issue for them (earning balances, credits of Binance's EU customers), and
BingX's demo money. They are valued at the venue's own price where it gives one."""
