"""Whose an account is and when somebody is told: from the configuration to the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter import config, desk
from exporter.account import labels_of
from exporter.config import ConfigError
from exporter.desk import AccountLabels, AccountLimits
from exporter.exposition import Format
from exporter.telemetry import Telemetry
from tests.toy import toy

ACCOUNT = """
  - name: main
    exchange: bingx
    api_key: k
    api_secret: s
"""


def loaded(directory: Path, text: str) -> config.Config:
    path = directory / "risk-exporter.yml"
    path.write_text(text)
    return config.load(path)


def limits_of(found: config.Config) -> dict[tuple[str, str], float]:
    (account,) = found.accounts
    return {(name, severity): value for name, severity, value in account.limits.values()}


def test_without_a_configuration_every_limit_has_its_default(tmp_path: Path) -> None:
    found = limits_of(loaded(tmp_path, f"accounts:{ACCOUNT}"))
    assert found["liquidation_distance", "critical"] == 0.05
    assert found["liquidation_distance", "warning"] == 0.08
    assert found["maintenance_margin_rate", "critical"] == 0.8
    assert found["min_notional_usd", ""] == 100.0
    assert {name for name, _ in found} == {kind.name for kind in desk.KINDS} | {"min_notional_usd"}


def test_an_account_overrides_the_section_and_the_section_the_defaults(tmp_path: Path) -> None:
    text = f"""
limits:
  liquidation_distance: 0.04
  min_notional_usd: 5000
accounts:{ACCOUNT}
    labels: {{desk: basis, owner: anna}}
    limits:
      min_notional_usd: 0
      maintenance_margin_rate: {{critical: 0.9}}
"""
    found = loaded(tmp_path, text)
    limits = limits_of(found)
    assert [limits["liquidation_distance", one] for one in desk.SEVERITIES] == [0.16, 0.064, 0.04]
    assert limits["min_notional_usd", ""] == 0.0
    assert limits["maintenance_margin_rate", "critical"] == 0.9
    assert limits["maintenance_margin_rate", "warning"] == 0.5
    assert found.accounts[0].labels == AccountLabels(desk="basis", owner="anna")


def test_a_default_gives_way_to_a_given_limit_of_another_severity() -> None:
    limits = AccountLimits.model_validate(
        {"liquidation_distance": {"warning": 0.02}, "leverage": {"warning": 4}}
    )
    found = {(name, severity): value for name, severity, value in limits.values()}
    assert [found["liquidation_distance", one] for one in desk.SEVERITIES] == [0.2, 0.02, 0.02]
    assert [found["leverage", one] for one in ("info", "warning")] == [4.0, 4.0]


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ("{distance: 0.1}", "unknown field; known: "),
        ("{liquidation_distance: near}", "expected a number, or numbers by severity"),
        ("{liquidation_distance: 5}", "expected a number above 0 and up to 1"),
        ("{liquidation_distance: {warning: 0.05, critical: 0.1}}", "a more severe limit is below"),
        ("{maintenance_margin_rate: {warning: 0.9, critical: 0.8}}", "a more severe limit is above"),
        ("{leverage: {critical: 20}}", "has limits by these severities: info, warning"),
        ("{liquidation_distance: {urgent: 0.05}}", "expected one of 'info', 'warning' or 'critical'"),
        ("{min_notional_usd: -1}", "must be at least 0"),
        ("0.05", "expected fields, such as liquidation_distance"),
    ],
)
def test_a_mistake_is_named_with_its_line(limits: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, f"accounts:{ACCOUNT}    limits: {limits}\n")
    (problem,) = caught.value.problems
    assert complaint in problem.message
    assert problem.line == 6


def test_labels_are_desk_and_owner_and_read_well(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown field") as caught:
        loaded(tmp_path, f'accounts:{ACCOUNT}    labels: {{desk: "a\\nb", team: x}}\n')
    assert len(caught.value.problems) == 2


def test_the_page_has_both_until_the_account_is_removed() -> None:
    telemetry = Telemetry()
    telemetry.add_account("bingx", "main", interval=15.0, max_age=45.0)
    labels = AccountLabels(desk="basis")
    telemetry.desk("bingx", "main", labels, AccountLimits.model_validate({"liquidation_distance": 0.04}))
    for format_ in Format:
        lines = b"".join(telemetry.exposition(format_)).decode().splitlines()
        assert 'risk_account_owner_info{account="main",exchange="bingx",desk="basis"} 1.0' in lines
        distance = 'account="main",exchange="bingx",limit="liquidation_distance"'
        assert f'risk_account_limit{{{distance},severity="critical"}} 0.04' in lines
        assert 'risk_account_limit{account="main",exchange="bingx",limit="min_notional_usd"} 100.0' in lines
    telemetry.remove_account("bingx", "main")
    assert "risk_account_limit" not in b"".join(telemetry.exposition(Format.TEXT_0_0_4)).decode()


def test_a_milder_limit_that_would_be_beyond_all_is_as_far_as_can_be_meant() -> None:
    limits = AccountLimits.model_validate({"liquidation_distance": 0.3})
    assert limits.liquidation_distance == {"info": 1.0, "warning": 0.48, "critical": 0.3}


def test_pages_have_the_labels_that_were_given() -> None:
    assert labels_of(toy("http://venue.test", labels={"owner": "mia"}).config) == {"owner": "mia"}
    assert labels_of(toy("http://venue.test").config) == {}


def test_every_default_has_a_reason() -> None:
    for kind in desk.KINDS:
        given = [default for default in kind.defaults.values() if default is not None]
        assert given, kind.name
        assert all(len(default.reason) > 20 for default in given), kind.name
