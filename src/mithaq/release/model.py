"""What is asked of the gate, and what it answers; what is built once an object and recipient is a msgspec struct."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar, get_args

import msgspec

from mithaq.agreements.model import Agreement, Reference
from mithaq.agreements.vocabulary import FieldClass, PermittedAction
from mithaq.kernel.clock import from_rfc3339, rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.pap import Pap
from mithaq.standards.severity import Severity
from mithaq.standards.tlp import Tlp

FIELD_CLASSES: Final[frozenset[str]] = frozenset(get_args(FieldClass))
PERMITTED_ACTIONS: Final[tuple[str, ...]] = get_args(PermittedAction)
"""IEP 2.0 `permitted_actions`, each at its rank."""

T_co = TypeVar("T_co", covariant=True)


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """Who would receive: a nation, a constituent of this nation, or one of its sensors."""

    kind: Literal["nation", "constituent", "sensor"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


class Carried(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The originator's terms as they travel with an object, inside the signature.

    `hops`: how many nations gave it on so far, the originator among them. `constituents_tlp`: up to which label it may
    go to constituents, None for not at all. `permitted_action`: a rank of IEP 2.0 `permitted_actions`.
    """

    originator: NationId
    agreement: Reference
    tlp: Tlp
    pap: Pap
    purposes: frozenset[str]
    onward: str
    onward_parties: frozenset[str]
    constituents_tlp: Tlp | None
    delete_after: datetime
    excluded: frozenset[str] = frozenset()
    public_after: datetime | None = None
    hops: int = 1
    max_hops: int = 1
    permitted_action: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the terms as JSON values."""
        return {
            "originator": self.originator,
            "agreement": self.agreement.as_json(),
            "tlp": self.tlp.label,
            "pap": self.pap.label,
            "purposes": sorted(self.purposes),
            "onward": self.onward,
            "onward_parties": sorted(self.onward_parties),
            "constituents_tlp": self.constituents_tlp.label if self.constituents_tlp is not None else None,
            "delete_after": rfc3339(self.delete_after),
            "excluded": sorted(self.excluded),
            "public_after": rfc3339(self.public_after) if self.public_after else None,
            "hops": self.hops,
            "max_hops": self.max_hops,
            "permitted_actions": PERMITTED_ACTIONS[self.permitted_action],
        }

    @staticmethod
    def of_json(value: dict[str, Any]) -> "Carried":
        """Read the terms back; a label that is not understood is the strictest.

        Raises:
            KeyError, ValueError, TypeError: a term is missing or malformed.
        """
        tlp, pap = Tlp.parse(value["tlp"]), Pap.parse(value["pap"])
        reference = value["agreement"]
        return Carried(
            originator=NationId(value["originator"]),
            agreement=Reference(str(reference["id"]), int(reference["version"]), str(reference["hash"])),
            tlp=Tlp.RED if tlp is None else tlp,
            pap=Pap.RED if pap is None else pap,
            purposes=frozenset(value["purposes"]),
            onward=str(value["onward"]),
            onward_parties=frozenset(value["onward_parties"]),
            constituents_tlp=Tlp.parse(value["constituents_tlp"]) if value["constituents_tlp"] is not None else None,
            delete_after=from_rfc3339(value["delete_after"]),
            excluded=frozenset(value["excluded"]),
            public_after=from_rfc3339(value["public_after"]) if value["public_after"] is not None else None,
            hops=int(value["hops"]),
            max_hops=int(value["max_hops"]),
            permitted_action=PERMITTED_ACTIONS.index(value["permitted_actions"]),
        )


class Scope(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What an object is about, as far as it says so; `content`: the classes of content that its labels claim."""

    sectors: frozenset[str] = frozenset()
    campaigns: frozenset[str] = frozenset()
    severity: Severity = Severity.UNSTATED
    content: frozenset[str] = frozenset()


NO_SCOPE: Final = Scope()


class Item(msgspec.Struct, frozen=True, gc=False):
    """One version of one object as the gate sees it."""

    id: str
    version: str
    kind: str
    digest: str
    tlp: Tlp | None
    pap: Pap | None
    lane: Lane
    originator: NationId
    carried: tuple[Carried, ...] = ()
    named_recipients: frozenset[NationId] = frozenset()
    is_withdrawn: bool = False
    scope: Scope = NO_SCOPE


class Request(msgspec.Struct, frozen=True, gc=False):
    """May this item go to this recipient, under this agreement, for this purpose?

    `status_at`: when the recipient's keys were last confirmed by a statement of its root. `approvals`: how many
    persons approved exactly this. `consented`: the originator consented to this recipient. `exposes`: the classes of
    fields that the object shows. `action`: the rank (IEP 2.0) of what a constituent or a sensor will do with it.
    """

    item: Item
    holder: NationId
    recipient: Recipient
    recipient_trusted: bool
    agreement: Agreement | None
    purpose: str
    withheld_refs: int = 0
    vetoed: bool = False
    status_at: datetime | None = None
    approvals: int = 0
    consented: bool = False
    exposes: frozenset[str] = FIELD_CLASSES
    protocol: int = 0
    action: int = len(PERMITTED_ACTIONS)


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The outcome with every failing clause; `allowed` exactly when there is none."""

    reasons: tuple[Reason, ...]

    @property
    def allowed(self) -> bool:
        """Tell whether nothing stands against the release."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Withheld:
    """What must not leave, with all reasons."""

    item: Item
    recipient: Recipient
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Retraction:
    """Word to a recipient that an object it holds is withdrawn; says no more than the recipient knows."""

    object_id: str
    lane: Lane


_GATE = object()
_UNJUDGED: Final = "0" * 64


class Released(msgspec.Struct, Generic[T_co], frozen=True, gc=False):
    """What may leave to exactly this recipient; only `release.rules` can build one."""

    value: T_co
    recipient: Recipient
    agreement: Reference | None
    purpose: str
    key: object

    def __post_init__(self) -> None:
        if self.key is not _GATE:
            raise TypeError("only the gate makes a Released")

    @property
    def decision(self) -> str:
        """Return the SHA-256 of the decision, to be cited by the release; zeros where no item was judged.

        Over the texts below, each ended by a zero byte, which none of them can hold.
        """
        item, recipient, reference = self.value, self.recipient, self.agreement
        if not isinstance(item, Item):
            return _UNJUDGED
        decided = f"mithaq-decision-1\0{item.id}\0{item.version}\0{item.digest}\0{recipient.kind}:{recipient.id}\0"
        cited = f"{reference.id}\0{reference.version}\0{reference.hash}\0" if reference else "\0\0\0"
        return hashlib.sha256(f"{decided}{cited}".encode()).hexdigest()
