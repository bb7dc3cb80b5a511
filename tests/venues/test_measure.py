"""A wrong claim about what a field feeds cannot pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from exporter.account import ApiKeyConfig
from exporter.api import Api
from exporter.model import AccountSnapshot, MarginPool
from exporter.request import Endpoint
from exporter.venues.base import Venue
from exporter.wire import Number, Required, Wire
from tests.venues import harness, measure
from tests.venues.bench import Bench, Rows, Scenario

BALANCE = Endpoint("/balance")
DOCUMENT = {"equity": "100.5", "printedAt": 1700000000, "limits": {"a": 1, "b": "2"}, "name": "x"}


class Balance(Wire):
    equity: Required
    printedAt: Number = None


class Honest(Venue[ApiKeyConfig]):
    """Publishes the equity and reads nothing else."""

    name = "honest"
    title = "Honest"
    documentation = "https://example.com"
    config_class = ApiKeyConfig
    base_url = None
    endpoints = (BALANCE,)
    unread: ClassVar[Mapping[Endpoint, Mapping[str, str]]] = {
        BALANCE: {"the time of the answer": "printedAt", "rules": "limits.*"}
    }

    async def fetch(self, api: Api) -> AccountSnapshot:
        balance = await api.get(BALANCE, Balance)
        return AccountSnapshot(pools=(MarginPool(currency="USDT", equity=balance.equity),))


def honest_bench(document: Any) -> Bench:
    return Bench(
        venue="honest",
        config={"api_key": "k", "api_secret": "s"},
        check=lambda request, body: None,  # noqa: ARG005 (the form of a check)
        scenarios={"documented": Scenario({BALANCE: document})},
        rows=Rows(scenario="documented", endpoint=BALANCE, size="equity", liquidation_price=None, price=""),
        refused_time=None,
        failure=(500, {}),
    )


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "discover", lambda: {"honest": Honest})


@pytest.fixture
async def effects() -> measure.Effects:
    """What is measured of the honest venue."""
    return await measure.measured(honest_bench(DOCUMENT))


async def test_an_account_that_cannot_be_collected_is_no_measure() -> None:
    """Each change that mends it would seem to feed everything."""
    with pytest.raises(ValueError, match=r"'documented' is a failure of the collection: .*equity"):
        await measure.measured(honest_bench({**DOCUMENT, "equity": ""}))


def test_what_a_number_feeds_is_seen_and_not_claimed(effects: measure.Effects) -> None:
    moved = effects[BALANCE]
    assert moved["equity"] >= {"risk_account_equity", "risk_account_equity_usd"}
    assert moved["printedAt"] == moved["limits.a"] == moved["limits.b"] == frozenset()
    assert "name" not in moved


def test_the_truth_passes(effects: measure.Effects) -> None:
    assert measure.complaints(Honest, effects) == []


@pytest.mark.parametrize(
    ("unread", "complaint"),
    [
        (
            {"the time": "printedAt", "rules": "limits.*", "a lie": "equity"},
            "equity is listed as unread and moves",
        ),
        ({"rules": "limits.*"}, "printedAt moves nothing and is not listed"),
        ({"the time": "printedAt", "rules": "limits.a"}, "limits.b moves nothing and is not listed"),
        ({"the time": "printedAt oldName", "rules": "limits.*"}, "oldName is listed as unread and is in no"),
        ({"the time": "printedAt", "rules": "limits.*", "once more": "b"}, "limits.b is listed as unread by"),
    ],
)
def test_a_lie_is_found(effects: measure.Effects, unread: dict[str, str], complaint: str) -> None:
    class Liar(Honest):
        pass

    Liar.unread = {BALANCE: unread}
    (found,) = measure.complaints(Liar, effects)
    assert complaint in found


def test_reasons_for_a_call_without_a_documented_answer_are_found(effects: measure.Effects) -> None:
    class Liar(Honest):
        pass

    other: Any = Endpoint("/other")
    Liar.unread = {**Honest.unread, other: {"nobody knows": "x"}}
    assert measure.complaints(Liar, effects) == ["/other: has no documented answer"]
