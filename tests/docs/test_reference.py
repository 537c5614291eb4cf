"""The reference pages say what the program does, and the comparison notices where they would not."""

from pathlib import Path

from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES
from tools.reference import (
    ErrorClass,
    clauses_page,
    compare_decisions,
    compare_kinds,
    duplicate_codes,
    error_classes,
    journal_kinds,
    refusals,
    rows,
)

APPENDS = """
MADE = "thing.made"
def always(tx): tx.append(MADE, subject="x", lane=1, actor="node")
def either(tx, ok):
    kind = "thing.won" if ok else "thing.lost"
    tx.append(kind, subject="x", lane=1, actor="node")
def unclear(tx, kind): tx.append(kind, subject="x", lane=1, actor="node")
def a_list(rows): rows.append("thing.ignored")
"""
ERRORS = """
class Bad(Error):
    \"\"\"Something bad.\"\"\"
    code = "bad"
def refuse(): return Reason("no", "it is not so", {}, "make it so")
NO = Clause("never", 1, "never", remedy="wait")
"""


def test_every_clause_stands_on_its_page_with_its_condition_and_the_terms_it_keeps() -> None:
    page = rows(clauses_page())
    assert page["tlp-ceiling"][0] == "`tlp ≤ tlp_ceiling`"
    assert page["status-stale"][0] == "`tlp < tlp_amber ∨ at < status_until`"
    assert page["recipient-excluded"][-1] == "`excluded_recipients`"
    assert {clause.id for clause in (*NATION_CLAUSES, *LOCAL_CLAUSES)} <= set(page)


def test_kinds_are_found_however_they_are_named_and_an_unclear_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text(APPENDS)
    used = journal_kinds(tmp_path)
    assert set(used) == {"thing.made", "thing.won", "thing.lost", "?"}
    told = list(compare_kinds(used, {"thing.made", "thing.won", "thing.gone"}))
    assert told == [
        "src/mithaq/thing.py: a kind that cannot be read off the source",
        "src/mithaq/thing.py: the kind thing.lost is not in journal.md",
        "docs/journal.md: thing.gone is never written",
    ]


def test_errors_and_refusals_are_found_in_the_source(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text(ERRORS)
    assert error_classes(tmp_path) == [ErrorClass("bad", "Bad", "Something bad.", "thing.py")]
    assert refusals(tmp_path) == [("never", "never", "wait"), ("no", "it is not so", "make it so")]


def test_two_errors_with_one_code_and_an_error_without_a_sentence_are_told() -> None:
    told = list(duplicate_codes([ErrorClass("bad", "Bad", "So.", "a.py"), ErrorClass("bad", "Worse", "", "b.py")]))
    assert told == [
        "src/mithaq/b.py: Worse has the code bad of Bad",
        "src/mithaq/b.py: Worse does not say what happened",
    ]


def test_a_decision_that_is_unlisted_misnumbered_or_gone_is_told() -> None:
    pages = {"0001-one.md": "# 0001. One\n", "0003-three.md": "# 0003. Three\n"}
    index = "| 0001 | [One](0001-one.md) | d |\n| 0002 | [Two](0002-two.md) | d |\n"
    assert list(compare_decisions(pages, index)) == [
        "docs/adr/0003-three.md: the numbers have no gaps, and the title repeats its own",
        "docs/adr/README.md: 0003-three.md is not listed under its title",
        "docs/adr/README.md: 0002-two.md does not exist",
    ]
