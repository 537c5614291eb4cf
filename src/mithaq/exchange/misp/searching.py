"""Read what a search of MISP asks for, all of it: a filter that is not known here is refused, never left out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.model import Head
from mithaq.exchange.misp.settings import MAX_FOUND, MAX_VALUES
from mithaq.standards.misp.foreign import attributes_of
from mithaq.standards.misp.labels import tag_names

_IGNORED: Final = frozenset(
    {
        "returnFormat", "minimal", "metadata", "withAttachments", "sort", "direction", "includeEventUuid",
        "includeEventTags", "sgReferenceOnly", "includeContext", "headerless", "includeSightings",
        "includeDecayScore", "includeCorrelations", "includeFeedCorrelations", "includeServerCorrelations",
        "includeWarninglistHits", "excludeGalaxy", "includeGalaxy", "excludeLocalTags", "includeAllTags",
        "includeFullModel", "requested_attributes", "includeProposals",
    }
)  # fmt: skip
"""What changes the form of an answer and never what is in it."""

_ONLY_OFF: Final = frozenset({"enforceWarninglist", "excludeDecayed"})
"""What may be said not to be wanted; every event that is served counts as published."""

_TEXTS: Final = {
    "value": "value", "type": "type", "category": "category", "uuid": "uuid", "tags": "tags", "tag": "tags",
    "event_tags": "event_tags", "org": "org", "orgc": "org", "orgc_uuid": "org", "eventid": "eventid",
    "event_uuid": "eventid", "uuid_list": "eventid", "eventinfo": "info", "info": "info", "searchinfo": "info",
    "object_relation": "object_relation", "object_name": "object_name", "quickFilter": "any", "searchall": "any",
    "all": "any", "attribute": "value", "searchattribute": "value",
}  # fmt: skip
_TIMES: Final = {
    "timestamp": "timestamp", "publish_timestamp": "event_timestamp", "event_timestamp": "event_timestamp",
    "attribute_timestamp": "timestamp",
}  # fmt: skip
_DATES: Final = frozenset({"from", "to", "datefrom", "dateuntil"})
_LATEST: Final = 1 << 40
"""Seconds since 1970 that no timestamp reaches."""

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_WHOLE_EVENT: Final = ("event_tags", "org", "eventid", "info")
_OF_ATTRIBUTES: Final = ("value", "type", "category", "uuid", "object_relation", "tags", "any")


@dataclass(frozen=True, slots=True)
class Choice:
    """What one filter lets pass: any of `some` and, all of `every`, and none of `none`; `%` stands for any text."""

    some: tuple[str, ...] = ()
    every: tuple[str, ...] = ()
    none: tuple[str, ...] = ()

    def passes(self, found: Sequence[str]) -> bool:
        """Tell whether texts that something carries pass."""
        if any(_like(pattern, found) for pattern in self.none):
            return False
        if not all(_like(pattern, found) for pattern in self.every):
            return False
        return not self.some or any(_like(pattern, found) for pattern in self.some)


@dataclass(frozen=True, slots=True)
class Search:
    """A search that was understood; times are seconds since 1970, `dates` are texts as MISP writes them."""

    choices: Mapping[str, Choice] = field(default_factory=dict)
    times: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    dates: tuple[str, str] = ("", "9")
    to_ids: bool | None = None
    deleted: bool | None = False
    limit: int = MAX_FOUND
    page: int = 1

    @property
    def asks_attributes(self) -> bool:
        """Tell whether it asks for anything that only an attribute can answer."""
        return self.to_ids is not None or any(name in self.choices for name in _OF_ATTRIBUTES)

    @property
    def beyond_heads(self) -> tuple[str, ...]:
        """Return what it asks for that no head of an event answers; tags are those of the event."""
        return (
            *(name for name in (*_OF_ATTRIBUTES, "object_name") if name in self.choices and name != "tags"),
            *(("to_ids",) if self.to_ids is not None else ()),
        )

    def of_events(self) -> "Search":
        """Return the search as one for events, of which `timestamp` means their own and not that of what they hold."""
        times = dict(self.times)
        low, high = times.pop("timestamp", (0, _LATEST))
        if (low, high) == (0, _LATEST):
            return self
        known = times.get("event_timestamp", (0, _LATEST))
        times["event_timestamp"] = (max(low, known[0]), min(high, known[1]))
        return replace(self, times=times)

    @property
    def values(self) -> tuple[str, ...]:
        """Return the exact values of which an attribute must have one, none where it may have any."""
        wanted = self.choices.get("value", Choice())
        return wanted.some if not any("%" in each for each in wanted.some) else ()

    def passes_head(self, head: Head) -> bool:
        """Tell whether an event passes as far as its head says."""
        if not self.dates[0] <= head.date <= self.dates[1]:
            return False
        low, high = self.times.get("event_timestamp", (0, _LATEST))
        if not low <= head.timestamp <= high:
            return False
        of_head = {
            "event_tags": tag_names(list(head.tags)),
            "org": [head.orgc["name"], head.orgc["uuid"]],
            "eventid": [head.uuid, head.number],
            "info": [head.info],
        }
        return all(self.choices[name].passes(of_head[name]) for name in _WHOLE_EVENT if name in self.choices)

    def attributes(self, head: Head, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the attributes of an event that pass, as MISP lists them beside each other."""
        inherited = tag_names(event.get("Tag"))
        for attribute in attributes_of(event):
            if self._passes(attribute, inherited, head):
                yield {**attribute, "event_uuid": head.uuid, "Event": _event_of(head)}

    def objects(self, head: Head, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the objects of an event of which an attribute passes, each whole, with the event it stands in."""
        named = self.choices.get("object_name", Choice())
        passed = {str(each.get("uuid", "")) for each in self.attributes(head, event)}
        held = event.get("Object")
        for each in held if isinstance(held, list) else []:
            inside = each.get("Attribute") if isinstance(each, dict) else None
            uuids = {str(a.get("uuid", "")) for a in inside or [] if isinstance(a, dict)}
            is_asked = not self.asks_attributes or not passed.isdisjoint(uuids)
            if isinstance(each, dict) and is_asked and named.passes([str(each.get("name", ""))]):
                yield {**each, "event_uuid": head.uuid, "Event": _event_of(head)}

    def passes_event(self, head: Head, event: dict[str, Any]) -> bool:
        """Tell whether an event passes with what it holds; one uuid may be that of the event itself."""
        if not self.asks_attributes:
            return True
        only_uuid = set(self.choices) & set(_OF_ATTRIBUTES) == {"uuid"} and self.to_ids is None
        if only_uuid and self.choices["uuid"].passes([head.uuid]):
            return True
        alone = set(self.choices) & set(_OF_ATTRIBUTES) <= {"tags", "any"} and self.to_ids is None
        texts = {"tags": tag_names(event.get("Tag")), "any": [head.info, head.uuid, *tag_names(event.get("Tag"))]}
        if alone and all(self.choices[name].passes(texts[name]) for name in texts if name in self.choices):
            return True
        return next(self.attributes(head, event), None) is not None

    def _passes(self, attribute: dict[str, Any], inherited: list[str], head: Head) -> bool:
        is_deleted = attribute.get("deleted") in (True, 1, "1")
        if self.deleted is not None and is_deleted != self.deleted:
            return False
        if self.to_ids is not None and (attribute.get("to_ids") in (True, 1, "1")) != self.to_ids:
            return False
        low, high = self.times.get("timestamp", (0, _LATEST))
        if not low <= _whole(attribute.get("timestamp")) <= high:
            return False
        tags = [*inherited, *tag_names(attribute.get("Tag"))]
        value, kind = str(attribute.get("value", "")), str(attribute.get("type", ""))
        values = [value, *(value.split("|") if "|" in kind else ())]
        of_it = {
            "value": values,
            "type": [kind],
            "category": [str(attribute.get("category", ""))],
            "uuid": [str(attribute.get("uuid", "")), head.uuid],
            "object_relation": [str(attribute.get("object_relation") or "")],
            "tags": tags,
            "any": [*values, *tags, str(attribute.get("comment", "")), head.info],
        }
        return all(self.choices[name].passes(of_it[name]) for name in _OF_ATTRIBUTES if name in self.choices)


def read_search(asked: Mapping[str, Any], at: datetime) -> Search:
    """Read the members of a search.

    Raises:
        BadMisp: a filter is not known here, or not like this.
    """
    choices: dict[str, Choice] = {}
    times: dict[str, tuple[int, int]] = {}
    dates = ["", "9"]
    rest: dict[str, Any] = {}
    for name, value in asked.items():
        if value is None or name in _IGNORED or value == []:
            continue
        if name in _ONLY_OFF and str(value) in ("0", "False"):
            continue
        if name == "published" and str(value) in ("1", "True"):
            continue
        if name in _TEXTS:
            key = _TEXTS[name]
            made = _choice(name, value)
            known = choices.get(key, Choice())
            choices[key] = Choice(known.some + made.some, known.every + made.every, known.none + made.none)
        elif name in _TIMES:
            times[_TIMES[name]] = _span(name, value, at)
        elif name == "last":
            times["event_timestamp"] = _span(name, value, at)
        elif name in _DATES:
            dates[name in ("to", "dateuntil")] = _date(name, value)
        elif name in ("limit", "page"):
            rest[name] = max(1, _whole(value) or 1)
        elif name == "to_ids":
            rest["to_ids"] = None if value == "exclude" else value in (True, 1, "1")
        elif name == "deleted":
            wanted = {str(each) for each in (value if isinstance(value, list) else [value])}
            rest["deleted"] = None if wanted >= {"0", "1"} else not wanted.isdisjoint({"1", "True", "only"})
        else:
            raise BadMisp("this filter is not known here: %(name)s", name=name[:80])
    rest["limit"] = min(rest.get("limit", MAX_FOUND), MAX_FOUND)
    return Search(choices, times, (dates[0], dates[1]), **rest)


def _choice(name: str, value: Any) -> Choice:
    if isinstance(value, dict):
        if not value.keys() <= {"OR", "AND", "NOT"}:
            raise BadMisp("this filter cannot be read: %(name)s", name=name)
        found = {key: _texts(name, value.get(key, [])) for key in ("OR", "AND", "NOT")}
        return Choice(found["OR"], found["AND"], found["NOT"])
    texts = _texts(name, value)
    return Choice(
        tuple(text for text in texts if not text.startswith("!")),
        (),
        tuple(text[1:] for text in texts if text.startswith("!")),
    )


def _texts(name: str, value: Any) -> tuple[str, ...]:
    found = value if isinstance(value, list) else str(value).split("&&") if isinstance(value, str) else [value]
    if len(found) > MAX_VALUES or not all(isinstance(each, str | int) for each in found):
        raise BadMisp("this filter cannot be read: %(name)s", name=name)
    return tuple(str(each).strip() for each in found if str(each).strip())


def _span(name: str, value: Any, at: datetime) -> tuple[int, int]:
    """Read a time or two: seconds since 1970, or how long ago (`7d`)."""
    ends = value if isinstance(value, list) else [value]
    if not 1 <= len(ends) <= 2:
        raise BadMisp("this filter cannot be read: %(name)s", name=name)
    read = [_instant(name, each, at) for each in ends]
    return (min(read), max(read)) if len(read) == 2 else (read[0], _LATEST)


def _instant(name: str, value: Any, at: datetime) -> int:
    text = str(value).strip()
    if text[-1:] in _UNITS and text[:-1].isdecimal() and len(text) < 12:
        return int(at.timestamp()) - int(text[:-1]) * _UNITS[text[-1]]
    if text.replace(".", "", 1).isdecimal() and len(text) < 20:
        return int(float(text))
    try:
        read = datetime.fromisoformat(text)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except ValueError:
        raise BadMisp("this filter cannot be read: %(name)s", name=name) from None


def _date(name: str, value: Any) -> str:
    text = str(value)
    if text.isdecimal() and len(text) < 12:
        return datetime.fromtimestamp(int(text), UTC).date().isoformat()
    try:
        return datetime.fromisoformat(text).date().isoformat()
    except ValueError:
        raise BadMisp("this filter cannot be read: %(name)s", name=name) from None


def _like(pattern: str, found: Sequence[str]) -> bool:
    """Tell whether a text is among others, in any case; `%` stands for any text."""
    parts = pattern.lower().split("%")
    return any(_fits(parts, each.lower()) for each in found)


def _fits(parts: Sequence[str], text: str) -> bool:
    """Tell whether a text is these parts in their order, with anything between them; each is looked for once."""
    if len(parts) == 1:
        return text == parts[0]
    if not text.startswith(parts[0]) or not text.endswith(parts[-1]):
        return False
    place, end = len(parts[0]), len(text) - len(parts[-1])
    for part in parts[1:-1]:
        place = text.find(part, place, end)
        if place < 0:
            return False
        place += len(part)
    return place <= end


def _event_of(head: Head) -> dict[str, Any]:
    return {
        "id": head.number, "uuid": head.uuid, "info": head.info, "Orgc": dict(head.orgc),
        "timestamp": str(head.timestamp),
    }  # fmt: skip


def _whole(value: Any) -> int:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 16 else 0
