"""What Python's search for garbage costs where hundreds of thousands of objects stay for good."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def settled() -> None:
    """What is there now stays until the next call, and is not searched any more."""
    gc.unfreeze()
    gc.collect()
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
