"""The Binance COIN-M stand-in: as strict as documented, and its numbers add up to the last digit."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientSession
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from exporter.simulator import Market, Server, discover
from exporter.simulator.binance import PublicEndpoint, SignedEndpoint, WeightPool
from exporter.simulator.binance_coinm import (
    BTC_TIERS,
    COINS,
    CONTRACTS,
    DELIVERY_TIME_MS,
    BinanceCoinmSimulator,
)
from exporter.simulator.binance_usdm import BinanceUsdmSimulator
from exporter.simulator.book import Book
from exporter.simulator.market import DEFAULT_COINS

NOW = 1_700_000_030.0
STAMP = int(NOW * 1000)
DIRECTIONAL, HEDGED = "coinm-directional", "coinm-hedged"
DIGIT = Decimal("1e-8")


class Clock:
    """A clock that stands still unless moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, int, str]:
        return self.status, self.body["code"], self.body["msg"]


@dataclass
class Client:
    """Signs as a client would, with nothing of the simulator."""

    session: ClientSession
    base_url: str
    simulator: BinanceCoinmSimulator
    clock: Clock

    async def raw(self, path: str, *, key: str | None = None) -> Answer:
        headers = {} if key is None else {"X-MBX-APIKEY": key}
        async with self.session.get(URL(self.base_url + path, encoded=True), headers=headers) as response:
            return Answer(response.status, json.loads(await response.text()), dict(response.headers))

    async def signed(self, path: str, query: str | None = None, *, account: str = DIRECTIONAL) -> Answer:
        credential = next(item for item in self.simulator.credentials.values() if item.account == account)
        payload = f"timestamp={STAMP}" if query is None else query
        signature = hmac.new(credential.api_secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        return await self.raw(f"{path}?{payload}&signature={signature}", key=credential.api_key)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BinanceCoinmSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


def simulated(seed: int = 1, seconds: int = 0) -> BinanceCoinmSimulator:
    """A simulator whose market has walked for so many seconds and then stands still."""
    clock = Clock()
    simulator = BinanceCoinmSimulator(Market(seed=seed), clock=clock)
    clock.now += seconds
    simulator.tick()
    simulator.market.freeze()
    return simulator


def read(simulator: BinanceCoinmSimulator, path: str, book: Book, **parameters: str) -> Any:
    """What an endpoint answers, without HTTP."""
    endpoint = next(found for found in simulator.endpoints() if found.path == path)
    if isinstance(endpoint, SignedEndpoint):
        return json.loads(json.dumps(endpoint.answer(parameters, book)))
    assert isinstance(endpoint, PublicEndpoint)
    return json.loads(json.dumps(endpoint.answer(parameters)))


def rows(simulator: BinanceCoinmSimulator, book: Book) -> list[dict[str, Any]]:
    """The printed positions that are held: both calls joined, with contract size and tiers."""
    sizes = {item["symbol"]: item for item in read(simulator, "/dapi/v1/exchangeInfo", book)["symbols"]}
    brackets = {
        item["symbol"]: item["brackets"] for item in read(simulator, "/dapi/v2/leverageBracket", book)
    }
    of_account = {
        (item["symbol"], item["positionSide"]): item
        for item in read(simulator, "/dapi/v1/account", book)["positions"]
    }
    return [
        {
            **of_account[item["symbol"], item["positionSide"]],
            **item,
            "contractSize": sizes[item["symbol"]]["contractSize"],
            "marginAsset": sizes[item["symbol"]]["marginAsset"],
            "brackets": brackets[item["symbol"]],
        }
        for item in read(simulator, "/dapi/v1/positionRisk", book)
        if item["positionAmt"] != "0"
    ]


def total(items: Iterable[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(item[name]) for item in items), Decimal(0))


def is_isolated(row: dict[str, Any]) -> bool:
    return bool(row["marginType"] == "isolated")


# --- Strictness ------------------------------------------------------------------------------------------


def test_the_simulator_is_found_by_its_venue_name() -> None:
    assert discover()["binance_coinm"] is BinanceCoinmSimulator


@pytest.mark.parametrize("account", [DIRECTIONAL, HEDGED])
async def test_every_demo_account_reads_its_own_account(client: Client, account: str) -> None:
    answer = await client.signed("/dapi/v1/positionRisk", account=account)
    assert answer.status == 200
    held = {row["symbol"] for row in answer.body if row["positionAmt"] != "0"}
    assert held == {item.contract.symbol for item in client.simulator.accounts[account].positions}


@pytest.mark.parametrize("path", ["v1/account", "v1/positionRisk", "v2/leverageBracket", "v1/adlQuantile"])
async def test_private_paths_need_a_key_a_signature_and_a_fresh_timestamp(client: Client, path: str) -> None:
    assert (await client.raw(f"/dapi/{path}")).error[:2] == (401, -2014)
    key = next(iter(client.simulator.credentials))
    forged = f"/dapi/{path}?timestamp={STAMP}&signature={'0' * 64}"
    assert (await client.raw(forged, key=key)).error[:2] == (400, -1022)
    assert (await client.signed(f"/dapi/{path}", f"timestamp={STAMP - 5001}")).error[:2] == (400, -1021)
    assert (await client.signed(f"/dapi/{path}", f"timestamp={STAMP + 1000}")).error[:2] == (400, -1021)
    assert (await client.signed(f"/dapi/{path}", f"nope=1&timestamp={STAMP}")).error[:2] == (400, -1104)
    assert (await client.signed(f"/dapi/{path}")).status == 200


@pytest.mark.parametrize("path", ["v3/account", "v3/positionRisk", "v1/leverageBracket"])
async def test_paths_of_the_other_product_do_not_exist_here(client: Client, path: str) -> None:
    assert (await client.signed(f"/dapi/{path}")).error[:2] == (404, -5000)


async def test_positions_are_asked_by_margin_asset_or_pair_and_not_by_both(client: Client) -> None:
    ask = client.signed
    by_asset = await ask("/dapi/v1/positionRisk", f"marginAsset=ETH&timestamp={STAMP}")
    assert {row["symbol"] for row in by_asset.body} == {"ETHUSD_PERP", "ETHUSD_291228"}
    by_pair = await ask("/dapi/v1/positionRisk", f"pair=BTCUSD&timestamp={STAMP}")
    assert {row["symbol"] for row in by_pair.body} == {"BTCUSD_PERP", "BTCUSD_291228"}
    both = await ask("/dapi/v1/positionRisk", f"pair=BTCUSD&marginAsset=BTC&timestamp={STAMP}")
    assert both.error == (400, -1128, "Combination of optional parameters invalid.")
    symbol = await ask("/dapi/v1/positionRisk", f"symbol=BTCUSD_PERP&timestamp={STAMP}")
    assert symbol.error[:2] == (400, -1104)
    unknown = await ask("/dapi/v1/positionRisk", f"pair=NOPE&timestamp={STAMP}")
    assert unknown.error == (400, -1121, "Invalid symbol.")


async def test_an_unknown_symbol_is_refused(client: Client) -> None:
    for query in ("symbol=BTCUSDT", "pair=NOPE"):
        assert (await client.raw(f"/dapi/v1/premiumIndex?{query}")).error[:2] == (400, -1121)
    query = f"symbol=BTCUSDT&timestamp={STAMP}"
    for path in ("v2/leverageBracket", "v1/adlQuantile"):
        assert (await client.signed(f"/dapi/{path}", query)).error[:2] == (400, -1121)


# --- Weights ---------------------------------------------------------------------------------------------


async def test_every_path_costs_its_documented_weight(client: Client) -> None:
    used = 0
    for path, weight in {
        "/dapi/v1/time": 1,
        "/dapi/v1/exchangeInfo": 1,
        "/dapi/v1/premiumIndex": 10,
        "/dapi/v1/premiumIndex?symbol=BTCUSD_PERP": 10,
    }.items():
        used += weight
        assert (await client.raw(path)).headers["X-MBX-USED-WEIGHT-1M"] == str(used)
    for path, query, weight in (
        ("/dapi/v1/account", "", 5),
        ("/dapi/v1/positionRisk", "", 1),
        ("/dapi/v1/adlQuantile", "", 5),
        ("/dapi/v2/leverageBracket", "", 2),
        ("/dapi/v2/leverageBracket", "symbol=BTCUSD_PERP&", 1),
    ):
        used += weight
        answer = await client.signed(path, f"{query}timestamp={STAMP}")
        assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, str(used))


