"""OKX: figures that are beside a position or a coin and are not its own."""

from __future__ import annotations

import pytest

from exporter.errors import VenueError
from exporter.model import RiskSettings
from exporter.risk import assess
from exporter.venues._okx import BALANCE, CONFIG, INSTRUMENTS, POSITIONS
from tests.venues.harness import QuietObserver
from tests.venues.payloads.okx.bench import OPTION, balance, config, isolated, linear, snapshot_of, success

SETTINGS = RiskSettings()


async def test_in_portfolio_margin_what_a_whole_risk_unit_requires_is_no_position_s_own() -> None:
    """The venue repeats it beside each of the unit's positions: together they would require it twice."""
    rows = [linear(instId=name, mmr="80", imr="120") for name in ("BTC-USDT-SWAP", "BTC-USDC-SWAP")]
    rows.append(isolated(mmr="0.3296428"))
    figures = balance(mmr="80", imr="120", mgnRatio="500")
    answers = {CONFIG: config(4), BALANCE: figures, POSITIONS: success(*rows)}
    risk = assess(await snapshot_of(answers), SETTINGS)
    margins = [(one.maintenance_margin, one.position.initial_margin) for one in risk.positions]
    assert margins == [(None, None), (None, None), (pytest.approx(0.3296428), None)]
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(1 / 500)


@pytest.mark.parametrize(("mode", "side"), [("cash", "yes"), ("isolated", "net"), ("", "")])
async def test_an_event_contract_costs_nobody_his_other_positions(mode: str, side: str) -> None:
    """It is paid in full. What it does to the figures of its pool is not known."""
    event = {
        **OPTION,
        "instId": "BTC-ABOVE-DAILY-001",
        "instType": "EVENTS",
        "mgnMode": mode,
        "posSide": side,
    }
    snapshot = await snapshot_of({POSITIONS: success(linear(), event)})
    assert [one.symbol for one in snapshot.positions] == ["BTC-USDT-SWAP"]
    assert snapshot.pools[0].unlisted


@pytest.mark.parametrize("field", ["instId", "instType"])
async def test_a_position_without_a_name_or_a_kind_is_no_answer(field: str) -> None:
    with pytest.raises(VenueError, match=f"`{field}` is empty"):
        await snapshot_of({POSITIONS: success(linear(**{field: ""}))})


async def test_a_list_of_no_contracts_is_no_list() -> None:
    observer = QuietObserver()
    (position,) = (await snapshot_of({INSTRUMENTS: success()}, observer=observer)).positions
    assert position.symbol == "BTC-USDT-SWAP"
    assert "no contract of the kind SWAP is listed" in observer.optional_failures[0].message


async def test_the_ratio_is_what_it_is_where_the_venue_leaves_out_the_equity_in_it() -> None:
    risk = assess(await snapshot_of({BALANCE: balance(adjEq="", mgnRatio="2.5")}), SETTINGS)
    assert risk.pools[0].maintenance_margin_rate == pytest.approx(1 / 2.5)


async def test_a_coin_that_counts_is_collateral_whatever_its_switch_says() -> None:
    """In the documented account all that there is counts and is not `collateralEnabled`."""
    (asset,) = (await snapshot_of({})).assets
    assert asset.collateral_price_usd == pytest.approx(4991.542013297616 / 4992.890093622894)
