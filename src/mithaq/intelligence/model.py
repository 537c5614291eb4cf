"""The words of the holdings: what is stored, who said it, and what a storing came to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from mithaq.intelligence.tokens import anchor_keys, fixed_tokens, named_observables
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.pap import Pap
from mithaq.standards.stix import StixObject
from mithaq.standards.tlp import Tlp

Source = Literal["own", "partner", "import", "constituent", "publisher"]
Standing = Literal["stands", "superseded", "withdrawn"]
Labelled = Literal["stated", "named", "unlabelled"]
"""How a word comes by its TLP: its giver stated it; a file that only names the object has it; or nobody gave one."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """One nation's word for an object: who said it, under which agreement, when, on which terms.

    `carried` holds the originator's terms as they came. `original` names the foreign file the object was converted
    from, if any. `standing` and `standing_reason` say whether that word still holds. `admiralty` is how this nation
    rates source and information; it stays here. `labelled` says what the labels are worth beside those of other words.
    """

    source: Source
    nation: NationId
    agreement_id: str | None
    agreement_version: int | None
    release_id: str | None
    purpose: str | None
    tlp: Tlp
    pap: Pap | None
    carried: Mapping[str, Any]
    received_at: datetime
    original: str | None = None
    standing: Standing = "stands"
    standing_reason: str = ""
    admiralty: Admiralty | None = None
    labelled: Labelled = "stated"

    @staticmethod
    def own(
        nation: NationId,
        at: datetime,
        tlp: Tlp,
        pap: Pap | None,
        *,
        purpose: str | None = None,
        original: str | None = None,
        admiralty: Admiralty | None = None,
    ) -> Provenance:
        """Return this nation's own word: under no agreement, on no terms but its labels."""
        return Provenance(
            "own", nation, None, None, None, purpose, tlp, pap, {}, at, original=original, admiralty=admiralty
        )


@dataclass(frozen=True, slots=True)
class ReleaseInstruction:
    """What the releaser asked for: under which agreement, to whom (None: every party), for which purpose.

    `by`: the person who asked, empty where a program did; it counts as the first who approves.
    """

    agreement_id: str
    recipients: tuple[NationId, ...] | None
    purpose: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What an object is found by: its tokens, each once, and the values it names (type, key, sufficient).

    `anchors`: by which lines are found that may satisfy its pattern (type, key).
    """

    tokens: Iterable[str]
    named: Sequence[tuple[str, str, bool]]
    anchors: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(stix: StixObject, lane: Lane) -> Indexed:
        """Work it out."""
        return Indexed(fixed_tokens(stix, lane), named_observables(stix), anchor_keys(stix))


_NOT_YET: Final = Indexed(frozenset(), ())


@dataclass(frozen=True, slots=True)
class NewObject:
    """One object to be stored: its bytes are the record, `stix` is what was read out of them.

    `digest` and `indexed` are worked out here, before a transaction is open; `indexed` unless it is given.
    """

    body: bytes
    stix: StixObject
    lane: Lane
    provenance: Provenance
    instruction: ReleaseInstruction | None = None
    indexed: Indexed = field(default=_NOT_YET, repr=False, compare=False)
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", hashlib.sha256(self.body).digest())
        if self.indexed is _NOT_YET:
            object.__setattr__(self, "indexed", Indexed.of(self.stix, self.lane))


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object as it is held.

    `stands`: at least one nation's word for this version is neither withdrawn nor superseded. `provenance` is
    oldest first.
    """

    row: int
    body: bytes
    stix: StixObject
    lane: Lane
    tlp: Tlp
    pap: Pap | None
    stored_at: datetime
    stands: bool
    provenance: tuple[Provenance, ...]
    instructions: tuple[ReleaseInstruction, ...]

    @property
    def made_for(self) -> str | None:
        """Return the agreement for which this is a protected version of an own object, None for any other object."""
        found = {word.agreement_id if word.source == "own" else None for word in self.provenance}
        return found.pop() if len(found) == 1 else None


def as_if_stored(new: Sequence[NewObject], at: datetime) -> StoredObject:
    """Return how one object would be held, given once for each release that is asked for: for a look ahead only."""
    first = new[0]
    asked = tuple(each.instruction for each in new if each.instruction is not None)
    said = first.provenance
    return StoredObject(0, first.body, first.stix, first.lane, said.tlp, said.pap, at, True, (said,), asked)


@dataclass(frozen=True, slots=True)
class HeldWord:
    """One nation's word for one version, as an erasure names it."""

    row: int
    nation: NationId
    release_id: str


