"""Own objects as MISP events: reports with what they refer to, indicators by the day, changes, and what is gone."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pymisp import MISPEvent
from sqlalchemy import event as sqlalchemy_event

from mithaq.exchange.misp.preview import preview
from mithaq.exchange.orders import Orders
from mithaq.intelligence.imports.documents import read_document
from mithaq.intelligence.imports.reports import take_report
from mithaq.intelligence.imports.text import IndicatorTerms
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.misp.labels import tag_names
from mithaq.standards.observable import Observable
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.misp import client, file_of, md5, read_feed, take
from tests.papers import pdf
from tests.taxii import BANK, GRID, Served, carried, made, name
from tests.world import XA


def report(number: int, *refs: str, **changes: Any) -> bytes:
    return made(
        number, "report", name="Quiet Crane", description="What we saw.", published="2026-11-23T11:00:00.000Z",
        object_refs=list(refs), external_references=[{"source_name": "blog", "url": "https://blog.example/crane"}],
        **changes,
    )  # fmt: skip


def technique() -> bytes:
    known_as = [{"source_name": "mitre-attack", "external_id": "T1566"}]
    return made(7, "attack-pattern", name="Phishing", external_references=known_as)


def uuid_in(object_id: str) -> str:
    return object_id.partition("--")[2]


def only(served: Served, who: str = GRID) -> dict[str, Any]:
    (found,) = read_feed(client(served, who)).values()
    return found


def test_indicators_go_out_in_one_event_a_day_and_label_under_their_own_uuids(served: Served) -> None:
    served.collection()
    served.store(made(1), made(2), made(3, tlp=Tlp.CLEAR), made(4, created="2026-11-22T11:00:00.000Z"))
    found = read_feed(client(served))
    assert sorted((each["date"], tag_names(each["Tag"]), len(each["Attribute"])) for each in found.values()) == [
        ("2026-11-22", ["tlp:green", "PAP:GREEN"], 1),
        ("2026-11-23", ["tlp:clear", "PAP:GREEN"], 1),
        ("2026-11-23", ["tlp:green", "PAP:GREEN"], 2),
    ]
    attributes = {a["uuid"]: a for each in found.values() for a in each["Attribute"]}
    assert attributes.keys() == {uuid_in(name(number)) for number in (1, 2, 3, 4)}
    first = attributes[uuid_in(name(1))]
    assert (first["type"], first["value"], first["to_ids"]) == ("ip-dst", "198.51.0.1", True)
    assert all(each["Orgc"]["uuid"] == served.node.misp.organisation.uuid for each in found.values())


def test_a_report_is_an_event_with_what_it_refers_to_and_its_tags(served: Served) -> None:
    served.collection()
    served.store(made(1), technique(), report(5, name(1), name(7, "attack-pattern")))
    found = only(served)
    assert (found["uuid"], found["info"]) == (uuid_in(name(5, "report")), "Quiet Crane")
    assert tag_names(found["Tag"]) == ["tlp:green", "PAP:GREEN", 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"']
    assert next((a["uuid"], a["value"]) for a in found["Attribute"]) == (uuid_in(name(1)), "198.51.0.1")
    assert found["Attribute"][1]["value"] == "https://blog.example/crane"
    assert found["EventReport"][0]["content"] == "What we saw."
    reread = MISPEvent()
    reread.from_dict(**found)
    assert [attribute.value for attribute in reread.attributes] == ["198.51.0.1", "https://blog.example/crane"]


def test_an_object_has_one_home_and_other_uuids_in_later_reports(quick: Served) -> None:
    """MISP keeps an attribute's uuid in one event and drops it from any other."""
    quick.collection()
    later = {"created": "2026-11-25T11:00:00.000Z", "modified": "2026-11-25T11:00:00.000Z"}
    quick.store(made(1), made(2), report(5, name(1)), report(6, name(1), name(2), **later))
    found = read_feed(client(quick))
    uuids = [a["uuid"] for each in found.values() for a in each["Attribute"] if a["type"] == "ip-dst"]
    assert len(uuids) == len(set(uuids)) == 4
    assert uuid_in(name(1)) in [a["uuid"] for a in found[uuid_in(name(5, "report"))]["Attribute"]]
    assert uuid_in(name(2)) not in [a["uuid"] for a in found[uuid_in(name(6, "report"))]["Attribute"]]


def test_a_report_carries_the_strictest_label_of_all_that_is_in_it_once(quick: Served) -> None:
    quick.collection()
    quick.store(made(1, tlp=Tlp.AMBER), report(5, name(1)))
    found = only(quick)
    assert (tag_names(found["Tag"])[:2], found["distribution"]) == (["tlp:amber", "PAP:GREEN"], "0")


