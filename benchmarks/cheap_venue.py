"""A venue that costs next to nothing: Binance's USD-M answers, made once and sent after a while.

``python -m benchmarks.cheap_venue --latency 0.15`` prints its URL and answers until it is ended. It is no
stand-in: it verifies nothing and its figures do not move. What it has is the size and the spread of real
answers, every account with numbers of its own.
"""

# ruff: noqa: T201, S311 - it prints its URL, and draws no secrets
from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
from collections.abc import Callable
from typing import Any

import uvloop

SYMBOLS = 500
"""Listed; a real venue has about as many."""
TIERS = 10
BODIES = 500
"""Different accounts; those beyond have the figures of one of them."""


def _text(value: float) -> str:
    return f"{value:.8f}"


def _symbol(number: int) -> str:
    return f"COIN{number}USDT"


def _public(draw: random.Random) -> dict[str, Any]:
    """What is the same for every account, by path."""
    symbols = [_symbol(number) for number in range(SYMBOLS)]
    brackets = [
        {
            "bracket": place + 1,
            "initialLeverage": 125 // (place + 1),
            "notionalFloor": 0 if not place else 10_000 * 3**place,
            "notionalCap": 10_000 * 3 ** (place + 1),
            "maintMarginRatio": 0.004 * (place + 1),
            "cum": sum(0.004 * 10_000 * 3**step for step in range(1, place + 1)),
        }
        for place in range(TIERS)
    ]
    return {
        "/fapi/v1/accountConfig": {"dualSidePosition": False, "multiAssetsMargin": False},
        "/fapi/v1/symbolConfig": [
            {
                "symbol": symbol,
                "marginType": "CROSSED",
                "isAutoAddMargin": "false",
                "leverage": 20,
                "maxNotionalValue": "1000000",
            }
            for symbol in symbols
        ],
        "/fapi/v1/leverageBracket": [{"symbol": symbol, "brackets": brackets} for symbol in symbols],
        "/sapi/v1/account/apiRestrictions": {
            "ipRestrict": True,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableSpotAndMarginTrading": False,
        },
        "/fapi/v1/pmAccountInfo": {"maxWithdrawAmountUSD": "0", "maxWithdrawAmount": "0"},
        "/fapi/v1/exchangeInfo": {
            "symbols": [
                {
                    "symbol": symbol,
                    "baseAsset": symbol.removesuffix("USDT"),
                    "quoteAsset": "USDT",
                    "marginAsset": "USDT",
                }
                for symbol in symbols
            ]
        },
        "/fapi/v1/assetIndex": [
            {"symbol": "USDTUSD", "index": "1", "bidRate": "0.9999", "askRate": "1.0001", "time": 0}
        ],
        "/fapi/v1/premiumIndex": [
            {
                "symbol": symbol,
                "markPrice": _text(draw.uniform(0.1, 1000.0)),
                "indexPrice": _text(draw.uniform(0.1, 1000.0)),
                "lastFundingRate": _text(draw.uniform(-1e-4, 1e-4)),
                "nextFundingTime": 4_102_444_800_000,
                "time": 0,
            }
            for symbol in symbols
        ],
    }


