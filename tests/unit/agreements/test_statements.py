"""What parties say after signing: what is taken, what is refused, and what becomes of the agreement."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mithaq.agreements import statements as rules
from mithaq.agreements.errors import BadStatement, MissingStatement, NotAParty, UnknownAgreement
from mithaq.agreements.model import Agreement, Renewal, State
from mithaq.agreements.rules import agreement_of, payload_of
from mithaq.agreements.speaking import MAX_ENVELOPE_BYTES, Statements
from mithaq.agreements.statement import STATEMENT_TYPE, Cited, Draft, Statement
from mithaq.agreements.terms import Leaving
from mithaq.kernel import journal
from mithaq.kernel.canonical import BadJson
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.signing import BadSignature, read_envelope, sign_with
from mithaq.nations.errors import SignerUnreachable
from mithaq.nations.signer import RemoteSigner
from tests.country import Country, remembered
from tests.world import DEFAULT_TERMS, XA, XB, XC, XD, Treaty, card_of, keys_of, signer_of

ALL = (XA, XB, XC, XD)
TERMS = msgspec.structs.replace(DEFAULT_TERMS, suspension_by=2, leaving=Leaving(["recall"], 30, "delete"))
SUSPEND = Draft("suspend", "suspected-breach")
RESUME = Draft("resume", "resolved")


@dataclass
class Node:
    """One nation's node that has signed an agreement of four."""

    country: Country
    agreement: Agreement

    @property
    def statements(self) -> Statements:
        return self.country.statements

    def known(self) -> Agreement:
        with self.country.db.read() as connection:
            return self.country.context.agreements.get(connection, self.agreement.document.id)

    def say(self, draft: Draft, at: datetime) -> bytes:
        """Say it and return the signed statement."""
        nation, agreement_id = self.country.nation, self.agreement.document.id
        self.statements.say(agreement_id, draft, signer_of(nation), at=at, actor="person--director")
        with self.country.db.read() as connection:
            heard = self.statements.all(connection, agreement_id)
        return [each.envelope for each in heard if each.statement.nation == nation][-1]

    def hear(self, envelope: bytes, at: datetime, sender: NationId | None = None) -> Statement:
        return self.statements.receive(envelope, at=at, actor="nation:XB", sender=sender)

    def heard(self) -> int:
        with self.country.db.read() as connection:
            return len(self.statements.all(connection, self.agreement.document.id))


def node_of(nation: NationId, folder: Path, at: datetime, url: str | None = None, **changes: Any) -> Node:
    treaty = Treaty(at, nations=ALL, terms=TERMS, **changes)

    def meet(place: Path) -> list[Country]:
        country = Country.found(nation, place / nation, url)
        for other in ALL:
            if other != nation:
                partner = country.context.partners.add(card_of(other, at), at=at, actor="person--1")
                country.context.partners.confirm(other, partner.card.fingerprint, at=at, actor="person--1")
        return [country]

    (country,) = meet(folder) if url else remembered(("met", nation, at), folder, meet)
    return Node(country, country.context.agreements.receive(treaty.envelope.encode(), at=at, actor="person--1"))


@pytest.fixture
def here(db_url: str, tmp_path: Path, at: datetime) -> Iterator[Node]:
    """XA's node, on each database."""
    node = node_of(XA, tmp_path, at, db_url)
    yield node
    node.country.db.close()


@pytest.fixture
def others(tmp_path: Path, at: datetime) -> Iterator[dict[NationId, Node]]:
    found = {nation: node_of(nation, tmp_path / "others", at) for nation in (XB, XC, XD)}
    yield found
    for node in found.values():
        node.country.db.close()


def statement(now: datetime, nation: NationId = XB, /, **changes: Any) -> Statement:
    cited = Treaty(now, nations=ALL, terms=TERMS).agreement.reference
    plain = Statement(
        1, Cited(cited.id, cited.version, cited.hash), nation, 1, "suspend", "other", rfc3339(now), rfc3339(now)
    )
    return msgspec.structs.replace(plain, **changes)


def signed(said: Statement, by: NationId | None = None) -> bytes:
    return sign_with(keys_of(by or NationId(said.nation)).signing, STATEMENT_TYPE, rules.payload_of(said))


