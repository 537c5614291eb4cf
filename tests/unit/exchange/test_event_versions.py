"""A MISP event that is imported again says what of it is no more: here, on the shelves and at partners'."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.imports.misp import import_misp
from mithaq.intelligence.model import ImportReport, ImportTerms, ReleaseInstruction
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.country import Country, alliance, deliver
from tests.misp import ATTRIBUTE, client, event, read_feed, take
from tests.taxii import ROOT, Served, ids_in, made
from tests.world import XA, XB, XC, Treaty

FIRST, SECOND = (f"indicator--{ATTRIBUTE}{number}" for number in (1, 2))
NEWER = "1600000500"


def file(*events: dict[str, Any]) -> bytes:
    return json.dumps([{"Event": each} for each in events]).encode()


def without_second(timestamp: str = NEWER, **changes: Any) -> dict[str, Any]:
    """A newer version of the event, in which the second attribute is deleted."""
    first, second = event()["Attribute"]
    return event(timestamp=timestamp, Attribute=[first, second | {"deleted": True}], **changes)


def stands(served: Served, object_id: str, lane: Lane = ACTUAL) -> bool:
    with served.node.db.read() as connection:
        return any(each.stands for each in served.node.holdings.get(connection, object_id, lane))


def test_an_imported_version_takes_back_what_it_gives_no_more(served: Served) -> None:
    collection = served.collection()
    take(served, file(event()))
    reader = served.client()
    address = f"{ROOT}collections/{collection}/objects/"
    assert {FIRST, SECOND} <= set(ids_in(reader.get(address).content))
    report = take(served, file(without_second()))
    assert (report.refused_count, report.withdrawn) == (0, 5)
    assert report.as_json()["withdrawn"] == 5
    found = ids_in(reader.get(address).content)
    assert FIRST in found
    assert SECOND not in found
    assert (stands(served, FIRST), stands(served, SECOND)) == (True, False)
    (out,) = read_feed(client(served)).values()
    assert [each["deleted"] for each in out["Attribute"]] == [False, True]  # the newer version goes out as it came
    assert take(served, file(without_second())).withdrawn == 0
    assert take(served, file(event(timestamp="1600000900"))).withdrawn == 0
    assert stands(served, SECOND)


def test_an_older_version_brings_nothing_back_and_an_own_revision_stays(served: Served) -> None:
    take(served, file(without_second()))
    assert take(served, file(event())).withdrawn == 5
    assert (stands(served, FIRST), stands(served, SECOND)) == (True, False)
    take(served, file(event(timestamp="1600000900")))
    with served.node.db.read() as connection:
        held = served.node.holdings.get(connection, SECOND, ACTUAL)[0]
    served.store(json.dumps(json.loads(held.body) | {"modified": "2026-11-23T11:00:00.000Z", "confidence": 5}).encode())
    take(served, file(without_second("1600001000")))
    assert stands(served, SECOND)  # a person here made it this nation's own
    with served.node.db.read() as connection:
        newest, *older = served.node.holdings.get(connection, SECOND, ACTUAL)
    assert [word.source for word in newest.provenance if word.standing == "stands"] == ["own"]
    assert not any(each.stands for each in older)


def test_lanes_events_and_givers_are_apart(served: Served) -> None:
    exercise = ImportTerms(XA, TEST, Tlp.GREEN, Pap.GREEN)
    other = "5b8f0b1e-1234-4abc-8def-0000000000e1"
    take(served, file(event(), event(uuid=other, Attribute=event()["Attribute"][1:])))
    take(served, file(event()), exercise)
    served.store(made(1))
    take(served, file(without_second()))
    assert stands(served, SECOND)  # the other event still gives it
    assert take(served, file(event(uuid=other, timestamp=NEWER, Attribute=[]))).withdrawn > 0
    assert not stands(served, SECOND)
    assert stands(served, SECOND, TEST)
    assert stands(served, "indicator--00000000-0000-4000-8000-000000000001")


def test_a_version_that_cannot_be_converted_takes_nothing_back(quick: Served) -> None:
    take(quick, file(event()))
    report = take(quick, file(without_second(date="never")))
    assert (report.refused_count, report.withdrawn) == (1, 0)
    assert stands(quick, SECOND)


@pytest.fixture
def three(tmp_path: Path, at: datetime) -> Iterator[tuple[list[Country], Treaty]]:
    treaty = Treaty(at)
    countries = alliance(tmp_path, (XA, XB, XC), at, treaty)
    yield countries, treaty
    for country in countries:
        country.db.close()


def test_partners_who_got_it_are_told(three: tuple[list[Country], Treaty], at: datetime) -> None:
    (a, b, _), treaty = three
    asked = ReleaseInstruction(treaty.agreement_id, (XB,), "defence")
    to_b = ImportTerms(XA, ACTUAL, Tlp.GREEN, Pap.GREEN, purpose="defence", instruction=asked)

    def imported(body: bytes, at: datetime) -> ImportReport:
        report = import_misp(a.context.holdings, body, terms=to_b, warning_lists=None, keep=keep_event, at=at)
        a.plan(at)
        return report

    imported(file(event()), at)
    assert "admitted" in deliver(a, b, at)
    assert [each.stands for each in b.held(SECOND)] == [True]
    later = at + timedelta(minutes=1)
    assert imported(file(without_second()), later).withdrawn == 5
    assert "withdrawn" in deliver(a, b, later)
    assert [each.stands for each in b.held(SECOND)] == [False]
    assert [each.stands for each in b.held(FIRST)] == [True]
