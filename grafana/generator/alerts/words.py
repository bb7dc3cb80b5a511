"""What the texts of several alerts say in the same words."""

from __future__ import annotations

from typing import Final

from grafana.generator.placeholders import for_each, label, of_each, query, unless_any

ACCOUNT: Final = f"{label('account')} on {label('exchange')}"
POSITION: Final = f"{label('symbol')} {label('side')} ({label('margin_mode')}) of {ACCOUNT}"
POOL: Final = f"pool {label('currency')}"

SPEAKS_ON: Final = "2m"
"""How long an alert that speaks for those of many accounts outlives its cause: until the last of them is
collected again. Or each that is later than the first would send a message of its own when all is over."""

OF_ACCOUNT: Final = ("exchange", "account")
OF_POOL: Final = (*OF_ACCOUNT, "currency")
OF_POSITION: Final = (*OF_ACCOUNT, "symbol", "side", "margin_mode", "position_id")


def last_known(metric: str, *names: str) -> str:
    """Says so, if the alert goes on with what was last known: the exporter does not show the metric now."""
    return unless_any(
        query(f"{metric}{{%s}}", *names), " Nobody can see this figure now: it is the last known one."
    )


ROOM_OF_POSITION: Final = for_each(
    query("risk:position:margin_to_warning_usd:estimate{%s}", *OF_POSITION),
    f" About {of_each('humanize')} USD more collateral take it back beyond the limit of the warning.",
)

WAY_BACK_OF_POOL: Final = for_each(
    query("max(risk_account_margin_to_target{%s}) > 0", *OF_POOL),
    f" Back to the target: add {of_each('humanize')} {label('currency')}.",
) + for_each(
    query("max(risk_account_reduction_to_target_ratio{%s}) > 0", *OF_POOL),
    f" Back to the target: close {of_each('humanizePercentage')} of every cross position.",
)

WAY_BACK_OF_POSITION: Final = for_each(
    query("max(risk_position_margin_to_target{%s}) > 0", *OF_POSITION),
    f" Back to the target: add {of_each('humanize')} {label('currency')} to it.",
) + for_each(
    query("max(risk_position_reduction_to_target_ratio{%s}) > 0", *OF_POSITION),
    f" Back to the target: close {of_each('humanizePercentage')} of it.",
)

LOST: Final = for_each(
    query("risk:account:equity_usd:lost10m{%s}", *OF_ACCOUNT),
    f" The equity of the account is {of_each('humanize')} USD below its peak of the last 10 minutes.",
)
