"""A world in which trust has something to show: clocks, witnesses that do not answer, rotated keys, consents."""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
from sqlalchemy import select

from mithaq.agreements.model import Document
from mithaq.agreements.terms import Feedback, Notification, Onward, ResponseTime, Transform
from mithaq.exchange import store
from mithaq.exchange.consents import Consents, takers
from mithaq.exchange.duties.service import Duties
from mithaq.exchange.letters import Letters
from mithaq.exchange.orders import Orders
from mithaq.exchange.proving import Proving
from mithaq.exchange.receipt import RECEIPT_TYPE, Receipt
from mithaq.exchange.receipts import Receipts
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.keystore import Keys
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.nations.keys import rules
from mithaq.nations.keys.card_file import with_statements
from mithaq.nations.keys.model import Revocation
from mithaq.nations.keys.service import OwnKeys
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, remembered
from tests.obliged import keep_books
from tests.world import (
    DEFAULT_TERMS,
    XA,
    XB,
    XC,
    XD,
    Treaty,
    bare_card,
    card_of,
    first_statement,
    keys_of,
    online_of,
    root_of,
    signed_statement,
    signer_of,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INCIDENT = "incident--00000000-0000-4000-8000-000000000007"
TERMS = msgspec.structs.replace(
    DEFAULT_TERMS,
    tlp_ceiling="TLP:AMBER+STRICT",
    kinds=[*DEFAULT_TERMS.kinds, "incident", "report"],
    notification=Notification("high"),
    feedback=Feedback(sighting_hours=12),
    response_times=[ResponseTime("assistance", "urgent", 1, 8)],
    onward=Onward("originator-consent"),
    transforms=[Transform("personal-data", "drop")],
    recall_hours=24,
    review_after_days=30,
    witnesses=2,
    two_person_from="TLP:AMBER+STRICT",
)
ENERGY = "agreement--22222222-2222-4222-8222-222222222222"
NEIGHBOURS = "agreement--33333333-3333-4333-8333-333333333333"
BETWEEN_OTHERS = "agreement--44444444-4444-4444-8444-444444444444"
REFUSED = Reason("kind", "objects of type %(kind)s are not shared under the agreement", {"kind": "indicator"})


class Titled(Treaty):
    """A treaty with the title that its id stands for."""

    @property
    def document(self) -> Document:
        titles = {
            ENERGY: {"en": "Energy grid warning", "ar": "إنذار شبكة الطاقة", "fr": "Alerte réseau électrique"},
            NEIGHBOURS: {"en": "Good neighbours", "ar": "حسن الجوار", "fr": "Bon voisinage"},
        }
        title = titles.get(self.agreement_id, super().document.title)
        return msgspec.structs.replace(super().document, title=title)


def troubled_three(folder: Path, at: datetime) -> list[Country]:
    """Three nations of which the first has every trouble there is."""

    def live(place: Path) -> list[Country]:
        countries = alliance(place, (XA, XB, XC), at, Treaty(at))
        Troubled(countries, at).live()
        return countries

    return remembered(("troubled", at), folder, live)


def energy(at: datetime) -> Treaty:
    return Titled(at - 2 * DAY, terms=TERMS, agreement_id=ENERGY)


def publish_statement(country: Country, at: datetime) -> None:
    """Give a nation its own first key statement, as its founding does."""
    first = first_statement(country.nation, at)
    OwnKeys(country.db, country.nation).publish(first.envelope, at=at, actor="node")


def number(count: int) -> str:
    return f"indicator--00000000-0000-4000-8000-{count:012d}"


class Troubled:
    """What the first of three nations has to do with, one step a method."""

    def __init__(self, countries: list[Country], at: datetime) -> None:
        self.a, self.b, self.c = countries
        self.countries, self.at = countries, at

    def live(self) -> None:
        self.agree()
        self.rotate()
        self.refuse_in_part()
        self.recall()
        self.notify()
        self.protect()
        self.consent()
        self.wait()
        for country in self.countries:
            keep_books(country, self.at)

    def agree(self) -> None:
        publish_statement(self.a, self.at)
        treaty, theirs = energy(self.at), Titled(self.at, (XB, XC), terms=TERMS, agreement_id=BETWEEN_OTHERS)
        for country in self.countries:
            country.context.agreements.receive(treaty.envelope.encode(), at=self.at, actor="person--1")
        for country in (self.b, self.c):
            country.context.agreements.receive(theirs.envelope.encode(), at=self.at, actor="person--1")

    def rotate(self) -> None:
        """XD joined ten days ago; two days ago its officials revoked its node's key."""
        partners, start = self.a.context.partners, self.at - 10 * DAY
        known = partners.add(card_of(XD, start), at=start, actor="person--1")
        partners.confirm(XD, known.card.fingerprint, at=start, actor="person--1")
        treaty = Titled(start, (XA, XD), agreement_id=NEIGHBOURS)
        self.a.context.agreements.receive(treaty.envelope.encode(), at=start, actor="person--1")
        rotated(self.a, start, self.at - 2 * DAY)

    def to(self, *nations: object) -> ReleaseInstruction:
        return ReleaseInstruction(ENERGY, nations or None, "defence", "person--releaser")  # type: ignore[arg-type]

    def recall(self) -> None:
        """An object was taken back thirty hours ago: one party has confirmed it, the other has not."""
        went, back = self.at - 40 * HOUR, self.at - 30 * HOUR
        object_id = self.a.add(50, went, name="Relay of the sand fox", to=self.to(XB, XC))
        deliver(self.a, self.b, went)
        for _ in range(2):  # what it did not admit comes first
            deliver(self.a, self.c, went)
        with self.a.db.write(back) as tx:
            self.a.context.holdings.withdraw(tx, object_id, ACTUAL, XA, "a test machine")
        keep_books(self.a, back)
        deliver(self.a, self.b, back)

    def notify(self) -> None:
        duties = Duties(self.a.context)
        duties.declare_incident(
            INCIDENT, "high", frozenset({"energy"}), ACTUAL, at=self.at - 30 * HOUR, actor="person--1"
        )
        duties.start_request(ENERGY, XB, XA, "assistance", "urgent", at=self.at - 2 * HOUR, actor="person--1")

    def protect(self) -> None:
        self.a.add(63, self.at, name="Phishing kit", description="told by j.doe@hydra.example", to=self.to(XB))
        object_id = self.a.add(64, self.at, name="Grid implant", tlp=Tlp.AMBER_STRICT, to=self.to(XB))
        deliver(self.a, self.b, self.at)
        Orders(self.a.context).approve(object_id, ENERGY, at=self.at, actor="person--second")
        deliver(self.a, self.b, self.at)

    def consent(self) -> None:
        """Each of two nations holds what the other originated, and asks whether it may pass it on."""
        mine = self.a.add(52, self.at, name="Beacon seen at two stations", to=self.to(XB))
        theirs = self.b.add(53, self.at, name="Loader of the sand fox", tlp=Tlp.AMBER, to=self.to(XA))
        deliver(self.a, self.b, self.at)
        deliver(self.b, self.a, self.at)
        Consents(self.b.context).ask(mine, XC, BETWEEN_OTHERS, at=self.at, actor="person--1")
        Consents(self.a.context).ask(theirs, XD, NEIGHBOURS, at=self.at, actor="person--1")
        post(self.b, self.a, self.at)

    def refuse_in_part(self) -> None:
        """A partner answers that it did not admit an object."""
        went = self.at - 45 * HOUR
        object_id = self.a.add(62, went, name="Scanner", to=self.to(XC))
        fetch(self.a, self.c, went)
        with self.a.db.read() as connection:
            row = connection.execute(
                select(store.sent).where(store.sent.c.recipient == XC, store.sent.c.receipt.is_(None))
                .order_by(store.sent.c.sequence.desc()).limit(1)
            ).one()  # fmt: skip
        receipt = Receipt(
            XA, XC, row.release_id, row.sequence, row.digest, "quarantined", went, ((object_id, (REFUSED,)),)
        )
        Receipts(self.a.context).accept(XC, signer_of(XC).sign(RECEIPT_TYPE, receipt.encode()), went)

    def wait(self) -> None:
        """The third nation does not answer as a witness: one release waits, one left in an emergency."""
        self.a.neighbours.pop(XC)
        self.a.add(61, self.at, name="Wiper in a hospital", tlp=Tlp.AMBER, to=self.to(XB))
        fetch(self.a, self.b, self.at)
        Proving(self.a.context).order_emergency(number(61), "a hospital is under attack", at=self.at, actor="person--1")
        deliver(self.a, self.b, self.at)
        self.a.context.flusher.forget_failures()
        self.a.add(60, self.at - HOUR, name="Proxy of the sand fox", tlp=Tlp.AMBER, to=self.to(XB))
        fetch(self.a, self.b, self.at)


@cache
def other_keys() -> Keys:
    return Keys.generate()


def rotated(country: Country, start: datetime, at: datetime) -> None:
    """Give a nation XD's second statement: another signing key, and the first one revoked."""
    first, official, stolen = first_statement(XD, start), root_of(XD), keys_of(XD).signing.verify_key.key_id
    made = rules.draft(
        first,
        nation=XD,
        roots=[official.root],
        threshold=1,
        online=online_of(other_keys()),
        revoked=[Revocation(stolen, at - HOUR)],
        at=at,
        expires_at=at + 90 * DAY,
    )
    second = signed_statement(made, official)
    card = with_statements(bare_card(XD, at, first, keys=other_keys()), [first.envelope, second.envelope])
    country.context.partners.add(card, at=at, actor="nation:XD")


def post(sender: Country, recipient: Country, at: datetime) -> None:
    """Post the letters that wait, as the channel does."""
    letters, doors = Letters(sender.context), Letters(recipient.context, takers(Consents(recipient.context)))
    for letter in letters.due(recipient.nation, at):
        doors.take(sender.nation, letter.envelope, at)
        letters.delivered(letter, at)
