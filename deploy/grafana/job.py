"""One job: its state, its runs, its promises and deadline, and what the cloud reports about the newest run."""

from typing import Any, Final

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.kit import (
    bars,
    coloured_states,
    event,
    lines,
    number,
    numbered,
    one_of,
    page_cells,
    rows,
    section,
    state_names,
    steps,
    store,
    timeline,
)
from deploy.grafana.queries import ONE, alerting_since, alerts

CALM = steps((None, "text"))
LEFT = steps((None, "red"), (0, "green"))
EXPORTER = 'cluster="$cluster", namespace="$namespace"'
EVENTS: Final[list[dict[str, Any]]] = [
    event("Run succeeded", "green", ONE.each("last_success_timestamp_seconds"), "{{job}}"),
    event("Run failed", "red", ONE.each("last_failure_timestamp_seconds"), "{{job}}"),
    event("Deadline", "orange", ONE.each("deadline_timestamp_seconds"), "{{job}}"),
    event(
        "Exporter restarted",
        "purple",
        f"process_start_time_seconds{{{EXPORTER}}} and ignoring (version, revision, python)"
        f" huaweicloud_job_exporter_build_info{{{EXPORTER}}}",
        "{{instance}}",
    ),
    event(
        "Configuration read",
        "blue",
        f"huaweicloud_job_exporter_config_last_reload_success_timestamp_seconds{{{EXPORTER}}}",
        "{{instance}}",
    ),
]


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    built = store(
        "huaweicloud-job",
        "Huawei Cloud job",
        "One job of Huawei Cloud as huaweicloud-job-exporter sees it. What the cloud did not tell is absent, not 0.",
        "huaweicloud-job-exporter",
        "now-24h",
    )
    chosen = ""
    for name in ("cluster", "namespace", "project", "service", "job"):
        built = built.with_variable(
            one_of(name, name.capitalize(), f"label_values(huaweicloud_job_info{{{chosen}}}, {name})")
        )
        chosen += f'{", " if chosen else ""}{name}="${name}"'
    for add in (_now, _runs, _promises, _tasks, _moved, _polls):
        built = add(built)
    return built


def _state(name: str) -> str:
    return ONE.series("state", state=name)


def _coded() -> str:
    return ONE.joined(f"sum without (state) ({numbered(_state)})")


def _now(built: dashboard.Dashboard) -> dashboard.Dashboard:
    left = f"{ONE.each('deadline_timestamp_seconds')} - time()"
    ends = f"{ONE.each('estimated_completion_timestamp_seconds')} - time()"
    state = number("State", "The state of the newest run.", _coded(), CALM).mappings(state_names())
    built = built.with_panel(state.no_value("not known"))
    for title, text, expr, unit, colours in (
        ("Progress", "As the cloud tells it, from 0 to 1.", ONE.each("progress_ratio"), "percentunit", CALM),
        ("Ends in", "Until the estimated end of the run that is under way.", ends, "s", CALM),
        (
            "Deadline in",
            "Until the promised deadline; negative: missed.",
            left,
            "s",
            LEFT,
        ),
        (
            "Last success",
            "How long ago a run was last seen to succeed.",
            f"time() - {ONE.each('last_success_timestamp_seconds')}",
            "s",
            CALM,
        ),
        (
            "Values are old",
            "Since the last poll that worked; a job that is final is not polled any more.",
            f"time() - {ONE.each('last_poll_timestamp_seconds')}",
            "s",
            CALM,
        ),
    ):
        built = built.with_panel(number(title, text, expr, colours, unit).no_value("not told"))
    return built


