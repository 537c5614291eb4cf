"""A numbered release as it is kept: its row, what it holds, and what was asked of the gate for it."""

import hashlib
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from mithaq.exchange import store
from mithaq.exchange.context import Context
from mithaq.exchange.log.logs import Place
from mithaq.exchange.log.record import label_of
from mithaq.exchange.release_document import RELEASE_TYPE, ReleaseDocument
from mithaq.kernel.ids import NationId
from mithaq.release.model import Withheld

LOST = "lost"
"""The action of a number that was used before a backup was restored: nobody here knows for what."""

OF_OBJECT = ("object_row", "object_id", "version", "lane")
_OF_QUESTION = ("recipient", *OF_OBJECT, "agreement_id", "purpose")


def signed(context: Context, document: ReleaseDocument) -> tuple[bytes, str]:
    """Return the signed envelope of a release and its SHA-256."""
    envelope = context.signer.sign(RELEASE_TYPE, document.encode())
    return envelope, hashlib.sha256(envelope).hexdigest()


def last_sequence(connection: Connection, recipient: NationId) -> int:
    """Return the number of the last release to a partner, 0 before the first."""
    query = select(func.coalesce(func.max(store.sent.c.sequence), 0)).where(store.sent.c.recipient == recipient)
    return connection.scalar(query) or 0


def question(row: Any) -> dict[str, Any]:
    """Return what is asked of the gate for one decision that waits."""
    return {name: getattr(row, name) for name in _OF_QUESTION}


def question_again(row: Any, each: Any) -> dict[str, Any]:
    """Return what was asked of the gate for one object of a numbered release."""
    return {name: getattr(each, name) for name in ("recipient", *OF_OBJECT)} | {
        "agreement_id": row.agreement_id,
        "purpose": row.purpose,
    }


def refusal(asked: dict[str, Any], decision: Withheld, at: datetime) -> dict[str, Any]:
    """Return the row of the private log for one question that was answered with no."""
    return asked | {"reasons": [reason.as_json() for reason in decision.reasons], "at": at}


def logged(place: Place, document: ReleaseDocument, envelope: bytes) -> dict[str, Any]:
    """Return where a release is in the log, with what an auditor would ask to see."""
    return {"log": place.log, "leaf": place.leaf, "label": label_of(document).label, "envelope": envelope}
