"""The prefilter in Python: what most of any log consists of was seen before and found clean."""

import ipaddress
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Final
from urllib.parse import quote

import msgspec

from mithaq.detection.prefilter.model import Block
from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.parsers.fields import observables_of

_MAX_CLEAN: Final = 200_000
_MAX_CLEAN_CHARS: Final = 255
_SEPARATORS: Final = tuple(re.compile(rf"[\t{each}]") for each in ("", ",", ";", "|", " ", r" ,;|\"'<>()\[\]{}=^"))
"""How the cells of a log that is not JSON, and the items of a cell, may be told apart."""
_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_MARKS: Final = re.compile(r"[.:@/?#\\]")
_GOES_ON: Final = re.compile(r"[?#\\]")
_SHORTEST_HASH: Final = 32
_URL_SAFE: Final = "".join(map(chr, range(0x21, 0x7F)))
_BITS: Final = {4: 32, 6: 128}
_READINGS: Final = (
    *("domain", "hash", "md5", "sha1", "sha256", "sha512", "ja3", "ja4"),
    *("hashes", "QueryResults", "CommandLine", "message.query_message"),
)
"""Names of fields that stand for every way in which the parser reads a value."""


class PortablePrefilter:
    """See `Prefilter`. Memory: some 130 bytes an observable, and up to 40 MB of values found clean.

    Cost of `candidates`: about twice that of decoding the JSON. After `add` every value is looked at anew.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._tails: set[str] = set()
        self._stems: set[str] = set()
        self._hosts: set[str] = set()
        self._networks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        self._bytes = 0
        self._clean: set[str] = set()
        self._decode = msgspec.json.Decoder().decode

    def __len__(self) -> int:
        networks = sum(len(each) for lengths in self._networks.values() for each in lengths.values())
        return len(self._values) + networks

    @property
    def size_bytes(self) -> int:
        """Return the memory of what is looked for and of what was found clean."""
        sets = (self._values, self._tails, self._stems, self._hosts, self._clean)
        return self._bytes + sum(map(sys.getsizeof, sets)) + len(self._clean) * 80

    def add(self, observables: Iterable[Observable]) -> None:
        """See `Prefilter.add`."""
        for each in observables:
            if each.type == "cidr":
                self._put_network(each.value)
                continue
            if each.value not in self._values:
                self._values.add(each.value)
                self._bytes += sys.getsizeof(each.value)
            if each.type == "url":
                host, tail = _host_and_tail(each.value)
                self._hosts.add(host)
                self._tails.add(tail)
                if "?" in tail:
                    self._stems.add(tail.partition("?")[0])
                self._bytes += sys.getsizeof(host) + sys.getsizeof(tail)
        # Not cleared but replaced: a scan that began before goes on with the old one and leaves no stale word here.
        self._clean = set()

    def candidates(self, block: Block) -> list[tuple[int, int]]:
        """See `Prefilter.candidates`."""
        lines = bytes(block).split(b"\n")
        clean = self._clean
        found = [number for number, line in enumerate(lines) if line and self._may_match(line, clean)]
        if not found:
            return []
        starts = list(accumulate(map(len, lines), lambda start, length: start + length + 1, initial=0))
        return [(starts[number], starts[number] + len(lines[number])) for number in found]

    def _may_match(self, line: bytes, clean: set[str]) -> bool:
        try:
            record = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._text_may_match(line.decode("utf-8", "replace"), clean)
        if not isinstance(record, dict):
            return self._text_may_match(line.decode("utf-8", "replace"), clean)
        return self._record_may_match(record, clean)

    def _record_may_match(self, record: dict[str, object], clean: set[str]) -> bool:
        stack: list[object] = [record]
        has_tail = False
        while stack:
            branch = stack.pop()
            for value in branch.values() if isinstance(branch, dict) else branch:  # type: ignore[attr-defined]
                if value.__class__ is str:
                    if value in clean:
                        continue
                    if self._is_tail(value):
                        has_tail = True
                    elif self._value_may_match(value, clean):
                        return True
                elif value.__class__ is dict or value.__class__ is list:
                    stack.append(value)
        return has_tail and any(self._matches(seen) for _, seen in observables_of(record))

    def _value_may_match(self, value: str, clean: set[str]) -> bool:
        """Look at a value for the first time, whatever the field that holds it; remember one that is clean."""
        if len(value) < _SHORTEST_HASH and value.isascii() and not _MARKS.search(value):
            return False
        if any(
            self._matches(seen) for _, seen in observables_of(dict.fromkeys(_READINGS, value))
        ) or self._host_goes_on(value):
            return True
        if len(value) <= _MAX_CLEAN_CHARS and not self._is_tail(value):
            if len(clean) >= _MAX_CLEAN:
                clean.clear()
            clean.add(value)
        return False

    def _is_tail(self, value: str) -> bool:
        """Tell whether a value may be the rest of a URL, or its path where the query is apart (W3C)."""
        if value[:1] != "/":
            return False
        tail = quote(value.rstrip(), safe=_URL_SAFE)
        return tail in self._tails or tail in self._stems

    def _host_goes_on(self, value: str) -> bool:
        """Tell whether a host's field has the beginning of the rest of its URL, which no path beside it shows."""
        if "/" in value or not _GOES_ON.search(value):
            return False
        url = canonical_observable("url", f"http://{value}")
        return url is not None and _host_and_tail(url.value)[0] in self._hosts

    def _text_may_match(self, text: str, clean: set[str]) -> bool:
        pieces = set(_pieces(text))
        tails = False
        for piece in pieces - clean:
            if self._value_may_match(piece, clean):
                return True
            tails = tails or self._is_tail(piece)
        return tails and any(self._is_host(piece) for piece in pieces)

    def _is_host(self, text: str) -> bool:
        bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        url = canonical_observable("url", f"http://{bare}/") if text else None
        return url is not None and _host_and_tail(url.value)[0] in self._hosts

    def _matches(self, seen: Observable) -> bool:
        if seen.value in self._values:
            return True
        if seen.type == "domain":
            name = seen.value
            while dot := name.find(".") + 1:
                name = name[dot:]
                if name in self._values:
                    return True
        return seen.type in {"ipv4", "ipv6"} and self._is_inside(seen.value)

    def _is_inside(self, address: str) -> bool:
        version = 6 if ":" in address else 4
        if not self._networks[version]:
            return False
        number = int(ipaddress.ip_address(address))
        return any(number >> (_BITS[version] - length) in held for length, held in self._networks[version].items())

    def _put_network(self, value: str) -> None:
        network = ipaddress.ip_network(value)
        held = self._networks[network.version].setdefault(network.prefixlen, set())
        held.add(int(network.network_address) >> (network.max_prefixlen - network.prefixlen))
        self._bytes += 100


def _host_and_tail(url: str) -> tuple[str, str]:
    """Cut a canonical URL into its host without user and port, and what follows the authority."""
    authority, _, tail = url.partition("://")[2].partition("/")
    host = authority.rpartition("@")[2]
    if host.startswith("["):
        return host.partition("]")[0] + "]", f"/{tail}"
    return host.partition(":")[0], f"/{tail}"


def _pieces(text: str) -> Iterator[str]:
    """Yield everything that may be one value of a line that is not JSON, in each way to undo its escapes."""
    for separator in _SEPARATORS:
        for piece in separator.split(text):
            yield piece
            if "\\x" in piece:
                raw = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), piece)
                yield raw
                try:
                    yield raw.encode("latin-1").decode("utf-8")
                except UnicodeError:
                    continue
