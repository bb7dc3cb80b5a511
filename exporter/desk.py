"""Whose an account is, and when somebody is told about it: its labels and limits.

Both are published, and the alert rules read them there (`risk_account_owner_info`, `risk_account_limit`), so
that they stand in one place: the configuration of the exporter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Severity = Literal["info", "warning", "critical"]
"""Critical: act within minutes. Warning: decide today. Info: know."""
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


class Default(Struct, frozen=True):
    """A limit nobody has configured, and why it is there."""

    value: float
    reason: str


class LimitKind(Struct, frozen=True, kw_only=True):
    """One kind of limit: what is compared with it, and where it is without a configuration."""

    name: str
    meaning: str
    """For the example configuration, without the defaults."""
    unit: str
    above: bool
    """Whether it is passed upwards: then a lower limit is the stricter one."""
    most: float
    """The highest value that can be meant."""
    defaults: Mapping[Severity, Default | None]
    """By the severities it has, the mildest first; None: nobody is told unless it is configured."""

    def default(self, severity: Severity) -> float:
        """The default of a severity that has one."""
        found = self.defaults[severity]
        assert found is not None, f"{self.name} has no default for {severity}"  # noqa: S101 (a mistake in the table)
        return found.value

    def scaled(self, value: float) -> dict[Severity, float]:
        """One number stands for the most severe limit; the milder ones keep their proportion to it.

        They go no further than what can be meant: a distance of 0.3 is no mistake because of its ``info``.
        """
        strictest = [one.value for one in self.defaults.values() if one is not None][-1]
        factors = {
            severity: 1.0 if default is None else default.value / strictest
            for severity, default in self.defaults.items()
        }
        most = max(value, self.most)
        return {severity: min(_rounded(value * factor), most) for severity, factor in factors.items()}

    def completed(self, given: Mapping[Severity, float]) -> dict[Severity, float]:
        """All limits where some are given: the others are the defaults, moved where they would overtake."""
        values: dict[Severity, float] = {
            severity: default.value for severity, default in self.defaults.items() if default is not None
        }
        values |= given
        for severity, value in given.items():
            place = SEVERITIES.index(severity)
            for one in values.keys() - given.keys():
                milder = SEVERITIES.index(one) < place
                values[one] = min(values[one], value) if milder == self.above else max(values[one], value)
        return values


def _rounded(value: float) -> float:
    return float(f"{value:.12g}")  # 0.1 * 3 is 0.3 to a person


KINDS: tuple[LimitKind, ...] = (
    LimitKind(
        name="liquidation_distance",
        meaning="Distance of the mark price to the liquidation price of a position.",
        unit="ratio of the mark price",
        above=False,
        most=1.0,
        defaults={
            "info": Default(0.20, "a bad week of a large coin: time to plan, not to act"),
            "warning": Default(
                0.08,
                "a bad day of a large coin, and less than where an ordinary account of 10x lives, which "
                "would be warned of itself for ever",
            ),
            "critical": Default(0.05, "a bad hour: large coins have moved 5 % within minutes many times"),
        },
    ),
    LimitKind(
        name="liquidation_sigmas",
        meaning="The same distance in standard deviations of a day's move of this market.",
        unit="daily sigmas",
        above=False,
        most=100.0,
        defaults={
            "info": Default(3.0, "one in 370 days if returns were normal, more often as they are"),
            "warning": Default(2.0, "reached within a day with a chance of 5 % even if returns were normal"),
        },
    ),
    LimitKind(
        name="liquidation_seconds",
        meaning="Time in which a position reaches its liquidation price at its present speed.",
        unit="seconds",
        above=False,
        most=86400.0,
        defaults={
            "critical": Default(
                3600.0, "a person needs up to an hour to wake up, decide, and move collateral on chain"
            ),
        },
    ),
    LimitKind(
        name="maintenance_margin_rate",
        meaning="Maintenance margin rate of the cross positions of a pool, or of an isolated position.",
        unit="ratio",
        above=True,
        most=1.0,
        defaults={
            "warning": Default(
                0.5, "half of the way: venues start to send their own margin warnings between 0.5 and 0.8"
            ),
            "critical": Default(
                0.8, "the last fifth goes fast: losses cut the equity while the requirement stays"
            ),
        },
    ),
    LimitKind(
        name="liquidation_shock",
        meaning="Joint move of all coins that liquidates anything in the account.",
        unit="relative move of all marks",
        above=False,
        most=10.0,
        defaults={
            "warning": Default(0.08, "coins fall together; a joint move of 8 % is a bad day"),
            "critical": Default(0.05, "a joint move of 5 % is a bad hour"),
        },
    ),
    LimitKind(
        name="equity_drawdown_1d",
        meaning="Loss of equity since the peak of a day, what was moved out not counted.",
        unit="ratio",
        above=True,
        most=1.0,
        defaults={
            "warning": Default(0.10, "a tenth of the account in a day is no ordinary day"),
            "critical": Default(0.25, "a quarter in a day: a strategy out of control"),
        },
    ),
    LimitKind(
        name="equity_drawdown_7d",
        meaning="The same of 7 days.",
        unit="ratio",
        above=True,
        most=1.0,
        defaults={"warning": Default(0.20, "a slow bleed that no single day shows")},
    ),
    LimitKind(
        name="outflow",
        meaning="Share of the equity that left the account within an hour and is in no other one.",
        unit="ratio",
        above=True,
        most=1.0,
        defaults={
            "warning": Default(0.02, "somebody moved money, and whoever did can say so today"),
            "critical": Default(0.10, "theft takes what it can get: minutes decide how much that is"),
        },
    ),
    LimitKind(
        name="leverage",
        meaning="Gross notional / equity.",
        unit="ratio",
        above=True,
        most=1000.0,
        defaults={
            "info": Default(10.0, "a joint move of 10 % takes the whole equity, if nothing is hedged"),
            "warning": None,
        },
    ),
    LimitKind(
        name="adl_ratio",
        meaning="Place in the auto-deleveraging queue; 1 is its front.",
        unit="ratio",
        above=True,
        most=1.0,
        defaults={
            "warning": Default(
                0.95,
                "the last step of the queue at venues with five steps, and the top 5 % at those with a "
                "percentile",
            )
        },
    ),
)
"""Every kind of limit that has severities."""

MIN_NOTIONAL = Default(100.0, "what is smaller is not worth getting up for")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


LabelValue = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}$")]


class AccountLabels(_Part):
    """``labels`` of an account: alerts carry them, and routes can be chosen by them."""

    desk: LabelValue = ""
    owner: LabelValue = ""


_KINDS = {kind.name: kind for kind in KINDS}
BySeverity = dict[Severity, float]


def _limit(name: str) -> Any:
    kind = _KINDS[name]
    defaults = ", ".join(f"{one}: {value.value:g}" for one, value in kind.defaults.items() if value)
    return Field(
        default=None,
        description=f"{kind.meaning} Default: {{{defaults}}}.",
        examples=[f"{{{defaults}}}"],
    )


class AccountLimits(_Part):
    """``limits``: when somebody is told. None: the default."""

    liquidation_distance: BySeverity | None = _limit("liquidation_distance")
    liquidation_sigmas: BySeverity | None = _limit("liquidation_sigmas")
    liquidation_seconds: BySeverity | None = _limit("liquidation_seconds")
    maintenance_margin_rate: BySeverity | None = _limit("maintenance_margin_rate")
    liquidation_shock: BySeverity | None = _limit("liquidation_shock")
    equity_drawdown_1d: BySeverity | None = _limit("equity_drawdown_1d")
    equity_drawdown_7d: BySeverity | None = _limit("equity_drawdown_7d")
    outflow: BySeverity | None = _limit("outflow")
    leverage: BySeverity | None = _limit("leverage")
    adl_ratio: BySeverity | None = _limit("adl_ratio")
    min_notional_usd: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="Notional of a position or account in USD below which nobody is told that it is near "
        f"its liquidation. Default: {MIN_NOTIONAL.value:g}.",
        examples=[f"{MIN_NOTIONAL.value:g}"],
    )

    @field_validator(*_KINDS, mode="before")
    @classmethod
    def _read(cls, given: Any, info: ValidationInfo) -> Any:
        """One number stands for all severities."""
        if given is None or isinstance(given, Mapping):
            return given
        kind = _KINDS[str(info.field_name)]
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise ValueError(f"expected a number, or numbers by severity ({', '.join(kind.defaults)})")  # noqa: TRY004 (pydantic wants it)
        return kind.scaled(float(given))

    @field_validator(*_KINDS)
    @classmethod
    def _check(cls, values: BySeverity | None, info: ValidationInfo) -> BySeverity | None:
        if values is None:
            return None
        kind = _KINDS[str(info.field_name)]
        if not values.keys() <= kind.defaults.keys():
            raise ValueError(f"has limits by these severities: {', '.join(kind.defaults)}")
        if not all(0.0 < value <= kind.most for value in values.values()):
            raise ValueError(f"expected a number above 0 and up to {kind.most:g}")
        ordered = [values[one] for one in SEVERITIES if one in values]
        if ordered != sorted(ordered, reverse=not kind.above):
            raise ValueError(f"a more severe limit is {'above' if kind.above else 'below'} a milder one")
        return kind.completed(values)

    def over(self, other: AccountLimits) -> AccountLimits:
        """These limits, and those of `other` where these say nothing."""
        if not self.model_fields_set:
            return other
        missing = [name for name in type(self).model_fields if getattr(self, name) is None]
        return self.model_copy(update={name: getattr(other, name) for name in missing})

    def values(self) -> Iterator[tuple[str, str, float]]:
        """Every limit that holds, configured or not: its name, severity (empty: it has none) and value."""
        for name, kind in _KINDS.items():
            values = kind.completed(getattr(self, name) or {})
            yield from ((name, one, values[one]) for one in SEVERITIES if one in values)
        least = self.min_notional_usd
        yield "min_notional_usd", "", MIN_NOTIONAL.value if least is None else least
