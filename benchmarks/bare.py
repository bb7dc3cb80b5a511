"""The least that such a fleet costs in Python: both calls of every account, signed, asked and decoded.

``python -m benchmarks.bare URL ACCOUNTS INTERVAL`` runs until it is ended. It keeps nothing, checks nothing
and shows nothing: what the exporter takes beyond it is what the exporter does.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import sys
import time

import aiohttp
import msgspec
import uvloop

CALLS = ("/fapi/v3/account", "/fapi/v3/positionRisk")


async def _account(
    session: aiohttp.ClientSession, url: str, number: int, interval: float, first: float
) -> None:
    secret, headers = b"secret", {"X-MBX-APIKEY": f"key-{number}"}
    due = first
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += interval
        for call in CALLS:
            query = f"recvWindow=5000&timestamp={time.time() * 1e3:.0f}"
            signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
            async with session.get(f"{url}{call}?{query}&signature={signature}", headers=headers) as answer:
                msgspec.json.decode(await answer.read())


async def _fleet(url: str, accounts: int, interval: float) -> None:
    began = time.monotonic()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as group,
    ):
        for number in range(accounts):
            group.create_task(_account(session, url, number, interval, began + interval * number / accounts))


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_fleet(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))


if __name__ == "__main__":
    main()
