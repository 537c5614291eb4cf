"""What people said of a false positive, what opinions and sightings speak of, and receipts without pieces of values."""

import json
import re
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PAGE = 500
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,249}--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def upgrade() -> None:
    """Add the columns and the index, fill it from what is held, and drop what kept refusals may quote."""
    for name in ("dismissed_as", "reason", "opinion_id"):
        op.add_column("hits", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "object_comments",
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("object", big, nullable=False),
        sa.ForeignKeyConstraint(["object"], ["objects.row"], name="fk_object_comments_object"),
        sa.PrimaryKeyConstraint("about", "object", name="pk_object_comments"),
    )
    op.create_index("ix_object_comments_object", "object_comments", ["object"])
    _index_what_is_held(op.get_bind())
    _drop_what_refusals_quote(op.get_bind())


def _index_what_is_held(connection: sa.Connection) -> None:
    objects = sa.table("objects", sa.column("row"), sa.column("type"), sa.column("body"))
    comments = sa.table("object_comments", sa.column("about"), sa.column("object"))
    query = sa.select(objects).where(objects.c.type.in_(("opinion", "sighting"))).order_by(objects.c.row).limit(_PAGE)
    after = 0
    while rows := connection.execute(query.where(objects.c.row > after)).all():
        after = rows[-1].row
        found = [{"about": about, "object": row.row} for row in rows for about in _spoken_of(bytes(row.body))]
        if found:
            connection.execute(comments.insert(), found)


def _spoken_of(body: bytes) -> list[str]:
    fields = json.loads(body)
    refs = fields.get("object_refs")
    named = (refs if isinstance(refs, list) else []) if fields["type"] == "opinion" else [fields.get("sighting_of_ref")]
    found = [each for each in named[:200] if isinstance(each, str) and _ID.fullmatch(each)] if named else []
    return list(dict.fromkeys(found))


def _drop_what_refusals_quote(connection: sa.Connection) -> None:
    """Let numbers and codes stay; a text among the parameters may be a piece of a value.

    The receipt of a release whose bytes are erased goes with it; one whose bytes are kept goes when they do.
    """
    names = ("recipient", "sequence", "refused", "receipt", "envelope")
    sent = sa.table("exchange_sent", *(sa.column(name) for name in names))
    for row in connection.execute(sa.select(sent).where(sent.c.refused.is_not(None))).all():
        refused = json.loads(row.refused) or []
        bare = [_bare(each) for each in refused if isinstance(each, dict)]
        if len(bare) != len(refused) or bare == refused:
            continue
        here = (sent.c.recipient == row.recipient, sent.c.sequence == row.sequence)
        receipt = b"" if row.envelope is None and row.receipt is not None else row.receipt
        values = {"refused": json.dumps(bare, ensure_ascii=False), "receipt": receipt}
        connection.execute(sent.update().where(*here).values(**values))


def _bare(refused: dict[str, Any]) -> dict[str, Any]:
    reasons = [
        each | {"params": {name: value if isinstance(value, int) else "…" for name, value in each["params"].items()}}
        for each in refused["reasons"]
    ]
    return refused | {"reasons": reasons}
