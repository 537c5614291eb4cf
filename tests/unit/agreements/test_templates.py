"""The templates: complete, in the vocabulary, sayable."""

import msgspec
import pytest

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.templates import template, template_names
from mithaq.agreements.terms import Terms
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.node.language import translator
from tests.treaties import document_of


def terms_of(name: str) -> Terms:
    return msgspec.convert(template(name).terms, Terms)


def test_the_templates_are_those_that_certs_need() -> None:
    assert template_names() == ["bilateral", "exercise-only", "oic-cert-multilateral", "regional", "research-only"]


@pytest.mark.parametrize("name", template_names())
def test_a_template_is_in_the_vocabulary_and_in_every_language(name: str) -> None:
    known = template(name)
    assert set(known.title) == set(known.summary) == {"ar", "en", "fr"}
    assert msgspec.to_builtins(terms_of(name)).keys() <= known.terms.keys() | {"witnesses"}


@pytest.mark.parametrize("name", template_names())
def test_a_template_is_said_in_whole_sentences(name: str) -> None:
    said = sentences_of(translator("en"), document_of(terms_of(name)))
    assert {each.term for each in said} >= template(name).terms.keys()
    assert all(each.text.endswith(".") for each in said)


def test_the_multilateral_one_tells_of_incidents_as_the_directive_does() -> None:
    notice = terms_of("oic-cert-multilateral").notification
    assert notice is not None
    assert (notice.early_warning_hours, notice.notification_hours, notice.final_report_hours) == (24, 72, 720)


@pytest.mark.parametrize(("parties", "count"), [(2, 2), (4, 3), (57, 39)])
def test_entry_by_a_share_of_the_parties_is_rounded_up(parties: int, count: int) -> None:
    assert template("oic-cert-multilateral").entry(parties) == {"rule": "count", "count": count}
    assert template("bilateral").entry(parties) == {}


def test_an_unknown_template_is_answered_with_the_known_ones() -> None:
    with pytest.raises(BadAgreement, match="bilateral, exercise-only"):
        template("../../etc/passwd")
