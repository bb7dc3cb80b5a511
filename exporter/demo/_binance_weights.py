"""What requests weigh at the Binance stand-ins, and the errors with which they refuse more.

Rules: https://developers.binance.com/docs/derivatives/usds-margined-futures/general-info
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from weakref import WeakKeyDictionary

from exporter.demo.market import Market

WEIGHT_LIMIT = 2400
"""Request weight an address may use in a minute."""
REFUSALS_BEFORE_BAN = 5
"""Answers of 429 an address may ignore in a minute before it is banned. The venue does not publish it."""
FIRST_BAN_SECONDS = 120.0
LONGEST_BAN_SECONDS = 3 * 86400.0


class BinanceError(Exception):
    """An error answer of the venue: ``{"code": code, "msg": message}`` with ``status``."""

    def __init__(
        self, status: int, code: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass
class _Usage:
    minute: int = -1
    used: int = 0
    refused: int = 0
    banned_until: float = 0.0
    bans: int = 0


class WeightPool:
    """Request weights by address and minute, with 429 and 418 as documented.

    Args:
        limit: Weight an address may use in a minute.
        minute: Seconds; shorter for tests that have no time.
    """

    _pools: ClassVar[WeakKeyDictionary[Market, WeightPool]] = WeakKeyDictionary()

    def __init__(self, *, limit: int = WEIGHT_LIMIT, minute: float = 60.0) -> None:
        self.limit = limit
        self.minute = minute
        self._usage: dict[str, _Usage] = {}

    @classmethod
    def of(cls, market: Market) -> WeightPool:
        """The pool that all Binance simulators of ``market`` share."""
        return cls._pools.setdefault(market, cls())

    def used(self, address: str, now: float) -> int:
        """Weight ``address`` has used in the minute of ``now``."""
        usage = self._usage.get(address)
        return usage.used if usage is not None and usage.minute == int(now // self.minute) else 0

    def spend(self, address: str, weight: int, now: float) -> None:
        """Counts a request.

        Raises:
            BinanceError: 429 over the limit, 418 for an address that kept on after that.
        """
        usage = self._usage.setdefault(address, _Usage())
        if now >= usage.banned_until:
            minute = int(now // self.minute)
            if usage.minute != minute:
                usage.minute, usage.used, usage.refused = minute, 0, 0
            usage.used += weight
            if usage.used <= self.limit:
                return
            usage.refused += 1
            if usage.refused <= REFUSALS_BEFORE_BAN:
                raise BinanceError(
                    429,
                    -1003,
                    f"Too many requests; current limit of IP({address}) is {self.limit} requests per "
                    "minute. Please use the websocket for live updates to avoid polling the API.",
                    headers={"Retry-After": str(max(1, math.ceil((minute + 1) * self.minute - now)))},
                )
            usage.banned_until = now + min(FIRST_BAN_SECONDS * 2**usage.bans, LONGEST_BAN_SECONDS)
            usage.bans += 1
        raise BinanceError(
            418,
            -1003,
            f"Way too many requests; IP({address}) banned until {math.ceil(usage.banned_until * 1000)}. "
            "Please use the websocket for live updates to avoid bans.",
            headers={"Retry-After": str(max(1, math.ceil(usage.banned_until - now)))},
        )
