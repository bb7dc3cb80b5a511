"""What Python's search for garbage costs where hundreds of thousands of objects stay for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

YOUNG = 10_000
"""New objects after which they are searched. A collection makes thousands, of which next to none is garbage:
reference counts free them. Python's own 700 take a twentieth of the time of a busy fleet."""


def settled() -> None:
    """What is there now stays until the next call, and is not searched any more."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def grown() -> None:
    """What was made since stays, too. Nothing is searched for that, so that nobody waits for it."""
    gc.freeze()


@contextmanager
def kept() -> Iterator[None]:
    """Nothing is searched inside: what is made there stays, and would be gone through again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
