"""The alerts about all accounts together."""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.grafana.rule_tests.dangers import while_it_lasts
from tests.grafana.rule_tests.trials import Expected, RiskCase, Test, make_test, named
from tests.grafana.rule_tests.world import KEY, MAIN, POOL, POSITION, Series, World, span

_DASHBOARD: Final = "/d/risk-fleet"


def _exchange_share(value: float, _: int, lasts: int) -> list[Series]:
    other = {"exchange": "bingx", "account": "spare", "currency": "USDT"}
    mine = span((round(1000 * value, 3), lasts), (100.0, 1))
    rest = span((round(1000 * (1 - value), 3), lasts), (100.0, 1))
    return [
        (name, labels, values)
        for labels, values in ((POOL, mine), (other, rest))
        for name in ("risk_account_equity", "risk_account_equity_usd")
    ]


def _coin_share(value: float, _: int, lasts: int) -> list[Series]:
    ether = {"exchange": "bingx", "account": "spare", "symbol": "ETH-USDT", "side": "short"}
    ether |= {"margin_mode": "cross", "currency": "USDT"}
    info = {"quote": "USDT", "contract_kind": "linear", "liquidation_source": "venue"}
    return [
        ("risk_position_notional_usd", POSITION, span((round(1000 * value, 3), lasts), (100.0, 1))),
        ("risk_position_info", {**POSITION, "base": "BTC", **info}, [1.0]),
        ("risk_position_notional_usd", ether, span((round(1000 * (1 - value), 3), lasts), (100.0, 1))),
        ("risk_position_info", {**ether, "base": "ETH", **info}, [1.0]),
    ]


def _peg_case(
    severity: str, value: float, calm: float, percent: str, limit: str, also: tuple[Expected, ...] = ()
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskStablecoinOffPeg",
            labels={"severity": severity, "category": "risk", "exchange": "binance_usdm", "asset": "USDC"},
            summary=f"USDC on binance_usdm is {percent} off one US dollar",
            description=f"The exchange's price of USDC differs from 1 USD by {percent} (limit {limit}). "
            "Collateral in it is worth less, or more, than its face value.",
            dashboard=_DASHBOARD,
        ),
        hold=5,
        keep=30,
        series=while_it_lasts("risk_asset_price_usd", {**MAIN, "asset": "USDC"}),
        danger=value,
        calm=calm,
    )


CASES: Final = (
    RiskCase(
        expected=Expected(
            alert="RiskExchangeConcentration",
            labels={"severity": "info", "category": "risk", "exchange": "binance_usdm"},
            summary="60.5% of all equity is at binance_usdm",
            description="The exchange holds 60.5% of the equity of all accounts (limit 60%). Silent if "
            "there is only one exchange.",
            dashboard=_DASHBOARD,
        ),
        hold=60,
        keep=60,
        series=_exchange_share,
        danger=0.605,
        calm=0.595,
        others=(("bingx", "spare"),),
    ),
    RiskCase(
        expected=Expected(
            alert="RiskCoinConcentration",
            labels={"severity": "info", "category": "risk", "base": "BTC"},
            summary="70.5% of all gross notional is in BTC",
            description="Long plus short positions in BTC are 70.5% of those of all coins (limit 70%). "
            "Silent if there is only one coin.",
            dashboard=_DASHBOARD,
        ),
        hold=60,
        keep=60,
        series=_coin_share,
        danger=0.705,
        calm=0.695,
        others=(("bingx", "spare"),),
    ),
    _peg_case("warning", 0.9898, 0.9902, "1.02%", "1%"),
    _peg_case(
        "critical", 0.9697, 0.9703, "3.03%", "3%", also=(_peg_case("warning", 0, 0, "3.03%", "1%").expected,)
    ),
)


def dust_off_peg() -> list[Test]:
    """Whoever has next to nothing of a coin is not told of its price; who has some is named."""
    expected = _peg_case("warning", 0, 0, "1.02%", "1%").expected

    def world(equity: float) -> World:
        coin = {**MAIN, "asset": "USDC"}
        data: list[Series] = [
            ("risk_asset_price_usd", coin, [0.9898]),
            ("risk_asset_equity", coin, [equity]),
        ]
        return World(30, accounts={KEY: []}, data=data)

    return named(
        "warning",
        [
            make_test("does not fire for dust", world(99.0), expected, silent=range(30)),
            make_test(
                "names whoever has the coin",
                world(-5000.0),
                replace(expected, description=expected.description + " main: -5k USDC."),
                firing=[5],
                annotated=5,
            ),
        ],
    )
