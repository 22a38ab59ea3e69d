"""Every parser of text that others write, what it is fed with first, and what it promises of any bytes.

A promise is broken by any error that is not the one the parser documents, and by an `AssertionError` here.
"""

import json
import math
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from exporter.cloud.body import unpacked
from exporter.cloud.connection import PackedError, TooLongError
from exporter.cloud.no_proxy import is_direct
from exporter.cloud.response import cached_for, retry_after, server_skew
from exporter.config import load
from exporter.config.errors import SourcePosition
from exporter.config.job_file import read_job_file
from exporter.config.tree import MappingNode
from exporter.config.web_file import read_web_config
from exporter.model.errors import ExporterError, PollError
from exporter.model.job import Job, JobKey
from exporter.model.run import Ledger, RunId
from exporter.model.snapshot import Snapshot, State
from exporter.model.units import LONGEST_WAIT
from exporter.runs.journal_format import ForeignError, JournalEntry, read_journal, written
from exporter.services import error_classes
from exporter.services.listing import ListQuery, Location
from exporter.services.registry import load_services
from exporter.services.timestamps import moment
from exporter.web.negotiate import gzip_ok, openmetrics
from exporter.web.query import parse_query

ROOT: Final = Path(__file__).parents[2]
ADAPTERS: Final = load_services()
ZONE: Final = ZoneInfo("Asia/Shanghai")
NOW: Final = 1_760_000_000.0
LATEST: Final = datetime(2100, 1, 1).astimezone().timestamp()
TARGET: Final = {"job_id": "j", "cluster_id": "c", "job_name": "j"}


@dataclass(frozen=True)
class Parser:
    """A parser: what to do with any bytes, and bytes that it knows."""

    feed: Callable[[bytes], None]
    examples: tuple[bytes, ...]


PARSERS: Final[dict[str, Parser]] = {}


def parser(*examples: bytes) -> Callable[[Callable[[bytes], None]], Callable[[bytes], None]]:
    """Put a function into the table."""

    def enter(feed: Callable[[bytes], None]) -> Callable[[bytes], None]:
        PARSERS[feed.__name__] = Parser(feed, examples)
        return feed

    return enter


def _payloads(pattern: str) -> tuple[bytes, ...]:
    found = sorted((ROOT / "tests" / "payloads").glob(pattern))
    return tuple(path.read_bytes() for path in found if path.stat().st_size < 20_000)


def _text(data: bytes) -> str:
    return data.decode("latin-1")  # as headers come


def _finite(values: Iterable[float | None]) -> None:
    assert all(value is None or (0 <= value < math.inf) for value in values)


@parser(*_payloads("*/job_*.json"), *_payloads("*/status*.json"), *_payloads("*/cluster_detail_*.json"))
def body(data: bytes) -> None:
    """The answer about a job, of every service, and of every kind of its jobs."""
    for service, adapter in [(name, kind) for name, each in ADAPTERS.items() for kind in {each, each.found}]:
        with suppress(PollError):
            seen = adapter.parse(data, Job(JobKey(service, "j"), "p", TARGET), ZONE)
            assert seen.progress is None or 0 <= seen.progress <= 1
            _finite([*seen.counts.values(), seen.start, seen.end])
            assert (seen.failure_code is not None) == (seen.state.value == "failed")
            json.dumps(seen.detail_json(), allow_nan=False, ensure_ascii=False).encode()


@parser(*_payloads("dws/redistribution_*.json"), *_payloads("dws/snapshots.json"), *_payloads("dws/action_*.json"))
def run_details(data: bytes) -> None:
    """The answer about one run, of every service that has such a call, and of every kind of its runs."""
    job = Job(JobKey("s", "j"), "p", TARGET)
    for adapter in {kind for each in ADAPTERS.values() for kind in (each, each.found)}:
        for kind in ("", "REDISTRIBUTING", "SNAPSHOTTING", "GROWING") if adapter.run_reader is not None else ():
            assert adapter.run_reader is not None
            with suppress(PollError):
                seen = adapter.run_reader.parse(data, job, Snapshot(State.RUNNING, kind, RunId("7"), kind=kind), ZONE)
                assert seen.progress is None or 0 <= seen.progress <= 1
                _finite([*seen.counts.values(), seen.start, seen.end])
                assert not (kind and seen.state.ended), "of nothing that was seen to run"
                json.dumps(seen.detail_json(), allow_nan=False, ensure_ascii=False).encode()


@parser(*_payloads("*/list_*.json"), *_payloads("*/clusters_*.json"))
def job_list(data: bytes) -> None:
    """A page of a list of jobs."""
    for adapter in ADAPTERS.values():
        if adapter.lists is not None:
            with suppress(PollError):
                page = adapter.lists.parse(data, ListQuery(Location("c", "etl")))
                assert len(page.items) <= page.rows
                for listed in page.items:
                    "".join([*listed.target.values(), *listed.words.values()]).encode()
                    if listed.snapshot is not None:
                        _finite([*listed.snapshot.counts.values(), listed.snapshot.start, listed.snapshot.end])
            with suppress(PollError):
                adapter.lists.places(data)


