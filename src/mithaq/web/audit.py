"""The audit: the journal entries `people.action`, newest first."""

from datetime import datetime
from typing import NamedTuple

from starlette.responses import Response

from mithaq.kernel import journal
from mithaq.nations.people.model import Verb
from mithaq.web.doors import Door, Visit
from mithaq.web.settings import ROWS_A_PAGE

_KINDS = frozenset({"people.action"})


class Row(NamedTuple):
    """One line of the audit, with names where they are known."""

    at: datetime
    actor: str
    name: str
    action: str
    outcome: str
    subject: str
    subject_name: str


def audit(visit: Visit) -> Response:
    """Show one page of the audit."""
    asked = visit.query("before")
    before = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    with visit.site.node.db.read() as connection:
        entries = journal.newest(connection, before=before, limit=ROWS_A_PAGE, kinds=_KINDS)
    names = visit.site.node.people.names()
    rows = [
        Row(
            entry.at,
            entry.actor,
            names.get(entry.actor, ""),
            str(entry.detail.get("action", "")),
            str(entry.detail.get("outcome", "")),
            entry.subject,
            names.get(entry.subject, ""),
        )
        for entry in entries
    ]
    last = entries[-1].seq if len(entries) == ROWS_A_PAGE else None
    return visit.page("audit.html", rows=rows, before=last)


DOORS = (Door("/audit", audit, Verb.AUDIT_READ),)
