"""The exporter's own metrics: whether each account's numbers can be trusted, and how the venues answer.

Those of each account are kept as text (`exporter.series`), all others by prometheus-client in a registry of
their own. The families are described in `exporter.catalogue`.
"""

from __future__ import annotations

import platform
import threading
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter import __version__, catalogue, clock
from exporter.clock import Wall
from exporter.desk import AccountLabels, AccountLimits
from exporter.errors import REASONS, Reason, VenueError
from exporter.exposition import Format, headers, joined
from exporter.family import Family
from exporter.model import KeyRights
from exporter.pacing import BudgetState
from exporter.revision import revision
from exporter.series import FAMILIES, Series
from exporter.shard import Shard

REPEAT_AFTER = 600.0
"""Seconds after which a log line about the same failure is written again."""

COLLECTION_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
DELAY_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
REQUEST_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

USED_MAX_AGE = 90.0
"""Seconds for which the used share of a request limit is shown: venues count by the minute."""

log = structlog.get_logger(__name__)

_HEADERS = {format_: headers(FAMILIES, format_) for format_ in Format}


class Telemetry:
    """Counts what the exporter does. Implements `exporter.roles.Observer`.

    Args:
        wall: Unix seconds.
    """

    def __init__(self, *, wall: Wall = clock.wall) -> None:
        # The client library would add a `_created` series to every counter and histogram.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's gap
        self._wall = wall
        self._accounts: dict[tuple[str, str], Series] = {}
        self._lock = threading.Lock()  # a page is made in another thread
        self._used_told_at: dict[str, float] = {}
        self._optional_logged: dict[tuple[str, str, Reason], float] = {}
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._paces: dict[tuple[str, str], tuple[float, float]] = {}
        self._duration = self._histogram(catalogue.DURATION, COLLECTION_BUCKETS)
        self._requests = self._counter(catalogue.API_REQUESTS)
        self._request_duration = self._histogram(catalogue.API_REQUEST_DURATION, REQUEST_BUCKETS)
        self._requests_of: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._rate_limit_used = self._gauge(catalogue.API_RATE_LIMIT_USED)
        self._clock_offset = self._gauge(catalogue.API_CLOCK_OFFSET)
        self._blocked_until = self._gauge(catalogue.API_BLOCKED_UNTIL)
        self._marks_at = self._gauge(catalogue.MARKS_LAST_SUCCESS)
        self._marks_interval = self._gauge(catalogue.MARKS_INTERVAL)
        self._sub_accounts = self._gauge(catalogue.SUB_ACCOUNTS)
        self._sub_accounts_up = self._gauge(catalogue.SUB_ACCOUNTS_UP)
        self._marks: dict[int, tuple[str, float]] = {}
        self._budgets = _Budgets()
        self.registry.register(self._budgets)
        self.loop_delay = self._histogram(catalogue.EVENT_LOOP_DELAY, DELAY_BUCKETS).observe
        self._config_loaded = self._gauge(catalogue.CONFIG_RELOAD_SUCCESSFUL)
        self._config_loaded_at = self._gauge(catalogue.CONFIG_RELOAD_SUCCESS)
        self._config_info = self._gauge(catalogue.CONFIG_INFO)
        self._lock_loaded: tuple[Gauge, Gauge] | None = None
        build_info = self._gauge(catalogue.BUILD_INFO)
        build_info.labels(__version__, revision(), platform.python_version()).set(1)

    def _gauge(self, family: Family) -> Gauge:
        return Gauge(family.name, family.help, family.labels, registry=self.registry)

    def _counter(self, family: Family) -> Counter:
        return Counter(family.name, family.help, family.labels, registry=self.registry)

    def _histogram(self, family: Family, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(family.name, family.help, family.labels, buckets=buckets, registry=self.registry)

    def exposition(self, format_: Format) -> list[bytes]:
        """The families with headers, in pieces, without the end marker of OpenMetrics."""
        self._forget_used()
        with self._lock:
            accounts = list(self._accounts.items())
        accounts.sort(key=itemgetter(0))
        parts = joined(_HEADERS[format_], [series.chunks for _, series in accounts])
        if format_ is Format.OPENMETRICS_1_0_0:
            page: bytes = generate_openmetrics(self.registry)  # type: ignore[no-untyped-call]  # the same
            return [*parts, page.removesuffix(b"# EOF\n")]
        return [*parts, generate_latest(self.registry)]

    def config_loaded(self, fingerprint: str) -> None:
        """This configuration is in use from now on."""
        self._config_loaded.set(1)
        self._config_loaded_at.set(self._wall())
        self._config_info.clear()
        self._config_info.labels(fingerprint).set(1)

    def sharded(self, shard: Shard) -> None:
        """This exporter is one of several that share the accounts."""
        self._gauge(catalogue.SHARD_INFO).labels(str(shard.index), str(shard.count)).set(1)
        self._gauge(catalogue.SHARDS).set(shard.count)

    def config_refused(self) -> None:
        """A configuration was read that cannot be used; the one before goes on."""
        self._config_loaded.set(0)

    def lock_loaded(self) -> None:
        """This file of the web server is in use from now on."""
        if self._lock_loaded is None:
            self._lock_loaded = (
                self._gauge(catalogue.WEB_CONFIG_RELOAD_SUCCESSFUL),
                self._gauge(catalogue.WEB_CONFIG_RELOAD_SUCCESS),
            )
        successful, at = self._lock_loaded
        successful.set(1)
        at.set(self._wall())

    def lock_refused(self) -> None:
        """The file of the web server was read and cannot be used; the lock before goes on."""
        if self._lock_loaded is not None:
            self._lock_loaded[0].set(0)

    def add_account(self, exchange: str, account: str, *, interval: float, max_age: float) -> None:
        """Starts the series of an account: not up, every counter at 0. Counters go on if it has some."""
        with self._lock:
            series = self._accounts.setdefault((exchange, account), Series(exchange, account))
        series.set(catalogue.INTERVAL, interval)
        self.pace(exchange, account, interval=interval, max_age=max_age)
        self._duration.labels(exchange)
        self._request_duration.labels(exchange)

    def desk(self, exchange: str, account: str, labels: AccountLabels, limits: AccountLimits) -> None:
        """Whose an account is, and when somebody is told."""
        self._accounts[exchange, account].desk(labels, limits)

    def key(self, exchange: str, account: str, rights: KeyRights | None) -> None:
        """What the account's key may do; None is not known."""
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.key(rights)

    def remove_account(self, exchange: str, account: str) -> None:
        """Ends the series of an account, and with a venue's last account what was last known of the venue."""
        key = (exchange, account)
        with self._lock:
            self._accounts.pop(key, None)
        self._paces.pop(key, None)
        for reason in REASONS:
            self._optional_logged.pop((*key, reason), None)
        if all(venue != exchange for venue, _ in self._accounts):
            self._used_told_at.pop(exchange, None)
            for gauge in (self._rate_limit_used, self._clock_offset, self._blocked_until):
                gauge.remove(exchange)

    def watch_marks(self, ways: Iterable[str], *, interval: float) -> None:
        """Marks are asked for from now on, `interval` seconds apart; `ways` has the venue of each way."""
        self._marks = {way: (exchange, 0.0) for way, exchange in enumerate(ways)}
        self._marks_at.clear()
        self._marks_interval.clear()
        for exchange, _ in self._marks.values():
            self._marks_interval.labels(exchange).set(interval)

    def marks_received(self, exchange: str, way: int, asked_at: float) -> None:
        """The marks of a venue came, asked for at that moment (Unix seconds), by one of the ways to it.

        Shown is the oldest of all ways, once all have brought some: one that brings none is not hidden.
        """
        if self._marks.get(way, ("", 0.0))[0] == exchange:
            self._marks[way] = (exchange, asked_at)
            oldest = min(at for venue, at in self._marks.values() if venue == exchange)
            if oldest:
                self._marks_at.labels(exchange).set(oldest)

    def sub_accounts(self, exchange: str, account: str, count: int) -> None:
        """The venue listed so many sub-accounts of this entry."""
        self._sub_accounts.labels(exchange, account).set(count)
        self._sub_accounts_up.labels(exchange, account).set(1)

    def sub_accounts_failed(self, exchange: str, account: str) -> None:
        """The venue gave no list for this entry."""
        self._sub_accounts_up.labels(exchange, account).set(0)

    def no_sub_accounts(self, exchange: str, account: str) -> None:
        """Sub-accounts of this entry are not asked for any more."""
        self._sub_accounts.remove(exchange, account)
        self._sub_accounts_up.remove(exchange, account)

    def pace(self, exchange: str, account: str, *, interval: float, max_age: float) -> None:
        """How often an account is collected now, and how old its data may get; in seconds."""
        key, pace = (exchange, account), (interval, max_age)
        if key in self._accounts and self._paces.get(key) != pace:
            self._paces[key] = pace
            self._accounts[key].set(catalogue.EFFECTIVE_INTERVAL, interval)
            self._accounts[key].set(catalogue.MAX_AGE, max_age)

    def backs_off(self, exchange: str, account: str, reason: Reason, *, until: float) -> None:
        """An account that failed for this reason is not tried before then (Unix seconds)."""
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.set(catalogue.NEXT_ATTEMPT, until, reason)

    def backs_off_no_more(self, exchange: str, account: str) -> None:
        """An account is tried at the usual time."""
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.clear(catalogue.NEXT_ATTEMPT)

    def watch_budgets(self, states: Callable[[], Iterable[BudgetState]]) -> None:
        """Publishes how the request limits stand, as of each page."""
        self._budgets.states = states

    def watch(self, family: Family, read: Callable[[], float]) -> None:
        """Publishes what `read` gives, as of each page. It is called in another thread."""
        self.registry.register(_Watched(family, read))

    def collection_succeeded(self, exchange: str, account: str, *, began_at: float, seconds: float) -> None:
        """A collection that began at `began_at` (Unix seconds) brought data."""
        series = self._finished(exchange, account, seconds)
        if series is not None:
            series.set(catalogue.LAST_SUCCESS, began_at)
            series.set(catalogue.UP, 1.0)

    def collection_failed(self, exchange: str, account: str, reason: Reason, *, seconds: float) -> None:
        """A collection brought nothing."""
        series = self._finished(exchange, account, seconds)
        if series is not None:
            series.failed(reason)
            series.set(catalogue.UP, 0.0)

    def _finished(self, exchange: str, account: str, seconds: float) -> Series | None:
        # What was still on its way when its account was removed must not bring the series back.
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.count(catalogue.RUNS)
            self._duration.labels(exchange).observe(seconds)
        return series

    def collection_skipped(self, exchange: str, account: str) -> None:
        """A collection was due while the one before still ran."""
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.count(catalogue.SKIPPED_RUNS)

    def request_finished(self, exchange: str, endpoint: str, status: str, seconds: float) -> None:
        # Looking up what has labels takes longer than counting.
        key = (exchange, endpoint, status)
        counted = self._requests_of.get(key)
        if counted is None:
            counted = self._requests_of[key] = (
                self._requests.labels(*key),
                self._request_duration.labels(exchange),
            )
        requests, duration = counted
        requests.inc()
        duration.observe(seconds)

    def rate_limit_used(self, exchange: str, ratio: float) -> None:
        self._used_told_at[exchange] = self._wall()
        self._rate_limit_used.labels(exchange).set(ratio)

    def _forget_used(self) -> None:
        """Takes away what venues told of a window of their request limit that has passed."""
        now = self._wall()
        for exchange, told_at in list(self._used_told_at.items()):
            if not 0.0 <= now - told_at < USED_MAX_AGE:
                # Pages are built in threads: another one may have taken it away by now.
                self._used_told_at.pop(exchange, None)
                self._rate_limit_used.remove(exchange)

    def clock_offset(self, exchange: str, seconds: float) -> None:
        self._clock_offset.labels(exchange).set(seconds)

    def blocked_until(self, exchange: str, timestamp: float) -> None:
        self._blocked_until.labels(exchange).set(timestamp)

    def optional_failed(self, exchange: str, account: str, error: VenueError) -> None:
        """Counted every time; logged once per reason, and again after `REPEAT_AFTER` seconds."""
        series = self._accounts.get((exchange, account))
        if series is not None:
            series.count(catalogue.OPTIONAL_ERRORS)
        key, now = (exchange, account, error.reason), self._wall()
        logged_at = self._optional_logged.get(key)
        if logged_at is None or not 0.0 <= now - logged_at < REPEAT_AFTER:
            self._optional_logged[key] = now
            log.warning(
                "optional request failed, some series are absent",
                exchange=exchange,
                account=account,
                reason=error.reason,
                error=error.message,
            )


class _Watched(Collector):
    """One value, read when a page is made."""

    def __init__(self, family: Family, read: Callable[[], float]) -> None:
        self._family = family
        self._read = read

    def collect(self) -> Iterable[Metric]:
        family = self._family
        type_ = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
        yield type_(family.name, family.help, value=self._read())


class _Budgets(Collector):
    """Reads the request limits when a page is made: they change by themselves as time passes."""

    def __init__(self) -> None:
        self.states: Callable[[], Iterable[BudgetState]] = list

    def collect(self) -> Iterable[Metric]:
        states = list(self.states())
        for family, read in _BUDGET_VALUES.items():
            type_ = CounterMetricFamily if family.type == "counter" else GaugeMetricFamily
            metric = type_(family.name, family.help, labels=family.labels)
            for state in states:
                metric.add_metric((state.budget, state.address), read(state))
            yield metric


_BUDGET_VALUES: Mapping[Family, Callable[[BudgetState], float]] = {
    catalogue.BUDGET_LIMIT: lambda state: state.limit,
    catalogue.BUDGET_ALLOWED: lambda state: state.allowed,
    catalogue.BUDGET_NEEDED: lambda state: state.needed,
    catalogue.BUDGET_USED: lambda state: state.used,
    catalogue.BUDGET_OTHERS: lambda state: state.others,
    catalogue.BUDGET_FREE: lambda state: state.free,
    catalogue.BUDGET_WAITING: lambda state: state.waiting,
    catalogue.BUDGET_WAITED: lambda state: state.waited,
    catalogue.BUDGET_STRETCH: lambda state: state.stretch,
}
