"""What was in danger and is gone, money that left, and figures that are not told any longer."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.trials import Expected, Test, make_test, named
from tests.grafana.rule_tests.world import (
    KEY,
    MAIN,
    POOL,
    POSITION,
    AccountState,
    Series,
    Values,
    World,
    span,
)

_POSITION_BOARD: Final = "/d/risk-position?var-exchange=binance_usdm&var-account=main&var-symbol=BTCUSDT"
_ACCOUNT_BOARD: Final = "/d/risk-account?var-exchange=binance_usdm&var-account=main"
_EXPORTER_BOARD: Final = "/d/risk-exporter?var-exchange=binance_usdm&var-account=main"
_INFO: Final = {"base": "BTC", "quote": "USDT", "contract_kind": "linear", "liquidation_source": "venue"}


def equity(*values: tuple[float | None, int]) -> list[Series]:
    """Equity of the one pool, in USDT and USD."""
    return [
        ("risk_account_equity", POOL, span(*values)),
        ("risk_account_equity_usd", POOL, span(*values)),
    ]


def position(distances: Values, notional: float = 10000.0, leverage: float = 10.0) -> list[Series]:
    """A position that is there as long as its distance is."""

    def while_open(value: float) -> list[float | None]:
        return [None if distance is None else value for distance in distances]

    return [
        ("risk_position_liquidation_distance_ratio", POSITION, distances),
        ("risk_position_notional_usd", POSITION, while_open(notional)),
        ("risk_position_leverage_ratio", POSITION, while_open(leverage)),
        ("risk_position_info", {**POSITION, **_INFO}, while_open(1.0)),
    ]


def position_gone() -> list[Test]:
    def expected(severity: str, what: str, lost: str) -> Expected:
        return Expected(
            alert="RiskPositionGone",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is gone, {what}; it was 3% from "
            "liquidation",
            description="The position was near its liquidation within the last 10 minutes and is not there "
            "any "
            f"longer.{lost} What it hedged is not hedged any more.",
            dashboard=_POSITION_BOARD,
        )

    def lost(usd: str) -> str:
        return f" The equity of the account is {usd} USD below its peak of the last 10 minutes."

    liquidated = expected("critical", "liquidated or closed at a loss", lost("153"))
    closed = expected("info", "and was closed rather than liquidated", lost("147"))
    # At its nearest it could still lose 300 USD, of which half is the limit.
    crash = span((0.19, 3), (0.03, 2), (None, 1))
    hovering = span((0.19, 3), (0.03, 27), (None, 1))
    opened_again = span((0.19, 3), (0.03, 2), (None, 5), (0.5, 50))
    return [
        *named(
            "critical",
            [
                make_test(
                    "fires after its for, not a minute earlier, for as long as it is news",
                    World(60, accounts={KEY: []}, data=[*position(crash), *equity((5000, 5), (4847, 55))]),
                    liquidated,
                    firing=[6, 13, 42],
                    silent=[5, 45],
                    annotated=6,
                ),
                make_test(
                    "ends when the position is there again, after keep_firing_for",
                    World(
                        60, accounts={KEY: []}, data=[*position(opened_again), *equity((5000, 5), (4847, 1))]
                    ),
                    liquidated,
                    firing=[6, 39],
                    silent=[40],
                ),
                make_test(
                    "fires if most was lost before, long ago",
                    World(
                        60,
                        accounts={KEY: []},
                        data=[*position(hovering), *equity((5000, 3), (300, 27), (147, 30))],
                    ),
                    liquidated,
                    firing=[31, 38],
                    silent=[30],
                ),
                make_test(
                    "fires if nothing is known of the equity",
                    World(20, accounts={KEY: []}, data=position(crash)),
                    expected("critical", "liquidated or closed at a loss", ""),
                    firing=[6],
                    silent=[5],
                    annotated=6,
                ),
                make_test(
                    "does not fire if little was lost",
                    World(20, accounts={KEY: []}, data=[*position(crash), *equity((5000, 5), (4853, 55))]),
                    liquidated,
                    silent=range(20),
                ),
                make_test(
                    "does not fire for a position that was far away",
                    World(20, accounts={KEY: []}, data=position(span((0.21, 5), (None, 1)))),
                    liquidated,
                    silent=range(20),
                ),
                make_test(
                    "does not fire for a small one",
                    World(20, accounts={KEY: []}, data=position(crash, notional=99)),
                    liquidated,
                    silent=range(20),
                ),
                make_test(
                    "does not fire while nobody sees the account, nor when it is taken out of the "
                    "configuration",
                    World(
                        40,
                        accounts={KEY: span(("ok", 5), ("blind", 15), ("removed", 20))},
                        data=position(span((0.03, 40))),
                    ),
                    liquidated,
                    silent=range(40),
                ),
                make_test(
                    "does not fire for one collection that lacks the position",
                    World(20, accounts={KEY: []}, data=position(span((0.03, 5), (None, 1), (0.03, 14)))),
                    liquidated,
                    silent=range(20),
                ),
            ],
        ),
        *named(
            "info",
            [
                make_test(
                    "fires after its for if little was lost",
                    World(60, accounts={KEY: []}, data=[*position(crash), *equity((5000, 5), (4853, 55))]),
                    closed,
                    firing=[6, 13, 42],
                    silent=[5, 45],
                    annotated=6,
                ),
                make_test(
                    "ends when the position is there again, after keep_firing_for",
                    World(60, accounts={KEY: []}, data=[*position(opened_again), *equity((5000, 1))]),
                    closed,
                    firing=[6, 39],
                    silent=[40],
                ),
                make_test(
                    "does not fire for a loss",
                    World(20, accounts={KEY: []}, data=[*position(crash), *equity((5000, 5), (4847, 55))]),
                    closed,
                    silent=range(20),
                ),
            ],
        ),
    ]


def pool_emptied() -> list[Test]:
    def expected(severity: str, what: str, lost: str) -> Expected:
        return Expected(
            alert="RiskPoolEmptied",
            labels={"severity": severity, "category": "risk", **POOL},
            summary=f"The cross positions of main on binance_usdm, pool USDT, are gone, {what}; their rate "
            "was 90%",
            description="The maintenance margin rate was critical within the last 10 minutes, and nothing "
            "requires "
            f"margin any longer. The equity of the account is {lost} USD below its peak of the last 10 "
            "minutes.",
            dashboard=_ACCOUNT_BOARD,
        )

    def world(rates: Values, after: float, notional: float = 5000.0) -> World:
        data: list[Series] = [
            ("risk_account_maintenance_margin_rate", POOL, rates),
            ("risk_account_gross_notional_usd", POOL, span((notional, 5), (0.0, 1))),
            *equity((1000, 5), (after, 1)),
        ]
        return World(60, accounts={KEY: []}, data=data)

    high, highest = span((0.9, 5), (0.0, 1)), span((0.79, 5), (0.0, 1))
    high_again = span((0.9, 5), (0.0, 5), (0.3, 1))
    liquidated = expected("critical", "liquidated or closed at a loss", "102")
    closed = expected("info", "and were closed rather than liquidated", "98")
    return [
        *named(
            "critical",
            [
                make_test(
                    "fires after its for, not a minute earlier, for as long as it is news",
                    world(high, 898),
                    liquidated,
                    firing=[6, 13, 42],
                    silent=[5, 45],
                    annotated=6,
                ),
                make_test(
                    "ends with the next position, after keep_firing_for",
                    world(high_again, 898),
                    liquidated,
                    firing=[6, 39],
                    silent=[40],
                ),
                make_test("does not fire if little was lost", world(high, 902), liquidated, silent=range(40)),
                make_test(
                    "does not fire if the rate was not critical",
                    world(highest, 800),
                    liquidated,
                    silent=range(40),
                ),
                make_test(
                    "does not fire for a small one",
                    world(high, 800, notional=99),
                    liquidated,
                    silent=range(40),
                ),
            ],
        ),
        *named(
            "info",
            [
                make_test(
                    "fires after its for if little was lost",
                    world(high, 902),
                    closed,
                    firing=[6, 13, 42],
                    silent=[5, 45],
                    annotated=6,
                ),
                make_test(
                    "ends with the next position, after keep_firing_for",
                    world(high_again, 902),
                    closed,
                    firing=[6, 39],
                    silent=[40],
                ),
                make_test("does not fire for a loss", world(high, 898), closed, silent=range(40)),
            ],
        ),
    ]


def equity_outflow() -> list[Test]:
    def expected(severity: str, percent: str) -> Expected:
        return Expected(
            alert="RiskEquityOutflow",
            labels={"severity": severity, "category": "risk", **MAIN},
            summary=f"{percent} of the equity of main on binance_usdm left it and is in no other account",
            description=f"Wallets fell by {percent} of the equity within an hour without a loss that "
            "explains it, "
            "and no other account has it. A transfer of the desk's own that is still on its way, or theft.",
            dashboard=_ACCOUNT_BOARD,
        )

    def account(
        wallet: Values, pnl: Values = (0.0,), gross: Values = (0.0,), pool: dict[str, str] = POOL
    ) -> list[Series]:
        length = max(len(wallet), len(pnl))
        wallets = [*wallet, *[wallet[-1]] * (length - len(wallet))]
        pnls = [*pnl, *[pnl[-1]] * (length - len(pnl))]
        total = [(w or 0.0) + (p or 0.0) for w, p in zip(wallets, pnls, strict=True)]
        return [
            ("risk_account_wallet_balance", pool, wallets),
            ("risk_account_unrealized_pnl", pool, pnls),
            ("risk_account_gross_notional_usd", pool, gross),
            ("risk_account_equity", pool, total),
            ("risk_account_equity_usd", pool, total),
        ]

    def trials(severity: str, share: float, calm: float, percent: str) -> list[Test]:
        alert = expected(severity, percent)
        lower = [expected("warning", percent)] if severity == "critical" else []
        spare = {**POOL, "account": "spare"}

        def left(part: float) -> list[float | None]:
            return span((1000.0, 5), (round(1000 * (1 - part), 4), 1))

        def liquidated(gross: float) -> list[Series]:
            """900 USD are lost with positions of that size, between two minutes."""
            return account(span((1000.0, 5), (100.0, 1)), gross=span((gross, 5), (0.0, 1)))

        def silent_in(name: str, data: list[Series], others: tuple[str, ...] = ()) -> Test:
            accounts: dict[tuple[str, str], list[AccountState]] = {
                KEY: [],
                **{("binance_usdm", other): [] for other in others},
            }
            return make_test(name, World(40, accounts=accounts, data=data), alert, silent=range(40))

        return [
            make_test(
                "fires after its for, not a minute earlier, for as long as it is news",
                World(130, accounts={KEY: []}, data=account(left(share))),
                alert,
                firing=[8, 60, 90],
                silent=[7, 100],
                annotated=8,
                also=lower,
            ),
            make_test(
                "ends when it arrives in another account, after keep_firing_for",
                World(
                    70,
                    accounts={KEY: [], ("binance_usdm", "spare"): []},
                    data=[*account(left(share)), *account(span((100.0, 20), (500.0, 1)), pool=spare)],
                ),
                alert,
                firing=[8, 20, 50],
                silent=[51],
            ),
            silent_in("does not fire just below its limit", account(left(calm))),
            silent_in("does not fire for an account that is too small", account(span((99.0, 5), (9.0, 1)))),
            silent_in(
                "does not fire for what arrives in another account",
                [*account(left(0.4)), *account(span((100.0, 6), (500.0, 1)), pool=spare)],
                ("spare",),
            ),
            silent_in(
                "does not fire for a loss of the market", account([1000.0], span((0.0, 5), (-400.0, 1)))
            ),
            silent_in(
                "does not fire for a loss that is realized",
                account(span((1000.0, 10), (600.0, 1)), span((0.0, 5), (-400.0, 5), (0.0, 1))),
            ),
            silent_in(
                "does not fire for a loss that nobody saw before it was realized",
                account(span((1000.0, 5), (600.0, 1)), gross=span((10000.0, 5), (0.0, 1))),
            ),
            silent_in(
                "does not fire for a liquidation that leaves nothing",
                account(
                    span((1000.0, 5), (0.0, 1)),
                    span((-700.0, 5), (0.0, 1)),
                    gross=span((10000.0, 5), (0.0, 1)),
                ),
            ),
            silent_in("does not fire for a liquidation within a minute", liquidated(8000.0)),
            make_test(
                "fires for what positions that were closed cannot have lost",
                World(40, accounts={KEY: []}, data=liquidated(3000.0)),
                alert,
                firing=[8],
            ),
            make_test(
                "fires for one account although another one received what a third one sent",
                World(
                    40,
                    accounts={KEY: [], ("binance_usdm", "spare"): [], ("binance_usdm", "third"): []},
                    data=[
                        *account(left(share)),
                        *account(span((100.0, 6), (500.0, 1)), pool=spare),
                        *account(span((900.0, 6), (500.0, 1)), pool={**POOL, "account": "third"}),
                    ],
                ),
                alert,
                firing=[8],
            ),
        ]

    return [
        *named("warning", trials("warning", 0.0202, 0.0198, "2.02%")),
        *named("critical", trials("critical", 0.102, 0.098, "10.2%")),
    ]


def figures_old() -> dict[str, list[Test]]:
    def distance(severity: str, percent: str) -> Expected:
        return Expected(
            alert="RiskDistanceOld",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary="The distance of BTCUSDT long (cross) of main on binance_usdm to liquidation is not "
            "known any "
            f"longer; it was {percent}",
            description="The account is collected, but the liquidation price or the mark price of the "
            "position is "
            "missing: a request for marks or margin tiers fails. Alerts about its distance go on with the "
            "last "
            "known one, whatever the market does.",
            dashboard=_POSITION_BOARD,
        )

    def rate(severity: str, percent: str) -> Expected:
        return Expected(
            alert="RiskMarginRateOld",
            labels={"severity": severity, "category": "risk", **POOL},
            summary="The maintenance margin rate of main on binance_usdm, pool USDT, is not known any "
            "longer; it "
            f"was {percent}",
            description="The account is collected, but what its positions require, or the equity behind "
            "them, is "
            "missing. Alerts about its rate go on with the last known one, whatever the market does.",
            dashboard=_ACCOUNT_BOARD,
        )

    def position_without(last: float, missing: int) -> World:
        distances = span((last, 5), (None, missing), (last, 1))
        info: Series = ("risk_position_info", {**POSITION, **_INFO}, [1.0])
        return World(
            60,
            accounts={KEY: span(("ok", 40), ("blind", 20))},
            data=[("risk_position_liquidation_distance_ratio", POSITION, distances), info],
        )

    def pool_without(last: float, missing: int) -> World:
        rates = span((last, 5), (None, missing), (last, 1))
        there: Series = ("risk_account_equity", POOL, [1000.0])
        return World(
            60,
            accounts={KEY: span(("ok", 40), ("blind", 20))},
            data=[("risk_account_maintenance_margin_rate", POOL, rates), there],
        )

    found: dict[str, list[Test]] = {}
    for expected, world, near, far in (
        (distance, position_without, (0.0795, "7.95%"), (0.0805, "8.05%")),
        (rate, pool_without, (0.505, "50.5%"), (0.495, "49.5%")),
    ):
        critical, warning = expected("critical", near[1]), expected("warning", far[1])
        found[critical.alert] = [
            *named(
                "critical",
                [
                    make_test(
                        "fires after its for, not a minute earlier, and ends with the figure, after "
                        "keep_firing_for",
                        world(near[0], 10),
                        critical,
                        firing=[7, 14, 24],
                        silent=[6, 25],
                        annotated=7,
                    ),
                    make_test(
                        "does not fire for what is farther away",
                        world(far[0], 10),
                        critical,
                        silent=range(60),
                    ),
                ],
            ),
            *named(
                "warning",
                [
                    make_test(
                        "fires after its for, not a minute earlier, and ends with the figure, after "
                        "keep_firing_for",
                        world(far[0], 10),
                        warning,
                        firing=[10, 14, 24],
                        silent=[9, 25],
                        annotated=10,
                    ),
                    make_test(
                        "does not fire for less than its for, nor while nobody sees the account",
                        world(far[0], 4),
                        warning,
                        silent=range(60),
                    ),
                ],
            ),
        ]
    return found


def account_gone() -> list[Test]:
    def expected(severity: str, what: str, count: int) -> Expected:
        return Expected(
            alert="RiskAccountGone",
            labels={"severity": severity, "category": "blindness", **MAIN},
            summary=f"main on binance_usdm is not collected any longer{what}",
            description="Within the last hour the account was taken out of the configuration, or the "
            "exchange does not list it as a sub-account any longer, with "
            f"{count} open positions. Nobody watches it now.",
            dashboard=_EXPORTER_BOARD,
        )

    def world(count: float, distance: float | None, *more: Series) -> World:
        data: list[Series] = [("risk_positions", MAIN, [count]), *more]
        if distance is not None:
            data.append(("risk_position_liquidation_distance_ratio", POSITION, [distance]))
        return World(90, accounts={KEY: span(("ok", 5), ("removed", 85))}, data=data)

    empty = expected("info", "", 0)
    open_ = expected("warning", ", and has open positions", 1)
    near = expected("critical", ", and was near its liquidation", 1)
    return [
        *named(
            "info",
            [
                make_test(
                    "fires after its for, not a minute earlier, for an hour",
                    world(0, None),
                    empty,
                    firing=[6, 62],
                    silent=[5, 66],
                    annotated=6,
                ),
                make_test("does not fire with open positions", world(1, 0.3), empty, silent=range(90)),
            ],
        ),
        *named(
            "warning",
            [
                make_test(
                    "fires after its for, not a minute earlier, for an hour",
                    world(1, 0.0805),
                    open_,
                    firing=[6, 62],
                    silent=[5, 66],
                    annotated=6,
                ),
                make_test("does not fire without positions", world(0, None), open_, silent=range(90)),
            ],
        ),
        *named(
            "critical",
            [
                make_test(
                    "fires after its for, not a minute earlier, for an hour",
                    world(1, 0.0795),
                    near,
                    firing=[6, 62],
                    silent=[5, 66],
                    annotated=6,
                    also=[open_],
                ),
                make_test(
                    "does not fire for what was farther away", world(1, 0.0805), near, silent=range(90)
                ),
                make_test(
                    "fires for a high margin rate of which no distance is told",
                    world(1, None, ("risk_account_maintenance_margin_rate", POOL, [0.505])),
                    near,
                    firing=[6, 62],
                ),
                make_test(
                    "does not fire for a lower rate",
                    world(1, None, ("risk_account_maintenance_margin_rate", POOL, [0.495])),
                    near,
                    silent=range(90),
                ),
                make_test(
                    "does not fire for what is too small",
                    world(
                        1,
                        0.01,
                        ("risk_position_notional_usd", POSITION, [99.0]),
                        ("risk_position_info", {**POSITION, **_INFO}, [1.0]),
                        ("risk_account_maintenance_margin_rate", POOL, [0.9]),
                        ("risk_account_gross_notional_usd", POOL, [99.0]),
                    ),
                    near,
                    silent=range(90),
                ),
                make_test(
                    "does not fire for an account whose positions were closed before",
                    World(
                        90,
                        accounts={KEY: span(("ok", 10), ("removed", 80))},
                        data=[
                            ("risk_positions", MAIN, span((1.0, 5), (0.0, 1))),
                            (
                                "risk_position_liquidation_distance_ratio",
                                POSITION,
                                span((0.04, 5), (None, 1)),
                            ),
                        ],
                    ),
                    near,
                    silent=range(90),
                ),
            ],
        ),
    ]


def equity_unknown() -> list[Test]:
    def expected(severity: str, what: str, count: int) -> Expected:
        return Expected(
            alert="RiskEquityUnknown",
            labels={"severity": severity, "category": "blindness", **MAIN},
            summary=f"The equity of main on binance_usdm is not known{what}",
            description="The account is collected, but nothing of its equity is told, and so no margin rate, "
            f"drawdown or outflow either. It has {count} open positions.",
            dashboard=_EXPORTER_BOARD,
        )

    def world(count: float, missing: int) -> World:
        data: list[Series] = [
            ("risk_positions", MAIN, [count]),
            *equity((1000, 5), (None, missing), (1000, 1)),
        ]
        return World(40, accounts={KEY: span(("ok", 30), ("blind", 10))}, data=data)

    def trials(severity: str, what: str, count: int, other: int) -> list[Test]:
        alert = expected(severity, what, count)
        return named(
            severity,
            [
                make_test(
                    "fires after its for, not a minute earlier, and ends with the figure",
                    world(count, 10),
                    alert,
                    firing=[10, 14],
                    silent=[9, 15],
                    annotated=10,
                ),
                make_test(
                    "does not fire for less, nor while nobody sees the account",
                    world(count, 5),
                    alert,
                    silent=range(40),
                ),
                make_test("does not fire for the other kind", world(other, 10), alert, silent=range(40)),
            ],
        )

    return [
        *trials("warning", "", 0, 1),
        *trials("critical", ", and it has open positions", 1, 0),
    ]
