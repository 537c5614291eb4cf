"""Say what a journal entry means: one tag, one sentence, one link, for those who may know of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from mithaq.kernel.journal import Entry
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.language import Translator, msgid


@dataclass(frozen=True, slots=True)
class Telling:
    """How entries of one kind are told, and what one must be permitted to hear of them."""

    tag: str
    colour: str
    sentence: str
    verb: Verb
    link: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """One entry, told in the reader's language."""

    seq: int
    at: datetime
    tag: str
    colour: str
    sentence: str
    subject: str
    href: str
    lane: str


TELLINGS: Mapping[str, Telling] = {
    "intelligence.stored": Telling(
        msgid("Intelligence"), "info", msgid("New intelligence"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    "intelligence.withdrawn": Telling(
        msgid("Withdrawal"), "warn", msgid("Withdrawn"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    "exchange.released": Telling(
        msgid("Release"), "good", msgid("Released to %(nation)s"), Verb.RELEASE_READ, "/intelligence/"
    ),
    "exchange.withheld": Telling(
        msgid("Withheld"), "warn", msgid("Withheld from %(nation)s"), Verb.RELEASE_READ, "/intelligence/"
    ),
    "exchange.admitted": Telling(
        msgid("Admitted"), "good", msgid("Admitted from %(nation)s"), Verb.RELEASE_READ, "/intelligence/"
    ),
    "exchange.quarantined": Telling(
        msgid("Quarantine"), "bad", msgid("Quarantined, sent by %(nation)s"), Verb.RELEASE_READ, "/exchange"
    ),
    "exchange.receipt": Telling(
        msgid("Receipt"), "good", msgid("Receipt from %(nation)s"), Verb.RELEASE_READ, "/exchange"
    ),
    "detection.hit": Telling(msgid("Hit"), "bad", msgid("Seen in telemetry"), Verb.DETECTION_READ, "/detection/"),
    "detection.hit.confirmed": Telling(
        msgid("Sighting"), "bad", msgid("Hit confirmed"), Verb.DETECTION_READ, "/detection/"
    ),
    "detection.hit.dismissed": Telling(msgid("Hit"), "", msgid("Hit dismissed"), Verb.DETECTION_READ, "/detection/"),
    "response.blocklist": Telling(msgid("Blocklist"), "info", msgid("Blocklist built"), Verb.BLOCKLIST_READ),
    "agreements.changed": Telling(
        msgid("Agreement"), "info", msgid("Agreement changed"), Verb.AGREEMENT_READ, "/agreements/"
    ),
    "nations.card": Telling(msgid("Partner"), "info", msgid("A nation’s card was taken"), Verb.NODE_READ),
    "nations.standing": Telling(msgid("Partner"), "info", msgid("A partner’s standing changed"), Verb.NODE_READ),
    "nations.removed": Telling(msgid("Partner"), "warn", msgid("A nation’s card was removed"), Verb.NODE_READ),
}


def kinds_for(actor: Actor) -> frozenset[str]:
    """Return the kinds of entry that somebody may hear of."""
    return frozenset(kind for kind, telling in TELLINGS.items() if telling.verb in actor.verbs)


def tell(entries: Iterable[Entry], actor: Actor, words: Translator) -> list[Happening]:
    """Tell the entries that the actor may hear of."""
    allowed = kinds_for(actor)
    return [_told(entry, TELLINGS[entry.kind], words) for entry in entries if entry.kind in allowed]


def _told(entry: Entry, telling: Telling, words: Translator) -> Happening:
    nation = str(entry.detail.get("nation") or entry.detail.get("recipient") or entry.actor.partition(":")[2] or "?")
    needs = "%(nation)s" in telling.sentence
    return Happening(
        seq=entry.seq,
        at=entry.at,
        tag=words.gettext(telling.tag),
        colour=telling.colour,
        sentence=words.gettext(telling.sentence, nation=nation) if needs else words.gettext(telling.sentence),
        subject=entry.subject,
        href=_href(telling.link, entry.subject),
        lane=str(entry.lane),
    )


def _href(link: str, subject: str) -> str:
    return link + quote(subject, safe="-") if link.endswith("/") else link
