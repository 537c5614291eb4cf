"""Agreements and statements over real HTTP on loopback: how they reach the other parties, and who is refused."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import msgspec
import pytest

from mithaq.agreements import statements as rules
from mithaq.agreements.model import Agreement
from mithaq.agreements.statement import STATEMENT_TYPE, Cited, Draft, Statement
from mithaq.exchange.channel.http_signature import sign_request
from mithaq.exchange.letters import Letter, Letters, queue
from mithaq.exchange.settings import MAX_LETTER_BYTES, MAX_OPEN_PROPOSALS_PER_PARTNER
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import sign_with
from tests.channel import CLOCK, World, opened
from tests.country import Country
from tests.doors import channels_of, listening, serving
from tests.running import until
from tests.world import XA, XB, XC, XD, Treaty, card_of, keys_of, signer_of

pytestmark = pytest.mark.functional

DOOR = "/partner/v1/agreements"
SUSPEND = Draft("suspend", "suspected-breach")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as world:
        yield world


def post(world: World, body: bytes, *, sender: NationId = XB, by: NationId | None = None) -> httpx.Response:
    signer, at = signer_of(by or sender), datetime.now(UTC)
    headers = sign_request(signer, sender=sender, recipient=XA, method="POST", target=DOOR, body=body, at=at)
    return world.ask("POST", DOOR, body, **headers)


def agreement_at(country: Country) -> Agreement:
    with country.db.read() as connection:
        (agreement,) = country.context.agreements.current(connection, CLOCK.now())
    return agreement


def said_by(world: World, nation: NationId, sequence: int = 1, *, by: NationId | None = None) -> bytes:
    """A suspension by a nation, signed by it or by another."""
    cited, at = agreement_at(world.first).reference, rfc3339(CLOCK.now())
    said = Statement(1, Cited(cited.id, cited.version, cited.hash), nation, sequence, "suspend", "other", at, at)
    return sign_with(keys_of(by or nation).signing, STATEMENT_TYPE, rules.payload_of(said))


def last(world: World) -> int:
    with world.first.db.read() as connection:
        return journal.last_seq(connection)


def queue_own(country: Country) -> None:
    reader = Letters(country.context).reader()
    while journal.run_once(country.db, reader, CLOCK.now()):
        pass


# How they travel.


def test_a_suspension_reaches_the_other_parties_by_itself(world: World) -> None:
    second, agreement_id = world.second, agreement_at(world.first).document.id
    second.context.partners.add(card_of(XA, CLOCK.now(), address=world.url), at=CLOCK.now(), actor="person--1")
    with channels_of(second, world.run_dir(second), CLOCK):
        second.statements.say(agreement_id, SUSPEND, signer_of(XB), at=CLOCK.now(), actor="person--director")
        queue_own(second)
        until(lambda: agreement_at(world.first).suspended_parties == {XB}, 10)
        until(lambda: [each.recipient for each in on_the_way(second)] == [XC], 10)


def on_the_way(country: Country) -> list[Letter]:
    with country.db.read() as connection:
        return Letters(country.context).on_the_way(connection)


def test_a_letter_to_a_node_that_is_down_arrives_when_it_is_back(tmp_path: Path) -> None:
    with opened(tmp_path) as world, ExitStack() as stack:
        first, second = world.first, world.second
        with listening() as free:
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        second.context.partners.add(card_of(XA, CLOCK.now(), address=address), at=CLOCK.now(), actor="person--1")
        agreement_id = agreement_at(first).document.id
        second.statements.say(agreement_id, SUSPEND, signer_of(XB), at=CLOCK.now(), actor="person--director")
        queue_own(second)
        stack.enter_context(channels_of(second, world.run_dir(second), CLOCK))
        assert agreement_at(first).suspended_parties == frozenset()
        stack.enter_context(serving(first, tmp_path / XA, CLOCK, port))
        until(lambda: agreement_at(first).suspended_parties == {XB}, 15)


def test_a_proposal_arrives_waits_for_a_person_and_is_not_signed_by_itself(world: World) -> None:
    second = world.second
    draft = Treaty(CLOCK.now(), agreement_id="agreement--22222222-2222-4222-8222-222222222222", signers=(XB,))
    second.context.agreements.receive(draft.envelope.encode(), at=CLOCK.now(), actor="person--1")
    second.context.partners.add(card_of(XA, CLOCK.now(), address=world.url), at=CLOCK.now(), actor="person--1")
    letters = Letters(second.context)
    assert letters.send_agreement(draft.agreement_id, at=CLOCK.now(), actor="person--1") == [XA, XC]
    with channels_of(second, world.run_dir(second), CLOCK):
        until(lambda: not letters.due(XA, CLOCK.now()), 10)
    with world.first.db.read() as connection:
        arrived = world.first.context.agreements.get(connection, draft.agreement_id)
        newest = journal.newest(connection, before=None, limit=1)[0]
    assert arrived.signed_by == {XB}
    assert (newest.kind, newest.subject, newest.actor) == ("agreements.changed", draft.agreement_id, "nation:XB")


def test_a_refused_letter_waits_longer_each_time_and_holds_up_no_other(world: World) -> None:
    second, agreement_id = world.second, agreement_at(world.first).document.id
    second.context.partners.add(card_of(XA, CLOCK.now(), address=world.url), at=CLOCK.now(), actor="person--1")
    only_theirs = Treaty(CLOCK.now(), agreement_id="agreement--33333333-3333-4333-8333-333333333333", nations=(XB, XC))
    second.context.agreements.receive(only_theirs.envelope.encode(), at=CLOCK.now(), actor="person--1")
    letters = Letters(second.context)
    second.statements.say(agreement_id, SUSPEND, signer_of(XB), at=CLOCK.now(), actor="p")
    with second.db.write(CLOCK.now()) as tx:
        queue(tx, {XA}, only_theirs.agreement_id, only_theirs.envelope.encode())
    queue_own(second)
    with channels_of(second, world.run_dir(second), CLOCK):
        until(lambda: agreement_at(world.first).suspended_parties == {XB}, 10)
    with second.db.read() as connection:
        (stuck,) = [each for each in letters.on_the_way(connection) if each.recipient == XA]
    assert stuck.tried == 1
    assert "no party" in stuck.refusal
    assert letters.due(XA, CLOCK.now()) == []


# Who is refused.


def test_a_nation_that_speaks_for_another_is_refused_and_nothing_changes(world: World) -> None:
    before = last(world)
    for body in (said_by(world, XC, by=XB), said_by(world, XA, by=XB)):
        answer = post(world, body)
        assert (answer.status_code, answer.json()["title"]) == (400, "bad-statement")
    assert (last(world), agreement_at(world.first).suspended_parties) == (before, frozenset())


def test_a_party_passes_on_what_another_signed_and_twice_is_once(world: World) -> None:
    assert post(world, said_by(world, XC)).json() == {"taken": STATEMENT_TYPE}
    assert agreement_at(world.first).suspended_parties == {XC}


def test_a_repeated_letter_is_taken_and_changes_nothing(world: World) -> None:
    body = said_by(world, XB)
    assert post(world, body).status_code == 202
    before = last(world)
    assert post(world, body).status_code == 202
    copy = Treaty(CLOCK.now()).envelope  # another text under the same id
    assert post(world, agreement_at(world.first).envelope.encode()).status_code == 202
    assert post(world, copy.encode()).json()["title"] == "bad-agreement"
    assert last(world) == before


def test_a_partner_that_is_no_party_learns_of_no_agreement(world: World) -> None:
    first, at = world.first, CLOCK.now()
    partner = first.context.partners.add(card_of(XD, at), at=at, actor="person--1")
    first.context.partners.confirm(XD, partner.card.fingerprint, at=at, actor="person--1")
    before = last(world)
    answer = post(world, said_by(world, XB), sender=XD)
    assert (answer.status_code, answer.json()["title"]) == (404, "unknown-agreement")
    own = post(world, said_by(world, XD), sender=XD)
    assert (own.status_code, own.json()["title"]) == (404, "unknown-agreement")
    theirs = post(world, agreement_at(first).envelope.encode(), sender=XD)
    assert (theirs.status_code, theirs.json()["title"]) == (403, "not-a-party")
    assert last(world) == before


def test_a_statement_that_skips_a_number_is_asked_for_again(world: World) -> None:
    answer = post(world, said_by(world, XB, 2))
    assert (answer.status_code, answer.json()["title"]) == (409, "missing-statement")


def test_a_letter_that_its_sender_did_not_ask_to_post_is_refused(world: World) -> None:
    assert world.ask("POST", DOOR, said_by(world, XB)).status_code == 401
    assert post(world, said_by(world, XB), by=XC).status_code == 401


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"payload":1}'])
def test_a_letter_that_is_none_is_refused_with_its_reason(world: World, body: bytes) -> None:
    answer = post(world, body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["detail"]


def test_a_letter_of_another_kind_is_refused_by_its_name(world: World) -> None:
    body = sign_with(keys_of(XB).signing, "application/vnd.mithaq.release+json", b"{}")
    answer = post(world, body)
    assert (answer.status_code, answer.json()["title"]) == (400, "bad-letter")
    assert "vnd.mithaq.release" in answer.json()["detail"]


def test_a_letter_over_the_limit_is_refused_however_it_comes(world: World) -> None:
    assert post(world, b"x" * (MAX_LETTER_BYTES + 1)).status_code == 413
    chunks = (b"y" * 65536 for _ in range(100))
    assert world.http.post(DOOR, content=chunks).status_code == 413


def test_a_partner_cannot_fill_the_disk_with_proposals(world: World) -> None:
    at = CLOCK.now()
    for number in range(MAX_OPEN_PROPOSALS_PER_PARTNER + 1):
        name = f"agreement--44444444-4444-4444-8444-{number:012d}"
        draft = replace(Treaty(at, nations=(XA, XB), signers=(XB,)), agreement_id=name)
        answer = post(world, draft.envelope.encode())
        assert answer.status_code == (202 if number < MAX_OPEN_PROPOSALS_PER_PARTNER else 400), answer.text
    assert "wait to be read already" in answer.json()["detail"]


def test_a_proposal_that_its_sender_has_not_signed_is_refused(world: World) -> None:
    name = "agreement--55555555-5555-4555-8555-555555555555"
    draft = Treaty(CLOCK.now(), agreement_id=name, signers=(XC,))
    answer = post(world, draft.envelope.encode())
    assert (answer.status_code, answer.json()["title"]) == (403, "not-a-party")
    wider = msgspec.structs.replace(draft.terms, tlp_ceiling="TLP:RED")
    assert post(world, replace(draft, terms=wider, signers=(XB,)).envelope.encode()).status_code == 202
