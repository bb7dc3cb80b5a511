"""Runs damaged answers: ``python -m tests.fuzz [VENUE] [--answers N] [--seed N] [--case N]``."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time

from exporter import logs
from tests.fuzz.fuzzing import SEED, Fuzzer, Tally
from tests.venues.bench import benches


def main() -> int:
    """Prints what came of it; the exit status is 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("venue", nargs="*", help="by default all")
    parser.add_argument("--answers", type=int, default=20_000, help="damaged answers for each venue")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--case", type=int, help="this case alone")
    given = parser.parse_args()
    logs.configure("error", "logfmt")
    wrong = False
    for name in given.venue or benches():
        fuzzer, began = Fuzzer(benches()[name], given.seed), time.process_time()
        cases = itertools.count() if given.case is None else iter([given.case])
        tally = asyncio.run(fuzzer.run(cases, given.answers))
        _print(name, tally, time.process_time() - began)
        wrong |= bool(tally.complaints)
    return 1 if wrong else 0


def _print(name: str, tally: Tally, seconds: float) -> None:
    print(  # noqa: T201 (this is a command)
        f"{name}: {tally.answers} answers in {tally.cases} cases, {seconds:.0f} s; {tally.pages.read} pages, "
        f"{tally.pages.series} different series; {dict(tally.outcomes.most_common())}"
    )
    for complaint in tally.complaints[:50]:
        print("   ", complaint)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
