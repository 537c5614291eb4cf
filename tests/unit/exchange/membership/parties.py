"""Parties to one agreement whose officials have spoken, and their membership logs read from each other's nodes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from mithaq.agreements.statement import Draft
from mithaq.exchange.channel.log_doors import Asked
from mithaq.exchange.errors import PartnerRefused
from mithaq.exchange.log.reading import LogReading
from mithaq.exchange.membership.comparing import Comparing
from mithaq.exchange.membership.model import Compared
from mithaq.exchange.membership.record import Record, encode
from mithaq.kernel.ids import NationId
from mithaq.kernel.keystore import Keys
from mithaq.kernel.tlog.checkpoint import Checkpoint, sign_checkpoint
from mithaq.kernel.tlog.tiles import Tile, join_bundle
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from mithaq.nations.keys import rules
from mithaq.nations.keys.model import Revocation, Signed
from mithaq.nations.keys.service import OwnKeys
from mithaq.nations.names import MembershipName
from tests.country import Country, alliance, remembered
from tests.world import (
    DEFAULT_TERMS,
    XA,
    XB,
    XC,
    XD,
    Treaty,
    first_statement,
    keys_of,
    online_of,
    root_of,
    signed_statement,
    signer_of,
)

TERMS = msgspec.structs.replace(DEFAULT_TERMS, suspension_by=2)
AGAINST_C = Draft("suspend", "material-breach", target=XC)
HOUR = timedelta(hours=1)


def treaty_of(at: datetime) -> Treaty:
    """An agreement of three nations; XD is everybody's partner and no party."""
    return Treaty(at, nations=(XA, XB, XC), terms=TERMS)


def gathered(folder: Path, at: datetime) -> list[Country]:
    """XA, XB and XC with their agreement in force, and XD."""

    def gather(place: Path) -> list[Country]:
        parties = alliance(place, (XA, XB, XC), at, treaty_of(at))
        stranger = Country.found(XD, place / XD)
        for country in parties:
            publish_first(country, at)
            country.befriend([stranger], at)
        stranger.befriend(parties, at)
        return [*parties, stranger]

    return remembered(("gathered", at), folder, gather)


def publish_first(country: Country, at: datetime) -> None:
    envelope = first_statement(country.nation, at).envelope
    OwnKeys(country.db, country.nation).publish(envelope, at=at, actor="person--1")


def next_statement(nation: NationId, at: datetime, keys: Keys, *, compromised_at: datetime | None = None) -> Signed:
    """A nation's second key statement; its officials may sign several."""
    first = first_statement(nation, at - timedelta(hours=1))
    revoked = [Revocation(keys_of(nation).signing.verify_key.key_id, compromised_at)] if compromised_at else []
    draft = rules.draft(
        first,
        nation=nation,
        roots=first.statement.roots,
        threshold=1,
        online=online_of(keys),
        revoked=revoked,
        at=at,
        expires_at=at + timedelta(days=90),
    )
    return signed_statement(draft, root_of(nation))


def say(who: Country, draft: Draft, at: datetime) -> bytes:
    """Make a statement and return it as it travels."""
    who.statements.say(treaty_of(at).agreement_id, draft, signer_of(who.nation), at=at, actor="person--director")
    with who.db.read() as connection:
        heard = who.statements.all(connection, treaty_of(at).agreement_id)
    return [each.envelope for each in heard if each.statement.nation == who.nation][-1]


def hear(country: Country, envelope: bytes, at: datetime) -> None:
    country.statements.receive(envelope, at=at, actor="nation:XB")


def records(country: Country, at: datetime) -> list[Record]:
    with country.db.read() as connection:
        return country.membership.records(connection, treaty_of(at).agreement_id)


def abouts(country: Country, at: datetime) -> list[tuple[str, str, int]]:
    return [each.about for each in records(country, at)]


@dataclass(frozen=True)
class Doors:
    """A country's log doors without a socket, as one nation finds them."""

    country: Country
    asker: NationId
    agreement_id: str
    at: datetime

    def reading(self) -> LogReading:
        return LogReading(self.country.db, self.country.context.log, self.country.membership.members)

    def checkpoint(self) -> bytes:
        answer = self.reading().checkpoint(Asked(self.asker, self.at, agreement=self.agreement_id))
        if answer.status != 200:
            raise PartnerRefused("refused with %(status)s", status=answer.status)
        return answer.body

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        answer = self.reading().tile(Asked(self.asker, self.at, origin), bundle.path)
        if answer.status != 200:
            raise PartnerRefused("refused with %(status)s", status=answer.status)
        return answer.body


def compared(asker: Country, other: Country, at: datetime) -> Compared:
    agreement_id = treaty_of(at).agreement_id
    source = Doors(other, asker.nation, agreement_id, at)
    return Comparing(asker.context).with_partner(agreement_id, other.nation, source, at)


@dataclass(frozen=True)
class Lying:
    """A partner's log that shows what it likes, under its true key."""

    at: datetime
    entries: tuple[bytes, ...]
    shard: int = 1
    size: int | None = None
    root: bytes | None = None
    nation: str = XB
    signer: str = XB
    agreement: str = ""

    def checkpoint(self) -> bytes:
        agreement_id = self.agreement or treaty_of(self.at).agreement_id
        origin = MembershipName(NationId(self.nation), agreement_id, self.shard).origin
        root = self.root or Edge().extended(map(leaf_hash, self.entries)).root
        checkpoint = Checkpoint(origin, len(self.entries) if self.size is None else self.size, root)
        key = NoteKey(origin, KeyType.ED25519, keys_of(NationId(self.signer)).log_ed25519)
        return sign_checkpoint(checkpoint, key).encode()

    def bundle(self, origin: str, bundle: Tile) -> bytes:
        start = bundle.number * 256
        return join_bundle(self.entries[start : start + bundle.width])


def entries_of(country: Country, at: datetime) -> tuple[bytes, ...]:
    return tuple(encode(each) for each in records(country, at))


def append_all(countries: list[Country], at: datetime) -> None:
    for country in countries:
        country.membership.follow(at)
