"""Withheld means invisible: no count, page, date, cursor, header or status tells of what somebody may not have."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from mithaq.exchange.orders import Orders
from mithaq.exchange.recalling import take_back
from mithaq.exchange.taxii.store import refs, shelved
from mithaq.intelligence.model import HeldWord
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from tests.taxii import BANK, GRID, ROOT, Served, carried, ids_in, made, name
from tests.world import XA, XB

FEED = f"{ROOT}collections/feed/"
HIDDEN = 50


def veto(served: Served, number: int, recipient: Any = None) -> None:
    Orders(served.country.context).veto(name(number), recipient, at=served.clock.now(), actor="person--1")
    served.settle()


def withdraw(served: Served, number: int) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        take_back(tx, served.node.holdings, name(number), ACTUAL, XA, "wrong")
    served.settle()


def vetoed_before(served: Served) -> None:
    Orders(served.country.context).veto(name(HIDDEN), None, at=served.clock.now(), actor="person--1")
    served.store(made(HIDDEN))


def vetoed_for_it(served: Served) -> None:
    Orders(served.country.context).veto(name(HIDDEN), f"constituent:{GRID}", at=served.clock.now(), actor="p")  # type: ignore[arg-type]
    served.store(made(HIDDEN))


def refers_to_hidden(served: Served) -> None:
    served.store(made(HIDDEN + 1, "malware", tlp=Tlp.RED, is_family=False))
    served.store(
        made(HIDDEN, "relationship", relationship_type="uses", source_ref=name(1), target_ref=name(51, "malware"))
    )


def in_a_circle_with_hidden(served: Served) -> None:
    served.store(
        made(HIDDEN, "note", content="x", object_refs=[name(51, "note")]),
        made(51, "note", content="x", object_refs=[name(HIDDEN, "note"), name(52, "malware")]),
        made(52, "malware", tlp=Tlp.RED, is_family=False),
    )


WAYS: dict[str, Callable[[Served], Any]] = {
    "red": lambda served: served.store(made(HIDDEN, tlp=Tlp.RED)),
    "strict": lambda served: served.store(made(HIDDEN, tlp=Tlp.AMBER_STRICT)),
    "unlabelled": lambda served: served.store(made(HIDDEN, tlp=None)),
    "pap": lambda served: served.store(made(HIDDEN, pap=Pap.RED)),
    "test-lane": lambda served: served.store(made(HIDDEN), lane=TEST),
    "exercise": lambda served: served.store(made(HIDDEN), lane=Lane("exercise--11111111-1111-4111-8111-111111111111")),
    "partner-refuses": lambda served: served.store(
        made(HIDDEN), partner=carried(served.clock.now(), constituents=None)
    ),
    "action-refused": lambda served: served.store(made(HIDDEN), partner=carried(served.clock.now(), action=1)),
    "vetoed": vetoed_before,
    "vetoed-for-it": vetoed_for_it,
    "refers": refers_to_hidden,
    "circle": in_a_circle_with_hidden,
    "superseded-by-hidden": lambda served: served.store(
        made(HIDDEN), made(HIDDEN, tlp=Tlp.RED, modified="2026-11-23T11:30:00.000Z")
    ),
    "hidden-and-older-afterwards": lambda served: served.store(
        made(HIDDEN, tlp=Tlp.RED, modified="2026-11-23T11:30:00.000Z"), made(HIDDEN)
    ),
    "version-of-known": lambda served: served.store(
        made(2, tlp=Tlp.RED, modified="2026-11-23T10:00:00.000Z"),
        partner=carried(served.clock.now(), constituents=None),
    ),
}
QUESTIONS = (
    "manifest/",
    "objects/",
    "objects/?limit=2",
    "objects/?limit=3&match[version]=all",
    f"objects/{name(HIDDEN)}/",
    f"objects/{name(HIDDEN)}/versions/",
    f"objects/{name(2)}/versions/",
    f"manifest/?match[id]={name(HIDDEN)},{name(1)}",
    "objects/?added_after=2026-11-23T12:00:00.001Z",
    "objects/?match[version]=first",
)


def world(folder: Path, at: datetime, hide: Callable[[Served], Any] | None) -> list[tuple[int, Any, dict[str, str]]]:
    """What the grid operator sees, with the cursors of the first world followed in each."""
    served = Served.found(folder, at)
    served.collection(audience=(GRID, BANK))
    served.store(made(1), made(2))
    if hide:
        hide(served)
    served.store(*[made(number) for number in range(3, 9)])
    client, seen = served.client(), []
    for question in QUESTIONS:
        answer = client.get(FEED + question)
        body = answer.json()
        while True:
            headers = {key: value for key, value in answer.headers.items() if key != "content-length"}
            cursor = body.pop("next", None)
            seen.append((answer.status_code, body, headers))
            if cursor is None:
                break
            answer = client.get(FEED + question, params={"next": cursor, **_parameters(question)})
            body = answer.json()
    served.country.db.close()
    return seen


def _parameters(question: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in question.partition("?")[2].split("&") if part)


@pytest.mark.parametrize("way", WAYS)
def test_two_worlds_that_differ_in_what_is_withheld_are_one_to_the_constituent(
    tmp_path: Path, at: datetime, way: str
) -> None:
    assert world(tmp_path / "with", at, WAYS[way]) == world(tmp_path / "without", at, None)


def test_the_shown_world_is_not_empty(tmp_path: Path, at: datetime) -> None:
    seen = world(tmp_path, at, None)
    assert len(seen) > 12
    assert [status for status, _, _ in seen].count(404) == 2
    shown = world(tmp_path / "more", at, lambda served: served.store(made(HIDDEN)))
    assert seen != shown, "an object that may be seen is seen"


def test_each_constituent_has_its_own_verdict_and_its_own_clock(served: Served) -> None:
    served.collection(audience=(GRID, BANK))
    for number in (1, 2):
        Orders(served.country.context).veto(
            name(number),
            f"constituent:{GRID}",
            at=served.clock.now(),
            actor="p",  # type: ignore[arg-type]
        )
    served.store(*[made(number) for number in (1, 2, 3)])
    grid, bank = (served.client(each).get(f"{FEED}manifest/").json()["objects"] for each in (GRID, BANK))
    assert [(each["id"], each["date_added"][-8:]) for each in grid] == [(name(3), ".000000Z")]
    assert [each["id"] for each in bank] == [name(1), name(2), name(3)]
    Orders(served.country.context).lift_veto(
        name(1),
        f"constituent:{GRID}",
        at=served.clock.now(),
        actor="p",  # type: ignore[arg-type]
    )
    served.settle()
    later = served.client().get(f"{FEED}objects/?added_after={grid[0]['date_added']}")
    assert ids_in(later.content) == [name(1)], "what is released later is added later, and no poll misses it"


def withdraw_unseen(served: Served) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XB, "wrong")


def erase(served: Served) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        (held,) = served.node.holdings.get(tx.connection, name(1), ACTUAL)
        served.node.holdings.erase(tx, [HeldWord(held.row, XB, "release--1")])


LATE: dict[str, Callable[[Served], None]] = {
    "withdrawn": withdraw_unseen,
    "erased": erase,
    "vetoed": lambda served: Orders(served.country.context).veto(name(1), None, at=served.clock.now(), actor="p"),
    "over": lambda served: setattr(served.clock, "at", served.clock.at + timedelta(days=31)),
}


@pytest.mark.parametrize("way", LATE)
def test_what_stands_on_the_shelf_is_judged_again_when_it_is_served(served: Served, way: str) -> None:
    """The reader has not run since: the gate itself refuses at that instant."""
    served.collection()
    served.store(made(1), partner=carried(served.clock.now(), days=30))
    served.store(made(2))
    client = served.client()
    client.headers["authorization"] = f"Bearer {served.secret(days=300)}"
    assert len(ids_in(client.get(f"{FEED}objects/").content)) == 2
    LATE[way](served)
    answer = client.get(f"{FEED}objects/?limit=1")
    assert (ids_in(answer.content), answer.json()["more"]) == ([name(2)], False)
    assert answer.headers["x-taxii-date-added-first"] == answer.headers["x-taxii-date-added-last"]
    assert client.get(f"{FEED}objects/{name(1)}/").status_code == 404
    assert client.get(f"{FEED}objects/{name(1)}/versions/").status_code == 404


def test_what_refers_to_something_is_shown_while_that_may_be_known(served: Served) -> None:
    served.collection()
    malware = made(1, "malware", tlp=Tlp.RED, is_family=False)
    relation = made(2, "relationship", relationship_type="uses", source_ref=name(9), target_ref=name(1, "malware"))
    served.store(relation)
    client = served.client()
    assert ids_in(client.get(f"{FEED}objects/").content) == [name(2, "relationship")], "nothing is known of the rest"
    served.store(malware)
    assert ids_in(client.get(f"{FEED}objects/").content) == []
    first = made(1, "malware", modified="2026-11-23T11:30:00.000Z", is_family=False)
    served.store(first)
    found = client.get(f"{FEED}manifest/").json()["objects"]
    assert sorted(each["id"] for each in found) == [name(1, "malware"), name(2, "relationship")]
    after = max(each["date_added"] for each in found)
    Orders(served.country.context).veto(name(1, "malware"), None, at=served.clock.now(), actor="p")
    assert ids_in(client.get(f"{FEED}objects/").content) == [], "at once, before the reader has run"
    served.settle()
    Orders(served.country.context).lift_veto(name(1, "malware"), None, at=served.clock.now(), actor="p")
    served.settle()
    again = client.get(f"{FEED}objects/?added_after={after}").content
    assert sorted(ids_in(again)) == [name(1, "malware"), name(2, "relationship")], "and comes again for who polls"


def test_collections_of_others_and_hidden_ones_are_as_those_that_are_not_there(served: Served) -> None:
    theirs = served.collection("bank", audience=(BANK,), can_write=True)
    closed = served.collection("gone", audience=(GRID,), can_write=True)
    nobodys = served.collection("nobody", audience=())
    served.node.collections.close(closed, served.clock.now())
    served.store(made(1))
    client = served.client()
    nothing = "00000000-0000-4000-8000-000000000000"
    for tail in ("", "manifest/", "objects/", f"objects/{name(1)}/", f"objects/{name(1)}/versions/"):
        answers = [
            client.get(f"{ROOT}collections/{each}/{tail}") for each in (nothing, theirs, closed, nobodys, "bank")
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({(answer.content, str(sorted(answer.headers.items()))) for answer in answers}) == 1
    for method, tail in (("POST", "objects/"), ("DELETE", f"objects/{name(1)}/")):
        headers = {"content-type": "application/taxii+json;version=2.1"}
        answers = [
            client.request(method, f"{ROOT}collections/{each}/{tail}", headers=headers, content=b'{"objects":[]}')
            for each in (nothing, theirs, closed, nobodys)
        ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({(answer.content, str(sorted(answer.headers.items()))) for answer in answers}) == 1
    assert client.get(f"{ROOT}collections/").json() == {}


def test_an_excluded_constituent_sees_the_collection_no_more(served: Served) -> None:
    made_id = served.collection()
    served.store(made(1))
    client = served.client()
    cursor_free = client.get(f"{FEED}objects/")
    assert cursor_free.status_code == 200
    served.node.collections.exclude(made_id, GRID, served.clock.now())
    assert client.get(f"{FEED}objects/").status_code == 404
    served.node.collections.allow(made_id, GRID, served.clock.now())
    served.settle()
    assert ids_in(client.get(f"{FEED}objects/").content) == [name(1)]


def test_of_what_is_erased_nothing_stays_on_the_shelves(served: Served) -> None:
    served.collection()
    served.store(made(1, object_refs=[name(7)]), partner=carried(served.clock.now()))
    served.store(made(2))

    def kept() -> tuple[int, int]:
        with served.node.db.read() as connection:
            return tuple(connection.scalar(select(func.count()).select_from(each)) or 0 for each in (shelved, refs))  # type: ignore[return-value]

    assert kept() == (2, 1)
    erase(served)
    served.settle()
    assert kept() == (1, 0)
