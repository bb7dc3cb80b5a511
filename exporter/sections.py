"""The sections of the configuration file: their fields, with the type, default and meaning of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from exporter.account import DEFAULT_INTERVAL, DEFAULT_TIMEOUT, MAX_AGE_INTERVALS, Duration
from exporter.defaults import MIN_INTERVAL, parse_duration
from exporter.desk import AccountLimits
from exporter.keys import KeyRules
from exporter.limits import DEFAULT_SHARE
from exporter.model import RiskSettings

_DEFAULT_RISK = RiskSettings()


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("expected a number")
    return value


def _shock(value: float) -> float:
    if not -1.0 < value <= 10.0 or value == 0.0:
        raise ValueError(
            "a shock is a relative move above -1 and up to 10, and not 0, such as -0.1 for -10 %"
        )
    return value


def _shift(value: float) -> float:
    if not -1.0 <= value <= 10.0 or value == 0.0:
        raise ValueError(
            "a shift is a move of the volatility from -1 to 10, and not 0, such as 0.1 for ten points"
        )
    return value


def _distinct(one: str) -> Callable[[tuple[float, ...]], tuple[float, ...]]:
    """The check of a list, of which each is called `one` in errors."""

    def check(values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) != len(values):
            raise ValueError(f"the same {one} stands twice")
        return tuple(sorted(values))

    return check


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number")  # noqa: TRY004 (pydantic wants it)
    return value


Number = Annotated[float, BeforeValidator(_number), AfterValidator(_finite)]
Coin = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CollectSection(_Section):
    """``collect``: what holds for every account that does not say otherwise."""

    interval: Duration = Field(
        default=DEFAULT_INTERVAL,
        description=f"From the start of one collection to the next; at least {MIN_INTERVAL:g}s.",
    )
    timeout: Duration | None = Field(
        default=None,
        description="For one whole collection; not longer than the interval. "
        f"Default: {DEFAULT_TIMEOUT:g}s, or the interval if that is shorter.",
        examples=[f"{DEFAULT_TIMEOUT:g}s"],
    )
    max_age: Duration | None = Field(
        default=None,
        description="Data older than this are no longer published; longer than the interval. "
        f"Default: {MAX_AGE_INTERVALS:g} × interval.",
        examples=[f"{MAX_AGE_INTERVALS * DEFAULT_INTERVAL:g}s"],
    )


def _marks_interval(value: float) -> float:
    if 0.0 < value < MIN_INTERVAL:
        raise ValueError(f"must be at least {MIN_INTERVAL:g}s, or 0s for never")
    return value


class MarksSection(_Section):
    """``marks``: prices between two collections."""

    interval: Annotated[
        float, BeforeValidator(parse_duration), Field(ge=0, le=3600), AfterValidator(_marks_interval)
    ] = Field(
        default=0.0,
        description=f"From one call for the marks of a venue to the next; at least {MIN_INTERVAL:g}s, such "
        "as 5s; 0s for never.",
    )


class RiskSection(_Section):
    """``risk``: what is computed beside what the venues say."""

    shocks: Annotated[
        tuple[Annotated[Number, AfterValidator(_shock)], ...], AfterValidator(_distinct("shock"))
    ] = Field(
        default=_DEFAULT_RISK.shocks,
        max_length=20,
        description="Relative moves of all coins but stable ones, for "
        "risk_account_stress_maintenance_margin_rate and, of accounts that have options, "
        "risk_account_volatility_stress_maintenance_margin_rate and risk_account_stress_equity_usd; [] "
        "switches them off.",
    )
    target_rate: Annotated[Number, Field(gt=0, lt=1)] = Field(
        default=_DEFAULT_RISK.target_rate,
        description="Maintenance margin rate to which risk_account_margin_to_target, "
        "risk_account_reduction_to_target_ratio and their like for isolated positions lead back; above 0 and "
        "below 1.",
    )
    volatility_shifts: Annotated[
        tuple[Annotated[Number, AfterValidator(_shift)], ...], AfterValidator(_distinct("shift"))
    ] = Field(
        default=_DEFAULT_RISK.volatility_shifts,
        max_length=10,
        description="Moves of the implied volatility of all options, 0.1 for ten percentage points up, for "
        "risk_account_volatility_stress_maintenance_margin_rate and risk_account_stress_equity_usd; the "
        "latter has the volatility held besides. Of accounts that have options alone; [] switches it off.",
    )
    cross_check: bool = Field(
        default=_DEFAULT_RISK.cross_check,
        description="Compute a liquidation price also where the venue gives one, and publish the relative "
        "difference as risk_position_liquidation_cross_check_ratio.",
    )


class BudgetSection(_Section):
    """One entry of ``budgets``: how much of a venue's request limit is used."""

    per_minute: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Weight that the venue allows in a minute. It replaces what docs/venues.md says, for a "
        "limit that was raised or a test network.",
    )
    per_second: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="The same for a second; both can be given."
    )
    share: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=DEFAULT_SHARE,
        description="Part of the limit that the exporter uses at most; the rest is left to what else asks "
        "from the same address. Up to 0.9 the last tenth is left free whoever used the rest.",
    )
    shards_per_address: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1, description="Exporters behind the same address, which divide the share among them."
    )


class Sections(_Section):
    """The whole file."""

    collect: CollectSection = Field(
        default=CollectSection(), description="What holds for every account that does not say otherwise."
    )
    marks: MarksSection = Field(
        default=MarksSection(),
        description="Live marks: between two collections of an account, its newest figures are valued anew "
        "at the mark prices that one public call a venue tells for all accounts (where docs/venues.md names "
        "such a call). Data get no younger by it, and are shown no longer.",
    )
    usd_pegs: dict[Coin, Annotated[Number, Field(gt=0)]] = Field(
        default={coin: value for coin, value in _DEFAULT_RISK.usd_pegs.items() if coin != "USD"},
        description="What coins are worth in USD where the venue quotes no price for them. This list is the "
        "whole list: a coin that is not in it has the venue's price, or no value in USD. USD is always 1, "
        "and so is what a venue calls a dollar (BNFCR, LDUSDT, RWUSD). What is listed stands still in a "
        "market shock; stable coins do so anyway.",
    )
    risk: RiskSection = Field(
        default=RiskSection(), description="What is computed beside what the venues say."
    )
    limits: AccountLimits = Field(
        default=AccountLimits(),
        description="When somebody is told, for every account that does not say otherwise. One number is the "
        "most severe limit, and the milder ones keep their proportion to it; or numbers by severity. Alert "
        "rules read them from risk_account_limit. Critical: act within minutes; warning: decide today; "
        "info: know.",
    )
    keys: KeyRules = Field(
        default=KeyRules(),
        description="What the API keys must not be able to do. Venues are asked when the program starts and "
        "once a day, where docs/venues.md names a call for it.",
    )
    budgets: dict[str, BudgetSection] = Field(
        default={},
        description="Request limits of the venues, by the names in docs/venues.md, and how much of them is "
        "used. Each address has its own; where its accounts do not fit, all their intervals are stretched "
        "evenly.",
    )
    # Each entry is of its venue's class.
    accounts: tuple[Any, ...] = Field(
        default=(),
        description="One entry an account, at least one; delete those that you do not have. Keys need read "
        "permission and nothing else: give them no right to trade or to withdraw. docs/venues.md lists the "
        "venues, with the fields of each.",
    )