# For itself, at once.


def test_a_party_suspends_for_itself_at_once_at_every_node_that_has_the_statement(
    here: Node, others: dict[NationId, Node], at: datetime
) -> None:
    said = here.say(SUSPEND, at)
    assert here.known().state(at) is State.SUSPENDED
    assert others[XB].known().suspended_parties == frozenset()
    others[XB].hear(said, at, sender=XA)
    agreement = others[XB].known()
    assert agreement.suspended_parties == {XA}
    assert agreement.state(at) is State.IN_FORCE
    others[XB].hear(here.say(RESUME, at), at)
    assert others[XB].known().suspended_parties == frozenset()
    assert here.known().state(at) is State.IN_FORCE


def test_an_agreement_of_two_is_suspended_when_one_of_them_suspends(at: datetime) -> None:
    agreement = Treaty(at, nations=(XA, XB)).agreement
    cited = agreement.reference
    said = statement(at, agreement=Cited(cited.id, cited.version, cited.hash))
    assert rules.with_statements(agreement, [said], XA).state(at) is State.SUSPENDED


def test_this_nations_suspension_holds_even_where_it_cannot_be_signed(here: Node, tmp_path: Path, at: datetime) -> None:
    with pytest.raises(SignerUnreachable):
        here.statements.say(here.agreement.document.id, SUSPEND, RemoteSigner(tmp_path), at=at, actor="operator")
    assert (here.known().state(at), here.heard()) == (State.SUSPENDED, 0)
    here.statements.say(here.agreement.document.id, RESUME, signer_of(XA), at=at, actor="operator")
    assert (here.known().state(at), here.heard()) == (State.IN_FORCE, 0), "nobody was told, so nobody is told again"


def test_a_suspension_can_be_limited_to_kinds(here: Node, at: datetime) -> None:
    here.hear(signed(statement(at, scope=("malware", "sighting"))), at)
    agreement = here.known()
    assert agreement.suspended_parties == frozenset()
    assert dict(agreement.suspended_kinds) == {XB: {"malware", "sighting"}}
    here.hear(signed(statement(at, sequence=2)), at)
    agreement = here.known()
    assert agreement.suspended_parties == {XB}
    assert not agreement.suspended_kinds


# By several.


def test_fewer_than_agreed_suspend_nobody_but_are_shown(here: Node, others: dict[NationId, Node], at: datetime) -> None:
    against = Draft("suspend", "material-breach", target=XD)
    one = others[XB].say(against, at)
    here.hear(one, at)
    with here.country.db.read() as connection:
        said = [each.statement for each in here.statements.all(connection, here.agreement.document.id)]
    assert not here.known().suspended_parties
    assert rules.callers(said) == {XD: frozenset({XB})}
    here.hear(others[XC].say(against, at), at)
    assert here.known().suspended_parties == {XD}
    here.hear(others[XB].say(replace(RESUME, target=XD), at), at)
    assert here.known().suspended_parties == frozenset()


def test_who_did_not_suspend_a_party_cannot_end_its_suspension(here: Node, at: datetime) -> None:
    here.hear(signed(statement(at, target=XD)), at)
    here.hear(signed(statement(at, XC, target=XD)), at)
    for meddler in (XA, XD):
        with pytest.raises(BadStatement, match="no suspension that it could end"):
            here.hear(signed(statement(at, meddler, kind="resume", target=None if meddler == XD else XD)), at)
    assert here.known().suspended_parties == {XD}


def test_several_suspend_the_kinds_that_enough_of_them_name(at: datetime) -> None:
    agreement = Treaty(at, nations=ALL, terms=TERMS).agreement
    scopes: tuple[tuple[str, ...], ...] = (("malware", "indicator"), ("malware",), ("sighting",))
    said = [statement(at, who, target=XD, scope=scope) for who, scope in zip((XA, XB, XC), scopes, strict=True)]
    assert dict(rules.suspended_kinds(agreement, said)) == {XD: {"malware"}}
    assert dict(rules.suspended_kinds(agreement, [said[0], said[2]])) == {}
    assert rules.suspended_parties(agreement, said) == frozenset()
    said[2] = statement(at, XC, target=XD)
    assert dict(rules.suspended_kinds(agreement, said)) == {XD: {"malware", "indicator"}}


