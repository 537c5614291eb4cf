"""The one search grammar of page, API and CLI."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from mithaq.intelligence.errors import BadQuery
from mithaq.intelligence.settings import MAX_QUERY_CHARS
from mithaq.intelligence.words import words_of
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import Observable, recognise
from mithaq.standards.tlp import Tlp

_MAX_TERMS: Final = 20
_SHOWN_CHARS: Final = 40
_TOKEN: Final = re.compile(r'(-?)(?:([a-z]{2,12}):"([^"]*+)"|"([^"]*+)"|(\S++))')
_COMPARISON: Final = re.compile(r"confidence(>=|<=|>|<|=|:)(.*+)", re.DOTALL)
_SCORE: Final = re.compile(r"score(>=|<=|>|<|=).*+", re.DOTALL)
_STIX_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}--[0-9a-fA-F-]{36}")
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}")
_NATION: Final = re.compile(r"[A-Za-z]{2}")
_INSIDE: Final = re.compile(r"(?:source|constituent):[a-z][a-z0-9-]{0,62}", re.IGNORECASE)
_NAME_CHARS: Final = 100
_SPAN: Final = re.compile(r"([0-9]{1,4})([hdw])")
_PREFIX: Final = re.compile(r"[^\W_]{3,}\*")
_HOURS: Final = {"h": 1, "d": 24, "w": 168}

Standing = Literal["stands", "withdrawn", "any"]


@dataclass(slots=True)
class Terms:
    """What is asked for, or what is excluded.

    `confidences` are closed ranges. Values, words and `prefixes` are each asked for; of types, givers, labels,
    sectors, `attacks` (an ATT&CK id or name), `refs` (what is referred to) and ids one is enough. `publishers` are
    givers of whom only what is held says whether there are such.
    """

    types: list[str] = field(default_factory=list)
    givers: list[str] = field(default_factory=list)
    publishers: list[str] = field(default_factory=list)
    tlps: list[Tlp] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    sectors: list[str] = field(default_factory=list)
    confidences: list[tuple[int, int]] = field(default_factory=list)
    attacks: list[str] = field(default_factory=list)
    refs: list[str] = field(default_factory=list)
    seen: list[timedelta] = field(default_factory=list)
    valid: list[bool] = field(default_factory=list)
    observables: list[Observable] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)

    def count(self) -> int:
        """Return how many terms there are."""
        return sum(len(getattr(self, name)) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Query:
    """A search, understood: every part of `wanted` narrows it, and so does everything `unwanted`."""

    wanted: Terms
    unwanted: Terms
    standing: Standing = "stands"


def parse_query(text: str) -> Query:
    """Read a search: values (defanged too), STIX ids, words, beginnings (`phish*`), filters, and `-` before any.

    The filters are `type:` `from:` `tlp:` `is:` `label:` `sector:` `attack:T1059` `refers:` `seen:7d` `valid:yes`
    and `confidence>70`. Who gave a word is named as results name it: `XB`, `source:osint`, `constituent:grid`, `MITRE`.

    Raises:
        BadQuery: a filter has an unknown value, which is named, or the search is too long.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise BadQuery("a search has at most %(max)s characters", max=MAX_QUERY_CHARS)
    wanted, unwanted = Terms(), Terms()
    standing: Standing = "stands"
    for match in _TOKEN.finditer(text):
        minus, name, quoted_value, quoted, plain = match.groups()
        terms = unwanted if minus else wanted
        if quoted is not None:
            _take_plain(terms, quoted)
            continue
        value = quoted_value
        if name is None:
            name, colon, value = plain.partition(":")
            if not colon or name not in {*_FILTERS, "is"}:
                _take(terms, plain)
                continue
        if name == "is":
            standing = _standing(value, bool(minus))
        elif name in _FILTERS:
            _FILTERS[name](terms, value)
        else:
            _take_plain(terms, f"{name}:{value}")
    if wanted.count() + unwanted.count() > _MAX_TERMS:
        raise BadQuery("a search has at most %(max)s terms", max=_MAX_TERMS)
    return Query(wanted, unwanted, standing)


def _take(terms: Terms, token: str) -> None:
    """Take a comparison, the beginning of a word, or anything plain."""
    if _SCORE.fullmatch(token):
        raise BadQuery("a score changes every instant and cannot be searched for; confidence>70 can")
    comparison = _COMPARISON.fullmatch(token)
    if comparison is not None:
        terms.confidences.append(_range(comparison.group(1), comparison.group(2)))
    elif _PREFIX.fullmatch(token):
        _take_prefix(terms, token)
    else:
        _take_plain(terms, token)


