"""Alembic runs this for every command: it migrates over the connection that `shared.store.migrate` hands it.

It opens no connection and reads no file: the caller owns the lock and the transaction.
"""

from alembic import context

from shared.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    compare_server_default=True,
)
context.run_migrations()
