"""Sentences of what parties owe each other: answers, notifications, safekeeping, leaving."""

from collections.abc import Callable, Iterator
from typing import Final

from mithaq.agreements.terms import Terms
from mithaq.node.agreements_in_words import vocabulary as known
from mithaq.node.agreements_in_words.voice import Voice
from mithaq.node.language import msgid

ATTRIBUTION: Final = {
    "may": "",
    "must": msgid("The source of an object is named to others."),
    "must-not": msgid("The source of an object is never named to others."),
}
AFFECTED_PARTY: Final = {
    "may": "",
    "must-not": msgid("An affected party is not told."),
    "via-originator": msgid("An affected party is told by the originator and by nobody else."),
}
COMPELLED: Final = {
    "inform-originator": msgid("When a court or a law compels disclosure, the originator is informed first."),
    "as-law-requires": msgid(
        "When a court or a law compels disclosure, the law says whether the originator is informed."
    ),
}
PUBLICATION: Final = {
    "never": msgid("What research finds in objects is not published."),
    "originator-consent": msgid("What research finds in objects is published only where the originator consents."),
    "free": msgid("What research finds in objects may be published."),
}
AUDIT: Final = {
    "parties": msgid(
        "Any party may ask another for proofs from its release log and tells it at least %(time)s before."
    ),
    "depositary": msgid(
        "The depositary may ask a party for proofs from its release log and tells it at least %(time)s before."
    ),
}
SURVIVING: Final = {
    "retention": msgid("deleting in time"),
    "secrecy": msgid("keeping secrecy"),
    "recall": msgid("carrying out recalls"),
}
ON_EXIT: Final = {
    "keep-under-terms": msgid("A party that has left keeps what it received under the terms of this agreement."),
    "delete": msgid("A party that leaves deletes what it received."),
}


def _attribution(voice: Voice, terms: Terms) -> Iterator[str]:
    if said := ATTRIBUTION[terms.attribution]:
        yield voice.say(said)


def _affected_party(voice: Voice, terms: Terms) -> Iterator[str]:
    if said := AFFECTED_PARTY[terms.affected_party]:
        yield voice.say(said)


def _status(voice: Voice, terms: Terms) -> Iterator[str]:
    yield voice.say(
        "A nation whose keys were not confirmed for %(time)s receives nothing labelled TLP:AMBER or stricter.",
        time=voice.days(terms.status_max_age_days),
    )


def _suspension(voice: Voice, terms: Terms) -> Iterator[str]:
    yield voice.say("Any party may suspend the agreement for itself at once.")
    if terms.suspension_by is not None:
        yield voice.say(
            "A party is suspended against its will when this many other parties say so together: %(count)s.",
            count=terms.suspension_by,
        )


