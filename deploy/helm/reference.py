"""The chart's README, made of its schema and its defaults; ``make docs`` writes it anew."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).parent / "huaweicloud-job-exporter"
_INTRODUCTION: Final = """\
# huaweicloud-job-exporter

Installs the exporter: a Deployment of one replica, or a StatefulSet of shards. Needs Kubernetes 1.25 or later and
Helm 3 or 4. Step by step: [docs/kubernetes.md](../../../docs/kubernetes.md).

```console
$ helm upgrade --install jobs deploy/helm/huaweicloud-job-exporter --set-file config=exporter.yaml \\
    --set image.repository=registry.example.com/huaweicloud-job-exporter --set secretName=huaweicloud
$ helm test jobs
```

Only `config` is required. An unknown value is refused by [values.schema.json](values.schema.json), and so are values
that do not fit together, each with the remedy. [values.yaml](values.yaml) says more of each than this table, which
is made of both files (`make docs`).

`files/` holds copies of the rules and dashboards of [deploy](../..), because a chart reads nothing outside itself;
`make docs` makes them anew.

| value | default | meaning |
|---|---|---|
"""


def render_readme() -> str:
    """Return the README as Markdown."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    return _INTRODUCTION + "".join(f"{line}\n" for line in _rows(schema["properties"], values, ""))


def _rows(properties: Mapping[str, Any], values: Mapping[str, Any], above: str) -> Iterator[str]:
    for name, schema in properties.items():
        inner = schema.get("properties", {})
        if inner and all("description" in each for each in inner.values()) and name != "global":
            yield from _rows(inner, values[name], f"{above}{name}.")
        else:
            default = json.dumps(values[name], ensure_ascii=False)
            yield f"| `{above}{name}` | `{default}` | {schema['description']} |"


if __name__ == "__main__":
    print(render_readme(), end="")
