"""What a refresh of each dashboard asks a real Prometheus for, with two clusters and five thousand jobs.

The jobs are those of the demo, many times over, with all their series; both clusters have jobs of the same names, at
exporters of the same address. All are scraped for some minutes; of those that graphs show there is a whole day, and of
sums too. Queries are asked once nothing is scraped and no rule is evaluated any more. One that fails ends it.
"""

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

from benchmarks.process import REPOSITORY
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream
from deploy.grafana import dashboards
from tests.e2e.processes import fetch, prometheus, serving

JOBS: Final = 5000
CLUSTERS: Final = ("north", "south")
DAY: Final = 86400
STEP: Final = 300
"""Seconds between two points: a day in at most 300 points, as Grafana rounds it."""
SHOWN: Final = 2
"""Copies of the demo's jobs of which there is a whole day: those that changed last, which graphs show."""
BYTES: Final = 750_000
"""What a refresh of the overview may answer: it was 7.5 MB when each graph and table was of all jobs."""
ROUNDS: Final = 5
VARIABLES: Final = {"cluster": ".*", "project": ".*", "service": ".*", "job": ".*", "instance": ".*", "top": "20"}
_SUMS: Final = {
    "project_service:huaweicloud_job_state:count": ("state", ("pending", "running", "succeeded", "failed")),
    "project_service:huaweicloud_job_runs_total:increase1h": ("result", ("succeeded", "failed", "cancelled")),
}


def run(upstream: Upstream | None, *, quick: bool) -> Iterator[Row]:
    """Yield bytes and processor time of a refresh of each dashboard, as it opens, and with every section open."""
    with holding(200 if quick else JOBS) as (server, now):
        for name in dashboards.BUILDERS:
            told = json.loads((dashboards.FOLDER / f"{name}.json").read_text())
            for what, folded in (("", False), (", all open", True)):
                queries = asked(server, told, now, folded=folded)
                if folded and len(queries) == len(asked(server, told, now)):
                    continue
                taken = [refresh(server, queries) for _ in range(1 if quick else ROUNDS)]
                size, seconds = taken[0][0], median([each for _, each in taken])
                most = BYTES if name == "overview" and not folded and not quick else None
                note = f"{len(queries)} queries"
                yield Row("dashboards", f"{name}{what}, answers", size, "bytes", most, note)
                yield Row("dashboards", f"{name}{what}, processor time of Prometheus", seconds, "s")


Query = tuple[str, dict[str, str]]


def asked(server: str, told: dict[str, Any], now: float, *, folded: bool = False) -> list[Query]:
    """Return what a dashboard asks for: the values of its variables, the queries of its panels and annotations."""
    variables, queries = dict(VARIABLES), []
    for each in told["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((.+), (\w+)\)", str(each.get("query"))):
            selector, label = filled(found[1], variables), found[2]
            queries.append((f"label/{label}/values", {"match[]": selector, "start": str(now - DAY), "end": str(now)}))
            if not each.get("multi"):
                variables[each["name"]] = next(iter(answer(server, *queries[-1])["data"]), "")
        elif found := re.fullmatch(r"query_result\((.+)\)", str(each.get("query"))):
            queries.append(("query", {"query": filled(found[1], variables), "time": str(now)}))
            names = {one["metric"]["job"] for one in answer(server, *queries[-1])["data"]["result"]}
            variables[each["name"]] = f"({'|'.join(map(re.escape, sorted(names)))})".replace("\\", "\\\\")
    panels = list(dashboards.panels(told)) if folded else told["panels"]
    targets = [target for panel in panels for target in panel.get("targets") or ()]
    targets += [{**each["target"], "range": True} for each in told["annotations"]["list"] if each["enable"]]
    for target in targets:
        query = {"query": filled(target["expr"], {**variables, "__rate_interval": "4m"})}
        over_time = {"start": str(now - DAY), "end": str(now), "step": str(STEP)}
        at = {"time": str(now)}
        queries.append(("query_range", query | over_time) if target.get("range") else ("query", query | at))
    return queries


def filled(expr: str, variables: dict[str, str]) -> str:
    """Return a query as Grafana asks it."""
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], expr)


def answer(server: str, path: str, parameters: dict[str, str]) -> Any:
    """Return what Prometheus answers."""
    return json.loads(_read(server, path, parameters))


def refresh(server: str, queries: list[Query]) -> tuple[int, float]:
    """Return the bytes of all answers, and how many seconds of a processor Prometheus needed for them."""
    began = _used(server)
    size = sum(len(_read(server, path, parameters)) for path, parameters in queries)
    return size, _used(server) - began


def _used(server: str) -> float:
    told = re.search(rb"^process_cpu_seconds_total (\S+)$", fetch(f"{server}/metrics")[1], re.MULTILINE)
    assert told is not None
    return float(told[1])


