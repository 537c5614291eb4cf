"""Pure decisions of the holdings: what a new object is beside those already held, and which labels it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from mithaq.intelligence.model import (
    ImportTerms,
    Labelled,
    NewObject,
    Provenance,
    ReleaseInstruction,
    Source,
    Standing,
)
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.stix import StixObject
from mithaq.standards.tlp import Tlp, tlp_of

Identity = tuple[str, str]
"""Lane and STIX id: what two versions of one object share."""

NOT_OURS: Final = frozenset({"constituent", "publisher"})
"""Words that are not this nation's: a constituent's leaves under its terms, a publisher's has none, and stays."""

_NAMED_BY_FILES: Final = frozenset({"identity", "marking-definition"})
_NAMED_BY_EVENTS: Final = _NAMED_BY_FILES | {
    "attack-pattern", "campaign", "course-of-action", "intrusion-set", "location", "malware", "threat-actor", "tool",
    "vulnerability",
}  # fmt: skip
"""What MISP's organisations, tags and galaxies become."""

_ALREADY_HELD: Final = frozenset({"stands", "superseded"})


@dataclass(slots=True)
class Word:
    """One nation's word for a version, as far as deciding needs it.

    `event`: the MISP event in which it was said, with its timestamp. `row`: where the word is held, if it is.
    """

    nation: NationId
    source: Source
    agreement_id: str | None
    release_id: str | None
    tlp: Tlp
    pap: Pap | None
    labelled: Labelled
    standing: Standing
    event: tuple[str, int] | None = None
    row: int | None = None

    @staticmethod
    def of(given: Provenance, standing: Standing) -> Word:
        """Return what of a word counts here, with the standing that it gets."""
        whose = (given.nation, given.source, given.agreement_id, given.release_id)
        return Word(*whose, given.tlp, given.pap, given.labelled, standing, event_of(given.carried))


@dataclass(slots=True)
class Version:
    """One held version of an object."""

    row: int
    digest: bytes
    modified: datetime | None
    words: list[Word] = field(default_factory=list)
    instructions: set[ReleaseInstruction] = field(default_factory=set)


@dataclass(slots=True)
class Plan:
    """What to write for a batch.

    `superseded` are (row, nation) whose word an own newer version replaces; `replaced` are the rows of words that are
    said anew with other labels.
    """

    versions: list[tuple[int, bytes, NewObject]] = field(default_factory=list)
    words: list[tuple[int, Provenance, Standing]] = field(default_factory=list)
    instructions: list[tuple[int, ReleaseInstruction]] = field(default_factory=list)
    superseded: set[tuple[int, NationId]] = field(default_factory=set)
    replaced: set[int] = field(default_factory=set)
    refused: list[tuple[str, Reason]] = field(default_factory=list)
    duplicates: int = 0
    touched: dict[int, NewObject] = field(default_factory=dict)
    """Rows about which something new is known, each with the object that brought it."""


def identity_of(new: NewObject) -> Identity:
    """Return lane and STIX id of a new object."""
    return str(new.lane), new.stix.id


def plan(batch: Sequence[tuple[NewObject, bytes]], held: Mapping[Identity, list[Version]], next_row: int) -> Plan:
    """Decide for each object and its digest: a new version, a further word for a held one, or a refusal.

    `held` gets the batch's own versions as the plan grows, so that a batch may contradict or repeat itself.
    """
    growing: dict[Identity, list[Version]] = {key: list(versions) for key, versions in held.items()}
    result = Plan()
    for given, digest in batch:
        versions = growing.setdefault(identity_of(given), [])
        new = _shared(result, versions, given) if _is_named_by_an_event(given.provenance) else given
        if not versions and new.instruction is None:
            _first_version(result, versions, next_row, digest, new)
            next_row += 1
            continue
        known = next((version for version in versions if version.digest == digest), None)
        if known is not None:
            result.duplicates += 1
            _add_word(result, known, versions, new)
        elif (conflict := _conflict(new, versions)) is not None:
            result.refused.append((new.stix.id, conflict))
        else:
            fresh = Version(next_row, digest, new.stix.modified)
            next_row += 1
            versions.append(fresh)
            result.versions.append((fresh.row, digest, new))
            _add_word(result, fresh, versions, new)
    return result


