"""How the command line lays out what people read: labelled lines, names and moments in the reader's language."""

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mithaq.cli.session import Session
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.reason import Reason
from mithaq.web.labels import LABELS

_ISOLATES = frozenset("\u2066\u2067\u2068\u2069\u200e\u200f\u200c\u200d")


def labelled(rows: Iterable[tuple[str, str]]) -> str:
    """Align values behind their labels; an empty value is left out.

    >>> print(labelled([("nation", "XB"), ("standing", "trusted"), ("trouble", "")]))
    nation    XB
    standing  trusted
    """
    shown = [(label, value) for label, value in rows if value]
    width = max((len(label) for label, _ in shown), default=0)
    return "\n".join(f"{label.ljust(width)}  {value}" for label, value in shown)


def printable(text: str) -> str:
    """Return foreign text as one line that cannot rewrite the terminal.

    >>> printable("a" + chr(27) + "[31mred" + chr(10) + "b")
    'a[31mred b'
    """
    line = " ".join(text.split())
    return "".join(char for char in line if char in _ISOLATES or not unicodedata.category(char).startswith("C"))


def name_in(session: Session, names: Mapping[Any, str]) -> str:
    """Return a name in the reader's language, else in English, else in any."""
    return printable(names.get(session.words.language) or names.get("en") or next(iter(names.values()), ""))


def word(session: Session, value: str | None) -> str:
    """Return the reader's word for an enumerated value; a machine's name where it has none."""
    return session.words.gettext(LABELS.get(value, value)) if value else "-"


def agreement_word(session: Session, state: str) -> str:
    """Return the reader's word for where an agreement stands."""
    return word(session, f"agreement-{state}")


def cell(session: Session, value: Any) -> str:
    """Write a value for people; foreign text in it cannot rewrite the terminal."""
    match value:
        case None:
            return "-"
        case datetime():
            return session.words.moment(value)
        case timedelta():
            return session.words.seconds(value.total_seconds())
        case list() | tuple() | frozenset():
            return ", ".join(cell(session, each) for each in value) or "-"
        case _:
            return printable(str(value))


def reasons_json(session: Session, reasons: Iterable[Reason]) -> list[dict[str, str]]:
    """Return reasons for programs: the stable code, the sentence and the remedy in the reader's language."""
    return [
        {"code": each.code, "reason": session.words.reason(each), "remedy": session.words.remedy(each)}
        for each in reasons
    ]


def reason_lines(session: Session, reasons: Iterable[Reason], indent: str = "") -> list[str]:
    """Return numbered reasons, each with its remedy below."""
    lines = []
    for number, reason in enumerate(reasons, 1):
        lines.append(f"{indent}{number}. {printable(session.words.reason(reason))}")
        if remedy := session.words.remedy(reason):
            lines.append(f"{indent}   → {printable(remedy)}")
    return lines


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table for people: its title, a message id, and how its values are shown."""

    title: str
    show: Callable[[Session, Any], str] = cell


def show_rows(
    session: Session, rows: Iterable[Mapping[str, Any]], columns: Mapping[str, Column], *, empty: str
) -> None:
    """Print rows: for programs as they are, one JSON object a line; for people as a table, or that it is empty."""
    if session.as_json:
        session.emit_rows((plain(row) for row in rows), columns)
        return
    listed = list(rows)
    if not listed:
        session.say(empty)
        return
    titles = {key: session.words.gettext(column.title) for key, column in columns.items()}
    shown = [{titles[key]: column.show(session, row.get(key)) for key, column in columns.items()} for row in listed]
    session.emit_rows(shown, titles.values())


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for programs: instants as RFC 3339, durations in seconds."""
    return {key: _plain(value) for key, value in row.items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return rfc3339(value)
        case timedelta():
            return value.total_seconds()
        case _:
            return value
