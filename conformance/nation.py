"""A nation that is played: its keys, card, and signed words; true ones, from which stories make false ones."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, Party
from mithaq.agreements.rules import agreement_of, payload_of
from mithaq.agreements.terms import Onward, Terms
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.frame import seal_frame
from mithaq.exchange.release_document import RELEASE_TYPE, ReleasedObject, ReleaseDocument
from mithaq.kernel import canonical, keystore
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.signing import Envelope, read_envelope, sign_with
from mithaq.nations.keys import root_file
from mithaq.nations.keys import rules as key_rules
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.model import CARD_TYPE, Card, OnlineKeys
from mithaq.nations.rules import card_payload, read_card
from mithaq.nations.signer import LocalSigner
from mithaq.release.model import Item, Scope
from mithaq.release.rules import carried_terms
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

CODES = (NationId("XT"), NationId("XU"))
"""The two nations that are played (user-assigned codes of ISO 3166)."""

_PASSPHRASE = b"played by the conformance program"
_VALID = timedelta(days=30)


def now() -> datetime:
    """Return the instant; the program is a face, so it holds a clock."""
    return datetime.now(UTC)


@dataclass
class Nation:
    """One nation that is played."""

    code: NationId
    keys: Keys
    address: str
    card_bytes: bytes
    signer: LocalSigner = field(init=False)

    def __post_init__(self) -> None:
        self.signer = LocalSigner(self.keys, self.code)

    @staticmethod
    def make(code: NationId, address: str, folder: Path) -> "Nation":
        """Draw keys, sign a card, and keep both in the folder."""
        keys, at = Keys.generate(), now()
        keystore.write(folder / f"{code}.keys", keys, _PASSPHRASE)
        nation = Nation(code, keys, address, b"")
        nation.card_bytes = nation._card(at)
        (folder / f"{code}.card").write_bytes(nation.card_bytes)
        (folder / f"{code}.json").write_text(json.dumps({"address": address}))
        return nation

    @staticmethod
    def load(code: NationId, folder: Path) -> "Nation":
        """Read a nation back that was made before."""
        keys = keystore.read(folder / f"{code}.keys", _PASSPHRASE)
        address = json.loads((folder / f"{code}.json").read_text())["address"]
        return Nation(code, keys, address, (folder / f"{code}.card").read_bytes())

    def _card(self, at: datetime) -> bytes:
        """Return the file of this nation's card, with the statement of its one root official beside it."""
        witness_ed25519, witness_mldsa44 = self.keys.witness_public
        online = OnlineKeys(self.keys.signing.verify_key, self.keys.log_public, witness_ed25519, witness_mldsa44)
        official = root_file.draw("Conformance")
        statement = key_rules.draft(
            None,
            nation=self.code,
            roots=[official.root],
            threshold=1,
            online=online,
            revoked=(),
            at=at,
            expires_at=at + _VALID,
        )
        card = Card(
            nation=self.code,
            names={"en": f"Conformance nation {self.code}"},
            verify_key=online.verify_key,
            seal_key=self.keys.opening[0].seal_key,
            log_key=online.log_key,
            witness_ed25519=witness_ed25519,
            witness_mldsa44=witness_mldsa44,
            addresses=(self.address,),
            contact=f"duty@{self.code.lower()}.example",
            issued_at=at,
            expires_at=at + _VALID,
            root_hash=key_rules.root_hash(statement),
            seal_expires_at=at + _VALID,
        )
        signed = root_file.sign(key_rules.unsigned(statement), official)
        return with_statements(sign_with(self.keys.signing, CARD_TYPE, card_payload(card)), [signed])

    def request(self, node: NationId, method: str, target: str, body: bytes, **changes: Any) -> dict[str, str]:
        """Return the headers that sign a request to the node."""
        given: dict[str, Any] = {"sender": self.code, "recipient": node, "at": now()} | changes
        return sign_request(self.signer, method=method, target=target, body=body, **given)


