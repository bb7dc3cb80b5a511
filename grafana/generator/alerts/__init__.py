"""Alert rules, one module for each thing they are about; `GROUPS` is their table of contents.

All of them watch recording rules, which remember what was known (`recording`). Their limits are in
`thresholds`, because the dashboards draw the same ones.
"""

from __future__ import annotations

from typing import Final

from grafana.generator.alerts import account, collection, exporter, fleet, position, shards, venue
from grafana.generator.rules import Alert, Group

RISK: Final = Group(
    name="risk-alerts",
    about="An account or a position is in danger.",
    rules=(
        *position.NEAR,
        *position.NEAR_IN_SIGMAS,
        position.PROJECTED,
        *account.RATE_HIGH,
        *account.SHOCK_SMALL,
        *account.DRAWDOWN,
        account.LEVERAGE_HIGH,
        fleet.EXCHANGE_CONCENTRATION,
        fleet.COIN_CONCENTRATION,
        account.STRESS_BREACH,
        position.ADL_QUEUE_FRONT,
        *position.PRICE_UNKNOWN,
        *fleet.STABLECOIN_OFF_PEG,
    ),
)

COLLECTION: Final = Group(
    name="risk-collection-alerts",
    about="The numbers cannot be trusted, or are not there.",
    rules=(
        collection.FAILING,
        collection.DATA_STALE,
        collection.KEY_REJECTED,
        venue.DOWN,
        venue.CLOCK_SKEW,
        exporter.DOWN,
        exporter.CONFIG_NOT_RELOADED,
        *shards.SHARDS,
    ),
)

GROUPS: Final = (RISK, COLLECTION)
ALERTS: Final = tuple(rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))
