"""Binance COIN-M: documented answers in, published numbers out."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountRisk, AccountSnapshot, Position, RiskSettings
from exporter.risk import assess, computed_liquidation_prices
from exporter.simulator import Market, Server
from exporter.simulator.binance_coinm import BinanceCoinmSimulator
from exporter.venues.binance_coinm import ADL_QUANTILE, LEVERAGE_BRACKET, POSITION_RISK, BinanceCoinm
from tests.venues.harness import (
    DAMAGE,
    Answer,
    QuietObserver,
    VenueServer,
    answers_of,
    assert_golden,
    damaged,
    decoded,
    exposition,
    fetch,
    make_venue,
    numeric_fields,
    payload,
)

NAME = "binance_coinm"
KEY = "dbefbc809e3e83c283a984c3a1459732ea7db1360ca80c5c2c8867408d28cc83"
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
CONFIG = {"api_key": KEY, "api_secret": SECRET}
PATHS = {
    "account": ("/dapi/v1/account", "account_hedge.json"),
    "position_risk": ("/dapi/v1/positionRisk", "position_risk_hedge.json"),
    "leverage_bracket": ("/dapi/v2/leverageBracket", "leverage_bracket.json"),
    "adl_quantile": ("/dapi/v1/adlQuantile", "adl_quantile.json"),
    "exchange_info": ("/dapi/v1/exchangeInfo", "exchange_info.json"),
    "premium_index": ("/dapi/v1/premiumIndex", "premium_index.json"),
    "time": ("/dapi/v1/time", "time.json"),
}


def check(request: web.Request, body: bytes) -> None:
    """The documented rules of a signed request, written down a second time."""
    assert request.method == "GET"
    assert body == b""
    signed = request.path in {
        "/dapi/v1/account",
        "/dapi/v1/positionRisk",
        "/dapi/v2/leverageBracket",
        "/dapi/v1/adlQuantile",
    }
    query = request.raw_path.partition("?")[2]
    if not signed:
        assert query == ""
        assert "X-MBX-APIKEY" not in request.headers
        return
    assert request.headers["X-MBX-APIKEY"] == KEY
    total, _, signature = query.rpartition("&signature=")
    assert hmac.new(SECRET.encode(), total.encode(), hashlib.sha256).hexdigest() == signature
    parameters = parse_qs(total, strict_parsing=True)
    assert set(parameters) == {"timestamp", "recvWindow"}
    assert parameters["recvWindow"] == ["5000"]


def document(file: str) -> Any:
    return decoded(payload(NAME, file))


def listed(*symbols: str) -> Any:
    """The documented exchange information with its one row repeated for the symbols of other examples."""
    information = document("exchange_info.json")
    (example,) = information["symbols"]
    information["symbols"] = [{**example, "symbol": symbol} for symbol in symbols]
    return information


LISTED = listed("BTCUSD_200925", "BTCUSD_201225", "BTCUSD_PERP")


def answers(**changed: Any) -> dict[str, Answer]:
    """The documented answers; a keyword replaces one by name, None takes it away."""
    return answers_of(NAME, PATHS, {"exchange_info": LISTED, **changed})


async def snapshot_of(**changed: Any) -> AccountSnapshot:
    return await fetch(NAME, answers(**changed), config=CONFIG, check=check)


def row(**changed: Any) -> dict[str, Any]:
    """The real one-way row: two contracts of BTCUSD_PERP, isolated."""
    return {**document("position_risk_one_way.json")[0], **changed}


def account_row(**changed: Any) -> dict[str, Any]:
    """The row of the account call that belongs to it."""
    return {**document("account_one_way.json")["positions"][1], **changed}


def asset(**changed: Any) -> dict[str, Any]:
    return {**document("account_hedge.json")["assets"][0], **changed}


def account(*positions: dict[str, Any], assets: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {
        **document("account_hedge.json"),
        "assets": [asset()] if assets is None else assets,
        "positions": list(positions),
    }


def plain_brackets() -> Any:
    """The documented brackets of a user whose limits are not adjusted: without a coefficient."""
    brackets = document("leverage_bracket.json")
    del brackets[0]["notionalCoef"]
    return brackets


async def real_row_snapshot() -> AccountSnapshot:
    return await snapshot_of(
        account=payload(NAME, "account_one_way.json"),
        position_risk=payload(NAME, "position_risk_one_way.json"),
        leverage_bracket=plain_brackets(),
    )


async def position_of(**changed: Any) -> Position:
    """The position made of the real row with some fields changed."""
    snapshot = await snapshot_of(account=account(account_row()), position_risk=[row(**changed)])
    (position,) = snapshot.positions
    return position


def assessed(snapshot: AccountSnapshot) -> AccountRisk:
    return assess(snapshot, RiskSettings(cross_check=True))


async def test_documented_answers_become_the_golden_exposition() -> None:
    """The account beside the real row is made for it: the documented one with that row's margin added."""
    zeros = [item for item in document("position_risk_hedge.json") if item["positionAmt"] == "0"]
    flat = await snapshot_of(position_risk=zeros)
    hedge = await snapshot_of(account=payload(NAME, "account_as_printed.json"))
    real = await real_row_snapshot()
    assert_golden(
        NAME,
        {
            "documented account without a position": exposition(NAME, "flat", flat),
            "documented hedge mode": exposition(NAME, "hedge", hedge),
            "real isolated row": exposition(NAME, "real", real),
        },
    )


