"""Writes the dashboards as the JSON that Grafana imports and provisions: ``python -m deploy.grafana.dashboards``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana import exporter, job, overview

FOLDER: Final = Path(__file__).parent / "dashboards"
BUILDERS: Final = {"overview": overview.build, "job": job.build, "exporter": exporter.build}
_EVENTS: Final = {"overview": overview.EVENTS, "job": job.EVENTS, "exporter": exporter.EVENTS}


def render(name: str) -> str:
    """Return the JSON of one dashboard."""
    told = json.loads(JSONEncoder().encode(BUILDERS[name]().build()))
    for position, panel in enumerate(panels(told), 1):
        panel["id"] = position
    told["annotations"] = {"list": _EVENTS[name]}
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel of a dashboard's JSON, also those in a row that is folded."""
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels") or ()


if __name__ == "__main__":
    for each in BUILDERS:
        (FOLDER / f"{each}.json").write_text(render(each))
