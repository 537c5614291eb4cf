"""Questions to the shelves that MISP's doors ask, each one statement, and the timestamps that were given out.

A *class* is a shelf with a TLP and a PAP label: the gate is asked once for each, and every object of it counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Table,
    Text,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    type_coerce,
)

from mithaq.exchange.columns import COLUMNS
from mithaq.exchange.misp.model import Day
from mithaq.exchange.taxii.store import gone, places, refs, shelved
from mithaq.intelligence.foreign import IS_NEWEST
from mithaq.intelligence.tables import misp_event_objects, misp_events, objects, provenance
from mithaq.kernel.database import Timestamp, Transaction, metadata, upsert
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

stamps = Table(
    "misp_stamps",
    metadata,
    Column("constituent", Text, primary_key=True),
    Column("uuid", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("timestamp", BigInteger().with_variant(Integer, "sqlite"), nullable=False),
)
"""Which timestamp the present content of an own event has for a reader (`Reader.key`): a new one for each change."""

_LABELS: Final = 64
_OURS: Final = exists(
    select(provenance.c.row).where(
        provenance.c.object == objects.c.row,
        provenance.c.standing == "stands",
        provenance.c.source.in_(("own", "import")),
    )
)
_PAP: Final = func.coalesce(objects.c.pap, int(Pap.RED))
"""What has no PAP label counts as PAP:RED."""

_SHELVES: Final = shelved.c.shelf.in_(bindparam("shelves", expanding=True))
_RELEASED: Final = (
    (shelved.c.shelf * _LABELS + objects.c.tlp * 8 + _PAP).in_(bindparam("classes", expanding=True)),
    objects.c.stix_id.not_in(bindparam("vetoed", expanding=True)),
    objects.c.lane == str(ACTUAL),
    objects.c.stands,
)
"""What the gate lets pass of own objects, as columns say it."""

_report, _report_shelved, _report_place = refs.alias(), shelved.alias(), places.alias()
_IN_A_REPORT: Final = exists(
    select(_report.c.object)
    .join(_report_place, _report_place.c.object == _report.c.object)
    .join(_report_shelved, _report_shelved.c.object == _report.c.object)
    .where(
        _report.c.ref == objects.c.stix_id,
        _report_place.c.is_event,
        _report_place.c.day <= places.c.day,
        _report_shelved.c.shelf.in_(bindparam("shelves", expanding=True)),
    )
)
"""That an object came with a report, and goes out in that report's event alone."""

_LOOSE: Final = (
    _SHELVES,
    *_RELEASED,
    _OURS,
    places.c.is_event.is_(False),
    ~_IN_A_REPORT,
)
_OVER: Final = func.count(
    case((objects.c.valid_until <= bindparam("at", type_=Timestamp), objects.c.row)).distinct()
).label("over")
"""How many objects are over by now, and are no more to be looked for."""

