"""Recording and alert rules as tables, and how they are written as YAML.

*Last known values.* When an account cannot be collected any longer its series vanish, and they must, because
old numbers would be lies. An alert that watched such a series would resolve at the very moment nobody can see
the account. So alerts watch series that end in ``:known``. Such a rule repeats its own last value while the
account cannot be collected or its exporter does not answer, and while a collection leaves the figure out
although what it is about is still there (a request for marks or tiers failed). It follows the exporter's
series otherwise. A position that was closed, or an account that was taken out of the configuration, vanishes
from it with the next evaluation. Dashboards show the exporter's own series, which are never old.

All rules that repeat themselves stand in one group with the rules that say who is blind: Prometheus evaluates
groups at different moments, and with the blindness of a moment ago all memory would be lost if an exporter
died between the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import dedent, indent
from typing import Final, Literal

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.thresholds import Threshold

Severity = Literal["info", "warning", "critical"]
Category = Literal["risk", "collection", "blindness", "venue", "exporter"]

POOL: Final = "exchange, account, currency, pool"
POSITION: Final = "exchange, account, symbol, side, margin_mode, currency, position_id"
SOURCE: Final = "exchange, account, job, instance"
"""An account as one exporter sees it."""


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One recording rule."""

    record: str
    expr: str
    about: str


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert rule; ``name`` may appear once for each severity and window."""

    name: str
    severity: Severity
    category: Category
    expr: str
    hold: str
    """The ``for`` of the rule."""
    hold_reason: str
    keep: str | None = None
    """The ``keep_firing_for`` of the rule; every alert about risk has one."""
    thresholds: tuple[Threshold, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Labels besides severity and category."""
    summary: str
    description: str
    dashboard: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rules that are evaluated one after another, from top to bottom."""

    name: str
    about: str
    rules: tuple[Recording | Alert, ...]
    interval: str | None = None
    """How often they are evaluated; None means Prometheus' ``evaluation_interval``."""


def _text(expr: str) -> str:
    return dedent(expr).strip()


_POSITION_OPEN: Final = f"and on ({POSITION}) risk_position_info"
_POSITION_AT_RISK: Final = f'and on ({POSITION}) risk_position_info{{liquidation_source!="none"}}'
_POSITION_UNMEASURED: Final = f"""\
and on ({POSITION})
  (risk_position_info{{liquidation_source!="none"}}
    unless on ({POSITION}) risk_position_liquidation_distance_ratio)"""
_POOL_THERE: Final = f"and on ({POOL}) risk_account_equity"
_POOL_UNMEASURED: Final = f"""\
and on ({POOL})
  (risk_account_equity unless on ({POOL})
    (risk_account_maintenance_margin_rate and on ({POOL}) risk_account_gross_notional_usd))"""
_POOL_WITH_POSITIONS: Final = f"""\
and on ({POOL})
  (risk_account_equity unless on ({POOL}) risk_account_gross_notional_usd == 0)"""
_ACCOUNT_THERE: Final = "and on (exchange, account) risk_account_equity"
_ASSET_THERE: Final = "and on (exchange, account, asset) risk_asset_equity"


def _known(record: str, fresh: str, about: str, there: str | None = None) -> Recording:
    """What the exporter says now; the last known value while nobody sees the account.

    Also the last known value while it is not told but the series in ``there`` say that it still matters.
    None: it is told whenever the account is seen.
    """
    expr = f"{_text(fresh)}\nor\n({record} and on (exchange, account) account:blind:bool == 1)"
    if there is not None:
        expr += f"\nor\n({record} {indent(there, '  ').lstrip()})"
    return Recording(record=record, about=about, expr=expr)


def _known_speed(record: str, fresh: str, about: str, there: str) -> Recording:
    """Like `_known`, for a speed: it keeps its value as soon as a collection fails.

    Between the first failure and the maximum age the exporter shows the same data in every scrape, which a
    speed would take for a standstill.
    """
    known = _known(record, fresh, about, there)
    return Recording(
        record=record,
        about=about,
        expr=f"({record} and on (exchange, account) account:failing:bool == 1)\nor\n{known.expr}",
    )


def _source_known(record: str, fresh: str, about: str) -> Recording:
    """The last known value of what the exporter says about itself: repeated while it does not answer."""
    return Recording(
        record=record,
        about=about,
        expr=f"{_text(fresh)}\nor\n({record} and on (job, instance) exporter:silent:bool == 1)",
    )


_REASON_KEY = "|".join(t.KEY_REJECTED_REASONS)
_REASON_VENUE = "|".join(t.VENUE_DOWN_REASONS)
_STABLECOINS = "|".join(t.STABLECOINS)

