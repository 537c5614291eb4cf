"""What one object says of another: an opinion (STIX 2.1 §4.15) or a sighting (§5.2)."""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

from mithaq.standards.stix.objects import fields_of, is_id

Agreement = Literal["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"]
"""The fixed scale of opinions (STIX 2.1, `opinion-enum`)."""

DISPUTES: Final = frozenset[Agreement]({"strongly-disagree", "disagree"})
COMMENTING: Final = frozenset({"opinion", "sighting"})
"""Types of objects that say something of another object."""

MAX_ABOUT: Final = 200
"""Of how many objects one opinion is kept in mind; the standard sets no limit."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Comment:
    """What an opinion or a sighting says, and of which objects.

    `opinion`: None for a sighting, and for an opinion that is not on the scale. `count`: how often it was sighted.
    """

    about: tuple[str, ...]
    opinion: Agreement | None = None
    explanation: str = ""
    count: int | None = None

    @property
    def disputes(self) -> bool:
        """Tell whether it holds that what it speaks of is wrong."""
        return self.opinion in DISPUTES


def comment_of(body: bytes) -> Comment:
    """Read what an opinion or a sighting says; another object says nothing of any.

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
            return Comment(_ids([fields.get("sighting_of_ref")]), count=number)
    return Comment(())


def _ids(value: Any) -> tuple[str, ...]:
    found = value[:MAX_ABOUT] if isinstance(value, list) else []
    return tuple(dict.fromkeys(item for item in found if isinstance(item, str) and is_id(item)))


def _text(value: Any) -> str:
    return _UNSTORABLE.sub("�", value) if isinstance(value, str) else ""
