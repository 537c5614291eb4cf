"""Collect, check and compile the translations in `src/mithaq/locale`.

`extract` brings every .po up to date with the sources, `check` fails on anything missing, fuzzy, out of date, or with
other placeholders than its original, `compile` writes the .mo files that the program reads and the wheel carries.

Which messages there are, `message_ids` finds; one that is no text of the sources is a fault too.
"""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from message_ids import Fault, Found, in_sources, in_templates

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "mithaq"
LOCALES = SOURCE / "locale"
LANGUAGES = ("ar", "fr")
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_STRAY_PERCENT = re.compile(r"%(?!\(\w+\)[sd]|%)")
_OPTIONAL_IN_PLURALS = {"count", "num", "n"}


def main(argv: list[str]) -> int:
    """Run one of `extract`, `check`, `compile`."""
    match argv:
        case ["extract"]:
            for language in LANGUAGES:
                _write(language, updated(language))
            return 0
        case ["compile"]:
            for language in LANGUAGES:
                _mo(language).write_bytes(compiled(_read(language)))
            return 0
        case ["check"]:
            faults = [*unwritten(), *(fault for language in LANGUAGES for fault in check(language))]
            print("\n".join(faults), end="\n" if faults else "")
            return 1 if faults else 0
    print("usage: i18n.py extract|check|compile", file=sys.stderr)
    return 2


def sources() -> Catalog:
    """Return every message id of the program with the files it stands in."""
    catalog = Catalog(project="Mithaq", charset="utf-8", fuzzy=False)
    there = ((_place(each.path), each.message) for each in _messages() if isinstance(each, Found))
    for where, message in sorted(there, key=lambda found: (found[0], str(found[1]))):
        catalog.add(message, locations=[(where, None)])  # type: ignore[list-item]  # no line numbers: calm diffs
    return catalog


def unwritten() -> Iterator[str]:
    """Yield a sentence for each error or reason whose message is no text of the sources."""
    for each in _messages():
        if isinstance(each, Fault):
            yield f"{_place(each.path)}:{each.line}: what is told must be written where it is raised, not: {each.given}"


@cache
def _messages() -> tuple[Found | Fault, ...]:
    return (*in_sources(SOURCE), *in_templates(SOURCE / "web" / "templates"))


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def updated(language: str) -> Catalog:
    """Return a language's catalogue with exactly the messages of the sources."""
    old = _read(language)
    new = Catalog(
        locale=language,
        project="Mithaq",
        version="1",
        last_translator="The Mithaq founders",
        language_team=language,
        msgid_bugs_address="the project's issue tracker",
        copyright_holder="The Mithaq founders",
        charset="utf-8",
        fuzzy=False,
        creation_date=datetime(2026, 1, 1, tzinfo=UTC),
        revision_date=datetime(2026, 1, 1, tzinfo=UTC),
    )
    new.header_comment = f"# Mithaq in {new.locale.english_name if new.locale else language}. Apache-2.0."
    for message in sources():
        if not message.id:
            continue
        known = old.get(message.id)
        same = known is not None and known.id == message.id
        new.add(message.id, known.string if known and same else None, locations=message.locations)
    return new


def check(language: str) -> Iterator[str]:
    """Yield a sentence for each fault of a language's translation."""
    catalog, wanted = _read(language), sources()
    where = _place(_po(language))
    there = {_key(message) for message in catalog if message.id}
    needed = {_key(message) for message in wanted if message.id}
    yield from (f"{where}: missing, run tools/i18n.py extract: {key!r}" for key in sorted(needed - there))
    yield from (f"{where}: no longer used, run tools/i18n.py extract: {key!r}" for key in sorted(there - needed))
    for message in catalog:
        if message.id:
            yield from (f"{where}: {fault}: {_key(message)!r}" for fault in _faults(message, catalog.num_plurals))
    if not _mo(language).is_file() or _mo(language).read_bytes() != compiled(catalog):
        yield f"{_place(_mo(language))}: out of date, run tools/i18n.py compile"


def _faults(message: Message, plurals: int) -> Iterator[str]:
    ids, strings = _texts(message.id), _texts(message.string)
    if message.fuzzy:
        yield "fuzzy"
    if not all(strings):
        yield "not translated"
        return
    if len(ids) > 1 and len(strings) != plurals:
        yield f"{len(strings)} plural forms, the language has {plurals}"
    wanted = {name for text in ids for name in _PLACEHOLDER.findall(text)}
    for text in strings:
        found = set(_PLACEHOLDER.findall(text))
        missing = wanted - found - (_OPTIONAL_IN_PLURALS if len(ids) > 1 else set())
        if found - wanted or missing:
            yield f"placeholders {sorted(found)} instead of {sorted(wanted)}"
        if wanted and _STRAY_PERCENT.search(text):
            yield "a stray % beside a placeholder"


def _texts(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(part or "") for part in parts)


def compiled(catalog: Catalog) -> bytes:
    """Return the .mo form of a catalogue."""
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def _key(message: Message) -> str:
    return message.id[0] if isinstance(message.id, tuple) else str(message.id)


def _po(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / "mithaq.po"


def _mo(language: str) -> Path:
    return _po(language).with_suffix(".mo")


def _read(language: str) -> Catalog:
    if not _po(language).is_file():
        return Catalog(locale=language)
    with _po(language).open("rb") as file:
        return read_po(file, locale=language)


def _write(language: str, catalog: Catalog) -> None:
    _po(language).parent.mkdir(parents=True, exist_ok=True)
    with _po(language).open("wb") as file:
        write_po(file, catalog, width=110, include_lineno=False, omit_header=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
