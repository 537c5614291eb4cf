"""Traffic Light Protocol 2.0 (FIRST) and its STIX markings (OASIS, TLP 2.0 as STIX 2.1 extension)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final


class Tlp(IntEnum):
    """Order the labels from the widest audience to the narrowest."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """Return the label as it is written on a document, `TLP:AMBER+STRICT`."""
        return _LABELS[self]

    @property
    def marking_id(self) -> str:
        """Return the id of the OASIS marking-definition for TLP 2.0."""
        return f"marking-definition--{_TLP2[self]}"

    @staticmethod
    def parse(text: str) -> Tlp | None:
        """Return the label a person or a tag wrote (`tlp:amber+strict`, `Green`, `white`), or None."""
        name = text.strip().upper().removeprefix("TLP:").strip()
        return _BY_NAME.get(name.replace("-", "_").replace("+", "_").replace(" ", "_"))


_TLP2: Final = {
    Tlp.CLEAR: "94868c89-83c2-464b-929b-a1a8aa3c8487",
    Tlp.GREEN: "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    Tlp.AMBER: "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    Tlp.AMBER_STRICT: "939a9414-2ddd-4d32-a0cd-375ea402b003",
    Tlp.RED: "e828b379-4e03-4974-9ac4-e53a884c97c1",
}
# Accepted on input only: STIX 2.1 §7.2.1.4 (TLP 1.0), and OpenCTI's fixed id for AMBER+STRICT.
_OLDER: Final = {
    "613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "826578e1-40ad-459f-bc73-ede076f81f37": Tlp.AMBER_STRICT,
    "5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}
_LABELS: Final = tuple(f"TLP:{tlp.name.replace('_', '+')}" for tlp in Tlp)
_BY_NAME: Final = {tlp.name: tlp for tlp in Tlp} | {"WHITE": Tlp.CLEAR}
_BY_MARKING: Final = {f"marking-definition--{uuid}": tlp for tlp, uuid in _TLP2.items()} | {
    f"marking-definition--{uuid}": tlp for uuid, tlp in _OLDER.items()
}


def tlp_of(object_marking_refs: Iterable[str]) -> Tlp | None:
    """Return the label an object's markings carry, the strictest if there are several.

    None means unlabelled, and an unlabelled object is treated as the strictest. Other markings (a copyright
    statement, say) neither widen nor narrow the label.
    """
    found = [_BY_MARKING[ref] for ref in object_marking_refs if ref in _BY_MARKING]
    return max(found) if found else None
