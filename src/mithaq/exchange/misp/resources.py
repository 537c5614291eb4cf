"""Every address of the doors of MISP, worked out for one account: no HTTP in it but the status."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from mithaq.exchange.misp.answers import Answer, Refused, ok, told, unknown
from mithaq.exchange.misp.changing import Changing
from mithaq.exchange.misp.describing import Describing, tested
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.keeping import Keeping
from mithaq.exchange.misp.looking import Looking
from mithaq.exchange.misp.searches import Searches
from mithaq.exchange.misp.serving import Serving, digest, event_file, manifest
from mithaq.exchange.misp.sighting import Sightings
from mithaq.exchange.misp.taking import Kept
from mithaq.exchange.misp.visit import Visit
from mithaq.exchange.misp.writing import Writing
from mithaq.exchange.taxii.posting import Posting
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.database import Database
from mithaq.standards.misp.labels import Way
from mithaq.standards.misp.numbers import numbered
from mithaq.standards.misp.parts import Kind

Reading = Callable[[Visit, datetime], Answer]

_READING: Final = ("GET", "POST")
_NONE_KEPT: Final = frozenset(
    {
        "communities", "correlation_exclusions", "decaying_model", "event_blocklists", "event_delegations",
        "noticelists", "object_templates", "org_blocklists", "shadow_attributes", "taxonomies", "user_settings",
    }
)  # fmt: skip
"""What a MISP keeps and this node does not: an index of it is empty, and none of it can be viewed."""

_FOR_ADMINISTRATORS: Final = frozenset(
    {"admin", "auth_keys", "cryptographic_keys", "feeds", "jobs", "logs", "servers", "users"}
)
_KIND_OF: Final[Mapping[str, Kind]] = {
    "attributes": "Attribute",
    "objects": "Object",
    "object_references": "ObjectReference",
    "event_reports": "EventReport",
}


@dataclass(frozen=True, slots=True)
class Services:
    """What stands behind the addresses."""

    serving: Serving
    keeping: Keeping
    writing: Writing
    changing: Changing
    sightings: Sightings
    warning_lists: WarningLists

    @staticmethod
    def over(
        db: Database, holdings: Holdings, posting: Posting, serving: Serving, warning_lists: WarningLists
    ) -> "Services":
        """Return them for one node."""
        keeping = Keeping(db, holdings, posting, serving.organisation)
        writing, changing = Writing(db, serving, keeping), Changing(keeping)
        return Services(serving, keeping, writing, changing, Sightings(db, holdings, posting, serving), warning_lists)


class Resources:
    """Answer visits."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._serving = services.serving
        self._searches = Searches(services.serving)
        self._looking = Looking(services.serving)
        self._describing = Describing(services.serving.organisation, services.keeping, services.warning_lists)

    def answer(self, visit: Visit, at: datetime) -> Answer:
        """Answer one request.

        Raises:
            Refused, Error: there is no such address, or not like this.
        """
        parts = _plain(visit.place.parts)
        found = self._whole(parts) or self._part(parts) or self._about(parts)
        if found is not None:
            if visit.method not in _READING:
                raise Refused(405, "Method not allowed", {"allow": ", ".join(_READING)})
            return found(visit, at)
        if visit.method != "POST":
            raise _not_done(parts)
        answer = self._event_written(parts, visit, at) or self._part_written(parts, visit, at)
        return replace(answer, has_changed=True)

    def exists(self, visit: Visit, at: datetime) -> Answer:
        """Answer a HEAD: whether an event or a part is there, without building an event that is asked for itself."""
        match _plain(visit.place.parts):
            case ("events", "view", uuid):
                if any(uuid.lower() in (head.uuid, head.number) for head in self._serving.heads(visit.reader, at)):
                    return Answer(200, b"")
                raise unknown()
            case _:
                return Answer(self.answer(replace(visit, method="GET"), at).status, b"")

    def owed(self) -> int:
        """Return what the shelves still have to follow, 0 for nothing."""
        return self._serving.owed()

    def is_followed(self, seq: int) -> bool:
        """Tell whether the shelves have followed what they were owed."""
        return self._serving.is_followed(seq)

    def _whole(self, parts: tuple[str, ...]) -> Reading | None:
        """Return what answers about events, attributes and sightings."""
        services = self._services
        match parts:
            case ("feed", "manifest"):
                return self._manifest
            case ("feed", "hashes.csv"):
                return self._hashes
            case ("feed", _) | ("events", "view", _):
                return self._event
            case ("events",) | ("events", "index"):
                return self._searches.index
            case ("events", "restSearch"):
                return self._searches.events
            case ("attributes", "restSearch"):
                return self._searches.attributes
            case ("attributes",) | ("attributes", "index"):
                return self._searches.attribute_index
            case ("attributes", "view", _):
                return self._searches.attribute
            case ("objects", "restSearch"):
                return self._searches.objects
            case ("sightings", "restSearch", context):
                return lambda visit, at: self._sightings(visit, at, context)
            case ("sightings", "listSightings", *named):
                return lambda visit, at: self._list_sightings(visit, at, *named[:2])
            case ("sightings", "filterSightingUuidsForPush", event):
                return lambda visit, at: ok(services.sightings.wanted(visit.reader, event, visit.json(), at))
            case ("events", "filterEventIdsForPush"):
                return lambda visit, at: ok(services.writing.wanted(visit.account, visit.json(), at))
            case _:
                return None

    def _part(self, parts: tuple[str, ...]) -> Reading | None:
        """Return what answers about what stands in events."""
        looking = self._looking
        match parts:
            case ("objects", "view", _):
                return looking.one_object
            case ("event_reports",) | ("event_reports", "index"):
                return looking.reports
            case ("event_reports", "view", _):
                return looking.one_report
            case ("tags",) | ("tags", "index"):
                return looking.tags
            case ("tags", "search") | ("tags", "search", _):
                return looking.search_tags
            case ("tags", "view", _):
                return looking.one_tag
            case ("analyst_data", "view", _, _):
                return looking.one_analyst_data
            case ("galaxies",) | ("galaxies", "index"):
                return looking.galaxies
            case ("galaxies", "view", _):
                return looking.one_galaxy
            case ("galaxy_clusters", "index", _):
                return looking.clusters
            case ("galaxy_clusters", "view", _):
                return looking.one_cluster
            case ("galaxy_clusters", "restSearch"):  # a MISP that pulls: those that were made here, and none is
                return lambda *_: ok({"response": []})
            case _:
                return None

    def _about(self, parts: tuple[str, ...]) -> Reading | None:
        """Return what answers about the node and who asks."""
        describing = self._describing
        match parts:
            case ("servers", "getVersion") | ("servers", "getPyMISPVersion"):
                return describing.version
            case ("attributes", "describeTypes"):
                return describing.types
            case ("servers", "postTest"):
                return tested
            case ("servers", "getAvailableSyncFilteringRules"):
                return lambda *_: ok({"organisations": [], "tags": []})
            case ("users", "view", _):
                return describing.user
            case ("roles",) | ("roles", "index"):
                return describing.roles
            case ("organisations",) | ("organisations", "index"):
                return describing.organisations
            case ("organisations", "view", _):
                return describing.one_organisation
            case ("warninglists",) | ("warninglists", "index"):
                return describing.warning_lists
            case ("warninglists", "view", _):
                return describing.one_warning_list
            case ("warninglists", "checkValue"):
                return describing.warned
            case ("sharing_groups",) | ("sharing_groups", "index"):
                return lambda *_: ok({"response": []})
            case ("analyst_data", "indexMinimal") | ("analyst_data", "index", _):
                return lambda *_: ok([])
            case (kept,) | (kept, "index") | (kept, "index", _) if kept in _NONE_KEPT:
                return lambda *_: ok([])
            case _:
                return None

    def _event_written(self, parts: tuple[str, ...], visit: Visit, at: datetime) -> Answer | None:
        """Write a whole event or sightings; None where the address is none of those."""
        services, account = self._services, visit.account
        match parts:
            case ("events", "add"):
                return _event_kept(services.writing.add(account, visit.json(), visit.body, at))
            case ("events", "edit", named):
                uuid = services.keeping.named(account, named)
                return _event_kept(services.writing.edit(account, uuid, visit.json(), visit.body, at))
            case ("events", "delete", named):
                services.writing.delete(account, services.keeping.named(account, named), at)
                return _done("Event deleted.")
            case ("events", "publish", named) | ("events", "alert", named):
                services.writing.demand_own(account, services.keeping.named(account, named))
                return _done("Job queued")
            case ("sightings", "add") | ("sightings", "add", _):
                about = parts[2] if len(parts) > 2 else ""
                return ok(services.sightings.add(services.keeping.shelf(account), account, visit.asked(), about, at))
            case ("sightings", "delete", uuid):
                services.sightings.take_back(services.keeping.shelf(account), uuid, at)
                return _done("Sighting successfully deleted.")
            case ("sightings", "bulkSaveSightings", uuid):
                shelf = services.keeping.shelf(account)
                taken = services.sightings.save(shelf, account, uuid, visit.json(), at)
                return _done(f"{taken.count} sightings added.", taken.refused)
            case _:
                return None

    def _part_written(self, parts: tuple[str, ...], visit: Visit, at: datetime) -> Answer:
        """Write one part of an event."""
        changing, account, keeping = self._services.changing, visit.account, self._services.keeping
        match parts:
            case ("attributes", "add", named):
                uuid = keeping.named(account, named)
                return _kept("Attribute", *changing.add_attributes(account, uuid, visit.json(), at))
            case ("objects", "add", named):
                uuid = keeping.named(account, named)
                return _kept("Object", *changing.add_object(account, uuid, visit.json(), at))
            case ("event_reports", "add", named):
                uuid = keeping.named(account, named)
                return _kept("EventReport", *changing.add_report(account, uuid, visit.json(), at))
            case ("object_references", "add"):
                return _kept("ObjectReference", *changing.add_reference(account, visit.json(), at))
            case (controller, "edit", named) if controller in _KIND_OF and controller != "object_references":
                kind, uuid = _KIND_OF[controller], keeping.named_part(account, named)
                return _kept(kind, *changing.edit(account, uuid, kind, visit.json(), at))
            case (controller, "delete", named, *hard) if controller in _KIND_OF:
                is_hard = hard == ["true"] or str(visit.asked().get("hard", "0")) in ("1", "True")
                uuid = keeping.named_part(account, named)
                changing.delete(account, uuid, _KIND_OF[controller], at, hard=is_hard)
                return _done(f"{_KIND_OF[controller]} deleted.")
            case ("attributes", "restore", named):
                return _kept("Attribute", *changing.restore(account, keeping.named_part(account, named), at))
            case ("tags", "attachTagToObject"):
                return ok(changing.tag(account, visit.asked(), at, attach=True))
            case ("tags", "removeTagFromObject"):
                return ok(changing.tag(account, visit.asked(), at, attach=False))
            case _:
                raise _not_done(parts)

    def _manifest(self, visit: Visit, at: datetime) -> Answer:
        body = manifest(self._serving.heads(visit.reader, at))
        return Answer(200, body, etag=digest(body))

    def _hashes(self, visit: Visit, at: datetime) -> Answer:
        lines = "".join(f"{line}\n" for line in self._serving.hash_lines(visit.reader, at))
        body = lines.encode()
        return Answer(200, body, {"content-type": "text/csv"}, etag=digest(body))

    def _event(self, visit: Visit, at: datetime) -> Answer:
        way: Way = "feed" if visit.place.parts[0] == "feed" else visit.way
        _, event = self._serving.event(visit.reader, visit.place.parts[-1], at, way)
        body = event_file(event if visit.place.parts[0] == "feed" else numbered(event))
        return Answer(200, body, etag=digest(body))

    def _sightings(self, visit: Visit, at: datetime, context: str) -> Answer:
        if context not in ("event", "attribute"):
            raise unknown()
        return ok({"response": self._services.sightings.of(visit.reader, visit.asked(), context, at)})

    def _list_sightings(self, visit: Visit, at: datetime, about: str = "", context: str = "") -> Answer:
        asked = visit.asked()
        if asked.get("org_id"):
            raise BadMisp("this filter is not known here: %(name)s", name="org_id")
        context = context or str(asked.get("context", "attribute"))
        if context not in ("event", "attribute"):
            raise unknown()
        named = {"id": about or asked.get("id", asked.get("uuid"))}
        found = self._services.sightings.of(visit.reader, named, context, at)
        return ok([each["Sighting"] for each in found])


def _plain(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return an address with its first part as MISP files it: `eventReports` and `event_reports` are one."""
    if not parts:
        return parts
    return (re.sub(r"(?<=[a-z])([A-Z])", r"_\1", parts[0]).lower(), *parts[1:])


def _kept(kind: str, part: Any, kept: Kept) -> Answer:
    """Answer a part as it is kept; beside it, as MISP has it, what was refused, and of what nothing detectable came."""
    said = {"errors": told(kept.refused), "warnings": told(kept.unseen)}
    return ok({kind: part} | {name: lines for name, lines in said.items() if lines})


def _event_kept(kept: Kept) -> Answer:
    return _kept("Event", numbered(kept.event), kept)


def _done(said: str, refused: Mapping[str, str] | None = None) -> Answer:
    errors = told(refused or {})
    body = {"saved": True, "success": said, "name": said, "message": said, "url": ""}
    return ok(body | ({"errors": errors} if errors else {}))


def _not_done(parts: tuple[str, ...]) -> Refused:
    if parts and parts[0] in _FOR_ADMINISTRATORS:
        return Refused(403, "You do not have permission to use this functionality.")
    return Refused(404, "this node does not do that over MISP's interface")
