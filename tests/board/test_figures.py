"""What is shown of a collection: the order of danger, whole sums, and unknown that stays unknown."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.board.answers import one_account
from exporter.board.figures import figures_of, order_of
from exporter.board.page import Shown, account_page
from exporter.model import AccountSnapshot, MarginPool, Position, RiskSettings
from exporter.risk import assess
from tests.accounts import complete_risk
from tests.board.accounts import AT, NOW, figures, leg, near, pool, standing
from tests.risk.test_properties_extremes import wild_pools, wild_positions


def test_positions_are_in_the_order_of_their_distance() -> None:
    found = figures(
        leg("FAR", 0.5),
        leg("SAFE", liquidation_source="none"),
        leg("PAST", -0.1),
        leg("DARK", notional_usd=1.0),
        leg("NEAR", 0.1),
    )
    assert [one.symbol for one in found.positions] == ["PAST", "NEAR", "FAR", "DARK", "SAFE"]
    assert [one.level for one in found.positions] == ["critical", "watch", "ok", "unknown", "ok"]
    assert (found.nearest_distance, found.without_distance) == (-0.1, 1)


@pytest.mark.parametrize(
    ("fields", "room", "level"),
    [
        ({"liquidation_shock_down": 0.04, "maintenance_margin_rate": 0.1}, 0.04, "critical"),
        ({"liquidation_shock_up": 0.07, "maintenance_margin_rate": 0.1}, 0.07, "warning"),
        ({"maintenance_margin_rate": 0.65}, 0.065, "warning"),
        ({"maintenance_margin_rate": 0.1}, 0.3, "ok"),
    ],
)
def test_an_account_is_as_endangered_as_the_worst_of_its_figures(
    fields: dict[str, Any], room: float, level: str
) -> None:
    found = figures(leg(distance=0.3), pools=(pool(**fields),))
    assert found.room == pytest.approx(room)
    assert found.level == level
    assert order_of(found) == found.room


def test_without_equity_nothing_is_in_more_danger() -> None:
    found = figures(leg(distance=0.3), pools=(pool(maintenance_margin_rate=math.inf),))
    assert found.highest_rate == "+Inf"
    assert found.level == "critical"
    assert order_of(found) == -math.inf
    assert b'"maintenance_margin_rate":"+Inf"' in msgspec.json.encode(found)


def test_what_is_not_known_is_not_safe() -> None:
    dark = figures(leg(), pools=(pool(maintenance_margin_rate=0.1),))
    assert dark.level == "unknown"
    assert order_of(near(0.19)) < order_of(dark) < order_of(near(0.21))
    half = figures(leg("SEEN", 0.5), leg("DARK"))
    assert (half.level, half.without_distance) == ("unknown", 1)
    # A known danger stays one.
    assert figures(leg("SEEN", 0.01), leg("DARK")).level == "critical"


def test_an_account_without_positions_is_the_safest() -> None:
    empty = figures(pools=(pool(equity_usd=5.0, maintenance_margin_rate=0.0),))
    assert (empty.level, empty.room, order_of(empty)) == ("ok", None, math.inf)


def test_a_sum_does_not_leave_out_what_is_unknown() -> None:
    known = (
        pool("USDT", equity_usd=10.0, gross_notional_usd=30.0),
        pool("USDC", equity_usd=5.0, gross_notional_usd=0.0),
    )
    assert figures(pools=known).equity_usd == 15.0
    assert figures(pools=known).leverage_ratio == 2.0
    unknown = figures(pools=(*known, pool("BTC")))
    assert (unknown.equity_usd, unknown.leverage_ratio) == (None, None)
    assert figures().equity_usd is None


def test_what_is_to_be_added_is_counted_in_dollars_over_all_currencies_and_isolated_positions() -> None:
    isolated = leg("ETHUSDT", 0.1, margin_mode="isolated", margin_to_target=5.0)
    found = figures(
        leg(),
        isolated,
        pools=(pool(margin_to_target=20.0), pool("BNB")),  # the latter backs nothing
        prices_usd={"USDT": 0.5},
    )
    assert found.margin_to_target_usd == 12.5
    assert figures(leg(), pools=(pool(margin_to_target=20.0),)).margin_to_target_usd is None  # no price
    assert figures(leg(), pools=(pool(),)).margin_to_target_usd is None
    assert figures(pools=(pool(),)).margin_to_target_usd == 0.0


def test_stress_is_the_worst_of_all_currencies_and_isolated_positions() -> None:
    found = figures(
        pools=(
            pool("USDT", stress=((-0.1, 0.2), (0.1, 0.3)), isolated_stress=((-0.1, 0.9),)),
            pool("USDC", stress=((0.1, math.inf),)),
        )
    )
    assert [(one.shock, one.maintenance_margin_rate) for one in found.stress] == [(-0.1, 0.9), (0.1, "+Inf")]


def test_every_figure_is_where_it_belongs() -> None:
    """The account in which no two values are equal."""
    found = figures_of(complete_risk())
    assert msgspec.to_builtins(found.positions[0]) | {"level": "", "position_id": ""} == {
        "symbol": "BTCUSDT",
        "side": "long",
        "margin_mode": "isolated",
        "currency": "USDT",
        "position_id": "",
        "level": "",
        "quantity": 301.0,
        "notional_usd": 308.0,
        "entry_price": 302.0,
        "mark_price": 307.0,
        "liquidation_price": 312.0,
        "liquidation_source": "computed",
        "liquidation_distance_ratio": 0.313,
        "unrealized_pnl": -309.0,
        "leverage_ratio": 304.0,
        "margin": 306.0,
        "maintenance_margin_rate": 0.311,
        "margin_to_target": 320.0,
        "option": None,
    }
    assert msgspec.to_builtins(found.positions[1].option) == {
        "right": "put",
        "strike_price": 402.0,
        "expiry_timestamp_seconds": 403.0,
        "value_usd": 404.0,
        "implied_volatility": 0.409,
        "delta": -405.0,
        "gamma": 406.0,
        "vega": 407.0,
        "theta": -408.0,
    }
    assert msgspec.to_builtins(found.pools[0]) == {
        "currency": "USDT",
        "equity": 101.0,
        "equity_usd": 108.0,
        "margin_equity": 102.0,
        "wallet_balance": 103.0,
        "available_balance": 104.0,
        "unrealized_pnl": -105.0,
        "initial_margin": 106.0,
        "maintenance_margin": 109.0,
        "closing_fees": 120.0,
        "maintenance_margin_rate": 0.11,
        "venue_margin_rate": 0.107,
        "margin_to_target": 121.0,
        "reduction_to_target_ratio": 0.122,
        "gross_notional_usd": 111.0,
        "net_notional_usd": -112.0,
        "leverage_ratio": 113.0,
        "liquidation_shock_down": 0.115,
        "liquidation_shock_up": 0.114,
    }
    assert msgspec.to_builtins(found.assets) == (
        {"asset": "BTC", "wallet_balance": 201.0, "equity": 202.0, "price_usd": 203.0},
    )
    assert (found.highest_rate, found.highest_rate_of) == (0.311, "BTCUSDT")
    assert (found.nearest_distance, found.shock_down, found.shock_up, found.room) == (
        0.313,
        0.115,
        0.114,
        0.114,
    )
    assert found.modes == {
        "position_mode": "hedge",
        "asset_mode": "multi",
        "margin_mode": "unified",
        "account_status": "normal",
    }


@given(st.lists(wild_positions, max_size=3).map(tuple), st.lists(wild_pools, max_size=2).map(tuple))
@settings(max_examples=25)
def test_of_whatever_a_venue_says_something_can_be_shown(
    positions: tuple[Position, ...], pools: tuple[MarginPool, ...]
) -> None:
    found = figures_of(assess(AccountSnapshot(pools=pools, positions=positions), RiskSettings()))
    assert len(found.positions) == len(positions)
    assert not math.isnan(order_of(found))
    one = standing(found=found)
    page = account_page(one, NOW, Shown(telemetry_path="/metrics", shard="", at=AT, renew=0)).decode()
    assert not re.search(r"\b(nan|inf)\b", page, re.IGNORECASE)
    json.loads(one_account(one, NOW, AT))
