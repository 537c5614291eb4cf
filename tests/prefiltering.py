"""The obvious oracle of the prefilter, and the odd spellings with which both of its forms are tried."""

import ipaddress
import json
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mithaq.detection.matcher import Matcher
from mithaq.detection.model import Indicator
from mithaq.detection.prefilter.compiled import CompiledPrefilter, is_compiled
from mithaq.detection.prefilter.model import Prefilter
from mithaq.detection.prefilter.portable import PortablePrefilter
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.errors import BadLine
from mithaq.telemetry.model import Format, Source
from mithaq.telemetry.parsers.line import LineParser

AT = datetime(2026, 11, 23, tzinfo=UTC)
_PORTS = {"http": 80, "https": 443}
FORMS: list[type[CompiledPrefilter] | type[PortablePrefilter]] = [
    PortablePrefilter,
    *([CompiledPrefilter] if is_compiled() else []),
]
"""Where there is no C compiler only the portable form is tried; a test of the build says so."""


def observable(kind: str, value: str) -> Observable:
    found = canonical_observable(kind, value)
    assert found is not None, (kind, value)
    return found


def matching_lines(wanted: Iterable[Observable], block: bytes) -> set[bytes]:
    """Return the lines that the node's own parser and matcher find to satisfy one of the observables."""
    matcher = Matcher(
        Indicator(number, f"indicator--{number}", AT, ACTUAL, (each,)) for number, each in enumerate(wanted)
    )
    found = set()
    for form in (Format.AUTO, Format.ZEEK_TSV):
        parser = LineParser(Source("s", "", form, ACTUAL))
        for line in block.split(b"\n"):
            try:
                event = parser.parse(line, 0, AT)
            except BadLine:
                continue
            if event is not None and matcher.match(event, AT):
                found.add(line)
    return found


def candidate_lines(prefilter: Prefilter, block: bytes) -> list[bytes]:
    """Return the lines a prefilter gives, having checked that they are whole lines in order."""
    spans = prefilter.candidates(block)
    assert spans == sorted(set(spans))
    for start, end in spans:
        assert start == 0 or block[start - 1 : start] == b"\n"
        assert end == len(block) or block[end : end + 1] == b"\n"
        assert b"\n" not in block[start:end]
    return [block[start:end] for start, end in spans]


def missed(wanted: Sequence[Observable], block: bytes) -> dict[str, set[bytes]]:
    """Return the lines that match and that a form of the prefilter does not give: there must be none."""
    matching = matching_lines(wanted, block)
    wrong = {}
    for form in FORMS:
        prefilter = form()
        prefilter.add(wanted)
        left_out = matching - set(candidate_lines(prefilter, block))
        if left_out:
            wrong[form.__name__] = left_out
    return wrong


def spelled(chance: random.Random, seen: Observable) -> tuple[dict[str, object], bool]:
    """Return a record that has the observable in some spelling that the parser understands."""
    match seen.type:
        case "ipv4" | "ipv6" | "cidr":
            return {"id.resp_h": _address(chance, seen)}, False
        case "domain":
            return {chance.choice(("query", "server_name", "host")): _name(chance, seen.value)}, False
        case "url":
            return _url(chance, seen.value)
        case "email":
            return {"mailfrom": _email(chance, seen.value)}, False
        case "ja4":
            return {"ja4": chance.choice((seen.value, seen.value.upper()))}, False
        case kind:
            return {kind: _hash(chance, seen.value)}, False


def as_json(chance: random.Random, record: dict[str, object]) -> bytes:
    """Write a record as JSON, some characters escaped that need not be."""
    text = json.dumps(record, ensure_ascii=chance.random() < 0.5, separators=chance.choice(((",", ":"), (", ", ": "))))
    if chance.random() < 0.3:
        text = text.replace("/", "\\/")
    if chance.random() < 0.3:
        at = chance.randrange(len(text))
        if text[at].isalnum() and '"' in text[:at] and "\\" not in text:
            text = f"{text[:at]}\\u{ord(text[at]):04x}{text[at + 1 :]}"
    return text.encode("utf-8") + chance.choice((b"", b"", b"\r", b" "))


