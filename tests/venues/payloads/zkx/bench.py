"""ZKX's documented account, and the rules of its requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from exporter.demo import _stark as judge
from exporter.venues.zkx import ACCOUNT_INFO
from tests.venues.bench import Bench, Rows, Scenario
from tests.venues.harness import decoded, payload

KEY = "0x1234567890abcdef1234567890abcdef1234567890abcdef1234567890abcde"
ACCOUNT_ID = "0x9a54f206f020d3b98b9b71e219d96b9c66fdc32645fb09c9c1e89e0b444fe87b"
HEADERS = {"x-public-key", "x-account-id", "x-timestamp", "x-signature-1", "x-signature-2", "x-request-id"}

# Made with starknet-py and, independently, with @scure/starknet.
PUBLIC_KEY = "0x0302a8249e10df5670294c078c3a04f32ed60087e5ee8a3457fa29ed0c0e366bfc"

POINT = judge.affine(judge.times(int(KEY, 16), judge.GENERATOR))
"""The public key, by arithmetic that is not the adapter's."""


def check(request: Any, body: bytes) -> None:
    """The documented rules of a request, with hash and signature judged by other code than made them."""
    assert request.method == "GET"
    assert body == b""
    query = request.raw_path.partition("?")[2]
    parameters = parse_qsl(query, keep_blank_values=True, strict_parsing=True)
    assert parameters == [("collateralId", "USDC")]
    assert {name.lower() for name in request.headers} >= HEADERS
    assert request.headers["x-public-key"] == PUBLIC_KEY
    assert request.headers["x-account-id"] == ACCOUNT_ID
    UUID(request.headers["x-request-id"])
    timestamp = request.headers["x-timestamp"]
    assert len(timestamp) == 13
    signed = judge.message_hash(f"collateralId=USDC&timestamp={timestamp}")
    r, s = (int(request.headers[name], 16) for name in ("x-signature-1", "x-signature-2"))
    assert judge.verified(POINT, signed, r, s)


DOCUMENT: dict[str, Any] = decoded(payload("zkx", "account_info.json"))
NO_POSITIONS = {**DOCUMENT, "positions": [], "totalInvested": "0", "totalUnrealizedPnl": "0"}
ONE_POSITION = {**DOCUMENT, "positions": DOCUMENT["positions"][:1]}

BENCH = Bench(
    venue="zkx",
    config={"private_key": KEY, "account_id": ACCOUNT_ID},
    check=check,
    scenarios={
        "documented account": Scenario({ACCOUNT_INFO: "account_info.json"}),
        # The account's PnL is that of its only position, and must be 0 beside none.
        "one position": Scenario({ACCOUNT_INFO: ONE_POSITION}, golden=False),
        "no position": Scenario({ACCOUNT_INFO: NO_POSITIONS}, golden=False),
    },
    rows=Rows(
        scenario="documented account",
        endpoint=ACCOUNT_INFO,
        path=("positions", 0),
        size="size",
        liquidation_price="liquidationPrice",
        price="avgExecutionPrice",
    ),
    needed={
        ACCOUNT_INFO: frozenset({"totalMargin", "positions"})
        | {f"positions[].{name}" for name in ("marketId", "direction", "size")}
    },
    refused_time=None,
    failure=(500, {"message": "WORDS"}),
)
