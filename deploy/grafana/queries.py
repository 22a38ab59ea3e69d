"""The queries that the dashboards are made of: which jobs are meant, how their series are joined, how many are shown.

Jobs are told apart as in the recording rules: by cluster, namespace, project, region, service and name. The labels of
the target, such as instance, pod and node, are dropped, so that the series of a job goes on if another pod polls it.
Project and region are labels of ``huaweicloud_job_info`` only. They are joined at each target with all its labels, so
that two targets of one address in two clusters are never taken for each other.
"""

from dataclasses import dataclass
from typing import Final

from exporter.services import registry

JOB: Final = "cluster, namespace, project, region, service, job"
"""The labels that tell jobs apart."""
ROWS: Final = 100
"""The most rows of a table."""
NEWEST: Final = "last_progress_timestamp_seconds"
"""Of which jobs there are lines: of those that changed last."""
_IDENTITY: Final = ", ".join(sorted(registry.declared().identity))
OF_THESE: Final = 'cluster=~"$cluster", project=~"$project", service=~"$service"'
"""The selector of sums over all jobs of a service."""
_AT_THE_END: Final = " @ end()"


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs that a dashboard is about, as the selector *labels*, without the braces, says it; *project* chooses."""

    labels: str
    project: str

    def series(self, metric: str, at: str = "", **labels: str) -> str:
        """Return a selector of a metric of these jobs, in all projects; *labels* are patterns."""
        more = "".join(f', {label}=~"{pattern}"' for label, pattern in labels.items())
        return f"huaweicloud_job_{metric}{{{self.labels}{more}}}{at}"

    def each(self, metric: str, *own: str, at: str = "", **labels: str) -> str:
        """Return a metric, one series for each job and value of *own*, which are all labels of the metric's own."""
        return self.joined(self.series(metric, at, **labels), *own, at=at)

    def joined(self, expr: str, *own: str, at: str = "") -> str:
        """Return an expression that has the labels of targets as one that has one series for each job."""
        info = f"huaweicloud_job_info{{{self.labels}, {self.project}}}{at}"
        return (
            f"max by ({', '.join((JOB, *own))}) ({expr}"
            f" * ignoring ({', '.join((*own, 'project', 'region'))}) group_left (project, region)"
            f" max without ({_IDENTITY}) ({info}))"
        )

    def identity(self) -> str:
        """Return the ids of each job at the cloud, as labels."""
        return f"max by ({JOB}, {_IDENTITY}) (huaweicloud_job_info{{{self.labels}, {self.project}}})"

    def page(self) -> str:
        """Return the address of the page on which each job is, as the label ``url``."""
        known = f"huaweicloud_job_info{{{self.labels}, {self.project}}}"
        url = "topk by (cluster, namespace, instance) (1, huaweicloud_job_exporter_page_info)"
        told = f"{known} * on (cluster, namespace, instance) group_left (url) {url}"
        return f"topk by ({JOB}) (1, max by ({JOB}, url) ({told}))"

    def recorded(self, rule: str) -> str:
        """Return a recorded series of these jobs."""
        return f"service_job:huaweicloud_job_{rule}{{{self.labels}, {self.project}}}"

    def being(self, pattern: str) -> str:
        """Return 1 for each job in a state; jobs in others are left out before anything is joined."""
        return self.joined(f"({self.series('state', state=pattern)} == 1)", "state")

    def in_state(self, pattern: str) -> str:
        """Return the end of a query that leaves the jobs in a state."""
        return among(self.being(pattern))

    def newest(self, limit: str | int, at: str = "") -> str:
        """Return the jobs that changed last."""
        return f"topk({limit}, {self.each(NEWEST, at=at)})"


def among(jobs: str) -> str:
    """Return the end of a query that leaves the jobs of another one."""
    return f"and on ({JOB}) {jobs}"


CHOSEN: Final = Jobs('cluster=~"$cluster", service=~"$service", job=~"$job"', 'project=~"$project"')
"""The jobs that are chosen above the overview."""
SHOWN: Final = Jobs('cluster=~"$cluster", service=~"$service", job=~"$shown"', 'project=~"$project"')
"""Those of them that have lines: at most ``$top``. Their names are asked for once, so that no query reads all jobs."""
LISTED: Final = Jobs('cluster=~"$cluster", service=~"$service", job=~"$listed"', 'project=~"$project"')
"""Those of them that the table of jobs has, likewise."""
ONE: Final = Jobs(
    'cluster="$cluster", namespace="$namespace", service="$service", job="$job"',
    'project="$project"',
)
"""The job of the dashboard of one job."""


def shown(metric: str, *own: str, **labels: str) -> str:
    """Return a metric over time, of the jobs that have lines."""
    return limited(SHOWN.each(metric, *own, **labels))


def limited(expr: str) -> str:
    """Return a query of the jobs that have lines, which may be of one name, as one of at most ``$top`` jobs."""
    return f"{expr} {among(SHOWN.newest('$top', _AT_THE_END))}"


_ALERT: Final = f"alertname, severity, {JOB}"


def alerts(labels: str) -> str:
    """Return the alerts that are active and have these labels, one series for each, at most ``ROWS``."""
    return f"topk({ROWS}, max by ({_ALERT}, alertstate) ({_active('ALERTS', labels)}))"


def alerting_since(labels: str) -> str:
    """Return since how many seconds the same alerts have been active."""
    since = f"time() - max by ({_ALERT}) ({_active('ALERTS_FOR_STATE', labels)})"
    return f"{since} and on ({_ALERT}) {alerts(labels)}"


def _active(metric: str, labels: str) -> str:
    return f'{metric}{{alertname=~"HuaweicloudJob.+", {labels}}}'


ALERTS_CHOSEN: Final = ", ".join(f'{label}=~"(${label})|"' for label in ("cluster", "project", "service", "job"))
"""The alerts on the jobs that are chosen above the overview, and those on no job."""
