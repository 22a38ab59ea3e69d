"""The calls of commands keep to the limits, whichever project, rule or look-up they are for."""

from itertools import pairwise

import pytest

from exporter.cli.calls import CommandCalls
from exporter.cli.discover import ask_lists
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.simulator import Cloud, DliJob, Step, too_often
from tests.polling.harness import World, access_key, world
from tests.warp import START, run

GAP = 2.0
SLACK = 0.5
"""Seconds that a call may take longer than the next to arrive, on a machine that is busy."""


def made(there: World) -> list[float]:
    return [call.at - START for call in there.cloud.requests]


async def listed(calls: CommandCalls, there: World, project: str, service: str) -> None:
    adapter = there.projects.adapters[service]
    assert adapter.lists is not None
    await ask_lists(calls, there.projects.by_name[project], adapter, adapter.lists, adapter.lists.rule())


def crowded(cloud: Cloud) -> None:
    cloud.add(*(DliJob(f"id-{number}", f"q{number}", START - 60, (Step("RUNNING", 9000),)) for number in range(250)))


def test_lists_of_all_rules_and_projects_of_one_user_share_its_limit() -> None:
    async def main() -> None:
        async with world(crowded, rate=1 / GAP, other=access_key) as there:
            calls = CommandCalls(there.projects, there.permits)
            for project in ("demo", "other", "demo"):
                await listed(calls, there, project, "dli")
            assert len(made(there)) == 9
            assert all(later - earlier >= GAP - SLACK for earlier, later in pairwise(made(there)))

    run(main())


def test_looking_up_a_project_counts_as_a_call_and_a_known_one_needs_none() -> None:
    async def main() -> None:
        async with world(rate=1 / GAP) as there:
            project, looked_up = there.projects.by_name["demo"], list[float]()

            async def look_up() -> str:
                looked_up.append(there.clock.now() - START)
                return there.cloud.project_id

            project.project_id, project.find_project_id = "", look_up
            calls = CommandCalls(there.projects, there.permits)
            for _ in range(2):
                await listed(calls, there, "demo", "dli")
            assert len(looked_up) == 1
            times = [*looked_up, *made(there)]
            assert len(times) == 3
            assert all(later - earlier >= GAP - SLACK for earlier, later in pairwise(times))

    run(main())


def test_after_a_refusal_as_too_many_no_call_of_the_limit_is_made_for_a_minute(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main() -> None:
        async with world(rate=10) as there:
            calls = CommandCalls(there.projects, there.permits)
            there.cloud.faults.plan(too_often(retry_after=1), operation="ListSqlJobs")
            with pytest.raises(PollError) as caught:
                await listed(calls, there, "demo", "dli")
            assert caught.value.reason is Reason.THROTTLED
            await listed(calls, there, "demo", "cdm")
            assert made(there)[-1] < 1
            await listed(calls, there, "demo", "dli")
            assert made(there)[-1] >= 60

    run(main())
    assert "the limit dli pauses for 60 s" in capsys.readouterr().err
