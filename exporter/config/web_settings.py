"""The section ``web``: where it listens, who may reach it, what it shows, and how it ends."""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from exporter.config import types
from exporter.config.section import Section
from exporter.model.masking import VendorText


class Web(Section):
    """The web server."""

    listen_address: types.Listen = Field(
        default=("0.0.0.0:10926",),
        description="Where to listen, as host:port or a list of such; :10926 and [::]:10926 are every interface, by"
        " IPv4 and IPv6.",
    )
    systemd_socket: types.Switch = Field(
        default=False, description="Whether to listen on the sockets of a systemd socket unit instead."
    )
    config_file: types.File | None = Field(
        default=None,
        description="The web configuration file of Prometheus exporters: TLS, client certificates, users, headers and a"
        " rate limit; read again when it, or a file that it names, changes.",
    )
    allowed_hosts: tuple[types.HostName, ...] = Field(
        default=(),
        description="Names by which page, JSON and POST may be reached, besides the machine's own name, loopback names,"
        " addresses, and that of external_url; /metrics and health are reached by any name.",
    )
    external_url: types.ExternalUrl | None = Field(
        default=None, description="Where people reach the page, if that is at a proxy of another name."
    )
    max_connections: types.Count = Field(
        default=256,
        description="Connections that may be open at once (a number); for another one an idle one is closed.",
    )
    vendor_text: Annotated[VendorText, types.choice(VendorText)] = Field(
        default=VendorText.REDACTED,
        description="The vendor's own texts on page and JSON, and in what the command poll prints: off, redacted"
        " (secrets and literals masked, no statements) or full.",
    )
    history: types.Bytes = Field(
        default=32 << 20,
        description="The most memory for what page and JSON tell of the past (a size such as 32MiB), at most 1.2 KiB a"
        " job; above it the jobs that ended longest ago lose theirs first, 0 keeps none. With a journal it survives a"
        " restart, in a file beside it.",
    )
    enable_lifecycle: types.Switch = Field(
        default=False, description="Whether POST /-/reload loads the configuration again."
    )
    linger: types.Duration = Field(
        default=0.0,
        description="On SIGTERM poll what is not over once more and keep serving until everyone who scraped in the last"
        " five minutes was answered once more, at most this long (a duration).",
    )
    linger_scrapes: types.FewOrNone = Field(
        default=0,
        description="With web.linger: serve until so many scrapes were answered, whoever made them (a number); for"
        " Prometheus servers that reach it by one address, or that may not have scraped before the end.",
    )

    @field_validator("linger_scrapes")
    @classmethod
    def _lingers(cls, value: int, info: ValidationInfo) -> int:
        if value and info.data.get("linger") == 0:
            raise ValueError("it needs web.linger, the longest time to wait for them")
        return value
