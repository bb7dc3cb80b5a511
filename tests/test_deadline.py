"""By when an answer is needed."""

from __future__ import annotations

import asyncio
import time

import pytest

from exporter import deadline
from exporter.deadline import REQUESTS_SHARE, SIDE_SHARE, Deadline, DeadlineError
from exporter.tasks import together


async def test_what_takes_too_long_is_ended() -> None:
    began = time.monotonic()
    with pytest.raises(DeadlineError):
        async with deadline.within(0.05):
            await asyncio.Event().wait()
    assert 0.04 < time.monotonic() - began < 5.0
    assert deadline.current() is None


async def test_a_timeout_of_something_inside_is_no_deadline() -> None:
    with pytest.raises(TimeoutError) as caught:
        async with deadline.within(10.0):
            raise TimeoutError
    assert not isinstance(caught.value, DeadlineError)


async def test_requests_end_a_moment_before_so_that_they_can_say_which_it_was() -> None:
    async with deadline.within(10.0):
        limit = deadline.current()
        assert limit is not None
        assert 9.0 < limit.left <= 10.0 * REQUESTS_SHARE


async def test_what_can_be_missed_gets_a_share_of_what_is_left_again_and_again() -> None:
    async def left() -> float:
        async with deadline.share(100.0):
            limit = deadline.current()
            assert limit is not None
            assert limit.side
            return limit.left

    assert await left() == pytest.approx(100.0 * SIDE_SHARE, rel=0.2)
    async with deadline.within(80.0):
        assert await together(left(), left()) == pytest.approx((80.0 * SIDE_SHARE,) * 2, rel=0.2)
        async with deadline.share(100.0):
            assert await left() == pytest.approx(80.0 * SIDE_SHARE**2, rel=0.2)


async def test_it_can_be_put_off_while_something_runs_and_never_brought_on() -> None:
    limit = Deadline(0.05)
    began = time.monotonic()

    async def running() -> None:
        async with limit.kept():
            limit.put_off(0.2)
            limit.put_off(0.01)
            await asyncio.Event().wait()

    with pytest.raises(DeadlineError):
        await running()
    assert 0.15 < time.monotonic() - began < 5.0
    limit.put_off(1.0)
    assert limit.left > 0.5


async def test_it_can_be_stopped_and_takes_with_it_what_is_part_of_it() -> None:
    """While a collection waits for its turn, neither it nor what it could miss is late."""

    async def side() -> None:
        async with deadline.share(100.0):
            await asyncio.Event().wait()

    async with deadline.within(0.4) as limit:
        limit.stop()
        limit.stop()
        missed = asyncio.ensure_future(side())
        await asyncio.sleep(0.45)
        limit.go_on()
        assert limit.left > 0.2
        await asyncio.sleep(0.45)
        assert not missed.done()
        limit.go_on()
        assert limit.left > 0.2
        missed.cancel()
    began = time.monotonic()
    limit = Deadline(0.3)

    async def stopped_for_a_while() -> None:
        async with limit.kept():
            limit.stop()
            asyncio.get_running_loop().call_later(0.2, limit.go_on)
            await asyncio.Event().wait()

    with pytest.raises(DeadlineError):
        await stopped_for_a_while()
    assert 0.45 < time.monotonic() - began < 8.0
