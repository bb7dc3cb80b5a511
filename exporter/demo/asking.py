"""What stand-ins remember of those who ask: how often they did, and which nonces they used."""

from __future__ import annotations

from collections import deque


class Limits:
    """Requests in a time that rolls on."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], deque[float]] = {}

    def spend(self, who: str, what: str, now: float, *, limit: int, window: float) -> int:
        """Counts a request; how many more there is room for in the window, below 0 where there was none."""
        asked = self._asked.setdefault((who, what), deque())
        while asked and not now - window < asked[0] <= now:
            asked.popleft()
        if len(asked) >= limit:
            return -1
        asked.append(now)
        return limit - len(asked)

    def oldest(self, who: str, what: str) -> float:
        """When the oldest request that counts was made."""
        return self._asked[who, what][0]


class Nonces:
    """Which nonces were used, for as long as the timestamps that came with them are valid.

    Args:
        kept: Seconds; what is older is refused for its timestamp.
    """

    def __init__(self, kept: float) -> None:
        self._kept = kept
        self._used: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._used)

    def use(self, key: str, nonce: str, now: float) -> bool:
        """Whether a key uses a nonce for the first time."""
        self._used = {used: at for used, at in self._used.items() if at >= now - self._kept}
        if (key, nonce) in self._used:
            return False
        self._used[key, nonce] = now
        return True
