"""The tests of the alert rules, in modules of the same names as the rules' own."""

from __future__ import annotations

from tests.grafana.rule_tests.alerts import (
    account,
    collection,
    exporter,
    fleet,
    gone,
    keys,
    monitoring,
    position,
    shards,
    venue,
)
from tests.grafana.rule_tests.trials import Test


def tests() -> dict[str, list[Test]]:
    """All tests of each alert."""
    found: dict[str, list[Test]] = {}
    for case in (*position.CASES, *account.CASES, *fleet.CASES):
        found.setdefault(case.expected.alert, []).extend(case.tests())
    found["RiskLiquidationNear"] += position.flapping()
    found["RiskStablecoinOffPeg"] += fleet.dust_off_peg()
    return {
        **found,
        "RiskPositionGone": gone.position_gone(),
        "RiskPoolEmptied": gone.pool_emptied(),
        "RiskEquityOutflow": gone.equity_outflow(),
        **gone.figures_old(),
        "RiskAccountGone": gone.account_gone(),
        "RiskEquityUnknown": gone.equity_unknown(),
        "RiskCollectionIncomplete": collection.incomplete(),
        "RiskSubAccountsUnlisted": collection.sub_accounts_unlisted(),
        "RiskCollectionFailing": collection.failing(),
        "RiskDataStale": collection.data_stale(),
        "RiskKeyRejected": collection.key_rejected(),
        "RiskKeyCanDoMore": keys.can_do_more(),
        "RiskKeyExpires": keys.expires(),
        "RiskVenueDown": venue.down(),
        "RiskClockSkew": venue.clock_skew(),
        "RiskExporterDown": exporter.down(),
        "RiskMarksOld": venue.marks_old(),
        "RiskExporterFlapping": exporter.flapping(),
        "RiskConfigNotReloaded": exporter.config_not_reloaded(),
        "RiskLockNotReloaded": exporter.lock_not_reloaded(),
        "RiskExporterSaturated": exporter.saturated(),
        "RiskShardMissing": shards.missing(),
        "RiskShardDoubled": shards.doubled(),
        "RiskShardsDiffer": shards.differ(),
        "RiskWatchdog": monitoring.watchdog(),
        "RiskRulesFailing": monitoring.rules_failing(),
        "RiskNotificationsFailing": monitoring.notifications_failing(),
    }
