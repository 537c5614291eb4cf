"""The one search grammar of page, API and CLI, and the folding that lets Arabic and French words be found."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

from mithaq.intelligence.errors import BadQuery
from mithaq.intelligence.settings import MAX_QUERY_CHARS
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, recognise
from mithaq.standards.stix import StixObject
from mithaq.standards.tlp import Tlp

MAX_INDEXED_CHARS: Final = 8000
_MAX_TERMS: Final = 20
_TOKEN: Final = re.compile(r'([a-z]{2,12}):"([^"]*+)"|"([^"]*+)"|(\S++)')
_STIX_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}--[0-9a-fA-F-]{36}")
_WORDS: Final = re.compile(r"[^\W_]++")

# Letters that writers use for one another: alef with hamza or madda, alef maqsura, ta marbuta, hamza carriers,
# Persian kaf and ya. Tatweel and vowel marks fall away.
_FOLDED: Final = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ئ": "ي", "ة": "ه", "ؤ": "و", "ک": "ك", "ـ": None}
)
_ARTICLES: Final = ("وال", "بال", "كال", "فال", "لل", "ال")
_MIN_STEM: Final = 3


@dataclass(frozen=True, slots=True)
class Query:
    """A search, understood: every part narrows it."""

    types: tuple[str, ...] = ()
    nations: tuple[str, ...] = ()
    tlps: tuple[Tlp, ...] = ()
    ids: tuple[str, ...] = ()
    observables: tuple[Observable, ...] = ()
    words: tuple[str, ...] = ()
    standing: Literal["stands", "withdrawn", "any"] = "stands"


def parse_query(text: str) -> Query:
    """Read a search: values (defanged too), STIX ids, words, and `type:` `from:` `tlp:` `is:` filters.

    Raises:
        BadQuery: a filter has an unknown value, or the search is too long.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise BadQuery("a search has at most %(max)s characters", max=MAX_QUERY_CHARS)
    types: list[str] = []
    nations: list[str] = []
    tlps: list[Tlp] = []
    ids: list[str] = []
    observables: list[Observable] = []
    words: list[str] = []
    standing: Literal["stands", "withdrawn", "any"] = "stands"
    for token in _tokens(text):
        name, colon, value = token.partition(":")
        if colon and name == "type":
            types.append(value.lower())
        elif colon and name == "from":
            nations.append(value.upper())
        elif colon and name == "tlp":
            tlps.append(_tlp(value))
        elif colon and name == "is":
            standing = _standing(value)
        elif _STIX_ID.fullmatch(token):
            ids.append(token)
        elif (observable := recognise(refang_value(token))) is not None:
            observables.append(observable)
        else:
            words += query_words(token)
    if len(words) + len(observables) + len(ids) > _MAX_TERMS:
        raise BadQuery("a search has at most %(max)s terms", max=_MAX_TERMS)
    return Query(tuple(types), tuple(nations), tuple(tlps), tuple(ids), tuple(observables), tuple(words), standing)


def _tokens(text: str) -> list[str]:
    found = []
    for match in _TOKEN.finditer(text):
        filter_name, filter_value, quoted, plain = match.groups()
        found.append(f"{filter_name}:{filter_value}" if filter_name else quoted if quoted is not None else plain)
    return [token for token in found if token]


def _tlp(value: str) -> Tlp:
    tlp = Tlp.parse(value)
    if tlp is None:
        raise BadQuery("tlp: takes clear, green, amber, amber+strict or red", subject=value[:40])
    return tlp


def _standing(value: str) -> Literal["stands", "withdrawn", "any"]:
    match value:
        case "stands" | "withdrawn" | "any":
            return value
        case _:
            raise BadQuery("is: takes stands, withdrawn or any", subject=value[:40])


def fold(text: str) -> str:
    """Return a text as it is compared: lower case, no accents or vowel marks, one form for each Arabic letter.

    >>> fold("Télé") == fold("tele"), fold("الهُجُوم") == fold("الهجوم")
    (True, True)
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_FOLDED))
    bare = "".join(char for char in decomposed if unicodedata.category(char) not in {"Mn", "Cf"})
    digits = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in bare)
    return digits.translate(_FOLDED).casefold()


def query_words(text: str) -> list[str]:
    """Return the folded words of a search, the Arabic article stripped so that it is found with and without."""
    return [_without_article(word) for word in _WORDS.findall(fold(text))]


def _without_article(word: str) -> str:
    for article in _ARTICLES:
        if word.startswith(article) and len(word) - len(article) >= _MIN_STEM:
            return word[len(article) :]
    return word


def indexed_text(stix: StixObject) -> str:
    """Return what plain words of a search are compared with."""
    raw = " ".join((stix.name, stix.description[:MAX_INDEXED_CHARS], *stix.labels[:50]))
    return fold(raw[:MAX_INDEXED_CHARS])
