"""The risk page in a real browser, before the demo's venues: it renews itself and never shows what is old.

One browser and one exporter serve all tests of this file that a worker runs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from exporter import demo
from exporter.account import SubAccounts
from exporter.config import Config
from exporter.demo import Market, Server
from exporter.demo.faults import RevokedKey
from exporter.venues import discover
from tests.board.chromium import Browser, Tab, chromium
from tests.e2e.programs import UNPACED, eventually, exporter

AXE = Path(__file__).parent / "axe" / "axe.min.js"
MAX_AGE = {"binance_usdm": 60.0, "bingx": 60.0, "bittap": 6.0}
"""Seconds, by venue. Nothing becomes too old on a busy machine but where a test waits for it."""
BITTAP = "/?exchange=bittap"
NAMES = "table.accounts tbody th a"

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Desk:
    """What the tests share."""

    def __init__(self, browser: Browser, url: str, servers: dict[str, Server]) -> None:
        self.browser, self.url, self.servers = browser, url, servers

    async def json(self, path: str = "/api/v1/accounts") -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
            return await answer.json()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    market, accounts, servers = Market(seed=1), [], {}
    async with AsyncExitStack() as stack:
        for name, max_age in MAX_AGE.items():
            server = servers[name] = await stack.enter_async_context(Server(demo.discover()[name](market)))
            settings: dict[str, Any] = {"interval": 2.0, "timeout": 5.0, "max_age": max_age}
            if issubclass(discover()[name].config_class, SubAccounts):
                settings["sub_accounts"] = False  # they come once their list is there, maybe in a test
            accounts += [
                discover()[name].config_class.model_validate({**entry, **settings})
                for entry in server.simulator.demo_accounts(server.base_url)
            ]
        config = Config(accounts=tuple(accounts), budgets=UNPACED)
        url = (await stack.enter_async_context(exporter(config))).removesuffix("/metrics")
        profile = tmp_path_factory.mktemp("chromium")
        yield Desk(await stack.enter_async_context(chromium(profile)), url, servers)


@pytest_asyncio.fixture(loop_scope="module")
async def tab(desk: Desk) -> AsyncIterator[Tab]:
    """An empty tab; afterwards the page has complained of nothing and asked nobody else."""
    async with desk.browser.tab() as one:
        await one.looks(width=1280, height=900)
        yield one
        assert one.complaints == []
        assert {url for url in one.requests if not url.startswith(f"{desk.url}/")} == set()


async def seen(tab: Tab, desk: Desk, path: str = "/", accounts: int = 9) -> None:
    """Opens the page and waits until all accounts have been collected."""
    await tab.open(desk.url + path)
    await tab.until(
        f"document.querySelectorAll('table.accounts tr.up, table.accounts tr.failing').length >= {accounts}"
    )


async def test_rows_appear_in_the_order_of_danger_and_stay_so(desk: Desk, tab: Tab) -> None:
    await seen(tab, desk)
    # Taken from the page alone: two questions would be answered at two moments.
    near = "[...document.querySelectorAll('table.positions td[data-label=\"To liquidation\"]')]"
    distances = await tab.run(f"{near}.map((one) => parseFloat(one.innerText)).filter((one) => one === one)")
    assert len(distances) > 10
    assert distances == sorted(distances)
    names = [row["account"] for row in (await desk.json())["accounts"]]
    assert set(await tab.texts(NAMES)) == set(names)
    endangered = (await tab.texts("table.positions tbody a"))[0]
    assert (await tab.texts(NAMES)).index(endangered) < 3
    assert await tab.texts("table.positions tbody tr")
    assert len(await tab.texts(".tile")) == 5
    first = await tab.run("document.getElementById('made').dateTime")
    await tab.until(f"document.getElementById('made').dateTime > {first!r}")
    assert tab.loads == 1


async def test_a_renewal_keeps_focus_scroll_and_elements(desk: Desk, tab: Tab) -> None:
    await tab.looks(width=1280, height=400)
    await seen(tab, desk)
    await tab.run(
        "[...document.querySelectorAll('table.accounts a')].at(-1).focus(); scrollTo(0, 300);"
        "window.kept = document.activeElement; window.words = kept.innerText"
    )
    made = await tab.run("document.getElementById('made').dateTime")
    await tab.until(f"document.getElementById('made').dateTime > {made!r}")
    assert await tab.run("document.activeElement === kept && kept.innerText === words")
    # The browser keeps what is seen in its place: where a row above grows by a pixel, so does this.
    assert await tab.run("scrollY") == pytest.approx(300, abs=20)


async def test_search_and_filter_narrow_the_page_while_it_goes_on(desk: Desk, tab: Tab) -> None:
    await seen(tab, desk)
    everyone = len(await tab.texts(NAMES))
    await tab.press("/", "/")
    await tab.write("hedge")
    await tab.until("document.querySelectorAll('table.accounts tbody tr').length < " + str(everyone))
    await tab.until("location.search === '?q=hedge'")
    assert all("hedge" in name for name in await tab.texts(NAMES))
    assert f"of {everyone} accounts match" in " ".join(await tab.texts(".banner"))
    await tab.write("d")  # the search has kept its focus
    await tab.until("location.search === '?q=hedged'")
    await tab.press("Escape")
    await tab.until(f"document.querySelectorAll('table.accounts tbody tr').length === {everyone}")
    await tab.run(
        "const s = document.querySelector('[name=exchange]'); s.value = 'bittap';"
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    await tab.until("document.querySelectorAll('table.accounts tbody tr').length === 2")
    assert all("bittap" in whose for whose in await tab.texts("table.accounts th small"))


async def test_when_the_exporter_is_gone_its_figures_are_hidden_as_they_become_too_old(
    desk: Desk, tab: Tab
) -> None:
    await seen(tab, desk, BITTAP, 2)
    await tab.send(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0
    )
    await tab.until("!document.getElementById('lost').hidden")
    assert "the exporter cannot be reached" in (await tab.texts("#lost"))[0]
    await tab.until(
        "[...document.querySelectorAll('[data-ends]')].every((one) => one.classList.contains('past'))"
    )
    visible = (
        "[...document.querySelectorAll('.f')].filter((one) =>"
        " getComputedStyle(one).visibility === 'visible').length"
    )
    assert await tab.run(visible) == 0
    await tab.send(
        "Network.emulateNetworkConditions",
        offline=False,
        latency=0,
        downloadThroughput=-1,
        uploadThroughput=-1,
    )
    await tab.until("document.getElementById('lost').hidden")
    assert await tab.run(visible) > 0
    # The browser reports each time that it was offline, the last one when it is not any more.
    tab.complaints[:] = [one for one in tab.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


async def test_a_pause_keeps_the_page_as_it_is_and_says_so(desk: Desk, tab: Tab) -> None:
    await seen(tab, desk)
    await tab.run("document.getElementById('pause').click()")
    made = await tab.run("document.getElementById('made').dateTime")
    await tab.until("document.getElementById('lost').innerText.includes('the renewal is paused')")
    await tab.run("new Promise((done) => setTimeout(done, 2500))")
    assert await tab.run("document.getElementById('made').dateTime") == made
    await tab.run("document.getElementById('pause').click()")
    await tab.until(f"document.getElementById('made').dateTime > {made!r}")
    await tab.until("document.getElementById('lost').hidden")


async def test_without_javascript_the_page_is_whole_filters_and_loads_itself_again(desk: Desk) -> None:
    async with desk.browser.tab(script=False) as tab:
        await tab.open(f"{desk.url}/?exchange=bingx&renew=1")

        async def loaded_again() -> bool:
            return tab.loads > 2

        await eventually(loaded_again, lambda: f"it was loaded {tab.loads} times")
        await tab.send("Emulation.setScriptExecutionDisabled", value=False)  # for the looks below alone
        assert all(name.startswith("bingx") for name in await tab.texts(NAMES))
        assert await tab.texts("table.positions tbody tr")
        assert await tab.run("getComputedStyle(document.querySelector('form button')).display") != "none"
        assert tab.complaints == []
        assert not [url for url in tab.requests if url.endswith(".js")]


async def test_axe_finds_nothing_in_light_and_dark_on_desktop_and_phone(desk: Desk, tab: Tab) -> None:
    script = AXE.read_text()
    few, account = BITTAP, "/accounts/binance_usdm/usdm-multi-asset"  # it looks at every element
    await seen(tab, desk)
    for path, width, dark in (
        (few, 1280, False),
        (few, 390, True),
        (account, 1280, True),
        (account, 390, False),
    ):
        await tab.looks(width=width, height=900, dark=dark)
        await tab.open(desk.url + path)
        assert await tab.run("document.documentElement.scrollWidth - innerWidth") <= 0, (path, width)
        await tab.run(script)
        found = await tab.run(
            "axe.run().then((found) => found.violations.map((one) =>"
            " [one.id, one.nodes.map((node) => node.html + node.failureSummary)]))"
        )
        assert found == [], (path, width)


async def test_an_account_has_its_page(desk: Desk, tab: Tab) -> None:
    await seen(tab, desk)
    name = (await tab.texts(NAMES))[0]
    await tab.run(f"document.querySelector({NAMES!r}).click()")
    await tab.until(f"document.querySelector('main h1 small')?.parentElement.innerText.startsWith({name!r})")
    assert {"Positions", "Margin pools", "The account", "Last failures", "Last requests"} <= set(
        await tab.texts("h2")
    )
    await tab.until("document.querySelectorAll('[aria-labelledby=requests] tbody tr').length === 16")


async def test_an_account_that_turns_stale_shows_it_within_two_seconds(desk: Desk, tab: Tab) -> None:
    """The last one: the key stays refused, and the account is tried once a minute."""
    await seen(tab, desk, BITTAP, 2)
    desk.servers["bittap"].simulator.faults.set(RevokedKey(), account="bittap-hedge")
    row = "document.querySelector('tr[data-key=\"a bittap bittap-hedge\"]')"
    await tab.until(f"{row}.innerText.includes('failing: auth')")
    # The page notes the moment itself: who asks it from here is late on a busy machine.
    await tab.run(
        f"new MutationObserver(() => {{ if (!window.turned && {row}.matches('.past, .stale'))"
        " window.turned = Date.now() / 1000; }).observe(document.getElementById('main'),"
        " {subtree: true, childList: true, attributes: true})"
    )
    turned = await tab.until("window.turned")
    one = await desk.json("/api/v1/accounts/bittap/bittap-hedge")
    late = turned - one["last_success_timestamp_seconds"] - one["max_age_seconds"]
    assert -1.0 < late < 2.0
    await tab.until(f"{row}.classList.contains('stale')")
    text = await tab.run(f"{row}.innerText")
    assert "auth:" in text
    assert "%" not in text
    assert "bittap-hedge" in " ".join(await tab.texts(".banner.bad"))
    assert "not seen · " in await tab.run("document.title")
