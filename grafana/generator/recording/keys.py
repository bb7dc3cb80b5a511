"""What the API keys can do, and when they expire."""

from __future__ import annotations

from typing import Final

from grafana.generator.recording.known import known
from grafana.generator.rules import Recording

RULES: Final = (
    known(
        "risk:account:key_permission:known",
        "max by (exchange, account, permission) (risk_api_key_permission)",
        "1 if the account's API key may do that, else 0.",
    ),
    known(
        "risk:account:key_expiry_timestamp_seconds:known",
        "min by (exchange, account) (risk_api_key_expiry_timestamp_seconds)",
        "When the account's API key expires.",
    ),
    Recording(
        record="risk:account:key_days:left",
        about="Days until then; below 0 if that is over.",
        expr="(risk:account:key_expiry_timestamp_seconds:known - time()) / 86400",
    ),
)
