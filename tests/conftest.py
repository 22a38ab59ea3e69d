"""What all tests share: the vendor's sample bodies, jobs to read them for, and programs that a bare machine may lack,
which are asked for by name and never skipped in silence."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from structlog.testing import LogCapture

from exporter.model.job import Job, JobKey
from tests.log_table import wrong

PACKAGES = {
    "amtool": "prometheus-alertmanager",
    "promtool": "prometheus",
    "nsenter": "util-linux",
    "systemd-analyze": "systemd",
    "systemd-socket-activate": "systemd",
}
"""The Debian package of each program that is not named after its package."""
PAYLOADS = Path(__file__).parent / "payloads"
STRICT = bool(os.environ.get("NO_SKIPS"))

sys.dont_write_bytecode = False  # else each process that a test starts compiles the whole program again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A machine that is busy is no mistake, and what is right at one commit stays right: new examples come with "many".
settings.register_profile("some", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("few", settings.get_profile("some"), max_examples=12)  # make test-fast
# pytest --hypothesis-profile=many
settings.register_profile("many", settings.get_profile("some"), max_examples=2000, derandomize=False)
settings.load_profile("some")

SLOW = {
    *("e2e", "grafana", "hostile", "polling", "prometheus", "simulator", "world"),
    *(
        "test_accessibility.py",
        "test_app.py",
        "test_browser.py",
        "test_crash_points.py",
        "test_dataarts_over_time.py",
        "test_fourth_service.py",
        "test_healthcheck.py",
        "test_loop_is_free.py",
        "test_readme.py",
        "test_sizing.py",
    ),
}
"""Folders and files whose tests start processes or a browser, simulate hours, or measure how long the loop is held."""
QUICK = {"test_schedule.py", "test_list_merge.py", "test_list_coverage.py"}
"""Files in those folders that do neither."""


def _is_slow(path: Path) -> bool:
    parts = set(path.relative_to(Path(__file__).parent).parts)
    return bool(SLOW & parts) and not QUICK & parts


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what `make test-fast` leaves out."""
    fast = config.option.markexpr == "not slow" and collection_path.suffix == ".py"
    return True if fast and _is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark whole folders and files as slow, and have each worker begin with its share of them."""
    slow = [item for item in items if _is_slow(item.path)]
    fast = [item for item in items if not _is_slow(item.path)]
    for item in slow:
        item.add_marker(pytest.mark.slow)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))  # each gets as many tests, in a row
    shares = [(_share(slow, number, workers), _share(fast, number, workers)) for number in range(workers)]
    items[:] = [item for share in shares for part in share for item in part]


def _share(items: list[pytest.Item], number: int, of: int) -> list[pytest.Item]:
    return items[len(items) * number // of : len(items) * (number + 1) // of]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose program is missing."""
    for mark in item.iter_markers("needs"):
        require(*mark.args)


def require(*programs: str) -> None:
    """Skip the test that asks, if one of these programs is missing."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(PACKAGES.get(each, each) for each in missing)
        pytest.skip(f"needs {', '.join(missing)}: apt-get install {packages}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what was not tested."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
        for report in skipped:
            terminalreporter.line(f"{report.nodeid}: {report.longrepr[2]}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped, a skip is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if STRICT and exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session", autouse=True)
def authorities() -> Iterator[None]:
    """Trust only whom a test names: each reading of the machine's authorities takes 35 ms of CPU, a thousand times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        patch.setenv("SSL_CERT_DIR", os.devnull)
        yield


@pytest.fixture(autouse=True)
def _every_event_is_as_documented(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compare each event that a test makes the program log with docs/logs.md."""
    found: list[str] = []

    def compare(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        found.extend(wrong(str(event["event"]), level, event))
        return event

    def leave_out(_: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if level == "debug":
            raise structlog.DropEvent  # nobody reads it: rendering each line costs a tenth of a simulated hour
        return event

    class Comparing(LogCapture):
        def __call__(self, logger: Any, level: str, event: MutableMapping[str, Any]) -> Any:
            return super().__call__(logger, level, compare(logger, level, event))

    monkeypatch.setattr("structlog.testing.LogCapture", Comparing)
    structlog.configure(processors=[compare, leave_out, *structlog.get_config()["processors"]])
    yield
    structlog.reset_defaults()
    assert found == [], "\n".join(dict.fromkeys(found))


@pytest.fixture
def payload() -> Callable[[str], bytes]:
    """Return a function that reads a sample body by its path under tests/payloads."""
    return lambda name: (PAYLOADS / name).read_bytes()


@pytest.fixture
def job() -> Callable[..., Job]:
    """Return a function that makes a job of a service."""

    def make(service: str, name: str = "nightly", **changes: object) -> Job:
        target = {"job_id": "j-1", "cluster_id": "c-1", "job_name": name}
        fields = {"dli": ("job_id",), "dws": ("job_id",), "cdm": ("cluster_id", "job_name")}[service]
        return Job(
            JobKey(service, name),
            "prod",
            {field: target[field] for field in fields},
            region="eu-de",
            **changes,  # type: ignore[arg-type]
        )

    return make
