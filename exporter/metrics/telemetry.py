"""The exporter's own metrics: how its calls, its polls and its rendering go."""

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
        build = self._gauge("build_info", "Always 1; what is running", "version", "revision", "python")
        build.labels(*what_runs()).set(1)
        self.shard = self._gauge("shard_info", "Always 1; which shard of how many this is", "shard", "shards")
        self._linger = self._gauge("linger_seconds", help_texts.LINGER)
        self._page = self._gauge("page_info", help_texts.PAGE, "url")
        self.shards = self._gauge("shards", "Shards that the jobs are divided among; 1 if they are not")
        self.registered_jobs = self._gauge(
            "registered_jobs", "Jobs registered now, by who registered them", service, "source"
        )
        self.job_files = self._gauge(
            "job_file_last_read_successful",
            "1 if a job file was read as it is now, 0 if it has a mistake; the jobs of its last good content stay",
            "file",
        )
        self._service = service
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}  # finding them costs more
        self.config_good = self._gauge(
            "config_last_reload_successful", "1 if the configuration that was read last is in use, 0 if it was refused"
        )
        self.config_time = self._gauge(
            "config_last_reload_success_timestamp_seconds",
            "Unix time in seconds when the configuration in use was taken over",
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
        self._gauge("web_connections", "Connections of clients that are open now").set_function(connections)

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
            "Calls that were made, by HTTP status; code none is a call without an answer. Those for tokens and ids of"
            " projects have the service iam, those for temporary keys metadata or pod_identity",
            service,
            "operation",
            "code",
        )
        self.api_seconds = self._histogram(
            "api_request_duration_seconds",
            "Seconds from sending a call to the end of its answer",
            _CALL_BUCKETS,
            service,
            "operation",
        )
        self.api_throttled = self._counter("api_throttled", "Calls that the cloud refused as too many", service)
        self.project_paused = self._gauge(
            "project_paused",
            "1 while no calls are made for a project, and why; absent while they are made",
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
            "poll_lag_seconds", "Seconds from when a poll was due to when it started", _LAG_BUCKETS
        )
        self.polls_skipped = self._counter(
            "polls_skipped",
            help_texts.SKIPPED,
            "reason",
        )
        for reason in ("slow", "busy", "paused", "off"):
            self.polls_skipped.labels(reason)
        self.unknown_values = self._counter(
            "unknown_values",
            "Values of answers that could not be read, or words that are not documented, by the vendor's field",
            service,
            "field",
        )
        self.history_missed = self._counter(
            "history_runs_missed",
            "Upper bound of runs that no counter has: in the total of a job's history but not in its rows, or beyond"
            " its 2000 newest ones, in rows that cannot be read, or replaced by a run after which nothing told"
            " their end; 1 for a history that is cut and has no total",
            service,
            "project",
        )
        self.crashes = self._counter("crashes", "Tasks of the exporter that crashed and went on; see the log", "task")
        self.render_seconds = self._histogram(
            "render_duration_seconds",
            "Seconds to put one scrape's body together, without compressing it",
            _RENDER_BUCKETS,
        )

    def _declare_discovery(self, service: str) -> None:
        self.discovery_worked = self._gauge(
            "discovery_last_success_timestamp_seconds",
            "Unix time in seconds when every rule for the service and project last read its lists without a failure and"
            " found all clusters that it names; absent before the first time",
            service,
            "project",
        )
        self.discovery_cut = self._counter(
            "discovery_jobs_cut",
            "Upper bound of jobs that lists have and that are left out, because max_jobs or the pages of a list are"
            " less, or in rows that were not read or cannot be; counted as their number rises, since the start or since"
            " the rules changed",
            service,
            "project",
        )
        self.discovery_left_out = self._gauge(
            "discovery_jobs_left_out",
            "Upper bound of jobs that lists have and that are left out now: more than max_jobs, hidden by a newer one"
            " of the same name though they go on, or in rows that were not read or cannot be, of which nobody knows"
            " whether a rule asks for them; absent until every rule has read its lists once",
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
        self._gauge("series", "Series of the jobs on /metrics now").set_function(series)
        self.catalogue.append((f"{EXPORTER_PREFIX}_series_dropped_total", "counter", _DROPPED, ()))
        self.registry.register(WatchedCounter(f"{EXPORTER_PREFIX}_series_dropped", _DROPPED, dropped))

    def serves(self, linger: float, url: str | None) -> None:
        """Tell how long it lingers, and where people reach the page."""
        self._linger.set(linger)
        self._page.clear()
        if url:
            self._page.labels(url.rstrip("/")).set(1)

    def watch_budgets(
        self,
        allowed: Callable[[], Mapping[tuple[str, ...], float]],
        stretches: Callable[[], Mapping[str, float]],
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
        text = "Entries of sources that are left out now, because another job has their name; the log names both"
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
            "Seconds that the cloud's clock, as its Date header tells, is ahead of ours; a signature is void after 900",
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
