"""A page, served as the program serves it: ``python -m benchmarks.serving POSITIONS SAMPLES FILE``.

Writes the page into FILE, for the peers, and prints one JSON line when it listens.
"""

# ruff: noqa: T201, S311 - it speaks to the process that measures it, and draws no secrets
from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from pathlib import Path

import uvloop

from benchmarks.accounts import account
from exporter import garbage
from exporter.addresses import listen_addresses
from exporter.exposition import Format, Store, render
from exporter.server import serve
from exporter.telemetry import Telemetry
from exporter.web import create_app


def filled(positions: int, samples: int) -> tuple[Store, dict[str, object]]:
    """A store with enough accounts for so many samples, and what is in it."""
    telemetry, draw = Telemetry(), random.Random(1)
    store = Store(telemetry, elapsed=lambda: 0.0)
    names, count, seconds = list[str](), 0, 0.0
    while count < samples:
        names.append(f"account-{len(names):05}")
        telemetry.add_account("venue", names[-1], interval=15.0, max_age=45.0)
        count += _collect(telemetry, store, draw, names[-1], positions) + len(
            b"".join(telemetry._accounts["venue", names[-1]].chunks).splitlines()  # noqa: SLF001
        )
    # Once more, each when its turn comes: as they lie in memory after a while.
    draw.shuffle(names)
    for name in names:
        began = time.perf_counter()
        _collect(telemetry, store, draw, name, positions)
        seconds += time.perf_counter() - began
    return store, {"samples": count, "accounts": len(names), "rendering": seconds / len(names)}


def _collect(telemetry: Telemetry, store: Store, draw: random.Random, name: str, positions: int) -> int:
    chunks = render("venue", name, account(draw, positions))
    store.put("venue", name, chunks, taken_at=0.0, max_age=1.0)
    telemetry.collection_succeeded("venue", name, began_at=1.7e9 + draw.random(), seconds=draw.random())
    return sum(chunk.count(b"\n") for chunk in chunks.values())


async def main(positions: int, samples: int, file: Path) -> None:
    """Serves until SIGTERM."""
    store, told = filled(positions, samples)
    page = store.page(Format.TEXT_0_0_4)
    # For the peers, without what Python's process tells of itself.
    file.write_bytes(page[: page.index(b"# HELP process_")])  # noqa: ASYNC240 (nothing else runs)
    garbage.settled()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    app = create_app(store, list, lambda: True)
    async with serve(app, listen_addresses(["127.0.0.1:0"])) as bound:
        print(json.dumps({"url": f"http://{bound[0]}/metrics", "bytes": len(page), **told}), flush=True)
        await ended.wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
