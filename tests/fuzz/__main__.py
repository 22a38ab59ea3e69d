"""`python -m tests.fuzz` looks for bytes that break what a parser promises, for some seconds each.

Where atheris is installed it is guided by which code the bytes reach, and keeps those that reach more in a folder; else
hypothesis draws them, which reaches less.
"""

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

GUIDED = importlib.util.find_spec("atheris") is not None


def main() -> int:
    """Try every parser, or those that are named, and return 1 if one broke its promise."""
    words = argparse.ArgumentParser("python -m tests.fuzz", description=(__doc__ or "").splitlines()[0])
    words.add_argument("parsers", nargs="*", help="names of parsers; all of them if there is none")
    words.add_argument("--seconds", type=float, default=60.0, help="for each parser")
    words.add_argument("--corpus", type=Path, help="a folder in which inputs are kept from run to run")
    words.add_argument("--guided", action="store_true", help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.guided:
        _guided(options.parsers[0], options.seconds, options.corpus)
    if not GUIDED:
        _say("atheris is not installed: inputs are drawn by hypothesis, and not guided by coverage")
    broken = [
        name for name in options.parsers or sorted(_parsers()) if not _holds(name, options.seconds, options.corpus)
    ]
    _say(f"broken: {', '.join(broken)}" if broken else "every parser kept its promise")
    return bool(broken)


def _parsers() -> Mapping[str, Any]:
    """Import the parsers: not before it is known whether what they reach is to be followed."""
    table: Mapping[str, Any] = importlib.import_module("tests.fuzz.parsers").PARSERS
    return table


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _holds(name: str, seconds: float, corpus: Path | None) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        known = (corpus or Path(folder)) / name
        known.mkdir(parents=True, exist_ok=True)
        for number, example in enumerate(_parsers()[name].examples):
            (known / f"example-{number}").write_bytes(example)
        held = _guided_apart(name, seconds, known) if GUIDED else _drawn(name, seconds)
    _say(f"{name}: {'held' if held else 'BROKEN'} in {time.monotonic() - began:.0f} s")
    return held


def _guided_apart(name: str, seconds: float, known: Path) -> bool:
    command = [sys.executable, "-m", "tests.fuzz", name, "--guided", "--seconds", str(seconds), "--corpus", str(known)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        _say(ran.stdout[-4000:] + ran.stderr[-4000:])
    else:
        _say("\n".join(line for line in ran.stderr.splitlines() if "DONE" in line or "Done " in line))
    return ran.returncode == 0


def _guided(name: str, seconds: float, known: Path) -> None:
    """Try one parser in this process, which ends with it."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["exporter"]):
        feed = _parsers()[name].feed
    options = [f"-max_total_time={seconds:.0f}", "-timeout=20", "-rss_limit_mb=1024", "-max_len=20000"]
    atheris.Setup([sys.argv[0], f"-artifact_prefix={known.parent}/", *options, str(known)], feed)
    atheris.Fuzz()


def _drawn(name: str, seconds: float) -> bool:
    from hypothesis import HealthCheck, given, settings

    from tests.fuzz.test_parsers import mutated

    parser = _parsers()[name]
    until = time.monotonic() + seconds
    while time.monotonic() < until:

        @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(mutated(parser))
        def feed(data: bytes) -> None:
            parser.feed(data)

        try:
            feed()
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is to be shown
            _say("".join([*getattr(problem, "__notes__", []), f"\n{problem!r}"]))
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
