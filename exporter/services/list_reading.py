"""Reads all pages of a list. Pure: *ask* makes the calls.

**No job is listed twice and none is lost while the list changes.** A job is identified by its target, so a job on two
pages is listed once, with the later row. New jobs push others to the next page, where they are seen again; all pages of
DLI are restricted to jobs that started before the first page, so new jobs do not appear.
:mod:`exporter.services.page_cursor` handles jobs that leave, and decides where a list ends. An unreadable row costs
only itself; but it may be any job, so a list with an unreadable row does not prove that a job is gone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import identity
from exporter.model.reason import Reason
from exporter.services import name_template
from exporter.services.discovery_rule import Rule
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import MOST_PAGES, PageCursor
from exporter.services.request import Ask

PageKey = tuple[str, ...]
_CLOCK_MOVED: Final = 2.0
"""A list is read again if its responses show the cloud's clock to be so many seconds further ahead than assumed."""
HOPELESS: Final = frozenset({Reason.AUTH, Reason.THROTTLED})
"""Failures after which no further call of the same user makes sense now."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the pages of one list gave."""

    items: tuple[ListedJob, ...]
    missing_rows: int | None
    """Rows that the cloud counted and that were not read; ``None`` if there may be some and it gave no total."""
    unknown: tuple[str, ...] = ()
    """As :attr:`~exporter.services.listing.Page.unknown`, of all pages."""
    pages: int = 0
    """How many were read."""
    broken: int = 0
    """Rows that came and cannot be read."""
    places: tuple[Location, ...] | None = None
    """All places of the service, if the last page contained them."""


