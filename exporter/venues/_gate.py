"""Gate's calls and messages, and what they mean by themselves: contracts, risk limits, margin rates.

Sources: the pages below https://www.gate.com/docs/developers/apiv4/en/ (futures, unified, account); what is
required: the help page "Initial Margin and Maintenance Margin" and the announcement 37783 (hedge mode).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from exporter.model import Contract, Side
from exporter.request import Endpoint, Params
from exporter.venues._haircut import HaircutTier, counted_share
from exporter.venues._schedule import Schedule, Step, progressive
from exporter.wire import MaybeFlag, Number, Positive, Required, Rows, Wire, listed, one_of

# Weights: calls may be made 200 times in ten seconds, each counted alone; the unified account 150 times.
MODE = Endpoint("/api/v4/unified/unified_mode")
UNIFIED = Endpoint("/api/v4/unified/accounts", weight=4 / 3)
ACCOUNT = Endpoint("/api/v4/futures/{settle}/accounts")
POSITIONS = Endpoint("/api/v4/futures/{settle}/positions")
OPTIONS = Endpoint("/api/v4/options/positions")
KEYS = Endpoint("/api/v4/account/main_keys", apart=True)
CONTRACTS = Endpoint("/api/v4/futures/{settle}/contracts", signed=False)
TICKERS = Endpoint("/api/v4/futures/{settle}/tickers", signed=False)
TIERS = Endpoint("/api/v4/futures/{settle}/risk_limit_tiers", signed=False)
TABLE = Endpoint("/api/v4/futures/{settle}/risk_limit_table", signed=False)
DISCOUNTS = Endpoint("/api/v4/unified/currency_discount_tiers", signed=False)
TIME = Endpoint("/api/v4/spot/time", signed=False)

PUBLIC = (CONTRACTS, TICKERS, TIERS, TABLE, DISCOUNTS, TIME)

TAKER_RATE = 0.00075
"""What a taker pays of a value, where the list of contracts does not say it: the venue requires it beside the
maintenance margin, and has it in the margins that it prints. A discount of the account does not count."""
NO_ACCOUNT = "USER_NOT_FOUND"
"""The label of the failure that an account has never had money for futures in that currency."""
PAGE = 100
"""Positions that are asked for at once; how many there are where no number is given is not documented."""

_NAMES_A_TIER = {"names a tier": "tier", "the highest leverage has it": "initial_rate"}
_OF_TRADING = "of trading, and rules of orders"
UNREAD: Mapping[Endpoint, Mapping[str, str]] = {
    ACCOUNT: {
        "names the account": "user",
        "of the whole past, not of what there is": "history.*",
        "prepaid fees": "point",
        "follows from what is required and what backs it": "cross_imr",
        "the positions have their own": "isolated_position_margin cross_unrealised_pnl",
    },
    POSITIONS: {
        "names the account, the position or an order": "user id update_id voucher_id",
        "parts of the realized PnL, which is published": "pnl_pnl pnl_fee pnl_dividend realised_point",
        "of the whole past; the present position has its own": "history_pnl history_point last_close_pnl",
        "the tiers themselves are read": "risk_limit leverage_max",
        "of orders": "pending_orders close_order.price trade_long_size trade_short_size",
        "time of the last change of the position, not of the figures": "update_time open_time",
        "a gift, which is in no margin": "voucher_size voucher_margin",
    },
    UNIFIED: {
        "names the account": "user_id",
        "part of the equity, which is published": "available freeze borrowed negative_liab total_liab "
        "unified_account_total unified_account_total_liab",
        "no longer used": "futures_pos_liab total_freeze total",
        "prepaid fees": "POINT.equity",
        "already in what the account requires": "spot_in_use spot_order_loss",
        "follows from what is required and what backs it": "imr total_initial_margin_rate leverage",
    },
    CONTRACTS: {
        "tickers have it newer": "funding_rate funding_rate_indicative index_price mark_price last_price",
        "the tiers themselves are read": "maintenance_rate leverage_max leverage_min risk_limit_base "
        "risk_limit_step risk_limit_max",
        "when it was made or changed, and when it ends": "config_change_time create_time launch_time "
        "delisting_time delisted_time",
        "rules for the funding rate": "funding_offset interest_rate funding_cap_ratio funding_impact_value",
        _OF_TRADING: "maker_fee_rate mark_price_round order_price_deviate order_price_round order_size_max "
        "order_size_min orderbook_id orders_limit position_size ref_discount_rate ref_rebate_rate "
        "long_users short_users trade_id trade_size",
    },
    TICKERS: {
        "positions have the mark price they were valued at; of live marks": "mark_price",
        _OF_TRADING: "last low_24h high_24h change_percentage total_size volume_24h volume_24h_btc "
        "volume_24h_usd volume_24h_base volume_24h_quote volume_24h_settle highest_bid highest_size "
        "lowest_ask lowest_size",
        "no longer used": "funding_rate_indicative",
    },
    TIERS: _NAMES_A_TIER,
    TABLE: _NAMES_A_TIER,
    DISCOUNTS: {"names a tier": "tier", "of loans": "leverage"},
    KEYS: {
        "names the account": "user_id",
        "of the key, not what it may do": "state mode created_at update_at last_access",
    },
}


class Clock(Wire):
    server_time: Required  # Unix milliseconds


class Settings(Wire):
    options: MaybeFlag = None


class Mode(Wire):
    mode: str
    settings: Settings | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = ("CLASSIC", "SINGLE_CURRENCY", "MULTI_CURRENCY", "PORTFOLIO")
        self.mode = one_of("mode", self.mode, *names).lower()

    @property
    def unified(self) -> bool:
        return self.mode != "classic"

    @property
    def shared(self) -> bool:
        """Whether all coins back all positions together, in USD."""
        return self.mode in {"multi_currency", "portfolio"}

    @property
    def portfolio(self) -> bool:
        """Whether what is required is what scenarios of the whole book lose."""
        return self.mode == "portfolio"

    @property
    def may_have_options(self) -> bool:
        """Whether options would count in the account's figures: a classic one has them apart."""
        return self.unified and (self.settings is None or self.settings.options is not False)


