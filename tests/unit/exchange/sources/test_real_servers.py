"""Against the real thing: another nation's own TAXII server, with taxii2-client beside it as the peer."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import taxii2client.v21 as taxii

from mithaq.exchange.sources.credentials import Credential
from mithaq.exchange.sources.model import CREDENTIAL_OVER_HTTP, PRIVATE_NETWORK
from mithaq.exchange.sources.worker import SourceWorker
from mithaq.kernel.database import Database
from tests.scripted import Asked, Reply, TaxiiScript, scripted
from tests.taxii import GRID, Served, listening_node, made, name
from tests.unit.exchange.sources.conftest import GREEN, Fetching
from tests.unit.exchange.sources.test_taxii_client import dated


@pytest.fixture
def partner(tmp_path: Path, at: datetime) -> Iterator[Served]:
    found = Served.found(tmp_path / "partner", at)
    found.collection(audience=(GRID,))
    yield found
    found.country.db.close()


def test_a_node_reads_what_another_nodes_server_gives_byte_for_byte(partner: Served, fetching: Fetching) -> None:
    partner.store(*[made(number) for number in range(120)], made(500, "intrusion-set", name="Quiet Crane"))
    with listening_node(partner) as address:
        fetching.follow(
            f"{address}/taxii2/",
            collection="Title of feed",
            credential=Credential("basic", partner.secret(), user=GRID),
            flags=[CREDENTIAL_OVER_HTTP],
            options={"page_size": 25},
        )
        outcome = fetching.run()
        assert (outcome.reason, outcome.stored, outcome.requests) == (None, 121, 2 + 5)
        peer = taxii.Server(f"{address}/taxii2/", user=GRID, password=partner.secret()).api_roots[0].collections[0]
        theirs = [each["id"] for page in taxii.as_pages(peer.get_objects, per_request=25) for each in page["objects"]]
        assert fetching.held() == theirs
        assert all(fetching.object(name(number)).body == made(number) for number in (0, 60, 119))
        partner.store(*[made(number) for number in range(120, 130)])
        again = fetching.run()
        assert (again.stored, again.known, again.requests) == (10, 0, 1)
        assert fetching.run().requests == 1
        account = partner.node.constituents.accounts(GRID)[-1]
        for each in partner.node.constituents.accounts(GRID):
            partner.node.constituents.revoke(each.id, partner.clock.now())
        assert account is not None
        refused = fetching.run()
        assert refused.reason is not None
        assert (refused.reason.code, fetching.progress().standing) == ("source-refused", "stopped")


def test_what_a_partner_gave_under_terms_stays_under_them_when_the_world_has_it_too(
    fetching: Fetching, at: datetime
) -> None:
    """The same bytes from a feed are no word of their own; other bytes of that object are."""
    from mithaq.intelligence.model import NewObject, Provenance
    from mithaq.kernel.lane import ACTUAL
    from mithaq.standards import stix
    from mithaq.standards.tlp import Tlp
    from tests.world import XB

    body = made(1)
    said = Provenance("partner", XB, "agreement--1", 1, "release--1", "defence", Tlp.AMBER, None, {"x": 1}, at)
    with fetching.db.write(at) as tx:
        fetching.holdings.store(tx, [NewObject(body, stix.parse(body), ACTUAL, said)])
    script = TaxiiScript([(at, body), (at, made(2))])
    with scripted(script) as world:
        fetching.follow(world.address + "/taxii2/")
        outcome = fetching.run()
        assert (outcome.stored, outcome.known) == (1, 1)
        assert [word.nation for word in fetching.object(name(1)).provenance] == [XB]
        script.objects.append((at + timedelta(seconds=1), made(1, modified="2026-11-23T12:00:00.000Z")))
        assert fetching.run().stored == 1
        assert [word.nation for word in fetching.object(name(1)).provenance] == ["source:feed"]


def test_two_sources_speak_for_themselves(fetching: Fetching, at: datetime) -> None:
    """The same object, then another version from one: the other's word is neither conflict nor replaced."""
    first, second = TaxiiScript([(at, made(1))]), TaxiiScript([(at, made(1)), (at, made(2, description="theirs"))])
    with scripted(first) as one, scripted(second) as two:
        fetching.follow(one.address + "/taxii2/", name="one")
        fetching.follow(two.address + "/taxii2/", name="two")
        assert (fetching.run("one").stored, fetching.run("two").stored) == (1, 1)
        assert {word.nation for word in fetching.object(name(1)).provenance} == {"source:one", "source:two"}
        first.objects.append((at + timedelta(seconds=1), made(2)))
        first.objects.append((at + timedelta(seconds=2), made(1, modified="2026-11-23T12:00:00.000Z")))
        outcome = fetching.run("one")
        assert (outcome.stored, outcome.quarantined) == (2, 0)
        assert fetching.held("two") == [name(1), name(2)]


