"""When contracts expire whose names carry a day, such as ``5AUG25``."""

from __future__ import annotations

from datetime import UTC, datetime

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_HOUR = 8
"""In UTC, of every expiry at Deribit and Bybit.

Sources: https://docs.deribit.com/articles/naming-conventions ,
https://bybit-exchange.github.io/docs/v5/market/instrument (`deliveryTime` of options)
"""


def expiry_of(day: str) -> float | None:
    """Unix seconds; None of what is no day of the calendar.

    Args:
        day: One or two digits of the day, three letters of the month, two digits of the year.
    """
    try:
        moment = datetime(
            2000 + int(day[-2:]), _MONTHS.index(day[-5:-2]) + 1, int(day[:-5]), _HOUR, tzinfo=UTC
        )
    except ValueError:
        return None
    return moment.timestamp()
