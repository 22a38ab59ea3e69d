"""What only some services have: streams that should run, batches that die, late starts, schedules that stopped.

A Flink job never succeeds while all is well, and a job that was taken off its schedule keeps the state of its last run:
the numbers at the top of the overview show neither.
"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard

from deploy.grafana.kit import bars, coloured_states, folded, lines, rows, state_cells, steps
from deploy.grafana.queries import CHOSEN, JOB, OF_THESE, ROWS, among

_LEGEND: Final = "{{cluster}} {{service}} {{job}}"
_WHO: Final = ("cluster", "namespace", "project", "region", "service", "job")


def add(built: dashboard.Dashboard) -> dashboard.Dashboard:
    """Add the row."""
    not_running = CHOSEN.each("state", "state", service="dli_flink", state="pending|failed|cancelled|unknown")
    idle = f"topk({ROWS}, {not_running} == 1)"
    off = f"topk({ROWS}, {CHOSEN.each('schedule_info', 'schedule', schedule='stopped|paused')})"
    ended = f'project_service:huaweicloud_job_runs_total:increase1h{{{OF_THESE}, service="dli_spark"}}'
    return folded(
        built,
        "Streams, batches and schedules (Flink, Spark, DataArts)",
        state_cells(
            rows(
                "Flink jobs that do not run",
                f"A Flink job runs until somebody stops it, and never succeeds unless its source ends. At most {ROWS}.",
                [
                    ("", idle, "short"),
                    ("since", f"time() - {CHOSEN.each('last_progress_timestamp_seconds')} {among(idle)}", "s"),
                ],
                (*_WHO, "state"),
                (12, 9),
            )
        ),
        rows(
            "Jobs that are not scheduled",
            f"DataArts jobs whose schedule was stopped or paused: their state is that of the last run. At most {ROWS}.",
            [
                ("", off, "short"),
                ("last success", f"time() - {CHOSEN.each('last_success_timestamp_seconds')} {among(off)}", "s"),
            ],
            (*_WHO, "schedule"),
            (12, 9),
        ),
        bars(
            "Restarts within half an hour",
            "Of Flink jobs that run, the most: HuaweicloudJobRestarts fires above 2.",
            f"topk($top, {CHOSEN.joined(_restarts())} > 0)",
            _LEGEND,
            "short",
            steps((None, "green"), (1, "orange"), (3, "red")),
            (6, 9),
        ),
        bars(
            "Started later than planned",
            "DataArts runs that are under way or wait, the latest: HuaweicloudJobStartsLate fires above 15 minutes.",
            f"topk($top, {_delay()})",
            _LEGEND,
            "s",
            steps((None, "green"), (300, "orange"), (900, "red")),
            (6, 9),
        ),
        bars(
            "Retries of nodes",
            "Of the newest run of DataArts jobs, the most.",
            f"topk($top, {CHOSEN.each('retries')} > 0)",
            _LEGEND,
            "short",
            steps((None, "green"), (1, "orange")),
            (6, 9),
        ),
        coloured_states(
            lines(
                "Spark batches that ended, an hour",
                "Failed is dead, which one that was cancelled is too; whatever is chosen under Job.",
                [(f"round(sum by (result) ({ended}))", "{{result}}")],
                width=6,
            )
        ),
    )


def _restarts() -> str:
    told = CHOSEN.series("restarts")
    return f"({told} - min_over_time({told}[30m]))"


def _delay() -> str:
    """Return how late the newest runs began, and how late those are that should have begun."""
    waits = f"{CHOSEN.each('last_poll_timestamp_seconds')} - {CHOSEN.each('planned_timestamp_seconds')}"
    begun = CHOSEN.each("start_timestamp_seconds")
    late = f"({waits} > 0) {CHOSEN.in_state('pending')} unless on ({JOB}) {begun}"
    return f"({CHOSEN.each('start_delay_seconds')} {CHOSEN.in_state('running')} or {late})"