def _runs(built: dashboard.Dashboard) -> dashboard.Dashboard:
    ended = ONE.joined(f"increase({ONE.series('runs_total')}[1h])", "result")
    return section(
        built,
        "Runs",
        timeline("State", "The state over time; a gap is a time in which it was not known.", _coded(), "{{job}}", 5),
        lines(
            "Progress",
            "It falls when a new run, or a sub-job of DLI, begins.",
            [(ONE.each("progress_ratio"), "progress")],
            "percentunit",
            width=8,
        ).max(1),
        lines(
            "How long runs take",
            "The last run that ended, as the cloud tells its times, beside what was promised.",
            [
                (ONE.each("last_run_duration_seconds"), "last run"),
                (ONE.each("promise_seconds", "promise", promise="max_run"), "promised at most"),
            ],
            "s",
            width=8,
        ),
        coloured_states(
            lines(
                "Runs that ended, an hour",
                "Runs that ended within an hour, by how they ended.",
                [(f"round({ended})", "{{result}}")],
                width=8,
            )
        ),
        page_cells(
            rows(
                "Who it is",
                "The ids by which the cloud knows the job, and the exporter's page of it if `web.external_url` says"
                " where that is.",
                [
                    ("", ONE.identity(), "short"),
                    ("", ONE.page(), "short"),
                ],
                ("project", "region", "service", "job", "cluster_id", "job_id", "url"),
                (12, 6),
            )
        ),
        rows(
            "Failure of the newest run",
            "The first vendor code in the error text of the newest run, if that failed, and how long ago it ended.",
            [
                ("", ONE.each("failure_info", "code"), "short"),
                ("ended before", f"time() - {ONE.each('last_failure_timestamp_seconds')}", "s"),
            ],
            ("service", "job", "code"),
            (12, 6),
        ),
    )


def _promises(built: dashboard.Dashboard) -> dashboard.Dashboard:
    due = ONE.each("deadline_timestamp_seconds")
    this = f"{ONE.labels}, {ONE.project}"
    return section(
        built,
        "Promises",
        lines(
            "Deadline and estimated end",
            "Seconds until each: the run will be late while its end is above the deadline; below 0 it was missed.",
            [
                (f"{due} - time()", "deadline"),
                (f"{ONE.each('estimated_completion_timestamp_seconds')} - time()", "estimated end"),
            ],
            "s",
            least=None,
        ),
        bars(
            "Promises",
            "What was promised of the job: its period, the longest wait, run and time without progress.",
            ONE.each("promise_seconds", "promise"),
            "{{promise}}",
            "s",
            steps((None, "blue")),
            (8, 8),
        ),
        rows(
            "Alerts",
            "Alerts on this job that fire or are pending.",
            [
                ("", alerts(this), "short"),
                ("since", alerting_since(this), "s"),
            ],
            ("alertname", "alertstate", "severity"),
            (8, 8),
        ),
    )


def _tasks(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Tasks and stages (DLI)",
        lines(
            "Tasks",
            "Spark tasks by state, of all sub-jobs of the answer, and how many are planned.",
            [(ONE.each("tasks", "state"), "{{state}}"), (ONE.each("tasks_planned"), "planned")],
        ),
        lines(
            "Stages",
            "Spark stages of the newest run, by state.",
            [(ONE.each("stages", "state"), "{{state}}")],
            stack=True,
        ),
        lines(
            "Sub-jobs",
            "Sub-jobs of the newest run, by state.",
            [(ONE.each("subjobs", "state"), "{{state}}")],
            stack=True,
        ),
    )


def _moved(built: dashboard.Dashboard) -> dashboard.Dashboard:
    return section(
        built,
        "Rows and bytes (CDM)",
        lines(
            "Rows of the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(ONE.each(f"rows_{word}"), word) for word in ("read", "written", "skipped")],
        ),
        lines(
            "Bytes of the newest run",
            "As the cloud tells: of a running job in the job list, else when the run succeeded.",
            [(ONE.each(f"{word}_bytes"), word) for word in ("read", "written")],
            "bytes",
        ),
        lines(
            "Rows a second",
            "Rows written by the run that is under way, where the cloud tells its counts.",
            [(ONE.recorded("rows_written:rate5m"), "written")],
            "rowsps",
        ),
    )


def _polls(built: dashboard.Dashboard) -> dashboard.Dashboard:
    failed = ONE.joined(f"increase({ONE.series('poll_failures_total')}[1h])", "reason")
    return section(
        built,
        "Polls",
        lines(
            "Age of the values",
            "Since the last poll that worked; a job that is final is not polled any more.",
            [(f"time() - {ONE.each('last_poll_timestamp_seconds')}", "age")],
            "s",
            width=12,
        ),
        lines(
            "Failed polls, an hour",
            "Polls of this job that failed within an hour, by reason.",
            [(f"round({failed})", "{{reason}}")],
            width=12,
            stack=True,
        ),
    )
