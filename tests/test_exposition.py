"""The page: what a sample line looks like, what is left out, and what three formats have in common."""

from __future__ import annotations

import itertools
import math
import random
import re
import subprocess
import threading
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.catalogue import FAMILIES
from exporter.clock import elapsed
from exporter.errors import VenueError
from exporter.exposition import Format, Store, number, render
from exporter.model import Asset, MarginPool, PoolRisk, PositionRisk
from exporter.printable import visible
from exporter.telemetry import Telemetry
from tests.accounts import FakeClock, complete_risk, position, risk_of

Parser = Callable[[str], Iterable[Metric]]
PARSERS = [
    pytest.param(Format.TEXT_0_0_4, parse_text, id="text-0.0.4"),
    pytest.param(Format.TEXT_1_0_0, parse_text, id="text-1.0.0"),
    pytest.param(Format.OPENMETRICS_1_0_0, parse_openmetrics, id="openmetrics"),
]

COMPLETE = (
    """\
risk_account_equity{POOL} 101.0
risk_account_adjusted_equity{POOL} 119.0
risk_account_margin_equity{POOL} 102.0
risk_account_equity_usd{POOL} 108.0
risk_account_wallet_balance{POOL} 103.0
risk_account_available_balance{POOL} 104.0
risk_account_withdrawable_balance{POOL} 118.0
risk_account_unrealized_pnl{POOL} -105.0
risk_account_initial_margin{POOL} 106.0
risk_account_open_order_margin{POOL} 117.0
risk_account_maintenance_margin{POOL} 109.0
risk_account_closing_fees{POOL} 120.0
risk_account_maintenance_margin_rate{POOL} 0.11
risk_account_venue_margin_rate{POOL} 0.107
risk_account_margin_to_target{POOL} 121.0
risk_account_reduction_to_target_ratio{POOL} 0.122
risk_account_gross_notional_usd{POOL} 111.0
risk_account_net_notional_usd{POOL} -112.0
risk_account_leverage_ratio{POOL} 113.0
risk_account_liquidation_shock_ratio{POOL,direction="down"} 0.115
risk_account_liquidation_shock_ratio{POOL,direction="up"} 0.114
risk_account_cross_liquidation_shock_ratio{POOL,direction="down"} 0.124
risk_account_cross_liquidation_shock_ratio{POOL,direction="up"} 0.123
risk_account_stress_maintenance_margin_rate{POOL,margin_mode="cross",shock="-0.1"} 0.116
risk_account_stress_maintenance_margin_rate{POOL,margin_mode="cross",shock="0.05"} +Inf
risk_account_stress_maintenance_margin_rate{POOL,margin_mode="isolated",shock="-0.1"} 0.125
risk_account_volatility_stress_maintenance_margin_rate{POOL,shock="-0.1",volatility_shift="0.05"} 0.126
risk_account_stress_equity_usd{POOL,shock="-0.1",volatility_shift="0"} 127.0
risk_account_stress_equity_usd{POOL,shock="0",volatility_shift="0.05"} -128.0
risk_account_delta_usd{exchange="x",account="a",base="BTC"} 411.0
risk_account_gamma_usd{exchange="x",account="a",base="BTC"} 412.0
risk_account_vega_usd{exchange="x",account="a",base="BTC"} 413.0
risk_account_theta_usd{exchange="x",account="a",base="BTC"} -414.0
risk_account_info{exchange="x",account="a",MODES} 1.0
risk_asset_wallet_balance{exchange="x",account="a",asset="BTC"} 201.0
risk_asset_equity{exchange="x",account="a",asset="BTC"} 202.0
risk_asset_price_usd{exchange="x",account="a",asset="BTC"} 203.0
risk_position_quantity{OPTION} 401.0
risk_position_quantity{POSITION} 301.0
risk_position_notional_usd{POSITION} 308.0
risk_position_largest_notional{POSITION} 315.0
risk_position_entry_price{POSITION} 302.0
risk_position_mark_price{POSITION} 307.0
risk_position_liquidation_price{POSITION} 312.0
risk_position_liquidation_distance_ratio{POSITION} 0.313
risk_position_liquidation_cross_check_ratio{POSITION} -0.314
risk_position_unrealized_pnl{POSITION} -309.0
risk_position_realized_pnl{POSITION} -303.0
risk_position_funding_rate{POSITION} -0.316
risk_position_next_funding_timestamp_seconds{POSITION} 317.0
risk_position_accrued_funding{POSITION} -318.0
risk_position_leverage_ratio{POSITION} 304.0
risk_position_initial_margin{POSITION} 305.0
risk_position_maintenance_margin{POSITION} 310.0
risk_position_closing_fee{POSITION} 319.0
risk_position_maintenance_margin_rate{POSITION} 0.311
risk_position_margin{POSITION} 306.0
risk_position_margin_to_target{POSITION} 320.0
risk_position_reduction_to_target_ratio{POSITION} 0.321
risk_position_adl_ratio{POSITION} 0.75
risk_position_info{OPTION,base="BTC",quote="USD",contract_kind="option",liquidation_source="none",RIGHT} 1.0
risk_position_info{POSITION,base="BTC",quote="USDT",contract_kind="linear",liquidation_source="computed"} 1.0
risk_position_option_value_usd{OPTION} 404.0
risk_position_strike_price{OPTION} 402.0
risk_position_expiry_timestamp_seconds{OPTION} 403.0
risk_position_underlying_price{OPTION} 410.0
risk_position_implied_volatility{OPTION} 0.409
risk_position_delta{OPTION} -405.0
risk_position_delta_usd{OPTION} -415.0
risk_position_gamma{OPTION} 406.0
risk_position_vega{OPTION} 407.0
risk_position_theta{OPTION} -408.0
risk_positions{exchange="x",account="a"} 2.0
risk_positions_without_liquidation_price{exchange="x",account="a"} 0.0
""".replace("MODES", 'account_status="normal",asset_mode="multi",margin_mode="unified",position_mode="hedge"')
    .replace("RIGHT", 'right="put"')
    .replace("POOL", 'exchange="x",account="a",currency="USDT"')
    .replace(
        "OPTION",
        'exchange="x",account="a",symbol="BTC-PUT",side="long",margin_mode="cross",currency="BTC"',
    )
    .replace(
        "POSITION",
        'exchange="x",account="a",symbol="BTCUSDT",side="long",margin_mode="isolated",currency="USDT",position_id="7"',
    )
)


