"""Random accounts that are alive and have something at stake."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from msgspec.structs import replace

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
from tests.risk.oracle import STILL, Move, isolated_rate, leg_requirement, own_equity, pool_rate, stands_alone

# BNFCR, a dollar coin, has no price anywhere.
PRICES = {"BTC": 40_000.0, "ETH": 2_500.0, "BFUSD": 0.998, "USDT": 1.002, "EUR": 1.1}


@dataclass(frozen=True)
class Scenario:
    """A snapshot with one pool, and the settings to assess it with."""

    snapshot: AccountSnapshot
    settings: RiskSettings = SETTINGS

    @property
    def pool(self) -> MarginPool:
        return self.snapshot.pools[0]

    @property
    def alone(self) -> list[Position]:
        """The positions that are pools of their own."""
        return [row for row in self.snapshot.positions if stands_alone(row)]

    @property
    def backed(self) -> list[Position]:
        """The positions that the pool backs."""
        return [row for row in self.snapshot.positions if not stands_alone(row)]

    def rate(self, factor: float, row: Position) -> float:
        """What backs a position, after its symbol's mark alone was multiplied."""
        move = Move(marks={row.symbol: factor}, settings=self.settings)
        if stands_alone(row):
            return isolated_rate(row, move)
        return pool_rate(self.snapshot, self.pool, move)

    def shocked_rate(self, factor: float) -> float:
        """The pool's rate after the USD price of every coin was multiplied."""
        move = Move(coins=factor, settings=self.settings)
        return pool_rate(self.snapshot, self.pool, move)

    def worst_isolated_rate(self, factor: float) -> float:
        """The highest rate of an isolated position after the USD price of every coin was multiplied."""
        move = Move(coins=factor, settings=self.settings)
        return max((isolated_rate(row, move) for row in self.alone), default=0.0)

    def highest_rate(self, factor: float) -> float:
        """The highest rate of anything in the account after such a shock."""
        return max(self.shocked_rate(factor), self.worst_isolated_rate(factor))

    def rate_kept(self, kept: float, added: float = 0.0) -> float:
        """The pool's rate if a share of each of its positions is kept, and money added."""
        return pool_rate(self.snapshot, self.pool, STILL, kept, added)


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
    notional_target = draw(amounts(50.0, 5_000.0)) / PRICES.get(contract.settle, 1.0)
    if contract.kind == "inverse":
        notional_target *= mark
    fee = draw(st.one_of(st.just(0.0), amounts(1e-4, 2e-3)))
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
                closing_fee_rate=fee,
                maintenance_tiers=schedule,
                pool_currency=pool_currency,
            )
        )
    return rows


@st.composite
def isolated(draw: st.DrawFn, contract: Contract, pool_currency: str | None, *, jump: bool) -> Position:
    """A living isolated position."""
    row = draw(legs(contract, pool_currency=pool_currency, long_only=False, jump=jump))[0]
    row = replace(row, margin_mode="isolated", margin=0.0)
    required = sum(leg_requirement([row], STILL))
    return replace(row, margin=required * draw(amounts(1.05, 60.0)) - own_equity(row))


def contracts(kind: str, draw: st.DrawFn) -> list[Contract]:
    """What a pool of a kind trades: some move with the market, some against it, some not at all."""
    if kind == "linear":
        some = [linear(f"C{index}", size=0.5) for index in range(draw(st.integers(1, 4)))]
        # A dollar coin's own market stands still in a shock.
        return [*some, *([linear("FDUSD")] if draw(st.booleans()) else [])]
    if kind == "inverse":
        quotes = ("USD", "EUR", "ETH")[: draw(st.integers(1, 3))]
        return [Contract(kind="inverse", size=100.0, base="BTC", quote=one, settle="BTC") for one in quotes]
    possible = [
        inverse("ETH", 10.0),
        # Pairs of two coins that move, paid in a coin that moves.
        linear("C1", settle="BTC"),
        linear("ETH", settle="BTC"),
        # A mark that falls when coins rise.
        linear("USDC", settle="BTC"),
        linear("C2", settle="BNFCR"),
    ]
    return [linear("C0"), *draw(st.lists(st.sampled_from(possible), unique=True, max_size=3))]


@st.composite
def collateral(draw: st.DrawFn, currency: str) -> list[Asset]:
    """What a multi-asset pool holds and owes, some of it near nothing, at its haircuts."""
    coins = draw(st.lists(st.sampled_from(["BTC", "ETH", "USDT", "BFUSD", "BNFCR"]), unique=True))
    assets = []
    for coin in coins:
        price = PRICES.get(coin, 1.0)
        amount = draw(amounts(-500.0, 3_000.0)) / price
        haircut = draw(st.booleans())
        assets.append(
            Asset(
                asset=coin,
                equity=amount,
                collateral_price_usd=price * draw(amounts(0.7, 1.0)) if haircut else None,
                debt_price_usd=price * draw(amounts(1.0, 1.2)) if haircut else None,
                margin_price_usd=price * draw(amounts(1.0, 1.2)) if haircut else None,
                pool_currency=currency,
            )
        )
    return assets


@st.composite
def scenarios(
    draw: st.DrawFn,
    *,
    kind: str = "any",
    long_only: bool = False,
    jump: bool = False,
    alone: bool = True,
) -> Scenario:
    """A living pool: linear, coin-margined, of several assets in USD, or of several assets in a coin.

    With ``alone`` some have isolated positions beside it, and some nothing else.
    """
    chosen = draw(st.sampled_from(["linear", "inverse", "multi", "coin"])) if kind == "any" else kind
    currency = {"linear": "USDT", "inverse": "BTC", "multi": "USD", "coin": "BTC"}[chosen]
    pool_currency = currency if chosen in ("multi", "coin") else None
    rows: list[Position] = []
    for contract in contracts(chosen, draw):
        rows += draw(legs(contract, pool_currency=pool_currency, long_only=long_only, jump=jump))
    if draw(st.booleans()):
        # Isolated, but the cross wallet is behind it.
        rows[-1] = replace(rows[-1], margin_mode="isolated", auto_add_margin=True)
    assets = draw(collateral(currency)) if pool_currency else []
    if alone and draw(st.booleans()):
        if draw(st.booleans()):
            rows = []
        settle = {"linear": "USDT", "inverse": "BTC", "multi": "USDT", "coin": "BTC"}[chosen]
        for index in range(draw(st.integers(1, 3))):
            one = Contract(kind="linear", size=1.0, base=f"I{index}", quote=settle, settle=settle)
            rows.append(draw(isolated(one, pool_currency, jump=jump)))
    probe = AccountSnapshot(
        pools=(MarginPool(currency=currency, margin_equity=1.0),),
        positions=tuple(row for row in rows if not stands_alone(row)),
        assets=tuple(assets),
        prices=PRICES,
    )
    required = pool_rate(probe, probe.pools[0])
    fees = required - pool_rate(
        replace(probe, positions=tuple(replace(row, closing_fee_rate=0.0) for row in probe.positions)),
        probe.pools[0],
    )
    others = draw(st.one_of(st.none(), amounts(0.0, 2.0)))
    total = None if others is None else (required - fees) * (1.0 + others)
    burden = required if total is None else total + fees
    equity = max(burden, 1e-9) * draw(amounts(1.05, 60.0))
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
