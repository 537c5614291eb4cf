"""The labels of a piece, told from its bits, are those that a regular expression finds."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.detection.prefilter.bloom import MARGIN
from mithaq.detection.prefilter.labels import Labels

_LABEL = re.compile(rb"[A-Za-z0-9_-]+")
_COUNTED = 5 * 57
"""So many bytes of a label are counted at least."""

_runs = st.builds(
    lambda each, times: each * times, st.sampled_from([b"a", b"Z", b"0", b"9-", b"_z"]), st.integers(1, 170)
)
_others = st.sampled_from([b".", b":", b"\n", b"\xc3\xa9", b"@", b"[", b"`", b"{", b"/"])
_piece = st.lists(_others | _runs, max_size=30).map(b"".join)


@given(_piece)
def test_a_label_is_measured_from_each_of_its_bytes(piece: bytes) -> None:
    piece = b"\n" * MARGIN + piece + b"\n\n"
    labels, places = Labels(np.frombuffer(piece, np.uint8)), np.arange(len(piece))
    after, before = np.zeros(len(piece), int), np.zeros(len(piece), int)
    for each in _LABEL.finditer(piece):
        start, end = each.span()
        after[start:end] = np.arange(end - start, 0, -1)
        before[start + 1 : end + 1] = np.arange(1, end - start + 1)
    assert np.minimum(labels.after(places), _COUNTED).tolist() == np.minimum(after, _COUNTED).tolist()
    assert np.minimum(labels.before(places), _COUNTED).tolist() == np.minimum(before, _COUNTED).tolist()


@given(_piece, st.integers(1, 70))
def test_long_labels_are_found_whole(piece: bytes, shortest: int) -> None:
    piece = b"\n" * MARGIN + piece + b"\n\n"
    starts, ends = Labels(np.frombuffer(piece, np.uint8)).of_length(shortest)
    wanted = [each.span() for each in _LABEL.finditer(piece) if shortest <= len(each[0])]
    assert [start for start, _ in wanted] == starts.tolist()
    short = [(start, end) for start, end in wanted if end - start <= _COUNTED]
    assert short == [each for each in zip(starts.tolist(), ends.tolist(), strict=True) if each in short]


@pytest.mark.parametrize("length", [1, 7, 8, 56, 57, 58, 63, 64, 65, 113, 114, 115, 255])
@pytest.mark.parametrize("shift", range(8))
def test_no_length_and_no_place_is_special(length: int, shift: int) -> None:
    piece = b"\n" * (MARGIN + shift) + b"x" * length + b"\n\n"
    starts, ends = Labels(np.frombuffer(piece, np.uint8)).of_length(length)
    assert (starts.tolist(), ends.tolist()) == ([MARGIN + shift], [MARGIN + shift + length])
