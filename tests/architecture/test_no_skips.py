import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

SKIPS = {
    "by a call": "import pytest\ndef test_a(): pytest.skip('no browser here')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no browser here')\ndef test_a(): pass\n",
    "in a fixture": "import pytest\n@pytest.fixture\ndef b(): pytest.skip('no browser here')\ndef test_a(b): pass\n",
    "as a module": "import pytest\npytest.skip('no browser here', allow_module_level=True)\n",
}
DATA = "import pytest\ndef test_a(): pytest.skip('the real data is not there: x')\ndef test_b(): pass\n"
EXPECTED = "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): assert 0\n"


def run(folder: Path, texts: dict[str, str], ci: str) -> dict[str, str]:
    """Run some files of tests in one process; return what is said of each, and `""` for how it all ended."""
    for name, text in texts.items():
        (folder / f"test_{name.replace(' ', '_')}.py").write_text(text)
    options = ["-p", "tests.no_skips", "-p", "no:cacheprovider", "-rA", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *options, "--rootdir", folder]
    result = subprocess.run(
        [*command, folder],
        cwd=folder,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = result.stdout.partition("short test summary info")[2].splitlines()
    said = {name: "\n".join(line for line in lines if name.replace(" ", "_") in line) for name in texts}
    return said | {"": str(result.returncode)}


def test_a_skip_fails_where_it_is_decided_what_lands_and_says_why(tmp_path: Path) -> None:
    said = run(tmp_path, SKIPS, "true")
    for name in SKIPS:
        assert said[name].startswith(("FAILED", "ERROR")), (name, said)
        assert "no browser here" in said[name], (name, said)
    assert said[""] != "0"


def test_elsewhere_a_skip_is_a_skip(tmp_path: Path) -> None:
    said = run(tmp_path, {"by a call": SKIPS["by a call"]}, "")
    assert said[""] == "0"
    assert "SKIPPED" in said["by a call"]


def test_what_is_meant_to_be_let_through_is(tmp_path: Path) -> None:
    assert run(tmp_path, {"absent data": DATA, "an expected failure": EXPECTED}, "true")[""] == "0"
