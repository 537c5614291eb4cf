"""Every address of the doors of MISP, worked out for one account: no HTTP in it but the status."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

from mithaq.exchange.misp.answers import Answer, Refused, ok, unknown
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.searches import Searches
from mithaq.exchange.misp.serving import Serving, digest, event_file, manifest
from mithaq.exchange.misp.settings import MAX_VALUES, MISP_VERSION
from mithaq.exchange.misp.visit import Visit
from mithaq.exchange.misp.writing import Writing
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import rfc3339
from mithaq.standards.misp.labels import Way
from mithaq.standards.observable import recognise

_READING: Final = ("GET", "POST")


class Resources:
    """Answer visits."""

    def __init__(self, serving: Serving, writing: Writing, warning_lists: WarningLists) -> None:
        self._serving = serving
        self._searches = Searches(serving)
        self._writing = writing
        self._warning_lists = warning_lists

    def answer(self, visit: Visit, at: datetime) -> Answer:
        """Answer one request.

        Raises:
            Refused, Error: there is no such address, or not like this.
        """
        found = self._reader(visit)
        if found is not None:
            if visit.method not in _READING:
                raise Refused(405, "Method not allowed", {"allow": ", ".join(_READING)})
            return found(visit, at)
        if visit.method != "POST":
            raise _not_done()
        return self._written(visit, at)

    def exists(self, visit: Visit, at: datetime) -> Answer:
        """Answer a HEAD: whether an event or an attribute is there, without building the event."""
        match visit.place.parts:
            case ("events", "view", uuid):
                if any(head.uuid == uuid.lower() for head in self._serving.heads(visit.reader, at)):
                    return Answer(200, b"")
                raise unknown()
            case _:
                return Answer(self.answer(visit, at).status, b"")

    def _reader(self, visit: Visit) -> Callable[[Visit, datetime], Answer] | None:
        match visit.place.parts:
            case ("feed", "manifest"):
                return self._manifest
            case ("feed", "hashes.csv"):
                return self._hashes
            case ("feed", _) | ("events", "view", _):
                return self._event
            case ("servers", "getVersion") | ("servers", "getPyMISPVersion"):
                return self._version
            case ("servers", "postTest"):
                return _tested
            case ("servers", "getAvailableSyncFilteringRules"):
                return lambda *_: ok({"organisations": [], "tags": []})
            case ("users", "view", "me"):
                return self._user
            case ("events",) | ("events", "index"):
                return self._searches.index
            case ("events", "restSearch"):
                return self._searches.events
            case ("attributes", "restSearch"):
                return self._searches.attributes
            case ("attributes", "view", _):
                return self._searches.attribute
            case ("shadow_attributes", "index") | ("analyst_data", "indexMinimal") | ("analyst_data", "index", _):
                return lambda *_: ok([])
            case ("galaxy_clusters", "restSearch"):
                return lambda *_: ok({"response": []})
            case ("sightings", "restSearch", context):
                return lambda each, at: self._sightings(each, at, context)
            case ("warninglists", "checkValue"):
                return self._warned
            case ("events", "filterEventIdsForPush"):
                return lambda each, at: ok(self._writing.wanted(each.account, each.json(), at))
            case _:
                return None

    def _written(self, visit: Visit, at: datetime) -> Answer:
        writing, account = self._writing, visit.account
        match visit.place.parts:
            case ("events", "add"):
                return ok({"Event": writing.add(account, visit.json(), visit.body, at)})
            case ("events", "edit", uuid):
                return ok({"Event": writing.edit(account, uuid, visit.json(), visit.body, at)})
            case ("events", "publish", uuid) | ("events", "alert", uuid):
                writing.demand_own(account, uuid)
                return ok({"saved": True, "success": True, "name": "Job queued", "message": "Job queued", "url": ""})
            case ("attributes", "add", uuid):
                return ok({"Attribute": writing.add_attributes(account, uuid, visit.json(), at)})
            case ("tags", "attachTagToObject"):
                return ok(writing.tag(account, visit.asked(), at, attach=True))
            case ("tags", "removeTagFromObject"):
                return ok(writing.tag(account, visit.asked(), at, attach=False))
            case ("sightings", "add") | ("sightings", "add", _):
                about = visit.place.parts[2] if len(visit.place.parts) > 2 else ""
                return ok(writing.sight(account, visit.asked(), about, at))
            case ("sightings", "filterSightingUuidsForPush", uuid):
                return ok(writing.wanted_sightings(account, uuid, visit.json(), at))
            case ("sightings", "bulkSaveSightings", uuid):
                saved = writing.save_sightings(account, uuid, visit.json(), at)
                return ok(
                    {"saved": True, "success": f"{saved} sightings added.", "message": f"{saved} sightings added."}
                )
            case _:
                raise _not_done()

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
        body = event_file(event)
        return Answer(200, body, etag=digest(body))

    def _version(self, visit: Visit, at: datetime) -> Answer:
        del at
        version = visit.account.misp_version or MISP_VERSION
        may_write = self._writing.takes(visit.account)
        if visit.place.parts[-1] == "getPyMISPVersion":
            return ok({"version": version})
        return ok(
            {
                "version": version,
                "pymisp_recommended_version": version,
                "perm_sync": may_write,
                "perm_sighting": may_write,
                "perm_galaxy_editor": False,
                "perm_analyst_data": False,
                "uuid": self._serving.organisation.uuid,
                "request_encoding": ["gzip"],
                "filter_sightings": True,
            }
        )

    def _user(self, visit: Visit, at: datetime) -> Answer:
        del at
        may_write = self._writing.takes(visit.account)
        name = next(iter(visit.constituent.names.values()), visit.constituent.id)
        organisation = self._writing.organisation(visit.constituent.id)
        role = {"perm_auth": True, "perm_sync": may_write, "perm_sighting": may_write, "perm_add": may_write,
                "perm_modify": may_write, "perm_tagger": may_write, "perm_publish": may_write, "perm_admin": False,
                "perm_site_admin": False}  # fmt: skip
        return ok(
            {
                "User": {"id": "1", "org_id": "1", "role_id": "1", "email": visit.constituent.id, "disabled": False,
                         "date_created": str(int(visit.account.created_at.timestamp())),
                         "expiration": rfc3339(visit.account.expires_at)},
                "Role": {"id": "1", "name": "constituent", **role},
                "UserSetting": [],
                "Organisation": {"id": "1", "name": name, "uuid": organisation},
            }
        )  # fmt: skip

    def _sightings(self, visit: Visit, at: datetime, context: str) -> Answer:
        if context not in ("event", "attribute"):
            raise unknown()
        return ok({"response": self._writing.sightings(visit.account, visit.asked(), context, at)})

    def _warned(self, visit: Visit, at: datetime) -> Answer:
        del at
        asked = visit.json()
        values = [asked] if isinstance(asked, str) else asked.get("value", []) if isinstance(asked, dict) else asked
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or len(values) > MAX_VALUES or not all(isinstance(v, str) for v in values):
            raise BadMisp("this is no list of at most %(max)s values", max=MAX_VALUES)
        found = {}
        for value in values:
            observable = recognise(value)
            lists = self._warning_lists.warned(observable) if observable else ()
            if lists:
                found[value] = [{"id": _number(name), "name": name, "matched": value} for name in lists]
        return ok(found or [])


def _not_done() -> Refused:
    return Refused(404, "this node does not do that over MISP's interface")


def _tested(visit: Visit, at: datetime) -> Answer:
    """Answer MISP's test of a connection: what it sent comes back."""
    del at
    value = visit.json() if visit.body else {}
    said = value.get("testString", "") if isinstance(value, dict) else ""
    headers = {"Content-type": "application/json", "Accept": "application/json", "Authorization": "OK"}
    return ok({"body": {"testString": said}, "headers": headers})


def _number(name: str) -> str:
    """Return a number for a warning list, the same at each node."""
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:7], 16))
