"""The exporter's own metrics, about its calls, its polls and its rendering."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from prometheus_client import Counter, Histogram

from exporter.metrics import help_texts
from exporter.metrics.build import what_runs
from exporter.metrics.instruments import EXPORTER_PREFIX, Instruments
from exporter.metrics.watched import WatchedCounter

_JOBS = "huaweicloud_job"
_PLACE = "cluster"
_LAG_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_CALL_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RENDER_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
_DROPPED = "Series left out because metrics.max_series was reached, counted each time a job is left out"


class Telemetry(Instruments):
    """The exporter's own metrics and the registry they are in; *service* is the name of that label."""

    def __init__(self, service: str = "service") -> None:
        super().__init__()
        build = self._gauge("build_info", "Always 1; the versions that are running", "version", "revision", "python")
        build.labels(*what_runs()).set(1)
        self.shard = self._gauge("shard_info", "Always 1; this shard and the number of shards", "shard", "shards")
        self._linger = self._gauge("linger_seconds", help_texts.LINGER)
        self._page = self._gauge("page_info", help_texts.PAGE, "url")
        self.shards = self._gauge("shards", "Number of shards that divide the jobs; 1 without sharding")
        self.registered_jobs = self._gauge(
            "registered_jobs", "Jobs registered now, by service and source", service, "source"
        )
        self.job_files = self._gauge(
            "job_file_last_read_successful",
            "1 if the current content of a job file is in use, 0 if it has a mistake and the jobs of its last valid"
            " content stay registered",
            "file",
        )
        self._service = service
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # finding them costs more
        self.config_good = self._gauge(
            "config_last_reload_successful", "1 if the configuration that was read last is in use, 0 if it was refused"
        )
        self.config_time = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "Unix time in seconds when the configuration in use was loaded",
        )
        self._declare_web()
        self._declare_calls(service)
        self._declare_polls(service)
        self._declare_discovery(service)
        self.journal_errors = self._counter("journal_errors", "Times that the journal could not be read or written")
        self._journal_written: dict[tuple[str, ...], float] = {}
        self._watched("journal_last_write_timestamp_seconds", help_texts.JOURNAL, (), lambda: self._journal_written)

    def _declare_web(self) -> None:
        self._web_config: dict[tuple[str, ...], float] = {}
        self._web_config_at: dict[tuple[str, ...], float] = {}
        self._watched("web_config_last_reload_successful", help_texts.WEB_CONFIG, (), lambda: self._web_config)
        self._watched(
            "web_config_last_reload_success_timestamp_seconds", help_texts.WEB_TAKEN, (), lambda: self._web_config_at
        )
        self.closed_connections = self._counter("web_connections_closed", help_texts.CLOSED, "reason")
        for reason in ("limit", "slow_request", "slow_reader", "descriptors"):
            self.closed_connections.labels(reason)

    def watch_connections(self, connections: Callable[[], int]) -> None:
        """Read at every scrape how many connections are open."""
        self._gauge("web_connections", "Open client connections").set_function(connections)

    def web_config_read(self, good: bool, at: float) -> None:
        """Note whether the web configuration file that was read is in force, and since when the one that is."""
        self._web_config[()] = float(good)
        if good:
            self._web_config_at[()] = at

    def no_web_config(self) -> None:
        """Note that there is no web configuration file."""
        self._web_config.clear()
        self._web_config_at.clear()

    def journal_wrote(self, at: float) -> None:
        """Note when the journal was written."""
        self._journal_written[()] = at

    def _declare_calls(self, service: str) -> None:
        self.api_requests = self._counter(
            "api_requests",
            "Calls to the cloud, by HTTP status; code none is a call without a response. Calls for tokens and project"
            " ids have the service iam, calls for temporary keys metadata or pod_identity",
            service,
            "operation",
            "code",
        )
        self.api_seconds = self._histogram(
            "api_request_duration_seconds",
            "Seconds from sending a call to the end of its response",
            _CALL_BUCKETS,
            service,
            "operation",
        )
        self.api_throttled = self._counter("api_throttled", "Calls that the cloud refused as too many (429)", service)
        self.project_paused = self._gauge(
            "project_paused",
            "1 while calls for a project are paused, by reason; absent while they are not",
            "project",
            "reason",
        )

    def count_unreadable(self, service: str, fields: Iterable[str]) -> None:
        """Count fields that could not be read, one for each time that they were said."""
        for field, times in Tally(fields).items():
            self.unknown_values.labels(service, field).inc(times)

    def answered(self, service: str, operation: str, status: int, seconds: float) -> None:
        """Count a call that was answered, and how long it took."""
        found = self._answered.get((service, operation, status))
        if found is None:
            counted = self.api_requests.labels(service, operation, str(status))
            found = self._answered[service, operation, status] = (counted, self.api_seconds.labels(service, operation))
        found[0].inc()
        found[1].observe(seconds)

    def _declare_polls(self, service: str) -> None:
        self.poll_lag = self._histogram(
            "poll_lag_seconds", "Seconds from the due time of a poll to its start", _LAG_BUCKETS
        )
        skipped = self._counter("polls_skipped", help_texts.SKIPPED, "reason")
        self.polls_skipped = {reason: skipped.labels(reason) for reason in ("slow", "busy", "paused", "off")}
        self.unknown_values = self._counter(
            "unknown_values",
            "Values in responses that could not be read, and undocumented words, by the vendor's field",
            service,
            "field",
        )
        self.history_missed = self._counter(
            "history_runs_missed",
            "Upper bound of runs that are missing from all counters: runs in the total of a job's history but not in"
            " its rows, beyond its 2000 newest ones, or in unreadable rows, and runs whose end was not reported after"
            " a newer run began; 1 for an incomplete history without a total",
            service,
            "project",
        )
        self.crashes = self._counter(
            "crashes", "Crashes of the exporter's tasks, each followed by a restart of the task; see the log", "task"
        )
        self.render_seconds = self._histogram(
            "render_duration_seconds",
            "Seconds to assemble the body of one scrape, without compression",
            _RENDER_BUCKETS,
        )

    def _declare_discovery(self, service: str) -> None:
        self.discovery_worked = self._gauge(
            "discovery_last_success_timestamp_seconds",
            "Unix time in seconds when all rules for the service and project last read their lists without a failure"
            " and found all clusters that they name; absent before the first time",
            service,
            "project",
        )
        self.discovery_cut = self._counter(
            "discovery_jobs_cut",
            "Upper bound of jobs in lists that were left out: beyond max_jobs or the pages of a list, or in rows that"
            " were not read or are unreadable; each increase of their number is added, since the start or the last"
            " change of the rules",
            service,
            "project",
        )
        self.discovery_left_out = self._gauge(
            "discovery_jobs_left_out",
            "Upper bound of jobs in lists that are left out now: beyond max_jobs, unfinished but hidden by a newer"
            " job of the same name, or in rows that were not read or are unreadable and may match a rule; absent"
            " until every rule has read its lists once",
            service,
            "project",
        )

    def forget_cut(self, service: str, project: str) -> None:
        """Forget how many jobs the rules for a service and project leave out, once the rules changed."""
        for metric in (self.discovery_cut, self.discovery_left_out):
            with suppress(KeyError):
                metric.remove(service, project)

    def watch(self, series: Callable[[], int], dropped: Callable[[], int], reduced: Callable[[], int]) -> None:
        """Read the number of the jobs' series, of those left out, and of the reduced jobs at every scrape."""
        self._gauge("jobs_reduced", help_texts.REDUCED).set_function(reduced)
        self._gauge("series", "Series of the jobs that are on /metrics now").set_function(series)
        self.catalogue.append((f"{EXPORTER_PREFIX}_series_dropped_total", "counter", _DROPPED, ()))
        self.registry.register(WatchedCounter(f"{EXPORTER_PREFIX}_series_dropped", _DROPPED, dropped))

    def serves(self, linger: float, url: str | None) -> None:
        """Tell how long it lingers, and where people reach the page."""
        self._linger.set(linger)
        self._page.clear()
        if url:
            self._page.labels(url.rstrip("/")).set(1)

    def watch_budgets(
        self, allowed: Callable[[], Mapping[tuple[str, ...], float]], stretches: Callable[[], Mapping[str, float]]
    ) -> None:
        """Read at every scrape what budgets allow by project and limit class, and what they stretch by project."""
        self._watched("api_budget_requests_per_second", help_texts.BUDGET, ("project", "limit"), allowed)
        self._watched(
            "poll_interval_stretch_ratio",
            help_texts.STRETCH,
            ("project",),
            lambda: {(project,): ratio for project, ratio in stretches().items()},
        )

    def watch_refused(self, refused: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """Read at every scrape how many entries are left out, by service and source."""
        text = "Entries that are left out now because another job has their name; the log names both jobs"
        self._watched("refused_jobs", text, (self._service, "source"), refused)

    def watch_expiry(self, expiries: Callable[[], Mapping[str, float | None]]) -> None:
        """Read by project when its credentials expire, at every scrape."""
        self._watched(
            "credentials_expiry_timestamp_seconds",
            help_texts.EXPIRY,
            ("project",),
            lambda: {(project,): at for project, at in expiries().items() if at is not None},
        )

    def watch_skew(self, skews: Callable[[], Mapping[str, float | None]]) -> None:
        """Read by project how far the cloud's clock is ahead of ours, at every scrape."""
        self._watched(
            "clock_skew_seconds",
            "Seconds that the cloud's clock is ahead of the exporter's, from the Date header of responses; signatures"
            " are refused beyond 900",
            ("project",),
            lambda: {(project,): skew for project, skew in skews().items() if skew is not None},
        )

    def watch_clusters(
        self,
        available: Callable[[], Mapping[tuple[str, ...], float]],
        words: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        """Read at every scrape which clusters work, and in what words the service says so."""
        who = ("project", f"{_PLACE}_id", f"{_PLACE}_name")
        self._watched(f"{_PLACE}_available", help_texts.CLUSTER_AVAILABLE, who, available, _JOBS)
        self._watched(f"{_PLACE}_info", help_texts.CLUSTER_INFO, (*who, "native_state", "meaning"), words, _JOBS)

    def watch_history(self, size: Callable[[], int]) -> None:
        """Read how much memory the past of the jobs takes, at every scrape."""
        self._gauge("history_bytes", help_texts.HISTORY).set_function(size)

    def watch_journal(self, seconds: Callable[[], Mapping[tuple[str, ...], float]]) -> None:
        """Read how long the last write of the journal took, at every scrape."""
        self._watched("journal_last_write_duration_seconds", help_texts.JOURNAL_TOOK, (), seconds)
