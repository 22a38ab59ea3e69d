"""Writes the dashboards as the JSON that Grafana imports and provisions: ``python -m deploy.grafana.dashboards``."""

import json
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import exporter, overview

FOLDER: Final = Path(__file__).parent / "dashboards"
BUILDERS: Final = {"overview": overview.build, "exporter": exporter.build}


def render(name: str) -> str:
    """Return the JSON of one dashboard."""
    told = json.loads(JSONEncoder().encode(BUILDERS[name]().build()))
    for position, panel in enumerate(told["panels"], 1):
        panel["id"] = position
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in BUILDERS:
        (FOLDER / f"{each}.json").write_text(render(each))
