"""Less and less often after failures, a few for all in an outage, and at once back when the venue answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.backoff import KEY_REASONS, OUTAGE_REASONS, PROBES, Backoff, Outage
from exporter.errors import REASONS, Reason
from tests.accounts import FakeClock

INTERVAL = 15.0


def pauses(
    reason: Reason, count: int, *, chance: float = 0.0, interval: float = INTERVAL
) -> list[float | None]:
    backoff, found = Backoff(lambda: chance), []
    for _ in range(count):
        backoff.failed(reason)
        found.append(backoff.pause(interval))
    return found


@pytest.mark.parametrize("reason", sorted(OUTAGE_REASONS))
def test_failures_that_may_be_an_outage_are_tried_less_and_less_often(reason: Reason) -> None:
    """At the usual time while data are still published, then up to 8 intervals apart."""
    assert pauses(reason, 7) == [None, None, 30.0, 60.0, 120.0, 120.0, 120.0]


@pytest.mark.parametrize("reason", sorted(KEY_REASONS))
def test_what_only_a_person_repairs_is_tried_once_a_minute_after_three_failures(reason: Reason) -> None:
    assert pauses(reason, 5) == [None, None, 60.0, 60.0, 60.0]
    assert pauses(reason, 3, interval=300.0) == [None, None, 300.0]


@pytest.mark.parametrize("reason", sorted(set(REASONS) - KEY_REASONS - OUTAGE_REASONS))
def test_other_failures_are_tried_at_the_usual_time(reason: Reason) -> None:
    assert pauses(reason, 20) == [None] * 20


@given(chance=st.floats(0.0, 1.0), interval=st.floats(1.0, 3600.0))
def test_chance_spreads_the_tries_and_breaks_no_bound(chance: float, interval: float) -> None:
    for pause in pauses("network", 10, chance=chance, interval=interval)[2:]:
        assert pause is not None
        assert interval <= pause <= 8 * interval
    for pause in pauses("auth", 5, chance=chance, interval=interval)[2:]:
        assert pause is not None
        assert pause >= 60.0
    assert pauses("network", 3, chance=1.0) != pauses("network", 3, chance=0.0)


def test_a_success_ends_it() -> None:
    backoff = Backoff(lambda: 0.0)
    for _ in range(5):
        backoff.failed("network")
    backoff.succeeded()
    assert backoff.pause(INTERVAL) is None
    backoff.failed("network")
    assert backoff.pause(INTERVAL) is None


def test_failures_of_another_kind_are_counted_anew() -> None:
    backoff = Backoff(lambda: 0.0)
    for reason in ("network", "timeout", "exchange", "auth", "auth"):
        backoff.failed(reason)
    assert backoff.pause(INTERVAL) is None
    backoff.failed("permission")
    assert backoff.pause(INTERVAL) == 60.0


class Fleet:
    """Accounts of one venue, and who was brought back when."""

    def __init__(self, count: int) -> None:
        self.clock = FakeClock()
        self.outage = Outage(self.clock)
        self.names = [f"desk-{number}" for number in range(count)]
        self.back: dict[str, float] = {}
        for name in self.names:
            self.outage.join(name)

    def fails(self, name: str, reason: Reason = "network", *, away: bool = True) -> None:
        def run_in(seconds: float) -> None:
            self.back[name] = seconds

        self.outage.tried(name, reason, INTERVAL, run_in if away else None)

    def succeeds(self, name: str) -> None:
        self.outage.tried(name, None, INTERVAL, None)


def test_in_an_outage_a_few_try_for_all() -> None:
    fleet = Fleet(100)
    for name in fleet.names:
        fleet.fails(name)
    tries = 0
    for _ in range(600):  # a minute, in which everybody would like to
        tries += sum(fleet.outage.may_try(INTERVAL) for _ in fleet.names)
        fleet.clock.advance(0.1)
    assert tries == pytest.approx(60.0 / INTERVAL * PROBES, abs=1)


def test_while_anybody_gets_an_answer_everybody_tries_for_himself() -> None:
    fleet = Fleet(3)
    fleet.fails("desk-0")
    fleet.fails("desk-1")
    assert [fleet.outage.may_try(INTERVAL) for _ in range(5)] == [True] * 5


def test_the_first_answer_brings_all_back_one_after_another() -> None:
    fleet = Fleet(11)
    for name in fleet.names:
        fleet.fails(name)
    fleet.succeeds("desk-3")
    assert sorted(fleet.back.values()) == pytest.approx([0.5 * place for place in range(1, 11)])
    assert "desk-3" not in fleet.back


def test_a_refused_key_is_an_answer() -> None:
    fleet = Fleet(2)
    for name in fleet.names:
        fleet.fails(name)
    fleet.fails("desk-0", "auth")
    assert list(fleet.back) == ["desk-1"]


def test_who_still_tries_at_the_usual_time_needs_no_bringing_back() -> None:
    fleet = Fleet(2)
    fleet.fails("desk-0")
    fleet.fails("desk-1", away=False)
    fleet.succeeds("desk-0")
    assert fleet.back == {}


def test_a_large_fleet_comes_back_over_a_longer_time_but_within_an_interval() -> None:
    fleet = Fleet(10_000)
    for name in fleet.names:
        fleet.fails(name)
    fleet.succeeds("desk-0")
    assert max(fleet.back.values()) == INTERVAL
    assert len(set(fleet.back.values())) == 9_999


def test_an_account_that_is_gone_is_no_part_of_it() -> None:
    fleet = Fleet(3)
    fleet.fails("desk-0")
    fleet.fails("desk-1")
    fleet.outage.leave("desk-2")
    assert fleet.outage.total
    fleet.outage.leave("desk-0")
    fleet.succeeds("desk-1")
    assert fleet.back == {}
    assert not fleet.outage.total
