"""Which paths of STIX patterns a line of a log can show, and as what: a value of its own kind, a text, a number.

Source: STIX 2.1 §6 and §7 (cyber-observable objects), and the names that producers of STIX 2.0 still write.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from mithaq.standards.stix.grammar import Comparison
from mithaq.standards.stix.pattern import fingerprint_kind, hash_kind_of, value_kind


class Shows(Enum):
    """As what a log shows the values of a path."""

    OBSERVABLE = "compared in canonical form"
    TEXT = "text that is found in lines by itself"
    WORD = "a word that is in too many lines to be looked for"
    NUMBER = "a number"


USER_AGENT: Final = "network-traffic:extensions.http-request-ext.request_header.user-agent"
SERIAL: Final = "x509-certificate:serial_number"
REGISTRY_KEY: Final = "windows-registry-key:key"
_TEXTS: Final = (
    *(USER_AGENT, SERIAL, REGISTRY_KEY, "x509-certificate:subject", "x509-certificate:issuer"),
    *("network-traffic:extensions.http-request-ext.request_header.referer",),
    *("network-traffic:extensions.http-request-ext.request_header.host",),
    *("network-traffic:extensions.http-request-ext.request_value",),
    *("file:name", "file:parent_directory_ref.path", "directory:path"),
    *("process:command_line", "process:name", "process:image_ref.name", "process:binary_ref.name"),
    *("process:parent_ref.command_line", "process:parent_ref.name", "process:parent_ref.image_ref.name"),
    *("windows-registry-key:values.name", "email-message:subject"),
    *("user-account:user_id", "user-account:account_login"),
)
_WORDS: Final = (
    *("network-traffic:protocols", "network-traffic:extensions.http-request-ext.request_method"),
    *("network-traffic:dst_ref.type", "network-traffic:src_ref.type"),
    "domain-name:resolves_to_refs.value",
)
_NUMBERS: Final = ("network-traffic:dst_port", "network-traffic:src_port", "process:pid")
_SHOWN: Final = {
    **dict.fromkeys(_TEXTS, Shows.TEXT),
    **dict.fromkeys(_WORDS, Shows.WORD),
    **dict.fromkeys(_NUMBERS, Shows.NUMBER),
}
SHOWN_PATHS: Final = frozenset(_SHOWN)
"""The paths that are read out of a line's fields; those of observables come besides."""


def path_key(test: Comparison) -> str:
    """Return the path of a test in one spelling: the names of headers and extensions have any case."""
    path = ".".join(test.path)
    return f"{test.object_type}:{path.lower() if 'extensions.' in path else path}"


def shows(test: Comparison) -> Shows | None:
    """Tell as what a log shows the values that a test compares, or None where no log has them."""
    found = _SHOWN.get(path_key(test))
    if found is not None:
        return found
    kind = value_kind(test) or hash_kind_of(test) or fingerprint_kind(test)
    return None if kind is None else Shows.OBSERVABLE


def hex_digits(text: str) -> str:
    """Return a serial number as its digits alone.

    >>> hex_digits("00:8F:ab")
    '8fab'
    """
    return re.sub(r"[^0-9a-f]", "", text.lower()).lstrip("0")
