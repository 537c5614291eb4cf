"""False positives between nations: the opinion that goes back, the clock that runs on it, and who sees it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.agreements.terms import Feedback, Transform
from mithaq.detection.hits.triage import Triage
from mithaq.detection.model import Dismissal
from mithaq.detection.service import Detection
from mithaq.exchange import ledger
from mithaq.exchange import store as exchange
from mithaq.exchange.duties import store
from mithaq.exchange.ledger.became import said_of
from mithaq.exchange.revising import revise
from mithaq.intelligence.comments import OPINION
from mithaq.intelligence.comments import disputes as disputes_of
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import journal
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Recipient
from mithaq.response.model import Refusal
from mithaq.response.service import Blocklists
from mithaq.response.settings import BlocklistSettings
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, indicator
from tests.obliged import keep_books, rows, sweep, told
from tests.unit.detection.worlds import Bench
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHY = "It answers for half of the country's shops."
TERMS = msgspec.structs.replace(
    DEFAULT_TERMS, kinds=[*DEFAULT_TERMS.kinds, "opinion"], feedback=Feedback(sighting_hours=12, false_positive_hours=6)
)


def allied(folder: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(folder, (XA, XB, XC), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, terms=TERMS, days=400)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    yield from allied(tmp_path, at, treaty)


def given(a: Country, b: Country, treaty: Treaty, at: datetime, **changes: object) -> str:
    """Let one nation have another's indicator."""
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (b.nation,), "defence"), **changes)
    assert deliver(a, b, at) == ["admitted"]
    return object_id


def seen(country: Country, folder: Path, at: datetime, times: int = 1) -> list[str]:
    """Let a country's own detector see the indicator in its telemetry; return the hits."""
    bench = Bench(country.db, folder / "lake", at)
    bench.source()
    bench.start()
    bench.push(*({"ts": number, "uid": "C", "id.resp_h": "198.51.0.1"} for number in range(times)))
    bench.settle()
    bench.detector.close()
    return [hit.hit_id for hit in bench.hits()]


def dismissed(country: Country, hit_id: str, at: datetime, why: Dismissal = Dismissal.FALSE_POSITIVE) -> str:
    detection = Detection(country.db, country.context.holdings, country.nation)
    opinion_id = detection.dismiss(hit_id, "person--analyst", at, why=why, reason=WHY)
    keep_books(country, at)
    return opinion_id


def owed(country: Country) -> list[tuple[str, str, str, datetime, str]]:
    found = [row for row in rows(country, store.duties) if row.kind in ("feedback", "false-positive")]
    return [(row.kind, row.owed_by, row.owed_to, row.due_at, row.state) for row in found]


def test_a_false_positive_goes_back_to_the_originator_within_its_time_and_is_seen_there(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, _ = three
    object_id = given(a, b, treaty, at)
    (hit_id,) = seen(b, tmp_path, at)
    opinion_id = dismissed(b, hit_id, at + HOUR)
    assert owed(b) == [("false-positive", XB, XA, at + 7 * HOUR, "open")]

    assert deliver(b, a, at + 2 * HOUR) == ["admitted"]
    keep_books(b, at + 2 * HOUR)
    assert owed(b) == [("false-positive", XB, XA, at + 7 * HOUR, "fulfilled")]
    with a.db.read() as connection:
        (said,) = said_of(connection, object_id, ACTUAL)
        (listed,) = disputes_of(connection, ACTUAL)
        (entry,) = journal.entries(connection, 0, kinds=frozenset({OPINION}))
        (held,) = a.context.holdings.get(connection, object_id, ACTUAL)
    assert (said.by, said.comment.opinion, said.comment.explanation) == ((XB,), "strongly-disagree", WHY)
    assert said.stored.stix.modified == at + HOUR
    assert listed.stored.stix.id == said.stored.stix.id == opinion_id
    assert (entry.subject, entry.actor, entry.lane) == (object_id, "nation:XB", ACTUAL)
    assert entry.detail == {"opinion": opinion_id, "says": "strongly-disagree"}
    assert held.stands, "the originator decides by hand"
    with b.db.read() as connection:
        assert journal.entries(connection, 0, kinds=frozenset({OPINION})) == [], "it is nobody's own there"
        assert disputes_of(connection, ACTUAL) == []


def test_nations_that_speak_with_one_voice_against_an_indicator_cannot_make_it_fall(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, *others = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB, XC), "defence"))
    for nation in others:
        assert deliver(a, nation, at) == ["admitted"]
        dismissed(nation, seen(nation, tmp_path / nation.nation, at)[0], at)
        assert deliver(nation, a, at) == ["admitted"]
    with a.db.read() as connection:
        disputes = disputes_of(connection, ACTUAL)
    assert sorted(each.by for each in disputes) == [(XB,), (XC,)], "each is heard, under its own signature"
    for nation in three:
        with nation.db.read() as connection:
            (held, *_) = nation.context.holdings.get(connection, object_id, ACTUAL)
        assert held.stands
    assert len(seen(a, tmp_path / XA, at)) == 1, "and what it names is found as before"


