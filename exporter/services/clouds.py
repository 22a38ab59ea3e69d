"""The host of a service: the operator's own URL, else the exception for the region, else the pattern of the cloud.

The hosts of a service are declared by its adapter.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from exporter.model.errors import SettingsError
from exporter.services.adapter import Adapter, Hosts

_OWN: Final = {"otc": frozenset({"eu-de", "eu-nl", "eu-ch2"})}
"""Regions of a cloud, whichever services it lists in them, by cloud."""
_FOREIGN: Final = {"otc": frozenset({"eu-ch2"})}
"""Regions of a cloud that live under another domain than its pattern, by cloud."""

REGION: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""What the name of a region looks like: it becomes part of a host's name, and anything else could name another."""

IAM: Final = Hosts(
    {"huaweicloud": "https://iam.{region}.myhuaweicloud.com", "otc": "https://iam.{region}.otc.t-systems.com"},
    {"eu-west-101": "https://iam.eu-west-101.myhuaweicloud.eu"},
)
"""Where tokens and project ids come from (the vendor's list of regions and endpoints)."""
IAM_LIMITS: Final = {"iam": 5.0}
"""The limit class of calls to IAM, which every kind of credentials may need, and the calls a second that it allows when
the operator says nothing. The vendor documents none; a token is asked for twice a day and an id once."""
_SWISS_IAM: Final = "https://iam-pub.eu-ch2.sc.otc.t-systems.com"
"""The one IAM of OTC that lives under another domain."""


def iam_endpoint(cloud: str, region: str, overrides: Mapping[str, str]) -> str:
    """Return the base URL of IAM, as :func:`endpoint` does for a service."""
    if (cloud, region) == ("otc", "eu-ch2"):
        overrides = {"iam": _SWISS_IAM, **overrides}
    return _endpoint("iam", IAM, cloud, region, overrides)


def endpoint(adapter: Adapter, cloud: str, region: str, overrides: Mapping[str, str]) -> str:
    """Return the base URL of a service, without a slash at its end.

    *overrides* are the project's ``endpoints``, by service. Raises
    :class:`~exporter.model.errors.SettingsError` if none of them, the cloud and the region tells the host.
    """
    return _endpoint(adapter.service, adapter.hosts, cloud, region, overrides)


def endpoints(
    adapters: Mapping[str, Adapter], cloud: str, region: str, overrides: Mapping[str, str]
) -> Mapping[str, str]:
    """Return the base URLs of those services whose host is known; the settings refuse jobs of the others."""
    found: dict[str, str] = {}
    for service, adapter in adapters.items():
        with suppress(SettingsError):
            found[service] = endpoint(adapter, cloud, region, overrides)
    return found


def regions(adapters: Mapping[str, Adapter], cloud: str) -> frozenset[str]:
    """Return the regions of a cloud that are known: its own, and those in which it lists any of the services."""
    return _OWN.get(cloud, frozenset()).union(*[each.hosts.regions.get(cloud, ()) for each in adapters.values()])


def _endpoint(service: str, hosts: Hosts, cloud: str, region: str, overrides: Mapping[str, str]) -> str:
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
    if region in _FOREIGN.get(cloud, ()):
        raise SettingsError([f"no address of {service} is known in region {region} of {cloud}; {remedy}"])
    return pattern.format(region=region).rstrip("/")
