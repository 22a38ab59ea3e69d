"""Answers of the cloud, as the vendor's documents show them, in as many variants as there are seeds."""

import json
import random
from typing import Any, Final

VARIANTS: Final = 64
STARTED: Final = 1_709_597_421_000
DLI_LIST: Final = {"is_success": True, "message": "", "job_count": 0, "jobs": []}
"""A list that tells of no job, so that each has to be asked itself."""
CDM_LIST: Final = {"total": 0, "jobs": []}
STEPS: Final = ("save at ReportWriter.scala", "count at Orders.scala", "collect at Join.scala")


def dli(seed: int) -> dict[str, Any]:
    """Return the answer for a Spark job that runs, with one to three sub-jobs.

    It names no job, because one body answers for many.
    """
    numbers = random.Random(seed)
    count = 1 + seed % 3
    return {
        "is_success": True,
        "message": "",
        "status": "RUNNING",
        "sub_job_id": count - 1,
        "progress": round(numbers.random(), 4),
        "sub_jobs": [_subjob(numbers, number, running=number == count - 1) for number in range(count)],
    }


def _subjob(numbers: random.Random, number: int, *, running: bool) -> dict[str, Any]:
    tasks = numbers.randrange(50, 4000)
    done = numbers.randrange(tasks) if running else tasks
    return {
        "id": number,
        "name": f"{STEPS[number]}:{numbers.randrange(20, 900)}",
        "submission_time": "Tue Mar 05 08:10:41 UTC 2024",
        "stage_ids": list(range(number * 4, number * 4 + 4)),
        "status": "RUNNING" if running else "SUCCEEDED",
        "num_tasks": tasks,
        "num_active_tasks": min(16, tasks - done),
        "num_completed_tasks": done,
        "num_skipped_tasks": numbers.randrange(20),
        "num_failed_tasks": numbers.randrange(3),
        "num_killed_tasks": 0,
        "num_completed_indices": done,
        "num_active_stages": int(running),
        "num_completed_stages": 3 + (not running),
        "num_skipped_stages": numbers.randrange(3),
        "num_failed_stages": 0,
    }


def cdm(seed: int, *, running: bool) -> dict[str, Any]:
    """Return the answer for a migration that runs, or that succeeded and told its counters; it is always one run."""
    numbers = random.Random(seed)
    moved = numbers.randrange(10**6, 10**11)
    files = numbers.randrange(1, 5000)
    submission: dict[str, Any] = {
        "isIncrementing": False,
        "submission-id": 41,
        "isStopingIncrement": "",
        "is-execute-auto": False,
        "last-update-date": STARTED + 67_000 + seed * 977,
        "last-update-user": "cdm",
        "isDeleteJob": False,
        "creation-user": "cdm",
        "creation-date": STARTED,
        "external-id": "job_local88213_0041",
        "progress": round(numbers.random() * 100, 2) if running else 100,
        "delete_rows": 0,
        "update_rows": numbers.randrange(1000),
        "write_rows": numbers.randrange(10**7),
        "execute-date": STARTED + 1000,
        "status": "RUNNING" if running else "SUCCEEDED",
    }
    if not running:
        counters = {
            "BYTES_WRITTEN": moved,
            "TOTAL_FILES": files,
            "BYTES_READ": moved,
            "FILES_WRITTEN": files - 1,
            "TOTAL_SIZE": moved,
            "FILES_READ": files,
            "ROWS_WRITTEN": moved // 90,
            "ROWS_READ": moved // 90,
            "FILES_SKIPPED": 1,
            "ROWS_WRITTEN_SKIPPED": 0,
        }
        submission["counters"] = {"org.apache.sqoop.submission.counter.SqoopCounters": counters}
    return {"submissions": [submission]}


def dws(seed: int) -> dict[str, Any]:
    """Return the answer for a warehouse's task that runs."""
    return {
        "status": "RUNNING",
        "progress": f"{random.Random(seed).randrange(100)}%",
        "job_name": "ecfClusterRestartJob",
        "begin_time": "2024-03-05T08:10:00",
        "end_time": None,
        "failed_code": None,
        "failed_detail": None,
    }


def files() -> dict[str, bytes]:
    """Return every answer by the name of its file: the kind of job and the number of the variant.

    None names its job, because all jobs of a kind get it: an answer that names another job is a failed poll.
    """
    found: dict[str, Any] = {"dli-fixed": dli(1), "dli-list": DLI_LIST, "cdm-list": CDM_LIST}
    for seed in range(VARIANTS):
        found[f"dli-{seed}"] = dli(seed)
        found[f"cdm-running-{seed}"] = cdm(seed, running=True)
        found[f"cdm-ended-{seed}"] = cdm(seed, running=False)
        found[f"dws-{seed}"] = dws(seed)
    # Not the default separators: the vendor's gateway sends no blanks either.
    return {name: json.dumps(body, separators=(",", ":")).encode() for name, body in found.items()}
