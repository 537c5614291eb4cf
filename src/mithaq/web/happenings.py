"""Say what a journal entry means: one tag, one sentence, one link, for those who may know of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from sqlalchemy import Connection

from mithaq.detection.errors import UnknownHit
from mithaq.intelligence.comments import OPINION, PROPOSAL
from mithaq.intelligence.knowledge import LOADED
from mithaq.kernel.journal import Entry
from mithaq.nations.people.model import Actor, Verb
from mithaq.node.composition import Node
from mithaq.node.language import Translator, msgid
from mithaq.web.labels import LABELS, OPINIONS


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
    """One entry, told in the reader's language; `name` is foreign text, `value` a machine's."""

    seq: int
    at: datetime
    tag: str
    colour: str
    sentence: str
    name: str
    more: str
    value: str
    href: str
    lane: str


TELLINGS: Mapping[str, Telling] = {
    "intelligence.stored": Telling(
        msgid("Intelligence"), "info", msgid("From %(nation)s:"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    "intelligence.withdrawn": Telling(
        msgid("Withdrawal"), "warn", msgid("Withdrawn by %(nation)s:"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    OPINION: Telling(
        msgid("Opinion"), "warn", msgid("Opinion of %(nation)s on:"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    PROPOSAL: Telling(
        msgid("Proposal"), "warn", msgid("Proposal of %(nation)s on:"), Verb.INTELLIGENCE_READ, "/intelligence/"
    ),
    LOADED: Telling(msgid("Knowledge"), "info", msgid("Loaded: %(nation)s"), Verb.INTELLIGENCE_READ),
    "exchange.released": Telling(
        msgid("Release"), "good", msgid("Released to %(nation)s"), Verb.RELEASE_READ, "/exchange/"
    ),
    "exchange.withheld": Telling(
        msgid("Withheld"), "warn", msgid("Withheld, with reasons:"), Verb.RELEASE_READ, "/intelligence/"
    ),
    "exchange.admitted": Telling(
        msgid("Admitted"), "good", msgid("Admitted from %(nation)s"), Verb.RELEASE_READ, "/exchange/"
    ),
    "exchange.quarantined": Telling(
        msgid("Quarantine"), "bad", msgid("Quarantined, sent by %(nation)s"), Verb.RELEASE_READ, "/exchange/"
    ),
    "exchange.receipt": Telling(
        msgid("Receipt"), "good", msgid("Receipt from %(nation)s"), Verb.RELEASE_READ, "/exchange/"
    ),
    "exchange.contradiction": Telling(
        msgid("Contradiction"), "bad", msgid("A log of %(nation)s:"), Verb.NODE_READ, "/exchange/"
    ),
    "exchange.orders": Telling(msgid("Order"), "info", msgid("An order about releases"), Verb.RELEASE_READ),
    "detection.hit": Telling(msgid("Hit"), "bad", msgid("Seen in telemetry:"), Verb.DETECTION_READ, "/detection/"),
    "detection.hit.confirmed": Telling(
        msgid("Sighting"), "bad", msgid("Hit confirmed:"), Verb.DETECTION_READ, "/detection/"
    ),
    "detection.hit.dismissed": Telling(msgid("Hit"), "", msgid("Hit dismissed:"), Verb.DETECTION_READ, "/detection/"),
    "detection.breaker.stopped": Telling(
        msgid("Stopped"), "warn", msgid("It hit too often:"), Verb.DETECTION_READ, "/intelligence/"
    ),
    "response.blocklist": Telling(msgid("Blocklist"), "info", msgid("Blocklist built"), Verb.BLOCKLIST_READ),
    "response.sensor.version": Telling(
        msgid("Sensor"), "info", msgid("A new version for the sensor"), Verb.BLOCKLIST_READ, "/sensors/"
    ),
    "agreements.changed": Telling(
        msgid("Agreement"), "info", msgid("Agreement signed or changed"), Verb.AGREEMENT_READ, "/agreements/"
    ),
    "nations.card": Telling(
        msgid("Partner"), "info", msgid("The card of %(nation)s was taken"), Verb.NODE_READ, "/exchange/"
    ),
    "nations.statement": Telling(
        msgid("Keys"), "warn", msgid("The root officials of %(nation)s made a new key statement"), Verb.NODE_READ
    ),
    "nations.standing": Telling(
        msgid("Partner"), "info", msgid("The standing of %(nation)s changed"), Verb.NODE_READ, "/exchange/"
    ),
    "nations.removed": Telling(msgid("Partner"), "warn", msgid("The card of %(nation)s was removed"), Verb.NODE_READ),
}


def kinds_for(actor: Actor) -> frozenset[str]:
    """Return the kinds of entry that somebody may hear of."""
    return frozenset(kind for kind, telling in TELLINGS.items() if telling.verb in actor.verbs)


def tell(
    node: Node, connection: Connection, entries: Iterable[Entry], actor: Actor, words: Translator
) -> list[Happening]:
    """Tell the entries that the actor may hear of."""
    allowed = kinds_for(actor)
    heard = [entry for entry in entries if entry.kind in allowed]
    names = _object_names(node, connection, heard)
    return [_told(node, connection, entry, names, words) for entry in heard]


def _object_names(node: Node, connection: Connection, entries: Sequence[Entry]) -> dict[int, str]:
    """Return the name of the first object of each entry that tells of objects, by its row."""
    rows = [int(entry.detail["rows"][0]) for entry in entries if entry.detail.get("rows")]
    return {item.row: item.stix.name for item in node.holdings.rows(connection, rows)} if rows else {}


def _told(node: Node, connection: Connection, entry: Entry, names: Mapping[int, str], words: Translator) -> Happening:
    telling = TELLINGS[entry.kind]
    rows = entry.detail.get("rows") or []
    nation = _nation(entry)
    sentence = words.gettext(telling.sentence, nation=nation) if "%(" in telling.sentence else telling.sentence
    return Happening(
        seq=entry.seq,
        at=entry.at,
        tag=words.gettext(telling.tag),
        colour=telling.colour,
        sentence=sentence if "%(" in telling.sentence else words.gettext(sentence),
        name=names.get(rows[0], "") or entry.subject if rows else _subject_name(node, connection, entry),
        more=_more(entry, len(rows) - 1, words),
        value=_seen(node, connection, entry.subject) if telling.link == "/detection/" else "",
        href=_href(telling.link, nation if telling.link == "/exchange/" else entry.subject),
        lane=str(entry.lane),
    )


def _more(entry: Entry, others: int, words: Translator) -> str:
    """Return how a log contradicts, what an opinion or an answer says, or how many objects are not named."""
    if entry.kind == "exchange.contradiction":
        ruling = str(entry.detail.get("ruling", ""))
        return words.gettext(LABELS.get(f"difference-{ruling}", ruling))
    if entry.kind == OPINION:
        return words.gettext(OPINIONS[f"opinion-{entry.detail['says']}"])
    if entry.kind == PROPOSAL:
        answer = LABELS.get(f"answer-{entry.detail['says']}")
        return words.gettext(answer) if answer else ""
    return words.ngettext("and %(count)s more", "and %(count)s more", others) if others > 0 else ""


def _subject_name(node: Node, connection: Connection, entry: Entry) -> str:
    """Return the name of the object that an entry is about, where it is about one."""
    if entry.kind not in ("exchange.withheld", OPINION, PROPOSAL):
        return ""
    held = node.holdings.get(connection, entry.subject, entry.lane)
    return held[0].stix.name or entry.subject if held else entry.subject


def _seen(node: Node, connection: Connection, hit_id: str) -> str:
    try:
        return node.detection.explain(connection, hit_id).hit.sight.shown
    except UnknownHit:
        return ""


def _nation(entry: Entry) -> str:
    if recipient := entry.detail.get("recipient"):
        return str(recipient)
    kind, _, name = entry.actor.partition(":")
    return name if kind == "nation" else entry.subject


def _href(link: str, subject: str) -> str:
    return link + quote(subject, safe="-") if link else ""
