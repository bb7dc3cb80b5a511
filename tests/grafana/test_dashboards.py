"""The rules of the field for dashboards, held by every panel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from grafana.generator import links
from tests.grafana.programs import GRAFANA

BOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text()) for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
NAMES = sorted(BOARDS)


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (panel for panel in board["panels"] if panel["type"] != "row")


def test_the_four_dashboards_have_stable_uids() -> None:
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "fleet": "risk-fleet",
        "account": "risk-account",
        "position": "risk-position",
        "exporter": "risk-exporter",
    }


@pytest.mark.parametrize("name", NAMES)
def test_dashboard_is_read_only_in_the_browsers_time_zone_and_says_its_question(name: str) -> None:
    board = BOARDS[name]
    assert board["editable"] is False
    assert board["timezone"] == "browser"
    assert board["description"].endswith("?")
    assert "id" not in board
    assert "risk-exporter" in board["tags"]


@pytest.mark.parametrize("name", NAMES)
def test_panel_ids_are_unique(name: str) -> None:
    ids = [panel["id"] for panel in BOARDS[name]["panels"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap_and_fit_the_grid(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARDS[name]["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_has_title_description_unit_and_thresholds(name: str) -> None:
    titles: list[str] = []
    for panel in panels(BOARDS[name]):
        titles.append(panel["title"])
        assert panel["title"]
        assert len(panel["description"]) > 15, panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"], panel["title"]
        values = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert values[0] is None, panel["title"]
        assert values[1:] == sorted(values[1:]), panel["title"]
    assert len(titles) > 10


@pytest.mark.parametrize("name", NAMES)
def test_everything_reads_the_chosen_data_source(name: str) -> None:
    board = BOARDS[name]
    sources = [
        *(panel["datasource"] for panel in panels(board)),
        *(target["datasource"] for panel in panels(board) for target in panel["targets"]),
        *(annotation["datasource"] for annotation in board["annotations"]["list"]),
        *(v["datasource"] for v in board["templating"]["list"] if v["type"] == "query"),
    ]
    assert all(source == PROMETHEUS for source in sources)
    assert next(v for v in board["templating"]["list"] if v["name"] == "datasource")["query"] == "prometheus"


@pytest.mark.parametrize("name", NAMES)
def test_variables_offer_all(name: str) -> None:
    wanted = ["datasource", "exchange", "account"] + (["symbol"] if name == "position" else [])
    variables = BOARDS[name]["templating"]["list"]
    assert [variable["name"] for variable in variables] == wanted
    for variable in variables[1:]:
        assert variable["includeAll"]
        assert variable["multi"]
        assert variable["allValue"] == ".*"


@pytest.mark.parametrize("name", NAMES)
def test_rates_follow_the_scrape_interval_and_no_job_is_named(name: str) -> None:
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            expr = target["expr"]
            for window in re.findall(r"\b(?:rate|irate|increase)\([^][]*\[([^]]*)\]", expr):
                assert window == "$__rate_interval", panel["title"]
            assert not re.search(r"\b(?:job|instance)\s*(?:=|!)", expr), panel["title"]
            assert target["refId"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)), panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_selections_apply_to_every_series_of_the_exporter_that_has_the_label(name: str) -> None:
    """A panel that ignored the chosen account would show another's numbers under its name."""
    from tests.grafana import promql  # noqa: PLC0415 - the other tests here need no exporter

    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            chosen = dict.fromkeys(promql.metrics(target["expr"]), frozenset[str]())
            chosen |= {metric: frozenset(labels) for metric, labels in promql.selectors(target["expr"])}
            for metric, matchers in chosen.items():
                if metric.startswith("risk_"):
                    wanted = {"exchange", "account"} | ({"symbol"} if name == "position" else set())
                    assert wanted & promql.labels_of(metric) <= matchers, f"{panel['title']}: {metric}"


