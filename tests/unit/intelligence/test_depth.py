"""An object is shown as everyone said it, with what means the same, what is related, and what it is still worth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence import lookup
from mithaq.intelligence import related as relating
from mithaq.intelligence.comments import said_of
from mithaq.intelligence.decay import score_of
from mithaq.intelligence.errors import BadQuery
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.lookup import Brief
from mithaq.intelligence.merging import as_json, merged
from mithaq.intelligence.model import ImportTerms, NewObject, Provenance, Source
from mithaq.intelligence.related import Related, alike, related
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import DEFAULT_BASE_SCORE, MAX_SHARED_LOOKED_AT, MAX_SHARING
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp

XA, XB, XC, XD = (NationId(code) for code in ("XA", "XB", "XC", "XD"))
DAY = timedelta(days=1)


@pytest.fixture
def holdings(db: Database) -> Holdings:
    return Holdings(db)


def stix_id(kind: str, number: int) -> str:
    return f"{kind}--5b8f0b1e-1234-4abc-8def-{number:012x}"


def body(number: int = 0, kind: str = "indicator", **fields: Any) -> bytes:
    common: dict[str, Any] = {
        "type": kind,
        "spec_version": "2.1",
        "id": stix_id(kind, number),
        "modified": "2026-11-01T00:00:00Z",
    }
    if kind == "indicator":
        common |= {"pattern": f"[domain-name:value = 'evil{number}.example']", "pattern_type": "stix"}
    return json.dumps(common | fields).encode()


def put(
    holdings: Holdings,
    at: datetime,
    raw: bytes,
    nation: NationId = XA,
    lane: Lane = ACTUAL,
    admiralty: Admiralty | None = None,
) -> None:
    source: Source = "import" if nation == XA else "partner"
    agreement = ("agreement--1", 1, f"release--{nation}") if source == "partner" else (None, None, None)
    word = Provenance(source, nation, *agreement, "defence", Tlp.GREEN, None, {}, at, admiralty=admiralty)
    with holdings.db.write(at) as tx:
        assert not holdings.store(tx, [NewObject(raw, parse(raw), lane, word)]).refused


def found_related(holdings: Holdings, stix: str, lane: Lane = ACTUAL) -> Related:
    with holdings.db.read() as connection:
        return related(connection, holdings.get(connection, stix, lane)[0])


def test_three_partners_say_this_and_the_first_is_named_with_its_time(holdings: Holdings, at: datetime) -> None:
    for hours, nation in ((2, XC), (1, XB), (3, XD)):
        put(
            holdings, at + timedelta(hours=hours), body(), nation, admiralty=Admiralty("B", "2") if hours == 1 else None
        )
    with holdings.db.read() as connection:
        view = merged(holdings.get(connection, stix_id("indicator", 0), ACTUAL))
    assert view.saying == tuple((nation, at + timedelta(hours=h)) for h, nation in ((1, XB), (2, XC), (3, XD)))
    assert view.differences == ()
    told = as_json(view)
    assert [(word["nation"], word["admiralty"], word["standing"]) for word in told["words"]] == [
        ("XB", "B2", "stands"),
        ("XC", None, "stands"),
        ("XD", None, "stands"),
    ]


def test_where_versions_differ_every_value_stands_beside_who_gave_it(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, body(confidence=40, x_odd={"a": 1, "b": [1]}, name="crane"), XB)
    put(holdings, at + DAY, body(confidence=90, x_odd={"a": 1, "b": [1.0]}, name="crane"), XC)
    put(holdings, at + 2 * DAY, body(confidence=40, name="crane", **{"x/~": True}), XD)
    with holdings.db.read() as connection:
        versions = holdings.get(connection, stix_id("indicator", 0), ACTUAL)
    told = {
        each.path: {
            nation: None if value.is_absent else (value.value,) for value in each.values for nation in value.nations
        }
        for each in merged(versions).differences
    }
    assert told == {
        "/confidence": {"XB": (40,), "XC": (90,), "XD": (40,)},
        "/x_odd/a": {"XB": (1,), "XC": (1,), "XD": None},
        "/x_odd/b": {"XB": ([1],), "XC": ([1.0],), "XD": None},
        "/x~1~0": {"XB": None, "XC": None, "XD": (True,)},
    }
    assert [each.body for each in versions] == [body(confidence=40, name="crane", **{"x/~": True}),
        body(confidence=90, x_odd={"a": 1, "b": [1.0]}, name="crane"),
        body(confidence=40, x_odd={"a": 1, "b": [1]}, name="crane")]  # fmt: skip


def test_a_withdrawn_word_is_shown_and_no_longer_says_it(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, body(), XB)
    put(holdings, at + DAY, body(), XC)
    with holdings.db.write(at + 2 * DAY) as tx:
        holdings.withdraw(tx, stix_id("indicator", 0), ACTUAL, XB, "a mirror")
    with holdings.db.read() as connection:
        view = merged(holdings.get(connection, stix_id("indicator", 0), ACTUAL))
    assert [nation for nation, _ in view.saying] == [XC]
    assert [(w.provenance.nation, w.provenance.standing_reason) for w in view.words] == [(XB, "a mirror"), (XC, "")]


def test_indicators_of_one_meaning_are_found_together_with_their_nations(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, body(1, pattern="[domain-name:value = 'evil.example' OR ipv4-addr:value = '198.51.100.7']"))
    put(holdings, at, body(2, pattern="[ipv4-addr:value='198[.]51.100.7'] OR [domain-name:value=='EVIL.example.']"), XB)
    put(holdings, at, body(2, pattern="[ipv4-addr:value='198[.]51.100.7'] OR [domain-name:value=='EVIL.example.']"), XC)
    put(holdings, at, body(3, pattern="[domain-name:value = 'evil.example']"), XB)
    put(
        holdings,
        at,
        body(4, pattern="[domain-name:value = 'evil.example' OR ipv4-addr:value = '198.51.100.7']"),
        lane=TEST,
    )
    with holdings.db.read() as connection:
        (first,) = holdings.get(connection, stix_id("indicator", 1), ACTUAL)
        found = alike(connection, first)
        assert [(each.brief.id, each.nations) for each in found] == [(stix_id("indicator", 2), (XB, XC))]
        assert first.body == body(1, pattern="[domain-name:value = 'evil.example' OR ipv4-addr:value = '198.51.100.7']")
    with holdings.db.write(at) as tx:
        holdings.withdraw(tx, stix_id("indicator", 2), ACTUAL, XB, "")
        holdings.withdraw(tx, stix_id("indicator", 2), ACTUAL, XC, "")
    with holdings.db.read() as connection:
        assert alike(connection, first) == []


def test_patterns_that_cannot_be_read_are_not_alike(holdings: Holdings, at: datetime) -> None:
    for number in (1, 2):
        put(holdings, at, body(number, pattern="[broken"))
    with holdings.db.read() as connection:
        assert alike(connection, holdings.get(connection, stix_id("indicator", 1), ACTUAL)[0]) == []


def test_what_names_the_same_value_is_related_newest_first(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, body(1, pattern="[url:value = 'http://evil.example/a']"))
    put(holdings, at, body(2, "domain-name", value="evil.example"), XB)
    put(holdings, at, body(3, pattern="[domain-name:value = 'evil.example']"), XC)
    put(holdings, at, body(4, pattern="[domain-name:value = 'other.example']"))
    put(holdings, at, body(5, pattern="[domain-name:value = 'evil.example']"), lane=TEST)
    (shared,) = found_related(holdings, stix_id("indicator", 1)).shared
    assert (shared.kind, shared.type, shared.value, shared.frequent) == ("value", "domain", "evil.example", False)
    assert [each.id for each in shared.objects] == [stix_id("indicator", 3), stix_id("domain-name", 2)]
    assert found_related(holdings, stix_id("indicator", 4)).shared == ()


def test_what_refers_to_the_same_object_is_related_and_what_refers_to_this_one(
    holdings: Holdings, at: datetime
) -> None:
    malware = stix_id("malware", 9)
    put(holdings, at, body(9, "malware", name="Emotet"))
    put(holdings, at, body(1))
    put(holdings, at, body(2, "relationship", relationship_type="indicates", source_ref=stix_id("indicator", 1),
                           target_ref=malware))  # fmt: skip
    put(holdings, at, body(3, "report", name="Weekly", object_refs=[malware]), XB)
    seen = found_related(holdings, malware)
    assert [(each.brief.type, each.relation, each.other, each.is_source) for each in seen.referring] == [
        ("report", "", "", False),
        ("relationship", "indicates", stix_id("indicator", 1), False),
    ]
    of_report = found_related(holdings, stix_id("report", 3))
    assert [(each.kind, each.value, [o.type for o in each.objects]) for each in of_report.shared] == [
        ("reference", malware, ["relationship"])
    ]
    (from_indicator,) = found_related(holdings, stix_id("indicator", 1)).referring
    assert (from_indicator.other_name, from_indicator.is_source) == ("Emotet", True)


@pytest.mark.parametrize("extra", [0, 1])
def test_what_too_many_share_is_told_as_that_and_not_expanded(holdings: Holdings, at: datetime, extra: int) -> None:
    new = []
    word = Provenance("import", XA, None, None, None, None, Tlp.GREEN, None, {}, at)
    for number in range(MAX_SHARING + 1 + extra):
        raw = body(number, pattern="[domain-name:value = 'common.example']", x_ref=stix_id("malware", 1))
        new.append(NewObject(raw, parse(raw), ACTUAL, word))
    with holdings.db.write(at) as tx:
        holdings.store(tx, new)
    found = found_related(holdings, stix_id("indicator", 0))
    assert {each.kind: (each.frequent, len(each.objects)) for each in found.shared} == {
        kind: (bool(extra), 0 if extra else MAX_SHARING) for kind in ("value", "reference")
    }


def test_a_large_event_is_looked_at_within_a_bound(
    holdings: Holdings, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows that one look reads hang on the object alone, not on how many objects share how many values."""
    word = Provenance("import", XA, None, None, None, None, Tlp.GREEN, None, {}, at)
    values = [f"[domain-name:value = 'v{n}.example']" for n in range(400)]
    new = [
        NewObject(raw, parse(raw), ACTUAL, word)
        for number in range(400)
        for raw in [body(number, pattern=" OR ".join([values[number], "[domain-name:value = 'shared.example']"]))]
    ]
    raw = body(1000, "grouping", context="event", object_refs=[each.stix.id for each in new])
    wide = body(1001, pattern=" OR ".join(values))
    new += [NewObject(each, parse(each), ACTUAL, word) for each in (raw, wide)]
    with holdings.db.write(at) as tx:
        holdings.store(tx, new)
    read: list[int] = []
    inner = lookup.briefs

    def counting(connection: Connection, rows: Sequence[int]) -> dict[int, Brief]:
        read.append(len(rows))
        return inner(connection, rows)

    monkeypatch.setattr(relating, "briefs", counting)
    assert found_related(holdings, stix_id("grouping", 1000)).left_out == 400 - MAX_SHARED_LOOKED_AT
    found = found_related(holdings, stix_id("indicator", 1001))
    assert (len(found.shared), found.left_out) == (MAX_SHARED_LOOKED_AT, 400 - MAX_SHARED_LOOKED_AT)
    one = found_related(holdings, stix_id("indicator", 7))
    assert {each.value: each.frequent for each in one.shared} == {"v7.example": False, "shared.example": True}
    assert max(read) <= MAX_SHARED_LOOKED_AT * (MAX_SHARING + 1)


