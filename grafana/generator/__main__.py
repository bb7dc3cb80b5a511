"""``python -m grafana.generator`` writes the generated files; ``--check`` tells whether they are current."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grafana.generator import output


def main() -> int:
    """Write, or compare; the exit status is 1 if the committed files are not the generator's output."""
    parser = argparse.ArgumentParser(prog="python -m grafana.generator", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if a file would change")
    check = parser.parse_args().check
    root = Path(__file__).resolve().parents[2]
    wanted = output.files()
    outdated = output.outdated(root, wanted)
    for path in outdated:
        print(f"{'outdated' if check else 'written'}: {path}")  # noqa: T201 - this is a command
    if not check:
        output.write(root, wanted)
    return 1 if check and outdated else 0


if __name__ == "__main__":
    sys.exit(main())
