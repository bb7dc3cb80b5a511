"""Hundreds of thousands of damaged answers: each becomes a valid page or a failure that the desk understands.

``FUZZ_ANSWERS`` and ``FUZZ_SEED`` in the environment change how many and which; ``make fuzz`` runs ten times
as many. A case that fails is looked at with ``python -m tests.fuzz VENUE --case NUMBER``.
"""

from __future__ import annotations

import itertools
import os

import pytest
import structlog

from tests.fuzz.fuzzing import SEED, Fuzzer, Tally
from tests.venues.bench import benches

ANSWERS = int(os.environ.get("FUZZ_ANSWERS", "200000"))
"""In all: each venue gets the same share."""
FUZZ_SEED = int(os.environ.get("FUZZ_SEED", SEED))
PARTS = 2
"""Of each venue's share, to run side by side."""


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("venue", sorted(benches()))
async def test_a_damaged_answer_gives_a_valid_page_or_a_failure_with_its_reason(
    venue: str, part: int
) -> None:
    share = -(-ANSWERS // (len(benches()) * PARTS))
    with structlog.testing.capture_logs():
        tally = await Fuzzer(benches()[venue], FUZZ_SEED).run(itertools.count(part, PARTS), share)
    assert not tally.complaints, "\n".join(tally.complaints[:20])
    assert tally.answers >= share
    # Damage that is always noticed, or never, would show nothing.
    assert 0.1 < tally.outcomes["page"] / tally.cases < 0.9


async def test_a_case_is_the_same_each_time() -> None:
    fuzzer = Fuzzer(benches()["bittap"])
    first, second = Tally(), Tally()
    for case in range(50):
        await fuzzer.case(case, first)
        await fuzzer.case(case, second)
    assert first.outcomes == second.outcomes
    assert len(first.outcomes) > 2
