"""Comparing membership logs: differences are named, contradictions kept as evidence, a shorter log is refused."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from mithaq.agreements.errors import NotAParty, UnknownAgreement
from mithaq.exchange.audit.export import export_log
from mithaq.exchange.audit.folder import AuditFolder
from mithaq.exchange.audit.verify import verify_folder
from mithaq.exchange.errors import BadAudit
from mithaq.exchange.log.seen import evidence, seen_of
from mithaq.exchange.membership.comparing import Comparing
from mithaq.exchange.membership.difference import check_contradiction, compare
from mithaq.exchange.membership.model import Compared
from mithaq.exchange.membership.record import VersionRecord, encode, read_record
from mithaq.exchange.membership.shown import MAX_LEAVES, FolderSource, Source, read_shown
from mithaq.kernel.errors import Error
from mithaq.kernel.keystore import Keys
from mithaq.kernel.tlog.tiles import join_bundle
from mithaq.kernel.tlog.tree import leaf_hash
from mithaq.nations.names import MembershipName
from tests.country import Country, remembered
from tests.unit.exchange.membership.parties import (
    AGAINST_C,
    HOUR,
    Doors,
    Lying,
    append_all,
    compared,
    entries_of,
    gathered,
    hear,
    next_statement,
    records,
    say,
    treaty_of,
)
from tests.world import XA, XB, XC, XD, card_of, keys_of


@pytest.fixture
def three(tmp_path: Path, at: datetime) -> Iterator[list[Country]]:
    def gather(place: Path) -> list[Country]:
        countries = gathered(place, at)
        append_all(countries, at)
        return countries

    countries = remembered(("appended", at), tmp_path, gather)
    yield countries[:3]
    for country in countries:
        country.db.close()


def differences(found: Compared) -> list[tuple[str, str, str, int]]:
    assert found.trouble is None, found.trouble
    return [(each.kind, *each.about) for each in found.differences]


def test_logs_of_nations_that_accepted_the_same_agree_whatever_the_order(three: list[Country], at: datetime) -> None:
    a, b, c = three
    for other in (b, c):
        found = compared(a, other, at)
        assert (found.agrees, found.size, found.differences) == (True, 4, [])
        assert found.origin == MembershipName(other.nation, treaty_of(at).agreement_id).origin


def test_a_statement_that_one_has_and_the_other_has_not_is_named_from_both_sides(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    say(b, AGAINST_C, at)
    append_all(three, at)
    assert differences(compared(a, b, at)) == [("not-here", "statement", "XB", 1)]
    assert differences(compared(b, a, at)) == [("not-there", "statement", "XB", 1)]
    assert compared(a, b, at).evidence == [], "who is behind contradicts nobody"


def test_a_key_swap_told_to_one_party_only_is_found_and_both_signed_words_are_kept(
    three: list[Country], at: datetime
) -> None:
    """The officials of XC, or who holds their keys, tell XA of one successor and XB of another."""
    a, b, _ = three
    for country, keys in ((a, Keys.generate()), (b, Keys.generate())):
        second = next_statement(XC, at + HOUR, keys)
        country.context.partners.take_statements(XC, [second.envelope], at=at + HOUR, actor="nation:XC")
    append_all(three, at + HOUR)
    found = compared(a, b, at + HOUR)
    assert differences(found) == [("other-hash", "key-statement", "XC", 2)]
    (difference,) = found.differences
    assert len({difference.here, difference.there}) == 2
    for _ in range(2):
        compared(a, b, at + HOUR)
    with a.db.read() as connection:
        (kept,) = evidence(connection)
    assert (kept.origin, kept.ruling) == (found.origin, "other-hash")
    log_keys = {nation: keys_of(nation).log_public for nation in (XA, XB)}
    one, other = check_contradiction(kept.seen, kept.shown, log_keys)
    assert (one.about, one.hash, other.hash) == (difference.about, difference.here, difference.there)
    assert (found.evidence[0][0].encode(), found.evidence[0][1].encode()) == (kept.seen, kept.shown)
    for seen, shown, keys_held in (
        (kept.seen, kept.seen, log_keys),
        (kept.seen, kept.shown, {XA: log_keys[XA]}),
        (kept.seen, kept.shown, {XA: log_keys[XA], XB: keys_of(XD).log_public}),
        (kept.seen, kept.shown.replace(difference.there.encode(), difference.here.encode()), log_keys),
    ):
        with pytest.raises(Error):
            check_contradiction(seen, shown, keys_held)


def test_a_partner_that_was_removed_and_compared_anew_is_in_the_log_with_both_texts(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    later = at + HOUR
    a.context.partners.remove(XC, at=later, actor="person--1")
    a.befriend([], later)
    stranger = a.context.partners.add(card_of(XC, later, keys=Keys.generate()), at=later, actor="person--1")
    a.context.partners.confirm(XC, stranger.card.fingerprint, at=later, actor="person--1")
    append_all(three, later)
    assert len([each for each in records(a, at) if each.about == ("key-statement", "XC", 1)]) == 2
    assert differences(compared(b, a, later)) == [("other-hash", "key-statement", "XC", 1)]
    assert differences(compared(a, b, later)) == [("other-hash", "key-statement", "XC", 1)]


def test_other_signers_and_another_text_of_a_version_are_named(three: list[Country], at: datetime) -> None:
    own = records(three[0], at)
    version = next(each for each in own if isinstance(each, VersionRecord))
    rest = [each for each in own if each is not version]
    fewer = VersionRecord(1, version.agreement, version.hash, version.at, 1, ["XA", "XB"])
    later = VersionRecord(1, version.agreement, version.hash, "2027-01-01T00:00:00.000Z", 1, version.signed_by)
    another = VersionRecord(1, version.agreement, "0" * 64, version.at, 1, version.signed_by)
    (found,) = compare(own, [*rest, fewer])
    assert (found.kind, found.here, found.there) == ("other-signers", "XA XB XC", "XA XB")
    assert compare(own, [*rest, fewer, later]) == []
    (found,) = compare(own, [*rest, another])
    assert (found.kind, found.about) == ("other-hash", ("version", "", 1))
    assert [each.kind for each in compare([], own)] == ["not-here"] * 4


def held_against(asker: Country, source: Source, at: datetime) -> Compared:
    return Comparing(asker.context).with_partner(treaty_of(at).agreement_id, XB, source, at)


def test_a_log_with_fewer_leaves_than_before_is_refused_and_named(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    hear(a, say(b, AGAINST_C, at), at)
    append_all(three, at)
    whole = entries_of(b, at)
    assert compared(a, b, at).agrees
    for _ in range(2):
        found = held_against(a, Lying(at, whole[:-1]), at)
        assert [(each.kind, each.seen, each.shown) for each in found.findings] == [("rolled-back", 5, 4)]
        assert (found.agrees, found.differences) == (False, ())
    with a.db.read() as connection:
        (kept,) = evidence(connection)
        assert seen_of(connection, found.origin).size == 5, "what was seen is not forgotten"
    assert kept.ruling == "rolled-back"


def test_a_log_that_a_witness_saw_longer_is_refused_too(three: list[Country], at: datetime) -> None:
    """What this nation cosigned counts as seen, although it read no leaf."""
    a, b, _ = three
    hear(a, say(b, AGAINST_C, at), at)
    append_all(three, at)
    b.log_membership(at)
    found = held_against(a, Lying(at, entries_of(b, at)[:-1]), at)
    assert [each.kind for each in found.findings] == ["rolled-back"]


@pytest.mark.parametrize(("more", "kind"), [(0, "two-roots"), (1, "not-consistent")])
def test_another_history_is_refused_and_kept(three: list[Country], at: datetime, more: int, kind: str) -> None:
    a, b, _ = three
    whole = entries_of(b, at)
    assert compared(a, b, at).agrees
    found = held_against(a, Lying(at, (*reversed(whole), *whole[:more])), at)
    assert [each.kind for each in found.findings] == [kind]
    with a.db.read() as connection:
        (kept,) = evidence(connection)
    assert kept.ruling == kind


def test_a_shard_that_was_begun_anew_is_said_and_an_earlier_one_is_a_rollback(
    three: list[Country], at: datetime
) -> None:
    a, b, _ = three
    whole = entries_of(b, at)
    assert compared(a, b, at).agrees
    found = held_against(a, Lying(at, whole, shard=2), at)
    assert [(each.kind, each.seen, each.shown) for each in found.findings] == [("begun-anew", 4, 4)]
    assert found.agrees
    found = held_against(a, Lying(at, whole), at)
    assert [each.kind for each in found.findings] == ["rolled-back"]


HOSTILE: dict[str, Callable[[Lying], Lying]] = {
    "another nation's log": lambda lying: replace(lying, nation=XC),
    "another agreement's log": lambda lying: replace(lying, agreement=f"agreement--{9:036}"),
    "signed by another": lambda lying: replace(lying, signer=XC),
    "another root": lambda lying: replace(lying, root=b"\x01" * 32),
    "endless": lambda lying: replace(lying, size=MAX_LEAVES + 1),
    "longer than its entries": lambda lying: replace(lying, size=len(lying.entries) + 1),
    "an entry that is no record": lambda lying: replace(lying, entries=(*lying.entries, b"{}")),
    "an entry that is no JSON": lambda lying: replace(lying, entries=(*lying.entries, b"\xff")),
    "a record of another agreement": lambda lying: replace(
        lying, entries=(*lying.entries, lying.entries[0].replace(b"agreement--1", b"agreement--2"))
    ),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_log_that_does_not_hold_is_trouble_and_nothing_is_remembered_of_it(
    three: list[Country], at: datetime, how: str
) -> None:
    a, b, _ = three
    lying = Lying(at, entries_of(b, at))
    assert read_shown(lying, XB, treaty_of(at).agreement_id, keys_of(XB).log_public).size == 4
    found = held_against(a, HOSTILE[how](lying), at)
    assert found.trouble is not None
    assert not found.agrees
    with a.db.read() as connection:
        assert seen_of(connection, MembershipName(XB, treaty_of(at).agreement_id).origin).size == 0


def test_only_parties_are_compared(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    comparing, agreement_id = Comparing(a.context), treaty_of(at).agreement_id
    assert [each.nation for each in comparing.partners(agreement_id, at)] == [XB, XC]
    source = Doors(b, XA, agreement_id, at)
    with pytest.raises(NotAParty):
        comparing.with_partner(agreement_id, XD, source, at)
    with pytest.raises(UnknownAgreement):
        comparing.partners("agreement--99999999-9999-4999-8999-999999999999", at)
    found = comparing.with_all(agreement_id, lambda partner: source, at)
    assert [(each.nation, each.trouble is None) for each in found] == [(XB, True), (XC, False)]


@pytest.fixture
def exported(three: list[Country], at: datetime, tmp_path: Path) -> Path:
    b, folder = three[1], tmp_path / "exported"
    say(b, AGAINST_C, at)
    append_all(three, at)
    for country in three:
        country.log_membership(at)
    export_log(b.context, card_of(XB, at), folder, agreement=treaty_of(at).agreement_id)
    return folder


def test_an_exported_log_holds_and_is_compared_without_a_connection(
    three: list[Country], at: datetime, exported: Path
) -> None:
    verdict = verify_folder(exported)
    assert verdict.wrong == []
    assert dict(verdict.actions) == {"key-statement": 3, "version": 1, "statement": 1}
    assert {"cert.xa.example/witness", "cert.xc.example/witness"} <= set(verdict.signed_by)
    found = held_against(three[0], FolderSource(AuditFolder(exported)), at)
    assert differences(found) == [("not-here", "statement", "XB", 1)]
    assert sorted(path.name for path in (exported / "cards").iterdir()) == ["XA.json", "XB.json", "XC.json"]
    assert "cert.xd." not in (exported / "policy").read_text()
    assert not (exported / "records.ndjson").exists()


@pytest.mark.parametrize("name", ["membership.ndjson", "tile/entries/000.p/5", "tile/0/000.p/5", "checkpoint"])
def test_a_changed_file_of_an_exported_log_is_named(exported: Path, name: str) -> None:
    path = exported / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert not verify_folder(exported).holds
    path.unlink()
    assert not verify_folder(exported).holds


def test_a_log_whose_keeper_signed_what_is_no_record_does_not_hold(exported: Path, at: datetime) -> None:
    entries = (b'{"kind":"version"}',)
    lying = Lying(at, entries)
    (exported / "checkpoint").write_bytes(lying.checkpoint())
    for path, data in (
        ("tile/entries/000.p/1", join_bundle(entries)),
        ("tile/0/000.p/1", leaf_hash(entries[0])),
        ("membership.ndjson", entries[0] + b"\n"),
    ):
        (exported / path).write_bytes(data)
    policy = (exported / "policy").read_text().replace("quorum parties", "quorum none")
    (exported / "policy").write_text("\n".join(line for line in policy.splitlines() if "group" not in line) + "\n")
    assert [what for what, _ in verify_folder(exported).wrong] == ["entries"]


def test_there_is_nothing_to_export_of_an_unknown_agreement(three: list[Country], at: datetime, tmp_path: Path) -> None:
    with pytest.raises(BadAudit):
        export_log(three[0].context, b"", tmp_path / "none", agreement="agreement--none")


def test_every_record_is_read_as_it_was_written(three: list[Country], at: datetime) -> None:
    a, b, _ = three
    hear(a, say(b, AGAINST_C, at), at)
    second = next_statement(XC, at + HOUR, Keys.generate(), compromised_at=at)
    a.context.partners.take_statements(XC, [second.envelope], at=at + HOUR, actor="nation:XC")
    append_all(three, at + HOUR)
    for each in records(a, at):
        assert read_record(encode(each), each.agreement) == each