def _first_version(result: Plan, versions: list[Version], row: int, digest: bytes, new: NewObject) -> None:
    """Take an object of which nothing is held: by far most of an import."""
    given = new.provenance
    versions.append(Version(row, digest, new.stix.modified, [Word.of(given, "stands")]))
    result.versions.append((row, digest, new))
    result.words.append((row, given, "stands"))
    result.touched[row] = new


def _conflict(new: NewObject, versions: Iterable[Version]) -> Reason | None:
    """Refuse other bytes for the same version from the same source (STIX 2.1 §3.6: a version never changes).

    An object without `modified` has no version by which it could contradict itself. A publisher writes the same version
    anew in each release of its bundle; the later one counts.
    """
    if new.stix.modified is None or new.provenance.source == "publisher":
        return None
    giver = (new.provenance.source, new.provenance.nation)
    for version in versions:
        if version.modified == new.stix.modified and any((w.source, w.nation) == giver for w in version.words):
            return Reason(
                "version-conflict",
                "the same source gave this version (%(modified)s) before with other contents",
                {"modified": new.stix.modified.isoformat()},
                "give the changed object a new modified time",
            )
    return None


def _is_named_by_an_event(given: Provenance) -> bool:
    """Tell whether each file makes a version of its own of what it names, by converting it."""
    return given.labelled == "named" and given.original is not None


def _shared(result: Plan, versions: Iterable[Version], new: NewObject) -> NewObject:
    """Return what an event names with the least strict label that its giver gave any version of it by naming it.

    Each event makes another version of an organisation, whichever of them comes last. The one that stands is given
    the label too, where this is new to it.
    """
    given = new.provenance
    named = [
        (version, [word for word in version.words if _giver(word) == _giver(given) and word.labelled == "named"])
        for version in versions
    ]
    tlp, pap = _labels_of([*(word for _, words in named for word in words), Word.of(given, "stands")])
    given = replace(given, tlp=tlp, pap=pap)
    for version, words in named:
        is_less = words and _labels_of([*words, Word.of(given, "stands")]) != _labels_of(words)
        if is_less and any(word.standing == "stands" for word in words):
            version.words.append(Word.of(given, "stands"))
            result.words.append((version.row, given, "stands"))
            result.touched[version.row] = new
    return replace(new, provenance=given)


def _add_word(result: Plan, version: Version, versions: Iterable[Version], new: NewObject) -> None:
    provenance = new.provenance
    older = _said_before(version, provenance)
    if older or _is_new_word(version, provenance):
        for row, word in older:
            word.standing = "superseded"
            result.replaced.add(row)
        standing = _standing(version, versions, provenance.nation)
        version.words.append(Word.of(provenance, standing))
        result.words.append((version.row, provenance, standing))
        result.touched[version.row] = new
        if standing == "stands":
            _supersede_older(result, version, versions, new)
    if new.instruction is not None and new.instruction not in version.instructions:
        version.instructions.add(new.instruction)
        result.instructions.append((version.row, new.instruction))
        result.touched[version.row] = new


def _said_before(version: Version, given: Provenance) -> list[tuple[int, Word]]:
    """Return the words, by their rows, that a newer version of the same event says anew with other labels."""
    event = event_of(given.carried)
    if event is None or given.labelled != "stated":
        return []
    return [
        (word.row, word)
        for word in version.words
        if _giver(word) == _giver(given)
        and word.standing in _ALREADY_HELD
        and word.event is not None
        and word.row is not None
        and word.event[0] == event[0]
        and word.event[1] < event[1]
        and (word.tlp, word.pap) != (given.tlp, given.pap)
    ]


