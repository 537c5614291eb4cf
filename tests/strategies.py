"""Hypothesis strategies shared by all tests: observables, STIX objects, bundles, hostile JSON."""

from __future__ import annotations

import json
import uuid
from typing import Any

from hypothesis import strategies as st

from mithaq.standards.observable import Observable, ObservableType

_HEX = "0123456789abcdef"
_LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=20).filter(
    lambda label: not label.startswith("-") and not label.endswith("-") and not label.startswith("xn--")
)

uuids = st.uuids(version=4).map(str)
octets = st.integers(0, 255)
ipv4 = st.tuples(octets, octets, octets, octets).map(lambda four: ".".join(map(str, four)))
domains = st.lists(_LABEL, min_size=1, max_size=4).map(lambda labels: ".".join([*labels, "example"]))
hashes = st.sampled_from([("md5", 32), ("sha1", 40), ("sha256", 64), ("sha512", 128), ("ja3", 32)]).flatmap(
    lambda kind: st.text(_HEX, min_size=kind[1], max_size=kind[1]).map(lambda digits: _observable(kind[0], digits))
)


def _observable(kind: ObservableType, value: str) -> Observable:
    return Observable(kind, value)


observables = st.one_of(
    ipv4.map(lambda value: _observable("ipv4", value)),
    domains.map(lambda value: _observable("domain", value)),
    domains.map(lambda value: _observable("url", f"http://{value}/it's/a\\path")),
    domains.map(lambda value: _observable("email", f"someone@{value}")),
    hashes,
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def stix_bodies(draw: st.DrawFn) -> bytes:
    """One STIX object with unknown fields, unusual spacing, any order of keys and any escaping."""
    kind = draw(st.sampled_from(["x-acme-thing", "malware", "identity", "note"]))
    fields: dict[str, Any] = {
        "type": kind,
        "id": f"{kind}--{draw(uuids)}",
        "spec_version": "2.1",
        "created": "2026-01-02T03:04:05.678Z",
        "modified": "2026-01-02T03:04:05.678Z",
        "name": draw(st.text(max_size=40)),
    }
    fields |= draw(
        st.dictionaries(st.text(min_size=1, max_size=8).map(lambda key: f"x_{key}"), json_values, max_size=4)
    )
    keys = draw(st.permutations(list(fields)))
    text = json.dumps(
        {key: fields[key] for key in keys},
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1, "\t"])),
    )
    return text.encode("utf-8", "replace")


@st.composite
def bundles(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A bundle with its objects' bytes, spaced in any way."""
    bodies = draw(st.lists(stix_bodies(), max_size=6))
    space = st.text(" \t\r\n", max_size=3).map(str.encode)
    inside = b",".join(draw(space) + body + draw(space) for body in bodies)
    head = b'{"type":"bundle","id":"bundle--%s","objects":[' % str(uuid.UUID(int=0)).encode()
    return draw(space) + head + inside + b"]" + draw(space) + b"}", bodies