def _confidential(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.recipients_confidential:
        yield voice.say("Recipients do not learn of each other.")
    else:
        yield voice.say("Recipients may learn of each other.")


def _review(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.review_after_days is not None:
        yield voice.say(
            "%(time)s after its release, the recipient reviews whether an object still holds.",
            time=voice.days(terms.review_after_days),
        )


def _recall(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.recall_hours is not None:
        yield voice.say("A recall is carried out within %(time)s.", time=voice.hours(terms.recall_hours))


def _feedback(voice: Voice, terms: Terms) -> Iterator[str]:
    if not terms.feedback:
        return
    if hours := terms.feedback.sighting_hours:
        yield voice.say("A sighting of what was shared is reported back within %(time)s.", time=voice.hours(hours))
    if hours := terms.feedback.false_positive_hours:
        yield voice.say("A false positive is reported back within %(time)s.", time=voice.hours(hours))


def _response_times(voice: Voice, terms: Terms) -> Iterator[str]:
    for each in terms.response_times:
        yield voice.say(
            "A request for %(request)s (%(urgency)s) is acknowledged within %(first)s and answered within %(second)s.",
            request=voice.word(known.REQUESTS, each.request),
            urgency=voice.word(known.URGENCIES, each.urgency),
            first=voice.hours(each.acknowledge_hours),
            second=voice.hours(each.answer_hours),
        )


def _notification(voice: Voice, terms: Terms) -> Iterator[str]:
    if not (agreed := terms.notification):
        return
    yield voice.say(
        "A party tells the others of an incident of its own whose severity is at least %(severity)s: an early warning "
        "within %(first)s, a notification within %(second)s and a final report within %(third)s.",
        severity=voice.word(known.SEVERITIES, agreed.severity),
        first=voice.hours(agreed.early_warning_hours),
        second=voice.hours(agreed.notification_hours),
        third=voice.hours(agreed.final_report_hours),
    )
    if agreed.sectors:
        yield voice.say(
            "Only incidents in these sectors are to be told: %(sectors)s.",
            sectors=voice.each(known.SECTORS, agreed.sectors),
        )


def _emergency(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.emergency_contact:
        yield voice.say("Every party has an emergency contact that answers at any hour.")
        yield voice.say(
            "The emergency contact is tested by a call; the next test comes within %(time)s.",
            time=voice.days(terms.emergency_contact.test_every_days),
        )


def _compelled(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.compelled_disclosure:
        yield voice.say(COMPELLED[terms.compelled_disclosure])


def _reciprocity(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.reciprocity:
        yield voice.say(
            "Over %(time)s, a party is expected to answer %(percent)s of a hundred questions it is asked; this is "
            "shown and cuts nobody off.",
            time=voice.days(terms.reciprocity.over_days),
            percent=terms.reciprocity.answered_percent,
        )


def _research(voice: Voice, terms: Terms) -> Iterator[str]:
    if not (agreed := terms.research):
        return
    match agreed.licence:
        case "none":
            yield voice.say("Objects released for research come without a licence.")
        case "internal-use":
            yield voice.say("Objects released for research are licensed for internal use.")
        case licence:
            yield voice.say(
                "Objects released for research are licensed under %(licence)s.",
                licence=voice.word(known.LICENCES, licence),
            )
    if agreed.derivatives:
        yield voice.say("New data may be derived from objects released for research.")
    else:
        yield voice.say("No new data may be derived from objects released for research.")
    if agreed.model_training:
        yield voice.say("Models may be trained on objects released for research.")
    else:
        yield voice.say("No models may be trained on objects released for research.")
    yield voice.say(PUBLICATION[agreed.publication])


def _handling(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.handling and terms.handling.encrypted_at_rest:
        yield voice.say("The recipient keeps objects encrypted.")
    if terms.handling and terms.handling.clearance:
        yield voice.say(
            "Only persons with this clearance see objects: %(clearance)s.", clearance=terms.handling.clearance
        )


def _baseline(voice: Voice, terms: Terms) -> Iterator[str]:
    if not terms.baseline:
        return
    yield voice.say(
        "A party’s node speaks version %(version)s of the protocol or a later one.",
        version=terms.baseline.protocol_version,
    )
    if hours := terms.baseline.node_incident_hours:
        yield voice.say(
            "A party tells the others of an incident of its own node within %(time)s.", time=voice.hours(hours)
        )


def _jurisdiction(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.jurisdiction and terms.jurisdiction.stored_in:
        yield voice.say(
            "Objects are stored and processed only in: %(nations)s.",
            nations=voice.listed(terms.jurisdiction.stored_in),
        )
    if terms.jurisdiction and terms.jurisdiction.legal_basis:
        yield voice.say("The legal basis is this: %(basis)s.", basis=terms.jurisdiction.legal_basis)


def _audit(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.audit:
        yield voice.say(AUDIT[terms.audit.by], time=voice.days(terms.audit.notice_days))


def _leaving(voice: Voice, terms: Terms) -> Iterator[str]:
    if not (agreed := terms.leaving):
        return
    yield voice.say(
        "A party may withdraw; it tells the others at least %(time)s before.", time=voice.days(agreed.notice_days)
    )
    if agreed.surviving:
        yield voice.say(
            "A party that has left still owes this: %(duties)s.", duties=voice.each(SURVIVING, agreed.surviving)
        )
    else:
        yield voice.say("A party that has left owes nothing any more.")
    yield voice.say(ON_EXIT[agreed.on_exit])


def _accession(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.accession:
        yield voice.say(
            "Another nation may join; at least so many parties propose it: %(sponsors)s, and at least so many agree: "
            "%(agreeing)s.",
            sponsors=terms.accession.sponsors,
            agreeing=terms.accession.agreeing,
        )


def _dispute(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.dispute:
        yield voice.say("Disputes go to these, in this order: %(steps)s.", steps=voice.listed(terms.dispute.escalation))


def _no_warranty(voice: Voice, terms: Terms) -> Iterator[str]:
    if terms.no_warranty:
        yield voice.say("Objects come as they are, without warranty.")


DUTIES: Final[dict[str, Callable[[Voice, Terms], Iterator[str]]]] = {
    "attribution": _attribution,
    "affected_party": _affected_party,
    "status_max_age_days": _status,
    "suspension_by": _suspension,
    "recipients_confidential": _confidential,
    "review_after_days": _review,
    "recall_hours": _recall,
    "feedback": _feedback,
    "response_times": _response_times,
    "notification": _notification,
    "emergency_contact": _emergency,
    "compelled_disclosure": _compelled,
    "reciprocity": _reciprocity,
    "research": _research,
    "handling": _handling,
    "baseline": _baseline,
    "jurisdiction": _jurisdiction,
    "audit": _audit,
    "leaving": _leaving,
    "accession": _accession,
    "dispute": _dispute,
    "no_warranty": _no_warranty,
}
"""The sentences of each duty, by the name of its term."""
