"""Check the rules of the house that no linter knows; each rule says which file breaks it and how.

`python tools/check_tree.py` reads the tracked and the new files and ends with 1 if a rule is broken. Lines that begin
with `ask:` are questions to the author, not faults.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("src/", "tests/", "tools/", "benchmarks/", "conformance/")
FORBIDDEN_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "base", "misc"})
ASK_LINES, MAX_LINES = 400, 500
ASK_FUNCTION, MAX_FUNCTION = 50, 80
MAX_PUBLIC_METHODS = 15
MAX_README_LINES = 80
CLOCKS = frozenset({"now", "utcnow", "today", "time", "time_ns", "SystemClock"})
TIMELESS = frozenset({"model.py", "rules.py", "store.py", "service.py", "readers.py"})
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/\w+)/|/bash_jobs")
HOSTS = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org)\b")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
BARE_NOQA = re.compile(r"#\s*noqa(?!:)|#\s*noqa:[A-Z0-9, ]*BLE001[A-Z0-9, ]*$")


@dataclass(frozen=True)
class File:
    """One text file of the tree."""

    path: str
    text: str

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_code(self) -> bool:
        """Tell whether this is Python of ours."""
        return self.path.endswith(".py") and self.path.startswith(CODE)

    @cached_property
    def tree(self) -> ast.Module:
        """Return the syntax tree."""
        return ast.parse(self.text)

    @cached_property
    def statements(self) -> list[ast.stmt]:
        """Return every statement, however deep: nothing else defines or imports."""
        return list(statements(self.tree))

    def lines(self, pattern: re.Pattern[str]) -> Iterator[int]:
        """Yield the numbers of the lines in which the pattern is found."""
        return (number for number, line in enumerate(self.text.splitlines(), 1) if pattern.search(line))


Rule = Callable[[list[File]], Iterator[str]]


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield every statement, however deep; the expressions, nine tenths of a tree, are not looked into."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
                waiting.append(child)
            if isinstance(child, ast.stmt):
                yield child


def files(root: Path = ROOT) -> list[File]:
    """Return the text files that git tracks or would track, those that others made left out."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    found = []
    for path in sorted(set(listed.stdout.decode().split("\0")) - {""}):
        if "/static/" in path and not path.endswith(("/app.css", "/app.js", "/passkey.js", ".toml")):
            continue
        try:
            found.append(File(path, (root / path).read_text("utf-8")))
        except (UnicodeDecodeError, FileNotFoundError):
            continue
    return found


def forbidden_names(tree: list[File]) -> Iterator[str]:
    """A module is named for what it holds."""
    for file in tree:
        parts = file.path.removesuffix(".py").split("/") if file.is_code else file.path.split("/")[:-1]
        for part in FORBIDDEN_NAMES.intersection(parts):
            yield f"{file.path}: `{part}` says nothing; name it for what it holds"


def folders_have_readme(tree: list[File]) -> Iterator[str]:
    """Every floor of the house tells what it is for, on one page."""
    paths = {file.path for file in tree}
    for path in sorted(paths):
        if re.fullmatch(r"src/mithaq/\w+/__init__\.py", path):
            readme = path.replace("__init__.py", "README.md")
            if readme not in paths:
                yield f"{readme}: missing"
    for file in tree:
        if re.fullmatch(r"src/mithaq/.+/README\.md", file.path) and len(file.text.splitlines()) > MAX_README_LINES:
            yield f"{file.path}: more than one page ({MAX_README_LINES} lines)"


def sizes(tree: list[File]) -> Iterator[str]:
    """Files and functions are short enough to be read in one go."""
    for file in tree:
        length = len(file.text.splitlines())
        if file.path.startswith(CODE) and file.name.endswith((".py", ".css", ".js", ".html")) and length > ASK_LINES:
            yield f"{'' if length > MAX_LINES else 'ask: '}{file.path}: {length} lines"
        if file.is_code:
            yield from _long_functions(file)