async def test_both_binance_products_spend_from_one_budget(client: Client) -> None:
    """2400 an address and minute, whichever product is asked."""
    usdm = BinanceUsdmSimulator(client.simulator.market, clock=client.clock)
    assert usdm.weights is client.simulator.weights is WeightPool.of(client.simulator.market)
    usdm.weights.spend("127.0.0.1", 2399, NOW)
    assert (await client.raw("/dapi/v1/time")).status == 200
    refused = await client.raw("/dapi/v1/time")
    assert refused.error[:2] == (429, -1003)
    assert refused.headers["Retry-After"] == "10"
    async with Server(usdm) as server, client.session.get(server.base_url + "/fapi/v1/time") as response:
        assert response.status == 429


# --- Documented shapes -----------------------------------------------------------------------------------

ASSET_FIELDS = [
    "asset",
    "walletBalance",
    "unrealizedProfit",
    "marginBalance",
    "maintMargin",
    "initialMargin",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "maxWithdrawAmount",
    "crossWalletBalance",
    "crossUnPnl",
    "availableBalance",
    "updateTime",
]
ACCOUNT_FIELDS = [
    "symbol",
    "positionAmt",
    "initialMargin",
    "maintMargin",
    "unrealizedProfit",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "leverage",
    "isolated",
    "positionSide",
    "entryPrice",
    "breakEvenPrice",
    "maxQty",
    "notionalValue",
    "updateTime",
]
RISK_FIELDS = [
    "symbol",
    "positionAmt",
    "entryPrice",
    "breakEvenPrice",
    "markPrice",
    "unRealizedProfit",
    "liquidationPrice",
    "leverage",
    "maxQty",
    "marginType",
    "isolatedMargin",
    "isAutoAddMargin",
    "positionSide",
    "notionalValue",
    "isolatedWallet",
    "updateTime",
]


