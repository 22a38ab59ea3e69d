"""What a service must provide. One module in ``services/`` with an ``ADAPTER`` is a whole service.

Settings validation takes the job's fields from :attr:`Adapter.entry`, the poller its calls and its reading from
:meth:`Adapter.request` and :meth:`Adapter.parse`, the endpoints module its hosts. A service that can list its jobs
brings a :class:`Lister` besides. Nothing else knows a service by name, so a fourth one is one new file.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, ClassVar, Final, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from exporter.core.model import Job, Reason, Snapshot, State
from exporter.core.rules import Rule

_PLAIN = re.compile(r"[A-Za-z0-9_.~-]+")  # as nearly every id is


class Entry(BaseModel, ABC):
    """The fields that only this service's jobs have, as the operator writes them: text that stays text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    @abstractmethod
    def default_name(self) -> str:
        """The value of the label ``job`` when the operator gave no ``name``."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make, relative to the service's endpoint."""

    operation: str
    """The vendor's name of the call, label ``operation``."""
    path: str
    """Percent-encoded, starts with a slash."""
    limit: str
    """The limit class whose budget it draws from."""
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)
    """JSON, if there is any."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where a service is: a pattern per cloud with ``{region}`` in it, and the regions that do not follow it."""

    patterns: Mapping[str, str]
    exceptions: Mapping[str, str] = field(default_factory=dict)


PAGE_SIZE: Final = 100
"""Rows of one page of a list: the most that the vendor gives."""
R = TypeVar("R", bound=Rule)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service keeps jobs, for example a cluster; a service without places has one without a name."""

    id: str = ""
    name: str = ""
    usable: bool = True
    """Whether its jobs can be asked for."""
    word: str = ""
    """Why it is not usable, such as ``off``; empty if it is, or if the cloud told of no such place."""


@dataclass(frozen=True, slots=True)
class View:
    """One list, which is read page by page."""

    place: Place = Place()
    query: tuple[tuple[str, str], ...] = ()
    """What every page is asked with, the page itself left out."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A job as a list tells of it."""

    target: Mapping[str, str]
    """As :attr:`~exporter.core.model.Job.target` has it; tells one job from the other."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What a name can be made of; a word that the list did not tell is not there."""
    snapshot: Snapshot | None = None
    """What the list tells of the newest run, and nothing more; ``None`` if it tells no state."""
    since: float | None = None
    """Which of two jobs is newer: the start of one that runs once, the creation of one that runs again."""
    at: float = 0.0
    """Unix time of the page that told of it, set by who reads the pages."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list."""

    rows: int
    """How many rows it has, those that cannot be read included."""
    items: tuple[Listed, ...] = ()
    total: int | None = None
    """How many rows all pages have together, if it is told."""
    unknown: tuple[str, ...] = ()
    """Fields that said something we cannot read, those that a snapshot holds left out."""