@parser(*_payloads("cdm/*submissions*.json"), *_payloads("cdm/*.json"))
def history(data: bytes) -> None:
    """A page of the history of a job."""
    for adapter in ADAPTERS.values():
        if adapter.past is not None:
            with suppress(PollError):
                for run in adapter.past.parse(data, Job(JobKey("cdm", "j"), "p", TARGET)).runs:
                    _finite([*run.counts.values(), run.start, run.end])


@parser(*_payloads("*/error_*.json"), b"<html><title>502 Bad Gateway</title></html>")
def refused(data: bytes) -> None:
    """The body of an answer that is a refusal."""
    for adapter in ADAPTERS.values():
        for status in (400, 401, 403, 404, 429, 503):
            error = error_classes.refusal(status, error_classes.envelope(data), adapter.codes)
            assert error.reason in error_classes.SENTENCES
            assert len(error.text) <= 300
            error.text.encode()


@parser(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00C\xbf\xa6\xa3\x02\x00\x00\x00", b"{}")
def packed(data: bytes) -> None:
    """A body that is packed."""
    for encoding in ("gzip", "deflate") if data else ():
        with suppress(PackedError, TooLongError):
            assert len(unpacked(data, encoding, 100_000)) <= 100_000


@parser(
    b'{"service": "dli", "job_id": "j"}\n{"service": "cdm", "cluster_id": "c", "job_name": "n"}\n',
    b"- service: dws\n  job_id: 2c9080e88459fa44018459fbeb600001\n  interval: 10s\n",
    b"jobs: [{service: dli, job_id: &a 0123}, *a]\n",
)
def job_file(data: bytes) -> None:
    """A job file."""
    with suppress(ExporterError):
        read_job_file(data, "jobs.yaml", MappingNode(SourcePosition("")))


def _as_file(data: bytes, read: Callable[[Path], Any]) -> None:
    with tempfile.NamedTemporaryFile(dir=_FOLDER.name, suffix=".yaml") as file, suppress(ExporterError):
        file.write(data)
        file.flush()
        read(Path(file.name))


_FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-")


@parser(*((ROOT / "config" / name).read_bytes() for name in ("exporter.yaml", "minimal.yaml", "sidecar.yaml")))
def configuration(data: bytes) -> None:
    """The configuration file."""
    _as_file(data, lambda path: load(path, {}))


@parser(
    b"tls_server_config:\n  cert_file: a.pem\n  key_file: b.pem\n  min_version: TLS13\n",
    b"basic_auth_users:\n  alice: $2y$04$abcdefghijklmnopqrstuuK9cVQ4JcBzQkMlqB6tMhTzl0lXgxHcK\n",
    b"rate_limit: {interval: 1s}\n",
    b"http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n",
)
def web_configuration(data: bytes) -> None:
    """The configuration of TLS and passwords."""
    _as_file(data, read_web_config)


@parser(b"".join(written([JournalEntry.of(Job(JobKey("cdm", "j"), "p", TARGET), Ledger())])))
def journal(data: bytes) -> None:
    """The journal: what is read is written as it was read."""
    with suppress(ForeignError):
        entries = read_journal(data)
        assert read_journal(b"".join(written(entries))) == entries


@parser(b"120", b"Fri, 31 Dec 1999 23:59:59 GMT", b"1e3", b"-1")
def waiting(data: bytes) -> None:
    """The headers Retry-After, Date and Age."""
    text = _text(data)
    headers: Mapping[str, str] = {"retry-after": text, "date": text, "age": text}
    wait = retry_after(headers, NOW)
    assert wait is None or 0 < wait <= LONGEST_WAIT
    assert cached_for(headers) >= 0
    server_skew(text, NOW)


@parser(b"2024-03-05T08:10:00", b"Tue Mar 05 08:10:41 CST 2024", b"2023-10-15T10:17:00.758GMT", b"1709626200000")
def date(data: bytes) -> None:
    """A moment as the services write it."""
    for zone in (None, ZONE):
        with suppress(ValueError):
            read = moment(data.decode(errors="replace"), zone)
            assert read is None or 0 < read < LATEST


@parser(b"q=a&service=dli&state=running&sort=name&limit=10", b"error=1&group=cluster&failed=1h&order=desc")
def query(data: bytes) -> None:
    """The query of the list of jobs."""
    with suppress(ExporterError):
        parse_query(parse_qsl(_text(data), keep_blank_values=True, max_num_fields=200))


@parser(b"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", b"gzip;q=1.0, identity; q=0", b";,;=")
def accepted(data: bytes) -> None:
    """The headers Accept and Accept-Encoding."""
    openmetrics(_text(data))
    gzip_ok(_text(data))


@parser(b"10.0.0.0/8,.example.com,*", b"[::1]:8080, fe80::/10", b"127.0.0.1")
def no_proxy(data: bytes) -> None:
    """The variable NO_PROXY."""
    for authority in ("dli.example.com", "10.1.2.3", "[::1]"):
        is_direct(authority, 443, _text(data))