def _take_plain(terms: Terms, text: str) -> None:
    if _STIX_ID.fullmatch(text):
        terms.ids.append(text)
    elif (observable := recognise(refang_value(text))) is not None:
        terms.observables.append(observable)
    else:
        terms.words += words_of(text)


def _take_prefix(terms: Terms, token: str) -> None:
    words = words_of(token[:-1])
    terms.words += words[:-1]
    terms.prefixes += words[-1:]


def _take_type(terms: Terms, value: str) -> None:
    name = value.lower()
    if not _TYPE.fullmatch(name):
        raise BadQuery("type: takes the name of a STIX type, not %(word)s", word=value[:_SHOWN_CHARS])
    terms.types.append(name)


def _take_giver(terms: Terms, value: str) -> None:
    if _NATION.fullmatch(value):
        terms.givers.append(value.upper())
    elif _INSIDE.fullmatch(value):
        terms.givers.append(value.lower())
    elif ":" not in value and value.strip() and len(value) <= _NAME_CHARS:
        terms.publishers.append(value)
    else:
        raise no_giver(value)


def no_giver(value: str) -> BadQuery:
    """Return the refusal of a name that is no giver's."""
    return BadQuery(
        "from: takes a nation's code of two letters, source:NAME, constituent:NAME or a publisher whose knowledge is"
        " held, not %(word)s",
        word=value[:_SHOWN_CHARS],
    )


def _take_tlp(terms: Terms, value: str) -> None:
    tlp = Tlp.parse(value)
    if tlp is None:
        raise BadQuery("tlp: takes clear, green, amber, amber+strict or red, not %(word)s", word=value[:_SHOWN_CHARS])
    terms.tlps.append(tlp)


def _take_label(terms: Terms, value: str) -> None:
    terms.labels.append(_given("label", value))


def _take_sector(terms: Terms, value: str) -> None:
    terms.sectors.append(_given("sector", value))


def _take_attack(terms: Terms, value: str) -> None:
    terms.attacks.append(_given("attack", value))


def _take_refers(terms: Terms, value: str) -> None:
    if not _STIX_ID.fullmatch(value):
        raise BadQuery("refers: takes the id of an object, not %(word)s", word=value[:_SHOWN_CHARS])
    terms.refs.append(value)


def _given(name: str, value: str) -> str:
    if not value.strip():
        raise BadQuery("%(filter)s: needs a value", filter=name)
    return value


def _take_seen(terms: Terms, value: str) -> None:
    match = _SPAN.fullmatch(value.lower())
    if match is None:
        raise BadQuery(
            "seen: takes hours, days or weeks such as 12h, 7d or 2w, not %(word)s", word=value[:_SHOWN_CHARS]
        )
    terms.seen.append(timedelta(hours=int(match.group(1)) * _HOURS[match.group(2)]))


def _take_valid(terms: Terms, value: str) -> None:
    answer = {"yes": True, "no": False}.get(value.lower())
    if answer is None:
        raise BadQuery("valid: takes yes or no, not %(word)s", word=value[:_SHOWN_CHARS])
    terms.valid.append(answer)


def _take_confidence(terms: Terms, value: str) -> None:
    terms.confidences.append(_range(":", value))


def _range(sign: str, value: str) -> tuple[int, int]:
    """Return the confidences that a comparison allows, as a closed range that may be empty."""
    if not (value.isascii() and value.isdecimal() and len(value) <= 3 and int(value) <= 100):
        raise BadQuery("confidence takes a whole number from 0 to 100, not %(word)s", word=value[:_SHOWN_CHARS])
    number = int(value)
    match sign:
        case ">":
            return number + 1, 100
        case ">=":
            return number, 100
        case "<":
            return 0, number - 1
        case "<=":
            return 0, number
        case _:
            return number, number


def _standing(value: str, is_negated: bool) -> Standing:
    match value.lower():
        case "stands":
            return "withdrawn" if is_negated else "stands"
        case "withdrawn":
            return "stands" if is_negated else "withdrawn"
        case "any" if not is_negated:
            return "any"
        case _:
            raise BadQuery("is: takes stands, withdrawn or any, not %(word)s", word=value[:_SHOWN_CHARS])


_FILTERS: Final[dict[str, Callable[[Terms, str], None]]] = {
    "type": _take_type,
    "from": _take_giver,
    "tlp": _take_tlp,
    "label": _take_label,
    "sector": _take_sector,
    "attack": _take_attack,
    "refers": _take_refers,
    "seen": _take_seen,
    "valid": _take_valid,
    "confidence": _take_confidence,
}
