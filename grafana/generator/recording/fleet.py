"""What all accounts hold together: exposure and concentration."""

from __future__ import annotations

from typing import Final

from grafana.generator.promql import POSITION
from grafana.generator.recording.known import POSITION_OPEN, known
from grafana.generator.rules import Recording

NOTIONAL: Final = (
    Recording(
        record="risk:position:notional_usd:signed",
        about="Notional in USD with the base coin as a label; short positions are negative.",
        expr=f"""
        (
          max by ({POSITION}) (risk_position_notional_usd{{side="long"}})
          or
          -1 * max by ({POSITION}) (risk_position_notional_usd{{side="short"}})
        )
          * on ({POSITION}) group_left (base)
          max by ({POSITION}, base) (risk_position_info)
        """,
    ),
    known(
        "risk:position:notional_usd:known",
        "risk:position:notional_usd:signed",
        "Notional in USD with the base coin as a label; short positions are negative.",
        POSITION_OPEN,
    ),
    Recording(
        record="risk:position:option_delta_usd:signed",
        about="Delta in USD of each position in options with the base coin as a label; negative is short the "
        "coin.",
        expr=f"""
        max by ({POSITION}) (risk_position_delta_usd)
          * on ({POSITION}) group_left (base)
          max by ({POSITION}, base) (risk_position_info)
        """,
    ),
    known(
        "risk:position:option_delta_usd:known",
        "risk:position:option_delta_usd:signed",
        "Delta in USD of each position in options with the base coin as a label; negative is short the coin.",
        POSITION_OPEN,
    ),
)

_SIGNED: Final = "(risk:position:notional_usd:signed or risk:position:option_delta_usd:signed)"
_KNOWN: Final = "(risk:position:notional_usd:known or risk:position:option_delta_usd:known)"

SHARES: Final = (
    Recording(
        record="risk:exchange:equity_usd_share:known",
        about="Share of the exchange in the positive equity of all accounts; failing accounts count "
        "with their last known equity.",
        expr="""
        sum by (exchange) (clamp_min(risk:account:equity_usd:known, 0))
          / on () group_left ()
          (sum(clamp_min(risk:account:equity_usd:known, 0)) > 0)
        """,
    ),
    Recording(
        record="risk:base:gross_notional_usd:sum",
        about="Long plus short notional in the coin over all accounts with fresh data; options count with "
        "their delta.",
        expr=f"sum by (base) (abs{_SIGNED})",
    ),
    Recording(
        record="risk:base:net_notional_usd:sum",
        about="Long minus short notional in the coin over all accounts with fresh data; options count with "
        "their delta.",
        expr=f"sum by (base) {_SIGNED}",
    ),
    Recording(
        record="risk:base:gross_notional_usd_share:known",
        about="Share of the coin in the gross notional of all accounts; failing accounts count with "
        "their last known positions, and options with their delta.",
        expr=f"""
        sum by (base) (abs{_KNOWN})
          / on () group_left ()
          (sum(abs{_KNOWN}) > 0)
        """,
    ),
)
