"""Find an agreement by what somebody typed, and say its title."""

from sqlalchemy import Connection

from mithaq.agreements.errors import UnknownAgreement
from mithaq.agreements.model import Agreement
from mithaq.cli.layout import name_in
from mithaq.cli.session import Session
from mithaq.node.composition import Node

_MIN_PREFIX = 4


def resolve(node: Node, text: str, version: int | None = None) -> Agreement:
    """Return an agreement by its id, or by a beginning of it that only one has.

    Raises:
        UnknownAgreement: there is none, or there are several.
    """
    with node.db.read() as connection:
        return node.agreements.get(connection, _full_id(node, connection, text), version)


def title_of(session: Session, known: Agreement | None) -> str:
    """Return an agreement's title in the reader's language, nothing where it is unknown."""
    return name_in(session, known.document.title) if known else ""


def _full_id(node: Node, connection: Connection, text: str) -> str:
    bare = text.removeprefix("agreement--")
    if len(bare) < _MIN_PREFIX:
        return text
    begins = f"agreement--{bare}"
    found = {each.document.id for each in node.agreements.all(connection) if each.document.id.startswith(begins)}
    if len(found) > 1:
        raise UnknownAgreement("several agreements begin so; write more of the id", subject=text[:80])
    return found.pop() if found else text
