"""Suricata (7 and later): alerts, and lists for what rules cannot hold one by one.

`mithaq.rules` has a rule for each indicator, `mithaq-datasets.rules` looks for the same in datasets (exact names, no
subdomains): a sensor loads one of the two. `mithaq-files.rules` looks for hashes of files in lists.

Source: docs.suricata.io, Rules, 8.1 (format), 8.36 (file keywords), 8.49 (datasets).
"""

import base64
import re
from collections.abc import Iterator, Sequence
from typing import Final

from mithaq.response.formats import suricata
from mithaq.response.sensors.model import Line
from mithaq.response.sensors.settings import ALERT_EVERY_S
from mithaq.response.sensors.sids import Numbered, Rule

RULES: Final = "suricata/mithaq.rules"
DATASETS: Final = "suricata/mithaq-datasets.rules"
FILES: Final = "suricata/mithaq-files.rules"
_OF_LISTS: Final = "lists"
_HASH: Final = {
    "md5": re.compile(r"[0-9a-f]{32}"),
    "sha1": re.compile(r"[0-9a-f]{40}"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
}
_CARRIERS: Final = ("http", "http2", "smtp", "ftp-data", "smb")
_SAFE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~/?=&+@")
_WORD: Final = re.compile(r"[^A-Za-z0-9_.-]")
_MAX_SHOWN: Final = 120
_ONCE: Final = f"threshold:type limit, track by_both, count 1, seconds {ALERT_EVERY_S}; "
_CLASS: Final = "classtype:bad-unknown; "
_LIST: Final = ",type {kind},load datasets/{name}.lst; "
_SETS: Final = {
    "domain": (
        ("dns", "dns.query; to_lowercase; "),
        ("tls", "tls.sni; to_lowercase; "),
        ("http", "http.host; "),
    ),
    "ip": (("ip", "ip.src; "), ("ip", "ip.dst; ")),
    "ja3": (("tls", "ja3.hash; "),),
    "ja4": (("tls", "ja4.hash; "),),
}


def rules(lines: Sequence[Line], node: str) -> dict[str, list[Rule]]:
    """Return the rules of each file, without their numbers; `node`: where objects are looked up, empty for nowhere."""
    own = {line: list(_of_line(line, node)) for line in lines}
    without = [rule for line, made in own.items() if _set_of(line) is None for rule in made]
    files = {
        RULES: [rule for made in own.values() for rule in made],
        DATASETS: [*_of_sets(lines), *without],
        FILES: list(_of_hashes(lines)),
    }
    return {path: list(dict.fromkeys(made)) for path, made in files.items() if made}


def render(made: Sequence[Rule], numbers: Sequence[Numbered]) -> bytes:
    """Write rules with their numbers."""
    return "".join(
        f"{rule.text}sid:{each.sid}; rev:{each.rev};)\n" for rule, each in zip(made, numbers, strict=True)
    ).encode()


def lists(lines: Sequence[Line]) -> dict[str, bytes]:
    """Return the lists that the rules load, by path; none is empty."""
    found: dict[str, set[str]] = {}
    for line in lines:
        if line.type in _HASH and _HASH[line.type].fullmatch(line.value):
            found.setdefault(line.type, set()).add(line.value)
        elif (name := _set_of(line)) is not None:
            text = line.value if name == "ip" else base64.b64encode(line.value.encode()).decode()
            found.setdefault(name, set()).add(text)
    return {
        f"suricata/datasets/{name}.lst": "".join(f"{each}\n" for each in sorted(values)).encode()
        for name, values in found.items()
    }


def _set_of(line: Line) -> str | None:
    """Return in which dataset a value can be looked for; a network, an address with a path and a hash are in none."""
    if line.type in ("ipv4", "ipv6"):
        return "ip"
    return line.type if line.type in _SETS else None


def _of_line(line: Line, node: str) -> Iterator[Rule]:
    told = f"metadata:mithaq_object {_word(line.object)}" + (
        f", mithaq_nation {_word(line.nation)}" if line.nation else ""
    )
    where = f"reference:url,{node}/intelligence/{_word(line.object)}; " if node else ""
    rest = f"{where}{_CLASS}{told}; "
    for slot, header, options in suricata.matches(line.type, line.value):
        match = f"{header} ({options}"
        once = _ONCE if slot == "ip" else ""
        text = f'alert {header} (msg:"Mithaq {line.type} {_shown(line.value)}"; {options}{once}{rest}'
        yield Rule(line.object, slot, match, text)


def _of_sets(lines: Sequence[Line]) -> Iterator[Rule]:
    present = {name for line in lines if (name := _set_of(line)) is not None}
    for name in sorted(present):
        for place, (protocol, buffer) in enumerate(_SETS[name]):
            kind = "ip" if name == "ip" else "string"
            match = f"{buffer}dataset:isset,mithaq-{name}" + _LIST.format(kind=kind, name=name)
            once = _ONCE if name == "ip" else ""
            head = f'alert {protocol} any any -> any any (msg:"Mithaq {name} of a list"; '
            yield Rule(_OF_LISTS, f"{name}-{place}", match, f"{head}{match}{once}{_CLASS}")


def _of_hashes(lines: Sequence[Line]) -> Iterator[Rule]:
    present = {line.type for line in lines if line.type in _HASH and _HASH[line.type].fullmatch(line.value)}
    for kind in sorted(present):
        for carrier in _CARRIERS:
            match = f"file{kind}:datasets/{kind}.lst; "
            head = f'alert {carrier} any any -> any any (msg:"Mithaq {kind} of a file"; '
            yield Rule(_OF_LISTS, f"{kind}-{carrier}", match, f"{head}{match}{_CLASS}")


def _shown(value: str) -> str:
    """Write a value into a message: what could end it, or is no ASCII, as hexadecimal after a percent sign."""
    shown = "".join(each if each in _SAFE else _percent(each) for each in value)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}..."


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def _word(text: str) -> str:
    return _WORD.sub("_", text)
