"""The sockets of the web server: who is let in, who is turned out, and the order of question and answer.

The venues keep descriptors of their own, however many callers there are. What one caller can hold is in
`exporter.connection`, what is done with a request in `exporter.web`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any, cast

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from exporter.addresses import Address, bound
from exporter.connection import Connection, Limits
from exporter.hosts import Hosts, is_loopback
from exporter.locks import tls
from exporter.locks.door import Door, Refusal
from exporter.seldom import Seldom

MOST_CONNECTIONS = 512
FEWEST_CONNECTIONS = 8
PIECE_BYTES = 64 * 1024
"""What is handed to a connection at once: a slow reader holds no more than a few of these."""
SHUTDOWN_SECONDS = 0.5
"""What answers under way have to finish when the server stops."""

_LAST_WORDS_SECONDS = 0.1
"""What a failed handshake has to tell the client why."""
_GOODBYE_SECONDS = 1.0
"""What the other end of TLS has to say that it is over."""
_ACCEPTED_AT_ONCE = 16
_ACCEPT_AGAIN = 0.25
"""Seconds until the next try where there was no room, or no descriptor, for another connection."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)
_seldom = Seldom()


def connection_limit(descriptors: int | None = None) -> int:
    """How many callers are let in at once: a quarter of the process's descriptors; the venues have the rest.

    `descriptors` are those that the process may have (``ulimit -n``), asked of the system by default.
    """
    if descriptors is None:
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors == resource.RLIM_INFINITY:
            return MOST_CONNECTIONS
    return max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, descriptors // 4))


def guard(hosts: Hosts, door: Door) -> Middleware:
    """The outermost middleware of every application that is served here.

    It turns away what comes under a name that is not answered, who has no key to the door, and every request
    with a body, and sees to it that an answer is out before the next request is looked at.
    """

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = cast("Connection", request.protocol)  # `serve` makes no others
        response: web.StreamResponse | None = None
        names = request.headers.getall("Host", ())
        if len(names) != 1 or not hosts.answered(names[0], loopback=connection.loopback):
            _seldom.tell(log.warning, "asked under a name that is not answered", host=", ".join(names)[:80])
            response = _refusal(
                HTTPStatus.FORBIDDEN, "the name in the Host header is not answered; see --web.allowed-host"
            )
        elif refused := await door.refusal(request.headers.getall("Authorization", ()), connection.caller):
            response = _refusal(refused.status, refused.text, refused)
        elif request.body_exists:
            response = _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "no request has a body here")
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = web.Response(status=error.status, text=error.text, headers=error.headers)
            except ConnectionError:
                pass
        if response is None:
            # Not the error itself: aiohttp keeps it for a while, and with its traceback it keeps the page.
            raise ConnectionResetError("the reader has gone")
        if request.body_exists or connection.outdated:
            response.force_close()
        await response.prepare(request)
        await response.write_eof()
        if not request.body_exists:
            connection.answered()
        return response

    return guarded


def _refusal(status: HTTPStatus, text: str, refused: Refusal | None = None) -> web.Response:
    headers = None if refused is None else refused.headers
    return web.Response(status=status, text=f"{status.value}: {text}\n", headers=headers)


