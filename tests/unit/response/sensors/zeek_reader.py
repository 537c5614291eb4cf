"""Read an intelligence file as Zeek does: strictly, by its own documentation, since Debian has no Zeek to ask.

Source: docs.zeek.org, Input Framework (the ASCII reader: `#fields`, tab, `-` unset, `(empty)`, `\\xHH` escapes) and
base/frameworks/intel/main.zeek (`Intel::Type`, `Intel::Item`, `Intel::MetaData`).
"""

import ipaddress
import re

TYPES = frozenset(
    {"ADDR", "SUBNET", "URL", "SOFTWARE", "EMAIL", "DOMAIN", "USER_NAME", "CERT_HASH", "PUBKEY_HASH", "FILE_HASH",
     "FILE_NAME"}
)  # fmt: skip
META = frozenset({"source", "desc", "url", "do_notice", "if_in"})
_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")


def read(content: bytes) -> list[dict[str, str]]:
    """Return the items, each as its fields, unset ones left out.

    Raises:
        ValueError: Zeek would warn, or take a line for another.
    """
    if not content.isascii() or re.search(rb"[^\t\n -~]", content):
        raise ValueError("a byte that is not printable")
    head, *lines = content.decode().removesuffix("\n").split("\n")
    tag, *names = head.split("\t")
    known = {"indicator", "indicator_type", *(f"meta.{each}" for each in META)}
    if tag != "#fields" or not {"indicator", "indicator_type", "meta.source"} <= set(names) <= known:
        raise ValueError("no header of an intelligence file")
    return [_item(names, line) for line in lines]


def _item(names: list[str], line: str) -> dict[str, str]:
    fields = line.split("\t")
    if line.startswith("#") or len(fields) != len(names) or "" in fields:
        raise ValueError(f"not one value a field: {line!r}")
    item = {name: _text(text) for name, text in zip(names, fields, strict=True) if text != "-"}
    kind = item["indicator_type"].removeprefix("Intel::")
    if kind not in TYPES or item["indicator_type"] == kind:
        raise ValueError(f"no Intel::Type: {item['indicator_type']}")
    if kind == "ADDR":
        ipaddress.ip_address(item["indicator"])
    if kind == "SUBNET":
        ipaddress.ip_network(item["indicator"])
    return item


def _text(field: str) -> str:
    if field == "(empty)":
        return ""
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), field.encode())
    return plain.decode()
