"""Alertmanager accepts the configuration, and each alert goes where it should."""

from __future__ import annotations

import itertools
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana.generator.alerts import ALERTS
from tests.grafana.programs import GRAFANA, RELEASES, Release, output, run

CONFIG = GRAFANA / "alertmanager" / "alertmanager.yml"


@cache
def config() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return content


@pytest.mark.parametrize("release", RELEASES)
def test_alertmanager_accepts_the_configuration(release: Release) -> None:
    result = run("amtool", "check-config", CONFIG, release=release)
    assert result.returncode == 0, output(result)
    assert "1 templates" in output(result)


def test_the_telegram_pattern_differs_from_an_accepted_one_only_by_its_token_file(tmp_path: Path) -> None:
    """Debian's Alertmanager does not know ``bot_token_file`` yet, so the pattern is a comment."""
    text = re.sub(r"^  # (- name: telegram|  )", r"  \1", CONFIG.read_text(), flags=re.MULTILINE)
    assert "bot_token_file: /etc/alertmanager/secrets/" in text
    path = tmp_path / "alertmanager.yml"
    path.write_text(re.sub(r"bot_token_file: \S+", "bot_token: placeholder", text))
    names = {receiver["name"] for receiver in yaml.safe_load(path.read_text())["receivers"]}
    assert "telegram" in names
    result = run("amtool", "check-config", path)
    assert result.returncode == 0, output(result)


def test_an_alert_of_unknown_severity_is_not_lost() -> None:
    result = run(
        "amtool", "config", "routes", "test", f"--config.file={CONFIG}", "alertname=Other", "severity=odd"
    )
    assert result.stdout.strip() == "warning"


def test_an_alert_for_machines_goes_to_nobody() -> None:
    command = ("amtool", "config", "routes", "test", f"--config.file={CONFIG}")
    result = run(*command, "alertname=Watchdog", "severity=none")
    assert result.stdout.strip() == "nobody"


def test_a_desk_may_have_people_of_its_own_besides(tmp_path: Path) -> None:
    """The pattern for it is a comment, because nobody knows the desks."""
    text = CONFIG.read_text()
    pattern = re.search(r"^    # - matchers: (?:.*\n    #   .*)+$", text, re.MULTILINE)
    assert pattern is not None
    route = re.sub(r"^    # ", "    ", pattern.group(), flags=re.MULTILINE)
    path = tmp_path / "alertmanager.yml"
    loaded = yaml.safe_load(text.replace(pattern.group(), route))
    loaded["receivers"].append({"name": "basis-desk"})
    path.write_text(yaml.safe_dump(loaded))
    command = ("amtool", "config", "routes", "test", f"--config.file={path}", "severity=critical")
    assert run(*command, "desk=basis").stdout.strip() == "basis-desk,critical"
    assert run(*command, "desk=treasury").stdout.strip() == "critical"


def test_messages_are_grouped_by_exchange_and_account() -> None:
    assert config()["route"]["group_by"] == ["exchange", "account"]
    routes = config()["route"]["routes"]
    assert [route["receiver"] for route in routes if "group_by" in route] == ["watchdog"]


def test_critical_alerts_are_repeated_soonest() -> None:
    routes = {route["receiver"]: route for route in config()["route"]["routes"]}
    assert routes["critical"]["group_wait"] == "10s"
    assert routes["critical"]["repeat_interval"] == "30m"


def test_every_integration_has_a_pattern_and_no_secret_stands_in_the_file() -> None:
    text = CONFIG.read_text()
    for kind in ("webhook", "slack", "telegram", "pagerduty", "email"):
        assert f"{kind}_configs:" in text
    for field in ("routing_key", "bot_token", "api_url", "auth_password", "service_key", "password"):
        assert not re.search(rf"^\s*#?\s*-?\s*{field}:", text, re.MULTILINE), field


