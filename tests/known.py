"""What services there are, for the sentences that list them."""

from exporter.services import registry

ADAPTERS = registry.load_services()
SERVICES = ", ".join(sorted(ADAPTERS))
ENDPOINTS = ", ".join(sorted(["iam", *ADAPTERS]))
LISTED = ", ".join(sorted(name for name, adapter in ADAPTERS.items() if adapter.lists is not None))
LIMITS = {limit: rate for adapter in ADAPTERS.values() for limit, rate in adapter.limits.items()} | {"iam": 5.0}
