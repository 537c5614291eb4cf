"""Rules in other languages than STIX patterns are found by their language; a hit on one says what made it true."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_PAGE = 500


def upgrade() -> None:
    """Say of each indicator that is held in which language it is, and keep what rules need."""
    op.add_column("objects", sa.Column("pattern_type", sa.Text(), nullable=False, server_default=""))
    _name_languages(op.get_bind())
    named = sa.text("pattern_type != ''")
    op.create_index("objects_rules", "objects", ["pattern_type"], sqlite_where=named, postgresql_where=named)
    op.add_column("hits", sa.Column("rule", sa.Text(), nullable=True))
    op.add_column("hunts", sa.Column("parts", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("hunts", sa.Column("parts_done", sa.Integer(), nullable=False, server_default="0"))
    op.create_table(
        "sigma_rules",
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("indicator_id", sa.Text(), nullable=False),
        sa.Column("object_row", sa.BigInteger(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("lane", "indicator_id", name="pk_sigma_rules"),
    )


def _name_languages(connection: sa.Connection) -> None:
    names = ("row", "type", "matchable", "body", "pattern_type")
    objects = sa.table("objects", *(sa.column(name) for name in names))
    of_rules = (objects.c.type == "indicator", objects.c.matchable.is_(False))
    query = sa.select(objects.c.row, objects.c.body).where(*of_rules).order_by(objects.c.row).limit(_PAGE)
    after = 0
    while rows := connection.execute(query.where(objects.c.row > after)).all():
        after = rows[-1].row
        for row in rows:
            language = json.loads(bytes(row.body)).get("pattern_type")
            if isinstance(language, str) and language != "stix":
                here = objects.update().where(objects.c.row == row.row)
                connection.execute(here.values(pattern_type=language[:40]))