def test_nobody_is_suspended_by_others_where_that_was_not_agreed(at: datetime) -> None:
    agreement = Treaty(at, nations=ALL).agreement
    cited = agreement.reference
    said = statement(at, target=XD, agreement=Cited(cited.id, cited.version, cited.hash))
    with pytest.raises(BadStatement, match="does not let parties suspend another"):
        rules.check(said, agreement, [], at)
    three = [msgspec.structs.replace(said, nation=who) for who in (XA, XB, XC)]
    assert rules.suspended_parties(agreement, three) == frozenset()


def test_an_observer_speaks_for_itself_and_suspends_nobody_else(at: datetime) -> None:
    treaty = Treaty(at, nations=ALL, terms=TERMS)
    document = treaty.document
    parties = [
        msgspec.structs.replace(each, role="observer" if each.nation == XC else "party") for each in document.parties
    ]
    payload = payload_of(msgspec.structs.replace(document, parties=parties))
    envelope = read_envelope(sign_with(keys_of(XC).signing, treaty.envelope.payload_type, payload))
    agreement = agreement_of(envelope, {XC: keys_of(XC).signing.verify_key})
    cited = agreement.reference
    said = statement(at, XC, agreement=Cited(cited.id, cited.version, cited.hash))
    rules.check(said, agreement, [], at)
    with pytest.raises(BadStatement, match="role"):
        rules.check(msgspec.structs.replace(said, target=XD), agreement, [], at)


def test_the_order_in_which_nations_are_heard_changes_nothing(at: datetime) -> None:
    agreement = Treaty(at, nations=ALL, terms=TERMS).agreement
    said = [
        statement(at, XA, target=XD),
        statement(at, XB, target=XD),
        statement(at, XB, sequence=2, kind="resume", target=XD),
        statement(at, XC),
    ]
    seen = {repr(rules.with_statements(agreement, order, XA)) for order in permutations(said)}
    assert len(seen) == 1


# Withdrawal and renewal.


def test_a_withdrawal_gives_notice_and_ends_what_the_nation_signed(here: Node, at: datetime) -> None:
    early = statement(at, kind="withdraw", effective_at=rfc3339(at + timedelta(days=29)))
    with pytest.raises(BadStatement, match="30 days' notice"):
        here.hear(signed(early), at)
    leaves = at + timedelta(days=30)
    here.hear(signed(statement(at, kind="withdraw", effective_at=rfc3339(leaves))), at)
    assert dict(here.known().leaving) == {XB: leaves}
    with here.country.db.read() as connection:
        told = [entry.detail for entry in journal.entries(connection, 0) if entry.detail.get("statement") == "withdraw"]
    assert [(each["nation"], each["on_exit"], each["surviving"]) for each in told] == [(XB, "delete", ["recall"])]
    with pytest.raises(BadStatement, match="withdrawn already"):
        here.hear(signed(statement(at, sequence=2, kind="withdraw", effective_at=rfc3339(leaves))), at)


def test_who_has_left_speaks_no_more(here: Node, at: datetime) -> None:
    leaves = at + timedelta(days=30)
    here.hear(signed(statement(at, kind="withdraw", effective_at=rfc3339(leaves))), at)
    here.hear(signed(statement(at, sequence=2, target=XD)), at)
    late = statement(leaves, sequence=3, agreement=statement(at).agreement, target=XC)
    with pytest.raises(BadStatement, match="XB has left"):
        here.hear(signed(late), leaves)


def test_without_a_term_about_leaving_a_withdrawal_takes_a_year(at: datetime) -> None:
    assert rules.notice(Treaty(at).agreement) == timedelta(days=365)


def test_who_signs_a_later_version_has_come_back(at: datetime) -> None:
    gone = [statement(at, kind="withdraw", effective_at=rfc3339(at + timedelta(days=30)))]
    assert set(rules.left(gone, 1)) == {XB}
    assert rules.left(gone, 2) == {}


