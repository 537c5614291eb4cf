"""What it costs to judge, sign and seal one bundle of 20 kB for 57 nations, and to open it again.

The measured path is the exchange's own: every object is decided for every nation, the released ones go with their
terms into a release document, the node's key signs it (Ed25519 and ML-DSA-65), HPKE seals it to that nation alone. The
floor it is compared with is what nobody can avoid: 57 bare hybrid signatures over as many bytes, with loaded keys.
Opening is the recipient's side: unseal, verify both signatures, read the document.
"""

import argparse
import hashlib
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from benchmarks.measure import Result, Size, in_turns
from mithaq.agreements.model import Agreement, Document, Party
from mithaq.agreements.terms import Onward, Terms
from mithaq.exchange.frame import Unverified, seal_frame, split_frames
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument, objects_under, read_release
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.sealing import SealKey
from mithaq.kernel.signing import Envelope, VerifyKey, verify
from mithaq.nations.signer import LocalSigner
from mithaq.release.facts import agreement_facts
from mithaq.release.model import Item, Recipient, Released, Request
from mithaq.release.rules import decide_many
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

NATIONS = 57
BUNDLE_BYTES = 20_000
AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
OWN = NationId("AA")
OTHERS = tuple(NationId(f"{chr(66 + n // 26)}{chr(65 + n % 26)}") for n in range(NATIONS))


@dataclass(frozen=True)
class Sender:
    """A nation with its key, its agreement, what it wants to release and its partners' sealing keys."""

    signer: LocalSigner
    agreement: Agreement
    objects: tuple[tuple[Item, bytes], ...]
    seal_keys: dict[NationId, SealKey]

    def release_to(self, nation: NationId) -> bytes:
        """Judge, sign and seal all objects for one nation and return the frame."""
        recipient = Recipient("nation", nation)
        agreed = agreement_facts(self.agreement, OWN, recipient)
        requests = (
            Request(item, OWN, recipient, True, self.agreement, "defence", status_at=AT, protocol=1)
            for item, _ in self.objects
        )
        released = []
        for (item, body), decision in zip(self.objects, decide_many(requests, AT, agreed), strict=True):
            if not isinstance(decision, Released):
                raise AssertionError(f"{item.id} is withheld from {nation}")
            released.append((body, decision, b""))
        document = ReleaseDocument(
            new_id("release"),
            OWN,
            nation,
            1,
            AT,
            "release",
            ACTUAL,
            self.agreement.reference,
            "defence",
            objects_under(self.agreement, released, OWN, nation, AT),
        )
        envelope = self.signer.sign(RELEASE_TYPE, document.encode())
        return seal_frame(envelope, b"", OWN, nation, 1, self.seal_keys[nation])


def _objects() -> tuple[tuple[Item, bytes], ...]:
    """Return indicators of 20 kB together."""
    objects = []
    size = 0
    for number in itertools.count(1):
        body = canonical.dumps(
            {
                "type": "indicator",
                "spec_version": "2.1",
                "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
                "created": "2026-11-23T11:00:00.000Z",
                "modified": "2026-11-23T11:00:00.000Z",
                "name": f"beacon {number}",
                "description": "Seen in traffic of a ministry. " * 8,
                "pattern": f"[domain-name:value = 'beacon-{number}.example']",
                "pattern_type": "stix",
                "valid_from": "2026-11-23T11:00:00.000Z",
                "object_marking_refs": [Tlp.GREEN.marking_id],
            }
        )
        size += len(body)
        digest = hashlib.sha256(body).hexdigest()
        item = Item(f"indicator--{number}", rfc3339(AT), "indicator", digest, Tlp.GREEN, Pap.GREEN, ACTUAL, OWN)
        objects.append((item, body))
        if size >= BUNDLE_BYTES:
            break
    return tuple(objects)


def _agreement() -> Agreement:
    document = Document(
        1,
        "agreement--00000000-0000-4000-8000-000000000001",
        1,
        None,
        {"en": "Joint defence"},
        [Party(nation, "0" * 64, {"en": nation}) for nation in (OWN, *OTHERS)],
        Terms(["indicator"], "TLP:AMBER", "PAP:RED", ["defence"], Onward("none"), 90, ["actual"]),
        rfc3339(AT - timedelta(days=1)),
        rfc3339(AT + timedelta(days=90)),
    )
    parties = frozenset((OWN, *OTHERS))
    return Agreement(document, Envelope("", b"", ()), parties, AT - timedelta(days=1), AT + timedelta(days=90))


def measure(size: Size, options: argparse.Namespace) -> Result:
    """Release to 57 nations and sign 57 times bare, in turns; then open."""
    del options
    runs = size.of(3, 31, 101)
    own, first = Keys.generate(), Keys.generate()
    seal_keys = {nation: Keys.generate().opening[0].seal_key for nation in OTHERS}
    sender = Sender(LocalSigner(own, OWN), _agreement(), _objects(), seal_keys | {OTHERS[0]: first.opening[0].seal_key})
    message = b"".join(body for _, body in sender.objects)
    ed25519 = Ed25519PrivateKey.from_private_bytes(own.signing.ed25519_seed)
    mldsa65 = MLDSA65PrivateKey.from_seed_bytes(own.signing.mldsa65_seed)
    recipient, verify_key = LocalSigner(first, OTHERS[0]), own.signing.verify_key
    (frame,) = split_frames(sender.release_to(OTHERS[0]))

    def whole() -> None:
        for nation in OTHERS:
            sender.release_to(nation)

    def bare() -> None:
        for _ in OTHERS:
            ed25519.sign(message)
            mldsa65.sign(message)

    def opened() -> None:
        for _ in OTHERS:
            _open(frame, recipient, verify_key)

    taken = in_turns({"whole": whole, "bare": bare, "opened": opened}, runs)
    figures = {
        "cpu_ms_57": round(taken["whole"] * 1000, 2),
        "ratio_to_57_bare_signatures": round(taken["whole"] / taken["bare"], 2),
        "open_per_s": round(NATIONS / taken["opened"]),
    }
    return Result(figures, runs, {"bare signatures": {"cpu_ms_57": round(taken["bare"] * 1000, 2)}})


def _open(frame: Unverified, recipient: LocalSigner, key: VerifyKey) -> ReleaseDocument:
    return read_release(verify(frame.open(recipient)[0], key, RELEASE_TYPE))
