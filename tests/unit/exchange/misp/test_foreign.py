"""Foreign events: what came as a MISP event goes out as that event, wholly and only where all of it is released."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from pymisp import MISPEvent

from mithaq.exchange.orders import Orders
from mithaq.intelligence.model import ImportTerms
from mithaq.standards.misp.labels import tag_names, tlps_of
from mithaq.standards.misp.numbers import numbered
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, events_in, file_of, loosened, md5, read_feed, take, terms
from tests.taxii import BANK, GRID, ROOT, Served, ids_in

FEED = f"{ROOT}collections/feed/objects/"


def test_every_real_event_goes_out_as_it_came_in(quick: Served, data_dir: Path, tmp_path: Path) -> None:
    """All fifteen in one node: events share their organisation and techniques, and none hides another."""
    quick.collection()
    came = {}
    for path in sorted((data_dir / "misp-events").glob("*.json")):
        (only,) = events_in(path)
        came[only["uuid"]] = only
        take(quick, path.read_bytes())
    assert len(came) == 15
    made = client(quick)
    feed = read_feed(made)
    assert feed.keys() == came.keys()
    for uuid, original in came.items():
        assert loosened(feed[uuid]) == loosened(original)
        assert set(tag_names(feed[uuid]["Tag"])) == {*tag_names(original.get("Tag")), "tlp:green", "PAP:GREEN"}
        assert feed[uuid]["distribution"] in ("0", "1")
        pulled = made.get(f"/misp/events/view/{uuid}/deleted[]:0/deleted[]:1/excludeGalaxy:1/excludeLocalTags:1")
        assert loosened(pulled.json()["Event"]) == loosened(numbered(original))
        kept = tmp_path / f"{uuid}.json"
        kept.write_bytes(made.get(f"/misp/feed/{uuid}.json").content)
        independent = MISPEvent()
        independent.load_file(str(kept))
        values = {(a["type"], a["value"]) for a in original["Attribute"]}
        assert {(a.type, a.value) for a in independent.attributes} >= values


def test_an_event_keeps_its_bytes_content_and_is_lowered_by_the_way_it_takes(served: Served) -> None:
    served.collection()
    take(served, file_of())
    made = client(served)
    assert read_feed(made)[EVENT] == event(distribution="1")
    assert made.get(f"/misp/events/view/{EVENT}").json()["Event"] == numbered(event(distribution="1"))
    pulled = made.get(f"/misp/events/view/{EVENT}", headers={"user-agent": "MISP 2.5.34 - #abc"})
    assert pulled.json()["Event"] == numbered(event(distribution="2"))


def test_what_became_no_object_and_tells_of_others_stays(quick: Served) -> None:
    """A MISP writes into an event which other events, feeds and people of its own have to do with it."""
    quick.collection()
    first, second = event()["Attribute"]
    told = {
        "RelatedEvent": [{"Event": {"info": "secret operation", "uuid": ATTRIBUTE + "9"}}],
        "ShadowAttribute": [{"type": "ip-dst", "value": "203.0.113.66", "Org": {"name": "secret"}}],
        "event_creator_email": "secret@example.org",
    }
    first |= {"ShadowAttribute": told["ShadowAttribute"], "Feed": [{"name": "secret feed"}]}
    take(quick, file_of(**told, Attribute=[first, second]))
    reader = client(quick)
    answers = [
        reader.get(f"/misp/feed/{EVENT}.json"),
        reader.get(f"/misp/events/view/{EVENT}", headers={"user-agent": "MISP 2.5.34 - #abc"}),
        reader.post("/misp/attributes/restSearch", json={}),
    ]
    for each in answers:
        assert "198.51.100.1" in each.text
        assert "secret" not in each.text
        assert "203.0.113.66" not in each.text


@pytest.mark.parametrize(
    ("tlp", "stated", "feed", "pulled"),
    [
        (Tlp.CLEAR, "3", "3", "3"),
        (Tlp.CLEAR, "2", "1", "2"),
        (Tlp.CLEAR, "1", "0", "0"),
        (Tlp.GREEN, "3", "1", "2"),
        (Tlp.AMBER, "3", "0", "0"),
    ],
)
def test_the_distribution_is_the_most_restrictive(quick: Served, tlp: Tlp, stated: str, feed: str, pulled: str) -> None:
    quick.collection()
    take(quick, file_of(Tag=[], distribution=stated), terms(tlp))
    made = client(quick)
    found = made.get(f"/misp/feed/{EVENT}.json").json()["Event"]
    assert (found["distribution"], tlps_of(tag_names(found["Tag"]))) == (feed, {tlp})
    view = made.get(f"/misp/events/view/{EVENT}/excludeGalaxy:1").json()["Event"]
    assert view["distribution"] == pulled


def test_local_tags_stay_and_a_label_among_them_is_said_anew(served: Served) -> None:
    """A TLP tag that was local or not exportable is lost between two MISPs (MISP#8840)."""
    served.collection()
    tags = [
        {"name": "tlp:amber", "local": 1},
        {"name": "PAP:GREEN", "exportable": False},
        {"name": "ours", "local": True},
        {"name": "theirs", "local": False},
    ]
    take(served, file_of(Tag=tags))
    made = client(served)
    assert tag_names(read_feed(made)[EVENT]["Tag"]) == ["theirs", "tlp:amber", "PAP:GREEN"]
    (entry,) = made.get("/misp/feed/manifest.json").json().values()
    assert tag_names(entry["Tag"]) == ["theirs", "tlp:amber", "PAP:GREEN"]


def test_nothing_of_an_event_goes_where_one_of_its_objects_may_not(served: Served) -> None:
    served.collection(audience=(GRID, BANK))
    take(served, file_of())
    assert EVENT in read_feed(client(served, BANK))
    object_id = f"indicator--{ATTRIBUTE}1"
    Orders(served.country.context).veto(object_id, f"constituent:{GRID}", at=served.clock.now(), actor="p")  # type: ignore[arg-type]
    for made in (client(served), client(served)):  # before the shelves are kept, and after
        assert read_feed(made) == {}
        assert made.get(f"/misp/events/view/{EVENT}").status_code == 404
        assert made.get("/misp/feed/hashes.csv").text == ""
        assert made.post("/misp/events/index", json={"minimal": 1, "published": 1}).json() == []
        served.settle()
    assert EVENT in read_feed(client(served, BANK))
    (refused,) = served.node.misp.refusals(GRID, served.clock.now())
    assert (refused.event.uuid, [reason.code for reason in refused.reasons]) == (EVENT, ["misp-not-whole"])


@pytest.mark.parametrize(
    ("changes", "given", "code"),
    [
        ({"distribution": "4", "sharing_group_id": "5"}, terms(), "misp-sharing-group"),
        ({"protected": True}, terms(), "misp-protected"),
        ({"Tag": [{"name": "tlp:green"}, {"name": "tlp:amber"}]}, terms(), "misp-two-labels"),
        ({"Tag": [{"name": "tlp:clear"}]}, terms(Tlp.AMBER), "misp-label-differs"),
        ({"Tag": [{"name": "tlp:red"}]}, terms(), "misp-not-whole"),
        ({"Tag": []}, terms(pap=None), "misp-not-whole"),
    ],
)
def test_what_cannot_be_said_in_misp_is_refused_with_the_reason(
    quick: Served, changes: dict[str, object], given: object, code: str
) -> None:
    """A sharing group, an empty one above all, is nobody (MISP#4200); two colours on one event (MISP#2223)."""
    quick.collection()
    take(quick, file_of(**changes), given)  # type: ignore[arg-type]
    assert read_feed(client(quick)) == {}
    (refused,) = quick.node.misp.refusals(GRID, quick.clock.now())
    assert code in [reason.code for reason in refused.reasons]
    assert all(reason.sentence() for reason in refused.reasons)


def test_an_attribute_for_a_sharing_group_keeps_the_whole_event(quick: Served) -> None:
    quick.collection()
    attributes = [each | {"distribution": 4} for each in event()["Attribute"]]
    take(quick, file_of(Attribute=attributes))
    assert read_feed(client(quick)) == {}


def test_a_collection_that_carries_only_indicators_carries_no_event(quick: Served) -> None:
    quick.collection(types=("indicator",))
    take(quick, file_of())
    assert read_feed(client(quick)) == {}


def test_a_newer_version_takes_the_place_of_the_older_whatever_comes_first(served: Served) -> None:
    served.collection()
    newer = event(timestamp="1600000500", info="newer")
    newer["Attribute"][0] |= {"timestamp": "1600000400", "comment": "changed"}
    take(served, json.dumps({"Event": newer}).encode())
    take(served, file_of())
    (found,) = read_feed(client(served)).values()
    assert (found["info"], found["timestamp"]) == ("newer", "1600000500")


@pytest.mark.parametrize("given", [terms(tlp=None, pap=None), terms(Tlp.RED, Pap.RED)], ids=["unlabelled", "red"])
def test_what_is_said_of_one_event_takes_no_other_away(quick: Served, data_dir: Path, given: ImportTerms) -> None:
    """All are of one organisation, and two name the same techniques: these become no secret by a further event."""
    quick.collection()
    names = ("cloudmensis_cloudmensis.misp.json", "machete_misp-machete-event.json")
    for name in names:
        take(quick, (data_dir / "misp-events" / name).read_bytes())
    there = read_feed(client(quick))
    assert len(there) == 2
    for name in ("mozi_mozi.misp-event.json", "machete_misp-machete-event.json"):
        (other,) = events_in(data_dir / "misp-events" / name)
        other |= {"uuid": str(uuid4()), "timestamp": "1699999999"}  # newer than all; their organisation is named in it
        other["Attribute"] = [each | {"uuid": str(uuid4())} for each in other["Attribute"]]
        other["Object"] = []
        assert take(quick, json.dumps({"Event": other}).encode(), given).stored > 10
    assert read_feed(client(quick)) == there
    assert len(ids_in(quick.client().get(FEED).content)) > 100


def test_an_event_that_comes_again_under_a_stricter_tag_is_no_more_given_on(served: Served) -> None:
    served.collection()
    take(served, file_of())
    assert EVENT in read_feed(client(served))
    take(served, file_of(timestamp="1600000500", Tag=[{"name": "tlp:red"}, {"name": "PAP:GREEN"}]))
    assert read_feed(client(served)) == {}
    assert not [each for each in ids_in(served.client().get(FEED).content) if ATTRIBUTE in each and each[-1] != "f"]


def test_a_withdrawn_event_vanishes_from_everything(served: Served) -> None:
    """MISP propagates no deletion (MISP#4681); here the index and the view know it no more."""
    served.collection()
    take(served, file_of())
    made = client(served)
    assert md5("198.51.100.1") in made.get("/misp/feed/hashes.csv").text
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, f"indicator--{ATTRIBUTE}1", terms().lane, served.node.nation, "wrong")
    assert read_feed(made) == {}
    assert made.head(f"/misp/events/view/{EVENT}").status_code == 404


def test_what_was_changed_here_since_is_not_what_the_original_says(quick: Served) -> None:
    quick.collection()
    take(quick, file_of())
    with quick.node.db.read() as connection:
        (held,) = quick.node.holdings.get(connection, f"indicator--{ATTRIBUTE}1", terms().lane)
    fields = json.loads(held.body) | {"modified": "2026-11-23T11:00:00.000Z", "revoked": True}
    quick.store(json.dumps(fields).encode())
    assert read_feed(client(quick)) == {}
