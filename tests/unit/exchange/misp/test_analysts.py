"""What analysts say in MISP 2.5 (notes, opinions, relationships), and galaxy clusters: kept, converted, lowered."""

from typing import Any

from mithaq.intelligence.imports.misp import convert
from mithaq.intelligence.model import StoredObject
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.misp.foreign import attributes_of, objections, outgoing
from mithaq.standards.misp.labels import SHARING_GROUP
from mithaq.standards.misp.mapping import said
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.misp import ATTRIBUTE, EVENT, client, event, file_of, loosened, read_feed, take
from tests.taxii import Served

SAID = "5b8f0b1e-1234-4abc-8def-0000000000d"
TIMES = {"created": "2026-01-02 03:04:05", "modified": "2026-01-03 03:04:05", "authors": "duty@cert.example"}


def analyst(number: int, **rest: Any) -> dict[str, Any]:
    return {"uuid": f"{SAID}{number}", "distribution": "3", "sharing_group_id": None, "language": "ar", **TIMES, **rest}


def spoken() -> dict[str, Any]:
    """An event about which, and about whose parts, analysts say something."""
    first, second = event()["Attribute"]
    inner = analyst(1, note="بل هو قديم", object_uuid=f"{SAID}0", object_type="Note")
    about = {"object_uuid": first["uuid"], "object_type": "Attribute"}
    first |= {
        "Note": [analyst(0, note="خادم التحكم", **about, Note=[inner])],
        "Opinion": [analyst(2, opinion="75", comment="seen twice", **about)],
        "Relationship": [
            analyst(3, relationship_type="Connects To", related_object_uuid=second["uuid"],
                    related_object_type="Attribute", **about),
            analyst(4, relationship_type="related-to", related_object_uuid=f"{SAID}f", related_object_type="Event",
                    **about),
        ],
    }  # fmt: skip
    cluster = {"uuid": f"{SAID}9", "value": "Desert Falcons", "type": "threat-actor", "distribution": "3",
               "tag_name": 'misp-galaxy:threat-actor="Desert Falcons"', "description": "", "meta": {}}  # fmt: skip
    galaxy = {"uuid": f"{SAID}8", "name": "Threat Actor", "type": "threat-actor", "GalaxyCluster": [cluster]}
    return {"Attribute": [first, second], "Galaxy": [galaxy]}


def held(served: Served, stix_id: str) -> StoredObject:
    with served.node.db.read() as connection:
        return served.node.holdings.get(connection, stix_id, ACTUAL)[0]


def test_what_analysts_say_of_a_foreign_event_goes_out_as_it_came(served: Served) -> None:
    served.collection()
    take(served, file_of(**spoken()))
    reader = client(served)
    assert loosened(read_feed(reader)[EVENT]) == loosened(event(**spoken()))
    note = reader.get(f"/misp/analyst_data/view/Note/{SAID}1").json()["Note"]
    assert note["note"] == "بل هو قديم"
    assert (
        reader.get(f"/misp/analyst_data/view/all/{SAID}3").json()["Relationship"]["relationship_type"] == "Connects To"
    )
    for wrong in (f"Opinion/{SAID}1", f"all/{SAID}e", "all/1"):
        assert reader.get(f"/misp/analyst_data/view/{wrong}").status_code == 404


def test_their_words_are_stix_notes_opinions_and_relationships_here_and_what_is_not_is_said(quick: Served) -> None:
    quick.collection()
    report = take(quick, file_of(**spoken()))
    about = f"indicator--{ATTRIBUTE}1"
    note, opinion = held(quick, f"note--{SAID}0"), held(quick, f"opinion--{SAID}2")
    assert about in note.stix.refs
    assert about in opinion.stix.refs
    assert "خادم التحكم".encode() in note.body
    related = held(quick, f"relationship--{SAID}3")
    assert {about, f"indicator--{ATTRIBUTE}2"} <= set(related.stix.refs)
    assert b'"relationship_type":"connects-to"' in related.body
    assert b'"modified":"2026-01-03T03:04:05.000Z"' in related.body
    assert held(quick, f"note--{SAID}1").stix.type == "note"
    (lost,) = [each for each in report.notes if SAID in each]
    assert f"Relationship {SAID}4 became no object" in lost


def test_nothing_that_analysts_say_leaves_wider_than_its_event() -> None:
    given = event(**spoken())
    made = outgoing(given, Tlp.AMBER, Pap.GREEN, "feed")
    first = made["Attribute"][0]
    parts = [first["Note"][0], first["Note"][0]["Note"][0], first["Opinion"][0], first["Relationship"][0]]
    assert {each["distribution"] for each in (*parts, made["Galaxy"][0]["GalaxyCluster"][0])} == {"0"}
    assert (
        first["Note"][0] | {"distribution": "3", "Note": given["Attribute"][0]["Note"][0]["Note"]}
        == (given["Attribute"][0]["Note"][0])
    )
    assert objections(given) == []
    given["Attribute"][0]["Note"][0]["Note"][0]["distribution"] = str(SHARING_GROUP)
    assert [each.code for each in objections(given)] == ["misp-sharing-group"]


def test_a_cluster_is_no_attribute_though_it_has_a_value() -> None:
    assert [each["value"] for each in attributes_of(event(**spoken()))] == ["198.51.100.1", "198.51.100.2"]


def test_a_relationship_that_says_nothing_sound_becomes_no_object() -> None:
    parts = spoken()
    first, second = parts["Attribute"]
    about = {"object_uuid": first["uuid"], "related_object_uuid": second["uuid"]}
    first["Note"], first["Opinion"] = [], []
    first["Relationship"] = [
        {**about, "uuid": "../x", "relationship_type": "a"},
        {**about, "uuid": f"{SAID}5", "relationship_type": "؟"},
        {**about, "uuid": f"{SAID}6", "relationship_type": "x" * 500, "modified": "tomorrow"},
        "nothing",
    ]
    (converted,) = convert(file_of(**parts))
    assert [f"{SAID}6".encode() in body for body in converted.bodies if b"Analyst Relationship" in body] == [True]
    assert len([note for note in converted.notes if "became no object" in note]) == 2
    assert any(f"indicator--{ATTRIBUTE}1".encode() in body for body in converted.bodies)


def test_an_own_note_says_what_becomes_of_it() -> None:
    fields = {"type": "note", "id": f"note--{SAID}0", "content": "x", "object_refs": []}
    (loss,) = said(fields).losses
    assert loss.reason.code == "misp-analyst-data"
