"""The real mix of jobs: six of ten are DLI jobs with sub-jobs, a quarter CDM migrations, the rest DWS tasks."""

from typing import Any, Final
from uuid import UUID

PROJECT_ID: Final = "05f2cff45100d5112f4bc00b794ea08e"
KEY_ID: Final = "BENCHMARKKEYID000000"
SECRET: Final = "benchmark-secret-of-forty-characters-000"
RATE: Final = 1_000_000
"""Calls a second that each limit class may make: so many that the limits are not what is measured."""


def job(number: int) -> dict[str, str]:
    """Return a job as the configuration has it."""
    ident = UUID(int=(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)
    kind = number % 20
    if kind < 12:
        return {"service": "dli", "job_id": str(ident), "name": f"nightly-orders-{number:06}"}
    if kind < 17:
        cluster = str(UUID(int=(number // 500 + 7) * 0xC2B2AE3D27D4EB4F165667B19E3779F9 % 2**128))
        word = "running" if kind < 14 else "ended"
        return {"service": "cdm", "cluster_id": cluster, "job_name": f"{word}-mysql2dws-{number:06}"}
    return {"service": "dws", "job_id": ident.hex, "name": f"resize-warehouse-{number:06}"}


def settings(jobs: list[dict[str, str]], upstream: str, **poll: str) -> dict[str, Any]:
    """Return a whole configuration; *poll* overrides keys of its section of that name."""
    project = {
        "region": "cn-north-4",
        "project_id": PROJECT_ID,
        "cloud": "custom",
        "endpoints": dict.fromkeys(("dli", "dws", "cdm", "iam"), upstream),
        "time_zone": "Asia/Shanghai",
        "limits": dict.fromkeys(("dli", "dws", "cdm"), f"{RATE}/s"),
        "credentials": {"access_key": {"key_id": KEY_ID, "secret": SECRET}},
    }
    return {
        "log": {"level": "warning"},
        "web": {"listen_address": "127.0.0.1:0"},
        "poll": {"interval": "60s", "idle_interval": "60s", "stale_after": "1h", **poll},
        "metrics": {"max_series": "100000000"},
        "projects": {"prod": project},
        "jobs": jobs,
    }


def mix(count: int) -> list[dict[str, str]]:
    """Return that many jobs of the real mix."""
    return [job(number) for number in range(count)]


def dli_only(count: int) -> list[dict[str, str]]:
    """Return that many DLI jobs."""
    return [job(number + number // 12 * 8) for number in range(count)]