def _account(draw: random.Random, positions: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The two answers about one account."""
    rows: list[dict[str, Any]] = []
    for number in draw.sample(range(SYMBOLS), positions):
        mark = draw.uniform(0.1, 1000.0)
        notional = draw.uniform(100.0, 9_000.0) * draw.choice((1.0, -1.0))
        entry = mark * draw.uniform(0.95, 1.05)
        rows.append(
            {
                "symbol": _symbol(number),
                "positionSide": "BOTH",
                "positionAmt": _text(notional / mark),
                "entryPrice": _text(entry),
                "breakEvenPrice": _text(entry),
                "markPrice": _text(mark),
                "unRealizedProfit": _text(notional / mark * (mark - entry)),
                "liquidationPrice": _text(mark * (0.5 if notional > 0.0 else 1.6)),
                "isolatedMargin": "0",
                "notional": _text(notional),
                "marginAsset": "USDT",
                "isolatedWallet": "0",
                "initialMargin": _text(abs(notional) / 20.0),
                "maintMargin": _text(abs(notional) * 0.004),
                "positionInitialMargin": _text(abs(notional) / 20.0),
                "openOrderInitialMargin": "0",
                "adl": draw.randrange(5),
                "bidNotional": "0",
                "askNotional": "0",
                "updateTime": 0,
            }
        )
    wallet = draw.uniform(9_000.0, 20_000.0) * max(1, positions)
    pnl = sum(float(row["unRealizedProfit"]) for row in rows)
    maintenance = sum(float(row["maintMargin"]) for row in rows)
    initial = sum(float(row["initialMargin"]) for row in rows)
    totals = {
        "totalInitialMargin": _text(initial),
        "totalMaintMargin": _text(maintenance),
        "totalWalletBalance": _text(wallet),
        "totalUnrealizedProfit": _text(pnl),
        "totalMarginBalance": _text(wallet + pnl),
        "totalPositionInitialMargin": _text(initial),
        "totalOpenOrderInitialMargin": "0",
        "totalCrossWalletBalance": _text(wallet),
        "totalCrossUnPnl": _text(pnl),
        "availableBalance": _text(wallet + pnl - initial),
        "maxWithdrawAmount": _text(wallet + pnl - initial),
    }
    asset = {
        "asset": "USDT",
        "walletBalance": _text(wallet),
        "unrealizedProfit": _text(pnl),
        "marginBalance": _text(wallet + pnl),
        "maintMargin": _text(maintenance),
        "initialMargin": _text(initial),
        "positionInitialMargin": _text(initial),
        "openOrderInitialMargin": "0",
        "crossWalletBalance": _text(wallet),
        "crossUnPnl": _text(pnl),
        "availableBalance": _text(wallet + pnl - initial),
        "maxWithdrawAmount": _text(wallet + pnl - initial),
        "updateTime": 0,
    }
    of_account = ("symbol", "positionSide", "positionAmt", "notional", "isolatedMargin", "isolatedWallet")
    shown = [
        {
            **{name: row[name] for name in of_account},
            "unrealizedProfit": row["unRealizedProfit"],
            "initialMargin": row["initialMargin"],
            "maintMargin": row["maintMargin"],
            "updateTime": 0,
        }
        for row in rows
    ]
    return {**totals, "assets": [asset], "positions": shown}, rows


def _response(content: Any) -> bytes:
    body = json.dumps(content, separators=(",", ":")).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Answers:
    """Whole HTTP responses, by the first line of a request and the account's key."""

    def __init__(self, positions: int) -> None:
        draw = random.Random(1)
        self._fixed = {path.encode(): _response(content) for path, content in _public(draw).items()}
        self._accounts = [
            tuple(map(_response, _account(random.Random(number), positions))) for number in range(BODIES)
        ]

    def to(self, head: bytes) -> bytes:
        """The response to a request without a body."""
        path = head[4 : min(head.find(b"?") % len(head), head.find(b" ", 4))]
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        if path == b"/fapi/v1/time":
            return _response({"serverTime": _now_ms()})
        number = int(head.partition(b"X-MBX-APIKEY: key-")[2].partition(b"\r\n")[0] or 0)
        account, rows = self._accounts[number % BODIES]
        return account if path == b"/fapi/v3/account" else rows


def _now_ms() -> int:
    import time  # noqa: PLC0415 (only a clock measurement needs it)

    return int(time.time() * 1000)


class Connection(asyncio.Protocol):
    """One client, one request after the other."""

    def __init__(self, answer: Callable[[bytes], bytes], latency: float) -> None:
        self._answer = answer
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._loop.call_later(self._latency, self._send, self._answer(head + b"\r\n"))

    def _send(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


async def serve(positions: int, latency: float) -> None:
    """Answers until SIGTERM."""
    answers = Answers(positions)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(lambda: Connection(answers.to, latency), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.005, help="seconds")
    parser.add_argument("--positions", type=int, default=5)
    given = parser.parse_args()
    uvloop.run(serve(given.positions, given.latency))


if __name__ == "__main__":
    main()
