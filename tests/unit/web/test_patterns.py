"""The pages of an indicator and of its hit: what is looked for and what is not, and the events that belong together."""

from collections.abc import Callable
from datetime import datetime

from starlette.testclient import TestClient

from mithaq.detection import store
from mithaq.detection.model import Companion, Hit, Origin, Sight
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.model import Role
from mithaq.standards.observable import Observable
from tests.country import Country, indicator
from tests.unit.web.test_object_depth import put
from tests.world import XB

SignIn = Callable[..., TestClient]
PATTERN = "[domain-name:value = 'a.example'] FOLLOWEDBY ([url:value = 'http://a.example/x'] OR [file:size = 3])"


def test_the_pages_say_what_is_looked_for_and_name_every_event(
    countries: list[Country], signed_in: SignIn, at: datetime
) -> None:
    held = put(countries[0], at, indicator(1, pattern=PATTERN), XB)
    analyst = signed_in(Role.ANALYST)
    page = analyst.get(f"/intelligence/{held}").text
    assert "Events of one source that make the whole pattern true together." in page
    assert "the pattern compares file:size, which no log here shows" in page
    refused = put(countries[0], at, indicator(2, pattern="[file:size = 3]"), XB)
    assert "Nothing: no sensor can look for it." in analyst.get(f"/intelligence/{refused}").text
    sight = Sight("query", Observable("domain", "a.example"), Observable("domain", "a.example"))
    hit = Hit(
        *(0, "hit--1", "event--1", at, "zeek", "zeek.http", b"the last line", sight, held, 1),
        *(Origin("partner", XB, None, None), ACTUAL, False, at),
        companions=(Companion("event--2", at, "zeek.dns", b"<b>the first</b> line", sight),),
    )
    with countries[0].db.write(at) as tx:
        store.add_hits(tx, [hit])
    page = analyst.get("/detection/hit--1").text
    assert "The events before it that belong to the match" in page
    assert "&lt;b&gt;the first&lt;/b&gt; line" in page
