"""Turn the published lists into one small file: sorted 64-bit digests of names, and the edges of address ranges.

Runs as a short-lived process of its own (`python -m mithaq.intelligence.warninglists.compile [FILE]`; without a file,
beside the program for all nodes of the machine), because the published lists are 65 MB of JSON and the result has to
stay small in every process that uses it.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from mithaq.intelligence.warninglists.compiled import FORMAT, PACKAGE, Header, compiled_in, name_digest
from mithaq.standards.observable import TYPES, canonical_domain, canonical_observable

MAX_ENTRIES: Final = 200_000
"""Longer lists (the million most visited sites) say nothing: what stands so far down may well be malicious."""

_TYPES_OF_ATTRIBUTE: Final[dict[str, tuple[str, ...]]] = {
    "ip-src": ("ipv4", "ipv6", "cidr"),
    "ip-dst": ("ipv4", "ipv6", "cidr"),
    "domain|ip": ("ipv4", "ipv6", "cidr", "domain"),
    "ip-src|port": ("ipv4", "ipv6", "cidr"),
    "ip-dst|port": ("ipv4", "ipv6", "cidr"),
    "domain": ("domain",),
    "hostname": ("domain",),
    "hostname|port": ("domain",),
    "url": ("url",),
    "uri": ("url",),
    "email-src": ("email",),
    "email-dst": ("email",),
} | {kind: (kind,) for kind in ("md5", "sha1", "sha256", "sha512")}


class Published(msgspec.Struct):
    """One published list, as far as it is used."""

    name: str
    type: str
    entries: list[str] = msgspec.field(name="list")
    matching_attributes: list[str] = []


def list_files() -> list[Path]:
    """Return the published files of the installed package, by name."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(next(iter(spec.submodule_search_locations)))
    return sorted(root.glob("data/misp-warninglists/lists/*/list.json"))


def compile_lists(files: Iterable[Path], target: Path) -> None:
    """Read the published lists and write the compiled file, complete or not at all."""
    builder = _Builder()
    for file in files:
        builder.add(msgspec.json.decode(file.read_bytes(), type=Published))
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as out:
        for part in builder.parts():
            out.write(part)
    temporary.replace(target)


class _Builder:
    def __init__(self) -> None:
        self._names: list[str] = []
        self._types: list[list[str]] = []
        self._skipped: list[str] = []
        self._substrings: list[tuple[str, int]] = []
        # A digest and the number of its list packed into one integer: two million of them have to be sorted.
        self._packed: list[int] = []
        self._ranges: dict[int, list[tuple[int, int, int]]] = {4: [], 6: []}
        self._combinations: dict[tuple[int, ...], int] = {}

    def add(self, published: Published) -> None:
        types = sorted({kind for name in published.matching_attributes for kind in _TYPES_OF_ATTRIBUTE.get(name, ())})
        useful = published.type != "regex" and types and 0 < len(published.entries) <= MAX_ENTRIES
        if not useful:
            self._skipped.append(published.name)
            return
        number = len(self._names)
        self._names.append(published.name)
        self._types.append([kind for kind in TYPES if kind in types])
        suffix = published.type in {"hostname", "substring"}
        for entry in published.entries:
            self._add_entry(entry.strip(), number, suffix=suffix, substring=published.type == "substring")

    def _add_entry(self, entry: str, number: int, *, suffix: bool, substring: bool) -> None:
        if entry[:1].isdecimal() or ":" in entry:
            network = canonical_observable("cidr", entry) or canonical_observable("ipv4", entry)
            if network is not None:
                self._add_range(network.value, number)
                return
        name = _bare_name(entry)
        if name:
            kind = "s" if suffix or entry.startswith(".") else "e"
            self._packed.append(name_digest(kind, name) << 16 | number)
        elif substring:
            self._substrings.append((entry.lower(), number))

    def _add_range(self, text: str, number: int) -> None:
        network = ipaddress.ip_network(text)
        first, last = int(network.network_address), int(network.broadcast_address)
        self._ranges[network.version].append((first, last, number))

    def parts(self) -> Iterator[bytes]:
        digests, digest_combinations = self._merge_digests()
        starts, start_combinations = self._sweep(4)
        wide_starts, wide_combinations = self._sweep(6)
        header = Header(
            format=FORMAT,
            names=self._names,
            types=self._types,
            combinations=[list(combination) for combination in self._combinations],
            skipped=self._skipped,
            substrings=self._substrings,
            ipv6_starts=[f"{start:x}" for start in wide_starts],
            ipv6_combinations=wide_combinations,
            digests=len(digests),
            ipv4_edges=len(starts),
        )
        text = msgspec.json.encode(header)
        padding = -(8 + len(text)) % 8
        yield (len(text) + padding).to_bytes(8, "little") + text + b" " * padding
        yield digests.tobytes()
        yield array("I", starts).tobytes() + (b"\0" * 4 if len(starts) % 2 else b"")
        yield digest_combinations.tobytes() + b"\0" * (-2 * len(digest_combinations) % 8)
        yield array("H", start_combinations).tobytes()

    def _combination(self, lists: Iterable[int]) -> int:
        key = tuple(sorted(set(lists)))
        return self._combinations.setdefault(key, len(self._combinations))

    def _merge_digests(self) -> tuple[array[int], array[int]]:
        digests, combinations = array("Q"), array("H")
        self._packed.sort()
        lists: list[int] = []
        for place, packed in enumerate(self._packed):
            lists.append(packed & 0xFFFF)
            following = self._packed[place + 1] >> 16 if place + 1 < len(self._packed) else -1
            if following != packed >> 16:
                digests.append(packed >> 16)
                combinations.append(self._combination(lists))
                lists.clear()
        self._packed.clear()
        return digests, combinations

    def _sweep(self, version: int) -> tuple[list[int], list[int]]:
        """Return the edges at which the set of lists changes, and the set from each edge on."""
        edges: list[tuple[int, int, int]] = []
        for first, last, number in self._ranges[version]:
            edges += [(first, 1, number), (last + 1, -1, number)]
        edges.sort()
        starts, combinations = [0], [self._combination(())]
        active: dict[int, int] = {}
        limit = 1 << (32 if version == 4 else 128)
        for place, (edge, change, number) in enumerate(edges):
            active[number] = active.get(number, 0) + change
            last_of_edge = place + 1 == len(edges) or edges[place + 1][0] != edge
            if last_of_edge and edge < limit:
                combination = self._combination(key for key, count in active.items() if count)
                if starts[-1] == edge:
                    combinations[-1] = combination
                elif combinations[-1] != combination:
                    starts.append(edge)
                    combinations.append(combination)
        return starts, combinations


def _bare_name(entry: str) -> str:
    """Return a domain, or the lower-case hexadecimal digits of a hash; anything else is no name."""
    text = entry.lower().strip(".")
    if len(text) in {32, 40, 64, 128} and "." not in text:
        return text
    return canonical_domain(text) or ""


if __name__ == "__main__":
    compile_lists(list_files(), Path(sys.argv[1]) if len(sys.argv) > 1 else compiled_in(Path(__file__).parent))