class TestFormulas:
    """Identities of inverse contracts on documented numbers."""

    async def test_the_real_row_explains_itself(self) -> None:
        """PnL and collateral of the real row follow from its size, prices and margin."""
        (position,) = (await real_row_snapshot()).positions
        entry, mark = position.entry_price, position.mark_price
        assert (entry, mark, position.contract.size) == (37643.10000021, 38103.05510455, 100.0)
        assert entry is not None
        assert mark is not None
        pnl = 2 * 100 * (1 / entry - 1 / mark)
        # The venue cuts the ninth digit off: 0.0000641357 is printed as 0.00006413.
        assert math.floor(pnl * 1e8) == 6413
        assert position.unrealized_pnl == 0.00006413
        assert position.margin == 0.00268058
        assert position.margin + position.unrealized_pnl == pytest.approx(0.00274471, abs=1e-12)
        assert position.leverage == 2.0

    async def test_distance_of_the_real_row(self) -> None:
        risk = assessed(await real_row_snapshot())
        (position,) = risk.positions
        assert position.liquidation_price == 25119.97445760
        assert position.liquidation_source == "venue"
        expected = (38103.05510455 - 25119.97445760) / 38103.05510455
        assert position.liquidation_distance_ratio == pytest.approx(expected, rel=1e-12)
        assert position.liquidation_distance_ratio == pytest.approx(0.3407359, abs=1e-7)
        assert position.notional_usd == 200.0
        assert position.maintenance_margin_rate == pytest.approx(0.000021 / 0.00274471, rel=1e-3)

    async def test_the_engine_finds_the_liquidation_price_of_the_real_row(self) -> None:
        """25119.97445761 from the brackets' 0.4 %; the venue printed 25119.97445760."""
        snapshot = await snapshot_of(
            account=account(), position_risk=[row()], leverage_bracket=plain_brackets()
        )
        ((position, price),) = computed_liquidation_prices(snapshot, RiskSettings())
        assert position.maintenance_margin is None
        assert price == pytest.approx(25119.97445761, abs=1e-6)

    async def test_documented_hedge_row(self) -> None:
        """One contract of 100 USD: the printed PnL is right, the printed notional is the mark price."""
        risk = assessed(await snapshot_of())
        (position,) = risk.positions
        assert (position.position.side, position.position.quantity) == ("long", 1.0)
        assert position.unrealized_pnl == 0.00005866
        assert pytest.approx(0.00005866, abs=5e-9) == 100 * (1 / 11707.70000003 - 1 / 11788.66626667)
        assert position.notional_usd == 100.0
        (pool,) = risk.pools
        assert pool.gross_notional_usd == 100.0
        # 100 USD at the mark are 0.00848272 BTC.
        assert pool.leverage_ratio == pytest.approx(0.00848272 / 0.00241969, rel=1e-6)
        expected = (11788.66626667 - 11667.63509587) / 11788.66626667
        assert position.liquidation_distance_ratio == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("wrong", ["11788.66626667", "0.00084827", "99999999", "", None, "-1"])
    async def test_the_printed_notional_is_not_used(self, wrong: object) -> None:
        assert await position_of(notionalValue=wrong) == await position_of()


