"""Job files as operators, sidecars and Kubernetes change them: real files, real links, a look at a time."""

import asyncio
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.config import Settings, job_file, load
from exporter.config.tree import MappingNode
from exporter.metrics.telemetry import Telemetry
from exporter.model.job import Job
from exporter.sources.job_files import JobFiles, all_jobs
from tests.known import SERVICES

NOBODY = 65534
PROJECT = "projects:\n  prod: {region: r, project_id: p, credentials: {access_key: {key_id: a, secret: b}}}\n"


class Watched:
    """A folder that is watched, and what is registered of it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.telemetry = Telemetry()
        self.held: dict[str, Sequence[Job]] = {}
        self.changes = 0
        self.log: list[MutableMapping[str, Any]] = []
        self.files = JobFiles(settings, self.telemetry, self._register, every=0.05)

    def _register(self, contents: Mapping[str, Sequence[Job]]) -> None:
        self.changes += 1
        self.held.update(contents)

    def look(self, times: int = 1) -> list[str]:
        """Look some times and return the ids that are registered then, by file."""
        with capture_logs() as lines:
            for _ in range(times):
                asyncio.run(self.files.look())
        self.log = lines
        return self.ids()

    def ids(self) -> list[str]:
        """Return the ids that are registered."""
        return [job.target["job_id"] for path in sorted(self.held) for job in self.held[path]]

    def good(self, name: str) -> float | None:
        """Return the gauge of a file."""
        labels = {"file": str(self.folder / name)}
        return self.telemetry.registry.get_sample_value(
            "huaweicloud_job_exporter_job_file_last_read_successful", labels
        )

    def events(self) -> list[tuple[str, str]]:
        """Return what the last looks logged, and the file's name."""
        return [(line["event"], Path(str(line.get("file", line.get("pattern")))).name) for line in self.log]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "jobs.d"
    made.mkdir()
    return made


@pytest.fixture
def settings(tmp_path: Path) -> Callable[[str], Settings]:
    def make(pattern: str = "jobs.d/*", rest: str = "") -> Settings:
        path = tmp_path / "exporter.yaml"
        path.write_text(f"{PROJECT}job_files: [{pattern}]\n{rest}")
        return load(path, {})

    return make


@pytest.fixture
def watched(settings: Callable[..., Settings], folder: Path) -> Watched:
    return Watched(settings(), folder)


def line(job_id: str) -> str:
    return json.dumps({"service": "dli", "job_id": job_id}) + "\n"


def test_what_is_there_at_the_start_is_read_at_the_first_look_and_registered_at_once(watched: Watched) -> None:
    (watched.folder / "b.jsonl").write_text(line("2") + line("3"))
    (watched.folder / "a.yaml").write_text("- {service: dli, job_id: 1}")

    assert watched.look() == ["1", "2", "3"]
    assert watched.changes == 1
    assert watched.log[0] == {
        "event": "job file read",
        "log_level": "info",
        "file": str(watched.folder / "a.yaml"),
        "jobs": 1,
    }
    assert (watched.good("a.yaml"), watched.good("b.jsonl")) == (1, 1)
    watched.look(3)
    assert (watched.changes, watched.log) == (1, [])


def test_a_new_file_and_an_appended_line_are_read_once_they_stand_still(watched: Watched) -> None:
    watched.look()
    path = watched.folder / "jobs.jsonl"
    path.write_text(line("1"))

    assert watched.look() == []
    assert watched.look() == ["1"]
    with path.open("a") as file:
        file.write(line("2"))
    assert watched.look(2) == ["1", "2"]


def test_a_file_that_never_stands_still_is_read_all_the_same(watched: Watched) -> None:
    watched.look()
    path = watched.folder / "jobs.jsonl"
    for number in range(4):
        with path.open("a") as file:
            file.write(line(str(number)))
        watched.look()

    assert watched.ids() == ["0", "1", "2", "3"]


