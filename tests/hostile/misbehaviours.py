"""Everything that the cloud does wrong, each a small function, all in one table.

A misbehaviour gets the exchange: what was asked, the right answer, the means to write bytes. Those made by `said`
change only what is said and are pure; the others decide how bytes leave. Each says for which calls it makes sense.
"""

import asyncio
import gzip
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from tests.hostile.exchange import Answer
from tests.hostile.honest import Question, answer, gateway
from tests.hostile.truth import Job
from tests.hostile.wire import Exchange, head, message

Run = Callable[[Exchange], Awaitable[None]]
ANY = re.compile(r"(dli|dws|cdm)\..*")
STATES = re.compile(r"dli\.progress|dws\.job|cdm\.status")
CDM = re.compile(r"cdm\.status")
LISTS = re.compile(r"dli\.list|cdm\.(jobs|submissions)")
WRONG_DATE = 3600.0
"""Seconds by which a clock that is off is ahead."""


@dataclass(frozen=True)
class Misbehaviour:
    """One kind of it: what it does, to which calls, and how often beside the others when all are mixed."""

    run: Run
    calls: re.Pattern[str]
    weight: float


TABLE: dict[str, Misbehaviour] = {}


def misbehaviour(calls: re.Pattern[str] = ANY, weight: float = 1.0) -> Callable[[Run], Run]:
    """Put a function into the table under its own name."""

    def enter(run: Run) -> Run:
        TABLE[run.__name__] = Misbehaviour(run, calls, weight)
        return run

    return enter


def said(
    calls: re.Pattern[str] = ANY, weight: float = 1.0
) -> Callable[[Callable[[Exchange], Answer]], Callable[[Exchange], Answer]]:
    """Put a function into the table that only says something else, as HTTP wants it."""

    def enter(change: Callable[[Exchange], Answer]) -> Callable[[Exchange], Answer]:
        async def run(x: Exchange) -> None:
            await x.say(change(x))

        run.__doc__ = change.__doc__
        TABLE[change.__name__] = Misbehaviour(run, calls, weight)
        return change

    return enter


class Table:
    """The table as the wire sees it."""

    async def run(self, name: str, exchange: Exchange) -> None:
        """Do what the misbehaviour of this name does."""
        await TABLE[name].run(exchange)


# Connections ---------------------------------------------------------------------------------------------------------


@misbehaviour(weight=0.0)
async def reset_after_accept(x: Exchange) -> None:
    """Never reached with a call in hand: the plan resets a connection before anything is read."""
    x.connection.reset()


@misbehaviour(weight=0.1)
async def refuse(x: Exchange) -> None:
    """Answer this one, then reset all connections and refuse new ones for half a second."""
    x.connection.reset()
    await x.cloud.refuse(0.5)


@misbehaviour()
async def reset_after_reading(x: Exchange) -> None:
    """Reset once the request is read."""
    x.connection.reset()


@misbehaviour()
async def close_after_reading(x: Exchange) -> None:
    """Close without a word once the request is read."""
    x.connection.close()


@misbehaviour()
async def close_when_reused(x: Exchange) -> None:
    """Answer the first request of a connection; read the second and close."""
    if x.connection.served == 1:
        await x.tell_the_truth()
    else:
        x.connection.close()


@misbehaviour()
async def reset_after_headers(x: Exchange) -> None:
    """Send the headers and reset."""
    await x.send(head(200, {"Content-Type": "application/json", "Content-Length": "500"}))
    x.connection.reset()


