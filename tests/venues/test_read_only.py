"""The exporter can do no harm: nothing it may call places an order or moves money."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import exporter
from exporter.venues import discover

PACKAGE = Path(exporter.__file__).parent

# Venues that read by POST, with every path; a new one is a decision that somebody has to make here.
READS_BY_POST = {
    "bingx_v1": {"/api/v1/user/getBalance", "/api/v1/user/getPositions"},
    # All that it tells; what changes something is another path.
    "hyperliquid": {"/info"},
}

HARMFUL = re.compile(
    r"order|transfer|withdraw|deposit|repay|borrow|loan|cancel|batch|close|adjust", re.IGNORECASE
)


def test_every_call_of_every_venue_reads() -> None:
    for name, venue in discover().items():
        assert venue.endpoints
        by_post = {endpoint.path for endpoint in venue.endpoints if endpoint.method != "GET"}
        assert by_post == READS_BY_POST.get(name, set())
        assert not [endpoint.path for endpoint in venue.endpoints if HARMFUL.search(endpoint.path)]


def test_only_the_one_client_speaks_to_the_network() -> None:
    """Adapters and formulas import no library that opens a connection."""
    network = {"aiohttp", "http", "httpx", "requests", "socket", "ssl", "urllib.request", "websockets"}
    for folder in ("venues", "risk"):
        for path in (PACKAGE / folder).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = (
                    {alias.name for alias in node.names}
                    if isinstance(node, ast.Import)
                    else {node.module or ""}
                    if isinstance(node, ast.ImportFrom)
                    else set()
                )
                assert not {name for name in names if name in network or name.split(".")[0] in network}, path
