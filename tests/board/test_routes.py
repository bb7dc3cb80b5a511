"""The risk page over real HTTP: who asks for what, what browsers may keep, and that it slows nothing."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import jsonschema  # type: ignore[import-untyped]  # the library's gap
import pytest

from exporter import clock
from exporter.board import answers
from exporter.board.figures import Figures
from exporter.board.overview import MOST_ACCOUNTS
from exporter.board.page import assets
from exporter.board.standing import Standing
from exporter.keys import state_of
from exporter.model import KeyRights
from tests.board.accounts import figures, leg, near, pool
from tests.site import Site

HTML = ("/", "/accounts/x/desk-a", "/?q=desk&exchange=x&state=up&renew=5")
JSON = ("/api/v1/accounts", "/api/v1/accounts/x/desk-a", "/api/v1/accounts?q=desk&limit=1", "/api/v1/schema")


def live(account: str = "desk-a", found: Figures | None = None) -> Standing:
    """An account that was collected just now, on the real clock."""
    one = Standing("x", account)
    now = clock.elapsed()
    one.found(found or near(0.1), began=now, began_at=clock.wall(), now=now, max_age=3600.0)
    return one


@asynccontextmanager
async def served(*standings: Standing) -> AsyncIterator[aiohttp.ClientSession]:
    site = Site()
    site.standings = list(standings)
    async with site.served() as session:
        yield session


@pytest.mark.parametrize("path", [*HTML, *JSON])
async def test_pages_and_answers_come_with_their_type_packed_and_for_nobody_to_keep(path: str) -> None:
    async with served(live()) as session:
        async with session.get(path) as answer:
            plain = await answer.read()
        async with session.get(path, headers={"Accept-Encoding": "gzip"}) as packed:
            body = await packed.read()
        async with session.head(path) as head:
            assert (head.status, await head.read()) == (200, b"")
    expected = "application/json" if path in JSON else "text/html; charset=utf-8"
    assert (answer.status, answer.headers["Content-Type"]) == (200, expected)
    assert answer.headers["Cache-Control"] == "no-store"
    if packed.headers.get("Content-Encoding") == "gzip":
        assert len(body) < len(plain)
        gzip.decompress(body)


async def test_what_the_pages_load_may_be_kept_and_changes_its_url_with_its_content() -> None:
    async with served(live()) as session:
        async with session.get("/") as answer:
            page = await answer.text()
        for asset in assets().values():
            assert asset.url in page
            async with session.get(asset.url) as answer:
                assert answer.headers["Cache-Control"] == "max-age=31536000, immutable"
                assert answer.headers["Content-Type"] == asset.content_type
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert await answer.read() == asset.body


async def test_the_policy_lets_nothing_in_from_elsewhere_and_nothing_inline() -> None:
    async with served(live()) as session, session.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules.pop("default-src") == rules.pop("base-uri") == rules.pop("frame-ancestors") == "'none'"
    assert set(rules.values()) == {"'self'"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/?state=nonsense", 400, "`state` is one of up, failing, stale, unseen, starting"),
        ("/?renew=-1", 400, "`renew` is a whole number"),
        ("/api/v1/accounts?limit=1e3", 400, "`limit` is a whole number"),
        ("/accounts/x/nobody", 404, "no such account is configured"),
        ("/api/v1/accounts/y/desk-a", 404, "no such account is configured"),
        ("/static/page.py", 404, ""),
        ("/static/..%2fpage.py", 404, ""),
    ],
)
async def test_what_makes_no_sense_is_refused_instead_of_showing_nothing(
    path: str, status: int, words: str
) -> None:
    async with served(live()) as session, session.get(path) as answer:
        assert answer.status == status
        assert words in await answer.text()


async def test_programs_get_every_account_unless_they_ask_for_fewer() -> None:
    async with served(*(live(f"desk-{number}") for number in range(MOST_ACCOUNTS + 5))) as session:
        for query, count in (("", MOST_ACCOUNTS + 5), ("?limit=3", 3), ("?q=desk-7", 11)):
            async with session.get("/api/v1/accounts" + query) as answer:
                assert len((await answer.json())["accounts"]) == count


async def test_answers_keep_to_their_schema_in_every_state() -> None:
    late = Standing("x", "late")
    late.found(near(0.1), began=0.0, began_at=0.0, now=0.0, max_age=0.0)
    broke = Standing("x", "broke")
    found = figures(
        leg(),
        leg("B", 0.1),
        pools=(pool(maintenance_margin_rate=float("inf"), stress=((-0.1, float("inf")),)),),
    )
    broke.found(found, began=0.0, began_at=0.0, now=0.0, max_age=1e12)
    failing = live("failing")
    failing.failed("timeout", "no answer", 1.0)
    failing.trail.asked(1.0, "/v1", "200", 0.1)
    failing.key = state_of(
        KeyRights(read=True, withdraw=True, ip_restricted=False, expires_at=2.0),
        ("withdraw",),
        answered_at=1.0,
        failure="no answer",
    )
    never = Standing("x", "never")
    never.failed("auth", "no", 1.0)
    validator = jsonschema.Draft202012Validator(answers.schema())
    async with served(live(), late, broke, failing, never, Standing("x", "new")) as session:
        for path in ("", *(f"/x/{name}" for name in ("desk-a", "late", "broke", "failing", "never", "new"))):
            async with session.get(f"/api/v1/accounts{path}") as answer:
                said = json.loads(await answer.text())
            assert list(validator.iter_errors(said)) == []
            assert list(validator.iter_errors({**said, "generated_timestamp_seconds": "now"})) != []


async def test_without_the_risk_page_there_is_not_a_figure() -> None:
    async with Site().served() as session:
        async with session.get("/") as answer:
            text = await answer.text()
            assert answer.status == 200
        assert "desk-a" in text
        assert "%" not in text
        for path in ("/api/v1/accounts", "/accounts/x/desk-a", "/api/v1/schema"):
            async with session.get(path) as answer:
                assert answer.status == 404
        async with session.get(assets()["risk.css"].url) as answer:
            assert answer.status == 200


async def test_ten_thousand_accounts_are_a_small_page_that_slows_no_scrape() -> None:
    """Eight browsers without patience; a scrape takes its usual time, and a little for the interpreter."""
    found = near(0.1)
    async with served(*(live(f"desk-{number}", found) for number in range(10_000))) as session:
        asking = True

        async def impatient(number: int) -> int:
            asked = 0
            while asking:
                async with session.get(f"/?q=desk-{number}") as answer:
                    assert answer.status == 200
                    await answer.read()
                asked += 1
            return asked

        async def scrape() -> float:
            began = time.perf_counter()
            async with session.get("/metrics") as answer:
                await answer.read()
            return time.perf_counter() - began

        quiet = sorted([await scrape() for _ in range(20)])[10]
        readers = [asyncio.create_task(impatient(number)) for number in range(8)]
        await asyncio.sleep(0.2)
        busy = sorted([await scrape() for _ in range(20)])[10]
        asking = False
        assert sum(await asyncio.gather(*readers)) > 0
    assert busy < 3 * quiet + 0.05