@misbehaviour()
async def reset_in_the_body(x: Exchange) -> None:
    """Send a half of the answer and reset."""
    whole = message(x.right)
    await x.send(whole[: len(whole) - len(x.right.encoded()) // 2])
    await asyncio.sleep(0.01)
    x.connection.reset()


@misbehaviour(weight=0.3)
async def stall(x: Exchange) -> None:
    """Say nothing until the peer gives up."""
    await x.connection.gone()
    x.connection.close()


@misbehaviour(weight=0.3)
async def stall_in_the_body(x: Exchange) -> None:
    """Stop in the middle of the body until the peer gives up."""
    await x.send(message(x.right)[:-10])
    await x.connection.gone()
    x.connection.close()


@misbehaviour(weight=0.3)
async def drip(x: Exchange) -> None:
    """Send a byte now and then."""
    for byte in message(x.right)[:400]:
        if x.connection.writer.is_closing():
            break
        await x.send(bytes([byte]))
        await asyncio.sleep(0.05)
    x.connection.close()


@misbehaviour(weight=0.1)
async def sour(x: Exchange) -> None:
    """Answer 503 on this connection for ever, and keep it alive."""
    x.connection.sour = True
    await x.say(Answer(503, {"error_code": "APIGW.0613", "error_msg": "The IAM service is unavailable."}))


# Lengths, chunks, encodings ------------------------------------------------------------------------------------------


@misbehaviour()
async def truncate(x: Exchange) -> None:
    """Send less than the length says and close."""
    await x.send(message(x.right)[:-7])
    x.connection.close()


@misbehaviour()
async def truncate_without_length(x: Exchange) -> None:
    """Send a half of a body that has no length and close."""
    body = x.right.encoded()
    await x.send(head(x.right.status, {"Content-Type": "application/json", "Connection": "close"}))
    await x.send(body[: len(body) // 2])
    x.connection.close()


@said()
def length_too_short(x: Exchange) -> Answer:
    """Say that the body is shorter than it is: the rest lies on the connection."""
    return x.right.with_headers(Content_Length=str(max(1, len(x.right.encoded()) - 5)))


@misbehaviour()
async def length_too_long(x: Exchange) -> None:
    """Say that the body is longer than it is, and wait."""
    await x.say(x.right.with_headers(Content_Length=str(len(x.right.encoded()) + 5)))
    await x.connection.gone(2.0)
    x.connection.close()


@misbehaviour()
async def two_lengths(x: Exchange) -> None:
    """Say two lengths."""
    body = x.right.encoded()
    await x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nContent-Length: 3\r\n\r\n".encode() + body)


@said()
def negative_length(x: Exchange) -> Answer:
    """Say that the body has a negative length."""
    return x.right.with_headers(Content_Length="-5")


async def _chunks(x: Exchange, *parts: bytes) -> None:
    await x.send(head(x.right.status, {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}))
    await x.send(b"".join(parts))


@misbehaviour()
async def chunk_garbage(x: Exchange) -> None:
    """Send chunks whose size is no number."""
    await _chunks(x, b"zz\r\n", x.right.encoded(), b"\r\n0\r\n\r\n")
    x.connection.close()


@misbehaviour()
async def chunk_cut(x: Exchange) -> None:
    """Send the whole body as a chunk, never the last one, and close."""
    body = x.right.encoded()
    await _chunks(x, f"{len(body):x}\r\n".encode(), body, b"\r\n")
    x.connection.close()


@misbehaviour()
async def chunk_enormous(x: Exchange) -> None:
    """Say that a chunk is of 2^70 bytes."""
    await _chunks(x, f"{2**70:x}\r\n".encode(), x.right.encoded())
    x.connection.close()


@misbehaviour()
async def gzip_garbage(x: Exchange) -> None:
    """Say that plain bytes are gzip."""
    await x.say(x.right.with_headers(Content_Encoding="gzip"))


@misbehaviour()
async def gzip_cut(x: Exchange) -> None:
    """Send a gzip stream without its end."""
    await x.say(x.right.saying(gzip.compress(x.right.encoded())[:-12]).with_headers(Content_Encoding="gzip"))


BOMB = gzip.compress(b"[" + b"0," * 50_000_000 + b"0]", 9)
"""100 MB of JSON in 100 kB."""


@said(weight=0.05)
def gzip_bomb(x: Exchange) -> Answer:
    """Send a small answer that is 100 MB."""
    return x.right.saying(BOMB).with_headers(Content_Encoding="gzip")


@misbehaviour(weight=0.05)
async def flood(x: Exchange) -> None:
    """Send 100 MB."""
    await x.send(head(200, {"Content-Type": "application/json", "Content-Length": str(100 << 20)}))
    for _ in range(1600):
        await x.send(b" " * 65536)


# More answers than were asked for ------------------------------------------------------------------------------------


def another(x: Exchange) -> Answer:
    """Return the right answer for another job of the same service, which is named otherwise."""
    jobs = _others(x)
    if x.asked.operation not in ("dli.progress", "dws.job", "cdm.status") or not jobs:
        return x.right
    return _said_of(x, x.rng.choice(jobs))


def _others(x: Exchange) -> list[Job]:
    names = x.asked.names
    mine = names.get("name", names.get("job"))
    return [job for job in x.cloud.world.of(x.asked.service) if job.begun(x.now) and not _is(job, mine)]


def _said_of(x: Exchange, job: Job) -> Answer:
    run = job.newest(x.now)
    assert run is not None
    other = {"cluster": job.cluster, "name": job.name} if job.service == "cdm" else {"job": run.ident}
    return answer(x.cloud.world, replace(x.asked, names=other), x.request, x.now)


def _is(job: Job, name: str | None) -> bool:
    return job.name == name or any(run.ident == name for run in job.runs)


def anonymous(found: Answer) -> Answer:
    """Return an answer without what would tell whose it is."""
    if not isinstance(found.body, dict):
        return found
    body = {key: value for key, value in found.body.items() if key != "job_id"}
    rows = body.get("submissions", [])
    if rows:
        body["submissions"] = [{key: value for key, value in row.items() if key != "job-name"} for row in rows]
    return found.saying(body)


@said(STATES)
def another_job(x: Exchange) -> Answer:
    """Answer for another job."""
    return another(x)


@misbehaviour(STATES)
async def second_answer_at_once(x: Exchange) -> None:
    """Send, with the right answer, one that nobody asked for and that does not say whose it is."""
    await x.send(message(x.right) + message(anonymous(another(x))))


@misbehaviour(STATES)
async def second_answer_later(x: Exchange) -> None:
    """Send an answer that nobody asked for a while after the right one; it says whose it is.

    The next call may have left by then, and only the name in the answer shows that this is not the answer to it. So no
    other job has that name: with jobs of one name in two clusters nobody could tell.
    """
    await x.tell_the_truth()
    await asyncio.sleep(x.rng.uniform(0.05, 0.4))
    named = Counter(job.name for job in x.cloud.world.of(x.asked.service))
    if jobs := [job for job in _others(x) if named[job.name] == 1]:
        await x.say(_said_of(x, x.rng.choice(jobs)))


@misbehaviour(weight=0.2)
async def flood_of_1xx(x: Exchange) -> None:
    """Send ten thousand interim answers before the right one."""
    for _ in range(100):
        await x.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)
    await x.tell_the_truth()


@misbehaviour()
async def early_hints(x: Exchange) -> None:
    """Send one interim answer before the right one, as HTTP allows."""
    await x.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    await x.tell_the_truth()


# Statuses ------------------------------------------------------------------------------------------------------------


@misbehaviour()
async def status_204(x: Exchange) -> None:
    """Answer that there is no content."""
    await x.send(b"HTTP/1.1 204 No Content\r\n\r\n")


@said()
def status_202(x: Exchange) -> Answer:
    """Answer that the call is accepted."""
    return Answer(202, {})


@said()
def status_205(x: Exchange) -> Answer:
    """Answer that the content is to be reset."""
    return Answer(205, b"")


@said()
def status_206(x: Exchange) -> Answer:
    """Answer with a part of the content."""
    body = x.right.encoded()
    return Answer(206, body[: len(body) // 2], {"Content-Range": f"bytes 0-{len(body) // 2}/{len(body)}"})


@misbehaviour()
async def status_304(x: Exchange) -> None:
    """Answer that nothing changed."""
    await x.send(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n')


@said()
def redirect(x: Exchange) -> Answer:
    """Answer that it moved, to the same place."""
    return Answer(302, b"", {"Location": x.request.target})


@said()
def status_500(x: Exchange) -> Answer:
    """Fail as a server does."""
    return Answer(500, b"")


@said()
def html_200(x: Exchange) -> Answer:
    """Answer with a page, as if all were well."""
    return Answer(200, b"<html><body>Please log in</body></html>", {"Content-Type": "text/html"})


@said()
def html_404(x: Exchange) -> Answer:
    """Answer with a proxy's own page that nothing was found."""
    return Answer(404, b"<html><body>404 Not Found</body></html>", {"Content-Type": "text/html"})


@misbehaviour()
async def no_http(x: Exchange) -> None:
    """Answer in another protocol."""
    await x.send(b"220 smtp.example.com ESMTP\r\n")
    x.connection.close()


@misbehaviour(weight=0.2)
async def endless_headers(x: Exchange) -> None:
    """Send a megabyte of headers."""
    await x.send(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 1_000_000 + b"\r\n\r\n")
    x.connection.close()


# What is said --------------------------------------------------------------------------------------------------------


@said()
def utf_16(x: Exchange) -> Answer:
    """Answer in UTF-16."""
    return x.right.saying(x.right.encoded().decode().encode("utf-16"))


@said()
def byte_order_mark(x: Exchange) -> Answer:
    """Put a mark before the JSON."""
    return x.right.saying(b"\xef\xbb\xbf" + x.right.encoded())


@said()
def broken_text(x: Exchange) -> Answer:
    """Answer in bytes that are no text."""
    return x.right.saying(x.right.encoded().replace(b"job", b"j\xff\xfeb"))


@said(weight=0.3)
def deep_nesting(x: Exchange) -> Answer:
    """Answer with a hundred thousand brackets."""
    return x.right.saying(b"[" * 100_000 + b"]" * 100_000)


@said(STATES, weight=0.3)
def deep_field(x: Exchange) -> Answer:
    """Put a field of deep brackets into an otherwise right answer."""
    return x.right.saying(b'{"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"," + x.right.encoded()[1:])


@said()
def nothing(x: Exchange) -> Answer:
    """Answer with something empty."""
    return x.right.saying(x.rng.choice((b"", b"null", b"[]", b"{}}", b'"text"', b"0", b"\x00" * 40)))


def _numbers(found: Answer, literal: str) -> Answer:
    """Return an answer in which every optional number is *literal*."""
    fields = "progress|write_rows|num_[a-z_]+|[A-Z]+_[A-Z_]+|rows_read|rows_written"
    text = re.sub(rf'"({fields})": (-?[0-9.]+|"[0-9]+%")', rf'"\1": {literal}', found.encoded().decode())
    return found.saying(text.encode())


@said(weight=0.3)
def enormous_numbers(x: Exchange) -> Answer:
    """Say 10^400, in digits or as an exponent."""
    return _numbers(x.right, x.rng.choice(("1" + "0" * 400, "1e400", "-1e400", "9" * 5000)))


@said()
def no_numbers(x: Exchange) -> Answer:
    """Say what is no number."""
    return _numbers(
        x.right, x.rng.choice(("NaN", "Infinity", "-Infinity", "-0.0", "-7", "true", '"many"', "{}", "[1]"))
    )


@said(STATES, weight=0.1)
def enormous_array(x: Exchange) -> Answer:
    """Add a hundred thousand empty rows to what is told."""
    if not isinstance(x.right.body, dict):
        return x.right
    key = {"dli.progress": "sub_jobs", "cdm.status": "submissions"}.get(x.asked.operation, "extra")
    rows = [*x.right.body.get(key, []), *({} for _ in range(100_000))]
    return x.right.saying({**x.right.body, key: rows})


DATES = re.compile(r'"(execute-date|last-update-date|begin_time|end_time|start_time)": ("[^"]*"|[0-9]+)')


@said(re.compile(r"dws\.job|cdm\.status|cdm\.submissions"))
def dates_of_zero(x: Exchange) -> Answer:
    """Say 0, or 1970, for every date but that of the creation."""
    zero = "0" if x.asked.service != "dws" else '"1970-01-01T00:00:00Z"'
    return x.right.saying(DATES.sub(rf'"\1": {zero}', x.right.encoded().decode()).encode())


@said(CDM)
def older_submission(x: Exchange) -> Answer:
    """Tell of the run before, where the newest was told surely a while ago."""
    job = x.cloud.world.by_name(x.asked.names["cluster"], x.asked.names["name"])
    told = x.cloud.told.get(x.request.path)
    newest = job.newest(x.now) if job else None
    if job is None or newest is None or told is None or told[0] != newest.ident or told[1] > x.now - 2.0:
        return x.right
    older = x.truth(newest.created - 0.001)
    return older if older.body.get("submissions") else x.right


@said(CDM)
def only_what_must_be(x: Exchange) -> Answer:
    """Leave out every field that is not the name, the id, the status or the date of creation."""
    if not isinstance(x.right.body, dict) or "submissions" not in x.right.body:
        return x.right
    kept = ("job-name", "submission-id", "status", "creation-date")
    return x.right.saying({"submissions": [{key: row[key] for key in kept} for row in x.right.body["submissions"]]})


# Lists ---------------------------------------------------------------------------------------------------------------


def _rows(found: Answer) -> str | None:
    body = found.body if isinstance(found.body, dict) else {}
    return next((key for key in ("jobs", "submissions") if key in body), None)


@said(LISTS)
def short_pages(x: Exchange) -> Answer:
    """Give pages of a half of what was asked, counted so."""
    if (key := _rows(x.right)) is None or key == "submissions":
        return x.right
    size = max(1, x.request.number("page-size", x.request.number("page_size", 100)) // 2)
    page = x.request.number("current-page", x.request.number("page_no", 1))
    target = re.sub(r"(page[-_]size)=\d+", rf"\1={size}", x.request.target)
    found = answer(x.cloud.world, x.asked, replace(x.request, target=target), x.now)
    return found.saying({**found.body, **({"page_size": size} if "page_size" in found.body else {})}) if page else found


@said(LISTS)
def shifting_pages(x: Exchange) -> Answer:
    """Leave out the first row of a page, with the same total: as when a row went while one turned the page."""
    if (key := _rows(x.right)) is None:
        return x.right
    return x.right.saying({**x.right.body, key: x.right.body[key][1:]})


@said(LISTS)
def unreadable_row(x: Exchange) -> Answer:
    """Make one row of a page unreadable."""
    if (key := _rows(x.right)) is None or not x.right.body[key]:
        return x.right
    rows: list[Any] = list(x.right.body[key])
    rows[x.rng.randrange(len(rows))] = x.rng.choice((None, 7, [], {}, "row"))
    return x.right.saying({**x.right.body, key: rows})


@said(re.compile(r"cdm\.submissions"))
def history_cut(x: Exchange) -> Answer:
    """Give the newest ten of a history whatever page was asked, with the total of all."""
    if _rows(x.right) is None:
        return x.right
    found = answer(
        x.cloud.world, x.asked, replace(x.request, target=re.sub(r"page_no=\d+", "page_no=1", x.request.target)), x.now
    )
    return found.saying({**found.body, "submissions": found.body["submissions"][:10], "page_size": 10})


# Limits, keys, clocks ------------------------------------------------------------------------------------------------


@misbehaviour(weight=0.02)
async def unauthorized_for_a_while(x: Exchange) -> None:
    """Refuse everybody for a second and a half."""
    x.cloud.unauthorized_until = x.now + 1.5
    await x.say(x.cloud.callers.refusal(x.request))


def _throttled(*after: str) -> Answer:
    text = "The throttling threshold has been reached: policy user over ratelimit,limit:120,time:1 minute"
    return gateway(429, "APIGW.0308", text).with_headers(**({"Retry_After": after[0]} if after else {}))


RETRY_AFTER = (
    "0",
    "-1",
    "1e3",
    "soon",
    "1000000000000",
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 01 Jan 2100 00:00:00 GMT",
)


@said(weight=0.0)
def throttled(x: Exchange) -> Answer:
    """Refuse as too many, with a Retry-After that is of no use."""
    return _throttled(x.rng.choice(RETRY_AFTER))


@said()
def wrong_date(x: Exchange) -> Answer:
    """Answer rightly, with a clock that is off."""
    return x.right.with_headers(
        Date=x.rng.choice((formatdate(x.now + WRONG_DATE, usegmt=True), formatdate(0), "yesterday", ""))
    )


OF_THIS_CLOUD = tuple(sorted(TABLE))
"""Those that are here; the simulated worlds have more, and enter them into the same table."""


def mixture(*without: str) -> dict[str, float]:
    """Return the weights of all misbehaviours that are mixed, but for some."""
    return {name: each.weight for name, each in TABLE.items() if each.weight > 0 and name not in without}


@dataclass
class Some:
    """A plan: a share of the calls goes wrong, by weight, while it lasts."""

    rng: random.Random
    share: float
    weights: dict[str, float]
    accepted: float = 0.0
    since: float = 0.0
    until: float = float("inf")

    def choose(self, stage: str, asked: Question | None, now: float) -> str | None:
        """Return the name of the misbehaviour, or None to be honest."""
        if not self.since <= now < self.until:
            return None
        if stage == "accept":
            return "reset_after_accept" if self.rng.random() < self.accepted else None
        if asked is None or self.rng.random() >= self.share:
            return None
        names = [name for name in self.weights if TABLE[name].calls.fullmatch(asked.operation)]
        return self.rng.choices(names, [self.weights[name] for name in names])[0] if names else None


def honest_plan() -> Some:
    """Return a plan in which nothing goes wrong."""
    return Some(random.Random(0), 0.0, {})


def always(name: str, rng: random.Random, share: float = 1.0) -> Some:
    """Return a plan in which one thing goes wrong."""
    if name == "reset_after_accept":
        return Some(rng, 0.0, {}, accepted=share)
    return Some(rng, share, {name: 1.0})