class Account(Wire):
    """A futures account in one settle currency, in units of it; or that there is none."""

    label: str = ""
    total: Number = None  # without unrealized PnL
    unrealised_pnl: Number = None
    available: Number = None
    bonus: Number = None
    position_margin: Number = None
    order_margin: Number = None
    in_dual_mode: MaybeFlag = None
    position_mode: str | None = None  # single, dual, dual_plus; newer than the flag
    margin_mode: Number = None  # 0 is classic; others belong to a unified account
    margin_mode_name: str | None = None  # the same in words, where it is told
    enable_evolved_classic: MaybeFlag = None
    enable_tiered_mm: MaybeFlag = None
    cross_margin_balance: Number = None
    cross_maintenance_margin: Number = None
    cross_initial_margin: Number = None
    cross_order_margin: Number = None
    cross_available: Number = None
    cross_mmr: Number = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exists and self.total is None:
            raise ValueError("`total` is missing or empty, expected a number")

    @property
    def exists(self) -> bool:
        return self.label != NO_ACCOUNT

    @property
    def classic(self) -> bool:
        return not self.margin_mode and self.margin_mode_name in {None, "", "classic"}

    @property
    def evolved(self) -> bool:
        """Whether cross positions share the balance by the newer rules, with figures of their own."""
        if self.enable_evolved_classic is None:
            return self.cross_margin_balance is not None
        return self.enable_evolved_classic

    @property
    def hedged(self) -> bool | None:
        if self.position_mode:
            return self.position_mode != "single"
        return self.in_dual_mode

    @property
    def equity(self) -> float | None:
        return None if self.total is None or self.unrealised_pnl is None else self.total + self.unrealised_pnl


class Balance(Wire):
    """A coin of a unified account, in units of the coin; from `margin_balance` on in single-currency mode."""

    equity: Number = None  # with the PnL of cross positions
    enabled_collateral: MaybeFlag = None
    margin_balance: Number = None  # of cross positions
    mm: Number = None
    im: Number = None
    mmr: Number = None
    available_margin: Number = None
    cross_balance: Number = None
    iso_balance: Number = None


