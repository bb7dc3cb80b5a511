"""What API keys may do: what of it stops an account, and when a venue is asked about it. No I/O."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct
from pydantic import BaseModel, ConfigDict, Field

from exporter.model import RIGHTS, KeyRights, Right

DAILY = 86400.0
"""Seconds from one answer to the next question; up to a tenth less, so that not all are asked at once."""
FIRST_RETRY = 60.0
"""Seconds after which a question is asked again that failed; twice as many each time."""
RAREST_RETRY = 6 * 3600.0
"""Seconds: no longer than this is the time between two of them."""
RAREST_REFUSED = 3600.0
"""Seconds: the same while a key can do what it must not. Nothing else is asked with it, and a wrong answer of
the venue blinds an account."""
SHARED_FOR = DAILY / 2
"""Seconds for which an answer serves all accounts of one entry, which have one key."""
WAIT = 5.0
"""Seconds that the first collection waits for the answer, or half of its timeout if that is shorter."""
BELIEVED = 2 * DAILY
"""Seconds for which an answer stands if the venue gives no newer one."""

Refusable = Literal["withdraw", "transfer", "trade"]
DEFAULT_REFUSE: tuple[Refusable, ...] = ("withdraw",)


class KeyRules(BaseModel):
    """``keys``: what a key must not be able to do."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    refuse: tuple[Refusable, ...] | None = Field(
        default=None,
        description="An account whose key can do one of these (withdraw, transfer, trade) is not collected; "
        "[] allows everything. A key of which the venue does not tell is never refused. "
        f"Default: [{', '.join(DEFAULT_REFUSE)}].",
        examples=[f"[{', '.join(DEFAULT_REFUSE)}]"],
    )

    def over(self, other: KeyRules) -> KeyRules:
        """These rules, and those of `other` where these say nothing."""
        return other if self.refuse is None else self

    def refused(self, rights: KeyRights | None) -> tuple[Right, ...]:
        """What a key can do that it must not; nothing where that is not known."""
        refuse = DEFAULT_REFUSE if self.refuse is None else self.refuse
        return () if rights is None else tuple(right for right in refuse if rights.may(right))


def refusal(refused: Iterable[Right]) -> str:
    """Why an account is stopped, and the way back, for people."""
    can = " and ".join(refused)
    return (
        f"the key can {can}, which `keys.refuse` does not allow: no request is made with it. Take that right "
        "from it at the venue and reload the configuration, use another key, or allow it in `keys.refuse`"
    )


class KeyState(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of an account's key."""

    told: Annotated[bool, Meta(description="Whether the venue has a call that tells what a key may do.")]
    read: bool | None = None
    trade: bool | None = None
    transfer: bool | None = None
    withdraw: bool | None = None
    ip_restricted: Annotated[
        bool | None, Meta(description="Whether it is of use from some addresses alone.")
    ] = None
    expires_timestamp_seconds: float | None = None
    answered_timestamp_seconds: Annotated[
        float | None, Meta(description="When the venue told it; null where it has not yet.")
    ] = None
    refused: Annotated[
        tuple[Right, ...], Meta(description="What it can do and must not: the account is stopped.")
    ] = ()
    failure: Annotated[str, Meta(description="Why the last question was not answered; often empty.")] = ""

    @property
    def may(self) -> tuple[Right, ...]:
        """All that it is known to be able to do."""
        return tuple(right for right in RIGHTS if getattr(self, right))


NOT_TOLD = KeyState(told=False)


def described(state: KeyState) -> str:
    """What a key may do, in a few words."""
    if not state.told:
        return "the venue does not tell"
    if state.answered_timestamp_seconds is None:
        return "not known" + (f": {state.failure}" if state.failure else " yet")
    cannot = [right for right in RIGHTS if getattr(state, right) is False]
    unknown = [right for right in RIGHTS if getattr(state, right) is None]
    if state.may == ("read",) and not unknown:
        parts = ["read only"]
    else:
        lists = (("can", state.may), ("cannot", cannot), ("not told:", unknown))
        parts = [f"{word} {', '.join(rights)}" for word, rights in lists if rights]
    if state.ip_restricted is not None:
        parts.append("from some addresses alone" if state.ip_restricted else "from any address")
    return "; ".join(parts)


def state_of(
    rights: KeyRights | None, refused: tuple[Right, ...], *, answered_at: float | None, failure: str = ""
) -> KeyState:
    """What is known of a key at a venue that tells it; `answered_at` is Unix seconds."""
    known = rights or KeyRights()
    return KeyState(
        told=True,
        read=known.read,
        trade=known.trade,
        transfer=known.transfer,
        withdraw=known.withdraw,
        ip_restricted=known.ip_restricted,
        expires_timestamp_seconds=known.expires_at,
        answered_timestamp_seconds=answered_at,
        refused=refused,
        failure=failure,
    )


class KeyWatch:
    """When the question about one key is due, and what came of it. All moments but one are elapsed seconds.

    The first answer about a key counts at once. Against an earlier one it counts when the next one says the
    same: a venue that is wrong once must not blind an account that is collected.

    Args:
        rules: What the key must not be able to do.
        asks: Whether the venue can be asked.
        chance: Numbers from 0 to 1.
    """

    def __init__(self, rules: KeyRules, *, asks: bool, chance: Callable[[], float] = random.random) -> None:
        self._rules = rules
        self._asks = asks
        self._chance = chance
        self._next = -math.inf
        self._retry = FIRST_RETRY
        self._answered = -math.inf
        self.asked = False
        """Whether it was ever asked."""
        self.rights: KeyRights | None = None
        self.max_age = SHARED_FOR
        """Seconds that an answer to another account with this key may be old."""
        self.state = state_of(None, (), answered_at=None) if asks else NOT_TOLD

    def due(self, now: float, *, failing: bool) -> bool:
        """Whether the question is to be asked: at first, and then only while the venue takes the key."""
        return self._asks and now >= self._next and not (failing and self.asked)

    def begin(self, now: float) -> None:
        """It is asked. Until there is an answer, or none, that counts as none."""
        self.asked = True
        self._next = now + self._retry
        rarest = RAREST_REFUSED if self._rules.refused(self.rights) else RAREST_RETRY
        self._retry = min(2.0 * self._retry, rarest)

    def again(self) -> None:
        """Somebody may have changed the key at the venue: the question is due."""
        self._next = -math.inf
        self._retry = FIRST_RETRY
        self.max_age = 0.0

    def answered(self, rights: KeyRights, now: float, at: float) -> None:
        """The venue's answer; `at` is Unix seconds."""
        unsaid = [right for right in self.state.refused if rights.may(right) is None]
        if unsaid:
            self.failed(f"the venue no longer says whether it can {' and '.join(unsaid)}", now)
            return
        before, self.rights, self._answered = self.rights, rights, now
        refused = self._rules.refused(rights)
        if refused:
            self.max_age = FIRST_RETRY / 2  # and the next question comes as after one that failed
        else:
            self._retry = FIRST_RETRY
            self._next = now + DAILY * (1.0 - 0.1 * self._chance())
            self.max_age = SHARED_FOR
        confirmed = before is None or bool(self._rules.refused(before))
        self.state = state_of(rights, refused if confirmed else (), answered_at=at)

    def failed(self, message: str, now: float) -> None:
        """There is no answer. What was known stands for a while; a key that is refused stays refused."""
        refused = self.state.refused
        if now - self._answered > BELIEVED and not refused:
            self.rights = None
        at = None if self.rights is None else self.state.answered_timestamp_seconds
        self.state = state_of(self.rights, refused, answered_at=at, failure=message)
