"""Completion as it is used: a real shell at a terminal, in which somebody presses Tab."""

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest

from tests.e2e.processes import PATIENCE, environment, exporter

TYPED = [
    pytest.param("ch\t", ["check"], id="a command"),
    pytest.param("comp\tz\t", ["completion", "zsh"], id="an argument that is one of a few"),
    pytest.param("run --log.level warn\t", ["run", "--log.level", "warning"], id="the value of a flag"),
    pytest.param("check --web\t", ["check", "--web"], id="no flag of another command"),
    pytest.param("demo --log.format=con\t", ["demo", "--log.format=console"], id="a value behind ="),
    pytest.param("run -c my\t", ["run", "-c", "my exporter.yaml"], id="a file, with a space in its name"),
    pytest.param("demo --web.config.file w\t", ["demo", "--web.config.file", "web.yml"], id="a file of another flag"),
    pytest.param("discover --ru\t", ["discover", "--rules"], id="a flag of one command"),
    pytest.param("poll dw\t--job-i\t", ["poll", "dws", "--job-id"], id="a service, and the flag of an id"),
]


class Terminal:
    """A shell that sits at a terminal."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._said = ""

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until the shell wrote something, and return it."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self._said, re.DOTALL)) is None:
            assert time.monotonic() < deadline, self._said
            if select([self._terminal], [], [], 0.2)[0]:
                self._said += os.read(self._terminal, 65536).decode(errors="replace").replace("\r\n", "\n")
        self._said = self._said[found.end() :]
        return found


@contextmanager
def shell(folder: Path, *command: str) -> Iterator[Terminal]:
    """Run a shell at a terminal of its own, in a folder with two files."""
    for name in ("my exporter.yaml", "web.yml"):
        (folder / name).touch()
    ours, theirs = pty.openpty()
    environ = environment(TERM="dumb", PS1="$ ", HOME=str(folder), HISTFILE="")
    process = subprocess.Popen(
        command, cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(ours)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what writes the completion of a shell into a file."""

    def write(name: str) -> Path:
        done = exporter("completion", name)
        assert (done.returncode, done.stderr) == (0, "")
        path = tmp_path_factory.mktemp("completion") / name
        path.write_text(done.stdout)
        return path

    return write


STUB = "huaweicloud-job-exporter() { printf '<%s>' \"$@\"; echo; }\n"
"""What is completed: it says what it was given."""


def completed(terminal: Terminal, typed: str) -> list[str]:
    """Type the arguments of the command, and return what it was given."""
    for each in re.split(r"(?<=\t)", f"huaweicloud-job-exporter {typed}"):
        terminal.type(each)
        time.sleep(0.3)
    terminal.type("\n")
    return re.findall(r"<([^<>]*)>", terminal.said(r"\n(<[^\n]*>)\n")[1])


@pytest.mark.parametrize(("typed", "given"), TYPED)
def test_bash_completes(typed: str, given: list[str], script: Callable[[str], Path], tmp_path: Path) -> None:
    with shell(tmp_path, "bash", "--norc", "--noprofile", "-i") as terminal:
        terminal.type(f"{STUB}source {script('bash')}; echo now rea''dy\n")
        terminal.said("now ready")

        assert completed(terminal, typed) == given


@pytest.mark.needs("zsh")
@pytest.mark.parametrize(("typed", "given"), TYPED)
def test_zsh_completes(typed: str, given: list[str], script: Callable[[str], Path], tmp_path: Path) -> None:
    with shell(tmp_path, "zsh", "-f", "-i") as terminal:
        terminal.type(f"autoload -Uz compinit; compinit -u -D\n{STUB}source {script('zsh')}; echo now rea''dy\n")
        terminal.said("now ready")

        assert completed(terminal, typed) == given


@pytest.mark.parametrize("shell_name", ["fish", ""])
def test_another_shell_is_wrong_usage(shell_name: str) -> None:
    done = exporter("completion", shell_name)

    assert done.returncode == 2
    assert "bash" in done.stderr
    assert "zsh" in done.stderr
    assert sys.executable not in done.stderr
