"""What an object is found by, as tokens: its words, and one token for each fact that a search can ask for.

A word is letters and digits alone; every other token has a colon, so that no text can pass for a fact. Tokens are kept
as UTF-8, whose order is the same on every database: a range of confidences, days or words is a range of tokens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mithaq.intelligence.words import fold, words_of
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.standards.stix import StixObject, meaning_of
from mithaq.standards.tlp import Tlp

ATTACK_TYPES: Final = frozenset({
    "attack-pattern", "campaign", "course-of-action", "intrusion-set", "malware", "tool",
    "x-mitre-analytic", "x-mitre-asset", "x-mitre-data-component", "x-mitre-data-source",
    "x-mitre-detection-strategy", "x-mitre-tactic",
})  # fmt: skip
"""What ATT&CK gives an id to."""

EVERY: Final = ""
"""The token of every object."""

FALLEN: Final = "is:fallen"
"""No word for the object stands any more. What nearly all objects are has no token: only what is otherwise."""

REVOKED: Final = "is:revoked"
MAX_INDEXED_CHARS: Final = 8000
MAX_LABELS: Final = 50
MAX_REFS: Final = 10_000
"""An object is found from the first so many that it refers to."""

_WORD_CHARS: Final = 64
_PHRASE_CHARS: Final = 256
_MEANING_CHARS: Final = 32
_KEY_CHARS: Final = 600
"""Longer values are indexed by their digest: a PostgreSQL index entry has room for about 2,700 bytes."""


def fixed_tokens(stix: StixObject, lane: Lane) -> frozenset[str]:
    """Return the tokens that follow from an object's bytes and its lane, and never change."""
    raw = " ".join((stix.name, stix.description[:MAX_INDEXED_CHARS], *stix.labels[:MAX_LABELS]))[:MAX_INDEXED_CHARS]
    found = set(words_of(raw))
    if raw and max(map(len, found), default=0) > _WORD_CHARS:
        found = set(map(word_token, found))
    found.update(_facts(stix, lane))
    return frozenset(found)


def _facts(stix: StixObject, lane: Lane) -> list[str]:
    found = [EVERY, type_token(stix.type)]
    if lane != ACTUAL:
        found.append(lane_token(lane))
    if stix.confidence is not None:
        found.append(confidence_token(stix.confidence))
    if stix.revoked:
        found.append(REVOKED)
    if stix.valid_from is not None:
        found.append(since_token(stix.valid_from.toordinal()))
    if stix.valid_until is not None:
        found.append(until_token(stix.valid_until.toordinal()))
    found += map(label_token, stix.labels[:MAX_LABELS])
    found += map(sector_token, stix.sectors[:MAX_LABELS])
    found += map(ref_token, stix.refs[:MAX_REFS])
    if stix.attack_ids:
        found += map(attack_token, stix.attack_ids)
        if stix.name and stix.type in ATTACK_TYPES:
            found.append(attack_token(stix.name))
    meaning = meaning_token(stix)
    if meaning is not None:
        found.append(meaning)
    return found


def changing_tokens(stands: bool, tlp: Tlp, givers: Iterable[str], seen_at: datetime) -> frozenset[str]:
    """Return the tokens that follow from the words for an object, and change with them."""
    found = [tlp_token(tlp), seen_token(minute_of(seen_at)), *map(giver_token, givers)]
    return frozenset(found if stands else [*found, FALLEN])


def word_token(word: str) -> str:
    """Return the token of one folded word; a very long one is named by its digest."""
    return word if len(word) <= _WORD_CHARS else _digest(word)


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"


def lane_token(lane: Lane) -> str:
    """Return the token of a lane; the lane `actual` has none, which is no other."""
    return f"lane:{lane}"


def type_token(object_type: str) -> str:
    """Return the token of an object type."""
    return f"type:{object_type}"


def tlp_token(tlp: Tlp) -> str:
    """Return the token of the strictest label of the words for an object."""
    return f"tlp:{int(tlp)}"


def giver_token(giver: str) -> str:
    """Return the token of whoever gave a word: a nation, a source, a constituent or a publisher."""
    return f"from:{giver}"


def label_token(label: str) -> str:
    """Return the token of a whole label, folded."""
    return f"label:{_phrase(label)}"


def sector_token(sector: str) -> str:
    """Return the token of a sector, folded."""
    return f"sector:{_phrase(sector)}"


def ref_token(stix_id: str) -> str:
    """Return the token of what refers to an object."""
    return f"ref:{stix_id}"


def attack_token(text: str) -> str:
    """Return the token of what has an ATT&CK id, or a name beside one."""
    return f"attack:{_phrase(text)}"


def meaning_token(stix: StixObject) -> str | None:
    """Return the token that all indicators of one meaning share; None for what is no indicator, or cannot be read."""
    if stix.type != "indicator" or not stix.pattern:
        return None
    meaning = meaning_of(stix.pattern, stix.pattern_type)
    return None if meaning is None else f"means:{hashlib.sha256(meaning.encode()).hexdigest()[:_MEANING_CHARS]}"


def _phrase(text: str) -> str:
    phrase = " ".join(fold(text).split())
    return phrase if len(phrase) <= _PHRASE_CHARS else _digest(phrase)


def confidence_token(confidence: int) -> str:
    """Return the token of a confidence from 0 to 100."""
    return f"confidence:{confidence:03}"


def since_token(day: int) -> str:
    """Return the token of the day on which an object becomes valid (proleptic ordinal)."""
    return f"since:{day:07}"


def until_token(day: int) -> str:
    """Return the token of the day on which an object stops being valid (proleptic ordinal)."""
    return f"until:{day:07}"


def seen_token(minute: int) -> str:
    """Return the token of the minute in which an object was last stored or received."""
    return f"seen:{minute:010}"


def minute_of(at: datetime) -> int:
    """Return an instant as whole minutes of the calendar."""
    utc = at.astimezone(UTC)
    return utc.toordinal() * 1440 + utc.hour * 60 + utc.minute


def named_observables(stix: StixObject) -> tuple[tuple[str, str, bool], ...]:
    """Return (type, key, sufficient) of what an object names, and of the hosts inside its URLs and addresses."""
    if not stix.mentions and not stix.observables:
        return ()
    entries: dict[tuple[str, str], bool] = {}
    for item in stix.mentions:
        host = _host(item)
        if host is not None:
            entries.setdefault((host.type, index_key(host)), False)
        entries.setdefault((item.type, index_key(item)), False)
    for item in stix.observables:
        entries[(item.type, index_key(item))] = True
    return tuple((kind, key, sufficient) for (kind, key), sufficient in entries.items())


def anchor_keys(stix: StixObject) -> tuple[tuple[str, str], ...]:
    """Return (type, key) of what lines are found by that may satisfy an indicator's pattern."""
    return tuple((item.type, index_key(item)) for item in stix.anchors)


def index_key(observable: Observable) -> str:
    """Return the value under which an observable is indexed."""
    if len(observable.value) <= _KEY_CHARS:
        return observable.value
    return f"sha256:{hashlib.sha256(observable.value.encode()).hexdigest()}"


def _host(item: Observable) -> Observable | None:
    if item.type == "email":
        return canonical_observable("domain", item.value.rpartition("@")[2])
    if item.type != "url":
        return None
    authority = item.value.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = authority.partition("]")[0] + "]" if authority.startswith("[") else authority.partition(":")[0]
    return canonical_observable("ipv4", host) or canonical_observable("domain", host)