@pytest.mark.parametrize("name", ["windigo_ebury.misp.json", "dukes_misp-dukes-operation-ghost-event.json"])
def test_every_object_of_a_real_event_is_looked_at(
    sqlite_holdings: Holdings, data_dir: Path, terms: ImportTerms, at: datetime, name: str
) -> None:
    file = (data_dir / "misp-events" / name).read_bytes()
    import_misp(sqlite_holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=at)
    with sqlite_holdings.db.read() as connection:
        held = sqlite_holdings.rows(connection, range(1, 400))
        assert len(held) > 10
        assert any(related(connection, each).referring for each in held)


def score(holdings: Holdings, at: datetime) -> float:
    stix = stix_id("indicator", 0)
    with holdings.db.read() as connection:
        found = score_of(holdings.get(connection, stix, ACTUAL)[0], said_of(connection, [stix], ACTUAL), at)
    assert found is not None
    return round(found.value, 3)


def test_a_sighting_lets_an_indicator_be_worth_its_base_again(holdings: Holdings, at: datetime) -> None:
    put(holdings, at, body(modified=at.isoformat()))
    assert score(holdings, at) == DEFAULT_BASE_SCORE
    assert score(holdings, at + 30 * DAY) == DEFAULT_BASE_SCORE / 2
    seen = {"sighting_of_ref": stix_id("indicator", 0), "modified": (at + 29 * DAY).isoformat()}
    put(holdings, at + 30 * DAY, body(1, "sighting", last_seen=(at + 400 * DAY).isoformat(), **seen), XB)
    assert score(holdings, at + 30 * DAY) == DEFAULT_BASE_SCORE
    assert score(holdings, at + 60 * DAY) == DEFAULT_BASE_SCORE / 2
    assert score(holdings, at + 150 * DAY) == 0
    put(holdings, at + 60 * DAY, body(2, "sighting", count=0, **seen), XB)
    assert score(holdings, at + 60 * DAY) == DEFAULT_BASE_SCORE / 2


