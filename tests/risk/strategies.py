"""Random pools that are alive and have something at stake."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from exporter.model import (
    AccountSnapshot,
    Asset,
    Contract,
    MaintenanceTier,
    MarginPool,
    Position,
    RiskSettings,
)
from tests.risk.accounts import SETTINGS, inverse, linear, tiers
from tests.risk.oracle import rate_after

PRICES = {"BTC": 40_000.0, "ETH": 2_500.0}


@dataclass(frozen=True)
class Scenario:
    """A snapshot with one pool, and the settings to assess it with."""

    snapshot: AccountSnapshot
    settings: RiskSettings = SETTINGS

    @property
    def pool(self) -> MarginPool:
        return self.snapshot.pools[0]

    def rate(self, moves: dict[str, float]) -> float:
        """The pool's rate with symbols' marks multiplied, by the definition."""
        return rate_after(self.snapshot, self.pool, self.settings, moves)

    def shocked_rate(self, factor: float) -> float:
        """The pool's rate with all marks and all unpegged coins multiplied."""
        moves = {row.symbol: factor for row in self.snapshot.positions}
        return rate_after(self.snapshot, self.pool, self.settings, moves, coins=factor)


def amounts(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def schedules(draw: st.DrawFn, notional: float, *, jump: bool) -> tuple[MaintenanceTier, ...]:
    """A schedule with borders on both sides of a notional, continuous unless it shall jump."""
    rate = draw(amounts(0.003, 0.02))
    floor = 0.0
    steps = [(floor, rate)]
    for _ in range(draw(st.integers(0, 4))):
        floor += notional * draw(amounts(0.05, 3.0))
        rate = min(rate * draw(amounts(1.0, 2.5)), 0.6)
        steps.append((floor, rate))
    return tiers(*steps, jump=jump)


@st.composite
def legs(
    draw: st.DrawFn, contract: Contract, *, pool_currency: str | None, long_only: bool, jump: bool
) -> list[Position]:
    """One symbol's cross positions: one way, or a hedged pair; with tiers, or a rate of the venue's own."""
    mark = draw(amounts(0.5, 50_000.0))
    kinds = ["long"] if long_only else ["long", "short", "pair"]
    kind = draw(st.sampled_from(kinds))
    notional_target = draw(amounts(50.0, 5_000.0))
    rows = []
    schedule = None
    for side in ("long", "short"):
        if kind not in (side, "pair"):
            continue
        assert contract.size is not None
        value = notional_target * (draw(amounts(0.3, 1.7)) if kind == "pair" else 1.0)
        if contract.kind == "linear":
            quantity, notional = value / (mark * contract.size), value
        else:
            quantity, notional = value / contract.size, value / mark
        if schedule is None:
            schedule = draw(st.one_of(st.just(()), schedules(notional, jump=jump)))
        rows.append(
            Position(
                symbol=f"{contract.base}{contract.quote}",
                side="long" if side == "long" else "short",
                margin_mode="cross",
                quantity=quantity,
                contract=contract,
                entry_price=mark * draw(amounts(0.7, 1.4)),
                mark_price=mark,
                maintenance_margin=None if schedule else notional * draw(amounts(0.003, 0.05)),
                maintenance_tiers=schedule,
                pool_currency=pool_currency,
            )
        )
    return rows


def _required(rows: list[Position], currency: str) -> float:
    """What the rows require today, in the pool's currency."""
    probe = AccountSnapshot(
        pools=(MarginPool(currency=currency, margin_equity=1.0),), positions=tuple(rows), prices=PRICES
    )
    return rate_after(probe, probe.pools[0], SETTINGS, {})


@st.composite
def scenarios(draw: st.DrawFn, *, kind: str = "any", long_only: bool = False, jump: bool = False) -> Scenario:
    """A living pool: linear, coin-margined, of several assets in USD, or of several assets in a coin."""
    chosen = draw(st.sampled_from(["linear", "inverse", "multi", "coin"])) if kind == "any" else kind

    def some(contract: Contract, pool_currency: str | None = None) -> list[Position]:
        return draw(legs(contract, pool_currency=pool_currency, long_only=long_only, jump=jump))

    rows: list[Position] = []
    assets: list[Asset] = []
    if chosen == "linear":
        currency = "USDT"
        for index in range(draw(st.integers(1, 5))):
            rows += some(linear(f"C{index}", size=0.5))
    elif chosen == "inverse":
        currency = "BTC"
        for quote in ("USD", "EUR")[: draw(st.integers(1, 2))]:
            rows += some(Contract(kind="inverse", size=100.0, base="BTC", quote=quote, settle="BTC"))
    else:
        currency = "USD" if chosen == "multi" else "BTC"
        rows += some(linear("C0"), currency)
        if draw(st.booleans()):
            rows += some(inverse("ETH", 10.0), currency)
        if draw(st.booleans()):
            # A linear contract paid in a coin that moves: its PnL in USD bends.
            rows += some(linear("C1", settle="BTC"), currency)
        coins = draw(st.lists(st.sampled_from(["BTC", "ETH", "USDT"]), unique=True))
        for coin in coins:
            amount = draw(amounts(-500.0, 3_000.0)) / PRICES.get(coin, 1.0)
            assets.append(Asset(asset=coin, equity=amount, pool_currency=currency))
    required = _required(rows, currency)
    others = draw(st.one_of(st.none(), amounts(0.0, 2.0)))
    total = None if others is None else required * (1.0 + others)
    burden = required if total is None else total
    equity = burden * draw(amounts(1.05, 60.0))
    return Scenario(
        AccountSnapshot(
            pools=(
                MarginPool(currency=currency, margin_equity=equity, equity=equity, maintenance_margin=total),
            ),
            positions=tuple(rows),
            assets=tuple(assets),
            prices=PRICES,
        )
    )
