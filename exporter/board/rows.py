"""The rows of the risk page: accounts and positions.

Written here and not in templates because a page has two hundred of them, and must not take a scrape's time.
"""

from __future__ import annotations

from markupsafe import Markup, escape

from exporter.board import cells, texts
from exporter.board.figures import Figures
from exporter.board.overview import AccountRow, PositionRow
from exporter.board.standing import Collected, Standing
from exporter.printable import visible

_TAGS = {"failing": "failing", "stale": "stale", "unseen": "never seen"}

# Built with f-strings: every text of others goes through `_text`.
# ruff: noqa: S704


def account(row: AccountRow, now: float, at: float) -> Markup:
    """A row of the accounts; `now` is elapsed seconds, `at` Unix seconds."""
    one, collected = row.standing, row.collected
    key = f'data-key="a {_text(one.exchange)} {_text(one.account)}" class="{row.state}"'
    if collected is None:
        return Markup(
            f'<tr {key}><th scope="row">{_link(one)} <small>{_whose(one)}</small></th>'
            f'<td colspan="6" class="trouble">{trouble(row, at)}</td>'
            f'<td data-label="Last seen" class="n">{last_seen(one, now)}</td></tr>\n'
        )
    figures = collected.figures
    level = "" if figures.level == "ok" else f"{cells.level(figures.level)} "
    failing = "" if one.failure is None else f' <b class="tag failing">failing: {one.failure.reason}</b>'
    equity = cells.dollar_line(one.history.equity(now), "Equity")
    return Markup(
        f"<tr {key} {cells.ends(collected.expires - now)}>"
        f'<th scope="row">{_link(one)} <small>{level}{_whose(one)}{failing}</small></th>'
        f'<td data-label="Nearest liquidation" class="f">{_nearest(figures, one, now)}</td>'
        f'<td data-label="Margin rate" class="f">{cells.rate(figures.highest_rate)}'
        f"{cells.percent_line(one.history.rate(now), 'Margin rate')}</td>"
        f'<td data-label="Joint move" class="f">{cells.moves(figures.shock_down, figures.shock_up)}</td>'
        f'<td data-label="Equity, leverage" class="n f">{texts.dollars(figures.equity_usd)} '
        f'<span class="pair">{equity} <small>{texts.times(figures.leverage_ratio)}</small></span></td>'
        f'<td data-label="Add to target" class="n f">{_to_add(figures)}</td>'
        f'<td data-label="Stress" class="f">{cells.chips(figures.stress)}</td>'
        f'<td data-label="Age" class="n">{cells.ago(now - collected.began, collected.began_at)}</td></tr>\n'
    )


def position(row: PositionRow, now: float, *, account: bool) -> Markup:
    """A row of the positions, with or without the account that has it."""
    one, of, ends = row.row.standing, row.position, ""
    if row.row.collected is not None:
        ends = cells.ends(row.row.collected.expires - now)
    symbol, number = _text(of.symbol), _text(of.position_id)
    key = f"p {_text(one.exchange)} {_text(one.account)} {symbol} {of.side} {of.margin_mode}"
    leverage = "" if of.leverage_ratio is None else f" {texts.times(of.leverage_ratio)}"
    whose = ""
    if account:
        whose = (
            f'<td data-label="Account">{_link(one)} <small class="under">{_text(one.exchange)}</small></td>'
        )
    computed = ""
    if of.liquidation_source == "computed":
        computed = ' <small title="computed here: the venue gives none">computed</small>'
    kind, worth = "", texts.dollars(of.notional_usd)
    option = of.option
    if option is not None:
        kind = f"{texts.option(option.right, option.strike_price, option.expiry_timestamp_seconds)}, "
        worth = f"{texts.dollars(option.value_usd)} <small>value</small>"
    pnl = texts.UNKNOWN
    if of.unrealized_pnl is not None:
        loss = ' class="loss"' if of.unrealized_pnl < 0.0 else ""
        pnl = f"<span{loss}>{texts.amount(of.unrealized_pnl)}</span> <small>{_text(of.currency)}</small>"
    return Markup(
        f'<tr data-key="{key} {_text(of.currency)} {number}" {ends}>'
        f'<th scope="row"><span class="name">{symbol}</span> <span class="side">{of.side}</span> '
        f'<small class="under">{kind}{of.margin_mode}{leverage} {number}</small></th>{whose}'
        f'<td data-label="To liquidation" class="f">{cells.distance(of)}</td>'
        f'<td data-label="Prices" class="f">{cells.ladder(of)}</td>'
        f'<td data-label="Mark" class="n f">{texts.amount(of.mark_price)}</td>'
        f'<td data-label="Liquidation" class="n f">{texts.amount(of.liquidation_price)}{computed}</td>'
        f'<td data-label="Entry" class="n f">{texts.amount(of.entry_price)}</td>'
        f'<td data-label="Notional" class="n f">{worth}</td>'
        f'<td data-label="PnL" class="n f">{pnl}</td></tr>\n'
    )


def trouble(row: AccountRow, at: float) -> Markup:
    """Why an account is not seen, or fails; `at` is Unix seconds."""
    one = row.standing
    if row.state == "starting":
        return Markup('<b class="tag starting">starting</b> <span>no collection has finished yet</span>')
    tag = f'<b class="tag {row.state}">{_TAGS[row.state]}</b>' if row.state in _TAGS else ""
    failure, since, next_attempt = one.failure, one.failing_since, one.next_attempt
    if failure is None or since is None:
        return Markup(f"{tag} <span>no collection has finished in time</span>")
    again = f", next try in {texts.age(next_attempt - at)}" if next_attempt and next_attempt > at else ""
    return Markup(
        f"{tag} <span>{failure.reason}: {_text(failure.message)}</span> "
        f"<small>failing for {cells.ago(at - since, since)}{again}</small>"
    )


def last_seen(one: Standing, now: float) -> Markup:
    """When a collection last succeeded."""
    collected: Collected | None = one.collected
    return Markup("never") if collected is None else cells.ago(now - collected.began, collected.began_at)


def _nearest(figures: Figures, one: Standing, now: float) -> str:
    if not figures.positions:
        return '<span class="none">no position</span>'
    first = figures.positions[0]
    others = ""
    if figures.without_distance and first.liquidation_distance_ratio is not None:
        others = f", {figures.without_distance} unknown"
    line = cells.percent_line(one.history.distance(now), "Nearest liquidation")
    return (
        f'<span class="pair"><span class="wide">{cells.distance(first)}</span>{line}</span> '
        f"<small>{_text(first.symbol)} {first.side}{others}</small>"
    )


def _to_add(figures: Figures) -> str:
    amount = figures.margin_to_target_usd
    if amount is None:
        return texts.UNKNOWN
    return f"<b>{texts.dollars(amount)}</b>" if amount > 0.0 else "nothing"


def _link(one: Standing) -> str:
    exchange, account = _text(one.exchange), _text(one.account)
    return f'<a href="/accounts/{exchange}/{account}">{account}</a>'


def _whose(one: Standing) -> str:
    return f"{_text(one.exchange)} · {_text(one.owner)}" if one.owner else _text(one.exchange)


def _text(text: str) -> str:
    """A text of others as HTML, its invisible characters as escapes."""
    return str(escape(visible(text)))
