"""The whole exporter, run as the command does, with settings as JSON: ``python -m benchmarks.daemon SETTINGS.json``.

A file of 100,000 jobs in YAML takes long to read, and that is not what is measured here.
"""

import asyncio
import json
import sys
from pathlib import Path

from exporter import logs
from exporter.app import App
from exporter.config import load


def _say(address: str) -> None:
    print(json.dumps({"port": int(address.rpartition(":")[2])}), flush=True)


def main(path: str) -> None:
    """Run until killed, and say the port once it serves."""
    settings = load(None, {}, json.loads(Path(path).read_text()))
    logs.configure(settings.log.level, settings.log.format)
    asyncio.run(App(settings).run(_say))


if __name__ == "__main__":
    main(sys.argv[1])
