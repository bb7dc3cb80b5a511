"""The alerts about API keys."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test, named
from tests.grafana.rule_tests.world import EXPORTER, KEY, MAIN, TWIN, Values, World, selector, span

_DASHBOARD: Final = "/d/risk-exporter?var-exchange=binance_usdm&var-account=main"
_DAY: Final = 86400.0
_REFUSED: Final = "Where `keys.refuse` of the configuration names that, the account is not collected."


def _can(permission: str, severity: str, why: str) -> Expected:
    return Expected(
        alert="RiskKeyCanDoMore",
        labels={"severity": severity, "category": "collection", "permission": permission, **MAIN},
        summary=f"The API key of main on binance_usdm can {permission}",
        description=f"Reading is all that is needed, and whoever gets hold of this key can {permission} with "
        f"it. {why}",
        dashboard=_DASHBOARD,
    )


def can_do_more() -> list[Test]:
    tests: list[Test] = []
    for permission, severity, why in (
        ("trade", "info", "Some exchanges tell the modes of an account only to such a key."),
        ("transfer", "warning", _REFUSED),
        ("withdraw", "warning", _REFUSED),
    ):
        expected = _can(permission, severity, why)

        def world(values: Values, of: str = permission, labels: dict[str, str] = EXPORTER) -> World:
            name = selector("risk_api_key_permission", {**MAIN, "permission": of, **labels})
            return World(30, accounts={KEY: []}, extra=[(name, values)])

        blind = world(span((1.0, 12), (None, 18)))
        blind.accounts = {KEY: span(("ok", 12), ("blind", 18))}
        tests += named(
            severity,
            [
                make_test(
                    f"{permission}: fires after its for, not a minute earlier, and ends with the right",
                    world(span((1.0, 12), (0.0, 18))),
                    expected,
                    firing=[5, 11],
                    silent=[4, 12, 20],
                    annotated=5,
                ),
                make_test(
                    f"{permission}: goes on while the account cannot be collected",
                    blind,
                    expected,
                    firing=[29],
                ),
                make_test(
                    f"{permission}: is said once of a key that two exporters use",
                    World(
                        30,
                        accounts={KEY: []},
                        extra=[*world([1.0]).extra, *world([1.0], labels=TWIN).extra],
                    ),
                    expected,
                    firing=[20],
                ),
                make_test("reading is no reason", world([1.0], "read"), expected, silent=[5, 20]),
                make_test("nothing is no reason", world([0.0]), expected, silent=[5, 20]),
            ],
        )
    return tests


def expires() -> list[Test]:
    tests: list[Test] = []
    for severity, days in (("info", 14), ("warning", 3)):

        def expected(when: str, severity: str = severity) -> Expected:
            return Expected(
                alert="RiskKeyExpires",
                labels={"severity": severity, "category": "collection", **MAIN},
                summary=f"The API key of main on binance_usdm {when}",
                description="From then on nobody sees the account. Put another key in its place.",
                dashboard=_DASHBOARD,
            )

        def world(left: float) -> World:
            name = selector("risk_api_key_expiry_timestamp_seconds", {**MAIN, **EXPORTER})
            return World(30, accounts={KEY: []}, extra=[(name, [left])])

        soon = expected(f"expires in {days}.0 days")
        over = expected("has expired")
        lower = severity == "warning"
        tests += named(
            severity,
            [
                # Fewer than so many days are left from minute 6 on.
                make_test(
                    "fires its for after the limit, not a minute earlier",
                    world(days * _DAY + 300.0),
                    soon,
                    firing=[11, 29],
                    silent=[10],
                    annotated=11,
                    also=[expected(f"expires in {days}.0 days", "info")] if lower else [],
                ),
                make_test(
                    "does not fire just above the limit",
                    world(days * _DAY + 1801.0),
                    soon,
                    silent=[10, 29],
                ),
                make_test(
                    "says so of a key that has expired",
                    world(-_DAY),
                    over,
                    firing=[5, 29],
                    annotated=5,
                    also=[expected("has expired", "info" if lower else "warning")],
                ),
            ],
        )
    return tests