def test_its_own_validity_always_wins(holdings: Holdings, at: datetime) -> None:
    until = at + 10 * DAY
    put(holdings, at, body(modified=at.isoformat(), valid_from=at.isoformat(), valid_until=until.isoformat()))
    assert score(holdings, at - DAY) == 0
    assert score(holdings, until - DAY) > 0
    assert score(holdings, until) == 0
    put(holdings, at, body(1, "sighting", sighting_of_ref=stix_id("indicator", 0), modified=until.isoformat()))
    assert score(holdings, until) == 0


@pytest.mark.parametrize(
    ("admiralty", "confidence", "base"),
    [(None, None, 80), (None, 40, 40), ("B2", None, 72), ("B", None, 75), ("F6", None, 80), ("A1", 20, 70)],
)
def test_the_base_is_what_is_stated_of_source_and_information(
    holdings: Holdings, at: datetime, admiralty: str | None, confidence: int | None, base: int
) -> None:
    stated: dict[str, Any] = {} if confidence is None else {"confidence": confidence}
    rating = Admiralty.parse(admiralty) if admiralty else None
    put(holdings, at, body(modified=at.isoformat(), **stated), admiralty=rating)
    assert score(holdings, at) == base


def test_a_tag_rates_where_nobody_here_did_and_the_best_rated_word_counts(holdings: Holdings, at: datetime) -> None:
    tagged = body(modified=at.isoformat(), labels=['admiralty-scale:source-reliability="d"'])
    put(holdings, at, tagged, XB)
    assert score(holdings, at) == 25
    put(holdings, at, tagged, XC, admiralty=Admiralty("A", ""))
    assert score(holdings, at) == 100


