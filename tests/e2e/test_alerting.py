"""From a simulated exchange to the person who is woken: exporter, Prometheus and Alertmanager for real.

The rules and the routes are those of the repository. To fit into a test, time runs sixty times faster in
them: `sixty_times_faster` turns every minute of a rule into a second (an hour into 60 s, a day into 1440 s),
scrapes and evaluations happen every second, and Alertmanager waits three seconds where it would wait longer:
collections, scrapes and evaluations are no faster, and what is a moment between two alerts of one outage
would be more than a minute of the rules. Thresholds and expressions are untouched.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.config import Config
from exporter.demo import Market, Server, VenueSimulator
from exporter.demo import discover as discover_simulators
from exporter.demo._binance_weights import WeightPool
from exporter.venues import discover as discover_venues
from grafana.generator.links import GRAFANA_URL, RUNBOOK_URL
from tests.e2e.paging import Receiver, alertmanager
from tests.e2e.programs import UNPACED, Prometheus, exporter, prometheus
from tests.grafana.boards import OF_ONE_ACCOUNT, panels
from tests.grafana.programs import GRAFANA, RELEASES, Release

EXCHANGE, ACCOUNT, SYMBOL, COIN = "binance_usdm", "usdm-concentrated", "ADAUSDT", "ADA"
EXCHANGES = ("binance_usdm", "binance_coinm", "bingx", "deribit")
"""Together they have every kind of account: cross and isolated, linear and inverse, multi-asset."""
SKEWED = "binance_coinm"
"""The exchange whose clock is wrong from the start."""

SHORT = {"group_wait": "3s", "group_interval": "3s", "repeat_interval": "1h"}
"""How long Alertmanager waits."""
SECONDS_A_UNIT = {"m": 1, "h": 60, "d": 1440}

# Panels without data, each with the reason. The first are empty as long as everything is well, and must have
# data while the venue is down.
EMPTY_WHILE_ALL_IS_WELL = {
    ("exporter", "Failed and incomplete collections"): "no collection fails",
}
EMPTY_IN_THIS_TEST = {
    ("position", "Computed against the venue's liquidation price"): "risk.cross_check is off",
}


def sixty_times_faster(rules: str) -> str:
    """A rule file in which every minute is a second; texts stay as they are."""
    return "\n".join(
        line
        if line.strip().startswith(("#", "summary:", "description:"))
        else re.sub(
            r"(?<=[\[ ])(\d+)([mhd])(?=[])\s]|$)",
            lambda found: f"{int(found[1]) * SECONDS_A_UNIT[found[2]]}s",
            line,
        )
        for line in rules.split("\n")
    )


def test_the_shortened_rules_differ_from_the_real_ones_in_durations_only() -> None:
    for path in (GRAFANA / "prometheus" / "rules").glob("*.yml"):
        real, fast = path.read_text(), sixty_times_faster(path.read_text())
        assert re.sub(r"\b\d+[smhd]\b", "?", real) == re.sub(r"\b\d+[smhd]\b", "?", fast)
        rules = [rule for group in yaml.safe_load(fast)["groups"] for rule in group["rules"]]
        durations = [rule[key] for rule in rules for key in ("for", "keep_firing_for") if key in rule]
        durations += [text for rule in rules for text in re.findall(r"\[(\w+)\]|offset (\w+)", rule["expr"])]
        assert durations
        assert not re.findall(r"\d[mhd]\b", " ".join(map(str, durations)))


@asynccontextmanager
async def fast_prometheus(
    directory: Path, target: str, manager: str, release: Release
) -> AsyncIterator[Prometheus]:
    """Prometheus with the repository's rules, sixty times faster."""
    (directory / "rules").mkdir(parents=True)
    for path in (GRAFANA / "prometheus" / "rules").glob("*.yml"):
        (directory / "rules" / path.name).write_text(sixty_times_faster(path.read_text()))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [{"job_name": "any-name", "static_configs": [{"targets": [target]}]}],
    }
    async with prometheus(directory, config, "--rules.alert.resend-delay=1s", release=release) as server:
        yield server


@dataclass
class Venues:
    """The simulated exchanges and the exporter in front of them."""

    market: Market
    servers: Mapping[str, Server]
    page: str = ""


