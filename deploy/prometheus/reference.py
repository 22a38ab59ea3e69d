"""Prints docs/alerts.md from the alert and recording rules, so that page and rules cannot part.

``python -m deploy.prometheus.reference > docs/alerts.md``, or ``make docs``.
"""

import re
from pathlib import Path
from textwrap import fill
from typing import Any, Final

import yaml

RULES: Final = Path(__file__).parent / "rules"
INTRODUCTION: Final = """\
# Alerts

This page is made from the rules under [deploy/prometheus/rules](../deploy/prometheus/rules); `make docs` writes it
anew.

## Use them

[deploy/prometheus/prometheus.yml](../deploy/prometheus/prometheus.yml) is a whole configuration. In your own take
`honor_labels: true` and the three files under `rules`:

- [recording.yml](../deploy/prometheus/rules/recording.yml): series that alerts and dashboards share. The alerts on jobs
  never fire without it; HuaweicloudJobRecordingRulesMissing says so.
- [alerts.yml](../deploy/prometheus/rules/alerts.yml): the alerts below.
- [periods.yml](../deploy/prometheus/rules/periods.yml): **yours to fill in**, one entry for each job that has to
  succeed every so often. No cloud tells how often a job is meant to run, so nothing is guessed:
  HuaweicloudJobNotSucceeded watches the jobs that are named there and no others. With the chart they are
  `prometheusRule.periods` of its values.

Prometheus has to keep data for 14 days (its default is 15) for HuaweicloudJobWritesNothing.

`severity` says who has to look and when:

| severity | who looks | because |
|---|---|---|
| `critical` | somebody, now, at night too | a job broke a promise that you wrote down, or jobs are not watched at all |
| `warning` | somebody, today | a job needs a look, or the exporter sees less than it should |
| `info` | somebody, some time | nothing is wrong with the jobs |

A failed job is a `warning`: whether it may wake somebody only you can say. Say so in Alertmanager, by `project`,
`service` or `job`, which every alert on a job has. One cause can blind many jobs; group them, and let the alert that
names the cause silence those that follow:

```yaml
route:
  receiver: today
  group_by: [alertname, project]
  routes:
    - matchers: [severity="critical"]
      receiver: now
    - matchers: [alertname="HuaweicloudJobFailed", job=~"nightly-.*"]
      receiver: now
receivers: [{name: now}, {name: today}]
inhibit_rules:
  - source_matchers: [alertname=~"HuaweicloudJobProjectBlind|HuaweicloudJobProjectPaused"]
    target_matchers: [alertname=~"HuaweicloudJobUnseen|HuaweicloudJobNotSucceeded"]
    equal: [project]
```

Alerts on jobs leave out the labels `instance` and `pod`, so that they outlive a restart under another address. All
other labels of the scrape target stay. They keep firing for five minutes after their reason went (`keep_firing_for`,
which Prometheus has since 2.42): a pod that is replaced is no recovery. No alert fires for a job that only waits, but
HuaweicloudJobNotSucceeded once it waits for two of its declared periods. When a job is taken out its alerts resolve;
HuaweicloudJobNotSucceeded alone goes on, and watches a job for as long as a period is declared for it.
"""


def load(name: str) -> list[dict[str, Any]]:
    """Return the rules of one file, those of all its groups."""
    groups: list[dict[str, Any]] = yaml.safe_load((RULES / name).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def render() -> str:
    """Return the page as Markdown."""
    alerts = load("alerts.yml")
    rows = [
        f"| [{rule['alert']}](#{rule['alert'].lower()}) | {rule['labels']['severity']} | {_for(rule)} | {_says(rule)} |"
        for rule in alerts
    ]
    table = "\n".join(["| alert | severity | for | says |", "|---|---|---|---|", *rows])
    recorded = "\n".join(f"| `{rule['record']}` |" for rule in load("recording.yml"))
    return "\n".join(
        [
            INTRODUCTION,
            f"## All of them\n\n{table}\n",
            *(_section(rule) for rule in alerts),
            f"## Recording rules\n\nTheir reasons stand in recording.yml.\n\n| series |\n|---|\n{recorded}",
            "",
        ]
    )


def _section(rule: dict[str, Any]) -> str:
    notes = rule["annotations"]
    return (
        f"### {rule['alert']}\n\n{_wrapped(_plain(notes['description']))}\n\n{_wrapped(notes['runbook'])}\n\n"
        f"```promql\n{rule['expr'].strip()}\n```\n"
    )


def _for(rule: dict[str, Any]) -> str:
    return str(rule.get("for", "at once"))


def _says(rule: dict[str, Any]) -> str:
    return _plain(rule["annotations"]["summary"])


def _wrapped(text: str) -> str:
    return fill(text, 120, break_on_hyphens=False, break_long_words=False)


def _plain(template: str) -> str:
    """Return a template's text with words in place of what is filled in."""
    text = re.sub(r"\s*\{\{-? with .*?\}\}.*?\{\{ end \}\}", "", template)
    text = re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", text)
    return re.sub(r"\{\{ \$value.*?\}\}", "*n*", text)


if __name__ == "__main__":
    print(render(), end="")
