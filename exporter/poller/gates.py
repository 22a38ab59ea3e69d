"""The gates of all identities: who may ask, what follows from a refusal, and who is told of it."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from exporter.clock import Clock
from exporter.cloud.credentials import Credentials
from exporter.cloud.project import Project
from exporter.core.errors import PollError
from exporter.core.gate import PROBE, Gate, Ticket, Verdict
from exporter.core.model import Reason
from exporter.telemetry import Telemetry


@dataclass(slots=True, eq=False)
class Door:
    """The gate of one identity, and the projects that ask under it."""

    identity: str
    gate: Gate = field(default_factory=Gate)
    projects: dict[str, Credentials] = field(default_factory=dict)
    seen: tuple[int, ...] = ()
    """The generations of the credentials that the gate knows of."""
    why: PollError | None = None
    """What the polls fail with since calls were paused; stays until the cloud takes one."""

    @property
    def generations(self) -> tuple[int, ...]:
        """What changes when any of the credentials does."""
        return tuple([credentials.generation for credentials in self.projects.values()])


class Gates:
    """Keeps a door for every identity; projects of the same identity share one."""

    def __init__(self, projects: Mapping[str, Project], clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._log = structlog.get_logger()
        by_identity: dict[str, Door] = {}
        self._doors: dict[str, Door] = {}
        for name, project in projects.items():
            identity = project.credentials.identity
            door = self._doors[name] = by_identity.setdefault(identity, Door(identity))
            door.projects[name] = project.credentials
        self._all = tuple(by_identity.values())
        for door in self._all:
            door.seen = door.generations

    def of(self, project: str) -> Door:
        """Return the door of a project."""
        return self._doors[project]

    @property
    def any_paused(self) -> bool:
        """Whether calls of any identity are paused."""
        return any(door.gate.paused for door in self._all)

    def look(self, now: float) -> list[Door]:
        """Return the doors where one call shall try at once: its time has come, or the credentials are others."""
        return [door for door in self._all if self._tries(door, now)]

    def _tries(self, door: Door, now: float) -> bool:
        paused, generations = door.gate.paused, door.generations
        if generations != door.seen:
            door.seen = generations
            door.gate.changed()
            if paused:
                self._log.info("credentials changed, trying them", **_names(door))
            return paused
        if paused and door.gate.probe_at is not None and now >= door.gate.probe_at:
            door.gate.probe()
            return True
        return False

    async def prepare(self, project: str, ticket: Ticket) -> None:
        """Renew what a call is to try that was refused before."""
        if ticket.probe:
            await self._renew(self._doors[project], project)

    def taken(self, project: str, ticket: Ticket) -> Door | None:
        """Note that the cloud knew who asked; return the door if its calls were paused until now."""
        door = self._doors[project]
        if not door.gate.taken(ticket) or door.why is None:
            return None
        door.why = None
        for name in door.projects:
            self._telemetry.project_paused.remove(name, Reason.AUTH.value)
        self._log.info("calls go on", **_names(door))
        return door

    async def refused(self, project: str, ticket: Ticket, error: PollError) -> None:
        """Do what follows from a refusal: renew, pause, or nothing."""
        door = self._doors[project]
        verdict = door.gate.refused(ticket, self._clock.monotonic())
        if verdict is Verdict.RENEW:
            self._log.warning("credentials refused, trying once more", **_names(door), error=error.sentence)
            try:
                await self._renew(door, project)
            finally:
                door.gate.renewed()
        elif verdict is Verdict.PAUSE:
            if door.why is None:
                self._log.error("calls paused", **_names(door), error=error.sentence, next_try_in=PROBE)
            door.why = self._paused(door, error)
            for name in door.projects:
                self._telemetry.project_paused.labels(name, Reason.AUTH.value).set(1)

    def _paused(self, door: Door, error: PollError) -> PollError:
        moment = datetime.fromtimestamp(self._clock.now() + PROBE, UTC)
        return PollError(
            Reason.AUTH,
            f"calls of {door.identity} are paused until {moment:%H:%M:%S} UTC or until its credentials change,"
            f" because {error.sentence}",
            code=error.code,
            text=error.text,
            request_id=error.request_id,
        )

    async def _renew(self, door: Door, project: str) -> None:
        credentials = door.projects[project]
        with suppress(PollError):  # the call that follows tells it
            await credentials.renew(credentials.generation)
        door.seen = door.generations


def _names(door: Door) -> dict[str, str | Iterable[str]]:
    return {"identity": door.identity, "projects": list(door.projects)}
