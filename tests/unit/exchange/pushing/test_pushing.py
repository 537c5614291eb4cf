"""Events are pushed into a constituent's own MISP: to another node of ours, and to servers that answer otherwise."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.exchange.misp.errors import UnknownEvent
from mithaq.exchange.misp.model import Reader
from mithaq.exchange.pushing import settings, store
from mithaq.exchange.pushing.errors import UnknownTarget
from mithaq.exchange.pushing.model import Pushed, Sighted
from mithaq.exchange.pushing.pushing import PUSHED
from mithaq.exchange.sources.errors import BadSource
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP, PRIVATE_NETWORK
from mithaq.exchange.taxii.posting import giver
from mithaq.intelligence import foreign
from mithaq.kernel import journal
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.constituents.errors import UnknownConstituent
from mithaq.standards.tlp import Tlp
from tests.misp import EVENT, file_of, take
from tests.scripted import Asked, Reply, scripted
from tests.taxii import BANK, GRID, Served, listening_node, made, name
from tests.world import XB

KEY = "k" * 40
LOCAL = (PRIVATE_NETWORK, CREDENTIAL_OVER_HTTP)


def aim(served: Served, address: str, key: str = KEY, who: str = GRID) -> None:
    served.node.push_targets.add(who, address, key, served.clock.now(), flags=LOCAL, by="operator")


def push(served: Served, **rest: Any) -> Pushed:
    return served.node.pushing.push(GRID, by="person--1", **rest)


def outcomes(done: Pushed) -> dict[str, str]:
    return {each.uuid: each.reason.code if each.reason else each.outcome for each in done.events}


def told(served: Served) -> list[str]:
    with served.node.db.read() as connection:
        return [each.subject for each in journal.entries(connection, 0, kinds=frozenset({PUSHED}))]


def days(served: Served, count: int) -> list[str]:
    """Store indicators of several days, each of which is an event; return the events' uuids."""
    for number in range(1, count + 1):
        at = f"2026-11-{number:02d}T11:00:00.000Z"
        served.store(made(number, created=at, modified=at))
    return [head.uuid for head in served.node.misp.heads(Reader(GRID), served.clock.now())]


class Peer:
    """A MISP that wants everything, and answers as a test says."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.sent: list[tuple[str, str]] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("authorization") != KEY:
            return Reply(b"{}", 403)
        call = asked.path.split("/")[2]
        if call == "filterEventIdsForPush":
            wanted = [each["Event"] for each in json.loads(asked.body)]
            held = {uuid: int(each["timestamp"]) for uuid, each in self.events.items()}
            return Reply.of([each["uuid"] for each in wanted if int(each["timestamp"]) > held.get(each["uuid"], -1)])
        if call == "view":
            assert asked.method == "HEAD"
            return Reply(b"", 200 if asked.path.split("/")[3] in self.events else 404)
        event = json.loads(asked.body)["Event"]
        self.sent.append((call, event["uuid"]))
        if event["uuid"] in self.replies:
            return self.replies[event["uuid"]]
        self.events[event["uuid"]] = event
        return Reply.of({"Event": event})


def test_what_is_released_arrives_at_another_node_of_ours_and_its_changes_follow(
    served: Served, tmp_path: Path, at: datetime
) -> None:
    theirs = Served.found(tmp_path / "theirs", at, nation=XB)
    theirs.collection(can_write=True, floor=Tlp.GREEN)
    served.collection()
    take(served, file_of())
    (day,) = days(served, 1)[-1:]
    served.store(made(77, tlp=Tlp.RED))
    assert {head.uuid for head in served.node.misp.heads(Reader(GRID), at)} == {EVENT, day}
    with listening_node(theirs) as address:
        aim(served, address + "/misp/", theirs.secret())
        assert outcomes(push(served, dry_run=True)) == {EVENT: "would", day: "would"}
        assert told(served) == []
        assert outcomes(push(served)) == {EVENT: "taken", day: "taken"}
        theirs.settle()
        assert sorted(told(served)) == sorted([EVENT, day])
        assert push(served) == Pushed()
        got = received(theirs, EVENT)
        assert (got["distribution"], got["info"]) == ("1", json.loads(file_of())["Event"]["info"])
        served.clock.at = theirs.clock.at = at.replace(hour=23)
        served.store(made(2, created="2026-11-01T12:00:00.000Z", modified="2026-11-01T12:00:00.000Z"))
        assert outcomes(push(served)) == {day: "taken"}
        theirs.settle()
        assert len(received(theirs, day)["Attribute"]) == 2
    theirs.country.db.close()


def received(theirs: Served, uuid: str) -> dict[str, Any]:
    with theirs.node.db.read() as connection:
        (held,) = [each for each in foreign.of_uuid(connection, uuid, ACTUAL) if each.nation == giver(GRID)]
        return foreign.members(connection, held)


def sight(served: Served, number: int, about: int, **changes: Any) -> str:
    """Store this nation's sighting of an indicator; return its uuid."""
    at = "2026-11-23T11:00:00.000Z"
    seen = {"sighting_of_ref": name(about), "first_seen": at, "last_seen": at, "count": 1}
    served.store(made(number, "sighting", **seen, **changes))
    return name(number, "sighting").removeprefix("sighting--")