def store_with(*accounts: tuple[str, dict[str, bytes]]) -> Store:
    store = Store(Telemetry(), elapsed=lambda: 0.0)
    for account, chunks in accounts:
        store.put("x", account, chunks, taken_at=0.0, max_age=1.0)
    return store


def families(store: Store, format_: Format, parser: Parser) -> dict[str, Metric]:
    return {family.name: family for family in parser(store.page(format_).decode())}


def test_every_value_of_an_account_has_its_line() -> None:
    assert b"".join(render("x", "a", complete_risk()).values()).decode() == COMPLETE


def test_what_is_unknown_is_absent() -> None:
    """Of a position of which only size, contract and entry price are known, and of a pool that is a name."""
    risk = risk_of(PositionRisk(position=position()), pools=(PoolRisk(pool=MarginPool(currency="USDT")),))
    labels = 'exchange="x",account="a",symbol="BTCUSDT",side="long",margin_mode="cross",currency="USDT"'
    assert b"".join(render("x", "a", risk).values()).decode() == (
        'risk_account_info{exchange="x",account="a"} 1.0\n'
        f"risk_position_quantity{{{labels}}} 1.0\n"
        f"risk_position_entry_price{{{labels}}} 100.0\n"
        f"risk_position_info{{{labels},"
        'base="BTC",quote="USDT",contract_kind="linear",liquidation_source="unknown"} 1.0\n'
        'risk_positions{exchange="x",account="a"} 1.0\n'
        'risk_positions_without_liquidation_price{exchange="x",account="a"} 1.0\n'
    )


def test_an_empty_account_has_its_counts() -> None:
    chunks = render("x", "a", risk_of())
    assert set(chunks) == {"risk_account_info", "risk_positions", "risk_positions_without_liquidation_price"}
    assert chunks["risk_positions"] == b'risk_positions{exchange="x",account="a"} 0.0\n'


