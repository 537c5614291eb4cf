"""What a rule says of itself, and the YAML that is not read."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.standards.sigma import BadRule, LogSource, SigmaRule, read_rule, read_rules

RULE = b"""title: Tool dropped
id: 8FBF3271-1ef6-4e94-8210-03c2317947f6
status: test
description: |
    Two
    lines
references: [https://example.org/report]
author: Somebody
date: 2024-01-09
modified: 2024/02/10
license: DRL-1.1
tags: [attack.execution, attack.t1059.001, attack.T1003, cve.2024-1, attack.t1059.001]
logsource: {category: process_creation, product: windows}
detection:
    selection: {Image|endswith: '\\mimi.exe', Count: 0x10, Flag: yes, Day: 2024-01-01}
    condition: selection
level: HIGH
"""


def test_a_rule_says_who_wrote_it_when_how_severe_it_is_and_what_it_is_of_attack() -> None:
    rule = read_rule(RULE)
    assert (rule.id, rule.title, rule.level) == ("8fbf3271-1ef6-4e94-8210-03c2317947f6", "Tool dropped", "high")
    assert (rule.author, rule.license, rule.status, rule.description) == ("Somebody", "DRL-1.1", "test", "Two\nlines")
    assert (rule.date, rule.modified) == (date(2024, 1, 9), date(2024, 2, 10))
    assert rule.techniques == ("T1059.001", "T1003")
    assert rule.logsource == LogSource("windows", "process_creation", "")
    assert rule.references == ("https://example.org/report",)
    assert rule.text == RULE
    assert not rule.correlation


def test_scalars_are_those_of_yaml() -> None:
    assert read_rule(RULE).fields["detection"]["selection"] == {
        "Image|endswith": "\\mimi.exe",
        "Count": 16,
        "Flag": True,
        "Day": "2024-01-01",
    }


def test_a_broken_document_does_not_hide_the_next() -> None:
    text = b"---\n" + RULE + b"--- \ntitle: [\n---\n# nothing\n---\n" + RULE.replace(b"8FBF", b"9FBF")
    found = list(read_rules(text, "file.yml"))
    assert [type(each) for each in found] == [SigmaRule, BadRule, SigmaRule]
    broken = found[1]
    assert isinstance(broken, BadRule)
    assert broken.subject == "file.yml#2"
    assert "not valid YAML" in str(broken)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (b"title: Tool dropped", b"title: ''", "without title"),
        (b"level: HIGH", b"level: enormous", "no level"),
        (b"level: HIGH", b"level: high\nlevel: low", "stands twice"),
        (b"tags: [", b"tags: [{a: b}, ", "list of texts"),
        (b"logsource: {", b"logsource: [] #", "must be a mapping"),
        (b"detection:", b"correlation: {type: temporal}\ndetection:", "either a detection or a correlation"),
        (b"title:", b"action: global\ntitle:", "write each rule out"),
    ],
)
def test_what_is_wrong_is_told_with_the_rules_id(before: bytes, after: bytes, problem: str) -> None:
    text = RULE.replace(before, after)
    with pytest.raises(BadRule, match=problem) as refused:
        read_rule(text)
    assert refused.value.subject == "8fbf3271-1ef6-4e94-8210-03c2317947f6"


def test_a_bomb_of_aliases_is_not_built() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(BadRule, match="aliases"):
        read_rule("\n".join(lines).encode())


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    for each in read_rules(text, "any"):
        assert isinstance(each, SigmaRule | BadRule)


@given(st.integers(0, len(RULE)), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place: int, byte: int) -> None:
    for each in read_rules(RULE[:place] + bytes([byte]) + RULE[place + 1 :], "any"):
        assert isinstance(each, SigmaRule | BadRule)
