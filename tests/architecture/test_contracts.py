"""The import contracts hold, and each of them sees what it forbids."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = {
    "floors": [
        ("kernel/telltale.py", "import mithaq.release.rules\n"),
        ("agreements/telltale.py", "import mithaq.intelligence.model\n"),
        ("detection/telltale.py", "import mithaq.exchange.planning\n"),
        ("exchange/telltale.py", "import mithaq.detection.model\n"),
        ("nowhere/__init__.py", ""),
    ],
    "inner-shape": [
        ("nations/model.py", "import mithaq.nations.store\n"),
        ("detection/store.py", "import mithaq.detection.service\n"),
    ],
    "pure-core": [
        ("release/telltale.py", "import sqlalchemy\n"),
        ("release/rules.py", "import mithaq.agreements.service\n"),
        ("detection/model.py", "import mithaq.kernel.database\n"),
        ("nations/people/rules.py", "import subprocess\n"),
        ("standards/stix/telltale.py", "import httpx\n"),
    ],
    "one-way-out": [
        ("intelligence/telltale.py", "import httpx\n"),
        ("web/telltale.py", "import socket\n"),
        ("response/telltale.py", "import smtplib\n"),
    ],
}


def lint(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree / "src")},
        capture_output=True,
        text=True,
    )


def code(folder: Path) -> Path:
    """Copy the program's code."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    only_code = shutil.ignore_patterns("__pycache__", "static", "templates", "locale")
    shutil.copytree(ROOT / "src", folder / "src", ignore=only_code)
    return folder


@pytest.fixture(scope="module")
def breaches(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Return a function that plants all that breaks a contract, and tells what is said of it."""

    @cache
    def said(contract: str) -> str:
        tree = code(tmp_path_factory.mktemp(contract))
        for path, line in PLANTED[contract]:
            planted = tree / "src" / "mithaq" / path
            planted.parent.mkdir(exist_ok=True)
            with planted.open("a") as file:
                file.write(line)
        result = lint(tree, "--contract", contract)
        assert result.returncode == 1, result.stdout + result.stderr
        assert "BROKEN" in result.stdout
        return result.stdout

    return said


def test_the_contracts_hold(tmp_path: Path) -> None:
    result = lint(code(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("contract", "path", "line"),
    [(contract, path, line) for contract, plants in PLANTED.items() for path, line in plants],
)
def test_a_planted_import_breaks_its_contract(
    breaches: Callable[[str], str], contract: str, path: str, line: str
) -> None:
    importer = "mithaq." + path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    imported = line.removeprefix("import ").strip()
    assert (f"{importer} -> {imported} (l." if imported else f"- {importer}\n") in breaches(contract)
