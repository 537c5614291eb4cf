"""TAXII for partner nations: exactly what each was released and has confirmed, under its agreement, at that instant."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from mithaq.agreements.terms import Handling
from mithaq.exchange.ledger.releases import holders
from mithaq.exchange.log.logs import Place
from mithaq.exchange.orders import Orders
from mithaq.exchange.recalling import take_back
from mithaq.exchange.receiving.service import Receiving
from mithaq.exchange.store import sent
from mithaq.exchange.taxii.partners import store
from mithaq.exchange.taxii.partners.errors import NotServed
from mithaq.exchange.taxii.partners.rules import OF_EVERYTHING
from mithaq.exchange.taxii.partners.viewing import laid_for
from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.release.clauses import NATION_CLAUSES
from mithaq.standards.tlp import Tlp
from tests.abroad import Abroad, id_of
from tests.country import fetch, give_receipts
from tests.taxii import ids_in
from tests.world import DEFAULT_TERMS, XA, XB, XC, Treaty

NOBODY = 401


@pytest.fixture(params=["sqlite", "postgresql"])
def abroad(request: pytest.FixtureRequest, tmp_path: Path, at: datetime) -> Iterator[Abroad]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    found = Abroad.found(tmp_path, at, url=url)
    yield found
    found.close()


@pytest.fixture
def quick(tmp_path: Path, at: datetime) -> Iterator[Abroad]:
    """The same on SQLite alone, for what touches no statement of its own."""
    found = Abroad.found(tmp_path, at)
    yield found
    found.close()


def why(abroad: Abroad, nation: NationId = XB) -> dict[str, list[str]]:
    """Return what this node's people are told: the withheld objects with the codes of their reasons."""
    with abroad.node.db.read() as connection:
        (laid,) = laid_for(abroad.node.channel, connection, nation, abroad.clock.now())
    return {each.object_id: sorted(reason.code for reason in each.reasons) for each in laid.withheld}


def test_a_nation_reads_what_it_has_confirmed_with_its_bytes(abroad: Abroad) -> None:
    abroad.give(1, 2)
    client = abroad.client()
    (collection,) = client.get("/taxii2/mithaq/collections/").json()["collections"]
    assert (collection["title"], collection["alias"]) == ("Joint defence", abroad.treaty.agreement_id)
    assert (collection["can_read"], collection["can_write"]) == (True, False)
    abroad.give(3)
    feed = abroad.feed()
    answer = client.get(f"{feed}objects/?limit=2")
    assert (ids_in(answer.content), answer.json()["more"]) == ([id_of(1), id_of(2)], True)
    rest = client.get(f"{feed}objects/?limit=2&next={answer.json()['next']}")
    assert (ids_in(rest.content), rest.json()["more"]) == ([id_of(3)], False)
    (held,) = abroad.own.held(id_of(3))
    assert held.body in rest.content
    dates = [each["date_added"] for each in client.get(f"{feed}manifest/").json()["objects"]]
    assert dates == sorted(set(dates))
    assert client.get(f"{feed}objects/{id_of(2)}/versions/").json()["versions"] == ["2026-11-23T11:00:00.000Z"]
    by_alias = client.get(f"/taxii2/mithaq/collections/{abroad.treaty.agreement_id}/objects/")
    assert len(ids_in(by_alias.content)) == 3


def test_everything_that_is_served_stands_in_the_release_log(quick: Abroad) -> None:
    quick.give(1, 2, tlp=Tlp.AMBER)
    served = ids_in(quick.client().get(f"{quick.feed()}objects/").content)
    assert served == [id_of(1), id_of(2)]
    with quick.node.db.read() as connection:
        released = connection.execute(select(sent).where(sent.c.recipient == XB, sent.c.action == "release")).all()
        having = {name: [each.nation for each in holders(connection, name)] for name in served}
        for row in released:
            assert quick.own.context.log.proof(
                connection, Place(row.log, row.leaf), quick.own.context.log.checkpoint(row.log)
            )
    assert having == {id_of(1): [XB, XC], id_of(2): [XB, XC]}
    assert {row.outcome for row in released} == {"admitted"}