_FRESHNESS: Final = (
    Recording(
        record="exporter:silent:bool",
        about="0 for an exporter that answers, 1 for one that does not although it is a target of the "
        "scrape configuration, or although no other target of its job took its place within a day.",
        expr="""
        (0 * max by (job, instance) (risk_exporter_build_info))
        or
        (
          1 + 0 * (
            exporter:silent:bool
            or max by (job, instance) (last_over_time(risk_exporter_build_info[1d]))
          )
            and on (job, instance) up == 0
        )
        or
        (
          1 + 0 * exporter:silent:bool
            and on (job, instance) last_over_time(risk_exporter_build_info[1d])
            unless on (job) risk_exporter_build_info
        )
        """,
    ),
    Recording(
        record="account:up:known",
        about="1 if the last collection of the account succeeded, 0 if it failed or its exporter is "
        "silent; absent once the account is taken out of the configuration.",
        expr=f"""
        max by ({SOURCE}) (risk_up)
        or
        (0 * account:up:known and on (job, instance) exporter:silent:bool == 1)
        """,
    ),
    Recording(
        record="account:failing:bool",
        about="1 if no exporter collects the account successfully at the moment, else 0.",
        expr="(max by (exchange, account) (account:up:known)) == bool 0",
    ),
    Recording(
        record="account:last_success_timestamp_seconds:known",
        about="When the account was last collected, remembered over a restart of the exporter.",
        expr=f"""
        max by ({SOURCE}) (risk_collector_last_success_timestamp_seconds)
        or
        (account:last_success_timestamp_seconds:known
          and on ({SOURCE}) account:up:known == 0)
        """,
    ),
    Recording(
        record="account:data_age_seconds:known",
        about="Seconds since the account was last collected; +Inf if it never was.",
        expr="""
        (time() - account:last_success_timestamp_seconds:known)
        or
        (account:up:known + Inf)
        """,
    ),
    Recording(
        record="account:stale:bool",
        about="1 if the newest data of the account are older than its configured maximum age, else 0.",
        expr=f"""
        (1 + 0 * account:up:known)
          unless on ({SOURCE})
          (time() - risk_collector_last_success_timestamp_seconds < risk_collector_max_age_seconds)
        or
        (0 * account:up:known)
        """,
    ),
    Recording(
        record="account:blind:bool",
        about="1 if no exporter has data of the account that are both from a successful collection "
        "and young enough, else 0.",
        expr="1 - max by (exchange, account) (account:up:known * (1 - account:stale:bool))",
    ),
    Recording(
        record="account:key_rejected:known",
        about="How many requests of the last 10 minutes the venue refused because of the key; "
        "repeated until the account can be collected again.",
        expr=f"""
        (
          sum by ({SOURCE}) (increase(risk_collector_errors_total{{reason=~"{_REASON_KEY}"}}[10m])) > 0
          or
          account:key_rejected:known
        )
          and on ({SOURCE}) account:up:known == 0
        """,
    ),
    Recording(
        record="exchange:venue_errors:increase5m",
        about="Collections of the last 5 minutes that failed because the exchange did not answer properly.",
        expr=f"""
        sum by (exchange, job, instance) (
          increase(risk_collector_errors_total{{reason=~"{_REASON_VENUE}"}}[5m])
        )
        """,
    ),
    Recording(
        record="exchange:venue_down:bool",
        about="1 if no account of the exchange can be collected and the exchange is the reason; "
        "repeated until one of them can be collected again.",
        expr="""
        (
          (max by (exchange, job, instance) (account:up:known) == 0)
            and on (exchange, job, instance)
            (
              (exchange:venue_errors:increase5m > 0 unless on (job, instance) exporter:silent:bool == 1)
              or
              exchange:venue_down:bool == 1
            )
        ) == bool 0
        """,
    ),
    _source_known(
        "exchange:clock_offset_seconds:known",
        "max by (exchange, job, instance) (abs(risk_api_clock_offset_seconds))",
        "Distance between the exchange's clock and the exporter's, unsigned.",
    ),
)

