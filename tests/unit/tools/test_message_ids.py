"""What is told to a person is found by whatever helper it is raised, and what could not be translated is a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.message_ids import Fault, Found, in_sources

ERRORS = """
class Error(Exception):
    def __init__(self, message, /, *, subject="", **params):
        super().__init__(message)
"""
BEFORE = """
from typing import Any, Final
from mithaq.kernel.errors import Error
from mithaq.helpers import Complaints, told

_SENTENCE: Final = "a constant"

class Bad(Error):
    pass

class Worse(Bad):
    def __init__(self, message):
        super().__init__(message)
"""
HELPERS = """
from mithaq.kernel.errors import Error

def told(subject, sentence):
    return Error(sentence, subject=subject)

class Complaints:
    def about(self, message, **params):
        return told("", message)
"""


def found(tmp_path: Path, code: str) -> list[str | tuple[str, str]]:
    """Return what is found in a module with this code: messages, and `!` with the expression of a fault."""
    package = tmp_path / "mithaq"
    for name, text in (("kernel/errors.py", ERRORS), ("helpers.py", HELPERS), ("said.py", BEFORE + code)):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    all_found = [each for each in in_sources(package) if each.path.name == "said.py"]
    return [each.message if isinstance(each, Found) else f"!{each.given}" for each in all_found]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise Bad('plain')", ["plain"]),
        ("raise Worse('of a class of its own')", ["of a class of its own"]),
        ("Reason('code', 'why', {}, 'what to do')", ["why", "what to do"]),
        ("Reason('code', message='why', remedy='')", ["why"]),
        ("ngettext('one', 'many', n)", [("one", "many")]),
        ("raise Bad(_SENTENCE)", ["a constant"]),
        ("def f(x):\n    raise Bad('this' if x else 'that')", ["this", "that"]),
        ("def f(x):\n    how = 'this' if x else msgid('that')\n    raise Bad(how)", ["that", "this"]),
        ("def f(x):\n    how, what = 'how', 'what'\n    raise Bad(what)", ["what"]),
        ("def f(error):\n    raise Bad(error.message)", []),
    ],
)
def test_a_message_is_found_where_it_stands(tmp_path: Path, code: str, expected: list[str | tuple[str, str]]) -> None:
    assert found(tmp_path, code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def _no(subject, why, **params):\n    return Bad(why, subject=subject)\n_no('x', 'own')", ["own"]),
        (
            "class A:\n    def no(self, why):\n        return Bad(why)\n    def f(self):\n        self.no('own')",
            ["own"],
        ),
        ("def no(*, why):\n    return Bad(why)\nno(why='by name')", ["by name"]),
        ("def no(why='by default'):\n    return Bad(why)", ["by default"]),
        ("def no(kind: type[Bad], why):\n    return kind(why)\nno(Bad, 'of any kind')", ["of any kind"]),
        ("told('x', 'elsewhere')", ["elsewhere"]),
        ("def f(complaints):\n    complaints.about('through two')", ["through two"]),
    ],
)
def test_a_helper_is_known_by_what_it_gives_on(tmp_path: Path, code: str, expected: list[str]) -> None:
    assert found(tmp_path, code) == expected


@pytest.mark.parametrize(
    ("code", "given"),
    [
        ("def f(error):\n    raise Bad(str(error))", "str(error)"),
        ("def f(x):\n    raise Bad(f'with {x}')", "f'with {x}'"),
        ("def f(x):\n    raise Bad('with ' + x)", "'with ' + x"),
        ("def f(x):\n    told('x', x.lower())", "x.lower()"),
        ("def f(all):\n    for each in all:\n        raise Bad(each)", "each"),
        ("raise Bad(nowhere)", "nowhere"),
        ("raise Bad(*all)", "*all"),
    ],
)
def test_what_is_no_text_of_the_sources_is_a_fault(tmp_path: Path, code: str, given: str) -> None:
    assert found(tmp_path, code) == [f"!{given}"]


def test_a_fault_tells_its_line(tmp_path: Path) -> None:
    package = tmp_path / "mithaq"
    package.mkdir()
    (package / "said.py").write_text("\nReason('code', str(1))\n")
    assert list(in_sources(package)) == [Fault(package / "said.py", 2, "str(1)")]