def test_what_waits_for_witnesses_is_served_after_they_have_answered(quick: Abroad) -> None:
    witnesses = dict(quick.own.neighbours)
    quick.own.neighbours.clear()
    quick.give(1, tlp=Tlp.AMBER)
    client = quick.client()
    assert ids_in(client.get(f"{quick.feed()}objects/").content) == []
    assert why(quick) == {id_of(1): ["taxii-no-receipt"]}
    quick.own.neighbours.update(witnesses)
    quick.own.context.flusher.forget_failures()
    quick.give()
    assert ids_in(client.get(f"{quick.feed()}objects/").content) == [id_of(1)]
    assert why(quick) == {}


def test_what_is_fetched_and_not_confirmed_is_not_served(quick: Abroad) -> None:
    quick.give(1)
    client = quick.client()
    quick.own.add(2, quick.clock.now())
    for frame in fetch(quick.own, quick.partner(XB), quick.clock.now()):
        Receiving(quick.partner(XB).context).take(XA, frame, quick.clock.now())
    quick.settle()
    assert ids_in(client.get(f"{quick.feed()}objects/").content) == [id_of(1)]
    assert why(quick) == {id_of(2): ["taxii-no-receipt"]}
    give_receipts(quick.own, quick.partner(XB), quick.clock.now())
    quick.settle()
    assert ids_in(client.get(f"{quick.feed()}objects/").content) == [id_of(1), id_of(2)]


def test_what_the_nation_did_not_admit_is_not_served(quick: Abroad) -> None:
    quick.partner(XB).context.agreements.set_suspended(
        quick.treaty.agreement_id, True, at=quick.clock.now(), actor="person--1"
    )
    quick.give(1)
    assert ids_in(quick.client().get(f"{quick.feed()}objects/").content) == []
    assert why(quick) == {id_of(1): ["taxii-not-admitted"]}


WITHHELD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "strict": ({"tlp": Tlp.AMBER_STRICT}, ["taxii-label"]),
    "exercise": ({"lane": Lane("exercise--11111111-1111-4111-8111-111111111111")}, ["taxii-lane"]),
}


@pytest.mark.parametrize("way", WITHHELD)
def test_what_goes_sealed_only_is_withheld_with_the_reason(tmp_path: Path, at: datetime, way: str) -> None:
    changes, codes = WITHHELD[way]
    terms = msgspec.structs.replace(DEFAULT_TERMS, tlp_ceiling="TLP:AMBER+STRICT")
    abroad = Abroad.found(tmp_path, at, Treaty(at, terms=terms))
    abroad.give(1)
    abroad.give(2, **changes)
    assert abroad.partner(XB).held(id_of(2), changes.get("lane", Lane("actual"))), "it went over the channel"
    assert ids_in(abroad.client().get(f"{abroad.feed()}objects/").content) == [id_of(1)]
    assert why(abroad) == {id_of(2): codes}
    abroad.close()


def _withdraw(abroad: Abroad) -> None:
    with abroad.node.db.write(abroad.clock.now()) as tx:
        take_back(tx, abroad.node.holdings, id_of(1), ACTUAL, XA, "wrong")


LATE: dict[str, tuple[Callable[[Abroad], Any], list[str]]] = {
    "vetoed": (
        lambda abroad: Orders(abroad.own.context).veto(id_of(1), XB, at=abroad.clock.now(), actor="person--1"),
        ["veto"],
    ),
    "withdrawn": (_withdraw, ["withdrawn"]),
}


@pytest.mark.parametrize("way", LATE)
def test_what_stands_on_the_shelf_is_judged_again_when_it_is_served(abroad: Abroad, way: str) -> None:
    """The reader has not run since: the gate itself refuses at that instant."""
    act, codes = LATE[way]
    abroad.give(1, 2)
    client = abroad.client()
    assert len(ids_in(client.get(f"{abroad.feed()}objects/").content)) == 2
    act(abroad)
    assert why(abroad) == {id_of(1): codes}
    for _ in range(2):
        answer = client.get(f"{abroad.feed()}objects/?limit=1")
        assert (ids_in(answer.content), answer.json()["more"]) == ([id_of(2)], False)
        assert client.get(f"{abroad.feed()}objects/{id_of(1)}/").status_code == 404
        assert client.get(f"{abroad.feed()}objects/{id_of(1)}/versions/").status_code == 404
        abroad.settle()