_KNOWN: Final = (
    _known(
        "position:liquidation_distance_ratio:known",
        f"min by ({POSITION}) (risk_position_liquidation_distance_ratio)",
        "Relative move of the mark, against the position, that reaches its liquidation price.",
        _POSITION_AT_RISK,
    ),
    _known(
        "position:liquidation_price_unknown:known",
        f"""
        max by ({POSITION}) (risk_position_info{{margin_mode="cross", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
        """,
        "1 for a cross position that some price liquidates, or may, and of which nobody can tell how far "
        "away that is: the liquidation price is not known, or the mark price is not.",
    ),
    _known(
        "position:liquidation_unwatched:known",
        f"""
        max by ({POSITION}) (risk_position_info{{margin_mode="cross", liquidation_source!="none"}})
          unless on ({POSITION}) risk_position_liquidation_distance_ratio
          unless on (exchange, account) risk_account_maintenance_margin_rate
        """,
        "1 for such a position if its account has no maintenance margin rate either.",
    ),
    _known(
        "position:adl_ratio:known",
        f"max by ({POSITION}) (risk_position_adl_ratio)",
        "Place in the auto-deleveraging queue; 1 is the front.",
        _POSITION_OPEN,
    ),
    _known(
        "account:maintenance_margin_rate:known",
        f"max by ({POOL}) (risk_account_maintenance_margin_rate)",
        "Maintenance margin / margin equity; 1 is liquidation; +Inf without equity.",
        _POOL_THERE,
    ),
    _known(
        "account:liquidation_shock_ratio:known",
        f"min by ({POOL}, direction) (risk_account_liquidation_shock_ratio)",
        "Smallest joint move of all marks that liquidates the pool.",
        _POOL_UNMEASURED,
    ),
    _known(
        "account:stress_maintenance_margin_rate:known",
        f"max by ({POOL}, shock) (risk_account_stress_maintenance_margin_rate)",
        "The rate if every mark moved by the shock.",
        _POOL_UNMEASURED,
    ),
    _known(
        "account:leverage_ratio:known",
        f"max by ({POOL}) (risk_account_leverage_ratio)",
        "Gross notional / equity.",
        _POOL_WITH_POSITIONS,
    ),
    Recording(
        record="account:equity_usd:sum",
        about="Equity of the account in USD. Absent if one of its pools has no known price: a sum "
        "without it would look like a loss.",
        expr="""
        sum by (exchange, account) (max by (exchange, account, currency, pool) (risk_account_equity_usd))
          and on (exchange, account)
          (
            count by (exchange, account) (
              max by (exchange, account, currency, pool) (risk_account_equity_usd)
            )
            == on (exchange, account)
            count by (exchange, account) (
              max by (exchange, account, currency, pool) (risk_account_equity)
            )
          )
        """,
    ),
    _known(
        "account:equity_usd:known",
        "account:equity_usd:sum",
        "Equity of the account in USD.",
        _ACCOUNT_THERE,
    ),
    _known(
        "asset:usd_peg_deviation:known",
        f"""
        max by (exchange, account, asset) (
          abs(risk_asset_price_usd{{asset=~"{_STABLECOINS}"}} - 1)
        )
        """,
        "How far the exchange's price of a stablecoin is from one US dollar, unsigned.",
        _ASSET_THERE,
    ),
)

_MARKET: Final = (
    Recording(
        record="symbol:mark_price:avg",
        about="Mark price of the symbol, in its quote currency, averaged over the accounts that hold it.",
        expr="avg by (exchange, symbol) (risk_position_mark_price)",
    ),
    Recording(
        record="symbol:mark_price_log_return:5m",
        about="Logarithm of the mark price over that of 5 minutes before.",
        expr="ln(symbol:mark_price:avg / (symbol:mark_price:avg offset 5m))",
    ),
    Recording(
        record="symbol:mark_price_volatility:hour",
        about="Standard deviation of the 5-minute log returns of the last hour, scaled to an hour (12 "
        "of them). Absent until half an hour of returns is there.",
        expr="""
        12 ^ 0.5 * stddev_over_time(symbol:mark_price_log_return:5m[1h])
          and present_over_time(symbol:mark_price_log_return:5m[1h] offset 30m)
        """,
    ),
    Recording(
        record="symbol:mark_price_volatility:day",
        about="Standard deviation of the 5-minute log returns of the last day, scaled to a day (288 "
        "of them). Absent until half an hour of returns is there.",
        expr="""
        288 ^ 0.5 * stddev_over_time(symbol:mark_price_log_return:5m[1d])
          and present_over_time(symbol:mark_price_log_return:5m[1d] offset 30m)
        """,
    ),
    Recording(
        record="position:liquidation_distance_sigmas:day",
        about="Liquidation distance in standard deviations of a day's move.",
        expr=f"""
        min by ({POSITION}) (risk_position_liquidation_distance_ratio)
          / on (exchange, symbol) group_left ()
          (symbol:mark_price_volatility:day > 0)
        """,
    ),
    _known(
        "position:liquidation_distance_sigmas:known",
        "position:liquidation_distance_sigmas:day",
        "Liquidation distance in standard deviations of a day's move.",
        _POSITION_AT_RISK,
    ),
    Recording(
        record="position:liquidation_distance_ratio:deriv5m",
        about="Change of the liquidation distance per second over 5 minutes; negative is approaching.",
        expr=f"min by ({POSITION}) (deriv(risk_position_liquidation_distance_ratio[5m]))",
    ),
    Recording(
        record="position:liquidation_distance_ratio:deriv15m",
        about="Change of the liquidation distance per second over 15 minutes; negative is approaching.",
        expr=f"min by ({POSITION}) (deriv(risk_position_liquidation_distance_ratio[15m]))",
    ),
    Recording(
        record="position:liquidation_time_seconds:projected",
        about="Seconds until the liquidation price is reached at the slower of the two speeds: a "
        "single step, such as a resized position, must not look like a trend. Absent unless both "
        "approach, and for positions so far away that their liquidation price moves more than the mark.",
        expr=f"""
        min by ({POSITION}) (
          risk_position_liquidation_distance_ratio < {t.LIQUIDATION_PROJECTED_WITHIN.text}
        )
          / -(
            (
              position:liquidation_distance_ratio:deriv5m
                > position:liquidation_distance_ratio:deriv15m
              or position:liquidation_distance_ratio:deriv15m
            ) < 0
          )
        """,
    ),
    _known_speed(
        "position:liquidation_time_seconds:known",
        "position:liquidation_time_seconds:projected",
        "Seconds until the liquidation price is reached at the present speed.",
        _POSITION_UNMEASURED,
    ),
)

