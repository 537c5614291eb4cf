"""What every command shares: the node, the clock, and how results are printed."""

import json
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import read_input
from mithaq.kernel.clock import SystemClock
from mithaq.node.composition import Node, compose
from mithaq.node.language import Translator, translator

EXIT_FAILED, EXIT_USAGE, EXIT_NOT_FOUND, EXIT_REFUSED, EXIT_UNREACHABLE = 1, 2, 3, 4, 5
MAX_PASSPHRASE_BYTES = 4096


class Session:
    """One run of the command; `ctx.obj` of every command."""

    def __init__(self, data: Path, *, as_json: bool, language: str, passphrase_file: Path | None) -> None:
        self.data = data
        self.as_json = as_json
        self.passphrase_file = passphrase_file
        self.words: Translator = translator(language)
        self._clock = SystemClock()

    def now(self) -> datetime:
        """Return the instant of this command."""
        return self._clock.now()

    @property
    def actor(self) -> str:
        """Return who is written down as acting: the operator at the console."""
        return "operator"

    @cached_property
    def _node(self) -> Node:
        return compose(self.data, passphrase=self.passphrase_or_none())

    def node(self) -> Node:
        """Return the node of the data folder; a running node's signer is used where there is one."""
        return self._node

    def passphrase_or_none(self) -> bytes | None:
        """Return the passphrase where a file or the environment names it."""
        named = self.passphrase_file or os.environ.get("MITHAQ_PASSPHRASE_FILE")
        return read_input(str(named), MAX_PASSPHRASE_BYTES).strip() if named else None

    def passphrase(self) -> bytes:
        """Return the passphrase, asked at the terminal where nothing names it."""
        known = self.passphrase_or_none()
        if known is not None:
            return known
        answer: str = click.prompt(self.words.gettext("Passphrase of the key file"), hide_input=True, err=True)
        return answer.encode()

    def say(self, message: str, **params: str | int) -> None:
        """Talk on standard error, in the reader's language."""
        click.echo(self.words.gettext(message, **params), err=True)

    def emit(self, value: Any, text: Callable[[], str] | None = None) -> None:
        """Print a result: JSON where asked for or where there is no text form of it."""
        if self.as_json or text is None:
            click.echo(json.dumps(value, ensure_ascii=False, default=str, indent=None if self.as_json else 2))
        else:
            click.echo(text())

    def emit_rows(self, rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> None:
        """Print rows: one JSON object a line (NDJSON), or a table for people."""
        if self.as_json:
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False, default=str))
            return
        click.echo(
            table(
                [
                    [self.words.gettext(name) for name in columns],
                    *([_cell(row.get(n)) for n in columns] for row in rows),
                ]
            )
        )


def table(rows: list[list[str]]) -> str:
    """Align rows of text in columns, the first being their titles.

    >>> print(table([["partner", "state"], ["XB", "trusted"]]))
    partner  state
    XB       trusted
    """
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
