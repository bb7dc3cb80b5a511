"""The exporter's own metrics: what is there from the start, what it counts, and what goes."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from structlog.testing import capture_logs

from exporter import __version__, catalogue
from exporter.catalogue import OWN_FAMILIES
from exporter.desk import AccountLabels, AccountLimits
from exporter.errors import REASONS, VenueError
from exporter.exposition import Format
from exporter.model import KeyRights
from exporter.pacing import BudgetState
from exporter.roles import Observer
from exporter.shard import Shard
from exporter.telemetry import REPEAT_AFTER, Telemetry
from tests.accounts import FakeClock, sample

LABELS = {"exchange": "x", "account": "a"}


def with_account() -> Telemetry:
    telemetry = Telemetry()
    telemetry.add_account("x", "a", interval=15.0, max_age=45.0)
    telemetry.desk("x", "a", AccountLabels(desk="basis", owner="anna"), AccountLimits())
    telemetry.key("x", "a", KeyRights(read=True, withdraw=False, ip_restricted=True, expires_at=1.0))
    return telemetry


def value(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return sample(telemetry, name, {"exchange": "x", **labels})


def test_it_is_what_the_client_of_the_venues_reports_to() -> None:
    observer: Observer = Telemetry()  # the type checker looks at the signatures
    observer.request_finished("x", "/path", "200", 0.1)


def test_a_new_account_is_not_up_and_every_counter_is_zero() -> None:
    """A counter that appears with its first error hides that error from `rate`."""
    telemetry = with_account()
    assert value(telemetry, "risk_up", account="a") == 0.0
    assert value(telemetry, "risk_collector_interval_seconds", account="a") == 15.0
    assert value(telemetry, "risk_collector_max_age_seconds", account="a") == 45.0
    assert value(telemetry, "risk_collector_runs_total", account="a") == 0.0
    assert value(telemetry, "risk_collector_skipped_runs_total", account="a") == 0.0
    assert value(telemetry, "risk_collector_optional_errors_total", account="a") == 0.0
    for reason in REASONS:
        assert value(telemetry, "risk_collector_errors_total", account="a", reason=reason) == 0.0
    assert value(telemetry, "risk_collector_duration_seconds_count") == 0.0
    assert value(telemetry, "risk_api_request_duration_seconds_count") == 0.0
    assert value(telemetry, "risk_collector_last_success_timestamp_seconds", account="a") is None


def test_a_success_is_counted_and_dated_by_its_beginning() -> None:
    telemetry = with_account()
    telemetry.collection_succeeded("x", "a", began_at=1_700_000_000.0, seconds=0.3)
    assert value(telemetry, "risk_up", account="a") == 1.0
    last = value(telemetry, "risk_collector_last_success_timestamp_seconds", account="a")
    assert last == 1_700_000_000.0
    assert value(telemetry, "risk_collector_runs_total", account="a") == 1.0
    assert value(telemetry, "risk_collector_duration_seconds_sum") == 0.3
    assert value(telemetry, "risk_collector_duration_seconds_bucket", le="0.25") == 0.0
    assert value(telemetry, "risk_collector_duration_seconds_bucket", le="0.5") == 1.0


def test_a_failure_is_counted_by_reason_and_the_last_success_stands_still() -> None:
    telemetry = with_account()
    telemetry.collection_succeeded("x", "a", began_at=1_700_000_000.0, seconds=0.3)
    telemetry.collection_failed("x", "a", "auth", seconds=0.1)
    assert value(telemetry, "risk_up", account="a") == 0.0
    assert value(telemetry, "risk_collector_errors_total", account="a", reason="auth") == 1.0
    assert value(telemetry, "risk_collector_errors_total", account="a", reason="network") == 0.0
    assert value(telemetry, "risk_collector_runs_total", account="a") == 2.0
    last = value(telemetry, "risk_collector_last_success_timestamp_seconds", account="a")
    assert last == 1_700_000_000.0


def test_requests_are_counted_by_endpoint_and_status() -> None:
    telemetry = with_account()
    for status in ("200", "200", "429", "timeout"):
        telemetry.request_finished("x", "/fapi/v3/account", status, 0.02)
    for status, count in (("200", 2.0), ("429", 1.0), ("timeout", 1.0)):
        found = value(telemetry, "risk_api_requests_total", endpoint="/fapi/v3/account", status=status)
        assert found == count
    assert value(telemetry, "risk_api_request_duration_seconds_count") == 4.0
    assert value(telemetry, "risk_api_request_duration_seconds_sum") == 0.08


def test_what_a_venue_tells_of_itself_is_published() -> None:
    telemetry = with_account()
    telemetry.rate_limit_used("x", 0.25)
    telemetry.clock_offset("x", -1.5)
    telemetry.blocked_until("x", 1_700_000_060.0)
    assert value(telemetry, "risk_api_rate_limit_used_ratio") == 0.25
    assert value(telemetry, "risk_api_clock_offset_seconds") == -1.5
    assert value(telemetry, "risk_api_blocked_until_timestamp_seconds") == 1_700_000_060.0


def test_nothing_is_said_of_a_venue_that_told_nothing() -> None:
    telemetry = with_account()
    for name in (
        "risk_api_rate_limit_used_ratio",
        "risk_api_clock_offset_seconds",
        "risk_api_blocked_until_timestamp_seconds",
    ):
        assert value(telemetry, name) is None


def text(telemetry: Telemetry, format_: Format = Format.TEXT_0_0_4) -> str:
    return b"".join(telemetry.exposition(format_)).decode()


def watched(telemetry: Telemetry) -> None:
    for family in (
        catalogue.SATURATION,
        catalogue.COLLECTIONS_WAITING,
        catalogue.COLLECTIONS_WAITED,
        catalogue.REQUESTS_WAITING,
    ):
        telemetry.watch(family, lambda: 0.5)


def account_lines(telemetry: Telemetry, account: str) -> list[str]:
    page = text(telemetry)
    return [line for line in page.splitlines() if f'account="{account}"' in line]


def test_the_series_of_a_removed_account_go_and_those_of_others_stay() -> None:
    telemetry = with_account()
    telemetry.add_account("x", "b", interval=15.0, max_age=45.0)
    telemetry.clock_offset("x", 0.5)
    telemetry.collection_succeeded("x", "a", began_at=1.0, seconds=0.1)
    before = account_lines(telemetry, "b")
    telemetry.remove_account("x", "a")
    assert account_lines(telemetry, "a") == []
    assert account_lines(telemetry, "b") == before
    assert value(telemetry, "risk_api_clock_offset_seconds") == 0.5


def test_with_its_last_account_goes_what_was_last_known_of_a_venue() -> None:
    telemetry = with_account()
    telemetry.add_account("y", "b", interval=15.0, max_age=45.0)
    for exchange in ("x", "y"):
        telemetry.rate_limit_used(exchange, 0.25)
        telemetry.clock_offset(exchange, -1.5)
        telemetry.blocked_until(exchange, 1_700_000_060.0)
    telemetry.remove_account("x", "a")
    for name in (
        "risk_api_rate_limit_used_ratio",
        "risk_api_clock_offset_seconds",
        "risk_api_blocked_until_timestamp_seconds",
    ):
        assert value(telemetry, name) is None
        assert sample(telemetry, name, {"exchange": "y"}) is not None


def test_what_ends_after_its_account_was_removed_brings_nothing_back() -> None:
    telemetry = with_account()
    telemetry.remove_account("x", "a")
    telemetry.collection_succeeded("x", "a", began_at=1.0, seconds=0.1)
    telemetry.collection_failed("x", "a", "network", seconds=0.1)
    telemetry.collection_skipped("x", "a")
    telemetry.optional_failed("x", "a", VenueError("exchange", "no"))
    assert account_lines(telemetry, "a") == []


def test_adding_an_account_again_changes_its_settings_and_keeps_the_rest() -> None:
    telemetry = with_account()
    telemetry.collection_succeeded("x", "a", began_at=1.0, seconds=0.1)
    telemetry.add_account("x", "a", interval=30.0, max_age=60.0)
    assert value(telemetry, "risk_up", account="a") == 1.0
    assert value(telemetry, "risk_collector_runs_total", account="a") == 1.0
    assert value(telemetry, "risk_collector_interval_seconds", account="a") == 30.0


def test_an_optional_failure_is_counted_each_time_and_logged_now_and_then() -> None:
    clock = FakeClock()
    telemetry = Telemetry(wall=clock)
    telemetry.add_account("x", "a", interval=15.0, max_age=45.0)
    with capture_logs() as lines:
        for _ in range(3):
            telemetry.optional_failed("x", "a", VenueError("exchange", "no brackets"))
            clock.advance(15.0)
        telemetry.optional_failed("x", "a", VenueError("network", "no connection"))
        clock.advance(REPEAT_AFTER)
        telemetry.optional_failed("x", "a", VenueError("exchange", "no brackets"))
    assert value(telemetry, "risk_collector_optional_errors_total", account="a") == 5.0
    assert [(line["reason"], line["error"]) for line in lines] == [
        ("exchange", "no brackets"),
        ("network", "no connection"),
        ("exchange", "no brackets"),
    ]


def test_the_version_is_published() -> None:
    page = text(Telemetry())
    (line,) = (line for line in page.splitlines() if line.startswith("risk_exporter_build_info{"))
    assert f'version="{__version__}"' in line
    assert 'revision="unknown"' in line, "a clone does not claim to be a revision"
    assert line.endswith(" 1.0")


def test_both_exposition_formats_carry_the_same_families_and_none_is_undocumented() -> None:
    telemetry = with_account()
    telemetry.sharded(Shard(0, 3))
    telemetry.lock_loaded()
    telemetry.collection_succeeded("x", "a", began_at=1.0, seconds=0.1)
    telemetry.request_finished("x", "/path", "200", 0.1)
    telemetry.backs_off("x", "a", "network", until=1.0)
    watched(telemetry)
    page = text(telemetry)
    openmetrics = text(telemetry, Format.OPENMETRICS_1_0_0)
    assert "# EOF" not in openmetrics
    names = {family.name for family in parse_text(page)}
    parse: Callable[[str], Iterable[Metric]] = parse_openmetrics
    assert names == {family.name for family in parse(openmetrics + "# EOF\n")}
    documented = {family.name.removesuffix("_total") for family in OWN_FAMILIES}
    assert documented <= names
    assert all(name.startswith(("python_", "process_")) for name in names - documented)


def test_labels_types_and_ranges_are_those_of_the_catalogue() -> None:
    """Of what comes from a venue, only the clock may have any value; the rest is counted here."""
    telemetry = with_account()
    telemetry.sharded(Shard(0, 3))
    telemetry.lock_loaded()
    telemetry.collection_succeeded("x", "a", began_at=1.0, seconds=0.1)
    telemetry.request_finished("x", "/path", "200", 0.1)
    telemetry.rate_limit_used("x", 0.25)
    telemetry.clock_offset("x", -1.5)
    telemetry.blocked_until("x", 1.0)
    telemetry.watch_marks(["x"], interval=5.0)
    telemetry.marks_received("x", 0, 1.0)
    telemetry.backs_off("x", "a", "network", until=1.0)
    telemetry.sub_accounts("x", "a", 3)
    telemetry.sub_accounts_failed("x", "b")
    telemetry.watch_budgets(lambda: [STATE])
    telemetry.watch_marks(["x"], interval=5.0)
    telemetry.marks_received("x", 0, 1.0)
    watched(telemetry)
    telemetry.config_loaded("0123")
    parsed = {family.name: family for family in parse_text(text(telemetry))}
    for family in OWN_FAMILIES:
        found = parsed[family.name.removesuffix("_total")]
        assert found.type == family.type
        assert found.documentation == family.help
        labels = {label for sample in found.samples for label in sample.labels}
        assert labels - {"le"} == {*family.labels, *family.optional_labels}
        assert all(family.range.low <= sample.value <= family.range.high for sample in found.samples)


STATE = BudgetState(
    budget="binance",
    address="direct",
    limit=2400.0,
    allowed=1200.0,
    needed=2930.0,
    used=1190.0,
    others=300.0,
    free=10.0,
    waiting=3,
    waited=17.5,
    stretch=2.5,
)


def test_request_limits_are_published_as_they_are_when_the_page_is_made() -> None:
    telemetry, states = Telemetry(), [STATE]
    telemetry.watch_budgets(lambda: states)
    labels = {"budget": "binance", "address": "direct"}

    def shown(name: str) -> float | None:
        return sample(telemetry, f"risk_budget_{name}", labels)

    assert [shown(f"{name}_per_minute") for name in ("limit", "allowed", "needed", "used", "others")] == [
        2400.0,
        1200.0,
        2930.0,
        1190.0,
        300.0,
    ]
    assert (shown("free_weight"), shown("waiting"), shown("wait_seconds_total")) == (10.0, 3.0, 17.5)
    assert shown("stretch_ratio") == 2.5
    states.clear()
    assert shown("limit_per_minute") is None


def test_an_account_that_is_tried_less_often_says_when_and_why() -> None:
    telemetry = with_account()

    def shown(reason: str) -> float | None:
        labels = {"exchange": "x", "account": "a", "reason": reason}
        return sample(telemetry, "risk_collector_next_attempt_timestamp_seconds", labels)

    telemetry.backs_off("x", "a", "network", until=100.0)
    telemetry.backs_off("x", "a", "timeout", until=200.0)
    assert (shown("network"), shown("timeout")) == (None, 200.0)
    telemetry.backs_off_no_more("x", "a")
    assert shown("timeout") is None
    telemetry.backs_off("x", "a", "auth", until=300.0)
    telemetry.remove_account("x", "a")
    telemetry.backs_off("x", "a", "auth", until=300.0)  # what was still on its way
    assert shown("auth") is None


def test_what_is_watched_is_read_for_each_page() -> None:
    telemetry, waiting = Telemetry(), [3.0]
    telemetry.watch(catalogue.COLLECTIONS_WAITING, lambda: waiting[0])
    assert sample(telemetry, "risk_exporter_collections_waiting", {}) == 3.0
    waiting[0] = 0.0
    assert sample(telemetry, "risk_exporter_collections_waiting", {}) == 0.0


def test_the_pace_of_an_account_is_published() -> None:
    telemetry = with_account()
    assert value(telemetry, "risk_collector_effective_interval_seconds", account="a") == 15.0
    telemetry.pace("x", "a", interval=37.0, max_age=111.0)
    assert value(telemetry, "risk_collector_effective_interval_seconds", account="a") == 37.0
    assert value(telemetry, "risk_collector_interval_seconds", account="a") == 15.0
    assert value(telemetry, "risk_collector_max_age_seconds", account="a") == 111.0


def test_the_process_is_described_and_no_created_series_are_there() -> None:
    page = text(with_account())
    assert "process_resident_memory_bytes " in page
    assert "python_info{" in page
    assert "python_gc_objects_collected_total{" in page
    assert "_created" not in page


def test_the_used_share_of_a_limit_is_gone_when_its_minute_has_passed() -> None:
    clock = FakeClock()
    telemetry = Telemetry(wall=clock)
    telemetry.rate_limit_used("x", 0.9)
    clock.advance(89.0)
    assert 'risk_api_rate_limit_used_ratio{exchange="x"} 0.9' in text(telemetry)
    clock.advance(1.0)
    assert "risk_api_rate_limit_used_ratio{" not in text(telemetry)
    telemetry.rate_limit_used("x", 0.1)
    assert 'risk_api_rate_limit_used_ratio{exchange="x"} 0.1' in text(telemetry)


def test_two_pages_at_once_can_find_the_same_share_too_old() -> None:
    together = Barrier(2, timeout=60.0)

    class ReadTogether(dict[str, float]):
        def items(self) -> ItemsView[str, float]:  # type: ignore[override]  # of the same entries
            found = dict(self).items()
            together.wait()
            return found

    clock = FakeClock()
    telemetry = Telemetry(wall=clock)
    telemetry.rate_limit_used("x", 0.9)
    clock.advance(3600.0)
    telemetry._used_told_at = ReadTogether(telemetry._used_told_at)
    with ThreadPoolExecutor(2) as threads:
        pages = list(threads.map(telemetry.exposition, [Format.TEXT_0_0_4] * 2))
    assert all(b"risk_api_rate_limit_used_ratio{" not in b"".join(page) for page in pages)


def test_an_exporter_alone_is_no_shard_and_one_of_three_says_which() -> None:
    telemetry = with_account()
    assert "risk_exporter_shard" not in text(telemetry)
    telemetry.sharded(Shard(1, 3))
    page = text(telemetry)
    assert 'risk_exporter_shard_info{count="3",index="1"} 1.0\n' in page
    assert "risk_exporter_shards 3.0\n" in page
