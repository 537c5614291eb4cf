"""Clocks of incidents, feedback, requests, reviews and contacts; reminders before an end."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mithaq.agreements.terms import (
    Baseline,
    EmergencyContact,
    Feedback,
    Leaving,
    Notification,
    ResponseTime,
)
from mithaq.exchange.duties import retention, store
from mithaq.exchange.duties.errors import NothingOwed, UnknownDuty
from mithaq.exchange.duties.service import Duties
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.kernel import canonical
from mithaq.kernel.lane import ACTUAL, Lane
from mithaq.release.obligations import Occasion, lapses_on_exit, reminders_reached, response_duties
from mithaq.standards import stix
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver, indicator
from tests.obliged import duties, keep_books, rows, sweep, told
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INCIDENT = "incident--00000000-0000-4000-8000-000000000001"
TERMS = msgspec.structs.replace(
    DEFAULT_TERMS,
    kinds=[*DEFAULT_TERMS.kinds, "incident", "report"],
    review_after_days=30,
    notification=Notification("high", sectors=["energy"]),
    feedback=Feedback(sighting_hours=12),
    response_times=[ResponseTime("assistance", "urgent", 1, 8)],
    emergency_contact=EmergencyContact(30),
    baseline=Baseline(node_incident_hours=6),
    leaving=Leaving(["retention"], on_exit="delete"),
)


@pytest.fixture
def treaty(at: datetime) -> Treaty:
    return Treaty(at, terms=TERMS, days=95)


@pytest.fixture
def three(tmp_path: Path, at: datetime, treaty: Treaty) -> Iterator[list[Country]]:
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries
    for country in countries:
        country.db.close()


def own(country: Country, body: bytes, to: ReleaseInstruction, at: datetime, lane: Lane = ACTUAL) -> str:
    parsed = stix.parse(body)
    word = Provenance("own", country.nation, None, None, None, None, Tlp.GREEN, Pap.GREEN, {}, at)
    with country.db.write(at) as tx:
        country.context.holdings.store(tx, [NewObject(body, parsed, lane, word, to)])
    return parsed.id


def notice(stage: str, number: int) -> bytes:
    value = json.loads(indicator(number))
    for name in ("pattern", "pattern_type", "valid_from"):
        del value[name]
    value |= {
        "type": "report",
        "id": f"report--00000000-0000-4000-8000-{number:012d}",
        "published": value["created"],
        "object_refs": [INCIDENT],
        "labels": ["PAP:GREEN", f"incident-stage:{stage}"],
    }
    return canonical.dumps(value)


def test_a_grave_incident_starts_three_clocks_for_every_party(three: list[Country], at: datetime) -> None:
    a = three[0]
    count = Duties(a.context).declare_incident(INCIDENT, "critical", frozenset({"energy"}), ACTUAL, at=at, actor="p")
    assert count == 6
    found = {(row.kind, row.owed_to): row.due_at - at for row in rows(a, store.duties)}
    assert found[("early-warning", XB)] == 24 * HOUR
    assert found[("notification", XC)] == 72 * HOUR
    assert found[("final-report", XB)] == 30 * DAY


def test_an_incident_below_the_agreed_grade_or_in_no_agreed_sector_owes_nothing(
    three: list[Country], at: datetime
) -> None:
    service = Duties(three[0].context)
    with pytest.raises(NothingOwed):
        service.declare_incident(INCIDENT, "medium", frozenset({"energy"}), ACTUAL, at=at, actor="p")
    with pytest.raises(NothingOwed):
        service.declare_incident(INCIDENT, "critical", frozenset({"water"}), ACTUAL, at=at, actor="p")
    assert duties(three[0]) == []


def test_a_released_notice_settles_its_stage_for_who_got_it_and_the_others_are_breached(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    Duties(a.context).declare_incident(INCIDENT, "critical", frozenset({"energy"}), ACTUAL, at=at, actor="p")
    own(a, notice("early-warning", 1), ReleaseInstruction(treaty.agreement_id, (XB,), "warning"), at)
    assert deliver(a, b, at + HOUR) == ["admitted"]
    sweep(a, at + HOUR)
    sweep(a, at + 25 * HOUR)
    state = {(row.kind, row.owed_to): row.state for row in rows(a, store.duties)}
    assert state[("early-warning", XB)] == "fulfilled"
    assert state[("early-warning", XC)] == state[("notification", XB)] == "open"
    assert [(each["kind"], each["to"]) for each in told(a, "breached")] == [("early-warning", "XC")]
    sweep(a, at + 26 * HOUR)
    assert len(told(a, "breached")) == 1, "a breach is recorded once"


def test_an_exercises_clock_never_counts_as_actual(three: list[Country], treaty: Treaty, at: datetime) -> None:
    a, b, _ = three
    lane = Lane("exercise--11111111-1111-4111-8111-111111111111")
    service = Duties(a.context)
    service.declare_incident(INCIDENT, "critical", frozenset({"energy"}), lane, at=at, actor="p")
    own(a, notice("early-warning", 1), ReleaseInstruction(treaty.agreement_id, (XB,), "warning"), at)
    deliver(a, b, at)
    sweep(a, at)
    sweep(a, at + 25 * HOUR)
    assert {row.state for row in rows(a, store.duties) if row.lane == str(lane)} == {"open"}
    assert {each["lane"] for each in told(a, "breached")} == {str(lane)}
    with a.db.read() as connection:
        assert service.health(connection, at + 25 * HOUR).overdue == ()
        assert INCIDENT not in {each.subject for each in service.listed(connection, at)}


def test_a_confirmed_hit_owes_a_sighting_that_its_release_settles(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    deliver(a, b, at)
    sighting = json.loads(notice("none", 7)) | {
        "type": "sighting",
        "id": "sighting--00000000-0000-4000-8000-000000000007",
        "sighting_of_ref": object_id,
        "labels": ["PAP:GREEN"],
    }
    for name in ("name", "published", "object_refs"):
        del sighting[name]
    with b.db.write(at) as tx:
        detail = {"indicator": object_id, "sighting": sighting["id"]}
        tx.append("detection.hit.confirmed", subject="hit--1", lane=ACTUAL, actor="person--1", detail=detail)
    keep_books(b, at)
    (owed,) = [row for row in rows(b, store.duties) if row.kind == "feedback"]
    assert (owed.owed_by, owed.owed_to, owed.due_at, owed.state) == (XB, XA, at + 12 * HOUR, "open")
    own(b, canonical.dumps(sighting), ReleaseInstruction(treaty.agreement_id, (XA,), "defence"), at)
    assert deliver(b, a, at) == ["admitted"]
    keep_books(b, at)
    assert [row.state for row in rows(b, store.duties) if row.kind == "feedback"] == ["fulfilled"]


def test_a_review_is_owed_by_the_recipient_and_is_done_by_hand(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    deliver(a, b, at)
    keep_books(a, at)
    keep_books(b, at)
    assert duties(a) == [("retention", XB, XA, "open")]
    (row,) = rows(b, store.duties)
    assert (row.kind, row.due_at) == ("review", at + 30 * DAY)
    Duties(b.context).done(row.row, at=at, actor="person--1")
    assert duties(b) == [("review", XB, XA, "fulfilled")]
    with pytest.raises(UnknownDuty):
        Duties(b.context).done(row.row, at=at, actor="person--1")
    with pytest.raises(UnknownDuty):
        Duties(a.context).done(rows(a, store.duties)[0].row, at=at, actor="person--1")


def test_a_request_starts_the_clocks_of_its_kind_and_urgency(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    service = Duties(three[0].context)
    subject = service.start_request(treaty.agreement_id, XB, XA, "assistance", "urgent", at=at, actor="p")
    found = [(row.kind, row.subject, row.due_at - at) for row in rows(three[0], store.duties)]
    assert found == [("acknowledge", subject, HOUR), ("answer", subject, 8 * HOUR)]
    with pytest.raises(NothingOwed):
        service.start_request(treaty.agreement_id, XB, XA, "takedown", "urgent", at=at, actor="p")
    assert not list(response_duties(Occasion(treaty.agreement, "r", ACTUAL, at), XB, XA, "takedown", "routine"))


def test_an_incident_of_the_node_is_owed_to_every_party(three: list[Country], at: datetime) -> None:
    assert Duties(three[0].context).declare_node_incident(at=at, actor="p") == 2
    assert {row.due_at - at for row in rows(three[0], store.duties)} == {6 * HOUR}


def test_a_contact_is_tested_again_and_again(three: list[Country], at: datetime) -> None:
    a = three[0]
    sweep(a, at)
    first = {row.owed_to: row for row in rows(a, store.duties)}
    assert first[XB].due_at == at + 29 * DAY, "from the entry into force on, a day before"
    Duties(a.context).done(first[XB].row, at=at + DAY, actor="p")
    sweep(a, at + 2 * DAY)
    open_ = {row.owed_to: row.due_at for row in rows(a, store.duties) if row.state == "open"}
    assert open_ == {XB: at + 31 * DAY, XC: at + 29 * DAY}


def test_people_are_reminded_90_30_and_7_days_before_an_end_each_once(three: list[Country], at: datetime) -> None:
    a = three[0]
    for day in (0, 1, *range(3, 95, 2)):
        sweep(a, at + day * DAY)
    agreed = [each["days"] for each in told(a, "reminder") if each["kind"] == "agreement"]
    assert agreed == [90, 30, 7]
    with a.db.read() as connection:
        endings = Duties(a.context).endings(connection, at + 93 * DAY, at + 100 * DAY)
    assert [(each.kind, each.until) for each in endings] == [("agreement", at + 95 * DAY)]


def test_a_reminder_is_reached_to_the_instant(at: datetime) -> None:
    assert reminders_reached(at, at - 90 * DAY) == (90,)
    assert reminders_reached(at, at - 90 * DAY - timedelta(microseconds=1)) == ()
    assert reminders_reached(at, at) == ()


def test_when_a_party_leaves_what_it_gave_falls_due_where_the_agreement_says_so(
    three: list[Country], treaty: Treaty, at: datetime
) -> None:
    a, b, _ = three
    object_id = a.add(1, at, to=ReleaseInstruction(treaty.agreement_id, (XB,), "defence"))
    deliver(a, b, at)
    keep_books(b, at)
    left = replace(treaty.agreement, leaving={XA: at + DAY})
    assert lapses_on_exit(left, XB, at) == {}
    due = lapses_on_exit(left, XB, at + DAY)
    assert due == {XA: at + DAY}
    assert lapses_on_exit(left, XA, at + DAY) == {XB: at + DAY, XC: at + DAY}
    with b.db.write(at + DAY) as tx:
        assert [retention.lapse(tx, treaty.agreement_id, nation, since) for nation, since in due.items()] == [1]
    assert sweep(b, at + DAY).erased == 1
    assert not b.held(object_id)
    assert [row.what for row in rows(b, store.attestations)] == ["deletion"]
