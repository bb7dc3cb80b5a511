"""Three exporters share the accounts of one file, under Prometheus and under vmagent with VictoriaMetrics."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from exporter.demo import Market, Server, discover
from exporter.shard import Shard
from grafana.generator.alerts.shards import MISSING
from tests.e2e.programs import eventually, prometheus
from tests.e2e.test_alerting import sixty_times_faster
from tests.e2e.victoria import victoria_metrics, vmalert
from tests.grafana.programs import GRAFANA
from tests.test_processes import Program

SHARDS = 3
KILLED = 1


def accounts(server: Server) -> list[dict[str, Any]]:
    """Those of the stand-in, and as many again: enough for every shard to have some."""
    entries = server.simulator.demo_accounts(server.base_url)
    again = [{**one, "name": f"{one['name']}-again"} for one in entries]
    return [{**one, "interval": "2s", "sub_accounts": False} for one in (*entries, *again)]


def owned(entries: list[dict[str, Any]], *indices: int) -> set[str]:
    """The names of the accounts of these shards."""
    names = [one["name"] for one in entries]
    return {name for name in names if any(Shard(index, SHARDS).takes(name) for index in indices)}


async def test_every_account_is_seen_once_and_a_killed_shard_is_told_and_costs_no_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "rules").mkdir()
    for path in (GRAFANA / "prometheus" / "rules").glob("*.yml"):
        (tmp_path / "rules" / path.name).write_text(sixty_times_faster(path.read_text()))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(discover()["binance_usdm"](Market(seed=3))))
        entries = accounts(server)
        shards = [Program(tmp_path, f"--shard={index}/{SHARDS}") for index in range(SHARDS)]
        shards[0].write(*entries, budgets={"binance": {"per_minute": 1e9, "shards_per_address": SHARDS}})
        for shard in shards:
            await stack.enter_async_context(shard.running())
        targets = [shard.url.removeprefix("http://") for shard in shards]
        scrapes = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "risk", "static_configs": [{"targets": targets}]}],
        }
        rules = {
            "rule_files": ["rules/*.yml"],
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        }
        metrics = await stack.enter_async_context(prometheus(tmp_path, {**scrapes, **rules}))
        victoria = await stack.enter_async_context(
            victoria_metrics(tmp_path / "victoria", scrapes, agent=True)
        )
        alerts = await stack.enter_async_context(vmalert(tmp_path, tmp_path / "rules", victoria))

        async def seen(by: Any) -> Mapping[str, str]:
            """How many exporters show data of an account that they collect."""
            data = "risk_account_equity_usd and on (account, instance) risk_up == 1"
            expr = f"count by (account) (count by (account, instance) ({data}))"
            return {row["metric"]["account"]: row["value"][1] for row in await by.query(expr)}

        async def until_seen(names: set[str]) -> None:
            for by in (metrics, victoria):

                async def all_once(by: Any = by) -> bool:
                    return await seen(by) == dict.fromkeys(names, "1")

                await eventually(all_once, lambda: f"not each of {sorted(names)} once")

        assert all(owned(entries, index) for index in range(SHARDS))
        await until_seen(owned(entries, *range(SHARDS)))
        # Not all targets were scraped in the first second.
        await metrics.until('absent(ALERTS{alertname=~"RiskShard.*"})')
        assert await victoria.query(MISSING.expr) == []
        shards[KILLED].child.kill()
        (alert,) = await metrics.until('ALERTS{alertname="RiskShardMissing", alertstate="firing"}')
        assert alert["metric"]["severity"] == "critical"
        await metrics.until(
            f'ALERTS{{alertname="RiskExporterDown", alertstate="firing", instance="{targets[KILLED]}"}}'
        )
        await until_seen(owned(entries, *(index for index in range(SHARDS) if index != KILLED)))

        async def missing() -> bool:
            return [row["value"][1] for row in await victoria.query(MISSING.expr)] == [str(SHARDS - 1)]

        await eventually(missing, lambda: "VictoriaMetrics does not miss the killed shard")
        assert await metrics.query('ALERTS{alertname=~"RiskShardDoubled|RiskShardsDiffer"}') == []

        async def told_by_vmalert() -> bool:
            found = (await alerts.api("alerts"))["alerts"]
            return any(
                one["labels"]["alertname"] == "RiskShardMissing" and one["state"] == "firing" for one in found
            )

        await eventually(told_by_vmalert, lambda: "vmalert does not tell of the killed shard")