def test_a_veto_that_is_lifted_gives_the_object_a_new_date(abroad: Abroad) -> None:
    abroad.give(1, 2)
    client, orders = abroad.client(), Orders(abroad.own.context)
    dates = [each["date_added"] for each in client.get(f"{abroad.feed()}manifest/").json()["objects"]]
    orders.veto(id_of(1), None, at=abroad.clock.now(), actor="person--1")
    abroad.settle()
    orders.lift_veto(id_of(1), None, at=abroad.clock.now(), actor="person--1")
    abroad.settle()
    later = client.get(f"{abroad.feed()}objects/?added_after={dates[-1]}")
    assert ids_in(later.content) == [id_of(1)], "no poll misses it"


def test_what_must_have_been_deleted_is_served_no_more_and_leaves_the_shelf(tmp_path: Path, at: datetime) -> None:
    terms = msgspec.structs.replace(DEFAULT_TERMS, retention_days=10)
    abroad = Abroad.found(tmp_path, at, Treaty(at, terms=terms))
    abroad.give(1)
    client = abroad.client()
    abroad.clock.at += timedelta(days=9)
    abroad.give(2)
    assert ids_in(client.get(f"{abroad.feed()}objects/").content) == [id_of(1), id_of(2)]
    abroad.clock.at += timedelta(days=1)
    assert ids_in(client.get(f"{abroad.feed()}objects/").content) == [id_of(2)]
    assert why(abroad) == {id_of(1): ["taxii-retention"]}
    abroad.settle()
    with abroad.node.db.read() as connection:
        assert store.size(connection, 1) == 1
    abroad.close()


def test_what_happens_while_a_release_is_judged_has_it_judged_again(abroad: Abroad) -> None:
    abroad.give(1)
    abroad.secret()
    with abroad.node.db.write(abroad.clock.now()) as tx:
        store.call_for(tx, 7)
        judged = store.next_due(tx.connection, 20)
        store.call_for(tx, 8)
        assert not store.settle(tx, judged)
        assert store.settle(tx, store.next_due(tx.connection, 20))
        assert store.next_due(tx.connection, 20) == []


def test_each_nation_reads_its_own_collection_only(abroad: Abroad) -> None:
    abroad.give(1, to=(XB,))
    mine, theirs = abroad.client(XB), abroad.client(XC)
    unknown = mine.get("/taxii2/mithaq/collections/no-such-collection/objects/")
    for place in ("", "manifest/", "objects/", f"objects/{id_of(1)}/", f"objects/{id_of(1)}/versions/"):
        answer = theirs.get(f"{abroad.feed(XB)}{place}")
        assert (answer.status_code, answer.content) == (404, unknown.content), place
    assert [each["id"] for each in theirs.get("/taxii2/mithaq/collections/").json()["collections"]] == [
        abroad.feed(XC).split("/")[-2]
    ]
    assert ids_in(theirs.get(f"{abroad.feed(XC)}objects/").content) == []
    cursor = mine.get(f"{abroad.feed(XB)}objects/?limit=1").json().get("next")
    assert cursor is None
    abroad.give(2, 3, to=(XB,))
    cursor = mine.get(f"{abroad.feed(XB)}objects/?limit=1").json()["next"]
    assert theirs.get(f"{abroad.feed(XC)}objects/?next={cursor}").status_code == 400


def test_constituents_and_nations_do_not_see_each_other(quick: Abroad) -> None:
    quick.give(1)
    node, now = quick.node, quick.clock.now()
    node.constituents.add("grid-operator", {"en": "Grid"}, [], "soc@example", now)
    feed = node.collections.add("feed", "Feed", now, audience=("grid-operator",)).id
    grid = node.constituents.add_account("grid-operator", "siem", timedelta(days=30), now, may_write=True)[1]
    nation, constituent = quick.client(), quick.client(secret="x")
    constituent.headers["authorization"] = f"Bearer {grid}"
    assert nation.get(f"/taxii2/mithaq/collections/{feed}/objects/").status_code == 404
    assert constituent.get(f"{quick.feed()}objects/").status_code == 404
    assert [each["id"] for each in constituent.get("/taxii2/mithaq/collections/").json()["collections"]] == [feed]


