"""Sub-accounts of a Binance master account in COIN-M: margin modes are told, liquidation prices are not."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.model import AccountSnapshot
from exporter.venues._binance_coinm import EXCHANGE_INFO, LEVERAGE_BRACKET
from exporter.venues._binance_members import ACCOUNT, POSITIONS
from tests.venues.payloads.binance_coinm.bench import LISTED, assessed, document, plain_brackets, sub_row
from tests.venues.payloads.binance_usdm.members import of_member


async def coinm_of(**changed: Any) -> AccountSnapshot:
    told = document("sub_account_futures.json")
    answers = {ACCOUNT: told, POSITIONS: {"deliveryPositionRiskVos": [sub_row(**changed)]}}
    schedule = [{**plain_brackets()[0], "symbol": "BTCUSD_201225"}]
    more = {EXCHANGE_INFO: LISTED, LEVERAGE_BRACKET: schedule}
    return await of_member("binance_coinm", {**answers, **more})


async def test_the_documented_inverse_position_is_cross_and_its_liquidation_is_computed() -> None:
    snapshot = await coinm_of(
        unrealizedProfit="0", entryPrice="10000", markPrice="10000", positionAmount="60"
    )
    (held,), (pool,) = snapshot.positions, assessed(snapshot).pools
    assert (held.margin_mode, held.margin, held.liquidation_price) == ("cross", None, None)
    assert snapshot.modes == {"position_mode": "one_way"}
    assert pool.margin_equity == 0.88308
    (position,) = assessed(snapshot).positions
    # 60 contracts of 100 USD: 6000 (1/10000 - 1/P) + 0.88308 = 6000 × 0.004 / P
    assert position.liquidation_source == "computed"
    assert position.liquidation_price == pytest.approx(6000 * 1.004 / (0.88308 + 0.6), rel=1e-9)


@pytest.mark.parametrize(
    "fields",
    [
        {"isolated": "true", "isolatedWallet": "0.002"},
        *(
            {
                "isolated": isolated,
                "isolatedWallet": None,
                "isolatedMargin": "0.00098387705",
                "unrealizedProfit": "-0.00101612295",
            }
            for isolated in (True, None)
        ),
    ],
    ids=["wallet", "margin with its PnL", "no mode"],
)
async def test_an_isolated_inverse_position_has_its_own_collateral(fields: dict[str, Any]) -> None:
    snapshot = await coinm_of(**fields)
    (held,), (pool,) = snapshot.positions, assessed(snapshot).pools
    assert held.margin_mode == "isolated"
    assert held.margin == pytest.approx(0.002)
    own = 0.002 + (held.unrealized_pnl or 0.0)
    assert pool.margin_equity == pytest.approx(0.88308 - own)
    assert pool.maintenance_margin_rate == 0.0