class Lister(ABC, Generic[R]):
    """What a service's lists are and how they are read. Stateless and pure; :mod:`exporter.core.lists` drives it."""

    rule: ClassVar[type[Rule]]
    """What the operator asks for under ``discovery``."""
    newest_first: ClassVar[bool] = False
    """Whether the first pages have the newest jobs, so that the last ones need not be read for them."""
    matched: ClassVar[str] = ""
    """The word that a rule's ``match`` and ``exclude`` look at; empty for the name that the job gets."""

    def places_request(self, project_id: str) -> Request | None:
        """Return the call that tells where the jobs are; ``None`` if no call is needed."""
        return None

    def places(self, body: bytes) -> tuple[Place, ...]:
        """Read the answer of that call. Raises :class:`~exporter.core.errors.PollError`, and nothing else."""
        return ()

    def chosen(self, rule: R, places: tuple[Place, ...]) -> tuple[Place, ...]:
        """Return those of *places* that *rule* asks for; one that it names and the cloud does not is not usable."""
        return places

    @abstractmethod
    def views(self, rule: R, place: Place, now: float) -> tuple[View, ...]:
        """Return the lists to read in *place*; *now* is Unix seconds."""

    def covering(self, target: Mapping[str, str]) -> View | None:
        """Return the list that would tell of a registered job that waits, ``None`` if none would."""
        return None

    @abstractmethod
    def request(self, view: View, project_id: str, page: int) -> Request:
        """Return the call for one page, counted from 1."""

    @abstractmethod
    def parse(self, body: bytes, view: View) -> Page:
        """Read a 200 answer.

        Raises :class:`~exporter.core.errors.PollError` if the answer is a failure in disguise or holds no list, and
        nothing else, whatever the bytes are.
        """

    def fits(self, rule: R, listed: Listed) -> bool:
        """Whether *rule* asks for a job, where the call itself cannot be trusted to leave the others out."""
        return True

    @abstractmethod
    def template(self, rule: R, places: tuple[Place, ...]) -> str:
        """Return the template of names in the chosen *places*, for where the rule has none or a job lacks a word of it.

        Every word in it is always told.
        """


class Past(ABC):
    """How a service is asked for the runs of one job that were before the newest. Stateless and pure."""

    @abstractmethod
    def request(self, job: Job, project_id: str, page: int) -> Request:
        """Return the call for one page, counted from 1."""

    @abstractmethod
    def parse(self, body: bytes) -> tuple[Snapshot, ...]:
        """Read the runs of a 200 answer in its order; one whose state cannot be read is of unknown state.

        Raises :class:`~exporter.core.errors.PollError` if the answer is a failure in disguise or holds no runs, and
        nothing else, whatever the bytes are.
        """


class Adapter(ABC):
    """All that is known of one service: its words, its calls, its codes. Stateless and pure."""

    service: ClassVar[str]
    """The value of the label ``service``, and the name in the configuration."""
    entry: ClassVar[type[Entry]]
    hosts: ClassVar[Hosts]
    states: ClassVar[Mapping[str, State]]
    """The vendor's words, in upper case, and what each means."""
    codes: ClassVar[Mapping[str, Reason]]
    """The service's own error codes that mean something else than the HTTP status beside them."""
    limits: ClassVar[Mapping[str, float]]
    """Limit classes and the calls a second that each allows when the operator says nothing."""
    final: ClassVar[bool]
    """Whether a run that ended can never run again under the same registration."""
    forgets: ClassVar[bool] = False
    """Whether the service stops telling the counts of a run when the run ends."""
    moved_by_list: ClassVar[bool] = False
    """Whether, of a run that goes on, only a list tells what was moved so far."""
    lists: ClassVar[Lister[Any] | None] = None
    """The service's lists, if it has any that tell of jobs."""
    past: ClassVar[Past | None] = None
    """The history of a job's runs, if the service keeps one."""
    sums: ClassVar[tuple[str, ...]] = ()
    """Measures that are added up over the runs of a job that succeeded."""

    @abstractmethod
    def request(self, job: Job, project_id: str) -> Request:
        """Return the call that tells the state of *job*."""

    @abstractmethod
    def parse(self, body: bytes, job: Job, zone: tzinfo | None) -> Snapshot:
        """Read a 200 answer.

        *zone* is how to read times that come without one; without it such times are absent. Raises
        :class:`~exporter.core.errors.PollError` if the answer is a failure in disguise or tells no state, and
        nothing else, whatever the bytes are.
        """


def segments(*parts: str) -> str:
    """Join path segments, each percent-encoded as the vendor's signature wants them."""
    return "/" + "/".join([part if _PLAIN.fullmatch(part) else quote(part, safe="~") for part in parts])


def known_word(word: str, table: Mapping[str, Any]) -> str:
    """Return the label value for a vendor's word: as written if it is in *table*, else ``other``."""
    return word if word.upper() in table else "other"