def matches(matcher: str, labels: dict[str, str]) -> bool:
    name, operator, value = re.fullmatch(r'(\w+)(=~|!=|=)"([^"]*)"', matcher).groups()  # type: ignore[union-attr]
    found = labels.get(name, "")
    if operator == "=~":
        return bool(re.fullmatch(value, found))
    return (found == value) == (operator == "=")


def inhibited(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether a firing source silences the target, by Alertmanager's rules."""
    return any(
        all(matches(matcher, source) for matcher in rule["source_matchers"])
        and all(matches(matcher, target) for matcher in rule["target_matchers"])
        and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        for rule in config()["inhibit_rules"]
    )


SOURCE = {"exchange": "binance_usdm", "job": "risk", "instance": "exporter:10217"}
VENUE_DOWN = {"alertname": "RiskVenueDown", "severity": "warning", "category": "venue", **SOURCE}
EXPORTER_DOWN = {"alertname": "RiskExporterDown", "severity": "critical", "category": "exporter"}
EXPORTER_DOWN |= {"job": "risk", "instance": "exporter:10217"}


def collection(
    name: str, severity: str = "warning", category: str = "collection", **labels: str
) -> dict[str, str]:
    return {
        "alertname": name,
        "severity": severity,
        "category": category,
        "account": "main",
        **SOURCE,
        **labels,
    }


def test_a_venue_that_is_down_speaks_for_its_accounts() -> None:
    stale = collection("RiskDataStale", "critical", "blindness")
    assert inhibited(VENUE_DOWN, collection("RiskCollectionFailing"))
    assert not inhibited(VENUE_DOWN, collection("RiskCollectionFailing", exchange="bingx"))
    assert not inhibited(VENUE_DOWN, stale)
    assert inhibited({**VENUE_DOWN, "severity": "critical"}, stale)


def test_an_exporter_that_is_down_silences_what_follows_from_it() -> None:
    assert inhibited(EXPORTER_DOWN, collection("RiskCollectionFailing"))
    assert inhibited(EXPORTER_DOWN, collection("RiskDataStale", "critical", "blindness"))
    assert inhibited(EXPORTER_DOWN, VENUE_DOWN)
    assert not inhibited(
        EXPORTER_DOWN, collection("RiskDataStale", "critical", "blindness", instance="other")
    )


def test_that_there_is_no_exporter_at_all_silences_nothing() -> None:
    """It has no instance, and neither has what is told of an account whoever collects it."""
    none_at_all = {name: text for name, text in EXPORTER_DOWN.items() if name not in {"job", "instance"}}
    for name, severity, category in {(one.name, one.severity, one.category) for one in ALERTS}:
        about = {"alertname": name, "severity": severity, "category": category}
        if name != "RiskExporterDown":
            assert not inhibited(none_at_all, {**about, "exchange": "binance_usdm", "account": "main"}), name


def test_no_alert_ever_silences_a_danger_except_the_same_danger_at_a_higher_severity() -> None:
    position = {"exchange": "binance_usdm", "account": "main", "symbol": "BTCUSDT", "side": "long"}
    order = ("info", "warning", "critical")
    alerts = [
        {
            "alertname": a.name,
            "severity": a.severity,
            "category": a.category,
            **position,
            **SOURCE,
            **dict(a.labels),
        }
        for a in ALERTS
    ]
    risks = [alert for alert in alerts if alert["category"] == "risk"]
    silenced = 0
    for source, target in itertools.product([*alerts, VENUE_DOWN, EXPORTER_DOWN], risks):
        if inhibited(source, target):
            silenced += 1
            assert source["alertname"] == target["alertname"]
            assert order.index(source["severity"]) > order.index(target["severity"])
    assert silenced > 5


def test_a_position_does_not_silence_another_one() -> None:
    first = {
        "alertname": "RiskLiquidationNear",
        "severity": "critical",
        "category": "risk",
        "symbol": "BTCUSDT",
    }
    second = {**first, "severity": "warning"}
    assert inhibited(first, second)
    for label in ("exchange", "account", "symbol", "side", "margin_mode", "currency", "position_id"):
        assert not inhibited(first, {**second, label: "other"}), label


def test_what_a_key_can_besides_does_not_silence_what_else_it_can() -> None:
    key = {"alertname": "RiskKeyCanDoMore", "category": "collection", "account": "main"}
    withdraw = {**key, "severity": "warning", "permission": "withdraw"}
    assert not inhibited(withdraw, {**key, "severity": "info", "permission": "trade"})


def test_message_texts_exist_for_every_template_that_is_used() -> None:
    defined = set(
        re.findall(r'define "([\w.]+)"', (GRAFANA / "alertmanager" / "templates" / "risk.tmpl").read_text())
    )
    used = set(re.findall(r'template "([\w.]+)"', CONFIG.read_text()))
    assert used <= defined
    assert defined - used == {"risk.line", "risk.one"}, "what the others are made of"


def rendered(template: str, alerts: list[dict[str, Any]], directory: Path, release: Release) -> str:
    """What a message with these alerts says."""
    common = {
        name: value
        for name, value in alerts[0]["labels"].items()
        if all(alert["labels"].get(name) == value for alert in alerts)
    }
    firing = any(alert["status"] == "firing" for alert in alerts)
    message = {
        "receiver": "critical",
        "status": "firing" if firing else "resolved",
        "alerts": alerts,
        "commonLabels": common,
    }
    data = directory / "message.json"
    data.write_text(json.dumps(message))
    result = run(
        "amtool",
        "template",
        "render",
        f"--template.glob={GRAFANA}/alertmanager/templates/*.tmpl",
        f"--template.data={data}",
        f'--template.text={{{{ template "{template}" . }}}}',
        release=release,
    )
    assert result.returncode == 0, output(result)
    return result.stdout.strip()


def alert(severity: str, summary: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "X", "severity": severity, "account": "main", **labels},
        "annotations": {"summary": summary, "description": "Why.", "runbook_url": "r", "dashboard_url": "d"},
    }


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize(
    ("alerts", "title"),
    [
        ([alert("info", "A is so")], "[INFO] A is so"),
        (
            [
                alert("warning", "A is so"),
                alert("critical", "B is 4.1% from liquidation"),
                alert("critical", "C"),
            ],
            "[CRITICAL] B is 4.1% from liquidation (one of 3)",
        ),
        (
            [
                alert("critical", "A", "resolved", desk="basis"),
                alert("warning", "B is so", desk="basis", owner="anna"),
            ],
            "[WARNING] basis: B is so",
        ),
        ([alert("critical", "A is so", "resolved")], "[RESOLVED] A is so"),
    ],
)
def test_the_title_of_a_message_names_the_worst(
    alerts: list[dict[str, Any]], title: str, release: Release, tmp_path: Path
) -> None:
    assert rendered("risk.title", alerts, tmp_path, release) == title


def test_the_text_of_a_message_has_every_alert_with_owner_runbook_and_dashboard(tmp_path: Path) -> None:
    alerts = [alert("critical", "A is so", owner="anna"), alert("info", "B was so", "resolved")]
    assert rendered("risk.text", alerts, tmp_path, "installed") == (
        "CRITICAL: A is so\nWhy.\nOwner: anna\nRunbook: r\nDashboard: d\n"
        "RESOLVED: B was so\nWhy.\nRunbook: r\nDashboard: d"
    )


def test_a_message_names_all_positions_of_a_large_account_the_worst_first(tmp_path: Path) -> None:
    alerts = [alert("warning" if place < 290 else "critical", f"P{place} is near") for place in range(300)]
    lines = rendered("risk.text", alerts, tmp_path, "installed").splitlines()
    assert lines[0:5:4] == ["CRITICAL: P290 is near", "CRITICAL: P291 is near"]
    assert sum(line.endswith("is near") for line in lines) == 300
    assert lines.count("Runbook: r") == 20
