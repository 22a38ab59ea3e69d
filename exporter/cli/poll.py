"""``poll``: one job, once; the answer to "why is this value so?"."""

import argparse
import asyncio
import difflib
import json
import time
from dataclasses import asdict

from exporter import logs
from exporter.app import App
from exporter.cli.run import load_settings
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.model.errors import ExporterError, PollError
from exporter.model.job import Job, JobKey
from exporter.model.record import Fault, Record
from exporter.runs import transitions
from exporter.services import registry
from exporter.sources.job_files import registered


def command(options: argparse.Namespace) -> int:
    """Poll one registered job once and print request, answer class, snapshot and samples."""
    settings = load_settings(options)
    logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
    job = _job(settings, JobKey(options.service, options.job))
    return asyncio.run(_poll(App(settings), job))


def _job(settings: Settings, key: JobKey) -> Job:
    jobs, mistakes = registered(settings)
    known = {job.key: job for job in jobs}
    if job := known.get(key):
        return job
    near = difflib.get_close_matches(key.job, [each.job for each in known if each.service == key.service], n=3)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    if settings.discovery:
        hint += "; what rules find only a running exporter knows: register it by hand (discover --rules prints how)"
    raise ExporterError("\n".join((f"no job {key.job!r} of service {key.service!r} is registered{hint}", *mistakes)))


async def _poll(app: App, job: Job) -> int:
    async with app.fleet() as fleet:
        began = time.perf_counter()
        record, failure = transitions.registered(job, fleet.adapter(job)), None
        try:
            request = await fleet.request(job)
            query = "?" + "&".join(f"{name}={value}" for name, value in request.query) if request.query else ""
            where = fleet.projects[job.project].endpoints[job.key.service]
            print(f"request:  {request.method} {where}{request.path}{query}  ({request.operation})")
            answer = await fleet.ask(job)
            record = transitions.worked(record, answer, app.clock.now(), fleet.adapter(job))
        except PollError as error:
            failure = error
            fault = Fault(error.reason, app.clock.now(), error.sentence, error.code, error.request_id, error.text)
            record = transitions.failed(record, fault)
    print(f"answer:   {'ok' if failure is None else failure.reason.value} in {time.perf_counter() - began:.3f} s")
    if failure is not None:
        print(f"          {failure.sentence}")
        print(
            f"          code {failure.code or '-'}, request id {failure.request_id or '-'}, text {failure.text or '-'}"
        )
    print(f"snapshot: {_snapshot(record)}")
    print("samples:")
    print(_samples(record), end="")
    return 0 if failure is None else 1


def _snapshot(record: Record) -> str:
    if record.snapshot is None:
        return "none"
    counts = {".".join(part for part in each if part): value for each, value in record.snapshot.counts.items()}
    told = {**asdict(record.snapshot), "counts": counts, "detail": record.snapshot.told()}
    del told["digest"]
    return json.dumps(told, ensure_ascii=False, indent=2, default=str)


def _samples(record: Record) -> str:
    store = JobStore(1_000_000, registry.identity())
    store.put(record)
    lines = (
        b"".join(part for section in store.sections(openmetrics=False) for part in section)
        .decode()
        .splitlines(keepends=True)
    )
    return "".join(line for line in lines if not line.startswith("#"))
