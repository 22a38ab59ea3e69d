"""The list calls of a service, and the form of their pages."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, TypeVar

from exporter.model.frozen import replace
from exporter.model.job import comparable
from exporter.model.snapshot import CLOCKS, Snapshot
from exporter.services.discovery_rule import Rule
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request

PAGE_SIZE: Final = 100
"""Rows of one page of a list: the most that most services of the vendor give."""
R = TypeVar("R", bound=Rule)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a service keeps jobs, for example a cluster; a service without places has one without a name."""

    id: str = ""
    name: str = ""
    usable: bool = True
    """Whether its jobs can be asked for."""
    word: str = ""
    """Why it is not usable, such as ``off``; empty if it is, or if the cloud reported no such place."""
    native_state: str = ""
    """The service's own word for how it is, ``other`` for one that is not documented; empty if none came."""
    available: bool | None = None
    """Whether it works; ``None`` if no word that is known says it."""
    off: bool = False
    """Whether it was switched off, or is on its way there or back: that its jobs do not answer is no failure."""

    def is_one_of(self, names: Collection[str]) -> bool:
        """Whether one of *names* is its name or its id."""
        return self.name in names or comparable(self.id) in map(comparable, names)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One list, which is read page by page."""

    place: Location = Location()
    query: tuple[tuple[str, str], ...] = ()
    """What every page is asked with, the page itself left out."""


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job as a list reports it."""

    target: Mapping[str, str]
    """As :attr:`~exporter.model.job.Job.target` has it; tells one job from the other."""
    words: Mapping[str, str] = field(default_factory=dict)
    """What a name can be made of; a word that the list did not tell is not there."""
    snapshot: Snapshot | None = None
    """What the list says of the newest run, and nothing more; ``None`` if it says no state."""
    since: float | None = None
    """Unix time that orders jobs: the start of a job that runs once, the creation of one that runs again."""
    tagged: bool = False
    """Whether the list gave all tags of the job, so that a tag that is not among the words is not set."""
    at: float = 0.0
    """When the page with it came, by the clock that never jumps; set by who reads the pages."""
    schedule: str = ""
    """How the service schedules the job, in a word of its own; empty if the list does not say it."""

    def credible(self, ahead: float) -> "ListedJob":
        """Return it without times that cannot be, as :meth:`~exporter.model.snapshot.Snapshot.credible` does.

        *ahead* is what the cloud's clock shows beyond the clock that never jumps.
        """
        now = self.at + ahead
        snapshot = None if self.snapshot is None else self.snapshot.credible(now)
        since = None if self.since is not None and self.since > now + CLOCKS else self.since
        return (
            self if snapshot is self.snapshot and since == self.since else replace(self, snapshot=snapshot, since=since)
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a list."""

    rows: int
    """How many rows it has, those that cannot be read included."""
    items: tuple[ListedJob, ...] = ()
    total: int | None = None
    """How many rows all pages have together, if the answer says so."""
    unknown: tuple[str, ...] = ()
    """Fields that said something we cannot read, those that a snapshot holds left out."""
    places: tuple[Location, ...] | None = None
    """All places of the service, if the response contains them."""


class RowReader(ABC):
    """A call that returns the row of one job. Stateless; it draws from the limit of the lists."""

    @abstractmethod
    def request(self, target: Mapping[str, str], project_id: str) -> Request:
        """Return the call for the row of the job with this :attr:`~exporter.model.job.Job.target`."""

    @abstractmethod
    def parse(self, body: bytes, target: Mapping[str, str]) -> ListedJob:
        """Read a 200 response. Raises :class:`~exporter.model.errors.PollError`, and nothing else."""


class Lister(ABC, Generic[R]):
    """What a service's lists are and how they are read. Stateless; :mod:`exporter.services.list_reading` drives it."""

    limit: ClassVar[str]
    """The limit class of all calls for lists."""
    page_size: ClassVar[int] = PAGE_SIZE
    """Rows of one page that are asked for."""
    rule: ClassVar[type[Rule]]
    """What the operator asks for under ``discovery``."""
    always: ClassVar[bool] = False
    """Whether the list is read every ``poll.list_interval`` even if it saves no calls, because one call returns all
    jobs and reports an end earlier than the next poll of an idle job."""
    newest_first: ClassVar[bool] = False
    """Whether the first pages have the newest jobs, so that the last ones need not be read for them."""
    matched: ClassVar[str] = ""
    """The word that a rule's ``match`` and ``exclude`` apply to; empty for the name that the job gets."""
    row: ClassVar[RowReader | None] = None
    """How to read the row of one job alone, if the service has a call for it."""

    def named_places(self, names: Collection[str], places: tuple[Location, ...]) -> tuple[Location, ...]:
        """Return the *places* that have one of *names* as name or id, all without names; and each name that none has.

        A place of which not even the id can be read may be any.
        """
        if not names:
            return places
        named = tuple(each for each in places if (each.word and not each.id) or each.is_one_of(names))
        absent = (text for text in names if not any(each.is_one_of((text,)) for each in places))
        return named + tuple(Location(name=text, usable=False) for text in absent)

    def places_request(self, project_id: str) -> Request | None:
        """Return the call that tells where the jobs are; ``None`` if no call is needed."""
        return None

    def places(self, body: bytes) -> tuple[Location, ...]:
        """Read the answer of that call. Raises :class:`~exporter.model.errors.PollError`, and nothing else."""
        return ()

    def chosen(self, rule: R, places: tuple[Location, ...]) -> tuple[Location, ...]:
        """Return those of *places* that *rule* asks for; one that it names and the cloud does not is not usable."""
        return places

    def all_known(self, rules: Collection[R], targets: Collection[Mapping[str, str]]) -> R:
        """Return the rule that finds all jobs; some places are known only by the *rules* and jobs that name them.

        *targets* are those of the jobs that are registered without a rule.
        """
        return self.rule()  # type: ignore[return-value] # it is the class of the rules

    @abstractmethod
    def views(self, rule: R, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return the lists to read in *place*; *now* is Unix seconds."""

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list that would report a registered job that waits, ``None`` if none would."""
        return None

    def schedules(self, covering: ListQuery) -> ListQuery | None:
        """Return the list of how the jobs of a :meth:`covering` list are scheduled, ``None`` if that one says it."""
        return None

    @abstractmethod
    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Return the call for one page."""

    @abstractmethod
    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read a 200 answer.

        Raises :class:`~exporter.model.errors.PollError` if the answer is a failure in disguise or holds no list, and
        nothing else, whatever the bytes are.
        """

    def fits(self, rule: R, listed: ListedJob, now: float) -> bool:
        """Whether *rule* asks for a job, by what the list reports about it; *now* as for :meth:`views`.

        A cloud that does not know a parameter of the call may pass over it and list other jobs too. What the list does
        not report about a job is taken as the cloud selected it.
        """
        return True

    def ends(self, rule: R, page: Page, now: float) -> bool:
        """Whether *page* shows that no later one has a job that *rule* asks for; *now* as for :meth:`views`."""
        return False

    @abstractmethod
    def template(self, rule: R, places: tuple[Location, ...]) -> str:
        """Return the template of names in the chosen *places*, for where the rule has none or a job lacks a word of it.

        Every word in it is always reported.
        """
