"""The Exporter dashboard: can I trust these numbers?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNT, EXCHANGE, Panel, build
from grafana.generator.dashboards.panels import Column, Query
from grafana.generator.dashboards.shared import ACCOUNT_LEGEND, of_accounts, of_exchanges, once

_BY_ACCOUNT: Final = "by (exchange, account)"
_LAST_SUCCESS: Final = of_accounts("risk_collector_last_success_timestamp_seconds")
_BLOCKED_UNTIL: Final = of_exchanges("risk_api_blocked_until_timestamp_seconds")
_EXPORTER: Final = "and on (job, instance) risk_exporter_build_info"


def exporter() -> Dashboard:
    return build(
        "Risk / Exporter",
        links.EXPORTER_UID,
        "Can I trust these numbers?",
        [EXCHANGE, ACCOUNT],
        {"Accounts": _accounts(), "Venues": _venues(), "The exporter itself": _exporter()},
    )


def _increase(metric: str, by: str) -> str:
    return f"sum by ({by}) (increase({of_accounts(metric)}[$__rate_interval]))"


def _quantile(metric: str) -> str:
    return f"histogram_quantile(0.95, sum by (le, exchange) (rate({of_exchanges(metric)}[$__rate_interval])))"


def _accounts() -> list[Panel]:
    return [
        p.single(
            "Exporters answering",
            "Exporters whose last scrape succeeded.",
            Query("count(risk_exporter_build_info) or vector(0)"),
            p.PLAIN,
            p.one_is_green(),
            width=6,
        ),
        p.single(
            "Accounts collected",
            "Accounts whose last collection succeeded.",
            Query(f"sum({once('risk_up', 'exchange, account')}) or vector(0)"),
            p.PLAIN,
            p.one_is_green(),
            width=6,
        ),
        p.single(
            "Accounts failing",
            "Accounts whose last collection failed, or that were never collected, or whose exporter "
            "is silent.",
            Query(f"sum({of_accounts('risk:account:failing:bool')}) or vector(0)"),
            p.PLAIN,
            p.one_is_red(),
            width=6,
        ),
        p.single(
            "Oldest data",
            "Age of the newest data of the account that was collected longest ago.",
            Query(f"max(time() - {_LAST_SUCCESS})"),
            p.SECONDS,
            p.neutral(),
            width=6,
            decimals=0,
        ),
        p.states(
            "Collections",
            "Whether the last collection of each account succeeded.",
            Query(f"max {_BY_ACCOUNT} ({of_accounts('risk_up')})", ACCOUNT_LEGEND),
            {"0": ("failed", p.RED), "1": ("succeeded", p.GREEN)},
            width=12,
        ),
        p.graph(
            "Age of the data",
            "Time since the last successful collection began, as a part of the maximum age. From 100 "
            "% on the account's data are no longer published.",
            [
                Query(
                    f"max {_BY_ACCOUNT} ((time() - "
                    f"{_LAST_SUCCESS}) / "
                    f"{of_accounts('risk_collector_max_age_seconds')})",
                    ACCOUNT_LEGEND,
                )
            ],
            p.RATIO,
            steps=p.rising((t.Threshold(1.0, "the maximum age"), p.RED)),
            minimum=0,
            width=12,
        ),
        p.graph(
            "Failed collections by reason",
            "Failed collections per interval. auth and permission: the key; rate_limited and banned: "
            "the request budget; clock: this machine's time; the rest: the venue or the way to it.",
            [
                Query(
                    _increase("risk_collector_errors_total", "exchange, account, reason") + " > 0",
                    ACCOUNT_LEGEND + " {{reason}}",
                )
            ],
            p.AMOUNT,
            minimum=0,
            width=12,
        ),
        p.graph(
            "Incomplete or skipped collections",
            "Requests that failed without failing the collection (some series are absent then), and "
            "collections that were due while the one before still ran, per interval.",
            [
                Query(
                    _increase("risk_collector_optional_errors_total", "exchange, account"),
                    ACCOUNT_LEGEND + " optional request failed",
                ),
                Query(
                    _increase("risk_collector_skipped_runs_total", "exchange, account"),
                    ACCOUNT_LEGEND + " skipped",
                ),
            ],
            p.AMOUNT,
            minimum=0,
            width=12,
        ),
        p.table(
            "Schedule",
            "Configured interval between collections, and the age from which data are no longer published.",
            {"account": "Account", "exchange": "Exchange"},
            [
                Column(
                    "Interval",
                    f"max {_BY_ACCOUNT} ({of_accounts('risk_collector_interval_seconds')})",
                    p.SECONDS,
                ),
                Column(
                    "Maximum age",
                    f"max {_BY_ACCOUNT} ({of_accounts('risk_collector_max_age_seconds')})",
                    p.SECONDS,
                ),
                Column(
                    "Collections", f"sum {_BY_ACCOUNT} ({of_accounts('risk_collector_runs_total')})", p.AMOUNT
                ),
                Column(
                    "Last success",
                    f"1000 * max {_BY_ACCOUNT} ({_LAST_SUCCESS})",
                    p.WHEN,
                ),
            ],
            sort_by="Account",
            width=24,
            height=8,
        ),
    ]


def _venues() -> list[Panel]:
    return [
        p.graph(
            "Collection duration, 95th percentile",
            "Duration of whole collections, failed ones included.",
            [Query(_quantile("risk_collector_duration_seconds_bucket"), "{{exchange}}")],
            p.SECONDS,
            minimum=0,
        ),
        p.graph(
            "Request duration, 95th percentile",
            "Duration of single requests to the venue, failed ones included.",
            [Query(_quantile("risk_api_request_duration_seconds_bucket"), "{{exchange}}")],
            p.SECONDS,
            minimum=0,
        ),
        p.graph(
            "Requests by status",
            "Requests per second by HTTP status, or by what happened where there is none.",
            [
                Query(
                    "sum by (exchange, status) "
                    f"(rate({of_exchanges('risk_api_requests_total')}[$__rate_interval]))",
                    "{{exchange}} {{status}}",
                )
            ],
            "reqps",
            minimum=0,
        ),
        p.graph(
            "Request budget used",
            "Used share of the venue's request budget, as its last answer told; the desk's own bots "
            "share it. A gap: nothing was asked for longer than the budget's minute, or the venue does "
            "not tell.",
            [Query(f"max by (exchange) ({of_exchanges('risk_api_rate_limit_used_ratio')})", "{{exchange}}")],
            p.RATIO,
            steps=p.rising((t.RATE_LIMIT_USED_WARNING, p.ORANGE)),
            minimum=0,
            soft_maximum=1,
        ),
        p.graph(
            "Clock",
            "The venue's clock minus the exporter's, measured every 10 minutes and after a refusal. A "
            "missing venue: it cannot be asked.",
            [Query(of_exchanges("risk_api_clock_offset_seconds"), "{{exchange}} {{instance}}")],
            p.SECONDS,
            steps=p.within(t.CLOCK_SKEW, p.ORANGE),
        ),
        p.graph(
            "Blocked by the venue for",
            "How much longer the venue refuses requests. Empty is good.",
            [
                Query(
                    f"max by (exchange) ({_BLOCKED_UNTIL} - time()) > 0",
                    "{{exchange}}",
                )
            ],
            p.SECONDS,
            minimum=0,
        ),
    ]


def _exporter() -> list[Panel]:
    return [
        p.graph(
            "Scrape duration",
            "How long Prometheus waits for the page.",
            [Query(f"scrape_duration_seconds {_EXPORTER}", "{{job}} {{instance}}")],
            p.SECONDS,
            minimum=0,
        ),
        p.graph(
            "CPU",
            "Processor cores in use by the exporter.",
            [
                Query(
                    f"rate(process_cpu_seconds_total[$__rate_interval]) {_EXPORTER}",
                    "{{job}} {{instance}}",
                )
            ],
            p.PLAIN,
            minimum=0,
        ),
        p.graph(
            "Memory",
            "Resident memory of the exporter.",
            [Query(f"process_resident_memory_bytes {_EXPORTER}", "{{job}} {{instance}}")],
            "bytes",
            minimum=0,
        ),
        p.table(
            "Versions",
            "Version of each exporter and of its Python.",
            {"version": "Version", "python_version": "Python", "instance": "Instance"},
            [Column("Answering", "risk_exporter_build_info", p.PLAIN)],
            sort_by="Version",
            height=6,
        ),
    ]