@pytest.mark.parametrize("name", NAMES)
def test_series_that_belong_to_an_account_are_called_by_it(name: str) -> None:
    from tests.grafana import promql  # noqa: PLC0415 - see above

    for panel in panels(BOARDS[name]):
        if panel["type"] not in {"timeseries", "bargauge", "state-timeline"}:
            continue
        for target in panel["targets"]:
            expr, legend = target["expr"], target["legendFormat"]
            assert legend != "__auto", panel["title"]
            outer = re.match(r"\w+ by \(([^)]*)\)", expr)
            grouped = set(outer[1].split(", ")) if outer else promql.grouping_labels(expr)
            by_account = "account" in grouped or (
                not re.search(r"\bby \(", expr) and any("account" in m for _, m in promql.selectors(expr))
            )
            if by_account:
                assert "{{account}}" in legend, panel["title"]
                assert "{{exchange}}" in legend, panel["title"]
            if "symbol" in grouped or (name == "position" and by_account):
                assert "{{symbol}}" in legend, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_alerts_are_drawn_into_the_graphs(name: str) -> None:
    (annotation,) = BOARDS[name]["annotations"]["list"]
    assert 'ALERTS{alertstate="firing"' in annotation["expr"]
    assert annotation["enable"]


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_dashboards_and_variables_that_exist(name: str) -> None:
    board = BOARDS[name]
    kinds = {link["type"]: link for link in board["links"]}
    assert kinds["dashboards"]["tags"] == ["risk-exporter"]
    assert kinds["dashboards"]["includeVars"]
    assert kinds["dashboards"]["keepTime"]
    uids = {other["uid"]: other for other in BOARDS.values()}
    found = re.findall(r'/d/([a-z-]+)\?([^"]*)', json.dumps(board["panels"]))
    for uid, query in found:
        variables = {variable["name"] for variable in uids[uid]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= variables


def test_alerts_lead_to_dashboards_and_variables_that_exist() -> None:
    alerts = (GRAFANA / "prometheus" / "rules" / "alerts.yml").read_text()
    uids = {board["uid"]: board for board in BOARDS.values()}
    urls = re.findall(r'dashboard_url: "([^"]*)"', alerts)
    assert urls
    for url in urls:
        path, _, query = url.removeprefix(links.GRAFANA_URL + "/d/").partition("?")
        variables = {variable["name"] for variable in uids[path]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=", query)) <= variables


def test_rows_of_tables_lead_on() -> None:
    for name, title in (
        ("fleet", "Positions by liquidation distance"),
        ("account", "Positions by liquidation distance"),
    ):
        panel = next(panel for panel in BOARDS[name]["panels"] if panel["title"] == title)
        assert "/d/risk-position" in json.dumps(panel)
        columns = set(panel["transformations"][1]["options"]["renameByName"].values())
        assert set(re.findall(r"__data\.fields\.(\w+)", json.dumps(panel))) <= columns


def test_rates_that_can_be_infinite_are_capped_where_they_are_drawn() -> None:
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                for metric in re.findall(r"risk_\w*margin_rate\b", target["expr"]):
                    assert target["expr"].count("clamp_max("), f"{name}: {panel['title']}: {metric}"


def test_positions_without_a_distance_do_not_come_before_the_nearest_ones() -> None:
    """Grafana sorts rows without a value first, so the query sorts, and the table keeps its order."""
    for name in ("fleet", "account"):
        panel = next(
            panel for panel in BOARDS[name]["panels"] if panel["title"] == "Positions by liquidation distance"
        )
        assert not panel.get("options", {}).get("sortBy")
        assert panel["targets"][0]["expr"].startswith("sort(min by (")
        assert [step["id"] for step in panel["transformations"]] == ["merge", "organize"]
        assert panel["transformations"][1]["options"]["renameByName"]["Value #A"] == "Distance"


@pytest.mark.parametrize("name", NAMES)
def test_an_account_that_two_exporters_collect_is_summed_once(name: str) -> None:
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            for metric in re.findall(r"\bsum(?: by \([^)]*\))? ?\((risk_\w+)", target["expr"]):
                assert metric.endswith("_total"), f"{panel['title']}: {metric}"


def test_the_equity_of_blind_accounts_is_drawn_as_such_and_not_as_a_loss() -> None:
    panel = next(
        panel
        for panel in BOARDS["fleet"]["panels"]
        if panel["title"] == "Equity by exchange" and panel["type"] == "timeseries"
    )
    assert [target["legendFormat"] for target in panel["targets"]] == ["{{exchange}}", "{{exchange}} unseen"]
    assert "risk:account:equity_usd:known" in panel["targets"][1]["expr"]
