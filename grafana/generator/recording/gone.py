"""What was in danger and is not there any longer: liquidated, or closed by somebody.

An alert about a danger ends with it, and a liquidation ends it too. Nothing here is repeated: it is told for
as long as the danger stands in the last ten minutes.
"""

from __future__ import annotations

from typing import Final

from grafana.generator.promql import POOL, POSITION
from grafana.generator.recording.limits import MIN_NOTIONAL, limit
from grafana.generator.rules import Recording

_SEEN: Final = "and on (exchange, account) risk:account:blind:bool == 0"

RULES: Final = (
    Recording(
        record="risk:account:gone_positions:last",
        about="How many positions were open in an account when it was last seen, if it was taken out of the "
        "configuration within the last hour.",
        expr="""
        max by (exchange, account) (last_over_time(risk_positions[1h]))
          and on (exchange, account) last_over_time(risk:account:up:known[1h])
          unless on (exchange, account) risk:account:up:known
        """,
    ),
    Recording(
        record="risk:account:unvalued_positions:count",
        about="How many positions are open in an account that is seen and of which no equity is told.",
        expr=f"""
        max by (exchange, account) (risk_positions)
          {_SEEN}
          unless on (exchange, account) (risk_account_equity or risk_account_margin_equity)
        """,
    ),
    Recording(
        record="risk:account:equity_usd:lost10m",
        about="USD that the account's equity is below its peak of the last ten minutes.",
        expr="max_over_time(risk:account:equity_usd:sum[10m]) - risk:account:equity_usd:sum",
    ),
    Recording(
        record="risk:position:gone_distance_ratio:last",
        about="Last known distance of a position that was near its liquidation within the last ten minutes "
        "and "
        "is gone, while its account is seen.",
        expr=f"""
        (
          last_over_time(risk:position:liquidation_distance_ratio:known[10m])
            unless on ({POSITION}) risk:position:liquidation_distance_ratio:known
            unless on ({POSITION}) risk_position_info
            unless on ({POSITION}) last_over_time(risk:position:small_notional_usd:known[10m])
            {_SEEN}
        )
          < on (exchange, account) group_left () {limit("liquidation_distance", "info")}
        """,
    ),
    Recording(
        record="risk:position:unrealized_pnl_usd:near",
        about="Unrealized PnL in USD of a position that is near its liquidation: at what its pool counts its "
        "currency, at the venue's price of the coin, else as if the coin were a dollar.",
        expr=f"""
        max by ({POSITION}) (risk_position_unrealized_pnl)
          * on ({POOL}) group_left ()
          (
            max by ({POOL}) (risk_account_equity_usd)
              / on ({POOL}) (max by ({POOL}) (risk_account_equity) != 0)
            or
            max by ({POOL}) (label_replace(risk_asset_price_usd, "currency", "$1", "asset", "(.+)"))
            or
            1 + 0 * max by ({POOL}) (risk_position_unrealized_pnl)
          )
          and on ({POSITION})
          (
            risk:position:liquidation_distance_ratio:known
              < on (exchange, account) group_left () {limit("liquidation_distance", "info")}
          )
        """,
    ),
    Recording(
        record="risk:account:wallet_usd:sum",
        about="Equity of the account without the unrealized PnL of its positions, in USD; with it where that "
        "is not known.",
        expr="""
        risk:account:equity_usd:sum - on (exchange, account) risk:account:unrealized_pnl_usd:sum
          or
          risk:account:equity_usd:sum
        """,
    ),
    Recording(
        record="risk:position:wallet_usd:near",
        about="The same of the account of a position that is near its liquidation, if it were closed at the "
        "mark: what its other positions win or lose does not move it.",
        expr=f"""
        risk:position:unrealized_pnl_usd:near
          + on (exchange, account) group_left ()
          (risk:account:wallet_usd:sum and on (exchange, account) risk:account:unrealized_pnl_usd:sum)
        or
        (
          0 * risk:position:liquidation_distance_ratio:known
            and
            risk:position:liquidation_distance_ratio:known
              < on (exchange, account) group_left () {limit("liquidation_distance", "info")}
        )
          + on (exchange, account) group_left ()
          (risk:account:wallet_usd:sum unless on (exchange, account) risk:account:unrealized_pnl_usd:sum)
        """,
    ),
    Recording(
        record="risk:position:gone_loss_ratio:room",
        about="What its account lost more by its end than by closing it where it was nearest to liquidation, "
        "as a ratio of what it still could lose there: its notional * its distance. Of all that it had lost "
        "before, nothing tells whether it was liquidated. Absent where one of them is not known.",
        expr=f"""
        (
          min_over_time(risk:position:wallet_usd:near[10m])
            - on (exchange, account) group_left ()
            risk:account:wallet_usd:sum
        )
          / on ({POSITION})
          (
            min_over_time(risk:position:liquidation_distance_ratio:known[10m])
              * on ({POSITION})
              abs(max by ({POSITION}) (last_over_time(risk:position:notional_usd:known[10m])))
              and on ({POSITION}) risk:position:gone_distance_ratio:last
          )
        """,
    ),
    Recording(
        record="risk:account:emptied_margin_rate:max10m",
        about="Highest maintenance margin rate within the last ten minutes of a pool whose rate was "
        "critical and "
        "which has no cross position any longer, while its account is seen.",
        expr=f"""
        (
          max_over_time(risk:account:maintenance_margin_rate:known[10m])
            unless on ({POOL}) risk:account:maintenance_margin_rate:known > 0
            unless on ({POOL}) risk_account_maintenance_margin > 0
            {_SEEN}
        )
          > on (exchange, account) group_left () {limit("maintenance_margin_rate", "critical")}
          unless on ({POOL})
          (
            max_over_time(risk:account:gross_notional_usd:known[10m])
              < on (exchange, account) group_left () {MIN_NOTIONAL}
          )
        """,
    ),
)
