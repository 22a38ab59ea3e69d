"""Writes docs/licences.md from a CycloneDX document on standard input: under which licences what is shipped stands."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

_HEAD: Final = """# Licences

The exporter is under the Apache License 2.0. The image, and an installation from `requirements/runtime.txt`, hold
these packages besides it, in the versions that the file pins. `make sbom` writes this page, and a CycloneDX document
(`sbom.json`) with versions and what needs what. The image has the Python and the system of its base too, which the
document of the base describes.

| package | licence, as its metadata say |
|---|---|"""
_CLASSIFIER: Final = "License :: OSI Approved :: "


def licence(component: Mapping[str, Any]) -> str:
    """Return the licences of a package: the identifiers, where there are any."""
    said = component.get("licenses", [])
    named = [each["license"] for each in said if "license" in each]
    idents = [each["expression"] for each in said if "expression" in each]
    idents += [each["id"] for each in named if "id" in each]
    names = [each["name"].removeprefix(_CLASSIFIER) for each in named if "name" in each]
    return ", ".join(dict.fromkeys(idents or names)) or "not said"


def page(document: Mapping[str, Any]) -> str:
    """Return the page."""
    found = sorted(document["components"], key=lambda component: component["name"].lower())
    return "\n".join([_HEAD, *(f"| {each['name']} | {licence(each)} |" for each in found)]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page(json.load(sys.stdin)))
