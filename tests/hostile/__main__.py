"""Run the hostile cloud by hand: `python -m tests.hostile --seed 7 --share 0.3`.

Prints one line of JSON with the addresses, then serves until it is ended. `--only NAME` gives one misbehaviour,
`--list` says which there are; `--config FILE` writes a configuration for the exporter to be run against it.
"""

import argparse
import asyncio
import json
import random
import sys
import time
from pathlib import Path

from tests.hostile.daemon import configuration
from tests.hostile.misbehaviours import TABLE, Some, Table, always, mixture
from tests.hostile.truth import Author, Script
from tests.hostile.wire import Cloud


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m tests.hostile", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="of the world and of all that goes wrong")
    parser.add_argument("--jobs", type=int, default=30, help="how many there are, of all services")
    parser.add_argument("--length", type=float, default=3600, help="seconds for which runs begin")
    parser.add_argument("--share", type=float, default=0.3, help="of the calls that go wrong")
    parser.add_argument("--only", choices=sorted(TABLE), help="the one thing that goes wrong")
    parser.add_argument("--config", type=Path, help="where to write a configuration for the exporter")
    parser.add_argument("--list", action="store_true", help="say what can go wrong, and end")
    return parser.parse_args()


async def serve(args: argparse.Namespace) -> None:
    """Serve until the end."""
    rng = random.Random(args.seed)
    script = Script(args.jobs // 3, args.jobs // 6, args.jobs - args.jobs // 3 - args.jobs // 6, 3, args.length)
    world = Author(rng, time.time(), script).write()
    plan = always(args.only, rng, args.share) if args.only else Some(rng, args.share, mixture(), 0.02)
    async with Cloud(world, plan, Table(), rng) as cloud:
        if args.config:
            args.config.write_text(configuration({"hostile": cloud}))
        sys.stdout.write(
            json.dumps({"project": world.project, **{name: cloud.endpoint(name) for name in cloud.ports}}) + "\n"
        )
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Do what the command line says."""
    args = arguments()
    if args.list:
        sys.stdout.writelines(f"{name:28}{(each.run.__doc__ or '').strip()}\n" for name, each in sorted(TABLE.items()))
        return
    try:
        asyncio.run(serve(args))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
