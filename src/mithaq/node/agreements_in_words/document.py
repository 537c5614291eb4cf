"""The whole machine part of an agreement as sentences: parties, terms, reservations, entry, validity, legal text."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from mithaq.agreements.effective import agreed_terms, narrowed
from mithaq.agreements.model import Document, LegalText, Party, Reservation
from mithaq.kernel.clock import from_rfc3339
from mithaq.node.agreements_in_words import vocabulary as known
from mithaq.node.agreements_in_words.effective import effective_sentence
from mithaq.node.agreements_in_words.terms import SaidTerm, term_sentences
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.node.language import Translator, msgid

PRECEDENCE: Final = {
    "legal-text": msgid("Where the legal text and these terms differ, the legal text prevails."),
    "terms": msgid("Where the legal text and these terms differ, these terms prevail."),
}


def sentences_of(words: Translator, document: Document) -> list[SaidTerm]:
    """Say everything that is agreed, in the order in which people read an agreement."""
    voice = Voice(words)
    return [
        *(each for party in document.parties for each in _party(voice, party)),
        *term_sentences(voice, document),
        *(each for reservation in document.reservations for each in _reservation(voice, document, reservation)),
        *_entry(voice, document),
        *_validity(voice, document),
        *(_legal_text(voice, document.legal_text) if document.legal_text else ()),
    ]


def _party(voice: Voice, party: Party) -> Iterator[SaidTerm]:
    nation = party.nation
    yield SaidTerm(
        "parties",
        "prevent",
        voice.say(
            "%(nation)s (%(name)s) is %(role)s.",
            nation=nation,
            name=voice.name(party.names),  # type: ignore[arg-type]  # a Language is a str
            role=voice.word(known.ROLES, party.role),
        ),
    )
    if party.signatories:
        officials = [f"{each.name} ({each.office})" for each in party.signatories.officials]
        said = voice.say(
            "For %(nation)s, beside its node, at least %(count)s of these officials sign: %(officials)s.",
            nation=nation,
            count=party.signatories.threshold,
            officials=voice.listed(officials),
        )
        yield SaidTerm("signatories", "prevent", said)
    if party.stored_in:
        said = voice.say(
            "%(nation)s keeps objects in: %(nations)s.", nation=nation, nations=voice.listed(party.stored_in)
        )
        yield SaidTerm("parties", "prevent", said)
    for purpose, contact in (party.contacts or {}).items():
        said = voice.say(
            "%(nation)s is reached at %(contact)s (%(purpose)s).", nation=nation, contact=contact, purpose=purpose
        )
        yield SaidTerm("contacts", "audit", said)


def _reservation(voice: Voice, document: Document, reservation: Reservation) -> Iterator[SaidTerm]:
    """Say what really holds for the nation, in each term that it narrows."""
    agreed = agreed_terms(document)
    holds = agreed.meet(narrowed(agreed, reservation.narrows))
    for field in fields(holds):
        if getattr(holds, field.name) != getattr(agreed, field.name):
            said = voice.say(
                "By reservation of %(nation)s, for what it gives and what it receives: %(sentence)s",
                nation=reservation.nation,
                sentence=effective_sentence(voice, holds, field.name),
            )
            yield SaidTerm("reservations", "prevent", said)
    if reservation.statement:
        said = voice.say(
            "%(nation)s states: %(statement)s",
            nation=reservation.nation,
            statement=voice.name(reservation.statement),  # type: ignore[arg-type]  # a Language is a str
        )
        yield SaidTerm("reservations", "audit", said)


def _entry(voice: Voice, document: Document) -> Iterator[SaidTerm]:
    entry = document.entry
    said = ""
    match entry.rule:
        case "all":
            said = voice.say("The agreement binds once every party has signed.")
        case "count":
            said = voice.say(
                "The agreement binds those who have signed once so many have: %(count)s.", count=entry.count or 0
            )
        case "depositary":
            said = voice.say(
                "The agreement binds those who have signed once so many have: %(count)s, the depositary %(nation)s "
                "among them.",
                count=entry.count or 0,
                nation=entry.depositary or "",
            )
    yield SaidTerm("entry", "prevent", said)


def _validity(voice: Voice, document: Document) -> Iterator[SaidTerm]:
    said = voice.say(
        "The agreement is in force from %(start)s until %(end)s.",
        start=voice.words.moment(from_rfc3339(document.not_before)),
        end=voice.words.moment(from_rfc3339(document.not_after)),
    )
    yield SaidTerm("validity", "prevent", said)
    if renewal := document.renewal:
        said = voice.say(
            "It goes on by itself for the same time again, at most so often: %(count)s, unless a party objects at "
            "least %(time)s before its end.",
            count=renewal.times,
            time=voice.days(renewal.notice_days),
        )
        yield SaidTerm("renewal", "oblige", said)


def _legal_text(voice: Voice, text: LegalText) -> Iterator[SaidTerm]:
    said = voice.say(
        "The legal text exists in these languages: %(languages)s. The text in %(prevailing)s prevails over the others.",
        languages=voice.each(known.LANGUAGES, text.hashes),
        prevailing=voice.word(known.LANGUAGES, text.prevailing),
    )
    yield SaidTerm("legal_text", "audit", said)
    yield SaidTerm("legal_text", "audit", voice.say(PRECEDENCE[text.precedence]))
