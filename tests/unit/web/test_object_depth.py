"""The page of an object: everyone who said it, where they differ, what else has to do with it, and what people say."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from httpx import Response
from starlette.testclient import TestClient

from mithaq.intelligence.indicators import new_note
from mithaq.intelligence.model import NewObject, Provenance
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.node.composition import Node
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.pap import Pap
from mithaq.standards.stix import parse
from mithaq.standards.tlp import Tlp
from tests.country import Country, indicator
from tests.world import XB, XC

Post = Callable[..., Response]
SignIn = Callable[..., TestClient]


def put(country: Country, at: datetime, raw: bytes, nation: Any, **rest: Any) -> str:
    word = Provenance(
        "partner", nation, "agreement--x", 1, f"release--{nation}", "defence", Tlp.GREEN, Pap.GREEN, {}, at, **rest
    )
    with country.db.write(at) as tx:
        report = country.context.holdings.store(tx, [NewObject(raw, parse(raw), ACTUAL, word)])
    assert not report.refused
    return parse(raw).id


def test_everyone_who_said_it_is_shown_with_how_it_was_rated_and_where_they_differ(
    countries: list[Country], signed_in: SignIn, at: datetime
) -> None:
    first = countries[0]
    put(first, at, indicator(1, name="Crane", x_odd="<b>one</b>"), XC, admiralty=Admiralty("B", "2"))
    held = put(first, at + timedelta(hours=1), indicator(1, name="Heron", modified="2026-11-23T11:30:00.000Z"), XB)
    put(first, at, indicator(1).replace(b"indicator--00000000-0000-4000-8000-000000000001",
                                        b"indicator--00000000-0000-4000-8000-000000000077"), XB)  # fmt: skip
    page = signed_in(Role.ANALYST).get(f"/intelligence/{held}").text
    assert '2 nations say this, first <b dir="ltr">XC</b>' in page
    assert 'title="Usually reliable · Probably true"' in page
    assert "Where they differ" in page
    assert "&lt;b&gt;one&lt;/b&gt;" in page
    assert "Also said as" in page
    assert "000000000077" in page
    assert "Worth today" in page
    assert "What else has to do with it" in page


def test_a_note_is_written_on_the_page_and_stays_unless_a_releaser_tells_it(
    countries: list[Country], signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    held = put(countries[0], at, indicator(1), XB)
    analyst = signed_in(Role.ANALYST)
    page = f"/intelligence/{held}"
    assert post(analyst, f"{page}/note", text="Seen in <i>two</i> ministries.").status_code == 303
    assert "Seen in &lt;i&gt;two&lt;/i&gt; ministries." in analyst.get(page).text
    assert post(analyst, f"{page}/opinion", opinion="agree").status_code == 303
    assert "Agrees" in analyst.get(page).text
    assert post(analyst, f"{page}/opinion", opinion="perhaps").status_code == 422
    assert post(analyst, f"{page}/note", text=" ").status_code == 422
    assert post(analyst, f"{page}/note", text="x", tell="yes").status_code == 422
    with node.db.read() as connection:
        notes = node.holdings.search(connection, "type:note", ACTUAL, None, 10, at=at).objects
        assert [each.instructions for each in notes] == [()]


def test_a_proposal_for_an_own_object_waits_on_the_page_and_is_accepted_there(
    countries: list[Country], signed_in: SignIn, post: Post, node: Node, at: datetime
) -> None:
    own = countries[0].add(1, at)
    proposed = json.loads(indicator(1)) | {"name": "Heron"}
    says = {"proposed": proposed, "version": "2026-11-23T11:00:00.000Z"}
    note = put(
        countries[0], at, new_note([own], content="It is a heron.", tlp=Tlp.GREEN, created_by=XB, at=at, says=says), XB
    )
    put(countries[0], at, indicator(1, name="Foreign", modified="2026-11-23T11:59:00.000Z"), XC)
    releaser = signed_in(Role.RELEASER, Role.ANALYST, Role.DUTY_OFFICER)
    overview = releaser.get("/").text
    assert "Proposal of XB on:" in overview
    assert "Content-Type" not in overview
    for path in (f"/intelligence/{own}", "/intelligence/proposals"):
        page = releaser.get(path).text
        assert "It is a heron." in page
        assert "Accept" in page
    analyst = signed_in(Role.ANALYST, name="Omar")
    assert "A releaser answers." in analyst.get("/intelligence/proposals").text
    assert post(analyst, f"/intelligence/proposals/{note}", answer="accepted").status_code == 403
    assert post(releaser, f"/intelligence/proposals/{note}", answer="accepted", text="Thanks").status_code == 303
    with node.db.read() as connection:
        newest, foreign, before = node.holdings.get(connection, own, ACTUAL)
    assert (newest.stix.name, newest.stands, before.stands) == ("Heron", True, False)
    assert (foreign.stix.name, foreign.stands) == ("Foreign", True)
    assert "Nobody proposes" in releaser.get("/intelligence/proposals").text
    assert post(releaser, f"/intelligence/proposals/{note}", answer="declined").status_code == 422


def test_a_change_of_a_partners_object_is_proposed_from_its_page(
    countries: list[Country], signed_in: SignIn, post: Post, at: datetime
) -> None:
    held = put(countries[0], at, indicator(1), XB)
    analyst = signed_in(Role.ANALYST)
    assert "How it should be" in analyst.get(f"/intelligence/{held}").text
    changed = json.dumps(json.loads(indicator(1)) | {"name": "Heron"})
    assert post(analyst, f"/intelligence/{held}/propose", proposed=changed, text="A heron").status_code == 303
    assert "A heron" in analyst.get(f"/intelligence/{held}").text
    same = post(analyst, f"/intelligence/{held}/propose", proposed=indicator(1).decode(), text="x")
    assert same.status_code == 422
    own = countries[0].add(2, at)
    assert "How it should be" not in analyst.get(f"/intelligence/{own}").text
