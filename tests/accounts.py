"""Accounts for tests: one with every value known, and a venue that says what it is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from exporter.account import ApiKeyConfig
from exporter.api import Api, Client
from exporter.collector import Collector
from exporter.errors import VenueError
from exporter.exposition import Format, Store
from exporter.model import (
    AccountRisk,
    AccountSnapshot,
    Asset,
    CoinGreeks,
    Contract,
    Greeks,
    MarginPool,
    OptionTerms,
    PoolRisk,
    Position,
    PositionRisk,
    RiskSettings,
)
from exporter.request import Endpoint
from exporter.telemetry import Telemetry
from exporter.venues import AnyVenue
from exporter.venues.base import Venue

API_KEY = "key-0123456789abcdef"
API_SECRET = "secret/of+this=account"
PROXY = "http://proxyuser:proxypass@127.0.0.1:9"

BTC_LINEAR = Contract(kind="linear", size=1.0, base="BTC", quote="USDT", settle="USDT")


def sample(telemetry: Telemetry, name: str, labels: dict[str, str]) -> float | None:
    """The value of one of the exporter's own samples as a page has it; None if there is none."""
    page = b"".join(telemetry.exposition(Format.TEXT_0_0_4)).decode()
    lines = [line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for found in family.samples:
            if (found.name, found.labels) == (name, labels):
                return found.value
    return None


class FakeClock:
    """Unix seconds that move when told to."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def position(symbol: str = "BTCUSDT", **fields: Any) -> Position:
    """A long cross position of 1 at 100."""
    values: dict[str, Any] = {
        "side": "long",
        "margin_mode": "cross",
        "quantity": 1.0,
        "contract": BTC_LINEAR,
        "entry_price": 100.0,
        **fields,
    }
    return Position(symbol=symbol, **values)


def snapshot(*positions: Position, equity: float = 1000.0, **fields: Any) -> AccountSnapshot:
    """A USDT account with these positions."""
    pool = MarginPool(currency="USDT", equity=equity, margin_equity=equity, maintenance_margin=10.0)
    return AccountSnapshot(**{"pools": (pool,), "positions": positions, **fields})


def risk_of(
    *positions: PositionRisk,
    pools: tuple[PoolRisk, ...] = (),
    assets: tuple[Asset, ...] = (),
    **fields: Any,
) -> AccountRisk:
    """What is published of rows that are assessed already."""
    return AccountRisk(
        snapshot=AccountSnapshot(
            pools=tuple(one.pool for one in pools),
            positions=tuple(one.position for one in positions),
            assets=assets,
            modes=fields.pop("modes", {}),
            prices=fields.pop("prices", {}),
        ),
        pools=pools,
        positions=positions,
        **fields,
    )


def complete_risk() -> AccountRisk:
    """An account in which every value of every family is known and no two are equal."""
    return risk_of(
        PositionRisk(
            position=position(
                margin_mode="isolated",
                quantity=301.0,
                entry_price=302.0,
                mark_price=9.0,  # what is published is the one of the assessment
                liquidation_price=9.0,
                unrealized_pnl=9.0,
                maintenance_margin=9.0,
                realized_pnl=-303.0,
                leverage=304.0,
                initial_margin=305.0,
                margin=306.0,
                largest_notional=315.0,
                funding_rate=-0.316,
                next_funding_at=317.0,
                accrued_funding=-318.0,
                adl_ratio=0.75,
                position_id="7",
            ),
            mark_price=307.0,
            notional_usd=308.0,
            unrealized_pnl=-309.0,
            maintenance_margin=310.0,
            closing_fee=319.0,
            maintenance_margin_rate=0.311,
            margin_to_target=320.0,
            reduction_to_target=0.321,
            liquidation_price=312.0,
            liquidation_source="computed",
            liquidation_distance_ratio=0.313,
            liquidation_cross_check_ratio=-0.314,
        ),
        PositionRisk(
            position=position(
                "BTC-PUT",
                contract=Contract(kind="option", size=1.0, base="BTC", quote="USD", settle="BTC"),
                entry_price=None,
                quantity=401.0,
                option=OptionTerms(strike=402.0, expires_at=403.0, right="put"),
            ),
            liquidation_source="none",
            option_value_usd=404.0,
            delta_usd=-415.0,
            greeks=Greeks(
                delta=-405.0,
                gamma=406.0,
                vega=407.0,
                theta=-408.0,
                implied_volatility=0.409,
                underlying_price=410.0,
            ),
        ),
        pools=(
            PoolRisk(
                pool=MarginPool(
                    currency="USDT",
                    equity=9.0,  # what is published is the one of the assessment
                    adjusted_equity=9.0,
                    margin_equity=9.0,
                    maintenance_margin=9.0,
                    wallet_balance=103.0,
                    available_balance=104.0,
                    unrealized_pnl=-105.0,
                    initial_margin=106.0,
                    open_order_margin=117.0,
                    withdrawable_balance=118.0,
                    venue_margin_rate=0.107,
                ),
                equity=101.0,
                adjusted_equity=119.0,
                equity_usd=108.0,
                margin_equity=102.0,
                maintenance_margin=109.0,
                closing_fees=120.0,
                maintenance_margin_rate=0.11,
                margin_to_target=121.0,
                reduction_to_target=0.122,
                gross_notional_usd=111.0,
                net_notional_usd=-112.0,
                leverage_ratio=113.0,
                liquidation_shock_up=0.114,
                liquidation_shock_down=0.115,
                cross_liquidation_shock_up=0.123,
                cross_liquidation_shock_down=0.124,
                stress=((-0.1, 0.116), (0.05, float("inf"))),
                isolated_stress=((-0.1, 0.125),),
                volatility_stress=((-0.1, 0.05, 0.126),),
                stress_equity=((-0.1, 0.0, 127.0), (0.0, 0.05, -128.0)),
            ),
        ),
        assets=(Asset(asset="BTC", wallet_balance=201.0, equity=202.0),),
        greeks=(CoinGreeks(base="BTC", delta_usd=411.0, gamma_usd=412.0, vega_usd=413.0, theta_usd=-414.0),),
        modes={
            "position_mode": "hedge",
            "asset_mode": "multi",
            "margin_mode": "unified",
            "account_status": "normal",
        },
        prices={"BTC": 203.0, "XRP": 9.0, "DOGE": 0.0},
        prices_usd={"BTC": 9.0, "USDT": 1.0},
    )


Script = Callable[[], Awaitable[AccountSnapshot]]


class ScriptedVenue(Venue[ApiKeyConfig]):
    """A venue that does what the test's script says; it asks nobody."""

    name = "scripted"
    title = "Scripted venue"
    documentation = "https://example.org"
    config_class = ApiKeyConfig
    base_url = "https://example.org"
    endpoints: ClassVar[tuple[Endpoint, ...]] = ()

    script: Script | None = None
    server_clock: float | VenueError | None = None
    """What it says when asked for the time."""
    asked_for_time = 0

    async def server_time(self, api: Api) -> float | None:  # noqa: ARG002 (it asks nobody)
        self.asked_for_time += 1
        if isinstance(self.server_clock, VenueError):
            raise self.server_clock
        return self.server_clock

    async def fetch(self, api: Api) -> AccountSnapshot:  # noqa: ARG002 (it asks nobody)
        assert self.script is not None
        return await self.script()

    def says(self, said: AccountSnapshot) -> None:
        """From now on the venue answers with this."""

        async def script() -> AccountSnapshot:
            return said

        self.script = script

    def fails(self, error: BaseException) -> None:
        """From now on this is raised."""

        async def script() -> AccountSnapshot:
            raise error

        self.script = script


def scripted(name: str = "desk-a", **fields: Any) -> ScriptedVenue:
    """A scripted account with secrets."""
    config = ApiKeyConfig(
        name=name,
        exchange="scripted",
        api_key=SecretStr(API_KEY),
        api_secret=SecretStr(API_SECRET),
        proxy=SecretStr(PROXY),
        **fields,
    )
    return ScriptedVenue(config)


class Bench:
    """A store, its telemetry and collectors, all on one fake clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.telemetry = Telemetry(wall=self.clock)
        self.store = Store(self.telemetry, elapsed=self.clock)
        self.client = Client(self.telemetry, wall=self.clock, elapsed=self.clock)

    def collector(self, venue: AnyVenue) -> Collector:
        return Collector(
            venue,
            self.client.account(venue),
            RiskSettings(),
            self.store,
            self.telemetry,
            wall=self.clock,
            elapsed=self.clock,
        )
