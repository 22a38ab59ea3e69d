"""Renders the page with a template engine.

The engine and the templates are loaded at the first view, so that a page that nobody opens does not slow down the
start.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import cache, partial
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from exporter import __version__
from exporter.web.page import charts, formatting
from exporter.web.page.addresses import Viewer
from exporter.web.page.texts import LANGUAGES, Texts

if TYPE_CHECKING:
    from jinja2 import Environment

_REFRESH: Final = 5
"""Seconds between two refreshes."""
ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_ICON: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4" fill="#1d2733"/>'
    b'<rect x="3" y="6" width="10" height="4" rx="2" fill="#3d4f61"/>'
    b'<rect x="3" y="6" width="6" height="4" rx="2" fill="#4cc2a6"/></svg>'
)
_FOLDER: Final = Path(__file__).parent / "templates"
_STAMP: Final = "stamp_seconds"
_MARK: Final = f"\x02{secrets.token_hex(8)}"
"""What a text that changes by the second begins with until all else is rendered; nobody outside can know it."""
_PLAIN_TEXT: Final = re.compile(r"\{\{ _\('([^'{]*)'\) \}\}")
_MOVING: Final = re.compile(_MARK + r"(\w+) ([-+.\w]+)\x03")
_FORMS: Final[Mapping[str, Callable[[float, float, Texts], str]]] = {
    "ago": formatting.ago,
    "due": formatting.due,
    "for": formatting.lasting,
}
"""How the time between a moment and now is written."""


@cache
def static(name: str) -> tuple[bytes, str]:
    """Return a static file and a short name of its content, so that a browser may keep it for ever."""
    content = (_FOLDER / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment(say: Texts) -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(partial(_translated, say)),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(version=__version__, refresh=_REFRESH, charts=charts)
    environment.globals.update(words=_Words(say), langs=LANGUAGES.items())
    environment.globals.update(_=_say_in_template(say), lang=say.lang, script_texts=say.script(), **_times(say))
    environment.globals.update(asset=lambda name: f"static/{name}?v={static(name)[1]}", tabular=_tabular)
    environment.tests["moment"] = lambda name: str(name).endswith(_STAMP)
    return environment


def _translated(say: Texts, name: str) -> str:
    """Return a template with its texts in one language: what has no value in it is no call when a page is rendered."""
    source = (_FOLDER / name).read_text()
    return _PLAIN_TEXT.sub(lambda found: escape(say(found[1])), source)


def _times(say: Texts) -> dict[str, Callable[..., str]]:
    """Return what renders moments; a page has hundreds, so these are no macros."""
    from markupsafe import Markup

    unknown = Markup(f'<span class="unknown" title="{say("unknown")}">{formatting.UNKNOWN}</span>')  # noqa: S704
    since = say("since")

    def element(at: float, more: str, title: str, text: str) -> str:
        utc = formatting.utc(at)
        iso = f"{utc[:10]}T{utc[11:19]}Z" if utc.endswith("UTC") else ""
        return Markup(f'<time datetime="{iso}" data-at="{at}"{more} title="{title}{utc}">{text}</time>')  # noqa: S704

    def when(at: float | None) -> str:
        return unknown if at is None else element(at, "", "", f"{_MARK}ago {at!r}\x03")

    def at_clock(at: float | None, now: float, zone: tzinfo | None) -> str:
        if at is None:
            return unknown
        return element(at, ' data-form="clock"', "", formatting.clock(at, now, zone, say))

    def lasted(at: float) -> str:
        return element(at, ' data-form="for"', f"{since} ", f"{_MARK}for {at!r}\x03")

    def due_time(at: float) -> str:
        return element(at, ' data-due="1"', "", f"{_MARK}due {at!r}\x03")

    return {"when": when, "at_clock": at_clock, "lasted": lasted, "due_time": due_time}


class _Words:
    """What templates format numbers and times by, in one language."""

    UNKNOWN = formatting.UNKNOWN
    exact_text = staticmethod(formatting.exact_text)
    percent = staticmethod(formatting.percent)
    title = staticmethod(formatting.field_title)
    utc = staticmethod(formatting.utc)

    def __init__(self, say: Texts) -> None:
        self.span = partial(formatting.span, say=say)


def _say_in_template(say: Texts) -> Callable[..., str]:
    """Return *say* for templates: what stands in a text is escaped, unless it is markup."""
    from markupsafe import Markup

    def said(text: str, **values: object) -> str:
        return Markup(say(text)).format(**values) if values else say(text)  # noqa: S704 - texts with values are ours

    return said


def render_page(template: str, view: Mapping[str, Any]) -> bytes:
    """Return a page as bytes; slow enough for a thread of its own, and it may be one: *view* is no longer shared."""
    now, say = view["now"], view["viewer"].say
    text = _environment(say).get_template(template).render(view)
    text = _MOVING.sub(lambda found: _FORMS[found[1]](float(found[2]), now, say), text)
    return text.encode("utf-8", "replace")


def render_row(job: Mapping[str, Any], viewer: Viewer) -> str:
    """Return the row of one job for :func:`render_page`: what changes by the second is left to that.

    Templates look for attributes first, and a mapping that has none costs an exception for each of its fields.
    """
    row: str = _environment(viewer.say).get_template("row.html").module.row(SimpleNamespace(**job), viewer.now)  # type: ignore[attr-defined]
    return row


def render_strip(strip: charts.Strip) -> str:
    """Return the picture of a day for a row."""
    from markupsafe import Markup, escape

    paths = "".join(f'<path class="m-{kind}" d="{path}"/>' for kind, path in strip.paths)
    return Markup(  # noqa: S704 - kinds and paths are ours
        f'<svg class="strip" viewBox="0 0 {charts.STRIP} 16" preserveAspectRatio="none" role="img">'
        f"<title>{escape(strip.words)}</title>"
        f'<path class="base" d="M0 15h{charts.STRIP}v1h-{charts.STRIP}z"/>{paths}</svg>'
    )


def _tabular(value: object) -> list[str] | None:
    """Return the columns if *value* is a list of objects, which is shown as a table; else ``None``.

    A time that was read is shown once: as the moment, not as the text that it was read from too.
    """
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    names = list(dict.fromkeys(str(name) for item in value for name in item))
    return [name for name in names if f"{name}{_STAMP}" not in names]


def icon(failed: int, blind: int) -> bytes:
    """Return the icon of the page, with how many jobs failed, or else are blind."""
    number, color = (failed, "#bf2a2f") if failed else (blind, "#925b00")
    if not number:
        return _ICON
    text = str(number) if number < 100 else "99+"
    size = 11 if len(text) == 1 else 9 if len(text) == 2 else 7
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="4"'
        f' fill="{color}"/><text x="8" y="{8 + size * 0.36:.1f}" font-family="sans-serif" font-weight="700"'
        f' font-size="{size}" text-anchor="middle" fill="#fff">{text}</text></svg>'
    ).encode()
