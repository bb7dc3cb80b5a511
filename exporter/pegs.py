"""Pegs that hold nothing: a misspelled coin leaves the right one without a value, and nobody is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from exporter.coins import STABLE_COINS
from exporter.model import AccountRisk

log = structlog.get_logger(__name__)


def unseen(pegs: Mapping[str, float], risks: Iterable[AccountRisk]) -> list[str]:
    """The pegged coins that none of these accounts has, in their order.

    Dollar coins that are known anyway are not missed: they stand in the list in case they turn up.
    """
    seen = {coin.upper() for risk in risks for coin in risk.prices_usd}
    return sorted(coin for coin in pegs if coin not in STABLE_COINS and coin not in seen)


class PegWatch:
    """Says once, when all accounts have been collected, which pegged coins none of them has.

    Args:
        pegs: Coin, in upper case, to USD.
        accounts: Their names.
    """

    def __init__(self, pegs: Mapping[str, float], accounts: Iterable[str]) -> None:
        self._missing = dict.fromkeys(unseen(pegs, ()), 1.0)
        self._waiting = set(accounts) if self._missing else set()

    def saw(self, account: str, risk: AccountRisk) -> None:
        """Takes note of one collection."""
        if not self._waiting:
            return
        self._missing = dict.fromkeys(unseen(self._missing, (risk,)), 1.0)
        self._waiting.discard(account)
        if self._missing and not self._waiting:
            coins = ", ".join(self._missing)
            log.warning("no account has a pegged coin; is it spelled as the venue does?", usd_pegs=coins)
