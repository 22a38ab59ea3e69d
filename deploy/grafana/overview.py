"""The overview: what runs, what failed, how far it is, what it moves, and how old all that is.

Written for thousands of jobs: sums come first and are recorded by rules, tables and lines are of few jobs, and what
is looked at seldom is folded away, so that nobody asks for it.
"""

from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard, table

from deploy.grafana import kinds
from deploy.grafana.kit import (
    bar_cells,
    bars,
    choice,
    coloured_states,
    event,
    folded,
    limit,
    lines,
    names,
    number,
    numbered,
    page_cells,
    rows,
    section,
    state_cells,
    steps,
    store,
    time_left_cells,
    timeline,
)
from deploy.grafana.queries import (
    ALERTS_CHOSEN,
    CHOSEN,
    JOB,
    LISTED,
    OF_THESE,
    ROWS,
    SHOWN,
    alerting_since,
    alerts,
    among,
    limited,
    shown,
)

LEGEND = "{{cluster}} {{service}} {{job}}"
CALM = steps((None, "text"))
ALARM = steps((None, "green"), (1, "red"))
WARN = steps((None, "green"), (1, "orange"))


WHO = ("cluster", "namespace", "project", "region", "service", "job")
EVENTS: Final[list[dict[str, Any]]] = [
    event(
        "Run failed",
        "red",
        limited(SHOWN.each("last_failure_timestamp_seconds")),
        "{{cluster}} {{service}} {{job}}",
    ),
    event(
        "Run succeeded",
        "green",
        limited(SHOWN.each("last_success_timestamp_seconds")),
        "{{cluster}} {{service}} {{job}}",
        enable=False,
    ),
    event(
        "Exporter restarted",
        "purple",
        'process_start_time_seconds{cluster=~"$cluster"} and ignoring (version, revision, python)'
        ' huaweicloud_job_exporter_build_info{cluster=~"$cluster"}',
        "{{cluster}} {{instance}}",
    ),
    event(
        "Configuration read",
        "blue",
        'huaweicloud_job_exporter_config_last_reload_success_timestamp_seconds{cluster=~"$cluster"}',
        "{{cluster}} {{instance}}",
    ),
]


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    built = store(
        "huaweicloud-jobs",
        "Huawei Cloud jobs",
        "Jobs of Huawei Cloud as huaweicloud-job-exporter sees them. What the cloud did not tell is absent, not 0.",
        "huaweicloud-job-exporter",
        "now-24h",
    )
    found = "label_values(huaweicloud_job_info{%s}, %s)"
    clusters, projects, services = 'cluster=~"$cluster"', 'project=~"$project"', 'service=~"$service"'
    for name, label, chosen in (
        ("cluster", "Cluster", ""),
        ("project", "Project", clusters),
        ("service", "Service", f"{clusters}, {projects}"),
        ("job", "Job", f"{clusters}, {projects}, {services}"),
    ):
        built = built.with_variable(choice(name, label, found % (chosen, name)))
    built = built.with_variable(limit("top", "Jobs in a graph", (20, 10, 50, 100)))
    for name, most in (("shown", "$top"), ("listed", ROWS)):
        built = built.with_variable(names(name, CHOSEN.newest(most)))
    for add in (_now, _attention, _sums, _progress, _over_time, kinds.add, _stages, _moved, _freshness):
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
        expr = f"count({CHOSEN.being(state)}) or vector(0)"
        built = built.with_panel(number(title, text, expr, colours))
    text = "Jobs whose last poll failed, or that were not polled yet: what is shown of them is old, or nothing."
    return built.with_panel(number("Not seen", text, f"count({CHOSEN.each('up')} == 0) or vector(0)", WARN))


def _attention(built: dashboard.Dashboard) -> dashboard.Dashboard:
    firing = rows(
        "Alerts",
        f"Alerts on these jobs and on their exporters that fire or are pending, at most {ROWS}. Alertmanager may have"
        " silenced some of them.",
        [
            ("", alerts(ALERTS_CHOSEN), "short"),
            ("since", alerting_since(ALERTS_CHOSEN), "s"),
        ],
        ("alertname", "alertstate", "severity", *WHO),
        (12, 9),
    )
    due = f"bottomk({ROWS}, {CHOSEN.each('deadline_timestamp_seconds')})"
    late = f"{CHOSEN.each('estimated_completion_timestamp_seconds')} - on ({JOB}) {due}"
    deadlines = rows(
        "Deadlines",
        f"The promised deadlines, those missed and the next ones first, at most {ROWS}: negative is how long ago one"
        " was missed. `too late by` is how long after it the run that is under way will end, as estimated.",
        [
            ("due in", f"{due} - time()", "s"),
            ("met", f"{CHOSEN.each('deadline_met')} {among(due)}", "bool_yes_no"),
            ("too late by", late, "s"),
        ],
        WHO,
        (12, 9),
    )
    return section(built, "Needs attention", firing, time_left_cells(deadlines, "due in"), _failures())


