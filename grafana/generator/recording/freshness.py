"""Who is seen: which exporters answer, which accounts are collected, how old their data are."""

from __future__ import annotations

from typing import Final

from grafana.generator import thresholds as t
from grafana.generator.promql import SOURCE
from grafana.generator.recording.known import known_of_source
from grafana.generator.rules import Recording

_REASON_KEY: Final = "|".join(t.KEY_REJECTED_REASONS)
_REASON_OF_KEY: Final = "|".join(t.KEY_REASONS)

RULES: Final = (
    Recording(
        record="risk:exporter:silent:bool",
        about="0 for an exporter that answers, 1 for one that does not although it is a target of the "
        "scrape configuration, or although no other target of its job took its place within a day.",
        expr="""
        (0 * max by (job, instance) (risk_exporter_build_info))
        or
        (
          1 + 0 * (
            risk:exporter:silent:bool
            or max by (job, instance) (last_over_time(risk_exporter_build_info[1d]))
          )
            and on (job, instance) up == 0
        )
        or
        (
          1 + 0 * risk:exporter:silent:bool
            and on (job, instance) last_over_time(risk_exporter_build_info[1d])
            unless on (job) risk_exporter_build_info
        )
        """,
    ),
    Recording(
        record="risk:account:up:known",
        about="1 if the last collection of the account succeeded, 0 if it failed or its exporter is "
        "silent; absent once the account is taken out of the configuration.",
        expr=f"""
        max by ({SOURCE}) (risk_up)
        or
        (0 * risk:account:up:known and on (job, instance) risk:exporter:silent:bool == 1)
        """,
    ),
    Recording(
        record="risk:account:failing:bool",
        about="1 if no exporter collects the account successfully at the moment, else 0.",
        expr="(max by (exchange, account) (risk:account:up:known)) == bool 0",
    ),
    Recording(
        record="risk:account:last_success_timestamp_seconds:known",
        about="When the account was last collected, remembered over a restart of the exporter.",
        expr=f"""
        max by ({SOURCE}) (risk_collector_last_success_timestamp_seconds)
        or
        (risk:account:last_success_timestamp_seconds:known
          and on ({SOURCE}) risk:account:up:known == 0)
        """,
    ),
    Recording(
        record="risk:account:data_age_seconds:known",
        about="Seconds since the account was last collected; +Inf if it never was.",
        expr="""
        (time() - risk:account:last_success_timestamp_seconds:known)
        or
        (risk:account:up:known + Inf)
        """,
    ),
    Recording(
        record="risk:account:stale:bool",
        about="1 if the newest data of the account were older than its configured maximum age when the "
        "exporter "
        "said so last, else 0. Not older now: what was fresh at the scrape is not called old for the time "
        "until the next one. Nor while it shows them: it ends them by a clock that nobody sets, and the "
        "clocks of two machines may differ by more than that age.",
        expr=f"""
        (1 + 0 * risk:account:up:known)
          unless on ({SOURCE})
          (
            timestamp(risk_collector_last_success_timestamp_seconds)
              - risk_collector_last_success_timestamp_seconds
              < risk_collector_max_age_seconds
          )
          unless on ({SOURCE}) risk_positions
        or
        (0 * risk:account:up:known)
        """,
    ),
    Recording(
        record="risk:account:blind:bool",
        about="1 if no exporter has data of the account that are both from a successful collection "
        "and young enough, else 0.",
        expr="1 - max by (exchange, account) (risk:account:up:known * (1 - risk:account:stale:bool))",
    ),
    Recording(
        record="risk:account:key_rejected:known",
        about="How many requests of the last 10 minutes the venue refused because of the key; "
        "repeated until the account can be collected again.",
        expr=f"""
        (
          sum by ({SOURCE}) (increase(risk_collector_errors_total{{reason=~"{_REASON_KEY}"}}[10m])) > 0
          or
          risk:account:key_rejected:known
        )
          and on ({SOURCE}) risk:account:up:known == 0
        """,
    ),
    Recording(
        record="risk:account:optional_errors:increase15m",
        about="Requests of the last 15 minutes that failed and without which collections of the account "
        "went on.",
        expr="max by (exchange, account) (increase(risk_collector_optional_errors_total[15m]))",
    ),
    Recording(
        record="risk:account:sub_accounts_up:min",
        about="1 if the sub-accounts of the account were listed when last asked for, else 0.",
        expr="min by (exchange, account) (risk_collector_sub_accounts_up)",
    ),
    Recording(
        record="risk:exchange:venue_errors:increase5m",
        about="Collections of the last 5 minutes that failed for another reason than the account's key.",
        expr=f"""
        sum by (exchange, job, instance) (
          increase(risk_collector_errors_total{{reason!~"{_REASON_OF_KEY}"}}[5m])
        )
        """,
    ),
    Recording(
        record="risk:exchange:venue_down:bool",
        about="1 if no account of the exchange can be collected and their keys are not the reason; "
        "repeated until one of them can be collected again.",
        expr="""
        (
          (max by (exchange, job, instance) (risk:account:up:known) == 0)
            and on (exchange, job, instance)
            (
              (risk:exchange:venue_errors:increase5m > 0
                unless on (job, instance) risk:exporter:silent:bool == 1)
              or
              risk:exchange:venue_down:bool == 1
            )
        ) == bool 0
        """,
    ),
    Recording(
        record="risk:exchange:blind:bool",
        about="1 if the exchange is down, and data of the first of its accounts are too old by now that no "
        "other exporter has.",
        expr="""
        risk:exchange:venue_down:bool == 1
          and on (exchange, job, instance)
          (risk:account:stale:bool == 1 and on (exchange, account) risk:account:blind:bool == 1)
        """,
    ),
    Recording(
        record="risk:exchange:marks_age_intervals:max",
        about="Age of the mark prices that are asked for between collections, in intervals of these calls.",
        expr="""
        max by (exchange, job, instance) (
          (timestamp(risk_marks_last_success_timestamp_seconds) - risk_marks_last_success_timestamp_seconds)
          / risk_marks_interval_seconds
        )
        """,
    ),
    known_of_source(
        "risk:exchange:clock_offset_seconds:known",
        "max by (exchange, job, instance) (abs(risk_api_clock_offset_seconds))",
        "Distance between the exchange's clock and the exporter's, unsigned.",
    ),
)
