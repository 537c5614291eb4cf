"""What changes between two documents, in sentences: first what may pass, then what is owed."""

from collections.abc import Sequence
from dataclasses import dataclass

from mithaq.agreements.difference import Change, Direction, difference, directions_of
from mithaq.agreements.model import Document
from mithaq.node.agreements_in_words.document import sentences_of
from mithaq.node.agreements_in_words.effective import effective_sentence
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.node.language import Translator

_SAID_BY_DIRECTION = frozenset({"kinds", "tlp_ceiling", "pap_ceiling", "purposes", "lanes", "ceilings", "sectors",
    "campaigns", "min_severity", "exclusions", "recipients", "excluded_recipients", "permitted_actions",
    "two_person_from", "witnesses", "retention_days", "onward", "reservations"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Changed:
    """One change in words: the directions, what held before, what holds then, and whether more or less passes."""

    term: str
    where: str
    before: str
    after: str
    wider: bool
    narrower: bool
    verdict: str


def changes_of(words: Translator, earlier: Document, later: Document) -> list[Changed]:
    """Say everything that changes between two documents; nothing where they let the same pass and owe the same."""
    voice = Voice(words)
    found = difference(earlier, later)
    every = [each for each in directions_of(earlier) if each in directions_of(later)]
    return [
        *(_change(voice, each, every) for each in found.changes),
        *(_direction(voice, each, is_opened=True) for each in found.opened),
        *(_direction(voice, each, is_opened=False) for each in found.closed),
        *_owed(voice, earlier, later),
    ]


def _change(voice: Voice, change: Change, every: Sequence[Direction]) -> Changed:
    where = voice.say("in every direction")
    if len(change.directions) < len(every):
        where = voice.listed(
            [
                voice.say("from %(sender)s to %(recipient)s", sender=sender, recipient=recipient)
                for sender, recipient in change.directions
            ]
        )
    before, after = (effective_sentence(voice, each, change.term) for each in (change.before, change.after))
    return Changed(change.term, where, before, after, change.wider, change.narrower, _verdict(voice, change))


def _verdict(voice: Voice, change: Change) -> str:
    if change.wider and change.narrower:
        return voice.say("something passes that did not, and something no longer does")
    return voice.say("more passes") if change.wider else voice.say("less passes")


def _direction(voice: Voice, direction: Direction, *, is_opened: bool) -> Changed:
    sender, recipient = direction
    where = voice.say("from %(sender)s to %(recipient)s", sender=sender, recipient=recipient)
    nothing, something = voice.say("Nothing is shared."), voice.say("Objects are shared under these terms.")
    verdict = voice.say("more passes") if is_opened else voice.say("less passes")
    before, after = (nothing, something) if is_opened else (something, nothing)
    return Changed("parties", where, before, after, is_opened, not is_opened, verdict)


def _owed(voice: Voice, earlier: Document, later: Document) -> list[Changed]:
    """Say the sentences that only one document has, of the terms that no direction shows."""
    old, new = (
        {each.text: each.term for each in sentences_of(voice.words, document) if each.term not in _SAID_BY_DIRECTION}
        for document in (earlier, later)
    )
    gone = [(term, text, "") for text, term in old.items() if text not in new]
    come = [(term, "", text) for text, term in new.items() if text not in old]
    where, verdict = voice.say("for all"), voice.say("changed")
    return [
        Changed(term, where, before, after, wider=False, narrower=False, verdict=verdict)
        for term, before, after in (*gone, *come)
    ]