_PORTFOLIO: Final = (
    *(
        _known(
            f"account:equity_usd_drawdown_{window}:known",
            f"1 - account:equity_usd:sum / (account:equity_usd:max{window} > 0)",
            f"Loss of equity since the peak of the last {words}, as a ratio of the peak.",
            _ACCOUNT_THERE,
        )
        for window, words in (("1d", "day"), ("7d", "7 days"))
    ),
    Recording(
        record="position:notional_usd:signed",
        about="Notional in USD with the base coin as a label; short positions are negative.",
        expr=f"""
        (
          max by ({POSITION}) (risk_position_notional_usd{{side="long"}})
          or
          -1 * max by ({POSITION}) (risk_position_notional_usd{{side="short"}})
        )
          * on ({POSITION}) group_left (base)
          max by ({POSITION}, base) (risk_position_info)
        """,
    ),
    _known(
        "position:notional_usd:known",
        "position:notional_usd:signed",
        "Notional in USD with the base coin as a label; short positions are negative.",
        _POSITION_OPEN,
    ),
)

KNOWN = Group(
    name="risk-known",
    about="Who is seen, and what is known about accounts, positions and the market. One group, because these "
    "rules repeat themselves while others of them say that an account is blind: groups are evaluated at "
    "different moments, and an exporter that died between them would take all memory with it.",
    rules=(*_FRESHNESS, *_KNOWN, *_MARKET, *_PORTFOLIO),
)

PORTFOLIO = Group(
    name="risk-portfolio",
    interval="1m",  # nothing here changes faster, and the windows of days are expensive
    about="Peaks of equity, concentration and exposure over all accounts.",
    rules=(
        *(
            Recording(
                record=f"account:equity_usd:max{window}",
                about=f"Highest equity of the account in USD of the last {words}.",
                expr=f"max_over_time(account:equity_usd:sum[{window}])",
            )
            for window, words in (("1d", "day"), ("7d", "7 days"))
        ),
        Recording(
            record="exchange:equity_usd_share:known",
            about="Share of the exchange in the positive equity of all accounts; failing accounts count "
            "with their last known equity.",
            expr="""
            sum by (exchange) (clamp_min(account:equity_usd:known, 0))
              / on () group_left ()
              (sum(clamp_min(account:equity_usd:known, 0)) > 0)
            """,
        ),
        Recording(
            record="base:gross_notional_usd:sum",
            about="Long plus short notional in the coin over all accounts with fresh data.",
            expr="sum by (base) (abs(position:notional_usd:signed))",
        ),
        Recording(
            record="base:net_notional_usd:sum",
            about="Long minus short notional in the coin over all accounts with fresh data.",
            expr="sum by (base) (position:notional_usd:signed)",
        ),
        Recording(
            record="base:gross_notional_usd_share:known",
            about="Share of the coin in the gross notional of all accounts; failing accounts count with "
            "their last known positions.",
            expr="""
            sum by (base) (abs(position:notional_usd:known))
              / on () group_left ()
              (sum(abs(position:notional_usd:known)) > 0)
            """,
        ),
    ),
)

_WHERE = "{{ $labels.account }} on {{ $labels.exchange }}"
_POSITION_NAME = "{{ $labels.symbol }} {{ $labels.side }} ({{ $labels.margin_mode }})"
_POOL_NAME = "pool {{ $labels.currency }}{{ with $labels.pool }} {{ . }}{{ end }}"
_OF_POSITION = links.dashboard(links.POSITION_UID, "exchange", "account", "symbol")
_OF_ACCOUNT = links.dashboard(links.ACCOUNT_UID, "exchange", "account")
_OF_FLEET = links.dashboard(links.FLEET_UID)
_OF_EXPORTER = links.dashboard(links.EXPORTER_UID)
_OF_EXPORTER_ACCOUNT = links.dashboard(links.EXPORTER_UID, "exchange", "account")
_OF_EXPORTER_EXCHANGE = links.dashboard(links.EXPORTER_UID, "exchange")
_LAST_KNOWN = " While the account fails, or this figure is missing, this is the last known value."


