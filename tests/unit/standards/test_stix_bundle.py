"""A bundle is cut into its objects' original bytes, as a stream, and one bad object costs itself alone."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest

from mithaq.standards.stix import BadBundle, Piece, Refused, split_bundle

A = b'{ "type":"x-a",\n "id":"x-a--1", "text":"br{ac[ke\\"t\\\\" }'
B = b'{"id":"x-b--2","z":1.0,"a":[{"n":[]}]}'


class Slow:
    """Gives a few bytes at a time, as a network does."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream = io.BytesIO(data)
        self._size = size

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._size))


def bodies(source: bytes) -> list[bytes]:
    return [item.body for item in split_bundle(source) if isinstance(item, Piece)]


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"bundle","id":"bundle--1","objects":[%s,%s]}',
        b'\xef\xbb\xbf{"objects" : [ %s ,\n%s ] , "type":"bundle", "more":{"x":["y"]}}\n',
        b"[%s, %s]",
        b"%s\n%s\n",
        b'{"more":false,"next":null,"n":-1.5e3,"objects":[%s,%s]}',
    ],
)
def test_every_frame_gives_the_original_bytes(frame: bytes) -> None:
    assert bodies(frame % (A, B)) == [A, B]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_the_edges_of_chunks_do_not_matter(size: int) -> None:
    data = b'\xef\xbb\xbf{"type":"bundle","objects":[%s,%s]}' % (A, B)
    assert [item.body for item in split_bundle(Slow(data, size)) if isinstance(item, Piece)] == [A, B]


def test_an_empty_bundle_has_no_objects() -> None:
    assert bodies(b'{"type":"bundle","objects":[]}') == []


def test_a_single_object_is_a_bundle_of_one() -> None:
    assert bodies(b"  " + B) == [B]


def test_what_is_no_object_is_refused_by_its_place() -> None:
    found = list(split_bundle(b'{"objects":[%s,7,"x",null,[1],%s]}' % (A, B)))
    assert [type(item) for item in found] == [Piece, Refused, Refused, Refused, Refused, Piece]
    assert [item.index for item in found] == [0, 1, 2, 3, 4, 5]


def test_an_object_that_nests_too_deep_is_refused_by_its_id() -> None:
    deep = b'{"id":"x-deep--3","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = list(split_bundle(b"[%s,%s]" % (deep, B)))
    assert isinstance(found[0], Refused)
    assert (found[0].id, found[0].reason.code) == ("x-deep--3", "too-deep")
    assert found[1] == Piece(1, B)


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_an_object_over_the_limit_is_refused_and_the_rest_goes_on(chunk: int) -> None:
    large = b'{"id":"x-large--4","a":"' + b"y" * 5000 + b'"}'
    found = list(split_bundle(Slow(b"[%s,%s]" % (large, B), chunk), max_object_bytes=1000))
    assert isinstance(found[0], Refused)
    assert found[0].reason.code == "too-large"
    assert found[1] == Piece(1, B)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   ",
        b"hello",
        b"7",
        b'{"objects":[' + A,
        b'{"objects":[' + A + b" " + B + b"]}",
        b'{"objects":[' + A + b',"unfinished',
        b'{"objects":[{"a":"\\',
        b'{"objects":[]',
        b'{"objects":[],"objects":[]}',
        b'{"objects":[],}',
        b"{objects:[]}",
        b'{"' + b"k" * 5000 + b'":1}',
        b"[{},]",
        b"[{}]x",
        b"[,]",
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_a_broken_frame_is_said_with_its_place(data: bytes) -> None:
    with pytest.raises(BadBundle) as caught:
        list(split_bundle(data))
    assert "at byte" in str(caught.value)


def test_what_came_before_the_break_was_given() -> None:
    pieces = split_bundle(b'{"objects":[%s,%s,{"a":' % (A, B))
    assert [next(pieces), next(pieces)] == [Piece(0, A), Piece(1, B)]
    with pytest.raises(BadBundle):
        next(pieces)


def test_a_large_stream_needs_little_memory() -> None:
    class Endless:
        def __init__(self, objects: int) -> None:
            self._left = objects
            self._started = False

        def read(self, size: int, /) -> bytes:
            if not self._started:
                self._started = True
                return b'{"objects":['
            if self._left == 0:
                return b""
            count = min(self._left, 400)
            self._left -= count
            piece = b",".join([json.dumps({"id": "x-a--1", "text": "t" * 900}).encode()] * count)
            return piece + (b"," if self._left else b"]}")

    tracemalloc.start()
    count = sum(1 for _ in split_bundle(Endless(60_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 60_000
    assert peak < 4 * 1024 * 1024


def test_an_endless_text_is_not_kept_in_memory() -> None:
    class Endless:
        def __init__(self) -> None:
            self._calls = 0

        def read(self, size: int, /) -> bytes:
            self._calls += 1
            return b'[{"id":"x-a--1","a":"' if self._calls == 1 else b"y" * size if self._calls < 200 else b""

    tracemalloc.start()
    with pytest.raises(BadBundle):
        list(split_bundle(Endless(), max_object_bytes=1_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 1024 * 1024
