"""Writes docs/licences.md from a CycloneDX document on standard input: the licence of each package that is shipped."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

_HEAD: Final = """# Licences

The exporter is licensed under the Apache License 2.0. The image, and an installation from `requirements/runtime.txt`,
also contain the packages below, in the versions that the file pins. `make sbom` generates this page and a CycloneDX
document (`sbom.json`) with versions and dependencies. The image also contains the Python and the operating system of
its base image, which the SBOM of the base image describes.

| package | licence, from its metadata |
|---|---|"""
_CLASSIFIER: Final = "License :: OSI Approved :: "


def licence(component: Mapping[str, Any]) -> str:
    """Return the licences of a package: their identifiers, if there are any, else their names."""
    said = component.get("licenses", [])
    named = [each["license"] for each in said if "license" in each]
    idents = [each["expression"] for each in said if "expression" in each]
    idents += [each["id"] for each in named if "id" in each]
    names = [each["name"].removeprefix(_CLASSIFIER) for each in named if "name" in each]
    return ", ".join(dict.fromkeys(idents or names)) or "unknown"


def page(document: Mapping[str, Any]) -> str:
    """Return the page."""
    found = sorted(document["components"], key=lambda component: component["name"].lower())
    return "\n".join([_HEAD, *(f"| {each['name']} | {licence(each)} |" for each in found)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
