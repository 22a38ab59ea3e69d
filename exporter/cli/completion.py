"""``completion``: prints the completion script of a shell, generated from the argument parsers."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from exporter.config.settings import Format, Level
from exporter.services import registry

PROGRAM: Final = "huaweicloud-job-exporter"
_FILE: Final = "FILE"
_BASH: Final = """\
# bash completion of {program}. In ~/.bashrc:
#   source <({program} completion bash)
_huaweicloud_job_exporter() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} words=
    if [[ $current == "=" ]]; then  # bash breaks --flag=value into three words
        current=
    elif [[ $before == "=" ]]; then
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    COMPREPLY=()
    case $before in
{values}
    esac
    if [[ -z $words ]]; then
        case $((COMP_CWORD == 1)),${{COMP_WORDS[1]}} in
{commands}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -F _huaweicloud_job_exporter {program}
"""
_ZSH: Final = """\
#compdef {program}
# zsh completion of {program}. In ~/.zshrc, after compinit:
#   source <({program} completion zsh)
_huaweicloud_job_exporter() {{
    local curcontext=$curcontext state line
    local -a commands=({described})
    typeset -A opt_args
    _arguments -C {options} '1:command:->command' '*::argument:->argument'
    case $state in
    command) _describe command commands ;;
    argument)
        case $words[1] in
{commands}
        esac
        ;;
    esac
}}
if [[ $funcstack[1] == _huaweicloud_job_exporter ]]; then
    _huaweicloud_job_exporter "$@"
else
    compdef _huaweicloud_job_exporter {program}
fi
"""


def command(options: argparse.Namespace) -> int:
    """Print what completes this program's command line in bash or zsh."""
    write = {"bash": bash, "zsh": zsh}[options.shell]
    print(write(options.parsers), end="")
    return 0


def _choices(action: argparse.Action) -> tuple[str, ...]:
    """Return the words that an option or an argument may be; none if it may be any."""
    if action.choices is not None:
        return tuple(map(str, action.choices))
    known = {"LEVEL": tuple(Level), "FORMAT": tuple(Format), "SERVICE": tuple(registry.load_services())}
    return known.get(str(action.metavar), ())


def bash(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the script for bash."""
    values = {}
    for action in (each for parser in parsers.values() for each in _actions(parser)):
        for option in action.option_strings if action.nargs != 0 else ():
            values[option] = _bash_value(action)
    by_value: dict[str, list[str]] = {}
    for option, value in values.items():
        by_value.setdefault(value, []).append(option)
    commands = [f"            1,*) words={_quoted(' '.join([*parsers, '--help', '--version']))} ;;"]
    commands += [
        f"            0,{name}) words={_quoted(' '.join(words_of(parser)))} ;;" for name, parser in parsers.items()
    ]
    return _BASH.format(
        program=PROGRAM,
        values="\n".join(f"        {'|'.join(options)}) {value} ;;" for value, options in by_value.items()),
        commands="\n".join(commands),
    )


def _bash_value(action: argparse.Action) -> str:
    if action.metavar == _FILE:
        return "compopt -o default 2>/dev/null; return"  # which completes files
    words = _choices(action)
    return f"words={_quoted(' '.join(words))}" if words else "return"


def words_of(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the options of a command, and the words that its arguments may be."""
    for action in _actions(parser):
        yield from action.option_strings or _choices(action)


def zsh(parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Return the script for zsh."""
    described = [f"{name}:{parser.description}" for name, parser in parsers.items()]
    commands = [
        f"        {name}) _arguments {' '.join(_zsh_specs(_actions(parser)))} ;;" for name, parser in parsers.items()
    ]
    return _ZSH.format(
        program=PROGRAM,
        described=" ".join(map(_quoted, described)),
        options=" ".join(_quoted(f"(- *){option}[{text}]") for option, text in _GENERAL),
        commands="\n".join(commands),
    )


_GENERAL: Final = (("--help", "say what there is"), ("--version", "say what this is"))


def _zsh_specs(actions: Iterable[argparse.Action]) -> Iterator[str]:
    for action in actions:
        text = (action.help or "").replace("[", "\\[").replace("]", "\\]")
        words = " ".join(_choices(action))
        value = "_files" if action.metavar == _FILE else f"({words})" if words else " "
        name = str(action.metavar or action.dest).replace(":", "\\:")
        if not action.option_strings and words:  # zsh would complete no option where it cannot complete an argument
            yield _quoted(f":{name}:{value}")
        for option in action.option_strings:
            others = f"({' '.join(action.option_strings)})" if not isinstance(action, argparse._AppendAction) else "*"  # noqa: SLF001
            takes = f":{name}:{value}" if action.nargs != 0 else ""
            equals = ("=" if option.startswith("--") else "+") if takes else ""
            yield _quoted(f"{others}{option}{equals}[{text}]{takes}")


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - there is no other list of them


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
