"""YARA's text is taken apart by words: rules, what they say of themselves, and which belong together."""

from __future__ import annotations

import pytest

from mithaq.standards.yara import BadYara, YaraUnit, read_unit, read_units, unescaped

FILE = r"""// licence
import "pe"
import "math"

// of one
rule one : trojan attack_t1059_001 {
  meta:
    author = "a \"b\" \x43"
    score = -5
    mitre_att = "T1027, TA0002"
    filename = "T1234.exe"
  strings:
    $two = "rule fake { // }" /* not "closed" here } */
    $h = { 00 [2-4] FF // }
      01 }
    $r = /a\/{b"/ nocase
  condition:
    pe.is_pe and any of them and filesize \ 2 > 3
}
private rule two { condition: math.min(1, 2) == 1 }
rule three { condition: two }
"""


def units(text: str) -> list[YaraUnit]:
    found = list(read_units(text.encode(), "file.yar"))
    return [each for each in found if isinstance(each, YaraUnit)]


def test_rules_are_parted_and_those_that_name_each_other_stay_together() -> None:
    one, three = units(FILE)
    assert (one.name, [rule.name for rule in three.rules], three.name) == ("one", ["two", "three"], "three")
    assert one.text.startswith('// licence\nimport "pe"\n// of one\nrule one')
    assert (one.imports, three.imports) == (("pe",), ("math",))
    assert read_unit(one.text).name == "one"


def test_a_rule_says_who_wrote_it_and_which_techniques_it_is_about() -> None:
    one = units(FILE)[0].main
    assert dict(one.meta) == {"author": 'a "b" C', "score": "-5", "mitre_att": "T1027, TA0002", "filename": "T1234.exe"}
    assert (one.tags, one.techniques) == (("trojan", "attack_t1059_001"), ("T1059.001", "T1027"))


def test_a_file_with_one_unit_is_kept_as_it_is() -> None:
    text = "\n/* mine */ rule a { condition: true }\n\n// the end"
    assert [unit.text for unit in units(text)] == [text]


def test_a_global_rule_keeps_its_file_together() -> None:
    (unit,) = units("global rule g { condition: true } rule a { condition: true } rule b { condition: true }")
    assert len(unit.rules) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "file.yar: there is no rule in it"),
        (b"rule a { /* ", "line 1: a text, comment or expression is not closed"),
        (b'rule a {\n strings: $a = "x }', "line 2: a text, comment or expression is not closed"),
        (b"rule a { condition: /x", "line 1: a text, comment or expression is not closed"),
        (b"rule a {\n\n condition: {", "line 1: the file ends within a rule"),
        (b"rule", "line 1: the file ends within a rule"),
        (b"rule {", "line 1: a rule without a name"),
        (b"rule a : b", "line 1: the file ends within a rule"),
        (b"private x", "line 1: a rule is expected here"),
        (b"import x", "line 1: an import without the name of a module"),
        (b"import", "line 1: an import without the name of a module"),
        (b'\ninclude "/etc/passwd"', "line 2: other files are not included"),
        (b"rule a { condition: true } rule a { condition: true }", "a: two rules with one name"),
        (b"rule \xff", "the rule is not UTF-8"),
        (b"rule a { condition: " + b"x" * (1 << 20) + b"}", "larger than the limit of 1048576 bytes"),
        (b"rule a : " + b" ".join(b"t%d" % number for number in range(200)) + b"{}", "more than 100 tags"),
    ],
)
def test_what_cannot_be_read_is_told_by_line(text: bytes, told: str) -> None:
    (error,) = read_units(text, "file.yar")
    assert isinstance(error, BadYara)
    assert told in str(error)


def test_escapes_are_read() -> None:
    assert unescaped(r"\t\"\\\x41\q") == '\t"\\Aq'


def test_a_unit_has_so_many_words() -> None:
    with pytest.raises(BadYara, match="more than 300000 words"):
        read_unit("rule a { condition: " + "1 " * 300_001 + "}")
