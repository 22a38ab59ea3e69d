"""Reading a list to its end: pure; who calls feeds the answers in.

A generator here yields a :class:`~exporter.services.request.Request` and is sent the body of its 200 answer, and the
Unix time at which it came; a call that failed is thrown in as :class:`PollError`. What it returns is
the result::

    steps = walk(lister, rule, project_id, now)
    request = next(steps)
    try:
        while True:
            request = steps.send((await get(request), now()))
    except StopIteration as done:
        found = done.value

**None twice and none lost while the list changes.** A job is told from another by its target, so one that stands on
two pages is listed once, as it was seen last. Jobs that begin meanwhile would push others to the next page, where they
are seen again; DLI's pages all ask for jobs up to the moment of the first page, so they do not even come. Jobs that
leave the list (they are deleted, or their state is not asked for any more) pull others onto pages that were read; the
total then falls, and the pages that this can have touched are read once more.

**It ends**: at a short or empty page, at one that repeats the page before it, or after 100 pages: 10,000 jobs.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, TypeAlias

from exporter.model.errors import PollError
from exporter.services import name_template
from exporter.services.discovery_rule import Rule
from exporter.services.listing import PAGE_SIZE, ListedJob, Lister, ListQuery, Location
from exporter.services.request import Request

MOST_PAGES: Final = 100
"""The vendor's own limit where it has one."""
Key = tuple[str, ...]
Sent: TypeAlias = tuple[bytes, float]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the pages of one list gave."""

    items: tuple[ListedJob, ...]
    unread: int | None
    """Rows that the cloud told of and that were not read; ``None`` if there may be some and it told no total."""
    unknown: tuple[str, ...] = ()
    """As :attr:`~exporter.services.listing.Page.unknown`, of all pages."""
    pages: int = 0
    """How many were read."""


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
    unread: int | None = 0
    """Rows that were not read, whether the rule asks for them or not; ``None`` if their number was not told."""
    skipped: tuple[Location, ...] = ()
    """Places that the rule asks for and that cannot be used now; without an id: the cloud has none of that name."""
    failures: tuple[tuple[Location, PollError], ...] = ()
    """Lists that could not be read, by their place."""
    unknown: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    """Ids of the places where jobs may be that were not read: a list failed, or goes on, or the place is off."""


def key(listed: ListedJob) -> Key:
    """Return what tells one job of a service from the others."""
    return tuple(listed.target.values())


def pages(
    lister: Lister[Any],
    view: ListQuery,
    project_id: str,
    wanted: Callable[[ListedJob], bool] = lambda _: True,
    most: float = inf,
    most_pages: int = MOST_PAGES,
) -> Generator[Request, Sent, Reading]:
    """Read the jobs of one list that are *wanted*, until *most* of them are there, or for *most_pages*."""
    found: dict[Key, ListedJob] = {}
    unknown: list[str] = []
    total: int | None = None
    before: set[Key] | None = None
    front, short = 0, False
    read = 0
    while read < min(most_pages, MOST_PAGES):
        read += 1
        number = front // PAGE_SIZE + 1
        body, at = yield lister.request(view, project_id, number)
        page = lister.parse(body, view)
        keys = {key(each) for each in page.items}
        repeated = keys == before and page.total == total and page.rows >= PAGE_SIZE
        found |= {key(each): replace(each, at=at) for each in page.items if wanted(each)}
        unknown += page.unknown
        if total is not None and page.total is not None and page.total < total:
            front = max(0, front - (total - page.total))
        total, before, begin = page.total, keys, PAGE_SIZE * (number - 1)
        if begin > front:
            continue  # rows may have moved up between the pages before and this one: back to where they can be
        if repeated:
            break
        front, short = max(front, begin + page.rows), page.rows < PAGE_SIZE
        if short or len(found) >= most:
            break
    unread = max(0, total - front) if total is not None else 0 if short else None
    return Reading(tuple(found.values()), unread, tuple(unknown), read)


def walk(lister: Lister[Any], rule: Rule, project_id: str, now: float) -> Generator[Request, Sent, Found]:
    """Find the jobs that *rule* asks for; *now* is Unix seconds.

    The failure of one list does not stop the others. Whoever finds that no further call makes sense (the credentials
    are refused, the user is throttled) closes the generator instead of throwing the failure in.
    """
    places: tuple[Location, ...] = (Location(),)
    if (request := lister.places_request(project_id)) is not None:
        body, _ = yield request
        places = lister.places(body)
    places = lister.chosen(rule, places)
    naming = _Naming(lister, rule, lister.template(rule, places))
    most = rule.max_jobs if lister.newest_first else inf
    readings: list[tuple[Location, Reading]] = []
    failures: list[tuple[Location, PollError]] = []
    for place in places:
        for view in lister.views(rule, place, now) if place.usable else ():
            try:
                readings.append((place, (yield from pages(lister, view, project_id, naming.wanted, most))))
            except PollError as error:
                failures.append((place, error))
    unique = {key(each): (each, place) for place, reading in readings for each in reading.items}
    ordered = sorted(unique.values(), key=lambda found: age(found[0]))
    unread = [reading.unread for _, reading in readings]
    skipped = tuple(place for place in places if not place.usable)
    unsure = {place.id for place, _ in failures} | {place.id for place, reading in readings if reading.unread != 0}
    return Found(
        jobs=tuple(Named(naming.name(each), each, place) for each, place in ordered[-rule.max_jobs :]),
        cut=max(0, len(ordered) - rule.max_jobs),
        unread=None if None in unread else sum(each or 0 for each in unread),
        skipped=skipped,
        failures=tuple(failures),
        unknown=tuple(field for _, reading in readings for field in reading.unknown),
        unsure=frozenset(unsure | {place.id for place in skipped if place.id}),
    )


@dataclass(frozen=True, slots=True)
class _Naming:
    """What a rule says of one job: its name, and whether it is wanted."""

    lister: Lister[Any]
    rule: Rule
    own: str
    """The template where the rule has none, or names a word that the job lacks."""

    def name(self, listed: ListedJob) -> str:
        return name_template.filled(self.rule.name or self.own, listed.words) or name_template.filled(
            self.own, listed.words
        )

    def wanted(self, listed: ListedJob) -> bool:
        text = listed.words.get(self.lister.matched, "") if self.lister.matched else self.name(listed)
        return self.rule.wants(text) and self.lister.fits(self.rule, listed)


def age(listed: ListedJob) -> tuple[float, Key]:
    """Order jobs by their time, then by what tells them apart; one without a time counts as the oldest."""
    return (-1.0 if listed.since is None else listed.since, key(listed))
