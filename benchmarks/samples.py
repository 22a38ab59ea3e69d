"""The samples of a scrape: taken apart, so that every peer serves the same ones, and compared."""

import hashlib
import re
from pathlib import Path
from typing import Final

PREFIX: Final = b"huaweicloud_job_"
OWN: Final = b"huaweicloud_job_exporter_"

_LABEL = re.compile(r'([a-zA-Z_]+)="([^"\\\t\n]*)"')
"""The benchmark's own jobs have nothing to escape."""


def jobs_lines(body: bytes) -> list[bytes]:
    """Return the lines of the jobs' samples, without those of the exporter itself."""
    return [line for line in body.splitlines() if line.startswith(PREFIX) and not line.startswith(OWN)]


def digest(body: bytes) -> str:
    """Return one word for the names and labels of the jobs' samples, whatever their order and values."""
    names = sorted(line.rpartition(b" ")[0] for line in jobs_lines(body))
    return hashlib.sha256(b"\n".join(names)).hexdigest()[:16]


def write(body: bytes, path: Path) -> None:
    """Write the jobs' samples as the peers read them: a line a family, a line a sample, fields between tabs."""
    helps: dict[str, str] = {}
    kinds: dict[str, str] = {}
    labels: dict[str, list[str]] = {}
    rows: dict[str, list[str]] = {}
    for line in body.decode().splitlines():
        if line.startswith("#"):
            _, word, name, rest = line.split(" ", 3)
            (helps if word == "HELP" else kinds)[name] = rest
        elif line.startswith(PREFIX.decode()) and not line.startswith(OWN.decode()):
            before, _, value = line.rpartition(" ")
            name, _, inside = before.partition("{")
            pairs = _LABEL.findall(inside)
            labels.setdefault(name, [label for label, _ in pairs])
            rows.setdefault(name, []).append("\t".join(["S", value, *(text for _, text in pairs)]))
    with path.open("w") as file:
        for name, lines in rows.items():
            file.write("\t".join(["F", name, kinds[name], helps[name], *labels[name]]) + "\n")
            file.write("\n".join(lines) + "\n")