@asynccontextmanager
async def watched_venues() -> AsyncIterator[Venues]:
    """The simulated exchanges, and the exporter collecting their accounts every second."""
    market = Market(seed=3)
    # A minute of the desk is a second here, but the venue's request limit counts real minutes.
    WeightPool.of(market).limit *= 60
    servers: dict[str, Server] = {}
    accounts = []
    for name in EXCHANGES:
        simulator: VenueSimulator = discover_simulators()[name](market)
        if name == SKEWED:
            simulator.faults.clock_skew = -30.0
        servers[name] = Server(simulator)
        await servers[name].start()
        config_class = discover_venues()[name].config_class
        accounts += [
            config_class.model_validate({**entry, "interval": 1.0, "timeout": 1.0, "max_age": 6.0})
            for entry in simulator.demo_accounts(servers[name].base_url)
        ]
    try:
        async with exporter(Config(accounts=tuple(accounts), budgets=UNPACED)) as url:
            yield Venues(market, servers, url)
    finally:
        for server in servers.values():
            await server.stop()


def panel_queries() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for path in sorted((GRAFANA / "dashboards").glob("*.json")):
        for panel in panels(json.loads(path.read_text())):
            for target in panel["targets"]:
                yield path.stem, panel, target


def variable_queries() -> Iterator[tuple[str, str]]:
    for path in sorted((GRAFANA / "dashboards").glob("*.json")):
        for variable in json.loads(path.read_text())["templating"]["list"]:
            if variable["type"] == "query":
                yield f"{path.stem} {variable['name']}", variable["query"]["query"]


def with_all_selected(expr: str) -> str:
    """What Grafana sends with "All" in every variable, also where a reader has to choose one."""
    for name in ("exchange", "account", "symbol"):
        expr = expr.replace(f'="${name}"', '=~".*"').replace(f"${name}", ".*")
    expr = expr.replace("$__rate_interval", "10s").replace("$__range", "60s")
    assert "$" not in expr.replace('"$1"', ""), expr
    return expr


async def empty_panels(server: Prometheus) -> set[tuple[str, str]]:
    """Panels of which no query gives data; each series of an account must be called by its name."""
    seen: dict[tuple[str, str], int] = {}
    for board, panel, target in panel_queries():
        series = await server.query(with_all_selected(target["expr"]))
        key = (board, panel["title"])
        seen[key] = seen.get(key, 0) + len(series)
        graphs = {"timeseries", "bargauge", "state-timeline"}
        if panel["type"] in graphs and board not in OF_ONE_ACCOUNT:
            for label in ("exchange", "account", "symbol"):
                if any(label in row["metric"] for row in series):
                    assert f"{{{{{label}}}}}" in target["legendFormat"], (
                        f"{key}: {label} is not in the legend"
                    )
    return {key for key, count in seen.items() if count == 0}


async def values_of_variables(server: Prometheus) -> dict[str, set[str]]:
    found = {}
    for name, query in variable_queries():
        metric, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()  # type: ignore[union-attr]
        rows = await server.query(with_all_selected(f"group by ({label}) ({metric})"))
        found[name] = {row["metric"][label] for row in rows}
    return found


async def walk_towards_liquidation(server: Prometheus, market: Market) -> None:
    """Moves the coin, in steps, to 3 % before the position's liquidation price."""
    where = f'{{account="{ACCOUNT}", symbol="{SYMBOL}"}}'
    (mark,) = await server.query(f"risk_position_mark_price{where}")
    (liquidation,) = await server.query(f"risk_position_liquidation_price{where}")
    start, end = float(mark["value"][1]), float(liquidation["value"][1]) / (1 - 0.03)
    assert start > end, "the account starts too near to its liquidation"
    for step in range(1, 6):
        market.set_price(COIN, start + (end - start) * step / 5, quote="USDT")
        await asyncio.sleep(0.5)


NEAR = {"alertname": "RiskLiquidationNear", "severity": "critical", "account": ACCOUNT, "symbol": SYMBOL}
STILL_FIRING = (
    'ALERTS{alertname="RiskLiquidationNear", severity="critical", alertstate="firing", '
    f'account="{ACCOUNT}"}}'
)


