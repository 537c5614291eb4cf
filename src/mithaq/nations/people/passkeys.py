"""Passkeys (Web Authentication Level 2): enrol one in a session, sign in with one."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

import webauthn
from sqlalchemy import update
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mithaq.kernel.database import Database
from mithaq.nations.people import store
from mithaq.nations.people.audit import audit
from mithaq.nations.people.errors import PasskeyRefused
from mithaq.nations.people.model import (
    CEREMONY_LIFETIME,
    Actor,
    Outcome,
    Passkey,
    Person,
    RelyingParty,
)

_MAX_PASSKEYS = 20


class Passkeys:
    """The two ceremonies; a challenge is kept for five minutes and used once."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def enrolment(self, actor: Actor, party: RelyingParty, at: datetime) -> tuple[str, str]:
        """Return a ceremony's secret and the options for `navigator.credentials.create()`."""
        with self._db.read() as connection:
            known = store.passkeys_of(connection, actor.id)
        options = webauthn.generate_registration_options(
            rp_id=party.id,
            rp_name=party.name,
            user_name=actor.name,
            user_id=_user_handle(actor.id),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=key.credential_id) for key in known],
        )
        return self._begun(options.challenge, actor.id, at), webauthn.options_to_json(options)

    def enrol(
        self, ceremony: str, credential: dict[str, Any], actor: Actor, party: RelyingParty, at: datetime
    ) -> Passkey:
        """Keep the public key of a verified registration.

        Raises:
            PasskeyRefused: the ceremony is over, belongs to somebody else, or the answer does not verify.
        """
        challenge = self._taken(ceremony, actor.id, at)
        try:
            verified = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            self._refused(actor.id, "passkey.enrol", at)
            raise PasskeyRefused("the passkey's answer does not verify", private=str(error)) from error
        passkey = Passkey(verified.credential_id, actor.id, verified.credential_public_key, verified.sign_count, at)
        self._keep(passkey, at)
        return passkey

    def _keep(self, passkey: Passkey, at: datetime) -> None:
        with self._db.write(at) as tx:
            if len(store.passkeys_of(tx.connection, passkey.person_id)) >= _MAX_PASSKEYS:
                raise PasskeyRefused("a person has at most %(limit)s passkeys", limit=_MAX_PASSKEYS)
            if store.passkey(tx.connection, passkey.credential_id):
                raise PasskeyRefused("this passkey is enrolled already")
            tx.execute(
                store.passkeys.insert().values(
                    credential_id=passkey.credential_id,
                    person_id=passkey.person_id,
                    public_key=passkey.public_key,
                    sign_count=passkey.sign_count,
                    created_at=at,
                )
            )
            audit(tx, actor=passkey.person_id, action="passkey.enrol", subject=passkey.person_id)

    def sign_in_options(self, party: RelyingParty, at: datetime) -> tuple[str, str]:
        """Return a ceremony's secret and the options for `navigator.credentials.get()`."""
        options = webauthn.generate_authentication_options(
            rp_id=party.id, user_verification=UserVerificationRequirement.REQUIRED
        )
        return self._begun(options.challenge, None, at), webauthn.options_to_json(options)

    def sign_in(
        self, ceremony: str, credential: dict[str, Any], party: RelyingParty, at: datetime
    ) -> tuple[Person, str]:
        """Return the person behind a verified passkey and the secret of a new session.

        Raises:
            PasskeyRefused: the ceremony is over, the passkey is unknown, its person is disabled, or the
                answer does not verify.
        """
        challenge = self._taken(ceremony, None, at)
        passkey, person = self._known(credential)
        try:
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=party.id,
                expected_origin=party.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            self._refused(person.id, "person.sign-in", at)
            raise PasskeyRefused("the passkey's answer does not verify", private=str(error)) from error
        with self._db.write(at) as tx:
            known = store.passkeys.c.credential_id == passkey.credential_id
            tx.execute(update(store.passkeys).where(known).values(sign_count=verified.new_sign_count))
            audit(tx, actor=person.id, action="person.sign-in", subject=person.id)
            return person, store.open_session(tx, person.id, at)

    def approval_options(self, person_id: str, keys: Collection[bytes], challenge: bytes, party: RelyingParty) -> str:
        """Return the options for signing `challenge` with one of a person's passkeys whose COSE bytes are in `keys`.

        Nothing is kept: the challenge is the digest of what is signed, and the signature itself is the record.

        Raises:
            PasskeyRefused: the person has none of these passkeys.
        """
        usable = [each for each in self.of_person(person_id) if each.public_key in keys]
        if not usable:
            raise PasskeyRefused("none of your passkeys is one that signs this")
        options = webauthn.generate_authentication_options(
            rp_id=party.id,
            challenge=challenge,
            allow_credentials=[PublicKeyCredentialDescriptor(id=each.credential_id) for each in usable],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def used(self, credential: dict[str, Any], person_id: str) -> Passkey:
        """Return the passkey of this person that a browser's answer names; the answer is not verified.

        Raises:
            PasskeyRefused: it is unknown here, or somebody else's.
        """
        passkey, person = self._known(credential)
        if person.id != person_id:
            raise PasskeyRefused("this passkey is not known here")
        return passkey

    def of_person(self, person_id: str) -> list[Passkey]:
        """Return a person's passkeys, oldest first."""
        with self._db.read() as connection:
            return store.passkeys_of(connection, person_id)

    def _known(self, credential: dict[str, Any]) -> tuple[Passkey, Person]:
        refused = PasskeyRefused("this passkey is not known here")
        try:
            credential_id = webauthn.base64url_to_bytes(str(credential["rawId"])[:2048])
        except (KeyError, ValueError) as error:
            raise refused from error
        with self._db.read() as connection:
            passkey = store.passkey(connection, credential_id)
            person = store.person(connection, passkey.person_id) if passkey else None
        if passkey is None or person is None or person.disabled_at is not None:
            raise refused
        return passkey, person

    def _begun(self, challenge: bytes, person_id: str | None, at: datetime) -> str:
        secret = store.new_secret()
        with self._db.write(at) as tx:
            store.sweep(tx, at)
            tx.execute(
                store.ceremonies.insert().values(
                    digest=store.digest(secret),
                    challenge=challenge,
                    person_id=person_id,
                    expires_at=at + CEREMONY_LIFETIME,
                )
            )
        return secret

    def _taken(self, ceremony: str, person_id: str | None, at: datetime) -> bytes:
        with self._db.write(at) as tx:
            taken = store.take_ceremony(tx, ceremony, at)
        if taken is None or taken[1] != person_id:
            raise PasskeyRefused("this took too long or was done already; start again")
        return taken[0]

    def _refused(self, actor: str, action: str, at: datetime) -> None:
        with self._db.write(at) as tx:
            audit(
                tx,
                actor=actor,
                action=action,
                subject=actor,
                outcome=Outcome.REFUSED,
                reason=PasskeyRefused.code,
            )


def _user_handle(person_id: str) -> bytes:
    return uuid.UUID(person_id.partition("--")[2]).bytes
