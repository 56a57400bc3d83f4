"""Indexes for what goes after a time: steps by their slot, notifications by when they were made."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the indexes, leaving out what is there: MySQL commits each of them by itself."""
    _index("transitions_slot", "transitions", ["tenant", "slot"])
    _index("outbox_created", "outbox", ["tenant", "created_at"])


def _index(name: str, table: str, columns: list[str]) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
