"""A whole nation's node for tests, without processes: real database, keys and services."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from mithaq.agreements.service import Agreements
from mithaq.agreements.speaking import Statements
from mithaq.exchange.context import Context
from mithaq.exchange.errors import PartnerUnreachable
from mithaq.exchange.frame import Unverified, split_frames
from mithaq.exchange.log.flushing import Flusher
from mithaq.exchange.log.service import ReleaseLog
from mithaq.exchange.log.witnessing import Answer, Witnessing
from mithaq.exchange.membership.service import Membership
from mithaq.exchange.orders import Orders
from mithaq.exchange.planning import Planning
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.sending.service import Sending
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel import canonical, journal
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.journal import Reader
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.nations.model import Partner
from mithaq.nations.service import Partners
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.databases import ready_sqlite
from tests.world import Treaty, card_of, keys_of, signer_of


@dataclass
class Country:
    """One nation with its database and services."""

    nation: NationId
    db: Database
    context: Context
    planner: Reader
    neighbours: "dict[NationId, Country]" = field(default_factory=dict)
    """The countries that answer as witnesses; one that is taken out is dead."""

    @staticmethod
    def found(nation: NationId, folder: Path, url: str | None = None) -> "Country":
        folder.mkdir(parents=True, exist_ok=True)
        db = Database.open(url or ready_sqlite(folder / f"{nation}.db"), run_dir=folder)
        return Country.over(nation, db)

    @staticmethod
    def over(nation: NationId, db: Database, neighbours: "dict[NationId, Country] | None" = None) -> "Country":
        """The services of a nation over a database that is there; `neighbours` may be a dictionary that lives on."""
        partners = Partners(db, nation)
        agreements = Agreements(db, nation, keys_of(nation).signing.verify_key, partners)
        neighbours = {} if neighbours is None else neighbours

        def ask(partner: Partner, body: bytes, at: datetime) -> Answer:
            """Reach a neighbour's witness without a socket."""
            if partner.nation not in neighbours:
                raise PartnerUnreachable("the node of %(nation)s does not answer", nation=partner.nation)
            return neighbours[partner.nation].witness.add_checkpoint(body, at, nation)

        signer = signer_of(nation)
        flusher = Flusher(db, ReleaseLog(db, nation, signer), partners, ask)
        context = Context(db, nation, Holdings(db), agreements, partners, signer, flusher)
        return Country(nation, db, context, Planning(context).reader(), neighbours)

    @property
    def witness(self) -> Witnessing:
        return Witnessing(self.db, self.context.partners, self.context.signer, self.membership.members)

    @property
    def membership(self) -> Membership:
        return Membership(self.context)

    @property
    def statements(self) -> Statements:
        return Statements(self.db, self.nation, self.context.agreements)

    def befriend(self, others: Iterable["Country"], at: datetime) -> None:
        for other in others:
            if other.nation != self.nation:
                partner = self.context.partners.add(card_of(other.nation, at), at=at, actor="person--1")
                self.context.partners.confirm(other.nation, partner.card.fingerprint, at=at, actor="person--1")
                self.neighbours[other.nation] = other

    def add(self, number: int, at: datetime, *, to: ReleaseInstruction | None = None, **changes: object) -> str:
        """Store an own indicator and return its id."""
        body = indicator(number, **changes)
        parsed = stix.parse(body)
        lane = changes.get("lane", ACTUAL)
        assert isinstance(lane, Lane)
        tlp = changes.get("tlp", Tlp.GREEN)
        assert isinstance(tlp, Tlp)
        provenance = Provenance("own", self.nation, None, None, None, None, tlp, Pap.GREEN, {}, at)
        with self.db.write(at) as tx:
            report = self.context.holdings.store(tx, [NewObject(body, parsed, lane, provenance, to)])
        assert not report.refused, report.refused
        return parsed.id

    def plan(self, at: datetime) -> None:
        while journal.run_once(self.db, self.planner, at):
            pass

    def log_membership(self, at: datetime) -> None:
        """Append what the journal tells of, show it to the other parties and wait for their answers."""
        self.membership.follow(at)
        wait(self.membership.offer(at))

    def order(self, treaty: Treaty, at: datetime) -> None:
        Orders(self.context).stand(treaty.agreement_id, "defence", at=at, actor="person--releaser")

    def held(self, object_id: str, lane: Lane = ACTUAL) -> list[StoredObject]:
        with self.db.read() as connection:
            return self.context.holdings.get(connection, object_id, lane)


def indicator(number: int, *, tlp: Tlp = Tlp.GREEN, **changes: object) -> bytes:
    changes.pop("lane", None)
    return canonical.dumps(
        {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
            "created": "2026-11-23T11:00:00.000Z",
            "modified": "2026-11-23T11:00:00.000Z",
            "name": f"beacon {number}",
            "pattern": f"[ipv4-addr:value = '198.51.{number // 256}.{number % 256}']",
            "pattern_type": "stix",
            "valid_from": "2026-11-23T11:00:00.000Z",
            "labels": ["PAP:GREEN"],
            "object_marking_refs": [tlp.marking_id],
        }
        | changes
    )


def alliance(folder: Path, nations: Iterable[NationId], at: datetime, treaty: Treaty) -> list[Country]:
    """Nations that trust each other and have all signed one agreement."""

    def unite(place: Path) -> list[Country]:
        countries = [Country.found(nation, place / nation) for nation in nations]
        for country in countries:
            country.befriend(countries, at)
            country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
        return countries

    nations = tuple(nations)
    return remembered(("alliance", nations, repr(treaty)), folder, unite)


_LIVED: dict[Hashable, tuple[Path, list[tuple[NationId, list[NationId]]]]] = {}


def remembered(story: Hashable, folder: Path, live: Callable[[Path], list[Country]]) -> list[Country]:
    """Nations that have lived a story, each with a database of its own in `folder`; it is lived once in a process.

    `live` gets a folder and puts each nation into one below it that has its code.
    """
    if story not in _LIVED:
        place = Path(tempfile.mkdtemp(prefix="mithaq-lived-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
        lived = live(place)
        for country in lived:
            country.db.close()
        _LIVED[story] = place, [(country.nation, list(country.neighbours)) for country in lived]
    place, known = _LIVED[story]
    for nation, _ in known:
        (folder / nation).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place / nation / f"{nation}.db", folder / nation / f"{nation}.db")
    found = {nation: Country.found(nation, folder / nation) for nation, _ in known}
    for nation, neighbours in known:
        found[nation].neighbours.update({other: found[other] for other in neighbours})
    return list(found.values())


def deliver(sender: Country, recipient: Country, at: datetime) -> list[str]:
    """Fetch, take and receipt everything that waits, as the channel does; return the outcomes."""
    receiving = Receiving(recipient.context)
    outcomes = [receiving.take(sender.nation, frame, at) or "known" for frame in fetch(sender, recipient, at)]
    give_receipts(sender, recipient, at)
    return outcomes


def fetch(sender: Country, recipient: Country, at: datetime) -> list[Unverified]:
    sender.plan(at)
    after = Receiving(recipient.context).cursor(sender.nation)
    return list(split_frames(b"".join(Sending(sender.context).frames(recipient.nation, after, at))))


def give_receipts(sender: Country, recipient: Country, at: datetime) -> None:
    owed = Receipts(recipient.context)
    for receipt in owed.due(sender.nation):
        Receipts(sender.context).accept(recipient.nation, owed.signed(receipt), at)
        owed.delivered(receipt, at)
