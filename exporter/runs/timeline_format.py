"""The text of the file with the past of all jobs: a header, a line for each job, and a line of changes. Pure.

A file that this version could not have written is refused completely. No counter depends on it, so only what the page
shows is lost.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from exporter.model.job import JobKey
from exporter.model.standing import STANDINGS
from exporter.runs.codes import Codes
from exporter.runs.past import Change
from exporter.runs.timeline import Kept, Timeline

_FORMAT: Final = "huaweicloud-job-exporter history"
_VERSION: Final = 2
_LINES: Final = 100
"""Jobs whose lines are written at once."""
_PACKED: Final = ("runs", "progress", "turns", "failures", "earlier")


class Saved(NamedTuple):
    """What a file holds."""

    since: float
    """When jobs began to be watched."""
    saved: float
    """When it was written."""
    codes: Codes
    kept: Sequence[Kept]
    changes: Sequence[Change]


def saved_lines(saved: Saved) -> Iterator[bytes]:
    """Yield the lines of a file."""
    yield _line(
        {
            "format": _FORMAT,
            "version": _VERSION,
            "since": saved.since,
            "saved": saved.saved,
            "jobs": len(saved.kept),
        }
    )
    lines: list[bytes] = []
    for each in saved.kept:
        packed = {name: b64encode(getattr(each.timeline, name)).decode() for name in _PACKED}
        who = {"service": each.key.service, "job": each.key.job, "project": each.project, "target": dict(each.target)}
        lines.append(_line({**who, "since": each.timeline.since, **packed}))
        if len(lines) >= _LINES:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)
    yield _line({"changes": saved.changes, "codes": saved.codes.words})  # last: they may grow meanwhile


def read_saved(text: bytes) -> Saved:
    """Return what a file holds. Raises ``ValueError`` for what this version did not write."""
    try:
        head, *jobs, tail = [json.loads(line) for line in text.splitlines()]
        if (head["format"], head["version"], head["jobs"]) != (_FORMAT, _VERSION, len(jobs)):
            raise ValueError("of another version, or cut short")
        codes = Codes(tuple(str(code) for code in tail["codes"]))
        kept = [_kept(each, codes) for each in jobs]
        changes = [_change(*each) for each in tail["changes"]]
        return Saved(float(head["since"]), float(head["saved"]), codes, kept, changes)
    except (KeyError, TypeError, IndexError, RecursionError, OverflowError) as error:
        raise ValueError(f"not what this version writes ({type(error).__name__})") from None


def _kept(line: dict[str, Any], codes: Codes) -> Kept:
    packed = [b64decode(line[name], validate=True) for name in _PACKED]
    timeline = Timeline(int(line["since"]), *packed)
    timeline.unpacked(codes)
    return Kept(JobKey(str(line["service"]), str(line["job"])), str(line["project"]), dict(line["target"]), timeline)


def _change(
    at: float, key: list[str], project: str, was: str, now: str, code: str, took: float | None, jobs: int
) -> Change:
    if not {was, now} <= set(STANDINGS):
        raise ValueError("a word of another version")
    service, job = key
    span = None if took is None else float(took)
    return Change(float(at), JobKey(str(service), str(job)), str(project), was, now, str(code), span, int(jobs))


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"
