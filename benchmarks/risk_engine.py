"""Time to assess a pool of 200 positions with maintenance tiers: ``python -m benchmarks.risk_engine``.

Prints the median of the CPU time on one core of assessing the account once (notionals, rates, 200
liquidation prices, two shocks, six stressed rates), and how many times faster that is than the plain
bisection of `benchmarks.plain_bisection` computing only the prices and the shocks in the same run. Both
must agree, or the program stops with an error. It also does above the target of 5 ms; ``--no-target``
turns that off for a busy or slow machine.
"""

# ruff: noqa: T201 - a benchmark talks to the person who runs it
from __future__ import annotations

import argparse
import gc
import math
import random
import statistics
import sys
import time
from collections.abc import Callable

from benchmarks import plain_bisection
from exporter.model import AccountSnapshot, Contract, MaintenanceTier, MarginPool, Position, RiskSettings
from exporter.risk import assess

POSITIONS = 200
ROUNDS = 101
TARGET_SECONDS = 0.005
# The shape of Binance's BTCUSDT schedule; other symbols' borders are a fraction of these.
FLOORS = (0.0, 50e3, 600e3, 3e6, 12e6, 70e6, 100e6, 230e6, 480e6, 600e6)
RATES = (0.004, 0.005, 0.0065, 0.01, 0.02, 0.025, 0.05, 0.1, 0.125, 0.15)


def tiers(scale: float) -> tuple[MaintenanceTier, ...]:
    """A progressive schedule whose borders are ``scale`` times `FLOORS`."""
    rows = []
    deduction = 0.0
    for index, (floor, rate) in enumerate(zip(FLOORS, RATES, strict=True)):
        if index:
            deduction += scale * floor * (rate - RATES[index - 1])
        cap = scale * FLOORS[index + 1] if index + 1 < len(FLOORS) else math.inf
        rows.append(MaintenanceTier(floor=scale * floor, cap=cap, rate=rate, deduction=deduction))
    return tuple(rows)


def pool(seed: int = 7) -> AccountSnapshot:
    """A cross pool of many symbols, long and short, where most positions can liquidate it."""
    draw = random.Random(seed)  # noqa: S311 - a reproducible account, not a secret
    positions = []
    for index in range(POSITIONS):
        coin = f"C{index}"
        mark = 10.0 ** draw.uniform(-2.0, 4.5)
        notional = 10.0 ** draw.uniform(4.0, 6.5)
        positions.append(
            Position(
                symbol=f"{coin}USDT",
                side="long" if draw.random() < 0.55 else "short",
                margin_mode="cross",
                quantity=notional / mark,
                contract=Contract(kind="linear", size=1.0, base=coin, quote="USDT", settle="USDT"),
                entry_price=mark * draw.uniform(0.8, 1.25),
                mark_price=mark,
                maintenance_tiers=tiers(draw.choice((0.1, 0.3, 1.0))),
            )
        )
    margin = MarginPool(currency="USDT", equity=3e6, margin_equity=3e6)
    return AccountSnapshot(pools=(margin,), positions=tuple(positions))


def cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-target", action="store_true", help="do not fail above the target")
    options = parser.parse_args()
    snapshot, settings = pool(), RiskSettings()

    risk = assess(snapshot, settings)
    prices: list[float | None] = []
    peer_seconds = cpu_seconds(lambda: prices.extend(plain_bisection.liquidation_prices(snapshot)))
    shocks: list[float | None] = []
    peer_seconds += cpu_seconds(lambda: shocks.extend(plain_bisection.liquidation_shocks(snapshot)))
    ours = [row.liquidation_price for row in risk.positions]
    ours += [risk.pools[0].liquidation_shock_up, risk.pools[0].liquidation_shock_down]
    for one, other in zip(ours, [*prices, *shocks], strict=True):
        # The peer looks no further than +1000 %.
        if other is not None and (one is None or not math.isclose(one, other, rel_tol=1e-8)):
            print(f"engine {one} and bisection {other} disagree", file=sys.stderr)
            return 1

    gc.disable()
    times = sorted(cpu_seconds(lambda: assess(snapshot, settings)) for _ in range(ROUNDS))
    gc.enable()
    median = statistics.median(times)
    print(f"positions                     {POSITIONS}, {sum(p is not None for p in ours[:-2])} with a price")
    print(f"engine, whole assessment      median {median * 1e3:.2f} ms, best {times[0] * 1e3:.2f} ms")
    print(f"plain bisection, prices only  {peer_seconds * 1e3:.0f} ms")
    print(f"ratio                         {peer_seconds / median:.0f} times faster")
    print(f"target                        {TARGET_SECONDS * 1e3:.0f} ms")
    if median > TARGET_SECONDS and not options.no_target:
        print("above the target", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
