"""The promtool tests of the alert rules, one file an alert.

Every alert about risk passes the same trials: it fires after its ``for`` and not a minute earlier; it does
not fire just below its limit; it neither resolves nor starts anew while scrapes are lost; it keeps firing
while the account or its exporter is gone; it ends, after ``keep_firing_for``, with the danger, with the
position, and with the account's removal from the configuration.

The numbers stand here in full and are not taken from the tables of rules and thresholds: these tests fail
when those change.
"""

# ruff: noqa: PLR0917 - a table of cases reads better without the names of its columns in every row

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeVar

import yaml

from grafana.generator import links

AccountState = Literal["ok", "failing", "blind", "removed"]
"""Collected; failing with its data kept; failing with its data gone; not configured any longer."""
ExporterState = Literal["up", "down", "gone"]
"""Answers; is scraped in vain; is no target any longer."""

Values = Sequence[float | None]
T = TypeVar("T")

EXPORTER: Final = {"job": "risk", "instance": "exporter:10217"}
MAIN: Final = {"exchange": "binance_usdm", "account": "main"}
POOL: Final = {**MAIN, "currency": "USDT"}
POSITION: Final = {
    **MAIN,
    "symbol": "BTCUSDT",
    "side": "long",
    "margin_mode": "cross",
    "currency": "USDT",
}
MAX_AGE: Final = 90


def selector(name: str, labels: Mapping[str, str]) -> str:
    """``name{label="value",…}``."""
    return name + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def _runs(values: Values) -> str:
    """Promtool's notation, one value a minute; the first missing one becomes a staleness marker."""
    words: list[str] = []
    index = 0
    while index < len(values):
        value = values[index]
        end = index
        while end < len(values) and values[end] == value:
            end += 1
        count = end - index
        if value is None:
            if index > 0:
                words.append("stale")
                count -= 1
            words += [f"_x{count}"] if count > 1 else ["_"] * count
        else:
            text = "Inf" if math.isinf(value) else repr(value)
            words.append(f"{text}+0x{count - 1}" if count > 1 else text)
        index = end
    return " ".join(words)


def span(*parts: tuple[float | None, int]) -> list[float | None]:
    """Values that hold for some minutes each."""
    return [value for value, minutes in parts for _ in range(minutes)]


