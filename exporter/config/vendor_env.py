"""The variables that the vendor's own tools use, for what file and ``EXPORTER_`` variables leave unsaid.

**Who.** A project without ``credentials`` gets those of the first family below of which anything is set: access keys
before tokens before passwords, because a key needs no IAM and does not end after a day; among these the vendor's SDK
(``HUAWEICLOUD_SDK_``) before its Terraform provider (``HW_``) before OpenStack (``OS_``). A family that is set by half
is a mistake, even if a later one is whole. Where OpenStack tools read several names for one thing the first counts.

**Where.** Region, project id or name, cloud and the address of IAM count if there is one project only: of two nobody
can tell which is meant. The order of tools is the same, and of one tool the id counts before the name. A cloud is
named by its domain; where it is none of those we know, the services are looked for below it. The address of IAM counts
only where IAM is needed: to look up the project id, or to get a token for a password. That of Open Telekom Cloud also
says whose cloud it is, where nothing else does.

With no project at all a family makes one, ``default``, which needs its region.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from exporter.config.constraints import needs_iam
from exporter.config.errors import ENVIRONMENT, Mistake, SourcePosition
from exporter.config.project import Cloud
from exporter.config.tree import MappingNode, Text
from exporter.model.messages import quoted
from exporter.services import clouds, registry
from exporter.services.clouds import REGION

DEFAULT: Final = "default"
"""The name of the project that is made of the variables alone."""

Names = Mapping[str, tuple[str, ...]]
"""The variables of each key below ``credentials``; the first that is set counts."""


@dataclass(frozen=True, slots=True)
class _Family:
    """Variables that one tool reads together."""

    signs: Names
    """All are needed, and one that is set shows that the family is meant."""
    needed: Names = field(default_factory=dict)
    """Needed too, but set for other reasons as well."""
    optional: Names = field(default_factory=dict)


def _access_key(key_id: tuple[str, ...], secret: tuple[str, ...], security_token: str) -> _Family:
    signs = {"access_key.key_id": key_id, "access_key.secret": secret}
    return _Family(signs, optional={"access_key.security_token": (security_token,)})


def _password(user: str, password: str, domain: tuple[str, ...]) -> _Family:
    return _Family({"password.user": (user,), "password.password": (password,)}, {"password.domain": domain})


FAMILIES: Final = (
    _access_key(("HUAWEICLOUD_SDK_AK",), ("HUAWEICLOUD_SDK_SK",), "HUAWEICLOUD_SDK_SECURITY_TOKEN"),
    _access_key(("HW_ACCESS_KEY",), ("HW_SECRET_KEY",), "HW_SECURITY_TOKEN"),
    _access_key(
        ("OS_ACCESS_KEY", "OS_ACCESS_KEY_ID", "OS_AK"),
        ("OS_SECRET_KEY", "OS_ACCESS_KEY_SECRET", "OS_SK"),
        "OS_SECURITY_TOKEN",
    ),
    _Family({"token": ("HW_AUTH_TOKEN",)}),
    _Family({"token": ("OS_TOKEN",)}),
    _password("HW_USER_NAME", "HW_USER_PASSWORD", ("HW_DOMAIN_NAME",)),
    _password("OS_USERNAME", "OS_PASSWORD", ("OS_USER_DOMAIN_NAME", "OS_DOMAIN_NAME")),
)
PLACES: Final = {
    "region": ("HW_REGION_NAME", "OS_REGION_NAME"),
}
PROJECTS: Final = (
    ("project_id", ("HUAWEICLOUD_SDK_PROJECT_ID", "HW_PROJECT_ID")),
    ("project_name", ("HW_PROJECT_NAME",)),
    ("project_id", ("OS_PROJECT_ID", "OS_TENANT_ID")),
    ("project_name", ("OS_PROJECT_NAME", "OS_TENANT_NAME")),
)
CLOUD: Final = "HW_CLOUD"
_IAM: Final = ("HUAWEICLOUD_SDK_IAM_ENDPOINT", "HW_AUTH_URL", "OS_AUTH_URL")
_CLOUDS: Final = {
    "myhuaweicloud.com": Cloud.HUAWEICLOUD.value,
    "myhuaweicloud.eu": Cloud.HUAWEICLOUD.value,
    "otc.t-systems.com": Cloud.OTC.value,
}
"""Terraform names a cloud by its domain."""
DOMAIN: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def complete(root: MappingNode, environ: Mapping[str, str]) -> list[Mistake]:
    """Fill in what *root* leaves unsaid; return what is missing among the variables."""
    family = next((family for family in FAMILIES if any(_set(names, environ) for names in family.signs.values())), None)
    mistakes: list[Mistake] = []
    made = not root.get("projects") and family is not None
    if made:
        projects = MappingNode(SourcePosition(ENVIRONMENT))
        projects.put(DEFAULT, projects.place, MappingNode(projects.place))
        root.put("projects", projects.place, projects)
    projects = root.table("projects")
    for name, project in projects.items():
        if project is None:
            projects[name] = MappingNode(projects.keys_at[name])
    tables = [project for project in projects.values() if isinstance(project, MappingNode)]
    if len(tables) == 1:
        _locate(tables[0], environ)
        mistakes += _no_cloud(tables[0])
    if made:
        mistakes += _nowhere(tables[0])
    without = [project for project in tables if project.get("credentials") is None]
    if without and family is not None:
        mistakes += _half(family, environ)
        for project in without:
            project.put("credentials", projects.place, _credentials(family, environ))
    if len(tables) == 1:
        _find_iam(tables[0], environ)
        _find_hosts(tables[0], environ)
    return mistakes


def _set(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """Return the first of *names* that is set; empty if none is."""
    return next((name for name in names if environ.get(name)), "")


def _locate(project: MappingNode, environ: Mapping[str, str]) -> None:
    for key, names in PLACES.items():
        name = _set(names, environ)
        if project.get(key) is None and name:
            _put(project, key, name, environ[name])
    if project.get("project_id") is None and project.get("project_name") is None:
        key, name = next(((key, name) for key, names in PROJECTS if (name := _set(names, environ))), ("", ""))
        if name:
            _put(project, key, name, environ[name])
    if project.get("cloud") is None and environ.get(CLOUD):
        named = _domain(environ)
        own = Cloud.CUSTOM.value if DOMAIN.fullmatch(named) else named
        _put(project, "cloud", CLOUD, _CLOUDS.get(named, own))
    if project.get("cloud") is None and _is_otc(environ.get("OS_AUTH_URL", "")):
        _put(project, "cloud", "OS_AUTH_URL", Cloud.OTC.value)


def _domain(environ: Mapping[str, str]) -> str:
    """Return what names the cloud, written as domains are compared."""
    return environ[CLOUD].strip().removeprefix("https://").rstrip("/.").lower()


def _is_otc(url: str) -> bool:
    try:
        return (urlsplit(url).hostname or "").endswith(".otc.t-systems.com")
    except ValueError:
        return False


def _find_iam(project: MappingNode, environ: Mapping[str, str]) -> None:
    name = _set(_IAM, environ)
    endpoints = project.get("endpoints")
    if not name or not needs_iam(project) or not isinstance(endpoints, MappingNode | None):
        return
    if endpoints is None:
        endpoints = MappingNode(SourcePosition(ENVIRONMENT))
        project.put("endpoints", endpoints.place, endpoints)
    if endpoints.get("iam") is None:
        _put(endpoints, "iam", name, environ[name].rstrip("/").removesuffix("/v3"))


def _find_hosts(project: MappingNode, environ: Mapping[str, str]) -> None:
    """Look for the services of a partner's cloud below the domain that names it, as Terraform does."""
    cloud, region = project.get("cloud"), str(project.get("region") or "")
    endpoints = project.get("endpoints")
    if not isinstance(cloud, Text) or cloud.place.variable != CLOUD or cloud != Cloud.CUSTOM.value:
        return
    if not REGION.fullmatch(region) or not isinstance(endpoints, MappingNode | None):
        return  # reported where these are read
    if endpoints is None:
        endpoints = MappingNode(SourcePosition(ENVIRONMENT))
        project.put("endpoints", endpoints.place, endpoints)
    hosts = {"iam": clouds.IAM, **{service: adapter.hosts for service, adapter in registry.load_services().items()}}
    for service, each in hosts.items():
        if endpoints.get(service) is None:
            _put(endpoints, service, CLOUD, each.below(_domain(environ), region))