def draft(nations: list[Nation], node: Card) -> Envelope:
    """Return an agreement of the played nations and the node, signed by the played ones.

    It is narrow on purpose, so that there is something to be refused.
    """
    at = now()
    parties = [Party(each.code, each.keys.signing.verify_key.key_id, {"en": each.code}) for each in nations]
    parties.append(Party(node.nation, node.verify_key.key_id, {"en": node.nation}))
    terms = Terms(
        kinds=["indicator", "sighting", "relationship", "identity"],
        tlp_ceiling="TLP:GREEN",
        pap_ceiling="PAP:RED",
        purposes=["defence"],
        onward=Onward("none"),
        retention_days=30,
        lanes=["actual"],
        exclusions=["classified"],
    )
    document = Document(
        format_version=1,
        id=new_id("agreement"),
        version=1,
        previous_hash=None,
        title={"en": "Conformance"},
        parties=parties,
        terms=terms,
        not_before=rfc3339(at - timedelta(days=1)),
        not_after=rfc3339(at + _VALID),
    )
    payload = payload_of(document)
    whole = read_envelope(sign_with(nations[0].keys.signing, AGREEMENT_TYPE, payload))
    for nation in nations[1:]:
        whole = whole.joined(read_envelope(sign_with(nation.keys.signing, AGREEMENT_TYPE, payload)))
    return whole


def agreement(envelope: bytes, nations: list[Nation], node: Card) -> Agreement:
    """Read the agreement back, as the played nations see it."""
    keys = {each.code: each.keys.signing.verify_key for each in nations} | {node.nation: node.verify_key}
    return agreement_of(read_envelope(envelope), keys)


def node_card(data: bytes) -> Card:
    """Read the card of the node that is held to the protocol."""
    return read_card(data, now())


def indicator(**changes: Any) -> dict[str, Any]:
    """Return an indicator of its own kind each time; `changes` are put in its place, None takes a property away."""
    number = uuid.uuid4()
    at = rfc3339(now())
    value = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{number}",
        "created": at,
        "modified": at,
        "name": "conformance",
        "pattern": f"[domain-name:value = '{number.hex[:12]}.conformance.example']",
        "pattern_type": "stix",
        "valid_from": at,
        "labels": ["PAP:GREEN"],
        "object_marking_refs": [Tlp.GREEN.marking_id],
    } | changes
    return {name: each for name, each in value.items() if each is not None}


@dataclass
class Words:
    """What one played nation says to the node under the agreement; every method gives true words unless changed."""

    nation: Nation
    node: Card
    agreement: Agreement

    def document(self, sequence: int, *bodies: bytes, **changes: Any) -> dict[str, Any]:
        """Return a release as JSON values, ready to be falsified before it is signed."""
        at = now()
        item = Item("", "", "indicator", "", Tlp.GREEN, Pap.GREEN, ACTUAL, self.nation.code, scope=Scope())
        terms = carried_terms(item, self.agreement, self.nation.code, self.node.nation, at)
        document = ReleaseDocument(
            id=new_id("release"),
            sender=self.nation.code,
            recipient=self.node.nation,
            sequence=sequence,
            at=at,
            action="release",
            lane=ACTUAL,
            agreement=self.agreement.reference,
            purpose="defence",
            objects=tuple(ReleasedObject(body, terms, "0" * 64) for body in bodies),
        )
        value: dict[str, Any] = msgspec.json.decode(document.encode())
        return value | changes

    def sign(self, document: Mapping[str, Any] | bytes) -> bytes:
        """Return the signed envelope around a release."""
        payload = document if isinstance(document, bytes) else canonical.dumps(document)
        return sign_with(self.nation.keys.signing, RELEASE_TYPE, payload)

    def seal(self, envelope: bytes, sequence: int, **header: Any) -> bytes:
        """Return the frame around an envelope, sealed to the node."""
        sender = header.get("sender", self.nation.code)
        recipient = header.get("recipient", self.node.nation)
        key = header.get("key", self.node.seal_key)
        return seal_frame(envelope, b"", sender, recipient, sequence, key)

    def frame(self, sequence: int, *objects: Mapping[str, Any], **changes: Any) -> bytes:
        """Return a whole frame with these objects."""
        bodies = [json.dumps(each).encode() for each in objects]
        return self.seal(self.sign(self.document(sequence, *bodies, **changes)), sequence)