async def test_the_account_lists_every_coin_and_every_symbol(client: Client) -> None:
    body = (await client.signed("/dapi/v1/account")).body
    assert list(body) == [
        "assets",
        "positions",
        "canDeposit",
        "canTrade",
        "canWithdraw",
        "feeTier",
        "updateTime",
    ]
    assert [row["asset"] for row in body["assets"]] == list(COINS)
    assert [row["symbol"] for row in body["positions"]] == list(CONTRACTS)
    for row in body["assets"]:
        assert list(row) == ASSET_FIELDS
        amounts = [row[name] for name in ASSET_FIELDS[1:-1]]
        assert all(re.fullmatch(r"-?\d+\.\d{8}", value) for value in amounts)
    for row in body["positions"]:
        assert list(row) == ACCOUNT_FIELDS
        assert isinstance(row["isolated"], bool)


async def test_a_row_without_a_position_is_printed_as_documented(client: Client) -> None:
    account = (await client.signed("/dapi/v1/account")).body["positions"]
    risk = (await client.signed("/dapi/v1/positionRisk")).body
    (bare,) = (row for row in account if row["symbol"] == "SOLUSD_PERP")
    assert bare == {
        "symbol": "SOLUSD_PERP",
        "positionAmt": "0",
        "initialMargin": "0",
        "maintMargin": "0",
        "unrealizedProfit": "0.00000000",
        "positionInitialMargin": "0",
        "openOrderInitialMargin": "0",
        "leverage": "20",
        "isolated": False,
        "positionSide": "BOTH",
        "entryPrice": "0.0",
        "breakEvenPrice": "0.0",
        "maxQty": "2500",
        "notionalValue": "0",
        "updateTime": 0,
    }
    (bare,) = (row for row in risk if row["symbol"] == "SOLUSD_PERP")
    assert list(bare) == RISK_FIELDS
    assert (bare["markPrice"], bare["liquidationPrice"], bare["isAutoAddMargin"]) == (
        "0.00000000",
        "0",
        "false",
    )


