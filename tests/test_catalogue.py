"""The metric catalogue: names and labels are what dashboards, rules and users build on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from mypy import api as mypy_api
from prometheus_client.parser import text_string_to_metric_families

from exporter.catalogue import ALL_FAMILIES, FAMILIES, OWN_FAMILIES
from exporter.exposition import Format, Store, render
from exporter.family import Family, RowFamily
from exporter.telemetry import Telemetry
from tests.accounts import complete_risk

ACCOUNT = "exchange account"
POOL = "exchange account currency"
POSITION = "exchange account symbol side margin_mode currency [position_id]"

# Written out once more, by hand: a rename must be a decision, because it breaks what users built.
EXPECTED = {
    "risk_account_equity": POOL,
    "risk_account_adjusted_equity": POOL,
    "risk_account_margin_equity": POOL,
    "risk_account_equity_usd": POOL,
    "risk_account_wallet_balance": POOL,
    "risk_account_available_balance": POOL,
    "risk_account_withdrawable_balance": POOL,
    "risk_account_unrealized_pnl": POOL,
    "risk_account_initial_margin": POOL,
    "risk_account_open_order_margin": POOL,
    "risk_account_maintenance_margin": POOL,
    "risk_account_closing_fees": POOL,
    "risk_account_maintenance_margin_rate": POOL,
    "risk_account_venue_margin_rate": POOL,
    "risk_account_margin_to_target": POOL,
    "risk_account_reduction_to_target_ratio": POOL,
    "risk_account_gross_notional_usd": POOL,
    "risk_account_net_notional_usd": POOL,
    "risk_account_leverage_ratio": POOL,
    "risk_account_liquidation_shock_ratio": f"{POOL} direction",
    "risk_account_cross_liquidation_shock_ratio": f"{POOL} direction",
    "risk_account_stress_maintenance_margin_rate": f"{POOL} margin_mode shock",
    "risk_account_volatility_stress_maintenance_margin_rate": f"{POOL} shock volatility_shift",
    "risk_account_stress_equity_usd": f"{POOL} shock volatility_shift",
    "risk_account_delta_usd": "exchange account base",
    "risk_account_gamma_usd": "exchange account base",
    "risk_account_vega_usd": "exchange account base",
    "risk_account_theta_usd": "exchange account base",
    "risk_account_info": f"{ACCOUNT} [position_mode] [asset_mode] [margin_mode] [account_status]",
    "risk_asset_wallet_balance": "exchange account asset",
    "risk_asset_equity": "exchange account asset",
    "risk_asset_price_usd": "exchange account asset",
    "risk_position_quantity": POSITION,
    "risk_position_notional_usd": POSITION,
    "risk_position_largest_notional": POSITION,
    "risk_position_entry_price": POSITION,
    "risk_position_mark_price": POSITION,
    "risk_position_liquidation_price": POSITION,
    "risk_position_liquidation_distance_ratio": POSITION,
    "risk_position_liquidation_cross_check_ratio": POSITION,
    "risk_position_unrealized_pnl": POSITION,
    "risk_position_realized_pnl": POSITION,
    "risk_position_funding_rate": POSITION,
    "risk_position_next_funding_timestamp_seconds": POSITION,
    "risk_position_accrued_funding": POSITION,
    "risk_position_leverage_ratio": POSITION,
    "risk_position_initial_margin": POSITION,
    "risk_position_maintenance_margin": POSITION,
    "risk_position_closing_fee": POSITION,
    "risk_position_maintenance_margin_rate": POSITION,
    "risk_position_margin": POSITION,
    "risk_position_margin_to_target": POSITION,
    "risk_position_reduction_to_target_ratio": POSITION,
    "risk_position_adl_ratio": POSITION,
    "risk_position_info": f"{POSITION} base quote contract_kind liquidation_source [right]",
    "risk_position_option_value_usd": POSITION,
    "risk_position_strike_price": POSITION,
    "risk_position_expiry_timestamp_seconds": POSITION,
    "risk_position_underlying_price": POSITION,
    "risk_position_implied_volatility": POSITION,
    "risk_position_delta": POSITION,
    "risk_position_delta_usd": POSITION,
    "risk_position_gamma": POSITION,
    "risk_position_vega": POSITION,
    "risk_position_theta": POSITION,
    "risk_positions": ACCOUNT,
    "risk_positions_without_liquidation_price": ACCOUNT,
    "risk_up": ACCOUNT,
    "risk_account_owner_info": f"{ACCOUNT} [desk] [owner]",
    "risk_account_limit": f"{ACCOUNT} limit [severity]",
    "risk_collector_last_success_timestamp_seconds": ACCOUNT,
    "risk_collector_interval_seconds": ACCOUNT,
    "risk_collector_max_age_seconds": ACCOUNT,
    "risk_collector_runs_total": ACCOUNT,
    "risk_collector_errors_total": f"{ACCOUNT} reason",
    "risk_collector_optional_errors_total": ACCOUNT,
    "risk_collector_skipped_runs_total": ACCOUNT,
    "risk_collector_duration_seconds": "exchange",
    "risk_api_requests_total": "exchange endpoint status",
    "risk_api_request_duration_seconds": "exchange",
    "risk_api_rate_limit_used_ratio": "exchange",
    "risk_api_clock_offset_seconds": "exchange",
    "risk_api_blocked_until_timestamp_seconds": "exchange",
    "risk_marks_last_success_timestamp_seconds": "exchange",
    "risk_marks_interval_seconds": "exchange",
    "risk_collector_sub_accounts": "exchange account",
    "risk_collector_sub_accounts_up": "exchange account",
    "risk_exporter_saturation_ratio": "",
    "risk_exporter_event_loop_delay_seconds": "",
    "risk_exporter_collections_waiting": "",
    "risk_exporter_collections_wait_seconds_total": "",
    "risk_exporter_requests_waiting": "",
    "risk_exporter_config_last_reload_successful": "",
    "risk_exporter_config_last_reload_success_timestamp_seconds": "",
    "risk_exporter_config_info": "hash",
    "risk_exporter_web_config_last_reload_successful": "",
    "risk_exporter_web_config_last_reload_success_timestamp_seconds": "",
    "risk_exporter_shard_info": "index count",
    "risk_exporter_shards": "",
    "risk_exporter_build_info": "version revision python_version",
    "risk_api_key_permission": f"{ACCOUNT} permission",
    "risk_api_key_ip_restricted": ACCOUNT,
    "risk_api_key_expiry_timestamp_seconds": ACCOUNT,
    "risk_collector_effective_interval_seconds": ACCOUNT,
    "risk_collector_next_attempt_timestamp_seconds": f"{ACCOUNT} reason",
    "risk_budget_limit_per_minute": "budget address",
    "risk_budget_allowed_per_minute": "budget address",
    "risk_budget_needed_per_minute": "budget address",
    "risk_budget_used_per_minute": "budget address",
    "risk_budget_others_per_minute": "budget address",
    "risk_budget_free_weight": "budget address",
    "risk_budget_waiting": "budget address",
    "risk_budget_wait_seconds_total": "budget address",
    "risk_budget_stretch_ratio": "budget address",
}


def labels_of(family: Family) -> set[str]:
    return {*family.labels, *(f"[{label}]" for label in family.optional_labels)}


def test_names_and_labels_are_as_documented() -> None:
    """A label in brackets is left out where it is empty."""
    found = {family.name: labels_of(family) for family in ALL_FAMILIES}
    assert found == {name: set(labels.split()) for name, labels in EXPECTED.items()}


def test_no_family_is_listed_twice() -> None:
    assert len({family.name for family in ALL_FAMILIES}) == len(ALL_FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_help_of_account_families_says_which_values_there_are(family: Family) -> None:
    text = family.help
    if family.range.low < 0.0:
        text = text.replace("not negative", "")
    assert any(words in text for words in family.range.words), family.range
    assert ("+Inf" in text) == math.isinf(family.range.high)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_and_ranges_agree(family: Family) -> None:
    """What is a rate of margins may be infinite, a time is above 0, a price too."""
    low, high = family.range.low, family.range.high
    assert low <= high
    assert math.isinf(high) == family.name.endswith("margin_rate")
    if family.name.endswith("_timestamp_seconds") or (
        family.name.endswith("_price") and "without" not in family.name
    ):
        assert low == math.ulp(0.0)
    if family.name.endswith("_pnl"):
        assert low < 0.0


UNITS = {
    "_usd": "US dollars",
    "_price": "quote currency",
    "_pnl": "units of the currency label",
    "_margin": "units of the currency label",
    "_balance": "units of the",
    "_equity": "units of the",
    "_ratio": "ratio",
    "_rate": "ratio",
    "_seconds": "seconds",
}


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.name)
def test_help_states_the_unit_that_the_name_promises(family: Family) -> None:
    ending = "_" + family.name.rpartition("_")[2]
    if family.name.endswith("liquidation_distance_ratio"):
        assert family.help.startswith("Relative move")
    elif ending in UNITS and not family.name.endswith("without_liquidation_price"):
        unit = UNITS[ending]
        assert unit in family.help.replace("Unix seconds", "seconds")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_account_family_is_a_gauge_with_one_way_to_read_it(family: RowFamily[Any]) -> None:
    assert family.type == "gauge"
    assert (family.value is None) != (family.samples is None)


@pytest.mark.parametrize("family", OWN_FAMILIES, ids=lambda family: family.name)
def test_counters_and_only_counters_end_in_total(family: Family) -> None:
    assert family.name.endswith("_total") == (family.type == "counter")


def test_an_account_with_every_value_known_publishes_every_family_with_its_labels() -> None:
    chunks = render("binance_usdm", "desk-a", complete_risk())
    assert list(chunks) == [family.name for family in FAMILIES]
    store = Store(Telemetry(), elapsed=lambda: 0.0)
    store.put("binance_usdm", "desk-a", chunks, taken_at=0.0, max_age=1.0)
    parsed = {
        family.name: family
        for family in text_string_to_metric_families(store.page(Format.TEXT_0_0_4).decode())
    }
    for family in FAMILIES:
        page_family = parsed[family.name]
        assert page_family.documentation == family.help
        assert page_family.type == family.type
        for sample in page_family.samples:
            assert set(sample.labels) >= set(family.labels)
            assert set(sample.labels) <= {*family.labels, *family.optional_labels}


MISTAKE = """
from exporter.catalogue import POOL, _family
from exporter.family import ANY

_family(POOL, "account_equity", ANY, "Help.", lambda row: row.pool.{field})
"""


@pytest.mark.parametrize(("field", "wrong"), [("equity", False), ("eqity", True), ("currency", True)])
def test_a_family_that_reads_what_its_rows_do_not_have_is_a_type_error(
    field: str, wrong: bool, tmp_path: Path
) -> None:
    """Neither a name that is not there nor a value that is no number gets as far as a test."""
    path = tmp_path / "mistake.py"
    path.write_text(MISTAKE.format(field=field))
    report, complaints, status = mypy_api.run(["--strict", "--config-file=", str(path)])
    assert complaints == ""
    assert (status == 1, "mistake.py:5: error:" in report) == (wrong, wrong), report