class TestAccount:
    async def test_documented_account(self) -> None:
        snapshot = await snapshot_of(position_risk=[])
        (pool,) = snapshot.pools
        assert (pool.currency, pool.equity, pool.margin_equity) == ("BTC", 0.00241969, 0.00241969)
        assert pool.maintenance_margin == 0.0
        assert snapshot.positions == ()
        assert snapshot.prices == {"BTC": 10979.144375}

    async def test_the_account_as_printed_is_read(self) -> None:
        """Two of its rows have no size and one no time."""
        snapshot = await snapshot_of(account=payload(NAME, "account_as_printed.json"), position_risk=[])
        assert snapshot.positions == ()
        assert snapshot.modes == {"position_mode": "hedge"}

    async def test_coins_with_nothing_in_them_are_dropped(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        empty = [asset(asset=f"COIN{n}", **dict.fromkeys(names, "0.00000000")) for n in range(200)]
        snapshot = await snapshot_of(
            account=account(assets=[*empty, asset(asset="ETH", walletBalance="3")]), position_risk=[]
        )
        assert [pool.currency for pool in snapshot.pools] == ["ETH"]

    async def test_an_empty_account_shows_its_zero(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        rows = [asset(asset=coin, **dict.fromkeys(names, "0.00000000")) for coin in ("ADA", "BTC", "ETH")]
        snapshot = await snapshot_of(account=account(assets=rows), position_risk=[])
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("BTC", 0.0)]

    async def test_each_coin_is_a_pool_of_its_own(self) -> None:
        snapshot = await snapshot_of(
            account=account(assets=[asset(), asset(asset="ETH", marginBalance="2.5")]),
            position_risk=[row(marginType="cross")],
        )
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [
            ("BTC", 0.00241969),
            ("ETH", 2.5),
        ]
        assert [position.contract.settle for position in snapshot.positions] == ["BTC"]

    async def test_a_coin_that_only_backs_a_position_is_a_pool(self) -> None:
        names = ("walletBalance", "marginBalance", "crossWalletBalance", "availableBalance")
        rows = [asset(asset=coin, **dict.fromkeys(names, "0.00000000")) for coin in ("BTC", "ETH")]
        snapshot = await snapshot_of(account=account(assets=rows), position_risk=[row(symbol="ETHUSD_PERP")])
        assert [(pool.currency, pool.equity) for pool in snapshot.pools] == [("ETH", 0.0)]

    async def test_isolated_margin_is_not_part_of_what_backs_cross_positions(self) -> None:
        backing = asset(
            walletBalance="1.00268058",
            crossWalletBalance="1",
            crossUnPnl="-0.25",
            unrealizedProfit="-0.24993587",
            marginBalance="0.75274471",
            maintMargin="0.003021",
        )
        snapshot = await snapshot_of(
            account=account(
                account_row(),
                account_row(symbol="BTCUSD_201225", positionAmt="500", maintMargin="0.003", isolated=False),
                assets=[backing],
            ),
            position_risk=[row(), row(symbol="BTCUSD_201225", positionAmt="500", marginType="cross")],
        )
        (pool,) = snapshot.pools
        assert (pool.equity, pool.margin_equity, pool.maintenance_margin) == (0.75274471, 0.75, 0.003)
        assert pool.initial_margin == 0.0

    async def test_a_pool_total_of_zero_beside_a_cross_position_is_unknown(self) -> None:
        """The documented hedge example: a rate of 0 would call a position of 0.85 % distance safe."""
        risk = assessed(await snapshot_of())
        assert risk.snapshot.pools[0].maintenance_margin is None
        assert risk.pools[0].maintenance_margin_rate is None

    @pytest.mark.parametrize(
        ("file", "rows", "modes"),
        [
            ("account_hedge.json", "position_risk_hedge.json", {"position_mode": "hedge"}),
            ("account_one_way.json", "position_risk_one_way.json", {"position_mode": "one_way"}),
        ],
    )
    async def test_the_position_mode_is_told_by_the_rows(
        self, file: str, rows: str, modes: dict[str, str]
    ) -> None:
        snapshot = await snapshot_of(account=payload(NAME, file), position_risk=payload(NAME, rows))
        assert snapshot.modes == modes

    async def test_without_any_row_the_mode_is_unknown(self) -> None:
        assert (await snapshot_of(account=account(), position_risk=[])).modes == {}


class TestPosition:
    async def test_margins_come_from_the_account_row_of_the_same_symbol_and_side(self) -> None:
        rows = [
            account_row(positionSide="BOTH", positionAmt="0", maintMargin="0", initialMargin="0"),
            account_row(positionSide="LONG", positionAmt="30", maintMargin="0.003", initialMargin="0.03"),
            account_row(positionSide="SHORT", positionAmt="-20", maintMargin="0.002", initialMargin="0.02"),
        ]
        risk = [
            row(positionSide="SHORT", positionAmt="-20", marginType="cross"),
            row(positionSide="BOTH", positionAmt="0", markPrice="0.00000000", entryPrice="0.0"),
            row(positionSide="LONG", positionAmt="30", marginType="cross"),
        ]
        snapshot = await snapshot_of(account=account(*rows), position_risk=risk)
        found = [
            (item.side, item.quantity, item.maintenance_margin, item.initial_margin)
            for item in snapshot.positions
        ]
        assert found == [("short", 20.0, 0.002, 0.02), ("long", 30.0, 0.003, 0.03)]

    async def test_a_hedge_pair_has_the_distance_of_its_net(self) -> None:
        risk = assessed(
            await snapshot_of(
                account=account(
                    account_row(positionSide="LONG", positionAmt="30", maintMargin="0.0003"),
                    account_row(positionSide="SHORT", positionAmt="-20", maintMargin="0.0002"),
                    assets=[asset(maintMargin="0.0005")],
                ),
                position_risk=[
                    row(positionSide=side, positionAmt=size, marginType="cross", liquidationPrice="30000")
                    for side, size in (("LONG", "30"), ("SHORT", "-20"))
                ],
            )
        )
        expected = (38103.05510455 - 30000) / 38103.05510455
        assert [item.liquidation_distance_ratio for item in risk.positions] == [
            pytest.approx(expected),
            pytest.approx(expected),
        ]

    async def test_an_account_row_of_another_size_is_not_joined(self) -> None:
        """Answered before a trade: its margins belong to the old size."""
        snapshot = await snapshot_of(account=account(account_row(positionAmt="5")), position_risk=[row()])
        (position,) = snapshot.positions
        assert (position.quantity, position.maintenance_margin, position.initial_margin) == (2.0, None, None)

    @pytest.mark.parametrize("zero", ["0", 0, "0.00000000", None, ""])
    async def test_a_maintenance_margin_of_zero_is_unknown(self, zero: object) -> None:
        snapshot = await snapshot_of(account=account(account_row(maintMargin=zero)), position_risk=[row()])
        assert snapshot.positions[0].maintenance_margin is None
        assert snapshot.positions[0].initial_margin is None

    async def test_a_position_that_only_the_account_call_shows_is_published(self) -> None:
        snapshot = await snapshot_of(
            account=account(account_row(positionAmt="-2", unrealizedProfit="-0.00006413")), position_risk=[]
        )
        (position,) = snapshot.positions
        assert (position.side, position.quantity, position.margin_mode) == ("short", 2.0, "isolated")
        assert (position.maintenance_margin, position.leverage, position.margin) == (0.000021, 2.0, None)
        assert position.liquidation_price is None
        (risk,) = assessed(snapshot).positions
        # The mark that explains the PnL; good to what eight digits of the PnL allow.
        assert risk.mark_price == pytest.approx(38103.05510455, rel=2e-6)

    @pytest.mark.parametrize("isolated", [True, "true", None])
    async def test_a_bare_row_of_a_newer_account_has_its_collateral(self, isolated: object) -> None:
        bare = account_row(isolated=isolated, isolatedWallet="0.00268058")
        (position,) = (await snapshot_of(account=account(bare), position_risk=[])).positions
        assert (position.margin_mode, position.margin) == ("isolated", 0.00268058)

    async def test_a_bare_row_that_was_not_valued_yet_has_placeholders(self) -> None:
        bare = account_row(maintMargin="0", initialMargin="0", unrealizedProfit="0.00000000")
        (position,) = (await snapshot_of(account=account(bare), position_risk=[])).positions
        assert position.quantity == 2.0
        assert (position.unrealized_pnl, position.initial_margin, position.maintenance_margin) == (
            None,
            None,
            None,
        )

    @pytest.mark.parametrize("none", [None, "", "0", 0, "0.00", "-1.5", -3, 99999999, "99999999"])
    async def test_no_liquidation_price_in_any_spelling(self, none: object) -> None:
        assert (await position_of(liquidationPrice=none)).liquidation_price is None

    async def test_without_a_mark_the_entry_price_tells_an_absurd_liquidation_price(self) -> None:
        rows = {"markPrice": "", "entryPrice": "0.16", "liquidationPrice": "5000"}
        assert (await position_of(**rows)).liquidation_price is None

    @pytest.mark.parametrize("value", ["25119.5", 25119.5])
    async def test_numbers_as_text_or_number(self, value: object) -> None:
        assert (await position_of(liquidationPrice=value)).liquidation_price == 25119.5

    async def test_rows_without_size_are_dropped(self) -> None:
        rows = [row(positionAmt=size, symbol=f"BTCUSD_20092{n}") for n, size in enumerate(["0", 0, "-0.0"])]
        snapshot = await snapshot_of(account=account(), position_risk=[*rows, row()])
        assert [position.symbol for position in snapshot.positions] == ["BTCUSD_PERP"]

    async def test_an_object_where_an_array_is_usual(self) -> None:
        snapshot = await snapshot_of(
            account=account(account_row()),
            position_risk=row(),
            leverage_bracket=plain_brackets()[0],
            adl_quantile={"symbol": "BTCUSD_PERP", "adlQuantile": {"BOTH": 4}},
            premium_index=document("premium_index.json")[0],
        )
        (position,) = snapshot.positions
        assert position.adl_ratio == 1.0
        assert len(position.maintenance_tiers) == 1
        assert snapshot.prices == {"BTC": 10979.144375}

    async def test_an_unknown_field_is_ignored(self) -> None:
        assert (await position_of(somethingNew={"deep": [1]})).quantity == 2.0

    @pytest.mark.parametrize("none", ["", None, "0.00000000"])
    async def test_a_row_without_mark_price_has_none(self, none: object) -> None:
        assert (await position_of(markPrice=none)).mark_price is None

    @pytest.mark.parametrize(
        ("changed", "mode", "margin"),
        [
            ({}, "isolated", 0.00268058),
            ({"isolatedWallet": None}, "isolated", pytest.approx(0.00268058, abs=1e-12)),
            ({"isolatedWallet": "0"}, "isolated", pytest.approx(0.00268058, abs=1e-12)),
            ({"isolatedWallet": None, "unRealizedProfit": None}, "isolated", None),
            ({"isolatedWallet": None, "isolatedMargin": "0.00000000"}, "isolated", None),
            ({"marginType": "cross"}, "cross", None),
            ({"marginType": "CROSSED"}, "cross", None),
            ({"marginType": "ISOLATED"}, "isolated", 0.00268058),
            ({"marginType": ""}, "isolated", 0.00268058),
            ({"marginType": "", "isolatedWallet": None, "isolatedMargin": "0.00000000"}, "cross", None),
        ],
    )
    async def test_margin_mode_and_collateral(
        self, changed: dict[str, Any], mode: str, margin: object
    ) -> None:
        position = await position_of(**changed)
        assert (position.margin_mode, position.margin) == (mode, margin)

    @pytest.mark.parametrize(
        ("side", "quantiles", "ratio"),
        [
            ("BOTH", {"LONG": 1, "SHORT": 2, "BOTH": 3}, 0.75),
            ("LONG", {"LONG": 1, "SHORT": 2, "BOTH": 0}, 0.25),
            ("LONG", {"LONG": 3, "SHORT": 3, "HEDGE": 0}, 0.75),
            ("BOTH", {"LONG": 3, "SHORT": 3, "HEDGE": 0}, None),
            ("BOTH", {"BOTH": 0}, 0.0),
            ("BOTH", {"BOTH": 5}, None),
            ("BOTH", {"BOTH": -1}, None),
            ("HEDGE", {"HEDGE": 4}, None),
        ],
    )
    async def test_queue_place_is_that_of_the_position_side(
        self, side: str, quantiles: dict[str, int], ratio: float | None
    ) -> None:
        snapshot = await snapshot_of(
            account=account(),
            position_risk=[row(positionSide=side)],
            adl_quantile=[{"symbol": "BTCUSD_PERP", "adlQuantile": quantiles}],
        )
        assert snapshot.positions[0].adl_ratio == ratio


class TestBrackets:
    async def test_brackets_are_in_the_base_coin(self) -> None:
        brackets = plain_brackets()
        brackets[0]["brackets"].append(
            {"bracket": 2, "qtyCap": 100, "qtyFloor": 50, "maintMarginRatio": 0.01, "cum": 0.3}
        )
        snapshot = await snapshot_of(
            account=account(account_row()), position_risk=[row()], leverage_bracket=brackets
        )
        tiers = snapshot.positions[0].maintenance_tiers
        assert [(tier.floor, tier.cap, tier.rate, tier.deduction) for tier in tiers] == [
            (0.0, 50.0, 0.004, 0.0),
            (50.0, 100.0, 0.01, 0.3),
        ]

    async def test_the_position_decides_how_a_coefficient_is_meant(self) -> None:
        """200 USD at the mark are 0.00524892 BTC, at 0.4 % 0.000021 BTC: the documented bracket fits."""
        snapshot = await snapshot_of(account=account(account_row()), position_risk=[row()])
        assert [tier.cap for tier in snapshot.positions[0].maintenance_tiers] == [50.0]
        unknown = await snapshot_of(account=account(), position_risk=[row()])
        assert unknown.positions[0].maintenance_tiers == ()


class TestContracts:
    async def test_size_and_coins_come_from_the_exchange_information(self) -> None:
        information = listed("BTCUSD_PERP", "ETHUSD_PERP")
        information["symbols"][1] |= {"contractSize": 10, "baseAsset": "ETH", "marginAsset": "ETH"}
        snapshot = await snapshot_of(
            account=account(), position_risk=[row(), row(symbol="ETHUSD_PERP")], exchange_info=information
        )
        found = [(item.contract.size, item.contract.base, item.contract.quote) for item in snapshot.positions]
        assert found == [(100.0, "BTC", "USD"), (10.0, "ETH", "USD")]
        assert {item.contract.kind for item in snapshot.positions} == {"inverse"}

    async def test_a_symbol_that_is_not_listed_is_looked_up_again_later(self) -> None:
        """A new contract is found after a minute, not after the hour for which contracts are kept."""
        now = 1_000_000.0
        asked = 0

        def exchange_info(_: web.Request) -> web.Response:
            nonlocal asked
            asked += 1
            return web.json_response(listed("BTCUSD_200925") if asked == 1 else LISTED)

        served = answers(
            account=account(), position_risk=[row()], exchange_info=exchange_info, leverage_bracket=None
        )
        async with VenueServer(served) as server, Client(QuietObserver(), clock=lambda: now) as client:
            venue = make_venue(NAME, server.base_url, CONFIG)
            api = client.account(venue)
            sizes = []
            for seconds in (0.0, 30.0, 31.0, 30.0, 3600.0):
                now += seconds
                sizes.append((await venue.fetch(api)).positions[0].contract.size)
        assert [size is None for size in sizes] == [True, True, False, False, False]
        assert asked == 3

    @pytest.mark.parametrize("information", [None, listed("BTCUSD_200925"), {"symbols": []}])
    async def test_an_unknown_contract_size_is_not_guessed(self, information: object) -> None:
        """Everything that does not need the size is published all the same."""
        snapshot = await snapshot_of(
            account=account(account_row()), position_risk=[row()], exchange_info=information
        )
        risk = assessed(snapshot)
        (position,) = risk.positions
        assert (position.notional_usd, risk.pools[0].gross_notional_usd) == (None, None)
        assert risk.pools[0].leverage_ratio is None
        assert (position.position.contract.base, position.position.contract.settle) == ("BTC", "BTC")
        assert position.liquidation_distance_ratio == pytest.approx(0.3407359, abs=1e-7)
        assert position.unrealized_pnl == 0.00006413
        assert position.maintenance_margin == 0.000021
        assert risk.pools[0].equity_usd == pytest.approx(0.00241969 * 10979.144375)

    @pytest.mark.parametrize("size", [None, "", "0", 0, -100])
    async def test_a_contract_size_that_is_none_is_unknown(self, size: object) -> None:
        information = listed("BTCUSD_PERP")
        information["symbols"][0]["contractSize"] = size
        snapshot = await snapshot_of(account=account(), position_risk=[row()], exchange_info=information)
        assert assessed(snapshot).positions[0].notional_usd is None

    async def test_a_symbol_of_no_known_form_is_a_schema_error(self) -> None:
        """Without a coin the position cannot be put beside the collateral it endangers."""
        with pytest.raises(VenueError, match="symbol") as caught:
            await snapshot_of(account=account(), position_risk=[row(symbol="SOMETHING")])
        assert caught.value.reason == "schema"
        assert f"{NAME} GET /dapi/v1/positionRisk" in str(caught.value)


class TestRequests:
    @staticmethod
    async def collect(times: int, *, seconds: float, **changed: Any) -> list[str]:
        """The paths asked for by so many collections, so many seconds apart."""
        now = 1_000_000.0
        async with VenueServer(answers(**changed)) as server:
            async with Client(QuietObserver(), clock=lambda: now) as client:
                venue = make_venue(NAME, server.base_url, CONFIG)
                for _ in range(times):
                    await venue.fetch(client.account(venue))
                    now += seconds
            return [request.path for request in server.requests]

    async def test_what_rarely_changes_is_kept(self) -> None:
        asked = await self.collect(4, seconds=15.0)
        counts = {path: asked.count(path) for path in asked}
        assert counts == {
            "/dapi/v1/account": 4,
            "/dapi/v1/positionRisk": 4,
            "/dapi/v1/premiumIndex": 4,
            "/dapi/v1/adlQuantile": 2,
            "/dapi/v1/exchangeInfo": 1,
            "/dapi/v2/leverageBracket": 1,
        }

    async def test_an_account_without_positions_asks_only_for_what_it_needs(self) -> None:
        asked = await self.collect(1, seconds=15.0, position_risk=[])
        assert sorted(asked) == ["/dapi/v1/account", "/dapi/v1/positionRisk", "/dapi/v1/premiumIndex"]

    async def test_accounts_of_one_venue_share_prices_and_contracts(self) -> None:
        async with VenueServer(answers()) as server, Client(QuietObserver()) as client:
            for name in ("one", "two", "three"):
                venue = make_venue(NAME, server.base_url, {**CONFIG, "name": name, "interval": 3600})
                await venue.fetch(client.account(venue))
            asked = [request.path for request in server.requests]
        assert asked.count("/dapi/v1/premiumIndex") == 1
        assert asked.count("/dapi/v1/exchangeInfo") == 1
        assert asked.count("/dapi/v1/adlQuantile") == 3

    async def test_a_refusal_of_usdm_closes_coinm_for_the_same_address(self) -> None:
        """Both count into one request budget; asking on would turn the refusal into a ban."""
        error = {"code": -1003, "msg": "Too many requests"}
        refusal = web.json_response(error, status=429, headers={"Retry-After": "30"})
        fapi = dict.fromkeys(("/fapi/v3/account", "/fapi/v3/positionRisk", "/fapi/v1/accountConfig"), refusal)
        async with (
            VenueServer(fapi) as usdm_server,
            VenueServer(answers()) as coinm_server,
            Client(QuietObserver()) as client,
        ):
            usdm = make_venue("binance_usdm", usdm_server.base_url, CONFIG)
            with pytest.raises(VenueError):
                await usdm.fetch(client.account(usdm))
            coinm = make_venue(NAME, coinm_server.base_url, CONFIG)
            with pytest.raises(VenueError, match="no request is sent for another") as caught:
                await coinm.fetch(client.account(coinm))
            assert caught.value.reason == "rate_limited"
            assert coinm_server.requests == []

    async def test_a_clock_error_is_retried_once_after_a_resync(self) -> None:
        asked: list[str] = []

        def answer(request: web.Request) -> web.Response:
            asked.append(request.query["timestamp"])
            if len(asked) == 1:
                return web.json_response({"code": -1021, "msg": "Timestamp"}, status=400)
            return web.Response(body=payload(NAME, "account_hedge.json"))

        await snapshot_of(account=answer)
        # The documented time of the example lies in 2017: the second request follows it.
        assert len(asked) == 2
        assert asked[1].startswith("14998273")
        assert len(asked[1]) == len("1499827319559")

    @pytest.mark.parametrize("name", ["leverage_bracket", "adl_quantile", "exchange_info", "premium_index"])
    async def test_an_answer_that_can_be_missed_costs_nothing_else(self, name: str) -> None:
        observer = QuietObserver()
        snapshot = await fetch(NAME, answers(**{name: None}), config=CONFIG, check=check, observer=observer)
        assert [pool.equity for pool in snapshot.pools] == [0.00241969]
        assert [position.liquidation_price for position in snapshot.positions] == [11667.63509587]
        assert len(observer.optional_failures) == 1

    @pytest.mark.parametrize("name", ["account", "position_risk"])
    async def test_without_account_or_positions_the_collection_fails(self, name: str) -> None:
        with pytest.raises(VenueError, match=PATHS[name][0]):
            await snapshot_of(**{name: None})

    async def test_delivery_contracts_without_funding_do_not_hide_the_prices(self) -> None:
        (perpetual,) = document("premium_index.json")
        delivery = {
            **perpetual,
            "symbol": "BTCUSD_201225",
            "indexPrice": "1",
            "lastFundingRate": "",
            "interestRate": "",
            "nextFundingTime": 0,
        }
        snapshot = await snapshot_of(
            premium_index=[delivery, perpetual, {**perpetual, "symbol": "ETHUSD_PERP", "indexPrice": "0"}]
        )
        assert snapshot.prices == {"BTC": 10979.144375}


class TestSchema:
    @pytest.mark.parametrize(
        ("name", "path", "field"),
        [
            ("account", [], "assets"),
            ("account", [], "positions"),
            ("account", ["assets", 0], "asset"),
            ("account", ["assets", 0], "marginBalance"),
            ("account", ["assets", 0], "maintMargin"),
            ("account", ["assets", 0], "crossWalletBalance"),
            ("account", ["assets", 0], "crossUnPnl"),
            ("account", ["positions", 0], "positionSide"),
            ("position_risk", [1], "symbol"),
            ("position_risk", [1], "positionSide"),
            ("position_risk", [1], "positionAmt"),
            ("position_risk", [1], "markPrice"),
            ("position_risk", [1], "liquidationPrice"),
        ],
    )
    async def test_a_missing_required_field_is_named(self, name: str, path: list[Any], field: str) -> None:
        body = document(PATHS[name][1])
        target = body
        for step in path:
            target = target[step]
        del target[field]
        with pytest.raises(VenueError) as caught:
            await snapshot_of(**{name: body})
        assert caught.value.reason == "schema"
        assert f"{NAME} GET {PATHS[name][0]}" in str(caught.value)
        assert field in str(caught.value)

    @pytest.mark.parametrize("empty", ["", None])
    @pytest.mark.parametrize("field", ["walletBalance", "marginBalance", "crossUnPnl"])
    async def test_an_empty_balance_is_an_error_and_not_zero(self, field: str, empty: object) -> None:
        with pytest.raises(VenueError, match=field) as caught:
            await snapshot_of(account=account(assets=[asset(**{field: empty})]))
        assert caught.value.reason == "schema"

    @pytest.mark.parametrize("bad", ["NaN", "Infinity", "-inf", "1_000", "abc"])
    async def test_what_is_no_finite_number_is_a_schema_error(self, bad: str) -> None:
        with pytest.raises(VenueError, match="markPrice") as caught:
            await position_of(markPrice=bad)
        assert caught.value.reason == "schema"


FILES = {
    "account_hedge.json": "account",
    "account_as_printed.json": "account",
    "account_one_way.json": "account",
    "position_risk_hedge.json": "position_risk",
    "position_risk_one_way.json": "position_risk",
    "leverage_bracket.json": "leverage_bracket",
    "adl_quantile.json": "adl_quantile",
    "exchange_info.json": "exchange_info",
    "premium_index.json": "premium_index",
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(sorted(FILES)),
    choice=st.integers(0, 10_000),
    value=DAMAGE,
)
async def test_a_damaged_answer_raises_nothing_but_a_venue_error(file: str, choice: int, value: Any) -> None:
    body, _ = damaged(document(file), choice, value)
    try:
        text = exposition(NAME, "desk", await snapshot_of(**{FILES[file]: body}))
    except VenueError as error:
        assert error.reason == "schema"  # noqa: PT017 (either outcome is right)
    else:
        assert not any(line.endswith(("NaN", "-Inf")) for line in text.splitlines())


async def test_the_stand_in_and_the_adapter_agree() -> None:
    """Two independent implementations: the engine's liquidation prices are those the venue prints."""
    market = Market(seed=3)
    simulator = BinanceCoinmSimulator(market)
    market.advance(900)
    market.freeze()
    async with Server(simulator) as server, Client(QuietObserver()) as client:
        for entry in simulator.demo_accounts(server.base_url):
            venue = make_venue(NAME, server.base_url, entry)
            snapshot = await venue.fetch(client.account(venue))
            book = simulator.accounts[str(entry["name"])]
            risk = assessed(snapshot)
            pools = {pool.pool.currency: pool for pool in risk.pools}
            assert set(pools) == set(book.pool_currencies())
            for currency, pool in pools.items():
                expected = book.pool(currency)
                assert pool.pool.equity == pytest.approx(float(expected.equity), abs=1e-12)
                assert pool.pool.margin_equity == pytest.approx(float(expected.margin_equity), abs=1e-12)
                assert pool.maintenance_margin == pytest.approx(
                    float(expected.cross_maintenance_margin), abs=1e-12
                )
                assert pool.maintenance_margin_rate == pytest.approx(float(expected.rate or 0))
            assert len(risk.positions) == len(book.positions)
            for position, price in computed_liquidation_prices(snapshot, RiskSettings()):
                held = next(
                    item
                    for item in book.positions
                    if (item.contract.symbol, item.side) == (position.symbol, position.side)
                )
                exact = book.liquidation_price(held)
                if exact is None or exact <= 0:
                    assert price is None
                    assert position.liquidation_price is None
                else:
                    assert price == pytest.approx(float(exact), rel=1e-5)
                    assert position.liquidation_price == pytest.approx(float(exact), abs=1e-8)
                assert position.contract.size == float(held.contract.size)
                assert position.maintenance_tiers
                assert position.adl_ratio is not None


def test_every_number_of_the_documented_answers_is_used_or_explained() -> None:
    stated = {(use.endpoint, use.field) for use in BinanceCoinm.fields}
    found = set()
    for file, name in {**FILES, "time.json": "time"}.items():
        for field in numeric_fields(document(file)):
            found.add((PATHS[name][0], field.removeprefix("[].").removeprefix(".")))
    # In documented answers of newer accounts, but not in these examples.
    absent = {("/dapi/v1/account", "positions[].isolatedWallet")}
    assert found - stated == set()
    assert stated - found == absent


def test_every_use_is_of_a_declared_endpoint_and_has_a_metric_or_a_reason() -> None:
    declared = {endpoint.path for endpoint in BinanceCoinm.endpoints}
    for use in BinanceCoinm.fields:
        assert use.endpoint in declared
        assert bool(use.metrics) != bool(use.reason), use
    assert {POSITION_RISK.weight, LEVERAGE_BRACKET.weight, ADL_QUANTILE.weight} == {1, 2, 5}
