"""Host names: what was known yesterday serves where no name server answers."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from exporter.resolver import NoNameServerError, Resolver
from tests.toy import FakeClock


class Names(AbstractResolver):
    """Says what a test wants; None: never answers."""

    def __init__(self) -> None:
        self.answer: str | OSError | None = "192.0.2.1"

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self.answer is None:
            await asyncio.Event().wait()
        if isinstance(self.answer, OSError):
            raise self.answer
        assert self.answer is not None
        return [ResolveResult(hostname=host, host=self.answer, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        pass


async def addresses(resolver: Resolver, host: str = "venue.example") -> list[str]:
    return [found["host"] for found in await resolver.resolve(host, 443)]


@pytest.mark.parametrize("failure", [None, OSError(None, "Could not contact DNS servers")])
async def test_the_last_known_addresses_serve_for_a_day(failure: OSError | None) -> None:
    names, clock = Names(), FakeClock()
    resolver = Resolver(names, within=0.01, elapsed=clock)
    assert await addresses(resolver) == ["192.0.2.1"]
    names.answer = "192.0.2.2"
    assert await addresses(resolver) == ["192.0.2.2"]
    names.answer = failure
    clock.now += 86_399.0
    assert await addresses(resolver) == ["192.0.2.2"]
    with pytest.raises(OSError, match=r"DNS|name server"):
        await addresses(resolver, "other.example")
    clock.now += 1.0
    with pytest.raises(OSError, match=r"DNS|name server"):
        await addresses(resolver)


async def test_a_name_server_has_a_deadline_of_its_own() -> None:
    names = Names()
    names.answer = None
    with pytest.raises(NoNameServerError):
        await addresses(Resolver(names, within=0.01))
