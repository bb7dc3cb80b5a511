"""The demo: a stand-in for every venue that has one, and the accounts to watch there.

The exporter meets them as it meets the real ones: over HTTP, with signed requests. Nothing leaves the
machine.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from exporter import demo
from exporter.config import Config
from exporter.demo import chaos, stories
from exporter.demo.market import Market
from exporter.demo.server import Server
from exporter.limits import BudgetSettings
from exporter.model import RiskSettings
from exporter.venues import budgets_of, discover

log = structlog.get_logger(__name__)

_ALONE = BudgetSettings(share=0.8)
"""Nobody else is behind the address from which the demo asks its venues."""


@asynccontextmanager
async def running(
    *,
    seed: int,
    interval: float,
    marks_interval: float = 0.0,
    with_chaos: bool = False,
    story: stories.Story | None = None,
    speed: float = 1.0,
    tell: Callable[[str], None] = print,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Config]:
    """Starts the stand-ins on free loopback ports; gives the configuration that watches their accounts.

    Args:
        seed: Of the prices, and of the faults; the same seed gives the same walk.
        interval: Seconds between two collections of an account.
        marks_interval: Seconds between two calls for the marks of a venue; 0 is never.
        with_chaos: Whether things go wrong at the venues.
        story: What happens to them; None: nothing.
        speed: How many times faster than written the story is played.
        tell: Takes the lines of the story.
        clock: That of the venues, Unix seconds.
    """
    market = Market(seed=seed)
    async with AsyncExitStack() as stack:
        accounts, venues = [], []
        stand_ins = demo.discover()
        for name, venue in discover().items():
            if name not in stand_ins:
                continue
            server = await stack.enter_async_context(Server(stand_ins[name](market, clock=clock)))
            entries = server.simulator.demo_accounts(server.base_url)
            configs = [venue.config_class.model_validate(_timed(entry, interval)) for entry in entries]
            reasons = {reason for config in configs if (reason := venue.check(config)) is not None}
            if reasons:  # such as an extra that is not installed
                log.warning("left out of the demo", exchange=venue.name, reason="; ".join(sorted(reasons)))
                continue
            accounts += configs
            venues.append(server.simulator)
        if with_chaos:
            group = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(group.create_task(chaos.run(venues, seed)).cancel)
        if story is not None:
            stage = stories.Stage(market, venues, tell, speed)
            group = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(group.create_task(stories.play(story, stage)).cancel)
        yield Config(
            accounts=tuple(accounts),
            risk=RiskSettings(cross_check=True),
            marks_interval=marks_interval,
            budgets=dict.fromkeys(budgets_of(discover()), _ALONE),
        )


def _timed(entry: dict[str, object], interval: float) -> dict[str, Any]:
    return {"timeout": interval, **entry, "interval": interval}
