"""What travels with a release to prove that it was logged: the record, its salt, and the path to a checkpoint."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mithaq.exchange.errors import BadRecord
from mithaq.exchange.log.policy import Witnesses, policy_of
from mithaq.exchange.log.record import Record, commit, read_record
from mithaq.exchange.settings import MAX_NUMBER, SIGNATURE_WINDOW_S
from mithaq.kernel import canonical
from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.kernel.tlog.errors import BadProof
from mithaq.kernel.tlog.proof import MAX_PROOF_BYTES, Proof, read_proof
from mithaq.nations.model import Card
from mithaq.nations.names import LogName

FORMAT = 1
MAX_ATTACHED_BYTES = 2 * MAX_PROOF_BYTES + 64 * 1024
MAX_EMERGENCY_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Attached:
    """A proof and the record its leaf commits to; nothing of it is verified yet."""

    proof: Proof
    record: bytes

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return canonical.dumps(
            {
                "format_version": FORMAT,
                "proof": self.proof.encode().decode(),
                "record": self.record.decode(),
            }
        )


def read_attached(data: bytes) -> Attached:
    """Read a proof with its record.

    Raises:
        BadJson, BadNote: it breaks its format.
        BadRecord: a newer format, or a field is missing.
    """
    value = canonical.loads_canonical(data, max_bytes=MAX_ATTACHED_BYTES, subject="proof")
    match value:
        case {"format_version": 1, "proof": str(proof), "record": str(record), **rest} if not rest:
            return Attached(read_proof(proof.encode()), record.encode())
    raise BadRecord("no proof with its record in format 1")


def check_attached(
    attached: Attached, expected: Record, sender: Card, witnesses: Witnesses, needed: int, at: datetime
) -> Record:
    """Verify that the sender's log holds exactly this release, under a checkpoint that enough others have cosigned.

    Checked in this order: the record says what the release says (an emergency may differ in its time and reason); the
    log is the sender's, of the right year; the log's signature; the cosignatures; their times; the path.

    Raises:
        BadRecord, BadJson: the record is of something else.
        BadNote, BadProof: the checkpoint or the path does not hold.
    """
    record = read_record(attached.record)
    if record.action == "emergency" and expected.action == "release":
        needed, expected = 0, replace(expected, action="emergency", at=record.at, detail=record.detail)
        if not 0 < len(record.detail) <= MAX_EMERGENCY_CHARS:
            raise BadRecord("an emergency without a reason")
    if record != expected:
        raise BadRecord("the record is of another release")
    name = LogName.parse(attached.proof.checkpoint.origin)
    if name.nation != sender.nation or name.year > record.at.year:
        raise BadProof("the checkpoint is not signed by a log that is known here")
    signed = attached.proof.check(
        commit(attached.proof.extra, attached.record), policy_of(name.key(sender.log_key), witnesses, needed)
    )
    window = timedelta(seconds=SIGNATURE_WINDOW_S)
    earliest, latest = (record.at - window).timestamp(), (at + window).timestamp()
    fresh = sum(all(earliest <= signed.get(key, 0) <= latest for key in keys) for keys in witnesses.values())
    if fresh < needed:
        raise BadProof("the cosignatures are older than the release, or from the future")
    if not 0 < record.sequence <= MAX_NUMBER:
        raise BadRecord("the record is of another release")
    return record


def reason_of(error: Error) -> Reason:
    """Return why a proof is refused, as a reason against the release it came with."""
    return Reason("proof-refused", error.message, error.params, "ask the sender for the release's proof")


MISSING = Reason(
    "proof-missing",
    "no proof came with a release under TLP:AMBER or stricter, so nobody else has seen that it was logged",
    {},
    "ask the sender for the release's proof",
)
