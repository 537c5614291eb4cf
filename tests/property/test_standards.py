"""Laws of the standards' words, tried on whatever hypothesis thinks of."""

from __future__ import annotations

import io
import ipaddress
import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mithaq.intelligence.indicators import pattern_of
from mithaq.intelligence.words import fold
from mithaq.kernel.reason import Reason
from mithaq.standards import stix
from mithaq.standards.addresses import range_of
from mithaq.standards.defang import extract
from mithaq.standards.observable import TYPES, Observable, canonical_observable
from tests.strategies import bundles, observables, stix_bodies

ELEMENTS = [
    b'{"id":"x-a--1"}',
    b'{"id":"x-a--2","refs":[{"id":1},{"id":2}, {"id":"}, {"}]}',
    b'{ "id" : "x-a--3", "z":[[[[[[1]]]]]] }',
    b'{"id":"x-a--4","a":01}',
    b'{"id":"x-a--5","a":"\xff"}',
    b'{"id":"x-deep--6","a":' + b"[" * 70 + b"]" * 70 + b"}",
    b'{"id":"x-large--7","a":"' + b"y" * 400 + b'"}',
    b'{"type":"x-a"}',
    b'[{"id":"x-a--8"}]',
    b'"{"',
    b"7",
]


@given(bundles())
def test_an_object_leaves_a_bundle_byte_for_byte(bundle: tuple[bytes, list[bytes]]) -> None:
    data, bodies = bundle
    assert [item.body for item in stix.split_bundle(data) if isinstance(item, stix.Piece)] == bodies


@given(bundles(), st.integers(1, 50))
def test_the_edges_of_chunks_change_nothing(bundle: tuple[bytes, list[bytes]], size: int) -> None:
    data, _ = bundle

    class Pieces(io.BytesIO):
        def read(self, _wanted: int | None = -1, /) -> bytes:
            return super().read(size)

    assert list(stix.split_bundle(Pieces(data))) == list(stix.split_bundle(data))


@given(
    st.lists(st.sampled_from(ELEMENTS), max_size=12),
    st.sampled_from([b",", b" ,\n ", b"", b",,"]),
    st.sampled_from([b"]", b",]", b"", b'] "']),
    st.integers(1, 50),
)
def test_elements_are_told_alike_at_once_and_one_by_one(
    elements: list[bytes], between: bytes, end: bytes, size: int
) -> None:
    data = b"[" + between.join(elements) + end

    def told(source: bytes | stix.Readable) -> list[object]:
        found: list[object] = []
        try:
            found += stix.split_bundle(source, max_object_bytes=300)
        except stix.BadBundle as error:
            found.append(str(error))
        return found

    class Pieces(io.BytesIO):
        def read(self, _wanted: int | None = -1, /) -> bytes:
            return super().read(size)

    assert told(data) == told(Pieces(data))


@given(st.binary(max_size=200) | st.text('{}[]":,\\ abobjects1', max_size=120).map(str.encode))
def test_no_bytes_break_the_scanner(data: bytes) -> None:
    try:
        for item in stix.split_bundle(data):
            if isinstance(item, stix.Piece):
                stix.parse(item.body)
    except (stix.BadBundle, stix.BadObject):
        pass


@given(stix_bodies())
def test_an_object_with_unknown_fields_is_read(body: bytes) -> None:
    parsed = stix.parse(body)
    assert parsed.id.startswith(f"{parsed.type}--")


@given(observables)
def test_a_canonical_value_is_its_own_canonical_form(observable: Observable) -> None:
    assert canonical_observable(observable.type, observable.value) == observable


@given(st.sampled_from(TYPES), st.text(max_size=80))
def test_canonicalising_twice_changes_nothing(kind: str, raw: str) -> None:
    once = canonical_observable(kind, raw)
    if once is not None:
        assert canonical_observable(once.type, once.value) == once


@given(observables)
def test_an_own_pattern_means_exactly_its_observable(observable: Observable) -> None:
    assert stix.matchable(pattern_of(observable)) == (observable,)


@given(st.text("[]()'\\ =ANDORIN:.abtipv4-value0123456789*", max_size=150))
def test_no_pattern_breaks_the_reader(pattern: str) -> None:
    found = stix.matchable(pattern)
    assert isinstance(found, Reason | tuple)


@given(st.text(max_size=300))
def test_no_text_breaks_the_extraction(text: str) -> None:
    for item in extract(text):
        assert item.kind == "cve" or item.observable is not None


@given(observables.filter(lambda item: item.type not in {"url", "ja3"}))
def test_a_value_is_found_in_a_sentence(observable: Observable) -> None:
    assert observable in [item.observable for item in extract(f"seen: {observable.value}, twice")]


@given(st.text(max_size=100))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


_TEXTS = st.none() | st.lists(
    st.sampled_from(["PAP:GREEN", "sector:energy", "a\x00b", "\u0637", "_refs", "x_ref"]), max_size=3
)
_REF = st.sampled_from(["malware--00000000-0000-4000-8000-000000000001", "campaign--no", "_ref"])
_MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "labels": _TEXTS,
        "sectors": _TEXTS,
        "object_marking_refs": _TEXTS,
        "created_by_ref": _REF,
        "x_seen_ref": _REF,
        "object_refs": st.lists(_REF, max_size=3),
        "description": st.sampled_from(["x_ref", 'a "b_refs" c', "\u0637", "\\u005fref"]),
        "valid_from": st.sampled_from(["", "2026-11-23T11:00:00Z", "2026-11-23T13:00:00.123456789+02:00"]),
    },
)


@given(_MEMBERS, st.booleans(), st.booleans())
def test_a_glance_sees_what_a_whole_reading_sees(members: dict[str, object], plain: bool, escaped: bool) -> None:
    fixed = {"type": "note", "id": "note--00000000-0000-4000-8000-000000000007"}
    body = json.dumps(fixed | members, ensure_ascii=plain)
    if escaped:
        body = body.replace("_ref", "\\u005fref")
    seen, whole = stix.glance(body.encode()), stix.parse(body.encode())
    assert {name: getattr(whole, name) for name in seen.__struct_fields__} == msgspec.structs.asdict(seen)
    assert stix.valid_from(body.encode()) == whole.valid_from


_NETWORKS = st.builds(
    lambda address, prefix: ipaddress.ip_network((address, prefix), strict=False),
    st.ip_addresses(v=4, network="10.0.0.0/12"),
    st.integers(12, 32),
) | st.builds(
    lambda address, prefix: ipaddress.ip_network((address, prefix), strict=False),
    st.ip_addresses(v=6, network="2001:db8::/40"),
    st.integers(40, 128),
)


@given(_NETWORKS, _NETWORKS)
def test_ranges_touch_where_networks_overlap(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> None:
    is_same = one.version == other.version and int(one[0]) <= int(other[-1]) and int(other[0]) <= int(one[-1])
    assert range_of(str(one)).touches(range_of(str(other))) == is_same
    assert range_of(str(one)).prefix == one.prefixlen
    assert range_of(str(one[0])) == (one.version, int(one[0]), int(one[0]))