async def test_one_way_mode_shows_both_and_hedge_mode_all_three_sides(client: Client) -> None:
    for path in ("/dapi/v1/account", "/dapi/v1/positionRisk"):
        for account, sides in ((DIRECTIONAL, ["BOTH"]), (HEDGED, ["BOTH", "LONG", "SHORT"])):
            body = (await client.signed(path, account=account)).body
            listed = body["positions"] if path.endswith("account") else body
            keys = [(row["symbol"], row["positionSide"]) for row in listed]
            assert keys == [(symbol, side) for symbol in CONTRACTS for side in sides]
            if account == HEDGED:
                assert {row["positionAmt"] for row in listed if row["positionSide"] == "BOTH"} == {"0"}


async def test_hedge_legs_share_a_liquidation_price_and_isolated_ones_have_their_own(client: Client) -> None:
    body = (await client.signed("/dapi/v1/positionRisk", account=HEDGED)).body
    held = {(row["symbol"], row["positionSide"]): row for row in body if row["positionAmt"] != "0"}
    long, short = held["ETHUSD_PERP", "LONG"], held["ETHUSD_PERP", "SHORT"]
    assert (long["positionAmt"], short["positionAmt"]) == ("30000", "-12000")
    assert long["liquidationPrice"] == short["liquidationPrice"] != "0"
    assert short["notionalValue"].startswith("-")
    assert {long["marginType"], short["marginType"]} == {"cross"}
    assert (long["isolatedMargin"], long["isolatedWallet"]) == ("0.00000000", "0")
    for key in (("ETHUSD_291228", "SHORT"), ("BTCUSD_PERP", "LONG")):
        row = held[key]
        assert row["marginType"] == "isolated"
        assert row["isolatedMargin"] == str(Decimal(row["isolatedWallet"]) + Decimal(row["unRealizedProfit"]))
    assert Decimal(held["ETHUSD_291228", "SHORT"]["liquidationPrice"]) > Decimal(
        held["ETHUSD_291228", "SHORT"]["markPrice"]
    )


async def test_quantiles_of_a_cross_hedge_are_shared_and_marked(client: Client) -> None:
    hedged = {
        row["symbol"]: row["adlQuantile"]
        for row in (await client.signed("/dapi/v1/adlQuantile", account=HEDGED)).body
    }
    assert set(hedged["ETHUSD_PERP"]) == {"LONG", "SHORT", "HEDGE"}
    assert hedged["ETHUSD_PERP"]["LONG"] == hedged["ETHUSD_PERP"]["SHORT"] > 0
    assert hedged["ETHUSD_PERP"]["HEDGE"] == 0
    assert set(hedged["BTCUSD_PERP"]) == {"LONG", "SHORT", "BOTH"}
    query = f"symbol=BTCUSD_PERP&timestamp={STAMP}"
    (one,) = (await client.signed("/dapi/v1/adlQuantile", query)).body
    assert one["adlQuantile"]["BOTH"] in range(5)
    assert (one["adlQuantile"]["LONG"], one["adlQuantile"]["SHORT"]) == (0, 0)
    nothing = await client.signed("/dapi/v1/adlQuantile", f"symbol=LTCUSD_PERP&timestamp={STAMP}")
    assert nothing.body == []


