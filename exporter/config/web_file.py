"""The web configuration file of Prometheus exporters: TLS, client certificates, headers, users and a rate limit.

Keys and their meaning are those of prometheus/exporter-toolkit. What Go supports and Python's ssl does not is refused
with a message, because a rule that is silently ignored is worse than none.
"""

import re
import ssl
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError

from exporter.config import explanations, files, go_values, types, web_tls, web_tls_checks, yaml_reader
from exporter.config.errors import Mistake, SourcePosition, lines
from exporter.config.section import Section
from exporter.config.tree import MappingNode, Text, place_of, without_halves
from exporter.config.web_tls import ClientAuth, TlsError, TlsServer
from exporter.model.errors import SettingsError
from exporter.model.messages import instead, quoted

_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
"""The headers that may be set, and the values that each may have; nothing is any value."""
_TLS: Final = "tls_server_config"
_HTTP: Final = "http_server_config"
_FILES: Final = ("cert_file", "key_file", "client_ca_file")
_LETTERS: Final = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits
"""The digits of bcrypt's base 64."""
_SALT_ENDS: Final = 28
_HASH: Final = re.compile(r"\$2[abxy]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_LOGIN_SECONDS: Final = 0.25 / 2**12
"""How long the check of a password takes at cost 0; each further one doubles it."""
_SLOW, _ENDLESS = 2.0, 60.0
"""Seconds of such a check: of which to warn, and which nobody waits for while one who guesses holds it up for all."""
_UNLIMITED: Final = 1e-6
"""Seconds between two requests that are no limit at all."""


def _header(name: str, text: str) -> str | None:
    """Return what is wrong with a header."""
    allowed = _HEADERS.get(name)
    if allowed is None:
        return f"this header cannot be set{instead(name, _HEADERS)}"
    if allowed and text not in allowed:
        return f"expected {' or '.join(allowed)}, not {quoted(text)}"
    if not (text.isascii() and text.isprintable()):
        return "expected one line of printable ASCII characters"
    return None


def _hash(text: str) -> str:
    # the value is not repeated: it may be a password where its hash belongs
    if not _HASH.fullmatch(text):
        raise ValueError("expected the bcrypt hash of the password; htpasswd -nBC 10 USER prints one")
    if (seconds := _login_seconds(text)) > _ENDLESS:
        raise ValueError(f"cost {_cost(text)} is some {seconds / 60:.0f} min for each try of a password; take 10 to 12")
    # four bits of the last letter of the salt say nothing; the library refuses them unless they are 0, others do not
    return text[:_SALT_ENDS] + _LETTERS[_LETTERS.index(text[_SALT_ENDS]) & ~15] + text[_SALT_ENDS + 1 :]


def _cost(hashed: str) -> int:
    return int(hashed[4:6])


def _login_seconds(hashed: str) -> float:
    return _LOGIN_SECONDS * 2.0 ** _cost(hashed)


class _HttpServer(Section):
    """What every answer carries."""

    http2: web_tls.GoSwitch = True
    """Without effect: the server speaks HTTP/1.1 only."""
    headers: Mapping[str, Annotated[str, types.reading("text", str)] | None] = {}


class RateLimit(Section):
    """How often requests are answered."""

    interval: Annotated[float, types.reading("a duration such as 5s", go_values.go_duration)] = 0.0
    """Seconds between two requests; 0 and less is no limit."""
    burst: Annotated[int, types.reading("a whole number", go_values.go_whole)] = 0
    """Requests that may come at once."""


class _File(Section):
    """The whole file."""

    tls_server_config: TlsServer = TlsServer()
    http_server_config: _HttpServer = _HttpServer()
    basic_auth_users: Mapping[str, Annotated[str, types.reading("a bcrypt hash", _hash)]] = Field({}, repr=False)
    rate_limit: RateLimit = RateLimit()


@dataclass(frozen=True)
class WebConfig:
    """What the file says, checked and ready for use: what was checked is what is used, no file is read again."""

    tls: ssl.SSLContext | None = None
    """``None`` is plain HTTP."""
    allowed_sans: frozenset[str] | None = None
    """Names of which a client's certificate must have one; ``None`` is any."""
    headers: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    """The hash of each user's password; without any, no password is asked for."""
    rate_limit: RateLimit | None = None
    warnings: tuple[str, ...] = ()
    """What is allowed and most likely not meant."""
    fingerprint: bytes = b""
    """What tells the file, with the files that it names, from any other content of them."""


def read_web_config(path: Path) -> WebConfig:
    """Return what the file says; raises :class:`SettingsError` with every mistake. Call it in a thread."""
    seen = fingerprint(path)  # before it is read: what changes meanwhile is to be noticed
    place = _start(path)
    try:
        root, doubled = yaml_reader.parse_yaml(yaml_reader.decoded(yaml_reader.configuration_bytes(path)), place)
    except FileNotFoundError:
        raise SettingsError([f"{path}: there is no such file; mount it or correct web.config_file"]) from None
    except yaml_reader.YamlError as error:
        raise SettingsError([str(Mistake(SourcePosition(str(path), error.line), (), error.sentence))]) from None
    mistakes = [Mistake(SourcePosition(str(path), error.line), (), error.sentence) for error in doubled]
    if root is None:
        root = MappingNode(place)
    if not isinstance(root, MappingNode):
        what = f'expected a mapping of settings at the top level, for example "{_TLS}:"'
        raise SettingsError(lines([*mistakes, Mistake(root.place, (), what)]))
    found = None
    try:
        found = _checked(root, mistakes)
    except ValidationError as error:
        mistakes += explanations.explained(error, root, _File)
    except TlsError as error:
        mistakes.append(_at(root, error.key, str(error)))
    if mistakes or found is None:
        raise SettingsError(lines(mistakes))
    return replace(found, fingerprint=seen)


def fingerprint(path: Path) -> bytes:
    """Return what is different whenever the file or one that it names is; also if one is gone. Call it in a thread."""
    digest = blake2b(digest_size=16)
    try:
        content = yaml_reader.configuration_bytes(path)
        digest.update(content)
        root, _ = yaml_reader.parse_yaml(yaml_reader.decoded(content), _start(path))
    except (OSError, yaml_reader.YamlError) as error:
        digest.update(repr(error).encode())
        return digest.digest()
    table = root.table(_TLS) if isinstance(root, MappingNode) else MappingNode(_start(path))
    for key in _FILES:
        try:
            named = table.get(key)
            digest.update(files.read_file(files.path(named)) if isinstance(named, Text) else b"")
        except ValueError as error:
            digest.update(str(error).encode())
        digest.update(b"\0")
    return digest.digest()


def _start(path: Path) -> SourcePosition:
    return SourcePosition(str(path), folder=path.absolute().parent)


def _checked(root: MappingNode, mistakes: list[Mistake]) -> WebConfig:
    """Return what is of use, and add to *mistakes*; raises ``ValidationError`` and :class:`TlsError`."""
    mistakes += without_halves(root)
    table = web_tls.without_blanks(root.table(_TLS))
    if isinstance(root.get(_TLS), MappingNode):
        root[_TLS] = table
    mistakes += [_at(root, key, sentence) for key, sentence in web_tls.combined_wrongly(table)]
    for name, node in root.table(_HTTP).table("headers").items():
        text = "" if node is None else node
        if isinstance(text, str) and (sentence := _header(name, text)) is not None:
            path = (_HTTP, "headers", name)
            mistakes.append(Mistake(place_of(root, path), path, sentence))
    said = _File.model_validate(dict(root))
    tls, sans = said.tls_server_config, said.tls_server_config.client_allowed_sans
    context = web_tls.context_of(tls) if web_tls.enabled(table) and not mistakes else None
    return WebConfig(
        tls=context,
        allowed_sans=None if sans is None else frozenset(sans),
        headers={name: text for name, text in said.http_server_config.headers.items() if text},
        users={name.encode(): text.encode() for name, text in said.basic_auth_users.items()},
        rate_limit=said.rate_limit if said.rate_limit.interval > 0 else None,
        warnings=(*_warnings(said, table), *(() if context is None else web_tls_checks.unreachable(context))),
    )


def _warnings(said: _File, table: MappingNode) -> Iterator[str]:
    tls = said.tls_server_config
    yield from (f"{_TLS}.{sentence}" for sentence in web_tls_checks.foreign_addresses(tls))
    if table and not web_tls.enabled(table):
        yield f"{_TLS}: nothing in it turns TLS on; set cert_file and key_file"
    if tls.client_auth_type in web_tls.VERIFIED and not (tls.client_ca or tls.client_ca_file):
        yield f"{_TLS}: without client_ca_file no client certificate is accepted, of public authorities neither"
    if tls.client_auth_type is ClientAuth.REQUEST:
        yield f"{_TLS}: RequestClientCert verifies nothing; anybody may connect"
    if said.basic_auth_users and not web_tls.enabled(table):
        yield "basic_auth_users: without TLS passwords can be read on the way"
    for name, hashed in said.basic_auth_users.items():
        if ":" in name:
            yield f"basic_auth_users.{name}: nobody can log in by a name that holds a colon; the password begins there"
        if (seconds := _login_seconds(hashed)) > _SLOW:
            yield f"basic_auth_users.{name}: cost {_cost(hashed)} is some {seconds:.0f} s for each try of a password"
    limit = said.rate_limit
    if limit.interval > 0 and limit.burst < 1:
        yield f"rate_limit.burst: {limit.burst} lets no request through"
    if limit.interval < 0 or 0 < limit.interval < _UNLIMITED:
        yield "rate_limit.interval: this limits nothing; give a number and its unit, such as 5s"


def _at(root: MappingNode, key: str, sentence: str) -> Mistake:
    path = (_TLS, key) if key else (_TLS,)
    return Mistake(place_of(root, path), path, sentence)
