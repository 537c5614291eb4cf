"""`mithaq yara`: import YARA rules, look whether they can be followed, try them on files, have files scanned."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mithaq.cli.importing import finish, rules_with_terms
from mithaq.cli.layout import Column, show_rows, word
from mithaq.cli.options import LANE
from mithaq.cli.rule_files import YARA, rule_files
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.intelligence.imports.yara import import_yara
from mithaq.intelligence.model import ImportTerms
from mithaq.kernel.lane import Lane
from mithaq.node.language import msgid
from mithaq.standards.yara import BadYara, read_units

if TYPE_CHECKING:
    from mithaq.detection.yara.compiling import RuleCompiler
    from mithaq.detection.yara.scanner import FileScan, Scanner
    from mithaq.detection.yara.store import KnownFile

_CHECKED = {
    "rule": Column(msgid("rule")),
    "tags": Column(msgid("tags")),
    "techniques": Column(msgid("techniques")),
    "warnings": Column(msgid("warnings")),
    "problem": Column(msgid("problem")),
}
_TESTED = {
    "file": Column(msgid("file")),
    "rule": Column(msgid("rule")),
    "tags": Column(msgid("tags")),
    "texts": Column(msgid("where")),
    "problem": Column(msgid("problem")),
}
_UPLOADED = {
    "sha256": Column("SHA-256"),
    "file": Column(msgid("file")),
    "problem": Column(msgid("problem")),
}
_FILES = {
    "source": Column(msgid("source")),
    "path": Column(msgid("file")),
    "state": Column(msgid("state"), lambda session, value: word(session, f"file-{value}")),
    "matched": Column(msgid("rules that are true of it")),
    "problem": Column(msgid("problem")),
}
_PLACES = 3


@click.group()
def yara() -> None:
    """Import YARA rules, look whether they can be followed, have files scanned with them."""


@yara.command()
@rules_with_terms
def add(ctx: click.Context, paths: tuple[str, ...], terms: ImportTerms) -> None:
    """Import the rules in PATHS: files, folders, zip archives, or `-` for standard input.

    Each rule becomes an indicator, and rules that name each other one together; a newer text of a rule becomes its
    next version. A rule that cannot be followed is refused, and the others are imported.
    """
    session: Session = ctx.obj
    with _compiler() as compiler:
        report = import_yara(
            session.node().holdings,
            rule_files(paths, YARA),
            terms=terms,
            at=session.now(),
            check=lambda unit: compiler.check(unit.text).problem,
        )
    finish(ctx, report)


@yara.command()
@click.argument("paths", nargs=-1, required=True)
@click.pass_context
def check(ctx: click.Context, paths: tuple[str, ...]) -> None:
    """Say of each rule in PATHS what this node cannot do of it, and what makes it slow; nothing is stored."""
    session: Session = ctx.obj
    with _compiler() as compiler:
        rows = [row for name, body in rule_files(paths, YARA) for row in _checked(session, compiler, name, body)]
    show_rows(session, rows, _CHECKED, empty=msgid("there is no rule in it"))
    failed = sum(bool(row["problem"]) for row in rows)
    session.say("%(count)s rules, %(failed)s of them cannot be followed", count=len(rows), failed=failed)
    if failed or not rows:
        ctx.exit(EXIT_FAILED)


@yara.command()
@click.argument("rules")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def test(session: Session, rules: str, files: tuple[Path, ...]) -> None:
    """Try the rules in RULES on FILES, in a process with limits; nothing is stored."""
    units: dict[str, str] = {}
    for name, body in rule_files((rules,), YARA):
        for unit in read_units(body, name):
            if isinstance(unit, BadYara):
                session.say("refused %(object)s: %(reason)s", object=unit.subject, reason=session.words.error(unit))
            else:
                units[unit.name] = unit.text
    with _scanner() as scanner:
        for key, reason in scanner.put(units).items():
            session.say("refused %(object)s: %(reason)s", object=key, reason=session.words.reason(reason))
        rows = [row for path in files for row in _tested(session, scanner, path)]
    show_rows(session, rows, _TESTED, empty=msgid("No rule matches."))


@yara.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--lane", type=LANE, default="actual", show_default=True)
@click.pass_context
def scan(ctx: click.Context, files: tuple[Path, ...], lane: Lane) -> None:
    """Have FILES scanned by the node, with all rules and indicators of its holdings.

    They are kept apart under their hashes, never executed, and erased after a while; `mithaq yara files` says what
    became of them, `mithaq hit list` what was found.
    """
    session: Session = ctx.obj
    rows = [_uploaded(session, path, lane) for path in files]
    show_rows(session, rows, _UPLOADED, empty=msgid("No file was found yet."))
    if any(row["problem"] for row in rows):
        ctx.exit(EXIT_FAILED)


@yara.command("files")
@click.option("--source", default=None, help="Only the files of this source.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000))
@click.pass_obj
def list_files(session: Session, source: str | None, limit: int) -> None:
    """Show the files that were found last, and what became of each."""
    rows = [_file(session, each) for each in session.node().files.newest(source, limit)]
    show_rows(session, rows, _FILES, empty=msgid("No file was found yet."))


def _uploaded(session: Session, path: Path, lane: Lane) -> dict[str, Any]:
    from mithaq.detection.yara.errors import FileRefused
    from mithaq.detection.yara.files import open_file

    try:
        with os.fdopen(open_file(path), "rb") as file:
            digest = session.node().files.upload(
                file.read, name=path.name, by=session.actor, at=session.now(), lane=lane
            )
    except FileRefused as error:
        problem = session.words.gettext(error.message, **error.params)
        return {"file": str(path), "sha256": "", "problem": problem}
    return {"file": str(path), "sha256": digest, "problem": ""}


def _file(session: Session, known: KnownFile) -> dict[str, Any]:
    return {
        "source": known.source,
        "path": known.found.path.encode("utf-8", "replace").decode(),
        "size": known.found.size,
        "state": known.state.value,
        "matched": list(known.matched),
        "scanned_at": known.scanned_at,
        "problem": session.words.reason(known.reason) if known.reason is not None else "",
        "sha256": known.sha256,
    }


@contextmanager
def _compiler() -> Iterator[RuleCompiler]:
    from mithaq.detection.yara.compiling import RuleCompiler
    from mithaq.detection.yara.settings import YaraLimits

    compiler = RuleCompiler(YaraLimits())
    try:
        yield compiler
    finally:
        compiler.close()


@contextmanager
def _scanner() -> Iterator[Scanner]:
    from mithaq.detection.yara.scanner import Scanner

    scanner = Scanner()
    try:
        yield scanner
    finally:
        scanner.close()


def _checked(session: Session, compiler: RuleCompiler, name: str, body: bytes) -> Iterator[dict[str, Any]]:
    for unit in read_units(body, name):
        if isinstance(unit, BadYara):
            problem = session.words.gettext(unit.message, **unit.params)
            yield {"rule": unit.subject or name, "tags": [], "techniques": [], "warnings": [], "problem": problem}
            continue
        said = compiler.check(unit.text)
        yield {
            "rule": unit.name,
            "tags": list(unit.tags),
            "techniques": list(unit.techniques),
            "warnings": [f"{each.line}: {each.text}" for each in said.warnings],
            "problem": session.words.reason(said.problem) if said.problem is not None else "",
        }


def _tested(session: Session, scanner: Scanner, path: Path) -> Iterator[dict[str, Any]]:
    from mithaq.detection.yara.errors import FileRefused
    from mithaq.detection.yara.files import open_file

    try:
        descriptor = open_file(path)
        try:
            found = scanner.scan(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    except FileRefused as error:
        yield _row(path, problem=session.words.gettext(error.message, **error.params))
        return
    yield from _found(session, path, found)


def _found(session: Session, path: Path, found: FileScan) -> Iterator[dict[str, Any]]:
    for match in found.matches:
        places = [f"{text.id}@{place.offset}" for text in match.texts for place in text.places[:_PLACES]]
        yield _row(path, match.rule, match.tags, places)
    for key, reason in found.unfinished.items():
        yield _row(path, key, problem=session.words.reason(reason))


def _row(
    path: Path, rule: str = "", tags: list[str] | None = None, texts: list[str] | None = None, problem: str = ""
) -> dict[str, Any]:
    return {"file": str(path), "rule": rule, "tags": tags or [], "texts": texts or [], "problem": problem}
