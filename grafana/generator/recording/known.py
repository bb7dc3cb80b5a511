"""Rules that remember: how a last known value is kept, and when it is given up.

When an account cannot be collected any longer its series vanish, and they must, because old numbers would be
lies. An alert that watched such a series would resolve at the very moment nobody can see the account. So
alerts watch series that end in ``:known``. Such a rule repeats its own last value while the account cannot be
collected or its exporter does not answer, and while a collection leaves the figure out although what it is
about is still there (a request for marks or tiers failed). It follows the exporter's series otherwise. A
position that was closed, or an account that was taken out of the configuration, vanishes from it with the
next evaluation. Dashboards show the exporter's own series, which are never old.
"""

from __future__ import annotations

from textwrap import indent
from typing import Final

from grafana.generator.promql import POOL, POSITION
from grafana.generator.rules import Recording, dedented

_A_POOL: Final = "(risk_account_equity or risk_account_margin_equity)"
"""Pools that are seen; the equity at market prices may be unknown where a coin has no price."""

POSITION_OPEN: Final = f"and on ({POSITION}) risk_position_info"
POSITION_AT_RISK: Final = f'and on ({POSITION}) risk_position_info{{liquidation_source!="none"}}'
POSITION_UNMEASURED: Final = f"""\
and on ({POSITION})
  (risk_position_info{{liquidation_source!="none"}}
    unless on ({POSITION}) risk_position_liquidation_distance_ratio)"""
POOL_THERE: Final = f"and on ({POOL}) {_A_POOL}"
POOL_UNMEASURED: Final = f"""\
and on ({POOL})
  ({_A_POOL} unless on ({POOL})
    (risk_account_maintenance_margin_rate and on ({POOL}) risk_account_gross_notional_usd))"""
POOL_WITH_POSITIONS: Final = f"""\
and on ({POOL})
  ({_A_POOL} unless on ({POOL}) risk_account_gross_notional_usd == 0)"""
ACCOUNT_THERE: Final = f"and on (exchange, account) {_A_POOL}"
ASSET_THERE: Final = "and on (exchange, account, asset) risk_asset_equity"


def known(record: str, fresh: str, about: str, there: str | None = None) -> Recording:
    """What the exporter says now; the last known value while nobody sees the account.

    Also the last known value while it is not told but the series in ``there`` say that it still matters.
    None: it is told whenever the account is seen.
    """
    expr = f"{dedented(fresh)}\nor\n({record} and on (exchange, account) risk:account:blind:bool == 1)"
    if there is not None:
        expr += f"\nor\n({record} {indent(there, '  ').lstrip()})"
    return Recording(record=record, about=about, expr=expr)


def known_speed(record: str, fresh: str, about: str, there: str) -> Recording:
    """Like `known`, for a speed: it keeps its value as soon as a collection fails.

    Between the first failure and the maximum age the exporter shows the same data in every scrape, which a
    speed would take for a standstill.
    """
    repeated = known(record, fresh, about, there)
    return Recording(
        record=record,
        about=about,
        expr=f"({record} and on (exchange, account) risk:account:failing:bool == 1)\nor\n{repeated.expr}",
    )


def known_of_source(record: str, fresh: str, about: str) -> Recording:
    """The last known value of what the exporter says about itself: repeated while it does not answer."""
    return Recording(
        record=record,
        about=about,
        expr=f"{dedented(fresh)}\nor\n({record} and on (job, instance) risk:exporter:silent:bool == 1)",
    )
