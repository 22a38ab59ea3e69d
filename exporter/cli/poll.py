"""``poll``: polls one job once and prints everything about it, to explain why a metric has its value."""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from pydantic import ValidationError

from exporter import logs
from exporter.app import App
from exporter.cli.calls import CommandCalls
from exporter.cli.discover import ask_lists
from exporter.cli.options import load_settings, tell_config
from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.model.changes import DISCOVERY, STATIC
from exporter.model.errors import ExporterError, PollError
from exporter.model.job import Job, JobKey
from exporter.model.masking import VendorText, repeated, repeated_fields
from exporter.model.messages import instead, other_jobs, quoted
from exporter.model.packed import Packed
from exporter.model.record import Fault, Record
from exporter.model.snapshot import Snapshot
from exporter.polling.list_merge import merged_record
from exporter.polling.tries import Tries
from exporter.runs import same_run, transitions
from exporter.runs.deadlines import with_due_time
from exporter.services import registry
from exporter.services.adapter import Adapter, confirmed
from exporter.services.request import Request
from exporter.sources.job_files import all_jobs
from exporter.web.job_json import grouped


def add_ids(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field that names a job in its service."""
    for field in sorted(
        {field for adapter in registry.load_services().values() for field in adapter.entry.model_fields}
    ):
        parser.add_argument(_option(field), metavar=field.upper(), help="poll a job that is not registered")
    parser.add_argument("--project", metavar="NAME", help="with ids: the project; may be left out with one project")


def command(options: argparse.Namespace) -> int:
    """Poll one job once, registered, found by a rule or by its ids, and print request, answer, snapshot and samples."""
    adapter = registry.load_services().get(options.service)
    if adapter is None:
        raise ExporterError(
            f"unknown service {quoted(options.service)}{instead(options.service, registry.load_services())}"
        )
    ids = {name: value for name in adapter.entry.model_fields if (value := getattr(options, name)) is not None}
    if not ids and options.job is None:
        needed = " and ".join(_option(name) for name, each in adapter.entry.model_fields.items() if each.is_required())
        either = needed or " or ".join(map(_option, adapter.entry.model_fields))
        options.wrong_usage(f"JOB or {either} is required")
    settings = load_settings(options, jobs_needed=False)
    tell_config(options)
    logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
    return asyncio.run(_command(App(settings), adapter, options, ids))


async def _command(app: App, adapter: Adapter, options: argparse.Namespace, ids: Mapping[str, str]) -> int:
    async with app.projects() as projects:
        job = _by_id(app.settings, adapter, options, ids) if ids else _registered(app.settings, options)
        calls = CommandCalls(projects, app.permits)
        return await _poll(app, projects, calls, job or await _found(app.settings, projects, calls, options))


def _by_id(settings: Settings, adapter: Adapter, options: argparse.Namespace, ids: Mapping[str, str]) -> Job:
    """Return the job that the options name."""
    try:
        entry = adapter.entry.model_validate(dict(ids))
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        missing = [_option(str(each["loc"][0])) for each in wrong if each["loc"]]
        needs = f"needs {' and '.join(missing)} too" if missing else str(wrong[0]["msg"]).removeprefix("Value error, ")
        raise ExporterError(f"a {adapter.service} job {needs}" if missing else needs) from None
    project = options.project or next(iter(settings.projects))
    if project not in settings.projects:
        raise ExporterError(f"unknown project {quoted(project)}{instead(project, settings.projects)}")
    if options.project is None and len(settings.projects) > 1:
        raise ExporterError(f"--project is required; one of {', '.join(sorted(settings.projects))}")
    key = JobKey(adapter.service, options.job or entry.default_name)
    return Job(key, project, Packed(dict(ids)), None, STATIC, settings.projects[project].region)


def _option(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def _registered(settings: Settings, options: argparse.Namespace) -> Job | None:
    jobs, _ = all_jobs(settings)
    return next((job for job in jobs if job.key == (options.service, options.job)), None)


async def _found(settings: Settings, projects: Projects, calls: CommandCalls, options: argparse.Namespace) -> Job:
    """Return the job that a rule finds now, the newest of its name; raises :class:`ExporterError` if none does."""
    jobs, complaints = all_jobs(settings)
    names = [job.key.job for job in jobs if job.key.service == options.service]
    rules = [search for search in settings.discovery if search.service == options.service]
    for search in rules:
        project, adapter = projects.by_name[search.project], projects.adapters[search.service]
        assert adapter.lists is not None  # noqa: S101 - the settings have no rule for another service
        try:
            found = await ask_lists(calls, project, adapter, adapter.lists, search.rule)
        except PollError as error:
            complaints = (*complaints, f"project {search.project}: {error.sentence}")
            continue
        complaints = (*complaints, *(f"project {search.project}: {error.sentence}" for _, error in found.failures))
        for each in reversed(found.jobs):
            if each.name == options.job:
                print(f"found:    by a rule of discovery, in project {search.project}")
                key = JobKey(search.service, each.name)
                return Job(key, search.project, each.listed.target, None, DISCOVERY, project.region)
        names += [each.name for each in found.jobs]
    also = ", and no rule of discovery finds one" if rules else ""
    sentence = f"no job {options.job!r} of service {options.service!r} is registered{also}"
    raise ExporterError("\n".join((sentence + other_jobs(options.job, names), *complaints)))


async def _poll(app: App, projects: Projects, calls: CommandCalls, job: Job) -> int:
    began, how = time.perf_counter(), app.settings.web.vendor_text
    record, failure = transitions.registered(job, projects.adapter(job)), None
    try:
        answer = await _asked(app, projects, calls, job)
        if answer.idle and projects.adapter(job).job_reader is not None:
            record, answer = await _confirmed(app, projects, calls, record, answer)
        cloud = projects.cloud_time(job.project, app.clock)
        record = transitions.worked(record, answer, app.clock.now(), projects.adapter(job), cloud=cloud)
        record = await _with_details(app, projects, calls, await _with_row(app, projects, calls, record))
    except PollError as error:
        failure = error
        fault = Fault(error.reason, app.clock.now(), error.sentence, error.code, error.request_id, error.text)
        record = transitions.failed(record, fault)
    print(f"answer:   {'ok' if failure is None else failure.reason.value} in {time.perf_counter() - began:.3f} s")
    if failure is not None:
        print(f"          {failure.sentence}")
        text = repeated(failure.text, how) or "-"
        print(f"          code {failure.code or '-'}, request id {failure.request_id or '-'}, text {text}")
    print(f"snapshot: {snapshot_text(record.snapshot, how)}")
    print("samples:")
    print(_samples(with_due_time(record, app.clock.now())), end="")
    return 0 if failure is None else 1


async def _asked(app: App, projects: Projects, calls: CommandCalls, job: Job) -> Snapshot:
    """Return the answer of the job, for a shorter time if one had not all of its rows; raises :class:`PollError`."""
    project, adapter = projects.by_name[job.project], projects.adapter(job)
    tries = Tries(refusals=0, drops=0)
    while True:
        request = adapter.request(job, await project.project_id_of()).narrowed(tries.narrowed)
        _tell_request(app, project, job, request)
        try:
            return await calls.call(project, adapter.limit, partial(projects.ask, job, None, tries.narrowed))
        except PollError as error:
            if not tries.once_more(error):
                raise


def _tell_request(app: App, project: Project, job: Job, request: Request) -> None:
    asked = "&".join(f"{name}={value}" for name, value in request.query_at(app.clock.now()))
    query = f"?{asked}" if asked else ""
    where = project.endpoints[job.key.service]
    print(f"request:  {request.method} {where}{request.path}{query}  ({request.operation})")


async def _confirmed(
    app: App, projects: Projects, calls: CommandCalls, record: Record, answer: Snapshot
) -> tuple[Record, Snapshot]:
    """Return record and answer with what the second call of a poll reads; raises :class:`PollError` as a poll does."""
    job, adapter, project = record.job, projects.adapter(record.job), projects.by_name[record.job.project]
    reader = adapter.job_reader
    assert reader is not None  # noqa: S101 - else there is no second call
    request = reader.request(job.target, project.project_id)
    _tell_request(app, project, job, request)
    row = reader.parse(await calls.call(project, adapter.limit, lambda: project.ask(adapter, request)), job.target)
    return replace(record, schedule=row.schedule), confirmed(answer, row)


async def _with_row(app: App, projects: Projects, calls: CommandCalls, record: Record) -> Record:
    """Return the record with the fields of the row of a run that ended, if the service has a call for the row."""
    job, adapter, project = record.job, projects.adapter(record.job), projects.by_name[record.job.project]
    lists, known = adapter.lists, record.snapshot
    if lists is None or lists.row is None or known is None or not known.ended:
        return record
    reader, request = lists.row, lists.row.request(job.target, project.project_id)
    _tell_request(app, project, job, request)
    try:
        body = await calls.call(project, lists.limit, lambda: project.ask(adapter, request))
        row = reader.parse(body, job.target).snapshot
    except PollError as error:
        print(f"          {error.sentence}; the final values of the run are not known")
        return record
    if row is None:
        return record
    cloud = project.cloud_time()
    return merged_record(record, row.credible(cloud), app.clock.now(), adapter, before=None, cloud=cloud)[0]


async def _with_details(app: App, projects: Projects, calls: CommandCalls, record: Record) -> Record:
    """Return the record with what only a call about its run reports, if the service has one."""
    job, adapter, project = record.job, projects.adapter(record.job), projects.by_name[record.job.project]
    run, reader = record.snapshot, adapter.run_reader
    request = None if reader is None or run is None else reader.request(job, run, project.project_id)
    if reader is None or run is None or request is None:
        return record
    _tell_request(app, project, job, request)
    try:
        body = await calls.call(project, adapter.limit, lambda: project.ask(adapter, request))
        answer = reader.parse(body, job, run, project.zone).credible(project.cloud_time())
        return same_run.detailed(record, answer, app.clock.now(), adapter)
    except PollError as error:
        print(f"          {error.sentence}; the steps of the run are not known")
        return record


def snapshot_text(snapshot: Snapshot | None, how: VendorText) -> str:
    """Return what was read from the response, by the names that the JSON of the web side has."""
    if snapshot is None:
        return "none"
    shown = {
        **_run(snapshot),
        "incremental": snapshot.incremental,
        "counts": grouped(snapshot.counts),
        "detail": repeated_fields(snapshot.detail_json(), how),
        "other_runs": [_run(each) for each in snapshot.others],
        "idle": snapshot.idle,
        "unreadable": snapshot.unknown,
    }
    return json.dumps(shown, ensure_ascii=False, indent=2)


def _run(snapshot: Snapshot) -> dict[str, object]:
    return {
        "run_id": snapshot.run.label or None,
        "state": snapshot.state.value,
        "native_state": snapshot.native_state or None,
        "progress": snapshot.progress,
        "created": snapshot.run.created,
        "start": snapshot.start,
        "end": snapshot.end,
        "failure_code": snapshot.failure_code,
    }


def _samples(record: Record) -> str:
    """Return the samples; of a metric with several, or a counter, those that are 0 are only counted."""
    store = JobStore(1_000_000, registry.declared())
    store.put(record)
    text = b"".join(part for section in store.sections(openmetrics=False) for part in section).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    metrics = Counter(_metric(line) for line in lines)
    several = {name for name, number in metrics.items() if number > 1 or name.endswith("_total")}
    zeros = [line for line in lines if _is_zero(line) and _metric(line) in several]
    shown_lines = [line for line in lines if line not in zeros]
    folded = [f"{name} ({number})" for name, number in Counter(map(_metric, zeros)).items()]
    return "\n".join([*shown_lines, *([f"and 0: {', '.join(folded)}"] if folded else []), ""])


def _metric(line: str) -> str:
    return line.partition("{")[0].partition(" ")[0]


def _is_zero(line: str) -> bool:
    return float(line.rpartition(" ")[2]) == 0
