"""The circuit breakers of all identities: whether a call is permitted, and what follows from a refusal."""

from collections.abc import Collection, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from exporter.clock import Clock
from exporter.cloud.credentials import Credentials
from exporter.cloud.project import Project
from exporter.limits.circuit_breaker import CircuitBreaker, Decision, Permit
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.reason import Reason


@dataclass(slots=True, eq=False)
class _Breaker:
    """The circuit of one identity, and the projects that ask under it."""

    circuit: CircuitBreaker = field(default_factory=CircuitBreaker)
    projects: dict[str, Credentials] = field(default_factory=dict)
    known_generations: tuple[int, ...] = ()
    """The generations of the credentials that the circuit knows of."""
    key: str = ""
    """What was in use by these."""
    why: PollError | None = None
    """What polls fail with while calls are paused; there as long as the metric says so."""
    since: str = ""
    """When they were paused; empty since a call was accepted."""

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
        if self.known_generations == generations:
            return False
        self.known_generations, self.key = generations, self.in_use
        return True


class Breakers:
    """Keeps a breaker for every key, which projects may share, and one for every project that sends tokens."""

    def __init__(self, projects: Mapping[str, Project], clock: Clock, telemetry: Telemetry) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._log = structlog.get_logger()
        self._by_project: dict[str, _Breaker] = {}
        self._all: dict[tuple[str, str], _Breaker] = {}
        self.use(projects)

    def use(self, projects: Mapping[str, Project]) -> None:
        """Take over what projects there are; the circuit of one who asked before stays as it is."""
        before, gone = self._all, set(self._by_project) - set(projects)
        self._all, self._by_project = {}, {}
        asked = {name: who for breaker in before.values() for name, who in breaker.projects.items()}
        for name, project in projects.items():
            who = project.credentials
            place = (who.identity, "" if who.signs else name)
            if place not in self._all:
                self._all[place] = before.get(place) or _Breaker()
                self._all[place].projects = {}
            self._by_project[name] = self._all[place]
            self._by_project[name].projects[name] = who
        for breaker in before.values():
            if any(asked.get(name) is not who for name, who in breaker.projects.items()):
                breaker.known_generations = ()  # its credentials changed, so it is to be tried
        for breaker in self._all.values():
            if not any(breaker is each for each in before.values()):
                breaker.look()
        for name in gone:
            self._forget(name)

    def of(self, project: str) -> _Breaker:
        """Return the breaker of a project."""
        return self._by_project[project]

    @property
    def any_paused(self) -> bool:
        """Whether calls of any identity are paused."""
        return any(breaker.circuit.paused for breaker in self._all.values())

    def changed(self, now: float) -> list[_Breaker]:
        """Return the breakers whose credentials changed, so that failed calls can be tried again at once."""
        return [breaker for breaker in self._all.values() if self._changed(breaker, now)]

    def due(self, now: float) -> list[_Breaker]:
        """Return the breakers that were paused for long enough, so that one call may try."""
        due = [breaker for breaker in self._all.values() if breaker.circuit.paused and breaker.circuit.wait(now) <= 0]
        for breaker in due:
            breaker.circuit.probe()
        return due

    def _changed(self, breaker: _Breaker, now: float) -> bool:
        before = breaker.key
        if not breaker.look():
            return False
        paused = breaker.circuit.paused
        breaker.circuit.changed(now, another=before not in {"", breaker.key})
        if paused and not breaker.circuit.paused:
            self._log.info("credentials changed", **_names(breaker))
            self._unpause(breaker)
        return not breaker.circuit.paused

    async def prepare(self, project: str) -> None:
        """Renew what a probe is to try that was refused before; raises :class:`PollError` if that fails."""
        if project in self._by_project:
            await self._renew(self._by_project[project], project)

    def accepted(self, project: str, permit: Permit, caller: Hashable) -> _Breaker | None:
        """Note that the cloud knew who asked; return the breaker if its calls were paused until now."""
        breaker = self._by_project.get(project)
        if breaker is None or not breaker.circuit.accepted(permit, caller) or not breaker.since:
            return None
        breaker.since = ""
        self._unpause(breaker)
        self._log.info("circuit closed", **_names(breaker))
        return breaker

    def forget(self, callers: Collection[Hashable]) -> None:
        """Forget callers that are gone."""
        for breaker in self._all.values():
            breaker.circuit.forget(callers)

    async def refused(self, project: str, permit: Permit, caller: Hashable, error: PollError) -> Decision:
        """Do what follows from a refusal: renew, pause, or nothing."""
        breaker = self._by_project.get(project)
        if breaker is None:
            return Decision.STALE  # a reload took the project away meanwhile
        decision = breaker.circuit.refused(permit, caller, self._clock.monotonic())
        if renewed := decision is Decision.RENEW:
            other, error = await self._answer(breaker, project, error)
            decision = decision if other else Decision.ALONE
        if breaker.circuit.paused and (renewed or breaker.why is None):
            decision = Decision.PAUSE
        if decision is Decision.PAUSE and breaker in self._all.values():  # else a reload took it away meanwhile
            self._pause(breaker, error)
        return decision

    async def _answer(self, breaker: _Breaker, project: str, error: PollError) -> tuple[bool, PollError]:
        """Renew what was refused, and let the circuit know; return whether that brought others, and what counts."""
        other, failure, refused, names = False, None, False, _names(breaker)
        try:
            other = await self._renew(breaker, project)
        except PollError as found:
            failure, refused = found, found.refused
        finally:
            failed, now = failure is not None, self._clock.monotonic()
            breaker.circuit.renewed(now, other=other, failed=failed, refused=refused)
        if other:
            self._log.warning("credentials refused", **names, error=error.sentence)
        return other, failure if failure is not None and refused else error

    def _pause(self, breaker: _Breaker, error: PollError) -> None:
        if not breaker.since:
            breaker.since = f"{datetime.fromtimestamp(self._clock.now(), UTC):%H:%M:%S} UTC"
            wait = round(breaker.circuit.wait(self._clock.monotonic()), 3)
            self._log.error("circuit opened", **_names(breaker), error=error.sentence, next_try_seconds=wait)
        breaker.why = PollError(
            Reason.AUTH,
            f"calls of {breaker.in_use} are paused since {breaker.since}; single calls try again, and all once the"
            f" credentials change: {error.sentence}",
            code=error.code,
            text=error.text,
            request_id=error.request_id,
        )
        for name in breaker.projects:
            self._telemetry.project_paused.labels(name, Reason.AUTH.value).set(1)

    def _unpause(self, breaker: _Breaker) -> None:
        breaker.why = None
        for name in breaker.projects:
            self._forget(name)

    def _forget(self, project: str) -> None:
        with suppress(KeyError):
            self._telemetry.project_paused.remove(project, Reason.AUTH.value)

    async def _renew(self, breaker: _Breaker, project: str) -> bool:
        """Renew the credentials; return whether they differ from those that the breaker knows."""
        credentials = breaker.projects[project]
        try:
            await credentials.renew(credentials.generation)
        finally:
            other = breaker.look()
        return other


def _names(breaker: _Breaker) -> dict[str, str | list[str]]:
    return {"identity": breaker.in_use, "projects": list(breaker.projects)}
