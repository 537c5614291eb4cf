"""The difference of two documents: of what may pass in each direction, not of how it is written."""

import msgspec
from hypothesis import given

from mithaq.agreements import terms as t
from mithaq.agreements.difference import difference, directions_of
from mithaq.agreements.effective import effective_terms
from mithaq.agreements.model import Document, Reservation
from tests.treaties import any_documents, document_of
from tests.unit.agreements.test_lint import SOUND


@given(any_documents(), any_documents())
def test_an_empty_difference_means_equal_effective_terms_and_the_other_way_round(one: Document, two: Document) -> None:
    equal = all(effective_terms(one, *each) == effective_terms(two, *each) for each in directions_of(one))
    assert difference(one, two).is_empty == equal
    assert difference(two, one).is_empty == equal
    assert difference(one, one).is_empty


@given(any_documents(), any_documents())
def test_what_is_wider_one_way_is_narrower_the_other(one: Document, two: Document) -> None:
    there, back = difference(one, two), difference(two, one)
    assert {(each.term, each.directions, each.wider, each.narrower) for each in there.changes} == {
        (each.term, each.directions, each.narrower, each.wider) for each in back.changes
    }
    assert all(each.wider or each.narrower for each in there.changes)


def test_the_same_written_otherwise_is_no_difference() -> None:
    ceiling = msgspec.structs.replace(SOUND, ceilings=[t.Ceiling("TLP:AMBER", "XA", "XB")])
    assert difference(document_of(SOUND), document_of(ceiling)).is_empty


def test_a_change_in_one_direction_names_that_direction() -> None:
    lower = msgspec.structs.replace(SOUND, ceilings=[t.Ceiling("TLP:GREEN", "XA", "XB")])
    (change,) = difference(document_of(SOUND), document_of(lower)).changes
    assert (change.term, change.directions, change.wider, change.narrower) == (
        "tlp_ceiling", (("XA", "XB"),), False, True,
    )  # fmt: skip


def test_a_reservation_changes_both_directions_of_its_nation() -> None:
    reserved = document_of(SOUND, reservations=(Reservation("XC", t.Narrowing(tlp_ceiling="TLP:CLEAR")),))
    (change,) = difference(document_of(SOUND), reserved).changes
    assert {nation for pair in change.directions for nation in pair} == {"XA", "XB", "XC"}
    assert all("XC" in pair for pair in change.directions)


def test_a_party_that_only_observes_closes_its_directions() -> None:
    document = document_of(SOUND)
    observer = msgspec.structs.replace(document.parties[2], role="observer")
    fewer = msgspec.structs.replace(document, parties=[*document.parties[:2], observer])
    found = difference(document, fewer)
    assert (len(found.closed), found.opened, found.is_empty) == (4, (), False)
    assert difference(fewer, document).opened == found.closed
