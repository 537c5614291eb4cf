"""Build one event for one constituent: every object in it is decided by the gate now, or it is not in it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from mithaq.exchange.misp import store
from mithaq.exchange.misp.catalogue import Catalogue, released_labels
from mithaq.exchange.misp.model import Day, Head
from mithaq.exchange.taxii.settings import CHUNK_ROWS
from mithaq.intelligence.foreign import members
from mithaq.intelligence.model import ForeignEvent
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Released, Retraction
from mithaq.release.rules import retract_inside
from mithaq.standards.misp.foreign import outgoing
from mithaq.standards.misp.labels import Way, distribution
from mithaq.standards.misp.mapping import Loss, Said, derived, said, uuid_of
from mithaq.standards.stix import parse

Fields = Mapping[str, Any]


def build(catalogue: Catalogue, head: Head, way: Way) -> dict[str, Any] | None:
    """Return an event as it leaves now, None where it does not leave any more."""
    match head.source:
        case Day():
            return _of_day(catalogue, head, head.source, way)
        case ForeignEvent():
            return _foreign(catalogue, head, head.source, way)
        case row:
            return _of_report(catalogue, head, row, way)


def own_event(
    head: Head, attributes: Sequence[dict[str, Any]], tags: Sequence[dict[str, str]], way: Way
) -> dict[str, Any]:
    """Return an event of this nation: its head, what it holds, and the strictest form of its label."""
    stamp = str(head.timestamp)
    return {
        "uuid": head.uuid,
        "info": head.info,
        "date": head.date,
        "timestamp": stamp,
        "publish_timestamp": stamp,
        "published": True,
        "analysis": head.analysis,
        "threat_level_id": head.threat_level_id,
        "distribution": str(distribution(head.tlp, way)),
        "sharing_group_id": "0",
        "extends_uuid": "",
        "protected": None,
        "attribute_count": str(sum(not each["deleted"] for each in attributes)),
        "Org": dict(head.orgc),
        "Orgc": dict(head.orgc),
        "Tag": [*head.tags, *tags],
        "Attribute": list(attributes),
        "Object": [],
        "EventReport": [],
    }


def report_event(
    head: Head, report: Fields, referred: Sequence[tuple[Fields, bool]], way: Way, at: datetime | None = None
) -> tuple[dict[str, Any], list[Loss]]:
    """Return a report as an event, with what is lost; each object with whether the event is where its uuid lives."""
    made = Said()
    for fields, is_home in referred:
        each = said(fields, at)
        if not is_home:
            each.attributes = [a | {"uuid": derived(head.uuid, a["uuid"])} for a in each.attributes]
        made.attributes += each.attributes
        made.tags += [tag for tag in each.tags if tag not in made.tags]
        made.losses += each.losses
    for url in _urls(report):
        made.attributes.append(_link(head, url))
    event = own_event(head, made.attributes, made.tags, way)
    if report.get("description"):
        event["EventReport"] = [
            {
                "uuid": derived(head.uuid, "description"),
                "name": head.info,
                "content": str(report["description"]),
                "timestamp": str(head.timestamp),
                "distribution": "5",
                "deleted": False,
            }
        ]
    return event, made.losses


def _of_day(catalogue: Catalogue, head: Head, day: Day, way: Way) -> dict[str, Any] | None:
    attributes: list[dict[str, Any]] = []
    for _, fields in _released_of_day(catalogue, day):
        attributes += said(fields, catalogue.at).attributes
    asked = catalogue.asked(day=day.day, tlp=int(day.tlp), pap=int(day.pap))
    recipient = catalogue.shelves[head.shelf].recipient
    for row in store.gone_of_day(catalogue.connection, asked):
        word = retract_inside(row.stix_id, ACTUAL, recipient, was_released=True)  # it stood on the shelf
        if word is not None:
            attributes.append(_deleted(word, row.at))
    return own_event(head, attributes, (), way) if attributes else None


def _released_of_day(catalogue: Catalogue, day: Day) -> Iterator[tuple[str, Fields]]:
    after = 0
    while True:
        asked = catalogue.asked(day=day.day, tlp=int(day.tlp), pap=int(day.pap), after=after, limit=CHUNK_ROWS)
        rows = store.of_day(catalogue.connection, asked)
        yield from _released(catalogue, rows)
        if len(rows) < CHUNK_ROWS:
            return
        after = rows[-1].row


def _of_report(catalogue: Catalogue, head: Head, row: int, way: Way) -> dict[str, Any] | None:
    found = store.report(catalogue.connection, catalogue.asked(head.shelf, row=row))
    if found is None:
        return None
    parsed = parse(bytes(found.body))
    shelf = catalogue.shelves[head.shelf]
    if catalogue.judge.decide(catalogue.judge.items([found]), [parsed.refs], shelf)[0] is None:
        return None
    rows: list[Any] = []
    homes: dict[str, list[Any]] = defaultdict(list)
    for start in range(0, len(parsed.refs), CHUNK_ROWS):
        ids = list(parsed.refs[start : start + CHUNK_ROWS])
        rows += store.members(catalogue.connection, catalogue.asked(ids=ids))
        for each in store.homes(catalogue.connection, catalogue.asked(ids=ids)):
            homes[each.ref].append(each)
    days = {each.stix_id: each.day for each in rows}
    referred = [
        (fields, _is_home(row, homes[stix_id], days[stix_id])) for stix_id, fields in _released(catalogue, rows)
    ]
    return report_event(head, msgspec.json.decode(bytes(found.body)), referred, way, catalogue.at)[0]


def _is_home(report: int, homes: Sequence[Any], day: int | None) -> bool:
    """Tell whether the uuid of an object lives in this report's event: the oldest that is not younger than it."""
    able = [each.object for each in homes if day is None or each.day <= day]
    return bool(able) and able[0] == report