_DAYS: Final = (
    select(
        places.c.day,
        objects.c.tlp,
        _PAP.label("pap"),
        func.min(shelved.c.shelf).label("shelf"),
        func.count(shelved.c.object.distinct()).label("count"),
        _OVER,
        type_coerce(func.max(shelved.c.date_added), BigInteger).label("newest"),
    )
    .select_from(shelved)
    .join(objects, objects.c.row == shelved.c.object)
    .join(places, places.c.object == shelved.c.object)
    .where(*_LOOSE)
    .group_by(places.c.day, objects.c.tlp, _PAP)
)
_OF_DAY: Final = (
    select(*COLUMNS, func.min(shelved.c.shelf).label("shelf"))
    .select_from(shelved)
    .join(objects, objects.c.row == shelved.c.object)
    .join(places, places.c.object == shelved.c.object)
    .where(
        *_LOOSE,
        places.c.day == bindparam("day"),
        objects.c.tlp == bindparam("tlp"),
        bindparam("pap") == _PAP,
        objects.c.row > bindparam("after"),
    )
    .group_by(objects.c.row)
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_again, _again_shelved = objects.alias(), shelved.alias()
_WAS_OURS: Final = exists(
    select(provenance.c.row).where(provenance.c.object == gone.c.object, provenance.c.source.in_(("own", "import")))
)
"""That MISP may have carried what is gone: no word that others gave ever stood in an event of a day."""

_GONE_PAP: Final = func.coalesce(gone.c.pap, int(Pap.RED))
_GONE: Final = (
    _WAS_OURS,
    gone.c.shelf.in_(bindparam("shelves", expanding=True)),
    (gone.c.shelf * _LABELS + gone.c.tlp * 8 + _GONE_PAP).in_(bindparam("classes", expanding=True)),
    places.c.is_event.is_(False),
    ~exists(
        select(_again.c.row)
        .join(_again_shelved, _again_shelved.c.object == _again.c.row)
        .where(
            _again.c.stix_id == gone.c.stix_id,
            _again.c.lane == str(ACTUAL),
            _again_shelved.c.shelf.in_(bindparam("shelves", expanding=True)),
        )
    ),
)
_GONE_DAYS: Final = (
    select(
        places.c.day,
        gone.c.tlp,
        _GONE_PAP.label("pap"),
        func.min(gone.c.shelf).label("shelf"),
        func.count(gone.c.stix_id.distinct()).label("count"),
        type_coerce(func.max(gone.c.at), BigInteger).label("newest"),
    )
    .join(places, places.c.object == gone.c.object)
    .where(*_GONE)
    .group_by(places.c.day, gone.c.tlp, _GONE_PAP)
)
_GONE_OF_DAY: Final = (
    select(gone.c.stix_id, func.max(gone.c.at).label("at"))
    .join(places, places.c.object == gone.c.object)
    .where(*_GONE, places.c.day == bindparam("day"), gone.c.tlp == bindparam("tlp"), bindparam("pap") == _GONE_PAP)
    .group_by(gone.c.stix_id)
    .order_by(gone.c.stix_id)
)
_REPORTS: Final = (
    select(*COLUMNS, shelved.c.shelf)
    .select_from(shelved)
    .join(objects, objects.c.row == shelved.c.object)
    .join(places, places.c.object == shelved.c.object)
    .where(_SHELVES, *_RELEASED, _OURS, places.c.is_event)
    .order_by(shelved.c.shelf, objects.c.row)
)
_REPORTS_OF: Final = _REPORTS.where(objects.c.stix_id.in_(bindparam("ids", expanding=True)))
_REPORT: Final = _REPORTS.where(objects.c.row == bindparam("row"))
_REFERRED: Final = (
    select(
        refs.c.object,
        func.count(objects.c.row.distinct()).label("count"),
        _OVER,
        type_coerce(func.max(shelved.c.date_added), BigInteger).label("newest"),
        func.max(objects.c.tlp).label("tlp"),
        func.max(_PAP).label("pap"),
    )
    .select_from(refs)
    .join(objects, objects.c.stix_id == refs.c.ref)
    .join(shelved, shelved.c.object == objects.c.row)
    .where(refs.c.object.in_(bindparam("reports", expanding=True)), _SHELVES, *_RELEASED, _OURS)
    .group_by(refs.c.object)
)
_MEMBERS: Final = (
    select(*COLUMNS, func.min(shelved.c.shelf).label("shelf"), func.min(places.c.day).label("day"))
    .select_from(objects)
    .join(shelved, shelved.c.object == objects.c.row)
    .join(places, places.c.object == objects.c.row, isouter=True)
    .where(objects.c.stix_id.in_(bindparam("ids", expanding=True)), _SHELVES, *_RELEASED, _OURS)
    .group_by(objects.c.row)
    .order_by(objects.c.row)
)
_HOMES: Final = (
    select(refs.c.ref, refs.c.object, places.c.day)
    .join(places, places.c.object == refs.c.object)
    .join(shelved, shelved.c.object == refs.c.object)
    .where(refs.c.ref.in_(bindparam("ids", expanding=True)), places.c.is_event, _SHELVES)
    .order_by(places.c.day, refs.c.object)
)
_STANDING_PART: Final = (
    misp_event_objects.join(objects, objects.c.stix_id == misp_event_objects.c.stix_id)
    .join(misp_events, misp_events.c.id == misp_event_objects.c.event)
    .join(shelved, shelved.c.object == objects.c.row)
)
_GIVEN: Final = exists(
    select(provenance.c.row).where(
        provenance.c.object == objects.c.row,
        provenance.c.nation == misp_events.c.nation,
        provenance.c.standing == "stands",
        provenance.c.original.is_not(None),
    )
)
"""That the version of an object which stands came with a MISP event, and not from a change that was made here.

The word is that of who gave the event: of one that was imported or fetched it is this nation's to pass on.
"""

_GIVEN_HERE: Final = or_(
    misp_events.c.nation == bindparam("nation"), misp_events.c.nation.startswith(bindparam("prefix"))
)
"""That an event was given by somebody, or by one of those whose names begin so."""

_WHOLE: Final = (
    select(
        misp_event_objects.c.event,
        func.count(misp_event_objects.c.stix_id.distinct()).label("parts"),
        func.max(objects.c.tlp).label("tlp"),
        func.max(_PAP).label("pap"),
    )
    .select_from(_STANDING_PART)
    .where(
        IS_NEWEST,
        misp_events.c.lane == str(ACTUAL),
        _GIVEN_HERE,
        shelved.c.shelf == bindparam("shelf"),
        *_RELEASED,
        _GIVEN,
    )
    .group_by(misp_event_objects.c.event)
)
_WHOLE_ONES: Final = _WHOLE.where(misp_events.c.id.in_(bindparam("events", expanding=True)))
_PARTS: Final = (
    select(*COLUMNS)
    .select_from(_STANDING_PART)
    .where(
        misp_event_objects.c.event == bindparam("event"),
        shelved.c.shelf == bindparam("shelf"),
        objects.c.lane == str(ACTUAL),
        objects.c.stands,
        objects.c.row > bindparam("after"),
    )
    .order_by(objects.c.row)
    .limit(bindparam("limit", type_=Integer))
)
_OUR_PARTS: Final = _PARTS.where(_GIVEN)
_NEWEST: Final = select(misp_events).where(IS_NEWEST, misp_events.c.lane == str(ACTUAL), _GIVEN_HERE)
_STANDING: Final = (
    select(*COLUMNS)
    .select_from(shelved)
    .join(objects, objects.c.row == shelved.c.object)
    .where(
        shelved.c.shelf == bindparam("shelf"),
        objects.c.stix_id.in_(bindparam("ids", expanding=True)) | objects.c.row.in_(bindparam("rows", expanding=True)),
    )
    .order_by(objects.c.row)
)
_STAMPS: Final = select(stamps).where(stamps.c.constituent == bindparam("constituent"))
_DAYS_OF_ROWS: Final = (
    select(places.c.day, objects.c.tlp, _PAP.label("pap"))
    .join(objects, objects.c.row == places.c.object)
    .where(places.c.object.in_(bindparam("rows", expanding=True)))
    .distinct()
)
_REPORTS_OF_ROWS: Final = (
    select(refs.c.object)
    .join(objects, objects.c.stix_id == refs.c.ref)
    .where(objects.c.row.in_(bindparam("rows", expanding=True)))
    .distinct()
)
_OF_OBJECTS: Final = (
    select(misp_event_objects.c.event)
    .distinct()
    .where(misp_event_objects.c.stix_id.in_(bindparam("ids", expanding=True)))
)


def class_of(shelf: int, tlp: Tlp, pap: Pap) -> int:
    """Return the number of a class."""
    return shelf * _LABELS + int(tlp) * 8 + int(pap)


def days(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return the days on which something without a report was made, by label."""
    return connection.execute(_DAYS, asked).all()


def gone_days(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return the same of what was on the shelves and is no more."""
    return connection.execute(_GONE_DAYS, asked).all()


def of_day(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return one chunk of the objects of a day and label."""
    return connection.execute(_OF_DAY, asked).all()


def gone_of_day(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return what was among the objects of a day and label, and is no more."""
    return connection.execute(_GONE_OF_DAY, asked).all()


def reports(connection: Connection, asked: Mapping[str, Any], ids: Sequence[str] | None = None) -> Sequence[Any]:
    """Return the reports and groupings on the shelves, or those of these ids."""
    if ids is None:
        return connection.execute(_REPORTS, asked).all()
    return connection.execute(_REPORTS_OF, {**asked, "ids": list(ids)}).all()


def report(connection: Connection, asked: Mapping[str, Any]) -> Any | None:
    """Return one report by its row, as far as it is on the shelves."""
    return connection.execute(_REPORT, asked).first()


def referred(connection: Connection, asked: Mapping[str, Any]) -> dict[int, Any]:
    """Return, for each report, how many own objects it refers to, the newest, and their strictest labels."""
    return {row.object: row for row in connection.execute(_REFERRED, asked)}


def members(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return own objects by their ids, as far as they are on the shelves."""
    return connection.execute(_MEMBERS, asked).all()


def homes(connection: Connection, asked: Mapping[str, Any]) -> Sequence[Any]:
    """Return which reports on the shelves refer to these objects, the oldest first."""
    return connection.execute(_HOMES, asked).all()


def whole_events(connection: Connection, asked: Mapping[str, Any], only: Sequence[int] | None = None) -> Sequence[Any]:
    """Return the newest foreign events, or `only` these, with how many of their objects are released on one shelf."""
    if only is None:
        return connection.execute(_WHOLE, asked).all()
    return connection.execute(_WHOLE_ONES, {**asked, "events": list(only)}).all()


def newest_events(connection: Connection, nation: str, prefix: str | None = None) -> Sequence[Any]:
    """Return the newest version of each event that somebody gave, and those whose names begin with a prefix."""
    return connection.execute(_NEWEST, {"nation": nation, "prefix": prefix}).all()


def parts(connection: Connection, event: int, shelf: int, after: int, limit: int, *, is_ours: bool) -> Sequence[Any]:
    """Return one chunk of the objects of a foreign event that stand on a shelf.

    `is_ours`: this nation imported or fetched it, and a version that came otherwise is none of the event's.
    """
    asked = {"event": event, "shelf": shelf, "after": after, "limit": limit}
    return connection.execute(_OUR_PARTS if is_ours else _PARTS, asked).all()


def events_of(connection: Connection, ids: Iterable[str]) -> frozenset[int]:
    """Return the foreign events from which these objects were converted."""
    return frozenset(connection.scalars(_OF_OBJECTS, {"ids": sorted(ids)}))


def standing(connection: Connection, shelf: int, ids: Sequence[str], rows: Sequence[int]) -> Sequence[Any]:
    """Return objects by their ids or rows, as far as they stand on a shelf."""
    return connection.execute(_STANDING, {"shelf": shelf, "ids": list(ids), "rows": list(rows)}).all()


def events_of_rows(connection: Connection, rows: Sequence[int]) -> tuple[set[Day], set[int]]:
    """Return the days and the reports in whose events these objects may be."""
    asked = {"rows": list(rows)}
    days = {Day(row.day, Tlp(row.tlp), Pap(row.pap)) for row in connection.execute(_DAYS_OF_ROWS, asked)}
    return days, set(connection.scalars(_REPORTS_OF_ROWS, asked))


def stamped(connection: Connection, reader: str) -> dict[str, tuple[str, int]]:
    """Return the fingerprint and timestamp of each event that a reader was told of."""
    rows = connection.execute(_STAMPS, {"constituent": reader})
    return {row.uuid: (row.fingerprint, row.timestamp) for row in rows}


def stamp(tx: Transaction, reader: str, fresh: Mapping[str, tuple[str, int]]) -> None:
    """Note new fingerprints and timestamps."""
    upsert(
        tx,
        stamps,
        [
            {"constituent": reader, "uuid": uuid, "fingerprint": fingerprint, "timestamp": timestamp}
            for uuid, (fingerprint, timestamp) in fresh.items()
        ],
        keys=("constituent", "uuid"),
        changed=("fingerprint", "timestamp"),
    )
