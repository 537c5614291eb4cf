"""Say TLP 2.0 and PAP in MISP: a tag each, and the widest `distribution` that the label allows.

A recipient's MISP lowers the distribution of what it pulls or is pushed by one step (1 to 0, 2 to 1), and leaves that
of a feed as it is. So it is chosen by where it shall end, and written by the way it takes.

| label | ends as | pulled | feed |
|---|---|---|---|
| TLP:RED, TLP:AMBER+STRICT, TLP:AMBER | 0, your organisation only | 0 | 0 |
| TLP:GREEN | 1, this community only | 2 | 1 |
| TLP:CLEAR | 3, all communities | 3 | 3 |
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp

Way = Literal["feed", "sync"]
"""`sync`: another MISP pulls, and lowers what it gets; `feed`: whoever reads it takes it as it is."""

OWN_ORGANISATION: Final = 0
COMMUNITY: Final = 1
CONNECTED: Final = 2
ALL: Final = 3
SHARING_GROUP: Final = 4
INHERIT: Final = 5
_ENDS: Final[Mapping[Tlp, int]] = {
    Tlp.CLEAR: ALL,
    Tlp.GREEN: COMMUNITY,
    Tlp.AMBER: OWN_ORGANISATION,
    Tlp.AMBER_STRICT: OWN_ORGANISATION,
    Tlp.RED: OWN_ORGANISATION,
}
_AFTER_A_PULL: Final = {OWN_ORGANISATION: 0, COMMUNITY: 0, CONNECTED: 1, ALL: 3}
_BEFORE_A_PULL: Final = {0: 0, 1: 2, 3: 3}
_TLP_COLOURS: Final = {
    Tlp.CLEAR: "#ffffff", Tlp.GREEN: "#33ff00", Tlp.AMBER: "#ffc000", Tlp.AMBER_STRICT: "#ffc000", Tlp.RED: "#ff2b2b",
}  # fmt: skip
_PAP_COLOURS: Final = {Pap.CLEAR: "#ffffff", Pap.GREEN: "#33ff00", Pap.AMBER: "#ffa800", Pap.RED: "#ff0000"}


def distribution(tlp: Tlp, way: Way, stated: int = ALL) -> int:
    """Return the distribution for a label, never wider than what a MISP would hold of a `stated` one.

    A number that MISP does not know, and a sharing group, is nobody but the recipient itself.
    """
    ends = min(_ENDS[tlp], _AFTER_A_PULL.get(stated, OWN_ORGANISATION))
    return _BEFORE_A_PULL[ends] if way == "sync" else ends


def tlp_tag(tlp: Tlp) -> dict[str, str]:
    """Return the tag of the taxonomy `tlp`."""
    return {"name": tlp.label.lower(), "colour": _TLP_COLOURS[tlp]}


def pap_tag(pap: Pap) -> dict[str, str]:
    """Return the tag of the taxonomy `PAP`."""
    return {"name": pap.label, "colour": _PAP_COLOURS[pap]}


def tag_names(tags: Any) -> list[str]:
    """Return the names of a `Tag` list, whatever it is."""
    found = tags if isinstance(tags, list) else []
    return [str(tag["name"]) for tag in found if isinstance(tag, dict) and isinstance(tag.get("name"), str)]


def tlps_of(names: Iterable[str]) -> frozenset[Tlp]:
    """Return every TLP label among tags, known colours only."""
    found = (Tlp.parse(name) for name in names if name.strip().lower().startswith("tlp:"))
    return frozenset(tlp for tlp in found if tlp is not None)


def paps_of(names: Iterable[str]) -> frozenset[Pap]:
    """Return every PAP label among tags."""
    found = (pap_of([name]) for name in names)
    return frozenset(pap for pap in found if pap is not None)
