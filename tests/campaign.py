"""Kill processes of a running coalition at random instants while it works, then hold it to what it acknowledged."""

import json
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pyarrow.parquet as pq
from sqlalchemy import select

from mithaq.cli.demo.nodes import SENSOR
from mithaq.exchange import store as exchange_store
from mithaq.exchange.log import store as log_store
from mithaq.exchange.log.record import read_record
from mithaq.kernel import journal
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.tlog.tree import Edge, leaf_hash
from mithaq.node.composition import Node
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.lake.open_segment import read_segment, segment_path
from mithaq.telemetry.model import Event
from mithaq.telemetry.store import SEALED
from tests.coalition import Member
from tests.running import alive, until

SETTLE_S = 120
LABELS = ("TLP:GREEN", "TLP:AMBER")
"""What is AMBER waits for witnesses, which are killed too."""


@dataclass
class Feed(threading.Thread):
    """Add indicators at the first nation and show events to its partners; note only what was acknowledged."""

    members: Sequence[Member]
    seed: int
    pause_s: float = 0.03
    indicators: dict[str, str] = field(default_factory=dict)
    """Acknowledged values, each with the id of its indicator."""
    events: dict[str, list[bytes]] = field(default_factory=dict)
    """The acknowledged lines of each partner."""
    failures: int = 0

    def __post_init__(self) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.pick = random.Random(self.seed)
        self.events = {member.demo.nation.code: [] for member in self.members[1:]}

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        number = 0
        while not self.over.wait(self.pause_s):
            number += 1
            value = f"c2-{number}.s{self.seed}.example"
            if self.pick.random() < 0.3:
                self._show(value)  # seen before anybody knows what it is: found in retrospect
            answer = self._post(self.members[0], "/api/v1/indicators", _order(value, self.pick.choice(LABELS)))
            if answer is not None and answer.status_code == 201:
                (created,) = answer.json()["created"]
                self.indicators[value] = created["id"]
                self._show(value if self.pick.random() < 0.5 else self.pick.choice(list(self.indicators)))

    def _show(self, value: str) -> None:
        for member in self.members[1:]:
            line = _event(value, f"C{self.pick.getrandbits(60):x}")
            answer = self._post(member, f"/api/v1/telemetry/{SENSOR}", line)
            if answer is not None and answer.status_code == 202:
                self.events[member.demo.nation.code].append(line.strip())

    def _post(self, member: Member, path: str, body: bytes) -> httpx.Response | None:
        headers = {"authorization": f"Bearer {member.demo.token}", "content-type": "application/json"}
        try:
            return httpx.post(f"{member.demo.url}{path}", content=body, headers=headers, trust_env=False, timeout=10)
        except httpx.HTTPError:
            self.failures += 1
            return None


def _order(value: str, label: str) -> bytes:
    return json.dumps({"values": [value], "tlp": label, "pap": "PAP:GREEN"}).encode()


def _event(value: str, uid: str) -> bytes:
    line = {"_path": "dns", "ts": time.time(), "uid": uid, "id.orig_h": "192.0.2.7", "id.orig_p": 40000}
    return json.dumps(line | {"id.resp_h": "192.0.2.53", "id.resp_p": 53, "query": value}).encode() + b"\n"


_ENOUGH = 5
_PATIENCE_S = 120


def storm(members: Sequence[Member], seed: int, seconds: float) -> tuple[Feed, int]:
    """Feed the coalition and kill at random for some seconds or until enough has happened; leave every node running."""
    pick, feed, kills = random.Random(seed), Feed(members, seed), 0
    feed.start()
    ends = time.monotonic() + seconds
    last = ends + _PATIENCE_S
    while (now := time.monotonic()) < ends or (now < last and min(kills, len(feed.indicators)) < _ENOUGH):
        time.sleep(pick.uniform(0.2, 1.2))
        member = pick.choice(members)
        if pick.random() < 0.25:
            _kill_node(member)
            time.sleep(pick.uniform(0, 1))
            member.start()
        else:
            _kill_one(member, pick)
        kills += 1
    feed.over.set()
    feed.join(30)
    return feed, kills


def _kill_one(member: Member, pick: random.Random) -> None:
    """Kill one process, the supervisor excepted: a hunter as well as a role."""
    children = sorted(member.processes()[1:], key=lambda process: process.pid)
    if children:
        _kill(pick.choice(children))


def _kill_node(member: Member) -> None:
    """Cut the power: every process of a node dies at once."""
    whole = member.processes()
    for process in whole:
        _kill(process)
    until(lambda: not alive(whole), 10)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def settle(nodes: Sequence[Node], feed: Feed) -> None:
    """Wait until every acknowledged indicator has arrived and every acknowledged event is detected."""
    _, *partners = nodes
    for node in partners:
        until(
            lambda node=node: not _missing(node, feed), SETTLE_S, lambda node=node: f"missing: {_missing(node, feed)}"
        )
        until(
            lambda node=node: not _undetected(node, feed),
            SETTLE_S,
            lambda node=node: f"no hit: {_undetected(node, feed)}",
        )
    until(lambda: not any(map(_unreceipted, nodes)), SETTLE_S)


