"""Discovery and lists against the simulator, in time that jumps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from exporter.config import Settings, load
from exporter.polling.list_poller import ListPoller
from exporter.polling.place_reader import PlaceReader
from exporter.sources.discovery import Discovery
from exporter.sources.registration import Registration
from tests.polling.harness import PACE, World


def settings_of(*rules: dict[str, Any], **poll: str) -> Settings:
    """Return settings with rules for the project of the harness."""
    project = {"region": "cn-north-4", "project_id": "p", "credentials": {"token": "t"}}
    paces = {"interval": f"{PACE.interval}s", "idle_interval": f"{PACE.idle_interval}s"}
    base = {"projects": {"demo": project}, "discovery": list(rules), "poll": paces | poll}
    return load(None, {}, base, jobs_needed=False)


class Looking:
    """What looks for jobs, and where it registers them."""

    def __init__(self, there: World, settings: Settings) -> None:
        self.registration = Registration(settings, there.store, there.poller, there.telemetry)
        self.discovery = Discovery(
            settings, there.poller, there.store, self.registration.register, there.clock, there.telemetry
        )
        self.list_poller = ListPoller(settings, there.poller, there.store, there.clock, there.telemetry)
        self.place_reader = PlaceReader(settings, there.poller, there.store, there.clock, there.telemetry)

    def use(self, settings: Settings, there: World) -> None:
        """Go by other settings, as a reload does."""
        self.registration.swap(settings, there.projects)
        self.discovery.use(settings)
        self.list_poller.use(settings)


@asynccontextmanager
async def looking(there: World, *rules: dict[str, Any], places: bool = False, **poll: str) -> AsyncIterator[Looking]:
    """Let *rules* look for jobs, and lists tell of those that are registered, and of their *places* if asked to."""
    found = Looking(there, settings_of(*rules, **poll))
    loops = [found.discovery.run(), found.list_poller.run(), *([found.place_reader.run()] if places else [])]
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
