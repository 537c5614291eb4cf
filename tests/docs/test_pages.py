"""What the pages say can be done can be done: links lead somewhere, commands exist, words come in three languages."""

import re
import unicodedata
from functools import cache
from pathlib import Path

import click
import pytest

from mithaq.cli.main import cli
from tools.check_tree import files

ROOT = Path(__file__).resolve().parents[2]
PAGES = {file.path: file.text for file in files() if file.path.endswith(".md")}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
BLOCK = re.compile(r"```\w*\n(.*?)```|((?:^    .*\n)+)", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
REQUIRED = (
    "README.md",
    "GLOSSARY.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/clauses.md",
    "docs/errors.md",
    "docs/journal.md",
)


def typed(page: str) -> list[str]:
    """Return the lines of a page's blocks of code, as somebody would type them; what goes on below is one line."""
    blocks = [fenced or indented for fenced, indented in BLOCK.findall(page)]
    return [line.strip() for block in blocks for line in re.sub(r"\\\n\s*", "", block).splitlines() if line.strip()]


def code(page: str) -> list[str]:
    """Return the lines of code in a page, and what its sentences name."""
    return typed(page) + SPAN.findall(BLOCK.sub("", page))


def targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))


@cache
def command(*words: str) -> click.Command | None:
    """Return the command that the words name, nothing where a word names none."""
    found: click.Command | None = cli
    for word in words:
        if not isinstance(found, click.Group):
            return None
        found = found.get_command(click.Context(found), word)
    return found


def spoken(line: str) -> tuple[list[str], list[str]]:
    """Split a line that begins with `mithaq` into its command's words and all its options."""
    parts = line.split()[1:]
    options = [part.split("=")[0] for part in parts if part.startswith("--")]
    words, found = [], cli
    takes = {name for each in cli.params if not getattr(each, "is_flag", False) for name in each.opts}
    skip = False
    for part in parts:
        if skip or part.startswith("-"):
            skip = part in takes and not skip
            continue
        if not isinstance(found, click.Group) or not re.fullmatch(r"[a-z-]+", part):
            break
        words.append(part)
        found = command(*words)  # type: ignore[assignment]
    return words, options


def known_options(words: list[str]) -> set[str]:
    found = {"--help", "--json"}
    for length in range(len(words) + 1):
        if (each := command(*words[:length])) is not None:
            found |= {name for param in each.params for name in (*param.opts, *param.secondary_opts)}
    return found


@pytest.mark.parametrize("name", REQUIRED)
def test_the_page_is_there(name: str) -> None:
    assert len(PAGES[name].splitlines()) > 15


@pytest.mark.parametrize("path", sorted(PAGES))
def test_every_link_inside_the_tree_leads_somewhere(path: str) -> None:
    broken = [
        link
        for link in LINK.findall(PAGES[path])
        if not link.startswith(("http:", "https:", "#", "mailto:"))
        and not (ROOT / path).parent.joinpath(link.split("#")[0]).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("path", sorted(PAGES))
def test_every_command_in_a_page_exists_with_its_options(path: str) -> None:
    unknown = []
    for line in code(PAGES[path]):
        if line.startswith("make "):
            unknown += [line for word in line.split("#")[0].split()[1:2] if word not in targets()]
        if re.match(r"mithaq [a-z-]", line) and "|" not in line.split("#")[0]:
            words, options = spoken(line.split("#")[0])
            if not words or command(*words) is None or not set(options) <= known_options(words):
                unknown.append(line)
    assert unknown == []


@pytest.mark.parametrize("path", sorted(set(PAGES) - {"docs/commands.md"}))
def test_every_command_that_is_typed_out_has_all_that_it_needs(path: str) -> None:
    incomplete = []
    for line in (each.split(" #")[0] for each in typed(PAGES[path]) if re.match(r"mithaq [a-z-]", each)):
        words, options = spoken(line)
        found = command(*words)
        params = found.params if found is not None else []
        needed = [each for each in params if isinstance(each, click.Option) and each.required]
        incomplete += [(line, each.name) for each in needed if not {*each.opts} & {*options} and "…" not in line]
    assert incomplete == []


def test_an_unknown_command_or_option_in_a_page_would_be_noticed() -> None:
    assert spoken("mithaq --passphrase-file x partner confirm XB --fingerprint 1") == (
        ["partner", "confirm"],
        ["--passphrase-file", "--fingerprint"],
    )
    assert command("partner", "confirm") is not None
    assert command("partner", "befriend") is None
    assert "--fingerprint" in known_options(["partner", "confirm"])
    assert "--loudly" not in known_options(["partner", "confirm"])


def test_the_readme_shows_a_recorded_run() -> None:
    recorded = re.search(r"<!-- recorded: (.*?) -->\n```\n(.*?)```\n<!-- /recorded -->", PAGES["README.md"], re.DOTALL)
    assert recorded is not None
    assert "make demo" in recorded[1]
    assert len(recorded[2].splitlines()) > 5


def test_the_glossary_gives_every_word_in_three_languages_once_and_in_order() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGES["GLOSSARY.md"].splitlines()[6:]]
    assert len(rows) > 50
    words = [row[0] for row in rows]
    assert words == sorted(set(words), key=str.lower)
    for english, french, arabic, meaning in rows:
        assert english
        assert french
        assert meaning
        assert any(unicodedata.bidirectional(letter) == "AL" for letter in arabic), english
