"""Compare the reference pages with the program: errors, refusals, clauses, the journal's kinds, the list of decisions.

`python tools/reference.py check` says what differs; `write` brings `docs/errors.md` up to date and keeps the remedies
that people wrote there for errors (a refusal carries its remedy in the program), and writes `docs/clauses.md` anew from
the clause tree.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mithaq.agreements.term_rules import TERMS
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES, Clause
from mithaq.release.expression import formula
from mithaq.release.theorems import THEOREMS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "mithaq"
ERRORS = ROOT / "docs" / "errors.md"
CLAUSES = ROOT / "docs" / "clauses.md"
JOURNAL = ROOT / "docs" / "journal.md"
DECISIONS = ROOT / "docs" / "adr"

_HEAD = """# Errors and refusals

An **error** is a surprise: it has a stable code, a sentence for everybody and details for the operator's log. The
command line ends with the exit code that is given here; the API answers with the code in `application/problem+json`. A
**refusal** is an expected answer: a value with a code, the reason and what would mend it, in the reader's language.

This page is written from the program by `tools/reference.py write`; the remedies of errors are written here.

## Errors

| code | what happened | what to do | exit |
|---|---|---|---|
"""
_REFUSALS = """
## Refusals

Words in `%(…)s` are filled in. No remedy means that nothing would be right to do.

| code | reason | what would mend it |
|---|---|---|
"""
_CLAUSES_HEAD = """# The clauses of the gate

Every clause must hold, or nothing leaves; all that do not hold are reported together. A condition speaks of facts: of
the object, of the question, and of what the named agreement says for this direction. Labels compare by rank, from CLEAR
to RED, and instants by time. What is not known has the strictest value.

The last column names the terms of an agreement that a clause keeps. Words in `%(…)s` are filled in.

This page is written from the clause tree by `tools/reference.py write`.
"""
_CLAUSES_TABLE = """
## {title}

| clause | holds when | said when it does not | what would mend it | terms kept |
|---|---|---|---|---|
"""
_THEOREMS_HEAD = """
## What is proved of every text

`mithaq agreement prove` proves these from the same tree, for all objects, instants and directions between the parties.

| theorem | in words |
|---|---|
"""
_KIND = re.compile(r"[a-z]+(?:\.[a-z]+(?:-[a-z]+)*)+")
_ROW = re.compile(r"^\| `([^`]+)` \| (.*) \|$")


@dataclass(frozen=True)
class ErrorClass:
    """An error of the program as its class states it."""

    code: str
    name: str
    sentence: str
    place: str


def trees(source: Path = SOURCE) -> Iterator[tuple[str, ast.Module]]:
    """Yield the path and the syntax tree of every module."""
    for path in sorted(source.rglob("*.py")):
        yield path.relative_to(source).as_posix(), ast.parse(path.read_text("utf-8"))


def error_classes(source: Path = SOURCE) -> list[ErrorClass]:
    """Return all classes that give an error its code, in the order of the codes."""
    found = []
    for place, tree in trees(source):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and (code := _code(node)) and code != "error":
                sentence = (ast.get_docstring(node) or "").split("\n")[0]
                found.append(ErrorClass(code, node.name, sentence, place))
    return sorted(found, key=lambda each: (each.code, each.place))


def _code(node: ast.ClassDef) -> str | None:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        if any(getattr(target, "id", None) == "code" for target in targets) and isinstance(value, ast.Constant):
            return str(value.value)
    return None


def refusals(source: Path = SOURCE) -> list[tuple[str, str, str]]:
    """Return code, reason and remedy of every refusal that the program words; a state of health is none."""
    found = set()
    for place, tree in trees(source):
        if place.startswith("node/health/"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Reason", "Clause"}:
                is_clause = getattr(node.func, "id", "") == "Clause"
                words = [_text(node, 0, "code"), _text(node, 2 if is_clause else 1, "message")]
                if all(words):
                    found.add((words[0], words[1], _text(node, 3, "remedy")))
    return sorted(found)


def _text(call: ast.Call, place: int, name: str) -> str:
    given = [keyword.value for keyword in call.keywords if keyword.arg == name]
    value = given[0] if given else (call.args[place] if place < len(call.args) else None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def journal_kinds(source: Path = SOURCE) -> dict[str, str]:
    """Return each kind that is appended to the journal with where, and `?` for one that cannot be read off.

    A kind is a literal, a choice between literals, or a name that stands for them.
    """
    names = {name: kind for _, tree in trees(source) for name, kind in _constants(tree.body)}
    found: dict[str, str] = {}
    for place, tree in trees(source):
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            local = {**names, **dict(_constants(ast.walk(function)))}
            for call in ast.walk(function):
                if isinstance(call, ast.Call) and _is_append(call):
                    found.update(dict.fromkeys(_kinds(call.args[0], local), place))
    return found


def _constants(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _is_append(call: ast.Call) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    return getattr(call.func, "attr", "") == "append" and bool(call.args) and {"subject", "lane", "actor"} <= named


def _kinds(value: ast.expr, names: Mapping[str, ast.expr]) -> list[str]:
    match value:
        case ast.Constant(value=str(text)) if _KIND.fullmatch(text):
            return [text]
        case ast.IfExp(body=body, orelse=orelse):
            return [*_kinds(body, names), *_kinds(orelse, names)]
        case ast.Name(id=name) if name in names:
            return _kinds(names[name], {other: it for other, it in names.items() if other != name})
    return ["?"]


def exit_codes(source: Path = SOURCE) -> dict[str, int]:
    """Return which error codes end the command with which exit code; all others end it with 1."""
    for node in ast.parse((source / "cli" / "main.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_EXIT":
            table: dict[str, int] = ast.literal_eval(node.value)
            return table
    return {}


def rows(page: str) -> dict[str, list[str]]:
    """Return the cells of a page's table rows by the code in the first cell."""
    matches = (_ROW.match(line) for line in page.splitlines())
    return {match[1]: match[2].split(" | ") for match in matches if match}


