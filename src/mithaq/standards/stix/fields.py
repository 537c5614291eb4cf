"""The members of one STIX object, each read as the kind of value that the standard asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from mithaq.kernel.clock import from_rfc3339
from mithaq.standards.errors import BadObject

# STIX 2.1 §2.9 and §11.1: type names are lower-case letters, digits and hyphens; tolerant of underscores.
_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}")
_ID: Final = re.compile(
    r"([a-z0-9][a-z0-9_-]{0,249})--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)
_COMMON_REFS: Final = frozenset({"created_by_ref", "object_marking_refs"})
_ATTACK_ID: Final = re.compile(r"[A-Z]{1,3}[0-9]{4}(?:\.[0-9]{3})?")
# How MISP's galaxy and Sigma's tags name a technique among an object's labels.
_ATTACK_LABEL: Final = re.compile(r'(?:misp-galaxy:mitre-.{0,200} - |attack\.)([TtSsGgMm][0-9]{4}(?:\.[0-9]{3})?)"?')
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def is_id(text: str) -> bool:
    """Tell whether a text has the form of an object's id (STIX 2.1 §2.9)."""
    return _ID.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Tell whether a text has the form of a UUID (RFC 9562)."""
    return _ID.fullmatch(f"uuid--{text}") is not None


class Fields:
    """Read typed values out of an object's members, naming the object in every complaint.

    Every method raises `BadObject` where a member has a wrong kind of value.
    """

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields
        found = fields.get("id")
        self._subject = found[:200] if isinstance(found, str) else ""

    def bad(self, message: str, **params: str | int) -> BadObject:
        """Return a complaint that names the object."""
        return BadObject(message, subject=self._subject, private="", **params)

    def identity(self) -> tuple[str, str]:
        """Return type and id."""
        object_type, object_id = self.fields.get("type"), self.fields.get("id")
        if not isinstance(object_id, str) or not object_id:
            raise self.bad("a STIX object without an id")
        if not isinstance(object_type, str) or not object_type:
            raise self.bad("a STIX object without a type")
        match = _ID.fullmatch(object_id)
        if match is None or match.group(1) != object_type:
            if not _TYPE.fullmatch(object_type):
                raise self.bad("%(type)s is not a STIX type name", type=object_type[:80])
            raise self.bad("the id is not %(type)s--<uuid>", type=object_type)
        return object_type, object_id

    def text(self, key: str) -> str:
        """Return a text, empty where there is none."""
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.bad("%(key)s must be text, not %(found)s", key=key, found=json_name(value))
        return storable(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where there is none."""
        value = self.fields.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not {str}.issuperset(map(type, value)):
            raise self.bad("%(key)s must be a list of texts", key=key)
        return tuple(map(storable, value))

    def flag(self, key: str) -> bool:
        """Return true or false, false where nothing is said."""
        value = self.fields.get(key, False)
        if not isinstance(value, bool):
            raise self.bad("%(key)s must be true or false", key=key)
        return value

    def percentage(self, key: str) -> int | None:
        """Return a whole number from 0 to 100, None where there is none."""
        value = self.fields.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
            raise self.bad("%(key)s must be a whole number from 0 to 100", key=key)
        return value

    def instant(self, key: str) -> datetime | None:
        """Return a timestamp, None where there is none."""
        value = self.text(key)
        if not value:
            return None
        try:
            return from_rfc3339(value)
        except (ValueError, OverflowError):
            raise self.bad("%(key)s is not a timestamp: %(value)s", key=key, value=value[:40]) from None

    def attack_ids(self) -> tuple[str, ...]:
        """Return what the object is in ATT&CK, or what of ATT&CK its labels name."""
        references = self.fields.get("external_references")
        found: dict[str, None] = {}
        for each in references if isinstance(references, list) else ():
            if isinstance(each, dict) and str(each.get("source_name")).startswith("mitre-"):
                named = each.get("external_id")
                if isinstance(named, str) and _ATTACK_ID.fullmatch(named):
                    found[named] = None
        for label in self.texts("labels"):
            match = _ATTACK_LABEL.fullmatch(label)
            if match is not None:
                found[match.group(1).upper()] = None
        return tuple(found)

    def refs(self) -> tuple[str, ...]:
        """Return the ids that the object refers to, its maker and its markings left out."""
        found: dict[str, None] = {}
        for key in [key for key in self.fields if "_ref" in key and key not in _COMMON_REFS]:
            value = self.fields[key]
            if isinstance(value, str) and key.endswith("_ref"):
                found[value] = None
            elif isinstance(value, list) and key.endswith("_refs"):
                found.update((item, None) for item in value if isinstance(item, str))
        return tuple(filter(_ID.fullmatch, found)) if found else ()


def storable(text: str) -> str:
    """Return a text without what no database can keep."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def json_name(value: Any) -> str:
    """Return what a value is in JSON."""
    return json.dumps(type(value).__name__) if value is not None else "null"
