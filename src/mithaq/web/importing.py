"""Import a STIX bundle or MISP events from a page; the file is read in a process of its own."""

import anyio.from_thread
import anyio.to_process
from starlette.datastructures import UploadFile
from starlette.responses import Response

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.errors import TooMuch
from mithaq.intelligence.imports.apart import import_file
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.settings import PAGE_UPLOAD
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Outcome, Verb
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from mithaq.web.doors import Door, Visit

_SHOWN_FAULTS = 100


def ask(visit: Visit) -> Response:
    """Show the form."""
    return visit.page(
        "import.html",
        report=None,
        tlps=[tlp.label for tlp in Tlp],
        paps=[pap.label for pap in Pap],
        lanes=[str(ACTUAL), str(TEST)],
        max_mebibytes=PAGE_UPLOAD.max_bytes // 1024**2,
    )


def take(visit: Visit) -> Response:
    """Import the file; one bad object is refused with its reason and the rest goes on."""
    upload = visit.form.get("file")
    if not isinstance(upload, UploadFile) or not upload.size:
        raise TooMuch("choose a file that is not empty")
    report = _import(visit, upload.file.read(), misp=visit.field("form") == "misp")
    with visit.site.node.db.write(visit.at) as tx:
        outcome = Outcome.FAILED if report.broken else Outcome.DONE
        audit(tx, actor=visit.person.id, action="intelligence.import", subject=visit.site.node.nation, outcome=outcome)
    return visit.page("import.html", report=report, shown=_SHOWN_FAULTS)


def _import(visit: Visit, body: bytes, *, misp: bool) -> ImportReport:
    node = visit.site.node
    terms = ImportTerms(
        nation=node.nation,
        lane=Lane.parse(visit.field("lane") or str(ACTUAL)),
        tlp=Tlp.parse(visit.field("tlp")),
        pap=Pap.parse(visit.field("pap")),
        admiralty=Admiralty.parse(visit.field("reliability") + visit.field("credibility")),
    )
    url = node.db.engine.url.render_as_string(hide_password=False)
    place = (url, node.run_dir, node.folder.cache)
    keep = keep_event if misp else None
    report: ImportReport = anyio.from_thread.run(anyio.to_process.run_sync, import_file, place, body, terms, keep)
    return report


DOORS = (
    Door("/intelligence/import", ask, Verb.INTELLIGENCE_WRITE),
    Door("/intelligence/import", take, Verb.INTELLIGENCE_WRITE, "POST"),
)
