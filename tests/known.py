"""What several tests go by: the services there are, and how many examples a test looks at."""

from hypothesis import settings

from exporter.services import registry

ADAPTERS = registry.load_services()
SERVICES = ", ".join(sorted(ADAPTERS))
ENDPOINTS = ", ".join(sorted(["iam", *ADAPTERS]))
LISTED = ", ".join(sorted(name for name, adapter in ADAPTERS.items() if adapter.lists is not None))
SUCH = f"{{service: {registry.example()['service']}, ...}}"
"""How messages show what an entry looks like."""
LIMITS = {limit: rate for adapter in ADAPTERS.values() for limit, rate in adapter.limits.items()} | {"iam": 5.0}


def examples(times: int) -> settings:
    """Look at some *times* as many examples as the profile says; at no more than pytest --hypothesis-profile=many."""
    return settings(max_examples=min(times * settings().max_examples, 2000), deadline=None)
