"""Positions and accounts in danger."""

from __future__ import annotations

from typing import Final

from exporter.desk import AccountLimits
from tests.grafana.incidents.catalogue import Incident, Section, Told
from tests.grafana.incidents.story import (
    EVER,
    Account,
    Exporter,
    Labels,
    Path,
    Position,
    counting,
    line,
    step,
    swinging,
)

M: Final = 60.0
EVERY_SCRAPE: Final = ((5, 0), (15, 5), (30, 20), (60, 40))
SLOWEST: Final = ((15, 5), (60, 40))
CALM: Final = Account(name="beside", positions=(Position(symbol="LTCUSDT", notional=8_000),))
"""An account to which nothing happens."""


def of(*accounts: Account, more: tuple[tuple[str, Labels, Path | float], ...] = ()) -> tuple[Exporter, ...]:
    return (Exporter(accounts=accounts, more=more),)


CRASH: Final = line((0, 1), (8 * M, 0.607))

DANGER: Final = Section(
    title="Positions in danger",
    about="",
    incidents=(
        Incident(
            name="crash",
            title="A crash within minutes",
            happens="A coin falls by 39 % in 8 minutes; an account that is long in it comes from 41 % "
            "to 3 % from "
            "its liquidation. After 12 minutes somebody adds collateral.",
            exporters=of(
                Account(
                    wallet=step((0, 10_000), (12 * M, 18_000)),
                    positions=(Position(notional=24_000, price=CRASH),),
                ),
                CALM,
            ),
            fast=True,
            calm=60,
            scrapes=EVERY_SCRAPE,
            told=(
                Told(
                    severity="warning", alert="RiskEquityDrawdown", within=7 * M, account="main", window="1d"
                ),
                Told(
                    severity="critical",
                    alert="RiskLiquidationProjected",
                    within=10 * M,
                    account="main",
                    until=11 * M,
                ),
                Told(
                    severity="critical", alert="RiskEquityDrawdown", within=8 * M, account="main", window="1d"
                ),
                Told(
                    severity="warning", alert="RiskEquityDrawdown", within=8 * M, account="main", window="7d"
                ),
                Told(
                    severity="critical",
                    alert="RiskLiquidationNear",
                    within=10 * M,
                    account="main",
                    until=16 * M,
                    says="BTCUSDT long (cross) of main on binance_usdm is 3.399% from liquidation",
                    at_last="BTCUSDT long (cross) of main on binance_usdm is 3.399% from liquidation",
                ),
                Told(
                    severity="warning",
                    alert="RiskLiquidationNear",
                    within=10 * M,
                    account="main",
                    until=16 * M,
                ),
                Told(
                    severity="critical",
                    alert="RiskLiquidationShockSmall",
                    within=10 * M,
                    account="main",
                    until=11 * M,
                ),
                Told(
                    severity="warning",
                    alert="RiskLiquidationShockSmall",
                    within=10 * M,
                    account="main",
                    until=11 * M,
                ),
            ),
            nobody="about the account beside it",
            over=12 * M,
        ),
        Incident(
            name="hover",
            title="A distance that swings around its limit",
            happens="A position is opened so near to its liquidation that its distance swings between "
            "4.6 % and 5.5 %, "
            "each for a minute.",
            exporters=of(
                Account(
                    positions=(
                        Position(notional=180_000, price=swinging(0.995, 1.005, M, 0), opened=0, leverage=20),
                    )
                )
            ),
            fast=True,
            scrapes=((15, 5),),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=1.5 * M),
                Told(severity="warning", alert="RiskLiquidationNear", within=2.5 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=2.5 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=10.5 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=10.5 * M),
            ),
            nobody="a second time: the alert lasts as long as the distance swings",
        ),
        Incident(
            name="flash",
            title="A flash crash takes an isolated position",
            happens="An isolated position, 40 % from its liquidation, is liquidated 90 seconds after "
            "the fall begins.",
            exporters=of(
                Account(
                    wallet=50_000,
                    positions=(
                        Position(
                            notional=20_000,
                            margin=8_000,
                            leverage=2.5,
                            price=line((0, 1), (90, 0.6)),
                            closed=90,
                            lost=8_000,
                        ),
                    ),
                )
            ),
            fast=True,
            scrapes=((5, 0), (15, 10), (30, 20)),
            told=(
                Told(
                    severity="critical",
                    alert="RiskPositionGone",
                    within=3 * M,
                    says="BTCUSDT long (isolated) of main on binance_usdm is gone, liquidated or closed "
                    "at a loss; it was 9.5% from liquidation",
                ),
                Told(severity="warning", alert="RiskEquityDrawdown", within=6.5 * M, window="1d"),
            ),
            nobody="that money was stolen (RiskEquityOutflow)",
            over=90,
        ),
        Incident(
            name="flash-unseen",
            title="The same between two scrapes",
            happens="Prometheus scrapes once a minute, and the fall takes a third of the account before "
            "a scrape has seen it near.",
            exporters=of(
                Account(
                    wallet=24_000,
                    positions=(
                        Position(
                            notional=20_000,
                            margin=8_000,
                            leverage=2.5,
                            price=line((0, 1), (90, 0.6)),
                            closed=90,
                            lost=8_000,
                        ),
                    ),
                )
            ),
            fast=True,
            scrapes=((60, 30),),
            told=(
                Told(severity="warning", alert="RiskEquityDrawdown", within=5.5 * M, window="1d"),
                Told(severity="critical", alert="RiskEquityDrawdown", within=6.5 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=6.5 * M, window="7d"),
            ),
            nobody="that money was stolen; nor that a position is gone, which no scrape has seen near",
            over=90,
        ),
        Incident(
            name="brief",
            title="A position at 100x that lives for 45 seconds",
            happens="Opened 0.5 % from its liquidation, liquidated 45 seconds later.",
            exporters=of(
                Account(
                    positions=(
                        Position(
                            notional=50_000,
                            margin=500,
                            leverage=100,
                            opened=0,
                            closed=45,
                            lost=500,
                        ),
                    )
                )
            ),
            fast=True,
            scrapes=((5, 0), (15, 10), (30, 20)),
            told=(Told(severity="critical", alert="RiskPositionGone", within=2 * M),),
            nobody="that money was stolen, nor of a loss of the account, which is small",
            over=45,
        ),
        Incident(
            name="gained-beside",
            title="A liquidation beside a larger gain",
            happens="The same fall takes an isolated long, and the account's short of another coin wins more "
            "than the long loses.",
            exporters=of(
                Account(
                    wallet=50_000,
                    positions=(
                        Position(
                            notional=20_000,
                            margin=8_000,
                            leverage=2.5,
                            price=line((0, 1), (90, 0.6)),
                            closed=90,
                            lost=8_000,
                        ),
                        Position(
                            symbol="ETHUSDT", side="short", notional=40_000, price=line((0, 1), (90, 0.7))
                        ),
                    ),
                )
            ),
            fast=True,
            scrapes=((5, 0), (15, 10), (30, 20)),
            told=(
                Told(
                    severity="critical",
                    alert="RiskPositionGone",
                    within=3 * M,
                    says="BTCUSDT long (isolated) of main on binance_usdm is gone, liquidated or closed "
                    "at a loss; it was 9.5% from liquidation",
                ),
            ),
            nobody="that it was closed: what other positions win does not hide what this one lost",
            over=90,
        ),
        Incident(
            name="liquidated",
            title="A liquidation after all warnings",
            happens="A fall brings a cross account to 1 % from its liquidation in 10 minutes, and "
            "nobody acts. A "
            "quarter of an hour later its one position and nearly all of its equity are gone.",
            exporters=of(
                Account(
                    positions=(
                        Position(
                            notional=24_000,
                            maintenance=0.05,
                            price=line((0, 1), (10 * M, 0.6185), (26 * M, 0.6185), (27 * M, 0.614)),
                            closed=27 * M,
                            lost=9_700,
                        ),
                    )
                )
            ),
            told=(
                Told(severity="warning", alert="RiskEquityDrawdown", within=7 * M, window="1d"),
                Told(severity="critical", alert="RiskEquityDrawdown", within=8 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=8 * M, window="7d"),
                Told(severity="critical", alert="RiskLiquidationProjected", within=9 * M),
                Told(
                    severity="critical",
                    alert="RiskLiquidationNear",
                    within=11 * M,
                    until=15 * M,
                    says="BTCUSDT long (cross) of main on binance_usdm is 0.6858% from liquidation",
                    at_last="BTCUSDT long (cross) of main on binance_usdm is 0.6858% from liquidation",
                ),
                Told(severity="warning", alert="RiskLiquidationNear", within=11 * M, until=15 * M),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=11 * M, until=10 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=11 * M, until=10 * M),
                Told(severity="critical", alert="RiskMaintenanceMarginRateHigh", within=11 * M, until=10 * M),
                Told(severity="warning", alert="RiskMaintenanceMarginRateHigh", within=12 * M, until=10 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=16 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=20 * M),
                Told(severity="critical", alert="RiskPoolEmptied", within=28 * M),
                Told(
                    severity="critical",
                    alert="RiskPositionGone",
                    within=28 * M,
                    says="BTCUSDT long (cross) of main on binance_usdm is gone, liquidated or closed at "
                    "a loss; it was 0.6858% from liquidation",
                ),
            ),
            nobody="that all is well: when the alerts about the danger end, RiskPositionGone goes on",
            over=27 * M,
        ),
        Incident(
            name="closed",
            title="Closed by hand while near",
            happens="A fall in 3 minutes brings an account to 1 % from its liquidation and to a rate of "
            "85 %; after "
            "20 minutes somebody closes the position at the market.",
            exporters=of(
                Account(
                    positions=(
                        Position(
                            notional=24_000,
                            maintenance=0.05,
                            price=line((0, 1), (3 * M, 0.6195)),
                            closed=20 * M,
                        ),
                    )
                )
            ),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=4 * M, until=15 * M),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=4 * M, until=10 * M),
                Told(severity="critical", alert="RiskMaintenanceMarginRateHigh", within=4 * M, until=10 * M),
                Told(severity="warning", alert="RiskLiquidationNear", within=5 * M, until=15 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=5 * M, until=10 * M),
                Told(severity="warning", alert="RiskMaintenanceMarginRateHigh", within=5 * M, until=10 * M),
                Told(severity="critical", alert="RiskEquityDrawdown", within=6 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=6 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=6 * M, window="7d"),
                Told(severity="critical", alert="RiskLiquidationProjected", within=7 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=12 * M, until=30 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=13 * M, until=30 * M),
                Told(severity="info", alert="RiskPoolEmptied", within=21 * M),
                Told(
                    severity="info",
                    alert="RiskPositionGone",
                    within=21 * M,
                    says="BTCUSDT long (cross) of main on binance_usdm is gone, and was closed rather "
                    "than liquidated; it was 0.838% from liquidation",
                ),
            ),
            nobody="that it was a liquidation: what is told of its end is for information",
            over=20 * M,
        ),
        Incident(
            name="isolated-rate",
            title="An isolated position whose venue tells no liquidation price",
            happens="Its own margin rate rises to 85 %.",
            exporters=of(
                Account(
                    wallet=50_000,
                    positions=(
                        Position(
                            notional=24_000,
                            margin=10_000,
                            maintenance=0.05,
                            leverage=2.4,
                            price=line((0, 1), (3 * M, 0.6195), (15 * M, 0.6195), (16 * M, 0.9)),
                        ),
                    ),
                    missing=((-EVER, EVER, "risk_position_liquidation_distance_ratio"),),
                )
            ),
            told=(
                Told(severity="critical", alert="RiskIsolatedMarginRateHigh", within=4 * M, until=10 * M),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=4 * M, until=10 * M),
                Told(severity="warning", alert="RiskIsolatedMarginRateHigh", within=5 * M, until=10 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=5 * M, until=10 * M),
                Told(severity="warning", alert="RiskEquityDrawdown", within=7 * M, window="1d", until=30 * M),
                Told(severity="info", alert="RiskLiquidationPriceUnknown", within=10 * M),
            ),
            nobody="that nothing watches the position (a warning of RiskLiquidationPriceUnknown): its "
            "rate does",
            over=16 * M,
        ),
        Incident(
            name="isolated-unknown",
            title="An isolated position of which nothing is known",
            happens="It is opened at a venue that tells neither its liquidation price nor its margin.",
            exporters=of(
                Account(
                    wallet=50_000,
                    positions=(
                        Position(notional=24_000, margin=10_000, leverage=2.4, opened=0, closed=25 * M),
                    ),
                    missing=(
                        (-EVER, EVER, "risk_position_liquidation_distance_ratio"),
                        (-EVER, EVER, "risk_position_maintenance_margin_rate"),
                    ),
                )
            ),
            told=(
                Told(severity="info", alert="RiskLiquidationPriceUnknown", within=15 * M, until=15 * M),
                Told(severity="warning", alert="RiskLiquidationPriceUnknown", within=15 * M, until=15 * M),
            ),
            nobody="at night: nobody knows that it is in danger",
            over=25 * M,
        ),
        Incident(
            name="marks-fail",
            title="The request for marks fails",
            happens="For 10 minutes the collections of two accounts lack mark prices; one was 7 % from its "
            "liquidation, the other one 48 %.",
            exporters=of(
                Account(
                    name="near",
                    positions=(Position(notional=132_000, leverage=20),),
                    missing=((0, 10 * M, "risk_position_liquidation_distance_ratio"),),
                    optional_errors=counting(0, 10 * M, 15),
                ),
                Account(
                    name="far",
                    positions=(Position(notional=20_000),),
                    missing=((0, 10 * M, "risk_position_liquidation_distance_ratio"),),
                    optional_errors=counting(0, 10 * M, 15),
                ),
            ),
            told=(
                Told(severity="warning", alert="RiskLiquidationNear", within=0, account="near"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=0, account="near"),
                Told(
                    severity="critical", alert="RiskDistanceOld", within=2 * M, account="near", until=10 * M
                ),
                Told(severity="warning", alert="RiskDistanceOld", within=5 * M, account="near", until=10 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=5 * M, account="near"),
                Told(severity="info", alert="RiskLiquidationNear", within=5 * M, account="near"),
                Told(severity="warning", alert="RiskDistanceOld", within=6 * M, account="far", until=11 * M),
                Told(
                    severity="info",
                    alert="RiskCollectionIncomplete",
                    within=16 * M,
                    account="far",
                    until=15 * M,
                ),
                Told(
                    severity="info",
                    alert="RiskCollectionIncomplete",
                    within=16 * M,
                    account="near",
                    until=15 * M,
                ),
            ),
            nobody="at night about the account that was far away",
            over=10 * M,
        ),
        Incident(
            name="rate-missing",
            title="The margin rate is not told any longer",
            happens="For 10 minutes the collections of two accounts lack the price of a coin, and so "
            "their rates; "
            "one was at 60 %, the other one at 2 %.",
            exporters=of(
                Account(
                    name="near",
                    positions=(Position(notional=24_000, maintenance=0.25),),
                    missing=((0, 10 * M, "risk_account_maintenance_margin_rate"),),
                ),
                Account(
                    name="far",
                    positions=(Position(notional=20_000, maintenance=0.01),),
                    missing=((0, 10 * M, "risk_account_maintenance_margin_rate"),),
                ),
            ),
            told=(
                Told(severity="warning", alert="RiskMaintenanceMarginRateHigh", within=0, account="near"),
                Told(
                    severity="critical", alert="RiskMarginRateOld", within=2 * M, account="near", until=10 * M
                ),
                Told(severity="info", alert="RiskLiquidationNear", within=5 * M, account="near"),
                Told(
                    severity="warning", alert="RiskMarginRateOld", within=5 * M, account="near", until=10 * M
                ),
                Told(
                    severity="warning", alert="RiskMarginRateOld", within=6 * M, account="far", until=11 * M
                ),
            ),
            nobody="at night about the account whose rate was low",
            over=10 * M,
        ),
        Incident(
            name="trend",
            title="A steady fall from afar",
            happens="A position 49 % from its liquidation loses almost a percent of it each minute, for "
            "25 minutes.",
            exporters=of(
                Account(
                    positions=(Position(notional=20_000, price=line((0, 1), (25 * M, 0.7))),),
                )
            ),
            told=(
                Told(severity="warning", alert="RiskEquityDrawdown", within=10 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=14 * M, window="7d"),
                Told(severity="critical", alert="RiskEquityDrawdown", within=16 * M, window="1d"),
                Told(severity="critical", alert="RiskLiquidationProjected", within=20 * M, until=13 * M),
            ),
            nobody="of a distance: it is still far from every limit that wakes",
            over=25 * M,
        ),
        Incident(
            name="sigmas",
            title="A wild market, a position at 11 %",
            happens="The coin moves by 6 % a day; a position is opened 11 % from its liquidation.",
            exporters=of(
                Account(
                    positions=(
                        Position(
                            notional=86_000,
                            price=swinging(1.0, 1.0035, 300),
                            opened=0,
                            marks=True,
                        ),
                    ),
                ),
                Account(
                    name="steady",
                    positions=(Position(notional=5_000, price=swinging(1.0, 1.0035, 300), marks=True),),
                ),
            ),
            told=(
                Told(severity="info", alert="RiskLiquidationNearSigmas", within=5 * M, account="main"),
                Told(severity="warning", alert="RiskLiquidationNearSigmas", within=5 * M, account="main"),
                Told(severity="info", alert="RiskLiquidationNear", within=10 * M, account="main"),
            ),
            nobody="at night: within minutes the percentage counts",
            calm=2700,
        ),
        Incident(
            name="adl",
            title="At the front of the queue",
            happens="A winning short comes to the front of the auto-deleveraging queue for a quarter of "
            "an hour.",
            exporters=of(
                Account(
                    positions=(
                        Position(
                            notional=10_000, side="short", adl=step((-600, 0.6), (0, 0.99), (15 * M, 0.6))
                        ),
                    ),
                )
            ),
            told=(Told(severity="warning", alert="RiskAdlQueueFront", within=5 * M, until=15 * M),),
            nobody="at night",
            over=15 * M,
        ),
        Incident(
            name="hedged",
            title="A fall with both legs in place",
            happens="An account holds as much long as short of one coin, which falls by 30 % in 5 minutes.",
            exporters=of(
                Account(
                    positions=(
                        Position(notional=40_000, price=line((0, 1), (5 * M, 0.7))),
                        Position(notional=39_900, side="short", price=line((0, 1), (5 * M, 0.7))),
                    ),
                )
            ),
            nobody="anything",
        ),
        Incident(
            name="leg-lost",
            title="One leg of a hedge is gone",
            happens="Its short leg is closed by the exchange; what is left is 7 % from its liquidation.",
            exporters=of(
                Account(
                    positions=(
                        Position(notional=132_000),
                        Position(notional=131_900, side="short", closed=0),
                    ),
                )
            ),
            told=(
                Told(severity="warning", alert="RiskLiquidationNear", within=2 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=2 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=5 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=10 * M),
            ),
            nobody="before the leg is gone",
        ),
        Incident(
            name="joint",
            title="Three coins that fall together",
            happens="Three positions are opened, each 14 % from its liquidation; all coins together "
            "need 4.6 %.",
            exporters=of(
                Account(
                    positions=tuple(
                        Position(symbol=symbol, notional=65_000, opened=0, closed=15 * M)
                        for symbol in ("ETHUSDT", "SOLUSDT", "XRPUSDT")
                    ),
                )
            ),
            told=(
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=1 * M, until=10 * M),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=2 * M, until=10 * M),
                Told(severity="info", alert="RiskLeverageHigh", within=10 * M, until=30 * M),
                Told(
                    severity="info",
                    alert="RiskLiquidationNear",
                    within=10 * M,
                    symbol="ETHUSDT",
                    until=30 * M,
                ),
                Told(
                    severity="info",
                    alert="RiskLiquidationNear",
                    within=10 * M,
                    symbol="SOLUSDT",
                    until=30 * M,
                ),
                Told(
                    severity="info",
                    alert="RiskLiquidationNear",
                    within=10 * M,
                    symbol="XRPUSDT",
                    until=30 * M,
                ),
                Told(severity="info", alert="RiskPositionGone", within=16 * M, symbol="ETHUSDT"),
                Told(severity="info", alert="RiskPositionGone", within=16 * M, symbol="SOLUSDT"),
                Told(severity="info", alert="RiskPositionGone", within=16 * M, symbol="XRPUSDT"),
            ),
            nobody="at night of a single position: each looks safe",
            over=15 * M,
        ),
        Incident(
            name="tiny",
            title="A tiny position at 50x",
            happens="12 USD of notional, 1.5 % from its liquidation.",
            exporters=of(
                Account(positions=(Position(notional=12, margin=0.24, leverage=50, opened=0),)),
            ),
            nobody="anything",
        ),
        Incident(
            name="ordinary",
            title="An ordinary book",
            happens="Six times its equity in four positions, partly hedged; coins move by 3 %.",
            exporters=of(
                Account(
                    positions=(
                        Position(symbol="BTCUSDT", notional=20_000, price=swinging(1, 0.97, 900)),
                        Position(
                            symbol="ETHUSDT", notional=15_000, side="short", price=swinging(1, 0.97, 900)
                        ),
                        Position(symbol="SOLUSDT", notional=15_000, price=swinging(1, 1.03, 900)),
                        Position(symbol="XRPUSDT", notional=10_000, side="short", price=1.0),
                    ),
                )
            ),
            nobody="anything",
        ),
        Incident(
            name="limits-strict",
            title="An account with a stricter limit",
            happens="Two accounts open a position 14 % from its liquidation; one has "
            "`liquidation_distance: {critical: 0.15}`.",
            exporters=of(
                Account(
                    name="careful",
                    desk="treasury",
                    owner="bert",
                    limits=AccountLimits.model_validate({"liquidation_distance": {"critical": 0.15}}),
                    positions=(Position(notional=69_000, opened=0),),
                ),
                Account(name="plain", positions=(Position(notional=69_000, opened=0),)),
            ),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=1 * M, account="careful"),
                Told(severity="warning", alert="RiskLiquidationNear", within=2 * M, account="careful"),
                Told(severity="info", alert="RiskLiquidationNear", within=10 * M, account="careful"),
                Told(severity="info", alert="RiskLiquidationNear", within=11 * M, account="plain"),
            ),
            nobody="about the other account, but for information",
        ),
        Incident(
            name="limits-loose",
            title="An account with looser limits",
            happens="A market maker lives 4.4 % from its liquidation and has `liquidation_distance: 0.02`, "
            "`liquidation_shock: 0.02`.",
            exporters=of(
                Account(
                    limits=AccountLimits.model_validate(
                        {"liquidation_distance": 0.02, "liquidation_shock": 0.02}
                    ),
                    positions=(Position(notional=93_000, margin=None, opened=0),),
                    wallet=4_560,
                ),
            ),
            told=(
                Told(severity="info", alert="RiskLeverageHigh", within=10 * M),
                Told(severity="info", alert="RiskLiquidationNear", within=10 * M),
            ),
            nobody="of what is ordinary there",
        ),
        Incident(
            name="limits-size",
            title="A floor of its own for what is small",
            happens="Two accounts hold 3,000 USD, 3 % from their liquidation; one has "
            "`min_notional_usd: 5000`.",
            exporters=of(
                Account(
                    name="rich",
                    limits=AccountLimits.model_validate({"min_notional_usd": 5000}),
                    positions=(Position(notional=3_000, margin=105, leverage=28, opened=0),),
                ),
                Account(
                    name="plain",
                    desk="",
                    owner="",
                    positions=(Position(notional=3_000, margin=105, leverage=28, opened=0),),
                ),
            ),
            told=(
                Told(severity="critical", alert="RiskLiquidationNear", within=2 * M, account="plain"),
                Told(severity="critical", alert="RiskLiquidationShockSmall", within=2 * M, account="plain"),
                Told(severity="warning", alert="RiskLiquidationNear", within=3 * M, account="plain"),
                Told(severity="warning", alert="RiskLiquidationShockSmall", within=3 * M, account="plain"),
                Told(severity="info", alert="RiskLiquidationNear", within=11 * M, account="plain"),
            ),
            nobody="about the account with the floor",
        ),
        Incident(
            name="limits-leverage",
            title="A limit of leverage",
            happens="Of two accounts with 5 times their equity one has `leverage: {info: 3, warning: 4}`.",
            exporters=of(
                Account(
                    name="limited",
                    limits=AccountLimits.model_validate({"leverage": {"info": 3, "warning": 4}}),
                    positions=(
                        Position(notional=20_000, opened=0),
                        Position(symbol="ETHUSDT", side="short", notional=30_000, opened=0),
                    ),
                ),
                Account(
                    name="plain",
                    positions=(
                        Position(notional=20_000, opened=0),
                        Position(symbol="ETHUSDT", side="short", notional=30_000, opened=0),
                    ),
                ),
            ),
            told=(
                Told(severity="info", alert="RiskLeverageHigh", within=10 * M, account="limited"),
                Told(severity="warning", alert="RiskLeverageHigh", within=10 * M, account="limited"),
            ),
            nobody="about the other account",
        ),
    ),
)