_RUN = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from mithaq.kernel.clock import FixedClock
from mithaq.kernel.database import Database
from tests.unit.exchange.sources.conftest import Fetching
db = Database.open(sys.argv[1], run_dir=Path(sys.argv[2]) / "run")
fetching = Fetching(db, Path(sys.argv[2]), FixedClock(datetime.fromisoformat(sys.argv[3])))
print("begun", flush=True)
fetching.run()
"""


def test_killed_at_any_page_it_begins_after_the_last_that_was_kept(
    db: Database, db_url: str, fetching: Fetching, at: datetime, tmp_path: Path
) -> None:
    """Killed with -9 while a page is on its way, three times: no page is lost, and none is taken twice."""
    victims: list[subprocess.Popen[bytes]] = []
    deadly = {"20", "50", "60"}

    def killing(asked: Asked, reply: Reply) -> Reply:
        page = asked.query.get("next", "")
        if page in deadly:
            deadly.discard(page)
            os.kill(victims[-1].pid, signal.SIGKILL)
        return reply

    with scripted(TaxiiScript(dated(at, 80), most=10, change=killing)) as world:
        fetching.follow(world.address + "/taxii2/")
        for _ in range(3):
            line = [sys.executable, "-c", _RUN, db_url, str(tmp_path), at.isoformat()]
            victims.append(subprocess.Popen(line, cwd=Path(__file__).parents[4], stdout=subprocess.PIPE))
            assert victims[-1].wait(120) == -signal.SIGKILL
            assert victims[-1].stdout is not None
            victims[-1].stdout.close()
        held = fetching.held()
        assert len(held) == len(set(held)) == 60
        outcome = fetching.run()
        assert (outcome.reason, outcome.stored, outcome.known) == (None, 20, 0)
        asked = [page.get("next") for page in world.queries("/objects/")]
        assert asked == [None, "10", "20", "20", "30", "40", "50", "50", "60", "60", "70"]
    assert db.dialect in {"sqlite", "postgresql"}


def test_the_worker_is_woken_by_a_person_and_by_the_clock(quick: Fetching, at: datetime, tmp_path: Path) -> None:
    import threading

    script = TaxiiScript(dated(at, 3))
    stop = threading.Event()
    with scripted(script) as world:
        quick.sources.add("feed", "taxii", world.address + "/taxii2/", at, terms=GREEN, collection="Indicators",
                          flags=[PRIVATE_NETWORK])  # fmt: skip
        worker = SourceWorker(quick.db, quick.running, quick.clock, tmp_path / "run")
        assert worker.step() == 0
        assert worker.step() == 300
        script.objects += dated(at, 3, first=3)
        thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
        thread.start()
        try:
            while not list((tmp_path / "run").glob("sources-*.wake")):
                time.sleep(0.01)
            quick.sources.ask("feed", quick.clock.now())
            deadline = time.monotonic() + 60
            while len(quick.held()) < 6 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert len(quick.held()) == 6
        finally:
            stop.set()
            quick.sources.pause("feed", quick.clock.now())
            thread.join(30)
        assert not thread.is_alive()
        quick.sources.resume("feed", quick.clock.now())
        assert worker.step() == 0
        quick.later(seconds=3599)
        assert 0 < worker.step() <= 1
        quick.later(seconds=2)
        assert worker.step() == 0
