"""The reference of every setting, made from the models; docs/configuration.md is the output of this module."""

from collections.abc import Iterable, Iterator
from typing import Final

from exporter.config.reference import Row, reference

_INTRODUCTION: Final = """\
# Configuration

This page is made from the code; `make docs` writes it anew. [config/exporter.yaml](../config/exporter.yaml) has every
key at work, and `huaweicloud-job-exporter check --config FILE` tells every mistake at once, with its line.

- A setting is in the YAML file, or in the variable beside it: that wins. The file is the one that `--config` (`-c`) or
  `EXPORTER_CONFIG` names, else `./exporter.yaml`, else `/etc/huaweicloud-job-exporter/exporter.yaml`; the command says
  which it took. Without one the environment alone is enough. A flag wins over both: `--log.level` and `--log.format` of
  every command; `--web.listen-address` (may be repeated), `--web.config.file` and `--web.systemd-socket` of `run` and
  `demo`.
- What is written as a list or as free keys (`jobs`, `discovery`, `projects`) is JSON in a variable:
  `EXPORTER_JOBS='[{"service": "dli", "job_id": "..."}]'`. Keys under a project are `EXPORTER_PROJECTS__PROD__REGION`.
- A duration is a number with its unit, such as `500ms`, `30s`, `5m`, `1h30m` or `1d`. A rate is `1.8/s` or `108/m`.
- Names and ids are text as written: `0123`, `on` and `2024-01-01` stay what they are.
- Relative paths are relative to the file that names them. Secrets have a plain and a `_file` form.
- An unknown key or `EXPORTER_` variable is a mistake, told with the nearest known name.
- The file is read again when it changes ([README](../README.md#change-the-configuration)).
"""
SECTIONS: Final = {
    "projects": "What may be left out, and what the variables of other tools give: [credentials.md](credentials.md).",
    "jobs": "What `promises` mean and what follows from them: [promises.md](promises.md).",
    "discovery": "What rules find, and how long it stays: [discovery.md](discovery.md).",
    "web": "What `web.config_file` may say: [security.md](security.md).",
    "journal": "What is in it: [runs.md](runs.md).",
}


def render_configuration() -> str:
    """Return the reference as Markdown."""
    sections: dict[str, list[Row]] = {}
    for row in reference():
        sections.setdefault(row.path.partition(".")[0].removesuffix("[]"), []).append(row)
    return _INTRODUCTION + "".join("\n".join(["", *_section(name, rows), ""]) for name, rows in sections.items())


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
    """Return the variable that stands for a key; of what is in a list the whole list has one."""
    if "[]" in path:
        return ""
    return f"`EXPORTER_{path.replace('<name>', 'NAME').replace('.', '__').upper()}`"


if __name__ == "__main__":
    print(render_configuration(), end="")
