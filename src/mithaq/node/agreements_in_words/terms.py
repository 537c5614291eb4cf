"""The agreed terms as whole sentences; what is not agreed and has no default is not said."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mithaq.agreements.effective import Effective, agreed_terms
from mithaq.agreements.model import Document
from mithaq.agreements.term_rules import TERMS, KeptBy
from mithaq.agreements.terms import Ceiling, Terms
from mithaq.node.agreements_in_words import vocabulary as known
from mithaq.node.agreements_in_words.duties import DUTIES
from mithaq.node.agreements_in_words.effective import effective_sentence
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

_ALWAYS_SAID: Final = frozenset({"witnesses", "retention_days"})
_EFFECTIVE_NAME: Final = {"permitted_actions": "permitted_action"}
"""The one term that stands under another name in the effective terms."""


@dataclass(frozen=True, slots=True)
class SaidTerm:
    """One sentence of an agreement: the term it is about, how it is kept, and the text in the reader's language."""

    term: str
    kept_by: KeptBy
    text: str


def term_sentences(voice: Voice, document: Document) -> Iterator[SaidTerm]:
    """Yield every agreed term, in the order of the vocabulary."""
    agreed = agreed_terms(document)
    for rule in TERMS:
        for text in _said(voice, document.terms, agreed, rule.name):
            yield SaidTerm(rule.name, rule.kept_by, text)


def _said(voice: Voice, terms: Terms, agreed: Effective, name: str) -> Iterator[str]:
    if name in _NESTED:
        yield from _NESTED[name](voice, terms, agreed)
    elif name in DUTIES:
        yield from DUTIES[name](voice, terms)
    elif name in _ALWAYS_SAID or getattr(terms, name) not in (None, []):
        yield effective_sentence(voice, agreed, _EFFECTIVE_NAME.get(name, name))


def _onward(voice: Voice, terms: Terms, agreed: Effective) -> Iterator[str]:
    match terms.onward.mode:
        case "none":
            yield voice.say("An object is passed on to no other nation.")
        case "originator-consent":
            yield effective_sentence(voice, agreed, "onward_consent")
        case "parties":
            yield voice.say("An object may be passed on to every other party of this agreement.")
        case "named":
            yield effective_sentence(voice, agreed, "onward_parties")
    if terms.onward.max_hops is not None:
        yield effective_sentence(voice, agreed, "max_hops")
    yield effective_sentence(voice, agreed, "constituents_tlp")
    if agreed.public_after_days is not None:
        yield effective_sentence(voice, agreed, "public_after_days")


def _ceilings(voice: Voice, terms: Terms, agreed: Effective) -> Iterator[str]:
    for each in terms.ceilings:
        yield voice.say(
            "What %(sender)s gives to %(recipient)s is labelled at most %(labels)s.",
            sender=each.sender or voice.say("any party"),
            recipient=each.recipient or voice.say("any party"),
            labels=voice.listed(_labels(each, agreed)),
        )


def _labels(ceiling: Ceiling, agreed: Effective) -> list[str]:
    """Return the labels that really limit: a ceiling of one direction never raises the agreement's own."""
    labels = [min(Tlp.parse(ceiling.tlp) or Tlp.CLEAR, agreed.tlp_ceiling).label]
    if ceiling.pap:
        labels.append(min(Pap.parse(ceiling.pap) or Pap.CLEAR, agreed.pap_ceiling).label)
    return labels


def _transforms(voice: Voice, terms: Terms, agreed: Effective) -> Iterator[str]:
    del agreed
    for each in terms.transforms:
        yield voice.say(
            "Before an object leaves, its sender protects %(fields)s by %(operation)s.",
            fields=voice.word(known.FIELDS, each.fields),
            operation=voice.word(known.OPERATIONS, each.operation),
        )


_NESTED: Final[dict[str, Callable[[Voice, Terms, Effective], Iterator[str]]]] = {
    "onward": _onward,
    "ceilings": _ceilings,
    "transforms": _transforms,
}
