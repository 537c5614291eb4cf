"""Answer the searches and indexes of MISP's programs for one account."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from mithaq.exchange.misp.answers import Answer, ok, unknown
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Head
from mithaq.exchange.misp.searching import Search, read_search
from mithaq.exchange.misp.serving import Serving, demand_one, digest
from mithaq.exchange.misp.settings import INDEX_ATTRIBUTES, MAX_ANSWER_ATTRIBUTES
from mithaq.exchange.misp.visit import Visit
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.labels import distribution
from mithaq.standards.misp.numbers import is_number, numbered


class Searches:
    """Look through the events that an account gets."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def index(self, visit: Visit, at: datetime) -> Answer:
        """Answer an index of events: their heads, as far as its rules let them pass.

        Raises:
            BadMisp: a rule is not understood, or asks for what stands in an event.
        """
        asked = visit.asked()
        search = read_search(asked, at).of_events()
        if beyond := search.beyond_heads:
            raise BadMisp("an index knows no attributes: ask with restSearch", subject=",".join(beyond))
        heads = [head for head in self._serving.heads(visit.reader, at) if _passes(search, head)]
        count = len(heads)
        if "limit" in asked:
            heads = heads[(search.page - 1) * search.limit : search.page * search.limit]
        sighted = self._serving.sighted(visit.reader, heads, at)
        is_minimal = bool(asked.get("minimal"))
        body = msgspec.json.encode(
            [_entry(head, is_minimal=is_minimal, sighted=sighted.get(head.uuid, 0)) for head in heads]
        )
        return Answer(200, body, {"x-result-count": str(count)}, etag=digest(body))

    def events(self, visit: Visit, at: datetime) -> Answer:
        """Answer a search for events, page by page.

        Raises:
            BadMisp: a filter is not understood, or the answer would be too large.
        """
        asked = visit.asked()
        search = _demand_json(asked, at).of_events()
        found: list[Any] = []
        attributes = 0
        is_metadata = str(asked.get("metadata", "0")) in ("1", "True")
        for head, event in _page(self._matching(visit, search, at), search):
            attributes += 0 if is_metadata else sum(1 for _ in attributes_of(event))
            if attributes > MAX_ANSWER_ATTRIBUTES:
                raise BadMisp("this answer is too large: ask with a smaller limit, page by page")
            found.append({"Event": {**_entry(head, is_minimal=False)} if is_metadata else event})
        return ok({"response": found})

    def attributes(self, visit: Visit, at: datetime) -> Answer:
        """Answer a search for attributes, page by page.

        Raises:
            BadMisp: a filter is not understood.
        """
        search = _demand_json(visit.asked(), at)
        found = _page(
            (
                attribute
                for head, event in self._candidates(visit, search, at)
                for attribute in search.attributes(head, event)
            ),
            search,
        )
        return ok({"response": {"Attribute": list(found)}})

    def attribute_index(self, visit: Visit, at: datetime) -> Answer:
        """Answer one page of the attributes there are, newest event first; `limit` and `page` stand in the address.

        Raises:
            BadMisp: a filter is not understood.
        """
        asked = {"limit": INDEX_ATTRIBUTES, **visit.asked()}
        search = _demand_json(asked, at)
        found = (
            attribute
            for head, event in self._candidates(visit, search, at)
            for attribute in search.attributes(head, event)
        )
        return ok(list(_page(found, search)))

    def objects(self, visit: Visit, at: datetime) -> Answer:
        """Answer a search for objects, page by page: those of which an attribute passes.

        Raises:
            BadMisp: a filter is not understood.
        """
        search = _demand_json(visit.asked(), at, is_for_objects=True)
        found = (
            {"Object": each}
            for head, event in self._candidates(visit, search, at)
            for each in search.objects(head, event)
        )
        return ok({"response": list(_page(found, search))})

    def attribute(self, visit: Visit, at: datetime) -> Answer:
        """Answer a question about one attribute.

        Raises:
            Refused: there is none for who asks.
        """
        named = visit.place.parts[-1].lower()
        by = "id" if is_number(named) else "uuid"
        search = read_search({"deleted": [0, 1]} | ({"uuid": named} if by == "uuid" else {}), at)
        every = (each for head, event in self._candidates(visit, search, at) for each in search.attributes(head, event))
        found = (each for each in every if str(each.get(by, "")).lower() == named)
        if (first := next(found, None)) is None:
            raise unknown()
        if by == "id":
            demand_one({str(first["uuid"]).lower(), *(str(each["uuid"]).lower() for each in found)})
        return ok({"Attribute": first})

    def _candidates(self, visit: Visit, search: Search, at: datetime) -> Iterator[tuple[Head, dict[str, Any]]]:
        """Yield the events that may hold something, the newest change first."""
        who = visit.reader
        heads = [head for head in reversed(self._serving.heads(who, at)) if search.passes_head(head)]
        if search.values:
            heads = self._serving.naming(heads, search.values)
        for head, event in self._serving.events(who, heads, at, visit.way):
            yield head, numbered(event)

    def _matching(self, visit: Visit, search: Search, at: datetime) -> Iterator[tuple[Head, dict[str, Any]]]:
        for head, event in self._candidates(visit, search, at):
            if search.passes_event(head, event):
                yield head, event


def _demand_json(asked: Mapping[str, Any], at: datetime, *, is_for_objects: bool = False) -> Search:
    if str(asked.get("returnFormat", "json")) != "json":
        raise BadMisp("only the format json is served here")
    if "object_name" in asked and asked["object_name"] is not None and not is_for_objects:
        raise BadMisp("this filter is not known here: %(name)s", name="object_name")
    return read_search(asked, at)


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
    """Return what an index says of an event; `sighted` is when it was last, in seconds since 1970, 0 for never."""
    least = {
        "id": head.number,
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