def test_a_value_that_is_not_a_number_is_absent() -> None:
    """Not NaN: a rule that compares with it would be silent for ever."""
    pool = MarginPool(currency="USDT", equity=math.nan, wallet_balance=5.0)
    chunks = render("x", "a", risk_of(pools=(PoolRisk(pool=pool, stress=((0.1, math.nan),)),)))
    assert "risk_account_equity" not in chunks
    assert "risk_account_stress_maintenance_margin_rate" not in chunks
    assert "risk_account_wallet_balance" in chunks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (-0.0, "0.0"),
        (0.1, "0.1"),
        (1e-9, "1e-09"),
        (1e23, "1e+23"),
        (33599.4186, "33599.4186"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False))
def test_numbers_read_back_as_they_were(value: float) -> None:
    assert float(number(value)) == value


ANY_TEXT = st.text(st.characters(), min_size=1, max_size=20)


@pytest.mark.parametrize(("format_", "parser"), PARSERS)
@given(
    symbol=ANY_TEXT,
    position_id=st.text(st.sampled_from('\\"\n{},= #aé'), max_size=6),
    value=st.floats(1e-300, 1e300),
)
def test_any_label_value_and_number_come_back_from_the_page(
    format_: Format, parser: Parser, symbol: str, position_id: str, value: float
) -> None:
    row = PositionRisk(position=position(symbol, position_id=position_id), mark_price=value)
    found = families(store_with(("a", render("x", "a", risk_of(row)))), format_, parser)
    (sample,) = found["risk_position_mark_price"].samples
    assert sample.labels["symbol"] == visible(symbol)
    assert sample.labels.get("position_id", "") == visible(position_id)
    assert sample.value == value


def test_what_cannot_be_seen_in_a_name_is_shown_as_an_escape() -> None:
    name = "BTC\u202eTDSU\x1b[31m\ud800"
    chunks = render("x", "a", risk_of(PositionRisk(position=position(name), mark_price=1.0)))
    assert rb'symbol="BTC\\u202eTDSU\\x1b[31m\\ud800"' in chunks["risk_position_mark_price"]


def test_a_label_name_that_would_break_the_page_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a label name"):
        render("x", "a", risk_of(modes={"position mode": "hedge"}))


def rows_of(*symbols: str) -> list[PositionRisk]:
    return [PositionRisk(position=position(symbol), mark_price=1.0) for symbol in symbols]


def test_rows_have_the_same_order_whatever_order_the_venue_uses() -> None:
    rows = rows_of("BTCUSDT", "ADAUSDT", "ETHUSDT", "1000PEPEUSDT")
    orders = list(itertools.permutations(rows))
    random.Random(1).shuffle(orders)  # noqa: S311 (no secret)
    assert len({tuple(render("x", "a", risk_of(*order)).items()) for order in orders}) == 1


@pytest.mark.parametrize(
    ("risk", "named"),
    [
        (risk_of(*rows_of("BTCUSDT", "ETHUSDT", "BTCUSDT")), "two positions for BTCUSDT long cross USDT"),
        (risk_of(pools=(PoolRisk(pool=MarginPool(currency="BTC")),) * 2), "two pools for BTC"),
        (risk_of(assets=(Asset(asset="ETH"),) * 2), "two collateral rows for ETH"),
    ],
)
def test_two_rows_that_would_be_one_series_are_a_schema_error_that_names_them(
    risk: object, named: str
) -> None:
    """Prometheus would refuse the page of all accounts."""
    with pytest.raises(VenueError, match=named) as raised:
        render("x", "a", risk)  # type: ignore[arg-type]  # an AccountRisk
    assert raised.value.reason == "schema"


