import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SKIPS = {
    "by a call": "import pytest\ndef test_a(): pytest.skip('no browser here')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no browser here')\ndef test_a(): pass\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef b(): pytest.skip('no browser here')\ndef test_a(b): pass\n",
    "as a module": "import pytest\npytest.skip('no browser here', allow_module_level=True)\n",
}
DATA = "import pytest\ndef test_a(): pytest.skip('the real data is not there: x')\ndef test_b(): pass\n"
EXPECTED = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert 0\n"


def run(folder: Path, text: str, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.no_skips",
        "-p",
        "no:cacheprovider",
        "-rs",
        "--rootdir",
        folder,
    ]
    return subprocess.run(
        [*command, folder / "test_it.py"],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("text", SKIPS.values(), ids=SKIPS)
def test_a_skip_fails_where_it_is_decided_what_lands_and_says_why(tmp_path: Path, text: str) -> None:
    result = run(tmp_path, text, "true")
    assert result.returncode != 0
    assert "no browser here" in result.stdout


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    result = run(tmp_path, SKIPS["by a call"], "")
    assert (result.returncode, "1 skipped" in result.stdout) == (0, True)


@pytest.mark.parametrize("text", [DATA, EXPECTED], ids=["absent data", "an expected failure"])
def test_what_is_meant_to_be_let_through_is(tmp_path: Path, text: str) -> None:
    assert run(tmp_path, text, "true").returncode == 0
