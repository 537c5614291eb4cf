"""May a line that is worth reading match? What the portable form asks of the few lines that its screen names.

A line is decoded and each of its values judged in every way in which the parser may read it, whatever its field;
values that were judged before and found clean are not judged again.
"""

import ipaddress
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from mithaq.standards.observable import Observable, canonical_observable
from mithaq.telemetry.parsers.fields import observables_of

_MAX_CLEAN: Final = 300_000
_MAX_CLEAN_CHARS: Final = 255
_SEPARATORS: Final = tuple(re.compile(rf"[\t{each}]") for each in ("", ",", ";", "|", " ", r" ,;|\"'<>()\[\]{}=^"))
"""How the cells of a log that is not JSON, and the items of a cell, may be told apart."""
_WORDS: Final = re.compile(r"[\t ,;|\"'<>()\[\]{}=^#/@?&\\]+")
"""What words of a line that is not JSON are told apart by, where an address or a name has something stuck to it."""
_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")
_NAME: Final = r"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63}){1,8}"
_PLAIN: Final = re.compile(
    r"(?P<address>[0-9]{1,3}(?:\.[0-9]{1,3}){3})|(?P<hex>[0-9A-Fa-f]{17,128})"
    r"|(?P<nothing>/[A-Za-z0-9._~%/-]*"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[0-9.:+Z-]*)"
    rf"|(?P<name>{_NAME})|(?P<email>[A-Za-z0-9._+-]{{1,64}}@{_NAME})"
    r"|(?P<subject>[A-Z]{1,2}=[A-Za-z0-9 .'*_-]*(?:, ?[A-Z]{1,2}=[A-Za-z0-9 .'*_-]*)*)"
)
"""The shapes that most new values have, so that few need to be read in every way."""
_MAX_UNIQUE_CHARS: Final = 16
"""A longer word (an identifier, a hash) hardly comes again; remembering it would push out what does."""
_AGAIN: Final = frozenset({"address", "name", "email", "subject"})
_SHORTEST_HASH: Final = 32
_GOES_ON: Final = re.compile(r"[?#\\]")
_URL_SAFE: Final = "".join(map(chr, range(0x21, 0x7F)))
_BITS: Final = {4: 32, 6: 128}
_READINGS: Final = (
    *("domain", "hash", "md5", "sha1", "sha256", "sha512", "ja3", "ja4"),
    *("hashes", "QueryResults", "CommandLine", "message.query_message"),
)
"""Names of fields that stand for every way in which the parser reads a value."""


