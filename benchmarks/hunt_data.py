"""A past to be hunted through: events as the parser would give them, and which of them satisfy which indicator.

Making lines and parsing them again would take hours for thirty million, so lines are made as they come out of the
parser; sealing is the lake's own. Values repeat as in life (Zipf); every eleventh name is new. Each wanted thing that
is there stands in one to four events: as itself, below a subdomain, inside its network, in a URL.
"""

import bisect
import ipaddress
import json
import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.matcher_data import indicators
from mithaq.kernel.lane import ACTUAL
from mithaq.standards.observable import Observable
from mithaq.telemetry.blocks import Parsed
from mithaq.telemetry.model import Format, Source, event_id

SOURCE = "zeek"
_SOURCE = Source(SOURCE, "", Format.AUTO, ACTUAL)
_LINES_A_PART = 5_000
_KINDS = {"ipv4", "ipv6", "cidr", "domain", "url", "md5", "sha1", "sha256", "email"}
_BEGAN = datetime(2026, 10, 1, tzinfo=UTC)
_POOL = 50_000
_ENDINGS = ("example.com", "example.net", "cdn.example.org", "corp.example")
Sight = tuple[str, Observable]


def wanted(count: int, seed: int) -> list[Observable]:
    """Return as many new indicators, of the mix that feeds have."""
    made = (Observable(kind, value) for kind, value in indicators(2 * count, seed) if kind in _KINDS)  # type: ignore[arg-type]
    return [next(made) for _ in range(count)]


class Past:
    """The events of a run, numbered; the same from the same seed, whichever part of them is made first."""

    def __init__(self, events: int, present: Sequence[Observable], seed: int) -> None:
        chance = random.Random(f"past {seed}")
        self._seed = seed
        self._clients = [Observable("ipv4", f"10.{n >> 8 & 63}.{n & 255}.{n % 250 + 1}") for n in range(20_000)]
        self._servers = [Observable("ipv4", f"203.{n >> 8 & 255}.{n & 255}.{n % 250 + 1}") for n in range(_POOL)]
        self._names = [Observable("domain", f"h{n:x}.{_ENDINGS[n % 4]}") for n in range(_POOL)]
        self._planted: dict[int, tuple[Observable, list[Sight]]] = {}
        for each in present:
            for _ in range(chance.randint(1, 4)):
                self._planted[chance.randrange(events)] = (each, _sights(chance, each))
        self._numbers = sorted(self._planted)

    def truth(self) -> set[tuple[str, str]]:
        """Return (event, value of the indicator) of all that is there."""
        return {
            (event_id(SOURCE, number, _line(number, self._ends() + seen)), each.value)
            for number, (each, seen) in self._planted.items()
        }

    def part(self, first: int, count: int) -> Iterator[Parsed]:
        """Yield the lines of one segment, so many at a time as a block may have."""
        found = Parsed(_SOURCE)
        for number, seen in self._seen(first, count):
            found.places.append(number)
            found.ats.append(_BEGAN + timedelta(microseconds=100 * number))
            found.kinds.append("zeek.conn")
            found.raws.append(_line(number, seen))
            found.headers.append(b"")
            found.records.append({field: each.value for field, each in seen})
            if len(found) == _LINES_A_PART:
                yield found
                found = Parsed(_SOURCE)
        yield found

    def _ends(self) -> list[Sight]:
        """Return the two addresses that every line has; of one that holds something wanted they are these."""
        return [("id.orig_h", self._clients[0]), ("id.resp_h", self._servers[0])]

    def _seen(self, first: int, count: int) -> Iterator[tuple[int, list[Sight]]]:
        chance = np.random.default_rng((self._seed, first))
        zipf = np.minimum(chance.zipf(1.3, (3, count)), 1 << 40)
        clients = (zipf[0] * 7919 % len(self._clients)).tolist()
        servers, names = (zipf[1] * 104_729 % _POOL).tolist(), (zipf[2] * 15_485_863 % _POOL).tolist()
        low = bisect.bisect_left(self._numbers, first)
        planted = {number: self._planted[number][1] for number in self._numbers[low:] if number < first + count}
        for place in range(count):
            number = first + place
            if number in planted:
                yield number, self._ends() + planted[number]
                continue
            client, server = self._clients[clients[place]], self._servers[servers[place]]
            seen: list[Sight] = [("id.orig_h", client), ("id.resp_h", server)]
            if number % 3 == 0:
                fresh = number % 11 == 0
                name = Observable("domain", f"n{number:x}.example.com") if fresh else self._names[names[place]]
                seen.append(("query", name))
            yield number, seen


def _line(number: int, seen: list[Sight]) -> bytes:
    fields = ",".join(f'"{field}":{json.dumps(each.value)}' for field, each in seen)
    return (
        f'{{"ts":{1_759_276_800 + number // 10_000}.{number % 10_000:04d}00,"uid":"C{number:017x}",{fields},'
        f'"id.orig_p":{32_768 + number * 7919 % 28_000},"id.resp_p":443,"proto":"tcp","duration":{number % 991}.0,'
        f'"orig_bytes":{number % 9_000},"resp_bytes":{number % 90_000},"conn_state":"SF","local_orig":true,'
        '"local_resp":false,"missed_bytes":0,"history":"ShADadFf","_path":"conn"}'
    ).encode()


def _sights(chance: random.Random, each: Observable) -> list[Sight]:
    match each.type:
        case "domain":
            return [("server_name", Observable("domain", chance.choice(("", "www.", "a.b.")) + each.value))]
        case "cidr":
            network = ipaddress.ip_network(each.value)
            address = network[chance.randrange(min(network.num_addresses, 1 << 32))]
            return [("answers", Observable("ipv4" if address.version == 4 else "ipv6", str(address)))]
        case "url":
            return [("uri", each)]
        case "email":
            return [("mailfrom", each)]
        case "md5" | "sha1" | "sha256":
            return [(each.type, each)]
        case _:
            return [("answers", each)]
