"""The BingX stand-in: as strict as documented, and its numbers add up to the last digit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from aiohttp import ClientSession
from yarl import URL

from exporter.demo import Market, Server
from exporter.demo._bingx_figures import CONTRACTS
from exporter.demo.bingx import BingxSimulator
from tests.demo.bingx_client import (
    ASSET_MODE,
    BALANCE,
    BALANCE_FIELDS,
    COMMISSION,
    CONTRACT_LIST,
    LEVERAGE,
    MARGIN_ASSETS,
    MULTI,
    POSITION_FIELDS,
    POSITION_MODE,
    POSITIONS,
    PRICES,
    RULES,
    STAMP,
    TIERS,
    Client,
    Clock,
    code,
    sign,
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    clock = Clock()
    simulator = BingxSimulator(Market(), clock=clock)
    async with Server(simulator) as server, ClientSession() as session:
        yield Client(session, server.base_url, simulator, clock)


async def test_a_signed_request_is_answered(client: Client) -> None:
    body = await client.signed(BALANCE)
    assert (body["code"], body["msg"]) == (0, "")


async def test_the_order_of_parameters_is_free_as_long_as_it_is_signed(client: Client) -> None:
    for text in (f"recvWindow=5000&timestamp={STAMP}", f"timestamp={STAMP}&recvWindow=1"):
        assert (await client.signed(BALANCE, text))["code"] == 0


async def test_values_are_signed_before_they_are_encoded(client: Client) -> None:
    body = await client.signed(POSITIONS, f"symbol=[x]-USDT&timestamp={STAMP}")
    assert code(body) == 109400
    assert body["msg"].startswith("[x]-USDT,symbol not exist")


async def test_keys_and_signatures_that_are_wrong_are_refused(client: Client) -> None:
    credential = client.credential()
    text = f"timestamp={STAMP}"
    good = sign(credential.api_secret, text)
    assert code(await client.raw(f"{BALANCE}?{text}&signature={good}")) == 100413
    assert code(await client.raw(f"{BALANCE}?{text}&signature={good}", key="x" * 86)) == 100413
    for query, expected in (
        (text, 100412),
        (f"{text}&signature=", 100412),
        (f"{text}&signature={'0' * 64}", 100001),
        (f"{text}&signature={good.upper()}", 100001),
        (f"signature={good}&{text}", 100001),
        (f"{text}&signature={good}&recvWindow=5000", 100001),
        (f"timestamp={STAMP + 1}&signature={good}", 100001),
    ):
        assert code(await client.raw(f"{BALANCE}?{query}", key=credential.api_key)) == expected, query


async def test_another_account_s_secret_does_not_sign(client: Client) -> None:
    text = f"timestamp={STAMP}"
    signature = sign(client.credential("bingx-hedged").api_secret, text)
    body = await client.raw(f"{BALANCE}?{text}&signature={signature}", key=client.credential().api_key)
    assert code(body) == 100001


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"timestamp={STAMP - 5000}", 0),
        (f"timestamp={STAMP - 5001}", 100421),
        (f"timestamp={STAMP + 5001}", 100421),
        (f"recvWindow=200&timestamp={STAMP - 200}", 0),
        (f"recvWindow=200&timestamp={STAMP - 201}", 100421),
        (f"recvWindow=5001&timestamp={STAMP}", 100400),
        (f"recvWindow=x&timestamp={STAMP}", 100400),
        ("recvWindow=5000", 100421),
        ("timestamp=", 100421),
        (f"timestamp={STAMP // 1000}", 100421),
    ],
)
async def test_the_timestamp_is_within_the_window(client: Client, text: str, expected: int) -> None:
    assert (await client.signed(BALANCE, text))["code"] == expected


async def test_a_venue_with_a_skewed_clock_judges_by_its_own(client: Client) -> None:
    client.simulator.faults.clock_skew = 60.0
    assert code(await client.signed(BALANCE)) == 100421
    told = (await client.raw("/openApi/swap/v2/server/time"))["data"]["serverTime"]
    assert told == STAMP + 60_000
    assert (await client.signed(BALANCE, f"timestamp={told}"))["code"] == 0


async def test_permissions_and_addresses_of_a_key(client: Client) -> None:
    credential = client.credential()
    credentials = client.simulator.credentials
    credentials[credential.api_key] = replace(credential, may_trade=False)
    for path in (POSITION_MODE, ASSET_MODE, MARGIN_ASSETS, COMMISSION):
        assert code(await client.signed(path)) == 100004, path
    for path in (BALANCE, POSITIONS):
        assert (await client.signed(path))["code"] == 0, path
    credentials[credential.api_key] = replace(credential, addresses=frozenset({"192.0.2.1"}))
    assert code(await client.signed(BALANCE)) == 100419


async def test_parameters_that_are_missing_doubled_or_unknown_are_refused(client: Client) -> None:
    assert code(await client.signed(TIERS)) == 100400
    assert code(await client.signed(TIERS, f"symbol=&timestamp={STAMP}")) == 100400
    assert code(await client.signed(BALANCE, f"currency=USDT&timestamp={STAMP}")) == 100400
    assert code(await client.signed(BALANCE, f"timestamp={STAMP}&timestamp={STAMP}")) == 100400
    assert code(await client.raw(f"{PRICES}?timestamp={STAMP}&limit=5")) == 100400


async def test_only_known_paths_and_only_reading(client: Client) -> None:
    for path, method in ((BALANCE, "POST"), ("/openApi/swap/v2/trade/order", "POST"), ("/other", "GET")):
        body = await client.raw(path, method=method)
        assert code(body) == 100400
        assert "this api is not exist" in body["msg"]


@pytest.mark.parametrize("path", [POSITIONS, TIERS])
async def test_an_unknown_symbol_is_refused(client: Client, path: str) -> None:
    assert code(await client.signed(path, f"symbol=CATI-USDT&timestamp={STAMP}")) == 109400
    assert code(await client.raw(f"{PRICES}?symbol=CATI-USDT&timestamp={STAMP}")) == 109400


async def test_public_calls_want_the_time_too(client: Client) -> None:
    assert code(await client.raw(PRICES)) == 100421
    assert (await client.raw(f"{PRICES}?timestamp={STAMP}"))["code"] == 0


async def test_an_account_that_asks_too_often_is_refused_until_the_moment_it_is_told(client: Client) -> None:
    for _ in range(5):
        assert (await client.signed(BALANCE))["code"] == 0
    body = await client.signed(BALANCE)
    assert code(body) == 100410
    assert body["msg"].endswith(f"will be unblocked after {STAMP + 300_000}")
    # Other calls and other accounts are counted apart.
    assert (await client.signed(POSITIONS))["code"] == 0
    assert (await client.signed(BALANCE, account="bingx-hedged"))["code"] == 0
    client.clock.now += 299.0
    assert code(await client.signed(BALANCE)) == 100410
    client.clock.now += 1.0
    assert (await client.signed(BALANCE))["code"] == 0


async def test_five_requests_in_every_second_are_allowed(client: Client) -> None:
    for _ in range(3):
        for _ in range(5):
            assert (await client.signed(BALANCE))["code"] == 0
        client.clock.now += 1.0


async def test_answers_tell_what_is_left(client: Client) -> None:
    url = URL(f"{client.base_url}{PRICES}?timestamp={STAMP}", encoded=True)
    async with client.session.get(url) as response:
        assert response.headers["X-RateLimit-Requests-Remain"] == "499"
        assert response.headers["X-RateLimit-Requests-Expire"] == "10000"


async def test_the_balance_has_the_documented_fields_in_order(client: Client) -> None:
    rows = (await client.signed(BALANCE))["data"]
    assert [list(row) for row in rows] == [BALANCE_FIELDS, BALANCE_FIELDS]
    usdt, usdc = rows
    assert usdt["asset"] == "USDT"
    assert all(isinstance(value, str) for value in usdt.values())
    # As documented for a currency that was never used.
    assert {**usdc, "shortUid": ""} == {
        **dict.fromkeys(BALANCE_FIELDS, ""),
        "asset": "USDC",
        "realisedProfit": "0",
    }


async def test_version_2_of_the_balance_is_an_object_of_usdt(client: Client) -> None:
    balance = (await client.signed("/openApi/swap/v2/user/balance"))["data"]["balance"]
    row = (await client.signed(BALANCE))["data"][0]
    assert list(balance) == [name for name in BALANCE_FIELDS if name not in {"userId", "shortUid"}]
    assert balance == {name: row[name] for name in balance}


async def test_positions_have_the_documented_fields_and_types(client: Client) -> None:
    rows = (await client.signed(POSITIONS, account="bingx-hedged"))["data"]
    assert [list(row) for row in rows] == [POSITION_FIELDS] * 3
    long, short, isolated = rows
    assert [row["positionSide"] for row in rows] == ["LONG", "SHORT", "LONG"]
    assert [row["isolated"] for row in rows] == [False, False, True]
    assert long["liquidationPrice"] == short["liquidationPrice"] > 0
    assert isinstance(long["liquidationPrice"], float)
    assert isinstance(long["leverage"], int)
    assert int(long["positionId"]) > 2**53
    assert long["riskRate"] == short["riskRate"] != isolated["riskRate"]
    assert len({row["positionId"] for row in rows}) == 3
    assert Decimal(isolated["maxMarginReduction"]) > 0
    one = (await client.signed(POSITIONS, f"symbol=ETH-USDT&timestamp={STAMP}", account="bingx-hedged"))[
        "data"
    ]
    assert one == [isolated]


async def test_an_account_of_the_demo_shows_no_liquidation_price_on_cross_rows(client: Client) -> None:
    assert [row["liquidationPrice"] for row in (await client.signed(POSITIONS))["data"]] == [0, 0]


async def test_modes_are_text(client: Client) -> None:
    assert (await client.signed(POSITION_MODE))["data"] == {"dualSidePosition": "false"}
    hedged = await client.signed(POSITION_MODE, account="bingx-hedged")
    assert hedged["data"] == {"dualSidePosition": "true"}
    assert (await client.signed(ASSET_MODE))["data"] == {"assetMode": "singleAssetMode"}
    assert (await client.signed(ASSET_MODE, account=MULTI))["data"] == {"assetMode": "multiAssetsMode"}


async def test_in_multi_assets_mode_collateral_is_listed_where_only_a_trading_key_sees_it(
    client: Client,
) -> None:
    listed = [row["asset"] for row in (await client.signed(BALANCE, account=MULTI))["data"]]
    assert listed == ["USDT", "USDC"]
    assets = (await client.signed(MARGIN_ASSETS, account=MULTI))["data"]
    assert [list(asset) for asset in assets] == [
        ["currency", "totalAmount", "availableTransfer", "latestMortgageAmount"]
    ] * 4
    held = {asset["currency"]: asset["totalAmount"] for asset in assets}
    assert (held["BTC"], held["USDT"]) == ("0.60000000", "-1250.00000000")
    assert (await client.signed(MARGIN_ASSETS))["data"] == []
    client.simulator.all_coins = True
    client.clock.now += 1.0
    listed = [row["asset"] for row in (await client.signed(BALANCE, account=MULTI))["data"]]
    assert listed == ["USDT", "USDC", "BTC"]


async def test_the_rules_of_that_mode_are_public_and_written_in_per_cent(client: Client) -> None:
    rules = (await client.raw(f"{RULES}?timestamp={STAMP}"))["data"]
    assert {rule["marginAssets"]: rule["collateralValueRatio"] for rule in rules} == {
        "USDT": "100.00%",
        "USDC": "100.00%",
        "BTC": "95.00%",
        "ETH": "90.00%",
    }
    assert all(float(rule["indexPrice"]) > 0.0 for rule in rules)


async def test_the_largest_position_is_the_end_of_the_tier_that_allows_the_leverage(client: Client) -> None:
    row = (await client.signed(LEVERAGE, f"symbol=BTC-USDT&timestamp={STAMP}", account="bingx-hedged"))[
        "data"
    ]
    assert (row["longLeverage"], row["maxLongLeverage"]) == (50, 125)
    assert (row["maxPositionLongVal"], row["maxPositionShortVal"]) == ("12000000.0", "12000000.0")
    assert code(await client.signed(LEVERAGE)) == 100400
    assert code(await client.signed(LEVERAGE, f"symbol=CATI-USDT&timestamp={STAMP}")) == 109400


async def test_fees_are_told_in_public_and_to_the_account(client: Client) -> None:
    client.simulator.taker_rates["bingx-hedged"] = Decimal("0.00032")
    own = await client.signed(COMMISSION, account="bingx-hedged")
    assert own["data"] == {"commission": {"takerCommissionRate": 0.00032, "makerCommissionRate": 0.0002}}
    contracts = (await client.raw(f"{CONTRACT_LIST}?timestamp={STAMP}"))["data"]
    assert [row["symbol"] for row in contracts] == list(CONTRACTS)
    assert {row["takerFeeRate"] for row in contracts} == {0.0005}


async def test_what_open_orders_take_is_frozen(client: Client) -> None:
    (row, _) = (await client.signed(BALANCE))["data"]
    assert row["freezedMargin"] == "402.1700"
    pool = client.simulator.accounts["bingx-directional"].pool("USDT")
    assert Decimal(row["equity"]) == pool.margin_equity + Decimal("402.17")


async def test_tiers_begin_as_documented_and_have_no_jumps(client: Client) -> None:
    rows = (await client.signed(TIERS, f"symbol=BTC-USDT&timestamp={STAMP}"))["data"]
    assert rows[:2] == [
        {
            "symbol": "BTC-USDT",
            "tier": "Tier 1",
            "minPositionVal": "0",
            "maxPositionVal": "150000",
            "maintMarginRatio": "0.003800",
            "maintAmount": "0.000000",
        },
        {
            "symbol": "BTC-USDT",
            "tier": "Tier 2",
            "minPositionVal": "150000",
            "maxPositionVal": "900000",
            "maintMarginRatio": "0.004000",
            "maintAmount": "30.000000",
        },
    ]
    for lower, upper in pairwise(rows):
        edge = Decimal(upper["minPositionVal"])
        assert edge == Decimal(lower["maxPositionVal"])
        assert edge * Decimal(lower["maintMarginRatio"]) - Decimal(lower["maintAmount"]) == edge * Decimal(
            upper["maintMarginRatio"]
        ) - Decimal(upper["maintAmount"])


async def test_prices_are_an_array_or_with_a_symbol_an_object(client: Client) -> None:
    everything = (await client.raw(f"{PRICES}?timestamp={STAMP}"))["data"]
    one = (await client.raw(f"{PRICES}?symbol=BTC-USDT&timestamp={STAMP}"))["data"]
    assert one in everything
    assert [row["symbol"] for row in everything] == list(CONTRACTS)
    assert one["markPrice"] == (await client.signed(POSITIONS))["data"][0]["markPrice"]
    assert STAMP < one["nextFundingTime"] <= STAMP + 8 * 3600 * 1000


async def test_demo_values_change_from_one_collection_to_the_next(client: Client) -> None:
    seen: dict[str, set[str]] = {account: set() for account in client.simulator.accounts}
    for _ in range(3):
        for account, values in seen.items():
            answer = await client.signed(BALANCE, account=account)
            values.add(answer["data"][0]["equity"])
        client.clock.now += 15
    assert {account: len(values) for account, values in seen.items()} == dict.fromkeys(seen, 3)


async def test_a_request_after_a_crash_finds_the_position_liquidated(client: Client) -> None:
    rows = (await client.signed(POSITIONS, account="bingx-hedged"))["data"]
    market = client.simulator.market
    market.freeze()
    market.set_price("ETH", Decimal(str(rows[2]["liquidationPrice"])) - Decimal("0.0001"), "USDT")
    rows = (await client.signed(POSITIONS, account="bingx-hedged"))["data"]
    assert [row["symbol"] for row in rows] == ["BTC-USDT", "BTC-USDT"]


async def test_a_key_is_told_about_itself(client: Client) -> None:
    path = "/openApi/v1/account/apiPermissions"
    credential = client.credential()
    told = {
        "apiKey": credential.api_key,
        "permissions": [2, 3],
        "ipAddresses": [],
        "note": credential.account,
    }
    assert (await client.signed(path))["data"] == told
    client.simulator.credentials[credential.api_key] = replace(
        credential, may_trade=False, more=frozenset({5}), addresses=frozenset({"127.0.0.1"})
    )
    client.clock.now += 1.0
    text = f"timestamp={STAMP + 1000}"
    told = {**told, "permissions": [2, 5], "ipAddresses": ["127.0.0.1"]}
    assert (await client.signed(path, text))["data"] == told
    assert code(await client.signed(path, f"symbol=BTC-USDT&{text}")) == 100400
    assert code(await client.signed(path, text)) == 100410  # two a second
    assert code(await client.raw(f"{path}?{text}&signature={'0' * 64}", key=credential.api_key)) == 100001