@pytest.mark.parametrize(
    ("risk", "named"),
    [
        (risk_of(*rows_of("")), "positions without a name for symbol"),
        (risk_of(pools=(PoolRisk(pool=MarginPool(currency="")),)), "pools without a name for currency"),
        (risk_of(assets=(Asset(asset=""),)), "collateral rows without a name for asset"),
    ],
)
def test_a_row_without_a_name_is_a_schema_error(risk: object, named: str) -> None:
    """An empty label would leave a comma alone, and Prometheus would refuse the page of all accounts."""
    with pytest.raises(VenueError, match=named) as raised:
        render("x", "a", risk)  # type: ignore[arg-type]  # an AccountRisk
    assert raised.value.reason == "schema"


def test_positions_that_differ_in_one_label_are_two_series() -> None:
    rows = [
        PositionRisk(position=position(**fields), mark_price=1.0)
        for fields in ({}, {"side": "short"}, {"margin_mode": "isolated"}, {"position_id": "2"})
    ]
    chunk = render("x", "a", risk_of(*rows))["risk_position_mark_price"]
    assert len(set(chunk.splitlines())) == 4


@pytest.mark.parametrize(("format_", "parser"), PARSERS)
def test_accounts_share_one_header_and_no_series_comes_twice(format_: Format, parser: Parser) -> None:
    chunks = [(name, render("x", name, complete_risk())) for name in ("b", "a", "c")]
    store = store_with(*chunks)
    page = store.page(format_).decode()
    found = families(store, format_, parser)
    for family in FAMILIES:
        assert page.count(f"# TYPE {family.name} ") == 1
        accounts = [sample.labels["account"] for sample in found[family.name].samples]
        assert accounts == sorted(accounts)
        assert set(accounts) == {"a", "b", "c"}
    series = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))


