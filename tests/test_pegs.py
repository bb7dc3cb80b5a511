"""A peg that no account needs is said once, when all have been seen."""

from __future__ import annotations

from structlog.testing import capture_logs

from exporter.check import unseen_pegs
from exporter.config import Config
from exporter.model import RiskSettings
from exporter.pegs import PegWatch, unseen
from tests.accounts import risk_of

PEGS = {"USD": 1.0, "USDT": 1.0, "FDUSD": 1.0, "XAUT": 2000.0, "XUAT": 2000.0}
WITH_GOLD = risk_of(prices_usd={"XAUT": 2000.0})
WITHOUT = risk_of(prices_usd={"BTC": 60000.0})


def test_a_pegged_coin_that_no_account_has_is_missed_and_a_dollar_coin_is_not() -> None:
    assert unseen(PEGS, [WITH_GOLD, WITHOUT]) == ["XUAT"]
    assert unseen(PEGS, [risk_of(prices_usd={"xuat": 2000.0, "XAUT": 2000.0})]) == []


def test_nothing_is_said_before_every_account_has_been_seen_and_then_once() -> None:
    watch = PegWatch(PEGS, ["a", "b"])
    with capture_logs() as logs:
        watch.saw("a", WITHOUT)
        watch.saw("a", WITHOUT)
        assert logs == []
        watch.saw("b", WITH_GOLD)
        watch.saw("b", WITHOUT)
    assert [(line["log_level"], line["usd_pegs"]) for line in logs] == [("warning", "XUAT")]


def test_nothing_is_said_if_every_coin_turns_up() -> None:
    watch = PegWatch({"XAUT": 2000.0}, ["a"])
    with capture_logs() as logs:
        watch.saw("a", WITH_GOLD)
    assert logs == []


def test_a_check_of_all_accounts_names_the_coins_that_none_has() -> None:
    config = Config(accounts=(), risk=RiskSettings(usd_pegs=PEGS))
    assert "no account has XUAT;" in unseen_pegs(config, [WITH_GOLD, WITHOUT])
    assert unseen_pegs(config, [WITH_GOLD, None]) == ""
    assert unseen_pegs(Config(accounts=()), [WITHOUT]) == ""
