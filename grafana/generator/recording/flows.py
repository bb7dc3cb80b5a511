"""Money that moved into an account or out of it: what neither the market nor a closed position explains.

A wallet falls by a withdrawal, and by a loss that is realized; a loss that is realized raises the unrealized
PnL by as much, a withdrawal does not. What a position loses in the very minute in which it is closed was
never seen as unrealized: for that a part of what was closed is allowed.
"""

from __future__ import annotations

from typing import Final

from grafana.generator import thresholds as t
from grafana.generator.promql import POOL
from grafana.generator.recording.known import known
from grafana.generator.rules import Recording

_STABLECOINS: Final = "|".join(t.STABLECOINS)
_ASSET: Final = "exchange, account, asset"
_SEEN: Final = "and on (exchange, account) risk:account:blind:bool == 0"

PNL: Final = Recording(
    record="risk:account:unrealized_pnl_usd:sum",
    about="Unrealized PnL of the account in USD.",
    expr=f"""
    sum by (exchange, account) (
      max by ({POOL}) (risk_account_unrealized_pnl)
        * on ({POOL})
        (
          max by ({POOL}) (risk_account_equity_usd)
          / on ({POOL}) (max by ({POOL}) (risk_account_equity) != 0)
        )
      or
      max by ({POOL}) (risk_account_unrealized_pnl) == 0
    )
    """,
)

FLOWS: Final = (
    Recording(
        record="risk:account:wallet_usd:delta1m",
        about="Change of the wallets of the account within a minute, in USD at the prices of a minute "
        "before: "
        "of its coins where they are told one by one, else of its pools.",
        expr=f"""
        sum by (exchange, account) (
          (
            (max by ({_ASSET}) (risk_asset_wallet_balance)
              or 0 * max by ({_ASSET}) (risk_asset_wallet_balance offset 1m))
            - max by ({_ASSET}) (risk_asset_wallet_balance offset 1m)
          )
            * on ({_ASSET})
            (
              max by ({_ASSET}) (risk_asset_price_usd offset 1m)
              or
              group by ({_ASSET}) (risk_asset_wallet_balance{{asset=~"{_STABLECOINS}"}} offset 1m)
            )
        )
        or
        sum by (exchange, account) (
          (
            (max by ({POOL}) (risk_account_wallet_balance)
              or 0 * max by ({POOL}) (risk_account_wallet_balance offset 1m))
            - max by ({POOL}) (risk_account_wallet_balance offset 1m)
          )
            * on ({POOL})
            (
              max by ({POOL}) (risk_account_equity_usd offset 1m)
              / on ({POOL}) (max by ({POOL}) (risk_account_equity offset 1m) != 0)
            )
        )
        """,
    ),
    Recording(
        record="risk:account:closed_usd:delta1m",
        about="What the closing of positions in the last minutes may have lost without having been seen "
        "as unrealized, "
        "in USD: "
        f"{t.CLOSED_WITHIN_A_MINUTE.value:.0%} of the notional, for {t.CLOSED_WITHIN_A_MINUTE.reason}.",
        expr=f"""
        {t.CLOSED_WITHIN_A_MINUTE.text} * clamp_min(
          sum by (exchange, account) (max by ({POOL}) (max_over_time(risk_account_gross_notional_usd[3m])))
          - on (exchange, account)
          sum by (exchange, account) (max by ({POOL}) (risk_account_gross_notional_usd)),
          0
        )
        """,
    ),
    Recording(
        record="risk:account:outflow_usd:delta1m",
        about="USD that left the account within a minute: what its wallets lost more than its unrealized PnL "
        "gained, and not more than its equity lost.",
        expr=f"""
        clamp_min(
          (
            -risk:account:wallet_usd:delta1m
            - on (exchange, account)
            (clamp_min(
              risk:account:unrealized_pnl_usd:sum - (risk:account:unrealized_pnl_usd:sum offset 1m), 0
            ) or 0 * risk:account:wallet_usd:delta1m)
            - on (exchange, account)
            (risk:account:closed_usd:delta1m or 0 * risk:account:wallet_usd:delta1m)
          )
            < ((risk:account:equity_usd:sum offset 1m) - risk:account:equity_usd:sum)
          or
          ((risk:account:equity_usd:sum offset 1m) - risk:account:equity_usd:sum),
          0
        )
          {_SEEN}
          and on (exchange, account) risk:account:wallet_usd:delta1m
        """,
    ),
    Recording(
        record="risk:account:inflow_usd:delta1m",
        about="USD that came into the account within a minute: what its wallets gained more than its "
        "unrealized "
        "PnL lost, and not more than its equity gained.",
        expr=f"""
        clamp_min(
          (
            risk:account:wallet_usd:delta1m
            - on (exchange, account)
            (clamp_min(
              (risk:account:unrealized_pnl_usd:sum offset 1m) - risk:account:unrealized_pnl_usd:sum, 0
            ) or 0 * risk:account:wallet_usd:delta1m)
            - on (exchange, account)
            (risk:account:closed_usd:delta1m or 0 * risk:account:wallet_usd:delta1m)
          )
            < (risk:account:equity_usd:sum - (risk:account:equity_usd:sum offset 1m))
          or
          (risk:account:equity_usd:sum - (risk:account:equity_usd:sum offset 1m)),
          0
        )
          {_SEEN}
          and on (exchange, account) risk:account:wallet_usd:delta1m
        """,
    ),
    Recording(
        record="risk:account:outflow_usd:sum1h",
        about="USD that left the account within an hour and is in no other account either: not more than "
        "what "
        "left all accounts together and came into none.",
        expr="""
        (
          sum_over_time(risk:account:outflow_usd:delta1m[1h])
            < on () group_left ()
            (
              sum(sum_over_time(risk:account:outflow_usd:delta1m[1h]))
              - sum(sum_over_time(risk:account:inflow_usd:delta1m[1h]))
            )
        )
        or on (exchange, account)
        clamp_min(
          0 * sum_over_time(risk:account:outflow_usd:delta1m[1h])
          + on () group_left ()
          (
            sum(sum_over_time(risk:account:outflow_usd:delta1m[1h]))
            - sum(sum_over_time(risk:account:inflow_usd:delta1m[1h]))
          ),
          0
        )
        """,
    ),
    *(
        Recording(
            record=f"risk:account:moved_out_usd:sum{window}",
            about=f"USD that left the account in the last {words}, less what came in, but not less than 0.",
            expr=f"""
            clamp_min(
              sum_over_time(risk:account:outflow_usd:delta1m[{window}])
              - on (exchange, account) sum_over_time(risk:account:inflow_usd:delta1m[{window}]),
              0
            )
            """,
        )
        for window, words in (("1d", "day"), ("7d", "7 days"))
    ),
)

OUTFLOW: Final = known(
    "risk:account:outflow_share:known",
    """
    risk:account:outflow_usd:sum1h
      / on (exchange, account) (max_over_time(risk:account:equity_usd:sum[1h]) > 0)
    """,
    "Share of the equity that left the account within an hour and is in no other one.",
)
