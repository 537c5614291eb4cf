"""Questions to the lake: whatever lies sealed, closed or open answers alike, within limits, and whatever is damaged."""

import re
from array import array
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from mithaq.detection import store
from mithaq.detection.errors import BadSavedHunt, QuestionRefused, UnknownQuestion
from mithaq.detection.hits.groups import hit_groups
from mithaq.detection.model import Sight
from mithaq.detection.patterns.state import pattern_sights
from mithaq.detection.questions.model import Answer, State
from mithaq.detection.questions.service import Questions
from mithaq.kernel.database import Database
from mithaq.kernel.lane import Lane
from mithaq.telemetry import store as telemetry_store
from mithaq.telemetry.errors import BadQuestion
from mithaq.telemetry.lake.index import SealedIndex, index_path
from mithaq.telemetry.lake.layout import FORMAT
from mithaq.telemetry.lake.question import Condition, Operator, Question
from mithaq.telemetry.settings import TelemetryLimits
from tests.unit.detection.sigma.rules import selection
from tests.unit.detection.worlds import LIMITS, Bench, indicator
from tests.unit.telemetry.events import CONN, DNS, SYSMON

EXERCISE = "exercise--00000000-0000-4000-8000-000000000001"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(params=["sealed", "open"])
def bench(request: pytest.FixtureRequest, db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    """A node with lines of three sensors: Parquet, or as they came."""
    limits = TelemetryLimits(segment_bytes=1) if request.param == "sealed" else TelemetryLimits()
    bench = Bench(db, tmp_path, at, limits)
    bench.source("zeek")
    bench.source("windows")
    bench.source("drill", Lane.parse(EXERCISE))
    bench.start()
    lines = [CONN, {**CONN, "id.orig_h": "10.9.0.1", "id.resp_p": 80}, DNS]
    bench.push(
        *(
            {"ts": (NOON + timedelta(hours=hour)).timestamp(), "uid": f"C{hour}", **each}
            for hour, each in enumerate(lines)
        )
    )
    bench.push({**SYSMON, "@timestamp": NOON.isoformat()}, source="windows")
    bench.push({"ts": NOON.timestamp(), "uid": "D", **DNS}, source="drill")
    bench.settle()
    yield bench
    bench.detector.close()


def of(*conditions: tuple[str, str, str], **more: Any) -> Question:
    return Question(
        conditions=tuple(Condition(field, Operator(how), value) for field, how, value in conditions), **more
    )


def asked(bench: Bench, question: Question) -> tuple[Answer, list[str]]:
    questions = Questions(bench.db)
    answer_id = questions.ask(question, by="p", at=bench.at)
    bench.settle()
    assert questions.answer(answer_id).state is State.DONE
    return questions.answer(answer_id), [row.kind for row in questions.rows(answer_id)]


def test_sealed_and_unsealed_lines_are_asked_alike(bench: Bench) -> None:
    for question, kinds in (
        (of(("source.ip", "in-network", "10.0.0.0/24")), ["zeek.dns", "zeek.conn"]),
        (Question(values=("evil[.]example",)), ["zeek.dns"]),
        (Question(sources=("drill",), lane=EXERCISE), ["zeek.dns"]),
        (Question(sources=("drill",)), []),
    ):
        answer, rows = asked(bench, question)
        assert rows == kinds
        assert (answer.rows, answer.stopped, answer.unread, answer.older) == (len(kinds), "", 0, 0)
        assert answer.parts_done == answer.parts
    assert not list((bench.data / "lake").glob(".asking/*"))


def test_an_answer_has_the_original_line(bench: Bench) -> None:
    found, _ = asked(bench, of(("process.command_line", "contains", "whoami")))
    (row,) = Questions(bench.db).rows(found.answer_id)
    assert b'"CommandLine": "cmd /c WhoAmI 100%_x"' in row.raw
    assert (row.source, row.event_at) == ("windows", "2026-11-20T12:00:00.000Z")


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question(), "needs a value"),
        (Question(values=("no value",)), "not an address"),
        (of(("source.ip", "is", "evil.example")), "not an address"),
        (of(("source.ip", "contains", "10.")), "cannot be asked"),
        (of(("source.port", "is", "1e3")), "not a number"),
        (of(("raw; drop table", "is", "x")), "no such field"),
        (of(("user.name", "is", " ")), "needs a value"),
        (of(("user.name", "is", "x\0")), "needs a value"),
        (Question(values=("a.example",), since=NOON, until=NOON), "ends before"),
        (Question(values=("192.0.2.1",) * 1001), "at most 1000"),
    ],
)
def test_what_cannot_be_answered_is_refused(db: Database, at: datetime, question: Question, message: str) -> None:
    with pytest.raises(BadQuestion, match=message):
        Questions(db).ask(question, by="p", at=at)