class Reading:
    """What is looked for, as values. Memory: some 130 bytes an observable, and up to 40 MB of values found clean."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._tails: set[str] = set()
        self._stems: set[str] = set()
        self._hosts: set[str] = set()
        self._networks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
        self._bytes = 0
        self._clean: set[object] = set()
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
        """Look for these too."""
        for each in observables:
            if each.type == "cidr":
                self._put_network(each.value)
                continue
            if each.value not in self._values:
                self._values.add(each.value)
                self._bytes += sys.getsizeof(each.value)
            if each.type == "url":
                host, tail = host_and_tail(each.value)
                self._hosts.add(host)
                self._tails.add(tail)
                if "?" in tail:
                    self._stems.add(tail.partition("?")[0])
                self._bytes += sys.getsizeof(host) + sys.getsizeof(tail)
        # Not cleared but replaced: a scan that began before goes on with the old one and leaves no stale word here.
        self._clean = set()

    def may_match(self, line: bytes) -> bool:
        """Tell whether the parser could find something in this line that is looked for."""
        clean = self._clean
        try:
            record = self._decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._text_may_match(line.decode("utf-8", "replace"), clean)
        if not isinstance(record, dict):
            return self._text_may_match(line.decode("utf-8", "replace"), clean)
        return self._record_may_match(record, clean)

    def is_wanted_run(self, run: str) -> bool:
        """Tell whether a run of hexadecimal digits and colons is an address or a hash that may be looked for."""
        if run.replace(":", "").lower() in self._values:
            return True
        seen = canonical_observable("ipv6", run)
        return seen is not None and (
            self._matches(seen) or f"[{seen.value}]" in self._hosts or seen.value in self._hosts
        )

    def _record_may_match(self, record: dict[str, object], clean: set[object]) -> bool:
        new = set(_leaves(record)) - clean
        if not any(self._value_may_match(value, clean) for value in new):
            return False
        if any(not self._is_tail(value) and self._value_may_match(value, clean) for value in new):
            return True
        return any(self._matches(seen) for _, seen in observables_of(record))

    def _value_may_match(self, value: str, clean: set[object]) -> bool:
        """Look at a value for the first time, whatever the field that holds it; remember one that is clean."""
        if len(value) < _SHORTEST_HASH and value.isalnum() and value.isascii():
            if len(value) <= _MAX_UNIQUE_CHARS:
                clean.add(value)
            return False
        plain = _PLAIN.fullmatch(value)
        if plain is None:
            seen_in = observables_of(dict.fromkeys(_READINGS, value))
            found = any(self._matches(seen) for _, seen in seen_in) or self._host_goes_on(value)
        else:
            found = self._plain_matches(plain.lastgroup, value)
        if found or (value[:1] == "/" and self._is_tail(value)):
            return True
        if len(value) <= (_MAX_CLEAN_CHARS if plain is None or plain.lastgroup in _AGAIN else _MAX_UNIQUE_CHARS):
            if len(clean) >= _MAX_CLEAN:
                clean.clear()
            clean.add(value)
        return False

    def _plain_matches(self, shape: str | None, value: str) -> bool:
        if shape == "nothing":
            return False
        lowered = value.lower()
        if lowered in self._values:
            return True
        if shape == "address":
            return any(_octets(value) >> (32 - length) in held for length, held in self._networks[4].items())
        if shape == "subject":  # a distinguished name: what stands between its blanks
            return any(self._plain_matches("name", cell) for cell in value.split())
        lowered = lowered.rpartition("@")[2]
        return (
            shape in {"name", "email"}
            and not lowered.rpartition(".")[2].isdecimal()
            and (lowered in self._values or self._has_parent(lowered))
        )

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
        return url is not None and host_and_tail(url.value)[0] in self._hosts

    def _text_may_match(self, text: str, clean: set[object]) -> bool:
        words = set(_WORDS.split(text))
        if any(self._names_host(word) for word in words):
            return True
        pieces = {*_pieces(text), *words}
        tails = False
        for piece in pieces - clean:
            if self._value_may_match(piece, clean):
                return True
            tails = tails or self._is_tail(piece)
        return tails and any(self._is_host(piece) for piece in pieces)

    def _names_host(self, word: str) -> bool:
        """Tell whether a word is the host of a URL: where the URL ends is the parser's to say."""
        if word.count(":") > 1:
            return f"[{word.lower()}]" in self._hosts
        host, colon, port = word.rstrip(".").partition(":")
        return host.lower() in self._hosts and (not colon or port.isdecimal() or not port)

    def _is_host(self, text: str) -> bool:
        bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
        url = canonical_observable("url", f"http://{bare}/") if text else None
        return url is not None and host_and_tail(url.value)[0] in self._hosts

    def _matches(self, seen: Observable) -> bool:
        if seen.value in self._values:
            return True
        if seen.type == "domain":
            return self._has_parent(seen.value)
        return seen.type in {"ipv4", "ipv6"} and self._is_inside(seen.value)

    def _has_parent(self, name: str) -> bool:
        while dot := name.find(".") + 1:
            name = name[dot:]
            if name in self._values:
                return True
        return False

    def _is_inside(self, address: str) -> bool:
        version = 6 if ":" in address else 4
        if not self._networks[version]:
            return False
        try:
            number = int(ipaddress.ip_address(address))
        except ValueError:
            return False
        return any(number >> (_BITS[version] - length) in held for length, held in self._networks[version].items())

    def _put_network(self, value: str) -> None:
        network = ipaddress.ip_network(value)
        held = self._networks[network.version].setdefault(network.prefixlen, set())
        held.add(int(network.network_address) >> (network.max_prefixlen - network.prefixlen))
        self._bytes += 100


def _octets(address: str) -> int:
    first, second, third, fourth = map(int, address.split("."))
    return first << 24 | second << 16 | third << 8 | fourth


def _leaves(record: Mapping[str, object]) -> Iterator[str]:
    stack: list[object] = [record]
    while stack:
        branch = stack.pop()
        if isinstance(branch, str):
            yield branch
        elif isinstance(branch, dict):
            stack.extend(branch.values())
        elif isinstance(branch, list | tuple):
            stack.extend(branch)


def host_and_tail(url: str) -> tuple[str, str]:
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
