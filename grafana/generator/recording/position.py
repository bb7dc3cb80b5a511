"""What is known about single positions."""

from __future__ import annotations

from typing import Final

from grafana.generator.promql import POSITION
from grafana.generator.recording.known import POSITION_AT_RISK, POSITION_OPEN, known
from grafana.generator.recording.limits import MIN_NOTIONAL, limit
from grafana.generator.rules import Recording

RULES: Final = (
    known(
        "risk:position:liquidation_distance_ratio:known",
        f"min by ({POSITION}) (risk_position_liquidation_distance_ratio)",
        "Relative move of the mark, against the position, that reaches its liquidation price.",
        POSITION_AT_RISK,
    ),
    Recording(
        record="risk:position:liquidation_distance_ratio:min2m",
        about="The smallest of the last two minutes.",
        expr="min_over_time(risk:position:liquidation_distance_ratio:known[2m])",
    ),
    Recording(
        record="risk:position:liquidation_distance_ratio:old",
        about="The last known one of a position whose account is seen while its distance is not told any "
        "longer.",
        expr=f"""
        risk:position:liquidation_distance_ratio:known
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
          and on (exchange, account) risk:account:blind:bool == 0
        """,
    ),
    known(
        "risk:position:maintenance_margin_rate:known",
        f"max by ({POSITION}) (risk_position_maintenance_margin_rate)",
        "What an isolated position requires / its own collateral; 1 is liquidation; +Inf without any.",
        POSITION_OPEN,
    ),
    known(
        "risk:position:liquidation_price_unknown:known",
        f"""
        max by ({POSITION}) (risk_position_info{{liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
        """,
        "1 for a position that some price liquidates, or may, and of which nobody can tell how far away that "
        "is: the liquidation price is not known, or the mark price is not.",
    ),
    known(
        "risk:position:liquidation_unwatched:known",
        f"""
        max by ({POSITION}) (risk_position_info{{margin_mode="cross", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
          unless on (exchange, account) risk_account_maintenance_margin_rate
        or
        max by ({POSITION}) (risk_position_info{{margin_mode="isolated", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
          unless on ({POSITION}) risk_position_maintenance_margin_rate
        or
        max by ({POSITION}) (risk_position_info{{contract_kind="option", side="short"}})
          unless on (exchange, account) risk_account_maintenance_margin_rate
          unless on ({POSITION}) risk_position_maintenance_margin_rate
        """,
        "1 for such a position, and for an option that was sold, if nothing else tells how near it is "
        "either: the maintenance margin rate of its account, or its own if it is isolated.",
    ),
    known(
        "risk:position:adl_ratio:known",
        f"max by ({POSITION}) (risk_position_adl_ratio)",
        "Place in the auto-deleveraging queue; 1 is the front.",
        POSITION_OPEN,
    ),
)

_CROSS_SYMBOL: Final = "exchange, account, symbol, currency"

SMALL: Final = Recording(
    record="risk:position:small_notional_usd:known",
    about="Notional of positions that are too small for anybody to be told of their danger; absent for all "
    "others, "
    "and where it is not known.",
    expr=f"""
    abs(max by ({POSITION}) (risk:position:notional_usd:known))
      < on (exchange, account) group_left () {MIN_NOTIONAL}
    """,
)

NEAREST: Final = Recording(
    record="risk:account:liquidation_distance_ratio:min",
    about="Liquidation distance of the position of the account which is nearest to it, small ones left out.",
    expr=f"""
    min by (exchange, account) (
      risk:position:liquidation_distance_ratio:known
        unless on ({POSITION}) risk:position:small_notional_usd:known
    )
    """,
)

MISSING_MARGIN: Final = Recording(
    record="risk:position:margin_to_warning_usd:estimate",
    about="About how much collateral, in USD, brings the position back to the distance at which the warning "
    "ends: "
    "what it would lose on the way. Cross legs of a symbol lose and win together: what counts is their net.",
    expr=f"""
    abs(
      max by ({POSITION}) (risk:position:notional_usd:known{{margin_mode!="cross"}})
      or
      (
        0 * max by ({POSITION}) (risk:position:notional_usd:known{{margin_mode="cross"}})
        + on ({_CROSS_SYMBOL}) group_left ()
        sum by ({_CROSS_SYMBOL}) (risk:position:notional_usd:known{{margin_mode="cross"}})
      )
    )
      * on ({POSITION})
      (
        {limit("liquidation_distance", "warning")}
          - on (exchange, account) group_right ()
          risk:position:liquidation_distance_ratio:known
          > 0
      )
    """,
)
