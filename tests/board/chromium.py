"""Debian's Chromium, driven through its DevTools protocol (https://chromedevtools.github.io/devtools-protocol/)."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.grafana.programs import program

PATIENCE = 30.0
"""Seconds that anything may take on a busy machine."""

_OPTIONS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


class Browser:
    """A running browser, and the connection to it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tabs: dict[str, Tab] = {}

    async def send(self, method: str, session: str | None = None, **params: Any) -> Any:
        """What the browser answers to a command.

        Raises:
            RuntimeError: it refuses it.
        """
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(message)
        async with asyncio.timeout(PATIENCE):
            return await answer

    async def listen(self) -> None:
        """Takes in what the browser says, until it ends."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                answer = self._waiting.pop(said["id"])
                if answer.done():
                    continue
                if "error" in said:
                    answer.set_exception(RuntimeError(str(said["error"])))
                else:
                    answer.set_result(said["result"])
            elif said.get("sessionId") in self._tabs:
                self._tabs[said["sessionId"]].heard(said["method"], said["params"])

    @asynccontextmanager
    async def tab(self, *, script: bool = True) -> AsyncIterator[Tab]:
        """An empty tab with a profile of its own; `script` is whether pages may run JavaScript."""
        context = (await self.send("Target.createBrowserContext"))["browserContextId"]
        target = (await self.send("Target.createTarget", url="about:blank", browserContextId=context))[
            "targetId"
        ]
        session = (await self.send("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        try:
            for domain in ("Page", "Runtime", "Network", "Log"):
                await tab.send(f"{domain}.enable")
            if not script:
                await tab.send("Emulation.setScriptExecutionDisabled", value=True)
            yield tab
        finally:
            del self._tabs[session]
            await self.send("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """One page, what it asked for and what it complained of."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.requests: list[str] = []
        """URLs."""
        self.complaints: list[str] = []
        """Errors and warnings on its console, and those of the browser about it."""
        self.loads = 0
        """How often a page was loaded."""
        self._loaded = asyncio.Event()

    def heard(self, method: str, params: dict[str, Any]) -> None:
        """Takes note of an event."""
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(str(params["entry"]))
            case "Page.loadEventFired":
                self.loads += 1
                self._loaded.set()

    async def send(self, method: str, **params: Any) -> Any:
        """What the browser answers to a command about this page."""
        return await self._browser.send(method, self._session, **params)

    async def open(self, url: str) -> None:
        """Loads a page and waits until it is there."""
        self._loaded.clear()
        await self.send("Page.navigate", url=url)
        async with asyncio.timeout(PATIENCE):
            await self._loaded.wait()

    async def run(self, expression: str) -> Any:
        """The value of an expression in the page, once what it promises has come."""
        answer = await self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def _run_if_there(self, expression: str) -> Any:
        """The same; None while another page takes the place of the one that was asked."""
        try:
            return await self.run(expression)
        except RuntimeError as error:
            if "navigated or closed" not in str(error):
                raise
            return None

    async def until(self, expression: str, seconds: float = PATIENCE) -> Any:
        """The value of an expression as soon as it is one that counts as true."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := await self._run_if_there(expression)):  # noqa: ASYNC110 (another process)
                    await asyncio.sleep(0.05)
        except TimeoutError:
            text = await self.run("document.body.innerText")
            raise AssertionError(f"never true in {seconds} s: {expression}; the page:\n{text}") from None
        return value

    async def texts(self, selector: str) -> list[str]:
        """What the elements of a CSS selector show, each on one line."""
        found = await self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
        )
        return [" ".join(text.split()) for text in found]

    async def press(self, key: str, text: str = "") -> None:
        """Presses a key; `text` is what it writes."""
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            await self.send("Input.dispatchKeyEvent", type=kind, key=key, **typed)

    async def write(self, text: str) -> None:
        """Writes into what has the focus."""
        await self.send("Input.insertText", text=text)

    async def looks(self, *, width: int, height: int, dark: bool = False, scale: float = 1.0) -> None:
        """Shows the page in this size and colour scheme."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )
        scheme = "dark" if dark else "light"
        await self.send(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    async def picture(self) -> bytes:
        """What is seen, as PNG."""
        shot = await self.send("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def chromium(profile: Path) -> AsyncIterator[Browser]:
    """Runs the browser without a window; what it keeps is in the folder `profile`."""
    options = [*_OPTIONS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:  # its sandbox does not work for root; what it shows here is our own
        options.append("--no-sandbox")
    process = await asyncio.create_subprocess_exec(
        program("chromium"),
        *options,
        "about:blank",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(PATIENCE):
            url = await _address(process.stderr)
        draining = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            browser = Browser(socket)
            listening = asyncio.create_task(browser.listen())
            try:
                yield browser
            finally:
                listening.cancel()
                draining.cancel()
                await asyncio.wait([listening, draining])
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _address(stderr: asyncio.StreamReader) -> str:
    said = b""
    async for line in stderr:
        said += line
        match = re.search(rb"DevTools listening on (ws://\S+)", line)
        if match is not None:
            return match[1].decode()
    raise AssertionError(f"Chromium ended before it listened:\n{said.decode()}")
