"""What one object says of another: an opinion (STIX 2.1 §4.15), a note (§4.14) or a sighting (§5.2).

A note may propose a change of somebody else's object, or answer such a proposal, in the extension below (§7.3).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast, get_args

from mithaq.kernel.clock import from_rfc3339
from mithaq.standards.stix.fields import is_id
from mithaq.standards.stix.objects import fields_of

Agreement = Literal["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"]
"""The fixed scale of opinions (STIX 2.1, `opinion-enum`)."""

Answer = Literal["accepted", "declined"]

DISPUTES: Final = frozenset[Agreement]({"strongly-disagree", "disagree"})
COMMENTING: Final = frozenset({"note", "opinion", "sighting"})
"""Types of objects that say something of another object."""

PROPOSAL_EXTENSION: Final = "extension-definition--0d1b7a5e-52c4-4f0e-9f53-3a6c2f0e9d11"
"""On a note, a property extension: `proposed` is an object as it should be instead of `version`; or `answers` names
a proposal and `answer` says what became of it."""

MAX_ABOUT: Final = 200
"""Of how many objects one opinion is kept in mind; the standard sets no limit."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Comment:
    """What an opinion, a note or a sighting says, and of which objects.

    `opinion`: None for all but an opinion on the scale. `explanation`: of a note its text. `count`: how often it was
    sighted, last at `last_seen`. `proposed`: the object as a proposal would have it, instead of the version `based_on`.
    `answers`: the proposal that a note answers.
    """

    about: tuple[str, ...]
    opinion: Agreement | None = None
    explanation: str = ""
    count: int | None = None
    last_seen: datetime | None = None
    proposed: Mapping[str, Any] | None = None
    based_on: str = ""
    answers: str = ""
    answer: Answer | None = None

    @property
    def disputes(self) -> bool:
        """Tell whether it holds that what it speaks of is wrong."""
        return self.opinion in DISPUTES


def comment_of(body: bytes) -> Comment:
    """Read what an opinion, a note or a sighting says; another object says nothing of any.

    Raises:
        BadObject: it is no JSON object.
    """
    fields = fields_of(body)
    match fields.get("type"):
        case "opinion":
            found = fields.get("opinion")
            scale = cast(Agreement, found) if found in get_args(Agreement) else None
            return Comment(_ids(fields.get("object_refs")), scale, _text(fields.get("explanation")))
        case "sighting":
            count = fields.get("count")
            number = count if isinstance(count, int) and not isinstance(count, bool) and 0 <= count < 10**9 else None
            about = _ids([fields.get("sighting_of_ref")])
            return Comment(about, count=number, last_seen=_instant(fields.get("last_seen")))
        case "note":
            return _note(fields)
    return Comment(())


def _note(fields: Mapping[str, Any]) -> Comment:
    about, text = _ids(fields.get("object_refs")), _text(fields.get("content")) or _text(fields.get("abstract"))
    extensions = fields.get("extensions")
    found = extensions.get(PROPOSAL_EXTENSION) if isinstance(extensions, dict) else None
    if not isinstance(found, dict):
        return Comment(about, explanation=text)
    proposed, answers, answer = found.get("proposed"), found.get("answers"), found.get("answer")
    if isinstance(proposed, dict) and proposed.get("id") in about[:1]:
        return Comment(about[:1], explanation=text, proposed=proposed, based_on=_text(found.get("version")))
    if isinstance(answers, str) and answers in about and answer in get_args(Answer):
        return Comment(about, explanation=text, answers=answers, answer=cast(Answer, answer))
    return Comment(about, explanation=text)


def _ids(value: Any) -> tuple[str, ...]:
    found = value[:MAX_ABOUT] if isinstance(value, list) else []
    return tuple(dict.fromkeys(item for item in found if isinstance(item, str) and is_id(item)))


def _text(value: Any) -> str:
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def _instant(value: Any) -> datetime | None:
    try:
        return from_rfc3339(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None
