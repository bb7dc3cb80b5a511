"""Money that is lost, or moves."""

from __future__ import annotations

from typing import Final

from tests.grafana.incidents.catalogue import Incident, Section, Told
from tests.grafana.incidents.danger import M, of
from tests.grafana.incidents.story import Account, Exporter, Position, line, step, swinging

MONEY: Final = Section(
    title="Money that is lost, or moves",
    about="",
    incidents=(
        Incident(
            name="thief",
            title="A thief",
            happens="24 % of the equity of an account leave it at once.",
            exporters=of(Account(wallet=step((-1, 10_000), (0, 7_600)))),
            told=(
                Told(
                    severity="critical",
                    alert="RiskEquityOutflow",
                    within=3 * M,
                    says="24% of the equity of main on binance_usdm left it and is in no other account",
                ),
                Told(severity="warning", alert="RiskEquityOutflow", within=3 * M),
            ),
            alone=True,
            lasts=900,
        ),
        Incident(
            name="trickle",
            title="A small withdrawal",
            happens="3 % of the equity leave the account.",
            exporters=of(Account(wallet=step((-1, 10_000), (0, 9_700)))),
            told=(Told(severity="warning", alert="RiskEquityOutflow", within=3 * M),),
            nobody="at night",
            alone=True,
            lasts=900,
        ),
        Incident(
            name="own-transfer",
            title="A transfer between two accounts of one exchange",
            happens="30 % of the equity of one account are in another one half a minute later.",
            exporters=of(
                Account(wallet=step((-1, 10_000), (0, 7_000))),
                Account(name="spare", wallet=step((-1, 5_000), (30, 8_000))),
            ),
            nobody="anything",
            alone=True,
            lasts=1200,
        ),
        Incident(
            name="own-transfer-slow",
            title="A transfer to another exchange",
            happens="30 % of the equity leave an account and arrive in one at another exchange 25 "
            "minutes later.",
            exporters=of(
                Account(wallet=step((-1, 10_000), (0, 7_000))),
                Account(name="spare", exchange="bingx", wallet=step((-1, 5_000), (25 * M, 8_000))),
            ),
            told=(
                Told(
                    severity="critical", alert="RiskEquityOutflow", within=3 * M, account="main", until=32 * M
                ),
                Told(
                    severity="warning", alert="RiskEquityOutflow", within=3 * M, account="main", until=32 * M
                ),
            ),
            nobody="once it has arrived: the alert ends half an hour later",
            over=25 * M,
            alone=True,
            lasts=4200,
        ),
        Incident(
            name="loss",
            title="A loss of a quarter",
            happens="The market takes 27 % of the equity of an account in 20 minutes, far from any "
            "liquidation.",
            exporters=of(
                Account(positions=(Position(notional=9_000, price=line((0, 1), (20 * M, 0.7))),)),
            ),
            told=(
                Told(severity="warning", alert="RiskEquityDrawdown", within=13 * M, window="1d"),
                Told(severity="warning", alert="RiskEquityDrawdown", within=20 * M, window="7d"),
                Told(severity="critical", alert="RiskEquityDrawdown", within=24 * M, window="1d"),
            ),
            nobody="that money was stolen; nor of a liquidation, which is far",
        ),
        Incident(
            name="depeg",
            title="A stablecoin breaks",
            happens="USDC falls to 0.955 USD within 3 minutes and is back after 20.",
            exporters=of(
                Account(
                    more=(
                        (
                            "risk_asset_price_usd",
                            {"asset": "USDC"},
                            line((0, 1), (3 * M, 0.955), (18 * M, 0.955), (20 * M, 1)),
                        ),
                        ("risk_asset_equity", {"asset": "USDC"}, 5_000.0),
                    )
                )
            ),
            told=(
                Told(severity="warning", alert="RiskStablecoinOffPeg", within=6 * M, until=30 * M),
                Told(
                    severity="critical",
                    alert="RiskStablecoinOffPeg",
                    within=7 * M,
                    until=29 * M,
                    says="USDC on binance_usdm is 4.5% off one US dollar",
                    at_last="USDC on binance_usdm is 4.5% off one US dollar",
                ),
            ),
            nobody="twice: it is one message an exchange and coin, not one an account",
            over=20 * M,
        ),
        Incident(
            name="wobble",
            title="A stablecoin that wobbles",
            happens="USDC swings between 0.994 and 1.004 USD.",
            exporters=of(
                Account(
                    more=(
                        ("risk_asset_price_usd", {"asset": "USDC"}, swinging(1.004, 0.994, 180)),
                        ("risk_asset_equity", {"asset": "USDC"}, 5_000.0),
                    )
                )
            ),
            nobody="anything",
        ),
        Incident(
            name="one-bet",
            title="All eggs in one basket",
            happens="Four fifths of all equity are at one of two exchanges, and nine tenths of all "
            "positions in one coin.",
            exporters=(
                Exporter(
                    accounts=(
                        Account(wallet=40_000, positions=(Position(notional=18_000),)),
                        Account(
                            name="small",
                            exchange="bingx",
                            positions=(Position(symbol="ETHUSDT", notional=2_000),),
                        ),
                    )
                ),
            ),
            told=(
                Told(severity="info", alert="RiskCoinConcentration", within=61 * M),
                Told(severity="info", alert="RiskExchangeConcentration", within=61 * M),
            ),
            nobody="before an hour has passed, nor at night",
            alone=True,
            lasts=4500,
            calm=0,
        ),
        Incident(
            name="equity-vanishes",
            title="The equity is not told any longer",
            happens="For 15 minutes the collections of two accounts lack everything about equity; one "
            "holds a position.",
            exporters=of(
                *(
                    Account(
                        name=name,
                        positions=positions,
                        missing=tuple(
                            (0.0, 15 * M, family)
                            for family in (
                                "risk_account_equity",
                                "risk_account_equity_usd",
                                "risk_account_margin_equity",
                                "risk_account_maintenance_margin_rate",
                                "risk_account_leverage_ratio",
                            )
                        ),
                    )
                    for name, positions in (("main", (Position(notional=20_000),)), ("empty", ()))
                )
            ),
            told=(
                Told(
                    severity="critical", alert="RiskEquityUnknown", within=5 * M, account="main", until=1 * M
                ),
                Told(
                    severity="warning", alert="RiskEquityUnknown", within=6 * M, account="empty", until=1 * M
                ),
            ),
            nobody="that the equity was lost or stolen",
            over=15 * M,
        ),
    ),
)
