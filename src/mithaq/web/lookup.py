"""Look up everything that was pasted at once, and only then offer to create what is not known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.responses import Response

from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.text import FoundValue, IndicatorTerms, own_indicators
from mithaq.intelligence.imports.text import look_up as found_in
from mithaq.intelligence.model import ReleaseInstruction, StoredObject
from mithaq.kernel.lane import ACTUAL
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Verb
from mithaq.node.language import msgid
from mithaq.standards.observable import recognise
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp
from mithaq.web.doors import Door, Visit
from mithaq.web.intelligence import titles

_FILTER = re.compile(r"(?:^|\s)-?(?:(?:type|from|tlp|is|label|sector|seen|valid):|confidence(?:[<>]=?|[=:])[0-9])")
MAX_VALUES = 500
"""Values looked up on one page; a longer list goes through the command line."""

_MAX_DAYS = 366
_MAX_DESCRIPTION = 2_000
_OBJECTS_A_VALUE = 3


@dataclass(frozen=True, slots=True)
class Known:
    """One pasted value with the newest objects that name it."""

    found: FoundValue
    objects: Sequence[StoredObject]


def look_up(visit: Visit) -> Response:
    """Show what is known about each pasted value; words alone are a search."""
    text, node = visit.field("q").strip(), visit.site.node
    known: list[Known] = []
    left_out = 0
    if not _FILTER.search(text):
        with node.db.read() as connection:
            found = found_in(node.holdings, connection, text, ACTUAL, node.warning_lists)
            shown, left_out = found[:MAX_VALUES], max(0, len(found) - MAX_VALUES)
            rows = {row for each in shown for row in each.known_rows[-_OBJECTS_A_VALUE:]}
            objects = {item.row: item for item in node.holdings.rows(connection, sorted(rows))}
        known = [Known(each, [objects[row] for row in reversed(each.known_rows) if row in objects]) for each in shown]
    if not known:
        return visit.go(f"/intelligence?q={quote(text[:2000])}")
    return visit.page(
        "look_up.html",
        known=known,
        left_out=left_out,
        text=text if len(text) <= _MAX_DESCRIPTION else "",
        tlps=[tlp.label for tlp in Tlp],
        paps=[pap.label for pap in Pap],
        offers=_offers(visit),
        max_days=_MAX_DAYS,
    )


def _offers(visit: Visit) -> list[tuple[str, str, str]]:
    """Return the agreements in force with each purpose, for somebody who may order a release."""
    if not visit.may(Verb.RELEASE_DECIDE):
        return []
    node = visit.site.node
    with node.db.read() as connection:
        names = titles(visit, connection)
        current = node.agreements.current(connection, visit.at)
    return [
        (each.document.id, names[each.document.id], purpose)
        for each in current
        for purpose in each.document.terms.purposes
    ]


def create(visit: Visit) -> Response:
    """Create one indicator for each chosen value, in this nation's name."""
    chosen = [recognise(str(value)) for value in visit.form.getlist("value")][:MAX_VALUES]
    observables = [each for each in chosen if each is not None]
    if not observables:
        raise NotAnObservable("choose at least one value")
    new = own_indicators(observables, _terms(visit), visit.at)
    node = visit.site.node
    with node.db.write(visit.at) as tx:
        report = node.holdings.store(tx, new)
        audit(tx, actor=visit.person.id, action="intelligence.add", subject=new[0].stix.id)
    if report.refused:
        return visit.refuse(422, msgid("Not done"), sentence=visit.words.reason(report.refused[0][1]))
    only = len(new) == 1
    return visit.go(f"/intelligence/{new[0].stix.id}" if only else "/intelligence")


def _terms(visit: Visit) -> IndicatorTerms:
    tlp = Tlp.parse(visit.field("tlp"))
    return IndicatorTerms(
        nation=visit.site.node.nation,
        lane=ACTUAL,
        tlp=Tlp.RED if tlp is None else tlp,
        pap=Pap.parse(visit.field("pap")),
        valid_until=_valid_until(visit),
        name=visit.field("name").strip()[:200],
        description=visit.field("description").strip()[:_MAX_DESCRIPTION],
        instruction=_instruction(visit),
    )


def _valid_until(visit: Visit) -> datetime:
    days = visit.field("days")
    if not days.isdecimal() or not 1 <= int(days[:4]) <= _MAX_DAYS:
        raise NotAnObservable("an indicator is valid for 1 to %(limit)s days", limit=_MAX_DAYS)
    return visit.at + timedelta(days=int(days[:4]))


def _instruction(visit: Visit) -> ReleaseInstruction | None:
    agreement_id, _, purpose = visit.field("release").partition(" ")
    if not agreement_id or not visit.may(Verb.RELEASE_DECIDE):
        return None
    return ReleaseInstruction(agreement_id, None, purpose, visit.person.id)


DOORS = (
    Door("/look-up", look_up, Verb.INTELLIGENCE_READ, "POST"),
    Door("/intelligence", create, Verb.INTELLIGENCE_WRITE, "POST"),
)