def test_a_half_written_file_keeps_the_jobs_of_before_and_is_told_once(watched: Watched) -> None:
    path = watched.folder / "jobs.jsonl"
    path.write_text(line("1"))
    watched.look()
    path.write_text(line("1") + '{"service": "dli", "jo')

    assert watched.look(3) == ["1"]
    assert watched.events() == [("job file refused", "jobs.jsonl")]
    assert watched.log[0]["log_level"] == "warning"
    assert watched.log[0]["mistakes"][0].startswith(f"{path}:2: expected one JSON object a line")
    assert watched.good("jobs.jsonl") == 0
    assert watched.look(2) == ["1"]
    assert watched.log == []
    path.write_text(line("1") + line("2"))
    assert watched.look(2) == ["1", "2"]
    assert watched.good("jobs.jsonl") == 1
    assert watched.events() == [("job file read", "jobs.jsonl")]


def test_a_broken_file_that_goes_back_to_what_it_was_is_good_again(watched: Watched) -> None:
    path = watched.folder / "jobs.jsonl"
    for content, good in ((line("1"), 1), ("- {", 0), (line("1"), 1)):
        path.write_text(content)

        assert watched.look(2) == ["1"]
        assert watched.good("jobs.jsonl") == good


def test_a_file_that_was_never_good_registers_nothing_and_tells_ten_mistakes(watched: Watched) -> None:
    (watched.folder / "a.yaml").write_text("- {service: ecs}\n" * 12)

    assert watched.look(2) == []
    (told,) = watched.log
    assert (len(told["mistakes"]), told["more"]) == (10, 2)
    assert watched.good("a.yaml") == 0


def test_a_file_that_is_gone_loses_its_jobs_and_its_gauge_at_the_second_look(watched: Watched) -> None:
    path = watched.folder / "jobs.jsonl"
    path.write_text(line("1"))
    watched.look()
    path.unlink()

    assert watched.look() == ["1"]
    assert watched.look() == []
    assert watched.good("jobs.jsonl") is None
    assert watched.events() == [("job file gone", "jobs.jsonl")]


def test_a_file_that_is_replaced_with_a_gap_between_loses_nothing(watched: Watched) -> None:
    path = watched.folder / "jobs.jsonl"
    path.write_text(line("1"))
    watched.look()
    path.unlink()
    watched.look()
    path.write_text(line("2"))

    assert watched.look() == ["1"]
    path.unlink()
    assert watched.look() == ["1"]
    path.write_text(line("2"))
    assert watched.look(2) == ["2"]


def test_a_rename_over_is_seen_though_size_and_time_are_the_same(watched: Watched) -> None:
    path, other = watched.folder / "jobs.jsonl", watched.folder.parent / "next"
    path.write_text(line("1"))
    watched.look(2)
    other.write_text(line("2"))
    at = path.stat().st_mtime_ns
    os.utime(other, ns=(at, at))
    other.rename(path)

    assert watched.look(2) == ["2"]


def test_a_file_that_gets_another_name_moves_its_jobs_in_one_step(watched: Watched) -> None:
    (watched.folder / "a.jsonl").write_text(line("1"))
    watched.look(2)
    (watched.folder / "a.jsonl").rename(watched.folder / "b.jsonl")
    watched.look()

    assert watched.look() == ["1"]
    assert watched.changes == 2


def test_kubernetes_swaps_a_link_and_the_files_are_others(watched: Watched) -> None:
    def deploy(name: str, files: Mapping[str, str]) -> None:
        (watched.folder / name).mkdir()
        for each, content in files.items():
            (watched.folder / name / each).write_text(content)
        (watched.folder / "..data_tmp").symlink_to(name)
        (watched.folder / "..data_tmp").rename(watched.folder / "..data")

    deploy("..2025_1", {"a.yaml": "- {service: dli, job_id: 1}", "b.yaml": "- {service: dli, job_id: 2}"})
    for name in ("a.yaml", "b.yaml"):
        (watched.folder / name).symlink_to(f"..data/{name}")
    assert watched.look(2) == ["1", "2"]

    deploy("..2025_2", {"a.yaml": "- {service: dli, job_id: 3}"})
    assert watched.look(2) == ["3"]  # b.yaml leads nowhere now
    (watched.folder / "b.yaml").unlink()
    assert watched.look(2) == ["3"]


