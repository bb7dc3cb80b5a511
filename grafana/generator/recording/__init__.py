"""Recording rules by what they are about, and the groups in which Prometheus evaluates them.

All rules that repeat themselves stand in one group with the rules that say who is blind: Prometheus evaluates
groups at different moments, and with the blindness of a moment ago all memory would be lost if an exporter
died between the two.
"""

from __future__ import annotations

from typing import Final

from grafana.generator.recording import account, fleet, flows, freshness, gone, keys, limits, market, position
from grafana.generator.rules import Group

KNOWN: Final = Group(
    name="risk-known",
    about="Who is seen, and what is known about accounts, positions and the market. One group, because these "
    "rules repeat themselves while others of them say that an account is blind: groups are evaluated at "
    "different moments, and an exporter that died between them would take all memory with it.",
    rules=(
        *freshness.RULES,
        *keys.RULES,
        *limits.LIMITS,
        limits.OWNER,
        *position.RULES,
        *account.RULES,
        *market.RULES,
        *account.DRAWDOWN,
        flows.PNL,
        flows.OUTFLOW,
        *fleet.NOTIONAL,
        position.SMALL,
        position.NEAREST,
        position.MISSING_MARGIN,
        *gone.RULES,
    ),
)

PORTFOLIO: Final = Group(
    name="risk-portfolio",
    interval="1m",  # nothing here changes faster, and the windows of days are expensive
    about="Money that moved, peaks of equity, concentration and exposure over all accounts.",
    rules=(*flows.FLOWS, *account.PEAKS, *fleet.SHARES),
)

GROUPS: Final = (KNOWN, PORTFOLIO)
