"""Collect, check and compile the translations in `src/mithaq/locale`.

`extract` brings every .po up to date with the sources, `check` fails on anything missing, fuzzy, out of date, or with
other placeholders than its original, `compile` writes the .mo files that the program reads and the wheel carries.

Message ids are found in Jinja templates (`{% trans %}`, `_()`), in calls of `msgid`, `gettext`, `ngettext` and `words`,
and where they are born: the first argument of every subclass of the kernel's `Error`, and the sentences of `Reason`,
`Clause`, `TermRule` and `Sentence`.
"""

import ast
import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "mithaq"
LOCALES = SOURCE / "locale"
LANGUAGES = ("ar", "fr")
SENTENCES = {
    "msgid": (0,),
    "gettext": (0,),
    "say": (0,),
    "words": (0,),
    "Reason": (1, 3),
    "Clause": (2, 3),
    "TermRule": (2,),
    "Sentence": (0,),
    "Flaw": (2, 3),
}
"""Which positional arguments of a call are message ids."""

NAMED = {"Reason": ("message", "remedy"), "Clause": ("message", "remedy"), "TermRule": ("sentence",)}
_PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")
_STRAY_PERCENT = re.compile(r"%(?!\(\w+\)[sd]|%)")
_OPTIONAL_IN_PLURALS = {"count", "num", "n"}

Found = tuple[str, str | tuple[str, str]]


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
            faults = [fault for language in LANGUAGES for fault in check(language)]
            print("\n".join(faults), end="\n" if faults else "")
            return 1 if faults else 0
    print("usage: i18n.py extract|check|compile", file=sys.stderr)
    return 2


def sources() -> Catalog:
    """Return every message id of the program with the files it stands in."""
    catalog = Catalog(project="Mithaq", charset="utf-8", fuzzy=False)
    for where, message in sorted(_messages(), key=lambda found: (found[0], str(found[1]))):
        catalog.add(message, locations=[(where, None)])  # type: ignore[list-item]  # no line numbers: calm diffs
    return catalog


def _messages() -> Iterator[Found]:
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
    errors = _error_classes(trees.values())
    for path, tree in trees.items():
        where = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from ((where, message) for message in _of_call(node, errors))
    for path in sorted(SOURCE.glob("web/templates/**/*.html")):
        with path.open("rb") as file:
            options = {"trimmed": "true", "silent": "false"}
            for _, _, message, _ in babel_extract(file, ("_", "gettext", "ngettext"), [], options):
                usable = tuple(part for part in message if part) if isinstance(message, tuple) else message
                if usable:
                    yield path.relative_to(ROOT).as_posix(), usable  # type: ignore[misc]


def _error_classes(trees: object) -> set[str]:
    """Return the names of all classes that descend from `Error`."""
    bases: dict[str, set[str]] = {}
    for tree in trees:  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {_name(base) for base in node.bases}
    found = {"Error"}
    while more := {name for name, of in bases.items() if of & found} - found:
        found |= more
    return found


def _of_call(call: ast.Call, errors: set[str]) -> Iterator[str | tuple[str, str]]:
    name = _name(call.func)
    if name == "ngettext" and len(call.args) >= 2:
        one, many = _text(call.args[0]), _text(call.args[1])
        if one and many:
            yield (one, many)
        return
    places = (0,) if name in errors else SENTENCES.get(name, ())
    wanted = [call.args[place] for place in places if place < len(call.args)]
    wanted += [keyword.value for keyword in call.keywords if keyword.arg in NAMED.get(name, ())]
    for argument in wanted:
        if text := _text(argument):
            yield text


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


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
    where = _po(language).relative_to(ROOT)
    there = {_key(message) for message in catalog if message.id}
    needed = {_key(message) for message in wanted if message.id}
    yield from (f"{where}: missing, run tools/i18n.py extract: {key!r}" for key in sorted(needed - there))
    yield from (f"{where}: no longer used, run tools/i18n.py extract: {key!r}" for key in sorted(there - needed))
    for message in catalog:
        if message.id:
            yield from (f"{where}: {fault}: {_key(message)!r}" for fault in _faults(message, catalog.num_plurals))
    if not _mo(language).is_file() or _mo(language).read_bytes() != compiled(catalog):
        yield f"{_mo(language).relative_to(ROOT)}: out of date, run tools/i18n.py compile"


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
