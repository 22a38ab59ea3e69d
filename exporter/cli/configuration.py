"""The reference of all settings, generated from the models; docs/configuration.md is the output of this module."""

import json
from collections.abc import Iterable, Iterator
from typing import Final

from exporter.config.reference import Row, reference
from exporter.services import registry

_INTRODUCTION: Final = """\
# Configuration

This page is generated from the code; `make docs` writes it. [config/exporter.yaml](../config/exporter.yaml) is an
example with every key, and `huaweicloud-job-exporter check --config FILE` reports all mistakes at once, each with its
line.

- A setting comes from the YAML file or from an environment variable; the variable takes precedence. The file is given
  by `--config` (`-c`) or `EXPORTER_CONFIG`; otherwise it is `./exporter.yaml` or, if that does not exist,
  `/etc/huaweicloud-job-exporter/exporter.yaml`. The commands print which file they use. Without a file the environment
  alone is enough. Flags take precedence over both: `--log.level` and `--log.format` of every command, and
  `--web.listen-address` (may be repeated), `--web.config.file` and `--web.systemd-socket` of `run` and `demo`.
- In a variable, `jobs`, `discovery` and mappings with free keys (`projects`) are written as JSON:
  `EXPORTER_JOBS='[{EXAMPLE}]'`. Other lists may be written with commas: `EXPORTER_METRICS__JOB_LABELS=team,tier`. A
  single key of a project is, for example, `EXPORTER_PROJECTS__PROD__REGION`.
- A duration is a number with its unit, such as `500ms`, `30s`, `5m`, `1h30m` or `1d`. A rate is `1.8/s` or `108/m`.
- Names and ids are read as text: `0123`, `on` and `2024-01-01` are not changed.
- Relative paths are relative to the file that contains them. Secrets can be given directly or, with `_file`, as a file.
- An unknown key or `EXPORTER_` variable is a mistake; the message suggests the nearest known name.
- The file is read again when it changes ([running.md](running.md#reload)).
"""
SECTIONS: Final = {
    "projects": "Credentials: [credentials.md](credentials.md) and [environment.md](environment.md).",
    "jobs": "The meaning of `promises`: [promises.md](promises.md).",
    "discovery": "Details: [discovery.md](discovery.md).",
    "web": "The format of `web.config_file`: [security.md](security.md).",
    "journal": "Its contents: [runs.md](runs.md#the-journal).",
}


def render_configuration() -> str:
    """Return the reference as Markdown."""
    sections: dict[str, list[Row]] = {}
    for row in reference():
        sections.setdefault(row.path.partition(".")[0].removesuffix("[]"), []).append(row)
    introduction = _INTRODUCTION.replace("{EXAMPLE}", json.dumps(registry.example()))
    return introduction + "".join("\n".join(["", *_section(name, rows), ""]) for name, rows in sections.items())


def _section(name: str, rows: Iterable[Row]) -> Iterator[str]:
    first, *rest = rows
    yield from [f"## `{name}`", "", " ".join(part for part in (first.description, SECTIONS.get(name)) if part)]
    yield from ["", *_table(rest or [first])]


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield from ["| key | default | variable | meaning |", "|---|---|---|---|"]
    for row in rows:
        default = f"`{row.default}`" if row.default else ""
        yield f"| `{row.path}` | {default} | {_variable(row.path)} | {row.description.replace('|', chr(92) + '|')} |"


def _variable(path: str) -> str:
    """Return the environment variable of a key; keys inside a list have none, because one variable holds the list."""
    if "[]" in path:
        return ""
    return f"`EXPORTER_{path.replace('<name>', 'NAME').replace('.', '__').upper()}`"


if __name__ == "__main__":
    print(render_configuration(), end="")