async def test_public_market_data(client: Client) -> None:
    information = (await client.raw("/dapi/v1/exchangeInfo")).body
    sizes = {row["symbol"]: row["contractSize"] for row in information["symbols"]}
    assert {symbol: size for symbol, size in sizes.items() if size != 10} == {
        "BTCUSD_PERP": 100,
        "BTCUSD_291228": 100,
    }
    assert set(sizes) == set(CONTRACTS)
    (delivery,) = (row for row in information["symbols"] if row["symbol"] == "BTCUSD_291228")
    assert (delivery["deliveryDate"], delivery["contractStatus"]) == (DELIVERY_TIME_MS, "TRADING")
    assert (delivery["marginAsset"], delivery["quoteAsset"]) == ("BTC", "USD")
    prices = {row["symbol"]: row for row in (await client.raw("/dapi/v1/premiumIndex")).body}
    assert set(prices) == set(CONTRACTS)
    assert prices["BTCUSD_PERP"]["indexPrice"] == prices["BTCUSD_291228"]["indexPrice"]
    later = prices["BTCUSD_291228"]
    assert (later["lastFundingRate"], later["interestRate"], later["nextFundingTime"]) == ("", "", 0)
    assert Decimal(later["markPrice"]) > Decimal(prices["BTCUSD_PERP"]["markPrice"])
    risk = (await client.signed("/dapi/v1/positionRisk")).body
    for row in risk:
        if row["positionAmt"] != "0":
            assert row["markPrice"] == prices[row["symbol"]]["markPrice"]
    pair = (await client.raw("/dapi/v1/premiumIndex?pair=ETHUSD")).body
    assert [row["symbol"] for row in pair] == ["ETHUSD_PERP", "ETHUSD_291228"]
    assert (await client.raw("/dapi/v1/time")).body == {"serverTime": STAMP}


async def test_brackets_are_in_the_base_coin_and_continuous(client: Client) -> None:
    everything = (await client.signed("/dapi/v2/leverageBracket")).body
    query = f"symbol=BTCUSD_PERP&timestamp={STAMP}"
    (bitcoin,) = (await client.signed("/dapi/v2/leverageBracket", query)).body
    assert bitcoin in everything
    assert bitcoin["brackets"][1] == {
        "bracket": 2,
        "initialLeverage": 100,
        "qtyCap": 10,
        "qtylFloor": 5,
        "maintMarginRatio": 0.005,
        "cum": 0.005,
    }
    for row in everything:
        for lower, upper in zip(row["brackets"], row["brackets"][1:], strict=False):
            assert lower["qtyCap"] == upper["qtylFloor"]
            step = upper["maintMarginRatio"] - lower["maintMarginRatio"]
            assert upper["cum"] - lower["cum"] == pytest.approx(upper["qtylFloor"] * step)


def test_the_12_5_percent_bracket_deducts_what_the_venue_deducts() -> None:
    """11.605 BTC: https://dev.binance.vision/t/6292 ."""
    (tier,) = (tier for tier in BTC_TIERS if tier.rate == Decimal("0.125"))
    assert tier.deduction == Decimal("11.605")


# --- Numbers ---------------------------------------------------------------------------------------------


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_equity_is_printed_wallet_plus_printed_pnl(seed: int, seconds: int) -> None:
    simulator = simulated(seed, seconds)
    for book in simulator.accounts.values():
        held = rows(simulator, book)
        for row in read(simulator, "/dapi/v1/account", book)["assets"]:
            settled = [item for item in held if item["marginAsset"] == row["asset"]]
            isolated = [item for item in settled if is_isolated(item)]
            cross = [item for item in settled if not is_isolated(item)]
            figures = {name: Decimal(row[name]) for name in ASSET_FIELDS[1:-1]}
            assert figures["marginBalance"] == figures["walletBalance"] + figures["unrealizedProfit"]
            assert figures["walletBalance"] == figures["crossWalletBalance"] + total(
                isolated, "isolatedWallet"
            )
            assert figures["unrealizedProfit"] == total(settled, "unRealizedProfit")
            assert figures["crossUnPnl"] == total(cross, "unRealizedProfit")
            assert figures["maintMargin"] == total(settled, "maintMargin")
            assert figures["initialMargin"] == total(settled, "initialMargin")
            free = figures["crossWalletBalance"] + figures["crossUnPnl"] - total(cross, "initialMargin")
            assert figures["availableBalance"] == max(Decimal(0), free)
        for row in held:
            assert row["unrealizedProfit"] == row["unRealizedProfit"]
            assert row["isolated"] == is_isolated(row)


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_figures_follow_the_formulas_of_inverse_contracts(seed: int, seconds: int) -> None:
    """Notional q·C/M, PnL q·C·(1/E − 1/M), margins from notional, leverage and brackets; in the coin."""
    simulator = simulated(seed, seconds)
    for book in simulator.accounts.values():
        for row in rows(simulator, book):
            value = Decimal(row["positionAmt"]) * row["contractSize"]
            entry, mark = Decimal(row["entryPrice"]), Decimal(row["markPrice"])
            notional = abs(value) / mark
            assert abs(Decimal(row["notionalValue"]) - value / mark) <= DIGIT
            assert abs(Decimal(row["unRealizedProfit"]) - value * (1 / entry - 1 / mark)) <= DIGIT
            assert abs(Decimal(row["initialMargin"]) - notional / int(row["leverage"])) <= 2 * DIGIT
            (bracket,) = (item for item in row["brackets"] if item["qtylFloor"] <= notional < item["qtyCap"])
            required = notional * Decimal(str(bracket["maintMarginRatio"])) - Decimal(str(bracket["cum"]))
            # From the printed notional, so cut twice.
            assert abs(Decimal(row["maintMargin"]) - required) <= 2 * DIGIT