def test_timestamps_grow_with_every_change_and_with_nothing_else(served: Served) -> None:
    served.collection()
    reader = client(served)
    served.store(made(1))
    stamps = [only(served)["timestamp"]]
    unchanged = reader.get("/misp/feed/manifest.json")
    assert unchanged.content == reader.get("/misp/feed/manifest.json").content
    served.store(made(2))  # the clock stands still meanwhile
    stamps.append(only(served)["timestamp"])
    served.store(made(2, modified="2026-11-24T11:00:00.000Z", name="changed"))
    stamps.append(only(served)["timestamp"])
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XA, "wrong")
    served.settle()
    stamps.append(only(served)["timestamp"])
    assert stamps == sorted(set(stamps), key=int)
    served.store(made(50, tlp=Tlp.RED))
    assert only(served)["timestamp"] == stamps[-1]


def test_what_is_withdrawn_goes_out_as_deleted_without_its_value(served: Served) -> None:
    """Neither feeds nor servers of MISP tell of what is gone (MISP#5949, #8149): a deleted attribute does."""
    served.collection()
    served.store(made(1), made(2))
    assert len(only(served)["Attribute"]) == 2
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XA, "wrong")
    assert [a["uuid"] for a in only(served)["Attribute"]] == [uuid_in(name(2))]  # at once
    served.settle()
    told = {a["uuid"]: a for a in only(served)["Attribute"]}
    gone = told[uuid_in(name(1))]
    assert (gone["deleted"], gone["value"], gone["to_ids"], told[uuid_in(name(2))]["deleted"]) == (
        True, "withdrawn", False, False,
    )  # fmt: skip
    hashes = client(served).get("/misp/feed/hashes.csv").text
    assert (md5("198.51.0.1") in hashes, md5("198.51.0.2") in hashes) == (False, True)


def test_a_revoked_indicator_is_a_deleted_attribute_and_a_withdrawn_report_is_gone(quick: Served) -> None:
    quick.collection()
    quick.store(made(1), report(5, name(1)))
    quick.store(made(1, modified="2026-11-24T11:00:00.000Z", revoked=True))
    (attribute, _) = only(quick)["Attribute"]
    assert (attribute["deleted"], attribute["to_ids"]) == (True, False)
    with quick.node.db.write(quick.clock.now()) as tx:
        quick.node.holdings.withdraw(tx, name(5, "report"), ACTUAL, XA, "wrong")
    quick.settle()
    assert uuid_in(name(5, "report")) not in read_feed(client(quick))


def test_a_partners_object_with_terms_that_misp_cannot_say_stays(served: Served) -> None:
    served.collection()
    served.store(made(1), partner=carried(served.clock.now()))
    assert read_feed(client(served)) == {}


def hide_by_label(served: Served) -> None:
    served.store(made(50, tlp=Tlp.RED), report(51, name(50), tlp=Tlp.RED))


def hide_by_pap(served: Served) -> None:
    served.store(made(50, pap=Pap.RED))


def hide_by_veto(served: Served) -> None:
    Orders(served.country.context).veto(name(50), None, at=served.clock.now(), actor="p")
    served.store(made(50))


def hide_by_reference(served: Served) -> None:
    served.store(made(50, tlp=Tlp.RED), report(51, name(50), name(1)))


def hide_a_foreign_event(served: Served) -> None:
    take(served, file_of(Tag=[{"name": "tlp:red"}]))


def hide_by_audience(served: Served) -> None:
    served.collection("other", audience=(BANK,))
    served.node.collections.close("other", served.clock.now())


@pytest.mark.parametrize(
    "hide",
    [hide_by_label, hide_by_pap, hide_by_veto, hide_by_reference, hide_by_audience, hide_a_foreign_event],
    ids=lambda f: f.__name__,
)
def test_two_worlds_that_differ_in_what_is_withheld_are_one_to_a_recipient(served: Served, hide: Any) -> None:
    """No manifest, index, count, ETag, hash list or search tells of it."""

    def world() -> list[tuple[int, bytes, str | None, str | None]]:
        reader = client(served)
        answers = [
            reader.get("/misp/feed/manifest.json"),
            reader.get("/misp/feed/hashes.csv"),
            reader.post("/misp/events/index", json={"minimal": 1, "published": 1}),
            reader.post("/misp/events/index", json={}),
            reader.post("/misp/events/restSearch", json={"returnFormat": "json"}),
            reader.post("/misp/attributes/restSearch", json={"value": "198.51.0.50"}),
            reader.get(f"/misp/events/view/{uuid_in(name(51, 'report'))}"),
            reader.post("/misp/sightings/add", json={"value": "198.51.0.50"}),
            reader.post(
                "/misp/events/filterEventIdsForPush", json=[{"Event": {"uuid": uuid_in(name(51)), "timestamp": "9"}}]
            ),
        ]
        return [(a.status_code, a.content, a.headers.get("etag"), a.headers.get("x-result-count")) for a in answers]

    served.collection(can_write=True)
    served.store(made(1), made(2), report(5, name(2)))
    before = world()
    hide(served)
    served.clock.at = served.clock.now() + timedelta(seconds=5)  # type: ignore[attr-defined]
    assert world() == before