@dataclass(frozen=True, slots=True)
class GivenWord:
    """One version that a release gave, and the originator's terms as they came with it."""

    row: int
    object_id: str
    modified: datetime | None
    carried: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ErasedObject:
    """One version that is gone; `modified` is known only while it goes."""

    row: int
    stix_id: str
    lane: Lane
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProposalHeld:
    """A held note that carries another object as it should be, with the nations by whose words it is held."""

    row: int
    stix_id: str
    lane: Lane
    by_us: tuple[NationId, ...]
    by_partners: tuple[NationId, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure came to: versions that are gone, and rows that another word still holds.

    `copied`: proposals under partners' words that carry what is gone; these words are to be erased with it.
    """

    erased: tuple[ErasedObject, ...]
    kept: tuple[int, ...]
    copied: tuple[ProposalHeld, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search, newest first; `next` continues it, None at the end."""

    objects: tuple[StoredObject, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What a storing came to.

    `rows` are the rows that are new or about which something new is now known, in the order given.
    """

    stored: int
    duplicates: int
    refused: tuple[tuple[str, Reason], ...]
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Warned:
    """An observable that stands on warning lists: a benign or private value that makes a poor indicator."""

    id: str
    value: str
    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import came to.

    `refused`, `warned` and `unmatchable` tell the first thousand one by one; their counts tell all. `unmatchable`
    are indicators that are held and shared but cannot be matched by single observables. `without_pap` counts what
    has no PAP label, its own or the importer's, and so goes as PAP:RED. `withdrawn` counts what newer versions of MISP
    events give no more. `broken` says why the rest of the file could not be read.
    """

    stored: int = 0
    duplicates: int = 0
    refused: tuple[tuple[str, Reason], ...] = ()
    refused_count: int = 0
    warned: tuple[Warned, ...] = ()
    warned_count: int = 0
    unmatchable: tuple[tuple[str, Reason], ...] = ()
    unmatchable_count: int = 0
    without_pap: int = 0
    withdrawn: int = 0
    broken: Reason | None = None
    notes: tuple[str, ...] = ()

    @staticmethod
    def sum(reports: Sequence[ImportReport]) -> ImportReport:
        """Return the reports of a file's parts as one."""
        return ImportReport(
            stored=sum(report.stored for report in reports),
            duplicates=sum(report.duplicates for report in reports),
            refused=tuple(item for report in reports for item in report.refused),
            refused_count=sum(report.refused_count for report in reports),
            warned=tuple(item for report in reports for item in report.warned),
            warned_count=sum(report.warned_count for report in reports),
            unmatchable=tuple(item for report in reports for item in report.unmatchable),
            unmatchable_count=sum(report.unmatchable_count for report in reports),
            without_pap=sum(report.without_pap for report in reports),
            withdrawn=sum(report.withdrawn for report in reports),
            broken=next((report.broken for report in reports if report.broken), None),
            notes=tuple(note for report in reports for note in report.notes),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the report as JSON values, for `--json` and the API."""
        return {
            "stored": self.stored,
            "duplicates": self.duplicates,
            "refused": [{"object": name, "reason": reason.sentence()} for name, reason in self.refused],
            "refused_count": self.refused_count,
            "warned": [{"object": item.id, "value": item.value, "lists": list(item.lists)} for item in self.warned],
            "warned_count": self.warned_count,
            "unmatchable": [{"object": name, "reason": reason.sentence()} for name, reason in self.unmatchable],
            "unmatchable_count": self.unmatchable_count,
            "without_pap": self.without_pap,
            "withdrawn": self.withdrawn,
            "broken": self.broken.sentence() if self.broken else None,
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True)
class ImportTerms:
    """What the importer says of everything in a file.

    `tlp` and `pap` are the least strict labels an object gets: a stricter marking of its own wins; an object
    without any label is TLP:RED. `admiralty` is how the importer rates it, else what each object's own tags say,
    else `tagged`, what the file says of all. `own_uuids` are those of a MISP event's own attributes and objects:
    techniques, tools and the like that became of its tags are only named in it, and may be in other events too.
    """

    nation: NationId
    lane: Lane
    tlp: Tlp | None = None
    pap: Pap | None = None
    purpose: str | None = None
    instruction: ReleaseInstruction | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)
    original: str | None = None
    admiralty: Admiralty | None = None
    tagged: Admiralty | None = None
    own_uuids: frozenset[str] | None = None
    source: Source = "import"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A foreign event to be kept: where it stands in which original, and which objects became of it."""

    uuid: str
    lane: Lane
    nation: NationId
    original: str
    place: int
    timestamp: int
    object_ids: frozenset[str]
    outside: frozenset[str]
    head: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """A foreign event that is held; see the table for what each field says."""

    id: int
    uuid: str
    lane: Lane
    nation: NationId
    original: str
    place: int
    timestamp: int
    size: int
    outside: frozenset[str]
    head: Mapping[str, Any]

    @property
    def objections(self) -> tuple[Reason, ...]:
        """Return what stands against passing it on, whoever asks."""
        return tuple(Reason.of_json(each) for each in self.head["objections"])

    @property
    def collection(self) -> str | None:
        """Return the id of the collection into which a constituent gave it, None for what was imported here."""
        found = self.head.get("collection")
        return str(found) if found is not None else None
