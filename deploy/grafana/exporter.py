"""The exporter itself: what it calls, how fast, what is refused, and whether it keeps up."""

from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.kit import bars, choice, event, lines, number, section, steps, store

OWN = "huaweicloud_job_exporter_"
HERE = 'cluster=~"$cluster", instance=~"$instance"'
GOOD = steps((None, "green"), (1, "red"))
CALM = steps((None, "text"))
AT = "{{cluster}} {{instance}}"
OF = "{{cluster}} {{project}}"
EXPORTER = f"ignoring (version, revision, python) {OWN}build_info{{{HERE}}}"
"""What has the labels of an exporter's own target, to leave the processes of others out."""
EVENTS: Final[list[dict[str, Any]]] = [
    event(
        "Exporter restarted",
        "purple",
        f"process_start_time_seconds{{{HERE}}} and {EXPORTER}",
        AT,
    ),
    event(
        "Configuration read",
        "blue",
        f"{OWN}config_last_reload_success_timestamp_seconds{{{HERE}}}",
        AT,
    ),
]


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    built = store(
        "huaweicloud-job-exporter",
        "Huawei Cloud job exporter",
        "How huaweicloud-job-exporter itself is: its calls, its limits, its polls, its memory.",
        "huaweicloud-job-exporter",
        "now-6h",
    )
    for name, label, chosen in (("cluster", "Cluster", ""), ("instance", "Instance", 'cluster=~"$cluster"')):
        built = built.with_variable(choice(name, label, f"label_values({OWN}build_info{{{chosen}}}, {name})"))
    for add in (_health, _calls, _limits, _polls, _input, _process):
        built = add(built)
    return built


def own(metric: str, labels: str = "") -> str:
    """Return a selector of one of the exporter's own metrics."""
    return f"{OWN}{metric}{{{HERE}{', ' + labels if labels else ''}}}"


def _health(built: dashboard.Dashboard) -> dashboard.Dashboard:
    for title, expr, colours, text in (
        ("Exporters", f"count({own('build_info')})", CALM, "Exporters that are scraped."),
        ("Jobs", f"sum({own('registered_jobs')})", CALM, "Jobs that are registered now, by whomever."),
        (
            "Jobs not seen",
            f"count(huaweicloud_job_up{{{HERE}}} == 0) or vector(0)",
            GOOD,
            "Jobs whose last poll failed, or that were not polled yet.",
        ),
        (
            "Paused projects",
            f"count(count by (cluster, project) ({own('project_paused')})) or vector(0)",
            GOOD,
            "Projects whose calls are paused because the cloud refuses their credentials.",
        ),
        (
            "Configuration refused",
            f"count({own('config_last_reload_successful')} == 0) or vector(0)",
            GOOD,
            "Exporters that refused the configuration they read last.",
        ),
        (
            "Crashes, a day",
            f"round(sum(increase({own('crashes_total')}[1d])))",
            GOOD,
            "Tasks of the exporter that crashed and went on: its own faults.",
        ),
    ):
        built = built.with_panel(number(title, text, expr, colours))
    return built


def _calls(built: dashboard.Dashboard) -> dashboard.Dashboard:
    seconds = own("api_request_duration_seconds_bucket")
    rate = "[$__rate_interval]"
    return section(
        built,
        "Calls to the cloud",
        lines(
            "Calls a second",
            "By operation and HTTP status; none is a call without an answer.",
            [(f"sum by (operation, code) (rate({own('api_requests_total')}{rate}))", "{{operation}} {{code}}")],
            "reqps",
            stack=True,
        ),
        lines(
            "How long calls take",
            "Half of the calls, and 95 of 100, are faster.",
            [
                (
                    f"histogram_quantile({share}, sum by (service, le) (rate({seconds}{rate})))",
                    f"{{{{service}}}} {share}",
                )
                for share in (0.5, 0.95)
            ],
            "s",
        ),
        lines(
            "Failed polls a second",
            "By reason; while a project is paused each turn counts as auth.",
            [(f"sum by (reason) (rate(huaweicloud_job_poll_failures_total{{{HERE}}}{rate}))", "{{reason}}")],
            "ops",
            stack=True,
        ),
    )


def _limits(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Limits",
        lines(
            "Calls allowed a second",
            "By project and limit, of all shards together; less for a time after calls were refused as too many.",
            [
                (
                    f"sum by (cluster, project, limit) ({own('api_budget_requests_per_second')})",
                    f"{OF} {{{{limit}}}}",
                )
            ],
            "reqps",
            width=6,
        ),
        lines(
            "Intervals, times as long",
            "Factor by which intervals are longer than configured, because the calls would not fit.",
            [(f"max by (cluster, project) ({own('poll_interval_stretch_ratio')})", OF)],
            "none",
            width=6,
        ),
        lines(
            "Refused as too many, an hour",
            "Calls that the cloud refused as too many.",
            [(f"round(sum by (service) (increase({own('api_throttled_total')}[1h])))", "{{service}}")],
            width=6,
        ),
        lines(
            "Credentials end in",
            "Until the token or temporary key in use ends; absent for permanent keys.",
            [
                (
                    f"min by (cluster, project) ({own('credentials_expiry_timestamp_seconds')}) - time()",
                    OF,
                )
            ],
            "s",
            width=6,
        ),
    )