def test_a_nation_posts_nothing_and_deletes_nothing(quick: Abroad) -> None:
    quick.give(1)
    client = quick.client()
    content = {"content-type": "application/taxii+json;version=2.1"}
    assert client.post(f"{quick.feed()}objects/", content=b'{"objects":[]}', headers=content).status_code == 403
    assert client.delete(f"{quick.feed()}objects/{id_of(1)}/").status_code == 403
    assert client.get("/taxii2/mithaq/status/status--1/").status_code == 404


def test_a_secret_opens_nothing_under_another_nations_name(quick: Abroad) -> None:
    secret = quick.secret(XB)
    assert quick.client(XB, secret).get("/taxii2/").status_code == 200
    assert quick.client(XC, secret).get("/taxii2/").status_code == NOBODY
    assert quick.client(XB, "nonsense").get("/taxii2/").status_code == NOBODY
    bearer = quick.client(XB, secret)
    bearer.headers["authorization"] = f"Bearer {secret}"
    assert bearer.get("/taxii2/").status_code == 200


def _suspend_agreement(abroad: Abroad, suspended: bool = True) -> None:
    abroad.node.agreements.set_suspended(
        abroad.treaty.agreement_id, suspended, at=abroad.clock.now(), actor="person--1"
    )


ENDINGS: dict[str, tuple[Callable[[Abroad], Any], str]] = {
    "agreement-suspended": (_suspend_agreement, "agreement-suspended"),
    "partner-suspended": (
        lambda abroad: abroad.node.partners.suspend(XB, at=abroad.clock.now(), actor="person--1"),
        "recipient-untrusted",
    ),
    "partner-removed": (
        lambda abroad: abroad.node.partners.remove(XB, at=abroad.clock.now(), actor="person--1"),
        "recipient-untrusted",
    ),
    "expired": (lambda abroad: setattr(abroad.clock, "at", abroad.clock.at + timedelta(days=31)), "agreement-expired"),
}


@pytest.mark.parametrize("settles", [True, False], ids=["settled", "at-once"])
@pytest.mark.parametrize("way", ENDINGS)
def test_an_account_ends_for_good_when_nothing_may_go_to_the_nation(quick: Abroad, way: str, settles: bool) -> None:
    act, code = ENDINGS[way]
    quick.give(1)
    secret = quick.secret()
    client = quick.client(secret=secret)
    assert client.get(f"{quick.feed()}objects/").status_code == 200
    act(quick)
    if settles:
        quick.settle()
    assert client.get(f"{quick.feed()}objects/").status_code == NOBODY
    with quick.node.db.read() as connection:
        (account,) = store.accounts_of(connection, 1)
    assert account.revoked_at == quick.clock.now()
    assert code in [reason.code for reason in account.ended_for]
    if way == "agreement-suspended":
        _suspend_agreement(quick, False)
        quick.settle()
        assert client.get(f"{quick.feed()}objects/").status_code == NOBODY, "a person decides anew"
        again = quick.client()
        assert ids_in(again.get(f"{quick.feed()}objects/").content) == [id_of(1)]


def test_an_account_expires_and_is_ended_by_a_person(quick: Abroad) -> None:
    short, long = quick.client(secret=quick.secret(days=2)), quick.client(secret=quick.secret(days=20))
    quick.clock.at += timedelta(days=2)
    assert (short.get("/taxii2/").status_code, long.get("/taxii2/").status_code) == (NOBODY, 200)
    with quick.node.db.read() as connection:
        live = store.live_accounts(connection, quick.clock.now())
    quick.node.partner_accounts.revoke(live[0].id, quick.clock.now(), by="person--1")
    assert long.get("/taxii2/").status_code == NOBODY
    with pytest.raises(NotServed, match="no such account"):
        quick.node.partner_accounts.revoke(live[0].id, quick.clock.now(), by="person--1")


