"""The version of the exporter, the revision of its sources, and the Python version."""

import os
import platform

from exporter import __revision__, __version__


def what_runs() -> tuple[str, str, str]:
    """Return version, revision and Python; releases and the image know the revision, a checkout does not."""
    archived = "unknown" if __revision__.startswith("$") else __revision__
    return __version__, os.environ.get("SOURCE_REVISION") or archived, platform.python_version()
