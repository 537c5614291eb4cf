"""What of a reason may outlive the object it is about."""

import pytest

from mithaq.exchange.kept_reasons import LEFT_OUT, kept, kept_json, kept_of
from mithaq.kernel.reason import Reason
from mithaq.release.clauses import LOCAL_CLAUSES, NATION_CLAUSES


@pytest.mark.parametrize(
    "word",
    [
        "indicator", "TLP:AMBER+STRICT", "PAP:RED", "defence", "energy, water", "valid_from", "XB", "-", "free-text",
        "2026-11-23T11:00:00+00:00", "2026-11-23T11:00:00.000Z", "identity--00000000-0000-4000-8000-000000000001",
        '"list"', "17",
    ],
)  # fmt: skip
def test_words_of_the_field_ids_and_times_stay(word: str) -> None:
    assert kept(Reason("code", "%(it)s", {"it": word})).params == {"it": word}


@pytest.mark.parametrize(
    "piece",
    [
        "evil.example",
        "198.51.100.7",
        "energy, evil.example",
        "x-evil",
        "Mr Smith",
        "xb",
        "a" * 64,
        "2026-11-23 evil",
        "",
    ],
)
def test_anything_else_is_left_out(piece: str) -> None:
    reason = kept(Reason("code", "%(it)s of %(count)s", {"it": piece, "count": 7}))
    assert reason.params == {"it": LEFT_OUT, "count": 7}
    assert reason.sentence() == "… of 7"


def test_no_sentence_of_the_gate_is_taken_for_one_that_quotes() -> None:
    for clause in (*NATION_CLAUSES, *LOCAL_CLAUSES):
        reason = kept(Reason(clause.id, clause.message, {}, clause.remedy))
        assert reason.code == clause.id
        if "%(" not in clause.message + clause.remedy:
            assert (reason.message, reason.remedy) == (clause.message, clause.remedy)


@pytest.mark.parametrize(
    "reason",
    [
        Reason("evil.example", "refused", {}),
        Reason("code", "the name evil[.]example is bad", {}),
        Reason("code", "%(missing)s", {"other": 1}),
        Reason("code", "100%", {"other": 1}),
        Reason("code", "x" * 501, {}),
    ],
)
def test_what_another_program_writes_cannot_bring_a_value_or_break_a_page(reason: Reason) -> None:
    found = kept(reason)
    assert LEFT_OUT in (found.code, found.message)
    assert "evil" not in found.sentence()


def test_an_object_without_a_good_id_is_named_by_nothing_of_its_own() -> None:
    assert [name for name, _ in kept_of([("object 3", ()), ("evil.example", ())])] == ["object 3", LEFT_OUT]


def test_keeping_what_was_kept_changes_nothing() -> None:
    refused = [{"object": "evil", "reasons": [{"code": "c", "message": "%(a)s", "params": {"a": "evil"}}]}]
    assert kept_json(kept_json(refused)) == kept_json(refused)
