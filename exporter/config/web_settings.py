"""The section ``web``: listen addresses, access, what the page shows, and how the exporter stops."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from exporter.config import types
from exporter.config.section import Section
from exporter.model.masking import VendorText


class Web(Section):
    """The web server."""

    listen_address: types.Listen = Field(
        default=("0.0.0.0:10926",),
        description=(
            "Where to listen, as host:port or a list of them; :10926 and [::]:10926 mean every interface, IPv4 and"
            " IPv6. A change needs a restart."
        ),
    )
    systemd_socket: types.Switch = Field(
        default=False,
        description="Listen on the sockets of a systemd socket unit instead of listen_address. A change needs a"
        " restart.",
    )
    config_file: types.File | None = Field(
        default=None,
        description="The web configuration file of Prometheus exporters: TLS, client certificates, users, headers and a"
        " rate limit; read again when it, or a file that it names, changes.",
    )
    allowed_hosts: tuple[types.HostName, ...] = Field(
        default=(),
        description=(
            "Host names by which page, JSON and POST may be reached, besides the machine's own name, loopback names,"
            " IP addresses, and the name in external_url; /metrics and health accept any name."
        ),
    )
    external_url: types.ExternalUrl | None = Field(
        default=None, description="The address at which people reach the page, for example that of a proxy."
    )
    max_connections: types.Count = Field(
        default=256,
        description="Client connections that may be open at once (a number); beyond that idle ones are closed.",
    )
    vendor_text: Annotated[VendorText, types.choice(VendorText)] = Field(
        default=VendorText.REDACTED,
        description=(
            "The vendor's own texts on page and JSON, and in the output of the command poll: off, redacted (secrets"
            " and literals masked, no statements) or full."
        ),
    )
    history: types.Bytes = Field(
        default=32 << 20,
        description=(
            "Memory for the past that page and JSON show (a size such as 32MiB), at most 1.2 KiB for each job; above"
            " it the jobs that ended longest ago lose their past first; 0 keeps none. With a journal the past"
            " survives a restart, in a file next to the journal."
        ),
    )
    enable_lifecycle: types.Switch = Field(
        default=False, description="Whether POST /-/reload loads the configuration again."
    )
    linger: types.Duration = Field(
        default=0.0,
        description=(
            "On SIGTERM poll unfinished jobs once more and keep serving until every client that scraped in the last"
            " five minutes has scraped once more, at most this long (a duration)."
        ),
    )
    linger_scrapes: types.FewOrNone = Field(
        default=0,
        description=(
            "With web.linger: keep serving until this many scrapes were answered, from whichever clients (a number);"
            " for Prometheus servers that share one address, or that may not have scraped before the end."
        ),
    )

    @field_validator("linger_scrapes")
    @classmethod
    def _lingers(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("linger") == 0:
            raise ValueError("it needs web.linger, the longest time to wait for them")
        return value