def event_of(carried: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the MISP event in which something was said, with its timestamp, 0 where none is known."""
    said = carried.get("misp")
    return (str(said.get("event")), int(said.get("timestamp", 0))) if isinstance(said, dict) else None


def _is_new_word(version: Version, given: Provenance) -> bool:
    """Tell whether this word adds anything.

    A withdrawn release does not stand again by being repeated. Who says the same again may label it more strictly, or
    at last, and never less: another file of the same importer may know less of it.
    """
    same = [word for word in version.words if _giver(word) == _giver(given)]
    if given.release_id is not None:
        return not same
    held = [word for word in same if word.standing in _ALREADY_HELD]
    return not held or _labels_of([*held, Word.of(given, "stands")]) != _labels_of(held)


def _giver(word: Word | Provenance) -> tuple[str, str, str | None, str | None]:
    return word.source, word.nation, word.agreement_id, word.release_id


def come_to(words: Sequence[Word]) -> tuple[bool, Tlp, Pap | None]:
    """Return what all words for a version come to: whether it stands, and its labels.

    The strictest label of those who stand by it counts, of all where nobody does any more. What a constituent or a
    publisher says binds nobody who knows the same without them. See `Labelled` for what a label is worth.
    """
    standing = [word for word in words if word.standing == "stands"]
    counting = standing or words
    of_nations = [word for word in counting if word.source not in NOT_OURS]
    return bool(standing), *_labels_of(of_nations or counting)


def _labels_of(words: Sequence[Word]) -> tuple[Tlp, Pap | None]:
    """Return the strictest labels that were stated; else the least strict of events that name it; else RED, and none.

    An organisation or a technique is in many events: that one of them is RED makes it no secret.
    """
    tlps = [word.tlp for word in words if word.labelled == "stated"]
    paps = [word.pap for word in words if word.labelled != "named" and word.pap is not None]
    named_tlps = [word.tlp for word in words if word.labelled == "named"]
    named_paps = [word.pap for word in words if word.labelled == "named" and word.pap is not None]
    tlp = max(tlps) if tlps else min(named_tlps, default=Tlp.RED)
    return tlp, max(paps) if paps else min(named_paps, default=None)


def _standing(version: Version, versions: Iterable[Version], nation: NationId) -> Standing:
    newer = any(
        _is_newer(other, version) and any(w.nation == nation and w.standing != "withdrawn" for w in other.words)
        for other in versions
    )
    return "superseded" if newer else "stands"


def standing_again(versions: Sequence[Version], nation: NationId) -> list[int]:
    """Return the rows of versions that a nation's newer ones superseded, all of which it has taken back since."""
    return [
        version.row
        for version in versions
        if "stands" not in (said := {word.standing for word in version.words if word.nation == nation})
        and "superseded" in said
        and _standing(version, versions, nation) == "stands"
    ]


def _supersede_older(result: Plan, version: Version, versions: Iterable[Version], new: NewObject) -> None:
    """Let a nation's newer version replace its own older word, never another nation's."""
    nation = new.provenance.nation
    for older in versions:
        written_anew = new.provenance.source == "publisher" and version.modified == older.modified
        if not (_is_newer(version, older) or (written_anew and version.row > older.row)):
            continue
        for word in older.words:
            if word.nation == nation and word.standing == "stands":
                word.standing = "superseded"
                result.superseded.add((older.row, nation))
                result.touched[older.row] = new


def _is_newer(left: Version, right: Version) -> bool:
    if left.modified is None or right.modified is None:
        return left.row > right.row
    return left.modified > right.modified


def labels(stix: StixObject, terms: ImportTerms) -> tuple[Tlp, Pap | None, Labelled]:
    """Return the labels of an imported object: the stricter of its own and the importer's, and what they are worth.

    An object without any TLP label is RED: a missing label is the strictest.
    """
    own = tlp_of(stix.object_marking_refs)
    tlps = [tlp for tlp in (own, terms.tlp) if tlp is not None]
    paps = [pap for pap in (pap_of(stix.labels), terms.pap) if pap is not None]
    if own is None and is_only_named(stix, terms):
        labelled: Labelled = "named"
    else:
        labelled = "stated" if tlps else "unlabelled"
    return max(tlps, default=Tlp.RED), max(paps, default=None), labelled


def is_only_named(stix: StixObject, terms: ImportTerms) -> bool:
    """Tell whether a file only names an object, as other files may: its organisation, and its event's techniques."""
    if terms.own_uuids is None:
        return stix.type in _NAMED_BY_FILES
    return stix.type in _NAMED_BY_EVENTS and stix.id.partition("--")[2].lower() not in terms.own_uuids
