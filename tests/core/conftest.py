"""Fixtures of the core's tests: the vendor's sample bodies, and jobs to read them for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.core.model import Job, JobKey

PAYLOADS = Path(__file__).parents[1] / "payloads"


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Return a function that reads a sample body by its path under tests/payloads."""
    return lambda name: (PAYLOADS / name).read_bytes()


@pytest.fixture
def job() -> Callable[..., Job]:
    """Return a function that makes a job of a service."""

    def make(service: str, name: str = "nightly", **changes: object) -> Job:
        target = {"job_id": "j-1", "cluster_id": "c-1", "job_name": name}
        fields = {"dli": ("job_id",), "dws": ("job_id",), "cdm": ("cluster_id", "job_name")}[service]
        return Job(
            JobKey(service, name),
            "prod",
            {field: target[field] for field in fields},
            region="eu-de",
            **changes,  # type: ignore[arg-type]
        )

    return make
