"""Turn values into pages: one Jinja environment, the reader's words passed in with each page."""

import hashlib
import json
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.node.language import LANGUAGES
from mithaq.web.labels import LABELS

_SHORT_CHARS = 300

_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ASCII_RUN = re.compile("([!-~]+)")
_JOINTS = frozenset("./:@\\")
STATIC = Path(__file__).parent / "static"


@pass_context
def _gettext(context: Context, message: str) -> str:
    translated: str = context["words"].catalogue.gettext(message) if message else ""
    return translated


@pass_context
def _ngettext(context: Context, one: str, many: str, count: int) -> str:
    translated: str = context["words"].catalogue.ngettext(one, many, count)
    return translated


@pass_context
def _label(context: Context, value: Any) -> str:
    """Say an enumerated value in words; a value nobody gave words to stays as it is."""
    found: str = context["words"].gettext(LABELS.get(str(value), str(value)))
    return found


def visible(text: str) -> str:
    """Return machine text with every invisible or direction-changing character written out as its escape.

    Source: Unicode TR36 §3.1 and CVE-2021-42574, text that reads otherwise than it is.
    """
    return "".join(char if char in "\n\t" or char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def plain(text: str) -> str:
    """Return human text in which nothing overrides the direction of what follows.

    Marks that writers of Arabic use (U+200C to U+200F, U+061C) stay.
    """
    return _OVERRIDES.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def apart(text: str) -> Markup:
    """Return human text in which whatever a machine reads (an address, a path) stands apart, left to right.

    Without it an address of numbers and dots runs backwards in a line of Arabic (UAX 9 §3.3.4, W2). Elements and no
    control characters, so that none of it is copied with the text.
    """
    runs = _ASCII_RUN.split(plain(text))
    return Markup("").join(_apart(run) if odd % 2 else run for odd, run in enumerate(runs))


def _apart(run: str) -> Markup:
    value = run.rstrip(".,:;!?)")
    if _JOINTS.isdisjoint(value):
        return escape(run)
    return Markup('<bdi dir="ltr">{}</bdi>{}').format(value, run[len(value) :])


def sentence(text: str) -> str:
    """Return a sentence of the node's own, in which foreign names stand in isolates (U+2068, U+2069).

    Isolates that pair up stay, so that a name reorders nothing; whatever overrides a direction is written out.
    """
    depth = 0
    for char in text:
        depth += {"\u2068": 1, "\u2069": -1}.get(char, 0)
        if depth < 0:
            return plain(text)
    return plain(text) if depth else "".join(each if each in "\u2068\u2069" else plain(each) for each in text)


@lru_cache
def static_url(name: str) -> str:
    """Return the address of a static file, with its digest so that browsers may keep it for good."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:16]
    return f"/static/{name}?v={digest}"


@cache
def environment() -> Environment:
    """Return the one environment: everything is escaped, an unknown name is an error."""
    env = Environment(
        loader=PackageLoader("mithaq.web"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install = env.install_gettext_callables  # type: ignore[attr-defined]  # added by the i18n extension
    install(_gettext, _ngettext, newstyle=True)
    env.globals.update(label=_label, static=static_url, languages=LANGUAGES, rfc3339=rfc3339, instant=from_rfc3339)
    env.filters.update(
        visible=visible, plain=plain, sentence=sentence, apart=apart, shortened=shortened, tojson_text=tojson_text
    )
    return env


def shortened(text: str) -> str:
    """Return the beginning of a long text."""
    return text if len(text) <= _SHORT_CHARS else text[:_SHORT_CHARS] + "…"


def tojson_text(value: Any) -> str:
    """Return a value of an object as JSON, as text."""
    return json.dumps(value, ensure_ascii=False)


def render(template: str, **context: Any) -> str:
    """Render a template to HTML."""
    return environment().get_template(template).render(**context)
