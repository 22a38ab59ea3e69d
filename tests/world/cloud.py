"""The hostile cloud as one of the machines of the world, and what else goes wrong in it for a while."""

import asyncio
import random
import re
from collections import defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tests.hostile.exchange import Answer
from tests.hostile.honest import Question, gateway
from tests.hostile.misbehaviours import ANY, STATES, TABLE, Table, anonymous, another, misbehaviour, said
from tests.hostile.truth import World
from tests.hostile.wire import Cloud, Exchange, message

DOMAIN = "world.example"
HEAVY = {
    "flood",
    "gzip_bomb",
    "enormous_array",
    "deep_nesting",
    "deep_field",
    "endless_headers",
    "flood_of_1xx",
    "drip",
}
"""What costs the processor and not the exporter: the tests of the hostile cloud have these."""
EVER = {"drip", "sour", "refuse", "unauthorized_for_a_while"}


@said(weight=0.0)
def throttled_rightly(x: Exchange) -> Answer:
    """Refuse as too many, as the gateway does."""
    return gateway(429, "APIGW.0308", "The throttling threshold has been reached: policy user over ratelimit")


@said(weight=0.0)
def unavailable(x: Exchange) -> Answer:
    """Answer that the service is out of order."""
    return gateway(503, "APIGW.0201", "Backend unavailable")


@said(STATES, weight=0.0)
def unknown_state(x: Exchange) -> Answer:
    """Say a state that no document names."""
    text = x.right.encoded().decode()
    return x.right.saying(re.sub(r'"status": "[A-Z]+"', '"status": "HIBERNATING"', text).encode())


@said(STATES, weight=0.0)
def vanished(x: Exchange) -> Answer:
    """Say that the job is not there, as the service says it, but to nobody who may not ask."""
    if x.right.status == 401:
        return x.right
    if x.asked.service == "cdm":
        return Answer(400, {"errCode": "Cdm.0100", "externalMessage": f"Job[{x.asked.names['name']}] doesn't exist."})
    code = "DLI.0023" if x.asked.service == "dli" else "DWS.3027"
    return Answer(404, {"error_code": code, "error_msg": "The job does not exist."})


@misbehaviour(ANY, weight=0.0)
async def late(x: Exchange) -> None:
    """Answer rightly, but late, with what was true when it was asked."""
    await asyncio.sleep(x.rng.uniform(0.5, 12.0))
    await x.tell_the_truth()


@misbehaviour(STATES, weight=0.0)
async def unasked(x: Exchange) -> None:
    """Have an answer for another job come on the idle connection some time later, without saying whose it is.

    It comes at a moment when no call is out: nobody could tell it from the answer to a call that is.
    """
    await x.tell_the_truth()
    later: set[asyncio.Future[None]] = x.cloud.later  # type: ignore[attr-defined]
    task = asyncio.ensure_future(_unasked(x, x.connection.served))
    later.add(task)
    task.add_done_callback(later.discard)


async def _unasked(x: Exchange, served: int) -> None:
    await asyncio.sleep(x.rng.uniform(0.2, 3.0))
    connection, wire = x.connection, cast("Any", x.connection.writer.transport)
    out = connection.served != served or cast("Any", connection.reader)._buffer or wire.peer.under_way
    if connection.open and not out and not wire.under_way and not wire.is_closing():
        data = message(anonymous(another(x)))
        wire.under_way += len(data)
        wire.peer.arrive(data)


@misbehaviour(re.compile(r"cdm\.(jobs|submissions|status)"), weight=0.0)
async def busy_cluster(x: Exchange) -> None:
    """Fail as a CDM cluster that has too much to do."""
    await x.say(Answer(500, {"errCode": "Cdm.0000", "externalMessage": "system error"}))


def _forget(found: Answer, *names: str) -> Answer:
    if not isinstance(found.body, dict) or "submissions" not in found.body:
        return found
    rows = [{key: value for key, value in row.items() if key not in names} for row in found.body["submissions"]]
    return found.saying({**found.body, "submissions": rows})


@said(re.compile(r"cdm\.(status|submissions)"), weight=0.0)
def ids_alone(x: Exchange) -> Answer:
    """Tell the id of a run in its status alone, and its creation in the history alone."""
    return _forget(x.right, "creation-date" if x.asked.operation == "cdm.status" else "submission-id")


@said(re.compile(r"cdm\.(status|submissions)"), weight=0.0)
def creations_alone(x: Exchange) -> Answer:
    """Tell the creation of a run in its status alone, and its id in the history alone."""
    return _forget(x.right, "submission-id" if x.asked.operation == "cdm.status" else "creation-date")


@dataclass
class Trouble:
    """Something that a share of the calls meet, for a while."""

    share: float
    weights: dict[str, float]


@dataclass
class Troubles:
    """The plan of the cloud: what is wrong at the moment."""

    rng: random.Random
    active: dict[int, Trouble] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)
    """Calls of a limit in a minute, whoever makes them, after which the next is refused."""
    _recent: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))

    def choose(self, stage: str, asked: Question | None, now: float) -> str | None:
        """Return the name of a misbehaviour, or None to be honest."""
        if stage != "call" or asked is None:
            return None
        if asked.limit in self.most and self._too_many(asked.limit, now):
            return "throttled_rightly"
        for trouble in self.active.values():
            names = [name for name in trouble.weights if TABLE[name].calls.fullmatch(asked.operation)]
            if names and self.rng.random() < trouble.share:
                return self.rng.choices(names, [trouble.weights[name] for name in names])[0]
        return None

    def _too_many(self, limit: str, now: float) -> bool:
        recent = self._recent[limit]
        while recent and recent[0] <= now - 60.0:
            recent.popleft()
        if len(recent) >= self.most[limit]:
            return True
        recent.append(now)
        return False


class WorldCloud(Cloud):
    """The cloud; *note* writes into the trace."""

    def __init__(self, world: World, plan: Troubles, rng: random.Random, note: Any, page: int) -> None:
        super().__init__(world, plan, Table(), rng)
        self._page = page
        self.later: set[asyncio.Future[None]] = set()
        self._note = note
        self.noted = 0
        self.hidden: set[str] = set()
        """Names of jobs that lists and calls do not know for a while."""

    def endpoint(self, service: str) -> str:
        """Return the address of a service."""
        return f"https://{service}.{DOMAIN}:{self.ports[service]}"

    def _right(self, asked: Question, request: Any, identity: str | None, now: float) -> Answer:
        if self._page and asked.operation in {"dli.list", "cdm.jobs", "cdm.submissions"}:
            request = replace(request, target=re.sub(r"(page[-_]size)=\d+", rf"\1={self._page}", request.target))
        if not self.hidden:
            return super()._right(asked, request, identity, now)
        world = self.world
        self.world = replace(world, jobs=tuple(job for job in world.jobs if job.name not in self.hidden))
        try:
            return super()._right(asked, request, identity, now)
        finally:
            self.world = world

    def spoil(self) -> None:
        """Let every connection that there is answer 503 from now on, and stay."""
        for connection, _ in self._connections.values():
            connection.sour = True

    def reset_all(self) -> None:
        """Reset every connection that there is."""
        for connection, _ in list(self._connections.values()):
            connection.reset()

    def tell_calls(self) -> None:
        """Write the calls that came since into the trace."""
        calls = list(self.calls)
        for call in calls[self.noted :]:
            self._note("cloud", f"call {call.limit} {call.did} c{call.connection}.{call.nth} {call.target}", call.at)
        self.noted = len(calls)