def test_no_account_is_made_where_nothing_may_be_served(tmp_path: Path, at: datetime) -> None:
    terms = msgspec.structs.replace(DEFAULT_TERMS, handling=Handling(encrypted_at_rest=True))
    abroad = Abroad.found(tmp_path, at, Treaty(at, terms=terms))
    with pytest.raises(NotServed, match="how objects are kept"):
        abroad.secret()
    abroad.close()


def test_every_clause_that_stands_against_everything_is_one_of_the_gates(quick: Abroad) -> None:
    assert {clause.id for clause in NATION_CLAUSES} >= OF_EVERYTHING


HIDDEN = 50
QUESTIONS = (
    "",
    "manifest/",
    "objects/",
    "objects/?limit=2",
    "objects/?limit=3&match[version]=all",
    f"objects/{id_of(HIDDEN)}/",
    f"objects/{id_of(HIDDEN)}/versions/",
    f"objects/{id_of(2)}/versions/",
    f"manifest/?match[id]={id_of(HIDDEN)},{id_of(1)}",
    "objects/?added_after=2026-11-23T12:00:00.001Z",
    "objects/?match[version]=first",
)


def _to_another(abroad: Abroad) -> None:
    only = ReleaseInstruction(abroad.treaty.agreement_id, (XC,), "defence", "person--1")
    abroad.own.add(HIDDEN, abroad.clock.now(), to=only)
    abroad.give()


def _vetoed(abroad: Abroad) -> None:
    abroad.own.add(HIDDEN, abroad.clock.now())
    Orders(abroad.own.context).veto(id_of(HIDDEN), XB, at=abroad.clock.now(), actor="person--1")
    abroad.give()


WAYS: dict[str, Callable[[Abroad], Any]] = {
    "red": lambda abroad: abroad.give(HIDDEN, tlp=Tlp.RED),
    "strict": lambda abroad: abroad.give(HIDDEN, tlp=Tlp.AMBER_STRICT),
    "test-lane": lambda abroad: abroad.give(HIDDEN, lane=TEST),
    "exercise": lambda abroad: abroad.give(HIDDEN, lane=Lane("exercise--11111111-1111-4111-8111-111111111111")),
    "to-another": _to_another,
    "vetoed": _vetoed,
}


def world(folder: Path, at: datetime, hide: Callable[[Abroad], Any] | None) -> list[Any]:
    """What the partner sees, with the cursors of the first world followed in each; ids of collections are drawn."""
    terms = msgspec.structs.replace(DEFAULT_TERMS, tlp_ceiling="TLP:AMBER+STRICT")
    abroad = Abroad.found(folder, at, Treaty(at, terms=terms))
    client = abroad.client()
    abroad.give(1, 2)
    if hide:
        hide(abroad)
        abroad.settle()
    abroad.give(*range(3, 9))
    seen: list[Any] = []
    for question in QUESTIONS:
        asked: dict[str, str] = {}
        while True:
            answer = client.get(abroad.feed() + question, **({"params": asked} if asked else {}))
            body = json.loads(answer.content.replace(abroad.feed().split("/")[-2].encode(), b"the-collection"))
            headers = {key: value for key, value in answer.headers.items() if key != "content-length"}
            cursor = body.pop("next", None)
            seen.append((answer.status_code, body, headers))
            if cursor is None:
                break
            asked = {"next": cursor} | dict(part.split("=", 1) for part in question.partition("?")[2].split("&"))
    abroad.close()
    return seen


@pytest.mark.parametrize("way", WAYS)
def test_two_worlds_that_differ_in_what_is_withheld_are_one_to_the_nation(
    tmp_path: Path, at: datetime, way: str
) -> None:
    assert world(tmp_path / "with", at, WAYS[way]) == world(tmp_path / "without", at, None)


def test_the_shown_world_is_not_empty(tmp_path: Path, at: datetime) -> None:
    seen = world(tmp_path / "plain", at, None)
    assert len(seen) > 12
    assert [status for status, _, _ in seen].count(404) == 2
    assert world(tmp_path / "more", at, lambda abroad: abroad.give(HIDDEN)) != seen