def test_sightings_that_are_released_follow_their_events_and_go_once(
    served: Served, tmp_path: Path, at: datetime
) -> None:
    theirs = Served.found(tmp_path / "theirs", at, nation=XB)
    theirs.collection(can_write=True, floor=Tlp.GREEN)
    served.collection()
    (day,) = days(served, 1)
    with listening_node(theirs) as address:
        aim(served, address + "/misp/", theirs.secret())
        uuid = sight(served, 50, 1)
        sight(served, 51, 1, tlp=Tlp.RED)
        assert push(served, dry_run=True).sighted == Sighted()
        theirs.settle()
        assert outcomes(push(served)) == {day: "taken"}
        theirs.settle()  # the event stands there; now its sightings are taken
        done = push(served)
        assert (done.events, done.sighted) == ((), Sighted(1))
        assert push(served) == Pushed()
    with theirs.node.db.read() as connection:
        (held,) = theirs.node.holdings.get(connection, f"sighting--{uuid}", ACTUAL)
    assert (held.stix.refs, [word.source for word in held.provenance]) == ((name(1),), ["constituent"])
    with served.node.db.read() as connection:
        entries = journal.entries(connection, 0, kinds=frozenset({PUSHED}))
    assert entries[-1].detail == {"to": GRID, "sightings": 1}
    theirs.country.db.close()


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"{}", 403), "sightings-not-taken"),
        (Reply(b"oops", 500), "source-failed"),
        (Reply(b"<html>Login</html>"), "source-unreadable"),
    ],
)
def test_a_server_that_takes_no_sightings_takes_the_events(quick: Served, reply: Reply, code: str) -> None:
    quick.collection()
    (day,) = days(quick, 1)
    sight(quick, 50, 1)
    peer = Peer()
    with scripted(lambda asked: reply if "/sightings/" in asked.path else peer(asked)) as world:
        aim(quick, world.address)
        done = push(quick)
    assert (outcomes(done), done.reason, done.sighted.count) == ({day: "taken"}, None, 0)
    assert done.sighted.reason is not None
    assert done.sighted.reason.code == code


def test_one_bad_event_does_not_end_the_rest_and_the_next_push_sends_what_is_missing(served: Served) -> None:
    served.collection()
    uuids = days(served, 6)
    peer = Peer()
    peer.replies = {
        uuids[0]: Reply(b"oops", 500),
        uuids[1]: Reply(b"<html>Login</html>"),
        uuids[2]: Reply(b'{"Event":{"uuid":', cut=6),
        uuids[3]: Reply.of({"errors": "Event in the request not newer than the local copy."}, status=403),
        uuids[4]: Reply.of({"message": "You do not have permission."}, status=403),
    }  # fmt: skip
    with scripted(peer) as world:
        aim(served, world.address)
        assert outcomes(push(served)) == {
            uuids[0]: "source-failed", uuids[1]: "source-unreadable", uuids[2]: "source-broken-off",
            uuids[3]: "known", uuids[4]: "event-not-taken", uuids[5]: "taken",
        }  # fmt: skip
        assert sorted(told(served)) == sorted(uuids)
        peer.replies = {}
        done = push(served)
        assert done.count("taken") == 5
        assert done.reason is None
        assert push(served) == Pushed()
        assert {call for call, _ in peer.sent} == {"add"}


