"""Import a page's file in a process apart, which loads this and nothing of the pages: they take as long again."""

from pathlib import Path

from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.misp import KeepEvent, import_misp
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import PAGE_UPLOAD
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import SystemClock
from mithaq.kernel.database import Database


def import_file(place: tuple[str, Path, Path], body: bytes, terms: ImportTerms, keep: KeepEvent | None) -> ImportReport:
    """Import in the process of the caller, which holds no keys and serves nobody.

    `place`: the address of the database, the folder of those to be woken, and the one of the warning lists. `keep`:
    how events are kept where the file holds MISP's, None for a bundle.
    """
    url, run_dir, cache = place
    db, at = Database.open(url, run_dir=run_dir), SystemClock().now()
    holdings, lists = Holdings(db), WarningLists(cache)
    try:
        if keep is not None:
            return import_misp(holdings, body, terms=terms, warning_lists=lists, keep=keep, at=at)
        return import_bundle(holdings, body, door=PAGE_UPLOAD, terms=terms, warning_lists=lists, at=at)
    finally:
        db.close()
