"""What the texts of several alerts say in the same words."""

from __future__ import annotations

from typing import Final

from grafana.generator.placeholders import label

ACCOUNT: Final = f"{label('account')} on {label('exchange')}"
POSITION: Final = f"{label('symbol')} {label('side')} ({label('margin_mode')}) of {ACCOUNT}"
POOL: Final = f"pool {label('currency')}"
LAST_KNOWN: Final = " While the account fails, or this figure is missing, this is the last known value."
