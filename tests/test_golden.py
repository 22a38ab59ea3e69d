"""The whole of the jobs' metrics for a fixed population, word for word, and read back by prometheus_client.

``UPDATE_GOLDEN=1 pytest tests/test_golden.py`` writes the files anew; read the difference before you commit it.
"""

import json
import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from exporter.metrics.store import JobStore
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.promises import NO_PROMISES, Deadline, Promises
from exporter.model.record import Fault, Record
from exporter.runs import transitions
from exporter.runs.deadlines import with_due_time
from exporter.services import error_classes, registry
from exporter.services.registry import load_services

HERE = Path(__file__).parent
ADAPTERS = load_services()
POPULATION = {
    "orders": ("dli", "progress_launching progress_running_one_subjob"),
    "report": ("dli", "progress_running_one_subjob progress_failed progress_failed"),
    "odd": ("dli", "progress_unknown_status"),
    "throttled": ("dli", "progress_running_one_subjob error_apig_throttled_429"),
    "waits": ("dli", "progress_launching progress_launching"),
    "resize": ("dws", "job_running job_success job_success"),
    "bind": ("dws", "job_fail_elb"),
    "lost": ("dws", "error_not_found_404"),
    "files": ("cdm", "status_running_percent status_succeeded_files"),
    "rows": ("cdm", "status_failed"),
    "never": ("cdm", "status_empty_submissions"),
    "binlog": ("cdm", "status_running_incrementing"),
    "订单 同步_01": ("cdm", "status_chinese_name"),
    'odd "name"\\': ("cdm", "status_stopped_value"),
    "unasked": ("cdm", ""),
}
PROMISES = Promises(86_400, 900, 7_200, 1_800, Deadline(6, 0, frozenset(range(5)), "Asia/Shanghai"), rows_match=True)
STATUSES = {"error_apig_throttled_429": 429, "error_not_found_404": 404}


def store() -> JobStore:
    """Return a board on which each job saw its answers, a minute apart."""
    filled = JobStore(100_000, registry.declared_by([ADAPTERS[name] for name in ("cdm", "dli", "dws")]))
    for name, (service, answers) in POPULATION.items():
        target = {"cluster_id": "c-1", "job_name": name} if service == "cdm" else {"job_id": f"id-of-{name}"}
        promises = PROMISES if name == "rows" else NO_PROMISES
        job = Job(JobKey(service, name), "prod", target, region="cn-north-4", promises=promises)
        record = transitions.registered(job, ADAPTERS[service])
        for minute, answer in enumerate(answers.split()):
            record = after(record, service, answer, 1709600000 + 60 * minute)
        filled.put(with_due_time(record, 1709600000 + 600))
    return filled


def after(record: Record, service: str, answer: str, at: float) -> Record:
    asked = json.dumps(list(record.job.target.values())[-1])  # as if the sample were of this job
    sample = (HERE / "payloads" / service / f"{answer}.json").read_text()
    body = re.sub(r'("job(?:_id|-name|_group)": )"[^"]*"', lambda found: found[1] + asked, sample).encode()
    adapter = ADAPTERS[service]
    try:
        if answer in STATUSES:
            raise error_classes.refusal(STATUSES[answer], error_classes.envelope(body), adapter.codes)
        return transitions.worked(record, adapter.parse(body, record.job, ZoneInfo("Asia/Shanghai")), at, adapter)
    except PollError as error:
        return transitions.failed(record, Fault(error.reason, at, error.sentence))


@pytest.mark.parametrize(("name", "is_openmetrics"), [("metrics.txt", False), ("metrics.openmetrics.txt", True)])
def test_the_metrics_of_a_fixed_population_are_these(name: str, is_openmetrics: bool) -> None:
    body = b"".join(part for section in store().sections(is_openmetrics) for part in section).decode() + (
        "# EOF\n" if is_openmetrics else ""
    )
    golden = HERE / "golden" / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(body)

    assert body == golden.read_text()


def test_both_golden_files_read_back_as_the_same_samples() -> None:
    plain = (HERE / "golden/metrics.txt").read_text()
    strict = (HERE / "golden/metrics.openmetrics.txt").read_text()

    samples = [
        {(each.name, tuple(sorted(each.labels.items())), each.value) for family in found for each in family.samples}
        for found in (text(plain), openmetrics(strict))  # type: ignore[no-untyped-call]
    ]

    assert samples[0] == samples[1]
    assert len(samples[0]) == sum(1 for line in plain.splitlines() if not line.startswith("#"))
