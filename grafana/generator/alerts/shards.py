"""Alerts about exporters that share the accounts of one file: every account must have exactly one.

What belongs together is told by the hash of the configuration, which all shards of a file have in common: two
fleets in one Prometheus are not mixed up, whatever their jobs are called.
"""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator.placeholders import label, value
from grafana.generator.rules import Alert

_DASHBOARD: Final = links.dashboard(links.EXPORTER_UID)
_OF_FILE: Final = (
    "(risk_exporter_shard_info * on (job, instance) group_left (hash) risk_exporter_config_info)"
)
"""The shards that answer, each with the hash of its configuration."""
_TOLD: Final = "(risk_exporter_shards * on (job, instance) group_left (hash) risk_exporter_config_info)"
"""How many there are, as each of them was told."""

MISSING: Final = Alert(
    name="RiskShardMissing",
    severity="critical",
    category="exporter",
    expr=f"""
    count by (hash) (count by (hash, index) ({_OF_FILE}))
      < max by (hash) ({_TOLD})
    """,
    hold="3m",
    hold_reason="a shard that restarts, or reads a new configuration after the others, needs less",
    summary=f"Only {value('humanize')} of the shards of the configuration {label('hash')} answer",
    description="The accounts of a shard that is missing are collected by nobody: they are unseen, and new "
    "dangers to them too. The others go on.",
    dashboard=_DASHBOARD,
)

DOUBLED: Final = Alert(
    name="RiskShardDoubled",
    severity="warning",
    category="exporter",
    expr=f"count by (hash, index) ({_OF_FILE}) != 1",
    hold="5m",
    hold_reason="one that moves to another machine may be on both for a while",
    summary=f"{value('humanize')} exporters are shard {label('index')} of the configuration {label('hash')}",
    description="They collect the same accounts and take twice the requests, which the venues count together "
    "if they share an address. Sums over accounts count them once; whatever sums over instances does not.",
    dashboard=_DASHBOARD,
)

DIFFER: Final = Alert(
    name="RiskShardsDiffer",
    severity="warning",
    category="exporter",
    expr=f"count by (job) (count by (job, hash, count) ({_OF_FILE})) != 1",
    hold="5m",
    hold_reason="a new configuration reaches one shard after the other",
    summary=f"The shards of {label('job')} are configured in {value('humanize')} ways",
    description="They have read different files, or were told different numbers of shards: accounts may be "
    "collected twice, or by nobody.",
    dashboard=_DASHBOARD,
)

SHARDS: Final = (MISSING, DOUBLED, DIFFER)
