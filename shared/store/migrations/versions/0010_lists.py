"""Indexes for names, for lists in the order of creation, and for what is worst: to find a few, all were read."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

INDEXES = (
    ("rules_title", "rules", ["tenant", "deleted_at", "title"]),
    ("rules_made", "rules", ["tenant", "deleted_at", "created_at"]),
    ("monitors_name", "monitors", ["tenant", "deleted_at", "name"]),
    ("monitors_made", "monitors", ["tenant", "deleted_at", "created_at"]),
    ("alerts_severity", "alerts", ["tenant", "severity", "fired_at"]),
)


def upgrade() -> None:
    """Create the indexes, leaving out what is there: MySQL commits each of them by itself."""
    for name, table, columns in INDEXES:
        if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
            op.create_index(name, table, columns)
