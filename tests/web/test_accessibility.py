"""The page by the rules of axe-core: every view at three widths and in both schemes."""

from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from exporter.model.run import RunId
from exporter.model.snapshot import Rows, Snapshot, State
from exporter.runs.past import Change
from tests.web.fakes import FAULT, NOW, in_state, running
from tests.web.test_browser import browsing
from tests.web.test_texts import RICH

pytestmark = pytest.mark.needs("chromium")

VIEWS = (
    "/?limit=50", "/?group=service&lang=zh", "/?q=none", "/?sort=nothing",
    "/jobs/dli/parted", "/jobs/dli/stale", "/jobs/dli/failed", "/jobs/dli/missing",
)  # fmt: skip
LOOKS: tuple[tuple[int, Literal["light", "dark"]], ...] = ((360, "light"), (820, "dark"), (1500, "light"))
PARTS = Rows(("id", "name", "status", "num_tasks", "num_completed_tasks"), ((7.0, "x", "RUNNING", 9.0, 4.0),))
PARTED = Snapshot(
    State.RUNNING, "RUNNING", RunId("r-1"), 0.45, start=NOW - 600, detail={"sub_job_id": 7.0, "sub_jobs": PARTS}
)


FINDINGS = """async () => {
  const { violations, passes } = await axe.run({ resultTypes: ["violations"], preload: false });
  const nodes = violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html}`));
  return passes.length > 10 ? nodes : ["axe did not run"];
}"""


async def test_axe_finds_nothing() -> None:
    parted = running("parted", snapshot=PARTED, estimate=NOW + 60, fault=FAULT, failing=2)
    known = [parted, running("stale", stale=True, up=False, fault=FAULT), running("new", polled_at=None, up=None)]
    known += [in_state(state, state.value) for state in State]
    change = Change(NOW - 5, parted.job.key, "prod", "running", "failed", "X.1", 60.0)
    found: set[str] = set()
    async with browsing(*known) as (page, jobs, _, client):
        jobs.pasts = {record.job.key: RICH for record in known}
        jobs.changes = (change,) * 7
        for view in VIEWS:
            await page.goto(str(client.make_url("/")) + view.removeprefix("/"))
            await page.evaluate(AXE_SCRIPT)
            await page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")
            for width, scheme in LOOKS:
                await page.set_viewport_size({"width": width, "height": 900})
                await page.emulate_media(color_scheme=scheme)
                found |= {f"{view} at {width}, {scheme}: {each}" for each in await page.evaluate(FINDINGS)}
    assert found == set()
