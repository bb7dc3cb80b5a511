"""What the dashboards show of a real Prometheus: a danger, a blind account, and nothing at all."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from html import unescape
from typing import Any, Final

import pytest

from tests.e2e.programs import prometheus
from tests.grafana.boards import BOARDS, panels
from tests.grafana.pictures.drawing import Page
from tests.grafana.pictures.source import Source
from tests.grafana.programs import RELEASES, output, run

NOW: Final = 1_790_000_000
STEP: Final = 15

NEAR = 'exchange="binance_usdm",account="near"'
BLIND = 'exchange="bingx",account="unseen"'
CALM = 'exchange="bittap",account="calm"'
LONG = 'symbol="ADAUSDT",side="long",margin_mode="cross",currency="USDT"'
LEGS = (
    'symbol="BTCUSDT",side="long",margin_mode="cross",currency="USDT"',
    'symbol="BTCUSDT",side="short",margin_mode="cross",currency="USDT"',
)
ISOLATED = 'symbol="ETHUSDT",side="long",margin_mode="isolated",currency="USDT"'
INFO = 'base="ADA",quote="USDT",contract_kind="linear",liquidation_source="venue"'
FIRING = 'alertname="RiskLiquidationNear",alertstate="firing",severity="critical",symbol="ADAUSDT"'

STRESS: Final = "risk_account_stress_maintenance_margin_rate"

# What is there all the time, at its last value.
CONSTANT: Mapping[str, float] = {
    f"risk_up{{{NEAR}}}": 1,
    f"risk_up{{{BLIND}}}": 0,
    f"risk_up{{{CALM}}}": 1,
    f"risk:account:blind:bool{{{NEAR}}}": 0,
    f"risk:account:blind:bool{{{BLIND}}}": 1,
    f"risk:account:blind:bool{{{CALM}}}": 0,
    f"risk:account:data_age_seconds:known{{{NEAR}}}": 4,
    f"risk:account:data_age_seconds:known{{{BLIND}}}": 180,
    f"risk:account:data_age_seconds:known{{{CALM}}}": 5,
    f"risk:position:liquidation_distance_ratio:known{{{NEAR},{LONG}}}": 0.012,
    f"risk:position:liquidation_distance_ratio:known{{{BLIND},{LONG}}}": 0.088,
    f"risk:position:liquidation_distance_ratio:known{{{CALM},{LEGS[0]}}}": 80.0,
    f"risk:position:liquidation_distance_ratio:known{{{CALM},{LEGS[1]}}}": 80.0,
    # The rate of a pool whose reduction is told, behind that of an isolated position without one.
    f'risk:account:maintenance_margin_rate:known{{{CALM},currency="USDT"}}': 0.6,
    f'risk_account_reduction_to_target_ratio{{{CALM},currency="USDT"}}': 0.2,
    f"risk_position_maintenance_margin_rate{{{CALM},{ISOLATED}}}": 0.9,
    f"risk:position:liquidation_distance_ratio:known{{{CALM},{ISOLATED}}}": 0.5,
    # No single coin liquidates it at once, but all together are nearer than the blind one's position.
    f'risk:account:liquidation_shock_ratio:known{{{CALM},currency="USDT",direction="up"}}': 0.05,
    f'risk:account:maintenance_margin_rate:known{{{NEAR},currency="USDT"}}': 0.85,
    f'risk:account:maintenance_margin_rate:known{{{BLIND},currency="USDT"}}': 0.4,
    f'risk_account_equity{{{NEAR},currency="USDT"}}': 100_000,
    f'risk_account_equity_usd{{{NEAR},currency="USDT"}}': 50_000,
    f'risk_account_margin_to_target{{{NEAR},currency="USDT"}}': 3_000,
    f'risk_account_reduction_to_target_ratio{{{NEAR},currency="USDT"}}': 0.26,
    **{
        f'{STRESS}{{{NEAR},currency="USDT",margin_mode="cross",shock="{shock}"}}': rate
        for shock, rate in (("-0.1", math.inf), ("0.1", 0.4), ("-0.05", 0.95))
    },
    f"risk_position_info{{{NEAR},{LONG},{INFO}}}": 1,
    f"risk_position_info{{{CALM},{LEGS[0]},{INFO}}}": 1,
    f"risk_position_info{{{CALM},{LEGS[1]},{INFO}}}": 1,
    f"risk_position_unrealized_pnl{{{NEAR},{LONG}}}": -500,
    f"risk_position_liquidation_distance_ratio{{{CALM},{LEGS[0]}}}": 80.0,
    f"risk_position_liquidation_distance_ratio{{{CALM},{LEGS[1]}}}": 80.0,
    f'risk_account_owner_info{{{NEAR},desk="basis",owner="anna"}}': 1,
    f'risk_account_owner_info{{{BLIND},desk="basis",owner="anna"}}': 1,
    f"risk_account_owner_info{{{CALM}}}": 1,
    f"ALERTS{{{FIRING},{NEAR}}}": 1,
    f'ALERTS_FOR_STATE{{alertname="RiskLiquidationNear",severity="critical",symbol="ADAUSDT",{NEAR}}}': NOW
    - 120,
}
# What ended when nobody saw the account any longer.
UNTIL_BLIND: Mapping[str, float] = {
    f'risk_account_equity{{{BLIND},currency="USDT"}}': 7_000,
    f'risk_account_equity_usd{{{BLIND},currency="USDT"}}': 7_000,
    f'risk_account_margin_to_target{{{BLIND},currency="USDT"}}': 250,
    f"risk_position_mark_price{{{BLIND},{LONG}}}": 0.517,
}


def history() -> str:
    """The series of the last ten minutes, as promtool reads them."""
    lines = []
    for series, end in ((CONSTANT, NOW), (UNTIL_BLIND, NOW - 400)):
        for name, value in series.items():
            lines += [
                f"{name} {str(value).replace('inf', '+Inf')} {at}" for at in range(NOW - 600, end + 1, STEP)
            ]
    names = dict.fromkeys(re.match(r"[\w:]+", line)[0] for line in lines)  # type: ignore[index]
    text = []
    for name in names:
        text += [f"# TYPE {name} gauge", *(line for line in lines if line.startswith(name + "{"))]
    return "\n".join([*text, "# EOF", ""])


@pytest.fixture(scope="module", params=RELEASES)
def drawn(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Mapping[str, str]]:
    """Each panel's text by dashboard and title, at a moment with data, and a day before under ``none``."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "history").write_text(history())
    made = run("promtool", "tsdb", "create-blocks-from", "openmetrics", folder / "history", folder / "data")
    assert made.returncode == 0, output(made)

    async def draw() -> dict[str, dict[str, str]]:
        settings = ("--storage.tsdb.retention.time=100y",)
        async with prometheus(folder, {}, *settings, release=request.param) as server:
            url = server.url
            found = {name: await asyncio.to_thread(texts, url, name, BOARDS[name]) for name in BOARDS}
            found["none"] = await asyncio.to_thread(texts, url, "fleet", BOARDS["fleet"], NOW - 86400)
            return found

    return asyncio.run(draw())


