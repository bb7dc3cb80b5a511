"""BingX in multi-assets mode: one pool in USD, whoever the key lets see it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from aiohttp import web

from exporter.api import Client
from exporter.errors import VenueError
from exporter.model import AccountSnapshot, Asset, MarginPool, RiskSettings
from exporter.risk import assess
from exporter.venues._bingx import share_of
from tests.venues.harness import NOW, MemoryTransport, QuietObserver, exposition, make_venue
from tests.venues.payloads.bingx.bench import (
    CONFIG,
    DENIED,
    MULTI_ASSETS,
    MULTI_MODE,
    NAME,
    READ_ONLY,
    UNKNOWN_PATH,
    answers,
    check,
    document,
    row,
    rows,
    snapshot_of,
)

USDT, BTC = 1.00069818, 90230.3058075903
# Of the made account: 0.4 BTC, 500 USDT of debt, and a short of 0.5 BTC-USDT at 90,300 in the first tier.
BACKING = 0.4 * BTC * 0.95 - 500 * USDT
REQUIRED = 45150 * (0.0038 + 0.0005) * USDT


def coin(asset: str, equity: float, **changed: str) -> dict[str, str]:
    """A row of the balance call without unrealized PnL."""
    amounts = {"balance": str(equity), "equity": str(equity), "unrealizedProfit": "0"}
    return {"asset": asset, **amounts, "usedMargin": "0", "freezedMargin": "0", **changed}


def balances(*coins: dict[str, str]) -> dict[str, Any]:
    return {"code": 0, "msg": "", "data": list(coins)}


def short(risk: str, **changed: Any) -> dict[str, Any]:
    """The position of the made account."""
    return {**document("multi_assets_positions.json")["data"][0], "riskRate": risk, **changed}


READ = {**MULTI_ASSETS, **READ_ONLY}
LISTED = balances(*document("multi_assets_balance.json")["data"], coin("BTC", 0.4))
"""The balance call, if it lists what is collateral only. The documentation says that it does not."""


async def pool_of(**changed: Any) -> MarginPool:
    (pool,) = (await snapshot_of(**changed)).pools
    return pool


def assert_nothing_is_made_up(snapshot: AccountSnapshot, rate: float) -> None:
    """What the venue prints is there, and nothing that follows from a part of the coins."""
    (pool,) = snapshot.pools
    assert pool == MarginPool(currency="USD", venue_margin_rate=rate)
    # A part of the coins would look like the account.
    assert snapshot.assets == ()
    text = exposition(NAME, "desk", snapshot)
    assert "Inf" not in text
    assert "risk_account_maintenance_margin_rate{" not in text
    assert "risk_account_liquidation_shock_ratio{" not in text
    assert "risk_position_liquidation_price{" not in text


class TestAccount:
    async def test_collateral_counts_less_its_haircut_and_a_debt_in_full(self) -> None:
        snapshot = await snapshot_of(**MULTI_ASSETS)
        (pool,) = snapshot.pools
        assert pool.currency == "USD"
        assert pool.equity == pytest.approx(0.4 * BTC - 500 * USDT)
        assert pool.adjusted_equity == pytest.approx(BACKING)
        assert pool.margin_equity == pytest.approx(BACKING)
        assert pool.wallet_balance == pytest.approx(0.4 * BTC - 850 * USDT)
        assert pool.unrealized_pnl == pytest.approx(350 * USDT)
        assert pool.initial_margin == pytest.approx(2275 * USDT)
        assert pool.open_order_margin == 0.0
        assert pool.maintenance_margin is None
        assert pool.venue_margin_rate == 0.0057
        assert snapshot.assets == (
            Asset(
                asset="USDT",
                wallet_balance=-850.0,
                equity=-500.0,
                collateral_price_usd=USDT * 0.9999,
                debt_price_usd=USDT,
                margin_price_usd=USDT,
            ),
            Asset(
                asset="BTC",
                wallet_balance=0.4,
                equity=0.4,
                collateral_price_usd=BTC * 0.95,
                debt_price_usd=BTC,
                margin_price_usd=BTC,
            ),
        )
        assert snapshot.prices == {"USDT": USDT, "BTC": BTC}
        assert snapshot.modes == {"position_mode": "hedge", "asset_mode": "multi"}

    async def test_the_rate_is_that_of_the_venue_and_the_price_on_the_losing_side(self) -> None:
        risk = assess(await snapshot_of(**MULTI_ASSETS), RiskSettings())
        (pool,), (position,) = risk.pools, risk.positions
        assert pool.maintenance_margin_rate == pytest.approx(REQUIRED / BACKING, rel=1e-6)
        assert pool.maintenance_margin_rate == pytest.approx(0.0057, abs=1e-4)
        assert position.liquidation_price is not None
        assert position.liquidation_price > 90_300

    async def test_isolated_margin_and_open_orders_of_a_coin_back_nothing(self) -> None:
        held = [{"currency": "BTC", "totalAmount": "0.4"}]
        usdt = coin("USDT", 1000.0, usedMargin="302.5", freezedMargin="100")
        isolated = row(
            symbol="BTC-USDT", isolated=True, margin="302.5", unrealizedProfit="2.5", riskRate="0.02"
        )
        pool = await pool_of(
            asset_mode=MULTI_MODE,
            balance=balances(usdt),
            positions=rows(isolated),
            margin_assets=balances(*held),
        )
        assert pool.equity == pytest.approx(0.4 * BTC + 1000 * USDT)
        assert pool.adjusted_equity == pytest.approx(0.4 * BTC * 0.95 + 1000 * USDT * 0.9999)
        assert pool.margin_equity == pytest.approx(0.4 * BTC * 0.95 + 597.5 * USDT * 0.9999)
        assert pool.open_order_margin == pytest.approx(100 * USDT)

    async def test_a_coin_whose_ratio_is_not_told_leaves_everything_unknown(self) -> None:
        balance = balances(coin("USDT", 1000.0), coin("SHIB", 5e6))
        pool = await pool_of(asset_mode=MULTI_MODE, balance=balance, positions=rows(short("0.2000")))
        assert pool == MarginPool(currency="USD", venue_margin_rate=0.2)

    @pytest.mark.parametrize("missing", [UNKNOWN_PATH, web.Response(status=404), web.Response(status=500)])
    async def test_without_the_rules_so_does_every_coin(self, missing: Any) -> None:
        assert_nothing_is_made_up(await snapshot_of(**{**MULTI_ASSETS, "rules": missing}), 0.0057)

    @pytest.mark.parametrize(
        "missing",
        [DENIED, web.Response(status=500), balances({"currency": "", "totalAmount": "0.4"})],
        ids=["denied", "failing", "without a name"],
    )
    async def test_coins_that_are_not_shown_are_not_left_out_of_a_sum(self, missing: Any) -> None:
        assert_nothing_is_made_up(await snapshot_of(**{**MULTI_ASSETS, "margin_assets": missing}), 0.0057)

    @pytest.mark.parametrize(
        ("risk", "factor"),
        [("0.0086", 1.5), ("0.0029", 0.5), ("0.0180", None), ("0.0010", None)],
        ids=["open orders", "an older schedule", "far above", "far below"],
    )
    async def test_the_requirement_follows_the_risk_rate_within_a_factor_of_two(
        self, risk: str, factor: float | None
    ) -> None:
        pool = await pool_of(**{**MULTI_ASSETS, "positions": rows(short(risk))})
        if factor is None:
            assert pool == MarginPool(currency="USD", venue_margin_rate=float(risk))
            return
        assert pool.margin_equity == pytest.approx(BACKING)
        assert pool.maintenance_margin == pytest.approx(REQUIRED * factor - 45150 * 0.0005 * USDT, rel=0.02)


class TestRecognised:
    """The asset mode is told only to keys that may trade."""

    async def test_by_a_coin_that_is_collateral_only(self) -> None:
        snapshot = await snapshot_of(**{**READ, "balance": LISTED})
        told = await snapshot_of(**MULTI_ASSETS)
        assert snapshot.modes == {"asset_mode": "multi"}
        assert (snapshot.pools, snapshot.assets) == (told.pools, told.assets)

    async def test_by_a_coin_that_is_used_up(self) -> None:
        """It printed +Inf, and a liquidation price on the wrong side of the mark."""
        snapshot = await snapshot_of(**READ)
        assert snapshot.modes == {"asset_mode": "multi"}
        assert_nothing_is_made_up(snapshot, 0.0057)

    async def test_by_a_debt_beside_another_coin_where_no_risk_rate_is_printed(self) -> None:
        balance = balances(coin("USDT", -500.0), coin("USDC", 9000.0))
        for positions in (rows(), rows(short(""))):
            snapshot = await snapshot_of(**READ_ONLY, balance=balance, positions=positions)
            assert snapshot.modes == {"asset_mode": "multi"}
            assert "Inf" not in exposition(NAME, "desk", snapshot)

    async def test_by_a_risk_rate_that_only_all_coins_together_explain(self) -> None:
        balance = balances(coin("USDT", 400.0), coin("USDC", 5000.0))
        backing = 400 * USDT * 0.9999 + 5000 * 0.9998772499 * 0.9999
        risk = f"{REQUIRED / backing:.4f}"
        snapshot = await snapshot_of(**READ_ONLY, balance=balance, positions=rows(short(risk)))
        assert snapshot.modes == {"asset_mode": "multi"}
        assert snapshot.pools[0].margin_equity == pytest.approx(backing)

    async def test_without_cross_positions_the_listed_coins_are_the_account(self) -> None:
        balance = balances(coin("USDT", 100.0), coin("BTC", 0.4))
        pool = await pool_of(**READ_ONLY, balance=balance, positions=rows())
        assert pool.equity == pytest.approx(100 * USDT + 0.4 * BTC)

    @pytest.mark.parametrize("rules", [UNKNOWN_PATH, web.Response(status=500)])
    async def test_without_the_rules_what_cannot_be_known_is_absent(self, rules: Any) -> None:
        assert_nothing_is_made_up(await snapshot_of(**{**READ, "balance": LISTED, "rules": rules}), 0.0057)


class TestSingleAssetMode:
    """What looks like multi-assets mode and is not."""

    @pytest.mark.parametrize("asset_mode", [DENIED, None])
    async def test_a_pool_that_the_venue_liquidates_has_no_equity_left(self, asset_mode: Any) -> None:
        balance = balances(coin("USDT", -5.0), coin("USDC", 9000.0))
        snapshot = await snapshot_of(asset_mode=asset_mode, balance=balance, positions=rows(short("1.2000")))
        assert "asset_mode" not in snapshot.modes
        (usdt, _) = assess(snapshot, RiskSettings()).pools
        assert usdt.maintenance_margin_rate == math.inf

    async def test_a_mode_that_is_told_is_believed(self) -> None:
        balance = balances(coin("USDT", -5.0), coin("BTC", 0.4))
        snapshot = await snapshot_of(balance=balance, positions=rows(short("0.1")))
        assert snapshot.modes["asset_mode"] == "single"
        assert [pool.currency for pool in snapshot.pools] == ["USDT", "BTC"]

    async def test_coins_that_each_back_their_own_positions_are_two_pools(self) -> None:
        balance = balances(coin("USDT", 1000.0), coin("USDC", 9000.0))
        snapshot = await snapshot_of(**READ_ONLY, balance=balance, positions=rows(short("0.1941")))
        assert snapshot.modes == {}
        assert [(pool.currency, pool.margin_equity) for pool in snapshot.pools] == [
            ("USDT", 1000.0),
            ("USDC", 9000.0),
        ]

    async def test_an_older_schedule_alone_is_no_other_mode(self) -> None:
        """The venue's rate is a little more than half of what the tiers give, and no other coin is there."""
        balance = balances(coin("USDT", 1000.0))
        pool = await pool_of(**READ_ONLY, balance=balance, positions=rows(short("0.1000")))
        assert (pool.currency, pool.equity, pool.margin_equity) == ("USDT", 1000.0, 1000.0)
        assert pool.maintenance_margin == pytest.approx(100 - 22.575)

    @pytest.mark.parametrize(("equity", "risk"), [(1000.0, "0.0485"), (-1.0, "0.9000"), (100.0, "0.9000")])
    async def test_what_else_backs_the_positions_is_not_known_and_neither_are_they(
        self, equity: float, risk: str
    ) -> None:
        """The venue's rate is a quarter of what the tiers give: perhaps there is a coin that is not shown."""
        balance = balances(coin("USDT", equity))
        snapshot = await snapshot_of(**READ_ONLY, balance=balance, positions=rows(short(risk)))
        assert snapshot.modes == {}
        (pool,) = assess(snapshot, RiskSettings()).pools
        assert (pool.pool.equity, pool.margin_equity, pool.maintenance_margin_rate) == (None, None, None)
        assert (pool.pool.wallet_balance, pool.pool.venue_margin_rate) == (equity, float(risk))
        assert "risk_position_liquidation_price{" not in exposition(NAME, "desk", snapshot)
        # Where the venue says that nothing else does, they are known.
        told = await pool_of(balance=balance, positions=rows(short(risk)))
        assert (told.equity, told.margin_equity) == (equity, equity)

    async def test_a_mode_that_was_told_is_remembered_while_the_venue_does_not_answer(self) -> None:
        now = NOW
        transport = MemoryTransport(answers(**MULTI_ASSETS), check, wall=lambda: now)
        async with Client(
            QuietObserver(), wall=lambda: now, elapsed=lambda: now, transport=transport
        ) as client:
            venue = make_venue(NAME, "http://venue.test", CONFIG)
            api = client.account(venue)
            before = (await venue.fetch(api)).pools
            transport.answers = answers(**{**MULTI_ASSETS, "asset_mode": web.Response(status=500)})
            now += 1200.0
            assert (await venue.fetch(api)).pools == before


