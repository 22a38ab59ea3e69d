"""The version of the exporter, the revision of its sources, and the Python version."""

import os
import platform

from exporter import __version__


def what_runs() -> tuple[str, str, str]:
    """Return version, revision and Python; the image knows the revision, an installation by hand does not."""
    return __version__, os.environ.get("SOURCE_REVISION") or "unknown", platform.python_version()