def _foreign(catalogue: Catalogue, head: Head, event: ForeignEvent, way: Way) -> dict[str, Any] | None:
    labels = released_labels(catalogue, event, catalogue.shelves[head.shelf])
    if labels is None:
        return None
    try:
        came = members(catalogue.connection, event)
    except LookupError:
        return None
    return outgoing(came, *labels, way)


def _released(catalogue: Catalogue, rows: Sequence[Any]) -> Iterator[tuple[str, Fields]]:
    """Yield the members of each object that is released on its shelf now, in their order."""
    by_shelf: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_shelf[row.shelf].append(row)
    passed: set[int] = set()
    for shelf, mine in by_shelf.items():
        refs = [parse(bytes(row.body)).refs for row in mine]
        decided = catalogue.judge.decide(catalogue.judge.items(mine), refs, catalogue.shelves[shelf])
        passed |= {row.row for row, each in zip(mine, decided, strict=True) if each is not None}
    for row in rows:
        if row.row in passed:
            yield row.stix_id, msgspec.json.decode(bytes(row.body))


def _deleted(word: Released[Retraction], at: datetime) -> dict[str, Any]:
    """Return an attribute that is no more: its uuid, which the recipient may have, and nothing else of it."""
    return {
        "uuid": uuid_of(word.value.object_id),
        "type": "comment",
        "category": "Other",
        "value": "withdrawn",
        "to_ids": False,
        "timestamp": str(int(at.astimezone(UTC).timestamp()) + 1),
        "comment": "",
        "distribution": "5",
        "sharing_group_id": "0",
        "disable_correlation": True,
        "deleted": True,
        "object_relation": None,
        "Tag": [],
    }


def _urls(report: Fields) -> list[str]:
    references = report.get("external_references")
    found = references if isinstance(references, list) else []
    return list(dict.fromkeys(str(each["url"]) for each in found if isinstance(each, dict) and each.get("url")))


def _link(head: Head, url: str) -> dict[str, Any]:
    return {
        "uuid": derived(head.uuid, "link", url),
        "type": "link",
        "category": "External analysis",
        "value": url,
        "to_ids": False,
        "timestamp": str(head.timestamp),
        "comment": "",
        "distribution": "5",
        "sharing_group_id": "0",
        "disable_correlation": True,
        "deleted": False,
        "object_relation": None,
        "Tag": [],
    }
