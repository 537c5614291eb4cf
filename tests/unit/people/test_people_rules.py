"""The permission table and the other pure decisions about people."""

from datetime import UTC, datetime, timedelta

import pytest

from mithaq.nations.people.model import Actor, ApiToken, Link, Role, Verb
from mithaq.nations.people.rules import (
    NEVER_A_SCOPE,
    PERMISSIONS,
    another_person,
    link_usable,
    permit,
    role_change,
    roles_with,
    token_usable,
    usable_name,
    usable_scopes,
    verbs_of,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_every_role_stands_in_the_table() -> None:
    assert set(PERMISSIONS) == set(Role)


def test_every_verb_but_the_programs_own_is_held_by_some_role() -> None:
    assert {verb for verb in Verb if not roles_with(verb)} == {Verb.TELEMETRY_PUSH}


def test_no_single_role_both_signs_agreements_and_releases_under_them() -> None:
    for verbs in PERMISSIONS.values():
        assert not {Verb.AGREEMENT_SIGN, Verb.RELEASE_DECIDE} <= verbs


def test_an_administrator_reads_no_intelligence_and_no_audit() -> None:
    held = PERMISSIONS[Role.ADMINISTRATOR]
    assert not held & {Verb.INTELLIGENCE_READ, Verb.RELEASE_READ, Verb.DETECTION_READ, Verb.AUDIT_READ}


def test_an_auditor_only_reads() -> None:
    assert all(verb.endswith(".read") for verb in PERMISSIONS[Role.AUDITOR])


def test_two_roles_permit_what_either_permits() -> None:
    both = verbs_of([Role.ANALYST, Role.DIRECTOR])
    assert both == PERMISSIONS[Role.ANALYST] | PERMISSIONS[Role.DIRECTOR]


def test_a_refusal_names_the_permission_and_the_roles_that_hold_it() -> None:
    reason = permit(Actor("person--1", "A", PERMISSIONS[Role.ANALYST]), Verb.AGREEMENT_SIGN)
    assert reason is not None
    assert "agreement.sign" in reason.sentence()
    assert "director" in reason.remedy_sentence()


def test_nobody_changes_their_own_roles() -> None:
    assert role_change("person--1", "person--1") is not None
    assert role_change("person--1", "person--2") is None


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "x" * 121, "a\u202eb"])
def test_a_name_that_could_deceive_a_reader_is_refused(name: str) -> None:
    assert usable_name(name) is not None


@pytest.mark.parametrize("name", ["Layla", "ليلى الحسن", "Zoé O’Neil", "<b>x</b>"])
def test_a_printable_name_in_any_script_is_accepted(name: str) -> None:
    assert usable_name(name) is None


@pytest.mark.parametrize("verb", sorted(NEVER_A_SCOPE))
def test_what_needs_a_person_is_never_a_scope(verb: Verb) -> None:
    assert usable_scopes(frozenset({verb, Verb.TELEMETRY_PUSH})) is not None


def test_a_link_works_before_its_end_and_once() -> None:
    fresh = Link("person--1", AT + timedelta(minutes=30), None)
    assert link_usable(fresh, AT)
    assert not link_usable(fresh, AT + timedelta(minutes=30))
    assert not link_usable(Link("person--1", AT + timedelta(minutes=30), AT), AT)
    assert not link_usable(None, AT)


def test_a_token_ends_when_it_expires_or_is_revoked() -> None:
    token = ApiToken("token--1", "sensor", frozenset({Verb.TELEMETRY_PUSH}), AT, AT + timedelta(days=1))
    assert token_usable(token, AT)
    assert not token_usable(token, AT + timedelta(days=1))
    revoked = ApiToken("token--1", "sensor", token.scopes, AT, AT + timedelta(days=1), AT)
    assert not token_usable(revoked, AT)


def test_a_joint_decision_takes_another_person() -> None:
    assert another_person("person--1", {"person--2"}) is None
    refused = another_person("person--1", {"person--1", "person--2"})
    assert refused is not None
    assert (refused.code, refused.params["roles"]) == ("same-person", "releaser")