def _long_functions(file: File) -> Iterator[str]:
    for node in file.statements:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > ASK_FUNCTION:
                ask = "" if length > MAX_FUNCTION else "ask: "
                yield f"{ask}{file.path}:{node.lineno}: {node.name} has {length} lines"


def small_classes(tree: list[File]) -> Iterator[str]:
    """No class does everything."""
    for file in tree:
        if not file.path.startswith("src/") or not file.is_code:
            continue
        for node in file.statements:
            if isinstance(node, ast.ClassDef):
                public = [each for each in node.body if _is_public_method(each)]
                if len(public) > MAX_PUBLIC_METHODS:
                    yield f"{file.path}:{node.lineno}: {node.name} has {len(public)} public methods"


def _is_public_method(node: ast.stmt) -> bool:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
        return False
    return not {"property", "cached_property"}.intersection(getattr(each, "id", "") for each in node.decorator_list)


def time_is_an_argument(tree: list[File]) -> Iterator[str]:
    """Models, rules, stores and services are told the time."""
    for file in tree:
        if not (file.path.startswith("src/mithaq/") and file.name in TIMELESS):
            continue
        for node in ast.walk(file.tree):
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS and _is_clock(node.value):
                yield f"{file.path}:{node.lineno}: reads a clock; take `at` as an argument"


def _is_clock(value: ast.expr) -> bool:
    return isinstance(value, ast.Name) and value.id in {"datetime", "time", "date", "clock"}


def one_gate(tree: list[File]) -> Iterator[str]:
    """Only `release.rules` holds the key that makes a `Released`."""
    allowed = {"src/mithaq/release/model.py", "src/mithaq/release/rules.py"}
    for file in tree:
        if file.path.startswith("src/") and file.is_code and file.path not in allowed:
            for node in ast.walk(file.tree):
                names = {getattr(node, "id", None), getattr(node, "attr", None)}
                if isinstance(node, ast.alias):
                    names.add(node.name)
                if "_GATE" in names:
                    yield f"{file.path}:{getattr(node, 'lineno', 0)}: takes the gate's key"
                if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Released":
                    yield f"{file.path}:{node.lineno}: makes a Released without the gate"


def nothing_of_a_machine(tree: list[File]) -> Iterator[str]:
    """Files speak of the project, not of the machine they were written on."""
    for file in tree:
        yield from (f"{file.path}:{line}: a path of one machine" for line in file.lines(MACHINE_PATH))
        if file.name != "uv.lock":
            yield from (f"{file.path}:{line}: the host of a registry" for line in file.lines(HOSTS))


def nothing_unfinished(tree: list[File]) -> Iterator[str]:
    """What is not done is an issue, not a comment; what is silenced says why."""
    for file in tree:
        if file.is_code or file.path.startswith("docs/"):
            yield from (f"{file.path}:{line}: unfinished" for line in file.lines(UNFINISHED))
        if file.is_code:
            yield from (
                f"{file.path}:{line}: a silenced warning without the reason (`# noqa: CODE - why`)"
                for line in file.lines(BARE_NOQA)
            )


RULES: tuple[Rule, ...] = (
    forbidden_names,
    folders_have_readme,
    sizes,
    small_classes,
    time_is_an_argument,
    one_gate,
    nothing_of_a_machine,
    nothing_unfinished,
)


def faults(tree: list[File], rules: Iterable[Rule] = RULES) -> list[str]:
    """Return what breaks the rules, the questions last."""
    own = [file for file in tree if file.path not in {"tools/check_tree.py", "tests/architecture/test_tree.py"}]
    return sorted((fault for rule in rules for fault in rule(own)), key=lambda fault: (fault.startswith("ask:"), fault))


def main() -> int:
    """Print all faults and questions."""
    found = faults(files())
    print("\n".join(found), end="\n" if found else "")
    return 1 if any(not fault.startswith("ask:") for fault in found) else 0


if __name__ == "__main__":
    sys.exit(main())