def test_a_link_that_leads_nowhere_or_in_circles_hurts_nobody(watched: Watched) -> None:
    (watched.folder / "a").symlink_to("nowhere")
    (watched.folder / "b").symlink_to("b")
    (watched.folder / "c").write_text(line("1"))

    assert watched.look(2) == ["1"]
    assert watched.good("a") is None
    assert watched.good("b") == 0


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[], None]:
    """Give up the rights of root, for whom every file is readable, until the test ends."""
    if os.geteuid() == 0:
        for each in (tmp_path, *tmp_path.parents):
            if not each.stat().st_mode & stat.S_IXOTH:
                each.chmod(each.stat().st_mode | 0o055)
    return lambda: os.seteuid(NOBODY) if os.geteuid() == 0 else None


def test_a_file_without_the_right_to_read_it_keeps_its_jobs_until_it_is_given(
    watched: Watched, as_nobody: Callable[[], None]
) -> None:
    path = watched.folder / "jobs.jsonl"
    path.write_text(line("1"))
    watched.look(2)
    root = os.geteuid() == 0
    path.chmod(0)
    as_nobody()
    try:
        assert watched.look(3) == ["1"]
        assert watched.good("jobs.jsonl") == 0
        (told,) = watched.log
        assert told["mistakes"] == [f"{path}: no permission to read the file; let the exporter's user read it"]
        if root:
            os.seteuid(0)
        path.chmod(0o644)
        as_nobody()
        assert watched.look(2) == ["1"]
        assert watched.good("jobs.jsonl") == 1
    finally:
        if root:
            os.seteuid(0)


def test_a_folder_that_cannot_be_entered_is_not_an_empty_one(watched: Watched, as_nobody: Callable[[], None]) -> None:
    (watched.folder / "jobs.jsonl").write_text(line("1"))
    watched.look(2)
    root = os.geteuid() == 0
    watched.folder.chmod(0)
    as_nobody()
    try:
        assert watched.look(3) == ["1"]
        assert watched.good("jobs.jsonl") == 0
    finally:
        if root:
            os.seteuid(0)
        watched.folder.chmod(0o755)
    assert watched.look(2) == ["1"]
    assert watched.good("jobs.jsonl") == 1


def test_what_is_no_file_is_passed_over_unless_it_is_named(settings: Callable[..., Settings], folder: Path) -> None:
    (folder / "more").mkdir()
    os.mkfifo(folder / "pipe")
    passed, named = Watched(settings(), folder), Watched(settings("jobs.d"), folder)

    assert passed.look(2) == []
    assert passed.good("more") is None
    named.look(2)
    assert [line["mistakes"] for line in named.log] == [
        [f"{folder}: expected an ordinary file; of a directory name the files, such as jobs.d/*.yaml"]
    ]


def test_a_pattern_that_matches_nothing_is_said_once(watched: Watched) -> None:
    watched.look(3)

    assert watched.log == [{"event": "no job file", "log_level": "info", "pattern": f"{watched.folder}/*"}]


def test_a_file_is_read_once_though_two_patterns_match_it(settings: Callable[..., Settings], folder: Path) -> None:
    (folder / "a.yaml").write_text("- {service: dli, job_id: 1}")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.yaml").write_text("- {service: dli, job_id: 2}")

    assert Watched(settings("jobs.d/*.yaml, jobs.d/**/*.yaml"), folder).look() == ["1", "2"]


def test_names_that_are_not_utf_8_are_fine(watched: Watched) -> None:
    path = os.fsencode(watched.folder) + b"/\xff.jsonl"
    Path(os.fsdecode(path)).write_text(line("1"))

    assert watched.look() == ["1"]
    assert watched.good("\ufffd.jsonl") == 1


