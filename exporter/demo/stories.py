"""Stories: what happens to the simulated venues in a bad hour, minute by minute, and who is told.

Each begins with a minute of calm and takes some ten minutes. What it does, it does at the stand-ins, as the
real thing would: prices move, keys are revoked, money leaves. Exporter and rules know nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from exporter.demo.base import VenueSimulator
from exporter.demo.book import Book
from exporter.demo.faults import Hang, RevokedKey, Status
from exporter.demo.market import Market
from exporter.demo.switch import Condition, Fault

CALM_SECONDS = 60.0
"""Before anything happens."""
STEP_SECONDS = 5.0
"""From one price of a slide to the next; at most."""

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Told:
    """An alert that reaches people."""

    minute: float
    """Since the demo began, at which the first of them fires, to a minute."""
    severity: Severity
    alert: str
    about: tuple[str, ...]
    """The accounts; or the exchange or the coin."""
    perhaps: tuple[str, ...] = ()
    """Accounts of which it depends on the moments at which they are collected."""

    @property
    def whom(self) -> str:
        """All of them, in words."""
        sure, perhaps = ", ".join(self.about), ", ".join(self.perhaps)
        return "; ".join([*([sure] if sure else []), *([f"perhaps {perhaps}"] if perhaps else [])])


class Stage:
    """Where a story is played.

    Args:
        market: The prices.
        venues: The stand-ins.
        tell: Takes each line of what is told.
        speed: How many times faster than written everything happens.
    """

    def __init__(
        self,
        market: Market,
        venues: Iterable[VenueSimulator],
        tell: Callable[[str], None],
        speed: float = 1.0,
    ) -> None:
        self.market = market
        self._venues = {venue.name: venue for venue in venues}
        self._tell = tell
        self._speed = speed
        self.passed = 0.0
        """Seconds of the story."""
        self._moved = dict.fromkeys(market.coins, 1.0)

    @property
    def coins(self) -> tuple[str, ...]:
        """All coins but those that serve as money."""
        return tuple(coin for coin in self.market.coins if not coin.startswith("USD"))

    def book(self, venue: str, account: str) -> Book:
        """The account as its venue has it."""
        return self._venues[venue].accounts[account]

    def say(self, text: str) -> None:
        """Tells the reader, with the time."""
        minutes, seconds = divmod(round(self.passed), 60)
        self._tell(f"{minutes:3d}:{seconds:02d}  {text}")

    async def wait(self, seconds: float) -> None:
        """Lets time pass."""
        self.passed += seconds
        await asyncio.sleep(seconds / self._speed)

    async def slide(self, targets: Mapping[str, float], seconds: float) -> None:
        """Moves coins evenly to so many times the price that they would have without the story."""
        steps = max(1, round(seconds / self._speed / STEP_SECONDS))
        begins = {coin: self._moved[coin] for coin in targets}
        for step in range(1, steps + 1):
            await self.wait(seconds / steps)
            for coin, target in targets.items():
                self._moved[coin] = begins[coin] + (target - begins[coin]) * step / steps
                self.market.move(coin, self._moved[coin])

    async def fault(
        self, fault: Fault | Condition, seconds: float, *, venue: str, account: str | None = None
    ) -> None:
        """Lets something go wrong at a venue, for so long."""
        injected = self._venues[venue].faults.set(fault, account=account)
        try:
            await self.wait(seconds)
        finally:
            injected.end()


@dataclass(frozen=True)
class Story:
    """One story.

    Attributes:
        name: As it is asked for.
        summary: What happens, in one sentence.
        look: What to look at meanwhile on the risk page and on the dashboards.
        play: Plays it once; begins after the calm.
        seconds: How long it takes, with the calm before it.
        told: What people are told, and nothing else above info, in the order of time.
    """

    name: str
    summary: str
    look: str
    play: Callable[[Stage], Awaitable[None]]
    seconds: float
    told: tuple[Told, ...]


async def play(story: Story, stage: Stage) -> None:
    """Plays the story once and tells what happens when, and who should hear of it."""
    stage.say(f"The story “{story.name}”: {story.summary}")
    stage.say(f"Look at {story.look}")
    for one in story.told:
        stage.say(f"From minute {one.minute:g} on: {one.severity} {one.alert} of {one.whom}.")
    await stage.wait(CALM_SECONDS)
    await story.play(stage)
    stage.say("The story is over. An alert outlives what it is about by 10 to 30 minutes.")


async def _crash(stage: Stage) -> None:
    stage.say("All coins begin to fall: by 25 % within two minutes.")
    await stage.slide(dict.fromkeys(stage.coins, 0.75), 120)
    stage.say("The bottom. What was nearer than that to its liquidation is gone.")
    await stage.wait(60)
    stage.say("The market recovers, to 15 % below where it was.")
    await stage.slide(dict.fromkeys(stage.coins, 0.85), 120)
    await stage.wait(390)


async def _squeeze(stage: Stage) -> None:
    stage.say("LTC alone begins to rise: by 13 % within two minutes.")
    await stage.slide({"LTC": 1.13}, 120)
    await stage.wait(180)
    stage.say("Shorts buy back; LTC rises to 17 % above where it was.")
    await stage.slide({"LTC": 1.17}, 60)
    await stage.wait(150)
    stage.say("The squeeze is over: LTC falls back.")
    await stage.slide({"LTC": 1.0}, 60)
    await stage.wait(30)


async def _key_expired(stage: Stage) -> None:
    stage.say("binance_usdm refuses the key of usdm-directional: -2015, as for one that expired.")
    await stage.fault(RevokedKey(), 330, venue="binance_usdm", account="usdm-directional")
    stage.say("The key is accepted again.")
    await stage.wait(90)


async def _venue_down(stage: Stage) -> None:
    stage.say("bingx answers with 502 Bad Gateway.")
    await stage.fault(Status(502, "<html><body>502 Bad Gateway</body></html>"), 120, venue="bingx")
    stage.say("bingx takes requests and does not answer them.")
    await stage.fault(Hang(), 240, venue="bingx")
    stage.say("bingx works again.")
    await stage.wait(120)


async def _depeg(stage: Stage) -> None:
    stage.say("USDT begins to lose its peg: to 0.96 USD within two minutes. In USDT all coins rise.")
    await stage.slide({"USDT": 0.96}, 120)
    await stage.wait(390)
    stage.say("USDT returns to its peg.")
    await stage.slide({"USDT": 1.0}, 60)
    await stage.wait(30)


async def _liquidation(stage: Stage) -> None:
    stage.say("ADA alone begins to fall, to which usdm-concentrated is long: by 13 % within two minutes.")
    await stage.slide({"ADA": 0.87}, 120)
    await stage.wait(150)
    stage.say("ADA falls on, to 16 % below where it was.")
    await stage.slide({"ADA": 0.843}, 60)
    await stage.wait(120)
    stage.say("ADA breaks down. The venue's engine closes the position on the way.")
    await stage.slide({"ADA": 0.78}, 60)
    stage.say("The position is gone, and with it most of the money.")
    await stage.wait(150)


async def _thief(stage: Stage) -> None:
    book = stage.book("binance_usdm", "usdm-directional")
    for number in range(4):
        stage.say(f"{'Another' if number else 'A'} withdrawal takes 24 % of the USDT of usdm-directional.")
        book.deposit("USDT", -book.cross_wallet("USDT") * Decimal("0.24"))
        await stage.wait(150)


async def _adl(stage: Stage) -> None:
    stage.say("BTC falls by 3 % within a minute: the short leg of usdm-hedged wins what the long leg loses.")
    await stage.slide({"BTC": 0.97}, 60)
    book = stage.book("binance_usdm", "usdm-hedged")
    legs = [held for held in book.positions if held.contract.symbol == "BTCUSDT"]
    for leg in legs:
        leg.queue_place = 1.0
    stage.say("The exchange puts BTCUSDT of usdm-hedged at the front of its auto-deleveraging queue.")
    await stage.wait(360)
    (short,) = (leg for leg in legs if leg.side == "short")
    stage.say("It takes 7 BTC of the short leg: as much of the long leg is not hedged any longer.")
    book.reduce(short, Decimal(7))
    await stage.wait(180)
    stage.say("It takes another 8 BTC.")
    book.reduce(short, Decimal(8))
    await stage.wait(210)
    for leg in legs:
        leg.queue_place = None


STORIES: Mapping[str, Story] = {
    story.name: story
    for story in (
        Story(
            "crash",
            "all coins fall by 25 % within two minutes and recover in part.",
            "the risk page, sorted by danger, every few seconds; Fleet: the table of who is near, PnL and "
            "drawdown; what was liquidated is a page of its own, grouped by account.",
            _crash,
            750,
            (
                Told(
                    4,
                    "critical",
                    "RiskPositionGone",
                    (
                        "bingx-hedged",
                        "coinm-directional",
                        "coinm-hedged",
                        "usdm-concentrated",
                        "usdm-hedged",
                    ),
                    perhaps=("bittap-oneway", "deribit-segregated"),
                ),
                Told(
                    4,
                    "critical",
                    "RiskPoolEmptied",
                    (),
                    perhaps=(
                        "bingx-hedged",
                        "coinm-directional",
                        "coinm-hedged",
                        "usdm-concentrated",
                        "usdm-hedged",
                    ),
                ),
                Told(4.5, "critical", "RiskLiquidationNear", ("bingx-v1",)),
                Told(5, "warning", "RiskLiquidationShockSmall", (), perhaps=("bittap-hedge",)),
                Told(
                    6.5,
                    "warning",
                    "RiskEquityDrawdown",
                    (
                        "bingx-directional",
                        "bingx-hedged",
                        "bingx-multi-assets",
                        "bingx-v1",
                        "bitget-classic",
                        "bitget-unified",
                        "bitget-union",
                        "bittap-hedge",
                        "bittap-oneway",
                        "bybit-cross",
                        "bybit-older",
                        "bybit-portfolio",
                        "coinm-directional",
                        "coinm-hedged",
                        "deribit-cross",
                        "deribit-cross-portfolio",
                        "deribit-segregated",
                        "gate-classic",
                        "gate-multi",
                        "gate-older",
                        "gate-portfolio",
                        "hyper-unified",
                        "okx-futures",
                        "okx-multi",
                        "okx-portfolio",
                        "pm-hedged",
                        "usdm-concentrated",
                        "usdm-directional",
                        "usdm-hedged",
                        "usdm-multi-asset",
                        "zkx-cross",
                        "zkx-single",
                    ),
                    perhaps=("deribit-portfolio", "okx-spot", "pm-basis"),
                ),
                Told(
                    7,
                    "critical",
                    "RiskEquityDrawdown",
                    (
                        "bingx-hedged",
                        "bittap-hedge",
                        "coinm-directional",
                        "coinm-hedged",
                        "deribit-cross-portfolio",
                        "gate-older",
                        "hyper-unified",
                        "usdm-concentrated",
                        "usdm-hedged",
                        "usdm-multi-asset",
                    ),
                    perhaps=(
                        "bingx-v1",
                        "bybit-cross",
                        "bybit-older",
                        "deribit-segregated",
                        "gate-portfolio",
                        "pm-hedged",
                    ),
                ),
                Told(
                    7.5,
                    "warning",
                    "RiskAdlQueueFront",
                    (),
                    perhaps=("bitget-classic", "bybit-cross", "gate-classic", "okx-futures"),
                ),
            ),
        ),
        Story(
            "squeeze",
            "LTC rises by 17 % against those who are short.",
            "the risk page of bingx-v1; Position: LTC-USDT, whose distance shrinks while the others stand "
            "still, and the way back in USD.",
            _squeeze,
            660,
            (
                Told(5, "warning", "RiskLiquidationNear", ("bingx-v1",)),
                Told(8, "critical", "RiskLiquidationNear", ("bingx-v1",)),
                Told(8, "warning", "RiskEquityDrawdown", ("bingx-v1",)),
            ),
        ),
        Story(
            "key-expired",
            "a venue refuses the key of one account.",
            "the risk page: usdm-directional is blind, with its last known figures, and the reason is auth; "
            "Exporter: failed collections; nothing else changes.",
            _key_expired,
            480,
            (
                Told(2.5, "warning", "RiskKeyRejected", ("usdm-directional",)),
                Told(3.5, "warning", "RiskCollectionFailing", ("usdm-directional",)),
                Told(4.5, "critical", "RiskDataStale", ("usdm-directional",)),
            ),
        ),
        Story(
            "venue-down",
            "a venue does not answer.",
            "the risk page: the accounts of bingx are blind, and one message tells of all of them; Exporter: "
            "errors by reason, and how long requests take.",
            _venue_down,
            540,
            (
                Told(2.5, "warning", "RiskVenueDown", ("bingx",)),
                Told(4.5, "critical", "RiskVenueDown", ("bingx",)),
            ),
        ),
        Story(
            "depeg",
            "USDT falls to 0.96 USD.",
            "Account: usdm-multi-asset and bingx-multi-assets, whose margin is in several coins: their "
            "equity, and the prices of their assets.",
            _depeg,
            660,
            (
                Told(7, "warning", "RiskStablecoinOffPeg", ("USDT",)),
                Told(7, "warning", "RiskEquityDrawdown", ("bingx-multi-assets",)),
                Told(8, "critical", "RiskStablecoinOffPeg", ("USDT",)),
            ),
        ),
        Story(
            "liquidation",
            "an account runs into liquidation, and its position is gone.",
            "Position: ADAUSDT of usdm-concentrated, its distance and what would be the way back; the risk "
            "page after the liquidation, which shows no danger any longer: what is gone, alerts tell.",
            _liquidation,
            720,
            (
                Told(5, "warning", "RiskLiquidationNear", ("usdm-concentrated",)),
                Told(5, "warning", "RiskLiquidationShockSmall", ("usdm-concentrated",)),
                Told(5.5, "warning", "RiskMaintenanceMarginRateHigh", ("usdm-concentrated",)),
                Told(6.5, "warning", "RiskEquityDrawdown", ("usdm-concentrated",)),
                Told(7.5, "critical", "RiskEquityDrawdown", ("usdm-concentrated",)),
                Told(7.5, "critical", "RiskLiquidationNear", ("usdm-concentrated",)),
                Told(7.5, "critical", "RiskLiquidationShockSmall", ("usdm-concentrated",)),
                Told(10.5, "critical", "RiskPositionGone", ("usdm-concentrated",)),
                Told(10.5, "critical", "RiskPoolEmptied", (), perhaps=("usdm-concentrated",)),
            ),
        ),
        Story(
            "thief",
            "money leaves an account in steps of 24 %.",
            "Account: usdm-directional, whose equity falls in steps while its PnL does not: no drawdown.",
            _thief,
            660,
            (
                Told(4, "critical", "RiskEquityOutflow", ("usdm-directional",)),
                Told(10.5, "critical", "RiskLiquidationProjected", ("usdm-directional",)),
            ),
        ),
        Story(
            "adl",
            "an exchange closes a part of a winning position, and what it hedged is not hedged any longer.",
            "Position: BTCUSDT of usdm-hedged: its place in the queue, both legs, the distance of the net.",
            _adl,
            870,
            (
                Told(7, "warning", "RiskEquityDrawdown", ("coinm-directional", "usdm-hedged")),
                Told(7.5, "warning", "RiskAdlQueueFront", ("usdm-hedged",)),
                Told(10.5, "warning", "RiskLiquidationNear", ("usdm-hedged",)),
                Told(10.5, "warning", "RiskLiquidationShockSmall", ("usdm-hedged",)),
                Told(12.5, "critical", "RiskLiquidationNear", ("usdm-hedged",)),
                Told(12.5, "critical", "RiskLiquidationShockSmall", ("usdm-hedged",)),
                Told(14, "critical", "RiskLiquidationProjected", ("usdm-hedged",)),
            ),
        ),
    )
}
"""All stories by name."""
