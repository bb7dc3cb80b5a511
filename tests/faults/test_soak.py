"""The judge of the soak, which runs for minutes and not in the suite: what it judges by is tested here."""

from __future__ import annotations

import pytest

from tests.faults.soak import Soaked, complaints, table

FLAT = {"mebibytes": 90.0, "descriptors": 40.0, "tasks": 30.0, "threads": 4.0, "processor_seconds": 1.0}


def soaked(growth: str = "", by: float = 0.0) -> Soaked:
    """Ten minutes in which one thing grows steadily, after a warm-up in which everything does."""
    held = [dict(FLAT) for _ in range(300)]
    for moment, one in enumerate(held):
        one["mebibytes"] -= max(0.0, 40.0 - moment)
        if growth:
            one[growth] += by * moment / len(held)
    return Soaked(
        held=held, up=[0.2, 0.9] * 50, log="level=info\n", accounts=10, minutes=10.0, stopped_in=0.5
    )


def test_what_stays_flat_after_the_warm_up_is_right() -> None:
    assert complaints(soaked()) == []
    assert complaints(soaked("mebibytes", 8.0)) == []
    assert len(table(soaked()).splitlines()) == 11


@pytest.mark.parametrize(
    ("name", "by"), [("mebibytes", 30), ("descriptors", 60), ("tasks", 60), ("threads", 9)]
)
def test_what_grows_is_told(name: str, by: float) -> None:
    (complaint,) = complaints(soaked(name, by))
    assert complaint.startswith(f"{name} grew from ")


def test_everything_else_that_is_wrong_is_told() -> None:
    seen = soaked()
    seen.log = "Traceback (most recent call last):\n" + "x\n" * 5000
    seen.up, seen.stopped_in, seen.unreadable = [0.1], 6.0, ["text is not read"]
    found = "\n".join(complaints(seen))
    for part in ("text is not read", "in the log: Traceback", "log lines", "were up", "6.0 s to stop"):
        assert part in found
    assert "too few" in "\n".join(complaints(Soaked(held=seen.held[:4], up=[1.0])))
