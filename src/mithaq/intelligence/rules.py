"""Pure decisions of the holdings: what a new object is beside those already held, and which labels it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mithaq.intelligence.model import ImportTerms, NewObject, Provenance, ReleaseInstruction, Standing
from mithaq.kernel.ids import NationId
from mithaq.kernel.reason import Reason
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.stix import StixObject
from mithaq.standards.tlp import Tlp, tlp_of

Identity = tuple[str, str]
"""Lane and STIX id: what two versions of one object share."""

_ALREADY_HELD: Final = frozenset({"stands", "superseded"})


@dataclass(slots=True)
class Word:
    """One nation's word for a version, as far as deciding needs it."""

    nation: NationId
    source: str
    agreement_id: str | None
    release_id: str | None
    tlp: Tlp
    pap: Pap | None
    standing: Standing

    @staticmethod
    def of(given: Provenance, standing: Standing) -> Word:
        """Return what of a word counts here, with the standing that it gets."""
        return Word(given.nation, given.source, given.agreement_id, given.release_id, given.tlp, given.pap, standing)


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
    """What to write for a batch; `superseded` are (row, nation) whose word an own newer version replaces."""

    versions: list[tuple[int, bytes, NewObject]] = field(default_factory=list)
    words: list[tuple[int, Provenance, Standing]] = field(default_factory=list)
    instructions: list[tuple[int, ReleaseInstruction]] = field(default_factory=list)
    superseded: set[tuple[int, NationId]] = field(default_factory=set)
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
    for new, digest in batch:
        versions = growing.setdefault(identity_of(new), [])
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


def _add_word(result: Plan, version: Version, versions: Iterable[Version], new: NewObject) -> None:
    provenance = new.provenance
    if _is_new_word(version, provenance):
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


def _is_new_word(version: Version, given: Provenance) -> bool:
    """Tell whether this word adds anything.

    A withdrawn release does not stand again by being repeated. Who says the same again may label it more strictly, or
    at last, and never less: another file of the same importer may know less of it.
    """
    key = (given.source, given.nation, given.agreement_id, given.release_id)
    same = [w for w in version.words if (w.source, w.nation, w.agreement_id, w.release_id) == key]
    if given.release_id is not None:
        return not same
    held = [word for word in same if word.standing in _ALREADY_HELD]
    return not held or given.tlp > max(word.tlp for word in held) or _strictness(given.pap) > _strictest_pap(held)


def _strictest_pap(words: Iterable[Word]) -> int:
    return max(_strictness(word.pap) for word in words)


def _strictness(pap: Pap | None) -> int:
    """Return how strict a label is among those that somebody gave."""
    return -1 if pap is None else pap


def _standing(version: Version, versions: Iterable[Version], nation: NationId) -> Standing:
    newer = any(
        _is_newer(other, version) and any(w.nation == nation and w.standing != "withdrawn" for w in other.words)
        for other in versions
    )
    return "superseded" if newer else "stands"


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


def labels(stix: StixObject, terms: ImportTerms) -> tuple[Tlp, Pap | None]:
    """Return the labels of an imported object: the stricter of its own and the importer's.

    An object without any TLP label is RED: a missing label is the strictest.
    """
    tlps = [tlp for tlp in (tlp_of(stix.object_marking_refs), terms.tlp) if tlp is not None]
    paps = [pap for pap in (pap_of(stix.labels), terms.pap) if pap is not None]
    return max(tlps, default=Tlp.RED), max(paps, default=None)
