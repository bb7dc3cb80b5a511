"""``python -m tests.grafana.rule_tests FOLDER`` writes promtool's input, for people who want to see it."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.grafana import rule_tests


def main() -> int:
    """Write all files, and say how to run them."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tests.grafana.rule_tests FOLDER")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    written = [rule_tests.write(folder, name) for name in rule_tests.tests()]
    print("promtool test rules", *written)  # noqa: T201 - this is a command
    return 0


if __name__ == "__main__":
    sys.exit(main())
