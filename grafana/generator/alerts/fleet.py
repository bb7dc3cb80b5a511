"""Alerts about all accounts together: concentration, stablecoins. They lead to the Fleet dashboard."""

from __future__ import annotations

from typing import Final

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.placeholders import PERCENT, for_each, label, label_of_each, of_each, query
from grafana.generator.rules import Alert, Severity
from grafana.generator.thresholds import Threshold

_DASHBOARD: Final = links.dashboard(links.FLEET_UID)

EXCHANGE_CONCENTRATION: Final = Alert(
    name="RiskExchangeConcentration",
    severity="info",
    category="risk",
    thresholds=(t.EXCHANGE_CONCENTRATION,),
    expr=f"""
    risk:exchange:equity_usd_share:known > {t.EXCHANGE_CONCENTRATION.text}
      and on () count(risk:exchange:equity_usd_share:known) > 1
    """,
    hold="1h",
    hold_reason="a transfer between exchanges is on its way for less",
    keep="1h",
    summary=f"{PERCENT} of all equity is at {label('exchange')}",
    description=f"The exchange holds {PERCENT} of the equity of all accounts "
    f"(limit {t.EXCHANGE_CONCENTRATION.value:.0%}). Silent if there is only one exchange.",
    dashboard=_DASHBOARD,
)

COIN_CONCENTRATION: Final = Alert(
    name="RiskCoinConcentration",
    severity="info",
    category="risk",
    thresholds=(t.COIN_CONCENTRATION,),
    expr=f"""
    risk:base:gross_notional_usd_share:known > {t.COIN_CONCENTRATION.text}
      and on () count(risk:base:gross_notional_usd_share:known) > 1
    """,
    hold="1h",
    hold_reason="rebalancing takes less",
    keep="1h",
    summary=f"{PERCENT} of all gross notional is in {label('base')}",
    description=f"Long plus short positions in {label('base')} are {PERCENT} of those of all coins "
    f"(limit {t.COIN_CONCENTRATION.value:.0%}). Silent if there is only one coin.",
    dashboard=_DASHBOARD,
)


_HOLDERS: Final = for_each(
    query("sort_desc(max by (account) (risk_asset_equity{%s}))", "exchange", "asset"),
    f" {label_of_each('account')}: {of_each('humanize')} {label('asset')}.",
)


def _off_peg(severity: Severity, limit: Threshold) -> Alert:
    return Alert(
        name="RiskStablecoinOffPeg",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"""
        max by (exchange, asset) (
          risk:asset:usd_peg_deviation:known
            unless on (exchange, account, asset) risk:asset:small_equity_usd:known
        ) > {limit.text}
        """,
        hold="5m",
        hold_reason="a spike in a thin index passes",
        keep="30m",
        summary=f"{label('asset')} on {label('exchange')} is {PERCENT} off one US dollar",
        description=f"The exchange's price of {label('asset')} differs from 1 USD by {PERCENT} "
        f"(limit {limit.value:.0%}). Collateral in it is worth less, or more, than its face "
        f"value.{_HOLDERS}",
        dashboard=_DASHBOARD,
    )


STABLECOIN_OFF_PEG: Final = (
    _off_peg("warning", t.STABLECOIN_PEG_WARNING),
    _off_peg("critical", t.STABLECOIN_PEG_CRITICAL),
)
