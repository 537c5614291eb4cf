"""A MISP event of somebody else on its way out again: what is changed of it, and what stands against it.

Changed are the distribution, downwards, and local tags, which MISP never passes on; what it names of other events and
of people is left out; the label held here is added where the event names none. Everything else is as it came, unknown
members too.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from mithaq.kernel.reason import Reason
from mithaq.standards.misp.labels import (
    ALL,
    INHERIT,
    SHARING_GROUP,
    Way,
    distribution,
    pap_tag,
    paps_of,
    tag_names,
    tlp_tag,
    tlps_of,
)
from mithaq.standards.misp.parts import analyst_data, clusters, parts
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_SHARING_GROUP: Final = Reason(
    "misp-sharing-group",
    "the event, or a part of it, is for a sharing group, and whom that names is not known here",
    remedy="let its originator state a distribution",
)
_PROTECTED: Final = Reason(
    "misp-protected",
    "the event is protected by a signature of its originator that does not outlive a change of distribution",
)
_TWO_LABELS: Final = Reason("misp-two-labels", "the event carries more than one TLP or PAP label")
_LABEL_DIFFERS: Final = Reason(
    "misp-label-differs",
    "the event's own tag says %(says)s and it is held here as %(held)s, which cannot both be said",
    remedy="ask its originator for the label, or share its objects by TAXII",
)
_STAYS_HOME: Final = frozenset(
    {"RelatedEvent", "RelatedAttribute", "ShadowAttribute", "Feed", "Server", "event_creator_email", "User"}
)
"""What a MISP adds for its own people: other events and feeds that hold the same, proposals, who typed it in."""


def events_of(content: Any) -> list[Any]:
    """Return the events of a MISP file: a search answer, a list, or one event."""
    if isinstance(content, dict) and "response" in content:
        content = content["response"]
    found = content if isinstance(content, list) else [content]
    return [item["Event"] if isinstance(item, dict) and "Event" in item else item for item in found]


def read_events(file: bytes) -> list[Any]:
    """Read a MISP file's events.

    Raises:
        msgspec.DecodeError: it is no JSON, or not in UTF-8.
    """
    try:
        return events_of(msgspec.json.decode(file))
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("not in UTF-8") from error


def objections(event: dict[str, Any]) -> list[Reason]:
    """Say what stands against passing an event on, whoever asks."""
    found = []
    if any(_number(part.get("distribution")) == SHARING_GROUP for part in _parts(event)):
        found.append(_SHARING_GROUP)
    if event.get("protected") in (True, 1, "1"):
        found.append(_PROTECTED)
    names = tag_names(event.get("Tag"))
    if len(tlps_of(names)) > 1 or len(paps_of(names)) > 1:
        found.append(_TWO_LABELS)
    return found


def contradiction(names: list[str], tlp: Tlp, pap: Pap) -> Reason | None:
    """Say whether an event's own labels are wider than those under which it is held."""
    tlps, paps = tlps_of(names), paps_of(names)
    said, held = "", ""
    if tlps and max(tlps) < tlp:
        said, held = max(tlps).label, tlp.label
    elif paps and max(paps) < pap:
        said, held = max(paps).label, pap.label
    if not said:
        return None
    return Reason(_LABEL_DIFFERS.code, _LABEL_DIFFERS.message, {"says": said, "held": held}, _LABEL_DIFFERS.remedy)


def outgoing(event: dict[str, Any], tlp: Tlp, pap: Pap, way: Way) -> dict[str, Any]:
    """Return an event as it may leave under these labels; the one given is not touched.

    What tells of other events, or of people, became no object that the gate could be asked about: it stays here.
    """
    made = copy.deepcopy(event)
    for part in _parts(made):
        for name in _STAYS_HOME.intersection(part):
            del part[name]
        if "Tag" in part and isinstance(part["Tag"], list):
            part["Tag"] = [tag for tag in part["Tag"] if not _is_local(tag)]
        stated = part.get("distribution")
        if part is made or (stated is not None and _number(stated) != INHERIT):
            lowered = distribution(tlp, way, _number(stated) if stated is not None else ALL)
            part["distribution"] = str(lowered) if isinstance(stated, str) or stated is None else lowered
    if added := missing_labels(tag_names(made.get("Tag")), tlp, pap):
        made["Tag"] = [*(made["Tag"] if isinstance(made.get("Tag"), list) else []), *added]
    return made


def missing_labels(names: Sequence[str], tlp: Tlp, pap: Pap) -> list[dict[str, str]]:
    """Return the tags for labels that an event does not name itself."""
    return ([] if tlps_of(names) else [tlp_tag(tlp)]) + ([] if paps_of(names) else [pap_tag(pap)])


def exported_tags(tags: Any) -> list[dict[str, str]]:
    """Return the tags that MISP passes on, as a manifest names them."""
    found = [tag for tag in tags if not _is_local(tag)] if isinstance(tags, list) else []
    return [
        {"name": tag["name"], "colour": str(tag.get("colour", ""))[:20]}
        for tag in found
        if isinstance(tag, dict) and isinstance(tag.get("name"), str)
    ]


def attributes_of(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the attributes of an event, those of its objects too."""
    for each in parts(event):
        if each.kind == "Attribute" and "value" in each.part:
            yield each.part


def _parts(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the event itself and everything in it that has a distribution of its own."""
    yield event
    for each in parts(event):
        yield each.part
    for _, said in analyst_data(event):
        yield said
    yield from clusters(event)


def _is_local(tag: Any) -> bool:
    """Tell whether MISP keeps a tag to itself (MISP core format §2.9: local, and not exportable)."""
    if not isinstance(tag, dict):
        return False
    return tag.get("local") in (True, 1, "1") or tag.get("exportable") in (False, 0, "0")


def _number(value: Any) -> int:
    """Read a number that MISP may write as a text; what is none is no distribution that anybody knows."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return -1
