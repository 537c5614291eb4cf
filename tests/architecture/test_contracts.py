"""The import contracts hold, and each of them sees what it forbids."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = {
    "floors": [
        ("kernel/telltale.py", "import mithaq.release.rules\n"),
        ("agreements/telltale.py", "import mithaq.intelligence.model\n"),
        ("detection/telltale.py", "import mithaq.exchange.views\n"),
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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    only_code = shutil.ignore_patterns("__pycache__", "static", "templates", "locale")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=only_code)
    return tmp_path


def test_the_contracts_hold(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("contract", "path", "line"),
    [(contract, path, line) for contract, plants in PLANTED.items() for path, line in plants],
)
def test_a_planted_import_breaks_its_contract(tree: Path, contract: str, path: str, line: str) -> None:
    planted = tree / "src" / "mithaq" / path
    planted.parent.mkdir(exist_ok=True)
    with planted.open("a") as file:
        file.write(line)
    result = lint(tree, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "BROKEN" in result.stdout
