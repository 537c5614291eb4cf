"""Answer what scripts ask of parts of the events an account gets: objects, reports, tags, galaxies and clusters.

All of it stands in events that are released to who asks, each built and judged in this request.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from mithaq.exchange.misp.answers import Answer, Refused, ok, unknown
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Head
from mithaq.exchange.misp.serving import Serving, demand_one
from mithaq.exchange.misp.settings import MAX_FOUND
from mithaq.exchange.misp.visit import Visit
from mithaq.standards.misp.mapping import derived
from mithaq.standards.misp.numbers import is_number, numbered
from mithaq.standards.misp.parts import Kind, Part, analyst_data, find, parts
from mithaq.standards.stix import is_uuid

_NO_CLUSTER = "Invalid galaxy cluster"


class Looking:
    """Look into the events that an account gets."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving

    def one_object(self, visit: Visit, at: datetime) -> Answer:
        """Answer one object of an event.

        Raises:
            Refused: there is none for who asks.
        """
        return ok({"Object": self._part(visit, visit.place.parts[-1].lower(), "Object", at)})

    def one_report(self, visit: Visit, at: datetime) -> Answer:
        """Answer one event report.

        Raises:
            Refused: there is none for who asks.
        """
        return ok({"EventReport": self._part(visit, visit.place.parts[-1].lower(), "EventReport", at)})

    def reports(self, visit: Visit, at: datetime) -> Answer:
        """Answer the reports of one event.

        Raises:
            BadMisp: no event is named.
            UnknownEvent: it is not there for who asks.
        """
        uuid = visit.place.last("event_id")
        if not uuid:
            raise BadMisp("event reports are asked for by their event: event_id:uuid")
        _, event = self._serving.event(visit.reader, uuid, at, visit.way)
        return ok([{"EventReport": each.part} for each in parts(numbered(event)) if each.kind == "EventReport"])

    def one_analyst_data(self, visit: Visit, at: datetime) -> Answer:
        """Answer a note, an opinion or a relationship of an analyst, as it stands in an event.

        Raises:
            Refused: there is none for who asks.
        """
        kind, uuid = visit.place.parts[-2].lower(), visit.place.parts[-1].lower()
        heads = self._serving.heads(visit.reader, at) if is_uuid(uuid) else []
        for _, event in self._serving.events(visit.reader, self._serving.mentioning(heads, uuid), at, visit.way):
            for name, said in analyst_data(event):
                if str(said.get("uuid", "")).lower() == uuid and kind in ("all", name.lower()):
                    return ok({name: said})
        raise Refused(404, "Invalid analyst data")

    def tags(self, visit: Visit, at: datetime) -> Answer:
        """Answer the tags of the events there are, each with how many events carry it."""
        return ok({"Tag": self._tags(visit, at)})

    def search_tags(self, visit: Visit, at: datetime) -> Answer:
        """Answer the tags whose name is, or holds, a text."""
        asked = visit.asked()
        texts = asked.get("tagname", visit.place.parts[2] if len(visit.place.parts) > 2 else "")
        wanted = [str(each).strip("%").lower() for each in (texts if isinstance(texts, list) else [texts])]
        is_strict = str(asked.get("strict_tagname", "")) in ("1", "True")
        found = [
            each
            for each in self._tags(visit, at)
            if any(each["name"].lower() == text if is_strict else text in each["name"].lower() for text in wanted)
        ]
        return ok([{"Tag": each} for each in found])

    def one_tag(self, visit: Visit, at: datetime) -> Answer:
        """Answer one tag by its name; numbers of tags are not served.

        Raises:
            Refused: no event there is carries it.
        """
        wanted = visit.place.parts[-1].lower()
        for each in self._tags(visit, at):
            if each["name"].lower() == wanted:
                return ok(each)
        raise Refused(404, "Invalid tag")

    def galaxies(self, visit: Visit, at: datetime) -> Answer:
        """Answer the galaxies of which clusters stand in the events there are."""
        found = {galaxy["uuid"]: _without_clusters(galaxy) for galaxy in self._galaxies(visit, '"galaxy"', at)}
        return ok([{"Galaxy": each} for each in found.values()])

    def one_galaxy(self, visit: Visit, at: datetime) -> Answer:
        """Answer one galaxy, with those of its clusters that stand in events there are.

        Raises:
            Refused: there is none for who asks.
        """
        found = self._named(visit, at)
        if not found:
            raise Refused(404, "Invalid galaxy")
        return ok({"Galaxy": _without_clusters(found[0]), "GalaxyCluster": list(_clusters(found).values())})

    def clusters(self, visit: Visit, at: datetime) -> Answer:
        """Answer the clusters of a galaxy that stand in events there are."""
        asked = visit.asked()
        text = str(asked.get("searchall", "")).lower()
        found = _clusters(self._named(visit, at)).values()
        return ok([{"GalaxyCluster": each} for each in found if text in str(each.get("value", "")).lower()])

    def one_cluster(self, visit: Visit, at: datetime) -> Answer:
        """Answer one galaxy cluster as it stands in an event.

        Raises:
            Refused: there is none for who asks.
        """
        uuid = visit.place.parts[-1].lower()
        found = _clusters(self._galaxies(visit, uuid, at)).get(uuid) if is_uuid(uuid) else None
        if found is None:
            raise Refused(404, _NO_CLUSTER)
        return ok({"GalaxyCluster": found})

    def _part(self, visit: Visit, named: str, kind: Kind, at: datetime) -> Part:
        """Return a part by its uuid or its number; for a number every event is looked through."""
        heads = self._serving.heads(visit.reader, at)
        if is_number(named):
            found: dict[str, Part] = {}
            for _, event in self._serving.events(visit.reader, heads, at, visit.way):
                found |= {str(each["uuid"]).lower(): each for each in _of_number(numbered(event), kind, named)}
            demand_one(found)
            for part in found.values():
                return part
        elif is_uuid(named):
            described = [head for head in heads if kind == "EventReport" and _describes(head, named)]
            chosen = [*described, *self._serving.mentioning(heads, named)]
            for _, event in self._serving.events(visit.reader, chosen, at, visit.way):
                if (one := find(numbered(event), named, kind)) is not None:
                    return one.part
        raise unknown()

    def _tags(self, visit: Visit, at: datetime) -> list[dict[str, Any]]:
        counts: Counter[str] = Counter()
        colours: dict[str, str] = {}
        for head in self._serving.heads(visit.reader, at):
            for tag in head.tags:
                counts[tag["name"]] += 1
                colours.setdefault(tag["name"], tag.get("colour", ""))
        return [
            {"name": name, "colour": colours[name], "exportable": True, "hide_tag": False, "local_only": False,
             "is_galaxy": name.startswith("misp-galaxy:"), "count": count}
            for name, count in sorted(counts.items())
        ]  # fmt: skip

    def _named(self, visit: Visit, at: datetime) -> list[Mapping[str, Any]]:
        wanted = visit.place.parts[-1].lower()
        needle = wanted if is_uuid(wanted) else '"galaxy"'
        return [
            galaxy
            for galaxy in self._galaxies(visit, needle, at)
            if wanted in (str(galaxy["uuid"]).lower(), str(galaxy.get("type", "")).lower())
        ]

    def _galaxies(self, visit: Visit, needle: str, at: datetime) -> Iterator[Mapping[str, Any]]:
        """Yield the galaxies in the newest events that hold a text, each as often as it stands in one."""
        heads = list(reversed(self._serving.heads(visit.reader, at)))
        chosen = self._serving.mentioning(heads, needle)[:MAX_FOUND]
        for _, event in self._serving.events(visit.reader, chosen, at, visit.way):
            for holder in (event, *(each.part for each in parts(event))):
                for galaxy in _dicts(holder.get("Galaxy")):
                    if is_uuid(str(galaxy.get("uuid", "")).lower()):
                        yield galaxy


def _of_number(event: dict[str, Any], kind: Kind, number: str) -> list[Part]:
    return [each.part for each in parts(event) if each.kind == kind and each.part.get("id") == number]


def _describes(head: Head, uuid: str) -> bool:
    return head.kind == "report" and derived(head.uuid, "description") == uuid


def _clusters(galaxies: Any) -> dict[str, Mapping[str, Any]]:
    return {
        str(cluster.get("uuid", "")).lower(): cluster
        for galaxy in galaxies
        for cluster in _dicts(galaxy.get("GalaxyCluster"))
    }


def _without_clusters(galaxy: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in galaxy.items() if key != "GalaxyCluster"}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