def _polls(built: dashboard.Dashboard) -> dashboard.Dashboard:
    rate = "[$__rate_interval]"
    return section(
        built,
        "Polls",
        lines(
            "Polls are late by",
            "From when a poll was due to when it started.",
            [
                (
                    f"histogram_quantile({share}, sum by (le) (rate({own('poll_lag_seconds_bucket')}{rate})))",
                    f"{share}",
                )
                for share in (0.5, 0.95)
            ],
            "s",
            width=6,
        ),
        lines(
            "Turns without a poll, a second",
            "slow: its last poll took longer than its interval; busy: no worker or budget was free; "
            "paused: the cloud refused the credentials.",
            [(f"sum by (reason) (rate({own('polls_skipped_total')}{rate}))", "{{reason}}")],
            "ops",
            width=6,
        ),
        lines(
            "Unknown values, an hour",
            "Values of answers that could not be read, and words that are not documented.",
            [
                (
                    f"round(sum by (service, field) (increase({own('unknown_values_total')}[1h])))",
                    "{{service}} {{field}}",
                )
            ],
            width=6,
        ),
        lines(
            "Clock skew",
            "How far the cloud's clock is ahead; beyond 900 s every signature is refused.",
            [(f"max by (cluster, project) (abs({own('clock_skew_seconds')}))", OF)],
            "s",
            width=6,
        ),
    )


def _input(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Jobs and files",
        lines(
            "Registered jobs",
            "By service and who registered them.",
            [(f"sum by (service, source) ({own('registered_jobs')})", "{{service}} {{source}}")],
            width=6,
            stack=True,
        ),
        lines(
            "Since the last discovery",
            "Since the jobs of a service were last listed.",
            [
                (
                    f"time() - max by (cluster, service, project) ({own('discovery_last_success_timestamp_seconds')})",
                    "{{cluster}} {{project}} {{service}}",
                )
            ],
            "s",
            width=6,
        ),
        bars(
            "Job files",
            "1 if a job file was read as it is now.",
            f"min by (cluster, file) ({own('job_file_last_read_successful')})",
            "{{cluster}} {{file}}",
            "none",
            steps((None, "red"), (1, "green")),
            (6, 8),
        ).max(1),
        bars(
            "Clusters",
            "1 if a cluster that jobs run on works, by the list of clusters; 0 also if it was switched off.",
            f"max by (cluster, project, cluster_name) (huaweicloud_job_cluster_available{{{HERE}}})",
            "{{cluster}} {{project}} {{cluster_name}}",
            "none",
            steps((None, "orange"), (1, "green")),
            (6, 8),
        ).max(1),
        lines(
            "Journal",
            "Since the journal was last written, and its errors within an hour.",
            [
                (
                    f"time() - max by (cluster, instance) ({own('journal_last_write_timestamp_seconds')})",
                    f"age {AT}",
                ),
                (
                    f"round(sum by (cluster, instance) (increase({own('journal_errors_total')}[1h])))",
                    f"errors {AT}",
                ),
            ],
            width=6,
        ),
    )


def _process(built: dashboard.Dashboard) -> dashboard.Dashboard:
    here = f"{{{HERE}}}"
    rendered = own("render_duration_seconds_bucket")
    return section(
        built,
        "Process",
        lines(
            "Series of the jobs",
            "On /metrics now, and left out because of metrics.max_series.",
            [
                (f"sum by (cluster, instance) ({own('series')})", AT),
                (
                    f"round(sum by (cluster, instance) (increase({own('series_dropped_total')}[1h])))",
                    f"left out {AT}",
                ),
            ],
            width=6,
        ),
        lines(
            "A scrape takes",
            "To put a body together, without compressing it: 95 of 100 are faster.",
            [
                (
                    f"histogram_quantile(0.95, sum by (cluster, instance, le) (rate({rendered}[$__rate_interval])))",
                    AT,
                )
            ],
            "s",
            width=6,
        ),
        lines(
            "Memory",
            "Resident memory of the process.",
            [(f"process_resident_memory_bytes{here} and {EXPORTER}", AT)],
            "bytes",
            width=6,
        ),
        lines(
            "Processor",
            "Cores of the processor in use.",
            [(f"rate(process_cpu_seconds_total{here}[$__rate_interval]) and {EXPORTER}", AT)],
            "none",
            width=6,
        ),
    )
