"""Passing on with the originator's consent: asked for, given for exactly one passage, and checked by the recipient."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from mithaq.agreements.terms import Onward
from mithaq.exchange import ledger, store
from mithaq.exchange.consent import CONSENT_TYPE, Consent, Passage, payload_of
from mithaq.exchange.consents import Asked, Consents, takers
from mithaq.exchange.errors import BadLetter, NotReleasable
from mithaq.exchange.letters import Letters
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import BadSignature, sign_with
from tests.country import Country, alliance, deliver, fetch
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, keys_of

TERMS = msgspec.structs.replace(DEFAULT_TERMS, onward=Onward("originator-consent"))
OTHER = "agreement--77777777-7777-4777-8777-777777777777"


@pytest.fixture
def three(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    """XA gives to XB under one agreement; XB and XC have another; XA's card is known to all."""
    countries = alliance(tmp_path, (XA, XB, XC), at, Treaty(at, terms=TERMS))
    theirs = Treaty(at, nations=(XB, XC), terms=TERMS, agreement_id=OTHER)
    for country in countries[1:]:
        country.context.agreements.receive(theirs.envelope.encode(), at=at, actor="person--1")
    countries[0].order(Treaty(at), at)
    yield countries
    for country in countries:
        country.db.close()


def post(sender: Country, recipient: Country, at: datetime) -> list[str]:
    """Post everything that waits, as the channel does."""
    letters = Letters(sender.context)
    doors = Letters(recipient.context, takers(Consents(recipient.context)))
    kinds = []
    for letter in letters.due(recipient.nation, at):
        kinds.append(doors.take(sender.nation, letter.envelope, at))
        letters.delivered(letter, at)
    return kinds


def asked_by(country: Country) -> Asked:
    with country.db.read() as connection:
        (asked,) = Consents(country.context).all(connection)
    return asked


def held_by_second(three: list[Country], at: datetime) -> str:
    a, b, _ = three
    object_id = a.add(1, at)
    assert deliver(a, b, at) == ["admitted"]
    return object_id


def ask(three: list[Country], object_id: str, at: datetime) -> Passage:
    a, b, _ = three
    passage = Consents(b.context).ask(object_id, XC, OTHER, at=at, actor="person--releaser")
    assert post(b, a, at) == ["application/vnd.mithaq.consent-request+json"]
    return passage


def answer(three: list[Country], said: str, at: datetime, days: int = 30) -> None:
    a, b, _ = three
    until = at + timedelta(days=days)
    Consents(a.context).answer(asked_by(a).row, said, until, at=at, actor="person--director")  # type: ignore[arg-type]
    assert post(a, b, at) == [CONSENT_TYPE]


def test_an_object_goes_on_once_its_originator_has_consented(three: list[Country], at: datetime) -> None:
    _, b, c = three
    object_id = held_by_second(three, at)
    ask(three, object_id, at)
    assert fetch(b, c, at) == []
    answer(three, "given", at)
    assert deliver(b, c, at) == ["admitted"]
    assert c.held(object_id)[0].provenance[0].nation == XB


def test_a_refusal_leaves_the_object_where_it_is(three: list[Country], at: datetime) -> None:
    _, b, c = three
    ask(three, held_by_second(three, at), at)
    answer(three, "refused", at)
    assert (fetch(b, c, at), asked_by(b).answer) == ([], "refused")


def test_a_consent_ends(three: list[Country], at: datetime) -> None:
    _, b, c = three
    ask(three, held_by_second(three, at), at)
    answer(three, "given", at, days=2)
    assert fetch(b, c, at + timedelta(days=2)) == []


