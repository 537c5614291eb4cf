"""Alembic's entry: run the migrations of one database in one transaction."""

from alembic import context
from sqlalchemy import text

from mithaq.kernel.database import Database
from mithaq.node.schema import metadata

_LOCK = 0x6D696772

url = context.config.attributes["url"]
if url:
    database = Database.open(url, statement_s=0)
    with database.engine.connect().execution_options(mithaq_write=True) as connection:
        if database.dialect == "postgresql":  # several machines may start at once
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    database.close()
