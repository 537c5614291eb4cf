"""Many objects judged at once, from columns, meet what each meets alone, read whole: decisions and reasons."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from mithaq.agreements.terms import Transform
from mithaq.exchange import approvals, columns, store
from mithaq.exchange.inside import Inside
from mithaq.exchange.items import digest_of, item_of, subject_of
from mithaq.intelligence.model import NewObject, Provenance, ReleaseInstruction
from mithaq.intelligence.tables import objects
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.database import EPOCH
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST
from mithaq.release.model import NO_SCOPE, Recipient, Released, Request, Withheld
from mithaq.release.rules import decide
from mithaq.standards import stix
from mithaq.standards.pap import pap_of
from mithaq.standards.tlp import Tlp, tlp_of
from tests.country import Country, alliance, indicator
from tests.taxii import carried
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty, changed

STRICT = msgspec.structs.replace(
    DEFAULT_TERMS,
    sectors=["energy"],
    exclusions=["classified"],
    two_person_from="TLP:AMBER",
    transforms=[Transform("free-text", "drop")],
)
LABELS = ("PAP:GREEN", "PAP:RED", "sector:energy", "content:classified", "severity:high")
WORDS = ("own", "partner", "other", "publisher", "constituent")
NUMBERS = st.integers(0, 4)
QUICKLY = (Phase.explicit, Phase.reuse, Phase.generate)
"""A nation is founded for each example, and there are few objects in it: nothing is shrunk."""

THINGS = st.fixed_dictionaries(
    {
        "number": NUMBERS,
        "words": st.lists(st.sampled_from(WORDS), min_size=1, max_size=2, unique=True),
        "tlp": st.sampled_from([Tlp.GREEN, Tlp.GREEN, Tlp.AMBER, Tlp.RED, None]),
        "labels": st.lists(st.sampled_from(LABELS), max_size=3, unique=True),
        "refs": st.lists(st.integers(0, 5), max_size=2, unique=True),
        "lane": st.sampled_from([ACTUAL, ACTUAL, ACTUAL, TEST]),
        "instructed": st.sampled_from(["", "", "person--1"]),
        "fate": st.sampled_from(["", "", "veto", "sent", "approved", "withdrawn"]),
    }
)


def id_of(number: int) -> str:
    return f"indicator--00000000-0000-4000-8000-{number:012d}"


def new_object(thing: dict[str, Any], word: str, at: datetime, agreement_id: str, version: int) -> NewObject:
    marking = [] if thing["tlp"] is None else [thing["tlp"].marking_id]
    rest: dict[str, object] = {"x_seen_refs": [id_of(each) for each in thing["refs"]]} if thing["refs"] else {}
    body = indicator(
        thing["number"],
        object_marking_refs=marking,
        labels=thing["labels"],
        modified=f"2026-11-23T11:00:{version:02d}.000Z",
        **rest,
    )
    parsed = stix.parse(body)
    tlp, pap = tlp_of(parsed.object_marking_refs), pap_of(parsed.labels)
    said = Provenance.own(XA, at, Tlp.RED if tlp is None else tlp, pap)
    if word == "publisher":
        said = replace(said, source="publisher", nation=NationId("MITRE"))
    elif word != "own":
        terms = carried(at)
        source, nation = {
            "partner": ("partner", XB),
            "other": ("partner", XC),
            "constituent": ("constituent", NationId("constituent:grid-operator")),
        }[word]
        said = replace(said, source=source, nation=nation, carried=terms.as_json(), release_id="release--1")  # type: ignore[arg-type]
    asked = ReleaseInstruction(agreement_id, None, "defence", thing["instructed"]) if thing["instructed"] else None
    return NewObject(body, parsed, thing["lane"], said, asked)


def live(country: Country, things: list[dict[str, Any]], at: datetime, agreement_id: str) -> None:
    """Store the objects in turn, each a newer version of its number, and let happen to each what does."""
    for version, thing in enumerate(things):
        with country.db.write(at) as tx:
            for word in thing["words"]:
                new = new_object(thing, word, at, agreement_id, version)
                country.context.holdings.store(tx, [new])
            name, lane = id_of(thing["number"]), thing["lane"]
            held = country.context.holdings.get(tx.connection, name, lane)
            match thing["fate"]:
                case "veto":
                    row = {"object_id": name, "recipient": XB, "by": "person--1", "at": at}
                    tx.execute(store.vetoes.delete().where(store.vetoes.c.object_id == name))
                    tx.execute(store.vetoes.insert().values(row))
                case "sent":
                    sent = {"recipient": XB, "sequence": version, "object_id": name, "version": "1", "lane": str(lane)}
                    tx.execute(store.sent_objects.insert().values(sent))
                case "approved" if held:
                    approvals.add(tx, held[0], digest_of(held[0]), agreement_id, "person--2")
                case "withdrawn":
                    country.context.holdings.withdraw(tx, name, lane, XA, "wrong")


@settings(max_examples=20, deadline=None, phases=QUICKLY, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(THINGS, min_size=1, max_size=6), strict=st.booleans())
def test_many_objects_meet_what_each_meets_alone(
    tmp_path_factory: Any, at: datetime, lives: list[dict[str, Any]], strict: bool
) -> None:
    folder: Path = tmp_path_factory.mktemp("many")
    treaty = Treaty(at, (XA, XB, XC), STRICT if strict else DEFAULT_TERMS)
    countries = alliance(folder, (XA, XB, XC), at, treaty)
    country = countries[0]
    live(country, lives, at, treaty.agreement_id)
    with country.db.read() as connection:
        rows = connection.execute(select(*columns.COLUMNS).order_by(objects.c.row)).all()
        held = country.context.holdings.rows(connection, [row.row for row in rows])
        subjects = columns.subjects(connection, XA, rows)
        assert subjects == [subject_of(stored, XA) for stored in held]
        for nation in (XB, XC):
            for agreement_id in (treaty.agreement_id, "agreement--unknown"):
                gate = country.context.gatekeeper(connection, at)
                together = gate.decide_many(subjects, nation, agreement_id, "defence")
                for stored, decision in zip(held, together, strict=True):
                    alone = country.context.gatekeeper(connection, at)
                    assert alone.decide(stored, nation, agreement_id, "defence") == decision
                    reasons = decision.reasons if isinstance(decision, Withheld) else ()
                    assert alone.judge(stored, nation, agreement_id, "defence").reasons == reasons
        inside(connection, rows, held, at)
    for each in countries:
        each.db.close()


def inside(connection: Any, rows: Any, held: Any, at: datetime) -> None:
    """For a constituent and a sensor too."""
    gate = Inside(connection, XA, at)
    for recipient in (Recipient("constituent", "grid-operator"), Recipient("sensor", "edge")):
        together = gate.decide(columns.items(connection, XA, rows), recipient, "defence", 2)
        for stored, decision in zip(held, together, strict=True):
            item = changed(item_of(stored, XA), scope=NO_SCOPE)
            vetoed = gate.vetoes.holds(item.id, str(recipient))
            alone = decide(Request(item, XA, recipient, True, None, "defence", vetoed=vetoed, action=2), at)
            assert isinstance(alone, Released) == isinstance(decision, Released)
            assert alone == decision


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_version_is_written_as_everywhere(modified: datetime) -> None:
    assert columns._version((modified - EPOCH) // timedelta(microseconds=1)) == rfc3339(modified)
