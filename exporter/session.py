"""Sessions at venues that give a token for the credentials."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from exporter import logs
from exporter.clock import Wall


class Session(Struct, frozen=True):
    """What a venue gave for the credentials, to be sent with each request until it ends."""

    token: str
    renew_at: float
    """Unix seconds: some time before the venue ends it."""

    def __repr__(self) -> str:
        return "Session()"


class SessionKeeper:
    """The session of one account: a new one in time before it ends, and when it is refused.

    Args:
        open_: Opens one, once for all who ask at the same time; None at a venue without sessions.
        wall: Unix seconds.
    """

    def __init__(self, open_: Callable[[], Awaitable[Session | None]], wall: Wall) -> None:
        self._open = open_
        self._wall = wall
        self.current: Session | None = None
        self._hidden: tuple[str, ...] = ()
        self._none = False  # once it is known that there are no sessions

    async def token(self) -> str:
        """The token to send; empty at a venue without sessions."""
        if self._none:
            return ""
        old = self.current
        if old is not None and self._wall() < old.renew_at:
            return old.token
        session = await self._open()
        if session is None:
            self._none = True
            return ""
        if session is not self.current:
            logs.hide((session.token,))
            logs.forget(self._hidden)
            self._hidden = (session.token,)
            self.current = session
        return session.token

    def refused(self, session: Session | None) -> bool:
        """Ends the session in which a request was refused; False if there is none to be renewed."""
        if self.current is None:
            return False
        # Another request may have found that out before, and have a new one by now.
        if session is None or session is self.current:
            self.current = None
        return True
