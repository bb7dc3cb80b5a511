"""The samples of a page, served as users of prometheus-client write it: gauges with labels."""

# ruff: noqa: T201 - it prints its URL
from __future__ import annotations

import signal
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, start_http_server
from prometheus_client.parser import text_string_to_metric_families


def main() -> None:
    registry = CollectorRegistry()
    gauges: dict[str, Gauge] = {}
    for family in text_string_to_metric_families(Path(sys.argv[1]).read_text()):
        for sample in family.samples:
            gauge = gauges.get(sample.name)
            if gauge is None:
                names = sorted({name for one in family.samples for name in one.labels})
                gauge = Gauge(sample.name, family.documentation, names, registry=registry)
                gauges[sample.name] = gauge
            gauge.labels(**sample.labels).set(sample.value)
    server, _ = start_http_server(0, "127.0.0.1", registry)
    print(f"http://127.0.0.1:{server.server_port}/metrics", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
