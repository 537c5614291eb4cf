"""The two passkey ceremonies, with a software authenticator and a real database."""

from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from mithaq.kernel.database import Database
from mithaq.nations.people.errors import PasskeyRefused
from mithaq.nations.people.model import Actor, RelyingParty, Role
from mithaq.nations.people.service import People


class Device(Protocol):
    """The software authenticator of tests/authenticator.py."""

    credential_id: bytes
    count: int

    def create(self, options: str, origin: str) -> dict[str, Any]: ...

    def get(self, options: str, origin: str) -> dict[str, Any]: ...


class NewDevice(Protocol):
    def __call__(self, *, verifies_user: bool = True) -> Device: ...


HERE = RelyingParty("cert.example", "Node XA", "https://cert.example")


def signed_in(people: People, at: datetime, name: str = "Layla") -> Actor:
    _, secret = people.link(name, frozenset({Role.ANALYST}), at)
    actor = people.actor_of_session(people.redeem(secret, at)[1], at)
    assert actor is not None
    return actor


def enrolled(people: People, at: datetime, new_device: NewDevice) -> tuple[Actor, Device]:
    actor, device = signed_in(people, at), new_device()
    ceremony, options = people.passkeys.enrolment(actor, HERE, at)
    people.passkeys.enrol(ceremony, device.create(options, HERE.origin), actor, HERE, at)
    return actor, device


def test_an_enrolled_passkey_signs_its_person_in(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    actor, device = enrolled(people, at, new_device)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    person, session = people.passkeys.sign_in(ceremony, device.get(options, HERE.origin), HERE, at)
    assert person.id == actor.id
    assert people.actor_of_session(session, at) == actor


def test_a_challenge_is_used_once(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    _, device = enrolled(people, at, new_device)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    answer = device.get(options, HERE.origin)
    people.passkeys.sign_in(ceremony, answer, HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, answer, HERE, at)


def test_a_ceremony_ends_after_five_minutes(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    _, device = enrolled(people, at, new_device)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, device.get(options, HERE.origin), HERE, at + timedelta(minutes=5))


def test_an_answer_made_for_another_origin_is_refused(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    _, device = enrolled(people, at, new_device)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, device.get(options, "https://evil.example"), HERE, at)


def test_another_devices_signature_under_a_known_id_is_refused(
    db: Database, at: datetime, new_device: NewDevice
) -> None:
    people = People(db)
    _, device = enrolled(people, at, new_device)
    thief = new_device()
    thief.credential_id, thief.count = device.credential_id, device.count
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, thief.get(options, HERE.origin), HERE, at)


def test_a_cloned_authenticator_with_an_old_counter_is_refused(
    db: Database, at: datetime, new_device: NewDevice
) -> None:
    people = People(db)
    _, device = enrolled(people, at, new_device)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    device.count = 5
    people.passkeys.sign_in(ceremony, device.get(options, HERE.origin), HERE, at)
    device.count = 2
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, device.get(options, HERE.origin), HERE, at)


def test_presence_without_user_verification_does_not_enrol(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    actor = signed_in(people, at)
    ceremony, options = people.passkeys.enrolment(actor, HERE, at)
    answer = new_device(verifies_user=False).create(options, HERE.origin)
    with pytest.raises(PasskeyRefused):
        people.passkeys.enrol(ceremony, answer, actor, HERE, at)
    assert people.passkeys.of_person(actor.id) == []


def test_one_persons_enrolment_cannot_be_finished_by_another(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    first, second = signed_in(people, at), signed_in(people, at, "Omar")
    ceremony, options = people.passkeys.enrolment(first, HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.enrol(ceremony, new_device().create(options, HERE.origin), second, HERE, at)


def test_a_disabled_persons_passkey_no_longer_signs_in(db: Database, at: datetime, new_device: NewDevice) -> None:
    people = People(db)
    actor, device = enrolled(people, at, new_device)
    people.disable(actor.id, "person--admin", at)
    ceremony, options = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, device.get(options, HERE.origin), HERE, at)


@pytest.mark.parametrize("answer", [{}, {"rawId": 7}, {"rawId": "!!"}, {"rawId": "AAAA", "id": "AAAA", "response": {}}])
def test_an_answer_that_is_no_credential_is_refused(db: Database, at: datetime, answer: dict[str, Any]) -> None:
    people = People(db)
    ceremony, _ = people.passkeys.sign_in_options(HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.sign_in(ceremony, answer, HERE, at)


@pytest.mark.parametrize("answer", [{}, {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}}])
def test_a_malformed_registration_is_refused(db: Database, at: datetime, answer: dict[str, Any]) -> None:
    people = People(db)
    actor = signed_in(people, at)
    ceremony, _ = people.passkeys.enrolment(actor, HERE, at)
    with pytest.raises(PasskeyRefused):
        people.passkeys.enrol(ceremony, answer, actor, HERE, at)