def test_what_an_index_asks_does_not_grow_with_what_the_events_hold(quick: Served) -> None:
    quick.collection()
    reader = client(quick)

    def statements() -> list[str]:
        asked: list[str] = []

        def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
            asked.append(statement)

        reader.get("/misp/feed/manifest.json")  # what changed is stamped
        sqlalchemy_event.listen(quick.node.db.engine, "before_cursor_execute", note)
        reader.get("/misp/feed/manifest.json")
        reader.post("/misp/events/index", json={"minimal": 1})
        sqlalchemy_event.remove(quick.node.db.engine, "before_cursor_execute", note)
        return asked

    quick.store(*[made(number) for number in range(3)])
    few = statements()
    quick.store(*[made(number) for number in range(3, 1500)])
    assert statements() == few
    assert not any("body" in each and "is_event IS 0" in each for each in few)


def test_etags_are_strong_and_a_second_question_is_not_answered_anew(quick: Served) -> None:
    quick.collection()
    quick.store(*[made(number) for number in range(40)])
    reader = client(quick)
    uuid = next(iter(read_feed(reader)))
    for path in ("feed/manifest.json", "feed/hashes.csv", f"feed/{uuid}.json", f"events/view/{uuid}", "events/index"):
        for encoding in ("identity", "gzip"):
            first = reader.get(f"/misp/{path}", headers={"accept-encoding": encoding})
            assert first.headers["etag"].startswith('"')
            assert ("content-encoding" in first.headers) == (encoding == "gzip" and len(first.content) >= 1000)
            again = reader.get(
                f"/misp/{path}", headers={"if-none-match": first.headers["etag"], "accept-encoding": encoding}
            )
            assert (again.status_code, again.content) == (304, b"")
    quick.store(made(99))
    tag = first.headers["etag"]
    assert reader.get("/misp/events/index", headers={"if-none-match": tag}).status_code == 200
    assert json.loads(reader.get("/misp/feed/manifest.json").content)[uuid]["Tag"]


def test_what_a_constituent_took_back_over_taxii_leaves_no_event_of_a_day(served: Served) -> None:
    """MISP never carried it: a day with its deletion would tell of an object nobody was given."""
    served.collection(can_write=True, floor=Tlp.GREEN)
    peer, taxii = client(served), served.client()
    collection = taxii.get("/taxii2/mithaq/collections/").json()["collections"][0]["id"]
    place = f"/taxii2/mithaq/collections/{collection}/objects/"
    body = b'{"objects": [' + made(1) + b"]}"
    headers = {"content-type": "application/taxii+json;version=2.1"}
    assert taxii.post(place, content=body, headers=headers).json()["success_count"] == 1
    served.settle()
    assert peer.post("/misp/events/index", json={}).json() == []
    assert taxii.delete(f"{place}{name(1)}/").status_code == 200
    served.settle()
    assert peer.post("/misp/events/index", json={}).json() == []


def test_a_report_that_was_taken_from_a_file_is_an_event_too(served: Served) -> None:
    """The file is kept beside it, as a MISP event is; it is none."""
    served.collection()
    at, file = served.clock.now(), pdf(["new[.]example 198[.]51[.]100[.]7"])
    values = [Observable("domain", "new.example"), Observable("ipv4", "198.51.100.7")]
    stated = IndicatorTerms(XA, ACTUAL, Tlp.GREEN, at + timedelta(days=30), name="From a file", pap=Pap.GREEN)
    taken = take_report(served.node.holdings, file, read_document(file), values, stated, at)
    served.settle()
    (found,) = read_feed(client(served)).values()
    assert (found["info"], found["uuid"]) == ("From a file", taken.id.partition("--")[2])
    assert {each["value"] for each in found["Attribute"]} == {"new.example", "198.51.100.7"}
    with served.node.db.read() as connection:
        (stored,) = served.node.holdings.get(connection, taken.id, ACTUAL)
        shown = preview(connection, served.node.holdings, served.node.misp.organisation, stored)
    assert shown.event is not None
    assert [each["value"] for each in shown.event["Attribute"]] == [each["value"] for each in found["Attribute"]]
