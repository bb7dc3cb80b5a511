"""Accounts that nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.grafana.incidents.catalogue import Incident, Section, Severity, Told
from tests.grafana.incidents.danger import EVERY_SCRAPE, SLOWEST, M, of
from tests.grafana.incidents.story import EVER, Account, Exporter, Position, step

NEAR: Final = Account(name="near", positions=(Position(notional=230_000, leverage=50),))
"""3.8 % from its liquidation, from the beginning."""
FAR: Final = Account(name="far", positions=(Position(notional=20_000),))


def _spoken_for(count: int, *, failing: float, stale: float | None = None) -> Iterator[Told]:
    """What is said about each of the accounts a0, a1, … if not for the alert about their venue."""
    alerts: tuple[tuple[Severity, str, float | None], ...] = (
        ("warning", "RiskCollectionFailing", failing),
        ("critical", "RiskDataStale", stale),
    )
    for place in range(count):
        for severity, alert, within in alerts:
            if within is not None:
                yield Told(
                    severity=severity,
                    alert=alert,
                    within=within,
                    account=f"a{place}",
                    instead="RiskVenueDown",
                )


BLIND: Final = Section(
    title="Accounts that nobody sees",
    about="",
    incidents=(
        Incident(
            name="every-phase",
            title="Fast accounts at every phase of a scrape",
            happens="An account is collected every 5 s and shown for 15 s, and scraped every 15 s, at "
            "each second of them.",
            exporters=(
                Exporter(
                    accounts=(Account(name="fast", interval=5, max_age=15),),
                ),
            ),
            nobody="anything, at any phase: the account is well",
            scrapes=tuple((15, phase) for phase in range(15)),
            alone=True,
            fast=True,
            tick=1,
            calm=0,
            lasts=480,
        ),
        Incident(
            name="key-expired",
            title="A key expires",
            happens="The venue refuses the key of an account for 12 minutes.",
            exporters=of(replace(FAR, failing=((0, 12 * M, "auth"),))),
            fast=True,
            scrapes=SLOWEST,
            told=(
                Told(severity="warning", alert="RiskKeyRejected", within=2 * M, until=1 * M),
                Told(severity="warning", alert="RiskCollectionFailing", within=3 * M, until=1 * M),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    until=1 * M,
                    says="Nobody sees far on binance_usdm: no data for 5m 15s",
                ),
            ),
            nobody="that the venue is down",
            over=12 * M,
        ),
        Incident(
            name="key-expired-near",
            title="A key expires at 4 %",
            happens="The same to an account that is 3.8 % from its liquidation.",
            exporters=of(replace(NEAR, failing=((0, 25 * M, "permission"),))),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0),
                Told(severity="warning", alert="RiskLiquidationNear", within=0),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0),
                Told(severity="warning", alert="RiskKeyRejected", within=1 * M, until=1 * M),
                Told(severity="warning", alert="RiskCollectionFailing", within=2 * M, until=1 * M),
                Told(severity="critical", alert="RiskDataStale", within=3 * M, until=1 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=5 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=5 * M),
            ),
            nobody="that the danger is over: its alerts go on",
            over=25 * M,
        ),
        Incident(
            name="http-451",
            title="The venue does not serve this country",
            happens="It answers HTTP 451 to all three accounts: the reason is `unsupported`.",
            exporters=of(
                *(replace(FAR, name=f"a{place}", failing=((0, 15 * M, "unsupported"),)) for place in range(3))
            ),
            told=(
                Told(severity="warning", alert="RiskVenueDown", within=2 * M, until=2 * M),
                Told(severity="critical", alert="RiskVenueDown", within=3 * M, until=2 * M),
                *_spoken_for(3, failing=3 * M, stale=3 * M),
            ),
            nobody="that a key is rejected, nor about each account",
            over=15 * M,
        ),
        Incident(
            name="banned",
            title="A short ban",
            happens="The venue bans the address for two and a half minutes.",
            exporters=of(replace(FAR, name="a0", failing=((0, 2.5 * M, "banned"),))),
            told=(
                Told(severity="warning", alert="RiskVenueDown", within=1 * M, until=2.5 * M),
                *_spoken_for(1, failing=2 * M),
            ),
            nobody="that the key is rejected; nor at night",
            over=2.5 * M,
        ),
        Incident(
            name="other-form",
            title="A venue answers in another form",
            happens="From one moment to the next no answer is what the venue documents, to any of four "
            "accounts, for 15 minutes.",
            exporters=of(
                *(replace(FAR, name=f"a{place}", failing=((0, 15 * M, "schema"),)) for place in range(4))
            ),
            told=(
                Told(severity="warning", alert="RiskVenueDown", within=2 * M, until=2 * M),
                Told(severity="critical", alert="RiskVenueDown", within=3 * M, until=2 * M),
                *_spoken_for(4, failing=3 * M, stale=3 * M),
            ),
            nobody="about each account",
            over=15 * M,
        ),
        Incident(
            name="one-way-broken",
            title="One exporter of a pair does not reach a venue",
            happens="Two exporters collect the same two accounts; one of them gets no answer for 15 minutes.",
            exporters=(
                Exporter(
                    accounts=tuple(
                        replace(FAR, name=f"a{place}", failing=((0, 15 * M, "network"),))
                        for place in range(2)
                    )
                ),
                Exporter(
                    accounts=tuple(replace(FAR, name=f"a{place}") for place in range(2)),
                    instance="exporter-2:10217",
                ),
            ),
            told=(
                Told(severity="warning", alert="RiskVenueDown", within=2 * M, until=2 * M),
                *_spoken_for(2, failing=3 * M),
            ),
            nobody="at night: the other one sees both",
            over=15 * M,
        ),
        Incident(
            name="key-runs-out",
            title="A key runs out",
            happens="The exchange says that the key of one account expires in three days, and that of "
            "another in less than ten.",
            exporters=of(
                *(
                    replace(
                        FAR,
                        name=name,
                        more=(("risk_api_key_expiry_timestamp_seconds", {}, step((-EVER, at))),),
                    )
                    for name, at in (("soon", 5 * M + 3 * 86400), ("later", 10 * 86400))
                )
            ),
            told=(
                Told(severity="info", alert="RiskKeyExpires", within=1 * M, account="soon"),
                Told(severity="info", alert="RiskKeyExpires", within=1 * M, account="later"),
                Told(
                    severity="warning",
                    alert="RiskKeyExpires",
                    within=6 * M,
                    account="soon",
                    says="The API key of soon on binance_usdm expires in 3.0 days",
                ),
            ),
            nobody="at night",
        ),
        Incident(
            name="key-can-more",
            title="A key that can do more than read",
            happens="From one moment to the next the key of an account can trade and withdraw, for 15 "
            "minutes.",
            exporters=of(
                replace(
                    FAR,
                    more=tuple(
                        (
                            "risk_api_key_permission",
                            {"permission": permission},
                            step((-1, 0), (0, 1), (15 * M, 0)),
                        )
                        for permission in ("trade", "withdraw")
                    ),
                )
            ),
            told=(
                Told(severity="info", alert="RiskKeyCanDoMore", within=6 * M, until=1 * M),
                Told(severity="warning", alert="RiskKeyCanDoMore", within=6 * M, until=1 * M),
            ),
            nobody="at night",
            over=15 * M,
        ),
        Incident(
            name="unlisted",
            title="Sub-accounts are not listed",
            happens="The venue does not say for 25 minutes which sub-accounts an account has; those that are "
            "known are collected.",
            exporters=of(
                replace(
                    FAR,
                    name="fund",
                    more=(("risk_collector_sub_accounts", {}, 1.0),),
                ),
                replace(FAR, name="fund.alpha"),
                more=(
                    (
                        "risk_collector_sub_accounts_up",
                        {"exchange": "binance_usdm", "account": "fund"},
                        step((-1, 1), (0, 0), (25 * M, 1)),
                    ),
                ),
            ),
            told=(Told(severity="warning", alert="RiskSubAccountsUnlisted", within=15 * M, until=1 * M),),
            nobody="at night",
            over=25 * M,
        ),
        Incident(
            name="one-account",
            title="One account of several",
            happens="One account of a venue fails with network errors for 10 minutes, two others do not.",
            exporters=of(replace(FAR, failing=((0, 10 * M, "network"),)), replace(FAR, name="second")),
            told=(
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2 * M,
                    account="far",
                    until=1 * M,
                ),
                Told(severity="critical", alert="RiskDataStale", within=3 * M, account="far", until=1 * M),
            ),
            nobody="that the venue is down; nor of the second account",
            over=10 * M,
        ),
        Incident(
            name="blip",
            title="A venue stumbles",
            happens="All accounts of a venue fail for 40 seconds.",
            exporters=(
                Exporter(
                    accounts=tuple(
                        replace(FAR, name=f"a{place}", failing=((0, 40, "timeout"),)) for place in range(4)
                    )
                ),
            ),
            fast=True,
            scrapes=EVERY_SCRAPE,
            nobody="anything",
        ),
        Incident(
            name="venue-down",
            title="A venue is down",
            happens="All five accounts of a venue fail for 15 minutes; one of them is 3.8 % from its "
            "liquidation. Another venue goes on.",
            exporters=(
                Exporter(
                    accounts=(
                        replace(NEAR, failing=((0, 15 * M, "timeout"),)),
                        *(
                            replace(FAR, name=f"a{place}", failing=((0, 15 * M, "timeout"),))
                            for place in range(4)
                        ),
                        Account(name="other", exchange="bingx"),
                    )
                ),
            ),
            fast=True,
            scrapes=((15, 5),),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(severity="warning", alert="RiskVenueDown", within=1.5 * M, until=2.5 * M),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2.5 * M,
                    account="a0",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2.5 * M,
                    account="a1",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2.5 * M,
                    account="a2",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2.5 * M,
                    account="a3",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="warning",
                    alert="RiskCollectionFailing",
                    within=2.5 * M,
                    account="near",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="a0",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="a1",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="a2",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="a3",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskDataStale",
                    within=3 * M,
                    account="near",
                    until=0.5 * M,
                    instead="RiskVenueDown",
                ),
                Told(
                    severity="critical",
                    alert="RiskVenueDown",
                    within=3 * M,
                    until=2.5 * M,
                    says="Nobody sees any account on binance_usdm",
                ),
                Told(severity="info", alert="RiskLeverageHigh", within=5.5 * M, account="near"),
                Told(severity="info", alert="RiskLiquidationNear", within=5.5 * M, account="near"),
            ),
            nobody="about each account, neither during the outage nor after it; nor of the other venue",
            over=15 * M,
        ),
        Incident(
            name="removed-near",
            title="An account is taken out of the configuration at 4 %",
            happens="With the next reload nobody collects it.",
            exporters=of(replace(NEAR, configured=(-EVER, 0))),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=0),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=0),
                Told(severity="warning", alert="RiskLiquidationNear", within=0),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0),
                Told(
                    severity="critical",
                    alert="RiskAccountGone",
                    within=1 * M,
                    says="near on binance_usdm is not collected any longer, and was near its liquidation",
                ),
                Told(severity="warning", alert="RiskAccountGone", within=1 * M),
            ),
            nobody="that all is well: RiskAccountGone outlives the alerts about the danger",
        ),
        Incident(
            name="removed-open",
            title="The same with a position far from danger",
            happens="With the next reload nobody collects it.",
            exporters=of(replace(FAR, configured=(-EVER, 0))),
            told=(Told(severity="warning", alert="RiskAccountGone", within=1 * M),),
            nobody="at night",
        ),
        Incident(
            name="removed-empty",
            title="The same without a position",
            happens="With the next reload nobody collects it.",
            exporters=of(Account(name="old", configured=(-EVER, 0))),
            told=(Told(severity="info", alert="RiskAccountGone", within=1 * M),),
            nobody="at night",
        ),
        Incident(
            name="optional",
            title="A permission is missing",
            happens="A request without which a collection goes on fails each time, for half an hour.",
            exporters=of(
                Account(optional_errors=step(*[(15.0 * n, float(n)) for n in range(121)])),
            ),
            told=(Told(severity="info", alert="RiskCollectionIncomplete", within=16 * M, until=15 * M),),
            nobody="at night",
            over=30 * M,
        ),
        Incident(
            name="marks-old",
            title="Marks between collections do not come",
            happens="The call for all marks, due every 5 seconds, fails for 8 minutes.",
            exporters=(
                Exporter(
                    accounts=(FAR,),
                    more=(
                        (
                            "risk_marks_last_success_timestamp_seconds",
                            {"exchange": "binance_usdm"},
                            lambda time: 0.0 if 0 <= time < 8 * M else time - time % 5,
                        ),
                        ("risk_marks_interval_seconds", {"exchange": "binance_usdm"}, 5.0),
                    ),
                ),
            ),
            told=(Told(severity="warning", alert="RiskMarksOld", within=3 * M, until=1 * M),),
            nobody="at night: the collections themselves go on",
            over=8 * M,
        ),
        Incident(
            name="clock-of-its-own",
            title="The exporter's clock is behind that of Prometheus",
            happens="By two minutes, all the time; data are shown for 45 seconds.",
            exporters=(Exporter(accounts=(FAR,), clock=-120.0),),
            nobody="anything: the account is collected and seen",
        ),
        Incident(
            name="clock",
            title="The clock is wrong",
            happens="The exporter's machine is 30 seconds behind one venue's clock for 25 minutes.",
            exporters=(
                Exporter(
                    accounts=(FAR,),
                    more=(
                        (
                            "risk_api_clock_offset_seconds",
                            {"exchange": "binance_usdm"},
                            step((-1, 0.02), (0, -30), (25 * M, 0.02)),
                        ),
                    ),
                ),
            ),
            told=(Told(severity="warning", alert="RiskClockSkew", within=15 * M, until=1 * M),),
            nobody="at night",
            over=25 * M,
        ),
    ),
)
