"""Protected terms from the journal to the partner's bytes: what leaves, what stays, and what nobody learns."""

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from mithaq.agreements.terms import Onward, Transform
from mithaq.detection.watchlist import indicator_of
from mithaq.exchange import store
from mithaq.exchange.gatekeeping import Gatekeeper
from mithaq.exchange.orders import Orders
from mithaq.exchange.protecting import secret_of, versions_of
from mithaq.exchange.receipts import Receipts
from mithaq.exchange.receiving.service import Receiving
from mithaq.intelligence.indicators import identity_id
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.kernel import canonical
from mithaq.kernel.database import Database
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.kernel.signing import read_envelope
from mithaq.release.exposure import is_pseudonymous_id
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, fetch, indicator
from tests.unit.release.test_exposure import thing
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, signer_of

SHARED = ["indicator", "sighting", "malware", "relationship", "note", "identity", "threat-actor"]
TERMS = msgspec.structs.replace(
    DEFAULT_TERMS,
    kinds=SHARED,
    transforms=[
        Transform("victim-identity", "pseudonymise"),
        Transform("personal-data", "drop"),
        Transform("internal-address", "generalise"),
    ],
    attribution="must-not",
)
MARKERS = (
    "Hydra Grid Operator", "hydra grid", "j.doe", "+966 11 234 5678", "10.77.1.2", "dc01.hydra", "Nation XA", "misp.xa",
    identity_id(XA),
)  # fmt: skip


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, terms=TERMS)


@pytest.fixture(params=["sqlite", "postgresql"])
def three(request: pytest.FixtureRequest, tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    if request.param == "postgresql":
        countries[0].db.close()
        countries[0] = Country.found(XA, tmp_path / "pg", request.getfixturevalue("postgres_url"))
        countries[0].befriend(countries, at)
        countries[0].context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1")
    countries[0].order(treaty, at)
    yield countries
    for country in countries:
        country.db.close()


def hold(
    country: Country,
    fields: dict[str, Any],
    at: datetime,
    *,
    to: ReleaseInstruction | None = None,
    tlp: Tlp = Tlp.GREEN,
) -> str:
    """Store an own object of any type and return its id."""
    body = canonical.dumps(fields | {"object_marking_refs": [tlp.marking_id]})
    word = Provenance("own", country.nation, None, None, None, None, tlp, Pap.GREEN, {}, at)
    with country.db.write(at) as tx:
        report = country.context.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, word, to)])
    assert not report.refused
    return str(fields["id"])


def versions(country: Country, object_id: str) -> list[str]:
    with country.db.read() as connection:
        return list(versions_of(connection, object_id, ACTUAL))


def reasons(country: Country, object_id: str) -> list[str]:
    with country.db.read() as connection:
        rows = connection.execute(select(store.withheld).where(store.withheld.c.object_id == object_id))
        return [reason["code"] for row in rows if row.recipient == XB for reason in row.reasons]


def opened(sender: Country, recipient: Country, at: datetime) -> list[dict[str, Any]]:
    """Take what waits, as the recipient does, and return each release as it reads it."""
    told = []
    while frames := fetch(sender, recipient, at):
        for frame in frames:
            envelope, _ = frame.open(signer_of(recipient.nation))
            told.append(json.loads(read_envelope(envelope).payload))
            Receiving(recipient.context).take(sender.nation, frame, at)
    return told


def victim(number: int = 1) -> dict[str, Any]:
    return thing(
        "identity", name="Hydra Grid Operator", identity_class="organization", sectors=["energy"],
        contact_information="j.doe@hydra.example, +966 11 234 5678",
    ) | {"id": f"identity--00000000-0000-4000-8000-{number:012d}"}  # fmt: skip