def _liquidation_near(severity: Severity, limit: Threshold, hold: str, why: str, keep: str) -> Alert:
    return Alert(
        name="RiskLiquidationNear",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"position:liquidation_distance_ratio:known < {limit.text}",
        hold=hold,
        hold_reason=why,
        keep=keep,
        summary=f"{_POSITION_NAME} of {_WHERE} is {{{{ $value | humanizePercentage }}}} from liquidation",
        description="The mark price has {{ $value | humanizePercentage }} to go against the position "
        "until "
        f"it reaches the liquidation price (limit {limit.value:.0%})." + _LAST_KNOWN,
        dashboard=_OF_POSITION,
    )


def _liquidation_sigmas(severity: Severity, limit: Threshold) -> Alert:
    return Alert(
        name="RiskLiquidationNearSigmas",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"position:liquidation_distance_sigmas:known < {limit.text}",
        hold="5m",
        hold_reason="volatility moves slowly; a jump of one mark passes",
        keep="15m",
        summary=f'{_POSITION_NAME} of {_WHERE} is {{{{ $value | printf "%.1f" }}}} daily sigmas from '
        "liquidation",
        description='The liquidation price is {{ $value | printf "%.2f" }} standard deviations of a '
        f"day's move away (limit {limit.text}): in this market the percentage alone looks safer than it is."
        + _LAST_KNOWN,
        dashboard=_OF_POSITION,
    )


def _rate_high(severity: Severity, limit: Threshold, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskMaintenanceMarginRateHigh",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"account:maintenance_margin_rate:known > {limit.text}",
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"Maintenance margin rate of {_WHERE}, {_POOL_NAME}, is {{{{ $value | humanizePercentage "
        f"}}}}",
        description="Maintenance margin / equity of the cross positions is {{ $value | humanizePercentage "
        "}} "
        f"(limit {limit.value:.0%}; 100% is liquidation; +Inf% means that no equity is left)." + _LAST_KNOWN,
        dashboard=_OF_ACCOUNT,
    )


def _shock_small(severity: Severity, limit: Threshold, hold: str, why: str) -> Alert:
    return Alert(
        name="RiskLiquidationShockSmall",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"account:liquidation_shock_ratio:known < {limit.text}",
        hold=hold,
        hold_reason=why,
        keep="10m",
        summary=f"A joint move {{{{ $labels.direction }}}} of {{{{ $value | humanizePercentage }}}} "
        f"liquidates {_WHERE}",
        description="If all marks moved {{ $labels.direction }} by {{ $value | humanizePercentage }} at "
        f"once, {_POOL_NAME} would be liquidated (limit {limit.value:.0%}). Single positions may look safe."
        + _LAST_KNOWN,
        dashboard=_OF_ACCOUNT,
    )


def _drawdown(severity: Severity, limit: Threshold, window: Literal["1d", "7d"]) -> Alert:
    span = {"1d": "day", "7d": "7 days"}[window]
    return Alert(
        name="RiskEquityDrawdown",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        labels=(("window", window),),
        expr=f"account:equity_usd_drawdown_{window}:known > {limit.text}",
        hold="5m",
        hold_reason="a transfer between two pools of one account passes",
        keep="30m",
        summary=f"Equity of {_WHERE} is {{{{ $value | humanizePercentage }}}} below the peak of the last "
        f"{span}",
        description="The account's equity in USD fell by {{ $value | humanizePercentage }} from its peak "
        "of "
        f"the last {span} (limit {limit.value:.0%}). Withdrawals count as well." + _LAST_KNOWN,
        dashboard=_OF_ACCOUNT,
    )


def _off_peg(severity: Severity, limit: Threshold) -> Alert:
    return Alert(
        name="RiskStablecoinOffPeg",
        severity=severity,
        category="risk",
        thresholds=(limit,),
        expr=f"max by (exchange, asset) (asset:usd_peg_deviation:known) > {limit.text}",
        hold="5m",
        hold_reason="a spike in a thin index passes",
        keep="30m",
        summary="{{ $labels.asset }} on {{ $labels.exchange }} is {{ $value | humanizePercentage }} off "
        "one US dollar",
        description="The exchange's price of {{ $labels.asset }} differs from 1 USD by "
        f"{{{{ $value | humanizePercentage }}}} (limit {limit.value:.0%}). Collateral in it is worth less, "
        "or more, than its face value." + _LAST_KNOWN,
        dashboard=_OF_FLEET,
    )


