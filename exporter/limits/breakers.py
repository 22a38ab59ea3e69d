"""The circuit breakers of all identities: who may call, and what follows from a refusal."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from exporter.clock import Clock
from exporter.cloud.credentials import Credentials
from exporter.cloud.project import Project
from exporter.limits.circuit_breaker import CircuitBreaker, Ticket, Verdict
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.reason import Reason


@dataclass(slots=True, eq=False)
class Breaker:
    """The gate of one identity, and the projects that ask under it."""

    gate: CircuitBreaker = field(default_factory=CircuitBreaker)
    projects: dict[str, Credentials] = field(default_factory=dict)
    seen: tuple[int, ...] = ()
    """The generations of the credentials that the gate knows of."""
    key: str = ""
    """What was in use by these."""
    why: PollError | None = None
    """What polls fail with while calls are paused; there as long as the metric says so."""
    since: str = ""
    """When they were paused; empty since a call was taken."""

    @property
    def generations(self) -> tuple[int, ...]:
        """What changes when any of the credentials does."""
        return tuple([credentials.generation for credentials in self.projects.values()])

    @property
    def in_use(self) -> str:
        """What proves the identity now, in words for people."""
        return ", ".join(dict.fromkeys(credentials.in_use for credentials in self.projects.values()))

    def look(self) -> bool:
        """Take note of what is in use; return whether that is news."""
        generations = self.generations
        if self.seen == generations:
            return False
        self.seen, self.key = generations, self.in_use
        return True


class Breakers:
    """Keeps a door for every key, which projects may share, and one for every project that sends tokens."""

    def __init__(self, projects: Mapping[str, Project], clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._log = structlog.get_logger()
        self._doors: dict[str, Breaker] = {}
        self._all: dict[tuple[str, str], Breaker] = {}
        self.use(projects)

    def use(self, projects: Mapping[str, Project]) -> None:
        """Take over what projects there are; the gate of one who asked before stays as it is."""
        before, gone = self._all, set(self._doors) - set(projects)
        self._all, self._doors = {}, {}
        asked = {name: who for door in before.values() for name, who in door.projects.items()}
        for name, project in projects.items():
            who = project.credentials
            place = (who.identity, "" if who.signs else name)
            if place not in self._all:
                self._all[place] = before.get(place) or Breaker()
                self._all[place].projects = {}
            self._doors[name] = self._all[place]
            self._doors[name].projects[name] = who
        for door in before.values():
            if any(asked.get(name) is not who for name, who in door.projects.items()):
                door.seen = ()  # its credentials changed, so it is to be tried
        for door in self._all.values():
            if not any(door is each for each in before.values()):
                door.look()
        for name in gone:
            self._forget(name)

    def of(self, project: str) -> Breaker:
        """Return the door of a project."""
        return self._doors[project]

    @property
    def any_paused(self) -> bool:
        """Whether calls of any identity are paused."""
        return any(door.gate.paused for door in self._all.values())

    def changed(self, now: float) -> list[Breaker]:
        """Return the breakers whose credentials changed, so that failed calls can be tried again at once."""
        return [door for door in self._all.values() if self._changed(door, now)]

    def due(self, now: float) -> list[Breaker]:
        """Return the doors that were paused for long enough, so that one call may try."""
        due = [door for door in self._all.values() if door.gate.probe_at is not None and now >= door.gate.probe_at]
        for door in due:
            door.gate.probe()
        return due

    def _changed(self, door: Breaker, now: float) -> bool:
        before = door.key
        if not door.look():
            return False
        paused = door.gate.paused
        door.gate.changed(now, another=before not in {"", door.key})
        if paused and not door.gate.paused:
            self._log.info("credentials changed", **_names(door))
            self._unpause(door)
        return not door.gate.paused

    async def prepare(self, project: str, ticket: Ticket) -> None:
        """Renew what a call is to try that was refused before; raises :class:`PollError` if that fails."""
        if ticket.probe and project in self._doors:
            await self._renew(self._doors[project], project)

    def taken(self, project: str, ticket: Ticket) -> Breaker | None:
        """Note that the cloud knew who asked; return the door if its calls were paused until now."""
        door = self._doors.get(project)
        if door is None or not door.gate.taken(ticket) or not door.since:
            return None
        door.since = ""
        self._unpause(door)
        self._log.info("circuit closed", **_names(door))
        return door

    async def refused(self, project: str, ticket: Ticket, error: PollError, *, poll: bool) -> Verdict:
        """Do what follows from a refusal: renew, pause, or nothing.

        What is no *poll* may be refused for itself, to a key that polls are made with: so where calls were taken until
        now, the first such refusal pauses nothing, and the next call, which goes alone, shows what it meant.
        """
        door = self._doors.get(project)
        if door is None:
            return Verdict.STALE  # a reload took the project away meanwhile
        verdict = door.gate.refused(ticket, self._clock.monotonic())
        if verdict is Verdict.RENEW:
            error = await self._answer(door, project, error, poll=poll)
        if door.gate.paused and (verdict is Verdict.RENEW or door.why is None):
            verdict = Verdict.PAUSE
        if verdict is Verdict.PAUSE and door in self._all.values():  # else a reload took it away meanwhile
            self._pause(door, error)
        return verdict

    async def _answer(self, door: Breaker, project: str, error: PollError, *, poll: bool) -> PollError:
        """Renew what was refused, and let the gate know what came of it; return the refusal that counts."""
        other, refused, names = False, None, _names(door)
        try:
            other = await self._renew(door, project)
        except PollError as failure:
            refused = failure if failure.refused else None
        finally:
            door.gate.renewed(self._clock.monotonic(), other=other, poll=poll, refused=refused is not None)
        if other:
            self._log.warning("credentials refused", **names, error=error.sentence)
        return refused or error

    def _pause(self, door: Breaker, error: PollError) -> None:
        if not door.since:
            door.since = f"{datetime.fromtimestamp(self._clock.now(), UTC):%H:%M:%S} UTC"
            self._log.error("circuit opened", **_names(door), error=error.sentence, next_try_seconds=door.gate.wait)
        door.why = PollError(
            Reason.AUTH,
            f"calls of {door.in_use} are paused since {door.since}; single calls try again, and all once the"
            f" credentials change: {error.sentence}",
            code=error.code,
            text=error.text,
            request_id=error.request_id,
        )
        for name in door.projects:
            self._telemetry.project_paused.labels(name, Reason.AUTH.value).set(1)

    def _unpause(self, door: Breaker) -> None:
        door.why = None
        for name in door.projects:
            self._forget(name)

    def _forget(self, project: str) -> None:
        with suppress(KeyError):
            self._telemetry.project_paused.remove(project, Reason.AUTH.value)

    async def _renew(self, door: Breaker, project: str) -> bool:
        """Renew the credentials; return whether they differ from those that the breaker knows."""
        credentials = door.projects[project]
        try:
            await credentials.renew(credentials.generation)
        finally:
            other = door.look()
        return other


def _names(door: Breaker) -> dict[str, str | list[str]]:
    return {"identity": door.in_use, "projects": list(door.projects)}
