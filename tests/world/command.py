"""The command line: one seed and its trace, many seeds, and the smallest story that still goes wrong.

The hashes of texts are made the same in every process, and addresses too where the system lets us: what depends on
them would depend on no seed.
"""

import argparse
import ctypes
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from itertools import count
from tempfile import TemporaryDirectory

from tests.world import campaign
from tests.world.children import all_of, one, smallest
from tests.world.simulation import Verdict
from tests.world.soak import soak
from tests.world.story import MOST_FEW, Story, story_of
from tests.world.timepieces import REAL_TIME

_NO_RANDOM_ADDRESSES = 0x0040000


def main() -> int:
    """Do what the command line says; return 1 if anything was found."""
    options = _options()
    _same_everywhere()
    if options.soak:
        return _soaked(options)
    if options.seeds or options.minutes:
        return _many(options)
    story = _story(options, options.seed)
    if options.without:
        story = story.without(frozenset(int(number) for number in options.without.split(",")))
    verdict = one(story)
    if options.digest:
        _say(verdict.digest)
        return bool(verdict.findings)
    _say("\n".join(verdict.trace))
    if verdict.findings:
        _say(report(verdict, options))
        if options.shrink:
            _shrink(verdict, options)
    else:
        _say(f"{_world(story)}\nnothing found: {verdict.same_everywhere}\n{verdict.digest}")
    return bool(verdict.findings)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.world", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the one world that is to happen, with its trace")
    parser.add_argument("--seeds", help="many worlds instead, such as 1-40")
    parser.add_argument("--minutes", type=float, default=0.0, help="random seeds instead, for so long")
    parser.add_argument("--hours", type=float, default=0.12, help="of a world in which things go wrong")
    parser.add_argument("--jobs", type=int, help="how many CDM jobs there are, instead of as many as the seed draws")
    parser.add_argument("--only", default="", help="worlds with such an event or shape, such as bug,journal=True,crowd")
    parser.add_argument("--without", default="", help="numbers of events that are left out, such as 0,3")
    parser.add_argument("--shrink", action="store_true", help="leave out every event that does not matter")
    parser.add_argument("--stop", action="store_true", help="end with the first finding")
    parser.add_argument("--keep", action="store_true", help="add the figures to those of docs/reliability.md")
    parser.add_argument(
        "--held",
        type=float,
        default=0.0,
        help="milliseconds of CPU time that no callback may take",
    )
    parser.add_argument("--digest", action="store_true", help="print the digest of the trace alone")
    parser.add_argument("--soak", type=int, default=0, help="one exporter for so many polls instead")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between two polls of a job of a soak")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def _same_everywhere() -> None:
    """Start again with fixed hashes and addresses."""
    if os.environ.get("PYTHONHASHSEED") == "0":
        return
    os.environ["PYTHONHASHSEED"] = "0"
    ctypes.CDLL(None).personality(_NO_RANDOM_ADDRESSES)
    os.execv(sys.executable, [sys.executable, "-m", "tests.world", *sys.argv[1:]])


def _story(options: argparse.Namespace, seed: int) -> Story:
    return story_of(seed, options.hours * 3600, jobs=options.jobs)


def _stories(options: argparse.Namespace) -> Iterator[Story]:
    if options.seeds:
        first, _, last = options.seeds.partition("-")
        seeds: Iterator[int] = iter(range(int(first), int(last or first) + 1))
    else:
        seeds = count(int.from_bytes(os.urandom(4), "big") * 1000)
    wanted = [each for each in options.only.split(",") if each]
    stories = (_story(options, seed) for seed in seeds)
    return (story for story in stories if all(_has(story, each) for each in wanted))


def _has(story: Story, wanted: str) -> bool:
    """Whether an event of this kind is in the story, or its shape is so."""
    name, _, value = wanted.partition("=")
    if value:
        return str(getattr(story.shape, name)) == value
    return name in {event.kind for event in story.events} or (name == "crowd" and story.shape.cdm > MOST_FEW)


def _many(options: argparse.Namespace) -> int:
    began, wrong, figures, worlds = REAL_TIME(), 0, Counter[str](), 0

    def enough() -> bool:
        late = options.minutes and REAL_TIME() - began > 60 * options.minutes
        return bool(late or (options.stop and wrong))

    for verdict in all_of(_stories(options), options.cores, enough):
        worlds += 1
        held = _held(verdict, options.held)
        if options.held and held > options.held:
            wrong += not verdict.findings
            _say(f"seed {verdict.story.seed}: held: a callback held the event loop for {held:.1f} ms of CPU time")
        for name, figure in verdict.figures.items():
            figures[name] = (
                max(figures[name], figure) if name.startswith(("most", "longest")) else figures[name] + figure
            )
        if verdict.findings:
            wrong += 1
            _say(report(verdict, options))
            if options.shrink:
                _shrink(verdict, options)
            sys.stdout.flush()
    took = REAL_TIME() - began
    told = ", ".join(f"{name} {figure}" for name, figure in sorted(figures.items()))
    if options.keep:
        figures["number"] = worlds
        campaign.keep(options.seeds or "at random", figures, wrong, took)
    _say(f"{worlds} worlds in {took:.0f} s, {wrong} with findings; {told}")
    return bool(wrong)


def _held(verdict: Verdict, most: float) -> float:
    """Return the milliseconds of the longest callback; one that took too long is measured twice more, for the least."""
    name = "longest callback, us"
    if most and verdict.figures[name] > 1000 * most:
        verdict.figures[name] = min(one(verdict.story).figures[name] for _ in range(2))
    return verdict.figures[name] / 1000


def _soaked(options: argparse.Namespace) -> int:
    def tell(text: str) -> None:
        _say(text)
        sys.stdout.flush()

    with TemporaryDirectory() as folder, chdir(folder):
        os.environ.clear()
        figures, findings = soak(options.soak, options.interval, tell)
    if options.keep:
        campaign.keep_soak(figures)
    _say("\n".join([*findings, str(figures)]))
    return bool(findings)


def _shrink(verdict: Verdict, options: argparse.Namespace) -> None:
    least, left_out = smallest(verdict)
    text = ",".join(map(str, sorted(left_out)))
    _say(f"still with {len(least.story.events)} of {len(verdict.story.events)} events:")
    _say("\n".join(f"  {event}" for event in least.story.events))
    _say(f"  {least.findings[0]}\n  {_replay(least, options)}{f' --without {text}' if text else ''}")


def report(verdict: Verdict, options: argparse.Namespace) -> str:
    """Say what was found, what touched it last, and how to see it again."""
    first = verdict.findings[0]
    lines = [f"seed {verdict.story.seed}: {first}", *(f"  also {each}" for each in verdict.findings[1:4])]
    lines += [_world(verdict.story), "  what touched it last:", *(f"    {line[:300]}" for line in verdict.touched)]
    return "\n".join([*lines, f"  {_replay(verdict, options)}"])


def _world(story: Story) -> str:
    return "\n".join([f"  {story.shape}", *(f"  {number}: {event}" for number, event in enumerate(story.events))])


def _replay(verdict: Verdict, options: argparse.Namespace) -> str:
    jobs = f" --jobs {options.jobs}" if options.jobs is not None else ""
    return f"python -m tests.world --seed {verdict.story.seed} --hours {options.hours:g}{jobs}"