def renewable(at: datetime) -> Agreement:
    """An agreement over 31 days that goes on twice by itself, unless a party objects ten days before."""
    treaty = Treaty(at, nations=ALL, terms=TERMS)
    document = msgspec.structs.replace(treaty.document, renewal=Renewal(2, 10))
    copies = [
        read_envelope(sign_with(keys_of(nation).signing, treaty.envelope.payload_type, payload_of(document)))
        for nation in ALL
    ]
    whole = copies[0].joined(copies[1]).joined(copies[2]).joined(copies[3])
    return agreement_of(whole, {nation: keys_of(nation).signing.verify_key for nation in ALL})


@pytest.mark.parametrize(
    ("days", "ends"), [(0, 0), (20, 0), (20.1, 1), (51, 1), (52, None), (80, None)],
    ids=["early", "just in time", "late", "before the second renewal", "too late for it", "in the last term"],
)  # fmt: skip
def test_a_renewal_comes_unless_a_party_objects_in_time(at: datetime, days: float, ends: int | None) -> None:
    agreement = renewable(at)
    terms = [at + timedelta(days=30) + number * timedelta(days=31) for number in range(3)]
    assert (rules.term_ends(agreement), rules.ends_at(agreement, [])) == (terms, terms[2])
    cited = agreement.reference
    said_at = at + timedelta(days=days)
    said = msgspec.structs.replace(
        statement(said_at, kind="object-to-renewal"), agreement=Cited(cited.id, cited.version, cited.hash)
    )
    if ends is None:
        with pytest.raises(BadStatement, match="no renewal is ahead"):
            rules.check(said, agreement, [], said_at)
        return
    rules.check(said, agreement, [], said_at)
    renewed = rules.with_statements(agreement, [said], XA)
    assert renewed.not_after == terms[ends]
    assert renewed.state(terms[ends] - timedelta(seconds=1)) is State.IN_FORCE
    assert renewed.state(terms[ends]) is State.EXPIRED


# Hostile statements.


def test_a_replayed_statement_changes_nothing_and_wakes_nobody(
    here: Node, others: dict[NationId, Node], at: datetime
) -> None:
    first, second = others[XB].say(SUSPEND, at), others[XB].say(RESUME, at)
    here.hear(first, at)
    here.hear(second, at)
    with here.country.db.read() as connection:
        before = journal.last_seq(connection)
    here.hear(first, at + timedelta(days=3), sender=XB)
    here.hear(second, at + timedelta(days=3), sender=XB)
    assert here.known().suspended_parties == frozenset()
    with here.country.db.read() as connection:
        assert (journal.last_seq(connection), here.heard()) == (before, 2)


def test_another_statement_under_a_used_number_is_refused(here: Node, at: datetime) -> None:
    """A nation that rolls back, after the restore of a backup or to say two things, is found out."""
    here.hear(signed(statement(at)), at)
    with pytest.raises(BadStatement, match="another statement under number 1"):
        here.hear(signed(statement(at, target=XD)), at)
    assert here.known().suspended_parties == {XB}
    assert here.heard() == 1