def test_a_crash_over_one_file_loses_none_of_the_others(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    read = job_file.read_job_file

    def crash(data: bytes, source: str, projects: MappingNode) -> tuple[Job, ...]:
        if b"2" in data:
            raise RuntimeError
        return read(data, source, projects)

    monkeypatch.setattr(job_file, "read_job_file", crash)
    for number in (1, 2, 3):
        (watched.folder / f"{number}.jsonl").write_text(line(str(number)))

    with pytest.raises(RuntimeError):
        watched.look()
    assert watched.look(2) == ["1", "3"]
    assert watched.good("2.jsonl") == 0


async def test_it_looks_by_itself(watched: Watched) -> None:
    task = asyncio.create_task(watched.files.run())
    (watched.folder / "jobs.jsonl").write_text(line("1"))
    async with asyncio.timeout(5):
        while not watched.ids():
            await asyncio.sleep(0.01)
    task.cancel()


def test_what_is_registered_now_is_told_with_every_mistake(settings: Callable[..., Settings], folder: Path) -> None:
    (folder / "a.yaml").write_text("- {service: dli, job_id: 1, name: x}")
    (folder / "b.yaml").write_text("- {service: ecs}")
    (folder / "c.yaml").write_text("- {service: dli, job_id: 2, name: x}\n- {service: dws, job_id: 3}\n")
    (folder / "d").mkdir()
    jobs, mistakes = all_jobs(settings(rest='jobs: [{service: dws, job_id: "9", name: "3"}]'))

    assert {(*job.key, job.target["job_id"], job.source) for job in jobs} == {
        ("dli", "x", "2", "file"),
        ("dws", "3", "9", "static"),
    }
    assert mistakes[0] == f'{folder}/b.yaml:1: [0].service: unknown service "ecs"; known are {SERVICES}'
    assert "the name is taken by that of the section jobs" in mistakes[1]
    assert len(mistakes) == 2
    assert all_jobs(settings("jobs.d"))[1] == (
        f"{folder}: expected an ordinary file; of a directory name the files, such as jobs.d/*.yaml",
    )


def test_links_that_go_round_are_not_followed_for_ever(settings: Callable[..., Settings], tmp_path: Path) -> None:
    """As many names as there are ways round would be looked for, which never ends."""
    folder = tmp_path / "jobs.d"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for name in "abcdefgh":
        (folder / name).symlink_to(folder)
    (folder / "deep" / "deeper" / "one.yaml").write_text("- {service: dli, job_id: 1}")
    (folder / "two.yaml").write_text("- {service: dli, job_id: 2}")

    assert Watched(settings(f"{folder}/**/*.yaml"), folder).look() == ["1", "2"]


def test_a_file_that_cannot_be_looked_at_is_a_mistake_of_check(
    settings: Callable[..., Settings], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that may be listed and not entered every name is seen, and no file."""
    (folder / "a.yaml").write_text("- {service: dli, job_id: 1}")

    def refused(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refused)

    assert all_jobs(settings())[1] == (f"{folder}/a.yaml: cannot be read: Permission denied",)


def test_a_reload_while_files_are_read_counts_from_the_next_look(
    settings: Callable[..., Settings], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, content = threading.Event(), threading.Event(), job_file.job_file_bytes

    def slowly(path: str, name: str) -> bytes:
        begun.set()
        assert go_on.wait(60)
        return content(path, name)

    monkeypatch.setattr(job_file, "job_file_bytes", slowly)
    for number in range(3):
        (folder / f"{number}.yaml").write_text(f"- {{service: dli, job_id: j{number}}}\n")
    watched = Watched(settings(), folder)

    async def main() -> list[str]:
        looking = asyncio.ensure_future(watched.files.look())
        await asyncio.to_thread(begun.wait, 60)
        text = PROJECT.replace("region: r", "region: s") + "job_files: [jobs.d/0.yaml, jobs.d/1.yaml]\n"
        (folder.parent / "exporter.yaml").write_text(text)
        watched.files.use(load(folder.parent / "exporter.yaml", {}))
        go_on.set()
        await looking
        assert regions(watched) == {"r"}
        return watched.ids()

    def regions(there: Watched) -> set[str]:
        return {job.region for jobs in there.held.values() for job in jobs}

    assert asyncio.run(main()) == ["j0", "j1", "j2"]
    assert watched.look(2) == ["j0", "j1"]
    assert regions(watched) == {"s"}


def test_what_was_found_is_registered_at_the_next_look_if_that_crashed(
    settings: Callable[..., Settings], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.yaml").write_text("- {service: dli, job_id: j1}\n")
    watched = Watched(settings(), folder)
    with monkeypatch.context() as patch:
        patch.setattr(watched.files, "_register", lambda contents: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            watched.look()

    assert watched.look() == ["j1"]
