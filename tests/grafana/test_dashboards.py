"""The rules of the field for dashboards, held by every panel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from grafana.generator import links
from grafana.generator.dashboards.frame import INPUT
from tests.grafana.boards import BOARDS, OF_ONE_ACCOUNT, everything, panels
from tests.grafana.boards import panel as panel_of
from tests.grafana.programs import GRAFANA

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
NAMES = sorted(BOARDS)


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
    ids = [one["id"] for one in everything(BOARDS[name])]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_panels_do_not_overlap_and_fit_the_grid(name: str) -> None:
    board = BOARDS[name]
    for shown in (board["panels"], *(row["panels"] for row in board["panels"] if row.get("panels"))):
        fits(shown)


def fits(shown: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in shown:
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
def test_variables_offer_all_accounts_or_open_on_one(name: str) -> None:
    """A position of several symbols would draw prices of all of them on one axis."""
    wanted = ["datasource", "exchange", "account"] + (["symbol"] if name == "position" else [])
    variables = BOARDS[name]["templating"]["list"]
    assert [variable["name"] for variable in variables] == wanted
    for variable in variables[1:]:
        assert variable["includeAll"] == variable["multi"] == (name not in OF_ONE_ACCOUNT)
        assert variable.get("allValue") == (None if name in OF_ONE_ACCOUNT else ".*")
    # Where one is chosen its name is compared as it is; Grafana escapes names for expressions only in lists.
    operators = set(
        re.findall(
            r'(=~?|!~|!=)"\$(?:exchange|account|symbol)"',
            json.dumps(BOARDS[name]["panels"]).replace('\\"', '"'),
        )
    )
    assert operators == ({"="} if name in OF_ONE_ACCOUNT else {"=~"})


@pytest.mark.parametrize("name", NAMES)
def test_rates_follow_the_scrape_interval_and_no_job_is_named(name: str) -> None:
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            expr = target["expr"]
            for window in re.findall(r"\b(?:rate|irate|increase)\([^][]*\[([^]]*)\]", expr):
                assert window in {"$__rate_interval", "$__range"}, panel["title"]
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


@pytest.mark.parametrize("name", sorted(BOARDS.keys() - OF_ONE_ACCOUNT))
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
            if "symbol" in grouped:
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


@pytest.mark.parametrize(
    ("name", "title", "leads_to"),
    [
        ("fleet", "Accounts, nearest to liquidation first", "risk-account"),
        ("fleet", "Positions, nearest to liquidation first", "risk-position"),
        ("account", "Positions, nearest to liquidation first", "risk-position"),
        ("exporter", "Accounts, oldest data first", "risk-account"),
    ],
)
def test_rows_of_tables_lead_on_with_all_labels(name: str, title: str, leads_to: str) -> None:
    table = panel_of(name, title)
    (url,) = re.findall(r"/d/[^\"]*", json.dumps(table))
    assert url.startswith(f"/d/{leads_to}?")
    fields = dict(re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+)\}", url))
    (board,) = (board for board in BOARDS.values() if board["uid"] == leads_to)
    assert fields.keys() == {variable["name"] for variable in board["templating"]["list"]} - {"datasource"}
    titles = table["transformations"][1]["options"]["renameByName"]
    assert {label: titles[label] for label in fields} == fields
    assert "${__url_time_range}" in url


def test_rates_that_can_be_infinite_are_capped_where_they_are_drawn() -> None:
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                for metric in re.findall(r"risk_\w*margin_rate\b", target["expr"]):
                    assert target["expr"].count("clamp_max("), f"{name}: {panel['title']}: {metric}"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("fleet", "Accounts, nearest to liquidation first"),
        ("fleet", "Positions, nearest to liquidation first"),
        ("account", "Positions, nearest to liquidation first"),
        ("position", "Legs"),
    ],
)
def test_rows_without_a_distance_do_not_come_before_the_nearest_ones(name: str, title: str) -> None:
    """Grafana sorts rows without a value first, so the query sorts, and the table keeps its order."""
    table = panel_of(name, title)
    assert not table.get("options", {}).get("sortBy")
    assert table["targets"][0]["expr"].startswith("sort(min by (")
    assert [step["id"] for step in table["transformations"]] == ["merge", "organize"]


@pytest.mark.parametrize("name", NAMES)
def test_an_account_that_two_exporters_collect_is_summed_once(name: str) -> None:
    for panel in panels(BOARDS[name]):
        for target in panel["targets"]:
            for metric in re.findall(r"\bsum(?: by \([^)]*\))? ?\((risk_\w+)", target["expr"]):
                assert metric.endswith("_total"), f"{panel['title']}: {metric}"


def test_the_equity_of_blind_accounts_is_drawn_as_such_and_not_as_a_loss() -> None:
    graph = panel_of("fleet", "Equity by exchange")
    assert [target["legendFormat"] for target in graph["targets"]] == ["{{exchange}}", "{{exchange}} unseen"]
    assert "account:equity_usd:known" in graph["targets"][1]["expr"]


def looks(one: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each set of properties with thresholds: the panel's own, and those of a table's columns."""
    defaults = one["fieldConfig"]["defaults"]
    yield one["title"], defaults
    for override in one["fieldConfig"]["overrides"]:
        properties = {item["id"]: item["value"] for item in override["properties"]}
        if "thresholds" in properties:
            yield f"{one['title']}: {override['matcher']['options']}", properties


