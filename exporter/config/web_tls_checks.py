"""Checks of TLS settings that are valid but with which no client could connect."""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from exporter.config.web_tls import TlsServer


def foreign_addresses(tls: TlsServer) -> Iterator[str]:
    """Yield the addresses among the names of clients that no certificate can have as they are written."""
    for number, name in enumerate(tls.client_allowed_sans or ()):
        with suppress(ValueError):
            if (written := str(ip_address(name))) != name:
                yield f"client_allowed_sans[{number}]: names are compared as texts, and this address is {written} there"


def unreachable(context: ssl.SSLContext) -> Iterator[str]:
    """Yield why no client could connect: a handshake begins in memory, with a client that takes whatever there is."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    said, heard = ssl.MemoryBIO(), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        client.wrap_bio(heard, said).do_handshake()
    try:
        context.wrap_bio(said, heard, server_side=True).do_handshake()
    except ssl.SSLWantReadError:
        return
    except ssl.SSLError as error:
        why = (error.reason or "").lower().replace("_", " ")
        yield f"tls_server_config: no client could connect ({why}); cipher_suites must fit the kind of the certificate"