def errors_page(known: Mapping[str, str]) -> str:
    """Return the page of errors and refusals, with the remedies that are known."""
    exits = exit_codes()
    errors = "".join(
        f"| `{each.code}` | {each.sentence} | {known.get(each.code, '')} | {exits.get(each.code, 1)} |\n"
        for each in error_classes()
    )
    words = "".join(f"| `{code}` | {_cell(reason)} | {_cell(remedy)} |\n" for code, reason, remedy in refusals())
    return _HEAD + errors + _REFUSALS + words


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def clauses_page() -> str:
    """Return the page of all clauses, read from the tree."""
    tables = {"Between nations": NATION_CLAUSES, "Inside the nation: constituents and sensors": LOCAL_CLAUSES}
    clauses = "".join(
        _CLAUSES_TABLE.format(title=title) + "".join(_clause_row(clause) for clause in table)
        for title, table in tables.items()
    )
    theorems = "".join(f"| `{each.id}` | {each.words.text} |\n" for each in THEOREMS)
    return _CLAUSES_HEAD + clauses + _THEOREMS_HEAD + theorems


def _clause_row(clause: Clause) -> str:
    kept = ", ".join(f"`{rule.name}`" for rule in TERMS if clause.id in rule.clauses)
    cells = (f"`{clause.id}`", f"`{formula(clause.condition)}`", _cell(clause.message), _cell(clause.remedy), kept)
    return f"| {' | '.join(cells)} |\n"


def known_remedies() -> dict[str, str]:
    """Return the remedies that stand in the page."""
    page = ERRORS.read_text("utf-8").split("## Refusals")[0] if ERRORS.exists() else ""
    return {code: cells[1] for code, cells in rows(page).items() if len(cells) == 3}


def faults() -> Iterator[str]:
    """Yield a sentence for everything in which the pages and the program differ."""
    yield from _faults_of_errors()
    if not CLAUSES.exists() or CLAUSES.read_text("utf-8") != clauses_page():
        yield "docs/clauses.md: out of date, run tools/reference.py write"
    yield from compare_kinds(journal_kinds(), set(rows(JOURNAL.read_text("utf-8"))))
    yield from compare_decisions(
        {path.name: path.read_text("utf-8") for path in DECISIONS.glob("[0-9]*.md")},
        (DECISIONS / "README.md").read_text("utf-8"),
    )


def _faults_of_errors() -> Iterator[str]:
    yield from duplicate_codes(error_classes())
    remedies = known_remedies()
    codes = {each.code for each in error_classes()}
    for code in sorted(codes):
        if not remedies.get(code):
            yield f"docs/errors.md: no remedy for {code}"
    for code in sorted(set(exit_codes()) - codes):
        yield f"src/mithaq/cli/main.py: an exit code for {code}, which no error has"
    if ERRORS.read_text("utf-8") != errors_page(remedies):
        yield "docs/errors.md: out of date, run tools/reference.py write"


def duplicate_codes(classes: list[ErrorClass]) -> Iterator[str]:
    """Yield a sentence for every code that two classes claim."""
    owner: dict[str, ErrorClass] = {}
    for each in classes:
        if each.code in owner:
            yield f"src/mithaq/{each.place}: {each.name} has the code {each.code} of {owner[each.code].name}"
        owner.setdefault(each.code, each)
        if not each.sentence:
            yield f"src/mithaq/{each.place}: {each.name} does not say what happened"


def compare_kinds(used: Mapping[str, str], documented: set[str]) -> Iterator[str]:
    """Yield a sentence for every kind that only the program or only the page knows."""
    for kind in sorted(set(used) - documented):
        what = "a kind that cannot be read off the source" if kind == "?" else f"the kind {kind} is not in journal.md"
        yield f"src/mithaq/{used[kind]}: {what}"
    for kind in sorted(documented - set(used)):
        yield f"docs/journal.md: {kind} is never written"


def compare_decisions(pages: Mapping[str, str], index: str) -> Iterator[str]:
    """Yield a sentence for every decision that is not listed under its title, and for a gap in the numbers."""
    for place, name in enumerate(sorted(pages), 1):
        title = pages[name].split("\n", 1)[0]
        number, _, words = title.removeprefix("# ").partition(". ")
        if not name.startswith(f"{place:04d}-") or number != name[:4]:
            yield f"docs/adr/{name}: the numbers have no gaps, and the title repeats its own"
        if f"| {number} | [{words}]({name}) |" not in index:
            yield f"docs/adr/README.md: {name} is not listed under its title"
    for name in re.findall(r"\]\((\d{4}-[^)]*)\)", index):
        if name not in pages:
            yield f"docs/adr/README.md: {name} does not exist"


def main(argv: list[str]) -> int:
    """Run `check` or `write`."""
    if argv == ["write"]:
        ERRORS.write_text(errors_page(known_remedies()), encoding="utf-8")
        CLAUSES.write_text(clauses_page(), encoding="utf-8")
        return 0
    if argv != ["check"]:
        print("usage: reference.py check|write", file=sys.stderr)
        return 2
    found = list(faults())
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
