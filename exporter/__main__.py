"""``python -m exporter`` is the console command."""

import sys

from exporter.cli import main

sys.exit(main())