class TestCalls:
    @pytest.mark.parametrize(
        ("changed", "rules", "margin_assets"),
        [
            ({}, 0, 0),
            ({**READ_ONLY}, 0, 0),
            ({**MULTI_ASSETS}, 1, 1),
            # A key that is refused again and again is shut out, and this one would be.
            ({**READ}, 1, 0),
        ],
        ids=["single", "read-only", "multi-assets", "read-only in multi-assets"],
    )
    async def test_only_an_account_in_that_mode_asks_for_it(
        self, changed: dict[str, Any], rules: int, margin_assets: int
    ) -> None:
        transport = MemoryTransport(answers(**changed), check)
        async with Client(QuietObserver(), wall=lambda: NOW, transport=transport) as client:
            venue = make_venue(NAME, "http://venue.test", CONFIG)
            await venue.fetch(client.account(venue))
        paths = [one.path for one in transport.asked]
        assert paths.count("/openApi/swap/v1/trade/multiAssetsRules") == rules
        assert paths.count("/openApi/swap/v1/user/marginAssets") == margin_assets

    async def test_an_unknown_mode_is_not_told(self) -> None:
        other = {"code": 0, "msg": "", "data": {"assetMode": "unifiedMode"}}
        assert "asset_mode" not in (await snapshot_of(asset_mode=other)).modes


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("95.00%", 0.95),
        (" 100% ", 1.0),
        ("0.95", 0.95),
        (0.95, 0.95),
        (1, 1.0),
        ("0%", 0.0),
        ("", None),
        (None, None),
        ("%", None),
    ],
)
def test_a_share_in_any_spelling(text: str | float | None, share: float | None) -> None:
    assert share_of(text, "ratio") == share


@pytest.mark.parametrize("text", ["101%", "95", "-1%", "nan", "a%", 1e9])
async def test_what_is_no_share_is_a_schema_error_that_names_it(text: str | float) -> None:
    with pytest.raises(ValueError, match="collateralValueRatio"):
        share_of(text, "collateralValueRatio")
    observer = QuietObserver()
    rules = document("multi_assets_rules.json")
    rules["data"][0]["collateralValueRatio"] = text
    snapshot = await snapshot_of(observer=observer, **{**MULTI_ASSETS, "rules": rules})
    assert_nothing_is_made_up(snapshot, 0.0057)
    (failure,) = observer.optional_failures
    assert isinstance(failure, VenueError)
    assert failure.reason == "schema"
    assert "collateralValueRatio" in failure.message
