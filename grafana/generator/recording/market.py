"""How marks move, and how fast positions approach their liquidation price."""

from __future__ import annotations

from typing import Final

from grafana.generator import thresholds as t
from grafana.generator.promql import POSITION
from grafana.generator.recording.known import POSITION_AT_RISK, POSITION_UNMEASURED, known, known_speed
from grafana.generator.rules import Recording

RULES: Final = (
    Recording(
        record="risk:symbol:mark_price:avg",
        about="Mark price of the symbol, in its quote currency, averaged over the accounts that hold it.",
        expr="avg by (exchange, symbol) (risk_position_mark_price)",
    ),
    Recording(
        record="risk:symbol:mark_price_log_return:5m",
        about="Logarithm of the mark price over that of 5 minutes before.",
        expr="ln(risk:symbol:mark_price:avg / (risk:symbol:mark_price:avg offset 5m))",
    ),
    Recording(
        record="risk:symbol:mark_price_volatility:hour",
        about="Standard deviation of the 5-minute log returns of the last hour, scaled to an hour (12 "
        "of them). Absent until half an hour of returns is there.",
        expr="""
        12 ^ 0.5 * stddev_over_time(risk:symbol:mark_price_log_return:5m[1h])
          and present_over_time(risk:symbol:mark_price_log_return:5m[1h] offset 30m)
        """,
    ),
    Recording(
        record="risk:symbol:mark_price_volatility:day",
        about="Standard deviation of the 5-minute log returns of the last day, scaled to a day (288 "
        "of them). Absent until half an hour of returns is there.",
        expr="""
        288 ^ 0.5 * stddev_over_time(risk:symbol:mark_price_log_return:5m[1d])
          and present_over_time(risk:symbol:mark_price_log_return:5m[1d] offset 30m)
        """,
    ),
    Recording(
        record="risk:position:liquidation_distance_sigmas:day",
        about="Liquidation distance in standard deviations of a day's move.",
        expr=f"""
        min by ({POSITION}) (risk_position_liquidation_distance_ratio)
          / on (exchange, symbol) group_left ()
          (risk:symbol:mark_price_volatility:day > 0)
        """,
    ),
    known(
        "risk:position:liquidation_distance_sigmas:known",
        "risk:position:liquidation_distance_sigmas:day",
        "Liquidation distance in standard deviations of a day's move.",
        POSITION_AT_RISK,
    ),
    Recording(
        record="risk:position:liquidation_distance_ratio:deriv5m",
        about="Change of the liquidation distance per second over 5 minutes; negative is approaching.",
        expr=f"min by ({POSITION}) (deriv(risk_position_liquidation_distance_ratio[5m]))",
    ),
    Recording(
        record="risk:position:liquidation_distance_ratio:deriv15m",
        about="Change of the liquidation distance per second over 15 minutes; negative is approaching.",
        expr=f"min by ({POSITION}) (deriv(risk_position_liquidation_distance_ratio[15m]))",
    ),
    Recording(
        record="risk:position:liquidation_time_seconds:projected",
        about="Seconds until the liquidation price is reached at the slower of the two speeds: a "
        "single step, such as a resized position, must not look like a trend. Absent unless both "
        "approach, for positions so far away that their liquidation price moves more than the mark, and "
        "for the first minutes of a position, in which both are the speed of a moment.",
        expr=f"""
        min by ({POSITION}) (
          risk_position_liquidation_distance_ratio < {t.LIQUIDATION_PROJECTED_WITHIN.text}
        )
          / -(
            (
              risk:position:liquidation_distance_ratio:deriv5m
                > risk:position:liquidation_distance_ratio:deriv15m
              or risk:position:liquidation_distance_ratio:deriv15m
            ) < 0
          )
          and on ({POSITION}) present_over_time(risk_position_liquidation_distance_ratio[15m] offset 4m)
        """,
    ),
    known_speed(
        "risk:position:liquidation_time_seconds:known",
        "risk:position:liquidation_time_seconds:projected",
        "Seconds until the liquidation price is reached at the present speed.",
        POSITION_UNMEASURED,
    ),
)
