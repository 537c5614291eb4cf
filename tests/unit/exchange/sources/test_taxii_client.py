"""Collections are read whole and never twice, whatever is wrong with the server."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mithaq.exchange.sources.envelope import date_text
from mithaq.exchange.sources.model import NEXT_ALONE, RESUME_BY_SERVER_DATE
from tests.scripted import COLLECTION, TAXII, Asked, Reply, Scripted, TaxiiScript, scripted
from tests.taxii import made, name
from tests.unit.exchange.sources.conftest import Fetching

ROOT = "/taxii2/root/"
OBJECTS = f"{ROOT}collections/{COLLECTION}/objects/"
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)


def dated(at: datetime, count: int, *, step: timedelta = SECOND, first: int = 0) -> list[tuple[datetime, bytes]]:
    begun = at - timedelta(days=1)
    return [(begun + step * number, made(number)) for number in range(first, first + count)]


def names(count: int, first: int = 0) -> list[str]:
    return [name(number) for number in range(first, first + count)]


def read_twice(fetching: Fetching, script: TaxiiScript, **rest: Any) -> Scripted:
    """Read a collection, add ten objects to it, read it again: everything is there once."""
    count = len(script.objects)
    last = script.objects[-1][0]
    with scripted(script) as world:
        fetching.follow(world.address + "/taxii2/", **rest)
        outcome = fetching.run()
        assert (outcome.reason, outcome.stored, outcome.is_cut) == (None, count, False)
        assert sorted(fetching.held()) == names(count)
        script.objects += [(last + SECOND * (number + 1), made(count + number)) for number in range(10)]
        fetching.later(hours=1)
        again = fetching.run()
        assert (again.reason, again.stored) == (None, 10)
        assert sorted(fetching.held()) == names(count + 10)
        return world


def test_a_collection_is_found_by_discovery_and_read_to_its_end_in_one_run(fetching: Fetching, at: datetime) -> None:
    world = read_twice(fetching, TaxiiScript(dated(at, 250), most=20), options={"page_size": 20})
    pages = world.queries("/objects/")
    assert len(pages) == 13 + 1
    assert all("added_after" not in page for page in pages[:13])
    assert pages[13] == {"limit": "20", "added_after": date_text(at - timedelta(days=1) + 249 * SECOND)}
    stored = fetching.object(name(7))
    (word,) = stored.provenance
    assert (stored.body, word.nation, word.source, word.tlp.label) == (made(7), "source:feed", "import", "TLP:GREEN")
    assert [each["stored"] for each in fetching.journal("exchange.fetched")] == [250, 10]
    assert fetching.journal("exchange.fetch-failed") == []


@pytest.mark.parametrize(
    "address", ["/taxii2/", ROOT, f"{ROOT}collections/", OBJECTS, OBJECTS.removesuffix("objects/")]
)
@pytest.mark.parametrize("collection", [COLLECTION, "indicators", "Indicators"])
def test_any_address_of_a_collection_does(quick: Fetching, at: datetime, address: str, collection: str) -> None:
    with scripted(TaxiiScript(dated(at, 3))) as world:
        quick.follow(world.address + address, collection=collection)
        assert quick.run().stored == 3


def test_next_goes_with_the_filters_it_was_given_with(quick: Fetching, at: datetime) -> None:
    script = TaxiiScript(dated(at, 30), most=10)
    with scripted(script) as world:
        quick.follow(world.address + "/taxii2/", options={"types": ["indicator"]})
        quick.run()
        script.objects += dated(at, 25, first=30)
        quick.run()
        pages = world.queries("/objects/")
        assert [page.get("match[type]") for page in pages] == ["indicator"] * 6
        assert [page.get("next") for page in pages] == [None, "10", "20", None, "10", "20"]
        after = date_text(at - timedelta(days=1) + 29 * SECOND)
        assert [page.get("added_after") for page in pages] == [None, None, None, after, after, after]
    assert len(quick.held()) == 55


def test_a_server_that_wants_next_alone_gets_it_alone(quick: Fetching, at: datetime) -> None:
    """One that carries its filters in `next` and refuses them beside it."""

    def strict(asked: Asked, reply: Reply) -> Reply:
        return Reply.of({}, status=400) if {"next", "added_after"} <= asked.query.keys() else reply

    script = TaxiiScript(dated(at, 30), most=10, change=strict)
    with scripted(script) as world:
        quick.follow(world.address + "/taxii2/", flags=[NEXT_ALONE])
        quick.run()
        script.objects = dated(at, 25, first=29)
        assert quick.run().reason is None
        assert [set(page) for page in world.queries("/objects/")][4:] == [{"limit", "next"}] * 2


@pytest.mark.parametrize("most", [7, 100])
def test_inclusive_added_after_ends(fetching: Fetching, at: datetime, most: int) -> None:
    read_twice(fetching, TaxiiScript(dated(at, 50), most=most, inclusive=True))


@pytest.mark.parametrize("pages_by", ["next", "nothing"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_equal_dates_over_page_borders_lose_nothing(
    quick: Fetching, at: datetime, pages_by: str, inclusive: bool
) -> None:
    """Seventeen of twenty objects that bear one date, ten on a page; without `next` as well as with it."""
    same = [(at, made(number)) for number in range(3, 20)]
    script = TaxiiScript([*dated(at, 3), *same], most=10 if pages_by == "next" else 10_000, inclusive=inclusive)
    script.pages_by = pages_by
    world = read_twice(quick, script, options={"page_size": 10})
    if pages_by == "nothing":
        assert max(int(page["limit"]) for page in world.queries("/objects/")) > 10


def test_more_without_next_goes_on_by_date(fetching: Fetching, at: datetime) -> None:
    read_twice(fetching, TaxiiScript(dated(at, 95), most=10, pages_by="nothing"))


@pytest.mark.parametrize("inclusive", [True, False])
def test_more_without_next_where_a_date_fills_more_than_a_page_is_told_and_not_skipped(
    quick: Fetching, at: datetime, inclusive: bool
) -> None:
    objects = [*dated(at, 5), *[(at, made(number)) for number in range(5, 40)]]
    with scripted(TaxiiScript(objects, most=10, pages_by="nothing", inclusive=inclusive)) as world:
        quick.follow(world.address + "/taxii2/", options={"page_size": 10})
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-circles"
        assert len(world.asked) < 40
        assert quick.progress().cursor["added_after"] < date_text(at)


def test_more_for_ever_ends(quick: Fetching, at: datetime) -> None:
    """The same page again and again, with a new cursor each time or with the same, or none at all."""
    numbers = iter(range(10**6))

    def turning(asked: Asked, reply: Reply) -> Reply:
        if asked.path != OBJECTS:
            return reply
        return Reply.of({"more": True, "next": f"page-{next(numbers)}", "objects": [json.loads(made(1))]})

    for number, change in enumerate(
        (turning, lambda asked, reply: Reply.of({"more": True}) if asked.path == OBJECTS else reply)
    ):
        with scripted(TaxiiScript([], change=change)) as world:
            quick.follow(world.address + "/taxii2/", name=f"feed-{number}")
            outcome = quick.run(f"feed-{number}")
            assert outcome.reason is not None
            assert outcome.reason.code == "source-circles"
            assert len(world.asked) < 30


def test_without_the_date_header_the_manifest_says_where_to_go_on(fetching: Fetching, at: datetime) -> None:
    world = read_twice(fetching, TaxiiScript(dated(at, 35), most=10, says_dates=False))
    assert len(world.queries("/manifest/")) == 2
    assert world.queries("/objects/")[4]["added_after"] == date_text(at - timedelta(days=1) + 34 * SECOND)


def test_without_any_date_everything_is_asked_for_again_and_nothing_is_lost(fetching: Fetching, at: datetime) -> None:
    script = TaxiiScript(dated(at, 35), most=10, says_dates=False, says_manifest=False)
    world = read_twice(fetching, script)
    assert all("added_after" not in page for page in world.queries("/objects/"))


def test_a_servers_clock_is_believed_only_where_it_was_allowed(quick: Fetching, at: datetime) -> None:
    script = TaxiiScript(dated(at, 35), says_dates=False, says_manifest=False)
    with scripted(script) as world:
        quick.follow(world.address + "/taxii2/", flags=[RESUME_BY_SERVER_DATE])
        quick.run()
        script.objects.append((datetime.now(at.tzinfo), made(35)))
        assert quick.run().stored == 1
        after = world.queries("/objects/")[1]["added_after"]
    left = datetime.now(at.tzinfo) - datetime.fromisoformat(after)
    assert timedelta(minutes=59) < left < timedelta(minutes=70)
    assert quick.clock.now() == at


def by_script(at: datetime) -> str:
    return at.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")


@pytest.mark.parametrize(
    ("date", "manifests"),
    [
        (by_script, 0),
        (lambda at: at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), 0),
        (lambda at: date_text(at).replace("Z", "123Z"), 0),
        (lambda at: at.isoformat(), 0),
        (lambda _: "undefined", 2),
        (lambda _: "null", 2),
        (lambda _: "", 2),
    ],
)
def test_dates_written_oddly_are_read_and_what_is_none_is_passed_over(
    quick: Fetching, at: datetime, date: Callable[[datetime], str], manifests: int
) -> None:
    script = TaxiiScript(dated(at, 35, step=timedelta(milliseconds=1.5)), most=10, date=date)
    world = read_twice(quick, script)
    assert len(world.queries("/manifest/")) == manifests


def test_newest_first_is_read_whole_too(quick: Fetching, at: datetime) -> None:
    read_twice(quick, TaxiiScript(dated(at, 45), most=10, is_descending=True))


@pytest.mark.parametrize("packed", [True, False])
def test_items_for_objects_and_odd_media_types_are_taken(quick: Fetching, at: datetime, packed: bool) -> None:
    kinds = iter(["text/plain", "application/json; charset=utf-8", "application/vnd.api+json", "text/html"] * 9)

    def odd(asked: Asked, reply: Reply) -> Reply:
        reply.headers["content-type"] = next(kinds)
        reply.body = b"\xef\xbb\xbf \r\n" + reply.body
        return reply.packed() if packed else reply

    read_twice(quick, TaxiiScript(dated(at, 30), most=10, objects_key="items", change=odd))


def test_a_server_without_the_last_slash_is_asked_without(quick: Fetching, at: datetime) -> None:
    script = TaxiiScript(dated(at, 30), most=10)

    def bare(asked: Asked) -> Reply:
        if asked.path.endswith("/"):
            return Reply(b"<html>404</html>", 404, {"content-type": "text/html"})
        return script(Asked(asked.path + "/", asked.query, asked.headers))

    with scripted(bare) as world:
        quick.follow(world.address + "/taxii2/")
        assert quick.run().stored == 30
        assert len(world.asked) == 6


def test_a_server_that_wants_its_media_type_as_a_text_is_asked_for_it(quick: Fetching, at: datetime) -> None:
    def picky(asked: Asked, reply: Reply) -> Reply:
        return reply if asked.headers["accept"] == "application/taxii+json" else Reply(b"", 406)

    with scripted(TaxiiScript(dated(at, 30), most=10, change=picky)) as world:
        quick.follow(world.address + "/taxii2/")
        assert quick.run().stored == 30
        assert [each.headers["accept"] for each in world.asked[3:]] == ["application/taxii+json"] * 4


@pytest.mark.parametrize("status", [413, 414, 500, 502, 504])
def test_a_page_that_is_too_much_for_the_server_is_asked_for_smaller(
    quick: Fetching, at: datetime, status: int
) -> None:
    def weak(asked: Asked, reply: Reply) -> Reply:
        return Reply(b"<html>", status) if int(asked.query.get("limit", 0)) > 100 else reply

    with scripted(TaxiiScript(dated(at, 150), change=weak)) as world:
        quick.follow(world.address + "/taxii2/")
        assert quick.run().stored == 150
        assert [page["limit"] for page in world.queries("/objects/")] == ["1000", "250", "62", "62", "62"]
        quick.run()
        assert [page["limit"] for page in world.queries("/objects/")[5:]] == ["124", "31"]


def test_half_a_body_is_asked_for_smaller_and_then_ends_the_run(quick: Fetching, at: datetime) -> None:
    def breaking(asked: Asked, reply: Reply) -> Reply:
        if asked.path == OBJECTS and int(asked.query["limit"]) > limit[0]:
            reply.cut = len(reply.body) // 2
        return reply

    limit = [100]
    with scripted(TaxiiScript(dated(at, 90), most=1000, change=breaking)) as world:
        quick.follow(world.address + "/taxii2/")
        assert quick.run().stored == 90
        quick.sources.restart("feed", at)
        limit[0] = 0
        outcome = quick.run()
        assert outcome.reason is not None
        assert (outcome.reason.code, outcome.stored) == ("source-broken-off", 0)
        assert quick.progress().cursor == {}
        assert len(world.asked) < 20


def test_what_the_server_forgot_is_asked_for_by_date(fetching: Fetching, at: datetime) -> None:
    """Its cursors live in one process behind a load balancer: past the second page they are unknown."""
    forgotten = []

    def forgetful(asked: Asked, reply: Reply) -> Reply:
        if asked.query.get("next") == "20" and not forgotten:
            forgotten.append(asked)
            return Reply.of({"title": "bad next", "http_status": "400"}, status=400)
        return reply

    same = [(at - timedelta(days=1) + SECOND * (number // 7), made(number)) for number in range(60)]
    with scripted(TaxiiScript(same, most=10, change=forgetful)) as world:
        fetching.follow(world.address + "/taxii2/")
        outcome = fetching.run()
        assert (outcome.reason, outcome.stored, sorted(fetching.held())) == (None, 60, names(60))
        assert "next" not in world.queries("/objects/")[3]


def test_a_page_that_is_no_json_ends_the_run_where_it_was(quick: Fetching, at: datetime) -> None:
    bad = Reply(b"<html><body>We are sorry</body></html>", headers={"content-type": "text/html"})
    replies = {"20": bad}

    def failing(asked: Asked, reply: Reply) -> Reply:
        return replies.get(asked.query.get("next", ""), reply)

    with scripted(TaxiiScript(dated(at, 50), most=10, change=failing)) as world:
        quick.follow(world.address + "/taxii2/")
        for body in (bad.body, b"", b'{"objects": [', b"[1, 2]", b"\xff\xfe", b'{"objects": 3}', b"[" * 100_000):
            bad.body = body
            if not body:
                continue
            before = quick.progress().cursor
            outcome = quick.run()
            assert outcome.reason is not None, body
            assert outcome.reason.code == "source-unreadable", body
            assert before in ({}, quick.progress().cursor)
            assert len(quick.held()) == 20
        assert quick.progress().failures == 6
        replies.clear()
        assert quick.run().stored == 30
        assert world.queries("/objects/")[-3]["next"] == "20"
        assert quick.progress().failures == 0


def test_a_collection_that_may_not_be_read_or_is_not_there_stops_the_source(quick: Fetching, at: datetime) -> None:
    def closed(asked: Asked, reply: Reply) -> Reply:
        if asked.path.endswith("/collections/"):
            return Reply.of({"collections": [{"id": COLLECTION, "title": "Indicators", "can_read": False}]})
        return reply

    with scripted(TaxiiScript(dated(at, 5), change=closed)) as world:
        for name_, collection in (("closed", "Indicators"), ("missing", "Other")):
            quick.follow(world.address + "/taxii2/", name=name_, collection=collection)
            outcome = quick.run(name_)
            assert outcome.reason is not None
            assert (outcome.reason.code, quick.progress(name_).standing) == ("source-refused", "stopped")


def test_a_discovery_that_names_other_hosts_leads_nowhere(quick: Fetching, at: datetime) -> None:
    with scripted(TaxiiScript(dated(at, 5))) as other:

        def elsewhere(asked: Asked) -> Reply:
            return Reply.of({"title": "T", "api_roots": [f"{other.address}{ROOT}", "//evil.example/", "file:///etc/"]})

        with scripted(elsewhere) as world:
            quick.follow(world.address + "/taxii2/")
            outcome = quick.run()
            assert outcome.reason is not None
            assert outcome.reason.code == "source-refused"
        assert other.asked == []


@pytest.mark.parametrize("roots", [5, {"a": 1}, [5, None, {}]])
def test_a_discovery_whose_roots_are_none_is_refused(quick: Fetching, roots: object) -> None:
    with scripted(lambda asked: Reply.of({"title": "T", "api_roots": roots})) as world:
        quick.follow(world.address + "/taxii2/")
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.code == "source-refused"


def test_taxii_20_is_told_apart(quick: Fetching, at: datetime) -> None:
    def old(asked: Asked, reply: Reply) -> Reply:
        reply.headers["content-type"] = "application/vnd.oasis.stix+json; version=2.0"
        return reply

    with scripted(TaxiiScript(dated(at, 5), change=old)) as world:
        quick.follow(world.address + "/taxii2/")
        outcome = quick.run()
        assert outcome.reason is not None
        assert outcome.reason.message == "it speaks TAXII 2.0 alone"


def test_a_server_that_writes_objects_anew_each_time_conflicts_with_nothing(fetching: Fetching, at: datetime) -> None:
    """The same version with its members in another order: known, not a conflict; a changed one is set aside."""
    script = TaxiiScript(dated(at, 5), inclusive=True)
    with scripted(script) as world:
        fetching.follow(world.address + "/taxii2/")
        fetching.run()
        anew = [json.dumps(dict(reversed(json.loads(body).items()))).encode() for _, body in script.objects]
        script.objects = [(at, body) for body in anew]
        outcome = fetching.run()
        assert (outcome.stored, outcome.known, outcome.quarantined) == (0, 5, 0)
        changed = json.loads(made(1)) | {"description": "changed in silence"}
        script.objects.append((at + SECOND, json.dumps(changed).encode()))
        assert fetching.run().quarantined == 1
        assert fetching.reasons() == [(name(1), "version-conflict")]


def test_every_request_is_one_of_taxii_with_a_credential_of_its_own(quick: Fetching, at: datetime) -> None:
    with scripted(TaxiiScript(dated(at, 25), most=10)) as world:
        quick.follow(world.address + "/taxii2/")
        quick.run()
        assert {each.headers["accept"] for each in world.asked} == {TAXII}
        assert all(
            "authorization" not in each.headers and each.headers["host"] in world.address for each in world.asked
        )