@pytest.mark.parametrize(("format_", "parser"), PARSERS)
def test_every_format_says_the_same(format_: Format, parser: Parser) -> None:
    found = families(store_with(("a", render("x", "a", complete_risk()))), format_, parser)
    lines = [
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in FAMILIES
        for sample in found[family.name].samples
    ]
    expected = [
        (sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in parse_text(COMPLETE)
        for sample in family.samples
    ]
    assert lines == expected


def test_a_family_without_samples_has_no_header() -> None:
    page = store_with(("a", render("x", "a", risk_of()))).page(Format.TEXT_0_0_4)
    assert b"risk_account_equity" not in page
    assert b"# TYPE risk_positions gauge\n" in page


def test_openmetrics_ends_with_its_mark_and_the_others_have_none() -> None:
    store = store_with(("a", render("x", "a", complete_risk())))
    openmetrics = store.page(Format.OPENMETRICS_1_0_0)
    assert openmetrics.endswith(b"\n# EOF\n")
    assert openmetrics.count(b"# EOF") == 1
    assert b"# EOF" not in store.page(Format.TEXT_0_0_4)
    assert b"# EOF" not in store.page(Format.TEXT_1_0_0)


def test_data_are_published_until_their_age_reaches_the_limit() -> None:
    clock = FakeClock()
    store = Store(Telemetry(), elapsed=clock)
    store.put("x", "a", render("x", "a", complete_risk()), taken_at=clock(), max_age=45.0)
    clock.advance(44.999)
    assert store.fresh("x", "a")
    assert b"risk_account_equity{" in store.page(Format.TEXT_0_0_4)
    clock.advance(0.001)
    assert not store.fresh("x", "a")
    page = store.page(Format.TEXT_0_0_4)
    assert not [family.name for family in FAMILIES if family.name.encode() in page]


def test_accounts_grow_old_on_their_own() -> None:
    clock = FakeClock()
    store = Store(Telemetry(), elapsed=clock)
    for account, max_age in (("a", 10.0), ("b", 20.0)):
        store.put("x", account, render("x", account, risk_of()), taken_at=clock(), max_age=max_age)
    clock.advance(15.0)
    page = store.page(Format.TEXT_0_0_4)
    assert b'risk_positions{exchange="x",account="a"}' not in page
    assert b'risk_positions{exchange="x",account="b"}' in page


def test_new_data_replace_the_old_as_a_whole() -> None:
    store = store_with(("a", render("x", "a", risk_of(*rows_of("BTCUSDT", "ETHUSDT")))))
    store.put("x", "a", render("x", "a", risk_of(*rows_of("ETHUSDT"))), taken_at=0.0, max_age=1.0)
    page = store.page(Format.TEXT_0_0_4)
    assert b"BTCUSDT" not in page
    assert b"ETHUSDT" in page


def test_a_removed_account_is_gone() -> None:
    store = store_with(("a", render("x", "a", risk_of())), ("b", render("x", "b", risk_of())))
    store.remove("x", "a")
    store.remove("x", "never there")
    page = store.page(Format.TEXT_0_0_4)
    assert b'account="a"' not in page
    assert b'account="b"' in page


def test_ages_are_measured_on_a_clock_that_goes_forward() -> None:
    first = elapsed()
    assert elapsed() >= first


def test_promtool_has_no_complaint() -> None:
    """Names, help, types and duplicates, by the linter of Prometheus; a missing promtool fails this test."""
    telemetry = Telemetry()
    telemetry.add_account("x", "a", interval=15.0, max_age=45.0)
    telemetry.collection_succeeded("x", "a", began_at=1.7e9, seconds=0.2)
    telemetry.request_finished("x", "/fapi/v3/account", "200", 0.1)
    telemetry.rate_limit_used("x", 0.1)
    telemetry.clock_offset("x", -0.1)
    telemetry.blocked_until("x", 1.7e9)
    store = Store(telemetry, elapsed=lambda: 0.0)
    for account in ("a", "b"):
        store.put("x", account, render("x", account, complete_risk()), taken_at=0.0, max_age=1.0)
    checked = subprocess.run(
        ["promtool", "check", "metrics"],  # noqa: S607 (wherever it is installed)
        input=store.page(Format.TEXT_0_0_4),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_storing_an_account_moves_nobody_else() -> None:
    """A fleet is not sorted or copied at every collection; the page has it in its order all the same."""
    store = Store(Telemetry(), elapsed=lambda: 0.0)
    known = store._accounts
    for place in (3, 1, 2, 1):
        chunks = {"risk_positions": f"of account {place}\n".encode()}
        store.put("x", f"account-{place}", chunks, taken_at=0.0, max_age=1.0)
    assert store._accounts is known
    page = store.page(Format.TEXT_0_0_4).decode()
    assert re.findall("^of account (.)$", page, re.MULTILINE) == ["1", "2", "3"]


def test_data_are_never_older_than_the_page_says() -> None:
    """A collection may end while the page is made: then its data are there, whatever is said of it."""

    class Ending:
        def exposition(self, _: Format) -> Iterable[bytes]:
            store.put("x", "a", {"risk_positions": b"new\n"}, taken_at=0.0, max_age=1.0)
            return [b"risk_up 1\n"]

    store = Store(Ending(), elapsed=lambda: 0.0)
    store.put("x", "a", {"risk_positions": b"old\n"}, taken_at=0.0, max_age=1.0)
    page = store.page(Format.TEXT_0_0_4)
    assert b"new\n" in page
    assert b"old\n" not in page


def test_a_page_made_while_accounts_are_stored_shows_each_as_a_whole() -> None:
    """Pages are made in threads; both families of an account are of one collection on every page."""
    store = Store(Telemetry(), elapsed=lambda: 0.0)
    stop = threading.Event()

    def collections() -> None:
        for turn in itertools.count():
            for account in ("a", "b", f"c{turn % 7}"):
                chunks = {
                    "risk_positions": f"positions_{account} {turn}\n".encode(),
                    "risk_account_equity": f"equity_{account} {turn}\n".encode(),
                }
                store.put("x", account, chunks, taken_at=0.0, max_age=1.0)
            store.remove("x", f"c{(turn + 3) % 7}")
            if stop.is_set():
                return

    thread = threading.Thread(target=collections)
    thread.start()
    try:
        for _ in range(40):
            page = store.page(Format.TEXT_0_0_4).decode()
            equities = dict(re.findall(r"^equity_(\S+) (\d+)$", page, re.MULTILINE))
            positions = dict(re.findall(r"^positions_(\S+) (\d+)$", page, re.MULTILINE))
            assert equities == positions
    finally:
        stop.set()
        thread.join()
