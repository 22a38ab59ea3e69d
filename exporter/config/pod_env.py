"""The environment variables that CCE sets in a pod with an identity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from exporter.config import files, urls
from exporter.config.errors import ENVIRONMENT, Mistake, SourcePosition, path_text
from exporter.config.tree import MappingNode
from exporter.model.errors import SettingsError

URI: Final = "HC_CONTAINER_CREDENTIALS_FULL_URI"
TOKEN_FILE: Final = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 - the name of a variable


def pod_identity(environ: Mapping[str, str]) -> tuple[str, Path]:
    """Return where keys are handed out and the file with the pod's token.

    Raises :class:`~exporter.model.errors.SettingsError` if they are missing or of no use.
    """
    if mistakes := _pod_mistakes(environ, "credentials.pod_identity"):
        raise SettingsError([str(mistake) for mistake in mistakes])
    return environ[URI], Path(environ[TOKEN_FILE])


def pod_mistakes(root: MappingNode, environ: Mapping[str, str]) -> list[Mistake]:
    """Return what is wrong with the variables, if a project needs them."""
    projects = root.table("projects")
    for name in projects:
        if isinstance(projects.table(name).table("credentials").get("pod_identity"), MappingNode):
            return _pod_mistakes(environ, path_text(("projects", name, "credentials", "pod_identity")))
    return []


def _pod_mistakes(environ: Mapping[str, str], needed_by: str) -> list[Mistake]:
    found = []
    for variable, check in ((URI, urls.agent), (TOKEN_FILE, _token_file)):
        try:
            if not environ.get(variable):
                raise ValueError(  # noqa: TRY301 - one place makes the mistake of either
                    f"missing; {needed_by} needs it: CCE sets it in a pod whose service account has a pod identity"
                )
            check(environ[variable])
        except ValueError as error:
            found.append(Mistake(SourcePosition(ENVIRONMENT, variable=variable), (), str(error)))
    return found


def _token_file(text: str) -> Path:
    return files.secret(files.path(text))
