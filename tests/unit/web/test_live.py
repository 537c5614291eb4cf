"""The live page: what happens is told to those who may hear of it, and the stream ends with the session."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime, timedelta

import anyio
import pytest
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from mithaq.detection.hits.record import record_hits
from mithaq.kernel import journal
from mithaq.kernel.journal import Entry
from mithaq.nations.people.model import Actor, Role, Verb
from mithaq.nations.people.rules import verbs_of
from mithaq.node.composition import Node
from mithaq.node.feed import Feed
from mithaq.node.language import translator
from mithaq.web.happenings import TELLINGS, tell
from tests.country import Country
from tests.sight import hit_of


def told(node: Node, *roles: Role) -> list[tuple[str, str, str]]:
    actor = Actor("person--1", "A", verbs_of(roles), frozenset(roles))
    with node.db.read() as connection:
        entries = journal.entries(connection, 0)
        return [(h.tag, h.name, h.value) for h in tell(node, connection, entries, actor, translator("en"))]


def test_a_hit_and_new_intelligence_are_told_with_what_they_are_about(
    node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    with node.db.write(at) as tx:
        record_hits(tx, [hit_of(countries[0], 1, 1, at)])
    heard = told(node, Role.DUTY_OFFICER)
    assert ("Intelligence", "beacon 1", "") in heard
    assert ("Hit", "", "198.51.0.1") in heard


def test_an_administrator_hears_of_partners_but_of_no_intelligence(
    node: Node, countries: list[Country], at: datetime
) -> None:
    countries[0].add(1, at)
    tags = {tag for tag, _, _ in told(node, Role.ADMINISTRATOR)}
    assert "Partner" in tags
    assert not tags & {"Intelligence", "Hit", "Withheld", "Release"}


def test_the_audit_is_never_told_on_the_overview() -> None:
    assert "people.action" not in TELLINGS
    assert all(telling.verb in set(Verb) for telling in TELLINGS.values())


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_follower_is_told_at_once_in_order_and_without_a_gap(
    node: Node, countries: list[Country], at: datetime
) -> None:
    feed = Feed(node.db, node.run_dir)
    with node.db.read() as connection:
        after = journal.last_seq(connection)
    seen: list[int] = []
    with anyio.fail_after(10):
        async with aclosing(feed.follow(after)) as news:
            for number in range(1, 6):
                await anyio.to_thread.run_sync(countries[0].add, number, at)
                batch: list[int] = []
                while not batch:
                    batch = [entry.seq for entry in await anext(news)]
                seen += batch
    assert seen == list(range(after + 1, after + 6))


@pytest.mark.anyio
async def test_a_slow_follower_reads_what_left_the_shared_tail_from_the_database(
    node: Node, countries: list[Country], at: datetime
) -> None:
    feed = Feed(node.db, node.run_dir)
    feed._tail = type(feed._tail)(maxlen=2)
    with anyio.fail_after(10):
        async with aclosing(feed.follow(0)) as slow, aclosing(feed.follow(None, heartbeat_s=0.05)) as fast:
            await anext(fast)
            for number in range(1, 8):
                await anyio.to_thread.run_sync(countries[0].add, number, at)
            while not await anext(fast):
                pass
            seen: list[int] = []
            with node.db.read() as connection:
                last = journal.last_seq(connection)
            while not seen or seen[-1] < last:
                seen += [entry.seq for entry in await anext(slow)]
    assert seen == list(range(1, last + 1))


@pytest.mark.anyio
async def test_a_database_that_fails_for_a_moment_silences_no_follower(
    node: Node, countries: list[Country], at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = Feed(node.db, node.run_dir)
    with anyio.fail_after(10):
        async with aclosing(feed.follow(None, heartbeat_s=0.05)) as news:
            await anext(news)
            with monkeypatch.context() as failing:
                failing.setattr(feed, "_read", _refusing)
                await anyio.to_thread.run_sync(countries[0].add, 1, at)
                assert [await anext(news) for _ in range(4)] == [[]] * 4
            await anyio.to_thread.run_sync(countries[0].add, 2, at)
            kinds: list[str] = []
            while kinds.count("intelligence.stored") < 2:
                kinds += [entry.kind for entry in await anext(news)]


def _refusing(after: int) -> list[Entry]:
    raise OperationalError("SELECT", {}, ConnectionRefusedError("the server is starting"))


@pytest.mark.anyio
async def test_without_news_a_follower_gets_heartbeats(node: Node) -> None:
    async with aclosing(Feed(node.db, node.run_dir).follow(None, heartbeat_s=0.05)) as news:
        assert await anext(news) == []


@pytest.mark.anyio
async def test_the_last_follower_stops_the_listening(node: Node) -> None:
    feed = Feed(node.db, node.run_dir)
    async with aclosing(feed.follow(None, heartbeat_s=0.05)) as news:
        await anext(news)
        assert feed._listening is not None
    assert feed._listening is None


def test_a_stream_ends_when_its_person_is_shut_out(
    signed_in: Callable[..., TestClient], node: Node, countries: list[Country], at: datetime
) -> None:
    client = signed_in(Role.ANALYST)
    countries[0].add(1, at)
    person = node.people.persons()[0]
    node.people.disable(person.id, "person--admin", at)
    node.clock.at += timedelta(seconds=11)  # type: ignore[attr-defined]
    assert client.get("/live?after=0").status_code == 303