def venue_formula(
    legs: list[dict[str, Any]], wallet: Decimal, other_margin: Decimal, other_pnl: Decimal, price: Decimal
) -> Decimal:
    """The venue's liquidation price, from printed figures, in the tiers that hold at `price`.

    https://www.binance.com/en/support/faq/detail/ceccfcfb4e3a45e3b48b0b1bb1a8ae46 :
    (Σ size·MMR + Σ side·size) / ((WB − TMM1 + UPNL1 + Σ cum) / C + Σ side·size / EP)
    """
    size = Decimal(legs[0]["contractSize"])
    top, bottom = Decimal(0), (wallet - other_margin + other_pnl) / size
    for leg in legs:
        amount = Decimal(leg["positionAmt"])
        notional = abs(amount) * size / price
        (bracket,) = (item for item in leg["brackets"] if item["qtylFloor"] <= notional < item["qtyCap"])
        top += abs(amount) * Decimal(str(bracket["maintMarginRatio"])) + amount
        bottom += Decimal(str(bracket["cum"])) / size + amount / Decimal(leg["entryPrice"])
    return top / bottom


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 10**6), seconds=st.integers(0, 600))
def test_printed_liquidation_prices_are_those_of_the_venues_formula(seed: int, seconds: int) -> None:
    simulator = simulated(seed, seconds)
    checked = 0
    for book in simulator.accounts.values():
        held = rows(simulator, book)
        assets = {row["asset"]: row for row in read(simulator, "/dapi/v1/account", book)["assets"]}
        for row in held:
            if row["liquidationPrice"] == "0":
                continue
            price = Decimal(row["liquidationPrice"])
            if is_isolated(row):
                legs, others = [row], []
                wallet = Decimal(row["isolatedWallet"])
            else:
                cross = [
                    item
                    for item in held
                    if item["marginAsset"] == row["marginAsset"] and not is_isolated(item)
                ]
                legs = [item for item in cross if item["symbol"] == row["symbol"]]
                others = [item for item in cross if item["symbol"] != row["symbol"]]
                wallet = Decimal(assets[row["marginAsset"]]["crossWalletBalance"])
            expected = venue_formula(
                legs, wallet, total(others, "maintMargin"), total(others, "unRealizedProfit"), price
            )
            # Printed margins of the legs are rounded, and a coin's eighth digit moves the price.
            assert float(price) == pytest.approx(float(expected), rel=1e-6)
            checked += 1
    assert checked >= 5


def test_documented_liquidation_prices() -> None:
    """100,000 contracts of 100 USD at 45,000 with 101 BTC; two contracts with 0.00268058 BTC, isolated.

    33599.4186 (https://dev.binance.vision/t/6292) and 25119.97445760 (printed by the venue for a real row).
    """
    simulator = simulated()
    simulator.market.set_price("BTC", "44000")
    large = simulator.new_book("large")
    large.deposit("BTC", "101")
    position = large.open(CONTRACTS["BTCUSD_PERP"], "long", 100_000, price="45000", leverage=3)
    price = large.liquidation_price(position)
    assert price is not None
    assert float(price) == pytest.approx(33599.4186, abs=5e-5)

    simulator.market.set_price("BTC", "38103.05510455")
    small = simulator.new_book("small")
    small.deposit("BTC", "0.00510027")
    small.open(
        CONTRACTS["BTCUSD_PERP"],
        "long",
        2,
        price="37643.10000021",
        leverage=2,
        margin_mode="isolated",
        isolated_margin="0.00268058",
    )
    (row,) = rows(simulator, small)
    assert float(row["liquidationPrice"]) == pytest.approx(25119.97445760, abs=2e-8)
    assert row["notionalValue"] == "0.00524892"
    # Cut after the eighth digit like the real row: 0.0000641357.
    assert row["unRealizedProfit"] == "0.00006413"
    assert row["isolatedMargin"] == "0.00274471"


