"""Write `docs/commands.md` from the program, or say that it is out of date: `commands.py write|check`."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mithaq.cli.main import cli

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
_HEAD = """# Commands

`mithaq [OPTIONS] NOUN VERB`. Standard output is data, standard error is talk. `--json` before the noun prints JSON, one
object a line. `-h` or `--help` explains every command.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | the command was written wrongly |
| 3 | not found |
| 4 | refused: no agreement, or a veto |
| 5 | a partner cannot be reached |

This page is written from the program by `tools/commands.py write`.

"""


def leaves(command: click.Command, path: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, with its full name."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None:
            yield from leaves(child, f"{path} {name}", click.Context(child, context, name))


def page() -> str:
    """Return the whole page."""
    context = click.Context(cli, info_name="mithaq")
    text = _HEAD + "## mithaq\n\n" + _options(cli)
    for path, command in leaves(cli, "mithaq", context):
        text += f"## {path}\n\n```\n{_usage(path, command)}\n```\n\n{_help(command)}\n\n{_options(command)}"
    return text.rstrip() + "\n"


def _usage(path: str, command: click.Command) -> str:
    pieces = command.collect_usage_pieces(click.Context(command))
    return " ".join([path, *pieces])


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "")


def _options(command: click.Command) -> str:
    rows = [_row(each) for each in command.params if isinstance(each, click.Option) and not each.hidden]
    if not rows:
        return ""
    return "| option | |\n|---|---|\n" + "".join(rows) + "\n"


def _row(option: click.Option) -> str:
    names, words = option.get_help_record(click.Context(click.Command("mithaq"))) or ("", "")
    return f"| `{_cell(names)}` | {_cell(words)} |\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(argv: list[str]) -> int:
    """Run `write` or `check`."""
    if argv == ["write"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if argv != ["check"]:
        print("usage: commands.py check|write", file=sys.stderr)
        return 2
    if not PAGE.exists() or PAGE.read_text("utf-8") != page():
        print("docs/commands.md: out of date, run tools/commands.py write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
