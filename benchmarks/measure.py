"""Processes that are measured, from outside."""

# ruff: noqa: T201 - a benchmark talks to the person who runs it
from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PAGE = 4096


class Process:
    """A program that runs and prints lines."""

    def __init__(self, command: Sequence[str]) -> None:
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 (our own)
        self._folder = Path(f"/proc/{self._child.pid}")

    def line(self) -> str:
        """The next line that it prints.

        Raises:
            SystemExit: if it has ended instead.
        """
        assert self._child.stdout is not None  # noqa: S101 (asked for above)
        line = self._child.stdout.readline().strip()
        if not line:
            raise SystemExit(f"{self._child.args!r} has ended")
        return line

    def cpu(self) -> float:
        """Seconds of the processor's time that it has taken, in all its threads, ended ones included."""
        # The clock of another process, as clock_getcpuclockid(3) makes it on Linux.
        return time.clock_gettime((~self._child.pid << 3) | 2)

    def resident_mb(self) -> float:
        """Its memory."""
        return int((self._folder / "statm").read_text().split()[1]) * PAGE / 1e6

    def signal(self, number: int) -> None:
        """Sends one."""
        self._child.send_signal(number)

    def end(self) -> None:
        """Ends it; what it prints can still be read."""
        self._child.terminate()

    def wait(self) -> None:
        """Until it has ended."""
        self._child.wait()


@contextmanager
def program(command: Sequence[str]) -> Iterator[Process]:
    """A program while it is measured."""
    process = Process(command)
    try:
        yield process
    finally:
        process.end()
        process.wait()


def fetched(url: str, *, gzip: bool = False) -> bytes:
    """A page, as text 0.0.4, packed or not."""
    headers = {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "gzip" if gzip else "identity"}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:  # noqa: S310
        content: bytes = answer.read()
    return content


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints columns; the first is words, the others are figures."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        first, *others = (cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *others]), flush=True)
