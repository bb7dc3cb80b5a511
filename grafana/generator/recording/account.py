"""What is known about accounts: margin, equity, collateral."""

from __future__ import annotations

from typing import Final

from grafana.generator import thresholds as t
from grafana.generator.promql import POOL, POSITION
from grafana.generator.recording.known import (
    ACCOUNT_THERE,
    ASSET_THERE,
    POOL_THERE,
    POOL_UNMEASURED,
    POOL_WITH_POSITIONS,
    known,
)
from grafana.generator.recording.limits import MIN_NOTIONAL
from grafana.generator.rules import Recording

_STABLECOINS: Final = "|".join(t.STABLECOINS)
_WINDOWS: Final = (("1d", "day"), ("7d", "7 days"))

RULES: Final = (
    known(
        "risk:account:maintenance_margin_rate:known",
        f"max by ({POOL}) (risk_account_maintenance_margin_rate)",
        "What the cross positions require / margin equity; 1 is liquidation; +Inf without equity.",
        POOL_THERE,
    ),
    known(
        "risk:account:liquidation_shock_ratio:known",
        f"min by ({POOL}, direction) (risk_account_liquidation_shock_ratio)",
        "Smallest joint move of all coins that liquidates anything in the currency.",
        POOL_UNMEASURED,
    ),
    Recording(
        record="risk:account:maintenance_margin_rate:old",
        about="The last known one of a pool whose account is seen while its rate is not told any longer.",
        expr=f"""
        risk:account:maintenance_margin_rate:known
          unless on ({POOL}) risk_account_maintenance_margin_rate
          and on (exchange, account) risk:account:blind:bool == 0
        """,
    ),
    known(
        "risk:account:gross_notional_usd:known",
        f"max by ({POOL}) (risk_account_gross_notional_usd)",
        "Gross notional of the pool in USD.",
        POOL_THERE,
    ),
    known(
        "risk:account:short_options:known",
        f"""
        count by (exchange, account) (
          max by ({POSITION}) (risk_position_info{{contract_kind="option", side="short"}})
        )
        """,
        "How many options the account has sold.",
    ),
    Recording(
        record="risk:account:small_notional_usd:known",
        about="Gross notional of pools that are too small for anybody to be told of their danger; absent "
        "for all others, where it is not known, and of accounts that sold options: far from their strike "
        "these have hardly a delta, and bind margin all the same.",
        expr=f"""
        risk:account:gross_notional_usd:known
          < on (exchange, account) group_left () {MIN_NOTIONAL}
          unless on (exchange, account) risk:account:short_options:known
        """,
    ),
    Recording(
        record="risk:account:maintenance_margin_rate:max",
        about="Highest margin rate of the pools of the account, small ones left out.",
        expr=f"""
        max by (exchange, account) (
          risk:account:maintenance_margin_rate:known unless on ({POOL}) risk:account:small_notional_usd:known
        )
        """,
    ),
    known(
        "risk:account:leverage_ratio:known",
        f"max by ({POOL}) (risk_account_leverage_ratio)",
        "Gross notional / equity.",
        POOL_WITH_POSITIONS,
    ),
    Recording(
        record="risk:account:equity_usd:sum",
        about="Equity of the account in USD. Absent if one of its pools has no known price: a sum "
        "without it would look like a loss.",
        expr=f"""
        sum by (exchange, account) (max by ({POOL}) (risk_account_equity_usd))
          and on (exchange, account)
          (
            count by (exchange, account) (
              max by ({POOL}) (risk_account_equity_usd)
            )
            == on (exchange, account)
            count by (exchange, account) (
              max by ({POOL}) (risk_account_equity or risk_account_margin_equity)
            )
          )
        """,
    ),
    known(
        "risk:account:equity_usd:known",
        "risk:account:equity_usd:sum",
        "Equity of the account in USD.",
        ACCOUNT_THERE,
    ),
    known(
        "risk:asset:usd_peg_deviation:known",
        f"""
        max by (exchange, account, asset) (
          abs(risk_asset_price_usd{{asset=~"{_STABLECOINS}"}} - 1)
        )
        """,
        "How far the exchange's price of a stablecoin is from one US dollar, unsigned.",
        ASSET_THERE,
    ),
    known(
        "risk:asset:small_equity_usd:known",
        f"""
        abs(max by (exchange, account, asset) (risk_asset_equity{{asset=~"{_STABLECOINS}"}}))
          < on (exchange, account) group_left () {MIN_NOTIONAL}
        """,
        "Stablecoins of which an account has too little for anybody to be told of their price.",
    ),
)

DRAWDOWN: Final = tuple(
    known(
        f"risk:account:equity_usd_drawdown_{window}:known",
        f"""
        clamp_min(
          risk:account:equity_usd:max{window} - risk:account:equity_usd:sum
          - on (exchange, account)
          (risk:account:moved_out_usd:sum{window} or 0 * risk:account:equity_usd:sum),
          0
        )
          / (risk:account:equity_usd:max{window} > 0)
        """,
        f"Loss of equity since the peak of the last {words}, as a ratio of the peak; what was moved out in "
        "that "
        "time is no loss.",
        ACCOUNT_THERE,
    )
    for window, words in _WINDOWS
)

PEAKS: Final = tuple(
    Recording(
        record=f"risk:account:equity_usd:max{window}",
        about=f"Highest equity of the account in USD of the last {words}.",
        expr=f"max_over_time(risk:account:equity_usd:sum[{window}])",
    )
    for window, words in _WINDOWS
)
