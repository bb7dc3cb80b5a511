"""The Exporter dashboard: can I trust these numbers?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.generator import links
from grafana.generator import thresholds as t
from grafana.generator.dashboards import panels as p
from grafana.generator.dashboards.frame import ACCOUNTS, EXCHANGES, Panel, Row, build
from grafana.generator.dashboards.panels import Query
from grafana.generator.dashboards.shared import ACCOUNT_LEGEND, BLIND, CHOSEN, DATA_AGE, STATE
from grafana.generator.dashboards.tables import Column, link_to, table
from grafana.generator.promql import selector

_ACCOUNT: Final = "exchange, account"
_FAILING: Final = "risk:account:failing:bool"
_EXPORTER: Final = "and on (job, instance) risk_exporter_build_info"
_AGE_SCALE: Final = p.rising((t.Threshold(1.0, "the maximum age"), p.RED))
_BUDGET_SCALE: Final = p.rising((t.RATE_LIMIT_USED_WARNING, p.ORANGE))
_BLOCKED: Final = p.rising((t.Threshold(0.001, "no request is answered"), p.RED))
_FAILURES: Final = p.rising((t.Threshold(1, "one failure is one to understand"), p.ORANGE))


def exporter() -> Dashboard:
    return build(
        "Risk / Exporter",
        links.EXPORTER_UID,
        "Can I trust these numbers?",
        [EXCHANGES, ACCOUNTS],
        first=[*_figures(), _collections(), _failures(), _accounts(), _venues()],
        rows=[
            Row("Venues over time", _venues_over_time()),
            Row("The exporter itself", _exporter()),
        ],
    )


def _of_exchanges(metric: str) -> str:
    return selector(metric, 'exchange=~"$exchange"')


def _increase(metric: str, by: str, window: str = "$__rate_interval") -> str:
    return f"sum by ({by}) (increase({CHOSEN.of(metric)}[{window}]))"


def _slowest(metric: str) -> str:
    rate = f"rate({_of_exchanges(metric)}[$__rate_interval])"
    return f"histogram_quantile(0.95, sum by (le, exchange) ({rate}))"


def _share_of_age() -> str:
    """How old the data are, as a part of the age from which they are no longer published."""
    age = f"time() - {CHOSEN.of('risk_collector_last_success_timestamp_seconds')}"
    return f"min by ({_ACCOUNT}) (({age}) / {CHOSEN.of('risk_collector_max_age_seconds')})"


def _figures() -> list[Panel]:
    return [
        p.single(
            "Exporters answering",
            "Exporters whose last scrape succeeded. None is red: nothing here is trustworthy then.",
            Query("count(risk_exporter_build_info) or vector(0)"),
            p.COUNT,
            p.ONE_IS_GREEN,
            width=6,
        ),
        p.single(
            "Accounts collected",
            "Accounts whose last collection succeeded.",
            Query(f"sum({CHOSEN.once('risk_up', _ACCOUNT)}) or vector(0)"),
            p.COUNT,
            p.ONE_IS_GREEN,
            width=6,
        ),
        p.single(
            "Accounts failing",
            "Accounts whose last collection failed, or that were never collected, or whose exporter is "
            "silent.",
            Query(f"sum({CHOSEN.of(_FAILING)})"),
            p.COUNT,
            p.ONE_IS_RED,
            width=6,
        ),
        p.single(
            "Oldest data",
            "Age of the data of the account that was collected longest ago.",
            Query(
                f"topk(1, {CHOSEN.once(DATA_AGE, _ACCOUNT, 'min')})",
                "{{account}} ({{exchange}})",
            ),
            p.AGE,
            p.NEUTRAL,
            width=6,
        ),
    ]


def _collections() -> Panel:
    panel: Panel = p.states(
        "Collections",
        "Whether the last collection of each account succeeded.",
        Query(CHOSEN.once("risk_up", _ACCOUNT), ACCOUNT_LEGEND),
        {0: ("failed", p.RED), 1: ("succeeded", p.GREEN)},
        width=14,
        height=11,
    )
    return panel


def _failures() -> Panel:
    return p.graph(
        "Failed and incomplete collections",
        "Per interval. auth and permission: the key; rate_limited and banned: the request budget; clock: "
        "this machine's time; the rest: the venue or the way to it. Incomplete: a request failed without "
        "failing the collection, some series are absent then. Skipped: due while the one before still ran.",
        [
            Query(
                _increase("risk_collector_errors_total", f"{_ACCOUNT}, reason") + " > 0",
                ACCOUNT_LEGEND + " {{reason}}",
            ),
            Query(
                _increase("risk_collector_optional_errors_total", _ACCOUNT) + " > 0",
                ACCOUNT_LEGEND + " incomplete",
            ),
            Query(
                _increase("risk_collector_skipped_runs_total", _ACCOUNT) + " > 0",
                ACCOUNT_LEGEND + " skipped",
            ),
        ],
        p.COUNT,
        minimum=0,
        width=10,
        height=11,
    )


def _accounts() -> Panel:
    def failures(metric: str) -> str:
        return _increase(metric, _ACCOUNT, "$__range")

    return table(
        "Accounts, oldest data first",
        "Age: since the last successful collection began; from 100 % of the maximum age on data are no "
        "longer published. Failed, incomplete and skipped collections are those of the time that is shown.",
        {"account": "Account", "exchange": "Exchange"},
        [
            Column("Age", f"sort_desc({CHOSEN.once(DATA_AGE, _ACCOUNT, 'min')})", p.AGE),
            Column("State", CHOSEN.once(BLIND, _ACCOUNT), p.COUNT, text_colored=True, names=STATE),
            Column("Of the maximum age", _share_of_age(), p.RATIO, _AGE_SCALE, bar_maximum=1),
            Column("Interval", CHOSEN.once("risk_collector_interval_seconds", _ACCOUNT), p.AGE),
            Column("Maximum age", CHOSEN.once("risk_collector_max_age_seconds", _ACCOUNT), p.AGE),
            Column("Failed", failures("risk_collector_errors_total"), p.COUNT, _FAILURES, text_colored=True),
            Column(
                "Incomplete",
                failures("risk_collector_optional_errors_total"),
                p.COUNT,
                _FAILURES,
                text_colored=True,
            ),
            Column(
                "Skipped",
                failures("risk_collector_skipped_runs_total"),
                p.COUNT,
                _FAILURES,
                text_colored=True,
            ),
        ],
        sort_by=None,
        link=("Open the account", link_to(links.ACCOUNT_UID, exchange="Exchange", account="Account")),
        height=10,
    )


def _venues() -> Panel:
    def once(metric: str) -> str:
        return f"max by (exchange) ({_of_exchanges(metric)})"

    requests = f"rate({_of_exchanges('risk_api_requests_total')}[$__rate_interval])"
    blocked = f"max by (exchange) ({_of_exchanges('risk_api_blocked_until_timestamp_seconds')} - time()) > 0"
    return table(
        "Venues",
        "Requests and 95th percentiles of the last minutes. Budget: used share of the venue's request "
        "budget, as its last answer told; the desk's own bots share it. Clock: the venue's minus the "
        "exporter's. Blocked: how much longer the venue refuses requests.",
        {"exchange": "Exchange"},
        [
            Column("Requests", f"sum by (exchange) ({requests})", p.REQUESTS),
            Column(
                "Accounts failing",
                f"sum by (exchange) ({CHOSEN.of(_FAILING)})",
                p.COUNT,
                p.ONE_IS_RED,
                text_colored=True,
            ),
            Column("Collection takes", _slowest("risk_collector_duration_seconds_bucket"), p.SECONDS),
            Column("Request takes", _slowest("risk_api_request_duration_seconds_bucket"), p.SECONDS),
            Column(
                "Budget used",
                once("risk_api_rate_limit_used_ratio"),
                p.RATIO,
                _BUDGET_SCALE,
                text_colored=True,
            ),
            Column(
                "Clock",
                once("risk_api_clock_offset_seconds"),
                p.SECONDS,
                p.within(t.CLOCK_SKEW, p.ORANGE),
                text_colored=True,
            ),
            Column("Blocked for", blocked, p.SECONDS, _BLOCKED, text_colored=True),
        ],
        sort_by="Requests",
        descending=True,
        height=8,
    )


def _venues_over_time() -> list[Panel]:
    return [
        p.graph(
            "Request duration, 95th percentile",
            "Duration of single requests to the venue, failed ones included.",
            [Query(_slowest("risk_api_request_duration_seconds_bucket"), "{{exchange}}")],
            p.SECONDS,
            minimum=0,
        ),
        p.graph(
            "Requests by status",
            "Requests per second by HTTP status, or by what happened where there is none.",
            [
                Query(
                    "sum by (exchange, status) "
                    f"(rate({_of_exchanges('risk_api_requests_total')}[$__rate_interval]))",
                    "{{exchange}} {{status}}",
                )
            ],
            p.REQUESTS,
            minimum=0,
        ),
        p.graph(
            "Request budget used",
            "Used share of the venue's request budget, as its last answer told. A gap: nothing was asked for "
            "longer than the budget's minute, or the venue does not tell.",
            [Query(f"max by (exchange) ({_of_exchanges('risk_api_rate_limit_used_ratio')})", "{{exchange}}")],
            p.RATIO,
            scale=_BUDGET_SCALE,
            minimum=0,
            soft_maximum=1,
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
            width=6,
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
            p.SHARE,
            minimum=0,
            width=6,
        ),
        p.graph(
            "Memory",
            "Resident memory of the exporter.",
            [Query(f"process_resident_memory_bytes {_EXPORTER}", "{{job}} {{instance}}")],
            p.BYTES,
            minimum=0,
            width=6,
        ),
        table(
            "Versions",
            "Version of each exporter and of its Python.",
            {"version": "Version", "python_version": "Python", "instance": "Instance"},
            [Column("Answering", "risk_exporter_build_info", p.COUNT, hidden=True)],
            sort_by=None,
            hidden=["Value"],
            width=6,
            height=8,
        ),
    ]
