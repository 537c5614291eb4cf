"""Links, sessions, tokens and audit against a real database."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.journal import Entry
from mithaq.nations.people import store
from mithaq.nations.people.errors import BadPerson, LinkRefused, NotPermitted, UnknownPerson
from mithaq.nations.people.model import Role, Verb
from mithaq.nations.people.service import People

ANALYST = frozenset({Role.ANALYST})


def actions(db: Database) -> list[Entry]:
    with db.read() as connection:
        return journal.entries(connection, 0, kinds=frozenset({"people.action"}))


def test_a_link_signs_its_person_in_with_their_roles(db: Database, at: datetime) -> None:
    people = People(db)
    person, secret = people.link("Layla", ANALYST, at)
    redeemed, session = people.redeem(secret, at)
    actor = people.actor_of_session(session, at)
    assert redeemed == person
    assert actor is not None
    assert (actor.id, actor.name, actor.roles) == (person.id, "Layla", ANALYST)


def test_a_link_works_once(db: Database, at: datetime) -> None:
    people = People(db)
    _, secret = people.link("Layla", ANALYST, at)
    people.redeem(secret, at)
    with pytest.raises(LinkRefused):
        people.redeem(secret, at)


def test_a_link_expires_after_thirty_minutes(db: Database, at: datetime) -> None:
    people = People(db)
    _, secret = people.link("Layla", ANALYST, at)
    with pytest.raises(LinkRefused):
        people.redeem(secret, at + timedelta(minutes=30))


def test_a_known_link_that_is_refused_is_audited_and_an_unknown_one_is_not(db: Database, at: datetime) -> None:
    people = People(db)
    person, secret = people.link("Layla", ANALYST, at)
    people.redeem(secret, at)
    before = len(actions(db))
    for attempt in (secret, "x" * 43):
        with pytest.raises(LinkRefused):
            people.redeem(attempt, at)
    written = actions(db)[before:]
    assert [(e.actor, e.detail["outcome"]) for e in written] == [(person.id, "refused")]


def test_no_secret_is_kept(db: Database, at: datetime) -> None:
    people = People(db)
    _, link = people.link("Layla", ANALYST, at)
    _, session = people.redeem(link, at)
    _, token = people.add_token("sensor", frozenset({Verb.TELEMETRY_PUSH}), timedelta(days=1), at)
    with db.read() as connection:
        kept = b"".join(
            repr(tuple(row)).encode()
            for table in (store.links, store.sessions, store.tokens)
            for row in connection.execute(select(table))
        )
    assert kept
    for secret in (link, session, token):
        assert secret.encode() not in kept
        assert len(secret) >= 43


def test_a_session_ends_after_twelve_hours(db: Database, at: datetime) -> None:
    people = People(db)
    _, session = people.redeem(people.link("Layla", ANALYST, at)[1], at)
    assert people.actor_of_session(session, at + timedelta(hours=11, minutes=59)) is not None
    assert people.actor_of_session(session, at + timedelta(hours=12)) is None


def test_signing_out_ends_the_session(db: Database, at: datetime) -> None:
    people = People(db)
    _, session = people.redeem(people.link("Layla", ANALYST, at)[1], at)
    actor = people.actor_of_session(session, at)
    assert actor is not None
    people.sign_out(session, actor, at)
    assert people.actor_of_session(session, at) is None


def test_a_disabled_person_is_out_at_once_and_links_no_longer_work(db: Database, at: datetime) -> None:
    people = People(db)
    person, secret = people.link("Layla", ANALYST, at)
    _, session = people.redeem(people.link("Layla", None, at)[1], at)
    people.disable(person.id, "person--admin", at)
    assert people.actor_of_session(session, at) is None
    with pytest.raises(LinkRefused):
        people.redeem(secret, at)


def test_a_new_link_lets_a_disabled_person_back_in(db: Database, at: datetime) -> None:
    people = People(db)
    person, _ = people.link("Layla", ANALYST, at)
    people.disable(person.id, "person--admin", at)
    again, secret = people.link("Layla", None, at)
    assert (again.id, again.roles) == (person.id, ANALYST)
    assert people.redeem(secret, at)[0].disabled_at is None


def test_changed_roles_end_sessions_and_hold_at_the_next_sign_in(db: Database, at: datetime) -> None:
    people = People(db)
    person, _ = people.link("Layla", ANALYST, at)
    _, session = people.redeem(people.link("Layla", None, at)[1], at)
    people.set_roles(person.id, frozenset({Role.AUDITOR}), "person--admin", at)
    assert people.actor_of_session(session, at) is None
    assert people.persons()[0].roles == {Role.AUDITOR}


def test_nobody_changes_their_own_access_and_the_attempt_is_audited(db: Database, at: datetime) -> None:
    people = People(db)
    person, _ = people.link("Layla", frozenset({Role.ADMINISTRATOR}), at)
    with pytest.raises(NotPermitted):
        people.set_roles(person.id, frozenset(Role), person.id, at)
    with pytest.raises(NotPermitted):
        people.link("Layla", frozenset(Role), at, by=person.id)
    assert people.persons()[0].roles == {Role.ADMINISTRATOR}
    assert actions(db)[-1].detail == {"action": "person.roles", "outcome": "refused", "reason": "own-access"}


def test_a_new_person_needs_a_role(db: Database, at: datetime) -> None:
    with pytest.raises(BadPerson):
        People(db).link("Layla", None, at)


def test_an_unknown_person_cannot_be_changed(db: Database, at: datetime) -> None:
    with pytest.raises(UnknownPerson):
        People(db).disable("person--0", "person--admin", at)


def test_a_token_acts_within_its_scopes_until_revoked(db: Database, at: datetime) -> None:
    people = People(db)
    token, secret = people.add_token("sensor", frozenset({Verb.TELEMETRY_PUSH}), timedelta(days=1), at)
    actor = people.actor_of_token(secret, at)
    assert actor is not None
    assert actor.verbs == {Verb.TELEMETRY_PUSH}
    people.revoke_token(token.id, "person--admin", at)
    assert people.actor_of_token(secret, at) is None
    with pytest.raises(UnknownPerson):
        people.revoke_token(token.id, "person--admin", at)


def test_a_demand_that_is_refused_is_audited_with_its_subject(db: Database, at: datetime) -> None:
    people = People(db)
    person, secret = people.link("Layla", ANALYST, at)
    _, session = people.redeem(secret, at)
    actor = people.actor_of_session(session, at)
    assert actor is not None
    people.demand(actor, Verb.INTELLIGENCE_READ, "indicator--1", at)
    with pytest.raises(NotPermitted):
        people.demand(actor, Verb.AGREEMENT_SIGN, "agreement--1", at)
    last = actions(db)[-1]
    assert (last.actor, last.subject) == (person.id, "agreement--1")
    assert last.detail == {"action": "agreement.sign", "outcome": "refused", "reason": "not-permitted"}


def test_the_audit_never_holds_a_name(db: Database, at: datetime) -> None:
    people = People(db)
    people.redeem(people.link("Layla", ANALYST, at)[1], at)
    assert actions(db)
    assert "Layla" not in repr(actions(db))
