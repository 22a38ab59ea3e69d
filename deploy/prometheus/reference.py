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
`honor_labels: true` and the two files under `rules`:

- [recording.yml](../deploy/prometheus/rules/recording.yml): series that alerts and dashboards share. The alerts on jobs
  never fire without it; HuaweicloudJobRecordingRulesMissing says so.
- [alerts.yml](../deploy/prometheus/rules/alerts.yml): the alerts below.

How often a job has to succeed, by when, and how long it may wait and run no cloud tells, so nothing is guessed: you
[promise](promises.md) it beside the job. HuaweicloudJobNotSucceeded, HuaweicloudJobDeadlineMissed,
HuaweicloudJobDeadlineAtRisk, HuaweicloudJobWaitsTooLong, HuaweicloudJobRunsTooLong and HuaweicloudJobRowsDiffer watch
the jobs that promise it and no others.

Rules tell one job from another by `cluster`, `namespace`, `project`, `region`, `service` and `job`, and every alert
on a job has those of them that its series have. `cluster` and `namespace` are labels of the scrape target: one
Prometheus, or one ruler, for several clusters needs `cluster` on the targets. Other labels of a target (`node`,
`pod`, ...) are left out, so that a job that moves stays one; two installations that only such a label tells apart
need it renamed to `cluster`.

Each alert has `runbook_url`, the place of its runbook on this page; put the address of the folder in which your copy
of the page is before it (`sed -i 's|runbook_url: |&https://wiki.example.com/docs/|' alerts.yml`, or
`prometheusRule.runbookUrl` of the chart, which ends in `alerts.md#`). With `web.external_url` an alert on a job has
`page`, a link to the job's page.

Tried with Prometheus 2.42; `keep_firing_for` needs that, and nothing newer is used. vmalert and Thanos Ruler are
untried.

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
    equal: [cluster, namespace, project]
  - source_matchers: [alertname="HuaweicloudJobExporterDown"]
    target_matchers: [alertname=~"HuaweicloudJobExporterShardMissing|HuaweicloudJobExporterGone"]
    equal: [cluster, namespace, job]
  - source_matchers: [alertname="HuaweicloudJobDeadlineMissed"]
    target_matchers: [alertname=~"HuaweicloudJobDeadlineAtRisk|HuaweicloudJobNotSucceeded"]
    equal: [cluster, namespace, project, service, job]
  - source_matchers: [alertname="HuaweicloudJobRunsTooLong"]
    target_matchers: [alertname="HuaweicloudJobSlowerThanUsual"]
    equal: [cluster, namespace, project, service, job]
```

Alerts on jobs keep firing for five minutes after their reason went (`keep_firing_for`): a pod that is replaced is no
recovery. A job that only waits fires nothing unless it promises `max_wait`, a period or a deadline. When a job is
taken out its alerts resolve; HuaweicloudJobNotSucceeded alone goes on, for two of its periods and three days. Rules
that look back over a day or more are in groups of their own (every 2 and 5 minutes): they cost most where there are
many jobs. For 3,000 jobs (78,000 series), scraped and evaluated every 30 seconds, Prometheus 2.42 took 9 seconds of CPU
a minute in all.
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
