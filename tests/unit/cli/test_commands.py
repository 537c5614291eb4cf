"""Every command explains itself, and the pages for operators say what the program does."""

import re
from pathlib import Path

import click
import msgspec
import pytest

from mithaq.cli.main import COMMANDS, cli
from mithaq.node.settings import Settings
from tests.unit.cli.conftest import run
from tools import commands

DOCS = Path(__file__).resolve().parents[3] / "docs"
LEAVES = dict(commands.leaves(cli, "mithaq", click.Context(cli, info_name="mithaq")))


def test_the_entry_lists_every_command_without_loading_it() -> None:
    said = run("--help")
    assert said.code == 0
    listed = re.findall(r"^  ([a-z]+) ", said.out, re.MULTILINE)
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_explains_itself(path: str) -> None:
    said = run(*path.split()[1:], "--help")
    assert said.code == 0, said.err
    assert said.out.startswith("Usage:")
    assert (LEAVES[path].help or "").split("\n")[0].strip()


def test_the_page_of_commands_is_the_programs_own() -> None:
    assert (DOCS / "commands.md").read_text("utf-8") == commands.page(), "run: python tools/commands.py write"


def test_every_setting_is_explained_with_its_default() -> None:
    table = {
        match[1]: match[2]
        for match in re.finditer(
            r"^\| `([a-z_]+)` \| [^|]+ \| ([^|]+) \|", (DOCS / "settings.md").read_text("utf-8"), re.MULTILINE
        )
    }
    fields = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    assert table.keys() == fields.keys()
    for name, default in fields.items():
        shown = "required" if default is msgspec.NODEFAULT else f"`{msgspec.json.encode(default).decode()}`"
        assert table[name] == shown, name


def test_every_variable_of_the_environment_is_explained() -> None:
    page = (DOCS / "settings.md").read_text("utf-8")
    source = Path(commands.__file__).resolve().parent.parent / "src" / "mithaq"
    used = {
        name for path in source.rglob("*.py") for name in re.findall(r"\"(MITHAQ_[A-Z_]+)\"", path.read_text("utf-8"))
    }
    assert used
    assert {name for name in used if f"`{name}`" not in page} == set()
