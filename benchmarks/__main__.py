"""``python -m benchmarks``: measure everything on this machine, print the table and write it as JSON."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from benchmarks import calls, dashboards, estimates, growth, lists, load, page, polls, scrape, size, table
from benchmarks.process import REPOSITORY
from benchmarks.upstream import Upstream, upstream

BENCHMARKS: Final[dict[str, Callable[..., Iterator[table.Row]]]] = {
    "scrape": scrape.run,
    "size": size.run,
    "polls": polls.run,
    "load": load.run,
    "growth": growth.run,
    "estimates": estimates.run,
    "lists": lists.run,
    "calls": calls.run,
    "page": page.run,
    "dashboards": dashboards.run,
}
COMPUTED: Final = {"estimates", "dashboards"}
"""Those that ask no cloud."""


def main() -> None:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="run only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds: tells if it runs")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "benchmarks" / "results.json", metavar="FILE")
    options = parser.parse_args()
    rows: list[table.Row] = []
    old = table.read(options.json) if options.only else []
    names = options.only or list(BENCHMARKS)
    with nullcontext() if COMPUTED.issuperset(names) else upstream() as cloud:
        for name in names:
            rows += _shown(BENCHMARKS[name], cloud, options.quick)
            table.write(table.merged(old, rows), options.json)
    print(f"\n{table.machine()}\n\n{table.as_markdown(table.merged(old, rows))}")


def _shown(run: Callable[..., Iterator[table.Row]], cloud: Upstream | None, quick: bool) -> Iterator[table.Row]:
    """Yield the rows and tell each as soon as it is known."""
    for row in run(cloud, quick=quick):
        print(f"{row.benchmark:8} {row.name:70} {row.value:12.3f} {row.unit:8} {row.verdict} {row.note}", flush=True)
        yield row


if __name__ == "__main__":
    main()