async def send(request: web.Request, body: bytes, headers: dict[str, str]) -> web.StreamResponse:
    """Answers with `body`, in pieces: what is handed over whole is copied for every slow reader."""
    response = web.StreamResponse(headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    if request.method != "HEAD":
        view = memoryview(body)
        for start in range(0, len(body), PIECE_BYTES):
            await response.write(view[start : start + PIECE_BYTES])
    await response.write_eof()
    return response


class Acceptor:
    """Lets callers in at several sockets, up to a limit, and turns out those whose time is over.

    Args:
        handlers: aiohttp's side of the connections.
        limits: What they may hold.
        door: What they come in by.
    """

    def __init__(self, handlers: web.Server, limits: Limits, door: Door) -> None:
        self._handlers = handlers
        self._limits = limits
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[socket.socket, bool] = {}
        """Those that are listened to, and whether only this machine reaches them."""
        self._open: dict[Connection, None] = {}
        self._opening: dict[Connection, asyncio.Task[None]] = {}
        """Those that are not yet there: TLS begins with words that come and go."""
        self._last_ended = asyncio.Event()
        self._sweeping: asyncio.TimerHandle | None = None
        self._paused: asyncio.TimerHandle | None = None

    def start(self, sockets: Iterable[socket.socket]) -> None:
        """Begins to accept at bound sockets."""
        self._sockets = {one: is_loopback(str(one.getsockname()[0])) for one in sockets}
        self._resume()
        self._sweep()
        self._door.on_other_tls(self._end_outdated)

    async def close(self) -> None:
        """Ends every connection; those that are being answered have `SHUTDOWN_SECONDS` for it."""
        for timer in (self._sweeping, self._paused):
            if timer is not None:
                timer.cancel()
        self._paused = None
        for one in self._sockets:
            self._loop.remove_reader(one)
        self._sockets.clear()
        for task in self._opening.values():
            task.cancel()
        for connection in list(self._open):
            if connection.stage != "answer":
                connection.abort()
        if self._open:
            self._last_ended.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._last_ended.wait(), SHUTDOWN_SECONDS)
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # their ends are told in the next round of the event loop

    # Letting in

    def _resume(self) -> None:
        if self._paused is not None:
            self._paused.cancel()
            self._paused = None
        for one in self._sockets:
            self._loop.add_reader(one, self._accept, one)

    def _pause(self) -> None:
        for one in self._sockets:
            self._loop.remove_reader(one)
        self._paused = self._loop.call_later(_ACCEPT_AGAIN, self._resume)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if len(self._open) >= self._limits.connections and not self._make_room():
                self._pause()
                return
            try:
                accepted, _ = listening.accept()
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    _seldom.tell(log.error, "no caller can be let in", error=os.strerror(error.errno))
                    self._pause()
                return  # nobody waits any more
            connection = Connection(
                self._handlers,
                self._limits,
                door=self._door,
                loopback=self._sockets[listening],
                ended=self._forget,
            )
            self._open[connection] = None
            self._opening[connection] = self._loop.create_task(
                self._connect(connection, accepted, self._door.tls)
            )

    async def _connect(
        self, connection: Connection, accepted: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        try:
            accepted.setblocking(False)
            if context is None:
                await self._loop.connect_accepted_socket(lambda: connection, accepted)
            else:
                end = self._opening[connection].cancel
                tls.on_failure.set(lambda: self._loop.call_later(_LAST_WORDS_SECONDS, end))
                await self._loop.connect_accepted_socket(
                    lambda: connection,
                    accepted,
                    ssl=context,
                    ssl_handshake_timeout=self._limits.head_seconds,
                    ssl_shutdown_timeout=_GOODBYE_SECONDS,
                )
        except (OSError, asyncio.CancelledError):
            accepted.close()
            self._forget(connection)
        finally:
            self._opening.pop(connection, None)

    # Turning out

    def _forget(self, connection: Connection) -> None:
        self._open.pop(connection, None)
        if not self._open:
            self._last_ended.set()
        if self._paused is not None:
            self._resume()

    def _make_room(self) -> bool:
        """Ends the connection that has done nothing for the longest; False if all are at work."""
        _seldom.tell(log.warning, "no more connections are let in, idle ones end", limit=len(self._open))
        now = self._loop.time()
        idle = [one for one in self._open if one.idle(now)]
        if idle:
            self._turn_out(min(idle, key=lambda one: (one.stage == "answer", one.since)))
        return bool(idle)

    def _sweep(self) -> None:
        limits = self._limits
        now = self._loop.time()
        for connection in [one for one in self._open if one.overdue(now)]:
            self._turn_out(connection)
        shortest = min(limits.head_seconds, limits.answer_seconds, limits.idle_seconds)
        self._sweeping = self._loop.call_later(min(1.0, shortest / 4), self._sweep)

    def _end_outdated(self) -> None:
        """Ends those who came in by another TLS than now; who is being answered has his answer first."""
        for connection in [one for one in self._open if one.outdated and one.stage != "answer"]:
            self._turn_out(connection)

    def _turn_out(self, connection: Connection) -> None:
        # Its end is told in the next round of the event loop; its place is free now.
        self._open.pop(connection, None)
        connection.abort()
        opening = self._opening.get(connection)
        if opening is not None:
            opening.cancel()


@asynccontextmanager
async def serve(
    app: web.Application,
    addresses: Sequence[Address],
    *,
    limits: Limits | None = None,
    door: Door | None = None,
    inherited: Sequence[socket.socket] = (),
) -> AsyncIterator[tuple[Address, ...]]:
    """Serves on all addresses as long as the context lasts, and yields those that were bound.

    Port 0 takes a free one. The first middleware of `app` must be `guard`, with the same door.

    Args:
        app: What is served.
        addresses: Where.
        limits: What callers may hold.
        door: What they come in by; by default one without a lock.
        inherited: Sockets that listen already; they are closed with the others.

    Raises:
        ListenError: if one cannot be listened on; then none is.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    handlers: Any = runner.server  # there is one after `setup`
    door = door or Door()
    acceptor = Acceptor(handlers, limits or Limits(connections=connection_limit()), door)
    sockets = [*inherited]
    try:
        for address in addresses:
            sockets += await bound(address)
        acceptor.start(sockets)
        yield tuple(Address(*one.getsockname()[:2]) for one in sockets)
    finally:
        await acceptor.close()
        await door.close()
        for one in sockets:
            one.close()
        await runner.cleanup()