def _failures() -> table.Panel:
    failed = f"topk({ROWS}, {CHOSEN.each('failure_info', 'code')})"
    ended = f"time() - {CHOSEN.each('last_failure_timestamp_seconds')}"
    return page_cells(
        rows(
            "Failed jobs",
            f"The newest run failed, at most {ROWS}; code is the first vendor code in its error text. The exporter's"
            " page has the text: `open`, if `web.external_url` says where it is.",
            [
                ("", failed, "short"),
                ("", f"{CHOSEN.page()} {among(failed)}", "short"),
                ("ended before", f"{ended} {among(failed)}", "s"),
            ],
            (*WHO, "code", "url"),
            (24, 8),
        )
    )


def _sums(built: dashboard.Dashboard) -> dashboard.Dashboard:
    state = f"project_service:huaweicloud_job_state:count{{{OF_THESE}}}"
    ended = f"project_service:huaweicloud_job_runs_total:increase1h{{{OF_THESE}}}"
    return section(
        built,
        "Sums",
        coloured_states(
            lines(
                "Jobs by state",
                "How many jobs were in which state, whatever is chosen under Job.",
                [(f"sum by (state) ({state})", "{{state}}")],
                width=12,
                stack=True,
            )
        ),
        coloured_states(
            lines(
                "Runs that ended, an hour",
                "Runs that ended within an hour, by how they ended, whatever is chosen under Job.",
                [(f"round(sum by (result) ({ended}))", "{{result}}")],
                width=12,
            )
        ),
    )


def _progress(built: dashboard.Dashboard) -> dashboard.Dashboard:
    progress = CHOSEN.each("progress_ratio")
    return section(
        built,
        "Progress",
        bars(
            "Progress of running jobs",
            "As the cloud tells it, of those furthest on. DLI's is of the sub-job that runs, so it may fall back.",
            f"topk($top, {progress} {CHOSEN.in_state('running')})",
            LEGEND,
            "percentunit",
            steps((None, "blue"), (1, "green")),
            (6, 14),
        ).max(1),
        _jobs(),
    )


def _jobs() -> table.Panel:
    here = LISTED.newest(ROWS)
    columns = (
        ("progress", LISTED.each("progress_ratio"), "percentunit"),
        ("seen", f"time() - {LISTED.each('last_poll_timestamp_seconds')}", "s"),
        ("no change for", f"time() - {LISTED.each('last_progress_timestamp_seconds')}", "s"),
        ("last success", f"time() - {LISTED.each('last_success_timestamp_seconds')}", "s"),
        ("last run took", LISTED.each("last_run_duration_seconds"), "s"),
        ("ends in", f"{LISTED.each('estimated_completion_timestamp_seconds')} - time()", "s"),
    )
    panel = rows(
        "Jobs that changed last",
        f"At most {ROWS}; choose above to see others. A job whose values are stale has no row: it is counted as not"
        " seen. The exporter's page has all jobs.",
        [
            ("", f"{LISTED.being('.+')} {among(here)}", "short"),
            ("", f"{LISTED.page()} {among(here)}", "short"),
            *((name, f"{expr} {among(here)}", unit) for name, expr, unit in columns),
        ],
        (*WHO, "state", "url"),
        (18, 14),
    )
    return page_cells(state_cells(bar_cells(panel, "progress")))


def _over_time(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Over time, jobs that changed last",
        timeline(
            "What ran when",
            "The state of each job over time; a gap is a time in which it was not known.",
            limited(SHOWN.joined(f"sum without (state) ({numbered(_state)})")),
            LEGEND,
            14,
        ),
        lines(
            "Progress",
            "Progress of each job; it falls when a new run, or a sub-job of DLI, begins.",
            [(shown("progress_ratio"), LEGEND)],
            "percentunit",
            width=12,
        ).max(1),
        lines(
            "How long runs take",
            "How long the last run took that ended, as the cloud tells its times.",
            [(shown("last_run_duration_seconds"), LEGEND)],
            "s",
            width=12,
        ),
    )


