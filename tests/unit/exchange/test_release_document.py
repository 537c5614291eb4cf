"""What a release document is as bytes."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from mithaq.agreements.model import Reference
from mithaq.exchange.release_document import ReleasedObject, ReleaseDocument, read_release
from mithaq.kernel.lane import ACTUAL
from mithaq.release.model import Carried
from tests import strategies as some
from tests.world import XA, XB

REFERENCE = Reference("agreement--00000000-0000-4000-8000-000000000001", 1, "0" * 64)


def release(*objects: ReleasedObject, withdrawn: tuple[str, ...] = ()) -> ReleaseDocument:
    return ReleaseDocument(
        "release--1", XA, XB, 1, some.INSTANT, "release", ACTUAL, REFERENCE, "defence", objects, withdrawn
    )


@given(
    st.lists(
        st.builds(
            ReleasedObject, st.text().map(str.encode), some.carried, st.just("0" * 64), st.text().map(str.encode)
        ),
        max_size=4,
    ),
    st.lists(st.just("indicator--1"), max_size=2),
)
def test_a_release_is_canonical_json_and_is_read_as_it_was_written(
    objects: list[ReleasedObject], withdrawn: list[str]
) -> None:
    document = release(*objects, *objects, withdrawn=tuple(withdrawn))
    written = document.encode()
    assert written == rfc8785.dumps(json.loads(written))
    assert read_release(written) == document


@given(some.carried)
def test_terms_that_several_objects_carry_are_written_once(terms: Carried) -> None:
    later = ReleasedObject(b"{}", Carried.of_json(terms.as_json() | {"delete_after": "2099-01-01T00:00:00.000Z"}), "1")
    same = ReleasedObject(b"{}", Carried.of_json(terms.as_json()), "1")
    written = json.loads(release(ReleasedObject(b"{}", terms, "1"), later, same).encode())
    assert [each["terms"] for each in written["objects"]] == [0, 1, 0]
    assert len(written["terms"]) == 2


def test_half_a_surrogate_pair_is_written_by_nobody() -> None:
    with pytest.raises(UnicodeEncodeError):
        release(withdrawn=("\ud800",)).encode()