CHOSEN = {"exchange": "bittap", "account": "calm", "symbol": "BTCUSDT"}


def texts(url: str, name: str, board: Mapping[str, Any], now: float = NOW) -> dict[str, str]:
    several = name in {"fleet", "exporter"}
    variables = [v["name"] for v in board["templating"]["list"] if v["type"] == "query"]
    source = Source(url, now, 600, {v: ".*" if several else CHOSEN[v] for v in variables})
    html = Page(board, source, unfolded=True).html()
    assert source.refused == []
    parts = re.findall(r"<h4>(.*?)</h4>(.*?)(?=<div class=(?:panel|row) |<script>)", html, re.DOTALL)
    assert len(parts) == len(list(panels(board)))
    return {unescape(title): unescape(body) for title, body in parts}


def rows(body: str) -> list[dict[str, str]]:
    """The rows of a drawn table, by column."""
    lines = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in re.findall(r"<tr>(.*?)</tr>", body)]
    head, *others = [[re.sub(r"<[^>]*>", "", cell) for cell in line] for line in lines]
    return [dict(zip(head, line, strict=True)) for line in others]


def test_the_fleet_names_who_is_in_danger_nearest_first(drawn: Mapping[str, Mapping[str, str]]) -> None:
    accounts = rows(drawn["fleet"]["Accounts, nearest to liquidation first"])
    assert [row["Account"] for row in accounts] == ["near", "calm", "unseen"]
    near, calm, unseen = accounts
    # 3,000 of a currency of which one unit is half a dollar.
    assert (
        near
        | {
            "Nearest": "ADAUSDT",
            "Side": "long",
            "State": "live",
            "Distance": "1.2%",
            "Rate": "85.0%",
            "To add": "$1.5K",
            "To close": "26.0%",
            "Age": "4 seconds",
        }
        == near
    )
    assert calm | {"Distance": "50.0%", "Joint move": "5.0%", "To add": "–"} == calm
    assert (
        unseen
        | {"State": "BLIND", "Distance": "8.8%", "Rate": "40.0%", "To add": "$250.0", "Age": "3 minutes"}
        == unseen
    )
    nearest = drawn["fleet"]["Nearest liquidation"]
    assert "near ADAUSDT long" in nearest
    assert "1.2%" in nearest


