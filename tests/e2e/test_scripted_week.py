"""A week of a nightly job in time that jumps: what the exporter says each minute, and when the shipped alerts fire.

The job is promised to be done by six on weekdays, in Shanghai, and to wait for a quarter of an hour at most. The week:

===  ====================================================================
Fri  04:00 to 05:00
Sat  no run: nobody promised one
Sun  no run
Mon  05:30 to 06:30: late, which can be seen before six
Tue  04:00 to 04:30, fails; 05:00 to 05:40
Wed  waits from 04:00 to 04:40; done by 05:40
Thu  no run until 10:00; that one takes until 11:00
===  ====================================================================
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest

from exporter.model.changes import Changes
from exporter.model.promises import Deadline, Promises
from exporter.polling.schedule import Pace
from exporter.simulator import CdmJob, CdmRun, Step
from tests.e2e.processes import ROOT
from tests.polling.harness import job_of, world
from tests.warp import START, run

MINUTE = 60
HOUR = 60 * MINUTE
MIDNIGHT = 25_600
"""Seconds from the start, 16:53:20 of a Thursday in Shanghai, to the first Friday."""
FRI, _SAT, _SUN, MON, TUE, WED, THU = (MIDNIGHT + 24 * HOUR * day for day in range(7))
WEEK = THU + 14 * HOUR
LATE = 3
"""Minutes within which an alert fires and resolves: a poll, a scrape and an evaluation, each once a minute."""
KEPT = 5
"""Minutes for which an alert goes on, by ``keep_firing_for``."""
PROMISES = Promises(
    max_wait=15 * MINUTE,
    deadline=Deadline(hour=6, minute=0, days=frozenset(range(5)), zone="Asia/Shanghai"),
)


def runs() -> Iterator[tuple[int, tuple[Step, ...], str]]:
    """Yield the runs of the week: when each begins, its steps, and its end."""
    whole = Step("RUNNING", HOUR, 0.0, 1.0)
    yield FRI + 4 * HOUR, (whole,), "SUCCEEDED"
    yield MON + 5 * HOUR + 30 * MINUTE, (whole,), "SUCCEEDED"
    yield TUE + 4 * HOUR, (Step("RUNNING", 30 * MINUTE, 0.0, 0.5),), "FAILED"
    yield TUE + 5 * HOUR, (Step("RUNNING", 40 * MINUTE, 0.0, 1.0),), "SUCCEEDED"
    yield WED + 4 * HOUR, (Step("BOOTING", 40 * MINUTE), whole), "SUCCEEDED"
    yield THU + 10 * HOUR, (whole,), "SUCCEEDED"


def nightly() -> CdmJob:
    """Return the job whose runs these are."""
    planned = list(runs())
    plan = []
    for number, (began, steps, end) in enumerate(planned):
        ended = began + sum(step.seconds for step in steps)
        later = planned[number + 1][0] if number + 1 < len(planned) else WEEK + HOUR
        plan.append(CdmRun(steps, end, rest=later - ended))
    return CdmJob("c-1", "nightly", START + planned[0][0], tuple(plan), repeats=False)


SAMPLE = re.compile(r"(\w+)(\{.*\}) (\S+)$")


async def scraped() -> dict[str, list[float | None]]:
    """Return each series of the job, scraped once a minute; times are counted from the start."""
    series: dict[str, list[float | None]] = {}
    async with world(lambda cloud: cloud.add(nightly()), pace=Pace(30, 45, 600)) as there:
        job = replace(job_of(nightly()), promises=PROMISES)
        there.poller.apply(Changes(added=(job,)))
        for minute in range(WEEK // MINUTE):
            await there.until(minute * MINUTE)
            for line in there.lines():
                found = SAMPLE.match(line)
                assert found is not None, line
                name, labels, value = found[1], found[2], float(found[3])
                values = series.setdefault(name + labels, [])
                values.extend([None] * (minute - len(values)))
                values.append(value - START if name.endswith("_timestamp_seconds") else value)
    return series


def written(values: list[float | None]) -> str:
    """Return values as promtool reads them; a series that is in no more scrapes is stale, as it is in Prometheus."""
    said: list[str] = []
    for value, group in groupby(values):
        count = len(list(group))
        if value is None:
            said.append("stale" if said else "_")
            said += [f"_x{count - 1}"] if count > 1 else []
        else:
            said.append(f"{value!r}x{count - 1}")
    return " ".join([*said, "stale"])


def firing(alert: str, began: int, ended: int) -> tuple[str, float, float]:
    return alert, began / MINUTE, ended / MINUTE


EXPECTED = (
    firing("HuaweicloudJobDeadlineMissed", MON + 6 * HOUR, MON + 6 * HOUR + (30 + KEPT) * MINUTE),
    firing("HuaweicloudJobFailed", TUE + 4 * HOUR + 30 * MINUTE, TUE + 5 * HOUR + KEPT * MINUTE),
    firing("HuaweicloudJobWaitsTooLong", WED + 4 * HOUR + 15 * MINUTE, WED + 4 * HOUR + (40 + KEPT) * MINUTE),
    firing("HuaweicloudJobDeadlineMissed", THU + 6 * HOUR, THU + 11 * HOUR + KEPT * MINUTE),
)
AT_RISK = "HuaweicloudJobDeadlineAtRisk"
"""Fires on Monday between the begin of the run, once its rate is known, and the deadline."""


def looks() -> Iterator[dict[str, object]]:
    """Yield what promtool is to see: each alert at the minutes around those it fires at, and no other at any time."""
    for alert, began, ended in EXPECTED:
        expression = f'count(ALERTS{{alertname="{alert}",alertstate="firing",job="nightly"}})'
        for minute, fires in ((began - 1, 0), (began + LATE, 1), (ended - 1, 1), (ended + LATE, 0)):
            samples = [{"labels": "{}", "value": 1}] if fires else []
            yield {"expr": expression, "eval_time": f"{int(minute)}m", "exp_samples": samples}
    risk = f'count(ALERTS{{alertname="{AT_RISK}",alertstate="firing",job="nightly"}})'
    for at, fires in ((5.5, 0), (5.9, 1), (6.1, 0)):
        samples = [{"labels": "{}", "value": 1}] if fires else []
        yield {"expr": risk, "eval_time": f"{int((MON + at * HOUR) / MINUTE)}m", "exp_samples": samples}
    total: dict[str, float] = {}
    for alert, began, ended in EXPECTED:
        total[alert] = total.get(alert, 0) + ended - began
    week = 'count_over_time(ALERTS{alertstate="firing",job="nightly"}[8d])'
    fired = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in sorted({*total, AT_RISK})]
    end = f"{WEEK // MINUTE - 1}m"
    yield {"expr": f"sum by (alertname) ({week}) > bool 0", "eval_time": end, "exp_samples": fired}
    for alert, minutes in total.items():
        most = minutes + LATE * sum(each[0] == alert for each in EXPECTED)
        yield {
            "expr": f'sum(count_over_time(ALERTS{{alertstate="firing",alertname="{alert}"}}[8d])) <= bool {most}',
            "eval_time": end,
            "exp_samples": [{"labels": "{}", "value": 1}],
        }


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.needs("promtool")
def test_each_alert_of_a_week_fires_and_resolves_in_its_minutes(tmp_path: Path) -> None:
    series = run(scraped())
    rules = ROOT / "deploy/prometheus/rules"
    groups = [
        name
        for file in ("recording.yml", "alerts.yml")
        for name in re.findall(r"^  - name: (.*)$", (rules / file).read_text(), re.MULTILINE)
    ]
    told = [{"series": f'{name[:-1]},instance="a:1"}}', "values": written(values)} for name, values in series.items()]
    case = {
        "rule_files": [str(rules / "recording.yml"), str(rules / "alerts.yml")],
        "evaluation_interval": "1m",
        "group_eval_order": groups,
        "tests": [{"interval": "1m", "input_series": told, "promql_expr_test": list(looks())}],
    }
    (tmp_path / "week.yml").write_text(json.dumps(case))  # which is YAML too

    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "week.yml")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
