"""Every family says which values it can have, and a venue's value outside is refused where it is written."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from exporter.catalogue import FAMILIES
from exporter.errors import VenueError
from exporter.exposition import planned, render
from exporter.family import RowFamily
from exporter.model import AccountRisk, AccountSnapshot, MarginPool, RiskSettings
from exporter.risk import assess
from tests.accounts import complete_risk, position

POOL_FIELDS = {
    "initial_margin": ("risk_account_initial_margin", -0.01),
    "open_order_margin": ("risk_account_open_order_margin", -1.0),
    "withdrawable_balance": ("risk_account_withdrawable_balance", -1.0),
    "venue_margin_rate": ("risk_account_venue_margin_rate", -0.1),
    "maintenance_margin": ("risk_account_maintenance_margin", -5.0),
    "wallet_balance": ("risk_account_wallet_balance", math.inf),
}
POSITION_FIELDS = {
    "quantity": ("risk_position_quantity", 0.0),
    "entry_price": ("risk_position_entry_price", 0.0),
    "mark_price": ("risk_position_mark_price", -3.0),
    "leverage": ("risk_position_leverage_ratio", 0.0),
    "initial_margin": ("risk_position_initial_margin", -0.01),
    "maintenance_margin": ("risk_position_maintenance_margin", -5.0),
    "largest_notional": ("risk_position_largest_notional", -1.0),
    "next_funding_at": ("risk_position_next_funding_timestamp_seconds", 0.0),
    "adl_ratio": ("risk_position_adl_ratio", 1.25),
}


def account(pool: dict[str, Any], row: dict[str, Any]) -> AccountRisk:
    one = position(margin_mode="isolated", **{"mark_price": 100.0, "margin": 10.0, **row})
    pools = (MarginPool(currency="USDT", **{"equity": 1000.0, **pool}),)
    return assess(AccountSnapshot(pools=pools, positions=(one,)), RiskSettings())


def refusal(risk: AccountRisk) -> str:
    with pytest.raises(VenueError) as caught:
        render("x", "desk", risk)
    assert caught.value.reason == "schema"
    return caught.value.message


@pytest.mark.parametrize("field", POOL_FIELDS)
def test_a_pools_value_that_the_reference_excludes_fails_the_account(field: str) -> None:
    family, value = POOL_FIELDS[field]
    text = refusal(account({field: value}, {}))
    assert text.startswith(f'{family}{{exchange="x",account="desk",currency="USDT"}} is outside its range: ')
    assert f"{value:g}" not in text.rpartition("range")[2] or value == 0.0


@pytest.mark.parametrize("field", POSITION_FIELDS)
def test_a_positions_value_that_the_reference_excludes_fails_the_account(field: str) -> None:
    family, value = POSITION_FIELDS[field]
    text = refusal(account({}, {field: value}))
    assert text.startswith(f'{family}{{exchange="x",account="desk",symbol="BTCUSDT",side="long"')


def only(family: RowFamily[Any], value: float) -> RowFamily[Any]:
    """The family with one value for every row."""
    if family.value is not None:
        return replace(family, value=lambda _: value, said=None)
    return replace(family, samples=lambda _: [((("extra", "1"),), value)])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_refuses_what_is_outside_and_writes_what_is_on_the_border(
    family: RowFamily[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = family.range.low, family.range.high
    for value in (low, high):
        monkeypatch.setattr("exporter.exposition._PLAN", planned((only(family, value),)))
        assert list(render("x", "a", complete_risk())) == [family.name]
    for value in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf)):
        if value != high:
            monkeypatch.setattr("exporter.exposition._PLAN", planned((only(family, value),)))
            assert f"is outside its range: {family.range.text}" in refusal(complete_risk())
    monkeypatch.setattr("exporter.exposition._PLAN", planned((only(family, math.nan),)))
    assert render("x", "a", complete_risk()) == {}


def test_an_account_within_all_ranges_is_published_whole() -> None:
    assert render("x", "desk", account({}, {}))


def test_what_funding_took_beyond_the_collateral_costs_neither_the_account_nor_the_rate() -> None:
    """-20 of collateral and 100 of profit back a requirement of 8: a tenth."""
    row = {"margin": -20.0, "entry_price": 200.0, "side": "short", "maintenance_margin": 8.0}
    chunks = render("x", "desk", account({}, row))
    assert "risk_position_margin" not in chunks
    assert chunks["risk_position_maintenance_margin_rate"].endswith(b" 0.1\n")
    assert b" 0.1\n" not in chunks["risk_account_maintenance_margin_rate"]