def test_many_events_are_asked_about_in_several_questions_and_none_is_left_out(
    quick: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push of many ends as if it were done, with nothing pushed (MISP#6030)."""
    monkeypatch.setattr(settings, "EVENTS_AT_ONCE", 3)
    quick.collection()
    uuids = days(quick, 8)
    peer = Peer()
    questions: list[int] = []

    def counted(asked: Asked) -> Reply:
        if "filterEventIdsForPush" in asked.path:
            questions.append(len(json.loads(asked.body)))
        return peer(asked)

    with scripted(counted) as world:
        aim(quick, world.address)
        assert outcomes(push(quick)) == dict.fromkeys(uuids, "taken")
        assert push(quick) == Pushed()
    assert questions == [3, 3, 2] * 2
    assert peer.events.keys() == set(uuids)


def test_the_distribution_is_where_the_label_lets_it_end_and_never_wider(quick: Served) -> None:
    quick.collection()
    for number, tlp in ((1, Tlp.CLEAR), (2, Tlp.GREEN), (3, Tlp.AMBER)):
        quick.store(made(number, tlp=tlp))
    peer = Peer()
    with scripted(peer) as world:
        aim(quick, world.address)
        push(quick)
    found = {next(tag["name"] for tag in each["Tag"]): each["distribution"] for each in peer.events.values()}
    assert found == {"tlp:clear": "3", "tlp:green": "1", "tlp:amber": "0"}


def test_a_server_that_fails_on_one_after_the_other_is_left_alone(quick: Served) -> None:
    quick.collection()
    uuids = days(quick, 8)
    peer = Peer()
    peer.replies = dict.fromkeys(uuids, Reply(b"oops", 500))
    with scripted(peer) as world:
        aim(quick, world.address)
        done = push(quick)
    assert done.reason is not None
    assert done.reason.code == "source-failed"
    assert len(peer.sent) == len(told(quick)) == 5


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"", 500), "source-failed"),
        (Reply(b"<html>Login</html>"), "source-unreadable"),
        (Reply(b'["7b8f', cut=4), "source-broken-off"),
        (Reply(b'{"message":"no"}'), "source-unreadable"),
        (Reply(b"", 403), "source-refused"),
        (Reply(b"", 302, {"location": "http://127.0.0.2:9/"}), "source-refused"),
    ],
)
def test_where_it_does_not_say_what_it_wants_nothing_leaves(quick: Served, reply: Reply, code: str) -> None:
    quick.collection()
    days(quick, 1)
    with scripted(lambda asked: reply) as world:
        aim(quick, world.address)
        done = push(quick)
    assert done.reason is not None
    assert (done.reason.code, done.events, told(quick)) == (code, (), [])


def test_what_is_released_no_more_is_named_while_it_is_still_there(served: Served) -> None:
    served.collection("feed")
    uuids = days(served, 2)
    peer = Peer()
    with scripted(peer) as world:
        aim(served, world.address)
        assert push(served).left == ()
        served.node.collections.exclude("feed", GRID, served.clock.now())
        served.settle()
        assert push(served) == Pushed(left=tuple(sorted(uuids)))
        del peer.events[uuids[0]]
        assert push(served).left == (uuids[1],)
        with served.node.db.read() as connection:
            assert store.went(connection, GRID) == [uuids[1]]
    assert push(served).left == (uuids[1],), "a server that is down may have it still"


def test_what_falls_between_the_question_and_the_event_does_not_leave(quick: Served) -> None:
    quick.collection("feed")
    uuids = days(quick, 2)
    peer = Peer()

    def between(asked: Asked) -> Reply:
        if asked.method == "HEAD" and not peer.sent:
            with quick.node.db.write(quick.clock.now()) as tx:
                tx.connection.exec_driver_sql("DELETE FROM taxii_shelved")
        return peer(asked)

    with scripted(between) as world:
        aim(quick, world.address)
        assert push(quick).events == ()
    assert peer.sent == []
    assert told(quick) == []
    with pytest.raises(UnknownEvent):
        quick.node.misp.event(Reader(GRID), uuids[0], quick.clock.now(), "feed")


def test_what_is_over_when_it_leaves_is_no_more_to_be_looked_for(served: Served) -> None:
    """The end of an indicator falls between the question and the event, or after it went: either way it is told."""
    served.collection("feed")
    start = served.clock.at
    ends = [start + timedelta(minutes=minutes) for minutes in (10, 90)]
    for number, end in enumerate(ends):
        served.store(made(number, valid_until=rfc3339(end)))
    peer = Peer()

    def between(asked: Asked) -> Reply:
        if asked.method == "HEAD" and served.clock.at == start:
            served.clock.at = start + timedelta(minutes=30)
        return peer(asked)

    with scripted(between) as world:
        aim(served, world.address)
        ((day, outcome),) = outcomes(push(served)).items()
        assert outcome == "taken"
        first = peer.events[day]
        assert [each["to_ids"] for each in first["Attribute"]] == [False, True]
        assert first["Attribute"][0]["timestamp"] == str(int(ends[0].timestamp()))
        assert push(served) == Pushed()
        served.clock.at = start + timedelta(hours=2)
        assert outcomes(push(served)) == {day: "taken"}
    second = peer.events[day]
    assert [each["to_ids"] for each in second["Attribute"]] == [False, False]
    assert int(second["timestamp"]) > int(first["timestamp"])
    assert [each["uuid"] for each in second["Attribute"]] == [each["uuid"] for each in first["Attribute"]]