@pytest.mark.parametrize("name", NAMES)
def test_green_is_never_shown_without_data(name: str) -> None:
    """Grafana gives what is not there the colour of the lowest step, unless a mapping says another."""
    for one in panels(BOARDS[name]):
        for where, look in looks(one):
            assert look["thresholds"]["steps"][0]["color"] not in {"green", "red", "orange"}, where
        if one["type"] in {"stat", "bargauge"}:
            unknown = one["fieldConfig"]["defaults"]["mappings"][0]
            assert unknown["type"] == "special", one["title"]
            assert unknown["options"]["match"] == "null+nan", one["title"]
            assert unknown["options"]["result"]["color"].startswith("#"), one["title"]
            assert unknown["options"]["result"]["text"] == "no data", one["title"]
        for target in one["targets"]:
            # A zero out of nothing is green where few is good; where it is red it may stand.
            lowest = one["fieldConfig"]["defaults"]["thresholds"]["steps"][1:2]
            if "vector(" in target["expr"]:
                assert [step["color"] for step in lowest] == ["red"], one["title"]


SAME_DECIMALS = {"percentunit", "currencyUSD", "s", "short", "reqps", "bytes"}


@pytest.mark.parametrize("name", NAMES)
def test_every_number_has_its_decimals(name: str) -> None:
    for one in panels(BOARDS[name]):
        for where, look in looks(one):
            if look["unit"] in SAME_DECIMALS:
                assert "decimals" in look, where


def test_distances_are_drawn_up_to_a_hundred_percent() -> None:
    """A hedged pair may be 8,000 % away, and would press the line that matters to the floor."""
    found = 0
    for board in BOARDS.values():
        for one in panels(board):
            for target in one["targets"]:
                expr = target["expr"]
                if one["type"] == "timeseries" and re.search(r"(distance|shock)_ratio(:known)?\{", expr):
                    assert re.match(r"clamp_max\(.*, 1\)$|clamp\(.*, -1, 1\)$", expr), one["title"]
                    found += 1
    assert found > 5


# What Grafana 10.0 has and all later releases up to 13 have kept.
KINDS = {"row", "stat", "bargauge", "table", "timeseries", "state-timeline"}
TRANSFORMATIONS = {"merge", "organize", "convertFieldType", "sortBy", "groupingToMatrix"}
CELLS = {"auto", "gauge", "color-text", "color-background"}


@pytest.mark.parametrize("name", NAMES)
def test_the_schema_is_one_that_grafana_10_to_13_read(name: str) -> None:
    board = BOARDS[name]
    assert board["schemaVersion"] == 38, "10.0 does not know how to read a later one; later ones bring it up"
    assert {one["type"] for one in everything(board)} <= KINDS
    for one in panels(board):
        assert {step["id"] for step in one.get("transformations", [])} <= TRANSFORMATIONS
        assert "pluginVersion" not in one
        cells = re.findall(
            r'"type": "([a-z-]+)"',
            " ".join(
                json.dumps(item["value"])
                for override in one["fieldConfig"]["overrides"]
                for item in override["properties"]
                if item["id"] == "custom.cellOptions"
            ),
        )
        assert set(cells) <= CELLS, one["title"]
        assert all(isinstance(target["datasource"], dict) for target in one["targets"])
    for variable in board["templating"]["list"]:
        assert variable["type"] in {"datasource", "query"}
        assert variable["allowCustomValue"] is False
    for row in board["panels"]:
        if row["type"] == "row":
            assert bool(row.get("panels")) == row["collapsed"], "Grafana throws away panels of an open row"


@pytest.mark.parametrize("name", NAMES)
def test_an_import_asks_for_the_prometheus_and_puts_it_in(name: str) -> None:
    """As Grafana imports: what is asked for is put in the place of its name, nothing else is left open."""
    board = BOARDS[name]
    (asked,) = board["__inputs"]
    assert asked | {"type": "datasource", "pluginId": "prometheus"} == asked
    text = json.dumps({key: value for key, value in board.items() if not key.startswith("__")})
    assert text.count("${" + INPUT + "}") == 1
    imported = json.loads(text.replace("${" + INPUT + "}", "uid-of-mine"))
    source = next(v for v in imported["templating"]["list"] if v["name"] == "datasource")
    assert source["current"]["value"] == "uid-of-mine"
    assert not re.search(r"\$\{DS_", json.dumps(imported))
    needed = {(need["type"], need["id"]) for need in board["__requires"]}
    kinds = {("panel", one["type"]) for one in panels(board)}
    assert needed == {("grafana", "grafana"), ("datasource", "prometheus"), *kinds}
    assert next(need for need in board["__requires"] if need["id"] == "grafana")["version"] == "10.0.0"
