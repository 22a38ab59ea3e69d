"""The overview: what runs, what failed, how far it is, what it moves, and how old all that is."""

from grafana_foundation_sdk.builders import dashboard, table

from deploy.grafana.kit import (
    IN_PROJECT,
    KEY,
    OF_PROJECT,
    STATES,
    bar_cells,
    bars,
    by_job,
    choice,
    chosen,
    coloured_states,
    in_state,
    lines,
    number,
    recorded,
    rows,
    section,
    state_cells,
    steps,
    store,
    timeline,
)

LEGEND = "{{service}} {{job}}"
CALM = steps((None, "text"))
ALARM = steps((None, "green"), (1, "red"))
WARN = steps((None, "green"), (1, "orange"))


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    built = store(
        "huaweicloud-jobs",
        "Huawei Cloud jobs",
        "Jobs of DLI, DWS and CDM as huaweicloud-job-exporter sees them. What the cloud did not tell is absent, not 0.",
        "huaweicloud-job-exporter",
    )
    for name, label, query in (
        ("project", "Project", "label_values(huaweicloud_job_info, project)"),
        ("service", "Service", 'label_values(huaweicloud_job_info{project=~"$project"}, service)'),
        ("job", "Job", 'label_values(huaweicloud_job_info{project=~"$project", service=~"$service"}, job)'),
    ):
        built = built.with_variable(choice(name, label, query))
    for add in (_now, _progress, _over_time, _stages, _moved, _freshness):
        built = add(built)
    return built


def _now(built: dashboard.Dashboard) -> dashboard.Dashboard:
    for title, state, colours, text in (
        ("Running", "running", CALM, "Jobs whose newest run is under way."),
        ("Waiting", "pending", CALM, "Jobs that wait to start: for a queue, a schedule, a cluster."),
        ("Succeeded", "succeeded", CALM, "Jobs whose newest run succeeded."),
        ("Failed", "failed", ALARM, "Jobs whose newest run failed."),
        ("State not known", "unknown", WARN, "Jobs that the cloud tells no documented state of."),
    ):
        expr = f"count({by_job('state', state=state)} == 1) or vector(0)"
        built = built.with_panel(number(title, text, expr, colours))
    text = "Jobs whose last poll failed, or that were not polled yet: what is shown of them is old, or nothing."
    return built.with_panel(number("Not seen", text, f"count({by_job('up')} == 0) or vector(0)", WARN))


def _progress(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Progress",
        bars(
            "Progress of running jobs",
            "As the cloud tells it. DLI's is of the sub-job that runs, so it may fall back with the next one.",
            f"sort_desc({by_job('progress_ratio')} {in_state('running')})",
            LEGEND,
            "percentunit",
            steps((None, "blue"), (1, "green")),
            (12, 12),
        ).max(1),
        _failures(),
        _all_jobs(),
    )


def _failures() -> table.Panel:
    expr = f"max by (project, service, job, code) ({chosen('failure_info')} * {OF_PROJECT})"
    return rows(
        "Failed jobs",
        "The newest run failed; code is the first vendor code in its error text. The exporter's page has the text.",
        [("failed", expr, "short")],
        ("project", "service", "job", "code"),
        (12, 12),
    )


def _all_jobs() -> table.Panel:
    def column(expr: str) -> str:
        told = f"{expr} * {KEY} group_left (state) (huaweicloud_job_state == 1) * {OF_PROJECT}"
        return f"max by (project, service, job, state) ({told})"

    panel = rows(
        "All jobs",
        "Jobs whose values are stale have no row here; they are counted as not seen.",
        [
            ("progress", column(chosen("progress_ratio")), "percentunit"),
            ("seen", column(f"(time() - {chosen('last_poll_timestamp_seconds')})"), "s"),
            ("no change for", column(f"(time() - {chosen('last_progress_timestamp_seconds')})"), "s"),
            ("last success", column(f"(time() - {chosen('last_success_timestamp_seconds')})"), "s"),
            ("last run took", column(chosen("last_run_duration_seconds")), "s"),
            ("ends in", column(f"({chosen('estimated_completion_timestamp_seconds')} - time())"), "s"),
        ],
        ("project", "service", "job", "state"),
        (24, 12),
    )
    return state_cells(bar_cells(panel, "progress"))


