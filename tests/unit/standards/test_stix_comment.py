"""What opinions and sightings say, however odd they are."""

import json
from typing import Any

import pytest

from mithaq.standards.stix.comment import MAX_ABOUT, Comment, comment_of

ABOUT = "indicator--00000000-0000-4000-8000-000000000001"


def said(**fields: Any) -> Comment:
    return comment_of(json.dumps(fields).encode())


def test_an_opinion_says_of_what_how_and_why() -> None:
    found = said(type="opinion", object_refs=[ABOUT, ABOUT], opinion="strongly-disagree", explanation="A mirror.")
    assert found == Comment((ABOUT,), "strongly-disagree", "A mirror.")
    assert found.disputes
    assert not said(type="opinion", object_refs=[ABOUT], opinion="neutral").disputes


def test_a_sighting_speaks_of_what_was_seen_alone() -> None:
    fields = {"sighting_of_ref": ABOUT, "where_sighted_refs": ["identity--" + ABOUT[11:]], "count": 3}
    assert said(type="sighting", **fields) == Comment((ABOUT,), count=3)


@pytest.mark.parametrize("refs", [None, "x", {}, [7, None, "x", "x" * 100_000, "indicator--1\0"], ABOUT])
@pytest.mark.parametrize("opinion", [None, 7, "no", ["agree"], {}])
def test_what_the_standard_does_not_know_says_nothing(refs: Any, opinion: Any) -> None:
    found = said(type="opinion", object_refs=refs, opinion=opinion, explanation={"a": 1})
    assert found == Comment(())


def test_of_an_opinion_on_everything_the_first_are_kept_in_mind() -> None:
    many = [f"indicator--00000000-0000-4000-8000-{number:012d}" for number in range(MAX_ABOUT + 5)]
    assert len(said(type="opinion", object_refs=many, opinion="agree").about) == MAX_ABOUT


def test_text_that_no_page_can_carry_is_made_plain() -> None:
    assert said(type="opinion", object_refs=[ABOUT], explanation="a\ud800\0b").explanation == "a\ufffd\ufffdb"
    assert said(type="sighting", sighting_of_ref=ABOUT, count=True).count is None
    assert said(type="note", object_refs=[ABOUT]) == Comment(())
