"""The tests of the recording rules, in modules of the same names as the rules' own."""

from __future__ import annotations

from tests.grafana.rule_tests.recording import account, fleet, freshness, market, position
from tests.grafana.rule_tests.trials import Test


def tests() -> dict[str, list[Test]]:
    """All tests of each subject."""
    return {
        "recording_freshness": freshness.tests(),
        "recording_position": position.tests(),
        "recording_account": account.tests(),
        "recording_market": market.tests(),
        "recording_fleet": fleet.tests(),
    }
