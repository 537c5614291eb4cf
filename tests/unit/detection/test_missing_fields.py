"""Which fields rules ask of a source in vain."""

from __future__ import annotations

import pytest

from mithaq.detection.rulebook.missing_fields import MissingField, lacking
from mithaq.detection.rulebook.store import Facts, RuleStatus
from mithaq.kernel.lane import ACTUAL
from mithaq.telemetry.health import KindFields

SYSMON = RuleStatus(ACTUAL, "indicator--1", 1, Facts("Mimikatz", "high", ("windows.sysmon",), ("Image", "Hashes")))
DNS = RuleStatus(ACTUAL, "indicator--2", 2, Facts("Tunnel", "low", ("dns", "zeek.dns"), ("query", "record_type", "b")))


@pytest.mark.parametrize(
    ("kind", "names", "lines", "expected"),
    [
        ("windows.sysmon", ("Event.EventData.Image",), 100, [("Hashes", "Mimikatz")]),
        ("windows.sysmon", ("winlog.event_data.Image", "winlog.event_data.Hashes"), 100, []),
        ("windows.sysmon", ("Image",), 99, []),
        ("windows.security", ("SubjectUserName",), 500, []),
        ("zeek.dns", ("query", "qtype_name"), 100, [("b", "Tunnel")]),
    ],
)
def test_a_field_is_missing_that_rules_for_the_kind_ask_and_no_line_has(
    kind: str, names: tuple[str, ...], lines: int, expected: list[tuple[str, str]]
) -> None:
    kinds = {kind: KindFields(lines, dict.fromkeys(names, lines))}
    found = lacking(kinds, [SYSMON, DNS])
    assert found == tuple(MissingField(kind, field, 1, (title,)) for field, title in expected)