def _state(name: str) -> str:
    return SHOWN.series("state", state=name)


def _stages(built: dashboard.Dashboard) -> dashboard.Dashboard:
    done = f"sum without (state) ({CHOSEN.each('tasks', 'state', state='completed|skipped')})"
    return folded(
        built,
        "Tasks and stages (DLI), jobs that changed last",
        lines(
            "Active tasks",
            "Spark tasks that run, of all sub-jobs of the answer.",
            [(shown("tasks", "state", state="active"), LEGEND)],
            stack=True,
        ),
        bars(
            "Tasks done of those planned",
            "Completed and skipped tasks, as a share of those planned, of those furthest on; of a run that ended as"
            " last seen.",
            f"topk($top, {done} / {CHOSEN.each('tasks_planned')})",
            LEGEND,
            "percentunit",
            steps((None, "blue"), (1, "green")),
            (8, 8),
        ).max(1),
        lines(
            "Failed tasks",
            "Spark tasks that failed, as the newest answers tell: Spark tries them again, so the job may succeed.",
            [
                (shown("tasks", "state", state="failed"), LEGEND),
                (shown("killed_tasks", "reason"), f"{LEGEND} killed: {{{{reason}}}}"),
            ],
        ),
        lines(
            "Stages",
            "Spark stages of the newest runs, by state.",
            [(f"sum by (state) ({shown('stages', 'state')})", "{{state}}")],
            width=12,
            stack=True,
        ),
        lines(
            "Sub-jobs",
            "Sub-jobs of the newest runs, by state.",
            [(f"sum by (state) ({shown('subjobs', 'state')})", "{{state}}")],
            width=12,
            stack=True,
        ),
    )


def _moved(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return folded(
        built,
        "Rows and bytes (CDM), jobs that changed last",
        lines(
            "Rows a second, running jobs",
            "Rows written by runs that are under way, where the cloud tells their counts: in the job list.",
            [(limited(SHOWN.recorded("rows_written:rate5m")), LEGEND)],
            "rowsps",
        ),
        lines(
            "Bytes a second, running jobs",
            "Bytes written by runs that are under way, where the cloud tells their counts: in the job list.",
            [(limited(SHOWN.recorded("written_bytes:rate5m")), LEGEND)],
            "Bps",
        ),
        lines(
            "Rows a second, runs that succeeded",
            "Averaged over an hour: a run's rows are added at once when it ended.",
            [(limited(SHOWN.recorded("runs_rows_written:rate1h")), LEGEND)],
            "rowsps",
        ),
        lines(
            "Rows written by the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(shown("rows_written"), LEGEND), (shown("rows_skipped"), f"{LEGEND} skipped")],
            width=12,
        ),
        lines(
            "Bytes written by the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(shown("written_bytes"), LEGEND)],
            "bytes",
            width=12,
        ),
    )


def _freshness(built: dashboard.Dashboard) -> dashboard.Dashboard:
    period = CHOSEN.recorded("promise_period_seconds:known")
    live = f"{CHOSEN.each('last_poll_timestamp_seconds')} {CHOSEN.in_state('pending|running')}"
    return folded(
        built,
        "Freshness",
        bars(
            "Values of live jobs, age",
            "Seconds since the last poll that worked, of jobs that run or wait: the ten oldest.",
            f"topk(10, time() - ({live}))",
            LEGEND,
            "s",
            steps((None, "green"), (300, "orange"), (600, "red")),
            (8, 8),
        ),
        bars(
            "Since the last success",
            "Seconds since a run was last seen to succeed: the longest.",
            f"topk($top, time() - {CHOSEN.each('last_success_timestamp_seconds')})",
            LEGEND,
            "s",
            steps((None, "blue")),
            (8, 8),
        ),
        bars(
            "Since the last success, in periods",
            "Of the jobs that promise a period, the longest: HuaweicloudJobNotSucceeded fires above 2.",
            f"topk($top, (time() - {CHOSEN.recorded('last_success_timestamp_seconds:known')}) / {period})",
            LEGEND,
            "none",
            steps((None, "green"), (1, "orange"), (2, "red")),
            (8, 8),
        ),
    )
