"""Versions that a newer one has superseded: read on by who asks for them and may read the newer one, by nobody else."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from mithaq.exchange.items import item_of
from mithaq.exchange.orders import Orders
from mithaq.exchange.recalling import take_back
from mithaq.exchange.taxii.earlier import as_standing
from mithaq.exchange.taxii.judging import Judge
from mithaq.exchange.taxii.store import earlier, shelves_of
from mithaq.intelligence.model import HeldWord, StoredObject
from mithaq.kernel import journal
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.tlp import Tlp
from tests.taxii import BANK, GRID, ROOT, TAXII, Served, carried, ids_in, made, name
from tests.world import XA, XB

FEED = f"{ROOT}collections/feed/"
OBJECT = f"{FEED}objects/{name(1)}/"
VERSIONS = f"{OBJECT}versions/"


def stamp(minute: int) -> str:
    return f"2026-11-23T11:{minute:02d}:00.000Z"


def version(minute: int, number: int = 1, **changes: Any) -> bytes:
    return made(number, modified=stamp(minute), **changes)


def shown(served: Served, query: str = "match[version]=all", who: str = GRID) -> list[int]:
    """The minutes of the versions of the first object that somebody reads."""
    answer = served.client(who).get(f"{FEED}objects/?match[id]={name(1)}&{query}")
    assert answer.status_code == 200, answer.text
    return [int(each["modified"][14:16]) for each in answer.json()["objects"]]


def one_by_one(served: Served, *bodies: bytes) -> None:
    for body in bodies:
        served.store(body)


def at_once(served: Served, *bodies: bytes) -> None:
    served.store(*bodies)


def behind(served: Served, *bodies: bytes) -> None:
    """All are stored before the reader of the journal sees the first of them."""
    settle, served.settle = served.settle, lambda: None  # type: ignore[method-assign]
    one_by_one(served, *bodies)
    served.settle = settle  # type: ignore[method-assign]
    served.settle()


def posted(served: Served, *bodies: bytes) -> None:
    client = served.client()
    for body in bodies:
        content = b'{"objects":[' + body + b"]}"
        answer = client.post(f"{FEED}objects/", content=content, headers={"content-type": TAXII})
        assert answer.json()["success_count"] == 1
    served.settle()


@pytest.mark.parametrize("come", [one_by_one, at_once, behind, posted])
def test_every_version_of_a_giver_stays_readable_and_the_newest_is_what_stands(
    served: Served, come: Callable[..., None]
) -> None:
    served.collection(can_write=True, floor=Tlp.GREEN)
    come(served, version(10), version(20), version(30))
    assert shown(served, "") == shown(served, "match[version]=last") == [30]
    assert shown(served) == [10, 20, 30]
    assert shown(served, "match[version]=first") == [10]
    assert shown(served, "match[version]=first,last") == [10, 30]
    assert shown(served, f"match[version]={stamp(20)}") == [20]
    assert shown(served, f"match[version]=last,{stamp(10)}") == [10, 30]
    client = served.client()
    assert client.get(VERSIONS).json() == {"more": False, "versions": [stamp(10), stamp(20), stamp(30)]}
    assert client.get(f"{OBJECT}?match[version]={stamp(20)}").content == (
        b'{"more":false,"objects":[' + version(20) + b"]}"
    )
    manifest = client.get(f"{FEED}manifest/?match[version]=all").json()["objects"]
    assert [each["version"] for each in manifest] == [stamp(10), stamp(20), stamp(30)]
    assert [each["version"] for each in client.get(f"{FEED}manifest/").json()["objects"]] == [stamp(30)]


def test_what_is_superseded_keeps_its_date_and_pages_put_together_are_the_whole(served: Served) -> None:
    served.collection()
    served.store(version(10), version(10, 2))
    before = served.client().get(f"{FEED}manifest/?match[version]=all").json()["objects"]
    served.store(version(20, 2), version(20))
    client = served.client()
    whole = client.get(f"{FEED}manifest/?match[version]=all").json()["objects"]
    assert whole[:2] == before
    assert [each["id"] for each in whole] == [name(1), name(2), name(2), name(1)]
    news = client.get(f"{FEED}objects/?match[version]=all&added_after={before[-1]['date_added']}")
    assert ids_in(news.content) == [name(2), name(1)], "who polls gets the new versions alone"
    for limit in (1, 2, 3):
        got, asked = [], {"match[version]": "all", "limit": str(limit)}
        while True:
            page = client.get(f"{FEED}manifest/", params=asked).json()
            got += page["objects"]
            if not page["more"]:
                break
            asked["next"] = page["next"]
        assert got == whole


def test_a_new_audience_reads_what_was_superseded_before(served: Served) -> None:
    one_by_one(served, version(10), version(20), version(20, 2))
    served.collection()
    served.settle()
    assert shown(served) == [10, 20]


def test_of_what_is_labelled_more_strictly_nothing_is_left(served: Served) -> None:
    served.collection()
    one_by_one(served, version(10), version(20, tlp=Tlp.RED))
    client = served.client()
    for query in ("", "match[version]=all", "match[version]=first", f"match[version]={stamp(10)}"):
        assert shown(served, query) == []
        assert client.get(f"{OBJECT}?{query}").status_code == 404
    assert client.get(VERSIONS).status_code == 404
    served.store(version(30))
    assert shown(served) == [10, 30], "what was released before, and never what was not"


def test_an_earlier_version_is_judged_by_its_own_labels_and_terms(served: Served, at: datetime) -> None:
    served.collection()
    served.store(version(10, tlp=Tlp.RED))
    served.store(version(20))
    assert shown(served) == [20]
    served.store(version(11, 2), partner=carried(at, days=1))
    served.store(version(21, 2), partner=carried(at, days=20))
    client = served.client()
    place = f"{FEED}objects/{name(2)}/versions/"
    assert client.get(place).json()["versions"] == [stamp(11), stamp(21)]
    served.clock.at = at + timedelta(days=2)
    assert client.get(place).json()["versions"] == [stamp(21)], "its time is over, and the newer one's is not"


def test_a_revoked_version_is_served_and_what_was_before_it_too(served: Served) -> None:
    served.collection()
    one_by_one(served, version(10), version(20, revoked=True))
    assert shown(served, "") == [20]
    assert shown(served) == [10, 20]


def test_a_version_in_which_the_collection_carries_it_no_more_ends_its_past_there(served: Served) -> None:
    served.collection(labels=("sector:energy",))
    one_by_one(served, version(10, labels=["PAP:GREEN", "sector:energy"]), version(20))
    assert shown(served) == []


def test_each_giver_is_superseded_by_its_own_newer_version_alone(served: Served, at: datetime) -> None:
    served.collection()
    served.store(version(10), partner=carried(at))
    served.store(version(20))
    assert shown(served, "match[version]=first") == [10], "this one stands"
    served.store(version(30, tlp=Tlp.RED), partner=carried(at, constituents=None))
    assert shown(served) == [20], "the partner's newest is withheld, and so is its past"
    served.store(version(40))
    assert shown(served) == [20, 40]


def test_what_a_constituent_says_hides_nothing_of_a_nations_word(served: Served) -> None:
    served.collection(audience=(GRID, BANK), can_write=True, floor=Tlp.GREEN)
    posted(served, version(10))
    served.store(version(10), version(20))
    posted(served, version(15, tlp=Tlp.RED))
    assert sorted(shown(served, who=BANK)) == [10, 20]


def withdrawn(served: Served) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        take_back(tx, served.node.holdings, name(1), ACTUAL, XA, "wrong")


def first_withdrawn(served: Served) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        oldest = served.node.holdings.get(tx.connection, name(1), ACTUAL)[-1]
        served.node.holdings.withdraw(tx, name(1), ACTUAL, XA, "wrong", only=[oldest.row])


def erased(served: Served) -> None:
    with served.node.db.write(served.clock.now()) as tx:
        held = served.node.holdings.get(tx.connection, name(1), ACTUAL)
        served.node.holdings.erase(tx, [HeldWord(each.row, XA, "") for each in held])


def vetoed(served: Served) -> None:
    Orders(served.country.context).veto(name(1), None, at=served.clock.now(), actor="p")


@pytest.mark.parametrize(
    ("end", "left"),
    [(withdrawn, []), (first_withdrawn, [20]), (erased, []), (vetoed, [])],
    ids=["withdrawn", "first withdrawn", "erased", "vetoed"],
)
def test_what_ends_a_version_ends_it_at_once(served: Served, end: Callable[[Served], None], left: list[int]) -> None:
    served.collection()
    one_by_one(served, version(10), version(20))
    assert shown(served) == [10, 20]
    end(served)
    assert shown(served) == left, "before the reader has run"
    served.settle()
    assert shown(served) == left


def test_of_what_is_erased_or_taken_away_nothing_is_kept(served: Served) -> None:
    collection = served.collection(audience=(GRID, BANK))
    one_by_one(served, version(10), version(20))

    def kept() -> int:
        with served.node.db.read() as connection:
            return connection.scalar(select(func.count()).select_from(earlier)) or 0

    assert kept() == 2
    served.node.collections.exclude(collection, BANK, served.clock.now())
    assert kept() == 1
    withdrawn(served)
    served.settle()
    assert kept() == 0
    one_by_one(served, version(30), version(40))
    assert kept() == 1
    erased(served)
    served.settle()
    assert kept() == 0


def test_a_lifted_veto_brings_the_versions_back(served: Served) -> None:
    served.collection()
    one_by_one(served, version(10), version(20))
    vetoed(served)
    served.settle()
    Orders(served.country.context).lift_veto(name(1), None, at=served.clock.now(), actor="p")
    served.settle()
    assert shown(served) == [10, 20]


@contextmanager
def counted(served: Served) -> Iterator[list[str]]:
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        del rest
        found.append(statement)

    event.listen(served.node.db.engine, "before_cursor_execute", note)
    yield found
    event.remove(served.node.db.engine, "before_cursor_execute", note)


def test_a_page_without_a_question_about_versions_never_looks_at_earlier_ones(quick: Served) -> None:
    quick.collection()
    client = quick.client()
    quick.store(*[version(10, number) for number in range(5)])
    client.get(f"{FEED}objects/")
    with counted(quick) as before:
        client.get(f"{FEED}objects/")
    quick.store(*[version(20, number) for number in range(5)])
    with counted(quick) as after:
        assert len(client.get(f"{FEED}objects/").json()["objects"]) == 5
    assert after == before
    assert not [each for each in after if "taxii_earlier" in each]
    with counted(quick) as asked:
        assert len(client.get(f"{FEED}objects/?match[version]=all").json()["objects"]) == 10
    assert len(asked) <= len(after) + 4


def test_who_asks_for_little_among_much_is_not_answered_row_by_row(quick: Served) -> None:
    quick.collection()
    quick.store(*[version(10 if number < 5 else 20, number) for number in range(400)])
    client = quick.client()
    client.get(f"{FEED}objects/")
    with counted(quick) as asked:
        page = client.get(f"{FEED}objects/?limit=5&match[version]={stamp(10)}").json()
    assert (len(page["objects"]), page["more"]) == (5, False)
    assert len(asked) < 60


Saying = st.tuples(
    st.sampled_from(["own", "own", "partner", "partner", "own-withdraws", "partner-withdraws"]),
    st.integers(10, 14),
    st.sampled_from([Tlp.GREEN, Tlp.GREEN, Tlp.RED]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(Saying, min_size=2, max_size=8), number=st.integers(1, 10**9))
def test_of_any_history_no_more_is_read_than_the_words_allow_and_what_was_read_stays(
    quick: Served, at: datetime, history: list[tuple[str, int, Tlp]], number: int
) -> None:
    if not quick.node.collections.all():
        quick.collection()
    client, before = quick.client(), frozenset[str]()
    for saying, minute, tlp in history:
        if saying.endswith("withdraws"):
            with quick.node.db.write(at) as tx:
                nation = XA if saying == "own-withdraws" else XB
                take_back(tx, quick.node.holdings, name(number), ACTUAL, nation, "wrong")
            quick.settle()
        else:
            terms = carried(at) if saying == "partner" else None
            body = made(number, modified=stamp(minute), tlp=tlp, name=f"{saying} {tlp}")
            quick.store(body, partner=terms, may_conflict=True)
        allowed, standing = expected(quick, number)
        answer = client.get(f"{FEED}objects/?match[version]=all&match[id]={name(number)}")
        found = frozenset(_key(json.dumps(each)) for each in answer.json()["objects"])
        assert found <= allowed
        assert found >= (before & allowed) | standing
        newest = client.get(f"{FEED}objects/?match[id]={name(number)}").json()["objects"]
        assert {_key(json.dumps(each)) for each in newest} <= standing
        assert len(newest) == bool(standing)
        before |= found


def _key(body: str | bytes) -> str:
    fields = json.loads(body)
    return f"{fields['modified']} {fields['name']}"


def expected(served: Served, number: int) -> tuple[frozenset[str], frozenset[str]]:
    """What may be read of an object, and what of it stands, worked out version by version."""
    with served.node.db.read() as connection:
        held = served.node.holdings.get(connection, name(number), ACTUAL)
        (shelf,) = shelves_of(connection, GRID)
        judge = Judge(connection, XA, served.clock.now())

        def released(each: StoredObject) -> bool:
            return judge.decide([as_standing(item_of(each, XA))], [()], shelf) != [None]

        def is_followed(each: StoredObject) -> bool:
            if any(word.standing == "withdrawn" for word in each.provenance):
                return False
            return all(
                any(
                    newer.stands and released(newer)
                    for newer in held
                    if any(by.nation == word.nation and by.standing == "stands" for by in newer.provenance)
                )
                for word in each.provenance
            )

        standing = [each for each in held if each.stands and released(each)]
        past = [each for each in held if not each.stands and released(each) and is_followed(each)]
    return frozenset(_key(each.body) for each in standing + past), frozenset(_key(each.body) for each in standing)


def test_the_journal_tells_of_a_version_that_stands_again(served: Served) -> None:
    served.collection(can_write=True, floor=Tlp.GREEN)
    posted(served, version(10), version(20))
    assert served.client().delete(f"{OBJECT}?match[version]=last").status_code == 200
    with served.node.db.read() as connection:
        *_, last = journal.entries(connection, 0, kinds=frozenset({"intelligence.stored"}))
        (row,) = last.detail["rows"]
        (held,) = served.node.holdings.rows(connection, [row])
    assert (held.stands, held.body) == (True, version(10))


def test_an_earlier_version_is_read_once_what_it_refers_to_may_be(served: Served) -> None:
    served.collection()
    orders, at = Orders(served.country.context), served.clock.now()
    served.store(made(2))
    orders.veto(name(2), f"constituent:{GRID}", at=at, actor="p")  # type: ignore[arg-type]
    served.settle()
    one_by_one(served, version(10, x_about_ref=name(2)), version(20))
    assert shown(served) == [20]
    orders.lift_veto(name(2), f"constituent:{GRID}", at=at, actor="p")  # type: ignore[arg-type]
    served.settle()
    assert shown(served) == [20, 10]  # in the order in which they could be read
