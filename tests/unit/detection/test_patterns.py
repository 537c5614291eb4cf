"""Patterns that say more than one observable can: found live, in unsealed and in sealed lines alike."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from mithaq.detection import store
from mithaq.detection.patterns import state
from mithaq.intelligence import watching
from mithaq.kernel.database import Database, DatabaseFailed
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.detection.worlds import Bench, indicator

CONN = {"_path": "conn", "uid": "C1", "ts": 1588205199.5, "id.orig_h": "10.0.0.1", "id.orig_p": 4711}
HTTP = {**CONN, "_path": "http", "host": "good.example", "uri": "/"}


@pytest.fixture
def bench(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    bench = Bench(db, tmp_path, at)
    bench.source()
    bench.start()
    yield bench
    bench.detector.close()


def conn(address: str, port: int) -> dict[str, object]:
    return {**CONN, "id.resp_h": address, "id.resp_p": port}


def seen(bench: Bench) -> list[tuple[str, bool]]:
    return sorted((hit.sight.seen.value, hit.retro) for hit in bench.hits())


def test_an_address_counts_only_with_the_port_beside_it(bench: Bench, at: datetime) -> None:
    pattern = "[network-traffic:dst_ref.value = '203.0.113.4' AND network-traffic:dst_port = 4444]"
    bench.push(conn("203.0.113.4", 4444), conn("203.0.113.4", 80))
    bench.settle()
    bench.store(indicator(pattern, at))
    bench.settle()
    assert seen(bench) == [("203.0.113.4", True)]
    bench.push(conn("203.0.113.4", 443), conn("203.0.113.9", 4444), conn("203.0.113.4", 4444))
    bench.settle()
    assert seen(bench) == [("203.0.113.4", False), ("203.0.113.4", True)]


def test_a_user_agent_is_found_live_and_in_retrospect(bench: Bench, at: datetime) -> None:
    pattern = "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'Evil/1.0 (x; \"y\")']"
    bench.push({**HTTP, "user_agent": 'Evil/1.0 (x; "y")'}, {**HTTP, "user_agent": 'evil/1.0 (x; "y") more'})
    bench.settle()
    bench.store(indicator(pattern, at))
    bench.settle()
    bench.push({**HTTP, "user_agent": 'Evil/1.0 (x; "y")', "uri": "/2"}, {**HTTP, "note": 'Evil/1.0 (x; "y")'})
    bench.settle()
    assert seen(bench) == [('Evil/1.0 (x; "y")', False), ('Evil/1.0 (x; "y")', True)]


def test_sealed_lines_are_judged_as_live_ones_are(db: Database, tmp_path: Path, at: datetime) -> None:
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1))
    bench.source()
    bench.start()
    header = b"#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.resp_h\tid.resp_p\n"
    rows = b"1588205199.5\tC\t10.0.0.1\t203.0.113.4\t4444\n1588205199.6\tD\t10.0.0.1\t203.0.113.4\t80\n"
    bench.telemetry.push("zeek", header + rows)
    bench.settle()
    bench.push({**HTTP, "user_agent": "Evil Agent"}, {**HTTP, "user_agent": "Evil Agents"})
    bench.settle()
    with db.read() as connection:
        assert len(telemetry_store.list_segments(connection, ("sealed",))) == 2
    agent = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
    bench.store(
        indicator("[network-traffic:dst_ref.value = '203.0.113.4' AND network-traffic:dst_port > 1024]", at),
        indicator(f"[{agent} = 'Evil Agent']", at),
    )
    bench.settle()
    assert seen(bench) == [("203.0.113.4", True), ("Evil Agent", True)]
    bench.detector.close()


TWO = "([domain-name:value = 'drop.example'] FOLLOWEDBY [ipv4-addr:value = '203.0.113.4']) WITHIN 60 SECONDS"


def dns(at: float) -> dict[str, object]:
    return {**CONN, "_path": "dns", "ts": at, "query": "x.drop.example"}


def call(at: float) -> dict[str, object]:
    return {**conn("203.0.113.4", 443), "ts": at}


def test_two_events_in_order_are_one_hit_that_names_the_other(bench: Bench, at: datetime) -> None:
    bench.store(indicator(TWO, at))
    bench.push(call(1000), dns(1010), call(1075))
    bench.settle()
    assert bench.hits() == []
    bench.push(call(1060))
    bench.settle()
    (hit,) = bench.hits()
    with bench.db.read() as connection:
        whole = store.get_hit(connection, hit.hit_id)
    assert whole is not None
    assert (hit.sight.seen.value, [each.sight.seen.value for each in whole.companions]) == (
        "203.0.113.4",
        ["x.drop.example"],
    )
    assert b"1010" in whole.companions[0].raw


@pytest.mark.parametrize("order", ["live", "retro", "around", "crash", "sealed"])
def test_however_the_two_are_found_it_is_the_same_hit(db: Database, tmp_path: Path, at: datetime, order: str) -> None:
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1) if order == "sealed" else None)
    bench.source()
    bench.start()
    if order in {"live", "crash"}:
        bench.store(indicator(TWO, at))
        bench.settle()
    bench.push(dns(1010))
    bench.settle()
    if order == "crash":
        bench.crash()
    if order == "around":
        bench.store(indicator(TWO, at))
        bench.settle()
    bench.push(call(1060), dns(1100))
    bench.settle()
    if order in {"retro", "sealed"}:
        bench.store(indicator(TWO, at))
        bench.settle()
    assert [(hit.event_at.timestamp(), hit.retro) for hit in bench.hits()] == [(1060, order in {"retro", "sealed"})]
    bench.detector.close()


def test_what_two_sources_saw_is_not_put_together(bench: Bench, at: datetime) -> None:
    bench.source("other")
    bench.store(indicator(TWO, at))
    bench.push(dns(1010))
    bench.push(call(1060), source="other")
    bench.settle()
    assert bench.hits() == []


def test_a_new_version_begins_anew_and_a_withdrawn_one_ends(bench: Bench, at: datetime) -> None:
    first = indicator("[domain-name:value = 'drop.example'] REPEATS 2 TIMES", at)
    bench.store(first)
    bench.push(dns(1), {**dns(2), "query": "other.example"})
    bench.settle()
    later = at + timedelta(seconds=1)
    bench.store(indicator("[domain-name:value = 'other.example'] REPEATS 2 TIMES", later, stix_id=first.stix.id))
    bench.settle()
    bench.push(dns(3))
    bench.settle()
    assert bench.hits() == []
    bench.push({**dns(4), "query": "other.example"})
    bench.settle()
    assert [hit.sight.seen.value for hit in bench.hits()] == ["other.example"]


def test_what_is_erased_leaves_nothing_of_its_events(bench: Bench, at: datetime) -> None:
    new = indicator(TWO, at)
    bench.store(new)
    bench.push(dns(1010), call(1060))
    bench.settle()
    (hit,) = bench.hits()
    with bench.db.write(at) as tx:
        store.redact_hits(tx, [hit.object_row])
        state.forget(tx, [hit.object_row])
    with bench.db.read() as connection:
        left = store.get_hit(connection, hit.hit_id)
        assert left is not None
        assert (left.raw, left.companions) == (b"", ())
        assert connection.execute(select(state.pattern_sights)).all() == []


def test_a_flood_of_parts_keeps_the_newest(bench: Bench, at: datetime) -> None:
    bench.store(indicator(TWO, at))
    bench.push(*({**dns(1000 + number), "uid": f"D{number}"} for number in range(state.KEPT + 50)))
    bench.settle()
    with bench.db.read() as connection:
        kept = connection.execute(select(state.pattern_sights.c.event_at)).scalars().all()
    assert len(kept) == state.KEPT
    assert min(kept).timestamp() == 1050
    bench.push(call(1000 + state.KEPT + 60))
    bench.settle()
    assert len(bench.hits()) == 1


def test_a_crash_between_the_parts_and_their_commit_repeats_them_once(
    bench: Bench, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store(indicator(TWO, at))
    bench.push(dns(1010))
    bench.detector.learn(at)

    def full(*_: object, **__: object) -> None:
        raise DatabaseFailed("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("mithaq.telemetry.intake.store.save_position", full)
        with pytest.raises(DatabaseFailed):
            bench.detector.read(at)
    bench.crash()
    bench.settle()
    bench.push(call(1060))
    bench.settle()
    assert len(bench.hits()) == 1
    with bench.db.read() as connection:
        assert len(connection.execute(select(state.pattern_sights)).all()) == 2


def test_all_hunts_include_those_for_whole_patterns(bench: Bench, at: datetime) -> None:
    bench.push(conn("203.0.113.4", 4444))
    bench.settle()
    bench.store(indicator("[ipv4-addr:value = '203.0.113.4' AND network-traffic:dst_port = 4444]", at))
    bench.settle()
    with bench.db.read() as connection:
        assert watching.rows_with_anchors(connection, at) == [hit.object_row for hit in bench.hits()]