class Unified(Wire):
    """A unified account; the totals, in USD, are 0 in single-currency mode."""

    balances: dict[str, Balance]
    locked: MaybeFlag = None  # told in multi-currency and portfolio mode
    unified_account_total_equity: Number = None  # at market prices
    total_margin_balance: Number = None  # after haircuts
    total_maintenance_margin: Number = None
    total_maintenance_margin_rate: Number = None
    total_initial_margin: Number = None
    total_available_margin: Number = None
    is_all_collateral: MaybeFlag = None


def turned(rate: float | None, backing: float | None, required: float | None) -> float | None:
    """The venue's margin rate, which is what backs / what is required, with 0 safe and 1 liquidation.

    Some of its fields are in times and others may be in percent: what they are follows from both amounts.
    None where they contradict it.
    """
    if not rate or not backing or not required or backing <= 0.0 or required <= 0.0:
        return None
    for unit in (1.0, 100.0):
        if math.isclose(rate / unit, backing / required, rel_tol=_SAME):
            return unit / rate
    return None


# Two figures of one answer, of which one is cut to four decimals, or is a moment older.
_SAME = 0.01


class PositionRow(Wire):
    contract: str
    size: Required  # contracts, also parts of one; negative is short
    mode: str = ""  # single, dual_long, dual_short
    pos_margin_mode: str = ""  # newer than what a leverage of 0 says
    leverage: Number = None  # of an isolated position; 0 of a cross one
    cross_leverage_limit: Positive = None
    lever: Positive = None  # newer than both
    entry_price: Positive = None
    mark_price: Positive = None
    liq_price: Number = None  # 0, or 99999999
    value: Number = None  # at the mark, in the settle currency
    margin: Number = None  # of an isolated position, without its PnL
    initial_margin: Positive = None  # with the fee of closing; 0 in classic accounts
    maintenance_margin: Positive = None  # the same
    maintenance_rate: Positive = None  # of the tier that it is in
    average_maintenance_rate: Positive = None  # over its tiers, cut to four decimals
    unrealised_pnl: Number = None
    realised_pnl: Number = None
    pnl_fund: Number = None
    adl_ranking: Positive = None  # 1 is first, 5 is last, 6 is none
    risk_limit_table: str | None = None
    pid: str | int | None = None
    id: str | int | None = None  # the position's, also where it has no `pid`

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.size:
            return
        if self.pos_margin_mode:
            self.pos_margin_mode = one_of("pos_margin_mode", self.pos_margin_mode, "CROSS", "ISOLATED")
        elif self.leverage is None:
            raise ValueError("`leverage` and `pos_margin_mode` are empty: is it cross or isolated?")

    @property
    def identity(self) -> tuple[object, ...]:
        return self.contract, self.side, self.isolated, self.pid, self.id

    @property
    def isolated(self) -> bool:
        return self.pos_margin_mode == "ISOLATED" if self.pos_margin_mode else bool(self.leverage)

    @property
    def side(self) -> Side:
        return "short" if self.size < 0.0 or self.mode == "dual_short" else "long"

    @property
    def set_leverage(self) -> float | None:
        return self.lever or self.leverage or self.cross_leverage_limit

    @property
    def adl_ratio(self) -> float | None:
        """From 0 (last) to 1 (first), the other way round than the venue counts."""
        rank = self.adl_ranking
        return None if rank is None or rank > _PLACES else min((_PLACES + 1.0 - rank) / _PLACES, 1.0)


_PLACES = 5.0


def following() -> Callable[[Rows[PositionRow]], Params | None]:
    """What asks for the page after one.

    A venue that knows no pages repeats itself, which ends it.
    """
    seen: set[tuple[object, ...]] = set()

    def after(page: Rows[PositionRow]) -> Params | None:
        rows = listed(page)
        before = len(seen)
        seen.update(row.identity for row in rows)
        if len(rows) < PAGE or len(seen) == before:
            return None
        return (("offset", str(len(seen))),)

    return after