def test_a_misp_event_rates_what_its_attributes_do_not(
    sqlite_holdings: Holdings, terms: ImportTerms, at: datetime
) -> None:
    def attribute(number: int, *tags: str) -> dict[str, Any]:
        uuid = f"5b8f0b1e-1234-4abc-8def-{number:012x}"
        found = {"uuid": uuid, "type": "domain", "category": "Network activity", "value": f"evil{number}.example"}
        return found | {"to_ids": True, "timestamp": "1700000000", "Tag": [{"name": tag} for tag in tags]}

    event = {
        "uuid": "5b8f0b1e-1234-4abc-8def-00000000aaaa",
        "info": "Rated",
        "date": "2026-01-01",
        "timestamp": "1700000000",
        "Tag": [{"name": 'admiralty-scale:source-reliability="b"'}],
        "Attribute": [attribute(1), attribute(2, 'admiralty-scale:information-credibility="4"')],
    }
    file = json.dumps({"Event": event}).encode()
    assert (
        import_misp(sqlite_holdings, file, terms=terms, warning_lists=None, keep=keep_event, at=at).refused_count == 0
    )
    with sqlite_holdings.db.read() as connection:
        page = sqlite_holdings.search(connection, "type:indicator", ACTUAL, None, 10, at=at)
    rated = {each.stix.observables[0].value: str(each.provenance[0].admiralty) for each in page.objects}
    assert rated == {"evil1.example": "B", "evil2.example": "4"}


def test_a_score_cannot_be_searched_for_and_is_not_taken_for_a_word(holdings: Holdings, at: datetime) -> None:
    with holdings.db.read() as connection, pytest.raises(BadQuery, match="changes every instant"):
        holdings.search(connection, "type:indicator score>50", ACTUAL, None, 10, at=at)
