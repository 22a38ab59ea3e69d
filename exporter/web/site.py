"""The handlers of page and JSON.

The list is generated while it is sent. Meanwhile it holds the keys of its jobs and not their records. Otherwise each
slow client would keep the records of another time in memory.
"""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from typing import Final

from aiohttp import web

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.threads import compute
from exporter.web.answers import Lists, PackedPage, body_answer, has, json_answer, not_modified, pack, packed_answer
from exporter.web.job_json import encoded, job_document
from exporter.web.metrics import header
from exporter.web.negotiate import language
from exporter.web.order import by_standing
from exporter.web.page import rendering
from exporter.web.page.addresses import Viewer, link
from exporter.web.page.job_page import single
from exporter.web.page.list_page import Listing, listing
from exporter.web.page.row_cache import RowCache
from exporter.web.page.shared_pages import SharedPages
from exporter.web.page.texts import LANGUAGES, TEXTS
from exporter.web.past_json import changes_document, runs_document
from exporter.web.ports import Exporter
from exporter.web.query import Asking, Query, QueryError, matching, nearest_jobs, number_of, page_of, parse_query

_RUNS: Final = "/runs"
_VARY: Final = "Accept-Language"
_View = Callable[[], dict[str, object]]


class Site:
    """The handlers of page and JSON."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._lists = Lists()
        self._shared = SharedPages[PackedPage]()
        self._rows = RowCache()
        self._born = secrets.token_hex(8)

    async def listing(self, request: web.Request) -> web.StreamResponse:
        """Answer the list of jobs."""
        try:
            query = parse_query(request.query.items())
        except QueryError as error:
            return await json_answer(request, {"error": str(error)}, 400)
        keys, total = await self._found(request, query)
        return await self._lists.send(request, self._list_parts(keys, total), "application/json")

    def _list_parts(self, keys: Sequence[JobKey], total: int) -> Iterator[bytes]:
        """Yield the list; what is not registered any more when it is its turn is left out."""
        yield encoded({"now": self._exporter.now(), "total": total})[:-1] + b',"jobs":['
        comma = b""
        for key in keys:
            record = self._exporter.record(*key)
            if record is not None:
                yield comma + encoded(self._document(record))
                comma = b","
        yield b"]}"

    async def job(self, request: web.Request) -> web.StreamResponse:
        """Answer one job, or its past.

        What is asked for ends in ``/runs`` either way where that is a part of the job's own name. A slash that is
        encoded is part of the name. One that is not may be: then the job without ``/runs`` comes first.
        """
        service, name = request.match_info["service"], request.match_info["job"]
        if request.rel_url.raw_path.endswith(_RUNS) and name.endswith(_RUNS):
            shorter = name.removesuffix(_RUNS)
            if self._exporter.record(service, shorter) is not None:
                return await self._runs(request, JobKey(service, shorter))
            if self._exporter.record(service, name) is None:
                name = shorter
        return await self._one(request, service, name)

    async def job_of_query(self, request: web.Request) -> web.StreamResponse:
        """Answer one job, or its past, that the query names: browsers take dots alone for folders of a path."""
        key = JobKey(request.query.get("service", ""), request.query.get("job", ""))
        if request.path.endswith(_RUNS) and self._exporter.record(*key) is not None:
            return await self._runs(request, key)
        return await self._one(request, *key)

    async def _one(self, request: web.Request, service: str, name: str) -> web.StreamResponse:
        record = self._exporter.record(service, name)
        if record is None:
            near = [key._asdict() for key in await self._nearest(request, service, name)]
            return await json_answer(request, {"error": _missing(service, name), "nearest": near}, 404)
        return await json_answer(request, {"now": self._exporter.now(), **self._document(record)})

    async def _runs(self, request: web.Request, key: JobKey) -> web.StreamResponse:
        past = runs_document(key, self._exporter.past(key), self._exporter.watch)
        return await json_answer(request, {"now": self._exporter.now(), **past})

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """Answer what changed of all jobs."""
        there = self._exporter
        body = await compute(lambda: encoded({"now": there.now(), **changes_document(there.watch)}))
        return await body_answer(request, body, "application/json")

    def _document(self, record: Record) -> dict[str, object]:
        due = self._exporter.next_due(record.job.key)
        return job_document(record, self._exporter.place(record), due, self._exporter.vendor_text)

    async def index(self, request: web.Request) -> web.StreamResponse:
        """Answer the page."""
        mistake = ""
        try:
            query = parse_query(_asked(request), sort="state")
        except QueryError as error:
            query, mistake = parse_query((), sort="state"), str(error)

        def begin() -> _View:
            there, viewer = self._exporter, self._viewer(request, query.clock)
            draw = self._rows.drawn(there, viewer, partial(rendering.render_row, viewer=viewer), rendering.render_strip)
            return partial(listing, Listing(tuple(there.records()), query, there, viewer, draw, mistake))

        return await self._page(request, "index.html", begin, 400 if mistake else 200)

    async def job_page(self, request: web.Request) -> web.StreamResponse:
        """Answer the page of one job."""
        said = request.match_info if "job" in request.match_info else request.query
        service, name = said.get("service", ""), said.get("job", "")
        record = self._exporter.record(service, name)
        if record is None:
            near = [(key, link(*key)) for key in await self._nearest(request, service, name)]
            viewer = self._viewer(request, "utc")
            about = {"missing": JobKey(service, name), "nearest": near}
            view = {"now": viewer.now, "viewer": viewer, "here": partial(viewer.to, ""), **about}
            return await self._page(request, "missing.html", lambda: lambda: view, 404)
        viewer = self._viewer(request, "cloud" if request.query.get("clock") == "cloud" else "utc")
        return await self._page(request, "job.html", lambda: partial(single, record, self._exporter, viewer))

    async def _found(self, request: web.Request, query: Query) -> tuple[list[JobKey], int]:
        """Return the jobs to be shown, and how many there are; records are frozen, so a thread may sift them."""
        there = self._exporter

        def begin() -> Callable[[], tuple[list[JobKey], int]]:
            asking = Asking(there.now(), there.next_due, there.last_failure, there.vendor_text)
            return partial(_keys_of, tuple(there.records()), query, asking)

        return await self._lists.make(request.remote or "", begin)

    async def _nearest(self, request: web.Request, service: str, name: str) -> list[JobKey]:
        def begin() -> Callable[[], list[JobKey]]:
            return partial(nearest_jobs, tuple(self._exporter.records()), service, name)

        return await self._lists.make(request.remote or "", begin)

    def _viewer(self, request: web.Request, clock: str) -> Viewer:
        lang, chosen = _language(request), request.query.get("lang", "")
        return Viewer(self._exporter.now(), self._exporter.watch, clock, TEXTS[lang], chosen if chosen == lang else "")

    async def _page(
        self, request: web.Request, template: str, begin: Callable[[], _View], status: int = 200
    ) -> web.StreamResponse:
        """Answer a page, or that the client has it already."""
        # The page may be served below a prefix by a proxy, so every address on it is relative to this root.
        root = "../" * (request.rel_url.raw_path.count("/") - 1) or "./"
        part = request.query.get("part") == "rows"

        lang = _language(request)

        def start() -> Callable[[], PackedPage]:
            tag = self._tag(lang) if status == 200 else ""
            return partial(_rendered, template, begin(), {"root": root, "part": part}, tag)

        if status == 200 and has(request, tag := self._tag(lang)):
            return not_modified(tag, _VARY)
        make = partial(self._lists.make, request.remote or "", start)
        made = await self._shared.get(f"{status} {lang} {request.raw_path}", make)
        return await packed_answer(request, made, "text/html", status, vary=_VARY)

    def _tag(self, lang: str) -> str:
        """Return the entity tag of all pages as they are now; pictures of a day move on by the minute."""
        minute = int(self._exporter.now() // 60)
        made_from = repr((self._born, minute, lang, self._exporter.revision))
        return f'W/"{blake2b(made_from.encode(), digest_size=12).hexdigest()}"'


def _rendered(template: str, view: _View, more: Mapping[str, object], tag: str) -> PackedPage:
    return pack(rendering.render_page(template, {**view(), **more}), tag)


def _keys_of(records: Collection[Record], query: Query, asking: Asking) -> tuple[list[JobKey], int]:
    found = matching(by_standing(records), query, asking)
    return [record.job.key for record in page_of(found, query, asking)], number_of(found)


def _language(request: web.Request) -> str:
    chosen = request.query.get("lang", "")
    return chosen if chosen in LANGUAGES else language(header(request, "Accept-Language"), tuple(LANGUAGES))


def _asked(request: web.Request) -> list[tuple[str, str]]:
    """Return the parameters that say which jobs are asked for, and not how much of the page."""
    return [(name, value) for name, value in request.query.items() if name != "part"]


def _missing(service: str, name: str) -> str:
    return f"no job {name!r} of service {service!r} is registered"
