"""Environment variables of the vendor's tools that are set but have no effect; each is reported with the reason."""

from collections.abc import Iterator, Mapping
from typing import Final

from exporter.config import vendor_env
from exporter.config.tree import Items, MappingNode, Node, Text

ELSEWHERE: Final = "this exporter does not read it; put credentials under projects"
_WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("OS_CLOUD", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE"), ELSEWHERE),
    **dict.fromkeys(
        ("HUAWEICLOUD_SDK_CREDENTIALS_FILE", "HUAWEICLOUD_SDK_IDP_ID", "HUAWEICLOUD_SDK_ID_TOKEN_FILE"), ELSEWHERE
    ),
    **dict.fromkeys(
        (f"HUAWEICLOUD_OIDC_{name}" for name in ("PROVIDER_URN", "AGENCY_URN", "ID_TOKEN", "TOKEN_FILE")), ELSEWHERE
    ),
    **dict.fromkeys(
        (f"HUAWEICLOUD_OIDC_{name}" for name in ("SESSION_NAME", "DURATION_SECONDS", "POLICY", "POLICY_IDS")), ELSEWHERE
    ),
    **dict.fromkeys(("HUAWEICLOUD_SDK_REGIONS_FILE", "HUAWEICLOUD_SDK_STS_ENDPOINT"), "set endpoints of the project"),
    **dict.fromkeys(("HUAWEICLOUD_SDK_DOMAIN_ID", "HW_DOMAIN_ID", "OS_DOMAIN_ID"), "no call here needs it"),
    "OS_USER_DOMAIN_ID": "set OS_USER_DOMAIN_NAME",
    "OS_PROJECT_DOMAIN_NAME": "the project is looked for in the user's own domain",
    **dict.fromkeys(("HW_INSECURE", "OS_INSECURE", "OS_CACERT"), "certificates are always verified; set ca_file"),
    "HW_MAX_RETRIES": "failed polls are repeated by rules of this exporter",
}
"""Variables that never have one here, with what to do instead."""
_REGION_ENDPOINTS: Final = "HUAWEICLOUD_SDK_REGION_"
"""How variables begin that tell the SDK the endpoint of a service in a region."""


def without_effect(root: MappingNode, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for each variable of the vendor's tools that is set and was not taken into *root*.

    Variables that the configuration overrides are not reported.
    """
    taken, said = set(_variables(root)), _said(root)
    found = {name: why for name, why in _WITHOUT_EFFECT.items() if environ.get(name)}
    found |= {name: "set endpoints of the project" for name in environ if name.startswith(_REGION_ENDPOINTS)}
    for key, names in _honoured():
        for name in names:
            if environ.get(name) and name not in taken and key not in said:
                found[name] = _why_not(key, root)
    return tuple(f"{name} is set and has no effect: {why}" for name, why in sorted(found.items()))


def _honoured() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the variables that can have an effect, each with what it is about."""
    for family in vendor_env.FAMILIES:
        for names in (*family.signs.values(), *family.needed.values(), *family.optional.values()):
            yield "credentials", names
    yield from vendor_env.PLACES.items()
    yield from (("project", names) for _, names in vendor_env.PROJECTS)
    yield "cloud", (vendor_env.CLOUD,)


def _why_not(key: str, root: MappingNode) -> str:
    if key != "credentials" and len(root.table("projects")) > 1:
        return "of several projects nobody can tell which is meant"
    return "another variable counts before it"


def _said(root: MappingNode) -> set[str]:
    """Return what every project says without the variables."""
    projects = [node for node in root.table("projects").values() if isinstance(node, MappingNode)]
    said = {key for key in ("credentials", "region", "cloud") if all(_own(project, key) for project in projects)}
    named = all(_own(project, "project_id") or _own(project, "project_name") for project in projects)
    return said | ({"project"} if named else set())


def _own(project: MappingNode, key: str) -> bool:
    node = project.get(key)
    vendors = {name for _, names in _honoured() for name in names}
    return node is not None and not any(name in vendors for name in _variables(node))


def _variables(node: Node) -> Iterator[str]:
    """Yield the variables that anything below *node* was taken from."""
    if isinstance(node, Text) and node.place.variable:
        yield node.place.variable
    for inner in node.values() if isinstance(node, MappingNode) else node if isinstance(node, Items) else ():
        yield from _variables(inner)
