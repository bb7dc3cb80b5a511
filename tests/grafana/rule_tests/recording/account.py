"""What is known about accounts."""

from __future__ import annotations

from typing import Final

from tests.grafana.rule_tests.recording.expected import recorded
from tests.grafana.rule_tests.trials import Test
from tests.grafana.rule_tests.world import KEY, MAIN, POOL, POSITION, World, selector, span

_SMALL: Final = "risk:account:small_notional_usd:known"
_SOLD: Final = {
    **POSITION,
    "symbol": "BTC-PUT",
    "side": "short",
    "base": "BTC",
    "quote": "USD",
    "contract_kind": "option",
    "liquidation_source": "none",
    "right": "put",
}
_COIN_POOL: Final = {**MAIN, "currency": "BTC"}


def tests() -> list[Test]:
    return [
        recorded(
            "a pool with hardly a notional is small, unless its account sold options: also while it is blind",
            World(
                60,
                accounts={KEY: span(("ok", 30), ("blind", 30))},
                data=[
                    ("risk_account_equity", POOL, [1000.0]),
                    ("risk_account_gross_notional_usd", POOL, [10.0]),
                    ("risk_position_info", _SOLD, span((None, 10), (1.0, 1))),
                ],
            ),
            (_SMALL, 9, [(selector(_SMALL, POOL), 10)]),
            (_SMALL, 20, []),
            (_SMALL, 50, []),
            (
                "risk:account:short_options:known",
                50,
                [(selector("risk:account:short_options:known", MAIN), 1)],
            ),
        ),
        recorded(
            "a pool whose requirement is missing keeps what was known until the pool is gone",
            World(
                60,
                accounts={KEY: []},
                data=[
                    ("risk_account_equity", POOL, span((1000.0, 40), (None, 1))),
                    ("risk_account_gross_notional_usd", POOL, span((12000.0, 20), (None, 1))),
                    ("risk_account_leverage_ratio", POOL, span((12.0, 20), (None, 1))),
                    ("risk_account_maintenance_margin_rate", POOL, span((0.9, 20), (None, 1))),
                    (
                        "risk_account_liquidation_shock_ratio",
                        {**POOL, "direction": "down"},
                        span((0.03, 20), (None, 1)),
                    ),
                ],
            ),
            *(
                (f"{name}:known", minute, [(selector(f"{name}:known", labels), value)] * (minute < 40))
                for minute in (20, 39, 40)
                for name, labels, value in (
                    ("risk:account:maintenance_margin_rate", POOL, 0.9),
                    ("risk:account:liquidation_shock_ratio", {**POOL, "direction": "down"}, 0.03),
                    ("risk:account:leverage_ratio", POOL, 12),
                )
            ),
        ),
        recorded(
            "a pool whose marks are missing keeps its shock; one that no move liquidates does not, and one "
            "without positions has no leverage",
            World(
                40,
                accounts={KEY: []},
                data=[
                    ("risk_account_equity", POOL, [1000.0]),
                    ("risk_account_gross_notional_usd", POOL, span((12000.0, 10), (None, 10), (0.0, 1))),
                    ("risk_account_leverage_ratio", POOL, span((12.0, 10), (None, 1))),
                    ("risk_account_maintenance_margin_rate", POOL, [0.1]),
                    (
                        "risk_account_liquidation_shock_ratio",
                        {**POOL, "direction": "down"},
                        span((0.03, 10), (None, 1)),
                    ),
                ],
            ),
            (
                "risk:account:liquidation_shock_ratio:known",
                19,
                [
                    (
                        selector("risk:account:liquidation_shock_ratio:known", {**POOL, "direction": "down"}),
                        0.03,
                    )
                ],
            ),
            ("risk:account:liquidation_shock_ratio:known", 20, []),
            (
                "risk:account:leverage_ratio:known",
                19,
                [(selector("risk:account:leverage_ratio:known", POOL), 12)],
            ),
            ("risk:account:leverage_ratio:known", 20, []),
        ),
        recorded(
            "a pool that holds a coin without a price is there, and hides the account's equity in USD",
            World(
                30,
                accounts={KEY: []},
                data=[
                    ("risk_account_margin_equity", POOL, [1000.0]),
                    ("risk_account_maintenance_margin_rate", POOL, span((0.9, 10), (None, 1))),
                    ("risk_account_equity", _COIN_POOL, [0.5]),
                    ("risk_account_equity_usd", _COIN_POOL, [50000.0]),
                ],
            ),
            (
                "risk:account:maintenance_margin_rate:known",
                20,
                [(selector("risk:account:maintenance_margin_rate:known", POOL), 0.9)],
            ),
            ("risk:account:equity_usd:sum", 20, []),
        ),
        recorded(
            "a stablecoin that is held keeps its deviation while its price is missing",
            World(
                40,
                accounts={KEY: []},
                data=[
                    ("risk_asset_price_usd", {**MAIN, "asset": "USDC"}, span((0.875, 10), (None, 1))),
                    ("risk_asset_equity", {**MAIN, "asset": "USDC"}, span((5.0, 20), (None, 1))),
                ],
            ),
            (
                "risk:asset:usd_peg_deviation:known",
                19,
                [(selector("risk:asset:usd_peg_deviation:known", {**MAIN, "asset": "USDC"}), 0.125)],
            ),
            ("risk:asset:usd_peg_deviation:known", 20, []),
        ),
        recorded(
            "equity in USD is absent while a pool of the account has no price",
            World(
                20,
                accounts={KEY: []},
                data=[
                    ("risk_account_equity", POOL, [1000.0]),
                    ("risk_account_equity_usd", POOL, [1000.0]),
                    ("risk_account_equity", _COIN_POOL, [0.5]),
                    ("risk_account_equity_usd", _COIN_POOL, span((50000.0, 10), (None, 5), (50000.0, 5))),
                ],
            ),
            ("risk:account:equity_usd:sum", 9, [(selector("risk:account:equity_usd:sum", MAIN), 51000)]),
            ("risk:account:equity_usd:sum", 12, []),
            (
                "risk:account:equity_usd:known",
                12,
                [(selector("risk:account:equity_usd:known", MAIN), 51000)],
            ),
            (
                "risk:account:equity_usd_drawdown_1d:known",
                12,
                [(selector("risk:account:equity_usd_drawdown_1d:known", MAIN), 0)],
            ),
            (
                "risk:account:equity_usd_drawdown_1d:known",
                16,
                [(selector("risk:account:equity_usd_drawdown_1d:known", MAIN), 0)],
            ),
        ),
    ]