RISK_ALERTS = Group(
    name="risk-alerts",
    about="An account or a position is in danger.",
    rules=(
        _liquidation_near(
            "info",
            t.LIQUIDATION_DISTANCE_INFO,
            "10m",
            "nobody is woken by it; flapping would only be noise",
            "30m",
        ),
        _liquidation_near(
            "warning",
            t.LIQUIDATION_DISTANCE_WARNING,
            "2m",
            "survives one wrong mark; a decision takes longer",
            "15m",
        ),
        _liquidation_near(
            "critical",
            t.LIQUIDATION_DISTANCE_CRITICAL,
            "1m",
            "two collections must agree, more would be late",
            "15m",
        ),
        _liquidation_sigmas("warning", t.LIQUIDATION_SIGMAS_WARNING),
        _liquidation_sigmas("critical", t.LIQUIDATION_SIGMAS_CRITICAL),
        Alert(
            name="RiskLiquidationProjected",
            severity="critical",
            category="risk",
            thresholds=(t.LIQUIDATION_PROJECTED, t.LIQUIDATION_PROJECTED_WITHIN),
            expr=f"position:liquidation_time_seconds:known < {t.LIQUIDATION_PROJECTED.text}",
            hold="6m",
            hold_reason="longer than the shorter window of the speed, so that a single step has left it",
            keep="10m",
            summary=f"{_POSITION_NAME} of {_WHERE} reaches liquidation in {{{{ $value | humanizeDuration "
            f"}}}}",
            description="At the slower of its speeds over 5 and 15 minutes the position reaches its "
            "liquidation price in {{ $value | humanizeDuration }} (limit 1h)." + _LAST_KNOWN,
            dashboard=_OF_POSITION,
        ),
        _rate_high(
            "warning",
            t.MAINTENANCE_MARGIN_RATE_WARNING,
            "2m",
            "survives one wrong figure; a decision takes longer",
        ),
        _rate_high(
            "critical",
            t.MAINTENANCE_MARGIN_RATE_CRITICAL,
            "1m",
            "two collections must agree, more would be late",
        ),
        _shock_small(
            "warning", t.LIQUIDATION_SHOCK_WARNING, "2m", "survives one wrong figure; a decision takes longer"
        ),
        _shock_small(
            "critical", t.LIQUIDATION_SHOCK_CRITICAL, "1m", "two collections must agree, more would be late"
        ),
        _drawdown("warning", t.EQUITY_DRAWDOWN_1D_WARNING, "1d"),
        _drawdown("critical", t.EQUITY_DRAWDOWN_1D_CRITICAL, "1d"),
        _drawdown("warning", t.EQUITY_DRAWDOWN_7D_WARNING, "7d"),
        Alert(
            name="RiskLeverageHigh",
            severity="warning",
            category="risk",
            thresholds=(t.LEVERAGE_WARNING,),
            expr=f"account:leverage_ratio:known > {t.LEVERAGE_WARNING.text}",
            hold="10m",
            hold_reason="orders that open one leg before the other pass",
            keep="30m",
            summary=f'{_WHERE}, {_POOL_NAME}, is leveraged {{{{ $value | printf "%.1f" }}}} times',
            description='Gross notional is {{ $value | printf "%.2f" }} times the equity '
            f"(limit {t.LEVERAGE_WARNING.text})." + _LAST_KNOWN,
            dashboard=_OF_ACCOUNT,
        ),
        Alert(
            name="RiskExchangeConcentration",
            severity="info",
            category="risk",
            thresholds=(t.EXCHANGE_CONCENTRATION,),
            expr=f"""
            exchange:equity_usd_share:known > {t.EXCHANGE_CONCENTRATION.text}
              and on () count(exchange:equity_usd_share:known) > 1
            """,
            hold="1h",
            hold_reason="a transfer between exchanges is on its way for less",
            keep="1h",
            summary="{{ $value | humanizePercentage }} of all equity is at {{ $labels.exchange }}",
            description="The exchange holds {{ $value | humanizePercentage }} of the equity of all "
            "accounts "
            f"(limit {t.EXCHANGE_CONCENTRATION.value:.0%}). Silent if there is only one exchange."
            + _LAST_KNOWN,
            dashboard=_OF_FLEET,
        ),
        Alert(
            name="RiskCoinConcentration",
            severity="info",
            category="risk",
            thresholds=(t.COIN_CONCENTRATION,),
            expr=f"""
            base:gross_notional_usd_share:known > {t.COIN_CONCENTRATION.text}
              and on () count(base:gross_notional_usd_share:known) > 1
            """,
            hold="1h",
            hold_reason="rebalancing takes less",
            keep="1h",
            summary="{{ $value | humanizePercentage }} of all gross notional is in {{ $labels.base }}",
            description="Long plus short positions in {{ $labels.base }} are {{ $value | "
            "humanizePercentage }} of "
            f"those of all coins (limit {t.COIN_CONCENTRATION.value:.0%}). Silent if there is only one "
            "coin." + _LAST_KNOWN,
            dashboard=_OF_FLEET,
        ),
        Alert(
            name="RiskStressBreach",
            severity="warning",
            category="risk",
            thresholds=(t.STRESS_BREACH,),
            expr=f"account:stress_maintenance_margin_rate:known >= {t.STRESS_BREACH.text}",
            hold="5m",
            hold_reason="survives single marks",
            keep="15m",
            summary=f"{_WHERE}, {_POOL_NAME}, does not survive the configured shock {{{{ $labels.shock }}}}",
            description="If every mark moved by {{ $labels.shock }} (-0.1 is a fall of 10 %) the "
            "maintenance margin rate would be {{ $value | humanizePercentage }}; 100% is liquidation."
            + _LAST_KNOWN,
            dashboard=_OF_ACCOUNT,
        ),
        Alert(
            name="RiskAdlQueueFront",
            severity="warning",
            category="risk",
            thresholds=(t.ADL_FRONT,),
            expr=f"position:adl_ratio:known >= {t.ADL_FRONT.text}",
            hold="5m",
            hold_reason="the queue is reordered all the time",
            keep="15m",
            summary=f"{_POSITION_NAME} of {_WHERE} is in front of the auto-deleveraging queue",
            description="Place {{ $value | humanizePercentage }} in the queue (100% is first). In a crash "
            "the exchange may close this winning position, which unhedges whatever it hedges." + _LAST_KNOWN,
            dashboard=_OF_POSITION,
        ),
        Alert(
            name="RiskLiquidationPriceUnknown",
            severity="info",
            category="risk",
            expr="position:liquidation_price_unknown:known == 1",
            hold="15m",
            hold_reason="venues fill it in late for new positions",
            keep="15m",
            summary=f"{_POSITION_NAME} of {_WHERE} has no known distance to liquidation",
            description="The liquidation price or the mark price of this cross position is not known, so "
            "that nobody can tell how near it is. The account's margin rate is watched." + _LAST_KNOWN,
            dashboard=_OF_POSITION,
        ),
        Alert(
            name="RiskLiquidationPriceUnknown",
            severity="warning",
            category="risk",
            expr="position:liquidation_unwatched:known == 1",
            hold="15m",
            hold_reason="venues fill it in late for new positions",
            keep="15m",
            summary=f"{_POSITION_NAME} of {_WHERE} has no known distance to liquidation, nor has the "
            "account a margin rate",
            description="Neither the distance of this cross position to its liquidation nor the maintenance "
            "margin rate of its account is known: nothing here would page before a liquidation."
            + _LAST_KNOWN,
            dashboard=_OF_POSITION,
        ),
        _off_peg("warning", t.STABLECOIN_PEG_WARNING),
        _off_peg("critical", t.STABLECOIN_PEG_CRITICAL),
    ),
)

