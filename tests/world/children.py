"""Each world in a process of its own, which begins as all others do and leaves nothing behind."""

import gc
import os
import pickle
import select
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.world.simulation import Finding, Verdict, simulate
from tests.world.story import Story
from tests.world.timepieces import REAL_TIME

LONGEST: Final = 300.0
"""Seconds of real time that a world may take."""


def judged(story: Story) -> Verdict:
    """Let a world happen in this process and return what came of it."""
    gc.disable()  # when it runs would depend on all that was before
    before = Path.cwd()
    os.environ.clear()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            return simulate(story)
        finally:
            os.chdir(before)


@dataclass
class _Child:
    story: Story
    process: int
    pipe: int
    began: float
    parts: list[bytes]


def _begin(story: Story) -> _Child:
    mine, theirs = os.pipe()
    process = os.fork()
    if process:
        os.close(theirs)
        return _Child(story, process, mine, REAL_TIME(), [])
    os.close(mine)
    sys.unraisablehook = lambda _: None  # of what was killed
    try:
        verdict = judged(story)
        data = pickle.dumps(verdict)
        while data:
            data = data[os.write(theirs, data) :]
    except BaseException:  # noqa: BLE001 - the parent is to know
        sys.stderr.write(f"seed {story.seed}: {traceback.format_exc()}")
        sys.stderr.flush()
    os._exit(0)


def _ended(child: _Child) -> Verdict:
    os.close(child.pipe)
    os.waitpid(child.process, 0)
    data = b"".join(child.parts)
    if data:
        verdict: Verdict = pickle.loads(data)
        return verdict
    finding = Finding(0.0, "world", "the simulation itself failed, or took too long")
    return Verdict(child.story, [finding], [], "")


def all_of(stories: Iterable[Story], cores: int, enough: Callable[[], bool] = lambda: False) -> Iterator[Verdict]:
    """Let worlds happen, some at a time, until there are no more or *enough* says so; yield each as it ends."""
    gc.collect()
    gc.freeze()
    waiting, running = iter(stories), dict[int, _Child]()
    while True:
        while len(running) < cores and not enough() and (story := next(waiting, None)) is not None:
            child = _begin(story)
            running[child.pipe] = child
        if not running:
            return
        ready, _, _ = select.select(list(running), [], [], 1.0)
        for pipe in ready:
            child = running[pipe]
            if part := os.read(pipe, 1 << 20):
                child.parts.append(part)
            else:
                del running[pipe]
                yield _ended(child)
        for child in running.values():
            if REAL_TIME() - child.began > LONGEST:
                os.kill(child.process, signal.SIGKILL)


def one(story: Story) -> Verdict:
    """Let one world happen."""
    return next(all_of([story], 1))


def smallest(verdict: Verdict, told: Callable[[str], None] = lambda text: None) -> tuple[Verdict, frozenset[int]]:
    """Leave out every event without which the same law is broken; return what is left and which were left out."""
    law, whole, left_out = verdict.findings[0].law, verdict.story, frozenset[int]()
    numbers = range(len(whole.events))
    for number in numbers:
        tried = left_out | {number}
        again = one(whole.without(tried))
        if any(finding.law == law for finding in again.findings):
            told(f"without {whole.events[number]}: still {again.findings[0]}")
            verdict, left_out = again, tried
    return verdict, left_out
