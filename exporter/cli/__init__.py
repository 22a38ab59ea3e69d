"""The commands: run, demo, check, discover, poll and metrics.

Exit codes: 0 fine, 1 refused configuration or failed command, 2 wrong usage. A user's mistake is answered with a
sentence, never with a traceback.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from exporter import __version__
from exporter.cli import check, demo, discover, poll, reference, run
from exporter.model.errors import ExporterError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        result: int = options.command(options)
        sys.stdout.flush()
    except ExporterError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result


def _file(text: str) -> Path:
    """Read the name of a file; nothing would be taken for the folder that we are in."""
    if not text:
        raise argparse.ArgumentTypeError("names no file; name one, or leave it out")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="huaweicloud-job-exporter",
        description="Prometheus exporter for the progress of jobs on Huawei Cloud.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    config = argparse.ArgumentParser(add_help=False)
    config.add_argument(
        "--config",
        metavar="FILE",
        type=_file,
        default=os.environ.get("EXPORTER_CONFIG") or None,
        help="the YAML file; without it EXPORTER_CONFIG names it, or the environment alone configures",
    )
    rules = argparse.ArgumentParser(add_help=False, parents=[config])
    rules.add_argument("--rules", action="store_true", help="list what the rules under discovery find, not all jobs")
    job = argparse.ArgumentParser(add_help=False, parents=[config])
    job.add_argument("service", metavar="SERVICE", help="the job's service, for example dli")
    job.add_argument("job", metavar="JOB", nargs="?", help="the job's name, as in the label job")
    poll.add_ids(job)
    for name, command, parents in (
        ("run", run.command, [config]),
        ("demo", demo.command, []),
        ("check", check.command, [config]),
        ("discover", discover.command, [rules]),
        ("poll", poll.command, [job]),
        ("metrics", reference.command, []),
    ):
        text = (command.__doc__ or "").split("\n", maxsplit=1)[0]
        added = commands.add_parser(name, help=text, description=text, parents=parents)
        added.set_defaults(command=command, wrong_usage=added.error)
    return parser