def test_an_object_that_shows_nothing_protected_goes_as_it_is(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    object_id = a.add(1, at)
    assert deliver(a, b, at) == ["admitted"]
    assert b.held(object_id)[0].body == indicator(1)
    assert versions(a, object_id) == []


def test_a_protected_version_goes_instead_and_is_judged_released_and_receipted_like_any_other(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, _ = three
    original = a.add(1, at, created_by_ref=identity_id(XA), description="told by j.doe@hydra.example")
    assert deliver(a, b, at) == ["admitted"]
    (made,) = versions(a, original)
    assert is_pseudonymous_id(made)
    assert not b.held(original)
    (got,) = b.held(made)
    assert got.stix.description == "told by [removed]"
    assert (got.tlp, got.stix.pattern, got.stix.created_by_ref) == (Tlp.GREEN, a.held(original)[0].stix.pattern, None)
    assert reasons(a, original) == ["unprotected"]
    with a.db.read() as connection:
        (sent,) = connection.execute(select(store.sent).where(store.sent.c.recipient == XB))
        (inside,) = connection.execute(
            select(store.sent_objects.c.object_id).where(store.sent_objects.c.recipient == XB)
        )
        (why,) = Orders(a.context).why(connection, a.held(original)[0], XB, "defence", at)
    assert (sent.outcome, inside.object_id) == ("admitted", made)
    assert (why.protected_id, why.protected_went) == (made, True)


def test_nothing_that_is_protected_is_in_any_byte_a_partner_gets(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    hydra = hold(a, victim(), at)
    seen = a.add(
        1, at, created_by_ref=identity_id(XA),
        description="HYDRA GRID OPERATOR, dc01.hydra.corp (10.77.1.2) by j.doe@hydra.example",
        external_references=[{"source_name": "misp.xa.example", "url": "https://misp.xa.example/7"}], x_org="Nation XA",
    )  # fmt: skip
    hold(a, thing("sighting", sighting_of_ref=seen, where_sighted_refs=[hydra], created_by_ref=identity_id(XA)), at)
    hold(a, thing("relationship", relationship_type="targets", source_ref=seen, target_ref=hydra), at)
    hold(a, thing("note", content="call +966 11 234 5678 of the Hydra Grid Operator", object_refs=[seen, hydra]), at)
    told = opened(a, b, at)
    text = json.dumps(told, ensure_ascii=False)
    bodies = [json.loads(each["body"]) for release in told for each in release["objects"]]
    assert sorted(each["type"] for each in bodies) == ["identity", "indicator", "note", "relationship", "sighting"]
    assert [marker for marker in MARKERS if marker.lower() in text.lower()] == []
    ids = {each["type"]: each["id"] for each in bodies}
    by_type = {each["type"]: each for each in bodies}
    assert by_type["relationship"]["target_ref"] == by_type["sighting"]["where_sighted_refs"][0] == ids["identity"]
    assert by_type["relationship"]["source_ref"] == by_type["sighting"]["sighting_of_ref"] == ids["indicator"]
    assert by_type["note"]["object_refs"] == [ids["indicator"], ids["identity"]]
    assert by_type["indicator"]["description"] == (
        f"{by_type['identity']['name']}, host.corp (10.77.1.0/24) by [removed]"
    ), "the same victim has the same pseudonym in a text, in any case"
    with b.db.read() as connection:
        assert connection.execute(select(store.quarantine)).all() == []


def test_an_update_keeps_its_identity_and_a_withdrawal_follows(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    original = a.add(1, at, description="j.doe@hydra.example")
    deliver(a, b, at)
    later = at + timedelta(hours=1)
    a.add(1, later, description="no, k.roe@hydra.example", modified="2026-11-23T11:30:00.000Z")
    assert deliver(a, b, later) == ["admitted"]
    (made,) = versions(a, original)
    newest, older = b.held(made)
    assert (newest.stix.description, newest.stands, older.stands) == ("no, [removed]", True, False)
    with a.db.write(later) as tx:
        a.context.holdings.withdraw(tx, original, Lane("actual"), XA, "false positive")
    assert deliver(a, b, later) == ["withdrawn"]
    assert not any(each.stands for each in b.held(made))


def test_what_cannot_be_protected_stays_with_the_reason(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    mail = a.add(1, at, pattern="[email-addr:value = 'j.doe@hydra.example']")
    assert deliver(a, b, at) == []
    assert reasons(a, mail) == ["unprotected", "protect-fixed"]
    relation = hold(a, thing("relationship", relationship_type="targets", source_ref=mail, target_ref=mail), at)
    assert deliver(a, b, at) == []
    assert reasons(a, relation) == ["withheld-reference"], "it would tell that there is something"


def test_what_is_refused_for_another_reason_too_gets_no_version(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    red = a.add(1, at, tlp=Tlp.RED, description="j.doe@hydra.example")
    assert deliver(a, b, at) == []
    assert versions(a, red) == []


def test_a_version_goes_to_those_alone_for_whom_the_object_was_asked(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    a, b, c = three
    hydra = hold(a, victim(), at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    sighting = thing("sighting", sighting_of_ref=a.add(1, at), where_sighted_refs=[hydra])
    hold(a, sighting, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    assert {json.loads(each["body"])["type"] for release in opened(a, b, at) for each in release["objects"]} == {
        "indicator", "identity", "sighting",
    }  # fmt: skip
    assert {json.loads(each["body"])["type"] for release in opened(a, c, at) for each in release["objects"]} == {
        "indicator"
    }


def test_a_foreign_object_is_never_changed_for_somebody_else(tmp_path: Path, at: datetime) -> None:
    treaty = Treaty(at, terms=msgspec.structs.replace(TERMS, onward=Onward("parties"), attribution="may"))
    plain = Treaty(at, nations=(XA, XB), terms=msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("parties")),
                   agreement_id="agreement--22222222-2222-4222-8222-222222222222")  # fmt: skip
    a, b, c = alliance(tmp_path, (XA, XB, XC), at, treaty)
    for country in (a, b):
        country.context.agreements.receive(plain.envelope.encode(), at=at, actor="person--1")
    a.order(plain, at)
    object_id = a.add(1, at, description="j.doe@hydra.example")
    assert deliver(a, b, at) == ["admitted"]
    with b.db.write(at) as tx:
        gate = b.context.gatekeeper(tx.connection, at)
        against = b.context.protecting.keep(
            tx, gate, b.held(object_id)[0], ReleaseInstruction(treaty.agreement_id, (XC,), "defence")
        )
    assert [reason.code for reason in against] == ["protect-foreign"]
    for country in (a, b, c):
        country.db.close()


def test_a_recipient_does_not_admit_what_its_agreement_protects(three: list[Country], at: datetime) -> None:
    """A sender whose node does not protect: its object is signed, and quarantined all the same."""
    a, b, _ = three
    a.add(1, at)
    (frame,) = fetch(a, b, at)
    release = json.loads(read_envelope(frame.open(signer_of(XB))[0]).payload)
    release["objects"][0]["body"] = indicator(2, description="j.doe@hydra.example").decode()
    forged = forge(frame, release)
    assert Receiving(b.context).take(XA, forged, at) == "quarantined"
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.quarantine))
    assert [reason["code"] for reason in row.reasons] == ["unprotected"]


def forge(frame: Any, release: dict[str, Any]) -> Any:
    from mithaq.exchange.frame import seal_frame, split_frames
    from mithaq.exchange.release_document import RELEASE_TYPE
    from mithaq.kernel.signing import sign_with
    from tests.world import keys_of

    envelope = sign_with(keys_of(XA).signing, RELEASE_TYPE, canonical.dumps(release))
    sealed = seal_frame(envelope, b"", XA, XB, frame.header.sequence, keys_of(XB).opening[0].seal_key)
    return next(iter(split_frames(sealed)))


def test_secrets_are_drawn_once_and_differ_between_agreements(db: Database, at: datetime) -> None:
    with db.write(at) as tx:
        first, second = secret_of(tx, "agreement--1"), secret_of(tx, "agreement--2")
        assert first == secret_of(tx, "agreement--1") != second
        assert len(first) == len(second) == 32


def test_two_agreements_get_versions_that_cannot_be_linked(three: list[Country], at: datetime) -> None:
    a, b, c = three
    other = Treaty(at, nations=(XA, XC), terms=TERMS, agreement_id="agreement--22222222-2222-4222-8222-222222222222")
    for country in (a, c):
        country.context.agreements.receive(other.envelope.encode(), at=at, actor="person--1")
    a.order(other, at)
    hydra = hold(a, victim(), at)
    opened(a, b, at)
    got = [json.loads(each["body"]) for release in opened(a, c, at) for each in release["objects"]]
    assert len(versions(a, hydra)) == 2
    assert len({each["id"] for each in got}) == len({each["name"] for each in got}) == 2


def test_a_version_for_one_agreement_follows_no_standing_order_of_another(three: list[Country], at: datetime) -> None:
    a, b, c = three
    open_terms = msgspec.structs.replace(DEFAULT_TERMS, kinds=SHARED)
    other = Treaty(
        at, nations=(XA, XC), terms=open_terms, agreement_id="agreement--22222222-2222-4222-8222-222222222222"
    )
    for country in (a, c):
        country.context.agreements.receive(other.envelope.encode(), at=at, actor="person--1")
    Orders(a.context).stop(Treaty(at).agreement_id, at=at, actor="p")
    a.order(other, at)
    original = a.add(1, at, description="j.doe@hydra.example")
    with a.db.write(at) as tx:
        gate = a.context.gatekeeper(tx.connection, at)
        asked = ReleaseInstruction(Treaty(at).agreement_id, (XB,), "defence")
        assert a.context.protecting.keep(tx, gate, a.held(original)[0], asked) == ()
    assert [json.loads(each["body"])["id"] for r in opened(a, c, at) for each in r["objects"]] == [original]
    assert [json.loads(each["body"])["id"] for r in opened(a, b, at) for each in r["objects"]] == versions(a, original)


def test_nothing_a_recipient_gets_names_or_counts_the_others(
    three: list[Country], at: datetime, treaty: Treaty
) -> None:
    """The same news for one nation alone and for two: XB gets the same documents but for ids drawn at random."""
    a, b, _ = three
    Orders(a.context).stop(treaty.agreement_id, at=at, actor="p")
    hold(a, victim(1), at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    hold(a, victim(2), at, to=ReleaseInstruction(treaty.agreement_id, (XB, XC), "defence"))
    alone, shared = opened(a, b, at)[0]["objects"]
    assert alone.keys() == shared.keys()
    assert shared["terms"] == alone["terms"], "both stand under the same terms"
    told = opened(a, b, at)
    assert told == []
    for receipt in Receipts(b.context).due(XA):
        signed = Receipts(b.context).signed(receipt)
        assert XC not in base64.b64decode(json.loads(signed)["payload"]).decode()
    with b.db.read() as connection:
        (row,) = connection.execute(select(store.received))
        document = json.loads(read_envelope(bytes(row.envelope)).payload)
    everywhere = json.dumps({**document, "objects": [], "terms": []})
    assert XC not in everywhere
    assert {terms["originator"] for terms in document["terms"]} == {XA}
    assert [terms["onward_parties"] for terms in document["terms"]] == [[]]


def test_the_gate_looks_into_an_object_only_where_something_is_protected(tmp_path: Path, at: datetime) -> None:
    plain = Treaty(at, nations=(XA, XB))
    a, b = alliance(tmp_path, (XA, XB), at, plain)
    object_id = a.add(1, at, description="j.doe@hydra.example")
    with a.db.read() as connection:
        gate: Gatekeeper = a.context.gatekeeper(connection, at)
        assert gate.judge(a.held(object_id)[0], XB, plain.agreement_id, "defence").allowed
        assert gate._exposed == {}
    for country in (a, b):
        country.db.close()


def test_here_the_original_is_looked_for_and_not_its_protected_version(three: list[Country], at: datetime) -> None:
    a, _, _ = three
    original = a.add(1, at, description="j.doe@hydra.example")
    a.plan(at)
    (made,) = versions(a, original)
    assert indicator_of(a.held(original)[0]) is not None
    assert indicator_of(a.held(made)[0]) is None


def test_sending_asks_again_whether_the_version_still_shows_nothing(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    beacon = a.add(1, at, name="Hydra Grid Operator's beacon")
    a.plan(at)
    hold(a, victim(), at)  # only now is the name known to be a victim's
    assert deliver(a, b, at) == ["admitted"]
    assert not b.held(beacon)
    assert reasons(a, beacon) == ["unprotected"]
