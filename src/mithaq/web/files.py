"""Files that are scanned with YARA rules: who brought which, what became of it, and which rules are true of it."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import UploadFile
from starlette.responses import Response

from mithaq.detection.yara.errors import FileRefused
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.settings import MAX_UPLOAD_BYTES

_SHOWN: Final = 100


def files(visit: Visit) -> Response:
    """Show the form, how many files each source has, and the newest of them."""
    node = visit.site.node
    counts = node.files.counts()
    sources = [each.source for each in counts]
    source = visit.query("source") if visit.query("source") in sources else None
    return visit.page(
        "files.html",
        counts=counts,
        source=source,
        files=node.files.newest(source, _SHOWN),
        shown=_SHOWN,
        lanes=[str(ACTUAL), str(TEST)],
        max_mebibytes=MAX_UPLOAD_BYTES // 1024**2,
    )


def upload(visit: Visit) -> Response:
    """Keep a file to be scanned."""
    given, node = visit.form.get("file"), visit.site.node
    if not isinstance(given, UploadFile) or not given.size:
        raise FileRefused("choose a file that is not empty")
    lane = Lane.parse(visit.field("lane") or str(ACTUAL))
    digest = node.files.upload(given.file.read, name=given.filename or "", by=visit.person.id, at=visit.at, lane=lane)
    with node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action="detection.file", subject=digest)
    return visit.go("/files")


DOORS = (
    Door("/files", files, Verb.DETECTION_READ),
    Door("/files", upload, Verb.DETECTION_CONFIRM, "POST"),
)
