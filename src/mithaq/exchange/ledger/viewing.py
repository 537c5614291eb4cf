"""One object as everyone said it, with what was said of it, what it is worth, and what else means the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from mithaq.exchange.ledger.became import said_of
from mithaq.intelligence import merging, related
from mithaq.intelligence.comments import Said
from mithaq.intelligence.decay import Score, score_of
from mithaq.intelligence.merging import Merged, merged
from mithaq.intelligence.model import StoredObject
from mithaq.intelligence.related import Alike, alike
from mithaq.intelligence.watching import looked_at
from mithaq.kernel.clock import rfc3339


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown of one object; `versions` are newest first, and there is at least one."""

    versions: tuple[StoredObject, ...]
    merged: Merged
    said: tuple[Said, ...]
    score: Score | None
    alike: tuple[Alike, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the view as JSON values, for `--json` and the API."""
        return {
            "versions": [version_as_json(each) for each in self.versions],
            "merged": merging.as_json(self.merged),
            "found": [said_as_json(each) for each in self.said],
            "score": self.score.as_json() if self.score else None,
            "also_said_as": related.alike_as_json(self.alike),
        }


def view_of(connection: Connection, versions: Sequence[StoredObject], at: datetime) -> View:
    """Return what is shown of an object of which these versions are held, newest first."""
    newest = versions[0]
    said = said_of(connection, newest.stix.id, newest.lane)
    return View(
        tuple(versions),
        merged(versions),
        tuple(said),
        score_of(newest, said, at),
        tuple(alike(connection, newest)),
    )


def summary_as_json(item: StoredObject) -> dict[str, Any]:
    """Return the one line of an object as JSON values."""
    return {
        "row": item.row,
        "id": item.stix.id,
        "type": item.stix.type,
        "name": item.stix.name or ", ".join(observable.value for observable in item.stix.observables[:3]),
        "tlp": item.tlp.label,
        "from": sorted({word.nation for word in item.provenance if word.standing == "stands"}),
        "stored": rfc3339(item.stored_at),
    }


def version_as_json(item: StoredObject) -> dict[str, Any]:
    """Return one version of an object, with everyone who said it, as JSON values."""
    return {
        **summary_as_json(item),
        "lane": str(item.lane),
        "modified": rfc3339(item.stix.modified) if item.stix.modified else None,
        "revoked": item.stix.revoked,
        "stands": item.stands,
        "pap": item.pap.label if item.pap is not None else None,
        "observables": [str(observable) for observable in item.stix.observables],
        "looked_for": _looked_for(item),
        "provenance": [merging.word_as_json(word) for word in item.provenance],
        "release": [
            {"agreement": asked.agreement_id, "to": asked.recipients, "purpose": asked.purpose}
            for asked in item.instructions
        ],
        "body": item.body.decode("utf-8", "replace"),
    }


def said_as_json(each: Said) -> dict[str, Any]:
    """Return an opinion, a note or a sighting as JSON values."""
    comment = each.comment
    return {
        "id": each.stored.stix.id,
        "by": list(each.by),
        "says": comment.opinion or ("proposal" if comment.proposed else comment.answer) or each.stored.stix.type,
        "explanation": comment.explanation or None,
        "count": comment.count,
        "said": rfc3339(each.stored.stix.modified or each.stored.stored_at),
    }


def _looked_for(item: StoredObject) -> dict[str, Any] | None:
    looked = looked_at(item.stix)
    return None if looked is None else {"how": looked.how, "left_out": [each.as_json() for each in looked.left_out]}