def _nowhere(project: MappingNode) -> list[Mistake]:
    """Tell that the default project has no region, and let the rest of it be checked."""
    if project.get("region") is not None:
        return []
    first, *others = PLACES["region"]
    _put(project, "region", first, "missing")
    sentence = f'missing (or {" or ".join(others)}); the project "{DEFAULT}" needs its region'
    return [Mistake(SourcePosition(ENVIRONMENT, variable=first), (), sentence)]


def _no_cloud(project: MappingNode) -> list[Mistake]:
    """Report a variable that names no cloud, and let the rest of the project be checked."""
    cloud = project.get("cloud")
    if not isinstance(cloud, Text) or cloud.place.variable != CLOUD or str(cloud) in set(Cloud):
        return []
    _put(project, "cloud", CLOUD, Cloud.HUAWEICLOUD.value)
    sentence = f"expected the domain of a cloud such as {next(iter(_CLOUDS))}, not {quoted(cloud)}"
    remedy = "for any other set cloud: custom and its endpoints in the configuration"
    return [Mistake(SourcePosition(ENVIRONMENT, variable=CLOUD), (), f"{sentence}; {remedy}")]


def _half(family: _Family, environ: Mapping[str, str]) -> list[Mistake]:
    """Tell what is missing in a family, by the names that belong to the one that is set."""
    wanted = [*family.signs.values(), *family.needed.values()]
    names, given = next((names, name) for names in family.signs.values() if (name := _set(names, environ)))
    missing = [names_[min(names.index(given), len(names_) - 1)] for names_ in wanted if not _set(names_, environ)]
    if not missing:
        return []
    more = f" like {' and '.join(missing[1:])}" if missing[1:] else ""
    sentence = f"missing{more}, while {given} is set; set {'both' if len(wanted) == 2 else 'all'} or none"
    return [Mistake(SourcePosition(ENVIRONMENT, variable=missing[0]), (), sentence)]


def _credentials(family: _Family, environ: Mapping[str, str]) -> MappingNode:
    credentials = MappingNode(SourcePosition(ENVIRONMENT))
    for path, names in {**family.signs, **family.needed, **family.optional}.items():
        name = _set(names, environ)
        if not name and path in family.optional:
            continue
        *kinds, key = path.split(".")
        table = credentials
        for kind in kinds:
            if kind not in credentials:
                credentials.put(kind, credentials.place, MappingNode(credentials.place))
            table = credentials.table(kind)
        # the stand-in keeps a half-set family at one mistake
        _put(table, key, name or names[0], environ[name] if name else "missing")
    return credentials


def _put(table: MappingNode, key: str, variable: str, value: str) -> None:
    place = SourcePosition(ENVIRONMENT, variable=variable)
    table.put(key, place, Text(value, place))
