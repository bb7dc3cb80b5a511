"""Binance COIN-M: what rows say of positions."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.harness import (
    NOW,
)
from tests.venues.payloads.binance_coinm.bench import (
    account,
    account_row,
    assessed,
    asset,
    document,
    plain_brackets,
    position_of,
    row,
    snapshot_of,
)


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

    async def test_without_a_mark_the_entry_price_tells_an_absurd_liquidation_price(self) -> None:
        absurd = row(markPrice="", unRealizedProfit="", entryPrice="0.16", liquidationPrice="5000")
        snapshot = await snapshot_of(account=account(account_row()), position_risk=[absurd])
        assert assessed(snapshot).positions[0].liquidation_source != "venue"

    async def test_other_calls_may_give_an_object_in_place_of_an_array(self) -> None:
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

    async def test_prices_that_a_cache_kept_are_absent(self) -> None:
        """No header tells it, and the rows do."""
        index = [{**document("premium_index.json")[0], "time": (NOW - 3600.0) * 1000}]
        snapshot = await snapshot_of(position_risk=[row()], premium_index=index)
        assert (snapshot.prices, snapshot.positions[0].funding_rate) == ({}, None)

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