@pytest.fixture
def many(db: Database, tmp_path: Path, at: datetime) -> Iterator[Bench]:
    """A node with four sealed segments, one event each."""
    bench = Bench(db, tmp_path, at, TelemetryLimits(segment_bytes=1), replace(LIMITS, segments_before_merge=99))
    bench.source("zeek")
    bench.start()
    for number in range(4):
        bench.push({"ts": NOON.timestamp() + number, "uid": f"C{number}", **CONN, "query": f"n{number}.example"})
        bench.settle()
    yield bench
    bench.detector.close()


def segments(bench: Bench) -> list[telemetry_store.Segment]:
    with bench.db.read() as connection:
        return telemetry_store.list_segments(connection, ("sealed",))


def cut(path: Path) -> None:
    body = path.read_bytes()
    path.write_bytes(body[: len(body) // 2])


def spoil(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[4 + len(body) // 8 : 4 + len(body) // 4] = bytes(len(body) // 4 - len(body) // 8)
    path.write_bytes(bytes(body))


@pytest.mark.parametrize("harm", [cut, Path.unlink, spoil], ids=["cut", "gone", "spoilt"])
def test_damaged_segments_are_told_and_the_rest_is_answered(many: Bench, harm: Any) -> None:
    first, second, third, last = segments(many)
    for segment, suffix in ((first, ".events.parquet"), (second, ".values.parquet"), (third, ".index")):
        harm(many.data / f"{segment.path}{suffix}")
    many.crash()
    many.store(indicator("[ipv4-addr:value = '198.51.100.7']", many.at))
    many.settle()
    # An index is made anew; while it is whole, the values are not needed, nor what of the events is spoilt here.
    assert len(many.hits()) == (4 if harm is spoil else 3)
    found, rows = asked(many, Question(values=("198.51.100.7",)))
    assert (len(rows), found.unread) == (2, 2)
    assert [each.segment for each in many.telemetry.troubled()] == [first.segment, second.segment]
    assert all("segment" in each.trouble for each in many.telemetry.troubled())
    assert last.segment not in {each.segment for each in many.telemetry.troubled()}


def first_form(index: SealedIndex, _whole: bytes) -> bytes:
    """Return an index as the first programs wrote it: fingerprints alone."""
    parts = [bytes(index.part(name)) for name in ("values", "ipv4", "ipv6")]
    return b"mithaqv1" + array("Q", [len(part) // 8 for part in parts]).tobytes() + b"".join(parts)


def flipped(index: SealedIndex, whole: bytes) -> bytes:
    """Return an index with damage that only those see who read what was seen."""
    body = bytearray(whole)
    body[index.contents.parts["sights"][1] - 1] ^= 1
    return bytes(body)


@pytest.mark.parametrize("harm", [first_form, flipped], ids=["first form", "damaged"])
def test_an_index_that_names_no_rows_is_made_anew_by_the_hunt_that_needs_them(many: Bench, harm: Any) -> None:
    first, second, *_ = segments(many)
    whole = {}
    for segment in (first, second):
        index = SealedIndex.open(many.data, segment.path)
        whole[segment.path] = index_path(many.data, segment.path).read_bytes()
        index_path(many.data, segment.path).write_bytes(harm(index, whole[segment.path]))
    (many.data / f"{second.path}.values.parquet").unlink()
    many.crash()
    many.store(indicator("[ipv4-addr:value = '203.0.113.200']", many.at))
    many.settle()
    assert index_path(many.data, first.path).read_bytes() != whole[first.path], "nobody needed it"
    many.store(indicator("[ipv4-addr:value = '198.51.100.7']", many.at))
    many.settle()
    assert len(many.hits()) == 3
    assert index_path(many.data, first.path).read_bytes() == whole[first.path]
    assert [each.segment for each in many.telemetry.troubled()] == [second.segment]


def test_rules_and_texts_are_looked_for_in_what_is_whole(many: Bench) -> None:
    first, second, *_ = segments(many)
    cut(many.data / f"{first.path}.events.parquet")
    (many.data / f"{second.path}.events.parquet").unlink()
    rule = selection("dst_port: 443", product="zeek", source="    service: conn\n").decode()
    agent = "network-traffic:extensions.'http-request-ext'.request_header.'User-Agent'"
    many.push(*({"_path": "http", "uid": f"H{number}", "user_agent": "Evil Agent"} for number in range(2)))
    many.settle()
    many.store(indicator(rule, many.at, pattern_type="sigma"), indicator(f"[{agent} = 'Evil Agent']", many.at))
    many.settle()
    assert sorted(hit.kind for hit in many.hits()) == ["zeek.conn", "zeek.conn", "zeek.http", "zeek.http"]
    assert [each.segment for each in many.telemetry.troubled()] == [first.segment, second.segment]


def test_segments_without_an_index_are_there_for_rules_and_texts_too(many: Bench) -> None:
    for segment in segments(many):
        (many.data / f"{segment.path}.index").unlink()
    many.crash()
    rule = selection("dst_port: 443", product="zeek", source="    service: conn\n").decode()
    many.store(indicator(rule, many.at, pattern_type="sigma"))
    many.settle()
    assert len(many.hits()) == 4


def test_a_limit_says_that_there_may_be_more(many: Bench) -> None:
    for limits, stopped, rows in (
        ({"answer_rows": 2}, "rows", 2),
        ({"answer_seconds": -1.0}, "seconds", 0),
        ({"answer_bytes": 200}, "bytes", 1),
    ):
        many.detection_limits = replace(LIMITS, **limits)
        found, shown = asked(many, Question(sources=("zeek",)))
        assert (found.stopped, found.rows, len(shown)) == (stopped, rows, rows)


def test_segments_of_the_first_layout_are_asked_for_values_and_told_where_fields_are_asked(many: Bench) -> None:
    with many.db.write(many.at) as tx:
        telemetry_store.save_segment(tx, replace(segments(many)[0], format=FORMAT - 1))
    found, rows = asked(many, Question(values=("n0.example",)))
    assert (len(rows), found.older) == (1, 0)
    found, rows = asked(many, of(("destination.port", "is", "443")))
    assert (len(rows), found.older) == (3, 1)


def test_an_answer_can_be_cancelled_once(many: Bench) -> None:
    questions = Questions(many.db)
    answer_id = questions.ask(Question(sources=("zeek",)), by="p", at=many.at)
    questions.cancel(answer_id, by="p", at=many.at)
    many.settle()
    assert questions.answer(answer_id).state is State.CANCELLED
    assert list(questions.rows(answer_id)) == []
    with pytest.raises(QuestionRefused):
        questions.cancel(answer_id, by="p", at=many.at)
    with pytest.raises(UnknownQuestion):
        questions.cancel("answer--no", by="p", at=many.at)


def test_a_saved_hunt_is_run_by_people_and_by_its_schedule(many: Bench) -> None:
    questions = Questions(many.db)
    many.at = many.at.replace(minute=0)
    questions.save("nightly", Question(values=("n1.example",)), by="p", at=many.at, every_hours=2)
    many.settle()
    (first,) = questions.answers(saved_hunt="nightly")
    assert (first.state, first.rows, first.asked_by) == (State.DONE, 1, "p")
    questions.run("nightly", by="q", at=many.at + timedelta(seconds=1))
    many.settle()
    many.at += timedelta(hours=2)
    many.settle()
    assert [each.asked_by for each in questions.answers()] == ["p", "q", "p"]
    assert questions.saved()[0].due_at == many.at + timedelta(hours=2)
    questions.forget("nightly", by="p", at=many.at)
    for gone in (questions.forget, questions.run):
        with pytest.raises(UnknownQuestion):
            gone("nightly", by="p", at=many.at)
    for name, hours in (("", None), ("a/b", None), ("ok", 0)):
        with pytest.raises(BadSavedHunt):
            questions.save(name, Question(sources=("zeek",)), by="p", at=many.at, every_hours=hours)


def test_only_so_many_questions_wait(db: Database, at: datetime) -> None:
    questions = Questions(db)
    for _ in range(20):
        questions.ask(Question(sources=("zeek",)), by="p", at=at)
    with pytest.raises(QuestionRefused, match="20"):
        questions.ask(Question(sources=("zeek",)), by="p", at=at)


def test_what_is_kept_long_enough_is_deleted(many: Bench) -> None:
    many.telemetry.retain("zeek", 2, by="p", at=many.at)
    many.at += timedelta(days=1)
    many.push({"ts": NOON.timestamp(), "uid": "C9", **CONN})
    many.settle()
    assert len(segments(many)) == 5
    many.at += timedelta(days=1, seconds=-1)
    many.settle()
    many.at += timedelta(minutes=2)
    many.settle()
    (left,) = segments(many)
    files = [path for path in (many.data / "lake").rglob("*.parquet") if path.is_file()]
    assert {path.name.partition(".")[0] for path in files} == {left.path.rpartition("/")[2]}


def test_of_an_erased_source_no_byte_stays(bench: Bench) -> None:
    rule = selection("query|endswith: '.example'", product="zeek", source="    service: dns\n").decode()
    both = "[ipv4-addr:value = '10.9.0.1'] AND [domain-name:value = 'evil.example']"
    bench.store(
        indicator("[domain-name:value = 'evil.example']", bench.at),
        indicator(rule, bench.at, pattern_type="sigma"),
        indicator(both, bench.at),
    )
    bench.settle()
    assert len(bench.hits(Lane.parse("actual"))) == 3
    found, _ = asked(bench, Question(values=("evil.example",)))
    bench.telemetry.erase("zeek", by="p", at=bench.at)
    bench.settle()
    left = b"".join(
        path.read_bytes() for top in ("lake", "spool") for path in (bench.data / top).rglob("*") if path.is_file()
    )
    assert b"198.51.100.7" not in left
    assert not list(bench.data.rglob("source=zeek")), "no folder names it"
    assert not (bench.data / "spool" / "zeek").exists()
    assert list(Questions(bench.db).rows(found.answer_id)) == []
    kept = " ".join(map(str, rows_with_values(bench)))
    assert "Rule 1" in kept
    assert "domain:[erased]" in {str(hit.sight.seen) for hit in bench.hits() if isinstance(hit.sight, Sight)}
    assert not {"Evil.Example", "a.evil.example", "10.9.0.1"} & set(re.findall(r"[\w.]+", kept))
    assert [each.source for each in bench.telemetry.holdings()] == ["drill", "windows"]
    (erasure,) = bench.telemetry.erasures()
    assert (erasure.source, erasure.events, erasure.done_at is not None) == ("zeek", 3, True)
    assert asked(bench, of(("process.command_line", "contains", "whoami")))[1] == ["windows.sysmon"]


def rows_with_values(bench: Bench) -> list[Any]:
    """Return everything that says what was seen in the source zeek."""
    tables = (store.hits, hit_groups, pattern_sights)
    with bench.db.read() as connection:
        of_source = [
            row for table in tables for row in connection.execute(select(table).where(table.c.source == "zeek"))
        ]
        return [*of_source, *connection.execute(select(store.companions))]
