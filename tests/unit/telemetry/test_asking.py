"""What a question to the lake means, asked of one sealed segment."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mithaq.telemetry.lake.columns import COLUMNS
from mithaq.telemetry.lake.question import Condition, Operator, Question, operators_of
from mithaq.telemetry.lake.reading import AnswerLimit, rows_for, span
from mithaq.telemetry.lake.sealing import seal
from tests.unit.telemetry.blocks import block
from tests.unit.telemetry.events import CONN, DNS, SYSMON

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LINES: list[dict[str, Any]] = [CONN, {**CONN, "id.orig_h": "10.9.0.1", "id.resp_p": 80}, DNS]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with one segment."""
    data = tmp_path_factory.mktemp("lake")
    records: list[tuple[str, dict[str, Any]]] = [
        ("s", {"ts": (NOON + timedelta(hours=hour)).timestamp(), "uid": f"C{hour}", **each})
        for hour, each in enumerate(LINES)
    ]
    every = [*records, ("w", {**SYSMON, "@timestamp": NOON.isoformat()})]
    lines = [(source, json.dumps(record).encode()) for source, record in every]
    parts = [block(line, NOON, source=source, place=place).parsed() for place, (source, line) in enumerate(lines)]
    assert seal(data, "lake/one", 1, parts) == 4
    return data


def of(*conditions: tuple[str, str, str], **more: Any) -> Question:
    return Question(
        conditions=tuple(Condition(field, Operator(how), value) for field, how, value in conditions), **more
    )


def kinds_of(lake: Path, question: Question, *, seconds: float = 60, memory: int = 512 << 20) -> list[str]:
    rows = rows_for(
        lake, question.checked(), ["lake/one"], asked_at=NOON, limit=10, seconds=seconds, memory_bytes=memory
    )
    return [row["kind"] for row in rows]


ANSWERS: list[tuple[Question, list[str]]] = [
    (of(("destination.port", "is", "443")), ["zeek.conn"]),
    (of(("destination.port", "at-most", "443")), ["zeek.conn", "zeek.conn"]),
    (of(("destination.port", "at-least", "81")), ["zeek.conn"]),
    (of(("destination.port", "is-not", "443")), ["zeek.dns", "zeek.conn", "windows.sysmon"]),
    (of(("source.ip", "in-network", "10.0.0.0/24")), ["zeek.dns", "zeek.conn"]),
    (of(("source.ip", "is", "::ffff:10.9.0.1")), ["zeek.conn"]),
    (of(("dns.question.name", "is", "a.EVIL.example.")), ["zeek.dns"]),
    (of(("dns.question.name", "ends", ".evil.EXAMPLE")), ["zeek.dns"]),
    (of(("dns.resolved_ip", "is", "203.0.113.9")), ["zeek.dns"]),
    (of(("dns.resolved_ip", "is-not", "203.0.113.9")), ["zeek.conn", "zeek.conn", "windows.sysmon"]),
    (of(("process.command_line", "contains", "whoami")), ["windows.sysmon"]),
    (of(("process.command_line", "contains", "100%_X")), ["windows.sysmon"]),
    (of(("process.command_line", "contains", "1%x")), []),
    (of(("process.command_line", "contains", "' or 1=1 --")), []),
    (of(("process.executable", "begins", "c:\\windows\\")), ["windows.sysmon"]),
    (of(("user.name", "there", "")), ["windows.sysmon"]),
    (of(("user.name", "absent", ""), ("kind", "is", "zeek.dns")), ["zeek.dns"]),
    (Question(values=("evil[.]example",)), ["zeek.dns"]),
    (Question(values=("203.0.113.0/24", "198.51.100.7")), ["zeek.dns", "zeek.conn", "zeek.conn"]),
    (Question(values=("evil.example",), sources=("w",)), []),
    (Question(sources=("s",), since=NOON + timedelta(hours=1), until=NOON + timedelta(hours=2)), ["zeek.conn"]),
]  # fmt: skip
"""What each question finds of the lines of the bench, newest first."""


@pytest.mark.parametrize(("question", "kinds"), ANSWERS)
def test_a_question_finds_what_is_meant(lake: Path, question: Question, kinds: list[str]) -> None:
    assert sorted(kinds_of(lake, question)) == sorted(kinds)


def test_everything_that_may_be_asked_of_a_field_can_be_answered(lake: Path) -> None:
    values = {"address": "192.0.2.1", "addresses": "192.0.2.1", "number": "7"}
    conditions = [
        Condition(field, operator, values.get(COLUMNS[field].value, "x"))
        for field in ("source.ip", "dns.resolved_ip", "email.to.address", "source.port", "file.hash.md5", "url.full")
        for operator in operators_of(field)
    ]
    for start in range(0, len(conditions), 20):
        assert kinds_of(lake, Question(conditions=tuple(conditions[start : start + 20]))) == []


def test_an_answer_that_takes_too_long_is_ended(lake: Path) -> None:
    with pytest.raises(AnswerLimit, match="memory"):
        kinds_of(lake, Question(sources=("s",)), memory=1 << 20)


def test_the_times_of_a_segment_are_known_without_reading_it(lake: Path) -> None:
    found = span(lake, "lake/one")
    assert (found.oldest, found.newest) == (NOON, NOON + timedelta(hours=2))
    assert found.touches(NOON + timedelta(hours=2), None)
    assert not found.touches(NOON + timedelta(hours=3), None)
    assert not found.touches(None, NOON)
