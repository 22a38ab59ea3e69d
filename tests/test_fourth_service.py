"""A service is one file: a pretend fourth one, dropped into a folder, works everywhere without an edit."""

import json
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from exporter import services
from exporter.cli.check import report
from exporter.config import load
from exporter.metrics.store import JobStore
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.runs import transitions
from exporter.services import registry
from exporter.services.clouds import endpoint

SOURCE = '''
"""A pretend service: copies."""

from exporter.services import json_fields
from exporter.services.adapter import Adapter, Hosts, JobEntry
from exporter.services.error_codes import ErrorCodes
from exporter.services.request import Request, segments
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State


class CopyEntry(JobEntry):
    bucket: str

    @property
    def default_name(self):
        return f"copy-{self.bucket}"


class Copies(Adapter):
    service = "oms"
    entry = CopyEntry
    hosts = Hosts({"huaweicloud": "https://oms.{region}.myhuaweicloud.com"})
    limits = {"oms": 2.0}
    states = {"COPYING": State.RUNNING, "DONE": State.SUCCEEDED}
    codes = ErrorCodes(("OMS",), {"OMS.1001": Reason.NOT_FOUND})
    names = {"bucket": "bucket"}
    final = True

    def request(self, job, project_id):
        return Request("ShowCopy", segments("v2", project_id, job.target["bucket"]), "oms")

    def snapshot(self, fields, job):
        state, native = fields.state("state", fields.word("state") or "", self.states)
        files, start = fields.amount("files"), fields.moment("began")
        counts = {} if files is None else {Measure("files"): files}
        return Snapshot(state, native, RunId("1"), start=start, counts=counts, unknown=tuple(fields.unknown))


ADAPTER = Copies()
'''


@pytest.fixture
def fourth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a fourth service beside the three."""
    (tmp_path / "oms.py").write_text(SOURCE)
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(tmp_path)])
    yield
    import sys

    sys.modules.pop("exporter.services.oms", None)


@pytest.mark.usefixtures("fourth")
def test_a_fourth_service_is_configured_called_read_and_shown() -> None:
    base = {
        "projects": {
            "prod": {
                "region": "cn-north-4",
                "project_id": "p",
                "credentials": {"access_key": {"key_id": "a", "secret": "b"}},
            }
        },
        "jobs": [{"service": "oms", "bucket": "backup"}],
    }
    settings = load(None, {}, base)
    (job,) = settings.jobs
    adapter = registry.load()["oms"]

    assert job.key == JobKey("oms", "copy-backup")
    assert settings.projects["prod"].limits["oms"] == 2
    assert endpoint(adapter, "huaweicloud", "cn-north-4", {}) == "https://oms.cn-north-4.myhuaweicloud.com"
    assert adapter.request(job, "p").path == "/v2/p/backup"
    assert any("prod/oms" in line for line in report(settings))
    answer = adapter.parse(json.dumps({"state": "Copying", "files": 7}).encode(), job, None)
    store = JobStore(1000, registry.declared())
    store.put(transitions.worked(Record(job), answer, 5, adapter))
    lines = b"".join(part for section in store.sections(openmetrics=False) for part in section).decode()
    assert 'huaweicloud_job_info{bucket="backup",cluster_id="",job="copy-backup"' in lines
    assert 'huaweicloud_job_files{job="copy-backup",service="oms"} 7.0' in lines
    assert 'huaweicloud_job_state{job="copy-backup",service="oms",state="running"} 1.0' in lines


@pytest.mark.usefixtures("fourth")
def test_a_fourth_service_inherits_what_an_answer_is() -> None:
    adapter = registry.load()["oms"]
    job = Job(JobKey("oms", "copy-backup"), "prod", {"bucket": "backup"})

    def read(**fields: object) -> Snapshot:
        return adapter.parse(json.dumps({"state": "Copying", **fields}).encode(), job, ZoneInfo("Asia/Shanghai"))

    assert read(began="2024-03-05T08:10:00", bucket=" backup").start == 1709597400
    assert (read(began=0).start, read(began=0).unknown) == (None, ())
    assert read(began=1709597400, files="1e999").unknown == ("files", "began")
    assert read(state="\uff23OPYING").state is State.UNKNOWN
    for strange in ({"bucket": "other"}, {"state": 7}, {"x": [0] * 200_000}):
        with pytest.raises(PollError):
            read(**strange)