COLLECTION_ALERTS = Group(
    name="risk-collection-alerts",
    about="The numbers cannot be trusted, or are not there.",
    rules=(
        Alert(
            name="RiskCollectionFailing",
            severity="warning",
            category="collection",
            expr="account:up:known == 0",
            hold="2m",
            hold_reason="single failures are retried and repaired by the next collection",
            summary=f"Collecting {_WHERE} fails",
            description="The last collections failed. Data are kept until they reach their maximum age, "
            "then they vanish. The Exporter dashboard names the reason.",
            dashboard=_OF_EXPORTER_ACCOUNT,
        ),
        Alert(
            name="RiskDataStale",
            severity="critical",
            category="blindness",
            expr=f"""
            account:data_age_seconds:known
              and on ({SOURCE}) account:stale:bool == 1
              and on (exchange, account) account:blind:bool == 1
            """,
            hold="2m",
            hold_reason="an exporter that restarts needs a moment for its first collection",
            summary=f"Nobody sees {_WHERE}: no data for {{{{ $value | humanizeDuration }}}}",
            description="The newest data are {{ $value | humanizeDuration }} old (+Inf: never collected), "
            "which is more than the configured maximum age. Risk alerts of this account show their last "
            "known values.",
            dashboard=_OF_EXPORTER_ACCOUNT,
        ),
        Alert(
            name="RiskKeyRejected",
            severity="warning",
            category="collection",
            expr="account:key_rejected:known",
            hold="1m",
            hold_reason="one refusal during maintenance of the venue passes",
            summary=f"The API key of {_WHERE} is rejected",
            description="The venue refused the key or its permissions; about {{ $value | humanize }} "
            "refusals in 10 minutes. No retry repairs this.",
            dashboard=_OF_EXPORTER_ACCOUNT,
        ),
        Alert(
            name="RiskVenueDown",
            severity="warning",
            category="venue",
            expr="exchange:venue_down:bool == 1",
            hold="1m",
            hold_reason="one failed round passes; shorter than that of the alerts it stands for",
            summary="No account on {{ $labels.exchange }} can be collected",
            description="All accounts of the exchange fail, with timeouts, network errors or errors of "
            "the exchange. Their collection alerts are silenced, the risk alerts are not.",
            dashboard=_OF_EXPORTER_EXCHANGE,
        ),
        Alert(
            name="RiskClockSkew",
            severity="warning",
            category="collection",
            thresholds=(t.CLOCK_SKEW,),
            expr=f"exchange:clock_offset_seconds:known > {t.CLOCK_SKEW.text}",
            hold="15m",
            hold_reason="one slow answer makes one wrong measurement, which stands until the next one, 10 "
            "minutes later",
            summary="The clocks of the exporter and {{ $labels.exchange }} differ by {{ $value | "
            "humanizeDuration }}",
            description="The clocks differ by {{ $value | humanizeDuration }} "
            f"(limit {t.CLOCK_SKEW.text}s). Signed requests will be refused, and ages are wrong.",
            dashboard=_OF_EXPORTER_EXCHANGE,
        ),
        Alert(
            name="RiskExporterDown",
            severity="critical",
            category="exporter",
            expr="""
            (exporter:silent:bool == 1)
            or on ()
            absent(risk_exporter_build_info)
            """,
            hold="1m",
            hold_reason="a restart takes less; shorter than that of the alerts it stands for",
            summary="risk-exporter {{ $labels.instance }} does not answer Prometheus",
            description="No scrape of the exporter succeeds: all its accounts are unseen. Risk alerts "
            "that fired keep firing with their last known values; new dangers are not seen.",
            dashboard=_OF_EXPORTER,
        ),
    ),
)

