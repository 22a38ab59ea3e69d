"""The section ``push``: the Pushgateway that gets the jobs' metrics at the end."""

from pydantic import Field

from exporter.config import types
from exporter.config.section import Section


class Push(Section):
    """A push at the end, for pods that no scrape catches."""

    pushgateway: types.EndpointUrl | None = Field(
        default=None,
        description=(
            "The Pushgateway to which the jobs' metrics are pushed once, when the exporter stops; without it nothing"
            " is pushed."
        ),
    )
    timeout: types.Timeout = Field(
        default=5.0, description="Time that the last polls and the push may take together (a duration)."
    )
