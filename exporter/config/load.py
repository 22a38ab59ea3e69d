"""Loads the configuration from a file and the environment: frozen settings, or a list of all mistakes."""

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from exporter.config import (
    constraints,
    explanations,
    files,
    job_entries,
    pod_env,
    rule_entries,
    vendor_env,
    vendor_unused,
    web_file,
    yaml_reader,
)
from exporter.config import env as variables
from exporter.config.errors import ENVIRONMENT, Mistake, SourcePosition, lines
from exporter.config.flags import FILES, Flags, read_flags
from exporter.config.regions import Regions
from exporter.config.section import HOST_NAME, WRITTEN
from exporter.config.settings import Settings
from exporter.config.tree import MappingNode, Text, from_plain, merge, place_of, without_halves
from exporter.config.web_file import WebConfig
from exporter.model.errors import SettingsError
from exporter.services import registry


def load(
    path: Path | None,
    environ: Mapping[str, str],
    base: Mapping[str, Any] | None = None,
    *,
    jobs_needed: bool = True,
    flags: Flags = MappingProxyType({}),
) -> Settings:
    """Return the settings of the file *path*, with *base* beneath it, and *flags* over *environ* over it.

    Unless *jobs_needed* there may be no jobs in them.
    Raises :class:`~exporter.model.errors.SettingsError` with every mistake, those of the file first and by line,
    and nothing else, whatever file and variables hold.
    """
    root, mistakes = _written(path, environ, base or {})
    written = root.place
    root = merge(read_flags(flags), root)
    root.place = written
    regions = Regions(root)
    mistakes += regions.mistakes
    mistakes += vendor_env.complete(root, environ)
    mistakes += without_halves(root)
    mistakes += constraints.no_iam(root) + pod_env.pod_mistakes(root, environ)
    settings, more = _checked(root, environ, jobs_needed)
    mistakes, more = [regions.written(one) for one in mistakes], [regions.written(one) for one in more]
    # what could not be read is reported once, without the mistakes that follow from it
    reported = {mistake.path for mistake in mistakes if mistake.path}
    mistakes += [one for one in more if not any(one.path[:length] in reported for length in range(len(one.path) + 1))]
    web, elsewhere = _web(root)
    if mistakes or elsewhere or settings is None:
        raise SettingsError([*lines(mistakes), *elsewhere])
    settings._credentials_at = _credentials_at(root)  # noqa: SLF001 - it is no setting
    settings._web_config = web  # noqa: SLF001 - it is no setting
    settings._without_effect = vendor_unused.without_effect(root, environ)  # noqa: SLF001 - it is no setting
    return settings


def _credentials_at(root: MappingNode) -> dict[str, str]:
    """Return by project where its credentials are written."""
    found = {}
    for name in root.table("projects"):
        path: tuple[str, ...] = ("projects", name, "credentials")
        node = root.table("projects").table(name).table("credentials")
        while isinstance(node, MappingNode) and node:
            path = (*path, key := next(iter(node)))
            node = node.table(key)
        found[name] = str(place_of(root, path))
    return found


def _written(
    path: Path | None, environ: Mapping[str, str], base: Mapping[str, Any]
) -> tuple[MappingNode, list[Mistake]]:
    """Return everything that is written, by order of precedence. Raises if the file cannot be read at all."""
    mistakes: list[Mistake] = []
    below = from_plain(base, SourcePosition("built-in settings"))
    root = below if isinstance(below, MappingNode) else MappingNode(SourcePosition(""))
    if path is not None:
        try:
            file, doubled = yaml_reader.read_configuration(path)
        except yaml_reader.YamlError as error:
            raise SettingsError([str(Mistake(SourcePosition(str(path), error.line), (), error.sentence))]) from None
        mistakes += [Mistake(SourcePosition(str(path), error.line), (), error.sentence) for error in doubled]
        root = merge(file, root)
        root.place = file.place
    over, more = variables.read_environment(environ, list(root.table("projects")))
    if path is None and not base:
        root.place = over.place
    merged = merge(over, root)
    merged.place = root.place
    return merged, mistakes + more


def _web(root: MappingNode) -> tuple[WebConfig, Sequence[str]]:
    """Return what the web configuration file says, and the mistakes in it."""
    named = root.table("web").get("config_file")
    if not isinstance(named, Text) or not named or "\0" in named:
        return WebConfig(), ()
    try:
        return web_file.read_web_config(files.path(named)), ()
    except SettingsError as error:
        return WebConfig(), error.mistakes


def _checked(root: MappingNode, environ: Mapping[str, str], jobs_needed: bool) -> tuple[Settings | None, list[Mistake]]:
    adapters = registry.load_services()
    HOST_NAME.set(environ.get("HOSTNAME") or socket.gethostname())
    mistakes = constraints.exactly_one(root)
    if not root.get("projects"):
        sentence = "none is given; name one under projects"
        if root.place.source == ENVIRONMENT:
            sentence = (
                "none is given, and there is no configuration file; name it by --config FILE or EXPORTER_CONFIG, write"
                f" {' or '.join(FILES)}"
            )
        sentence += ", or set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"
        mistakes.append(Mistake(root.place, ("projects",), sentence, lacks=(("projects",),)))
    reader = job_entries.Reader(root, root.table("projects"), adapters)
    elsewhere = root.get("job_files") or root.get("discovery")
    found = reader.read(root.get("jobs"), required=jobs_needed and not elsewhere)
    finder = rule_entries.Searches(root, root.table("projects"), adapters)
    rules_found = finder.read(root.get("discovery"))
    mistakes += [*reader.mistakes, *finder.mistakes]
    settings = None
    try:
        WRITTEN.set({**root, "jobs": found, "discovery": rules_found})
        settings = Settings()
    except ValidationError as error:
        mistakes += explanations.explained(error, root, Settings)
    return settings, mistakes