def _read(server: str, path: str, parameters: dict[str, str]) -> bytes:
    try:
        with urllib.request.urlopen(f"{server}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=60) as told:
            return bytes(told.read())
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{parameters}: {error.read().decode()[:1000]}") from error


@contextmanager
def holding(jobs: int) -> Iterator[tuple[str, float]]:
    """Run a Prometheus that holds so many jobs of two clusters, until the time that is told."""
    with (
        TemporaryDirectory() as name,
        serving("demo", EXPORTER_WEB__EXTERNAL_URL="https://jobs.example.com") as (_, url),
    ):
        time.sleep(40)  # some of the demo's jobs run, some have ended
        body = fetch(f"{url}/metrics")[1].decode()
        copies = _copies(body, jobs)
        with _served("".join(copies)) as address:
            folder = Path(name)
            _a_day(folder, "".join(copies[: 1 + SHOWN]))
            with prometheus(folder, _config(folder, address)) as server:
                _until_recorded(server, jobs)
                now = time.time()
        with prometheus(folder, "global: {}") as server:
            yield server, now


def _copies(body: str, jobs: int) -> list[str]:
    """Return the exporter's own lines, and then those of the demo's jobs, so often that there are *jobs* of them."""
    job = re.compile(r'(huaweicloud_job_\w+)\{(.*?)job="([^"]*)"(.*)')
    lines = [line for line in body.splitlines() if line.startswith("huaweicloud_job_") and 'service="' in line]
    found = [match for match in map(job.fullmatch, lines) if match and "_exporter_" not in match[1]]
    own = [line for line in body.splitlines() if line and line not in set(lines) and not line.startswith("#")]
    there = len({(match[2], match[3]) for match in found if match[1] == "huaweicloud_job_info"})
    copies = []
    for number in range(-(-jobs // len(CLUSTERS) // there)):
        told = []
        for match in found:
            before, _, value = match[4].rpartition(" ")
            if match[1].endswith("last_progress_timestamp_seconds"):
                value = f"{float(value) - number * DAY:.3f}"
            told.append(f'{match[1]}{{{match[2]}job="{match[3]}-{number:04}"{before} {value}\n')
        copies.append("".join(told))
    return ["".join(f"{line}\n" for line in own), *copies]


@contextmanager
def _served(body: str) -> Iterator[str]:
    """Serve *body* as an exporter would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _config(folder: Path, address: str) -> str:
    rules = REPOSITORY / "deploy/prometheus/rules"
    for path in rules.glob("*.yml"):  # those that are evaluated seldom as often as the others
        (folder / path.name).write_text(re.sub(r"^    interval: .*\n", "", path.read_text(), flags=re.MULTILINE))
    jobs = "".join(
        f"""
  - job_name: {cluster}
    honor_labels: true
    static_configs: [{{targets: ["{address}"], labels: {{cluster: {cluster}, instance: exporter}}}}]
    relabel_configs: [{{target_label: job, replacement: huaweicloud-job-exporter}}]"""
        for cluster in CLUSTERS
    )
    rates = "global: {scrape_interval: 15s, scrape_timeout: 15s, evaluation_interval: 1m}"
    return f"{rates}\nrule_files: [{folder}/recording.yml, {folder}/alerts.yml]\nscrape_configs:{jobs}\n"


def _a_day(folder: Path, body: str) -> None:
    """Write blocks with a day of the series of *body* in each cluster, and of the recorded sums."""
    now = time.time()
    lines = [line.rpartition(" ") for line in body.splitlines()]
    series = [
        (f'{name.rstrip("}")}{"," if "{" in name else "{"}cluster="{cluster}",instance="exporter"}}', value)
        for cluster in CLUSTERS
        for name, _, value in lines
        if name.startswith("huaweicloud_job_")
    ]
    for name, (label, words) in _SUMS.items():
        for cluster in CLUSTERS:
            for service in ("cdm", "dli", "dws"):
                labels = f'cluster="{cluster}",project="demo",region="cn-north-4",service="{service}"'
                series += [(f'{name}{{{labels},{label}="{word}"}}', "7") for word in words]
    text = folder / "day.txt"
    with text.open("w") as file:
        for at in range(int(now) - DAY, int(now) - 600, STEP):
            file.writelines(f"{name} {value} {at}\n" for name, value in series)
        file.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
    subprocess.run(command, check=True, capture_output=True)
    text.unlink()


def _until_recorded(server: str, jobs: int) -> None:
    """Wait until the rules know all jobs."""
    for _ in range(60):
        time.sleep(5)
        known = answer(server, "query", {"query": "count(service_job:huaweicloud_job_up:max)"})["data"]["result"]
        if known and int(known[0]["value"][1]) >= jobs:
            time.sleep(90)  # for rates, and for what is recorded of what is recorded
            return
    raise SystemExit("Prometheus did not record all jobs")
