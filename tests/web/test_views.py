"""What the web side asks of the rest."""

from exporter.metrics.store import JobStore
from exporter.runs.timelines import Timelines
from exporter.services import registry
from exporter.views import WebView
from tests.polling.harness import world
from tests.warp import run
from tests.web.fakes import running, serving


def test_a_job_whose_project_was_taken_away_is_still_told_without_its_place() -> None:
    """A reload may take a project away while an answer is being written that holds one of its jobs."""

    async def main() -> None:
        async with world() as there:
            record, store = running("nightly"), JobStore(10**9, registry.declared())
            assert record.job.project not in there.projects.by_name
            store.put(record)
            timelines = Timelines(0, there.clock.now)
            async with serving(WebView(store, there.telemetry, there.poller, there.clock, timelines)) as client:
                for path in ("/api/v1/jobs", "/api/v1/jobs/dli/nightly", "/jobs/dli/nightly"):
                    answer = await client.get(path)
                    assert answer.status == 200, path
                    assert "nightly" in await answer.text()

    run(main())
