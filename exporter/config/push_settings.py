"""The section ``push``: what gets the jobs' metrics at the end."""

from pydantic import Field

from exporter.config import types
from exporter.config.section import Section


class Push(Section):
    """A push at the end, for pods that no scrape catches."""

    pushgateway: types.PushgatewayUrl | None = Field(
        default=None,
        description=(
            "The Pushgateway to which the jobs' metrics are pushed once, when the exporter stops; without it nothing"
            " is pushed to one."
        ),
    )
    otlp: types.OtlpUrl | None = Field(
        default=None,
        description=(
            "The receiver to which the jobs' metrics are pushed once by OTLP over HTTP (as JSON), when the exporter"
            " stops: an OpenTelemetry Collector such as https://collector:4318, or Prometheus 3 such as"
            " https://prometheus:9090/api/v1/otlp. `/v1/metrics` is appended unless the URL ends with it."
        ),
    )
    timeout: types.Timeout = Field(
        default=5.0, description="Time that the last polls and the push may take together (a duration)."
    )

    @property
    def within(self) -> float:
        """Return how long a push may take; 0 if there is to be none."""
        return 0.0 if self.pushgateway is None and self.otlp is None else self.timeout
