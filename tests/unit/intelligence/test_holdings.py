"""What is stored stays byte for byte, with everyone who said it, and each one's word stands or falls alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction, Source, StoredObject, StoreReport
from mithaq.intelligence.rules import Word, come_to
from mithaq.intelligence.service import Holdings
from mithaq.kernel import journal
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.observable import Observable
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

XA, XB, XC = NationId("XA"), NationId("XB"), NationId("XC")
IDS = [f"indicator--5b8f0b1e-1234-4abc-8def-{number:012x}" for number in range(20)]
EXERCISE = Lane.parse("exercise--5b8f0b1e-1234-4abc-8def-000000000001")


def body(number: int = 0, modified: str = "2026-01-02T03:04:05.678Z", **changes: Any) -> bytes:
    fields = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": IDS[number],
        "created": "2026-01-02T03:04:05.678Z",
        "modified": modified,
        "pattern": f"[domain-name:value = 'evil{number}.example']",
        "pattern_type": "stix",
        "valid_from": "2026-01-02T03:04:05Z",
    } | changes
    return json.dumps(fields, ensure_ascii=False).encode()


def word(
    at: datetime,
    nation: NationId = XA,
    source: Source = "own",
    tlp: Tlp = Tlp.GREEN,
    release_id: str | None = None,
    pap: Pap | None = None,
) -> Provenance:
    agreement = ("agreement--1", 1) if source == "partner" else (None, None)
    return Provenance(source, nation, *agreement, release_id, "defence", tlp, pap, {"terms": ["ا"]}, at)


def new(raw: bytes, provenance: Provenance, lane: Lane = ACTUAL, to: ReleaseInstruction | None = None) -> NewObject:
    return NewObject(raw, parse(raw), lane, provenance, to)


def put(holdings: Holdings, at: datetime, *objects: NewObject) -> StoreReport:
    with holdings.db.write(at) as tx:
        return holdings.store(tx, objects)


def held(holdings: Holdings, number: int = 0, lane: Lane = ACTUAL) -> list[StoredObject]:
    with holdings.db.read() as connection:
        return holdings.get(connection, IDS[number], lane)


def news(db: Database, kind: str) -> Sequence[journal.Entry]:
    with db.read() as connection:
        return journal.entries(connection, 0, kinds=frozenset({kind}))


@pytest.fixture
def holdings(db: Database) -> Holdings:
    return Holdings(db)


def test_the_original_bytes_come_back(holdings: Holdings, at: datetime) -> None:
    raw = b'{ "x_unknown" : [1.0, 1e2, "\\u0627"], ' + body(description="<script>alert(1)</script> \u0000")[1:]
    put(holdings, at, new(raw, word(at, pap=Pap.AMBER)))
    (stored,) = held(holdings)
    assert stored.body == raw
    assert stored.stix == parse(raw)
    assert (stored.tlp, stored.pap, stored.lane, stored.stored_at) == (Tlp.GREEN, Pap.AMBER, ACTUAL, at)
    assert stored.provenance == (word(at, pap=Pap.AMBER),)


def test_the_journal_tells_of_rows_and_never_of_values(holdings: Holdings, db: Database, at: datetime) -> None:
    report = put(holdings, at, *(new(body(number), word(at)) for number in range(3)))
    (entry,) = news(db, "intelligence.stored")
    assert entry.detail == {"rows": list(report.rows)}
    assert (entry.subject, entry.lane, entry.actor) == (IDS[0], ACTUAL, "nation:XA")


def test_more_than_a_thousand_objects_are_told_in_chunks(holdings: Holdings, db: Database, at: datetime) -> None:
    many = [
        new(body(0).replace(IDS[0].encode(), f"indicator--5b8f0b1e-1234-4abc-8def-{n:012x}".encode()), word(at))
        for n in range(2500)
    ]
    report = put(holdings, at, *many)
    assert report.stored == 2500
    assert [len(entry.detail["rows"]) for entry in news(db, "intelligence.stored")] == [1000, 1000, 500]
    with db.read() as connection:
        assert len(holdings.rows(connection, report.rows)) == 2500


def test_the_same_bytes_again_are_a_duplicate_and_no_news(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    report = put(holdings, at, new(body(), word(at)), new(body(), word(at)))
    assert (report.stored, report.duplicates, report.rows) == (0, 2, ())
    assert len(news(db, "intelligence.stored")) == 1


def test_two_nations_may_say_the_same(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    report = put(holdings, at, new(body(), word(at, XB, "partner", Tlp.AMBER, release_id="release--1")))
    (stored,) = held(holdings)
    assert (report.stored, report.duplicates, len(report.rows)) == (0, 1, 1)
    assert [each.nation for each in stored.provenance] == [XA, XB]
    assert stored.tlp is Tlp.AMBER


def test_the_strictest_label_of_one_batch_counts(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)), new(body(), word(at, XB, "partner", Tlp.RED, pap=Pap.RED)))
    (stored,) = held(holdings)
    assert (stored.tlp, stored.pap, len(stored.provenance)) == (Tlp.RED, Pap.RED, 2)


def test_who_says_the_same_again_may_label_it_more_strictly_and_never_less(holdings: Holdings, at: datetime) -> None:
    later = at + timedelta(hours=1)
    put(holdings, at, new(body(), word(at)))
    labelled = put(holdings, later, new(body(), word(later, pap=Pap.AMBER)))
    stricter = put(holdings, later, new(body(), word(later, tlp=Tlp.RED)))
    less = put(holdings, later, new(body(), word(later, tlp=Tlp.CLEAR, pap=Pap.GREEN)), new(body(), word(later)))
    assert [report.rows for report in (labelled, stricter, less)] == [(1,), (1,), ()]
    (stored,) = held(holdings)
    assert (stored.tlp, stored.pap) == (Tlp.RED, Pap.AMBER)
    said = [(each.tlp, each.pap, each.received_at) for each in stored.provenance]
    assert said == [(Tlp.GREEN, None, at), (Tlp.GREEN, Pap.AMBER, later), (Tlp.RED, None, later)]
    assert {each.standing for each in stored.provenance} == {"stands"}


def test_a_word_that_is_taken_back_takes_its_label_along(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)), new(body(), word(at, XB, "partner", Tlp.AMBER, "release--1", Pap.RED)))
    assert (held(holdings)[0].tlp, held(holdings)[0].pap) == (Tlp.AMBER, Pap.RED)
    with db.write(at) as tx:
        fallen = holdings.withdraw(tx, IDS[0], ACTUAL, XB, "wrong")
    (stored,) = held(holdings)
    assert (fallen, stored.stands, stored.tlp, stored.pap) == ((), True, Tlp.GREEN, None)
    assert [(each.actor, each.detail) for each in news(db, "intelligence.stored")[1:]] == [("nation:XB", {"rows": [1]})]
    with db.read() as connection:
        assert not holdings.search(connection, "tlp:amber", ACTUAL, None, 5, at=at).objects
        assert len(holdings.search(connection, "tlp:green", ACTUAL, None, 5, at=at).objects) == 1
    with db.write(at) as tx:
        assert holdings.withdraw(tx, IDS[0], ACTUAL, XA, "wrong") == (1,)
    assert held(holdings)[0].tlp is Tlp.AMBER, "of what nobody stands by any more, the strictest"


@pytest.mark.parametrize(
    ("words", "labels"),
    [
        (["own GREEN - stated", "import AMBER - stated"], (True, Tlp.AMBER, None)),
        (["own GREEN GREEN stated", "import RED - unlabelled"], (True, Tlp.GREEN, Pap.GREEN)),
        (["import RED - unlabelled"], (True, Tlp.RED, None)),
        (["import RED RED named", "import GREEN - named", "import AMBER AMBER named"], (True, Tlp.GREEN, Pap.AMBER)),
        (["import CLEAR CLEAR named", "partner AMBER RED stated"], (True, Tlp.AMBER, Pap.RED)),
        (["constituent RED RED stated", "import CLEAR - stated"], (True, Tlp.CLEAR, None)),
        (["constituent RED - stated", "constituent AMBER AMBER stated"], (True, Tlp.RED, Pap.AMBER)),
        (["partner RED RED stated superseded", "own GREEN - stated"], (True, Tlp.GREEN, None)),
        (["partner RED RED stated withdrawn", "own GREEN - stated superseded"], (False, Tlp.RED, Pap.RED)),
    ],
)
def test_what_words_come_to(words: list[str], labels: tuple[bool, Tlp, Pap | None]) -> None:
    given = []
    for source, tlp, pap, labelled, *standing in map(str.split, words):
        label = None if pap == "-" else Pap[pap]
        given.append(Word(XA, source, None, None, Tlp[tlp], label, labelled, *standing or ["stands"]))  # type: ignore[arg-type]
    assert come_to(given) == come_to(given[::-1]) == labels


def test_in_one_batch_too_the_same_is_labelled_more_strictly(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)), new(body(), word(at, tlp=Tlp.AMBER)), new(body(), word(at)))
    (stored,) = held(holdings)
    assert (stored.tlp, len(stored.provenance)) == (Tlp.AMBER, 2)


def test_a_repeated_release_is_no_word_whatever_its_labels(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at, XB, "partner", release_id="release--1")))
    report = put(holdings, at, new(body(), word(at, XB, "partner", Tlp.RED, release_id="release--1")))
    assert (report.rows, held(holdings)[0].tlp) == ((), Tlp.GREEN)


def test_of_two_versions_in_one_batch_the_newer_stands(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)), new(body(modified="2026-02-01T00:00:00Z", name="v2"), word(at)))
    assert [(each.stix.name, each.stands) for each in held(holdings)] == [("v2", True), ("", False)]


def test_the_same_version_with_other_contents_is_refused(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    report = put(holdings, at, new(body(name="other"), word(at)), new(body(1), word(at)))
    assert [(name, reason.code) for name, reason in report.refused] == [(IDS[0], "version-conflict")]
    assert report.stored == 1


def test_a_batch_may_not_contradict_itself(holdings: Holdings, at: datetime) -> None:
    report = put(holdings, at, new(body(), word(at)), new(body(name="other"), word(at)), new(body(), word(at)))
    assert (report.stored, report.duplicates, len(report.refused)) == (1, 1, 1)


def test_another_nation_may_contradict_and_both_are_kept(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    report = put(holdings, at, new(body(name="other"), word(at, XB, "partner")))
    assert report.stored == 1
    assert [(each.stix.name, each.stands) for each in held(holdings)] == [("other", True), ("", True)]


def test_a_newer_version_replaces_the_older_one(holdings: Holdings, db: Database, at: datetime) -> None:
    first = put(holdings, at, new(body(), word(at)))
    second = put(holdings, at, new(body(modified="2026-02-01T00:00:00Z", name="v2"), word(at)))
    newest, oldest = held(holdings)
    assert (newest.stix.name, newest.stands, oldest.stands) == ("v2", True, False)
    assert oldest.provenance[0].standing == "superseded"
    assert set(second.rows) == {*first.rows, newest.row}


def test_a_version_that_comes_late_does_not_stand(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(modified="2026-02-01T00:00:00Z", name="v2"), word(at)))
    put(holdings, at, new(body(), word(at)))
    assert [(each.stix.name, each.stands) for each in held(holdings)] == [("v2", True), ("", False)]


def test_a_partner_cannot_replace_anothers_version(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    put(holdings, at, new(body(modified="2027-01-01T00:00:00Z", revoked=True), word(at, XB, "partner")))
    assert [each.stands for each in held(holdings)] == [True, True]


def test_a_revoked_indicator_is_not_matched(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    put(holdings, at, new(body(modified="2026-02-01T00:00:00Z", revoked=True), word(at)))
    with db.read() as connection:
        assert holdings.active_indicators(connection, at, 0, 10) == []


def test_a_withdrawn_word_takes_the_object_out(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)))
    with db.write(at) as tx:
        rows = holdings.withdraw(tx, IDS[0], ACTUAL, XA, "a mistake")
    (stored,) = held(holdings)
    assert rows == (stored.row,)
    assert not stored.stands
    assert (stored.provenance[0].standing, stored.provenance[0].standing_reason) == ("withdrawn", "a mistake")
    assert [entry.detail for entry in news(db, "intelligence.withdrawn")] == [{"rows": [stored.row]}]


def test_who_takes_its_newest_version_back_may_let_the_one_before_stand_again(
    holdings: Holdings, db: Database, at: datetime
) -> None:
    versions = [f"2026-0{month}-02T00:00:00Z" for month in (1, 2, 3)]
    for each in versions:
        put(holdings, at, new(body(modified=each), word(at)), new(body(modified=each), word(at, XB, "partner")))
    newest, middle, oldest = held(holdings)

    def standing() -> list[list[str]]:
        return [[said.standing for said in each.provenance] for each in (held(holdings))]

    with db.write(at) as tx:
        holdings.withdraw(tx, IDS[0], ACTUAL, XA, "a mistake", only=[oldest.row], back_to_older=True)
    assert standing()[1] == ["superseded", "superseded"], "the newest is still said"
    with db.write(at) as tx:
        holdings.withdraw(tx, IDS[0], ACTUAL, XA, "a mistake", only=[newest.row], back_to_older=True)
        holdings.withdraw(tx, IDS[0], ACTUAL, XA, "a mistake", only=[newest.row], back_to_older=True)
    assert standing() == [["withdrawn", "stands"], ["stands", "superseded"], ["withdrawn", "superseded"]]
    assert [each.stands for each in held(holdings)] == [True, True, False]
    assert news(db, "intelligence.stored")[-1].detail == {"rows": [middle.row]}
    with db.read() as connection:
        found = holdings.search(connection, "", ACTUAL, None, 10, at=at).objects
    assert {each.row for each in found} == {newest.row, middle.row}, "the index follows"


def test_what_a_giver_says_anew_of_the_same_version_is_not_undone(
    holdings: Holdings, db: Database, at: datetime
) -> None:
    for timestamp, tlp in ((1, Tlp.GREEN), (2, Tlp.AMBER)):
        said = replace(word(at), tlp=tlp, carried={"misp": {"event": "one", "timestamp": timestamp}})
        put(holdings, at, new(body(), said))
    with db.write(at) as tx:
        holdings.withdraw(tx, IDS[0], ACTUAL, XA, "nothing", only=[], back_to_older=True)
    (stored,) = held(holdings)
    assert [(each.tlp, each.standing) for each in stored.provenance] == [
        (Tlp.GREEN, "superseded"), (Tlp.AMBER, "stands"),
    ]  # fmt: skip


def test_an_object_stands_while_one_word_for_it_stands(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at)), new(body(), word(at, XB, "partner")))
    with db.write(at) as tx:
        assert holdings.withdraw(tx, IDS[0], ACTUAL, XA, "a mistake") == ()
    assert held(holdings)[0].stands
    assert news(db, "intelligence.withdrawn") == []


@pytest.mark.parametrize(("number", "lane", "nation"), [(1, ACTUAL, XA), (0, TEST, XA), (0, ACTUAL, XC)])
def test_who_never_gave_a_word_withdraws_nothing(
    holdings: Holdings, db: Database, at: datetime, number: int, lane: Lane, nation: NationId
) -> None:
    put(holdings, at, new(body(), word(at)))
    with db.write(at) as tx:
        assert holdings.withdraw(tx, IDS[number], lane, nation, "because") == ()
    assert held(holdings)[0].stands


def test_a_withdrawn_release_does_not_stand_again_by_being_repeated(
    holdings: Holdings, db: Database, at: datetime
) -> None:
    release = new(body(), word(at, XB, "partner", release_id="release--1"))
    put(holdings, at, release)
    with db.write(at) as tx:
        holdings.withdraw(tx, IDS[0], ACTUAL, XB, "recalled")
    assert put(holdings, at, release).rows == ()
    assert not held(holdings)[0].stands


def test_a_new_release_after_a_withdrawal_stands(holdings: Holdings, db: Database, at: datetime) -> None:
    put(holdings, at, new(body(), word(at, XB, "partner", release_id="release--1")))
    with db.write(at) as tx:
        holdings.withdraw(tx, IDS[0], ACTUAL, XB, "recalled")
    report = put(holdings, at, new(body(), word(at, XB, "partner", release_id="release--2")))
    assert len(report.rows) == 1
    assert held(holdings)[0].stands


def test_a_later_instruction_for_a_held_object_is_news(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, new(body(), word(at), to=ReleaseInstruction("agreement--1", (XB,), "defence")))
    again = new(body(), word(at), to=ReleaseInstruction("agreement--1", None, "defence"))
    assert len(put(holdings, at, again).rows) == 1
    assert put(holdings, at, again).rows == ()
    assert [each.recipients for each in held(holdings)[0].instructions] == [(XB,), None]


def test_lanes_never_mix(holdings: Holdings, db: Database, at: datetime) -> None:
    report = put(holdings, at, new(body(), word(at)), new(body(), word(at), lane=EXERCISE))
    assert report.stored == 2
    assert [each.lane for each in held(holdings, lane=EXERCISE)] == [EXERCISE]
    assert [entry.lane for entry in news(db, "intelligence.stored")] == [ACTUAL, EXERCISE]
    with db.read() as connection:
        assert holdings.search(connection, "evil0.example", TEST, None, 10, at=at).objects == ()
        assert holdings.known(connection, [Observable("domain", "evil0.example")], TEST) == {}


def test_a_partners_object_without_an_agreement_is_refused(holdings: Holdings, at: datetime) -> None:
    bare = Provenance("partner", XB, None, None, None, None, Tlp.GREEN, None, {}, at)
    report = put(holdings, at, new(body(), bare), new(body(1), word(at)))
    assert [(name, reason.code) for name, reason in report.refused] == [(IDS[0], "partner-object-without-agreement")]
    assert report.stored == 1


def test_indicators_to_match_with_stand_and_have_not_expired(holdings: Holdings, db: Database, at: datetime) -> None:
    soon = (at + timedelta(days=1)).isoformat()
    put(
        holdings,
        at,
        new(body(0), word(at)),
        new(body(1, valid_until=soon), word(at)),
        new(body(2, valid_until=at.isoformat()), word(at)),
        new(body(3, pattern="[file:name = 'x']"), word(at)),
        new(body(4, pattern="rule x {condition: true}", pattern_type="yara"), word(at)),
    )
    with db.read() as connection:
        first = holdings.active_indicators(connection, at, 0, 1)
        rest = holdings.active_indicators(connection, at, first[0].row, 10)
    assert [each.stix.id for each in [*first, *rest]] == [IDS[0], IDS[1]]


def test_the_file_an_object_was_converted_from_is_kept(holdings: Holdings, db: Database, at: datetime) -> None:
    file = b'{"Event": \x00\xff}'
    with db.write(at) as tx:
        name = holdings.keep_original(tx, "application/json", file)
        assert holdings.keep_original(tx, "application/json", file) == name
    with db.read() as connection:
        assert holdings.original(connection, name) == file
        assert holdings.original(connection, "sha256:0") is None


def test_a_value_too_long_for_an_index_is_found_all_the_same(holdings: Holdings, db: Database, at: datetime) -> None:
    url = "http://evil.example/" + "a" * 5000
    put(holdings, at, new(body(pattern=f"[url:value = '{url}']"), word(at)))
    with db.read() as connection:
        assert len(holdings.known(connection, [Observable("url", url)], ACTUAL)) == 1


def test_an_object_without_versions_is_replaced_by_its_giver(holdings: Holdings, at: datetime) -> None:
    fields = {"type": "ipv4-addr", "id": "ipv4-addr--5b8f0b1e-1234-4abc-8def-000000000001", "value": "198.51.100.7"}
    first, second = json.dumps(fields).encode(), json.dumps(fields | {"x_seen": 2}).encode()
    report = put(holdings, at, new(first, word(at)), new(second, word(at)), new(second, word(at, XB, "partner")))
    assert (report.stored, report.duplicates, report.refused) == (2, 1, ())
    with holdings.db.read() as connection:
        stored = {item.body: item.stands for item in holdings.get(connection, fields["id"], ACTUAL)}
    assert stored == {first: False, second: True}


def test_html_in_every_field_is_kept_as_text(holdings: Holdings, db: Database, at: datetime) -> None:
    script = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    raw = body(name=script, description=script, labels=[script], x_note=script)
    put(holdings, at, new(raw, word(at)))
    (stored,) = held(holdings)
    assert (stored.body, stored.stix.name, stored.stix.description) == (raw, script, script)
    with db.read() as connection:
        assert len(holdings.search(connection, "onerror", ACTUAL, None, 5, at=at).objects) == 1
