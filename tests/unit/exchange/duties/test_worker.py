"""The worker's thread: woken by deadlines, and attestations over the real channel."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from mithaq.exchange.duties import store
from mithaq.exchange.duties.attestations import Attestations
from mithaq.exchange.duties.worker import DutyWorker
from mithaq.exchange.errors import PartnerRefused
from mithaq.kernel.clock import FixedClock
from tests.channel import CLOCK, World, opened
from tests.country import deliver
from tests.obliged import detect, keep_books, rows
from tests.running import until
from tests.world import XA

DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with opened(tmp_path) as found:
        yield found


def test_the_worker_sleeps_until_the_next_deadline_and_does_what_is_due_then(world: World) -> None:
    a, b = world.first, world.second
    object_id = world.add(1)
    at = CLOCK.now()
    deliver(a, b, at)
    clock = FixedClock(at)
    worker = DutyWorker(b.context, clock, world.run_dir(b), ())
    rest = worker.step()
    assert 3590 < rest <= 3600
    while clock.at < at + 90 * DAY - timedelta(minutes=10):
        clock.at = min(clock.at + 2 * DAY, at + 90 * DAY - timedelta(minutes=10))
        rest = worker.step()
    assert b.held(object_id)
    assert rest <= 601
    clock.at += timedelta(seconds=rest)
    worker.step()
    assert not b.held(object_id)
    assert all(row.envelope for row in rows(b, store.attestations))


def test_a_worker_that_doubts_its_clock_does_not_spin(world: World) -> None:
    a, b = world.first, world.second
    world.add(1)
    at = CLOCK.now()
    deliver(a, b, at)
    clock = FixedClock(at)
    worker = DutyWorker(b.context, clock, world.run_dir(b), ())
    worker.step()
    clock.at = at + 200 * DAY
    assert worker.step() == 60
    assert worker.step() == 60


def test_the_worker_erases_by_itself_and_is_woken_by_what_comes(world: World) -> None:
    """A real thread: the clock stands after the deadline, a release comes, and nobody polls."""
    a, b = world.first, world.second
    clock = FixedClock(CLOCK.now())
    worker = DutyWorker(b.context, clock, world.run_dir(b), ())
    stop = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stop,), daemon=True)
    thread.start()
    world.add(1)
    deliver(a, b, CLOCK.now())
    until(lambda: len(rows(b, store.retained)) == 1, 20, lambda: "the books were not kept")
    stop.set()
    world.add(2)
    deliver(a, b, CLOCK.now())
    thread.join(20)
    assert not thread.is_alive()


def test_an_attestation_goes_over_the_channel_to_whom_it_is_owed(world: World) -> None:
    a, b = world.first, world.second
    world.add(1)
    at = CLOCK.now()
    deliver(a, b, at)
    keep_books(a, at)
    clock = FixedClock(at)
    worker = DutyWorker(b.context, clock, world.run_dir(b), ("detection.matcher",))
    worker.step()
    while clock.at < at + 90 * DAY:
        clock.at += 2 * DAY
        worker.step()
    assert [row.envelope for row in rows(b, store.attestations)] == [None]
    detect(b, clock.at)
    worker.step()
    client = world.client(b)
    ((row, envelope),) = Attestations(b.context).due(XA)
    client.send_attestation(envelope)
    Attestations(b.context).delivered(row, clock.at)
    assert Attestations(b.context).due(XA) == []
    assert [each.state for each in rows(a, store.duties) if each.kind == "retention"] == ["fulfilled"]
    with pytest.raises(PartnerRefused, match="signature"):
        world.client(world.countries[2]).send_attestation(envelope)
