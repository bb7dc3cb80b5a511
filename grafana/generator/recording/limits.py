"""When somebody is told about an account, and whose it is: what its configuration says, else the defaults."""

from __future__ import annotations

from typing import Final

from exporter import desk
from grafana.generator import thresholds as t
from grafana.generator.rules import Recording


def limit(name: str, severity: str) -> str:
    """The series with an account's limit of this kind and severity."""
    return f"risk:account:limit_{name}:{severity}"


MIN_NOTIONAL: Final = limit("min_notional_usd", "any")


def _limit(
    name: str, severity: str, *, matchers: str, stricter: str, default: float | None, about: str
) -> Recording:
    record = limit(name, severity)
    expr = f"""\
{stricter} by (exchange, account) (risk_account_limit{{{matchers}}})
or
({record} and on (exchange, account) risk:account:blind:bool == 1)"""
    if default is not None:
        expr += f"""
or on (exchange, account)
({default:g} + 0 * max by (exchange, account) (risk:account:up:known))"""
    return Recording(record=record, about=about, expr=expr)


LIMITS: Final = (
    *(
        _limit(
            kind.name,
            severity,
            matchers=f'limit="{kind.name}", severity="{severity}"',
            stricter="min" if kind.above else "max",
            default=None if default is None else default.value,
            about=f"Limit ({severity}), {kind.unit}: {kind.meaning}",
        )
        for kind in desk.KINDS
        for severity, default in kind.defaults.items()
    ),
    _limit(
        "min_notional_usd",
        "any",
        matchers='limit="min_notional_usd"',
        stricter="min",
        default=t.MIN_NOTIONAL.value,
        about=f"Notional in USD below which nobody is told of a danger: {t.MIN_NOTIONAL.reason}.",
    ),
)

OWNER: Final = Recording(
    record="risk:account:owner:info",
    about="Whose the account is, as labels; every account has exactly one of these series, so that alerts "
    "can "
    "be joined with it.",
    expr="""
    topk by (exchange, account) (1, group by (exchange, account, desk, owner) (risk_account_owner_info))
    or on (exchange, account)
    (risk:account:owner:info and on (exchange, account) risk:account:blind:bool == 1)
    or on (exchange, account)
    group by (exchange, account) (risk:account:up:known)
    """,
)