def test_the_mark_at_the_liquidation_price_brings_the_rate_to_one() -> None:
    simulator = simulated()
    book = simulator.new_book("one")
    book.deposit("BTC", "1")
    book.open(CONTRACTS["BTCUSD_PERP"], "long", 3000, price="65000", leverage=20)
    (row,) = rows(simulator, book)
    simulator.market.set_price("BTC", row["liquidationPrice"])
    assert book.pool("BTC").rate == pytest.approx(Decimal(1), abs=Decimal("1e-6"))
    simulator.market.set_price("BTC", Decimal(row["liquidationPrice"]) * Decimal("1.0001"))
    assert book.settle(NOW) == []
    simulator.market.set_price("BTC", Decimal(row["liquidationPrice"]) * Decimal("0.9999"))
    (event,) = book.settle(NOW)
    assert (event.currency, len(event.legs)) == ("BTC", 1)
    assert event.margin_equity <= event.maintenance_margin
    assert rows(simulator, book) == []


@pytest.mark.parametrize("corner", range(4))
def test_no_demo_account_is_liquidated_anywhere_the_market_can_go(corner: int) -> None:
    simulator = BinanceCoinmSimulator(Market(), clock=Clock())
    for coin in DEFAULT_COINS:
        if coin.name in {"BTC", "ETH"}:
            up = corner >> (coin.name == "ETH") & 1
            # A little beyond the band, for the basis between mark and index.
            simulator.market.set_price(coin.name, coin.price * (1 + coin.band + 0.003) ** (1 if up else -1))
    simulator.tick()
    assert [book.liquidations for book in simulator.accounts.values()] == [[], []]


def test_the_demo_accounts_have_something_to_see() -> None:
    """A rate above a per cent in each cross pool, and a liquidation price within a quarter of the mark."""
    simulator = simulated()
    for name, coin in ((DIRECTIONAL, "BTC"), (HEDGED, "ETH")):
        book = simulator.accounts[name]
        rate = book.pool(coin).rate
        assert rate is not None
        assert Decimal("0.01") < rate < Decimal("0.2")
        near = [
            row
            for row in rows(simulator, book)
            if row["liquidationPrice"] != "0"
            and abs(Decimal(row["liquidationPrice"]) / Decimal(row["markPrice"]) - 1) < Decimal("0.25")
        ]
        assert near


async def test_demo_values_change_from_one_collection_to_the_next(client: Client) -> None:
    seen: dict[str, list[str]] = {DIRECTIONAL: [], HEDGED: []}
    for _ in range(3):
        query = f"timestamp={int(client.clock.now * 1000)}"
        for account, values in seen.items():
            body = (await client.signed("/dapi/v1/account", query, account=account)).body
            values.append(body["assets"][0]["marginBalance"])
        client.clock.now += 15
    assert {account: len(set(values)) for account, values in seen.items()} == {DIRECTIONAL: 3, HEDGED: 3}


def test_demo_accounts_are_configuration_entries_with_working_fake_keys() -> None:
    simulator = BinanceCoinmSimulator(Market())
    entries = simulator.demo_accounts("http://127.0.0.1:1")
    assert [entry["name"] for entry in entries] == [DIRECTIONAL, HEDGED]
    for entry in entries:
        assert set(entry) == {"name", "exchange", "base_url", "api_key", "api_secret"}
        assert entry["exchange"] == "binance_coinm"
    assert entries == BinanceCoinmSimulator(Market()).demo_accounts("http://127.0.0.1:1")