def _over_time(built: dashboard.Dashboard) -> dashboard.Dashboard:
    coded = " or ".join(
        f"({chosen('state', state=state)} == 1) * {position}" for position, state in enumerate(STATES, 1)
    )
    return section(
        built,
        "Over time",
        timeline(
            "What ran when",
            "The state of each job over time; a gap is a time in which it was not known.",
            f"max by (service, job) (({coded}) {IN_PROJECT})",
            LEGEND,
            14,
        ),
        coloured_states(
            lines(
                "Jobs by state",
                "How many jobs were in which state.",
                [(f"sum by (state) ({by_job('state')})", "{{state}}")],
                stack=True,
            )
        ),
        lines(
            "Progress",
            "Progress of each job; it falls when a new run, or a sub-job of DLI, begins.",
            [(by_job("progress_ratio"), LEGEND)],
            "percentunit",
        ).max(1),
        lines(
            "Runs that ended, an hour",
            "Runs that ended within an hour, by how they ended.",
            [
                (
                    f"sum by (result) (increase({chosen('runs_total')}[1h]) {IN_PROJECT})",
                    "{{result}}",
                )
            ],
        ),
        lines(
            "How long runs take",
            "The mean over all runs that ended since they are counted, from start to end as the cloud tells them.",
            [(f"{_seconds('sum')} / {_seconds('count')}", LEGEND)],
            "s",
            width=24,
        ),
    )


def _seconds(what: str) -> str:
    return f"sum without (result) ({by_job(f'run_duration_seconds_{what}')})"


def _stages(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Tasks and stages (DLI)",
        lines(
            "Active tasks",
            "Spark tasks that run, of all sub-jobs of the answer.",
            [(by_job("tasks", state="active"), "{{job}}")],
            stack=True,
        ),
        bars(
            "Tasks done of those planned",
            "Completed and skipped tasks, as a share of those planned; of a run that ended as last seen.",
            f"sum without (state) ({by_job('tasks', state='completed|skipped')}) / {by_job('tasks_planned')}",
            "{{job}}",
            "percentunit",
            steps((None, "blue"), (1, "green")),
            (8, 8),
        ).max(1),
        lines(
            "Failed tasks",
            "Spark tasks that failed, as the newest answers tell: Spark tries them again, so the job may succeed.",
            [
                (by_job("tasks", state="failed"), "{{job}}"),
                (by_job("killed_tasks"), "{{job}} killed: {{reason}}"),
            ],
        ),
        lines(
            "Stages",
            "Spark stages by state, of all jobs.",
            [(f"sum by (state) ({by_job('stages')})", "{{state}}")],
            width=12,
            stack=True,
        ),
        lines(
            "Sub-jobs",
            "Sub-jobs by state, of all jobs.",
            [(f"sum by (state) ({by_job('subjobs')})", "{{state}}")],
            width=12,
            stack=True,
        ),
    )


def _moved(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Rows and bytes (CDM)",
        lines(
            "Rows a second, running jobs",
            "Rows written by runs that are under way, where the cloud tells their counts: in the job list.",
            [(recorded("rows_written:rate5m"), "{{job}}")],
            "rowsps",
        ),
        lines(
            "Bytes a second, running jobs",
            "Bytes written by runs that are under way, where the cloud tells their counts: in the job list.",
            [(recorded("written_bytes:rate5m"), "{{job}}")],
            "Bps",
        ),
        lines(
            "Rows a second, runs that succeeded",
            "Averaged over an hour: a run's rows are added at once when it ended.",
            [(recorded("runs_rows_written:rate1h"), "{{job}}")],
            "rowsps",
        ),
        lines(
            "Rows written by the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(by_job("rows_written"), "{{job}}"), (by_job("rows_skipped"), "{{job}} skipped")],
            width=12,
        ),
        lines(
            "Bytes written by the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(by_job("written_bytes"), "{{job}}")],
            "bytes",
            width=12,
        ),
    )


def _freshness(built: dashboard.Dashboard) -> dashboard.Dashboard:
    period = recorded("promise_period_seconds:known")
    return section(
        built,
        "Freshness",
        bars(
            "Values of live jobs, age",
            "Seconds since the last poll that worked, of jobs that run or wait: the ten oldest.",
            f"topk(10, time() - {by_job('last_poll_timestamp_seconds')} {in_state('pending|running')})",
            LEGEND,
            "s",
            steps((None, "green"), (300, "orange"), (600, "red")),
            (8, 8),
        ),
        lines(
            "Since the last success",
            "Seconds since a run was last seen to succeed.",
            [(f"time() - {by_job('last_success_timestamp_seconds')}", LEGEND)],
            "s",
        ),
        bars(
            "Since the last success, in periods",
            "Of the jobs that promise a period: HuaweicloudJobNotSucceeded fires above 2.",
            f"(time() - {recorded('last_success_timestamp_seconds:known')}) / {period}",
            LEGEND,
            "none",
            steps((None, "green"), (1, "orange"), (2, "red")),
            (8, 8),
        ),
    )
