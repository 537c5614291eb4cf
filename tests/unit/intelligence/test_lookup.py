"""Many values at once: each in its place, in any spelling, with the newest objects that stand."""

from __future__ import annotations

from datetime import datetime

import pytest

from mithaq.intelligence import lookup
from mithaq.intelligence.errors import TooMuch
from mithaq.intelligence.lookup import SHOWN, LookedUp
from mithaq.intelligence.model import NewObject
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MAX_LOOKUP_LINES
from mithaq.kernel.database import Database
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.tlp import Tlp
from tests.unit.intelligence.test_finding import new_object, object_id

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def naming(at: datetime, number: int, pattern: str, lane: Lane = ACTUAL) -> NewObject:
    fields = {"type": "indicator", "name": f"n{number}", "pattern": pattern}
    return new_object(at, number, 0, "XA", Tlp.GREEN, lane, fields)


@pytest.fixture
def held(db: Database, at: datetime) -> Holdings:
    holdings = Holdings(db)
    new = [naming(at, number, "[url:value = 'http://popular.example/a']") for number in range(40)]
    new += [
        naming(at, 50, "[domain-name:value = 'evil.example']"),
        naming(at, 51, "[ipv4-addr:value = '198.51.100.7']", TEST),
        naming(at, 52, f"[network-traffic:extensions.'tls-ext'.ja3 = '{MD5}']"),
        naming(at, 53, "[email-addr:value = 'A.Person@evil.example']"),
    ]
    with db.write(at) as tx:
        holdings.store(tx, new)
    return holdings


def asked(holdings: Holdings, *lines: str, lane: Lane = ACTUAL) -> list[LookedUp]:
    with holdings.db.read() as connection:
        return holdings.look_up(connection, lines, lane)


def names(answer: LookedUp) -> list[str]:
    return [each.name for each in answer.objects]


def test_every_line_is_answered_in_its_place(held: Holdings) -> None:
    answers = asked(held, "evil[.]example", "", "rubbish", "Evil.EXAMPLE.", f"  {MD5.upper()} ", "evil(dot)example")
    assert [(each.line, str(each.observable), names(each)) for each in answers] == [
        (1, "domain:evil.example", ["n53", "n50"]),
        (3, "None", []),
        (4, "domain:evil.example", ["n53", "n50"]),
        (5, f"md5:{MD5}", ["n52"]),
        (6, "domain:evil.example", ["n53", "n50"]),
    ]


def test_a_line_of_several_values_has_an_answer_for_each(held: Holdings) -> None:
    answers = asked(held, "C2: evil[.]example, 203.0.113.9")
    assert [(each.line, str(each.observable)) for each in answers] == [
        (1, "domain:evil.example"),
        (1, "ipv4:203.0.113.9"),
    ]


def test_lanes_are_kept_apart(held: Holdings) -> None:
    assert names(asked(held, "198.51.100.7")[0]) == []
    assert names(asked(held, "198.51.100.7", lane=TEST)[0]) == ["n51"]


def test_the_newest_that_stand_are_told_and_that_there_are_more(held: Holdings, at: datetime) -> None:
    (answer,) = asked(held, "popular.example")
    assert (names(answer), answer.more) == ([f"n{number}" for number in range(39, 39 - SHOWN, -1)], True)
    for number in range(3, 40):  # more than are looked at before it is known which of them stand
        with held.db.write(at) as tx:
            held.withdraw(tx, object_id(number), ACTUAL, NationId("XA"), "taken back")
    (answer,) = asked(held, "popular.example")
    assert (names(answer), answer.more) == (["n2", "n1", "n0"], False)


def test_a_look_up_says_what_the_plain_one_says(held: Holdings) -> None:
    lines = ["popular.example", "evil.example", "http://popular.example/a", "a.person@evil.example", "no.example"]
    with held.db.read() as connection:
        for answer in held.look_up(connection, lines, ACTUAL):
            assert answer.observable is not None
            plain = held.known(connection, [answer.observable], ACTUAL).get(answer.observable, [])
            assert [each.row for each in answer.objects] == plain[::-1][:SHOWN]
            assert answer.more is (len(plain) > SHOWN)


def test_too_many_lines_are_refused(held: Holdings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_LOOKUP_LINES >= 10_000
    monkeypatch.setattr(lookup, "MAX_LOOKUP_LINES", 3)
    with pytest.raises(TooMuch, match="3 lines"):
        asked(held, "a", "b", "c", "d")
