"""How much faster a page of joined chunks is than the same samples through prometheus-client.

``python -m benchmarks.exposition [samples]`` prints the medians of several runs in one process, and their
ratio, which is what can be compared between machines.
"""

# ruff: noqa: T201 - a benchmark talks to the person who runs it
from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from exporter.catalogue import FAMILIES
from exporter.exposition import Format, Store, render
from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Contract,
    MarginPool,
    PoolRisk,
    Position,
    PositionRisk,
)
from exporter.pages import compress
from exporter.telemetry import Telemetry

SAMPLES = 150_000
POSITIONS = 200
RUNS = 7


def account(number: int) -> AccountRisk:
    """An account with `POSITIONS` positions of which everything is known."""
    positions = tuple(
        PositionRisk(
            position=Position(
                symbol=f"COIN{place}USDT",
                side="long" if place % 2 else "short",
                margin_mode="cross",
                quantity=1.5 * place + 1,
                contract=Contract(kind="linear", size=1.0, base=f"COIN{place}", quote="USDT", settle="USDT"),
                entry_price=100.1 + place / 7,
                realized_pnl=place / 3,
                leverage=20.0,
                initial_margin=place / 11,
                adl_ratio=0.25,
            ),
            mark_price=101.7 + place / 13,
            notional_usd=1000.0 + number / 17 + place,
            unrealized_pnl=place / 19 - 5,
            maintenance_margin=place / 23,
            liquidation_price=80.3 + place / 29,
            liquidation_source="venue",
            liquidation_distance_ratio=0.2 + place / 1000,
        )
        for place in range(POSITIONS)
    )
    pool = MarginPool(currency="USDT", equity=1e6 / 7, margin_equity=1e6 / 7, wallet_balance=1e6 / 9)
    return AccountRisk(
        snapshot=AccountSnapshot(pools=(pool,), positions=tuple(row.position for row in positions)),
        pools=(PoolRisk(pool=pool, maintenance_margin_rate=0.1 / 3),),
        positions=positions,
    )


class SameSamples(Collector):
    """The samples of a page as prometheus-client takes them from a collector."""

    def __init__(self, accounts: Iterable[dict[str, bytes]]) -> None:
        chunks = list(accounts)
        self._metrics = []
        for family in FAMILIES:
            metric = Metric(family.name, family.help, family.type)
            for chunk in chunks:
                for line in chunk.get(family.name, b"").decode().splitlines():
                    labels, _, value = line.partition("{")[2].rpartition("} ")
                    pairs = (pair.partition("=") for pair in labels.split(","))
                    metric.add_sample(
                        family.name, {name: text.strip('"') for name, _, text in pairs}, float(value)
                    )
            if metric.samples:
                self._metrics.append(metric)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def median_seconds(function: Callable[[], object]) -> float:
    """The median duration of `RUNS` calls."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main(samples: int = SAMPLES) -> None:
    """Prints the result."""
    telemetry = Telemetry()
    store = Store(telemetry, elapsed=lambda: 0.0)
    rendered: list[dict[str, bytes]] = []
    count = 0
    while count < samples:
        name = f"account-{len(rendered)}"
        telemetry.add_account("bench", name, interval=15.0, max_age=45.0)
        chunks = render("bench", name, account(len(rendered)))
        store.put("bench", name, chunks, taken_at=0.0, max_age=1.0)
        rendered.append(chunks)
        count += sum(chunk.count(b"\n") for chunk in chunks.values())
    registry = CollectorRegistry()
    registry.register(SameSamples(rendered))

    page = store.page(Format.TEXT_0_0_4)
    ours = [line for line in page.splitlines() if line.startswith((b"risk_account_", b"risk_position"))]
    theirs = [line for line in generate_latest(registry).splitlines() if not line.startswith(b"#")]
    if len(ours) != len(theirs):
        raise SystemExit(f"not the same samples: {len(ours)} and {len(theirs)}")

    one = account(0)
    rendering = median_seconds(lambda: render("bench", "account", one))
    joining = median_seconds(lambda: store.page(Format.TEXT_0_0_4))
    packing = median_seconds(lambda: compress(page))
    library = median_seconds(lambda: generate_latest(registry))
    print(f"samples                          {count} of {len(rendered)} accounts")
    print(f"page, own metrics included       {joining * 1e3:.2f} ms")
    print(f"gzip of {len(page) / 1e6:5.1f} MB (in a thread)   {packing * 1e3:.2f} ms")
    print(f"prometheus-client, same samples  {library * 1e3:.2f} ms")
    print(f"ratio                            {library / joining:.0f}")
    print(f"rendering an account of {POSITIONS}          {rendering * 1e3:.2f} ms, once per collection")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
