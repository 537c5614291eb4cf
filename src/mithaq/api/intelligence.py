"""Objects and indicators over the API."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from mithaq.api.access import bearer
from mithaq.api.cursors import Cursors
from mithaq.intelligence.errors import NotAnObservable
from mithaq.intelligence.imports.text import IndicatorTerms, own_indicators
from mithaq.kernel.lane import Lane
from mithaq.nations.people.audit import audit
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node
from mithaq.node.language import translator
from mithaq.standards.defang import refang_value
from mithaq.standards.observable import recognise
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

MAX_VALUES = 1_000
MAX_LOOKED_UP = 10_000
_MAX_DAYS = 366


class NewIndicators(BaseModel):
    """Values of which indicators are to be made, in this nation's name."""

    model_config = ConfigDict(extra="forbid")

    values: Annotated[list[str], Field(min_length=1, max_length=MAX_VALUES)]
    tlp: str = "TLP:AMBER"
    pap: str | None = "PAP:GREEN"
    name: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=2_000)] = ""
    valid_days: Annotated[int, Field(ge=1, le=_MAX_DAYS)] = 90
    lane: str = "actual"


class Created(BaseModel):
    """One indicator that was made, and the warning lists its value stands on."""

    id: str
    value: str
    warned: list[str]


class Refused(BaseModel):
    """One value of which nothing was made, and why."""

    value: str
    reason: str


class CreatedIndicators(BaseModel):
    """What became of each value."""

    created: list[Created]
    refused: list[Refused]


class AskedValues(BaseModel):
    """Values that are to be looked up, each as somebody wrote it."""

    model_config = ConfigDict(extra="forbid")

    values: Annotated[list[Annotated[str, Field(max_length=10_000)]], Field(min_length=1, max_length=MAX_LOOKED_UP)]
    lane: str = "actual"


class NamingObject(BaseModel):
    """One object that names a value."""

    id: str
    type: str
    name: str
    tlp: str
    stored: str


class LookedUpValue(BaseModel):
    """One value with the newest objects that name it; `line` is its place in the request, from 1.

    Without `type` and `value` it was not recognised. `more`: there are other objects.
    """

    line: int
    written: str
    type: str | None
    value: str | None
    known: bool
    more: bool
    objects: list[NamingObject]


class LookedUpValues(BaseModel):
    """What is known of each value, in the order in which they were given."""

    values: list[LookedUpValue]


def router(node: Node, cursors: Cursors) -> APIRouter:
    """Return the routes of intelligence."""
    routes = APIRouter(tags=["intelligence"])
    reads, writes = bearer(node, Verb.INTELLIGENCE_READ), bearer(node, Verb.INTELLIGENCE_WRITE)

    @routes.get("/objects", dependencies=[Depends(reads)], response_class=Response)
    def objects(
        q: Annotated[str, Query(max_length=2_000)] = "",
        lane: str = "actual",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: str | None = None,
    ) -> Response:
        """Return objects newest first, each as its original bytes; `next` continues the list."""
        of = f"objects\0{lane}\0{q}"
        after = cursors.read(of, cursor) if cursor else None
        with node.db.read() as connection:
            page = node.holdings.search(connection, q, Lane.parse(lane), after, limit, at=node.clock.now())
        following = f'"{cursors.write(of, page.next)}"' if page.next is not None else "null"
        bodies = b",".join(item.body for item in page.objects)
        return Response(
            b'{"objects":[' + bodies + b'],"next":' + following.encode() + b"}", media_type="application/json"
        )

    @routes.post("/objects/look-up", dependencies=[Depends(reads)])
    def look_up(asked: AskedValues) -> LookedUpValues:
        """Return what is known of each value, in any spelling, in order; nothing is changed."""
        with node.db.read() as connection:
            found = node.holdings.look_up(connection, asked.values, Lane.parse(asked.lane))
        return LookedUpValues.model_validate({"values": [answer.as_json() for answer in found]})

    @routes.post("/indicators", status_code=201)
    def indicators(new: NewIndicators, actor: Annotated[Actor, Depends(writes)]) -> CreatedIndicators:
        """Make one indicator of each value, defanged ones too; standing orders release them."""
        return _create(node, new, actor, node.clock.now())

    return routes


def _create(node: Node, new: NewIndicators, actor: Actor, at: datetime) -> CreatedIndicators:
    recognised = {value: recognise(refang_value(value)) for value in new.values}
    refused = [
        Refused(value=value[:200], reason="not an observable") for value, seen in recognised.items() if seen is None
    ]
    observables = list(dict.fromkeys(seen for seen in recognised.values() if seen is not None))
    warned = {each: list(node.warning_lists.warned(each)) for each in observables}  # may fail: before all is stored
    made = own_indicators(observables, _terms(node, new, at), at)
    if made:
        with node.db.write(at) as tx:
            report = node.holdings.store(tx, made)
            audit(tx, actor=actor.id, action="intelligence.add", subject=made[0].stix.id)
        words = translator("en")
        stopped = {name: words.reason(reason) for name, reason in report.refused}
    else:
        stopped = {}
    pairs = list(zip(made, observables, strict=True))
    refused += [Refused(value=o.value, reason=stopped[n.stix.id]) for n, o in pairs if n.stix.id in stopped]
    created = [Created(id=n.stix.id, value=o.value, warned=warned[o]) for n, o in pairs if n.stix.id not in stopped]
    return CreatedIndicators(created=created, refused=refused)


def _terms(node: Node, new: NewIndicators, at: datetime) -> IndicatorTerms:
    tlp, pap = Tlp.parse(new.tlp), Pap.parse(new.pap) if new.pap else None
    if tlp is None or (new.pap and pap is None):
        raise NotAnObservable("no such label: %(label)s", label=(new.tlp if tlp is None else str(new.pap))[:40])
    return IndicatorTerms(
        nation=node.nation,
        lane=Lane.parse(new.lane),
        tlp=tlp,
        pap=pap,
        valid_until=at + timedelta(days=new.valid_days),
        name=new.name,
        description=new.description,
    )
