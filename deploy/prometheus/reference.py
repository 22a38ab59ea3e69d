"""Prints docs/alerts.md from the alert and recording rules, so that the page always agrees with the rules.

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

This page is generated from the rules in [deploy/prometheus/rules](../deploy/prometheus/rules); `make docs` writes it.

## Use them

[deploy/prometheus/prometheus.yml](../deploy/prometheus/prometheus.yml) is a complete configuration. In your own
configuration add `honor_labels: true` and the two files in `rules`:

- [recording.yml](../deploy/prometheus/rules/recording.yml): series that alerts and dashboards share. Without it the
  alerts on jobs never fire, and HuaweicloudJobRecordingRulesMissing fires.
- [alerts.yml](../deploy/prometheus/rules/alerts.yml): the alerts below.

No cloud API says how often a job must succeed, by when, and how long it may wait and run, and the rules do not guess.
You declare it as [promises](promises.md) of the job. HuaweicloudJobNotSucceeded, HuaweicloudJobDeadlineMissed,
HuaweicloudJobDeadlineAtRisk, HuaweicloudJobWaitsTooLong, HuaweicloudJobRunsTooLong and HuaweicloudJobRowsDiffer watch
only jobs with the promise.

The rules identify a job by `cluster`, `namespace`, `project`, `region`, `service` and `job`. Every alert on a job has
those of these labels that its series have. `cluster` and `namespace` are labels of the scrape target: if one Prometheus
or ruler serves several clusters, the targets need the label `cluster`. The rules ignore other labels of a target
(`node`, `pod`, ...), so that a job that moves stays the same job. If two installations differ only in such a label,
rename it to `cluster`.

`runbook_url` of each alert is the anchor of its runbook on this page. Put the address of your copy of the page before
it (`sed -i 's|runbook_url: |&https://wiki.example.com/docs/|' alerts.yml`, or `prometheusRule.runbookUrl` of the chart,
which ends in `alerts.md#`). With `web.external_url` each alert on a job has `page`, a link to the job's page.

The rules are tested with Prometheus 2.42 and 2.53; `keep_firing_for` needs 2.42, and nothing newer is used.
Prometheus 3 and Thanos Ruler, which evaluates with Prometheus' own code, are untried.

vmalert 1.112 loads them, and 167 of the 181 checks of the [test cases](../deploy/prometheus/tests) give the same
result. The others differ because in MetricsQL the first sample of a counter counts as an increase, `changes()` counts
the first sample, and values are not extrapolated: HuaweicloudJobExporterCrashes, HuaweicloudJobJournalErrors and
HuaweicloudJobUnknownValues also fire for what happened before VictoriaMetrics first saw the exporter,
HuaweicloudJobRunsFailing counts one failure too many of a job that two exporters poll and misses failures in short
pods, HuaweicloudJobTasksFailing and HuaweicloudJobWritesNothing miss cases that are near their thresholds, and
HuaweicloudJobUnseen and HuaweicloudJobNotSucceeded begin some minutes later.

HuaweicloudJobWritesNothing needs data of 14 days (the default retention of Prometheus is 15).

`severity` says how soon somebody must react:

| severity | when to react | because |
|---|---|---|
| `critical` | now, also at night | a job broke a promise that you declared, or jobs are not watched at all |
| `warning` | today | a job needs attention, or the exporter sees less than it should |
| `info` | at some time | nothing is wrong with the jobs |

A failed job is a `warning`, because only you know whether it may wake somebody. Configure this in Alertmanager, by
`project`, `service` or `job`, which every alert on a job has. One cause can affect many jobs: group the alerts, and let
the alert that names the cause inhibit those that follow from it:

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

Alerts on jobs keep firing for five minutes after their condition ended (`keep_firing_for`), because the replacement of
a pod is not a recovery. No alert fires for a job that only waits, unless it promises `max_wait`, a period or a
deadline. When a job is no longer registered its alerts resolve, except HuaweicloudJobNotSucceeded, which continues for
two periods and three days. Rules that look back over a day or more are in groups of their own (evaluated every 2 and 5
minutes), because they are expensive with many jobs. With 3,000 jobs (78,000 series), scraped and evaluated every 30
seconds, Prometheus 2.42 used 9 seconds of CPU a minute in total.
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
    table = "\n".join(["| alert | severity | for | summary |", "|---|---|---|---|", *rows])
    recorded = "\n".join(f"| `{rule['record']}` |" for rule in load("recording.yml"))
    return "\n".join(
        [
            INTRODUCTION,
            f"## All alerts\n\n{table}\n",
            *(_section(rule) for rule in alerts),
            f"## Recording rules\n\nComments in recording.yml explain them.\n\n| series |\n|---|\n{recorded}",
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