def test_what_is_passed_on_without_consent_is_quarantined_with_the_reason(three: list[Country], at: datetime) -> None:
    """A holder whose node lets it pass, with a consent that its originator never signed."""
    _, b, c = three
    object_id = held_by_second(three, at)
    passage = ask(three, object_id, at)
    forged = Consent(1, passage, "given", rfc3339(at), rfc3339(at + timedelta(days=9)))
    envelope = sign_with(keys_of(XB).signing, CONSENT_TYPE, payload_of(forged))
    with b.db.write(at) as tx:
        values = {"answer": "given", "until": at + timedelta(days=9), "envelope": envelope}
        tx.execute(update(store.consents).values(**values))
        tx.append("exchange.orders", subject=object_id, lane=b.held(object_id)[0].lane, actor="p")
    assert deliver(b, c, at) == ["quarantined"]
    with c.db.read() as connection:
        (refusal,) = ledger.quarantined(connection, limit=9)
    assert [reason.code for reason in refusal.reasons] == ["onward"]
    assert not c.held(object_id)


def test_a_consent_counts_for_one_version_one_nation_and_one_agreement(three: list[Country], at: datetime) -> None:
    a, b, c = three
    object_id = held_by_second(three, at)
    ask(three, object_id, at)
    answer(three, "given", at)
    with b.db.read() as connection:
        gate, held = b.context.gatekeeper(connection, at), b.held(object_id)[0]
        verdicts = [gate.judge(held, XC, agreement, "defence") for agreement in (OTHER, Treaty(at).agreement_id)]
    assert [reason.code for verdict in verdicts for reason in verdict.reasons] == ["onward"]
    a.add(1, at, modified="2026-11-23T11:30:00.000Z", name="corrected")
    assert deliver(a, b, at) == ["admitted"]
    assert fetch(b, c, at) == []


def consent(passage: Passage, by: NationId, at: datetime, said: str = "given") -> bytes:
    paper = Consent(1, passage, said, rfc3339(at), rfc3339(at + timedelta(days=9)))  # type: ignore[arg-type]
    return sign_with(keys_of(by).signing, CONSENT_TYPE, payload_of(paper))


def test_nobody_answers_for_the_originator_and_nothing_unasked_counts(three: list[Country], at: datetime) -> None:
    b = three[1]
    passage = ask(three, held_by_second(three, at), at)
    consents = Consents(b.context)
    with pytest.raises(BadSignature):
        consents.take_consent(XA, consent(passage, XC, at), at)
    with pytest.raises(BadLetter, match="in the name of another"):
        consents.take_consent(XC, consent(passage, XC, at), at)
    for changed in ({"digest": "0" * 64}, {"recipient": XA}, {"holder": XC}, {"lane": "test"}):
        with pytest.raises(BadLetter, match="has not asked"):
            consents.take_consent(XA, consent(msgspec.structs.replace(passage, **changed), XA, at), at)
    assert asked_by(b).answer == "asked"


def test_a_consent_that_was_taken_back_is_not_given_again_by_a_replay(three: list[Country], at: datetime) -> None:
    b = three[1]
    passage = ask(three, held_by_second(three, at), at)
    given, later = consent(passage, XA, at), at + timedelta(hours=1)
    consents = Consents(b.context)
    consents.take_consent(XA, given, at)
    consents.take_consent(XA, given, at)
    consents.take_consent(XA, consent(passage, XA, later, "refused"), later)
    with pytest.raises(BadLetter, match="later answer"):
        consents.take_consent(XA, given, later)
    assert asked_by(b).answer == "refused"


def test_only_the_originator_of_that_very_version_is_asked(three: list[Country], at: datetime) -> None:
    a, b, c = three
    object_id = held_by_second(three, at)
    passage = ask(three, object_id, at)
    with pytest.raises(NotReleasable, match="is the originator"):
        Consents(a.context).ask(object_id, XC, OTHER, at=at, actor="p")
    with b.db.read() as connection:
        request = bytes(connection.scalars(select(store.letters.c.envelope)).one())
    with pytest.raises(BadLetter, match="not the originator"):
        Consents(c.context).take_request(XB, request, at)
    with pytest.raises(BadSignature):
        Consents(a.context).take_request(XC, request, at)
    with pytest.raises(NotReleasable, match="nobody has asked"):
        Consents(a.context).answer(99, "given", at, at=at, actor="p")
    assert passage.originator == XA