@pytest.mark.parametrize("release", RELEASES)
async def test_a_person_is_woken_before_a_liquidation_and_again_when_nobody_can_see(
    release: Release, tmp_path: Path
) -> None:
    """Panels have data; the danger is reported; so is the outage, and the danger does not end with it."""
    receiver = Receiver()
    async with (
        receiver.served() as address,
        watched_venues() as venues,
        alertmanager(tmp_path / "alertmanager", release, receiver=address, waits=SHORT) as manager,
        fast_prometheus(tmp_path / "prometheus", venues.page.split("/")[2], manager, release) as server,
    ):
        # Everything is well. Volatility takes longest: it waits for half an hour of marks, here 35 seconds.
        await server.until(f'risk:position:liquidation_distance_sigmas:day{{account="{ACCOUNT}"}}')
        assert await server.rules_that_fail() == []
        # On a busy machine a request may have failed all the same, at the start.
        assert await empty_panels(server) - EMPTY_WHILE_ALL_IS_WELL.keys() == EMPTY_IN_THIS_TEST.keys()
        variables = await values_of_variables(server)
        assert all(values for values in variables.values())
        assert variables["fleet exchange"] == set(venues.servers)
        assert ACCOUNT in variables["fleet account"]
        assert SYMBOL in variables["position symbol"]
        assert not receiver.found(**NEAR)
        assert not receiver.found(alertname="RiskDataStale")
        skew = await receiver.until(alertname="RiskClockSkew", exchange=SKEWED)
        assert skew["receiver"] == "warning"

        await walk_towards_liquidation(server, venues.market)
        near = await receiver.until(**NEAR)
        assert near["receiver"] == "critical"
        assert near["group"] == {"exchange": EXCHANGE, "account": ACCOUNT}
        assert near["labels"]["exchange"] == EXCHANGE
        assert near["labels"]["side"] == "long"
        assert near["labels"]["margin_mode"] == "cross"
        assert near["labels"]["category"] == "risk"
        assert "instance" not in near["labels"]
        annotations = near["annotations"]
        assert re.fullmatch(
            rf"{SYMBOL} long \(cross\) of {ACCOUNT} on {EXCHANGE} is [0-4](\.\d+)?% from liquidation",
            annotations["summary"],
        )
        assert "against the position liquidates it." in annotations["description"]
        assert annotations["runbook_url"] == f"{RUNBOOK_URL}#riskliquidationnear"
        assert annotations["dashboard_url"] == (
            f"{GRAFANA_URL}/d/risk-position?var-exchange={EXCHANGE}&var-account={ACCOUNT}&var-symbol={SYMBOL}"
        )

        await venues.servers[EXCHANGE].stop()
        down = await receiver.until(alertname="RiskVenueDown", severity="critical", exchange=EXCHANGE)
        assert down["receiver"] == "critical"
        assert re.search(
            rf" {ACCOUNT}: [0-4](\.\d+)?% from liquidation when last seen\.",
            down["annotations"]["description"],
        )
        # Longer without data than keep_firing_for alone would hold the alert (15 minutes, here seconds).
        await server.until(f'risk:account:data_age_seconds:known{{account="{ACCOUNT}"}} > 25')
        assert not await server.query(f'risk_position_liquidation_distance_ratio{{account="{ACCOUNT}"}}')
        assert await server.query(STILL_FIRING)
        assert not receiver.found("resolved", **NEAR)
        # One message for the exchange, and none for each of its accounts.
        assert not receiver.found(alertname="RiskCollectionFailing", exchange=EXCHANGE)
        assert not receiver.found(alertname="RiskDataStale", exchange=EXCHANGE)
        assert not EMPTY_WHILE_ALL_IS_WELL.keys() & await empty_panels(server)
        assert await server.rules_that_fail() == []

        venues.market.set_price(COIN, "0.6", quote="USDT")
        await venues.servers[EXCHANGE].start()
        await receiver.until("resolved", alertname="RiskVenueDown", severity="critical")
        await receiver.until("resolved", **NEAR)
        assert not await server.query(STILL_FIRING)
