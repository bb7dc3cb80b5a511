"""Dashboards and rules come with the program, and lead to the addresses of whoever uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from exporter import cli
from exporter.defaults import GRAFANA_URL, RUNBOOK_URL

ROOT = Path(__file__).resolve().parents[1]
GRAFANA = ROOT / "grafana"
DASHBOARDS = {path.name for path in (GRAFANA / "dashboards").glob("*.json")}
RULES = {path.name for path in (GRAFANA / "prometheus" / "rules").glob("*.yml")}

WIKI, BOARDS = "https://wiki.example.com/risk", "https://grafana.example.com/desk"


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_without_addresses_the_files_are_those_of_the_repository(tmp_path: Path) -> None:
    assert invoke("dashboards", "--output", tmp_path / "a").exit_code == 0
    assert invoke("rules", "--output", tmp_path / "b").exit_code == 0
    assert texts(tmp_path / "a") == texts(GRAFANA / "dashboards")
    assert texts(tmp_path / "b") == {
        **texts(GRAFANA / "prometheus" / "rules"),
        "runbooks.md": (GRAFANA / "runbooks.md").read_text(),
    }


def test_dashboards_lead_to_the_users_runbook(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "there" / "yet"
    result = invoke("dashboards", "--output", folder, "--runbook-url", WIKI)
    assert result.exit_code == 0, result.output
    written = texts(folder)
    assert written.keys() == DASHBOARDS
    assert result.output.splitlines() == [str(folder / name) for name in sorted(DASHBOARDS)]
    for name, text in written.items():
        links = {link["title"]: link for link in json.loads(text)["links"]}
        assert links["Runbooks"]["url"] == WIKI, name
        assert RUNBOOK_URL not in text


def test_every_alert_leads_to_the_users_runbook_and_grafana(tmp_path: Path) -> None:
    result = invoke("rules", "--output", tmp_path, "--runbook-url", WIKI, "--grafana-url", BOARDS + "/")
    assert result.exit_code == 0, result.output
    written = texts(tmp_path)
    assert written.keys() == RULES | {"runbooks.md"}
    alerts = [rule for group in yaml.safe_load(written["alerts.yml"])["groups"] for rule in group["rules"]]
    assert len(alerts) > 20
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"{WIKI}#{alert['alert'].lower()}"
        assert alert["annotations"]["dashboard_url"].startswith(f"{BOARDS}/d/risk-")
    assert "localhost" not in written["alerts.yml"]
    assert result.stderr == ""


def test_who_names_no_grafana_is_told_where_alerts_lead(tmp_path: Path) -> None:
    result = invoke("rules", "--output", tmp_path)
    assert "--grafana-url" in result.stderr
    assert GRAFANA_URL in result.stderr


@pytest.mark.parametrize(
    "text",
    [
        "grafana.example.com",
        "https://",
        "https://a b",
        'https://a"',
        "https://a/{{x}}",
        "https://a#b",
        "https://a/$x",
    ],
)
def test_what_would_break_a_file_is_no_address(text: str, tmp_path: Path) -> None:
    result = invoke("rules", "--output", tmp_path, "--grafana-url", text)
    assert result.exit_code == 2
    assert "'--grafana-url': must begin with http:// or https://" in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "fleet.json").mkdir()
    result = invoke("dashboards", "--output", tmp_path)
    assert result.exit_code == 1
    assert f"cannot write: [Errno 21] Is a directory: '{tmp_path / 'fleet.json'}'" in result.stderr