def test_once_the_originator_takes_it_back_nothing_is_disputed_any_more(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, _ = three
    object_id = given(a, b, treaty, at)
    dismissed(b, seen(b, tmp_path, at)[0], at)
    deliver(b, a, at)
    with a.db.write(at) as tx:
        a.context.holdings.withdraw(tx, object_id, ACTUAL, XA, "a false positive")
    with a.db.read() as connection:
        assert disputes_of(connection, ACTUAL) == []


def test_a_false_positive_that_does_not_go_back_in_time_is_a_breach(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, _ = three
    given(a, b, treaty, at)
    dismissed(b, seen(b, tmp_path, at)[0], at)
    sweep(b, at + 6 * HOUR - timedelta(microseconds=1))
    assert told(b, "breached") == []
    sweep(b, at + 6 * HOUR)
    assert [(each["kind"], each["by"], each["to"]) for each in told(b, "breached")] == [("false-positive", "XB", "XA")]


def test_what_is_expected_here_is_owed_to_nobody_and_goes_nowhere(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, _ = three
    given(a, b, treaty, at)
    assert dismissed(b, seen(b, tmp_path, at)[0], at, Dismissal.BENIGN) == ""
    assert owed(b) == []
    assert deliver(b, a, at) == []


def test_a_second_false_positive_renews_what_the_originator_has_and_owes_no_less(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, _ = three
    object_id = given(a, b, treaty, at)
    first, second = seen(b, tmp_path, at, times=2)
    opinion_id = dismissed(b, first, at)
    deliver(b, a, at)
    assert dismissed(b, second, at + DAY) == opinion_id
    assert [state for *_, state in owed(b)] == ["fulfilled", "open"]
    assert deliver(b, a, at + DAY) == ["admitted"]
    keep_books(b, at + DAY)
    assert [state for *_, state in owed(b)] == ["fulfilled", "fulfilled"]
    with a.db.read() as connection:
        (said,) = said_of(connection, object_id, ACTUAL)
    assert said.stored.stix.modified == at + DAY


def test_without_opinions_in_the_terms_the_gate_keeps_it_and_says_why(tmp_path: Path, at: datetime) -> None:
    treaty = Treaty(at, terms=msgspec.structs.replace(TERMS, kinds=DEFAULT_TERMS.kinds), days=400)
    for a, b, _ in allied(tmp_path, at, treaty):
        given(a, b, treaty, at)
        opinion_id = dismissed(b, seen(b, tmp_path, at)[0], at)
        assert deliver(b, a, at) == []
        with b.db.read() as connection:
            (kept,) = ledger.withheld(connection, object_id=opinion_id)
        assert [reason.code for reason in kept.reasons] == ["kind"]


def test_an_agreement_that_protects_words_gets_the_opinion_without_them_and_the_duty_is_met(
    tmp_path: Path, at: datetime
) -> None:
    terms = msgspec.structs.replace(TERMS, transforms=[Transform("free-text", "drop")])
    treaty = Treaty(at, terms=terms, days=400)
    for a, b, _ in allied(tmp_path, at, treaty):
        object_id = given(a, b, treaty, at, name="Beacon")
        (shared,) = [row.object_id for row in rows(a, exchange.sent_objects)]
        assert shared != object_id, "the originator gave a protected version"
        dismissed(b, seen(b, tmp_path, at)[0], at)
        assert deliver(b, a, at) == ["admitted"]
        keep_books(b, at)
        assert [state for *_, state in owed(b)] == ["fulfilled"]
        with a.db.read() as connection:
            (said,) = said_of(connection, object_id, ACTUAL)
        assert (said.by, said.comment.about, said.comment.explanation) == ((XB,), (shared,), "")


def import_opinion(country: Country, number: int, says: str, about: str, at: datetime) -> str:
    """Store an opinion from an imported file and return its id."""
    opinion_id = f"opinion--00000000-0000-4000-8000-{number:012}"
    fields = msgspec.json.decode(indicator(2)) | {
        "type": "opinion", "id": opinion_id, "opinion": says,
        "object_refs": [about, "indicator--00000000-0000-4000-8000-000000000009"],
    }  # fmt: skip
    for name in ("pattern", "pattern_type", "valid_from", "name"):
        del fields[name]
    body = msgspec.json.encode(fields)
    word = Provenance("import", XA, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
    with country.db.write(at) as tx:
        country.context.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, word)])
    return opinion_id


def test_a_stranger_to_the_object_is_told_of_by_the_journal_as_well(three: list[Country], at: datetime) -> None:
    """Whoever gives an opinion on an own object is heard: here one from an imported file."""
    a = three[0]
    object_id = a.add(1, at)
    import_opinion(a, 2, "agree", object_id, at)
    with a.db.read() as connection:
        told_of = journal.entries(connection, 0, kinds=frozenset({OPINION}))
        assert [(each.subject, each.detail["says"]) for each in told_of] == [(object_id, "agree")]
        assert disputes_of(connection, ACTUAL) == []


def test_a_dispute_is_found_behind_any_number_of_opinions_that_agree(three: list[Country], at: datetime) -> None:
    a = three[0]
    object_id = a.add(1, at)
    disputing = [import_opinion(a, number, "disagree", object_id, at) for number in (2, 3)]
    for number in range(4, 9):
        import_opinion(a, number, "agree", object_id, at)
    with a.db.read() as connection:
        assert [each.stored.stix.id for each in disputes_of(connection, ACTUAL, 1)] == disputing[1:]
        assert [each.stored.stix.id for each in disputes_of(connection, ACTUAL, 2)] == disputing[::-1]


def test_what_the_originator_makes_of_it_goes_to_all_who_got_it_and_their_detectors_follow(
    three: list[Country], treaty: Treaty, tmp_path: Path, at: datetime
) -> None:
    a, b, c = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB, XC), "defence"))
    benches = [watching(each, a, tmp_path, at) for each in (b, c)]
    assert [sees(bench, at) for bench in benches] == [1, 1]
    triage = Triage(b.db, b.context.holdings, XB)
    with b.db.read() as connection:
        (group,) = triage.page(connection).groups
    triage.dismiss(group.row, "person--analyst", at, why=Dismissal.FALSE_POSITIVE, reason=WHY)
    assert (deliver(b, a, at + HOUR), deliver(b, c, at + HOUR)) == (["admitted"], []), "it is the originator's to weigh"
    with a.db.read() as connection:
        assert [each.by for each in disputes_of(connection, ACTUAL)] == [(XB,)]

    lowered = revise(a.context, object_id, ACTUAL, at + 2 * HOUR, "person--analyst", confidence=10)
    assert lowered.recipients == (XB, XC)
    for each, bench in zip((b, c), benches, strict=True):
        assert deliver(a, each, at + 2 * HOUR) == ["admitted"]
        assert each.held(object_id)[0].stix.confidence == 10
        assert sees(bench, at + 3 * HOUR) == 2, "it is less sure, and stands"

    revise(a.context, object_id, ACTUAL, at + 4 * HOUR, "person--analyst")
    for each, bench in zip((b, c), benches, strict=True):
        assert deliver(a, each, at + 4 * HOUR) == ["admitted"]
        assert each.held(object_id)[0].stix.revoked
        assert sees(bench, at + 5 * HOUR) == 2, "nothing more is found"
        assert against_blocking(each, tmp_path, at + 5 * HOUR) == {"revoked"}
        bench.detector.close()
    with pytest.raises(NotHeld):
        revise(a.context, object_id, ACTUAL, at + 6 * HOUR, "person--analyst")
    with pytest.raises(NotHeld):
        revise(b.context, object_id, ACTUAL, at + 6 * HOUR, "person--analyst", confidence=1)


def watching(country: Country, giver: Country, folder: Path, at: datetime) -> Bench:
    """A country's running detector, once it has what the other gives."""
    assert deliver(giver, country, at) == ["admitted"]
    bench = Bench(country.db, folder / f"lake-{country.nation}", at)
    bench.source()
    bench.start()
    return bench


def sees(bench: Bench, at: datetime) -> int:
    """Let the indicator's address come by at an instant; return how many hits there are now."""
    bench.at = at
    bench.push({"ts": at.timestamp(), "uid": "C", "id.resp_h": "198.51.0.1"})
    bench.settle()
    return len(bench.hits())


def against_blocking(country: Country, folder: Path, at: datetime) -> set[str]:
    """Every reason for which the country's blocklists leave the address out."""
    lists = Blocklists(country.db, country.context.holdings, country.nation, WarningLists(folder), BlocklistSettings())
    told = lists.why("198.51.0.1", Recipient("sensor", "resolver"), at)
    return {reason.code for each in told if isinstance(each, Refusal) for reason in each.reasons} & {"revoked"}
