"""TLS of the web server, as the web configuration file describes it: its keys, and the resulting SSL context.

Names of versions, cipher suites and curves are those of Go. A setting that Python's ssl cannot apply is refused.
"""

import os
import ssl
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from exporter.config import files, go_values, types
from exporter.config.section import Section
from exporter.config.tree import MappingNode, Text
from exporter.model.messages import instead, quoted

CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
}
"""OpenSSL's name of each cipher suite that Go calls safe; those of TLS 1.3 are always on."""
_USUAL_CIPHERS: Final = ":".join(name for name in CIPHERS.values() if name)
CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}
_ENABLING: Final = ("cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type")
"""Keys of which any turns TLS on."""


class ClientAuth(StrEnum):
    """What is asked of a client's certificate."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


VERIFIED: Final = (ClientAuth.VERIFY_IF_GIVEN, ClientAuth.REQUIRE_AND_VERIFY)
_UNVERIFIED: Final = ("RequireAnyClientCert", "RequireClientCert")
"""Go asks for a certificate of no authority then; OpenSSL as Python has it cannot."""


class TlsError(ValueError):
    """Certificate, key and authorities make no TLS; *key* is where the mistake is."""

    def __init__(self, key: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key = key


def _pem(content: bytes, mark: bytes, what: str) -> bytes:
    if mark not in content:
        raise ValueError(f"expected {what} in PEM form; this holds none")
    return content


def _certificates(content: bytes) -> bytes:
    return _pem(content, b"-----BEGIN CERTIFICATE-----", "a certificate")


def _private_key(content: bytes) -> bytes:
    if b"ENCRYPTED" in content:
        raise ValueError("the key is encrypted; nobody is there to type its password: decrypt it with openssl pkey")
    return _pem(content, b"PRIVATE KEY-----", "a private key")


def _authorities(content: bytes) -> bytes:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=_certificates(content).decode("ascii"))
    except (UnicodeDecodeError, ssl.SSLError):
        raise ValueError("expected certificates in PEM form; one of these cannot be read") from None
    return content


def _known(word: str, what: str, known: Mapping[str, object]) -> str:
    if word not in known:
        raise ValueError(f"unknown {what} {quoted(word)}{instead(word, known)}")
    return str(word)


def _client_auth(text: str) -> ClientAuth:
    if text in _UNVERIFIED:
        raise ValueError(
            f"{text} cannot be had here: Python verifies a certificate or asks for none;"
            " use RequireAndVerifyClientCert with client_ca_file"
        )
    _known(text, "policy", dict.fromkeys(ClientAuth))
    return ClientAuth(text)


GoSwitch = Annotated[bool, types.reading("true or false", go_values.go_switch)]
_File = Annotated[bytes, types.reading("the path of a file", lambda text: files.read_file(files.path(text)))]
_Inline = Annotated[bytes, types.reading("text in PEM form", str.encode)]
_Version = Annotated[str, types.reading("a version", lambda text: _known(text, "TLS version", VERSIONS))]
_Cipher = Annotated[str, types.reading("a cipher suite", lambda text: _known(text, "cipher suite", CIPHERS))]
_Curve = Annotated[str, types.reading("a curve", lambda text: _known(text, "curve", CURVES))]


class TlsServer(Section):
    """The server's side of TLS. Files are read when this is made, and a file counts more than what is inline."""

    cert: Annotated[_Inline, AfterValidator(_certificates)] | None = Field(default=None, repr=False)
    cert_file: Annotated[_File, AfterValidator(_certificates)] | None = Field(default=None, repr=False)
    key: Annotated[_Inline, AfterValidator(_private_key)] | None = Field(default=None, repr=False)
    key_file: Annotated[_File, AfterValidator(_private_key)] | None = Field(default=None, repr=False)
    client_auth_type: Annotated[ClientAuth, types.reading("a policy", _client_auth)] = ClientAuth.NONE
    client_ca: Annotated[_Inline, AfterValidator(_authorities)] | None = Field(default=None, repr=False)
    client_ca_file: Annotated[_File, AfterValidator(_authorities)] | None = Field(default=None, repr=False)
    client_allowed_sans: tuple[types.Opaque, ...] | None = None
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    cipher_suites: tuple[_Cipher, ...] = ()
    prefer_server_cipher_suites: GoSwitch = True
    curve_preferences: tuple[_Curve, ...] = ()

    @field_validator("max_version")
    @classmethod
    def _not_below(cls, value: str, info: ValidationInfo) -> str:
        least = info.data.get("min_version")
        if least is not None and value < least:
            raise ValueError(f"expected min_version ({least}) or a later one, not {value}; no client could connect")
        return value

    @field_validator("cipher_suites")
    @classmethod
    def _of_a_version(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        most = info.data.get("max_version", "TLS13")
        if value and most < "TLS13" and not any(CIPHERS[name] for name in value):
            raise ValueError(f"all of these are of TLS 1.3, and max_version is {most}; no client could connect")
        return value

    @field_validator("curve_preferences")
    @classmethod
    def _one_or_all(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) not in (0, 1, len(CURVES)):
            raise ValueError("Python's ssl takes one curve or all of them; name one, or leave this out")
        return value

    @field_validator("client_allowed_sans")
    @classmethod
    def _some(cls, value: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if value == ():
            raise ValueError("expected at least one name; leave this out to accept every certificate of client_ca")
        return value


def without_blanks(table: MappingNode) -> MappingNode:
    """Return the keys that say something: of those that turn TLS on an empty text is as if it were not there."""
    kept = MappingNode(table.place)
    for key, node in table.items():
        if node is not None and not (key in _ENABLING and isinstance(node, Text) and not node):
            kept.put(key, table.keys_at[key], node)
    return kept


def enabled(table: MappingNode) -> bool:
    """Whether TLS is on."""
    return any(key in table for key in _ENABLING)


def combined_wrongly(table: MappingNode) -> Iterator[tuple[str, str]]:
    """Yield the mistakes in which keys are given together, each with the key to blame."""
    if not enabled(table):
        return
    for either, other in (("cert", "cert_file"), ("key", "key_file")):
        if either not in table and other not in table:
            yield "", f"missing one of {either} and {other}; TLS is on, because {_first(table)} is given"
    policy = table.get("client_auth_type", ClientAuth.NONE.value)
    verifies = policy in VERIFIED
    for key in ("client_ca", "client_ca_file"):
        if key in table and policy == ClientAuth.NONE:
            yield key, "client certificates are not asked for; set client_auth_type: RequireAndVerifyClientCert"
    if "client_allowed_sans" in table and not verifies:
        yield "client_allowed_sans", "needs certificates that are verified; set client_auth_type: " + VERIFIED[-1]


def _first(table: MappingNode) -> str:
    return next(key for key in _ENABLING if key in table)


def context_of(tls: TlsServer) -> ssl.SSLContext:
    """Return the context for connections; raises :class:`TlsError` if certificate, key and the rest do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION  # as in Go
    _limit(context, tls)
    _identify(context, tls)
    authorities = tls.client_ca_file or tls.client_ca
    if tls.client_auth_type in VERIFIED:
        required = tls.client_auth_type is ClientAuth.REQUIRE_AND_VERIFY
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        if authorities is not None:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any of them is believed, as in Go
            context.load_verify_locations(cadata=authorities.decode("ascii"))
    return context


def _limit(context: ssl.SSLContext, tls: TlsServer) -> None:
    """Set versions, cipher suites and curves."""
    names = [CIPHERS[name] for name in tls.cipher_suites if CIPHERS[name]]
    least = tls.min_version
    if tls.cipher_suites and not names:
        least = "TLS13"  # no suite is left for the versions before
    if least < "TLS12":
        # OpenSSL counts the hash that TLS 1.0 and 1.1 sign with as unsafe
        context.set_ciphers(":".join(names or [_USUAL_CIPHERS]) + ":@SECLEVEL=0")
    elif names:
        context.set_ciphers(":".join(names))
    context.minimum_version = VERSIONS[least]
    context.maximum_version = VERSIONS[tls.max_version]
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if len(set(tls.curve_preferences)) == 1:
        context.set_ecdh_curve(CURVES[tls.curve_preferences[0]])


def _identify(context: ssl.SSLContext, tls: TlsServer) -> None:
    """Load certificate and key, which the library takes from files only: from files in memory, then."""
    held: list[int] = []
    try:
        for content in (tls.cert_file or tls.cert or b"", tls.key_file or tls.key or b""):
            held.append(os.memfd_create("tls", os.MFD_CLOEXEC))
            with open(held[-1], "wb", closefd=False) as file:
                file.write(content)
        cert, key = (f"/proc/self/fd/{each}" for each in held)
        context.load_cert_chain(cert, key, password=lambda: "")  # a password is never asked for on a terminal
    except (ssl.SSLError, ValueError) as error:
        raise _unfit(error, tls) from None
    finally:
        for each in held:
            os.close(each)


def _unfit(error: Exception, tls: TlsServer) -> TlsError:
    """Say what is wrong with certificate and key; nothing of them is repeated."""
    reason = getattr(error, "reason", None) or ""
    key = "key_file" if tls.key_file is not None else "key"
    cert = "cert_file" if tls.cert_file is not None else "cert"
    if reason in ("KEY_VALUES_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):  # the latter is a key of another kind
        return TlsError(key, "this key is not that of the certificate; put both from the same issue beside each other")
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return TlsError(cert, f"OpenSSL refuses the certificate as too weak ({reason.lower().replace('_', ' ')})")
    return TlsError(cert, f"certificate and key cannot be loaded together; check that {cert} and {key} are whole")
