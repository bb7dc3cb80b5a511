"""vmalert evaluates all rules against VictoriaMetrics, and tells what Prometheus tells."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from exporter import catalogue
from exporter.desk import AccountLabels, AccountLimits
from exporter.exposition import render
from exporter.model import MarginPool
from exporter.series import Series
from tests.e2e.programs import eventually, prometheus
from tests.e2e.test_alerting import sixty_times_faster
from tests.e2e.victoria import victoria_metrics, vmalert
from tests.grafana.programs import GRAFANA
from tests.risk.accounts import account, flat_rate, linear, position

MINUTE = 3
"""Seconds that stand for a minute of the rules: VictoriaMetrics shows what it gets a second or two later."""
TOLD = {
    ("RiskWatchdog", "none"),
    ("RiskLiquidationNear", "critical"),
    ("RiskLiquidationShockSmall", "critical"),
    ("RiskMaintenanceMarginRateHigh", "critical"),
}
"""Of an account that is 0.1 % from its liquidation, but for the milder things, which take longer."""


def page() -> str:
    """One account in danger, collected at this moment."""
    held = position(linear("BTC"), mark_price=100.0, maintenance_tiers=flat_rate(0.005), quantity=1_000.0)
    # vmalert writes the text of an alert anew only when its value changes, as it does in a market.
    equity = 600.0 + time.time() % 10.0
    risk = account(MarginPool(currency="USDT", equity=equity, margin_equity=equity), held)
    own = Series("binance_usdm", "main")
    own.desk(AccountLabels(owner="anna"), AccountLimits())
    own.set(catalogue.UP, 1.0)
    own.set(catalogue.MAX_AGE, 45.0)
    own.set(catalogue.LAST_SUCCESS, time.time())
    chunks = [*render("binance_usdm", "main", risk).values(), *own.chunks]
    return b"".join(chunks).decode() + 'risk_exporter_build_info{version="1"} 1\n'


@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """The address of the page."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=page())

    application = web.Application()
    application.router.add_get("/metrics", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def shortened(rules: str) -> str:
    """A rule file in which every minute takes as long as `MINUTE`; texts stay as they are."""
    return "\n".join(
        line
        if line.strip().startswith(("#", "summary:", "description:"))
        else re.sub(r"(?<=[\[ ])(\d+)s(?=[])\s]|$)", lambda found: f"{int(found[1]) * MINUTE}s", line)
        for line in sixty_times_faster(rules).split("\n")
    )


def told(alerts: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, str]]:
    """What fires as critical, or for a machine, and what is said of it but for the numbers."""
    found = {}
    for alert in alerts:
        labels = alert["labels"]
        if alert["state"] == "firing" and labels["severity"] in {"critical", "none"}:
            own = {name: value for name, value in labels.items() if name != "alertgroup"}
            texts = {name: re.sub(r"[0-9.]+", "#", text) for name, text in alert["annotations"].items()}
            found[labels["alertname"], labels["severity"]] = {**own, **texts}
    return found


async def test_vmalert_tells_what_prometheus_tells_and_no_rule_fails(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for path in (GRAFANA / "prometheus" / "rules").glob("*.yml"):
        (rules / path.name).write_text(shortened(path.read_text()))
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(served())
        scrapes = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "risk", "static_configs": [{"targets": [target]}]}],
        }
        config = {
            **scrapes,
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules/*.yml"],
        }
        server = await stack.enter_async_context(prometheus(tmp_path, config))
        database = await stack.enter_async_context(victoria_metrics(tmp_path / "victoria", scrapes))
        alerts = await stack.enter_async_context(vmalert(tmp_path, rules, database))
        found: dict[str, dict[tuple[str, str], dict[str, str]]] = {}

        async def both_tell() -> bool:
            for name, program in (("Prometheus", server), ("vmalert", alerts)):
                found[name] = told((await program.api("alerts"))["alerts"])
            return found["Prometheus"].keys() >= TOLD and found["vmalert"] == found["Prometheus"]

        await eventually(both_tell, lambda: f"they do not say the same: {found}")
        assert found["Prometheus"].keys() == TOLD
        groups = (await alerts.api("rules"))["groups"]
        evaluated = [rule for group in groups for rule in group["rules"]]
        assert len(evaluated) > 100
        assert [(rule["name"], rule["lastError"]) for rule in evaluated if rule["lastError"]] == []
        metrics = await alerts.text("/metrics")
        counted = {"vmalert_alerting_rules_errors_total", "vmalert_recording_rules_errors_total"}
        errors = [line for line in metrics.splitlines() if line.partition("{")[0] in counted]
        assert {line.partition("{")[0] for line in errors} == counted
        assert [line for line in errors if not line.endswith(" 0")] == []
