"""Alert rules, one module for each thing they are about; `GROUPS` is their table of contents.

All of them watch recording rules, which remember what was known (`recording`). Their limits are in
`exporter.desk`, if an account can have its own, and in `thresholds`: the dashboards draw the same ones.
"""

from __future__ import annotations

from typing import Final

from grafana.generator.alerts import (
    account,
    collection,
    exporter,
    fleet,
    keys,
    monitoring,
    position,
    shards,
    venue,
)
from grafana.generator.rules import Alert, Group

RISK: Final = Group(
    name="risk-alerts",
    about="An account or a position is in danger, or was and is gone.",
    rules=(
        *position.NEAR,
        *position.NEAR_IN_SIGMAS,
        position.PROJECTED,
        *account.RATE_HIGH,
        *position.ISOLATED_RATE_HIGH,
        *account.SHOCK_SMALL,
        *position.GONE,
        *account.EMPTIED,
        *account.OUTFLOW,
        *account.DRAWDOWN,
        *account.LEVERAGE_HIGH,
        fleet.EXCHANGE_CONCENTRATION,
        fleet.COIN_CONCENTRATION,
        position.ADL_QUEUE_FRONT,
        *position.PRICE_UNKNOWN,
        *position.DISTANCE_OLD,
        *account.RATE_OLD,
        *fleet.STABLECOIN_OFF_PEG,
    ),
)

COLLECTION: Final = Group(
    name="risk-collection-alerts",
    about="The numbers cannot be trusted, or are not there.",
    rules=(
        collection.FAILING,
        collection.INCOMPLETE,
        collection.SUB_ACCOUNTS_UNLISTED,
        collection.DATA_STALE,
        collection.KEY_REJECTED,
        *keys.CAN_DO_MORE,
        *keys.EXPIRES,
        *collection.ACCOUNT_GONE,
        *collection.EQUITY_UNKNOWN,
        *venue.DOWN,
        venue.CLOCK_SKEW,
        venue.MARKS_OLD,
        *exporter.DOWN,
        exporter.FLAPPING,
        exporter.CONFIG_NOT_RELOADED,
        exporter.LOCK_NOT_RELOADED,
        exporter.SATURATED,
        *shards.SHARDS,
    ),
)

MONITORING: Final = Group(
    name="risk-monitoring-alerts",
    about="Nobody would hear of anything. These need Prometheus and Alertmanager as targets of a scrape job.",
    rules=(monitoring.WATCHDOG, monitoring.RULES_FAILING, monitoring.NOTIFICATIONS_FAILING),
)

GROUPS: Final = (RISK, COLLECTION, MONITORING)
ALERTS: Final = tuple(rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))
