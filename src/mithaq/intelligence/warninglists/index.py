"""Answer which warning lists an observable stands on, from the compiled file, mapped and shared by all processes."""

from __future__ import annotations

import ipaddress
import mmap
import subprocess
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, assert_never

import msgspec

from mithaq.intelligence.errors import WarningListsFailed
from mithaq.intelligence.warninglists.compiled import Header, compiled_in, name_digest
from mithaq.standards.addresses import Range, range_of
from mithaq.standards.observable import Observable

_COMPILE_WALL_S: Final = 300


class WarningLists:
    """The published MISP warning lists; loaded on first use, compiled once for each version of the lists.

    `skipped` names those that are not used: lists of regular expressions, because foreign expressions cannot be
    promised to run in linear time, and lists of a million popular sites. Entries of substring lists that are host
    names or addresses are taken as such.
    """

    def __init__(self, cache_dir: Path, *, installed: Path = Path(__file__).parent) -> None:
        self._cache_dir = cache_dir
        self._installed = installed
        self._tables: Tables | None = None

    def warned(self, observable: Observable) -> tuple[str, ...]:
        """Return the names of the lists on which an observable stands.

        A network stands on a list with which it shares an address, a URL and an e-mail address on those of their
        host.

        Raises:
            WarningListsFailed: the lists could not be compiled.
        """
        return self._loaded().warned(observable)

    def names(self) -> tuple[str, ...]:
        """Return the names of all lists in use."""
        return tuple(self._loaded().header.names)

    def skipped(self) -> tuple[str, ...]:
        """Return the names of the published lists that are not used."""
        return tuple(self._loaded().header.skipped)

    def _loaded(self) -> Tables:
        if self._tables is None:
            self._tables = Tables(_compiled_file(self._cache_dir, self._installed))
        return self._tables


def _compiled_file(cache_dir: Path, installed: Path) -> Path:
    """Return the compiled file of the installed lists, making it if it is not there yet.

    An installation may have compiled it beside the program, for all nodes of the machine.
    """
    if (shared := compiled_in(installed)).exists():
        return shared
    file = compiled_in(cache_dir)
    if not file.exists():
        command = [sys.executable, "-m", "mithaq.intelligence.warninglists.compile", str(file)]
        try:
            cache_dir.mkdir(parents=True, exist_ok=True)
            subprocess.run(command, check=True, capture_output=True, timeout=_COMPILE_WALL_S)  # noqa: S603 - our own module
        except subprocess.CalledProcessError as error:
            raise WarningListsFailed("the warning lists could not be compiled", private=str(error.stderr)) from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise WarningListsFailed("the warning lists could not be compiled", private=str(error)) from error
    return file


class Tables:
    """The mapped file: sorted digests, sorted edges, and which combination of lists each points at."""

    def __init__(self, file: Path) -> None:
        with file.open("rb") as handle:
            self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        view = memoryview(self._map)
        header_bytes = int.from_bytes(view[:8], "little")
        self.header = msgspec.json.decode(view[8 : 8 + header_bytes], type=Header)
        place = 8 + header_bytes
        edges, digests = self.header.ipv4_edges, self.header.digests
        self._digests: Sequence[int] = view[place : place + 8 * digests].cast("Q")
        place += 8 * digests
        self._ipv4_starts: Sequence[int] = view[place : place + 4 * edges].cast("I")
        place += 4 * (edges + edges % 2)
        self._digest_combinations: Sequence[int] = view[place : place + 2 * digests].cast("H")
        place += 2 * digests + -2 * digests % 8
        self._ipv4_combinations: Sequence[int] = view[place : place + 2 * edges].cast("H")
        self._ipv6_starts = [int(start, 16) for start in self.header.ipv6_starts]
        self._types = [frozenset(types) for types in self.header.types]

    def warned(self, observable: Observable) -> tuple[str, ...]:
        """Return the names of the lists on which an observable stands."""
        return tuple(self.header.names[number] for number in sorted(self._lists(observable)))

    def _lists(self, observable: Observable) -> set[int]:
        value = observable.value
        match observable.type:
            case "ipv4" | "ipv6" | "cidr":
                return self._of_range(range_of(value))
            case "domain":
                return self._meant_for("domain", self._of_domain(value))
            case "url":
                return self._of_host(value.partition("://")[2].partition("/")[0])
            case "email":
                return self._meant_for("email", self._of_domain(value.rpartition("@")[2]))
            case "md5" | "sha1" | "sha256" | "sha512":
                return self._meant_for(observable.type, self._filed("e", value))
            case "ja3" | "ja4" | "text":
                return set()
            case _:
                assert_never(observable.type)

    def _of_host(self, authority: str) -> set[int]:
        host = authority.rpartition("@")[2]
        if host.startswith("["):
            return self._of_addresses(host[1:].partition("]")[0])
        name = host.partition(":")[0]
        if name.rpartition(".")[2].isdecimal():
            return self._of_addresses(name)
        return self._meant_for("url", self._of_domain(name))

    def _meant_for(self, kind: str, lists: set[int]) -> set[int]:
        """Leave out lists that say they are not about this kind of value."""
        return {number for number in lists if kind in self._types[number]}

    def _of_domain(self, name: str) -> set[int]:
        found = self._filed("e", name)
        rest = name
        while rest:
            found |= self._filed("s", rest)
            rest = rest.partition(".")[2]
        return found | {number for text, number in self.header.substrings if text in name}

    def _of_addresses(self, text: str) -> set[int]:
        network = ipaddress.ip_network(text, strict=False)
        return self._of_range(Range(network.version, int(network.network_address), int(network.broadcast_address)))

    def _of_range(self, asked: Range) -> set[int]:
        if asked.version == 4:
            return self._between(self._ipv4_starts, self._ipv4_combinations, asked.first, asked.last)
        return self._between(self._ipv6_starts, self.header.ipv6_combinations, asked.first, asked.last)

    def _between(self, starts: Sequence[int], combinations: Sequence[int], first: int, last: int) -> set[int]:
        low, high = bisect_right(starts, first) - 1, bisect_right(starts, last)
        return self._union(set(combinations[low:high]))

    def _filed(self, kind: str, name: str) -> set[int]:
        digest = name_digest(kind, name)
        place = bisect_left(self._digests, digest)
        if place < len(self._digests) and self._digests[place] == digest:
            return self._union((self._digest_combinations[place],))
        return set()

    def _union(self, combinations: Iterable[int]) -> set[int]:
        return {number for combination in combinations for number in self.header.combinations[combination]}
