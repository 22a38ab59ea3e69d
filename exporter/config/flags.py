"""Command line flags: the path of the configuration file, and flags that override settings."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import ValidationError

from exporter.config import explanations, schema
from exporter.config.errors import SourcePosition
from exporter.config.tree import MappingNode, from_plain, merge, nested

_SOURCE: Final = "command line"
FILES: Final = ("./exporter.yaml", "/etc/huaweicloud-job-exporter/exporter.yaml")
"""Where the configuration file is when nobody names it; the first that exists counts."""
SETTINGS: Final = {
    "--log.level": ("log", "level"),
    "--log.format": ("log", "format"),
    "--web.listen-address": ("web", "listen_address"),
    "--web.config.file": ("web", "config_file"),
    "--web.systemd-socket": ("web", "systemd_socket"),
}
"""The setting that each flag stands for."""
Flags = Mapping[str, str | Sequence[str]]
"""What was given of them."""


def check_flag(flag: str, text: str) -> None:
    """Raise ``ValueError``, as the configuration file would be refused, unless a flag may have this value."""
    name, key = SETTINGS[flag]
    model = schema.section(schema.at((name,)))
    assert model is not None  # noqa: S101 - a test goes through all of them
    try:
        model.model_validate({key: text})
    except ValidationError as error:
        mistakes = explanations.explained(error, MappingNode(SourcePosition(_SOURCE)), model)
        raise ValueError(mistakes[0].sentence) from None


def read_flags(given: Flags) -> MappingNode:
    """Return what the flags set."""
    root = MappingNode(SourcePosition(_SOURCE))
    for flag, value in given.items():
        path = SETTINGS[flag]
        place = SourcePosition(_SOURCE, variable=flag, path=path)
        root = merge(nested(path, from_plain(value, place), place), root)
    return root