def test_a_statement_whose_predecessor_is_kept_back_is_refused_until_that_comes(here: Node, at: datetime) -> None:
    end = signed(statement(at, sequence=2, kind="resume"))
    with pytest.raises(MissingStatement, match="statement 1 of XB is due"):
        here.hear(end, at)
    here.hear(signed(statement(at)), at)
    assert here.known().suspended_parties == {XB}
    here.hear(end, at)
    assert here.known().suspended_parties == frozenset()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda at: signed(statement(at, XB), by=XC), BadStatement, "not signed by XB"),
        (lambda at: signed(statement(at, XA), by=XB), BadStatement, "not signed by XA"),
        (lambda at: signed(statement(at, NationId("XE")), by=XB), BadStatement, "not signed by XE"),
        (lambda at: read_envelope(signed(statement(at))).joined(read_envelope(signed(statement(at), by=XC))).encode(),
         BadStatement, "not signed by XB"),
        (lambda at: signed(statement(at)).replace(b'"ml-dsa-65:', b'"ml-dsa-66:'), BadStatement, "not signed by XB"),
        (lambda at: signed(statement(at, agreement=msgspec.structs.replace(statement(at).agreement, hash="0" * 64))),
         BadStatement, "another text"),
        (lambda at: signed(statement(at, agreement=msgspec.structs.replace(statement(at).agreement, version=2))),
         UnknownAgreement, "no such agreement"),
        (lambda at: signed(statement(at, at=rfc3339(at + timedelta(hours=1)))), BadStatement, "ahead of this node"),
        (lambda at: signed(statement(at, effective_at=rfc3339(at + timedelta(days=1)))), BadStatement, "later day"),
        (lambda at: signed(statement(at, target=XB)), NotAParty, "no other party"),
        (lambda at: signed(statement(at, target=NationId("XE"))), NotAParty, "no other party"),
        (lambda at: signed(statement(at, kind="withdraw", target=XD)), BadStatement, "target and a scope"),
        (lambda at: signed(statement(at, kind="resume", scope=("malware",))), BadStatement, "target and a scope"),
        (lambda at: signed(statement(at, kind="object-to-renewal")), BadStatement, "no renewal is ahead"),
        (lambda at: signed(statement(at, at="2026-13-23T12:00:00.000Z")), BadStatement, "vocabulary"),
        (lambda at: signed(statement(at, kind="annul")), BadStatement, "vocabulary"),
        (lambda at: signed(statement(at, sequence=0)), BadStatement, "vocabulary"),
        (lambda at: signed(statement(at, words={"en": "x" * 501})), BadStatement, "vocabulary"),
        (lambda at: signed(statement(at)).replace(b"agreement-statement", b"agreement"), BadStatement, "no statement"),
        (lambda at: b"[]", BadSignature, "no DSSE envelope"),
        (lambda at: b" " * (MAX_ENVELOPE_BYTES + 1), BadJson, "larger|limit"),
        (lambda at: b"[" * 1000, BadJson, "."),
    ],
    ids=["forged", "in this nation's name", "in a stranger's name", "signed by a second nation", "half a signature",
         "another text", "a version nobody knows", "from the future", "later", "against itself", "against a stranger",
         "withdrawing another", "ending a part", "no renewal", "no such day", "no such kind", "no number",
         "too many words", "another type", "no envelope", "oversized", "deep"],
)  # fmt: skip
def test_a_bad_statement_is_refused_and_changes_nothing(
    here: Node, at: datetime, make: Callable[[datetime], bytes], error: type[Error], says: str
) -> None:
    with pytest.raises(error, match=says):
        here.hear(make(at), at)
    assert (here.heard(), here.known().suspended_parties) == (0, frozenset())


def test_a_nation_that_has_not_signed_says_nothing(at: datetime) -> None:
    agreement = Treaty(at, nations=ALL, terms=TERMS, signers=(XA, XB)).agreement
    with pytest.raises(NotAParty, match="XC has not signed"):
        rules.check(statement(at, XC), agreement, [], at)


def test_a_stranger_that_passes_a_statement_on_learns_of_no_agreement(here: Node, at: datetime) -> None:
    stranger = NationId("XE")
    with pytest.raises(UnknownAgreement) as known:
        here.hear(signed(statement(at)), at, sender=stranger)
    missing = msgspec.structs.replace(statement(at).agreement, id="agreement--99999999-9999-4999-8999-999999999999")
    with pytest.raises(UnknownAgreement) as unknown:
        here.hear(signed(statement(at, agreement=missing)), at, sender=stranger)
    assert (known.value.message, known.value.params) == (unknown.value.message, unknown.value.params)
    assert here.heard() == 0


def test_a_party_may_pass_on_what_another_has_signed(here: Node, at: datetime) -> None:
    here.hear(signed(statement(at, XC)), at, sender=XB)
    assert here.known().suspended_parties == {XC}


def test_a_later_version_keeps_what_was_suspended(here: Node, at: datetime) -> None:
    here.hear(signed(statement(at)), at)
    second = Treaty(at, nations=ALL, terms=TERMS, version=2, previous_hash=here.agreement.reference.hash)
    agreements = here.country.context.agreements
    assert agreements.receive(second.envelope.encode(), at=at, actor="p").reference.version == 2
    assert here.known().suspended_parties == {XB}
