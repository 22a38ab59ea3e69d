"""The commands: run, demo, check, discover, poll, metrics and completion.

Exit codes: 0 success, 1 invalid configuration or failed command, 2 wrong usage. A mistake of the user is reported as a
sentence, never as a traceback.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from exporter.cli import check, completion, demo, discover, options, poll, reference, run
from exporter.metrics.build import what_runs
from exporter.model.errors import ExporterError
from exporter.services import registry

_EPILOG: Final = """\
examples:
  huaweicloud-job-exporter demo                            see it, without an account
  huaweicloud-job-exporter check -c exporter.yaml          every mistake in a configuration, or what it will do
  huaweicloud-job-exporter run --web.listen-address :9999  the daemon, by ./exporter.yaml

exit codes: 0 fine, 1 refused configuration or failed command, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = _parser().parse_args(arguments)
    given.file = options.find_config(given)
    try:
        result: int = given.command(given)
        sys.stdout.flush()
    except ExporterError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=completion.PROGRAM,
        description="Prometheus exporter for the progress of jobs on Huawei Cloud.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = "%(prog)s {}, revision {}, Python {}".format(*what_runs())
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    common = [options.common()]
    serving = [options.serving(common)]
    rules = argparse.ArgumentParser(add_help=False, parents=common)
    rules.add_argument(
        "--rules", action="store_true", help="list the jobs that the rules under discovery find, instead of all jobs"
    )
    online = argparse.ArgumentParser(add_help=False, parents=common)
    online.add_argument("--online", action="store_true", help="also make one call for each project and service")
    job = argparse.ArgumentParser(add_help=False, parents=common)
    job.add_argument(
        "service", metavar="SERVICE", help=f"the job's service, for example {registry.example()['service']}"
    )
    job.add_argument("job", metavar="JOB", nargs="?", help="the job's name, as in the label job")
    poll.add_ids(job)
    shell = argparse.ArgumentParser(add_help=False, parents=common)
    shell.add_argument("shell", choices=("bash", "zsh"), help="the shell")
    for name, command, parents in (
        ("run", run.command, serving),
        ("demo", demo.command, serving),
        ("check", check.command, [online]),
        ("discover", discover.command, [rules]),
        ("poll", poll.command, [job]),
        ("metrics", reference.command, common),
        ("completion", completion.command, [shell]),
    ):
        text = (command.__doc__ or "").split("\n", maxsplit=1)[0]
        added = commands.add_parser(name, help=text, description=text, parents=parents)
        added.set_defaults(command=command, wrong_usage=added.error, parsers=commands.choices)
    return parser
