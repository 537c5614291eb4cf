"""What opinions and sightings say, however odd they are."""

import json
from typing import Any

import pytest

from mithaq.standards.stix.comment import MAX_ABOUT, PROPOSAL_EXTENSION, Comment, comment_of

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
    assert said(type="report", object_refs=[ABOUT]) == Comment(())


def test_a_note_speaks_in_its_content() -> None:
    assert said(type="note", object_refs=[ABOUT], content="Seen in two ministries.") == Comment(
        (ABOUT,), explanation="Seen in two ministries."
    )
    assert said(type="note", object_refs=[ABOUT], abstract="Short").explanation == "Short"


def test_a_proposal_speaks_of_the_first_object_alone_and_carries_it_as_it_should_be() -> None:
    other, proposed = "malware--" + ABOUT[11:], {"id": ABOUT, "type": "indicator", "x": [1]}
    extensions = {PROPOSAL_EXTENSION: {"extension_type": "property-extension", "proposed": proposed}}
    found = said(type="note", object_refs=[ABOUT, other], content="why", extensions=extensions)
    assert found == Comment((ABOUT,), explanation="why", proposed=proposed)
    elsewhere = said(type="note", object_refs=[other, ABOUT], content="why", extensions=extensions)
    assert elsewhere.proposed is None


def test_an_answer_names_the_proposal_it_speaks_of() -> None:
    note = "note--" + ABOUT[11:]
    answer = {PROPOSAL_EXTENSION: {"answers": note, "answer": "declined"}}
    found = said(type="note", object_refs=[note, ABOUT], content="", extensions=answer)
    assert (found.answers, found.answer) == (note, "declined")
    assert said(type="note", object_refs=[ABOUT], extensions=answer).answer is None
    odd = {PROPOSAL_EXTENSION: {"answers": note, "answer": "maybe"}}
    assert said(type="note", object_refs=[note], extensions=odd).answer is None


@pytest.mark.parametrize("extensions", [None, [], {PROPOSAL_EXTENSION: 7}, {PROPOSAL_EXTENSION: {"proposed": []}}])
def test_an_odd_extension_leaves_a_plain_note(extensions: Any) -> None:
    assert said(type="note", object_refs=[ABOUT], content="x", extensions=extensions) == Comment(
        (ABOUT,), explanation="x"
    )


def test_when_it_was_last_seen_is_read_where_it_is_an_instant() -> None:
    seen = said(type="sighting", sighting_of_ref=ABOUT, last_seen="2026-01-02T03:04:05Z").last_seen
    assert seen is not None
    assert seen.isoformat() == "2026-01-02T03:04:05+00:00"
    for odd in (7, "yesterday", None, []):
        assert said(type="sighting", sighting_of_ref=ABOUT, last_seen=odd).last_seen is None