def test_a_report_tells_too_that_what_it_names_is_over(served: Served) -> None:
    served.collection("feed")
    end = served.clock.at + timedelta(minutes=10)
    named = served.store(made(1, valid_until=rfc3339(end)))
    served.store(made(2, "report", name="R", published="2026-11-23T11:00:00.000Z", object_refs=named))
    peer = Peer()
    with scripted(peer) as world:
        aim(served, world.address)
        ((report, _),) = outcomes(push(served)).items()
        assert peer.events[report]["Attribute"][0]["to_ids"] is True
        served.clock.at = end
        assert outcomes(push(served)) == {report: "taken"}
        assert peer.events[report]["Attribute"][0]["to_ids"] is False


@pytest.mark.parametrize("replaced", [False, True])
def test_a_target_that_is_removed_or_replaced_meanwhile_gets_nothing_more(quick: Served, *, replaced: bool) -> None:
    quick.collection("feed")
    days(quick, 3)
    peer = Peer()

    def between(asked: Asked) -> Reply:
        if asked.method == "HEAD" and len(peer.sent) == 1:
            if replaced:
                aim(quick, world.address)
            else:
                quick.node.push_targets.remove(GRID, quick.clock.now(), by="operator")
        return peer(asked)

    with scripted(between) as world:
        aim(quick, world.address)
        done = push(quick)
    assert done.reason is not None
    assert done.reason.code == "push-target-gone"
    assert len(peer.sent) == len(told(quick)) == 1


def test_a_target_belongs_to_a_constituent_and_its_key_is_sealed(served: Served, tmp_path: Path) -> None:
    aim(served, "https://misp.grid.example/", "super-secret-key")
    assert [each.constituent for each in served.node.push_targets.all()] == [GRID]
    with served.node.db.read() as connection:
        row = connection.execute(store.targets.select()).one()
    assert b"super-secret-key" not in bytes(row.credential)
    at, add = served.clock.now(), served.node.push_targets.add
    with pytest.raises(UnknownConstituent):
        add("nobody", "https://misp.example/", KEY, at, by="operator")
    with pytest.raises(BadSource):
        add(GRID, "http://misp.example/", KEY, at, by="operator")
    with pytest.raises(BadSource):
        add(GRID, "https://misp.example/", "two\nlines", at, by="operator")
    with pytest.raises(UnknownTarget):
        served.node.pushing.push(BANK, by="operator")
    served.node.push_targets.remove(GRID, at, by="operator")
    with pytest.raises(UnknownTarget):
        push(served)
    with pytest.raises(UnknownTarget):
        served.node.push_targets.remove(GRID, at, by="operator")


def test_what_the_last_push_came_to_is_kept_and_a_dry_run_is_none(served: Served) -> None:
    served.collection()
    uuids = days(served, 3)
    peer = Peer()
    peer.replies = {uuids[0]: Reply(b"oops", 500)}
    with scripted(peer) as world:
        aim(served, world.address)
        push(served, dry_run=True)
        assert served.node.push_targets.standing(GRID, 10)[1:] == (None, [])
        push(served)
        _, last, sent = served.node.push_targets.standing(GRID, 10)
        assert last is not None
        assert (last.taken, last.failed_count, last.reason, last.left) == (2, 1, None, ())
        assert [(each.uuid, each.reason.code) for each in last.failed if each.reason] == [(uuids[0], "source-failed")]
        assert {each.uuid for each in sent} == set(uuids), "what left may have arrived, whatever was answered"
        assert len(served.node.push_targets.standing(GRID, 1)[2]) == 1
    push(served)
    _, last, _ = served.node.push_targets.standing(GRID, 10)
    assert last is not None
    assert last.reason is not None
    assert last.reason.code == "source-unreachable"
    aim(served, "https://misp.grid.example/")
    assert served.node.push_targets.standing(GRID, 10)[1] is None