@dataclass
class World:
    """What one exporter shows of its accounts, minute by minute."""

    minutes: int
    exporter: list[ExporterState] = field(default_factory=list)
    accounts: dict[tuple[str, str], list[AccountState]] = field(default_factory=dict)
    data: list[tuple[str, dict[str, str], Values]] = field(default_factory=list)
    error_reason: str = "network"
    extra: list[tuple[str, Values]] = field(default_factory=list)

    def input_series(self) -> list[dict[str, str]]:
        """Everything Prometheus would have scraped, in promtool's form."""
        exporter = self._padded(self.exporter, "up")
        answers = [state == "up" for state in exporter]
        rows: list[tuple[str, Values]] = [
            (selector("up", EXPORTER), [{"up": 1.0, "down": 0.0, "gone": None}[state] for state in exporter]),
            (
                selector("risk_exporter_build_info", {"version": "1.0.0", **EXPORTER}),
                [1.0 if answer else None for answer in answers],
            ),
        ]
        accounts = {key: self._padded(states, "ok") for key, states in self.accounts.items()}
        for (exchange, account), states in accounts.items():
            labels = {"exchange": exchange, "account": account, **EXPORTER}
            seen = [answer and state != "removed" for answer, state in zip(answers, states, strict=True)]
            success: list[float | None] = []
            errors: list[float] = []
            for minute, state in enumerate(states):
                last = success[-1] if success else None
                success.append(minute * 60.0 if state == "ok" else last)
                errors.append(
                    (errors[-1] if errors else 0.0) + (state in {"failing", "blind"} and minute > 0)
                )
            meta: tuple[tuple[str, dict[str, str], Values], ...] = (
                ("risk_up", labels, [float(state == "ok") for state in states]),
                ("risk_collector_last_success_timestamp_seconds", labels, success),
                ("risk_collector_max_age_seconds", labels, [float(MAX_AGE)] * self.minutes),
                ("risk_collector_errors_total", {**labels, "reason": self.error_reason}, errors),
            )
            rows += [
                (selector(name, row), [v if s else None for v, s in zip(values, seen, strict=True)])
                for name, row, values in meta
            ]
        for name, labels, values in self.data:
            states = accounts[labels["exchange"], labels["account"]]
            shown = [a and s in {"ok", "failing"} for a, s in zip(answers, states, strict=True)]
            rows.append(
                (
                    selector(name, {**labels, **EXPORTER}),
                    [v if s else None for v, s in zip(self._padded(values, values[-1]), shown, strict=True)],
                )
            )
        rows += [(name, self._padded(values, values[-1])) for name, values in self.extra]
        return [
            {"series": name, "values": _runs(values)}
            for name, values in rows
            if any(value is not None for value in values)
        ]

    def _padded(self, values: Sequence[T], last: T) -> list[T]:
        return [*values, *[last] * (self.minutes - len(values))][: self.minutes]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An alert as it reaches Alertmanager."""

    alert: str
    labels: Mapping[str, str]
    summary: str
    description: str
    dashboard: str

    @property
    def annotations(self) -> dict[str, str]:
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{links.RUNBOOK_URL}#{self.alert.lower()}",
            "dashboard_url": links.GRAFANA_URL + self.dashboard,
        }


def make_test(
    name: str,
    world: World,
    expected: Expected,
    *,
    firing: Sequence[int] = (),
    silent: Sequence[int] = (),
    annotated: int | None = None,
    also: Sequence[Expected] = (),
) -> dict[str, Any]:
    """One promtool test: minutes at which the alert fires, and at which it does not.

    At the minute ``annotated`` exactly this alert and the ones in ``also`` fire under its name.
    """
    matchers = {"alertname": expected.alert, "alertstate": "firing"}
    matchers |= {k: v for k, v in expected.labels.items() if k in {"severity", "window"}}
    expr = selector("ALERTS", matchers)
    full = selector("ALERTS", {"alertname": expected.alert, "alertstate": "firing", **expected.labels})
    checks = [(minute, True) for minute in firing] + [(minute, False) for minute in silent]
    test: dict[str, Any] = {"interval": "1m", "name": name, "input_series": world.input_series()}
    if annotated is not None:
        wanted = [
            {"exp_labels": dict(alert.labels), "exp_annotations": alert.annotations}
            for alert in (expected, *also)
        ]
        test["alert_rule_test"] = [
            {"eval_time": f"{annotated}m", "alertname": expected.alert, "exp_alerts": wanted}
        ]
    test["promql_expr_test"] = [
        {
            "expr": expr,
            "eval_time": f"{minute}m",
            "exp_samples": [{"labels": full, "value": 1}] if fires else [],
        }
        for minute, fires in sorted(checks)
    ]
    return test


@dataclass(frozen=True, kw_only=True)
class RiskCase:
    """An alert about risk, with data that raise it and data that just do not."""

    expected: Expected
    hold: int
    """Minutes from the first danger to the alert."""
    keep: int
    """Minutes the alert outlives the danger."""
    series: Callable[[float, int, int], list[tuple[str, dict[str, str], Values]]]
    """Series for a value, the minutes of calm before it, and the minutes it lasts."""
    danger: float
    calm: float
    """Just below the limit."""
    prelude: int = 0
    """Minutes of history the alert needs."""
    also: tuple[Expected, ...] = ()
    """Alerts of the same name that fire at the same time: the lower severities."""
    others: tuple[tuple[str, str], ...] = ()
    """Accounts besides the main one; they are always collected."""

    def tests(self) -> list[dict[str, Any]]:
        """All trials of the alert."""
        start, first = self.prelude, self.prelude + self.hold
        quiet = first + 5
        long = quiet + self.keep + 12  # later than keep_firing_for alone would hold it

        def world(value: float, minutes: int, lasts: int | None = None, **changes: Any) -> World:
            accounts: dict[tuple[str, str], list[AccountState]] = {key: [] for key in self.others}
            accounts["binance_usdm", "main"] = changes.pop("main", [])
            data = self.series(value, self.prelude, (minutes - self.prelude) if lasts is None else lasts)
            return World(minutes, accounts=accounts, data=data, **changes)

        def states(*parts: tuple[Any, int]) -> list[Any]:
            return [state for state, minutes in parts for _ in range(minutes)]

        fires = make_test(
            "fires after its for, not a minute earlier",
            world(self.danger, first + 3),
            self.expected,
            firing=[first, first + 2],
            silent=[first - 1],
            annotated=first,
            also=self.also,
        )
        ended = quiet + 1
        return [
            fires,
            make_test(
                "does not fire just below its limit",
                world(self.calm, first + 40),
                self.expected,
                silent=[first, first + 20, first + 39],
            ),
            make_test(
                "neither resolves nor starts anew while scrapes are lost",
                world(
                    self.danger,
                    quiet + 12,
                    exporter=states(
                        ("up", start + 1), ("down", max(self.hold - 1, 0)), ("up", 3), ("down", 4)
                    ),
                ),
                self.expected,
                firing=[first, first + 3, first + 6, first + 10],
                silent=[first - 1],
            ),
            make_test(
                "keeps firing while the account cannot be collected and its data are gone",
                world(
                    self.danger,
                    long + 5,
                    main=states(("ok", quiet), ("failing", 2), ("blind", self.keep + 20)),
                ),
                self.expected,
                firing=[quiet, quiet + 1, quiet + 2, quiet + 3, long],
            ),
            make_test(
                "keeps firing while the exporter does not answer, and after it restarted blind",
                world(
                    self.danger,
                    long + 5,
                    exporter=states(("up", quiet), ("down", self.keep + 5), ("up", 20)),
                    main=states(("ok", quiet), ("blind", self.keep + 20)),
                ),
                self.expected,
                firing=[quiet, quiet + 1, quiet + self.keep + 4, quiet + self.keep + 6, long],
            ),
            make_test(
                "keeps firing while the exporter is no target any longer",
                world(self.danger, long + 5, exporter=states(("up", quiet), ("gone", self.keep + 20))),
                self.expected,
                firing=[quiet, quiet + 1, long],
            ),
            make_test(
                "ends with the danger, after keep_firing_for",
                world(self.danger, ended + self.keep + 5, lasts=ended - self.prelude),
                self.expected,
                firing=[ended, ended + self.keep - 1],
                silent=[ended + self.keep],
            ),
            make_test(
                "ends with the account's removal from the configuration, after keep_firing_for",
                world(
                    self.danger,
                    ended + self.keep + 5,
                    main=states(("ok", ended), ("removed", self.keep + 10)),
                ),
                self.expected,
                firing=[ended, ended + self.keep - 1],
                silent=[ended + self.keep],
            ),
        ]


def _position_url() -> str:
    return "/d/risk-position?var-exchange=binance_usdm&var-account=main&var-symbol=BTCUSDT"


def _account_url() -> str:
    return "/d/risk-account?var-exchange=binance_usdm&var-account=main"


LAST_KNOWN: Final = " While the account fails, or this figure is missing, this is the last known value."


def _simple(
    name: str, labels: dict[str, str]
) -> Callable[[float, int, int], list[tuple[str, dict[str, str], Values]]]:
    """One series that vanishes when the danger is over, while the account is collected all the time."""

    def series(value: float, prelude: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
        return [(name, labels, span((None, prelude), (value, lasts), (None, 1)))]

    return series


def _sigmas(value: float, prelude: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    """A mark that moves by 0.04 / sqrt(288) every 5 minutes, up and down: 4 % a day."""
    step = math.exp(0.04 / math.sqrt(288))
    total = prelude + lasts
    mark = [round(100 * (step if minute % 10 >= 5 else 1.0), 6) for minute in range(total)]
    return [
        ("risk_position_mark_price", POSITION, [*mark, mark[-1]]),
        (
            "risk_position_liquidation_distance_ratio",
            POSITION,
            span((0.5, prelude), (value * 0.04, lasts), (0.5, 1)),
        ),
    ]


def _approaching(value: float, prelude: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    """A distance that is used up in ``value`` minutes: at constant speed in danger, else ever slower.

    In danger the 60 minutes are passed half a minute before the end of the prelude.
    """
    if value <= 60:
        falling = [round(0.006 * (60 + prelude - minute - 0.5), 6) for minute in range(prelude + lasts)]
    else:
        falling = [round(0.4 * math.exp(-minute / value), 9) for minute in range(prelude + lasts)]
    return [("risk_position_liquidation_distance_ratio", POSITION, [*falling, None])]


def _drawdown(value: float, prelude: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    values = span((1000.0, prelude), (round(1000 * (1 - value), 3), lasts), (1000.0, 1))
    return [("risk_account_equity", POOL, values), ("risk_account_equity_usd", POOL, values)]


def _exchange_share(value: float, _: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    other = {"exchange": "bingx", "account": "spare", "currency": "USDT"}
    mine = span((round(1000 * value, 3), lasts), (100.0, 1))
    rest = span((round(1000 * (1 - value), 3), lasts), (100.0, 1))
    return [
        (name, labels, values)
        for labels, values in ((POOL, mine), (other, rest))
        for name in ("risk_account_equity", "risk_account_equity_usd")
    ]


def _coin_share(value: float, _: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    ether = {"exchange": "bingx", "account": "spare", "symbol": "ETH-USDT", "side": "short"}
    ether |= {"margin_mode": "cross", "currency": "USDT"}
    info = {"quote": "USDT", "contract_kind": "linear", "liquidation_source": "venue"}
    return [
        ("risk_position_notional_usd", POSITION, span((round(1000 * value, 3), lasts), (100.0, 1))),
        ("risk_position_info", {**POSITION, "base": "BTC", **info}, [1.0]),
        ("risk_position_notional_usd", ether, span((round(1000 * (1 - value), 3), lasts), (100.0, 1))),
        ("risk_position_info", {**ether, "base": "ETH", **info}, [1.0]),
    ]


def _unknown_price(value: float, _: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    """``value`` 1: nobody can tell the price; 0: no price liquidates."""
    info = {**POSITION, "base": "BTC", "quote": "USDT", "contract_kind": "linear"}
    source = "unknown" if value else "none"
    return [("risk_position_info", {**info, "liquidation_source": source}, span((1.0, lasts), (None, 1)))]


def _unknown_price_with_rate(value: float, _: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    return [
        *_unknown_price(value, 0, lasts),
        ("risk_account_maintenance_margin_rate", POOL, [0.1]),
    ]


def _unknown_price_without_rate(value: float, _: int, lasts: int) -> list[tuple[str, dict[str, str], Values]]:
    """``value`` 1: neither price nor rate are known; 0: the rate is."""
    if value:
        return _unknown_price(1, 0, lasts)
    return _unknown_price_with_rate(1, 0, lasts)


def _near(
    severity: str, value: float, calm: float, hold: int, keep: int, percent: str, limit: str
) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationNear",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {percent} from liquidation",
            description=f"The mark price has {percent} to go against the position until it reaches the "
            f"liquidation price (limit {limit})." + LAST_KNOWN,
            dashboard=_position_url(),
        ),
        hold=hold,
        keep=keep,
        series=_simple("risk_position_liquidation_distance_ratio", POSITION),
        danger=value,
        calm=calm,
    )


def _sigma_case(
    severity: str, value: float, calm: float, short: str, limit: str, also: tuple[Expected, ...] = ()
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskLiquidationNearSigmas",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary=f"BTCUSDT long (cross) of main on binance_usdm is {short} daily sigmas from liquidation",
            description=f"The liquidation price is {value:.2f} standard deviations of a day's move away "
            f"(limit {limit}): in this market the percentage alone looks safer than it is." + LAST_KNOWN,
            dashboard=_position_url(),
        ),
        hold=5,
        keep=15,
        series=_sigmas,
        danger=value,
        calm=calm,
        prelude=105,
    )


def _rate_case(severity: str, value: float, calm: float, hold: int, percent: str, limit: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskMaintenanceMarginRateHigh",
            labels={"severity": severity, "category": "risk", **POOL},
            summary=f"Maintenance margin rate of main on binance_usdm, pool USDT, is {percent}",
            description=f"Maintenance margin / equity of the cross positions is {percent} (limit {limit}; "
            "100% is liquidation; +Inf% means that no equity is left)." + LAST_KNOWN,
            dashboard=_account_url(),
        ),
        hold=hold,
        keep=10,
        series=_simple("risk_account_maintenance_margin_rate", POOL),
        danger=value,
        calm=calm,
    )


def _shock_case(severity: str, value: float, calm: float, hold: int, percent: str, limit: str) -> RiskCase:
    return RiskCase(
        expected=Expected(
            alert="RiskLiquidationShockSmall",
            labels={"severity": severity, "category": "risk", **POOL, "direction": "down"},
            summary=f"A joint move down of {percent} liquidates main on binance_usdm",
            description=f"If all marks moved down by {percent} at once, pool USDT would be liquidated "
            f"(limit {limit}). Single positions may look safe." + LAST_KNOWN,
            dashboard=_account_url(),
        ),
        hold=hold,
        keep=10,
        series=_simple("risk_account_liquidation_shock_ratio", {**POOL, "direction": "down"}),
        danger=value,
        calm=calm,
    )


def _drawdown_case(
    severity: str,
    window: str,
    value: float,
    calm: float,
    percent: str,
    limit: str,
    also: tuple[Expected, ...] = (),
) -> RiskCase:
    days = {"1d": "day", "7d": "7 days"}[window]
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskEquityDrawdown",
            labels={"severity": severity, "category": "risk", "window": window, **MAIN},
            summary=f"Equity of main on binance_usdm is {percent} below the peak of the last {days}",
            description=f"The account's equity in USD fell by {percent} from its peak of the last {days} "
            f"(limit {limit}). Withdrawals count as well." + LAST_KNOWN,
            dashboard=_account_url(),
        ),
        hold=5,
        keep=30,
        series=_drawdown,
        danger=value,
        calm=calm,
        prelude=5,
    )


def _peg_case(
    severity: str, value: float, calm: float, percent: str, limit: str, also: tuple[Expected, ...] = ()
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskStablecoinOffPeg",
            labels={"severity": severity, "category": "risk", "exchange": "binance_usdm", "asset": "USDC"},
            summary=f"USDC on binance_usdm is {percent} off one US dollar",
            description=f"The exchange's price of USDC differs from 1 USD by {percent} (limit {limit}). "
            "Collateral in it is worth less, or more, than its face value." + LAST_KNOWN,
            dashboard="/d/risk-fleet",
        ),
        hold=5,
        keep=30,
        series=_simple("risk_asset_price_usd", {**MAIN, "asset": "USDC"}),
        danger=value,
        calm=calm,
    )


def _unknown_case(
    severity: str,
    summary: str,
    description: str,
    series: Callable[[float, int, int], list[tuple[str, dict[str, str], Values]]],
    also: tuple[Expected, ...] = (),
) -> RiskCase:
    return RiskCase(
        also=also,
        expected=Expected(
            alert="RiskLiquidationPriceUnknown",
            labels={"severity": severity, "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm has no known distance to liquidation"
            + summary,
            description=description + LAST_KNOWN,
            dashboard=_position_url(),
        ),
        hold=15,
        keep=15,
        series=series,
        danger=1,
        calm=0,
    )


_UNKNOWN_INFO: Final = _unknown_case(
    "info",
    "",
    "The liquidation price or the mark price of this cross position is not known, so that nobody can tell "
    "how near it is. The account's margin rate is watched.",
    _unknown_price_with_rate,
)

RISK_CASES: Final = (
    _near("info", 0.1995, 0.2005, 10, 30, "19.95%", "20%"),
    _near("warning", 0.0995, 0.1005, 2, 15, "9.95%", "10%"),
    _near("critical", 0.0497, 0.0503, 1, 15, "4.97%", "5%"),
    _sigma_case("warning", 2.97, 3.03, "3.0", "3"),
    _sigma_case(
        "critical", 1.98, 2.02, "2.0", "2", also=(_sigma_case("warning", 1.98, 0, "2.0", "3").expected,)
    ),
    RiskCase(
        expected=Expected(
            alert="RiskLiquidationProjected",
            labels={"severity": "critical", "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm reaches liquidation in 53m 30s",
            description="At the slower of its speeds over 5 and 15 minutes the position reaches its "
            "liquidation price in 53m 30s (limit 1h)." + LAST_KNOWN,
            dashboard=_position_url(),
        ),
        hold=6,
        keep=10,
        series=_approaching,
        danger=60,
        calm=63.1,
        prelude=20,
    ),
    _rate_case("warning", 0.505, 0.495, 2, "50.5%", "50%"),
    _rate_case("critical", 0.805, 0.795, 1, "80.5%", "80%"),
    _rate_case("critical", math.inf, 0.795, 1, "+Inf%", "80%"),
    _shock_case("warning", 0.0995, 0.1005, 2, "9.95%", "10%"),
    _shock_case("critical", 0.0497, 0.0503, 1, "4.97%", "5%"),
    _drawdown_case("warning", "1d", 0.101, 0.099, "10.1%", "10%"),
    _drawdown_case(
        "critical",
        "1d",
        0.252,
        0.248,
        "25.2%",
        "25%",
        also=(
            _drawdown_case("warning", "1d", 0, 0, "25.2%", "10%").expected,
            _drawdown_case("warning", "7d", 0, 0, "25.2%", "20%").expected,
        ),
    ),
    _drawdown_case(
        "warning",
        "7d",
        0.202,
        0.198,
        "20.2%",
        "20%",
        also=(_drawdown_case("warning", "1d", 0, 0, "20.2%", "10%").expected,),
    ),
    RiskCase(
        expected=Expected(
            alert="RiskLeverageHigh",
            labels={"severity": "warning", "category": "risk", **POOL},
            summary="main on binance_usdm, pool USDT, is leveraged 10.1 times",
            description="Gross notional is 10.10 times the equity (limit 10)." + LAST_KNOWN,
            dashboard=_account_url(),
        ),
        hold=10,
        keep=30,
        series=_simple("risk_account_leverage_ratio", POOL),
        danger=10.1,
        calm=9.9,
    ),
    RiskCase(
        expected=Expected(
            alert="RiskExchangeConcentration",
            labels={"severity": "info", "category": "risk", "exchange": "binance_usdm"},
            summary="60.5% of all equity is at binance_usdm",
            description="The exchange holds 60.5% of the equity of all accounts (limit 60%). Silent if "
            "there is only one exchange." + LAST_KNOWN,
            dashboard="/d/risk-fleet",
        ),
        hold=60,
        keep=60,
        series=_exchange_share,
        danger=0.605,
        calm=0.595,
        others=(("bingx", "spare"),),
    ),
    RiskCase(
        expected=Expected(
            alert="RiskCoinConcentration",
            labels={"severity": "info", "category": "risk", "base": "BTC"},
            summary="70.5% of all gross notional is in BTC",
            description="Long plus short positions in BTC are 70.5% of those of all coins (limit 70%). "
            "Silent if there is only one coin." + LAST_KNOWN,
            dashboard="/d/risk-fleet",
        ),
        hold=60,
        keep=60,
        series=_coin_share,
        danger=0.705,
        calm=0.695,
        others=(("bingx", "spare"),),
    ),
    RiskCase(
        expected=Expected(
            alert="RiskStressBreach",
            labels={"severity": "warning", "category": "risk", **POOL, "shock": "-0.1"},
            summary="main on binance_usdm, pool USDT, does not survive the configured shock -0.1",
            description="If every mark moved by -0.1 (-0.1 is a fall of 10 %) the maintenance margin rate "
            "would be 101%; 100% is liquidation." + LAST_KNOWN,
            dashboard=_account_url(),
        ),
        hold=5,
        keep=15,
        series=_simple("risk_account_stress_maintenance_margin_rate", {**POOL, "shock": "-0.1"}),
        danger=1.01,
        calm=0.99,
    ),
    RiskCase(
        expected=Expected(
            alert="RiskAdlQueueFront",
            labels={"severity": "warning", "category": "risk", **POSITION},
            summary="BTCUSDT long (cross) of main on binance_usdm is in front of the auto-deleveraging queue",
            description="Place 96% in the queue (100% is first). In a crash the exchange may close this "
            "winning position, which unhedges whatever it hedges." + LAST_KNOWN,
            dashboard=_position_url(),
        ),
        hold=5,
        keep=15,
        series=_simple("risk_position_adl_ratio", POSITION),
        danger=0.96,
        calm=0.94,
    ),
    _UNKNOWN_INFO,
    _unknown_case(
        "warning",
        ", nor has the account a margin rate",
        "Neither the distance of this cross position to its liquidation nor the maintenance margin rate of "
        "its account is known: nothing here would page before a liquidation.",
        _unknown_price_without_rate,
        also=(_UNKNOWN_INFO.expected,),
    ),
    _peg_case("warning", 0.9898, 0.9902, "1.02%", "1%"),
    _peg_case(
        "critical", 0.9697, 0.9703, "3.03%", "3%", also=(_peg_case("warning", 0, 0, "3.03%", "1%").expected,)
    ),
)


def _states(*parts: tuple[Any, int]) -> list[Any]:
    return [state for state, minutes in parts for _ in range(minutes)]


KEY: Final = ("binance_usdm", "main")


def _ok_then(*parts: tuple[AccountState, int]) -> dict[tuple[str, str], list[AccountState]]:
    """The main account, collected for 5 minutes, and what happens to it then."""
    return {KEY: _states(("ok", 5), *parts)}


SOURCE: Final = {**MAIN, **EXPORTER}
_EXPORTER_ACCOUNT: Final = "/d/risk-exporter?var-exchange=binance_usdm&var-account=main"
_EXPORTER_EXCHANGE: Final = "/d/risk-exporter?var-exchange=binance_usdm"


def _collection_failing() -> list[dict[str, Any]]:
    expected = Expected(
        alert="RiskCollectionFailing",
        labels={"severity": "warning", "category": "collection", **SOURCE},
        summary="Collecting main on binance_usdm fails",
        description="The last collections failed. Data are kept until they reach their maximum age, then "
        "they vanish. The Exporter dashboard names the reason.",
        dashboard=_EXPORTER_ACCOUNT,
    )
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the failures",
            World(20, accounts=_ok_then(("failing", 5), ("ok", 10))),
            expected,
            firing=[7, 9],
            silent=[4, 6, 10, 15],
            annotated=7,
        ),
        make_test(
            "does not fire while collections fail for less",
            World(20, accounts=_ok_then(("failing", 2), ("ok", 1), ("failing", 2), ("ok", 10))),
            expected,
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=_ok_then(("failing", 15)),
                exporter=_states(("up", 6), ("down", 1), ("up", 3), ("down", 3), ("up", 7)),
            ),
            expected,
            firing=[7, 9, 11, 13, 19],
            silent=[6],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=_ok_then(("failing", 2), ("blind", 193)),
                exporter=_states(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected,
            firing=[9, 10, 60, 100, 140, 199],
        ),
        make_test(
            "ends with the account's removal from the configuration",
            World(30, accounts=_ok_then(("blind", 10), ("removed", 15))),
            expected,
            firing=[14],
            silent=[15, 25],
        ),
    ]


TWIN: Final = {"job": "risk", "instance": "exporter-2:10217"}


def _twin(minutes: int) -> list[tuple[str, Values]]:
    """A second exporter that collects the main account all the time."""
    source = {**MAIN, **TWIN}
    return [
        (selector("up", TWIN), [1.0]),
        (selector("risk_exporter_build_info", {"version": "1.0.0", **TWIN}), [1.0]),
        (selector("risk_up", source), [1.0]),
        (
            selector("risk_collector_last_success_timestamp_seconds", source),
            [60.0 * minute for minute in range(minutes)],
        ),
        (selector("risk_collector_max_age_seconds", source), [float(MAX_AGE)]),
    ]


def _data_stale() -> list[dict[str, Any]]:
    def expected(age: str) -> Expected:
        return Expected(
            alert="RiskDataStale",
            labels={"severity": "critical", "category": "blindness", **SOURCE},
            summary=f"Nobody sees main on binance_usdm: no data for {age}",
            description=f"The newest data are {age} old (+Inf: never collected), which is more than the "
            "configured maximum age. Risk alerts of this account show their last known values.",
            dashboard=_EXPORTER_ACCOUNT,
        )

    # Last collected in minute 4; with a maximum age of 90 s the data are stale from minute 6 on.
    return [
        make_test(
            "fires its for after the maximum age, not a minute earlier, and ends with fresh data",
            World(20, accounts=_ok_then(("failing", 1), ("blind", 6), ("ok", 8))),
            expected("4m 0s"),
            firing=[8, 11],
            silent=[5, 7, 12, 15],
            annotated=8,
        ),
        make_test(
            "does not fire while data are stale for less",
            World(20, accounts=_ok_then(("failing", 1), ("blind", 2), ("ok", 12))),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "does not fire while collections fail and data are young",
            World(30, accounts={KEY: _states(("ok", 2), *[("failing", 1), ("ok", 1)] * 14)}),
            expected(""),
            silent=range(30),
        ),
        make_test(
            "fires for an account that was never collected",
            World(20, accounts={KEY: _states(("blind", 20))}),
            expected("+Inf"),
            firing=[2, 19],
            silent=[1],
            annotated=2,
        ),
        make_test(
            "fires for data that grow old although the exporter calls the account up",
            World(
                20,
                extra=[
                    (selector("risk_up", SOURCE), [1.0]),
                    (selector("risk_collector_last_success_timestamp_seconds", SOURCE), [0.0]),
                    (selector("risk_collector_max_age_seconds", SOURCE), [90.0]),
                ],
            ),
            expected("4m 0s"),
            firing=[4, 19],
            silent=[3],
            annotated=4,
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=_ok_then(("failing", 1), ("blind", 14)),
                exporter=_states(("up", 7), ("down", 1), ("up", 3), ("down", 3), ("up", 6)),
            ),
            expected(""),
            firing=[8, 10, 12, 14, 19],
            silent=[7],
        ),
        make_test(
            "does not fire while another exporter sees the account",
            World(20, accounts=_ok_then(("blind", 15)), extra=_twin(minutes=20)),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "fires, and keeps firing, while the exporter is gone and after it restarted blind",
            World(
                200,
                accounts={KEY: _states(("ok", 10), ("blind", 190))},
                exporter=_states(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected(""),
            firing=[12, 60, 100, 140, 199],
            silent=[11],
        ),
        make_test(
            "ends with the account's removal from the configuration",
            World(30, accounts=_ok_then(("blind", 10), ("removed", 15))),
            expected(""),
            firing=[14],
            silent=[15, 25],
        ),
    ]


def _key_rejected() -> list[dict[str, Any]]:
    def expected(count: str) -> Expected:
        return Expected(
            alert="RiskKeyRejected",
            labels={"severity": "warning", "category": "collection", **SOURCE},
            summary="The API key of main on binance_usdm is rejected",
            description=f"The venue refused the key or its permissions; about {count} refusals in 10 "
            "minutes. No retry repairs this.",
            dashboard=_EXPORTER_ACCOUNT,
        )

    return [
        make_test(
            f"fires after its for, not a minute earlier, and ends with the {reason} failures",
            World(20, accounts=_ok_then(("failing", 5), ("ok", 10)), error_reason=reason),
            expected("2"),
            firing=[6, 9],
            silent=[4, 5, 10, 15],
            annotated=6,
        )
        for reason in ("auth", "permission")
    ] + [
        make_test(
            "does not fire for a single refusal",
            World(20, accounts=_ok_then(("failing", 1), ("ok", 14)), error_reason="auth"),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "does not fire for failures of another kind",
            World(20, accounts=_ok_then(("failing", 15)), error_reason="network"),
            expected(""),
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=_ok_then(("failing", 15)),
                error_reason="auth",
                exporter=_states(("up", 6), ("down", 3), ("up", 3), ("down", 3), ("up", 5)),
            ),
            expected(""),
            firing=[6, 8, 11, 13, 19],
            silent=[5],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=_ok_then(("failing", 2), ("blind", 193)),
                error_reason="permission",
                exporter=_states(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected(""),
            firing=[9, 10, 60, 100, 140, 199],
        ),
    ]


def _venue_down() -> list[dict[str, Any]]:
    expected = Expected(
        alert="RiskVenueDown",
        labels={"severity": "warning", "category": "venue", "exchange": "binance_usdm", **EXPORTER},
        summary="No account on binance_usdm can be collected",
        description="All accounts of the exchange fail, with timeouts, network errors or errors of the "
        "exchange. Their collection alerts are silenced, the risk alerts are not.",
        dashboard=_EXPORTER_EXCHANGE,
    )
    second = ("binance_usdm", "second")
    other = ("bingx", "spare")

    def accounts(main: list[Any], others: list[Any]) -> dict[tuple[str, str], list[AccountState]]:
        return {KEY: main, second: others, other: []}

    return [
        make_test(
            f"fires after its for, not a minute earlier, and ends with the first {reason}-free collection",
            World(
                20,
                accounts=accounts(
                    _states(("ok", 5), ("failing", 10)), _states(("ok", 5), ("failing", 5), ("ok", 10))
                ),
                error_reason=reason,
            ),
            expected,
            firing=[6, 9],
            silent=[4, 5, 10, 15],
            annotated=6,
        )
        for reason in ("network", "timeout", "exchange")
    ] + [
        make_test(
            "does not fire for one failed round",
            World(
                20, accounts=accounts(_states(("ok", 5), ("failing", 1)), _states(("ok", 5), ("failing", 1)))
            ),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire while one account of the exchange is collected",
            World(20, accounts=accounts(_states(("ok", 5), ("failing", 15)), [])),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire for rejected keys",
            World(
                20,
                accounts=accounts(_states(("ok", 5), ("failing", 15)), _states(("ok", 5), ("failing", 15))),
                error_reason="auth",
            ),
            expected,
            silent=range(20),
        ),
        make_test(
            "does not fire for an exporter that is down shortly after a network error",
            World(
                20,
                accounts=accounts(_states(("ok", 5), ("failing", 1), ("ok", 14)), []),
                exporter=_states(("up", 8), ("down", 12)),
            ),
            expected,
            silent=range(20),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            World(
                20,
                accounts=accounts(_states(("ok", 5), ("failing", 15)), _states(("ok", 5), ("failing", 15))),
                exporter=_states(("up", 6), ("down", 3), ("up", 3), ("down", 3), ("up", 5)),
            ),
            expected,
            firing=[6, 8, 11, 13, 19],
            silent=[5],
        ),
        make_test(
            "keeps firing while the exporter is gone, and after it restarted blind",
            World(
                200,
                accounts=accounts(
                    _states(("ok", 5), ("failing", 2), ("blind", 193)),
                    _states(("ok", 5), ("failing", 2), ("blind", 193)),
                ),
                exporter=_states(("up", 10), ("down", 60), ("gone", 60), ("up", 70)),
            ),
            expected,
            firing=[9, 10, 60, 100, 140, 199],
        ),
    ]


def _clock_skew() -> list[dict[str, Any]]:
    expected = Expected(
        alert="RiskClockSkew",
        labels={"severity": "warning", "category": "collection", "exchange": "binance_usdm", **EXPORTER},
        summary="The clocks of the exporter and binance_usdm differ by 1.01s",
        description="The clocks differ by 1.01s (limit 1s). Signed requests will be refused, and ages are "
        "wrong.",
        dashboard=_EXPORTER_EXCHANGE,
    )

    def world(minutes: int, values: Values, **changes: Any) -> World:
        offset = selector("risk_api_clock_offset_seconds", {"exchange": "binance_usdm", **EXPORTER})
        return World(minutes, extra=[(offset, values)], **changes)

    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the skew",
            world(30, span((1.01, 20), (0.0, 10))),
            expected,
            firing=[15, 19],
            silent=[14, 20, 25],
            annotated=15,
        ),
        make_test("fires for a clock that is behind", world(20, span((-1.01, 20))), expected, firing=[15]),
        make_test(
            "does not fire just below its limit", world(40, span((0.99, 40))), expected, silent=[15, 39]
        ),
        make_test(
            "does not fire for one wrong measurement, which stands until the next",
            world(30, span((1.5, 11), (0.0, 19))),
            expected,
            silent=range(30),
        ),
        make_test(
            "neither resolves nor starts anew while scrapes are lost",
            world(
                30,
                span((1.01, 2), (None, 3), (1.01, 12), (None, 4), (1.01, 9)),
                exporter=_states(("up", 2), ("down", 3), ("up", 12), ("down", 4), ("up", 9)),
            ),
            expected,
            firing=[15, 16, 18, 20, 29],
            silent=[14],
        ),
        make_test(
            "keeps firing while the exporter is gone",
            world(
                200, span((1.01, 20), (None, 180)), exporter=_states(("up", 20), ("down", 80), ("gone", 100))
            ),
            expected,
            firing=[19, 20, 60, 150, 199],
        ),
    ]


def _exporter_down() -> list[dict[str, Any]]:
    def expected(labels: Mapping[str, str]) -> Expected:
        return Expected(
            alert="RiskExporterDown",
            labels={"severity": "critical", "category": "exporter", **labels},
            summary=f"risk-exporter {labels.get('instance', '')} does not answer Prometheus",
            description="No scrape of the exporter succeeds: all its accounts are unseen. Risk alerts "
            "that fired keep firing with their last known values; new dangers are not seen.",
            dashboard="/d/risk-exporter",
        )

    second = {"job": "risk", "instance": "exporter-2:10217"}
    info = {"version": "1.0.0", **second}
    return [
        make_test(
            "fires after its for, not a minute earlier, and ends with the next scrape",
            World(20, exporter=_states(("up", 5), ("down", 5), ("up", 10))),
            expected(EXPORTER),
            firing=[6, 9],
            silent=[4, 5, 10, 15],
            annotated=6,
        ),
        make_test(
            "does not fire for one lost scrape",
            World(20, exporter=_states(("up", 5), ("down", 1), ("up", 4), ("down", 1), ("up", 9))),
            expected(EXPORTER),
            silent=range(20),
        ),
        make_test(
            "fires for an exporter that never answered",
            World(20, exporter=_states(("down", 20))),
            expected({}),
            firing=[1, 19],
            silent=[0],
            annotated=1,
        ),
        make_test(
            "keeps firing when the target vanishes from the scrape configuration",
            World(200, exporter=_states(("up", 5), ("down", 60), ("gone", 135))),
            expected(EXPORTER),
            firing=[6, 64, 65, 120, 199],
        ),
        make_test(
            "fires for one of two exporters",
            World(
                20,
                exporter=_states(("up", 5), ("down", 15)),
                extra=[(selector("up", second), [1.0]), (selector("risk_exporter_build_info", info), [1.0])],
            ),
            expected(EXPORTER),
            firing=[6, 19],
            silent=[5],
        ),
        make_test(
            "ends when another target of the job takes the place of a vanished one",
            World(
                20,
                exporter=_states(("up", 5), ("gone", 15)),
                extra=[
                    (selector("up", second), span((None, 10), (1.0, 10))),
                    (selector("risk_exporter_build_info", info), span((None, 10), (1.0, 10))),
                ],
            ),
            expected(EXPORTER),
            firing=[6, 9],
            silent=[5, 10, 19],
        ),
    ]


def _recorded(name: str, world: World, *checks: tuple[str, int, list[tuple[str, float]]]) -> dict[str, Any]:
    """A test of recording rules: expressions, minutes, and the series they give."""
    return {
        "interval": "1m",
        "name": name,
        "input_series": world.input_series(),
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for expr, minute, samples in checks
        ],
    }


def _recording_tests() -> list[dict[str, Any]]:
    distance = "risk_position_liquidation_distance_ratio"
    known = "position:liquidation_distance_ratio:known"
    of_position = selector(known, POSITION)
    other = {**POSITION, "symbol": "ETHUSDT", "side": "short"}
    info = {"quote": "USDT", "contract_kind": "linear", "liquidation_source": "venue"}
    coin_pool = {**MAIN, "currency": "BTC"}
    second = {"exchange": "bingx", "account": "spare"}
    positions: list[tuple[str, dict[str, str], Values]] = [
        ("risk_position_notional_usd", POSITION, [700.0]),
        ("risk_position_info", {**POSITION, "base": "BTC", **info}, [1.0]),
        ("risk_position_notional_usd", {**other, **second}, [200.0]),
        ("risk_position_info", {**other, **second, "base": "BTC", **info}, [1.0]),
        ("risk_position_notional_usd", {**POSITION, **second, "symbol": "SOLUSDT"}, [100.0]),
        ("risk_position_info", {**POSITION, **second, "symbol": "SOLUSDT", "base": "SOL", **info}, [1.0]),
    ]
    return [
        _recorded(
            "a position that was closed is not brought back when the account fails later",
            World(
                60,
                accounts={KEY: _states(("ok", 20), ("blind", 40))},
                data=[(distance, POSITION, span((0.04, 10), (None, 1)))],
            ),
            (known, 9, [(of_position, 0.04)]),
            (known, 10, []),
            (known, 25, []),
            (known, 59, []),
        ),
        _recorded(
            "the last known value ends with the first successful collection that lacks the position",
            World(
                60,
                accounts={KEY: _states(("ok", 10), ("blind", 20), ("ok", 30))},
                data=[(distance, POSITION, span((0.04, 20), (None, 1)))],
            ),
            (known, 29, [(of_position, 0.04)]),
            (known, 30, []),
        ),
        _recorded(
            "a new value replaces the last known one as soon as the account is collected",
            World(
                60,
                accounts={KEY: _states(("ok", 10), ("blind", 20), ("ok", 30))},
                data=[(distance, POSITION, span((0.04, 20), (0.3, 1)))],
            ),
            (known, 29, [(of_position, 0.04)]),
            (known, 30, [(of_position, 0.3)]),
        ),
        _recorded(
            "an open position whose price becomes unknown keeps its distance; one that no price "
            "liquidates does not",
            World(
                40,
                accounts={KEY: []},
                data=[
                    (distance, POSITION, span((0.04, 10), (None, 1))),
                    ("risk_position_info", {**POSITION, "base": "BTC", **info}, span((1.0, 10), (None, 1))),
                    (
                        "risk_position_info",
                        {**POSITION, "base": "BTC", **info, "liquidation_source": "unknown"},
                        span((None, 10), (1.0, 10), (None, 1)),
                    ),
                    (
                        "risk_position_info",
                        {**POSITION, "base": "BTC", **info, "liquidation_source": "none"},
                        span((None, 20), (1.0, 1)),
                    ),
                ],
            ),
            (known, 19, [(of_position, 0.04)]),
            (known, 20, []),
        ),
        _recorded(
            "an open position whose mark is missing keeps what was known and is called unknown",
            World(
                60,
                accounts={KEY: []},
                data=[
                    (
                        distance,
                        POSITION,
                        [*[round(0.48 - 0.006 * minute, 6) for minute in range(20)], *span((None, 41))],
                    ),
                    ("risk_position_adl_ratio", POSITION, span((0.97, 20), (None, 1))),
                    ("risk_position_notional_usd", POSITION, span((700.0, 20), (None, 1))),
                    ("risk_position_info", {**POSITION, "base": "BTC", **info}, span((1.0, 50), (None, 1))),
                    ("risk_account_maintenance_margin_rate", POOL, span((0.2, 30), (None, 1))),
                ],
            ),
            ("position:liquidation_price_unknown:known", 19, []),
            (known, 49, [(of_position, 0.366)]),
            (
                "position:adl_ratio:known",
                49,
                [(selector("position:adl_ratio:known", POSITION), 0.97)],
            ),
            (
                "position:notional_usd:known",
                49,
                [(selector("position:notional_usd:known", {**POSITION, "base": "BTC"}), 700)],
            ),
            (
                "round(position:liquidation_time_seconds:known)",
                49,
                [(selector("", POSITION), 3660)],
            ),
            (
                "position:liquidation_price_unknown:known",
                20,
                [(selector("position:liquidation_price_unknown:known", POSITION), 1)],
            ),
            ("position:liquidation_unwatched:known", 29, []),
            (
                "position:liquidation_unwatched:known",
                30,
                [(selector("position:liquidation_unwatched:known", POSITION), 1)],
            ),
            ('{__name__=~"position:.*:known"}', 50, []),
        ),
        _recorded(
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
                    (
                        "risk_account_stress_maintenance_margin_rate",
                        {**POOL, "shock": "-0.1"},
                        span((math.inf, 20), (None, 1)),
                    ),
                ],
            ),
            *(
                (f"{name}:known", minute, [(selector(f"{name}:known", labels), value)] * (minute < 40))
                for minute in (20, 39, 40)
                for name, labels, value in (
                    ("account:maintenance_margin_rate", POOL, 0.9),
                    ("account:liquidation_shock_ratio", {**POOL, "direction": "down"}, 0.03),
                    ("account:stress_maintenance_margin_rate", {**POOL, "shock": "-0.1"}, math.inf),
                    ("account:leverage_ratio", POOL, 12),
                )
            ),
        ),
        _recorded(
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
                "account:liquidation_shock_ratio:known",
                19,
                [(selector("account:liquidation_shock_ratio:known", {**POOL, "direction": "down"}), 0.03)],
            ),
            ("account:liquidation_shock_ratio:known", 20, []),
            ("account:leverage_ratio:known", 19, [(selector("account:leverage_ratio:known", POOL), 12)]),
            ("account:leverage_ratio:known", 20, []),
        ),
        _recorded(
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
                "asset:usd_peg_deviation:known",
                19,
                [(selector("asset:usd_peg_deviation:known", {**MAIN, "asset": "USDC"}), 0.125)],
            ),
            ("asset:usd_peg_deviation:known", 20, []),
        ),
        _recorded(
            "a distance that falls from far away because the liquidation price moves is no projection",
            World(
                40,
                accounts={KEY: []},
                # 1 / distance grows steadily: 10 after 10 minutes, 0.51 after 35.
                data=[
                    (
                        distance,
                        POSITION,
                        [round(1 / (0.0745 * max(minute - 8.66, 0.001)), 6) for minute in range(40)],
                    ),
                ],
            ),
            ("position:liquidation_time_seconds:projected", 15, []),
            ("position:liquidation_time_seconds:projected", 34, []),
            ("count(position:liquidation_time_seconds:projected)", 38, [("{}", 1)]),
        ),
        _recorded(
            "an account that two exporters collect is not blind while one of them sees it",
            World(
                60,
                accounts={KEY: _states(("ok", 10), ("blind", 50))},
                data=[(distance, POSITION, [0.04])],
                extra=[
                    *_twin(minutes=60),
                    (selector(distance, {**POSITION, **TWIN}), span((0.04, 20), (0.2, 40))),
                ],
            ),
            ("account:blind:bool", 30, [(selector("account:blind:bool", MAIN), 0)]),
            (known, 30, [(of_position, 0.2)]),
        ),
        _recorded(
            "volatility is the deviation of 5-minute returns scaled by the square root of time, and waits "
            "for history",
            World(200, accounts={KEY: []}, data=_sigmas(3, 0, 200)),
            ("symbol:mark_price_volatility:day", 30, []),
            (
                "round(symbol:mark_price_volatility:day, 0.0001)",
                194,
                [('{exchange="binance_usdm", symbol="BTCUSDT"}', 0.04)],
            ),
            (
                "round(symbol:mark_price_volatility:hour, 0.0001)",
                194,
                [('{exchange="binance_usdm", symbol="BTCUSDT"}', 0.0082)],
            ),
        ),
        _recorded(
            "the speed of approach is per second, and one step of the distance is no trend",
            World(
                60,
                accounts={KEY: []},
                data=[
                    (distance, POSITION, [round(0.6 - 0.006 * minute, 6) for minute in range(60)]),
                    (distance, other, span((0.3, 30), (0.2, 30))),
                ],
            ),
            (
                "round(position:liquidation_distance_ratio:deriv5m{symbol='BTCUSDT'}, 0.000001)",
                20,
                [(selector("", POSITION), -0.0001)],
            ),
            (
                "round(position:liquidation_distance_ratio:deriv15m{symbol='BTCUSDT'}, 0.000001)",
                20,
                [(selector("", POSITION), -0.0001)],
            ),
            ("position:liquidation_time_seconds:projected{symbol='ETHUSDT'}", 36, []),
            (
                "round(position:liquidation_time_seconds:projected{symbol='BTCUSDT'})",
                20,
                [(selector("", POSITION), 4800)],
            ),
        ),
        _recorded(
            "the projected time does not take data that failing collections leave unchanged for a standstill",
            World(
                40,
                accounts={KEY: _states(("ok", 20), ("failing", 20))},
                data=[(distance, POSITION, [round(0.6 - 0.006 * minute, 6) for minute in range(20)])],
            ),
            (
                "round(position:liquidation_time_seconds:known)",
                19,
                [(selector("", POSITION), 4860)],
            ),
            (
                "round(position:liquidation_time_seconds:known)",
                39,
                [(selector("", POSITION), 4860)],
            ),
        ),
        _recorded(
            "an account whose data grew too old is blind although the exporter calls it up",
            World(
                20,
                extra=[
                    (selector("risk_up", SOURCE), [1.0]),
                    (selector("risk_collector_last_success_timestamp_seconds", SOURCE), [0.0]),
                    (selector("risk_collector_max_age_seconds", SOURCE), [90.0]),
                    (selector(distance, {**POSITION, **EXPORTER}), span((0.04, 3), (None, 17))),
                ],
            ),
            ("account:failing:bool", 19, [(selector("account:failing:bool", MAIN), 0)]),
            ("account:blind:bool", 19, [(selector("account:blind:bool", MAIN), 1)]),
            (known, 19, [(of_position, 0.04)]),
        ),
        _recorded(
            "equity in USD is absent while a pool of the account has no price",
            World(
                20,
                accounts={KEY: []},
                data=[
                    ("risk_account_equity", POOL, [1000.0]),
                    ("risk_account_equity_usd", POOL, [1000.0]),
                    ("risk_account_equity", coin_pool, [0.5]),
                    ("risk_account_equity_usd", coin_pool, span((50000.0, 10), (None, 5), (50000.0, 5))),
                ],
            ),
            ("account:equity_usd:sum", 9, [(selector("account:equity_usd:sum", MAIN), 51000)]),
            ("account:equity_usd:sum", 12, []),
            (
                "account:equity_usd:known",
                12,
                [(selector("account:equity_usd:known", MAIN), 51000)],
            ),
            (
                "account:equity_usd_drawdown_1d:known",
                12,
                [(selector("account:equity_usd_drawdown_1d:known", MAIN), 0)],
            ),
            (
                "account:equity_usd_drawdown_1d:known",
                16,
                [(selector("account:equity_usd_drawdown_1d:known", MAIN), 0)],
            ),
        ),
        _recorded(
            "exposure sums long and short positions of a coin over accounts, and leaves out what is not seen",
            World(
                60, accounts={KEY: _states(("ok", 20), ("blind", 40)), ("bingx", "spare"): []}, data=positions
            ),
            (
                "base:gross_notional_usd:sum",
                10,
                [
                    ('base:gross_notional_usd:sum{base="BTC"}', 900),
                    ('base:gross_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "base:net_notional_usd:sum",
                10,
                [
                    ('base:net_notional_usd:sum{base="BTC"}', 500),
                    ('base:net_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "base:net_notional_usd:sum",
                30,
                [
                    ('base:net_notional_usd:sum{base="BTC"}', -200),
                    ('base:net_notional_usd:sum{base="SOL"}', 100),
                ],
            ),
            (
                "base:gross_notional_usd_share:known",
                30,
                [
                    ('base:gross_notional_usd_share:known{base="BTC"}', 0.9),
                    ('base:gross_notional_usd_share:known{base="SOL"}', 0.1),
                ],
            ),
        ),
    ]


def _window_tests() -> list[dict[str, Any]]:
    """Drawdown over days, in steps of 5 minutes."""
    day = 24 * 12
    equity = span((1000.0, day), (800.0, 2 * day))
    world = World(
        3 * day,
        accounts={KEY: []},
        data=[("risk_account_equity", POOL, equity), ("risk_account_equity_usd", POOL, equity)],
    )
    test = _recorded(
        "a peak of two days ago counts for the drawdown of 7 days and no longer for that of one",
        world,
        (
            "account:equity_usd_drawdown_1d:known",
            day + 12,
            [(selector("account:equity_usd_drawdown_1d:known", MAIN), 0.2)],
        ),
        (
            "account:equity_usd_drawdown_1d:known",
            3 * day - 1,
            [(selector("account:equity_usd_drawdown_1d:known", MAIN), 0)],
        ),
        (
            "account:equity_usd_drawdown_7d:known",
            3 * day - 1,
            [(selector("account:equity_usd_drawdown_7d:known", MAIN), 0.2)],
        ),
    )
    for check in test["promql_expr_test"]:
        check["eval_time"] = f"{5 * int(check['eval_time'][:-1])}m"
        # 1 - 800 / 1000 has no exact representation.
        check["expr"] = f"round({check['expr']}, 0.001)"
        for sample in check["exp_samples"]:
            sample["labels"] = selector("", MAIN)
    return [{**test, "interval": "5m"}]


COLLECTION_TESTS: Final[Mapping[str, Callable[[], list[dict[str, Any]]]]] = {
    "RiskCollectionFailing": _collection_failing,
    "RiskDataStale": _data_stale,
    "RiskKeyRejected": _key_rejected,
    "RiskVenueDown": _venue_down,
    "RiskClockSkew": _clock_skew,
    "RiskExporterDown": _exporter_down,
}

EVALUATION_ORDER: Final = (
    "risk-known",
    "risk-portfolio",
    "risk-alerts",
    "risk-collection-alerts",
)

_HEADER = """\
# Generated by "python -m grafana.generator" from grafana/generator/rule_tests.py: edit that.
"""


def _file(tests: list[dict[str, Any]], interval: str = "1m") -> str:
    return _HEADER + yaml.safe_dump(
        {
            "rule_files": ["../rules/recording.yml", "../rules/alerts.yml"],
            "evaluation_interval": interval,
            "group_eval_order": list(EVALUATION_ORDER),
            "tests": tests,
        },
        sort_keys=False,
        width=110,
        allow_unicode=True,
    )


def render() -> dict[str, str]:
    """Test files by name, one for each alert and two for the recording rules."""
    tests: dict[str, list[dict[str, Any]]] = {}
    for case in RISK_CASES:
        named = [_named(test, case.expected.labels) for test in case.tests()]
        tests.setdefault(case.expected.alert, []).extend(named)
    tests |= {name: make() for name, make in COLLECTION_TESTS.items()}
    files = {name: _file(found) for name, found in tests.items()}
    return {**files, "recording": _file(_recording_tests()), "recording_days": _file(_window_tests(), "5m")}


def _named(test: dict[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    window = f", window {labels['window']}" if "window" in labels else ""
    return {**test, "name": f"{labels['severity']}{window}: {test['name']}"}
