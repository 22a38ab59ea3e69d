"""Where a service answers: the operator's own address, else the region's exception, else the cloud's pattern.

The hosts of a service are data of its adapter.
"""

import re
from collections.abc import Mapping
from typing import Final

from exporter.core.adapter import Adapter
from exporter.core.errors import SettingsError

FOREIGN: Final = {"otc": frozenset({"eu-ch2"})}
"""Regions of a cloud that live under another domain than its pattern, by cloud."""

REGION: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""What the name of a region looks like: it becomes part of a host's name, and anything else could name another."""


def endpoint(adapter: Adapter, cloud: str, region: str, overrides: Mapping[str, str]) -> str:
    """Return the base URL of a service, without a slash at its end.

    *overrides* are the project's ``endpoints``, by service. Raises
    :class:`~exporter.core.errors.SettingsError` if none of them, the cloud and the region tells the host.
    """
    service, hosts = adapter.service, adapter.hosts
    if given := overrides.get(service):
        return given.rstrip("/")
    remedy = f"set projects.<name>.endpoints.{service}"
    pattern = hosts.patterns.get(cloud)
    if pattern is None:
        known = ", ".join(sorted(hosts.patterns))
        raise SettingsError([f"no address of {service} is known for cloud {cloud!r} (known: {known}); {remedy}"])
    if not REGION.fullmatch(region):
        # The region becomes part of a host name: anything else in it could name another host.
        raise SettingsError([f"{region!r} is not the name of a region, so {service} has no address; {remedy}"])
    if cloud == "huaweicloud" and region in hosts.exceptions:
        return hosts.exceptions[region].rstrip("/")
    if region in FOREIGN.get(cloud, ()):
        raise SettingsError([f"no address of {service} is known in region {region} of {cloud}; {remedy}"])
    return pattern.format(region=region).rstrip("/")
