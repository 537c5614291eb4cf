"""One object as people read it on a console: what it says, who said it, what it is worth, what has to do with it."""

from collections.abc import Iterable, Sequence

from mithaq.cli.layout import cell, labelled, printable, word
from mithaq.cli.session import Session, table
from mithaq.exchange.ledger.viewing import View, said_as_json
from mithaq.intelligence.decay import Score
from mithaq.intelligence.knowledge import Entry
from mithaq.intelligence.lookup import Brief
from mithaq.intelligence.merging import Difference
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.related import Referring, Related, Shared
from mithaq.intelligence.settings import MAX_SHARING
from mithaq.intelligence.watching import looked_at
from mithaq.node.language import msgid

_WORDS = (msgid("nation"), msgid("received"), msgid("labels"), msgid("state"), msgid("version"))
_TEXT_CHARS = 2_000


def object_text(session: Session, view: View) -> str:
    """Write an object with everyone who said it."""
    newest = view.versions[0]
    blocks = [_head(session, newest, view.score), _section(session, msgid("Who said it"), _words(session, view))]
    blocks += [
        _section(session, msgid("Where they differ"), [_difference(each) for each in view.merged.differences]),
        _section(session, msgid("What was found of it"), _said(session, view)),
        _section(session, msgid("Also said as"), [_line(session, each.brief) for each in view.alike]),
    ]
    return "\n\n".join(block for block in blocks if block)


def related_text(session: Session, found: Related) -> str:
    """Write what has to do with an object; a sentence where nothing has."""
    shared = [line for each in found.shared for line in _shared(session, each)]
    blocks = [
        _section(session, msgid("What else has to do with it"), shared),
        _section(session, msgid("What refers to it"), [_referring(session, each) for each in found.referring]),
    ]
    return "\n\n".join(block for block in blocks if block) or session.words.gettext(
        "Nothing else that is held here has to do with it."
    )


def entries_text(session: Session, entries: Sequence[Entry]) -> str:
    """Write what ATT&CK knows of something, and what here refers to it."""
    blocks = []
    for each in entries:
        item = each.stored
        head = _labelled(
            session,
            (msgid("name"), item.stix.name),
            ("ATT&CK", ", ".join(item.stix.attack_ids)),
            (msgid("id"), item.stix.id),
            (msgid("state"), word(session, "score-revoked") if item.stix.revoked else ""),
        )
        text = "\n".join(printable(line) for line in item.stix.description[:_TEXT_CHARS].splitlines())
        referring = [_referring(session, one) for one in each.related.referring]
        blocks += [head, text, _section(session, msgid("What refers to it"), referring)]
    return "\n\n".join(block for block in blocks if block)


def _head(session: Session, item: StoredObject, score: Score | None) -> str:
    labels = [item.tlp.label, *([item.pap.label] if item.pap is not None else [])]
    return _labelled(
        session,
        (msgid("name"), item.stix.name),
        (msgid("type"), item.stix.type),
        (msgid("id"), item.stix.id),
        (msgid("state"), word(session, "stands" if item.stands else "withdrawn")),
        (msgid("labels"), " ".join(labels)),
        (msgid("value"), ", ".join(str(each) for each in item.stix.observables)),
        (msgid("looked for"), _looked_for(session, item)),
        (msgid("Worth today"), _worth(session, score) if score else ""),
    )


_LOOKED = {
    "values": msgid("each of its values"),
    "pattern": msgid("events of which the whole pattern is true"),
    "together": msgid("events of one source that make the whole pattern true together"),
    "not": msgid("nothing"),
}


def _looked_for(session: Session, item: StoredObject) -> str:
    looked = looked_at(item.stix)
    if looked is None:
        return ""
    reasons = [each.sentence(session.words.gettext) for each in looked.left_out]
    return "; ".join(map(printable, (session.words.gettext(_LOOKED[looked.how]), *reasons)))


def _worth(session: Session, score: Score) -> str:
    value = f"{score.value:.0f} / 100"
    return value if score.state == "decays" else f"{value} ({word(session, f'score-{score.state}')})"


def _words(session: Session, view: View) -> list[str]:
    rows = [[session.words.gettext(title) for title in _WORDS]]
    for said in view.merged.words:
        each = said.provenance
        labels = [each.tlp.label, each.pap.label if each.pap else "", str(each.admiralty or "")]
        shown = " ".join(label for label in labels if label)
        standing = word(session, each.standing)
        rows.append([each.nation, cell(session, each.received_at), shown, standing, cell(session, said.modified)])
    return [table(rows)]


def _difference(found: Difference) -> str:
    told = [
        f"{', '.join(value.nations) or '-'}: {'-' if value.is_absent else printable(str(value.value)[:200])}"
        for value in found.values
    ]
    return f"{printable(found.path)}  {'; '.join(told)}"


def _said(session: Session, view: View) -> list[str]:
    lines = []
    for each in view.said:
        told = said_as_json(each)
        says = word(session, f"opinion-{told['says']}") if each.comment.opinion else str(told["says"])
        lines.append(f"{', '.join(each.by)}  {says}  {printable(each.comment.explanation or '')}".rstrip())
    return lines


def _shared(session: Session, found: Shared) -> Iterable[str]:
    yield printable(found.value)
    if found.frequent:
        told = session.words.gettext("more than %(count)s objects share it: that says little")
        yield f"  {told % {'count': MAX_SHARING}}"
    for each in found.objects:
        yield f"  {_line(session, each)}"


def _referring(session: Session, found: Referring) -> str:
    if not found.other:
        return _line(session, found.brief)
    arrow = "→" if found.is_source else "←"
    return f"{printable(found.relation)} {arrow} {found.other}  {printable(found.other_name)}".rstrip()


def _line(session: Session, brief: Brief) -> str:
    return f"{cell(session, brief.stored_at)}  {brief.id}  {printable(brief.name)}".rstrip()


def _section(session: Session, title: str, lines: Sequence[str]) -> str:
    return "\n".join([session.words.gettext(title), *lines]) if lines else ""


def _labelled(session: Session, *rows: tuple[str, str]) -> str:
    return labelled((session.words.gettext(title), printable(value)) for title, value in rows)
