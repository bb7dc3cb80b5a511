"""The exporter, Prometheus and Alertmanager themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.grafana.incidents.blind import FAR, NEAR
from tests.grafana.incidents.catalogue import Incident, Section, Told
from tests.grafana.incidents.danger import EVERY_SCRAPE, SLOWEST, M
from tests.grafana.incidents.story import (
    ABSENT,
    EVER,
    Account,
    Exporter,
    Labels,
    Path,
    Program,
    counting,
    step,
)

SECOND: Final = "exporter-2:10217"


def shard(
    index: int,
    *,
    instance: str = "",
    runs: tuple[tuple[float, float], ...] = ((-EVER, EVER),),
    other_file: tuple[float, float] = (EVER, EVER),
) -> Exporter:
    """One of three; for a while it may have read another file than the others."""
    start, end = other_file
    return Exporter(
        instance=instance or f"shard-{index}:10217",
        accounts=(Account(name=f"of-{index}"),),
        runs=runs,
        more=(
            ("risk_exporter_shard_info", {"index": str(index), "count": "3"}, 1.0),
            ("risk_exporter_shards", {}, 3.0),
            ("risk_exporter_config_info", {"hash": "3f1c"}, step((-EVER, 1), (start, ABSENT), (end, 1))),
            ("risk_exporter_config_info", {"hash": "77aa"}, step((-EVER, ABSENT), (start, 1), (end, ABSENT))),
        ),
    )


def one(metric: str, value: Path | float) -> tuple[Exporter, ...]:
    """An exporter that says this of itself."""
    return (Exporter(accounts=(FAR,), more=((metric, {}, value),)),)


def counter(job: str, instance: str, metric: str, labels: Labels) -> tuple[Program, ...]:
    """A program of which something fails for 10 minutes."""
    return (Program(job=job, instance=instance, series=((metric, labels, counting(0, 10 * M, 15)),)),)


MACHINERY: Final = Section(
    title="The way from an account to a person",
    about="",
    incidents=(
        Incident(
            name="quiet",
            title="A quiet night",
            happens="Nothing happens. One alert fires all the time, and a machine elsewhere raises the "
            "alarm when its "
            "messages stop: then rules, Prometheus, Alertmanager or the way to people are broken.",
            exporters=(Exporter(accounts=(FAR,)),),
            told=(Told(severity="none", alert="RiskWatchdog", within=0),),
            nobody="of it: its messages go to that machine",
        ),
        Incident(
            name="exporter-down",
            title="The exporter dies",
            happens="It does not answer for 15 minutes; one of its accounts is 3.8 % from its liquidation.",
            exporters=(Exporter(accounts=(NEAR, FAR), runs=((-EVER, 0), (15 * M, EVER))),),
            fast=True,
            scrapes=((5, 0), (60, 40)),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(
                    severity="critical",
                    alert="RiskExporterDown",
                    within=2 * M,
                    until=3 * M,
                    says="risk-exporter exporter:10217 does not answer Prometheus",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=3 * M,
                    account="far",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=3 * M,
                    account="near",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="far",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="near",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(severity="info", alert="RiskLeverageHigh", within=6 * M, account="near"),
                Told(severity="info", alert="RiskLiquidationNear", within=6 * M, account="near"),
            ),
            nobody="about each account, neither during the outage nor after it",
            over=15 * M,
        ),
        Incident(
            name="pair",
            title="One exporter of a pair dies",
            happens="Two exporters collect the same accounts; one of them does not answer for 15 minutes.",
            exporters=(
                Exporter(accounts=(FAR,), runs=((-EVER, 0), (15 * M, EVER))),
                Exporter(accounts=(FAR,), instance=SECOND),
            ),
            told=(
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2 * M,
                    account="far",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(severity="warning", alert="RiskExporterDown", within=2 * M, until=2 * M),
            ),
            nobody="at night: the other one sees all accounts",
            over=15 * M,
        ),
        Incident(
            name="crash-loop",
            title="An exporter that crashes again and again",
            happens="For 15 minutes it is up for 30 seconds and down for 30.",
            exporters=(
                Exporter(
                    accounts=(FAR,),
                    runs=(
                        (-EVER, 0),
                        *((30.0 + 60 * n, 60.0 + 60 * n) for n in range(15)),
                        (15 * M + 30, EVER),
                    ),
                ),
            ),
            fast=True,
            scrapes=EVERY_SCRAPE,
            told=(Told(severity="critical", alert="RiskExporterFlapping", within=4 * M, until=7.5 * M),),
            nobody="about each account",
            over=15 * M + 30,
        ),
        Incident(
            name="update",
            title="An update",
            happens="The exporter is stopped, is back after 20 seconds, and is started once more after "
            "3 minutes.",
            exporters=(
                Exporter(
                    accounts=(FAR, NEAR),
                    runs=((-EVER, 0), (20, 3 * M), (3 * M + 20, EVER)),
                ),
            ),
            fast=True,
            scrapes=SLOWEST,
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="info", alert="RiskLeverageHigh", within=6 * M, account="near"),
                Told(severity="info", alert="RiskLiquidationNear", within=6 * M, account="near"),
            ),
            nobody="about the exporter; the danger of an account neither ends nor begins anew",
        ),
        Incident(
            name="samples-lost",
            title="Prometheus takes no samples",
            happens="For two minutes it scrapes nothing, and evaluates what it has.",
            exporters=(Exporter(accounts=(FAR, NEAR), unscraped=(0, 2 * M)),),
            fast=True,
            scrapes=SLOWEST,
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="info", alert="RiskLeverageHigh", within=6 * M, account="near"),
                Told(severity="info", alert="RiskLiquidationNear", within=6 * M, account="near"),
            ),
            nobody="of anything new; the danger of an account neither ends nor begins anew",
        ),
        Incident(
            name="never",
            title="No exporter at all",
            happens="Prometheus was started without a target that is an exporter.",
            told=(Told(severity="critical", alert="RiskExporterDown", within=1 * M),),
            alone=True,
            calm=0,
            lasts=600,
        ),
        Incident(
            name="shard-missing",
            title="A shard is missing",
            happens="One of three exporters that share the accounts is gone for 10 minutes.",
            exporters=(shard(0), shard(1), shard(2, runs=((-EVER, 0), (10 * M, EVER)))),
            told=(
                Told(severity="critical", alert="RiskExporterDown", within=1 * M, until=2 * M),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2 * M,
                    account="of-2",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=2 * M,
                    account="of-2",
                    until=1 * M,
                    instead="RiskExporterDown",
                ),
                Told(severity="critical", alert="RiskShardMissing", within=3 * M, until=1 * M),
            ),
            nobody="about each account of it",
            over=10 * M,
        ),
        Incident(
            name="shard-doubled",
            title="A shard runs twice",
            happens="Somebody starts one of the three on a second machine, and stops it after 10 minutes.",
            exporters=(
                shard(0),
                shard(1),
                shard(2),
                replace(shard(1, instance="shard-1b:10217"), target=(0, 10 * M)),
            ),
            told=(Told(severity="warning", alert="RiskShardDoubled", within=5 * M, until=1 * M),),
            nobody="at night",
            over=10 * M,
        ),
        Incident(
            name="shards-differ",
            title="A shard reads another file",
            happens="One of three has read a file of its own, for 10 minutes.",
            exporters=(
                shard(0),
                shard(1),
                shard(2, other_file=(0, 10 * M)),
            ),
            told=(
                Told(severity="critical", alert="RiskShardMissing", within=3 * M, until=1 * M),
                Told(severity="warning", alert="RiskShardsDiffer", within=5 * M, until=1 * M),
            ),
            nobody="that an exporter is down",
            over=10 * M,
        ),
        Incident(
            name="saturated",
            title="An exporter without time left",
            happens="It is at work all the time for 20 minutes.",
            exporters=one("risk_exporter_saturation_ratio", step((-1, 0.4), (0, 0.99), (20 * M, 0.4))),
            told=(Told(severity="warning", alert="RiskExporterSaturated", within=10 * M, until=1 * M),),
            nobody="at night",
            over=20 * M,
        ),
        Incident(
            name="reload",
            title="A mistake in the configuration",
            happens="The exporter refuses a file and goes on with the one before, until the mistake is "
            "mended.",
            exporters=one("risk_exporter_config_last_reload_successful", step((-1, 1), (0, 0), (15 * M, 1))),
            told=(Told(severity="warning", alert="RiskConfigNotReloaded", within=1 * M, until=1 * M),),
            nobody="at night",
            over=15 * M,
        ),
        Incident(
            name="lock",
            title="A mistake in the lock of the web server",
            happens="The exporter refuses a new certificate and goes on with the one before, for 15 minutes.",
            exporters=one(
                "risk_exporter_web_config_last_reload_successful", step((-1, 1), (0, 0), (15 * M, 1))
            ),
            told=(Told(severity="warning", alert="RiskLockNotReloaded", within=5 * M, until=1 * M),),
            nobody="at night",
            over=15 * M,
        ),
        Incident(
            name="notifications",
            title="Messages do not arrive",
            happens="Alertmanager cannot deliver by one of its ways for 10 minutes.",
            programs=counter(
                "alertmanager",
                "alertmanager:9093",
                "alertmanager_notifications_failed_total",
                {"integration": "pagerduty"},
            ),
            told=(Told(severity="critical", alert="RiskNotificationsFailing", within=1 * M, until=5 * M),),
            over=10 * M,
        ),
        Incident(
            name="no-alertmanager",
            title="Prometheus does not reach Alertmanager",
            happens="Its messages are dropped for 10 minutes.",
            programs=counter("prometheus", "localhost:9090", "prometheus_notifications_dropped_total", {}),
            told=(Told(severity="critical", alert="RiskNotificationsFailing", within=1 * M, until=5 * M),),
            over=10 * M,
        ),
        Incident(
            name="rules-fail",
            title="Rules cannot be evaluated",
            happens="A rule of the group risk-known fails for 10 minutes.",
            programs=counter(
                "prometheus",
                "localhost:9090",
                "prometheus_rule_evaluation_failures_total",
                {"rule_group": "/etc/prometheus/rules/recording.yml;risk-known"},
            ),
            told=(Told(severity="critical", alert="RiskRulesFailing", within=1 * M, until=5 * M),),
            over=10 * M,
        ),
        Incident(
            name="rules-of-others",
            title="Rules of somebody else cannot be evaluated",
            happens="The same in a group that has nothing to do with accounts.",
            programs=counter(
                "prometheus",
                "localhost:9090",
                "prometheus_rule_evaluation_failures_total",
                {"rule_group": "/etc/prometheus/rules/web.yml;web"},
            ),
            nobody="anything",
        ),
    ),
)
