"""Planned misbehaviour: answers that are given instead of the true one, late, cut short or not at all."""

import json
from dataclasses import dataclass, field

from exporter.simulator.answers import Answer, Call, external_error, gateway_error, service_error, throttled


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave.

    *answer* replaces the true answer (None keeps it). *delay* is seconds before the headers, *stall* seconds
    after them; either may be ``math.inf``. *cut* sends so many bytes of the body and closes the connection.
    *closes* closes it without a word.
    """

    answer: Answer | None = None
    delay: float = 0.0
    stall: float = 0.0
    cut: int | None = None
    closes: bool = False


@dataclass(slots=True)
class Plan:
    """When a fault happens: for the calls that match, every *every*-th of them, *left* times (None: for ever)."""

    fault: Fault
    left: int | None = 1
    every: int = 1
    operation: str | None = None
    service: str | None = None
    job: str | None = None
    seen: int = field(default=0, init=False)

    def takes(self, operation: str, service: str, call: Call) -> bool:
        """Count a call if it matches and return whether the fault happens to it."""
        asked = (operation, service, call.job)
        wanted = (self.operation, self.service, self.job)
        if self.left == 0 or any(w is not None and w != a for w, a in zip(wanted, asked, strict=True)):
            return False
        self.seen += 1
        if self.seen % self.every:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The plans; the first one that takes a call decides."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []

    def plan(
        self,
        fault: Fault | Answer,
        *,
        times: int | None = 1,
        every: int = 1,
        operation: str | None = None,
        service: str | None = None,
        job: str | None = None,
    ) -> Plan:
        """Let the next *times* matching calls meet *fault*; what is not named matches everything.

        *operation* is the vendor's name (``ShowJobStatus``), *service* ``dli``, ``dli_spark``, ``dli_flink``,
        ``dws``, ``cdm``, ``dataarts``, ``iam``, ``metadata`` or ``pod_identity``, *job* the job's id, or its name in
        CDM and DataArts. With *every* = n only each n-th matching call counts.
        """
        wrapped = Fault(answer=fault) if isinstance(fault, Answer) else fault
        plan = Plan(wrapped, times, every, operation, service, job)
        self.plans.append(plan)
        return plan

    def take(self, operation: str, service: str, call: Call) -> Fault | None:
        """Return the fault that this call meets, if any."""
        return next((plan.fault for plan in self.plans if plan.takes(operation, service, call)), None)

    def clear(self) -> None:
        """Forget all plans."""
        self.plans.clear()


def too_often(retry_after: int = 5, limit: int = 60) -> Answer:
    """Return HTTP 429 of the gateway; *retry_after* in seconds."""
    return throttled(limit, retry_after)


def queue_busy() -> Answer:
    """Return the transient HTTP 400 that the DLI progress page documents."""
    return service_error(400, "DLI.0999", "The queue backend version is too old or the queue is busy.")


def refused_with_200(message: str) -> Answer:
    """Return a DLI answer whose HTTP status is 200 and whose ``is_success`` is false."""
    body = {"is_success": False, "message": message}
    return Answer(200, json.dumps(body).encode())


def server_failure() -> Answer:
    """Return a DWS HTTP 500 in the errCode form."""
    return external_error(500, "DWS.0005", "Server failure.")


def backend_timeout() -> Answer:
    """Return the gateway's HTTP 504."""
    return gateway_error(504, "APIG.0201", "Backend timeout.")


def nothing_in_it(status: int = 500) -> Answer:
    """Return an answer with an empty body."""
    return Answer(status, b"")
