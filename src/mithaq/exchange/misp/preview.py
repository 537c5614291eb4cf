"""Show what an object would be in MISP, what of it is lost, and why it may not go out so: for people here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from mithaq.exchange.misp import store
from mithaq.exchange.misp.catalogue import Organisation
from mithaq.exchange.misp.events import own_event, report_event
from mithaq.exchange.misp.model import Day, Head, label_tags
from mithaq.exchange.taxii.shelving import EVENTS
from mithaq.intelligence.foreign import members, of_row
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.service import Holdings
from mithaq.kernel.database import EPOCH
from mithaq.kernel.lane import ACTUAL
from mithaq.kernel.reason import Reason
from mithaq.standards.misp.foreign import contradiction, outgoing
from mithaq.standards.misp.labels import tag_names
from mithaq.standards.misp.mapping import Loss, said, uuid_of
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

TERMS: Final = Reason(
    "misp-terms",
    "it is %(originator)s's, with terms that MISP cannot say: purposes, retention, who may pass it on",
    remedy="share it by TAXII, or ask its originator",
)
SEVERAL: Final = Reason("misp-several-agreements", "it came under several agreements, and MISP can say at most one")
_LANE: Final = Reason("misp-lane", "only the lane actual goes out to MISP")


@dataclass(frozen=True, slots=True)
class Preview:
    """The event, None where there is none; what is lost, and what stands against it whoever the recipient is."""

    event: dict[str, Any] | None
    lost: tuple[Loss, ...]
    against: tuple[Reason, ...]


def preview(connection: Connection, holdings: Holdings, organisation: Organisation, stored: StoredObject) -> Preview:
    """Show an object as it would go out in a feed; the gate is not asked, for it decides for one recipient."""
    against = _against(stored)
    if any("misp" in word.carried for word in stored.provenance):
        return _foreign(connection, stored, against)
    fields = msgspec.json.decode(stored.body)
    if stored.stix.type not in EVENTS:
        made = said(fields)
        day = (stored.stix.created or stored.stix.modified or stored.stored_at) - EPOCH
        key = Day(day.days, stored.tlp, stored.pap if stored.pap is not None else Pap.RED)
        head = _head(stored, key.uuid(organisation.uuid), key.date, organisation, key.date, [stored])
        event = own_event(head, made.attributes, made.tags, "feed") if made.attributes or made.tags else None
        return Preview(event, tuple(made.losses), against)
    held = [found for ref in stored.stix.refs if (found := _standing(connection, holdings, ref)) is not None]
    ours = [each for each in held if not _against(each)]
    date = (stored.stix.created or stored.stored_at).date().isoformat()
    head = _head(
        stored, uuid_of(stored.stix.id), date, organisation, stored.stix.name or stored.stix.id, [stored, *ours]
    )
    event, losses = report_event(head, fields, [(msgspec.json.decode(each.body), True) for each in ours], "feed")
    left_out = [Loss(each.stix.id, reason) for each in held for reason in _against(each)[:1]]
    return Preview(event, (*losses, *left_out), against)


def _foreign(connection: Connection, stored: StoredObject, against: tuple[Reason, ...]) -> Preview:
    """Show the newest MISP event from which an object was converted; nothing of it is lost."""
    numbers = store.events_of(connection, [stored.stix.id])
    givers = sorted({word.nation for word in stored.provenance if "misp" in word.carried})
    rows = [row for giver in givers for row in store.newest_events(connection, giver) if row.id in numbers]
    if not rows:
        return Preview(None, (), against)
    event = of_row(max(rows, key=lambda row: row.timestamp))
    pap = stored.pap if stored.pap is not None else Pap.RED
    differs = contradiction(tag_names(event.head["Tag"]), stored.tlp, pap)
    reasons = (*against, *event.objections, *([differs] if differs else []))
    return Preview(outgoing(members(connection, event), stored.tlp, pap, "feed"), (), reasons)


def _against(stored: StoredObject) -> tuple[Reason, ...]:
    """Say what stands against an object in MISP, whoever gets it."""
    found = [] if stored.lane == ACTUAL else [_LANE]
    standing = [word for word in stored.provenance if word.standing == "stands"]
    if standing and not any(word.source in ("own", "import") for word in standing):
        originators = sorted({str(word.carried.get("originator", word.nation)) for word in standing})
        found.append(Reason(TERMS.code, TERMS.message, {"originator": ", ".join(originators)}, TERMS.remedy))
        if len({word.agreement_id for word in standing}) > 1:
            found.append(SEVERAL)
    return tuple(found)


def _standing(connection: Connection, holdings: Holdings, ref: str) -> StoredObject | None:
    return next((each for each in holdings.get(connection, ref, ACTUAL) if each.stands), None)


def _head(
    stored: StoredObject, uuid: str, date: str, organisation: Organisation, info: str, labelled: Sequence[StoredObject]
) -> Head:
    tlp = Tlp(max(each.tlp for each in labelled))
    pap = Pap(max(each.pap if each.pap is not None else Pap.RED for each in labelled))
    stamp = stored.stix.modified or stored.stored_at
    return Head(
        uuid=uuid,
        kind="report",
        info=info,
        date=date,
        orgc=organisation.as_json(),
        tlp=tlp,
        pap=pap,
        tags=label_tags(tlp, pap),
        shelf=0,
        source=stored.row,
        timestamp=int(stamp.timestamp()),
    )