RECORDING_GROUPS: Final = (KNOWN, PORTFOLIO)
ALERT_GROUPS: Final = (RISK_ALERTS, COLLECTION_ALERTS)
ALERTS: Final = tuple(rule for group in ALERT_GROUPS for rule in group.rules if isinstance(rule, Alert))

_HEADER = """\
# Generated by "python -m grafana.generator" from grafana/generator/rules.py and thresholds.py: edit those.
"""


def _expr(expr: str) -> list[str]:
    text = _text(expr)
    if "\n" not in text:
        return [f"expr: {json.dumps(text) if _needs_quotes(text) else text}"]
    return ["expr: |", *indent(text, "  ").splitlines()]


def _needs_quotes(text: str) -> bool:
    return text[0] in "-[{!&*|>%@`\"'" or ": " in text or " #" in text


def _comment(text: str) -> list[str]:
    lines: list[str] = []
    line = "#"
    for word in text.split():
        if len(line) + len(word) > 108:
            lines.append(line)
            line = "#"
        line += f" {word}"
    return [*lines, line]


def _recording_yaml(rule: Recording) -> list[str]:
    return [*_comment(rule.about), f"- record: {rule.record}", *(f"  {line}" for line in _expr(rule.expr))]


def _alert_yaml(rule: Alert) -> list[str]:
    lines: list[str] = []
    for limit in rule.thresholds:
        lines += _comment(f"{limit.text} ({limit.unit}): {limit.reason}.")
    lines += _comment(f"for {rule.hold}: {rule.hold_reason}.")
    lines.append(f"- alert: {rule.name}")
    lines += [f"  {line}" for line in _expr(rule.expr)]
    lines.append(f"  for: {rule.hold}")
    if rule.keep is not None:
        lines.append(f"  keep_firing_for: {rule.keep}")
    lines += ["  labels:", f"    severity: {rule.severity}", f"    category: {rule.category}"]
    lines += [f"    {name}: {value}" for name, value in rule.labels]
    lines.append("  annotations:")
    for name, value in (
        ("summary", rule.summary),
        ("description", rule.description),
        ("runbook_url", links.runbook(rule.name)),
        ("dashboard_url", rule.dashboard),
    ):
        lines.append(f"    {name}: {json.dumps(value)}")
    return lines


def render(groups: Iterable[Group]) -> str:
    """A Prometheus rule file with the groups."""
    lines = ["groups:"]
    for group in groups:
        lines += [f"  {line}" for line in _comment(group.about)]
        lines.append(f"  - name: {group.name}")
        if group.interval is not None:
            lines.append(f"    interval: {group.interval}")
        lines.append("    rules:")
        for rule in group.rules:
            body = _recording_yaml(rule) if isinstance(rule, Recording) else _alert_yaml(rule)
            lines += [f"      {line}".rstrip() for line in body]
            lines.append("")
    return _HEADER + "\n".join(lines).rstrip() + "\n"
