"""Intelligence: search, look up everything that was pasted, and one object with its one-line story."""

import json
from typing import Any, get_args

from sqlalchemy import Connection
from starlette.responses import Response

from mithaq.detection.hits.looking import looking
from mithaq.detection.settings import MAX_REASON_CHARS
from mithaq.exchange import ledger
from mithaq.exchange.items import digest_of
from mithaq.exchange.ledger.viewing import view_of
from mithaq.intelligence.errors import NotHeld
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.proposals import of_object
from mithaq.intelligence.related import related
from mithaq.intelligence.remarks import MAX_REMARK_CHARS, PROPOSABLE, instructions_back
from mithaq.intelligence.settings import MAX_SHARING
from mithaq.intelligence.watching import looked_at
from mithaq.kernel.lane import ACTUAL, TEST, Lane
from mithaq.nations.people.model import Verb
from mithaq.standards.stix.comment import Agreement
from mithaq.web.doors import Door, Visit
from mithaq.web.settings import ROWS_A_PAGE
from mithaq.web.sharing import shares

_SHOWN_BODY_CHARS = 20_000
_SHOWN_OBSERVABLES = 50
_SHOWN_HITS = 20
_SHOWN_DIFFERENCES = 50
_SHOWN_RELATED = 20
_SHOWN_EACH = 5


def search(visit: Visit) -> Response:
    """Show one page of what a search finds, newest first."""
    query, lane = visit.query("q"), _lane(visit)
    asked = visit.query("after")
    after = int(asked) if asked.isdecimal() and len(asked) < 19 else None
    with visit.site.node.db.read() as connection:
        page = visit.site.node.holdings.search(connection, query, lane, after, ROWS_A_PAGE, at=visit.at)
    context: dict[str, Any] = {"page": page, "query": query, "lane": str(lane), "lanes": _lanes(lane)}
    if visit.wants_fragment() and after is not None:
        return visit.page("intelligence_rows.html", **context)
    return visit.page("intelligence.html", **context)


def read(visit: Visit) -> Response:
    """Show one object: who said it, under which agreement, who has it, who may have it."""
    stix_id, lane = visit.request.path_params["stix_id"], _lane(visit)
    node = visit.site.node
    with node.db.read() as connection:
        versions = node.holdings.get(connection, stix_id, lane)
        if not versions:
            raise NotHeld("this node holds no such object in this lane", subject=stix_id[:120])
        shared = shares(visit, connection, versions[0])
        names = titles(visit, connection)
        vetoes = ledger.vetoes(connection, stix_id)
        view = view_of(connection, versions, visit.at)
        found = related(connection, versions[0])
        proposals = of_object(connection, node.holdings, view.said)
        hits = node.detection.hits(connection, lane, limit=_SHOWN_HITS, indicator_id=stix_id).hits
        sought = looking(connection, versions, node.warning_lists, visit.at) if visit.may(Verb.DETECTION_READ) else None
    return visit.page(
        "object.html",
        object=versions[0],
        versions=versions,
        lane=str(lane),
        shares=shared,
        titles=names,
        vetoes=vetoes,
        view=view,
        said=view.said,
        score=view.score,
        related=found,
        proposals=proposals,
        tellable=[asked.recipients[0] for asked in instructions_back(versions[0]) if asked.recipients],
        opinions=get_args(Agreement),
        proposed=_proposable(versions[0]),
        max_remark=MAX_REMARK_CHARS,
        max_sharing=MAX_SHARING,
        shown_differences=_SHOWN_DIFFERENCES,
        shown_related=_SHOWN_RELATED,
        shown_each=_SHOWN_EACH,
        looking=sought,
        hits=hits if visit.may(Verb.DETECTION_READ) else (),
        body=_readable(versions[0].body),
        digest=digest_of(versions[0]),
        looked=looked_at(versions[0].stix),
        persons={person.id: person.name for person in node.people.persons()},
        shown_observables=_SHOWN_OBSERVABLES,
        shown_explanation=MAX_REASON_CHARS,
    )


def titles(visit: Visit, connection: Connection) -> dict[str, str]:
    """Return the title of every known agreement in the reader's language."""
    language = visit.words.language
    found: dict[str, str] = {}
    for agreement in visit.site.node.agreements.all(connection):
        title = agreement.document.title
        words = title.get(language) or title.get("en") or next(iter(title.values()))  # type: ignore[call-overload]
        found.setdefault(agreement.document.id, words)
    return found


def _proposable(stored: StoredObject) -> str:
    """Return another's object as text to be changed in a form, empty where no change can be proposed there."""
    is_own = any(word.source in ("own", "import") for word in stored.provenance)
    if is_own or stored.stix.type not in PROPOSABLE or len(stored.body) > _SHOWN_BODY_CHARS:
        return ""
    return json.dumps(json.loads(stored.body), indent=2, ensure_ascii=False)


def _readable(body: bytes) -> str:
    """Return the original as indented JSON for reading; what is stored and released stays the bytes."""
    text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    return text if len(text) <= _SHOWN_BODY_CHARS else text[:_SHOWN_BODY_CHARS] + "\n…"


def _lane(visit: Visit) -> Lane:
    return Lane.parse(visit.query("lane") or str(ACTUAL))


def _lanes(chosen: Lane) -> list[str]:
    return list(dict.fromkeys([str(ACTUAL), str(TEST), str(chosen)]))


DOORS = (
    Door("/intelligence", search, Verb.INTELLIGENCE_READ),
    Door("/intelligence/{stix_id}", read, Verb.INTELLIGENCE_READ),
)
