"""The tray of reports: what came by e-mail and waits for somebody to read it and to take what is in it."""

from datetime import timedelta

from starlette.responses import Response

from mithaq.exchange.event_versions import keep_event
from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.documents import ReadDocument, read_document, whole_text
from mithaq.intelligence.imports.inbox import Inbox, TrayItem
from mithaq.intelligence.imports.reports import take_report
from mithaq.intelligence.imports.text import FoundValue, IndicatorTerms, look_up
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from mithaq.web.doors import Door, Visit

_SHOWN_CHARACTERS = 20_000
_SHOWN_VALUES = 500
_MAX_DAYS = 3650


def tray(visit: Visit) -> Response:
    """List the messages that wait to be read, and those that were read last."""
    with visit.site.node.db.read() as connection:
        waiting = _inbox(visit).tray(connection)
        done = [each for each in _inbox(visit).tray(connection, every=True, limit=50) if each.state != "waiting"]
    return visit.page("reports.html", waiting=waiting, done=done, reason_of=Reason.of_json)


def message(visit: Visit) -> Response:
    """Show one message: its text, what it could not be read of, and the values in it with what is known of each."""
    item, _, document = _read(visit)
    found = _found(visit, document.text, item.lane)
    return visit.page(
        "report.html",
        item=item,
        text=document.text[:_SHOWN_CHARACTERS],
        is_cut=len(document.text) > _SHOWN_CHARACTERS,
        unread=document.left[:20],
        found=found[:_SHOWN_VALUES],
        left_out=max(0, len(found) - _SHOWN_VALUES),
        tlps=[tlp.label for tlp in Tlp],
        paps=[pap.label for pap in Pap],
        max_days=_MAX_DAYS,
    )


def take(visit: Visit) -> Response:
    """Make indicators of the chosen values and a report that refers to them; the message leaves the tray."""
    node = visit.site.node
    item, body, document = _read(visit)
    wanted = {str(each) for each in visit.form.getlist("value")}
    chosen = [
        each.observable for each in _found(visit, document.text, item.lane) if each.observable and each.value in wanted
    ]
    if not chosen:
        raise NotAnObservable("choose at least one value of the report")
    days = visit.field("days")
    terms = IndicatorTerms(
        nation=node.nation,
        lane=item.lane,
        tlp=Tlp.parse(visit.field("tlp")) or Tlp.RED,
        pap=Pap.parse(visit.field("pap")),
        valid_until=visit.at + timedelta(days=min(int(days), _MAX_DAYS) if days.isdecimal() else 90),
        name=visit.field("name").strip() or document.head.get("subject", ""),
    )
    taken = take_report(node.holdings, body, document, chosen, terms, visit.at)
    _close(visit, item.row, "report.take")
    return visit.go(f"/intelligence/{taken.id}")


def dismiss(visit: Visit) -> Response:
    """Take a message out of the tray and nothing from it; the message is kept."""
    _close(visit, _number(visit), "report.dismiss")
    return visit.go("/reports")


def _close(visit: Visit, number: int, action: str) -> None:
    _inbox(visit).close(number, visit.at)
    with visit.site.node.db.write(visit.at) as tx:
        audit(tx, actor=visit.person.id, action=action, subject=str(number))


def _read(visit: Visit) -> tuple[TrayItem, bytes, ReadDocument]:
    """Read the message in the address, in a process of its own."""
    number = _number(visit)
    with visit.site.node.db.read() as connection:
        item, body = _inbox(visit).item(connection, number), _inbox(visit).message(connection, number)
    return item, body, whole_text(read_document(body, "tray.eml"))


def _found(visit: Visit, text: str, lane: Lane) -> tuple[FoundValue, ...]:
    node = visit.site.node
    with node.db.read() as connection:
        return look_up(node.holdings, connection, text, lane, node.warning_lists)


def _inbox(visit: Visit) -> Inbox:
    return Inbox(visit.site.node.holdings, visit.site.node.warning_lists, keep_event)


def _number(visit: Visit) -> int:
    """Return the number in the address; what is none is no message."""
    text = str(visit.request.path_params["number"])
    return int(text) if text.isdecimal() and len(text) < 16 else 0


_ONE = "/reports/{number}"
DOORS = (
    Door("/reports", tray, Verb.INTELLIGENCE_READ),
    Door(_ONE, message, Verb.INTELLIGENCE_READ),
    Door(f"{_ONE}/take", take, Verb.INTELLIGENCE_WRITE, "POST"),
    Door(f"{_ONE}/dismiss", dismiss, Verb.INTELLIGENCE_WRITE, "POST"),
)
