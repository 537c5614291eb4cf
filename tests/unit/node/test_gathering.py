"""The worker gathers the index in pauses, and goes on after a database that fails."""

from __future__ import annotations

import threading

from sqlalchemy import select

from mithaq.intelligence.postings import WHOLE
from mithaq.intelligence.tables import postings
from mithaq.node import worker
from mithaq.node.composition import Node
from tests.unit.intelligence.test_gathering import filled, index_of


class Resting(threading.Event):
    """Tell how long the work rests, and stop it when there is nothing left to do."""

    def __init__(self) -> None:
        super().__init__()
        self.rests: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.rests.append(timeout or 0)
        if timeout == worker._IDLE_S:
            self.set()
        return self.is_set()


def test_the_worker_gathers_until_nothing_is_left_and_rests_longer_than_it_works(node: Node) -> None:
    filled(node.db)
    with node.db.read() as connection:
        before = index_of(connection)
    stop = Resting()
    worker.gather(node, stop)
    with node.db.read() as connection:
        assert index_of(connection) == before
        parts = connection.scalars(select(postings.c.part).where(postings.c.segment == 0)).all()
    assert set(parts) == {WHOLE}
    assert stop.rests[-1] == worker._IDLE_S
    assert len(stop.rests) > 1
    assert min(stop.rests) > 0
