"""What an agreement says: whole sentences, nothing left out, no machine's word in them."""

import typing
from itertools import chain
from typing import get_args

import msgspec
import pytest
from hypothesis import given

from mithaq.agreements import model, terms, vocabulary
from mithaq.agreements.effective import agreed_terms
from mithaq.agreements.model import Document
from mithaq.agreements.term_rules import TERMS
from mithaq.node.agreements_in_words import document as document_words
from mithaq.node.agreements_in_words import duties
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.node.agreements_in_words.effective import SPEAKERS, effective_sentence
from mithaq.node.agreements_in_words.vocabulary import VOCABULARY
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.node.language import translator
from tests.treaties import EFFECTIVE_FIELDS, EVERYTHING, any_documents, document_of, full_document

LISTS = {
    name: get_args(value) for name, value in vars(vocabulary).items() if typing.get_origin(value) is typing.Literal
}
NAMES_OF_STANDARDS = frozenset(chain(LISTS["TlpName"], LISTS["PapName"], LISTS["Licence"]))


def said(document: Document, lang: str = "en") -> list[str]:
    return [each.text for each in sentences_of(translator(lang), document)]


@pytest.mark.parametrize("name", LISTS)
def test_every_value_of_the_vocabulary_has_a_word(name: str) -> None:
    assert tuple(VOCABULARY[name]) == LISTS[name]
    assert len(set(VOCABULARY[name].values())) == len(LISTS[name])


def test_every_choice_inside_a_term_has_its_sentence() -> None:
    choices = {
        terms.Terms: {
            "attribution": duties.ATTRIBUTION,
            "affected_party": duties.AFFECTED_PARTY,
            "compelled_disclosure": duties.COMPELLED,
        },
        terms.Research: {"publication": duties.PUBLICATION},
        terms.Audit: {"by": duties.AUDIT},
        terms.Leaving: {"surviving": duties.SURVIVING, "on_exit": duties.ON_EXIT},
        model.LegalText: {"precedence": document_words.PRECEDENCE},
    }
    for part, named in choices.items():
        hints = typing.get_type_hints(part)
        for name, table in named.items():
            assert set(table) == _literals(hints[name]), name


def _literals(hint: object) -> set[str]:
    if typing.get_origin(hint) is typing.Literal:
        return set(get_args(hint))
    return {value for inner in get_args(hint) for value in _literals(inner)}


def test_every_term_has_one_way_to_be_said() -> None:
    whole = {rule.name for rule in TERMS if not rule.sentence}
    nested = {"onward", "ceilings", "transforms"}
    assert set(duties.DUTIES) | nested | {"retention_days", "witnesses"} == whole
    assert tuple(SPEAKERS) == EFFECTIVE_FIELDS


def test_a_document_that_says_everything_is_said_whole() -> None:
    about = {each.term for each in sentences_of(translator("en"), full_document())}
    assert about >= {rule.name for rule in TERMS}
    assert about >= {"parties", "signatories", "contacts", "reservations", "entry", "validity", "renewal", "legal_text"}


def test_no_machines_word_reaches_a_sentence() -> None:
    machine = {word for words in LISTS.values() for word in words if "-" in word} - NAMES_OF_STANDARDS
    text = "\n".join(said(full_document()))
    assert [word for word in machine if word in text] == []
    assert "None" not in text
    assert "%(" not in text


def test_what_is_not_agreed_is_not_said() -> None:
    little = msgspec.convert(
        {name: msgspec.to_builtins(EVERYTHING)[name] for name in terms.Terms.__struct_fields__[:7]}, terms.Terms
    )
    about = {each.term for each in sentences_of(translator("en"), document_of(little))}
    assert about == {
        *terms.Terms.__struct_fields__[:7], "witnesses", "status_max_age_days", "suspension_by",
        "recipients_confidential", "parties", "entry", "validity",
    }  # fmt: skip


def test_times_and_numbers_are_those_agreed() -> None:
    text = said(full_document())
    assert (
        "A party tells the others of an incident of its own whose severity is at least high: an early warning within "
        "24 hours, a notification within 72 hours and a final report within 30 days." in text
    )
    assert (
        "A request for the takedown of a service (an emergency) is acknowledged within 1 hour and answered within "
        "12 hours." in text
    )
    assert "What XA gives to XB is labelled at most TLP:AMBER and PAP:AMBER." in text
    assert (
        "By reservation of XB, for what it gives and what it receives: Nothing labelled above TLP:GREEN is shared; "
        "an unlabelled object counts as TLP:RED." in text
    )


def test_a_ceiling_above_the_agreements_own_is_said_as_what_really_holds() -> None:
    low = msgspec.structs.replace(EVERYTHING, tlp_ceiling="TLP:GREEN", ceilings=[terms.Ceiling("TLP:RED", "XA")])
    assert "What XA gives to any party is labelled at most TLP:GREEN." in said(document_of(low))


def test_an_officials_name_cannot_reorder_the_sentence_around_it() -> None:
    document = full_document()
    party = msgspec.structs.replace(document.parties[0], names={"en": "\u0639\u0645\u0627\u0646"})
    text = said(msgspec.structs.replace(document, parties=[party, *document.parties[1:]]))[0]
    assert "\u2068\u0639\u0645\u0627\u0646\u2069" in text


@given(any_documents())
def test_any_document_is_said_in_every_language(document: Document) -> None:
    for lang in ("ar", "en", "fr"):
        assert all(each.endswith((".", "\u2069")) for each in said(document, lang))


@given(any_documents())
def test_every_effective_term_is_a_sentence(document: Document) -> None:
    agreed = agreed_terms(document)
    for name in EFFECTIVE_FIELDS:
        assert effective_sentence(Voice(translator("en")), agreed, name).endswith(".")
