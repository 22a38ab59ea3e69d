"""The flags that several commands have, and the settings that result from them."""

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from exporter.config import Settings, load
from exporter.config.flags import FILES, SETTINGS, Flags, check_flag
from exporter.config.settings import Format, Level


def common() -> argparse.ArgumentParser:
    """Return the flags of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=_file,
        help=f"the YAML file; else the one that EXPORTER_CONFIG names, {', '.join(FILES)}, or the environment alone",
    )
    add = partial(_add, parser)
    add("--log.level", metavar="LEVEL", help=f"the lowest level that is logged: {', '.join(Level)}")
    add("--log.format", metavar="FORMAT", help=f"the format of the log: {', '.join(Format)}")
    return parser


def serving(parents: list[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Return the flags of the commands that serve."""
    parser = argparse.ArgumentParser(add_help=False, parents=parents)
    add = partial(_add, parser)
    add("--web.listen-address", metavar="HOST:PORT", action="append", help="where to listen; may be repeated")
    add("--web.config.file", metavar="FILE", help="the web configuration file: TLS, users and headers")
    parser.add_argument(
        "--web.systemd-socket",
        action="store_const",
        const="true",
        help="listen on the sockets of a systemd socket unit instead",
    )
    return parser


def find_config(options: argparse.Namespace) -> Path | None:
    """Return the configuration file: the one that is named, else the first that is where one may be."""
    named: Path | None = options.config
    if named is None and (variable := os.environ.get("EXPORTER_CONFIG")):
        named = Path(variable)
    return named or next((Path(file) for file in FILES if os.path.lexists(file)), None)


def load_settings(
    options: argparse.Namespace, base: Mapping[str, Any] | None = None, *, jobs_needed: bool = True
) -> Settings:
    """Read the configuration by file, environment and flags; with *base* beneath it only a file that a flag names."""
    path = options.config if base else options.file
    return load(path, os.environ, base, jobs_needed=jobs_needed, flags=_given(options))


def tell_config(options: argparse.Namespace) -> None:
    """Say on standard error which configuration file was taken, unless the command line names it."""
    if options.config is None and options.file is not None:
        print(f"configuration file: {options.file}", file=sys.stderr)


def _given(options: argparse.Namespace) -> Flags:
    return {flag: value for flag in SETTINGS if (value := getattr(options, _dest(flag), None)) is not None}


def _add(parser: argparse.ArgumentParser, flag: str, **more: Any) -> None:
    parser.add_argument(flag, dest=_dest(flag), type=_setting(flag), **more)


def _dest(flag: str) -> str:
    return flag.removeprefix("--").replace("-", "_")


def _setting(flag: str) -> Callable[[str], str]:
    """Return what reads the value of a flag: refused as in the configuration file, and otherwise left as it is."""

    def read(text: str) -> str:
        try:
            check_flag(flag, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return read


def _file(text: str) -> Path:
    """Read the name of a file; nothing would be taken for the folder that we are in."""
    if not text:
        raise argparse.ArgumentTypeError("names no file; name one, or leave it out")
    return Path(text)
