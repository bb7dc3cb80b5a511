"""What is known about single positions."""

from __future__ import annotations

from typing import Final

from grafana.generator.promql import POSITION
from grafana.generator.recording.known import POSITION_AT_RISK, POSITION_OPEN, known

RULES: Final = (
    known(
        "risk:position:liquidation_distance_ratio:known",
        f"min by ({POSITION}) (risk_position_liquidation_distance_ratio)",
        "Relative move of the mark, against the position, that reaches its liquidation price.",
        POSITION_AT_RISK,
    ),
    known(
        "risk:position:liquidation_price_unknown:known",
        f"""
        max by ({POSITION}) (risk_position_info{{margin_mode="cross", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
        """,
        "1 for a cross position that some price liquidates, or may, and of which nobody can tell how far "
        "away that is: the liquidation price is not known, or the mark price is not.",
    ),
    known(
        "risk:position:liquidation_unwatched:known",
        f"""
        max by ({POSITION}) (risk_position_info{{margin_mode="cross", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
          unless on (exchange, account) risk_account_maintenance_margin_rate
        """,
        "1 for such a position if its account has no maintenance margin rate either.",
    ),
    known(
        "risk:position:adl_ratio:known",
        f"max by ({POSITION}) (risk_position_adl_ratio)",
        "Place in the auto-deleveraging queue; 1 is the front.",
        POSITION_OPEN,
    ),
)
