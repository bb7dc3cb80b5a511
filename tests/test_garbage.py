"""What is searched for garbage, and what not."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from exporter import garbage


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_stays_is_not_searched_any_more_and_new_objects_seldom() -> None:
    garbage.settled()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    assert gc.get_threshold()[0] == garbage.YOUNG
    stays = [[] for _ in range(5_000)]  # type: ignore[var-annotated]  # of nothing
    garbage.grown()
    assert gc.get_freeze_count() >= frozen + len(stays)
