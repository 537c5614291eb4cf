"""What two nations' membership logs of one agreement do not agree on, and the evidence of a contradiction. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from mithaq.exchange.errors import BadAudit
from mithaq.exchange.log.attached import Attached, read_attached
from mithaq.exchange.log.policy import policy_of
from mithaq.exchange.membership.record import About, Record, VersionRecord, read_record
from mithaq.kernel.ids import NationId
from mithaq.nations.names import MembershipName, parse_origin

DifferenceKind = Literal["not-here", "not-there", "other-hash", "other-signers"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which this nation's log and a partner's differ.

    `kind`: `not-here` (the partner accepted what is not in this log), `not-there` (the reverse), `other-hash` (both
    accepted something under this number, and it is not the same: somebody said two things), `other-signers` (one has
    seen a signature under the version that the other has not). `here` and `there` are hashes, or the nations that
    signed; empty where there is nothing.
    """

    kind: DifferenceKind
    about: About
    here: str
    there: str

    @property
    def is_contradiction(self) -> bool:
        """Tell whether it cannot be that one of the two is only behind."""
        return self.kind == "other-hash"


def compare(own: Sequence[Record], other: Sequence[Record]) -> list[Difference]:
    """Name everything on which two logs differ; when each accepted it, and in which order, is no difference."""
    here, there = _by_subject(own), _by_subject(other)
    differences = []
    for about in sorted(here.keys() | there.keys()):
        found = _compare(about, here.get(about, []), there.get(about, []))
        if found is not None:
            differences.append(found)
    return differences


def _by_subject(records: Sequence[Record]) -> Mapping[About, list[Record]]:
    found: dict[About, list[Record]] = {}
    for each in records:
        found.setdefault(each.about, []).append(each)
    return found


def _compare(about: About, here: Sequence[Record], there: Sequence[Record]) -> Difference | None:
    hashes = _hashes(here), _hashes(there)
    if not here or not there:
        return Difference("not-there" if here else "not-here", about, *hashes)
    if {each.hash for each in here} != {each.hash for each in there}:
        return Difference("other-hash", about, *hashes)
    signers = _signers(here), _signers(there)
    return Difference("other-signers", about, *signers) if signers[0] != signers[1] else None


def _hashes(records: Sequence[Record]) -> str:
    return " ".join(dict.fromkeys(each.hash for each in records))


def _signers(records: Sequence[Record]) -> str:
    return " ".join(
        sorted({nation for each in records if isinstance(each, VersionRecord) for nation in each.signed_by})
    )


def other_leaf(records: Sequence[Record], about: About, others: Sequence[Record]) -> int:
    """Return the newest leaf about something whose hash the other log does not have, else the newest about it."""
    leaves = [leaf for leaf, each in enumerate(records) if each.about == about]
    foreign = {each.hash for each in others if each.about == about}
    return next((leaf for leaf in reversed(leaves) if records[leaf].hash not in foreign), leaves[-1])


def check_contradiction(seen: bytes, shown: bytes, log_keys: Mapping[NationId, bytes]) -> tuple[Record, Record]:
    """Verify evidence that two nations accepted different texts under one number, from its bytes and both log keys.

    Raises:
        BadAudit: it is no contradiction of two nations about one agreement, or a key is missing.
        BadNote, BadProof: a log has not signed what is shown of it.
        BadJson, BadRecord: a part is malformed.
    """
    (first, one), (second, other) = (_proven(read_attached(each), log_keys) for each in (seen, shown))
    if first.nation == second.nation or one.about != other.about or one.hash == other.hash:
        raise BadAudit("the two entries do not contradict each other")
    if first.agreement_id != second.agreement_id:
        raise BadAudit("the two entries do not contradict each other")
    return one, other


def _proven(attached: Attached, log_keys: Mapping[NationId, bytes]) -> tuple[MembershipName, Record]:
    name = parse_origin(attached.proof.checkpoint.origin)
    if not isinstance(name, MembershipName) or name.nation not in log_keys:
        raise BadAudit("the two entries do not contradict each other")
    attached.proof.check(attached.record, policy_of(name.key(log_keys[name.nation]), {}, 0))
    return name, read_record(attached.record, name.agreement_id)