@dataclass(frozen=True, slots=True)
class Named:
    """A listed job and the name that the rule gives it."""

    name: str
    listed: ListedJob
    place: Location


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found. A job that is not here is gone, or not wanted any more, unless its place is ``unsure``."""

    jobs: tuple[Named, ...]
    """Oldest first, so that of two runs of one name the later one comes later."""
    cut: int = 0
    """Jobs that the rule asks for and that were read, but are more than its ``max_jobs``."""
    missing_rows: int | None = 0
    """Rows that were not read, whether the rule asks for them or not; ``None`` if their number is not known."""
    broken: int = 0
    """Rows that came and cannot be read."""
    skipped: tuple[Location, ...] = ()
    """Places that the rule asks for and that cannot be used now; without an id: the cloud has none of that name."""
    failures: tuple[tuple[Location, PollError], ...] = ()
    """Lists that could not be read, by their place."""
    unknown: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    """Ids of the places where jobs may be that were not read: a list failed or goes on, a row of it cannot be read, or
    the place is off."""
    places: tuple[Location, ...] | None = None
    """All places that the cloud reported, chosen or not; ``None`` if it was not asked for any."""
    hidden: bool = False
    """Whether there is a place of which not even the id can be read."""

    def by_name(self) -> dict[str, list[ListedJob]]:
        """Return the jobs of each name, oldest first."""
        found: dict[str, list[ListedJob]] = {}
        for each in self.jobs:
            found.setdefault(each.name, []).append(each.listed)
        return found

    def sure(self, place: Location) -> bool:
        """Whether a job of *place* that is not here is gone."""
        return not self.hidden and place.id not in self.unsure


def key(listed: ListedJob) -> PageKey:
    """Return what tells one job of a service from the others."""
    return identity(listed.target)


async def read_list(
    lister: Lister[Any],
    view: ListQuery,
    project_id: str,
    ask: Ask,
    wanted: Callable[[ListedJob], bool] = lambda _: True,
    most: float = inf,
    most_pages: int = MOST_PAGES,
    ends: Callable[[Page], bool] = lambda _: False,
) -> Reading:
    """Read the jobs of one list that are *wanted*, until *most* of them are there, or for *most_pages*.

    A page that *ends* the list has none after it that is wanted, so that no row is missing.
    """
    found: dict[PageKey, ListedJob] = {}
    unknown: list[str] = []
    cursor = PageCursor(lister.page_size, most_pages)
    rows = readable = 0
    ended, places = False, None
    while not (ended or cursor.over) and len(found) < most:
        page, at = await ask(lister.request(view, project_id, cursor.start), partial(lister.parse, view=view))
        found |= {key(each): replace(each, at=at) for each in page.items if wanted(each)}
        unknown += page.unknown
        places = page.places
        rows, readable = rows + page.rows, readable + len(page.items)
        cursor.take({key(each) for each in page.items}, page.rows, page.total)
        ended = ends(page)
    if rows and not readable:  # it must not pass for "there are none"
        raise PollError(Reason.PAYLOAD, "the list has rows, and none can be read; please report it")
    missing = 0 if ended else cursor.missing_rows
    return Reading(tuple(found.values()), missing, tuple(unknown), cursor.read, rows - readable, places)


async def read_rule_by_clock(
    lister: Lister[Any],
    rule: Rule,
    project_id: str,
    time: Callable[[], float],
    monotonic: Callable[[], float],
    ask: Ask,
) -> Found:
    """Return the jobs that *rule* asks for now, as :func:`read_rule` does; *time* is the cloud's, as far as is known.

    A list may be asked for up to now. If its own answers show that the cloud's clock is ahead of what was thought, as
    the first ones after a start may, the newest jobs are not in it, and it is read again.
    """
    ahead = time() - monotonic()
    found = await read_rule(lister, rule, project_id, time(), ask)
    if time() - monotonic() > ahead + _CLOCK_MOVED:
        found = await read_rule(lister, rule, project_id, time(), ask)
    return found


async def read_rule(lister: Lister[Any], rule: Rule, project_id: str, now: float, ask: Ask) -> Found:
    """Return the jobs that *rule* asks for; *now* is Unix seconds.

    A list that fails is named in the result and does not stop the others. Raises :class:`PollError` if none could be
    read: the places are not known, or no further call makes sense.
    """
    places: tuple[Location, ...] = (Location(),)
    reported = None
    if (request := lister.places_request(project_id)) is not None:
        reported, _ = await ask(request, lister.places)
        places = lister.chosen(rule, reported)
    naming = _Naming(lister, rule, lister.template(rule, places), now)
    most = rule.max_jobs if lister.newest_first else inf
    readings: list[tuple[Location, Reading]] = []
    failures: list[tuple[Location, PollError]] = []
    for place in places:
        for view in lister.views(rule, place, now) if place.usable else ():
            try:
                reading = await read_list(lister, view, project_id, ask, naming.wanted, most, ends=naming.ends)
                readings.append((view.place, reading))
            except PollError as error:
                if error.reason in HOPELESS:
                    raise
                failures.append((view.place, error))
    skipped = tuple(place for place in places if not place.usable)
    for _, reading in readings:
        if reading.places is not None:
            reported = reading.places
            skipped = tuple(place for place in lister.chosen(rule, reported) if not (place.usable or place.id))
    return replace(_found(rule, naming, skipped, readings, failures), places=reported)


def _found(
    rule: Rule,
    naming: "_Naming",
    skipped: tuple[Location, ...],
    readings: list[tuple[Location, Reading]],
    failures: list[tuple[Location, PollError]],
) -> Found:
    unique = {key(each): (each, place) for place, reading in readings for each in reading.items}
    ordered = sorted(unique.values(), key=lambda found: age(found[0]))
    missing = [reading.missing_rows for _, reading in readings]
    hidden = any(place.word and not place.id for place in skipped)
    unsure = {place.id for place, _ in failures} | {
        place.id for place, each in readings if each.missing_rows != 0 or each.broken
    }
    return Found(
        jobs=tuple(Named(naming.name(each), each, place) for each, place in ordered[-rule.max_jobs :]),
        cut=max(0, len(ordered) - rule.max_jobs),
        missing_rows=None if None in missing else sum(each or 0 for each in missing),
        broken=sum(reading.broken for _, reading in readings),
        skipped=skipped,
        failures=tuple(failures),
        unknown=tuple(field for _, reading in readings for field in reading.unknown),
        unsure=frozenset(unsure | {place.id for place in skipped if place.id}),
        hidden=hidden,
    )


@dataclass(frozen=True, slots=True)
class _Naming:
    """What a rule says of one job: its name, and whether it is wanted."""

    lister: Lister[Any]
    rule: Rule
    own: str
    """The template where the rule has none, or names a word that the job lacks."""
    now: float
    """Unix seconds at which the rule is read."""

    def name(self, listed: ListedJob) -> str:
        return name_template.filled(self.rule.name or self.own, listed.words) or name_template.filled(
            self.own, listed.words
        )

    def wanted(self, listed: ListedJob) -> bool:
        text = listed.words.get(self.lister.matched, "") if self.lister.matched else self.name(listed)
        return self.rule.wants(text) and self.lister.fits(self.rule, listed, self.now)

    def ends(self, page: Page) -> bool:
        return self.lister.ends(self.rule, page, self.now)


def age(listed: ListedJob) -> tuple[float, PageKey]:
    """Order jobs by their time, then by what tells them apart; one without a time counts as the oldest."""
    return (-1.0 if listed.since is None else listed.since, key(listed))
