"""Small worlds for tests: fictional nations with real keys, cards and signed agreements."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from mithaq.agreements import rules as agreement_rules
from mithaq.agreements.model import AGREEMENT_TYPE, Agreement, Document, Party
from mithaq.agreements.terms import Onward, Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.signing import Envelope, read_envelope, sign_with
from mithaq.nations.keys import root_file
from mithaq.nations.keys import rules as key_rules
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.keys.model import Signed, Statement
from mithaq.nations.keys.root_file import RootKey
from mithaq.nations.model import CARD_TYPE, Card, OnlineKeys
from mithaq.nations.rules import card_payload
from mithaq.nations.signer import LocalSigner

XA, XB, XC, XD = (NationId(code) for code in ("XA", "XB", "XC", "XD"))


def changed(value: Any, **changes: Any) -> Any:
    """Return a frozen value with other fields, whether it is a struct or a dataclass."""
    return msgspec.structs.replace(value, **changes) if isinstance(value, msgspec.Struct) else replace(value, **changes)


@cache
def keys_of(nation: NationId) -> Keys:
    """One key set a nation for the whole test run: drawing keys is slow."""
    return Keys.generate()


def signer_of(nation: NationId) -> LocalSigner:
    return LocalSigner(keys_of(nation), nation)


@cache
def root_of(nation: NationId, name: str = "Layla") -> RootKey:
    """One official's root key, drawn once for the whole test run."""
    return root_file.draw(name)


_FIRST: dict[tuple[bytes, datetime], Signed] = {}
_GRID, _PERIOD = datetime(2026, 11, 9, tzinfo=UTC), timedelta(days=28)


def first_statement(nation: NationId, at: datetime, keys: Keys | None = None) -> Signed:
    """A nation's first key statement: the same one for all instants of four weeks, and never stale in them."""
    keys = keys or keys_of(nation)
    root = root_of(nation) if keys == keys_of(nation) else root_file.draw("Somebody")
    issued_at = _GRID + (at - _GRID) // _PERIOD * _PERIOD
    place = (keys.signing_ed25519, issued_at)
    if place not in _FIRST:
        _FIRST[place] = signed_statement(
            key_rules.draft(
                None,
                nation=nation,
                roots=[root.root],
                threshold=1,
                online=online_of(keys),
                revoked=(),
                at=issued_at,
                expires_at=issued_at + timedelta(days=400),
            ),
            root,
        )
    return _FIRST[place]


def signed_statement(statement: Statement, *officials: RootKey) -> Signed:
    """A statement signed by officials; nothing is verified."""
    envelope = key_rules.unsigned(statement)
    for official in officials:
        envelope = root_file.sign(envelope, official)
    return Signed(statement, key_rules.hash_of(key_rules.payload_of(statement)), envelope)


def online_of(keys: Keys) -> OnlineKeys:
    return OnlineKeys(keys.signing.verify_key, keys.log_public, *keys.witness_public)


def card_of(nation: NationId, at: datetime, *, keys: Keys | None = None, address: str = "http://127.0.0.1:9") -> bytes:
    """A signed card of a nation, valid for a year, in a file with its first key statement."""
    first = first_statement(nation, at, keys)
    return with_statements(bare_card(nation, at, first, keys=keys, address=address), [first.envelope])


def bare_card(
    nation: NationId, at: datetime, first: Signed, *, keys: Keys | None = None, address: str = "http://127.0.0.1:9"
) -> bytes:
    """A signed card of a nation that stands on these first roots, without its statements."""
    keys = keys or keys_of(nation)
    card = Card(
        nation,
        {"en": f"Nation {nation}", "ar": f"الدولة {nation}", "fr": f"Nation {nation}"},
        keys.signing.verify_key,
        keys.opening[0].seal_key,
        keys.log_public,
        *keys.witness_public,
        (address,),
        f"duty@{nation.lower()}.example",
        at,
        at + timedelta(days=365),
        key_rules.root_hash(first.statement),
        at + timedelta(days=14),
    )
    return sign_with(keys.signing, CARD_TYPE, card_payload(card))


def party(nation: NationId) -> Party:
    return Party(nation, keys_of(nation).signing.verify_key.key_id, {"en": f"Nation {nation}"})


DEFAULT_TERMS = Terms(
    kinds=["indicator", "sighting", "malware", "relationship"],
    tlp_ceiling="TLP:AMBER",
    pap_ceiling="PAP:RED",
    purposes=["defence", "warning"],
    onward=Onward("none"),
    retention_days=90,
    lanes=["actual", "exercise"],
)


@dataclass
class Treaty:
    """An agreement between nations, signed by those who are told to."""

    at: datetime
    nations: tuple[NationId, ...] = (XA, XB, XC)
    terms: Terms = DEFAULT_TERMS
    agreement_id: str = "agreement--11111111-1111-4111-8111-111111111111"
    version: int = 1
    previous_hash: str | None = None
    days: int = 30
    signers: tuple[NationId, ...] | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Document:
        return Document(
            1,
            self.agreement_id,
            self.version,
            self.previous_hash,
            {"en": "Joint defence", "ar": "الدفاع المشترك", "fr": "Défense commune"},
            [party(nation) for nation in self.nations],
            self.terms,
            rfc3339(self.at - timedelta(days=1)),
            rfc3339(self.at + timedelta(days=self.days)),
        )

    @property
    def envelope(self) -> Envelope:
        payload = agreement_rules.payload_of(self.document)
        copies = [
            read_envelope(sign_with(keys_of(nation).signing, AGREEMENT_TYPE, payload))
            for nation in (self.nations if self.signers is None else self.signers)
        ]
        whole = copies[0]
        for copy in copies[1:]:
            whole = whole.joined(copy)
        return whole

    @property
    def agreement(self) -> Agreement:
        keys = {nation: keys_of(nation).signing.verify_key for nation in self.nations}
        return agreement_rules.agreement_of(self.envelope, keys)
