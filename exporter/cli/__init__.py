"""The commands: run, demo, check, discover, poll, metrics and completion.

Exit codes: 0 success, 1 invalid configuration or failed command, 2 wrong usage. A mistake of the user is reported as a
sentence, never as a traceback.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from exporter.cli import check, completion, demo, discover, options, poll, reference, run
from exporter.cli.completion import PROGRAM
from exporter.metrics.build import what_runs
from exporter.model.errors import ExporterError
from exporter.model.messages import instead, quoted
from exporter.services import registry

_EXIT_CODES: Final = "exit codes: 0 fine, 1 refused configuration or failed command, 2 wrong usage"
_EXAMPLES: Final[Mapping[str, Mapping[str, str]]] = {
    "run": {
        "run": "the daemon, by ./exporter.yaml",
        "run -c exporter.yaml --web.listen-address :9999": "by another file, at another address",
    },
    "demo": {"demo": "see it, without an account"},
    "check": {
        "check -c exporter.yaml": "every mistake in a configuration, or what it will do",
        "check --online": "also who asks, on which way, and whether it may",
    },
    "discover": {
        "discover > jobs.yaml": "all jobs that there are, as a section to paste",
        "discover --rules": "what the rules of the configuration find",
    },
    "poll": {
        "poll {service} nightly-orders": "why a value is as it is",
        "poll {service} {ids}": "a job that is not registered",
    },
    "metrics": {"metrics": "every metric with its meaning"},
    "completion": {
        "source <(huaweicloud-job-exporter completion bash)": "in ~/.bashrc",
        "source <(huaweicloud-job-exporter completion zsh)": "in ~/.zshrc, after compinit",
    },
}
"""Command lines of each command, and what they are for; ``{service}`` and ``{ids}`` are those of some job."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = _parsed(sys.argv[1:] if arguments is None else arguments)
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


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line; one that cannot be read ends the process, with the remedy and exit code 2."""
    parser, first = _parser(), words[0] if words else ""
    if not first:
        parser.error(f"name a command: {', '.join(_EXAMPLES)}; demo needs neither account nor file")
    if first.startswith("-") and first not in {"-h", "--help", "--version"}:
        parser.error(f"flags follow the command, as in: {PROGRAM} run {' '.join(words)}")
    if not first.startswith("-") and first not in _EXAMPLES:
        parser.error(f"unknown command {quoted(first)}{instead(first, _EXAMPLES)}")
    given, unknown = parser.parse_known_args(words)
    if unknown:
        given.wrong_usage(f"unknown argument {quoted(unknown[0])}{_flag_instead(unknown[0], given.parsers[first])}")
    return given


def _flag_instead(word: str, parser: argparse.ArgumentParser) -> str:
    flag = word.partition("=")[0]
    known = [each for each in completion.words_of(parser) if each.startswith("--")]
    shorter = [each for each in known if flag.startswith(each)]  # --config.file, as other exporters have it
    return instead(flag, shorter or known) if flag.startswith("-") else ""


def _examples(examples: Mapping[str, str]) -> str:
    """Return the end of a help text."""
    service, *ids = registry.example().items()
    flags = " ".join(f"--{field.replace('_', '-')} {value}" for field, value in ids)
    filled = {line.format(service=service[1], ids=flags): text for line, text in examples.items()}
    lines = {line if PROGRAM in line else f"{PROGRAM} {line}": text for line, text in filled.items()}
    width = max(map(len, lines))
    return "\n".join(["examples:", *(f"  {line:<{width}}  {text}" for line, text in lines.items()), "", _EXIT_CODES])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Prometheus exporter for the progress of jobs on Huawei Cloud.",
        epilog=_examples({line: text for lines in _EXAMPLES.values() for line, text in [*lines.items()][:1]}),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    version = "%(prog)s {}, revision {}, Python {}".format(*what_runs())
    parser.add_argument("--version", action="version", version=version)
    _add_commands(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser


def _add_commands(commands: Any) -> None:
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
        added = commands.add_parser(
            name,
            help=text,
            description=text,
            parents=parents,
            epilog=_examples(_EXAMPLES[name]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command, wrong_usage=added.error, parsers=commands.choices)
