"""Every address of the doors of MISP, worked out for one account: no HTTP in it but the status."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.exchange.misp.answers import Answer, Refused, ok, unknown
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Head
from mithaq.exchange.misp.searching import Search, read_search
from mithaq.exchange.misp.serving import Serving, digest, event_file, manifest
from mithaq.exchange.misp.settings import MAX_ANSWER_ATTRIBUTES, MAX_VALUES, MISP_VERSION
from mithaq.exchange.misp.writing import Writing
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import rfc3339
from mithaq.nations.constituents.model import Account, Constituent
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.labels import Way, distribution
from mithaq.standards.misp.named import Place
from mithaq.standards.observable import recognise

_READING: Final = ("GET", "POST")
_SYNC_ONLY: Final = frozenset({"excludeGalaxy", "includeEventCorrelations", "includeFeedCorrelations"})
"""Named parameters that only another MISP sends, which lowers the distribution of what it gets."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of one account: who asks, where, with what; `agent` is what its program calls itself."""

    constituent: Constituent
    account: Account
    method: str
    place: Place
    body: bytes = b""
    agent: str = ""

    @property
    def way(self) -> Way:
        """Return whether what is asked for goes to another MISP that will lower it."""
        is_misp = self.agent.startswith("MISP ") or not _SYNC_ONLY.isdisjoint(self.place.named)
        return "sync" if is_misp else "feed"

    def asked(self) -> dict[str, Any]:
        """Return what is asked for in the path and in the body together.

        Raises:
            BadMisp: the body is no JSON object.
        """
        named: dict[str, Any] = {
            name: list(values) if len(values) > 1 else values[0] for name, values in self.place.named.items()
        }
        value = self.json() if self.body else {}
        if isinstance(value, dict) and isinstance(value.get("request"), dict):
            value = value["request"]
        if not isinstance(value, dict):
            raise BadMisp("this is no JSON object")
        url = value.pop("url_params", None)
        if url:
            raise BadMisp("this filter is not known here: %(name)s", name="url_params")
        return named | value

    def json(self) -> Any:
        """Return the body.

        Raises:
            BadMisp: it is no JSON.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise BadMisp("this is no JSON") from error


class Resources:
    """Answer visits."""

    def __init__(self, serving: Serving, writing: Writing, warning_lists: WarningLists) -> None:
        self._serving = serving
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
                if any(head.uuid == uuid.lower() for head in self._serving.heads(visit.constituent.id, at)):
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
                return self._index
            case ("events", "restSearch"):
                return self._search_events
            case ("attributes", "restSearch"):
                return self._search_attributes
            case ("attributes", "view", _):
                return self._attribute
            case ("shadow_attributes", "index") | ("analyst_data", "indexMinimal") | ("analyst_data", "index", _):
                return lambda *_: ok([])
            case ("galaxy_clusters", "restSearch"):
                return lambda *_: ok({"response": []})
            case ("sightings", "restSearch", context):
                return lambda each, at: self._sightings(each, at, context)
            case ("warninglists", "checkValue"):
                return self._warned
            case ("events", "filterEventIdsForPush"):
                return lambda each, at: ok(self._writing.wanted(each.constituent.id, each.json(), at))
            case _:
                return None

    def _written(self, visit: Visit, at: datetime) -> Answer:
        writing, who = self._writing, (visit.constituent.id, visit.account)
        match visit.place.parts:
            case ("events", "add"):
                return ok({"Event": writing.add(*who, visit.json(), visit.body, at)})
            case ("events", "edit", uuid):
                return ok({"Event": writing.edit(*who, uuid, visit.json(), visit.body, at)})
            case ("events", "publish", uuid) | ("events", "alert", uuid):
                writing.demand_own(*who, uuid)
                return ok({"saved": True, "success": True, "name": "Job queued", "message": "Job queued", "url": ""})
            case ("attributes", "add", uuid):
                return ok({"Attribute": writing.add_attributes(*who, uuid, visit.json(), at)})
            case ("tags", "attachTagToObject"):
                return ok(writing.tag(*who, visit.asked(), at, attach=True))
            case ("tags", "removeTagFromObject"):
                return ok(writing.tag(*who, visit.asked(), at, attach=False))
            case ("sightings", "add") | ("sightings", "add", _):
                about = visit.place.parts[2] if len(visit.place.parts) > 2 else ""
                return ok(writing.sight(*who, visit.asked(), about, at))
            case ("sightings", "filterSightingUuidsForPush", uuid):
                return ok(writing.wanted_sightings(visit.constituent.id, uuid, visit.json(), at))
            case ("sightings", "bulkSaveSightings", uuid):
                saved = writing.save_sightings(*who, uuid, visit.json(), at)
                return ok(
                    {"saved": True, "success": f"{saved} sightings added.", "message": f"{saved} sightings added."}
                )
            case _:
                raise _not_done()

    def _manifest(self, visit: Visit, at: datetime) -> Answer:
        body = manifest(self._serving.heads(visit.constituent.id, at))
        return Answer(200, body, etag=digest(body))

    def _hashes(self, visit: Visit, at: datetime) -> Answer:
        lines = "".join(f"{line}\n" for line in self._serving.hash_lines(visit.constituent.id, at))
        body = lines.encode()
        return Answer(200, body, {"content-type": "text/csv"}, etag=digest(body))

    def _event(self, visit: Visit, at: datetime) -> Answer:
        way: Way = "feed" if visit.place.parts[0] == "feed" else visit.way
        _, event = self._serving.event(visit.constituent.id, visit.place.parts[-1], at, way)
        body = event_file(event)
        return Answer(200, body, etag=digest(body))

    def _version(self, visit: Visit, at: datetime) -> Answer:
        del at
        version = visit.account.misp_version or MISP_VERSION
        may_write = visit.account.may_write and self._writing.takes(visit.constituent.id)
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
        may_write = visit.account.may_write and self._writing.takes(visit.constituent.id)
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

    def _index(self, visit: Visit, at: datetime) -> Answer:
        asked = visit.asked()
        search = read_search(asked, at)
        if search.asks_attributes - ("tags" in search.choices):
            search = _on_heads(search)
        heads = [head for head in self._serving.heads(visit.constituent.id, at) if _passes(search, head)]
        count = len(heads)
        if "limit" in asked:
            heads = heads[(search.page - 1) * search.limit : search.page * search.limit]
        sighted = self._serving.sighted(visit.constituent.id, heads, at)
        listed = [
            _entry(head, is_minimal=bool(asked.get("minimal")), sighted=sighted.get(head.uuid, 0)) for head in heads
        ]
        body = msgspec.json.encode(listed)
        return Answer(200, body, {"x-result-count": str(count)}, etag=digest(body))

    def _search_events(self, visit: Visit, at: datetime) -> Answer:
        asked = visit.asked()
        search = _demand_json(asked, at)
        found: list[Any] = []
        attributes = 0
        is_metadata = str(asked.get("metadata", "0")) in ("1", "True")
        for head, event in _page(self._matching(visit, search, at), search):
            attributes += 0 if is_metadata else sum(1 for _ in attributes_of(event))
            if attributes > MAX_ANSWER_ATTRIBUTES:
                raise BadMisp("this answer is too large: ask with a smaller limit, page by page")
            found.append({"Event": {**_entry(head, is_minimal=False)} if is_metadata else event})
        return ok({"response": found})

    def _search_attributes(self, visit: Visit, at: datetime) -> Answer:
        search = _demand_json(visit.asked(), at)
        found = _page(
            (
                attribute
                for head, event in self._events(visit, search, at)
                for attribute in search.attributes(head, event)
            ),
            search,
        )
        return ok({"response": {"Attribute": list(found)}})

    def _attribute(self, visit: Visit, at: datetime) -> Answer:
        uuid = visit.place.parts[-1].lower()
        search = read_search({"uuid": uuid, "deleted": [0, 1]}, at)
        for head, event in self._events(visit, search, at):
            for attribute in search.attributes(head, event):
                if attribute["uuid"] == uuid:
                    return ok({"Attribute": attribute})
        raise unknown()

    def _events(self, visit: Visit, search: Search, at: datetime) -> Iterator[tuple[Head, dict[str, Any]]]:
        """Yield the events that may hold something, the newest change first."""
        who = visit.constituent.id
        heads = [head for head in reversed(self._serving.heads(who, at)) if search.passes_head(head)]
        if search.values:
            heads = self._serving.naming(heads, search.values)
        yield from self._serving.events(who, heads, at, visit.way)

    def _matching(self, visit: Visit, search: Search, at: datetime) -> Iterator[tuple[Head, dict[str, Any]]]:
        for head, event in self._events(visit, search, at):
            if search.passes_event(head, event):
                yield head, event

    def _sightings(self, visit: Visit, at: datetime, context: str) -> Answer:
        if context not in ("event", "attribute"):
            raise unknown()
        return ok({"response": self._writing.sightings(visit.constituent.id, visit.asked(), context, at)})

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


def _demand_json(asked: Mapping[str, Any], at: datetime) -> Search:
    if str(asked.get("returnFormat", "json")) != "json":
        raise BadMisp("only the format json is served here")
    return read_search(asked, at)


def _on_heads(search: Search) -> Search:
    """Refuse what an index cannot answer without building events.

    Raises:
        BadMisp: it asks for attributes.
    """
    raise BadMisp("an index knows no attributes: ask with restSearch", subject=",".join(sorted(search.choices))[:80])


def _passes(search: Search, head: Head) -> bool:
    """Tell whether an event passes the rules of an index; its tags are those of the event."""
    tags = [tag["name"] for tag in head.tags]
    return search.passes_head(head) and ("tags" not in search.choices or search.choices["tags"].passes(tags))


def _page(found: Iterator[Any], search: Search) -> Iterator[Any]:
    first = (search.page - 1) * search.limit
    for place, each in enumerate(found):
        if place >= first + search.limit:
            return
        if place >= first:
            yield each


def _entry(head: Head, *, is_minimal: bool, sighted: int = 0) -> dict[str, Any]:
    """Return what an index says of an event."""
    least = {
        "id": "0",
        "timestamp": str(head.timestamp),
        "sighting_timestamp": str(sighted),
        "published": True,
        "uuid": head.uuid,
        "orgc_uuid": head.orgc["uuid"],
    }
    if is_minimal:
        return least
    return {
        **least,
        **head.as_json(),
        "publish_timestamp": str(head.timestamp),
        "distribution": str(distribution(head.tlp, "feed")),
        "Org": dict(head.orgc),
        "EventTag": [{"local": False, "Tag": tag} for tag in head.tags],
        "GalaxyCluster": [],
    }


def _number(name: str) -> str:
    """Return a number for a warning list, the same at each node."""
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:7], 16))
