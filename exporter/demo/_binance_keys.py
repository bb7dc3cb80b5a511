"""What a Binance key is told about itself. The path is one of the spot host, here beside the others.

https://developers.binance.com/docs/wallet/account/api-key-permission
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

KEY_PATH = "/sapi/v1/account/apiRestrictions"
SAPI_LIMIT = 12_000
"""Weight that an address may use of each path of the spot host in a minute; it counts in nothing else."""
RIGHTS = (
    "enableWithdrawals",
    "enableInternalTransfer",
    "enableMargin",
    "enableFutures",
    "permitsUniversalTransfer",
    "enableVanillaOptions",
    "enableFixApiTrade",
    "enableSpotAndMarginTrading",
    "enablePortfolioMarginTrading",
)


@dataclass(frozen=True)
class KeyEndpoint:
    """The path."""

    path: str = KEY_PATH
    parameters: frozenset[str] = frozenset()


def restrictions(may: Collection[str], *, bound: bool) -> dict[str, object]:
    """The answer to a key that may do that besides reading, and has a list of addresses if it is `bound`."""
    return {
        "ipRestrict": bound,
        "createTime": 1_623_840_271_000,
        "enableReading": True,
        **{right: right in may for right in RIGHTS},
        "enableFixReadOnly": True,
    }