class ContractRow(Wire):
    name: str
    quanto_multiplier: Positive = None  # base units a contract; 0 of an inverse one
    taker_fee_rate: Number = None
    funding_next_apply: Positive = None  # Unix seconds
    funding_interval: Positive = None  # seconds

    def next_funding(self, now: float) -> float | None:
        """The next moment of funding, Unix seconds: of one that has passed, so many intervals later."""
        due, interval = self.funding_next_apply, self.funding_interval
        if due is None or due > now:
            return due
        return None if interval is None else due + interval * math.ceil((now - due) / interval)

    @property
    def fee_rate(self) -> float:
        rate = self.taker_fee_rate
        return rate if rate is not None and 0.0 <= rate < _MOST_FEE else TAKER_RATE


_MOST_FEE = 0.01


class TickerRow(Wire):
    contract: str
    mark_price: Positive = None
    index_price: Positive = None
    funding_rate: Number = None


def contract_of(row: PositionRow, settle: str, listing: ContractRow | None) -> Contract:
    """The contract of a position such as ``BTC_USDT`` (settled in USDT) or ``BTC_USD`` (in BTC).

    A linear one is worth so many base units, an inverse one 1 USD. What the list of contracts says of it, and
    what follows from the position's own value, must agree: else, and of a contract settled in a third coin
    (a quanto), its size is unknown.
    """
    base, _, rest = row.contract.partition("_")
    quote = rest.partition("_")[0] or settle
    told = None if listing is None else listing.quanto_multiplier
    if settle == base and quote != base:
        return Contract("inverse", _agreed(told or 1.0, _implied(row, inverse=True)), base, quote, settle)
    if settle != quote:
        return Contract("linear", None, base, quote, settle)
    implied = _implied(row, inverse=False)
    return Contract("linear", implied if told is None else _agreed(told, implied), base, quote, settle)


def _implied(row: PositionRow, *, inverse: bool) -> float | None:
    """What one contract is worth by the position's value."""
    if not row.value or row.mark_price is None or not row.size:
        return None
    each = abs(row.value / row.size)
    return each * row.mark_price if inverse else each / row.mark_price


def _agreed(told: float, implied: float | None) -> float | None:
    return told if implied is None or math.isclose(told, implied, rel_tol=_SAME) else None


class RiskLimit(Wire):
    """A tier, by the value of a position in the settle currency."""

    risk_limit: Required  # where it ends
    maintenance_rate: Required
    leverage_max: Positive = None
    deduction: Number = None
    contract: str | None = None  # where rows of several are in one answer


def schedule_of(rows: Iterable[RiskLimit], symbol: str) -> Schedule:
    """A contract's tiers, without the fee of closing."""
    return progressive(
        Step(row.risk_limit, row.maintenance_rate, row.deduction, row.leverage_max)
        for row in rows
        if row.contract in {None, "", symbol}
    )


class DiscountTier(Wire):
    discount: Required
    lower_limit: Required
    upper_limit: str | float | None = None  # + is infinity

    @property
    def step(self) -> HaircutTier:
        try:
            cap = float(self.upper_limit or math.inf)
        except ValueError:
            cap = math.inf
        return HaircutTier(self.lower_limit, cap, self.discount)


class Discount(Wire):
    currency: str
    discount_tiers: Rows[DiscountTier] = None

    def share(self, amount: float) -> float | None:
        """The part of a coin's value that counts as margin, over all of an amount."""
        return counted_share((tier.step for tier in listed(self.discount_tiers)), amount)


class OptionRow(Wire):
    size: Number = None


def coin_prices(of_usdt: Mapping[str, TickerRow], of_bitcoin: Mapping[str, TickerRow]) -> dict[str, float]:
    """Coin to USD by the indices of contracts; what a USDT is worth by bitcoin's indices in both."""
    dollars = _index(of_bitcoin, "BTC_USD")
    tethers = _index(of_usdt, "BTC_USDT")
    unit = 1.0 if dollars is None or tethers is None else dollars / tethers
    prices = {}
    for symbol, row in of_usdt.items():
        coin, _, quote = symbol.partition("_")
        if quote == "USDT" and row.index_price is not None:
            prices[coin] = row.index_price * unit
    if dollars is not None:
        prices["BTC"] = dollars
        if tethers is not None:
            prices["USDT"] = unit
    return prices


def _index(rows: Mapping[str, TickerRow], symbol: str) -> float | None:
    row = rows.get(symbol)
    return None if row is None else row.index_price