def _missing(node: Node, feed: Feed) -> list[str]:
    with node.db.read() as connection:
        return [name for name in feed.indicators.values() if not node.holdings.get(connection, name, ACTUAL)]


def _undetected(node: Node, feed: Feed) -> list[bytes]:
    hit = Counter(raw for _, raw in _hits(node))
    known = feed.indicators.keys()
    return [line for line in feed.events[node.nation] if json.loads(line)["query"] in known and not hit[line]]


def _unreceipted(node: Node) -> int:
    with node.db.read() as connection:
        rows = connection.execute(select(exchange_store.sent).where(exchange_store.sent.c.receipt.is_(None)))
        waiting = connection.execute(select(exchange_store.outbox))
        return len(rows.all()) + len(waiting.all())


def _hits(node: Node) -> Iterator[tuple[str, bytes]]:
    with node.db.read() as connection:
        after: int | None = None
        while True:
            page = node.detection.hits(connection, ACTUAL, after, 500)
            yield from ((hit.indicator_id, hit.raw) for hit in page.hits)
            if (after := page.next) is None:
                return


def demand_everything_once(nodes: Sequence[Node], feed: Feed) -> None:
    """Nothing that was acknowledged is lost, nothing was done twice; the nodes are at rest."""
    first, *partners = nodes
    for node in nodes:
        _demand_sound(node)
        _demand_logged_once(node)
    for node in partners:
        _demand_held_once(node, feed)
        _demand_exchanged_once(first, node)
        _demand_detected_once(node, feed)


def _demand_sound(node: Node) -> None:
    with closing(sqlite3.connect(node.folder.database)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with node.db.read() as connection:
        seqs = list(connection.scalars(select(journal.journal.c.seq).order_by(journal.journal.c.seq)))
    assert seqs == list(range(1, len(seqs) + 1))


def _demand_logged_once(node: Node) -> None:
    """Every number has its leaf, no leaf is there twice, and the log is the tree of its entries."""
    with node.db.read() as connection:
        row = log_store.newest_log(connection)
        if row is None:
            return
        entries = log_store.read_entries(connection, row.log, 0, row.edge.size + 1)
        records = [read_record(bytes(data)) for data in connection.scalars(select(log_store.records.c.record)).all()]
        sent = connection.execute(select(exchange_store.sent)).all()
    assert row.edge == Edge().extended(map(leaf_hash, entries))
    names = Counter((each.action, each.sender, each.recipient, each.sequence) for each in records)
    assert set(names.values()) <= {1}, names
    assert len(records) == row.edge.size
    logged = {(each.recipient, each.sequence, each.digest) for each in records}
    assert {(each.recipient, each.sequence, each.digest) for each in sent} <= logged
    assert all(each.frame for each in sent)


def _demand_held_once(node: Node, feed: Feed) -> None:
    with node.db.read() as connection:
        for object_id in feed.indicators.values():
            (version,) = node.holdings.get(connection, object_id, ACTUAL)
            (word,) = version.provenance
            assert (word.source, word.nation, word.standing) == ("partner", "XA", "stands")


def _demand_exchanged_once(sender: Node, recipient: Node) -> None:
    sent, received = exchange_store.sent, exchange_store.received
    with sender.db.read() as connection:
        out = connection.execute(
            select(sent).where(sent.c.recipient == recipient.nation).order_by(sent.c.sequence)
        ).all()
        entries = journal.entries(connection, 0, limit=1_000_000, kinds=frozenset({"exchange.receipt"}))
    with recipient.db.read() as connection:
        taken = connection.execute(
            select(received).where(received.c.sender == sender.nation).order_by(received.c.sequence)
        ).all()
    assert [row.sequence for row in out] == [row.sequence for row in taken] == list(range(1, len(out) + 1))
    assert [row.digest for row in out] == [row.digest for row in taken]
    assert all(row.receipt is not None for row in out)
    receipts = Counter(entry.subject for entry in entries)
    assert all(receipts[row.release_id] == 1 for row in out)


def _demand_detected_once(node: Node, feed: Feed) -> None:
    hits = Counter(_hits(node))
    assert not [hit for hit, count in hits.items() if count > 1]
    kept = Counter(_lake(node))
    lost = [line for line in feed.events[node.nation] if kept[line] != 1]
    assert not lost, f"{len(lost)} acknowledged lines are not in the lake exactly once"
    for line in feed.events[node.nation]:
        indicator = feed.indicators.get(json.loads(line)["query"])
        assert indicator is None or hits[(indicator, line)] == 1


def _lake(node: Node) -> Iterator[bytes]:
    """Yield the raw line of every event in the lake, whatever its segment's state."""
    with node.db.read() as connection:
        segments = telemetry_store.list_segments(connection, (telemetry_store.OPEN, telemetry_store.CLOSED, SEALED))
    for segment in segments:
        if segment.state == SEALED:
            path = _events_file(node.data, segment.path)
            yield from (row["raw"] for row in pq.read_table(path, columns=["raw"]).to_pylist())
        else:
            for block in read_segment(segment_path(node.data, segment.segment), segment.bytes):
                yield from (found.raw for found in block.events() if isinstance(found, Event))


def _events_file(data: Path, stem: str) -> Path:
    return data / f"{stem}.events.parquet"
