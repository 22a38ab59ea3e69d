"""The oracle itself: given a truth and a scrape, it says what is wrong with it, and nothing of what is right."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from tests.hostile.daemon import Labels, Scrape, parsed
from tests.hostile.oracle import OWN, Oracle
from tests.hostile.truth import Cluster, Job, Run, World

NOW = 1_760_000_000.0
FIRST, SECOND = "1001", "1002"
RUNS = (
    Run(FIRST, NOW - 100, NOW - 100, NOW - 60, "succeeded", rows=500),
    Run(SECOND, NOW - 40, NOW - 40, NOW + 60, "failed", rows=900),
)
WORLD = World("p", NOW - 200, (Job("cdm", "copy", RUNS, "c"),), (Cluster("c", "north"),))
WHO = 'service="cdm",job="north/copy"'
RIGHT = {
    "up": 1,
    "last_poll_timestamp_seconds": NOW - 1,
    'run_info{run_id="1002",native_state="RUNNING"}': 1,
    'state{state="running"}': 1,
    'state{state="failed"}': 0,
    "progress_ratio": 0.39,
    'runs_total{result="succeeded"}': 1,
    'runs_total{result="failed"}': 0,
    "runs_rows_written_total": 500,
}


def shown(at: float = NOW, **changed: float | None) -> Scrape:
    """Return a scrape with what is right, but for what is *changed* (None: left out)."""
    named = {**RIGHT, **{_name(key): value for key, value in changed.items()}}
    lines = [_line(name, value) for name, value in named.items() if value is not None]
    return Scrape(at, 0.0, 200, parsed("\n".join(lines)))


def _name(key: str) -> str:
    """Return the sample that a keyword stands for."""
    metric, _, label = key.partition("__")
    label_names = {"state": "state", "runs_total": "result"}
    return f'{metric}{{{label_names[metric]}="{label}"}}' if label else metric


def _line(name: str, value: float) -> str:
    metric, _, labels = name.partition("{")
    return f"huaweicloud_job_{metric}{{{','.join(each for each in (WHO, labels.rstrip('}')) if each)}}} {value!r}"


def oracle() -> Oracle:
    return Oracle(WORLD, began=NOW - 150)


def test_what_is_right_is_not_blamed() -> None:
    judge = oracle()

    assert judge.look(shown()) == []
    assert judge.missing(shown(), counts=False) == []
    assert judge.compared > 5


def test_a_state_that_does_not_hold_is_wrong() -> None:
    (wrong,) = oracle().look(shown(state__running=0, state__failed=1, progress_ratio=None))

    assert "state failed, not of ['running']" in wrong


def test_two_states_at_once_are_wrong() -> None:
    assert any("the states that hold are" in each for each in oracle().look(shown(state__failed=1)))


def test_a_progress_that_never_was_is_wrong() -> None:
    (wrong,) = oracle().look(shown(progress_ratio=0.9))

    assert "progress_ratio 0.9" in wrong


def test_a_counter_that_falls_is_wrong() -> None:
    judge = oracle()

    assert judge.look(shown()) == []
    (wrong,) = judge.look(shown(runs_rows_written_total=0))
    assert "fell from 500.0 to 0.0" in wrong


def test_a_run_that_counts_twice_is_wrong() -> None:
    wrong = oracle().look(shown(runs_total__succeeded=2, runs_rows_written_total=1000))

    assert [each.split(": ")[1] for each in wrong] == [
        "2 runs succeeded, there were 1",
        "runs_rows_written_total 1000, there were 500",
    ]


def test_a_run_that_had_ended_at_first_sight_must_not_count() -> None:
    judge = oracle()
    read: Labels = (("project", "hostile"), ("service", "cdm"))
    nothing = {("huaweicloud_job_exporter_discovery_last_success_timestamp_seconds", read): NOW - 51}

    judge.look(Scrape(NOW - 50, 0.0, 200, nothing))

    assert any("1 runs succeeded, there were 0" in each for each in judge.look(shown()))


def test_a_run_may_count_that_a_process_asked_for_before_it_ended_without_a_scrape() -> None:
    world = World("p", NOW - 200, (Job("dws", "resize", (replace(RUNS[0], ident="j1"),)),))
    found = []
    for asked in ({}, {("dws", "resize"): NOW - 70}):
        judge = Oracle(world, began=NOW - 150, asked=asked)
        judge.look(Scrape(NOW - 50, 0.0, 200, {}))
        who: Labels = (("job", "resize"), ("result", "succeeded"), ("service", "dws"))
        found.append(judge.look(Scrape(NOW, 0.0, 200, {("huaweicloud_job_runs_total", who): 1.0})))

    assert [len(wrong) for wrong in found] == [1, 0]


def test_runs_that_nothing_told_of_are_not_asked_for() -> None:
    judge = oracle()
    judge.look(shown(NOW - 61, last_poll_timestamp_seconds=NOW - 62))
    later = shown(runs_total__succeeded=0, runs_rows_written_total=0)

    judge.untold = {("cdm", "north/copy")}

    assert judge.missing(later) == []


def test_a_run_that_ended_after_first_sight_and_does_not_count_is_missed() -> None:
    judge = oracle()
    judge.look(shown(NOW - 61, last_poll_timestamp_seconds=NOW - 62))

    later = shown(runs_total__succeeded=0, runs_rows_written_total=0)

    assert [each.split(": ")[1] for each in judge.missing(later)] == [
        "0 runs succeeded are counted, there were 1",
        "0 rows are counted, there were 500",
    ]


def test_a_run_that_the_exporter_says_it_misses_is_not_asked_for() -> None:
    judge = oracle()
    judge.look(shown(NOW - 61, last_poll_timestamp_seconds=NOW - 62))
    later = shown(runs_total__succeeded=0, runs_rows_written_total=0)
    labels: Labels = (("project", "hostile"), ("service", "cdm"))

    samples = {**later.samples, ("huaweicloud_job_exporter_history_runs_missed_total", labels): 1.0}

    assert judge.missing(Scrape(NOW, 0.0, 200, samples)) == []


def test_more_runs_than_the_exporter_says_it_misses_are_asked_for() -> None:
    lives = tuple(Run(str(1000 + each), NOW - 900 + each, NOW - 900 + each, NOW - 800 + each) for each in range(9))
    judge = Oracle(replace(WORLD, jobs=(Job("cdm", "copy", lives, "c"),)), began=NOW - 999)
    judge.look(shown(NOW - 850, state__running=1, runs_total__succeeded=0, runs_rows_written_total=0))
    labels: Labels = (("project", "hostile"), ("service", "cdm"))
    later = shown(state__running=0, state__succeeded=1, runs_total__succeeded=2)

    missed = {("huaweicloud_job_exporter_history_runs_missed_total", labels): 1.0}

    wrong = judge.missing(Scrape(NOW, 0.0, 200, {**later.samples, **missed}))
    assert "cdm/north/copy: 2 runs succeeded are counted, there were 9" in wrong


def test_values_may_be_older_while_intervals_are_longer_than_configured() -> None:
    labels: Labels = (("project", "hostile"),)
    name = "huaweicloud_job_exporter_poll_interval_stretch_ratio"
    old = shown(last_poll_timestamp_seconds=NOW - 22, progress_ratio=0.18)

    assert any("progress_ratio 0.18" in each for each in oracle().look(old))
    assert oracle().look(Scrape(NOW, 0.0, 200, {**old.samples, (name, labels): 2.0})) == []


def test_values_that_are_older_than_their_age_allows_are_wrong() -> None:
    """The first run, as it was, long after the second began: it should be gone, or marked by `up`."""
    scrape = parsed(
        "\n".join(
            (
                _line('run_info{run_id="1001",native_state="RUNNING"}', 1),
                _line('state{state="running"}', 1),
                _line("last_poll_timestamp_seconds", NOW - 80),
            )
        )
    )

    wrong = " ".join(oracle().look(Scrape(NOW, 0.0, 200, scrape)))

    assert "run 1001 is shown, but 1002 began 40.0 s ago" in wrong
    assert "state running, not of" in wrong


def test_a_run_or_a_job_that_there_is_not_is_wrong() -> None:
    who: Labels = (("job", "north/other"), ("service", "cdm"))
    other = {**shown().samples, ("huaweicloud_job_up", who): 1.0}

    assert oracle().look(Scrape(NOW, 0.0, 200, other)) == ["('cdm', 'north/other'): there is no such job"]


def test_a_job_that_is_not_up_when_all_is_quiet_is_missed() -> None:
    assert oracle().missing(shown(up=0)) == ["cdm/north/copy: up is 0.0"]


def test_an_older_run_is_believed_only_after_what_was_known_was_given_up() -> None:
    older = [
        _line('run_info{run_id="1001",native_state="SUCCEEDED"}', 1),
        _line('state{state="succeeded"}', 1),
        _line("last_poll_timestamp_seconds", NOW - 1),
    ]
    scrape = Scrape(NOW, 0.0, 200, parsed("\n".join(older)))
    stale = Scrape(NOW - 3, 0.0, 200, parsed("\n".join((_line("up", 0), older[2]))))
    judge = oracle()

    assert any("run 1001 is shown, but 1002 began" in each for each in judge.look(scrape))
    judge.look(stale)
    assert judge.look(scrape) == []


def test_a_success_is_seen_late_only_where_the_answer_tells_no_end() -> None:
    late = shown(last_success_timestamp_seconds=NOW + 30)
    judge = Oracle(replace(WORLD, jobs=(replace(WORLD.jobs[0], service="dli", name="north/copy"),)))
    by_dli = Scrape(NOW + 40, 0.0, 200, {(n, _dli(labels)): v for (n, labels), v in late.samples.items()})

    assert any("is the end of no run" in each for each in oracle().look(replace(late, at=NOW + 40)))
    assert not any("is the end of no run" in each for each in judge.look(by_dli))


def _dli(labels: Labels) -> Labels:
    return tuple((name, "dli" if name == "service" else value) for name, value in labels)


def test_a_run_that_no_list_told_because_its_job_was_hidden_is_not_asked_for() -> None:
    late = [f"dli/copy: run {FIRST} is shown, but {SECOND} began 40.0 s ago"]

    assert _hidden((45, 44), since=None) == late
    assert _hidden((50, 46), since=45) == []
    assert _hidden((32, 31), since=30) == late
    assert _hidden((50, 46), since=30) == []  # lists failed from before the run began until none had it
    assert _hidden((32, 31), since=30, restarted=40) == late
    assert _hidden((32, 31), since=30, restarted=31.5) == []  # another process was told of it
    assert _hidden((32, 31), since=30, restarted=25) == []


def test_a_run_is_asked_for_once_the_process_that_runs_has_read_the_lists_twice() -> None:
    """In the first reading rows may have moved between two pages, and what another process read it does not know."""
    judge = Oracle(World("p", NOW - 200, (Job("dli", "copy", RUNS),)), began=NOW - 150)
    late = [f"dli/copy: run {FIRST} is shown, but {SECOND} began 40.0 s ago"]

    assert judge.look(_older(NOW - 30)) == []
    assert judge.look(_older(NOW - 25)) == late
    judge.another_process()
    assert judge.look(_older(NOW - 20)) == []
    assert judge.look(_older(NOW - 10)) == late


def _hidden(read: tuple[float, ...], since: float | None, restarted: float = 100) -> list[str]:
    """Return what is wrong with the older run, where lists were *read* so many seconds ago and later lacked its job."""
    job = Job("dli", "copy", RUNS)
    judge = Oracle(World("p", NOW - 200, (job,)), began=NOW - 150)
    happens: list[tuple[float, Callable[[], object]]] = [(ago, partial(judge.look, _older(NOW - ago))) for ago in read]
    happens.append((restarted, judge.another_process))
    if since is not None:
        happens.append((since, partial(judge.hides, job, NOW - since)))
        happens.append((21, partial(judge.tells_again, job, NOW)))
    for _, happen in sorted(happens, key=lambda each: -each[0]):
        happen()
    judge.look(_older(NOW - 20))
    return judge.look(_older(NOW - 10))


def _older(read: float) -> Scrape:
    """Return a scrape that shows the first run, with when the lists were read last."""
    labels = 'service="dli",job="copy"'
    lines = [
        f'huaweicloud_job_state{{{labels},state="succeeded"}} 1',
        f'huaweicloud_job_info{{{labels},job_id="{FIRST}"}} 1',
        f'{OWN}discovery_last_success_timestamp_seconds{{service="dli",project="hostile"}} {read}',
    ]
    return Scrape(NOW, 0.0, 200, parsed("\n".join(lines)))