def as_zeek(chance: random.Random, record: dict[str, object]) -> bytes:
    """Write a record as a Zeek log of one row, some bytes escaped."""
    cells = []
    for value in record.values():
        cell = "".join(_zeek_escaped(chance, character) for character in str(value))
        cells.append(cell)
    fields = "\t".join(record)
    return f"#separator \\x09\n#path\tx\n#fields\t{fields}\n".encode() + "\t".join(cells).encode()


def _zeek_escaped(chance: random.Random, character: str) -> str:
    if character in "\t\n\\" or (not character.isascii() and chance.random() < 0.5) or chance.random() < 0.03:
        return "".join(f"\\x{byte:02x}" for byte in character.encode())
    return character


def _address(chance: random.Random, seen: Observable) -> str:
    if seen.type == "cidr":
        network = ipaddress.ip_network(seen.value)
        address = network[chance.randrange(min(network.num_addresses, 1 << 62))]
    else:
        address = ipaddress.ip_address(seen.value)
    if address.version == 4:
        return chance.choice(
            (str(address), f"::ffff:{address}", f"::FFFF:{int(address) >> 16:x}:{int(address) & 65535:x}")
        )
    forms = (address.compressed, address.exploded, address.compressed.upper(), f"{address}%eth0", f"[{address}]")
    return chance.choice((*forms, f" {address.exploded} "))


def _name(chance: random.Random, value: str) -> str:
    text = value
    if chance.random() < 0.3:
        text = chance.choice(("www.", "a.b.c.", "*.", "_x.", "bücher.", "xn--bcher-kva.")) + text
    if "xn--" in text and chance.random() < 0.6:
        text = ".".join(_unicode_label(chance, label) for label in text.split("."))
    match chance.randrange(7):
        case 0:
            text = text.upper()
        case 1:
            text += "."
        case 2:
            text += ":8443"
        case 3:
            text = f"\u3000{text}\u00a0"
        case 4:
            text = "".join(
                chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() and chance.random() < 0.3 else c for c in text
            )
        case 5:
            text = text.replace(".", chance.choice("。．｡."), 1).replace("k", "\u212a")
    return text


def _unicode_label(chance: random.Random, label: str) -> str:
    import unicodedata

    if not label.startswith("xn--") or chance.random() < 0.3:
        return label
    plain = label.removeprefix("xn--").encode().decode("punycode")
    return unicodedata.normalize(chance.choice(("NFC", "NFD")), chance.choice((plain, plain.upper())))


def _url(chance: random.Random, value: str) -> tuple[dict[str, object], bool]:
    from urllib.parse import unquote

    scheme, _, rest = value.partition("://")
    authority, _, tail = rest.partition("/")
    tail = "/" + tail
    if chance.random() < 0.4:
        plain = unquote(tail)
        if canonical_observable("url", f"{scheme}://{authority}{plain}") == Observable("url", value):
            tail = plain
    if scheme == "http" and chance.random() < 0.5:
        host, port = authority, 80
        if authority.rpartition(":")[2].isdecimal() and not authority.endswith("]"):
            host, _, number = authority.rpartition(":")
            port = int(number)
        bare = host.strip("[]") if host.startswith("[") and chance.random() < 0.5 else host
        return {"host": chance.choice((bare, bare.upper(), authority)), "id.resp_p": port, "uri": tail}, True
    if "[" not in authority and "@" not in authority and chance.random() < 0.5:
        authority = chance.choice((authority.upper(), f"{authority}:{_PORTS.get(scheme, 21)}"))
        if authority.count(":") > 1:
            authority = authority.rpartition(":")[0]
    if tail == "/" and chance.random() < 0.5:
        tail = ""
    return {"url": chance.choice((f"{scheme}://", f"{scheme.upper()}://", f" {scheme}://")) + authority + tail}, False


def _email(chance: random.Random, value: str) -> str:
    local, _, domain = value.rpartition("@")
    return chance.choice(
        (
            value,
            value.upper(),
            f"Name <{value}>",
            f'"Last, First" <{value}>',
            f"{local}@{domain.upper()}.",
            f"\t{value} ",
        )
    )


def _hash(chance: random.Random, value: str) -> str:
    pairs = ":".join(value[at : at + 2] for at in range(0, len(value), 2))
    odd = f"{value[:5]}:{value[5:]}"
    return chance.choice((value, value.upper(), pairs, pairs.upper(), odd, f":{value}", f"\u3000{value}"))
