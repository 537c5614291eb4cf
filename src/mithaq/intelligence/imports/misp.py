"""Import a MISP event file: converted in a process of its own, the file itself kept beside what came of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from mithaq.intelligence.errors import MispFailed, TooMuch
from mithaq.intelligence.imports import misp_worker
from mithaq.intelligence.imports.tally import Tally
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import MISP_CPU_S, MISP_MAX_BYTES, MISP_MEMORY_BYTES, MISP_WALL_S
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.admiralty import admiralty_of
from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp

MEDIA_TYPE: Final = "application/vnd.misp.event+json"
_MAX_NOTES: Final = 100


def import_misp(
    holdings: Holdings,
    file: bytes,
    *,
    terms: ImportTerms,
    warning_lists: WarningLists | None,
    at: datetime,
) -> ImportReport:
    """Store the STIX objects of a MISP file's events; the file is kept byte for byte as their original.

    An event's `tlp:`, `PAP:` and `admiralty-scale:` tags hold for all its objects. An event that cannot be
    converted is refused by its uuid, and the others go on.

    Raises:
        TooMuch: the file is larger than a MISP file may be.
        MispFailed: it is no JSON, too deep, or the converting process died.
    """
    if len(file) > MISP_MAX_BYTES:
        raise TooMuch("larger than the %(max)s bytes of a MISP file", subject="misp-file", max=MISP_MAX_BYTES)
    if stix.nesting_exceeds(file, stix.MAX_DEPTH):
        raise MispFailed("nested deeper than %(max)s levels", subject="misp-file", max=stix.MAX_DEPTH)
    lines = list(_converted(file))
    with holdings.db.write(at) as tx:
        original = holdings.keep_original(tx, MEDIA_TYPE, file)
    return _store(holdings, lines, replace(terms, original=original), warning_lists, at)


def _store(
    holdings: Holdings, lines: list[bytes], terms: ImportTerms, warning_lists: WarningLists | None, at: datetime
) -> ImportReport:
    reports: list[ImportReport] = []
    notes: list[str] = []
    tally = Tally(holdings, terms, warning_lists, at)
    for index, line in enumerate(lines):
        kind, body = line[:1], line[1:]
        if kind == b"O":
            tally.add(body, index)
            continue
        head = msgspec.json.decode(body)
        if kind == b"F":
            reason = Reason("misp-conversion-failed", "the event could not be converted: %(detail)s",
                            {"detail": str(head["error"])}, "export the event from MISP again, or as STIX")  # fmt: skip
            tally.refuse(f"event {head['event']}", reason)
            continue
        reports.append(tally.report())
        notes += [f"{head['event']}: {note}" for note in head["notes"]]
        tally = Tally(holdings, _terms_of_event(terms, head), warning_lists, at)
    reports.append(tally.report(notes=tuple(notes[:_MAX_NOTES])))
    return ImportReport.sum(reports)


def _terms_of_event(terms: ImportTerms, head: dict[str, Any]) -> ImportTerms:
    """Apply an event's own tags, the stricter label winning."""
    tags = [str(tag) for tag in head["tags"]]
    tlps = [Tlp.parse(tag) for tag in tags if tag.lower().startswith("tlp:")]
    tlp = max((item for item in (*tlps, terms.tlp) if item is not None), default=None)
    paps: tuple[Pap | None, ...] = (pap_of(tags), terms.pap)
    pap = max((item for item in paps if item is not None), default=None)
    carried = {**terms.carried, "misp": {"event": head["event"], "info": head["info"], "tags": tags}}
    return replace(terms, tlp=tlp, pap=pap, carried=carried, tagged=admiralty_of(tags))


def _converted(file: bytes) -> Iterator[bytes]:
    """Run the converter without this program's environment, and return its lines."""
    program = str(Path(misp_worker.__file__).resolve())
    command = [sys.executable, "-I", program, str(MISP_MEMORY_BYTES), str(MISP_CPU_S)]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, the file goes to its standard input
            command, input=file, capture_output=True, timeout=MISP_WALL_S, env={"LANG": "C.UTF-8"}, cwd="/", check=False
        )
    except subprocess.TimeoutExpired as error:
        raise MispFailed("the conversion took longer than %(max)s seconds", max=MISP_WALL_S) from error
    if done.returncode != 0:
        detail = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2][:300]
        raise MispFailed("the file could not be converted: %(detail)s", detail=detail or f"signal {-done.returncode}")
    yield from done.stdout.splitlines()
