"""The variables that the vendor's own tools use, for what file and ``EXPORTER_`` variables leave unsaid."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from exporter.settings.mistakes import ENVIRONMENT, Mistake, Place
from exporter.settings.tree import Table, Text

DEFAULT: Final = "default"
"""The name of the project that is made of the variables alone."""


class Family(NamedTuple):
    """Variables that one tool reads together."""

    key_id: str
    secret: str
    security_token: str


FAMILIES: Final = (
    Family("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK", "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    Family("HW_ACCESS_KEY", "HW_SECRET_KEY", "HW_SECURITY_TOKEN"),
    Family("OS_ACCESS_KEY", "OS_SECRET_KEY", "OS_SECURITY_TOKEN"),
)
PLACES: Final = {
    "region": ("HW_REGION_NAME", "OS_REGION_NAME"),
    "project_id": ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID", "OS_PROJECT_ID"),
}


def complete(root: Table, environ: Mapping[str, str]) -> list[Mistake]:
    """Fill in what *root* leaves unsaid; return what is missing among the variables."""
    family = next((family for family in FAMILIES if environ.get(family.key_id) or environ.get(family.secret)), None)
    mistakes: list[Mistake] = []
    made = not root.get("projects") and family is not None
    if made:
        projects = Table(Place(ENVIRONMENT))
        projects.put(DEFAULT, projects.place, Table(projects.place))
        root.put("projects", projects.place, projects)
    projects = root.table("projects")
    for name, project in projects.items():
        if project is None:
            projects[name] = Table(projects.keys_at[name])
    tables = [project for project in projects.values() if isinstance(project, Table)]
    if len(tables) == 1:
        _locate(tables[0], environ)
    if made:
        mistakes += _nowhere(tables[0])
    without = [project for project in tables if project.get("credentials") is None]
    if without and family is not None:
        mistakes += _half(family, environ)
        for project in without:
            project.put("credentials", projects.place, _credentials(family, environ))
    return mistakes


def _locate(project: Table, environ: Mapping[str, str]) -> None:
    for key, names in PLACES.items():
        name = next((name for name in names if environ.get(name)), None)
        if project.get(key) is None and name is not None:
            _put(project, key, name, environ[name])


def _nowhere(project: Table) -> list[Mistake]:
    """Tell which variables the default project still needs, and let the rest of it be checked."""
    mistakes = []
    for key, names in PLACES.items():
        if project.get(key) is None:
            sentence = f'missing (or {" or ".join(names[1:])}); the project "{DEFAULT}" needs its {key}'
            mistakes.append(Mistake(Place(ENVIRONMENT, variable=names[0]), (), sentence))
            _put(project, key, names[0], "missing")
    return mistakes


def _half(family: Family, environ: Mapping[str, str]) -> list[Mistake]:
    given, missing = family.key_id, family.secret
    if not environ.get(given):
        given, missing = missing, given
    if environ.get(missing):
        return []
    return [Mistake(Place(ENVIRONMENT, variable=missing), (), f"missing, while {given} is set; set both or none")]


def _credentials(family: Family, environ: Mapping[str, str]) -> Table:
    key = Table(Place(ENVIRONMENT))
    for field, name in family._asdict().items():
        if environ.get(name) or field != "security_token":
            # the stand-in keeps a half-set pair at one mistake
            _put(key, field, name, environ.get(name) or "missing")
    credentials = Table(key.place)
    credentials.put("access_key", key.place, key)
    return credentials


def _put(table: Table, key: str, variable: str, value: str) -> None:
    place = Place(ENVIRONMENT, variable=variable)
    table.put(key, place, Text(value, place))