def test_what_fires_is_listed_with_its_severity(drawn: Mapping[str, Mapping[str, str]]) -> None:
    (alert,) = rows(drawn["fleet"]["What fires, gravest first"])
    assert alert == {
        "Severity": "critical",
        "For": "2 minutes",
        "Alert": "RiskLiquidationNear",
        "Account": "near",
        "Symbol": "ADAUSDT",
    }


def test_blind_positions_stay_marked_with_what_was_known(drawn: Mapping[str, Mapping[str, str]]) -> None:
    positions = rows(drawn["fleet"]["Positions, nearest to liquidation first"])
    assert [(row["Account"], row["State"]) for row in positions[:2]] == [
        ("near", "live"),
        ("unseen", "BLIND"),
    ]
    assert positions[0]["PnL"] == "-$250.0"
    assert positions[1]["Mark"] == "0.517"


def test_the_way_back_of_a_pool_is_not_that_of_an_isolated_position(
    drawn: Mapping[str, Mapping[str, str]],
) -> None:
    isolated, pool = rows(drawn["account"]["The way back to the target"])
    assert isolated | {"Of": "ETHUSDT", "Side": "long", "Rate": "90.0%", "To close": "–"} == isolated
    assert pool | {"Of": "all cross positions", "Rate": "60.0%", "To close": "20.0%"} == pool


def test_the_stress_grid_has_its_shocks_in_order(drawn: Mapping[str, Mapping[str, str]]) -> None:
    (row,) = rows(drawn["fleet"]["Stress: margin rate if all coins moved by"])
    assert list(row) == ["Pool", "-0.1", "-0.05", "0.1"]
    assert list(row.values()) == ["near USDT cross binance_usdm", "≥ 200 %", "95.0%", "40.0%"]


def test_both_legs_of_a_hedge_are_one_line_called_net(drawn: Mapping[str, Mapping[str, str]]) -> None:
    board = drawn["position"]
    assert re.findall(r"</i>(.*?)</td>", board["Liquidation distance"]) == ["net"]
    assert [row["Of the"] for row in rows(board["Legs"])] == ["net", "net"]


def test_accounts_are_grouped_by_their_owner(drawn: Mapping[str, Mapping[str, str]]) -> None:
    accounts = rows(drawn["fleet"]["Accounts, nearest to liquidation first"])
    assert [(row["Account"], row["Owner"]) for row in accounts] == [
        ("near", "anna"),
        ("calm", "–"),
        ("unseen", "anna"),
    ]
    anna, nobody = rows(drawn["fleet"]["Owners, nearest to liquidation first"])
    expected = {"Desk": "basis", "Owner": "anna", "Distance": "1.2%", "Rate": "85.0%", "To add": "$1.8K"}
    assert anna | expected | {"Accounts": "2", "Blind": "1"} == anna
    assert nobody | {"Accounts": "1", "Blind": "0", "Joint move": "5.0%"} == nobody


def test_nothing_is_green_where_nothing_is_known(drawn: Mapping[str, Mapping[str, str]]) -> None:
    for title, body in drawn["none"].items():
        assert "#73bf69" not in body, title
        assert "no data" in body or "none" in body, title
    assert "#73bf69" in drawn["fleet"]["Accounts, nearest to liquidation first"]
    assert "background:#6e7077" in drawn["none"]["Critical alerts"]
    assert "background:#6e7077" in drawn["none"]["Blind accounts"]