def tests_over_days() -> list[Test]:
    """Drawdown over days, in steps of 4 minutes: Prometheus 3 does not look back a whole 5."""
    day = 24 * 15
    equity = span((1000.0, day), (800.0, 2 * day))
    world = World(
        3 * day,
        accounts={KEY: []},
        data=[("risk_account_equity", POOL, equity), ("risk_account_equity_usd", POOL, equity)],
    )
    test = recorded(
        "a peak of two days ago counts for the drawdown of 7 days and no longer for that of one",
        world,
        (
            "risk:account:equity_usd_drawdown_1d:known",
            day + 12,
            [(selector("risk:account:equity_usd_drawdown_1d:known", MAIN), 0.2)],
        ),
        (
            "risk:account:equity_usd_drawdown_1d:known",
            3 * day - 1,
            [(selector("risk:account:equity_usd_drawdown_1d:known", MAIN), 0)],
        ),
        (
            "risk:account:equity_usd_drawdown_7d:known",
            3 * day - 1,
            [(selector("risk:account:equity_usd_drawdown_7d:known", MAIN), 0.2)],
        ),
    )
    for check in test["promql_expr_test"]:
        check["eval_time"] = f"{4 * int(check['eval_time'][:-1])}m"
        # 1 - 800 / 1000 has no exact representation.
        check["expr"] = f"round({check['expr']}, 0.001)"
        for sample in check["exp_samples"]:
            sample["labels"] = selector("", MAIN)
    return [{**test, "interval": "4m"}]
